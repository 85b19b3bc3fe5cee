"""SqueezeNet, early down-sampling: the Fire modules of squeezenet_late on half the positions."""

from torch import nn

from litecast.models import base, convnet, squeezenet_late

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (8, 16, 24, 32)
Config = convnet.Config


class Model(squeezenet_late.Fires):
    """Max pooling, then Fire modules: the weights of squeezenet_late, half of its multiplications."""

    early = True


def idea(config: Config) -> base.Idea:
    """A Fire module behind a pooling replaces a convolution of kernel 3 before it.

    c: channels in and out; s = c / 4: channels squeezed to. Half the positions are half the multiplications, whatever
    the layer: the factor of MACs is twice that of weights.
    """
    late = squeezenet_late.idea(config)
    return base.Idea(late.formula, late.factor, nn.Sequential(nn.MaxPool1d(2), late.layer), late.plain, late.shape,
                     macs=2 * late.factor)
