"""From a network to a measured row: store the file, load it again, forecast with it, count.

Errors and bytes of a row always come from the file on disk, never from the network in memory.
"""

from dataclasses import asdict, dataclass, fields

import numpy as np

from litecast import modelfile, models, paths, results, training
from litecast.training import cost, errors

PARTS = ("val", "test")
COSTS = tuple(column.name for column in fields(cost.Cost))
SPENT = ("train_macs", "train_s", "train_peak_mb")


@dataclass
class Measured:
    """A stored network: as loaded from its file, its row, and its forecasts {part: (N, H, C)}, scaled units."""

    model: object
    row: dict
    yhat: dict[str, np.ndarray]


def card(data) -> modelfile.Card:
    """What a model file must know of its data to forecast raw values."""
    h = data.header
    return modelfile.Card(
        dataset=h.name, unit=h.unit, frequency=h.frequency, season=h.season, L=h.L, H=h.H, country=h.country,
        transform=h.transform, mean=list(data.mean), std=list(data.std), series=list(data.names),
        patch=models.patch(data),
    )  # fmt: skip


def add(run, data, row: dict, yhat: dict[str, np.ndarray], dense: Measured | None = None, keep: bool = False) -> dict:
    """Add the row of these forecasts to a run: all errors, the losses per origin, and the forecasts if `keep`."""
    row = {"dataset": data.header.name, "L": data.L, "H": data.H} | row
    for part in PARTS:
        row |= errors.errors(data, part, yhat[part], dense.yhat[part] if dense else None)
    kept = errors.forecasts(data, "test", yhat["test"]) if keep else None
    return run.add(row, losses=errors.losses(data, "test", yhat["test"]), forecasts=kept)


def store(run, model, codecs: dict, data, row: dict, dense: Measured | None = None, keep: bool = False) -> Measured:
    """Write the model file of a row, load it, forecast val and test with what was loaded, add the row."""
    row = {"dataset": data.header.name, "format": "litecast", "runtime": "torch"} | row
    path = run.file(results.slug(results.row_id(row)) + ".safetensors")
    size = modelfile.save(path, model, codecs, card(data))
    file = modelfile.load(path)
    row |= {"artefact": path, "bytes": size, **asdict(cost.profile(file.model)), **coverage(file, row["variant"])}
    yhat = _forecasts(file.model, data)
    return Measured(file.model, add(run, data, row, yhat, dense, keep), yhat)


def reopen(run, data, row_id: str) -> Measured:
    """A finished row of this or an earlier call: its file loaded, its forecasts made again."""
    row = run.get(row_id)
    loaded = modelfile.load(paths.study_dir(run.study) / row["artefact"]).model
    return Measured(loaded, row, _forecasts(loaded, data))


def _forecasts(model, data) -> dict[str, np.ndarray]:
    return {part: training.predict(model, data, data.origins(part)) for part in PARTS}


def coverage(loaded: modelfile.Loaded, storage: str) -> dict:
    """Share of the weights held, and of the MACs run, in the precision that the storage's name claims."""
    claimed = storage.rsplit("-", 1)[-1]
    if claimed == "float32":
        return {"coverage_weights": 1.0, "coverage_macs": 1.0}
    codec = "float16" if claimed == "float16" else "intn"
    sizes = {name: np.prod(tensor["shape"], dtype=int) for name, tensor in loaded.tensors.items()}
    held = sum(sizes[name] for name, tensor in loaded.tensors.items() if codec in str(tensor))
    return {"coverage_weights": held / sum(sizes.values()), "coverage_macs": 0.0}  # decoded to float32 to run


def spent(fit: training.Fit | None, before: dict | None = None) -> dict:
    """Training columns of a row, cumulative over the route that `before` (the parent's row) came by."""
    before = before or {}
    own = (fit.macs, fit.seconds, fit.peak_mb) if fit else (0, 0.0, 0.0)
    return {
        "train_macs": (before.get("train_macs") or 0) + own[0],
        "train_s": (before.get("train_s") or 0.0) + own[1],
        "train_peak_mb": float(np.maximum(before.get("train_peak_mb") or 0.0, own[2])),  # NaN = not known: stays so
    }


def weights(model) -> np.ndarray:
    """All weights of a network's matrices and kernels, flat."""
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters() if p.ndim >= 2])
