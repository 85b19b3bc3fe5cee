"""What every forecaster shares: the window, its normalisation, and the calendar of the horizon."""

from dataclasses import dataclass

import torch
from torch import nn

CALENDAR_SAMPLES = 4  # the calendar changes by the day: four looks at the horizon's known inputs are enough
FLOOR = 1e-2  # of a scaled unit: a flat window must not blow up when it is normalised


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes that all families share; a family adds its own widths.

    L, H: look-back and horizon in steps. F: known inputs per step. patch: steps of one natural patch (a day of hours).
    anchor: what a window is shifted by before the network sees it: its 'mean', or its 'last' value where the data has
    no season, so that a network that outputs zero is the naive forecast.
    """

    L: int
    H: int
    F: int = 0
    patch: int = 24
    anchor: str = "mean"

    @property
    def known(self) -> int:
        """Calendar values a network is given: F of each sampled step of the horizon."""
        return self.F * len(range(0, self.H, self.stride))

    @property
    def stride(self) -> int:
        return -(-self.H // CALENDAR_SAMPLES)


@dataclass(frozen=True)
class Units:
    """Hidden units that can be removed together without touching anything else.

    field: where their number stands in the config, e.g. ('hidden', 0, 1). members: (parameter, dimension, blocks):
    along that dimension the parameter holds `blocks` stacked runs of the units (four gates of an LSTM), then
    whatever else, which stays.
    """

    field: tuple
    size: int
    members: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Idea:
    """What a compact family saves, as a formula and as two layers to count and time.

    formula: LaTeX, how many times fewer weights (plain / own; below 1 where an idea costs some). factor: its value for
    these sizes; macs: that of multiply-accumulates, where it is another. layer: the family's own; plain: the ordinary
    layer that it replaces. shape: of an input of both.
    """

    formula: str
    factor: float
    layer: nn.Module
    plain: nn.Module
    shape: tuple[int, ...]
    macs: float | None = None


def example(config: Config, batch: int, channels: int = 1) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Random scaled inputs of a network's shape, the same at every call: x (B, L, C), z (B, L+H, F) | None."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(batch, config.L, channels, generator=draw)
    return x, torch.randn(batch, config.L + config.H, config.F, generator=draw) if config.F else None


def plain_map(config: Config) -> nn.Module:
    """(N, L, 1) -> (N, H): the linear map without a bias that linear ideas are held against."""
    return nn.Sequential(nn.Flatten(), nn.Linear(config.L, config.H, bias=False))


class Forecaster(nn.Module):
    """`forward(x (B, L, C), z (B, L+H, F) | None) -> (B, H, C)`, float32, scaled units.

    A family implements `net(rows (N, L), known (N, K)) -> (N, H)` on normalised windows of single series, N = B * C;
    z is read only after the last observed step. Normalisation per window: Kim et al., "Reversible instance
    normalization", ICLR 2022, without the affine part.
    """

    mixes_channels = False

    def __init__(self, config: Config):
        super().__init__()
        self.config = config

    @property
    def n_known(self) -> int:
        return self.config.F

    def units(self) -> list[Units]:
        """What structured pruning may cut by plain slicing; convolutional nets leave it to torch-pruning."""
        return []

    def forward(self, x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        batch, _, channels = x.shape
        rows = x.transpose(1, 2).reshape(batch * channels, self.config.L)
        mean = rows.mean(1, keepdim=True)
        shift = mean if self.config.anchor == "mean" else rows[:, -1:]
        # the standard deviation; std() itself takes fifty times as long on rows this short
        scale = torch.linalg.vector_norm(rows - mean, dim=1, keepdim=True) / self.config.L**0.5 + FLOOR
        out = self.net((rows - shift) / scale, self._known(z, channels)) * scale + shift
        return out.reshape(batch, channels, self.config.H).transpose(1, 2)

    def _known(self, z: torch.Tensor | None, channels: int) -> torch.Tensor | None:
        if not self.config.F:
            return None
        if z is None:
            raise ValueError(f"this network reads {self.config.F} known inputs a step: give z (B, L+H, F)")
        horizon = z[:, self.config.L :: self.config.stride].flatten(1)  # (B, K)
        return horizon.repeat_interleave(channels, dim=0)


class Head(nn.Module):
    """History features and the calendar of the horizon meet in one hidden layer: (N, features), (N, K) -> (N, H)."""

    def __init__(self, features: int, known: int, hidden: int, H: int):
        super().__init__()
        self.hidden = nn.Linear(features + known, hidden)
        self.out = nn.Linear(hidden, H)

    def forward(self, features: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        joined = features if known is None else torch.cat([features, known], 1)
        return self.out(torch.relu(self.hidden(joined)))

    def units(self, field: str) -> Units:
        members = (("head.hidden.weight", 0, 1), ("head.hidden.bias", 0, 1), ("head.out.weight", 1, 1))
        return Units((field,), self.hidden.out_features, members)
