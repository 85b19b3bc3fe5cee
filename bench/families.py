"""How quick the families are: windows per second in training and forecasting, and what the training loop itself costs.

`python bench/families.py [--small]` prints a Markdown table; --small: two families, one turn of a few steps.

Generated hourly demand, 168 hours back and 24 ahead, one thread. A *step* is forward, loss, backward, clipping and
optimiser on a batch that lies ready; the *loop* is what `training.fit` takes per step, its looks at validation left
out and told apart. All numbers of a family are taken side by side, in turns; ratios are medians over turns.
"""

import argparse
import statistics
import time
from unittest.mock import patch

import torch

from litecast import models, training
from litecast.data import load, windows

DATA, BATCH, TURNS = "sample-traffic", 256, 5
SPAN, FEW, MANY = 1.0, 30, 600  # seconds that a training of so many steps should take
FORECAST = 2048  # windows per call of a forecast
WANTED = 3000  # forecast windows per second and core that a default network has to reach
SMALL = ("nlinear", "profile_mlp")  # one that reads nothing but the window, one that reads all there is
SLOWEST, SHOWN = 2, 6  # families profiled, and their operations shown


def main(small: bool) -> None:
    torch.set_num_threads(1)
    names, turns, span = (SMALL, 1, 0.01) if small else (models.names(), TURNS, SPAN)
    data = windows.prepare(load(DATA))
    print(f"{DATA}: L {data.L}, H {data.H}, batch {BATCH}, {torch.__version__}, one thread\n")
    print("| family | width | forecast windows/s | training windows/s | step ms | loop ÷ step | of it validation |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    pace = {}
    for name in names:
        pace[name] = family(name, data, turns, span)
    slow = [name for name in pace if pace[name] < WANTED]
    print(f"\nBelow {WANTED} forecast windows/s: {', '.join(slow) or 'none'}")
    for name in sorted(pace, key=pace.get)[: 0 if small else SLOWEST]:
        profile(name, data)


def family(name: str, data, turns: int, span: float) -> float:
    """Prints the line of a family at its largest width; returns forecast windows per second."""
    width = max(models.module(name).WIDTHS)
    model = models.build(name, width, data)
    batch = _batch(model, data, BATCH)
    steps = int(min(MANY, max(FEW, span / _seconds(_stepper(model, batch)))))
    budget = training.Budget(steps, BATCH)
    window, _ = _batch(model, data, FORECAST)
    forecast, step, loop, whole, kept = [], [], [], [], dict(model.state_dict())
    no_look = lambda *_: (1.0, 0, kept, [])  # noqa: E731
    for _ in range(turns):
        model.eval()
        with torch.inference_mode():
            forecast.append(_seconds(lambda: model(*window)))
        model.train()
        step.append(_seconds(_stepper(model, batch), steps) / steps)
        with patch.object(training.loop, "_look", no_look):
            loop.append(training.fit(model, data, budget, 0).spent.seconds / steps)
        whole.append(training.fit(model, data, budget, 0).spent.seconds / steps)
    overhead = statistics.median(a / b for a, b in zip(loop, step, strict=True))
    looks = statistics.median(1 - a / b for a, b in zip(loop, whole, strict=True))
    per_second = FORECAST / statistics.median(forecast)
    print(f"| {name} | {width} | {per_second:,.0f} | {BATCH / statistics.median(loop):,.0f} | "
          f"{1000 * statistics.median(step):.2f} | {overhead:.2f} | {looks:.0%} |", flush=True)  # fmt: skip
    return per_second


def profile(name: str, data) -> None:
    """Prints where the time of one family's training step goes."""
    model = models.build(name, max(models.module(name).WIDTHS), data).train()
    step = _stepper(model, _batch(model, data, BATCH))
    step()
    with torch.profiler.profile() as seen:
        for _ in range(10):
            step()
    operations = sorted(seen.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in operations)
    told = [f"{event.key} {event.self_cpu_time_total / total:.0%}" for event in operations[:SHOWN]]
    print(f"\n{name}, a training step: {', '.join(told)}")


def _batch(model, data, size: int):
    view = training.Windows(data)
    draw = torch.Generator().manual_seed(0)
    series = torch.randint(data.C, (size,), generator=draw)
    origins = torch.from_numpy(data.origins("train"))
    at = origins[torch.randint(len(origins), (size,), generator=draw)]
    return view.inputs(series, at, model.reads), view.targets(series, at)


def _stepper(model, batch):
    window, (y, seen) = batch
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step():
        optimiser.zero_grad(set_to_none=True)
        gap = (model(*window) - y).abs()
        loss = gap.mean() if seen is None else (gap * seen).sum() / seen.sum().clamp(min=1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    return step


def _seconds(call, times: int = 1) -> float:
    call()
    began = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="two families, one turn of a few steps")
    main(parser.parse_args().small)
