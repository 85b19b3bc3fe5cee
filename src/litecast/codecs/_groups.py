"""Groups that share a scale: how they are described, found again among the elements a stream holds, and written.

meta: "axis": 0 is a group for each entry of the first axis (one where there is a single axis); "group": n runs of n
elements along the flattened tensor, the last may be shorter; neither: one group. Groups without an element have no
scale. Stream: scales, scales of negative codes ("negative": 1), zero points (uint8, "zero": 1), then the codes.
Scales are float16 where each is one exactly, else float32 ("scale": 4).
"""

from dataclasses import dataclass

import numpy as np

from litecast.errors import ModelFileError

from . import _bits
from .quantised import Quantised

META = ("axis", "group", "zero", "negative", "scale")


@dataclass(frozen=True)
class Place:
    """The elements of a tensor of `shape` that a stream holds: all, or those at ascending flat positions `where`."""

    shape: tuple[int, ...]
    where: np.ndarray | None = None

    @property
    def size(self) -> int:
        return _bits.size(self.shape) if self.where is None else len(self.where)

    def at(self, where: np.ndarray) -> "Place":
        """Those of them at positions `where` (ascending, counted among them)."""
        return Place(self.shape, where if self.where is None else self.where[where])

    def groups(self, meta: dict) -> int:
        """K, the number of groups that have an element; takes no memory, whatever shape is claimed."""
        return -(-self.size // self._run(meta)) if self.where is None else len(self.counts(meta))

    def counts(self, meta: dict) -> np.ndarray:
        """Elements of each of these groups, (K,)."""
        run = self._run(meta)
        if self.where is None:
            full, rest = divmod(self.size, run)
            return np.append(np.full(full, run), rest) if rest else np.broadcast_to(run, full)
        edges = np.flatnonzero(np.diff(self.where // run)) + 1  # a group ends where its number changes
        return np.diff(np.concatenate([[0], edges, [self.size]])) if self.size else np.zeros(0, np.int64)

    def _run(self, meta: dict) -> int:
        size = _bits.size(self.shape)
        if "group" in meta:
            return _bits.integer(meta, "group", 1, max(size, 1))
        by_row = "axis" in meta and _bits.integer(meta, "axis", 0, 0) == 0 and len(self.shape) > 1
        return max(size // max(self.shape[0], 1) if by_row else size, 1)


def describe(held: Quantised) -> dict:
    """{"axis": 0}, {} or {"group": n}. Raises ModelFileError on groups of uneven length, the last apart."""
    place, rows = Place(held.shape), {"axis": 0} if len(held.shape) > 1 else {}
    if held.scale is None or not held.size:
        return {} if held.scale is None else rows
    for groups in (rows, {}, {"group": max(int(held.counts[0]), 1)}):
        if place.groups(groups) == len(held.counts) and np.array_equal(place.counts(groups), held.counts):
            return groups
    raise ModelFileError("scales are for the tensor, for entries of its first axis, or for runs of one length")


def write(held: Quantised) -> tuple[bytes, dict]:
    """Scales and zero points of a tensor, and their part of its meta."""
    if held.zero is not None and len(held.zero) and not 0 <= held.zero.min() <= held.zero.max() <= 255:
        raise ModelFileError("zero points must lie in 0..255, or with the codes in a range of that width")
    zero = b"" if held.zero is None else held.zero.astype(np.uint8).tobytes()
    parts = [held.scale] if held.negative is None else [held.scale, held.negative]
    stream, width = _bits.floats(np.concatenate(parts))
    meta = {} if held.zero is None else {"zero": 1}
    meta |= {} if held.negative is None else {"negative": 1}
    return stream + zero, meta | ({} if width == 2 else {"scale": width})


def read(stream: bytes, meta: dict, place: Place, code_bytes: int) -> tuple[bytes, dict]:
    """The codes' part of the stream and the fields of `Quantised` before it; lengths are checked first."""
    width = _bits.integer(meta, "scale", 4, 4) if "scale" in meta else 2
    pair = 1 + (_bits.integer(meta, "negative", 1, 1) if "negative" in meta else 0)
    zero = _bits.integer(meta, "zero", 1, 1) if "zero" in meta else 0
    groups = place.groups(meta)
    at = groups * width * pair
    _bits.check_length(stream, at + groups * zero + code_bytes, meta["codec"])
    scales = np.frombuffer(stream, f"<f{width}", groups * pair).astype(np.float32).reshape(pair, groups)
    fields = {"scale": scales[0], "counts": place.counts(meta), "negative": scales[1] if pair == 2 else None,
              "zero": np.frombuffer(stream, np.uint8, groups, at) if zero else None}
    return stream[at + groups * zero :], fields
