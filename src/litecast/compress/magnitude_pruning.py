"""Magnitude pruning: the smallest weights become zero, the rest are trained again; stored sparse.

Han et al., "Learning both weights and connections", NeurIPS 2015; one threshold for the whole network (Blalock et al.
2020 find global thresholds the strongest simple baseline). Zeros make a smaller file, not a quicker forecast: the
arithmetic stays dense at these sizes.
"""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd
import torch

from litecast import training
from litecast.compress import RANDOM_CHOICE_SEED, Compressed, Task, clone, matrices, storages

NEEDS = ("dense",)
FITS = ()
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)
LEVEL = "share of weights set to zero"
VARIANTS = ("global", "layer")
CONTROLS = {
    "random": "as many weights set to zero by chance, retrained as long",
    "scratch": "the same sparse network trained from fresh weights, for what the route cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = True
LOOK = 0
NOTE = "Zeros are multiplied too: its gain is in storage only."


def compress(task: Task) -> Compressed:
    """Cut the network to the share `task.level` of zeros and retrain what is left.

    Given the result of the level before, it is iterative pruning. variant: 'global' (one threshold), 'layer' (the same
    share of every tensor); control 'random'.
    """
    model = clone(task.start)
    masks = keep(model, task.level, task.control or task.variant, task.seed, task.masks)
    fit = training.fit(model, task.data, task.budget.again(), task.seed, training.Mask(masks))
    story = pd.DataFrame({"layer": list(masks), "kept": [float(mask.float().mean()) for mask in masks.values()]})
    files = {name: storages.export(model, name, sparse=True) for name in STORAGES}
    return Compressed(model, files, fit.spent, masks, story)


def keep(model, level: float, variant: str, seed: int, kept: Mapping = MappingProxyType({})) -> dict:
    """Parameter name -> bool mask; exactly round(level * n) weights are False over all masks ('layer': in each).

    kept: masks of a step before: what they leave out goes first, and all of it.
    """
    masks = _masks(model, level, variant, seed, kept)
    return {name: mask & kept[name] if name in kept else mask for name, mask in masks.items()}


def _masks(model, level: float, variant: str, seed: int, kept: Mapping) -> dict[str, torch.Tensor]:
    found = matrices.of(model)
    draw = torch.Generator().manual_seed(RANDOM_CHOICE_SEED + seed)
    scores = {n: torch.rand(w.shape, generator=draw) if variant == "random" else w.abs() for n, w in found.items()}
    scores |= {n: scores[n].masked_fill(~mask, -1.0) for n, mask in kept.items()}
    if variant == "layer":
        return {name: _largest(score.flatten(), level).reshape(score.shape) for name, score in scores.items()}
    mask = _largest(torch.cat([score.flatten() for score in scores.values()]), level)
    parts = mask.split([score.numel() for score in scores.values()])
    return {name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def _largest(score: torch.Tensor, level: float) -> torch.Tensor:
    mask = torch.ones(score.numel(), dtype=torch.bool)
    mask[score.argsort(stable=True)[: round(level * score.numel())]] = False
    return mask
