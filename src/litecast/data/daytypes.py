"""The usual week: what kind of day a step lies in, which day of the week, and which step of the day."""

from __future__ import annotations

import numpy as np
import pandas as pd

_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
# What makes a day special where a country is known; of two the later counts.
_SPECIAL = ("bridge day", "day before", "day after", "holiday", "long holiday")
_TRADING = ("before a gap", "after a gap", "expiry")
LONG = 3  # public holidays in a row: Seollal and Chuseok, not a single day and its substitute
_EXPIRY = {"KR": (2, 3), "US": (3, 4)}  # when a month's options expire: which one of the month, day of the week
_STEPS = {"15min": 96, "30min": 48, "h": 24}
_DAY = np.timedelta64(1, "D")


def steps(frequency: str) -> int:
    """Steps of one day, 1 where a step is a day or longer."""
    return _STEPS.get(frequency, 1)


def weekdays(frequency: str) -> tuple[str, ...]:
    """Ordinary days: of the week, of trade; months for weeks and months; one for steps without a calendar."""
    months = {"W": _MONTHS, "MS": _MONTHS, "trading-day": _WEEK[:5], "step": ("step",)}
    return months.get(frequency, _WEEK)


def special(frequency: str, country: str | None) -> tuple[str, ...]:
    """Kinds of days that are not ordinary, none where no country is known."""
    kinds = {"trading-day": _TRADING} | dict.fromkeys((*_STEPS, "D"), _SPECIAL)
    return kinds.get(frequency, ()) if country else ()


def count(frequency: str, country: str | None) -> int:
    """Number of different `cells`: (1 + special kinds) x weekdays x steps of a day."""
    return (1 + len(special(frequency, country))) * len(weekdays(frequency)) * steps(frequency)


def cells(times: pd.DatetimeIndex | np.ndarray, frequency: str, country: str | None,
          free: pd.DatetimeIndex) -> np.ndarray:
    """(kind * weekdays + weekday) * steps of a day + step of the day, (T,) int64; kind 0 is an ordinary day.

    free: the country's public holidays, of trading days all weekdays without trade (`calendar.free`). It depends on the
    time stamp alone, never on data.
    """
    if frequency == "step":
        return np.zeros(len(times), np.int64)
    times = pd.DatetimeIndex(times)
    if frequency in ("W", "MS"):
        return times.month.to_numpy().astype(np.int64) - 1
    days, at = np.unique(times.to_numpy().astype("datetime64[D]"), return_inverse=True)
    off, kind = np.unique(free.to_numpy().astype("datetime64[D]")), np.zeros(len(days), np.int64)
    names = special(frequency, country)
    if names:
        marks = _trading(days, off, country) if frequency == "trading-day" else _holidays(days, off)
        for number, name in enumerate(names, 1):
            kind[marks[name]] = number
    day = kind * len(weekdays(frequency)) + _weekday(days) % len(weekdays(frequency))
    minutes = (times.hour * 60 + times.minute).to_numpy()
    return day[at] * steps(frequency) + minutes * steps(frequency) // 1440


def _weekday(days: np.ndarray) -> np.ndarray:
    return (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


def _holidays(days: np.ndarray, off: np.ndarray) -> dict[str, np.ndarray]:
    """Kind -> which of the days (D,) are of it."""
    runs = np.split(off, np.flatnonzero(np.diff(off) > _DAY) + 1)
    long = np.concatenate([off[:0], *(run for run in runs if len(run) >= LONG)])
    work, before, after = (_weekday(days) < 5) & ~np.isin(days, off), days - _DAY, days + _DAY
    between = [np.isin(near, off) | (_weekday(near) > 4) for near in (before, after)]
    return {"bridge day": work & between[0] & between[1] & (np.isin(before, off) | np.isin(after, off)),
            "day before": work & np.isin(after, long), "day after": work & np.isin(before, long),
            "holiday": np.isin(days, off), "long holiday": np.isin(days, long)}  # fmt: skip


def _trading(days: np.ndarray, off: np.ndarray, country: str) -> dict[str, np.ndarray]:
    marks = {name: np.isin(np.busday_offset(days, way, roll=roll), off)
             for name, way, roll in (("before a gap", 1, "backward"), ("after a gap", -1, "forward"))}
    return marks | {"expiry": _expires(days, off, country)}


def _expires(days: np.ndarray, off: np.ndarray, country: str) -> np.ndarray:
    """Whether options expire on a day, (D,): the rule's day of the month, without trade the last one before it."""
    if country not in _EXPIRY:
        return np.zeros(len(days), bool)
    which, weekday = _EXPIRY[country]
    first = np.unique(days.astype("datetime64[M]")).astype("datetime64[D]")
    expiry = first + ((weekday - _weekday(first)) % 7 + 7 * (which - 1)) * _DAY
    while (closed := np.isin(expiry, off)).any():
        expiry[closed] = np.busday_offset(expiry[closed], -1, roll="forward")
    return np.isin(days, expiry)
