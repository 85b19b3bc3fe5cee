"""One run: its folder and its rows. A killed run goes on where it stopped; `finish` merges the parts."""

import contextlib
import difflib
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
from litecast.results.rows import (
    COLUMNS,
    STORED,
    as_text,
    is_empty,
    plain_value,
    read,
    read_stored,
    row_id,
    slug,
    typed,
    write_csv,
    write_stored,
)


@functools.cache
def _machine() -> dict:
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    torch = sys.modules.get("torch")  # never imported from here: rows of classical models need none
    device = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "cpu"
    return {"commit": commit, "dirty": None if status is None else int(bool(status)), "device": device, "cpu": _cpu(),
            "lock_sha256": sha256(paths.LOCK)}


def _git(*command: str) -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(["git", *command], cwd=paths.ROOT, capture_output=True, text=True, timeout=20,
                              check=True).stdout.strip()


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _data(study: str, dataset: str) -> dict:
    for name, entry in read_json(paths.study_dir(study) / "data.lock").items():
        if dataset in (name, entry.get("name")):
            known = {"data_source": entry.get("source"), "data_sha256": entry.get("sha256")}
            return {name: value for name, value in known.items() if value}
    return {}


def _version(runtime: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
        return importlib.metadata.version({"sklearn": "scikit-learn"}.get(runtime, runtime))


class Run:
    """The folder of one run and its rows: `runs/<stage>/<key=value,...>/` of a study.

    Open it with `Run.open`; `add` a row as soon as it is finished; `finish` at the end. planned: by a study; else its
    notebook is run by hand.
    """

    def __init__(self, study: str, keys: Mapping, folder: Path, digest: str, planned: bool):
        self.study, self.keys, self.dir, self.digest, self.planned = study, dict(keys), folder, digest, planned
        self._rows = {row["row_id"]: row for row in finished(folder, digest)}

    @classmethod
    def open(cls, stage: str, study: str, dataset: str | None = None, model: str | None = None,
             seed: int | None = None) -> "Run":
        """Make the folder of a run of notebook `stage` (without its number), or take up what an earlier call finished.

        Rows of other inputs do not count: those of another digest of the runner or, by hand, of notebook and code.
        """
        keys = {"dataset": dataset, "model": model, "seed": seed}
        known = catalogue.notebooks()
        stage = known[stage].stem if stage in known else stage
        folder = paths.run_dir(study, stage, **keys)
        folder.mkdir(parents=True, exist_ok=True)
        planned = read_json(folder / "inputs.json").get("digest")
        notebook = paths.NOTEBOOKS / f"{stage}.ipynb"
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
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add(self, row: Mapping, losses: pd.DataFrame | None = None, forecasts: pd.DataFrame | None = None) -> dict:
        """Keep a finished row, with its test losses and forecasts, and return it complete.

        losses: series, origin, abs_err, sq_err, abs_y; forecasts: series, origin, step, y, yhat (own units).
        Raises RunError for an unknown column, a missing name, or an artefact that is not what the row says.
        """
        row = self._complete(row)
        for kind, frame in (("losses", losses), ("forecasts", forecasts)):
            path = self._part(row["row_id"], f"{kind}.parquet")
            path.unlink(missing_ok=True)
            if frame is not None:
                write_stored(frame.assign(row_id=row["row_id"]), kind, path)
        write_json(self._part(row["row_id"], "json"), row)  # last: the row counts as finished when its JSON is there
        self._rows[row["row_id"]] = row
        return dict(row)

    def finish(self) -> pd.DataFrame:
        """Merge the parts to losses.parquet, forecasts.parquet and, last, results.csv; returns the rows, typed."""
        fresh = [identifier for identifier in self._rows if self._part(identifier, "json").exists()]
        for kind in STORED:
            path, old = self.dir / f"{kind}.parquet", set(self._rows) - set(fresh)
            parts = [self._part(identifier, f"{kind}.parquet") for identifier in fresh]
            frames = [read_stored(kind, [path], old), read_stored(kind, parts, fresh)]
            frames = [frame for frame in frames if len(frame)]
            if frames:
                write_stored(pd.concat(frames, ignore_index=True), kind, path)
            else:
                path.unlink(missing_ok=True)
        frame = typed(pd.DataFrame(self.rows, columns=COLUMNS))
        write_csv(frame, self.dir / "results.csv")
        shutil.rmtree(self.dir / "parts", ignore_errors=True)  # last: nothing is lost if the run is killed in between
        return frame

    def _part(self, identifier: str, ending: str) -> Path:
        return self.dir / "parts" / f"{slug(identifier)}.{ending}"

    def _complete(self, row: Mapping) -> dict:
        for name in row:
            if name not in COLUMNS:
                near = difflib.get_close_matches(name, COLUMNS, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise RunError(f"{self.dir}: {name!r} is no column of a result row{hint}")
        given = {name: value for name, value in row.items() if not is_empty(value)}
        full = {**self.keys, **_machine(), "runtime_version": _version(as_text(row.get("runtime"))), **given}
        full |= _data(self.study, as_text(full.get("dataset")))
        # never taken from the caller: a row copied from another run belongs to this one
        folder = self.dir.relative_to(paths.study_dir(self.study)).as_posix()
        full |= {"study": self.study, "run": folder, "code_sha256": self.digest}
        for name in ("dataset", "model", "technique", "role"):
            if is_empty(full.get(name)):
                raise RunError(f"{self.dir}: a result row needs {name!r}")
        full["row_id"] = row_id(full)
        if "artefact" in given:
            full |= self._artefact(full)
        return {name: plain_value(name, full.get(name), self.dir) for name in COLUMNS}

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


def finished(folder: Path, digest: str) -> list[dict]:
    """Rows of earlier attempts, merged ones first, that were made by the same code."""
    merged = read(folder / "results.csv").to_dict("records") if (folder / "results.csv").exists() else []
    parts = sorted((folder / "parts").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    rows = [row for row in [*merged, *map(read_json, parts)] if row.get("code_sha256") == digest]
    return [{name: plain_value(name, row.get(name), folder) for name in COLUMNS} for row in rows]
