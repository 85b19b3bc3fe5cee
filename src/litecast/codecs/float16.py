"""16-bit floats, two bytes a weight, of values that are float16 exactly (`compress.storages.half` rounds them)."""

from litecast.errors import ModelFileError

from . import _bits
from .quantised import Quantised

HOLDS = "codes"
META = ()


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    if not _bits.halves(held.values()):
        raise ModelFileError("values must be at most 65504 in magnitude and float16 exactly: round them first, or use "
                             "codec float32")
    return held.values().astype("<f2").tobytes(), {}


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    return Quantised(_bits.numbers(stream, "<f2", place.size))
