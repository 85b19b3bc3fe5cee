"""Hidden units of a network, group by group, and their removal: what is left is an ordinary, narrower network.

A family names its groups (`units()`), or is a residual network, where torch-pruning's dependency graph finds them (Fang
et al., CVPR 2023). It cannot follow an LSTM, a shuffle, or what a network computes and does not read.
"""

from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import nn
from torch_pruning import DependencyGraph

from litecast import models
from litecast.compress import clone
from litecast.models import base


def of(model) -> list[base.Units]:
    """The groups, in the order of a forward pass: by the first parameter that is theirs."""
    order = list(model.state_dict())
    return sorted(model.units() or traced(model), key=lambda group: order.index(group.members[0].parameter))


def belong(model, group: base.Units, values: dict[str, torch.Tensor]) -> torch.Tensor:
    """Sum over everything that belongs to each unit, (size,); values: of each parameter, of its shape."""
    total = torch.zeros(group.size)
    for slots in group.members:
        places = slots.places(group.size)
        rows = values[slots.parameter].movedim(slots.dim, 0)[places.flatten()]
        total += rows.reshape(group.size, -1).sum(1)
    return total


def cut(model, kept: Sequence[torch.Tensor]):
    """The network with these units of each group alone, indices rising; the original stays as it is.

    Exact: what is left computes as if nothing read the others. Layers, config and so the file are narrower.
    """
    state, config, stay = dict(model.state_dict()), asdict(model.config), {}
    config["left"] = dict(config["left"])
    for group, units in zip(of(model), kept, strict=True):
        gone = torch.ones(group.size, dtype=torch.bool).index_fill(0, units, False)
        for slots in group.members:
            key = slots.parameter, slots.dim
            stay.setdefault(key, torch.ones(state[key[0]].shape[key[1]], dtype=torch.bool))
            stay[key][slots.places(group.size)[gone].flatten()] = False
        config = _with(config, group.field, len(units))
    for (name, dim), mask in stay.items():
        state[name] = state[name].index_select(dim, mask.nonzero().flatten())
    config["left"] = tuple(config["left"].items())
    small = models.rebuild(models.describe(model) | {"config": config})
    small.load_state_dict(state)
    return small.eval()


def _with(value, field: tuple, size: int):
    """The nested config with one width replaced."""
    if not field:
        return size
    if isinstance(value, dict):
        return value | {field[0]: _with(value.get(field[0]), field[1:], size)}
    return tuple(_with(v, field[1:], size) if i == field[0] else v for i, v in enumerate(value))


def traced(model) -> list[base.Units]:
    """The groups of a network whose layers are convolutions, linear maps and a head, by torch-pruning's graph."""
    probe = clone(model)
    probe.head = _SplitHead(model.head, model.config.known)
    names = {layer: name.replace("head.history", "head.hidden") for name, layer in probe.named_modules()}
    kinds, order, found = (nn.Conv1d, nn.Linear), list(model.state_dict()), []
    graph = DependencyGraph().build_dependency(probe, base.example(model.config, 2))
    for tied in graph.get_all_groups([probe.head.out], kinds):
        size, members = len(tied[0].idxs), {}
        for dependency, places in tied:
            layer, each = names.get(dependency.target.module), len(places) // size
            if isinstance(dependency.target.module, kinds) and layer != "head.calendar":
                rows = graph.is_out_channel_pruning_fn(dependency.handler)
                members |= dict.fromkeys((base.made if rows else base.read)(layer, each=each))
        members = sorted(members, key=lambda slots: (slots.dim, order.index(slots.parameter)))  # whose units first
        first = members[0].parameter.removesuffix(".weight")
        found.append(base.Units(model.field(first), size, tuple(members)))
    return found


class _SplitHead(nn.Module):
    """A head whose hidden layer is the sum of two, of the history and of the calendar.

    torch-pruning loses count of the columns where flattened channels are joined with other inputs; it follows a sum.
    """

    def __init__(self, head, known: int):
        super().__init__()
        features = head.hidden.in_features - known
        self.history = nn.Linear(features, head.hidden.out_features)
        self.calendar = nn.Linear(known, head.hidden.out_features, bias=False) if known else None
        self.out = clone(head.out)

    def forward(self, features: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        hidden = self.history(features)
        return self.out(torch.relu(hidden if self.calendar is None else hidden + self.calendar(known)))
