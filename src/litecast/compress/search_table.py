"""An exhaustive table: every network of a small space is trained twice, and every search is replayed on it, for free.

So luck and skill are told apart: White, Nolen & Savani, "Exploring the loss landscape in neural architecture search",
UAI 2021; Li & Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from litecast.compress import Compressed, Task, nets, trial
from litecast.search import Goal, Point, Purse, Space, Trail, Tried, chance, controller, greedy, local, replay, run, tpe
from litecast.training import Spent

NEEDS = ("dense",)
FITS = ()
LEVELS = (0.03, 0.05, 1.0)
LEVEL = "share of the networks of the space that are trained"
VARIANTS = ("profile",)  # a space of compress/nets
CONTROLS = {}
STORAGES = {}  # its networks are trained for a quarter of the steps: none is a file to be held against others
CHAIN = False
LOOK = 16
NOTE = "all networks of a space, trained for a quarter of the steps: table and replays are in its notebook"

METHODS = {"random": chance.propose, "local": local.propose, "greedy": greedy.propose, "tpe": tpe.propose,
           "tpe, no target": lambda space, goal, draw: tpe.propose(space, Goal(), draw),  # error and cost at once
           **{f"controller, {reward}": partial(controller.propose, reward=reward) for reward in controller.REWARDS}}
DRAWS = 2  # trainings of each network, from different first weights
CHOICES = (1, 10, 40)  # of so many networks the best is taken, to see how much too good it looks
CLOSE, MOST = 0.1, 10  # a target is hit within this share of it; searches that may be spent on it


def compress(task: Task) -> Compressed:
    """Train every network of the space DRAWS times. Of the dense network nothing but what it is told is used.

    story: a line per network and draw: draw, number, the knobs, error and cost (validation WAPE and bytes of the int8
    file), macs, seconds.
    """
    looked, trails = task.look.spent.macs, [table(task, draw) for draw in range(DRAWS)]
    paid = sum((trial.spent(trail, 0) for trail in trails), Spent()) + Spent(macs=looked - task.look.spent.macs)
    story = pd.concat([trail.table.assign(draw=draw) for draw, trail in enumerate(trails)], ignore_index=True)
    return Compressed(task.start, {}, paid, story=story, parents=())


def table(task: Task, draw: int) -> Trail:
    """Every network of the space, priced as a search prices it; on the task's trail it goes on where it was killed."""
    space = spanned(task.variant, task.level)
    drawn = replace(task, seed=task.seed + draw * trial.SEARCHED_SEED)
    path = task.trail and task.trail.with_name(f"{task.trail.stem}-{draw}{task.trail.suffix}")
    trail = Trail(space, lambda values: trial.fresh(nets.build(values, drawn), drawn), Purse(len(space)), path)
    for point in space.points():
        trail(point)
    return trail


def spanned(variant: str, level: float) -> Space:
    """The space that the table of a level spans."""
    return nets.thinned(nets.SPACES[variant].space, level)


# ---- what a table tells


def of_draw(space: Space, story: pd.DataFrame, draw: int) -> dict[Point, Tried]:
    """The table of one draw, as a replay looks it up."""
    lines = story[story.draw == draw]
    return {point: Tried(point, line.error, line.cost, line.macs, line.seconds)
            for point, line in zip(space.points(), lines.itertuples(), strict=True)}


def replays(space: Space, story: pd.DataFrame) -> pd.DataFrame:
    """Every method replayed on the table of each draw, see `search.replay`; no more often than there are networks."""
    seeds, counts = range(min(replay.REPLAYS, len(space))), [min(n, len(space)) for n in replay.COUNTS]
    lines = [replay.replays(METHODS, space, of_draw(space, story, draw), dict.fromkeys(counts), seeds).assign(draw=draw)
             for draw in sorted(set(story.draw))]  # fmt: skip
    return pd.concat(lines, ignore_index=True)


def agreement(story: pd.DataFrame) -> float:
    """Rank correlation of the errors of the same networks in two draws: no search can be better than this."""
    first, second = (story.error[story.draw == draw].rank().to_numpy() for draw in (0, 1))
    return float(np.corrcoef(first, second)[0, 1])


def optimism(story: pd.DataFrame, seeds=range(1000)) -> pd.DataFrame:
    """How much too good the best of n networks looks: a line per n with the error by which it was chosen in one draw
    (`seen`), what it errs in the other (`again`), means over choices by chance; and `too_good`, again / seen - 1."""
    errors, lines = story.pivot(index="number", columns="draw", values="error").to_numpy(), []
    for n in dict.fromkeys(min(n, len(errors)) for n in (*CHOICES, len(errors))):
        pairs = []
        for seed in seeds:
            some = errors[np.random.default_rng(seed).permutation(len(errors))[:n], :: 1 if seed % 2 else -1]
            pairs.append(some[some[:, 0].argmin()])
        seen, again = np.mean(pairs, axis=0)
        lines.append({"best of": n, "seen": seen, "again": again, "too_good": again / seen - 1})
    return pd.DataFrame(lines)


def reruns(space: Space, known: Mapping[Point, Tried], limit: float, reward: str, seed: int) -> tuple[int, int]:
    """(How many searches, how many networks) it takes until what the controller likes best costs the limit, within
    CLOSE of it. Where it does not, the next search aims as much lower or higher as the one before missed."""
    aim, evaluations = limit, 0
    for count in range(1, MOST + 1):
        goal, trail = Goal(aim), replay.of_table(space, known, max(replay.COUNTS))
        run(controller.propose(space, goal, np.random.default_rng([seed, count]), reward), trail)
        evaluations += len(trail.paid)
        liked = max(trail.paid, key=lambda one: controller.told(one, goal, reward))
        if abs(liked.cost / limit - 1) <= CLOSE:
            break
        aim *= limit / liked.cost
    return count, evaluations
