"""ShuffleNet v1: 1 x 1 convolutions in groups of channels, shuffled in between so that the groups meet."""

import torch
from torch import nn

from litecast.models import base, convnet, resnet_bottleneck

KIND = "compact"
CAN = ("width", "units")
WIDTHS = (8, 16, 24, 32)
GROUPS = 2
NARROWER = 4  # times fewer channels inside a block
Config = convnet.Config


class Block(nn.Module):
    """Grouped 1 x 1, shuffle, depthwise 3, grouped 1 x 1 (Zhang et al., CVPR 2018).

    (N, inputs, P) -> (N, outputs, P / stride). The strided block appends what it works out to its averaged input.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True, inner: int | None = None):
        super().__init__()
        self.strided = stride > 1
        new = outputs - inputs if self.strided else outputs
        inner = inner or GROUPS * inside(outputs)
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
        w, first, body = config.width, GROUPS * config.size("stem", config.width // GROUPS), nn.Sequential()
        for i, (inputs, outputs, stride, whole) in enumerate(((first, first, 1, w), (first, 2 * first, 2, 2 * w),
                                                              (2 * first, 2 * first, 1, 2 * w))):  # fmt: skip
            each, odd = divmod(inside(whole), GROUPS)
            inner = None if odd else GROUPS**2 * config.size(f"body.{i}.down", each)
            body.append(Block(inputs, outputs, stride, inner=inner or GROUPS * inside(whole)))
        super().__init__(config, body, first, 2 * first)

    def units(self) -> list[base.Units]:
        """A convolution in groups keeps as many channels in each, so a unit is a channel of every group.

        The strided block appends to what it is given, which ties all channels between blocks together. Inside a block
        the shuffle deals one layer's groups out to the next one's: an odd number of channels a group cannot be cut.
        """
        made, read, two, four = base.made, base.read, GROUPS, 2 * GROUPS
        trunk = [made("stem", runs=two), read("body.0.down"), made("body.0.up", runs=two), read("body.1.down"),
                 made("body.1.up", runs=two), read("body.2.down", runs=two), made("body.2.up", runs=four),
                 read("reduce", runs=four)]  # fmt: skip
        found = [base.left("stem", self.stem.out_channels // GROUPS, *trunk)]
        for i, block in enumerate(self.body):
            size, odd = divmod(block.down.out_channels, GROUPS**2)
            down, middle, up = (f"body.{i}.{layer}" for layer in ("down", "middle", "up"))
            inner = made(down, runs=GROUPS**2), made(middle, runs=GROUPS, each=GROUPS), read(up, each=GROUPS)
            found += [] if odd else [base.left(down, size, *inner)]
        return found + self.ends()


def inside(outputs: int) -> int:
    """Channels of each group inside a block."""
    return max(1, outputs // NARROWER // GROUPS)


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
