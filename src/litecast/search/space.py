"""What a search may choose: knobs with values, and the points that they span."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from litecast.errors import StudyError

Point = tuple[int, ...]  # place of the chosen value in each knob's values


@dataclass(frozen=True)
class Knob:
    """One choice. values: from the smallest network to the largest if `ordered`, else in any order."""

    name: str
    values: tuple
    ordered: bool = True


@dataclass(frozen=True)
class Space:
    """All points of some knobs. Raises StudyError for a knob without values and for two of one name."""

    knobs: tuple[Knob, ...]

    def __post_init__(self):
        names = [knob.name for knob in self.knobs]
        wrong = [knob.name for knob in self.knobs if not knob.values or names.count(knob.name) > 1]
        if wrong or not names:
            raise StudyError(f"a search needs knobs of different names, each with values: {wrong or 'it has none'}")

    def __len__(self) -> int:
        return prod(len(knob.values) for knob in self.knobs)

    def __contains__(self, point: Point) -> bool:
        return len(point) == len(self.knobs) and all(
            0 <= at < len(knob.values) for at, knob in zip(point, self.knobs, strict=True))

    def points(self) -> Iterator[Point]:
        """Every point once; the last knob moves first."""
        return product(*(range(len(knob.values)) for knob in self.knobs))

    def read(self, point: Point) -> dict:
        """Name of each knob -> its value."""
        return {knob.name: knob.values[at] for at, knob in zip(point, self.knobs, strict=True)}

    def draw(self, draw: np.random.Generator) -> Point:
        """A point, each as likely as any other."""
        return tuple(int(draw.integers(len(knob.values))) for knob in self.knobs)

    @property
    def largest(self) -> Point:
        """The last value of every ordered knob, the first of every other."""
        return tuple(len(knob.values) - 1 if knob.ordered else 0 for knob in self.knobs)

    def notches(self, point: Point) -> list[Point]:
        """Points one notch smaller: an ordered knob one value down, or one of the others at any other value."""
        return [p for p in self.neighbours(point)
                if all(now <= was for now, was, knob in zip(p, point, self.knobs, strict=True) if knob.ordered)]

    def neighbours(self, point: Point) -> list[Point]:
        """Points that differ in one knob: by one value where it is ordered, by any where it is not."""
        found = []
        for i, (at, knob) in enumerate(zip(point, self.knobs, strict=True)):
            others = (at - 1, at + 1) if knob.ordered else range(len(knob.values))
            found += [(*point[:i], new, *point[i + 1 :]) for new in others if new != at and 0 <= new < len(knob.values)]
        return found
