"""Test vectors: stored windows with what the model file forecasts of them, for every form and whoever ports one."""

import warnings

import numpy as np
import pandas as pd

from litecast import data
from litecast.data import calendar, daytypes
from litecast.data.windows import prepare, to_raw
from litecast.errors import LitecastError
from litecast.modelfile import Card, Loaded

COUNT = 20
GAPS = 0.04  # share of values that are taken out of every second window, beside a run of them
RUN = 5


def vectors(loaded: Loaded, bands: dict, seed: int = 0) -> dict:
    """{"source", "windows": [{"series", "times", "values", "forecast", "low_80", "high_80", ...}]}, JSON-able.

    One series a window: values (history,) raw, null = missing, times of each row (null where no calendar is read),
    forecast (H,) raw. Half of them have gaps, half hold a day that is not ordinary, if there are any. source: whether
    the values are those of the dataset, or made up where it cannot be had.
    """
    draw, card = np.random.default_rng(seed), loaded.card
    source, times, values = _history(card, draw)
    windows = []
    for number, end in enumerate(_ends(card, times, len(values), draw)):
        rows, series = values[end - card.history : end].copy(), int(draw.integers(values.shape[1]))
        if number % 2:
            rows[draw.random(rows.shape) < GAPS] = np.nan
            start = int(draw.integers(card.L, card.history - RUN + 1))
            rows[start : start + RUN, series] = np.nan
        own = None if times is None else times[end - card.history : end]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of years without holidays: the forms warn too
            y = loaded.forecast(rows, own)[:, series]
        windows.append({"series": card.series[series], "times": _texts(own), "values": _numbers(rows[:, series]),
                        "forecast": y.tolist()} | _edges(card, bands, y, series))  # fmt: skip
    return {"source": source, "windows": windows}


def _edges(card: Card, bands: dict, y: np.ndarray, series: int) -> dict[str, list]:
    """low and high (H,) of each level: the forecast -/+ radius in transformed units."""
    log, found = card.transform == "log", {}
    own = np.log(y) if log else y
    for level, radius in bands.items():
        radius = np.asarray(radius)[:, series if len(radius[0]) > 1 else 0] * card.std[series]
        for side, edge in ((f"low_{level}", own - radius), (f"high_{level}", own + radius)):
            found[side] = (np.exp(edge) if log else edge).tolist()
    return found


def _history(card: Card, draw) -> tuple[str, pd.DatetimeIndex | None, np.ndarray]:
    """Where from, times (T,) and raw values (T, C) of the card's series."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = data.load(card.dataset)
        prepared = prepare(frame, card.L, card.H)
        places = [prepared.names.index(name) for name in card.series]
        if prepared.header.frequency == card.frequency and len(prepared.y) > card.history + COUNT:
            values = to_raw(prepared.y[:, places], 0.0, 1.0, prepared.header.transform)
            return "of the dataset", None if card.frequency == "step" else prepared.times, values
    except (LitecastError, ValueError, OSError):
        pass  # a file may be deployed where its data is not
    steps = 4 * card.history
    times = None if card.frequency == "step" else _times(card, steps)
    scaled = np.sin(2 * np.pi * np.arange(steps)[:, None] / max(card.season, 2)) + 0.3 * draw.normal(
        size=(steps, len(card.series)))  # fmt: skip
    return "made up from the card", times, to_raw(scaled, card.mean, card.std, card.transform)


def _times(card: Card, steps: int) -> pd.DatetimeIndex:
    """A quarter of them after a holiday from the middle of those in the file."""
    days, frequency = calendar.unpacked(card.holidays), {"W": "7D", "trading-day": "B"}.get(card.frequency)
    frequency, day = frequency or card.frequency, days[len(days) // 2] if len(days) else pd.Timestamp("2025-01-01")
    before = pd.date_range(end=day, periods=3 * steps // 4, freq=frequency)
    return pd.date_range(before[0], periods=steps, freq=frequency)


def _ends(card: Card, times, count: int, draw) -> np.ndarray:
    """Rows (COUNT,) that windows end before, half of them with a special day in the last L + H steps, if possible."""
    ends = np.arange(card.history, count + 1)
    chosen = draw.choice(ends, COUNT)
    if times is not None and card.holidays:
        ordinary = len(daytypes.weekdays(card.frequency)) * daytypes.steps(card.frequency)  # cells beyond are special
        seen = np.append(0, np.cumsum(card.cells(times) >= ordinary))
        special = ends[seen[ends] > seen[ends - card.L]]
        chosen[: COUNT // 2] = draw.choice(special if len(special) else ends, COUNT // 2)
    return chosen


def _texts(times) -> list[str] | None:
    return None if times is None else times.strftime("%Y-%m-%dT%H:%M").tolist()


def _numbers(values: np.ndarray) -> list:
    return [None if np.isnan(value) else float(value) for value in values]
