"""The model file: one file that holds all a forecast needs, and nothing that can run code.

A safetensors file of two uint8 tensors. `body`: u32 length of the description, the description (compact JSON,
deflated), the scaler (float32: C means, C standard deviations), then the stream of each tensor in the order of the
description. `crc`, the last four bytes: CRC-32 of all bytes before them. What is read is believed only after it was
checked: size, checksum, header, description (inflated to at most 1 MiB), version, number of elements, length of each
stream, and then that the network of the description has exactly these tensors; only then is anything decoded.
"""

import itertools
import json
import math
import zlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pydantic
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.numpy import save as container
from torch.nn.modules.module import register_module_module_registration_hook

from litecast import codecs, models
from litecast.data import calendar
from litecast.data.frame import FREQUENCIES, TRANSFORMS
from litecast.data.windows import fill
from litecast.errors import DataError, ModelFileError
from litecast.files import replacing
from litecast.models.base import Forecaster

VERSION = 1
ELEMENTS = 2**28  # weights of all tensors together: 1 GiB of float32
DESCRIPTION = 2**20  # bytes of the inflated description
HEADER = 4096  # bytes of a safetensors header; ours takes about 130
WIDEST = 2**20  # no look-back, horizon or layer is wider
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


@pydantic.dataclasses.dataclass(config=ConfigDict(strict=True))
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
Size = Annotated[int, Field(strict=True, ge=0, le=ELEMENTS)]
Bytes = Annotated[int, Field(strict=True, ge=0)]


class _Content(BaseModel):
    """The description. tensors: name, shape, codec with its meta, bytes of the stream."""

    model_config = ConfigDict(extra="allow")
    version: Annotated[int, Field(strict=True, ge=1)]
    model: dict
    tensors: list[tuple[str, Annotated[list[Size], Field(max_length=8)], dict, Bytes]]
    card: dict


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
        card = self.card
        if hasattr(values, "columns"):
            missing = [name for name in card.series if name not in values.columns]
            if missing:
                raise DataError(f"{self.path.name} forecasts series that the table lacks: {', '.join(missing[:5])}")
            times, values = values.index if times is None else times, values[card.series]
        x = torch.from_numpy(self._inputs(np.asarray(values, np.float64)))[None]
        z = self._known(times, len(values))
        try:
            with torch.inference_mode():
                out = self.model(x, None if z is None else torch.from_numpy(z)[None])[0].numpy()
        except (RuntimeError, TypeError, ValueError) as error:  # sizes that no tensor of the file depends on
            raise ModelFileError(f"{self.path}: its network cannot run, the file is damaged: {error}") from error
        own = out.astype(np.float64) * np.asarray(card.std) + np.asarray(card.mean)
        return np.exp(own) if card.transform == "log" else own

    def _inputs(self, raw: np.ndarray) -> np.ndarray:
        """(L, C) float32, scaled, gaps filled as in training."""
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
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    lost = {**dict(model.named_parameters()), **dict(model.named_buffers())}.keys() - state.keys()
    if lost:
        raise ModelFileError(f"{path.name}: cannot store {', '.join(sorted(lost))}; register buffers as persistent")
    entries, streams = [], [np.asarray([card.mean, card.std], "<f4").tobytes()]
    for name, tensor in state.items():
        stream, meta = _encode(name, tensor, codecs)
        entries.append([name, list(tensor.shape), meta, len(stream)])
        streams.append(stream)
    kept = pydantic.TypeAdapter(Card).dump_python(card, exclude=ELSEWHERE, exclude_defaults=True)
    content = {"version": VERSION, "model": models.describe(model), "tensors": entries, "card": kept}
    _write(path, _pack(content) + b"".join(streams))
    return path.stat().st_size


def load(path) -> Loaded:
    """Decode a file, its model in eval mode. Raises ModelFileError saying what is wrong with it and what to do.

    Memory stays below 64 MB + 8 times the decoded size, whatever the file claims.
    """
    path = Path(path)
    try:
        body = _body(path)
        content, end = _description(body)
        series = content.card.get("series")
        at = end + 8 * (len(series) if isinstance(series, list) else 0)
        _check_lengths(content.tensors, len(body) - at)
        model = _rebuilt(content.model, content.tensors)
        card = _card(content.card, body[end:at].tobytes(), model.config)
        _check_card(card, model)
        state, like = {}, model.state_dict()
        for name, shape, meta, length in content.tensors:
            array = codecs.decode(body[at : at + length].tobytes(), meta, tuple(shape))
            state[name], at = torch.from_numpy(array).to(like[name].dtype), at + length
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read as a model file: {error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    model.load_state_dict(state, assign=True)
    tensors = {name: {"shape": tuple(shape), **meta, "bytes": size} for name, shape, meta, size in content.tensors}
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
        return codecs.encode(array, {"codec": "float32"} if exact else _spec(name, tensor.ndim, specs))
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error}") from error


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
    known = len(calendar.names(card.frequency, card.country))
    if model.n_known not in (0, known):
        raise ModelFileError(f"its network reads {model.n_known} known inputs, the calendar has {known}: update")


def _pack(content: dict) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > DESCRIPTION:
        raise ModelFileError(f"the description takes {len(text)} bytes, allowed {DESCRIPTION}: too many series")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=COMMON)
    packed = deflate.compress(text) + deflate.flush()
    return len(packed).to_bytes(4, "little") + packed


def _write(path: Path, body: bytes) -> None:
    content = container({"body": np.frombuffer(body, np.uint8), "crc": np.zeros(4, np.uint8)})[:-4]
    with replacing(path) as temporary:
        temporary.write_bytes(content + zlib.crc32(content).to_bytes(4, "little"))


# ---- reading, in the order of the checks

def _damaged(what: str) -> ModelFileError:
    return ModelFileError(f"{what}; the file is damaged")


def _number(octets: np.ndarray) -> int:
    return int.from_bytes(octets.tobytes(), "little")


def _body(path: Path) -> np.ndarray:
    """The `body` tensor, uint8, mapped and not read: a file costs no memory before it proved to be ours."""
    size = path.stat().st_size
    if not 16 <= size <= 4 * ELEMENTS + 2 * DESCRIPTION:
        raise ModelFileError(f"{size} bytes is too {'short' if size < 16 else 'large'} for a model file; make it again")
    data = np.memmap(path, np.uint8, "r")
    if zlib.crc32(data[:-4]) != _number(data[-4:]):
        kinds = {b"P": " but a zip archive (torch.save?)", b"\x80": " but a pickle"}
        raise ModelFileError("checksum does not fit: the file is damaged, cut off or no litecast model"
                             f"{kinds.get(data[:1].tobytes(), '')}; copy or make it again")
    start = 8 + _number(data[:8])
    length = size - start - 4
    wanted = {"body": {"dtype": "U8", "shape": [length], "data_offsets": [0, length]},
              "crc": {"dtype": "U8", "shape": [4], "data_offsets": [length, length + 4]}}
    try:
        header = json.loads(data[8 : min(start, HEADER)].tobytes())
    except (ValueError, RecursionError):
        header = None
    if header != wanted:
        raise ModelFileError("no litecast model: its header is not that of two tensors, body and crc")
    return data[start:-4]


def _description(body: np.ndarray) -> tuple[_Content, int]:
    """The description, and where it ends in the body."""
    end = 4 + _number(body[:4])
    inflate = zlib.decompressobj(-15, zdict=COMMON)
    try:
        text = inflate.decompress(body[4:end].tobytes(), DESCRIPTION)
        if not inflate.eof or inflate.unused_data or end > len(body):
            raise _damaged("the description is cut off, or longer than any network needs")
        found = json.loads(text)
        version = found.get("version") if isinstance(found, dict) else None
        if type(version) is int and version > VERSION:
            raise ModelFileError(f"written in format {version}, this litecast reads up to {VERSION}: update litecast")
        content = _Content.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise _damaged(f"the description is wrong in {str(first['loc'])[:80]}: {first['msg'][:80]}") from None
    except (zlib.error, ValueError, RecursionError) as error:
        raise _damaged(f"the description cannot be read ({error})") from error
    unknown = [f"{name} {str(value)[:60]}" for name, value in content.model_extra.items() if value]
    if unknown:  # activation quantizers and other layer wrappers, shared codebooks: none is known so far
        raise ModelFileError(f"it needs {', '.join(unknown)[:200]}, which this litecast does not know: update litecast")
    return content, end


def _check_lengths(tensors: list[tuple], left: int) -> None:
    """The streams fill what is left of the body, and no tensor is larger or longer than any network needs."""
    sizes = {name: math.prod(shape) for name, shape, _, _ in tensors}
    if len(sizes) < len(tensors):
        raise _damaged("two tensors have the same name")
    if sum(sizes.values()) > ELEMENTS:
        raise _damaged(f"more than {ELEMENTS} weights")
    if any(length > LONGEST * sizes[name] + TABLES for name, _, _, length in tensors):
        raise _damaged("a stream is longer than its tensor can need")
    if sum(length for *_, length in tensors) != left:
        raise _damaged(f"the streams do not take the {left} bytes that the body has for them")


def _rebuilt(description: dict, tensors: list[tuple]) -> Forecaster:
    """The network on the meta device: no memory for weights until its tensors are known to be those of the file."""
    try:
        _check_widths(description)
        with torch.device("meta"), _at_most(16 * len(tensors) + 256):
            model = models.rebuild(description)
    except ModelFileError:
        raise
    except Exception as error:  # whatever a nonsensical configuration breaks
        raise ModelFileError(f"its network cannot be built: {type(error).__name__} {str(error)[:200]}") from error
    state = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    stored = {name: shape for name, shape, _, _ in tensors}
    wrong = [name for name in state | stored if state.get(name) != stored.get(name)]
    if wrong:
        raise _damaged(f"its tensors do not fit its network: {', '.join(wrong)[:200]}")
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


def _card(stored: dict, scaler: bytes, config) -> Card:
    try:
        mean, std = np.frombuffer(scaler, "<f4").reshape(2, -1).astype(float).tolist()
        return Card(**stored, L=config.L, H=config.H, patch=config.patch, mean=mean, std=std)
    except (TypeError, ValueError) as error:  # names that no card has, values of another type
        raise _damaged(f"its card is wrong: {str(error)[:200]}") from None


# ---- times

def _span(times, card: Card):
    """The last L times and the next H, one step apart; business days follow a trading day (holidays are not known)."""
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
