"""Weight sharing: a layer's weights are replaced by the few numbers of a codebook, each weight by its index.

K-means with the starts of Han et al. ("Deep compression", ICLR 2016), its exact optimum, a Gaussian mixture fitted to
the weights, one trained together with them (soft weight-sharing: Nowlan & Hinton 1992; Ullrich, Meeds & Welling, ICLR
2017), and product quantisation (Gong et al. 2014; Stock et al., ICLR 2020). Codes then stay and the numbers of the
codebook are trained again, the gradients of all weights that share one being summed.
"""

import math
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from litecast import codecs, training
from litecast.codecs import Quantised
from litecast.compress import Compressed, Task, clone, codebooks, masking, matrices, quantisers, storages

NEEDS = ("dense",)
FITS = ()
LEVELS = (4, 8, 16, 32, 64, 256)
LEVEL = "entries of a codebook"
VARIANTS = ("kmeans", "density", "random", "exact", "mixture", "soft", "product",
            "exact-shared", "soft-shared", "product-shared")  # fmt: skip
CONTROLS = {}
STORAGES = {"codebook": "torch", "coded": "torch"}  # without the last stage of deep compression, and with it
CHAIN = False
LOOK = 6
NOTE = "Weights are looked up before they are multiplied: its gain is in storage only."

# Ways to write indices: packed, by Huffman's code, by one that learns; and those of what is not zero beside its places.
CODED = ({"codec": "codebook"}, {"codec": "huffman"}, {"codec": "entropy"})
SPARSE = ({"codec": "sparse", "values": CODED[0]}, *CODED[1:],
          *({"codec": "sparse", "coder": one["codec"], "values": one} for one in CODED[1:]))
TOLD = 8  # bytes, about, that a description takes to tell of another code
SHARED = "weights"  # name of the one table of a network; of rows "weights 2"
TOGETHER = (2, 3)  # weights in a row that one code of product quantisation stands for: the first that divides a row
TABLE_SHARE = 0.5  # of the bytes of its codes: what the table of product quantisation may take at most
ZERO = 0.5  # fixed mixing weight of the component at zero
TAU = 0.1  # weight of the mean negative log-likelihood of a weight beside the loss, scaled units
FLOOR = 0.02  # of the spread of the weights: no component gets narrower (in the paper a Gamma prior on the precision)


def compress(task: Task) -> Compressed:
    """Share the numbers of codebooks with `task.level` entries among the weights, then train these numbers again.

    variant: how the codebook is found, a table for each matrix; one that ends in '-shared' has one for all. Every
    variant is trained for `budget.again()` in all; 'soft' trains half of it with the mixture. What is zero stays zero,
    which takes one of the entries, and is stored sparsely; 'product' knows no zeros. Matrices whose codes and table
    would take as much as float16 stay in float16. The file 'coded' holds the same, each matrix by its shortest code.
    Raises ModelFileError on weights that are not finite.
    """
    model, budget, spent, rules = clone(task.start), task.budget.again(), training.Spent(), masking(task.masks)
    if task.variant.startswith("soft"):
        budget = budget.of_steps(budget.steps // 2)
        soft = SoftSharing(model, task.level, task.variant, budget.batch)
        fit = training.fit(model, task.data, budget, task.seed, soft, *rules)
        books, spent = soft.books(model), fit.spent
    else:
        books = shared(model, task.level, task.variant, task.seed)
    start = {name: task.start.get_parameter(name).detach() for name in books}
    found = {name: book(start[name]).detach().clone() for name, book in books.items()}
    fit = training.fit(model, task.data, budget, task.seed, training.FakeQuantise(books), *rules)
    held = {name: _stored(book, task.variant.endswith("-shared")) for name, book in books.items()}
    masks = {name: mask for name, mask in task.masks.items() if name not in books}  # too small for a codebook
    masks |= {name: found[name] != 0 for name, book in books.items() if book.zero}
    spec = {name: SPARSE[0] if book.zero else CODED[0] for name, book in books.items()}
    file = matrices.coded(model, held, spec, "codebook")
    coded = {name: _shortest(held[name], SPARSE if book.zero else CODED) for name, book in books.items()}
    with torch.no_grad():  # what is stored is what is used
        for name, quantised in file.held.items():
            model.state_dict()[name].copy_(torch.from_numpy(quantised.values()).view_as(model.state_dict()[name]))
    story = _story(start, found, held, spec).assign(before=fit.log.val_loss.iloc[0], after=fit.log.val_loss.min())
    files = {"codebook": file, "coded": replace(file, codecs=file.codecs | coded)}
    return Compressed(model, files, spent + fit.spent, masks, story)


def shared(model, entries: int, variant: str, seed: int) -> dict[str, quantisers.Codebook]:
    """Parameter -> codebook, found after training; a variant that ends in '-shared' has one table, a Parameter of all.

    Raises ModelFileError on weights that are not finite.
    """
    books, method = {}, variant.partition("-")[0]
    for weights in _groups(model, entries, variant):
        if method == "product" and _together(next(iter(weights.values()))) > 1:
            books |= _product(weights, entries, variant, seed)
        else:
            values = torch.cat([weight.flatten() for weight in weights.values()])
            books |= _parts(weights, *_found(values, entries, "exact" if method == "product" else method, seed))
    return books


def _groups(model, entries: int, variant: str) -> list[dict[str, torch.Tensor]]:
    """Parameter -> weights of those that have a table in common; without those that float16 holds in fewer bytes."""
    found, product = matrices.of(model), variant.startswith("product")
    for weight in found.values():
        storages.half(weight.numpy())  # refuses what is not finite
    if variant.endswith("-shared"):
        dims = {name: _together(w) if product else 1 for name, w in found.items()}
        return [{name: w for name, w in found.items() if dims[name] == dim} for dim in sorted(set(dims.values()))]
    return [{name: w} for name, w in found.items() if _bytes(w.numel(), entries) < 2 * w.numel()]


def _bytes(count: int, entries: int, dim: int = 1) -> float:
    """Of codes and table, float16."""
    return count // dim * max(1, (entries - 1).bit_length()) / 8 + 2 * entries * dim


def _found(values: torch.Tensor, entries: int, method: str, seed: int) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """Codes (N,) and float16 table of values (N,), and whether the table begins with a zero that has to stay."""
    kept = values != 0
    zero, alive = not bool(kept.all()), values[kept].numpy()
    codes, table = torch.zeros(len(values), dtype=torch.int64), np.zeros(0)
    if method == "mixture" and len(alive):
        table, own = codebooks.responsible(alive, entries - zero, seed)
        codes[kept] = torch.from_numpy(own) + zero
    elif len(alive):
        table = codebooks.METHODS[method](alive, entries - zero, seed)
        codes[kept] = quantisers.nearest(values[kept], _half(table)) + zero
    return codes, _half(np.concatenate([np.zeros(int(zero)), table])), zero


def _parts(weights: Mapping[str, torch.Tensor], codes: torch.Tensor, table: torch.Tensor, zero: bool) -> dict:
    """The codes of several weights, one behind the other, as codebooks with one table."""
    table, parts = nn.Parameter(table), codes.split([w.numel() for w in weights.values()])
    return {name: quantisers.Codebook(part.view_as(weight), table, zero)
            for (name, weight), part in zip(weights.items(), parts, strict=True)}


def _together(weight: torch.Tensor) -> int:
    """Neighbours in a row of a weight (its inputs, taps last) that one code stands for; 1 where none divides a row."""
    return next((dim for dim in TOGETHER if weight[0].numel() % dim == 0), 1)


def _product(weights: Mapping[str, torch.Tensor], entries: int, variant: str, seed: int) -> dict:
    """Codebooks of rows; an own table is halved until it takes no more than TABLE_SHARE of the bytes of its codes."""
    dim = _together(next(iter(weights.values())))
    rows = torch.cat([weight.reshape(-1, dim) for weight in weights.values()])
    while entries > 2 and variant == "product" and _heavy(rows.numel(), entries, dim):
        entries //= 2
    table = nn.Parameter(_half(codebooks.rows(rows.numpy(), entries, seed)))
    codes = torch.cdist(rows, table.detach(), compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    parts = codes.split([weight.numel() // dim for weight in weights.values()])
    return {name: quantisers.Codebook(part.view(len(weight), -1), table)
            for (name, weight), part in zip(weights.items(), parts, strict=True)}


def _heavy(count: int, entries: int, dim: int) -> bool:
    table = 2 * entries * dim
    return table > TABLE_SHARE * (_bytes(count, entries, dim) - table)


def _half(table: np.ndarray) -> torch.Tensor:
    """What a float16 table says, float32."""
    return torch.from_numpy(storages.half(np.asarray(table)).values().copy())


def _stored(book: quantisers.Codebook, together: bool) -> Quantised:
    held = book.held()
    name = (SHARED if held.dim == 1 else f"{SHARED} {held.dim}") if together else None
    return Quantised(held.codes, table=storages.half(held.table).values(), shared=name)


def _shortest(held: Quantised, specs: tuple) -> dict:
    """Of these the spec of the fewest bytes; any but the first has to be told in the description."""
    return min(specs, key=lambda spec: len(codecs.encode(held, spec)[0]) + TOLD * (spec is not specs[0]))


def _story(start: Mapping, found: Mapping, held: Mapping[str, Quantised], spec: Mapping) -> pd.DataFrame:
    """A line per matrix: weights, entries of its table, weights per code, share of zeros; squared error of the shared
    weights, of the weights' own squares, as found (error) and trained (moved); bytes of codes, places and own table."""
    lines = []
    for name, quantised in held.items():
        size = float(start[name].square().sum()) or 1.0
        now = torch.from_numpy(quantised.values()).view_as(start[name])
        gaps = [float((values - start[name]).square().sum()) / size for values in (found[name], now)]
        stream, meta = codecs.encode(quantised, spec[name])
        while "values" in meta:
            meta = meta["values"]
        table = 0 if quantised.shared else meta["entries"] * quantised.dim * meta.get("table", 2)
        zeros = float((now == 0).float().mean())
        lines.append((name, quantised.size, meta["entries"], quantised.dim, zeros, *gaps, len(stream) - table, table))
    told = ["layer", "weights", "entries", "dim", "zeros", "error", "moved", "codes", "table"]
    return pd.DataFrame(lines, columns=told)


class Mixture(nn.Module):
    """Prior of weights (N,): entries - 1 Gaussians whose means, widths and shares are trained, and one at zero with
    the fixed share ZERO. Means start where a K-means from quantiles ends: a retraining is too short
    to get away from evenly spaced ones (Ullrich et al.)."""

    def __init__(self, weights: torch.Tensor, entries: int):
        super().__init__()
        spread = float(weights.std(correction=0)) + 1e-12
        self.means = nn.Parameter(torch.from_numpy(codebooks.density(weights.numpy(), entries - 1)).float())
        self.widths = nn.Parameter(torch.full([1 + len(self.means)], math.log(spread / entries)))  # logarithms
        self.shares = nn.Parameter(torch.zeros(len(self.means)))  # logits
        self.floor = math.log(FLOOR * spread)

    @property
    def table(self) -> torch.Tensor:
        """Zero, then the means, (entries,) or fewer."""
        return torch.cat([self.means.new_zeros(1), self.means])

    def parts(self, weights: torch.Tensor) -> torch.Tensor:
        """log(share * density) of each component, (N, entries)."""
        shares = math.log(1 - ZERO) + self.shares.log_softmax(0)
        shares = torch.cat([shares.new_full([1], math.log(ZERO)), shares])
        widths = self.widths.clamp(min=self.floor)
        gaps = (weights[:, None] - self.table) / widths.exp()
        return shares - widths - 0.5 * math.log(2 * math.pi) - 0.5 * gaps.square()

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        """Mean negative log-likelihood of a weight, ()."""
        return -self.parts(weights).logsumexp(1).mean()

    def codes(self, weights: torch.Tensor) -> torch.Tensor:
        """Component that is most responsible for each weight, (N,)."""
        return self.parts(weights).argmax(1)


class SoftSharing(training.Rule):
    """loss + TAU * mean negative log-likelihood of the weights under mixtures that are trained along; what is zero
    stays zero and has no part in it.

    Judged, and kept, is the network whose weights are the means of the components most responsible for them.
    """

    def __init__(self, model, entries: int, variant: str, batch: int):
        self._groups = [{name: weight != 0 for name, weight in group.items()}
                        for group in _groups(model, entries, variant)]
        self.mixtures = [Mixture(self._alive(model, kept).detach(), entries) for kept in self._groups]
        self._batch = batch

    def prepare(self, model):
        on = next(model.parameters()).device
        self._model, self.mixtures = model, [mixture.to(on) for mixture in self.mixtures]
        self._groups = [{name: mask.to(on) for name, mask in kept.items()} for kept in self._groups]

    def loss(self, loss, window, y, yhat):
        alive = [self._alive(self._model, kept) for kept in self._groups]
        said = sum(mixture(weights) * len(weights) for mixture, weights in zip(self.mixtures, alive, strict=True))
        return loss + TAU * said / sum(map(len, alive))

    @torch.no_grad()
    def after_step(self, share):
        for kept in self._groups:
            for name, mask in kept.items():
                self._model.get_parameter(name).mul_(mask)

    @contextmanager
    def looking(self, model):
        own = {name: model.get_parameter(name).detach().clone() for kept in self._groups for name in kept}
        self._put(model, self._collapsed(own))
        yield
        self._put(model, own)

    def parameters(self):
        return [p for mixture in self.mixtures for p in mixture.parameters()]

    def macs(self):
        """Two products for each weight and component, there and back, of a batch."""
        products = sum(2 * len(m.widths) * int(sum(map(torch.sum, kept.values()))) for m, kept in self._each())
        return training.BACKWARD * products // self._batch

    def books(self, model) -> dict[str, quantisers.Codebook]:
        """Parameter -> codebook of a trained network, whose weights are entries of the tables."""
        books = {}
        for mixture, kept in self._each():
            weights = {name: model.get_parameter(name).detach() for name in kept}
            values, table = torch.cat([w.flatten() for w in weights.values()]), self._table(mixture)
            books |= _parts(weights, quantisers.nearest(values, table).where(values != 0, 0), table, zero=True)
        return books

    def _each(self):
        return zip(self.mixtures, self._groups, strict=True)

    def _alive(self, model, kept: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([model.get_parameter(name)[mask] for name, mask in kept.items()])

    def _table(self, mixture: Mixture) -> torch.Tensor:
        return _half(mixture.table.detach().cpu().numpy())

    @torch.no_grad()
    def _collapsed(self, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: self._table(mixture).to(mask.device)[mixture.codes(weights[name].flatten())].view_as(mask) * mask
                for mixture, kept in self._each() for name, mask in kept.items()}  # fmt: skip

    @torch.no_grad()
    def _put(self, model, weights: Mapping[str, torch.Tensor]) -> None:
        for name, values in weights.items():
            model.get_parameter(name).copy_(values)
