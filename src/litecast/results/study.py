"""The rows, losses and forecasts of all current runs of a study."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from litecast import paths
from litecast.errors import RunError
from litecast.files import read_json
from litecast.results.choice import function, is_dense, reference, select
from litecast.results.rows import LATENCY, read, read_stored

TABLES = ("results.csv", "transfer.csv", "devices.csv")  # what a run leaves: rows, or lines that are none


def current_runs(study: str) -> list[Path]:
    """Folders of the runs that count, sorted: those whose done.json carries the digest that plan.json asks for; without
    a plan (notebooks run by hand) all that have finished. Raises RunError if there is no such study."""
    folder = paths.study_dir(study)
    if not (folder / "runs").is_dir():
        known = sorted(path.parent.name for path in paths.reports_dir().glob("*/runs"))
        raise RunError(f"There is no study {study!r} in {paths.reports_dir()}: run `make quick` first, "
                       f"or set `study` to one of: {', '.join(known) or 'none yet'}.")
    plan = read_json(folder / "plan.json").get("runs")
    if plan is None:
        return sorted({path.parent for table in TABLES for path in (folder / "runs").glob(f"*/*/{table}")})
    return sorted(folder / run["dir"] for run in plan
                  if read_json(folder / run["dir"] / "done.json").get("digest") == run["digest"])


def collect(study: str) -> pd.DataFrame:
    """All rows of a study's current runs, typed, with dense_id, ratio, latency and `selected` filled.
    Raises RunError if the study does not exist, or if two runs wrote the same row."""
    runs = current_runs(study)
    rows = read(*(run / "results.csv" for run in runs if (run / "results.csv").exists()))
    if rows.empty:
        return rows
    for identifier, twice in rows[rows.row_id.duplicated(keep=False)].groupby("row_id").run:
        raise RunError(f"Row {identifier} was written by {' and '.join(twice)}: remove one of these folders.")
    rows["dense_id"] = rows.row_id.map(reference(rows)).astype(str)
    rows["ratio"] = 4 * rows.dense_id.map(rows.set_index("row_id").live_params) / rows.bytes
    rows = _timed(rows, [run / "latency.csv" for run in runs if (run / "latency.csv").exists()])
    rows["selected"] = select(rows).astype("float64")
    return rows


def transfers(study: str) -> pd.DataFrame:
    """All lines of the runs of a series that was held out, with their run; none without such runs."""
    return _lines(study, "transfer.csv")


def local(study: str) -> pd.DataFrame:
    """What was fitted to drawn series of panels, with the run; none where every series was fitted."""
    return _lines(study, "local.csv")


def _lines(study: str, table: str) -> pd.DataFrame:
    folder = paths.study_dir(study)
    runs = current_runs(study) if (folder / "runs").is_dir() else []
    found = [pd.read_csv(run / table).assign(run=run.relative_to(folder).as_posix())
             for run in runs if (run / table).exists()]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["dataset", "run"])


def losses(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Test losses of these rows: row_id, series, origin, abs_err, sq_err, abs_y, summed over the horizon."""
    return read_stored("losses", [run / "losses.parquet" for run in current_runs(study)], row_ids)


def forecasts(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Stored forecasts of these rows: row_id, series, origin, step, y, yhat, in the data's own units."""
    return read_stored("forecasts", [run / "forecasts.parquet" for run in current_runs(study)], row_ids)


def bands(study: str, row_ids: Iterable[str]) -> pd.DataFrame:
    """Bands of these rows' files: row_id, level, step, series, radius (see `conformal.radii`)."""
    return read_stored("bands", [run / "bands.parquet" for run in current_runs(study)], row_ids)


def _timed(rows: pd.DataFrame, files: list[Path]) -> pd.DataFrame:
    """Join the timing runs' latency.csv (row_id of the very row that was timed, its runtime, LATENCY), and the ratio of
    times to that of dense in the same runtime."""
    if files:
        timing = pd.concat(map(pd.read_csv, files)).set_index(["row_id", "runtime"])
        for identifier, runtime in timing.index[timing.index.duplicated()]:
            raise RunError(f"{identifier} was timed twice in {runtime}: remove one of {', '.join(map(str, files))}.")
        rows[LATENCY] = _looked_up(timing[LATENCY], rows[["row_id", "runtime"]]).fillna(rows[LATENCY])
    p50 = rows.groupby([function(rows), "runtime"]).latency_ms_p50.first()
    # dense and dense trained longer are the same network: one stands in where only it is timed
    stand_in = rows[is_dense(rows)].groupby(["dataset", "model", "runtime"]).latency_ms_p50.median()
    dense = _looked_up(p50, rows[["dense_id", "runtime"]])
    dense = dense.fillna(_looked_up(stand_in, rows[["dataset", "model", "runtime"]]))
    return rows.assign(latency_ratio=dense / rows.latency_ms_p50)


def _looked_up(values: pd.DataFrame | pd.Series, keys: pd.DataFrame) -> pd.DataFrame | pd.Series:
    """The values that stand under each row's keys, NaN where there are none; index of `keys`."""
    return values.reindex(pd.MultiIndex.from_frame(keys)).set_axis(keys.index)
