"""32-bit floats as they are: the reference storage, four bytes a weight. Keeps every bit, NaN and -0 included."""

from . import _bits
from .quantised import Quantised

HOLDS = ""
META = ()


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    return held.values().astype("<f4", copy=False).tobytes(), {}


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    return Quantised(_bits.numbers(stream, "<f4", place.size).copy())  # that may be written to
