"""OpenVINO, one CPU thread: it reads the ONNX files of `onnxruntime`, card and all, and compiles them when opened.

What a file holds in float32 is multiplied in float32 (a processor with bfloat16 would take that unless told), what a
static int8 file rounds in int8. Operators of ONNX Runtime's own, as the int8 core of an LSTM, it does not know.
"""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openvino

from litecast.errors import ModelFileError
from litecast.runtimes import Executed, onnxruntime
from litecast.runtimes.onnxruntime import Opened, call, export, forecast, predict  # noqa: F401  (of any session)

NAME = "OpenVINO"
FORMAT = "onnx"
SUFFIX = ".onnx"
TOLERANCE = 1e-4
NEEDS = ("openvino", "numpy")
OPTIONAL = True
# No stream: in the thread of the caller, which is then bound to no core.
ONE = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 0, "INFERENCE_PRECISION_HINT": "f32"}
ALONE = f"""import numpy, openvino
openvino.Core().compile_model(path, "CPU", {ONE})(feed)
"""
# Layers that multiply with weights, and which of their inputs these are.
WEIGHTS = {"FullyConnected": (1,), "Convolution": (1,), "RNNSeq": (-3, -2)}
INT8 = ("i8", "u8")


class Session:
    """As much of ONNX Runtime's session as `onnxruntime` asks for."""

    def __init__(self, path: Path):
        self.compiled = openvino.Core().compile_model(str(path), "CPU", ONE)
        self.request = self.compiled.create_infer_request()

    def get_inputs(self) -> list[SimpleNamespace]:
        shapes = {part.any_name: [axis.is_static and axis.get_length() for axis in part.partial_shape]
                  for part in self.compiled.inputs}
        return [SimpleNamespace(name=name, shape=shape) for name, shape in shapes.items()]

    def run(self, _, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [self.request.infer(feed, share_inputs=True)[0]]


def open(path) -> Opened:
    card, alone = onnxruntime.read(path)
    try:
        return Opened(Session(path), card, Path(path), alone)
    except RuntimeError as error:
        raise ModelFileError(f"{path}: OpenVINO cannot open it: {error!s:.200}") from error


def executed(opened: Opened, claims: str = "") -> Executed:
    """By the layers of the graph as it was compiled, once it has made a forecast: it has shapes only then."""
    call(opened)()
    macs, held = Counter(), Counter()
    for node in opened.session.compiled.get_runtime_model().get_ops():
        about = node.get_rt_info()
        kind = about["layerType"].value if "layerType" in about else ""
        if kind in WEIGHTS:
            shapes = [list(part.get_partial_shape().get_min_shape()) for part in node.inputs()]
            out = list(node.output(0).get_partial_shape().get_min_shape())
            precision = "int8" if about["runtimePrecision"].value in INT8 else "float32"
            weights = sum(math.prod(shapes[place]) for place in WEIGHTS[kind])
            held[precision] += weights
            macs[precision] += weights * _uses(kind, shapes[0], out)
    return onnxruntime.told(macs, held, claims)


def _uses(kind: str, given: list[int], out: list[int]) -> int:
    """How often each weight is multiplied in one forecast: steps, positions of a convolution, rows of a matrix."""
    if kind == "RNNSeq":
        return math.prod(given[:2])
    return math.prod(out[2:]) * out[0] if kind == "Convolution" else math.prod(out[:-1])
