"""Which column of somebody's table is what: time, names of series, demand, known ahead, or none of these.

The YAML's keys decide first; then what the cells look like, and only among equals what a column is called.
"""

from __future__ import annotations

import datetime
import difflib
import re
from dataclasses import dataclass, field
from functools import cached_property

from . import stamps
from .csvtext import MISSING, Sheet, is_number, problem
from .headings import COUNTERS, DATES, HOURS, SERIES, TIMES, VALUES, of_codes, of_days, of_demand, of_weather, word
from .ownyaml import Settings

SAMPLE = 200  # cells of a column that are looked at

@dataclass
class Roles:
    """Columns by what they are."""

    time: list[str]  # one, a date and an hour, or year, month, day (and hour)
    keys: list[str]  # their texts, joined, name the series of a long table; none: a wide one
    values: list[str]
    known: list[str] = field(default_factory=list)


def find(sheet: Sheet, own: Settings) -> Roles:
    """Roles of the columns; what is left out is told in sheet.notes. DataError for what could be read two ways."""
    return _Finder(sheet, own).roles()


class _Finder:
    """The sheet, what is known of its columns so far, and why others are left out."""

    def __init__(self, sheet: Sheet, own: Settings):
        self.sheet, self.own, self.left = sheet, own, {}
        for key in ("time", "series", "value", "known"):
            for name in getattr(own, key):
                self._there(key, name)

    def roles(self) -> Roles:
        """Time first, then what names series, then demand."""
        time = self._time()
        others = [name for name in self.sheet.columns if name not in time]
        self.others = [name for name in others if self._counts(name, time)]
        if not self.others:
            raise problem(self.sheet.file, "has times, but no column of values", line=1,
                          do="Add at least one column of numbers")
        self.times = list(zip(*(self.sheet.columns[name] for name in time), strict=True))
        keys = self.own.series or self._keys()
        values = self.own.value or self._values(keys)
        known = [name for name in self.own.known if name not in values]
        self._say(time, keys, values, known)
        return Roles(time, keys, values, known)

    # ---- what a column looks like

    def cells(self, name: str) -> list[str]:
        """Some filled cells of a column, spread over it."""
        texts = self.sheet.columns[name]
        return [text for text in texts[:: len(texts) // SAMPLE + 1] if text.lower() not in MISSING]

    def _share(self, name: str, test) -> float:
        cells = self.cells(name)
        return sum(map(bool, map(test, cells))) / len(cells) if cells else 0.0

    @cached_property
    def numeric(self) -> list[str]:
        """Columns of which at least half the cells are numbers, or that have none."""
        return [name for name in self.others if not self.cells(name) or
                self._share(name, lambda text: is_number(text, self.sheet.separator)) >= 0.5]  # fmt: skip

    def kinds(self, name: str) -> int:
        """How many texts a column has."""
        return len(set(self.sheet.columns[name]))

    def _counts(self, name: str, time: list[str]) -> bool:
        """Whether a column may count for something; row numbers and further dates are left out."""
        if name in (*self.own.series, *self.own.value, *self.own.known):
            return True
        places = list(self.sheet.columns)
        counter = word(name) in COUNTERS or "unnamed" in word(name) or places.index(name) < places.index(time[0])
        if name == "" or (counter and _numbered(self.sheet.columns[name])):
            self.left[name] = "row numbers"
        elif word(name) in TIMES and all(map(str.isdecimal, self.cells(name))):
            self.left[name] = "further times"
        elif self._share(name, stamps.is_time) > 0.9:
            self.left[name] = "dates"
        return name not in self.left

    # ---- time

    def _time(self) -> list[str]:
        sheet, own = self.sheet, self.own
        if own.time:
            return own.time
        if any(map(stamps.is_time, sheet.columns)):
            raise problem(sheet.file, "the first line is data, not a header", line=1,
                          do="Put a line of column names above it, e.g. time,value")
        dates = [name for name in sheet.columns
                 if self._share(name, stamps.is_time) > 0.9 or self._share(name, stamps.is_period) > 0.9]  # fmt: skip
        named = sorted((name for name in sheet.columns if word(name) in TIMES), key=lambda n: TIMES.index(word(n)))
        if own.date_format:
            fitting = [name for name in sheet.columns if self._share(name, self._fits) > 0.9]
            return ([name for name in named if name in fitting] or fitting or named or list(sheet.columns))[:1]
        best = [name for name in named if name in dates] or dates
        if len(best) > 1 and not set(named) & set(dates):
            raise problem(sheet.file, f"several columns hold dates: {', '.join(dates)}", line=1,
                          do=f"Say which is the time in the YAML, e.g. time: {dates[0]}")
        if best:
            return self._with_hour(best[0])
        return self._parts() or [self._weak(named)]

    def _weak(self, named: list[str]) -> str:
        """Numbers that may be times: by the name of the column, else the first one."""
        sheet = self.sheet
        if named:
            return named[0]
        first = next(iter(sheet.columns))
        cell = sheet.columns[first][0]
        numbers = next((name for name in sheet.columns if self._share(name, stamps.stamp) > 0.9
                        or (self.cells(name) and stamps.may_be_epoch(self.cells(name)))), None)  # fmt: skip
        if numbers:
            return numbers
        self._no_hidden_times(first)
        if not (stamps.stamp(cell) or is_number(cell, ";")):
            raise problem(sheet.file, f"no column of times: none is called time, date or 일시, and '{cell}' is no time",
                          line=sheet.lines[0], column=first,
                          do="Write times as 2024-01-31 13:00 in a column called `time`, or name their form in the "
                             "YAML: time: column, date_format: '%d %b %Y'")
        return first

    def _no_hidden_times(self, first: str) -> None:
        """DataError where row numbers would be the time, while a column of texts may be times of an unknown form."""
        rows = len(self.sheet.lines)
        for name in self.sheet.columns:
            if (_numbered(self.sheet.columns[first]) and self.kinds(name) >= rows / 2
                    and self._share(name, lambda text: re.search(r"\d", text)) > 0.9
                    and self._share(name, lambda text: is_number(text, self.sheet.separator)) < 0.5):  # fmt: skip
                raise problem(self.sheet.file, f"'{self.cells(name)[0]}' is no time that litecast knows", column=name,
                              line=self.sheet.lines[0], do="Write times as 2024-01-31 13:00, or name their form in the "
                              f"YAML (date_format: '%d %b %Y'); if the times are {first}, say time: {first}")

    def _fits(self, text: str) -> bool:
        try:
            return bool(datetime.datetime.strptime(text, self.own.date_format))
        except ValueError:
            return False

    def _with_hour(self, date: str) -> list[str]:
        """A column of dates, each in several rows, with the column of hours beside it, if there is one."""
        clocked = self._share(date, lambda text: (found := stamps.stamp(text)) and found.clocked)
        if clocked or len(self.sheet.lines) < 1.5 * self.kinds(date):
            return [date]
        hours = [name for name in self.sheet.columns if name != date and self._hourly(name)]
        return [date, *hours[:1]]

    def _hourly(self, name: str) -> bool:
        """Hours: texts as 00시, 오후 1시 and 13:00, or numbers up to 24 under a word for hours."""
        cells = self.cells(name)
        clocks = [stamps.clock(cell) for cell in cells]
        if not cells or any(found is None or int(found[0]) > 24 for found in clocks):
            return False
        plain = all(map(str.isdecimal, cells))
        return len(set(cells)) > 1 and (not plain or bool(HOURS.search(word(name))))

    def _parts(self) -> list[str]:
        """Columns of year, month and day (and hour), in this order; none without year and month."""
        found = [next((name for name in self.sheet.columns if word(name) in words), None) for words in DATES]
        if None in found[:2] or self._share(found[0], lambda text: re.fullmatch(r"(?:19|20)\d\d(?:년|\.0)?", text)) < 1:
            return []
        hours = [name for name in self.sheet.columns if name not in found and self._hourly(name)] if found[2] else []
        return [*filter(None, found), *hours[:1]]

    # ---- names of series

    def _keys(self) -> list[str]:
        """Columns that name the series of a long table; none where a time has one value in each column."""
        rows = len(self.sheet.lines)
        repeated = rows >= 1.5 * len(set(self.times))
        words = [name for name in self.others if name not in self.numeric]

        def tells(name: str) -> bool:  # a number may be a code only where every time stands several times
            return self.kinds(name) < rows and (name in words or repeated or self.kinds(name) == 1)

        named = [name for name in self.others if word(name) in SERIES and name not in self.own.value and tells(name)]
        exact = [name for name in named if word(name) == "series"]
        if exact:
            return exact
        texts = [name for name in self.others if repeated and name not in named and tells(name) and (
            of_codes(name) or (name in words and not self._measured(name)))]  # fmt: skip
        varying = [name for name in named + texts if self.kinds(name) > 1]
        if varying:
            return self._fewest(varying, named)
        self._unnamed_codes(repeated)
        constant = sorted(named, key=self._coded)[:1] or [n for n in words if self.kinds(n) == 1]
        one = len(constant) == 1 and len(self._demand([name for name in self.numeric if name not in named])) == 1
        return constant if one else []

    def _fewest(self, keys: list[str], named: list[str]) -> list[str]:
        """Without codes beside names, groups that a series lies in, and remarks that tell no rows apart."""
        kept = list(keys)
        for name in sorted(keys, key=lambda n: (n in named, not self._coded(n))):  # least likely first
            rest = [other for other in kept if other != name]
            if rest and self._follows(name, rest):
                self.left[name] = "follows from " + " and ".join(rest)
            elif name not in named and self._tell_apart(rest):
                self.left[name] = "remarks"
            else:
                continue
            kept = rest
        return [name for name in self.sheet.columns if name in kept]

    def _coded(self, name: str) -> bool:
        """A code rather than a name that people use."""
        return name in self.numeric or of_codes(name)

    def _follows(self, name: str, others: list[str]) -> bool:
        """Whether one other column says what this one does: it has one text for each of theirs."""
        texts = self.sheet.columns[name]
        return any(len(set(zip(self.sheet.columns[other], texts, strict=True))) == self.kinds(other)
                   for other in others)  # fmt: skip

    def _tell_apart(self, keys: list[str]) -> bool:
        """Whether time and these columns leave no two values for any number; a blank yields to a value."""
        rows = list(zip(self.times, *(self.sheet.columns[name] for name in keys), strict=True))
        for name in self.own.value or self._demand([name for name in self.numeric if name not in keys]):
            seen: dict = {}
            cells = ((row, cell) for row, cell in zip(rows, self.sheet.columns[name], strict=True)
                     if cell.lower() not in MISSING)  # fmt: skip
            if any(seen.setdefault(row, cell) != cell for row, cell in cells):
                return False
        return True

    def _unnamed_codes(self, repeated: bool) -> None:
        """DataError where only a number under an unknown word can tell the rows of one time apart."""
        if not repeated or self._tell_apart([]):
            return
        few = [name for name in self.numeric if 1 < self.kinds(name) <= len(self.times) / 4]
        codes = [name for name in few if all(map(str.isdecimal, self.cells(name))) and self._tell_apart([name])]
        if codes:
            raise problem(self.sheet.file, f"every time stands several times; {', '.join(codes)} may name the series",
                          line=1, do=f"If so, say in the YAML series: {codes[0]}; several columns are joined: "
                                     "series: [store, item]")

    # ---- demand

    def _values(self, keys: list[str]) -> list[str]:
        codes = [name for name in self.others if (word(name) in SERIES or of_codes(name)) and self.kinds(name) == 1]
        candidates = [name for name in self.others if name not in (*keys, *codes, *self.own.known, *self.left)]
        numbers = [name for name in candidates if name in self.numeric]
        if not keys:
            units = [name for name in candidates if name not in numbers and self._measured(name)]
            if not numbers and not units:
                self._no_numbers(candidates)
            return [name for name in candidates if name in units or name in self._demand(numbers)]
        named = [[name for name in candidates if word(name) in words] for words in VALUES]
        found = next((names for names in named if names), None) or self._moving(self._demand(numbers), keys)
        wanted = [name for name in found if of_demand(name)]
        if len(found) > 1 and len(wanted) != 1:
            raise problem(self.sheet.file, f"several columns may hold the values: {', '.join(found)}", line=1,
                          do=f"Say which in the YAML, e.g. value: {found[-1]}, or call the right one `value`; if one "
                             f"names the series, series: [{', '.join([*keys, found[0]])}]")
        found = wanted or found
        return found or self._no_numbers(candidates)

    def _moving(self, numbers: list[str], keys: list[str]) -> list[str]:
        """Numbers that are not the same in every row of a series, as its place or size is; all, if none moves."""
        series = list(zip(*(self.sheet.columns[name] for name in keys), strict=True))
        kinds = len(set(series))
        still = [name for name in numbers
                 if len(set(zip(series, self.sheet.columns[name], strict=True))) == kinds]  # fmt: skip
        return [name for name in numbers if name not in still] or numbers

    def _no_numbers(self, names: list[str]):
        name = names[0] if names else self.others[0]
        cell = next(iter(self.cells(name)), "")
        raise problem(self.sheet.file, f"no column holds numbers; '{cell}' is not a number", line=self.sheet.lines[0],
                      column=name, do="Add a column of numbers, or delete remarks")

    def _demand(self, numbers: list[str]) -> list[str]:
        """Numbers without those that only describe: empty columns, flags, calendar and weather; all, if none is left.

        In a table that is mostly weather, and has no word for demand, the weather is what is forecast.
        """
        filled = [name for name in numbers if self.cells(name)]
        days = [name for name in filled if of_days(name) or set(self.sheet.columns[name]) == {"0", "1"}]
        weather = [name for name in filled if of_weather(name) and name not in days]
        plain = [name for name in filled if name not in (*days, *weather)]
        if any(map(of_demand, plain)) or days or len(plain) >= len(weather):
            return plain or weather or filled or numbers
        return plain + weather

    def _measured(self, name: str) -> bool:
        """Numbers with units or in brackets, which are no remarks: 5%, 1,402개, (1,000)."""
        return self.kinds(name) > 1 and self._share(name, lambda text: re.match(r"[(+-]?\s*[\d.]", text)) > 0.5

    # ---- words

    def _say(self, time: list[str], keys: list[str], values: list[str], known: list[str]) -> None:
        notes, sheet = self.sheet.notes, self.sheet
        if len(time) > 1:
            notes.append(f"Times are {' and '.join(time)} joined.")
        if len(keys) > 1:
            notes.append(f"Series are named by {' / '.join(keys)}.")
        if known:
            notes.append(f"Known ahead: {', '.join(known)}.")
        left = [name for name in sheet.columns if name not in (*time, *keys, *values, *known)]
        if len(values) > 1 and not self.own.value and any(of_days(name) or of_weather(name) for name in left):
            notes.append(f"Forecast together: {', '.join(values)}.")
        if left:
            listed = ", ".join(f"{name or 'the first one'} ({self._why(name, values)})" for name in left)
            more = "; the YAML's `value` and `known` take columns in" * any(
                name in self.numeric and self.cells(name) for name in set(left) & set(self.others))  # fmt: skip
            notes.append(f"Columns left out: {listed}{more}.")

    def _why(self, name: str, values: list[str]) -> str:
        if name in self.left or self.own.value:
            return self.left.get(name, "not in value")
        if name not in self.numeric:
            return "text"
        if not self.cells(name):
            return "empty"
        if self.kinds(name) < 3:
            return "a flag or constant"
        return "no demand by its name" if of_days(name) or of_weather(name) else f"beside {values[0]}"

    def _there(self, key: str, name: str) -> None:
        if name not in self.sheet.columns:
            near = difflib.get_close_matches(name, self.sheet.columns, 1)
            raise problem(self.sheet.file, f"the YAML says {key}: {name}, but no column is called that", line=1,
                          do=(f"Did you mean '{near[0]}'? " if near else "") +
                          f"Columns: {', '.join(list(self.sheet.columns)[:20])}")  # fmt: skip


def _numbered(texts: list[str]) -> bool:
    """1, 2, 3 … or 0, 1, 2 …, one by one."""
    first = texts[0]
    return first in ("0", "1") and len(texts) > 2 and all(
        text == str(number) for number, text in enumerate(texts, int(first)))  # fmt: skip
