"""The forecasts that cost nothing and that every network must beat: last value, last season, drift, long-run means."""

from functools import partial

import numpy as np

from litecast.data import usual

TABLES = ("historical_average", "usual_mean", "usual_median")  # need stored means; all others take no file at all
WEEK_OR_DAY = {24: 168, 168: 24}  # steps; of hourly data both are seasons


def naive(data, part: str) -> np.ndarray:
    """Last known value, repeated: (N, H, C), scaled units; filled values where one is missing."""
    origins = data.origins(part)
    return np.repeat(data.x[origins - 1][:, None], data.H, axis=1)


def drift(data, part: str) -> np.ndarray:
    """Last value and onwards at the mean change since the first step: (N, H, C), scaled units.

    The line through the first and the last known value (Hyndman & Athanasopoulos 2021, ch. 5.2).
    """
    origins, ahead = data.origins(part)[:, None, None], np.arange(1, data.H + 1)[None, :, None]
    last = data.x[origins[:, 0, 0] - 1][:, None].astype(np.float64)
    slope = (last - data.x[0]) / np.maximum(origins - 1, 1)
    return (last + ahead * slope).astype(np.float32)


def seasonal_naive(data, part: str, season: int | None = None) -> np.ndarray:
    """Value of the same step one season earlier, the last season repeated beyond it: (N, H, C), scaled units.

    season: in steps, that of the header where it is None.
    """
    origins, season = data.origins(part), season or data.header.season
    back = np.arange(data.H) % season - season
    return data.x[np.maximum(origins[:, None] + back, 0)]


def other_season(data) -> int | None:
    """The season that hourly data has beside the header's: the day (24) or the week (168); None where there is none."""
    other = WEEK_OR_DAY.get(data.header.season) if data.header.frequency == "h" else None
    return other if other and data.parts["train"].sum() >= other else None


def historical_average(data, part: str) -> np.ndarray:
    """Mean of the observed train values at the same phase of the season, of all of them where the data has none.

    (N, H, C), scaled units; a phase that training never saw takes the mean of all phases.
    """
    season, train = data.header.season, data.parts["train"]
    y, phase = data.scale(data.y), np.arange(len(data.y)) % season
    seen = np.isfinite(y) & train[:, None]
    total, count = np.zeros((season, data.C)), np.zeros((season, data.C))
    np.add.at(total, phase, np.where(seen, y, 0.0))
    np.add.at(count, phase, seen)
    overall = total.sum(0) / np.maximum(count.sum(0), 1)
    profile = np.where(count > 0, total / np.maximum(count, 1), overall).astype(np.float32)
    return profile[(data.origins(part)[:, None] + np.arange(data.H)) % season]


def usual_week(data, part: str, middle: str = "mean") -> np.ndarray:
    """The usual week, of train steps alone: mean or median of the same kind of day and step of it, (N, H, C), scaled
    units. A public holiday is no Monday, which is what tells it from `historical_average`."""
    cells = data.cells[data.origins(part)[:, None] + np.arange(data.H)]
    return np.moveaxis(usual.at(usual.table(data, middle=middle), cells, data.header.frequency), 0, -1)


def family(data) -> dict:
    """Name -> forecast(data, part) of all free forecasts that this data has."""
    free = {"naive": naive, "drift": drift, "seasonal_naive": seasonal_naive}
    if other := other_season(data):
        free[f"seasonal_naive_{other}"] = lambda data, part: seasonal_naive(data, part, other)
    free["historical_average"] = historical_average
    return free | {f"usual_{middle}": partial(usual_week, middle=middle) for middle in ("mean", "median")}
