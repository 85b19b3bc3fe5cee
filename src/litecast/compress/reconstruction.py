"""LASSO selection and least squares: the next layers say which units they can do without, and make up for these.

He, Zhang & Sun, "Channel pruning for accelerating very deep neural networks", ICCV 2017: group by group, in the order
of a forward pass. All that is asked of a layer is that it is linear in the units that it reads. The recurrent weights
of an LSTM are; that their states are fed back, and that the error so grows from step to step, is left to retraining.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path_gram

from litecast.compress import calibration, clone
from litecast.models import base
from litecast.training import Spent, cost

ROWS = 8192  # outputs of a layer that its weights are refitted to, evenly spread over windows and positions
RCOND = 1e-5  # directions of the inputs smaller than this, of the largest, are rounding errors of float32


@torch.no_grad()
def pruned(model, groups: Sequence[base.Units], counts: Sequence[int], window: tuple,
           chosen: Sequence[torch.Tensor] = ()):  # fmt: skip
    """A copy of full width in which the layers that read a group read some of its units alone, and are refitted.

    counts: units that stay; chosen: these, where they are chosen elsewhere. window: what a forecaster is called with,
    of windows of the train part. Layers are fitted to what they computed in the original from what enters them by now,
    so that later ones make up for earlier ones. Returns (network, units of each group, Spent).
    """
    small, kept, macs = clone(model), [], 0
    names = dict.fromkeys(slots.parameter for group in groups for slots in group.members if slots.dim == 1)
    seen = {name: _inputs(model, name, window) for name in names}
    readers = {name: _Reader(small, name, x) for name, x in seen.items() if x}  # an embedding reads nothing
    passes = len(names)
    for at, (group, count) in enumerate(zip(groups, counts, strict=True)):
        columns = [slots for slots in group.members if slots.dim == 1 and slots.parameter in readers]
        mine = [(readers[slots.parameter], _inputs(small, slots.parameter, window),
                 readers[slots.parameter].columns(slots, group.size)) for slots in columns]  # fmt: skip
        if chosen:
            units = chosen[at]
        else:
            gram, products = map(sum, zip(*(reader.sums(x, own) for reader, x, own in mine), strict=True))
            units = select(gram, products, count)
        gone = np.ones(group.size, dtype=bool)
        gone[units] = False
        for reader, x, own in mine:
            reader.refit(x, own[gone].ravel())
            macs += sum(len(part) * part.shape[1] * (2 * part.shape[1] + len(reader.weight)) for part in x)
        kept.append(units)
        passes += len(mine)
    return small, kept, Spent(macs=macs + passes * len(window[0]) * cost.profile(model).macs)


def select(gram: np.ndarray, products: np.ndarray, count: int) -> torch.Tensor:
    """The first `count` units, rising, that the LASSO lets in while its penalty falls.

    min over b of |y - Z b|^2 / 2 + penalty |b|_1: a column of Z is what a unit adds to its readers, y what they are to
    be given. gram (U, U): Z^T Z; products (U,): Z^T y. Where the path ends early, then those that add most.
    """
    order = np.argsort(-np.diag(gram), kind="stable")
    if count < len(order) and gram.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # units that say the same: one of them is enough
            _, _, path = lars_path_gram(products, gram, n_samples=1, method="lasso")
        last = path[:, (path != 0).sum(0) <= count][:, -1]
        order = order[np.argsort(last[order] == 0, kind="stable")]
    return torch.from_numpy(np.sort(order[:count]))


def least_squares(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of all weights (R, D) with the smallest |y - x weight^T|, x (n, D), y (n, R), the nearest to `weight`."""
    return weight + np.linalg.lstsq(x, y - x @ weight.T, rcond=RCOND)[0].T


class _Reader:
    """A weight matrix and its bias: what they computed in the original, and which columns are still read.

    x, a list: for each group of a convolution what its columns are multiplied with, (n, D), and a column of ones.
    """

    def __init__(self, model, name: str, x: list[np.ndarray]):
        self.name, self.weight = name, model.get_parameter(name)
        self.bias = dict(model.named_parameters())[name.replace("weight", "bias")]
        self.y = [part @ rows.T for part, rows in zip(x, self._rows(len(x)), strict=True)]
        self.live = np.ones(x[0].shape[1], dtype=bool)

    def _rows(self, parts: int) -> list[np.ndarray]:
        whole = torch.cat([self.weight.flatten(1), self.bias[:, None]], 1)
        return np.split(whole.double().numpy(), parts)

    def columns(self, slots: base.Slots, size: int) -> np.ndarray:
        """(size, columns of a unit): a convolution has a column for each step of its kernel."""
        kernel = self.weight[0, 0].numel()
        return (slots.places(size)[..., None] * kernel + torch.arange(kernel)).flatten(1).numpy()

    def sums(self, x: list[np.ndarray], own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`gram` and `products` of the units that have these columns (U, M), constants left to the bias."""
        others, shape, gram, products = self.live.copy(), own.shape, 0, 0
        others[own.ravel()] = False
        for part, y, rows in zip(x, self.y, self._rows(len(x)), strict=True):
            left, added, weight = y - part[:, others] @ rows[:, others].T, part[:, own.ravel()], rows[:, own.ravel()]
            added, left = added - added.mean(0), left - left.mean(0)
            gram = gram + (added.T @ added * (weight.T @ weight)).reshape(*shape, *shape).sum((1, 3))
            products = products + (added.T @ left * weight.T).reshape(*shape, -1).sum((1, 2))
        return gram, products

    def refit(self, x: list[np.ndarray], gone: np.ndarray) -> None:
        """Never read these columns again, and let the others make up for them."""
        self.live[gone] = False
        rows = self._rows(len(x))
        for part, y, row in zip(x, self.y, rows, strict=True):
            row[:, ~self.live] = 0
            row[:, self.live] = least_squares(part[:, self.live], y, row[:, self.live])
        whole = torch.from_numpy(np.concatenate(rows)).float()
        self.weight.copy_(whole[:, :-1].reshape(self.weight.shape))
        self.bias.copy_(whole[:, -1])


def _inputs(model, name: str, window: tuple) -> list[np.ndarray]:
    """What the columns of a matrix are multiplied with, at most ROWS of it, beside a column of ones for the bias."""
    found = calibration.columns(model, window, name)
    thin = [part[:: -(-len(part) // ROWS)].double().numpy() for part in found]
    return [np.column_stack([part, np.ones(len(part))]) for part in thin]
