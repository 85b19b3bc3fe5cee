"""PocketFlow: recipes made of the techniques themselves, files within the limit, a killed search goes on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import modelfile, models
from litecast.compress import Task, channel_pruning, low_bit, pocketflow, rate, trial
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment.look import Look
from litecast.search import Goal, Purse, Space, Trail, chance, run
from litecast.training import Budget, cost

BUDGET = Budget(steps=12, batch=16, lr=5e-3, retrain_steps=3)
RATE = {"pruned": 0.5, "pruning_steps": 0.2, "coder": "rate", "fineness": 1, "rate": 0.5}


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def task(data, family="profile_mlp", level=16.0, **more):
    return Task(models.build(family, 8, data), data, BUDGET, 0, level, "tpe", look=Look(data), **more)


def values(model):
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def bytes_of(made, data) -> int:
    return Look(data).bytes(made.model, made.files["coded"])


# ---- recipes


def test_what_a_recipe_can_choose_follows_from_the_network_and_its_teachers(data):
    names = [knob.name for knob in pocketflow.knobs(task(data))]
    assert names == ["pruned", "pruning_steps", "coder", "fineness", "rate"]
    assert "pruned" not in [knob.name for knob in pocketflow.knobs(task(data, "dlinear"))], "it has no units"
    taught = pocketflow.knobs(task(data, teachers=(models.build("nlinear", 1, data),)))
    assert taught[-1].name == "teaching" and taught[-1].values == (0.0, 0.5)
    assert len(pocketflow.PRICES) == len(pocketflow.BITS)


def test_a_recipe_is_its_techniques_one_after_the_other(data):
    """12 steps: 2 retrain what was pruned, 10 price its bits; half the rate for both."""
    asked = task(data)
    made, slow = pocketflow.cooked(asked, RATE, 1, 3), replace(BUDGET, lr=2.5e-3)
    torch.manual_seed(3)
    first = replace(asked, seed=3, level=0.5, variant="l2", budget=replace(slow, steps=2, retrain_steps=2))
    cut = channel_pruning.compress(first)
    coded = rate.compress(replace(first, start=cut.model, level=0.04, variant="factors",
                                  budget=replace(slow, steps=10, retrain_steps=10)))  # fmt: skip
    assert np.array_equal(values(made.model), values(coded.model))
    assert made.spent.steps == 12 and made.spent.macs == cut.spent.macs + coded.spent.macs
    assert bytes_of(made, data) == Look(data).bytes(coded.model, coded.files["entropy"])


def test_few_bits_without_pruning_are_low_bit(data):
    asked = task(data)
    made = pocketflow.cooked(asked, RATE | {"pruned": 0.0, "coder": "low_bit", "rate": 1.0}, 1, 0)
    torch.manual_seed(0)
    alone = low_bit.compress(replace(asked, level=3, variant="lsq", budget=replace(BUDGET, retrain_steps=12)))
    assert np.array_equal(values(made.model), values(alone.model)) and made.spent.steps == 12


def test_teachers_speak_only_where_the_recipe_lets_them(data):
    asked = task(data, teachers=(models.build("nlinear", 1, data),))
    taught, silent = (pocketflow.cooked(asked, RATE | {"teaching": weight}, 0.5, 0) for weight in (0.5, 0.0))
    assert "teachers" in taught.parents and "teachers" not in silent.parents
    assert taught.spent.macs > silent.spent.macs
    packed = pocketflow.cooked(asked, RATE | {"teaching": 0.5, "coder": "low_bit"}, 0.5, 0)
    assert "teachers" not in packed.parents


# ---- the search


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Four evaluations."""
    monkeypatch.setattr(pocketflow, "SHORTER", 3)


@pytest.mark.parametrize("control", ["", "random"])
def test_it_ends_in_a_file_within_the_limit(data, control, tmp_path):
    asked = task(data, control=control)
    made = pocketflow.compress(asked)
    chosen = made.story[made.story.chosen].iloc[0]
    assert 4 <= len(made.story[~made.story.repeated]) <= 5 and bytes_of(made, data) <= 16_000
    within = made.story[made.story.cost <= 16_000]
    assert chosen.error == within.error.min()
    file = made.files["coded"]
    modelfile.save(tmp_path / "net", made.model, file.codecs, modelfile.Card.of(data), file.held)
    opened = modelfile.load(tmp_path / "net").model
    assert np.array_equal(values(opened), values(made.model)), "what was made is what the file holds"
    finals = round(made.spent.steps - made.story[~made.story.repeated].steps.sum()) / BUDGET.steps
    assert finals == 1


def test_a_purse_is_that_of_recipes_which_prune_nothing(data):
    """Four, of 3 steps each; of cheaper ones one more."""
    asked = task(data)
    assert pocketflow.purse(asked) == Purse(5, 4 * 3 * 3 * 16 * cost.profile(asked.start).macs)


def test_chance_proposes_something_else(data):
    found = [pocketflow.compress(task(data, control=control)).story for control in ("", "random")]
    assert not found[0][["coder", "fineness", "rate"]].equals(found[1][["coder", "fineness", "rate"]])


def searched(data, level, evaluations=4):
    asked = task(data, level=level)
    space = Space(pocketflow.knobs(asked))
    trail = Trail(space, lambda recipe: pocketflow.tried(asked, recipe), Purse(evaluations))
    return asked, space, run(chance.propose(space, Goal(1000 * level), np.random.default_rng(0)), trail)


def test_a_file_that_grew_above_the_limit_is_made_of_a_smaller_recipe(data, monkeypatch):
    """With all steps each file is half as large again as it was: the best that was two thirds of the limit is taken."""
    asked, space, trail = searched(data, 4)
    sizes = sorted(one.cost for one in trail.paid)
    limit, made = sizes[-2], []
    monkeypatch.setattr(pocketflow, "cooked", lambda task, recipe, share, seed: made.append((recipe, seed)) or real(
        task, recipe, share, seed))  # fmt: skip
    cost = {one.point: one.cost for one in trail.paid}
    monkeypatch.setattr(Look, "bytes", lambda self, model, file: 1.5 * cost[tuple(
        knob.values.index(made[-1][0][knob.name]) for knob in space.knobs)])  # fmt: skip
    point, found = pocketflow.best(asked, space, Goal(limit), trail)
    assert 1 <= len(made) <= pocketflow.FINALS and {seed for _, seed in made} == {trial.SEARCHED_SEED}
    assert found.spent.steps == len(made) * BUDGET.steps, "all that were made are paid for"
    tried = [1.5 * cost[tuple(k.values.index(recipe[k.name]) for k in space.knobs)] for recipe, _ in made]
    assert 1.5 * cost[point] == (tried[-1] if tried[-1] <= limit else min(tried))
    assert all(size > limit for size in tried[:-1])


real = pocketflow.cooked


def test_where_nothing_keeps_the_limit_it_is_the_smallest(data):
    asked, space, trail = searched(data, 0.1, 3)
    point, made = pocketflow.best(asked, space, Goal(100), trail)
    assert made.spent.steps == pocketflow.FINALS * BUDGET.steps and bytes_of(made, data) > 100


def test_a_killed_search_ends_as_if_it_never_was(data, tmp_path):
    first, looks = task(data, trail=tmp_path / "whole.csv"), []
    whole = pocketflow.compress(first)

    class Dying(Look):
        def error(self, model):
            looks.append(1)
            if len(looks) == 3:
                raise KeyboardInterrupt
            return super().error(model)

    asked = task(data, trail=tmp_path / "killed.csv")
    with pytest.raises(KeyboardInterrupt):
        pocketflow.compress(replace(asked, look=Dying(data)))
    again = pocketflow.compress(asked)
    plain = ["number", "coder", "fineness", "error", "cost", "macs", "repeated", "chosen"]
    pd.testing.assert_frame_equal(again.story[plain], whole.story[plain])
    assert np.array_equal(values(again.model), values(whole.model))
    assert again.spent.macs + asked.look.spent.macs == whole.spent.macs + first.look.spent.macs
