"""Statistical quantization: representatives come at once from mean and standard deviation, layer after layer.

The technique that the project began with, held against K-means, its optimum, a Gaussian mixture and integers, all with
as many entries a layer, the same layers and as many updates. How a codebook is made: `intervals`, `codebooks`; in which
order and with what help: `sequence`. Nearest in the literature: bias correction (Nagel et al., ICCV 2019) and
incremental network quantization (Zhou et al., ICLR 2017), which has its parts within each layer.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch

from litecast import training
from litecast.compress import Compressed, Task, clone, codebooks, intervals, matrices, sequence, storages
from litecast.compress.quantisers import nearest
from litecast.training import Spent, cost, windows

NEEDS = ("dense",)
FITS = ()
LEVELS = (4, 8, 16, 32)
LEVEL = "codes of a layer"
# <codebook>-<order>[-moves]. Codebooks: sigma (intervals of the standard deviation, their means), midpoints, auto (as
# many intervals as the weights need to be held as well as that many codes hold normal ones), kmeans, exact (its
# optimum), mixture, uniform. Orders: independent (all layers at once, then retrained), corrected (the same, after bias
# correction), forward, backward, random (one layer after another, the rest being trained between); instant and
# calibrated (with bias correction) train nothing. moves: codes follow the weights in training, else they are fixed.
VARIANTS = (
    "sigma-forward", "sigma-independent", "sigma-corrected", "sigma-backward", "sigma-random", "sigma-instant",
    "sigma-calibrated", "sigma-forward-moves", "sigma-independent-moves",
    "midpoints-forward", "midpoints-independent", "midpoints-corrected", "midpoints-backward", "midpoints-random",
    "midpoints-instant", "midpoints-calibrated",
    "auto-forward", "auto-independent", "auto-corrected", "auto-backward", "auto-random", "auto-instant",
    "auto-calibrated", "auto-forward-moves",
    "kmeans-forward", "kmeans-independent", "kmeans-corrected", "kmeans-backward", "kmeans-random", "kmeans-instant",
    "kmeans-calibrated", "kmeans-forward-moves", "kmeans-independent-moves",
    "exact-forward", "exact-independent", "exact-corrected", "exact-backward", "exact-random", "exact-instant",
    "exact-calibrated",
    "mixture-forward", "mixture-independent", "mixture-corrected", "mixture-backward", "mixture-random",
    "mixture-instant", "mixture-calibrated",
    "uniform-forward", "uniform-independent", "uniform-corrected", "uniform-backward", "uniform-random",
    "uniform-instant", "uniform-calibrated",
)  # fmt: skip
CONTROLS = {}
STORAGES = {"codebook": "torch"}
CHAIN = False
LOOK = 7
NOTE = "Its files are decoded to floats before they run: its gain is in storage only."

SPEC = {"codec": "codebook"}
CALIBRATION = 512  # windows of the train part, one series each


def compress(task: Task) -> Compressed:
    """Quantise all weight matrices to a codebook each, of `task.level` entries, by `task.variant`.

    Zeros of a pruned network stay zero and are one of the codes. story: rows told 'layer' (see `sequence.walk`: what
    the order does where nothing is trained; codes are those of the file) and told 'step' (the log of the training).
    """
    method, order, *moves = task.variant.split("-")
    model, fit = clone(task.start), partial(codebook, method=method, entries=task.level, seed=task.seed)
    masks = {name: weight != 0 for name, weight in matrices.of(model).items() if (weight == 0).any()}
    turns = sequence.pieces(model, order if order in sequence.ORDERS else "forward", task.seed)
    walked, window = clone(model), calibration(task.data, model)
    story, books = sequence.walk(walked, turns, fit, window, correct=order in ("corrected", "calibrated"))
    spent, story = Spent(macs=(len(turns) + 1) * len(window[0]) * cost.profile(model).macs), story.assign(told="layer")
    if order in ("instant", "calibrated"):
        model = walked
    else:
        _take_rest(model, walked)
        most = 2 * intervals.FINEST + 1 if method == "auto" else task.level
        rule = sequence.InTurn(turns, fit, most, together=order not in sequence.ORDERS, moves=bool(moves))
        rules = [training.Mask(masks), rule] if masks else [rule]
        fitted = training.fit(model, task.data, task.budget.again(), task.seed, *rules)
        spent, books = spent + fitted.spent, rule.quantisers
        story = pd.concat([story, fitted.log.assign(told="step")], ignore_index=True)
    held = {name: book.held() for name, book in books.items()}
    spec = {"codec": "sparse", "values": SPEC} if masks else SPEC
    story["codes"] = story.layer.map(lambda layer: _entries(held, layer), na_action="ignore")
    file = matrices.coded(model, held, spec, "codebook")
    stored = {name: torch.from_numpy(held.values()) for name, held in file.held.items()}
    model.load_state_dict(stored, strict=False)  # biases, too, are what the file holds
    return Compressed(model, {"codebook": file}, spent, masks, story)


def codebook(weight: torch.Tensor, method: str, entries: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (of the weight's shape, int64) and table (at most `entries`,), float16 exactly, of one weight tensor.

    Where some weights are zero, the first entry is 0 and theirs alone; each sign then has its own mean and standard
    deviation, and half of the other entries. Codes are those of the interval, else of the nearest entry.
    """
    values = weight.detach().cpu().numpy().ravel()
    codes, tables = np.zeros(len(values), np.int64), []
    for part, share in _shares(values, entries, method in intervals.METHODS):
        own, table = _fit(values[part], method, share, seed)
        codes[part] = own + sum(map(len, tables))
        tables.append(table)
    return torch.from_numpy(codes).reshape(weight.shape), torch.from_numpy(np.concatenate(tables))


def calibration(data, model) -> tuple:
    """What the forecaster is called with, of a fixed draw of windows of the train part."""
    chosen = windows.pairs(data, "train", CALIBRATION, torch.Generator().manual_seed(0))
    return windows.Windows(data).inputs(*chosen, model.reads)


def _shares(values: np.ndarray, entries: int, signs: bool) -> list[tuple[np.ndarray, int]]:
    """Which values have codes of their own, and how many."""
    zero = values == 0
    if not zero.any():
        return [(slice(None), entries)]
    rest = [values < 0, values > 0] if signs else [~zero]
    rest = sorted((part for part in rest if part.any()), key=np.count_nonzero)  # what cannot be halved: to the more
    return [(zero, 1)] + [(part, (entries - 1 + i) // len(rest)) for i, part in enumerate(rest)]


def _fit(values: np.ndarray, method: str, entries: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N,) and table, float16 exactly, as float32."""
    if method in intervals.METHODS:
        codes, table = intervals.METHODS[method](values, entries)
        return codes, storages.half(table).values()
    table = storages.half(codebooks.METHODS[method](values, entries, seed)).values()
    return nearest(torch.from_numpy(values), torch.from_numpy(table)).numpy(), table


def _entries(held: dict, layer: str) -> int:
    """Entries that a layer's file holds; gates share those of their layer."""
    return len(np.unique(held[layer.partition("[")[0]].codes))


def _take_rest(model, other) -> None:
    """Everything but the weight matrices."""
    held = matrices.of(model)
    model.load_state_dict({name: value for name, value in other.state_dict().items() if name not in held}, strict=False)
