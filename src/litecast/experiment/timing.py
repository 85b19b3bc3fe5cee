"""Which files are timed, and in which runtimes."""

from collections.abc import Callable

import pandas as pd

from litecast import files, paths, results, runtimes
from litecast.errors import RunError, TooFewWindows
from litecast.experiment import measure
from litecast.experiment.work import FEW_WINDOWS
from litecast.results.rows import LATENCY

COLUMNS = ["row_id", "runtime", *LATENCY]  # of latency.csv
SAME = ["model", "technique", "variant", "control", "level", "runtime"]  # one seed of each: draws take no time


def to_time(rows: pd.DataFrame, data) -> list[dict]:
    """Rows whose files are timed: of all models of a dataset the dense network, every selected file and whatever the
    headline recommends, the first seed of each.

    Copies are made again beside their original. A file that computes what dense does, as many products in the same
    precision, takes as long, however few bits it was stored in: it is timed where the headline recommends it. RunError
    if there is nothing to time; TooFewWindows where only deep networks were asked for.
    """
    rows = rows[rows.dataset == data.header.name]
    told = results.headline(rows).filter(regex="^(best|small|row_.*)$")
    wanted = rows.row_id.isin(told.to_numpy().ravel())
    mine = rows[wanted | ((rows.control == "") & ((rows.selected == 1) | results.is_dense(rows)))]
    mine = results.own(mine[mine.artefact != ""])
    mine = mine[mine.runtime.map(_can_time).astype(bool)]
    if mine.empty:
        kind = TooFewWindows if len(data.origins("train")) < FEW_WINDOWS else RunError
        raise kind(f"no finished network on {data.header.name} to time: run 210_deep or 220_compact first")
    mine = mine.assign(recommended=wanted).sort_values("seed", kind="stable")
    dense = mine[results.is_dense(mine)]
    as_dense = mine[(mine.technique != "dense") & (mine.control == "") & ~mine.recommended]
    again = as_dense.merge(dense[["model", "macs", "precision"]].drop_duplicates()).row_id
    return mine[~mine.row_id.isin(again)].drop_duplicates(SAME).drop(columns="recommended").to_dict("records")


def _can_time(runtime: str) -> bool:
    return hasattr(runtimes.module(runtime), "call")


def contestants(run, data, row: dict) -> dict[str, Callable]:
    """row_id -> one forecast by that very file: by the row's own in its runtime, and by its copies in others."""
    runtime = runtimes.module(row["runtime"])
    opened = runtime.open(paths.study_dir(run.study) / row["artefact"])
    calls = {row["row_id"]: runtime.call(opened)}
    if row["runtime"] == "torch":  # what another runtime made is no network that could be exported
        for name in runtimes.names():
            if name != "torch" and not runtimes.optional(name) and hasattr(runtimes.module(name), "export"):
                calls |= _copy(run, data, row, name, opened)
    return calls


def lines(times: pd.DataFrame, rows: list[dict]) -> pd.DataFrame:
    """Times by row_id as lines of latency.csv (COLUMNS), beside what their rows say; own ones before their copies."""
    known = pd.DataFrame(rows).drop_duplicates("row_id").set_index("row_id")
    columns = ["runtime", "model", "technique", "precision", "bytes", "macs"]
    return known[columns].join(times.assign(threads=1, batch=1), how="inner").rename_axis("row_id").reset_index()


def _copy(run, data, row: dict, name: str, original) -> dict[str, Callable]:
    """The network of a row in another runtime: a row with the bytes of its file and the errors of its forecasts."""
    runtime = runtimes.module(name)
    path = run.file(results.slug(row["row_id"]) + runtime.SUFFIX)
    with files.replacing(path) as temporary:
        temporary.write_bytes(runtime.export(original.model, original.card))
    opened = runtime.open(path)
    kept = ("dataset", "model", "technique", "level", "variant", "seed", "role", "control", "route", "teacher_id",
            "compress_s")
    copy = {key: row[key] for key in (*kept, *measure.COSTS, *measure.SPENT)} | {
        "format": runtime.FORMAT, "runtime": name, "parent_id": row["row_id"], "copy_of": row["row_id"],
        "artefact": path, **vars(runtime.executed(opened)),
    }  # fmt: skip
    if not run.has(results.row_id(copy)):
        measure.add(run, data, copy, measure.forecasts(runtime, opened, data))
    return {results.row_id(copy): runtime.call(opened)}
