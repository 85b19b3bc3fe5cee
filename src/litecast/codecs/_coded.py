"""Codecs of a coder: integer codes with scales of their groups, or indices with a table, as a run of whole numbers.

Stream: scales as in `_groups`, or a table as in `codebook`, then the numbers, by a coder: `pack(numbers, columns)` and
`unpack(stream, count)`. Zero points are taken from the codes, not written.
"""

from dataclasses import replace

import numpy as np

from litecast.errors import ModelFileError

from . import _bits, _groups, _tokens, codebook
from .quantised import Quantised

META = ("bits", *(key for key in _groups.META if key != "zero"), *codebook.META)


def codec(pack, unpack) -> tuple:
    """encode and decode of codes whose numbers a coder packs."""

    def encode(held: Quantised, groups: dict, bits: int | None = None) -> tuple[bytes, dict]:
        """bits: if given, codes may span no more than so many hold; the file says it of itself."""
        if held.scale is None and held.table is None:
            raise ModelFileError("only codes with scales or a table are coded: quantise the tensor first")
        if held.table is not None:
            numbers, head, meta = codebook.table(held, ranked=True)
        else:
            codes = held.codes.ravel().astype(np.int64)
            codes = codes if held.zero is None else codes - np.repeat(held.zero.astype(np.int64), held.counts)
            head, meta = _groups.write(replace(held, codes=codes, zero=None), groups)
            numbers = _tokens.unsigned(codes)
            meta |= {} if bits is None else {"bits": bits}
            if codes.size and np.ptp(codes) >= 2 ** _bits.integer(meta, "bits", 1, 16, absent=16):
                raise ModelFileError(f"codes {codes.min()}..{codes.max()} span more than {bits or 16} bits hold")
        columns = len(numbers) // held.shape[0] if len(held.shape) > 1 and held.size else 0
        return head + pack(numbers, columns), meta

    def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
        if "entries" in meta:
            rest, count, table = codebook.read(stream, meta, place, tables)
            return Quantised(unpack(rest, count), table=table)
        _bits.integer(meta, "bits", 1, 16, absent=1)
        rest, fields = _groups.read(stream, meta, place)
        return Quantised(_tokens.signed(unpack(rest, place.size)), **fields)

    return encode, decode
