"""What a forecaster may know of a series beforehand: its usual week as a table, and which series it is."""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import nn

TABLES = ("none", "shared", "own")  # no table, one for all series, one for each


class Usual(nn.Module):
    """Usual values (N, S), scaled units, of series (N,) at cells (N, S).

    A row of the table is a day of one series (of all, if shared) and type: its values, or the first `waves` of their
    cosine transform where the config asks for fewer than there are steps; of days of one step it is a whole
    series. Series number C is one that nobody has seen: it has the mean of all. It starts as the train steps have it
    and is `trained` along, unless the config says no.
    """

    def __init__(self, config):
        super().__init__()
        self.config, self.kept = config, min(config.waves or config.steps, config.steps)
        self.series = config.series if config.table == "own" else 1
        days = self.series * config.types, self.kept
        shape = days if config.steps > 1 else (self.series, config.types)  # what is quantised has a scale per row
        self.table = nn.Parameter(torch.zeros(shape), requires_grad=config.trained)

    def forward(self, series: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        c = self.config
        table = self.days().flatten(1)
        rows = with_unseen(table)[series] if self.series > 1 else table[torch.zeros_like(series)]
        return rows.gather(1, looked_up(places, c, cells))

    def days(self) -> torch.Tensor:
        """The table as values, (C or 1, types, steps)."""
        c = self.config
        values = self.table if self.kept == c.steps else self.table @ waves(c.steps, self.kept, self.table.device)
        return values.reshape(self.series, c.types, c.steps)

    @torch.no_grad()
    def fill(self, table: torch.Tensor) -> None:
        """Take over a table (C or 1, types, steps), as `data.usual.table` makes it."""
        if self.kept < self.config.steps:
            table = table @ waves(self.config.steps, self.kept, table.device).T
        self.table.copy_(table.reshape(self.table.shape))

    def own_macs(self, series: torch.Tensor, cells: torch.Tensor) -> int:
        """Products of the inverse transform, of the whole table whatever is asked of it."""
        return 0 if self.kept == self.config.steps else self.table.numel() * self.config.steps


def types(config, cells: torch.Tensor) -> torch.Tensor:
    """Row of the usual week that a cell lies in: its weekday or, after these, what makes the day special."""
    day = cells // config.steps
    kind, weekday = day // config.weekdays, day % config.weekdays
    return torch.where(kind > 0, config.weekdays + kind - 1, weekday) if config.types > config.weekdays else weekday


def places(config, cells: torch.Tensor) -> torch.Tensor:
    """Where in a flattened usual week (types * steps) a cell lies."""
    return types(config, cells) * config.steps + cells % config.steps


def looked_up(what: Callable, config, cells: torch.Tensor) -> torch.Tensor:
    """`types` or `places` of cells, from a list of all there are: divisions of integers took half of the small nets'
    time. A graph that is exported computes them, or it would carry the list."""
    exported = torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting()
    return what(config, cells) if exported else _listed(what, config, cells.device)[cells]


@lru_cache(maxsize=64)
def _listed(what: Callable, config, device: torch.device) -> torch.Tensor:
    with torch.inference_mode(False):  # the first call may come from an evaluation, the next from training
        return what(config, torch.arange(config.cells, device=device))


def with_unseen(rows: torch.Tensor) -> torch.Tensor:
    """Rows (C, D) of the series, and after them their mean (C+1, D), which stands for a series that nobody has seen."""
    return torch.cat([rows, rows.mean(0, keepdim=True)])


@lru_cache(maxsize=16)
def waves(steps: int, kept: int, device: torch.device) -> torch.Tensor:
    """The first waves (kept, steps) of an orthonormal cosine transform (DCT-II): coefficients @ waves are values."""
    with torch.inference_mode(False):  # the first call may come from an evaluation, the next from training
        k, n = torch.arange(kept, dtype=torch.float64)[:, None], torch.arange(steps, dtype=torch.float64) + 0.5
        made = torch.cos(math.pi / steps * k * n) * math.sqrt(2 / steps)
        made[0] /= math.sqrt(2)
        return made.float().to(device)
