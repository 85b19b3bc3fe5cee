"""What a training may spend, and what it spent."""

from dataclasses import dataclass, replace

import pandas as pd
import torch
import torch._dynamo  # noqa: F401  (the first optimiser takes a second to import it: once, in the warm parent)

BACKWARD = 3  # a training step costs one forward and about two forwards' worth of backward products


@dataclass(frozen=True)
class Budget:
    """What a training may spend: optimiser steps of `batch` windows, never seconds."""

    steps: int
    batch: int = 256
    lr: float = 2e-3
    train_windows: int | None = None  # fixed, seeded draw of training windows; None = all
    loss: str = "mae"  # mae | mse, on scaled units

    def of_steps(self, steps: int) -> "Budget":
        return replace(self, steps=int(steps))


@dataclass(frozen=True)
class Fit:
    """What a training did. macs: multiply-accumulates spent; peak_mb: memory above what was held before."""

    log: pd.DataFrame  # step, train_loss, val_loss
    macs: int
    seconds: float
    peak_mb: float
    best_step: int
