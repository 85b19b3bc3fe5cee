"""int8 after training: weights per output channel and activations in 8 bit, with ONNX Runtime's integer kernels.

Static quantisation (Jacob et al., CVPR 2018; Krishnamoorthi 2018): the ranges of activations are those seen on windows
of the train part, no weight is trained. What ONNX Runtime has no integer kernel for (the recurrent core of an LSTM or
GRU) stays in float32; how much really runs in int8 is read from the executed graph.
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnxruntime import quantization

from litecast.compress import Compressed, Export, Task
from litecast.modelfile import Card
from litecast.runtimes import onnxruntime as runtime
from litecast.training import Spent, cost

NEEDS = ("dense",)
FITS = ()
LEVELS = (8,)
LEVEL = "bits of weights and activations"
VARIANTS = ("minmax",)
CONTROLS = {}
STORAGES = {"int8": "onnxruntime"}
CHAIN = False
LOOK = 2

CALIBRATION = 512  # windows of the train part, all series of each
KINDS = ["Conv", "MatMul", "Gemm"]  # what has an integer kernel; scaler, normalisation and recurrences stay as they are


def compress(task: Task) -> Compressed:
    """Quantise weights and activations of a trained network; nothing is trained again. variant: 'minmax' ranges."""
    card = Card.of(task.data)
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        plain.write_bytes(runtime.export(task.start, card))
        origins = _origins(task)
        quantise(plain, made, runtime.feeds(runtime.open(plain), task.data, origins))
        graph = onnx.load(str(made))
    ran = len(origins) * task.data.C * cost.profile(task.start).macs
    file = Export(claims="int8", runtime="onnxruntime", content=runtime.sealed(graph, card))
    return Compressed(task.start, {"int8": file}, Spent(macs=ran), story=ranges(graph))


def quantise(source: Path, target: Path, windows) -> None:
    """QDQ graph of `source`, weights per output channel, activations per tensor; windows: feeds to calibrate.

    Both are unsigned: where a processor has no VNNI instructions, products of unsigned activations and signed weights
    are added in 16 bits and saturate (PatchTST erred twice as much), those of two unsigned ones do not.
    """
    logging.getLogger().setLevel(logging.ERROR)  # the library warns of pre-processing that these graphs do not need
    quantization.quantize_static(
        str(source), str(target), _Reader(windows), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QUInt8,
        op_types_to_quantize=KINDS,
    )  # fmt: skip


def ranges(graph: onnx.ModelProto) -> pd.DataFrame:
    """What each quantised activation was seen to span, in order: the node it comes from, low, high, step."""
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    made_by, rows = {name: node.op_type for node in graph.graph.node for name in node.output}, []
    for node in (node for node in graph.graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in held):
        step, zero = float(held[node.input[1]]), int(held[node.input[2]])
        rows.append((made_by.get(node.input[0], "input"), -zero * step, (255 - zero) * step, step))
    return pd.DataFrame(rows, columns=["behind", "low", "high", "step"])


def _origins(task: Task) -> np.ndarray:
    """Of a seeded draw of train windows."""
    return np.sort(np.random.default_rng(task.seed).permutation(task.data.origins("train"))[:CALIBRATION])


class _Reader(quantization.CalibrationDataReader):
    """Feeds, one after the other, as the library asks for them."""

    def __init__(self, feeds):
        self._feeds = iter(feeds)

    def get_next(self):
        return next(self._feeds, None)
