"""Codecs: exact decoding, the bytes they promise, and refusal of what does not fit."""

import copy
import importlib
import itertools
import json
import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from litecast import codecs
from litecast.codecs import Product, Quantised, _bits
from litecast.compress import storages
from litecast.errors import ModelFileError

FAST = settings(max_examples=40, deadline=None)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)
ORDINARY = st.floats(-100, 100, width=32)
TABLES = {"book": np.float32([-0.5, 0, 0.1, 7]), "rows": np.float32([[0, 0], [1, 2.5], [0, -3]])}
FLOAT32, FLOAT16 = {"codec": "float32"}, {"codec": "float16"}


ENTROPY, HUFFMAN = {"codec": "entropy"}, {"codec": "huffman"}
CODED = [ENTROPY, HUFFMAN]


def sparse(values, coder=None):
    return {"codec": "sparse", "values": values} | ({} if coder is None else {"coder": coder})


def intn(bits):
    return {"codec": "intn", "bits": bits}


def both(held, spec):
    stream, meta = codecs.encode(held, spec)
    return stream, meta, codecs.decode(stream, meta, held.shape, TABLES)


def same_bits(found, wanted):
    assert found.shape == wanted.shape and found.dtype == wanted.dtype == np.float32
    assert found.tobytes() == wanted.tobytes()


def weights(*shape, seed=0, zeros=0.0):
    draw = np.random.default_rng(seed)
    array = draw.normal(size=shape).astype(np.float32)
    return np.where(draw.random(shape) < zeros, np.float32(0), array)


def rounded(array, bits=8, axis=0):
    return storages.rounded(array, bits, axis)


# ---- what there is to be held: (Quantised, specs that hold it)

@st.composite
def grids(draw, low=-127, high=127):
    """Codes with learned scales: any float32, of the tensor, its rows or runs, pairs and zero points at will."""
    codes = draw(hnp.arrays(np.int16, SHAPES, elements=st.integers(low, high)))
    kind, size = draw(st.sampled_from(["one", "rows", "runs"])), codes.size
    counts = None
    if kind == "rows" and codes.ndim > 1 and size:
        counts = np.full(len(codes), size // len(codes))
    elif kind == "runs" and size:
        run = draw(st.integers(1, size))
        counts = np.array([run] * (size // run) + [size % run] * (size % run > 0))
    groups = 1 if counts is None else len(counts)
    scales = hnp.arrays(np.float32, groups, elements=draw(st.sampled_from([
        st.floats(-(2.0**100), 2.0**100, width=32), st.floats(0, 100, width=16)])))  # fmt: skip
    negative = draw(st.one_of(st.none(), scales))
    return Quantised(codes, draw(scales), negative=negative, counts=counts)


@st.composite
def whole(draw):
    held = draw(grids(-128, 127))
    if draw(st.booleans()):
        held = Quantised(held.codes, held.scale, draw(hnp.arrays(np.int16, held.scale.shape, elements=st.integers(
            -128, 127))), held.negative, counts=held.counts)  # fmt: skip
    return held, [intn(8), *CODED]


@st.composite
def few(draw):
    bits = draw(st.integers(2, 7))
    low = draw(st.integers(-9, 3))
    return draw(grids(low, low + 2**bits - 1)), [intn(bits), intn(8), *CODED, ENTROPY | {"bits": bits}]


WIDE = grids(-(2**15) + 1, 2**15 - 1).map(lambda held: (held, CODED))


@st.composite
def tables(draw):
    shape = draw(SHAPES)
    kind = draw(st.sampled_from(["own", "book", "rows", "own rows"]))
    if kind in TABLES:
        table = TABLES[kind]
    else:
        inner = (draw(st.integers(1, 3)),) if kind == "own rows" else ()
        value = draw(st.sampled_from([ORDINARY, st.floats(-9, 9, width=16)]))
        table = draw(hnp.arrays(np.float32, (draw(st.integers(1, 40)), *inner), elements=value))
    shape = shape or (1,) if table.ndim > 1 else shape
    codes = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, len(table) - 1)))
    return Quantised(codes, table=table, shared=kind if kind in TABLES else None), [{"codec": "codebook"}, *CODED]


FLOATS = hnp.arrays(np.float32, SHAPES, elements=ORDINARY).map(lambda a: (Quantised(a), [FLOAT32]))
HALVES = hnp.arrays(np.float16, SHAPES, elements=st.floats(-65504, 65504, width=16)).map(
    lambda a: (Quantised(a), [FLOAT16]))
TERNARY = grids(-1, 1).map(lambda held: (held, [{"codec": "ternary"}, intn(2), *CODED]))
SIGNS = grids(0, 1).map(lambda held: (
    Quantised(2 * held.codes - 1, held.scale, negative=held.negative, counts=held.counts),
    [{"codec": "binary"}, {"codec": "ternary"}, *CODED]))  # fmt: skip
HELD = st.one_of(FLOATS, HALVES, whole(), few(), WIDE, tables(), TERNARY, SIGNS)


@settings(max_examples=200, deadline=None)
@given(HELD, st.data())
def test_every_codec_keeps_every_bit_of_what_was_decided(case, data):
    held, specs = case
    stream, _, back = both(held, data.draw(st.sampled_from(specs)))
    same_bits(back, held.values())
    assert stream or not held.size
    same_bits(both(held, FLOAT32)[2], held.values())  # any tensor may also be written as floats


@settings(max_examples=100, deadline=None)
@given(HELD, st.floats(0, 1), st.integers(0, 99), st.data())
def test_any_two_codecs_nest_in_sparse(case, zeros, seed, data):
    """Codes that mean zero are left out whatever holds the others; a negative zero comes back as zero."""
    held, specs = case
    if held.scale is not None and held.zero is None and (held.codes == 0).any():
        chosen = np.random.default_rng(seed).random(held.codes.shape) < zeros
        held = Quantised(np.where(chosen, 0, held.codes), held.scale, None, held.negative, counts=held.counts)
    spec = data.draw(st.sampled_from(specs))
    plain = len(codecs.encode(held, spec)[0])
    for times in (1, 2):
        spec = sparse(spec, data.draw(st.sampled_from([None, "entropy", "huffman"])))
        stream, _, back = both(held, spec)
        assert back.shape == held.shape and len(stream) <= plain + times
        np.testing.assert_array_equal(back, held.values())


@FAST
@given(HELD, st.data())
def test_what_is_taken_has_the_values_it_had(case, data):
    held, _ = case
    rows = held.size // held.dim
    kept = np.flatnonzero(data.draw(hnp.arrays(bool, rows)))
    where = (kept[:, None] * held.dim + np.arange(held.dim)).ravel()
    part = held.take(where)
    same_bits(part.values(), held.values().ravel()[where])
    if held.scale is not None:  # groups that keep nothing are gone
        assert part.counts.sum() == len(where) and (part.counts > 0).all()


def test_codecs_are_found_by_their_file():
    assert codecs.names() == ["binary", "codebook", "entropy", "float16", "float32", "huffman", "intn", "product",
                              "sparse", "ternary"]
    assert codecs.coders() == ["entropy", "huffman"]


@FAST
@given(st.lists(st.integers(0, 2**16 - 1), max_size=50), st.integers(1, 16))
def test_packing_keeps_every_code_in_the_fewest_bytes(values, bits):
    codes = np.array(values, np.int64) % 2**bits
    stream = _bits.pack(codes, bits)
    assert len(stream) == -(-len(codes) * bits // 8)
    np.testing.assert_array_equal(_bits.unpack(stream, bits, len(codes)), codes)


def test_packing_is_lowest_bit_first():
    assert _bits.pack(np.array([1, 2, 3, 0, 1]), 2) == bytes([0b00_11_10_01, 0b01])
    assert _bits.pack(np.array([0x123, 0xFFF]), 12) == bytes([0x23, 0xF1, 0xFF])


@FAST
@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=True)))
def test_float32_keeps_every_bit(array):
    stream, _, back = both(array, FLOAT32)
    assert len(stream) == 4 * array.size and back.flags.writeable
    same_bits(back, array)


# ---- by hand

def test_intn_by_hand():
    held = Quantised(np.array([[3, -2, 0, 1], [0, 0, 0, 0]]), scale=np.float32([1 / 3, 0]))
    stream, meta, back = both(held, intn(3))
    codes = [6, 1, 3, 4, 3, 3, 3, 3]  # -3..3 are counted from 3
    value = sum(code << 3 * i for i, code in enumerate(codes))
    assert stream == np.array([1 / 3, 0], "<f4").tobytes() + value.to_bytes(3, "little")
    assert meta == {"codec": "intn", "bits": 3, "axis": 0, "scale": 4}
    same_bits(back, np.array([[3, -2, 0, 1], [0, 0, 0, 0]], np.float32) * np.float32(1 / 3))


def test_zero_points_by_hand():
    held = Quantised(np.array([0, 1, 3]), scale=1, zero=1)
    stream, meta, back = both(held, intn(2))
    assert stream == np.float16(1).tobytes() + bytes([1]) + bytes([0b11_01_00])
    assert meta == {"codec": "intn", "bits": 2, "zero": 1}
    same_bits(back, np.float32([-1, 0, 2]))
    signed = Quantised(np.array([-2, -1, 1]), scale=1, zero=-1)  # codes and zero point move up together
    assert both(signed, intn(2))[1]["offset"] == 1
    same_bits(both(signed, intn(2))[2], back)


@pytest.mark.parametrize("codes, offset", [
    ([-1, 0, 2], None), ([-2, 1], 2), ([0, 3], 0), ([-9, -6], 9), ([40, 43], -40),
])  # fmt: skip
def test_codes_that_are_not_symmetric_are_counted_from_their_lowest(codes, offset):
    held = Quantised(np.array(codes), scale=0.5)
    stream, meta, back = both(held, intn(2))
    assert len(stream) == 2 + 1 and meta.get("offset") == offset
    same_bits(back, np.float32(codes) * np.float32(0.5))


def test_scales_of_runs_by_hand():
    held = Quantised(np.array([[1, 1, 1], [1, 1, 1]]), scale=np.float32([1, 2]), counts=np.array([4, 2]))
    stream, meta, back = both(held, intn(4))
    assert meta == {"codec": "intn", "bits": 4, "group": 4} and len(stream) == 2 * 2 + 3
    same_bits(back, np.float32([[1, 1, 1], [1, 2, 2]]))
    gone = Quantised(np.array([[0, 0, 0], [0, 1, 1]]), held.scale, counts=held.counts)
    stream, meta, back = both(gone, sparse(intn(4)))
    assert meta == {"codec": "sparse", "values": {"codec": "intn", "bits": 4, "group": 4}}
    assert stream == bytes([0, 0b110000]) + np.float16(2).tobytes() + bytes([0x88])  # the first run has no scale
    same_bits(back, np.float32([[0, 0, 0], [0, 2, 2]]))


def test_ternary_and_binary_by_hand():
    pair = Quantised(np.array([1, 0, -1, -1, 0, 1]), scale=0.5, negative=0.25)
    stream, meta, back = both(pair, {"codec": "ternary"})
    digits = 2 + 3 * 1 + 9 * 0 + 27 * 0 + 81 * 1, 2
    assert stream == np.float16([0.5, 0.25]).tobytes() + bytes(digits) and meta == {"codec": "ternary", "negative": 1}
    same_bits(back, np.float32([0.5, 0, -0.25, -0.25, 0, 0.5]))
    stream, meta, back = both(Quantised(np.array([1, -1, -1, 1]), scale=0.1), {"codec": "binary"})
    assert stream == np.float32(0.1).tobytes() + bytes([0b1001]) and meta == {"codec": "binary", "scale": 4}
    same_bits(back, np.float32([0.1, -0.1, -0.1, 0.1]))
    stream, meta, back = both(pair, sparse({"codec": "binary"}))  # alone it has no code for zero
    assert stream == bytes([0, 0b101101]) + np.float16([0.5, 0.25]).tobytes() + bytes([0b1001])
    np.testing.assert_array_equal(back, pair.values())


def test_codebooks_by_hand():
    own = Quantised(np.array([[9, 4], [4, 7]]), table=np.arange(10) / 2)
    stream, meta, back = both(own, {"codec": "codebook"})  # of ten entries three are used
    assert stream == np.float16([2, 3.5, 4.5]).tobytes() + bytes([0b01_00_00_10])
    assert meta == {"codec": "codebook", "entries": 3}
    same_bits(back, np.float32([[4.5, 2], [2, 3.5]]))
    fine = both(Quantised(np.array([0]), table=np.float32([0.1])), {"codec": "codebook"})
    assert fine[0] == np.float32(0.1).tobytes() + b"\0" and fine[1]["table"] == 4
    shared = Quantised(np.array([3, 0, 2]), table=TABLES["book"], shared="book")
    stream, meta, back = both(shared, {"codec": "codebook"})
    assert stream == bytes([0b10_00_11]) and meta == {"codec": "codebook", "entries": 4, "shared": "book"}
    same_bits(back, np.float32([7, -0.5, 0.1]))
    rows = Quantised(np.array([[1, 0], [0, 2]]), table=TABLES["rows"], shared="rows")
    stream, meta, back = both(rows, {"codec": "codebook"})
    assert rows.shape == (2, 4) and stream == bytes([0b10_00_00_01]) and meta["dim"] == 2
    same_bits(back, np.float32([[1, 2.5, 0, 0], [0, 0, 0, -3]]))


@pytest.mark.parametrize("held, spec, size", [
    (weights(20, 50), FLOAT32, 4000), (storages.half(weights(20, 50)), FLOAT16, 2000),
    (rounded(weights(20, 50), 4, None), intn(4), 500 + 2), (rounded(weights(20, 50), 4), intn(4), 500 + 2 * 20),
    (rounded(weights(20, 50), 2, None), intn(2), 250 + 2), (rounded(weights(20, 50), 3), intn(3), 375 + 2 * 20),
    (Quantised(rounded(weights(20, 50)).codes, np.full(20, 0.1)), intn(8), 1000 + 4 * 20),
    (Quantised(np.ones((20, 50), int), np.ones(20), np.ones(20, int)), intn(3), 375 + 3 * 20),
    (Quantised(np.ones((20, 50), int), np.ones(20), negative=np.ones(20)), {"codec": "ternary"}, 200 + 4 * 20),
    (Quantised(np.ones((20, 50), int), 1), {"codec": "binary"}, 125 + 2),
    (Quantised(np.arange(1000).reshape(20, 50) % 13, table=np.arange(13)), {"codec": "codebook"}, 500 + 2 * 13),
    (Quantised(np.zeros((20, 25), int), table=np.zeros((9, 2)), shared="x"), {"codec": "codebook"}, 250),
])  # fmt: skip
def test_bytes_of_1000_weights_in_20_channels(held, spec, size):
    assert len(codecs.encode(held, spec)[0]) == size


@pytest.mark.parametrize("spec, word", [
    (FLOAT32, "float32"), (FLOAT16, "float16"), (intn(5), "int5"), ({"codec": "ternary"}, "ternary"),
    ({"codec": "codebook", "entries": 16}, "codebook 16"), (sparse(intn(8)), "int8"),
    (sparse(sparse({"codec": "binary"})), "binary"), (ENTROPY, "entropy"), (ENTROPY | {"bits": 3}, "int3"),
    (sparse(HUFFMAN | {"entries": 16}, "huffman"), "codebook 16"),
])  # fmt: skip
def test_precision_is_that_of_the_values(spec, word):
    assert codecs.precision(spec) == word


# ---- what is refused

@pytest.mark.parametrize("spec", [intn(4), FLOAT16, sparse(intn(4)), sparse(FLOAT16), {"codec": "codebook"},
                                  {"codec": "ternary"}, {"codec": "binary"}, *CODED, sparse(ENTROPY, "entropy")])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(spec, bad):
    values = spec.get("values", spec)["codec"]
    held = {"float16": lambda: Quantised(np.float32([1, bad])),
            "codebook": lambda: Quantised(np.array([0, 1]), table=np.float32([1, bad]))}.get(
        values, lambda: Quantised(np.array([1, -1]), scale=bad))()  # fmt: skip
    with pytest.raises(ModelFileError, match="finite"):
        codecs.encode(held, spec)
    codecs.encode(held, FLOAT32)


@pytest.mark.parametrize("held, spec, word", [
    (np.float32([7e4]), FLOAT16, "65504"), (np.float32([0.1]), FLOAT16, "exactly"),  # codecs never round
    (np.float32([0.5]), intn(8), "quantise"), (np.float32([0.5]), {"codec": "codebook"}, "table"),
    (np.float32([0.5]), sparse(intn(8)), "quantise"),
    (Quantised(np.array([0, 16]), scale=1), intn(4), "span"), (Quantised(np.array([-9, 9]), scale=1), intn(4), "span"),
    (Quantised(np.array([10**6]), scale=1), intn(4), "span"),
    (Quantised(np.array([1]), scale=1, zero=300), intn(8), "zero points"),
    (Quantised(np.array([2]), scale=1), {"codec": "ternary"}, "-1, 0 or 1"),
    (Quantised(np.array([1, 0]), scale=1), {"codec": "binary"}, "-1 or 1"),
    (Quantised(np.ones((2, 3), int), np.ones(2), counts=np.array([1, 5])), intn(4), "runs of one length"),
    (Quantised(np.array([2**17]), table=np.zeros(2**17 + 1), shared="x"), {"codec": "codebook"}, "65536"),
    (np.float32([0.5]), ENTROPY, "quantise"), (np.float32([0.5]), sparse(HUFFMAN), "quantise"),
    (Quantised(np.array([0, 16]), scale=1), ENTROPY | {"bits": 4}, "span"),
    (Quantised(np.array([2**16]), scale=1), HUFFMAN, "beyond"),
    (Quantised(np.array([2**40]), scale=1), ENTROPY, "beyond"),
    (np.float32([0, 1]), sparse(FLOAT32, "intn"), "entropy, huffman do"),
    (np.float32([0, 1]), sparse(FLOAT32, 7), "unknown"),
])  # fmt: skip
def test_what_a_codec_cannot_hold_is_refused(held, spec, word):
    with pytest.raises(ModelFileError, match=word):
        codecs.encode(held, spec)


@pytest.mark.parametrize("fields", [
    dict(codes=np.ones(3), scale=1), dict(codes=np.ones(3), table=np.ones(2)), dict(codes=np.ones(3), zero=1),
    dict(codes=np.ones(3, int), scale=1, table=np.ones(2)), dict(codes=np.array([2]), table=np.ones(2)),
    dict(codes=np.array([-1]), table=np.ones(2)), dict(codes=np.ones(3, int), scale=np.ones(2)),
    dict(codes=np.ones(4, int), scale=np.ones(2), zero=np.ones(1, int)), dict(codes=np.ones(3), shared="x"),
    dict(codes=np.ones(4, int), scale=np.ones(2), counts=np.array([1, 2])),
    dict(codes=np.int64(0), table=np.ones((1, 2))),
])  # fmt: skip
def test_fields_that_do_not_fit_each_other_are_refused(fields):
    with pytest.raises(ModelFileError, match="fit"):
        Quantised(**fields)


@pytest.mark.parametrize("spec", [
    intn(1), intn(9), intn(4.0), intn(4) | {"axis": 1}, intn(4) | {"counts": 1}, {"codec": "golomb"},
    ENTROPY | {"bits": 0}, ENTROPY | {"bits": 17}, ENTROPY | {"bits": 4.0}, HUFFMAN | {"columns": 2},
    {"codec": "_bits"}, {"codec": "quantised"}, {}, {"codec": ["float32"]}, {"codec": "sparse"}, sparse({}),
    sparse("x"),
])  # fmt: skip
def test_unknown_codecs_and_options_are_refused(spec):
    with pytest.raises(ModelFileError):
        codecs.encode(Quantised(np.ones((2, 2), int), scale=1), spec)


# ---- sparse

@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("inner", [FLOAT32, intn(4)])
def test_sparse_picks_the_smallest_form_of_positions(share, inner):
    array = weights(80, 125, zeros=share)
    held = Quantised(array) if inner is FLOAT32 else rounded(array, 4)
    stream, meta, back = both(held, sparse(inner))
    kept = np.flatnonzero(held.values())
    gaps = np.diff(kept, prepend=-1) - 1
    sizes = {bits: [sum(1 + gap // (2**bits - 1) for gap in gaps)] for bits in range(2, 17)}
    sizes = {bits: -(-bits * codes // 8) + (1 if codes < 128 else 2) for bits, (codes,) in sizes.items()}
    values = 4 * len(kept) if inner is FLOAT32 else 2 * len(np.unique(kept // 125)) + -(-len(kept) // 2)
    assert len(stream) == 1 + min(*sizes.values(), 1250) + values
    assert stream[0] in (0, min(sizes, key=sizes.get)) and meta == {"codec": "sparse", "values": meta["values"]}
    np.testing.assert_array_equal(back, held.values())


def test_sparse_by_hand():
    array = np.zeros(40, np.float32)
    array[[2, 3, 20]] = 1.0, 2.0, 4.0
    array[5] = -0.0  # what a mask makes of a negative weight
    stream, meta, back = both(array, sparse(FLOAT32))
    # gaps 2, 0, 16: 2 bits need five skips of 3 and a 1 (8 codes, 2 B); 3 bits two skips of 7 and a 2 (5 codes, 2 B)
    values = np.array([1, 2, 4], "<f4").tobytes()
    assert meta == {"codec": "sparse", "values": FLOAT32}
    assert stream == bytes([2, 8]) + _bits.pack(np.array([2, 0, 3, 3, 3, 3, 3, 1]), 2) + values
    np.testing.assert_array_equal(back, array)
    stream, meta, back = both(array, sparse(FLOAT32, "huffman"))
    np.testing.assert_array_equal(back, array)


def test_positions_in_positions_by_hand():
    """Outer: 2, 3 and 4 of (2, 3) are kept; inner: the first two of these, one of each row, so there are two scales."""
    inner = bytes([0, 0b011]) + np.float16([1, 2]).tobytes() + bytes([0b11])
    meta = {"codec": "sparse", "values": {"codec": "binary", "axis": 0}}
    found = codecs.decode(bytes([0, 0b011100]) + inner, meta | {"values": meta}, (2, 3))
    assert found.tolist() == [[0, 0, 1], [2, 0, 0]]


def test_sparse_breaks_even_with_a_bitmap_where_it_should():
    half = weights(100, 100, zeros=0.5)
    assert codecs.encode(half, sparse(FLOAT32))[0][0] == 0  # two bits a weight cannot beat one bit a position
    assert codecs.encode(weights(100, 100, zeros=0.9), sparse(FLOAT32))[0][0] in (3, 4)
    assert len(codecs.encode(weights(100, 100), sparse(FLOAT32))[0]) == 1 + 40000  # no zeros: positions would only cost
    stream, meta = codecs.encode(rounded(half, 2, None), sparse(intn(2)))
    kept = int(np.count_nonzero(rounded(half, 2, None).codes))
    assert len(stream) < 1250 + 3 + -(-int((half != 0).sum()) // 4)  # values rounded to zero are left out as well
    assert len(stream) <= 1250 + 3 + -(-kept // 4)


def test_all_zero_tensors_take_no_bytes_and_long_gaps_are_skipped():
    empty = np.zeros((30, 40), np.float32)
    for held, inner in ((empty, FLOAT32), (rounded(empty, 4), intn(4)), (rounded(empty, 2), {"codec": "binary"})):
        stream, _, back = both(held, sparse(inner))
        assert stream == b"" and not back.any() and back.shape == (30, 40)
    array = np.zeros(300_000, np.float32)
    array[[0, 150_000, 299_999]] = 1
    stream, meta, back = both(array, sparse(FLOAT16))
    np.testing.assert_array_equal(back, array)
    assert len(stream) < 30


# ---- products

def factors(cosines=(), rows=3, rank=2):
    """A tensor (6, 10) of 3 rows of 20 values, as numbers of these rows and two patterns."""
    left = Quantised(np.arange(rows * rank).reshape(rows, rank) % 3 - 1, 0.5)
    shape = (rank * cosines[0], cosines[1]) if cosines else (rank, 60 // rows)
    return Product(left, Quantised(np.arange(rank * 60 // rows).reshape(shape) % 7 - 3, 0.25), (6, 10), cosines)


@pytest.mark.parametrize("cosines", [(), (2, 10), (20, 1), (1, 20)])
@pytest.mark.parametrize("values", [ENTROPY, HUFFMAN, intn(8), sparse(ENTROPY, "huffman"), FLOAT32])
def test_products_come_back_bit_for_bit(cosines, values):
    held = factors(cosines)
    stream, meta = codecs.encode(held, {"codec": "product", "values": values})
    assert codecs.precision(meta) == codecs.precision(values)
    same_bits(codecs.decode(stream, json.loads(json.dumps(meta)), (6, 10)), held.values())


def test_a_product_by_hand():
    left, flat = Quantised(np.array([[1], [-2]]), 0.5), Quantised(np.array([[4, 0], [0, 0]]), 1.0)
    # one cosine: 4 / sqrt(2 * 2) everywhere, times 1/2 and times -1
    np.testing.assert_allclose(Product(left, flat, (4, 2), (2, 2)).values(), [[1, 1], [1, 1], [-2, -2], [-2, -2]])
    np.testing.assert_allclose(Product(left, Quantised([[4, 6]], 1.0), (2, 2)).values(), [[2, 3], [-4, -6]])


def test_to_other_codecs_a_product_is_floats_and_only_a_product_is_one():
    held = factors((2, 10))
    assert codecs.encode(held, {"codec": "product", "values": ENTROPY})[0][:3] == bytes([3, 2, 2])
    same_bits(both(held, FLOAT32)[2], held.values())
    same_bits(both(held, sparse(FLOAT32))[2], held.values())
    for wrong, spec in ((held, ENTROPY), (weights(6, 10), {"codec": "product", "values": ENTROPY})):
        with pytest.raises(ModelFileError, match="quantise the tensor first|only packs|coded"):
            codecs.encode(wrong, spec)


@pytest.mark.parametrize("place, number", [(0, 7), (0, 0), (1, 21), (1, 0), (2, 3), (3, 99)])
def test_products_that_do_not_fit_their_place_are_refused(place, number):
    """Rows, rank, rows of cosines, bytes of left."""
    stream, meta = codecs.encode(factors((2, 10)), {"codec": "product", "values": ENTROPY})
    changed = bytearray(stream)
    changed[place] = number
    for wrong, said in ((bytes(changed), meta), (stream, meta | {"left": {"codec": "product", "values": ENTROPY}})):
        with pytest.raises(ModelFileError):
            codecs.decode(wrong, said, (6, 10))


# ---- damage

CASES = [(held, spec) for held, spec in (
    (weights(6, 10, zeros=0.6), FLOAT32), (storages.half(weights(6, 10)), FLOAT16),
    (Quantised(np.arange(60).reshape(6, 10) % 32, np.ones(6), np.arange(6)), intn(5)),
    (Quantised(np.arange(60).reshape(6, 10) % 3 - 1, np.ones(6)), {"codec": "ternary"}),
    (Quantised(np.arange(60).reshape(6, 10) % 2 * 2 - 1, np.ones(15), negative=np.ones(15)), {"codec": "binary"}),
    (Quantised(np.arange(60).reshape(6, 10) % 11, table=np.arange(11)), {"codec": "codebook"}),
    (Quantised(np.arange(60).reshape(6, 10) % 4, table=TABLES["book"], shared="book"), {"codec": "codebook"}),
    (Quantised(np.arange(30).reshape(6, 5) % 3, table=TABLES["rows"], shared="rows"), {"codec": "codebook"}),
    (weights(6, 10, zeros=0.6), sparse(FLOAT32)), (rounded(weights(6, 10, zeros=0.6), 3), sparse(intn(3))),
    (Quantised(np.arange(60).reshape(6, 10) % 9 // 6, table=np.arange(2)), sparse(sparse({"codec": "codebook"}))),
    *((Quantised(np.arange(60).reshape(6, 10) % 7 * (np.arange(10) > 6), np.ones(6)), spec) for spec in CODED),
    *((Quantised(np.arange(60).reshape(6, 10) % 50 % 9, table=np.arange(9)), spec) for spec in CODED),
    *((Quantised(np.arange(60).reshape(6, 10) % 4, table=TABLES["book"], shared="book"), spec) for spec in CODED),
    *((Quantised(np.arange(60).reshape(6, 10) % 50 // 40, 1), sparse(ENTROPY, coder)) for coder in codecs.coders()),
    *((factors(cosines), {"codec": "product", "values": ENTROPY}) for cosines in ((), (2, 10))),
)]  # fmt: skip


@pytest.mark.parametrize("held, spec", CASES)
def test_streams_of_another_length_are_refused(held, spec):
    stream, meta = codecs.encode(held, spec)
    for wrong in (stream[:-1], stream + b"\0", *([b""] if spec["codec"] != "sparse" else [])):  # which says all is zero
        with pytest.raises(ModelFileError):
            codecs.decode(wrong, meta, held.shape, TABLES)
    zeros_are_free = spec["codec"] in ("sparse", "entropy", "product")  # behind the last code that is none
    for shape in ((6, 5), (0, 10)) if zeros_are_free else ((6, 20), (2**14, 2**14), (0, 10)):
        with pytest.raises(ModelFileError):
            codecs.decode(stream, meta, shape, TABLES)


JUNK = [None, True, False, 0, 1, -1, 2, 3, 4, 8, 16, 17, 2**31, 2**63, 1.0, 2.5, float("nan"), float("inf"), "", "book",
        "rows", "lost", [], [0], ["book"], {}, {"codec": []}, FLOAT32, FLOAT32 | {"axis": 0}, sparse(FLOAT32), intn(4),
        {"codec": "codebook", "entries": 4, "shared": "book"}, *codecs.names()]  # fmt: skip
KEYS = ("codec", "bits", "axis", "group", "zero", "negative", "offset", "scale", "coder", "values", "entries",
        "dim", "table", "shared", "left", "more")  # fmt: skip


def decodes_or_refuses(stream, meta, shape):
    try:
        back = codecs.decode(stream, meta, shape, TABLES)
    except ModelFileError:
        return
    assert back.shape == shape and back.dtype == np.float32


def inside(meta):
    """A meta and those of the codecs that it holds."""
    found = [meta]
    while isinstance(found[-1].get("values"), dict):
        found.append(found[-1]["values"])
    return found


def test_the_keys_are_those_that_codecs_know():
    every = {key for name in codecs.names() for key in importlib.import_module(f"litecast.codecs.{name}").META}
    assert every < set(KEYS) and every == set(KEYS) - {"codec", "more"}


@pytest.mark.parametrize("held, spec", CASES)
def test_any_nonsense_in_any_place_of_a_description_is_refused(held, spec):
    """Every key with every junk, and every key gone, at each depth; and, in turns, another shape or another stream."""
    stream, sound = codecs.encode(held, spec)
    others = itertools.cycle([(stream, (held.size,)), (stream, ()), (bytes(len(stream)), held.shape),
                              (b"\xff" * len(stream), held.shape)])  # fmt: skip
    for depth, key, junk in itertools.product(range(len(inside(sound))), KEYS, [*JUNK, KeyError]):
        meta = copy.deepcopy(sound)
        if junk is KeyError:
            inside(meta)[depth].pop(key, None)
        else:
            inside(meta)[depth][key] = junk
        decodes_or_refuses(stream, meta, held.shape)
        other, shape = next(others)
        decodes_or_refuses(other, meta, shape)


@pytest.mark.parametrize("seed", range(len(CASES)))
def test_more_nonsense_at_once_is_refused(seed):
    """Two to four keys, and bytes of the stream; drawn, the same every time."""
    draw = random.Random(seed)
    held, spec = CASES[seed]
    stream, sound = codecs.encode(held, spec)
    for _ in range(1500):
        meta, damaged = copy.deepcopy(sound), bytearray(stream)
        for _ in range(draw.randint(2, 4)):
            draw.choice(inside(meta))[draw.choice(KEYS)] = copy.deepcopy(draw.choice(JUNK))
        if draw.random() < 0.5:
            damaged[draw.randrange(len(damaged))] ^= draw.randint(1, 255)
        decodes_or_refuses(bytes(damaged), meta, held.shape)


@pytest.mark.parametrize("held, spec", CASES)
def test_any_nonsense_in_what_is_asked_of_a_codec_is_refused(held, spec):
    for depth, key, junk in itertools.product(range(len(inside(spec))), (*KEYS, "held", "groups", 1), JUNK):
        asked = copy.deepcopy(spec)
        inside(asked)[depth][key] = junk
        try:
            stream, meta = codecs.encode(held, asked)
        except ModelFileError:
            continue
        wanted = held if isinstance(held, np.ndarray) else held.values()
        np.testing.assert_array_equal(codecs.decode(stream, meta, held.shape, TABLES), wanted)


def deep(levels):
    return {"codec": "sparse", "values": deep(levels - 1)} if levels else FLOAT32


@pytest.mark.parametrize("stream, meta, word", [
    (b"\1", {"codec": "codebook", "entries": 4, "shared": "lost"}, "no table 'lost'"),
    (b"\1", {"codec": "codebook", "entries": 5, "shared": "book"}, "no table 'book'"),
    (b"\1", {"codec": "codebook", "entries": 4, "shared": ["book"]}, "no table"),
    (b"\3", {"codec": "codebook", "entries": 3, "dim": 2, "shared": "rows"}, "fit"),  # an index beyond the table
    (b"\0\0\2", {"codec": "codebook", "entries": 1}, "bytes|fit"), (b"\0\0\xff", {"codec": "ternary"}, "5 codes"),
    (b"\0\0\0", {"codec": "intn", "bits": 4, "newer": 1}, "newer.*update"), (b"", {"codec": "sparse"}, "unknown codec"),
    (bytes(8), deep(300), "4 codecs"), (bytes(8), deep(4), "4 codecs"),
])  # fmt: skip
def test_what_the_file_cannot_mean_is_refused(stream, meta, word):
    with pytest.raises(ModelFileError, match=word):
        codecs.decode(stream, meta, (2,), TABLES)


def test_elements_that_stand_in_more_groups_than_there_are_scales_are_refused():
    meta = {"codec": "sparse", "values": {"codec": "binary", "group": 2}}
    scales, bits = np.float16([1, 2, 3]).tobytes(), bytes([0b111])
    assert codecs.decode(bytes([0, 0b010101]) + scales + bits, meta, (6,)).tolist() == [1, 0, 2, 0, 3, 0]
    for cut in (4, 2):  # three elements would fit into two groups of two
        with pytest.raises(ModelFileError, match="too short"):
            codecs.decode(bytes([0, 0b010101]) + scales[:cut], meta, (6,))


@pytest.mark.parametrize("meta", [
    FLOAT32, {"codec": "intn", "bits": 2, "axis": 0}, {"codec": "intn", "bits": 8, "zero": 1},
    {"codec": "intn", "bits": 8, "group": 1}, {"codec": "intn", "bits": 8, "group": 3}, {"codec": "ternary", "axis": 0},
    {"codec": "binary"}, {"codec": "codebook", "entries": 1}, {"codec": "codebook", "entries": 2, "dim": 4096},
    {"codec": "codebook", "entries": 65536, "dim": 4096},
    sparse(FLOAT32), ENTROPY, HUFFMAN, ENTROPY | {"axis": 0}, ENTROPY | {"entries": 1}, HUFFMAN | {"entries": 1},
    sparse(FLOAT32, "entropy"), sparse(FLOAT32, "huffman"),
])  # fmt: skip
@pytest.mark.parametrize("start", [b"", b"\0", b"\2\xff\xff\xff\x7f", b"\0\xff\7\2", b"\0\0\2\1\3", b"\0\0\x82\1\0"])
def test_a_short_stream_for_a_huge_tensor_allocates_nothing(meta, start):
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        codecs.decode(start + bytes(1000 - len(start)), meta, (2**14, 2**14))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("held, spec", [
    (Quantised(np.arange(100_000).reshape(200, 500) % 128, np.ones(200), np.ones(200, int)), intn(7)),
    (rounded(weights(100_000, 1), 4), intn(4)), (rounded(weights(200, 500, zeros=0.2)), sparse(intn(8))),
    (weights(200, 500, zeros=0.9), sparse(FLOAT32)),
    (Quantised(np.arange(100_000) % 3 - 1, np.ones(5), negative=np.ones(5)), {"codec": "ternary"}),
    (Quantised(np.arange(100_000) % 300, table=np.arange(300)), sparse({"codec": "codebook"})),
    *((rounded(weights(100, 500), 8, None), spec) for spec in CODED),
    (rounded(weights(100, 500, zeros=0.5), 4, None), sparse(HUFFMAN, "huffman")),
])  # fmt: skip
def test_decoding_needs_at_most_eight_times_the_decoded_size(held, spec):
    stream, meta = codecs.encode(held, spec)
    tracemalloc.start()
    codecs.decode(stream, meta, held.shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 8 * 4 * held.size
