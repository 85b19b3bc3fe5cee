"""Walks: the wall by hand, and rules that use what the limit leaves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast.errors import RunError
from litecast.search import Goal, Knob, Purse, Space, Trail, run, walk

SPACE = Space((Knob("a", (1, 2, 3, 4)), Knob("b", (2, 4)), Knob("c", (1, 5, 9))))


def product(amounts) -> float:
    """Layers one behind the other: 2 inputs, a, b and c units, 1 output."""
    a, b, c = amounts
    return float(2 * a + a * b + b * c + c)


def way(limit: float, sizes=(10, 100, 1000)) -> walk.Walk:
    told = np.array([[0, 4, 7], [1, 4, 7], [2, 9, 7]])
    return walk.Walk(SPACE, product, limit, told, sizes)


def test_the_wall_leaves_room_for_later_layers_at_their_least():
    # least of all: 2 + 2 + 2 + 1 = 7; a = 3, others least: 6 + 6 + 2 + 1 = 15
    assert way(15).wall(()) == 2 and way(14.9).wall(()) == 1
    # after a = 3, b = 4 and c = 1 would cost 6 + 12 + 4 + 1 = 23
    assert way(22).wall((2,)) == 0 and way(23).wall((2,)) == 1
    assert way(1000).wall((3, 1)) == 2 and way(7).wall(()) == 0


@settings(max_examples=50, deadline=None)
@given(limit=st.floats(7, 100), wishes=st.tuples(*[st.integers(0, 3)] * 3))
def test_whoever_keeps_to_the_wall_ends_within_the_limit(limit, wishes):
    here, point = way(limit), ()
    for wish in wishes:
        point += (min(wish, here.wall(point)),)
    assert here.cost(point) <= limit and point in SPACE


def test_shares_and_places_are_each_other():
    here = way(100)
    assert [here.share(0, at) for at in range(4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [here.place(2, share) for share in (0, 0.24, 0.26, 0.74, 0.76, 1)] == [0, 0, 1, 1, 2, 2]
    alone = walk.Walk(Space((Knob("x", (3,)),)), sum, 3, np.zeros((1, 1)), [1])
    assert alone.share(0, 0) == 1 and alone.place(0, 0.3) == 0


def test_a_limit_below_everything_says_what_is_possible():
    with pytest.raises(RunError, match="no policy costs less than 7, and the limit is 6"):
        way(6)


def proposed(generator) -> list:
    space, points = SPACE, []
    run(generator, Trail(space, lambda values: points.append(values) or {"error": 1.0, "cost": 1.0}, Purse(99)))
    return [tuple(values.values()) for values in points]


def test_uniform_takes_the_same_share_and_fills_what_room_is_left():
    [found] = proposed(walk.uniform(way(1000)))
    assert found == (4, 4, 9), "nothing has to go"
    # of equal shares: (3, 4, 5) costs 6 + 12 + 20 + 5 = 43, and one notch more of the first 52
    [found] = proposed(walk.uniform(way(43)))
    assert found == (3, 4, 5) and way(43).filled((2, 1, 1)) == (2, 1, 1)
    assert way(52).filled((2, 1, 1)) == (3, 1, 1)
    [found] = proposed(walk.uniform(way(7)))
    assert found == (1, 2, 1)


def test_by_size_takes_more_of_large_layers():
    """The third layer has a thousand times the weights of the first: it is at its least before the first is."""
    here = way(30, (1, 10, 1000))
    [even], [sized] = proposed(walk.uniform(here)), proposed(walk.by_size(here))
    assert sized[2] < even[2] and sized[0] > even[0]
    assert product(sized) <= 30 and product(even) <= 30


def test_sensitive_adds_up_what_each_layer_alone_does():
    """Errors that do add up: the best point within the limit is found, for a look at each place of each layer."""
    harm = {"a": {4: 0, 3: 0.5, 2: 1.0, 1: 2.0}, "b": {4: 0, 2: 0.3}, "c": {9: 0, 5: 0.01, 1: 0.02}}

    def price(values):
        return {"error": 1 + sum(harm[name][value] for name, value in values.items()),
                "cost": product(list(values.values()))}

    here = way(30)
    trail = run(walk.sensitive(here, np.random.default_rng(0)), Trail(SPACE, price, Purse(99)))
    assert len(trail.tried) == 1 + 3 + 1 + 2 + 1, "whole, every other place alone, and what was found"
    inside = [price(SPACE.read(p))["error"] for p in SPACE.points() if here.cost(p) <= 30]
    assert Goal(30).best(trail.paid).point == trail.tried[-1].point and trail.tried[-1].error == min(inside)
