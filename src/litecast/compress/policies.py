"""Policies of a trained network: which layer keeps how many of its units, or of the bits of its weights.

Each kind says what a walk through the layers has to know (`walk`), what a policy (layer -> amount) makes of the network
without training (`applied`), and what is kept of it at the end (`made`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np
import torch

from litecast import models, training
from litecast.codecs import Quantised
from litecast.compress import (
    Compressed,
    Task,
    calibration,
    channel_pruning,
    clone,
    masking,
    matrices,
    quantisers,
    reconstruction,
    storages,
    units,
)
from litecast.errors import LitecastError
from litecast.search import Knob, Space
from litecast.search.walk import Walk
from litecast.training import Spent, cost

LEAST, NOTCH = 0.2, 0.05  # of a group's units: the fewest that a policy may keep (AMC's), and steps from there
BITS = (2, 3, 4, 5, 6, 8)  # as compress/sensitivity has them
# Of the train part, to refit layers on: with an eighth of what channel pruning takes a refit costs about as much as
# the look at its error (.03 to .2 s), and moves the error by less than a hundredth of what the cut does.
WINDOWS = 128


class Channels:
    """Units of each group: those of the largest L2 norm stay, and what reads them is refitted by least squares."""

    def __init__(self, task: Task):
        self.task, self.groups = task, units.of(task.start)
        self.order = [score.argsort(descending=True, stable=True)
                      for score in channel_pruning.norms(task.start, self.groups)]
        self.space = Space(tuple(Knob(group.name, _counts(group.size)) for group in self.groups))

    def walk(self, level: float) -> Walk:
        """Cost: the share of the multiply-accumulates of one window."""
        price = products(self.task.start)
        whole = [group.size for group in self.groups]
        ones = {name: torch.ones_like(value) for name, value in self.task.start.state_dict().items()}
        sizes = [int(units.belong(self.task.start, group, ones).sum()) for group in self.groups]
        less = [price(whole) - price([*whole[:at], 1, *whole[at + 1 :]]) for at in range(len(whole))]
        told = np.column_stack([np.arange(len(whole)), whole, sizes, less])
        return _limited(self.space, lambda counts: price(counts) / price(whole), level, told, sizes)

    def applied(self, policy: Mapping[str, int]) -> tuple:
        """(Network of full width that computes what the cut one would, what the refit took)."""
        kept = self._kept(policy)
        counts = [len(stay) for stay in kept]
        model, _, took = reconstruction.pruned(self.task.start, self.groups, counts, self._window, kept)
        return model, took

    def made(self, policy: Mapping[str, int], seed: int) -> Compressed:
        """The narrower network, retrained."""
        (model, took), kept, task = self.applied(policy), self._kept(policy), self.task
        small, bare = units.cut(model, kept), units.cut(task.start, kept)
        masks = {name: bare.get_parameter(name) != 0 for name in task.masks}  # of the units that stay
        torch.manual_seed(seed)  # of dropout
        fit = training.fit(small, task.data, task.budget.again(), seed, *masking(masks))
        files = {"int8": storages.export(small, "int8", sparse=bool(masks))}
        return Compressed(small, files, took + fit.spent, masks)

    @cached_property
    def _window(self) -> tuple:
        window = calibration.windows(self.task.data, self.task.start, self.task.seed)
        return tuple(None if part is None else part[:: -(-len(part) // WINDOWS)] for part in window)

    def _kept(self, policy: Mapping[str, int]) -> list[torch.Tensor]:
        return [best[: policy[group.name]].sort().values for best, group in zip(self.order, self.groups, strict=True)]


class Bits:
    """Bits of each weight matrix: rounded to the nearest with a step per output channel, in the end trained (LSQ)."""

    def __init__(self, task: Task):
        self.task, self.weights = task, matrices.of(task.start)
        self.space = Space(tuple(Knob(name, BITS) for name in self.weights))
        self._rounded: dict[tuple[str, int], Quantised] = {}

    def walk(self, level: float) -> Walk:
        """Cost: the share of the bits of all weight matrices at eight each."""
        sizes = [weight.numel() for weight in self.weights.values()]
        whole = max(BITS) * sum(sizes)
        told = np.array([(at, len(w), w[0].numel(), w.numel(), float(w.abs().max() / w.std().clamp(min=1e-12)))
                         for at, w in enumerate(self.weights.values())])
        return _limited(self.space, lambda bits: float(np.dot(bits, sizes)) / whole, level, told, sizes)

    def applied(self, policy: Mapping[str, int]) -> tuple:
        """(Network of rounded weights, nothing was spent)."""
        model = clone(self.task.start)
        matrices.put(model, {name: self._nearest(name, bits) for name, bits in policy.items()})
        return model, Spent()

    def made(self, policy: Mapping[str, int], seed: int) -> Compressed:
        """Weights and steps trained together, packed layer by layer."""
        task, model = self.task, clone(self.task.start)
        rule = training.FakeQuantise({name: quantisers.Uniform(few, 0, learned=True) for name, few in policy.items()})
        torch.manual_seed(seed)
        fit = training.fit(model, task.data, task.budget.again(), seed, rule, *masking(task.masks))
        held = {name: q.held(model.get_parameter(name).detach()) for name, q in rule.quantisers.items()}
        codecs = {name: {"codec": "intn", "bits": few} for name, few in policy.items()}
        codecs |= {name: {"codec": "sparse", "values": codecs[name]} for name in task.masks}
        file = matrices.coded(model, held, codecs, f"int{max(policy.values())}")
        matrices.put(model, file.held)
        return Compressed(model, {"int8": file}, fit.spent, task.masks)

    def _nearest(self, name: str, bits: int) -> Quantised:
        if (name, bits) not in self._rounded:
            weight = self.weights[name]
            self._rounded[name, bits] = quantisers.rounded(weight, bits, weight[0].numel())
        return self._rounded[name, bits]


def _limited(space: Space, price: Callable, level: float, told: np.ndarray, sizes: Sequence[int]) -> Walk:
    """The walk that removes the share `level` of all cost that policies of this space can remove."""
    least, whole = (price([knob.values[at] for knob in space.knobs]) for at in (0, -1))
    return Walk(space, price, whole - level * (whole - least), told, sizes)


def _counts(size: int) -> tuple[int, ...]:
    return tuple(sorted({max(1, round(share * size)) for share in np.arange(LEAST, 1 + NOTCH / 2, NOTCH)}))


@lru_cache(maxsize=4)
def products(model) -> Callable[[Sequence[int]], float]:
    """units that each group of the network keeps -> multiply-accumulates of one window, exactly; asked thousands of
    times, so it is a polynomial of second degree in how many units are gone, found from networks that lack one or two.

    Two groups have a term in common where a weight lies between them; where that is not all of it (a network may mix
    time for each of its features), any two may. Raises LitecastError for a network that is counted otherwise still.
    """
    groups = units.of(model)
    sizes, count = np.array([group.size for group in groups]), len(groups)

    def counted(gone: np.ndarray) -> int:
        kept = [torch.arange(stay) for stay in sizes - gone]
        return cost.profile(units.cut(model, kept) if gone.any() else model).macs

    most, one = sizes - 1, np.eye(count, dtype=int)
    whole, curved = counted(0 * sizes), np.zeros((count, count))
    first = np.array([counted(unit) - whole if size > 1 else 0 for unit, size in zip(one, sizes, strict=True)])
    for i in np.flatnonzero(sizes > 2):
        curved[i, i] = counted(2 * one[i]) - whole - 2 * first[i]

    def price(kept: Sequence[int]) -> float:
        gone = sizes - np.asarray(kept)
        return float(whole + (first - curved.diagonal() / 2) @ gone + gone @ curved @ gone / 2)

    pairs = [(i, j) for i, j in combinations(range(count), 2) if min(most[i], most[j]) > 0]
    for meeting in (True, False):
        for i, j in [pair for pair in pairs if _meet(*(groups[at] for at in pair)) == meeting]:
            curved[i, j] = curved[j, i] = counted(one[i] + one[j]) - whole - first[i] - first[j]
        if price(sizes - most) == counted(most):
            return price
    raise LitecastError(f"the products of {models.describe(model)['family']} are no polynomial of second degree in its "
                        "hidden units: policies cannot keep to a limit")


def _meet(one, other) -> bool:
    """Is there a weight between two groups?"""
    return bool({slots.parameter for slots in one.members} & {slots.parameter for slots in other.members})
