"""LiteRT (TensorFlow Lite), one thread: a file that forecasts raw values of one window of one series by itself.

Inputs, in this order, those that the network reads: `x` (1, L, 1) float32, raw; `z` (1, L+H, F) float32; `series` (1,)
int32, its position among the card's series; `cells` (1, L+H) int32. Output: (1, H, 1), raw. As in an ONNX file the
scaler, the logarithm and its undoing are part of the graph; the card is `card.json` of a zip behind the graph, which is
where files of this format keep what goes with them.

Files are made by another Python, which LITECAST_LITERT names: the converter brings 2 GB that nothing else needs.
Recurrences are unrolled: a file grows with their steps.
"""

import json
import math
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

from litecast import modelfile, paths
from litecast.errors import ModelFileError, RunError
from litecast.models import base
from litecast.runtimes import Executed, onnxruntime
from litecast.runtimes.onnxruntime import Opened, call, forecast, predict  # noqa: F401  (of any session)

NAME = "LiteRT"
FORMAT = "tflite"
SUFFIX = ".tflite"
TOLERANCE = 1e-4
NEEDS = ("ai-edge-litert", "numpy")
OPTIONAL = True
DEAR = True
STORAGES = ("float32", "int8")
CONVERTER = "LITECAST_LITERT"  # of the environment: a Python with litert-torch
LONGEST = 600  # seconds of a conversion
CARD = "card.json"
# Operators that multiply: input, then weights with an axis of outputs first (or two activations).
PRODUCTS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL")
ALONE = """import numpy; from ai_edge_litert.interpreter import Interpreter
graph = Interpreter(path, num_threads=1)
graph.allocate_tensors()
for part, values in zip(graph.get_input_details(), feed.values()):
    graph.set_tensor(part["index"], values.astype(part["dtype"]))
graph.invoke()
graph.get_tensor(graph.get_output_details()[0]["index"])
"""


class Session:
    """As much of ONNX Runtime's session as `onnxruntime` asks for: one window of one series a call."""

    def __init__(self, content: bytes, names: Sequence[str]):
        self.graph = Interpreter(model_content=content, num_threads=1)
        self.graph.allocate_tensors()
        given = sorted(self.graph.get_input_details(), key=lambda part: part["name"])
        self.given = dict(zip(names, given, strict=True))
        self.out = self.graph.get_output_details()[0]["index"]

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name, shape=part["shape"].tolist()) for name, part in self.given.items()]

    def run(self, _, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        for name, part in self.given.items():
            self.graph.set_tensor(part["index"], feed[name].astype(part["dtype"], copy=False))
        self.graph.invoke()
        return [self.graph.get_tensor(self.out)]


class _Given(torch.nn.Module):
    """The network called with what it reads alone, in the order of a file's inputs."""

    def __init__(self, raw: torch.nn.Module, names: Sequence[str]):
        super().__init__()
        self.raw, self.names = raw, names

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        known = dict(zip(self.names, given, strict=True))
        return self.raw(*map(known.get, onnxruntime.INPUTS))


def lacks() -> str:
    here = shutil.which(os.environ.get(CONVERTER, ""))
    return "" if here else ("nothing that makes its files: install litert-torch into a Python of its own and name that "
                            f"in {CONVERTER} (docs/deploy.md)")


def export(model, card: modelfile.Card, storage: str = "float32") -> bytes:
    """The file of a network; storage 'int8': weights of products in 8 bits, ranges of activations found while it runs.

    RunError, with the last words of the converter, if it fails, or if a float32 file differs from PyTorch.
    """
    x, z, _, cells = base.example(model.config, 1)
    window = {"x": x, "z": z, "series": torch.zeros(1, dtype=torch.int64), "cells": cells}
    window = {name: part for name, part in window.items() if name in model.reads | {"x", "series"}}
    with tempfile.TemporaryDirectory() as folder:
        network, made = Path(folder) / "network.pt2", Path(folder) / "made.tflite"
        raw = _Given(onnxruntime.Raw(model, card).eval(), [*window])
        torch.export.save(torch.export.export(raw, tuple(window.values())), network)
        _convert(network, made, storage)
        words = card.words(set(), {*window}) | {"inputs": [*window]}
        with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as behind:
            behind.writestr(zipfile.ZipInfo(CARD), json.dumps(words, ensure_ascii=False), zipfile.ZIP_DEFLATED)
        content = made.read_bytes()
    if storage == "float32":
        onnxruntime.check(model, _opened(content, Path()), NAME)
    return content


def _convert(network: Path, made: Path, storage: str) -> None:
    if why := lacks():
        raise RunError(f"LiteRT has {why}")
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # its libraries, not ours
    program = (paths.PACKAGE / "runtimes" / "_litert.py").read_text(encoding="utf-8")  # its folder has a torch.py, too
    command = [os.environ[CONVERTER], "-c", program, network, made, storage]
    ran = subprocess.run(command, env=own, cwd=made.parent, capture_output=True, text=True, timeout=LONGEST)
    if ran.returncode:
        raise RunError(f"{command[0]} could not make a LiteRT file: {ran.stderr.strip()[-300:]}")


def open(path) -> Opened:
    try:
        return _opened(Path(path).read_bytes(), Path(path))
    except Exception as error:  # no file, no zip, no card, nonsense in it, no graph
        raise ModelFileError(f"{path} is no LiteRT file with a card: {type(error).__name__} {error!s:.200}") from error


def _opened(content: bytes, path: Path) -> Opened:
    with zipfile.ZipFile(BytesIO(content)) as behind:
        words = json.loads(behind.read(CARD))
    names = words.pop("inputs")
    return Opened(Session(content, names), modelfile.Card(**words), path, alone=True)


def executed(opened: Opened, claims: str = "") -> Executed:
    """By the operators of the graph; one whose weights are in 8 bits multiplies in them."""
    graph, macs, held = opened.session.graph, Counter(), Counter()
    for node in graph._get_ops_details():
        if node["op_name"] in PRODUCTS:
            given, weights = (graph._get_tensor_details(place, 0) for place in node["inputs"][:2])
            out = graph._get_tensor_details(node["outputs"][0], 0)["shape"]
            precision = "int8" if weights["dtype"] is np.int8 else "float32"
            fixed = node["op_name"] != "BATCH_MATMUL"
            held[precision] += fixed * math.prod(weights["shape"])
            macs[precision] += math.prod(out) * math.prod(weights["shape"][1:] if fixed else given["shape"][-1:])
    return onnxruntime.told(macs, held, claims)
