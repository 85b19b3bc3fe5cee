"""Where networks are trained and asked, and what the products of a training are computed in: words of the environment.

Windows are drawn on the CPU, so every device trains on the same ones. Looks and forecasts are float32 everywhere.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from litecast import catalogue
from litecast.errors import LitecastError

# Weights, gradients, losses and the optimiser are float32 in each; tf32 changes nothing but on a GPU.
PRECISIONS = ("float32", "tf32", "bf16")


def device() -> torch.device:
    """LITECAST_DEVICE (cpu, cuda, cuda:1 …), else a GPU where there is one. Raises LitecastError if it is not here."""
    wanted = os.environ.get("LITECAST_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, AssertionError) as error:  # no such word; no such device, or a torch that was built without
        here = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
        raise LitecastError(f"LITECAST_DEVICE={wanted}: there is no such device; there is {', '.join(here)} "
                            f"(torch {torch.__version__}: {str(error).splitlines()[0][:120]})") from error


def precision() -> str:
    """LITECAST_PRECISION, one of PRECISIONS, else float32: what a training step multiplies in; LitecastError."""
    wanted = os.environ.get("LITECAST_PRECISION") or "float32"
    if wanted not in PRECISIONS:
        raise LitecastError(f"LITECAST_PRECISION={wanted}: it is one of {', '.join(PRECISIONS)}"
                            f"{catalogue.near(wanted, PRECISIONS)}")
    return wanted


def described() -> str:
    """What a row says of where it was made: 'cpu', 'NVIDIA H100 80GB HBM3, bf16'."""
    on, how = device(), precision()
    name = torch.cuda.get_device_name(on) if on.type == "cuda" else str(on)
    return name if how == "float32" else f"{name}, {how}"


@contextmanager
def products(on: torch.device, how: str = "float32") -> Iterator[None]:
    """On a GPU, float32 products in all their bits, which cuDNN's are not unless told, or in TF32."""
    units = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn) * (on.type == "cuda")
    before = [unit.fp32_precision for unit in units]
    for unit in units:
        unit.fp32_precision = "tf32" if how == "tf32" else "ieee"
    try:
        yield
    finally:
        for unit, own in zip(units, before, strict=True):
            unit.fp32_precision = own
