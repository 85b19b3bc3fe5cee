"""The time column of somebody's CSV: text to local standard time, and the one step that the times keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .csvtext import number, problem

SECONDS = {"15min": 900, "30min": 1800, "h": 3600, "D": 86400, "W": 604800}
RUN = 8  # so many equal steps in a row that differ from the usual one are a second frequency, not gaps
EXCEL = (25569, 73050)  # 1970 to 2099 in days since 1899-12-30
_WRITE = "Write times as 2024-01-31 13:00, or name their form in the YAML, e.g. date_format: '%d/%m/%Y %H:%M'"
_ISO = re.compile(r"\d{4}-\d\d")
_DAY_OR_MONTH_FIRST = re.compile(r"(\d\d)-(\d\d)-(\d{4})")


@dataclass
class Column:
    """A column of cells and where it stands: what every message needs."""

    file: str
    name: str
    texts: list[str]
    lines: list[int]

    def fault(self, place: int, rule: str, do: str = _WRITE) -> Exception:
        return problem(self.file, rule, line=self.lines[place], column=self.name, do=do)


def _plain(text: str) -> str:
    """'2024년 1월 5일 13시', '2024. 1. 5. 13' or '2024010513' -> '2024-01-05 13', which pandas reads as ISO 8601."""
    compact = re.fullmatch(r"((?:19|20)\d\d)(\d\d)(\d\d)?(?:\s*(\d\d)(?::?(\d\d))?)?", text)
    if compact:
        date, clock = filter(None, compact.groups()[:3]), filter(None, compact.groups()[3:])
        return f"{'-'.join(date)} {':'.join(clock)}".strip()
    text = re.sub(r"(?<=\d)\s*[년월./-]\s*(?=\d)", "-", text, count=2)
    text = re.sub(r"(?<=\d)\s*[월일.](?=\s|$)", "", text)
    text = re.sub(r"(?<=\d)\s*시(?:\s*(\d\d?)\s*분)?$", lambda found: f":{found[1] or '00'}", text)
    return re.sub(r"(?<!\d)(\d)(?!\d)", r"0\1", text)


def looks_like_time(text: str) -> bool:
    plain = _plain(text)
    return number(text) != number(plain) or bool(_ISO.match(plain) or _DAY_OR_MONTH_FIRST.match(plain))


def parse(column: Column, decimal: str, date_format: str | None, zone: str | None, steps: bool, notes: list[str]):
    """Times (n,): DatetimeIndex, in UTC if the cells have UTC offsets that differ, or int64 steps.

    `steps` keeps whole numbers as steps. Raises DataError for a cell that is no time, and for UTC offsets that change
    without a zone.
    """
    texts = column.texts
    if "" in texts:
        raise column.fault(texts.index(""), "has no time", "Fill it in, or delete the line")
    if date_format:
        return _datetimes(column, texts, date_format, zone, f"does not fit date_format '{date_format}'")
    plain = [_plain(text) for text in texts]
    values = [number(text, decimal) for text in texts]
    if values[0] is not None and (steps or not _ISO.match(plain[0])):
        _alike(column, [value is not None for value in values])
        return _numbers(column, np.array(values), steps, notes)
    if _DAY_OR_MONTH_FIRST.match(plain[0]):
        plain = _day_or_month(column, plain)
    marks = [re.findall(r"^\d{6}|[-./년]", text)[:1] for text in texts]  # what follows the year, or that nothing does
    same = [bool(mark) and (mark == marks[0] or len(mark[0]) == len(marks[0][0]) == 6) for mark in marks]
    _alike(column, [ok and bool(_ISO.match(text)) for ok, text in zip(same, plain, strict=True)])
    return _datetimes(column, plain, "ISO8601", zone, "is no time")


def _alike(column: Column, fits: list[bool]) -> None:
    """A column mixes no forms."""
    if not all(fits):
        place = fits.index(False)
        like = f"written like '{column.texts[0]}', as the other times are" if place else "a time"
        raise column.fault(place, f"'{column.texts[place]}' is not {like}")


def _datetimes(column: Column, texts: list[str], form: str, zone: str | None, rule: str) -> pd.DatetimeIndex:
    try:
        times = pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce"))
    except ValueError as error:
        if "utc=True" not in str(error):  # that one says that the UTC offsets differ
            raise column.fault(0, f"'{column.texts[0]}' {rule} ({error})") from None
        bare = [not re.search(r"(?:Z|[+-]\d\d:?\d\d)$", text) for text in texts]
        if any(bare) or zone is None:
            rule = "has no UTC offset, other times have one" if any(bare) else "has one of several UTC offsets"
            raise column.fault(bare.index(any(bare)), f"'{column.texts[bare.index(any(bare))]}' {rule}",
                               "Name the zone in the YAML, e.g. timezone: Europe/Berlin") from None
        times = pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce", utc=True))
    wrong = np.flatnonzero(times.isna() | (times.year < 1900) | (times.year > 2100))
    if len(wrong):
        raise column.fault(wrong[0], f"'{column.texts[wrong[0]]}' {rule} of the years 1900 to 2100")
    return times.as_unit("s")


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


def _day_or_month(column: Column, plain: list[str]) -> list[str]:
    """31-01-2024 or 01-31-2024 -> 2024-01-31: a number above 12 settles it for the whole column."""
    parts = [_DAY_OR_MONTH_FIRST.match(text) for text in plain]
    first, second = ([i for i, part in enumerate(parts) if part and int(part[k]) > 12] for k in (1, 2))
    if first and second:
        raise column.fault(second[0], f"'{column.texts[second[0]]}' has the month first, "
                           f"'{column.texts[first[0]]}' the day")
    if not first and not second:
        raise column.fault(0, f"'{column.texts[0]}' may be day/month or month/day: no number above 12 tells",
                           "Say in the YAML date_format: '%d/%m/%Y' or '%m/%d/%Y', with %H:%M if there are hours")
    order = r"\3-\2-\1" if first else r"\3-\1-\2"
    return [_DAY_OR_MONTH_FIRST.sub(order, text, count=1) for text in plain]


def to_standard(column: Column, times: pd.DatetimeIndex, zone: str | None, groups, notes: list[str]):
    """Local standard time (n,) of times as written; zone: an IANA name or None; groups (n,): the series of each row.

    Dates without a clock stay as they are. Raises DataError for times that a zone skips in spring.
    """
    if times.tz is not None and zone is None:
        return times.tz_localize(None)
    if zone is None or (times.tz is None and len(set(times.time)) == 1):
        return times
    utc = _from_wall(column, times, zone, groups, notes) if times.tz is None else times.tz_convert("UTC")
    notes.append(f"Times were converted from {zone} to its standard time.")
    offsets = [pd.Timestamp(utc[-1].year, month, 1, tz=zone).utcoffset() for month in (1, 7)]
    return utc.tz_localize(None) + min(offsets)  # the larger one is summer time


def _from_wall(column: Column, wall: pd.DatetimeIndex, zone: str, groups, notes: list[str]) -> pd.DatetimeIndex:
    """UTC of clock times: what occurs twice in autumn is summer time first."""
    skipped = wall.tz_localize(zone, ambiguous=np.ones(len(wall), bool), nonexistent="NaT").isna()
    if skipped.any():
        place = int(np.argmax(skipped))
        raise column.fault(place, f"{column.texts[place]} does not exist in {zone}: clocks go forward over it",
                           "Delete the line; if the file keeps standard time all year, leave timezone out of the YAML")
    twice = wall.tz_localize(zone, ambiguous="NaT").isna()
    pairs = pd.DataFrame({"wall": wall, "group": groups}).groupby(["group", "wall"])["wall"]
    nth, count = pairs.cumcount().to_numpy(), pairs.transform("size").to_numpy()
    if (twice & (count == 1)).any():
        notes.append(f"{int((twice & (count == 1)).sum())} times that occur twice in {zone} stand once in the file: "
                     "taken as standard time.")
    first = nth == 0 if wall[0] <= wall[-1] else nth == count - 1
    return wall.tz_localize(zone, ambiguous=twice & (count > 1) & first).tz_convert("UTC")


def regular(column: Column, times, groups, given: str | None, notes: list[str]):
    """Times (n,) on one grid (datetime64[us] or int64), and their frequency.

    times (n,): DatetimeIndex or int64 steps; groups (n,) the series of each row; given: the frequency of the YAML.
    The step is the most common one between neighbours of a series. Raises DataError for mixed steps, for times beside
    the grid, for a step that litecast has no name for, and where more than half of the grid is missing.
    """
    if not isinstance(times, pd.DatetimeIndex):
        return _steps(column, times, groups, given, notes), "step"
    if given == "step":
        notes.append("Rows are plain steps (frequency: step): the times were replaced by 0, 1, 2 ….")
        return np.unique(times, return_inverse=True)[1].astype(np.int64), "step"
    if len(set(times.time)) == 1:
        times = times.normalize()
    if given == "MS" or (given is None and _monthly(times, groups)):
        return _months(column, times, groups, notes), "MS"
    seconds = times.to_numpy("datetime64[s]").astype(np.int64)
    frequency = _frequency(column, seconds, groups, given)
    days = np.unique(seconds // 86400)
    weekdays = frequency == "D" and days[-1] - days[0] >= 14 and ((days + 3) % 7 < 5).all()  # day 0 was a Thursday
    if given is None and weekdays:
        notes.append("No Saturday and no Sunday: read as trading days, whose rows are steps; frequency: D keeps "
                     "weekends as missing days.")
        frequency = "trading-day"
    elif given != "trading-day":
        _dense_enough(column, seconds, SECONDS[frequency])
    return times.to_numpy("datetime64[us]"), given or frequency


def _neighbours(position: np.ndarray, groups: np.ndarray, lines: list[int]) -> pd.DataFrame:
    """Distinct positions in order per series, with the step from the one before (0 for the first of a series)."""
    table = pd.DataFrame({"group": groups, "position": position, "line": lines})
    table = table.sort_values(["group", "position", "line"]).drop_duplicates(["group", "position"])
    table["step"] = table.groupby("group")["position"].diff().fillna(0).astype(np.int64)
    return table.reset_index(drop=True)


def _one_step(column: Column, position, groups, name: Callable[[int], str]) -> int:
    """The step that all series keep (the smallest on a tie); DataError if a series, or a stretch of one, differs."""
    table = _neighbours(position, groups, column.lines)
    modes = table["step"][table["step"] > 0].mode()
    if modes.empty:
        raise column.fault(0, "no series has two different times", "Give one line per time")
    usual = int(modes[0])
    other = (table["step"] > 0) & (table["step"] != usual)
    run = other & (table["step"] == table["step"].shift())
    length = run.groupby((~run).cumsum()).cumsum()
    if (length >= RUN - 1).any():
        row = table.loc[length.idxmax()]
        here = f"steps of {name(usual)} elsewhere, of {name(int(row['step']))} here"
        raise problem(column.file, f"mixed frequency: {here}", line=int(row["line"]), column=column.name,
                      do="Give one file per frequency, or bring all rows to the coarser one")
    return usual


def _span(seconds: int) -> str:
    sizes = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    return next(f"{seconds // size} {unit}" for size, unit in sizes if seconds % size == 0)


def _frequency(column: Column, seconds, groups, given: str | None) -> str:
    step = _one_step(column, seconds, groups, _span)
    frequency = next((name for name, size in SECONDS.items() if size == step), None)
    if frequency is None:
        raise column.fault(0, f"the times step by {_span(step)}; known steps are {', '.join(SECONDS)}, months and "
                           "trading days", "Bring the rows to one of them, or say frequency: step in the YAML")
    if given and frequency != ("D" if given == "trading-day" else given):
        raise column.fault(0, f"the times step by {_span(step)}, but the YAML says frequency: {given}",
                           "Correct the YAML, or the rows")
    phases, counts = np.unique(seconds % step, return_counts=True)
    beside = np.flatnonzero(seconds % step != phases[counts.argmax()])
    if len(beside):
        raise column.fault(beside[0], f"mixed frequency: {column.texts[beside[0]]} is not a whole number of steps of "
                           f"{_span(step)} from the other times ({len(beside)} such times)",
                           "Round the times, or give one file per frequency")
    return frequency


def _dense_enough(column: Column, position, step: int) -> None:
    """A typing error in one year would stretch the grid to the horizon."""
    table = _neighbours(position, np.zeros(len(position)), column.lines)
    steps = int(table["position"].iloc[-1] - table["position"].iloc[0]) // step + 1
    if steps > 2 * len(table):
        widest = table.loc[table["step"].idxmax()]
        raise problem(column.file, f"more than half of all steps are missing ({len(table)} of {steps}); the widest gap "
                      "ends here", line=int(widest["line"]), column=column.name,
                      do="Correct the time, write rows for quiet times, or say frequency: step for plain steps")


def _monthly(times: pd.DatetimeIndex, groups) -> bool:
    """At most one date a month and series, most of them 28 days or more apart."""
    table = pd.DataFrame({"group": groups, "time": times}).drop_duplicates().sort_values(["group", "time"])
    steps = table.groupby("group")["time"].diff()
    once = not table.assign(month=table["time"].dt.to_period("M")).duplicated(["group", "month"]).any()
    return bool(once and steps.median() >= pd.Timedelta("28D"))


def _months(column: Column, times: pd.DatetimeIndex, groups, notes: list[str]) -> np.ndarray:
    months = times.to_numpy().astype("datetime64[M]")
    count = months.astype(np.int64)
    step = _one_step(column, count, groups, lambda n: f"{n} months")
    if step != 1:
        raise column.fault(0, f"the times step by {step} months; months (MS) are the longest known step",
                           "Take rows as plain steps with frequency: step in the YAML")
    if len(set(times.day)) > 1 and not times.is_month_end.all():
        odd = int(np.argmax(times.day != pd.Series(times.day).mode()[0]))
        raise column.fault(odd, "monthly times must fall on the same day of every month, or on its end",
                           "Write the first of each month")
    if (times.day > 1).any():
        notes.append("Monthly times were moved to the first of their month.")
    _dense_enough(column, count, 1)
    return months.astype("datetime64[us]")


def _steps(column: Column, steps, groups, given: str | None, notes: list[str]) -> np.ndarray:
    if given not in (None, "step"):
        raise column.fault(0, f"the times are whole numbers, but the YAML says frequency: {given}",
                           "Write dates, or frequency: step")
    usual = _one_step(column, steps, groups, str)
    gaps = int((np.diff(np.unique(steps)) != usual).sum())
    notes.append("Times are whole numbers: rows are plain steps, without a calendar." +
                 (f" {gaps} gaps in their numbering are not filled." if gaps else ""))
    return steps
