"""A table as a product of two: numbers of each row times what the rows are made of, perhaps by its cosines.

value = left (R, K) @ right (K, M), M values a row of the tensor seen as (R, M). With "cosines": [A, B] right holds the
coefficients of an orthonormal two-dimensional cosine transform (DCT-II) of A x B = M values. Computed in float64,
rounded once. Stream: that of left, then that of right, each by any codec.
"""

from litecast import codecs
from litecast.errors import ModelFileError

from . import _bits
from ._groups import Place
from .quantised import Product

HOLDS = "left"
META = ("rows", "rank", "cosines", "at", "left", "values")
LARGEST = 2**16


def encode(held: Product, groups: dict, values: dict) -> tuple[bytes, dict]:
    """values: spec of the codec of both. Raises ModelFileError as that codec does."""
    left, said = codecs.encode(held.left, values)
    right, meta = codecs.encode(held.right, values)
    rows, rank = held.left.shape
    how = {"cosines": list(held.cosines)} if held.cosines else {}
    return left + right, {"rows": rows, "rank": rank, **how, "at": len(left), "left": said, "values": meta}


def decode(stream: bytes, meta: dict, place, tables) -> Product:
    rows, rank = (_bits.integer(meta, key, 1, LARGEST) for key in ("rows", "rank"))
    at, cosines = _bits.integer(meta, "at", 0, len(stream)), meta.get("cosines", [])
    if not isinstance(cosines, list):
        raise ModelFileError(f"cosines {str(cosines)[:40]} are not two numbers; the file is damaged")
    if place.where is not None or place.size % rows or not isinstance(meta.get("left"), dict) or "left" in meta["left"]:
        raise ModelFileError(f"a product of {rows} rows does not fit its place; the file is damaged")
    width = place.size // rows
    if cosines and (len(cosines) != 2 or any(type(n) is not int or not 0 < n <= LARGEST for n in cosines)
                    or cosines[0] * cosines[1] != width):
        raise ModelFileError(f"cosines {str(cosines)[:40]} are not those of {width} values; the file is damaged")
    if rank > min(rows, width):
        raise ModelFileError(f"rank {rank} is more than {rows} rows of {width} can have; the file is damaged")
    left = codecs.unpack(stream[:at], meta["left"], Place((rows, rank)), tables)
    right = codecs.unpack(stream[at:], meta.get("values"), Place(_right(rank, width, cosines)), tables)
    return Product(left.shaped((rows, rank)), right.shaped(_right(rank, width, cosines)), place.shape, tuple(cosines))


def _right(rank: int, width: int, cosines) -> tuple[int, int]:
    """Shape that right is coded in: the cosines of a step stand in a row, so that what is alike stands together."""
    return (rank * cosines[0], cosines[1]) if cosines else (rank, width)
