"""SparseTSF: the window is cut into its phases of a period, and one small map forecasts them all."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

KIND = "compact"
WIDTHS = (1,)  # its size follows from L, H and the period alone
PUBLISHED = {"L": 720, "lr": 0.02, "steps": 1500, "patch": {"15min": 4}}


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(**{**shared, "F": 0})

    @property
    def periods(self) -> tuple[int, int]:
        """Whole periods that are read, and periods that cover the horizon."""
        return self.L // self.patch, -(-self.H // self.patch)


class Model(base.Forecaster):
    """Smoothing over one period, then L / w -> H / w for every phase alike, w = patch (Lin et al. 2024, ICML)."""

    def __init__(self, config: Config):
        super().__init__(config)
        half = config.patch // 2
        self.smooth = nn.Conv1d(1, 1, 2 * half + 1, padding=half, bias=False)
        self.across = nn.Linear(*config.periods, bias=False)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        period, periods = self.config.patch, self.config.periods[0]
        used = rows[:, -periods * period :]  # the oldest, incomplete period is left out
        smooth = used + self.smooth(used[:, None])[:, 0]
        phases = smooth.reshape(-1, periods, period).transpose(1, 2)
        return self.across(phases).transpose(1, 2).flatten(1)[:, : self.config.H]
