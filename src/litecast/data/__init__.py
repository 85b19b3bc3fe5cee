"""Datasets by name: where each comes from, and its series frame. Nothing heavy is imported until a frame is loaded."""

from __future__ import annotations

import importlib
import json
import warnings
from typing import TYPE_CHECKING

from .. import catalogue, paths
from ..errors import DataError
from . import checked

if TYPE_CHECKING:
    from .frame import SeriesFrame


class Unreachable(DataError):
    """The network gave no answer: other files behind it are not worth waiting for."""


def dataset_names() -> dict[str, str]:
    """Name of every dataset -> the module of this folder that holds it (its literal DATASETS names it, or it was
    collected into the store)."""
    from . import store

    listed = catalogue.members("data", "DATASETS")
    return dict.fromkeys(store.names(), "store") | {
        name: module for module, words in listed.items() for name in words["DATASETS"]}  # fmt: skip


def _module(source: str):
    return importlib.import_module(f"{__name__}.{source}")


def resolve(names: list[str], files: dict[str, str] | None = None) -> dict[str, dict]:
    """Name asked for -> what will be used: {"name", "source", "sha256", "path"?, "reason"?} or {"error"}.

    Your own files first, then public sets (cache, mirror, network), then the sample that stands in; its entry carries
    the sample's own name and the reason. Without network all names together take at most 10 s.
    Raises DataError for a name nobody knows and for an own file that cannot be read.
    """
    found, known, silent = {}, dataset_names(), set()
    for name in dict.fromkeys(names):
        if name in (files or {}):
            own = {"name": name, "source": "files", "path": str(files[name])}
            found[name] = own | _module("files").locate(files[name])
            continue
        if name not in known:
            _no_series(name)
            raise DataError(f"no dataset is called '{name}'{catalogue.near(name, sorted(known))}")
        try:
            found[name] = _located(name, known[name], known[name] in silent)
        except DataError as error:
            if isinstance(error, Unreachable):
                silent.add(known[name])
            found[name] = _stand_in(name, known, str(error))
    return found


def _no_series(name: str) -> None:
    """DataError that says why something that was collected is no dataset, if it is one of these."""
    from . import store

    for one in store.collections():
        if name == one.name or (one.damage and name in [f"{one.name}-{view}" for view in store.VIEWS]):
            store.locate(name)


def _located(name: str, source: str, silent: bool = False) -> dict:
    options = {"network": False} if silent else {}  # only a source that raises Unreachable takes this option
    return {"name": name, "source": source} | _module(source).locate(name, **options)


def _stand_in(name: str, known: dict[str, str], reason: str) -> dict:
    sample = catalogue.members("data")[known[name]].get("FALLBACK", {}).get(name)
    return _located(sample, known[sample]) | {"reason": reason} if sample else {"error": reason}


def _entry(name: str, study: str | None) -> dict:
    """The entry of the study's data.lock; resolved afresh where a study or its lock does not name the dataset."""
    lock = paths.study_dir(study) / "data.lock" if study else None
    if lock and lock.exists():
        locked = json.loads(lock.read_text(encoding="utf-8"))
        for asked, entry in locked.items():
            if name in (asked, entry.get("name")):
                return entry
    return resolve([name])[name]


def load(name: str, study: str | None = None) -> SeriesFrame:
    """The series frame of a dataset, from the place that the study's data.lock names (contract 4 of docs/design.md).

    Without a study, or before its lock exists, the place is looked for now. A path to a CSV (.csv, .csv.gz) or Parquet
    file is read as it is.
    Raises DataError when the data cannot be had or changed since the lock was made.
    """
    if name.lower().endswith((".csv", ".csv.gz", ".parquet")):
        return _module("files").read(name)
    entry = _entry(name, study)
    if "error" in entry:
        raise DataError(f"{name} cannot be had: {entry['error']}")
    if name != entry["name"]:
        warnings.warn(f"{name} is replaced by {entry['name']}: {entry['reason']}", stacklevel=2)
    source = _module(entry["source"])
    if entry["source"] != "files":
        return source.load(entry["name"], entry)
    if source.locate(entry["path"])["sha256"] != entry["sha256"]:
        raise DataError(f"{entry['path']} changed since this study was planned; start the study again")
    return checked.frame(study, entry)
