"""Channel pruning: whole hidden units are removed, so the network that is left is an ordinary, smaller one.

Units are scored by the L1 or L2 norm of all weights that belong to them (Li et al., "Pruning filters for efficient
convnets", ICLR 2017), by what their weights do to the loss, |w dL/dw| (first-order Taylor: Molchanov et al.,
"Importance estimation for neural network pruning", CVPR 2019, here weight by weight), or chosen by the layers that
read them and are refitted (`reconstruction`).
"""

from collections.abc import Callable, Sequence

import pandas as pd
import torch

from litecast import training
from litecast.compress import (
    RANDOM_CHOICE_SEED,
    Compressed,
    Task,
    calibration,
    clone,
    masking,
    reconstruction,
    storages,
    units,
)
from litecast.models.base import Units
from litecast.training import Spent, Windows, cost
from litecast.training.windows import pairs

NEEDS = ("dense",)
FITS = ("units", "convolutions")
LEVELS = (0.25, 0.5, 0.75, 0.9)
LEVEL = "share of hidden units removed"
VARIANTS = ("l2", "l1", "taylor", "lasso", "lasso-only", "l2-global", "l1-global", "taylor-global")
CONTROLS = {
    "random": "as many units removed by chance, all else the same",
    "scratch": "the same narrow network trained from fresh weights, for what the route cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = False
LOOK = 1

BATCHES = 8  # of train windows, whose gradients 'taylor' looks at


def compress(task: Task) -> Compressed:
    """Remove the share `task.level` of the units and retrain the rest; at least one of every group stays.

    variant: what units are chosen by: 'l2', 'l1', 'taylor', 'lasso'. Every group loses the same share; with '-global'
    one threshold holds for all. 'lasso' refits what reads the units before all is retrained; 'lasso-only' is not
    retrained. control 'random': another choice, all else the same.
    """
    groups = units.of(task.start)
    model, kept, took = chosen(task, groups)
    small, masks = units.cut(model, kept), _left(task, kept)
    with torch.no_grad():
        for name, mask in masks.items():  # what was refitted is whole again
            small.get_parameter(name).mul_(mask)
    if not task.variant.endswith("-only"):
        took += training.fit(small, task.data, task.budget.again(), task.seed, *masking(masks)).spent
    files = {name: storages.export(small, name, sparse=bool(masks)) for name in STORAGES}
    told = [(group.name, group.size, len(stay)) for group, stay in zip(groups, kept, strict=True)]
    return Compressed(small, files, took, masks, pd.DataFrame(told, columns=["layer", "units", "kept"]))


@torch.no_grad()
def _left(task: Task, kept: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """The masks of the steps before, of the units that are left."""
    marked = clone(task.start)
    for name, mask in task.masks.items():
        marked.get_parameter(name).copy_(mask)
    small = units.cut(marked, kept)
    return {name: small.get_parameter(name) != 0 for name in task.masks}


# ---- which units

def chosen(task: Task, groups: Sequence[Units]) -> tuple:
    """(network of full width, the units of each group that stay, what that took); refitted in 'lasso'."""
    model, criterion = task.start, task.variant.partition("-")[0]
    choice = "random" if task.control else criterion
    scores, took = ([], Spent()) if choice == "lasso" else scored(model, groups, choice, task)
    kept = (together if task.variant.endswith("-global") else evenly)(scores, task.level) if scores else []
    if criterion == "lasso":
        window = calibration.windows(task.data, model, task.seed)
        counts = [staying(group.size, task.level) for group in groups]
        model, kept, refitted = reconstruction.pruned(model, groups, counts, window, kept)
        took += refitted
    return model, kept, took


def scored(model, groups: Sequence[Units], choice: str, task: Task) -> tuple[list[torch.Tensor], Spent]:
    """Scores (size,) of each group by 'l1', 'l2', 'taylor' or 'random'; what is small goes."""
    if choice == "random":
        draw = torch.Generator().manual_seed(RANDOM_CHOICE_SEED + task.seed)
        return [torch.rand(group.size, generator=draw) for group in groups], Spent()
    if choice == "taylor":
        values, took = effects(model, task)
        return [units.belong(model, group, values) for group in groups], took
    return norms(model, groups, int(choice[1:])), Spent()


def norms(model, groups: Sequence[Units], p: int = 2) -> list[torch.Tensor]:
    """L1 or L2 norm of all weights that belong to each unit of a group: (size,)."""
    values = {name: value.abs() ** p for name, value in model.state_dict().items()}
    return [units.belong(model, group, values) ** (1 / p) for group in groups]


def effects(model, task: Task) -> tuple[dict[str, torch.Tensor], Spent]:
    """Parameter -> |w dL/dw|, the mean over some batches of the train part; L is the loss of the budget."""
    draw, batch = torch.Generator().manual_seed(task.seed), task.budget.batch
    series, origins = pairs(task.data, "train", BATCHES * batch, draw)
    windows, parts = Windows(task.data), list(zip(series.split(batch), origins.split(batch), strict=True))
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p) for name, p in weights.items()}
    for drawn in parts:
        y, seen = windows.targets(*drawn)
        gap = model(*windows.inputs(*drawn, model.reads)) - y
        size = gap.abs() if task.budget.loss == "mae" else gap.square()
        loss = size.mean() if seen is None else (size * seen).sum() / seen.sum().clamp(min=1)
        found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
        for (name, weight), gradient in zip(weights.items(), found, strict=True):
            total[name] += (weight.detach() * gradient).abs() / len(parts)
    return total, Spent(macs=training.BACKWARD * len(series) * cost.profile(model).macs)


def staying(size: int, level: float) -> int:
    """Units that stay: at least one."""
    return max(1, round(size * (1 - level)))


def evenly(scores: Sequence[torch.Tensor], level: float) -> list[torch.Tensor]:
    """The strongest units of every group, rising; each loses the same share."""
    order = (score.argsort(descending=True, stable=True) for score in scores)
    return [best[: staying(len(best), level)].sort().values for best in order]


def together(scores: Sequence[torch.Tensor], level: float) -> list[torch.Tensor]:
    """The strongest units of all, of a group at least one: scores are divided by the mean of their group, since groups
    are of different kinds and sizes (as torch-pruning's global pruning does)."""
    relative = [score / score.mean().clamp(min=1e-12) for score in scores]
    for score in relative:
        score[score.argmax()] = torch.inf
    every = torch.cat(relative)
    gone = min(round(level * len(every)), len(every) - len(scores))
    stay = torch.ones_like(every, dtype=torch.bool).index_fill(0, every.argsort(stable=True)[:gone], False)
    return [part.nonzero().flatten() for part in stay.split([len(score) for score in scores])]


# ---- which groups can spare them

def sweep(model, error: Callable, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """layer, units, level, val_wape, added (to that of `model`): a row per group and level, where it alone is cut, by
    the L2 norm, and nothing is retrained.

    error: network -> WAPE on validation (`experiment.look.Look.error`).
    """
    groups, dense, rows = units.of(model), error(model), []
    scores = norms(model, groups)
    for at, group in enumerate(groups):
        for level in levels:
            kept = [torch.arange(other.size) for other in groups]
            kept[at] = evenly(scores[at : at + 1], level)[0]
            rows.append((group.name, group.size, level, error(units.cut(model, kept))))
    found = pd.DataFrame(rows, columns=["layer", "units", "level", "val_wape"])
    return found.assign(added=found.val_wape - dense)
