"""Searches replayed on a table that holds every point of a space: luck and skill told apart, for free."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from litecast.search.front import hypervolume
from litecast.search.space import Point, Space
from litecast.search.trail import Goal, Purse, Trail, Tried, run

COUNTS = (10, 20, 40)  # evaluations after which a search is looked at
REPLAYS = 30


def replays(methods: Mapping, space: Space, table: Mapping[Point, Tried], counts: Sequence[int] = COUNTS,
            seeds: Iterable[int] = range(REPLAYS)) -> pd.DataFrame:
    """A line per method, seed and count: share of the hypervolume of the whole table that its points cover; regret, how
    much more its best within the limit errs than the table's (NaN: none keeps it); how many points it had proposed and
    how many of them were different; and the multiply-accumulates these cost.

    methods: name -> `propose`. The worst point, from which volumes are measured, is that of the whole table; the limit
    is its median cost.
    """
    everything = list(table.values())
    worst = max(one.error for one in everything), max(one.cost for one in everything)
    whole, goal = hypervolume(everything, worst), Goal(float(np.median([one.cost for one in everything])))
    lines = []
    for name, propose in methods.items():
        for seed in seeds:
            trail = run(propose(space, goal, np.random.default_rng(seed)), of_table(space, table, max(counts)))
            for count in counts:
                paid = trail.paid[:count]
                lines.append({"search": name, "seed": seed, "evaluations": count, "unique": len(paid),
                              "proposals": _proposals(trail, len(paid)), "macs": sum(one.macs for one in paid),
                              "volume": hypervolume(paid, worst) / whole, "regret": _regret(goal, paid, everything)})
    return pd.DataFrame(lines)


def of_table(space: Space, table: Mapping[Point, Tried], evaluations: int) -> Trail:
    """A trail that looks its points up, and pays for no more than so many."""
    at = {tuple(space.read(point).values()): one for point, one in table.items()}

    def price(values: dict) -> dict:
        one = at[tuple(values.values())]
        return {"error": one.error, "cost": one.cost, "macs": one.macs, "seconds": one.seconds}

    return Trail(space, price, Purse(evaluations))


def _regret(goal: Goal, paid: Sequence[Tried], everything: Sequence[Tried]) -> float:
    kept = [one.error for one in paid if one.cost <= goal.limit]
    return min(kept) / goal.best(everything).error - 1 if kept else float("nan")


def _proposals(trail: Trail, unique: int) -> int:
    """How many proposals it took to see so many different points."""
    seen = np.cumsum([not one.repeated for one in trail.tried])
    return int(np.searchsorted(seen, unique) + 1) if unique else 0
