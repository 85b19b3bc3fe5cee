"""Clock times of a zone to its standard time, where every day has 24 hours."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .stamps import Column, one_clock


def to_standard(column: Column, times: pd.DatetimeIndex, zone: str | None, groups, notes: list[str]):
    """Local standard time (n,) of times as written; zone: an IANA name or None; groups (n,): the series of each row.

    Dates stay as they are, also where they are written as the zone's midnights. Raises DataError for times that a zone
    skips in spring.
    """
    if times.tz is not None:
        local = times.tz_convert(zone or times.tz).tz_localize(None)
        if zone is None or one_clock(local):
            return local
        utc = times.tz_convert("UTC")
    elif zone is None or one_clock(times):
        return times
    else:
        utc = _from_wall(column, times, zone, groups, notes)
    notes.append(f"Times were converted from {zone} to its standard time.")
    return standard(utc, zone)


def standard(times: pd.DatetimeIndex, zone) -> pd.DatetimeIndex:
    """Standard time of a zone, without a zone, of times that have one."""
    offsets = [pd.Timestamp(times[-1].year, month, 1, tz=zone).utcoffset() for month in (1, 7)]
    return times.tz_convert("UTC").tz_localize(None) + min(offsets)  # the larger one is summer time


def _from_wall(column: Column, wall: pd.DatetimeIndex, zone: str, groups, notes: list[str]) -> pd.DatetimeIndex:
    """UTC of clock times: what occurs twice in autumn is summer time first.

    Stamps of the end of an hour show the clock of its begin, an hour on: 2 o'clock twice in autumn, no 3 o'clock in
    spring. They are told by stamps that only then make sense.
    """
    nth, count = _occurrences(wall, groups)
    step, late = _step(wall), pd.Timedelta(0)
    if _senseless(wall, zone, count).any() and not _senseless(wall - step, zone, count).any():
        late = step
        notes.append("Times are those of the ends of steps, as their changes of summer time show.")
    wall = wall - late
    skipped = _skipped(wall, zone)
    if skipped.any():
        place = int(np.argmax(skipped))
        raise column.fault(place, f"{column.texts[place]} does not exist in {zone}: clocks go forward over it",
                           "Delete the line; if the file keeps standard time all year, leave timezone out of the YAML")
    twice = _twice(wall, zone)
    if (twice & (count == 1)).any():
        notes.append(f"{int((twice & (count == 1)).sum())} times that occur twice in {zone} stand once in the file: "
                     "taken as standard time.")
    first = nth == 0 if wall[0] <= wall[-1] else nth == count - 1
    return wall.tz_localize(zone, ambiguous=twice & (count > 1) & first).tz_convert("UTC") + late


def _step(wall: pd.DatetimeIndex) -> pd.Timedelta:
    """The most common step between times."""
    steps = pd.Series(wall.unique().sort_values()).diff().mode()
    return steps.iloc[0] if len(steps) else pd.Timedelta(0)


def _occurrences(wall: pd.DatetimeIndex, groups) -> tuple[np.ndarray, np.ndarray]:
    """For each row, how often its time stood in its series before, and how often in all."""
    pairs = pd.DataFrame({"wall": wall, "group": groups}).groupby(["group", "wall"])["wall"]
    return pairs.cumcount().to_numpy(), pairs.transform("size").to_numpy()


def _senseless(wall: pd.DatetimeIndex, zone: str, count: np.ndarray) -> np.ndarray:
    """Times that a zone skips, or that stand twice and occur once."""
    return _skipped(wall, zone) | ((count > 1) & ~_twice(wall, zone))


def _skipped(wall: pd.DatetimeIndex, zone: str) -> np.ndarray:
    return wall.tz_localize(zone, ambiguous=np.ones(len(wall), bool), nonexistent="NaT").isna()


def _twice(wall: pd.DatetimeIndex, zone: str) -> np.ndarray:
    return wall.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
