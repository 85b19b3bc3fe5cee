"""ResNet of plain blocks, three times as deep."""

from litecast.models import convnet, resnet_plain

KIND = "compact"
CAN = ("width", "convolutions")
WIDTHS = (4, 8, 12, 16)
STRIDES = (1, 1, 1, 2, 1, 1, 1, 1, 1)  # of the nine blocks
Config = convnet.Config
idea = resnet_plain.idea


class Model(convnet.Network):
    """Nine plain residual blocks, the fourth strided: eighteen convolutions (He et al., CVPR 2016)."""

    def __init__(self, config: Config):
        super().__init__(config, *convnet.stages(resnet_plain.Block, config, "second", STRIDES))
