"""MSTL per series (Bandara et al. 2021): statsmodels' seasonal parts, ARIMA of the rest, both rolled."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from statsmodels.tsa.seasonal import MSTL
from statsmodels.tsa.statespace.sarimax import SARIMAX

from litecast.data import calendar, daytypes
from litecast.models.classical import cycles, fallback
from litecast.models.classical.naive import seasonal_naive

CYCLES_SEEN = 8  # of the longest cycle: what a decomposition sees of the past
CYCLES_FITTED = 12  # the last ones of train, which the ARIMA of the rest is fitted on
REFITS = 40  # decompositions of a series over all its origins, about
ORDERS = ((1, 1, 1), (2, 1, 1), (2, 1, 2))  # candidates for AICc; the difference leaves level and trend to the ARIMA
NAIVE = "seasonal naive"  # in place of a model that could not be fitted


def periods(data) -> tuple[int, ...]:
    """Cycles of the data of which train holds two, shortest first; without any there is nothing to decompose."""
    return cycles.seen(data, (data.parts["train"].sum() - 1) / 2)


def forecast(data, parts=("val", "test"), progress=iter) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Forecasts {part: (N, H, C)}, scaled units, for every origin, and what was chosen for each series.

    The ARIMA is that of train. The seasonal parts are of the CYCLES_SEEN cycles before each block of origins, and go on
    as in the last of them; a public holiday counts as the Sunday before it. Nothing at or after an origin is read.
    Origins before two cycles, and series that cannot be fitted, have the seasonal naive forecast; which, is printed.
    """
    found, naive = periods(data), {part: seasonal_naive(data, part) for part in parts}
    origins, like = {part: data.origins(part) for part in parts}, _like(data)
    step = _step(sum(map(len, origins.values())), found[0])
    out, chosen = {part: naive[part].copy() for part in parts}, []
    for c in progress(range(data.C)):
        x = _ordinary(data.x[:, c].astype(np.float64), like, found[-1])
        best = fallback.attempt(_fit, _train(x, data.parts["train"], found[-1]), found)
        for part, t in origins.items() if best else ():
            for block in np.split(t, np.flatnonzero(np.diff(t // step)) + 1):
                rolled = fallback.attempt(_roll, data.x[:, c], x, like, block, data.H, found, best)
                if rolled is not None and np.isfinite(rolled).all():
                    out[part][np.searchsorted(t, block), :, c] = rolled
        order = best.order if best else ()
        chosen.append({"series": data.names[c], "model": "MSTL" if best else NAIVE, "order": order,
                       "params": len(best.ar) + len(best.ma) if best else 0})  # fmt: skip
    fallback.say("MSTL", [line["series"] for line in chosen if line["model"] == NAIVE])
    return out, chosen


@dataclass(frozen=True)
class Rest:
    """ARIMA(p, 1, q) of what is left when the seasonal parts are gone; ar (p,), ma (q,)."""

    ar: np.ndarray
    ma: np.ndarray

    @property
    def order(self) -> tuple[int, int, int]:
        return len(self.ar), 1, len(self.ma)

    def roll(self, rest: np.ndarray, ends: np.ndarray, H: int) -> np.ndarray:
        """Forecasts (N, H) of the H steps from each end on, from rest[:end] alone; rest (T,), no gaps."""
        moves = np.diff(rest)
        shocks = lfilter(np.r_[1, -self.ar], np.r_[1, self.ma], moves)  # shocks before the first move count as 0
        last = ends[:, None] - 2 - np.arange(max(self.order))  # newest first
        moves, shocks = (np.where(last >= 0, values[np.maximum(last, 0)], 0.0) for values in (moves, shocks))
        level, out = rest[ends - 1], []
        for _ in range(H):
            move = moves[:, : len(self.ar)] @ self.ar + shocks[:, : len(self.ma)] @ self.ma
            moves = np.hstack([move[:, None], moves[:, :-1]])
            shocks = np.hstack([np.zeros((len(ends), 1)), shocks[:, :-1]])
            level = level + move
            out.append(level)
        return np.stack(out, 1)


def seasonal(x: np.ndarray, found: tuple[int, ...]) -> np.ndarray:
    """Sum of the seasonal parts (T,) of x (T,), with LOESS at every so many steps and lines between: ten times quicker.
    """
    jumps = dict.fromkeys(("seasonal_jump", "trend_jump", "low_pass_jump"), found[0])
    parts = MSTL(x, periods=found, stl_kwargs=jumps).fit().seasonal
    return parts.reshape(len(x), -1).sum(1)


def _roll(values: np.ndarray, x: np.ndarray, like: np.ndarray, block: np.ndarray, H: int, found: tuple, best: Rest):
    """Forecasts (N, H) of a block of origins, decomposed at the first of them; x: values without holidays.

    None where two cycles have not been seen by then.
    """
    at, cycle = int(block[0]), found[-1]
    first = max(0, at - CYCLES_SEEN * cycle)
    if at - first <= 2 * cycle:
        return None
    known = seasonal(x[first:at], found)
    steps = np.arange(first, block[-1] + H)
    steps = np.where(like[steps] < first, steps, like[steps])  # a holiday before the first Sunday stays what it is
    usual = known[np.where(steps < at, steps, at - cycle + (steps - at) % cycle) - first]
    rest = values[first : block[-1]] - usual[: block[-1] - first]
    ahead = block[:, None] - first + np.arange(H)
    return best.roll(rest, block - first, H) + usual[ahead]


def _fit(x: np.ndarray, found: tuple[int, ...]) -> Rest | None:
    """The order with the lowest AICc for the rest of x (T,), NaN where it is not train; None where none can be fitted.
    """
    cycle = found[-1]
    whole = np.pad(x, (0, -len(x) % cycle), constant_values=np.nan).reshape(-1, cycle)
    whole = pd.DataFrame(whole).interpolate(limit_direction="both").to_numpy().ravel()[: len(x)]  # phase by phase
    rest = np.where(np.isfinite(x), x - seasonal(whole, found), np.nan)
    fits = fallback.best(lambda order=order: SARIMAX(rest, order=order, concentrate_scale=True).fit(disp=0, maxiter=30)
                         for order in ORDERS)  # fmt: skip
    return Rest(np.asarray(fits.arparams), np.asarray(fits.maparams)) if fits else None


def _train(x: np.ndarray, train: np.ndarray, cycle: int) -> np.ndarray:
    """The last CYCLES_FITTED cycles up to the end of train, NaN where it is not train."""
    end = np.flatnonzero(train)[-1] + 1
    return np.where(train, x, np.nan)[max(0, end - CYCLES_FITTED * cycle) : end]


def _like(data) -> np.ndarray:
    """Which step (T,) each one resembles: itself, on public holidays that of the Sunday before."""
    h, steps = data.header, np.arange(len(data.x))
    if "holiday" not in calendar.names(h.frequency, h.country):
        return steps
    length = daytypes.steps(h.frequency)
    back = (data.cells // length % 7 + 1) % 7 * length
    return np.maximum(np.where(data.z[:, -1] > 0, steps - back, steps), 0)


def _ordinary(x: np.ndarray, like: np.ndarray, cycle: int) -> np.ndarray:
    """x (T,) with the same step a cycle before in the place of each holiday: one must not bend a week's shape."""
    out = x.copy()
    for t in np.flatnonzero(like != np.arange(len(x))):
        out[t] = out[t - cycle] if t >= cycle else x[t]
    return out


def _step(origins: int, cycle: int) -> int:
    """Steps between decompositions: whole short cycles, so that there are about REFITS."""
    return cycle * max(1, round(origins / REFITS / cycle))
