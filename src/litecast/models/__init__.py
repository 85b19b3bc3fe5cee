"""Forecasters, found by their file: `models/<name>.py` holds Config, Model and the literals KIND and WIDTHS.

KIND 'deep' is what compression starts from (stage 21_deep), 'compact' what it has to beat (stage 22_compact). A compact
family also says what its idea saves: `idea(config) -> base.Idea`. Forecasters without a network are in `classical/`.
"""

import importlib
from dataclasses import asdict
from pathlib import Path

from litecast.errors import ModelFileError, StudyError

STAGES = {"deep": "21_deep", "compact": "22_compact"}


def names() -> list[str]:
    """Slugs of all network families: the files that name their widths."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [path.stem for path in files if "\nWIDTHS = " in path.read_text(encoding="utf-8")]


def module(name: str):
    """The family's module; StudyError if there is no such file."""
    if name not in names():
        raise StudyError(f"model '{name}' is unknown: src/litecast/models/ has {', '.join(names())}")
    return importlib.import_module(f"litecast.models.{name}")


def stage(name: str) -> str:
    """The notebook that trains the family."""
    return STAGES[module(name).KIND]


def build(name: str, width: int, data, generator_seed: int = 0):
    """A fresh forecaster of the family for a prepared `Dataset`, its weights drawn from the seed."""
    import torch

    family = module(name)
    anchor = "last" if data.header.season == 1 else "mean"
    torch.manual_seed(generator_seed)
    return family.Model(family.Config.of_width(width, L=data.L, H=data.H, F=data.F, patch=patch(data), anchor=anchor))


def patch(data) -> int:
    """Steps of one natural patch of the data: a day of hours, a week of days; at least two fit into the window."""
    from litecast.data.frame import day

    return min(day(data.header.frequency), data.L // 2)


def describe(model) -> dict:
    """{'family', 'config'}: all that is needed to build the same architecture again, JSON-able."""
    return {"family": type(model).__module__.rsplit(".", 1)[1], "config": asdict(model.config)}


def rebuild(description: dict):
    """The architecture of a description, on the device in force (meta allocates nothing)."""
    try:
        family = module(description["family"])
        config = {k: _frozen(v) for k, v in description["config"].items()}
        return family.Model(family.Config(**config))
    except (StudyError, KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, RuntimeError) as error:
        raise ModelFileError(f"the file describes a network this version cannot build: {error}") from error


def _frozen(value):
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
