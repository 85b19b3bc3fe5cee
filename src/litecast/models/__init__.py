"""Forecasters, found by their file: `models/<name>.py` holds Config, Model and the literals KIND and WIDTHS.

KIND names the notebook that trains it: 'deep' is what compression starts from, 'compact' what it has to beat. A compact
family also says what its idea saves: `idea(config) -> base.Idea`. Forecasters without a network are in `classical/`.
"""

import importlib
from dataclasses import asdict

from litecast import catalogue
from litecast.errors import ModelFileError, StudyError

# What a family can say of itself in its literal CAN; a technique's FITS names those it needs one of.
CAPABILITIES = {
    "units": "names hidden units that can be sliced off (`units()`)",
    "convolutions": "a stem, residual blocks and a head whose channels torch-pruning's dependency graph follows",
    "recurrent": "carries a state from step to step",
    "attention": "multiplies activations by activations",
}


def names() -> list[str]:
    """Slugs of all network families: the files that name their widths."""
    return list(catalogue.members("models", "WIDTHS"))


def module(name: str):
    """The family's module; StudyError if there is no such file."""
    if name not in names():
        raise StudyError(f"model '{name}' is unknown{catalogue.near(name, names())}")
    return importlib.import_module(f"litecast.models.{name}")


def stage(name: str) -> str:
    """The notebook that trains the family, without its number."""
    return module(name).KIND


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
