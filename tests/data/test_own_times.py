"""Times of own files: digits, halves of days, hour 24, dates beside hours, weeks, zones, summer time."""

import pandas as pd
import pytest
from own import DAYS, HOURS, SHORT, lines, one

NEW_YORK = SHORT + "timezone: America/New_York\n"


def column(texts, header="time,a"):
    return [header] + [f"{text},{i}.5" for i, text in enumerate(texts)]


# ---- digits


@pytest.mark.parametrize("unit, scale", [("s", 1), ("ms", 1000)])
def test_unix_times(read, unit, scale):
    text = column([int(time.timestamp()) * scale for time in HOURS])
    frame = read(text)
    assert frame.header.frequency == "h" and frame.wide().index.equals(HOURS.rename("time"))
    assert f"{unit} since 1970 (Unix time), in UTC" in frame.header.note
    seoul = read(text, SHORT + "timezone: Asia/Seoul").wide()
    assert seoul.index.equals((HOURS + pd.Timedelta("9h")).rename("time"))


def test_unix_times_under_an_unknown_word_behind_a_counter(read):
    rows = [f"{i + 1},{int(time.timestamp())},{i}.5" for i, time in enumerate(HOURS)]
    assert read(["no,when,a", *rows]).wide().index.equals(HOURS.rename("time"))


@pytest.mark.parametrize("first, last", [("202101019", "2021010110"), ("20211", "202112"), ("999999999", "1000000000")])
def test_digits_of_several_lengths(refused, first, last):
    texts = [str(number) for number in range(int(first) - 5, int(first) + 1)] + [last]
    refused(column(texts), f"'{last}' has {len(last)} digits", "two digits", line=8)


def test_plain_steps_may_have_any_length(read):
    frame = read(column(range(95, 130)))
    assert frame.header.frequency == "step" and frame.wide().index[0] == 95


def test_short_dates_are_no_steps(refused, read):
    text = column(DAYS.strftime("%y%m%d"))
    refused(text, "'240101' may be a date or a number of steps", "%y%m%d", line=2)
    assert read(text, SHORT + "date_format: '%y%m%d'").wide().index.equals(DAYS.rename("time"))
    assert read(text, SHORT + "frequency: step").wide().index[0] == 240101


def test_an_impossible_date_of_digits(refused):
    refused(column([*DAYS.strftime("%Y%m%d")[:40], "20240230", "20240301"]), "'20240230' is no time", line=42)


@pytest.mark.parametrize("text, words", [
    ("2020-W{:02d}", ["'2020-W01' is a week", "Monday"]), ("2020년 {}주", ["is a week", "Monday"]),
    ("2020/Q{}", ["'2020/Q1' is a quarter", "frequency: step"]), ("2020년 {}분기", ["is a quarter"]),
])  # fmt: skip
def test_weeks_and_quarters(refused, text, words):
    refused(column([text.format(i) for i in range(1, 5)], "period,a"), *words, line=2)


def test_a_year_and_a_week_by_digits(refused, read):
    weeks = [202001 + i for i in range(30)]
    refused(column(weeks), "'202030' looks like a year and a week", "Monday", line=31)
    refused(column(weeks[:12], "yearweek,a"), "looks like a year and a week", "Monday")
    assert read(column([f"{2020 + i // 12}{i % 12 + 1:02d}" for i in range(36)])).header.frequency == "MS"


def test_a_zero_lost_from_a_month(refused):
    months = [f"{2020 + i // 12}.{i % 12 + 1:02d}".removesuffix("0") for i in range(36)]  # 2020.1 was October
    refused(column(months, "월,a"), "'2020.1' is written with one digit", "two digits", line=11)


def test_months_before_years(read):
    months = pd.date_range("2015-01-01", periods=40, freq="MS")
    assert read(one(months, "%m.%Y", "Monat,a")).wide().index.equals(months.rename("time"))
    assert read(one(months, "%m/%Y")).wide().index.equals(months.rename("time"))


# ---- clocks


def test_hour_24_is_the_next_day(read):
    hours = HOURS + pd.Timedelta("1h")
    for form in ("{:%Y-%m-%d} {:02d}:00", "{:%Y%m%d}{:02d}", "{:%Y년 %m월 %d일} {}시"):
        texts = [form.format(time - pd.Timedelta("1h"), (time.hour - 1) % 24 + 1) for time in hours]
        frame = read(column(texts))
        assert frame.wide().index.equals(hours.rename("time"))
        assert "Hour 24 was read as 00:00 of the next day." in frame.header.note


@pytest.mark.parametrize("text", ["2024-01-01 24:30", "2024-01-01 오후 13:00", "2024-01-01 25:00"])
def test_clocks_that_do_not_exist(refused, text):
    refused(column([text, *(f"2024-01-02 {hour:02d}:00" for hour in range(24))]), f"'{text}'", "is no", line=2)


@pytest.mark.parametrize("noon, midnight", [("오후 12:00", "오전 12:00"), ("12:00 PM", "12:00 AM"),
                                            ("12:00:00 p.m.", "12:00:00 a.m."), ("오후 12시", "오전 0시")])  # fmt: skip
def test_noon_and_midnight(read, noon, midnight):
    texts = [f"2024-01-{day:02d} {clock}" for day in range(1, 31) for clock in (midnight, noon)]
    times = read(column(texts), SHORT + "frequency: step").wide()  # 12 hours have no name, but an order
    assert times["a"].tolist() == [i + 0.5 for i in range(60)]


# ---- a date and an hour


@pytest.mark.parametrize("header, form, late", [
    ("일자,시간,a", "{:02d}", 0), ("일자,시간대,a", "{:02d}시", 0), ("date,hr,a", "{}", 0), ("date,time,a", "{}:00", 0),
    ("연월일,시간,a", "{}", 1), ("date,hour ending,a", "{:02d}:00", 1),
])  # fmt: skip
def test_a_date_and_an_hour_are_joined(read, header, form, late):
    begin = HOURS
    rows = [f"{time:%Y-%m-%d},{form.format(time.hour + late)},{i}" for i, time in enumerate(begin)]
    frame = read([header, *rows])
    assert frame.wide().index.equals((HOURS + late * pd.Timedelta("1h")).rename("time"))
    assert frame.wide()["a"].tolist() == list(range(48)) and "joined" in frame.header.note


def test_the_hour_may_be_a_half_of_the_day(read):
    rows = [f"{time:%Y%m%d},{'오후' if time.hour > 11 else '오전'} {(time.hour + 11) % 12 + 1}시,{i}"
            for i, time in enumerate(HOURS)]  # fmt: skip
    assert read(["날짜,시각,a", *rows]).wide().index.equals(HOURS.rename("time"))


def test_numbers_up_to_24_are_hours_by_their_name_only(read):
    rows = [f"{day:%Y-%m-%d},{i % 24},{i}" for i, day in enumerate(DAYS)]
    assert list(read(["date,staff,sold", *rows]).wide()) == ["staff", "sold"]
    worked = read(["date,근무시간,sold", *rows])  # one row a day: no hours of the day
    assert worked.header.frequency == "D" and worked.wide().index.equals(DAYS.rename("time"))


def test_numbers_beside_dates_that_repeat_are_no_hours_by_that(read):
    rows = [f"{day:%Y-%m-%d},{shop},{i % 24},{i}" for i, day in enumerate(DAYS) for shop in "ab"]
    frame = read(["date,shop,staff,sales", *rows])
    assert frame.header.frequency == "D" and list(frame.wide()) == ["a", "b"]


def test_year_month_day_and_hour(read):
    rows = [f"{i + 1},{time.year},{time.month},{time.day},{time.hour},{i}" for i, time in enumerate(HOURS)]
    frame = read(["No,year,month,day,hour,pm10", *rows])
    assert frame.wide().index.equals(HOURS.rename("time")) and list(frame.wide()) == ["pm10"]


# ---- zones


@pytest.mark.parametrize("start", ["2024-01-20", "2024-06-20", "2024-03-01", "2024-10-20"])
@pytest.mark.parametrize("settings", [SHORT, NEW_YORK])
def test_midnights_with_offsets_are_local_dates(read, start, settings):
    days = pd.date_range(start, periods=60, tz="America/New_York")
    frame = read(column(map(str, days)), settings)
    assert frame.header.frequency == "D"
    assert frame.wide().index.equals(pd.date_range(start, periods=60, name="time"))


def test_midnights_told_in_utc_need_their_zone(read, refused):
    days = pd.date_range("2024-03-01", periods=60, tz="America/New_York")
    text = column(days.tz_convert("UTC").strftime("%Y-%m-%dT%H:%MZ"))
    refused(text, "mixed frequency", "name the zone", "timezone")
    assert read(text, NEW_YORK).wide().index.equals(pd.date_range("2024-03-01", periods=60, name="time"))


@pytest.mark.parametrize("start", ["2014-10-30", "2014-03-07"])
@pytest.mark.parametrize("step", ["h", "15min"])
def test_clocks_at_the_end_of_steps(read, start, step):
    """The stamp of the end of a step: the clock of its begin, one step on."""
    begin, late = pd.date_range(start, periods=400, freq=step, tz="UTC"), pd.Timedelta("1h" if step == "h" else step)
    clock = begin.tz_convert("America/New_York").tz_localize(None) + late
    frame = read(column(clock.strftime("%Y-%m-%d %H:%M")), NEW_YORK)
    standard = begin.tz_localize(None) - pd.Timedelta("5h") + late
    assert frame.wide().index.equals(standard.rename("time")) and "ends of steps" in frame.header.note
    assert frame.wide()["a"].tolist() == [i + 0.5 for i in range(400)]


def test_without_the_zone_the_advice_is_to_name_it(refused):
    begin = pd.date_range("2014-10-30", periods=200, freq="h", tz="UTC").tz_convert("America/New_York")
    refused(column((begin.tz_localize(None) + pd.Timedelta("1h")).strftime("%Y-%m-%d %H:%M")),
            "different values for 2014-11-02 02:00:00", "name the zone", "timezone")  # fmt: skip


def test_dates_in_a_wide_table_of_many_columns_keep_their_values(read):
    assert read(lines(DAYS, "%d.%m.%Y")).wide()["b"].tolist() == [i / 2 for i in range(60)]
