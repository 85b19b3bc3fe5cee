"""What a search may see of a network: validation error, bytes, products, milliseconds; never test. Looks count."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from litecast import modelfile, models, runtimes, training
from litecast.compress import Export, storages
from litecast.runtimes import latency
from litecast.training import Spent, cost, errors
from litecast.training.windows import LOOK_WINDOWS

ROUNDS = 50  # forecasts timed for one look


@dataclass(frozen=True)
class Seen:
    """val_wape: of all validation windows; bytes: of its file in float32; macs: of one window of one series."""

    val_wape: float
    bytes: int
    macs: int


class Look:
    """`look(model) -> Seen`; `look.error(model)`; `look.bytes(model, file)`; `look.milliseconds(model)`;
    `look.speedup(model, than)`. spent: forward passes of all looks so far, as MACs."""

    def __init__(self, data):
        self._data, self._judged, self.spent, self._macs = data, data.judged, Spent(), {}

    def __call__(self, model) -> Seen:
        """What a search may see of a network."""
        origins, macs = self._data.origins("val"), cost.profile(model).macs
        yhat = training.predict(model, self._judged, origins)
        self.spent += Spent(macs=macs * len(origins) * self._judged.C)
        size = self.bytes(model, storages.export(model, "float32"))
        return Seen(errors.errors(self._judged, "val", yhat)["val_wape"], size, macs)

    def bytes(self, model, file: Export) -> int:
        """Size of the model file that would be written."""
        with tempfile.TemporaryDirectory() as folder:
            return modelfile.save(Path(folder) / "look", model, file.codecs, modelfile.Card.of(self._data), file.held)

    def error(self, model) -> float:
        """WAPE of the same few validation origins at every call, evenly spread: for sweeps over many networks."""
        origins = self._data.origins("val")
        origins = origins[:: -(-len(origins) * self._judged.C // LOOK_WINDOWS)]
        kind = str(models.describe(model))  # counting takes longer than forecasting: once for each kind of network
        if kind not in self._macs:
            self._macs[kind] = cost.profile(model).macs
        self.spent += Spent(macs=self._macs[kind] * len(origins) * self._judged.C)
        return errors.wape(self._judged, origins, training.predict(model, self._judged, origins))

    def milliseconds(self, model, runtime: str = "onnxruntime") -> float:
        """Median time of one forecast of one window on one thread, in a runtime."""
        return float(self._timed({"look": model}, runtime).latency_ms_p50["look"])

    def speedup(self, model, than, runtime: str = "onnxruntime") -> float:
        """Times as quick as another network, both called in turns: a ratio outlives what else the machine does."""
        times = self._timed({"look": model, "than": than}, runtime).latency_ms_p50
        return float(times["than"] / times["look"])

    def _timed(self, networks: dict, runtime: str) -> pd.DataFrame:
        place, card = runtimes.module(runtime), modelfile.Card.of(self._data)
        with tempfile.TemporaryDirectory() as folder:
            calls = {}
            for name, model in networks.items():
                path = Path(folder) / f"{name}{place.SUFFIX}"
                path.write_bytes(place.export(model, card))
                calls[name] = place.call(place.open(path))
                self.spent += Spent(macs=ROUNDS * cost.profile(model).macs)
            return latency.interleave(calls, ROUNDS)
