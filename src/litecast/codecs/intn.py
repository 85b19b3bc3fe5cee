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
        raise ModelFileError(f"codec intn: bits 2..8, not {bits}")
    if held.zero is not None and held.size:  # zero points are written unsigned: codes move along
        lowest = min(0, int(held.zero.min()))
        held = replace(held, codes=held.codes.astype(np.int64) - lowest, zero=held.zero.astype(np.int64) - lowest)
    codes = held.codes.ravel().astype(np.int64)
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
    usual = offset = 0 if held.zero is not None else _middle(bits)
    if low + offset < 0 or high + offset >= 2**bits:
        offset = -low
    if high + offset >= 2**bits or abs(offset) > FARTHEST:
        raise ModelFileError(f"codec intn: codes {low}..{high} span more than {bits} bits hold")
    head, meta = _groups.write(held)
    meta |= {} if offset == usual else {"offset": offset}
    return head + _bits.pack(codes + offset, bits), {"bits": bits} | groups | meta


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    bits = _bits.integer(meta, "bits", 2, 8)
    rest, fields = _groups.read(stream, meta, place, _bits.packed_bytes(place.size, bits))
    offset = 0 if fields["zero"] is not None else _middle(bits)
    if "offset" in meta:
        offset = _bits.integer(meta, "offset", -FARTHEST, FARTHEST)
    codes = _bits.unpack(rest, bits, place.size)
    return Quantised(np.subtract(codes, offset, dtype=np.int32) if offset else codes, **fields)


def _middle(bits: int) -> int:
    """Added to a symmetric code; also the largest magnitude."""
    return 2 ** (bits - 1) - 1
