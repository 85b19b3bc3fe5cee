"""ShuffleNet v1: 1 x 1 convolutions in groups of channels, shuffled in between so that the groups meet."""

import torch
from torch import nn

from litecast.models import base, convnet, resnet_bottleneck

KIND = "compact"
CAN = ("width",)
WIDTHS = (8, 16, 24, 32)
GROUPS = 2
NARROWER = 4  # times fewer channels inside a block
Config = convnet.Config


class Block(nn.Module):
    """Grouped 1 x 1, shuffle, depthwise 3, grouped 1 x 1 (Zhang et al., CVPR 2018).

    (N, inputs, P) -> (N, outputs, P / stride). The strided block appends what it works out to its averaged input.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True):
        super().__init__()
        self.strided = stride > 1
        new = outputs - inputs if self.strided else outputs
        inner = max(1, outputs // NARROWER // GROUPS) * GROUPS
        self.down = convnet.conv(inputs, inner, groups=GROUPS, bias=bias)
        self.middle = convnet.conv(inner, inner, convnet.KERNEL, stride, groups=inner, bias=bias)
        self.up = convnet.conv(inner, new, groups=GROUPS, bias=bias, zero=not self.strided)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inside = convnet.shuffle(torch.relu(self.down(h)), GROUPS)
        out = self.up(self.middle(inside))
        return torch.relu(torch.cat([nn.functional.avg_pool1d(h, 2), out], 1) if self.strided else h + out)


class Model(convnet.Network):
    """Three shuffle blocks, the second strided."""

    def __init__(self, config: Config):
        super().__init__(config, convnet.stages(Block, config.width), 2 * config.width)


def idea(config: Config) -> base.Idea:
    """A shuffle block replaces the bottleneck of ResNet: its 1 x 1 convolutions are grouped, its middle is depthwise.

    c: channels in and out; m = c / 4: channels inside; g = 2: groups. The shuffle itself costs memory moves, no
    multiplication. With images' 3 x 3 kernels the depthwise middle would save more.
    """
    c, g = 2 * config.width, GROUPS
    m = c // NARROWER
    formula, factor = r"\frac{2\,c\,m + 3\,m^2}{2\,c\,m / g + 3\,m}", (2 * c * m + 3 * m**2) / (2 * c * m / g + 3 * m)
    layer, plain = Block(c, c, bias=False), resnet_bottleneck.Block(c, c, bias=False)
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions // 2))
