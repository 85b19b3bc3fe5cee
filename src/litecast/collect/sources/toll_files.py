"""Korea Expressway Corporation (data.ex.co.kr): vehicles per toll office, from the files of its portal.

Three layouts follow one another over the years, and sometimes within one: cut by | without header, by comma without
header, by comma with quotes and header. They are gzip whatever they are called, in cp949, with padded codes and a
separator at the end of each line. Each is recognised by its content, so they may be mixed in one call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from litecast.errors import DataError

from .. import collecting
from . import sheets, spool

SOURCES = {"toll-files": "Korea Expressway: vehicles per toll office, files by hour or day (data.ex.co.kr)"}
KIND = {"toll-files": "traffic"}

CLASSES = [f"{i}종교통량" for i in range(1, 7)]
# All there is in a file without header, in this order; by day without 집계시.
COLUMNS = ["집계일자", "집계시", "영업소코드", "입출구구분코드", "TCS하이패스구분코드", "고속도로운영기관구분코드",
           "영업형태구분코드", *CLASSES, "총교통량"]  # fmt: skip
_OPTIONAL = ("집계시", "고속도로운영기관구분코드", "영업형태구분코드")
_WANTED = "a file of vehicles per toll office (영업소별교통량: 집계일자, 영업소코드, 입출구구분코드, … 총교통량)"
_WAYS = {"0": "in", "1": "out"}
# Operator and toll form are part of what makes a row: both are summed. Two loaders of these files do so.
ROW = ("office", "way", "tcs", "form")


class Options(collecting.Options):
    """toll-files"""

    SAME: ClassVar = ("classes", "stamp")
    files: collecting.Files = Field(description="downloaded files, e.g. downloads/*.zip")
    offices: collecting.Words = Field([], description="codes of toll offices, e.g. 101,103; none given: all")
    direction: Literal["in", "out", "each"] = Field(
        "each", description="in = vehicles entering the expressway, out = leaving it, each = a series for both")
    classes: collecting.Words = Field([], description="vehicle classes 1 to 6 to sum, e.g. 1,2; none given: all")
    stamp: Literal["start", "end"] = Field(
        "start", description="whether 집계시 names the start or the end of an hour (unconfirmed; 24 is an end)")

    @field_validator("classes")
    @classmethod
    def _classes(cls, value: list[str]) -> list[str]:
        odd = [one for one in value if one not in list("123456")]
        if odd or len(set(value)) < len(value):
            raise ValueError("classes are 1 to 6, each once")
        return sorted(value)


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A part per month; series "101 in", "101 out": vehicles of all ways to pay (TCS + Hi-pass) of an office.

    Raises DataError for files that cannot be read, hourly ones mixed with daily ones, or offices in none of them.
    """
    asked = job.options
    form = spool.Form(ROW, f"toll 1 {asked.classes} {asked.stamp}", partial(_read, asked))
    found = spool.spools(job, form)
    offices = [_code(office) for office in asked.offices]
    spool.known(found, "offices", offices, "the toll office")
    frequency = spool.frequency(found)
    what = f"class {' + '.join(asked.classes)}" if asked.classes else "all classes"
    job.describe(
        unit="vehicles/h" if frequency == "h" else "vehicles/day", frequency=frequency,
        provider="Korea Expressway Corporation, data.ex.co.kr", licence="as the portal says (not redistributed)",
        note=f"Toll offices, {what}, TCS + Hi-pass. One interchange can have several office codes.")  # fmt: skip
    make = partial(_month, offices=offices, direction=asked.direction)
    yield from spool.parts(form, found, make, f"{sorted(offices)} {asked.direction}")


def _read(asked: Options, path: Path, about: dict) -> Iterator[pd.DataFrame]:
    """Rows of a file with time, ROW and value: the vehicles of the classes asked for."""
    notes, offices = about["notes"], set()
    for block in sheets.blocks(path, _header, _WANTED):
        at = block.head.more
        _same_frequency(about, "h" if "집계시" in at else "D", block)
        values = sheets.counts(block, [at[name] for name in (*CLASSES, "총교통량")], notes)
        odd = (values[:, :6].sum(axis=1) != values[:, 6]) & np.isfinite(values).all(axis=1)
        sheets.note(notes, "rows whose classes do not add up to 총교통량, kept", int(odd.sum()))
        office = block.texts(at["영업소코드"], _code)
        offices |= set(office.categories)
        yield pd.DataFrame({
            "time": _times(block, at, asked.stamp), "office": office, "way": _way(block, at["입출구구분코드"]),
            "tcs": block.texts(at["TCS하이패스구분코드"]),
            "form": sheets.joined([block.texts(at[name]) for name in _OPTIONAL[1:] if name in at], len(block)),
            "value": values[:, [int(one) - 1 for one in asked.classes] or [6]].sum(axis=1)})  # fmt: skip
    about["offices"] = dict.fromkeys(sorted(offices), "")


def _header(rows: list[list[str]]) -> sheets.Head | None:
    """By name where there is a header, else by position."""
    for skip, row in enumerate(rows):
        names = [sheets.word(name) for name in row]
        if "집계일자" in names:
            at = {name: names.index(name) for name in COLUMNS if name in names}
            at |= {"집계시": names.index("집계시간")} if "집계시간" in names else {}
            for name in COLUMNS:
                if name not in at and name not in _OPTIONAL:
                    raise sheets.Lacks(name)
            return sheets.Head(row, skip + 1, list(at.values()), more=at)
    return _by_position(rows)


def _by_position(rows: list[list[str]]) -> sheets.Head | None:
    """A file without header: its first row is data, with as many cells as the hourly or the daily layout."""
    skip = next((place for place, row in enumerate(rows) if any(row)), 0)
    first = rows[skip] if rows else []
    names = {len(COLUMNS): COLUMNS, len(COLUMNS) - 1: [name for name in COLUMNS if name != "집계시"]}.get(
        len(first) - (first[-1:] == [""]))  # fmt: skip
    if names is None or not re.fullmatch(r"(19|20)\d{2}-?\d{2}-?\d{2}", first[0]):
        return None
    return sheets.Head([*names, ""], skip, list(range(len(names))), more={name: i for i, name in enumerate(names)})


def _same_frequency(about: dict, frequency: str, block: sheets.Block) -> None:
    if about.setdefault("frequency", frequency) != frequency:
        raise DataError(f"{block.file}: hourly and daily tables in one file. Unpack it, and collect them one by one.")


def _times(block: sheets.Block, at: dict[str, int], meaning: str) -> np.ndarray:
    """Start of each row's hour or day, datetime64[us]."""
    days = block.dates(at["집계일자"]).astype("datetime64[us]")
    if "집계시" not in at:
        return days
    hours = block.numbers(at["집계시"])
    hours = np.floor(hours / 100) if (hours > 24).any() else hours  # 1400 as 14
    last = 23 if meaning == "start" else 24
    odd = ~((hours >= 0) & (hours <= last) & (hours == np.floor(hours)))
    if odd.any():
        raise block.fault(int(odd.argmax()), "is no hour of the day", column=at["집계시"],
                          do=f"With stamp={meaning} hours are 0 to {last}; choose stamp=end if they run to 24")
    return days + (hours - (meaning == "end")).astype("timedelta64[h]")


def _way(block: sheets.Block, column: int) -> pd.Categorical:
    codes = block.texts(column)
    odd = [code for code in codes.categories if code not in _WAYS]
    if odd:
        raise block.fault(int((codes == odd[0]).argmax()), f"'{odd[0]}' is neither 0 (in) nor 1 (out)", column=column)
    return codes.rename_categories(_WAYS)


def _code(text: str) -> str:
    """'13' and '013 ' are the same office."""
    return text.strip().zfill(3)


def _month(rows: pd.DataFrame, notes: spool.Notes, offices: list[str], direction: str) -> pd.DataFrame:
    """Rows of a month summed over ways to pay, operators and toll forms; missing if one of them is."""
    wanted = np.ones(len(rows), dtype=bool)
    if offices:
        wanted &= rows["office"].isin(offices).to_numpy()
    if direction != "each":
        wanted &= (rows["way"] == direction).to_numpy()
    rows = rows[wanted]
    if rows["form"].nunique() > 1:
        bare = (rows["form"] == "") & rows.duplicated(["time", "office", "way", "tcs"], keep=False)
        sheets.note(notes, "rows of a copy without operator and toll form, left out", int(bare.sum()))
        rows = rows[~bare]
        several = rows.duplicated(["time", "office", "way", "tcs"])
        sheets.note(notes, "rows of a further operator or toll form, summed", int(several.sum()))
    return spool.summed(rows, ["office", "way"])
