"""What own files lack: closed hours and days, coarse stretches, long gaps, series that start late or end early."""

import numpy as np
import pandas as pd
import pytest
from own import SHORT, one


def table(times, columns="a", value=lambda i: i):
    return [f"time,{columns}"] + [f"{time:%Y-%m-%d %H:%M},{value(i)}" for i, time in enumerate(times)]


def hours(days, keep, step="h", start="2024-01-01"):
    times = pd.date_range(start, periods=days * 24 * (2 if step == "30min" else 1), freq=step)
    return times[[keep(time) for time in times]]


# ---- closed by rule


@pytest.mark.parametrize("times, words", [
    (hours(40, lambda t: 6 <= t.hour < 22), ["rows only from 06:00 to 21:00: 32.8%", "frequency: step", "season: 16"]),
    (hours(40, lambda t: t.hour >= 5), ["rows only from 05:00 to 23:00", "season: 19"]),
    (hours(40, lambda t: not 2 <= t.hour < 5), ["rows only from 05:00 to 01:00", "season: 21"]),
    (hours(40, lambda t: 9 <= t.hour < 12 or 13 <= t.hour < 15, "30min"), ["09:00 to 11:30 and 13:00 to 14:30"]),
    (hours(40, lambda t: t.weekday() < 5), ["no rows on Saturdays and Sundays: 25.0%", "frequency: step"]),
    (hours(40, lambda t: t.weekday() < 6 and 8 <= t.hour < 20),
     ["no rows on Sundays and rows only from 08:00 to 19:00", "season: 12"]),
])  # fmt: skip
def test_closed_hours_are_named(refused, read, times, words):
    text = table(times)
    refused(text, *words, "with 0 where closed means none", line=2)
    frame = read(text, SHORT + "frequency: step\nseason: 16")
    assert frame.header.frequency == "step" and len(frame.wide()) == len(times)


@pytest.mark.parametrize("closed, words", [
    ({6}, ["no rows on Sundays: 14.", "frequency: trading-day", "season: 6"]),
    ({0}, ["no rows on Mondays", "season: 6"]),
    ({1, 3}, ["no rows on Tuesdays and Thursdays", "season: 5"]),
])  # fmt: skip
def test_closed_days_are_named(refused, read, closed, words):
    days = pd.date_range("2024-01-01", periods=100)
    text = table([day for day in days if day.weekday() not in closed])
    refused(text, *words, line=2)
    frame = read(text, SHORT + f"frequency: trading-day\nseason: {7 - len(closed)}")
    assert (frame.header.frequency, frame.header.season) == ("trading-day", 7 - len(closed))


def test_gaps_without_a_rule_are_gaps(read):
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=800, freq="h")
    wide = read(table(times[rng.random(800) > 0.05])).wide()
    assert wide.index[-1] == times[-1] and 20 < wide["a"].isna().sum() < 60


@pytest.mark.parametrize("extra, said", [(["2024-02-10", "2024-05-05"], "2 of 202 days, 2024-02-10 to 2024-05-05")])
def test_a_few_rows_at_weekends_are_trading_days(read, extra, said):
    days = pd.bdate_range("2024-01-01", periods=200).append(pd.DatetimeIndex(extra)).sort_values()
    frame = read(one(days, "%Y-%m-%d"))
    assert frame.header.frequency == "trading-day" and said in frame.header.note
    assert frame.wide().index.equals(days.rename("time"))


def test_an_exchange_that_once_traded_on_saturdays(read):
    days = pd.date_range("1997-01-01", "2001-12-31")
    days = days[(days.weekday < 5) | ((days.weekday == 5) & (days.year < 1999))]
    frame = read(one(days, "%Y-%m-%d"))
    assert frame.header.frequency == "trading-day" and "to 1998-12-26" in frame.header.note


def test_days_with_many_weekends_are_days(read):
    days = pd.date_range("2024-01-01", periods=100)
    assert read(one(days.delete([5, 6, 40]), "%Y-%m-%d")).header.frequency == "D"


# ---- coarse stretches and long gaps


def stretch(share):
    """Hours, some of them with every second row missing."""
    times = pd.date_range("2024-01-01", periods=1000, freq="h")
    coarse = np.arange(1000) >= 1000 - int(1000 * share)
    return times[~coarse | (np.arange(1000) % 2 == 0)]


def test_a_stretch_of_longer_steps_is_gaps_where_the_short_step_rules(read, refused):
    wide = read(table(stretch(0.15))).wide()
    assert len(wide) == 999 and wide["a"].isna().sum() == 74
    refused(table(stretch(0.3)), "mixed frequency: steps of 1 h elsewhere, of 2 h here", "say frequency")
    assert len(read(table(stretch(0.3)), SHORT + "frequency: h").wide()) == 999


def test_steps_that_do_not_fit_one_another_stay_mixed(refused):
    hourly = pd.date_range("2024-01-01", periods=900, freq="h")
    odd = pd.date_range(hourly[-1], periods=20, freq="90min")[1:]
    refused(table(hourly.append(odd)), "mixed frequency", settings=SHORT + "frequency: h")
    steps = [*range(0, 400, 2), *range(401, 431, 3)]
    refused(["t,a"] + [f"{step},1" for step in steps], "mixed frequency: steps of 2 elsewhere, of 3 here", line=211)


def test_a_gap_of_months_is_offered(refused, read):
    before = pd.date_range("2022-01-01", periods=400, freq="h")
    after = pd.date_range("2022-03-01", periods=1500, freq="h")
    text = table(before.append(after))
    refused(text, "no series is left", "start: 2022-03-01 00:00:00 (keeps the 1500 times after it)")
    frame = read(text, SHORT + "start: 2022-03-01")
    assert len(frame.wide()) == 1500 and "400 of 1900 rows lie outside start and end" in frame.header.note
    assert len(read(text, SHORT + "end: 2022-01-17").wide()) == 400
    refused(text, "no row lies between", settings=SHORT + "start: 2023-01-01")
    refused(text, "the YAML says start: soon, which is no time", settings=SHORT + "start: soon")


def test_a_gap_of_years_is_offered(refused):
    before = pd.date_range("2012-01-01", periods=400, freq="h")
    after = pd.date_range("2022-03-01", periods=1500, freq="h")
    refused(table(before.append(after)), "more than half of all steps are missing (1900 of", line=402)
    message = refused(table(before.append(after)), "start: 2022-03-01 00:00:00, 1500 of 1900 times")
    assert "end:" not in message
    refused(table(after.append(before + pd.Timedelta("7000D"))), "end: 2022-05-02 11:00:00, 1500 of 1900 times")


def test_a_gap_that_does_no_harm_is_told(read):
    times = pd.date_range("2024-01-01", periods=1000, freq="h").delete(slice(800, 890))
    note = read(table(times)).header.note
    assert "The widest gap lasts 90 steps, 2024-02-03 07:00:00 to 2024-02-07 02:00:00" in note and "end: " in note


def test_start_and_end_include_their_day_and_count_steps(read):
    text = table(pd.date_range("2024-01-01", periods=200, freq="h"))
    wide = read(text, SHORT + "start: 2024-01-02\nend: 2024-01-03").wide()
    assert (wide.index[0], wide.index[-1]) == (pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03 23:00"))
    wide = read(text, SHORT + "end: 2024-01-03 12:00").wide()
    assert wide.index[-1] == pd.Timestamp("2024-01-03 12:00")
    steps = read(["t,a"] + [f"{i},{i}" for i in range(100)], SHORT + "start: 10\nend: 59").wide()
    assert steps.index.tolist() == list(range(10, 60))


# ---- series of other spans


def shops(late=60, early=30):
    """Three shops over 400 days: one from the begin, one that opens late, one that closes early."""
    days = pd.date_range("2024-01-01", periods=400)
    rows = [f"{day:%Y-%m-%d},{name},{i}" for i, day in enumerate(days)
            for name, there in (("old", True), ("new", i >= late), ("shut", i < 400 - early)) if there]  # fmt: skip
    return ["date,shop,sales", *rows]


def test_what_the_common_span_costs_is_told_with_an_offer(read):
    note = read(shops()).header.note
    assert ("All series share 310 of 400 steps: the newest 30 because of shut and the oldest 60 because of new are not "
            "used; leave_out: [shut, new] in the YAML keeps all.") in note  # fmt: skip
    frame = read(shops(), SHORT + "leave_out: [new, shut]")
    assert list(frame.wide()) == ["old"] and "share" not in frame.header.note
    assert "All series share 370 of 400 steps: the newest 30" in read(shops(), SHORT + "leave_out: new").header.note


def test_a_wide_series_is_left_out_by_its_column(read, refused):
    text = one(pd.date_range("2024-01-01", periods=60), "%Y-%m-%d")
    wide = [f"{row},{'b' if i == 0 else i}" for i, row in enumerate(text)]
    assert list(read(wide, SHORT + "leave_out: [a]").wide()) == ["b"]
    refused(wide, "leave_out: c, but no series is called that", settings=SHORT + "leave_out: c")
    refused(wide, "leaves out every series", settings=SHORT + "leave_out: [a, b]")


def test_a_series_that_is_dropped_is_told(read):
    assert "1 series are dropped: new (50.0% missing in all, allowed 20%)" in read(shops(200, 0)).header.note


def test_where_no_series_is_left_the_reader_says_so(refused):
    days = pd.date_range("2024-01-01", periods=100)
    text = ["date,a"] + [f"{day:%Y-%m-%d},{'' if i * 7 % 10 < 3 else i}" for i, day in enumerate(days)]
    refused(text, "no series is left. a: 30.0% missing in all", "Write rows for quiet times")
