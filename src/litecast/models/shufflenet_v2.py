"""ShuffleNet v2: half of the channels pass untouched, the other half is worked on, then they are shuffled."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width",)
WIDTHS = (8, 16, 24, 32)
Config = convnet.Config


class Block(nn.Module):
    """Split, work on one half, concatenate, shuffle (Ma et al., ECCV 2018): (N, C, P) -> (N, C, P)."""

    def __init__(self, channels: int, bias: bool = True):
        super().__init__()
        self.work = branch(channels // 2, channels // 2, 1, bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        kept, worked = h.chunk(2, 1)
        return convnet.shuffle(torch.cat([kept, self.work(worked)], 1), 2)


class Strided(nn.Module):
    """Both halves are worked on, each from all channels: (N, C, P) -> (N, 2 C, P / 2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.work = branch(channels, channels, 2, True)
        self.short = nn.Sequential(*list(branch(channels, channels, 2, True))[2:])

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return convnet.shuffle(torch.cat([self.short(h), self.work(h)], 1), 2)


def branch(inputs: int, outputs: int, stride: int, bias: bool) -> nn.Sequential:
    """1 x 1 and activation, depthwise 3 without, 1 x 1 and activation."""
    return nn.Sequential(
        convnet.conv(inputs, outputs, bias=bias), nn.ReLU(),
        convnet.conv(outputs, outputs, convnet.KERNEL, stride, groups=outputs, bias=bias),
        convnet.conv(outputs, outputs, bias=bias), nn.ReLU(),
    )  # fmt: skip


class Model(convnet.Network):
    """A unit, a strided unit, a unit."""

    def __init__(self, config: Config):
        w = config.width
        super().__init__(config, nn.Sequential(Block(w), Strided(w), Block(2 * w)), 2 * w)


def idea(config: Config) -> base.Idea:
    """A unit replaces one ordinary convolution on all channels: half of them pass, and the rest is depthwise and 1 x 1.

    c: channels in and out. With images' 3 x 3 kernels the ordinary convolution is 9 c^2, and the limit 18, not 6.
    """
    c = 2 * config.width
    formula, factor = r"\frac{3\,c^2}{2\,(c/2)^2 + 3\,c/2} = \frac{6\,c}{c + 3}", 6 * c / (c + 3)
    layer, plain = Block(c, bias=False), convnet.conv(c, c, convnet.KERNEL, bias=False)
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions // 2))
