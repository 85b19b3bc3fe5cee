"""Rules of a training: what of a teacher a student is to match beside its mean forecast."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)

from litecast import training
from litecast.compress.teaching import MIDDLE, QUANTILES, Spread
from litecast.models.base import FLOOR
from litecast.training import BACKWARD, cost

SCALES = (1, 3, 6, 12)  # steps that forecasts are averaged over
NARROW = -2.0  # where the head starts: quantiles 0.13 of a window's scale apart


class Features:
    """What a network's last layer read in its latest forward pass, (N, D), N = B * C; its normalised forecast where its
    last layer is no linear one onto the horizon."""

    def __init__(self, model: nn.Module):
        H = model.config.H  # noqa: N806
        ends = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == H]
        self.config, self.size = model.config, ends[-1].in_features if ends else H
        self._hook = ends[-1].register_forward_pre_hook(self._keep) if ends else None

    def _keep(self, layer, inputs) -> None:
        self._seen = inputs[0].float().reshape(-1, self.size)  # inside bf16 it is short

    def __call__(self, x: torch.Tensor, yhat: torch.Tensor) -> torch.Tensor:
        if self._hook:
            return self._seen
        return ((yhat - x.mean(1, keepdim=True)) / self.scale(x)).transpose(1, 2).reshape(-1, self.size)

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        """What the network divides windows x (B, L, C) by: (B, 1, C)."""
        if self.config.scale == "train":
            return torch.ones_like(x[:, :1])
        return x.std(1, correction=0, keepdim=True) + FLOOR

    def close(self) -> None:
        if self._hook:
            self._hook.remove()


class Quantiles(training.Distil):
    """Nine quantiles, not just a median: loss = (1 - share) * pinball to the truth + share * distance to the teachers'.

    A linear head beside the last layer reads what it reads and says how far the other eight lie from the forecast, in
    the window's scale, and further out from one to the next: they cannot cross. The network stays the median, and the
    head is left behind with the training, so a file takes not a byte more. pinball is doubled: of the median it is the
    absolute error. teachers: none for the same student by itself.
    """

    def __init__(self, teachers: Sequence[training.Said], spread: Spread | None = None, share: float = 0.5,
                 distance: str = "mae"):
        super().__init__(teachers, share if teachers else 0.0, distance)
        self.spread = spread

    def prepare(self, model):
        super().prepare(model)
        on = next(model.parameters()).device
        self.features = Features(model)
        self.head = nn.Linear(self.features.size, (len(QUANTILES) - 1) * model.config.H).to(on)
        nn.init.constant_(self.head.bias, NARROW)
        self.levels = torch.tensor(QUANTILES, device=on)
        if self.spread:
            self.spread.to(on)

    def parameters(self):
        return list(self.head.parameters())

    def drawn(self, windows, series, origins):
        super().drawn(windows, series, origins)
        self.observed = windows.targets(series, origins)[1]

    def loss(self, loss, window, y, yhat):
        ours, seen = yhat[..., None] + self.offsets(window[0], yhat), self.observed
        gap = y[..., None] - ours
        pinball = 2 * torch.maximum(self.levels * gap, (self.levels - 1) * gap)
        others = pinball.sum(-1) - pinball[..., MIDDLE]  # the median's own is the loss so far
        others = others.mean() if seen is None else (others * seen).sum() / seen.sum().clamp(min=1)
        truth = (loss + others) / len(QUANTILES)
        if not self.teachers:
            return truth
        theirs = self.said(window)[..., None] + self.spread.at(*self.at)[:, :, None]
        return (1 - self.share) * truth + self.share * self.apart(ours - theirs)

    def offsets(self, x: torch.Tensor, yhat: torch.Tensor) -> torch.Tensor:
        """Quantiles less the forecast yhat (B, H, C) of windows x (B, L, C), just made: (B, H, C, 9), the middle 0."""
        batch, horizon, channels = yhat.shape
        steps = F.softplus(self.head(self.features(x, yhat))).reshape(batch, channels, -1, horizon)
        below, above = steps.tensor_split(2, 2)
        made = torch.cat([-below.cumsum(2).flip(2), torch.zeros_like(steps[:, :, :1]), above.cumsum(2)], 2)
        return made.permute(0, 3, 1, 2) * self.features.scale(x)[..., None]

    def finish(self, model):
        super().finish(model)
        self.features.close()
        for part in filter(None, (self.head, self.spread)):
            part.to("cpu")

    @torch.inference_mode()
    def predict(self, model, data, origins: np.ndarray) -> np.ndarray:
        """Quantiles (N, H, C, 9), scaled units, of the network that was trained; its own forecast is the middle."""
        self.features, made = Features(model), []
        for window in training.batches(data, origins, reads=model.reads):
            yhat = model(*window)
            made.append((yhat[..., None] + self.offsets(window[0], yhat)).numpy())
        self.features.close()
        return np.concatenate(made)

    def macs(self):
        return super().macs() + BACKWARD * self.head.in_features * self.head.out_features

    def once(self):
        return super().once() + (self.spread.macs if self.spread else 0)


class Hint(training.Distil):
    """Forecasts, and what leads to them: a learned projection of what the student's last layer reads is drawn to what
    that of a teacher, a network, reads (FitNets: Romero et al., ICLR 2015). guide: that teacher, asked in each step."""

    def __init__(self, teachers: Sequence[training.Said], guide: nn.Module, share: float = 0.5, distance: str = "mae"):
        super().__init__(teachers, share, distance)
        self.guide, self.reads = guide, guide.reads

    def prepare(self, model):
        super().prepare(model)
        on = next(model.parameters()).device
        self.guide.to(on).eval()
        self.ours, self.theirs = Features(model), Features(self.guide)
        self.projection = nn.Linear(self.ours.size, self.theirs.size).to(on)

    def parameters(self):
        return list(self.projection.parameters())

    def loss(self, loss, window, y, yhat):
        with torch.no_grad():
            goal = self.theirs(window[0], self.guide(*window))
            goal = F.layer_norm(goal, goal.shape[1:])  # families differ in what their features measure
        gap = self.projection(self.ours(window[0], yhat)) - goal
        return super().loss(loss, window, y, yhat) + self.share * gap.square().mean()

    def finish(self, model):
        super().finish(model)
        self.guide.to("cpu")
        self.ours.close()
        self.theirs.close()

    def macs(self):
        projected = self.projection.in_features * self.projection.out_features
        return super().macs() + cost.profile(self.guide).macs + BACKWARD * projected


class Scales(training.Distil):
    """The teacher's forecast as it is and averaged over SCALES steps, and its waves: the mean distance of all of these
    (multi-scale and multi-period matching, as in TimeDistill: Ni et al. 2025)."""

    def apart(self, gap):
        rows = gap.transpose(1, 2)  # (B, 1, H)
        averaged = [F.avg_pool1d(rows, steps) for steps in SCALES if steps <= rows.shape[-1]]
        waves = torch.fft.rfft(rows, norm="ortho").abs()
        return torch.stack([super(Scales, self).apart(part) for part in (*averaged, waves)]).mean()


class Augmented(training.Distil):
    """The teacher also speaks of windows that have no truth, one set of them after the other: half of its share.

    copies: (dataset with other demand on the same days, what the teachers said of it).
    """

    def __init__(self, teachers: Sequence[training.Said], copies: Sequence[tuple], share: float = 0.5,
                 distance: str = "mae"):
        super().__init__(teachers, share, distance)
        self.copies, self._turn = copies, 0

    def prepare(self, model):
        super().prepare(model)
        on, self._model = next(model.parameters()).device, model
        self._sets = [(training.Windows(data, on), said.to(on)) for data, said in self.copies]

    def loss(self, loss, window, y, yhat):
        windows, said = self._sets[self._turn % len(self._sets)]
        self._turn += 1
        gap = self._model(*windows.inputs(*self.at, self._model.reads)) - said.at(*self.at)
        apart = (self.apart(yhat - self.said(window)) + self.apart(gap)) / 2
        return (1 - self.share) * loss + self.share * apart

    def macs(self):
        return super().macs() + BACKWARD * cost.profile(self._model).macs

    def once(self):
        return super().once() + sum(said.macs for _, said in self.copies)
