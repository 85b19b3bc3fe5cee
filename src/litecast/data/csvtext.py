"""The text of somebody's CSV: bytes to characters, characters to cells, cells to numbers. Faults name file and line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none"})  # compared in lower case


def problem(file: str, rule: str, *, line: int | None = None, column: str | None = None, do: str = "") -> DataError:
    """DataError that names the file, the line as an editor counts it, the column, the rule, and what to do."""
    place = [file] + [f"line {line}"] * (line is not None) + [f"column '{column}'"] * (column is not None)
    return DataError(f"{', '.join(place)}: {rule}." + (f" {do}." if do else ""))


@dataclass
class Sheet:
    """Cells of one file as stripped text: columns by name, and the line in which each row starts."""

    file: str
    columns: dict[str, list[str]]
    lines: list[int]
    separator: str
    notes: list[str] = field(default_factory=list)


def read_bytes(path: Path) -> bytes:
    """Content of a file; DataError if it cannot be had."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise problem(str(path), "there is no such file", do="Check the path given as DATA=") from None
    except OSError as error:
        raise problem(str(path), f"cannot be read ({error})", do="Check that it is a readable file") from None


def read(path: Path) -> Sheet:
    """Cells of a CSV whose first line is its header. DataError as `problem` says."""
    found = cut(read_bytes(path), path.name)
    return Sheet(path.name, columns(found.rows, found.lines, path.name), found.lines[1:], found.separator, found.notes)


@dataclass
class Cut:
    """Rows of stripped cells, header included, as they stand; the line each starts in."""

    rows: list[list[str]]
    lines: list[int]
    separator: str = ","
    notes: list[str] = field(default_factory=list)


def cut(data: bytes, file: str) -> Cut:
    """Cells of a CSV's bytes: utf-8 or cp949, cut by comma, semicolon or tab. DataError as `problem` says."""
    text, encoding = _decode(data, file)
    if not text.strip():
        raise problem(file, "the file is empty", do="Give a header line and one line per time")
    separator = _sniff(text)
    return Cut(*_rows(text, separator, file), separator, ["Read as cp949."] if encoding == "cp949" else [])


def _decode(data: bytes, file: str) -> tuple[str, str]:
    """Text, and the encoding that fits: utf-8 with or without BOM, else cp949."""
    if b"\0" in data:
        raise problem(file, "holds zero bytes: utf-16, or no text", line=data[: data.index(0)].count(10) + 1,
                      do="Save it as UTF-8")
    reached = 0
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return data.decode(encoding), encoding
        except UnicodeError as error:
            reached = max(reached, getattr(error, "start", 0))
    raise problem(file, "is not text in utf-8 or cp949", line=data[:reached].count(10) + 1, do="Save it as UTF-8")


def _sniff(text: str) -> str:
    """The separator that cuts most of the first lines into equally many cells, and into most."""
    head = text[: 1 << 16].splitlines()[:30]

    def fit(separator: str) -> tuple[bool, float, int]:
        try:
            widths = [len(row) for row in csv.reader(head, delimiter=separator, skipinitialspace=True) if any(row)]
        except csv.Error:
            return False, 0.0, 0
        width = max(set(widths), key=widths.count, default=0)  # titles above the header are shorter
        return width > 1, widths.count(width) / max(len(widths), 1), width

    return max(",;\t", key=fit)  # a tie goes to the comma


def _rows(text: str, separator: str, file: str) -> tuple[list[list[str]], list[int]]:
    """Rows that are not blank, cells stripped, and the line each starts in (quoted cells may hold line ends)."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows, lines, start = [], [], 1
    try:
        for row in reader:
            row = [cell.strip() for cell in row]
            if any(row):
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise problem(file, f"cannot be cut into cells ({error})", line=start,
                      do="Close every quote, and double quotes inside quoted cells") from None
    return rows, lines


def columns(rows: list[list[str]], lines: list[int], file: str) -> dict[str, list[str]]:
    """Columns by name, the first row being the header; DataError unless each row has as many cells."""
    header, body = list(rows[0]), rows[1:]
    while header and not header[-1] and not any("".join(row[len(header) - 1 :]) for row in body):
        header.pop()  # separators at the end of every line
    width = len(header)
    if width < 2:
        raise problem(file, "has one column only: a time column and at least one column of values are needed",
                      line=lines[0], do="Delete titles above the header; separate cells by comma, semicolon or tab")
    if not body:
        raise problem(file, "has a header, but no rows", line=lines[0], do="Give one line per time")
    for row, line in zip(body, lines[1:], strict=True):
        if len(row) < width or any(row[width:]):
            raise problem(file, f"has {len(row)} cells, the header (line {lines[0]}) has {width}", line=line,
                          do="Quote numbers that hold the separator, and delete titles above the header")
    columns = dict(zip(header, map(list, zip(*body, strict=False)), strict=False))
    if len(columns) < width:
        twice = next(name for i, name in enumerate(header) if name in header[:i])
        raise problem(file, f"two columns are called '{twice}'", line=lines[0], do="Give every column its own name")
    if "" in columns and header[0] != "":
        raise problem(file, f"column {header.index('') + 1} has no name", line=lines[0], do="Name it in the header")
    return columns


def _number_pattern(decimal: str) -> re.Pattern:
    """Infinity, and numbers with thousands in groups of three: 1,234.5 or 1.234,5 or 1 234,5, but not 0,234."""
    group = ("," if decimal == "." else ".") + " "
    return re.compile(rf"[+-]?(?:inf(?:inity)?|(?=[0-9{decimal}])"
                      rf"(?:[1-9][0-9]{{0,2}}(?P<group>[{group}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*|[0-9]*)"
                      rf"(?:(?<=[0-9])[{decimal}][0-9]*|[{decimal}][0-9]+)?(?:e[+-]?[0-9]{{1,4}})?)",
                      re.IGNORECASE)  # fmt: skip


_NUMBER = {decimal: _number_pattern(decimal) for decimal in ".,"}
_GROUPS = {".": str.maketrans("", "", ", "), ",": str.maketrans(",", ".", ". ")}


def number(text: str, decimal: str = ".") -> float | None:
    """Value of one cell, infinity included; None if it is no number."""
    return float(text.translate(_GROUPS[decimal])) if _NUMBER[decimal].fullmatch(text) else None


def numbers(texts: list[str], decimal: str, missing: Iterable[str | float] = ()) -> tuple[list[float], list[int]]:
    """Values of a column (NaN where missing) and the places of cells that are no number.

    `missing` adds to MISSING: text is compared as it stands, numbers by value.
    """
    words, gone = {m for m in missing if isinstance(m, str)}, {m for m in missing if not isinstance(m, str)}
    values = [math.nan if text.lower() in MISSING or text in words else number(text, decimal) for text in texts]
    bad = [place for place, value in enumerate(values) if value is None]
    return [math.nan if value is None or value in gone else value for value in values], bad


def is_number(text: str, separator: str = ",") -> bool:
    """Whether a cell may be a number, whatever its decimal mark proves to be."""
    return number(text) is not None or (separator != "," and number(text, ",") is not None)


def decimal_mark(sheet: Sheet, names: Iterable[str]) -> str:
    """'.' or ',', as the cells of these columns say: values only, since dots of times are no decimal marks.

    A comma can only be the decimal mark where it does not separate. DataError if all cells read either way (1,234).
    """
    if sheet.separator == ",":
        return "."
    votes, doubtful = {".": 0, ",": 0}, None
    for name in names:
        for line, text in zip(sheet.lines, sheet.columns[name], strict=True):
            point, comma = number(text, "."), number(text, ",")
            if (point is None) != (comma is None):
                votes["." if comma is None else ","] += 1
            elif point != comma:
                doubtful = doubtful or (line, name, text)
    if doubtful and not any(votes.values()):
        line, name, text = doubtful
        raise problem(sheet.file, f"'{text}' may have a decimal mark or a thousands separator", line=line, column=name,
                      do="Say which in the YAML: decimal: '.' or decimal: ','")
    return max(votes, key=lambda mark: votes[mark])
