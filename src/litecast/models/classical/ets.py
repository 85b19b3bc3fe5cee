"""Exponential smoothing per series (Hyndman et al. 2008): additive, fitted on train, rolled from its states."""

from dataclasses import dataclass

import numpy as np
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from litecast.models.classical import fallback
from litecast.models.classical.cycles import longest
from litecast.models.classical.naive import seasonal_naive

CYCLES_SEEN = 2  # whole cycles that the start values of a season are taken from
NAIVE = "seasonal naive"  # in place of a model that could not be fitted
FEWEST = 10  # steps that statsmodels wants for the start value of a level


def forecast(data, parts=("val", "test"), progress=iter) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Rolled forecasts {part: (N, H, C)}, scaled units, for every origin, and what was chosen for each series.

    Smoothing reads the filled inputs, since a state has to go on; parameters come from the longest stretch of train
    (under "weeks" validation lies amid training). Origins that come before the start values are known: seasonal naive.
    So is a series that smoothing cannot be fitted to; which ones is printed and in what was chosen.
    """
    origins, out, chosen = {part: data.origins(part) for part in parts}, {part: [] for part in parts}, []
    naive, stretch = {part: seasonal_naive(data, part) for part in parts}, longest_stretch(data.parts["train"])
    m = season(data, stretch)
    for c in progress(range(data.C)):
        fitted = fit(data.x[:, c].astype(np.float64), stretch, m)
        for part, t in origins.items():
            rolled = fitted.roll(t, data.H)
            early = (t[:, None] < started(m)) | (fitted.name == NAIVE)
            out[part].append(np.where(early, naive[part][..., c], rolled))
        chosen.append({"series": data.names[c], "model": fitted.name, "aicc": fitted.aicc, **fitted.weights})
    fallback.say("Exponential smoothing", [line["series"] for line in chosen if line["model"] == NAIVE])
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


def fit(x: np.ndarray, stretch: slice, m: int | None) -> Fitted:
    """x (T,), no gaps; parameters from x[stretch]; season of m steps, None = without one, and then a damped trend.

    With a season the damped trend is kept only where it lowers AICc. What fails numerically loses.
    """
    flat = np.zeros(len(x))
    if np.ptp(x[stretch]) < 1e-9:  # nothing to smooth: the last value
        return Fitted(x, flat, flat[:0], 0, 1.0, "last value", float("nan"), {})
    trends = ("add", None) if m else ("add",)
    best = fallback.best(lambda trend=trend: _fit(x[stretch], trend, m) for trend in trends)
    found = fallback.attempt(rolled, x, best) if best else None
    if found is None or not np.isfinite(found[1]).all():
        return Fitted(x, flat, flat[:0], 0, 1.0, NAIVE, float("nan"), {})
    model, states = found
    trend = states[:, 1] if model.trend else flat
    seasonal = np.concatenate([model.initial_seasonal, states[:, -1]]) if m else trend[:0]
    params = dict(zip(best.model.param_names, map(float, best.params), strict=True))
    weights = {name.removeprefix("smoothing_"): value for name, value in params.items()}
    return Fitted(states[:, 0], trend, seasonal, m or 0, params.get("damping_trend", 1.0), model.short_name,
                  float(best.aicc), weights)  # fmt: skip


def rolled(x: np.ndarray, best) -> tuple[ETSModel, np.ndarray]:
    """The fitted parameters filtered once over the whole series, from start values of its first steps: the model, and
    its states (T, k) after each step."""
    shape = _shape(best.model.trend, best.model.seasonal_periods if best.model.seasonal else None)
    start = ETSModel(x[: started(shape.get("seasonal_periods"))], **shape, initialization_method="heuristic")
    known = {f"initial_{part}": getattr(start, f"initial_{part}")
             for part in ("level", "trend", "seasonal") if part == "level" or shape.get(part)}  # fmt: skip
    model = ETSModel(x, **shape, initialization_method="known", **known)
    return model, model.smooth(best.params).states


def started(m: int | None) -> int:
    """Steps that the start values are taken from: no origin before them may use the states."""
    m = m or 0
    return max(FEWEST + 2 * (m // 2), CYCLES_SEEN * m)


def season(data, stretch: slice) -> int | None:
    """Steps of the season: the longest cycle of which a stretch holds two."""
    return longest(data, (stretch.stop - stretch.start) / CYCLES_SEEN)


def longest_stretch(train: np.ndarray) -> slice:
    """The longest run of train steps (T,), bool, the first of equal ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], train.astype(int), [0]]))).reshape(-1, 2)
    first, end = edges[np.diff(edges)[:, 0].argmax()]
    return slice(int(first), int(end))


def _shape(trend, m) -> dict:
    season = {"seasonal": "add", "seasonal_periods": m} if m else {}
    return {"error": "add", "trend": trend, "damped_trend": bool(trend)} | season


def _fit(x: np.ndarray, trend: str | None, m: int | None):
    return ETSModel(x, **_shape(trend, m), initialization_method="heuristic").fit(disp=0)
