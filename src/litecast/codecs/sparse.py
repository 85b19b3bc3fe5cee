"""Weights of which many are exactly zero: where the others stand, and their values through another codec.

Stream: positions, then values. Positions are the smallest of
  gap codes   of 2..16 bits: zeros since the last weight; the largest code skips that many zeros and has no value
              (the fillers of Han et al., Deep Compression, 2016, without storing a zero for each);
  a bitmap    one bit a weight ("gap": 0);
  nothing     all weights stored, where zeros are too few to pay (no "gap").
"""

import numpy as np

from litecast.errors import ModelFileError

from . import _bits, float16, float32, intn

INNER = {"float32": float32, "float16": float16, "intn": intn}


def encode(tensor: np.ndarray, values: dict) -> tuple[bytes, dict]:
    """values: spec of the codec of the values, {"codec": "float32" | "float16" | "intn", ...}.

    Decodes to what that codec alone would make of the tensor; values that it rounds to zero are dropped as well.
    Raises ModelFileError as that codec does.
    """
    flat, shape = tensor.astype(np.float32, copy=False).ravel(), tensor.shape
    codec, options = _inner(values), {key: value for key, value in values.items() if key != "codec"}
    where = np.flatnonzero(flat)
    extra = _groups(options, shape, where)
    stream, meta = codec.encode(flat[where], **options, **extra)
    if options.get("symmetric", True):  # small values set no scale there: the others decode to the same without them
        where = where[codec.decode(stream, meta, (len(where),), **extra) != 0]
        stream, meta = codec.encode(flat[where], **options, **_groups(options, shape, where))
    positions, how = _positions(where, flat.size)
    dense, dense_meta = codec.encode(tensor, **options)
    if len(dense) <= len(positions) + len(stream):
        return dense, {"values": {"codec": values["codec"]} | dense_meta}
    return positions + stream, how | {"values": {"codec": values["codec"]} | meta}


def decode(stream: bytes, meta: dict, shape: tuple) -> np.ndarray:
    """The quantized tensor, bit for bit. Raises ModelFileError where stream and description do not fit."""
    values = meta.get("values")
    codec = _inner(values)
    if "gap" not in meta:
        return codec.decode(stream, values, shape)
    count = _bits.size(shape)
    where, used = _where(stream, meta, count)
    extra = _groups(values, shape, where)
    kept = codec.decode(stream[used:], values, (len(where),), **extra)
    flat = np.zeros(count, np.float32)
    flat[where] = kept
    return flat.reshape(shape)


def _inner(values: dict):
    name = values.get("codec") if isinstance(values, dict) else None
    if not isinstance(name, str) or name not in INNER:
        raise ModelFileError(f"codec sparse: its values need one of the codecs {', '.join(INNER)}")
    return INNER[name]


def _groups(options: dict, shape: tuple, where: np.ndarray) -> dict:
    """How many of the values lie in each output channel that has any, for a codec with a scale per channel."""
    if options.get("axis") != 0 or len(shape) < 2:
        return {}
    row = max(_bits.size(shape[1:]), 1)
    edges = np.flatnonzero(np.diff(where // row)) + 1  # `where` ascends: a channel ends where its number changes
    edges = np.concatenate([edges[:0] if len(where) == 0 else [0], edges, [len(where)]])
    return {"counts": np.diff(edges).astype(np.int64)}


def _positions(where: np.ndarray, count: int) -> tuple[bytes, dict]:
    """Bytes of the positions `where` (ascending) among `count` weights, and how they are to be read."""
    gaps = np.diff(where, prepend=-1) - 1
    codes = {bits: len(gaps) + int((gaps // (2**bits - 1)).sum()) for bits in range(2, 17)}
    bits = min(codes, key=lambda bits: _bits.packed_bytes(codes[bits], bits))
    if _bits.packed_bytes(codes[bits], bits) >= _bits.packed_bytes(count, 1):
        return np.packbits(np.bincount(where, minlength=count) > 0, bitorder="little").tobytes(), {"gap": 0}
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
    if bits == 1 or len(stream) < used:
        raise ModelFileError("codec sparse: positions are cut short or of an unknown width; the file is damaged")
    if not bits:
        bitmap = np.unpackbits(np.frombuffer(stream, np.uint8, used), count=count, bitorder="little")
        return np.flatnonzero(bitmap).astype(np.int32), used
    steps = _bits.unpack(stream[:used], bits, codes)
    valued = steps != 2**bits - 1
    where = (np.cumsum(steps + valued, dtype=np.int64) - 1)[valued]
    if len(where) and where[-1] >= count:
        raise ModelFileError("codec sparse: positions run past the end of the tensor; the file is damaged")
    return where.astype(np.int32), used
