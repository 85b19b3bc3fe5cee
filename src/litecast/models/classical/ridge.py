"""Ridge regression from the last L values and the calendar to all H steps at once, one for all series."""

import numpy as np
from sklearn.linear_model import Ridge

from litecast.models.classical import lagged

ALPHAS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)  # candidates for the penalty, chosen on validation
WINDOWS = 60_000  # seeded draw of train windows


def fit(data) -> dict:
    """{"model", "spec", "alpha", "val_mae"}: coefficients (H, L + K) on windows normalised as networks see them.

    Windows count by the square of their unit, so that the loss is the squared error in scaled units; those with a
    missing target are left out. val_mae: of all candidates, scaled units.
    """
    spec = lagged.Spec.of(data)
    X, y, _, scale = _windows(data, spec, "train", WINDOWS)
    Xv, yv, shift_v, scale_v = _windows(data, spec, "val", WINDOWS)
    truth, tried = yv * scale_v + shift_v, {}
    for alpha in ALPHAS:
        model = Ridge(alpha=alpha).fit(X, y, sample_weight=scale[:, 0] ** 2)
        tried[alpha] = (float(np.abs(model.predict(Xv) * scale_v + shift_v - truth).mean()), model)
    alpha = min(tried, key=lambda a: tried[a][0])
    model = tried[alpha][1]
    model.coef_ = np.atleast_2d(model.coef_).astype(np.float32)  # what is stored is what forecasts
    model.intercept_ = np.atleast_1d(model.intercept_).astype(np.float32)
    return {"model": model, "spec": spec, "alpha": alpha, "val_mae": {a: mae for a, (mae, _) in tried.items()}}


def predict(model, spec: lagged.Spec, data, origins: np.ndarray, numbers: np.ndarray | None = None) -> np.ndarray:
    """Forecasts (N, H, C), scaled units, of the series with these numbers; default: all."""
    numbers = np.arange(data.C) if numbers is None else numbers
    out = np.empty((len(origins), data.H, len(numbers)), np.float32)
    for place, c in enumerate(numbers):
        X, shift, scale = _inputs(data, spec, np.full(len(origins), c), origins)
        out[:, :, place] = (X @ model.coef_.T + model.intercept_) * scale + shift
    return out


def _inputs(data, spec: lagged.Spec, series: np.ndarray, origins: np.ndarray) -> tuple[np.ndarray, ...]:
    normal, shift, scale = lagged.windows(data, series, origins, spec.anchor)
    return np.hstack([normal, lagged.calendar(data, spec, origins)]), shift, scale


def _windows(data, spec: lagged.Spec, part: str, most: int) -> tuple[np.ndarray, ...]:
    """Inputs, targets in units of the window, shift and scale of at most `most` whole windows of a part."""
    origins = data.origins(part)
    whole = np.flatnonzero(data.seen(origins) == data.H)  # of (origin, series)
    if not len(whole):
        whole = np.arange(len(origins) * data.C)  # no window is whole: the filled values stand in
    drawn = np.sort(np.random.default_rng(0).permutation(whole)[:most])
    series, first = drawn % data.C, origins[drawn // data.C]
    X, shift, scale = _inputs(data, spec, series, first)
    y = data.x[first[:, None] + np.arange(data.H), series[:, None]]
    return X.astype(np.float64), (y - shift) / scale, shift, scale  # products of many rows need the digits
