"""ONNX Runtime, one thread: a file that forecasts raw values by itself.

Inputs of the graph: `x` (B, L, S) float32, raw; `series` (S,) int64, positions among the card's series; `z` (B, L+H, F)
where the network reads known inputs. Output: `y` (B, H, S), raw. The scaler, the logarithm and its undoing are part of
the graph, the rest of the card is its metadata, under "card".

What a caller of the graph does by itself (`forecast` does it): fill gaps of x from the last 2 L rows, with the observed
value a whole number of the card's seasons before, at most L steps, else the last observed of the L steps before, else
NaN; and z by the card's frequency, country and holidays. docs/file-format.md has both rules.
"""

import json
import math
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch

from litecast import modelfile, models, training
from litecast.data.windows import to_raw, to_scaled
from litecast.errors import ModelFileError, RunError
from litecast.models import base
from litecast.runtimes import Executed, inputs

NAME = "ONNX Runtime"
FORMAT = "onnx"
SUFFIX = ".onnx"
NEEDS = ("onnxruntime", "numpy")
ALONE = """import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
session.run(None, feed)
"""
TOLERANCE = 1e-4  # of the largest output, scaled units: exporters have changed functions silently before
ROUNDING = 2.0**-21  # of |mean| / std: what float32 cannot hold of a raw value
WHOLE = 0.99  # share of int8 products from which a graph counts as int8
INPUTS = ("x", "z", "series", "cells")
SCALER = ("mean", "std")  # initializers (C,) float32


@dataclass(frozen=True)
class Opened:
    """Stands in for a network too: scaled x (B, L, C), z (B, L+H, F) | None -> (B, H, C), all series of the card."""

    session: onnxruntime.InferenceSession
    card: modelfile.Card
    path: Path
    alone: bool = False  # finds ranges of activations in what it is given: see `run`

    @property
    def n_known(self) -> int:
        return next((i.shape[2] for i in self.session.get_inputs() if i.name == "z"), 0)

    @property
    def reads(self) -> frozenset[str]:
        """What the graph asks for beside x; which series it is, it always does, for the scaler's sake."""
        return frozenset(i.name for i in self.session.get_inputs()) - {"x"}

    def __call__(self, x: torch.Tensor, z=None, series=None, cells=None) -> torch.Tensor:
        scaler = self.card.mean, self.card.std, self.card.transform
        every, raw = torch.arange(len(self.card.series)), to_raw(x.numpy(), *scaler).astype(np.float32)
        feed = self.feed(raw, *(None if part is None else part.numpy() for part in (z, every, cells)))
        return torch.from_numpy(to_scaled(self.run(feed), *scaler))

    def run(self, feed: Mapping[str, np.ndarray]) -> np.ndarray:
        """The graph's output (B, H, S). A graph that finds ranges in what it is given gets each window of each series
        by itself: no forecast depends on what else is asked for."""
        if not self.alone:
            return self.session.run(None, feed)[0]
        batch, _, channels = feed["x"].shape
        by = {"x": lambda part, b, s: part[b : b + 1, :, s : s + 1], "series": lambda part, b, s: part[s : s + 1]}
        each = [[self.session.run(None, {name: by.get(name, lambda part, b, s: part[b : b + 1])(part, b, s)
                                         for name, part in feed.items()})[0][0, :, 0]
                 for s in range(channels)] for b in range(batch)]  # fmt: skip
        return np.array(each, np.float32).reshape(batch, channels, -1).transpose(0, 2, 1)

    def feed(self, x, z, series, cells) -> dict:
        """The inputs that the graph has, by their names."""
        return {name: part for name, part in _feed(x, z, series, cells).items() if name in self.reads | {"x"}}


class Raw(torch.nn.Module):
    """A network between the card's scaler and its undoing."""

    def __init__(self, model, card: modelfile.Card):
        super().__init__()
        self.model, self.log = model, card.transform == "log"
        for name in SCALER:
            self.register_buffer(name, torch.tensor(getattr(card, name), dtype=torch.float32))

    def forward(self, x: torch.Tensor, z, series: torch.Tensor, cells) -> torch.Tensor:
        mean, std = self.mean[series], self.std[series]
        v = ((x.log() if self.log else x) - mean) / std
        v = torch.where(v.abs() < torch.inf, v, 0.0)  # missing, or without a logarithm: the mean
        y = self.model(v, z, series, cells) * std + mean
        return y.exp() if self.log else y


def export(model, card: modelfile.Card) -> bytes:
    """The file of a network, checked against PyTorch on windows of its shape. RunError, which says which network and
    how far off, if ONNX Runtime disagrees.

    The TorchScript exporter is used: for these nets it gives the same graph as the newer one in a tenth of the time.
    """
    x, z, _, cells = base.example(model.config, 2)
    window = [x, z if "z" in model.reads else None, torch.zeros(1, dtype=torch.int64),
              cells if "cells" in model.reads else None]
    windows, made = {0: "batch", 2: "series"}, BytesIO()
    axes = {"x": windows, "series": {0: "series"}, "z": {0: "batch"}, "cells": {0: "batch"}, "y": windows}
    names = [name for name, part in zip(INPUTS, window, strict=True) if part is not None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Raw(model, card).eval(), tuple(window), made, input_names=names, output_names=["y"],
                          dynamic_axes={name: axes[name] for name in (*names, "y")}, dynamo=False)
    graph = onnx.load_from_string(made.getvalue())
    _unshare(graph.graph)
    content = sealed(graph, card)
    check(model, Opened(_session(content), card, Path()), "ONNX")
    return content


def _unshare(graph: onnx.GraphProto) -> None:
    """Weights that happen to be equal are held once by the exporter, and passed on by Identity: a quantiser, which asks
    whether a weight is one, does not see them. Each gets its own."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    copies = [node for node in graph.node if node.op_type == "Identity" and node.input[0] in held]
    for node in copies:
        graph.initializer.add().CopyFrom(held[node.input[0]])
        graph.initializer[-1].name = node.output[0]
        graph.node.remove(node)


def sealed(graph: onnx.ModelProto, card: modelfile.Card) -> bytes:
    """The file of a graph of ours, also of one that was quantised since: its card, short names, no debugging data."""
    graph.producer_name = graph.producer_version = graph.doc_string = ""
    del graph.graph.value_info[:], graph.metadata_props[:]
    kept = ("", *SCALER, *(value.name for value in [*graph.graph.input, *graph.graph.output]))
    short = {name: name for name in kept}  # "" stands for an input that is left out
    for node in graph.graph.node:
        node.doc_string = node.name = ""
        for values in (node.input, node.output):
            values[:] = [short.setdefault(name, f"{len(short):x}") for name in values]
    for tensor in graph.graph.initializer:
        tensor.name, tensor.doc_string = short.setdefault(tensor.name, f"{len(short):x}"), ""
    words = card.words(set(SCALER), {value.name for value in graph.graph.input})
    graph.metadata_props.add(key="card", value=json.dumps(words, ensure_ascii=False, separators=(",", ":")))
    return graph.SerializeToString(deterministic=True)


def card(path) -> modelfile.Card:
    """The card of a file, its scaler from the graph; ModelFileError where there is none."""
    return read(path)[0]


def read(path) -> tuple[modelfile.Card, bool]:
    """The card, and whether ranges are found in what the graph is given."""
    try:
        graph = onnx.load(str(path))
        words = next(json.loads(entry.value) for entry in graph.metadata_props if entry.key == "card")
        scaler = {tensor.name: onnx.numpy_helper.to_array(tensor).astype(float).tolist()
                  for tensor in graph.graph.initializer if tensor.name in SCALER}  # fmt: skip
        alone = any(node.op_type.startswith("DynamicQuantize") for node in graph.graph.node)
        return modelfile.Card(**words, **scaler), alone
    except Exception as error:  # no file, no protobuf, no card, nonsense in it
        raise ModelFileError(f"{path} is no ONNX file with a card: {type(error).__name__} {error!s:.200}") from error


def open(path) -> Opened:
    """On one CPU thread."""
    known, alone = read(path)
    try:
        return Opened(_session(str(path)), known, Path(path), alone)
    except Exception as error:  # whatever the runtime raises
        raise ModelFileError(f"{path}: ONNX Runtime cannot open it: {error!s:.200}") from error


def forecast(opened: Opened, values, times=None) -> np.ndarray:
    """The H steps after the last row, (H, C), raw unit: arguments and errors as `modelfile.Loaded.forecast`."""
    return modelfile.Loaded(opened, opened.card, opened.path).forecast(values, times)


def feeds(opened: Opened, data, origins: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Inputs of consecutive origins, raw, all series: what forecasts are made from, and a quantiser calibrated with."""
    numbers, own = inputs.positions(opened.card, data), inputs.seen(opened.card, data)
    raw = replace(own, x=own.raw(own.x).astype(np.float32))
    for x, *rest in training.batches(raw, origins, reads=opened.reads, numbers=numbers):
        yield opened.feed(x.contiguous().numpy(), *(None if part is None else part.numpy() for part in rest))


def predict(opened: Opened, data, origins: np.ndarray) -> np.ndarray:
    made = [opened.run(feed) for feed in feeds(opened, data, origins)]
    return data.scaled(np.concatenate(made or [np.empty((0, data.H, data.C))])).astype(np.float32)


def inside(opened: Opened, names: Sequence[str], feeds: Iterator) -> Iterator[dict[str, np.ndarray]]:
    """What some float tensors of the graph hold, for each feed: name -> values."""
    graph = onnx.load(str(opened.path))
    del graph.graph.output[:]
    graph.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = _session(graph.SerializeToString())
    for feed in feeds:
        yield dict(zip(names, session.run(list(names), feed), strict=True))


def call(opened: Opened) -> Callable[[], np.ndarray]:
    feed = _window(opened)
    return lambda: opened.session.run(None, feed)[0]


def executed(opened: Opened, claims: str = "") -> Executed:
    """MACs by the nodes that ran, in ONNX Runtime's own profile of one forecast; weights by the file."""
    return told(Counter(products(opened).groupby("precision").macs.sum().to_dict()),
                _held(onnx.load(str(opened.path)).graph), claims)


def told(macs: Counter[str], held: Counter[str], claims: str = "") -> Executed:
    """Of the products run, and of the weights held, in each precision: 'int8', 'float32'."""
    share = macs["int8"] / max(1, macs.total())
    precision = "int8" if share >= WHOLE else "int8+float32" if share else "float32"
    claims = claims or precision.split("+")[0]
    ran = {"int8": share, "float32": 1 - share}.get(claims, 0.0)
    return Executed(precision, held[claims] / max(1, held.total()), ran)


def _session(source: str | bytes, profile: str = "") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
        options.add_session_config_entry("session.disable_prepacking", "1")  # packed weights would show no shape
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _feed(*window) -> dict:
    return {name: part for name, part in zip(INPUTS, window, strict=True) if part is not None}


def _window(opened: Opened) -> dict[str, np.ndarray]:
    return _feed(*inputs.window(opened.card, opened.reads))


@torch.inference_mode()
def check(model, opened: Opened, kind: str) -> None:
    """RunError where a graph of that kind is not the network. Compared in scaled units: beside a mean of millions no
    difference would be large."""
    window = base.example(model.config, 2, len(opened.card.series))
    expected = model(*window)
    gap, size = float((opened(*window) - expected).abs().max()), float(expected.abs().max())
    rounding = max((abs(mean) + 1) / std for mean, std in zip(opened.card.mean, opened.card.std, strict=True))
    allowed = TOLERANCE * size + ROUNDING * rounding
    if not gap <= allowed:
        family = models.describe(model)["family"]
        raise RunError(f"{opened.card.dataset}: the exported {kind} graph of {family} differs from the network by "
                       f"{gap / size:.1e} of its largest output, of which {allowed / size:.0e} may be rounding. "
                       "The exporter changed the function: use the locked torch and ONNX Runtime")


# ---- what runs

# Nodes that multiply -> MACs, from the shapes of inputs of two axes or more (activations, then weights), and of the
# output. A node counts as int8 if its weights are.
PRODUCTS = {
    "Conv FusedConv NhwcFusedConv QLinearConv ConvInteger":  # each output: input channels of its group x kernel
        lambda given, out: math.prod(out) * math.prod(given[1][1:]),
    "Gemm FusedGemm QGemm MatMul FusedMatMul QLinearMatMul MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul":
        lambda given, out: math.prod(out) * (given[0][-1] * given[0][-2] // out[-2]),  # rows and inner, in any order
    "LSTM GRU RNN DynamicQuantizeLSTM":  # each step: of the input, of the state
        lambda given, out: math.prod(given[0][:2]) * (math.prod(given[1]) + math.prod(given[2])),
}  # fmt: skip
# Node -> from which of its inputs on there are but steps and zero points.
SCALES = {"QuantizeLinear": 1, "DequantizeLinear": 1, "MatMulInteger": 2, "DynamicQuantizeLSTM": 8}
COUNTERS = {node: count for nodes, count in PRODUCTS.items() for node in nodes.split()}


def products(opened: Opened) -> pd.DataFrame:
    """What multiplied in one forecast of one window of one series, in order: node, precision (that of its weights),
    macs; from ONNX Runtime's own profile."""
    ran = []
    with tempfile.TemporaryDirectory() as folder:
        session = _session(str(opened.path), f"{folder}/profile")
        session.run(None, _window(opened))
        events = json.loads(Path(session.end_profiling()).read_text())
    for node in (event["args"] for event in events if event["name"].endswith("_kernel_time")):
        if count := COUNTERS.get(node["op_name"]):
            given = [pair for tensor in node["input_type_shape"] for pair in tensor.items() if len(pair[1]) > 1]
            (out,) = node["output_type_shape"][0].values()
            kind = "int8" if given[1][0] in ("int8", "uint8") else "float32"
            ran.append((node["op_name"], kind, count([shape for _, shape in given], out)))
    return pd.DataFrame(ran, columns=["node", "precision", "macs"])


def _held(graph: onnx.GraphProto) -> Counter[str]:
    """Type -> elements of the weights held in it; scales, zero points, shapes and the scaler are no weights."""
    found = {node.output[1] for node in graph.node if node.op_type == "DynamicQuantizeLinear"}  # steps of activations
    others = {name for node in graph.node for name in node.input[SCALES.get(node.op_type, len(node.input)) :]}
    others |= {name for node in graph.node if node.op_type == "Mul" and found & {*node.input} for name in node.input}
    others |= {*SCALER}
    kind, held = onnx.TensorProto, Counter()
    kinds = {kind.FLOAT: "float32", kind.INT8: "int8", kind.UINT8: "int8", kind.INT32: "int32"}
    for tensor in graph.initializer:
        if tensor.data_type in kinds and tensor.name not in others:
            held[kinds[tensor.data_type]] += math.prod(tensor.dims)
    return held
