"""Gradient boosted trees over all series at once, the incumbent of practice: a row per window and step ahead."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from litecast.data import panel
from litecast.models.classical import lagged

SETTINGS = {"loss": "absolute_error", "learning_rate": 0.1, "max_iter": 150, "max_leaf_nodes": 31,
            "min_samples_leaf": 40, "early_stopping": True, "n_iter_no_change": 15, "random_state": 0}  # fmt: skip
WITHOUT_SEASON = {"learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 200}  # little to learn, much noise
BATCH = 4000  # windows whose rows are held at once


@dataclass(frozen=True)
class Size:
    """Seeded draws of rows: trained on, and of validation, which stop the training; settings that differ."""

    rows: int
    check: int
    settings: dict


SIZES = {
    "": Size(80_000, 20_000, {}),
    "large": Size(300_000, 60_000, {"learning_rate": 0.06, "max_iter": 300, "max_leaf_nodes": 63, "max_features": 0.4}),
}


def sizes(data) -> list[str]:
    """The SIZES worth fitting: beyond the plain one those that draw at most half of the rows that train holds.

    Where there are fewer, more rows and more trees gained nothing. Of a panel the plain one alone: a large one takes
    longer to forecast all its windows than a study has for all else.
    """
    rows = len(data.origins("train")) * data.C * data.H * (not panel.is_panel(data))
    return [name for name, size in SIZES.items() if not name or 2 * size.rows <= rows]


def fit(data, weather: str = "", size: str = "") -> dict:
    """{"model", "spec"}: trees for what is unusual about a step ahead, at the level of the window (`lagged.table`).

    The target is in units of the window, each row weighted by that unit: the loss is the absolute error in scaled
    units. weather: '', 'weather' or 'oracle' (lagged.Spec); size: one of SIZES. Rows with a missing target are not
    drawn.
    """
    spec, size = lagged.Spec.wide(data, weather), SIZES[size]
    X, y, weight = _rows(data, spec, "train", size.rows)
    Xv, yv, weight_v = _rows(data, spec, "val", size.check)
    small = len(y) // 20  # a leaf of a short series must hold something, and not everything
    settings = SETTINGS | size.settings | (WITHOUT_SEASON if data.header.season == 1 else {})
    settings["min_samples_leaf"] = max(1, min(settings["min_samples_leaf"], small))
    model = HistGradientBoostingRegressor(**settings)
    model.fit(X, y, sample_weight=weight, X_val=Xv, y_val=yv, sample_weight_val=weight_v)
    return {"model": model, "spec": spec}


def predict(model, spec: lagged.Spec, data, origins: np.ndarray, numbers: np.ndarray | None = None) -> np.ndarray:
    """Forecasts (N, H, C), scaled units, of the series with these numbers; default: all."""
    numbers = np.arange(data.C) if numbers is None else numbers
    series, first = np.tile(numbers, len(origins)), np.repeat(origins, len(numbers))
    out = np.empty((len(series), data.H), np.float32)
    for a in range(0, len(series), BATCH):
        mine, at = series[a : a + BATCH], first[a : a + BATCH]
        of, steps = np.repeat(np.arange(len(mine)), data.H), np.tile(np.arange(1, data.H + 1), len(mine))
        X, base, unit = lagged.table(data, spec, mine, at, of, steps)
        out[a : a + BATCH] = (base + unit * model.predict(X)).reshape(len(mine), data.H)
    return out.reshape(len(origins), len(numbers), data.H).transpose(0, 2, 1)


def size(model) -> int:
    """Leaves and inner nodes of all trees."""
    return int(sum(len(tree.nodes) for trees in model._predictors for tree in trees))


def _rows(data, spec: lagged.Spec, part: str, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, targets and weights of at most `most` rows of a part, drawn with a seed of their own."""
    origins = data.origins(part)
    total = len(origins) * data.C * data.H
    draw = np.random.default_rng(0)
    drawn = np.sort(draw.choice(total, most, False) if panel.is_panel(data) else draw.permutation(total)[:most])
    window, steps = drawn // data.H, drawn % data.H + 1
    windows, of = np.unique(window, return_inverse=True)
    series, first = windows % data.C, origins[windows // data.C]
    y = data.scale(data.y)[first[of] + steps - 1, series[of]]
    seen = np.isfinite(y)
    X, base, unit = lagged.table(data, spec, series, first, of[seen], steps[seen])
    return X, (y[seen] - base) / unit, unit.astype(np.float64)
