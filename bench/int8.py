"""What int8 is worth in ONNX Runtime on this processor: `python bench/int8.py` prints a Markdown table.

Untrained wide networks, one thread, one window of one series, all files of a network in turns: p50 of float32, how
many times quicker each int8 file is, and how far its forecasts lie from those of float32. Weights: codes to 64 (ours),
to 127, and unsigned. To 127 overflows where the processor has no VNNI (flags of /proc/cpuinfo): the distance shows it.
"""

import tempfile
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from onnxruntime.quantization import QuantType, quantize_static

from litecast import models
from litecast.compress import int8
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.modelfile import Card
from litecast.runtimes import latency, onnxruntime

NETS = {"resnet1d": 256, "mobilenet_v1": 256, "nbeats": 512, "patchtst": 128}  # family -> width
WIDE = {"reduce_range": False}
WEIGHTS = {"to 64": {}, "to 127": WIDE, "unsigned": WIDE | {"weight_type": QuantType.QUInt8}}


def main() -> None:
    """Print the table."""
    flags = Path("/proc/cpuinfo").read_text().split()
    print(f"VNNI: {', '.join(sorted({flag for flag in flags if 'vnni' in flag})) or 'no'}\n")
    print("| family | width | float32 ms |" + "".join(f" {name} | moved |" for name in WEIGHTS))
    print("|---|---:|---:|" + "---:|---:|" * len(WEIGHTS))
    hours = np.arange(3000)[:, None]
    values = 50 + 10 * np.sin(2 * np.pi * hours / 24 + np.arange(2)) + np.random.default_rng(0).normal(0, 1, (3000, 2))
    wide = pd.DataFrame(values, pd.date_range("2024-01-01", periods=3000, freq="h"), ["a", "b"])
    data = prepare(from_wide(Header("made-up", "items", "h", 24, 168, 24), wide))
    for family, width in NETS.items():
        row(models.build(family, width, data), family, width, data)


def row(model, family: str, width: int, data) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, files = Path(folder) / "float32.onnx", {}
        plain.write_bytes(onnxruntime.export(model, Card.of(data)))
        limits = {name: int8.minmax(seen) for name, seen in int8.calibrated(plain, data, 0).items()}
        for name, how in WEIGHTS.items():
            path = Path(folder) / f"{name}.onnx"
            changed = partial(_quantised, how)
            with mock.patch.object(int8.quantization, "quantize_static", changed):
                int8.quantise(plain, path, limits)
            path.write_bytes(onnxruntime.sealed(int8.onnx.load(str(path)), Card.of(data)))
            files[name] = onnxruntime.open(path)
        before = onnxruntime.open(plain)
        calls = {name: onnxruntime.call(opened) for name, opened in {"float32": before, **files}.items()}
        p50, origins = latency.interleave(calls, runs=1000).latency_ms_p50, data.origins("val")
        expected = onnxruntime.predict(before, data, origins)
        moved = {name: _moved(onnxruntime.predict(opened, data, origins), expected) for name, opened in files.items()}
        cells = [f"{p50['float32'] / p50[name]:.2f} | {moved[name]:.1%}" for name in files]
    print(f"| {family} | {width} | {p50['float32']:.2f} | {' | '.join(cells)} |", flush=True)


def _quantised(how: dict, *given, **words) -> None:
    quantize_static(*given, **words | how)


def _moved(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).mean() / np.abs(expected).mean())


if __name__ == "__main__":
    main()
