"""How quick files are where they run best: networks in ONNX Runtime, whatever stored them, all else in its own."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from litecast import runtimes
from litecast.runtimes import latency

ROUNDS = 60  # forecasts of each file, in turns
WHERE = "onnxruntime"


def milliseconds(files: Mapping[str, tuple[Path, str]], data) -> dict[str, float]:
    """Name -> median of one forecast of one window on one thread; files: name -> (path, runtime of its row).

    A runtime that only forecasts as its user does, all series of `data` from raw values, is timed doing that.
    """
    calls = {name: _call(path, runtime, data) for name, (path, runtime) in files.items()}
    return latency.interleave(calls, ROUNDS).latency_ms_p50.to_dict() if calls else {}


def _call(path: Path, runtime: str, data) -> Callable:
    place = runtimes.module(runtime)
    opened = place.open(path)
    if runtime == "torch":
        place, model = runtimes.module(WHERE), opened
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / f"file{place.SUFFIX}"
            graph.write_bytes(place.export(model.model, model.card))
            opened = place.open(graph)
    if hasattr(place, "call"):
        return place.call(opened)
    rows = data.raw(data.scale(data.y))[-opened.card.history :]
    return lambda: place.forecast(opened, rows, data.times[-len(rows) :])
