"""Embedded synthetic data, so that everything runs without network: a seeded street, stock market and warehouses.

The numbers are made up and never carry a real name. They are whole numbers, so that platforms whose exp() differs in
the last bit still agree on every value.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import DataError

DATASETS = ("sample-traffic", "sample-stocks", "sample-warehouse")
KIND = {"sample-traffic": "traffic", "sample-stocks": "stocks", "sample-warehouse": "traffic"}  # its notebook
SEED = 20240201

# Dates are written out, not computed: a new holiday table must not change the data (10 April is an election day).
TRAFFIC_START, TRAFFIC_DAYS = "2024-02-01", 120
TRAFFIC_HOLIDAYS = ("2024-02-09", "2024-02-10", "2024-02-11", "2024-02-12", "2024-03-01", "2024-04-10", "2024-05-05",
                    "2024-05-06", "2024-05-15")  # fmt: skip
SITES = {"시청 Inner": (1900, 0.6), "강변 Express": (4200, 0.35), "교외 Suburb": (900, 1.0), "시장 Market": (520, 0.15)}
STOCKS = ("AURORA", "BOREAL", "CIRRUS", "DELTA", "EMBER")  # no such companies
STOCK_START, STOCK_DAYS = "2021-01-04", 700

WAREHOUSE_START, WAREHOUSE_DAYS = "2023-01-02", 730
WAREHOUSES = {"인천 Harbour": 1.6, "평택 Plain": 1.2, "이천 Hills": 1.0, "칠곡 Valley": 0.7, "양산 South": 0.5}
DESTINATIONS = 12
LATE_STARTERS = {7: 21, 22: 45, 38: 190, 53: 400}  # lane: first day; the last two start too late to be kept
WAREHOUSE_HOLIDAYS = (
    "2023-01-21", "2023-01-22", "2023-01-23", "2023-01-24", "2023-03-01", "2023-05-05", "2023-05-27", "2023-05-29",
    "2023-06-06", "2023-08-15", "2023-09-28", "2023-09-29", "2023-09-30", "2023-10-03", "2023-10-09", "2023-12-25",
    "2024-01-01", "2024-02-09", "2024-02-10", "2024-02-11", "2024-02-12", "2024-03-01", "2024-04-10", "2024-05-05",
    "2024-05-06", "2024-05-15", "2024-06-06", "2024-08-15", "2024-09-16", "2024-09-17", "2024-09-18", "2024-10-03",
    "2024-10-09", "2024-12-25")  # fmt: skip
HARVEST_MOON = ("2023-09-29", "2024-09-17", "2023-01-22", "2024-02-10")  # orders grow in the fortnight before


def locate(name: str) -> dict:
    """{"sha256"}: of this file, since the generator is the data. Raises DataError for a name that is not a sample."""
    if name not in DATASETS:
        raise DataError(f"'{name}' is no sample; there are {', '.join(DATASETS)}")
    return {"sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}


def load(name: str, entry: dict | None = None):
    """SeriesFrame of a sample; the same values on every call and machine."""
    sha256 = locate(name)["sha256"]
    return {"sample-traffic": _traffic, "sample-stocks": _stocks, "sample-warehouse": _warehouse}[name](sha256)


def _header(name: str, sha256: str, **fields):
    from .frame import Header

    common = {"source": "litecast, seeded generator (synthetic)", "licence": "as litecast", "country": "KR"}
    return Header(name=name, sha256=sha256, **common, **fields)


def _traffic(sha256: str):
    """Hourly vehicles at 4 sites over 120 days: rush hours, weekends, holidays, incidents, gaps."""
    import numpy as np
    import pandas as pd

    from .frame import from_wide

    rng = np.random.default_rng([SEED, 1])
    times = pd.date_range(TRAFFIC_START, periods=24 * TRAFFIC_DAYS, freq="h")
    level, commuting = (np.array(column) for column in zip(*SITES.values(), strict=True))
    free = (times.day_of_week >= 5) | times.normalize().isin(pd.DatetimeIndex(TRAFFIC_HOLIDAYS))
    shape = np.where(free[:, None], 0.78 * _leisure_day(times.hour), _working_day(times.hour, commuting))
    weather = np.repeat(_persistent(rng, TRAFFIC_DAYS, 1, 0.7, 0.05), 24, axis=0)  # one bad day slows every site
    noise = _persistent(rng, len(times), len(level), 0.8, 0.05) + rng.normal(0, 0.03, shape.shape)
    volume = level * shape * np.exp(weather + noise)  # multiplicative: noise grows with the level
    _close_lanes(rng, volume, often=10)
    values = np.round(volume)
    _lose(rng, values, often=7)
    header = _header("sample-traffic", sha256, unit="vehicles/h", frequency="h", season=168, L=168, H=24, split="weeks",
                     kind="traffic", note="Synthetic. Empty hours are gaps; a zero would be a zero.")  # fmt: skip
    return from_wide(header, pd.DataFrame(values, index=times, columns=list(SITES)))


def _working_day(hour, commuting):
    """Shape (T, C) of a working day, about 1 at noon: two rush hours, higher where more people commute."""
    import numpy as np

    hour = np.asarray(hour)[:, None]
    rush = np.exp(-((hour - 8) ** 2) / 4.0) + 1.1 * np.exp(-((hour - 18) ** 2) / 6.0)
    return 0.12 + 0.85 * np.exp(-((hour - 14) ** 2) / 50.0) + 0.6 * commuting * rush


def _leisure_day(hour):
    """Shape (T, 1) of a weekend day or holiday: one late, broad hump."""
    import numpy as np

    return 0.15 + 0.95 * np.exp(-((np.asarray(hour)[:, None] - 15) ** 2) / 40.0)


def _persistent(rng, T: int, C: int, memory: float, spread: float):  # noqa: N803
    """AR(1) noise (T, C) with a given standard deviation and correlation from step to step."""
    import numpy as np

    noise = rng.normal(0, spread * np.sqrt(1 - memory**2), (T, C))
    for t in range(1, T):
        noise[t] += memory * noise[t - 1]
    return noise


def _close_lanes(rng, volume, often: int) -> None:
    """Incidents, in place: volume falls to 30-60 % for 2 to 5 hours, `often` times per site."""
    for site in range(volume.shape[1]):
        for start in rng.integers(0, len(volume) - 5, often):
            volume[start : start + rng.integers(2, 6), site] *= rng.uniform(0.3, 0.6)


def _lose(rng, values, often: int) -> None:
    """Gaps, in place: 2 to 20 hours without a count, `often` times per site."""
    import numpy as np

    for site in range(values.shape[1]):
        for start in rng.integers(1, len(values) - 21, often):
            values[start : start + rng.integers(2, 21), site] = np.nan


def _stocks(sha256: str):
    """Daily traded shares of 5 stocks over 700 trading days, and their closes: returns with volatility clustering
    (GARCH(1,1), Bollerslev 1986), volumes that rise with volatility."""
    import numpy as np
    import pandas as pd

    from .frame import from_wide

    rng = np.random.default_rng([SEED, 2])
    T, C = STOCK_DAYS, len(STOCKS)
    returns, sigma = _garch(rng, T, C)
    times = pd.bdate_range(STOCK_START, periods=T)
    weekday = np.array([-0.06, 0.0, 0.03, 0.03, 0.0])[times.day_of_week, None]
    mood = _persistent(rng, T, 1, 0.95, 0.30) + _persistent(rng, T, C, 0.9, 0.20)
    volume = rng.uniform(12, 15, C) + mood + weekday + 0.9 * np.log(sigma / sigma.mean(0)) + 8 * np.abs(returns)
    volume += rng.normal(0, 0.2, (T, C))
    close = rng.uniform(9.5, 12, C) + np.cumsum(returns, axis=0)
    wide = {k: pd.DataFrame(np.round(np.exp(v)), times, list(STOCKS)) for k, v in (("v", volume), ("c", close))}
    wide["v"] = wide["v"].mask(rng.random((T, C)) < 0.004)  # a halt here and there
    header = _header("sample-stocks", sha256, unit="shares", frequency="trading-day", season=1, L=60, H=5,
                     transform="log", kind="stocks",
                     note="Synthetic. Values are traded shares; close (KRW) is only observed.")  # fmt: skip
    return from_wide(header, wide["v"], {"close": wide["c"]})


def _garch(rng, T: int, C: int):  # noqa: N803
    """Daily log returns and their standard deviations, both (T, C); about 1.8 % a day, correlated through a market."""
    import numpy as np

    shocks = 0.6 * rng.standard_normal((T, 1)) + 0.8 * rng.standard_normal((T, C))
    variance, returns = np.empty((T, C)), np.empty((T, C))
    variance[0] = 0.018**2
    returns[0] = 0.018 * shocks[0]
    for t in range(1, T):
        variance[t] = 0.03 * 0.018**2 + 0.10 * returns[t - 1] ** 2 + 0.87 * variance[t - 1]
        returns[t] = np.sqrt(variance[t]) * shocks[t]
    return returns, np.sqrt(variance)


def _warehouse(sha256: str):
    """Pallets that leave 5 warehouses for 12 destinations, daily over 2 years: a weekly cycle, closed on Sundays and
    holidays, rushes before the great ones, lanes with an order now and then only, and lanes that open late."""
    import numpy as np
    import pandas as pd

    from .frame import from_wide

    rng = np.random.default_rng([SEED, 3])
    times = pd.date_range(WAREHOUSE_START, periods=WAREHOUSE_DAYS, freq="D")
    lanes = [f"{house} → D{n:02}" for house in WAREHOUSES for n in range(1, DESTINATIONS + 1)]
    size = np.outer(list(WAREHOUSES.values()), 45 * 0.72 ** np.arange(DESTINATIONS)).ravel()
    size *= np.exp(rng.normal(0, 0.35, len(lanes)))
    shape = np.array([1.25, 1.05, 1.0, 1.0, 1.15, 0.5, 0.0])[times.day_of_week]
    shape = np.where(times.isin(pd.DatetimeIndex(WAREHOUSE_HOLIDAYS)), 0.0, shape) * _rush(times)
    year = 1 + 0.12 * np.sin(2 * np.pi * (times.day_of_year.to_numpy() - 80) / 365.25)
    mood = _persistent(rng, len(times), len(lanes), 0.7, 0.15) + _persistent(rng, len(times), 1, 0.9, 0.08)
    pallets = size * (shape * year)[:, None] * np.exp(mood + rng.normal(0, 0.12, mood.shape))
    often = np.clip(size / 12, 0.15, 1.0)  # share of days with an order; small lanes save theirs up
    ordered = rng.random(mood.shape) < often
    values = np.where(ordered, np.maximum(np.round(pallets / often), pallets > 0), 0.0)
    for lane, first in LATE_STARTERS.items():
        values[:first, lane] = np.nan
    _lose(rng, values, often=1)
    header = _header("sample-warehouse", sha256, unit="pallets/day", frequency="D", season=7, L=56, H=14,
                     kind="traffic",
                     note="Synthetic. Pallets sent from a warehouse to a destination. Zero is a zero: closed, or no "
                          "order. Empty before a lane opened, and where the books have a gap.")  # fmt: skip
    return from_wide(header, pd.DataFrame(values, index=times, columns=lanes))


def _rush(times):
    """Factor (T,) by which orders grow in the fortnight before the great holidays, at most 1.35."""
    import numpy as np
    import pandas as pd

    ahead = [(pd.Timestamp(day) - times).days.to_numpy() for day in HARVEST_MOON]
    return 1 + sum(0.35 * np.exp(-((d - 6) ** 2) / 18.0) * (d > 0) for d in ahead)
