"""Inputs known ahead of time: position in the day, week or year, weekends and public holidays."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from ..errors import DataError

_CYCLES = {
    "15min": ("day", "week"), "30min": ("day", "week"), "h": ("day", "week"), "D": ("week",),
    "trading-day": ("week",), "W": ("year",), "MS": ("year",), "step": (),
}  # fmt: skip
_WITH_WEEKEND = ("15min", "30min", "h", "D")  # the only steps short enough to lie inside a weekend or a holiday
AHEAD = 3  # years of holidays that a file holds beyond those of its dataset: it forecasts what comes after
_YEARS = range(1600, 2401)  # that a list of holidays may tell of


def names(frequency: str, country: str | None) -> list[str]:
    """Names of the F columns of `features`, in order."""
    columns = [f"{cycle}_{wave}" for cycle in _CYCLES[frequency] for wave in ("sin", "cos")]
    if frequency in _WITH_WEEKEND:
        columns += ["weekend", "holiday"] if country else ["weekend"]
    return columns


def features(times: pd.DatetimeIndex | np.ndarray, frequency: str, country: str | None,
             dates: pd.DatetimeIndex | None = None) -> np.ndarray:
    """Calendar inputs z (T, F), float32 in [-1, 1]; they depend on the time stamp alone, never on data.

    F = 0 for integer steps. dates: the country's holidays where a file brings them, else its table is read. Raises
    DataError for a country without a holiday table.
    """
    if frequency == "step":
        return np.zeros((len(times), 0), np.float32)
    times = pd.DatetimeIndex(times)
    phases = {"day": _of_day(times), "week": (times.day_of_week + _of_day(times)) / 7, "year": _of_year(times)}
    columns = [wave(2 * np.pi * np.asarray(phases[cycle])) for cycle in _CYCLES[frequency] for wave in (np.sin, np.cos)]
    if frequency in _WITH_WEEKEND:
        columns.append(times.day_of_week >= 5)
        if country:
            columns.append(holidays(times, country) if dates is None else times.normalize().isin(dates))
    return np.column_stack(columns).astype(np.float32)


def holidays(times: pd.DatetimeIndex, country: str) -> np.ndarray:
    """True (T,) on public holidays of a country, given by its two-letter code ("KR")."""
    times = pd.DatetimeIndex(times)
    known = _table(country, times.min().year, times.max().year) if len(times) else []
    return times.normalize().isin(pd.DatetimeIndex(known))


def free(times: pd.DatetimeIndex | np.ndarray, frequency: str, country: str | None) -> pd.DatetimeIndex:
    """Public holidays (N,) of the years of `times` and AHEAD more, in order; of trading days, too, the weekdays within
    `times` that had no trade. None where the steps are too long for holidays, or no country is known."""
    if not country or frequency not in (*_WITH_WEEKEND, "trading-day"):
        return pd.DatetimeIndex([])
    dates = pd.DatetimeIndex(_table(country, times.min().year, times.max().year + AHEAD))
    if frequency == "trading-day":
        dates = dates.union(pd.bdate_range(times.min(), times.max()).difference(times.normalize()))
    return dates


def packed(times: pd.DatetimeIndex, frequency: str, country: str | None) -> list[int] | None:
    """What is `free` as a file holds it; None where no input tells of any.

    First year, last year, days from 1 January of the first year to the first holiday, then from each to the next.
    """
    days = free(times, frequency, country).to_numpy().astype("datetime64[D]")
    if not len(days):
        return None
    first, last = times.min().year, times.max().year + AHEAD
    return [first, last, *np.diff(days, prepend=np.datetime64(f"{first}-01-01")).astype(int).tolist()]


def unpacked(holidays: Sequence[int] | None) -> pd.DatetimeIndex:
    """Dates (N,) of such a list, of None none. Raises DataError for numbers that are no such list."""
    if holidays is None:
        return pd.DatetimeIndex([])
    first, last, *gaps = holidays if len(holidays) > 1 else (0, 0)
    most = 366 * len(_YEARS)
    if first not in _YEARS or last not in _YEARS or not all(0 <= gap <= most for gap in gaps) or sum(gaps) > most:
        raise DataError(f"holidays are two years of {_YEARS[0]} to {_YEARS[-1]} and days from one to the next, not "
                        f"{str(list(holidays))[:60]}")
    return pd.DatetimeIndex(np.datetime64(f"{first}-01-01") + np.cumsum(gaps, dtype=np.int64))


@functools.lru_cache(32)
def _table(country: str, first: int, last: int) -> list[date]:
    """Holidays of some years, in order."""
    import holidays as tables

    try:
        return sorted(tables.country_holidays(country, years=range(first, last + 1)))
    except NotImplementedError:
        raise DataError(f"no holidays known for country '{country}'; give a two-letter code as KR, or none") from None


def _of_day(times: pd.DatetimeIndex) -> np.ndarray:
    return (times.hour * 60 + times.minute).to_numpy() / 1440


def _of_year(times: pd.DatetimeIndex) -> np.ndarray:
    return ((times.day_of_year - 1) / 365.25).to_numpy()
