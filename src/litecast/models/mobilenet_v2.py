"""MobileNet v2: the skip connects narrow ends, the depthwise convolution works between them on many channels."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (4, 6, 8, 12)
EXPANSION = 4  # times more channels inside a block; the paper's 6 is for far wider networks
Config = convnet.Config


class Block(nn.Module):
    """1 x 1 up, depthwise 3, linear 1 x 1 down (Sandler et al., CVPR 2018): (N, inputs, P) -> (N, outputs, P / stride).

    separable=False has an ordinary convolution in its middle.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True, separable: bool = True,
                 size=convnet.whole):  # fmt: skip
        super().__init__()
        inner = size("up", EXPANSION * inputs)
        self.up = convnet.conv(inputs, inner, bias=bias)
        self.middle = convnet.conv(inner, inner, convnet.KERNEL, stride, groups=inner if separable else 1, bias=bias)
        self.same = inputs == outputs and stride == 1
        self.down = convnet.conv(inner, outputs, bias=bias, zero=self.same)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        out = self.down(torch.relu(self.middle(torch.relu(self.up(h)))))
        return h + out if self.same else out


class Model(convnet.Network):
    """Three inverted residual blocks, the second strided and therefore without a skip."""

    def __init__(self, config: Config):
        super().__init__(config, *convnet.stages(Block, config, "down"))


def idea(config: Config) -> base.Idea:
    """Depthwise in the wide middle: the same block with an ordinary convolution there is what it replaces.

    c: channels in and out; t = 4: expansion. Against one ordinary convolution of the narrow ends (3 c^2 weights) the
    block saves nothing, it takes about 2t/3 times as much: that is the price of the wide middle.
    """
    c, t = 2 * config.width, EXPANSION
    formula = r"\frac{2\,t\,c^2 + 3\,t^2 c^2}{2\,t\,c^2 + 3\,t\,c} = \frac{(2 + 3\,t)\,c}{2\,c + 3}"
    layer, plain = Block(c, c, bias=False), Block(c, c, bias=False, separable=False)
    return base.Idea(formula, (2 + 3 * t) * c / (2 * c + 3), layer, plain, (1, c, config.positions // 2))
