"""Forecast errors on all windows of a part; targets that are missing are masked."""

import numpy as np
import pandas as pd

from litecast.models.classical.naive import seasonal_naive

ERRORS = ("mse_scaled", "mae_scaled", "wape", "mase", "bias", "drift", "skill")


def errors(data, part: str, yhat: np.ndarray, dense: np.ndarray | None = None) -> dict[str, float]:
    """The columns `<part>_<error>` of a result row, for forecasts (N, H, C) in scaled units.

    wape = sum|e| / sum|y|, pooled; mase = mean over series of MAE / in-sample seasonal-naive MAE (Hyndman & Koehler
    2006); bias = sum(yhat - y) / sum|y|; drift = sum|yhat - dense| / sum|y|; skill = 1 - WAPE / WAPE of the seasonal
    naive, which is the random walk where the data has no season. Own unit (log units under a log transform).
    """
    truth = data.targets(data.origins(part))
    forecast, seen = data.unscale(yhat), np.isfinite(truth)
    gap, size = np.where(seen, forecast - truth, 0.0), np.abs(truth[seen]).sum()
    scaled = gap / data.std
    reference = np.where(seen, data.unscale(seasonal_naive(data, part)) - truth, 0.0)
    values = {
        "mse_scaled": np.square(scaled).sum() / seen.sum(),
        "mae_scaled": np.abs(scaled).sum() / seen.sum(),
        "wape": np.abs(gap).sum() / size,
        "mase": _mase(data, gap, seen),
        "bias": gap.sum() / size,
        "skill": 1 - np.abs(gap).sum() / np.abs(reference).sum(),
    }
    if dense is not None:
        values["drift"] = np.abs(np.where(seen, forecast - data.unscale(dense), 0.0)).sum() / size
    return {f"{part}_{name}": float(value) for name, value in values.items()}


def losses(data, part: str, yhat: np.ndarray) -> pd.DataFrame:
    """One row per series and origin: abs_err, sq_err, abs_y, sums over the observed steps of the horizon, own unit."""
    origins = data.origins(part)
    truth = data.targets(origins)
    seen = np.isfinite(truth)
    gap = np.where(seen, data.unscale(yhat) - truth, 0.0)
    columns = {"abs_err": np.abs(gap), "sq_err": np.square(gap), "abs_y": np.abs(np.where(seen, truth, 0.0))}
    frame = pd.DataFrame({name: value.sum(1).astype(np.float32).ravel() for name, value in columns.items()})
    frame.insert(0, "origin", np.repeat(data.times[origins], data.C))
    frame.insert(0, "series", np.tile(np.asarray(data.names, dtype=object), len(origins)))
    return frame


def forecasts(data, part: str, yhat: np.ndarray) -> pd.DataFrame:
    """One row per series, origin and step (1 .. H): y and yhat in own unit, NaN where the target is missing."""
    origins = data.origins(part)
    index = pd.MultiIndex.from_product([data.times[origins], range(1, data.H + 1), data.names])
    frame = pd.DataFrame(index=index.set_names(["origin", "step", "series"])).reset_index()
    frame["y"] = data.targets(origins).astype(np.float32).ravel()
    frame["yhat"] = data.unscale(yhat).astype(np.float32).ravel()
    return frame


def _mase(data, gap: np.ndarray, seen: np.ndarray) -> float:
    season = data.header.season
    step = np.abs(data.y[season:] - data.y[:-season])
    train = data.parts["train"]
    inside = (train[season:] & train[:-season])[:, None] & np.isfinite(step)
    scale = np.where(inside, step, 0.0).sum(0) / np.maximum(inside.sum(0), 1)
    mae = np.abs(gap).sum((0, 1)) / np.maximum(seen.sum((0, 1)), 1)
    return float(np.mean(mae[scale > 0] / scale[scale > 0]))
