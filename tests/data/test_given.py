"""Times given to a forecast are read as those of a file, or refused in words."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from litecast.data import given
from litecast.errors import DataError
from litecast.modelfile import Card, Loaded

HOURS = pd.date_range("2024-01-01", periods=30, freq="h")
MONTHS = pd.date_range("2021-01-01", periods=30, freq="MS")
DAYS = pd.date_range("2024-02-01", periods=60)


@pytest.mark.parametrize("times, frequency, expected", [
    (HOURS, "h", HOURS), (HOURS.to_numpy(), "h", HOURS), (list(HOURS), "h", HOURS), (pd.Series(HOURS), "h", HOURS),
    ([time.to_pydatetime() for time in HOURS], "h", HOURS), (HOURS.strftime("%Y-%m-%d %H:%M"), "h", HOURS),
    (list(HOURS.strftime("%Y%m%d%H")), "h", HOURS), (HOURS.to_period("h"), "h", HOURS),
    (list(HOURS.to_period("h")), "h", HOURS), (MONTHS + pd.offsets.MonthEnd(0), "MS", MONTHS),
    (MONTHS + pd.Timedelta("14D"), "MS", MONTHS), (MONTHS.to_period("M"), "MS", MONTHS),
    (list(MONTHS.strftime("%Y-%m")), "MS", MONTHS), (DAYS + pd.Timedelta("15h"), "D", DAYS),
    (DAYS.tz_localize("America/New_York"), "D", DAYS), ([day.date() for day in DAYS], "D", DAYS),
    (HOURS.tz_localize("Asia/Seoul"), "h", HOURS),
])  # fmt: skip
def test_forms(times, frequency, expected):
    found = given.read(times, frequency)
    assert found.tz is None and (found == expected).all() and len(found) == len(expected)


@pytest.mark.parametrize("start", ["2024-03-30", "2024-07-01", "2024-10-26"])
def test_summer_time_becomes_standard_time(start):
    utc = pd.date_range(start, periods=60, freq="h", tz="UTC")
    found = given.read(utc.tz_convert("Europe/Berlin"), "h")
    assert (found == utc.tz_localize(None) + pd.Timedelta("1h")).all()


@pytest.mark.parametrize("times, words", [
    (np.arange(30), "int64, no times"), (["soon"] * 30, "'soon' is not a time"), ([], "row 1"),
    ([*HOURS[:5], pd.NaT], "row 6"), (list(map(str, range(30))), "are numbers"), ([object()] * 3, "cannot be read"),
    ([pd.Timestamp("2024-03-30 12:00+01:00"), pd.Timestamp("2024-03-31 12:00+02:00")], "cannot be read"),
    (["2024-03-30 12:00+01:00", "2024-03-31 13:00+02:00"], "with its zone"), (3, "cannot be read"),
    ([datetime.datetime(1, 1, 1), "x"], "cannot be read"),
])  # fmt: skip
def test_whatever_else_is_refused_in_words(times, words):
    with pytest.raises(DataError, match=words):
        given.read(times, "h")


def test_months_on_several_days_are_refused():
    with pytest.raises(DataError, match="same day of every month"):
        given.read([*MONTHS[:5], MONTHS[5] + pd.Timedelta("3D")], "MS")


class Calendar:
    """In place of a network: says what it was told of the calendar."""

    n_known, reads = 1, frozenset({"z"})

    def __call__(self, x, z, *_):
        return z[:, -1:, :1]


def test_forecasts_read_them():
    card = Card("d", "", "MS", 12, L=12, H=1, mean=[0.0], std=[1.0], series=["a"])
    file = Loaded(Calendar(), card, Path("my.lite"))
    values = np.zeros((30, 1))
    expected = file.forecast(values, MONTHS)
    for times in (MONTHS + pd.offsets.MonthEnd(0), MONTHS.to_period("M"), list(MONTHS.strftime("%Y-%m-%d"))):
        np.testing.assert_array_equal(file.forecast(values, times), expected)
    assert not np.array_equal(file.forecast(values, MONTHS + pd.DateOffset(months=1)), expected)
    with pytest.raises(DataError, match="one step"):
        file.forecast(values, [*MONTHS[:-1], MONTHS[-1] + pd.DateOffset(months=1)])
