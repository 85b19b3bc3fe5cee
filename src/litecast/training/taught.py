"""Teachers as a rule of a training: what they said of its windows, and how a student is drawn to that."""

import numpy as np
import torch
from torch import nn

from litecast.training import cost
from litecast.training.rules import Rule


class Said:
    """A teacher that has spoken: its forecasts yhat (N, H, C), scaled units, of the windows at N origins.

    So it may be of any runtime, and is asked once, not in every step. macs: what that took.
    """

    def __init__(self, origins: np.ndarray, yhat: np.ndarray, macs: int = 0):
        place = torch.full((int(origins.max()) + 1,), len(origins))  # what was not asked is out of range: an error
        place[torch.from_numpy(origins)] = torch.arange(len(origins))
        self.place, self.yhat, self.macs = place, torch.from_numpy(yhat), int(macs)

    def to(self, device) -> "Said":
        self.place, self.yhat = self.place.to(device), self.yhat.to(device)
        return self

    def at(self, series: torch.Tensor, origins: torch.Tensor) -> torch.Tensor:
        """(B, H, 1) of windows (B,); IndexError for one that nobody asked about."""
        return self.yhat[self.place[origins], :, series][..., None]


class Distil(Rule):
    """Teachers speak, too: loss = (1 - share) * loss + share * distance to the teachers' mean forecast.

    Hinton et al. 2015, for forecasts of a mean. teachers: what they `Said`, or networks, which are asked in each step
    and not trained; either is counted. distance: 'mae' or 'mse', scaled units.
    """

    def __init__(self, teachers, share: float = 0.5, distance: str = "mae"):
        self.teachers, self.share, self.distance = tuple(teachers), share, distance
        self.networks = [teacher for teacher in self.teachers if isinstance(teacher, nn.Module)]
        self.reads = frozenset().union(*(network.reads for network in self.networks))

    def prepare(self, model):
        on = next(model.parameters()).device
        self.teachers = tuple(teacher.to(on) for teacher in self.teachers)
        for network in self.networks:
            network.eval()

    def drawn(self, windows, series, origins):
        self.at = series, origins

    def loss(self, loss, window, y, yhat):
        return (1 - self.share) * loss + self.share * self.apart(yhat - self.said(window))

    @torch.no_grad()
    def said(self, window) -> torch.Tensor:
        """The teachers' mean forecast (B, H, 1) of the batch."""
        return torch.stack([teacher(*window) if isinstance(teacher, nn.Module) else teacher.at(*self.at)
                            for teacher in self.teachers]).mean(0)  # fmt: skip

    def apart(self, gap: torch.Tensor) -> torch.Tensor:
        """How far the student is from its teachers, (): gap (B, H, 1)."""
        return (gap.abs() if self.distance == "mae" else gap.square()).mean()

    def finish(self, model):
        for teacher in self.teachers:
            teacher.to("cpu")

    def macs(self):
        return sum(cost.profile(network).macs for network in self.networks)

    def once(self):
        return sum(teacher.macs for teacher in self.teachers if isinstance(teacher, Said))
