"""Forecast errors on all windows of a part, in the data's own unit; targets that are missing are masked."""

import weakref
from dataclasses import dataclass

import numpy as np
import pandas as pd

from litecast.data import calendar, panel
from litecast.models.classical.naive import seasonal_naive

# Where forecasts are looked at more closely -> the error there.
SITUATIONS = {"all": "wape", "ordinary days": "wape_ordinary", "holidays": "wape_holidays",
              "highest tenth": "wape_highest", "worst series": "wape_worst", "first step": "wape_first",
              "last step": "wape_last", "totals": "wape_totals", "bias": "bias"}
ERRORS = ("mse_scaled", "mae_scaled", "wape", "wape_totals", "mase", "bias", "drift", "skill",
          "wape_highest", "wape_worst", "wape_first", "wape_last")
LOSSES = ("abs_err", "sq_err", "abs_y")


def errors(data, part: str, yhat: np.ndarray, dense: np.ndarray | None = None) -> dict[str, float]:
    """The columns `<part>_<error>` of a result row, for forecasts (N, H, C) in scaled units.

    wape = sum|e| / sum|y|, pooled, also of the steps on ordinary days and on public holidays by themselves, of totals
    over the horizon (what is stocked is a total), and of logarithms where these are forecast; mase = mean over series
    of MAE / in-sample seasonal-naive MAE (Hyndman & Koehler 2006); bias = sum(yhat - y) / sum|y|; drift =
    sum|yhat - dense| / sum|y|; skill = 1 - WAPE / WAPE of the seasonal naive, which is the random walk where the data
    has no season. All in the data's own unit, a logarithm undone, but for wape_log, mse_scaled and mae_scaled. What is
    not defined (all targets are zero, no holiday in the part) is NaN.

    Where a mean over all steps hides what was forgotten: wape_highest, at the tenth of largest values of each series;
    wape_worst, of the series with the largest WAPE; wape_first and wape_last, at the ends of the horizon.
    """
    fixed, found = _fixed(data, part), []
    for series, one in _blocks(data, part):
        start = None if dense is None else dense[..., series]
        found.append(_sums(one, part, yhat[..., series], start, fixed.top[..., series]))
    total = {name: sum(sums[name] for sums, _ in found) for name in found[0][0]}
    each = {name: np.concatenate([sums[name] for _, sums in found]) for name in found[0][1]}
    values = {name: _share(*pair) for name, pair in total.items()}
    values["skill"] = 1 - _share(total["wape"][0], fixed.naive)
    values["wape_worst"] = np.fmax.reduce([*map(_share, each["error"], each["size"])])
    moves = each["step"] > 0
    values["mase"] = np.mean(each["mae"][moves] / each["step"][moves]) if moves.any() else np.nan
    return {f"{part}_{name}": float(value) for name, value in values.items()}


def _sums(data, part: str, yhat, dense, top) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Sums of these series: name -> (error, size) that it is a share of; and of each series by itself (C,)."""
    gap, truth, seen = _gap(data, part, yhat)
    target, truth = data.scale(data.targets(data.origins(part))), np.where(seen, np.abs(truth), 0.0)
    size, count, error, scaled = truth.sum(), seen.sum(), np.abs(gap), np.where(seen, yhat - target, 0.0)
    published = scaled * (data.std / data.published)  # in the unit of published tables
    sums = {
        "mse_scaled": (np.square(published).sum(), count),
        "mae_scaled": (np.abs(published).sum(), count),
        "wape": (error.sum(), size),
        "wape_totals": (np.abs(gap.sum(1)).sum(), size),
        "bias": (gap.sum(), size),
        "wape_highest": (error[top].sum(), truth[top].sum()),
        "wape_first": (error[:, 0].sum(), truth[:, 0].sum()),
        "wape_last": (error[:, -1].sum(), truth[:, -1].sum()),
    }
    if data.header.transform == "log":
        logs = np.where(seen, np.abs(data.unscale(target)), 0.0)
        sums["wape_log"] = np.abs(scaled * data.std).sum(), logs.sum()
    off = _holidays(data, part)
    for name, days in (("ordinary", ~off), ("holidays", off)) if off.any() else ():
        sums[f"wape_{name}"] = error[days].sum(), truth[days].sum()
    if dense is not None:
        sums["drift"] = np.abs(np.where(seen, data.raw(yhat) - data.raw(dense), 0.0)).sum(), size
    each = {"error": error.sum((0, 1)), "size": truth.sum((0, 1)), "step": _step(data),
            "mae": np.abs(gap).sum((0, 1)) / np.maximum(seen.sum((0, 1)), 1)}  # fmt: skip
    return {name: np.array(pair, np.float64) for name, pair in sums.items()}, each


@dataclass(frozen=True)
class _Fixed:
    """What no forecast changes: which targets are the tenth of largest values of their series, (N, H, C) bool, and the
    summed error of the seasonal naive."""

    top: np.ndarray
    naive: float


_HELD: dict[str, tuple[weakref.ref, _Fixed]] = {}  # part -> of the dataset that was judged last


def _fixed(data, part: str) -> _Fixed:
    held = _HELD.get(part)
    if held is None or held[0]() is not data:
        tops, naive = [], 0.0
        for _, one in _blocks(data, part):
            gap, truth, _ = _gap(one, part, seasonal_naive(one, part))
            quantile = np.nanquantile if np.isnan(truth).any() else np.quantile  # ten times as quick, where it may
            tops.append(truth >= quantile(truth, 0.9, axis=(0, 1)))
            naive += np.abs(gap).sum()
        held = _HELD[part] = weakref.ref(data), _Fixed(np.concatenate(tops, axis=2), naive)
    return held[1]


def _blocks(data, part: str):
    return panel.blocks(data, len(data.origins(part)) * data.H)


def _share(error: float, size: float) -> float:
    return error / size if size > 0 else np.nan


def _holidays(data, part: str) -> np.ndarray:
    """(N, H): which target steps lie on a public holiday of the data's country; none without a calendar of days."""
    steps = data.origins(part)[:, None] + np.arange(data.H)
    if "holiday" not in calendar.names(data.header.frequency, data.header.country):
        return np.zeros(steps.shape, bool)
    return calendar.holidays(data.times, data.header.country)[steps]


def situations(data, part: str, yhat: np.ndarray) -> dict[str, float]:
    """Situation -> the error of forecasts (N, H, C) there, as in `errors`; what a part lacks (holidays) is absent."""
    told = errors(data, part, yhat)
    return {name: told[f"{part}_{error}"] for name, error in SITUATIONS.items() if f"{part}_{error}" in told}


def losses(data, part: str, yhat: np.ndarray) -> pd.DataFrame:
    """One row per series and origin: abs_err, sq_err, abs_y, sums over the observed steps of the horizon, own unit. Of
    a panel one row per origin, summed over all series, which are called ""."""
    found, whole = [], panel.is_panel(data)
    for series, one in _blocks(data, part):
        gap, truth, seen = _gap(one, part, yhat[..., series])
        sums = np.abs(gap), np.square(gap), np.abs(np.where(seen, truth, 0.0))
        found.append([values.sum((1, 2))[:, None] if whole else values.sum(1) for values in sums])
    sums = [sum(values) if whole else np.concatenate(values, axis=1) for values in zip(*found, strict=True)]
    names, origins = [""] if whole else data.names, data.times[data.origins(part)]
    return pd.DataFrame({
        "series": np.tile(np.asarray(names, dtype=object), len(origins)), "origin": np.repeat(origins, len(names)),
        **{name: values.astype(np.float32).ravel() for name, values in zip(LOSSES, sums, strict=True)},
    })  # fmt: skip


def wape(data, origins: np.ndarray, yhat: np.ndarray) -> float:
    """sum|e| / sum|y| of forecasts (N, H, C), scaled units, for any N origins; NaN where all targets are zero."""
    gap, truth, seen = _of(data, origins, yhat)
    return float(_share(np.abs(gap).sum(), np.where(seen, np.abs(truth), 0.0).sum()))


def _gap(data, part: str, yhat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _of(data, data.origins(part), yhat)


def _of(data, origins: np.ndarray, yhat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecast less target (0 where that is missing), target, and whether it was observed: (N, H, C), own unit."""
    truth = data.truth(origins)
    seen = np.isfinite(truth)
    return np.where(seen, data.raw(yhat) - truth, 0.0), truth, seen


def forecasts(data, part: str, yhat: np.ndarray) -> pd.DataFrame:
    """One row per series, origin and step (1 .. H): y and yhat in own unit, NaN where the target is missing. Of a panel
    the few that stand for it."""
    origins = data.origins(part)
    if panel.is_panel(data):
        few = panel.few(data)
        data, yhat = data.part(few), yhat[..., few]
    index = pd.MultiIndex.from_product([data.times[origins], range(1, data.H + 1), data.names])
    frame = pd.DataFrame(index=index.set_names(["origin", "step", "series"])).reset_index()
    frame["y"] = data.truth(origins).astype(np.float32).ravel()
    frame["yhat"] = data.raw(yhat).astype(np.float32).ravel()
    return frame


def _step(data) -> np.ndarray:
    """Mean absolute seasonal difference (C,) of train, own unit: what MASE is measured in; 0 where nothing moves."""
    season = data.header.season
    y = data.raw(data.scale(data.y))
    step = np.abs(y[season:] - y[:-season])
    train = data.parts["train"]
    inside = (train[season:] & train[:-season])[:, None] & np.isfinite(step)
    return np.where(inside, step, 0.0).sum(0) / np.maximum(inside.sum(0), 1)
