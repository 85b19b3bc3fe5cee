"""One cell of a time column, and a whole column of them: text to times, as they are written."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .csvtext import number, problem

EXCEL = (25569, 73050)  # 1970 to 2099 in days since 1899-12-30
EPOCHS = {9: "s", 10: "s", 12: "ms", 13: "ms", 16: "us", 19: "ns"}  # digits -> unit since 1970-01-01 UTC
_WRITE = "Write times as 2024-01-31 13:00, or name their form in the YAML, e.g. date_format: '%d/%m/%Y %H:%M'"
_MONDAY = "Give the Monday of each week as 2024-01-29"
_QUARTERLY = "Give the first day of each quarter as 2024-04-01, and say frequency: step in the YAML"
_TIME = re.compile(
    r"""(?: (?P<year>\d{4}) \s*[-./년]\s* (?P<month>\d{1,2}) (?:\s*[-./월]\s* (?P<day>\d{1,2}))? (?:\s*[.월일])?
          | (?P<monthly>\d{1,2}) \s*[-./]\s* (?P<yearly>(?:19|20)\d\d)
          | (?P<one>\d{1,2}) \s*[-./]\s* (?P<two>\d{1,2}) \s*[-./]\s* (?P<last>\d{4}) \.?
          | (?P<gyear>(?:19|20)\d\d) (?P<gmonth>0[1-9]|1[0-2]) (?: (?P<gday>0[1-9]|[12]\d|3[01])
            (?: (?P<ghour>[01]\d|2[0-4]) (?: (?P<gminute>[0-5]\d) (?P<gsecond>[0-5]\d)? )? )? )? )
        (?: (?: \s*T\s* | \s+ | (?<=[.일]) ) (?P<clock>\D{0,4}?\d.*) )?""",
    re.VERBOSE,
)
_CLOCK = re.compile(
    r"""(?P<before>오전|오후|[AP]M)?\s* (?P<hour>\d{1,2})
        (?: : (?P<minute>\d{2}) (?: : (?P<second>\d{2}(?:\.\d+)?) )?
          | \s*시 (?: \s*(?P<kminute>\d{1,2})\s*분 (?: \s*(?P<ksecond>\d{1,2})\s*초 )? )? )?
        \s*(?P<after>오전|오후|[AP]\.?M\.?)?
        \s*(?P<zone>Z|UTC|[+-]\d\d(?::?\d\d)?)?""",
    re.VERBOSE | re.IGNORECASE,
)
_WEEK = re.compile(r"\d{4}\s*[-_./]?\s*(?:W|년\s*)\s*\d{1,2}\s*주?차?|\d{4}\s*[-./]\s*\d{1,2}\s*주차?", re.IGNORECASE)
_QUARTER = re.compile(r"\d{4}\s*[-_./년]?\s*(?:Q\s*[1-4]|[1-4]\s*(?:Q|분기))", re.IGNORECASE)


@dataclass
class Column:
    """A column of cells and where it stands: what every message needs."""

    file: str
    name: str
    texts: list[str]
    lines: list[int]

    def fault(self, place: int, rule: str, do: str = _WRITE) -> Exception:
        return problem(self.file, rule, line=self.lines[place], column=self.name, do=do)

    def at(self, kept: np.ndarray) -> Column:
        """The cells where kept (n,) is True."""
        if kept.all():
            return self
        places = np.flatnonzero(kept)
        return Column(self.file, self.name, [self.texts[i] for i in places], [self.lines[i] for i in places])


@dataclass(frozen=True)
class Stamp:
    """A cell taken apart. text: as ISO 8601; days: 1 where its hour was 24; order: of day and month if undecided."""

    text: str
    days: int
    form: str  # cells of one column share it
    padded: str  # "01" or "1": how a month below 10 is written; "" for others
    clocked: bool
    digits: tuple[int, int] | None = None  # the two numbers before the year, where day or month is first


@functools.lru_cache(1 << 17)  # of a long table, each time stands many times
def stamp(text: str) -> Stamp | None:
    """What a cell says, day before month where that is undecided; None if it is no time."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    part = found.groupdict()
    if part["gyear"]:
        date = "-".join(filter(None, (part["gyear"], part["gmonth"], part["gday"])))
        form, month, digits = f"digits{'' if part['clock'] else len(text)}", "", None
        told = (part["ghour"], part["gminute"], part["gsecond"]) if part["ghour"] else None
    else:
        year = part["year"] or part["last"] or part["yearly"]
        month = part["month"] or part["one"] or part["monthly"]
        day = part["day"] or part["two"]
        digits = (int(month), int(day)) if part["two"] else None
        date = f"{year}-{month:0>2}" + (f"-{day:0>2}" if day else "")
        if digits:
            date = f"{year}-{day:0>2}-{month:0>2}"
        form, told = ("first" if digits else "") + re.search(r"\d\s*([-./년])", text)[1], None
    zone = ""
    if part["clock"]:
        if told or not (read := clock(part["clock"])):
            return None
        *told, zone = read
    if not told:
        return Stamp(date, 0, form, _padding(month), False, digits)
    hour, minute, second = told[0], told[1] or "00", told[2] or "00"
    late = int(hour) == 24 and float(minute) == float(second) == 0
    text = f"{date} {'00' if late else hour:0>2}:{minute:0>2}:{second:0>2}{zone}"
    return Stamp(text, int(late), form, _padding(month), True, digits)


def _padding(month: str) -> str:
    return {"0": "01"}.get(month[:1], "1" if len(month) == 1 else "")


def clock(text: str) -> tuple | None:
    """Hour, minute, second, offset as text; 오전, 오후, AM and PM become hours of 24. None if it is no clock."""
    found = _CLOCK.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        return None
    hour, half = int(found["hour"]), (found["before"] or found["after"] or "").replace(".", "").upper()
    if half and hour > 12:
        return None
    if half:
        hour = hour % 12 + 12 * (half in ("오후", "PM"))
    zone = (found["zone"] or "").upper().replace("UTC", "Z")
    return str(hour), found["minute"] or found["kminute"], found["second"] or found["ksecond"], zone


def is_time(text: str) -> bool:
    """Whether a cell can only be a time: separated, or at least eight digits that are a date."""
    found = stamp(text)
    return found is not None and (number(text) is None and number(text, ",") is None or len(text) >= 8)


def may_be_epoch(texts: list[str]) -> bool:
    """Whether numbers may be seconds or milliseconds since 1970: whole minutes apart."""
    widths = {len(text) for text in texts}
    if not all(map(str.isdecimal, texts)) or not (widths <= {9, 10} or widths <= {12, 13}):
        return False
    minute = 60 if max(widths) < 12 else 60_000
    values = [int(text) for text in texts]
    return len(set(values)) > 2 and all((value - values[0]) % minute == 0 for value in values)


def is_period(text: str) -> bool:
    """Whether a cell is a year with a week or a quarter: 2020-W01, 2020년 1주, 2020/Q1, 2020 1분기."""
    return bool(_WEEK.fullmatch(text) or _QUARTER.fullmatch(text))


def one_clock(times: pd.DatetimeIndex) -> bool:
    """Whether all times show the same time of day: then they are dates."""
    return ((times - times.normalize()) == times[0] - times[0].normalize()).all()


def parse(column: Column, decimal: str, date_format: str | None, zone: str | None, steps: bool, notes: list[str]):
    """Times (n,) of a column: DatetimeIndex as written, with a zone where the cells have UTC offsets, or int64 steps.

    `steps` keeps whole numbers as steps. Raises DataError for a cell that is no time, forms that are mixed, UTC offsets
    that change without a zone, and year-weeks.
    """
    texts = column.texts
    if "" in texts:
        raise column.fault(texts.index(""), "has no time", "Fill it in, or delete the line")
    if date_format:
        return _datetimes(column, texts, date_format, zone, f"does not fit date_format '{date_format}'")
    if is_period(texts[0]):
        week = bool(_WEEK.fullmatch(texts[0]))
        raise column.fault(0, f"'{texts[0]}' is a {'week' if week else 'quarter'}, not a date",
                           _MONDAY if week else _QUARTERLY)
    if texts[0].isdecimal():
        _alike(column, [text.isdecimal() or number(text, decimal) is not None for text in texts])
        if all(map(str.isdecimal, texts)):
            return _digits(column, steps, zone, notes)
    first = stamp(texts[0])
    if number(texts[0], decimal) is not None and (steps or first is None):
        values = [number(text, decimal) for text in texts]
        _alike(column, [value is not None for value in values])
        return _numbers(column, np.array(values, float), steps, notes)
    return _written(column, zone, notes)


def _written(column: Column, zone: str | None, notes: list[str]) -> pd.DatetimeIndex:
    """Times of cells that `stamp` knows, all of one form."""
    stamps = [stamp(text) for text in column.texts]
    first = stamps[0]
    _alike(column, [each is not None and first is not None and each.form == first.form for each in stamps])
    padded = [each.padded for each in stamps]
    if {"01", "1"} <= set(padded):
        place = padded.index("1" if padded.index("01") < padded.index("1") else "01")
        raise column.fault(place, f"'{column.texts[place]}' is written with one digit, other months with two: a zero "
                                  "may have been lost", "Write every month with two digits")
    texts = [each.text for each in stamps]
    if first.digits:
        texts = _day_or_month(column, stamps)
    times = _datetimes(column, texts, "ISO8601", zone, "is no time")
    late = np.array([each.days for each in stamps])
    if late.any():
        notes.append("Hour 24 was read as 00:00 of the next day.")
        times = times + pd.to_timedelta(late, unit="D").as_unit("s")
    return times


def _alike(column: Column, fits: list[bool]) -> None:
    """A column mixes no forms."""
    if not all(fits):
        place = fits.index(False)
        like = f"written like '{column.texts[0]}', as the other times are" if place else "a time"
        total = place > len(fits) - 4 and not re.search(r"\d", column.texts[place])
        raise column.fault(place, f"'{column.texts[place]}' is not {like}",
                           "Delete the line if it is a total or a remark" if total else _WRITE)


def _datetimes(column: Column, texts: list[str], form: str, zone: str | None, rule: str) -> pd.DatetimeIndex:
    try:
        times = pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce"))
    except ValueError as error:
        if "utc=True" not in str(error):  # that one says that the UTC offsets differ
            raise column.fault(0, f"'{column.texts[0]}' {rule} ({error})") from None
        times = _several_offsets(column, texts, form, zone)
    wrong = np.flatnonzero(times.isna() | (times.year < 1900) | (times.year > 2100))
    if len(wrong):
        raise column.fault(wrong[0], f"'{column.texts[wrong[0]]}' {rule} of the years 1900 to 2100")
    return times.as_unit("s")


def _several_offsets(column: Column, texts: list[str], form: str, zone: str | None) -> pd.DatetimeIndex:
    """In UTC with a zone. Without one only where every clock shows the same: then local dates are meant."""
    tail = re.compile(r"\s*(?:Z|[+-]\d\d(?::?\d\d)?)$")
    bare = [not tail.search(text) for text in texts]
    if any(bare):
        place = bare.index(True)
        raise column.fault(place, f"'{column.texts[place]}' has no UTC offset, other times have one",
                           "Give all times an offset, or none and name the zone, e.g. timezone: Europe/Berlin")
    local = pd.DatetimeIndex(pd.to_datetime([tail.sub("", text) for text in texts], format=form, errors="coerce"))
    if one_clock(local):
        return local
    if zone is None:
        raise column.fault(0, f"'{column.texts[0]}' has one of several UTC offsets",
                           "Name the zone in the YAML, e.g. timezone: Europe/Berlin")
    return pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce", utc=True))


def _digits(column: Column, steps: bool, zone: str | None, notes: list[str]):
    """Times written by digits alone: dates by their width, seconds since 1970, Excel days, or plain steps."""
    texts = column.texts
    values, widths = np.array([int(text) for text in texts], float), {len(text) for text in texts}
    if steps:
        return _numbers(column, values, True, notes)
    if len(widths) > 1:
        if max(widths) > 8 or (min(widths) > 4 and all(text[:2] in ("19", "20") for text in texts)):
            place = next(i for i, text in enumerate(texts) if len(text) != len(texts[0]))
            raise column.fault(place, f"'{texts[place]}' has {len(texts[place])} digits, '{texts[0]}' {len(texts[0])}",
                               "Write months, days and hours with two digits, as 2024010109")
        return _numbers(column, values, False, notes)
    width = widths.pop()
    if width == 6:
        _no_weeks(column)
    if width in (6, 8, 10, 12, 14) and stamp(texts[0]) and stamp(texts[-1]):
        return _written(column, zone, notes)
    if width in EPOCHS:
        return _epoch(column, EPOCHS[width], zone, notes)
    if width > 5 and len(set(np.diff(np.unique(values)))) > 1:
        raise column.fault(0, f"'{texts[0]}' may be a date or a number of steps",
                           "Write 2024-01-31, name its form (date_format: '%y%m%d'), or say frequency: step")
    return _numbers(column, values, False, notes)


def _no_weeks(column: Column) -> None:
    """202014 is no month, and where the header says week 202001 is none either."""
    ends = [int(text[4:]) for text in column.texts]
    years = all(text[:2] in ("19", "20") for text in column.texts)
    named = re.search(r"week|yw|주차|주별|^주$|연주", column.name.lower())
    if years and 1 <= min(ends) and max(ends) <= 53 and (named or max(ends) > 12):
        place = int(np.argmax(ends))
        raise column.fault(place, f"'{column.texts[place]}' looks like a year and a week", _MONDAY)


def _epoch(column: Column, unit: str, zone: str | None, notes: list[str]) -> pd.DatetimeIndex:
    values = np.array([int(text) for text in column.texts])
    times = pd.DatetimeIndex(pd.to_datetime(values, unit=unit, errors="coerce", utc=True))
    if times.isna().any() or times[-1].year > 2100:
        raise column.fault(0, f"'{column.texts[0]}' is no time in {unit} since 1970")
    where = f"converted to {zone}" if zone else "in UTC; timezone in the YAML gives local time"
    notes.append(f"Times are {unit} since 1970 (Unix time), {where}.")
    return (times if zone else times.tz_localize(None)).as_unit("s")


def _numbers(column: Column, values: np.ndarray, steps: bool, notes: list[str]):
    """Excel dates or plain steps; the first and the last cell tell."""
    low, high = EXCEL
    excel = not steps and low <= min(values[0], values[-1]) and max(values[0], values[-1]) <= high
    fits = (values >= low) & (values <= high) if excel else (np.abs(values) < 2**53) & (values == np.rint(values))
    if not fits.all():
        place = int(np.argmin(fits))
        raise column.fault(place, f"'{column.texts[place]}' is no {'Excel date' if excel else 'whole number of steps'}")
    if not excel:
        return values.astype(np.int64)
    notes.append("Times are Excel serial dates (days since 1899-12-30); frequency: step reads them as plain steps.")
    return pd.DatetimeIndex(pd.to_datetime(np.rint(values * 1440), unit="m", origin="1899-12-30")).as_unit("s")


def _day_or_month(column: Column, stamps: list[Stamp]) -> list[str]:
    """ISO texts of 31/01/2024 or 01/31/2024: a number above 12 settles it for the whole column."""
    first, second = ([i for i, each in enumerate(stamps) if each.digits[k] > 12] for k in (0, 1))
    if first and second:
        raise column.fault(second[0], f"'{column.texts[second[0]]}' has the month first, "
                           f"'{column.texts[first[0]]}' the day")
    if not first and not second:
        raise column.fault(0, f"'{column.texts[0]}' may be day/month or month/day: no number above 12 tells",
                           "Say in the YAML date_format: '%d/%m/%Y' or '%m/%d/%Y', with %H:%M (or %I:%M %p) if there "
                           "are hours")
    if first:
        return [each.text for each in stamps]
    return [f"{each.text[:4]}-{each.text[8:10]}-{each.text[5:7]}{each.text[10:]}" for each in stamps]
