"""A bundle's C on a microcontroller without a board: built for a Cortex-M, run in an emulator that counts instructions.

Instructions are not cycles: a load or a division takes several. They are exact and repeatable, whatever else the host
does. Also the same C on this machine, as a function.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from litecast.errors import LitecastError, RunError

PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"  # of Debian
GCC, QEMU = "arm-none-eabi-gcc", "qemu-system-arm"
# Runtime -> machine of qemu, flags of gcc.
BOARDS = {"cortex-m4f": ("mps2-an386", ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]),
          "cortex-m3": ("mps2-an385", ["-mcpu=cortex-m3"])}  # fmt: skip
ACTIVATIONS = {"float32": [], "int8": ["-DFORECAST_INT8"]}
FLAGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wdouble-promotion", "-Werror"]
TICK = 40  # instructions: SysTick runs at 25 MHz, and by `-icount shift=0` an instruction takes a nanosecond
HOST = ["-std=c99", "-O3", "-march=native", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"]
# Of one call: time, stack, forecast. flash_code: with what it needs of the C library; ram: stack, and the caller's
# history, times and forecast; gap: from the forecasts of the model file, of the largest value.
COLUMNS = "runtime activations flash_model flash_code ram stack instructions gap".split()


def lacking() -> str:
    """What is not here and how to get it, "" where nothing is lacking."""
    gone = [tool for tool in (GCC, QEMU) if not shutil.which(tool)]
    return f"no {' and no '.join(gone)} here: `apt-get install {PACKAGES}` (Debian)" if gone else ""


def compiler() -> str:
    """Of this machine."""
    return os.environ.get("CC", "cc")


def lacking_compiler() -> str:
    """As `lacking`, of what C on this machine takes."""
    return "" if shutil.which(compiler()) else f"no C compiler: install gcc, or name one in CC (it is '{compiler()}')"


def lines(folder) -> list[dict]:
    """COLUMNS of a bundle with C, on each of BOARDS with each of ACTIVATIONS, over its test vectors (the dearest one
    counts). Raises LitecastError where tools or the bundle's C are not there, RunError where it does not run."""
    if why := lacking():
        raise LitecastError(why)
    return [{"runtime": runtime, "activations": name, **measured(folder, runtime, flags)}
            for runtime in BOARDS for name, flags in ACTIVATIONS.items()]


def measured(folder, runtime: str, flags: list[str]) -> dict:
    """The rest of a line."""
    folder = Path(folder)
    windows, numbers, card = _stored(folder)
    rows = len(windows[0]["values"])
    machine, cpu = BOARDS[runtime]
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        (place / "windows.h").write_text(_header(windows, numbers, card), encoding="utf-8")
        image, nothing = (_built(folder, place, name, [*cpu, *flags, *more])
                          for name, more in (("forecast", []), ("nothing", ["-DNOTHING"])))  # fmt: skip
        told = [line.split() for line in _run(machine, image).splitlines()]
        held = _model(image, folder)
        flash = sum(_sizes(image)[:2]) - sum(_sizes(nothing)[:2])
    if len(told) != len(windows) or any(len(line) != 3 + card["H"] for line in told):
        raise RunError(f"{runtime} ended before it had forecast: {told[-1:]}")
    numbers = np.array([[int(word, 16) for word in line] for line in told], np.uint32)
    stack = int(numbers[:, 1].max())
    given = 4 * (rows + card["H"]) + 20 * len(_last(windows[0], card))
    return {"flash_model": held, "flash_code": flash - held, "ram": stack + given, "stack": stack,
            "instructions": TICK * int(numbers[:, 0].max()),
            "gap": gap(np.ascontiguousarray(numbers[:, 3:]).view(np.float32), windows)}


def gap(found: np.ndarray, windows: list[dict]) -> float:
    """From the forecasts of the model file (N, H), as a share of the largest value of each; NaN counts as infinite."""
    expected = np.array([window["forecast"] for window in windows])
    far = np.abs(found - expected).max(1) / np.abs(expected).max(1)
    return float(np.nan_to_num(far, nan=np.inf).max())


class Host:
    """The bundle's C on this machine: a window of vectors.json -> what it said, y (H,) float32; bytes: of the library
    that it is compiled to, model and code. Raises LitecastError without a C compiler."""

    def __init__(self, folder, flags: list[str] = HOST):
        folder = Path(folder)
        self.windows, _, self.card = _stored(folder)
        with tempfile.TemporaryDirectory() as place:  # it may go once it is loaded
            library = Path(place) / "forecast.so"
            _call([compiler(), *flags, "-s", "-shared", "-fPIC", str(folder / "forecast.c"), "-o", str(library), "-lm"])
            self.library, self.bytes = ctypes.CDLL(str(library)), library.stat().st_size

    def __call__(self, window: dict) -> tuple[int, np.ndarray]:
        return self.prepared(window)()

    def gap(self) -> float:
        """Of all its windows, see `gap`."""
        return gap(np.array([self(window)[1] for window in self.windows]), self.windows)

    def prepared(self, window: dict) -> Callable[[], tuple[int, np.ndarray]]:
        """The call alone, its arguments at hand."""
        values, y = _values(window), np.full(self.card["H"], np.nan, np.float32)
        last = np.array(_last(window, self.card), np.int32)
        series, times = self.card["series"].index(window["series"]), last.ctypes.data if window["times"] else None
        given = (ctypes.c_void_p(values.ctypes.data), len(values), ctypes.c_void_p(times), series,
                 ctypes.c_void_p(y.ctypes.data))  # fmt: skip
        called = self.library.forecast
        return lambda: (called(*given), y, values, last)[:2]  # which has to live as long


def _stored(folder: Path) -> tuple[list[dict], list[int], dict]:
    """Test vectors, the number of each one's series, the card."""
    if not (folder / "forecast.c").is_file():
        raise LitecastError(f"{folder} holds no forecast.c: make it with `python -m litecast.bundle FILE {folder}`")
    windows = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))["windows"]
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["card"]
    return windows, [card["series"].index(window["series"]) for window in windows], card


def _values(window: dict) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in window["values"]], np.float32)


def _last(window: dict, card: dict) -> list[tuple[int, ...]]:
    """Year, month, day, hour, minute of the last row, of trading days of the last L; zeros where there are no times."""
    count = card["L"] if card.get("frequency") == "trading-day" else 1
    return [datetime.fromisoformat(time).timetuple()[:5] for time in window["times"][-count:]] if window["times"] else [
        (0,) * 5] * count  # fmt: skip


def _header(windows: list[dict], numbers: list[int], card: dict) -> str:
    values = [["__builtin_nanf(\"\")" if np.isnan(v) else f"{float(v)!r}f" for v in _values(window)]
              for window in windows]  # fmt: skip
    lasts, braced = [_last(window, card) for window in windows], lambda texts: "{" + ", ".join(map(str, texts)) + "}"
    times = braced(braced(braced(time) for time in last) for last in lasts)
    return (f"#define COUNT {len(values[0])}\nstatic const float given[][COUNT] = {braced(map(braced, values))};\n"
            f"static const int series[] = {braced(numbers)};\n"
            f"static const forecast_time lasts[][{len(lasts[0])}] = {times};\n")


def _built(folder: Path, place: Path, name: str, flags: list[str]) -> Path:
    here, image = Path(__file__).parent, place / f"{name}.elf"
    sections = ["-ffunction-sections", "-fdata-sections", "-nostartfiles", "-Wl,--gc-sections", "--specs=nosys.specs"]
    _call([GCC, *FLAGS, *flags, *sections, "-I", str(place), "-I", str(folder), "-T", str(here / "board.ld"),
           str(here / "board.c"), str(folder / "forecast.c"), "-lm", "-o", str(image)])
    return image


def _run(machine: str, image: Path) -> str:
    return _call([QEMU, "-M", machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0",
                  "-semihosting-config", "enable=on,target=native", "-kernel", str(image)], output="stderr")


def _sizes(image: Path) -> list[int]:
    """text, data and bss."""
    told = _call(["arm-none-eabi-size", str(image)]).splitlines()[1].split()
    return [int(word) for word in told[:3]]


def _model(image: Path, folder: Path) -> int:
    """Bytes of what forecast.c holds: weights, scaler, holidays, and the tables of cosines."""
    own = set(re.findall(r"^static const \w+ (\w+)(?:\[| =)", (folder / "forecast.c").read_text("utf-8"), re.M))
    held = (line.split() for line in _call(["arm-none-eabi-nm", "-S", str(image)]).splitlines())
    return sum(int(words[1], 16) for words in held if len(words) == 4 and words[3].split(".")[0] in own)


def _call(command: list[str], output: str = "stdout") -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise LitecastError(f"there is no {command[0]} here: install it, or put its folder on PATH") from None
    except subprocess.TimeoutExpired:
        raise RunError(f"{command[0]} did not end within 300 s") from None
    if done.returncode:
        raise RunError(f"{' '.join(command[:4])} ... failed: {(done.stderr or done.stdout)[-2000:]}")
    return getattr(done, output)
