"""LSTM on day patches: a week of hours is seven steps, not 168."""

from dataclasses import dataclass

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

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(hidden=width, head=width, **shared)


class Model(base.Forecaster):
    """One LSTM layer (Hochreiter & Schmidhuber 1997) over L // patch patches, then a two-layer head."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.lstm = nn.LSTM(config.patch, config.hidden, batch_first=True)
        self.head = base.Head(config.hidden, config.known, config.head, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        patch, steps = self.config.patch, self.config.L // self.config.patch
        patches = rows[:, -steps * patch :].reshape(-1, steps, patch)  # the oldest, incomplete patch is left out
        out, _ = self.lstm(patches)
        return self.head(out[:, -1], known)

    def units(self) -> list[base.Units]:
        rows = [(f"lstm.{name}_l0", 0, 4) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        columns = [("lstm.weight_hh_l0", 1, 1), ("head.hidden.weight", 1, 1)]
        return [base.Units(("hidden",), self.config.hidden, (*rows, *columns)), self.head.units("head")]
