"""Codecs of few codes: as many a byte as its 256 values hold, in base n, after the scales of their groups."""

import math

import numpy as np

from litecast.errors import ModelFileError

from . import _bits, _groups
from .quantised import Quantised


def codec(*alphabet: int) -> tuple:
    """encode and decode of codes of an ascending alphabet; the first code of a byte counts least."""
    codes, base = np.int8(alphabet), len(alphabet)
    powers = base ** np.arange(int(8 / math.log2(base)), dtype=np.uint8)

    def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
        if not np.isin(held.codes, codes).all():
            raise ModelFileError(f"codes must be {', '.join(map(str, alphabet[:-1]))} or {alphabet[-1]}")
        head, meta = _groups.write(held, groups)
        digits = np.zeros((-(-held.size // len(powers)), len(powers)), np.uint8)
        digits.flat[: held.size] = np.searchsorted(codes, held.codes.ravel())
        return head + (digits @ powers).tobytes(), meta

    def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
        rest, fields = _groups.read(stream, meta, place)
        octets = _bits.numbers(rest, "u1", -(-place.size // len(powers)))
        if octets.max(initial=0) >= base ** len(powers):
            raise ModelFileError(f"a byte holds no {len(powers)} codes; the file is damaged")
        digits = octets[:, None] // powers % np.uint8(base)
        return Quantised(codes[digits.ravel()[: place.size]], **fields)

    return encode, decode
