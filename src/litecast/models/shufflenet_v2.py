"""ShuffleNet v2: half of the channels pass untouched, the other half is worked on, then they are shuffled."""

import torch
from torch import nn

from litecast.models import base, convnet

KIND = "compact"
CAN = ("width", "units")
WIDTHS = (8, 16, 24, 32)
Config = convnet.Config


class Block(nn.Module):
    """Split, work on one half, concatenate, shuffle (Ma et al., ECCV 2018): (N, C, P) -> (N, C, P).

    A block that was cut need not split into halves: (N, C, P) -> (N, 2 kept, P).
    """

    def __init__(self, channels: int, kept: int | None = None, inner: int | None = None, bias: bool = True):
        super().__init__()
        half = channels // 2
        self.sizes = kept or half, channels - (kept or half)
        self.work = branch(self.sizes[1], inner or half, self.sizes[0], 1, bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        kept, worked = h.split(self.sizes, 1)
        return convnet.shuffle(torch.cat([kept, self.work(worked)], 1), 2)


class Strided(nn.Module):
    """Both halves are worked on, each from all channels: (N, inputs, P) -> (N, 2 outputs, P / 2)."""

    def __init__(self, inputs: int, inner: int, outputs: int):
        super().__init__()
        self.work = branch(inputs, inner, outputs, 2, True)
        self.short = nn.Sequential(*list(branch(inputs, inputs, outputs, 2, True))[2:])

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return convnet.shuffle(torch.cat([self.short(h), self.work(h)], 1), 2)


def branch(inputs: int, inner: int, outputs: int, stride: int, bias: bool) -> nn.Sequential:
    """1 x 1 and activation, depthwise 3 without, 1 x 1 and activation."""
    return nn.Sequential(
        convnet.conv(inputs, inner, bias=bias), nn.ReLU(),
        convnet.conv(inner, inner, convnet.KERNEL, stride, groups=inner, bias=bias),
        convnet.conv(inner, outputs, bias=bias), nn.ReLU(),
    )  # fmt: skip


class Model(convnet.Network):
    """A unit, a strided unit, a unit."""

    def __init__(self, config: Config):
        w, size = config.width, config.size
        kept, worked, inner = size("body.0.kept", w // 2), size("body.0.worked", w // 2), size("body.0.work.0", w // 2)
        pairs, rest = size("body.2.kept", w // 2), size("body.2.worked", w // 2)
        body = nn.Sequential(Block(kept + worked, kept, inner),
                             Strided(2 * kept, size("body.1.work.0", w), pairs + rest),
                             Block(2 * (pairs + rest), 2 * pairs, size("body.2.work.0", w)))
        super().__init__(config, body, kept + worked, 4 * pairs)

    def units(self) -> list[base.Units]:
        """A shuffle puts a channel that passed beside one that was worked out: both stay or go, behind two shuffles all
        four."""
        made, read, left = base.made, base.read, base.left
        (kept, worked), (pairs, rest) = self.body[0].sizes, (size // 2 for size in self.body[2].sizes)
        found = [
            left("body.0.kept", kept, made("stem"), made("body.0.work.3"), read("body.1.work.0", each=2),
                 made("body.1.short.0", each=2), read("body.1.short.1", each=2)),
            left("body.0.worked", worked, made("stem", start=kept), read("body.0.work.0")),
            left("body.2.kept", pairs, made("body.1.short.1"), made("body.1.work.3"), made("body.2.work.3", each=2),
                 read("reduce", each=4)),
            left("body.2.worked", rest, made("body.1.short.1", start=pairs), made("body.1.work.3", start=pairs),
                 read("body.2.work.0", each=2)),
        ]  # fmt: skip
        for i, block in enumerate(self.body):
            first, middle, last = (f"body.{i}.work.{j}" for j in (0, 2, 3))
            found.append(left(first, block.work[0].out_channels, made(first), made(middle), read(last)))
        return found + self.ends()


def idea(config: Config) -> base.Idea:
    """A unit replaces one ordinary convolution on all channels: half of them pass, and the rest is depthwise and 1 x 1.

    c: channels in and out. With images' 3 x 3 kernels the ordinary convolution is 9 c^2, and the limit 18, not 6.
    """
    c = 2 * config.width
    formula, factor = r"\frac{3\,c^2}{2\,(c/2)^2 + 3\,c/2} = \frac{6\,c}{c + 3}", 6 * c / (c + 3)
    layer, plain = Block(c, bias=False), convnet.conv(c, c, convnet.KERNEL, bias=False)
    return base.Idea(formula, factor, layer, plain, (1, c, config.positions // 2))
