"""A user's CSV is read right, or refused by a message that names file, line and rule."""

import csv
import io
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own import HOURS, SHORT, examples, lines, one, put, replaced

from litecast import data
from litecast.data import calendar, files, windows
from litecast.errors import DataError

# ---- read right


def test_a_plain_wide_file(read):
    frame = read(lines(), "L: 4\nH: 2\nunit: kWh\nname: My shop\nlicence: CC0\nsource: counter\n")
    wide = frame.wide()
    assert list(wide.columns) == ["a", "b"]
    assert wide.index.equals(HOURS.rename("time"))
    assert wide["a"].tolist() == list(range(48)) and wide["b"].tolist() == [i / 2 for i in range(48)]
    header = frame.header
    assert (header.name, header.unit, header.frequency, header.season) == ("my-shop", "kWh", "h", 168)
    assert (header.L, header.H, header.split, header.kind, header.note) == (4, 2, "chronological", "other", "")
    assert (header.licence, header.source) == ("CC0", "counter") and len(header.sha256) == 64


def test_without_yaml_the_frequency_sets_the_defaults(read):
    header = read(one(pd.date_range("2024-01-01", periods=275, freq="h")), None).header
    assert (header.name, header.L, header.H, header.season, header.transform) == ("my", 168, 24, 168, "none")


@pytest.mark.parametrize("header", ["일시,지점,값", "time,series,value", "Date_Time,unique_id,y", "날짜,정류장,승차"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-8-sig"])
def test_long_by_name_or_by_shape_in_any_encoding(read, header, encoding):
    rows = [f"{time:%Y-%m-%d %H:%M},{name},{i + 100 * k}" for i, time in enumerate(HOURS)
            for k, name in enumerate(("강남", "종로"))]  # fmt: skip
    if header == "Date_Time,unique_id,y":
        rows = [row.replace("강남", "101").replace("종로", "102") for row in rows]  # codes are names, not numbers
    frame = read([header, *rows], encoding=encoding)
    wide = frame.wide()
    assert list(wide.columns) == (["101", "102"] if "unique_id" in header else ["강남", "종로"])
    assert wide.iloc[:, 1].tolist() == [i + 100 for i in range(48)]
    assert ("Read as cp949." in frame.header.note) == (encoding == "cp949" and "강남" in wide)


def test_korean_headers_of_a_wide_file(read):
    assert list(read(lines(header="측정일시,강남대로,종로"), encoding="cp949").wide().columns) == ["강남대로", "종로"]


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y.%m.%d %H:%M", "%Y. %m. %d. %H:%M", "%Y/%m/%d %H", "%Y%m%d%H",
     "%Y%m%d%H%M", "%Y%m%d %H:%M", "%Y년 %m월 %d일 %H시", "%Y년 %m월 %d일 %H시 %M분", "%Y-%m-%d %H:%M:%S.000"],
)  # fmt: skip
def test_forms_of_times(read, form):
    wide = read(one(HOURS, form)).wide()
    assert wide.index.equals(HOURS.rename("time")) and wide["a"].tolist() == list(range(48))


DATES = ["%Y-%m-%d", "%Y%m%d", "%Y.%m.%d", "%Y년 %m월 %d일", "%Y. %m. %d.", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"]


@pytest.mark.parametrize("form", DATES)
def test_forms_of_dates(read, form):
    days = pd.date_range("2024-01-01", periods=60)  # holds the 31st: day and month cannot be mistaken
    frame = read(one(days, form))
    assert frame.header.frequency == "D" and frame.wide().index.equals(days.rename("time"))


def test_excel_serial_dates(read):
    serial = [45292 + i / 24 for i in range(48)]  # 45292 = 2024-01-01
    frame = read(["date,a"] + [f"{day:.6f},{i}" for i, day in enumerate(serial)])
    assert frame.wide().index.equals(HOURS.rename("time")) and "Excel" in frame.header.note
    steps = read(["date,a"] + [f"{45292 + i},{i}" for i in range(48)], SHORT + "frequency: step")
    assert steps.header.frequency == "step" and steps.wide().index[0] == 45292


def test_whole_numbers_are_steps(read):
    frame = read(["t,a"] + [f"{i},{i}" for i in range(48)])
    assert frame.header.frequency == "step" and frame.wide().index.tolist() == list(range(48))
    assert "plain steps" in frame.header.note


def test_date_format_settles_day_and_month(read, refused):
    days = pd.date_range("2024-01-01", periods=12)
    text = one([d for m in range(1, 13) for d in (days + pd.DateOffset(months=m - 1))], "%d/%m/%Y")
    refused(text, "'01/01/2024' may be day/month", "date_format", line=2, settings=SHORT + "frequency: step")
    frame = read(text, SHORT + "frequency: step\ndate_format: '%d/%m/%Y'")
    assert frame.wide()["a"].tolist() == list(range(144))
    refused(one(HOURS), "does not fit date_format", "'2024-01-01 00:00'", line=2, settings="date_format: '%d/%m/%Y'")


@pytest.mark.parametrize("mark, rows", [
    (".", "1,234.5;1.5"), (",", "1.234,5;1,5"), (",", "1234,5;1,5"), (",", "1 234,5;1,5"), (".", "1234.5;1.5"),
])  # fmt: skip
def test_semicolons_and_decimal_commas(read, mark, rows):
    wide = read([row.replace(",", ";") for row in lines(value=lambda i: "X,X")][:1]
                + [f"{time:%Y-%m-%d %H:%M};{rows}" for time in HOURS]).wide()  # fmt: skip
    assert wide["a"].tolist() == [1234.5] * 48 and wide["b"].tolist() == [1.5] * 48, mark


def test_a_decimal_comma_that_may_be_thousands(read, refused):
    text = ["time;a"] + [f"{time:%Y-%m-%d %H:%M};1,234" for time in HOURS]
    refused(text, "'1,234' may have a decimal mark or a thousands separator", "decimal", line=2)
    assert read(text, SHORT + "decimal: ','").wide()["a"].iloc[0] == 1.234
    assert read(text, SHORT + "decimal: '.'").wide()["a"].iloc[0] == 1234


def test_tabs(read):
    wide = read([row.replace(",", "\t") for row in lines()]).wide()
    assert wide["b"].tolist() == [i / 2 for i in range(48)]


def test_thousands_separators_and_quotes(read):
    text = lines(value=lambda i: f'"1,{i:03d}","-1,234,567.{i}"', header='"time","a","b"')
    wide = read(text).wide()
    assert wide["a"].tolist() == [1000 + i for i in range(48)] and wide["b"].iloc[7] == -1234567.7


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n"])
def test_line_ends_blank_lines_and_trailing_separators(read, end):
    assert read(end.join(row + ",," for row in lines())).wide()["a"].tolist() == list(range(48))


def test_unsorted_rows_are_sorted_and_said(read):
    text = lines()
    frame = read([text[0], *reversed(text[1:])])
    assert frame.wide()["a"].tolist() == list(range(48)) and "not in order of time" in frame.header.note
    assert all(rows["time"].is_monotonic_increasing for _, rows in frame.table.groupby("series"))


def test_exact_duplicates_are_dropped_and_said(read):
    text = lines()
    frame = read(text + [text[5], text[9]])
    assert frame.wide()["a"].tolist() == list(range(48))
    assert "4 values that repeat others were dropped" in frame.header.note


def test_a_blank_duplicate_yields_to_the_value(read):
    assert read([*lines(), "2024-01-01 05:00,,"]).wide()["a"].tolist() == list(range(48))


def test_gaps_zeros_and_negative_values(read):
    text = replaced(lines(value=lambda i: f"{-i},0"), 12, "2024-01-01 10:00,NA,")
    del text[20]  # a missing line is a gap too
    wide = read(text).wide()
    assert wide["a"].isna().sum() == 2 and wide["b"].isna().sum() == 2 and len(wide) == 48
    assert np.isnan(wide["a"].iloc[10]) and np.isnan(wide["a"].iloc[19])
    assert wide["a"].iloc[5] == -5 and (wide["b"].dropna() == 0).all()  # a zero is a zero


@pytest.mark.parametrize(
    "missing, cell", [("0", "0"), ("[-999, 점검]", "점검"), ("[-999, 점검]", "-999.0"), ("'-'", "-")]
)
def test_missing_by_the_yaml(read, missing, cell):
    wide = read(replaced(lines(value=lambda i: f"{i + 1},7"), 12, f"2024-01-01 10:00,{cell},7"),
                SHORT + f"missing: {missing}").wide()  # fmt: skip
    assert np.isnan(wide["a"].iloc[10]) and wide["a"].isna().sum() == 1 and wide["b"].notna().all()


@pytest.mark.parametrize(
    "step, expected",
    [("15min", "15min"), ("30min", "30min"), ("h", "h"), ("D", "D"), ("7D", "W"), ("MS", "MS"), ("ME", "MS"),
     ("B", "trading-day")],
)  # fmt: skip
def test_frequency_is_inferred(read, step, expected):
    times = pd.date_range("2024-01-03", periods=60, freq=step)
    frame = read(one(times))
    assert frame.header.frequency == expected
    wanted = times if step != "ME" else times.to_period("M").to_timestamp()
    assert frame.wide().index.equals(wanted.rename("time")) and frame.wide()["a"].tolist() == list(range(60))


def test_business_days_as_days_would_lack_every_weekend(refused):
    text = one(pd.bdate_range("2024-01-01", periods=60))
    refused(text, "no rows on Saturdays and Sundays: 26.8% of all steps are missing by rule", "frequency: trading-day",
            settings=SHORT + "frequency: daily")  # fmt: skip


def test_any_step_may_be_plain_steps(read, refused):
    text = one(pd.date_range("2024-01-01", periods=48, freq="10min"))
    refused(text, "the times step by 10 min", "frequency: step", line=2)
    frame = read(text, SHORT + "frequency: step")
    assert frame.header.frequency == "step" and frame.wide().index.tolist() == list(range(48))


def berlin(start, periods):
    """Hours of Berlin as its clocks show them, and as its standard time."""
    utc = pd.date_range(start, periods=periods, freq="h", tz="UTC")
    return utc.tz_convert("Europe/Berlin").tz_localize(None), utc.tz_localize(None) + pd.Timedelta("1h")


@pytest.mark.parametrize("start", ["2024-03-30 10:00", "2024-10-26 10:00"])
@pytest.mark.parametrize("backwards", [False, True])
def test_daylight_saving_with_a_timezone(read, start, backwards):
    clock, standard = berlin(start, 48)
    text = one(clock)
    frame = read([text[0], *reversed(text[1:])] if backwards else text, SHORT + "timezone: Europe/Berlin")
    wide = frame.wide()
    assert wide.index.equals(standard.rename("time")) and wide["a"].tolist() == list(range(48))
    assert "Europe/Berlin to its standard time" in frame.header.note


def test_daylight_saving_of_a_long_table(read):
    clock, standard = berlin("2024-10-26 10:00", 48)
    rows = [f"{time:%Y-%m-%d %H:%M},{name},{i}" for i, time in enumerate(clock) for name in "ab"]
    wide = read(["time,series,value", *rows], SHORT + "timezone: Europe/Berlin").wide()
    assert wide.index.equals(standard.rename("time")) and wide["b"].tolist() == list(range(48))


def test_daylight_saving_without_a_timezone(read, refused):
    spring = read(one(berlin("2024-03-30 10:00", 48)[0])).wide()
    assert len(spring) == 49 and np.isnan(spring["a"].loc["2024-03-31 02:00"])  # the hour that clocks skip is a gap
    message = refused(one(berlin("2024-10-26 10:00", 48)[0]), "different values", "timezone", line=17)
    assert "lines 16, 17 " in message


def test_a_time_that_clocks_skip(read, refused):
    text = one(pd.date_range("2024-03-30 10:00", periods=48, freq="h"))
    line = next(i for i, row in enumerate(text, 1) if row.startswith("2024-03-31 02:00"))
    refused(text, "does not exist in Europe/Berlin", line=line, settings=SHORT + "timezone: Europe/Berlin")
    del text[line - 1]
    assert len(read(text, SHORT + "timezone: Europe/Berlin").wide()) == 47


def test_offsets(read, refused):
    clock = pd.date_range("2024-10-26 10:00", periods=48, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    text = ["time,a"] + [f"{time.isoformat()},{i}" for i, time in enumerate(clock)]
    refused(text, "several UTC offsets", "timezone")
    wide = read(text, SHORT + "timezone: Europe/Berlin").wide()
    assert wide.index[0] == pd.Timestamp("2024-10-26 11:00") and wide["a"].tolist() == list(range(48))
    korea = read([row.replace(",", "+09:00,") if i else row for i, row in enumerate(one(HOURS))])
    assert korea.wide().index.equals(HOURS.rename("time"))  # one offset is local time as written
    utc = [row.replace(",", "Z,") if i else row for i, row in enumerate(one(HOURS))]
    assert read(utc).wide().index.equals(HOURS.rename("time"))
    refused(replaced(utc, 7, "2024-01-01 05:00,5"), "has no UTC offset", line=7, settings="timezone: Asia/Seoul")


def test_dates_know_no_daylight_saving(read):
    days = pd.date_range("2024-03-01", periods=60)
    assert read(one(days), SHORT + "timezone: Europe/Berlin").wide().index.equals(days.rename("time"))


def test_an_ett_file(read):
    T = 20 * 30 * 24
    values = np.random.default_rng(0).normal(size=(T, 7)).round(3)
    table = pd.DataFrame(values, pd.date_range("2016-07-01", periods=T, freq="h"),
                         ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"])  # fmt: skip
    frame = read(table.to_csv(index_label="date"), "split: ett\n")
    assert (frame.header.split, frame.header.L, frame.header.H, frame.header.frequency) == ("ett", 168, 24, "h")
    np.testing.assert_array_equal(frame.wide().to_numpy(), values)  # negative values as they are
    assert windows.prepare(frame).parts["test"].sum() == 4 * 30 * 24


def test_holidays_and_log_of_a_users_file(read):
    frame = read(lines(value=lambda i: f"{i + 1},{i + 1}"), SHORT + "country: KR\ntransform: log\nseason: 24\n")
    assert (frame.header.country, frame.header.transform, frame.header.season) == ("KR", "log", 24)
    assert "holiday" in calendar.names("h", frame.header.country)
    assert frame.wide()["a"].iloc[9] == 10  # raw


def test_an_index_column_and_other_columns_of_a_long_file(read):
    rows = [f"{i},{time:%Y-%m-%d},A{k},{i + k},3.5" for i, time in enumerate(pd.date_range("2024-01-01", periods=48))
            for k in range(2)]  # fmt: skip
    frame = read([",date,ticker,close,spread", *rows])
    assert list(frame.wide().columns) == ["A0", "A1"] and frame.wide()["A1"].tolist() == [i + 1 for i in range(48)]
    assert "the first one (row numbers), spread (a flag or constant)" in frame.header.note


# ---- refused


LATIN = "\n".join(lines(header="time,Zürich,b")).encode("latin-1")
REFUSED = {
    "empty": (b"", ["empty"], None),
    "blank": (b"\n \n", ["empty"], None),
    "header only": ("time,a,b\n", ["header, but no rows"], 1),
    "one column": ("a\n1\n2\n", ["one column only", "semicolon"], 1),
    "no header": (lines()[1:], ["not a header"], 1),
    "row numbers only": (",date\n0,2024-01-01\n1,2024-01-02\n", ["no column of values"], 1),
    "no time": ("place,a\nhere,1\nthere,2\n", ["no column of times", "'here'"], 2),
    "wrong encoding": (LATIN, ["not text in utf-8 or cp949", "Save it as UTF-8"], 1),
    "binary": (b"time,a\n\x00\x01\x02", ["zero bytes"], 2),
    "excel workbook": (b"PK\x03\x04rest", ["damaged", "Excel workbook", "CSV UTF-8"], None),
    "text in numbers": (replaced(lines(), 7, "2024-01-01 05:00,about 5,2"),
                        ["column 'a'", "'about 5' is not a number"], 7),
    "two texts": (replaced(replaced(lines(), 9, "2024-01-01 07:00,7,x"), 7, "2024-01-01 05:00,5,y"),
                  ["'y'", "column 'b'", "2 such"], 7),
    "percent": (replaced(lines(), 7, "2024-01-01 05:00,5%,2"), ["'5%'"], 7),
    "wrong thousands": (replaced(lines(), 7, '2024-01-01 05:00,"1,23",2'), ["'1,23' is not a number"], 7),
    "decimal comma": (replaced(lines(), 7, '2024-01-01 05:00,"5,5",2'), ["'5,5' is not a number"], 7),
    "infinite": (replaced(lines(), 7, "2024-01-01 05:00,-inf,2"), ["column 'a'", "-inf is infinite"], 7),
    "overflow": (replaced(lines(), 7, "2024-01-01 05:00,1e999,2"), ["infinite"], 7),
    "huge": (replaced(lines(), 7, "2024-01-01 05:00,5,2e15"), ["column 'b'", "larger than 1e+15"], 7),
    "all missing": (lines(value=lambda i: ",NA"), ["all values are missing"], 2),
    "conflicting duplicates": ([*lines(), "2024-01-01 05:00,6,2.5"], ["lines 7, 50 ", "series 'a'", "different"], 50),
    "a cell too few": (replaced(lines(), 7, "2024-01-01 05:00,5"), ["2 cells", "header (line 1) has 3"], 7),
    "a cell too many": (replaced(lines(), 7, "2024-01-01 05:00,5,1,5"), ["4 cells"], 7),
    "data for a title": (["only,two", *lines()[1:]], ["3 cells", "header (line 1) has 2"], 2),
    "open quote": (replaced(lines(), 7, '2024-01-01 05:00,"5,2'), ["quote"], 7),
    "same name twice": (lines(header="time,a,a"), ["two columns are called 'a'"], 1),
    "column without name": (lines(header="time,,b"), ["column 2 has no name"], 1),
    "no such date": (replaced(lines(), 7, "2024-02-30 05:00,5,2"), ["'2024-02-30 05:00' is no time"], 7),
    "hour 25": (replaced(lines(), 7, "2024-01-01 25:00,5,2"), ["'2024-01-01 25:00' is no time"], 7),
    "year 20240": (replaced(lines(), 7, "2924-01-01 05:00,5,2"), ["years 1900 to 2100"], 7),
    "wrong year": (replaced(lines(), 7, "2034-01-01 05:00,5,2"), ["more than half of all steps are missing"], 7),
    "blank time": (replaced(lines(), 7, ",5,2"), ["has no time"], 7),
    "total below": ([*lines(), "합계,1128,564"], ["'합계' is not written like '2024-01-01 00:00'"], 50),
    "two forms of time": (replaced(lines(), 7, "20240101,5,2"), ["not written like"], 7),
    "day or month first": (one(pd.date_range("2024-01-01", periods=12), "%d/%m/%Y"), ["may be day/month"], 2),
    "day and month first": ("time,a\n31/01/2024,1\n01/31/2024,1\n", ["month first"], 3),
    "beside the grid": (replaced(lines(), 7, "2024-01-01 05:07,5,2"), ["mixed frequency", "steps of 1 h"], 7),
    "hours, then days": (one([*HOURS, *pd.date_range("2024-01-03", periods=20)]),
                         ["mixed frequency: steps of 1 h elsewhere, of 1 d here"], 69),
    "hours and days": (["time,series,value"] + [f"{t:%Y-%m-%d %H:%M},a,1" for t in HOURS]
                       + [f"{t:%Y-%m-%d %H:%M},b,1" for t in pd.date_range("2024-01-01", periods=20)],
                       ["mixed frequency"], 69),
    "one time": ("time,a\n2024-01-01,1\n", ["no series has two different times"], 2),
    "too short": (lines(HOURS[:10]), ["too short: 10 steps of 'h'", "L 4", "H 2", "fits into val"], 11),
    "no name of a series": (["time,series,value", "2024-01-01,a,1", "2024-01-02,,1", "2024-01-03,a,1"],
                            ["name of the series is empty"], 3),
    "two values": (["time,series,close,price"] + [f"2024-01-01,{s},1,2" for s in "aabb"],
                   ["several columns may hold the values: close, price"], 1),
    "codes of no known name": (["time,dept,units"] + [f"2024-01-{i:02d},{k},{i + k}" for i in range(1, 31)
                                                      for k in (7, 8)],
                               ["every time stands several times; dept may name the series", "series: dept"], 1),
    "quarters": (one(pd.date_range("2010-01-01", periods=40, freq="QS")), ["step by 3 months", "frequency: step"], 2),
    "a line as an editor counts": (
        replaced(replaced(lines(), 4, '\n\n2024-01-01 02:00,"2\n",1'), 7, "2024-01-01 05:00,x,2"),
        ["column 'a'", "'x'"], 10),
    "remarks only": (lines(value=lambda i: "rain,x" if i % 2 else "sun,x"), ["'sun' is not a number", "remarks"], 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(refused, kind):
    text, words, line = REFUSED[kind]
    refused(text, *words, line=line)


def test_the_steps_that_are_needed_are_enough(read, refused):
    refused(lines(HOURS[:40]), "too short: 40 steps", settings="L: 48\nH: 2\n")
    frame = read(lines(pd.date_range("2024-01-01", periods=72, freq="h")), "L: 48\nH: 2\n")
    made = windows.prepare(frame)
    assert all(len(made.origins(part)) for part in windows.PARTS)


def test_split_that_does_not_suit(refused):
    weeks = one(pd.date_range("2024-01-01", periods=60, freq="7D"))
    refused(weeks, "too short", "'ett'", "not 'W'", settings=SHORT + "split: ett")


def test_log_of_zero(refused):
    text = lines(value=lambda i: f"{i + 1},{5 - i}")
    refused(text, "0 has no logarithm", "43 such", "column 'b'", line=7, settings=SHORT + "transform: log")


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name, words in (("none.csv", "no such"), ("folder.csv", "cannot be read")):
        for call in (files.read, files.locate):
            with pytest.raises(DataError, match=words):
                call(tmp_path / name)


# ---- the YAML


@pytest.mark.parametrize("text, words, line", [
    ("unit: kWh\nfrequncy: h\n", ["unknown key 'frequncy'", "Did you mean 'frequency'?", "timezone"], 2),
    ("l: 4\n", ["unknown key 'l'", "Did you mean 'L'?"], 1),
    ("zzzzz: 4\n", ["unknown key 'zzzzz'", "Keys: name, unit"], 1),
    ("L: many\n", ["L must be a valid integer", "'many'"], 1),
    ("unit: kW\nL: 0\n", ["L must be greater than or equal to 1", "found 0"], 2),
    ("H: true\n", ["H must be a valid integer", "True"], 1),
    ("country: NO\n", ["country must be a valid string", "found False", "quotes"], 1),
    (SHORT + "country: KOREA\n", ["country", "KOREA"], None),
    ("split: chronologic\n", ["split must be one of chronological, ett, weeks", "did you mean 'chronological'"], 1),
    ("frequency: 10min\n", ["frequency must be one of 15min", "'10min'"], 1),
    ("transform: sqrt\n", ["transform must be one of none, log"], 1),
    ("timezone: Europe/Berln\n", ["time zone", "did you mean 'Europe/Berlin'"], 1),
    ("timezone: ../../etc/passwd\n", ["time zone"], 1),
    ("missing: {a: 1}\n", ["missing must be numbers or texts"], 1),
    ("missing: [NO]\n", ["missing must be numbers or texts, not False"], 1),
    ("decimal: x\n", ["decimal must be"], 1),
    ("- L\n- H\n", ["must be `key: value` lines, not a list"], None),
    ("just words\n", ["must be `key: value` lines, not a str"], None),
    ("L: [4\nH: 2\n", ["is no YAML"], 2),
    ("name: 2024-13-45\n", ["my.yaml"], None),
    ("frequency: D\n", ["step by 1 h, but the YAML says frequency: D"], 2),
])  # fmt: skip
def test_yaml_is_checked(refused, text, words, line):
    of_csv = "country: KOREA" in text or "frequency: D" in text
    refused(lines(), *words, line=line, settings=text, file="my.csv" if of_csv else "my.yaml")


def test_yaml_may_be_empty_or_have_the_other_ending(tmp_path):
    path = put(tmp_path, one(pd.date_range("2024-01-01", periods=300, freq="h")), "# nothing yet\n")
    assert files.read(path).header.L == 168
    (tmp_path / "my.yaml").rename(tmp_path / "my.yml")
    (tmp_path / "my.yml").write_text("L: 24")
    assert files.read(path).header.L == 24


def test_slug(tmp_path):
    assert files.slug(put(tmp_path, "", None, name="My Shop_2024.csv")) == "my-shop-2024"
    assert files.slug(put(tmp_path, "", None, name="판매량.csv")) == "판매량"
    assert files.slug(put(tmp_path, "", None, name="--.csv")) == "own-data"
    assert files.slug(put(tmp_path, "", "name: Süd/West", name="my.csv")) == "süd-west"


def test_locate_changes_with_the_csv_and_the_yaml(tmp_path):
    path = put(tmp_path, lines(), None)
    hashes = [files.locate(path)["sha256"]]
    put(tmp_path, lines(), "L: 4\n")
    hashes.append(files.locate(path)["sha256"])
    put(tmp_path, replaced(lines(), 3, "2024-01-01 01:00,1,0.6"), "L: 4\n")
    hashes.append(files.locate(path)["sha256"])
    assert len(set(hashes)) == 3 and files.locate(path)["sha256"] == hashes[-1]
    assert files.locate(path)["source"] == "files" and files.locate(path)["path"] == str(path.resolve())


# ---- properties


def written(wide, long, separator, encoding, thousands, decimal, date):
    """Bytes of a CSV with the values of `wide`."""

    def cell(value):
        text = "" if np.isnan(value) else f"{value:,.4f}" if thousands else f"{value:.4f}"
        return text.translate(str.maketrans(".,", ",.")) if decimal == "," else text

    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    times = wide.index.strftime(date)
    if long:
        writer.writerow(["일시", "지점", "값"])
        writer.writerows([time, name, cell(wide[name].iloc[i])] for name in wide for i, time in enumerate(times))
    else:
        writer.writerow(["일시", *wide])
        writer.writerows([time, *map(cell, wide.iloc[i])] for i, time in enumerate(times))
    return out.getvalue().encode(encoding)


@st.composite
def frames(draw):
    step = draw(st.sampled_from(["15min", "30min", "h", "D", "7D", "MS"]))
    T, C = draw(st.integers(22, 40)), draw(st.integers(1, 3))
    start = "2024-01-01" if step == "MS" else draw(st.sampled_from(["2023-12-29", "2024-02-27", "1999-12-31"]))
    seed, scale = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([1.0, 1e3, 1e8]))
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(T, C)) * scale).round(4)
    for column in range(C):  # one gap each: with 10 % missing in train a series would be dropped
        values[rng.integers(1, T - 1), column] = np.nan
    return pd.DataFrame(values, pd.date_range(start, periods=T, freq=step), ["강남", "b c", "x"][:C])


@given(frames(), st.booleans(), st.sampled_from(",;\t"), st.sampled_from(["utf-8", "utf-8-sig", "cp949"]),
       st.booleans(), st.booleans(),
       st.sampled_from(["%Y-%m-%d %H:%M", "%Y년 %m월 %d일 %H시 %M분", "%Y%m%d%H%M"]))  # fmt: skip
@examples(40)
def test_round_trip(tmp_path, wide, long, separator, encoding, thousands, comma, date):
    decimal = "," if comma and separator == ";" else "."
    frame = files.read(put(tmp_path, written(wide, long, separator, encoding, thousands, decimal, date)))
    read = frame.wide()
    assert list(read.columns) == list(wide.columns) and read.index.equals(wide.index.rename("time"))
    np.testing.assert_array_equal(read.to_numpy(), wide.to_numpy())


GOOD = [
    "\n".join(lines()).encode(),
    "\n".join(["일시;지점;값"] + [f"{time:%Y.%m.%d %H:%M};{name};1.{i:03d},5" for i, time in enumerate(HOURS[:30])
                                for name in "가나"]).encode("cp949"),
    "\n".join(["date,a"] + [f"{45292 + i},{i}" for i in range(40)]).encode(),
]  # fmt: skip
BYTES = st.one_of(st.integers(0, 255), st.sampled_from(b'0123456789,;\n"-. '))
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), BYTES), max_size=6)


@pytest.mark.parametrize("good", GOOD)
def test_unchanged_bytes_are_read(read, good):
    assert read(good).wide().notna().all(axis=None)


@given(st.sampled_from(GOOD), CHANGES, st.booleans())
@examples(100)
def test_changed_bytes_are_read_or_refused(tmp_path, good, changes, zone):
    changed = bytearray(good)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    path = put(tmp_path, bytes(changed), SHORT + "timezone: Europe/Berlin\n" * zone)
    try:
        frame = files.read(path)
    except DataError as error:
        assert "my.csv" in str(error)
    else:
        assert np.isfinite(frame.wide().to_numpy()).any() and asdict(frame.header)["name"] == "my"


@given(st.binary(max_size=200))
@examples(40)
def test_changed_yaml_is_read_or_refused(tmp_path, noise):
    path = put(tmp_path, "\n".join(lines()), None)
    (tmp_path / "my.yaml").write_bytes(SHORT.encode() + noise)
    try:
        files.read(path)
    except DataError as error:
        assert "my." in str(error)


def test_an_own_file_is_a_dataset_like_any_other(tmp_path):
    path = put(tmp_path, lines())
    entry = data.resolve(["my"], {"my": path})["my"]
    assert entry == {"name": "my", "source": "files"} | files.locate(path)
    assert files.load("my", entry).header.sha256 == entry["sha256"]
    assert data.load(str(path)).wide().shape == (48, 2)
