"""Panels: so many series that what is fitted to each, or kept of each, is fitted to some that are drawn, or kept of all
together, and that forecasts of all are looked at a block of series at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .windows import Dataset

MANY = 500  # series; more of them are a panel
DRAWN = 200  # of a panel, with a seed of their own: always the same ones
WHOLE, BLOCK = 1 << 22, 1 << 18  # values: up to WHOLE at once, else about BLOCK


def is_panel(data: Dataset) -> bool:
    """Whether there are more series than can be told apart one by one."""
    return data.C > MANY


def drawn(data: Dataset) -> np.ndarray:
    """Numbers (K,), ascending, of the series that stand for a panel; all of fewer."""
    if not is_panel(data):
        return np.arange(data.C)
    return np.sort(np.random.default_rng(0).permutation(data.C)[:DRAWN])


def part(data: Dataset, series: slice | np.ndarray) -> Dataset:
    """Some series of a dataset, with their scaler as it is."""
    names = np.asarray(data.names, object)[series].tolist()
    return replace(data, names=names, y=data.y[:, series], x=data.x[:, series], mean=data.mean[series],
                   std=data.std[series], exact=None if data.exact is None else data.exact[series],
                   filled={name: data.filled.get(name, 0) for name in names})  # fmt: skip


def blocks(data: Dataset, each: int) -> Iterator[tuple[slice, Dataset]]:
    """Stretches of series with their dataset, so that each holds about BLOCK values; each: values of one series. All at
    once where they are not more than WHOLE."""
    if each * data.C <= WHOLE:
        yield slice(None), data
        return
    step = max(1, BLOCK // each)
    for first in range(0, data.C, step):
        yield slice(first, first + step), part(data, slice(first, first + step))
