"""Milliseconds of one forecast: batch 1, one thread, all contestants in turns: they share the machine's mood."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

RUNS, WARM_UP = 200, 20


def interleave(contestants: dict[str, Callable[[], object]], runs: int = RUNS, warm_up: int = WARM_UP) -> pd.DataFrame:
    """Call each contestant (`runtime.call(opened)`) in turn, `runs` times after `warm_up`: latency_ms_p10, _p50, _p90.

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

