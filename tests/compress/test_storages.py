"""Plain storages: what rounding does to weights. That files hold it exactly is tested with the codecs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from litecast import codecs, models
from litecast.codecs import Quantised
from litecast.compress import storages
from litecast.errors import ModelFileError

FAST = settings(max_examples=40, deadline=None)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)
ANY = st.one_of(st.floats(-100, 100, width=32), st.just(0.0), st.floats(-(2.0**100), 2.0**100, width=32))


def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@FAST
@given(hnp.arrays(np.float32, SHAPES, elements=ANY), st.integers(2, 8), st.sampled_from([None, 0]))
def test_integers_are_the_nearest_point_of_a_grid_and_stay_there(array, bits, axis):
    held = storages.rounded(array, bits, axis)
    back = held.values()
    assert back.shape == array.shape and back.dtype == np.float32 and np.isfinite(back).all()
    rows = array.reshape(array.shape[0], -1) if axis == 0 and array.ndim > 1 and array.size else array.reshape(1, -1)
    for row, found in zip(rows, back.reshape(rows.shape), strict=True):
        if row.size:
            assert np.abs(row - found).max() <= np.abs(row).max() / (2 ** (bits - 1) - 1) * 0.502 + 1e-38
            assert len(np.unique(found)) < 2**bits
            assert (found[row == 0] == 0).all()
    stream, meta = codecs.encode(held, {"codec": "intn", "bits": bits})
    assert codecs.decode(stream, meta, array.shape).tobytes() == back.tobytes()


@FAST
@given(hnp.arrays(np.int16, (4, 6), elements=st.integers(-800, 800)), st.integers(2, 8))
def test_rounding_what_was_rounded_changes_nothing(array, bits):
    array = array.astype(np.float32) / 8  # no row so small that its step needs more than 16 bits
    once = storages.rounded(array, bits).values()
    np.testing.assert_array_equal(storages.rounded(once, bits).values(), once)


def test_rounding_by_hand():
    held = storages.rounded(np.float32([[1.0, -0.6, 0.0, 0.26], [0.0, 0.0, 0.0, 0.0]]), 3)
    assert held.codes.tolist() == [[3, -2, 0, 1], [0, 0, 0, 0]]  # -0.6 * 3 = -1.8, 0.26 * 3 = 0.78
    np.testing.assert_array_equal(held.scale, np.float32([np.float16(1 / 3), 0]))


def test_scales_that_float16_would_distort_stay_float32():
    for factor, short in ((1.0, True), (1e-6, False), (1e8, False)):
        array = weights(3, 40) * np.float32(factor)
        held = storages.rounded(array, 8)
        assert (len(codecs.encode(held, {"codec": "intn", "bits": 8})[0]) == 120 + 3 * 2) == short
        assert np.abs(held.values() - array).max() <= np.abs(array).max() / 127 * 0.51


@pytest.mark.parametrize("bits", range(2, 9))
def test_constant_tensors_keep_their_value(bits):
    for value in (0.0, 2.5, -3e-5):
        array = np.full((3, 5), value, np.float32)
        np.testing.assert_allclose(storages.rounded(array, bits).values(), array, rtol=2**-10)


def test_every_channel_has_a_scale_of_its_own():
    array = weights(8, 50) * 10.0 ** np.arange(-4, 4)[:, None].astype(np.float32)
    for row, found in zip(array, storages.rounded(array, 8).values(), strict=True):
        assert np.abs(row - found).max() <= np.abs(row).max() / 127 * 0.51
    assert len(storages.rounded(array, 8, None).scale) == len(storages.rounded(array[0], 8).scale) == 1


@FAST
@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(-65504, 65504, width=32)))
def test_halves_are_rounded_to_nearest_even(array):
    np.testing.assert_array_equal(storages.half(array).values(), array.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    for quantise in (storages.half, lambda array: storages.rounded(array, 8)):
        with pytest.raises(ModelFileError, match="finite"):
            quantise(np.float32([1, bad]))
    with pytest.raises(ModelFileError, match="65504"):
        storages.half(np.float32([7e4]))


def network():
    module = models.module("patchtst")
    return module.Model(module.Config.of_width(8, L=48, H=6, patch=24, anchor="mean"))


def test_storages_say_what_is_rounded_to_what():
    model = network()
    assert storages.export(model, "float32").held == storages.export(model, "float32", sparse=True).held == {}
    plain, sparse = storages.export(model, "int8"), storages.export(model, "int8", sparse=True)
    assert plain.claims == sparse.claims == "int8"
    for export, position in ((plain, True), (sparse, False)):  # positions are no weights: pruning leaves them floats
        coded = {name for name, held in export.held.items() if held.scale is not None}
        assert coded == {n for n, p in model.named_parameters() if p.ndim > 1 and (position or n != "position")}
        assert export.held.keys() == dict(model.named_parameters()).keys()
    for name in ("int1", "int9", "bfloat16", ""):
        with pytest.raises(ModelFileError, match="float32, float16"):
            storages.export(model, name)


def test_what_is_already_held_is_left_alone():
    model = network()
    own = Quantised(np.ones(model.embed.weight.shape, int), scale=0.3)
    held = storages.hold(model, {"embed.weight": {"codec": "binary"}, "*": {"codec": "intn", "bits": 4}},
                         {"embed.weight": own})
    assert held["embed.weight"] is own and held["head.weight"].codes.max() == 7
    with torch.no_grad():
        model.head.weight[0, 0] = torch.nan
    with pytest.raises(ModelFileError, match="head.weight.*finite"):
        storages.export(model, "int4")
