"""Exponential smoothing per series (Hyndman et al. 2008): additive, fitted on train, rolled from its states."""

import warnings
from dataclasses import dataclass

import numpy as np
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from litecast.models.classical.cycles import longest

CYCLES_SEEN = 2  # whole cycles that the start values of a season are taken from


def forecast(data, parts=("val", "test"), progress=iter) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Rolled forecasts {part: (N, H, C)}, scaled units, for every origin, and what was chosen for each series.

    Smoothing reads the filled inputs, since a state has to go on; parameters come from the train steps before the
    first step that is not train (under "weeks" validation lies amid training).
    """
    origins, out, chosen = {part: data.origins(part) for part in parts}, {part: [] for part in parts}, []
    first = first_stretch(data.parts["train"])
    for c in progress(range(data.C)):
        fitted = fit(data.x[:, c].astype(np.float64), first, season(data, first))
        for part in parts:
            out[part].append(fitted.roll(origins[part], data.H))
        chosen.append({"series": data.names[c], "model": fitted.name, "aicc": fitted.aicc, **fitted.weights})
    return {part: np.stack(rolled, -1).astype(np.float32) for part, rolled in out.items()}, chosen


@dataclass
class Fitted:
    """One series: level and trend (T,) after each step, and the seasonal terms (m + T,), m start values in front."""

    level: np.ndarray
    trend: np.ndarray
    seasonal: np.ndarray
    m: int  # steps of the season, 0 = none
    damping: float
    name: str
    aicc: float
    weights: dict[str, float]

    def roll(self, origins: np.ndarray, H: int) -> np.ndarray:
        """Forecasts (N, H) of the steps origin .. origin+H-1, each from the states after step origin-1."""
        last, ahead = np.asarray(origins) - 1, np.arange(1, H + 1)
        out = self.level[last, None] + self.trend[last, None] * np.cumsum(self.damping**ahead)
        if not self.m:
            return out
        return out + self.seasonal[last[:, None] + 1 + (ahead - 1) % self.m]  # of the last m terms, the oldest first


def fit(x: np.ndarray, first: int, m: int | None) -> Fitted:
    """x (T,), no gaps; parameters from x[:first]; season of m steps, None = without one, and then a damped trend.

    With a season the damped trend is kept only where it lowers AICc.
    """
    if np.ptp(x[:first]) < 1e-9:  # nothing to smooth: the last value
        flat = np.zeros(len(x))
        return Fitted(x, flat, flat[:0], 0, 1.0, "last value", float("nan"), {})
    trends = ("add", None) if m else ("add",)
    best = min((_fit(x[:first], trend, m) for trend in trends), key=lambda r: r.aicc if np.isfinite(r.aicc) else np.inf)
    states = rolled(x, best).states
    trend = states[:, 1] if best.model.trend else np.zeros(len(x))
    seasonal = np.concatenate([best.model.initial_seasonal, states[:, -1]]) if m else trend[:0]
    params = dict(zip(best.model.param_names, map(float, best.params), strict=True))
    weights = {name.removeprefix("smoothing_"): value for name, value in params.items()}
    return Fitted(states[:, 0], trend, seasonal, m or 0, params.get("damping_trend", 1.0), best.model.short_name,
                  float(best.aicc), weights)  # fmt: skip


def rolled(x: np.ndarray, best):
    """The fitted parameters and start values, filtered once over a longer series: statsmodels' results."""
    start = best.model
    model = ETSModel(x, **_shape(start.trend, start.seasonal_periods if start.seasonal else None),
                     initialization_method="known", initial_level=start.initial_level,
                     initial_trend=start.initial_trend if start.trend else None,
                     initial_seasonal=start.initial_seasonal if start.seasonal else None)  # fmt: skip
    return model.smooth(best.params)


def season(data, first: int) -> int | None:
    """Steps of the season: the longest cycle of which the first train stretch holds two."""
    return longest(data, first / CYCLES_SEEN)


def first_stretch(train: np.ndarray) -> int:
    """Number of train steps before the first step that is not train."""
    others = np.flatnonzero(~train)
    return int(others[0]) if len(others) else len(train)


def _shape(trend, m) -> dict:
    season = {"seasonal": "add", "seasonal_periods": m} if m else {}
    return {"error": "add", "trend": trend, "damped_trend": bool(trend)} | season


def _fit(x: np.ndarray, trend: str | None, m: int | None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a candidate that does not converge loses on AICc
        return ETSModel(x, **_shape(trend, m), initialization_method="heuristic").fit(disp=0)
