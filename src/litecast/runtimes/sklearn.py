"""scikit-learn: files of ridge and boosted trees (`models/classical/stored.py`); no network, not timed."""

from dataclasses import dataclass

import numpy as np

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


def open(path) -> Opened:
    content = stored.load(path)
    card, spec = content["card"], content["spec"]
    scaler = {name: np.asarray(card[name]).tolist() for name in ("mean", "std")}
    return Opened(content, Card(**card | scaler, L=spec.L, H=spec.H))


def predict(opened: Opened, data, origins: np.ndarray) -> np.ndarray:
    own, content = inputs.seen(opened.card, data), opened.content
    made = stored.KINDS[content["kind"]].predict(content["model"], content["spec"], own, origins)
    return data.scaled(own.raw(made)).astype(np.float32)


def executed(opened: Opened, claims: str = "") -> Executed:
    return Executed("", np.nan, np.nan)
