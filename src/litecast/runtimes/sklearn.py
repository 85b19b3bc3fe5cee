"""scikit-learn: files of ridge and boosted trees (`models/classical/stored.py`); there is no network in them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from litecast.data import calendar
from litecast.data.frame import Header
from litecast.data.windows import Dataset
from litecast.modelfile import Card
from litecast.models.classical import stored
from litecast.runtimes import Executed, inputs

NAME = "scikit-learn"
FORMAT = "skops"
SUFFIX = ".skops"
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Opened:
    """content: as `stored.load` gives it; card: the same as of a model file."""

    content: dict
    card: Card

    def forecast(self, data, origins: np.ndarray) -> np.ndarray:
        """(N, H, C), scaled units of a dataset that the file's scaler made."""
        kind = stored.KINDS[self.content["kind"]]
        return kind.predict(self.content["model"], self.content["spec"], data, origins)


def open(path) -> Opened:
    content = stored.load(path)
    card, spec = content["card"], content["spec"]
    scaler = {name: np.asarray(card[name]).tolist() for name in ("mean", "std")}
    return Opened(content, Card(**card | scaler, L=spec.L, H=spec.H))


def predict(opened: Opened, data, origins: np.ndarray) -> np.ndarray:
    own = inputs.seen(opened.card, data)
    return data.scaled(own.raw(opened.forecast(own, origins))).astype(np.float32)


def call(opened: Opened) -> Callable[[], np.ndarray]:
    """Lags before the made-up window count as missing; files that read weather cannot be called so."""
    card = opened.card
    header = Header(card.dataset, card.unit, card.frequency, card.season, card.L, card.H, transform=card.transform)
    steps, scaler = card.L + card.H, [np.float64(card.mean[:1]), np.float64(card.std[:1])]
    step = {"trading-day": "B", "W": "7D", "step": "D"}.get(card.frequency, card.frequency)
    times = pd.date_range("2024-01-01", periods=steps, freq=step)
    x = np.random.default_rng(0).normal(size=(steps, 1)).astype(np.float32)
    z = calendar.features(times, card.frequency, card.country)
    data = Dataset(header, times, card.series[:1], x, x, z, *scaler, {}, [], {})
    raw, origins = data.raw(x), np.array([card.L])

    def forecast():
        data.x = data.scaled(raw).astype(np.float32)
        return data.raw(opened.forecast(data, origins))

    return forecast


def executed(opened: Opened, claims: str = "") -> Executed:
    return Executed("", np.nan, np.nan)
