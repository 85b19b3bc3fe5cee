"""16-bit floats, two bytes a weight: rounded to nearest even, relative error at most 2**-11 above 6e-5."""

import numpy as np

from . import _bits

LARGEST = 65504.0  # beyond it float16 is infinite


def encode(tensor: np.ndarray) -> tuple[bytes, dict]:
    _bits.check_finite(tensor, "float16", LARGEST)
    return tensor.astype("<f2").tobytes(), {}


def decode(stream: bytes, meta: dict, shape: tuple) -> np.ndarray:
    _bits.check_length(stream, 2 * _bits.size(shape), "float16")
    return np.frombuffer(stream, "<f2").reshape(shape).astype(np.float32)
