"""PyTorch: the suite's own model files, decoded to float32 to run."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from litecast import codecs, modelfile, training
from litecast.data.windows import to_raw, to_scaled
from litecast.runtimes import Executed, inputs

NAME = "PyTorch"
FORMAT = "litecast"
SUFFIX = ".safetensors"
NEEDS = ("torch", "numpy", "pandas", "pydantic", "safetensors")  # those of the reader of its files, too
ALONE = """from litecast.runtimes import torch
torch.call(torch.open(path))()
"""
TOLERANCE = 1e-5


def export(model, card) -> bytes:
    """A model file of the network in float32."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        modelfile.save(path, model, {}, card)
        return path.read_bytes()


def open(path) -> modelfile.Loaded:
    return modelfile.load(path)


def predict(opened: modelfile.Loaded, data, origins: np.ndarray) -> np.ndarray:
    own = inputs.seen(opened.card, data)
    at = inputs.positions(opened.card, data)
    return data.scaled(own.raw(training.predict(opened.model, own, origins, numbers=at))).astype(np.float32)


def forecast(opened: modelfile.Loaded, values, times=None) -> np.ndarray:
    return opened.forecast(values, times)


def call(opened: modelfile.Loaded, on: str = "cpu") -> Callable[[], np.ndarray]:
    """on: the device of the network, which the window goes to and the forecast comes back from."""
    torch.set_num_threads(1)  # as every runtime is timed
    card, (x, *rest) = opened.card, inputs.window(opened.card, opened.model.reads)
    scaler = card.mean[0], card.std[0], card.transform
    rest = [None if part is None else torch.from_numpy(part).to(on) for part in rest]

    def forecast():
        with torch.inference_mode():
            out = opened.model(torch.from_numpy(to_scaled(x, *scaler).astype(np.float32)).to(on), *rest)
        return to_raw(out.cpu().numpy(), *scaler)

    return forecast


def executed(opened: modelfile.Loaded, claims: str = "") -> Executed:
    """Whatever the weights are held in, they are decoded to float32 before anything is multiplied."""
    claims = claims or "float32"
    sizes = [(math.prod(tensor["shape"]), codecs.precision(tensor)) for tensor in opened.tensors.values()]
    held = sum(size for size, precision in sizes if claims in (precision, precision.split()[0]))  # 'codebook 15'
    return Executed("float32", held / sum(size for size, _ in sizes), float(claims == "float32"))
