"""Codecs: how a tensor becomes bytes and comes back, bit for bit as it was quantized. One file each, found by name.

A codec module has `encode(tensor float32, **options) -> (stream, meta)` and `decode(stream, meta, shape) -> tensor`;
meta is JSON-able, short, and holds what the stream alone does not say. Scales, tables and positions are in the
stream, so that the length of the stream is the cost of the tensor.
"""

import importlib
import pkgutil

import numpy as np

from litecast.errors import ModelFileError


def names() -> list[str]:
    """The codecs there are: files of this folder whose name does not start with an underscore."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def encode(array: np.ndarray, spec: dict) -> tuple[bytes, dict]:
    """array (any shape) by a spec such as {"codec": "intn", "bits": 4, "axis": 0} -> stream and meta with "codec".

    Raises ModelFileError on an unknown codec and on what the codec cannot hold.
    """
    options = dict(spec)
    name = options.pop("codec", None)
    stream, meta = _module(name).encode(np.asarray(array, np.float32), **options)
    return stream, {"codec": name} | meta


def decode(stream: bytes, meta: dict, shape: tuple) -> np.ndarray:
    """float32 array of `shape`, bit-identical to the quantized tensor. Raises ModelFileError where they do not fit."""
    return _module(meta.get("codec")).decode(stream, meta, tuple(shape))


def _module(name):
    if not isinstance(name, str) or name not in names():
        raise ModelFileError(f"unknown codec {str(name)[:40]!r}; this version has {', '.join(names())}. "
                             "A newer litecast may have written the file: update, or encode again")
    return importlib.import_module(f"{__name__}.{name}")
