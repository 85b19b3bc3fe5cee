"""Shapes of own tables: titles, headers of several lines, hours and months across."""

import pandas as pd
import pytest
from own import DAYS, HOURS, SHORT, lines

MONTHS = pd.date_range("2012-01-01", periods=40, freq="MS")


def across(head, times, body):
    """A table on its side: a row per series."""
    return [",".join([*head, *times]), *(",".join([*row, *(f"{k}{i}.5" for i in range(len(times)))])
                                         for k, row in enumerate(body, 1))]  # fmt: skip


# ---- above the header


@pytest.mark.parametrize("title", [["Sales of January"], ["기간: 2024.01", "단위: 대"], ["Report,,", "by,me,", ""]])
def test_titles_above_the_header_are_left_out(read, title):
    frame = read([*title, *lines()])
    assert frame.wide()["b"].tolist() == [i / 2 for i in range(48)]
    assert f"{len([line for line in title if line])} lines above the header" in frame.header.note


def test_lines_are_counted_from_the_top_of_the_file(refused):
    text = ["title", "", *lines()]
    refused([*text[:9], "2024-01-01 06:00,x,1", *text[10:]], "'x' is not a number", line=10)


@pytest.mark.parametrize("tickers, names", [
    (["ABC", "ABC"], ["Close", "Volume"]), (["ABC", "XYZ"], ["Close / ABC", "Volume / XYZ"]),
])  # fmt: skip
def test_levels_of_columns_as_pandas_writes_them(read, tickers, names):
    head = ["Price,Close,Volume", f"Ticker,{','.join(tickers)}", "Date,,"]
    days = pd.bdate_range("2024-01-01", periods=60)
    frame = read([*head, *(f"{day:%Y-%m-%d},{i}.5,{i + 1}" for i, day in enumerate(days))])
    assert list(frame.wide()) == names and "3 header lines were joined" in frame.header.note
    assert frame.header.frequency == "trading-day" and frame.wide().iloc[4].tolist() == [4.5, 5]


@pytest.mark.parametrize("second", [",(개),(천원)", "일자,개,천원원"])
def test_lines_of_units(read, refused, second):
    text = ["일자,출고,금액", second] + [f"{day:%Y-%m-%d},{i},{2 * i}" for i, day in enumerate(DAYS)]
    if second.startswith("일자"):  # the first cell repeated: levels of a header
        assert list(read(text).wide()) == ["출고 / 개", "금액 / 천원원"]
    else:
        refused(text, "(개), (천원)' stands between the header", "unit", line=2)


# ---- hours across


@pytest.mark.parametrize("form, late", [("{:02d}시", 0), ("{}시", 1), ("h{}", 0), ("{:02d}:00", 0), ("H{:02d}", 1)])
def test_hours_across(read, form, late):
    days, stations = DAYS[:20], ["가", "나"]
    head = ",".join(["연번", "일자", "역명", *(form.format(hour + late) for hour in range(24))])
    text = [head] + [f"{2 * i + j + 1},{day:%Y-%m-%d},{name}," + ",".join(str(1000 * j + 24 * i + h) for h in range(24))
                     for i, day in enumerate(days) for j, name in enumerate(stations)]  # fmt: skip
    frame = read(text)
    times = pd.date_range("2024-01-01", periods=480, freq="h", name="time") + late * pd.Timedelta("1h")
    assert list(frame.wide()) == stations and frame.wide().index.equals(times)
    assert frame.wide()["나"].tolist() == [1000 + i for i in range(480)]
    assert "The header holds 24 hours" in frame.header.note


@pytest.mark.parametrize("first, name", [("06시이전", "06시이전"), ("04-06시간대", "04-06시간대")])
def test_hours_across_that_are_not_all_one_hour(refused, first, name):
    hours = [f"{hour:02d}-{hour + 1:02d}시간대" for hour in range(6, 24)]
    text = [",".join(["일자", first, *hours])] + [f"{day:%Y-%m-%d}," + ",".join("7" * 19) for day in DAYS]
    refused(text, "hours stand in the header (", "… 23-24시간대)", f"'{name}'", "one row per hour", line=1)


def test_hours_across_with_one_missing(refused):
    hours = [f"{hour}시" for hour in range(24) if hour != 12]
    text = [",".join(["일자", *hours])] + [f"{day:%Y-%m-%d}," + ",".join("7" * 23) for day in DAYS]
    refused(text, "'13시' is not the one hour after the column before", line=1)


def test_a_few_columns_called_h_are_series(read):
    names = [f"h{i}" for i in range(1, 14)]
    text = [",".join(["date", *names])] + [f"{day:%Y-%m-%d}," + ",".join(["7"] * 13) for day in DAYS]
    assert list(read(text).wide()) == names


def test_columns_that_are_numbers_may_be_hours_or_series(refused, read):
    head = ",".join(["date", *map(str, range(1, 25))])
    text = [head] + [f"{day:%Y-%m-%d}," + ",".join(str(i + h) for h in range(24)) for i, day in enumerate(DAYS)]
    refused(text, "columns 1 … 24 may be the hours of a day, or series", "h1", line=1)
    assert read([row.replace("date,1,", "date,s1,") for row in text]).wide().shape == (60, 24)


# ---- months across


@pytest.mark.parametrize("form", ["%Y.%m", "%Y/%m", "%Y-%m", "%Y%m", "%Y년 %m월", "%Y-%m-%d"])
def test_months_across(read, form):
    body = [["금리", "국고채", "%"], ["금리", "회사채", "%"]]
    frame = read(across(["통계표", "항목", "단위"], MONTHS.strftime(form), body))
    assert list(frame.wide()) == ["국고채", "회사채"] and frame.wide().index.equals(MONTHS.rename("time"))
    assert frame.wide()["회사채"].iloc[3] == 23.5 and "The header holds 40 times" in frame.header.note


def test_figures_that_are_not_final_are_still_figures(read):
    times = [*MONTHS.strftime("%Y.%m")[:-2], "2015.03 p)", "2015.04(p)"]
    assert read(across(["업종"], times, [["총지수"]])).wide().index.equals(MONTHS.rename("time"))


def test_a_second_line_that_is_the_same_everywhere(read):
    text = across(["업종"], MONTHS.strftime("%Y.%m"), [["총지수"]])
    frame = read([text[0], ",".join(["업종", *["불변지수"] * 40]), *text[1:]])
    assert list(frame.wide()) == ["총지수"] and frame.wide()["총지수"].iloc[2] == 12.5


def test_times_across_with_one_that_is_none(refused):
    times = [*MONTHS.strftime("%Y.%m")[:-1], "2015.13"]
    refused(across(["업종"], times, [["총지수"]]), "times stand in the header", "'2015.13' is none", line=1)


def test_days_across(read):
    frame = read(across(["shop"], DAYS.strftime("%Y-%m-%d"), [["a"], ["b"]]), SHORT)
    assert frame.header.frequency == "D" and frame.wide()["b"].iloc[59] == 259.5


def test_two_dates_in_a_header_are_data(refused):
    refused(["2024-01-01 00:00,1,2", *lines()[2:]], "the first line is data, not a header", line=1)


def test_in_a_table_of_hours_such_names_are_series(read):
    names = [str(i) for i in range(1, 25)]
    text = [",".join(["time", *names])] + [f"{time:%Y-%m-%d %H:%M}," + ",".join(["7"] * 24) for time in HOURS]
    assert list(read(text).wide()) == names
