"""What the notebooks of networks begin with: their parameters, run, data and budget, in one object."""

from collections.abc import Mapping

import torch

from litecast import models, results
from litecast.data import load, windows
from litecast.errors import TooFewWindows
from litecast.figures import style
from litecast.planning import closure
from litecast.planning.study import FEW_WINDOWS
from litecast.training import Budget


class Work:
    """One run of a notebook. stage: the notebook's name; names: its globals(), of which its parameters are taken.

    settings: the parameters; run: its folder and rows, keys: what names it beside dataset, model and seed;
    data: the prepared dataset; budget: of a dense training. Raises TooFewWindows for a deep network on fewer than 200
    train windows: the run ends, done, with that note.
    """

    def __init__(self, stage: str, names: Mapping, **keys):
        style.use()
        torch.set_num_threads(1)  # as in a study: the same sums; small products wait for threads
        self.settings = s = closure.settings(stage, names)
        self.run = results.Run.open(stage, s.study, s.dataset, s.model, s.seed, **keys)
        self.data = windows.prepare(load(s.dataset, s.study))
        enough(self.data, s.model)
        self.budget = Budget(s.steps, s.batch, s.lr, s.train_windows or None, s.loss, getattr(s, "retrain_steps", 0))


def enough(data, name: str) -> None:
    count = len(data.origins("train"))
    if count < FEW_WINDOWS and models.module(name).KIND == "deep":
        raise TooFewWindows(f"{data.header.name} has {count} train windows, fewer than {FEW_WINDOWS}: classical and "
                            f"compact models only, {name} is left out")
