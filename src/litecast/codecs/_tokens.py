"""Whole numbers of 0 … 65535 as tokens: few symbols, that coders learn the frequencies of.

Numbers below 32 are tokens themselves; beyond, each power of two is cut into four, and where a number stands in its
quarter is told by extra bits. Signed codes 0, 1, -1, 2, -2, … are the numbers 0, 1, 2, 3, 4, …
"""

import numpy as np

from litecast.errors import ModelFileError

DIRECT, LARGEST = 32, 2**16 - 1
BITS = np.array([0] * DIRECT + [3 + quarter // 4 for quarter in range(44)])  # extra bits of each token
BASE = np.array([*range(DIRECT), *((4 + quarter % 4) << 3 + quarter // 4 for quarter in range(44))])  # lowest number


def split(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (N,), and what is told in extra bits (N,)."""
    if numbers.max(initial=0) > LARGEST:
        raise ModelFileError(f"codes beyond ±{LARGEST // 2}, or indices beyond {LARGEST}, cannot be coded")
    tokens = np.searchsorted(BASE, numbers, side="right") - 1
    return tokens, numbers - BASE[tokens]


def unsigned(codes: np.ndarray) -> np.ndarray:
    codes = codes.astype(np.int64)
    return np.where(codes > 0, 2 * codes - 1, -2 * codes)


def signed(numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers & 1, (numbers + 1) >> 1, -(numbers >> 1))
