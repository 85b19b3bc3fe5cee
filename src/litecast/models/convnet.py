"""What the convolutional families share: a strided stem, two stages around one down-sampling, a reduced head.

Only the body differs from family to family, so a difference between two of them is one of their ideas. No batch
normalisation: windows arrive normalised, weights start as in He et al. and blocks with a skip as nothing but the skip.
Bodies tried with it erred a few per cent less and took up to twice as long to train.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

POSITIONS = 28  # about as many are left of any look-back before the body
REDUCED = 8  # channels that reach the head: the body, not the head, does the work
HIDDEN = 32  # units of the head, whatever the width
STRIDES = (1, 2, 1)  # of the three blocks of a body
KERNEL = 3  # of every convolution that sees its neighbours


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    width: int  # channels of the first stage; the second has twice as many

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(width=width, **shared)

    @property
    def step(self) -> int:
        return max(1, round(self.L / POSITIONS))

    @property
    def positions(self) -> int:
        """An even number, so that halving it loses none; what does not fill a stride is left out: the oldest."""
        return self.L // self.step // 2 * 2


class Network(base.Forecaster):
    """Stem, body (N, first, positions) -> (N, last, positions / 2), 1 x 1 convolution to few channels, head."""

    def __init__(self, config: Config, body: nn.Module, first: int, last: int):
        super().__init__(config)
        reduced, hidden = config.size("reduce", REDUCED), config.size("head.hidden", HIDDEN)
        self.stem = nn.Conv1d(1, first, config.step, stride=config.step)
        self.body = body
        self.reduce = conv(last, reduced)
        self.head = base.Head(reduced * config.positions // 2, config.known, hidden, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        h = self.stem(rows[:, None, -self.config.positions * self.config.step :])
        return self.head(self.reduce(self.body(h)).flatten(1), known)

    def ends(self) -> list[base.Units]:
        """The groups behind the body."""
        columns = base.read("head.hidden", each=self.config.positions // 2)
        reduced = base.left("reduce", self.reduce.out_channels, base.made("reduce"), columns)
        return [reduced, self.head.units("left", "head.hidden")]


def stages(block: Callable[..., nn.Module], config: Config, last: str,
           strides: tuple[int, ...] = STRIDES) -> tuple[nn.Sequential, int, int]:  # fmt: skip
    """The usual body: a block, one that halves the positions and doubles the channels, and one more; the channels
    before and behind it. last: name of a block's last layer. Skips tie the channels of a stage together.
    """
    half = strides.index(2)
    narrow, wide = config.size("stem", config.width), config.size(f"body.{half}.{last}", 2 * config.width)
    channels = [narrow] * (half + 1) + [wide] * (len(strides) - half)
    steps = enumerate(zip(channels[:-1], channels[1:], strides, strict=True))
    return nn.Sequential(*(block(*step, size=config.within(f"body.{i}")) for i, step in steps)), narrow, wide


def whole(name: str, units: int) -> int:
    """Sizes of a block that was not cut, as `Config.within` gives those of one that was."""
    return units


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, bias: bool = True,
         zero: bool = False) -> nn.Conv1d:  # fmt: skip
    """A convolution that keeps the positions, or halves them; `zero` weights for the last one beside a skip.

    He et al., ICCV 2015, for the weights; Goyal et al. 2017 for the zeros.
    """
    layer = nn.Conv1d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias)
    nn.init.zeros_(layer.weight) if zero else nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def shuffle(h: torch.Tensor, groups: int) -> torch.Tensor:
    """Channels (N, C, P) of `groups` runs dealt out in turns: channel j of group i goes to place j * groups + i."""
    n, channels, positions = h.shape
    return h.view(n, groups, channels // groups, positions).transpose(1, 2).reshape(n, channels, positions)

