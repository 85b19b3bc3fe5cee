"""The checked frame of an own file, kept once per study as Parquet: a million rows are parsed once, not by every run.

Only a copy: it carries the digest of the file it was read from and of the reader's code, and what does not carry the
digest that is asked for, or cannot be read, is read from the source again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .. import catalogue, paths
from ..errors import LitecastError
from ..files import hashed, replacing, sha256

if TYPE_CHECKING:
    from .frame import SeriesFrame

_KEY = b"litecast"  # in the schema's metadata


def frame(study: str | None, entry: dict) -> SeriesFrame:
    """The frame of an entry of data.lock whose source is `files`, under the name that the study gives it.

    Raises DataError for a file that cannot be read. Writes nothing, see `keep`.
    """
    from . import files

    kept = _read(_place(study, entry), _digest(entry)) if study else None
    if kept is not None:
        return kept
    read = files.read(entry["path"])
    return replace(read, header=replace(read.header, name=entry["name"]))


def keep(study: str, entry: dict, frame: SeriesFrame) -> None:
    """Write the frame of an entry unless it is there. Where it cannot be written each run reads the file itself."""
    path, digest = _place(study, entry), _digest(entry)
    if _about(path).get("digest") == digest:
        return
    try:
        _write(path, digest, frame)
    except (LitecastError, OSError, ValueError, TypeError):  # a full disk, or what Parquet or JSON does not know
        path.unlink(missing_ok=True)


def _place(study: str, entry: dict) -> Path:
    return paths.study_dir(study) / "frames" / f"{entry['name']}.parquet"


def _digest(entry: dict) -> str:
    return hashed([entry["name"], entry["sha256"], _reader()])


@cache
def _reader() -> str:
    """Digest of the code that reads own files, and of the libraries it uses."""
    return hashed([[path.name, sha256(path)] for path in catalogue.files("data")] + [sha256(paths.LOCK)])


def _write(path: Path, digest: str, frame: SeriesFrame) -> None:
    """Raises ValueError where the frame does not come back from the file as it was."""
    import pyarrow
    from pyarrow import parquet

    about = {"digest": digest, "header": asdict(frame.header), "kinds": frame.kinds,
             "types": {name: str(kind) for name, kind in frame.table.dtypes.items()}}  # fmt: skip
    table = pyarrow.Table.from_pandas(frame.table, preserve_index=False)
    told = json.dumps([about, hashed(about)], ensure_ascii=False)
    table = table.replace_schema_metadata({_KEY: told.encode()})
    with replacing(path) as temporary:
        parquet.write_table(table, temporary, write_page_checksum=True)
        back = _read(temporary, digest)
        if back is None or back.header != frame.header or not back.table.equals(frame.table):
            raise ValueError(f"{path}: what was written is not what was read")


def _about(path: Path) -> dict:
    """{digest, header, kinds, types} of a file; {} where there is none or it is damaged."""
    from pyarrow import ArrowException, parquet

    try:
        about, told = json.loads(parquet.read_schema(path).metadata[_KEY])
        return about if hashed(about) == told else {}
    except (OSError, ArrowException, ValueError, TypeError, KeyError):
        return {}


def _read(path: Path, digest: str) -> SeriesFrame | None:
    """The frame in a file; None where it has another digest, or anything about it is damaged."""
    from pyarrow import ArrowException, parquet

    from .frame import Header, SeriesFrame

    about = _about(path)
    if about.get("digest") != digest:
        return None
    try:
        table = parquet.read_table(path, page_checksum_verification=True, read_dictionary=["series"])  # a text once
        table = table.to_pandas(split_blocks=True, self_destruct=True).astype(about["types"])
        return SeriesFrame(Header(**about["header"]), table, about["kinds"]).check()
    except (LitecastError, OSError, ArrowException, ValueError, TypeError, KeyError):
        return None
