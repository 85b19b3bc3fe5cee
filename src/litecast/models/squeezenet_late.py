"""SqueezeNet, late down-sampling: Fire modules on all positions."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (8, 16, 24, 32)
SQUEEZE = 4  # outputs of a Fire module for each channel it squeezes to
Config = convnet.Config


class Fire(nn.Module):
    """Squeeze by 1 x 1, expand half by 1 x 1 and half by 3 (Iandola et al. 2016): (N, inputs, P) -> (N, outputs, P)."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True, size=convnet.whole):
        super().__init__()
        squeezed, one, three = (size("squeeze", outputs // SQUEEZE), size("expand_one", outputs // 2),
                                size("expand_three", outputs // 2))  # fmt: skip
        self.squeeze = convnet.conv(inputs, squeezed, bias=bias)
        self.expand_one = convnet.conv(squeezed, one, bias=bias)
        self.expand_three = convnet.conv(squeezed, three, convnet.KERNEL, bias=bias)
        self.channels = one + three

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        squeezed = torch.relu(self.squeeze(h))
        return torch.relu(torch.cat([self.expand_one(squeezed), self.expand_three(squeezed)], 1))


class Fires(convnet.Network):
    """Three Fire modules, the channels doubled in the second, and a max pooling before or behind them."""

    early = False

    def __init__(self, config: Config):
        first, body = config.size("stem", config.width), [nn.MaxPool1d(2)] * self.early
        channels = first
        for outputs in (config.width, 2 * config.width, 2 * config.width):
            body.append(Fire(channels, outputs, size=config.within(f"body.{len(body)}")))
            channels = body[-1].channels
        super().__init__(config, nn.Sequential(*body, *[nn.MaxPool1d(2)] * (not self.early)), first, channels)


class Model(Fires):
    """Fire modules on all positions, then max pooling."""


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
