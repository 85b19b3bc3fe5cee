"""Tables as portals hand them out, in blocks of rows: what a file is, its first bytes say, never its name.

Workbooks (calamine), HTML called .xls (lxml), text in utf-8 or cp949 cut by , | ; or tab (pyarrow), each also packed as
gzip or zip. A source says where its columns are with a `header` function; all else here knows no source.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from litecast.errors import DataError

LOOK = 30  # rows in which a header must stand
_HEAD = 1 << 16  # bytes
_CHUNK = 1 << 24  # bytes of text that are read at a time
_ROWS = 20_000  # rows of a workbook or a page that are converted at a time
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_DAY = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|\D\s?(\d{1,2})\D\s?(\d{1,2})\D?)")  # digits alone: all eight, or it is cut
_AGAIN = "Download it again"


@dataclass(frozen=True)
class Head:
    """What a header function found: column names, rows before the data, positions of needed columns, what it is."""

    names: list[str]
    skip: int
    use: list[int]
    role: str = "data"
    more: dict = field(default_factory=dict)


class Lacks(Exception):  # noqa: N818 (a finding: the reader adds the file and raises DataError)
    """Raised by a header function: this is the table, but the named column is not there."""


Header = Callable[[list[list[str]]], Head | None]  # of the first LOOK rows of a table; None: not such a table
Opener = Callable[[], BinaryIO]


@dataclass
class Block:
    """Rows that follow one another. cells: position -> pyarrow binary array or list of Python values, one per row."""

    file: str
    head: Head
    cells: dict[int, pa.Array | list]
    first: int  # number of its first row, as a spreadsheet or editor counts
    encoding: str = "utf-8"

    def __len__(self) -> int:
        return len(next(iter(self.cells.values())))

    def texts(self, column: int, rule: Callable[[str], str] = str) -> pd.Categorical:
        """Texts of a column without blanks around them and with full-width characters as usual ones, then by `rule`."""
        codes, words = self._words(column)
        new, found = pd.factorize(np.array([rule(word) for word in words], dtype=object))
        return pd.Categorical.from_codes(new[codes], [str(word) for word in found])

    def numbers(self, column: int) -> np.ndarray:
        """Values of a column (n,) float64; NaN where the cell is blank or '-'. Thousands commas are read.

        Raises DataError naming file, row and cell for anything else.
        """
        quick = self._quick(column)
        if quick is not None:
            return quick
        codes, words = self._words(column)
        values = [_number(word) for word in words]
        if None in values:
            bad = values.index(None)
            raise self.fault(int(np.argmax(codes == bad)), f"'{words[bad]}' is no number", column=column)
        return np.array(values, dtype=float)[codes]

    def dates(self, column: int) -> np.ndarray:
        """Days of a column (n,) datetime64[D]: 20240131, 2024-01-31, 2024.1.31 or a date cell. DataError else."""
        codes, words = self._words(column)
        days = [_day(word) for word in words]
        if None in days:
            bad = days.index(None)
            raise self.fault(int(np.argmax(codes == bad)), f"'{words[bad]}' is no date", column=column,
                             do="Dates look like 20240131 or 2024-01-31")
        return np.array(days, dtype="datetime64[D]")[codes]

    def fault(self, row: int, rule: str, column: int | None = None, do: str = _AGAIN) -> DataError:
        """DataError naming file, row (0 = first of this block), column, rule and what to do."""
        name = "" if column is None else f", column {self.head.names[column] or column + 1}"
        return DataError(f"{self.file}, row {self.first + row}{name}: {rule}. {do}.")

    def _quick(self, column: int) -> np.ndarray | None:
        """Values where all cells are plain numbers, else None."""
        cells = self.cells[column]
        try:
            if isinstance(cells, list):
                if any(isinstance(cell, (str, bool)) for cell in cells):
                    return None
                return np.array(cells, dtype=float)
            return pc.cast(pc.ascii_trim_whitespace(cells.cast(pa.string())), pa.int64()).to_numpy().astype(float)
        except (pa.ArrowInvalid, TypeError, ValueError):
            return None

    def _words(self, column: int) -> tuple[np.ndarray, list[str]]:
        """Place of each row's text in a list of texts."""
        cells = self.cells[column]
        if isinstance(cells, list):
            codes, words = pd.factorize(np.array([text(cell) for cell in cells], dtype=object))
            return codes, list(words)
        coded = pc.dictionary_encode(cells)
        codes = coded.indices.to_numpy()
        return codes, [self._decoded(word, codes, place) for place, word in enumerate(coded.dictionary.to_pylist())]

    def _decoded(self, word: bytes, codes: np.ndarray, place: int) -> str:
        try:
            return text(word.decode(self.encoding))
        except UnicodeError:
            raise self.fault(int(np.argmax(codes == place)), f"{word!r} is not text in {self.encoding}") from None


def text(cell) -> str:
    """What a cell says: no blanks around it, 1.0 as 1, dates as 2024-01-31, full-width characters as usual ones."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, (datetime, date)):
        return f"{cell:%Y-%m-%d}"
    return unicodedata.normalize("NFKC", str(cell)).strip().strip("\ufeff")


def word(name: str) -> str:
    """A column name to compare: without any blanks or quotes."""
    return re.sub(r"[\s\"']+", "", name)


def _number(cell: str) -> float | None:
    if cell in ("", "-"):
        return np.nan
    plain = cell.replace(",", "").replace(" ", "")
    return float(plain) if _NUMBER.fullmatch(plain) else None


def _day(cell: str) -> date | None:
    found = _DAY.fullmatch(cell)
    try:
        return date(*(int(part) for part in found.groups() if part)) if found else None
    except ValueError:
        return None


# --- files


def blocks(path: Path, header: Header, wanted: str) -> Iterator[Block]:
    """Blocks of rows of all tables of a file that `header` knows. wanted: what the file should be, for the error.

    Raises DataError naming file, row, rule and what to do: no such table, damaged, cut off, a web page, wrong encoding.
    """
    count = 0
    try:
        for block in _any(path.name, lambda: path.open("rb"), header):
            count += 1
            yield block
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name}: is cut off or damaged ({error}). {_AGAIN}.") from None
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error}). Check that it is a readable file.") from None
    if not count:
        raise DataError(f"{path.name}: is not {wanted}. {_AGAIN}, or name the source it belongs to.")


def _any(file: str, opened: Opener, header: Header) -> Iterator[Block]:
    with opened() as stream:
        start = stream.read(1024)
    if not start.strip():
        raise DataError(f"{file}: is empty. {_AGAIN}.")
    if start[:2] == b"\x1f\x8b":
        yield from _any(file, lambda: gzip.open(opened()), header)
    elif start[:4] == b"PK\x03\x04":
        yield from _zip(file, opened, header)
    elif start[:4] == b"\xd0\xcf\x11\xe0":
        yield from _workbook(file, opened, header)
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        yield from _page(file, opened, header)
    else:
        yield from _text(file, opened, header)


def _zip(file: str, opened: Opener, header: Header) -> Iterator[Block]:
    with opened() as stream, zipfile.ZipFile(stream) as packed:
        members = [info for info in packed.infolist() if not info.is_dir()]
        if any(info.filename.startswith("xl/") for info in members):
            yield from _workbook(file, opened, header)
            return
        for info in members:
            yield from _any(f"{file}/{member(info)}", lambda info=info: packed.open(info), header)


def member(info: zipfile.ZipInfo) -> str:
    """Name in a zip: Korean ones are often in cp949 (or utf-8) without saying so, and Python takes that for cp437."""
    for encoding in () if info.flag_bits & 0x800 else ("utf-8", "cp949"):
        try:
            return info.filename.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
    return info.filename


def _workbook(file: str, opened: Opener, header: Header) -> Iterator[Block]:
    """All sheets with a known header. A sheet is decoded whole (about 30 bytes a cell), then converted in pieces."""
    from python_calamine import CalamineError, CalamineWorkbook

    with opened() as stream:
        data = io.BytesIO(stream.read())
    try:
        book = CalamineWorkbook.from_filelike(data)
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            if sheet.start is not None:
                yield from _rows(f"{file} ({name})", sheet.iter_rows(), header)
    except CalamineError as error:
        raise DataError(f"{file}: is no workbook that can be read ({error}). {_AGAIN}, without a password.") from None


def _page(file: str, opened: Opener, header: Header) -> Iterator[Block]:
    """The table of an HTML page: downloads called .xls are one."""
    from lxml import etree

    with opened() as stream:
        encoding = _encoding(file, stream.read(_HEAD))
    count = 0
    try:
        with opened() as stream:
            for block in _rows(file, _page_rows(stream, encoding), header):
                count += 1
                yield block
    except etree.LxmlError as error:
        raise DataError(f"{file}: the table of this page cannot be read ({error}). {_AGAIN}.") from None
    if not count:
        raise DataError(f"{file}: is a web page without the table expected (a login or error page?). Log in at the "
                        "portal and download it again.")


def _page_rows(stream: BinaryIO, encoding: str) -> Iterator[list[str]]:
    """Cells of every row of a page; a cell over several rows or columns stands in each of them."""
    from lxml import etree

    below: dict[int, tuple[int, str]] = {}  # column -> rows that a cell above still covers, its text
    for _, tr in etree.iterparse(stream, tag="tr", html=True, encoding=encoding.removesuffix("-sig"), huge_tree=True):
        row: list[str] = []
        above, below = below, {}
        for cell in [*tr.iterchildren("td", "th"), None]:
            while len(row) in above:
                _extend(row, below, *above[len(row)], 1)
            if cell is not None:
                said = " ".join("".join(cell.itertext()).split())
                _extend(row, below, _span(cell, "rowspan"), said, _span(cell, "colspan"))
        tr.clear()
        while tr.getprevious() is not None:
            del tr.getparent()[0]
        yield row


def _extend(row: list[str], below: dict, rows: int, said: str, columns: int) -> None:
    for _ in range(columns):
        if rows > 1:
            below[len(row)] = (rows - 1, said)
        row.append(said)


def _span(cell, name: str) -> int:
    given = cell.get(name, "1").strip()
    return min(max(int(given), 1), 1000) if given.isdigit() else 1


def _rows(file: str, rows: Iterable[list], header: Header) -> Iterator[Block]:
    """Blocks of rows of Python values; none if no header is found."""
    rows = iter(rows)
    start = list(itertools.islice(rows, LOOK))
    head = _head(file, header, [[text(cell) for cell in row] for row in start])
    if head is None:
        return
    first, rest = head.skip + 1, itertools.chain(start[head.skip :], rows)
    while piece := list(itertools.islice(rest, _ROWS)):
        for blank, run in itertools.groupby(enumerate(piece, first), lambda item: _blank(item[1])):
            if not blank:  # a block has no blank row within, so that faults name the right one
                numbers, group = zip(*run, strict=True)
                cells = {i: [row[i] if i < len(row) else None for row in group] for i in head.use}
                yield Block(file, head, cells, numbers[0])
        first += len(piece)


def _blank(row: list) -> bool:
    return all(cell in ("", None) for cell in row)


def _head(file: str, header: Header, rows: list[list[str]]) -> Head | None:
    try:
        return header(rows)
    except Lacks as lacking:
        raise DataError(f"{file}: the column {lacking} is missing. {_AGAIN}, with all columns.") from None


def _encoding(file: str, start: bytes) -> str:
    """utf-8 or cp949, whichever the start of a text is."""
    if b"\0" in start:
        raise DataError(f"{file}: holds zero bytes (utf-16, or no text at all). {_AGAIN}, or save it as UTF-8.")
    whole = start[: start.rfind(b"\n") + 1] or start
    for encoding in ("utf-8-sig", "cp949"):
        try:
            whole.decode(encoding)
            return encoding
        except UnicodeDecodeError:
            pass
    raise DataError(f"{file}: is not text in utf-8 or cp949. {_AGAIN}, or save it as UTF-8.")


def _text(file: str, opened: Opener, header: Header) -> Iterator[Block]:
    with opened() as stream:
        start = stream.read(_HEAD)
    encoding = _encoding(file, start)
    lines = start.decode(encoding, "ignore").splitlines()
    lines = lines[:LOOK] if len(start) < _HEAD or len(lines) > LOOK else lines[:-1]
    separator = max(",|\t;", key=lambda mark: sum(line.count(mark) for line in lines))
    rows = [[text(cell) for cell in next(csv.reader([line], delimiter=separator), [])] for line in lines]
    head = _head(file, header, rows)
    if head is None:
        return
    body = next((row for row in rows[head.skip :] if any(row)), None)
    if body is None:
        raise DataError(f"{file}: has a header, but no rows. {_AGAIN}.")
    with opened() as stream:
        skipped = sum(len(stream.readline()) for _ in range(head.skip))
        yield from _text_blocks(file, stream, head, separator, len(body), encoding, not skipped)


def _text_blocks(file: str, stream: BinaryIO, head: Head, separator: str, width: int, encoding: str,
                 at_start: bool) -> Iterator[Block]:
    """Text in pieces of whole lines: no more of a file is held than one piece."""
    rest, first = b"", head.skip + 1
    while True:
        data = stream.read(_CHUNK)
        if at_start:
            data, at_start = data.removeprefix(b"\xef\xbb\xbf"), False
        cut = len(rest + data) if not data else (rest + data).rfind(b"\n") + 1
        piece, rest = (rest + data)[:cut], (rest + data)[cut:]
        if piece.strip():
            yield Block(file, head, _cells(file, piece, head, separator, width, first), first, encoding)
        first += piece.count(b"\n")
        if not data:
            return


def _cells(file: str, piece: bytes, head: Head, separator: str, width: int, first: int) -> dict[int, pa.Array]:
    names = [str(i) for i in range(width)]
    use = [names[i] for i in head.use if i < width]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(piece), arrow_csv.ReadOptions(column_names=names, block_size=1 << 20),
            arrow_csv.ParseOptions(delimiter=separator),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), include_columns=use))  # fmt: skip
    except pa.ArrowInvalid:
        row, cells = _odd(piece, separator, width)
        raise DataError(f"{file}, row {first + row}: has {cells} cells, the rows before it have {width}; the file is "
                        f"cut off or damaged. {_AGAIN}.") from None
    if len(use) < len(head.use):
        raise DataError(f"{file}, row {first}: has {width} cells, fewer than its header. {_AGAIN}.")
    return {i: table[str(i)].combine_chunks() for i in head.use}


def _odd(piece: bytes, separator: str, width: int) -> tuple[int, int]:
    """The first line with another number of cells: its place and that number."""
    lines = csv.reader(io.StringIO(piece.decode("latin-1"), newline=""), delimiter=separator)
    return next(((lines.line_num - 1, len(row)) for row in lines if row and len(row) != width), (0, 0))


# --- columns


def joined(columns: list[pd.Categorical], rows: int) -> pd.Categorical:
    """Several categories as one, with a blank between; '' for all rows where there is none."""
    codes, names = np.zeros(rows, dtype=np.int64), [""]
    for place, column in enumerate(columns):
        used, places = np.unique(codes * len(column.categories) + column.codes, return_inverse=True)
        words = [(names[one // len(column.categories)], str(column.categories[one % len(column.categories)]))
                 for one in used]  # fmt: skip
        names = [" ".join(pair) if place else pair[1] for pair in words]
        codes = places
    merged, found = pd.factorize(np.array(names, dtype=object))
    return pd.Categorical.from_codes(merged[codes] if rows else codes, [str(name) for name in found])


# --- counts


def counts(block: Block, columns: Iterable[int], notes: dict[str, int]) -> np.ndarray:
    """Counts of columns (n, columns) float64. Blank, '-' and negative ones are missing; notes count them."""
    values = np.column_stack([block.numbers(column) for column in columns])
    note(notes, "cells blank or '-', read as missing", int(np.isnan(values).sum()))
    below = values < 0
    note(notes, "negative counts, read as missing", int(below.sum()))
    values[below] = np.nan
    return values


def note(notes: dict[str, int], what: str, count: int) -> None:
    """Add to a count of repairs."""
    if count:
        notes[what] = notes.get(what, 0) + int(count)


def hours(names: list[str]) -> list[int]:
    """Positions of the 24 hour columns in order of time. Raises Lacks if one is missing.

    1시 … 24시 name the end of an interval; 0시 … 23시 and 00시~01시 its start.
    """
    found = [(int(match[1]), place) for place, name in enumerate(names)
             if (match := re.fullmatch(r"(\d{1,2})시?(?:[~-]\d{1,2})?시", word(name)))]  # fmt: skip
    said = sorted(hour for hour, _ in found)
    first = 1 if 24 in said or 0 not in said else 0
    for hour in range(first, first + 24):
        if said.count(hour) != 1:
            raise Lacks(f"{hour}시 (one of 24 hours, each once)")
    return [place for _, place in sorted(found)]
