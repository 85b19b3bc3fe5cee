"""Groups that share a scale: how they are described, found again among the elements a stream holds, and written.

meta: "axis": 0 is a group for each entry of the first axis (one where there is a single axis); "group": n runs of n
elements along the flattened tensor, the last may be shorter; neither: one group. Groups without an element have no
scale. Stream: scales, scales of negative codes ("negative": 1), zero points (uint8, "zero": 1), then the codes.
Scales are float16 where each is one exactly, else float32 ("scale": 4).
"""

import math
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
        return math.prod(self.shape) if self.where is None else len(self.where)

    def at(self, where: np.ndarray) -> "Place":
        """Those of them at positions `where` (ascending, counted among them)."""
        return Place(self.shape, where if self.where is None else self.where[where])

    def counts(self, meta: dict, most: float = math.inf) -> np.ndarray:
        """Elements of each group that has one, (K,); if K > most, ModelFileError before anything is allocated."""
        size = math.prod(self.shape)
        by_row = _bits.integer(meta, "axis", 0, 0, absent=1) == 0 and len(self.shape) > 1
        run = max(size // max(self.shape[0], 1) if by_row else size, 1)
        run = _bits.integer(meta, "group", 1, max(size, 1), absent=run)
        if self.size <= most * run:  # beyond it there are more, wherever the elements stand
            edges = (np.append(np.arange(0, size, run), size) if self.where is None else
                     np.flatnonzero(np.diff(self.where // run, prepend=-1, append=-1)))  # a group's number changes
            if len(edges) - 1 <= most:
                return np.diff(edges)
        raise ModelFileError("the stream is too short for the scales of its groups; the file is damaged")


def describe(held: Quantised) -> dict:
    """{"axis": 0}, {} or {"group": n}. Raises ModelFileError on groups of uneven length, the last apart."""
    place, rows = Place(held.shape), {"axis": 0} if len(held.shape) > 1 else {}
    if held.scale is None or not held.size:
        return {} if held.scale is None else rows
    for groups in (rows, {}, {"group": max(int(held.counts[0]), 1)}):
        if np.array_equal(place.counts(groups), held.counts):
            return groups
    raise ModelFileError("scales are for the tensor, for entries of its first axis, or for runs of one length")


def write(held: Quantised, groups: dict) -> tuple[bytes, dict]:
    """Scales and zero points of a tensor, and their part of its meta."""
    if held.zero is not None and len(held.zero) and not 0 <= held.zero.min() <= held.zero.max() <= 255:
        raise ModelFileError("zero points must lie in 0..255, or with the codes in a range of that width")
    zero = b"" if held.zero is None else held.zero.astype(np.uint8).tobytes()
    parts = [held.scale] if held.negative is None else [held.scale, held.negative]
    stream, width = _bits.floats(np.concatenate(parts), "scale")
    kinds = {"zero": held.zero, "negative": held.negative}
    return stream + zero, groups | {key: 1 for key, part in kinds.items() if part is not None} | width


def read(stream: bytes, meta: dict, place: Place) -> tuple[bytes, dict]:
    """The codes' part of the stream, and the fields of `Quantised` before it."""
    width, zero = _bits.integer(meta, "scale", 4, 4, absent=2), _bits.integer(meta, "zero", 1, 1, absent=0)
    pair = 1 + _bits.integer(meta, "negative", 1, 1, absent=0)
    counts = place.counts(meta, len(stream) // (width * pair + zero))
    groups, at = len(counts), len(counts) * width * pair
    scales = np.frombuffer(stream, f"<f{width}", groups * pair).astype(np.float32).reshape(pair, groups)
    fields = {"scale": scales[0], "counts": counts, "negative": scales[1] if pair == 2 else None,
              "zero": np.frombuffer(stream, np.uint8, groups, at) if zero else None}
    return stream[at + groups * zero :], fields
