"""Fixed-site counts (상시조사) from road.re.kr: national roads by hour, expressways by hour and lane, classes by day.

Three layouts, recognised by their header: 지점번호 년도 월 일 방향 1시 … 24시 합계 (xlsx, or HTML called .xls);
노선 명, 구간 명, 날짜, 방향, 차로 and hours (csv in cp949); 지점번호 … 월 일 방향 … and 1종 … 12종 전차종합계 for
several years side by side (two header rows). Direction 0 (양방향) is both, so it is never summed with 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from litecast.errors import DataError

from .. import collecting
from . import sheets, spool

SOURCES = {"tms-files": "TMS: fixed-site counts of national roads and expressways, files by hour or day (road.re.kr)"}
KIND = {"tms-files": "traffic"}

BOTH = "0"  # direction: both together
CLASSES = [*(f"{i}종" for i in range(1, 13)), "전차종합계"]
ROW = ("station", "way", "lane")
_WANTED = "a TMS file (지점번호 … 1시 … 24시, 노선 명 … 차로 …, or 지점번호 … 1종 … 12종 전차종합계)"
_TOTALS = ("합계", "계", "소계", "전체")  # in 차로: the sum of the lanes, not a lane


class Options(collecting.Options):
    """tms-files"""

    SAME: ClassVar = ("vehicle",)
    files: collecting.Files = Field(description="downloaded files, e.g. downloads/*.xls")
    spots: collecting.Words = Field([], description="지점번호 (4202-01) or '노선 구간'; none given: all")
    direction: Literal["each", "both"] = Field(
        "each", description="each = directions 1 and 2 apart, 0 (both) only where a spot has neither; both = their sum")
    vehicle: Literal["total", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] = Field(
        "total", description="class files only: vehicle class 1 to 12, or the total")


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A part per month; series "4202-01 1" (spot and direction), by hour, or by day from class files.

    A count of an expressway is the sum of its lanes: missing if one of the lanes seen in that month is.
    Raises DataError for files that cannot be read, hourly ones mixed with daily ones, or spots in none of them.
    """
    asked = job.options
    form = spool.Form(ROW, f"tms 1 {asked.vehicle}", partial(_read, asked.vehicle))
    found = spool.spools(job, form)
    spool.known(found, "spots", asked.spots, "the spot")
    frequency = spool.frequency(found)
    vehicles = "all vehicles" if asked.vehicle == "total" or frequency == "h" else f"vehicles of class {asked.vehicle}"
    ways = "summed" if asked.direction == "both" else "apart"
    job.describe(
        unit="vehicles/h" if frequency == "h" else "vehicles/day", frequency=frequency,
        provider="Ministry of Land, Infrastructure and Transport, road.re.kr (TMS)",
        licence="as the portal says (not redistributed)",
        note=f"Fixed-site counts, {vehicles}, directions {ways}.")  # fmt: skip
    make = partial(_month, spots=asked.spots, direction=asked.direction)
    yield from spool.parts(form, found, make, f"{sorted(asked.spots)} {asked.direction}")


def _read(vehicle: str, path: Path, about: dict) -> Iterator[pd.DataFrame]:
    """Rows of a file: time (day), ROW, and HOURS or value."""
    spots = set()
    for block in sheets.blocks(path, _header, _WANTED):
        daily = block.head.role == "class"
        if about.setdefault("frequency", "D" if daily else "h") != ("D" if daily else "h"):
            raise DataError(f"{block.file}: hourly and daily tables in one file. Save them as two files.")
        for table in _daily(block, vehicle, about["notes"]) if daily else [_hourly(block, about["notes"])]:
            spots |= set(table["station"].cat.categories)
            yield table
    about["spots"] = dict.fromkeys(sorted(spots), "")


# --- headers


def _header(rows: list[list[str]]) -> sheets.Head | None:
    for place, row in enumerate(rows):
        names = [sheets.word(name) for name in row]
        if "1종" in names:
            return _class_header(rows, place)
        if {"지점번호", "방향"} <= set(names) and "구분" not in names and not _above_classes(rows, place):
            return _hour_header(row, place, "national", ["지점번호", "방향", "년도", "월", "일"], "합계")
        if {"노선명", "구간명"} <= set(names):
            return _hour_header(row, place, "expressway", ["노선명", "구간명", "날짜", "방향", "차로"], "전일합계")
    return None


def _above_classes(rows: list[list[str]], place: int) -> bool:
    return place + 1 < len(rows) and "1종" in map(sheets.word, rows[place + 1])


def _hour_header(row: list[str], place: int, role: str, needed: list[str], total: str) -> sheets.Head:
    names = [sheets.word(name) for name in row]
    at = _places(names, needed)
    hours = sheets.hours(row)
    totals = [i for i, name in enumerate(names) if name.startswith(total)][:1]
    return sheets.Head(row, place + 1, [*at.values(), *hours, *totals], role,
                       {"at": at, "hours": hours, "total": totals})  # fmt: skip


def _class_header(rows: list[list[str]], place: int) -> sheets.Head:
    """Two rows: years above, names below; leading columns, however many, end before the first 1종."""
    width = max(map(len, rows[: place + 1]))
    below, above = ([*row, *[""] * (width - len(row))] for row in (rows[place], rows[place - 1] if place else []))
    names = [sheets.word(low or high) for low, high in zip(below, above, strict=True)]
    begins = [i for i, name in enumerate(names) if name == "1종"]
    at = _places(names[: begins[0]], ["지점번호", "방향", "월", "일"])
    years = {}
    for begin in begins:
        year = re.search(r"(19|20)\d\d", above[begin])
        if year is None:
            raise sheets.Lacks(f"year above 1종 in column {begin + 1}")
        if names[begin : begin + 13] != CLASSES:
            raise sheets.Lacks(f"1종 … 12종 전차종합계 of {year[0]}")
        years[int(year[0])] = begin
    use = [*at.values(), *(begin + i for begin in years.values() for i in range(13))]
    return sheets.Head(names, place + 1, use, "class", {"at": at, "years": years})


def _places(names: list[str], needed: list[str]) -> dict[str, int]:
    for name in needed:
        if name not in names:
            raise sheets.Lacks(name)
    return {name: names.index(name) for name in needed}


# --- rows


def _hourly(block: sheets.Block, notes: spool.Notes) -> pd.DataFrame:
    at, n = block.head.more["at"], len(block)
    values = sheets.counts(block, block.head.more["hours"], notes)
    for total in block.head.more["total"]:
        odd = np.abs(values.sum(axis=1) - block.numbers(total)) > 0.5  # comparisons with missing ones are False
        sheets.note(notes, "rows whose hours do not add up to their total, kept", int(odd.sum()))
    if block.head.role == "national":
        time, station = _days(block, block.numbers(at["년도"])), block.texts(at["지점번호"], _station)
        lane = sheets.joined([], n)
    else:
        time, lane = block.dates(at["날짜"]), block.texts(at["차로"])
        station = sheets.joined([block.texts(at["노선명"]), block.texts(at["구간명"])], n)
    table = pd.DataFrame({"time": time.astype("datetime64[us]"), "station": station,
                          "way": block.texts(at["방향"], _direction), "lane": lane,
                          **dict(zip(spool.HOURS, values.T, strict=True))})  # fmt: skip
    sums = table["lane"].isin(_TOTALS)
    sheets.note(notes, "rows that sum lanes, left out", int(sums.sum()))
    return table[~sums]


def _daily(block: sheets.Block, vehicle: str, notes: spool.Notes) -> Iterator[pd.DataFrame]:
    """A table per year of a class file. Days that a year does not have (29 February) must be blank or 0 there."""
    at = block.head.more["at"]
    station, way = block.texts(at["지점번호"], _station), block.texts(at["방향"], _direction)
    for year, begin in block.head.more["years"].items():
        values = sheets.counts(block, range(begin, begin + 13), notes)
        odd = np.abs(values[:, :12].sum(axis=1) - values[:, 12]) > 0.5
        sheets.note(notes, "rows whose classes do not add up to 전차종합계, kept", int(odd.sum()))
        value = values[:, 12 if vehicle == "total" else int(vehicle) - 1]
        leap = (block.numbers(at["월"]) == 2) & (block.numbers(at["일"]) == 29)
        gone = leap & (year % 4 != 0) & ~(values > 0).any(axis=1)  # 1900 and 2100 are far away
        time = _days(block, np.where(gone, 2000, year)).astype("datetime64[us]")
        yield pd.DataFrame({"time": time, "station": station, "way": way, "lane": sheets.joined([], len(block)),
                            "value": value})[~gone]  # fmt: skip


def _days(block: sheets.Block, years: np.ndarray) -> np.ndarray:
    """Days from columns 월 and 일, datetime64[D]. DataError for a day that does not exist."""
    at = block.head.more["at"]
    months, days = block.numbers(at["월"]), block.numbers(at["일"])
    first = pd.to_datetime({"year": years, "month": months, "day": days}, errors="coerce")
    if first.isna().any():
        raise block.fault(int(first.isna().to_numpy().argmax()), "년도, 월 and 일 are no day", column=at["일"])
    return first.to_numpy().astype("datetime64[D]")


def _station(text: str) -> str:
    """지점번호 without the stray character that may stand before it."""
    return re.sub(r"^\D+(?=\d)", "", text)


def _direction(text: str) -> str:
    return BOTH if text in ("0", "양방향", "양방", "전체", "합계") else text


# --- a month


def _month(rows: pd.DataFrame, notes: spool.Notes, spots: list[str], direction: str) -> pd.DataFrame:
    rows = rows[rows["station"].isin(spots)] if spots else rows
    if rows["lane"].nunique() > 1:
        rows = _lanes(rows, notes)
    long = spool.by_hour(rows.drop(columns="lane")) if "h0" in rows else rows
    if direction == "both":
        return spool.summed(spool.both_ways(long, notes, BOTH), ["station", "way"])
    apart = rows.loc[rows["way"] != BOTH, "station"].unique()
    beside = (long["way"] == BOTH) & long["station"].isin(apart)
    sheets.note(notes, "counts of both directions beside those of each, left out", int(beside.sum()))
    return spool.summed(long[~beside], ["station", "way"])


def _lanes(rows: pd.DataFrame, notes: spool.Notes) -> pd.DataFrame:
    """Lanes summed; an hour is missing if one of the lanes of that month is."""
    groups = rows.groupby(["time", "station", "way"], observed=True)
    counted = groups["lane"].nunique()
    most = rows.groupby(["station", "way"], observed=True)["lane"].nunique()
    fewer = counted.to_numpy() < counted.index.droplevel("time").map(most).to_numpy()
    sheets.note(notes, "days without one of the lanes, read as missing", int(fewer.sum()))
    gone = rows[spool.HOURS].isna().groupby([rows[name] for name in ("time", "station", "way")], observed=True).any()
    return groups[spool.HOURS].sum().mask(gone | fewer.repeat(24).reshape(-1, 24)).reset_index().assign(lane="")
