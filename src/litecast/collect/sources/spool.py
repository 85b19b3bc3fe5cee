"""Many large files in bounded memory: each is read once in pieces, reduced, and kept by month under spool/.

A part of the collection is a month. It is combined from the spools that hold rows of it: rows given twice are taken
once, whatever the order of the files. Files of earlier calls stay part of the collection (its manifest lists them),
unless a file of the same name and folder is given.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from litecast.errors import DataError
from litecast.files import replacing

from .. import collecting
from . import sheets

Notes = dict[str, int]
Make = Callable[[pd.DataFrame, Notes], pd.DataFrame]  # rows of a month -> table of the part; counts what it repairs
HOURS = [f"h{hour}" for hour in range(24)]  # columns of a row that holds a day
_ABOUT = b"litecast"


@dataclass(frozen=True)
class Form:
    """How a source reduces its files: tables with a column `time`, the keys and columns of values.

    read(path, about) yields them, and may fill about["notes"] (counts) and further facts, all JSON.
    reading: all that the reduction depends on beside the file (options, version of the rules), as text.
    """

    keys: tuple[str, ...]  # with `time` these identify a row
    reading: str
    read: Callable[[Path, dict], Iterator[pd.DataFrame]]


@dataclass(frozen=True)
class Spool:
    """A reduced file. about: file, months {"2024-01": [row groups]}, home (its main month), and more."""

    path: Path
    sha256: str
    about: dict


def spools(job: collecting.Job, form: Form) -> list[Spool]:
    """Reduce the files of this call that are new, and give those of earlier calls too. Ordered by content.

    Raises DataError naming all files that cannot be read, or an earlier one whose reduction is gone.
    """
    found, bad = {}, []
    for path in job.progress(job.options.files, what=f"{job.name}: files"):
        sha256 = _sha256(path)
        try:
            found[sha256] = _kept(job, form, sha256) or _made(job, form, path, sha256)
        except DataError as error:  # the others are read all the same: one call tells what is wrong with all
            bad.append(str(error))
    if bad:
        raise DataError("\n".join([*bad, *_others(len(found), len(bad))]))
    named = {_called(path) for path in job.options.files}
    for sha256, file in _earlier(job).items():
        if sha256 not in found and file not in named:  # of the same name: a new edition takes its place
            spool = _kept(job, form, sha256)
            if spool is None:
                raise DataError(f"{file} is part of the collection {job.name} and must be read again: give it in files "
                                f"too, or start anew by deleting {job.collection.folder}")
            found[sha256] = spool
    return [found[sha256] for sha256 in sorted(found)]


def _others(good: int, bad: int) -> list[str]:
    """What a user of many files wants to know beside what is wrong."""
    said = f"{good} good files were read and need not be read again; the collection is as before."
    return [f"{bad} bad files. " * (bad > 1) + said] if good + bad > 1 else []


def _called(path: Path) -> str:
    """File with its folder: files of one name in two folders (a folder per office) are two."""
    return f"{path.resolve().parent.name}/{path.name}"


def parts(form: Form, found: list[Spool], make: Make, asked: str) -> Iterator[collecting.Part]:
    """A part per month. asked: all that `make` depends on beside the rows, as text."""
    for month in sorted({month for spool in found for month in spool.about["months"]}):
        mine = [spool for spool in found if month in spool.about["months"]]
        notes: Notes = {}
        yield collecting.Part(
            name=month, made_of=_hash(form.reading, asked, *(spool.sha256 for spool in mine)),
            make=partial(_combined, mine, month, form, make, notes), notes=lambda notes=notes: notes,
            request={"files": {spool.sha256: spool.about["file"] for spool in mine}})  # fmt: skip


def together(found: list[Spool], fact: str) -> dict:
    """A fact that files give as {name: value}, of all of them; the latest month's value of a name wins."""
    return {name: value for spool in sorted(found, key=lambda s: (s.about["home"], s.sha256))
            for name, value in spool.about.get(fact, {}).items()}  # fmt: skip


def frequency(found: list[Spool]) -> str:
    """'h' or 'D', as all files say. DataError if they differ."""
    said = {spool.about["frequency"]: spool.about["file"] for spool in found}
    if len(said) > 1:
        raise DataError(f"{said['h']} holds hourly and {said['D']} daily counts: collect them under two names")
    return next(iter(said))


def known(found: list[Spool], fact: str, asked: list[str], what: str) -> None:
    """DataError unless all that was asked for stands in the files."""
    there = together(found, fact)
    missing = [name for name in asked if name not in there]
    if missing:
        near = difflib.get_close_matches(missing[0], there, 8) if len(there) > 8 else []
        some = f"{', '.join(near or sorted(there)[:8])}{' …' * (len(there) > 8)}"
        raise DataError(f"no file has {what} {', '.join(missing)}; there are {len(there)}: {some}")


def _earlier(job: collecting.Job) -> dict[str, str]:
    """sha256 -> name of every file that the collection is made of so far."""
    entries = job.collection.parts.values()
    return {sha256: file for entry in entries for sha256, file in entry["request"].get("files", {}).items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _path(job: collecting.Job, form: Form, sha256: str) -> Path:
    return job.collection.folder / "spool" / f"{sha256[:32]}-{_hash(job.source, form.reading)[:8]}.parquet"


def _kept(job: collecting.Job, form: Form, sha256: str) -> Spool | None:
    """The reduction of a file, if it lies there and can be read."""
    path = _path(job, form, sha256)
    try:
        return Spool(path, sha256, json.loads(pq.read_metadata(path).metadata[_ABOUT]))
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None


def _made(job: collecting.Job, form: Form, path: Path, sha256: str) -> Spool:
    """Read a file and keep its reduction, whole or not at all."""
    target, folder = _path(job, form, sha256), job.collection.folder
    try:
        with replacing(target) as temporary:
            about = _write(temporary, form, path)
    except BaseException:
        for empty in (target.parent, folder):  # nothing of a first call that failed stays
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
        raise
    return Spool(target, sha256, about)


def _write(target: Path, form: Form, path: Path) -> dict:
    about: dict = {"file": _called(path), "notes": {}}
    months: dict[str, list[int]] = {}
    rows: dict[str, int] = {}
    with closing(_Writer(target)) as writer:
        for table in form.read(path, about):
            which = table["time"].to_numpy().astype("datetime64[M]")
            for month in np.unique(which):
                piece = table[which == month]
                months.setdefault(str(month), []).append(writer.put(piece))
                rows[str(month)] = rows.get(str(month), 0) + len(piece)
        if not rows:
            raise DataError(f"{path.name}: holds no rows. Download it again, or leave it out.")
        about |= {"months": months, "home": max(sorted(rows), key=rows.get), "rows": sum(rows.values())}
        writer.about(about)
    return about


class _Writer:
    """A Parquet file of one row group per piece; opened by the first."""

    def __init__(self, path: Path):
        self.path, self.file, self.groups = path, None, 0

    def put(self, piece: pd.DataFrame) -> int:
        """Number of the row group written."""
        table = pa.table({name: _array(piece[name]) for name in piece})
        if self.file is None:
            self.file = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        self.file.write_table(table, row_group_size=len(piece))
        self.groups += 1
        return self.groups - 1

    def about(self, facts: dict) -> None:
        self.file.add_key_value_metadata({_ABOUT: json.dumps(facts, ensure_ascii=False).encode()})

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def _array(column: pd.Series) -> pa.Array:
    """A column with one type for all pieces: categories need the same width of codes."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        words = pa.array([str(word) for word in column.cat.categories], pa.string())
        return pa.DictionaryArray.from_arrays(column.cat.codes.to_numpy().astype(np.int32), words)
    return pa.array(column.to_numpy())


# --- a month


def _combined(mine: list[Spool], month: str, form: Form, make: Make, notes: Notes) -> pd.DataFrame:
    for spool in mine:
        if spool.about["home"] == month:  # notes of a file are told once
            for what, count in spool.about["notes"].items():
                sheets.note(notes, what, count)
    return make(once(_rows(mine, month), form, notes), notes)


def _rows(mine: list[Spool], month: str) -> pd.DataFrame:
    """Rows of a month; column `home`: whether they come from a file that is mainly of this month."""
    tables = []
    for spool in mine:
        file = pq.ParquetFile(spool.path)
        table = file.read_row_groups(spool.about["months"][month])
        home = pa.array(np.full(len(table), spool.about["home"] == month))
        tables.append(table.append_column("home", home))
    return pa.concat_tables(tables).unify_dictionaries().to_pandas()


def once(table: pd.DataFrame, form: Form, notes: Notes) -> pd.DataFrame:
    """Each row once: of rows with the same time and keys, the one of the month's own file, then the largest values."""
    keys = ["time", *form.keys]
    values = [name for name in table if name not in (*keys, "home")]
    twice = table.duplicated(keys, keep=False)
    if not twice.any():
        return table.drop(columns="home")
    odd = table[twice].sort_values([*keys, "home", *values], na_position="first")
    kept = odd.drop_duplicates(keys, keep="last")
    sheets.note(notes, "rows given more than once, taken once", len(odd) - len(kept))
    differ = odd.drop_duplicates([*keys, *values]).duplicated(keys)
    sheets.note(notes, "of these, rows that said something else", int(differ.sum()))
    return pd.concat([table[~twice], kept], ignore_index=True).drop(columns="home")


def summed(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Columns time, series (the named categories with a blank between), value: summed, missing if an addend is."""
    codes, series = coded(rows, names)
    groups = pd.DataFrame({"series": codes, "time": rows["time"].to_numpy(), "value": rows["value"].to_numpy(),
                           "gone": rows["value"].isna().to_numpy()}).groupby(["series", "time"])  # fmt: skip
    table = groups.sum().reset_index()
    return pd.DataFrame({"time": table["time"], "series": series[table["series"]],
                         "value": table["value"].where(table["gone"] == 0).astype("float64")})  # fmt: skip


def coded(rows: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Place of each row's series in the sorted names of all, and these names (object)."""
    joint = sheets.joined([rows[name].array for name in names], len(rows))
    places, series = pd.factorize(np.array(joint.categories, dtype=object), sort=True)
    return places[joint.codes] if len(rows) else np.zeros(0, dtype=int), series


def by_hour(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a day with 24 columns HOURS -> a row per hour: time, the other columns, value."""
    others = {name: rows[name].repeat(24).array for name in rows if name not in ("time", *HOURS)}
    starts = rows["time"].to_numpy().repeat(24) + np.tile(np.arange(24), len(rows)).astype("timedelta64[h]")
    return pd.DataFrame({"time": starts, **others, "value": rows[HOURS].to_numpy().ravel()})


def both_ways(rows: pd.DataFrame, notes: Notes, together: str = "0") -> pd.DataFrame:
    """Rows of time, station, way, value -> the two ways of a station summed, way = `together`.

    Where not both are given, the count of both ways together (way = `together` in the rows) if there is one, else
    missing. Stations with neither two ways nor that count are left out and counted.
    """
    apart = rows[rows["way"] != together]
    ways = apart.groupby("station", observed=True)["way"].nunique()
    pairs = apart[apart["station"].isin(ways.index[ways == 2])]
    summed = pairs.groupby(["station", "time"], observed=True)["value"].sum(min_count=2)  # missing if one of two is
    whole = rows[rows["way"] == together].set_index(["station", "time"])["value"]
    able = {*ways.index[ways == 2], *whole.index.get_level_values("station")}
    sheets.note(notes, "stations without two directions, left out", rows["station"].nunique() - len(able))
    table = pd.concat([summed.rename("value"), whole.rename("whole")], axis=1).reset_index()
    table["value"] = table["value"].fillna(table["whole"])
    table = table[table["station"].isin(able)]
    return table.assign(way=pd.Categorical([together] * len(table)), station=pd.Categorical(table["station"]))
