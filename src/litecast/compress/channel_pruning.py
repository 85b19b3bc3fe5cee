"""Channel pruning: whole hidden units are removed, so the network that is left is an ordinary, smaller one.

Units are scored by the L2 norm of all weights that belong to them (Li et al., "Pruning filters for efficient
convnets", ICLR 2017). Convolutional nets go through torch-pruning's dependency graph (Fang et al., CVPR 2023); it
fails on an LSTM and has nothing to trace in the others, so those are sliced by the groups that the model names.
"""

from dataclasses import asdict

import pandas as pd
import torch
import torch_pruning
from torch import nn

from litecast import models, training
from litecast.compress import RANDOM_CHOICE_SEED, Compressed, Task, clone, masking, storages
from litecast.models import base

NEEDS = ("dense",)
FITS = ("units", "convolutions")
LEVELS = (0.25, 0.5, 0.75, 0.9)
LEVEL = "share of hidden units removed from every layer"
VARIANTS = ("l2",)
CONTROLS = {
    "random": "as many units removed by chance, retrained as long",
    "scratch": "the same narrow network trained from fresh weights, for what the route cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = False
LOOK = 1


def compress(task: Task) -> Compressed:
    """Remove the share `task.level` of the units of every layer and retrain the rest.

    variant 'l2'; control 'random'. PatchTST loses feed-forward units only: its heads stay.
    """
    small = cut(task.start, task.level, task.control or task.variant, task.seed)
    masks = {name: small.get_parameter(name).detach() != 0 for name in task.masks}  # of the units that are left
    fit = training.fit(small, task.data, task.budget.again(), task.seed, *masking(masks))
    before = dict(task.start.named_parameters())
    rows = {name: len(p) / len(before[name]) for name, p in small.named_parameters() if p.ndim >= 2}
    files = {name: storages.export(small, name, sparse=bool(masks)) for name in STORAGES}
    story = pd.DataFrame({"layer": list(rows), "kept": list(rows.values())})
    return Compressed(small, files, fit.spent, masks, story)


def cut(model, level: float, variant: str, seed: int):
    """The smaller network, not yet retrained; at least one unit of every layer stays."""
    torch.manual_seed(RANDOM_CHOICE_SEED + seed)
    return slice_units(model, level, variant) if model.units() else cut_convolutions(model, level, variant)


def norms(model) -> dict:
    """Layer -> L2 norm of all weights that belong to each of its units, (units,): what the criterion 'l2' ranks."""
    state = dict(model.state_dict())
    if model.units():
        return {" ".join(map(str, units.field)): _scores(state, units, "l2").numpy() for units in model.units()}
    kernels = {name: weight for name, weight in state.items() if weight.ndim == 3}
    return {name: weight.flatten(1).norm(dim=1).numpy() for name, weight in kernels.items()}


def slice_units(model, level: float, variant: str = "l2"):
    """Exact removal of the units that the model names: what is left computes as if they had been zero."""
    state, config = dict(model.state_dict()), asdict(model.config)
    for units in model.units():
        best = _scores(state, units, variant).argsort(descending=True, stable=True)
        kept = best[: _count(units.size, level)].sort().values
        for name, dim, blocks in units.members:
            state[name] = state[name].index_select(dim, _positions(kept, units.size, blocks, state[name].shape[dim]))
        config = _with(config, units.field, len(kept))
    return _rebuilt(model, config, state)


def cut_convolutions(model, level: float, variant: str = "l2"):
    """torch-pruning on a copy; the widths that remain are read back from its layers."""
    small = clone(model)
    small.head = _SplitHead(model.head, model.config.known)
    score = torch_pruning.importance
    pruner = torch_pruning.pruner.BasePruner(
        small,
        base.example(model.config, 2),
        importance=score.RandomImportance() if variant == "random" else score.GroupMagnitudeImportance(p=2),
        pruning_ratio_dict=_ratios(small, level),
        ignored_layers=[small.head.out],
    )
    pruner.step()
    state = {name: value for name, value in small.state_dict().items() if not name.startswith("head.")}
    state |= {f"head.{name}": value for name, value in small.head.joined().items()}
    widths = {
        "trunk": small.stem.out_channels,
        "inner": tuple(block.first.out_channels for block in small.blocks),
        "head": small.head.history.out_features,
    }
    return _rebuilt(model, asdict(model.config) | widths, state)


class _SplitHead(nn.Module):
    """A head whose hidden layer is the sum of two, of the history and of the calendar.

    torch-pruning loses count of the columns where flattened channels are joined with other inputs; it follows a sum.
    """

    def __init__(self, head, known: int):
        super().__init__()
        weight = head.hidden.weight.detach()
        features = weight.shape[1] - known
        self.history = nn.Linear(features, len(weight))
        self.calendar = nn.Linear(known, len(weight), bias=False) if known else None
        self.out = clone(head.out)
        self.history.load_state_dict({"weight": weight[:, :features], "bias": head.hidden.bias.detach()})
        if known:
            self.calendar.load_state_dict({"weight": weight[:, features:]})

    def forward(self, features: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        hidden = self.history(features)
        return self.out(torch.relu(hidden if self.calendar is None else hidden + self.calendar(known)))

    def joined(self) -> dict:
        """State of the ordinary head."""
        parts = [layer.weight.detach() for layer in (self.history, self.calendar) if layer is not None]
        hidden = {"hidden.weight": torch.cat(parts, 1), "hidden.bias": self.history.bias.detach()}
        return hidden | {f"out.{name}": value for name, value in self.out.state_dict().items()}


def _ratios(model, level: float) -> dict:
    """Layer -> share to remove, such that torch-pruning, which rounds down, keeps as many units as `_count` says."""
    sizes = {layer: layer.weight.shape[0] for layer in model.modules() if isinstance(layer, (nn.Conv1d, nn.Linear))}
    return {layer: 1 - (_count(size, level) + 0.5) / size for layer, size in sizes.items()}


def _scores(state: dict, units, variant: str) -> torch.Tensor:
    """L2 norm over everything that belongs to each unit: (size,)."""
    if variant == "random":
        return torch.rand(units.size)
    total = torch.zeros(units.size)
    for name, dim, blocks in units.members:
        rows = state[name].movedim(dim, 0)[: blocks * units.size]
        total += rows.reshape(blocks, units.size, -1).square().sum((0, 2))
    return total.sqrt()


def _count(size: int, level: float) -> int:
    """Units that stay: at least one."""
    return max(1, round(size * (1 - level)))


def _positions(kept: torch.Tensor, size: int, blocks: int, length: int) -> torch.Tensor:
    stacked = (torch.arange(blocks)[:, None] * size + kept).flatten()
    return torch.cat([stacked, torch.arange(blocks * size, length)])


def _with(value, field: tuple, size: int):
    """The nested config with one width replaced."""
    if not field:
        return size
    if isinstance(value, dict):
        return value | {field[0]: _with(value[field[0]], field[1:], size)}
    return tuple(_with(v, field[1:], size) if i == field[0] else v for i, v in enumerate(value))


def _rebuilt(model, config: dict, state: dict):
    small = models.rebuild({"family": models.describe(model)["family"], "config": config})
    small.load_state_dict(state)
    return small.eval()
