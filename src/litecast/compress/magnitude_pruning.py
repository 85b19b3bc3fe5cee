"""Magnitude pruning: the smallest weights become zero, the rest are trained again; stored sparse.

Han et al., "Learning both weights and connections", NeurIPS 2015; one threshold for the whole network (Blalock et al.
2020 find global thresholds the strongest simple baseline). Zeros make a smaller file, not a quicker forecast: the
arithmetic stays dense at these sizes.
"""

import torch

from litecast import training
from litecast.compress import RANDOM_CHOICE_SEED, Compressed, clone

FAMILIES = ("dlinear", "gru", "lstm", "nbeats", "patchtst", "patchtst_wide", "resnet1d", "tcn")
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)  # share of weights set to zero
VARIANTS = ("global", "layer")
STORAGES = ("float32", "int8")
CHAIN = True  # does a level start from the one before?

FLOAT32 = {"codec": "float32"}


def compress(model, level: float, variant: str, data, budget: training.Budget, seed: int) -> Compressed:
    """Cut `model` to the share `level` of zeros and retrain what is left.

    Called with the result of the level before, it is iterative pruning. variant: 'global' (one threshold), 'layer'
    (the same share of every tensor), 'random' (control).
    """
    model = clone(model)
    masks = keep(model, level, variant, seed)
    fit = training.fit(model, data, budget, seed, masks)
    density = {name: float(mask.float().mean()) for name, mask in masks.items()}
    return Compressed(model, storages(), fit, {"density": density})


def keep(model, level: float, variant: str, seed: int) -> dict[str, torch.Tensor]:
    """Parameter name -> bool mask; exactly round(level * n) weights are False over all masks ('layer': in each)."""
    weights = prunable(model)
    draw = torch.Generator().manual_seed(RANDOM_CHOICE_SEED + seed)
    scores = {n: torch.rand(w.shape, generator=draw) if variant == "random" else w.abs() for n, w in weights.items()}
    if variant == "layer":
        return {name: _largest(score.flatten(), level).reshape(score.shape) for name, score in scores.items()}
    mask = _largest(torch.cat([score.flatten() for score in scores.values()]), level)
    parts = mask.split([score.numel() for score in scores.values()])
    return {name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def prunable(model) -> dict[str, torch.Tensor]:
    """The weight matrices and kernels; biases, norms and positions are few and stay."""
    return {n: p.detach() for n, p in model.named_parameters() if p.ndim >= 2 and "position" not in n}


def storages() -> dict[str, dict]:
    """Non-zero weights by their gaps, values in float32, or in 8 bit with a scale per output channel."""
    int8 = {"codec": "sparse", "values": {"codec": "intn", "bits": 8, "axis": 0}}
    return {
        "float32": {"*norm*": FLOAT32, "*weight*": {"codec": "sparse", "values": FLOAT32}, "*": FLOAT32},
        "int8": {"*norm*": {"codec": "float16"}, "*weight*": int8, "*": {"codec": "float16"}},
    }


def _largest(score: torch.Tensor, level: float) -> torch.Tensor:
    mask = torch.ones(score.numel(), dtype=torch.bool)
    mask[score.argsort(stable=True)[: round(level * score.numel())]] = False
    return mask
