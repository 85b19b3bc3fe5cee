"""Integer codes of 2 to 8 bits, packed, with scales and zero points of their groups before them (`_groups`).

A weight is (code - zero point) * scale. Codes are written unsigned: with "offset" added, or without one the middle of
the symmetric range -(2**(bits-1) - 1) .. 2**(bits-1) - 1, or nothing where there are zero points.
"""

from dataclasses import replace

import numpy as np

from litecast.errors import ModelFileError

from . import _bits, _groups
from .quantised import Quantised

HOLDS = "scale"
META = ("bits", "offset", *_groups.META)
FARTHEST = 2**15


def encode(held: Quantised, groups: dict, bits: int = 8) -> tuple[bytes, dict]:
    """Raises ModelFileError where the codes span more than `bits` hold."""
    if type(bits) is not int or not 2 <= bits <= 8:
        raise ModelFileError(f"bits 2..8, not {bits}")
    codes = held.codes.ravel().astype(np.int64)
    if held.zero is not None and held.size:  # zero points are written unsigned: codes move along
        lowest = min(0, int(held.zero.min()))
        held, codes = replace(held, zero=held.zero.astype(np.int64) - lowest), codes - lowest
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
    usual = _usual(bits, held.zero)
    offset = usual if 0 <= low + usual <= high + usual < 2**bits else -low
    if high + offset >= 2**bits or abs(offset) > FARTHEST:
        raise ModelFileError(f"codes {low}..{high} span more than {bits} bits hold")
    head, meta = _groups.write(held, groups)
    return head + _bits.pack(codes + offset, bits), {"bits": bits} | meta | (
        {} if offset == usual else {"offset": offset})


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    bits = _bits.integer(meta, "bits", 2, 8)
    rest, fields = _groups.read(stream, meta, place)
    offset = _bits.integer(meta, "offset", -FARTHEST, FARTHEST, absent=_usual(bits, fields["zero"]))
    codes = _bits.unpack(rest, bits, place.size)
    return Quantised(np.subtract(codes, offset, dtype=np.int32) if offset else codes, **fields)


def _usual(bits: int, zero: np.ndarray | None) -> int:
    """Added to codes where nothing else is said."""
    return 2 ** (bits - 1) - 1 if zero is None else 0
