"""Runtimes, found by their file. `runtimes/<name>.py` holds the literals FORMAT, SUFFIX, TOLERANCE (relative, of its
forecasts against PyTorch's) and NEEDS (distributions that whoever runs such a file installs) and the functions

export(model, card) -> bytes      the runtime's own file, raw values in and out; not every runtime can
open(path) -> opened              ModelFileError where the file cannot be used
predict(opened, data, origins)    (N, H, C) float32, scaled units of `data`, from its raw values by the file's own card
forecast(opened, values, times)   as `modelfile.Loaded.forecast`
call(opened)                      a function without arguments: one forecast of one window of one series, raw to raw;
                                  only of networks
executed(opened, claims="")       Executed; claims: the precision that coverage is counted in, "" = the graph's own

A runtime that not everyone has may be missing, which is no error: see `lacking`. It says so by NEEDS, or by a function
`lacks() -> str` (a compiler, a GPU): why it is not here, "" where it is. More literals that it may have: OPTIONAL, it
is not among what the suite is installed with; DEAR, to make or open a file takes seconds; STORAGES, of the files that
`export(model, card, storage)` makes; ALONE, a program of a user, see `footprint`.
"""

import importlib
import importlib.metadata
from dataclasses import dataclass
from functools import cache

from litecast import catalogue
from litecast.errors import StudyError


@dataclass(frozen=True)
class Executed:
    """What really runs: "float32", "int8", "int8+float32" ("" = no network), and the share of the weights held, and of
    the multiply-accumulates run, in the precision that is claimed (NaN = no network)."""

    precision: str
    coverage_weights: float
    coverage_macs: float


def names() -> list[str]:
    return list(catalogue.members("runtimes", "FORMAT"))


def module(name: str):
    """The runtime's module; StudyError with the nearest word if there is no such file, or what its libraries lack."""
    known = catalogue.members("runtimes", "FORMAT")
    if name not in known:
        raise StudyError(f"runtime '{name}' is unknown{catalogue.near(name, known)}")
    if gone := _not_installed(known[name].get("NEEDS", ())):
        raise StudyError(f"runtime '{name}' cannot be used: {gone}")
    return importlib.import_module(f"litecast.runtimes.{name}")


def lacking(name: str) -> str:
    """Why the runtime cannot be used here and what to do, "" if it can."""
    gone = _not_installed(catalogue.members("runtimes", "FORMAT")[name].get("NEEDS", ()))
    return gone or getattr(module(name), "lacks", str)()


def optional(name: str) -> bool:
    """Is it none of those that everyone has, in which every file is a row? 510_devices measures it where it is."""
    return catalogue.members("runtimes", "FORMAT")[name].get("OPTIONAL", False)


def available() -> list[str]:
    return [name for name in names() if not lacking(name)]


@cache
def _not_installed(distributions: tuple[str, ...]) -> str:
    gone = [name for name in distributions if not [*importlib.metadata.distributions(name=name)]]
    return f"not installed; `python -m pip install {' '.join(gone)}`" if gone else ""
