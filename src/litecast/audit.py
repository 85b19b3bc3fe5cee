"""`python -m litecast.audit <study>`: does every row of results.csv still say what its file says?

Each artefact is opened again in its row's runtime and compared with its row: bytes on disk, costs, what it computes
in, the errors of its forecasts, from raw values, on all validation and test windows, and the bands around them with
what they cover. Its card has to say what the dataset says, and its forecasts from just the rows that it asks for, as on
a device, have to be those the errors are of. Then model files are damaged in seeded ways: each time the reader must
refuse with ModelFileError. Exit code 1 on any difference.
"""

import argparse
import functools
import io
import multiprocessing
import pickle
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import save as container
from tqdm import tqdm

from litecast import data, modelfile, paths, results, runtimes
from litecast.data import windows
from litecast.errors import LitecastError, ModelFileError
from litecast.results import conformal
from litecast.results.rows import is_empty, read_stored
from litecast.runtimes import inputs
from litecast.training import cost, errors

PARTS = ("val", "test")
PROCESSES = 2
ORIGINS = 12  # forecasts of each file as on a device, half of them from windows with gaps where there are any
DEVICE, DEVIATION = "deviation on a device", 1e-6  # of the largest value, scaled units
BANDS = "deviation of bands.parquet"  # of a radius, its largest
MUTATED_FILES = 20  # the smallest ones: a damaged byte is as likely in each of their parts
LINE = ["row_id", "dataset", "model", "runtime", "checked", "deviation", "difference"]


def audit(study: str, errors: str = "all") -> pd.DataFrame:
    """One line per row with a file: row_id, dataset, model, runtime, checked (values), deviation (largest, in the unit
    of the runtime's TOLERANCE: of the value, of WAPE for bias and drift, of 1 for skill), difference ("" = none).

    errors: "all", or "selected" to make forecasts again for selected and dense rows only. Raises LitecastError if
    there is no such study.
    """
    table = _rows(study)
    again = (table.selected == 1) | results.is_dense(table) if errors == "selected" else True
    groups = table.assign(again=again).groupby(["dataset", "L", "H", "model", "seed"], dropna=False, sort=False)
    groups, job = [rows.to_dict("records") for _, rows in groups], functools.partial(_group, study)
    bar = functools.partial(tqdm, total=len(groups), desc="files and errors")
    if len(groups) < 2:
        lines = list(bar(map(job, groups)))
    else:
        spawn = multiprocessing.get_context("spawn")  # torch has threads by now: a forked child could hang
        with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
            lines = list(bar(pool.map(job, groups)))
    return pd.DataFrame([line for group in lines for line in group], columns=LINE)


def _rows(study: str) -> pd.DataFrame:
    """Rows that have a file."""
    path = paths.study_dir(study) / "results.csv"
    if not path.exists():
        results.current_runs(study)  # says which studies there are if there is none of this name
        raise LitecastError(f"{path} is not there yet: the study was not finished, run it again")
    table = results.read(path)
    return table[(table.artefact != "") & (table.error == "")]


def _group(study: str, rows: list[dict]) -> list[dict]:
    """Lines of the rows of one dataset, model and seed, which share their windows and forecasts."""
    torch.set_num_threads(1)
    forecasts = functools.lru_cache(32)(functools.partial(_forecasts, study))
    return [_line(study, row, rows, forecasts) for row in rows]


def _line(study: str, row: dict, rows: list[dict], forecasts) -> dict:
    pairs, problems = {}, []
    try:
        for checked in _pairs(study, row, rows, forecasts):
            pairs |= checked
    except Exception as error:  # whatever a runtime raises: the other rows are still to be checked
        problems = [f"{type(error).__name__}: {error}"]
    gaps = {name: _gap(name, row, *pair) for name, pair in pairs.items()}
    wrong = [_difference(name, *pairs[name]) for name, gap in gaps.items() if not gap <= _allowed(name, row["runtime"])]
    deviation = np.nan if problems else max(gaps.values())
    return {name: row.get(name) for name in LINE} | {"checked": len(gaps), "deviation": deviation,
                                                     "difference": "; ".join(wrong + problems)}  # fmt: skip


def _pairs(study: str, row: dict, rows: list[dict], forecasts) -> Iterator[dict[str, tuple]]:
    """What is checked -> (as found, as it should be): the card, columns that the row fills, forecasts on a device."""
    path, runtime = paths.study_dir(study) / row["artefact"], runtimes.module(row["runtime"])
    found, opened = {"bytes": path.stat().st_size}, runtime.open(path)
    dataset = _dataset(study, row["dataset"], row["L"], row["H"])
    yield _card(opened, dataset)
    if hasattr(opened, "model"):
        found |= asdict(cost.profile(opened.model, len(opened.card.series)))
    made = forecasts(*_key(row)) if row["again"] else None
    if made:
        dense, judged = _dense(row, rows), dataset.judged
        start = forecasts(*_key(dense)) if dense else {}
        for part in PARTS:
            found |= errors.errors(judged, part, made[part], start.get(part))
        bands = conformal.radii(conformal.distances(judged, "val", made["val"]), judged.names)
        found |= conformal.measured(judged, bands, made["test"])
        found["precision"] = runtime.executed(opened).precision
        if not is_empty(row["test_cover_80"]):
            yield {BANDS: (_band_gap(study, row, bands), 0.0)}
    yield {name: (value, row[name]) for name, value in found.items() if not is_empty(row[name])}
    if made and hasattr(runtime, "forecast") and "observed" not in _reads(opened):  # nobody can hand it the weather
        yield {DEVICE: (_deviation(runtime, opened, dataset, made), 0.0)}


def _card(opened, dataset) -> dict[str, tuple[str, str]]:
    """Each field of a file's card beside what it should say; scalers are kept as float32."""
    about, wanted, pairs = asdict(opened.card), asdict(modelfile.Card.of(dataset)), {}
    skipped = {"patch"} | (set() if opened.card.dated(_reads(opened)) else {"holidays"})  # the patch is its network's
    for name in (each.name for each in fields(modelfile.Card) if each.name not in skipped):
        kind = np.float32 if name in ("mean", "std") else object
        pairs[f"card's {name}"] = tuple(str(np.asarray(side[name], kind).tolist()) for side in (about, wanted))
    return pairs


def _reads(opened) -> frozenset[str]:
    """What a file's forecaster reads beside values."""
    return getattr(opened, "model", opened).reads


def _deviation(runtime, opened, dataset, made: dict[str, np.ndarray]) -> float:
    """Largest difference between forecasts from just the rows that a file asks for and those made from the dataset."""
    origins, expected = (np.concatenate(parts) for parts in
                         zip(*((dataset.origins(part), made[part]) for part in PARTS), strict=True))
    drawn = _drawn(dataset, origins, opened.card.history)
    raw = pd.DataFrame(windows.to_raw(dataset.y, 0.0, 1.0, dataset.header.transform), dataset.times, dataset.names)
    found = []
    for t in origins[drawn]:
        first = max(0, t - opened.card.history)
        found.append(runtime.forecast(opened, raw[first:t], dataset.times[first : t + dataset.H]))
    judged = dataset.judged
    found = judged.scaled(np.stack(found)[..., inputs.positions(opened.card, judged)])
    return float(np.abs(found - expected[drawn]).max() / np.abs(expected[drawn]).max())


def _band_gap(study: str, row: dict, bands: pd.DataFrame) -> float:
    """Largest difference of a row's stored radii from these, as a share of these; inf where others are stored."""
    path, keys = paths.study_dir(study) / row["run"] / "bands.parquet", ["level", "step", "series"]
    stored = read_stored("bands", [path], [row["row_id"]]).set_index(keys).radius
    found = bands.set_index(keys).radius
    if set(stored.index) != set(found.index):
        return np.inf
    return float((abs(stored - found) / found.where(found > 0, 1)).max())


def _drawn(dataset, origins: np.ndarray, history: int) -> np.ndarray:
    """Places of ORIGINS origins, the same every time, half of them after windows with gaps; all have their history."""
    draw, missing = np.random.default_rng(0), np.isnan(dataset.y).any(axis=1)
    gappy = np.array([missing[t - dataset.L : t].any() for t in origins])
    late = origins >= min(history, origins.max())
    chosen = draw.permutation(np.flatnonzero(gappy & late))[: ORIGINS // 2]
    rest = draw.permutation(np.setdiff1d(np.flatnonzero(late), chosen))
    return np.concatenate([chosen, rest[: ORIGINS - len(chosen)]])


def _gap(name: str, row: dict, found: float | str, said: float | str) -> float:
    """Distance of what was found, in the unit of TOLERANCE (counts and bytes: absolute; words: 0 or inf)."""
    if isinstance(found, str):
        return 0.0 if found == said else np.inf
    unit = name.split("_")[0] + "_wape" if name.endswith(("bias", "drift")) else name
    scale = abs(row[unit]) if name.startswith(PARTS) and not name.endswith("skill") else 1.0
    return abs(found - said) / (scale or 1.0)


def _allowed(name: str, runtime: str) -> float:
    tolerance = runtimes.module(runtime).TOLERANCE
    if name == DEVICE:
        return DEVIATION if runtime == "torch" else tolerance
    return tolerance if name.startswith(PARTS) or name == BANDS else 0.0


def _difference(name: str, found: float | str, said: float | str) -> str:
    texts = (side[:60] if isinstance(side, str) else f"{side:.8g}" for side in (found, said))
    return "{} {}, the {} says {}".format(name, next(texts), "data" if name.startswith("card") else "row", next(texts))


def _dense(row: dict, rows: list[dict]) -> dict | None:
    """The row whose forecasts `drift` is measured from: the float32 file of the same width in a sweep, else dense."""
    if np.isnan(row["val_drift"]):
        return None
    same = {"technique": "width", "level": row["level"], "variant": "float32"}
    wanted = {"copy_of": "", "control": ""} | (same if row["technique"] == "width" else {"technique": "dense"})
    for other in rows:
        if wanted.items() <= other.items():
            return other
    raise LitecastError("drift cannot be checked: the dense row that it was measured from is missing")


def _key(row: dict) -> tuple:
    return row["artefact"], row["runtime"], row["dataset"], row["L"], row["H"]


def _forecasts(study: str, artefact: str, name: str, dataset: str, look_back: float, horizon: float) -> dict:
    """{part: (N, H, C)} of the series that are judged, scaled units, by the file in its own runtime."""
    runtime, prepared = runtimes.module(name), _dataset(study, dataset, look_back, horizon)
    opened = runtime.open(paths.study_dir(study) / artefact)
    return {part: runtime.predict(opened, prepared.judged, prepared.origins(part)) for part in PARTS}


@functools.lru_cache(2)
def _dataset(study: str, name: str, look_back: float, horizon: float):
    return windows.prepare(data.load(name, study), int(look_back), int(horizon))


# ---- damage

def mutate(content: bytes, draw: np.random.Generator) -> tuple[str, bytes]:
    """(kind of damage, a file's content after it); always different from `content`."""
    kind = KINDS[draw.integers(len(KINDS))]
    at, to = sorted(draw.integers(0, len(content), 2).tolist())
    noise = draw.bytes(int(draw.integers(1, 100)))
    damaged = {
        "flip": content[:at] + bytes([content[at] ^ noise[0]]) + content[at + 1 :],
        "cut": content[:at],
        "drop": content[:at] + content[to + 1 :],
        "insert": content[:at] + noise + content[at:],
        "swap": content[to:] + content[at:to] + content[:at],
        "noise": content[:at] + noise + content[at + len(noise) :],
        "foreign": foreign(content)[noise[0] % 5],
    }[kind]
    return (kind, damaged) if damaged != content else ("insert", content + b"\0")


KINDS = ("flip", "cut", "drop", "insert", "swap", "noise", "foreign")


def foreign(content: bytes) -> list[bytes]:
    """Files of other kinds: empty, zip, pickle, text, safetensors with other tensors."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", content)
    other = container({"weight": np.zeros(3, np.float32)})
    return [b"", archive.getvalue(), pickle.dumps({"weights": content}), b"time,series,value\n" * 20, other]


def damage(study: str, count: int, seed: int = 0) -> list[str]:
    """Damage `count` copies of the study's small model files; returns a line for each that was not refused."""
    table = _rows(study)
    names = table[table.runtime == "torch"].sort_values("bytes").artefact.unique()
    files = [paths.study_dir(study) / name for name in names[:MUTATED_FILES]]
    draw, accepted = np.random.default_rng(seed), []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "damaged.safetensors"
        for i in tqdm(range(count if files else 0), desc="damaged files"):
            path = files[i % len(files)]
            kind, content = mutate(path.read_bytes(), draw)
            copy.write_bytes(content)
            try:
                modelfile.load(copy)
                accepted.append(f"{path.name}, damage {i} ({kind}): it was loaded")
            except ModelFileError:
                pass
            except Exception as error:  # the point of the exercise: nothing else may come out
                accepted.append(f"{path.name}, damage {i} ({kind}): {type(error).__name__}: {error}")
    return accepted


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m litecast.audit", description=__doc__.split("\n")[0])
    parser.add_argument("study")
    parser.add_argument("--mutations", type=int, default=2000, help="damaged files to try (2000)")
    parser.add_argument("--errors", choices=("all", "selected"), default="all",
                        help="make forecasts again for all rows, or only for selected and dense ones")
    options = parser.parse_args(arguments)
    try:
        lines = audit(options.study, options.errors)
        accepted = damage(options.study, options.mutations)
    except LitecastError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    wrong = lines[lines.difference != ""]
    table = lines.assign(differs=lines.difference != "").groupby(["dataset", "model", "runtime"]).agg(
        rows=("row_id", "size"), values=("checked", "sum"), deviation=("deviation", "max"), differ=("differs", "sum"))
    print(table.to_string(float_format="{:.1e}".format) if len(table) else "no row of this study has a file")
    for row_id, difference in zip(wrong.row_id, wrong.difference, strict=True):
        print(f"DIFFERS  {row_id}: {difference}")
    for line in accepted[:20]:
        print(f"ACCEPTED {line}")
    print(f"{len(lines)} rows with a file, {len(wrong)} differ; "
          f"{options.mutations} damaged files, {len(accepted)} not refused")
    return int(bool(len(wrong) or accepted or lines.empty))


if __name__ == "__main__":
    sys.exit(main())
