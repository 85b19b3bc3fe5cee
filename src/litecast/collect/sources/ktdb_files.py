"""Files of a KTDB package: members of its zip under their Korean names, rows of sheets and texts, cells as numbers."""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from litecast.errors import DataError

from .sheets import member

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS = 25_000  # rows of a sheet held as Python objects at a time
LINES = 100_000  # of a text, held at a time
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


def plain(text: str) -> str:
    """One form of a Korean text: composed syllables, ASCII parentheses, digits and spaces."""
    return unicodedata.normalize("NFKC", text)


@dataclass(frozen=True)
class File:
    """A file, or a member of a zip. label: how errors call it; sha256: of the outer file; number: place in the zip."""

    path: Path
    label: str
    sha256: str = ""
    number: int | None = None

    @property
    def name(self) -> str:
        return self.label.rpartition("/")[2].rpartition(": ")[2]

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes as a stream; DataError if it is damaged or locked."""
        try:
            if self.number is None:
                with self.path.open("rb") as stream:
                    yield stream
                return
            with zipfile.ZipFile(self.path) as package, package.open(package.infolist()[self.number]) as stream:
                yield stream
        except _DAMAGE as error:
            why = "needs a password" if "password" in str(error) else f"is damaged ({error})"
            raise DataError(f"{self.label}: {why}. Download the package again") from None

    def head(self) -> bytes:
        """The first 16 kB."""
        with self.open() as stream:
            return stream.read(1 << 14)

    def digest(self) -> str:
        with self.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def workbook(self):
        """The python_calamine workbook in it; DataError if it is none."""
        from python_calamine import CalamineError, CalamineWorkbook

        with self.open() as stream:
            content = stream.read()
        try:
            return CalamineWorkbook.from_filelike(io.BytesIO(content))
        except CalamineError as error:
            raise DataError(f"{self.label}: is no whole workbook ({error}). Download it again") from None


def unpacked(paths: list[Path], leave_out: list[str]) -> list[File]:
    """Files, and the members of zips, but those whose label holds one of the words. DataError for a bad zip."""
    found = []
    for path in paths:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        zipped = path.suffix.lower() == ".zip"
        found += _members(path, sha256) if zipped else [File(path, plain(path.name), sha256)]
    return [file for file in found if not any(plain(word) in file.label for word in leave_out)]


def _members(path: Path, sha256: str) -> list[File]:
    label = plain(path.name)
    try:
        with zipfile.ZipFile(path) as package:
            infos = package.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        with path.open("rb") as stream:
            page = stream.read(512).lstrip().startswith(b"<")
        why = "is a web page, not a zip: the log-in may have ended" if page else f"is no whole zip ({error})"
        raise DataError(f"{label}: {why}. Download the package again") from None
    names = [(plain(member(info)), number) for number, info in enumerate(infos) if not info.is_dir()]
    return [File(path, f"{label}: {name}", sha256, number) for name, number in sorted(names) if "__MACOSX" not in name]


# --- sheets


def rows(sheet) -> Iterator[list]:
    """Rows of a calamine sheet from its first one, cells from column A; "" = an empty cell."""
    if sheet.start is None:
        return
    before = [""] * sheet.start[1]  # the reader counts rows from the top, but columns from the first that is used
    for row in sheet.iter_rows():
        yield before + row if before else row


def top(sheet) -> list[list]:
    """The first ten rows: titles and headers stand there."""
    return list(islice(rows(sheet), 10))


def shown(first: list[list]) -> str:
    """The first row that holds anything, for an error."""
    row = next((row for row in first if any(str(cell).strip() for cell in row)), [])
    return " ".join(str(cell) for cell in row[:12])


def title(cell) -> str:
    """A header cell without spaces, line ends and full-width signs."""
    return re.sub(r"\s+", "", plain(str(cell)))


def blocks(content: Iterator[list], skip: int) -> Iterator[tuple[int, list[list]]]:
    """(number of the first row, rows) below a header of `skip` rows, ROWS at a time; blank rows at the end are none."""
    block, start, blank = [], skip + 1, 0
    for number, row in enumerate(content, start=1):
        if number <= skip:
            continue
        if all(cell == "" for cell in row):
            blank += 1
            continue
        block += [[]] * blank + [row]  # a blank row in the middle is a hole: its cells are found empty
        blank = 0
        if len(block) >= ROWS:
            yield start, block
            block, start = [], number + 1
    if block:
        yield start, block


def numbers(block: list[list], column: int, where: str, start: int, name: str) -> np.ndarray:
    """A column of a block as float64; texts with thousands separators are numbers too. DataError names row, column."""
    import numpy as np

    try:
        return np.array([row[column] for row in block], dtype="float64")
    except (ValueError, TypeError, IndexError):
        return np.array([_number_at(row, column, where, at, name) for at, row in enumerate(block, start=start)])


def _number_at(row: list, column: int, where: str, at: int, name: str) -> float:
    cell = row[column] if column < len(row) else ""
    value = number(cell)
    if value is None:
        rule = "is empty" if not str(cell).strip() else f"'{cell}' is not a number"
        raise DataError(f"{where}, row {at}, column {_letter(column)}: {name} {rule}")
    return value


def number(cell) -> float | None:
    """A number, or a text that is one, as 1,234.5; None for all else."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell)
    text = plain(str(cell)).strip()
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", text):
        text = text.replace(",", "")
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) else None


def word(cell) -> str:
    """Text of a cell; a code that is held as a number has no .0"""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else plain(str(cell)).strip()


def _letter(column: int) -> str:
    return (_letter(column // 26 - 1) if column >= 26 else "") + chr(65 + column % 26)


def whole(table: pd.DataFrame, names: list[str], kind: str, where: str, first: int) -> pd.DataFrame:
    """The same with whole numbers in some columns; DataError names the first that is none."""
    for name in names:
        values = table[name]
        bad = ~((values % 1 == 0) & (values.abs() < 2**31))
        if bad.any():
            at = int(bad.to_numpy().argmax())
            raise DataError(f"{where}, row {at + first}: {name} {values.iloc[at]:g} is not a whole number")
    return table.assign(**{name: table[name].astype(kind) for name in names})


# --- texts


def chunks(file: File, names: list[str], ids: int, skip: int = 0) -> Iterator[pd.DataFrame]:
    """Rows of a text as numbers, `ids` whole ones first; DataError names the line that is not of the form."""
    import pandas as pd

    kinds = {name: "int64" if at < ids else "float64" for at, name in enumerate(names)}
    kinds |= {name: "int32" for name in ("origin", "destination") if name in kinds}
    beyond = "beyond"  # empty, unless a line has a column too many: pandas would shift or drop it in silence
    with file.open() as stream:
        try:
            for chunk in pd.read_csv(
                    stream, sep=r"\s+", header=None, names=[*names, beyond], dtype=kinds, index_col=False,
                    skiprows=skip, thousands=",", encoding="latin-1", chunksize=LINES):  # fmt: skip
                extra = chunk.pop(beyond)
                if extra.notna().any() or chunk.isna().any(axis=None):
                    raise ValueError("lines of different widths")
                yield chunk
            return
        except (ValueError, OverflowError) as error:
            reason = str(error)
    fault = _fault(file, len(names), ids, skip) or f": {reason}"
    raise DataError(f"{file.label}{fault}. Unpack it from the package again")


def _fault(file: File, width: int, ids: int, skip: int) -> str:
    """Where a text is not of the form: looked for line by line, once something is known to be wrong."""
    with file.open() as stream:
        for at, line in enumerate(stream, start=1):
            words = line.decode("cp949", errors="replace").split()
            if at <= skip or not words:
                continue
            if len(words) != width:
                return f", line {at}: {len(words)} columns instead of {width}"
            for column, text in enumerate(words, start=1):
                value = number(text)
                if value is None or (column <= ids and value % 1):
                    return f", line {at}, column {column}: '{text}' is not a {'whole ' * (column <= ids)}number"
    return ""
