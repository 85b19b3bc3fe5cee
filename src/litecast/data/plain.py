"""Long tables that need no interpretation, read as columns: ISO times, names and plain numbers under words for them.

Programs write files of millions of rows like this. What is read here the interpreting reader (shapes -> columns ->
stamps -> grid) reads the same way, a hundred times slower; whatever is in doubt, or to be refused, is left to it.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ..errors import DataError
from . import csvtext, grid, stamps
from .csvtext import MISSING
from .headings import COUNTERS, HOURS, JOINED, SERIES, TIMES, of_codes, word
from .ownyaml import Settings

if TYPE_CHECKING:
    import pyarrow

LARGE = 1e7  # from here on whole numbers may be dates: 20240131
_TELLING = ("time", "series", "value", "known", "leave_out", "start", "end", "timezone", "missing", "date_format",
            "decimal")  # fmt: skip  keys of the YAML that say how cells are read
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_BORDERS = (b',"', b'",', b'\n"', b'"\n', b'"\r\n')  # of cells, where a quote of plain text stands


class Plain(NamedTuple):
    """table: time, series, value, in order of series as they first appear, then of time; notes: what was done."""

    table: pd.DataFrame
    frequency: str
    notes: list[str]


class _Headings(NamedTuple):
    time: str
    keys: list[str]
    value: str


def read(path: Path, own: Settings) -> Plain | None:
    """Rows of a plain file, one for each time and series; None for any other, also for one that is to be refused."""
    if any(getattr(own, key) not in (None, []) for key in _TELLING):
        return None
    try:
        found = _columns(path)
        return _ordered(path, own, *found) if found else None
    except DataError:
        return None


def _columns(path: Path) -> tuple[_Headings, pyarrow.Table] | None:
    """Headings and columns of a file: texts as dictionaries of all that occur, numbers as float64."""
    import pyarrow

    try:
        content = csvtext.read_bytes(path)
        if content[:4] == b"PAR1":
            return _of_parquet(content)
        return _of_csv(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except (pyarrow.ArrowException, OSError, EOFError, ValueError, zlib.error):
        return None


def _of_csv(content: bytes) -> tuple[_Headings, pyarrow.Table] | None:
    from pyarrow import compute, csv, dictionary, float64, int32, string

    content = content.removeprefix(b"\xef\xbb\xbf")
    names = content[: content.find(b"\n") + 1].decode().strip().replace('"', "").split(",")
    found = _headings(names)
    quotes, ends = content.count(b'"'), content.count(b"\r")
    if not found or b"\0" in content or ends != content.count(b"\r\n"):
        return None
    if quotes and quotes != content[:1].count(b'"') + content[-1:].count(b'"') + sum(map(content.count, _BORDERS)):
        return None  # quotes inside of cells
    types = {name: dictionary(int32(), string()) for name in (found.time, *found.keys)} | {found.value: float64()}
    words = [*{form for text in MISSING for form in (text, text.upper(), text.capitalize())}, "NaN"]
    table = csv.read_csv(io.BytesIO(content), csv.ReadOptions(block_size=1 << 24), csv.ParseOptions(),
                         csv.ConvertOptions(column_types=types, null_values=words))  # fmt: skip
    if table.column_names != names or compute.any(compute.is_nan(table[found.value])).as_py():
        return None  # -nan is no number here
    return found, table


def _of_parquet(content: bytes) -> tuple[_Headings, pyarrow.Table] | None:
    from pyarrow import float64, parquet, types

    file = parquet.ParquetFile(io.BytesIO(content))
    schema = file.schema_arrow
    found = _headings(schema.names)
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    if not found or any(isinstance(name, str) for name in index):
        return None
    texts = [schema.field(name).type for name in found.keys]
    texts = [kind.value_type if types.is_dictionary(kind) else kind for kind in texts]
    time, value = schema.field(found.time).type, schema.field(found.value).type
    timed = types.is_date32(time) or _of_text(time) or (types.is_timestamp(time) and time.tz is None)
    counted = types.is_integer(value) or types.is_float32(value) or types.is_float64(value)
    if not (timed and counted and all(map(_of_text, texts))):
        return None
    table = file.read()
    for place, name in enumerate(table.column_names):
        column = table[name]
        coded = column.cast(float64()) if name == found.value else (
            column if types.is_dictionary(column.type) else column.dictionary_encode())  # fmt: skip
        table = table.set_column(place, name, coded)
    return found, table


def _of_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind)


def _headings(names: list[str]) -> _Headings | None:
    """Columns by their words: one of times, one of numbers behind it, all others of names; None where words do not
    tell."""
    words = [word(name) for name in names]
    times = [name for name, said in zip(names, words, strict=True) if said in TIMES]
    keys = [name for name, said in zip(names, words, strict=True) if said in SERIES]
    rest = [name for name in names if name not in (*times, *keys)]
    if len({name.strip() for name in names}) < len(names) or (len(times), len(rest)) != (1, 1) or not keys:
        return None
    value = rest[0]
    doubtful = (word(value) in COUNTERS or "unnamed" in value.lower() or of_codes(value) or HOURS.search(word(value))
                or csvtext.is_number(value, ";") or stamps.stamp(value))  # fmt: skip
    if doubtful or names.index(value) < names.index(times[0]) or ("series" in words and len(keys) > 1):
        return None
    return _Headings(times[0], keys, value)


def _ordered(path: Path, own: Settings, named: _Headings, columns: pyarrow.Table) -> Plain | None:
    """The rows in order, their times on one grid."""
    notes = [f"Series are named by {JOINED.join(named.keys)}."] * (len(named.keys) > 1)
    value, series = columns[named.value].to_numpy(), _series([_coded(columns[name]) for name in named.keys])
    times = _times(path, own, named.time, *_coded(columns[named.time]), notes)
    if series is None or times is None or not _plain_numbers(value, own):
        return None
    groups, names = series
    order = np.argsort(groups.astype(np.min_scalar_type(len(names))), kind="stable")
    ahead, new = np.diff(times.asi8[order]), np.diff(groups[order]) != 0
    if (ahead[~new] < 0).any():
        notes.append("Rows were not in order of time: sorted.")
        order = np.lexsort((times.asi8, groups))
        ahead = np.diff(times.asi8[order])
    if (ahead[~new] == 0).any():
        return None  # twice
    groups = groups[order]
    column = stamps.Column(path.name, named.time, [""] * len(order), np.arange(len(order)))  # for words of refusal
    on, frequency = grid.regular(column, times[order], groups, own.frequency, notes)
    table = pd.DataFrame({"time": on, "series": pd.Series(names[groups], dtype=object), "value": value[order]})
    return Plain(table, frequency, notes)


def _coded(column: pyarrow.ChunkedArray) -> tuple[np.ndarray, list]:
    """Codes (n,) of a column of texts or times, -1 where one is missing, and what they stand for as it appears."""
    whole = column.unify_dictionaries().combine_chunks()
    codes, kinds = pd.factorize(whole.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    told = whole.dictionary.to_pylist()
    return (codes, [told[kind] for kind in kinds]) if (kinds >= 0).all() else (np.full(len(codes), -1), [])


def _series(keys: list[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, np.ndarray] | None:
    """Number of the series of each row, as they first appear, and the names of all; None where a text is no plain name,
    or a column tells no rows apart that others do not."""
    if not all(len(kinds) > 1 and all(map(_is_name, kinds)) for _, kinds in keys):
        return None
    together = np.zeros(len(keys[0][0]), np.int64)
    for codes, kinds in keys:
        together = together * len(kinds) + codes
    groups, pairs = pd.factorize(together)
    if len(pairs) == len(groups) or any(_follows(one, other) for one in keys for other in keys if one is not other):
        return None
    parts, rest = [], pairs
    for _, kinds in reversed(keys):
        rest, place = np.divmod(rest, len(kinds))
        parts.append([kinds[each] for each in place])
    names = [JOINED.join(texts) for texts in zip(*reversed(parts), strict=True)]
    return (groups, np.array(names, object)) if len(set(names)) == len(names) else None


def _is_name(text: str) -> bool:
    """Whether a text is nothing but a name: no number, no time, no word for what is missing."""
    said = csvtext.is_number(text, ";") or stamps.stamp(text) or stamps.clock(text) or stamps.is_period(text)
    return not said and text == text.strip() and text.lower() not in MISSING and '"' not in text


def _follows(one: tuple[np.ndarray, list], other: tuple[np.ndarray, list]) -> bool:
    """Whether one column has one text for each of the other."""
    return len(pd.unique(one[0] * len(other[1]) + other[0])) == len(other[1])


def _times(path: Path, own: Settings, name: str, codes, kinds: list, notes: list[str]) -> pd.DatetimeIndex | None:
    """Times (n,) of rows; the distinct ones are read as those of any file."""
    texts = [str(kind) for kind in kinds]
    if not texts or not all(map(_ISO.fullmatch, texts)):
        return None
    column = stamps.Column(path.name, name, texts, list(range(len(texts))))
    times = stamps.parse(column, ".", None, None, own.frequency == "step", notes)
    return times[codes] if isinstance(times, pd.DatetimeIndex) else None


def _plain_numbers(value: np.ndarray, own: Settings) -> bool:
    """Whether numbers (n,) are nothing else: some there, finite, none a date; positive where logarithms are taken."""
    there = value[~np.isnan(value)]
    return bool(len(there)) and np.abs(there).max() < LARGE and (own.transform != "log" or there.min() > 0)
