"""The series frame: what every forecast starts from, a long table with a typed header."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:  # the planner reads this module too: pandas only where a table is touched
    import pandas as pd

# frequency: (season, L, H, steps of one natural patch), all in steps.
FREQUENCIES = {
    "15min": (672, 672, 96, 96),
    "30min": (336, 336, 48, 48),
    "h": (168, 168, 24, 24),
    "D": (7, 56, 14, 7),
    "W": (52, 52, 8, 4),
    "MS": (12, 24, 6, 12),
    "trading-day": (1, 60, 5, 5),  # rows are steps: the days between are not missing, they do not exist
    "step": (1, 96, 24, 8),  # no calendar at all: integer times
}
IRREGULAR = ("trading-day", "step")
SPLITS = ("chronological", "ett", "weeks")
TRANSFORMS = ("none", "log")
KINDS = ("known", "observed")


def _defaults(frequency: str) -> tuple[int, int, int, int]:
    if frequency not in FREQUENCIES:
        raise DataError(f"frequency '{frequency}' is not one of {', '.join(FREQUENCIES)}")
    return FREQUENCIES[frequency]


def day(frequency: str) -> int:
    """Steps in one natural patch: a day of hourly data, a week of trading days."""
    return _defaults(frequency)[3]


def default_season(frequency: str) -> int:
    """Steps in one season: a week of hourly or daily data, a year of weeks or months, 1 = none."""
    return _defaults(frequency)[0]


def default_L_H(frequency: str) -> tuple[int, int]:  # noqa: N802 (L and H are the letters of the design)
    """Default look-back L and horizon H, in steps."""
    return _defaults(frequency)[1:3]


@dataclass(frozen=True)
class Header:
    """What a series frame says about itself; season, L and H in steps."""

    name: str
    unit: str
    frequency: str
    season: int
    L: int
    H: int
    split: str = "chronological"
    transform: str = "none"  # what models work on; tables always hold raw values
    country: str | None = None  # whose public holidays, e.g. "KR"
    kind: str = "other"  # traffic | stocks | other
    source: str = ""
    licence: str = ""
    sha256: str = ""
    note: str = ""  # repairs and rules of this source, shown in the notebooks

    @property
    def market(self) -> bool:
        """Do series move together, so that what forecasts one may look at the mean of all?"""
        return self.kind == "stocks" or self.season == 1

    def check(self) -> None:
        """Raise DataError unless every field has a value the suite knows."""
        _defaults(self.frequency)
        for key, allowed in (("split", SPLITS), ("transform", TRANSFORMS)):
            if getattr(self, key) not in allowed:
                raise DataError(f"{self.name}: {key} '{getattr(self, key)}' is not one of {', '.join(allowed)}")
        for key in ("season", "L", "H"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DataError(f"{self.name}: {key} must be a whole number of steps >= 1, not {value!r}")


@dataclass(frozen=True)
class SeriesFrame:
    """Long table with columns `time`, `series`, `value` (float64, raw unit, NaN = missing) and a header.

    Further columns have a kind: "known" ahead of time or only "observed". Times are local standard time
    without a zone, or integer steps when the frequency is "step".
    """

    header: Header
    table: pd.DataFrame
    kinds: dict[str, str] = field(default_factory=dict)

    def check(self) -> SeriesFrame:
        """Return the frame itself, or raise DataError naming dataset, row (from 1, without header) and rule."""
        self.header.check()
        _check_columns(self)
        _check_times(self)
        _check_values(self)
        return self

    def wide(self, column: str = "value") -> pd.DataFrame:
        """Values (or another column), (T, C) float64: index time, a column per series as they first appear, gaps NaN.

        Regular frequencies are put on their full grid; trading days and steps keep the times that occur.
        """
        import numpy as np
        import pandas as pd

        table, frequency = self.table, self.header.frequency
        (step, times), (series, names) = pd.factorize(table["time"], sort=True), pd.factorize(table["series"])
        values = np.full((len(times), len(names)), np.nan)
        values[step, series] = table[column].astype("float64")
        wide = pd.DataFrame(values, pd.Index(times, name="time"), names)
        if frequency not in IRREGULAR:
            step = "7D" if frequency == "W" else frequency  # weeks keep the weekday they start on
            wide = wide.reindex(pd.date_range(wide.index[0], wide.index[-1], freq=step, name="time"))
        wide.columns.name = "series"
        return wide


def from_wide(header: Header, wide: pd.DataFrame, observed: dict[str, pd.DataFrame] | None = None) -> SeriesFrame:
    """Checked frame from a wide table (index time, a column per series); missing values stay as NaN rows.

    `observed` adds columns by name, each a wide table of the same shape.
    """
    table = _long(wide, "value")
    for name, other in (observed or {}).items():
        table[name] = _long(other.reindex(index=wide.index, columns=wide.columns), name)[name]
    return SeriesFrame(header, table, dict.fromkeys(observed or {}, "observed")).check()


def _long(wide: pd.DataFrame, name: str) -> pd.DataFrame:
    wide = wide.rename_axis(index="time", columns="series").reset_index()
    return wide.melt(id_vars="time", var_name="series", value_name=name).astype({"series": str, name: "float64"})


def _check_columns(frame: SeriesFrame) -> None:
    name, columns = frame.header.name, list(frame.table.columns)
    missing = [c for c in ("time", "series", "value") if c not in columns]
    if missing:
        raise DataError(f"{name}: a series frame needs the columns time, series, value; missing: {', '.join(missing)}")
    if frame.table.empty:
        raise DataError(f"{name}: the table has no rows")
    for column in columns:
        if column not in ("time", "series", "value") and frame.kinds.get(column) not in KINDS:
            raise DataError(f"{name}: column '{column}' needs a kind, one of {', '.join(KINDS)}")
    absent = sorted(set(frame.kinds) - set(columns))
    if absent:
        raise DataError(f"{name}: kinds name columns that do not exist: {', '.join(absent)}")


def _check_times(frame: SeriesFrame) -> None:
    from pandas.api import types

    name, table, frequency = frame.header.name, frame.table, frame.header.frequency
    time = table["time"]
    if frequency == "step":
        if not types.is_integer_dtype(time):
            raise DataError(f"{name}: frequency 'step' needs whole numbers as time, not {time.dtype}")
    elif not types.is_datetime64_dtype(time):
        raise DataError(f"{name}: time must be local standard time without a zone, not {time.dtype}")
    _first(frame, time.isna() | table["series"].isna(), "time and series may not be empty")
    _first(frame, _again(table), "one value per time and series")
    if frequency == "MS":
        _first(frame, time != time.dt.to_period("M").dt.to_timestamp(), "monthly times are the first of a month, 00:00")
    elif frequency not in IRREGULAR:
        _first(frame, (time - time.min()) % _step(frequency) != _step("zero"),
               f"times lie on one grid of step '{frequency}' from {time.min()}")


def _again(table: pd.DataFrame) -> pd.Series:
    """Rows (n,) whose time and series stood in one before, neither of them empty."""
    import pandas as pd

    (step, _), (series, names) = pd.factorize(table["time"]), pd.factorize(table["series"])
    return pd.Series(step.astype("int64") * len(names) + series).duplicated()


def _step(frequency: str):
    import pandas as pd

    lengths = {"15min": "15min", "30min": "30min", "h": "1h", "D": "1D", "W": "7D", "zero": "0h"}
    return pd.Timedelta(lengths[frequency])


def _check_values(frame: SeriesFrame) -> None:
    import numpy as np

    name, value = frame.header.name, frame.table["value"]
    if value.dtype != "float64":
        raise DataError(f"{name}: value must be float64, not {value.dtype}")
    _first(frame, np.isinf(value), "values are finite (leave a missing value empty)")
    if value.isna().all():
        raise DataError(f"{name}: every value is missing")


def _first(frame: SeriesFrame, bad, rule: str) -> None:
    """Raise for the first row where `bad`, with what stands there."""
    if bad.any():
        at = int(bad.to_numpy().argmax())
        row = frame.table.iloc[at]
        raise DataError(f"{frame.header.name}, row {at + 1} (time {row['time']}, series {row['series']}, "
                        f"value {row['value']}): {rule}; {int(bad.sum())} such rows")
