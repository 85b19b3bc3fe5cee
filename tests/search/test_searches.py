"""What single searches do: greedy by hand, and replays of all on a table."""

import numpy as np
import pytest

from litecast import search
from litecast.search import Goal, Knob, Space, Tried, greedy, replay

SPACE = Space((Knob("a", (1, 2, 4, 8, 16)), Knob("b", (1, 2, 4, 8)), Knob("c", (1, 3, 9))))
TABLE = {point: Tried(point, error=1 / (a * b) ** 0.5 + 0.3 / c, cost=a * b + 2 * c, macs=1)
         for point in SPACE.points() for a, b, c in [SPACE.read(point).values()]}  # fmt: skip


def test_greedy_takes_the_notch_that_harms_least_by_what_it_saves():
    now = Tried((2,), 0.10, 100)
    dear, cheap = Tried((1,), 0.11, 90), Tried((0,), 0.12, 50)
    assert min([dear, cheap], key=lambda one: greedy.price(now, one)) is cheap
    # falling errors: the ratio of NetAdapt's code would take the smallest cut
    small, large = Tried((1,), 0.09, 99), Tried((0,), 0.099, 40)
    assert min([small, large, cheap], key=lambda one: greedy.price(now, one)) is large


def test_greedy_walks_down_from_the_largest():
    proposals, seen = greedy.propose(SPACE, Goal(), np.random.default_rng(0)), []
    point = next(proposals)
    for _ in range(4):
        seen.append(point)
        point = proposals.send(TABLE[point])
    assert seen == [(4, 3, 2), (3, 3, 2), (4, 2, 2), (4, 3, 1)]
    # a -> 8: +.0366 for ln(146/82); b -> 4 the same; c -> 3: +.0667 for ln(146/134): a goes first
    assert point == (2, 3, 2)


@pytest.mark.parametrize("name", search.names())
def test_replays_cover_more_with_more_evaluations(name):
    lines = replay.replays({name: search.module(name).propose}, SPACE, TABLE, counts=(5, 20, 60), seeds=range(2))
    by_count = lines.groupby("evaluations").volume.mean()
    assert list(lines.unique) == [5, 20, 60] * 2 or name not in ("chance", "local", "greedy")
    assert by_count.is_monotonic_increasing and (lines.proposals >= lines.unique).all()
    if name in ("chance", "local", "greedy"):
        assert by_count[60] == pytest.approx(1)


def test_greedy_beats_chance_on_a_smooth_space():
    methods = {name: search.module(name).propose for name in ("chance", "greedy")}
    volume = replay.replays(methods, SPACE, TABLE, counts=(20,), seeds=range(10)).groupby("search").volume.mean()
    assert volume.greedy > volume.chance
