"""NLinear: one linear map of the window, measured from its last value."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

KIND = "compact"
CAN = ()
WIDTHS = (1,)  # its size follows from L and H alone
PUBLISHED = {"L": 336, "lr": 0.001, "steps": 5000}


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(**{**shared, "F": 0, "anchor": "last"})


class Model(base.Forecaster):
    """x_last + W (x - x_last) + b (Zeng et al. 2023); here b counts in units of the window's spread."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.map = nn.Linear(config.L, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        return self.map(rows)


def idea(config: Config) -> base.Idea:
    """One plain linear map: that the window is measured from its last value costs nothing."""
    L = config.L  # noqa: N806
    return base.Idea(r"\frac{L H}{(L + 1) H}", L / (L + 1), Model(config), base.plain_map(config), (1, L, 1), 1.0)
