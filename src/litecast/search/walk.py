"""Policies, an amount for each layer, within a limit: a walk from layer to layer that a wall keeps there, and the rules
by hand that whoever searches for one has to beat.

The wall is that of He et al., "AMC: AutoML for model compression and acceleration on mobile devices", ECCV 2018: a
layer may keep what leaves room for all later ones at their least, so every walk ends within the limit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from litecast.errors import RunError
from litecast.search import greedy
from litecast.search.space import Knob, Point, Space
from litecast.search.trail import Goal, Purse, Trail, run

TRIED = 6  # amounts of a layer that `sensitive` looks at
STEPS = 1000  # of `proportional`, from nothing removed to all


@dataclass(frozen=True)
class Walk:
    """A policy's layers. space: a knob for each, its values the amounts that it may keep, rising (units, bits).

    price: amounts (G,) -> cost of the whole network, rising in each; limit: of that cost. told (G, K): what an agent is
    told of a layer, on any scale. sizes (G,): weights of a layer. Raises RunError where the least of all is too dear.
    """

    space: Space
    price: Callable[[Sequence[float]], float]
    limit: float
    told: np.ndarray
    sizes: Sequence[int]

    def __post_init__(self):
        least = self.cost((0,) * len(self))
        if least > self.limit:
            raise RunError(f"no policy costs less than {least:g}, and the limit is {self.limit:g}: raise the limit")

    def __len__(self) -> int:
        return len(self.space.knobs)

    def cost(self, point: Point) -> float:
        return self.price([knob.values[at] for knob, at in zip(self.space.knobs, point, strict=True)])

    def least(self, begun: Point) -> Point:
        """A walk that has begun, all later layers at their least."""
        return (*begun, *(0 for _ in self.space.knobs[len(begun) :]))

    def most(self, begun: Point) -> Point:
        """A walk that has begun, all later layers whole."""
        return (*begun, *self.space.largest[len(begun) :])

    def wall(self, begun: Point) -> int:
        """The highest place that the next layer may take."""
        places = range(len(self.space.knobs[len(begun)].values))
        return max(at for at in places if self.cost(self.least((*begun, at))) <= self.limit)

    def place(self, layer: int, share: float) -> int:
        """Where a share, 0 … 1 of the way from the least amount of a layer to the whole, lies nearest."""
        values = np.array(self.space.knobs[layer].values, dtype=float)
        return int(np.abs(values - (values[0] + share * (values[-1] - values[0]))).argmin())

    def share(self, layer: int, at: int) -> float:
        """How far of that way a place is; a layer without a choice is whole."""
        values = self.space.knobs[layer].values
        return (values[at] - values[0]) / (values[-1] - values[0]) if len(values) > 1 else 1.0

    def filled(self, point: Point) -> Point:
        """The point with whatever room the limit leaves, a notch for each layer in turn."""
        before = None
        while before != point:
            before = point
            for layer, knob in enumerate(self.space.knobs):
                higher = (*point[:layer], point[layer] + 1, *point[layer + 1 :])
                if higher[layer] < len(knob.values) and self.cost(higher) <= self.limit:
                    point = higher
        return point


# ---- by hand: generators, as searches are


def uniform(walk: Walk):
    """Every layer loses the same share."""
    yield proportional(walk, np.ones(len(walk)))


def by_size(walk: Walk):
    """A layer loses a share in proportion to the logarithm of its weights: PocketFlow's heuristic (Tencent, 2018)."""
    yield proportional(walk, np.log1p(walk.sizes))


def proportional(walk: Walk, weights: np.ndarray) -> Point:
    """Layers lose shares in proportion to `weights`, as little as the limit allows; what room is left is filled."""
    for strength in np.linspace(0, 1 / weights.min(), STEPS):
        kept = 1 - np.minimum(1, strength * weights)
        point = tuple(walk.place(layer, share) for layer, share in enumerate(kept))
        if walk.cost(point) <= walk.limit:
            return walk.filled(point)
    return walk.least(())


def sensitive(walk: Walk, draw: np.random.Generator):
    """Greedy by what each layer alone adds to the error, at a few amounts: those errors are taken to add up (as
    `compress.sensitivity` does for bits)."""
    whole = yield walk.space.largest
    coarse, added = [], []
    for layer, knob in enumerate(walk.space.knobs):
        places = sorted({round(at) for at in np.linspace(0, len(knob.values) - 1, TRIED)})
        coarse.append(Knob(knob.name, tuple(places)))
        added.append({places[-1]: 0.0})
        for at in places[:-1]:
            alone = yield (*whole.point[:layer], at, *whole.point[layer + 1 :])
            added[-1][at] = max(0.0, alone.error - whole.error)

    def summed(values: dict) -> dict:
        point = tuple(values.values())
        return {"error": sum(own[at] for own, at in zip(added, point, strict=True)), "cost": walk.cost(point)}

    rough, goal = Space(tuple(coarse)), Goal(walk.limit)
    steps = sum(len(knob.values) for knob in coarse)
    guessed = run(greedy.propose(rough, goal, draw), Trail(rough, summed, Purse(steps * len(walk))))
    yield walk.filled(tuple(rough.read(goal.best(guessed.paid).point).values()))
