"""The largest O/D text of KTDB in bounded memory: `python bench/collecting_od.py [--small]` prints a Markdown table.

A made-up ODTRIP file of 1,310 zones (1,716,100 rows) is written to a temporary folder and imported by a child process,
once as a file and once from a zip; then collected again (nothing to do) and loaded with its checks. Peak memory is
that of the child, Python and its packages included (beside it: the child with the packages alone).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

ZONES, FEW = 1310, 60
CODE = 1_101_000  # the first zone's 행정기관코드
CHILD = """
import json, resource, sys, time
from litecast.collect import collecting
from litecast.data import od
import pandas, pyarrow.parquet
what, name, file = sys.argv[1:]
start, rows = time.perf_counter(), 0
if what == "collect":
    made = collecting.collect("ktdb", name, {"files": file})
    rows = sum(part["rows"] for part in made.parts.values())
elif what == "load":
    rows = len(od.load(name).table)
seconds, kilobytes = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
megabytes = kilobytes / (1 << 20 if sys.platform == "darwin" else 1 << 10)
print(json.dumps({"rows": rows, "seconds": seconds, "peak": megabytes}))
"""


def main(zones: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "ODTRIP23_F.OUT"
        seconds = write(text, zones)
        package = text.with_name("2024-OD-PSN-OBJ-01.zip")
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            zipped.write(text, f"4. OD/{text.name}")
        size = text.stat().st_size / 1e6
        print(f"{zones:,} zones, {zones**2:,} rows, {size:,.0f} MB of text, written in {seconds:.1f} s; "
              f"Python {sys.version.split()[0]}\n")  # fmt: skip
        print("| step | rows | seconds | rows/s | peak MB |\n|---|---:|---:|---:|---:|")
        for step, what, name, file in (
                ("packages alone", "nothing", "file", text), ("collect the file", "collect", "file", text),
                ("collect it again", "collect", "file", text), ("collect the zip", "collect", "zip", package),
                ("load and check", "load", "file", text)):  # fmt: skip
            show(step, child(what, name, file, folder))
        stored = sum(path.stat().st_size for path in Path(folder).glob("data/store/file/*.parquet"))
        print(f"\nStored: {stored / 1e6:,.0f} MB of Parquet; the numbers alone fill {zones**2 * 48 / 1e6:,.0f} MB.")


def write(path: Path, zones: int) -> float:
    """A text as KTDB's, one origin after the other; nine tenths of the pairs have trips, as in the real one."""
    start, rng = time.perf_counter(), np.random.default_rng(0)
    ids = np.arange(1, zones + 1)
    with path.open("w", encoding="ascii", newline="\r\n") as file:
        for origin in ids:
            trips = rng.gamma(0.3, 20.0, (zones, 5)) * (rng.random((zones, 1)) < 0.9)
            rows = zip(ids.tolist(), (CODE + ids).tolist(), trips.round(3).tolist(), strict=True)
            start_of_line = f"{origin:>5} {CODE + origin:>10}"
            file.writelines(f"{start_of_line} {zone:>5} {code:>10} {' '.join(f'{v:>11.3f}' for v in row)}\n"
                            for zone, code, row in rows)  # fmt: skip
    return time.perf_counter() - start


def child(what: str, name: str, file: Path, folder: str) -> dict:
    """What a process of its own measured: its memory is not that of the writer."""
    words = [sys.executable, "-c", CHILD, what, name, str(file)]
    environment = os.environ | {"LITECAST_DATA": str(Path(folder) / "data")}
    answer = subprocess.run(words, env=environment, text=True, check=True, stdout=subprocess.PIPE)
    return json.loads(answer.stdout)


def show(step: str, took: dict) -> None:
    pace = f"{took['rows'] / took['seconds']:,.0f}" if took["rows"] and "again" not in step else ""
    print(f"| {step} | {took['rows']:,} | {took['seconds']:.1f} | {pace} | {took['peak']:,.0f} |")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--small", action="store_true", help=f"{FEW} zones instead of {ZONES:,}: a test of the bench")
    main(FEW if asked.parse_args().small else ZONES)
