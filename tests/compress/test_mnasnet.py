"""Networks searched for: the budget is kept, the winner is made afresh, and everything is paid for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import modelfile, models, training
from litecast.compress import Task, mnasnet, storages, trial, units
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import LitecastError
from litecast.experiment.look import Look
from litecast.models import base, blocks
from litecast.training import Budget, cost

BUDGET, KNOBS = Budget(steps=8, batch=16, lr=5e-3), mnasnet.SPACE.space.knobs


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (500, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """As many networks as a longer training would have."""
    monkeypatch.setattr(mnasnet, "STEPS", 1)
    monkeypatch.setattr(mnasnet, "DRAWN", 4)


def task(data, level=4, **more):
    start = models.build("profile_mlp", 8, data)
    return Task(start, data, BUDGET, 0, level, **{"variant": "absolute", "look": Look(data)} | more)


def test_the_file_keeps_its_budget_and_is_the_best_that_did(data):
    made = mnasnet.compress(task(data, 3))
    assert Look(data).bytes(made.model, made.files["int8"]) <= 3000
    told = made.story[~made.story.repeated.astype(bool)]
    assert told.cost.iloc[0] == told.cost.min() and not told.duplicated([knob.name for knob in KNOBS]).any()
    chosen = told[told.chosen]
    assert len(chosen) == 1 and chosen.error.item() == told.error[told.cost <= 3000].min()


def test_the_winner_is_trained_whole_from_weights_that_no_search_saw(data, monkeypatch):
    budgets, fit = [], training.fit

    def counted(model, windows, budget, seed, *rules):
        budgets.append((budget.steps, seed))
        return fit(model, windows, budget, seed, *rules)

    monkeypatch.setattr(training, "fit", counted)
    made = mnasnet.compress(replace(task(data), seed=3))
    assert budgets[-1] == (BUDGET.steps, trial.SEARCHED_SEED + 3)
    assert set(budgets[:-1]) == {(2, 3)} and len(budgets) - 1 == (~made.story.repeated.astype(bool)).sum()


def test_everything_is_paid_for(data):
    asked = task(data)
    made = mnasnet.compress(asked)
    last = 3 * BUDGET.steps * BUDGET.batch * cost.profile(made.model).macs
    paid = made.story[~made.story.repeated.astype(bool)]
    assert made.spent.macs + asked.look.spent.macs == paid.macs.sum() + last
    assert made.spent.steps == paid.steps.sum() + BUDGET.steps


def test_chance_has_the_same_purse_and_proposes_something_else(data):
    asked = task(data)
    purse, made = mnasnet.purse(asked), {}
    for control in ("", "random"):
        made[control] = mnasnet.compress(replace(task(data), control=control)).story
        paid = made[control][~made[control].repeated.astype(bool)]
        assert paid.macs.iloc[:-1].sum() < purse.macs and len(paid) <= purse.evaluations
    assert not made[""][["family", "hidden"]].equals(made["random"][["family", "hidden"]])


def test_a_killed_search_ends_as_if_it_never_was(data, tmp_path, monkeypatch):
    whole = mnasnet.compress(task(data, trail=tmp_path / "whole.csv"))
    fresh, calls = trial.fresh, []

    def dying(*asked):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(asked)
        return fresh(*asked)

    monkeypatch.setattr(trial, "fresh", dying)
    with pytest.raises(KeyboardInterrupt):
        mnasnet.compress(task(data, trail=tmp_path / "killed.csv"))
    monkeypatch.setattr(trial, "fresh", fresh)
    again = mnasnet.compress(task(data, trail=tmp_path / "killed.csv"))
    plain = [column for column in whole.story if column not in ("seconds", "train_s", "peak_mb")]
    pd.testing.assert_frame_equal(again.story[plain], whole.story[plain])
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))


def test_an_impossible_budget_says_what_would_be_possible(data, monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *_: training.Fit(None, training.Spent(), 0))
    with pytest.raises(LitecastError, match=r"smallest network of the space takes 0\.\d kB, and 0.1 kB were asked for"):
        mnasnet.compress(task(data, 0.1))


# ---- the family that blocks are put together in


def built(*described, trunk=6, head=5, **left):
    config = blocks.Config(L=48, H=6, F=5, trunk=trunk, blocks=described, head=head, left=tuple(left.items()))
    torch.manual_seed(0)
    model = blocks.Model(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_macs_of_blocks_by_hand():
    positions, known = 48 // 3, 5 * 6
    head = (6 * positions + known) * 5 + 5 * 6
    sizes = {"plain": 2 * 3 * 6 * 9, "separable": 3 * 6 + 6 * 9 + 3 * 9 + 9 * 6, "bottleneck": 6 * 9 + 3 * 9 + 9 * 6}
    for operation, macs in sizes.items():
        model = built((operation, 3, 9, True))
        assert cost.profile(model).macs == 6 * 3 * positions + macs * positions + head
    assert cost.profile(built()).macs == 6 * 3 * positions + head


@pytest.mark.parametrize("operation", blocks.OPERATIONS)
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_a_fresh_block_with_a_skip_is_nothing_but_the_skip(operation, kernel):
    block, h = blocks.Block(4, 4, operation, kernel, 6, True), torch.rand(2, 4, 9)
    assert torch.equal(block(h), h)
    assert blocks.Block(4, 7, operation, kernel, 6, False)(h).shape == (2, 7, 9)


def test_an_unknown_block_is_refused():
    with pytest.raises(ValueError, match="one of separable, bottleneck, plain, not 'pool'"):
        built(("pool", 3, 6, True))


@torch.no_grad()
def test_any_mixture_can_be_cut_and_kept(tmp_path, data):
    model = built(("plain", 3, 8, False), ("separable", 5, 6, True), ("bottleneck", 7, 9, False))
    groups = units.of(model)
    kept = [torch.arange(max(1, group.size - 1)) for group in groups]
    for group, some in zip(groups, kept, strict=True):  # what is cut says nothing
        for slots in group.members:
            if slots.dim == 1:
                places = slots.places(group.size)[len(some) :].flatten()
                model.get_parameter(slots.parameter).index_fill_(1, places, 0.0)
    small, window = units.cut(model, kept), base.example(model.config, 3)
    assert cost.profile(small).macs < cost.profile(model).macs
    assert models.rebuild(models.describe(small)).config == small.config
    file = storages.export(small, "float32")
    modelfile.save(tmp_path / "net", small, file.codecs, modelfile.Card.of(data), file.held)
    assert torch.equal(modelfile.load(tmp_path / "net").model(*window), small(*window))
