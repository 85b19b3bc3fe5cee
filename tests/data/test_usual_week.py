"""The table of the usual week against counts by hand; nothing but train reaches it."""

import numpy as np
import pandas as pd
import pytest

from litecast.data import usual
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare

TIMES = pd.date_range("2024-01-01", periods=100)  # from a Monday on; train ends with day 70, 10 March
SEOLLAL = pd.to_datetime(["2024-02-09", "2024-02-10", "2024-02-11", "2024-02-12"])


def dataset(values, times=TIMES, country="KR", frequency="D", L=14, H=7):  # noqa: N803
    values = np.asarray(values, float).reshape(len(times), -1)
    header = Header("shop", "items", frequency, 7, L, H, country=country)
    return prepare(from_wide(header, pd.DataFrame(values, times, [f"s{c}" for c in range(values.shape[1])])))


def scaled(data, value, series=0):
    return (value - data.mean[series]) / data.std[series]


def days(T=100):  # noqa: N803
    """100 on weekdays, 60 on Saturdays, 40 on Sundays, 10 on Seollal, a little more each day."""
    weekday = TIMES.day_of_week.to_numpy()
    values = np.select([weekday == 5, weekday == 6], [60.0, 40.0], 100.0) + 0.01 * np.arange(T) % 0.7
    return np.where(TIMES.isin(SEOLLAL), 10.0, values)


def test_the_rows_are_the_weekdays_and_then_the_special_kinds():
    data = dataset(days())
    assert usual.types(data) == ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
                                 "bridge day", "day before", "day after", "holiday", "long holiday")  # fmt: skip
    assert usual.table(data).shape == (1, 12, 1) and usual.table(data).dtype == np.float32


def test_each_value_is_a_mean_drawn_by_two_days_towards_what_it_resembles():
    """By hand, from the dates: which train days are of a type, and what it is drawn to."""
    values = days()
    data = dataset(values)
    train, trust = np.arange(70), usual.TRUST
    assert data.parts["train"].sum() == 70 and trust == 2
    kinds = {"long holiday": SEOLLAL, "day before": ["2024-02-08"], "day after": ["2024-02-13"],
             "holiday": ["2024-01-01", "2024-03-01"], "bridge day": []}  # fmt: skip
    special = pd.to_datetime([day for dates in kinds.values() for day in dates])
    every = values[train].mean()
    drawn = lambda found, to: (np.sum(found) + trust * to) / (len(found) + trust)  # noqa: E731
    wanted = {name: drawn(values[train][(TIMES.day_of_week[:70] == i) & ~TIMES[:70].isin(special)], every)
              for i, name in enumerate(usual.types(data)[:7])}  # fmt: skip
    at = {name: values[train][TIMES[:70].isin(pd.to_datetime(dates))] for name, dates in kinds.items()}
    wanted["bridge day"] = wanted["Saturday"]  # never seen: all of it is what it resembles
    wanted["day before"], wanted["day after"] = drawn(at["day before"], every), drawn(at["day after"], every)
    wanted["holiday"] = drawn(at["holiday"], wanted["Sunday"])
    wanted["long holiday"] = drawn(at["long holiday"], wanted["holiday"])
    assert [len(at[name]) for name in kinds] == [4, 1, 1, 2, 0]
    found = usual.table(data)[0, :, 0]
    np.testing.assert_allclose(found, [scaled(data, wanted[name]) for name in usual.types(data)], rtol=1e-5)
    assert scaled(data, 10) < found[11] < found[10] < scaled(data, 100)


def test_without_special_days_they_count_as_their_weekday():
    values = days()
    data = dataset(values)
    found = usual.table(data, special=False)
    assert found.shape == (1, 7, 1)
    fridays = values[:70][TIMES.day_of_week[:70] == 4]  # Seollal's and 1 March among them
    assert len(fridays) == 10 and 10.0 in fridays
    wanted = (fridays.sum() + usual.TRUST * values[:70].mean()) / (10 + usual.TRUST)
    np.testing.assert_allclose(found[0, 4, 0], scaled(data, wanted), rtol=1e-5)
    nowhere = usual.table(dataset(values, country=None))
    np.testing.assert_allclose(nowhere[0, :, 0], found[0, :, 0], rtol=1e-6)


def test_steps_of_a_day_have_rows_of_their_own_and_gaps_count_for_nothing():
    times = pd.date_range("2024-01-01", periods=24 * 40, freq="h")
    values = 100.0 + times.hour + 10 * (times.day_of_week == 2)
    values = np.stack([values, 3 * values], 1) + np.random.default_rng(0).normal(0, 0.1, (len(times), 2))
    wednesdays = np.flatnonzero((times.day_of_week == 2) & (times.hour == 5) & (np.arange(len(times)) < 0.7 * 24 * 40))
    values[wednesdays[0], 0] = np.nan
    data = dataset(values, times, None, "h", 24, 6)
    found = usual.table(data)
    assert found.shape == (2, 7, 24) and len(wednesdays) == 4
    train = data.parts["train"]
    for series, seen in ((0, wednesdays[1:]), (1, wednesdays)):
        every = np.nanmean(values[train & (times.hour == 5), series])
        wanted = (values[seen, series].sum() + 2 * every) / (len(seen) + 2)
        np.testing.assert_allclose(found[series, 2, 5], scaled(data, wanted, series), rtol=1e-4, atol=1e-5)


def test_one_table_for_all_series_is_their_mean_and_counts_days_not_values():
    values = np.stack([days(), 500 + 3 * days()], 1)
    data = dataset(values)
    own, shared = usual.table(data), usual.table(data, shared=True)
    assert own.shape == (2, 12, 1) and shared.shape == (1, 12, 1)
    np.testing.assert_allclose(shared[0], own.mean(0), rtol=0, atol=1e-6)  # no gaps: the same days of each


def test_a_median_does_not_see_a_single_outlier():
    values = days()
    values[[7, 9]] = 5000.0, 7000.0  # a Monday and a Wednesday
    data = dataset(values)
    mean, middle = usual.table(data)[0, :7, 0], usual.table(data, middle="median")[0, :7, 0]
    mondays = [t for t in range(7, 70, 7) if TIMES[t] not in SEOLLAL]  # 1 January is a holiday
    wanted = (len(mondays) * np.median(values[mondays]) + 2 * np.median(values[:70])) / (len(mondays) + 2)
    np.testing.assert_allclose(middle[0], scaled(data, wanted), rtol=1e-5)
    assert mean[0] > mean[1] + 0.3 and abs(middle[0] - middle[1]) < 0.01


def test_a_type_that_no_train_day_is_of_is_all_that_it_resembles():
    """Summer: no Seollal, no day beside it; 6 June is a holiday, the Friday after it a bridge."""
    times = pd.date_range("2024-05-20", periods=100)
    values = np.where(times.day_of_week == 6, 40.0, 100.0) + 0.01 * np.arange(100)
    values[times == "2024-06-07"] = 70.0
    data = dataset(values, times)
    table = dict(zip(usual.types(data), usual.table(data)[0, :, 0], strict=True))
    assert table["long holiday"] == table["holiday"] and table["day before"] == table["day after"]
    np.testing.assert_allclose(table["day before"], scaled(data, values[:70].mean()), rtol=0, atol=1e-6)
    saturdays = values[:70][times.day_of_week[:70] == 5]
    saturday = (saturdays.sum() + 2 * values[:70].mean()) / (len(saturdays) + 2)
    np.testing.assert_allclose(table["bridge day"], scaled(data, (70 + 2 * saturday) / 3), rtol=1e-5)


def test_a_series_without_any_value_in_a_type_has_that_of_all_its_days():
    """Its gaps are its own: the other series has the mean of what it did."""
    times = pd.date_range("2024-01-01", periods=240, freq="MS") - pd.DateOffset(years=20)
    values = np.random.default_rng(0).normal(50, 5, (240, 2))
    values[(times.month == 3) & (np.arange(240) < 168), 0] = np.nan  # 14 of 168: fewer than a tenth
    data = dataset(values, times, None, "MS", 24, 6)
    table = usual.table(data)
    np.testing.assert_allclose(table[0, 2, 0], scaled(data, np.nanmean(values[:168, 0]), 0), atol=1e-6)
    march = values[2:168:12, 1]
    wanted = (march.sum() + 2 * values[:168, 1].mean()) / (len(march) + 2)
    np.testing.assert_allclose(table[1, 2, 0], scaled(data, wanted, 1), rtol=1e-4)


@pytest.mark.parametrize("how", [{}, {"shared": True}, {"special": False}, {"middle": "median"}])
def test_nothing_but_train_reaches_the_table(how):
    values = np.stack([days(), 5 + days()[::-1]], 1)
    before = dataset(values)
    changed = values.copy()
    changed[~before.parts["train"]] = 1e4 + np.random.default_rng(0).normal(0, 1e3, changed[70:].shape)
    after = dataset(changed)
    np.testing.assert_array_equal(usual.table(before, **how), usual.table(after, **how))
    changed[0] += 50
    assert not np.array_equal(usual.table(before, **how), usual.table(dataset(changed), **how))


@pytest.mark.parametrize("frequency, shape", [("W", (12, 1)), ("MS", (12, 1)), ("step", (1, 1)),
                                              ("trading-day", (8, 1)), ("30min", (12, 48))])  # fmt: skip
def test_every_frequency_has_a_table(frequency, shape):
    step = {"W": "7D", "step": "h", "trading-day": "B"}.get(frequency, frequency)
    times = pd.date_range("1990-01-01", periods=400, freq=step)
    times = times if frequency != "step" else np.arange(400)
    data = dataset(np.random.default_rng(0).normal(9, 1, (400, 2)), times, "KR", frequency, 16, 4)
    found = usual.table(data)
    assert found.shape == (2, *shape) and np.isfinite(found).all()
    if frequency == "step":
        wanted = data.scale(data.y)[data.parts["train"]].mean(0)  # one mean of all train
        np.testing.assert_allclose(found.ravel(), wanted, atol=1e-6)
