"""Codecs: how quantised values become bytes and come back, bit for bit. One file each, found by its literal HOLDS.

Codecs only pack: what a weight is rounded to was decided before (`quantised.Quantised`). A codec module has
`encode(held, groups, **options) -> (stream, meta)` and `decode(stream, meta, place, tables) -> Quantised`, flat.
meta is JSON-able, short, and holds what the stream alone does not say; scales, tables and positions are in the stream,
so that its length is the cost of the tensor. META names the keys it may have, HOLDS the field of `Quantised` that
it needs, finite; "" packs anything. They nest, any in any, by calling `encode` and `unpack` below.
"""

import functools
import importlib
import inspect
from collections.abc import Mapping

import numpy as np

from litecast import catalogue
from litecast.errors import ModelFileError

from . import _bits
from ._groups import Place, describe
from .quantised import Product, Quantised

NESTED = 4  # codecs in one another; more would be a file's nonsense


@functools.cache
def names() -> list[str]:
    """The codecs there are: files of this folder that say what they hold."""
    return list(catalogue.members("codecs", "HOLDS"))


def encode(held: Quantised | Product | np.ndarray, spec: Mapping, groups: dict | None = None) -> tuple[bytes, dict]:
    """Stream and meta with "codec" of a tensor, by a spec such as {"codec": "intn", "bits": 4}.

    held: codes, or an array taken as plain floats. groups: for codecs that nest, those of the whole tensor. Raises
    ModelFileError on an unknown codec or option and on what the codec cannot hold.
    """
    name, module = _found(spec)
    if isinstance(held, np.ndarray) or isinstance(held, Product) and module.HOLDS != "left":
        held = Quantised(held if isinstance(held, np.ndarray) else held.values())  # floats, to all other codecs
    groups = describe(held) if groups is None else groups
    options = {key: value for key, value in spec.items() if key != "codec"}
    if module.HOLDS and getattr(held, module.HOLDS, None) is None:
        raise ModelFileError(f"codec {name} only packs codes with a {module.HOLDS}: quantise the tensor first")
    if module.HOLDS and not np.isfinite(held.values()).all():
        raise ModelFileError(f"codec {name}: values must be finite; the model has diverged, or needs codec float32")
    try:
        inspect.signature(module.encode).bind(held, groups, **options)
    except TypeError as error:
        raise ModelFileError(f"codec {name}: {error}") from None
    stream, meta = module.encode(held if held.size else held.take(np.zeros(0, int)), groups, **options)
    return stream, {"codec": name} | meta


def decode(stream: bytes, meta: dict, shape: tuple, tables: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """float32 array of `shape`, bit-identical to `Quantised.values()` (a negative zero in `sparse` becomes zero).

    tables: name -> shared table (N,) or (N, D). Raises ModelFileError where these do not fit each other.
    """
    return held(stream, meta, shape, tables).values().reshape(shape)


def held(stream: bytes, meta: dict, shape: tuple, tables: Mapping[str, np.ndarray] | None = None) -> Quantised:
    """What `decode` takes the values from: codes (flat) with scales or a table, or floats. Raises as it does."""
    inner = meta
    for _ in range(NESTED):
        inner = inner.get("values") if isinstance(inner, dict) else None
    if inner is not None:
        raise ModelFileError(f"more than {NESTED} codecs in one another; the file is damaged")
    return unpack(stream, meta, Place(tuple(shape)), tables or {})


def unpack(stream: bytes, meta: dict, place: Place, tables: Mapping[str, np.ndarray]) -> Quantised:
    """The elements of `place`, flat, for codecs that nest."""
    name, module = _found(meta)
    unknown = sorted(meta.keys() - {"codec", *module.META})
    if unknown:
        raise ModelFileError(f"codec {name} needs {', '.join(unknown)[:99]}, unknown to this litecast: update it")
    return module.decode(stream, meta, place, tables)


def coder(name):
    """The codec of this name that packs any whole numbers: `pack(numbers, columns)`, `unpack(stream, count)`, and
    `bits(numbers)`, about what they take."""
    found = _found({"codec": name})[1]
    if not hasattr(found, "pack"):
        raise ModelFileError(f"codec {name} does not code whole numbers: {', '.join(coders())} do")
    return found


def coders() -> list[str]:
    return [name for name in names() if hasattr(importlib.import_module(f"{__name__}.{name}"), "pack")]


def plain(array: np.ndarray) -> dict:
    """Spec of the shortest codec that holds plain floats exactly."""
    return {"codec": "float16" if _bits.halves(array) else "float32"}


def precision(meta: Mapping) -> str:
    """What a tensor is held in, by its meta or spec: 'float32', 'int8', 'codebook 16', 'ternary', …

    Of sparse: that of the values it holds.
    """
    if "values" in meta:
        return precision(meta["values"])
    if "bits" in meta:
        return f"int{meta['bits']}"
    return f"codebook {meta['entries']}" if "entries" in meta else meta["codec"]


def _found(spec) -> tuple:
    """Name and module of the codec that a spec or meta names."""
    name = spec.get("codec") if isinstance(spec, Mapping) else None
    if not isinstance(name, str) or name not in names():
        raise ModelFileError(f"unknown codec {str(name)[:40]!r}; this version has {', '.join(names())}. "
                             "A newer litecast may have written the file: update, or encode again")
    return name, importlib.import_module(f"{__name__}.{name}")
