"""A small TSMixer: day patches mixed over time, then over features, by linear maps alone."""

from dataclasses import dataclass

import torch
from torch import nn

from litecast.models import base
from litecast.models.patchtst import Attention

KIND = "compact"
CAN = ("width", "units")
WIDTHS = (4, 8, 16, 32)
LAYERS = 2


@dataclass(frozen=True, kw_only=True)
class Config(base.Config):
    width: int

    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(width=width, **shared)

    @property
    def tokens(self) -> int:
        return self.L // self.patch


class Mixer(nn.Module):
    """Two-layer map along the last dimension, twice as wide inside, with a skip: (..., size) -> (..., size)."""

    def __init__(self, size: int, inner: int | None = None):
        super().__init__()
        self.up = nn.Linear(size, inner or 2 * size)
        self.down = nn.Linear(inner or 2 * size, size)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return h + self.down(torch.relu(self.up(h)))


class TimeMixer(Mixer):
    """The same along the tokens: (N, tokens, width) -> the same."""

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return super().forward(h.transpose(1, 2)).transpose(1, 2)


class Model(base.Forecaster):
    """Patches of one series, mixed over tokens and features (Ekambaram et al. 2023, KDD: the channel-independent one).

    The normalisation layers of the paper are left out: the window is normalised, and two layers train without.
    """

    def __init__(self, config: Config):
        super().__init__(config)
        self.embed = nn.Linear(config.patch, config.width)
        times, features = ([config.size(f"{name}.{i}", 2 * size) for i in range(LAYERS)]
                           for name, size in (("time", config.tokens), ("features", config.width)))  # fmt: skip
        self.time = nn.ModuleList(TimeMixer(config.tokens, inner) for inner in times)
        self.features = nn.ModuleList(Mixer(config.width, inner) for inner in features)
        hidden = config.size("head.hidden", config.width)
        self.head = base.Head(config.tokens * config.width, config.known, hidden, config.H)

    def net(self, rows: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        tokens, patch = self.config.tokens, self.config.patch
        h = self.embed(rows[:, -tokens * patch :].reshape(-1, tokens, patch))
        for time, features in zip(self.time, self.features, strict=True):
            h = features(time(h))
        return self.head(torch.relu(h).flatten(1), known)

    def units(self) -> list[base.Units]:
        """What the mixers have inside, the head, and the features of a token."""
        made, read, inner = base.made, base.read, []
        features = [*made("embed"), *read("head.hidden", runs=self.config.tokens)]
        for i in range(LAYERS):
            for name, mixer in ((f"time.{i}", self.time[i]), (f"features.{i}", self.features[i])):
                inner.append(base.left(name, mixer.up.out_features, made(f"{name}.up"), read(f"{name}.down")))
            features += [*read(f"features.{i}.up"), *made(f"features.{i}.down")]
        width = base.Units(("width",), self.config.width, tuple(features))
        return [width, *inner, self.head.units("left", "head.hidden")]


def idea(config: Config) -> base.Idea:
    """Linear maps mix P tokens where a transformer of width D takes attention."""
    tokens, width = config.tokens, config.width
    factor = (4 * width**2 + 4 * width) / (4 * tokens**2 + 3 * tokens)
    macs = (2 * width + tokens) / (2 * tokens)
    formula = r"\frac{4 D^2 + 4 D}{4 P^2 + 3 P}"
    return base.Idea(formula, factor, TimeMixer(tokens), Attention(width), (1, tokens, width), macs)
