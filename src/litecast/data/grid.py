"""The one step that somebody's times keep: their frequency, and which times are missing on its grid by rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from .csvtext import problem
from .stamps import Column, one_clock

SECONDS = {"15min": 900, "30min": 1800, "h": 3600, "D": 86400, "W": 604800}
RUN = 8  # so many equal steps in a row that differ from the usual one are a second frequency
COARSE = 0.1  # unless they are multiples of the usual one and no more than this share: then they are gaps
CLOSED, OPEN = 0.1, 0.8  # a weekday or hour with fewer rows is closed, with more open
HOLIDAYS = 0.6  # Saturdays up to this share are no rule: exchanges that once traded on them, holidays with rows
DAYS = "Mondays Tuesdays Wednesdays Thursdays Fridays Saturdays Sundays".split()
WEEK, DAY, MONDAY = 604800, 86400, 4 * 86400  # seconds; the first Monday of 1970 was the 5th of January


def regular(column: Column, times, groups, given: str | None, notes: list[str]):
    """Times (n,) on one grid (datetime64[us] or int64), and their frequency.

    times (n,): DatetimeIndex or int64 steps; groups (n,) the series of each row; given: the frequency of the YAML.
    The step is the most common one between neighbours of a series. Raises DataError for mixed steps, for times beside
    the grid, for a step that litecast has no name for, for closures by rule, and where more than half of the grid is
    missing.
    """
    if not isinstance(times, pd.DatetimeIndex):
        return _steps(column, times, groups, given, notes), "step"
    if given == "step":
        notes.append("Rows are plain steps (frequency: step): the times were replaced by 0, 1, 2 ….")
        return np.unique(times, return_inverse=True)[1].astype(np.int64), "step"
    if one_clock(times):
        times = times.normalize()
    if given == "MS" or (given is None and _monthly(times, groups)):
        return _months(column, times, groups, notes), "MS"
    seconds = times.to_numpy("datetime64[s]").astype(np.int64)
    frequency = _frequency(column, seconds, groups, given)
    if given is None and frequency == "D" and _trading(seconds, notes):
        frequency = "trading-day"
    if "trading-day" not in (given, frequency):
        _open_always(column, _sorted(seconds), SECONDS[frequency])
        _dense_enough(column, seconds, SECONDS[frequency], lambda second: str(pd.Timestamp(second, unit="s")))
    return times.to_numpy("datetime64[us]"), given or frequency


def _neighbours(position: np.ndarray, groups: np.ndarray, lines: list[int]) -> pd.DataFrame:
    """Distinct positions in order per series, with the step from the one before (0 for the first of a series)."""
    order = np.lexsort((lines, position, groups))
    group, position, line = np.asarray(groups)[order], np.asarray(position)[order], np.asarray(lines)[order]
    fresh = np.diff(group, prepend=group[:1] - 1) != 0  # the first row of a series
    step = np.where(fresh, 0, np.diff(position, prepend=position[:1]))
    kept = fresh | (step > 0)
    columns = {"group": group, "position": position, "line": line, "step": step}
    return pd.DataFrame({name: column[kept] for name, column in columns.items()})


def _one_step(column: Column, position, groups, name: Callable[[int], str], given: str | None = None) -> int:
    """The step that all series keep (the smallest on a tie); DataError if a series, or a stretch of one, differs.

    A stretch of multiples of the step is a gap in every row, if the step clearly rules or the YAML gives it.
    """
    table = _neighbours(position, groups, column.lines)
    modes = table["step"][table["step"] > 0].mode()
    if modes.empty:
        raise column.fault(0, "no series has two different times", "Give one line per time")
    usual = int(modes[0])
    other = (table["step"] > 0) & (table["step"] != usual)
    share = other.groupby(table["group"]).transform("mean")  # of each series
    other &= (table["step"] % usual > 0) | (share > (0.5 if given else COARSE))
    run = other & (table["step"] == table["step"].shift())
    if not run.any():
        return usual
    length = run.groupby((~run).cumsum()).cumsum()
    if (length >= RUN - 1).any():
        row = table.loc[length.idxmax()]
        here = f"steps of {name(usual)} elsewhere, of {name(int(row['step']))} here"
        raise problem(column.file, f"mixed frequency: {here}", line=int(row["line"]), column=column.name,
                      do="Give one file per frequency, bring all rows to the coarser one, or say frequency in the YAML "
                         "if the rows between are missing")
    return usual


def _span(seconds: int) -> str:
    sizes = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    return next(f"{seconds // size} {unit}" for size, unit in sizes if seconds % size == 0)


def _frequency(column: Column, seconds, groups, given: str | None) -> str:
    step = _one_step(column, seconds, groups, _span, given)
    frequency = next((name for name, size in SECONDS.items() if size == step), None)
    if frequency is None:
        raise column.fault(0, f"the times step by {_span(step)}; known steps are {', '.join(SECONDS)}, months and "
                           "trading days", "Bring the rows to one of them, or say frequency: step in the YAML")
    if given and frequency != ("D" if given == "trading-day" else given):
        raise column.fault(0, f"the times step by {_span(step)}, but the YAML says frequency: {given}",
                           "Correct the YAML, or the rows")
    phases, counts = np.unique(seconds % step, return_counts=True)
    beside = np.flatnonzero(seconds % step != phases[counts.argmax()])
    if len(beside):
        raise column.fault(beside[0], f"mixed frequency: {column.texts[beside[0]]} is not a whole number of steps of "
                           f"{_span(step)} from the other times ({len(beside)} such times)",
                           "Round the times, give one file per frequency, or name the zone in the YAML if its clocks "
                           "change (timezone: Europe/Berlin)")
    return frequency


def _sorted(values: np.ndarray) -> np.ndarray:
    """All that occur, in order: of a long table each stands many times."""
    return np.sort(pd.unique(values))


def _weekdays(seconds: np.ndarray) -> np.ndarray:
    """Which weekday (0 = Monday) each time lies on."""
    return (seconds - MONDAY) % WEEK // DAY


def _kept(slots: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Share of the grid's times in each slot (numbered from 0) that have a row."""
    return np.bincount(slots, present) / np.maximum(np.bincount(slots), 1)


def _trading(seconds: np.ndarray, notes: list[str]) -> bool:
    """Whether dates are those of an exchange: weekdays, and at most some Saturdays."""
    days = _sorted(seconds)
    grid = np.arange(days[0], days[-1] + 1, DAY)
    if len(grid) < 15:
        return False
    share = _kept(_weekdays(grid), np.isin(grid, days))
    weekend = days[_weekdays(days) > 4]
    if len(weekend) and (share[6] > CLOSED or share[5] > HOLIDAYS or share[:5].min() < OPEN):
        return False
    keeps = "read as trading days, whose rows are steps"
    if len(weekend):
        first, last = (str(pd.Timestamp(day, unit="s").date()) for day in weekend[[0, -1]])
        notes.append(f"Hardly a Saturday or Sunday ({len(weekend)} of {len(days)} days, {first} to {last}): {keeps}, "
                     "those days too.")
    else:
        notes.append(f"No Saturday and no Sunday: {keeps}.")
    return True


def _open_always(column: Column, seconds: np.ndarray, step: int) -> None:
    """DataError where weekdays or hours of the grid are closed by rule, so that too much of it would be missing."""
    grid = np.arange(seconds[0], seconds[-1] + 1, step)
    if step > DAY or len(grid) < 2 * DAY // step or grid[-1] - grid[0] < 4 * DAY:
        return
    present = np.isin(grid, seconds)
    days, clock = _weekdays(grid), (grid % DAY) // step
    closed_days = np.zeros(7, bool)
    if grid[-1] - grid[0] >= 2 * WEEK:
        closed_days = _kept(days, present) < CLOSED * _kept(days, present).max()
    here = ~closed_days[days]
    opened = np.zeros(DAY // step, bool)
    opened[: clock.max() + 1] = _kept(clock[here], present[here]) >= CLOSED
    ruled = here & opened[clock]
    missing = 1 - present.mean()
    if missing <= 0.1 or ruled.all() or not ruled.any() or present[ruled].mean() < OPEN:
        return
    rule = " and ".join(filter(None, (
        "no rows on " + " and ".join(day for day, shut in zip(DAYS, closed_days, strict=True) if shut)
        if closed_days.any() else "", f"rows only from {_ranges(opened, step)}" if not opened.all() else "")))
    per = int(opened.sum()) if step < DAY else int((~closed_days).sum())
    name = "trading-day" if step == DAY else "step"
    raise column.fault(0, f"{rule}: {missing:.1%} of all steps are missing by rule",
                       f"Write a row for each of them, with 0 where closed means none, or say in the YAML frequency: "
                       f"{name} (the next row is the next step) and season: {per}")


def _ranges(opened: np.ndarray, step: int) -> str:
    """09:00 to 11:30 and 13:00 to 15:00: first and last times of each stretch that is open, round midnight too."""
    edges = np.flatnonzero(opened & ~np.roll(opened, 1)), np.flatnonzero(opened & ~np.roll(opened, -1))
    ends = np.roll(edges[1], -1) if len(edges[0]) and edges[1][0] < edges[0][0] else edges[1]
    shown = [[f"{i * step // 3600:02d}:{i * step % 3600 // 60:02d}" for i in pair]
             for pair in zip(edges[0], ends, strict=True)]  # fmt: skip
    return " and ".join(f"{start} to {end}" for start, end in shown)


def _dense_enough(column: Column, position, step: int, name: Callable[[int], str]) -> None:
    """A typing error in one year would stretch the grid to the horizon."""
    steps = int(position.max() - position.min()) // step + 1
    if steps > 2 * len(pd.unique(position)):
        table = _neighbours(position, np.zeros(len(position)), column.lines)
        widest = int(table["step"].idxmax())
        row = table.loc[widest]
        after = len(table) - widest
        side = (f"start: {name(row['position'])}, {after}" if 2 * after >= len(table) else
                f"end: {name(table['position'][widest - 1])}, {widest}")  # fmt: skip
        raise problem(column.file, f"more than half of all steps are missing ({len(table)} of {steps}); the widest gap "
                      "ends here", line=int(row["line"]), column=column.name,
                      do=f"Correct the time, write rows for quiet times, cut the file in the YAML ({side} of "
                         f"{len(table)} times), or say frequency: step for plain steps")


def _monthly(times: pd.DatetimeIndex, groups) -> bool:
    """At most one date a month and series, most of them 28 days or more apart."""
    seconds, months = times.to_numpy("datetime64[s]").astype(np.int64), to_months(times)
    order = np.lexsort((seconds, groups))
    steps = np.diff(seconds[order])
    there = (np.diff(groups[order]) == 0) & (steps > 0)
    twice = there & (np.diff(months[order]).astype(np.int64) == 0)
    return bool(there.any() and not twice.any() and np.median(steps[there]) >= 28 * DAY)


def to_months(times: pd.DatetimeIndex) -> np.ndarray:
    """The first of their months, datetime64[M]."""
    return times.to_numpy().astype("datetime64[M]")


def _months(column: Column, times: pd.DatetimeIndex, groups, notes: list[str]) -> np.ndarray:
    months = to_months(times)
    count = months.astype(np.int64)
    step = _one_step(column, count, groups, lambda n: f"{n} months", "MS")
    if step != 1:
        raise column.fault(0, f"the times step by {step} months; months (MS) are the longest known step",
                           "Take rows as plain steps with frequency: step in the YAML")
    if len(set(times.day)) > 1 and not times.is_month_end.all():
        odd = int(np.argmax(times.day != pd.Series(times.day).mode()[0]))
        raise column.fault(odd, "monthly times must fall on the same day of every month, or on its end",
                           "Write the first of each month")
    if (times.day > 1).any():
        notes.append("Monthly times were moved to the first of their month.")
    _dense_enough(column, count, 1, lambda month: str(np.datetime64(int(month), "M")))
    return months.astype("datetime64[us]")


def _steps(column: Column, steps, groups, given: str | None, notes: list[str]) -> np.ndarray:
    if given not in (None, "step"):
        raise column.fault(0, f"the times are whole numbers, but the YAML says frequency: {given}",
                           "Write dates, or frequency: step")
    usual = _one_step(column, steps, groups, str)
    gaps = int((np.diff(np.unique(steps)) != usual).sum())
    notes.append("Times are whole numbers: rows are plain steps, without a calendar." +
                 (f" {gaps} gaps in their numbering are not filled." if gaps else ""))
    return steps
