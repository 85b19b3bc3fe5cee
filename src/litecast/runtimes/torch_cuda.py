"""PyTorch on a GPU: a window goes there and its forecast comes back. No file of its own."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from litecast import modelfile
from litecast.runtimes import torch as cpu
from litecast.runtimes.torch import executed, forecast, open, predict  # noqa: F401  (the same, wherever it runs)
from litecast.training import devices

NAME = "PyTorch on a GPU"
FORMAT = "litecast"
SUFFIX = ".safetensors"
TOLERANCE = 1e-4  # products are summed in another order
NEEDS = ("torch", "numpy", "pandas", "pydantic", "safetensors")
OPTIONAL = True
DEVICE = "cuda"


def lacks() -> str:
    return "" if torch.cuda.is_available() else "no GPU that PyTorch can use"


def call(opened: modelfile.Loaded) -> Callable[[], np.ndarray]:
    there = cpu.call(replace(opened, model=deepcopy(opened.model).to(DEVICE)), DEVICE)

    def timed():
        with devices.products(torch.device(DEVICE)):
            return there()

    return timed
