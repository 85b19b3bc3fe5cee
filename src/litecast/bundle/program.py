"""A forecaster as a small typed program: what every writer of a bundle reads. The package's docstring says what each op
computes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from litecast.codecs.quantised import Quantised

INT, TABLE, FLOAT = "int", "table", "float"
ENTRIES = 256  # of a table, whose indices are bytes


@dataclass(frozen=True, eq=False)
class Tensor:
    """A weight as the file holds it. kind:

    int    codes (shape), int8 or int16; scale (K,), float32: value i, flat, is scale[i // run] * codes[i]
    table  codes (shape), uint8; scale (N,), float32, the table: value i is scale[codes[i]]
    float  codes (shape), float32: the values; scale is empty

    bits: that hold every code (two's complement where kind is int), 1 to 16; 32 for floats.
    """

    kind: str
    codes: np.ndarray
    scale: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    run: int = 0
    bits: int = 32

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def size(self) -> int:
        return self.codes.size

    @property
    def bytes(self) -> int:
        """Of codes, packed to whole bytes, and scales."""
        return -(-self.size * self.bits // 8) + self.scale.nbytes

    def values(self) -> np.ndarray:
        """float32, the tensor's shape, bit for bit what the model file decodes to."""
        if self.kind == FLOAT:
            return self.codes
        if self.kind == TABLE:
            return self.scale[self.codes]
        scale = np.repeat(self.scale, self.run)[: self.size].reshape(self.shape)
        return scale * self.codes.astype(np.float32)


def tensor(held: Quantised | np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """The shortest exact form of what a file holds of a tensor: its codes, a table of its values, or its values."""
    if getattr(held, "scale", None) is not None and held.negative is None and held.size:
        zero = 0 if held.zero is None else np.repeat(held.zero.astype(np.int64), held.counts)
        codes = held.codes.ravel().astype(np.int64) - zero
        bits = int(max(-codes.min(), codes.max() + 1) - 1).bit_length() + 1
        if bits <= 16:
            kind, run = np.int8 if bits <= 8 else np.int16, int(held.counts[0])
            return Tensor(INT, codes.astype(kind).reshape(shape), held.scale.astype(np.float32), run, bits)
    values = (held if isinstance(held, np.ndarray) else held.values()).astype(np.float32).reshape(shape)
    entries, codes = np.unique(values, return_inverse=True)
    if len(entries) <= ENTRIES and values.size + 4 * len(entries) < 4 * values.size:
        bits = max(1, (len(entries) - 1).bit_length())
        return Tensor(TABLE, codes.astype(np.uint8).reshape(shape), entries, bits=bits)
    return Tensor(FLOAT, values)


@dataclass(frozen=True)
class Op:
    """One step. inputs: names of inputs of the program, or what earlier ops made; out: the name of what it makes, a
    vector of `size` numbers; weights: role -> name of a tensor; numbers: what else the op is told, whole or float."""

    kind: str
    out: str
    size: int
    inputs: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, int | float] = field(default_factory=dict)

    def described(self) -> dict:
        """One flat object of JSON."""
        return {"op": self.kind, "out": self.out, "size": self.size, "in": list(self.inputs)} | dict(
            self.weights) | dict(self.numbers)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """inputs: name -> size of those that are read (x, known, types, steps). known: steps of the horizon whose calendar
    is `known`, F values each. calendar: weekdays, kinds, steps of a day, special (1 or 0), for cells and types.
    output: what the last op makes, (H,), scaled units."""

    inputs: Mapping[str, int]
    ops: tuple[Op, ...]
    tensors: Mapping[str, Tensor]
    known: tuple[int, ...]
    calendar: Mapping[str, int]

    @property
    def output(self) -> str:
        return self.ops[-1].out

    def sizes(self) -> dict[str, int]:
        """Of every vector, inputs first."""
        return dict(self.inputs) | {op.out: op.size for op in self.ops}

    def described(self) -> dict:
        """JSON-able, without the tensors."""
        return {"inputs": dict(self.inputs), "known": list(self.known), "calendar": dict(self.calendar),
                "output": self.output, "ops": [op.described() for op in self.ops]}  # fmt: skip
