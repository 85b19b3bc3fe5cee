"""`python -m litecast.service.choose STUDY`: bundles of a study's recommended files, in reports/<study>/served/.

What is recommended at a budget is the choice of litecast.results, made on validation. Where no bundle that forecasts by
itself can be made of it (a mean of several files, trees, a network without a program) the next one of the same order is
taken and that is said; where the free forecast comes first, none is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import pandas as pd

from .. import bundle, paths, results
from ..errors import LitecastError
from ..files import write_json
from .command import printed
from .served import INDEX

FOLDER = "served"


def choose(study: str) -> Path:
    """Make the folder, and replace the one that is there once it is whole. Raises LitecastError without any bundle."""
    folder = paths.study_dir(study)
    rows = results.collect(study)
    made, target = folder / f".{FOLDER}.{os.getpid()}", folder / FOLDER
    try:
        models, passed = {}, []
        for dataset, files in results.candidates(rows).groupby("dataset"):
            for name, about in _of_dataset(study, files, made, passed).items():
                models[f"{dataset}-{name}"] = {"dataset": dataset, **about, **_measured(rows, about["row_id"])}
        if not models:
            raise LitecastError(f"{study} recommends no file that can be served:\n  " + "\n  ".join(passed))
        write_json(made / INDEX, {"study": study, "models": models, "passed": passed})
        shutil.rmtree(target, ignore_errors=True)
        os.replace(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    for line in (*(f"{name}: {about['bytes']} bytes" for name, about in models.items()), *passed):
        print(line)
    return target


def _of_dataset(study: str, files: pd.DataFrame, made: Path, passed: list[str]) -> dict[str, dict]:
    """Name ('4kb') -> line of the index of what each budget chooses; a file that several choose is bundled once, under
    the smallest."""
    found: dict[str, dict] = {}
    refused: dict[str, str] = {}
    for kb in results.BUDGETS_KB:
        for row in results.within(files, kb).to_dict("records"):
            if row["role"] == "naive":
                passed.append(f"{row['dataset']}, {kb} kB: {row['row_id']} is best and needs no file")
                break
            same = next((about for about in found.values() if about["row_id"] == row["row_id"]), None)
            if same:
                same["budgets_kb"].append(kb)
                break
            if row["row_id"] not in refused:
                refused[row["row_id"]] = _bundled(study, row, made / f"{row['dataset']}-{kb}kb")
            if not refused[row["row_id"]]:
                found[f"{kb}kb"] = {"budgets_kb": [kb], "row_id": row["row_id"]}
                break
            passed.append(f"{row['dataset']}, {kb} kB: {row['row_id']} is passed over, {refused[row['row_id']]}")
    return found


def _bundled(study: str, row: dict, out: Path) -> str:
    """'' if the bundle is there, with a forecaster; else why not."""
    if not row["artefact"] or row["format"] != "litecast":
        return "it is not one model file"
    try:
        bundle.write(paths.study_dir(study) / row["artefact"], out)
    except LitecastError as error:
        shutil.rmtree(out, ignore_errors=True)
        return str(error)
    if (out / "predict.py").exists():
        return ""
    shutil.rmtree(out)
    return "its bundle has no predict.py"


def _measured(rows: pd.DataFrame, row_id: str) -> dict:
    """Size and errors of this very file; the choice was made on means over seeds."""
    row = rows[rows.row_id == row_id].iloc[0]
    return {"bytes": int(row.bytes), "val_wape": float(row.val_wape), "test_wape": float(row.test_wape)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m litecast.service.choose", description=__doc__.partition("\n")[0])
    parser.add_argument("study")
    asked = parser.parse_args()
    return printed(lambda: choose(asked.study))


if __name__ == "__main__":
    sys.exit(main())
