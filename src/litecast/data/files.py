"""Your own data: a CSV, long or wide, and an optional small YAML beside it (docs/own-data.md). Nothing is written."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from ..errors import DataError
from . import csvtext
from .csvtext import Sheet, problem
from .frame import FREQUENCIES, SPLITS, TRANSFORMS, Header, SeriesFrame, default_L_H, default_season

if TYPE_CHECKING:
    import pandas as pd

HUGE = 1e15  # beyond it, sums of squares and float32 inputs mean nothing
# Header words by role, in order of preference; compared in lower case, with _ and - as blanks.
TIMES = ("datetime,date time,timestamp,일시,측정일시,date,ds,날짜,일자,기준일자,기준일,거래일자,거래일,년월,월,time,"
         "시간,시각,기간,step,t").split(",")
SERIES = ("series,unique id,series id,item id,item,id,지점,지점명,지점번호,지점코드,품목,품목명,상품,상품명,제품,"
          "종목,종목명,종목코드,점포,매장,지역,구분,name,site,station,location,sensor,store,product,sku,region,"
          "ticker,symbol").split(",")
VALUES = ("value,값,y,target", "수요,수요량,판매량,교통량,거래량,사용량,수량", "demand,sales,volume,quantity,qty,count",
          "종가,가격,close,price")
ALIASES = {"H": "h", "1h": "h", "60min": "h", "hourly": "h", "15T": "15min", "30T": "30min", "d": "D", "daily": "D",
           "1D": "D", "w": "W", "7D": "W", "weekly": "W", "M": "MS", "monthly": "MS", "B": "trading-day"}
Steps = Annotated[int, Field(ge=1, le=100_000)]


def _one_of(*allowed: str):
    def check(value):
        if value not in allowed:
            near = difflib.get_close_matches(str(value), allowed, 1)
            raise ValueError(f"must be one of {', '.join(allowed)}" + (f"; did you mean '{near[0]}'?" if near else ""))
        return value
    return AfterValidator(check)


class Settings(BaseModel):
    """The keys of the YAML beside a CSV; all optional, others refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str | None = None
    unit: str = ""
    frequency: Annotated[str, _one_of(*FREQUENCIES), BeforeValidator(lambda v: ALIASES.get(str(v), v))] | None = None
    timezone: str | None = None
    season: Steps | None = None
    L: Steps | None = None
    H: Steps | None = None
    split: Annotated[str, _one_of(*SPLITS)] = "chronological"
    missing: list[int | float | str] = []
    transform: Annotated[str, _one_of(*TRANSFORMS)] = "none"
    country: str | None = None
    date_format: str | None = None
    decimal: Literal[".", ","] | None = None
    licence: str = ""
    source: str = ""

    @field_validator("missing", mode="before")
    @classmethod
    def _missing(cls, value):
        values = value if isinstance(value, list) else [value]
        odd = [v for v in values if isinstance(v, bool) or not isinstance(v, (int, float, str))]
        if odd:
            raise ValueError(f"must be numbers or texts, not {odd[0]!r}: put words in quotes")
        return values

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value):
        known = zoneinfo.available_timezones()
        if value is not None and value not in known:
            near = difflib.get_close_matches(value, known, 1)
            raise ValueError("must be a time zone as Asia/Seoul" + (f"; did you mean '{near[0]}'?" if near else ""))
        return value


def locate(path: str | Path) -> dict[str, str]:
    """{"source", "path", "sha256", "split"} of an own CSV; the hash covers its YAML too. DataError if unreadable."""
    path = Path(path)
    beside = _beside(path)
    content = csvtext.read_bytes(path) + (b"\0" + beside.read_bytes() if beside else b"")
    return {"source": "files", "path": str(path.resolve()), "sha256": hashlib.sha256(content).hexdigest(),
            "split": settings(path).split}  # the planner asks whether there are published tables for it


def slug(path: str | Path) -> str:
    """Dataset name of an own CSV: the YAML's `name`, else the file's, in small letters, digits and hyphens."""
    path = Path(path)
    return _slug(settings(path).name) or _slug(path.stem) or "own-data"


def load(name: str, entry: dict) -> SeriesFrame:
    """The frame of an entry of data.lock, as every source has it."""
    return read(entry["path"])


def read(path: str | Path) -> SeriesFrame:
    """Series frame of a CSV and the YAML beside it; values in the file's own unit, repairs told in header.note.

    Raises DataError naming file, line (as an editor counts) and rule for anything that cannot be read for certain.
    """
    path = Path(path)
    own = settings(path)
    sheet = csvtext.read(path)
    table, frequency = _long(sheet, own)
    table = _one_value_each(table, sheet)
    header = _header(path, own, frequency, sheet)
    _check_values(table, sheet.file, own)
    _check_length(table, header, sheet)
    _check_country(header, sheet)
    return SeriesFrame(header, table[["time", "series", "value"]].reset_index(drop=True)).check()


def settings(path: str | Path) -> Settings:
    """The YAML beside a CSV (my.yaml for my.csv), or the defaults. DataError names key, line, rule and nearest key."""
    beside = _beside(Path(path))
    if beside is None:
        return Settings()
    try:
        text = beside.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, OSError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise problem(beside.name, f"is no YAML ({getattr(error, 'problem', None) or error})",
                      line=mark.line + 1 if mark else None, do="Write one `key: value` per line, in UTF-8") from None
    if not isinstance(content or {}, dict):
        raise problem(beside.name, f"must be `key: value` lines, not a {type(content).__name__}",
                      do=f"Keys: {', '.join(Settings.model_fields)}")
    try:
        return Settings.model_validate({str(key): value for key, value in (content or {}).items()})
    except ValidationError as error:
        raise _explained(error, beside.name, text) from None


def _explained(error: ValidationError, file: str, text: str) -> DataError:
    """The first broken rule of a YAML in words."""
    first = error.errors()[0]
    key = str(first["loc"][0])
    written = re.compile(rf"['\"]?{re.escape(key)}['\"]?\s*:")
    line = next((number for number, line in enumerate(text.splitlines(), 1) if written.match(line)), None)
    if first["type"] == "extra_forbidden":
        names = {name.lower(): name for name in Settings.model_fields}
        near = difflib.get_close_matches(key.lower(), names, 1, 0.5)
        hint = f"Did you mean '{names[near[0]]}'? " if near else ""
        return problem(file, f"unknown key '{key}'", line=line, do=f"{hint}Keys: {', '.join(Settings.model_fields)}")
    rule = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    quotes = "; put words in quotes" if first["type"] == "string_type" else ""
    return problem(file, f"{key} {rule}, found {first['input']!r}", line=line, do=f"Correct the value{quotes}")


def _beside(path: Path) -> Path | None:
    return next((other for end in (".yaml", ".yml") if (other := path.with_suffix(end)).is_file()), None)


def _slug(text: str | None) -> str:
    return re.sub(r"[\W_]+", "-", (text or "").lower()).strip("-")


@dataclass
class _Roles:
    """Which column is what."""

    time: str
    series: str | None  # the column that names the series of a long table; None: a wide one
    values: list[str]


def _long(sheet: Sheet, own: Settings) -> tuple[pd.DataFrame, str]:
    """Rows of time, series, value, line, column (of the file) in file order, and the frequency."""
    import numpy as np
    import pandas as pd

    decimal = own.decimal or csvtext.decimal_mark(sheet)
    read = {name: csvtext.numbers(texts, decimal, own.missing) for name, texts in sheet.columns.items()}
    roles = _roles(sheet, read, own)
    _no_bad_cells(sheet, read, roles)
    values = np.column_stack([read[name][0] for name in roles.values])  # (n, columns of values)
    width, keys = len(roles.values), np.array(sheet.columns[roles.series] if roles.series else [""] * len(values))
    times, frequency = _times(sheet, roles.time, own, decimal, pd.factorize(keys)[0])
    names = np.repeat(keys, width) if roles.series else np.tile(roles.values, len(times))
    table = {"time": np.repeat(times, width), "series": names, "value": values.ravel(),
             "line": np.repeat(sheet.lines, width), "column": np.tile(roles.values, len(times))}
    return pd.DataFrame(table).astype({"series": object}), frequency


def _times(sheet: Sheet, name: str, own: Settings, decimal: str, groups):
    """Times of the rows on one grid, and their frequency; groups (n,): the series of each row."""
    import numpy as np
    import pandas as pd

    from . import stamps

    column = stamps.Column(sheet.file, name, sheet.columns[name], sheet.lines)
    times = stamps.parse(column, decimal, own.date_format, own.timezone, own.frequency == "step", sheet.notes)
    if isinstance(times, pd.DatetimeIndex):
        times = stamps.to_standard(column, times, own.timezone, groups, sheet.notes)
    order = np.argsort(groups, kind="stable")
    back = np.diff(np.asarray(times).astype(np.int64)[order]) < 0
    if (back & (np.diff(groups[order]) == 0)).any():
        sheet.notes.append("Rows were not in order of time: sorted.")
    return stamps.regular(column, times, groups, own.frequency, sheet.notes)


def _roles(sheet: Sheet, read: dict, own: Settings) -> _Roles:
    """Recognised by name, else by shape; what could be read two ways is refused."""
    time = _time_column(sheet, own)
    others = [name for name in sheet.columns if name != time]
    if others and others[0] == "":
        sheet.notes.append("The first column has no name: left out as row numbers.")
        others = others[1:]
    if not others:
        raise problem(sheet.file, "has times, but no column of values", line=1, do="Add at least one column of numbers")
    numeric = [name for name in others if len(read[name][1]) <= _filled(sheet, name) / 2]
    series = _series_column(sheet, time, others, numeric)
    if series is None:
        return _Roles(time, None, others)
    candidates = [name for name in others if name != series]
    value = _value_column(sheet, candidates, [name for name in candidates if name in numeric])
    left = [name for name in candidates if name != value]
    if left:
        sheet.notes.append(f"Columns left out: {', '.join(left)}.")
    if "" in sheet.columns[series]:
        raise problem(sheet.file, "the name of the series is empty", column=series,
                      line=sheet.lines[sheet.columns[series].index("")], do="Fill it in, or delete the line")
    return _Roles(time, series, [value])


def _word(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _filled(sheet: Sheet, name: str) -> int:
    return len(sheet.lines) - sum(text.lower() in csvtext.MISSING for text in sheet.columns[name])


def _time_column(sheet: Sheet, own: Settings) -> str:
    from . import stamps

    names = list(sheet.columns)
    named = next((name for word in TIMES for name in names if _word(name) == word), None)
    if named is not None:
        return named
    first = sheet.columns[names[0]][0]
    if not (own.date_format or stamps.looks_like_time(first) or csvtext.number(first) is not None):
        raise problem(sheet.file, f"no column of times: none is called time, date or 일시, and '{first}' is no time",
                      line=sheet.lines[0], column=names[0], do="Call that column `time`, and write 2024-01-31 13:00")
    if stamps.looks_like_time(names[0]):
        raise problem(sheet.file, "the first line is data, not a header", line=1,
                      do="Put a line of column names above it, e.g. time,value")
    return names[0]


def _series_column(sheet: Sheet, time: str, others: list[str], numeric: list[str]) -> str | None:
    """The column that names series: known by its name, or the one text column whose times or texts repeat."""
    repeated = len(sheet.lines) >= 1.5 * len(set(sheet.columns[time]))
    words = [name for name in others if name not in numeric]

    def tells(name: str) -> bool:  # a number may be a code of a series only where every time stands several times
        kinds = len(set(sheet.columns[name]))
        return kinds < len(sheet.lines) and (name in words or repeated or kinds == 1)

    named = [name for name in others if _word(name) in SERIES and tells(name)]
    shaped = [name for name in words if tells(name) and (repeated or len(set(sheet.columns[name])) == 1)]
    found = next((plain for plain in ([n for n in named if _word(n) == "series"], named, shaped) if plain), [])
    if len(found) > 1:
        raise problem(sheet.file, f"several columns may name the series: {', '.join(found)}", line=1,
                      do="Call the right one `series`")
    return found[0] if found and len(others) > 1 else None


def _value_column(sheet: Sheet, candidates: list[str], numeric: list[str]) -> str:
    named = [[name for name in candidates if _word(name) in words.split(",")] for words in VALUES]
    found = next((names for names in named if names), numeric)
    if len(found) == 1:
        return found[0]
    rule = "several columns may hold the values" if found else "no column holds numbers"
    raise problem(sheet.file, f"{rule}: {', '.join(found or candidates)}", line=1, do="Call the right one `value`")


def _no_bad_cells(sheet: Sheet, read: dict, roles: _Roles) -> None:
    bad = sorted((place, name) for name in roles.values for place in read[name][1])
    if not bad:
        return
    place, name = bad[0]
    raise problem(sheet.file, f"'{sheet.columns[name][place]}' is not a number ({len(bad)} such cells)",
                  line=sheet.lines[place], column=name,
                  do="Correct it, delete a column of remarks, or list what means missing in the YAML under missing")


def _one_value_each(table: pd.DataFrame, sheet: Sheet) -> pd.DataFrame:
    """One row per time and series, in order; rows that say the same twice are dropped, a blank yields to a value."""
    import pandas as pd

    again = table[table.duplicated(["time", "series"], keep=False)].dropna(subset="value")
    differ = again[again.groupby(["time", "series"])["value"].transform("nunique") > 1]
    if len(differ):
        one = differ.sort_values("line").iloc[0]
        same = differ[(differ["time"] == one["time"]) & (differ["series"] == one["series"])]
        lines = ", ".join(map(str, same["line"][:5]))
        raise problem(sheet.file, f"lines {lines} give different values for {one['time']}, series '{one['series']}'",
                      line=int(same["line"].iloc[1]), column=one["column"],
                      do="Keep one of them; if clocks were set back there, name the zone in the YAML, e.g. timezone: "
                         "Europe/Berlin; if a column names the series, call it `series`")
    order = pd.Series(pd.factorize(table["series"])[0], table.index)
    table = table.assign(order=order, gap=table["value"].isna()).sort_values(["order", "time", "gap", "line"])
    once = table.drop_duplicates(["time", "series"])
    if len(once) < len(table):
        sheet.notes.append(f"{len(table) - len(once)} values that repeat others were dropped.")
    return once


def _check_values(table: pd.DataFrame, file: str, own: Settings) -> None:
    """Finite, not absurd, with a logarithm if one is asked for, and not all missing."""
    value = table["value"]
    rules = (
        (value.abs() == math.inf, "is infinite", "Correct it, or leave the cell empty if the value is missing"),
        (value.abs() > HUGE, f"is larger than {HUGE:.0e}", "Correct it, or use a larger unit"),
        ((value <= 0) & (own.transform == "log"), "has no logarithm (transform: log)", "Leave transform out"),
    )
    for broken, rule, do in rules:
        if broken.any():
            row = table[broken].sort_values("line").iloc[0]
            raise problem(file, f"{row['value']:g} {rule} ({broken.sum()} such values)", line=int(row["line"]),
                          column=row["column"], do=do)
    if value.isna().all():
        raise problem(file, "all values are missing", line=int(table["line"].min()), column=table["column"].iloc[0],
                      do="Give numbers; empty cells, NA and what the YAML lists under missing are no values")


def _header(path: Path, own: Settings, frequency: str, sheet: Sheet) -> Header:
    L, H = default_L_H(frequency)  # noqa: N806
    return Header(name=slug(path), unit=own.unit, frequency=frequency, season=own.season or default_season(frequency),
                  L=own.L or L, H=own.H or H, split=own.split, transform=own.transform, country=own.country,
                  source=own.source or sheet.file, licence=own.licence, sha256=locate(path)["sha256"],
                  note=" ".join(sheet.notes))  # fmt: skip


def _check_length(table: pd.DataFrame, header: Header, sheet: Sheet) -> None:
    """Every part of the split holds at least one window."""
    import numpy as np

    from . import windows

    steps = len(SeriesFrame(header, table.drop_duplicates("time").assign(series="all")).wide())
    none = np.empty((steps, 0))
    try:
        parts = windows.split(steps, header.split, header.frequency, header.H)
        data = windows.Dataset(header, none, [], none, none, none, none, none, parts, [], {})
        short = [part for part in windows.PARTS if not len(data.origins(part))]
        rule = f"no window of look-back L {header.L} and horizon H {header.H} fits into {', '.join(short)}"
    except DataError as error:
        short, rule = ["split"], str(error)
    if short:
        raise problem(sheet.file, f"too short: {steps} steps of '{header.frequency}' (split '{header.split}'), {rule}",
                      line=sheet.lines[-1], do="Give a longer series, or smaller L and H in the YAML")


def _check_country(header: Header, sheet: Sheet) -> None:
    from . import calendar

    try:
        if header.country:
            calendar.holidays(["2024-01-01"], header.country)
    except DataError as error:
        raise problem(sheet.file, f"country in the YAML: {error}") from None
