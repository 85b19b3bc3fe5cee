"""Which cycles a frequency has, in steps: what Fourier terms, seasonal states and lags are built from."""

import numpy as np

from litecast.data import daytypes

CYCLES = {"15min": (96, 672), "30min": (48, 336), "h": (24, 168), "D": (7,), "W": (52,), "MS": (12,)}


def seen(data, steps: float | None = None) -> tuple[int, ...]:
    """Cycles of the data, shortest first, that are not longer than `steps` (default: the number of train steps)."""
    limit = data.parts["train"].sum() if steps is None else steps
    return tuple(cycle for cycle in CYCLES.get(data.header.frequency, ()) if cycle <= limit)


def longest(data, steps: float | None = None) -> int | None:
    """The longest of `seen`, None where there is none."""
    return max(seen(data, steps), default=None)


def shape(frequency: str, country: str | None) -> tuple[int, int]:
    """(types, steps) of a usual week: ordinary days by their weekday, then the special kinds; steps of a day."""
    return len(daytypes.weekdays(frequency)) + len(daytypes.special(frequency, country)), daytypes.steps(frequency)


def usual(table: np.ndarray, cells: np.ndarray, frequency: str, series=slice(None)) -> np.ndarray:
    """Values of a usual week (C, types, steps) at cells of the calendar (...): (C, ...), or those of `series` alone,
    an array that goes with the cells."""
    steps, week = daytypes.steps(frequency), len(daytypes.weekdays(frequency))
    day, step = np.divmod(cells, steps)
    kind, weekday = np.divmod(day, week)
    return table[series, np.where(kind > 0, week + kind - 1, weekday), step]
