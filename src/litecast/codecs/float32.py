"""32-bit floats as they are: the reference storage, four bytes a weight. Keeps every bit, NaN and -0 included."""

import numpy as np

from . import _bits


def encode(tensor: np.ndarray) -> tuple[bytes, dict]:
    return tensor.astype("<f4", copy=False).tobytes(), {}


def decode(stream: bytes, meta: dict, shape: tuple) -> np.ndarray:
    _bits.check_length(stream, 4 * _bits.size(shape), "float32")
    return np.frombuffer(stream, "<f4").reshape(shape).astype(np.float32)
