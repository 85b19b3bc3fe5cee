"""NetAdapt's path by hand: targets, the smallest cut of each knob, what is taken, and where it ends."""

from math import prod

import numpy as np
import pytest

from litecast.search import Goal, Knob, Purse, Space, Trail, run, steps

SPACE = Space((Knob("a", (1, 2, 3, 4, 5)), Knob("b", (1, 2, 3, 4))))
HARM = {"a": 1.0, "b": 10.0}  # what a value of each knob is worth


def cost(point) -> float:
    return prod(SPACE.read(point).values()) / 20


def price(values: dict) -> dict:
    harm = sum(HARM[name] * (5 - value) for name, value in values.items())
    return {"error": harm, "cost": prod(values.values()) / 20}


def walked(limit: float, evaluations: int = 99, draw=None, trail: Trail | None = None) -> tuple[steps.Path, Trail]:
    path = steps.Path(SPACE, cost, Goal(limit, start=1.0), draw)
    return path, run(path.propose(), trail or Trail(SPACE, price, Purse(evaluations)))


def test_each_knob_offers_the_smallest_cut_that_reaches_the_target():
    def offered(target: float, now=SPACE.largest) -> list:
        return steps.cuts(SPACE, cost, now, target)

    assert offered(0.8) == [(3, 3), (4, 2)] and offered(0.79) == [(2, 3), (4, 2)]
    assert offered(0.2) == [(0, 3)], "b alone leaves a quarter"
    assert offered(0.1) == [(0, 3), (4, 0)], "where none reaches it, whatever each can save"
    assert offered(0.0, (0, 0)) == [] and [one.point for one in walked(1.0)[1].paid] == [SPACE.largest]


def test_the_cut_that_harms_least_for_what_it_saves_is_taken_until_the_limit():
    path, trail = walked(0.4)
    # target .9: a -> 4 (.8, harm 1) before b -> 3 (.75, harm 10); .705: a -> 3 (.6); .51475: a -> 2 (.4)
    assert [one.point for one in path.taken] == [(4, 3), (3, 3), (2, 3), (1, 3)]
    assert [one.point for one in trail.paid] == [(4, 3), (3, 3), (4, 2), (2, 3), (3, 2), (1, 3), (2, 2)]
    assert path.parent[2, 2] == (2, 3) and set(path.parent) == {one.point for one in trail.paid[1:]}
    assert path.now.cost <= 0.4 < path.taken[-2].cost


def test_targets_do_not_depend_on_the_limit_but_for_the_last():
    ways = [[one.point for one in walked(limit)[0].taken] for limit in (0.75, 0.5, 0.1)]
    for short, long in zip(ways, ways[1:], strict=False):
        assert short[:-1] == long[: len(short) - 1]


def test_chance_tries_one_cut_a_step_and_the_draw_decides():
    ways = [walked(0.3, draw=np.random.default_rng(seed)) for seed in range(6)]
    assert all(len(path.taken) == len(trail.paid) and path.now.cost <= 0.3 for path, trail in ways)
    assert len({tuple(one.point for one in path.taken) for path, _ in ways}) > 1


def test_it_ends_where_nothing_can_be_cut_and_where_the_purse_is_empty():
    assert walked(0.0)[0].now.point == (0, 0)
    path, trail = walked(0.0, evaluations=4)
    assert len(trail.paid) == 4 and len(path.taken) == 2


def test_a_killed_path_goes_on_and_ends_as_if_it_never_was(tmp_path):
    calls = []

    def dying(values):
        calls.append(values)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return price(values)

    with pytest.raises(KeyboardInterrupt):
        walked(0.2, trail=Trail(SPACE, dying, Purse(99), tmp_path / "trail.csv"))
    going_on = Trail(SPACE, lambda values: calls.append(values) or price(values), Purse(99), tmp_path / "trail.csv")
    again, _ = walked(0.2, trail=going_on)
    whole, other = walked(0.2)
    assert [o.point for o in again.taken] == [o.point for o in whole.taken] and again.parent == whole.parent
    assert len(calls) == len(other.paid) + 1
