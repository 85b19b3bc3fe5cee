"""Result rows: what a run writes, how a study collects them, and which level of a technique is chosen.

A run keeps one part per finished row, so a killed run goes on where it stopped; `finish` merges the parts.
Everything chosen here (references, levels, headline rows) is chosen on validation columns only.
"""

import contextlib
import difflib
import functools
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from litecast import closure, paths
from litecast.errors import RunError

COLUMNS = """
study dataset model technique level variant seed role control selected row_id parent_id dense_id L H
val_mse_scaled val_mae_scaled val_wape val_mase val_bias val_drift val_skill
test_mse_scaled test_mae_scaled test_wape test_mase test_bias test_drift test_skill
params live_params nonzero_params macs train_macs train_s compress_s train_peak_mb
artefact format bytes ratio resident_bytes arena_bytes coverage_weights coverage_macs
runtime threads batch latency_ms_p10 latency_ms_p50 latency_ms_p90 latency_ratio
data_source data_sha256 code_sha256 commit dirty lock_sha256 device cpu runtime_version error
run
""".split()
TEXT = frozenset(
    """study dataset model technique level variant role control row_id parent_id dense_id artefact format runtime
    data_source data_sha256 code_sha256 commit lock_sha256 device cpu runtime_version error run""".split()
)
INTEGERS = frozenset(
    """seed selected L H params live_params nonzero_params macs train_macs bytes resident_bytes arena_bytes
    threads batch dirty""".split()
)
LATENCY = ["threads", "batch", "latency_ms_p10", "latency_ms_p50", "latency_ms_p90"]
LOSSES = ["row_id", "series", "origin", "abs_err", "sq_err", "abs_y"]
FORECASTS = ["row_id", "series", "origin", "step", "y", "yhat"]
GROUP = ["dataset", "model", "technique", "variant", "runtime"]  # one level of each is selected
TOLERANCE = 0.01  # a level may lose this share of validation WAPE against its reference
NEAR_BEST = 0.02  # the headline file may lose this share against the best forecaster of any size
BUDGETS_KB = (4, 16, 64)  # 1 kB = 1000 bytes


# ---- files

@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well, and is gone if it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write atomically; counts are written as integers, what is missing stays empty."""
    counts = {name: frame[name].round().astype("Int64") for name in frame if name in INTEGERS}
    with atomic(Path(path)) as temporary:
        frame.assign(**counts).to_csv(temporary, index=False)


def read(path: Path) -> pd.DataFrame:
    """results.csv of a run or a study, typed: text columns are str ("" = empty), all others float64 (NaN = empty)."""
    return _typed(pd.read_csv(path, dtype=str, keep_default_na=False))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reindex(columns=COLUMNS)
    for name in COLUMNS:
        if name in TEXT:
            frame[name] = [_text(value) for value in frame[name]]
            frame[name] = frame[name].astype(str)  # also where there is no row
        else:
            frame[name] = pd.to_numeric(frame[name].replace("", np.nan)).astype("float64")
    return frame


def _write_parquet(frame: pd.DataFrame, path: Path, columns: list[str]) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise RunError(f"{path.name}: missing column {', '.join(missing)}; expected {', '.join(columns)}")
    floats = {name: "float32" for name in ("abs_err", "sq_err", "abs_y", "y", "yhat") if name in columns}
    frame = frame[columns].astype({**floats, "row_id": "category", "series": "category"})
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False, compression="zstd")


def _read_parquet(path: Path, row_ids: Iterable[str]) -> pd.DataFrame:
    frame = pd.read_parquet(path, filters=[("row_id", "in", sorted(row_ids))])
    return frame.astype({"row_id": str, "series": str})


def _json(path: Path) -> dict:
    """Content of a JSON file; {} when it is not there or was cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


# ---- provenance

def _git(*command: str) -> str | None:
    try:
        done = subprocess.run(["git", *command], cwd=paths.ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@functools.cache
def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _device() -> str:
    torch = sys.modules.get("torch")  # never imported from here: rows of classical models need none
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "cpu"


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _own_digest(stage: str, keys: Mapping, settings: Mapping) -> str:
    """What a run by hand is made of: its notebook as saved, the code that it may execute, and its settings."""
    notebook = paths.NOTEBOOKS / f"{stage}.ipynb"
    code = closure.digest(notebook, closure.closure(notebook, dict(keys))) if notebook.exists() else stage
    return closure.hashed([code, settings])


@functools.cache
def _machine() -> dict:
    status = _git("status", "--porcelain")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else int(bool(status)),
        "lock_sha256": _sha256(paths.LOCK.read_bytes()) if paths.LOCK.exists() else None,
        "device": _device(),
        "cpu": _cpu(),
    }


def _data(study: str, dataset: str) -> dict:
    for name, entry in _json(paths.study_dir(study) / "data.lock").items():
        if dataset in (name, entry.get("name")):
            known = {"data_source": entry.get("source"), "data_sha256": entry.get("sha256")}
            return {name: value for name, value in known.items() if value}
    return {}


def _version(runtime: str) -> str | None:
    try:
        return importlib.metadata.version(runtime)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


# ---- one run

def _is_empty(value) -> bool:
    return value is None or value == "" or (isinstance(value, (float, np.floating)) and not math.isfinite(value))


def _text(value) -> str:
    if _is_empty(value):
        return ""
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)


def row_id(row: Mapping) -> str:
    """'dataset/model/technique/level/variant/s0[/control][/runtime]'; '-' stands for what is empty.

    The runtime is named only where it is not the one the model was made in (`runtime` onnxruntime, openvino, ...).
    """
    head = [_text(row.get(name)) or "-" for name in ("dataset", "model", "technique", "level", "variant")]
    seed = f"s{_text(row.get('seed')) or '-'}"
    control, runtime = _text(row.get("control")), _text(row.get("runtime"))
    foreign = runtime if runtime not in ("", "torch", "statsmodels", "numpy") else ""
    return "/".join([*head, seed, *filter(None, [control, foreign])])


def slug(identifier: str) -> str:
    """A file name for a row_id: readable, and different for different ids."""
    return f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', identifier)}-{_sha256(identifier.encode())[:8]}"


class Run:
    """The folder of one run and its rows: `runs/<stage>/<key=value,...>/` of a study.

    Open it with `Run.open`; `add` a row as soon as it is finished; `finish` at the end.
    """

    def __init__(self, study: str, keys: Mapping, folder: Path, digest: str, planned: bool):
        self.study, self.keys, self.dir, self.digest = study, dict(keys), folder, digest
        self.planned = planned  # by a study; else a notebook is run by hand
        self._rows = {row["row_id"]: row for row in _finished(folder, digest)}

    @classmethod
    def open(cls, stage: str, study: str, dataset: str | None = None, model: str | None = None,
             seed: int | None = None, **settings) -> "Run":
        """Make the run's folder, or take up what an earlier attempt of the same run has finished.

        settings: what else shapes the rows (steps=400, ...), for runs by hand: the runner has its own digest. Opened
        without settings, a run is as it was made. Rows of other code or other settings do not count.
        Raises RunError if the folder belongs to a planned run with other settings.
        """
        keys = {"dataset": dataset, "model": model, "seed": seed}
        folder = paths.run_dir(study, stage, **keys)
        folder.mkdir(parents=True, exist_ok=True)
        inputs = _json(folder / "inputs.json")
        digest = inputs.get("digest") or _own_digest(stage, keys, _settings(folder, settings))
        _check_settings(folder, settings, inputs.get("params", {}))
        return cls(study, keys, folder, digest, planned="digest" in inputs)

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
        self._keep(row, "losses", losses, LOSSES)
        self._keep(row, "forecasts", forecasts, FORECASTS)
        # last: a row counts as finished when its JSON is there
        with atomic(self._part(row["row_id"], "json")) as temporary:
            temporary.write_text(json.dumps(row, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        self._rows[row["row_id"]] = row
        return dict(row)

    def finish(self) -> pd.DataFrame:
        """Merge the parts to losses.parquet, forecasts.parquet and, last, results.csv; returns the rows, typed."""
        self._merge("losses", LOSSES)
        self._merge("forecasts", FORECASTS)
        frame = _typed(pd.DataFrame(self.rows, columns=COLUMNS))
        write_csv(frame, self.dir / "results.csv")
        # last, so that nothing is lost if the run is killed in between
        shutil.rmtree(self.dir / "parts", ignore_errors=True)
        return frame

    def _part(self, identifier: str, ending: str) -> Path:
        return self.dir / "parts" / f"{slug(identifier)}.{ending}"

    def _keep(self, row: Mapping, kind: str, frame: pd.DataFrame | None, columns: list[str]) -> None:
        path = self._part(row["row_id"], f"{kind}.parquet")
        if frame is None:
            path.unlink(missing_ok=True)
        else:
            _write_parquet(frame.assign(row_id=row["row_id"]), path, columns)

    def _merge(self, kind: str, columns: list[str]) -> None:
        path = self.dir / f"{kind}.parquet"
        parts = {identifier: self._part(identifier, f"{kind}.parquet") for identifier in self._rows}
        fresh = {identifier: part for identifier, part in parts.items() if part.exists()}
        replaced = {identifier for identifier in parts if self._part(identifier, "json").exists()}
        kept = set(parts) - replaced
        frames = [_read_parquet(path, kept)] if kept and path.exists() else []
        frames += [_read_parquet(part, [identifier]) for identifier, part in fresh.items()]
        frames = [frame for frame in frames if len(frame)]
        if frames:
            _write_parquet(pd.concat(frames, ignore_index=True), path, columns)
        else:
            path.unlink(missing_ok=True)

    def _complete(self, row: Mapping) -> dict:
        for name in row:
            if name not in COLUMNS:
                near = difflib.get_close_matches(name, COLUMNS, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise RunError(f"{self.dir}: {name!r} is no column of a result row{hint}")
        given = {name: value for name, value in row.items() if not _is_empty(value)}
        full = {**self.keys, **_machine(), "runtime_version": _version(_text(row.get("runtime"))), **given}
        full |= _data(self.study, _text(full.get("dataset")))
        # never taken from the caller: a row copied from another run belongs to this one
        folder = self.dir.relative_to(paths.study_dir(self.study)).as_posix()
        full |= {"study": self.study, "run": folder, "code_sha256": self.digest}
        for name in ("dataset", "model", "technique", "role"):
            if _is_empty(full.get(name)):
                raise RunError(f"{self.dir}: a result row needs {name!r}")
        full["row_id"] = row_id(full)
        full.update(self._artefact(full))
        return {name: _value(name, full.get(name), self.dir) for name in COLUMNS}

    def _artefact(self, row: Mapping) -> dict:
        """The file's name relative to the study's folder, and its size: bytes are those on disk, nothing else."""
        if _is_empty(row.get("artefact")):
            return {}
        study = paths.study_dir(self.study)
        path = next((place for place in (self.dir / row["artefact"], study / row["artefact"]) if place.is_file()), None)
        if path is None or not path.resolve().is_relative_to(study):
            raise RunError(f"{row['row_id']}: no file {row['artefact']} in {study}: save the artefact there, then add")
        size = path.stat().st_size
        if not _is_empty(row.get("bytes")) and int(row["bytes"]) != size:
            raise RunError(f"{row['row_id']}: the row says {row['bytes']} bytes, {path.name} has {size}")
        return {"artefact": path.resolve().relative_to(study).as_posix(), "bytes": size}


def _settings(folder: Path, settings: Mapping) -> dict:
    """The settings of a run by hand, kept beside its rows; those kept there if none are given."""
    if not settings:
        return _json(folder / "settings.json")
    with atomic(folder / "settings.json") as temporary:
        temporary.write_text(json.dumps(settings, default=str), encoding="utf-8")
    return json.loads(json.dumps(settings, default=str))


def _check_settings(folder: Path, settings: Mapping, planned: Mapping) -> None:
    for name, value in settings.items():
        if name in planned and json.loads(json.dumps(value, default=str)) != planned[name]:
            raise RunError(f"{folder}: the study plans this run with {name} = {planned[name]!r}, not {value!r}. "
                           f"Give the notebook another `study` name, or edit the study file.")


def _finished(folder: Path, digest: str) -> list[dict]:
    """Rows of earlier attempts, merged ones first, that were made by the same code and settings."""
    merged = read(folder / "results.csv").to_dict("records") if (folder / "results.csv").exists() else []
    parts = sorted((folder / "parts").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    rows = [row for row in [*merged, *map(_json, parts)] if row.get("code_sha256") == digest]
    return [{name: _value(name, row.get(name), folder) for name in COLUMNS} for row in rows]


def _value(name: str, value, where: Path):
    """A plain JSON value: str in text columns, int or float in the others, None for what is empty.

    A level that reads as a number is one (rows of a run go back to techniques); in tables it is text.
    """
    if _is_empty(value):
        return None
    if name == "level" and re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", _text(value)):
        return int(float(value)) if float(value).is_integer() else float(value)
    if name in TEXT:
        return _text(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RunError(f"{where}: {name} must be a number, not {value!r}") from None
    return int(round(number)) if name in INTEGERS else number


# ---- a study

def current_runs(study: str) -> list[Path]:
    """Folders of the runs that count, sorted: those whose done.json carries the digest that plan.json asks for.

    A study without a plan (notebooks run by hand) counts every run that has finished. Raises RunError if there is no
    such study.
    """
    folder = paths.study_dir(study)
    if not (folder / "runs").is_dir():
        raise RunError(f"There is no study {study!r} in {paths.reports_dir()}: run `make quick` first, "
                       f"or set `study` to one of: {', '.join(_studies()) or 'none yet'}.")
    plan = _json(folder / "plan.json").get("runs")
    if plan is None:
        return sorted(path.parent for path in (folder / "runs").glob("*/*/results.csv"))
    return sorted(folder / run["dir"] for run in plan if _is_done(folder / run["dir"], run.get("digest")))


def _studies() -> list[str]:
    return sorted(path.parent.name for path in paths.reports_dir().glob("*/runs"))


def _is_done(run: Path, digest: str | None) -> bool:
    done = _json(run / "done.json")
    return bool(done) and (digest is None or done.get("digest") == digest)


def collect(study: str) -> pd.DataFrame:
    """All rows of a study's current runs, typed, with dense_id, ratio, latency and `selected` filled.

    Raises RunError if the study does not exist, or if two runs wrote the same row.
    """
    runs = current_runs(study)
    frames = [read(run / "results.csv") for run in runs if (run / "results.csv").exists()]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return _typed(pd.DataFrame())
    rows = pd.concat(frames, ignore_index=True)
    twice = rows[rows.row_id.duplicated(keep=False)]
    if len(twice):
        first = twice[twice.row_id == twice.row_id.iloc[0]]
        raise RunError(f"Row {first.row_id.iloc[0]} was written by {' and '.join(first.run)}: each row has one run. "
                       f"Remove one of these folders.")
    rows["dense_id"] = rows.row_id.map(reference(rows)).astype(str)
    rows["ratio"] = 4 * rows.dense_id.map(rows.set_index("row_id").live_params) / rows.bytes
    rows = _timed(rows, runs)
    rows["selected"] = select(rows).astype("float64")
    return rows


def losses(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Test losses of these rows: row_id, series, origin, abs_err, sq_err, abs_y, summed over the horizon."""
    return _stored(study, "losses.parquet", row_ids, LOSSES)


def forecasts(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Stored forecasts of these rows: row_id, series, origin, step, y, yhat, in the data's own units."""
    return _stored(study, "forecasts.parquet", row_ids, FORECASTS)


def _stored(study: str, name: str, row_ids: Iterable[str], columns: list[str]) -> pd.DataFrame:
    wanted = set(row_ids)
    files = [run / name for run in current_runs(study) if (run / name).exists()]
    frames = [_read_parquet(path, wanted) for path in files] if wanted else []
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _timed(rows: pd.DataFrame, runs: list[Path]) -> pd.DataFrame:
    """Join the timing runs' latency.csv (row_id, runtime, threads, batch, latency_ms_*), and the ratio to dense."""
    files = [run / "latency.csv" for run in runs if (run / "latency.csv").exists()]
    if files:
        timing = pd.concat([pd.read_csv(path, dtype={"row_id": str, "runtime": str}) for path in files])
        runtime = timing.runtime.fillna("")
        timing.index = [_in_runtime(*pair) for pair in zip(timing.row_id, runtime, strict=True)]
        timing = timing[~timing.index.duplicated(keep="last")]
        for name in LATENCY:
            rows[name] = rows.row_id.map(timing[name]).fillna(rows[name])
        rows["runtime"] = rows.runtime.where(rows.runtime != "", rows.row_id.map(timing.runtime).fillna(""))
    rows["latency_ratio"] = _dense_latency(rows) / rows.latency_ms_p50
    return rows


def _in_runtime(identifier: str, runtime: str) -> str:
    """row_id of the same file's row in another runtime (torch is not named in a row_id)."""
    if runtime in ("", "torch") or identifier.endswith(f"/{runtime}"):
        return identifier
    return f"{identifier}/{runtime}"


def _dense_latency(rows: pd.DataFrame) -> pd.Series:
    """Median latency of each row's reference in the row's own runtime; dense itself stands in where only it is timed
    (dense and dense trained longer are the same network)."""
    p50 = rows.set_index("row_id").latency_ms_p50
    ids = pd.Series([_in_runtime(*pair) for pair in zip(rows.dense_id, rows.runtime, strict=True)], index=rows.index)
    dense = rows[is_dense(rows)].set_index(["dataset", "model", "runtime"]).latency_ms_p50.dropna()
    dense = dense.groupby(level=[0, 1, 2]).median()
    keys = pd.MultiIndex.from_frame(rows[["dataset", "model", "runtime"]])
    fallback = pd.Series(dense.reindex(keys).to_numpy(), index=rows.index)
    return ids.map(p50).fillna(fallback)


# ---- choices, on validation

def is_dense(rows: pd.DataFrame) -> pd.Series:
    """Rows of a trained, uncompressed forecaster at its chosen width (ARIMA too, in a class of its own)."""
    return (rows.role == "dense") & (rows.technique != "width") & (rows.control == "")


def is_valid(rows: pd.DataFrame) -> pd.Series:
    return (rows.error == "") & rows.val_wape.notna()


def reference(rows: pd.DataFrame) -> pd.Series:
    """row_id -> dense_id: per (dataset, model, seed) the better, on validation, of dense and dense trained longer.

    Which of the two it is is decided once per (dataset, model), on means over their common seeds. "" = no reference.
    """
    usable = rows[is_valid(rows) & (rows.format != "onnx")].sort_values("bytes", ascending=False)
    dense, longer = usable[is_dense(usable)], usable[usable.control == "extra_epochs"]
    chosen = {}
    for (dataset, model), group in dense.groupby(["dataset", "model"]):
        plain = _by_seed(group)
        extra = _by_seed(longer[(longer.dataset == dataset) & (longer.model == model)])
        seeds = plain.index.intersection(extra.index)
        is_better = extra.val_wape[seeds].mean() < plain.val_wape[seeds].mean()
        ids = {**plain.row_id, **(extra.row_id[seeds] if is_better else {})}
        chosen.update({(dataset, model, seed): identifier for seed, identifier in ids.items()})
    keys = zip(rows.dataset, rows.model, rows.seed.fillna(-1), strict=True)
    return pd.Series([chosen.get(key, "") for key in keys], index=rows.row_id.to_numpy(), dtype=str)


def _by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    # the largest file first: should one dense network be stored twice, the less compressed one is the reference
    rows = rows.assign(seed=rows.seed.fillna(-1))
    return rows.drop_duplicates("seed").set_index("seed")


def select(rows: pd.DataFrame) -> pd.Series:
    """Which rows are selected: bool, index of `rows`. One level per (dataset, model, technique, variant, runtime):

    the smallest file whose validation WAPE is within 1 % of the reference, means over seeds; if there is none, the
    lowest validation WAPE. Rows of controls and failed rows are never selected. No test column is read.
    """
    reference_wape = rows.row_id.map(reference(rows)).map(rows.set_index("row_id").val_wape)
    mean = reference_wape.groupby([rows.dataset, rows.model]).transform("mean")
    table = rows[[*GROUP, "level", "bytes", "val_wape"]].assign(reference=reference_wape.fillna(mean))
    table = table[is_valid(rows) & (rows.control == "")]
    levels = table.groupby([*GROUP, "level"], as_index=False).mean()
    levels["near"] = levels.val_wape <= (1 + TOLERANCE) * levels.reference
    levels["size"] = levels.bytes.where(levels.near, np.inf)  # far from the reference, size does not count
    order = ["near", "size", "val_wape", "level"]
    best = levels.sort_values(order, ascending=[False, True, True, True]).drop_duplicates(GROUP)
    chosen = pd.MultiIndex.from_frame(best[[*GROUP, "level"]])
    return pd.Series(pd.MultiIndex.from_frame(rows[[*GROUP, "level"]]).isin(chosen), index=rows.index) & (
        is_valid(rows) & (rows.control == ""))


def has_skill(rows: pd.DataFrame) -> pd.Series:
    """(dataset, model) -> bool: dense beats the seasonal naive forecast on validation and on test, means over seeds.

    Where it does not there is no skill to lose: such rows are flagged and leave every ranking.
    """
    dense = rows[is_dense(rows) & is_valid(rows) & (rows.format != "onnx")]
    skill = dense.groupby(["dataset", "model"])[["val_skill", "test_skill"]].mean()
    return (skill > 0).all(axis=1)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per level, all COLUMNS: means over seeds of numbers, the first seed's names; failed rows left out."""
    keys = [*GROUP, "level", "control"]
    how = {name: "first" if name in TEXT else "mean" for name in COLUMNS if name not in keys}
    groups = rows[is_valid(rows)].sort_values("seed", kind="stable").groupby(keys, as_index=False)
    return groups.agg(how)[COLUMNS]


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """Per dataset: the smallest file within 2 % of the best forecaster of any size, and the error at 4, 16 and 64 kB.

    All are chosen on validation, means over seeds, among all files of the dataset (controls other than longer training
    left out); the WAPE shown is that on test. Columns: dataset, skill, best, best_wape, small, small_kb, small_wape,
    then wape_4kb, row_4kb, ...; best, small and row_* are row_ids (of the first seed). A dataset on which no dense
    model has skill keeps only its name.
    """
    skill = has_skill(rows)
    lines = [_headline(name, group, skill) for name, group in rows.groupby("dataset")]
    names = ["dataset", "skill", "best", "best_wape", "small", "small_kb", "small_wape"]
    names += [f"{kind}_{kb}kb" for kb in BUDGETS_KB for kind in ("wape", "row")]
    return pd.DataFrame(lines, columns=names)


def _headline(dataset: str, rows: pd.DataFrame, skill: pd.Series) -> dict:
    skilled = {model for (name, model), good in skill.items() if name == dataset and good}
    if not skilled:
        return {"dataset": dataset, "skill": False}
    plain = (rows.technique == "classical") | (rows.role == "naive")
    rows = rows[is_valid(rows) & rows.control.isin(["", "extra_epochs"]) & (rows.model.isin(skilled) | plain)]
    levels = means(rows)
    best, files = levels.loc[levels.val_wape.idxmin()], levels.dropna(subset="bytes")
    line = {"dataset": dataset, "skill": True, "best": best.row_id, "best_wape": best.test_wape}
    near = files[files.val_wape <= (1 + NEAR_BEST) * best.val_wape].sort_values(["bytes", "val_wape"])
    if len(near):
        small = near.iloc[0]
        line |= {"small": small.row_id, "small_kb": small.bytes / 1000, "small_wape": small.test_wape}
    for kb in BUDGETS_KB:
        fitting = files[files.bytes <= 1000 * kb].sort_values(["val_wape", "bytes"])
        if len(fitting):
            line |= {f"wape_{kb}kb": fitting.iloc[0].test_wape, f"row_{kb}kb": fitting.iloc[0].row_id}
    return line
