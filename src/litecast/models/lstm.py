"""LSTM on day patches: a week of hours is seven steps, not 168."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from litecast.models import base

KIND = "deep"
CAN = ("width", "units", "recurrent")
WIDTHS = (16, 32, 64, 128)


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    hidden: int
    head: int
    above: tuple[int, ...] = ()  # units of the layers on top of the first

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(hidden=width, head=width, **shared)


class Model(base.Forecaster):
    """An LSTM layer (Hochreiter & Schmidhuber 1997) over L // patch patches, or several, then a two-layer head."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.lstm = nn.LSTM(config.patch, config.hidden, batch_first=True)
        sizes = config.hidden, *config.above
        self.above = nn.ModuleList(nn.LSTM(*size, batch_first=True) for size in pairwise(sizes))
        self.head = base.Head(sizes[-1], config.known, config.head, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        patch, steps = self.config.patch, self.config.L // self.config.patch
        patches = rows[:, -steps * patch :].reshape(-1, steps, patch)  # the oldest, incomplete patch is left out
        out, _ = self.lstm(patches)
        for layer in self.above:
            out, _ = layer(out)
        return self.head(out[:, -1], known)

    def units(self) -> list[base.Units]:
        return hidden("lstm", 4, self.config) + [self.head.units("head")]


def hidden(first: str, gates: int, config) -> list[base.Units]:
    """The states of a recurrent network; each is computed gate by gate, and read by its own layer and the next one."""
    layers = [first, *(f"above.{i}" for i in range(len(config.above)))]
    fields = [("hidden",), *(("above", i) for i in range(len(config.above)))]
    behind = [*(f"{layer}.weight_ih_l0" for layer in layers[1:]), "head.hidden.weight"]
    found = []
    for layer, reader, field, size in zip(layers, behind, fields, (config.hidden, *config.above), strict=True):
        parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        rows = [base.Slots(f"{layer}.{part}_l0", 0, gates) for part in parts]
        columns = [base.Slots(name, 1) for name in (f"{layer}.weight_hh_l0", reader)]
        found.append(base.Units(field, size, (*rows, *columns)))
    return found
