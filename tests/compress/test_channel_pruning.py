"""What is left computes as if the removed units were zero; as many go as the level says; the weakest go."""

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models
from litecast.compress import Task
from litecast.compress import channel_pruning as pruning
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import Budget, cost

FITTING = [name for name in models.names() if set(pruning.FITS) & set(models.module(name).CAN)]


def network(family, width=8, seed=0, L=48, H=10, F=3):  # noqa: N803
    module = models.module(family)
    torch.manual_seed(seed)
    model = module.Model(module.Config.of_width(width, L=L, H=H, F=F, patch=24)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # nothing is zero by chance of its initialisation
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


def inputs(model):
    draw = torch.Generator().manual_seed(1)
    config = model.config
    return torch.randn(16, config.L, 1, generator=draw), torch.randn(16, config.L + config.H, 3, generator=draw)


def gone(model, small, name, size=None):
    """Units of a bias of `model` that `small` lacks; what stays keeps its order."""
    before, after = (m.state_dict()[name] for m in (model, small))
    before = before[:size]
    kept = torch.isin(before, after)
    assert torch.equal(before[kept], after[: int(kept.sum())])
    return torch.nonzero(~kept).flatten()


@torch.no_grad()
def masked(model, small):
    """A copy in which nothing reads the units that were removed; written out family by family."""
    copy = pruning.clone(model)
    if hasattr(copy, "head") and hasattr(copy.head, "hidden"):
        copy.head.out.weight[:, gone(model, small, "head.hidden.bias")] = 0
    family = models.describe(model)["family"]
    if family in ("gru", "lstm"):
        units = gone(model, small, f"{family}.bias_ih_l0", model.config.hidden)
        getattr(copy, family).weight_hh_l0[:, units] = 0
        copy.head.hidden.weight[:, units] = 0
    for i, block in enumerate(copy.blocks if family == "nbeats" else ()):
        block.second.weight[:, gone(model, small, f"blocks.{i}.first.bias")] = 0
        units = gone(model, small, f"blocks.{i}.second.bias")
        for reader in filter(None, (block.forecast, block.backcast)):
            reader.weight[:, units] = 0
    for i, layer in enumerate(copy.layers if family.startswith("patchtst") else ()):
        layer.down.weight[:, gone(model, small, f"layers.{i}.up.bias")] = 0
    if family == "resnet1d":
        trunk, positions = gone(model, small, "stem.bias"), model.config.positions
        for i, block in enumerate(copy.blocks):
            block.first.weight[:, trunk] = 0
            block.second.weight[:, gone(model, small, f"blocks.{i}.first.bias")] = 0
        for channel in trunk.tolist():
            copy.head.hidden.weight[:, channel * positions : (channel + 1) * positions] = 0
    return copy


@torch.no_grad()
def gap(model, small, x, z):
    """Largest difference, as a share of the largest output."""
    expected = model(x, z)
    return float((small(x, z) - expected).abs().max() / expected.abs().max())


def widths(model):
    config = model.config
    if hasattr(config, "feed"):
        return list(config.feed)
    if hasattr(config, "inner"):
        return [config.trunk, *config.inner, config.head]
    return [config.hidden, config.head] if hasattr(config, "head") else [w for pair in config.hidden for w in pair]


@pytest.mark.parametrize("variant", ["l2", "random"])
@pytest.mark.parametrize("level", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("family", FITTING)
def test_pruned_equals_masked(family, level, variant):
    model = network(family)
    small = pruning.cut(model, level, variant, 0)
    x, z = inputs(model)
    assert gap(masked(model, small), small, x, z) <= 1e-6
    assert gap(model, small, x, z) > 1e-3  # what was removed did matter


@pytest.mark.parametrize(("L", "H", "F"), [(168, 24, 3), (60, 5, 2), (48, 10, 0), (52, 8, 1)])
def test_convolutions_are_cut_exactly_whatever_joins_them_at_the_head(L, H, F):  # noqa: N803
    for width in (8, 16):
        model = network("resnet1d", width, L=L, H=H, F=F)
        small = pruning.cut(model, 0.5, "l2", 0)
        x, z = inputs(model)
        assert gap(masked(model, small), small, x, z[:, :, :F]) <= 1e-6


@pytest.mark.parametrize("level", [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("width", [4, 8, 12, 20])
@pytest.mark.parametrize("family", FITTING)
def test_every_layer_keeps_what_the_level_leaves_and_at_least_one_unit(family, width, level):
    model = network(family, width)
    small = pruning.cut(model, level, "l2", 0)
    assert widths(small) == [max(1, round(size * (1 - level))) for size in widths(model)]


@pytest.mark.parametrize("family", FITTING)
def test_what_is_left_is_an_ordinary_network_of_that_size(family):
    small = pruning.cut(network(family), 0.5, "l2", 0)
    fresh = models.rebuild(models.describe(small))
    found, expected = cost.profile(small), cost.profile(fresh)
    assert (found.params, found.live_params, found.macs) == (expected.params, expected.params, expected.macs)
    assert cost.profile(small).macs < cost.profile(network(family)).macs
    assert not small.training


WEAK = [1, 4]  # units of a layer of eight

SMALL = {  # layer -> what belongs to its units: (parameter, dimension, runs of eight)
    "lstm": {"lstm.bias_ih_l0": [("lstm.weight_ih_l0", 0, 4), ("lstm.weight_hh_l0", 0, 4), ("lstm.bias_ih_l0", 0, 4),
                                 ("lstm.bias_hh_l0", 0, 4), ("lstm.weight_hh_l0", 1, 1), ("head.hidden.weight", 1, 1)]},
    "nbeats": {"blocks.1.first.bias": [("blocks.1.first.weight", 0, 1), ("blocks.1.first.bias", 0, 1),
                                       ("blocks.1.second.weight", 1, 1)],
               "blocks.2.second.bias": [("blocks.2.second.weight", 0, 1), ("blocks.2.second.bias", 0, 1),
                                        ("blocks.2.forecast.weight", 1, 1)]},
    "patchtst": {"layers.1.up.bias": [("layers.1.up.weight", 0, 1), ("layers.1.up.bias", 0, 1),
                                      ("layers.1.down.weight", 1, 1)]},
    "resnet1d": {"stem.bias": [("stem.weight", 0, 1), ("stem.bias", 0, 1),
                               *((f"blocks.{i}.first.weight", 1, 1) for i in range(3)),
                               *((f"blocks.{i}.second.weight", 0, 1) for i in range(3))],
                 "blocks.1.first.bias": [("blocks.1.first.weight", 0, 1), ("blocks.1.second.weight", 1, 1)],
                 "head.hidden.bias": [("head.hidden.weight", 0, 1), ("head.out.weight", 1, 1)]},
}  # fmt: skip
SMALL["patchtst_wide"] = SMALL["patchtst"]
SMALL["gru"] = {"gru.bias_ih_l0": [(name.replace("lstm", "gru"), dim, min(runs, 3))
                                   for name, dim, runs in SMALL["lstm"]["lstm.bias_ih_l0"]]}  # fmt: skip


@pytest.mark.parametrize("family", FITTING)
def test_the_weakest_units_go(family):
    for bias, members in SMALL[family].items():
        model = network(family, 4 if family == "patchtst" else 8)
        for name, dim, runs in members:
            rows = model.get_parameter(name).detach().movedim(dim, 0)
            for run in range(runs):
                rows[[8 * run + unit for unit in WEAK]] *= 1e-3
        if bias == "stem.bias":
            columns = model.head.hidden.weight.detach()[:, : 8 * model.config.positions].unflatten(1, (8, -1))
            columns[:, WEAK] *= 1e-3
        small = pruning.cut(model, 0.25, "l2", 0)
        assert gone(model, small, bias, 8).tolist() == WEAK


@pytest.mark.parametrize("family", FITTING)
def test_a_random_choice_is_seeded_and_another_one(family):
    model = network(family, 16)
    chosen, again, other, best = (
        torch.cat([p.flatten() for p in pruning.cut(model, 0.5, variant, seed).parameters()])
        for variant, seed in (("random", 0), ("random", 0), ("random", 1), ("l2", 0)))  # fmt: skip
    assert torch.equal(chosen, again) and not torch.equal(chosen, other) and not torch.equal(chosen, best)


@pytest.mark.parametrize("family", FITTING)
def test_retraining_starts_from_the_cut_and_leaves_the_original_alone(family):
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    data = prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))
    model = models.build(family, 8, data)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    budget = Budget(steps=60, batch=16, retrain_steps=6)
    made = pruning.compress(Task(model, data, budget, 0, 0.5, "l2"))
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())
    assert widths(made.model) == [n // 2 for n in widths(model)]
    assert made.spent.macs == 3 * 6 * 16 * cost.profile(made.model).macs
    assert list(made.files) == list(pruning.STORAGES) and made.masks == {} and made.parents == ("start",)
    by_chance = pruning.compress(Task(model, data, budget, 0, 0.5, "l2", control="random"))
    assert widths(by_chance.model) == widths(made.model)
    pairs = zip(made.model.parameters(), by_chance.model.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_who_fits_is_who_can_be_cut():
    assert FITTING == ["gru", "lstm", "nbeats", "patchtst", "patchtst_wide", "resnet1d"]


def test_norms_are_those_by_which_units_are_ranked():
    model = network("nbeats")
    found = pruning.norms(model)["hidden 0 0"]
    state, expected = model.state_dict(), []
    for unit in range(8):
        parts = [state["blocks.0.first.weight"][unit], state["blocks.0.first.bias"][unit],
                 state["blocks.0.second.weight"][:, unit]]
        expected.append(sum(float(part.square().sum()) for part in parts) ** 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    kernel = network("resnet1d").state_dict()["stem.weight"]
    np.testing.assert_allclose(pruning.norms(network("resnet1d"))["stem.weight"], kernel.flatten(1).norm(dim=1))
