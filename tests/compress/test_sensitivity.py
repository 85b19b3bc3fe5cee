"""One matrix rounded at a time, and bits given out by what was seen."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import models
from litecast.compress import clone, matrices, quantisers, sensitivity
from litecast.models import base


def network(family="resnet1d"):
    module = models.module(family)
    torch.manual_seed(0)
    return module.Model(module.Config.of_width(4, L=48, H=6, F=2)).eval()


def distance(model):
    """An error to look at: the mean distance of forecasts from those of the network itself."""
    window = base.example(model.config, 8)
    with torch.no_grad():
        wanted = model(*window)
        return lambda other: 0.1 + float((other(*window) - wanted).abs().mean())


def test_each_row_is_the_error_of_one_matrix_rounded_and_all_else_dense():
    model = network()
    before, error = clone(model), distance(model)
    found = sensitivity.sweep(model, error, (8, 3))
    assert len(found) == 2 * len(matrices.of(model))
    for row in found.itertuples():
        changed, weight = clone(model), matrices.of(model)[row.layer]
        held = quantisers.rounded(weight, row.bits, weight[0].numel())
        matrices.put(changed, {row.layer: held})
        assert row.val_wape == error(changed) and row.added == pytest.approx(row.val_wape - 0.1)
        assert row.weights == weight.numel()
        assert row.saved == weight.numel() * 4 - weight.numel() * row.bits / 8 - 2 * len(weight)
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), model.parameters(), strict=True))
    assert found[found.bits == 3].added.mean() > found[found.bits == 8].added.mean()


def table(sizes, added):
    rows = [(f"l{i}", size, bits, more) for i, (size, errors) in enumerate(zip(sizes, added, strict=True))
            for bits, more in errors.items()]
    return pd.DataFrame(rows, columns=["layer", "weights", "bits", "added"])


def test_bits_go_to_the_layer_that_errs_most_for_each_bit_saved():
    found = table([100, 100, 100], [{8: 0, 4: 0.0, 2: 0.001}, {8: 0, 4: 0.5, 2: 0.9}, {8: 0, 4: 0.01, 2: 0.4}])
    assert sensitivity.mixed(found, 8) == {"l0": 8, "l1": 8, "l2": 8}
    assert sensitivity.mixed(found, 14 / 3) == {"l0": 2, "l1": 8, "l2": 4}
    assert sensitivity.mixed(found, 2) == {"l0": 2, "l1": 2, "l2": 2}
    assert sensitivity.mixed(found, 1) == {"l0": 2, "l1": 2, "l2": 2}, "the fewest that were tried"


def test_fewer_bits_are_not_taken_to_err_less_and_large_layers_pay_more():
    lucky = table([10, 10], [{8: 0.0, 4: -0.2, 2: 0.1}, {8: 0.0, 4: 0.04, 2: 0.24}])
    assert sensitivity.mixed(lucky, 3) == {"l0": 2, "l1": 4}, "what 4 bits seem to gain is no price of 2"
    large = table([1000, 10], [{8: 0, 4: 0.02}, {8: 0, 4: 0.01}])
    assert sensitivity.mixed(large, 5) == {"l0": 4, "l1": 8}, "the small layer has room to go up again"


@settings(deadline=None, max_examples=60)
@given(data=st.data(), average=st.floats(2, 8))
def test_the_average_is_kept_no_layer_could_go_up_and_no_choice_is_absurd(data, average):
    sizes = data.draw(st.lists(st.integers(1, 300), min_size=1, max_size=4))
    steps = [np.cumsum(data.draw(st.lists(st.floats(0, 1), min_size=3, max_size=3))) for _ in sizes]
    found = table(sizes, [dict(zip((6, 4, 2), more, strict=True)) | {8: 0.0} for more in steps])
    bits = sensitivity.mixed(found, average)

    def mean(bits):
        return np.average(list(bits.values()), weights=sizes)

    assert mean(bits) <= average + 1e-6
    for name, few in bits.items():
        assert few == 8 or mean(bits | {name: few + 2}) > average
    cost = found.set_index(["layer", "bits"]).added
    every = [dict(zip(bits, way, strict=True)) for way in itertools.product((2, 4, 6, 8), repeat=len(sizes))]
    worst = max(sum(cost[name, few] for name, few in way.items()) for way in every)
    assert sum(cost[name, few] for name, few in bits.items()) <= worst
