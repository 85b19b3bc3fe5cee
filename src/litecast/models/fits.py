"""FITS: the low frequencies of the window, stretched by one complex linear map to those of window and horizon."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from litecast.models import base

KIND = "compact"
CAN = ("width",)
WIDTHS = (1, 2, 4, 6)  # harmonics of the patch that are kept
SPARE = 10  # further frequencies kept, as published
PUBLISHED = {"L": 720, "width": 6, "lr": 0.0005, "steps": 2500}


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    kept: int  # frequencies of the window

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        L, patch = shared["L"], shared["patch"]  # noqa: N806
        return cls(kept=min((L // patch + 1) * width + SPARE, L // 2 + 1), **{**shared, "F": 0})

    @property
    def stretched(self) -> int:
        """Frequencies of window and horizon together."""
        return self.kept * (self.L + self.H) // self.L


class Model(base.Forecaster):
    """Low-pass, complex map, inverse transform (Xu et al. 2024, ICLR), of which only the horizon is computed.

    Both transforms are products with fixed cosines and sines: at so few frequencies that is quicker than an FFT, and
    every runtime knows it. The waves are made when first needed and stored nowhere.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.real = nn.Linear(config.kept, config.stretched)
        self.imaginary = nn.Linear(config.kept, config.stretched)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        L, n = self.config.L, self.config.L + self.config.H  # noqa: N806
        cos, sin = _waves(L, 0, L, self.config.kept, rows.device)
        a, b = rows @ cos, -(rows @ sin)
        real, imaginary = self.real(a) - self.imaginary(b), self.real(b) + self.imaginary(a)
        cos, sin = _waves(n, L, n, self.config.stretched, rows.device)
        half = torch.full_like(real, 2 / L)  # a real signal has each frequency twice, zero but once
        half[:, 0] = 1 / L
        return (half * real) @ cos.T - (half * imaginary) @ sin.T

    def outputs(self) -> list[str]:
        return ["real", "imaginary"]

    def own_macs(self, x: torch.Tensor, *_) -> int:
        """Products with the waves: 2 L kept + 2 H stretched a window, more than those with weights."""
        rows = x.shape[0] * x.shape[2]
        return rows * 2 * (self.config.L * self.config.kept + self.config.H * self.config.stretched)


@lru_cache(maxsize=64)
def _waves(n: int, start: int, stop: int, kept: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine (stop - start, kept) of the first frequencies of n steps."""
    with torch.inference_mode(False):  # the first call may come from an evaluation, the next from training
        phase = torch.arange(start, stop, dtype=torch.float64)[:, None] * torch.arange(kept) % n
        angle = phase * (2 * torch.pi / n)
        return angle.cos().float().to(device), angle.sin().float().to(device)


def idea(config: Config) -> base.Idea:
    """A complex map between few frequencies, beside a plain one between all steps; the waves cost products only."""
    L, H, k, s = config.L, config.H, config.kept, config.stretched  # noqa: N806
    macs = L * H / (4 * k * s + 2 * L * k + 2 * H * s)
    formula = r"\frac{L H}{2 (k + 1) \lfloor k (L + H) / L \rfloor}"
    return base.Idea(formula, L * H / (2 * (k + 1) * s), Model(config), base.plain_map(config), (1, L, 1), macs)
