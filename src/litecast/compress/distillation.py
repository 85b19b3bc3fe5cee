"""Distillation: a narrower student learns from the data and from what teachers say of the same windows.

Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", 2015. A forecast is no probability, so what of a
teacher there is to learn is a choice: its mean, quantiles around it, what its last layer reads, its forecast at several
scales, or its opinion of windows that have no truth (`lessons`). Whether it helps is what the control without one says.
"""

from dataclasses import replace

import pandas as pd
import torch

from litecast import models, training
from litecast.compress import Compressed, Task, clone, lessons, masking, storages, teaching
from litecast.compress.teaching import SHARE
from litecast.errors import LitecastError

NEEDS = ("dense", "teachers")
FITS = ("width",)
LEVELS = (0.0, 0.5, 0.75)
LEVEL = "share of the width that the student lacks"
VARIANTS = ("mean", "quantile", "soft", "hint", "scales", "augmented")
CONTROLS = {
    "no_teacher": "the same student, trained as long without a teacher",
    "scratch": "the same student trained from fresh weights, for what student and teachers cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = False
LOOK = 3

STUDENT_SEED = 30_000  # keeps the student's draw away from that of the dense network
UNSEEN_SEED = 60_000  # and windows without a truth from either
WIDTHS = {"quantile": 1.0, "soft": 1.5}  # temperature: how wide a teacher's quantiles are, of what its errors say


def compress(task: Task) -> Compressed:
    """A fresh student that lacks the share `task.level` of the width, trained for as many steps as a dense network.

    Level 0 teaches the network it is given, for the steps of a retraining; what is masked there stays zero. Control
    'no_teacher'. The file holds the median alone. story: step, train_loss, val_loss, gmacs so far (asking the
    teachers included); pinball of nine quantiles and coverage of the outer two on validation, of the student's own
    or, where it has none, of its pooled errors on train (`teaching.spread`). Raises LitecastError for a hint from a
    teacher that is no network.
    """
    fresh, seed = task.level > 0, STUDENT_SEED + task.seed
    student = models.narrowed(task.start, task.level, task.data, seed) if fresh else clone(task.start)
    masks, rule = {} if fresh else task.masks, _rule(task)
    rules = [*([rule] if rule else []), *masking(masks)]
    torch.manual_seed(seed)  # of heads and projections
    fit = training.fit(student, task.data, task.budget if fresh else task.budget.again(), task.seed, *rules)
    parents = ("start",) * (not fresh) + ("teachers",) * (task.control != "no_teacher")
    files = {name: storages.export(student, name, sparse=bool(masks)) for name in STORAGES}
    return Compressed(student, files, fit.spent, masks, _story(task, student, fit, rule), parents)


def _rule(task: Task) -> training.Distil | None:
    """What the variant asks of the student; without a teacher its quantiles, if it has any, learn from the truth."""
    quantiles, alone = task.variant in WIDTHS, task.control == "no_teacher"
    if alone:
        return lessons.Quantiles((), distance=task.budget.loss) if quantiles else None
    said, how = teaching.heard(task), {"share": SHARE, "distance": task.budget.loss}
    if quantiles:
        return lessons.Quantiles(said, teaching.spread(task.teachers, task.data, WIDTHS[task.variant]), **how)
    if task.variant == "hint":
        guides = teaching.networks(task.teachers)
        if not guides:
            raise LitecastError("a hint is what a layer of the teacher reads, and none of these teachers is a network: "
                                "name one, or leave the variant out")
        return lessons.Hint(said, clone(guides[0]), **how)
    if task.variant == "augmented":
        copies = [teaching.unseen(task.data, kind, UNSEEN_SEED + task.seed) for kind in teaching.COPIES]
        asked = [(copy, *teaching.heard(replace(task, data=copy))) for copy in copies]
        return lessons.Augmented(said, asked, **how)
    return {"mean": training.Distil, "scales": lessons.Scales}[task.variant](said, **how)


def _story(task: Task, student, fit: training.Fit, rule) -> pd.DataFrame:
    data, once = task.data.judged, rule.once() if rule else 0
    origins = teaching.drawn(data, "val")
    if isinstance(rule, lessons.Quantiles):
        quantiles = rule.predict(student, data, origins)
    else:
        own = teaching.spread([student], data)
        quantiles = own.around(training.predict(student, data, origins), origins)
    pinball, coverage = teaching.judged(quantiles, data.scale(data.targets(origins)))
    gmacs = (once + fit.log.step / fit.spent.steps * (fit.spent.macs - once)) / 1e9
    return fit.log.assign(gmacs=gmacs, pinball=pinball, coverage=coverage)
