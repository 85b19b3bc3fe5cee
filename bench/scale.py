"""How cost grows with the number of series: `python bench/scale.py [--small]` prints Markdown tables.

Long tables of 730 days are generated (keys warehouse/destination, three in ten intermittent, one in ten begins late),
then every stage of a study runs on them in a process of its own: seconds of its processor, peak memory above what was
held before (Linux), bytes of what it leaves. Exponents are slopes of logarithms from 100 series on: 1 is in proportion.
--small: 10 and 100 series alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

SIZES, FROM, DAYS = (10, 100, 1_000, 10_000), 100, 730
MODEL, WIDTH, STEPS = "profile_mlp", 16, 300


def main(small: bool) -> None:
    sizes, table = SIZES[:2] if small else SIZES, {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            write(Path(folder) / f"s{size}", size)
            for name in STAGES:
                table[name, size] = measured(name, Path(folder) / f"s{size}")
    told(table, sizes, "seconds", "s", "{:.2f}")
    told(table, sizes, "peak", "MB at most, above what was held before", "{:.0f}")
    told({key: row for key, row in table.items() if row["bytes"]}, sizes, "bytes", "bytes", "{:,.0f}")


def told(table: dict, sizes: tuple[int, ...], what: str, unit: str, form: str) -> None:
    """A row per stage, a column per size, and the exponent."""
    names = list(dict.fromkeys(name for name, _ in table))
    print(f"| {unit} | {' | '.join(f'{size:,}' for size in sizes)} | exponent |")
    print(f"|---|{'---:|' * (len(sizes) + 1)}")
    for name in names:
        values = [table[name, size][what] for size in sizes]
        print(f"| {name} | {' | '.join(map(form.format, values))} | {exponent(sizes, values)} |")
    print(flush=True)


def exponent(sizes: tuple[int, ...], values: list[float]) -> str:
    """Slope of log value over log size from FROM on; a dash of fewer than two sizes, or of nothing."""
    pairs = [(size, value) for size, value in zip(sizes, values, strict=True) if size >= FROM and value > 0]
    return f"{np.polyfit(*np.log(np.array(pairs, float).T), 1)[0]:.2f}" if len(pairs) > 1 else "–"


def write(path: Path, count: int) -> None:
    """<path>.csv and <path>.parquet of so many series."""
    rng, step = np.random.default_rng(0), np.arange(DAYS)[:, None]
    names = np.array([f"W{number // 100:03d}/D{number % 100:02d}" for number in range(count)])
    week = 1 + 0.4 * np.sin(2 * np.pi * (step % 7) / 7 + rng.uniform(0, 2 * np.pi, count))
    values = rng.poisson(np.exp(rng.normal(3, 1.2, count)) * week).astype(np.int32)
    values[rng.random((DAYS, count)) < np.where(rng.random(count) < 0.3, 0.7, 0)] = 0
    start = np.where(rng.random(count) < 0.1, rng.integers(0, 50, count), 0)
    times = pd.date_range("2022-01-01", periods=DAYS)
    table = pd.DataFrame({"date": np.repeat(times, count), "series": np.tile(names, DAYS), "value": values.ravel()})
    table = table[(step >= start).ravel()]
    table.to_parquet(path.with_suffix(".parquet"), index=False)
    table.to_csv(path.with_suffix(".csv"), index=False)


# ---- stages, each in a process of its own: (what is ready beforehand) -> the work, which returns bytes that it leaves

def read(ending: str) -> Callable:
    """From the file to the checked frame."""

    def ready(path: Path) -> Callable[[], int]:
        from litecast.data import files

        files.read(_tiny(path))  # imports
        return lambda: len(files.read(path.with_suffix(ending)).table) * 0

    return ready


def keep(path: Path) -> Callable[[], int]:
    """The copy of the checked frame that a study's runs read."""
    from litecast.data import checked

    entry, frame = _entry(path)
    return lambda: checked.keep("scale", entry, frame) or checked._place("scale", entry).stat().st_size


def load(path: Path) -> Callable[[], int]:
    """What every run begins with: the kept frame, and the dataset of it."""
    from litecast.data import checked, windows

    entry, _ = _entry(path, read=False)
    return lambda: windows.prepare(checked.frame("scale", entry)).C * 0


def train(path: Path) -> Callable[[], int]:
    """STEPS steps of 256 windows; 8,000 validation windows are looked at a dozen times."""
    from litecast import models, training

    data = _data(path)
    model = models.build(MODEL, WIDTH, data, 0)
    return lambda: training.fit(model, data, training.Budget(STEPS), 0).spent.steps * 0


def file(storage: str) -> Callable:
    """The model file with its card: the names and scales of all series, and what the network knows of each."""

    def ready(path: Path) -> Callable[[], int]:
        from litecast import modelfile, models
        from litecast.compress import storages

        data = _data(path)
        export, target = storages.export(model := models.build(MODEL, WIDTH, data, 0), storage), path.parent / "model"
        return lambda: modelfile.save(target, model, export.codecs, modelfile.Card.of(data), export.held)

    return ready


def row(path: Path) -> Callable[[], int]:
    """One row of a study: forecasts of all windows of validation and test of the series that are judged, errors, bands,
    and losses as stored."""
    from litecast import models, training
    from litecast.experiment.measure import PARTS
    from litecast.results import conformal, rows
    from litecast.training import errors

    whole, target = _data(path), path.parent / "losses.parquet"
    data, model = whole.judged, models.build(MODEL, WIDTH, whole, 0)

    def work() -> int:
        yhat = {part: training.predict(model, data, data.origins(part)) for part in PARTS}
        for part in PARTS:
            errors.errors(data, part, yhat[part])
        bands = conformal.radii(conformal.distances(data, "val", yhat["val"]), data.names)
        conformal.measured(data, bands, yhat["test"])
        losses = errors.losses(data, "test", yhat["test"]).assign(row_id="one")
        rows.write_stored(losses, "losses", target)
        return target.stat().st_size

    return work


STAGES = {
    "CSV to checked frame": read(".csv"), "Parquet to checked frame": read(".parquet"),
    "keep the checked frame": keep, "load it, as every run does": load, f"train {STEPS} steps": train,
    "model file, float32": file("float32"), "model file, int8": file("int8"), "a row, of 1,000 series at most": row,
}  # fmt: skip


def _entry(path: Path, read: bool = True):
    from litecast.data import files

    path = path.with_suffix(".parquet")
    return {"name": path.stem, **files.locate(path)}, files.read(path) if read else None


def _data(path: Path):
    from litecast.data import checked, windows

    return windows.prepare(checked.frame("scale", _entry(path, read=False)[0]))


def _tiny(path: Path) -> Path:
    small = path.parent / "tiny"
    if not small.with_suffix(".parquet").exists():
        write(small, 2)
    return small.with_suffix(".parquet")


def measured(name: str, path: Path) -> dict:
    """{seconds, peak, bytes} of a stage, from a child."""
    environment = os.environ | {"LITECAST_REPORTS": str(path.parent / "reports"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__, "--stage", name, str(path)], env=environment, check=True,
                          stdout=subprocess.PIPE, text=True)  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def stage(name: str, path: Path) -> None:
    """In the child."""
    work = STAGES[name](path)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    held, began = _memory("VmRSS"), time.process_time()
    left = work()
    print(json.dumps({"seconds": time.process_time() - began, "peak": _memory("VmHWM") - held, "bytes": left}))


def _memory(key: str) -> float:
    """MB, of this process alone: rusage begins with the mark of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(key))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--stage", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    stage(args.stage[0], Path(args.stage[1])) if args.stage else main(args.small)
