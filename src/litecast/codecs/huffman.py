"""Codes and indices by Huffman's code, as in Deep Compression: whole bits a code, the lengths stand before them.

Han et al., "Deep compression", ICLR 2016; Huffman 1952; canonical, so that lengths say all. Of tokens (`_tokens`), each
followed by its extra bits. Stream: u8 number of tokens A, u8 bits b of a length, A packed lengths; then the codes,
highest bit first. A single token that occurs (the last one) has no bits: b is 0.
"""

import heapq

import numpy as np

from litecast.errors import ModelFileError

from . import _bits, _coded, _tokens

HOLDS = "codes"
META = _coded.META
LONGEST = 40  # bits of a code: a deeper tree needs more codes than a file holds
CHUNK = 2**11  # bytes of the stream that are looked at together


def lengths(counts: np.ndarray) -> np.ndarray:
    """Bits (A,) of each token's code in Huffman's tree of these counts (A,); 0 where a token never occurs."""
    found = np.zeros(len(counts), int)
    heap = [(int(count), 1, [token]) for token, count in enumerate(counts) if count]
    heapq.heapify(heap)
    while len(heap) > 1:
        (less, few, some), (more, many, others) = heapq.heappop(heap), heapq.heappop(heap)
        found[some + others] += 1
        heapq.heappush(heap, (less + more, few + many, some + others))  # of equal counts the flattest tree
    return found


def bits(numbers: np.ndarray) -> int:
    """Bits of the codes of whole numbers (N,), without the lengths that stand before them."""
    tokens, _ = _tokens.split(numbers)
    counts = np.bincount(tokens)
    return int(lengths(counts) @ counts + _tokens.BITS[tokens].sum())


def pack(numbers: np.ndarray, columns: int = 0) -> bytes:
    """Whole numbers (N,) up to 65535 as a stream; in which rows they stand does not matter."""
    if not len(numbers):
        return b""
    tokens, extra = _tokens.split(numbers)
    size = lengths(np.bincount(tokens))
    width = int(size.max()).bit_length()
    head = bytes([len(size), width]) + (_bits.pack(size, width) if width else b"")
    order, starts = _canonical(size)
    codes = np.zeros(len(size), np.int64)
    codes[order] = starts >> (LONGEST - size[order])
    more = _tokens.BITS[tokens]
    return head + _written(codes[tokens] << more | extra, size[tokens] + more)


def unpack(stream: bytes, count: int) -> np.ndarray:
    """The inverse of `pack`: (count,) int32. Raises ModelFileError on a stream that is not of so many numbers."""
    number, width = stream[:2] if len(stream) > 1 else (0, 0)
    at = 2 + _bits.packed_bytes(number, width)
    if not count and not stream:
        return np.zeros(0, np.int32)
    if not count or not 0 < number <= len(_tokens.BASE) or width > 6 or len(stream) < at:
        raise ModelFileError(f"{len(stream)} bytes hold no {count} codes; the file is damaged")
    size = _bits.unpack(stream[2:at], width, number).astype(int) if width else np.zeros(number, int)
    order, starts = _canonical(size)
    whole = 2.0 ** -size[order]
    if width and (size.max() > LONGEST or whole.sum() != 1):
        raise ModelFileError("its code lengths are those of no tree; the file is damaged")
    return _walk(stream[at:], count, order if width else np.array([number - 1]), starts, size)


encode, decode = _coded.codec(pack, unpack)


def _canonical(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that have a code, by its length, then by themselves, and where their codes start, of 2**LONGEST."""
    order = np.argsort(size, kind="stable")
    order = order[size[order] > 0]
    spans = np.int64(1) << np.maximum(LONGEST - size[order], 0)
    return order, np.cumsum(spans) - spans


def _written(values: np.ndarray, sizes: np.ndarray) -> bytes:
    """Values (N,) in `sizes` bits each, highest bit first."""
    ends = np.cumsum(sizes)
    below = np.repeat(ends, sizes) - 1 - np.arange(ends[-1])  # places of each bit from its value's end
    return np.packbits((np.repeat(values, sizes) >> below & 1).astype(np.uint8)).tobytes()


def _window(octets: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What stands in the 56 bits from each bit position on, int64; `octets` go eight bytes beyond them."""
    eight = np.lib.stride_tricks.sliding_window_view(octets, 8)[places >> 3].copy().view(">u8")[:, 0]
    return (eight << (places & 7).astype(np.uint64) >> np.uint64(8)).astype(np.int64)


def _walk(stream: bytes, count: int, order: np.ndarray, starts: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Numbers (count,): at every bit position, whose code would start there; then from each code to the next."""
    octets, total = np.frombuffer(stream + bytes(8), np.uint8), 8 * len(stream)
    more = _tokens.BITS[order]
    steps, base = size[order] + more, _tokens.BASE[order].astype(np.int32)
    if not steps.any() and not stream:
        return np.repeat(base, count)
    if not steps.all() or count * steps.min() > total:
        raise ModelFileError(f"{len(stream)} bytes hold no {count} codes; the file is damaged")
    numbers, done, at = np.empty(count, np.int32), 0, 0
    for first in range(0, total, 8 * CHUNK):
        window = _window(octets, np.arange(first, min(first + 8 * CHUNK, total)))
        rank = np.searchsorted(starts, window >> 56 - LONGEST, side="right") - 1
        step, here, found = steps[rank].astype(np.uint8).tobytes(), at - first, []
        while here < len(step) and done + len(found) < count:
            found.append(here)
            here += step[here]
        at, rank, window = first + here, rank[found], window[found]
        numbers[done : done + len(found)] = base[rank] + (window >> 56 - steps[rank] & (1 << more[rank]) - 1)
        done += len(found)
    if done < count or not 0 <= total - at < 8 or at < total and octets[-9] & (1 << total - at) - 1:
        raise ModelFileError("the stream of codes does not end where it should; the file is damaged")
    return numbers
