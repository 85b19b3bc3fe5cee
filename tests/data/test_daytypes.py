"""Kinds of days against dates written by hand, and the numbers of cells; holidays as a file holds them."""

import numpy as np
import pandas as pd
import pytest

from litecast.data import calendar, daytypes, load
from litecast.data.frame import FREQUENCIES, Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import DataError
from litecast.modelfile import Card

# Public holidays of Korea, Monday to Sunday, as they were: substitutes and elections are among them.
FREE = pd.to_datetime("""
    2023-01-01 2023-01-21 2023-01-22 2023-01-23 2023-01-24 2023-03-01 2023-05-05 2023-05-27 2023-05-29 2023-06-06
    2023-08-15 2023-09-28 2023-09-29 2023-09-30 2023-10-02 2023-10-03 2023-10-09 2023-12-25
    2024-01-01 2024-02-09 2024-02-10 2024-02-11 2024-02-12 2024-03-01 2024-04-10 2024-05-05 2024-05-06 2024-05-15
    2024-06-06 2024-08-15 2024-09-16 2024-09-17 2024-09-18 2024-10-01 2024-10-03 2024-10-09 2024-12-25
    2025-01-01 2025-01-27 2025-01-28 2025-01-29 2025-01-30 2025-03-01 2025-03-03 2025-05-05 2025-05-06 2025-06-03
    2025-06-06 2025-08-15 2025-10-03 2025-10-05 2025-10-06 2025-10-07 2025-10-08 2025-10-09 2025-12-25""".split())
LONG = pd.to_datetime("""2023-01-21 2023-01-22 2023-01-23 2023-01-24 2023-09-28 2023-09-29 2023-09-30
    2024-02-09 2024-02-10 2024-02-11 2024-02-12 2024-09-16 2024-09-17 2024-09-18
    2025-01-27 2025-01-28 2025-01-29 2025-01-30 2025-10-05 2025-10-06 2025-10-07 2025-10-08 2025-10-09""".split())
DAYS = pd.date_range("2023-01-01", "2025-12-30")
KINDS = {
    # between Sunday and Tuesday, or Thursday and Saturday, or two holidays; 2025-12-26 is a Friday
    "bridge day": "2023-06-05 2023-08-14 2024-06-07 2024-08-16 2024-09-30 2024-10-02 2024-10-04 2025-06-02 2025-12-26",
    # working days that touch three holidays in a row; 10 October 2025, a bridge too, counts as the day after
    "day before": "2023-01-20 2023-09-27 2024-02-08",
    "day after": "2023-01-25 2024-02-13 2024-09-19 2025-01-31 2025-10-10",
}


def kinds(days, frequency="D", country="KR", free=FREE):
    """Kind of each day, 0 = ordinary."""
    cells = daytypes.cells(days, frequency, country, free)
    return cells // daytypes.steps(frequency) // len(daytypes.weekdays(frequency))


def of(name, frequency="D"):
    return 1 + daytypes.special(frequency, "KR").index(name)


@pytest.mark.parametrize("name", KINDS)
def test_days_beside_holidays_are_those_of_the_calendar(name):
    found = DAYS[kinds(DAYS) == of(name)]
    assert [str(day.date()) for day in found] == KINDS[name].split()


def test_holidays_are_long_from_three_in_a_row_on():
    found = kinds(DAYS)
    assert DAYS[found == of("long holiday")].equals(LONG)
    assert DAYS[found == of("holiday")].equals(FREE.difference(LONG))
    pair = kinds(pd.date_range("2024-05-03", "2024-05-07"))  # Children's Day, a Sunday, and its substitute
    assert pair.tolist() == [0, 0, of("holiday"), of("holiday"), 0]


def test_the_kinds_are_made_of_the_table_that_is_installed():
    """The dates above are those that `calendar.free` finds, so that a file and a reader see the same days."""
    found = calendar.free(pd.date_range("2023-01-01", "2025-12-30"), "D", "KR")
    assert found[found < "2026"].equals(FREE.as_unit(found.unit))
    assert found[-1].year == 2025 + calendar.AHEAD and found.is_monotonic_increasing


def test_a_special_day_keeps_its_weekday_and_its_step():
    hours = pd.date_range("2024-02-09", periods=48, freq="h")  # Friday and Saturday of Seollal
    cells = daytypes.cells(hours, "h", "KR", FREE)
    assert cells.tolist() == [(5 * 7 + 4) * 24 + h for h in range(24)] + [(5 * 7 + 5) * 24 + h for h in range(24)]
    monday = daytypes.cells(pd.date_range("2024-01-08", periods=96, freq="15min"), "15min", "KR", FREE)
    assert monday.tolist() == list(range(96)) and monday.dtype == np.int64
    half = daytypes.cells(pd.to_datetime(["2024-01-09 13:29", "2024-01-09 13:30"]), "30min", None, FREE[:0])
    assert half.tolist() == [48 + 26, 48 + 27]


def test_without_a_country_no_day_is_special():
    cells = daytypes.cells(DAYS, "D", None, FREE[:0])
    assert cells.tolist() == DAYS.day_of_week.tolist()
    assert daytypes.special("h", None) == () == daytypes.special("W", "KR") == daytypes.special("step", "KR")


def test_weeks_and_months_are_told_by_their_month_and_steps_by_nothing():
    weeks = pd.date_range("2024-01-03", periods=60, freq="7D")
    assert daytypes.cells(weeks, "W", "KR", FREE).tolist() == [week.month - 1 for week in weeks]
    months = pd.date_range("2023-11-01", periods=4, freq="MS")
    assert daytypes.cells(months, "MS", "KR", FREE).tolist() == [10, 11, 0, 1]
    assert daytypes.cells(np.arange(5), "step", "KR", FREE[:0]).tolist() == [0] * 5
    assert daytypes.cells(DAYS[:0], "D", "KR", FREE).tolist() == []


@pytest.mark.parametrize("frequency, country, count", [
    ("15min", "KR", 6 * 7 * 96), ("30min", None, 7 * 48), ("h", "KR", 6 * 7 * 24), ("D", "KR", 42), ("D", None, 7),
    ("trading-day", "KR", 4 * 5), ("trading-day", None, 5), ("W", "KR", 12), ("MS", None, 12), ("step", None, 1),
])  # fmt: skip
def test_there_are_as_many_cells_as_counted(frequency, country, count):
    assert daytypes.count(frequency, country) == count
    step = {"trading-day": "B", "W": "7D", "step": "h"}.get(frequency, frequency)
    times = pd.date_range("2023-01-02", periods=3000, freq=step)
    cells = daytypes.cells(np.arange(3000) if frequency == "step" else times, frequency, country, FREE)
    assert cells.min() >= 0 and cells.max() < count and len(cells) == 3000
    assert set(FREQUENCIES) == {"15min", "30min", "h", "D", "trading-day", "W", "MS", "step"}


# --- trading days

CLOSED = pd.to_datetime(["2024-05-01", "2024-12-31"])  # of the exchange alone
TRADED = pd.bdate_range("2024-01-01", "2025-01-03").difference(FREE).difference(CLOSED)
TRADING = {
    # a weekday without trade follows, or came before; where both or an expiry hold, the later name of these counts
    "before a gap": """2024-02-29 2024-04-09 2024-04-30 2024-05-03 2024-05-14 2024-06-05 2024-08-14 2024-09-13
                       2024-09-30 2024-10-08 2024-12-24 2024-12-30""",
    "after a gap": """2024-01-02 2024-02-13 2024-03-04 2024-05-02 2024-05-07 2024-05-16 2024-06-07 2024-08-16 2024-09-19
                      2024-10-02 2024-10-04 2024-12-26 2025-01-02""",
    "expiry": """2024-01-11 2024-02-08 2024-03-14 2024-04-11 2024-05-09 2024-06-13 2024-07-11 2024-08-08 2024-09-12
                 2024-10-10 2024-11-14 2024-12-12""",
}


@pytest.mark.parametrize("name", TRADING)
def test_trading_days_beside_a_gap_and_expiries(name):
    free = calendar.free(TRADED, "trading-day", "KR")
    found = TRADED[kinds(TRADED, "trading-day", free=free) == of(name, "trading-day")]
    assert [str(day.date()) for day in found] == TRADING[name].split()
    assert set(CLOSED) <= set(free), "weekdays without trade"


@pytest.mark.parametrize("country, closed, expiry", [
    ("KR", [], "2025-10-09"), ("KR", ["2025-10-09"], "2025-10-08"),  # the second Thursday; a holiday: the day before
    ("KR", ["2025-10-03", "2025-10-06", "2025-10-07", "2025-10-08", "2025-10-09"], "2025-10-02"),
    ("US", [], "2025-10-17"), ("US", ["2025-10-17"], "2025-10-16"),  # the third Friday
])  # fmt: skip
def test_a_month_expires_by_its_countrys_rule_the_last_trading_day_before_if_there_is_no_trade(country, closed, expiry):
    days = pd.bdate_range("2025-10-01", "2025-10-31").difference(pd.to_datetime(closed))
    found = kinds(days, "trading-day", country, pd.to_datetime(closed))
    assert [str(day.date()) for day in days[found == of("expiry", "trading-day")]] == [expiry]


def test_trade_on_a_weekend_has_a_cell_too():
    days = pd.to_datetime(["2024-03-08", "2024-03-09", "2024-03-10", "2024-03-11"])  # from Friday on
    assert daytypes.cells(days, "trading-day", "KR", FREE).tolist() == [4, 0, 1, 0]


def test_of_a_country_whose_rule_is_not_known_no_day_is_an_expiry():
    found = kinds(TRADED, "trading-day", "FR", calendar.free(TRADED, "trading-day", "FR"))
    assert set(found) == {0, of("before a gap", "trading-day"), of("after a gap", "trading-day")}


# --- in a file

@pytest.mark.parametrize("frequency, times", [
    ("h", pd.date_range("2024-02-01", periods=999, freq="h")), ("D", pd.date_range("2023-06-01", "2024-06-01")),
    ("15min", pd.date_range("2023-12-30", periods=300, freq="15min")), ("trading-day", TRADED),
])  # fmt: skip
def test_holidays_come_back_from_a_file_as_they_were(frequency, times):
    free = calendar.free(times, frequency, "KR")
    packed = calendar.packed(times, frequency, "KR")
    assert packed[:2] == [times[0].year, times[-1].year + 3] and all(type(gap) is int for gap in packed)
    back = calendar.unpacked(packed)
    assert back.tolist() == free.tolist() and back.is_monotonic_increasing and back.is_unique
    np.testing.assert_array_equal(daytypes.cells(times, frequency, "KR", back),
                                  daytypes.cells(times, frequency, "KR", free))


@pytest.mark.parametrize("frequency, country", [("h", None), ("W", "KR"), ("MS", "KR"), ("step", "KR"),
                                                ("trading-day", None)])  # fmt: skip
def test_where_no_day_can_be_special_there_are_no_holidays(frequency, country):
    times = np.arange(9) if frequency == "step" else pd.date_range("2024-01-01", periods=9)
    assert len(calendar.free(times, frequency, country)) == 0
    assert calendar.packed(times, frequency, country) is None and len(calendar.unpacked(None)) == 0


@pytest.mark.parametrize("packed", [[], [2024], [2024, 2027, -1], [1200, 2027, 0], [2024, 9999, 0],
                                    [2024, 2027, 10**9]])  # fmt: skip
def test_numbers_that_are_no_holidays_are_refused(packed):
    with pytest.raises(DataError, match="holidays are two years"):
        calendar.unpacked(packed)


def made(frequency, country):
    """A dataset of 400 steps that begins on 1 December 2023."""
    step = {"trading-day": "B", "W": "7D", "step": "h"}.get(frequency, frequency)
    times = pd.date_range("2023-12-01" if frequency != "MS" else "1990-12-01", periods=400, freq=step)
    if frequency == "trading-day":
        times = times.difference(FREE)
    wide = pd.DataFrame(np.random.default_rng(0).normal(50, 5, (len(times), 2)), times, ["a", "b"])
    if frequency == "step":
        wide.index = np.arange(len(times))
    return prepare(from_wide(Header("made-up", "items", frequency, 4, 16, 4, country=country), wide))


@pytest.mark.parametrize("country", ["KR", "US", None])
@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_a_file_sees_the_cells_of_its_dataset(frequency, country):
    data = made(frequency, country)
    np.testing.assert_array_equal(Card.of(data).cells(data.times), data.cells)
    assert len(data.cells) == len(data.y) and data.cells.max() < daytypes.count(frequency, country)


@pytest.mark.parametrize("name", ["sample-traffic", "sample-stocks", "sample-warehouse"])
def test_a_file_sees_the_cells_of_a_sample(name):
    data = prepare(load(name))
    np.testing.assert_array_equal(Card.of(data).cells(data.times), data.cells)
    assert len(set(data.cells // daytypes.steps(data.header.frequency) // len(daytypes.weekdays(
        data.header.frequency)))) >= 3, "some kinds of special days"
