"""ResNet1D: residual dilated convolutions behind a strided stem."""

from dataclasses import dataclass
from itertools import cycle

import torch
from torch import nn

from litecast.models import base

KIND = "deep"
CAN = ("width", "convolutions", "blocks")
WIDTHS = (8, 16, 32, 64)
POSITIONS = 14  # the stem strides so that about this many positions are left of any look-back
DILATIONS = (1, 2, 4)


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
        return (self.L - 2 * self.step) // self.step + 1


class Block(nn.Module):
    """Two convolutions and a skip (He et al. 2016, pre-activation): (N, trunk, positions) -> the same."""

    def __init__(self, trunk: int, inner: int, dilation: int):
        super().__init__()
        self.first = nn.Conv1d(trunk, inner, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(inner, trunk, 3, padding=dilation, dilation=dilation)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return h + self.second(torch.relu(self.first(torch.relu(h))))


class Model(base.Forecaster):
    """Stem of kernel 2 x stride, one block per dilation 1, 2, 4, flatten, head (Bai et al. 2018 for the dilations)."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.stem = nn.Conv1d(1, config.trunk, 2 * config.step, stride=config.step)
        self.blocks = nn.ModuleList(
            Block(config.trunk, inner, dilation)
            for inner, dilation in zip(config.inner, cycle(DILATIONS), strict=False)
        )
        self.head = base.Head(config.trunk * config.positions, config.known, config.head, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        used = (self.config.positions + 1) * self.config.step  # what does not fill a stride is left out: the oldest
        h = self.stem(rows[:, None, -used:])
        for block in self.blocks:
            h = block(h)
        return self.head(torch.relu(h).flatten(1), known)

    def field(self, layer: str) -> tuple:
        part, _, at = layer.removesuffix(".first").partition(".")
        return {"stem": ("trunk",), "head": ("head",)}.get(part) or ("inner", int(at))

    def stack(self) -> base.Stack:
        return base.Stack("inner", "blocks", ("second",))
