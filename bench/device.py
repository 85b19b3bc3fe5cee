"""A bundle's C on microcontrollers without a board, and on this machine; and when skipped zeros pay there.

    python bench/device.py STUDY | FILE

FILE: a model file that has C; STUDY: the file of each of its datasets that is best within 4 kB. Instructions are not
cycles.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from litecast import bundle, paths, results
from litecast.bundle import device
from litecast.errors import LitecastError
from litecast.runtimes import latency, onnxruntime

N = 64  # the layer that kernels are tried on: N x N
DENSITIES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.1, 0.05)
KERNELS = ("dense int8", "4 bit", "lists", "bitmap")


def main(told: str) -> None:
    if why := device.lacking():
        raise LitecastError(why)
    with tempfile.TemporaryDirectory() as place:
        for file in [Path(told)] if Path(told).is_file() else recommended(told):
            folder = Path(place) / "bundle"
            if not bundle.write(file, folder)["program"]:
                print(f"\n{file.name} has no C")
                continue
            print(f"\n{file.name}: {file.stat().st_size:,} bytes\n")
            print(pd.DataFrame(device.lines(folder)).to_markdown(index=False, floatfmt=".1e"))
            print(f"\n{host(folder)}")
        print(f"\n{kernels(Path(place)).to_markdown(index=False)}")


def recommended(study: str) -> list[Path]:
    table = paths.study_dir(study) / "results.csv"
    if not table.is_file():
        raise LitecastError(f"there is no {table}: `make report STUDY={study}` makes it; or name a model file")
    rows = results.read(table)
    best = rows[rows.row_id.isin(results.headline(rows).row_4kb)]
    for row in best[best.format != "litecast"].itertuples():
        print(f"{row.dataset}: {row.row_id} is best within 4 kB, and {'has no C' if row.artefact else 'takes no file'}")
    return [paths.study_dir(study) / name for name in best.artefact[best.format == "litecast"]]


def host(folder: Path) -> str:
    """C against ONNX Runtime, called from Python in turns: one window of one series, prepared inputs."""
    window = json.loads((folder / "vectors.json").read_text())["windows"][0]
    in_c = device.Host(folder).prepared(window)
    times = latency.interleave({"C": in_c, "ONNX Runtime": onnxruntime.call(onnxruntime.open(folder / "model.onnx"))},
                               runs=2000)  # fmt: skip
    c, ort = (1e3 * times.latency_ms_p50[name] for name in ("C", "ONNX Runtime"))
    return f"On this machine: C {c:.1f} us, ONNX Runtime {ort:.1f} us, {ort / c:.1f} times (calls from Python; p50)"


def kernels(place: Path) -> pd.DataFrame:
    """Instructions and bytes of the layer, by density: a column for each kernel."""
    found = []
    for runtime, name in (("cortex-m4f", "float32"), ("cortex-m4f", "int8"), ("cortex-m3", "int8")):
        for density in DENSITIES:
            line = {"runtime": runtime, "activations": name, "not zero": density}
            for number, kernel in enumerate(KERNELS):
                folder = _layer(place / "layer", density, most=7 if kernel == "4 bit" else 127)
                made = device.measured(folder, runtime, [*device.ACTIVATIONS[name], f"-DKERNEL={number}"])
                assert made["gap"] < (1e-5 if name == "float32" else 0.05), made
                line |= {kernel: made["instructions"], f"{kernel}, bytes": made["flash_model"]}
            found.append(line)
    return pd.DataFrame(found)


def _layer(folder: Path, density: float, most: int) -> Path:
    """kernels.c, its weights and a window, as `device` reads a bundle."""
    folder.mkdir(exist_ok=True)
    draw = np.random.default_rng(0)
    w = draw.integers(1, most + 1, (N, N)) * draw.choice([-1, 1], (N, N)) * (draw.random((N, N)) < density)
    x = draw.normal(size=N).astype(np.float32)
    mask = w != 0
    arrays = {"int8_t dense": w.ravel(), "uint8_t packed": ((w[:, ::2] & 15) | (w[:, 1::2] & 15) << 4).ravel(),
              "int8_t kept": w[mask], "uint8_t columns": np.nonzero(mask)[1],
              "uint16_t starts": np.append(0, np.cumsum(mask.sum(1))),
              "uint32_t bits": (mask.reshape(N, -1, 32) << np.arange(32, dtype=np.int64)).sum(2).ravel()}
    text = [f"static const {name}[] = {{{', '.join(map(str, values))}}};" for name, values in arrays.items()]
    source = Path(__file__).with_name("kernels.c").read_text()
    source = source.replace('#include "weights.h"', "\n".join([f"#define N {N}", *text]))
    (folder / "forecast.c").write_text("#pragma GCC diagnostic ignored \"-Wunused-const-variable\"\n" + source)
    (folder / "forecast.h").write_text(f"#define FORECAST_H {N}\n"
                                       "typedef struct { int year, month, day, hour, minute; } forecast_time;\n"
                                       "int forecast(const float *, int, const forecast_time *, int, float *);\n")
    window = {"series": "0", "times": None, "values": x.tolist(), "forecast": (w @ x.astype(float)).tolist()}
    (folder / "vectors.json").write_text(json.dumps({"windows": [window]}))
    (folder / "bundle.json").write_text(json.dumps({"card": {"series": ["0"], "H": N}}))
    return folder


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except LitecastError as error:
        sys.exit(f"litecast: {error}")
