"""Spaces of networks that a search may choose from: knobs, and the network that a point of them is.

What of a network is the data's or the study's (`models.SHARED`) is that of the network that the search starts from; a
knob sets a field of the family's config, and some of those shared: which usual week it is told, which calendar.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import torch

from litecast import models
from litecast.compress import Task
from litecast.models import profile_mlp
from litecast.search import Knob, Point, Space, Tried


@dataclass(frozen=True)
class Nets:
    """A space of networks. uses: family -> the knobs that make a difference to it; () = all. Where there are several
    families the knob `family` says which."""

    space: Space
    uses: Mapping[str, tuple[str, ...]]

    def family(self, values: Mapping) -> str:
        return values.get("family", next(iter(self.uses)))

    def plain(self, point: Point) -> Point:
        """The point that stands for all that describe the same network: what its family does not use is at 0."""
        used = self.uses[self.family(self.space.read(point))]
        return tuple(at if not used or knob.name in ("family", *used) else 0
                     for at, knob in zip(point, self.space.knobs, strict=True))


# `patch` is deliberately not monotone: shorter patches cut the day that lags compare and cost more of them, longer ones
# leave fewer to compare.
PROFILE = Nets(Space((
    Knob("hidden", (4, 8, 24, 64)),
    Knob("embedded", (0, profile_mlp.EMBEDDED)),
    Knob("waves", (6, 0)),  # cosines that a day of the usual week is kept in; 0 = its steps
    Knob("calendar", (False, True)),
    Knob("trained", (False, True), ordered=False),  # does the usual week learn along?
    Knob("patch", (0.5, 1.0, 2.0)),  # of the data's natural patch
)), {"profile_mlp": ()})  # fmt: skip
SPACES = {"profile": PROFILE}


def build(nets: Nets, values: Mapping, task: Task):
    """A fresh network, its weights drawn from the task's seed, its usual week taken from train."""
    family = models.module(nets.family(values))
    shared = {name: getattr(task.start.config, name) for name in models.SHARED}
    torch.manual_seed(task.seed)
    return models.with_week(family.Model(family.Config(**shared | _fields(values, task.start.config))), task.data)


def _fields(values: Mapping, like) -> dict:
    """Fields of a config that the values of the knobs come to."""
    fields = {name: value for name, value in values.items() if name not in ("family", "calendar")}
    if "patch" in values:  # at least two fit into the window
        fields["patch"] = min(max(1, round(values["patch"] * like.patch)), like.L // 2)
    return fields | ({} if values.get("calendar", True) else {"F": 0})


def plainly(nets: Nets, proposals: Generator[Point, Tried, None]) -> Generator[Point, Tried, None]:
    """The same search, but of points that describe the same network one stands for all and is paid for once."""
    point = next(proposals)
    while True:
        found = yield nets.plain(point)
        try:
            point = proposals.send(replace(found, point=point))
        except StopIteration:
            return


def thinned(space: Space, share: float) -> Space:
    """A space of at most that share of the points: of its first knobs all values, of the others the largest alone."""
    kept, most = [], share * len(space)
    for knob, at in zip(space.knobs, space.largest, strict=True):
        whole = len(Space((*kept, knob))) <= most
        kept.append(knob if whole else Knob(knob.name, knob.values[at : at + 1], knob.ordered))
    return Space(tuple(kept))
