"""What devices.csv says: a file in every runtime that was there (`experiment.devices`), and when 8 bits pay."""

from collections.abc import Collection

import pandas as pd

from litecast import catalogue, paths
from litecast.results.study import current_runs

TABLE = "devices.csv"
QUICKER = 0.10  # gain over dense: less is within what the percentiles of one measurement spread
NUMBERS = """recommended coverage_macs bytes runtime_bytes import_s open_s resident_bytes peak_bytes gap latency_ms_p10
latency_ms_p50 latency_ms_p90 latency_ratio model_bytes ram_bytes instructions""".split()

IN_C = {"c": "C", "cortex-m4f": "Cortex-M4F", "cortex-m3": "Cortex-M3"}  # without a runtime, by `experiment.in_c`


def called(runtime: str) -> str:
    """Its proper name: that which the runtime's file gives itself."""
    return catalogue.members("runtimes", "FORMAT", "NAME").get(runtime, {}).get("NAME") or IN_C.get(runtime, runtime)


def main(rows: pd.DataFrame, skilled: Collection[str]) -> str:
    """The dataset of a study that page 1 of its report tells of, "" without rows: one on which a network has skill, if
    there is any, then that of most techniques, then of most rows, then the first."""
    weights = {name: (name in skilled, mine.technique.nunique(), len(mine)) for name, mine in rows.groupby("dataset")}
    return max(weights, key=weights.get, default="")


def measured(study: str) -> pd.DataFrame:
    """All lines of a study's current runs, with their run; none without such runs."""
    folder = paths.study_dir(study)
    runs = current_runs(study) if (folder / "runs").is_dir() else []
    found = [pd.read_csv(run / TABLE, keep_default_na=False, na_values=dict.fromkeys(NUMBERS, ""))
             .assign(run=run.relative_to(folder).as_posix()) for run in runs if (run / TABLE).exists()]  # fmt: skip
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["dataset", "run"])


def deployed(lines: pd.DataFrame) -> pd.DataFrame:
    """The file to deploy of each dataset in every runtime in which it ran, the quickest first. Where a study has no
    compressed file it is the dense network itself."""
    ran = lines[(lines.recommended == 1) & lines.latency_ms_p50.notna()]
    dense = ran.technique == "dense"
    alone = ran.groupby("dataset").technique.transform(lambda names: (names == "dense").all()).astype(bool)
    return ran[~dense | alone].sort_values(["dataset", "latency_ms_p50"], ignore_index=True)


def boards(lines: pd.DataFrame) -> pd.DataFrame:
    """The file to deploy on microcontrollers: emulated, so of instructions, flash (`bytes`) and RAM, and no times."""
    ran = lines[(lines.recommended == 1) & lines.instructions.notna()] if "instructions" in lines else lines[:0]
    return ran.sort_values(["dataset", "instructions"], ignore_index=True)


def int8(lines: pd.DataFrame) -> pd.DataFrame:
    """Files whose products run in 8 bit beside the dense network in the same runtime: dataset, model, runtime, storage,
    precision, coverage_macs, smaller and quicker (times), pays (is it clearly quicker?), the quickest first."""
    ran = lines[lines.latency_ms_p50.notna()]
    plain = ran[(ran.technique == "dense") & (ran.precision == "float32")]
    dense = plain.drop_duplicates(["dataset", "model", "runtime"])[["dataset", "model", "runtime", "bytes"]]
    small = ran[ran.precision.str.startswith("int8")].merge(dense, on=["dataset", "model", "runtime"],
                                                            suffixes=("", "_dense"))  # fmt: skip
    small = small.assign(smaller=small.bytes_dense / small.bytes, quicker=small.latency_ratio,
                         pays=small.latency_ratio > 1 + QUICKER)
    names = ["dataset", "model", "runtime", "storage", "precision", "coverage_macs", "smaller", "quicker", "pays"]
    return small[names].sort_values("quicker", ascending=False, ignore_index=True)
