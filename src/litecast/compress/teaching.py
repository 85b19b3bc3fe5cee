"""What teachers say: forecasts of windows, how far from the truth they usually are, and windows that have no truth.

A teacher is a network, or the mean of several files of any runtimes (`Files`), such as the reference of a dataset. It
is asked once about all train windows, before a student's first step: so trees can teach, and a step costs the student's
products alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from litecast import runtimes, training
from litecast.data.windows import fill
from litecast.files import replacing
from litecast.training import cost

if TYPE_CHECKING:
    from litecast.compress import Task

SHARE = 0.5  # of the loss: distance to the teachers
QUANTILES = tuple(i / 10 for i in range(1, 10))
MIDDLE = len(QUANTILES) // 2
POOL = 20_000  # windows (of one series) at most that errors are pooled over
JITTER = 0.1  # of a scaled unit
COPIES = ("other", "mixed", "jittered")  # what windows without a truth are made of


@dataclass(eq=False)
class Files:
    """Several opened files that speak with one mean. opened: (runtime, opened file) each; macs: of one window of one
    series, all together; rows: what is known of each. about, folder: a dataset, and where answers about it are kept for
    the next student: trees take minutes to speak of all train windows."""

    opened: Sequence[tuple[str, Any]]
    macs: int
    rows: Sequence[dict] = ()
    about: Any = None
    folder: Path | None = None
    _last: tuple = field(default=(), repr=False)

    def forecast(self, data, origins: np.ndarray) -> np.ndarray:
        """Their mean (N, H, C), float32, scaled units. The last answer is kept: one sweep asks it for each level."""
        if not self._last or self._last[0] is not data or not np.array_equal(self._last[1], origins):
            kept = self.folder is not None and data is self.about
            self._last = data, origins, self._kept(data, origins) if kept else self._asked(data, origins)
        return self._last[2]

    def _asked(self, data, origins: np.ndarray) -> np.ndarray:
        return np.mean([voice(data, origins) for voice in voices(self)], axis=0, dtype=np.float32)

    def _kept(self, data, origins: np.ndarray) -> np.ndarray:
        path = self.folder / f"said-{origins[0]}-{origins[-1]}-{len(origins)}.npy"
        if not path.exists():
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.save(file, self._asked(data, origins))
        return np.load(path)


def voices(teacher) -> list[Callable]:
    """What it is made of: functions of (data, origins (N,)) -> forecasts (N, H, C), scaled units."""
    if isinstance(teacher, Files):
        return [partial(runtimes.module(runtime).predict, file) for runtime, file in teacher.opened]
    return [partial(training.predict, teacher)]


def networks(teachers: Sequence) -> list:
    """The networks among all that teachers are made of."""
    opened = [[getattr(file, "model", None) for _, file in one.opened] if isinstance(one, Files) else [one]
              for one in teachers]
    return [network for part in opened for network in part if network is not None]


def said(teachers: Sequence, data, origins: np.ndarray) -> training.Said:
    """The mean of what teachers forecast for these origins, and what asking them took."""
    each = [one.forecast(data, origins) if isinstance(one, Files) else training.predict(one, data, origins)
            for one in teachers]
    return training.Said(origins, np.mean(each, axis=0, dtype=np.float32), len(origins) * data.C * macs(teachers))


def macs(teachers: Sequence) -> int:
    """Multiply-accumulates of their forecasts of one window of one series."""
    return sum(one.macs if isinstance(one, Files) else cost.profile(one).macs for one in teachers)


def heard(task: "Task") -> list[training.Said]:
    """What the teachers of a task say of all train windows: one mean."""
    return [said(task.teachers, task.data, task.data.origins("train"))]


def rules(task: "Task") -> list[training.Distil]:
    """The teachers of a task as a rule of its training; none where it has none."""
    return [training.Distil(heard(task), SHARE, task.budget.loss)] if task.teachers else []


# ---- a distribution

@dataclass
class Spread:
    """How far from a forecast the truth lies: offsets (P, C, 9), quantiles of pooled errors less their median, scaled
    units. P places: steps of the season that a target falls on, or steps ahead where there is no season."""

    offsets: torch.Tensor
    season: int
    H: int
    macs: int = 0

    def to(self, device) -> "Spread":
        self.offsets = self.offsets.to(device)
        return self

    def at(self, series: torch.Tensor, origins: torch.Tensor) -> torch.Tensor:
        """(B, H, 9) of windows (B,)."""
        return self.offsets[self.places(origins), series[:, None]]

    def around(self, yhat: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Quantiles (N, H, C, 9) around forecasts (N, H, C) of origins (N,)."""
        return yhat[..., None] + self.offsets.numpy()[self.places(torch.from_numpy(origins)).numpy()]

    def places(self, origins: torch.Tensor) -> torch.Tensor:
        """(B, H)."""
        ahead = torch.arange(self.H, device=origins.device).expand(len(origins), -1)
        return (origins[:, None] + ahead) % self.season if self.season > 1 else ahead


def spread(teachers: Sequence, data, width: float = 1.0) -> Spread:
    """Errors on train windows of all that the teachers are made of, pooled by place and series; `width` times as wide.

    Teachers know train: the quantiles are stretched as much as mean errors grow from train to validation, one number.
    width: a temperature, above 1 a softer lesson. What has no error at all has no width.
    """
    every = [voice for one in teachers for voice in voices(one)]
    pools = {part: drawn(data, part) for part in ("train", "val")}
    errors = {part: np.stack([data.scale(data.targets(pool)) - voice(data, pool) for voice in every])
              for part, pool in pools.items()}  # (K, N, H, C)
    sizes = {part: np.nanmean(np.abs(error)) for part, error in errors.items()}
    found = Spread(torch.zeros(0), data.header.season, data.H, macs(teachers) * data.C * sum(map(len, pools.values())))
    places = found.places(torch.from_numpy(pools["train"])).numpy()
    offsets = np.zeros((found.season if found.season > 1 else data.H, data.C, len(QUANTILES)))
    for place in np.unique(places):
        pooled = errors["train"][:, places == place].reshape(-1, data.C)
        for series, own in enumerate(pooled.T):
            if (own := own[np.isfinite(own)]).size:
                offsets[place, series] = np.quantile(own, QUANTILES)
    offsets -= offsets[..., MIDDLE : MIDDLE + 1]
    offsets *= width * (sizes["val"] / sizes["train"] if sizes["train"] > 0 else 1.0)
    found.offsets = torch.from_numpy(offsets.astype(np.float32))
    return found


def judged(quantiles: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(Mean pinball loss of quantiles (..., 9), share of truths y (...) from the first to the last of them); scaled
    units, missing truths left out."""
    gap, levels = y[..., None] - quantiles, np.asarray(QUANTILES)
    seen = np.isfinite(y)
    within = (y >= quantiles[..., 0]) & (y <= quantiles[..., -1])
    return float(np.maximum(levels * gap, (levels - 1) * gap)[seen].mean()), float(within[seen].mean())


def drawn(data, part: str) -> np.ndarray:
    """Origins of a part, of at most POOL windows, the same at every call; by chance, lest they share an hour."""
    return np.sort(np.random.default_rng(0).permutation(data.origins(part))[: max(1, POOL // data.C)])


# ---- windows without a truth

def unseen(data, kind: str, seed: int):
    """The dataset with other demand on the same days: nobody knows its truth, but a teacher has an opinion.

    kind: series are told as one 'other' (Bucila et al. 2006: unlabelled data), 'mixed' with another in a share of its
    own (mixup: Zhang et al. 2018; both have the same calendar), or 'jittered' by JITTER. A series that is alone is
    mixed with itself a season before. Gaps of either stay gaps.
    """
    draw, own = np.random.default_rng(seed), data.scale(data.y)
    if kind == "jittered":
        made = own + JITTER * draw.normal(size=own.shape)
    else:
        share = draw.uniform(size=data.C) if kind == "mixed" else 0.0
        made = share * own + (1 - share) * _another(own, data.header.season, draw)
    lowest = np.nanmin(own[data.parts["train"]], axis=0)  # demand has a lower end
    made = np.maximum(made, np.fmin(own, lowest))
    filled, _ = fill(data.unscale(made), data.header.season, data.L)
    return replace(data, y=data.unscale(made), x=np.nan_to_num(data.scale(filled)).astype(np.float32))


def _another(own: np.ndarray, season: int, draw) -> np.ndarray:
    """(T, C): every column is another one's; of a single column its own of a season before."""
    if own.shape[1] > 1:
        order = draw.permutation(own.shape[1])
        return own[:, np.roll(order, 1)[np.argsort(order)]]
    return np.vstack([own[:season], own])[: len(own)]
