"""Files of scikit-learn forecasters: skops (a zip of arrays and a schema, no pickle) with all that a forecast needs."""

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import skops.io

from litecast.data import calendar, usual
from litecast.errors import ModelFileError
from litecast.files import replacing
from litecast.models.classical import boosting, lagged, ridge

KINDS = {"ridge": ridge, "boosting": boosting}
# The one type of these estimators that skops does not know by itself: the nodes of a tree.
TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's first date: no clock in a file


def save(path: Path, kind: str, fitted: dict, data) -> int:
    """Write the file of a fitted forecaster ('ridge' or 'boosting') with its scaler; returns its bytes."""
    content = {"kind": kind, "model": fitted["model"], "spec": asdict(fitted["spec"]), "card": _card(data)}
    with replacing(Path(path)) as temporary:
        Path(temporary).write_bytes(_steady(skops.io.dumps(content)))
    return Path(path).stat().st_size


def _card(data) -> dict:
    h = data.header
    return {"dataset": h.name, "unit": h.unit, "frequency": h.frequency, "season": h.season, "country": h.country,
            "transform": h.transform, "series": list(data.names), "mean": data.mean, "std": data.std,
            "holidays": calendar.packed(data.times, h.frequency, h.country)}  # fmt: skip


def load(path: Path) -> dict:
    """{"kind", "model", "spec", "card"} of a file. Raises ModelFileError for anything that `save` did not write."""
    try:
        content = skops.io.load(path, trusted=list(TRUSTED))
        spec, card = lagged.Spec(**content["spec"]), content["card"]
        if spec.usual is not None:
            wanted = len(card["series"]), *usual.shape(card["frequency"], card["country"])
            if spec.usual.shape != wanted:
                raise ValueError(f"its usual week is of shape {spec.usual.shape}, its calendar of {wanted}")
        return content | {"spec": spec, "kind": str(content["kind"])}
    except Exception as error:  # whatever a damaged zip, schema or array raises
        raise ModelFileError(f"{path} is no forecaster of this project: {type(error).__name__}: {error}") from error


def forecast(content: dict, data, parts=("val", "test")) -> dict[str, np.ndarray]:
    """Forecasts {part: (N, H, K)}, scaled units, with what a file held, of the series that are judged.

    Raises ModelFileError if its card is not that of the data, or it has another look-back or horizon.
    """
    card, spec, wanted = content["card"], content["spec"], _card(data)
    other = [name for name in wanted if not np.array_equal(card.get(name), wanted[name])]
    if other or (spec.L, spec.H) != (data.L, data.H):
        raise ModelFileError(f"the file was made for {len(card['series'])} series of {card['dataset']} with L {spec.L} "
                             f"and H {spec.H}, not for this data (other: {', '.join(other)}): train it again")
    module = KINDS[content["kind"]]
    return {part: module.predict(content["model"], spec, data, data.origins(part), data.sample) for part in parts}


def columns(path: Path, content: dict) -> dict:
    """What a result row says about the file: trees count leaves and nodes as parameters, and multiply nothing."""
    row = {"artefact": path, "format": "skops", "runtime": "sklearn"}
    if content["kind"] == "boosting":
        return row | {"params": boosting.size(content["model"])}
    weights = content["model"].coef_
    return row | {"params": weights.size + len(weights), "macs": weights.size}


def _steady(content: bytes) -> bytes:
    """The same archive without memory addresses and clock: one forecaster gives one file, byte for byte, every time."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        arrays = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    numbers: dict = {}
    schema = _renamed(schema, numbers)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        members = {"schema.json": json.dumps(schema, separators=(",", ":")).encode()}
        members |= {f"{numbers[name.removesuffix('.npy')]}.npy": array for name, array in arrays.items()}
        for name, body in sorted(members.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            archive.writestr(info, body, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def _renamed(node, numbers: dict):
    """A schema with its addresses replaced by numbers in order of appearance, in ids and in names of files."""
    if isinstance(node, list):
        return [_renamed(part, numbers) for part in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == "__id__":
            out[key] = numbers.setdefault(str(value), len(numbers))
        elif key == "file":
            out[key] = f"{numbers.setdefault(value.removesuffix('.npy'), len(numbers))}.npy"
        else:
            out[key] = _renamed(value, numbers)
    return out
