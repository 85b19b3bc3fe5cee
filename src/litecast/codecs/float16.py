"""16-bit floats, two bytes a weight, of values that are float16 exactly (`compress.storages.half` rounds them)."""

import numpy as np

from litecast.errors import ModelFileError

from . import _bits
from .quantised import Quantised

HOLDS = "codes"
META = ()
LARGEST = 65504.0


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    values = held.values()
    if not _bits.halves(values):
        raise ModelFileError(f"codec float16: values must be at most {LARGEST:g} in magnitude and float16 "
                             "exactly: round them first, or use codec float32")
    return values.astype("<f2").tobytes(), {}


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    _bits.check_length(stream, 2 * place.size, "float16")
    return Quantised(np.frombuffer(stream, "<f2"))
