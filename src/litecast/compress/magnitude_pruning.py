"""Magnitude pruning: the smallest weights become zero, the rest are trained again; stored sparse.

Han et al., "Learning both weights and connections", NeurIPS 2015; one threshold for the whole network (Blalock et al.
2020 find global thresholds the strongest simple baseline). Beside it other schedules, other scores and whole blocks,
for as many optimiser steps, and the lottery ticket as a control. What zeros are worth in arithmetic is measured
(sparse_products, bench/sparse.py).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import pandas as pd
import torch
from torch import nn

from litecast import models, training
from litecast.compress import FROM_SCRATCH_SEED, RANDOM_CHOICE_SEED, Compressed, Task, clone, matrices, storages
from litecast.errors import LitecastError
from litecast.training import Spent

NEEDS = ("dense",)
FITS = ()
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)
LEVEL = "share of weights set to zero"
VARIANTS = ("global", "layer", "block", "taylor", "one-shot", "gradual", "movement")
CONTROLS = {
    "random": "as many weights set to zero by chance, retrained as long",
    "rewound": "the same cut at once, what is left back at its first values and trained as long as dense was",
    "redrawn": "as rewound, from values drawn afresh",
    "scratch": "the same sparse network trained from fresh weights, for what the route cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = ("global", "layer", "block", "taylor")
LOOK = 0
NOTE = (
    "Zeros are multiplied too: its gain is in storage only. Sparse kernels would be quicker from about 90 % zeros on, "
    "those of whole blocks from 80 to 90 % (docs/performance.md)."
)

NONE: Mapping = MappingProxyType({})
BLOCK = 8  # rows and columns of what the variant 'block' cuts: smaller blocks run no quicker than single weights
RAMP, CUTS = 0.6, 20  # gradual: the share of the steps in which sparsity rises, and in how many cuts
SCORING = 24  # batches that first-order scores are taken from


def compress(task: Task) -> Compressed:
    """Cut the network to the share `task.level` of zeros and retrain what is left.

    Iterative, each level from the one before, retrained once: 'global' (one threshold), 'layer' (the same share of
    every tensor), 'block' (whole blocks, by their mean magnitude), 'taylor' (|weight * gradient|, Molchanov et al.,
    "Importance estimation for neural network pruning", CVPR 2019). From dense straight to the level, trained for as
    long as a chain through LEVELS: 'one-shot', 'gradual' (`Ramp`), 'movement' (`Movement`).

    Controls 'random'; 'rewound' and 'redrawn': Frankle & Carbin, "The lottery ticket hypothesis", ICLR 2019, one cut by
    magnitude. LitecastError for a network that is not dense any more: it has no first values.
    """
    model, how, budget = clone(task.start), task.control or task.variant, task.budget
    how += "-block" * (task.control == "random" and task.variant == "block")  # chance, but of the same shape
    again = budget.again(budget.retrain_steps * (1 if task.variant in CHAIN else rounds(task.level)))
    if how in RAMPS:
        rule, spent = RAMPS[how](task.level, task.masks), Spent()
    else:
        scores, spent = first_order(task) if how == "taylor" else (NONE, Spent())
        rule = training.Mask(keep(model, task.level, how, task.seed, task.masks, scores))
    if how in ("rewound", "redrawn"):
        model, again = first(task, how), budget
    spent += training.fit(model, task.data, again, task.seed, rule).spent
    story = pd.DataFrame({"layer": list(rule.masks), "kept": [float(m.float().mean()) for m in rule.masks.values()]})
    files = {name: storages.export(model, name, sparse=True) for name in STORAGES}
    return Compressed(model, files, spent, rule.masks, story)


def rounds(level: float) -> int:
    """Retrainings of a chain through LEVELS down to this one."""
    return 1 + sum(before < level for before in LEVELS)


def first(task: Task, how: str):
    """The network of `task.start` before its first step ('rewound'), or drawn anew ('redrawn')."""
    if how == "rewound" and task.route:
        raise LitecastError(f"control 'rewound': what {task.route[-1]} left has no first values to go back to; ask for "
                            "it where magnitude_pruning starts from dense")
    torch.manual_seed(task.seed + (FROM_SCRATCH_SEED if how == "redrawn" else 0))
    return models.with_week(models.rebuild(models.describe(task.start)), task.data)


# ---- which weights stay


def keep(model, level: float, variant: str, seed: int, kept: Mapping = NONE, scores: Mapping = NONE) -> dict:
    """Parameter name -> bool mask; exactly round(level * n) weights are False over all masks ('layer': in each;
    'block': fewer by less than a block).

    kept: masks of a step before: what they leave out goes first, and all of it. scores: parameter -> tensor of its
    shape, low = goes; default magnitude, or chance ('random').
    """
    masks = _masks(model, level, variant, seed, kept, scores)
    return {name: mask & kept[name] if name in kept else mask for name, mask in masks.items()}


def _masks(model, level: float, variant: str, seed: int, kept: Mapping, scores: Mapping) -> dict[str, torch.Tensor]:
    found = matrices.of(model)
    if variant.startswith("random"):
        draw = torch.Generator().manual_seed(RANDOM_CHOICE_SEED + seed)
        scores = {name: torch.rand(weight.shape, generator=draw) for name, weight in found.items()}
    scores = dict(scores) or {name: weight.abs() for name, weight in found.items()}
    if variant.endswith("block"):
        scores = {name: in_blocks(score) for name, score in scores.items()}
        masks = chosen(scores, level)  # cuts into one block, which stays whole
        least = min((float(scores[name][mask].min()) for name, mask in masks.items() if mask.any()), default=math.inf)
        return {name: score >= least for name, score in scores.items()}
    scores |= {name: scores[name].masked_fill(~mask, -math.inf) for name, mask in kept.items()}
    if variant == "layer":
        return {name: chosen({name: score}, level)[name] for name, score in scores.items()}
    return chosen(scores, level)


def chosen(scores: Mapping[str, torch.Tensor], level: float) -> dict[str, torch.Tensor]:
    """Masks that leave out the round(level * n) lowest of all scores together."""
    flat = torch.cat([score.flatten() for score in scores.values()])
    mask = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    mask[flat.argsort(stable=True)[: round(level * len(flat))]] = False
    parts = mask.split([score.numel() for score in scores.values()])
    return {name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def in_blocks(score: torch.Tensor, size: int = BLOCK) -> torch.Tensor:
    """Each score's mean over its block of size x size, outputs by all else; blocks at the edges are smaller."""
    rows = score.flatten(1)
    means = nn.functional.avg_pool2d(rows[None], size, ceil_mode=True)[0]
    spread = means.repeat_interleave(size, 0).repeat_interleave(size, 1)
    return spread[: rows.shape[0], : rows.shape[1]].reshape(score.shape)


# ---- scores of a gradient


class FirstOrder(training.Rule):
    """Sum of |weight * gradient| over the batches of a training. scores: parameter -> tensor; weights that are zero
    have -1, below those that change nothing."""

    def prepare(self, model):
        self._weights = {name: model.get_parameter(name) for name in matrices.of(model)}
        self.scores = {name: torch.zeros_like(weight) for name, weight in matrices.of(model).items()}
        self._hooks = [weight.register_hook(partial(self._note, name)) for name, weight in self._weights.items()]

    def _note(self, name: str, gradient: torch.Tensor) -> None:  # as it is, before it is clipped
        self.scores[name] += (self._weights[name].detach() * gradient).abs()

    def finish(self, model):
        for hook in self._hooks:
            hook.remove()
        self.scores = {n: score.masked_fill(self._weights[n] == 0, -1).cpu() for n, score in self.scores.items()}


def first_order(task: Task) -> tuple[dict[str, torch.Tensor], Spent]:
    """First-order scores over SCORING train batches, and what these took: a training at rate 0, of no steps."""
    rule, budget = FirstOrder(), replace(task.budget.of_steps(SCORING), lr=0.0)
    fit = training.fit(clone(task.start), task.data, budget, task.seed, rule)
    return rule.scores, replace(fit.spent, steps=0)


# ---- cut while it trains


class Ramp(training.Rule):
    """Zeros rise from none to `level` while the network trains: the cubic of Zhu & Gupta, "To prune, or not to prune",
    2017, in CUTS cuts over the share RAMP of the steps; from then on the mask stays, and only then weights are kept as
    the best. kept, masks: parameter -> bool tensor, before and after."""

    def __init__(self, level: float, kept: Mapping = NONE):
        self.level, self.kept = level, kept

    def prepare(self, model):
        self._weights = {name: model.get_parameter(name) for name in matrices.of(model)}
        self.masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in self._weights.items()}
        self.masks |= {name: mask.to(self.masks[name].device) for name, mask in self.kept.items()}
        self._first, self._cuts = self.masks, 0

    def weights(self, model):
        return {name: weight * self.masks[name] for name, weight in self._weights.items()}

    def scores(self) -> dict[str, torch.Tensor]:
        """Magnitudes; what was cut stays so."""
        return {name: (weight.detach() * self.masks[name]).abs() for name, weight in self._weights.items()}

    def after_step(self, share):
        cuts = min(CUTS, int(CUTS * share / RAMP))
        if cuts > self._cuts:
            self._cuts = cuts
            scores = {name: score.masked_fill(~self._first[name], -math.inf) for name, score in self.scores().items()}
            masks = chosen(scores, self.level * (1 - (1 - cuts / CUTS) ** 3))
            self.masks = {name: mask & self._first[name] for name, mask in masks.items()}

    def judged(self, loss):
        return loss if self._cuts == CUTS else math.inf

    @torch.no_grad()
    def finish(self, model):
        for name, weight in self._weights.items():
            weight.mul_(self.masks[name])
        self.masks = {name: mask.cpu() for name, mask in self.masks.items()}


class Movement(Ramp):
    """Those go that move towards zero: the score is the sum of -weight * gradient over the steps, also of weights that
    are out, whose values wait and may come back. Sanh et al., "Movement pruning", NeurIPS 2020; one threshold for all.
    """

    def prepare(self, model):
        super().prepare(model)
        self._moved = {name: torch.zeros_like(weight) for name, weight in matrices.of(model).items()}

    def weights(self, model):
        seen = super().weights(model)
        for name, weight in seen.items():
            if weight.requires_grad:  # not in a look
                weight.register_hook(partial(self._note, name))
        return seen

    def _note(self, name: str, gradient: torch.Tensor) -> None:
        self._moved[name] -= gradient * self._weights[name].detach()

    def scores(self):
        return self._moved


RAMPS = {"gradual": Ramp, "movement": Movement}
