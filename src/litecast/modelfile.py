"""The model file: one file that holds all a forecast needs, and nothing that can run code.

A safetensors file of two uint8 tensors. `body`: u32 length of the description, the description (compact JSON,
deflated), the scaler (float32: C means, C standard deviations), then the stream of each tensor in the order of the
description. `crc`, the last four bytes: CRC-32 of all bytes before them. What is read is believed only after it was
checked: size, checksum, header, description (inflated to at most 1 MiB), version, number of elements, length of each
stream, and then that the network of the description has exactly these tensors; only then is anything decoded.
"""

import json
import math
import os
import struct
import threading
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as container
from torch.nn.modules import module as registry

from litecast import codecs, models
from litecast.errors import DataError, ModelFileError
from litecast.models.base import Forecaster

VERSION = 1
ELEMENTS = 2**28  # weights of all tensors together: 1 GiB of float32
DESCRIPTION = 2**20  # bytes of the inflated description
HEADER = 4096  # bytes of a safetensors header; ours takes about 130
WIDEST = 2**20  # no look-back, horizon or layer is wider
CHUNK = 2**20
LONGEST, TABLES = 16, 2**16  # bytes of a stream: for each weight, and for its tables
# Text that descriptions have in common, known to both sides of the deflate: it saves about 170 bytes a file. Part of
# the format: a change needs a new VERSION. The most frequent comes last, where references to it are shortest.
COMMON = (
    b'"vehicles/h""KRW""15min""D""W""MS""trading-day","season":7,"country":"KR","transform":"log"'
    b'["trend.weight",["rest.weight",["lstm.weight_ih_l0",["blocks.0.first.weight",["layers.0.attention.out.weight",'
    b'{"codec":"sparse","gap":4,"codes":,"values":{"codec":"intn","bits":4,"axis":0}},{"codec":"float32"},'
    b'["head.hidden.weight",[24,168],{"codec":"intn","bits":8,"axis":0},],["head.hidden.bias",[24],{"codec":"float16"},'
    b'48],["head.out.weight",["head.out.bias",[24],{"codec":"float16"},48]],"card":{"dataset":"","unit":"",'
    b'"frequency":"h","season":168,"series":["]}}{"version":1,"model":{"family":"","config":{"L":168,"H":24,"F":6,'
    b'"patch":24,"anchor":"mean","hidden":16,"head":16}},"tensors":[["'
)


@dataclass
class Card:
    """What a forecast needs beside the network. season, L, H, patch in steps; mean, std (C,) in transformed units.

    The file keeps the scaler as float32 (as `x` is, relative error 6e-8), and L, H, patch in the network's config.
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


ELSEWHERE = {"L", "H", "patch", "mean", "std"}  # fields of the card that stand in the config or in the scaler
TYPES = {"dataset": str, "unit": str, "frequency": str, "season": int, "series": list, "country": str, "transform": str}


@dataclass
class Loaded:
    """A decoded file. tensors: name -> {"shape", "codec", "bytes", ...}, in the order of the file."""

    model: Forecaster
    card: Card
    path: Path
    tensors: dict[str, dict] = field(default_factory=dict)

    def forecast(self, values, times=None) -> np.ndarray:
        """The H steps after the last row, (H, C), raw unit.

        values: (T, C) raw, T >= L, NaN = missing, columns in the order of card.series (a DataFrame is put in order and
        gives the times). times (T,): only needed by networks with known inputs; one step of the card's frequency apart.
        Raises DataError on a shape, value or time that does not fit, ModelFileError if the file's network cannot run.
        """
        if hasattr(values, "columns"):
            times = values.index if times is None else times
            values = self._ordered(values)
        x = self._inputs(np.asarray(values, np.float64))
        z = self._known(times, len(values))
        own = self._run(x, z).astype(np.float64) * np.asarray(self.card.std) + np.asarray(self.card.mean)
        return np.exp(own) if self.card.transform == "log" else own

    def _run(self, x: np.ndarray, z: np.ndarray | None) -> np.ndarray:
        """x (L, C), z (L + H, F) | None -> (H, C), scaled units."""
        try:
            with torch.inference_mode():
                out = self.model(torch.from_numpy(x)[None], None if z is None else torch.from_numpy(z)[None])
        except (RuntimeError, TypeError, ValueError) as error:  # sizes that no tensor of the file depends on
            raise ModelFileError(f"{self.path}: its network cannot run, the file is damaged: {error}") from error
        return out[0].numpy()

    def _ordered(self, table):
        missing = [name for name in self.card.series if name not in table.columns]
        if missing:
            raise DataError(f"{self.path.name} forecasts series that the table lacks: {', '.join(missing[:5])}")
        return table[self.card.series].to_numpy(np.float64)

    def _inputs(self, raw: np.ndarray) -> np.ndarray:
        """(L, C) float32, scaled, gaps filled as in training."""
        from litecast.data.windows import fill

        card = self.card
        if raw.ndim != 2 or raw.shape[1] != len(card.series) or len(raw) < card.L:
            raise DataError(f"{self.path.name} needs values of at least {card.L} steps x {len(card.series)} series, "
                            f"not {' x '.join(map(str, raw.shape))}")
        if np.isinf(raw).any():
            raise DataError("values to forecast from must be finite; give NaN where one is missing")
        if card.transform == "log":
            raw = np.log(raw, out=np.full_like(raw, np.nan), where=raw > 0)  # no logarithm: missing, as in training
        filled, _ = fill(raw, card.season)
        return np.nan_to_num((filled[-card.L :] - card.mean) / card.std, nan=0.0).astype(np.float32)

    def _known(self, times, count: int) -> np.ndarray | None:
        """(L + H, F) float32, or None for a network without known inputs."""
        if not self.model.n_known:
            return None
        from litecast.data import calendar

        if times is None or len(times) != count:
            raise DataError(f"{self.path.name} reads the calendar: give the time of each of the {count} rows")
        return calendar.features(_span(times, self.card), self.card.frequency, self.card.country)


def storage(name: str) -> dict[str, dict]:
    """Codecs of a plain storage: matrices as float32, float16, or int2 … int8 with a scale per output channel."""
    if name in ("float32", "float16"):
        return {"*": {"codec": name}}
    if name in {f"int{bits}" for bits in range(2, 9)}:
        return {"*": {"codec": "intn", "bits": int(name[3:]), "axis": 0}}
    raise ModelFileError(f"storage {name!r} is unknown: float32, float16, int2 ... int8")


def save(path, model, codecs: dict[str, dict], card: Card) -> int:
    """Write the model (any device, left as it is) and return its bytes on disk.

    codecs: pattern of state-dict names -> codec spec; the first that matches wins. "*" speaks for matrices: tensors of
    fewer than two axes that no other pattern names are float16, or float32 where "*" is. Without "*": float32.
    Raises ModelFileError where a codec cannot hold a tensor or the card does not fit the network.
    """
    path = Path(path)
    _check_card(card, model)
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    if named.keys() != state.keys():
        raise ModelFileError(f"{path.name}: buffers that state_dict() leaves out cannot be stored: "
                             f"{', '.join(sorted(named.keys() ^ state.keys()))}; register them as persistent")
    entries, streams = [], [np.asarray([card.mean, card.std], "<f4").tobytes()]
    for name, tensor in state.items():
        stream, meta = _encode(name, tensor, codecs)
        entries.append([name, list(tensor.shape), meta, len(stream)])
        streams.append(stream)
    content = {"version": VERSION, "model": models.describe(model), "tensors": entries, "card": _short(card)}
    _write(path, _pack(content) + b"".join(streams))
    return path.stat().st_size


def load(path) -> Loaded:
    """Decode a file, its model in eval mode. Raises ModelFileError saying what is wrong with it and what to do.

    Memory stays below 64 MB + 8 times the decoded size, whatever the file claims.
    """
    path = Path(path)
    try:
        _check_sum(path)
        with safe_open(path, framework="numpy") as file:
            body = _Body(file)
            content = _description(body)
            entries = _entries(content, body)
            model = _rebuilt(content["model"], entries)
            card = _card(content["card"], body, model)
            state = {name: _decode(body, entry) for name, entry in entries.items()}
            state = {name: state[name].to(like.dtype) for name, like in model.state_dict().items()}
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{path}: cannot be read as a model file: {error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    model.load_state_dict(state, assign=True)
    tensors = {name: {"shape": shape, **meta, "bytes": length} for name, (shape, meta, length, _) in entries.items()}
    return Loaded(model.eval(), card, path, tensors)


# ---- writing

def _spec(name: str, axes: int, codecs: dict) -> dict:
    pattern = next((p for p in codecs if fnmatchcase(name, p) and (axes > 1 or p != "*")), None)
    if pattern is not None:
        return codecs[pattern]
    base = codecs.get("*", {"codec": "float32"})
    lossless = base.get("values", base)["codec"] == "float32"
    return {"codec": "float32" if axes > 1 or lossless else "float16"}


def _encode(name: str, tensor: torch.Tensor, specs: dict) -> tuple[bytes, dict]:
    values = tensor.numpy()
    exact = not tensor.is_floating_point()  # counters and index tables
    array = values.astype(np.float32)
    if exact and not np.array_equal(array.astype(values.dtype), values):
        raise ModelFileError(f"{name}: integers beyond 2**24 cannot be stored")
    try:
        stream, meta = codecs.encode(array, {"codec": "float32"} if exact else _spec(name, tensor.ndim, specs))
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}") from error
    return stream, meta


def _check_card(card: Card, model) -> None:
    """Raise ModelFileError unless the card is one that `forecast` can work with."""
    from litecast.data import calendar
    from litecast.data.frame import FREQUENCIES, TRANSFORMS

    mean, std = np.asarray(card.mean, np.float32), np.asarray(card.std, np.float32)
    if not len(mean) == len(std) == len(card.series) > 0 or not np.isfinite([mean, std]).all() or std.min() <= 0:
        raise ModelFileError("the card needs a finite mean and a std above 0 for each of its series, one at least")
    if (card.L, card.H) != (model.config.L, model.config.H):
        raise ModelFileError(f"the card says L {card.L}, H {card.H}; the network {model.config.L}, {model.config.H}")
    if card.frequency not in FREQUENCIES or card.transform not in TRANSFORMS or card.season < 1:
        raise ModelFileError(f"frequency {card.frequency[:40]!r}, transform {card.transform[:40]!r} or season "
                             f"{card.season} is unknown to this litecast: update it, or correct the card")
    known = len(calendar.names(card.frequency, card.country))
    if model.n_known not in (0, known):
        raise ModelFileError(f"its network reads {model.n_known} known inputs, the calendar has {known}: update")


def _short(card: Card) -> dict:
    """Fields of the card that are not their default and do not stand elsewhere in the file."""
    defaults = {f.name: f.default for f in fields(Card)}
    return {name: value for name, value in asdict(card).items()
            if name not in ELSEWHERE and (defaults[name] is MISSING or value != defaults[name])}


def _pack(content: dict) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > DESCRIPTION:
        raise ModelFileError(f"the description takes {len(text)} bytes, allowed {DESCRIPTION}: too many series")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=COMMON)
    packed = deflate.compress(text) + deflate.flush()
    return struct.pack("<I", len(packed)) + packed


def _write(path: Path, body: bytes) -> None:
    content = container({"body": np.frombuffer(body, np.uint8), "crc": np.zeros(4, np.uint8)})[:-4]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content + struct.pack("<I", zlib.crc32(content)))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---- reading, in the order of the checks

def _check_sum(path: Path) -> None:
    size = path.stat().st_size
    if not 16 <= size <= 4 * ELEMENTS + 2 * DESCRIPTION:
        raise ModelFileError(f"{size} bytes is {'too short' if size < 16 else 'too large'} for a model file; "
                             "copy or make it again")
    crc = 0
    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(0)
        for start in range(0, size - 4, CHUNK):
            crc = zlib.crc32(file.read(min(CHUNK, size - 4 - start)), crc)
        if file.read(4) != struct.pack("<I", crc):
            kind = "a zip archive (torch.save?)" if head[:2] == b"PK" else "a pickle" if head[:1] == b"\x80" else ""
            raise ModelFileError("checksum does not fit: the file is damaged, cut off or no litecast model"
                                 f"{f' but {kind}' if kind else ''}; copy or make it again")
        file.seek(0)
        if struct.unpack("<Q", file.read(8))[0] > HEADER:
            raise ModelFileError("no litecast model: its header is too long")


class _Body:
    """The `body` tensor, read piece by piece; `at` is where the next piece starts."""

    def __init__(self, file):
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}
        if kinds != {"body": "U8", "crc": "U8"} or file.get_slice("crc").get_shape() != [4]:
            raise ModelFileError("a safetensors file, but no litecast model (that holds two tensors, body and crc)")
        self.data = file.get_slice("body")
        shape = self.data.get_shape()
        self.size, self.at = math.prod(shape) if len(shape) == 1 else 0, 0

    def take(self, length: int, what: str) -> bytes:
        if length > self.size - self.at:
            raise ModelFileError(f"{what} needs {length} bytes, {self.size - self.at} are left; the file is damaged")
        self.at += length
        return self.data[self.at - length : self.at].tobytes() if length else b""


def _description(body: _Body) -> dict:
    (length,) = struct.unpack("<I", body.take(4, "the description"))
    inflate = zlib.decompressobj(-15, zdict=COMMON)
    try:
        text = inflate.decompress(body.take(length, "the description"), DESCRIPTION)
        if not inflate.eof or inflate.unused_data:
            raise ModelFileError("the description is cut off, or longer than any network needs; the file is damaged")
        content = json.loads(text, parse_constant=_no_constant)
    except (zlib.error, ValueError, RecursionError) as error:
        raise ModelFileError(f"the description cannot be read ({error}); the file is damaged") from error
    version = content.get("version") if isinstance(content, dict) else None
    if type(version) is not int or version < 1:
        raise ModelFileError("the description has no format version; the file is damaged")
    if version > VERSION:
        raise ModelFileError(f"written in format {version}, this litecast reads up to {VERSION}: update litecast")
    wanted = {"version": int, "model": dict, "tensors": list, "card": dict}
    for name, kind in wanted.items():
        if not isinstance(content.get(name), kind):
            raise ModelFileError(f"the description has no {name}; the file is damaged")
    unknown = [f"{name} {str(value)[:60]}" for name, value in content.items() if name not in wanted and value]
    if unknown:  # activation quantizers and other layer wrappers, shared codebooks: none is known so far
        raise ModelFileError(f"it needs {', '.join(unknown)[:200]}, which this litecast does not know: update litecast")
    return content


def _no_constant(name: str):
    raise ValueError(f"{name} is not a number")


def _entries(content: dict, body: _Body) -> dict[str, tuple]:
    """name -> (shape, codec meta, length, offset in the body); all lengths together must fill the body."""
    start = body.at + 8 * _series(content["card"])
    found, at, elements = {}, start, 0
    for entry in content["tensors"]:
        name, shape, meta, length = _entry(entry)
        elements += math.prod(shape)
        if elements > ELEMENTS:
            raise ModelFileError(f"more than {ELEMENTS} weights; the file is damaged")
        if length > LONGEST * math.prod(shape) + TABLES:
            raise ModelFileError(f"{length} bytes for {math.prod(shape)} weights of {name[:60]}; the file is damaged")
        if name in found:
            raise ModelFileError(f"two tensors are called {name[:60]!r}; the file is damaged")
        found[name] = (shape, meta, length, at)
        at += length
    if at != body.size:
        raise ModelFileError(f"the streams take {at} bytes, the body has {body.size}; the file is damaged")
    return found


def _entry(entry) -> tuple[str, tuple, dict, int]:
    kinds = [type(part) for part in entry] if isinstance(entry, list) else []
    if kinds != [str, list, dict, int] or entry[3] < 0 or len(entry[1]) > 8:
        raise ModelFileError(f"a tensor is described as {str(entry)[:60]}; the file is damaged")
    if any(type(n) is not int or not 0 <= n <= ELEMENTS for n in entry[1]):
        raise ModelFileError(f"{entry[0][:60]} has the shape {str(entry[1])[:60]}; the file is damaged")
    return entry[0], tuple(entry[1]), entry[2], entry[3]


def _rebuilt(description: dict, entries: dict) -> Forecaster:
    """The network on the meta device: no memory for weights until its tensors are known to be those of the file."""
    try:
        _check_widths(description)
        with torch.device("meta"), _at_most(len(entries)):
            model = models.rebuild(description)
    except ModelFileError:
        raise
    except Exception as error:  # whatever a nonsensical configuration breaks
        raise ModelFileError(f"its network cannot be built: {type(error).__name__} {str(error)[:200]}") from error
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = {name: shape for name, (shape, *_) in entries.items()}
    if state != stored:
        wrong = sorted(name for name in state.keys() | stored.keys() if state.get(name) != stored.get(name))
        raise ModelFileError(f"its tensors do not fit its network: {', '.join(wrong)[:200]}; the file is damaged, or "
                             "made by another version")
    return model


def _check_widths(value) -> None:
    if isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            _check_widths(part)
    elif isinstance(value, (int, float)) and not -WIDEST <= value <= WIDEST:
        raise ModelFileError(f"its network would be {str(value)[:40]} wide, at most {WIDEST}; the file is damaged")


@contextmanager
def _at_most(tensors: int):
    """Stop building a network that has more parameters or layers than the file can fill."""
    owner, counts = threading.get_ident(), {"parameters": 0, "layers": 0}
    limits = {"parameters": 2 * tensors + 16, "layers": 16 * tensors + 256}

    def count(kind):
        def hook(*_):
            counts[kind] += threading.get_ident() == owner
            if counts[kind] > limits[kind]:
                raise ModelFileError(f"its network has more {kind} than the file has tensors for; the file is damaged")
        return hook

    with ExitStack() as stack:
        for kind, register in (("parameters", registry.register_module_parameter_registration_hook),
                               ("parameters", registry.register_module_buffer_registration_hook),
                               ("layers", registry.register_module_module_registration_hook)):
            stack.callback(register(count(kind)).remove)
        yield


def _series(card: dict) -> int:
    return len(card["series"]) if isinstance(card.get("series"), list) else 0


def _card(stored: dict, body: _Body, model) -> Card:
    wrong = [name for name, value in stored.items() if type(value) is not TYPES.get(name)]
    wrong += [f.name for f in fields(Card) if f.default is MISSING and f.name not in ELSEWHERE | stored.keys()]
    wrong += ["series"] * (not wrong and any(type(name) is not str for name in stored["series"]))
    if wrong:
        raise ModelFileError(f"its card is wrong in {', '.join(wrong)[:200]}; the file is damaged, or newer")
    mean, std = np.frombuffer(body.take(8 * _series(stored), "the scaler"), "<f4").reshape(2, -1).astype(float).tolist()
    config = model.config
    card = Card(**stored, L=config.L, H=config.H, patch=config.patch, mean=mean, std=std)
    _check_card(card, model)
    return card


def _decode(body: _Body, entry: tuple) -> torch.Tensor:
    shape, meta, length, at = entry
    body.at = at
    return torch.from_numpy(codecs.decode(body.take(length, "a tensor"), meta, shape))


# ---- times

def _span(times, card: Card):
    """The last L times and the next H, one step apart; business days follow a trading day (holidays are not known)."""
    import pandas as pd

    times = pd.DatetimeIndex(times)
    if card.frequency == "trading-day":
        fits = times.is_monotonic_increasing and times.is_unique
        future = pd.bdate_range(times[-1] + pd.Timedelta("1D"), periods=card.H)
    else:
        step = "7D" if card.frequency == "W" else card.frequency
        grid = pd.date_range(times[0], periods=len(times) + card.H, freq=step)
        fits, future = np.array_equal(times, grid[: len(times)]), grid[len(times) :]
    if not fits:
        raise DataError(f"times must be one step ({card.frequency}) apart, without gaps: give NaN values instead")
    return times[-card.L :].append(future)
