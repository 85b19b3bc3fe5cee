"""What collecting costs: `python bench/collecting.py [--small]` prints a Markdown table.

A year of hourly counts of toll offices is written as the portal hands it out (gzip named .zip, cp949, quoted, padded
codes), then collected in a process of its own: seconds, rows per second, peak memory. --small: three days.
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

OFFICES = 400
COLUMNS = ["집계일자", "집계시", "영업소코드", "입출구구분코드", "TCS하이패스구분코드", "고속도로운영기관구분코드",
           "영업형태구분코드", *(f"{i}종교통량" for i in range(1, 7)), "총교통량"]  # fmt: skip
HEADER = (",".join(f'"{name}"' for name in COLUMNS) + ",\n").encode("cp949")


def main(small: bool) -> None:
    """Print files, rows, seconds, rows/s and peak MB."""
    print("| what | value |\n|---|---:|")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        rows = write(Path(folder), 3 if small else 366, 5 if small else OFFICES)
        files = list(Path(folder).glob("*.zip"))
        _show("files of toll offices", f"{len(files)}, {sum(f.stat().st_size for f in files) / 1e6:.0f} MB packed")
        _show("rows", f"{rows:,}")
        _show("writing them", f"{time.perf_counter() - began:.1f} s")
        seconds, peak = measured(folder)
        _show("collecting them", f"{seconds:.1f} s, {rows / seconds:,.0f} rows/s, peak {peak:.0f} MB")
        _show("collecting again, nothing new", "{:.1f} s, peak {:.0f} MB".format(*measured(folder)))


def write(folder: Path, days: int, offices: int) -> int:
    """Daily files of 2024 from one day's text; only the date differs between days. Returns the number of rows."""
    day = _day(offices)
    for number in range(days):
        on = f"{date(2024, 1, 1) + timedelta(number):%Y-%m-%d}"
        path = folder / f"TCS_영업소별교통량_1시간_1일_{on.replace('-', '')}.zip"
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(HEADER + day.replace(b"2024-01-01", on.encode()))
    return days * day.count(b"\n")


def _day(offices: int) -> bytes:
    """Text of one day: hour x office x in/out x TCS/Hi-pass."""
    rng = np.random.default_rng(0)
    lines = []
    for hour in range(24):
        level = 50 + 400 * np.exp(-(((hour - 8) / 4) ** 2)) + 450 * np.exp(-(((hour - 18) / 4) ** 2))
        for office in range(101, 101 + offices):
            for way, tcs in ((0, 1), (0, 2), (1, 1), (1, 2)):
                kinds = rng.poisson(level * np.array([0.8, 0.06, 0.05, 0.03, 0.04, 0.02]))
                cells = ["2024-01-01", f"{hour:02}", f"{office} ", way, tcs, "00", 1, *kinds, kinds.sum()]
                lines.append(",".join(f'"{cell}"' for cell in cells) + ",\n")
    return "".join(lines).encode("cp949")


def measured(folder: str) -> tuple[float, float]:
    """Seconds and peak MB of collecting all files of a folder in a child of its own."""
    code = ("import resource, sys\nfrom litecast.collect import collecting\n"
            "collecting.collect('toll-files', 'tolls', {'files': sys.argv[1] + '/*.zip'})\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, folder], env=os.environ | {"LITECAST_DATA": f"{folder}/data"},
                          check=True, stdout=subprocess.PIPE, text=True)  # fmt: skip
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return time.perf_counter() - began, int(done.stdout) * unit / 1e6


def _show(what: str, value: str) -> None:
    print(f"| {what} | {value} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="three days of five offices")
    main(parser.parse_args().small)
