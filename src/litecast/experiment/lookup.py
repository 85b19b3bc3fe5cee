"""A look-up table of layers beside the whole network: what summing up single layers misses of its milliseconds.

NetAdapt's own code (and many after it) takes the time of a network from a table of layers that were timed one by one.
Here each layer that multiplies is a session of its own in ONNX Runtime, in turns with the whole network.
"""

import tempfile
import warnings
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import pandas as pd
import torch
from torch import nn

from litecast import modelfile
from litecast.models import base
from litecast.runtimes import latency
from litecast.runtimes import onnxruntime as whole
from litecast.training import cost

ROUNDS = 200  # forecasts of one round of timing
LAYERS = (nn.Conv1d, nn.Linear, nn.RNNBase)


class Layer(NamedTuple):
    """A layer that multiplies, and what enters it in a forecast of one window."""

    module: nn.Module
    entering: tuple[torch.Tensor, ...]


def layers(model) -> dict[str, Layer]:
    """Name -> layer, in the order of a forward pass."""
    found: dict[str, Layer] = {}

    def note(module, entering, name):
        found[name] = Layer(module, tuple(part.clone() for part in entering[:1]))

    hooks = [module.register_forward_pre_hook(lambda module, entering, name=name: note(module, entering, name))
             for name, module in model.named_modules() if isinstance(module, LAYERS)]  # fmt: skip
    with torch.no_grad():
        model.eval()(*base.example(model.config, 1))
    for hook in hooks:
        hook.remove()
    return found


def beside(networks: Mapping[str, nn.Module], data, rounds: int = ROUNDS) -> pd.DataFrame:
    """A line per network: name, family, macs, layers, whole (ms), table (ms, its layers summed up), calls (ms that as
    many empty sessions take, which are in `table` and not in the network)."""
    card, lines = modelfile.Card.of(data), []
    empty = _session(nn.Identity(), torch.zeros(1, 1))
    for name, model in networks.items():
        parts = layers(model)
        calls = {part: _session(layer.module, *layer.entering) for part, layer in parts.items()}
        calls |= {"": _opened(model, card), "empty session": empty}
        ms = latency.interleave(calls, rounds).latency_ms_p50
        times = ms[""], ms[list(parts)].sum(), len(parts) * ms["empty session"]
        lines.append((name, name.rpartition(" ")[0], cost.profile(model).macs, len(parts), *times))
    return pd.DataFrame(lines, columns=["name", "family", "macs", "layers", "whole", "table", "calls"])


def ranks(lines: pd.DataFrame) -> pd.DataFrame:
    """How well products, and how well the table, order networks by their milliseconds: rank correlation (Spearman)
    within each family, and across all. lines: of `beside`."""
    groups = lines.groupby("family").groups | {"across all": lines.index}
    rows = {name: lines.loc[at, ["macs", "table"]].corrwith(lines.whole[at], method="spearman")
            for name, at in groups.items()}  # fmt: skip
    return pd.DataFrame(rows).T.rename(columns={"macs": "products", "table": "sum of layers"})


def _session(module: nn.Module, *entering: torch.Tensor) -> Callable:
    """One call of a layer by itself."""
    made = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), entering, made, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {"x": entering[0].numpy()}
    return lambda: session.run(None, feed)


def _opened(model, card: modelfile.Card) -> Callable:
    """One call of the whole network, scaler and calendar included, as its user calls it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{whole.SUFFIX}"
        path.write_bytes(whole.export(model, card))
        return whole.call(whole.open(path))
