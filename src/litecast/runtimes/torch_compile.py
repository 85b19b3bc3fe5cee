"""PyTorch, its network compiled for this processor by torch.compile (Inductor): C++ that is made when a file is opened
and first asked. No file of its own: a model file that is run in another way."""

import os
import shutil
import warnings
from dataclasses import replace

import torch

from litecast import modelfile
from litecast.runtimes.torch import call, executed, forecast, predict  # noqa: F401  (the same of its network)

NAME = "PyTorch, compiled"
FORMAT = "litecast"
SUFFIX = ".safetensors"
TOLERANCE = 1e-5
NEEDS = ("torch", "numpy", "pandas", "pydantic", "safetensors")
OPTIONAL = True
DEAR = True  # seconds for each shape


def lacks() -> str:
    compiler = os.environ.get("CXX", "g++")
    return "" if shutil.which(compiler) else f"no C++ compiler: install g++, or name one in CXX (it is '{compiler}')"


def open(path) -> modelfile.Loaded:
    warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")  # it holds constants
    loaded = modelfile.load(path)
    return replace(loaded, model=torch.compile(loaded.model))
