"""The time column of somebody's CSV: text to local standard time, and the one step that the times keep."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .csvtext import number, problem

SECONDS = {"15min": 900, "30min": 1800, "h": 3600, "D": 86400, "W": 604800}
YEARS = range(1900, 2101)
RUN = 8  # so many equal steps in a row that differ from the usual one are a second frequency, not gaps
_UNKNOWN = "Write times as 2024-01-31 13:00, or name their form in the YAML, e.g. date_format: '%d/%m/%Y %H:%M'"

_CLOCK = (r"(?:(?:\s*T\s*|\s+)(?P<ap>오전|오후|AM|PM)?\s*(?P<H>[0-9]{1,2})"
          r"(?:\s*:\s*(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,][0-9]+)?)?"
          r"|\s*시(?:\s*(?P<M2>[0-9]{1,2})\s*분)?(?:\s*(?P<S2>[0-9]{1,2})\s*초)?)?\s*(?P<ap2>AM|PM)?)?"
          r"\s*(?P<zone>Z|UTC|[+-][0-9]{2}:?[0-9]{2})?")  # fmt: skip
_FORMS = {
    "compact": re.compile(r"(?P<y>(?:19|20)[0-9]{2})(?P<m>0[1-9]|1[0-2])"
                          r"(?:(?P<d>[0-9]{2})(?:(?P<H>[0-9]{2})(?:(?P<M>[0-9]{2})(?P<S>[0-9]{2})?)?)?)?"),
    "iso": re.compile(r"(?P<y>[0-9]{4})(?:[-./]\s*|\s*년\s*)(?P<m>[0-9]{1,2})(?:\s*월)?"
                      r"(?:(?:(?<=월)\s*|[-./]\s*)(?P<d>[0-9]{1,2})(?:\s*일)?)?\.?" + _CLOCK, re.IGNORECASE),
    "joined": re.compile(r"(?P<y>(?:19|20)[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})" + _CLOCK, re.IGNORECASE),
    "day or month first": re.compile(r"(?P<a>[0-9]{1,2})[-./](?P<b>[0-9]{1,2})[-./](?P<y>[0-9]{4})" + _CLOCK,
                                     re.IGNORECASE),
}  # fmt: skip
_WEEKDAY = re.compile(r"\s*\((?:[월화수목금토일](?:요일)?|mon|tue|wed|thu|fri|sat|sun)\)", re.IGNORECASE)
_HOUR = re.compile(r"([0-9]{1,2})(?:\s*시|:([0-9]{2})(?::[0-9]{2})?)?")
_EXCEL = (25569, 73050)  # 1970 to 2099 in days since 1899-12-30
_EPOCH = (10**9, 19 * 10**8)  # 2001 to 2030 in seconds since 1970


@dataclass
class Column:
    """A column of cells and where it stands: what every message needs."""

    file: str
    name: str
    texts: list[str]
    lines: list[int]

    def only(self, stay: np.ndarray) -> Column:
        """The rows where stay (n,) is true."""
        kept = np.flatnonzero(stay)
        return Column(self.file, self.name, [self.texts[i] for i in kept], [self.lines[i] for i in kept])

    def fault(self, text: str, rule: str, do: str = "") -> Exception:
        return problem(self.file, rule, line=self.lines[self.texts.index(text)], column=self.name, do=do)


def looks_like_time(text: str) -> bool:
    return any(form.fullmatch(_WEEKDAY.sub("", text)) for form in _FORMS.values())


def with_hours(dates: list[str], hours: list[str]) -> list[str] | None:
    """'2024-01-01' and '13' or '13:00' or '13시' as one text each; None if these are no hours."""
    parts = [_HOUR.fullmatch(hour) for hour in hours]
    if not all(part and int(part[1]) <= 24 for part in parts):
        return None
    return [f"{date} {part[1]}:{part[2] or '00'}" for date, part in zip(dates, parts, strict=True)]


def parse(column: Column, decimal: str, date_format: str | None, steps: bool, notes: list[str]):
    """Times (n,) as datetime64[s] or int64 steps, and their UTC offsets (n,) in minutes, None if none are written.

    `steps` keeps whole numbers as steps. Raises DataError for a cell that is no time.
    """
    unique = list(dict.fromkeys(column.texts))
    if "" in unique:
        raise column.fault("", "has no time", "Fill it in, or delete the line")
    read = _reader(column, unique, decimal, date_format, steps, notes)
    found = {text: read(text) for text in unique}
    times = [found[text][0] for text in column.texts]
    offsets = [found[text][1] for text in column.texts]
    if isinstance(times[0], int):
        return np.array(times, np.int64), None
    return np.array(times, "datetime64[s]"), _offsets(column, offsets)


def _reader(column: Column, unique: list[str], decimal: str, date_format: str | None, steps: bool, notes) -> Callable:
    """How to read one cell, decided on all of them: one column has one form."""
    if date_format:
        return lambda text: _by_format(column, text, date_format)
    values = {text: number(text, decimal) for text in unique}
    if steps and None not in values.values():
        return lambda text: (_whole(column, text, values[text]), None)
    forms = {name: [text for text in unique if form.fullmatch(_WEEKDAY.sub("", text))] for name, form in _FORMS.items()}
    forms["number"] = [text for text in unique if values[text] is not None]
    form = max(forms, key=lambda name: len(forms[name]))  # on a tie the first: 20240101 is a date before a number
    fitting = dict.fromkeys(forms[form])
    for text in unique:
        if text not in fitting:
            others = f"written like '{forms[form][0]}', as the other times are" if fitting else "a time"
            raise column.fault(text, f"'{text}' is not {others}", _UNKNOWN)
    if form == "number":
        return _by_number(column, unique, values, notes)
    order = _day_first(column, unique) if form == "day or month first" else None
    return lambda text: _by_form(column, text, _FORMS[form], order)


def _by_format(column: Column, text: str, date_format: str):
    try:
        time = dt.datetime.strptime(text, date_format)
    except (ValueError, re.error) as error:
        raise column.fault(text, f"'{text}' does not fit date_format '{date_format}' ({error})",
                           "Correct date_format in the YAML, or the cell") from None
    offset = time.utcoffset()
    return _checked(column, text, time.replace(tzinfo=None)), None if offset is None else offset.total_seconds() / 60


def _checked(column: Column, text: str, time: dt.datetime) -> dt.datetime:
    if time.year not in YEARS:
        raise column.fault(text, f"the year of '{text}' is not between 1900 and 2100", _UNKNOWN)
    return time


def _whole(column: Column, text: str, value: float) -> int:
    if not (abs(value) < 2**53 and value == int(value)):
        raise column.fault(text, f"'{text}' is no whole number of steps", _UNKNOWN)
    return int(value)


def _by_number(column: Column, unique: list[str], values: dict[str, float], notes: list[str]) -> Callable:
    """Numbers are Excel dates, seconds since 1970, or plain steps; the first and the last cell tell."""
    ends = [values[column.texts[0]], values[column.texts[-1]]]

    def within(text: str, low: float, high: float, what: str) -> float:
        if not low <= values[text] <= high:
            raise column.fault(text, f"'{text}' is no {what}, as the other times are", _UNKNOWN)
        return values[text]

    if all(_EXCEL[0] <= end <= _EXCEL[1] for end in ends) and "step" not in column.name.lower():
        notes.append("Times are Excel serial dates (days since 1899-12-30); frequency: step reads them as plain steps.")
        minutes = {text: round(within(text, *_EXCEL, "Excel serial date") * 1440) for text in unique}
        return lambda text: (dt.datetime(1899, 12, 30) + dt.timedelta(minutes=minutes[text]), None)
    for unit in (1, 1000):
        if all(_EPOCH[0] * unit <= end <= _EPOCH[1] * unit for end in ends):
            notes.append(f"Times are {'milli' if unit > 1 else ''}seconds since 1970 (UTC).")
            seconds = {text: within(text, _EPOCH[0] * unit, _EPOCH[1] * unit, "time since 1970") for text in unique}
            return lambda text: (dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds[text] // unit), 0.0)
    return lambda text: (_whole(column, text, values[text]), None)


def _day_first(column: Column, unique: list[str]) -> bool:
    """31/01/2024 or 01/31/2024? A number above 12 settles it for the whole column."""
    parts = {text: _FORMS["day or month first"].fullmatch(_WEEKDAY.sub("", text)) for text in unique}
    day_first = next((text for text, part in parts.items() if int(part["a"]) > 12), None)
    month_first = next((text for text, part in parts.items() if int(part["b"]) > 12), None)
    if day_first and month_first:
        raise column.fault(month_first, f"'{month_first}' has the month first, '{day_first}' the day", _UNKNOWN)
    if not day_first and not month_first:
        raise column.fault(unique[0], f"'{unique[0]}' may be day/month or month/day: no number above 12 tells",
                           "Say in the YAML date_format: '%d/%m/%Y' or '%m/%d/%Y', with %H:%M if there are hours")
    return day_first is not None


def _by_form(column: Column, text: str, form: re.Pattern, day_first: bool | None):
    part = form.fullmatch(_WEEKDAY.sub("", text)).groupdict()
    if day_first is not None:
        part["d"], part["m"] = (part["a"], part["b"]) if day_first else (part["b"], part["a"])
    try:
        date = dt.datetime(int(part["y"]), int(part["m"]), int(part["d"] or 1))
        time = date + _clock(part)
    except (ValueError, OverflowError) as error:
        raise column.fault(text, f"'{text}' is no time ({error})", _UNKNOWN) from None
    return _checked(column, text, time), _offset(part.get("zone"))


def _clock(part: dict) -> dt.timedelta:
    hour = int(part.get("H") or 0)
    minute = int(part.get("M") or part.get("M2") or 0)
    second = int(part.get("S") or part.get("S2") or 0)
    half = (part.get("ap") or part.get("ap2") or "").upper()
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("hour must be in 1..12 beside AM or PM")
        hour = hour % 12 + (12 if half in ("PM", "오후") else 0)
    if minute > 59 or second > 59 or hour * 3600 + minute * 60 + second > 86400:  # 24:00 is the next midnight
        raise ValueError("hours go from 00:00 to 24:00")
    return dt.timedelta(hours=hour, minutes=minute, seconds=second)


def _offset(zone: str | None) -> float | None:
    if zone is None:
        return None
    if zone.upper() in ("Z", "UTC"):
        return 0.0
    return (-1 if zone[0] == "-" else 1) * (int(zone[1:3]) * 60 + int(zone[-2:]))


def _offsets(column: Column, offsets: list[float | None]) -> np.ndarray | None:
    if all(offset is None for offset in offsets):
        return None
    if None in offsets:
        text = column.texts[offsets.index(None)]
        raise column.fault(text, f"'{text}' has no UTC offset, other times have one", "Write it everywhere, or nowhere")
    return np.array(offsets, float)


def to_standard(column: Column, times, offsets, zone: str | None, groups, blank, notes: list[str]):
    """Local standard time (n,) and which rows stay (n,) bool.

    times (n,) datetime64[s] as written, offsets (n,) minutes or None, zone an IANA name or None, groups (n,) the series
    of each row, blank (n,) bool: rows without a value. Dates without a clock are left as they are.
    Raises DataError for changing offsets without a zone, and for values at times that a zone skips in spring.
    """
    stay = np.ones(len(times), bool)
    if offsets is not None:
        utc = times - (offsets * 60).astype("timedelta64[s]")
        if zone is None:
            if len(set(offsets)) > 1:
                other = int(np.flatnonzero(offsets != offsets[0])[0])
                raise column.fault(column.texts[other], "the UTC offset changes",
                                   "Name the time zone in the YAML, e.g. timezone: Europe/Berlin")
            return times, stay
        wall = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy("datetime64[s]")
    else:
        utc, wall = None, times
    if zone is None or len(np.unique(wall.astype(np.int64) % 86400)) == 1:  # one time of day: dates know no zone
        return wall, stay
    if utc is None:
        utc, stay = _from_wall(column, wall, zone, groups, blank, notes)
    notes.append(f"Times were converted from {zone} to its standard time.")
    return utc + _standard_offset(wall[-1], zone), stay


def _from_wall(column: Column, wall, zone: str, groups, blank, notes: list[str]):
    """UTC of clock times: what occurs twice in autumn is summer time first; what spring skips must be blank."""
    index = pd.DatetimeIndex(wall)
    as_summer = index.tz_localize(zone, ambiguous=np.ones(len(wall), bool), nonexistent="NaT")
    skipped = np.asarray(as_summer.isna())
    twice = np.asarray(index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").isna()) & ~skipped
    if skipped.all() or (skipped & ~blank).any():
        text = column.texts[int(np.argmax(skipped & ~blank))]
        raise column.fault(text, f"{text} does not exist in {zone}: clocks go forward over it",
                           "If the file keeps standard time all year, leave timezone out of the YAML")
    if skipped.any():
        notes.append(f"{int(skipped.sum())} blank rows at times that do not exist in {zone} were dropped.")
    pairs = pd.DataFrame({"wall": wall, "group": groups}).groupby(["group", "wall"])["wall"]
    nth, count = pairs.cumcount().to_numpy(), pairs.transform("size").to_numpy()
    if (twice & (count == 1)).any():
        notes.append(f"{int((twice & (count == 1)).sum())} times that occur twice in {zone} stand once in the file: "
                     "taken as standard time.")
    first = nth == 0 if wall[0] <= wall[-1] else nth == count - 1
    utc = index.tz_localize(zone, ambiguous=twice & (count > 1) & first, nonexistent="shift_forward")
    return utc.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[s]"), ~skipped


def _standard_offset(time: np.datetime64, zone: str) -> np.timedelta64:
    """UTC offset of a zone without daylight saving, in the year of `time`: the smaller of winter and summer."""
    year = str(time)[:4]
    winter_summer = [pd.Timestamp(f"{year}-{month}-01", tz=zone).utcoffset() for month in ("01", "07")]
    return np.timedelta64(int(min(winter_summer).total_seconds()), "s")


def regular(column: Column, times, groups, given: str | None, notes: list[str]):
    """Times (n,) on one grid (datetime64[us] or int64), and their frequency.

    times (n,) datetime64[s] or int64 steps; groups (n,) the series of each row; given: the frequency of the YAML.
    The step is the most common one between neighbours of a series. Raises DataError for mixed steps, for times beside
    the grid, for a step that litecast has no name for, and where more than half of the grid is missing.
    """
    if times.dtype.kind == "i":
        return _steps(column, times, groups, given, notes)
    if given == "step":
        notes.append("Rows are plain steps (frequency: step): the times were replaced by 0, 1, 2 ….")
        return np.unique(times, return_inverse=True)[1].astype(np.int64), "step"
    seconds = times.astype(np.int64)
    if len(np.unique(seconds % 86400)) == 1 and seconds[0] % 86400:
        notes.append(f"All times are at {str(times[0])[11:16]}: read as dates.")
        seconds = seconds - seconds[0] % 86400
    if given == "MS" or (given is None and _monthly(seconds, groups)):
        return _months(column, seconds, groups, notes), "MS"
    frequency = _frequency(column, seconds, groups, given)
    _on_grid(column, seconds, groups, frequency)
    if given is None and frequency == "D" and _no_weekends(seconds):
        notes.append("No Saturday and no Sunday: read as trading days, whose rows are steps; frequency: D keeps "
                     "weekends as missing days.")
        frequency = "trading-day"
    elif given != "trading-day":
        _dense_enough(column, seconds, SECONDS[frequency])
    return seconds.astype("datetime64[s]").astype("datetime64[us]"), given or frequency


def _neighbours(position: np.ndarray, groups: np.ndarray, lines: list[int]) -> pd.DataFrame:
    """Distinct positions in order per series, with the step from the one before (0 for the first of a series)."""
    table = pd.DataFrame({"group": groups, "position": position, "line": lines})
    table = table.sort_values(["group", "position", "line"]).drop_duplicates(["group", "position"])
    table["step"] = table.groupby("group")["position"].diff().fillna(0).astype(np.int64)
    return table.reset_index(drop=True)


def _usual(steps: pd.Series) -> int:
    """The most common step, the smaller on a tie; 0 if there is none."""
    counts = steps[steps > 0].value_counts()
    return int(counts.index[counts == counts.iloc[0]].min()) if len(counts) else 0


def _one_step(column: Column, position, groups, name: Callable[[int], str]) -> int:
    """The step that all series keep; DataError if a series, or a stretch of one, keeps another."""
    table = _neighbours(position, groups, column.lines)
    usual = _usual(table["step"])
    if not usual:
        raise problem(column.file, "no series has two different times", line=column.lines[0], column=column.name,
                      do="Give one line per time")
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
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _frequency(column: Column, seconds, groups, given: str | None) -> str:
    step = _one_step(column, seconds, groups, _span)
    frequency = next((name for name, size in SECONDS.items() if size == step), None)
    wanted = "D" if given == "trading-day" else given
    if frequency is None:
        raise problem(column.file, f"the times step by {_span(step)}; known steps are {', '.join(SECONDS)}, months and "
                      "trading days", line=column.lines[0], column=column.name,
                      do="Bring the rows to one of them, or take rows as plain steps with frequency: step in the YAML")
    if wanted and wanted != frequency:
        raise problem(column.file, f"the times step by {_span(step)}, but the YAML says frequency: {given}",
                      line=column.lines[0], column=column.name, do="Correct the YAML, or the rows")
    return frequency


def _on_grid(column: Column, seconds, groups, frequency: str) -> None:
    step = SECONDS[frequency]
    phases, counts = np.unique(seconds % step, return_counts=True)
    beside = np.flatnonzero(seconds % step != phases[counts.argmax()])
    if len(beside):
        text = column.texts[beside[0]]
        more = f" (and {len(beside) - 1} more times)" if len(beside) > 1 else ""
        raise problem(column.file, f"mixed frequency: {text} is not a whole number of steps of {_span(step)} from the "
                      f"other times{more}", line=column.lines[beside[0]], column=column.name,
                      do="Round the times, or give one file per frequency")


def _dense_enough(column: Column, position, step: int) -> None:
    """A typing error in one year would stretch the grid to the horizon."""
    table = _neighbours(position, np.zeros(len(position)), column.lines)
    steps = int(table["position"].iloc[-1] - table["position"].iloc[0]) // step + 1
    if steps > 2 * len(table):
        widest = table.loc[table["step"].idxmax()]
        raise problem(column.file, f"more than half of all steps are missing ({len(table)} of {steps}); the widest gap "
                      "ends here", line=int(widest["line"]), column=column.name,
                      do="Correct the time, write rows for quiet times, or say frequency: step for plain steps")


def _no_weekends(seconds) -> bool:
    days = seconds // 86400
    return bool(days.max() - days.min() >= 14 and ((days + 3) % 7 < 5).all())  # day 0 was a Thursday


def _monthly(seconds, groups) -> bool:
    """At most one date a month and series, most of them 28 days or more apart."""
    table = _neighbours(seconds, groups, list(range(len(seconds))))
    steps = table["step"][table["step"] > 0]
    month = table["position"].to_numpy().astype("datetime64[s]").astype("datetime64[M]")
    once = not pd.DataFrame({"g": table["group"], "m": month}).duplicated().any()
    return bool(once and len(steps) and steps.median() >= 28 * 86400)


def _months(column: Column, seconds, groups, notes: list[str]) -> np.ndarray:
    months = seconds.astype("datetime64[s]").astype("datetime64[M]")
    count = months.astype(np.int64)
    step = _one_step(column, count, groups, lambda n: f"{n} months")
    if step != 1:
        raise problem(column.file, f"the times step by {step} months; months (MS) are the longest known step",
                      line=column.lines[0], column=column.name,
                      do="Take rows as plain steps with frequency: step in the YAML")
    day = seconds.astype("datetime64[s]").astype("datetime64[D]")
    first, last = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]") - 1
    of_month = (day - first).astype(int)
    if len(np.unique(of_month)) > 1 and (day != last).any():
        odd = int(np.flatnonzero(of_month != np.bincount(of_month).argmax())[0])
        raise column.fault(column.texts[odd], "monthly times must fall on the same day of every month, or on its end",
                           "Write the first of each month")
    if of_month.any():
        notes.append("Monthly times were moved to the first of their month.")
    _dense_enough(column, count, 1)
    return months.astype("datetime64[us]")


def _steps(column: Column, steps, groups, given: str | None, notes: list[str]):
    if given not in (None, "step"):
        raise problem(column.file, f"the times are whole numbers, but the YAML says frequency: {given}",
                      line=column.lines[0], column=column.name, do="Write dates, or frequency: step")
    usual = _one_step(column, steps, groups, lambda n: f"{n}")
    gaps = int((np.diff(np.unique(steps)) != usual).sum())
    notes.append("Times are whole numbers: rows are plain steps, without a calendar." +
                 (f" {gaps} gaps in their numbering are not filled." if gaps else ""))
    return steps, "step"
