"""AMC: the budget is kept, controls propose other policies, a killed search goes on, the best is made afresh."""

import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from litecast import modelfile, models
from litecast.compress import Task, amc, policies, trial
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment.look import Look
from litecast.search import Goal, Tried
from litecast.training import Budget, cost

BUDGET = Budget(steps=32, batch=16, lr=5e-3, retrain_steps=3)  # eight walks


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


@functools.cache
def start(family, data):
    """The same network for all tests: none may change it, and its products are found once."""
    return models.build(family, 16, data)


def task(data, variant="channels", control="", family="nbeats", level=0.5, **more):
    return Task(start(family, data), data, BUDGET, 0, level, variant, control=control, look=Look(data),
                **more)  # fmt: skip


def values(model):
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def test_a_reward_is_less_the_error_and_ends_somewhere():
    one = Tried((0,), 0.06, 0.5)
    assert amc.reward(0.05, one) == pytest.approx(-1.2) and amc.reward(0.05, replace(one, error=9.0)) == -amc.WORST


@pytest.mark.parametrize("control", ["", *(name for name in amc.CONTROLS if name != "scratch")])
@pytest.mark.parametrize("variant", amc.VARIANTS)
def test_whatever_proposes_the_limit_is_kept(data, variant, control):
    asked = task(data, variant, control)
    made = amc.compress(asked)
    told, chosen = made.story, made.story[made.story.chosen].iloc[0]
    way = (policies.Channels if variant == "channels" else policies.Bits)(asked).walk(0.5)
    inside = told if control != "sensitivity" else told.tail(1)
    assert (inside.cost <= way.limit + 1e-12).all() and chosen.cost <= way.limit + 1e-12
    assert chosen.error == told[told.cost <= way.limit + 1e-12].error.min()
    if variant == "channels":
        share = cost.profile(made.model).macs / cost.profile(asked.start).macs
        assert share == pytest.approx(chosen.cost) and share <= way.limit + 1e-12
    assert len(told) == {"": 8, "random": 8, "uniform": 1, "heuristic": 1}.get(control, len(told))
    assert list(made.files) == list(amc.STORAGES)


def test_controls_propose_different_policies(data):
    found = {}
    for control in ("", "random", "uniform", "heuristic", "sensitivity"):
        told = amc.compress(task(data, control=control, family="resnet1d", level=0.75)).story
        found[control] = told[told.chosen].iloc[0]
    kept = {name: tuple(one.iloc[1:6]) for name, one in found.items()}
    assert len(set(kept.values())) >= 4 and kept["uniform"] != kept["heuristic"]


def test_everything_is_paid_for(data):
    """Walks, looks and the last retraining; the first look, at the start, is counted by whoever gave the task."""
    asked = task(data)
    made = amc.compress(asked)
    macs, windows = cost.profile(asked.start).macs, asked.look.spent.macs / (1 + (~made.story.repeated).sum())
    assert windows % macs == 0
    retraining = 3 * 3 * 16 * cost.profile(made.model).macs
    walks = made.story[~made.story.repeated].macs.sum() - windows * (~made.story.repeated).sum()
    assert made.spent.macs - walks - retraining == policies.Channels(asked).applied(
        dict(made.story[made.story.chosen].iloc[0].iloc[1:7]))[1].macs  # fmt: skip
    assert made.spent.steps == 3


@pytest.mark.parametrize("variant", amc.VARIANTS)
def test_a_killed_search_ends_as_if_it_never_was(data, tmp_path, variant):
    first, looks = task(data, variant, trail=tmp_path / "whole.csv"), []
    whole = amc.compress(first)

    class Dying(Look):
        def error(self, model):
            looks.append(1)
            if len(looks) == 6:
                raise KeyboardInterrupt
            return super().error(model)

    asked = task(data, variant, trail=tmp_path / "killed.csv")
    with pytest.raises(KeyboardInterrupt):
        amc.compress(replace(asked, look=Dying(data)))
    again = amc.compress(asked)
    plain = ["number", "error", "cost", "macs", "repeated", "chosen"]
    pd.testing.assert_frame_equal(again.story[plain], whole.story[plain])
    assert np.array_equal(values(again.model), values(whole.model))
    before = [one.spent.macs + look.spent.macs for one, look in ((whole, first.look), (again, asked.look))]
    assert before[0] == before[1], "what the killed call paid is counted once"


def test_the_best_is_retrained_from_a_draw_of_its_own(data, monkeypatch):
    seeds = []
    made = policies.Channels.made
    monkeypatch.setattr(policies.Channels, "made", lambda *call: seeds.append(call[-1]) or made(*call))
    amc.compress(task(data))
    assert seeds == [trial.SEARCHED_SEED]


def test_one_seed_one_file(data, tmp_path):
    first, again = amc.compress(task(data)), amc.compress(task(data))
    assert np.array_equal(values(first.model), values(again.model))
    for number, one in enumerate((first, again)):
        file = one.files["int8"]
        modelfile.save(tmp_path / str(number), one.model, file.codecs, modelfile.Card.of(data), file.held)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_bits_need_no_units(data):
    told = amc.compress(task(data, "bits", family="dlinear")).story
    assert set(told.iloc[:, 1:3].to_numpy().ravel()) <= set(policies.BITS)


def test_the_best_is_not_the_last(data):
    told = amc.compress(task(data, family="resnet1d")).story
    best = Goal(told.cost.max()).best([Tried((n,), one.error, one.cost) for n, one in enumerate(told.itertuples())])
    assert told[told.chosen].error.iloc[0] == best.error
