"""Demand that is zero most of the time: Croston (1972) and the Syntetos-Boylan approximation (SBA, 2005)."""

import numpy as np

from litecast.data import panel

ADI = 1.32  # mean interval between demands, in steps, above which a series is intermittent (Syntetos & Boylan 2005)
ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.3)  # candidates for the one smoothing weight of a series


def intervals(data) -> np.ndarray:
    """Mean interval (C,) between demands > 0 on train, in observed steps; inf with fewer than two demands."""
    raw = _raw(data)[data.parts["train"]]
    seen, demand = np.isfinite(raw), raw > 0  # False where missing
    step, count = seen.cumsum(0, dtype=np.int32), demand.sum(0)
    first, last = step.min(0, where=demand, initial=len(raw)), step.max(0, where=demand, initial=0)
    return np.where(count > 1, (last - first) / np.maximum(count - 1, 1), np.inf)


def intermittent(data) -> np.ndarray:
    """Which series (C,) bool have a mean interval above 1.32 steps."""
    return intervals(data) > ADI


def forecast(data, parts=("val", "test")) -> tuple[dict[str, dict[str, np.ndarray]], list[dict]]:
    """{"croston" | "sba": {part: (N, H, C)}}, scaled units, and what was chosen for each series.

    The demand rate after the last observed step, the same for all steps ahead. A series that is not intermittent gets
    simple exponential smoothing with its own weight. Weights: least squared one-step error on train. A missing step
    changes nothing; before the first demand the forecast is 0.
    """
    found, chosen = [], []
    for _, one in panel.blocks(data, len(ALPHAS) * len(data.y)):  # all candidates of all steps
        made, lines = _forecast(one, parts)
        found.append(made)
        chosen += lines
    joined = {name: {part: np.concatenate([made[name][part] for made in found], axis=2) for part in parts}
              for name in found[0]}  # fmt: skip
    return joined, chosen


def _forecast(data, parts) -> tuple[dict[str, dict[str, np.ndarray]], list[dict]]:
    raw, which = _raw(data), intermittent(data)
    rates = {"croston": rate(raw, ALPHAS), "smoothing": smooth(raw, ALPHAS)}
    sba = rates["croston"] * (1 - np.array(ALPHAS)[:, None, None] / 2)
    used = {"croston": np.where(which, rates["croston"], rates["smoothing"]),
            "sba": np.where(which, sba, rates["smoothing"])}  # fmt: skip
    out, chosen = {}, [{"series": name, "interval": gap, "intermittent": bool(flag)}
                       for name, gap, flag in zip(data.names, intervals(data), which, strict=True)]  # fmt: skip
    for name, candidates in used.items():
        best = _best(candidates, raw, data.parts["train"])
        picked = data.scale(_transformed(data, candidates[best, :, np.arange(data.C)].T))  # (T + 1, C)
        out[name] = {part: np.repeat(picked[data.origins(part)][:, None], data.H, 1).astype(np.float32)
                     for part in parts}
        for line, a in zip(chosen, best, strict=True):
            line[f"alpha_{name}"] = ALPHAS[a]
    return out, chosen


def rate(y: np.ndarray, alphas) -> np.ndarray:
    """Croston's demand per step (A, T+1, C) before each step, and after the last, for y (T, C), NaN = missing.

    Size and interval are smoothed at demands only; they start at the first demand with its size and its step number.
    """
    T, C = y.shape
    a = np.asarray(alphas, float)[:, None]
    size, interval = np.zeros((len(a), C)), np.ones((len(a), C))
    out, since, started = np.zeros((len(a), T + 1, C)), np.zeros(C), np.zeros(C, bool)
    for t in range(T):
        out[:, t] = size / interval
        since += np.isfinite(y[t])
        demand = y[t] > 0  # False where missing
        weight = np.where(started, a, 1.0)
        size = np.where(demand, size + weight * (y[t] - size), size)
        interval = np.where(demand, interval + weight * (since - interval), interval)
        since, started = np.where(demand, 0, since), started | demand
    out[:, T] = size / interval
    return out


def smooth(y: np.ndarray, alphas) -> np.ndarray:
    """Simple exponential smoothing (A, T+1, C) before each step, and after the last; starts at the first value."""
    T, C = y.shape
    a = np.asarray(alphas, float)[:, None]
    level, out, started = np.zeros((len(a), C)), np.zeros((len(a), T + 1, C)), np.zeros(C, bool)
    for t in range(T):
        out[:, t] = level
        seen = np.isfinite(y[t])
        level = np.where(seen, level + np.where(started, a, 1.0) * (y[t] - level), level)
        started = started | seen
    out[:, T] = level
    return out


def _best(candidates: np.ndarray, raw: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Index (C,) of the weight with the least squared one-step error on train."""
    gap = np.where(np.isfinite(raw) & train[:, None], candidates[:, :-1] - raw, 0.0)
    return np.square(gap).sum(1).argmin(0)


def _raw(data) -> np.ndarray:
    """Targets in raw units: a logarithm has no zero, so what is logged is never intermittent."""
    return np.exp(data.y) if data.header.transform == "log" else data.y


def _transformed(data, values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 1e-12)) if data.header.transform == "log" else values
