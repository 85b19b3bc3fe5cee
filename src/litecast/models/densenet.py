"""DenseNet: every layer reads all maps before it and adds a few of its own."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (4, 8, 12, 16)  # channels that enter a dense block; each layer adds half as many
LAYERS = 3  # of a dense block
Config = convnet.Config


class Layer(nn.Module):
    """`growth` new maps, appended to what came in: (N, inputs, P) -> (N, inputs + growth, P)."""

    def __init__(self, inputs: int, growth: int, bias: bool = True):
        super().__init__()
        self.new = convnet.conv(inputs, growth, convnet.KERNEL, bias=bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return torch.cat([h, self.new(torch.relu(h))], 1)


class Transition(nn.Module):
    """Half the positions, and back to few channels; averaging first gives the same at half the MACs."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.mix = convnet.conv(inputs, outputs)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return self.mix(nn.functional.avg_pool1d(torch.relu(h), 2))


class Model(convnet.Network):
    """Two dense blocks and a transition between them (Huang et al., CVPR 2017; compression as in DenseNet-C)."""

    def __init__(self, config: Config):
        body, first = nn.Sequential(), config.size("stem", config.width)
        channels = first
        for i in range(2 * LAYERS + 1):
            if i == LAYERS:
                body.append(Transition(channels, config.size(f"body.{i}.mix", config.width)))
                channels = body[i].mix.out_channels
            else:
                body.append(Layer(channels, config.size(f"body.{i}.new", config.width // 2)))
                channels += body[i].new.out_channels
        super().__init__(config, body, first, channels)


def idea(config: Config) -> base.Idea:
    """A dense layer replaces a convolution that gives as many maps: it computes the new ones, the others are reused.

    c: channels that come in, here to the last layer of a block; g: growth, the channels that are added. The kernel
    cancels out: in images the factor is the same. What is reused is kept and copied, which no count of products shows.
    """
    g = config.width // 2
    c = config.width + (LAYERS - 1) * g
    formula, factor = r"\frac{3\,c\,(c + g)}{3\,c\,g} = \frac{c + g}{g}", (c + g) / g
    layer, plain = Layer(c, g, bias=False), nn.Sequential(nn.ReLU(), convnet.conv(c, c + g, convnet.KERNEL, bias=False))
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions // 2))
