"""What a search may see of a network: validation error, bytes, products, milliseconds; never test. Looks count."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from litecast import modelfile, models, runtimes, training
from litecast.compress import storages
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
    """`look(model) -> Seen`; `look.error(model)`; `look.milliseconds(model)`. spent: forward passes of all looks so
    far, as MACs."""

    def __init__(self, data):
        self._data, self.spent, self._macs = data, Spent(), {}

    def __call__(self, model) -> Seen:
        """What a search may see of a network."""
        origins, macs = self._data.origins("val"), cost.profile(model).macs
        yhat = training.predict(model, self._data, origins)
        self.spent += Spent(macs=macs * len(origins) * self._data.C)
        file = storages.export(model, "float32")
        with tempfile.TemporaryDirectory() as folder:
            size = modelfile.save(Path(folder) / "look", model, file.codecs, modelfile.Card.of(self._data), file.held)
        return Seen(errors.errors(self._data, "val", yhat)["val_wape"], size, macs)

    def error(self, model) -> float:
        """WAPE of the same few validation origins at every call, evenly spread: for sweeps over many networks."""
        origins = self._data.origins("val")
        origins = origins[:: -(-len(origins) * self._data.C // LOOK_WINDOWS)]
        kind = str(models.describe(model))  # counting takes longer than forecasting: once for each kind of network
        if kind not in self._macs:
            self._macs[kind] = cost.profile(model).macs
        self.spent += Spent(macs=self._macs[kind] * len(origins) * self._data.C)
        return errors.wape(self._data, origins, training.predict(model, self._data, origins))

    def milliseconds(self, model, runtime: str = "onnxruntime") -> float:
        """Median time of one forecast of one window on one thread, in a runtime."""
        place = runtimes.module(runtime)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"look{place.SUFFIX}"
            path.write_bytes(place.export(model, modelfile.Card.of(self._data)))
            call = place.call(place.open(path))
            self.spent += Spent(macs=ROUNDS * cost.profile(model).macs)
            return float(latency.interleave({"look": call}, ROUNDS).latency_ms_p50.iloc[0])
