"""Who and what is in the zones of KTDB: zone systems, coordinates of one's own, people by zone.

Recognisers (`*_header`, `text_people_kind`) return None for another layout; readers return DataFrames with English
column names, one row a zone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from litecast.data import csvtext, od
from litecast.errors import DataError

from . import ktdb_files as cells
from .ktdb_files import File, numbers, title, whole, word

if TYPE_CHECKING:
    import pandas as pd

PEOPLE = {"3차": "workers_tertiary", "총종사자": "workers", "초": "students_elementary", "중": "students_middle",
          "고": "students_high", "특수": "students_special", "대": "students_university"}  # fmt: skip


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
    if not found["id"]:
        raise DataError(f"{where}: no zones below its header")
    zones = pd.DataFrame(found)
    ids = [name for name in ("id", "large_id", "zone_161") if name in zones]
    zones = whole(zones, ids, "int64", where, header + 1)
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

    table = pd.concat(cells.chunks(file, ["number", "id", *columns], 2, skip=1), ignore_index=True)
    return _by_zone(table.drop(columns="number"), zones, file.label)


def _by_zone(table: pd.DataFrame, zones, where: str) -> pd.DataFrame:
    """Persons (float64) under the zones' own ids: files name a zone by its id or by its code."""
    table = whole(table, ["id"], "int64", where, 2)
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
