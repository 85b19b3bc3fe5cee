"""Blocks of any kind behind a strided stem: what an architecture search may put together."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "deep"
CAN = ("width", "convolutions")
WIDTHS = (4, 8, 16, 32)
POSITIONS = 14  # about as many are left of any look-back behind the stem
OPERATIONS = ("separable", "bottleneck", "plain")
USUAL = (("plain", 3, True), ("bottleneck", 5, True), ("separable", 3, True))  # operation, kernel, skip where none asks


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    """blocks: (operation, kernel, inner channels, skip) of each."""

    trunk: int
    blocks: tuple[tuple[str, int, int, bool], ...]
    head: int

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        blocks = tuple((operation, kernel, width, skip) for operation, kernel, skip in USUAL)
        return cls(trunk=width, blocks=blocks, head=width, **shared)

    @property
    def step(self) -> int:
        return max(1, self.L // POSITIONS)

    @property
    def positions(self) -> int:
        return self.L // self.step


class Block(nn.Module):
    """(N, inputs, P) -> (N, outputs, P), by way of `inner` channels; with a skip outputs are inputs.

    plain: two convolutions (He et al. 2016); separable: each split into one that sees neighbours and one that mixes
    channels (Howard et al. 2017); bottleneck: neighbours are seen between two mixtures (Sandler et al. 2018). A skip
    begins as nothing but the skip.
    """

    def __init__(self, inputs: int, outputs: int, operation: str, kernel: int, inner: int, skip: bool):
        super().__init__()
        if operation not in OPERATIONS:
            raise ValueError(f"a block is one of {', '.join(OPERATIONS)}, not {operation!r}")
        wide = kernel if operation == "plain" else 1
        self.skip = skip
        self.see = convnet.conv(inputs, inputs, kernel, groups=inputs) if operation == "separable" else nn.Identity()
        self.up = convnet.conv(inputs, inner, wide)
        self.middle = nn.Identity() if operation == "plain" else convnet.conv(inner, inner, kernel, groups=inner)
        self.down = convnet.conv(inner, outputs, wide, zero=skip)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inside = torch.relu(self.middle(torch.relu(self.up(self.see(h)))))
        return torch.relu(h + self.down(inside)) if self.skip else torch.relu(self.down(inside))


class Model(base.Forecaster):
    """Stem of non-overlapping patches, the blocks, flatten, head; no block at all is a small MLP on patches.

    The factorised space is that of Tan et al., "MnasNet", CVPR 2019, for one axis and without strides inside.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        channels = config.size("stem", config.trunk)
        self.stem = nn.Conv1d(1, channels, config.step, stride=config.step)
        self.blocks = nn.ModuleList()
        for i, block in enumerate(config.blocks):
            outputs = channels if block[-1] else config.size(f"blocks.{i}.down", config.trunk)
            self.blocks.append(Block(channels, outputs, *block))
            channels = outputs
        self.head = base.Head(channels * config.positions, config.known, config.head, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        h = torch.relu(self.stem(rows[:, None, -self.config.positions * self.config.step :]))
        for block in self.blocks:
            h = block(h)
        return self.head(h.flatten(1), known)

    def field(self, layer: str) -> tuple:
        part, *at = layer.split(".")
        if part == "head":
            return ("head",)
        return ("blocks", int(at[0]), 2) if at[1:] == ["up"] else ("left", layer)
