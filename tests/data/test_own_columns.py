"""Columns of own files: which is time, which name series, which is demand; what is left out is said."""

import numpy as np
import pandas as pd
import pytest
from own import DAYS, HOURS, SHORT


def rows(times, cells, form="%Y-%m-%d"):
    """Rows of a date and what `cells` gives for its number, an iterable of rows for each."""
    return [",".join([time.strftime(form), *map(str, row)]) for i, time in enumerate(times) for row in cells(i)]


# ---- time by its cells


def test_the_column_of_dates_is_the_time_whatever_its_name(read):
    text = ["sold,kind,wann"] + [f"{i * 7 % 50 + 1},x,{day:%d.%m.%Y}" for i, day in enumerate(DAYS)]
    frame = read(text)
    assert frame.wide().index.equals(DAYS.rename("time")) and frame.wide()["x"].tolist()[:3] == [1, 8, 15]


@pytest.mark.parametrize("first", ["연번", "Unnamed: 0", "instant", "row id", ""])
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d"])
def test_row_numbers_are_no_series(read, first, start, form):
    text = [f"{first},수송일자,승차"] + [f"{i + start},{day.strftime(form)},{i + 400}" for i, day in enumerate(DAYS)]
    frame = read(text)
    assert list(frame.wide()) == ["승차"] and frame.wide().index.equals(DAYS.rename("time"))
    assert "(row numbers)" in frame.header.note


def test_a_counter_behind_the_time_is_demand(read):
    assert list(read(["date,total"] + rows(DAYS, lambda i: [[i + 1]])).wide()) == ["total"]


def test_further_dates_are_left_out_and_two_unknown_ones_refused(read, refused):
    frame = read(["date,entered,sold"] + rows(DAYS, lambda i: [[f"{DAYS[i] + pd.Timedelta('1D'):%Y-%m-%d}", i + 5]]))
    assert list(frame.wide()) == ["sold"] and "entered (dates)" in frame.header.note
    text = ["sent,entered,sold"] + rows(DAYS, lambda i: [[f"{DAYS[i] + pd.Timedelta('1D'):%Y-%m-%d}", i + 5]])
    refused(text, "several columns hold dates: sent, entered", "time: sent", line=1)
    assert read(text, SHORT + "time: entered").wide().index[0] == pd.Timestamp("2024-01-02")


def test_times_of_an_unknown_form_are_not_replaced_by_row_numbers(refused, read):
    text = ["no,when,sold"] + [f"{i + 1},{day:%d %b %y},{i}" for i, day in enumerate(DAYS)]
    refused(text, "'01 Jan 24' is no time", "date_format", "column 'when'", line=2)
    assert read(text, SHORT + "date_format: '%d %b %y'").wide().index.equals(DAYS.rename("time"))


# ---- decimals


def test_the_dots_of_times_do_not_tell_the_decimal_mark(read, refused):
    months = pd.date_range("2015-01-01", periods=40, freq="MS")
    text = ["Monat;Menge"] + [f"{month:%m.%Y};{i + 1}.{i + 101}" for i, month in enumerate(months)]
    refused(text, "'1.101' may have a decimal mark", "decimal: '.' or decimal: ','", line=2)
    assert read(text, SHORT + "decimal: ','").wide()["Menge"].iloc[0] == 1101
    assert read(text, SHORT + "decimal: '.'").wide()["Menge"].iloc[0] == 1.101
    point = ["달;값"] + [f"{month:%Y.%m};1,{i + 100}" for i, month in enumerate(months)]
    refused(point, "'1,100' may have a decimal mark", line=2)


def test_a_zero_before_the_mark_is_no_thousand(read, refused):
    text = ["date;a"] + [f"{day:%Y-%m-%d};0,{i + 100}" for i, day in enumerate(DAYS)]
    assert read(text).wide()["a"].iloc[0] == 0.1
    refused([row.replace("0,", '"0,').replace(";", ",") + '"' * (i > 0) for i, row in enumerate(text)],
            "'0,100' is not a number")  # fmt: skip


def test_tabs_with_decimal_commas(read):
    assert read(["date\ta"] + [f"{day:%Y-%m-%d}\t{i},5" for i, day in enumerate(DAYS)]).wide()["a"].iloc[3] == 3.5


# ---- names of series


@pytest.mark.parametrize("header, kinds", [
    ("date,warehouse,destination,pallets", ("WV", ["부산", "서울"])), ("date,store,item,sales", ((1, 2), (1, 2))),
    ("일자,출발,도착,대수", ("가나", "다라")), ("date,shop,kind,count", ("AB", "xy")),
])  # fmt: skip
def test_two_keys_are_joined(read, header, kinds):
    pairs = [(a, b) for a in kinds[0] for b in kinds[1]]
    text = [header] + rows(DAYS, lambda i: [[a, b, 10 * i + k] for k, (a, b) in enumerate(pairs)])
    frame = read(text)
    assert list(frame.wide()) == [f"{a} / {b}" for a, b in pairs] and "Series are named by" in frame.header.note
    assert frame.wide().iloc[7].tolist() == [70, 71, 72, 73]


def test_two_keys_by_the_yaml(read, refused):
    text = ["date,k1,k2,a"] + rows(DAYS, lambda i: [[k, j, 10 * i + k + j] for k in (1, 2) for j in (4, 8)])
    assert "different values" in refused(text, "series: [store, item]")
    assert list(read(text, SHORT + "series: [k1, k2]").wide()) == ["1 / 4", "1 / 8", "2 / 4", "2 / 8"]


@pytest.mark.parametrize("header", ["지점,지점명,일시,값", "store_id,city,date,value", "code,종목명,date,close"])
@pytest.mark.parametrize("code", [93, "S07"])
def test_of_a_code_and_a_name_the_name_is_taken(read, header, code):
    kinds = [(code, "춘천"), (str(code)[:-1] + "9", "서울")]
    text = [header] + [f"{k},{name},{day:%Y-%m-%d},{i + j}" for i, day in enumerate(DAYS)
                       for j, (k, name) in enumerate(kinds)]  # fmt: skip
    frame = read(text)
    assert list(frame.wide()) == ["춘천", "서울"] and frame.wide()["서울"].iloc[5] == 6
    assert f"left out: {header.split(',')[0]} (" in frame.header.note


def test_groups_of_series_and_constants_are_no_names_and_no_demand(read):
    text = ["date,shop,region,size,sales"] + rows(
        DAYS, lambda i: [["a", "north", 12, i], ["b", "north", 15, 2 * i], ["c", "south", 9, 3 * i]])  # fmt: skip
    frame = read(text)
    assert list(frame.wide()) == ["a", "b", "c"] and frame.wide()["c"].iloc[4] == 12
    assert "region (follows from" in frame.header.note and "size (beside sales)" in frame.header.note


def test_places_of_series_and_further_numbers_are_no_demand(read):
    text = ["date,station,lat,lon,code,Weekly_Sales,CPI"] + rows(
        DAYS, lambda i: [["a", 37.5, 127.1, 7, i + 3, i / 7], ["b", 37.6, 127.2, 8, i + 4, i / 9]])  # fmt: skip
    frame = read(text)
    assert list(frame.wide()) == ["a", "b"] and frame.wide()["b"].iloc[5] == 9
    text = ["date,station,lat,flow"] + rows(DAYS, lambda i: [["a", 37.5, i / 7], ["b", 37.6, i / 9]])
    assert read(text).wide()["a"].iloc[7] == 1


@pytest.mark.parametrize("codes", [["11110515", "11110530"], ["001", "002"]])
def test_numbers_called_codes_are_names(read, codes):
    text = ["기준일ID,시간대구분,행정동코드,생활인구"] + [
        f"{time:%Y%m%d},{time.hour:02d},{code},{10 * i + k}.5" for i, time in enumerate(HOURS)
        for k, code in enumerate(codes)]  # fmt: skip
    frame = read(text)
    assert list(frame.wide()) == codes and frame.wide().index.equals(HOURS.rename("time"))
    assert frame.wide()[codes[1]].iloc[4] == 41.5
    alone = read([text[0], *text[1::2]])
    assert alone.wide().shape == (48, 1) and alone.wide().iloc[4, 0] == 40.5


def test_remarks_are_no_names(read):
    """Several rows of an hour, one for each remark, with the same value: one row."""
    sky = [["Rain", "light rain"], ["Mist", "mist"], ["Clouds", "few clouds"]]
    text = ["holiday,weather,about,when,volume"] + [
        f"None,{','.join(sky[(i + k) % 3])},{time:%Y-%m-%d %H:%M:%S},{100 + i}" for i, time in enumerate(HOURS)
        for k in range(1 + i % 3)]  # fmt: skip
    frame = read(text)
    assert frame.wide()["volume"].tolist() == [100 + i for i in range(48)]
    assert "holiday (empty), weather (follows from about), about (remarks)" in frame.header.note
    assert "repeat others were dropped" in frame.header.note


def test_values_that_differ_under_remarks_are_refused(refused):
    text = ["date,note,a"] + rows(DAYS, lambda i: [["x", i]]) + ["2024-01-05,y,77"]
    refused(text, "different values for 2024-01-05", line=62)


# ---- demand


def bike(count="count"):
    rng = np.random.default_rng(0)
    return [f"datetime,season,holiday,workingday,temp,{count}"] + [
        f"{time:%Y-%m-%d %H:%M:%S},{1 + i // 24},{int(i < 24)},{int(i > 23)},{rng.normal():.1f},{rng.integers(9, 99)}"
        for i, time in enumerate(HOURS)]  # fmt: skip


@pytest.mark.parametrize("count", ["count", "cnt", "rides", "이용건수"])
def test_flags_calendar_and_weather_are_no_demand(read, count):
    frame = read(bike(count))
    assert list(frame.wide()) == [count]
    for said in ("season (", "holiday (a flag", "workingday (a flag", "temp (no demand by its name)", "`known`"):
        assert said in frame.header.note


def test_a_flag_of_any_name_is_no_demand(read):
    frame = read(["date,open,rides"] + rows(DAYS, lambda i: [[int(i % 5 > 0), i + 3]]))
    assert list(frame.wide()) == ["rides"] and "open (a flag" in frame.header.note


def test_the_weather_alone_may_be_forecast(read):
    text = ["일시,기온(°C),습도(%),풍속(m/s)"] + rows(HOURS, lambda i: [[i / 2, i, i + 1]], "%Y-%m-%d %H:%M")
    assert list(read(text).wide()) == ["기온(°C)", "습도(%)", "풍속(m/s)"]


def test_flags_alone_and_constants_stay(read):
    assert list(read(["date,a,b"] + rows(DAYS, lambda i: [[i % 2, (i // 2) % 2]])).wide()) == ["a", "b"]
    assert list(read(["date,a,never,always"] + rows(DAYS, lambda i: [[i, 0, 5]])).wide()) == ["a", "never", "always"]


def test_columns_by_the_yaml(read, refused):
    frame = read(bike(), SHORT + "value: [count, temp]\nknown: holiday\n")
    assert list(frame.wide()) == ["count", "temp"] and frame.kinds == {"holiday": "known"}
    assert frame.wide("holiday")["count"].tolist() == [float(i < 24) for i in range(48)]
    assert "season (not in value)" in frame.header.note and "Known ahead: holiday." in frame.header.note
    refused(bike(), "the YAML says value: coun, but no column is called that", "Did you mean 'count'?",
            settings=SHORT + "value: coun")  # fmt: skip
    refused(bike(), "the YAML says known: x, but no column", settings=SHORT + "known: [x]")


def test_several_values_of_a_long_table(read, refused):
    text = ["date,series,close,price"] + rows(DAYS, lambda i: [["a", i, 2 * i], ["b", i, 3 * i]])
    refused(text, "several columns may hold the values: close, price", "value: price", line=1)
    wide = read(text, SHORT + "value: [close, price]").wide()
    assert list(wide) == ["a / close", "a / price", "b / close", "b / price"] and wide["b / price"].iloc[2] == 6
    assert read(text, SHORT + "value: price").wide()["b"].iloc[2] == 6


@pytest.mark.parametrize("cell", ["5%", "1,402개", "(1.000)", "505.88M"])
def test_numbers_with_units_are_no_remarks(refused, read, cell):
    text = ["date,a,b"] + [f'{day:%Y-%m-%d},{i},"{cell}"' for i, day in enumerate(DAYS)]
    text[9] = text[9].replace(cell, "1" + cell.strip("()"))
    refused(text, f"'{cell}' is not a number", "value: [sales]", line=2)
    assert list(read(text, SHORT + "value: a").wide()) == ["a"]


def test_remarks_beside_a_wide_table_are_left_out(read):
    frame = read(["date,a,b,remark"] + rows(DAYS, lambda i: [[i, 2 * i, "moved" if i % 9 else ""]]))
    assert list(frame.wide()) == ["a", "b"] and "remark (text)" in frame.header.note


def test_a_series_that_decides_the_pooled_error_is_named(read):
    frame = read(["날짜,종가,거래량"] + rows(DAYS, lambda i: [[2000 + i, 400_000_000 + i]]))
    assert "2 series are forecast together" in frame.header.note and "거래량 is 100.0%" in frame.header.note
    chosen = read(["날짜,종가,거래량"] + rows(DAYS, lambda i: [[2000 + i, 4]]), SHORT + "value: 종가")
    assert list(chosen.wide()) == ["종가"] and "pooled" not in chosen.header.note
