"""What ridge and boosting see of a window: the numbers that a practitioner would hand to a regression."""

from dataclasses import dataclass, field

import numpy as np

from litecast.data import daytypes, usual
from litecast.data.frame import day
from litecast.models.base import FLOOR, LOOKS

LAST, DAYS, SEASONS = 3, 3, 4  # last values; same hour of earlier days; same phase of earlier seasons
LONG = 250  # steps of the long mean that a market is held against: a year of trade
WEATHER_SPAN = (1, 6, 24)  # steps before the origin that lagged weather is averaged over


@dataclass(frozen=True)
class Spec:
    """How a window becomes numbers; plain values and one array, so that a file can hold it.

    weather: '' none, 'weather' at and before origin-1, 'oracle' at the target steps too, which nobody can know.
    usual: the usual week (C, types, steps), float16, scaled units; None where none is read (ridge). market: are the
    mean of all series and a long mean read? That is where a season says nothing.
    """

    L: int
    H: int
    day: int
    season: int
    anchor: str
    frequency: str
    weather: str = ""
    market: bool = False
    usual: np.ndarray | None = field(default=None, compare=False)

    @classmethod
    def of(cls, data) -> "Spec":
        """That of ridge: a window and the calendar."""
        h = data.header
        return cls(data.L, data.H, day(h.frequency), h.season, "last" if h.season == 1 else "mean", h.frequency)

    @classmethod
    def wide(cls, data, weather: str = "") -> "Spec":
        """That of boosting: lags beyond the window, and the usual week."""
        plain = cls.of(data)
        return cls(**vars(plain) | {"weather": weather, "market": data.header.market,
                                    "usual": usual.table(data).astype(np.float16)})

    @property
    def seasonal(self) -> bool:
        """Are there lags of whole seasons beside those of days?"""
        return self.season not in (1, self.day)

    @property
    def steps(self) -> int:
        """Of a day."""
        return daytypes.steps(self.frequency)

    @property
    def reach(self) -> int:
        """Rows before the origin that a forecast reads."""
        if self.usual is None:
            return self.L
        lags = [DAYS * self.day, self.season + self.day] + [SEASONS * self.season] * self.seasonal
        return max(self.L, *lags, LONG * self.market)


@dataclass(frozen=True)
class Inputs:
    """What forecasts are made from where there is no dataset: values x (T, C), scaled and filled; calendar z (T+H, F)
    and cells (T+H,); observed (T, W), which only a file that reads the weather looks at."""

    x: np.ndarray
    z: np.ndarray
    cells: np.ndarray
    L: int
    H: int
    observed: np.ndarray | None = None

    @property
    def C(self) -> int:  # noqa: N802 (the letters of the design)
        return self.x.shape[1]


def windows(data, series: np.ndarray, origins: np.ndarray, anchor: str) -> tuple[np.ndarray, ...]:
    """Normalised windows (n, L), their shift and scale (n, 1), as the networks make them (models/base.py)."""
    rows = _gather(data, series[:, None], origins[:, None] + np.arange(-data.L, 0))
    shift = rows.mean(1, keepdims=True) if anchor == "mean" else rows[:, -1:]
    scale = rows.std(1, keepdims=True) + np.float32(FLOOR)
    return (rows - shift) / scale, shift, scale


def calendar(data, spec: Spec, origins: np.ndarray) -> np.ndarray:
    """Known inputs (n, K) of a few steps of the horizon, one of each day at least, the same that networks are given."""
    stride = min(-(-data.H // LOOKS), spec.steps)
    return data.z[origins[:, None] + np.arange(0, data.H, stride)].reshape(len(origins), -1)


def table(data, spec: Spec, series: np.ndarray, origins: np.ndarray, of: np.ndarray, steps: np.ndarray):
    """What boosting sees of n rows, and what it forecasts: features (n, P), base (n,), unit (n,), float32.

    A row is steps[i] steps ahead (1 .. H) of window of[i] of (series, origins). The forecast is base + unit * what is
    learnt; base: the usual value at the level of the window, scaled units. Nothing at or after the origin is read but
    the calendar, except by 'oracle'. Lags are in units of their window (see `windows`) and reach back further than it;
    each stands there twice, as it was and as what was unusual about it. One before the first step counts as 0.
    """
    normal, shift, scale = windows(data, series, origins, spec.anchor)
    level = shift - _usual_shift(data, spec, series, origins)
    once = np.hstack([_recent(data, spec, series, origins, normal, scale), shift, scale, level, series[:, None],
                      _unusual(data, spec, series, origins, level) / scale,
                      *_market(data, spec, series, origins, shift, scale),
                      *_past_sky(data, spec, origins)]).astype(np.float32)  # fmt: skip
    mine, target, unit, above = series[of], origins[of] + steps - 1, scale[of], level[of]
    lags = _lags(spec, origins[of], target, steps)
    at, base = np.stack(lags, 1), _usual(data, spec, mine, target) + above[:, 0]
    values = _gather(data, mine[:, None], at)
    same = (values - shift[of]) / unit
    odd = (values - _usual(data, spec, mine[:, None], np.maximum(at, 0)) - above) / unit
    known = [steps, *_phases(spec, data.cells[target])]
    if data.z.shape[1]:  # whether the steps compared with were holidays (or weekends) themselves
        known += [data.z[np.maximum(lags[j], 0), -1] for j in ((0, DAYS) if spec.seasonal else (0,))]
    whole = slice(DAYS, DAYS + SEASONS) if spec.seasonal else slice(None)
    future = [data.observed[target]] if spec.weather == "oracle" else []
    usual_here = (base[:, None] - shift[of]) / unit
    rows = np.hstack([once[of], same, _mean(same[:, whole]), odd, _mean(odd[:, whole]), usual_here, np.stack(known, 1),
                      data.z[target], *future]).astype(np.float32)  # fmt: skip
    return np.nan_to_num(rows, nan=0.0), base, unit[:, 0]


def _lags(spec: Spec, origins: np.ndarray, target: np.ndarray, steps: np.ndarray) -> list[np.ndarray]:
    """Steps (n,) that a target is compared with: the same of earlier days and seasons, and the neighbours of one."""
    lags = [_back(target, steps, spec.day, j) for j in range(1, DAYS + 1)]
    if spec.seasonal:
        lags += [_back(target, steps, spec.season, j) for j in range(1, SEASONS + 1)]
        lags += [np.minimum(lags[DAYS] + 1, origins - 1), lags[DAYS] - 1]
    return lags


def _phases(spec: Spec, cells: np.ndarray) -> list[np.ndarray]:
    """Kind of day, step of the week and of the day, from the calendar: a file does not know where its data began."""
    kind, week = np.divmod(cells, len(daytypes.weekdays(spec.frequency)) * spec.steps)
    return [kind, week, week % spec.steps]


def _usual(data, spec: Spec, series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Usual values of series at steps, arrays that go together; float32, scaled units."""
    return usual.at(spec.usual.astype(np.float32), data.cells[at], spec.frequency, series)


def _usual_shift(data, spec: Spec, series: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """What the usual values of a window's steps are shifted by, as those of the window are, (n, 1)."""
    span = np.arange(-spec.L, 0) if spec.anchor == "mean" else np.array([-1])
    return _usual(data, spec, series[:, None], origins[:, None] + span).mean(1, keepdims=True)


def _recent(data, spec: Spec, series, origins, normal: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Last values, their means over one and four days, and by how much the last day differs from a season before."""
    parts = [normal[:, -LAST:], *(normal[:, -n:].mean(1, keepdims=True) for n in (spec.day, 4 * spec.day))]
    if spec.season > 1:
        past = origins[:, None] - 1 - np.arange(spec.day)
        gap = (_gather(data, series[:, None], past) - _gather(data, series[:, None], past - spec.season)) / scale
        parts += [gap[:, :n].mean(1, keepdims=True) for n in (1, max(1, spec.day // 4), spec.day)]
    return np.hstack(parts)


def _unusual(data, spec: Spec, series, origins, level: np.ndarray) -> np.ndarray:
    """What was unusual about the last value, and about a quarter of the last day and all of it, on average."""
    past = origins[:, None] - 1 - np.arange(min(spec.day, spec.L))
    odd = _gather(data, series[:, None], past) - _usual(data, spec, series[:, None], past) - level
    return np.hstack([odd[:, :n].mean(1, keepdims=True) for n in (1, max(1, spec.day // 4), spec.day)])


def _market(data, spec: Spec, series, origins, shift: np.ndarray, scale: np.ndarray) -> list[np.ndarray]:
    """Mean over all series of their last values, and how it moved; the series' own mean over LONG steps."""
    if not spec.market:
        return []
    market = data.x[origins[:, None] - 1 - np.arange(spec.L)].mean(2)  # (n, L), the latest first
    ahead = [market[:, :1] - market[:, :n].mean(1, keepdims=True) for n in (spec.day, spec.L)]
    own = _mean(_gather(data, series[:, None], origins[:, None] - 1 - np.arange(LONG)))
    return [(market[:, :1] - shift) / scale, *(move / scale for move in ahead), (own - shift) / scale]


def _past_sky(data, spec: Spec, origins: np.ndarray) -> list[np.ndarray]:
    """Means of the observed columns over the last steps before the origin."""
    if not spec.weather:
        return []
    before = data.observed[np.maximum(origins[:, None] - 1 - np.arange(max(WEATHER_SPAN)), 0)]  # (n, span, W)
    return [before[:, :n].mean(1) for n in WEATHER_SPAN]


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean (n, 1) of what is not NaN; NaN where nothing is."""
    seen = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return (np.where(seen, values, 0).sum(1) / seen.sum(1))[:, None]


def _back(target: np.ndarray, steps: np.ndarray, lag: int, j: int) -> np.ndarray:
    """Steps (n,) at the same phase of a cycle of `lag` steps, the j-th last one before the origin."""
    return target - ((steps - 1) // lag + j) * lag


def _gather(data, series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Scaled, filled values at steps, NaN before the first."""
    return np.where(at >= 0, data.x[np.maximum(at, 0), series], np.float32(np.nan))
