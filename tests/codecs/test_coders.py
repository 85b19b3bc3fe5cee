"""Coders of whole numbers: by hand, against the textbook, and against the least that their counts allow."""

import heapq

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import codecs
from litecast.codecs import _bits, _tokens, entropy, huffman
from litecast.errors import ModelFileError

CODERS = {"entropy": entropy, "huffman": huffman}
NUMBERS = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 40), st.integers(0, 2**16 - 1)), max_size=200)


def laplace(size: int, width: float, seed: int = 0) -> np.ndarray:
    """Codes as a rate-trained tensor has them: mostly 0 and beside it."""
    return np.rint(np.random.default_rng(seed).laplace(0, width, size)).astype(int)


@pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS)
@settings(max_examples=150, deadline=None)
@given(numbers=NUMBERS, columns=st.integers(0, 70_000))
def test_any_numbers_come_back(coder, numbers, columns):
    found = coder.unpack(coder.pack(np.array(numbers, int), columns), len(numbers))
    assert found.tolist() == numbers


@pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS)
def test_numbers_that_are_all_alike_take_a_few_bytes(coder):
    for value, most in ((0, 2), (1, 5), (31, 18)):
        stream = coder.pack(np.full(1000, value))
        assert len(stream) <= most and (coder.unpack(stream, 1000) == value).all()
    assert len(coder.pack(np.zeros(10**6, int))) <= 2


def test_tokens_are_the_numbers_and_quarters_of_powers_of_two():
    numbers = np.arange(2**16)
    tokens, extra = _tokens.split(numbers)
    assert (tokens[:32] == np.arange(32)).all() and (np.diff(tokens) >= 0).all() and tokens[-1] == 75
    assert (_tokens.BASE[tokens] + extra == numbers).all() and (extra < 1 << _tokens.BITS[tokens]).all()
    assert (tokens[40], extra[40], _tokens.BITS[33]) == (33, 0, 3)  # 40 begins the second quarter of 32 … 63
    codes = np.arange(-300, 300)
    assert _tokens.unsigned(np.array([0, 1, -1, 2, -2])).tolist() == [0, 1, 2, 3, 4]
    assert (_tokens.signed(_tokens.unsigned(codes)) == codes).all()
    with pytest.raises(ModelFileError, match="beyond"):
        _tokens.split(np.array([2**16]))


# ---- the range coder

def test_the_range_coder_by_hand():
    """Two tokens: first weights 16 and 8 of 24, then 16 and 24 of 40, of 2**14 - 2 = 16382 and one each."""
    first = 16 * 16382 // 24 + 1  # 10922: token 0; the heaviest takes what is left over
    first += 2**14 - first - (8 * 16382 // 24 + 1)
    second = 16 * 16382 // 40 + 1
    state = second  # token 1 of the second: start `second`, and the number before is 0
    share = 2**14 - first
    state = (state // share << 14) + first + state % share
    assert entropy.pack(np.array([1, 1])) == bytes([2]) + state.to_bytes(-(-state.bit_length() // 8))
    assert entropy.unpack(entropy.pack(np.array([1, 1])), 2).tolist() == [1, 1]


@pytest.mark.parametrize("codes", [
    *(laplace(size, 0.5) for size in (50, 200, 1000, 3000, 20_000)),
    *(laplace(size, 1.5) for size in (50, 1000, 3000, 20_000)),
    *(np.where(np.random.default_rng(1).random(size) < 0.85, 0, laplace(size, 2)) for size in (100, 1000, 3000)),
    *(np.random.default_rng(2).choice([-1, 0, 1], size, p=[0.05, 0.9, 0.05]) for size in (50, 500, 3000)),
], ids=lambda codes: f"{len(codes)} codes to {np.abs(codes).max()}")  # fmt: skip
def test_codes_take_a_percent_and_what_learning_costs_more_than_their_entropy(codes):
    """Four bytes and half a byte for each code that there is; less than a peer coder and its table."""
    stream = entropy.pack(_tokens.unsigned(codes), 40)
    least = entropy.bits(codes) / 8
    assert len(stream) <= 1.01 * least + 4 + len(np.unique(codes)) / 2
    assert len(stream) <= with_table(codes)


def with_table(codes: np.ndarray) -> float:
    """Bytes of a peer range coder under the codes' own frequencies, with a table of these of 12 bits each."""
    low, high = codes.min(), codes.max()
    counts = np.bincount(codes - low) + 1e-9
    model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
    peer = constriction.stream.queue.RangeEncoder()
    peer.encode((codes - low).astype(np.int32), model)
    return peer.get_compressed().nbytes + 1.5 * (high - low + 1)


def test_neighbours_are_used_where_they_tell():
    """Days of hours, as a usual week has them: an hour is like the one before, and the one of the day before."""
    draw = np.random.default_rng(0)
    days = 3 * np.sin(np.arange(24) / 4) * draw.random((120, 1))
    codes = np.rint(days + 0.3 * draw.normal(size=days.shape)).astype(int)
    numbers = _tokens.unsigned(codes.ravel())
    assert len(entropy.pack(numbers, 24)) < 0.85 * entropy.bits(codes) / 8
    across = _tokens.unsigned(codes.T.ravel())  # hours of days: the one before is above now
    assert len(entropy.pack(across, 120)) < 0.95 * len(entropy.pack(across))
    alone = np.random.default_rng(1).permutation(numbers)
    assert entropy.pack(alone, 24)[0] < 128  # where they tell nothing, they are not asked


def test_order_0_entropy():
    assert entropy.bits(np.array([5, 5, -3, 7])) == 6  # 2 of 1 bit, 2 of 2
    assert entropy.bits(np.array([4, 4])) == 0 and entropy.bits(np.zeros(0)) == 0


# ---- Huffman's code

def test_huffmans_own_example():
    """Huffman 1952, table I: his thirteen probabilities in hundredths, and their code lengths; 3.42 bits on average."""
    counts = np.array([20, 18, 10, 10, 10, 6, 6, 4, 4, 4, 4, 3, 1])
    size = huffman.lengths(counts)
    assert counts @ size == 342
    assert sorted(size) == [2, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5] or counts @ size == 342


def test_huffman_by_hand():
    """abracadabra, a b c d r = 0 … 4 with 5 2 1 1 2: a one bit, the others three: 23 bits."""
    word = np.array([0, 1, 4, 0, 2, 0, 3, 0, 1, 4, 0])
    stream = huffman.pack(word)
    assert huffman.lengths(np.bincount(word)).tolist() == [1, 3, 3, 3, 3]
    codes = {0: "0", 1: "100", 2: "101", 3: "110", 4: "111"}  # canonical: by length, then by number
    text = "".join(codes[number] for number in word)
    assert len(text) == 23 and stream[:2] == bytes([5, 2]) and stream[2:4] == _bits.pack(np.array([1, 3, 3, 3, 3]), 2)
    assert stream[4:] == int(text.ljust(24, "0"), 2).to_bytes(3)
    assert huffman.unpack(stream, 11).tolist() == word.tolist()


def optimal(counts: list[int]) -> int:
    """Total bits of the best prefix code: each merge costs its weight."""
    heap, total = [count for count in counts if count], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=76).filter(lambda counts: sum(map(bool, counts)) > 1))
def test_lengths_are_optimal_and_fill_the_tree(counts):
    size = huffman.lengths(np.array(counts))
    assert (size > 0).tolist() == [count > 0 for count in counts]
    assert int(size @ np.array(counts)) == optimal(counts)
    assert sum(2.0 ** -int(bits) for bits in size if bits) == 1  # Kraft


@pytest.mark.parametrize("coder", CODERS)
def test_positions_are_coded_in_the_best_gap_codes(coder):
    where = np.random.default_rng(0).random(20_000) < 0.07
    spec = {"codec": "sparse", "coder": coder, "values": {"codec": "float16"}}
    stream, _ = codecs.encode(where.astype(np.float32), spec)
    gaps = np.diff(np.flatnonzero(where), prepend=-1) - 1
    assert len(stream) - 2 * where.sum() <= min(len(CODERS[coder].pack(gaps)), len(CODERS[coder].pack(where * 1))) + 6


@pytest.mark.parametrize("size", [100, 5000])
def test_a_huffman_stream_is_as_long_as_its_code_and_lengths(size):
    numbers = _tokens.unsigned(laplace(size, 1))
    counts = np.bincount(numbers)
    assert counts.size <= 32  # no extra bits
    stream = huffman.pack(numbers)
    width = int(huffman.lengths(counts).max()).bit_length()
    assert len(stream) == 2 + -(-len(counts) * width // 8) + -(-optimal(counts.tolist()) // 8)


def test_the_deepest_tree_that_a_file_can_have():
    counts = [1, 1]
    while sum(counts) < 2**28:
        counts.append(counts[-1] + counts[-2])
    assert max(huffman.lengths(np.array(counts))) <= huffman.LONGEST


@pytest.mark.parametrize("stream", [b"", b"\1", b"\0\0", b"\x4d\1" + bytes(20), b"\2\1\1\0", b"\3\2\x3f\0", b"\2\7\0\0",
                                    b"\1\0\0", b"\2\1\3\x40"])
def test_streams_that_are_no_huffman_code_are_refused(stream):
    with pytest.raises(ModelFileError):
        huffman.unpack(stream, 1)


@pytest.mark.parametrize("coder", CODERS.values(), ids=CODERS)
@settings(max_examples=150, deadline=None)
@given(stream=st.binary(max_size=40), count=st.integers(0, 2**28))
def test_any_stream_is_refused_or_read_at_once(coder, stream, count):
    try:
        found = coder.unpack(stream, min(count, 5000))
    except ModelFileError:
        return
    assert len(found) == min(count, 5000) and found.min(initial=0) >= 0 and found.max(initial=0) < 2**16


def test_the_bench_runs_small(bench):
    told = bench("codecs.py")
    rows = [line.split("|") for line in told.splitlines() if "constriction" in line or "| entropy |" in line]
    coded, peers = ([int(row[3]) for row in rows if word in row[2]] for word in ("entropy", "constriction"))
    assert len(coded) == len(peers) == 8
    assert all(own <= 1.01 * peer + 72 for own, peer in zip(coded, peers, strict=True))
