"""NetAdapt: hidden units are cut step by step until a network costs what it may, each step where it costs least error.

Yang et al., "NetAdapt: Platform-aware neural network adaptation for mobile applications", ECCV 2018. In every step each
group of units offers its smallest cut that reaches the step's target; every offer inherits the weights of the network
so far, is tuned a little and judged by its file, and one is taken (`search.steps`). The cost is that of the whole
network: bytes of the file, or milliseconds in ONNX Runtime, or products; nothing is summed up from a table of layers.
All levels are stations on one path. Where milliseconds are the cost, they are measured as shares of the start's, in
turns with it; a second run may take other steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from litecast import training
from litecast.compress import (
    RANDOM_CHOICE_SEED,
    Compressed,
    Task,
    channel_pruning,
    clone,
    masking,
    storages,
    trial,
    units,
)
from litecast.search import Goal, Knob, Point, Purse, Space, Trail, run, steps
from litecast.training import Spent, cost

NEEDS = ("dense",)
FITS = ("units", "convolutions")
LEVELS = (0.25, 0.5, 0.75)
LEVEL = "share of the cost saved"
VARIANTS = ("bytes", "ms", "macs")  # the cost
CONTROLS = {
    "random": "each step by chance: one cut, tuned for as long as all that were tried in its place",
    "uniform": "channel pruning: each step cuts the same share of every group, tuned for as long",
    "scratch": "the same narrow network trained from fresh weights, for what the route cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = False
LOOK = 12

NOTCHES = 16  # cuts of a group that are told apart
SHARES = 64  # of the control that cuts all groups alike
SHORT = 0.125  # of a retraining's steps: how long a cut is tuned before it is judged
GLANCED = 500  # validation windows by which a short tuning keeps its best weights: a look at more takes longer than it
EVALUATIONS = 120  # cuts that are tried at most: nine steps save three quarters, a network has five to twelve groups
UNITS = {"bytes": "bytes", "ms": "milliseconds", "macs": "products"}


def compress(task: Task) -> Compressed:
    """Cut `task.start` until no more than 1 - `task.level` of its cost is left, and retrain what that is.

    variant: the cost. control 'random': which of a step's cuts is taken; 'uniform': all groups lose the same share.
    Where units alone cannot save so much, or the purse is empty before, the cheapest network that was found.
    """
    cuts = Cuts(task)
    goal = Goal(1 - task.level, f"share of the {UNITS[task.variant]} it starts from", start=1.0)
    draw = np.random.default_rng(RANDOM_CHOICE_SEED + task.seed) if task.control == "random" else None
    path = cuts.path = steps.Path(cuts.space, cuts.cost, goal, draw)
    evaluations = min(EVALUATIONS, 4 * task.budget.steps)  # a study of toy trainings makes a toy search
    trail = run(path.propose(), Trail(cuts.space, cuts.price, Purse(evaluations), _trail(task)))
    model, masks = cuts.network(goal.best(trail.paid).point)
    fit = training.fit(model, task.data, task.budget.again(), trial.SEARCHED_SEED + task.seed, *masking(masks))
    files = {name: storages.export(model, name, sparse=bool(masks)) for name in STORAGES}
    taken = {one.point for one in path.taken}
    story = trail.table.assign(taken=[one.point in taken for one in trail.tried])
    return Compressed(model, files, trial.spent(trail, cuts.looked) + fit.spent, masks, story)


def offers(task: Task) -> pd.DataFrame:
    """The first step, looked at: the smallest cut of each group that reaches its target, nothing tuned.

    Columns: group, units, kept, cost (share of the start's), error, start (the error before).
    """
    cuts, start, lines = Cuts(task), task.look.error(task.start), []
    whole = cuts.space.largest
    for point in steps.cuts(cuts.space, cuts.cost, whole, 1 - steps.FIRST):
        at = next(at for at, (before, now) in enumerate(zip(whole, point, strict=True)) if before != now)
        small, _ = cut(task.start, {}, cuts.strongest(task.start, point))
        lines.append((cuts.space.knobs[at].name, cuts.groups[at].size, cuts.counts(point)[at], cuts.cost(point),
                      task.look.error(small), start))
    return pd.DataFrame(lines, columns=["group", "units", "kept", "cost", "error", "start"])


def _trail(task: Task):
    """One for all levels, since a path goes through them all: what one has paid for the next finds there."""
    return task.trail and task.trail.with_name(f"{task.control or task.variant}.search.csv")


class Cuts:
    """Networks between the start and nothing. space: a knob per group, its values the units that stay; of the control
    'uniform' one knob for all. path: by which they are reached; looked: MACs of the looks at those that were priced."""

    path: steps.Path

    def __init__(self, task: Task):
        self.task, self.looked, self.groups = task, 0, units.of(task.start)
        self.uniform, self.data = task.control == "uniform", glanced(task.data)
        names = _different([group.name for group in self.groups])
        knobs = [Knob(name, _notches(group.size)) for name, group in zip(names, self.groups, strict=True)]
        self.space = Space((Knob("share", tuple(n / SHARES for n in range(1, SHARES + 1))),) if self.uniform else
                           tuple(knobs))
        self._made = {self.space.largest: (task.start, dict(task.masks))}
        self._costs, self._whole = {self.space.largest: 1.0}, self._measured(task.start)

    def counts(self, point: Point) -> list[int]:
        """Units of each group that stay."""
        values = list(self.space.read(point).values())
        return [_at_least_one(values[0] * group.size) for group in self.groups] if self.uniform else values

    def cost(self, point: Point) -> float:
        """As a share of that of the start; weights do not matter. Measured once."""
        if point not in self._costs:
            small = units.cut(self.task.start, [torch.arange(count) for count in self.counts(point)])
            self._costs[point] = self._measured(small) / self._whole
        return self._costs[point]

    def _measured(self, model) -> float:
        """Bytes, products, or the time as a share of the start's."""
        look, start = self.task.look, self.task.start
        if self.task.variant == "bytes":
            return look.bytes(model, storages.export(model, "int8"))
        if self.task.variant == "macs":
            return cost.profile(model).macs
        return 1 / look.speedup(model, start) if model is not start else 1.0

    def price(self, values: Mapping) -> dict:
        """What a trail is told of a cut: error of its int8 file, cost, products and steps; which step, which group."""
        point = tuple(knob.values.index(values[knob.name]) for knob in self.space.knobs)
        model, _, spent = self._tuned(point)
        before = self.task.look.spent.macs
        found = trial.seen(model, storages.export(model, "int8"), spent, self.task)
        self.looked += self.task.look.spent.macs - before
        told = {"step": len(self.path.taken), "saved": self._saves(point), "kB": found["cost"] / 1000}
        return found | {"cost": self.cost(point), "more": found["more"] | told}

    def network(self, point: Point) -> tuple:
        """(A point's network, its masks), made again where an earlier call has paid for it."""
        if point not in self._made:
            self._tuned(point)
        model, masks = self._made[point]
        return clone(model), masks

    def _tuned(self, point: Point) -> tuple:
        """(Network, masks, what tuning took): cut from its parent, the units of largest norms stay, tuned a little."""
        if point not in self.path.parent:
            return *self._made[point], Spent()
        parent, masks = self.network(self.path.parent[point])
        model, masks = cut(parent, masks, self.strongest(parent, point))
        as_long = len(self.groups) if self.task.control else 1
        budget = self.task.budget.again(as_long * SHORT * self.task.budget.retrain_steps)
        fit = training.fit(model, self.data, budget, self.task.seed, *masking(masks))
        self._made[point] = model, masks
        return model, masks, fit.spent

    def strongest(self, model, point: Point) -> list[torch.Tensor]:
        """Of each group of a network as many units as a point keeps: those of largest norms."""
        scores = channel_pruning.norms(model, units.of(model))
        return [score.argsort(descending=True, stable=True)[:count].sort().values
                for score, count in zip(scores, self.counts(point), strict=True)]

    def _saves(self, point: Point) -> str:
        """The group that a cut takes units from; '' of the start."""
        before = self.path.parent.get(point, point)
        return next((k.name for k, a, b in zip(self.space.knobs, before, point, strict=True) if a != b), "")


@torch.no_grad()
def cut(model, masks: Mapping[str, torch.Tensor], kept: Sequence[torch.Tensor]) -> tuple:
    """(The network with these units of each group alone, the masks of what is left of it)."""
    small, marked = units.cut(model, kept), clone(model)
    for name, mask in masks.items():
        marked.get_parameter(name).copy_(mask)
    left = units.cut(marked, kept) if masks else small
    return small, {name: left.get_parameter(name) != 0 for name in masks}


def glanced(data):
    """The same dataset with few validation windows, evenly spread: as many looks as steps must not cost more than they.
    """
    origins, part = data.origins("val"), np.zeros(len(data.y), bool)
    for first in origins[np.linspace(0, len(origins) - 1, max(1, GLANCED // data.C)).astype(int)]:
        part[first : first + data.H] = True
    return replace(data, parts=data.parts | {"val": part})


def _notches(size: int) -> tuple[int, ...]:
    """Units that a group of this size may keep, rising."""
    return tuple(sorted({_at_least_one(size * notch / NOTCHES) for notch in range(1, NOTCHES + 1)}))


def _at_least_one(size: float) -> int:
    return max(1, round(size))


def _different(names: list[str]) -> list[str]:
    """The names, each repeated one with its number."""
    return [f"{name} {names[:at].count(name) + 1}" if names.count(name) > 1 else name for at, name in enumerate(names)]
