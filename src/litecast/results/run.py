"""One run: its folder and its rows. A killed run goes on where it stopped; `finish` merges the parts."""

import contextlib
import functools
import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from litecast import catalogue, paths
from litecast.errors import RunError
from litecast.files import hashed, read_json, sha256, write_json
from litecast.planning import closure
from litecast.results import rows as table


@functools.cache
def _machine() -> dict:
    status, devices = _git("status", "--porcelain"), sys.modules.get("litecast.training.devices")  # of networks only
    device = devices.described() if devices else "cpu"
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if status is None else int(bool(status)),
            "device": device, "cpu": _cpu(), "lock_sha256": sha256(paths.LOCK)}


def _git(*command: str) -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(["git", *command], cwd=paths.ROOT, capture_output=True, text=True, timeout=20,
                              check=True).stdout.strip()


def _cpu() -> str:
    with contextlib.suppress(OSError, IndexError):
        return Path("/proc/cpuinfo").read_text().split("model name", 1)[1].split(":", 1)[1].splitlines()[0].strip()
    return platform.processor() or platform.machine()


def _data(study: str, dataset: str) -> dict:
    lock = read_json(paths.study_dir(study) / "data.lock")
    entry = next((entry for name, entry in lock.items() if dataset in (name, entry.get("name"))), {})
    return {f"data_{name}": entry[name] for name in ("source", "sha256") if entry.get(name)}


def _version(runtime: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
        return importlib.metadata.version("scikit-learn" if runtime == "sklearn" else runtime)


class Run:
    """The folder of one run and its rows: `runs/<stage>/<key=value,...>/` of a study. `Run.open` it; `add` each row as
    soon as it is finished; `finish`. planned: by a study, else it is run by hand."""

    def __init__(self, study: str, keys: Mapping, folder: Path, digest: str, planned: bool):
        self.study, self.keys, self.dir, self.digest, self.planned = study, dict(keys), folder, digest, planned
        self._rows = {row["row_id"]: row for row in _finished(folder, digest)}

    @classmethod
    def open(cls, stage: str, study: str, dataset: str | None = None, model: str | None = None,
             seed: int | None = None, teachers: str | None = None, route: str | None = None) -> "Run":
        """Make the folder of a run of notebook `stage` (without its number), or take up what an earlier call finished.

        teachers, route: as in 'nbeats+lstm', 'channel_pruning-0.5+int8-8'. Rows of other inputs do not count: those of
        another digest of the runner or, by hand, of notebook and code."""
        keys = dict(zip(paths.KEYS, (dataset, model, seed, teachers or None, route or None), strict=True))
        notebook = catalogue.notebooks().get(stage, paths.NOTEBOOKS / f"{stage}.ipynb")
        folder = paths.run_dir(study, notebook.stem, **keys)
        folder.mkdir(parents=True, exist_ok=True)
        planned = read_json(folder / "inputs.json").get("digest")
        digest = planned or (closure.digest(notebook, closure.closure(notebook, keys)) if notebook.exists()
                             else hashed(stage))
        return cls(study, keys, folder, digest, planned is not None)

    @property
    def rows(self) -> list[dict]:
        """Finished rows, in the order in which they were added."""
        return [dict(row) for row in self._rows.values()]

    def has(self, identifier: str) -> bool:
        return identifier in self._rows

    def get(self, identifier: str) -> dict:
        """The finished row of that row_id; raises RunError if there is none."""
        if identifier not in self._rows:
            raise RunError(f"{self.dir}: no row {identifier!r}; finished: {', '.join(self._rows) or 'none'}")
        return dict(self._rows[identifier])

    def file(self, name: str) -> Path:
        """Where a file of this run goes (its folder is made)."""
        (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
        return self.dir / name

    def add(self, row: Mapping, losses: pd.DataFrame | None = None, forecasts: pd.DataFrame | None = None,
            bands: pd.DataFrame | None = None) -> dict:
        """Keep a finished row, with its test losses, its forecasts and its bands, and return it complete.

        Columns of each: `STORED`; the first two in the data's own units, bands in scaled ones. Raises RunError for an
        unknown column, a missing name, or an artefact that is not what the row says."""
        row = self._complete(row)
        for kind, frame in (("losses", losses), ("forecasts", forecasts), ("bands", bands)):
            path = self._part(row["row_id"], f"{kind}.parquet")
            path.unlink(missing_ok=True)
            if frame is not None:
                table.write_stored(frame.assign(row_id=row["row_id"]), kind, path)
        write_json(self._part(row["row_id"], "json"), row)  # last: the row counts as finished when its JSON is there
        self._rows[row["row_id"]] = row
        return dict(row)

    def finish(self) -> pd.DataFrame:
        """Merge the parts to a .parquet of each of STORED and, last, results.csv; returns the rows, typed."""
        fresh = [identifier for identifier in self._rows if self._part(identifier, "json").exists()]
        for kind in table.STORED:
            path, old = self.dir / f"{kind}.parquet", set(self._rows) - set(fresh)
            parts = [self._part(identifier, f"{kind}.parquet") for identifier in fresh]
            frames = [table.read_stored(kind, [path], old), table.read_stored(kind, parts, fresh)]
            if any(map(len, frames)):
                table.write_stored(pd.concat(filter(len, frames), ignore_index=True), kind, path)
            else:
                path.unlink(missing_ok=True)
        frame = table.typed(pd.DataFrame(self.rows, columns=table.COLUMNS))
        table.write_csv(frame, self.dir / "results.csv")
        shutil.rmtree(self.dir / "parts", ignore_errors=True)  # last: nothing is lost if the run is killed in between
        return frame

    def _part(self, identifier: str, ending: str) -> Path:
        return self.dir / "parts" / f"{table.slug(identifier)}.{ending}"

    def _complete(self, row: Mapping) -> dict:
        if unknown := [name for name in row if name not in table.COLUMNS]:
            raise RunError(f"{self.dir}: {unknown[0]!r} is no column{catalogue.near(unknown[0], table.COLUMNS)}")
        given = {name: value for name, value in row.items() if not table.is_empty(value)}
        named = {name: self.keys.get(name) for name in ("dataset", "model", "seed")}  # a key `route` is no row's route
        full = {**named, **_machine(), "runtime_version": _version(table.as_text(row.get("runtime"))), **given}
        full |= _data(self.study, table.as_text(full.get("dataset")))
        # never taken from the caller: a row copied from another run belongs to this one
        folder = self.dir.relative_to(paths.study_dir(self.study)).as_posix()
        full |= {"study": self.study, "run": folder, "code_sha256": self.digest}
        if missing := [name for name in ("dataset", "model", "technique", "role") if table.is_empty(full.get(name))]:
            raise RunError(f"{self.dir}: a result row needs {missing[0]!r}")
        full["row_id"] = table.row_id(full)
        if "artefact" in given:
            full |= self._artefact(full)
        return {name: table.plain_value(name, full.get(name), self.dir) for name in table.COLUMNS}

    def _artefact(self, row: Mapping) -> dict:
        """The file's name relative to the study's folder, and its size: bytes are those on disk, nothing else."""
        study = paths.study_dir(self.study)
        path = next((place for place in (self.dir / row["artefact"], study / row["artefact"]) if place.is_file()), None)
        if path is None or not path.resolve().is_relative_to(study):
            raise RunError(f"{row['row_id']}: no file {row['artefact']} in {study}: save the artefact there, then add")
        size = path.stat().st_size
        if row.get("bytes", size) != size:
            raise RunError(f"{row['row_id']}: the row says {row['bytes']} bytes, {path.name} has {size}")
        return {"artefact": path.resolve().relative_to(study).as_posix(), "bytes": size}


def _finished(folder: Path, digest: str) -> list[dict]:
    """Rows of earlier attempts, merged ones first, that were made by the same code."""
    merged = table.read(folder / "results.csv").to_dict("records") if (folder / "results.csv").exists() else []
    parts = sorted((folder / "parts").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    rows = [row for row in [*merged, *map(read_json, parts)] if row.get("code_sha256") == digest]
    return [{name: table.plain_value(name, row.get(name), folder) for name in table.COLUMNS} for row in rows]
