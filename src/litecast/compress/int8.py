"""int8: weights per output channel and activations in 8 bits, with ONNX Runtime's integer kernels.

Static (Jacob et al., CVPR 2018; Krishnamoorthi 2018): an activation's range is found on windows of the train part and
stays: all that was seen (`minmax`), all but a few values (`percentile`), or where clipping and rounding together change
the distribution least (`entropy`: Migacz, GPU Technology Conference 2017). `dynamic`: the range is that of each window,
found while it is forecast; it is what ONNX Runtime has for the core of an LSTM. `qat`: weights and static ranges are
trained with the rounding in place. What has no integer kernel (the core of a GRU, and of an LSTM in a static file)
stays in float32; how much really runs in int8 is read from the executed graph.

Codes of weights are -64 … 64, seven bits: without VNNI instructions x86 adds two products of 255 x code in signed 16
bits, which hold 64 and not 127. With larger codes the same file forecasts other values there, without a warning;
unsigned ones are exact everywhere, but slower (docs/performance.md).
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import torch
from onnxruntime import quantization
from onnxruntime.quantization import calibrate
from torch import nn

from litecast import models, training
from litecast.compress import Compressed, Export, Task, clone, masking, matrices, quantisers
from litecast.data import panel
from litecast.errors import RunError
from litecast.modelfile import Card
from litecast.models import base
from litecast.runtimes import onnxruntime as runtime
from litecast.training import Spent, cost

NEEDS = ("dense",)
FITS = ()
LEVELS = (8,)
LEVEL = "bits of weights and activations"
VARIANTS = ("minmax", "percentile", "entropy", "dynamic", "qat")
CONTROLS = {}
STORAGES = {"int8": "onnxruntime"}
CHAIN = False
LOOK = 2

CALIBRATION = 512  # windows of the train part, all series of each, or of a panel a few
BINS = 4096  # of the histogram of an activation: sixteen a step
CODES = 256  # of an activation
TOP = 64  # largest code of a weight
PERCENTILE = 99.99  # of the values of an activation lie inside, as many are cut off on either side
OWN = "_rounded"  # ends the name of what enters products alone
SHARES = np.linspace(0, 1, 257)[1:]  # of a side of the range that `entropy` tries
MOST = 0.01  # of the values may `entropy` cut off
PRODUCTS = ["Conv", "MatMul", "Gemm"]  # have integer kernels; scaler, normalisation, recurrences stay as they are


def compress(task: Task) -> Compressed:
    """An ONNX file in int8, of the trained network or, under 'qat', of one trained again for `task.budget.again()`.

    story: what was quantised (`where`), low, high and step of its codes, the share of calibration values that lie
    outside (`clipped`); under 'qat' attrs["log"] is that of the training.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        model, card = task.start, Card.of(task.data)
        plain.write_bytes(runtime.export(model, card))
        if task.variant == "dynamic":
            quantise_dynamic(plain, made)
            return Compressed(model, _files(made, card), story=_dynamic(onnx.load(str(made))))
        found, spent = calibrated(plain, task.data, task.seed), _calibrating(task)
        limits = {name: RANGES[task.variant](activation) for name, activation in found.items()}
        around, log = places(model, onnx.load(str(plain))), None
        if task.variant == "qat":
            model = clone(model)
            rounding = Rounding(around, limits)
            fit = training.fit(model, task.data, task.budget.again(), task.seed, weights(model), rounding,
                               *masking(task.masks))
            plain.write_bytes(runtime.export(model, card))
            around, log = places(model, onnx.load(str(plain))), fit.log
            limits, found = rounding.limits(around), calibrated(plain, task.data, task.seed)
            spent += fit.spent + _calibrating(task)
        quantise(plain, made, limits, attention=log is None)
        story = _story(onnx.load(str(made)), around, found, limits)
        story.attrs |= {} if log is None else {"log": log}
        return Compressed(model, _files(made, card), spent, story=story)


def quantise(source: Path, target: Path, limits: Mapping[str, tuple[float, float]], attention: bool = True) -> None:
    """QDQ graph of `source`: what enters a product and what leaves a convolution is rounded to unsigned codes between
    `limits`, tensor -> (low, high); weights to signed ones. attention: also products of two activations.

    What leaves a matrix product stays a float: it is often added to something at once, and codes of its own would cost
    accuracy (PatchTST's forecasts moved by 19 % instead of 0.7 %) and time.
    """
    logging.getLogger().setLevel(logging.ERROR)  # the library warns of pre-processing that these graphs do not need
    graph, known = _named(source), target.with_suffix(".json")
    limits = limits | {node.output[0]: limits[leaves] for node, leaves in _convolved(graph)}
    nodes = _quantised(graph, attention)
    limits |= {tensor + OWN: limits[tensor] for tensor in _apart(graph.graph, nodes)}
    spans = {name: tuple(np.float32(value) for value in span) for name, span in limits.items()}
    calibrate.save_tensors_data(calibrate.TensorsData(quantization.CalibrationMethod.MinMax, spans), known)
    quantization.quantize_static(
        graph, str(target), None, quant_format=quantization.QuantFormat.QDQ, per_channel=True, reduce_range=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        nodes_to_quantize=[node.name for node in nodes], calibration_cache_path=known,
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
    )  # fmt: skip


def _quantised(graph: onnx.ModelProto, attention: bool) -> list:
    """Products with a weight or, in attention, of two activations; and what is nothing but the Relu of a convolution:
    it becomes the zero of that one's codes."""
    held, relus = {tensor.name for tensor in graph.graph.initializer}, {leaves for _, leaves in _convolved(graph)}
    return [node for node in graph.graph.node
            if node.op_type in PRODUCTS and node.input[0] not in held and (attention or node.input[1] in held)
            or node.op_type == "Relu" and node.output[0] in relus]  # fmt: skip


def _apart(graph: onnx.GraphProto, nodes: list) -> list[str]:
    """Tensors that enter a product and something else, too, reach the product under a name of their own, which are
    returned: the library would hand the rounded values to both, and a skip or a difference would lose accuracy."""
    wanted, out = {node.name for node in nodes}, {name for node in nodes for name in node.output}
    others = {name for node in graph.node if node.name not in wanted for name in node.input}
    held = {tensor.name for tensor in graph.initializer}
    both = {name for node in nodes for name in node.input} & others - out - held
    for tensor in sorted(both):
        readers = [node for node in nodes if tensor in node.input]
        for node in readers:
            node.input[:] = [tensor + OWN if name == tensor else name for name in node.input]
        first = next(i for i, node in enumerate(graph.node) if tensor + OWN in node.input)
        graph.node.insert(first, onnx.helper.make_node("Identity", [tensor], [tensor + OWN], name=tensor + OWN))
    return sorted(both)


def _convolved(graph: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    """(convolution, the tensor that it leaves, behind its Relu if nobody else reads it)."""
    for node in graph.graph.node:
        if node.op_type == "Conv":
            after = [other for other in graph.graph.node if node.output[0] in other.input]
            alone = len(after) == 1 and after[0].op_type == "Relu"
            yield node, (after[0] if alone else node).output[0]


def quantise_dynamic(source: Path, target: Path) -> None:
    """Graph whose matrix products and LSTM cores find the range of an activation in each window. Convolutions stay as
    they are: what ONNX Runtime has for them, ConvInteger, takes five times as long as float32."""
    logging.getLogger().setLevel(logging.ERROR)
    graph = _named(source)
    _turn(graph.graph)
    del graph.graph.value_info[:]  # shapes written by an exporter contradict those of the new nodes
    wanted = {node.name for node in _quantised(graph, attention=False)}
    others = [node.name for node in graph.graph.node if node.op_type in PRODUCTS and node.name not in wanted]
    quantization.quantize_dynamic(
        graph, str(target), op_types_to_quantize=["MatMul", "LSTM"], per_channel=True, reduce_range=True,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=[name + kind for name in others for kind in ("", "_MatMul")],  # what a Gemm becomes
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )  # fmt: skip


def _turn(graph: onnx.GraphProto) -> None:
    """Weights of a Gemm as a MatMul has them: the library would turn them once for each node that shares them."""
    flags = [(node.input[1], flag) for node in graph.node if node.op_type == "Gemm"
             for flag in node.attribute if flag.name == "transB" and flag.i]  # fmt: skip
    for tensor in graph.initializer:
        if tensor.name in dict(flags):
            turned = np.ascontiguousarray(onnx.numpy_helper.to_array(tensor).T)
            tensor.CopyFrom(onnx.numpy_helper.from_array(turned, tensor.name))
    for _, flag in flags:
        flag.i = 0


def _named(path: Path) -> onnx.ModelProto:
    """A graph whose nodes can be told apart."""
    graph = onnx.load(str(path))
    for number, node in enumerate(graph.graph.node):
        node.name = f"{number}"
    return graph


# ---- ranges


@dataclass(frozen=True)
class Seen:
    """An activation over the calibration windows: low <= 0 <= high, and how many values lie in each of BINS equal bins
    between them, (BINS,) int64."""

    low: float
    high: float
    counts: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """(BINS + 1,)"""
        return np.linspace(self.low, self.high, BINS + 1)

    def outside(self, low: float, high: float) -> float:
        """Share of the values below or above, to the nearest bin."""
        middle = (self.edges[1:] + self.edges[:-1]) / 2
        return float(self.counts[(middle < low) | (middle > high)].sum() / self.counts.sum())


def origins(data, seed: int) -> np.ndarray:
    """Of a seeded draw of train windows, as many of each weekday and month, by their first target, as the part has."""
    found, times = data.origins("train"), data.times
    dated = isinstance(times, pd.DatetimeIndex)
    strata = [times[found].day_of_week, times[found].month] if dated else []
    draw = np.random.default_rng(seed)
    order = np.lexsort([draw.permutation(len(found)) if dated else found, *strata])
    count = min(CALIBRATION, len(found))
    return np.sort(found[order[((np.arange(count) + draw.random()) * len(found) / count).astype(int)]])


def calibrated(source: Path, data, seed: int) -> dict[str, Seen]:
    """Activation -> what it was over the calibration windows, in two passes: how far it goes, and how often where."""
    data = panel.stand_in(data)
    opened, graph = runtime.open(source), onnx.load(str(source))
    held = {tensor.name for tensor in graph.graph.initializer}
    nodes = _quantised(graph, attention=True)
    names = list(dict.fromkeys(name for node in nodes for name in (*node.input, *node.output) if name not in held))

    def passed():
        return runtime.inside(opened, names, runtime.feeds(opened, data, origins(data, seed)))

    spans = dict.fromkeys(names, (0.0, 0.0))  # zero needs a code: what is left out is zero, and so is padding
    for values in passed():
        spans = {name: (min(low, float(values[name].min())), max(high, float(values[name].max())))
                 for name, (low, high) in spans.items()}  # fmt: skip
    spans = {name: (low, high if high > low else low + 1.0) for name, (low, high) in spans.items()}
    counts = {name: np.zeros(BINS, np.int64) for name in names}
    for values in passed():
        for name in names:
            counts[name] += np.histogram(values[name], BINS, spans[name])[0]
    return {name: Seen(*spans[name], counts[name]) for name in names}


def seen(model, data, seed: int) -> dict[str, Seen]:
    """'into head.out' -> what entered that layer of a network over the calibration windows: to look at."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float32.onnx"
        plain.write_bytes(runtime.export(model, Card.of(data)))
        found = calibrated(plain, data, seed)
        return {f"into {place.layer}": found[place.enters] for place in places(model, onnx.load(str(plain)))}


def minmax(seen: Seen) -> tuple[float, float]:
    """All that was seen."""
    return seen.low, seen.high


def percentile(seen: Seen) -> tuple[float, float]:
    """All but (100 - PERCENTILE) / 2 per cent on either side, rounded outwards to a bin."""
    below, cut = seen.counts.cumsum() / seen.counts.sum(), (100 - PERCENTILE) / 200
    first, last = np.searchsorted(below, cut, side="right"), np.searchsorted(below, 1 - cut)
    return min(float(seen.edges[first]), 0.0), max(float(seen.edges[min(last, BINS - 1) + 1]), 0.0)


def entropy(seen: Seen) -> tuple[float, float]:
    """The upper end drawn towards zero, then the lower one: to where the values as they are, those outside heaped up at
    the ends, diverge least (Kullback-Leibler) from what CODES levels keep of those inside.

    No more than MOST may lie outside: the method was made for values that are dense at zero. Of others (what comes out
    of a softmax) it would cut off all, since nothing then diverges.
    """
    zero, few = round(-seen.low / (seen.high - seen.low) * BINS), MOST * seen.counts.sum()

    def best(cuts):
        return min((cut for cut in cuts if seen.counts[: cut[0]].sum() + seen.counts[cut[1] :].sum() <= few),
                   key=lambda cut: divergence(seen.counts, *cut))  # fmt: skip

    first, last = best([(0, zero + round((BINS - zero) * share)) for share in SHARES])
    first, last = best([(zero - round(zero * share), last) for share in SHARES])
    return min(float(seen.edges[first]), 0.0), max(float(seen.edges[last]), 0.0)


def divergence(counts: np.ndarray, first: int, last: int) -> float:
    """Of a histogram clipped to bins first … last - 1 from the same in CODES levels."""
    inside = counts[first:last].astype(float)
    clipped = inside.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[last:].sum()
    level, there = np.arange(last - first) * CODES // (last - first), inside > 0
    kept = np.bincount(level, inside, CODES) / np.maximum(np.bincount(level, there, CODES), 1)
    p, q = clipped / clipped.sum(), np.where(there, kept[level], 0) / inside.sum()
    some = p > 0
    return float((p[some] * np.log(p[some] / np.maximum(q[some], 1e-9))).sum())


RANGES = {"minmax": minmax, "percentile": percentile, "entropy": entropy, "qat": percentile}


# ---- training with the rounding in place


@dataclass(frozen=True)
class Place:
    """A layer and the tensors of the graph around it: what enters, and what leaves a convolution, behind its Relu."""

    layer: str
    enters: str
    leaves: str | None


def places(model, graph: onnx.ModelProto) -> list[Place]:
    """Of the layers that are a product with a weight, in the order in which they run. RunError where the graph is not
    that of the network."""
    called, held = [], {tensor.name: tensor for tensor in graph.graph.initializer}
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, (nn.Conv1d, nn.Linear))}
    hooks = [layer.register_forward_hook(lambda *_, name=name: called.append(name)) for name, layer in layers.items()]
    with torch.no_grad():
        model(*base.example(model.config, 1))
    for hook in hooks:
        hook.remove()
    nodes = [node for node in graph.graph.node if node.op_type in PRODUCTS and node.input[1] in held
             and node.input[0] not in held]  # fmt: skip
    weights = [onnx.numpy_helper.to_array(held[node.input[1]]) for node in nodes]
    own = [layers[name].weight.detach().numpy() for name in called]
    same = len(own) == len(weights) and all(
        np.array_equal(w.T if node.op_type == "MatMul" else w, o)
        for node, w, o in zip(nodes, weights, own, strict=True)
    )
    if not same:
        raise RunError(f"the graph of this {models.describe(model)['family']} has other products with weights than its "
                       f"{len(own)} layers: int8 cannot tell which range belongs to which layer")
    leaves = {node.output[0]: name for node, name in _convolved(graph)}
    return [Place(name, node.input[0], leaves.get(node.output[0])) for name, node in zip(called, nodes, strict=True)]


def weights(model) -> training.FakeQuantise:
    """Weights of linear layers and convolutions, per output channel, on the grid that the file holds."""
    layers = {f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, (nn.Conv1d, nn.Linear))}
    found = {name: quantisers.Uniform(8, axis=0) for name in matrices.of(model) if name in layers}
    for quantiser in found.values():
        quantiser.top = TOP
    return training.FakeQuantise(found)


class Range(nn.Module):
    """Activations -> step * (code - zero), code 0 … 255. What is trained is the logarithm of a factor of the step, so
    that a rate means the same for every range; the code of zero stays (Esser et al., ICLR 2020; Jain et al., MLSys
    2020)."""

    def __init__(self, low: float, high: float):
        super().__init__()
        self.first = (high - low) / (CODES - 1)
        self.zero = round(-low / self.first)
        self.stretch = nn.Parameter(torch.zeros(()))

    @property
    def step(self) -> torch.Tensor:
        return self.first * self.stretch.exp()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        scaled = (values / self.step).clamp(-self.zero, CODES - 1 - self.zero)
        return (scaled + (scaled.round() - scaled).detach()) * self.step

    def limits(self) -> tuple[float, float]:
        step = float(self.step.detach())
        return -self.zero * step, (CODES - 1 - self.zero) * step


class Rounding(training.Rule):
    """What enters a layer, and what leaves a convolution, goes through the codes of its range; ranges are trained.

    A tensor has one range, and so has a layer, as often as it is called: then all that enters it.
    """

    def __init__(self, places: list[Place], limits: Mapping[str, tuple[float, float]]):
        self.places, first = places, {place.layer: place.enters for place in reversed(places)}
        group = {}
        for place in places:
            group[place.enters] = group.get(first[place.layer], first[place.layer])
            group |= {place.leaves: group.get(place.leaves, place.leaves)} if place.leaves else {}
        ends = {key: [limits[name] for name in group if group[name] == key] for key in group.values()}
        ranges = {key: Range(min(low for low, _ in spans), max(high for _, high in spans))
                  for key, spans in ends.items()}  # fmt: skip
        self.ranges = {name: ranges[key] for name, key in group.items()}

    def prepare(self, model):
        self._hooks, on = [], next(model.parameters()).device
        for place in {place.layer: place for place in self.places}.values():
            layer, enters = model.get_submodule(place.layer), self.ranges[place.enters].to(on)
            self._hooks.append(layer.register_forward_pre_hook(lambda _, given, enters=enters: (enters(given[0]),)))
            if place.leaves:
                leaves = self.ranges[place.leaves].to(on)
                self._hooks.append(layer.register_forward_hook(lambda _, given, out, leaves=leaves: leaves(out)))

    @torch.no_grad()
    def finish(self, model):
        """Biases are held as sums of codes: on the grid of step of the input x step of the weight."""
        for hook in self._hooks:
            hook.remove()
        for place in self.places:
            layer = model.get_submodule(place.layer)
            if layer.bias is not None:
                grid = self.ranges[place.enters].step * layer.weight.flatten(1).abs().amax(1) / TOP
                layer.bias.copy_(torch.where(grid > 0, (layer.bias / grid).round() * grid, layer.bias))

    def parameters(self):
        return [range.stretch for range in dict.fromkeys(self.ranges.values())]

    def limits(self, places: list[Place]) -> dict[str, tuple[float, float]]:
        """Tensor -> trained limits, in the graph of these places, in which tensors may have other names."""
        pairs = [pair for here, there in zip(self.places, places, strict=True)
                 for pair in ((there.enters, here.enters), (there.leaves, here.leaves))]  # fmt: skip
        return {new: self.ranges[old].limits() for new, old in pairs if new}

    @contextmanager
    def on(self, model) -> Iterator:
        """The network with the rounding in place, as the file computes it."""
        self.prepare(model)
        yield model
        self.finish(model)


# ---- what is handed back


def _files(made: Path, card: Card) -> dict[str, Export]:
    content = runtime.sealed(onnx.load(str(made)), card)
    return {"int8": Export(claims="int8", runtime="onnxruntime", content=content)}


def _calibrating(task: Task) -> Spent:
    data = panel.stand_in(task.data)
    return Spent(macs=2 * len(origins(data, task.seed)) * data.C * cost.profile(task.start).macs)


def _story(graph: onnx.ModelProto, places: list[Place], seen: Mapping[str, Seen], limits: Mapping) -> pd.DataFrame:
    """A row for each quantised activation, in order."""
    into = {place.leaves: f"out of {place.layer}" for place in places if place.leaves}
    into |= {place.enters: f"into {place.layer}" for place in places}
    rows = []
    for name, (behind, step, zero) in _activations(graph).items():
        name = name.removesuffix(OWN)
        clipped = seen[name].outside(*limits[name])
        rows.append((into.get(name, f"behind {behind}"), -zero * step, (CODES - 1 - zero) * step, step, clipped))
    return pd.DataFrame(rows, columns=["where", "low", "high", "step", "clipped"])


def _activations(graph: onnx.ModelProto) -> dict[str, tuple[str, float, int]]:
    """Tensor -> (the node that it comes from, step, code of zero)."""
    held = {tensor.name: tensor for tensor in graph.graph.initializer}
    made_by = {name: node.op_type for node in graph.graph.node for name in node.output}
    found = {}
    for node in graph.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in held:
            step, zero = (onnx.numpy_helper.to_array(held[name]) for name in node.input[1:])
            found[node.input[0]] = made_by.get(node.input[0], "input"), float(step), int(zero)
    return found


def _dynamic(graph: onnx.ModelProto) -> pd.DataFrame:
    """A row for each node whose activations are quantised while it runs; its range is that of each window."""
    nodes = [node.op_type for node in graph.graph.node if node.op_type in ("MatMulInteger", "DynamicQuantizeLSTM")]
    return pd.DataFrame({"where": nodes}).reindex(columns=["where", "low", "high", "step", "clipped"])
