"""Trails: what is paid once, when a purse is empty, and that a killed search ends where it would have ended."""

import numpy as np
import pandas as pd
import pytest

from litecast import search
from litecast.errors import RunError, StudyError
from litecast.search import Goal, Knob, Purse, Space, Trail, Tried, run
from litecast.search.front import front, hypervolume

SPACE = Space((Knob("a", (1, 2, 4, 8)), Knob("b", (1, 2, 4)), Knob("kind", ("x", "y", "z"), ordered=False)))


def price(values: dict) -> dict:
    """Larger errs less; 'y' is dearer and best."""
    size = values["a"] * values["b"]
    error = 1 / size + {"x": 0.1, "y": 0.0, "z": 0.3}[values["kind"]] + 0.01 * values["b"]
    return {"error": error, "cost": 10.0 * size + 5 * (values["kind"] == "y"), "macs": size}


def searched(name: str, trail: Trail, seed: int = 0) -> Trail:
    return run(search.module(name).propose(SPACE, Goal(100.0), np.random.default_rng(seed)), trail)


@pytest.mark.parametrize("name", search.names())
def test_a_killed_search_goes_on_and_ends_as_if_it_never_was(name, tmp_path):
    whole, calls = searched(name, Trail(SPACE, price, Purse(20), tmp_path / "whole.csv")), []

    def dying(values):
        if len(calls) == 7:
            raise KeyboardInterrupt
        calls.append(values)
        return price(values)

    with pytest.raises(KeyboardInterrupt):
        searched(name, Trail(SPACE, dying, Purse(20), tmp_path / "killed.csv"))

    def going_on(values):
        calls.append(values)
        return price(values)

    again = searched(name, Trail(SPACE, going_on, Purse(20), tmp_path / "killed.csv"))
    plain = ["a", "b", "kind", "error", "cost", "macs", "repeated"]
    pd.testing.assert_frame_equal(again.table[plain], whole.table[plain])
    assert len(calls) == len(whole.paid) == len({tuple(call.values()) for call in calls})


@pytest.mark.parametrize("name", search.names())
def test_no_search_leaves_its_purse_or_its_space_and_most_find_the_best(name):
    trail = searched(name, Trail(SPACE, price, Purse(len(SPACE))))
    assert len(trail.paid) <= len(SPACE) and all(one.point in SPACE for one in trail.tried)
    best = min((p for p in map(price, map(SPACE.read, SPACE.points())) if p["cost"] <= 100), key=lambda p: p["error"])
    if len(trail.paid) == len(SPACE):
        assert Goal(100.0).best(trail.paid).error == best["error"]


def test_products_are_counted_too():
    trail = searched("chance", Trail(SPACE, price, Purse(36, macs=40)))
    assert trail.macs >= 40 > trail.macs - trail.paid[-1].macs


def test_what_is_proposed_again_is_a_line_and_costs_nothing():
    def stubborn():
        while True:
            yield (0, 0, 0)

    calls = []
    trail = run(stubborn(), Trail(SPACE, lambda values: calls.append(values) or price(values), Purse(3)))
    assert len(calls) == 1 and len(trail.table) == 60 and trail.table.repeated.sum() == 59 and trail.macs == 1


def test_a_trail_of_another_space_is_begun_anew(tmp_path):
    path = tmp_path / "trail.csv"
    searched("chance", Trail(SPACE, price, Purse(5), path))
    other = Space((Knob("a", (1, 2)),))
    trail = Trail(other, lambda values: {"error": 1.0, "cost": 1.0}, Purse(5), path)
    assert trail.tried == []
    assert run(search.module("chance").propose(other, Goal(), np.random.default_rng()), trail).paid


def test_what_is_no_point_is_refused():
    with pytest.raises(RunError, match="no point"):
        Trail(SPACE, price, Purse(5))((9, 0, 0))
    with pytest.raises(StudyError, match="did you mean 'greedy'"):
        search.module("gredy")


def test_the_best_is_the_lowest_error_within_the_limit_else_the_cheapest():
    tried = [Tried((0,), 0.3, 5), Tried((1,), 0.2, 9), Tried((2,), 0.1, 20)]
    assert [Goal(limit).best(tried).point for limit in (4, 5, 9, 100)] == [(0,), (0,), (1,), (2,)]
    with pytest.raises(RunError, match="tried nothing"):
        Goal().best([])


def test_a_front_and_its_volume_by_hand():
    tried = [Tried((at,), *one) for at, one in enumerate([(0.5, 1), (0.3, np.e), (0.4, 3), (0.3, 9), (0.1, 100)])]
    assert [one.point for one in front(tried)] == [(0,), (1,), (4,)]
    # from 1 to e .5 below the worst error, from e to e^2 .7; what costs more than e^2 is beyond the worst
    assert hypervolume(tried, (1.0, np.e**2)) == pytest.approx(0.5 + 0.7)
    assert hypervolume(tried[:1], (0.5, 10)) == 0 == hypervolume([], (1, 1))
