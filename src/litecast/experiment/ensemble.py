"""The mean forecast of one architecture trained from several seeds: the reference that no single file has to be."""

import numpy as np

from litecast.experiment import measure
from litecast.experiment.measure import Measured

SUMMED = ("params", "live_params", "nonzero_params", "macs", "train_macs", "train_steps", "train_s")


def mean(parts: list[Measured], part: str) -> np.ndarray:
    """Their mean forecast (N, H, C), scaled units."""
    return np.mean([one.yhat[part] for one in parts], axis=0)


def ambiguity(data, parts: list[Measured], part: str) -> tuple[float, float, float]:
    """(Mean squared error of the members, mean squared distance of the members from their mean, squared error of the
    mean), scaled units; the last is the first less the second (Krogh & Vedelsby 1995)."""
    target, middle = data.scale(data.targets(data.origins(part))), mean(parts, part)
    seen = np.isfinite(target)
    own = np.mean([np.square(one.yhat[part] - target)[seen].mean() for one in parts])
    apart = np.mean([np.square(one.yhat[part] - middle)[seen].mean() for one in parts])
    return float(own), float(apart), float(np.square(middle - target)[seen].mean())


def add(run, data, parts: list[Measured]) -> dict:
    """The row of the ensemble. It takes what its members take, summed; it is no single file, so it has no bytes."""
    first = parts[0].row
    row = {"model": first["model"], "technique": "ensemble", "role": "ensemble", "level": len(parts),
           "variant": first["variant"], "parent_id": " + ".join(one.row["row_id"] for one in parts)}  # fmt: skip
    row |= {name: sum(one.row[name] for one in parts) for name in SUMMED}
    return measure.add(run, data, row, {part: mean(parts, part) for part in measure.PARTS}, parts[0], keep=True)
