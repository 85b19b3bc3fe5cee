"""Inputs known ahead of time: position in the day, week or year, weekends and public holidays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataError

_CYCLES = {
    "15min": ("day", "week"), "30min": ("day", "week"), "h": ("day", "week"), "D": ("week",),
    "trading-day": ("week",), "W": ("year",), "MS": ("year",), "step": (),
}  # fmt: skip
_WITH_WEEKEND = ("15min", "30min", "h", "D")  # the only steps short enough to lie inside a weekend or a holiday


def names(frequency: str, country: str | None) -> list[str]:
    """Names of the F columns of `features`, in order."""
    columns = [f"{cycle}_{wave}" for cycle in _CYCLES[frequency] for wave in ("sin", "cos")]
    if frequency in _WITH_WEEKEND:
        columns += ["weekend", "holiday"] if country else ["weekend"]
    return columns


def features(times: pd.DatetimeIndex | np.ndarray, frequency: str, country: str | None) -> np.ndarray:
    """Calendar inputs z (T, F), float32 in [-1, 1]; they depend on the time stamp alone, never on data.

    F = 0 for integer steps. Raises DataError for a country without a holiday table.
    """
    if frequency == "step":
        return np.zeros((len(times), 0), np.float32)
    times = pd.DatetimeIndex(times)
    phases = {"day": _of_day(times), "week": (times.day_of_week + _of_day(times)) / 7, "year": _of_year(times)}
    columns = [wave(2 * np.pi * np.asarray(phases[cycle])) for cycle in _CYCLES[frequency] for wave in (np.sin, np.cos)]
    if frequency in _WITH_WEEKEND:
        columns.append(times.day_of_week >= 5)
        if country:
            columns.append(holidays(times, country))
    return np.column_stack(columns).astype(np.float32)


def holidays(times: pd.DatetimeIndex, country: str) -> np.ndarray:
    """True (T,) on public holidays of a country, given by its two-letter code ("KR")."""
    import holidays as tables

    times = pd.DatetimeIndex(times)
    years = range(times.min().year, times.max().year + 1) if len(times) else []
    try:
        dates = list(tables.country_holidays(country, years=years))
    except NotImplementedError:
        raise DataError(f"no holidays known for country '{country}'; give a two-letter code as KR, or none") from None
    return times.normalize().isin(pd.DatetimeIndex(dates))


def _of_day(times: pd.DatetimeIndex) -> np.ndarray:
    return (times.hour * 60 + times.minute).to_numpy() / 1440


def _of_year(times: pd.DatetimeIndex) -> np.ndarray:
    return ((times.day_of_year - 1) / 365.25).to_numpy()
