"""Quantisers: modules that map a weight tensor to its quantised values, with a gradient, for `FakeQuantise`.

What is trained is what is stored: `held` says the same values as codes with scales or a table.
"""


import torch
from torch import nn

from litecast.codecs import Product, Quantised
from litecast.compress import storages
from litecast.models.usual import waves

FIRST, TINY = 0.25, 1e-4  # first step of `Unbounded`, in standard deviations; no step starts smaller


class Uniform(nn.Module):
    """Symmetric integers of `bits` with a step per tensor, or per row (axis 0): values = step * code.

    learned: the step is trained, its gradient scaled by 1 / sqrt(n * largest code) (LSQ: Esser et al., ICLR 2020);
    else it follows the largest magnitude. `codes` and `steps` say what the values are made of, exactly.
    """

    def __init__(self, bits: int, axis: int | None = None, learned: bool = False):
        super().__init__()
        self.top, self.axis, self.learned = 2 ** (bits - 1) - 1, axis, learned
        self.step: nn.Parameter | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        steps = self._steps(values)
        scaled = (values / steps).clamp(-self.top, self.top)
        return (scaled + (scaled.round() - scaled).detach()) * steps  # exactly the rounded one, straight through

    @torch.no_grad()
    def codes(self, values: torch.Tensor) -> torch.Tensor:
        """Integers of the tensor's shape, -top … top."""
        return (values / self._steps(values)).clamp(-self.top, self.top).round().to(torch.int32)

    @torch.no_grad()
    def steps(self, values: torch.Tensor) -> torch.Tensor:
        """Steps (K,): one, or one per row."""
        return self._steps(values).flatten()

    def _steps(self, values: torch.Tensor) -> torch.Tensor:
        by_row = self.axis == 0 and values.ndim > 1
        rows = values.detach().abs().reshape(len(values) if by_row else 1, -1)
        shape = [len(rows), *[1] * (values.ndim - 1)] if values.ndim else []
        if not self.learned:
            return rows.amax(1).clamp(min=1e-12).reshape(shape) / self.top
        if self.step is None:  # as in the paper: twice the mean magnitude over the root of the largest code
            self.step = nn.Parameter((2 * rows.mean(1) / self.top**0.5).clamp(min=1e-12).reshape(shape))
        step = self.step.abs()
        scaled = step * (values.numel() / step.numel() * self.top) ** -0.5
        return step.detach() + (scaled - scaled.detach())  # the step itself, with a smaller gradient

    def held(self, values: torch.Tensor) -> Quantised:
        """The tensor as it is stored."""
        return Quantised(self.codes(values).numpy(), self.steps(values).numpy())


class Codebook(nn.Module):
    """Values of a table by fixed codes; the table is trained, the gradients of all weights of a code summed (Han et
    al., "Deep compression", ICLR 2016).

    codes: int64, the weight's shape. table (N,): values; a Parameter given to several is shared by them; or (N, D):
    rows of D neighbours, which take D times fewer codes (product quantisation). zero: the first entry is 0 and stays.
    moves: codes are those of the nearest values of the trained weight, to which the gradient passes straight through.
    """

    def __init__(self, codes: torch.Tensor, table: torch.Tensor, zero: bool = False, moves: bool = False):
        super().__init__()
        self.register_buffer("codes", codes.long())
        self.table = table if isinstance(table, nn.Parameter) else nn.Parameter(table.detach().clone().float())
        self.zero, self.moves = zero, moves

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if self.moves:
            self.codes = nearest(values.detach(), self._table().detach())
        chosen = self._table()[self.codes].view_as(values)
        return chosen + (values - values.detach()) if self.moves else chosen

    def held(self, shared: str | None = None) -> Quantised:
        """The tensor as it is stored; shared: the table's name, where tensors have it in common."""
        return Quantised(self.codes.cpu().numpy(), table=self._table().detach().cpu().numpy(), shared=shared)

    def _table(self) -> torch.Tensor:
        return torch.cat([self.table.new_zeros(1), self.table[1:]]) if self.zero else self.table


def nearest(values: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Codes, int64, of the entries of a table (N,), in any order, that values lie nearest to; ties to the lower."""
    ordered, place = table.sort()
    borders = (ordered[1:] + ordered[:-1]) / 2
    return place[torch.bucketize(values, borders)]


class Unbounded(nn.Module):
    """Integers of any size times one learnt step."""

    def __init__(self, values: torch.Tensor, first: float | None = None):
        """first: the step to begin with; default a quarter of the values' standard deviation."""
        super().__init__()
        spread = values.detach().std() if values.numel() > 1 else values.detach().abs().mean()
        step = (FIRST * spread).clamp(min=TINY) if first is None else torch.tensor(first)
        self.log_step = nn.Parameter(step.log())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        [scaled] = self.scaled(values)
        return (scaled + (scaled.round() - scaled).detach()) * self.log_step.exp()

    def scaled(self, values: torch.Tensor) -> list[torch.Tensor]:
        """The codes before they are rounded: what a price can be put on."""
        return [values / self.log_step.exp()]

    @torch.no_grad()
    def held(self, values: torch.Tensor) -> Quantised:
        """The tensor as it is stored, its step in float16 where that is fine enough."""
        [scaled] = self.scaled(values)
        step = storages.stored(self.log_step.exp().cpu().numpy().reshape(1))
        return Quantised(scaled.round().to(torch.int32).cpu().numpy(), step)


class LowRank(nn.Module):
    """A table of R rows of A x B values as numbers of each row times a few patterns, these by their cosines.

    Both factors are trained in place of the table, in `Unbounded` steps; they start from its singular vectors. A price
    on bits empties what is not worth its place, so the rank needs no choice.
    """

    def __init__(self, table: torch.Tensor, shape: tuple[int, int, int], rank: int, first: float = 0.1):
        """table: of R * A * B values; shape: (R, A, B); rank: patterns at most; first: steps to begin with, of numbers
        that are about 1 for each row."""
        super().__init__()
        rows, self.cosines = shape[0], tuple(shape[1:])
        u, s, v = torch.linalg.svd(table.detach().reshape(rows, -1), full_matrices=False)
        kept, size = min(rank, len(s)), rows**0.5
        patterns = (s[:kept, None] * v[:kept] / size).reshape(kept, *self.cosines)
        self.left = nn.Parameter(u[:, :kept] * size)
        self.right = nn.Parameter(torch.einsum("kab,xa,yb->kxy", patterns, *self._waves(table.device)))
        self.steps = nn.ModuleList([Unbounded(self.left, first), Unbounded(self.right, first)])

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        left, right = (steps(factor) for steps, factor in zip(self.steps, (self.left, self.right), strict=True))
        patterns = torch.einsum("kxy,xa,yb->kab", right, *self._waves(right.device))
        return (left @ patterns.flatten(1)).reshape(values.shape)

    def scaled(self, values: torch.Tensor) -> list[torch.Tensor]:
        return [*self.steps[0].scaled(self.left), *self.steps[1].scaled(self.right)]

    def held(self, values: torch.Tensor) -> Product:
        """The table as it is stored; patterns that are empty, or that no row has, are left out."""
        left, right = self.steps[0].held(self.left), self.steps[1].held(self.right)
        used = left.codes.any(0) & right.codes.any((1, 2))
        used[0] = True  # a product has one at least
        rows, patterns = Quantised(left.codes[:, used], left.scale), right.codes[used].reshape(-1, self.cosines[1])
        return Product(rows, Quantised(patterns, right.scale), tuple(values.shape), self.cosines)

    def _waves(self, device) -> list[torch.Tensor]:
        return [waves(n, n, device) for n in self.cosines]
