"""Training in low precision: the same network, steps and seed, with gradients in few bits or products in bfloat16."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pandas as pd
import torch
from torch import nn

from litecast import models, training
from litecast.training import Budget, QuantiseGradients, Windows
from litecast.training.windows import pairs

STEPS = 60  # optimiser steps, or those of a retraining where these are fewer: where bfloat16 is emulated they are slow
ADAM = 8  # bytes of optimiser state a weight: two float32 moments
# How a training computes -> bits of a weight's gradient, and whether products run in bfloat16.
WAYS: Mapping[str, tuple[int, bool]] = {"float32": (32, False), "bfloat16 products": (32, True),
                                        "8 bit gradients": (8, False), "4 bit gradients": (4, False)}


def trained(model, data, budget: Budget, seed: int, error) -> pd.DataFrame:
    """A row per way: val_wape, the bytes of a training step, and its training's GMACs.

    model: whose architecture is trained from fresh weights, each time the same; error: network -> WAPE on validation,
    computed in float32. Bytes, P weights and a batch of B windows: weights 4 P, gradients P * bits / 8, optimiser
    8 P, activations what autograd keeps of B windows for the backward pass.
    """
    budget, rows = budget.of_steps(min(budget.retrain_steps, STEPS)), {}
    for way, (bits, short) in WAYS.items():
        torch.manual_seed(seed)
        fresh = models.with_week(models.rebuild(models.describe(model)), data)
        weights = sum(p.numel() for p in fresh.parameters() if p.requires_grad)
        rules = [QuantiseGradients(bits, seed)] if bits < 32 else []
        with _products(fresh, short):
            kept = activations(fresh, data, budget.batch)
            fit = training.fit(fresh, data, budget, seed, *rules)
        rows[way] = {"val_wape": error(fresh), "weights": 4 * weights, "gradients": weights * bits // 8,
                     "optimiser": ADAM * weights, "activations": kept, "train_gmacs": fit.spent.macs / 1e9}
    return pd.DataFrame.from_dict(rows, orient="index")


def activations(model, data, batch: int) -> int:
    """Bytes that autograd keeps for the backward pass of a batch of train windows, the weights themselves apart."""
    window = Windows(data).inputs(*pairs(data, "train", batch, torch.Generator().manual_seed(0)), model.reads)
    own, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:  # several operations may keep one tensor
            kept[storage.data_ptr()] = tensor, storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model.train()(*window).sum()
    return sum(size for _, size in kept.values())


@contextmanager
def _products(model, short: bool) -> Iterator[None]:
    """bfloat16 products, on the device of the training, too; weights are cast anew each time, since a cached cast would
    miss their training.

    oneDNN has no LSTM in bfloat16: such a network is computed by PyTorch's own code, in every way.
    """
    own = torch.backends.mkldnn.set_flags(not any(isinstance(layer, nn.LSTM) for layer in model.modules()))
    try:
        with ExitStack() as stack:
            for kind in {"cpu", training.device().type}:
                stack.enter_context(torch.autocast(kind, torch.bfloat16, enabled=short, cache_enabled=False))
            yield
    finally:
        torch.backends.mkldnn.set_flags(own[0])
