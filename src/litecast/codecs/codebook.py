"""Indices into a table of values (K-means, Gaussian mixtures) or of rows of D values (product quantisation).

Stream: the table, float16 where all of it is float16 exactly, else float32 ("table": 4); then the indices in the
fewest bits. An own table holds only entries that are used. A shared one ("shared": its name) stands once in the file.
"""

import numpy as np

from litecast.errors import ModelFileError

from . import _bits
from .quantised import Quantised

HOLDS = "table"
META = ("entries", "dim", "table", "shared")
ENTRIES, DIM = 2**16, 2**12


def encode(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    codes, head, meta = table(held)
    return head + _bits.pack(codes, _bits_of(meta["entries"])), meta


def decode(stream: bytes, meta: dict, place, tables) -> Quantised:
    rest, count, found = read(stream, meta, place, tables)
    return Quantised(_bits.unpack(rest, _bits_of(len(found)), count), table=found)


def table(held: Quantised, ranked: bool = False) -> tuple[np.ndarray, bytes, dict]:
    """Indices (N,), the bytes of the table that they are of, and the meta of both.

    ranked: the entries of an own table in the order of their frequency, for coders.
    """
    codes, entries, head, meta = held.codes.ravel(), held.table, b"", {}
    if held.shared is None:
        used, codes, counts = np.unique(codes, return_inverse=True, return_counts=True)
        order = np.argsort(-counts, kind="stable") if ranked else np.arange(len(used))
        entries, codes = entries[used[order]], np.argsort(order)[codes]
        head, meta = _bits.floats(entries, "table")
    if len(entries) > ENTRIES or not 1 <= held.dim <= DIM:
        raise ModelFileError(f"a table has at most {ENTRIES} entries of 1..{DIM} values")
    meta |= {"dim": held.dim} if entries.ndim == 2 else {}
    meta |= {} if held.shared is None else {"shared": held.shared}
    return codes, head, {"entries": len(entries)} | meta


def read(stream: bytes, meta: dict, place, tables) -> tuple[bytes, int, np.ndarray]:
    """The indices' part of a stream, how many there are, and their table."""
    entries, dim = _bits.integer(meta, "entries", 0, ENTRIES), _bits.integer(meta, "dim", 1, DIM, absent=1)
    width = _bits.integer(meta, "table", 4, 4, absent=2)
    shape, shared = (entries, dim) if "dim" in meta else (entries,), meta.get("shared")
    count, rest = divmod(place.size, dim)
    if rest:
        raise ModelFileError(f"{place.size} weights are no rows of {dim}; the file is damaged")
    if "shared" in meta and (not isinstance(shared, str) or shared not in tables or tables[shared].shape != shape):
        raise ModelFileError(f"the file has no table {str(shared)[:40]!r} of shape {shape}")
    used = 0 if "shared" in meta else entries * dim * width
    found = tables[shared] if "shared" in meta else _bits.numbers(stream[:used], f"<f{width}", entries * dim)
    return stream[used:], count, found.reshape(shape)


def _bits_of(entries: int) -> int:
    """Bits of an index, at least one: a tensor takes no memory that its stream does not."""
    return max(1, (entries - 1).bit_length())
