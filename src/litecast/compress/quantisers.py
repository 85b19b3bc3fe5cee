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
    """Symmetric integers of `bits` with a step per tensor, or per row (axis 0): values = step * code; 2 bits are the
    three values -1, 0, 1.

    learned: the step is trained, its gradient scaled by 1 / sqrt(n * largest code) (LSQ: Esser et al., ICLR 2020); else
    it follows the largest magnitude. It starts where the squared error is least, since a retraining is short, and its
    logarithm is what the optimiser moves: Adam's stride knows nothing of a parameter's size. Steps are float16 numbers,
    as the file holds them. `codes` and `steps` say what the values are made of, exactly.
    """

    def __init__(self, bits: int, axis: int | None = None, learned: bool = False):
        super().__init__()
        self.top, self.axis, self.learned = 2 ** (bits - 1) - 1, axis, learned
        self.log_step: nn.Parameter | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        steps = self._steps(values)
        scaled = values / steps
        scaled = scaled.clamp(-self.top, self.top) if self.learned else scaled  # else only rounding puts one outside
        codes = scaled.round().clamp(-self.top, self.top)
        return (scaled + (codes - scaled).detach()) * steps  # exactly the rounded one, straight through

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
        rows = values.detach().reshape(len(values) if by_row else 1, -1)
        shape = [len(rows), *[1] * (values.ndim - 1)] if values.ndim else []
        if not self.learned:
            return short(_positive(rows.abs().amax(1) / self.top)).reshape(shape)
        if self.log_step is None:
            self.log_step = nn.Parameter(fitted(rows, -self.top, self.top).reshape(shape).log())
        return learned_step(self.log_step, values.numel() / self.log_step.numel() * self.top)

    def held(self, values: torch.Tensor) -> Quantised:
        """The tensor as it is stored."""
        return Quantised(self.codes(values).numpy(), self.steps(values).numpy())


class Inputs(nn.Module):
    """What enters a layer in codes 0 … 2**bits - 1, its step trained (LSQ); zero: the code that means 0.

    Starts from x, inputs that were seen: zero from their range, the step of least squared error. It computes what
    `models.wrappers.ActivationQuantiser` does, of which `numbers` are those.
    """

    def __init__(self, bits: int, x: torch.Tensor):
        super().__init__()
        low, high = x.min().clamp(max=0), x.max().clamp(min=1e-6)
        self.bits, self.zero = bits, round(float(-low / (high - low)) * (2**bits - 1))
        self.low, self.high = -self.zero, 2**bits - 1 - self.zero
        self.log_step = nn.Parameter(fitted(x.reshape(1, -1), self.low, self.high)[0].log())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        step = learned_step(self.log_step, x[0].numel() * max(self.high, 1))
        scaled = (x / step).clamp(self.low, self.high)
        return (scaled + (scaled.round() - scaled).detach()) * step

    def numbers(self) -> dict:
        """What the file says of the layer: {"bits", "scale", "zero"}."""
        return {"bits": self.bits, "scale": learned_step(self.log_step.detach(), 1).item(), "zero": self.zero}


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


class Binary(nn.Module):
    """Signs times the mean magnitude of their row (axis 0): the best such approximation (Rastegari et al., "XNOR-Net",
    ECCV 2016).

    The gradient of a sign passes straight through where |value| <= 1; that of the mean is exact, as in the authors'
    program (the paper's formula keeps only a weight's own share of it).
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        size = values.flatten(1).abs().mean(1)
        size = size + (short(size.detach()) - size.detach())
        inside = values.clamp(-1, 1)
        signs = _signs(values) + (inside - inside.detach())
        return signs * size.reshape(-1, *[1] * (values.ndim - 1))

    @torch.no_grad()
    def held(self, values: torch.Tensor) -> Quantised:
        """The tensor as it is stored."""
        return Quantised(_signs(values).to(torch.int8).numpy(), short(values.flatten(1).abs().mean(1)).numpy())


class Ternary(nn.Module):
    """-n, 0 or p: what exceeds `edge` times the largest magnitude is one of two trained scales of the tensor, the rest
    zero (TTQ: Zhu et al., "Trained ternary quantization", ICLR 2017).

    The gradient of p is the sum of those where it stands, of -n likewise; a weight's own is times p, 1 or n. Scales
    start as the mean magnitudes of what they stand for; their logarithms are trained, see `Uniform`.
    """

    def __init__(self, edge: float = 0.05):
        super().__init__()
        self.edge, self.log_pair, self.codes = edge, None, None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        edge = self.edge * values.detach().abs().max()
        up, down = values > edge, values < -edge
        if self.log_pair is None:
            sides = [(values.detach().abs() * side).sum() / side.sum().clamp(min=1) for side in (up, down)]
            self.log_pair = nn.Parameter(_positive(torch.stack(sides)).log())
        self.codes = up.to(torch.int8) - down.to(torch.int8)
        more, less = learned_step(self.log_pair, 1)
        own = values * torch.where(up, more, torch.where(down, less, 1.0)).detach()
        return torch.where(up, more, torch.where(down, -less, 0.0)) + (own - own.detach())

    @torch.no_grad()
    def held(self, values: torch.Tensor) -> Quantised:
        """The tensor as it is stored: the codes that were computed last."""
        more, less = learned_step(self.log_pair, 1).cpu().numpy()
        return Quantised(self.codes.cpu().numpy(), [more], negative=[less])


def _signs(values: torch.Tensor) -> torch.Tensor:
    return torch.where(values >= 0, 1.0, -1.0)


def learned_step(log_step: torch.Tensor, size: float) -> torch.Tensor:
    """The step, a float16 number, with its gradient over sqrt(size) (Esser et al., ICLR 2020, section 2.2)."""
    step = log_step.exp()
    scaled = step * size**-0.5
    return short(step.detach()) + (scaled - scaled.detach())


def short(steps: torch.Tensor) -> torch.Tensor:
    """Positive steps as float16 holds them, unless that moves one by more than 2**-10 of itself."""
    half = steps.half().float()
    return half if bool(((half - steps).abs() <= steps * 2.0**-10).all()) else steps


def fitted(rows: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Steps (K,) of rows (K, n) whose codes low … high leave the least squared error: of 64, the largest reaches the
    row's ends, the smallest is 1/32 of it. A row of zeros has some positive step."""
    ends = torch.maximum(rows.amax(1) / max(high, 1), -rows.amin(1) / max(-low, 1))
    ends = _positive(ends)
    best, least = ends, torch.full_like(ends, torch.inf)
    for part in torch.logspace(-5, 0, 64, base=2.0, device=rows.device):
        steps = (ends * part)[:, None]
        off = ((rows / steps).round().clamp(low, high) * steps - rows).square().sum(1)
        best, least = torch.where(off < least, steps[:, 0], best), torch.minimum(off, least)
    return best


def rounded(values: torch.Tensor, bits: int, run: int) -> Quantised:
    """To the nearest of 2**bits - 1 levels around zero; `run` neighbours of the flattened tensor (the last may be
    fewer) share the step that leaves the least squared error, a float16 number."""
    flat, top = values.detach().float().flatten(), 2 ** (bits - 1) - 1
    rows = nn.functional.pad(flat, (0, -len(flat) % run)).reshape(-1, run)
    steps = short(fitted(rows, -top, top))
    codes = (rows / steps[:, None]).round().clamp(-top, top).flatten()[: len(flat)].to(torch.int32)
    counts = [run] * (len(flat) // run) + [len(flat) % run] * (len(flat) % run > 0)
    return Quantised(codes.reshape(values.shape).numpy(), steps.numpy(), counts=counts)


def _positive(steps: torch.Tensor) -> torch.Tensor:
    return torch.where(steps > 0, steps, torch.full_like(steps, 2.0**-14))  # any would do: all codes are 0
