"""The model file: one file that holds all a forecast needs, and nothing that can run code.

docs/file-format.md is the whole specification. A safetensors file of one uint8 tensor, `lc4` (4: the format): length of
the description, the description (compact JSON, deflated), the scaler, then the streams of the tables that tensors share
and of the tensors, in the order of the network, whose names and shapes follow from the description; last a CRC-32 of
all bytes before it. What is read is believed only after it was checked: size, checksum, header and format, description
(inflated to at most 1 MiB), the network, built without memory for weights, number of elements, length of each stream;
only then is anything decoded.
"""

import itertools
import json
import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch.nn.modules.module import register_module_module_registration_hook

from litecast import codecs, models
from litecast.codecs import Quantised, _bits, _tokens
from litecast.data import calendar, daytypes, given, windows
from litecast.data.frame import FREQUENCIES, TRANSFORMS
from litecast.data.windows import fill, to_raw, to_scaled
from litecast.errors import DataError, ModelFileError
from litecast.files import replacing
from litecast.models.base import Forecaster

VERSION = 4
BODY = f"lc{VERSION}"  # the tensor that holds it all: which format a file has is known before anything is inflated
FLOAT32 = {"codec": "float32"}
FLOATS = {"float16", "float32"}  # codecs of shared tables: no longer than their streams
ELEMENTS = 2**28  # weights of all tensors together: 1 GiB of float32
DESCRIPTION = 2**20  # bytes of the inflated description
HEADER = 4096  # bytes of a safetensors header; ours takes about 60
WIDEST = 2**20  # no look-back, horizon or layer is wider
LONGEST, TABLES = 16, 2**16  # bytes of a stream: for each weight, and for its tables
# Text that descriptions have in common, known to both sides of the deflate: it saves about 250 bytes a file. Part of
# the format: a change needs a new VERSION. First the days between Korea's holidays of 2022 to 2030; the most frequent
# comes last, where references to it are shortest.
COMMON = (
    b"30,1,1,27,8,57,3,24,5,70,25,1,1,1,21,6,1,76,7,20,1,1,1,36,65,22,2,8,70,44,1,1,2,1,6,77,7,39,1,1,1,18,40,25,1,9,"
    b"22,70,32,1,1,13,2,6,77,7,26,1,1,1,30,2,63,1,28,3,70,49,2,1,1,1,1,77,7,46,1,1,11,1,60,4,19,1,9,3,41,29,2,38,1,1,"
    b"7,2,4,77,7,36,1,1,1,20,61,2,2,8,24,41,2,27,1,29,1,1,17,1,5,2,75,2,5,25,1,1,33,42,19,1,3,32,41,29,48,1,1,1,4,77,"
    b"7,42,1,1,15,61,4,2,13,1,16,41,29,37,1,1,1,9,6,77,7,32,1,1,1,24,26,35,4,1,3,28,6,35,29,27,1,1,20,6,77"
    b'"KRW""15min""30min""W""MS""step""trading-day","season":7,"transform":"log""last""scale":"train","weekdays":5,'
    b'"kinds":3,"table":"shared""waves":3,"embedded":0"activations":{"head.out":{"bits":8,"scale":0.0,"zero":128}}'
    b'"tables":[["book",[16],{"codec":"float16"},32]]"float32"},"bits":8"scale":4"negative":1"zero":1"group":64'
    b'{"codec":"binary"},{"codec":"ternary","axis":0},{"codec":"huffman","entries":16,"shared":"book"},'
    b'{"codec":"sparse","coder":"huffman","values":{"codec":"codebook","entries":16}},{"codec":"entropy","axis":0},'
    b'{"codec":"sparse","values":{"codec":"intn","bits":4,"axis":0}},{"codec":"intn","bits":4},'
    b'"hidden":[[64,64],[64,64]],"head":16"trained":false,"unit":"vehicles/h","frequency":"D","season":7,"country":"US",'
    b'}},"codecs":[{"codec":"intn","bits":8,"axis":0},{"codec":"intn","bits":4,"axis":0},{"codec":"float16"}],'
    b'"tensors":[0,1,2,48,1,144,2,48],"card":{"dataset":"traffic","unit":"vehicles/h","frequency":"h","season":168,'
    b'"series":["01","02"],"country":"KR","holidays":[2024,2029,0,39,1,1,1,18,'
    b'{"model":{"family":"profile_mlp","config":{"L":168,"H":24,"F":6,"patch":24,"anchor":"mean","series":4,'
    b'"weekdays":7,"kinds":5,"steps":24,"table":"own","trained":false,"hidden":8'
)


@pydantic.dataclasses.dataclass(config=ConfigDict(strict=True))
class Card:
    """What a forecast needs beside the network. season, L, H, patch in steps; mean, std (C,) in transformed units.

    holidays: of the country, see `calendar.packed`; None where the calendar has no such column. The file keeps the
    scaler in three bytes a series where it is one of `data.windows.short`, else as float32 (as `x` is, relative error
    6e-8), and L, H, patch in the network's config.
    """

    dataset: str
    unit: str
    frequency: str
    season: int
    L: int
    H: int
    mean: list[float]
    std: list[float]
    series: list[str]
    country: str | None = None
    transform: str = "none"
    patch: int | None = None
    holidays: list[int] | None = None

    @classmethod
    def of(cls, data) -> "Card":
        """That of a prepared dataset."""
        h = data.header
        return cls(h.name, h.unit, h.frequency, h.season, h.L, h.H, list(data.mean), list(data.std), list(data.names),
                   h.country, h.transform, models.patch(data), calendar.packed(data.times, h.frequency, h.country))

    @property
    def reach(self) -> int:
        """Rows before the horizon that a forecast reads."""
        return self.L

    @property
    def history(self) -> int:
        """Rows that a forecast may depend on: its reach, and L more, which the gaps of these are filled from."""
        return self.reach + self.L

    def filled(self, scaled: np.ndarray) -> np.ndarray:
        """Inputs (T, C), float32, of scaled values: gaps filled as in training, 0 where nothing near was observed."""
        return np.nan_to_num(fill(scaled, self.season, self.L)[0], nan=0.0).astype(np.float32)

    def known(self, times) -> np.ndarray:
        """Calendar inputs (T, F), float32, with the file's own holidays."""
        return calendar.features(times, self.frequency, self.country, calendar.unpacked(self.holidays))

    def cells(self, times) -> np.ndarray:
        """Cells (T,), int64, of the usual week that these times lie in, with the file's own holidays."""
        return daytypes.cells(times, self.frequency, self.country, calendar.unpacked(self.holidays))

    def dated(self, reads) -> bool:
        """Do holidays change anything for a network that reads this of z, series and cells?"""
        kinds, columns = (part(self.frequency, self.country) for part in (daytypes.special, calendar.names))
        return "cells" in reads and len(kinds) > 0 or "z" in reads and "holiday" in columns

    def words(self, elsewhere: set[str], reads) -> dict:
        """For a file, JSON-able: without what stands elsewhere in it, defaults, and holidays that nothing reads."""
        left_out = elsewhere | (set() if self.dated(reads) else {"holidays"})
        return pydantic.TypeAdapter(Card).dump_python(self, exclude=left_out, exclude_defaults=True)


ELSEWHERE = {"L", "H", "patch", "mean", "std"}  # fields of the card that stand in the config or in the scaler
Size = Annotated[int, Field(strict=True, ge=0, le=ELEMENTS)]
Bytes = Annotated[int, Field(strict=True, ge=0)]
Entry = tuple[str, Annotated[list[Size], Field(max_length=8)], dict, Bytes]  # name, shape, codec and meta, stream
FLOAT_SCALER = 4  # what the description says of a scaler that is not short


class _Content(BaseModel):
    """The description. codecs: metas; tensors: of each in the order of the network which of these, and bytes of its
    stream; tables: that tensors share; activations: layer -> how its input is quantised; absent if none."""

    model_config = ConfigDict(extra="allow")
    model: dict
    codecs: list[dict]
    tensors: list[Bytes]
    card: dict
    tables: list[Entry] = []
    activations: dict = {}
    scaler: Literal[0, FLOAT_SCALER] = 0

    def entries(self, model: Forecaster) -> list[tuple]:
        """Name, shape, codec and meta, bytes of the network's tensors."""
        state, which, sizes = model.state_dict(), self.tensors[::2], self.tensors[1::2]
        if not len(state) == len(which) == len(sizes) or not max(which, default=-1) < len(self.codecs) <= len(which):
            raise _damaged(f"its network has {len(state)} tensors, the file tells of {len(self.tensors) / 2:g}, in "
                           f"{len(self.codecs)} codecs")
        return [(name, list(tensor.shape), self.codecs[place], size)
                for (name, tensor), place, size in zip(state.items(), which, sizes, strict=True)]


class FromRows:
    """What any file makes of rows to forecast from; card, path and what it reads of z, series and cells are its own."""

    card: Card
    path: Path
    reads: frozenset[str]

    def _ordered(self, values, times) -> tuple[np.ndarray, object]:
        """Raw values (T, C), and their times; the columns of a DataFrame are put in order, and its index are times."""
        card = self.card
        if hasattr(values, "columns"):
            missing = [name for name in card.series if name not in values.columns]
            if missing:
                way = "; one that it never saw is forecast by `new`" if hasattr(self, "new") else ""
                raise DataError(f"{self.path.name} forecasts series that the table lacks: {', '.join(missing[:5])}"
                                f"{way}")
            times, values = values.index if times is None else times, values[card.series]
        return np.asarray(values, np.float64), times

    def _inputs(self, raw: np.ndarray) -> np.ndarray:
        """The rows that are read, (reach, C), or as many as there are: float32, scaled, gaps filled as in training."""
        card = self.card
        if raw.ndim != 2 or raw.shape[1] != len(card.series) or len(raw) < card.L:
            raise DataError(f"{self.path.name} needs values of at least {card.L} steps x {len(card.series)} series, "
                            f"not {' x '.join(map(str, raw.shape))}")
        if np.isinf(raw).any():
            raise DataError("values to forecast from must be finite; give NaN where one is missing")
        scaled = to_scaled(raw, card.mean, card.std, card.transform)[-card.history :]
        gaps = np.isnan(scaled[-card.reach :]).sum()
        if gaps and len(raw) < card.history:
            warnings.warn(f"{gaps} of the last {min(card.reach, len(raw))} x {len(card.series)} values are missing: "
                          f"{self.path.name} fills them from the last {card.history} rows, and has {len(raw)}; with "
                          "fewer its forecast may err more than measured", stacklevel=4)
        if len(raw) < card.reach:
            warnings.warn(f"{self.path.name} compares with up to {card.reach} rows, and has {len(raw)}; with fewer its "
                          "forecast may err more than measured", stacklevel=4)
        return card.filled(scaled)[-card.reach :]

    def _span(self, times, count: int):
        """Times (rows that are read + H,), checked; None for a file that reads no calendar.

        Warns of years that the file has no holidays of.
        """
        if not self.reads & {"z", "cells"}:
            return None
        card = self.card
        if card.frequency == "step":
            return np.arange(min(card.reach, count) + card.H)
        times = None if times is None else given.read(times, card.frequency)
        if times is None or len(times) not in (count, count + card.H):
            raise DataError(f"{self.path.name} reads the calendar: give the time of each of the {count} rows, or of "
                            f"these and the {card.H} to come")
        span = _span(times, card)  # which checks them
        span = span if len(times) == count else times[-card.reach - card.H :]
        if card.holidays:
            first, last, *_ = card.holidays
            years = {span.min().year, span.max().year} - {*range(first, last + 1)}
            if years:
                warnings.warn(f"the file knows the holidays of {first} to {last}: what it is asked for in "
                              f"{', '.join(map(str, sorted(years)))} counts as ordinary days", stacklevel=4)
        return span


@dataclass
class Loaded(FromRows):
    """A decoded file. tensors: name -> {"shape", "codec", "bytes", ...}, in the order of the file."""

    model: Forecaster
    card: Card
    path: Path
    tensors: dict[str, dict] = field(default_factory=dict)

    @property
    def reads(self) -> frozenset[str]:
        return self.model.reads

    def forecast(self, values, times=None) -> np.ndarray:
        """The H steps after the last row, (H, C), raw unit.

        values: (T, C) raw, T >= L, NaN = missing, columns in the order of card.series (a DataFrame is put in order and
        gives the times). The last `card.history` rows decide; where L are whole, they alone. times: only needed by
        networks with known inputs; (T,), one step of the card's frequency apart, or (T + H,) where the caller knows
        those to come (trading days do, the file takes every weekday for one). Warns (UserWarning) where gaps may be
        filled from rows that were not given, or holidays are not known. Raises DataError on a shape, value or time that
        does not fit, ModelFileError if the file's network cannot run.
        """
        values, times = self._ordered(values, times)
        return self._forecast(values, times, np.arange(len(self.card.series)))

    def new(self, values, times=None) -> np.ndarray:
        """The H steps (H,), raw unit, of a series that the file never saw, as a new site: values (T,), times as above.

        It is scaled by its own mean and standard deviation over the rows given, of which there should be many, and
        counts as the mean of the file's series in all that the network knows of them. Raises as `forecast` does, and
        DataError where fewer than 2 L values are known.
        """
        times = getattr(values, "index", None) if times is None else times
        raw = np.asarray(values, np.float64)
        own = to_scaled(raw, 0.0, 1.0, self.card.transform)
        if raw.ndim != 1 or np.isfinite(own).sum() < self.card.history:
            raise DataError(f"{self.path.name} takes the scale of a new series from its own values: give at least "
                            f"{self.card.history} that are known, in one column")
        mean, std = float(np.nanmean(own)), float(np.nanstd(own)) or 1.0
        stranger = replace(self.card, series=["new"], mean=[mean], std=[std])
        return Loaded(self.model, stranger, self.path)._forecast(raw[:, None], times, None)[:, 0]

    def _forecast(self, values: np.ndarray, times, series: np.ndarray | None) -> np.ndarray:
        card, count = self.card, len(values)
        x = self._inputs(values)
        span = self._span(times, count)
        z = card.known(span) if self.model.n_known else None
        cells = card.cells(span) if "cells" in self.model.reads else None
        window = (None if part is None else torch.from_numpy(part) for part in (x, z, cells))
        x, z, cells = (None if part is None else part[None] for part in window)
        try:
            with torch.inference_mode():
                out = self.model(x, z, None if series is None else torch.from_numpy(series), cells)[0].numpy()
        except (RuntimeError, TypeError, ValueError) as error:  # sizes that no tensor of the file depends on
            raise ModelFileError(f"{self.path}: its network cannot run, the file is damaged: {error}") from error
        return to_raw(out.astype(np.float64), card.mean, card.std, card.transform)


def save(path, model, codecs: Mapping[str, dict], card: Card, held: Mapping[str, Quantised] | None = None) -> int:
    """Write the model (any device, left as it is) and return its bytes on disk.

    codecs: pattern of state-dict names -> codec spec, see `spec`. held: name -> codes to write for it; what has none is
    written by its values, which the codec must hold exactly (`compress.storages.hold` rounds what is left).
    Raises ModelFileError where a codec cannot hold a tensor or the card does not fit the network.
    """
    path, held = Path(path), held or {}
    _check_card(card, model)
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    lost = {**dict(model.named_parameters()), **dict(model.named_buffers())}.keys() - state.keys()
    if lost:
        raise ModelFileError(f"{path.name}: cannot store {', '.join(sorted(lost))}; register buffers as persistent")
    if held.keys() - state.keys():
        raise ModelFileError(f"{path.name}: the network has no {', '.join(sorted(held.keys() - state.keys()))}")
    scaler, streams = _short(card), []
    tables = [_entry(name, table, plain, table.shape, streams) for name, (table, plain) in _tables(held).items()]
    entries = [_entry(name, *_written(name, tensor, codecs, held), tensor.shape, streams)
               for name, tensor in state.items()]
    network, metas = models.describe(model), []
    for *_, meta, _ in entries:
        metas += [] if meta in metas else [meta]
    extra = {"activations": network.pop("activations", None), "tables": tables, "scaler": FLOAT_SCALER * (not scaler)}
    content = {"model": network, "codecs": metas, "tensors": [n for *_, meta, size in entries
                                                              for n in (metas.index(meta), size)],
               "card": card.words(ELSEWHERE, model.reads)}
    streams = [scaler or np.asarray([card.mean, card.std], "<f4").tobytes(), *streams]
    _write(path, _pack(content | {key: value for key, value in extra.items() if value}) + b"".join(streams))
    return path.stat().st_size


def spec(name: str, axes: int, specs: Mapping[str, dict]) -> dict:
    """The codec of one tensor: that of the first pattern that matches; without one, float32.

    "*" speaks for matrices: tensors of fewer than two axes that no other pattern names are float16, or float32 where
    "*" is.
    """
    pattern = next((p for p in specs if fnmatchcase(name, p) and (axes > 1 or p != "*")), None)
    if pattern is not None:
        return specs[pattern]
    lossless = axes > 1 or codecs.precision(specs.get("*", FLOAT32)) == "float32"
    return FLOAT32 if lossless else {"codec": "float16"}


def load(path) -> Loaded:
    """Decode a file, its model in eval mode. Raises ModelFileError saying what is wrong with it and what to do.

    Memory stays below 64 MB + 8 times the decoded size, whatever the file claims.
    """
    model, card, entries, arrays = _read(path, codecs.decode)
    kinds = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(a).to(kinds[name]) for name, a in arrays.items()}, assign=True)
    tensors = {name: {"shape": tuple(shape), **meta, "bytes": size} for name, shape, meta, size in entries}
    return Loaded(model.eval(), card, Path(path), tensors)


def held(path) -> dict[str, Quantised]:
    """What a file holds of each tensor, in its order: codes (flat) with scales or a table, products, or floats. Raises
    as `load` does."""
    return _read(path, codecs.held)[3]


def _read(path, decode) -> tuple[Forecaster, Card, list[tuple], dict]:
    """The network on the meta device, the card, lines of the tensors, and name -> what `decode` makes of each."""
    path = Path(path)
    try:
        body = _body(path)
        content, at = _description(body)
        model = _rebuilt(content)
        entries = content.entries(model)
        card, at = _card(content, body, at, model.config)
        _check_lengths(content.tables, entries, len(body) - at)
        _check_card(card, model)
        tables, at = _decoded(content.tables, {}, body, at, codecs.decode)
        return model, card, entries, _decoded(entries, tables, body, at, decode)[0]
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read as a model file: {error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


# ---- writing

def _tables(held: Mapping[str, Quantised]) -> dict[str, tuple]:
    """The tables that tensors share, by name, with their codec; ModelFileError where two of one name differ."""
    tables = {}
    for each in held.values():
        if each.shared is not None and not np.array_equal(tables.setdefault(each.shared, each.table), each.table):
            raise ModelFileError(f"two tables are called {each.shared}")
    return {name: (table, codecs.plain(table)) for name, table in tables.items()}


def _written(name: str, tensor: torch.Tensor, specs: Mapping, held: Mapping) -> tuple:
    """What is to be written of a tensor, and its codec."""
    values = tensor.numpy()
    if name in held:
        found = held[name]
        if found.shape != values.shape and (found.dim == 1 or found.size != values.size):
            raise ModelFileError(f"{name}: its codes are of shape {found.shape}, not {values.shape}")
        return found, spec(name, tensor.ndim, specs)
    if tensor.is_floating_point():
        return values, spec(name, tensor.ndim, specs)
    array = values.astype(np.float32)  # counters and index tables
    if not np.array_equal(array.astype(values.dtype), values):
        raise ModelFileError(f"{name}: integers beyond 2**24 cannot be stored")
    return array, FLOAT32


def _short(card: Card) -> bytes | None:
    """The scaler in three bytes a series: upper halves of the stds, then sixteenths of them that the means are; None
    where it is none of `windows.short`."""
    mean, std = np.asarray([card.mean, card.std])
    if not np.array_equal(windows.short(mean, std), [mean, std]):
        return None
    numbers = _tokens.unsigned(np.rint(mean / std * windows.PART))
    return (std.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes() + b"".join(map(_bits.digits, numbers.tolist()))


def _entry(name: str, held: Quantised | np.ndarray, spec: dict, shape: tuple, streams: list) -> list:
    """The line of a tensor in the description; its stream is appended to `streams`."""
    try:
        stream, meta = codecs.encode(held, spec)
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}") from error
    streams.append(stream)
    return [name, list(shape), meta, len(stream)]


def _check_card(card: Card, model) -> None:
    """Raise ModelFileError unless the card is one that `forecast` can work with."""
    mean, std = np.asarray(card.mean, np.float32), np.asarray(card.std, np.float32)
    if not len(mean) == len(std) == len(card.series) > 0 or not np.isfinite([mean, std]).all() or std.min() <= 0:
        raise ModelFileError("the card needs a finite mean and a std above 0 for each of its series, one at least")
    if (card.L, card.H) != (model.config.L, model.config.H):
        raise ModelFileError(f"the card says L {card.L}, H {card.H}; the network {model.config.L}, {model.config.H}")
    if card.frequency not in FREQUENCIES or card.transform not in TRANSFORMS or card.season < 1:
        raise ModelFileError(f"frequency {card.frequency[:40]!r}, transform {card.transform[:40]!r} or season "
                             f"{card.season} is unknown to this litecast: update it, or correct the card")
    if "series" in model.reads and model.config.series != len(card.series):
        raise ModelFileError(f"the network knows {model.config.series} series, the card {len(card.series)}")
    has = (len(daytypes.weekdays(card.frequency)), len(daytypes.special(card.frequency, card.country)),
           daytypes.steps(card.frequency))  # fmt: skip
    config = model.config
    if "cells" in model.reads and (config.weekdays, config.kinds, config.steps) != has:
        raise ModelFileError(f"its network knows {config.weekdays} weekdays, {config.kinds} kinds of special days and "
                             f"{config.steps} steps a day, the calendar {', '.join(map(str, has))}: update")
    known = calendar.names(card.frequency, card.country)
    if model.n_known not in (0, len(known)):
        raise ModelFileError(f"its network reads {model.n_known} known inputs, the calendar has {len(known)}: update")
    if card.holidays is None and card.dated(model.reads):
        raise ModelFileError(f"its network reads the holidays of {card.country}, and the card has none")
    try:
        calendar.unpacked(card.holidays)
    except DataError as error:
        raise ModelFileError(f"the card is wrong: {error}") from None


def _pack(content: dict) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > DESCRIPTION:
        raise ModelFileError(f"the description takes {len(text)} bytes, allowed {DESCRIPTION}: too many series")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=COMMON)
    packed = deflate.compress(text) + deflate.flush()
    return _bits.digits(len(packed)) + packed


def _header(length: int) -> dict:
    """The safetensors header of one tensor of so many bytes."""
    return {BODY: {"dtype": "U8", "shape": [length], "data_offsets": [0, length]}}


def _write(path: Path, body: bytes) -> None:
    header = json.dumps(_header(len(body) + 4), separators=(",", ":")).encode()
    content = len(header).to_bytes(8, "little") + header + body
    with replacing(path) as temporary:
        temporary.write_bytes(content + zlib.crc32(content).to_bytes(4, "little"))


# ---- reading, in the order of the checks

def _damaged(what: str) -> ModelFileError:
    return ModelFileError(f"{what}; the file is damaged")


def _number(octets: np.ndarray) -> int:
    return int.from_bytes(octets.tobytes(), "little")


def _body(path: Path) -> np.ndarray:
    """The body, uint8, mapped and not read: a file costs no memory before it proved to be ours."""
    size = path.stat().st_size
    if not 16 <= size <= 4 * ELEMENTS + 2 * DESCRIPTION:
        raise ModelFileError(f"{size} bytes is too {'short' if size < 16 else 'large'} for a model file; make it again")
    data = np.memmap(path, np.uint8, "r")
    if zlib.crc32(data[:-4]) != _number(data[-4:]):
        kinds = {b"P": " but a zip archive (torch.save?)", b"\x80": " but a pickle"}
        raise ModelFileError("checksum does not fit: the file is damaged, cut off or no litecast model"
                             f"{kinds.get(data[:1].tobytes(), '')}; copy or make it again")
    start = 8 + _number(data[:8])
    try:
        header = json.loads(data[8 : min(start, HEADER)].tobytes())
    except (ValueError, RecursionError):
        header = None
    if header != _header(size - start):
        raise ModelFileError(_other(header))
    return data[start:-4]


def _other(header) -> str:
    """What a file with a header that is not ours may be."""
    name = next((name for name in header if name.startswith(("lc", "body"))), "") if isinstance(header, dict) else ""
    version = name.removeprefix("lc").removeprefix("body").removeprefix(".") or "1"  # of old: body, body.2, body.3
    if not name or not version.isdecimal() or int(version) == VERSION:
        return f"no litecast model: its header is not that of one tensor, {BODY}"
    if int(version) < VERSION:
        return f"made by an earlier litecast, in format {version}, not {VERSION}: make it again"
    return f"written in format {version}, this litecast reads {VERSION}: update litecast"


def _description(body: np.ndarray) -> tuple[_Content, int]:
    """The description, and where it ends in the body."""
    length, rest = _bits.digit(body[:5].tobytes())
    start = min(5, len(body)) - len(rest)
    end = start + length
    inflate = zlib.decompressobj(-15, zdict=COMMON)
    try:
        text = inflate.decompress(body[start:end].tobytes(), DESCRIPTION)
        if not inflate.eof or inflate.unused_data or end > len(body):
            raise _damaged("the description is cut off, or longer than any network needs")
        content = _Content.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise _damaged(f"the description is wrong in {str(first['loc'])[:80]}: {first['msg'][:80]}") from None
    except (zlib.error, ValueError, RecursionError) as error:
        raise _damaged(f"the description cannot be read ({error})") from error
    unknown = [f"{name} {str(value)[:60]}" for name, value in content.model_extra.items() if value]
    if unknown:
        raise ModelFileError(f"it needs {', '.join(unknown)[:200]}, which this litecast does not know: update litecast")
    return content, end


def _check_lengths(tables: list[tuple], tensors: list[tuple], left: int) -> None:
    """The streams fill what is left of the body, and no tensor is larger or longer than any network needs."""
    entries = tables + tensors
    sizes = {name: math.prod(shape) for name, shape, _, _ in entries}
    if len(sizes) < len(entries):
        raise _damaged("two tensors have the same name")
    if any(str(meta.get("codec")) not in FLOATS for _, _, meta, _ in tables):
        raise _damaged("a shared table is not stored as floats")
    if sum(sizes.values()) > ELEMENTS:
        raise _damaged(f"more than {ELEMENTS} weights")
    if any(length > LONGEST * sizes[name] + TABLES for name, _, _, length in entries):
        raise _damaged("a stream is longer than its tensor can need")
    if sum(length for *_, length in entries) != left:
        raise _damaged(f"the streams do not take the {left} bytes that the body has for them")


def _decoded(entries: list[tuple], tables: dict, body: np.ndarray, at: int, decode) -> tuple[dict, int]:
    """Name -> what `decode` makes of the streams from `at` on, and where they end."""
    arrays = {}
    for name, shape, meta, length in entries:
        try:
            arrays[name] = decode(body[at : at + length].tobytes(), meta, tuple(shape), tables)
        except ModelFileError as error:
            raise ModelFileError(f"{name}: {error}") from error
        at += length
    return arrays, at


def _rebuilt(content: _Content) -> Forecaster:
    """The network on the meta device: no memory for weights until its tensors are known to be those of the file."""
    description = content.model
    if content.activations:
        description = description | {"activations": content.activations}
    try:
        _check_widths(description)
        with torch.device("meta"), _at_most(8 * len(content.tensors) + 256):
            model = models.rebuild(description)
    except ModelFileError:
        raise
    except Exception as error:  # whatever a nonsensical configuration breaks
        raise ModelFileError(f"its network cannot be built: {type(error).__name__} {str(error)[:200]}") from error
    return model


def _check_widths(value) -> None:
    if isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            _check_widths(part)
    elif isinstance(value, (int, float)) and not -WIDEST <= value <= WIDEST:
        raise _damaged(f"its network would be {str(value)[:40]} wide, at most {WIDEST}")


def _at_most(layers: int):
    """A context that stops the building of a network that has more layers than the file can fill."""
    left = itertools.count(layers, -1)

    def hook(*_):
        if next(left) == 0:
            raise _damaged("its network has more layers than the file has tensors for")

    return register_module_module_registration_hook(hook)


def _card(content: _Content, body: np.ndarray, at: int, config) -> tuple[Card, int]:
    """The card, its scaler from where it stands in the body, and where that ends."""
    series = content.card.get("series")
    count = len(series) if isinstance(series, list) else 0
    try:
        if content.scaler:
            end = at + 8 * count
            mean, std = np.frombuffer(body[at:end].tobytes(), "<f4").reshape(2, count).astype(float)
        else:
            mean, std, end = _scaler(body[at : at + 7 * count].tobytes(), at, count)
        made = Card(**content.card, L=config.L, H=config.H, patch=config.patch, mean=mean.tolist(), std=std.tolist())
        return made, end
    except (TypeError, ValueError, DataError) as error:  # names that no card has, values of another type
        raise _damaged(f"its card is wrong: {str(error)[:200]}") from None


def _scaler(stream: bytes, at: int, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """mean and std (count,) of a short scaler at the head of a stream, which starts at `at`, and where it ends."""
    std = (np.frombuffer(stream, "<u2", count).astype("<u4") << 16).view("<f4").astype(np.float64)
    rest, numbers = stream[2 * count :], []
    for _ in range(count):
        number, rest = _bits.digit(rest)
        numbers.append(number)
    with np.errstate(invalid="ignore"):  # of an infinite std, which is refused with the card
        return _tokens.signed(np.array(numbers, np.int64)) * std / windows.PART, std, at + len(stream) - len(rest)


# ---- times

def _span(times, card: Card):
    """Times that are read and the next H, a step apart; a trading day is followed by weekdays that are no holiday of
    the file."""
    if card.frequency == "trading-day":
        fits = times.is_monotonic_increasing and times.is_unique
        closed = calendar.unpacked(card.holidays).to_numpy().astype("datetime64[D]")
        last = times[-1:].to_numpy().astype("datetime64[D]")
        future = pd.DatetimeIndex(np.busday_offset(last, np.arange(card.H) + 1, roll="backward", holidays=closed))
    else:
        step = "7D" if card.frequency == "W" else card.frequency
        grid = pd.date_range(times[0], periods=len(times) + card.H, freq=step)
        fits, future = np.array_equal(times, grid[: len(times)]), grid[len(times) :]
    if not fits:
        raise DataError(f"times must be one step ({card.frequency}) apart, without gaps: give NaN values instead; "
                        "where clocks change in summer, give times with their zone (tz_localize)")
    return times[-card.reach :].append(future)
