"""Training: what it may spend, the one loop, its rules; forecast errors; cost in bytes, products and memory."""

from litecast.training.budget import BACKWARD, Budget, Fit
from litecast.training.loop import fit
from litecast.training.windows import Windows, batches, device, predict

__all__ = ["BACKWARD", "Budget", "Fit", "Windows", "batches", "device", "fit", "predict"]
