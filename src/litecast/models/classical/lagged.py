"""What ridge and boosting see of a window: the numbers that a practitioner would hand to a regression."""

from dataclasses import dataclass

import numpy as np

from litecast.data.frame import day
from litecast.models.base import CALENDAR_SAMPLES, FLOOR

LAST, DAYS, SEASONS = 3, 3, 4  # last values; same hour of earlier days; same phase of earlier seasons
WEATHER_SPAN = (1, 6, 24)  # steps before the origin that lagged weather is averaged over


@dataclass(frozen=True)
class Spec:
    """How a window becomes numbers; plain values, so that a file can hold it.

    weather: '' none, 'weather' at and before origin-1, 'oracle' at the target steps too, which nobody can know.
    """

    L: int
    H: int
    day: int
    season: int
    anchor: str
    weather: str = ""

    @classmethod
    def of(cls, data, weather: str = "") -> "Spec":
        season = data.header.season
        return cls(data.L, data.H, day(data.header.frequency), season, "last" if season == 1 else "mean", weather)


def windows(data, series: np.ndarray, origins: np.ndarray, anchor: str) -> tuple[np.ndarray, ...]:
    """Normalised windows (n, L), their shift and scale (n, 1), as the networks make them (models/base.py)."""
    rows = _gather(data, series[:, None], origins[:, None] + np.arange(-data.L, 0))
    shift = rows.mean(1, keepdims=True) if anchor == "mean" else rows[:, -1:]
    scale = rows.std(1, keepdims=True) + np.float32(FLOOR)
    return (rows - shift) / scale, shift, scale


def calendar(data, origins: np.ndarray) -> np.ndarray:
    """Known inputs (n, K) of a few steps of the horizon, the same that networks are given."""
    stride = -(-data.H // CALENDAR_SAMPLES)
    return data.z[origins[:, None] + np.arange(0, data.H, stride)].reshape(len(origins), -1)


def table(data, spec: Spec, series: np.ndarray, origins: np.ndarray, of: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Features (n, P), float32, of n rows: window of[i] of (series, origins), steps[i] steps ahead (1 .. H).

    Nothing at or after the origin is read but the calendar, except by 'oracle'. Lags are in units of their window (see
    `windows`) and reach back further than it: SEASONS seasons. One before the first step counts as the window's mean.
    """
    normal, shift, scale = windows(data, series, origins, spec.anchor)
    once = np.hstack([_recent(data, spec, series, origins, normal, scale), shift, scale,
                      series[:, None], *_past_sky(data, spec, origins)]).astype(np.float32)  # fmt: skip
    target, seasonal = origins[of] + steps - 1, spec.season not in (1, spec.day)
    lags = [_back(target, steps, spec.day, j) for j in range(1, DAYS + 1)]
    if seasonal:
        lags += [_back(target, steps, spec.season, j) for j in range(1, SEASONS + 1)]
        lags += [np.minimum(lags[DAYS] + 1, origins[of] - 1), lags[DAYS] - 1]
    same = (_gather(data, series[of][:, None], np.stack(lags, 1)) - shift[of]) / scale[of]
    known = [steps, target % spec.season, target % spec.day]
    if data.z.shape[1]:  # whether the steps compared with were holidays (or weekends) themselves
        known += [data.z[np.maximum(lags[j], 0), -1] for j in ((0, DAYS) if seasonal else (0,))]
    means = _mean(same[:, DAYS : DAYS + SEASONS]) if seasonal else _mean(same)
    future = [data.observed[target]] if spec.weather == "oracle" else []
    rows = np.hstack([once[of], same, means, np.stack(known, 1), data.z[target], *future]).astype(np.float32)
    return np.nan_to_num(rows, nan=0.0)


def _recent(data, spec: Spec, series, origins, normal: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Last values, their means over one and four days, and by how much the last day differs from a season before."""
    parts = [normal[:, -LAST:], *(normal[:, -n:].mean(1, keepdims=True) for n in (spec.day, 4 * spec.day))]
    if spec.season > 1:
        past = origins[:, None] - 1 - np.arange(spec.day)
        gap = (_gather(data, series[:, None], past) - _gather(data, series[:, None], past - spec.season)) / scale
        parts += [gap[:, :n].mean(1, keepdims=True) for n in (1, max(1, spec.day // 4), spec.day)]
    return np.hstack(parts)


def _past_sky(data, spec: Spec, origins: np.ndarray) -> list[np.ndarray]:
    """Means of the observed columns over the last steps before the origin."""
    if not spec.weather:
        return []
    before = data.observed[np.maximum(origins[:, None] - 1 - np.arange(max(WEATHER_SPAN)), 0)]  # (n, span, W)
    return [before[:, :n].mean(1) for n in WEATHER_SPAN]


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean (n, 1) of what is not NaN; NaN where nothing is."""
    seen = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return (np.where(seen, values, 0).sum(1) / seen.sum(1))[:, None]


def _back(target: np.ndarray, steps: np.ndarray, lag: int, j: int) -> np.ndarray:
    """Steps (n,) at the same phase of a cycle of `lag` steps, the j-th last one before the origin."""
    return target - ((steps - 1) // lag + j) * lag


def _gather(data, series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Scaled, filled values at steps, NaN before the first."""
    return np.where(at >= 0, data.x[np.maximum(at, 0), series], np.float32(np.nan))
