"""A grown network forecasts what the small one did; its copies part; what it took is counted."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import compress, modelfile, models, training
from litecast.compress import Task, net2net
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import LitecastError
from litecast.models import base
from litecast.training import Budget, cost

BUDGET = Budget(steps=12, batch=16, lr=1e-3, retrain_steps=4)
ABLE = {variant: [name for name in models.names() if set(fits) & set(models.module(name).CAN)]
        for variant, fits in net2net.FITS_OF.items()}

LEVEL, SEED, TABLE = st.floats(1.2, 4.0), st.integers(0, 99), st.sampled_from(["none", "own"])


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, ["a", "b"])))


def network(family, width, seed=0, table="none"):
    """Weights of which none is zero by its initialisation, in a network that is told the calendar."""
    module = models.module(family)
    torch.manual_seed(seed)
    told = {"F": 3, "series": 2, "weekdays": 7, "steps": 24, "patch": 24, "table": table}
    model = module.Model(module.Config.of_width(width, L=96, H=10, **told)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


@torch.no_grad()
def gap(one, other) -> float:
    """Largest difference of their forecasts of the same windows, as a share of the largest forecast."""
    window = base.example(one.config, 32, 2)
    said, again = one.eval()(*window), other.eval()(*window)
    return float((said - again).abs().max() / said.abs().max())


# ---- the same function


def test_all_families_that_are_meant_are_grown():
    assert {"lstm", "gru", "nbeats", "patchtst", "resnet1d"} <= set(ABLE["wider"]) == set(ABLE["noise"])
    assert {"nbeats", "patchtst", "resnet1d", "tcn"} <= set(ABLE["deeper"]) and "lstm" not in ABLE["deeper"]


@pytest.mark.parametrize("family", ABLE["wider"])
@settings(max_examples=2, deadline=None)
@given(wide=st.integers(2, 6), level=LEVEL, seed=SEED, table=TABLE)
def test_a_wider_network_forecasts_the_same(data, family, wide, level, seed, table):
    large = network(family, 4 * wide, seed, table)
    little = net2net.small(large, level, "wider", data, seed)
    with torch.no_grad():
        for parameter in little.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    grown = net2net.grown(little, large, "wider", seed)
    assert grown.config == large.config and little.config != large.config
    assert cost.profile(little).params < cost.profile(grown).params
    assert gap(little, grown) < 1e-5


@pytest.mark.parametrize("family", ABLE["noise"])
def test_noise_moves_the_copies_a_little_and_nothing_else(data, family):
    large = network(family, 16, table="own")
    little = net2net.small(large, 2.0, "noise", data, 0)
    assert 0 < gap(little, net2net.grown(little, large, "noise", 0)) < 0.5


@pytest.mark.parametrize("family", ABLE["deeper"])
@settings(max_examples=2, deadline=None)
@given(level=LEVEL, seed=SEED, table=TABLE)
def test_a_deeper_network_forecasts_the_same(data, family, level, seed, table):
    large = network(family, 8, seed, table)
    little = net2net.small(large, level, "deeper", data, seed)
    with torch.no_grad():
        for parameter in little.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    grown = net2net.grown(little, large, "deeper", seed)
    blocks = [len(getattr(one.config, large.stack().field)) for one in (little, grown)]
    assert blocks[0] < blocks[1] == len(getattr(large.config, large.stack().field))
    assert gap(little, grown) < 1e-5


@pytest.mark.parametrize("family", ABLE["deeper"])
def test_a_block_that_adds_nothing_learns_to_add_something(data, family):
    large = models.build(family, 8, data, 0)
    little = net2net.small(large, 2.0, "deeper", data, 0)
    grown = net2net.grown(little, large, "deeper", 0)
    added = [name for name in grown.state_dict() if name not in little.state_dict()]
    start = {name: grown.state_dict()[name].clone() for name in added}
    training.fit(grown, data, Budget(4, 32, 1e-2), 0)
    last = [n for n in added if any(f".{layer}." in n for layer in large.stack().last)]
    assert last and all(not start[name].any() for name in last)
    if gap(little, grown):  # the best weights may be the first
        assert any(grown.state_dict()[name].any() for name in last)


def test_what_a_layer_reads_of_a_unit_is_shared_out_whole():
    where, weight = torch.tensor([0, 1, 2, 1, 1, 0]), torch.randn(4, 6, 3)
    shares = net2net._shares(weight, where, 3, even=False)
    for unit in range(3):
        np.testing.assert_allclose(shares[:, where == unit].sum(1), 1, atol=1e-6)
    assert (shares[:, 2] == 1).all() and (shares[:, 0] != shares[:, 5]).all() and (shares > 0).all()
    even = net2net._shares(weight, where, 3, even=True)
    np.testing.assert_allclose(even[0, :, 0], [1 / 2, 1 / 3, 1, 1 / 3, 1 / 3, 1 / 2])


# ---- copies


def test_copies_part_when_trained_and_those_of_equal_shares_do_not(data):
    """With equal shares and no noise two copies get one gradient, and the larger network stays the small one."""
    large = models.build("nbeats", 16, data, 0)
    little = net2net.small(large, 2.0, "wider", data, 0)

    def apart(grown) -> float:
        """The nearest two rows of a layer after a few steps, as a share of their size."""
        for _ in range(2):
            training.fit(grown, data, Budget(8, 32, 1e-2), 0)
        rows = grown.blocks[0].first.weight.detach()
        return float((torch.cdist(rows, rows) + 9 * torch.eye(len(rows))).min() / rows.norm(dim=1).mean())

    split = net2net.grown(little, large, "wider", 0)
    rows = split.blocks[0].first.weight.detach()
    assert len(rows) == 16 and len(rows.unique(dim=0)) == 8, "repeated as they are"
    noisy = net2net.grown(little, large, "noise", 0)
    assert len(noisy.blocks[0].first.weight.unique(dim=0)) == 16 and 0 < gap(little, noisy) < 0.05
    net2net_noise, net2net.NOISE = net2net.NOISE, 0.0
    try:
        even = net2net.grown(little, large, "noise", 0)
    finally:
        net2net.NOISE = net2net_noise
    assert apart(even) < 1e-3 < apart(split) and apart(noisy) > 1e-3


# ---- what is refused


def test_an_lstm_grows_wider_only(data):
    with pytest.raises(LitecastError, match="lstm has no residual blocks .* grow it wider"):
        net2net.small(models.build("lstm", 8, data), 2.0, "deeper", data, 0)


def test_what_names_no_units_and_has_no_second_block_is_refused(data):
    with pytest.raises(LitecastError, match=r"dlinear names no hidden units \(units\(\)\)"):
        net2net.small(models.build("dlinear", 1, data), 2.0, "wider", data, 0)
    one = net2net.small(models.build("nbeats", 8, data), 4.0, "deeper", data, 0)
    with pytest.raises(LitecastError, match="this nbeats has one block"):
        net2net.small(one, 2.0, "deeper", data, 0)


def test_units_that_leave_a_reader_out_are_found(data, monkeypatch):
    family = models.module("lstm")
    whole = family.Model.units

    def forgetful(self):
        first, head = whole(self)
        return [first, base.Units(head.field, head.size, head.members[:2])]

    large = models.build("lstm", 8, data, 0)
    little = net2net.small(large, 2.0, "wider", data, 0)
    monkeypatch.setattr(family.Model, "units", forgetful)
    with pytest.raises((LitecastError, RuntimeError)):
        net2net.grown(little, large, "wider", 0)

    monkeypatch.setattr(family.Model, "units", whole)
    monkeypatch.setattr(net2net, "_shares", lambda weight, *_, **__: torch.ones_like(weight))
    with pytest.raises(LitecastError, match="lstm cannot be grown wider: its forecasts move"):
        net2net.grown(little, large, "wider", 0)


# ---- the technique


def made(data, variant="wider", level=2.0, seed=0, family="nbeats"):
    return net2net.compress(Task(models.build(family, 16, data, 1), data, BUDGET, seed, level, variant))


@pytest.mark.parametrize("variant", net2net.VARIANTS)
def test_two_trainings_are_counted_and_the_dense_network_is_only_looked_at(data, variant):
    start = models.build("nbeats", 16, data, 1)
    before = [p.clone() for p in start.parameters()]
    found = net2net.compress(Task(start, data, BUDGET, 0, 2.0, variant))
    little, large = (cost.profile(m).macs for m in (net2net.small(start, 2.0, variant, data, 7), found.model))
    windows = training.val_loss(start, data, "mae")[1]
    left = int(12 - 3 * little / large)
    assert found.spent.steps == 3 + left and found.parents == ()
    trained = 3 * 16 * (3 * little + left * large)
    assert found.spent.macs == trained + windows * large <= 3 * 16 * 12 * large + windows * large
    assert models.describe(found.model) == models.describe(start)
    assert all(torch.equal(a, b) for a, b in zip(before, start.parameters(), strict=True))


def test_the_story_goes_on_where_the_small_network_ended(data):
    told = made(data).story
    assert list(told) == ["part", "step", "macs", "val_loss", "dense_loss"] and told.macs.is_monotonic_increasing
    small, grown = (told[told.part == part] for part in ("small", "grown"))
    assert grown.macs.iloc[0] == small.macs.iloc[-1]
    assert grown.val_loss.iloc[0] == pytest.approx(small.val_loss.min(), rel=1e-4), "grown from its best weights"


def test_time_to_quality_is_the_first_look_that_is_near_enough():
    told = pd.DataFrame({"macs": [0.0, 10.0, 20.0, 30.0], "val_loss": [2.0, 1.02, 1.009, 1.5], "dense_loss": 1.0})
    assert net2net.reached(told) == 20.0 and np.isnan(net2net.reached(told[:2]))


def test_the_loss_is_that_which_training_looks_at(data):
    model = models.build("lstm", 8, data, 0)
    before = training.val_loss(model, data, "mae")[0]
    assert training.fit(model, data, BUDGET, 0).log.val_loss[0] == pytest.approx(before, rel=1e-6)


def test_one_seed_one_network_and_its_file_is_it_bit_for_bit(data, tmp_path):
    first, again, other = made(data), made(data), made(data, seed=1)
    weights = [torch.cat([p.flatten() for p in one.model.parameters()]) for one in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    [file] = first.files.values()
    modelfile.save(tmp_path / "net", first.model, file.codecs, modelfile.Card.of(data), file.held)
    loaded = modelfile.load(tmp_path / "net").model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in first.model.state_dict().items())


def test_the_control_is_the_large_network_for_the_same_work(data):
    found = made(data)
    model, fit = compress.scratch(found.model, found.masks, data, BUDGET, found.spent.macs, found.spent.macs, 0)
    assert models.describe(model) == models.describe(found.model) and fit.spent.macs <= found.spent.macs
