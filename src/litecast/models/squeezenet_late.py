"""SqueezeNet, late down-sampling: Fire modules on all positions."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width",)
WIDTHS = (8, 16, 24, 32)
SQUEEZE = 4  # outputs of a Fire module for each channel it squeezes to
Config = convnet.Config


class Fire(nn.Module):
    """Squeeze by 1 x 1, expand half by 1 x 1 and half by 3 (Iandola et al. 2016): (N, inputs, P) -> (N, outputs, P)."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True):
        super().__init__()
        self.squeeze = convnet.conv(inputs, outputs // SQUEEZE, bias=bias)
        self.expand_one = convnet.conv(outputs // SQUEEZE, outputs // 2, bias=bias)
        self.expand_three = convnet.conv(outputs // SQUEEZE, outputs // 2, convnet.KERNEL, bias=bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        squeezed = torch.relu(self.squeeze(h))
        return torch.relu(torch.cat([self.expand_one(squeezed), self.expand_three(squeezed)], 1))


def fires(width: int) -> list[Fire]:
    """Three modules, the channels doubled in the second."""
    return [Fire(width, width), Fire(width, 2 * width), Fire(2 * width, 2 * width)]


class Model(convnet.Network):
    """Three Fire modules on all positions, then max pooling."""

    def __init__(self, config: Config):
        super().__init__(config, nn.Sequential(*fires(config.width), nn.MaxPool1d(2)), 2 * config.width)


def idea(config: Config) -> base.Idea:
    """A Fire module replaces a convolution of kernel 3. Both run on all positions here: that is what late means.

    c: channels in and out; s = c / 4: channels squeezed to. Pooling late takes the same weights as pooling early and
    twice the multiplications; the paper pools late to be more accurate at the same weights: see squeezenet_early.
    """
    c = 2 * config.width
    s = c // SQUEEZE
    formula, factor = r"\frac{3\,c^2}{c\,s + s\,\frac{c}{2} + 3\,s\,\frac{c}{2}} = \frac{c}{s}", c / s
    layer, plain = Fire(c, c, bias=False), convnet.conv(c, c, convnet.KERNEL, bias=False)
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions))
