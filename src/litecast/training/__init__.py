"""Training: what it may spend, the one loop and its rules; forecast errors; cost in products, bytes and memory."""

from litecast.training.budget import BACKWARD, Budget, Fit, Spent
from litecast.training.loop import fit, val_loss
from litecast.training.rules import (
    Average,
    Distil,
    FakeQuantise,
    Freeze,
    Mask,
    Penalty,
    QuantiseGradients,
    Rule,
    Schedule,
)
from litecast.training.windows import Windows, batches, device, predict

__all__ = ["BACKWARD", "Average", "Budget", "Distil", "FakeQuantise", "Fit", "Freeze", "Mask", "Penalty",
           "QuantiseGradients", "Rule", "Schedule", "Spent", "Windows", "batches", "device", "fit", "predict",
           "val_loss"]
