"""The series frame refuses what is not one, naming row and rule, and gives a full grid."""

import numpy as np
import pandas as pd
import pytest

from litecast.data import calendar
from litecast.data.frame import FREQUENCIES, Header, SeriesFrame, day, default_L_H, default_season, from_wide
from litecast.errors import DataError


def header(**changes) -> Header:
    fields = {"name": "shop", "unit": "items", "frequency": "h", "season": 24, "L": 48, "H": 24} | changes
    return Header(**fields)


def table(times, values, series="a") -> pd.DataFrame:
    return pd.DataFrame({"time": times, "series": series, "value": np.asarray(values, dtype=float)})


HOURS = pd.date_range("2024-03-01", periods=4, freq="h")


def refused(frame: SeriesFrame, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        frame.check()
    for word in ("shop", *words):
        assert word in str(caught.value)


def test_defaults_are_those_of_the_design():
    assert (default_season("h"), default_season("D"), default_season("15min"), default_season("trading-day")) == (
        168, 7, 672, 1)  # fmt: skip
    assert (default_L_H("h"), default_L_H("D"), default_L_H("W")) == ((168, 24), (56, 14), (52, 8))
    assert [day(f) for f in FREQUENCIES] == [96, 48, 24, 7, 4, 12, 5, 8]
    with pytest.raises(DataError, match="fortnight"):
        day("fortnight")


def test_good_frame_passes_and_keeps_the_order_of_its_series():
    both = pd.concat([table(HOURS, [1, 2, 3, 4], "z"), table(HOURS, [5, 6, 7, 8], "a")])
    wide = SeriesFrame(header(), both).check().wide()
    assert list(wide.columns) == ["z", "a"] and wide.dtypes.unique() == [np.float64]
    assert wide["a"].tolist() == [5, 6, 7, 8]


def test_gaps_become_rows_of_nan_except_for_trading_days_and_steps():
    some = HOURS[[0, 3]]
    assert SeriesFrame(header(), table(some, [1, 2])).check().wide()["a"].isna().tolist() == [False, True, True, False]
    days = pd.DatetimeIndex(["2024-03-01", "2024-03-04"])
    assert len(SeriesFrame(header(frequency="trading-day"), table(days, [1, 2])).check().wide()) == 2
    assert len(SeriesFrame(header(frequency="step"), table([3, 9], [1, 2])).check().wide()) == 2


def test_weeks_keep_their_weekday_and_months_start_on_the_first():
    wednesdays = pd.DatetimeIndex(["2024-03-06", "2024-03-20"])
    wide = SeriesFrame(header(frequency="W"), table(wednesdays, [1, 2])).check().wide()
    assert [t.day_name() for t in wide.index] == ["Wednesday"] * 3
    months = pd.DatetimeIndex(["2024-01-01", "2024-04-01"])
    assert len(SeriesFrame(header(frequency="MS"), table(months, [1, 2])).check().wide()) == 4
    late = table(months + pd.Timedelta("1D"), [1, 2])
    refused(SeriesFrame(header(frequency="MS"), late), "row 1", "first of a month")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (table(HOURS[:0], []), ("no rows",)),
        (table(HOURS, [1, 2, 3, 4]).drop(columns="series"), ("series",)),
        (table(HOURS[[0, 1, 1, 2]], [1, 2, 3, 4]), ("row 3", "one value per time")),
        (table(HOURS, [1, 2, np.inf, 4]), ("row 3", "finite")),
        (table(HOURS, [np.nan] * 4), ("every value is missing",)),
        (table(HOURS + pd.to_timedelta([0, 0, 7, 0], "min"), [1, 2, 3, 4]), ("row 3", "grid")),
        (table(HOURS.tz_localize("Asia/Seoul"), [1, 2, 3, 4]), ("without a zone",)),
        (table([1, 2, 3, 4], [1, 2, 3, 4]), ("int64",)),
        (table([*HOURS[:3], pd.NaT], [1, 2, 3, 4]), ("row 4", "empty")),
        (table(HOURS, [1, 2, 3, 4]).assign(value="many"), ("float64",)),
        (table(HOURS, [1, 2, 3, 4]).assign(rain=0.0), ("rain", "known")),
    ],
)
def test_bad_tables_are_refused_with_row_and_rule(rows, words):
    refused(SeriesFrame(header(), rows), *words)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"split": "random"}, "random"), ({"transform": "sqrt"}, "sqrt"), ({"H": 0}, "H must be"), ({"L": 2.5}, "L must"),
     ({"season": -1}, "season")],
)  # fmt: skip
def test_bad_headers_are_refused(change, word):
    refused(SeriesFrame(header(**change), table(HOURS, [1, 2, 3, 4])), word)


def test_steps_need_whole_numbers():
    refused(SeriesFrame(header(frequency="step"), table([0.5, 1.5], [1, 2])), "whole numbers")


def test_observed_columns_travel_along():
    wide = pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}, index=HOURS[:2])
    frame = from_wide(header(), wide, {"rain": wide * 10})
    assert frame.kinds == {"rain": "observed"}
    pd.testing.assert_frame_equal(frame.wide("rain"), wide * 10, check_names=False, check_freq=False)


def test_calendar_is_known_ahead_and_marks_korean_holidays():
    times = pd.date_range("2024-02-08", "2024-02-13", freq="h")  # Seollal: 9th to 12th
    z = calendar.features(times, "h", "KR")
    names = calendar.names("h", "KR")
    assert z.dtype == np.float32 and z.shape == (len(times), len(names))
    holiday = pd.Series(z[:, names.index("holiday")], times)
    assert holiday["2024-02-08"].eq(0).all() and holiday["2024-02-09":"2024-02-12"].eq(1).all()
    noon = z[12, [names.index("day_sin"), names.index("day_cos")]]
    np.testing.assert_allclose(noon, [0, -1], atol=1e-6)
    assert pd.Series(z[:, names.index("weekend")], times)["2024-02-10"].eq(1).all()


@pytest.mark.parametrize(("frequency", "country", "F"), [
    ("15min", None, 5), ("h", "KR", 6), ("D", "KR", 4), ("W", "KR", 2), ("MS", None, 2), ("trading-day", "KR", 2),
    ("step", None, 0)])  # fmt: skip
def test_number_of_calendar_inputs(frequency, country, F):  # noqa: N803
    times = np.arange(3) if frequency == "step" else pd.date_range("2024-01-01", periods=3, freq="MS")
    assert calendar.features(times, frequency, country).shape == (3, F)
    assert len(calendar.names(frequency, country)) == F


def test_unknown_country_is_refused():
    with pytest.raises(DataError, match="Atlantis"):
        calendar.features(HOURS, "h", "Atlantis")


def test_holidays_of_a_file_are_those_of_the_countrys_table():
    times = pd.date_range("2023-11-01", "2024-12-31 23:00", freq="h")
    packed = calendar.packed(times, "h", "KR")
    assert packed[:7] == [2023, 2024 + calendar.AHEAD, 0, 20, 1, 1, 1]  # New Year; Seollal, a substitute for its Sunday
    dates = calendar.unpacked(packed)
    assert dates[0] == pd.Timestamp("2023-01-01") and dates[-1].year == 2027
    for country in (None, "KR"):
        wanted = calendar.features(times, "h", country)
        np.testing.assert_array_equal(calendar.features(times, "h", country, dates), wanted)
    assert calendar.features(times, "h", "KR", calendar.unpacked([2023, 2024]))[:, -1].sum() == 0
    assert calendar.unpacked(None).size == 0 and calendar.unpacked([2024, 2024]).size == 0
    assert calendar.unpacked([2024, 2024, 59, 1]).strftime("%m-%d").tolist() == ["02-29", "03-01"]
    for frequency, country in (("h", None), ("W", "KR"), ("trading-day", None), ("step", "KR")):
        assert calendar.packed(times, frequency, country) is None  # nothing tells of them


@pytest.mark.parametrize("numbers", [[], [2024], [24, 2024], [2024, 20240], [2024, 2024, -1], [2024, 2024, 10**9]])
def test_numbers_that_are_no_holidays_are_refused(numbers):
    with pytest.raises(DataError, match="holidays are two years"):
        calendar.unpacked(numbers)
