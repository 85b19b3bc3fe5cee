"""The plain network, three times as deep: where a network without skips is said to train worse."""

from litecast.models import convnet, plain_net, resnet_deep

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (4, 8, 12, 16)
Config = convnet.Config
idea = plain_net.idea


class Model(plain_net.Model):
    """Nine plain blocks, the fourth strided: eighteen convolutions (He et al., CVPR 2016, figure 3)."""

    strides = resnet_deep.STRIDES
