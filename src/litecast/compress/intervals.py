"""Codebooks straight from the statistics of weights: mean, standard deviation and one histogram; nothing is searched.

Each way of METHODS is `fit(values (N,), entries) -> codes (N,) uint8, table (at most entries,) float64, ascending`. All
but `uniform` cut the range that the values occupy, at most three standard deviations to each side of the mean, into
equal intervals; what lies farther out belongs to the outer ones. Intervals without a value have no entry.
"""

import numpy as np
from scipy.special import ndtr

SPREAD = 3.0  # standard deviations to each side
FINEST = 64  # intervals that `auto` starts from
TOLERANCE = 2.0  # half as many intervals err four times as much: twice is halfway between, on a logarithmic scale


def sigma(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each interval's values stands for them: the best entry there is for these intervals."""
    codes, counts, _, _ = _cut(values, entries)
    return _used(codes, counts, np.bincount(codes, values, len(counts)) / np.maximum(counts, 1))


def midpoints(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """The middle of each interval stands for it, whatever lies there; its values need not be added up."""
    codes, counts, low, width = _cut(values, entries)
    return _used(codes, counts, low + width * (np.arange(len(counts)) + 0.5))


def auto(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """As `sigma`, with as many intervals as the values need to be held as well as `entries` hold normal ones.

    2, 4, … FINEST: the fewest from which FINEST would take, as a share of the variance, at most TOLERANCE times the
    squared error that it takes from as many as `entries` of a normal distribution. (What tails beyond three deviations
    leave is left by any number.) One histogram of counts and sums says what joining intervals costs, exactly.
    """
    codes, counts, _, _ = _cut(values, FINEST)
    if len(counts) == 1:
        return sigma(values, entries)
    centre = float(values.mean(dtype=np.float64))
    sums = np.bincount(codes, values, FINEST) - centre * counts
    kept = (sums**2 / np.maximum(counts, 1)).sum()
    most = TOLERANCE * (normal_error(entries) - normal_error(FINEST)) * len(values) * float(values.var())
    for shift in range(FINEST.bit_length() - 2, -1, -1):  # neighbours are joined: pairs, fours, …
        n, total = (part.reshape(-1, 2**shift).sum(1) for part in (counts, sums))
        if kept - (total**2 / np.maximum(n, 1)).sum() <= most:
            break
    return _used(codes >> shift, n, total / np.maximum(n, 1) + centre)


def uniform(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced entries from the smallest to the largest value, each value to the nearest: integers with a step
    and a zero point."""
    low, high = float(values.min()), float(values.max())
    if high <= low or entries == 1:
        return np.zeros(len(values), np.uint8), np.array([values.mean(dtype=np.float64)])
    step = (high - low) / (entries - 1)
    codes = np.rint((values - values.dtype.type(low)) * values.dtype.type(1 / step)).astype(np.uint8)
    return _used(codes, np.bincount(codes, minlength=entries), low + step * np.arange(entries))


METHODS = {"sigma": sigma, "midpoints": midpoints, "auto": auto, "uniform": uniform}


def normal_error(entries: int) -> float:
    """Squared error of so many intervals, each held by its mean, of a normal distribution of variance 1."""
    borders = np.linspace(-SPREAD, SPREAD, entries + 1)
    borders[0], borders[-1] = -np.inf, np.inf
    density = np.exp(-(borders**2) / 2) / np.sqrt(2 * np.pi)
    return 1 - float((np.diff(density) ** 2 / np.diff(ndtr(borders))).sum())


def _cut(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Codes (N,), values of each code (entries,), lower end and width of the intervals; a single one, of no width,
    where all values are alike."""
    mean, reach = float(values.mean(dtype=np.float64)), SPREAD * float(values.std())
    low, high = max(mean - reach, float(values.min())), min(mean + reach, float(values.max()))
    width = (high - low) / entries
    kind = values.dtype.type
    if not width > np.finfo(kind).tiny:
        return np.zeros(len(values), np.uint8), np.array([len(values)]), mean, 0.0
    scaled = values - kind(low)
    scaled *= kind(1 / width)
    np.clip(scaled, 0, entries - 1, out=scaled)
    codes = scaled.astype(np.uint8)
    return codes, np.bincount(codes, minlength=entries), low, width


def _used(codes: np.ndarray, counts: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the entries that no value has."""
    used = counts > 0
    return (codes, table) if used.all() else ((np.cumsum(used) - 1).astype(np.uint8)[codes], table[used])
