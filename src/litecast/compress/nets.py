"""Spaces of networks that a search may choose from: knobs, and the network that a point of them is.

What of a network is the data's or the study's (`models.SHARED`) is that of the network that the search starts from; a
knob sets a field of the family's config, and some of those shared: which usual week it is told, which calendar.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

import torch

from litecast import models
from litecast.compress import Task
from litecast.models import blocks, gru, profile_mlp  # noqa: F401 (a run is made of all families that it may build)
from litecast.search import Knob, Point, Space, Tried

FAMILY = "profile_mlp"


@dataclass(frozen=True)
class Nets:
    """A space of networks. uses: values -> the knobs that make a difference to the network, None = all. Where no knob
    says which family it is, it is FAMILY."""

    space: Space
    uses: Callable[[Mapping], set[str]] | None = None

    def plain(self, point: Point) -> Point:
        """The point that stands for all that describe the same network: what it does not use is at 0."""
        used = self.uses and self.uses(self.space.read(point))
        return tuple(at if used is None or knob.name in used else 0
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
)))  # fmt: skip

WEEK = {"family", "hidden", "table", "waves", "calendar", "trained"}  # what every family of BLOCKS uses
BLOCK = ("operation", "kernel", "inner", "skip")
COUNT = 3  # blocks at most


def _used(values: Mapping) -> set[str]:
    """Knobs of BLOCKS that make a difference to a network."""
    if values["family"] == "blocks":
        there = [i for i in range(COUNT) if values[f"operation {i}"] != "none"]
        every = {f"{name} {i}" for i in there for name in BLOCK}
        return WEEK | {"trunk", *every, *(f"operation {i}" for i in range(COUNT))}
    return WEEK | ({"embedded"} if values["family"] == "profile_mlp" else set())


# MNasNet's factorised space for series: each block is chosen by itself, and so are the family and what it is told.
BLOCKS = Nets(Space((
    Knob("family", ("profile_mlp", "gru", "blocks"), ordered=False),
    Knob("hidden", (4, 8, 16, 32)),  # units of the hidden layer, of the GRU and its head, of the head behind blocks
    Knob("table", ("shared", "own")),
    Knob("waves", (4, 8, 0)),
    Knob("calendar", (False, True)),
    Knob("trained", (False, True), ordered=False),
    Knob("embedded", (0, profile_mlp.EMBEDDED)),
    Knob("trunk", (4, 8, 16)),  # channels between blocks
    *(knob for i in range(COUNT) for knob in (
        Knob(f"operation {i}", ("none", *blocks.OPERATIONS), ordered=False),
        Knob(f"kernel {i}", (3, 5, 7)),
        Knob(f"inner {i}", (0.5, 1.0, 2.0)),  # channels inside, of those between
        Knob(f"skip {i}", (False, True), ordered=False))),
)), _used)  # fmt: skip
SPACES = {"profile": PROFILE, "blocks": BLOCKS}


def build(values: Mapping, task: Task):
    """The fresh network of a point's values, its weights drawn from the task's seed, its usual week from train."""
    name, like = values.get("family", FAMILY), task.start.config
    family, shared = models.module(name), {field: getattr(like, field) for field in models.SHARED}
    own = {"profile_mlp": _profile, "gru": _gru, "blocks": _blocks}[name](values)
    if "patch" in values:  # at least two fit into the window
        shared["patch"] = min(max(1, round(values["patch"] * like.patch)), like.L // 2)
    told = {field: values[field] for field in ("table", "waves", "trained") if field in values}
    told |= {} if values.get("calendar", True) else {"F": 0}
    torch.manual_seed(task.seed)
    return models.with_week(family.Model(family.Config(**shared | told | own)), task.data)


def _profile(values: Mapping) -> dict:
    return {"hidden": values["hidden"], "embedded": values["embedded"]}


def _gru(values: Mapping) -> dict:
    return {"hidden": values["hidden"], "head": values["hidden"]}


def _blocks(values: Mapping) -> dict:
    trunk, made = values["trunk"], []
    for i in range(COUNT):
        operation, kernel, inner, skip = (values[f"{name} {i}"] for name in BLOCK)
        if operation != "none":
            made.append((operation, kernel, round(inner * trunk), skip))
    return {"trunk": trunk, "blocks": tuple(made), "head": values["hidden"]}


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
