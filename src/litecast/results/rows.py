"""Result rows: their columns, types and names, and how a table of them is written and read."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from litecast.errors import RunError
from litecast.files import hashed, replacing

COLUMNS = """
study dataset model technique level variant seed role control selected row_id parent_id dense_id L H
val_mse_scaled val_mae_scaled val_wape val_mase val_bias val_drift val_skill
test_mse_scaled test_mae_scaled test_wape test_mase test_bias test_drift test_skill
params live_params nonzero_params macs train_macs train_s compress_s train_peak_mb
artefact format bytes ratio resident_bytes arena_bytes coverage_weights coverage_macs
runtime threads batch latency_ms_p10 latency_ms_p50 latency_ms_p90 latency_ratio
data_source data_sha256 code_sha256 commit dirty lock_sha256 device cpu runtime_version error
run
route teacher_id copy_of precision train_steps
val_wape_ordinary val_wape_holidays test_wape_ordinary test_wape_holidays
val_wape_totals test_wape_totals val_wape_log test_wape_log
val_wape_highest val_wape_worst val_wape_first val_wape_last
test_wape_highest test_wape_worst test_wape_first test_wape_last
test_cover_80 test_width_80 test_cover_80_se test_cover_95 test_width_95 test_cover_95_se
""".split()
TEXT = frozenset("""
study dataset model technique level variant role control row_id parent_id dense_id artefact format runtime data_source
data_sha256 code_sha256 commit lock_sha256 device cpu runtime_version error run route teacher_id copy_of precision
""".split())
INTEGERS = frozenset("""seed selected L H params live_params nonzero_params macs train_macs bytes resident_bytes
arena_bytes threads batch dirty train_steps""".split())
LATENCY = ["latency_ms_p10", "latency_ms_p50", "latency_ms_p90", "threads", "batch"]
STORED = {
    "losses": ["row_id", "series", "origin", "abs_err", "sq_err", "abs_y"],
    "forecasts": ["row_id", "series", "origin", "step", "y", "yhat"],
    "bands": ["row_id", "level", "step", "series", "radius"],
}


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write atomically; counts are written as integers, what is missing stays empty."""
    counts = {name: frame[name].round().astype("Int64") for name in frame if name in INTEGERS}
    with replacing(Path(path)) as temporary:
        frame.assign(**counts).to_csv(temporary, index=False)


def read(*paths: Path) -> pd.DataFrame:
    """results.csv of runs or a study, below each other, typed: text columns are str ("" = empty), all others float64
    (NaN = empty)."""
    found = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    return typed(pd.concat(found, ignore_index=True) if found else pd.DataFrame())


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.reindex(columns=COLUMNS)
    text = {name: pd.Series([as_text(value) for value in frame[name]], frame.index, dtype=str) for name in TEXT}
    numbers = {name: pd.to_numeric(frame[name]).astype("float64") for name in COLUMNS if name not in TEXT}
    return frame.assign(**text, **numbers)


def write_stored(frame: pd.DataFrame, kind: str, path: Path) -> None:
    if missing := [name for name in STORED[kind] if name not in frame]:
        raise RunError(f"{path.name}: missing column {', '.join(missing)}; expected {', '.join(STORED[kind])}")
    floats = dict.fromkeys({"abs_err", "sq_err", "abs_y", "y", "yhat", "radius"} & {*STORED[kind]}, "float32")
    with replacing(path) as temporary:
        frame[STORED[kind]].astype({**floats, "row_id": "category", "series": "category"}).to_parquet(
            temporary, index=False, compression="zstd")


def read_stored(kind: str, files: Iterable[Path], row_ids: Iterable[str]) -> pd.DataFrame:
    """What these files hold of these rows, as far as they exist."""
    wanted = sorted(row_ids)
    frames = [pd.read_parquet(path, filters=[("row_id", "in", wanted)]) for path in files if wanted and path.exists()]
    frames = [frame.astype({"row_id": str, "series": str}) for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=STORED[kind])


def is_empty(value) -> bool:
    return value is None or value == "" or (isinstance(value, float) and not math.isfinite(value))


def as_text(value) -> str:
    if is_empty(value):
        return ""
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)


def row_id(row: Mapping) -> str:
    """'dataset/model/technique/level/variant/s0[/control][/runtime]'; '-' stands for what is empty; a runtime is named
    only where models are not made in it (onnxruntime, openvino, ...)."""
    head = [as_text(row.get(name)) or "-" for name in ("dataset", "model", "technique", "level", "variant", "seed")]
    foreign = "" if row.get("runtime") in ("torch", "sklearn") else as_text(row.get("runtime"))
    return "/".join([*head[:5], f"s{head[5]}", *filter(None, [as_text(row.get("control")), foreign])])


def slug(identifier: str) -> str:
    """A file name for a row_id: readable, and different for different ids."""
    return f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', identifier)}-{hashed(identifier)[:8]}"


def plain_value(name: str, value, where: Path):
    """A plain JSON value: str in text columns, int or float in the others, None for what is empty. A level that reads
    as a number is one (rows of a run go back to techniques); a chain's "0.5+8" is text."""
    is_number = name == "level" and re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", as_text(value))
    if is_empty(value) or name in TEXT and not is_number:
        return as_text(value) or None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise RunError(f"{where}: {name} must be a number, not {value!r}") from None
    return round(number) if name in INTEGERS or (name == "level" and number.is_integer()) else number


def text(rows: pd.DataFrame, column: str) -> pd.Series:
    """A key column as text, '' where a row has none (or the table lacks the column)."""
    values = rows.get(column, pd.Series("", index=rows.index)).astype(object)
    return values.where(values.notna(), "").astype(str)


def number(rows: pd.DataFrame, column: str) -> pd.Series:
    """A measured column as float64, NaN where a row has none (or the table lacks the column)."""
    return pd.to_numeric(rows.get(column, pd.Series(np.nan, index=rows.index)), errors="coerce")
