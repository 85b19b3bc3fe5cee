"""ARIMA per series: Fourier terms and holidays by regression, ARMA errors by statsmodels, rolled in one filter pass."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.tsa.statespace.sarimax import SARIMAX

from litecast.data import calendar
from litecast.models.classical import cycles, fallback

# Candidates for the number of harmonics of a cycle; those of a week that are the day's are the day's to have.
HARMONICS = (1, 2, 3, 4, 6, 8, 11, 14, 20, 27, 41, 55)
MOST = 83  # harmonics of one cycle: any profile of a week of hours, coarser for a week of quarter hours
ORDERS = ((1, 0), (0, 1), (2, 0), (1, 1), (2, 1), (2, 2))  # (p, q), the candidates for AICc
FLAT = 1e-9  # of a scaled unit: what moves less than this does not move
LEVELS = (0.80, 0.95)  # of the prediction intervals


@dataclass
class Forecast:
    """All series rolled: mean and std {part: (N, H, C)}, scaled units, what was chosen per series, and the series."""

    mean: dict[str, np.ndarray]
    std: dict[str, np.ndarray]
    chosen: list[dict]
    series: list["Fitted"]


def forecast(data, parts=("val", "test"), progress=iter) -> Forecast:
    """Rolled forecasts for every origin of these parts, with the standard deviation of each.

    Regression and order see train steps only; the filter then runs once over all steps, and each origin's forecast
    starts from its predicted state (Durbin & Koopman 2012, ch. 4). Missing steps are skipped by the filter. A series
    that no order can be fitted to keeps its regression, or its last value; which ones is printed and in `chosen`.
    """
    origins, values, fits = {part: data.origins(part) for part in parts}, data.scale(data.y), []
    X, groups = _regressors(data)
    for c in progress(range(data.C)):
        fits.append(fit(values[:, c], X, groups, data.parts["train"], _difference(data)))
    fallback.say("ARIMA", [name for name, f in zip(data.names, fits, strict=True) if f.note])
    mean, std = ({part: _stack([f.roll(origins[part], data.H) if what == "mean" else f.spread(origins[part], data.H)
                                for f in fits]) for part in parts} for what in ("mean", "std"))  # fmt: skip
    chosen = [{"series": name, "order": f.order, "harmonics": f.harmonics, "aicc": f.aicc, "params": f.params,
               "note": f.note} for name, f in zip(data.names, fits, strict=True)]  # fmt: skip
    return Forecast(mean, std, chosen, fits)


def interval(mean: np.ndarray, std: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the Gaussian interval that should hold this share of the values, as `mean` (N, H, C)."""
    half = norm.ppf((1 + level) / 2) * std
    return mean - half, mean + half


def coverage(data, forecast: Forecast, part: str = "test") -> pd.DataFrame:
    """Share of observed targets inside each interval: a line per step ahead (1 .. H), a column per level."""
    truth = data.scale(data.targets(data.origins(part)))
    seen, table = np.isfinite(truth), {}
    for level in LEVELS:
        low, high = interval(forecast.mean[part], forecast.std[part], level)
        table[level] = ((truth >= low) & (truth <= high)).sum((0, 2)) / seen.sum((0, 2))
    return pd.DataFrame(table, index=pd.Index(np.arange(1, data.H + 1), name="step"))


@dataclass
class Fitted:
    """One series: its mean (T,), and the state-space form of its errors.

    states (k, T+1) and covs (k, k, T+1): predicted before each step; noise (k, k): covariance added by one step.
    residuals (train steps,): one-step errors on train, standardised, NaN where missing; params: coefficients;
    note: what took its place where it could not be fitted.
    """

    mean: np.ndarray
    states: np.ndarray
    covs: np.ndarray
    design: np.ndarray
    transition: np.ndarray
    noise: np.ndarray
    residuals: np.ndarray
    order: tuple[int, int, int]
    harmonics: tuple[int, ...]
    aicc: float
    params: int
    note: str = ""

    def roll(self, origins: np.ndarray, H: int) -> np.ndarray:
        """Forecasts (N, H) of the steps origin .. origin+H-1, each from the state predicted before its origin."""
        states, steps = self.states[:, origins], []
        for _ in range(H):
            steps.append(self.design @ states)
            states = self.transition @ states
        return np.stack(steps, 1) + self.mean[origins[:, None] + np.arange(H)]

    def spread(self, origins: np.ndarray, H: int) -> np.ndarray:
        """Standard deviations (N, H) of the same forecasts; that parameters are estimated is not counted."""
        covs, steps = self.covs[:, :, origins].transpose(2, 0, 1), []
        for _ in range(H):
            steps.append(np.einsum("i,nij,j->n", self.design, covs, self.design))
            covs = self.transition @ covs @ self.transition.T + self.noise
        return np.sqrt(np.maximum(np.stack(steps, 1), 0))


def fit(y: np.ndarray, X: np.ndarray, groups: list[tuple], train: np.ndarray, d: int) -> Fitted:
    """y (T,), X (T, K), train (T,) bool. groups: the candidates, (harmonics per cycle, columns of X).

    Columns first, by AICc of least squares; then the ARMA order with the lowest AICc for its errors; all on train. What
    fails numerically loses: without an order the regression remains, without a regression the last value.
    """
    found = fallback.attempt(_regression, y, X, groups, train & np.isfinite(y))
    if found is None or not np.isfinite(found[2]).all():
        return _plain(y, np.zeros(len(y)), 1, 0, train, (), "the last value alone")
    harmonics, columns, beta = found
    mean = X[:, columns] @ beta
    errors = y - mean
    inside = _inside(errors, train)
    if np.ptp(inside[np.isfinite(inside)]) < FLAT:
        return _plain(errors, mean, d, len(beta), train, harmonics)
    best = fallback.best(lambda order=(p, d, q): _fit(inside, order) for p, q in ORDERS)
    fitted = fallback.attempt(_filtered, errors, mean, best, inside, harmonics, len(beta)) if best else None
    if fitted is None or not np.isfinite(fitted.states).all():
        note = "the last value alone" if d else "the regression alone"
        return _plain(errors, mean, d, len(beta), train, harmonics, note)
    return fitted


def _filtered(errors: np.ndarray, mean: np.ndarray, best, inside: np.ndarray, harmonics: tuple, size: int) -> Fitted:
    """The order that was found, and its filter run once over all steps."""
    model = SARIMAX(errors, order=best.model.order, concentrate_scale=True)
    with model.ssm.fixed_scale(best.scale):  # the scale of train, not that of all steps
        found = model.filter(best.params).filter_results
    order = tuple(int(v) for v in best.model.order)
    selection, shocks = model["selection"], model["state_cov"]
    residuals = found.standardized_forecasts_error[0, : len(inside)]
    return Fitted(mean, found.predicted_state, found.predicted_state_cov, model["design"][0], model["transition"],
                  selection @ shocks @ selection.T * best.scale, np.where(np.isfinite(inside), residuals, np.nan),
                  order, harmonics, float(best.aicc), size + len(best.params))  # fmt: skip


def _regression(y, X, groups, seen) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """(harmonics, columns, coefficients) of the candidate with the lowest AICc; all share one matrix of products."""
    inside, target, n = X[seen], y[seen], int(seen.sum())
    gram, moment, total = inside.T @ inside, inside.T @ target, target @ target

    def aicc(columns):
        beta = np.linalg.lstsq(gram[np.ix_(columns, columns)], moment[columns], rcond=None)[0]
        rss, k = total - moment[columns] @ beta, len(columns) + 1
        return n * np.log(max(rss, FLAT * n) / n) + 2 * k * n / (n - k - 1) if n > k + 1 else np.inf

    harmonics, columns = min(groups, key=lambda group: aicc(group[1]))
    return harmonics, columns, np.linalg.lstsq(inside[:, columns], target, rcond=None)[0]


def _plain(errors: np.ndarray, mean: np.ndarray, d: int, size: int, train: np.ndarray, harmonics: tuple,
           note: str = "") -> Fitted:
    """No ARMA part, where errors never move in train or no order can be fitted: the mean, or the last value (d = 1).

    The spread is that of the errors in train, or of their steps where d = 1, and grows with each step then.
    """
    inside, known = _inside(errors, train), pd.Series(errors).ffill().fillna(0.0).to_numpy()
    moves = np.diff(inside, n=d)
    variance = float(np.var(moves[np.isfinite(moves)])) if np.isfinite(moves).any() else 0.0
    states = np.concatenate([[0.0], known])[None] * d  # the level before each step
    covs = np.full((1, 1, len(known) + 1), variance)
    return Fitted(mean, states, covs, np.ones(1), np.eye(1), np.full((1, 1), variance * d),
                  np.full(len(inside), np.nan), (0, d, 0), harmonics, float("nan"), size, note)  # fmt: skip


def _inside(errors: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Errors up to the last train step, NaN where it is not train."""
    return np.where(train, errors, np.nan)[: np.flatnonzero(train)[-1] + 1]


def _fit(errors: np.ndarray, order: tuple[int, int, int]):
    return SARIMAX(errors, order=order, concentrate_scale=True).fit(disp=0, maxiter=30)


def _stack(columns: list[np.ndarray]) -> np.ndarray:
    return np.stack(columns, -1).astype(np.float32)


def _difference(data) -> int:
    return 0 if cycles.seen(data) else 1


def _regressors(data) -> tuple[np.ndarray, list[tuple]]:
    """X (T, K) and the candidates: (number of harmonics of each cycle, columns of X).

    Columns: constant, the last calendar column where it marks holidays, then the harmonics, cycle by cycle.
    """
    T, periods = len(data.y), cycles.seen(data)
    if not periods:
        return np.zeros((T, 1)), [((), np.array([0]))]  # a difference removes the level; nothing else is known ahead
    blocks, choices = [np.ones((T, 1))], []
    if "holiday" in calendar.names(data.header.frequency, data.header.country):
        blocks[0] = np.hstack([blocks[0], data.z[:, -1:]])
    for i, cycle in enumerate(periods):
        most = min((cycle - 1) // 2, MOST)
        own = [k for k in range(1, most + 1) if not any(k * shorter % cycle == 0 for shorter in periods[:i])]
        angle = np.arange(T)[:, None] * 2 * np.pi / cycle * own
        start = sum(block.shape[1] for block in blocks)
        blocks.append(np.stack([np.sin(angle), np.cos(angle)], 2).reshape(T, -1))  # a harmonic's waves side by side
        choices.append([(k, np.arange(start, start + 2 * sum(h <= k for h in own)))
                        for k in sorted({k for k in HARMONICS if k < most} | {most})])  # fmt: skip
    fixed = np.arange(blocks[0].shape[1])
    groups = [(tuple(k for k, _ in picked), np.concatenate([fixed, *(columns for _, columns in picked)]))
              for picked in itertools.product(*choices)]  # fmt: skip
    return np.hstack(blocks), groups
