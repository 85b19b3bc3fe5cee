"""KTDB (Korea Transport Database): origin-destination tables from packages that a member has downloaded.

KTDB has no API: log in at ktdb.go.kr, apply (자료신청), wait for approval, download `{자료코드}.zip`. This module
imports such zips, or files unpacked from them. All tables are an annual average weekday: trips a day (freight:
vehicles a day) between zones, for the surveyed year and forecast years; none is a series, none reaches a model.

What a file is, is read from its content: header cells, number of columns, sheets. Only what stands nowhere inside is
taken from names: the year of the metropolitan texts, and which purpose or whom such a text counts. Columns of a
workbook go by name, those of the metropolitan texts by position, which is another order. Layouts that nobody has
described (접근수단, 품목) are refused. Not certain, so settings: the order of the old 17 x 17 matrices
(`large_purposes`, told by one reader) and how far a total may be off its sum (`tolerance`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from litecast.data import csvtext, od
from litecast.errors import DataError

from .. import collecting
from . import ktdb_files as cells
from . import ktdb_tables as tables
from . import ktdb_zones
from .ktdb_files import File

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {"ktdb": "KTDB: origin-destination tables of an average weekday, from downloaded packages"}
KIND = {"ktdb": "od"}

AREAS = {"0": ("Korea", "전국"), "1": ("Seoul metropolitan area", "수도권"), "2": ("Busan and Ulsan", "부산울산"),
         "3": ("Daegu", "대구"), "4": ("Daejeon, Sejong and Chungcheong", "대전"), "5": ("Gwangju", "광주"),
         "6": ("Jeju", "제주")}  # fmt: skip
MODE_FILES = {"HOME": "mode-home", "WORK": "mode-work", "SCHO": "mode-school", "OTHE": "mode-other"}
HOW = ("KTDB gives no address to fetch from: log in at ktdb.go.kr, apply (자료신청), and after approval give the "
       "downloaded zip, or files unpacked from it: files=downloads/*OD-PSN*.zip")  # fmt: skip
_OTHER = (".hwp", ".hwpx", ".pdf", ".doc", ".docx", ".zip", ".shp", ".dbf", ".shx", ".prj", ".jpg", ".png")
_YEAR = r"(?<!\d)(?:19|20)\d\d(?!\d)"
_VERSION = "1"  # of what is made from the same bytes


class Options(collecting.Options):
    """Options of `python -m litecast.collect collect ktdb NAME …`."""

    files: collecting.Files = Field(description="packages as downloaded (zip), or files unpacked from them")
    year: int | None = Field(None, ge=1990, le=2100, description="only this year; also that of files that name none")
    base_year: int | None = Field(None, description="year that was surveyed; otherwise the earliest in the files")
    coordinates: Path | None = Field(None, description="CSV or xlsx of zone (or code), x, y in metres; or lon, lat")
    tolerance: float | None = Field(None, ge=0, description="trips/day a total may be off its sum; otherwise rounding")
    area: str = Field("", description="name of the area; otherwise from the package's code or name")
    leave_out: collecting.Words = Field([], description="parts of file names to leave out, e.g. 접근수단")
    large_purposes: collecting.Words = Field(list(tables.LARGE), description="order of matrices in sheets 대존_yyyy")


def parts(job: collecting.Job):
    """Zones first, then people by zone, then a table of flows per kind and year; `od.load` puts them together."""
    options: Options = job.options
    found = _Found(options)
    for file in job.progress(cells.unpacked(options.files, options.leave_out), what="headers"):
        _survey(file, found)
    if not found.flows:
        only = f" for the year {options.year}" if found.years else ""
        raise DataError(f"ktdb: no O/D table{only} in {', '.join(path.name for path in options.files)}"
                        f"{_listed(' (left out: {})', found.left_out)}. {HOW}")  # fmt: skip
    plans = found.plans()
    zones = found.zones if found.zones is not None else job.collection.part("zones")
    _say(job, found, plans)
    for plan in job.progress(plans, what="tables"):
        yield collecting.Part(plan.name, plan.made_of, partial(plan.make, zones), request=plan.request)


def _say(job: collecting.Job, found: _Found, plans: list[_Plan]) -> None:
    earlier = job.collection.manifest.get("tables", {})  # of parts that other files gave
    note = "An annual average weekday, no series: nothing to forecast. Years after the base year are forecasts."
    note += _listed(" Columns left out as sums of others: {}.", sorted(found.sums))
    note += _listed(" Files left out: {}.", found.left_out)
    said = earlier | {plan.name: plan.said for plan in plans}
    job.describe(unit="; ".join(sorted({one["unit"] for one in said.values() if "unit" in one})), frequency="",
                 provider="KTDB, Korea Transport Institute", note=note, tables=said,
                 licence="terms not found: for own use, pass on neither files nor tables")  # fmt: skip


def _listed(text: str, names: list[str]) -> str:
    return text.format(", ".join(names[:8]) + " …" * (len(names) > 8)) if names else ""


# --- what the files hold


@dataclass
class _Plan:
    """A part that the files give. said: its entry among the manifest's tables; make: (zones) -> table."""

    name: str
    made_of: str
    said: dict[str, Any]
    make: Callable[[Any], pd.DataFrame]
    request: dict[str, str]
    file: File | None


@dataclass
class _Found:
    """What the files held, so far."""

    options: Options
    flows: dict[str, _Plan] = field(default_factory=dict)
    people: dict[str, _Plan] = field(default_factory=dict)
    zones: Any = None  # DataFrame of the zone system
    zone_file: File | None = None
    years: set[int] = field(default_factory=set)
    area: str = ""
    sums: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)

    def add_flows(self, file: File, kind: str, year: int, categories: dict[str, str], make, sheet: str = "") -> None:
        self.years.add(year)
        unit = od.VEHICLES if kind == "freight" else od.TRIPS
        said = {"role": "flows", "kind": kind, "year": year, "categories": categories, "unit": unit,
                "tolerance": self.options.tolerance}  # fmt: skip
        self._add(self.flows, kind, year, file, sheet, said, make)

    def add_people(self, file: File, counted: str, year: int, make) -> None:
        self._add(self.people, counted, year, file, "", {"role": "socio", "indicator": counted, "year": year}, make)

    def _add(self, plans: dict, kind: str, year: int, file: File, sheet: str, said: dict, make) -> None:
        if self.options.year not in (None, year):
            return
        name = f"{kind}_{year}"
        if name in plans:
            other = plans[name]
            if other.request.get("sheet", "") == sheet and other.file.digest() == file.digest():
                return  # packages of one area hold the same tables of people
            raise DataError(f"ktdb: {kind} {year} is in {other.file.label} and in {file.label}, and they differ. "
                            "Collect them under two names, or leave one out: leave_out=…")  # fmt: skip
        order = ",".join(self.options.large_purposes) if kind == "large-purpose" else ""
        request = {"file": file.label} | ({"sheet": sheet} if sheet else {})
        plans[name] = _Plan(name, _hash(file.sha256, file.label, sheet, order), said, make, request, file)

    def add_zones(self, file: File, zones: pd.DataFrame) -> None:
        if self.zones is None:
            self.zones, self.zone_file = zones, file
        elif not self.zones.equals(zones):
            raise DataError(f"ktdb: two zone systems, in {self.zone_file.label} ({len(self.zones)} zones) and in "
                            f"{file.label} ({len(zones)}). Collect them under two names")  # fmt: skip

    def plans(self) -> list[_Plan]:
        """Zones, people, flows, each by name."""
        place = {"base_year": self.options.base_year or min(self.years), "area": self.options.area or self.area}
        for plan in self.flows.values():
            plan.said |= place
        first = [self._zone_plan()] if self.zones is not None or self.options.coordinates else []
        return [*first, *(some[name] for some in (self.people, self.flows) for name in sorted(some))]

    def _zone_plan(self) -> _Plan:
        """Zones, with coordinates where a file gives them."""
        path, file = self.options.coordinates, self.zone_file
        unit, added = "", ""
        if path is not None:
            added = hashlib.sha256(csvtext.read_bytes(path)).hexdigest()
            self.zones, unit = ktdb_zones.with_places(self.zones, path)
        said = {"role": "zones", "coordinates": unit}
        request = ({"file": file.label} if file else {}) | ({"coordinates": path.name} if path else {})
        made_of = _hash(*((file.sha256, file.label) if file else ()), added)
        return _Plan("zones", made_of, said, lambda zones: zones, request, file)


def _hash(*words: str) -> str:
    return hashlib.sha256("|".join([_VERSION, *words]).encode()).hexdigest()


# --- what a file is


def _survey(file: File, found: _Found) -> None:
    """Find out what a file is, from its first bytes and headers."""
    head = file.head()
    found.area = found.area or _area(file.label)
    if file.suffix in (".xlsx", ".xlsm", ".xls"):
        _survey_workbook(file, found)
    elif file.suffix in _OTHER or (b"\0" in head and file.suffix not in (".out", ".txt")):
        found.left_out.append(file.name)
    else:
        _survey_text(file, head, found)


def _area(label: str) -> str:
    code = re.search(r"OD-(?:PSN|FRE)-(?:OBJ|MOD|CAR)-\d(\d)", label)
    if code and code[1] in AREAS:
        return AREAS[code[1]][0]
    return next((english for english, korean in AREAS.values() if korean in label), "")


def _year(file: File, found: _Found, text: str) -> int:
    """Year of a table, from the name of its sheet or file."""
    short = re.search(r"(?:ODTRIP|MMODE_(?:[A-Z]+_)?|POP_?)(\d\d)(?!\d)", text.upper())
    long = re.search(rf"기준년도\s*({_YEAR})", text) or re.search(rf"({_YEAR})\s*(?:년|_|$)", text)
    year = 2000 + int(short[1]) if short else int(long[1]) if long else found.options.year
    if year is None:
        raise DataError(f"{file.label}: neither its name nor a sheet's tells the year. Give it: year=2023")
    return year


def _survey_text(file: File, head: bytes, found: _Found) -> None:
    """A metropolitan text: flows have no header, people have one."""
    lines = [line.split() for line in _decoded(head, file).splitlines()[:20] if line.strip()]
    if not lines:
        raise DataError(f"{file.label}: is empty. Unpack it from the package again")
    if cells.number(lines[0][0]) is not None:
        _survey_text_flows(file, lines, found)
    elif "ZONE_ID" in [word.upper() for word in lines[0]]:
        counted = ktdb_zones.text_people_kind(lines[0], file)
        if counted is None:
            raise DataError(f"{file.label}: people by zone under a name or header that is not known "
                            f"({' '.join(lines[0][:6])} …). Known are SUB_POPyy, EMP_POP_yy, WORK_POPyy and STU_POPyy; "
                            f"leave it out: leave_out={file.name}")  # fmt: skip
        make = partial(ktdb_zones.text_people, file, counted[1])
        found.add_people(file, counted[0], _year(file, found, file.name), make)
    else:
        found.left_out.append(file.name)


def _decoded(head: bytes, file: File) -> str:
    whole = head[: head.rfind(b"\n") + 1] or head  # the last line may be cut within a letter
    for encoding in ("utf-8-sig", "cp949"):
        try:
            if b"\0" not in whole:
                return whole.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{file.label}: is not text in ASCII or cp949. Unpack it from the package again")


def _survey_text_flows(file: File, lines: list[list[str]], found: _Found) -> None:
    """Nine columns are trips by purpose, fourteen are trips by mode."""
    widths = [len(line) for line in lines]
    width = max(sorted(set(widths)), key=widths.count) - tables.IDS
    purpose = re.search(r"MMODE_([A-Z]+)_\d", file.name.upper())
    mode = MODE_FILES.get(purpose[1]) if purpose else "mode"
    layouts = {len(tables.TEXT_PURPOSES): ("purpose", tables.TEXT_PURPOSES, tables.PURPOSES),
               len(tables.TEXT_MODES): (mode, tables.TEXT_MODES, tables.MODES)}  # fmt: skip
    kind, korean, english = layouts.get(width, (None, (), {}))
    if kind is None or tables.UNSEEN.search(file.label):
        raise DataError(f"{file.label}: {width + tables.IDS} columns of numbers without a header, in a layout that "
                        "nobody has described. Known are ODTRIPyy_F.OUT (9 columns), and OD_MMODE_yy_F.TXT, "
                        "OD_MMODE_{HOME,WORK,SCHO,OTHE}_yy_F.TXT (14). "
                        f"Leave it out: leave_out={file.name}")  # fmt: skip
    categories = {english[name]: name for name in korean}
    make = partial(tables.text_flows, file, list(categories), found.options.tolerance)
    found.add_flows(file, kind, _year(file, found, file.name), categories, make)


def _survey_workbook(file: File, found: _Found) -> None:
    """The first sheet of a known layout (it often is the second) tells what those with a year after it are."""
    book = file.workbook()
    large = [name for name in book.sheet_names if re.match(rf"대존_{_YEAR}", cells.plain(name))]
    names = [name for name in book.sheet_names if name not in large]
    known = False
    for at, sheet in enumerate(names):
        dated = [name for name in names[at:] if re.search(_YEAR, name)]
        if known := _survey_sheet(file, found, sheet, book.get_sheet_by_name(sheet), dated):
            break
    for sheet in large:
        _survey_large(file, found, sheet, book.get_sheet_by_name(sheet), beside=known)
    if known or large:
        return
    if tables.UNSEEN.search(file.label) or re.search(r"OD|통행", file.name):
        last = cells.shown(cells.top(book.get_sheet_by_name(book.sheet_names[-1])))
        raise DataError(f"{file.label}: an O/D layout that nobody has described (last sheet begins: {last}). 접근수단 "
                        f"and 품목 tables have not been seen; leave the file out: leave_out={file.name}")  # fmt: skip
    found.left_out.append(file.name)


def _survey_sheet(file: File, found: _Found, sheet: str, content, dated: list[str]) -> bool:
    """Whether a sheet is of a known layout; if so, all that its workbook gives is added."""
    first = cells.top(content)
    if dated and sheet not in dated and not tables.begins_flows(first):
        return False  # a cover, a legend, the zones again
    if header := tables.flow_header(first, file, sheet):
        for one in dict.fromkeys([sheet, *dated]):  # they share one layout; `sheet_flows` makes sure of it
            _add_sheet(file, found, one, header)
    elif years := ktdb_zones.people_header(first):
        for year in years[1]:
            found.add_people(file, "socio", year, partial(ktdb_zones.sheet_people, file, year))
    elif columns := ktdb_zones.zone_header(first):
        found.add_zones(file, ktdb_zones.sheet_zones(file, sheet, content, *columns))
    else:
        return False
    return True


def _add_sheet(file: File, found: _Found, sheet: str, header: tables.Header) -> None:
    categories = {name: korean for name, (_, korean) in header.categories.items()}
    year = _year(file, found, sheet if re.search(_YEAR, sheet) else file.name)
    found.sums |= {*header.sums}
    make = partial(tables.sheet_flows, file, sheet, header, found.options.tolerance)
    found.add_flows(file, header.kind, year, categories, make, sheet)


def _survey_large(file: File, found: _Found, sheet: str, content, beside: bool) -> None:
    """A sheet 대존_yyyy. One of another shape is left out where the zones that it sums up stand beside it."""
    names, count = found.options.large_purposes, tables.large_count(content)
    korean = {english: word for word, english in tables.PURPOSES.items()} | {od.TOTAL: "합계"}
    if len(set(names)) < len(names) or not {*names} <= {*korean}:
        raise DataError(f"ktdb, large_purposes: each once of {', '.join(korean)}, not {', '.join(names)}")
    if count != len(names):
        if not beside:
            raise DataError(f"{file.label}, sheet {sheet}: {count} matrices of 17 x 17 from C5 on, one every 23 rows, "
                            f"but large_purposes names {len(names)}. Give their order: large_purposes=…")  # fmt: skip
        found.left_out.append(f"{file.name} ({sheet})")
        return
    categories = {name: korean[name] for name in names if name != od.TOTAL}
    make = partial(tables.large_flows, file, sheet, names, found.options.tolerance)
    year = _year(file, found, cells.plain(sheet).removeprefix("대존_"))
    found.add_flows(file, "large-purpose", year, categories, make, sheet)
