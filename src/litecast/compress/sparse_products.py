"""Products of a layer with its zeros left out, timed against the product of all weights.

Formats of scipy: CSR (values, columns, ends of rows) for single weights, BSR (the same of dense blocks; for processors
as in CSB: Buluç et al., SPAA 2009) for weights that go in whole blocks. All formats of one layer and density take turns
on one thread, so that they share the machine's mood.
"""

import operator
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import nn

from litecast.compress.magnitude_pruning import chosen, in_blocks
from litecast.models import base
from litecast.runtimes import latency

DENSITIES = (0.5, 0.2, 0.1, 0.05, 0.02)
BLOCKS = (4, 8, 16)
DENSE = ("numpy", "torch")
RUNS = 300
CLOCK = 0.1  # microseconds: nothing shorter is told apart


def timed(weight: torch.Tensor, columns: int = 1, densities: Iterable[float] = DENSITIES, runs: int = RUNS):
    """What products of weight (O, …) with inputs (all else, columns) take, the smallest weights or blocks left out.

    Table, a row for each density and format: us, p50 of the call from Python; kernel_us, less that of the same call on
    a matrix without a weight (at least CLOCK); quicker and kernel_quicker: how many times quicker than the quickest of
    DENSE, each by its own column.
    """
    rows = weight.detach().flatten(1)
    x = torch.randn(rows.shape[1], columns, generator=torch.Generator().manual_seed(0))
    empty = calls(torch.zeros(1, 1), x[:1], 0.0)
    threads, found = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for density in densities:
            every = calls(rows, x, density)
            took = latency.interleave(every | {f"{name}, empty": empty[name] for name in every}, runs).latency_ms_p50
            us = 1000 * took[list(every)]
            kernel = us - 1000 * took[[f"{name}, empty" for name in every]].to_numpy()
            found.append(pd.DataFrame({"density": density, "us": us, "kernel_us": kernel.clip(lower=CLOCK)}))
    finally:
        torch.set_num_threads(threads)
    table = pd.concat(found).rename_axis("format").reset_index()
    for ours, column in (("quicker", "us"), ("kernel_quicker", "kernel_us")):
        least = table[table.format.isin(DENSE)].groupby("density")[column].min()
        table[ours] = table.density.map(least) / table[column]
    return table


def calls(rows: torch.Tensor, x: torch.Tensor, density: float) -> dict[str, Callable[[], np.ndarray]]:
    """Format -> product of rows (O, I), cut to this density, with x (I, columns); BSR gives O up to whole blocks."""
    single = (rows * chosen({"": rows.abs()}, 1 - density)[""]).numpy()
    flat = x[:, 0] if x.shape[1] == 1 else x
    array = flat.numpy()
    stored = {"csr": (sparse.csr_array(single), array)}
    for size in BLOCKS:
        padded = np.zeros((-(-len(x) // size) * size, *array.shape[1:]), np.float32)
        padded[: len(x)] = array
        stored[f"bsr {size}"] = blocked(rows, size, density), padded
    products = {"numpy": lambda: single @ array, "torch": lambda: rows @ flat}
    return products | {name: partial(operator.matmul, *pair) for name, pair in stored.items()}


def blocked(rows: torch.Tensor, size: int, density: float) -> sparse.bsr_array:
    """Rows (O, I), filled up to whole blocks of size x size, of which those with the largest means stay."""
    height, width = rows.shape
    filled = nn.functional.pad(rows, (0, -width % size, 0, -height % size))
    means = in_blocks(rows.abs(), size)[::size, ::size]
    stays = chosen({"": means}, 1 - density)[""]
    kept = filled * stays.repeat_interleave(size, 0).repeat_interleave(size, 1)
    return sparse.bsr_array(kept.numpy(), blocksize=(size, size))


def pays(table: pd.DataFrame, column: str = "quicker") -> dict[str, float]:
    """Sparse format -> the share of zeros from which on it is quicker than dense at every density tried; NaN = at
    none."""
    found = {}
    for name, lines in table[~table.format.isin(DENSE)].groupby("format", sort=False):
        slow = lines.density[lines[column] <= 1]
        fast = lines.density[lines.density < slow.min()] if len(slow) else lines.density
        found[name] = 1 - fast.max() if len(fast) else float("nan")
    return found


@torch.no_grad()
def layers(model) -> dict[str, int]:
    """Weight matrix -> how many columns its product has in one forecast of one series: positions of a convolution,
    tokens, steps of a recurrent layer's inputs; one where a state waits for the step before."""
    columns, hooks = {}, []
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.RNNBase)):
            hooks.append(layer.register_forward_hook(lambda layer, given, out, name=name: columns.update(
                _columns(name, layer, given[0], out))))  # fmt: skip
    model.eval()(*base.example(model.config, 1))
    for hook in hooks:
        hook.remove()
    return columns


def _columns(name: str, layer: nn.Module, given: torch.Tensor, out) -> dict[str, int]:
    if isinstance(layer, nn.RNNBase):
        steps = given.numel() // layer.input_size
        return {f"{name}.{part}": 1 if "hh" in part else steps for part, p in layer.named_parameters() if p.ndim > 1}
    if isinstance(layer, nn.Conv1d):  # groups share no inputs
        return {f"{name}.weight": out.numel() // layer.out_channels} if layer.groups == 1 else {}
    return {f"{name}.weight": out.numel() // layer.out_features}
