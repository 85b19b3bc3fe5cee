"""Integers of 2 to 8 bits, packed, with one scale per tensor or per output channel (axis 0).

Stream: scales (float16, or float32 where float16 would distort them), zero points (uint8, asymmetric only), codes.
A weight is (code - zero point) * scale. Symmetric codes span -(2**(bits-1) - 1) .. 2**(bits-1) - 1 around a fixed
zero; asymmetric ones 0 .. 2**bits - 1. Zero is always exact, so pruned weights stay pruned.
"""

import numpy as np

from litecast.errors import ModelFileError

from . import _bits

LARGEST = 3e38  # leaves room for the rounding of the scale


def encode(tensor: np.ndarray, bits: int = 8, axis: int | None = None, symmetric: bool = True,
           scale: str = "float16", counts: np.ndarray | None = None) -> tuple[bytes, dict]:
    """Round-to-nearest quantization of a float32 tensor.

    axis 0 gives each output channel a scale of its own (tensors of fewer than two axes have one channel); `counts`
    (K,), elements of each channel in turn, lets the sparse codec pass its values flat. scale: "float16" | "float32".
    Raises ModelFileError on bits, axis or scale that do not exist, and on values that are not finite.
    """
    if type(bits) is not int or not 2 <= bits <= 8 or axis not in (None, 0) or scale not in ("float16", "float32"):
        raise ModelFileError(f"codec intn: bits 2..8, axis None|0, scale float16|float32; not {bits}, {axis}, {scale}")
    _bits.check_finite(tensor, "intn", LARGEST)
    counts = _counts(tensor.shape, axis) if counts is None else counts
    weights = tensor.astype(np.float64).ravel()
    steps, zeros = _grid(weights, counts, bits, symmetric)
    steps = _rounded(steps, scale)
    per_weight = np.repeat(steps.astype(np.float64), counts)
    codes = np.divide(weights, per_weight, out=np.zeros_like(weights), where=per_weight > 0)
    codes = np.rint(codes) + (_middle(bits) if symmetric else np.repeat(zeros, counts))
    codes = np.clip(codes, 0, 2 * _middle(bits) if symmetric else 2**bits - 1)
    meta = {"bits": bits} | ({} if axis is None else {"axis": axis}) | ({} if symmetric else {"zero": 1})
    meta |= {"scale": 4} if steps.dtype.itemsize == 4 else {}
    offsets = b"" if symmetric else zeros.astype(np.uint8).tobytes()
    return steps.tobytes() + offsets + _bits.pack(codes.astype(np.uint8), bits), meta


def decode(stream: bytes, meta: dict, shape: tuple, counts: np.ndarray | None = None) -> np.ndarray:
    """The quantized tensor, bit for bit. Raises ModelFileError where stream and description do not fit."""
    bits = _bits.integer(meta, "bits", 2, 8)
    axis = _bits.integer(meta, "axis", 0, 0) if "axis" in meta else None
    zero = _bits.integer(meta, "zero", 1, 1) if "zero" in meta else 0
    width = _bits.integer(meta, "scale", 4, 4) if "scale" in meta else 2
    counts, count = _counts(shape, axis) if counts is None else counts, _bits.size(shape)
    channels = len(counts)
    head = channels * (width + zero)
    _bits.check_length(stream, head + _bits.packed_bytes(count, bits), "intn")
    steps = np.frombuffer(stream, f"<f{width}", channels).astype(np.float32)
    zeros = np.frombuffer(stream, np.uint8, channels, channels * width) if zero else None
    offset = np.repeat(zeros, counts) if zero else np.uint8(_middle(bits))
    codes = np.subtract(_bits.unpack(stream[head:], bits, count), offset, dtype=np.int16)
    weights = np.repeat(steps, counts)
    np.multiply(weights, codes, out=weights, casting="same_kind")
    return weights.reshape(shape)


def _middle(bits: int) -> int:
    """The code that means zero in the symmetric case; also the largest magnitude."""
    return 2 ** (bits - 1) - 1


def _counts(shape: tuple, axis: int | None) -> np.ndarray:
    """Elements of each channel, (K,): one number seen K times, so that a false shape takes no memory."""
    size = _bits.size(shape)
    channels = min(size, shape[0] if axis == 0 and len(shape) > 1 else 1)  # none where there is no element
    return np.broadcast_to(size // max(channels, 1), channels)


def _grid(weights: np.ndarray, counts: np.ndarray, bits: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Step and zero point of each channel, (K,) each: the range of its weights, widened to hold zero."""
    if len(counts) == 0:
        return np.zeros(0), np.zeros(0)
    starts = np.cumsum(counts) - counts
    low = np.minimum(np.minimum.reduceat(weights, starts), 0)
    high = np.maximum(np.maximum.reduceat(weights, starts), 0)
    if symmetric:
        return np.maximum(-low, high) / _middle(bits), np.zeros(len(counts))
    steps = (high - low) / (2**bits - 1)
    return steps, np.rint(np.divide(-low, steps, out=np.zeros_like(low), where=steps > 0))


def _rounded(steps: np.ndarray, scale: str) -> np.ndarray:
    """Steps as stored: float16 unless that is asked otherwise or moves one by more than 2**-10 of itself
    (steps below 6e-5 or above 65504)."""
    with np.errstate(over="ignore"):
        half = steps.astype("<f2")
    exact = np.all(np.abs(half - steps) <= steps * 2.0**-10)
    return half if scale == "float16" and exact else steps.astype("<f4")
