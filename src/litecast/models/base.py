"""What every forecaster shares: the window, its normalisation, and the calendar of the horizon."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from litecast.models.usual import Usual

LOOKS = 4  # at the known inputs of a horizon; at least one a day, since the calendar changes by the day
AS_USUAL = 0.1  # variance, scaled units, that a window must bring to make the usual week half its own
FLOOR = 1e-2  # of a scaled unit: a flat window must not blow up when it is normalised


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes that all families share; a family adds its own widths.

    L, H: look-back and horizon in steps. F: known inputs per step. patch: steps of one natural patch (a day of hours).
    anchor: what a window is shifted by before the network sees it: its 'mean', or its 'last' value where the data has
    no season, so that a network that outputs zero is the naive forecast. scale: what it is divided by: the standard
    deviation of the 'window', or that of 'train', which is 1 (demand that is mostly zero has no scale in a window).

    series, weekdays, kinds, steps: of the data, see `data.daytypes`. looks: steps of the horizon whose calendar is
    read, 0 = LOOKS and at least one each day. table: what a forecast is the deviation from, one of `usual.TABLES`;
    waves: cosines that its days are kept in, 0 = as they are; special: has it rows for special days? trained: does it
    learn along with the network? left: how many of its hidden units a group that was cut still has.
    """

    L: int
    H: int
    F: int = 0
    patch: int = 24
    anchor: str = "mean"
    scale: str = "window"
    series: int = 1
    weekdays: int = 1
    kinds: int = 0
    steps: int = 1
    looks: int = 0
    table: str = "none"
    waves: int = 0
    special: bool = True
    trained: bool = True
    left: tuple[tuple[str, int], ...] = ()

    def size(self, name: str, whole: int) -> int:
        """Units of a group that has `whole` where nothing was cut."""
        return dict(self.left).get(name, whole)

    def within(self, layer: str) -> Callable[[str, int], int]:
        """`size` of the groups inside one layer."""
        return lambda name, whole: self.size(f"{layer}.{name}", whole)

    @property
    def cells(self) -> int:
        """How many different cells the calendar has."""
        return (1 + self.kinds) * self.weekdays * self.steps

    @property
    def types(self) -> int:
        """Rows of the usual week."""
        return self.weekdays + self.kinds * self.special

    @property
    def known(self) -> int:
        """Calendar values a network is given: F of each sampled step of the horizon."""
        return self.F * len(range(0, self.H, self.stride))

    @property
    def stride(self) -> int:
        return -(-self.H // self.looks) if self.looks else min(-(-self.H // LOOKS), self.steps)


class Slots(NamedTuple):
    """Where the units of a group lie along one dimension of a parameter; all else there stays.

    From `start` on there are `runs` stacked runs of the units (four gates of an LSTM), and a unit fills `each`
    neighbouring places of a run (the positions of a channel that was flattened).
    """

    parameter: str
    dim: int
    runs: int = 1
    start: int = 0
    each: int = 1

    def places(self, size: int) -> torch.Tensor:
        """(size, runs * each): a row of places for each unit."""
        places = torch.arange(self.runs * size * self.each).reshape(self.runs, size, self.each)
        return self.start + places.transpose(0, 1).reshape(size, -1)


def made(layer: str, **where) -> tuple[Slots, Slots]:
    """Of the layer that computes the units: rows of its weight, and its bias."""
    return Slots(f"{layer}.weight", 0, **where), Slots(f"{layer}.bias", 0, **where)


def read(layer: str, **where) -> tuple[Slots]:
    """Of a layer that is given the units: columns of its weight."""
    return (Slots(f"{layer}.weight", 1, **where),)


@dataclass(frozen=True)
class Units:
    """Hidden units that can be removed without touching anything else: whoever reads them loses their columns.

    field: where their number stands in the config: ('hidden', 0, 1), or ('left', 'body.0.up') where it follows from the
    width until some are cut. members: everything that belongs to them.
    """

    field: tuple
    size: int
    members: tuple[Slots, ...]

    @property
    def name(self) -> str:
        return " ".join(map(str, self.field[self.field[0] == "left" :]))


def left(name: str, size: int, *members: tuple[Slots, ...]) -> Units:
    """A group whose number follows from the width; members: of `made` and `read`."""
    return Units(("left", name), size, sum(members, ()))


@dataclass(frozen=True)
class Stack:
    """Residual blocks one behind another, of which there may be any number.

    field: of the config, an entry for each block. name: of the ModuleList. last: layers of a block that make it add
    nothing where they are zero; a network's last block may lack some of them.
    """

    field: str
    name: str
    last: tuple[str, ...]


@dataclass(frozen=True)
class Idea:
    """What a compact family saves, as a formula and as two layers to count and time.

    formula: LaTeX, how many times fewer weights (plain / own; below 1 where an idea costs some). factor: its value for
    these sizes; macs: that of multiply-accumulates, where it is another. layer: the family's own; plain: the ordinary
    layer that it replaces. shape: of an input of both.
    """

    formula: str
    factor: float
    layer: nn.Module
    plain: nn.Module
    shape: tuple[int, ...]
    macs: float | None = None


def example(config: Config, batch: int, channels: int = 1) -> tuple[torch.Tensor | None, ...]:
    """Random scaled inputs of a network's shape, the same at every call: x (B, L, C), z (B, L+H, F) | None, series
    (C,), cells (B, L+H)."""
    draw, T = torch.Generator().manual_seed(0), config.L + config.H  # noqa: N806
    x = torch.randn(batch, config.L, channels, generator=draw)
    z = torch.randn(batch, T, config.F, generator=draw) if config.F else None
    return x, z, torch.arange(channels) % config.series, torch.arange(batch * T).reshape(batch, T) % config.cells


def plain_map(config: Config) -> nn.Module:
    """(N, L, 1) -> (N, H): the linear map without a bias that linear ideas are held against."""
    return nn.Sequential(nn.Flatten(), nn.Linear(config.L, config.H, bias=False))


class Forecaster(nn.Module):
    """`forward(x (B, L, C), z (B, L+H, F), series (C,) or (B, C), cells (B, L+H)) -> (B, H, C)`, float32, scaled units.

    What the network does not read (`reads`) may be None; series that are not told, or numbered C, are unseen ones.
    A family implements `net(rows (N, L), known (N, K)) -> (N, H)` on normalised windows of single series, N = B * C;
    z is read only after the last observed step. Normalisation per window: Kim et al., "Reversible instance
    normalization", ICLR 2022, without the affine part; with a table rows are what is unusual about them.
    """

    mixes_channels = False

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.usual = None if config.table == "none" else Usual(config)

    @property
    def n_known(self) -> int:
        return self.config.F

    @property
    def reads(self) -> frozenset[str]:
        """Of z, series and cells, what changes a forecast."""
        return frozenset({"z"} if self.n_known else ()) | ({"series", "cells"} if self.usual else frozenset())

    def units(self) -> list[Units]:
        """What structured pruning may cut; convolutional nets leave it to torch-pruning."""
        return []

    def field(self, layer: str) -> tuple:
        """Where the config holds the number of units that a layer computes, for groups that torch-pruning finds."""
        return ("left", layer)

    def outputs(self) -> list[str]:
        """The layers that speak last: what is trained where a device may move little. The last linear map, if any."""
        return [name for name, layer in self.named_modules() if isinstance(layer, nn.Linear)][-1:]

    def stack(self) -> Stack | None:
        """Where a block can be added that changes nothing; None where every layer changes what passes through it."""
        return None

    def forward(self, x: torch.Tensor, z=None, series=None, cells=None) -> torch.Tensor:
        batch, _, channels = x.shape
        rows = x.transpose(1, 2).reshape(batch * channels, self.config.L)
        series, cells = self._rows(series, cells, batch, channels, x.device)
        usual = None if self.usual is None else self.usual(series, cells)
        mean, scale = rows.mean(1, keepdim=True), 1.0
        if self.config.scale == "window":
            # the standard deviation; std() itself takes fifty times as long on rows this short
            scale = torch.linalg.vector_norm(rows - mean, dim=1, keepdim=True) / self.config.L**0.5 + FLOOR
        if usual is None:
            past = ahead = mean if self.config.anchor == "mean" else rows[:, -1:]
        else:
            usual = _fitted(usual, rows) if self.config.scale == "window" else usual
            past, ahead = usual[:, : self.config.L], usual[:, self.config.L :]
        out = self.told((rows - past) / scale, self._known(z, channels), series, cells) * scale + ahead
        return out.reshape(batch, channels, self.config.H).transpose(1, 2)

    def told(self, rows: torch.Tensor, known: torch.Tensor | None, series, cells) -> torch.Tensor:
        """`net`, for a family that also asks which series (N,) it is and which days (N, L+H) they are."""
        return self.net(rows, known)

    def _rows(self, series, cells, batch: int, channels: int, device) -> tuple:
        """Series (N,) and cells (N, L+H) of each row."""
        if "cells" not in self.reads:
            return None, None
        if cells is None:
            raise ValueError("this network reads the calendar's cells: give cells (B, L+H)")
        if series is None:
            series = torch.full((channels,), self.config.series, device=device)
        return series.expand(batch, channels).reshape(-1), cells.repeat_interleave(channels, dim=0)

    def _known(self, z: torch.Tensor | None, channels: int) -> torch.Tensor | None:
        if not self.config.F:
            return None
        if z is None:
            raise ValueError(f"this network reads {self.config.F} known inputs a step: give z (B, L+H, F)")
        horizon = z[:, self.config.L :: self.config.stride].flatten(1)  # (B, K)
        return horizon.repeat_interleave(channels, dim=0)


def _fitted(usual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The usual week (N, L+H) at the level of this window (N, L) and, as far as it explains the window, as wide: least
    squares, the slope drawn towards 1. So it still holds where demand has fallen by a third."""
    level = usual[:, : rows.shape[1]].mean(1, keepdim=True)
    mean, moves = rows.mean(1, keepdim=True), usual - level
    past = moves[:, : rows.shape[1]]
    slope = ((rows - mean) * past).mean(1, keepdim=True) + AS_USUAL
    return mean + moves * slope / (past.square().mean(1, keepdim=True) + AS_USUAL)


class Head(nn.Module):
    """History features and the calendar of the horizon meet in one hidden layer: (N, features), (N, K) -> (N, H)."""

    def __init__(self, features: int, known: int, hidden: int, H: int):
        super().__init__()
        self.hidden = nn.Linear(features + known, hidden)
        self.out = nn.Linear(hidden, H)

    def forward(self, features: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        joined = features if known is None else torch.cat([features, known], 1)
        return self.out(torch.relu(self.hidden(joined)))

    def units(self, *field: str) -> Units:
        return Units(field, self.hidden.out_features, (*made("head.hidden"), *read("head.out")))
