"""What a training may spend, and what it spent."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

BACKWARD = 3  # a training step costs one forward and about two forwards' worth of backward products
AGAIN_RATE = 0.5  # of the learning rate, where a network starts from a good place


@dataclass(frozen=True)
class Budget:
    """What a training may spend: optimiser steps of `batch` windows, never seconds."""

    steps: int
    batch: int = 256
    lr: float = 2e-3
    train_windows: int | None = None  # fixed, seeded draw of training windows; None = all
    loss: str = "mae"  # mae | mse, on scaled units
    retrain_steps: int = 0  # of a retraining, see `again`

    def of_steps(self, steps: int) -> "Budget":
        """The same for another number of steps, one at least."""
        return replace(self, steps=max(1, int(steps)))

    def again(self, steps: int | None = None) -> "Budget":
        """The budget of a retraining: `retrain_steps` (or `steps`) at half the rate, the weights being good already."""
        return replace(self.of_steps(self.retrain_steps if steps is None else steps), lr=self.lr * AGAIN_RATE)


@dataclass(frozen=True)
class Spent:
    """What something cost: optimiser steps, multiply-accumulates, seconds, and memory above what was held before."""

    steps: int = 0
    macs: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0

    def __add__(self, later: "Spent") -> "Spent":
        """Both, one after the other; a peak that is not known (NaN) stays unknown."""
        peak = float(np.maximum(self.peak_mb, later.peak_mb))  # unlike max, keeps NaN
        return Spent(self.steps + later.steps, self.macs + later.macs, self.seconds + later.seconds, peak)


@dataclass(frozen=True)
class Fit:
    """What a training did. log: step, train_loss, val_loss; best_step: whose weights were kept."""

    log: pd.DataFrame
    spent: Spent
    best_step: int
