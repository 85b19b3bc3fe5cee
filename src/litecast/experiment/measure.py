"""From a network to a measured row: write the file, open it again in its runtime, forecast with it, count.

Errors and bytes of a row always come from the file on disk, never from the network in memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import torch

from litecast import modelfile, paths, results, runtimes
from litecast.compress import Export
from litecast.files import replacing
from litecast.results import conformal
from litecast.training import Spent, cost, errors

PARTS = ("val", "test")
COSTS = tuple(column.name for column in fields(cost.Cost))
# Column of a row -> field of what was spent.
SPENT = {"train_steps": "steps", "train_macs": "macs", "train_s": "seconds", "train_peak_mb": "peak_mb"}
READ = ("precision", "coverage_weights", "coverage_macs")  # columns read from what really runs


@dataclass
class Measured:
    """A stored network, its row and its forecasts {part: (N, H, C)} of the series that are judged, scaled units; masks:
    parameter -> what was kept.

    model: as loaded from its file; of another runtime's file the network that it was made from (None when reopened).
    """

    model: object
    row: dict
    yhat: dict[str, np.ndarray]
    masks: dict[str, torch.Tensor] = field(default_factory=dict)


def add(run, data, row: dict, yhat: dict[str, np.ndarray], dense: Measured | None = None, keep: bool = False) -> dict:
    """Add the row of these forecasts of `data.judged` to a run: all errors, what its bands cover, losses per origin,
    radii of the bands if it has a file, and the forecasts if `keep`."""
    row, data = {"dataset": data.header.name, "L": data.L, "H": data.H} | row, data.judged
    for part in PARTS:
        row |= errors.errors(data, part, yhat[part], dense.yhat[part] if dense else None)
    bands = conformal.radii(conformal.distances(data, "val", yhat["val"]), data.names)
    row |= conformal.measured(data, bands, yhat["test"])
    kept = errors.forecasts(data, "test", yhat["test"]) if keep else None
    return run.add(row, losses=errors.losses(data, "test", yhat["test"]), forecasts=kept,
                   bands=bands if row.get("artefact") else None)


def store(run, data, model, export: Export, row: dict, dense: Measured | None = None,
          masks: Mapping[str, torch.Tensor] | None = None) -> Measured:
    """Write the file of a row, open it, forecast val and test with what was opened, add the row."""
    runtime = runtimes.module(export.runtime)
    row = {"dataset": data.header.name, "format": runtime.FORMAT, "runtime": export.runtime} | row
    path = run.file(results.slug(results.row_id(row)) + runtime.SUFFIX)
    if export.content is None:
        modelfile.save(path, model, export.codecs, modelfile.Card.of(data), export.held)
    else:
        with replacing(path) as temporary:
            temporary.write_bytes(export.content)
    opened = runtime.open(path)
    model, masks = getattr(opened, "model", model), dict(masks or {})
    if masks:
        np.savez_compressed(_masks(path), **{name: mask.numpy() for name, mask in masks.items()})
    row |= {"artefact": path, "bytes": path.stat().st_size, **asdict(cost.profile(model)),
            **vars(runtime.executed(opened, export.claims))}
    yhat = forecasts(runtime, opened, data)
    return Measured(model, add(run, data, row, yhat, dense), yhat, masks)


def reopen(run, data, row_id: str) -> Measured:
    """A finished row of this or an earlier call: its file opened, its forecasts made again."""
    row = run.get(row_id)
    path, runtime = paths.study_dir(run.study) / row["artefact"], runtimes.module(row["runtime"])
    opened, masks = runtime.open(path), {}
    if _masks(path).exists():
        with np.load(_masks(path)) as kept:
            masks = {name: torch.from_numpy(kept[name]) for name in kept}
    return Measured(getattr(opened, "model", None), row, forecasts(runtime, opened, data), masks)


def spent(*parts: Spent | Mapping) -> dict:
    """Training columns of a row: the sum of what was spent, and of the rows that its route came by."""
    whole = Spent()
    for part in parts:
        if not isinstance(part, Spent):
            part = Spent(**{name: part.get(column) or 0 for column, name in SPENT.items()})
        whole += part
    return {column: getattr(whole, name) for column, name in SPENT.items()}


def once(rows: Iterable[Mapping]) -> list[Mapping]:
    """The rows whose costs add up: what was trained on (`LONGER`) holds those of the network it started from."""
    rows = {row["row_id"]: row for row in rows}
    within = {row.get("parent_id") for row in rows.values() if row.get("control") == results.LONGER}
    return [row for name, row in rows.items() if name not in within]


def weights(model) -> np.ndarray:
    """All weights of a network's matrices and kernels, flat."""
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters() if p.ndim >= 2])


def forecasts(runtime, opened, data, parts: Iterable[str] = PARTS) -> dict[str, np.ndarray]:
    """{part: (N, H, C)} of the series that are judged, by an opened file."""
    return {part: runtime.predict(opened, data.judged, data.origins(part)) for part in parts}


def _masks(path):
    return path.with_suffix(".masks.npz")
