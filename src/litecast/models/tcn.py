"""TCN: causal dilated convolutions; what is read at a position has not seen anything later."""

from dataclasses import dataclass
from itertools import cycle

import torch
from torch import nn

from litecast.models import base

KIND = "deep"
CAN = ("width", "convolutions", "blocks")
WIDTHS = (8, 16, 32, 64)
POSITIONS = 28  # the stem strides so that about this many positions are left of any look-back
KERNEL, DILATIONS = 3, (1, 2, 4, 8)  # seen from the last position: 61 positions, more than any window has


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    trunk: int  # channels of stem and skip path
    inner: tuple[int, ...]  # channels inside each residual block
    head: int

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(trunk=width, inner=(width,) * len(DILATIONS), head=width, **shared)

    @property
    def step(self) -> int:
        return max(1, self.L // POSITIONS)

    @property
    def positions(self) -> int:
        return self.L // self.step

    @property
    def receptive_field(self) -> int:
        """Steps of the window that the last position sees."""
        reach = sum(dilation for _, dilation in zip(self.inner, cycle(DILATIONS), strict=False))
        return min(self.L, self.step * (1 + 2 * (KERNEL - 1) * reach))


class Block(nn.Module):
    """Two causal convolutions of one dilation and a skip: (N, trunk, positions) -> the same."""

    def __init__(self, trunk: int, inner: int, dilation: int):
        super().__init__()
        self.past = (KERNEL - 1) * dilation
        self.first = nn.Conv1d(trunk, inner, KERNEL, dilation=dilation)
        self.second = nn.Conv1d(inner, trunk, KERNEL, dilation=dilation)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inside = torch.relu(self.first(nn.functional.pad(h, (self.past, 0))))
        return torch.relu(h + self.second(nn.functional.pad(inside, (self.past, 0))))


class Model(base.Forecaster):
    """Stem of non-overlapping patches, one block per dilation 1, 2, 4, 8; the last position feeds the head.

    Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent networks", 2018.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.stem = nn.Conv1d(1, config.trunk, config.step, stride=config.step)
        self.blocks = nn.ModuleList(
            Block(config.trunk, inner, dilation)
            for inner, dilation in zip(config.inner, cycle(DILATIONS), strict=False)
        )
        self.head = base.Head(config.trunk, config.known, config.head, config.H)

    def positions(self, rows: torch.Tensor) -> torch.Tensor:
        """rows (N, L) -> (N, trunk, positions); position p has seen the window up to its own patch, nothing later."""
        h = torch.relu(self.stem(rows[:, None, -self.config.positions * self.config.step :]))
        for block in self.blocks:
            h = block(h)
        return h

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        return self.head(self.positions(rows)[:, :, -1], known)

    def field(self, layer: str) -> tuple:
        part, _, at = layer.removesuffix(".first").partition(".")
        return {"stem": ("trunk",), "head": ("head",)}.get(part) or ("inner", int(at))

    def stack(self) -> base.Stack:
        return base.Stack("inner", "blocks", ("second",))
