"""What a search has tried, what it cost, and when it has to stop."""

import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace
from math import inf, isnan
from pathlib import Path

import pandas as pd

from litecast.errors import RunError
from litecast.files import replacing
from litecast.search.space import Point, Space

PATIENCE = 20  # proposals for each evaluation that is paid for: samplers propose again what was seen


@dataclass(frozen=True)
class Tried:
    """What a point came to, on validation. cost: what the goal limits (bytes, milliseconds, a share of either); macs,
    seconds: spent on it, training and looks; repeated: proposed before, so it cost nothing now; more: what else is to
    be told (JSON-able)."""

    point: Point
    error: float
    cost: float
    macs: int = 0
    seconds: float = 0.0
    repeated: bool = False
    more: Mapping | None = None


@dataclass(frozen=True)
class Goal:
    """The lowest error at a cost of no more than `limit`; unit: of the cost, in words. start: cost of what the search
    starts from, for steps and rewards that are shares of it."""

    limit: float = float("inf")
    unit: str = "bytes"
    start: float = float("nan")

    def best(self, tried: list[Tried]) -> Tried:
        """The lowest error within the limit; where none is, the lowest cost. RunError if nothing was tried."""
        if not tried:
            raise RunError("the search tried nothing: its purse was empty")
        within = [one for one in tried if one.cost <= self.limit]
        return min(within, key=lambda one: one.error) if within else min(tried, key=lambda one: one.cost)


@dataclass(frozen=True)
class Purse:
    """What a search may spend: different points paid for, and multiply-accumulates of all their trainings."""

    evaluations: int
    macs: float = float("inf")


class Trail:
    """`trail(point) -> Tried`: priced once, remembered, written down at once where there is a path.

    price: point's values {knob: value} -> Tried's fields `error`, `cost`, `macs` (and `more`), as a mapping. Everything
    proposed is a line, repeated or not. A trail that is there is taken up if it was made in the same space, else begun
    anew.
    """

    def __init__(self, space: Space, price: Callable[[dict], Mapping], purse: Purse, path: Path | None = None):
        self.space, self.price, self.purse, self.path = space, price, purse, path
        self.tried: list[Tried] = []  # in the order of proposals; a search that is taken up goes through all again
        self._known: dict[Point, Tried] = self._read()

    @property
    def paid(self) -> list[Tried]:
        """Different points, in the order in which they were first tried."""
        return [one for one in self.tried if not one.repeated]

    @property
    def macs(self) -> int:
        return sum(one.macs for one in self.paid)

    def empty(self, point: Point) -> bool:
        """Is there nothing left in the purse for this point? What was tried before is free, but not for ever."""
        if len(self.tried) >= PATIENCE * self.purse.evaluations:
            return True
        fresh = point not in {one.point for one in self.tried}
        return fresh and (len(self.paid) >= self.purse.evaluations or self.macs >= self.purse.macs)

    def __call__(self, point: Point) -> Tried:
        if point not in self.space:
            raise RunError(f"a search proposed {point}, which is no point of {len(self.space)}")
        repeated = any(one.point == point for one in self.tried)
        if point not in self._known:
            began = time.perf_counter()
            found = dict(self.price(self.space.read(point)))
            found["error"] = inf if isnan(found["error"]) else found["error"]  # a network that diverged
            self._known[point] = Tried(point, **{"seconds": time.perf_counter() - began, **found})
        self.tried.append(replace(self._known[point], repeated=repeated))
        if not repeated:
            self._write()
        return self.tried[-1]

    @property
    def table(self) -> pd.DataFrame:
        """A line per proposal: number, the knobs' values, error, cost, macs, seconds, repeated, and `more`."""
        lines = [{"number": number, **self.space.read(one.point), **_flat(one)}
                 for number, one in enumerate(self.tried, 1)]
        return pd.DataFrame(lines)

    def _write(self) -> None:
        """All that is known: a killed search pays for nothing twice."""
        if self.path:
            lines = [_flat(one) | {"point": json.dumps(one.point), "more": json.dumps(one.more)}
                     for one in self._known.values()]
            with replacing(self.path) as temporary:
                pd.DataFrame(lines).assign(space=repr(self.space)).to_csv(temporary, index=False)

    def _read(self) -> dict[Point, Tried]:
        if not self.path or not self.path.exists():
            return {}
        lines = pd.read_csv(self.path, keep_default_na=False).to_dict("records")
        found = {}
        for line in lines:
            if line.pop("space") == repr(self.space):
                point = tuple(json.loads(line.pop("point")))
                kept = {name: line[name] for name in ("error", "cost", "macs", "seconds")}
                found[point] = Tried(point, **kept, more=json.loads(line["more"]))
        return found


def run(proposals: Generator[Point, Tried, None], trail: Trail) -> Trail:
    """Ask a search for points, price each and send it what it came to, until it stops or the purse is empty."""
    try:
        point = next(proposals)
        while not trail.empty(point):
            point = proposals.send(trail(point))
    except StopIteration:
        pass
    proposals.close()
    return trail


def _flat(one: Tried) -> dict:
    fields = asdict(one)
    del fields["point"], fields["more"]
    return fields | dict(one.more or {})
