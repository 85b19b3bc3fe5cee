"""NetAdapt's path: a little cheaper with each step, by the one cut that costs the least error.

Yang et al., "NetAdapt: Platform-aware neural network adaptation for mobile applications", ECCV 2018. A step has a
target; every knob offers the smallest cut that reaches it, and the cheapest by `greedy.price` is taken. It has to know
what a point costs before it is tried, which bytes, products and milliseconds can say of an untrained network, and what
is inherited depends on the way: so it is no search that a table can replay. `greedy` is, notch by notch.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator

import numpy as np

from litecast.search import greedy
from litecast.search.space import Point, Space
from litecast.search.trail import Goal, Tried

FIRST = 0.1  # of what it starts from: what the first step is to save. The paper's code: 0.025, for many more steps
DECAY = 0.95  # each later step is smaller by this: all together they reach any level; the paper's code: 0.96


class Path:
    """taken: what was chosen step by step, the start first; parent: point -> the point that it was cut from.

    cost: point -> what the goal limits, in units of `goal.start`. draw: which of a step's cuts is taken is left to
    chance, and only that one is tried.
    """

    def __init__(self, space: Space, cost: Callable[[Point], float], goal: Goal,
                 draw: np.random.Generator | None = None):  # fmt: skip
        self.space, self.cost, self.goal, self.draw = space, cost, goal, draw
        self.taken: list[Tried] = []
        self.parent: dict[Point, Point] = {}

    def propose(self) -> Generator[Point, Tried, None]:
        """From the largest point down, until the limit is reached or nothing can be cut any more."""
        self.taken.append((yield self.space.largest))
        size = FIRST * self.goal.start
        while self.now.cost > self.goal.limit and (offered := self._offered(self.now.cost - size)):
            found = []
            for point in offered:
                self.parent[point] = self.now.point
                found.append((yield point))
            self.taken.append(min(found, key=lambda one: greedy.price(self.now, one)))
            size *= DECAY

    @property
    def now(self) -> Tried:
        return self.taken[-1]

    def _offered(self, target: float) -> list[Point]:
        found = cuts(self.space, self.cost, self.now.point, max(self.goal.limit, target))
        return found if self.draw is None or not found else [found[int(self.draw.integers(len(found)))]]


def cuts(space: Space, cost: Callable[[Point], float], now: Point, target: float) -> list[Point]:
    """For each knob the smallest cut that costs no more than the target; where none does, whatever each can save.

    A knob's cost is taken to fall with every notch, so that few points have to be measured.
    """
    def lowered(knob: int, notch: int) -> Point:
        return (*now[:knob], notch, *now[knob + 1 :])

    def smallest(knob: int, at: int) -> int:
        return bisect_right(range(at), target, key=lambda notch: cost(lowered(knob, notch))) - 1

    ends = {knob: smallest(knob, at) for knob, at in enumerate(now)}
    reached = [lowered(knob, notch) for knob, notch in ends.items() if notch >= 0]
    most = [lowered(knob, 0) for knob, at in enumerate(now) if at]
    return reached or [point for point in most if cost(point) < cost(now)]
