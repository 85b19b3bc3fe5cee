"""Panels: so many series that what is fitted to each, or kept of each, is fitted to a few that are drawn, or kept of
all together, and that forecasts are looked at a block of series at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .windows import Dataset

MANY = 500  # series; more of them are a panel
FEW = 200  # of those that are judged: for what takes seconds each, or is kept of each
WHOLE, BLOCK = 1 << 22, 1 << 18  # values: up to WHOLE at once, else about BLOCK


def is_panel(data: Dataset) -> bool:
    """Whether there are more series than can be told apart one by one."""
    return data.C > MANY


def few(data: Dataset) -> np.ndarray:
    """Numbers (K,), ascending, of the judged series that stand for a panel where each costs much; of all otherwise.

    They count the series of `data.judged`.
    """
    return data.judged.spread(FEW if is_panel(data) else data.C)


def stand_in(data: Dataset) -> Dataset:
    """Those few by themselves; the dataset itself where it is no panel."""
    return data.judged.part(few(data)) if is_panel(data) else data


def blocks(data: Dataset, each: int) -> Iterator[tuple[slice, Dataset]]:
    """Stretches of series with their dataset, so that each holds about BLOCK values; each: values of one series. All at
    once where they are not more than WHOLE."""
    if each * data.C <= WHOLE:
        yield slice(None), data
        return
    step = max(1, BLOCK // each)
    for first in range(0, data.C, step):
        yield slice(first, first + step), data.part(slice(first, first + step))
