"""The shape of somebody's table: titles above the header, headers of several lines, times across the columns.

What is unambiguous is brought into one header and one time per row; the rest is refused by the name of its shape.
"""

from __future__ import annotations

import re
from pathlib import Path

from . import csvtext, packed, stamps
from .csvtext import MISSING, Cut, Sheet, problem

ACROSS = 3  # so many times in the header are a table turned on its side
HOURS = 12  # so many hours in the header are a day in a row
_MONTH = re.compile(r"(?:19|20)\d\d\.?(?:0[1-9]|1[0-2])")  # may be a number too
_PROVISIONAL = re.compile(r"\s*(?:\(?[pe]\)|\*)$")  # marks of figures that are not final: 2024.12 p)
_HOUR = re.compile(
    r"""(?:h|hr|hour)[ _]?(\d{1,2}) | (\d{1,2})(?::00|시)?\s*(?:시?간?대)?
        | (\d{1,2})(?::00|시)?\s*[~-]\s*(\d{1,2})(?::00|시)?\s*(?:시?간?대)?""",
    re.VERBOSE | re.IGNORECASE,
)


def read(path: Path, date_format: str | None = None) -> Sheet:
    """Cells of a CSV, gzipped CSV or Parquet file under one line of header, a time per row. DataError says why not."""
    return sheet(packed.rows(path), path.name, date_format)


def sheet(found: Cut, file: str, date_format: str | None = None) -> Sheet:
    """The same of rows that were cut already."""
    _drop_titles(found)
    _one_header(found, file, date_format)
    body = Sheet(file, csvtext.columns(found.rows, found.lines, file), found.lines[1:], found.separator, found.notes)
    return _hours_down(_times_down(body))


def _drop_titles(found: Cut) -> None:
    """Leave out lines above the header: shorter than the table, while the header is a line of words."""
    sizes = [max((place for place, cell in enumerate(row, 1) if cell), default=0) for row in found.rows]
    width = max(set(sizes), key=lambda size: (sizes.count(size), size))
    first = next(place for place, size in enumerate(sizes) if size >= width)
    if 0 < first < 20 and width > 1 and not _is_data(found.rows[first][0]):
        found.notes.append(f"{first} lines above the header (line {found.lines[first]}) were left out.")
        del found.rows[:first], found.lines[:first]


def _is_data(cell: str) -> bool:
    return csvtext.is_number(cell, ";") or stamps.stamp(cell) is not None


def _one_header(found: Cut, file: str, date_format: str | None) -> None:
    """Join header lines that pandas and KOSIS write; refuse other lines between the header and the first data."""
    if date_format or len(found.rows) < 3:
        return
    count = next((place for place, row in enumerate(found.rows[1:], 1) if any(map(_is_data, row)) or _gone(row)), 1)
    if count == 1:
        return
    header, last = found.rows[0], found.rows[count - 1]
    if {len(row) for row in found.rows[:count]} != {len(header)}:
        return  # said by what counts cells
    if last[0] and not any(last[1:]):  # the name of the index below the levels of the columns
        levels, name = found.rows[: count - 1], last[0]
    elif all(row[0] == header[0] for row in found.rows[1:count]):
        levels, name = found.rows[:count], header[0]
    else:
        raise problem(file, f"'{', '.join(found.rows[1])[:60]}' stands between the header and the first row of numbers",
                      line=found.lines[1], do="Keep one header line: delete units and further headings, and say the "
                      "unit in the YAML under unit")
    body = [level[1:] for level in levels if len(set(level[1:])) > 1] or [header[1:]]
    names = [" / ".join(dict.fromkeys(filter(None, parts))) for parts in zip(*body, strict=True)]
    found.rows[:count] = [[name, *names]]
    found.lines[: count - 1] = []
    found.notes.append(f"{count} header lines were joined; levels that are the same everywhere were left out.")


def _gone(row: list[str]) -> bool:
    """A row whose numbers are all missing is no header: its first cell may be a time of another form."""
    return all(cell.lower() in MISSING for cell in row[1:]) and any(row[1:])


def _times_down(sheet: Sheet) -> Sheet:
    """Times across the header, a row per series: one row per time and series."""
    labels = {name: _PROVISIONAL.sub("", name) for name in sheet.columns}
    times = [name for name, label in labels.items() if stamps.is_time(label) or _MONTH.fullmatch(label)]
    if len(times) < max(ACROSS, len(sheet.columns) / 2):
        return sheet
    odd = [name for name in sheet.columns if name not in times and re.match(r"(?:19|20)\d\d\D?\d", name)]
    if odd:
        raise problem(sheet.file, f"times stand in the header ({times[0]} … {times[-1]}), but '{odd[0]}' is none",
                      line=1, do="Correct it, or unpivot the table: one row per time, with columns time, series, value")
    sheet.notes.append(f"The header holds {len(times)} times ({times[0]} to {times[-1]}): read as one row each.")
    return _melted(sheet, times, [labels[name] for name in times], "time")


def _hours_down(sheet: Sheet) -> Sheet:
    """Hours across the header, a row per date and series: one row per hour. Refused where a column is no hour."""
    hours = {name: found for name in sheet.columns if (found := _HOUR.fullmatch(name))}
    starts = [int(found[1] or found[2] or found[3]) for found in hours.values()]
    names, bare = list(hours), all(found[1] or name.isdecimal() for name, found in hours.items())
    first = [stamps.stamp(cells[0]) for cells in sheet.columns.values()]
    if len(hours) < (24 if bare else HOURS) or max(starts) > 24 or any(found and found.clocked for found in first):
        return sheet  # h1, h2, h3 may be anything, unless they are a whole day; rows with a clock need no hours
    if all(map(str.isdecimal, names)):
        raise problem(sheet.file, f"columns {names[0]} … {names[-1]} may be the hours of a day, or series", line=1,
                      do=f"Call hours {names[0]}시 or h{names[0]}, and series otherwise")
    odd = [name for name, found in hours.items() if found[4] and (int(found[3]) + 1 - int(found[4])) % 24]
    odd += [name for name, before, start in zip(names[1:], starts, starts[1:], strict=False) if start != before + 1]
    odd += [name for name in sheet.columns if name not in hours and re.search(r"\d\s*시", name)]
    if odd:
        where = f"hours stand in the header ({names[0]} … {names[-1]})"
        raise problem(sheet.file, f"{where}, but '{odd[0]}' is not the one hour after the column before", line=1,
                      do="Unpivot it: one row per hour, with columns time, series, value; or delete the columns that "
                         f"are not one hour ({', '.join(odd[:3])})")
    sheet.notes.append(f"The header holds {len(names)} hours ({names[0]} to {names[-1]}): read as one row each.")
    return _melted(sheet, names, [f"{start}시" for start in starts], "hour")


def _melted(sheet: Sheet, names: list[str], labels: list[str], called: str) -> Sheet:
    """Columns `names` under one another: their labels in a column of that name, their cells in `value`."""
    others = [name for name in sheet.columns if name not in names]
    taken = {called, "value"} & set(others)
    if taken:
        raise problem(sheet.file, f"{names[0]} to {names[-1]} stand in the header beside a column '{taken.pop()}'",
                      line=1, do="Write one row per time, with columns time, series, value")
    count, rows = len(names), len(sheet.lines)
    columns = {name: [cell for cell in sheet.columns[name] for _ in range(count)] for name in others}
    columns[called] = list(labels) * rows
    columns["value"] = [sheet.columns[name][row] for row in range(rows) for name in names]
    lines = [line for line in sheet.lines for _ in range(count)]
    return Sheet(sheet.file, columns, lines, sheet.separator, sheet.notes)
