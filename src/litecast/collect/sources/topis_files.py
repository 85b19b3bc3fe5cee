"""Seoul TOPIS (서울시 교통량 조사자료): hourly counts of about 170 spots, monthly workbooks or csv editions.

Data: 일자 요일 지점명 지점번호 방향 구분 0시 … 23시; 구분 is 유입 (in) or 유출 (out). A workbook has a legend before
and the spots with coordinates after it. A header that cannot be used (2019-02) is passed over: then the order decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from .. import collecting
from . import sheets, spool

SOURCES = {"topis-files": "Seoul TOPIS: hourly counts of about 170 spots, monthly files (topis.seoul.go.kr)"}
KIND = {"topis-files": "traffic"}

COLUMNS = ["일자", "요일", "지점명", "지점번호", "방향", "구분"]  # then 24 hours
ROW = ("station", "way")
BOTH = "both"
_WAYS = {"유입": "in", "유출": "out", "in": "in", "out": "out"}
_WANTED = "a TOPIS file of counts (일자 요일 지점명 지점번호 방향 구분 0시 … 23시)"
_SUM = re.compile(r"합|계$|sum|total", re.IGNORECASE)
_PLACE = re.compile(r"위도|경도|좌표|주소|grs80|^[xy]$", re.IGNORECASE)


class Options(collecting.Options):
    """topis-files"""

    files: collecting.Files = Field(description="downloaded files, e.g. 'downloads/*교통량*.xlsx'")
    spots: collecting.Words = Field([], description="지점번호, e.g. A-01,D-46; none given: all")
    direction: Literal["each", "both"] = Field(
        "each", description="each = a series for vehicles in (유입) and out (유출) of the city, both = their sum")


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A part per month; series "A-01 in", "A-01 out" or "A-01 both", by 지점번호: a spot may be renamed.

    The manifest gets `renames` (number -> names in order of time) and `spots` (what the file says of each place).
    Raises DataError for files that cannot be read, or spots in none of them.
    """
    asked = job.options
    form = spool.Form(ROW, "topis 1", _read)
    found = spool.spools(job, form)
    spool.known(found, "names", asked.spots, "the spot")
    renames = _renames(found)
    told = f" {len(renames)} spots were renamed over the months; series go by number." if renames else ""
    job.describe(
        unit="vehicles/h", frequency="h", provider="Seoul Metropolitan Government, TOPIS",
        licence="KOGL type 1 (공공누리)",
        note=f"Hourly counts, in and out of the city {'summed' if asked.direction == 'both' else 'apart'}.{told}",
        renames=renames, spots=spool.together(found, "spots"))  # fmt: skip
    make = partial(_month, spots=asked.spots, direction=asked.direction)
    yield from spool.parts(form, found, make, f"{sorted(asked.spots)} {asked.direction}")


def _renames(found: list[spool.Spool]) -> dict[str, list[str]]:
    """Number -> its names in order of months, where there is more than one."""
    names: dict[str, list[str]] = {}
    for one in sorted(found, key=lambda one: (one.about["home"], one.sha256)):
        for number, name in one.about["names"].items():
            if name and names.setdefault(number, [name])[-1] != name:
                names[number].append(name)
    return {number: each for number, each in sorted(names.items()) if len(each) > 1}


def _read(path: Path, about: dict) -> Iterator[pd.DataFrame]:
    """Rows of a file: time (day), ROW and HOURS. Names and places of the spots go to `about`."""
    about |= {"frequency": "h", "names": {}, "spots": {}}
    for block in sheets.blocks(path, _header, _WANTED):
        at = block.head.more
        number = block.texts(at["지점번호"])
        if block.head.role == "spots":
            about["spots"] |= _described(block, number)
            continue
        if at["positional"]:
            sheets.note(about["notes"], "rows read by the order of columns, their header being faulty", len(block))
        values = sheets.counts(block, at["hours"], about["notes"])
        names = pd.Series(block.texts(at["지점명"]).astype(object)).groupby(number.astype(object)).last()
        about["names"] |= names.to_dict()
        yield pd.DataFrame({
            "time": block.dates(at["일자"]).astype("datetime64[us]"), "station": number, "way": _way(block, at["구분"]),
            **dict(zip(spool.HOURS, values.T, strict=True))})  # fmt: skip


def _header(rows: list[list[str]]) -> sheets.Head | None:
    for place, row in enumerate(rows):
        names = [sheets.word(name) for name in row]
        hourly = sum(name.endswith("시") and name[:1].isdigit() for name in names) >= 12
        if hourly and set(COLUMNS) - {"요일", "방향"} <= set(names):
            return _by_name(row, names, place) or _by_order(rows) or sheets.hours(row)
        if "지점번호" in names and not hourly and any(_PLACE.search(name) for name in names):
            return sheets.Head(row, place + 1, list(range(len(row))), "spots", {"지점번호": names.index("지점번호")})
    return _by_order(rows)


def _by_name(row: list[str], names: list[str], place: int) -> sheets.Head | None:
    try:
        hours = sheets.hours(row)
    except sheets.Lacks:
        return None
    at = {name: names.index(name) for name in COLUMNS if name in names}
    return sheets.Head(row, place + 1, [*at.values(), *hours],
                       more={**at, "hours": hours, "positional": False})


def _by_order(rows: list[list[str]]) -> sheets.Head | None:
    """Where rows look like data, in the order that all editions share. A sum among the columns: not this order."""
    for place, row in enumerate(rows):
        width = len(row) - next((i for i, cell in enumerate(reversed(row)) if cell), 0)
        if width == 30 and re.fullmatch(r"20\d\d\D?\d\d\D?\d\d", row[0]) and re.fullmatch(r"[A-Z]-\d+", row[3]):
            if any(_SUM.search(cell) for above in rows[:place] for cell in above[6:]) or any(map(_data, rows[:place])):
                return None
            at = {name: i for i, name in enumerate(COLUMNS)}
            return sheets.Head([*COLUMNS, *(f"{hour}시" for hour in range(24))], place, list(range(30)),
                               more={**at, "hours": list(range(6, 30)), "positional": True})  # fmt: skip
    return None


def _data(row: list[str]) -> bool:
    """Whether a row holds counts: it may not be passed over as a header (one that numbers the hours may)."""
    numbers = [cell for cell in row[6:] if cell.replace(",", "").isdigit()]
    return len(numbers) >= 12 and numbers != [str(hour) for hour in range(24)]


def _described(block: sheets.Block, number: pd.Categorical) -> dict[str, dict[str, str]]:
    columns = {name: block.texts(i) for i, name in enumerate(block.head.names) if name}
    return {spot: {name: column[i] for name, column in columns.items()} for i, spot in enumerate(number) if spot}


def _way(block: sheets.Block, column: int) -> pd.Categorical:
    ways = block.texts(column, lambda said: _WAYS.get(said.lower(), said))
    odd = [way for way in ways.categories if way not in _WAYS.values()]
    if odd:
        raise block.fault(int((ways == odd[0]).argmax()), f"'{odd[0]}' is neither 유입 nor 유출", column=column)
    return ways


def _month(rows: pd.DataFrame, notes: spool.Notes, spots: list[str], direction: str) -> pd.DataFrame:
    rows = spool.by_hour(rows[rows["station"].isin(spots)] if spots else rows)
    rows = spool.both_ways(rows, notes, BOTH) if direction == "both" else rows
    return spool.summed(rows, ["station", "way"])
