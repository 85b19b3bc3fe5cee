"""Flows between zones in KTDB files: their layouts, and the tables read from them.

`flow_header` looks at the first rows and returns None for another layout. Readers return DataFrames whose columns have
English names, checked (`od.check_table`) and in order of origin and destination.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litecast.data import od
from litecast.errors import DataError

from . import ktdb_files as cells
from .ktdb_files import File, numbers, title, whole

if TYPE_CHECKING:
    import pandas as pd

PURPOSES = {"귀가": "home", "출근": "work", "등교": "school", "업무": "business", "쇼핑": "shopping", "여가": "leisure",
            "기타": "other"}  # fmt: skip
MODES = {
    "도보/자전거": "walk_bicycle", "승용차": "car", "택시": "taxi", "버스": "bus", "기타버스": "other_bus",
    "지하철": "subway", "도시철도": "urban_rail", "버스+지하철": "bus_subway", "일반철도": "rail",
    "고속철도": "high_speed_rail", "KTX": "ktx", "일반/고속철도": "all_rail", "항공": "air", "해운": "ship",
    "화물/기타": "freight_other", "기타": "other",
}  # fmt: skip
TRUCKS = {"소형": "small", "중형": "medium", "대형": "large"}
CATEGORIES = {"purpose": PURPOSES, "mode": MODES, "freight": TRUCKS}
ORIGIN, DESTINATION = ("출발시군구", "출발", "O_250"), ("도착시군구", "도착", "D_250")
COARSE = ("출발시도", "도착시도", "대존O_17", "대존D_17")  # of the 17 zones; files repeat one of the names
TOTALS = ("합계", "(합계)", "전체")
SUMS = ("승용차/택시", "기타합계")  # of other columns of the same row: left out, or they would count twice
UNSEEN = re.compile(r"접근|MOD-20|품목|물동량")  # layouts that nobody has described
TEXT_PURPOSES = ("귀가", "출근", "등교", "업무", "기타")  # ODTRIPyy_F.OUT, after the ids
TEXT_MODES = ("도보/자전거", "화물/기타", "기타버스", "일반철도", "KTX", "승용차", "택시", "버스", "지하철",
              "버스+지하철")  # fmt: skip
IDS = 4  # first columns of the texts: origin zone, its code, destination zone, its code
LARGE = ("work", "school", "business", "shopping", "home", "leisure", "other", od.TOTAL)
LARGE_ROW, LARGE_COLUMN, LARGE_SIZE, LARGE_STEP = 5, 3, 17, 23  # C5:S182, a matrix every 23 rows


# --- flows: sheets with a header


@dataclass(frozen=True)
class Header:
    """Columns of a sheet of flows, from 0. row: of the header, from 1; categories: English -> (column, Korean)."""

    row: int
    origin: int
    destination: int
    kind: str
    categories: dict[str, tuple[int, str]]
    total: int | None
    sums: tuple[str, ...]


def flow_header(first: list[list], file: File, sheet: str) -> Header | None:
    """The header of a sheet of flows, None if there is none; DataError if its columns are of no known layout."""
    found = _ends(first)
    return _read_header(*found, file, sheet) if found else None


def begins_flows(first: list[list]) -> bool:
    """Whether a number of a zone stands right below a header of flows: a legend has words there."""
    found = _ends(first)
    return bool(found) and cells.number(_cell(first, found[0] + 1, found[2] + 1)) is not None


def _ends(first: list[list]) -> tuple[int, list[str], int, int] | None:
    """Row of a header of flows (from 1), its titles, columns of origin and destination (from 0)."""
    for row, line in enumerate(first, start=1):
        titles = [title(cell) for cell in line]
        origin = next((titles.index(name) for name in ORIGIN if name in titles), None)
        destination = next((titles.index(name) for name in DESTINATION if name in titles), None)
        if origin is not None and destination is not None:
            return row, titles, origin, destination
    return None


def _read_header(row: int, titles: list[str], origin: int, destination: int, file: File, sheet: str) -> Header:
    ids = (origin, destination)
    rest = {at: name for at, name in enumerate(titles) if at not in ids and name not in ("", *COARSE)}
    total = next((at for at, name in rest.items() if name in TOTALS), None)
    sums = tuple(name for name in rest.values() if name.strip("()") in SUMS)
    names = {at: name for at, name in rest.items() if at != total and name not in sums}
    kind, english = _kind(list(names.values()))
    if not kind or UNSEEN.search(file.label + "".join(titles)):
        raise DataError(f"{file.label}, sheet {sheet}: O/D columns {', '.join(names.values())} are of no known layout. "
                        "접근수단 and 품목 tables have not been seen; leave the file out: "
                        f"leave_out={file.name}")  # fmt: skip
    return Header(row, origin, destination, kind, dict(zip(english, names.items(), strict=True)), total, sums)


def _kind(names: list[str]) -> tuple[str, list[str]]:
    """What the columns tell apart, and their English names; "" if not all are known, each once."""
    for kind, known in CATEGORIES.items():
        english = [_english(name, known) for name in names]
        if names and all(english) and len(set(english)) == len(english):
            return kind, english
    return "", []


def _english(name: str, known: dict[str, str]) -> str | None:
    longer = next((known[word] for word in ("쇼핑", "여가") if word in known and name.startswith(word)), None)
    return known.get(name, longer)  # 여가/오락/외식/친교 in older years


def sheet_flows(file: File, sheet: str, like: Header, tolerance: float | None, zones) -> pd.DataFrame:
    """Flows of a sheet, columns by name. like: header of another sheet of this file, which all must share."""
    import numpy as np
    import pandas as pd

    content, where = file.workbook().get_sheet_by_name(sheet), f"{file.label}, sheet {sheet}"
    header = flow_header(cells.top(content), file, sheet)
    if header is None or {*header.categories} != {*like.categories}:
        raise DataError(f"{where}: its header differs from the other sheets' ({cells.shown(cells.top(content))})")
    columns = {"origin": header.origin, "destination": header.destination,
               **{name: at for name, (at, _) in header.categories.items()}}  # fmt: skip
    if header.total is not None:
        columns[od.TOTAL] = header.total
    pieces: dict[str, list] = {name: [np.empty(0)] for name in columns}
    for start, block in cells.blocks(cells.rows(content), header.row):
        for name, at in columns.items():
            pieces[name].append(numbers(block, at, where, start, name))
    table = pd.DataFrame({name: np.concatenate(some) for name, some in pieces.items()}, copy=False)
    table = whole(table, ["origin", "destination"], "int32", where, header.row + 1)
    od.check_table(table, list(header.categories), where, first=header.row + 1, zones=_count(zones),
                   tolerance=tolerance)  # fmt: skip
    return _ordered(table)


def _count(zones) -> int | None:
    return None if zones is None else len(zones)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """By origin and destination, as most files are already."""
    key = table["origin"].astype("int64") * 100_000 + table["destination"]
    return table if key.is_monotonic_increasing else table.sort_values(["origin", "destination"], ignore_index=True)


# --- flows: texts without a header


def text_flows(file: File, categories: list[str], tolerance: float | None, zones) -> pd.DataFrame:
    """Flows of a text, columns by position; read by chunks, so 1.7 million rows need little more than their numbers."""
    import numpy as np
    import pandas as pd

    names = ["origin", "origin_code", "destination", "destination_code", *categories]
    pieces: dict[str, list] = {name: [] for name in ("origin", "destination", *categories)}
    codes = []
    for chunk in cells.chunks(file, names, IDS):
        for name, some in pieces.items():
            some.append(chunk[name].to_numpy())
        for end in ("origin", "destination"):
            codes.append(chunk[[end, f"{end}_code"]].drop_duplicates().set_axis(["id", "code"], axis=1))
    table = {name: np.concatenate(pieces.pop(name)) for name in list(pieces)}  # only one column is ever held twice
    table = pd.DataFrame(table, copy=False)
    od.check_table(table, categories, file.label, zones=_count(zones), tolerance=tolerance)
    _check_codes(pd.concat(codes).drop_duplicates().astype({"code": str}), zones, file)
    return _ordered(table)


def _check_codes(codes: pd.DataFrame, zones, file: File) -> None:
    """Every zone has one code (행정기관코드) in a file, and the same one in the zone system."""
    twice = codes[codes["id"].duplicated(keep=False)]
    if len(twice):
        zone = twice["id"].iloc[0]
        several = ", ".join(twice.loc[twice["id"] == zone, "code"])
        raise DataError(f"{file.label}: zone {zone} stands beside several codes: {several}. Columns 1 to 4 must be "
                        "zone, code, zone, code")  # fmt: skip
    if zones is None or (zones["code"] == "").any():
        return
    both = codes.merge(zones[["id", "code"]], on="id", suffixes=("", "_there"))
    other = both[both["code"] != both["code_there"]]
    if len(other):
        zone, code, there = other.iloc[0][["id", "code", "code_there"]]
        raise DataError(f"{file.label}: zone {zone} has the code {code}, but {there} in the zone system: they do not "
                        "belong together")  # fmt: skip


# --- flows: old sheets of 17 x 17 matrices


def large_count(content) -> int:
    """How many matrices a sheet 대존_yyyy holds, counted at the places where they begin."""
    lines = list(cells.rows(content))
    count = 0
    while cells.number(_cell(lines, LARGE_ROW + LARGE_STEP * count, LARGE_COLUMN)) is not None:
        count += 1
    return count


def _cell(lines: list[list], row: int, column: int):
    """Cell by row and column from 1."""
    return lines[row - 1][column - 1] if row <= len(lines) and column <= len(lines[row - 1]) else ""


def large_flows(file: File, sheet: str, names: list[str], tolerance: float | None, _zones) -> pd.DataFrame:
    """Matrices one below the other, rows = origins; a title above one must not contradict the order of `names`."""
    import numpy as np
    import pandas as pd

    lines, where = list(cells.rows(file.workbook().get_sheet_by_name(sheet))), f"{file.label}, sheet {sheet}"
    origin, destination = (part.ravel().astype("int32") + 1 for part in np.indices((LARGE_SIZE, LARGE_SIZE)))
    table = {"origin": origin, "destination": destination}
    for place, name in enumerate(names):
        start = LARGE_ROW + LARGE_STEP * place
        _check_title(lines[max(0, start - 5) : start - 1], name, f"{where}, row {start}")
        block = [row[LARGE_COLUMN - 1 :] for row in lines[start - 1 : start - 1 + LARGE_SIZE]]
        matrix = [numbers(block, at, where, start, f"{name}, matrix column {at + 1}:") for at in range(LARGE_SIZE)]
        table[name] = np.column_stack(matrix).ravel()
    table = pd.DataFrame(table)
    od.check_table(table, [name for name in names if name != od.TOTAL], f"{where}, as pairs", tolerance=tolerance)
    return table


def _check_title(above: list[list], name: str, where: str) -> None:
    said = {title(cell) for row in above for cell in row}
    titles = {english for korean, english in PURPOSES.items() if korean in said}
    if titles and name not in titles and name != od.TOTAL:
        raise DataError(f"{where}: the matrix of {name} stands under the title of {', '.join(sorted(titles))}. Give "
                        "the right order: large_purposes=…")  # fmt: skip
