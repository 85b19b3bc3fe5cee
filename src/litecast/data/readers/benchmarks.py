"""Sets that forecasting papers share, in the units and the split of their tables."""

from __future__ import annotations

from pathlib import Path


def etth1(files: list[Path], sha256: str, source: str):
    """Hourly loads and oil temperature of one transformer (Zhou et al. 2021, Informer), split as published."""
    import pandas as pd

    from ..frame import Header, from_wide

    wide = pd.read_csv(files[0], parse_dates=["date"], encoding="utf-8-sig").set_index("date")
    header = Header(
        name="etth1", unit="as given (OT: oil temperature)", frequency="h", season=24, L=336, H=96, split="ett",
        sha256=sha256, source=source, licence="CC BY-ND 4.0: share only unmodified",
        note="Season 24 instead of 168: published tables call the day the season of these loads, and on train the "
             "seasonal naive of a day errs less (MAE 0.46 scaled) than that of a week (0.54).")  # fmt: skip
    return from_wide(header, wide)


def exchange(files: list[Path], sha256: str, source: str):
    """Daily exchange rates of 8 currencies, 1990-2016, without dates: integer steps (Lai et al. 2018, LSTNet)."""
    import pandas as pd

    from ..frame import Header, from_wide

    countries = ["Australia", "UK", "Canada", "Switzerland", "China", "Japan", "New Zealand", "Singapore"]
    wide = pd.read_csv(files[0], names=countries, encoding="utf-8-sig", compression="gzip")
    header = Header(
        name="exchange", unit="rate as given", frequency="step", season=1, L=336, H=96, sha256=sha256,
        source=source, licence="none stated in the repository",
        note="Trading days without dates: times are row numbers, there is no calendar input.")  # fmt: skip
    return from_wide(header, wide)
