"""Codes -1 and 1, one bit each, with one scale or a pair of scales per group (`_groups`).

Alone it holds signs, in `sparse` what ternary quantisation leaves beside zero.
"""

import numpy as np

from litecast.errors import ModelFileError

from . import _bits, _groups
from .quantised import Quantised

HOLDS = "scale"
META = _groups.META


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    codes = held.codes.ravel()
    if not np.isin(codes, (-1, 1)).all():
        raise ModelFileError("codec binary: codes must be -1 or 1")
    head, meta = _groups.write(held)
    return head + _bits.pack(codes > 0, 1), groups | meta


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    rest, fields = _groups.read(stream, meta, place, _bits.packed_bytes(place.size, 1))
    return Quantised(2 * _bits.unpack(rest, 1, place.size).astype(np.int8) - 1, **fields)
