"""Weights of which many are exactly zero: where the others stand, and these through any other codec.

Stream: positions, then values. Positions are the smallest of
  gap codes   of 2..16 bits: zeros since the last weight; the largest code skips that many zeros and has no value
              (the fillers of Han et al., Deep Compression, 2016, without storing a zero for each);
  a bitmap    one bit a weight ("gap": 0);
  nothing     all weights stored, where zeros are too few to pay (no "gap").
"""

import numpy as np

from litecast import codecs
from litecast.errors import ModelFileError

from . import _bits
from .quantised import Quantised

HOLDS = ""
META = ("gap", "codes", "values")


def encode(held: Quantised, groups: dict, values: dict) -> tuple[bytes, dict]:
    """values: spec of the codec of the values, any. Raises ModelFileError as that codec does."""
    where = held.nonzero()
    stream, meta = codecs.encode(held.take(where), values, groups)
    positions, how = _positions(where, held.size)
    sparse = positions + stream, how | {"values": meta}
    try:
        dense, meta = codecs.encode(held, values, groups)
    except ModelFileError:  # a codec that has no code for zero
        return sparse
    return (dense, {"values": meta}) if len(dense) <= len(sparse[0]) else sparse


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    if "gap" not in meta:
        return codecs.unpack(stream, meta.get("values"), place, tables)
    where, used = _where(stream, meta, place.size)
    kept = codecs.unpack(stream[used:], meta.get("values"), place.at(where), tables)
    flat = np.zeros(place.size, np.float32)
    flat[where] = kept.values()
    return Quantised(flat)


def _positions(where: np.ndarray, count: int) -> tuple[bytes, dict]:
    """Bytes of the positions `where` (ascending) among `count` weights, and how they are to be read."""
    gaps = np.diff(where, prepend=-1) - 1
    codes = {bits: len(gaps) + int((gaps // (2**bits - 1)).sum()) for bits in range(2, 17)}
    bits = min(codes, key=lambda bits: _bits.packed_bytes(codes[bits], bits))
    if _bits.packed_bytes(codes[bits], bits) >= _bits.packed_bytes(count, 1):
        return _bits.pack(np.bincount(where, minlength=count), 1), {"gap": 0}
    skip = 2**bits - 1
    stream = np.full(codes[bits], skip)
    stream[np.cumsum(gaps // skip + 1) - 1] = gaps % skip  # each weight's code follows its skips
    return _bits.pack(stream, bits), {"gap": bits, "codes": codes[bits]}


def _where(stream: bytes, meta: dict, count: int) -> tuple[np.ndarray, int]:
    """Positions (ascending, int32) at the head of the stream, and the number of bytes they take."""
    bits = _bits.integer(meta, "gap", 0, 16)
    # A code moves at least one weight ahead, so more codes than weights is a lie told to make us allocate.
    codes = _bits.integer(meta, "codes", 0, count) if bits else count
    used = _bits.packed_bytes(codes, bits or 1)
    steps = _bits.unpack(stream[:used], bits or 1, codes)
    if not bits:
        return np.flatnonzero(steps).astype(np.int32), used
    valued = steps != 2**bits - 1
    where = (np.cumsum(steps + valued, dtype=np.int64) - 1)[valued]
    if bits == 1 or len(where) and where[-1] >= count:
        raise ModelFileError("positions are of an unknown width, or past the end of the tensor; the file is damaged")
    return where.astype(np.int32), used
