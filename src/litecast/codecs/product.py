"""A table as a product of two: numbers of each row times what the rows are made of, perhaps by its cosines.

value = left (R, K) @ right (K, M), the tensor being seen as (R, M). With cosines right holds the coefficients of an
orthonormal two-dimensional cosine transform (DCT-II) of A x B = M values. Computed in float64, rounded once. Stream: R,
K, A (0 = no cosines) and the bytes of left in 7-bit digits, then left and right, by one codec.
"""

from litecast import codecs
from litecast.errors import ModelFileError

from . import _bits
from ._groups import Place
from .quantised import Product

HOLDS = "left"
META = ("left", "values")


def encode(held: Product, groups: dict, values: dict) -> tuple[bytes, dict]:
    """values: spec of the codec of both. Raises ModelFileError as that codec does."""
    left, said = codecs.encode(held.left, values)
    right, meta = codecs.encode(held.right, values)
    head = (*held.left.shape, held.cosines[0] if held.cosines else 0, len(left))
    return b"".join(map(_bits.digits, head)) + left + right, {"values": meta} | ({} if said == meta else {"left": said})


def decode(stream: bytes, meta: dict, place, tables) -> Product:
    said = meta.get("left", meta.get("values"))
    rows, stream = _bits.digit(stream)
    rank, stream = _bits.digit(stream)
    high, stream = _bits.digit(stream)
    at, stream = _bits.digit(stream)
    width = place.size // max(rows, 1)
    if place.where is not None or not 0 < rows * width == place.size or not 0 < rank <= max(rows, width):
        raise ModelFileError(f"a product of {rows} rows and rank {rank} does not fit its place; the file is damaged")
    if high and width % high or at > len(stream) or not isinstance(said, dict) or said.get("codec") == "product":
        raise ModelFileError("the parts of a product do not fit each other; the file is damaged")
    shape = (rank * high, width // high) if high else (rank, width)
    left = codecs.unpack(stream[:at], said, Place((rows, rank)), tables)
    right = codecs.unpack(stream[at:], meta.get("values"), Place(shape), tables)
    cosines = (high, width // high) if high else ()
    return Product(left.shaped((rows, rank)), right.shaped(shape), place.shape, cosines)
