"""The usual week of a dataset: what each series does on each kind of day and step of it, from train steps alone."""

import warnings

import numpy as np

from . import daytypes

TRUST = 2.0  # days: a type seen on as many counts for half, what it resembles for the other half
# What a special day resembles while it was seen too seldom; an ordinary one resembles the mean of all days.
RESEMBLES = {"holiday": "Sunday", "long holiday": "holiday", "bridge day": "Saturday"}


def types(data) -> tuple[str, ...]:
    """Rows of the table: ordinary days by their weekday, then the special kinds, whatever their weekday."""
    return _types(data.header.frequency, data.header.country)


def shape(frequency: str, country: str | None) -> tuple[int, int]:
    """(types, steps) of a table."""
    return len(_types(frequency, country)), daytypes.steps(frequency)


def at(table: np.ndarray, cells: np.ndarray, frequency: str, series=slice(None)) -> np.ndarray:
    """Values of a table (C, types, steps) at cells of the calendar (...): (C, ...), or those of `series` alone, an
    array that goes with the cells."""
    return table[series, *_place(cells, frequency)]


def table(data, shared: bool = False, special: bool = True, middle: str = "mean",
          prior: np.ndarray | None = None) -> np.ndarray:
    """Usual value (C or 1, types, steps), float32, scaled units.

    The mean (or 'median') over the observed train steps of a type and step, drawn by TRUST days towards what the type
    resembles, or towards another table of that shape (`prior`), as that of similar series. shared: one table for all
    series. special: False counts special days as the weekday they fall on.
    """
    h, train, steps = data.header, data.parts["train"], daytypes.steps(data.header.frequency)
    names, week = types(data), len(daytypes.weekdays(h.frequency))
    y, (row, step) = data.scale(data.y)[train], _place(data.cells[train], h.frequency, special)
    found, days = _middles(y, row * steps + step, len(names) * steps, shared, middle)
    found, days = (part.reshape(-1, len(names), steps) for part in (found, days))
    every = np.nan_to_num(_middles(y, step, steps, shared, middle)[0])
    made, done = np.repeat(every[:, None], len(names), 1), set()
    if prior is not None:
        made[:, : prior.shape[1]] = prior
    for name in sorted(names, key=lambda name: list(RESEMBLES).index(name) if name in RESEMBLES else -1):
        i = names.index(name)
        like = names.index(RESEMBLES[name]) if prior is None and RESEMBLES.get(name) in done else i
        made[:, i] = (np.nan_to_num(found[:, i]) * days[:, i] + TRUST * made[:, like]) / (days[:, i] + TRUST)
        done.add(name)
    return made[:, : None if special else week].astype(np.float32)


def _types(frequency: str, country: str | None) -> tuple[str, ...]:
    return daytypes.weekdays(frequency) + daytypes.special(frequency, country)


def _place(cells: np.ndarray, frequency: str, special: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(Type, step of the day) of cells."""
    day, step = np.divmod(cells, daytypes.steps(frequency))
    kind, weekday = np.divmod(day, len(daytypes.weekdays(frequency)))
    return np.where((kind > 0) & special, len(daytypes.weekdays(frequency)) + kind - 1, weekday), step


def _middles(y: np.ndarray, cell: np.ndarray, size: int, shared: bool, middle: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean or median of y (T, C) in each cell, (C or 1, size), NaN where none was observed; days that were, per series.
    """
    take = np.nanmean if middle == "mean" else np.nanmedian
    found, days = (np.full((1 if shared else y.shape[1], size), fill) for fill in (np.nan, 0.0))
    order = np.argsort(cell, kind="stable")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a cell without any value
        for part in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
            seen = np.isfinite(y[part])
            found[:, cell[part[0]]] = take(y[part]) if shared else take(y[part], axis=0)
            days[:, cell[part[0]]] = seen.sum() / y.shape[1] if shared else seen.sum(0)
    return found, days
