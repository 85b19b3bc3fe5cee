"""TPE: it keeps the sampler's promises here: seeded, quiet, within the limit, never stuck."""

import logging

import numpy as np

from litecast.search import Goal, Knob, Purse, Space, Trail, run, tpe

SPACE = Space((Knob("a", tuple(range(12))), Knob("b", tuple(range(12))), Knob("kind", ("x", "y", "z"), ordered=False)))


def price(values: dict) -> dict:
    """The dearer the better; kind 'y' is best, and only it pays."""
    a, b = values["a"], values["b"]
    return {"error": 2 - (a + b) / 22 + 0.5 * (values["kind"] != "y"), "cost": 1.0 + a + 2 * b}


def searched(limit, evaluations=60, seed=0):
    return run(tpe.propose(SPACE, Goal(limit), np.random.default_rng(seed)), Trail(SPACE, price, Purse(evaluations)))


def test_it_finds_what_is_good_within_the_limit():
    """Within 12 the best is a = 11, b = 0 of kind 'y', one of 432 points."""
    trail = searched(12.0)
    late = [SPACE.read(one.point) for one in trail.tried[30:]]
    assert SPACE.read(Goal(12.0).best(trail.paid).point) == {"a": 11, "b": 0, "kind": "y"}
    assert np.mean([values["kind"] == "y" for values in late]) > 0.5 and np.mean([v["b"] < 4 for v in late]) > 0.7


def test_without_a_limit_both_goals_count():
    costs = [one.cost for one in searched(float("inf")).paid[30:]]
    assert min(costs) < 8 and max(costs) > 25


def test_one_seed_one_search_and_nothing_is_said(capfd):
    first, again, other = (searched(12.0, 15, seed).table.drop(columns="seconds") for seed in (0, 0, 1))
    assert first.equals(again) and not first.equals(other)
    assert logging.getLogger("optuna").level >= logging.WARNING and capfd.readouterr().err == ""


def test_what_it_proposes_again_and_again_gives_way_to_what_is_new():
    small = Space((Knob("a", (1, 2, 3)), Knob("kind", ("x", "y"), ordered=False)))
    trail = run(tpe.propose(small, Goal(9.0), np.random.default_rng(0)),
                Trail(small, lambda values: {"error": 1 / values["a"], "cost": 1.0}, Purse(6)))  # fmt: skip
    assert len(trail.paid) == len(small) and len(trail.tried) <= 6 * (1 + tpe.STUBBORN)


def test_a_network_that_diverged_is_only_a_bad_one():
    def diverging(values):
        return price(values) | ({"error": float("nan")} if values["kind"] == "x" else {})

    trail = run(tpe.propose(SPACE, Goal(12.0), np.random.default_rng(0)), Trail(SPACE, diverging, Purse(30)))
    assert len(trail.paid) == 30 and np.isinf([one.error for one in trail.paid]).any()
    assert np.isfinite(Goal(12.0).best(trail.paid).error)
