"""All files of a bundle, made beside their place and moved there when they are whole."""

import importlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from litecast import modelfile
from litecast.bundle import derive, form, onnxfile, readme, writers
from litecast.bundle.vectors import vectors
from litecast.errors import LitecastError, WriteError
from litecast.files import refusal
from litecast.results import conformal, rows

INDEX, MODEL, GRAPH, VECTORS, READER = "bundle.json", "model.safetensors", "model.onnx", "vectors.json", "predict.py"
ERRORS = ("val_wape", "test_wape")


def write(file, out, bands: dict | None = None) -> dict:
    """Bundle of a model file in the folder `out`; returns what bundle.json says.

    bands: {"80": radius (H, C) or (H, 1), ...}, scaled units; without, those of `bands.parquet` in the file's run.
    A form that cannot hold the network is left out, with its reason. Raises ModelFileError where the file cannot be
    used, WriteError where the folder cannot be written, LitecastError where something else is in it.
    """
    file, out = Path(file), Path(out)
    loaded = modelfile.load(file)
    _check_place(out, file)
    row = _row(file)
    bands = _checked(_bands(file, row, loaded.card) if bands is None else bands, loaded.card)
    made = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}")
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        said = _fill(made, file, loaded, bands, row)
        if out.exists():
            shutil.rmtree(out)
        os.replace(made, out)
    except OSError as error:
        if not (why := refusal(error, out)):
            raise
        raise WriteError(why) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return said


def _check_place(out: Path, file: Path) -> None:
    if out.is_file():
        raise LitecastError(f"{out} is a file: name a folder for the bundle")
    if out.is_dir() and any(out.iterdir()) and not (out / INDEX).is_file():
        raise LitecastError(f"{out} is not empty and holds no bundle: name another folder, or empty it")
    if out.is_dir() and file.resolve().is_relative_to(out.resolve()):
        raise LitecastError(f"{file} lies in {out}, which the bundle would replace: name another folder")


def _fill(folder: Path, file: Path, loaded: modelfile.Loaded, bands: dict, row: dict) -> dict:
    """Every file but the README counts in `bytes`; returns bundle.json."""
    card, used, reasons = loaded.card, {}, {}
    said = {"card": form.words(card), "bands": bands, "program": None}
    shutil.copyfile(file, folder / MODEL)
    (folder / GRAPH).write_bytes(onnxfile.content(loaded, bands))
    try:
        program = derive.program(loaded, modelfile.held(file))
        said = form.described(card, program, bands)
        (folder / READER).write_text(form.reader(program), encoding="utf-8")
    except derive.Unfit as error:
        program, said["reason"] = None, str(error)
    if program:
        used, reasons = _forms(program, said["card"] | {"bands": bands}, folder)
    windows = vectors(loaded, bands)
    (folder / VECTORS).write_text(json.dumps(windows), encoding="utf-8")
    said |= {"reads": sorted(loaded.reads), "vectors": windows["source"]}
    said |= {"errors": {name: float(row[name]) for name in ERRORS if name in row}, "forms": used, "left_out": reasons}
    said["bytes"] = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    (folder / INDEX).write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    said["bytes"][INDEX] = (folder / INDEX).stat().st_size
    (folder / "README.md").write_text(readme.text(said, out_of=file.name), encoding="utf-8")
    return said


def _forms(program, card: dict, folder: Path) -> tuple[dict, dict]:
    """Name of each writer -> files that it wrote, or why it wrote none."""
    used, reasons = {}, {}
    for name in writers.names():
        try:
            used[name] = importlib.import_module(f"{writers.__name__}.{name}").write(program, card, folder)
        except derive.Unfit as error:
            reasons[name] = str(error)
    return used, reasons


def _row(file: Path) -> dict:
    """The file's row of the results.csv of its run; {} where there is none."""
    table = file.absolute().parent / "results.csv"
    if not table.is_file():
        return {}
    found = rows.read(table)
    found = found[[Path(name).name == file.name for name in found.artefact]].dropna(axis=1)
    return found.iloc[0].to_dict() if len(found) else {}


def _bands(file: Path, row: dict, card: modelfile.Card) -> dict:
    """{"80": radius (H, C) or (H, 1)} of the bands.parquet beside the file; {} where it has none of this row."""
    path = file.absolute().parent / "bands.parquet"
    if not row or not path.is_file():
        return {}
    table, made = pd.read_parquet(path, filters=[("row_id", "==", row["row_id"])]).astype({"series": str}), {}
    apart = len(card.series) if set(card.series) & set(table.series) else 1  # columns that differ
    for level in table.level.unique():
        radius = conformal.spread(table, level, card.H, card.series)[:, :apart]
        if np.isfinite(radius).all():  # else too few errors for a band of this level
            made[str(level)] = radius.tolist()
    return made


def _checked(bands: dict, card: modelfile.Card) -> dict:
    made = {}
    for level, radius in bands.items():
        radius = np.asarray(radius, np.float64)
        fits = radius.shape in ((card.H, 1), (card.H, len(card.series)))
        if not fits or not np.isfinite(radius).all() or radius.min() < 0:
            raise LitecastError(f"the band of {level} % needs finite radii of ({card.H}, 1) or ({card.H}, "
                                f"{len(card.series)}), 0 or more, not {radius.shape}")
        made[str(level)] = radius.tolist()
    return made
