"""Channel pruning: whole hidden units are removed, so the network that is left is an ordinary, smaller one.

Units are scored by the L2 norm of all weights that belong to them (Li et al., "Pruning filters for efficient
convnets", ICLR 2017). Convolutional nets go through torch-pruning's dependency graph (Fang et al., CVPR 2023); it
fails on an LSTM and has nothing to trace in the others, so those are sliced by the groups that the model names.
"""

from dataclasses import asdict

import torch
import torch_pruning

from litecast import models, training
from litecast.compress import Compressed, clone

FAMILIES = ("lstm", "nbeats", "patchtst", "resnet1d")
LEVELS = (0.25, 0.5, 0.75, 0.9)  # share of hidden units removed from every layer
VARIANTS = ("l2",)
STORAGES = ("float32", "int8")


def compress(model, level: float, variant: str, data, budget: training.Budget, seed: int) -> Compressed:
    """Remove the share `level` of the units of every layer of `model` and retrain the rest.

    variant: 'l2', or 'random' (control). PatchTST loses feed-forward units only: its heads stay.
    """
    small = cut(model, level, variant, seed)
    fit = training.fit(small, data, budget, seed)
    return Compressed(small, storages(), fit, log={"config": asdict(small.config)})


def cut(model, level: float, variant: str, seed: int):
    """The smaller network, not yet retrained; at least one unit of every layer stays."""
    torch.manual_seed(seed)
    return slice_units(model, level, variant) if model.units() else cut_convolutions(model, level, variant)


def slice_units(model, level: float, variant: str = "l2"):
    """Exact removal of the units that the model names: what is left computes as if they had been zero."""
    state, config = dict(model.state_dict()), asdict(model.config)
    for units in model.units():
        kept = _kept(_scores(state, units, variant), level)
        for name, dim, blocks in units.members:
            state[name] = state[name].index_select(dim, _positions(kept, units.size, blocks, state[name].shape[dim]))
        config = _with(config, units.field, len(kept))
    return _rebuilt(model, config, state)


def cut_convolutions(model, level: float, variant: str = "l2"):
    """torch-pruning on a copy; the widths that remain are read back from its layers."""
    small = clone(model)
    x = torch.zeros(2, model.config.L, 1)
    z = torch.zeros(2, model.config.L + model.config.H, model.config.F) if model.n_known else None
    score = torch_pruning.importance
    pruner = torch_pruning.pruner.BasePruner(
        small,
        (x, z),
        importance=score.RandomImportance() if variant == "random" else score.GroupMagnitudeImportance(p=2),
        pruning_ratio=level,
        ignored_layers=[small.head.out],
    )
    pruner.step()
    widths = {
        "trunk": small.stem.out_channels,
        "inner": tuple(block.first.out_channels for block in small.blocks),
        "head": small.head.hidden.out_features,
    }
    return _rebuilt(model, asdict(model.config) | widths, small.state_dict())


def storages() -> dict[str, dict]:
    from litecast import modelfile

    return {name: modelfile.storage(name) for name in STORAGES}


def _scores(state: dict, units, variant: str) -> torch.Tensor:
    """L2 norm over everything that belongs to each unit: (size,)."""
    if variant == "random":
        return torch.rand(units.size)
    total = torch.zeros(units.size)
    for name, dim, blocks in units.members:
        rows = state[name].movedim(dim, 0)[: blocks * units.size]
        total += rows.reshape(blocks, units.size, -1).square().sum((0, 2))
    return total.sqrt()


def _kept(scores: torch.Tensor, level: float) -> torch.Tensor:
    count = max(1, round(len(scores) * (1 - level)))
    return scores.argsort(descending=True, stable=True)[:count].sort().values


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
