"""Policies: products counted exactly, what is tried is what is made, walks that know what they cost."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import modelfile, models
from litecast.compress import Task, channel_pruning, matrices, policies, units
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import LitecastError
from litecast.models import base
from litecast.training import Budget, cost

FITTING = [name for name in models.names() if set(channel_pruning.FITS) & set(models.module(name).CAN)]
BUDGET = Budget(steps=8, batch=16, retrain_steps=2)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def channels(data, family="nbeats", width=16, masks=None):
    return policies.Channels(Task(models.build(family, width, data), data, BUDGET, 0, 0.5, "channels",
                                  masks=masks or {}))  # fmt: skip


def policy(kind, seed=0) -> dict:
    return kind.space.read(kind.space.draw(np.random.default_rng(seed)))


@pytest.mark.parametrize("family", FITTING)
def test_products_are_those_of_the_network_that_is_cut(data, family):
    """At any point, of every family: the polynomial was found next to the whole."""
    model = models.build(family, 16, data)
    groups, draw = units.of(model), np.random.default_rng(0)
    price = policies.products(model)
    assert price([group.size for group in groups]) == cost.profile(model).macs
    for _ in range(2):
        counts = [int(draw.integers(1, group.size + 1)) for group in groups]
        small = units.cut(model, [torch.arange(count) for count in counts])
        assert price(counts) == cost.profile(small).macs, counts


def test_what_is_no_polynomial_is_refused(data, monkeypatch):
    model = models.build("lstm", 8, data)
    count = cost.profile
    monkeypatch.setattr(policies.cost, "profile", lambda model: SimpleNamespace(macs=count(model).macs ** 2))
    with pytest.raises(LitecastError, match="products of lstm are no polynomial"):
        policies.products(model)


@pytest.mark.parametrize("family", ["resnet1d", "lstm", "tsmixer"])
def test_a_walk_keeps_its_limit(data, family):
    kind = channels(data, family)
    for level in (0.25, 0.9):
        way = kind.walk(level)
        assert way.cost(way.space.largest) == 1 and way.told.shape == (len(way), 4)
        assert way.limit == pytest.approx(1 - level * (1 - way.cost(way.least(()))))
        made = units.cut(kind.task.start, kind._kept(way.space.read(way.filled(way.least(())))))
        assert cost.profile(made).macs <= way.limit * cost.profile(kind.task.start).macs + 1e-6


@pytest.mark.parametrize("family", ["lstm", "resnet1d", "profile_mlp", "patchtst"])
def test_what_is_tried_is_what_is_made(data, family):
    """The network of full width forecasts what the cut one does, and what was started from stays."""
    kind = channels(data, family)
    before = {name: value.clone() for name, value in kind.task.start.state_dict().items()}
    chosen = policy(kind)
    wide, took = kind.applied(chosen)
    small, window = units.cut(wide, kind._kept(chosen)), base.example(wide.config, 8, 2)
    with torch.no_grad():
        torch.testing.assert_close(small(*window), wide(*window), rtol=1e-4, atol=1e-5)
    made = kind.made(chosen, 5)
    assert models.describe(made.model) == models.describe(small) and took.macs > 0
    assert made.spent.macs > took.macs and made.spent.steps == 2
    assert all(torch.equal(value, before[name]) for name, value in kind.task.start.state_dict().items())


def test_everything_kept_is_the_network_itself(data):
    for kind in (channels(data), channels(data, "lstm")):
        whole = kind.space.read(kind.space.largest)
        wide, _ = kind.applied(whole)
        window = base.example(wide.config, 8, 2)
        with torch.no_grad():
            torch.testing.assert_close(wide(*window), kind.task.start(*window), rtol=1e-4, atol=1e-5)


def test_what_was_left_out_before_stays_zero(data):
    start = models.build("nbeats", 16, data)
    masks = {name: torch.rand(weight.shape) > 0.5 for name, weight in matrices.of(start).items()}
    with torch.no_grad():
        for name, mask in masks.items():
            start.get_parameter(name).mul_(mask)
    task = Task(start, data, BUDGET, 0, 0.5, "channels", masks=masks)
    for kind in (policies.Channels(task), policies.Bits(task)):
        made = kind.made(policy(kind), 0)
        assert set(made.masks) == set(masks)
        for name, mask in made.masks.items():
            assert not made.model.get_parameter(name)[~mask].any() and not mask.all(), name


def test_the_largest_norms_stay(data):
    kind = channels(data)
    kept = kind._kept(policy(kind))
    for norms, stay in zip(channel_pruning.norms(kind.task.start, kind.groups), kept, strict=True):
        assert set(stay.tolist()) == set(norms.argsort(descending=True)[: len(stay)].tolist())


# ---- bits


def bits(data, family="nbeats"):
    return policies.Bits(Task(models.build(family, 16, data), data, BUDGET, 0, 0.5, "bits"))


def test_bits_cost_what_they_are(data):
    kind = bits(data)
    way, sizes = kind.walk(0.5), [weight.numel() for weight in matrices.of(kind.task.start).values()]
    assert way.cost(way.space.largest) == 1 and way.cost(way.least(())) == 0.25 and way.limit == 0.625
    chosen = policy(kind)
    assert way.price(list(chosen.values())) == pytest.approx(np.dot(list(chosen.values()), sizes) / 8 / sum(sizes))


def test_rounded_weights_are_put_in_their_place(data):
    kind = bits(data)
    chosen = policy(kind)
    for name, weight in matrices.of(kind.applied(chosen)[0]).items():
        codes = (weight / weight.flatten(1).abs().amax(1).clamp(min=1e-9).reshape(-1, *[1] * (weight.ndim - 1)))
        levels = max(len(row.unique()) for row in codes.flatten(1))
        assert levels <= 2 ** chosen[name] - 1, name


def test_the_file_has_each_matrix_in_its_bits(data, tmp_path):
    kind = bits(data)
    chosen = policy(kind)
    made = kind.made(chosen, 0)
    file = made.files["int8"]
    assert {name: file.codecs[name] for name in chosen} == {n: {"codec": "intn", "bits": b} for n, b in chosen.items()}
    modelfile.save(tmp_path / "net", made.model, file.codecs, modelfile.Card.of(data), file.held)
    opened = modelfile.load(tmp_path / "net").model.state_dict()
    for name, weight in matrices.of(made.model).items():
        assert torch.equal(opened[name], weight)
