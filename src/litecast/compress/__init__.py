"""Compression techniques, found by their file: what each is given, what it gives back, and the control they share.

A technique is `compress/<technique>.py` with `compress(task: Task) -> Compressed` and these literals, which planning,
figures and the report read without importing it:

NEEDS     what a run waits for: ("dense",) or ("dense", "teachers")
TEACHABLE may a study name teachers that speak while it trains? Absent: no, unless it NEEDS some
FITS      capabilities of a model (its literal CAN), one of which it needs; () = any network
FITS_OF   variant -> what of FITS this one needs, where it needs less or something else than the others; or absent
LEVELS    how hard, rising; a study may ask for any number between the ends.  LEVEL: what a level is, in words
VARIANTS  the criteria it compares
CONTROLS  name -> what it is, in words. 'scratch' is made here; any other by the technique, as `task.control`
STORAGES  the files of one level, `Compressed.files`: name -> runtime that opens it. {} = what it makes is no row beside
          others, since it forecasts something else (one series of many): its run keeps a table of its own
CHAIN     does a level start from the one before, instead of from where the technique starts? or the variants that do
LOOK      its colour and marker in every figure (of the twenty in figures/style).  NOTE: what the report adds, or absent
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from litecast import models, training
from litecast.codecs.quantised import Quantised
from litecast.training import Budget, Spent, cost

if TYPE_CHECKING:
    from litecast.data.windows import Dataset
    from litecast.models.base import Forecaster

SCRATCH = "scratch"
SCRATCH_CAP = 5  # a small net from scratch may cost at most this many dense trainings
FROM_SCRATCH_SEED = 10_000  # keeps the draw of the scratch control away from the dense net's
# Keeps a random choice away from the numbers that the weights were drawn with: under one seed the first tensor's
# scores would *be* its initial weights, and the control would cut the most negative ones.
RANDOM_CHOICE_SEED = 20_000


@dataclass(frozen=True)
class Task:
    """All that a technique is given. start: what it compresses, left as it is; budget: of a dense training, with the
    steps of a retraining (`budget.again()`).

    teachers: networks, or the mean of several files (`teaching.Files`); `teaching.heard` is what they say.
    masks: parameter -> bool tensor: what the steps before left out (False) stays zero, see `masking`.
    look: network -> what a search may see of it (validation only); what looking costs is counted (experiment/look).
    route: techniques that were applied before `start`, in order; a level of the technique's own chain is none.
    trail: where a search keeps what it has evaluated (`search.Trail`), so that a killed one goes on; None = nowhere.
    """

    start: "Forecaster"
    data: "Dataset"
    budget: Budget
    seed: int
    level: int | float | str
    variant: str
    options: Mapping[str, Any] = field(default_factory=dict)
    teachers: tuple = ()
    masks: Mapping[str, torch.Tensor] = field(default_factory=dict)
    control: str = ""  # one of the technique's CONTROLS; "" = the technique itself
    look: Callable | None = None
    route: tuple[str, ...] = ()
    trail: Path | None = None


@dataclass(frozen=True)
class Export:
    """One file of a compressed network.

    A model file (content None) holds `held` by the codecs, pattern of names -> spec, and all else by its values.
    content: the bytes of another runtime's file, which forecasts raw values by itself. claims: the precision that its
    weights are said to be held in (the word of `codecs.precision`); the row says how many of them really are.
    """

    codecs: Mapping[str, dict] = field(default_factory=dict)
    held: Mapping[str, Quantised] = field(default_factory=dict)
    claims: str = "float32"
    runtime: str = "torch"
    content: bytes | None = None


@dataclass(frozen=True)
class Compressed:
    """All that a technique did, recorded. files: storage -> how it is written; masks: parameter -> bool tensor of what
    was kept; spent: training and teaching of this step alone; story: what the notebook tells, a table; parents: what
    it was made from, 'start' or 'teachers' or both, whose costs are part of its route."""

    model: "Forecaster"
    files: Mapping[str, Export]
    spent: Spent = Spent()  # noqa: RUF009 (frozen)
    masks: Mapping[str, torch.Tensor] = field(default_factory=dict)
    story: pd.DataFrame = field(default_factory=pd.DataFrame)
    parents: tuple[str, ...] = ("start",)


def scratch(small, masks: Mapping, data, budget: Budget, route_macs: int, dense_macs: int, seed: int):
    """Control: the architecture of `small` and its masks, trained from fresh weights for what the route cost.

    route_macs, dense_macs: training MACs of the whole route, and of dense alone. Liu et al., "Rethinking the value of
    network pruning", ICLR 2019. Returns (model, Fit).
    """
    torch.manual_seed(FROM_SCRATCH_SEED + seed)
    model = models.with_week(models.rebuild(models.describe(small)), data)
    allowed = min(route_macs, SCRATCH_CAP * dense_macs)
    step = training.BACKWARD * budget.batch * cost.profile(model).macs
    return model, training.fit(model, data, budget.of_steps(allowed // step), seed, *masking(masks))


def masking(masks: Mapping) -> list:
    """The rules under which a training keeps what is masked at zero: one, or none."""
    return [training.Mask(masks)] if masks else []


def clone(model):
    """A copy to compress; the original stays as it is."""
    return copy.deepcopy(model)
