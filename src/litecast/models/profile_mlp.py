"""What is unusual about the window, told to a small MLP and to weights that all steps of a day share."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base
from litecast.models.usual import looked_up, types, with_unseen

KIND = "compact"
CAN = ("width", "units", "identity")
WIDTHS = (4, 8, 16, 32, 64)
TABLE = "own"
EMBEDDED = 8  # numbers that tell series apart
NEAR = 3  # steps of an earlier day that a step is compared with: the same, and its neighbours
DROPOUT = 0.3  # of what the hidden layer reads


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    hidden: int
    embedded: int = EMBEDDED

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(hidden=width, **shared)

    @property
    def days(self) -> int:
        return self.L // self.patch

    @property
    def parts(self) -> int:
        """Means that a day is summed up in, but for the last, which is read step by step."""
        return 4 if self.patch % 4 == 0 else 1

    @property
    def scales(self) -> tuple[int, ...]:
        """Last steps that means are taken over."""
        return tuple(sorted({1, min(self.patch, self.L), min(4 * self.patch, self.L), self.L}))

    @property
    def seen(self) -> int:
        """Numbers that the hidden layer reads of the window."""
        return self.patch + (self.days - 1) * self.parts + len(self.scales)


class Lags(nn.Module):
    """What the same step of earlier days says, of any day and of days of the same type alone: (N, L) -> (N, H).

    All steps of a day share the weights (days ahead; any or same type x days back x neighbours).
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config, self.ahead = config, -(-config.H // config.patch)
        self.weight = nn.Parameter(torch.zeros(self.ahead, 2 * config.days * NEAR))

    def forward(self, rows: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        c = self.config
        start, length = c.L - c.days * c.patch, c.days * c.patch
        padded = nn.functional.pad(rows[:, start:], (1, 1))
        near = [padded[:, i : i + length].reshape(-1, 1, c.days, c.patch) for i in range(NEAR)]
        kinds = nn.functional.pad(looked_up(types, c, cells), (0, self.ahead * c.patch - c.H))
        alike = (kinds[:, start : c.L].reshape(-1, 1, c.days, c.patch)
                 == kinds[:, c.L :].reshape(-1, self.ahead, 1, c.patch))  # (N, ahead, days, patch)
        any_day, same = self.weight.reshape(self.ahead, 2, c.days, NEAR, 1).unbind(1)
        said = sum(past * any_day[:, :, i] for i, past in enumerate(near))
        said = said + alike * sum(past * same[:, :, i] for i, past in enumerate(near))
        return said.sum(2).flatten(1)[:, : c.H]

    def own_macs(self, rows: torch.Tensor, cells: torch.Tensor) -> int:
        return len(rows) * self.weight.numel() * self.config.patch


def lags(config: Config) -> Lags | None:
    """None for data without a season, where earlier days have nothing to say but noise."""
    return Lags(config) if config.anchor == "mean" else None


def means(rows: torch.Tensor, scales: tuple[int, ...]) -> torch.Tensor:
    """Means (N, K) of the last steps of rows (N, L)."""
    return torch.stack([rows[:, -n:].mean(1) for n in scales], 1)


class Model(base.Forecaster):
    """A hidden layer that reads the last day, means of the days before, the calendar and which series it is, beside
    `Lags`, a seasonal autoregression whose weights all steps of a day share (where there is a season)."""

    def __init__(self, config: Config):
        super().__init__(config)
        c = config
        features = c.seen + c.known + c.embedded
        self.embedding = nn.Embedding(c.series, c.embedded) if c.embedded else None
        self.first = nn.Linear(features, c.hidden)
        self.second = nn.Linear(c.hidden, c.H)
        self.lags = lags(c)
        if c.embedded:
            nn.init.normal_(self.embedding.weight, std=0.1)

    @property
    def reads(self) -> frozenset[str]:
        return super().reads | {"series", "cells"}

    def told(self, rows, known, series, cells):
        c = self.config
        before = rows[:, c.L - c.days * c.patch : c.L - c.patch].reshape(-1, (c.days - 1) * c.parts, c.patch // c.parts)
        read = [rows[:, -c.patch :], before.mean(2), means(rows, c.scales)]
        read += [with_unseen(self.embedding.weight)[series]] if c.embedded else []
        read += [] if known is None else [known]
        joined = nn.functional.dropout(torch.cat(read, 1), DROPOUT, self.training)
        out = self.second(torch.relu(self.first(joined)))
        return out if self.lags is None else out + self.lags(rows, cells)

    def units(self) -> list[base.Units]:
        """The hidden layer, and the numbers that tell series apart."""
        c = self.config
        told = (base.Slots("embedding.weight", 1), *base.read("first", start=c.seen))
        hidden = base.Units(("hidden",), c.hidden, (*base.made("first"), *base.read("second")))
        return [base.Units(("embedded",), c.embedded, told), hidden] if c.embedded else [hidden]


class OfAnyDay(nn.Module):
    """`Lags` of days that are all of one type: (N, L, 1) -> (N, H), to be held against a plain linear map."""

    def __init__(self, config: Config):
        super().__init__()
        self.lags = Lags(config)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        c = self.lags.config
        return self.lags(x[..., 0], torch.zeros(len(x), c.L + c.H, dtype=torch.int64, device=x.device))


def idea(config: Config) -> base.Idea:
    """Each of the steps of a day has the same few weights on the days before, where a linear map has all steps' own."""
    layer = OfAnyDay(config)
    size, c = layer.lags.weight.numel(), config
    formula = r"\frac{L H}{6 D \lceil H / P \rceil}"
    macs = c.L * c.H / (size * c.patch)
    return base.Idea(formula, c.L * c.H / size, layer, base.plain_map(c), (1, c.L, 1), macs)
