"""What quantisation decided: codes and what they stand for. Codecs pack it, exactly; only whoever made it rounds."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.fft import idctn

from litecast.errors import ModelFileError


@dataclass(frozen=True, eq=False)
class Quantised:
    """A tensor as codes with scales, as codes with a table, or as plain floats; `values()` says which float32 it is.

    codes: the tensor's shape; integers, or float32 where nothing was quantised (no scale, no table). scale (K,): one
    per group; value = scale * (code - zero). zero (K,): integer zero points. negative (K,): the scale of codes below
    zero, where it is another (pairs of trained ternary quantisation). table (N,): value = table[code]; or (N, D): each
    code stands for D neighbours of the last axis. shared: the table's name, where several tensors have it in common.
    counts (K,): elements of each group along the flattened tensor; None = one group, or K of one length.
    Raises ModelFileError where these do not fit each other.
    """

    codes: np.ndarray
    scale: np.ndarray | None = None
    zero: np.ndarray | None = None
    negative: np.ndarray | None = None
    table: np.ndarray | None = None
    shared: str | None = None
    counts: np.ndarray | None = None

    def __post_init__(self):
        plain = self.scale is None and self.table is None
        self._set("codes", np.asarray(self.codes, np.float32 if plain else None))
        for name in ("scale", "negative", "table", "zero", "counts"):
            if getattr(self, name) is not None:
                kind = None if name in ("zero", "counts") else np.float32
                self._set(name, np.atleast_1d(np.asarray(getattr(self, name), kind)))
        if self.scale is not None and self.counts is None:
            self._set("counts", np.full(len(self.scale), self.size // max(len(self.scale), 1)))
        grouped = {len(part) for part in (self.scale, self.zero, self.negative, self.counts) if part is not None}
        if plain:
            fits = not grouped and self.shared is None
        elif self.table is None:
            fits = len(grouped) == 1 and self.counts.sum() == self.size
        else:
            low, high = (self.codes.min(), self.codes.max()) if self.codes.size else (0, -1)
            fits = not grouped and 0 <= low and high < len(self.table)
            fits = fits and self.table.ndim in (1, 2) and self.table.ndim <= 1 + self.codes.ndim
        if not fits or not (plain or self.codes.dtype.kind in "iu"):
            raise ModelFileError("quantised tensor: its codes, scales, table and groups do not fit each other")

    def _set(self, name: str, value: np.ndarray) -> None:
        object.__setattr__(self, name, value)  # the only way into a frozen class

    @property
    def dim(self) -> int:
        """Elements that one code stands for."""
        return self.table.shape[1] if self.table is not None and self.table.ndim == 2 else 1

    @property
    def size(self) -> int:
        return self.codes.size * self.dim

    @property
    def shape(self) -> tuple[int, ...]:
        shape = self.codes.shape
        return shape if self.dim == 1 else (*shape[:-1], shape[-1] * self.dim)

    def values(self) -> np.ndarray:
        """The tensor itself, float32, bit for bit what every decoder makes of it."""
        if self.table is not None:
            return self.table[self.codes].reshape(self.shape)
        if self.scale is None:
            return self.codes
        codes = self.codes.ravel()
        if self.zero is not None:
            codes = codes.astype(np.int32) - np.repeat(self.zero, self.counts)
        values = np.repeat(self.scale, self.counts)
        if self.negative is not None:
            values = np.where(codes < 0, np.repeat(self.negative, self.counts), values)
        with np.errstate(over="ignore", invalid="ignore"):  # of scales near the end of float32, or from a damaged file
            np.multiply(values, codes.astype(np.float32), out=values)
        return values.reshape(self.codes.shape)

    def nonzero(self) -> np.ndarray:
        """Ascending flat positions of the elements that are not zero, (n,); with a table of rows, of whole rows."""
        rows = np.flatnonzero(self.values().reshape(-1, self.dim).any(1))
        return (rows[:, None] * self.dim + np.arange(self.dim)).ravel()

    def take(self, where: np.ndarray) -> "Quantised":
        """The elements at ascending flat positions `where` (n,), flat; groups that keep none vanish with their scale.

        With a table of rows, `where` must name whole rows.
        """
        where = np.asarray(where, np.int64)
        codes = self.codes.ravel()[where[:: self.dim] // self.dim]
        if self.scale is None:
            return Quantised(codes, table=self.table, shared=self.shared)
        group = np.searchsorted(np.cumsum(self.counts), where, side="right")
        kept, counts = np.unique(group, return_counts=True)
        parts = (None if part is None else part[kept] for part in (self.scale, self.zero, self.negative))
        return Quantised(codes, *parts, counts=counts)

    def shaped(self, shape: tuple[int, ...]) -> "Quantised":
        """The same in another shape, of as many elements; not with a table of rows."""
        return replace(self, codes=self.codes.reshape(shape))


@dataclass(frozen=True, eq=False)
class Product:
    """A tensor of `shape` as left (R, K) @ right (K, M), R * M elements; see codecs/product.

    cosines: (A, B), then right, in its shape (K * A, B), is the cosine transform of A x B = M values a row.
    """

    left: Quantised
    right: Quantised
    shape: tuple[int, ...]
    cosines: tuple[int, ...] = ()

    dim, shared, scale, table = 1, None, None, None  # what else is asked of codes

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def values(self) -> np.ndarray:
        """The tensor itself, float32, as every decoder makes it."""
        left, right = (part.values().astype(np.float64) for part in (self.left, self.right))
        if self.cosines:
            right = idctn(right.reshape(-1, *self.cosines), axes=(1, 2), norm="ortho")
        return (left @ right.reshape(left.shape[1], -1)).astype(np.float32).reshape(self.shape)
