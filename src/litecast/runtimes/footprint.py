"""What a file takes beside its own bytes: its runtime on disk, and the time and memory of a process that runs nothing
else. The process runs the runtime's literal ALONE, a program as a user writes it: a line of imports, then what opens
the file `path` and forecasts once from `feed`, name -> array of the inputs it reads."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from litecast.errors import RunError
from litecast.runtimes import inputs

LONGEST = 120  # seconds of such a process
# Memory is what Linux tells of it: what lies there (VmRSS), and the most that ever did (VmHWM); elsewhere no number.
HARNESS = """
import json, os, sys, time
def held():
    try: lines = [line.split(":") for line in open("/proc/self/status")]
    except OSError: return [float("nan")] * 2
    return [1024 * int(value.split()[0]) for name, value in lines if name in ("VmHWM", "VmRSS")]
imports, program, path, fed = sys.argv[1:]
known, before, began = {"path": path}, held(), time.perf_counter()
exec(imports, known)
imported = time.perf_counter()
import numpy
known["feed"] = dict(numpy.load(fed))
ready = time.perf_counter()
exec(program, known)
done, after = time.perf_counter(), held()
print(json.dumps({"import_s": imported - began, "open_s": done - ready,
                  "peak_bytes": after[0] - before[0], "resident_bytes": after[1] - before[1]}))
"""


@cache
def installed(distributions: tuple[str, ...]) -> int:
    """Bytes on disk of these distributions and of all that they ask for and that is here, extras left out."""
    return sum(map(_size, _closure(distributions)))


def alone(place: ModuleType, opened) -> dict[str, float]:
    """import_s, open_s (the file, and one forecast by it), resident_bytes, peak_bytes of a process that runs a file of
    the runtime `place` alone, above those of a bare interpreter. RunError if its program fails."""
    imports, program = place.ALONE.split("\n", 1)
    with tempfile.TemporaryDirectory() as folder:
        fed = Path(folder) / "feed.npz"
        np.savez(fed, **{name: part for name, part in window(opened).items()})
        command = [sys.executable, "-c", HARNESS, imports, program, str(opened.path), str(fed)]
        known = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        ran = subprocess.run(command, env=known, capture_output=True, text=True, timeout=LONGEST)
    if ran.returncode:
        raise RunError(f"{opened.path.name}: its program for {place.NAME} failed: {ran.stderr.strip()[-300:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def window(opened) -> dict[str, np.ndarray]:
    """Inputs of a made-up window, by name, in the order of a file's."""
    x, z, series, cells = inputs.window(opened.card, opened.reads)
    return {name: part for name, part in (("x", x), ("z", z), ("series", series), ("cells", cells)) if part is not None}


def _closure(distributions: tuple[str, ...]) -> set[str]:
    found, ask = set(), list(distributions)
    while ask:
        name = re.sub(r"[-_.]+", "-", ask.pop()).lower()
        here = next(iter(importlib.metadata.distributions(name=name)), None)
        if name not in found and here:
            found.add(name)
            ask += [re.match(r"[\w.-]+", text)[0] for text in here.requires or () if not re.search(r"\bextra\b", text)]
    return found


def _size(name: str) -> int:
    places = (Path(part.locate()) for part in importlib.metadata.distribution(name).files or ())
    return sum(place.stat().st_size for place in places if place.is_file())
