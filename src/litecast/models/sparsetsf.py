"""SparseTSF: the window is cut into its phases of a period, and one small map forecasts them all."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

KIND = "compact"
CAN = ()
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


def idea(config: Config) -> base.Idea:
    """All phases of the period share one small map, beside a plain one of the whole window."""
    L, H, w = config.L, config.H, config.patch  # noqa: N806
    kernel, (past, ahead) = 2 * (w // 2) + 1, config.periods
    factor = L * H / (past * ahead + kernel)
    macs = L * H / (past * w * (kernel + ahead))
    formula = r"\frac{L H}{\lfloor L/w \rfloor \lceil H/w \rceil + 2 \lfloor w/2 \rfloor + 1}"
    return base.Idea(formula, factor, Model(config), base.plain_map(config), (1, L, 1), macs)
