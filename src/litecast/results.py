"""Result rows: what a run writes, how a study collects them, and which level of a technique is chosen.

A run keeps one part per finished row, so a killed run goes on where it stopped; `finish` merges the parts.
Everything chosen here (references, levels, headline rows) is chosen on validation columns only.
"""

import contextlib
import difflib
import functools
import importlib.metadata
import math
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from litecast import closure, paths
from litecast.atomic import read_json, replacing, write_json
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
LATENCY = ["latency_ms_p10", "latency_ms_p50", "latency_ms_p90", "threads", "batch"]
STORED = {
    "losses": ["row_id", "series", "origin", "abs_err", "sq_err", "abs_y"],
    "forecasts": ["row_id", "series", "origin", "step", "y", "yhat"],
}
GROUP = ["dataset", "model", "technique", "variant", "runtime"]  # one level of each is selected
TOLERANCE = 0.01  # a level may lose this share of validation WAPE against its reference
PUBLISHED = "published"  # technique of rows made by a paper's protocol: they stand in its table and in no ranking
NEAR_BEST = 0.02  # the headline file may lose this share against the best forecaster of any size
BUDGETS_KB = (4, 16, 64)  # 1 kB = 1000 bytes


# ---- tables

def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write atomically; counts are written as integers, what is missing stays empty."""
    counts = {name: frame[name].round().astype("Int64") for name in frame if name in INTEGERS}
    with replacing(Path(path)) as temporary:
        frame.assign(**counts).to_csv(temporary, index=False)


def read(path: Path) -> pd.DataFrame:
    """results.csv of a run or a study, typed: text columns are str ("" = empty), all others float64 (NaN = empty)."""
    return _typed(pd.read_csv(path, dtype=str, keep_default_na=False))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reindex(columns=COLUMNS)
    text = {name: pd.Series([_text(value) for value in frame[name]], frame.index, dtype=str) for name in TEXT}
    numbers = {name: pd.to_numeric(frame[name]).astype("float64") for name in COLUMNS if name not in TEXT}
    return frame.assign(**text, **numbers)


def _write_stored(frame: pd.DataFrame, kind: str, path: Path) -> None:
    if missing := [name for name in STORED[kind] if name not in frame]:
        raise RunError(f"{path.name}: missing column {', '.join(missing)}; expected {', '.join(STORED[kind])}")
    floats = dict.fromkeys({"abs_err", "sq_err", "abs_y", "y", "yhat"} & {*STORED[kind]}, "float32")
    with replacing(path) as temporary:
        frame[STORED[kind]].astype({**floats, "row_id": "category", "series": "category"}).to_parquet(
            temporary, index=False, compression="zstd")


def _read_stored(kind: str, files: Iterable[Path], row_ids: Iterable[str]) -> pd.DataFrame:
    """What these files hold of these rows, as far as they exist."""
    wanted = sorted(row_ids)
    frames = [pd.read_parquet(path, filters=[("row_id", "in", wanted)]) for path in files if wanted and path.exists()]
    frames = [frame.astype({"row_id": str, "series": str}) for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=STORED[kind])


# ---- provenance

@functools.cache
def _machine() -> dict:
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    torch = sys.modules.get("torch")  # never imported from here: rows of classical models need none
    device = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else "cpu"
    return {"commit": commit, "dirty": None if status is None else int(bool(status)), "device": device, "cpu": _cpu(),
            "lock_sha256": closure.sha256(paths.LOCK)}


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


# ---- one run

def _is_empty(value) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not math.isfinite(value))


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
    foreign = runtime if runtime not in ("", "torch", "sklearn") else ""
    return "/".join([*head, seed, *filter(None, [control, foreign])])


def slug(identifier: str) -> str:
    """A file name for a row_id: readable, and different for different ids."""
    return f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', identifier)}-{closure.hashed(identifier)[:8]}"


class Run:
    """The folder of one run and its rows: `runs/<stage>/<key=value,...>/` of a study.

    Open it with `Run.open`; `add` a row as soon as it is finished; `finish` at the end. planned: by a study; else its
    notebook is run by hand.
    """

    def __init__(self, study: str, keys: Mapping, folder: Path, digest: str, planned: bool):
        self.study, self.keys, self.dir, self.digest, self.planned = study, dict(keys), folder, digest, planned
        self._rows = {row["row_id"]: row for row in _finished(folder, digest)}

    @classmethod
    def open(cls, stage: str, study: str, dataset: str | None = None, model: str | None = None,
             seed: int | None = None) -> "Run":
        """Make the run's folder, or take up what an earlier attempt of the same run has finished.

        Rows of other inputs do not count: those of another digest of the runner or, by hand, of notebook and code.
        """
        keys = {"dataset": dataset, "model": model, "seed": seed}
        folder = paths.run_dir(study, stage, **keys)
        folder.mkdir(parents=True, exist_ok=True)
        planned = read_json(folder / "inputs.json").get("digest")
        notebook = paths.NOTEBOOKS / f"{stage}.ipynb"
        digest = planned or (closure.digest(notebook, closure.closure(notebook, keys)) if notebook.exists()
                             else closure.hashed(stage))
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
                _write_stored(frame.assign(row_id=row["row_id"]), kind, path)
        write_json(self._part(row["row_id"], "json"), row)  # last: the row counts as finished when its JSON is there
        self._rows[row["row_id"]] = row
        return dict(row)

    def finish(self) -> pd.DataFrame:
        """Merge the parts to losses.parquet, forecasts.parquet and, last, results.csv; returns the rows, typed."""
        fresh = [identifier for identifier in self._rows if self._part(identifier, "json").exists()]
        for kind in STORED:
            path, old = self.dir / f"{kind}.parquet", set(self._rows) - set(fresh)
            parts = [self._part(identifier, f"{kind}.parquet") for identifier in fresh]
            frames = [_read_stored(kind, [path], old), _read_stored(kind, parts, fresh)]
            frames = [frame for frame in frames if len(frame)]
            if frames:
                _write_stored(pd.concat(frames, ignore_index=True), kind, path)
            else:
                path.unlink(missing_ok=True)
        frame = _typed(pd.DataFrame(self.rows, columns=COLUMNS))
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
        if "artefact" in given:
            full |= self._artefact(full)
        return {name: _value(name, full.get(name), self.dir) for name in COLUMNS}

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
    merged = read(folder / "results.csv").to_dict("records") if (folder / "results.csv").exists() else []
    parts = sorted((folder / "parts").glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    rows = [row for row in [*merged, *map(read_json, parts)] if row.get("code_sha256") == digest]
    return [{name: _value(name, row.get(name), folder) for name in COLUMNS} for row in rows]


def _value(name: str, value, where: Path):
    """A plain JSON value: str in text columns, int or float in the others, None for what is empty.

    A level that reads as a number is one (rows of a run go back to techniques); in tables it is text.
    """
    if _is_empty(value):
        return None
    if name in TEXT and not (name == "level" and re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", _text(value))):
        return _text(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RunError(f"{where}: {name} must be a number, not {value!r}") from None
    return round(number) if name in INTEGERS or (name == "level" and number.is_integer()) else number


# ---- a study

def current_runs(study: str) -> list[Path]:
    """Folders of the runs that count, sorted: those whose done.json carries the digest that plan.json asks for.

    A study without a plan (notebooks run by hand) counts every run that has finished. Raises RunError if there is no
    such study.
    """
    folder = paths.study_dir(study)
    if not (folder / "runs").is_dir():
        known = sorted(path.parent.name for path in paths.reports_dir().glob("*/runs"))
        raise RunError(f"There is no study {study!r} in {paths.reports_dir()}: run `make quick` first, "
                       f"or set `study` to one of: {', '.join(known) or 'none yet'}.")
    plan = read_json(folder / "plan.json").get("runs")
    if plan is None:
        return sorted(path.parent for path in (folder / "runs").glob("*/*/results.csv"))
    return sorted(folder / run["dir"] for run in plan
                  if read_json(folder / run["dir"] / "done.json").get("digest") == run["digest"])


def collect(study: str) -> pd.DataFrame:
    """All rows of a study's current runs, typed, with dense_id, ratio, latency and `selected` filled.

    Raises RunError if the study does not exist, or if two runs wrote the same row.
    """
    runs = current_runs(study)
    frames = [read(run / "results.csv") for run in runs if (run / "results.csv").exists()]
    if not any(map(len, frames)):
        return _typed(pd.DataFrame())
    rows = pd.concat(filter(len, frames), ignore_index=True)
    for identifier, twice in rows[rows.row_id.duplicated(keep=False)].groupby("row_id").run:
        raise RunError(f"Row {identifier} was written by {' and '.join(twice)}: remove one of these folders.")
    rows["dense_id"] = rows.row_id.map(reference(rows)).astype(str)
    rows["ratio"] = 4 * rows.dense_id.map(rows.set_index("row_id").live_params) / rows.bytes
    rows = _timed(rows, [run / "latency.csv" for run in runs if (run / "latency.csv").exists()])
    rows["selected"] = select(rows).astype("float64")
    return rows


def losses(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Test losses of these rows: row_id, series, origin, abs_err, sq_err, abs_y, summed over the horizon."""
    return _read_stored("losses", [run / "losses.parquet" for run in current_runs(study)], row_ids)


def forecasts(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Stored forecasts of these rows: row_id, series, origin, step, y, yhat, in the data's own units."""
    return _read_stored("forecasts", [run / "forecasts.parquet" for run in current_runs(study)], row_ids)


def _timed(rows: pd.DataFrame, files: list[Path]) -> pd.DataFrame:
    """Join the timing runs' latency.csv (row_id, runtime, threads, batch, latency_ms_*), and the ratio to dense."""
    if files:
        timing = pd.concat(map(pd.read_csv, files))
        timing.index = _in_runtime(timing.row_id, timing.runtime)
        for name in LATENCY:
            rows[name] = rows.row_id.map(timing[name]).fillna(rows[name])
    # dense and dense trained longer are the same network: one stands in where only it is timed
    p50 = rows.set_index("row_id").latency_ms_p50
    dense = rows[is_dense(rows)].groupby(["dataset", "model", "runtime"]).latency_ms_p50.median()
    stand_in = pd.MultiIndex.from_frame(rows[["dataset", "model", "runtime"]]).map(dense.get)
    reference_p50 = pd.Series(_in_runtime(rows.dense_id, rows.runtime), rows.index).map(p50)
    rows["latency_ratio"] = reference_p50.fillna(pd.Series(stand_in, rows.index, dtype=float)) / rows.latency_ms_p50
    return rows


def _in_runtime(row_ids: Iterable[str], runtimes: Iterable[str]) -> list[str]:
    """row_ids of the same files' rows in another runtime (torch is not named in a row_id)."""
    return [identifier if runtime in ("", "torch") else f"{identifier.removesuffix('/' + runtime)}/{runtime}"
            for identifier, runtime in zip(row_ids, runtimes, strict=True)]


# ---- choices, on validation

def is_dense(rows: pd.DataFrame) -> pd.Series:
    """Rows of a trained, uncompressed forecaster at its chosen width (ARIMA too, in a class of its own)."""
    return (rows.role == "dense") & ~rows.technique.isin(["width", PUBLISHED]) & (rows.control == "")


def is_valid(rows: pd.DataFrame) -> pd.Series:
    """Rows that a choice may consider."""
    return (rows.error == "") & rows.val_wape.notna() & (rows.technique != PUBLISHED)


def reference(rows: pd.DataFrame) -> pd.Series:
    """row_id -> dense_id: per (dataset, model, seed) the better, on validation, of dense and dense trained longer.

    Which of the two it is is decided once per (dataset, model), on means over their common seeds. "" = no reference.
    """
    usable = rows[is_valid(rows) & (rows.format != "onnx")].sort_values("bytes", ascending=False)
    varied = (usable.technique == "classical") & (usable.variant != "")  # with weather: no reference for the plain one
    dense, longer = usable[is_dense(usable) & ~varied], usable[usable.control == "extra_epochs"]
    chosen = {}
    for (dataset, model), group in dense.groupby(["dataset", "model"]):
        plain = _by_seed(group)
        extra = _by_seed(longer[(longer.dataset == dataset) & (longer.model == model)])
        seeds = plain.index.intersection(extra.index)
        is_better = extra.val_wape[seeds].mean() < plain.val_wape[seeds].mean()
        ids = {**plain.row_id, **(extra.row_id[seeds] if is_better else {})}
        chosen.update({(dataset, model, seed): identifier for seed, identifier in ids.items()})
    keys = zip(rows.dataset, rows.model.where(rows.technique != PUBLISHED), rows.seed.fillna(-1), strict=True)
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
    may = is_valid(rows) & (rows.control == "")
    table = rows[[*GROUP, "level", "bytes", "val_wape"]].assign(reference=reference_wape.fillna(mean))[may]
    levels = table.groupby([*GROUP, "level"], as_index=False).mean()
    levels["near"] = levels.val_wape <= (1 + TOLERANCE) * levels.reference
    levels["size"] = levels.bytes.where(levels.near, np.inf)  # far from the reference, size does not count
    order = ["near", "size", "val_wape", "level"]
    best = levels.sort_values(order, ascending=[False, True, True, True]).drop_duplicates(GROUP)
    chosen = pd.MultiIndex.from_frame(best[[*GROUP, "level"]])
    return may & pd.MultiIndex.from_frame(rows[[*GROUP, "level"]]).isin(chosen)


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

    All are chosen on validation, means over seeds, among all model files of the dataset (controls other than longer
    training, and ONNX copies, left out); the WAPE shown is that on test. Columns: dataset, skill, best, best_wape,
    small, small_kb, small_wape, then wape_4kb, row_4kb, ...; best, small and row_* are row_ids (of the first seed).
    A dataset on which no dense model has skill keeps only its name.
    """
    rows, skill = rows[(rows.format != "onnx") & (rows.technique != PUBLISHED)], has_skill(rows)
    lines = [_headline(name, group, skill) for name, group in rows.groupby("dataset")]
    names = ["dataset", "skill", "best", "best_wape", "small", "small_kb", "small_wape"]
    names += [f"{kind}_{kb}kb" for kb in BUDGETS_KB for kind in ("wape", "row")]
    return pd.DataFrame(lines, columns=names)


def _headline(dataset: str, rows: pd.DataFrame, skill: pd.Series) -> dict:
    networks = set(rows.model[rows.technique == "dense"])  # without one that has skill there is nothing to compress
    skilled = {model for (name, model), good in skill.items() if name == dataset and good and model in networks}
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
