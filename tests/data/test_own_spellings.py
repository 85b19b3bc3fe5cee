"""The same table in every spelling that people bring is read back equal, or refused: never read wrong."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from own import SHORT, examples, put

from litecast.data import files
from litecast.errors import DataError

NEW_YORK = "timezone: America/New_York\n"


def _form(text):
    return lambda times: [times.strftime(text)]


def _half(before):
    """오전 1:00 or 1:00 PM."""

    def write(times):
        hours = [f"{(time.hour + 11) % 12 + 1}:{time:%M}" for time in times]
        if before:
            halves = ["오후" if time.hour > 11 else "오전" for time in times]
            return [[f"{t:%Y-%m-%d} {half} {hour}" for t, half, hour in zip(times, halves, hours, strict=True)]]
        return [[f"{t.month}/{t.day}/{t.year} {hour} {t:%p}" for t, hour in zip(times, hours, strict=True)]]

    return write


def _ending(date, hour, join):
    """Hours 1 to 24: the last one is 00:00 of the next day."""

    def write(times):
        day = times.normalize().where(times.hour > 0, times.normalize() - pd.Timedelta("1D"))
        hours = [hour.format(t.hour or 24) for t in times]
        dates = day.strftime(date)
        return [[f"{d}{join}{h}" for d, h in zip(dates, hours, strict=True)]] if join is not None else [dates, hours]

    return write


def _epoch(scale):
    return lambda times: [[str(int(time.timestamp() * scale)) for time in times]]


def _local(late):
    """Clock times of New York of times in its standard time, hour-ending if late is an hour."""

    def write(times):
        late_by = pd.Timedelta(late)
        clock = (times - late_by + pd.Timedelta("5h")).tz_localize("UTC").tz_convert("America/New_York")
        return [(clock.tz_localize(None) + late_by).strftime("%Y-%m-%d %H:%M")]

    return write


def _offsets(times):
    clock = (times + pd.Timedelta("5h")).tz_localize("UTC").tz_convert("America/New_York")
    return [[str(time) for time in clock]]


def _midnights(times):
    return [[str(time) for time in times.tz_localize("America/New_York")]]


CLOCK, HOURLY, DATE, MONTHLY = ("15min", "30min", "h"), ("h",), ("D", "7D", "B", "MS"), ("MS",)
TIMES = {  # spelling -> (frequencies it can tell, columns of text, YAML it needs)
    "iso": (CLOCK + DATE, _form("%Y-%m-%d %H:%M"), ""),
    "iso T": (CLOCK + DATE, _form("%Y-%m-%dT%H:%M:%S"), ""),
    "slashes": (CLOCK + DATE, _form("%Y/%m/%d %H:%M"), ""),
    "dots": (CLOCK + DATE, _form("%Y. %m. %d. %H:%M"), ""),
    "korean": (CLOCK, _form("%Y년 %m월 %d일 %H시 %M분"), ""),
    "korean half days": (CLOCK, _half(True), ""),
    "american half days": (CLOCK + DATE, _half(False), ""),
    "glued minutes": (CLOCK + DATE, _form("%Y%m%d%H%M"), ""),
    "glued hours": (HOURLY, _form("%Y%m%d%H"), ""),
    "glued date, clock": (CLOCK, _form("%Y%m%d %H:%M"), ""),
    "glued hours to 24": (HOURLY, _ending("%Y%m%d", "{:02d}", ""), ""),
    "hours to 24": (HOURLY, _ending("%Y-%m-%d", "{}:00", " "), ""),
    "epoch seconds": (CLOCK + DATE, _epoch(1), ""),
    "epoch milliseconds": (CLOCK + DATE, _epoch(1000), ""),
    "korean offset": (CLOCK + DATE, _form("%Y-%m-%d %H:%M:%S+09:00"), ""),
    "utc": (CLOCK + DATE, _form("%Y-%m-%dT%H:%M:%S.000Z"), ""),
    "date and hour": (HOURLY, lambda times: [times.strftime("%Y-%m-%d"), times.strftime("%H시")], ""),
    "date and number": (HOURLY, lambda times: [times.strftime("%Y%m%d"), [str(hour) for hour in times.hour]], ""),
    "date and hour to 24": (HOURLY, _ending("%Y-%m-%d", "{}", None), ""),
    "date and clock": (CLOCK, lambda times: [times.strftime("%Y.%m.%d"), times.strftime("%H:%M")], ""),
    "date": (DATE, _form("%Y-%m-%d"), ""),
    "glued date": (DATE, _form("%Y%m%d"), ""),
    "korean date": (DATE, _form("%Y년 %m월 %d일"), ""),
    "unpadded date": (DATE, lambda times: [[f"{t.year}. {t.month}. {t.day}." for t in times]], ""),
    "day first": (DATE, _form("%d.%m.%Y"), ""),
    "month first": (DATE, _form("%m/%d/%Y"), ""),
    "own format": (DATE, _form("%d %m %y"), "date_format: '%d %m %y'\n"),
    "midnights with offsets": (DATE, _midnights, ""),
    "midnights with offsets and zone": (DATE, _midnights, NEW_YORK),
    "year, month, day": (DATE, lambda times: [times.strftime(f"%{part}") for part in "Ymd"], ""),
    "months": (MONTHLY, _form("%Y-%m"), ""),
    "glued months": (MONTHLY, _form("%Y%m"), ""),
    "dotted months": (MONTHLY, _form("%Y.%m"), ""),
    "month ends": (MONTHLY, lambda times: [(times + pd.offsets.MonthEnd(0)).strftime("%Y-%m-%d")], ""),
    "clock of a zone": (HOURLY, _local("0h"), NEW_YORK),
    "hour-ending clock of a zone": (HOURLY, _local("1h"), NEW_YORK),
    "changing offsets": (CLOCK, _offsets, NEW_YORK),
}
HEADS = {1: {"en": ["timestamp"], "ko": ["일시"], "own": ["when it was"]},
         2: {"en": ["date", "hour"], "ko": ["일자", "시간"], "own": ["day", "time"]},
         3: {"en": ["year", "month", "day"], "ko": ["연도", "월", "일"], "own": ["YEAR", "Month", "DD"]}}  # fmt: skip
PLAIN = {"layout": "wide", "separator": ",", "decimal": ".", "thousands": False, "words": "en", "front": None,
         "title": False, "beside": None, "repeated": False, "encoding": "utf-8", "packed": None,
         "order": 1}  # fmt: skip
WAYS = {
    "layout": ["wide", "long", "shop and region", "code and name"],
    "separator": [",", ";", "\t"],
    "decimal": [".", ","],
    "thousands": [False, True],
    "words": ["en", "ko", "own"],
    "front": [None, "연번", "Unnamed: 0", ""],
    "title": [False, True],
    "beside": [None, "remark", "flag", "weather"],
    "repeated": [False, True],
    "encoding": ["utf-8", "utf-8-sig", "cp949"],
    "packed": [None, "gz", "parquet"],
    "order": [1, -1],
}


def table(step="h", T=60, C=2, start="2024-01-29", seed=0, scale=1000.0, gap=True):  # noqa: N803
    """Random values (T, C), a gap in each series but not in its first or last row."""
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(T, C)) * scale).round(3)
    for column in range(C * gap):
        values[rng.integers(1, T - 1), column] = np.nan
    names = ["강남", "b c", "101"][:C]
    return pd.DataFrame(values, pd.date_range(start, periods=T, freq=step), names)


def number(value, way):
    text = "" if np.isnan(value) else f"{value:,.3f}" if way["thousands"] else f"{value:.3f}"
    return text.translate(str.maketrans(".,", ",.")) if way["decimal"] == "," else text


def keys(name, way):
    """Columns that name a series, and what the reader is to call it."""
    if way["layout"] == "shop and region":
        return [f"W{name}", "x y"], f"W{name}"  # all in one region
    return ([f"N{len(name)}", name], name) if way["layout"] == "code and name" else ([name], name)


def rows(wide, spelling, way):
    """Header and rows of text."""
    stamps = TIMES[spelling][1](wide.index)
    head = HEADS[len(stamps)][way["words"]]
    if way["layout"] == "wide":
        times = list(zip(*stamps, strict=True))
        body = [[*time, *(number(v, way) for v in row)] for time, row in zip(times, wide.to_numpy(), strict=True)]
        return [*head, *wide.columns], body
    heads = {"long": ["지점"], "shop and region": ["store", "region"],
             "code and name": ["지점코드", "지점명"]}[way["layout"]]  # fmt: skip
    body = [[*time, *keys(name, way)[0], number(wide[name].iloc[i], way)]
            for i, time in enumerate(zip(*stamps, strict=True)) for name in wide]  # fmt: skip
    return [*head, *heads, {"en": "value", "ko": "수요", "own": "how many"}[way["words"]]], body


def written(wide, spelling, way):
    """Bytes of a file, its ending and its YAML."""
    head, body = rows(wide, spelling, way)
    if way["repeated"]:
        body.insert(3, body[2])
    body = body[:: way["order"]]
    beside = {"remark": ["비고", "sunny", "rain, later"], "flag": ["holiday", "0", "1"],
              "weather": ["temperature", "1.5", "2.5"]}.get(way["beside"])  # fmt: skip
    if beside:
        head, body = [*head, beside[0]], [[*row, beside[1 + i % 2]] for i, row in enumerate(body)]
    if way["front"] is not None:
        head, body = [way["front"], *head], [[str(i + 1), *row] for i, row in enumerate(body)]
    settings = SHORT + TIMES[spelling][2]
    if way["packed"] == "parquet":
        out = io.BytesIO()
        pd.DataFrame(body, columns=head).to_parquet(out)
        return out.getvalue(), ".parquet", settings
    out = io.StringIO()
    writer = csv.writer(out, delimiter=way["separator"])
    writer.writerows([["Sales by hour"], ["made 2024"]] * way["title"])
    writer.writerows([head, *body])
    data = out.getvalue().encode(way["encoding"])
    return (gzip.compress(data), ".csv.gz", settings) if way["packed"] else (data, ".csv", settings)


def same(read, wide, way):
    """Names, times and values are those of the table."""
    found, names = read.wide(), [name if way["layout"] == "wide" else keys(name, way)[1] for name in wide]
    assert sorted(found.columns) == sorted(names), read.header.note
    assert found.index.equals(wide.index.rename("time")), read.header.note
    np.testing.assert_array_equal(found[names].to_numpy(), wide.to_numpy())


def again(folder, wide, spelling, way):
    data, ending, settings = written(wide, spelling, way)
    return files.read(put(folder, data, settings, name=f"my{ending}"))


@pytest.mark.parametrize("spelling, step", [(s, step) for s, (steps, *_) in TIMES.items() for step in steps])
def test_each_form_of_times_is_read(tmp_path, spelling, step):
    wide = table(step, 60, start="2024-01-01" if step == "MS" else "2024-10-31")
    if spelling in ("day first", "month first", "american half days") and step in (*CLOCK, "MS"):
        step = None  # days of one month above 12 may be missing: refused
    try:
        same(again(tmp_path, wide, spelling, PLAIN), wide, PLAIN)
    except DataError as error:
        assert step is None and "may be day/month" in str(error)


@pytest.mark.parametrize("way, value", [(way, value) for way, values in WAYS.items() for value in values])
@pytest.mark.parametrize("spelling", ["iso", "date and hour"])
def test_each_way_of_writing_is_read(tmp_path, way, value, spelling):
    changed = PLAIN | {way: value} | ({"separator": ";"} if value == "," and way == "decimal" else {})
    wide = table()
    same(again(tmp_path, wide, spelling, changed), wide, changed)


WAY = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in WAYS.items()})
COMBINED = sorted((spelling, step) for spelling, (steps, *_) in TIMES.items() for step in steps)


@given(st.sampled_from(COMBINED), WAY, st.integers(24, 60), st.integers(1, 3), st.integers(0, 2**32 - 1),
       st.sampled_from(["2024-10-31", "2024-03-08", "1999-12-29", "2024-02-27"]), st.sampled_from([1.0, 1e3, 1e6]),
       st.booleans())  # fmt: skip
@examples(60)
def test_any_spelling_is_read_back_or_refused(tmp_path, combined, way, T, C, seed, start, scale, gap):  # noqa: N803
    spelling, step = combined
    assume(not (way["decimal"] == "," and way["separator"] == ","))  # quoted 1,5 is refused: tested elsewhere
    wide = table(step, T, C, start[:8] + "01" if step == "MS" else start, seed, scale, gap)
    try:
        frame = again(tmp_path, wide, spelling, way)
    except DataError as error:
        assert "my." in str(error)
    else:
        same(frame, wide, way)
