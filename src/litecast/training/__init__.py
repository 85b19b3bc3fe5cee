"""Training: what it may spend, the one loop and its rules; forecast errors; cost in products, bytes and memory."""

from litecast.training.budget import BACKWARD, Budget, Fit, Spent
from litecast.training.devices import device
from litecast.training.loop import fit, val_loss
from litecast.training.rules import Average, FakeQuantise, Freeze, Mask, Penalty, QuantiseGradients, Rule, Schedule
from litecast.training.taught import Distil, Said
from litecast.training.windows import Windows, batches, predict

__all__ = ["BACKWARD", "Average", "Budget", "Distil", "FakeQuantise", "Fit", "Freeze", "Mask", "Penalty",
           "QuantiseGradients", "Rule", "Said", "Schedule", "Spent", "Windows", "batches", "device", "fit", "predict",
           "val_loss"]
