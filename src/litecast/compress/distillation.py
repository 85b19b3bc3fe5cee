"""Distillation: a narrower student learns from the data and from the forecasts of teachers.

Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", 2015; for forecasts of a mean the student is
drawn towards the teachers' mean forecast. Whether the teacher helps is what the control without one says.
"""

from litecast import models, training
from litecast.compress import Compressed, Task, clone, masking, storages

NEEDS = ("dense", "teachers")
FITS = ("width",)
LEVELS = (0.0, 0.5, 0.75)
LEVEL = "share of the width that the student lacks"
VARIANTS = ("mean",)
CONTROLS = {
    "no_teacher": "the same student, trained as long without a teacher",
    "scratch": "the same student trained from fresh weights, for what student and teachers cost",
}
STORAGES = {"float32": "torch", "int8": "torch"}
CHAIN = False
LOOK = 3

SHARE = 0.5  # of the loss: distance to the teachers
STUDENT_SEED = 30_000  # keeps the student's draw away from that of the dense network


def compress(task: Task) -> Compressed:
    """A fresh student that lacks the share `task.level` of the width, trained for as many steps as a dense network.

    Level 0 teaches the network it is given, for the steps of a retraining; what is masked there stays zero. Control
    'no_teacher'.
    """
    fresh = task.level > 0
    masks = {} if fresh else task.masks
    seed = STUDENT_SEED + task.seed
    student = models.narrowed(task.start, task.level, task.data, seed) if fresh else clone(task.start)
    teachers = () if task.control == "no_teacher" else task.teachers
    rules = [training.Distil(map(clone, teachers), SHARE, task.budget.loss)] if teachers else []
    rules += masking(masks)
    fit = training.fit(student, task.data, task.budget if fresh else task.budget.again(), task.seed, *rules)
    parents = ("start",) * (not fresh) + ("teachers",) * bool(teachers)
    files = {name: storages.export(student, name, sparse=bool(masks)) for name in STORAGES}
    return Compressed(student, files, fit.spent, masks, fit.log, parents)
