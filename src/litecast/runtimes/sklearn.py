"""scikit-learn: files of ridge and boosted trees (`models/classical/stored.py`); no network, not timed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from litecast import modelfile
from litecast.data.windows import to_raw
from litecast.errors import DataError, ModelFileError
from litecast.models.classical import lagged, stored
from litecast.runtimes import Executed, inputs

NAME = "scikit-learn"
FORMAT = "skops"
SUFFIX = ".skops"
NEEDS = ("scikit-learn", "skops")
TOLERANCE = 1e-5


class Card(modelfile.Card):
    """That of a model file, of a forecaster whose lags may reach back further than its look-back."""

    lags: int = 0

    @property
    def reach(self) -> int:
        return max(self.L, self.lags)


@dataclass(frozen=True)
class Opened(modelfile.FromRows):
    """content: as `stored.load` gives it; card: the same as of a model file."""

    content: dict
    card: Card
    path: Path

    @property
    def spec(self) -> lagged.Spec:
        return self.content["spec"]

    @property
    def reads(self) -> frozenset[str]:
        """Of z, series, cells and observed (the weather), what changes a forecast."""
        boosted = {"series", "cells"} if self.spec.usual is not None else set()
        return frozenset({"z"} | boosted | ({"observed"} if self.spec.weather else set()))

    def forecast(self, values, times=None) -> np.ndarray:
        """As `modelfile.Loaded.forecast`; DataError of a file that reads the weather, which nobody can give here."""
        card = self.card
        if "observed" in self.reads:
            raise DataError(f"{self.path.name} reads the weather before its forecast: it is a measurement, and takes "
                            "none from a caller")
        values, times = self._ordered(values, times)
        x, span = self._inputs(values), self._span(times, len(values))
        seen = lagged.Inputs(x, card.known(span), card.cells(span), card.L, card.H)
        return to_raw(self.made(seen, np.array([len(x)]))[0].astype(np.float64), card.mean, card.std, card.transform)

    def made(self, seen, origins: np.ndarray, numbers: np.ndarray | None = None) -> np.ndarray:
        """Forecasts (N, H, C), the card's scaled units, of its series with these numbers; default: all."""
        return stored.KINDS[self.content["kind"]].predict(self.content["model"], self.spec, seen, origins, numbers)


def open(path) -> Opened:
    content = stored.load(path)
    card, spec = content["card"], content["spec"]
    scaler = {name: np.asarray(card[name]).tolist() for name in ("mean", "std")}
    made = Card(**card | scaler, L=spec.L, H=spec.H)
    made.lags = spec.reach
    return Opened(content, made, Path(path))


def predict(opened: Opened, data, origins: np.ndarray) -> np.ndarray:
    card, own, at = opened.card, inputs.seen(opened.card, data), inputs.positions(opened.card, data)
    if opened.spec.market and len(at) < len(card.series):
        raise ModelFileError(f"{opened.path.name} reads the mean of all its {len(card.series)} series, and is not for "
                             f"this data, which lacks {len(card.series) - len(at)}")
    x = np.zeros((len(own.x), len(card.series)), np.float32)  # in the card's order: trees know series by their number
    x[:, at] = own.x
    seen = lagged.Inputs(x, own.z, own.cells, card.L, card.H, own.observed)
    return data.scaled(own.raw(opened.made(seen, origins, at))).astype(np.float32)


def forecast(opened: Opened, values, times=None) -> np.ndarray:
    return opened.forecast(values, times)


def executed(opened: Opened, claims: str = "") -> Executed:
    return Executed("", np.nan, np.nan)
