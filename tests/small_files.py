"""Small networks and their files: in every storage and codec, and written again with another description."""

import json
import math
import struct
import zlib

import numpy as np
import pandas as pd
import torch

from litecast import modelfile, models
from litecast.codecs import Product, Quantised, _bits
from litecast.compress import storages
from litecast.data import daytypes
from litecast.modelfile import Card
from litecast.models import information


def network(name, width=8, seed=0, L=48, H=6, F=6, patch=24, anchor="mean",  # noqa: N803
            frequency="h", country="KR", channels=2, **told):
    """Of a calendar and of `channels` series; its usual week, if it has one, is drawn. told: further fields."""
    module, word = models.module(name), name.partition("@")[2]
    shared = dict(L=L, H=H, F=F, patch=patch, anchor=anchor, series=channels, steps=daytypes.steps(frequency),
                  weekdays=len(daytypes.weekdays(frequency)), kinds=len(daytypes.special(frequency, country)),
                  table=getattr(module, "TABLE", "none"))  # fmt: skip
    torch.manual_seed(seed)
    model = module.Model(module.Config.of_width(width, **shared | (information.KNOWS[word][0] if word else {}) | told))
    if model.usual is not None:
        model.usual.fill(torch.randn(model.usual.series, model.config.types, model.config.steps))
    return model.eval()


HOLIDAYS = [2024, 2025, 0, 39, 1, 1, 1, 18, 306]  # New Year, Seollal and what stands for it, 1 March, New Year


def card_of(model, channels=None, **changes):
    config, channels = model.config, channels or model.config.series
    fields = dict(dataset="made-up", unit="vehicles/h", frequency="h", season=20, L=config.L, H=config.H,
                  mean=[100.5] * channels, std=[10.25] * channels, series=[f"역{i}" for i in range(channels)],
                  country="KR", holidays=HOLIDAYS)  # fmt: skip
    return Card(**fields | changes)


def save(path, model, storage, card):
    export = storages.export(model, storage)
    return modelfile.save(path, model, export.codecs, card, export.held)


def series(steps=100, channels=2, seed=0):
    values = 100 + 10 * np.random.default_rng(seed).normal(size=(steps, channels))
    return values, pd.date_range("2024-02-25", periods=steps, freq="h")


BOOK = np.float32([-0.4, 0, 0.1, 0.5])


def description(path) -> dict:
    """What a file says of itself."""
    return _parts(path)[0]


def change_scaler(path, place: int, factor: float) -> None:
    """Multiply one number of the scaler (means, then standard deviations)."""
    content, rest = _parts(path)
    card = modelfile.load(path).card
    used = len(modelfile._short(card) or bytes(8 * len(card.series)))
    scaler = np.float32([*card.mean, *card.std])
    scaler[place] *= factor
    rewrite(path, lambda content: content.update(scaler=4), streams=scaler.tobytes() + rest[used:])


def rewrite(path, change=lambda content: None, streams=None, packed=None, tail=b""):
    """Write the file again with another description or streams and a correct checksum."""
    content, rest = _parts(path)
    change(content)
    head = modelfile._pack(content) if packed is None else _bits.digits(len(packed)) + packed
    modelfile._write(path, head + (rest if streams is None else streams) + tail)
    return path


def _parts(path) -> tuple[dict, bytes]:
    """The description, and the scaler and streams behind it."""
    raw = path.read_bytes()
    body = raw[8 + struct.unpack("<Q", raw[:8])[0] : -4]
    length, rest = _bits.digit(body)
    content = json.loads(zlib.decompressobj(-15, zdict=modelfile.COMMON).decompress(rest[:length]))
    return content, rest[length:]


def sparse(values: dict, **more) -> dict:
    return {"codec": "sparse", "values": values} | more


def held(kind: str, values: np.ndarray, seed: int = 0) -> tuple[Quantised | None, dict]:
    """Codes of a shape, drawn, and the codec that holds them; None = the values themselves, made float16."""
    draw, shape = np.random.default_rng(seed), values.shape
    rows, runs = np.full(shape[0], values[0].size), np.full(-(-values.size // 5), 5)
    runs[-1] -= runs.sum() - values.size
    few = np.where(draw.random(shape) < 0.8, 0, draw.integers(-3, 4, shape))
    few[: len(few) // 2] = 0  # whole rows of zeros: sparse writes no scale for them
    fine = draw.random(shape[0]).astype(np.float32)
    pairs = draw.integers(0, 7, (*shape[:-1], shape[-1] // 2)) if shape[-1] % 2 == 0 else None
    intn, entropy, huffman = {"codec": "intn", "bits": 4}, {"codec": "entropy"}, {"codec": "huffman"}
    wide = draw.integers(-9, 10, shape) * np.where(draw.random(shape) < 0.1, 3000, 1)
    kinds = {
        "float32": lambda: (None, {"codec": "float32"}),
        "float16": lambda: (Quantised(values.astype(np.float16)), {"codec": "float16"}),
        "intn rows": lambda: (Quantised(draw.integers(-7, 8, shape), fine, counts=rows), intn),
        "intn runs": lambda: (Quantised(draw.integers(-7, 8, shape), np.ones(len(runs)) / 8, counts=runs), intn),
        "intn zero points": lambda: (Quantised(draw.integers(0, 32, shape), fine, draw.integers(0, 32, shape[0])),
                                     {"codec": "intn", "bits": 5}),
        "intn offset": lambda: (Quantised(draw.integers(-9, 3, shape), 0.3), intn),
        "codebook": lambda: (Quantised(draw.integers(0, 11, shape), table=draw.normal(size=11)), {"codec": "codebook"}),
        "codebook shared": lambda: (Quantised(draw.integers(0, 4, shape), table=BOOK, shared="book"),
                                    {"codec": "codebook"}),
        "codebook rows": lambda: (Quantised(pairs, table=draw.normal(size=(7, 2))), {"codec": "codebook"}),
        "ternary": lambda: (Quantised(draw.integers(-1, 2, shape), 0.3, negative=0.2), {"codec": "ternary"}),
        "binary": lambda: (Quantised(draw.choice([-1, 1], shape), fine, counts=rows), {"codec": "binary"}),
        "sparse float32": lambda: (Quantised(np.where(few, values, 0)), sparse({"codec": "float32"})),
        "sparse intn": lambda: (Quantised(few, fine, counts=rows), sparse(intn)),
        "sparse runs": lambda: (Quantised(few, np.ones(len(runs)) / 8, counts=runs), sparse(intn)),
        "sparse bitmap": lambda: (Quantised(draw.integers(0, 2, shape), fine, negative=fine, counts=rows),
                                  sparse({"codec": "binary"})),
        "sparse dense": lambda: (Quantised(draw.integers(1, 8, shape), 0.5), sparse(intn)),
        "sparse sparse ternary": lambda: (Quantised(np.sign(few), 0.7), sparse(sparse({"codec": "ternary"}))),
        "sparse codebook": lambda: (Quantised(few + 3, table=np.arange(-3, 4) / 3), sparse({"codec": "codebook"})),
        "entropy": lambda: (Quantised(few, fine, counts=rows), entropy),
        "entropy wide": lambda: (Quantised(wide, 0.3, draw.integers(0, 32), negative=0.2), entropy),
        "entropy week": lambda: (Quantised(np.cumsum(draw.integers(-1, 2, shape), -1), 0.5), entropy | {"bits": 12}),
        "entropy table": lambda: (Quantised(few + 3, table=np.arange(-3, 4) / 3), entropy),
        "entropy shared": lambda: (Quantised(draw.integers(0, 4, shape), table=BOOK, shared="book"), entropy),
        "huffman": lambda: (Quantised(wide, np.ones(len(runs)) / 8, counts=runs), huffman),
        "huffman constant": lambda: (Quantised(np.full(shape, 5), 0.3), huffman),
        "sparse huffman": lambda: (Quantised(few + 3, table=np.arange(-3, 4) / 3), sparse(huffman, coder="huffman")),
        "product": lambda: (_product(draw, shape, ()), {"codec": "product", "values": entropy}),
        "product cosines": lambda: (_product(draw, shape, (shape[-1], values[0].size // shape[-1])),
                                    {"codec": "product", "values": entropy}),
        "sparse entropy": lambda: (Quantised(few, fine, counts=rows), sparse(entropy, coder="entropy")),
    }
    return kinds[kind]()


def _product(draw, shape: tuple, cosines: tuple) -> Product:
    """Rows of the tensor as two patterns; their scales are held in different widths, so that both metas are said."""
    rows, width = shape[0], math.prod(shape[1:])
    right = draw.integers(-4, 5, (2 * cosines[0], cosines[1]) if cosines else (2, width))
    return Product(Quantised(draw.integers(-3, 4, (rows, 2)), 0.5), Quantised(right, 0.3), shape, cosines)


KINDS = ("product", "product cosines",
         "float32", "float16", "intn rows", "intn runs", "intn zero points", "intn offset", "codebook",
         "codebook shared", "codebook rows", "ternary", "binary", "sparse float32", "sparse intn", "sparse runs",
         "sparse bitmap", "sparse dense", "sparse sparse ternary", "sparse codebook",
         "entropy", "entropy wide", "entropy week", "entropy table", "entropy shared", "huffman", "huffman constant",
         "sparse huffman", "sparse entropy")  # fmt: skip


def all_held(model, kind: str) -> tuple[dict[str, dict], dict[str, Quantised]]:
    """Codecs and codes of a network whose matrices are all held in one kind of codec, the rest in float32."""
    codecs, codes = {}, {}
    for place, (name, tensor) in enumerate(model.state_dict().items()):
        if tensor.ndim > 1 and tensor.is_floating_point() and (kind != "codebook rows" or tensor.shape[-1] % 2 == 0):
            code, codecs[name] = held(kind, tensor.numpy(), place)
            codes |= {} if code is None else {name: code}
    return codecs, codes


def save_held(path, model, card, kind: str) -> None:
    codecs, codes = all_held(model, kind)
    modelfile.save(path, model, codecs, card, codes)
