"""PocketFlow: how to compress a network is itself searched for: what to prune, what to code it with, how to retrain.

Wu et al., "PocketFlow: An automated framework for compressing and accelerating deep learning models", 2018, whose
hyper-parameter optimiser is a tree-structured Parzen estimator, too. A point is a recipe: units pruned and retrained
(`channel_pruning`), then coded by a price on bits (`rate`) or in few bits (`low_bit`), each the technique as it is; one
evaluation is the recipe on a share of the steps, seen as the file that it makes. A file above the limit is a legal
evaluation, too. Of a finished search PocketFlow's program keeps the last weights; here the best recipe is made afresh.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from litecast import models
from litecast.compress import RANDOM_CHOICE_SEED, Compressed, Task, channel_pruning, low_bit, rate, teaching, trial
from litecast.search import Goal, Knob, Purse, Space, Trail, chance, run, tpe
from litecast.training import BACKWARD, Spent, cost

NEEDS = ("dense",)
TEACHABLE = True
FITS = ()
LEVELS = (1, 4, 16, 64)
LEVEL = "kB that the file may have"
VARIANTS = ("tpe",)
CONTROLS = {"random": "recipes drawn by chance, for as much training, the best of them made afresh"}
STORAGES = {"coded": "torch"}
CHAIN = False
LOOK = 15
NOTE = "Its files are decoded to floats before they run, as those of the techniques that it chooses from."

EVALUATIONS = 16  # recipes that prune nothing, a quarter of a training each: four dense trainings
SHORTER = 20  # steps of a dense training for each evaluation, so that a short study searches briefly
FINALS = 3  # recipes made with all steps until one keeps the limit: more steps may code in more bits
PRICES = (0.08, 0.04, 0.02, 0.01, 0.005, 0.0025)  # of a bit, the coarsest first, as low_bit's bits
BITS = (2, 3, 4, 5, 6, 8)


def compress(task: Task) -> Compressed:
    """Search for the recipe whose file errs least within `task.level` kB, and make it afresh with all steps.

    variant 'tpe'; control 'random'. Teachers, if a study names any, may speak while bits are priced. story: a line for
    each recipe that was tried, with `chosen`. Where no recipe keeps the limit it is the smallest file that was made.
    """
    space, goal = Space(knobs(task)), Goal(1000 * task.level)
    before, draw = task.look.spent.macs, np.random.default_rng(RANDOM_CHOICE_SEED + task.seed)
    trail = Trail(space, partial(tried, task), purse(task), task.trail)
    run((chance if task.control == "random" else tpe).propose(space, goal, draw), trail)
    spent = trial.spent(trail, task.look.spent.macs - before)
    point, made = best(task, space, goal, trail)
    story = trail.table.assign(chosen=[one.point == point for one in trail.tried])
    return replace(made, spent=spent + made.spent, story=story)


def purse(task: Task) -> Purse:
    """What a search may spend: the training products of EVALUATIONS recipes that prune nothing, and, since others cost
    less, a quarter more recipes than that."""
    count, steps = max(2, min(EVALUATIONS, task.budget.steps // SHORTER)), round(trial.SHARE * task.budget.steps)
    one = BACKWARD * max(2, steps) * task.budget.batch * cost.profile(task.start).macs
    return Purse(count + count // 4, count * one)


def knobs(task: Task) -> tuple[Knob, ...]:
    """What a recipe chooses. fineness: which of PRICES, or of BITS; pruning_steps: the share of all steps that the
    retraining after a pruning takes; rate: of learning, in rates of the budget."""
    able = set(models.module(models.describe(task.start)["family"]).CAN) & set(channel_pruning.FITS)
    pruned = (Knob("pruned", (0.75, 0.5, 0.25, 0.0)), Knob("pruning_steps", (0.2, 0.4))) if able else ()
    taught = (Knob("teaching", (0.0, teaching.SHARE), ordered=False),) if task.teachers else ()
    return (*pruned, Knob("coder", ("rate", "low_bit"), ordered=False), Knob("fineness", tuple(range(len(BITS)))),
            Knob("rate", (0.25, 0.5, 1.0, 2.0)), *taught)


def tried(task: Task, recipe: Mapping) -> dict:
    """What a `search.Trail` is told of one recipe, on a share of the steps."""
    made = cooked(task, recipe, trial.SHARE, task.seed)
    return trial.seen(made.model, made.files["coded"], made.spent, task)


def best(task: Task, space: Space, goal: Goal, trail: Trail) -> tuple:
    """(Point, Compressed) of the best recipe with all steps. If its file is above the limit, then the best of those
    that were as much smaller when they were tried; after FINALS of them the smallest."""
    limit, finals = goal.limit, []
    while len(finals) < FINALS and (not finals or finals[-1][0] > goal.limit):
        one = Goal(limit).best(trail.paid)
        made = cooked(task, space.read(one.point), 1, trial.SEARCHED_SEED + task.seed)
        finals.append((task.look.bytes(made.model, made.files["coded"]), one.point, made))
        limit = min(limit, one.cost) * goal.limit / finals[-1][0]
    _, point, made = finals[-1] if finals[-1][0] <= goal.limit else min(finals, key=lambda final: final[0])
    return point, replace(made, spent=sum((final[-1].spent for final in finals), Spent()))


def cooked(task: Task, recipe: Mapping, share: float, seed: int) -> Compressed:
    """The network and file of a recipe, with a share of a dense training's steps, and all that they took."""
    torch.manual_seed(seed)  # of dropout, too: whatever was made before, a recipe is what it is
    steps, spent = max(2, round(share * task.budget.steps)), Spent()
    task = replace(task, seed=seed, control="", budget=replace(task.budget, lr=recipe["rate"] * task.budget.lr))
    if removed := recipe.get("pruned", 0.0):
        first = max(1, round(recipe["pruning_steps"] * steps))
        steps -= first
        cut = channel_pruning.compress(_step(task, first, level=removed, variant="l2"))
        task, spent = replace(task, start=cut.model, masks=cut.masks), cut.spent
    by, fine = recipe["coder"], recipe["fineness"]
    if not recipe.get("teaching") or by != "rate":
        task = replace(task, teachers=())
    made = rate.compress(_step(task, steps, level=PRICES[fine], variant="factors")) if by == "rate" else \
        low_bit.compress(_step(task, steps, level=BITS[fine], variant="lsq"))
    return replace(made, files={"coded": next(iter(made.files.values()))}, spent=spent + made.spent)


def _step(task: Task, steps: int, **did) -> Task:
    """One technique's task: so many steps, whether it counts them as of a training or of a retraining."""
    return replace(task, budget=replace(task.budget, steps=steps, retrain_steps=steps), **did)
