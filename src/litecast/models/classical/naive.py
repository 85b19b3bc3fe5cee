"""The forecasts that every network must beat: the last value, and the value one season ago."""

import numpy as np


def naive(data, part: str) -> np.ndarray:
    """Last known value, repeated: (N, H, C), scaled units; filled values where one is missing."""
    origins = data.origins(part)
    return np.repeat(data.x[origins - 1][:, None], data.H, axis=1)


def seasonal_naive(data, part: str) -> np.ndarray:
    """Value of the same step one season earlier, the last season repeated beyond it: (N, H, C), scaled units."""
    origins, season = data.origins(part), data.header.season
    back = np.arange(data.H) % season - season
    return data.x[np.maximum(origins[:, None] + back, 0)]
