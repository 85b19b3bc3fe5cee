"""An exhaustive table: every network of a small space is trained twice, and every search is replayed on it, for free.

So luck and skill are told apart: White, Nolen & Savani, "Exploring the loss landscape in neural architecture search",
UAI 2021; Li & Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019.
"""

from dataclasses import replace

import pandas as pd

from litecast.compress import Compressed, Task, nets, trial
from litecast.search import Purse, Trail
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

DRAWS = 2  # trainings of each network, from different first weights


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
    whole = nets.SPACES[task.variant]
    space = nets.thinned(whole.space, task.level)
    drawn = replace(task, seed=task.seed + draw * trial.SEARCHED_SEED)
    path = task.trail and task.trail.with_name(f"{task.trail.stem}-{draw}{task.trail.suffix}")
    trail = Trail(space, lambda values: trial.fresh(nets.build(whole, values, drawn), drawn), Purse(len(space)), path)
    for point in space.points():
        trail(point)
    return trail
