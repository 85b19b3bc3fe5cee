"""Bands of point forecasts by split conformal prediction: how far the truth lay from them on validation.

A radius is the ceil((n + 1) level)-th smallest of n absolute errors in scaled units (Papadopoulos et al. 2002; Lei et
al. 2018), one per step ahead: of all series together, and of a series by itself where it has windows enough. A band is
forecast -/+ radius, brought back to the data's own unit, so that it is lopsided where a logarithm is forecast.

It covers what it says where errors on test are exchangeable with those on validation. They are not quite: windows
overlap, the weights were chosen on validation, and time goes on. So `measured` tells what was covered on test.
"""

import numpy as np
import pandas as pd

from litecast.data import panel
from litecast.data.windows import WEEKS

LEVELS = (80, 95)  # per cent; integers, so that ranks are exact


def fewest(level: int) -> int:
    """The smallest number of errors of which a level (per cent) has a quantile: 4 at 80, 19 at 95."""
    return -(-level // (100 - level))


def quantiles(errors: np.ndarray, levels: tuple[int, ...] = LEVELS) -> dict[int, np.ndarray]:
    """Level -> corrected quantile (...) of errors (N, ...), of those along the first axis that are no NaN; inf where
    they are fewer than `fewest`."""
    n = (~np.isnan(errors)).sum(axis=0)
    ordered = np.concatenate([np.sort(errors, axis=0), np.full_like(errors[:1], np.inf)])  # NaN last of the sorted
    ranks = {level: -(-(n + 1) * level // 100) for level in levels}
    places = {level: np.where(rank <= n, rank - 1, len(errors)) for level, rank in ranks.items()}
    return {level: np.take_along_axis(ordered, place[None], axis=0)[0] for level, place in places.items()}


def distances(data, part: str, yhat: np.ndarray) -> np.ndarray:
    """|y - forecast| (N, H, C) of forecasts of a part, scaled units; NaN where the target is missing, inf where there
    is no forecast of it."""
    target = data.scale(data.targets(data.origins(part)))
    return np.where(np.isnan(target), np.nan, np.nan_to_num(np.abs(target - yhat), nan=np.inf, posinf=np.inf))


def radii(errors: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Radii of errors (N, H, C): level (per cent), step (1 .. H), series ("" = all), radius (float32, scaled units).

    A series (names: C) has radii of its own where at least `fewest` of the highest level of its windows do not overlap,
    which is a H-th of those that are observed: at all levels or at none, so that bands lie within each other. What
    errors are too few for is absent. Radii are rounded up: of equal errors, as of demand that is mostly zero, all are
    covered or none.
    """
    N, H, C = errors.shape
    own = (~np.isnan(errors)).sum(axis=0).min(axis=0) // H >= fewest(max(LEVELS))
    own &= C > 1  # one series is all series
    pooled = quantiles(errors.transpose(0, 2, 1).reshape(N * C, H, 1))
    single = quantiles(errors[..., own])
    series = np.array(["", *np.asarray(names, dtype=object)[own]], dtype=object)
    frames = []
    for level in LEVELS:
        both = np.concatenate([pooled[level], single[level]], axis=1)  # (H, 1 + own series)
        frames.append(pd.DataFrame({"level": level, "step": np.repeat(np.arange(1, H + 1), len(series)),
                                    "series": np.tile(series, H), "radius": _up(both.ravel())}))
    made = pd.concat(frames, ignore_index=True)
    return made[np.isfinite(made.radius)].reset_index(drop=True)


def _up(values: np.ndarray) -> np.ndarray:
    """The next float32 that is no smaller."""
    near = values.astype(np.float32)
    return np.where(near < values, np.nextafter(near, np.float32(np.inf)), near)


def spread(made: pd.DataFrame, level: int, H: int, names: list[str]) -> np.ndarray:
    """Radii (H, C) of one level as `radii` made them: a series' own, else that of all; inf where there is none."""
    mine = made[made.level == level].pivot(index="step", columns="series", values="radius")
    mine = mine.reindex(index=range(1, H + 1), columns=["", *names])
    return mine[names].T.fillna(mine[""]).T.fillna(np.inf).to_numpy(np.float64)


def band(data, yhat: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Low, high), each (N, H, C) in the data's own unit, of forecasts (N, H, C) and radii (H, C) in scaled units."""
    return data.raw(yhat - radius), data.raw(yhat + radius)


def measured(data, made: pd.DataFrame, yhat: np.ndarray) -> dict[str, float]:
    """Columns of a result row, of forecasts of test (N, H, C) and radii: test_cover_<level>, share of the targets
    within their band, ends included; test_width_<level>, mean width of the bands by mean |y|, own unit;
    test_cover_<level>_se, by how much the share may differ from the level by chance (standard error): weeks are unlike
    each other, those of validation, which made the radii, too. NaN where a step has no band."""
    found = {name: np.nan for level in LEVELS for name in columns(level)}
    origins = {part: len(data.origins(part)) for part in ("val", "test")}
    block, both = max(data.H, WEEKS[data.header.frequency]), 1 + origins["test"] / origins["val"]
    radii = {level: spread(made, level, data.H, data.names) for level in LEVELS}
    radii = {level: radius for level, radius in radii.items() if np.isfinite(radius).all()}
    hits, counts, width, size = {level: 0 for level in radii}, 0, dict.fromkeys(radii, 0.0), 0.0
    for series, one in panel.blocks(data, origins["test"] * data.H):
        errors, mine = distances(one, "test", yhat[..., series]), yhat[..., series]
        seen = ~np.isnan(errors)
        counts = counts + seen.sum(axis=(1, 2))
        size += np.sum(np.abs(one.truth(one.origins("test"))), where=seen)
        for level, radius in radii.items():
            low, high = band(one, mine, radius[:, series])
            hits[level] = hits[level] + (errors <= radius[:, series]).sum(axis=(1, 2))
            width[level] += np.sum(high - low, where=seen)
    for level in radii:
        share, se = covered(hits[level], counts, block)
        values = share, width[level] / size, se * np.sqrt(both)
        found |= dict(zip(columns(level), map(float, values), strict=True))
    return found


def columns(level: int) -> tuple[str, str, str]:
    """Those of a result row that tell of the bands of a level: share covered, width, standard error of the share."""
    return f"test_cover_{level}", f"test_width_{level}", f"test_cover_{level}_se"


def covered(inside: np.ndarray, seen: np.ndarray, block: int) -> tuple[float, float]:
    """(Share of the seen values that lie inside, its standard error), of their numbers (N,) at successive origins.

    What varies are blocks of so many origins, H at least, as of clusters that are drawn whole (Cochran 1977, 9A); below
    two blocks the error is NaN.
    """
    first = np.arange(0, len(seen), block)
    hits, counts = (np.add.reduceat(number, first) for number in (inside, seen))
    share, k = hits.sum() / counts.sum(), len(first)
    variance = np.square(hits - share * counts).sum() * k / (k - 1) if k > 1 else np.nan
    return share, np.sqrt(variance) / counts.sum()
