"""MobileNet v1: a convolution is split into one that sees neighbours and one that mixes channels."""

from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (8, 16, 24, 32)
Config = convnet.Config


class Block(nn.Sequential):
    """Depthwise 3, then pointwise 1 x 1 (Howard et al. 2017): (N, inputs, P) -> (N, outputs, P / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = True):
        depthwise = convnet.conv(inputs, inputs, convnet.KERNEL, stride, groups=inputs, bias=bias)
        super().__init__(depthwise, nn.ReLU(), convnet.conv(inputs, outputs, bias=bias), nn.ReLU())


class Model(convnet.Network):
    """Three depthwise separable blocks, the second strided."""

    def __init__(self, config: Config):
        layers, w = ("stem", "body.0.2", "body.1.2", "body.2.2"), config.width
        channels = [config.size(layer, size) for layer, size in zip(layers, (w, w, 2 * w, 2 * w), strict=True)]
        blocks = (Block(*step) for step in zip(channels, channels[1:], convnet.STRIDES, strict=False))
        super().__init__(config, nn.Sequential(*blocks), channels[0], channels[-1])


def idea(config: Config) -> base.Idea:
    """A depthwise separable convolution replaces an ordinary one.

    c: channels in and out. The factor is 1 / (1/c + 1/k) for a kernel of k weights: never more than k. Here k is 3; in
    images it is 3 x 3 = 9, which gives the well-known 8 to 9.
    """
    c = 2 * config.width
    formula, factor = r"\frac{3\,c^2}{3\,c + c^2} = \frac{1}{1/c + 1/3}", 3 * c / (3 + c)
    layer, plain = Block(c, c, bias=False), convnet.conv(c, c, convnet.KERNEL, bias=False)
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions // 2))
