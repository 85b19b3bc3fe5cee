"""Milliseconds of one forecast: batch 1, one thread, all contestants in turns: they share the machine's mood."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from litecast.runtimes import onnxruntime

RUNS, WARM_UP = 200, 20


def interleave(contestants: dict[str, Callable[[], object]], runs: int = RUNS, warm_up: int = WARM_UP) -> pd.DataFrame:
    """Call each contestant in turn, `runs` times after `warm_up`: latency_ms_p10, _p50, _p90 by name.

    The order turns by one every round, so that nobody always follows the same neighbour's cache.
    """
    names = list(contestants)
    taken = {name: np.empty(runs) for name in names}
    for i in range(-warm_up, runs):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter_ns()
            contestants[name]()
            if i >= 0:
                taken[name][i] = (time.perf_counter_ns() - began) / 1e6
    quantiles = {f"latency_ms_p{q}": [float(np.percentile(taken[name], q)) for name in names] for q in (10, 50, 90)}
    return pd.DataFrame(quantiles, index=pd.Index(names))


def in_torch(model) -> Callable[[], object]:
    """One forecast of one window of one series by the decoded network in PyTorch."""
    x, z = onnxruntime.example(model, 1)

    def call():
        with torch.inference_mode():
            return model(x, z)

    return call


def in_onnx(model, session) -> Callable[[], object]:
    """The same window through an open ONNX Runtime session."""
    x, z = onnxruntime.example(model, 1)
    x, z = x.numpy(), None if z is None else z.numpy()
    return lambda: onnxruntime.run(session, x, z)
