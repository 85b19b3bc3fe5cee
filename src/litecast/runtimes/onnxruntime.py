"""ONNX Runtime: the same network as one ONNX file, one thread."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from litecast import training
from litecast.errors import RunError
from litecast.files import replacing

TOLERANCE = 1e-4  # of the largest output: exporters have changed functions silently before


def export(model, path: Path) -> int:
    """Write `model` to `path`, checked against PyTorch; returns the bytes on disk.

    The TorchScript exporter is used: for these nets it gives the same graph as the newer one in a tenth of the time.
    No debugging data (doc strings, producer, value infos) is kept. RunError if ONNX Runtime disagrees.
    """
    x, z = example(model, 2)
    inputs, names = ((x, z), ["x", "z"]) if model.n_known else ((x,), ["x"])
    windows = {0: "batch", 2: "series"}
    axes = {name: {0: "batch"} for name in names} | {"x": windows, "y": windows}
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, inputs, str(temporary), input_names=names, output_names=["y"], dynamic_axes=axes, dynamo=False
            )
        _strip(temporary)
        _check(model, temporary)
    return path.stat().st_size


def session(path: Path) -> onnxruntime.InferenceSession:
    """A session on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(open_session, x: np.ndarray, z: np.ndarray | None) -> np.ndarray:
    """x (B, L, C), z (B, L+H, F) -> (B, H, C), float32, scaled units."""
    feed = {"x": x} if len(open_session.get_inputs()) == 1 else {"x": x, "z": z}
    return open_session.run(None, feed)[0]


def predict(open_session, data, origins: np.ndarray) -> np.ndarray:
    """Forecasts (N, H, C), scaled units, as `training.predict` gives them."""
    windows = training.batches(data, origins)
    return np.concatenate([run(open_session, x.contiguous().numpy(), None if z is None else z.numpy())
                           for x, z in windows])


def example(model, batch: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Random inputs of a model's shape: x (B, L, 1), z (B, L+H, F) | None."""
    config, draw = model.config, torch.Generator().manual_seed(0)
    x = torch.randn(batch, config.L, 1, generator=draw)
    return x, torch.randn(batch, config.L + config.H, config.F, generator=draw) if config.F else None


def _strip(path: Path):
    graph = onnx.load(str(path))
    graph.producer_name = graph.producer_version = graph.doc_string = ""
    del graph.graph.value_info[:]
    for node in graph.graph.node:
        node.doc_string = ""
        node.name = ""
    onnx.save(graph, str(path))


@torch.inference_mode()
def _check(model, path: Path):
    x, z = example(model, 3)
    expected = model(x, z).numpy()
    got = run(session(path), x.numpy(), None if z is None else z.numpy())
    gap = np.abs(got - expected).max() / np.abs(expected).max()
    if not gap <= TOLERANCE:
        raise RunError(f"the exported ONNX graph differs from the network by {gap:.1e} of its largest output")
