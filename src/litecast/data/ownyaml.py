"""The YAML beside somebody's data file: its keys, checked; a fault names key, line, rule and nearest key."""

from __future__ import annotations

import datetime
import difflib
import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from ..errors import DataError
from .csvtext import problem
from .frame import FREQUENCIES, SPLITS, TRANSFORMS

ALIASES = {"H": "h", "1h": "h", "60min": "h", "hourly": "h", "15T": "15min", "30T": "30min", "d": "D", "daily": "D",
           "1D": "D", "w": "W", "7D": "W", "weekly": "W", "M": "MS", "monthly": "MS", "B": "trading-day"}
Steps = Annotated[int, Field(ge=1, le=100_000)]
Moment = datetime.datetime | datetime.date | int | str | None  # as YAML reads 2024-01-31 13:00, 2024-01-31 or 96


def _one_of(*allowed: str):
    def check(value):
        if value not in allowed:
            near = difflib.get_close_matches(str(value), allowed, 1)
            raise ValueError(f"must be one of {', '.join(allowed)}" + (f"; did you mean '{near[0]}'?" if near else ""))
        return value
    return AfterValidator(check)


def _listed(value) -> list:
    return value if isinstance(value, list) else [value]


Names = Annotated[list[str], BeforeValidator(lambda value: [_name(each) for each in _listed(value)])]


def _name(value) -> str:
    """YAML reads a column called 2024 as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Settings(BaseModel):
    """The keys of the YAML; all optional, others refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str | None = None
    unit: str = ""
    time: Names = []  # columns: one, or a date and an hour
    series: Names = []  # columns whose texts, joined, name the series of a long table
    value: Names = []  # columns of demand
    known: Names = []  # columns that are known ahead
    leave_out: Names = []  # names of series
    start: Moment = None
    end: Moment = None
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
        values = _listed(value)
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


def settings(path: str | Path) -> Settings:
    """The YAML beside a data file (my.yaml for my.csv and my.csv.gz), or the defaults. DataError names the line."""
    file = beside(Path(path))
    if file is None:
        return Settings()
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, OSError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise problem(file.name, f"is no YAML ({getattr(error, 'problem', None) or error})",
                      line=mark.line + 1 if mark else None, do="Write one `key: value` per line, in UTF-8") from None
    if not isinstance(content or {}, dict):
        raise problem(file.name, f"must be `key: value` lines, not a {type(content).__name__}",
                      do=f"Keys: {', '.join(Settings.model_fields)}")
    try:
        return Settings.model_validate({str(key): value for key, value in (content or {}).items()})
    except ValidationError as error:
        raise _explained(error, file.name, text) from None


def beside(path: Path) -> Path | None:
    """The YAML of a data file, if there is one."""
    return next((file for end in (".yaml", ".yml") if (file := path.with_name(stem(path) + end)).is_file()), None)


def stem(path: Path) -> str:
    """my for my.csv, my.csv.gz and my.parquet."""
    return path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem


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
