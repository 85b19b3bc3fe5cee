"""The plain network that ResNet is compared with: the same convolutions without their skips."""

import torch
from torch import nn

from litecast.models import base, convnet, resnet_plain

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (4, 8, 12, 16)
Config = convnet.Config


class Block(nn.Module):
    """3 - 3, an activation behind each (He et al., CVPR 2016, figure 3): (N, inputs, P) -> (N, outputs, P / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True, size=convnet.whole):
        super().__init__()
        inner = size("first", outputs)
        self.first = convnet.conv(inputs, inner, convnet.KERNEL, stride, bias=bias)
        self.second = convnet.conv(inner, outputs, convnet.KERNEL, bias=bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(h))))


class Model(convnet.Network):
    """Three plain blocks, the second strided. No skip ties their channels together: each is cut by itself."""

    strides = convnet.STRIDES

    def __init__(self, config: Config):
        blocks, channels = [], [config.size("stem", config.width)]
        for i, stride in enumerate(self.strides):
            inside = config.within(f"body.{i}")
            channels.append(inside("second", config.width * (1 if i < self.strides.index(2) else 2)))
            blocks.append(Block(*channels[-2:], stride, size=inside))
        super().__init__(config, nn.Sequential(*blocks), channels[0], channels[-1])


def idea(config: Config) -> base.Idea:
    """Leaving out the skip saves nothing but an addition a value.

    c: channels in and out of the block.
    """
    c = 2 * config.width
    formula = r"\frac{2 \cdot 3\,c^2}{2 \cdot 3\,c^2}"
    layer, residual = Block(c, c, bias=False), resnet_plain.Block(c, c, bias=False)
    return base.Idea(formula, 1.0, layer, residual, (1, c, config.positions // 2))
