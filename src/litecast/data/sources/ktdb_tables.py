"""Layouts of KTDB files, and the tables read from them: flows between zones, zone systems, people by zone.

Recognisers (`*_header`) look at the first rows and return None for another layout. Readers return DataFrames whose
columns have English names; flows are checked (`od.check_table`) and in order of origin and destination.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError
from .. import csvtext, od
from . import ktdb_files as cells
from .ktdb_files import File, numbers, title, word

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
PEOPLE = {"3차": "workers_tertiary", "총종사자": "workers", "초": "students_elementary", "중": "students_middle",
          "고": "students_high", "특수": "students_special", "대": "students_university"}  # fmt: skip
LINES = 100_000  # of a text, held at a time


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
    for row, line in enumerate(first, start=1):
        titles = [title(cell) for cell in line]
        origin = next((titles.index(name) for name in ORIGIN if name in titles), None)
        destination = next((titles.index(name) for name in DESTINATION if name in titles), None)
        if origin is not None and destination is not None:
            return _read_header(row, titles, origin, destination, file, sheet)
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
    table = _whole(table, ["origin", "destination"], "int32", where, header.row + 1)
    od.check_table(table, list(header.categories), where, first=header.row + 1, zones=_count(zones),
                   tolerance=tolerance)  # fmt: skip
    return _ordered(table)


def _count(zones) -> int | None:
    return None if zones is None else len(zones)


def _whole(table: pd.DataFrame, names: list[str], kind: str, where: str, first: int) -> pd.DataFrame:
    """The same with whole numbers in some columns; DataError names the first that is none."""
    for name in names:
        values = table[name]
        bad = ~((values % 1 == 0) & (values.abs() < 2**31))
        if bad.any():
            at = int(bad.to_numpy().argmax())
            raise DataError(f"{where}, row {at + first}: {name} {values.iloc[at]:g} is not a whole number")
    return table.assign(**{name: table[name].astype(kind) for name in names})


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
    for chunk in _chunks(file, names, IDS):
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


def _chunks(file: File, names: list[str], ids: int, skip: int = 0) -> Iterator[pd.DataFrame]:
    """Rows of a text as numbers, `ids` whole ones first; DataError names the line that is not of the form."""
    import pandas as pd

    kinds = {name: "int64" if at < ids else "float64" for at, name in enumerate(names)}
    kinds |= {name: "int32" for name in ("origin", "destination") if name in kinds}
    beyond = "beyond"  # empty, unless a line has a column too many: pandas would shift or drop it in silence
    with file.open() as stream:
        try:
            for chunk in pd.read_csv(
                    stream, sep=r"\s+", header=None, names=[*names, beyond], dtype=kinds, index_col=False,
                    skiprows=skip, thousands=",", encoding="latin-1", chunksize=LINES):  # fmt: skip
                extra = chunk.pop(beyond)
                if extra.notna().any() or chunk.isna().any(axis=None):
                    raise ValueError("lines of different widths")
                yield chunk
            return
        except (ValueError, OverflowError) as error:
            reason = str(error)
    fault = _fault(file, len(names), ids, skip) or f": {reason}"
    raise DataError(f"{file.label}{fault}. Unpack it from the package again")


def _fault(file: File, width: int, ids: int, skip: int) -> str:
    """Where a text is not of the form: looked for line by line, once something is known to be wrong."""
    with file.open() as stream:
        for at, line in enumerate(stream, start=1):
            words = line.decode("cp949", errors="replace").split()
            if at <= skip or not words:
                continue
            if len(words) != width:
                return f", line {at}: {len(words)} columns instead of {width}"
            for column, text in enumerate(words, start=1):
                value = cells.number(text)
                if value is None or (column <= ids and value % 1):
                    return f", line {at}, column {column}: '{text}' is not a {'whole ' * (column <= ids)}number"
    return ""


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


# --- zones


_ZONES = {
    "id": lambda t: "존체계" in t and not t.startswith(("161존", "17존")), "code": lambda t: "행정기관코드" in t,
    "large": lambda t: t in ("시도", "대존"), "district": lambda t: t == "시군구",
    "name": lambda t: t in ("행정동", "소존"), "inner": lambda t: t.startswith("권역내부"),
    "large_id": lambda t: t.startswith("17존"), "zone_161": lambda t: t.startswith("161존"),
}  # fmt: skip


def zone_header(first: list[list]) -> tuple[int, dict[str, int]] | None:
    """(row of the header, column of each fact) of a zone system; None for another layout."""
    for row, line in enumerate(first, start=1):
        titles = [title(cell) for cell in line]
        found = {name: next((at for at, t in enumerate(titles) if test(t)), None) for name, test in _ZONES.items()}
        if found["id"] is not None:
            return row, {name: at for name, at in found.items() if at is not None}
    return None


def sheet_zones(file: File, sheet: str, content, header: int, columns: dict[str, int]) -> pd.DataFrame:
    """A zone system as `od.ODFrame` wants its zones: ids dense, inner = inside the surveyed area."""
    import pandas as pd

    where = f"{file.label}, sheet {sheet}"
    found: dict[str, list] = {name: [] for name in columns}
    for start, block in cells.blocks(cells.rows(content), header):
        for name, at in columns.items():
            if name in ("id", "inner", "large_id", "zone_161"):
                found[name] += numbers(block, at, where, start, name).tolist()
            else:
                found[name] += [word(row[at]) if at < len(row) else "" for row in block]
    zones = pd.DataFrame(found)
    whole = [name for name in ("id", "large_id", "zone_161") if name in zones]
    zones = _whole(zones, whole, "int64", where, header + 1)
    if "inner" in zones:
        if not zones["inner"].isin([1, 2]).all():
            raise DataError(f"{where}: the column 권역내부=1, 권역외부=2 holds other numbers")
        zones["inner"] = zones["inner"] == 1
    district = zones.pop("district") if "district" in zones else ""
    zones["name"] = (district + " " + zones["name"]).str.strip() if "name" in zones else district
    zones = od.complete(zones)
    od.check_zones(zones, where)
    return zones


_PLACES = {"id": ("zone", "id", "zone_id", "taz", "존", "존번호"), "code": ("code", "행정기관코드"), "x": ("x",),
           "y": ("y",), "lon": ("lon", "lng", "longitude", "경도"), "lat": ("lat", "latitude", "위도")}  # fmt: skip


def with_places(zones: pd.DataFrame | None, path: Path) -> tuple[pd.DataFrame, str]:
    """Zones with x and y from a CSV or xlsx, and their unit; without a zone system the file's ids are the zones."""
    import numpy as np
    import pandas as pd

    first, *body = _place_rows(path)
    titles = [title(cell).lower() for cell in first]
    at = {name: next((titles.index(t) for t in known if t in titles), None) for name, known in _PLACES.items()}
    unit = "degrees" if None not in (at["lon"], at["lat"]) else "m"
    axes = [at["lon"], at["lat"]] if unit == "degrees" else [at["x"], at["y"]]
    key = at["code"] if at["id"] is None else at["id"]
    if None in (key, *axes):
        raise DataError(f"{path.name}: coordinates need the columns zone (or code), x, y in metres; or zone, lon, lat; "
                        f"found {', '.join(titles)}")  # fmt: skip
    places = np.column_stack([numbers(body, column, path.name, 2, titles[column]) for column in axes])
    _check_unit(places, unit, path)
    keys = pd.Index([word(row[key]) for row in body])
    if zones is None:
        ids = numbers(body, key, path.name, 2, "zone").astype("int64")
        zones = od.complete(pd.DataFrame({"id": ids, "name": keys}))
        od.check_zones(zones, path.name)
    known = zones["code"] if at["id"] is None else zones["id"].astype(str)
    missing = known[~known.isin(keys)]
    if len(missing) or not keys.is_unique:
        rule = f"{len(missing)} zones are missing, first {missing.iloc[0]}" if len(missing) else "a zone is given twice"
        raise DataError(f"{path.name}: {rule}; every one of the {len(zones)} zones needs one line")
    placed = places[keys.get_indexer(known)]
    return zones.assign(x=placed[:, 0], y=placed[:, 1]), unit


def _check_unit(places, unit: str, path: Path) -> None:
    """Degrees taken for metres would put the whole country on one spot."""
    small = abs(places).max() <= 180 and abs(places[:, 1]).max() <= 90
    if small != (unit == "degrees"):
        raise DataError(f"{path.name}: these are no {od.COORDINATES[unit]}. Call the columns x, y for metres, lon, lat "
                        "for degrees")  # fmt: skip


def _place_rows(path: Path) -> list[list]:
    if path.suffix.lower() in (".xlsx", ".xls"):
        book = File(path, path.name).workbook()
        return [row for row in cells.rows(book.get_sheet_by_index(0)) if any(str(cell).strip() for cell in row)]
    sheet = csvtext.read(path)
    return [list(sheet.columns), *(list(row) for row in zip(*sheet.columns.values(), strict=True))]


# --- people by zone


def people_header(first: list[list]) -> tuple[int, dict[int, int]] | None:
    """(row of the header, column by year) of people by zone: the 3rd column is the zone, its header may be blank."""
    for row, line in enumerate(first, start=1):
        hits = {at: re.fullmatch(r"(\d{4})(\.0|년)?", title(cell)) for at, cell in enumerate(line)}
        years = {int(hit[1]): at for at, hit in hits.items() if hit}
        if years and min(years.values()) > 2 and all(1900 < year < 2200 for year in years):
            return row, years
    return None


def sheet_people(file: File, year: int, zones) -> pd.DataFrame:
    """People of one year: a column for each sheet that has years in its header."""
    import pandas as pd

    book, tables = file.workbook(), []
    for sheet in book.sheet_names:
        content = book.get_sheet_by_name(sheet)
        header = people_header(cells.top(content))
        if header is None or year not in header[1]:
            continue
        found: dict[str, list] = {"id": [], _indicator(sheet): []}
        for start, block in cells.blocks(cells.rows(content), header[0]):
            for name, at in zip(found, (2, header[1][year]), strict=True):
                found[name] += numbers(block, at, f"{file.label}, sheet {sheet}", start, name).tolist()
        tables.append(_by_zone(pd.DataFrame(found), zones, f"{file.label}, sheet {sheet}").set_index("id"))
    return pd.concat(tables, axis=1).reset_index()


def _indicator(sheet: str) -> str:
    """English name of a sheet of people; one that is not known keeps its own."""
    name = title(sheet)
    if ages := re.search(r"(\d+)[-~](\d+)세", name):
        return f"population_{ages[1]}_{ages[2]}"
    if ages := re.search(r"(\d+)세이상", name):
        return f"population_{ages[1]}_up"
    known = {"총인구": "population", "취업자": "employed", "3차": "workers_tertiary", "종사자": "workers",
             "학생": "students"}  # fmt: skip
    return next((english for korean, english in known.items() if korean in name), name)


def text_people_kind(header: list[str], file: File) -> tuple[str, list[str]] | None:
    """(what is counted, English columns) of a text of people; None for a header that is not known."""
    columns = [_person(name) for name in header[2:]]
    if header[0] != "일련번호" or not columns or None in columns or len(set(columns)) < len(columns):
        return None
    if "workers" in columns:
        return "workers", columns
    if "students_high" in columns:
        return "students", columns
    told = {"SUB_POP": "population", "EMP_POP": "employed"}  # inhabitants and employed have the same header
    counted = next((told[word] for word in told if word in file.name.upper()), None)
    return (counted, columns) if counted else None


def _person(name: str) -> str | None:
    """English name of a column of people: 남0 -> male_0."""
    age = re.fullmatch(r"([남여])(\d+)세?", cells.plain(name))
    return f"{'male' if age[1] == '남' else 'female'}_{int(age[2])}" if age else PEOPLE.get(name)


def text_people(file: File, columns: list[str], zones) -> pd.DataFrame:
    """People of a text with one line of header."""
    import pandas as pd

    table = pd.concat(_chunks(file, ["number", "id", *columns], 2, skip=1), ignore_index=True)
    return _by_zone(table.drop(columns="number"), zones, file.label)


def _by_zone(table: pd.DataFrame, zones, where: str) -> pd.DataFrame:
    """Persons (float64) under the zones' own ids: files name a zone by its id or by its code."""
    table = _whole(table, ["id"], "int64", where, 2)
    people = [name for name in table if name != "id"]
    if not (table[people].to_numpy() >= 0).all():
        raise DataError(f"{where}: a number of people is missing or negative")
    if table["id"].duplicated().any():
        raise DataError(f"{where}: zone {table['id'][table['id'].duplicated()].iloc[0]} is given twice")
    if zones is not None and not table["id"].isin(zones["id"]).all():
        ids = table["id"].astype(str).map(dict(zip(zones["code"], zones["id"], strict=True)))
        if ids.isna().any():
            raise DataError(f"{where}: zone {table['id'][ids.isna()].iloc[0]} is not in the zone system")
        table = table.assign(id=ids.astype("int64"))
    return table.sort_values("id", ignore_index=True)
