"""What is left computes as if nothing read the removed units; as many go as the level says; the right ones go."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from litecast import modelfile, models, training
from litecast.compress import Task, units
from litecast.compress import channel_pruning as pruning
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.models import base
from litecast.runtimes import onnxruntime
from litecast.training import Budget, cost

FITTING = [name for name in models.names() if set(pruning.FITS) & set(models.module(name).CAN)]
TWO_LAYERS = {"lstm": {"above": (12,)}, "gru": {"above": (12,)}}
KINDS = [*FITTING, "lstm, two layers", "gru, two layers", "nbeats@own"]


def network(kind, width=16, seed=0, L=48, H=10, F=3):  # noqa: N803
    name, _, layers = kind.partition(", ")
    module = models.module(name)
    torch.manual_seed(seed)
    shared = {"L": L, "H": H, "F": F, "patch": 24, "series": 2, "weekdays": 7, "steps": 24}
    shared |= {"table": "own"} if "@own" in name else {}
    config = module.Config.of_width(width, **shared)
    model = module.Model(type(config)(**vars(config) | (TWO_LAYERS[name] if layers else {}))).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # nothing is zero by chance of its initialisation
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model


def level(model, share, seed=0, variant="l2"):
    """Which units of each group stay."""
    groups = units.of(model)
    task = Task(model, None, Budget(1), seed, share, variant)
    return pruning.evenly(pruning.scored(model, groups, variant, task)[0], share)


@torch.no_grad()
def masked(model, small):
    """A copy of the original in which every layer reads only what its counterpart in the small network still has.

    Of columns it is found by value which these are, whoever says which belong together.
    """
    copy = pruning.units.clone(model)
    for name, weight in copy.named_parameters():
        left = small.get_parameter(name)
        if weight.ndim > 1 and weight.shape[1] != left.shape[1]:
            there = torch.isin(weight, left).float().movedim(1, 0).flatten(1).mean(1)
            gone = there < there.max() / 2
            assert int((~gone).sum()) == left.shape[1]
            weight[:, gone] = 0
    return copy


@torch.no_grad()
def gap(model, small):
    """Largest difference, as a share of the largest output."""
    window = base.example(model.config, 16)
    expected = model(*window)
    return float((small(*window) - expected).abs().max() / expected.abs().max())


# ---- removal

@pytest.mark.parametrize(("share", "variant"), [(0.25, "l2"), (0.9, "random")])  # any other choice: the next test
@pytest.mark.parametrize("kind", KINDS)
def test_pruned_equals_masked(kind, share, variant):
    model = network(kind)
    small = units.cut(model, level(model, share, 0, variant))
    assert gap(masked(model, small), small) <= 1e-6
    assert gap(model, small) > 1e-3  # what was removed did matter
    assert cost.profile(small).macs < cost.profile(model).macs and not small.training


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_units_of_any_group_can_go(data):
    kind = data.draw(st.sampled_from(KINDS))
    model = network(kind, data.draw(st.sampled_from([8, 16, 24])))
    kept = []
    for group in units.of(model):
        some = data.draw(st.sets(st.integers(0, group.size - 1), min_size=1), label=group.name)
        kept.append(torch.tensor(sorted(some)))
    small = units.cut(model, kept)
    assert gap(masked(model, small), small) <= 1e-6
    assert {group.name: group.size for group in units.of(small) if group.size > 1} == {
        group.name: len(stay) for group, stay in zip(units.of(model), kept, strict=True) if len(stay) > 1}


@pytest.mark.parametrize(("L", "H", "F"), [(168, 24, 3), (60, 5, 2), (48, 10, 0), (52, 8, 1)])
@pytest.mark.parametrize("kind", ["resnet1d", "densenet", "shufflenet_v1", "lstm", "profile_mlp"])
def test_whatever_joins_units_at_the_head(kind, L, H, F):  # noqa: N803
    model = network(kind, L=L, H=H, F=F)
    small = units.cut(model, level(model, 0.5))
    assert gap(masked(model, small), small) <= 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_is_an_ordinary_network_of_that_size(kind):
    model = network(kind)
    small = units.cut(model, level(model, 0.5))
    fresh = models.rebuild(models.describe(small))
    found, expected = cost.profile(small), cost.profile(fresh)
    assert (found.params, found.live_params, found.macs) == (expected.params, expected.params, expected.macs)
    assert [p.shape for p in fresh.parameters()] == [p.shape for p in small.parameters()]
    for layer in small.modules():  # torch draws weights by the widths that there are
        if isinstance(layer, nn.Linear | nn.Conv1d):
            assert layer.weight.shape[:2] == ((layer.out_features, layer.in_features) if isinstance(layer, nn.Linear)
                                              else (layer.out_channels, layer.in_channels // layer.groups))  # fmt: skip


def test_everything_goes_but_inputs_outputs_and_widths_of_tokens():
    """Half of all groups: weights between two groups fall to a quarter, those at an end to a half."""
    for kind in FITTING:
        model = network(kind)
        small = units.cut(model, level(model, 0.5))
        left = sum(p.numel() for p in small.parameters()) / sum(p.numel() for p in model.parameters())
        assert 0.2 < left < 0.62, kind


def test_groups_of_a_dense_block_and_of_a_fire_by_hand():
    model, places = network("densenet", 8), {}
    groups = {group.name: group for group in units.of(model)}
    for slots in groups["body.1.new"].members:
        places[slots.parameter] = slots.places(4).flatten().tolist()
    assert groups["body.1.new"].size == 4 and places == {
        "body.1.new.weight": [0, 1, 2, 3], "body.1.new.bias": [0, 1, 2, 3],
        "body.2.new.weight": [12, 13, 14, 15], "body.3.mix.weight": [12, 13, 14, 15]}
    fire = {group.name: group for group in units.of(network("squeezenet_late", 8))}["body.0.expand_three"]
    assert [(slots.parameter, slots.dim, slots.start) for slots in fire.members] == [
        ("body.0.expand_three.weight", 0, 0), ("body.0.expand_three.bias", 0, 0), ("body.1.squeeze.weight", 1, 4)]


def test_a_head_is_removed_whole():
    model = network("patchtst")
    small = units.cut(model, [torch.tensor([0, 3]), *(torch.arange(g.size) for g in units.of(model)[1:])])
    attention, whole = small.layers[0].attention, model.layers[0].attention
    assert attention.heads == 2 and small.layers[1].attention.heads == 4
    q, k, v = whole.qkv.weight.unflatten(0, (3, 4, 4))
    assert torch.equal(attention.qkv.weight, torch.cat([part[[0, 3]].flatten(0, 1) for part in (q, k, v)]))


def test_a_grouped_convolution_keeps_as_many_channels_in_each_group():
    model = network("shufflenet_v1", 24)
    small = units.cut(model, level(model, 0.75))
    assert [block.down.groups for block in small.body] == [2, 2, 2]
    assert small.stem.out_channels == 6 and small.body[0].down.out_channels == 6, "three a group: not cut"
    assert small.body[1].down.out_channels == 4 and small.body[1].middle.groups == 4


def test_who_fits_is_who_can_be_cut():
    assert set(models.names()) - set(FITTING) == {"dlinear", "fits", "nlinear", "profile_linear", "sparsetsf"}


# ---- files and runtimes

def made_up(kind):
    """A network that fits made-up data of two series, and these."""
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    data = prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))
    return models.build(kind, 16, data), data


@pytest.mark.parametrize("kind", FITTING)
def test_the_file_and_the_graph_are_the_pruned_network(kind, tmp_path):
    model, data = made_up(kind)
    card = modelfile.Card.of(data)
    made = pruning.compress(Task(model, data, Budget(9, 16), 0, 0.5, "lasso-only"))
    file = made.files["float32"]
    modelfile.save(tmp_path / "m", made.model, file.codecs, card, file.held)
    opened = modelfile.load(tmp_path / "m").model
    assert opened.config == made.model.config
    state = made.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in opened.state_dict().items())
    (tmp_path / "m.onnx").write_bytes(onnxruntime.export(made.model, card))
    origins = data.origins("test")
    expected = training.predict(made.model, data, origins)
    found = onnxruntime.predict(onnxruntime.open(tmp_path / "m.onnx"), data, origins)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


# ---- the choice

@pytest.mark.parametrize("kind", FITTING)
def test_every_group_keeps_what_the_level_leaves_and_at_least_one_unit(kind):
    model = network(kind, 12)
    groups = units.of(model)
    scores = pruning.scored(model, groups, "l2", Task(model, None, Budget(1), 0, 0.5, "l2"))[0]
    for share in (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        kept = pruning.evenly(scores, share)
        assert [len(stay) for stay in kept] == [max(1, round(g.size * (1 - share))) for g in groups]
        assert all(torch.equal(stay, stay.unique()) for stay in kept)


def test_norms_are_those_of_all_that_belongs_to_a_unit():
    model = network("nbeats", 32)
    state, one, two = model.state_dict(), [], []
    for unit in range(32):
        parts = torch.cat([state["blocks.0.first.weight"][unit], state["blocks.0.first.bias"][unit : unit + 1],
                           state["blocks.0.second.weight"][:, unit]])
        one.append(float(parts.abs().sum()))
        two.append(float(parts.norm()))
    groups = units.of(model)[:1]
    np.testing.assert_allclose(pruning.norms(model, groups, 1)[0], one, rtol=1e-5)
    np.testing.assert_allclose(pruning.norms(model, groups)[0], two, rtol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "resnet1d", "patchtst", "shufflenet_v2", "profile_mlp", "densenet"])
def test_the_weakest_units_go(kind):
    model = network(kind)
    groups = units.of(model)
    for at, group in enumerate(groups):
        weak = torch.arange(0, group.size, 4)
        shrunk = pruning.units.clone(model)
        for slots in group.members:
            rows = shrunk.get_parameter(slots.parameter).detach().movedim(slots.dim, 0)
            rows[slots.places(group.size)[weak].flatten()] *= 1e-3
        for variant in ("l1", "l2"):
            kept = level(shrunk, len(weak) / group.size, variant=variant)[at]
            assert not torch.isin(weak, kept).any(), group.name


def test_taylor_is_what_leaving_a_weight_out_does_to_the_loss_to_first_order():
    """Of an output bias, all windows in one batch: the slope of the loss by differences, times the bias."""
    model, data = made_up("nbeats")
    budget = Budget(9, 10**6, loss="mse")
    values, took = pruning.effects(model, Task(model, data, budget, 0, 0.5, "taylor"))
    series, origins = pruning.pairs(data, "train", None, None)
    windows = pruning.Windows(data)
    assert took.macs == 3 * len(series) * cost.profile(model).macs
    name = "blocks.0.forecast.bias"
    bias, step = model.get_parameter(name).detach(), 1e-3

    def loss():
        with torch.no_grad():
            out = model(*windows.inputs(series, origins, model.reads)) - windows.targets(series, origins)[0]
        return float(out.double().square().mean())

    for at in range(3):
        before = float(bias[at])
        bias[at] = before + step
        up = loss()
        bias[at] = before - step
        slope = (up - loss()) / (2 * step)
        bias[at] = before
        assert float(values[name][at]) == pytest.approx(abs(before * slope), rel=2e-2, abs=1e-7)


def test_one_threshold_for_all_takes_from_groups_that_can_spare():
    scores = [torch.tensor([1.0, 2, 3, 2]), torch.tensor([100.0, 1, 1, 1, 1, 1]), torch.tensor([5.0])]
    kept = pruning.together(scores, 5 / 11)
    assert [stay.tolist() for stay in kept] == [[0, 1, 2, 3], [0], [0]]
    assert [len(stay) for stay in pruning.together(scores, 0.99)] == [1, 1, 1]
    assert pruning.together(scores, 0.0)[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["gru", "tcn", "squeezenet_early"])
def test_a_random_choice_is_seeded_and_another_one(kind):
    model = network(kind)
    first, again, other, best = (torch.cat(level(model, 0.5, seed, variant)) for seed, variant in
                                 ((0, "random"), (0, "random"), (1, "random"), (0, "l2")))
    assert torch.equal(first, again) and not torch.equal(first, other) and not torch.equal(first, best)


# ---- as a technique

@pytest.mark.parametrize("variant", pruning.VARIANTS)
@pytest.mark.parametrize("kind", ["lstm", "resnet1d", "shufflenet_v1"])
def test_every_variant_is_counted_and_leaves_the_original_alone(kind, variant):
    model, data = made_up(kind)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    budget = Budget(steps=60, batch=16, retrain_steps=6)
    made, by_chance = (pruning.compress(Task(model, data, budget, 0, 0.5, variant, control=control))
                       for control in ("", "random"))
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())
    assert made.story.units.tolist() == [group.size for group in units.of(model)]
    kept, total = made.story.kept.sum(), made.story.units.sum()
    assert abs(kept - total / 2) <= len(made.story) / 2 and by_chance.story.kept.sum() == kept
    retraining = 0 if variant == "lasso-only" else 3 * 6 * 16 * cost.profile(made.model).macs
    looking = made.spent.macs - retraining
    if variant.startswith(("l1", "l2")):
        assert looking == 0
    elif variant.startswith("taylor"):
        windows = min(pruning.BATCHES * 16, len(pruning.pairs(data, "train", None, None)[0]))
        assert looking == 3 * windows * cost.profile(model).macs
    else:
        assert looking > 0
    assert list(made.files) == list(pruning.STORAGES) and made.masks == {} and made.parents == ("start",)
    parameters = [torch.cat([p.flatten() for p in m.model.parameters()]) for m in (made, by_chance)]
    assert len(parameters[0]) != len(parameters[1]) or not torch.equal(*parameters)


def test_the_sweep_cuts_one_group_at_a_time():
    model = network("lstm")
    seen = []

    def error(one):
        seen.append((one.config.hidden, one.config.head))
        return 1.0 + (one.config.hidden < 16)

    found = pruning.sweep(model, error, (0.25, 0.5))
    assert seen == [(16, 16), (12, 16), (8, 16), (16, 12), (16, 8)]
    assert found.layer.tolist() == ["hidden", "hidden", "head", "head"] and found.added.tolist() == [1, 1, 0, 0]
