"""bundle.json: card, program, tensors, calendar and bands in one JSON object, which `predict.py` reads.

    card      as that of a model file; history: rows that a forecast may depend on
    bands     {"80": radius, "95": radius} or {}; radius (H, C) or (H, 1) in scaled units: so many in a hundred values
              lie between the raw ones of the forecast -/+ radius
    program   `Program.described()`; null where a network has none (`reason` says why): then tensors and calendar are
              absent, and so is predict.py
    tensors   name -> {"kind", "shape", "codes", "dtype", "scale", "run", "bits"}: arrays are little-endian, deflated
              (zlib) and in base64; `codes` of this dtype, `scale` float32
    calendar  step: of the data, number and unit of NumPy's times, 0 where no calendar is read; days: class of each day
              from 1970 to the end of the year `last`; types: of each class its row of the usual week; known: (classes,
              steps of a day, F), the calendar z at its steps
    vectors   where the values of the test vectors are from
    reads     which of z, series and cells the network reads
    forms     writer -> files it wrote; left_out: writer -> why it did not
    errors    of the file's row in its study: val_wape, test_wape; {} where none was found
    bytes     of each file of the bundle
"""

import ast
import base64
import re
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from litecast.bundle import reference
from litecast.bundle.program import FLOAT, Program, Tensor
from litecast.modelfile import Card

FIRST, LAST = 1970, 2099
STEP = {"15min": (15, "m"), "30min": (30, "m"), "h": (60, "m"), "D": (1, "D"), "trading-day": (1, "D"), "W": (7, "D"),
        "MS": (1, "M")}  # fmt: skip


def described(card: Card, program: Program, bands: dict) -> dict:
    """JSON-able."""
    return {"card": words(card), "bands": bands, "program": program.described(),
            "tensors": {name: _tensor(tensor) for name, tensor in program.tensors.items()},
            "calendar": calendar(card, program)}  # fmt: skip


def words(card: Card) -> dict:
    """The card in plain words."""
    return asdict(card) | {"history": card.history}


def _tensor(tensor: Tensor) -> dict:
    return packed(tensor.codes, tensor.kind) | {"scale": _text(tensor.scale), "run": tensor.run, "bits": tensor.bits}


def packed(array: np.ndarray, kind: str = FLOAT) -> dict:
    array = array.astype(array.dtype.newbyteorder("<"))
    return {"kind": kind, "shape": list(array.shape), "codes": _text(array), "dtype": array.dtype.str}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode() if array.size else ""


def calendar(card: Card, program: Program) -> dict:
    """Classes of days: equal where a forecast cannot tell them apart."""
    if not {"known", "types"} & {*program.inputs} or card.frequency not in STEP:
        none = packed(np.zeros(1, np.int16))
        return {"step": [0, "D"], "last": LAST, "days": none, "types": none, "known": none}
    days = pd.date_range(f"{FIRST}-01-01", f"{LAST}-12-31", freq="D")
    types, known = reference.types(program.calendar, card.cells(days))[0], card.known(days)
    table = pd.DataFrame(np.column_stack([types, known]))
    classes, first = table.groupby([*table], sort=False).ngroup().to_numpy(), np.flatnonzero(~table.duplicated())
    count = program.calendar["steps"]
    times = np.repeat(days[first], count) + np.tile(np.arange(count), len(first)) * pd.Timedelta("1D") / count
    looks = card.known(pd.DatetimeIndex(times)).reshape(len(first), count, -1)
    return {"step": STEP[card.frequency], "last": LAST, "days": packed(classes.astype(np.int16)),
            "types": packed(types[first].astype(np.int16)), "known": packed(looks)}  # fmt: skip


def reader(program: Program) -> str:
    """The text of `predict.py` with the ops of this program, without those of others."""
    text, kinds = Path(__file__).with_name("predict.py").read_text(encoding="utf-8"), {op.kind for op in program.ops}
    text = re.sub(r'^    "(\w+)": (_|lambda).*\n', lambda line: line[0] if line[1] in kinds else "", text, flags=re.M)
    while unused := [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)
                     and len(re.findall(rf"\b{node.name}\b", text)) == 1]:  # fmt: skip
        lines = text.splitlines(keepends=True)
        for node in reversed(unused):
            del lines[node.lineno - 1 : node.end_lineno + 2]  # and the blank lines behind it
        text = "".join(lines)
    return text
