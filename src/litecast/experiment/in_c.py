"""A model file in C, which takes no runtime: on this machine, and on microcontrollers by an emulator that counts
instructions (`bundle.device`). These are no milliseconds: a board's clock, memory and pipeline decide on those."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from litecast import bundle
from litecast.bundle import device
from litecast.errors import LitecastError

HOST = "c"  # as `bundle.writers` calls it


def missing() -> dict[str, str]:
    """Runtime that is not here -> why, and what to install."""
    boards = dict.fromkeys(device.BOARDS, device.lacking())
    return {name: why for name, why in {HOST: device.lacking_compiler(), **boards}.items() if why}


def lines(file: Path, boards: bool) -> Iterator[tuple[dict, Callable | None]]:
    """What devices.csv holds of a model file in C, and, of this machine, a call that forecasts one window of one
    series. boards: of microcontrollers, too. What is missing here is left out.

    bytes: on this machine of the library that is loaded, on a board of the flash that it takes, model (model_bytes)
    and code; ram_bytes: stack, and the caller's history, times and forecast. gap: from the forecasts of the model file
    over the bundle's windows, of the largest value. Where there is no C of the network, one line says why.
    """
    gone = missing()
    here = [name for name in (HOST, *(device.BOARDS if boards else ())) if name not in gone]
    if not here:
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        said = bundle.write(file, folder)
        if why := said.get("reason") or said["left_out"].get(HOST):
            yield _line(HOST, why=why), None
            return
        for name in here:
            if name == HOST:
                yield _here(folder)
            else:
                yield from ((_on_board(folder, name, activations), None) for activations in device.ACTIVATIONS)


def _line(runtime: str, storage: str = "", **told) -> dict:
    return {"runtime": runtime, "storage": storage, "version": "", "runtime_bytes": 0, "why": ""} | told


def _here(folder: Path) -> tuple[dict, Callable | None]:
    try:
        built = device.Host(folder)
    except LitecastError as error:
        return _line(HOST, why=str(error)[:200]), None
    line = _line(HOST, precision="float32", coverage_macs=1.0, bytes=built.bytes, gap=built.gap())
    return line, built.prepared(built.windows[0])


def _on_board(folder: Path, board: str, activations: str) -> dict:
    """storage: of what enters a layer, '' = float32. How many products are then of 8 bit is not told: those of weights
    that are held so."""
    whole = activations == "float32"
    line = _line(board, "" if whole else activations)
    try:
        told = device.measured(folder, board, device.ACTIVATIONS[activations])
    except LitecastError as error:
        return line | {"why": str(error)[:200]}
    line |= {"precision": "float32", "coverage_macs": 1.0} if whole else {"precision": ""}
    return line | {"bytes": told["flash_model"] + told["flash_code"], "model_bytes": told["flash_model"],
                   "ram_bytes": told["ram"], "instructions": told["instructions"], "gap": told["gap"]}  # fmt: skip
