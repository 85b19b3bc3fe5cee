"""What every codec shares: packing of small integers, and checks made before anything is allocated."""

import math

import numpy as np

from litecast.errors import ModelFileError


def pack(codes: np.ndarray, bits: int) -> bytes:
    """Unsigned integers (N,) below 2**bits -> ceil(N * bits / 8) bytes, lowest bit first. bits: 1..16."""
    if bits == 8:
        return codes.astype(np.uint8).tobytes()
    octets = codes.astype("<u2").view(np.uint8).reshape(-1, 2)
    return np.packbits(np.unpackbits(octets, axis=1, count=bits, bitorder="little"), bitorder="little").tobytes()


def unpack(stream: bytes, bits: int, count: int) -> np.ndarray:
    """The inverse of `pack`: (count,) uint8 for up to 8 bits, else uint16. The stream's length is checked before."""
    octets = np.frombuffer(stream, np.uint8)
    if bits == 8:
        return octets
    kind = np.dtype("u1" if bits < 8 else "<u2")
    rows = np.unpackbits(octets, count=count * bits, bitorder="little").reshape(count, bits)
    packed = np.packbits(rows, axis=1, bitorder="little")  # fills the last byte of each row with zeros
    return packed.view(kind).reshape(count)


def packed_bytes(count: int, bits: int) -> int:
    return (count * bits + 7) // 8


def size(shape: tuple) -> int:
    return math.prod(shape)


def check_length(stream: bytes, wanted: int, codec: str) -> None:
    if len(stream) != wanted:
        raise ModelFileError(f"codec {codec}: {len(stream)} bytes where {wanted} are needed; the file is damaged")


def halves(values: np.ndarray) -> bool:
    """Is every value a float16, exactly?"""
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype("<f2").astype(np.float32), values)  # NaN equals nothing


def floats(values: np.ndarray) -> tuple[bytes, int]:
    """float32 values in two bytes each where all of them are float16 exactly, else in four; and which."""
    width = 2 if halves(values) else 4
    return values.astype(f"<f{width}").tobytes(), width


def integer(meta: dict, key: str, low: int, high: int) -> int:
    """meta[key] as an integer of low..high; the description comes from the file, so nothing is believed."""
    value = meta.get(key)
    if type(value) is not int or not low <= value <= high:
        raise ModelFileError(f"model file: {key} must be an integer of {low}..{high}, not {str(value)[:40]}")
    return value
