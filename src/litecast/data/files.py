"""Your own data: a table, long or wide, and an optional small YAML beside it (docs/own-data.md). Nothing is written.

plain reads what needs no interpretation. All else: packed (kinds of files), csvtext (cells) -> shapes (one header, one
time a row) -> columns (their roles) -> stamps and zones (times) -> grid (frequency) -> here: one value per time and
series, checked. Both: -> worth (what a study can use of it).
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from . import csvtext, ownyaml
from .csvtext import Sheet, problem
from .frame import Header, SeriesFrame, default_L_H, default_season
from .headings import JOINED
from .ownyaml import Settings, settings

if TYPE_CHECKING:
    import pandas as pd

    from .columns import Roles

HUGE = 1e15  # beyond it, sums of squares and float32 inputs mean nothing


def locate(path: str | Path) -> dict[str, str]:
    """{"source", "path", "sha256", "split"} of an own file; the hash covers its YAML too. DataError if unreadable."""
    path = Path(path)
    beside = ownyaml.beside(path)
    content = csvtext.read_bytes(path) + (b"\0" + beside.read_bytes() if beside else b"")
    return {"source": "files", "path": str(path.resolve()), "sha256": hashlib.sha256(content).hexdigest(),
            "split": settings(path).split}  # the planner asks whether there are published tables for it


def slug(path: str | Path) -> str:
    """Dataset name of an own file: the YAML's `name`, else the file's, in small letters, digits and hyphens."""
    path = Path(path)
    return _slug(settings(path).name) or _slug(ownyaml.stem(path)) or "own-data"


def load(name: str, entry: dict) -> SeriesFrame:
    """The frame of an entry of data.lock, as every source has it."""
    return read(entry["path"])


def read(path: str | Path) -> SeriesFrame:
    """Series frame of a file and the YAML beside it; values in the file's own unit, repairs told in header.note.

    Raises DataError naming file, line (as an editor counts) and rule for anything that cannot be read for certain, and
    for what no study could use: too short, or too much missing in every series.
    """
    from . import plain, shapes

    path = Path(path)
    own = settings(path)
    if found := plain.read(path, own):
        with contextlib.suppress(DataError):  # who interprets the file says what is wrong with it, and in which line
            return _frame(path, own, found.table, found.frequency, Sheet(path.name, {}, [0], ",", found.notes))
    sheet = shapes.read(path, own.date_format)
    table, roles, frequency = _table(sheet, own)
    return _frame(path, own, table[["time", "series", "value", *roles.known]], frequency, sheet)


def _frame(path: Path, own: Settings, table: pd.DataFrame, frequency: str, sheet: Sheet) -> SeriesFrame:
    """The frame of rows in order; further columns are known ahead."""
    from . import worth

    header = _header(path, own, frequency, sheet)
    _check_length(table, header, sheet)
    _check_country(header, sheet)
    kinds = dict.fromkeys(table.columns[3:], "known")
    return worth.told(SeriesFrame(header, table.reset_index(drop=True), kinds).check(), sheet.file, sheet.notes)


def history(sheet: Sheet, own: Settings = Settings()) -> tuple[pd.DataFrame, str]:  # noqa: B008 (frozen)
    """Rows to forecast from, read as `read` does however few there are: values (T, C), index time, gaps NaN, a column
    per series as they first appear; and their frequency. Raises DataError for what cannot be read for certain."""
    table, _, frequency = _table(sheet, own)
    L, H = default_L_H(frequency)  # noqa: N806
    header = Header(sheet.file, own.unit, frequency, default_season(frequency), L, H)
    return SeriesFrame(header, table[["time", "series", "value"]]).wide(), frequency


def _table(sheet: Sheet, own: Settings) -> tuple[pd.DataFrame, Roles, str]:
    """Checked rows, one for each time and series, in order; the roles of the columns; the frequency."""
    from . import columns

    roles = columns.find(sheet, own)
    table, frequency = _long(sheet, roles, own)
    table = _one_value_each(table, sheet)
    _check_values(table, sheet.file, own)
    return table, roles, frequency


def _slug(text: str | None) -> str:
    return re.sub(r"[\W_]+", "-", (text or "").lower()).strip("-")


def _long(sheet: Sheet, roles: Roles, own: Settings) -> tuple[pd.DataFrame, str]:
    """Rows of time, series, value, known columns, line, column (of the file) in file order, and the frequency."""
    import numpy as np
    import pandas as pd

    _no_empty_names(sheet, roles.keys)
    keys = np.array(_together(sheet, roles.keys, JOINED.join) or [""] * len(sheet.lines), object)
    numbers = [*roles.values, *roles.known]
    decimal = own.decimal or csvtext.decimal_mark(sheet, numbers)
    read = {name: csvtext.numbers(sheet.columns[name], decimal, own.missing) for name in numbers}
    _no_bad_cells(sheet, read)
    kept, values = _without(sheet, keys, roles, own)
    times, inside, frequency = _times(sheet, roles.time, own, decimal, keys, kept)
    keys, lines, width = keys[inside], np.array(sheet.lines)[inside], len(values)
    table = {"time": np.repeat(times, width), "series": _names(keys, values, roles),
             "value": np.column_stack([read[name][0] for name in values])[inside].ravel(),
             **{name: np.repeat(np.array(read[name][0])[inside], width) for name in roles.known},
             "line": np.repeat(lines, width), "column": np.tile(np.array(values, object), len(times))}  # fmt: skip
    return pd.DataFrame(table).astype({"series": object}), frequency


def _names(keys, values: list[str], roles: Roles):
    """Name of the series of each row and column of values, row by row."""
    import numpy as np

    if not roles.keys:
        return np.tile(np.array(values, object), len(keys))
    if len(roles.values) == 1:
        return np.repeat(keys, len(values))
    return np.array([f"{key}{JOINED}{name}" for key in keys for name in values], object)


def _without(sheet: Sheet, keys, roles: Roles, own: Settings):
    """Rows (n,) bool and columns of values that stay when the YAML's leave_out names series."""
    import numpy as np

    out = set(own.leave_out)
    there = set(keys) if roles.keys else set(roles.values)
    unknown = sorted(out - there)
    if unknown:
        near = difflib.get_close_matches(unknown[0], there, 1)
        raise problem(sheet.file, f"the YAML says leave_out: {unknown[0]}, but no series is called that",
                      do=(f"Did you mean '{near[0]}'? " if near else "") + f"Series: {', '.join(sorted(there)[:20])}")
    if out:
        sheet.notes.append(f"Left out, as the YAML says: {', '.join(own.leave_out)}.")
    kept = np.array([key not in out for key in keys]) if roles.keys else np.ones(len(keys), bool)
    values = [name for name in roles.values if roles.keys or name not in out]
    if not kept.any() or not values:
        raise problem(sheet.file, "the YAML leaves out every series", do="Take some from leave_out")
    return kept, values


def _times(sheet: Sheet, names: list[str], own: Settings, decimal: str, keys, kept):
    """Times on one grid of the rows that stay, which rows (n,) bool these are, and the frequency."""
    import numpy as np
    import pandas as pd

    from . import grid, stamps, zones

    texts = _together(sheet, names, _joined)
    column = stamps.Column(sheet.file, " + ".join(names), texts, sheet.lines).at(kept)
    groups = pd.factorize(keys[kept])[0]
    times = stamps.parse(column, decimal, own.date_format, own.timezone, own.frequency == "step", sheet.notes)
    if isinstance(times, pd.DatetimeIndex):
        times = zones.to_standard(column, times, own.timezone, groups, sheet.notes)
    inside = _inside(times, own, sheet)
    times, column, groups = times[inside], column.at(inside), groups[inside]
    order = np.argsort(groups, kind="stable")
    back = np.diff(np.asarray(times).astype(np.int64)[order]) < 0
    if (back & (np.diff(groups[order]) == 0)).any():
        sheet.notes.append("Rows were not in order of time: sorted.")
    times, frequency = grid.regular(column, times, groups, own.frequency, sheet.notes)
    rows = np.flatnonzero(kept)[inside]
    return times, np.isin(np.arange(len(kept)), rows), frequency


def _together(sheet: Sheet, names: list[str], join) -> list[str]:
    """The texts of columns joined row by row; one column as it is."""
    columns = [sheet.columns[name] for name in names]
    return columns[0] if len(columns) == 1 else [join(cells) for cells in zip(*columns, strict=True)]


def _joined(cells: tuple[str, ...]) -> str:
    """2024-01-31 from year, month, day; a date and an hour with a blank between."""
    if len(cells) > 1 and re.fullmatch(r"\d{4}(?:년|\.0)?", cells[0]):
        digits = [re.sub(r"\D.*", "", cell) for cell in cells[:3]]
        return " ".join(["-".join(digits), *(_hour(cell) for cell in cells[3:])])
    return " ".join([cells[0], *(_hour(cell) for cell in cells[1:])])


def _hour(cell: str) -> str:
    return f"{int(cell)}:00" if cell.isdecimal() else cell


def _inside(times, own: Settings, sheet: Sheet):
    """Which rows (n,) lie within the YAML's start and end; a date as the end means all of its day."""
    import numpy as np
    import pandas as pd

    inside = np.ones(len(times), bool)
    for key, given in (("start", own.start), ("end", own.end)):
        if given is None:
            continue
        try:
            limit = pd.Timestamp(str(given)) if isinstance(times, pd.DatetimeIndex) else int(str(given))
        except ValueError:
            raise problem(sheet.file, f"the YAML says {key}: {given}, which is no time as those of the file",
                          do="Write 2024-01-31, 2024-01-31 13:00, or the number of a step") from None
        if key == "start":
            inside &= times >= limit
        elif isinstance(limit, int) or ":" in str(given):
            inside &= times <= limit
        else:  # all of that day
            inside &= times < limit + pd.Timedelta("1D")
    if not inside.any():
        raise problem(sheet.file, f"no row lies between start and end of the YAML; the file has {min(times)} to "
                      f"{max(times)}", do="Correct start and end")
    if not inside.all():
        sheet.notes.append(f"{int((~inside).sum())} of {len(inside)} rows lie outside start and end: left out.")
    return inside


def _no_empty_names(sheet: Sheet, keys: list[str]) -> None:
    for name in keys:
        if "" in sheet.columns[name]:
            raise problem(sheet.file, "the name of the series is empty", column=name,
                          line=sheet.lines[sheet.columns[name].index("")], do="Fill it in, or delete the line")


def _no_bad_cells(sheet: Sheet, read: dict) -> None:
    bad = sorted((place, name) for name in read for place in read[name][1])
    if not bad:
        return
    place, name = bad[0]
    raise problem(sheet.file, f"'{sheet.columns[name][place]}' is not a number ({len(bad)} such cells)",
                  line=sheet.lines[place], column=name,
                  do="Write plain numbers, list what means missing in the YAML under missing, or name the columns of "
                     "demand there, e.g. value: [sales]")


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
                         "Europe/Berlin; if columns name the series, name them, e.g. series: [store, item]")
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
                  source=own.source or sheet.file, licence=own.licence, sha256=locate(path)["sha256"])  # fmt: skip


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
