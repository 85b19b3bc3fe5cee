"""The LASSO's choice and the refitted weights are scikit-learn's; what can be made up for is made up for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, LinearRegression
from test_channel_pruning import KINDS, network

from litecast.compress import calibration, clone, reconstruction, units
from litecast.models import base
from litecast.training import cost


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_the_choice_is_that_of_the_lasso_at_some_penalty(seed, count):
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(60, 8)) * draw.uniform(0.5, 2, 8)
    y = z @ draw.normal(size=8) + draw.normal(size=60)
    found = reconstruction.select(z.T @ z, z.T @ y, count).tolist()
    low, high = 1e-6, float(np.abs(z.T @ y).max()) / 60
    for _ in range(60):  # the penalty at which so many are in
        middle = (low + high) / 2
        fitted = np.flatnonzero(Lasso(middle, fit_intercept=False, tol=1e-12, max_iter=10**5).fit(z, y).coef_)
        if len(fitted) == count:
            break
        low, high = (middle, high) if len(fitted) > count else (low, middle)
    if len(fitted) == count:
        assert found == fitted.tolist()


def test_units_that_add_nothing_or_the_same_go_first():
    z = np.random.default_rng(0).normal(size=(50, 4))
    z[:, 1], z[:, 3] = 0, 2 * z[:, 2]  # one is dead, one is another in double size
    y = z[:, 0] + 3 * z[:, 2]
    gram, products = z.T @ z, z.T @ y
    assert reconstruction.select(gram, products, 2).tolist() == [0, 3]
    assert reconstruction.select(gram, products, 4).tolist() == [0, 1, 2, 3]
    assert reconstruction.select(np.zeros((3, 3)), np.zeros(3), 2).tolist() == [0, 1]


def test_least_squares_are_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    x, y, weight = draw.normal(size=(200, 6)), draw.normal(size=(200, 3)), draw.normal(size=(3, 7))
    found = reconstruction.least_squares(np.column_stack([x, np.ones(200)]), y, weight)
    expected = LinearRegression().fit(x, y)
    np.testing.assert_allclose(found[:, :-1], expected.coef_, atol=1e-10)
    np.testing.assert_allclose(found[:, -1], expected.intercept_, atol=1e-10)


def test_what_inputs_leave_open_stays_as_it_was():
    x = np.zeros((20, 3))
    x[:, 0] = np.arange(20)
    weight = np.array([[1.0, 5.0, -2.0]])
    np.testing.assert_allclose(reconstruction.least_squares(x, 2 * x[:, :1], weight), [[2.0, 5.0, -2.0]], atol=1e-12)


def doubled(kind):
    """A network in which every second unit of every group says, and is read, the same as the one before it."""
    model = network(kind)
    with torch.no_grad():
        for group in units.of(model):
            for slots in group.members:
                place = slots.places(group.size)
                rows = model.get_parameter(slots.parameter).movedim(slots.dim, 0)
                rows[place[1::2].flatten()] = rows[place[: len(place) // 2 * 2 : 2].flatten()]
    return model, base.example(model.config, 256)


@pytest.mark.parametrize("kind", KINDS)
def test_units_that_are_there_twice_cost_nothing(kind):
    """Of recurrent layers, too: the state that stays is given what was read of its twin."""
    model, window = doubled(kind)
    groups = units.of(model)
    stay = [torch.arange(0, group.size, 2) for group in groups]
    refitted, kept, _ = reconstruction.pruned(model, groups, list(map(len, stay)), window, stay)
    small = units.cut(refitted, kept)
    with torch.no_grad():
        expected, found, plain = model(*window), small(*window), units.cut(model, kept)(*window)
    lost = (found - expected).norm() / expected.norm()
    assert lost < 1e-3 and lost < 0.05 * (plain - expected).norm() / expected.norm()
    assert all(map(torch.equal, kept, stay))


@pytest.mark.parametrize("kind", ["lstm", "nbeats", "patchtst", "profile_mlp", "mobilenet_v1", "shufflenet_v2"])
def test_later_layers_make_up_for_what_is_gone(kind):
    """Nearer to the original than the same cut alone, on the windows that it was fitted to; and exact to cut."""
    model = network(kind)
    window, groups = base.example(model.config, 512), units.of(model)
    before = [p.clone() for p in model.parameters()]
    counts = [max(1, group.size * 3 // 4) for group in groups]
    refitted, kept, spent = reconstruction.pruned(model, groups, counts, window)
    with torch.no_grad():
        expected, full = model(*window), refitted(*window)
        found, plain = (units.cut(one, kept)(*window) for one in (refitted, model))
    assert (found - full).abs().max() <= 1e-5 * full.abs().max(), "what is gone was read by nobody"
    assert (found - expected).norm() < 0.9 * (plain - expected).norm()
    assert spent.steps == 0 and spent.macs > len(groups) * 512 * cost.profile(model).macs
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_first_group_by_hand():
    """Of a block of N-BEATS: columns of its second layer, fitted to what it computed, from the units that stay."""
    model = network("nbeats", 32)
    window = base.example(model.config, 300)
    group, stay = units.of(model)[0], torch.arange(0, 32, 3)
    refitted, kept, _ = reconstruction.pruned(model, [group], [len(stay)], window, [stay])
    x = calibration.columns(model, window, "blocks.0.second.weight")[0].double()
    layer = model.blocks[0].second
    y = x @ layer.weight.detach().double().T + layer.bias.detach().double()
    expected = LinearRegression().fit(x[:, stay].numpy(), y.numpy())
    after = refitted.blocks[0].second
    np.testing.assert_allclose(after.weight.detach()[:, stay], expected.coef_, atol=1e-5)
    np.testing.assert_allclose(after.bias.detach(), expected.intercept_, atol=1e-5)
    assert torch.equal(kept[0], stay) and not after.weight.detach()[:, 1::3].any()
    same = clone(refitted)
    same.blocks[0].second.load_state_dict(layer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(same.parameters(), model.parameters(), strict=True))
