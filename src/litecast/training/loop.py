"""One training loop for every network."""

import time
from contextlib import ExitStack, nullcontext

import numpy as np
import pandas as pd
import torch
from torch.func import functional_call

from litecast.training import cost
from litecast.training.budget import BACKWARD, Budget, Fit, Spent
from litecast.training.devices import device, precision, products
from litecast.training.rules import Rule
from litecast.training.windows import LOOK_WINDOWS, Windows, pairs

CHECKS = 12  # validation looks per training
WARM_UP = 0.2  # of the steps: the rate rises, then falls


def fit(model, data, budget: Budget, seed: int, *rules: Rule) -> Fit:
    """Train in place: AdamW, one-cycle rate, clipped gradients, best validation weights kept; rules in their order.

    Which weights are best is seen on a fixed draw of validation windows; every reported error uses all of them. No
    training is cut short: with a one-cycle rate the loss rises in the middle and falls again at the end.
    """
    on, how, started = device(), precision(), time.perf_counter()
    held = _memory_mark(on)
    generator = torch.Generator().manual_seed(seed)
    windows, model = Windows(data, on), model.to(on).train()
    train = [part.to(on) for part in pairs(data, "train", budget.train_windows, generator)]
    val = [part.to(on) for part in pairs(data, "val", LOOK_WINDOWS, torch.Generator().manual_seed(0))]
    for rule in rules:
        rule.prepare(model)
    also = [parameter for rule in rules for parameter in rule.parameters()]
    optimiser = torch.optim.AdamW([*model.parameters(), *also], lr=budget.lr, weight_decay=1e-4, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, budget.lr, budget.steps, pct_start=_warm_up(budget))
    every = max(1, budget.steps // CHECKS)
    best = _look(model, windows, val, budget.loss, rules, also, 0)
    log, losses = [(0, np.nan, best[0])], []  # read at the looks: to ask a GPU at each step would hold it up
    draws = _draws(len(train[0]), budget.batch, generator, on)
    for step in range(1, budget.steps + 1):
        rows = next(draws)
        optimiser.zero_grad(set_to_none=True)
        drawn = train[0][rows], train[1][rows]
        with products(on):
            for rule in rules:
                rule.drawn(windows, *drawn)
        with products(on, how):
            loss = _error(model, windows, *drawn, budget.loss, rules, how)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        for rule in rules:
            rule.after_step(step / budget.steps)
        losses.append(loss.detach())
        if step % every == 0 or step == budget.steps:
            seen = _look(model, windows, val, budget.loss, rules, also, step)
            log.append((step, sum(torch.stack(losses).tolist()) / len(losses), seen[0]))
            losses.clear()
            best = min(best, seen, key=lambda look: look[0])
    model.load_state_dict(best[2])
    with torch.no_grad():
        for parameter, kept in zip(also, best[3], strict=True):
            parameter.copy_(kept)
    for rule in rules:
        rule.finish(model)
    model.to("cpu").eval()
    window = BACKWARD * cost.profile(model).macs + sum(rule.macs() for rule in rules)
    seconds, peak = time.perf_counter() - started, max(0.0, _peak(on) - held) if held == held else held
    macs = int(budget.steps * budget.batch * window) + sum(rule.once() for rule in rules)
    spent = Spent(budget.steps, macs, seconds, peak)
    return Fit(pd.DataFrame(log, columns=["step", "train_loss", "val_loss"]), spent, best[1])


def val_loss(model, data, loss: str) -> tuple[float, int]:
    """(Validation loss of a network as the looks of a training see it, how many windows that took)."""
    val, model = pairs(data, "val", LOOK_WINDOWS, torch.Generator().manual_seed(0)), model.to("cpu").eval()
    with torch.inference_mode():
        return _error(model, Windows(data), *val, loss).item(), len(val[0])


def _warm_up(budget: Budget) -> float:
    """Share of rising steps; torch divides by their number less one, so it must not be exactly one."""
    return WARM_UP if budget.steps * WARM_UP != 1 else 2 * WARM_UP


def _draws(n: int, batch: int, generator, on: torch.device):
    """Endless shuffled index batches over n windows, drawn on the CPU: the same on every device."""
    while True:
        order = torch.randperm(n, generator=generator).to(on)
        yield from (order[i : i + batch] for i in range(0, n, batch))


def _error(model, windows: Windows, series, origins, loss: str, rules=(), how: str = "float32") -> torch.Tensor:
    """Loss of some windows; while the model trains, with what the rules add to it. how: bf16 is for the forward pass of
    the network alone; what rules make of weights, teachers and the loss itself are float32."""
    window = windows.inputs(series, origins, model.reads.union(*(rule.reads for rule in rules)))
    y, seen = windows.targets(series, origins)
    swapped = {name: value for rule in rules for name, value in rule.weights(model).items()}
    with torch.autocast(y.device.type, torch.bfloat16) if how == "bf16" else nullcontext():
        yhat = functional_call(model, swapped, window) if swapped else model(*window)
    yhat = yhat.float()
    gap = yhat - y
    size = gap.abs() if loss == "mae" else gap.square()
    value = size.mean() if seen is None else (size * seen).sum() / seen.sum().clamp(min=1)
    for rule in rules if model.training else ():
        value = rule.loss(value, window, y, yhat)
    return value


def _look(model, windows: Windows, val, loss: str, rules, also, step: int) -> tuple:
    """(validation loss, step, copies of what is trained) as the rules want it to be judged."""
    model.eval()
    with ExitStack() as stack:
        for rule in rules:
            stack.enter_context(rule.looking(model))
        with torch.inference_mode(), products(windows.x.device):
            value = _error(model, windows, *val, loss, rules).item()
            for rule in rules:
                value = rule.judged(value)
        kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model.train()
    return value, step, kept, [parameter.detach().clone() for parameter in also]


def _memory_mark(on: torch.device) -> float:
    """MB held now, of a GPU's memory or resident; the high-water mark starts again from here (the kernel's: Linux)."""
    if on.type == "cuda":
        torch.cuda.reset_peak_memory_stats(on)
        return torch.cuda.memory_allocated(on) / 2**20
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return float("nan")
    return _status("VmRSS")


def _peak(on: torch.device) -> float:
    """The high-water mark, MB."""
    return torch.cuda.max_memory_allocated(on) / 2**20 if on.type == "cuda" else _status("VmHWM")


def _status(key: str) -> float:
    with open("/proc/self/status") as file:
        return next(float(line.split()[1]) / 1024 for line in file if line.startswith(key))
