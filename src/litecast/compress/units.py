"""Hidden units of a network, group by group, and their removal: what is left is an ordinary, narrower network.

Those of convolutional networks are found by torch-pruning's dependency graph (Fang et al., CVPR 2023). It cannot follow
an LSTM, heads, a shuffle, maps along the steps, or a series' number: families with these name their groups (`units()`).
"""

from collections.abc import Iterator, Sequence
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
    """The groups of a convolutional network, by torch-pruning's graph."""
    order, found = list(model.state_dict()), []
    for size, members in tied(model):
        slots = {slot for layer, dim, places in members
                 for slot in (base.read if dim else base.made)(layer, start=min(places), each=len(places) // size)}
        rising = sorted(slots, key=lambda one: (one.dim, order.index(one.parameter)))  # who computes them first
        first = rising[0].parameter.removesuffix(".weight")
        found.append(base.Units(model.field(first), size, tuple(rising)))
    return found


def tied(model) -> Iterator[tuple[int, list[tuple[str, int, list[int]]]]]:
    """What torch-pruning says must be cut together: units, and [(layer, dimension of its weight, places there)].

    For networks of convolutions and linear maps that end in a `Head`.
    """
    probe, kinds = clone(model), (nn.Conv1d, nn.Linear)
    probe.head, probe.usual = _SplitHead(model.head, model.config.known), None  # no unit reads the usual week
    names = {layer: name.replace("head.history", "head.hidden") for name, layer in probe.named_modules()}
    with torch.enable_grad():  # it follows autograd
        graph = DependencyGraph().build_dependency(probe, base.example(model.config, 2))
    for group in graph.get_all_groups([probe.head.out], kinds):
        layers = [(names.get(on.target.module), int(not graph.is_out_channel_pruning_fn(on.handler)), places)
                  for on, places in group if isinstance(on.target.module, kinds)]
        yield len(group[0].idxs), [(name, dim, places) for name, dim, places in layers if name != "head.calendar"]


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
