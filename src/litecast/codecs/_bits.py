"""What every codec shares: numbers of few bits, floats, and checks made before anything is allocated."""

import numpy as np

from litecast.errors import ModelFileError


def pack(codes: np.ndarray, bits: int) -> bytes:
    """Unsigned integers (N,) below 2**bits -> ceil(N * bits / 8) bytes, lowest bit first. bits: 1..16."""
    octets = codes.astype("<u2").view(np.uint8).reshape(-1, 2)
    return np.packbits(np.unpackbits(octets, axis=1, count=bits, bitorder="little"), bitorder="little").tobytes()


def unpack(stream: bytes, bits: int, count: int) -> np.ndarray:
    """The inverse of `pack`: (count,) uint8 for up to 8 bits, else uint16."""
    octets = numbers(stream, "u1", packed_bytes(count, bits))
    rows = np.unpackbits(octets, count=count * bits, bitorder="little").reshape(count, bits)
    packed = np.packbits(rows, axis=1, bitorder="little")  # fills the last byte of each row with zeros
    return packed.view(f"<u{packed.shape[1]}").ravel()


def packed_bytes(count: int, bits: int) -> int:
    return (count * bits + 7) // 8


def digits(number: int) -> bytes:
    """A whole number in digits of 7 bits, lowest first; the high bit of a byte says that another follows."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + digits(number >> 7)


def digit(stream: bytes) -> tuple[int, bytes]:
    """The number that a stream starts with, below 2**35, and the rest of the stream."""
    end = next((at for at, octet in enumerate(stream[:5]) if octet < 128), None)
    if end is None:
        raise ModelFileError("a number without an end; the file is damaged")
    return sum((octet & 127) << 7 * at for at, octet in enumerate(stream[: end + 1])), stream[end + 1 :]


def halves(values: np.ndarray) -> bool:
    """Is every value a float16, exactly?"""
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype("<f2").astype(np.float32), values)  # NaN equals nothing


def floats(values: np.ndarray, key: str) -> tuple[bytes, dict]:
    """float32 values in two bytes each where all of them are float16 exactly, else in four: {key: 4}."""
    width = 2 if halves(values) else 4
    return values.astype(f"<f{width}").tobytes(), {} if width == 2 else {key: width}


def numbers(stream: bytes, kind: str, count: int) -> np.ndarray:
    """A stream as `count` numbers, read-only; ModelFileError where it has another length."""
    if len(stream) != count * np.dtype(kind).itemsize:
        raise ModelFileError(f"{len(stream)} bytes where {count} numbers {kind} are needed; the file is damaged")
    return np.frombuffer(stream, kind)


def integer(meta: dict, key: str, low: int, high: int, absent: int | None = None) -> int:
    """meta[key] as an integer of low..high; the description comes from the file, so nothing is believed."""
    value = meta.get(key)
    if absent is not None and key not in meta:
        return absent
    if type(value) is not int or not low <= value <= high:
        raise ModelFileError(f"model file: {key} must be an integer of {low}..{high}, not {str(value)[:40]}")
    return value
