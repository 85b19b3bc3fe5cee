"""Kinds of files told by their first bytes: CSV, gzipped CSV and Parquet give rows of cells, others their names."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path

from . import csvtext
from .csvtext import Cut, problem

_CSV = "Save the sheet as 'CSV UTF-8'"
_OTHERS = {  # first bytes -> what it is, what to do
    b"\xd0\xcf\x11\xe0": ("is an Excel workbook (.xls), not a CSV", _CSV),
    b"\xff\xfe": ("is text in utf-16", "Save it as UTF-8"),
    b"\xfe\xff": ("is text in utf-16", "Save it as UTF-8"),
    b"BZh": ("is compressed by bzip2", "Unpack it (bunzip2), or compress it by gzip: .csv.gz is read"),
    b"\xfd7zXZ": ("is compressed by xz", "Unpack it (unxz), or compress it by gzip: .csv.gz is read"),
    b"(\xb5/\xfd": ("is compressed by zstd", "Unpack it (unzstd), or compress it by gzip: .csv.gz is read"),
    b"7z\xbc\xaf": ("is a 7z archive", "Unpack it and give the CSV inside"),
    b"\x89HDF": ("is an HDF5 file", "Save the table as CSV or Parquet"),
    b"ARROW1": ("is a Feather file", "Save the table as CSV or Parquet"),
    b"%PDF": ("is a PDF", "Give the table as CSV"),
}


def rows(path: Path) -> Cut:
    """Rows of cells of a CSV, gzipped CSV or Parquet file, header first. DataError names what else it is."""
    data, file = csvtext.read_bytes(path), path.name
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise problem(file, f"cannot be unpacked ({error})", do="Copy or compress it again") from None
    if data[:4] == b"PAR1":
        return _parquet(data, file)
    if data[:4] == b"PK\x03\x04":
        raise _archive(data, file)
    kind = next((words for start, words in _OTHERS.items() if data.startswith(start)), None)
    if kind:
        raise problem(file, kind[0], do=kind[1])
    return csvtext.cut(data, file)


def _archive(data: bytes, file: str) -> Exception:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, OSError):
        return problem(file, "is a damaged zip archive or Excel workbook", do=f"Copy it again. {_CSV}")
    if any(name.startswith("xl/") for name in names):
        return problem(file, "is an Excel workbook (.xlsx), not a CSV", do=_CSV)
    return problem(file, f"is a zip archive ({', '.join(names[:3])})", do="Unpack it and give the CSV inside")


def _parquet(data: bytes, file: str) -> Cut:
    """The table as text, so that one set of rules recognises columns and times; an index with a name is a column."""
    import pandas as pd

    try:
        table = pd.read_parquet(io.BytesIO(data))
    except Exception as error:  # pyarrow raises errors of many kinds
        raise problem(file, f"cannot be read as Parquet ({str(error)[:200]})", do="Write it again") from None
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    names = [" / ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in table.columns]
    if table.empty or not names:
        raise problem(file, "the table is empty", do="Give one row per time")
    cells = [["" if gone else _text(value) for value, gone in zip(column, column.isna(), strict=True)]
             for _, column in table.items()]  # fmt: skip
    body = list(map(list, zip(*cells, strict=True)))
    kept = [place for place, row in enumerate(body) if any(row)]
    return Cut([names, *(body[place] for place in kept)], [1, *(place + 2 for place in kept)], separator="")


def _text(value) -> str:
    """A float has a digit more than it needs: 1.2340 cannot be taken for thousands, as 1.234 could in text."""
    if not isinstance(value, float):
        return str(value).strip()
    text = repr(float(value))
    return text if "e" in text or "n" in text else f"{text}0"
