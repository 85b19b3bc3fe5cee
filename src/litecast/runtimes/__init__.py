"""Runtimes, found by their file. `runtimes/<name>.py` holds the literals FORMAT, SUFFIX and TOLERANCE (relative, of its
forecasts against PyTorch's) and the functions

export(model, card) -> bytes      the runtime's own file, raw values in and out; not every runtime can
open(path) -> opened              ModelFileError where the file cannot be used
predict(opened, data, origins)    (N, H, C) float32, scaled units of `data`, from its raw values by the file's own card
forecast(opened, values, times)   as `modelfile.Loaded.forecast`
call(opened)                      a function without arguments: one forecast of one window of one series, raw to raw;
                                  only of networks
executed(opened, claims="")       Executed; claims: the precision that coverage is counted in, "" = the graph's own
"""

import importlib
from dataclasses import dataclass

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
    """The runtime's module; StudyError with the nearest word if there is no such file."""
    if name not in names():
        raise StudyError(f"runtime '{name}' is unknown{catalogue.near(name, names())}")
    return importlib.import_module(f"litecast.runtimes.{name}")
