"""ResNet, plain block: two convolutions learn what to add to their input."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (4, 8, 12, 16)
Config = convnet.Config


class Block(nn.Module):
    """3 - 3 and a skip, activation after the sum (He et al., CVPR 2016): (N, inputs, P) -> (N, outputs, P / stride).

    Where sizes change the skip is a strided 1 x 1 convolution, option B of the paper.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True, size=convnet.whole):
        super().__init__()
        inner = size("first", outputs)
        self.first = convnet.conv(inputs, inner, convnet.KERNEL, stride, bias=bias)
        self.second = convnet.conv(inner, outputs, convnet.KERNEL, bias=bias, zero=True)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else convnet.conv(inputs, outputs, 1, stride, bias=bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.skip(h) + self.second(torch.relu(self.first(h))))


class Model(convnet.Network):
    """Three plain residual blocks, the second strided."""

    def __init__(self, config: Config):
        super().__init__(config, *convnet.stages(Block, config, "second"))


def idea(config: Config) -> base.Idea:
    """The skip saves nothing: it makes two convolutions easier to train, at one addition a value.

    c: channels in and out of the block.
    """
    c = 2 * config.width
    three = [convnet.conv(c, c, convnet.KERNEL, bias=False) for _ in range(2)]
    plain = nn.Sequential(three[0], nn.ReLU(), three[1], nn.ReLU())
    formula = r"\frac{2 \cdot 3\,c^2}{2 \cdot 3\,c^2}"
    return base.Idea(formula, 1.0, Block(c, c, bias=False), plain, (1, c, config.positions // 2))
