"""Quantisers: modules that map a weight tensor to its quantised values, with a gradient, for `FakeQuantise`.

What is trained is what is stored: `held` says the same values as codes with scales or a table.
"""

import torch
from torch import nn

from litecast.codecs import Quantised


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

    codes: int64, the weight's shape. table (N,): values; a Parameter given to several is shared by them. zero: the
    first entry is 0 and stays. moves: codes are those of the nearest values of the trained weight, to which the
    gradient passes straight through.
    """

    def __init__(self, codes: torch.Tensor, table: torch.Tensor, zero: bool = False, moves: bool = False):
        super().__init__()
        self.register_buffer("codes", codes.long())
        self.table = table if isinstance(table, nn.Parameter) else nn.Parameter(table.detach().clone().float())
        self.zero, self.moves = zero, moves

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if self.moves:
            self.codes = nearest(values.detach(), self._table().detach())
        chosen = self._table()[self.codes]
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
