"""How many windows a second a GPU trains, beside one core of the CPU, and whether the forecasts stay the same.

`python bench/gpu.py [JSON] [--small]` prints Markdown tables, and writes all numbers to the file JSON; --small: two
families, two batches, few steps. Without a GPU the same program runs on the CPU twice, and says so.

Generated hourly demand of 22 series over a year, 168 hours back and 24 ahead. A step is what `training.fit` does at
each: windows are gathered, forward, loss, backward, clipping, optimiser, rate. The batch that fills the GPU is the
least with 90 % of the most windows a second in float32. Then each family is trained for STEPS steps on the CPU, with
two seeds, and on the GPU in each precision; the same weights are evaluated on both. Seconds are those of the clock.
"""

import argparse
import copy
import json
import multiprocessing
import os
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from litecast import models, training
from litecast.data import sample, windows
from litecast.training import Budget, devices, errors, loop

SERIES, DAYS = 22, 365
WIDTHS = {  # family, as it is told: width in a study, and a wide one
    "profile_linear": (2, 8), "profile_mlp@fixed": (16, 256), "nbeats@own": (64, 1024), "resnet1d@own": (16, 256),
    "lstm@own": (32, 512), "gru": (32, 512), "patchtst": (16, 256), "tcn": (16, 256), "mobilenet_v1": (16, 256),
}  # fmt: skip
ATTENDED = 16384  # no larger batch with attention: its kernels take 65,535 windows x heads at a time
BATCHES, CPU_BATCHES = (256, 1024, 4096, 16384, 65536), (256, 1024)
SECONDS, MOST = 0.12, 40  # of the steps that are timed, and how many they are at most
LONG = 0.15  # seconds of a step: no larger batch is tried
STEPS, BATCH, SEEDS = 200, 256, (0, 1)
SLOWEST, SHOWN, PROFILED = 3, 6, 10  # networks that gain least, their operations shown, steps seen
EQUAL, FULL = 1e-4, 0.9  # relative difference of an evaluation; share of the best pace that a full GPU has
CPU = torch.device("cpu")


def main(path: Path | None, small: bool) -> None:
    torch.set_num_threads(1)
    on, data, began = devices.device(), made(40 if small else DAYS), time.perf_counter()
    nets = dict(list(WIDTHS.items())[:2]) if small else WIDTHS
    batches, steps = ((64, 128), 10) if small else (BATCHES, STEPS)
    gpu = torch.cuda.get_device_name(on) if on.type == "cuda" else "no GPU: the CPU in its place"
    told = {"gpu": gpu, "torch": torch.__version__, "cores": os.cpu_count(), "pace": [], "trained": {}}
    print(f"{gpu}, torch {torch.__version__}; {data.C} series, {len(data.x)} hours, L {data.L}, H {data.H}\n")
    print("| family | width | one CPU core, windows/s | GPU float32 | tf32 | bf16 | GPU ÷ core | batch that fills it |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, width in ((name, width) for name, widths in nets.items() for width in widths):
        told["pace"].append(paces(name, width, data, on, batches))
    for line in sorted(told["pace"], key=lambda line: line["ratio"])[:SLOWEST]:
        profile(line["family"], line["width"], line["fills"], data, on)
    told["timed_s"], began = time.perf_counter() - began, time.perf_counter()
    told["trained"] = trainings(nets, data, on, steps)
    told["trained_s"] = time.perf_counter() - began
    print(f"\n{told['timed_s']:.0f} s of timing, {told['trained_s']:.0f} s of training")
    if path:
        path.write_text(json.dumps(told, indent=1) + "\n")


def made(days: int):
    """The sample of traffic with more sites and days, prepared."""
    draw = np.random.default_rng(0)
    sites = {f"site {i:02}": (draw.uniform(400, 4200), draw.uniform(0.1, 1)) for i in range(SERIES)}
    with mock.patch.multiple(sample, SITES=sites, TRAFFIC_DAYS=days):
        return windows.prepare(sample.load("sample-traffic"))


# ---- pace


def paces(name: str, width: int, data, on: torch.device, batches: tuple[int, ...]) -> dict:
    """Prints the line of a network; returns windows per second by device, precision and batch."""
    model = models.build(name, width, data)
    core = ladder(model, data, CPU, "float32", CPU_BATCHES)
    by = {how: ladder(model, data, on, how, batches) for how in devices.PRECISIONS}
    best = {how: max(found.values(), default=float("nan")) for how, found in by.items()}
    full = min((size for size, pace in by["float32"].items() if pace >= FULL * best["float32"]), default=0)
    ratio = best["float32"] / max(core.values())
    print(f"| {name} | {width} | {max(core.values()):,.0f} | " + " | ".join(f"{pace:,.0f}" for pace in best.values())
          + f" | {ratio:,.0f} | {full:,} |", flush=True)  # fmt: skip
    return {"family": name, "width": width, "core": core, "gpu": by, "fills": full, "ratio": ratio}


def ladder(model, data, on: torch.device, how: str, batches: tuple[int, ...]) -> dict[int, float]:
    """Batch -> windows per second of training, as far as memory and patience go."""
    found: dict[int, float] = {}
    can = models.module(models.describe(model)["family"]).CAN
    for batch in (batch for batch in batches if batch <= ATTENDED or "attention" not in can):
        try:
            seconds = timed(stepper(copy.deepcopy(model), data, on, how, batch), on)
        except torch.OutOfMemoryError:
            break
        found[batch] = batch / seconds
        if seconds > LONG:
            break
    return found


def stepper(model, data, on: torch.device, how: str, batch: int):
    """A step of `training.fit` without rules; windows are gathered as there."""
    model, view = model.to(on).train(), training.Windows(data, on)
    origins = torch.from_numpy(data.origins("train")).to(on)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, 1000)
    draw = torch.Generator(on).manual_seed(0)

    def step():
        series = torch.randint(data.C, (batch,), generator=draw, device=on)
        at = origins[torch.randint(len(origins), (batch,), generator=draw, device=on)]
        optimiser.zero_grad(set_to_none=True)
        with devices.products(on, how):
            loop._error(model, view, series, at, "mae", (), how).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()

    return step


def timed(step, on: torch.device) -> float:
    """Seconds of a step."""

    def several(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            step()
        if on.type == "cuda":
            torch.cuda.synchronize(on)
        return (time.perf_counter() - began) / count

    several(2)  # libraries choose their kernels
    once = several(1)
    return several(int(min(MOST, max(3, SECONDS / once)))) if once < LONG else once


def profile(name: str, width: int, batch: int, data, on: torch.device) -> None:
    """Prints what the steps of a network take, float32: its dearest operations, and the share that the GPU works."""
    step, kind = stepper(models.build(name, width, data), data, on, "float32", batch), on.type.replace("cuda", "device")
    seconds = timed(step, on)
    with torch.profiler.profile() as seen:
        for _ in range(PROFILED):
            step()
        if on.type == "cuda":
            torch.cuda.synchronize(on)
    spent = {event.key: getattr(event, f"self_{kind}_time_total") for event in seen.key_averages()
             if event.key.startswith("aten::")}  # kernels are told a second time under their own names
    total = sum(spent.values())
    told = [f"{key} {spent[key] / total:.0%}" for key in sorted(spent, key=lambda key: -spent[key])[:SHOWN]]
    print(f"\n{name} {width}, batch {batch:,}: {1000 * seconds:.2f} ms a step, of which operations take "
          f"{total / PROFILED / 1e6 / seconds:.0%}: {', '.join(told)}", flush=True)


# ---- what comes out


def trainings(nets: dict, data, on: torch.device, steps: int) -> dict:
    """Prints what trainings and evaluations say on both; the CPU's run beside, one a core."""
    cores = min(len(nets) * len(SEEDS), max(1, (os.cpu_count() or 1) - 1))
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        jobs = {(name, seed): pool.apply_async(on_cpu, (name, nets[name][0], len(data.x) // 24, steps, seed))
                for name in nets for seed in SEEDS}  # fmt: skip
        found = {name: {how: on_gpu(name, nets[name][0], data, on, how, steps) for how in devices.PRECISIONS}
                 for name in nets}  # fmt: skip
        for name in nets:
            found[name]["cpu"], found[name]["another seed"] = (jobs[name, seed].get() for seed in SEEDS)
    print(f"\nValidation WAPE after {steps} steps of {BATCH} windows, and as the GPU's differs from the CPU's:\n")
    print("| family | width | CPU | another seed | GPU float32 | tf32 | bf16 | the same weights, float32 | |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for name, told in found.items():
        cpu, off = told["cpu"]["wape"], max(told[how]["evaluation"] for how in devices.PRECISIONS)
        cells = [f"{told[way]['wape'] / cpu - 1:+.2%}" for way in ("another seed", *devices.PRECISIONS)]
        print(f"| {name} | {nets[name][0]} | {cpu:.4f} | {' | '.join(cells)} | {off:.0e} | "
              f"{'equal' if off <= EQUAL else 'NOT EQUAL'} |", flush=True)  # fmt: skip
    for way in ("cpu", "another seed", *devices.PRECISIONS):
        print(f"\nby error, {way}: {', '.join(sorted(found, key=lambda name: found[name][way]['wape']))}")
    return found


def on_cpu(name: str, width: int, days: int, steps: int, seed: int) -> dict:
    """WAPE on validation of a training on one core, in a process of its own, and its seconds."""
    torch.set_num_threads(1)
    os.environ |= {"LITECAST_DEVICE": "cpu", "LITECAST_PRECISION": "float32"}
    model, data, seconds = trained(name, width, made(days), steps, seed)
    origins = data.origins("val")
    return {"wape": errors.wape(data, origins, training.predict(model, data, origins)), "seconds": seconds}


def on_gpu(name: str, width: int, data, on: torch.device, how: str, steps: int) -> dict:
    """The same on the GPU; evaluation: relative difference of WAPE between devices, forecast: the largest of a
    forecast, scaled units, both of the same weights at every eighth origin."""
    with mock.patch.dict(os.environ, LITECAST_DEVICE=str(on), LITECAST_PRECISION=how):
        model, data, seconds = trained(name, width, data, steps, SEEDS[0])
        origins = data.origins("val")
        whole, few = training.predict(model, data, origins), origins[::8]
        here = training.predict(model, data, few)
    with mock.patch.dict(os.environ, LITECAST_DEVICE="cpu"):
        there = training.predict(model, data, few)
    a, b = (errors.wape(data, few, yhat) for yhat in (here, there))
    return {"wape": errors.wape(data, origins, whole), "seconds": seconds, "evaluation": abs(a / b - 1),
            "forecast": float(np.abs(here - there).max())}  # fmt: skip


def trained(name: str, width: int, data, steps: int, seed: int) -> tuple:
    model = models.build(name, width, data, seed)
    return model, data, training.fit(model, data, Budget(steps, BATCH), seed).spent.seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", nargs="?", type=Path, help="where all numbers are written")
    parser.add_argument("--small", action="store_true", help="two families, two batches, few steps")
    given = parser.parse_args()
    main(given.json, given.small)
