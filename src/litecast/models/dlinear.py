"""DLinear: two linear maps, one for the smoothed window and one for the rest."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

KIND = "compact"
CAN = ()
WIDTHS = (1,)  # its size follows from L and H alone
SMOOTHING = 25
PUBLISHED = {"L": 336, "lr": 0.001, "steps": 5000}


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    kernel: int

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        longest = shared["L"] // 2 * 2 - 1
        return cls(kernel=min(SMOOTHING, longest), **{**shared, "F": 0})


class Model(base.Forecaster):
    """Moving average of 25 steps as trend, the rest as season, one linear map each (Zeng et al. 2023).

    The paper's reads the window as it is; here it is normalised, as for every network of this house.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.trend = nn.Linear(config.L, config.H)
        self.rest = nn.Linear(config.L, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        half = self.config.kernel // 2
        padded = torch.cat([rows[:, :1].expand(-1, half), rows, rows[:, -1:].expand(-1, half)], 1)
        trend = nn.functional.avg_pool1d(padded[:, None], self.config.kernel, 1)[:, 0]
        return self.trend(trend) + self.rest(rows - trend)

    def outputs(self) -> list[str]:
        return ["trend", "rest"]


def idea(config: Config) -> base.Idea:
    """Two maps where a plain linear forecaster has one: the split into trend and rest is paid for, not saved."""
    L = config.L  # noqa: N806
    formula = r"\frac{L H}{2 (L + 1) H}"
    return base.Idea(formula, L / (2 * (L + 1)), Model(config), base.plain_map(config), (1, L, 1), 0.5)
