"""ResNet, bottleneck block: the convolution that sees its neighbours works on a quarter of the channels."""

import torch
from torch import nn

from litecast.models import base, convnet, resnet_plain

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (8, 16, 24, 32)
NARROWER = 4  # times fewer channels inside a block
Config = convnet.Config


class Block(nn.Module):
    """1 - 3 - 1 and a skip (He et al., CVPR 2016): (N, inputs, P) -> (N, outputs, P / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True, size=convnet.whole):
        super().__init__()
        down, middle = size("down", outputs // NARROWER), size("middle", outputs // NARROWER)
        self.down = convnet.conv(inputs, down, bias=bias)
        self.middle = convnet.conv(down, middle, convnet.KERNEL, stride, bias=bias)
        self.up = convnet.conv(middle, outputs, bias=bias, zero=True)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else convnet.conv(inputs, outputs, 1, stride, bias=bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inside = torch.relu(self.middle(torch.relu(self.down(h))))
        return torch.relu(self.skip(h) + self.up(inside))


class Model(convnet.Network):
    """Three bottleneck blocks, the second strided."""

    def __init__(self, config: Config):
        super().__init__(config, *convnet.stages(Block, config, "up"))


def idea(config: Config) -> base.Idea:
    """The bottleneck replaces the plain block of as many channels.

    c: channels in and out of the block; m = c / 4: channels inside. What is left is mostly 1 x 1 convolutions, which
    weigh the same in images; the plain block, with kernels of 3 x 3, weighs three times as much there.
    """
    c = 2 * config.width
    m = c // NARROWER
    formula, factor = r"\frac{2 \cdot 3\,c^2}{2\,c\,m + 3\,m^2}", 6 * c**2 / (2 * c * m + 3 * m**2)
    layer, plain = Block(c, c, bias=False), resnet_plain.Block(c, c, bias=False)
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions // 2))
