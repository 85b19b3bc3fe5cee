"""What runs where: files of a study in every runtime that is here, what each takes beside the file, and on which
devices of the survey it would fit. A line per file and runtime, in a table of its own (devices.csv): it depends on what
is installed, which rows must not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from litecast import files, paths, results, runtimes
from litecast.errors import LitecastError
from litecast.experiment import in_c, timing
from litecast.results import places
from litecast.runtimes import footprint, latency

COLUMNS = """dataset row_id model technique level storage recommended runtime version precision coverage_macs bytes
runtime_bytes import_s open_s resident_bytes peak_bytes gap latency_ms_p10 latency_ms_p50 latency_ms_p90 latency_ratio
why model_bytes ram_bytes instructions""".split()  # of devices.csv
INT8 = "int8"  # the technique whose files are held against their dense network: when does it pay?
SURVEY = "survey.csv"


@dataclass
class Placed:
    """A file in a runtime. line: what is known of it; `recommended` files are the first of `chosen`; call: forecasts
    one window of one series; place, opened: of a file that is open in a runtime of litecast.runtimes."""

    line: dict
    place: object = None
    opened: object = None
    call: Callable | None = None


def chosen(rows: pd.DataFrame, data) -> pd.DataFrame:
    """Rows of a dataset whose files are tried: what the headline recommends, int8 files (one of each graph that
    differs), and the dense network of each of these; one seed of each. Column recommended: 1 for the file to deploy,
    the smallest near the best or else the best of a budget, and for its dense network, 0 for others. Raises as
    `timing.to_time` does."""
    timed = pd.DataFrame(timing.to_time(rows, data))
    told = results.headline(rows[rows.dataset == data.header.name]).iloc[0]
    order = [told.small, *(told[f"row_{kb}kb"] for kb in sorted(results.BUDGETS_KB, key=lambda kb: abs(kb - 4)))]
    picks = timed[timed.row_id.isin(order)]
    dense = timed[results.is_dense(timed) & (timed.runtime == "torch")]
    small = timed[(timed.technique == INT8) & (timed.control == "") & timed.model.isin(dense.model)]
    small = small.drop_duplicates(["model", "precision", "coverage_macs", "macs"])
    picks = picks if len(picks) else dense.sort_values("val_wape")[:1]
    first = min(picks.row_id, key=lambda name: order.index(name) if name in order else len(order))
    whole = pd.concat([picks, small, dense[dense.model.isin({*picks.model, *small.model})]])
    model = picks.set_index("row_id").model[first]
    best = (whole.row_id == first) | results.is_dense(whole) & (whole.model == model)
    return whole.assign(recommended=best.astype(int)).drop_duplicates("row_id", ignore_index=True)


def placed(run, rows: pd.DataFrame, wanted: pd.DataFrame) -> list[Placed]:
    """Each file in every runtime that is here and takes it, its own first; the recommended ones in C, and, of the
    dataset that the report tells of, in runtimes that take seconds a file. What a runtime cannot open is a line that
    says why."""
    heads = results.headline(rows)
    main = places.main(rows, set(heads.dataset[heads.skill]))
    return [each for row in wanted.to_dict("records")
            for each in _everywhere(run, rows, row, dear=row["recommended"] and row["dataset"] == main)]  # fmt: skip


def _everywhere(run, rows: pd.DataFrame, row: dict, dear: bool) -> Iterator[Placed]:
    study = paths.study_dir(run.study)
    own = runtimes.module(row["runtime"])
    copies = rows[(rows.copy_of == row["row_id"]) & (rows.artefact != "")]  # what timing has exported already
    known = {(row["format"], ""): study / row["artefact"]} | {
        (copy.format, ""): study / copy.artefact for copy in copies.itertuples()}
    original = own.open(known[row["format"], ""])
    names = [name for name in runtimes.available() if hasattr(runtimes.module(name), "call")]
    for name in sorted(names, key=lambda name: name != row["runtime"]):
        place = runtimes.module(name)
        if getattr(place, "DEAR", False) and not dear:
            continue
        for storage in getattr(place, "STORAGES", ("",)):
            if (place.FORMAT, storage) in known or hasattr(place, "export") and hasattr(original, "model"):
                yield _placed(run, row, name, storage, known, original)
    if row["recommended"] and hasattr(original, "model"):
        for line, call in in_c.lines(original.path, boards=row["technique"] != "dense"):
            yield Placed(_begun(row) | line, call=call)


def _begun(row: dict) -> dict:
    return {key: row[key] for key in ("dataset", "row_id", "model", "technique", "level", "recommended")}


def _placed(run, row: dict, name: str, storage: str, known: dict, original) -> Placed:
    place = runtimes.module(name)
    version = metadata.version(place.NEEDS[0]) if place.NEEDS else ""
    line = _begun(row) | {"runtime": name, "storage": storage, "version": version,
                          "runtime_bytes": footprint.installed(place.NEEDS), "why": ""}  # fmt: skip
    try:
        path = known.get((place.FORMAT, storage)) or _exported(run, row, place, storage, original)
        known[place.FORMAT, storage] = path
        opened = place.open(path)
        told = place.executed(opened)
    except (LitecastError, RuntimeError) as error:
        return Placed(line | {"why": str(error)[:200]})
    return Placed(line | {"bytes": path.stat().st_size, "precision": told.precision,
                          "coverage_macs": told.coverage_macs}, place, opened, place.call(opened))


def _exported(run, row: dict, place, storage: str, original) -> Path:
    path = run.file(results.slug(f"{row['row_id']}/{storage}") + place.SUFFIX)
    with files.replacing(path) as temporary:
        temporary.write_bytes(place.export(original.model, original.card, *filter(None, [storage])))
    return path


def measured(tried: list[Placed]) -> pd.DataFrame:
    """Lines of devices.csv: one forecast by each, all in turns; gap: its largest distance from the first runtime's of
    the same file, as a share of the largest value (of C, see `in_c`). A process of its own, of the file to deploy
    alone. Last a line of each runtime that is not here."""
    calls, first = {}, {}
    for number, each in enumerate(tried):
        if each.opened is not None:
            made = np.asarray(each.call(), np.float64)
            start = first.setdefault(each.line["row_id"], made)
            each.line["gap"] = np.abs(made - start).max() / np.abs(start).max()
        if each.call:
            calls[number] = each.call
    times = latency.interleave(calls)
    lines = pd.DataFrame([each.line for each in tried]).join(times)
    alone = pd.DataFrame({number: footprint.alone(each.place, each.opened) for number, each in enumerate(tried)
                          if _alone(each)}).T  # fmt: skip
    gone = missing().assign(dataset=lines.dataset[0], recommended=0)
    return pd.concat([_against_dense(lines.join(alone)), gone], ignore_index=True).reindex(columns=COLUMNS)


def _alone(each: Placed) -> bool:
    return bool(each.opened is not None and each.line["recommended"] and each.line["technique"] != "dense"
                and hasattr(each.place, "ALONE"))  # fmt: skip


def _against_dense(lines: pd.DataFrame) -> pd.DataFrame:
    """latency_ratio: times as quick as the dense network of its model in the same runtime."""
    dense = lines[lines.technique == "dense"].sort_values("storage")  # as it is before what a runtime makes of it
    dense = dense.drop_duplicates(["model", "runtime"]).set_index(["model", "runtime"]).latency_ms_p50
    beside = dense.reindex(pd.MultiIndex.from_frame(lines[["model", "runtime"]])).to_numpy()
    return lines.assign(latency_ratio=beside / lines.latency_ms_p50)


def missing() -> pd.DataFrame:
    """Runtimes that are not here: runtime, why; C among them."""
    found = {name: why for name in runtimes.names() if (why := runtimes.lacking(name))} | in_c.missing()
    return pd.DataFrame(found.items(), columns=["runtime", "why"])


def survey(lines: pd.DataFrame) -> pd.DataFrame:
    """Devices of the survey and their successors, from their documentation (`source`), and what of ours fits.

    memory_mb: of 10^6 bytes, of what `memory` names. fits: the runtimes that run there and whose process, with the file
    to deploy, holds less than that (a microcontroller's RAM holds no file); asked: how many of those that run there
    were measured. Of a device for which none was, nothing is claimed.
    """
    table = pd.read_csv(Path(__file__).with_name(SURVEY), keep_default_na=False, na_values={"memory_mb": [""]})
    held = (lines.resident_bytes + lines.bytes).fillna(lines.ram_bytes).groupby(lines.runtime).max().dropna()
    there = [[name for name in names.split() if name in held] for names in table.runtimes]
    fits = [[name for name in names if held[name] <= 1e6 * memory]
            for names, memory in zip(there, table.memory_mb, strict=True)]
    return table.assign(fits=list(map(", ".join, fits)), asked=list(map(len, there)))
