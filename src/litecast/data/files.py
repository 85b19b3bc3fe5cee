"""Your own data: a CSV, long or wide, and an optional small YAML beside it (docs/own-data.md). Nothing is written."""

from __future__ import annotations

import codecs
import difflib
import hashlib
import math
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..errors import DataError
from . import csvtext
from .csvtext import Sheet, problem
from .frame import FREQUENCIES, SPLITS, TRANSFORMS, Header, SeriesFrame, default_L_H, default_season

if TYPE_CHECKING:
    import pandas as pd

HUGE = 1e15  # beyond it, sums of squares and float32 inputs mean nothing
# Header words by role, in order of preference; compared in lower case, with _ and - as blanks.
TIMES = ("datetime", "date time", "timestamp", "일시", "측정일시", "date", "ds", "날짜", "일자", "기준일자",
         "기준일", "거래일자", "거래일", "년월일", "연월일", "년월", "연월", "월", "time", "시간", "시각", "기간",
         "step", "t")  # fmt: skip
IN_TIMES = ("일시", "날짜", "일자", "date", "timestamp", "time")
HOURS = ("hour", "hr", "time", "시", "시간", "시각", "시간대")
SERIES = ("series", "unique id", "series id", "item id", "item", "id", "지점", "지점명", "지점번호", "지점코드",
          "품목", "품목명", "상품", "상품명", "제품", "종목", "종목명", "종목코드", "점포", "매장", "지역", "구분",
          "계열", "코드", "name", "site", "station", "location", "sensor", "store", "product", "sku", "region",
          "ticker", "symbol")  # fmt: skip
VALUES = (
    ("value", "값", "y", "target"),
    ("수요", "수요량", "판매량", "교통량", "거래량", "사용량", "수량"),
    ("demand", "sales", "volume", "quantity", "qty", "count"),
    ("종가", "가격", "close", "price"),
)
ALIASES = {"H": "h", "1h": "h", "60min": "h", "hourly": "h", "15T": "15min", "30T": "30min", "d": "D", "daily": "D",
           "1D": "D", "w": "W", "7D": "W", "weekly": "W", "M": "MS", "monthly": "MS", "B": "trading-day"}
_CHOICES = {"frequency": tuple(FREQUENCIES), "split": SPLITS, "transform": TRANSFORMS}
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t"}


class Settings(BaseModel):
    """The keys of the YAML beside a CSV; all optional, others refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str | None = None
    unit: str = ""
    frequency: str | None = None
    timezone: str | None = None
    season: int | None = Field(None, ge=1, le=100_000)
    L: int | None = Field(None, ge=1, le=100_000)
    H: int | None = Field(None, ge=1, le=100_000)
    split: str = "chronological"
    missing: list[Any] = []
    transform: str = "none"
    country: str | None = None
    date_format: str | None = None
    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    licence: str = ""
    source: str = ""

    @field_validator("frequency", "split", "transform")
    @classmethod
    def _choice(cls, value, info):
        allowed = _CHOICES[info.field_name]
        value = ALIASES.get(value, value) if info.field_name == "frequency" else value
        if value is not None and value not in allowed:
            near = difflib.get_close_matches(value, allowed, 1)
            raise ValueError(f"must be one of {', '.join(allowed)}" + (f"; did you mean '{near[0]}'?" if near else ""))
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _missing(cls, value):
        values = value if isinstance(value, list) else [] if value is None else [value]
        odd = [v for v in values if isinstance(v, bool) or not isinstance(v, (int, float, str))]
        if odd:
            raise ValueError(f"must be numbers or texts, not {odd[0]!r}: put words in quotes")
        return values

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value):
        try:
            zoneinfo.ZoneInfo(value or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            near = difflib.get_close_matches(value, zoneinfo.available_timezones(), 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"must be a time zone as Asia/Seoul or Europe/Berlin{hint}") from None
        return value

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value):
        try:
            text = codecs.lookup(value or "utf-8")._is_text_encoding
        except (LookupError, ValueError):
            text = False
        if not text:
            raise ValueError("must be a text encoding as utf-8, cp949, utf-16 or latin-1")
        return value

    @field_validator("separator")
    @classmethod
    def _separator(cls, value):
        value = _SEPARATORS.get(value, value)
        if value is not None and (len(value) != 1 or value.isalnum() or value in "\"'.+-\r\n\0 "):
            raise ValueError("must be comma, semicolon, tab, or one character that no number or date holds")
        return value

    @field_validator("decimal")
    @classmethod
    def _decimal(cls, value):
        if value not in (None, ".", ","):
            raise ValueError("must be '.' or ','")
        return value

    @field_validator("date_format")
    @classmethod
    def _date_format(cls, value):
        if value is not None and not all(re.search(code, value) for code in ("%[Yy]|%[cxDG]|%s", "%[mbBjcxDUWV]|%s")):
            raise ValueError("must hold %Y and %m at least, e.g. '%d/%m/%Y %H:%M'")
        return value


def locate(path: str | Path) -> dict[str, str]:
    """{"source", "path", "sha256"} of an own CSV; the hash covers the YAML beside it. DataError if unreadable."""
    path = Path(path)
    beside = _beside(path)
    content = csvtext.read_bytes(path) + (b"\0" + beside.read_bytes() if beside else b"")
    return {"source": "files", "path": str(path.resolve()), "sha256": hashlib.sha256(content).hexdigest()}


def slug(path: str | Path) -> str:
    """Dataset name of an own CSV: the YAML's `name`, else the file's, in small letters, digits and hyphens."""
    path = Path(path)
    return _slug(settings(path).name) or _slug(csvtext.stem(path)) or "own-data"


def load(name: str, entry: dict) -> SeriesFrame:
    """The frame of an entry of data.lock, as every source has it."""
    return read(entry["path"])


def read(path: str | Path) -> SeriesFrame:
    """Series frame of a CSV and the YAML beside it; values in the file's own unit, repairs told in header.note.

    Raises DataError naming file, line (as an editor counts) and rule for anything that cannot be read for certain.
    """
    path = Path(path)
    own = settings(path)
    sheet = csvtext.read(path, own.encoding, own.separator)
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
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise problem(beside.name, f"is no YAML ({getattr(error, 'problem', None) or error})",
                      line=mark.line + 1 if mark else None, do="Write one `key: value` per line") from None
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise problem(beside.name, f"cannot be read ({error})", do="Save it as UTF-8, `key: value` per line") from None
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
        near = difflib.get_close_matches(key.lower(), [k.lower() for k in Settings.model_fields], 1, 0.5)
        real = next((k for k in Settings.model_fields if near and k.lower() == near[0]), None)
        hint = f"Did you mean '{real}'? " if real else ""
        return problem(file, f"unknown key '{key}'", line=line, do=f"{hint}Keys: {', '.join(Settings.model_fields)}")
    rule = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    quotes = "; put words in quotes" if first["type"] == "string_type" else ""
    return problem(file, f"{key} {rule}, found {first['input']!r}", line=line, do=f"Correct the value{quotes}")


def _beside(path: Path) -> Path | None:
    base = path.with_name(csvtext.stem(path))
    found = [other for end in (".yaml", ".yml") if (other := base.with_name(base.name + end)).is_file()]
    if len(found) > 1:
        raise problem(path.name, f"both {found[0].name} and {found[1].name} lie beside it", do="Keep one of them")
    return found[0] if found else None


def _slug(text: str | None) -> str:
    return re.sub(r"[\W_]+", "-", (text or "").lower()).strip("-")


@dataclass
class _Roles:
    """Which column is what."""

    time: str
    texts: list[str]  # cells of the time column, with the hours of a second column if there is one
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
    keys = np.array(sheet.columns[roles.series] if roles.series else [""] * len(values), object)
    times, frequency, stay = _times(sheet, roles, own, decimal, keys, np.isnan(values).all(axis=1))
    width = len(roles.values)
    names = np.repeat(keys[stay], width) if roles.series else np.tile(roles.values, len(times))
    table = {"time": np.repeat(times, width), "series": names, "value": values[stay].ravel(),
             "line": np.repeat(np.array(sheet.lines)[stay], width), "column": np.tile(roles.values, len(times))}
    return pd.DataFrame(table), frequency


def _times(sheet: Sheet, roles: _Roles, own: Settings, decimal: str, keys, blank):
    """Times of the rows that stay, on one grid; their frequency; and which rows stay (n,) bool."""
    import numpy as np
    import pandas as pd

    from . import stamps

    groups = pd.factorize(keys)[0]
    column = stamps.Column(sheet.file, roles.time, roles.texts, sheet.lines)
    times, offsets = stamps.parse(column, decimal, own.date_format, own.frequency == "step", sheet.notes)
    stay = np.ones(len(times), bool)
    if times.dtype.kind == "M":
        times, stay = stamps.to_standard(column, times, offsets, own.timezone, groups, blank, sheet.notes)
    column, times, groups = column.only(stay), times[stay], groups[stay]
    _note_order(times, groups, sheet)
    return *stamps.regular(column, times, groups, own.frequency, sheet.notes), stay


def _roles(sheet: Sheet, read: dict, own: Settings) -> _Roles:
    """Recognised by name, else by shape; what could be read two ways is refused."""
    time = _time_column(sheet, own)
    texts, hours = _texts(sheet, time)
    others = [name for name in sheet.columns if name not in (time, hours)]
    if others and others[0] == "":
        sheet.notes.append("The first column has no name: left out as row numbers.")
        others = others[1:]
    if not others:
        raise problem(sheet.file, "has times, but no column of values", line=1, do="Add at least one column of numbers")
    numeric = [name for name in others if not read[name][1] or len(read[name][1]) <= _filled(sheet, name) / 2]
    series = _series_column(sheet, texts, others, numeric)
    if series is None:
        return _Roles(time, texts, None, others)
    candidates = [name for name in others if name != series]
    value = _value_column(sheet, candidates, [name for name in candidates if name in numeric])
    left = [name for name in candidates if name != value]
    if left:
        sheet.notes.append(f"Columns left out: {', '.join(left)}.")
    if "" in sheet.columns[series]:
        raise problem(sheet.file, "the name of the series is empty", column=series,
                      line=sheet.lines[sheet.columns[series].index("")], do="Fill it in, or delete the line")
    return _Roles(time, texts, series, [value])


def _word(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _filled(sheet: Sheet, name: str) -> int:
    return len(sheet.lines) - sum(text.lower() in csvtext.MISSING for text in sheet.columns[name])


def _time_column(sheet: Sheet, own: Settings) -> str:
    from . import stamps

    names = list(sheet.columns)
    named = [name for word in TIMES for name in names if _word(name) == word]
    if named:
        return named[0]
    for name in names:
        if any(word in _word(name) for word in IN_TIMES) and stamps.looks_like_time(sheet.columns[name][0]):
            return name
    first = sheet.columns[names[0]][0]
    if own.date_format or stamps.looks_like_time(first) or csvtext.number(first) is not None:
        if stamps.looks_like_time(names[0]):
            raise problem(sheet.file, "the first line is data, not a header", line=1,
                          do="Put a line of column names above it, e.g. time,value")
        return names[0]
    raise problem(sheet.file, f"no column of times: none is called time, date or 일시, and '{first}' is no time",
                  line=sheet.lines[0], column=names[0], do="Call that column `time`, and write 2024-01-31 13:00")


def _texts(sheet: Sheet, time: str) -> tuple[list[str], str | None]:
    """Cells of the time column, joined with a column of hours if the dates have no clock; and that column's name."""
    from . import stamps

    dates = sheet.columns[time]
    if all(stamps.looks_like_time(date) and ":" not in date and "시" not in date for date in dates):
        for name in (name for name in sheet.columns if name != time and _word(name) in HOURS):
            joined = stamps.with_hours(dates, sheet.columns[name])
            if joined:
                sheet.notes.append(f"Times are '{time}' and '{name}' together.")
                return joined, name
    return dates, None


def _series_column(sheet: Sheet, texts: list[str], others: list[str], numeric: list[str]) -> str | None:
    """The column that names series: known by its name, or the one text column whose times or texts repeat."""
    repeated = len(texts) >= 1.5 * len(set(texts))
    words = [name for name in others if name not in numeric]

    def tells(name: str) -> bool:  # a number may be a code of a series only where every time stands several times
        few = 1 < len(texts) / len(set(sheet.columns[name]))
        return few and (name in words or repeated or len(set(sheet.columns[name])) == 1)

    named = [name for name in others if _word(name) in SERIES and tells(name)]
    shaped = [name for name in words if tells(name) and (repeated or len(set(sheet.columns[name])) == 1)]
    for found in (named, shaped):
        plain = [name for name in found if _word(name) == "series"] or found
        if len(plain) > 1:
            raise problem(sheet.file, f"several columns may name the series: {', '.join(plain)}", line=1,
                          do="Call the right one `series`")
        if plain and len(others) > 1:
            return plain[0]
    return None


def _value_column(sheet: Sheet, candidates: list[str], numeric: list[str]) -> str:
    for words in VALUES:
        found = [name for name in candidates if _word(name) in words]
        if len(found) == 1:
            return found[0]
        if found:
            break
    if len(numeric) == 1:
        return numeric[0]
    rule = "several columns may hold the values" if numeric else "no column holds numbers"
    raise problem(sheet.file, f"{rule}: {', '.join(numeric or candidates)}", line=1, do="Call the right one `value`")


def _no_bad_cells(sheet: Sheet, read: dict, roles: _Roles) -> None:
    bad = sorted((place, name) for name in roles.values for place in read[name][1])
    if not bad:
        return
    place, name = bad[0]
    more = f" (and {len(bad) - 1} more such cells)" if len(bad) > 1 else ""
    raise problem(sheet.file, f"'{sheet.columns[name][place]}' is not a number{more}", line=sheet.lines[place],
                  column=name, do="Correct it, delete a column of remarks, call a column of names `series`, or, if it "
                                  "means missing, list it in the YAML under missing")


def _note_order(times, groups, sheet: Sheet) -> None:
    import numpy as np

    order = np.argsort(groups, kind="stable")
    back = (np.diff(times[order].astype(np.int64)) < 0) & (np.diff(groups[order]) == 0)
    if back.any():
        sheet.notes.append("Rows were not in order of time: sorted.")


def _one_value_each(table: pd.DataFrame, sheet: Sheet) -> pd.DataFrame:
    """One row per time and series, in order; rows that say the same twice are dropped, a blank yields to a value."""
    import pandas as pd

    again = table[table.duplicated(["time", "series"], keep=False)].dropna(subset="value")
    differ = again[again.groupby(["time", "series"])["value"].transform("nunique") > 1]
    if len(differ):
        one = differ.sort_values("line").iloc[0]
        same = differ[(differ["time"] == one["time"]) & (differ["series"] == one["series"])]
        lines = ", ".join(str(line) for line in same["line"][:5])
        raise problem(sheet.file, f"lines {lines} give different values for {one['time']}, series '{one['series']}'",
                      line=int(same["line"].iloc[1]), column=one["column"],
                      do="Keep one of them; if clocks were set back there, name the zone in the YAML, e.g. "
                         "timezone: Europe/Berlin; if a column names the series, call it `series`")
    order = pd.Series(pd.factorize(table["series"])[0], table.index)
    table = table.assign(order=order, gap=table["value"].isna()).sort_values(["order", "time", "gap", "line"])
    once = table.drop_duplicates(["time", "series"])
    dropped = set(table["line"]) - set(once["line"])
    if len(once) < len(table):
        sheet.notes.append(f"{len(dropped) or len(table) - len(once)} rows that repeat others were dropped.")
    return once


def _check_values(table: pd.DataFrame, file: str, own: Settings) -> None:
    """Finite, not absurd, with a logarithm if one is asked for, and not all missing."""
    value = table["value"]
    low = own.transform == "log"
    rules = (
        (value.abs() == math.inf, "is infinite", "Correct it, or leave the cell empty if the value is missing"),
        (value.abs() > HUGE, f"is larger than {HUGE:.0e}", "Correct it, or use a larger unit"),
        ((value <= 0) & low, "has no logarithm (transform: log)", "Leave transform out, or list it under missing"),
    )
    for broken, rule, do in rules:
        if broken.any():
            row = table[broken].sort_values("line").iloc[0]
            more = f" (and {int(broken.sum()) - 1} more values)" if broken.sum() > 1 else ""
            raise problem(file, f"{row['value']:g} {rule}{more}", line=int(row["line"]), column=row["column"], do=do)
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
    steps = len(SeriesFrame(header, table.drop_duplicates("time").assign(series="all")).wide())
    if _windows_fit(steps, header):
        return
    low, high = steps, steps
    while not _windows_fit(high, header):
        low, high = high, 2 * high + 1
        if high > 1 << 24:
            raise problem(sheet.file, f"split '{header.split}' does not suit frequency '{header.frequency}'",
                          do="Use split: chronological")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _windows_fit(middle, header) else (middle, high)
    raise problem(sheet.file, f"too short: {steps} steps of '{header.frequency}', {high} are needed for windows of "
                  f"look-back L {header.L} and horizon H {header.H} in every part of split '{header.split}'",
                  line=sheet.lines[-1], do="Give a longer series, or smaller L and H in the YAML")


def _windows_fit(steps: int, header: Header) -> bool:
    """Whether train, validation and test of a series of so many steps hold a window each."""
    import numpy as np

    from . import windows

    try:
        parts = windows.split(steps, header.split, header.frequency, header.H)
    except DataError:
        return False
    none = np.empty((steps, 0))
    data = windows.Dataset(header, none, [], none, none, none, none, none, parts, [], {})
    return all(len(data.origins(part)) for part in windows.PARTS)


def _check_country(header: Header, sheet: Sheet) -> None:
    if header.country is None:
        return
    from . import calendar

    try:
        calendar.holidays(["2024-01-01"], header.country)
    except DataError as error:
        raise problem(sheet.file, f"country in the YAML: {error}") from None
