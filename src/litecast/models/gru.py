"""GRU on day patches: the LSTM's lighter sister, three gates instead of four."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from litecast.models import base, lstm

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
    """A GRU layer (Cho et al. 2014) over L // patch patches, or several, then a two-layer head."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.gru = nn.GRU(config.patch, config.hidden, batch_first=True)
        sizes = config.hidden, *config.above
        self.above = nn.ModuleList(nn.GRU(*size, batch_first=True) for size in pairwise(sizes))
        self.head = base.Head(sizes[-1], config.known, config.head, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        patch, steps = self.config.patch, self.config.L // self.config.patch
        patches = rows[:, -steps * patch :].reshape(-1, steps, patch)  # the oldest, incomplete patch is left out
        out, _ = self.gru(patches)
        for layer in self.above:
            out, _ = layer(out)
        return self.head(out[:, -1], known)

    def units(self) -> list[base.Units]:
        return lstm.hidden("gru", 3, self.config) + [self.head.units("head")]
