"""Weights of which many are exactly zero: where the others stand, and these through any other codec.

Stream: positions, then values; nothing at all where all are zero. Positions are the smallest of
  gap codes   of 2..16 bits: zeros since the last weight; the largest code skips that many zeros and has no value
              (the fillers of Han et al., Deep Compression, 2016, without storing a zero for each);
  a bitmap    one bit a weight;
  nothing     all weights stored, where zeros are too few to pay,
packed, or by a coder ("coder": "huffman", "entropy"). First stand u8 the bits of a gap code, 0 for a bitmap, 1 for
nothing; of gap codes their number; and of what is coded its bytes, both in 7-bit digits, lowest first.
"""

from types import ModuleType

import numpy as np

from litecast import codecs
from litecast.errors import ModelFileError

from . import _bits
from .quantised import Quantised

HOLDS = ""
META = ("coder", "values")
ALL = 1  # stands where the bits of a gap code would: there are no positions


def encode(held: Quantised, groups: dict, values: dict, coder: str | None = None) -> tuple[bytes, dict]:
    """values: spec of the codec of the values, any; coder: of positions. Raises ModelFileError as that codec does."""
    by, where = _coder(coder), held.nonzero()
    how = {} if coder is None else {"coder": coder}
    stream, meta = codecs.encode(held.take(where), values, groups)
    columns = held.size // held.shape[0] if len(held.shape) > 1 and held.size else 0
    sparse = _positions(where, held.size, columns, by) + stream if len(where) else b"", how | {"values": meta}
    try:
        dense, meta = codecs.encode(held, values, groups)
    except ModelFileError:  # a codec that has no code for zero
        return sparse
    return (bytes([ALL]) + dense, how | {"values": meta}) if len(dense) < len(sparse[0]) else sparse


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    by = _coder(meta.get("coder"))
    if stream[:1] == bytes([ALL]):
        return codecs.unpack(stream[1:], meta.get("values"), place, tables)
    where, rest = _where(stream, place.size, by) if stream else (np.zeros(0, np.int32), b"")
    kept = codecs.unpack(rest, meta.get("values"), place.at(where), tables)
    flat = np.zeros(place.size, np.float32)
    flat[where] = kept.values()
    return Quantised(flat)


def _coder(name) -> ModuleType | None:
    return None if name is None else codecs.coder(name)


def _positions(where: np.ndarray, count: int, columns: int, coder) -> bytes:
    """The positions `where` (ascending, one at least) among `count` weights."""
    gaps = np.diff(where, prepend=-1) - 1
    bits = min(range(2, 17), key=lambda bits: _size(_fill(gaps, bits), bits, coder))
    codes, bitmap = _fill(gaps, bits), np.bincount(where, minlength=count)
    if coder is None:
        packed, ones = _bits.pack(codes, bits), _bits.pack(bitmap, 1)
    else:
        packed, ones = (_bits.digits(len(part)) + part for part in (coder.pack(codes), coder.pack(bitmap, columns)))
    packed = bytes([bits]) + _bits.digits(len(codes)) + packed
    return packed if len(packed) <= len(ones) else b"\0" + ones


def _fill(gaps: np.ndarray, bits: int) -> np.ndarray:
    """Gap codes of so many bits."""
    skip = 2**bits - 1
    stream = np.full(len(gaps) + int((gaps // skip).sum()), skip)
    stream[np.cumsum(gaps // skip + 1) - 1] = gaps % skip  # each weight's code follows its skips
    return stream


def _size(codes: np.ndarray, bits: int, coder) -> float:
    """Bytes of gap codes; coded about as many: their bits, and half a byte for each that there is."""
    if coder is None:
        return _bits.packed_bytes(len(codes), bits)
    return (coder.bits(codes) + 4 * len(np.unique(codes))) / 8


def _where(stream: bytes, count: int, coder) -> tuple[np.ndarray, bytes]:
    """Positions (ascending, int32) at the head of the stream, and what follows them."""
    bits, stream = stream[0], stream[1:]
    if bits > 16:
        raise ModelFileError("positions are of an unknown width; the file is damaged")
    codes, stream = _bits.digit(stream) if bits else (count, stream)
    if codes > count:  # a code moves at least one weight ahead: more of them are a lie told to make us allocate
        raise ModelFileError(f"{codes} gaps among {count} weights; the file is damaged")
    used, stream = _bits.digit(stream) if coder else (_bits.packed_bytes(codes, bits or 1), stream)
    part, rest = stream[:used], stream[used:]
    steps = coder.unpack(part, codes) if coder else _bits.unpack(part, bits or 1, codes)
    if not bits:
        return np.flatnonzero(steps).astype(np.int32), rest
    valued = steps != 2**bits - 1
    where = (np.cumsum(steps + valued, dtype=np.int64) - 1)[valued]
    if len(where) and where[-1] >= count:
        raise ModelFileError("positions past the end of the tensor; the file is damaged")
    return where.astype(np.int32), rest
