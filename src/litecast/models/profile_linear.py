"""What is unusual about the window, carried on by a few weights: the smallest forecaster that knows its series."""

from dataclasses import dataclass

from torch import nn

from litecast.models import base, profile_mlp

KIND = "compact"
CAN = ("width",)
WIDTHS = (1, 2, 4, 8)  # cosines that a day of the table is kept in, in eighths of its steps
TABLE = "own"

idea = profile_mlp.idea  # the lags are what it is made of


@dataclass(frozen=True, kw_only=True)
class Config(profile_mlp.Config):
    @classmethod
    def of_width(cls, width: int, **shared) -> "Config":
        return cls(hidden=0, embedded=0, waves=-(-shared["steps"] * width // 8), **{**shared, "F": 0})


class Model(base.Forecaster):
    """Each step ahead from means of the last steps, and from the same step of earlier days (`profile_mlp.Lags`)."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.means = nn.Linear(len(config.scales), config.H, bias=False)
        self.lags = profile_mlp.lags(config)

    @property
    def reads(self) -> frozenset[str]:
        return super().reads | {"series", "cells"}

    def told(self, rows, known, series, cells):
        out = self.means(profile_mlp.means(rows, self.config.scales))
        return out if self.lags is None else out + self.lags(rows, cells)

    def outputs(self) -> list[str]:
        return ["means"] if self.lags is None else ["means", "lags"]
