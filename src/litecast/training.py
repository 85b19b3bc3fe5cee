"""One training loop for every network, and prediction in batches."""

import os
import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
import torch._dynamo  # noqa: F401  (the first optimiser takes a second to import it: once, in the warm parent)

from litecast import cost
from litecast.errors import DataError

BACKWARD = 3  # a training step costs one forward and about two forwards' worth of backward products
CHECKS = 12  # validation looks per training
WARM_UP = 0.2  # of the steps: the rate rises, then falls
LOOK_WINDOWS = 4000  # validation windows (one series each) of such a look


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


def device() -> torch.device:
    """LITECAST_DEVICE, else a GPU where there is one."""
    return torch.device(os.environ.get("LITECAST_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu"))


class Windows:
    """All windows of a dataset as views of one tensor each: nothing is copied but the batch that is asked for."""

    def __init__(self, data, on: torch.device = torch.device("cpu")):  # noqa: B008 (a constant)
        self.L, self.H, self.F, self.T = data.L, data.H, data.F, len(data.x)
        y = data.scale(data.y).T.astype(np.float32)
        seen = np.isfinite(y)
        self.x = _views(data.x.T, self.L, 1, on)  # row = series * T + first step
        self.y = _views(np.nan_to_num(y), self.H, 1, on)
        self.seen = None if seen.all() else _views(seen.astype(np.float32), self.H, 1, on)
        self.z = _views(data.z, (self.L + self.H) * self.F, self.F, on) if self.F else None

    def inputs(self, series: torch.Tensor, origins: torch.Tensor, known: bool = True):
        """x (B, L, 1), z (B, L+H, F) | None; known: whether z is wanted."""
        start = origins - self.L
        x = self.x.index_select(0, series * self.T + start)[..., None]  # four times as quick as x[...]
        return x, self.z.index_select(0, start).reshape(len(start), -1, self.F) if known and self.F else None

    def targets(self, series: torch.Tensor, origins: torch.Tensor):
        """y (B, H, 1), 0 where missing, and seen (B, H, 1), 1 where not; seen is None if the data has no gap at all."""
        rows = series * self.T + origins
        seen = None if self.seen is None else self.seen.index_select(0, rows)[..., None]
        return self.y.index_select(0, rows)[..., None], seen


def _views(values: np.ndarray, length: int, step: int, on: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(on).reshape(-1).unfold(0, length, step)


def fit(model, data, budget: Budget, seed: int, masks: dict | None = None) -> Fit:
    """Train in place: AdamW, one-cycle rate, clipped gradients, best validation weights kept.

    masks: parameter name -> bool tensor; what is False stays zero throughout.
    Which weights are best is seen on a fixed draw of validation windows; every reported error uses all of them. No
    training is cut short: with a one-cycle rate the loss rises in the middle and falls again at the end.
    """
    on, started, rss = device(), time.perf_counter(), _memory_mark()
    generator = torch.Generator().manual_seed(seed)
    windows, model = Windows(data, on), model.to(on).train()
    train = _pairs(data, "train", budget.train_windows, generator)
    val = [part.to(on) for part in _pairs(data, "val", LOOK_WINDOWS, torch.Generator().manual_seed(0))]
    optimiser = torch.optim.AdamW(model.parameters(), lr=budget.lr, weight_decay=1e-4, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, budget.lr, budget.steps, pct_start=_warm_up(budget))
    kept = [(p, masks[name].to(on)) for name, p in model.named_parameters() if masks and name in masks]
    _apply(kept)
    every = max(1, budget.steps // CHECKS)
    best = (_loss(model, windows, val, budget.loss), 0, _copy(model))
    log, total = [(0, np.nan, best[0])], 0.0
    draws = _draws(len(train[0]), budget.batch, generator)
    for step in range(1, budget.steps + 1):
        rows = next(draws)
        optimiser.zero_grad(set_to_none=True)
        loss = _error(model, windows, train[0][rows].to(on), train[1][rows].to(on), budget.loss)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        _apply(kept)
        total += loss.item()
        if step % every == 0 or step == budget.steps:
            value = _loss(model, windows, val, budget.loss)
            log.append((step, total / (step - log[-1][0]), value))
            total = 0.0
            if value < best[0]:
                best = (value, step, _copy(model))
    model.load_state_dict(best[2])
    model.to("cpu").eval()
    spent = BACKWARD * budget.steps * budget.batch * cost.profile(model).macs
    frame = pd.DataFrame(log, columns=["step", "train_loss", "val_loss"])
    return Fit(frame, int(spent), time.perf_counter() - started, _memory_peak(rss), best[1])


@torch.inference_mode()
def predict(model, data, origins: np.ndarray, batch: int = 2048) -> np.ndarray:
    """Forecasts (N, H, C), scaled units, for N origins of all C series; `batch` counts windows of one series."""
    on = device()
    model = model.to(on).eval()
    out = [model(x, z).cpu().numpy() for x, z in batches(data, origins, batch, on, model.n_known > 0)]
    model.to("cpu")
    return np.concatenate(out) if out else np.empty((0, data.H, data.C), np.float32)


def batches(data, origins: np.ndarray, batch: int = 2048, on: torch.device = torch.device("cpu"),  # noqa: B008
            known: bool = True):
    """Inputs x (B, L, C), z (B, L+H, F) | None of consecutive origins, about `batch` windows of one series each."""
    windows, channels = Windows(data, on), torch.arange(data.C, device=on)
    for part in np.array_split(origins, max(1, -(-len(origins) * data.C // batch))):
        if len(part):
            first = torch.from_numpy(part).to(on)
            x, _ = windows.inputs(channels.repeat(len(part)), first.repeat_interleave(data.C), known=False)
            _, z = windows.inputs(channels[:1].expand(len(part)), first, known)
            yield x.reshape(len(part), data.C, data.L).transpose(1, 2), z


def _pairs(data, part: str, limit: int | None, generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(series, origin) of a part's windows that have at least one observed target; at most `limit`, drawn once."""
    origins = data.origins(part)
    seen = np.isfinite(data.targets(origins)).any(1)  # (N, C)
    where, series = np.nonzero(seen)
    pairs = torch.from_numpy(series), torch.from_numpy(origins[where])
    if limit and limit < len(series):
        chosen = torch.randperm(len(series), generator=generator)[:limit]
        pairs = pairs[0][chosen], pairs[1][chosen]
    if not len(pairs[0]):
        raise DataError(f"{data.header.name}: no target of the {part} part is observed; give longer data, or leave out "
                        "the series that have a gap there")
    return pairs


def _warm_up(budget: Budget) -> float:
    """Share of rising steps; torch divides by their number less one, so it must not be exactly one."""
    return WARM_UP if budget.steps * WARM_UP != 1 else 2 * WARM_UP


def _draws(n: int, batch: int, generator):
    """Endless shuffled index batches over n windows."""
    while True:
        order = torch.randperm(n, generator=generator)
        yield from (order[i : i + batch] for i in range(0, n, batch))


def _error(model, windows: Windows, series, origins, loss: str) -> torch.Tensor:
    x, z = windows.inputs(series, origins, model.n_known > 0)
    y, seen = windows.targets(series, origins)
    gap = model(x, z) - y
    size = gap.abs() if loss == "mae" else gap.square()
    return size.mean() if seen is None else (size * seen).sum() / seen.sum().clamp(min=1)


def _loss(model, windows: Windows, pairs, loss: str) -> float:
    model.eval()
    with torch.inference_mode():
        value = _error(model, windows, *pairs, loss).item()
    model.train()
    return value


def _apply(kept):
    with torch.no_grad():
        for parameter, mask in kept:
            parameter.mul_(mask)


def _copy(model) -> dict:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _memory_mark() -> float:
    """Resident MB now; the kernel's high-water mark starts again from here (Linux)."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return float("nan")
    return _status("VmRSS")


def _memory_peak(before: float) -> float:
    return float("nan") if np.isnan(before) else max(0.0, _status("VmHWM") - before)


def _status(key: str) -> float:
    with open("/proc/self/status") as file:
        return next(float(line.split()[1]) / 1024 for line in file if line.startswith(key))
