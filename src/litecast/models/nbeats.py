"""An N-BEATS-like MLP: blocks that explain part of the window away and add to the forecast."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base

KIND = "deep"
CAN = ("width", "units", "blocks")
WIDTHS = (32, 64, 128, 256)
BLOCKS = 3


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    hidden: tuple[tuple[int, int], ...]  # widths of the two hidden layers of each block

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(hidden=((width, width),) * BLOCKS, **shared)


class Block(nn.Module):
    """(N, L + K) -> backcast (N, L) or None, forecast (N, H). The last block has no backcast: nobody would read it."""

    def __init__(self, config: Config, widths: tuple[int, int], last: bool):
        super().__init__()
        self.first = nn.Linear(config.L + config.known, widths[0])
        self.second = nn.Linear(widths[0], widths[1])
        self.backcast = None if last else nn.Linear(widths[1], config.L)
        self.forecast = nn.Linear(widths[1], config.H)

    def forward(self, rows: torch.Tensor, known: torch.Tensor | None):
        joined = rows if known is None else torch.cat([rows, known], 1)
        h = torch.relu(self.second(torch.relu(self.first(joined))))
        return (self.backcast(h) if self.backcast is not None else None), self.forecast(h)


class Model(base.Forecaster):
    """Doubly residual stack of generic blocks (Oreshkin et al. 2020), without the dead last backcast."""

    def __init__(self, config: Config):
        super().__init__(config)
        last = len(config.hidden) - 1
        self.blocks = nn.ModuleList(Block(config, widths, i == last) for i, widths in enumerate(config.hidden))

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        forecast = 0
        for block in self.blocks:
            backcast, part = block(rows, known)
            forecast = forecast + part
            if backcast is not None:
                rows = rows - backcast
        return forecast

    def outputs(self) -> list[str]:
        return [f"blocks.{i}.forecast" for i in range(len(self.blocks))]

    def stack(self) -> base.Stack:
        return base.Stack("hidden", "blocks", ("forecast", "backcast"))

    def units(self) -> list[base.Units]:
        found = []
        for i, (block, widths) in enumerate(zip(self.blocks, self.config.hidden, strict=True)):
            first, second, *readers = (f"blocks.{i}.{layer}" for layer, _ in block.named_children())
            found.append(base.Units(("hidden", i, 0), widths[0], (*base.made(first), *base.read(second))))
            columns = sum(map(base.read, readers), ())
            found.append(base.Units(("hidden", i, 1), widths[1], (*base.made(second), *columns)))
        return found
