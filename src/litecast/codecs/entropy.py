"""Codes and indices at the length of their information: an adaptive range coder, no table in the file.

Asymmetric numeral systems (Duda 2013, arXiv:1311.2540) on tokens (`_tokens`): the stream is one whole number. Their
frequencies are learned on the way, for whoever reads as for whoever writes: those of all codes, and in each context,
which is the sum of the code before and the one above, those of its own, which start from those of all. Everything is
whole-number arithmetic. docs/file-format.md has the rules in full.
"""

from array import array
from bisect import bisect_right
from itertools import islice, repeat

import numpy as np

from litecast.errors import ModelFileError

from . import _coded, _tokens

HOLDS = "codes"
META = _coded.META
SHARE = 14  # frequencies are 2**14-ths
LOW, TOP = 23, 31  # the number that is decoded from has so many bits, while there are bytes left
CONTEXTS, OWN = 9, 32  # frequencies of all count as much as so many codes of a context's own
FIRST = (16, 8, 8, 4)  # sixteenths of a code: how often tokens are thought to have occurred; the last for all others
MOST, SPARE = 2**17, 64  # codes of a byte, of which there are so many more: no token's share is beyond 1 - 2**-14


def bits(numbers: np.ndarray) -> float:
    """Order-0 entropy of whole numbers or codes (N,), in bits: the least that a code without contexts can take."""
    _, counts = np.unique(numbers, return_counts=True)
    return float(counts @ np.log2(counts.sum() / counts))


def pack(numbers: np.ndarray, columns: int = 0) -> bytes:
    """Whole numbers (N,) up to 65535 as a stream. columns: how many stand in a row, 0 = in no rows."""
    if not len(numbers):
        return b""
    tokens, extra = _tokens.split(numbers)
    number = int(tokens.max()) + 1
    ways = {bytes([number]): (0 * tokens, 1)}  # without contexts; with those before; with these and those above
    for row in {0, columns if columns < 2**16 else 0}:
        ways[bytes([number + 128]) + row.to_bytes(2, "little")] = _contexts(tokens, row), CONTEXTS
    ways = {head: _pieces(tokens, *way) for head, way in ways.items()}
    head = min(ways, key=lambda head: 8 * len(head) - np.log2(ways[head][0]).sum())
    share, start = ways[head]
    pieces = np.stack([share, np.ones_like(share), start, extra, np.full_like(share, SHARE), _tokens.BITS[tokens]])
    pieces = pieces.reshape(3, 2, -1).transpose(0, 2, 1).reshape(3, -1)
    pieces = pieces[:, pieces[2] > 0] if number > 1 else pieces[:, :0]
    stream = head + _number(*pieces[:, ::-1].tolist())
    if number > 1 and len(numbers) > MOST * (len(stream) + SPARE):
        raise ModelFileError("nearly all codes are alike: leave them out, by codec sparse")
    return stream


def unpack(stream: bytes, count: int) -> np.ndarray:
    """The inverse of `pack`: (count,) int32. Raises ModelFileError on a stream that is not of so many numbers."""
    number, told = (stream[0] & 127, stream[0] >> 7) if stream else (0, 0)
    if (count > 0) != (0 < number <= len(_tokens.BASE)) or number > 1 and count > MOST * (len(stream) + SPARE) or (
            told and len(stream) < 3):
        raise ModelFileError(f"{len(stream)} bytes hold no {count} codes; the file is damaged")
    columns = int.from_bytes(stream[1:3], "little") if told else 0
    if number < 2:
        tokens, extra, rest = np.zeros(count, np.uint8), [], stream[1:]
    else:
        tokens, extra, rest = _read(stream, 3 if told else 1, count, number, columns, CONTEXTS if told else 1)
    if rest:
        raise ModelFileError("the stream of codes does not end where it should; the file is damaged")
    found = _tokens.BASE.astype(np.int32)[tokens]
    found[tokens >= _tokens.DIRECT] += np.asarray(extra, np.int32)
    return found


encode, decode = _coded.codec(pack, unpack)


def _near(tokens: np.ndarray) -> np.ndarray:
    """What a token counts for those beside it: its code, -38 … 38."""
    return _tokens.signed(tokens)


def _context(beside: np.ndarray) -> np.ndarray:
    """0 where the neighbours sum to 0; 1, 3, 5, 7 where to 1, 2 … 3, 4 … 7 or more; 2, 4, 6, 8 where below zero."""
    size = np.minimum(np.frexp(np.abs(beside))[1], CONTEXTS // 2)
    return 2 * size - (beside > 0)


def _contexts(tokens: np.ndarray, columns: int) -> np.ndarray:
    """Context (N,) of each, by the one before it and the one a row before it."""
    near = _near(tokens)
    beside = np.append(0, near[:-1])
    if 0 < columns < len(near):
        beside[columns:] += near[:-columns]
    return _context(beside)


class _Frequencies:
    """What was learned of `number` tokens in so many contexts."""

    def __init__(self, contexts: int, number: int):
        self.counts = np.zeros((contexts, number), np.int64)
        self.first = np.array([*FIRST[:-1], *[FIRST[-1]] * number][:number])

    def learn(self, contexts: np.ndarray, tokens: np.ndarray) -> None:
        size = self.counts.size
        found = np.bincount(contexts * self.counts.shape[1] + tokens, minlength=size)
        self.counts += found.reshape(self.counts.shape)

    def shares(self) -> np.ndarray:
        """(contexts, number), 1 or more, of 2**SHARE."""
        every = _shares(16 * self.counts.sum(0, keepdims=True) + self.first)
        return every if len(self.counts) == 1 else _shares(OWN * every + (self.counts << SHARE))


def _shares(weights: np.ndarray) -> np.ndarray:
    """2**SHARE divided among tokens by weight, one for each at least; what is left over goes to the heaviest."""
    whole = 2**SHARE
    shares = weights * (whole - weights.shape[1]) // weights.sum(1, keepdims=True) + 1
    shares[np.arange(len(shares)), weights.argmax(1)] += whole - shares.sum(1)
    return shares


def _blocks(count: int):
    """Runs (from, to) of codes between which frequencies are learned."""
    at = 0
    while at < count:
        to = min(at + max(1, at >> 3), count)
        yield at, to
        at = to


def _pieces(tokens: np.ndarray, contexts: np.ndarray, among: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of each token (N,), and that of the tokens below it, as learned when its turn comes."""
    learned = _Frequencies(among, tokens.max() + 1)
    share, start = np.empty_like(tokens), np.empty_like(tokens)
    for at, to in _blocks(len(tokens)):
        shares, block = learned.shares(), (contexts[at:to], tokens[at:to])
        share[at:to], start[at:to] = shares[block], (shares.cumsum(1) - shares)[block]
        learned.learn(*block)
    return share, start


def _number(shares: list, starts: list, sizes: list) -> bytes:
    """The number that tells these pieces, the last one first, each a share of 2**size; bytes highest first."""
    state, octets = 0, bytearray()
    for share, start, size in zip(shares, starts, sizes, strict=True):
        while state >= share << TOP - size:
            octets.append(state & 255)
            state >>= 8
        state = (state // share << size) + start + state % share
    return state.to_bytes(-(-state.bit_length() // 8)) + bytes(octets[::-1])


def _read(stream: bytes, at: int, count: int, number: int, columns: int, contexts: int) -> tuple:
    """Tokens (count,) uint8, their extra bits, and what is wrong with the end: bytes left, or a number left."""
    end, state, low, whole = len(stream), 0, 1 << LOW, (1 << SHARE) - 1
    learned, extra, direct = _Frequencies(contexts, number), array("H"), _tokens.DIRECT
    bits_of, zero = _tokens.BITS.tolist(), number // 2  # near holds codes with this much added
    size = (_near(np.arange(number)) + zero).tolist()
    tokens, near, left = bytearray(), bytearray([zero]) * max(columns, 1), zero  # a row of nothing before
    above = iter(near) if columns else repeat(zero)
    which = (_context(np.arange(-2 * zero, 2 * zero + 1)) if contexts > 1 else np.zeros(4 * zero + 1, int)).tolist()
    while state < low and at < end:
        state, at = state << 8 | stream[at], at + 1
    for first, last in _blocks(count):
        if not state and at == end:
            return np.append(np.frombuffer(tokens, np.uint8), np.zeros(count - first, np.uint8)), extra, False
        shares = learned.shares()
        tables = [*zip((shares.cumsum(1) - shares).tolist(), shares.tolist(), strict=True)]
        tables = [tables[place] for place in which]
        for over in islice(above, last - first):
            starts, share = tables[left + over]
            slot = state & whole
            token = bisect_right(starts, slot) - 1
            state = share[token] * (state >> SHARE) + slot - starts[token]
            while state < low and at < end:
                state, at = state << 8 | stream[at], at + 1
            if token >= direct:
                extra.append(state & (1 << bits_of[token]) - 1)
                state >>= bits_of[token]
                while state < low and at < end:
                    state, at = state << 8 | stream[at], at + 1
            tokens.append(token)
            left = size[token]
            near.append(left)
        new = np.frombuffer(bytes(tokens[first:last]), np.uint8).astype(int)
        if contexts > 1:
            beside = np.frombuffer(bytes(near[-(last - first) - 1 : -1]), np.uint8).astype(int) - zero
            beside += np.frombuffer(bytes(near[first:last]), np.uint8).astype(int) - zero if columns else 0
            learned.learn(_context(beside), new)
        else:
            learned.learn(0 * new, new)
    return np.frombuffer(tokens, np.uint8), extra, bool(state) or at < end
