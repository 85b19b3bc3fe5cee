"""Codecs: exact decoding, the bytes they promise, and refusal of what does not fit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from litecast import codecs
from litecast.codecs import _bits, intn
from litecast.errors import ModelFileError

FAST = settings(max_examples=40, deadline=None)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)
ORDINARY = st.floats(-100, 100, width=32)
ANY = st.one_of(ORDINARY, st.just(0.0), st.floats(-(2.0**100), 2.0**100, width=32))
INTN = st.fixed_dictionaries({
    "codec": st.just("intn"), "bits": st.integers(2, 8), "axis": st.sampled_from([None, 0]),
    "symmetric": st.booleans(), "scale": st.sampled_from(["float16", "float32"]),
})  # fmt: skip


def both(array, spec):
    stream, meta = codecs.encode(array, spec)
    return stream, meta, codecs.decode(stream, meta, array.shape)


def weights(*shape, seed=0, zeros=0.0):
    draw = np.random.default_rng(seed)
    array = draw.normal(size=shape).astype(np.float32)
    return np.where(draw.random(shape) < zeros, np.float32(0), array)


def test_codecs_are_found_by_their_file():
    assert codecs.names() == ["float16", "float32", "intn", "sparse"]


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
    stream, _, back = both(array, {"codec": "float32"})
    assert len(stream) == 4 * array.size and back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@FAST
@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(-65504, 65504, width=32)))
def test_float16_decodes_to_the_rounded_tensor(array):
    stream, _, back = both(array, {"codec": "float16"})
    assert len(stream) == 2 * array.size
    np.testing.assert_array_equal(back, array.astype(np.float16).astype(np.float32))


@FAST
@given(hnp.arrays(np.float32, SHAPES, elements=ANY), INTN)
def test_intn_is_the_nearest_point_of_a_grid_and_stays_there(array, spec):
    stream, meta, back = both(array, spec)
    assert back.shape == array.shape and back.dtype == np.float32 and np.isfinite(back).all()
    rows = array.reshape(array.shape[0], -1) if spec["axis"] == 0 and array.ndim > 1 and array.size else \
        array.reshape(1, -1)
    for row, found in zip(rows, back.reshape(rows.shape), strict=True):
        if row.size:
            spread = max(abs(row.min()), abs(row.max())) if spec["symmetric"] else max(row.max(), 0) - min(row.min(), 0)
            step = spread / (2 ** (spec["bits"] - 1) - 1 if spec["symmetric"] else 2 ** spec["bits"] - 1)
            # an asymmetric grid is shifted by up to half a step so that zero lies on it
            assert np.abs(row - found).max() <= step * (0.502 if spec["symmetric"] else 1.13) + 1e-38
            assert len(np.unique(found)) <= 2 ** spec["bits"]
            assert (found[row == 0] == 0).all()
    again = codecs.decode(stream, meta, array.shape)
    assert again.tobytes() == back.tobytes()


@FAST
@given(hnp.arrays(np.float32, (4, 6), elements=ORDINARY), st.integers(2, 8))
def test_encoding_a_decoded_tensor_again_changes_nothing(array, bits):
    _, _, once = both(array, {"codec": "intn", "bits": bits, "axis": 0})
    _, _, twice = both(once, {"codec": "intn", "bits": bits, "axis": 0})
    np.testing.assert_array_equal(once, twice)


def test_intn_by_hand():
    array = np.array([[1.0, -0.6, 0.0, 0.26], [0.0, 0.0, 0.0, 0.0]], np.float32)
    stream, meta, back = both(array, {"codec": "intn", "bits": 3, "axis": 0, "scale": "float32"})
    # codes -3..3 around 3: 1 -> 3 (6), -0.6 -> -1.8 -> -2 (1), 0 -> 0 (3), 0.26 * 3 = 0.78 -> 1 (4)
    codes = [6, 1, 3, 4, 3, 3, 3, 3]
    value = sum(code << 3 * i for i, code in enumerate(codes))
    assert stream == np.array([1 / 3, 0], "<f4").tobytes() + value.to_bytes(3, "little")
    assert meta == {"codec": "intn", "bits": 3, "axis": 0, "scale": 4}
    third = np.float32(1 / 3)
    np.testing.assert_array_equal(back, np.array([[3, -2, 0, 1], [0, 0, 0, 0]], np.float32) * third)


def test_intn_asymmetric_by_hand():
    array = np.array([-1.0, 0.0, 2.0], np.float32)
    stream, meta, back = both(array, {"codec": "intn", "bits": 2, "symmetric": False})
    assert stream == np.float16(1).tobytes() + bytes([1]) + bytes([0b11_01_00])  # step 1, zero point 1, codes 0 1 3
    assert meta == {"codec": "intn", "bits": 2, "zero": 1}
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("spec, size", [
    ({"codec": "float32"}, 4000), ({"codec": "float16"}, 2000),
    ({"codec": "intn", "bits": 4}, 500 + 2), ({"codec": "intn", "bits": 4, "axis": 0}, 500 + 2 * 20),
    ({"codec": "intn", "bits": 8, "axis": 0, "scale": "float32"}, 1000 + 4 * 20),
    ({"codec": "intn", "bits": 3, "axis": 0, "symmetric": False}, 375 + 3 * 20),
    ({"codec": "intn", "bits": 2, "axis": None}, 250 + 2),
])  # fmt: skip
def test_bytes_of_1000_weights_in_20_channels(spec, size):
    assert len(codecs.encode(weights(20, 50), spec)[0]) == size


def test_scales_that_float16_would_distort_become_float32():
    for factor, width in ((1.0, 2), (1e-6, 4), (1e8, 4)):
        array = weights(3, 40) * np.float32(factor)
        stream, meta, back = both(array, {"codec": "intn", "bits": 8, "axis": 0})
        assert len(stream) == 120 + 3 * width and meta.get("scale", 2) == width
        assert np.abs(back - array).max() <= np.abs(array).max() / 127 * 0.51


@pytest.mark.parametrize("bits", range(2, 9))
def test_constant_tensors_keep_their_value(bits):
    for value in (0.0, 2.5, -3e-5):
        array = np.full((3, 5), value, np.float32)
        for symmetric in (True, False):
            _, _, back = both(array, {"codec": "intn", "bits": bits, "axis": 0, "symmetric": symmetric})
            np.testing.assert_allclose(back, array, rtol=2**-10)


@pytest.mark.parametrize("spec", [
    {"codec": "intn", "bits": 4, "axis": 0}, {"codec": "float16"},
    {"codec": "sparse", "values": {"codec": "intn", "bits": 4}}, {"codec": "sparse", "values": {"codec": "float16"}},
])  # fmt: skip
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(spec, bad):
    array = weights(4, 4)
    array[1, 2] = bad
    with pytest.raises(ModelFileError, match="finite"):
        codecs.encode(array, spec)


def test_float16_refuses_what_would_become_infinite():
    with pytest.raises(ModelFileError, match="65504"):
        codecs.encode(np.array([7e4], np.float32), {"codec": "float16"})


@pytest.mark.parametrize("spec", [
    {"codec": "intn", "bits": 1}, {"codec": "intn", "bits": 9}, {"codec": "intn", "bits": 4, "axis": 1},
    {"codec": "intn", "bits": 4, "scale": "float64"}, {"codec": "huffman"}, {"codec": "_bits"}, {},
    {"codec": "sparse", "values": {"codec": "sparse", "values": {"codec": "float32"}}}, {"codec": ["float32"]},
])  # fmt: skip
def test_unknown_codecs_and_options_are_refused(spec):
    with pytest.raises(ModelFileError):
        codecs.encode(weights(2, 2), spec)


INNER = st.one_of(st.just({"codec": "float32"}), st.just({"codec": "float16"}), INTN)


@FAST
@given(hnp.arrays(np.float32, SHAPES, elements=ORDINARY), st.floats(0, 1), st.integers(0, 99), INNER)
def test_sparse_decodes_to_its_values_where_they_were(array, zeros, seed, inner):
    array = np.where(np.random.default_rng(seed).random(array.shape) < zeros, np.float32(0), array)
    stream, meta, back = both(array, {"codec": "sparse", "values": inner})
    dense = codecs.encode(array, inner)[0]
    assert len(stream) <= len(dense)
    assert back.shape == array.shape
    assert (back[array == 0] == 0).all()
    if inner["codec"] != "intn":
        exact = array if inner["codec"] == "float32" else array.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(back, exact)
    else:
        np.testing.assert_array_equal(back, both(array, inner)[2])  # the zeros change no scale


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("inner", [{"codec": "float32"}, {"codec": "intn", "bits": 4, "axis": 0}])
def test_sparse_picks_the_smallest_form_of_positions(share, inner):
    array = weights(80, 125, zeros=share)
    stream, meta, back = both(array, {"codec": "sparse", "values": inner})
    kept = np.flatnonzero(array if inner["codec"] == "float32" else both(array, inner)[2])
    gaps = np.diff(kept, prepend=-1) - 1
    sizes = {bits: -(-bits * sum(1 + gap // (2**bits - 1) for gap in gaps) // 8) for bits in range(2, 17)}
    rows = len(np.unique(kept // 125)) if "axis" in inner else 0
    values = 4 * len(kept) if inner["codec"] == "float32" else 2 * rows + -(-len(kept) // 2)
    assert len(stream) == min(*sizes.values(), 1250) + values
    assert meta["gap"] in (0, min(sizes, key=sizes.get))
    np.testing.assert_array_equal(back.ravel()[kept] != 0, True)


def test_sparse_by_hand():
    array = np.zeros(40, np.float32)
    array[[2, 3, 20]] = 1.0, 2.0, 4.0
    stream, meta, back = both(array, {"codec": "sparse", "values": {"codec": "float32"}})
    # gaps 2, 0, 16: 2 bits need five skips of 3 and a 1 (8 codes, 2 B); 3 bits two skips of 7 and a 2 (5 codes, 2 B)
    assert meta == {"codec": "sparse", "gap": 2, "codes": 8, "values": {"codec": "float32"}}
    assert stream == _bits.pack(np.array([2, 0, 3, 3, 3, 3, 3, 1]), 2) + np.array([1, 2, 4], "<f4").tobytes()
    np.testing.assert_array_equal(back, array)


def test_sparse_breaks_even_with_a_bitmap_where_it_should():
    float32 = {"codec": "sparse", "values": {"codec": "float32"}}
    half = weights(100, 100, zeros=0.5)
    assert codecs.encode(half, float32)[1]["gap"] == 0  # two bits a weight cannot beat one bit a position
    assert codecs.encode(weights(100, 100, zeros=0.9), float32)[1]["gap"] in (3, 4)
    assert "gap" not in codecs.encode(weights(100, 100), float32)[1]  # no zeros: positions would only cost
    stream, meta = codecs.encode(half, {"codec": "sparse", "values": {"codec": "intn", "bits": 2}})
    kept = int((both(half, {"codec": "intn", "bits": 2})[2] != 0).sum())
    assert len(stream) < 1250 + 2 + -(-int((half != 0).sum()) // 4)  # values rounded to zero are dropped as well
    assert len(stream) <= 1250 + 2 + -(-kept // 4)


def test_all_zero_tensors_take_no_bytes_and_long_gaps_are_skipped():
    for inner in ({"codec": "float32"}, {"codec": "intn", "bits": 4, "axis": 0}):
        stream, _, back = both(np.zeros((30, 40), np.float32), {"codec": "sparse", "values": inner})
        assert stream == b"" and not back.any() and back.shape == (30, 40)
    array = np.zeros(300_000, np.float32)
    array[[0, 150_000, 299_999]] = 1
    stream, meta, back = both(array, {"codec": "sparse", "values": {"codec": "float16"}})
    np.testing.assert_array_equal(back, array)
    assert len(stream) < 30


def test_a_scale_per_channel_survives_sparsity():
    array = weights(8, 50, zeros=0.7) * 10.0 ** np.arange(-4, 4)[:, None].astype(np.float32)
    array[3] = 0
    _, _, back = both(array, {"codec": "sparse", "values": {"codec": "intn", "bits": 8, "axis": 0}})
    for row, found in zip(array, back, strict=True):
        assert np.abs(row - found).max() <= np.abs(row).max() / 127 * 0.51


CASES = [(weights(6, 10, zeros=0.6), spec) for spec in (
    {"codec": "float32"}, {"codec": "float16"}, {"codec": "intn", "bits": 5, "axis": 0, "symmetric": False},
    {"codec": "sparse", "values": {"codec": "float32"}},
    {"codec": "sparse", "values": {"codec": "intn", "bits": 3, "axis": 0}},
)]  # fmt: skip


@pytest.mark.parametrize("array, spec", CASES)
def test_streams_of_another_length_are_refused(array, spec):
    stream, meta = codecs.encode(array, spec)
    for wrong in (stream[:-1], stream + b"\0", b""):
        with pytest.raises(ModelFileError):
            codecs.decode(wrong, meta, array.shape)
    for shape in ((6, 9), (0, 10)) if spec["codec"] == "sparse" else ((6, 11), (2**14, 2**14), (0, 10)):
        with pytest.raises(ModelFileError):
            codecs.decode(stream, meta, shape)


JUNK = st.one_of(st.none(), st.booleans(), st.integers(-3, 2**40), st.floats(), st.text(max_size=3), st.just([]),
                 st.just({}), st.just({"codec": "intn", "bits": 4}))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_nonsense_in_description_or_stream_never_breaks_anything_else(case, data):
    array, spec = case
    stream, meta = codecs.encode(array, spec)
    key = data.draw(st.sampled_from(["codec", "bits", "axis", "zero", "scale", "gap", "codes", "values"]))
    target = data.draw(st.sampled_from([meta, meta.get("values", meta)]))
    target[key] = data.draw(JUNK)
    stream = bytearray(stream)
    if data.draw(st.booleans()):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        back = codecs.decode(bytes(stream), meta, array.shape)
    except ModelFileError:
        return
    assert back.shape == array.shape and back.dtype == np.float32


@pytest.mark.parametrize("meta", [
    {"codec": "float32"}, {"codec": "intn", "bits": 2, "axis": 0}, {"codec": "intn", "bits": 8, "zero": 1},
    {"codec": "sparse", "gap": 0, "values": {"codec": "float32"}},
    {"codec": "sparse", "gap": 2, "codes": 2**28, "values": {"codec": "float32"}},
])  # fmt: skip
def test_a_short_stream_for_a_huge_tensor_allocates_nothing(meta):
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        codecs.decode(bytes(1000), meta, (2**14, 2**14))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("array, spec", [
    (weights(1000, 500), {"codec": "intn", "bits": 7, "axis": 0, "symmetric": False}),
    (weights(500_000, 1), {"codec": "intn", "bits": 4, "axis": 0}),
    (weights(1000, 500, zeros=0.2), {"codec": "sparse", "values": {"codec": "intn", "bits": 8, "axis": 0}}),
    (weights(1000, 500, zeros=0.9), {"codec": "sparse", "values": {"codec": "float32"}}),
])  # fmt: skip
def test_decoding_needs_at_most_eight_times_the_decoded_size(array, spec):
    stream, meta = codecs.encode(array, spec)
    tracemalloc.start()
    codecs.decode(stream, meta, array.shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 8 * array.nbytes


def test_zero_has_its_own_code_in_every_grid():
    for bits in range(2, 9):
        array = np.array([5.0, 6.0, 0.0], np.float32)
        stream, meta = intn.encode(array, bits, symmetric=False)
        assert intn.decode(stream, meta, (3,))[2] == 0
