"""NetAdapt: cost reached by real cuts; levels on one path; controls; killed and called again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.compress import Task, channel_pruning, netadapt, storages, trial, units
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment.look import Look
from litecast.training import Budget, cost

BUDGET = Budget(steps=12, batch=16, lr=1e-3, retrain_steps=8)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, ["a", "b"])))


def task(data, family="gru", level=0.5, variant="bytes", **more):
    return Task(models.build(family, 16, data), data, BUDGET, 0, level, variant, look=Look(data), **more)


def same(one, other) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("family", "variant"), [("lstm", "macs"), ("resnet1d", "bytes"), ("patchtst", "macs")])
def test_the_cost_is_reached_in_the_file_and_the_start_stays(data, family, variant):
    asked = task(data, family, 0.3, variant)
    before = {name: value.clone() for name, value in asked.start.state_dict().items()}
    made = netadapt.compress(asked)
    size = {"bytes": lambda model: Look(data).bytes(model, storages.export(model, "int8")),
            "macs": lambda model: cost.profile(model).macs}[variant]  # fmt: skip
    assert size(made.model) <= 0.7 * size(asked.start) * 1.001  # a description is deflated with other codes
    assert all(torch.equal(before[name], value) for name, value in asked.start.state_dict().items())
    assert set(made.files) == set(netadapt.STORAGES) and made.story.taken.sum() >= 2
    told = made.story.set_index("number")
    assert told.cost.iloc[0] == 1 and told.cost.min() <= 0.7 and not told.repeated.any()


def test_a_cut_is_the_parent_without_the_weakest_units_of_one_group(data, monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *given: training.Fit(pd.DataFrame(), training.Spent(1, 2), 0))
    asked = task(data)
    cuts = netadapt.Cuts(asked)
    cuts.path = netadapt.steps.Path(cuts.space, cuts.cost, netadapt.Goal(0.5, start=1.0))
    point = (8, *cuts.space.largest[1:])
    cuts.path.parent[point] = cuts.space.largest
    model, masks = cuts.network(point)
    [scores, *others] = channel_pruning.norms(asked.start, cuts.groups)
    kept = [scores.topk(9).indices.sort().values, *(torch.arange(len(other)) for other in others)]
    assert same(model, units.cut(asked.start, kept)) and masks == {}
    assert cuts.cost(cuts.space.largest) == 1.0 and cuts.cost(point) < 1.0


def test_the_first_step_is_offered_by_the_groups_that_reach_it(data):
    asked = task(data, "nbeats")
    offers = netadapt.offers(asked)
    assert 1 < len(offers) <= len(units.of(asked.start)) and (offers.cost <= 1 - netadapt.steps.FIRST).all()
    assert (offers.kept < offers.units).all() and offers.start.eq(Look(data).error(asked.start)).all()


def test_levels_share_one_trail_and_a_killed_search_ends_as_if_it_never_was(data, tmp_path, monkeypatch):
    first = task(data, level=0.5, trail=tmp_path / "bytes-0.5.search.csv")
    whole = netadapt.compress(first)
    assert [path.name for path in tmp_path.iterdir()] == ["bytes.search.csv"]
    fits, fit = [], training.fit

    def counted(*given):
        fits.append(given[2].steps)
        if len(fits) == 7:
            raise KeyboardInterrupt
        return fit(*given)

    monkeypatch.setattr(training, "fit", counted)
    other = tmp_path / "killed" / "bytes-0.5.search.csv"
    other.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        netadapt.compress(task(data, level=0.5, trail=other))
    monkeypatch.setattr(training, "fit", fit)
    later = task(data, level=0.5, trail=other)
    again = netadapt.compress(later)
    assert same(whole.model, again.model)
    timed = ["seconds", "train_s", "peak_mb"]
    pd.testing.assert_frame_equal(whole.story.drop(columns=timed), again.story.drop(columns=timed))
    assert again.spent.macs + later.look.spent.macs == whole.spent.macs + first.look.spent.macs, "whenever it was paid"
    assert again.spent.steps == whole.spent.steps
    less = netadapt.compress(task(data, level=0.25, trail=other))
    assert less.spent.steps < whole.spent.steps and less.story.cost.min() > whole.story.cost.min()


def test_all_that_was_tried_is_spent_and_no_test_window_is_seen(data, monkeypatch):
    origins = type(data).origins

    def without_test(self, part):
        assert part != "test"
        return origins(self, part)

    monkeypatch.setattr(type(data), "origins", without_test)
    asked = task(data)
    made = netadapt.compress(asked)
    tried = made.story
    assert made.spent.steps == len(tried) - 1 + BUDGET.retrain_steps, "a step for each cut, and the retraining"
    assert tried.macs.sum() < made.spent.macs + asked.look.spent.macs


def test_the_winner_is_retrained_from_a_draw_that_no_cut_saw(data, monkeypatch):
    seeds, fit = [], training.fit
    monkeypatch.setattr(training, "fit", lambda *given: seeds.append(given[3]) or fit(*given))
    netadapt.compress(task(data, level=0.25))
    assert set(seeds[:-1]) == {0} and seeds[-1] == trial.SEARCHED_SEED


def test_controls_are_other_choices_of_the_same_cost_and_training(data):
    made = {name: netadapt.compress(task(data, "nbeats", 0.3, control=name)) for name in ("", "random", "uniform")}
    assert all(one.story.cost.min() <= 0.7 for one in made.values())
    assert len({str(models.describe(one.model)) for one in made.values()}) == 3
    assert made["random"].story.taken.all() and (made["uniform"].story.saved[1:] == "share").all()
    steps = [one.story.steps.max() for one in made.values()]
    assert steps[1] == steps[2] == len(units.of(task(data, "nbeats").start)) * steps[0]


def test_what_was_pruned_before_stays_pruned(data):
    asked = task(data, level=0.25)
    name = next(name for name, p in asked.start.named_parameters() if p.ndim == 2)
    mask = torch.rand(asked.start.get_parameter(name).shape, generator=torch.Generator().manual_seed(0)) > 0.5
    with torch.no_grad():
        asked.start.get_parameter(name).mul_(mask)
    made = netadapt.compress(replace(asked, masks={name: mask}))
    left = made.masks[name]
    assert left.shape == made.model.get_parameter(name).shape and 0.3 < left.float().mean() < 0.7
    assert not made.model.get_parameter(name)[~left].any()


def test_milliseconds_are_measured_against_the_start(data, monkeypatch):
    seen = []

    def speedup(self, model, than):
        seen.append(than)
        return cost.profile(than).macs / cost.profile(model).macs

    monkeypatch.setattr(Look, "speedup", speedup)
    asked = task(data, level=0.3, variant="ms")
    made = netadapt.compress(asked)
    assert all(than is asked.start for than in seen) and made.story.cost.min() <= 0.7


def test_a_search_that_cannot_reach_its_level_gives_the_cheapest_that_it_found(data):
    made = netadapt.compress(task(data, "profile_mlp", 0.99))
    assert made.story.cost.min() > 0.01
    assert Look(data).bytes(made.model, storages.export(made.model, "int8")) > 0


def test_few_windows_are_glanced_at_and_all_are_of_validation(data):
    few = netadapt.glanced(data)
    assert set(few.origins("val")) <= set(data.origins("val")) and len(few.origins("val"))
    wide = replace(data, y=np.repeat(data.y, 60, 1))
    assert len(netadapt.glanced(wide).origins("val")) < len(data.origins("val")) / 2
    assert (few.parts["train"] == data.parts["train"]).all()


def test_groups_of_one_name_are_told_apart():
    assert netadapt._different(["a", "b", "a"]) == ["a 1", "b", "a 2"] and netadapt._notches(4) == (1, 2, 3, 4)
