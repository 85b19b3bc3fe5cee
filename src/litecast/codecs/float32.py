"""32-bit floats as they are: the reference storage, four bytes a weight. Keeps every bit, NaN and -0 included."""

import numpy as np

from . import _bits
from .quantised import Quantised

HOLDS = ""
META = ()


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    return held.values().astype("<f4", copy=False).tobytes(), {}


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    _bits.check_length(stream, 4 * place.size, "float32")
    return Quantised(np.frombuffer(stream, "<f4").astype(np.float32))  # a copy that may be written to
