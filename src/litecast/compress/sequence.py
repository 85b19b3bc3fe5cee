"""Layers quantised one after another: in which order, what that does to forecasts, and how the rest makes up for it.

`fit` stands for whatever makes a codebook: weight tensor -> codes (of its shape, int64), table (N,) float32.
"""

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from litecast import training
from litecast.compress import RANDOM_CHOICE_SEED, matrices
from litecast.compress.quantisers import Codebook, nearest
from litecast.models import base
from litecast.training import cost

ORDERS = ("forward", "backward", "random")


@dataclass(frozen=True)
class Piece:
    """What is quantised at one turn: rows of a parameter, all of them but for the gates of a recurrent layer. first: is
    it the parameter's first turn, which makes the table that all its pieces share?"""

    name: str
    rows: slice
    first: bool


def pieces(model, order: str, seed: int = 0) -> list[Piece]:
    """The weight matrices of a network in the order of a forward pass, in the reverse one or in one by the seed.

    Forward is the order in which one pass reaches the layers; of a recurrent layer its gates one by one, first those of
    the input, then those of the state. Layers that a pass does not call stand last.
    """
    found, reached = matrices.of(model), []
    hooks = [module.register_forward_pre_hook(lambda *_, own=own: reached.extend(own))
             for name, module in model.named_modules() if (own := [n for n in found if n.rpartition(".")[0] == name])]
    with torch.no_grad():
        model(*base.example(model.config, 2))
    for hook in hooks:
        hook.remove()
    cut = [(name, rows) for name in dict.fromkeys([*reached, *found]) for rows in _gates(model, name, found[name])]
    if order == "backward":
        cut.reverse()
    if order == "random":
        draw = torch.Generator().manual_seed(RANDOM_CHOICE_SEED + seed)
        cut = [cut[i] for i in torch.randperm(len(cut), generator=draw)]
    names = [name for name, _ in cut]
    return [Piece(name, rows, names.index(name) == i) for i, (name, rows) in enumerate(cut)]


def _gates(model, name: str, weight: torch.Tensor) -> list[slice]:
    module, _ = _layer(model, name)
    size = len(weight) // (cost.GATES[module.mode] if isinstance(module, nn.RNNBase) else 1)
    return [slice(start, start + size) for start in range(0, len(weight), size)]


def _layer(model, name: str) -> tuple[nn.Module, str]:
    """The module that has a parameter, and what the parameter is called there."""
    owner, _, attribute = name.rpartition(".")
    return model.get_submodule(owner), attribute


# ---- without training

@torch.no_grad()
def walk(model, turns: list[Piece], fit: Callable, window, correct: bool = False) -> tuple[pd.DataFrame, dict]:
    """Quantise a network in place, piece by piece, nothing trained; its codebooks, parameter -> `Codebook`.

    window: what a forecaster is called with, of windows of the train part. correct: what a piece shifts the mean of its
    layer's output by, on these windows and behind what is quantised already, is taken from its bias (Nagel et al.,
    "Data-free quantization through weight equalization and bias correction", ICCV 2019; with data, as in AIMET).
    Returns a table, a row per piece: layer, sigma, error (squared, as a share of the tensor's variance), drift (mean
    distance from the forecasts before, as a share of their size), seconds of making the codebook. One forward pass
    before and one after each piece.
    """
    layers = {name: _layer(model, name) for name in dict.fromkeys(piece.name for piece in turns)}
    weights = {name: model.get_parameter(name).detach().clone() for name in layers}
    said, before = _means(model, layers.values(), window)
    inputs, books, rows = before, {}, []
    for piece in turns:
        name, began = piece.name, time.perf_counter()
        if piece.first:
            books[name] = Codebook(*fit(weights[name]))
        took, parameter = time.perf_counter() - began, model.get_parameter(name)
        parameter[piece.rows] = books[name](weights[name])[piece.rows]
        if correct:
            _correct(layers[name], piece, weights[name], parameter, before, inputs)
        yhat, inputs = _means(model, layers.values(), window)
        gap, weight = parameter[piece.rows] - weights[name][piece.rows], weights[name]
        rows.append((called(piece, weight), float(weight.std(correction=0)),
                     float(gap.square().mean() / weight.var(correction=0).clamp(min=1e-12)),
                     float((yhat - said).abs().mean() / said.abs().mean()), took))
    told = pd.DataFrame(rows, columns=["layer", "sigma", "error", "drift", "seconds"])
    return told, books


def called(piece: Piece, weight: torch.Tensor) -> str:
    """'lstm.weight_ih_l0', or with the number of the gate: 'lstm.weight_ih_l0[2]'."""
    size = piece.rows.stop - piece.rows.start
    return piece.name if size == len(weight) else f"{piece.name}[{piece.rows.start // size}]"


def _correct(layer, piece: Piece, weight, quantised, before: dict, inputs: dict) -> None:
    """Give the bias of a layer what the mean of its output has lost."""
    module, attribute = layer
    bias = getattr(module, attribute.replace("weight", "bias"), None)
    if bias is not None and layer in before:
        lost = _output(layer, before[layer], weight) - _output(layer, inputs[layer], quantised)
        bias[piece.rows] += lost[piece.rows]


def _output(layer, mean: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean output (rows,) of a layer's product with a weight, for the mean of its inputs."""
    module, _ = layer
    if isinstance(module, nn.Conv1d):
        how = module.stride, module.padding, module.dilation, module.groups
        out = nn.functional.conv1d(mean[None], weight, None, *how)
        return out.mean((0, 2))
    return weight @ mean


def _means(model, layers, window) -> tuple[torch.Tensor, dict]:
    """The forecasts of a window, and layer -> mean of what enters its product: (features,), (channels, steps) of a
    convolution; only of layers that know a bias."""
    seen: dict = {}

    def note(module, inputs, output):
        x = inputs[0]
        if isinstance(module, nn.Conv1d):
            entered = {"weight": x.mean(0)}
        elif isinstance(module, nn.Linear):
            entered = {"weight": x.flatten(0, -2).mean(0)}
        else:  # recurrent: the state before each step, zero before the first
            states = output[0][:, :-1].sum((0, 1)) / output[0][..., 0].numel()
            entered = {"weight_ih_l0": x.flatten(0, -2).mean(0), "weight_hh_l0": states}
        for attribute, mean in entered.items():
            seen.setdefault((module, attribute), []).append(mean)

    known = {module for module, _ in layers if isinstance(module, nn.Conv1d | nn.Linear) or _one_layer(module)}
    hooks = [module.register_forward_hook(note) for module in known]
    yhat = model(*window)
    for hook in hooks:
        hook.remove()
    return yhat, {layer: torch.stack(means).mean(0) for layer, means in seen.items()}


def _one_layer(module) -> bool:
    """A recurrence whose inputs and states are all seen from outside."""
    return isinstance(module, nn.LSTM | nn.GRU) and module.num_layers == 1 and not module.bidirectional


# ---- with training

class InTurn(training.FakeQuantise):
    """Fake quantisation that comes piece by piece: of n pieces, number k is given its codes when k / n of the training
    is done, and what has none yet learns on, with the tables. together: all have theirs from the start.

    Validation always judges, and keeps, the network with all pieces quantised, so curves of different orders say the
    same. entries: of the largest table that `fit` makes. moves: codes follow the weights, to which the gradient passes.
    At the end tables are rounded to float16, as they are stored.
    """

    def __init__(self, turns: list[Piece], fit: Callable, entries: int, together: bool = False, moves: bool = False):
        super().__init__({})
        self.turns, self.fit, self.entries, self.together, self.moves = turns, fit, entries, together, moves
        self.taken = nn.Parameter(torch.zeros(()), requires_grad=False)  # pieces; kept with the best weights

    def prepare(self, model):
        super().prepare(model)
        self.model, self.rows = model, {}
        for name in dict.fromkeys(piece.name for piece in self.turns):
            weight = model.get_parameter(name).detach()
            table = torch.zeros(self.entries, device=weight.device)
            self.quantisers[name] = Codebook(torch.zeros_like(weight), table, bool((weight == 0).any()), self.moves)
            self.rows[name] = torch.zeros(len(weight), dtype=torch.bool, device=weight.device)
        self.after_step(0.0)

    @torch.no_grad()
    def after_step(self, share):
        due = len(self.turns) if self.together else min(len(self.turns), 1 + int(share * len(self.turns) + 1e-9))
        for piece in self.turns[int(self.taken) : due]:
            self._take(piece)
        self.taken.fill_(due)

    def weights(self, model):
        swapped = {}
        for name, quantiser in self.quantisers.items():
            weight, done = model.get_parameter(name), self.rows[name]
            if done.all():
                swapped[name] = quantiser(weight)
            elif done.any():
                swapped[name] = torch.where(done.reshape(-1, *[1] * (weight.ndim - 1)), quantiser(weight), weight)
        return swapped

    @contextmanager
    def looking(self, model):
        """As if it were the end: what is not quantised yet is, for as long as it is looked at."""
        own = {n: (q.codes.clone(), q.table.detach().clone(), self.rows[n].clone()) for n, q in self.quantisers.items()}
        self._rest()
        yield
        with torch.no_grad():
            for name, (codes, table, rows) in own.items():
                self.quantisers[name].codes, self.rows[name] = codes, rows
                self.quantisers[name].table.copy_(table)

    @torch.no_grad()
    def finish(self, model):
        self._rest()  # of the best weights, which may be older than some of the codes
        for quantiser in self.quantisers.values():
            table = quantiser.table[quantiser.table.isfinite()]
            quantiser.table = nn.Parameter(table.half().float())
        super().finish(model)

    def parameters(self):
        return [*super().parameters(), self.taken]

    @torch.no_grad()
    def _rest(self) -> None:
        for piece in self.turns[int(self.taken) :]:
            self._take(piece)

    def _take(self, piece: Piece) -> None:
        quantiser, weight = self.quantisers[piece.name], self.model.get_parameter(piece.name).detach()
        if piece.first:
            codes, table = self.fit(weight)
            quantiser.codes = codes.to(weight.device)
            quantiser.table.fill_(torch.inf)  # entries that there are not are nearest to nothing
            quantiser.table[: len(table)] = table
        else:
            quantiser.codes[piece.rows] = nearest(weight[piece.rows], quantiser.table)
        self.rows[piece.name][piece.rows] = True
