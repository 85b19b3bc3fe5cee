"""From a series frame to windows: clean, split, scale and cut, so that nothing later reaches anything earlier."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import DataError
from . import calendar, daytypes
from .frame import Header, SeriesFrame

PARTS = ("train", "val", "test")
MISSING_TRAIN, MISSING_ALL = 0.10, 0.20  # a series with a larger missing share is dropped
JUDGED = 1000  # series at most that forecasts of one dataset are judged on
STILL = 1e-9  # of the size of the values: what changes by less from season to season does not move
EVERY = 4  # under "weeks" one block in so many is validation
_DAYS = {"15min": 96, "30min": 48, "h": 24, "D": 1}  # steps of one day
WEEKS = {"15min": 672, "30min": 336, "h": 168, "D": 7, "W": 1, "MS": 1, "trading-day": 5, "step": 1}  # steps of one


@dataclass
class Dataset:
    """All that models and measurements need of one dataset (made by `prepare`)."""

    header: Header
    times: pd.DatetimeIndex | np.ndarray  # (T,)
    names: list[str]  # C
    y: np.ndarray  # (T, C) float64, transformed units, NaN = missing: targets
    x: np.ndarray  # (T, C) float32, scaled, gaps filled causally: inputs
    z: np.ndarray  # (T, F) float32, known ahead
    mean: np.ndarray  # (C,) float64, transformed units, of unmasked train steps
    std: np.ndarray  # (C,)
    parts: dict[str, np.ndarray]  # part -> (T,) bool: which steps are its targets
    dropped: list[tuple[str, str]]  # (series, reason)
    filled: dict[str, int]  # series -> number of filled input steps
    observed: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))  # (T, W) float32, scaled, filled
    observed_names: list[str] = field(default_factory=list)  # W: known only once it has happened, as the weather
    cells: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (T,) of the usual week, see daytypes
    exact: np.ndarray | None = None  # (C,) std before it was made short
    numbers: np.ndarray | None = None  # (C,) of a part: which series of the whole these are, as networks count them

    @property
    def published(self) -> np.ndarray:
        """The std (C,) that scaled errors of published tables are in units of."""
        return self.std if self.exact is None else self.exact

    @property
    def C(self) -> int:  # noqa: N802 (the letters of the design)
        return self.y.shape[1]

    @property
    def F(self) -> int:  # noqa: N802
        return self.z.shape[1]

    @property
    def L(self) -> int:  # noqa: N802
        return self.header.L

    @property
    def H(self) -> int:  # noqa: N802
        return self.header.H

    @property
    def sample(self) -> np.ndarray:
        """Numbers (K,), ascending, of the series that forecasts are judged on: all or, of more than JUDGED, as many. In
        a market all are: what forecasts one series looks at every other."""
        return self.spread(self.C if self.header.market else JUDGED)

    @cached_property
    def judged(self) -> Dataset:
        """The series of `sample` by themselves; the dataset itself where these are all."""
        return self if len(self.sample) == self.C else self.part(self.sample)

    def spread(self, most: int) -> np.ndarray:
        """Numbers (K,), ascending, of at most so many series, evenly spread over their mean values and, among series of
        about the same, over how much they move (systematic sampling: Cochran 1977, ch. 8). Errors are relative to the
        few that are large: of as many drawn by chance they differ three times as much from those of all."""
        count = min(most, self.C)
        stratum = np.argsort(np.argsort(self.mean, kind="stable")) * math.isqrt(count) // self.C
        with np.errstate(divide="ignore"):
            moves = np.abs(self.std / self.mean)
        order = np.lexsort([np.where(stratum % 2, -moves, moves), stratum])
        return np.sort(order[((np.arange(count) + 0.5) * self.C / count).astype(int)])

    def part(self, series: slice | np.ndarray) -> Dataset:
        """Some series, with their scaler as it is."""
        names = np.asarray(self.names, object)[series].tolist()
        numbers = np.arange(self.C) if self.numbers is None else self.numbers
        return replace(self, names=names, y=self.y[:, series], x=self.x[:, series], mean=self.mean[series],
                       std=self.std[series], exact=None if self.exact is None else self.exact[series],
                       filled={name: self.filled.get(name, 0) for name in names}, numbers=numbers[series])  # fmt: skip

    def origins(self, part: str) -> np.ndarray:
        """First target steps t (N,), int64, of all windows of a part, stride 1.

        Inputs are the steps t-L … t-1, targets t … t+H-1, all targets inside the part. Inputs may hold what lies in
        another part, as they may on any device: only targets keep the parts apart.
        """
        t = np.arange(self.L, len(self.y) - self.H + 1, dtype=np.int64)
        return t[_count(self.parts[part], t, self.H) == self.H]

    def targets(self, origins: np.ndarray) -> np.ndarray:
        """Targets (N, H, C), float64, transformed units, NaN where missing: never filled."""
        views = np.lib.stride_tricks.sliding_window_view(self.y, self.H, axis=0)  # (T-H+1, C, H), no copy
        return views[np.asarray(origins)].transpose(0, 2, 1)

    def seen(self, origins: np.ndarray) -> np.ndarray:
        """How many targets of each window were observed, (N, C), without gathering them."""
        count = np.pad(np.cumsum(np.isfinite(self.y), axis=0, dtype=np.int32), ((1, 0), (0, 0)))  # before each step
        return count[origins + self.H] - count[origins]

    def truth(self, origins: np.ndarray) -> np.ndarray:
        """The same targets in the source's own unit."""
        return self.raw(self.scale(self.targets(origins)))

    def scale(self, y: np.ndarray) -> np.ndarray:
        """Transformed units -> scaled units, (..., C)."""
        return (y - self.mean) / self.std

    def unscale(self, v: np.ndarray) -> np.ndarray:
        """Scaled units -> transformed units, (..., C)."""
        return v * self.std + self.mean

    def raw(self, v: np.ndarray) -> np.ndarray:
        """Scaled units -> the source's own unit, (..., C) float64: scaling and logarithm undone."""
        return to_raw(v, self.mean, self.std, self.header.transform)

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """The source's own unit -> scaled units, (..., C) float64; what has no logarithm becomes NaN."""
        return to_scaled(raw, self.mean, self.std, self.header.transform)


def to_raw(v: np.ndarray, mean: np.ndarray, std: np.ndarray, transform: str) -> np.ndarray:
    """Scaled units -> raw unit, (..., C), by a scaler (C,) of transformed units."""
    own = v * np.asarray(std) + mean
    return np.exp(own) if transform == "log" else own


def to_scaled(raw: np.ndarray, mean: np.ndarray, std: np.ndarray, transform: str) -> np.ndarray:
    """Raw unit -> scaled units, (..., C), float64; NaN where a value is missing or has no logarithm."""
    own = np.asarray(raw, np.float64)
    if transform == "log":
        own = np.log(own, out=np.full_like(own, np.nan), where=own > 0)
    return (own - mean) / std


def prepare(frame: SeriesFrame, L: int | None = None, H: int | None = None) -> Dataset:  # noqa: N803
    """Dataset of a checked frame; L and H (steps) replace the header's.

    Order: transform, drop series with too many gaps, cut to the span common to the rest, split, fit the scaler on
    train, fill inputs causally. Raises DataError when no series is left, a part has no window, or no error of it would
    mean anything (`_check_moves`).
    """
    header = replace(frame.header, L=int(L or frame.header.L), H=int(H or frame.header.H))
    wide, header = transform(frame.wide(), header)
    wide, dropped = usable(wide, header)
    y = wide.to_numpy(np.float64)
    parts = split(len(y), header.split, header.frequency, header.H)
    fitted = scaler(y, parts["train"])
    mean, std = short(*fitted)
    x, counts = _inputs(y, header, mean, std)
    times = wide.index if header.frequency != "step" else wide.index.to_numpy()
    z = calendar.features(times, header.frequency, header.country)
    names = [str(name) for name in wide.columns]
    counts = dict(zip(names, counts.tolist(), strict=True))
    data = Dataset(header, times, names, y, x, z, mean, std, parts, dropped, counts,
                   *_observed(frame, wide.index, parts["train"]),
                   daytypes.cells(times, header.frequency, header.country,
                                  calendar.free(times, header.frequency, header.country)), fitted[1])
    _check_windows(data)
    _check_moves(data)
    return data


def only(data: Dataset, series: list[int], share: float = 1.0) -> Dataset:
    """Some series (their numbers) of a dataset by themselves, trained on the latest `share` of the train windows alone.

    The scaler is fitted to the targets of these windows; validation and test stay. At least one window is left. Raises
    DataError where a series has no observed value in them.
    """
    origins, y, names = data.origins("train"), data.y[:, series], [data.names[number] for number in series]
    first = origins[-max(1, round(share * len(origins)))] if share < 1 else 0
    train = data.parts["train"] & (np.arange(len(y)) >= first)
    if (unseen := np.isnan(y[train]).all(axis=0)).any():
        raise DataError(f"{data.header.name}: {names[int(unseen.argmax())]} has no value in the latest {share:.0%} of "
                        "the train windows; give a larger share, or another series")
    fitted = scaler(y, train)
    mean, std = short(*fitted)
    x, counts = _inputs(y, data.header, mean, std)
    return replace(data, names=names, y=y, x=x, mean=mean, std=std, exact=fitted[1], numbers=None,
                   parts=data.parts | {"train": train}, filled=dict(zip(names, counts.tolist(), strict=True)))


def _inputs(y: np.ndarray, header: Header, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scaled inputs (T, C), gaps filled causally, and how many of each series were.

    What has no past near is the mean.
    """
    filled, counts = fill(y, header.season, header.L)
    return np.nan_to_num((filled - mean) / std, nan=0.0).astype(np.float32), counts


def transform(wide: pd.DataFrame, header: Header) -> tuple[pd.DataFrame, Header]:
    """Wide table (T, C) in the units that models work on; what has no logarithm becomes missing, said in the note."""
    if header.transform != "log":
        return wide, header
    unusable = int((wide <= 0).sum().sum())
    if unusable:
        header = replace(header, note=f"{header.note} {unusable} values <= 0 have no logarithm: missing.".strip())
    return np.log(wide.where(wide > 0)), header


def split(T: int, kind: str, frequency: str, H: int) -> dict[str, np.ndarray]:  # noqa: N803
    """part -> (T,) bool, which steps are targets of train, val and test.

    chronological  70/10/20: train int(.7T), test int(.2T), the rest validation
    ett            12/4/4 months of 30 days (Zhou et al. 2021, Informer); what comes later is unused
    weeks          test = last int(.2T); of the whole span before it every fourth week is validation, counted back from
                   the test; blocks last max(one week, 2H in whole weeks), so that each holds windows
    Raises DataError for an unknown kind, or a series that is too short for it.
    """
    if kind == "chronological":
        borders = (0, int(0.7 * T), T - int(0.2 * T), T)
    elif kind == "ett":
        borders = _ett_borders(T, frequency)
    elif kind == "weeks":
        return _weeks(T, frequency, H)
    else:
        raise DataError(f"split '{kind}' is not one of chronological, ett, weeks")
    steps = np.arange(T)
    return {part: (steps >= a) & (steps < b) for part, a, b in zip(PARTS, borders, borders[1:], strict=False)}


def _ett_borders(T: int, frequency: str) -> tuple[int, ...]:  # noqa: N803
    if frequency not in _DAYS:
        raise DataError(f"split 'ett' counts in days of {', '.join(_DAYS)}, not '{frequency}'; use chronological")
    month = 30 * _DAYS[frequency]
    if T < 20 * month:
        raise DataError(f"split 'ett' needs 20 months of 30 days = {20 * month} steps, not {T}; use chronological")
    return 0, 12 * month, 16 * month, 20 * month


def _weeks(T: int, frequency: str, H: int) -> dict[str, np.ndarray]:  # noqa: N803
    week = WEEKS[frequency]
    block, before = week * max(1, -(-2 * H // week)), T - int(0.2 * T)
    if before < EVERY * block:
        raise DataError(f"split 'weeks' needs {EVERY} blocks of {block} steps before the test part, which begins at "
                        f"step {before} of {T}; use chronological")
    steps = np.arange(T)
    number = (before - 1 - steps) // block  # blocks counted back from the test; negative inside it
    val = (steps < before) & (number % EVERY == 0) & (before >= (number + 1) * block)  # whole blocks only
    test = steps >= before
    return {"train": ~val & ~test, "val": val, "test": test}


def scaler(y: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (C,), float64, over the unmasked train steps of y (T, C).

    A series that never moves in train gets 1, so that scaling stays finite. Source: StandardScaler of the published
    benchmarks (population variance).
    """
    mean, std = np.nanmean(y[train], axis=0), np.nanstd(y[train], axis=0)
    return mean, np.where(std > 1e-9 * np.maximum(np.abs(mean), 1e-3), std, 1.0)


NARROW = 2**16  # a std is the upper half of a float32
PART = 16  # a mean is a whole number of sixteenths of its std


def short(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest scaler (C,) that a model file holds in three bytes a series: std to 0.4 %, mean to std / 32.

    It is another unit, no error: models are trained and measured in it. Scaled errors of published tables are in
    that of `scaler` still (`Dataset.published`).
    """
    words = np.asarray(std, "<f4").view(np.uint32).astype(np.int64) + NARROW // 2 - 1
    near = (np.clip(words, NARROW, None) // NARROW * NARROW).astype(np.uint32).view(np.float32).astype(np.float64)
    return np.rint(mean / near * PART) * near / PART, near


def fill(values: np.ndarray, season: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Filled copy (T, C), float64, and counts (C,): a gap takes an observed value of at most `reach` steps before it.

    First choice is the latest that lies a whole number of seasons back, else the last of all; where there is neither
    it stays NaN. Only observed values are taken, so row t depends on the rows t - reach … t and on no other.
    """
    filled, seen, steps = np.array(values, np.float64), ~np.isnan(values), np.arange(len(values))[:, None]
    for stride in (season, 1):
        if stride <= reach and not seen.all():
            last = _last(seen, stride)
            near = np.isnan(filled) & (last >= 0) & (steps - last <= reach)
            np.copyto(filled, np.take_along_axis(values, np.maximum(last, 0), 0), where=near)
    return filled, (~np.isnan(filled) & ~seen).sum(axis=0)


def _last(seen: np.ndarray, stride: int) -> np.ndarray:
    """Last step (T, C) up to each one, a multiple of `stride` before it, that was seen; -1 where none was."""
    last = np.where(seen, np.arange(len(seen))[:, None], -1)
    padded = np.pad(last, ((0, -len(last) % stride), (0, 0)), constant_values=-1)
    phases = padded.reshape(-1, stride, seen.shape[1])
    return np.maximum.accumulate(phases, axis=0).reshape(padded.shape)[: len(last)]


def _observed(frame: SeriesFrame, index: pd.Index, train: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Columns of kind "observed" that all series share: (T, W), scaled and filled as inputs are, and their names.

    What differs from series to series (the close beside a volume) is left out: it belongs to its series. Beside a
    single series nothing differs; there the kind of data tells: what stands beside traffic is its weather.
    """
    alone, shared = frame.header.kind == "traffic", {}
    for name in (name for name, kind in frame.kinds.items() if kind == "observed"):
        wide = frame.wide(name)
        low, high = wide.min(axis=1), wide.max(axis=1)
        if (wide.shape[1] > 1 or alone) and low.equals(high) and low.notna().any():
            shared[name] = low.reindex(index)
    if not shared:
        return np.empty((len(index), 0), np.float32), []
    values = np.column_stack(list(shared.values())).astype(np.float64)
    mean, std = scaler(values, train)
    filled, _ = fill(values, 1, len(values))  # weather goes on as it was; what a week ago was says nothing
    return np.nan_to_num((filled - mean) / std, nan=0.0).astype(np.float32), list(shared)


def usable(wide: pd.DataFrame, header: Header) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Series with few gaps, on the span common to all of them, and why the others were dropped.

    Series that miss much of the whole grid go first, so that one short series cannot cut down all others. Raises
    DataError if none is left.
    """
    dropped: list[tuple[str, str]] = []
    kept = _without(wide, _reasons(wide, np.zeros(len(wide), bool)), dropped)
    while True:
        if kept.empty:
            listed = "; ".join(f"{name}: {reason}" for name, reason in dropped[:5])
            raise DataError(f"{header.name}: no series is left. {listed}")
        span = _common_span(kept, header)
        train = split(len(span), header.split, header.frequency, header.H)["train"]
        fewer = _without(span, _reasons(span, train), dropped)
        if len(fewer.columns) == len(span.columns):
            return span, dropped
        kept = kept[fewer.columns]  # the common span of the rest may be longer


def _common_span(wide: pd.DataFrame, header: Header) -> pd.DataFrame:
    starts, ends = ends_of(wide)
    first, last = int(starts.max()), int(ends.min())
    if first >= last:
        begin, end = wide.index[[first, last]]
        raise DataError(f"{header.name}: the series have no time in common: one starts at {begin}, one ends at {end}")
    return wide.iloc[first : last + 1]


def ends_of(wide: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Steps (C,) of the first and the last value of each series of a wide table (T, C), none of which is empty."""
    seen = wide.notna().to_numpy()
    return seen.argmax(axis=0), len(seen) - 1 - seen[::-1].argmax(axis=0)


def _reasons(wide: pd.DataFrame, train: np.ndarray) -> dict[str, str]:
    missing = wide.isna().to_numpy()
    everywhere = missing.mean(axis=0)
    in_train = missing[train].mean(axis=0) if train.any() else np.zeros(len(everywhere))
    reasons = {}
    for name, a, b in zip(wide.columns, everywhere, in_train, strict=True):
        if a > MISSING_ALL:
            reasons[name] = f"{a:.1%} missing in all, allowed {MISSING_ALL:.0%}"
        elif b > MISSING_TRAIN:
            reasons[name] = f"{b:.1%} missing in train, allowed {MISSING_TRAIN:.0%}"
    return reasons


def _without(wide: pd.DataFrame, reasons: dict[str, str], dropped: list) -> pd.DataFrame:
    dropped.extend((str(name), reason) for name, reason in reasons.items())
    return wide.drop(columns=list(reasons))


def _count(mask: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
    """How many steps of a mask (T,) lie in [start, start + length), for many starts at once."""
    total = np.concatenate([[0], np.cumsum(mask)])
    return total[start + length] - total[start]


def _check_windows(data: Dataset) -> None:
    for part in PARTS:
        if not len(data.origins(part)):
            raise DataError(f"{data.header.name}: no window of look-back {data.L} + horizon {data.H} fits into the "
                            f"{part} part ({int(data.parts[part].sum())} of {len(data.y)} steps); give longer data, or "
                            "smaller L and H")


def _check_moves(data: Dataset) -> None:
    """Raise DataError where relative errors mean nothing: all targets of a part are missing or zero, or the value one
    season before is always right. A series that is zero or constant beside others that move is none of these."""
    season, raw = data.header.season, data.raw(data.scale(data.y))
    for part in PARTS:
        steps = np.flatnonzero(data.parts[part])
        size, later = np.nansum(np.abs(raw[steps]), axis=0), steps[steps >= season]
        change = np.abs(raw[later] - raw[later - season])
        what = ""
        if np.isnan(raw[steps]).all():
            what = "every value of it is missing"
        elif not size.any():
            what = "every value of it is zero, and an error relative to zero means nothing"
        elif np.isfinite(change).any() and (np.nansum(change, axis=0) <= STILL * size).all():
            what = f"nothing moves: every value is the one of {season} step(s) before, which no forecast can better"
        if what:
            raise DataError(f"{data.header.name}: the {part} part ({_stamp(data.times[steps[0]])} to "
                            f"{_stamp(data.times[steps[-1]])}) cannot be judged: {what}; give other or longer data")


def facts(frame: SeriesFrame, data: Dataset) -> dict:
    """What a report says about a dataset, ready for JSON: size, span, gaps, repairs, windows and provenance.

    Missing shares are those of targets on the common span, and (`missing_raw`) of all series before any was dropped.
    """
    header, raw = data.header, transform(frame.wide(), frame.header)[0]
    keys = ("unit", "frequency", "season", "L", "H", "split", "transform", "kind", "country", "source", "licence",
            "sha256", "note")  # fmt: skip
    return {
        "dataset": header.name, "series": data.C, "series_raw": raw.shape[1], "judged": data.judged.C,
        "steps": len(data.y),
        "start": _stamp(data.times[0]), "end": _stamp(data.times[-1]), "missing": float(np.isnan(data.y).mean()),
        "missing_raw": float(raw.isna().to_numpy().mean()), "filled_total": sum(data.filled.values()),
        "filled": data.filled, "dropped": [{"series": name, "reason": reason} for name, reason in data.dropped],
        "windows": {part: len(data.origins(part)) for part in PARTS},
        "part_steps": {part: int(data.parts[part].sum()) for part in PARTS},
        "parts": {part: _shares(data.parts[part]) for part in PARTS},
        **{key: getattr(header, key) for key in keys}}  # fmt: skip


def _stamp(time) -> str:
    """2024-03-01, with the hour only where there is one; an integer step as it is."""
    return str(time).removesuffix(":00").removesuffix(" 00:00") if isinstance(time, pd.Timestamp) else str(time)


def _shares(mask: np.ndarray) -> list[list[float]]:
    """[start, end] of each stretch of a part, as shares of the span."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [[float(a), float(b)] for a, b in (edges / len(mask)).reshape(-1, 2)]
