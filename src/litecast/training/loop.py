"""One training loop for every network."""

import time

import numpy as np
import pandas as pd
import torch
import torch._dynamo  # noqa: F401  (the first optimiser takes a second to import it: once, in the warm parent)

from litecast.training import cost
from litecast.training.budget import BACKWARD, Budget, Fit
from litecast.training.windows import LOOK_WINDOWS, Windows, device, pairs

CHECKS = 12  # validation looks per training
WARM_UP = 0.2  # of the steps: the rate rises, then falls


def fit(model, data, budget: Budget, seed: int, masks: dict | None = None) -> Fit:
    """Train in place: AdamW, one-cycle rate, clipped gradients, best validation weights kept.

    masks: parameter name -> bool tensor; what is False stays zero throughout.
    Which weights are best is seen on a fixed draw of validation windows; every reported error uses all of them. No
    training is cut short: with a one-cycle rate the loss rises in the middle and falls again at the end.
    """
    on, started, rss = device(), time.perf_counter(), _memory_mark()
    generator = torch.Generator().manual_seed(seed)
    windows, model = Windows(data, on), model.to(on).train()
    train = pairs(data, "train", budget.train_windows, generator)
    val = [part.to(on) for part in pairs(data, "val", LOOK_WINDOWS, torch.Generator().manual_seed(0))]
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
