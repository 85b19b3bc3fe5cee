"""ARIMA per series: Fourier terms and holidays by regression, ARMA errors by statsmodels, rolled in one filter pass."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.tsa.statespace.sarimax import SARIMAX

# Periods whose harmonics describe the mean; those without one get a difference instead (d = 1).
CYCLES = {"15min": 672, "30min": 336, "h": 168, "D": 7, "W": 52, "MS": 12}
HARMONICS = 28  # of a week: four of them are the day's
ORDERS = ((1, 0), (0, 1), (2, 0), (1, 1), (2, 1), (2, 2))  # (p, q), the candidates for AICc
FLAT = 1e-9  # of a scaled unit: what moves less than this does not move


def forecast(data, parts=("val", "test"), progress=iter) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Rolled forecasts {part: (N, H, C)}, scaled units, for every origin, and what was chosen for each series.

    Regression and order see train steps only; the filter then runs once over all steps, and each origin's forecast
    starts from its predicted state (Durbin & Koopman 2012, ch. 4). Missing steps are skipped by the filter.
    """
    origins, out, chosen = {part: data.origins(part) for part in parts}, {part: [] for part in parts}, []
    X, values = _regressors(data), data.scale(data.y)
    for c in progress(range(data.C)):
        fitted = fit(values[:, c], X, data.parts["train"], _difference(data))
        for part in parts:
            out[part].append(fitted.roll(origins[part], data.H))
        chosen.append({"series": data.names[c], "order": fitted.order, "aicc": fitted.aicc, "params": fitted.params})
    return {part: np.stack(rolled, -1).astype(np.float32) for part, rolled in out.items()}, chosen


@dataclass
class Fitted:
    """One series: its mean (T,), and the state-space form of its errors with all predicted states (k, T+1)."""

    mean: np.ndarray
    states: np.ndarray
    design: np.ndarray
    transition: np.ndarray
    order: tuple[int, int, int]
    aicc: float
    params: int

    def roll(self, origins: np.ndarray, H: int) -> np.ndarray:
        """Forecasts (N, H) of the steps origin .. origin+H-1, each from the state predicted before its origin."""
        states, steps = self.states[:, origins], []
        for _ in range(H):
            steps.append(self.design @ states)
            states = self.transition @ states
        return np.stack(steps, 1) + self.mean[origins[:, None] + np.arange(H)]


def fit(y: np.ndarray, X: np.ndarray, train: np.ndarray, d: int) -> Fitted:
    """y (T,), X (T, K), train (T,) bool: least squares on X, then the ARMA order with the lowest AICc, on train."""
    seen = train & np.isfinite(y)
    beta = np.linalg.lstsq(X[seen], y[seen], rcond=None)[0]
    errors = y - X @ beta
    inside = np.where(train, errors, np.nan)[: np.flatnonzero(train)[-1] + 1]
    if np.ptp(inside[np.isfinite(inside)]) < FLAT:
        return _flat(errors, X @ beta, d, len(beta))
    best = min((_fit(inside, (p, d, q)) for p, q in ORDERS), key=_aicc)
    model = SARIMAX(errors, order=best.model.order, concentrate_scale=True)
    states = model.filter(best.params).filter_results.predicted_state
    order = tuple(int(v) for v in best.model.order)
    size = len(beta) + len(best.params)
    return Fitted(X @ beta, states, model["design"][0], model["transition"], order, float(best.aicc), size)


def _flat(errors: np.ndarray, mean: np.ndarray, d: int, size: int) -> Fitted:
    """Errors that never move in train have no ARMA part: the mean, or the last value where d = 1."""
    known = pd.Series(errors).ffill().fillna(0.0).to_numpy()
    states = np.concatenate([[0.0], known])[None] * d  # the level before each step
    return Fitted(mean, states, np.ones(1), np.eye(1), (0, d, 0), float("nan"), size)


def _aicc(result) -> float:
    return result.aicc if np.isfinite(result.aicc) else np.inf


def _fit(errors: np.ndarray, order: tuple[int, int, int]):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a candidate that does not converge loses on AICc
        return SARIMAX(errors, order=order, concentrate_scale=True).fit(disp=0, maxiter=30)


def _difference(data) -> int:
    return 0 if _cycle(data) else 1


def _cycle(data) -> int | None:
    """Steps of the cycle that the harmonics describe; None where there is none, or training saw no whole one."""
    cycle = CYCLES.get(data.header.frequency)
    return cycle if cycle and data.parts["train"].sum() >= cycle else None


def _regressors(data) -> np.ndarray:
    """(T, K): constant, harmonics of the cycle, and the last calendar column where it marks holidays."""
    T, cycle = len(data.y), _cycle(data)
    if cycle is None:
        return np.zeros((T, 1))  # a difference removes the level; nothing else is known ahead
    t = np.arange(T)[:, None] * 2 * np.pi / cycle * np.arange(1, min((cycle - 1) // 2, HARMONICS) + 1)
    columns = [np.ones((T, 1)), np.sin(t), np.cos(t)]
    if data.header.country:
        columns.append(data.z[:, -1:])
    return np.hstack(columns)
