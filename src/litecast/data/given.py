"""Times that a caller gives with rows to forecast from, read as those of a file are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import DataError
from . import grid, stamps, zones

WHAT = "the times given"


def read(times, frequency: str) -> pd.DatetimeIndex:
    """Local standard time (T,) without a zone, on the first of the month for months, at 00:00 for dates.

    times: whatever pandas takes for times, text as in a file, periods (their begin); with a zone its clock is turned
    back to standard time. Raises DataError in words for anything else.
    """
    index = _index(times)
    if not len(index) or index.hasnans:
        row = int(np.argmax(index.isna())) + 1 if len(index) else 1
        raise DataError(f"{WHAT} lack one at row {row}: give every row its time")
    if index.tz is not None:
        local = index.tz_localize(None)
        index = local if stamps.one_clock(local) else zones.standard(index, index.tz)
    if frequency == "MS":
        return _months(index)
    return index.normalize() if stamps.one_clock(index) and frequency in ("D", "W", "trading-day") else index


def _index(times) -> pd.DatetimeIndex:
    try:
        index = times if isinstance(times, pd.Index) else pd.Index(times)
        if isinstance(index, pd.PeriodIndex):
            return index.to_timestamp()
        if isinstance(index, pd.DatetimeIndex):
            return index
        if len(index) and all(isinstance(each, str) for each in index):
            return _texts([each.strip() for each in index])
        if index.dtype == object:
            return pd.DatetimeIndex(index)
    except DataError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{WHAT} cannot be read ({str(error)[:200]}): give a DatetimeIndex, in one zone or in none"
                        ) from None  # fmt: skip
    raise DataError(f"{WHAT} are {index.dtype}, no times: give a DatetimeIndex, or text as 2024-01-31 13:00")


def _texts(texts: list[str]) -> pd.DatetimeIndex:
    column = stamps.Column(WHAT, "times", texts, list(range(1, len(texts) + 1)))
    try:
        found = stamps.parse(column, ".", None, None, False, [])
    except DataError as error:
        raise DataError(f"{error} Here that is a DatetimeIndex, with its zone if it has one.") from None
    if not isinstance(found, pd.DatetimeIndex):
        raise DataError(f"{WHAT} are numbers ('{texts[0]}'), no times: write 2024-01-31 13:00")
    return found.tz_localize(None) if found.tz is not None else found


def _months(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    if len(set(times.day)) > 1 and not times.is_month_end.all():
        raise DataError(f"{WHAT} must fall on the same day of every month, or on its end")
    return pd.DatetimeIndex(grid.to_months(times).astype("datetime64[ns]"))
