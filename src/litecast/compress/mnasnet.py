"""MNasNet: a controller searches for the network itself, under a budget of bytes, block by block.

Tan et al., "MnasNet: Platform-aware neural architecture search for mobile", CVPR 2019; the space is `nets.BLOCKS`, the
controller and its rewards are `search.controller`. Each network that it proposes is trained for a quarter of the steps
and judged as its int8 file; the best within the budget is then trained whole, from first weights that no search has
seen, and only that is a row. Everything is bytes and steps, nothing is seconds: the same seed finds the same network.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from litecast import training
from litecast.compress import Compressed, Task, nets, storages, trial
from litecast.errors import LitecastError
from litecast.search import Goal, Purse, Trail, chance, controller, run
from litecast.training import BACKWARD, cost

NEEDS = ("dense",)
FITS = ()
LEVELS = (1, 4, 16, 64)
LEVEL = "kB that the file may have"
VARIANTS = ("absolute", "soft", "hard")  # the reward: of TuNAS, and both of MNasNet
CONTROLS = {"random": "networks by chance for the same products, the best of them trained whole in the same way"}
STORAGES = {"int8": "torch"}  # entropy coding saves 1 to 5 % of such small files
CHAIN = False
LOOK = 13
NOTE = "of the dense network nothing but what it is told is used: the network is searched for"

SPACE = nets.BLOCKS
EVALUATIONS = 24  # networks of average cost: with the last training a minute on one core for 22 hourly series
STEPS = 10  # of a dense training for each: where these are few, so are the networks
DRAWN = 20  # networks whose mean is the average
SEARCH_SEED = 80_000  # keeps the search's draw away from those of weights and batches


def compress(task: Task) -> Compressed:
    """Search for the network with the lowest error in `task.level` kB, and train it from fresh weights.

    story: a line per proposal, see `Trail.table`, and `chosen`. Control 'random' spends the same products on chance.
    Raises LitecastError where not even the smallest network of the space is small enough.
    """
    looked, trail = task.look.spent.macs, searched(task)
    best = Goal(1000 * task.level).best(trail.paid)
    paid = trial.spent(trail, task.look.spent.macs - looked)
    winner, fit = afresh(task, best.point)
    file = storages.export(winner, "int8")
    _fits(task, task.look.bytes(winner, file), "after its whole training this network")
    story = trail.table.assign(chosen=[one.point == best.point for one in trail.tried])
    return Compressed(winner, {"int8": file}, paid + fit.spent, story=story, parents=())


def searched(task: Task) -> Trail:
    """All networks that were tried, the smallest first: a budget that can be kept is kept."""
    space, goal = SPACE.space, Goal(1000 * task.level)
    trail = Trail(space, lambda values: trial.fresh(nets.build(values, task), task), purse(task), task.trail)
    _fits(task, trail((0,) * len(space.knobs)).cost, "the smallest network of the space")
    propose = chance.propose if task.control == "random" else partial(controller.propose, reward=task.variant)
    draw = np.random.default_rng([SEARCH_SEED, task.seed])
    return run(nets.plainly(SPACE, propose(space, goal, draw)), trail)


def afresh(task: Task, point):
    """(The network of a point, trained whole from first weights that no search has seen; its Fit)."""
    own = replace(task, seed=trial.SEARCHED_SEED + task.seed)
    model = nets.build(SPACE.space.read(point), own)
    return model, training.fit(model, task.data, task.budget, own.seed)


def purse(task: Task) -> Purse:
    """What a search may spend: the products of EVALUATIONS networks by chance, and a quarter more networks than that.

    In a training of few steps a network for every STEPS, two at least.
    """
    draw, count = np.random.default_rng(SEARCH_SEED), min(EVALUATIONS, max(2, task.budget.steps // STEPS))
    some = [nets.build(SPACE.space.read(SPACE.space.draw(draw)), task) for _ in range(DRAWN)]
    mean = sum(cost.profile(model).macs for model in some) / DRAWN
    steps = max(1, int(trial.SHARE * task.budget.steps))
    return Purse(count + count // 4, count * BACKWARD * steps * task.budget.batch * mean)


def _fits(task: Task, size: int, what: str) -> None:
    if size > 1000 * task.level:
        raise LitecastError(f"{task.data.header.name}: {what} takes {size / 1000:.1f} kB, and {task.level:g} kB were "
                            "asked for: ask for more, or compress a network that is told less")
