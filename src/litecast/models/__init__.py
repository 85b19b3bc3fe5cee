"""Forecasters, found by their file: `models/<name>.py` holds Config, Model and the literals KIND and WIDTHS.

KIND names the notebook that trains it: 'deep' is what compression starts from, 'compact' what it has to beat. A compact
family also says what its idea saves: `idea(config) -> base.Idea`. Forecasters without a network are in `classical/`.
"""

import importlib
from dataclasses import asdict, fields

from litecast import catalogue
from litecast.errors import LitecastError, ModelFileError, StudyError
from litecast.models import information

# What a family can say of itself in its literal CAN; a technique's FITS names those it needs one of.
CAPABILITIES = {
    "width": "comes in any width (`Config.of_width`): a narrower one is the same family",
    "units": "names hidden units that can be sliced off (`units()`)",
    "convolutions": "convolutions and a head whose channels torch-pruning's dependency graph follows",
    "blocks": "a stack of residual blocks: one that adds nothing can be put behind them (`stack()`)",
    "recurrent": "carries a state from step to step",
    "attention": "multiplies activations by activations",
    "identity": "tells series apart by an embedding of their number (`Config.embedded`)",
}


# What of a config is the data's or the study's, not the width's: see base.Config.
SHARED = ("L", "H", "F", "patch", "anchor", "scale", "series", "weekdays", "kinds", "steps", "looks", "table",
          "special", "trained")  # fmt: skip


ALWAYS = ("L", "H", "F", "patch", "anchor")  # fields that a file says even where they have their default


def names() -> list[str]:
    """Slugs of all network families: the files that name their widths."""
    return list(catalogue.members("models", "WIDTHS"))


def module(name: str):
    """The module of a family ('nbeats'), whatever it is told ('nbeats@own'); StudyError if there is none."""
    if name not in catalogue.networks():
        raise StudyError(f"model '{name}' is unknown{catalogue.near(name, catalogue.networks())}")
    return importlib.import_module(f"litecast.models.{name.partition('@')[0]}")


def stage(name: str) -> str:
    """The notebook that trains the family, without its number."""
    return module(name).KIND


def build(name: str, width: int, data, generator_seed: int = 0):
    """A fresh forecaster for a prepared `Dataset`, its weights drawn from the seed, its usual week taken from train.

    name: of a family, and after an @ what it is told (`information.KNOWS`).
    """
    import torch

    family = module(name)
    torch.manual_seed(generator_seed)
    return with_week(family.Model(family.Config.of_width(width, **told(name, data))), data)


def with_week(model, data, prior=None):
    """The network, its usual week as the train steps of the data have it; where they are few, as `prior` (C or 1,
    types, steps)."""
    import torch

    from litecast.data import usual

    if model.usual is not None:
        how = {"shared": model.config.table == "shared", "special": model.config.special}
        middle = "median" if model.config.scale == "train" else "mean"
        model.usual.fill(torch.from_numpy(usual.table(data, **how, middle=middle, prior=prior)))
    return model


def told(name: str, data) -> dict:
    """What of a config follows from the data, and from the words after the @ of a model's name."""
    from litecast.data import daytypes
    from litecast.models.classical import croston

    h, word = data.header, name.partition("@")[2]
    mostly_zero = h.transform == "none" and croston.intermittent(data).mean() > 0.5
    shared = {"L": data.L, "H": data.H, "F": data.F, "patch": patch(data),
              "anchor": "last" if h.season == 1 else "mean",
              "scale": "train" if mostly_zero else "window", "series": data.C, "steps": daytypes.steps(h.frequency),
              "weekdays": len(daytypes.weekdays(h.frequency)), "kinds": len(daytypes.special(h.frequency, h.country)),
              "table": getattr(module(name), "TABLE", "none")}  # fmt: skip
    return shared | (information.KNOWS[word][0] if word else {})


def patch(data) -> int:
    """Steps of one natural patch of the data: a day of hours, a week of days; at least two fit into the window."""
    from litecast.data.frame import day

    return min(day(data.header.frequency), data.L // 2)


def narrowed(model, share: float, data, seed: int):
    """A fresh network of the same family whose width is smaller by `share`, as `build` makes it of data and seed.

    Raises LitecastError for a network that has no one width (pruned, or a family whose size follows from L and H).
    """
    import torch

    family, shared = module(describe(model)["family"]), {k: getattr(model.config, k) for k in SHARED}
    sizes = range(1, 2 * max(family.WIDTHS) + 1)
    width = next((w for w in sizes if len(family.WIDTHS) > 1 and _of_width(family, w, shared) == model.config), None)
    if width is None:
        raise LitecastError(f"this {family.__name__.rpartition('.')[2]} has no width that could be smaller by "
                            f"{share:g}: it was cut before, or its size follows from look-back and horizon")
    for smaller in range(max(1, round(width * (1 - share))), 0, -1):  # heads of attention need not divide every width
        torch.manual_seed(seed)
        try:
            return with_week(family.Model(_of_width(family, smaller, shared)), data)
        except (ValueError, RuntimeError, AssertionError):
            continue
    raise LitecastError(f"no smaller {family.__name__.rpartition('.')[2]} can be built than of width {width}")


def _of_width(family, width: int, shared: dict):
    try:
        return family.Config.of_width(width, **shared)
    except (ValueError, ZeroDivisionError):  # no such width in this family
        return None


def describe(model) -> dict:
    """{'family', 'config'}, 'activations' where any are quantised: what builds the same network, JSON-able."""
    from litecast.models import wrappers

    described = {"family": type(model).__module__.rsplit(".", 1)[1], "config": _said(model.config)}
    activations = wrappers.attached(model)
    return described | ({"activations": activations} if activations else {})


def _said(config) -> dict:
    """Fields of a config, JSON-able; what is the same in most networks is left out where it has its default."""
    left_out = {f.name for f in fields(config) if f.name not in ALWAYS and getattr(config, f.name) == f.default}
    return {name: value for name, value in asdict(config).items() if name not in left_out}


def rebuild(description: dict):
    """The network of a description, on the device in force (meta allocates nothing)."""
    from litecast.models import wrappers

    try:
        family = module(description["family"])
        config = {k: _frozen(v) for k, v in description["config"].items()}
        model = family.Model(family.Config(**config))
        wrappers.attach(model, description.get("activations", {}))
        return model
    except (StudyError, KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, RuntimeError) as error:
        raise ModelFileError(f"the file describes a network this version cannot build: {error}") from error


def _frozen(value):
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
