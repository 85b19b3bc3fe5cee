"""What a compact family's idea saves: its formula beside what is counted and what is measured.

`figures.networks.factors` draws a `table`.
"""

from contextlib import ExitStack
from dataclasses import replace

import pandas as pd
import torch
from torch import nn

from litecast import models
from litecast.models.base import Forecaster, Idea, example
from litecast.runtimes import latency
from litecast.training import cost

BATCH = 256  # windows of the second timing: there the products weigh more than the calls


def of(model: Forecaster) -> Idea:
    """The idea of a compact network's family, for its sizes; a usual week that it is told is none of it."""
    return models.module(models.describe(model)["family"]).idea(replace(model.config, table="none"))


def table(idea: Idea, runs: int = latency.RUNS) -> pd.DataFrame:
    """The family's own layer against the plain one it replaces: columns formula, plain, own, factor = plain / own.

    Rows: weights, MACs, median ms of one window and of BATCH windows (one thread, in turns), and, for convolutions, the
    weights that both would have in images, where a kernel of k weights is one of k x k.
    """
    layers = {"plain": idea.plain.eval(), "own": idea.layer.eval()}
    ghost = torch.zeros(idea.shape, device="meta")
    rows = {
        "weights": {name: weights(layer) for name, layer in layers.items()},
        "MACs": {name: cost.counted(layer, ghost)[0] for name, layer in layers.items()},
        "ms, batch 1": _milliseconds(layers, idea.shape, 1, runs),
        f"ms, batch {BATCH}": _milliseconds(layers, idea.shape, BATCH, runs),
    }
    if any(isinstance(part, nn.Conv1d) for part in idea.plain.modules()):
        rows["weights in images"] = {name: weights(layer, images=True) for name, layer in layers.items()}
    said = {"weights": idea.factor, "MACs": idea.factor if idea.macs is None else idea.macs}
    frame = pd.DataFrame(rows).T
    return frame.assign(formula=pd.Series(said), factor=frame.plain / frame.own)[["formula", "plain", "own", "factor"]]


def weights(layer: nn.Module, images: bool = False) -> int:
    """All weights of a layer; `images`: as if every kernel of a convolution were square."""
    return sum(p.numel() * (p.shape[-1] if images and p.ndim == 3 else 1) for p in layer.parameters())


def shares(model: Forecaster) -> pd.DataFrame:
    """Parameters and MACs of one window by part of a network, and their shares; 'outside' is what no part does."""
    whole, parts, calls = cost.profile(model), dict(model.named_children()), []
    with ExitStack() as hooks, torch.no_grad():
        for name, part in parts.items():
            for layer in part if isinstance(part, nn.ModuleList) else [part]:  # a list is not called, its members are
                note = lambda layer, inputs, name=name: calls.append((name, layer, inputs))  # noqa: E731
                hooks.enter_context(layer.register_forward_pre_hook(note))
        model(*example(model.config, 1))
    sizes = {name: {"params": sum(p.numel() for p in part.parameters()), "macs": 0} for name, part in parts.items()}
    for name, layer, inputs in calls:
        sizes[name]["macs"] += cost.counted(layer, *(x if x is None else x.to("meta") for x in inputs))[0]
    frame = pd.DataFrame(sizes).T
    outside = {"params": whole.params - frame.params.sum(), "macs": whole.macs - frame.macs.sum()}
    if any(outside.values()):
        frame.loc["outside"] = outside
    return frame.join((frame / frame.sum()).add_suffix(" share"))


def _milliseconds(layers: dict[str, nn.Module], shape: tuple, batch: int, runs: int) -> dict[str, float]:
    x = torch.randn(batch * shape[0], *shape[1:])
    with torch.inference_mode():
        times = latency.interleave({name: lambda layer=layer: layer(x) for name, layer in layers.items()}, runs)
    return times.latency_ms_p50.to_dict()
