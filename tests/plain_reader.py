"""A reader of model files after docs/file-format.md alone: numpy and the standard library, nothing of litecast.

It decodes tensors and card, and makes a network's inputs of raw values. What a reader in another language has to do, in
its shortest form: files are taken to be sound, only the checksum is looked at.
"""

import json
import math
import struct
import zlib
from datetime import date, datetime, timedelta

import numpy as np

CYCLES = {"15min": "dw", "30min": "dw", "h": "dw", "D": "w", "trading-day": "w", "W": "y", "MS": "y", "step": ""}
SHORT = ("15min", "30min", "h", "D")
STEPS, WEEKDAYS = {"15min": 96, "30min": 48, "h": 24}, {"trading-day": 5, "W": 12, "MS": 12, "step": 1}
EXPIRY = {"KR": (2, 3), "US": (3, 4)}  # which of the month, weekday
DAY = timedelta(1)
DEFAULTS = {"country": None, "transform": "none", "holidays": None}


def read(content: bytes, dictionary: bytes, network) -> tuple[dict, dict[str, np.ndarray], dict]:
    """(description, tensors by name, card) of a file's bytes. network: `model` of the description -> names and shapes
    of its tensors, in order, which a reader of one family knows."""
    (crc,) = struct.unpack("<I", content[-4:])
    if crc != zlib.crc32(content[:-4]):
        raise ValueError("checksum")
    (header,) = struct.unpack("<Q", content[:8])
    start, end = json.loads(content[8 : 8 + header])["lc4"]["data_offsets"]
    length, body = digits_of_7(content[8 + header + start : 8 + header + end - 4])
    said = json.loads(zlib.decompressobj(-15, zdict=dictionary).decompress(body[:length]))
    mean, std, rest = scaler(body[length:], said)
    tables, arrays = {}, {}
    for name, shape, meta, size in said.get("tables", []):
        found = decode(rest[:size], meta, shape, np.arange(math.prod(shape)), {})
        tables[name], rest = found.reshape(shape), rest[size:]
    pairs = zip(said["tensors"][::2], said["tensors"][1::2], strict=True)
    for (name, shape), (which, size) in zip(network(said["model"]), pairs, strict=True):
        place = np.arange(math.prod(shape))  # flat positions that the stream holds
        arrays[name] = decode(rest[:size], said["codecs"][which], shape, place, tables).reshape(shape)
        rest = rest[size:]
    config = said["model"]["config"]
    card = DEFAULTS | said["card"] | {key: config[key] for key in ("L", "H", "patch")}
    return said, arrays, card | {"mean": mean.tolist(), "std": std.tolist()}


def scaler(stream: bytes, said: dict) -> tuple[np.ndarray, np.ndarray, bytes]:
    count = len(said["card"]["series"])
    if "scaler" in said:
        mean, std = np.frombuffer(stream, "<f4", 2 * count).astype(float).reshape(2, count)
        return mean, std, stream[8 * count :]
    std = (np.frombuffer(stream, "<u2", count).astype("<u4") << 16).view("<f4").astype(float)
    numbers, stream = [], stream[2 * count :]
    for _ in range(count):
        number, stream = digits_of_7(stream)
        numbers.append(number)
    return signed(np.array(numbers)) * std / 16, std, stream


# ---- codecs: stream -> float32 values of the elements at `place`, flat

def decode(stream: bytes, meta: dict, shape: list[int], place: np.ndarray, tables: dict) -> np.ndarray:
    codec, count = meta["codec"], len(place)
    if codec in ("float32", "float16"):
        return np.frombuffer(stream, "<f4" if codec == "float32" else "<f2").astype(np.float32)
    if codec == "sparse":
        return sparse(stream, meta, shape, place, tables)
    if codec == "product":
        return product(stream, meta, shape, tables)
    if codec == "codebook" or "entries" in meta:
        return codebook(stream, meta, count, tables)
    found, member = np.unique(groups(meta, shape, place), return_inverse=True)  # groups that have an element
    scale, negative, zero, rest = scales(stream, meta, len(found))
    if codec == "intn":
        offset = meta.get("offset", 0 if "zero" in meta else 2 ** (meta["bits"] - 1) - 1)
        codes = unpack(rest, meta["bits"], count) - offset
    elif codec in CODERS:
        codes = signed(CODERS[codec](rest, count))
    else:
        codes = digits(rest, 3, 5)[:count] - 1 if codec == "ternary" else 2 * digits(rest, 2, 8)[:count] - 1
    codes = codes - zero[member]
    return np.where(codes < 0, negative[member], scale[member]) * codes.astype(np.float32)


def sparse(stream: bytes, meta: dict, shape: list[int], place: np.ndarray, tables: dict) -> np.ndarray:
    out, count, coder = np.zeros(len(place), np.float32), len(place), CODERS.get(meta.get("coder"))
    if not stream:
        return out
    bits, stream = stream[0], stream[1:]
    if bits == 1:
        return decode(stream, meta["values"], shape, place, tables)
    codes, stream = digits_of_7(stream) if bits else (count, stream)
    used, stream = digits_of_7(stream) if coder else (-(-codes * max(bits, 1) // 8), stream)
    found = coder(stream[:used], codes) if coder else unpack(stream[:used], bits or 1, codes)
    where, at = [*np.flatnonzero(found)] if bits == 0 else [], 0
    for code in found if bits else ():
        at += int(code)
        if code < 2**bits - 1:  # else that many zeros and no value
            where.append(at)
            at += 1
    out[where] = decode(stream[used:], meta["values"], shape, place[where], tables)
    return out


def product(stream: bytes, meta: dict, shape: list[int], tables: dict) -> np.ndarray:
    numbers = []
    for _ in range(4):
        number, stream = digits_of_7(stream)
        numbers.append(number)
    rows, rank, high, used = numbers
    width = math.prod(shape) // rows
    form = [rank * high, width // high] if high else [rank, width]
    left = decode(stream[:used], meta.get("left", meta["values"]), [rows, rank], np.arange(rows * rank), tables)
    right = decode(stream[used:], meta["values"], form, np.arange(rank * width), tables).astype(float)
    if high:
        right = right.reshape(rank, high, width // high)
        right = np.einsum("kxy,xa,yb->kab", right, cosines(high), cosines(width // high))
    return (left.astype(float).reshape(rows, rank) @ right.reshape(rank, width)).astype(np.float32).ravel()


def cosines(steps: int) -> np.ndarray:
    """Row k: what coefficient k adds to each step."""
    k, n = np.arange(steps)[:, None], np.arange(steps) + 0.5
    return np.where(k > 0, math.sqrt(2 / steps), math.sqrt(1 / steps)) * np.cos(math.pi * k * n / steps)


def digits_of_7(stream: bytes) -> tuple[int, bytes]:
    low, rest = stream[0] & 127, stream[1:]
    if stream[0] < 128:
        return low, rest
    high, rest = digits_of_7(rest)
    return low + 128 * high, rest


def codebook(stream: bytes, meta: dict, count: int, tables: dict) -> np.ndarray:
    entries, dim = meta["entries"], meta.get("dim", 1)
    if "shared" in meta:
        table, used = tables[meta["shared"]].reshape(entries, dim), 0
    else:
        used = entries * dim * meta.get("table", 2)
        table = np.frombuffer(stream[:used], f"<f{meta.get('table', 2)}").astype(np.float32).reshape(entries, dim)
    if meta["codec"] in CODERS:
        return table[CODERS[meta["codec"]](stream[used:], count // dim)].ravel()
    bits = max(1, (entries - 1).bit_length())
    return table[unpack(stream[used:], bits, count // dim)].ravel()


BITS = [0] * 32 + [3 + quarter // 4 for quarter in range(44)]  # extra bits of each token
BASE = [*range(32), *((4 + quarter % 4) << 3 + quarter // 4 for quarter in range(44))]  # its lowest number


def entropy(stream: bytes, count: int) -> np.ndarray:
    tokens, told = (stream[0] & 127, stream[0] >> 7) if stream else (0, 0)
    rest, row = stream[3 if told else 1 :], int.from_bytes(stream[1:3], "little") if told else 0
    counts, first = np.zeros((9 if told else 1, tokens), np.int64), np.array([16, 8, 8, *[4] * tokens][:tokens])
    state, at, until, codes, numbers = 0, 0, 0, [], []
    for i in range(count if tokens > 1 else 0):
        if i == until:
            every, until = shares(16 * counts.sum(0) + first), i + max(1, i // 8)
            table = [shares(32 * every + (own << 14)) for own in counts] if told else [every]
        beside = (codes[i - 1] if i else 0) + (codes[i - row] if 0 < row <= i else 0)
        context = told * (2 * min(abs(beside).bit_length(), 4) - (beside > 0))
        ends = np.cumsum(table[context])
        while state < 2**23 and at < len(rest):
            state, at = 256 * state + rest[at], at + 1
        token = int(np.searchsorted(ends, state % 2**14, side="right"))
        share = int(table[context][token])
        state = share * (state >> 14) + state % 2**14 - int(ends[token]) + share
        counts[context, token] += 1
        codes.append(int(signed(np.array(token))))
        while BITS[token] and state < 2**23 and at < len(rest):
            state, at = 256 * state + rest[at], at + 1
        numbers.append(BASE[token] + state % 2 ** BITS[token])
        state >>= BITS[token]
    return np.array(numbers if tokens > 1 else [0] * count, int)


def shares(weights: np.ndarray) -> np.ndarray:
    found = weights * (2**14 - len(weights)) // weights.sum() + 1
    found[weights.argmax()] += 2**14 - found.sum()
    return found


def huffman(stream: bytes, count: int) -> np.ndarray:
    if not count:
        return np.zeros(0, int)
    tokens, width = stream[:2]
    used = 2 + -(-tokens * width // 8)
    lengths, codes, code = unpack(stream[2:used], width, tokens) if width else [0], {}, 0
    for length in range(1, max(lengths) + 1):
        for token in np.flatnonzero(np.equal(lengths, length)):
            codes[length, code] = int(token)
            code += 1
        code *= 2
    text, at, numbers = "".join(f"{octet:08b}" for octet in stream[used:]), 0, []
    for _ in range(count):
        length = 0
        while width and (length, int("0" + text[at : at + length], 2)) not in codes:
            length += 1
        token = codes[length, int(text[at : at + length], 2)] if width else tokens - 1
        at += length + BITS[token]
        numbers.append(BASE[token] + int("0" + text[at - BITS[token] : at], 2))
    return np.array(numbers)


CODERS = {"entropy": entropy, "huffman": huffman}


def signed(numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers % 2, (numbers + 1) // 2, -(numbers // 2))


def groups(meta: dict, shape: list[int], place: np.ndarray) -> np.ndarray:
    """Number of the group of each element."""
    size = math.prod(shape)
    if "group" in meta:
        return place // meta["group"]
    return place // (size // shape[0]) if "axis" in meta and len(shape) > 1 and size else 0 * place


def scales(stream: bytes, meta: dict, number: int) -> tuple:
    """Scales, scales of negative codes, zero points, (number,) each, and the codes' bytes."""
    width, pair = meta.get("scale", 2), 2 if "negative" in meta else 1
    at = number * width * pair
    found = np.frombuffer(stream[:at], f"<f{width}").astype(np.float32).reshape(pair, number)
    zero = np.frombuffer(stream, np.uint8, number, at).astype(int) if "zero" in meta else np.zeros(number, int)
    return found[0], found[-1], zero, stream[at + (number if "zero" in meta else 0) :]


def unpack(stream: bytes, bits: int, count: int) -> np.ndarray:
    """Unsigned numbers of some bits, the lowest bit first."""
    ones = np.unpackbits(np.frombuffer(stream, np.uint8), bitorder="little")[: count * bits].reshape(count, bits)
    return ones.astype(int) @ (1 << np.arange(bits))


def digits(stream: bytes, base: int, each: int) -> np.ndarray:
    """Numbers of one digit, `each` of them a byte, the first counts least."""
    return (np.frombuffer(stream, np.uint8)[:, None].astype(int) // base ** np.arange(each) % base).ravel()


# ---- a network's inputs

def window(card: dict, raw: np.ndarray) -> np.ndarray:
    """x (L, C) float32 of the last 2 L rows, or fewer, of raw values (T, C), NaN = missing."""
    look, season = card["L"], card["season"]
    raw = raw[-2 * look :]
    if card["transform"] == "log":
        raw = np.log(np.where(raw > 0, raw, np.nan))
    scaled = (raw - card["mean"]) / card["std"]
    x = scaled.copy()
    for t, c in np.argwhere(np.isnan(scaled)):
        for back in [*range(season, look + 1, season), *range(1, look + 1)]:
            if back <= t and not np.isnan(scaled[t - back, c]):
                x[t, c] = scaled[t - back, c]
                break
        else:
            x[t, c] = 0.0
    return x[-look:].astype(np.float32)


def holidays(card: dict) -> set[date]:
    off = set()
    if card["holidays"]:
        day = date(card["holidays"][0], 1, 1)
        for gap in card["holidays"][2:]:
            day += timedelta(gap)
            off.add(day)
    return off


def calendar(card: dict, times: list[datetime]) -> np.ndarray:
    """z (len(times), F) float32."""
    off, rows = holidays(card), []
    for t in times:
        of_day = (60 * t.hour + t.minute) / 1440
        phase = {"d": of_day, "w": (t.weekday() + of_day) / 7, "y": (t.timetuple().tm_yday - 1) / 365.25}
        row = [wave(2 * math.pi * phase[c]) for c in CYCLES[card["frequency"]] for wave in (math.sin, math.cos)]
        if card["frequency"] in SHORT:
            row += [t.weekday() >= 5] + ([t.date() in off] if card["country"] else [])
        rows.append(row)
    return np.array(rows, np.float32).reshape(len(times), -1)


def cells(card: dict, times: list[datetime]) -> np.ndarray:
    """(len(times),) int."""
    frequency, off = card["frequency"], holidays(card)
    if frequency in ("W", "MS", "step"):
        return np.array([t.month - 1 if frequency != "step" else 0 for t in times])
    steps, week, kind = STEPS.get(frequency, 1), WEEKDAYS.get(frequency, 7), trading if frequency[0] == "t" else special
    return np.array([((kind(t.date(), off, card["country"]) if card["country"] else 0) * week + t.weekday() % week)
                     * steps + (60 * t.hour + t.minute) * steps // 1440 for t in times])  # fmt: skip


def special(day: date, off: set[date], country: str) -> int:
    """Kind of a day."""
    def long(day):
        return any(all(day + (first + i) * DAY in off for i in range(3)) for first in (-2, -1, 0))

    near = day - DAY, day + DAY
    if day in off:
        return 5 if long(day) else 4
    if day.weekday() > 4:
        return 0
    bridge = all(day in off or day.weekday() > 4 for day in near) and any(day in off for day in near)
    return 3 if long(near[0]) else 2 if long(near[1]) else int(bridge)


def trading(day: date, off: set[date], country: str) -> int:
    """Kind of a trading day."""
    def weekday(day, way):
        day += way * DAY
        return day if day.weekday() < 5 else weekday(day, way)

    if country in EXPIRY:
        (which, on), first = EXPIRY[country], day.replace(day=1)
        expiry = first + ((on - first.weekday()) % 7 + 7 * (which - 1)) * DAY
        while expiry in off:
            expiry = weekday(expiry, -1)
        if day == expiry:
            return 3
    return 2 if weekday(day, -1) in off else int(weekday(day, 1) in off)


def usual(config: dict, table: np.ndarray, series: int | None, cells: np.ndarray) -> np.ndarray:
    """Usual values (S,) of a series at cells (S,); None = a series that the file never saw."""
    week, steps, kept = config.get("weekdays", 1), config.get("steps", 1), config.get("waves", 0)
    types = week + (config.get("kinds", 0) if config.get("special", True) else 0)
    if 0 < kept < steps:
        k = np.arange(kept)[:, None]
        wave = np.cos(math.pi * k * (np.arange(steps) + 0.5) / steps)
        table = table @ (np.where(k, math.sqrt(2 / steps), math.sqrt(1 / steps)) * wave)
    rows = table.reshape(-1, types, steps)
    row = rows.mean(0) if series is None else rows[series if len(rows) > 1 else 0]
    kind, weekday = np.divmod(cells // steps, week)
    return row[np.where((kind > 0) & (types > week), week + kind - 1, weekday), cells % steps]


def frame(config: dict, x: np.ndarray, week: np.ndarray | None) -> tuple:
    """past (L,), scale and ahead (H,) of a window x (L,), week its usual values (L + H,): the network maps
    (x - past) / scale to o (H,), the forecast is o * scale + ahead."""
    look, train = config["L"], config.get("scale") == "train"
    scale = 1.0 if train else math.sqrt(((x - x.mean()) ** 2).mean()) + 0.01
    if week is None:
        week = np.full(look + config["H"], x.mean() if config["anchor"] == "mean" else x[-1])
    elif not train:
        moves = week - week[:look].mean()
        past = moves[:look]
        week = x.mean() + moves * (((x - x.mean()) * past).mean() + 0.1) / ((past**2).mean() + 0.1)
    return week[:look], scale, week[look:]


def looks(config: dict) -> range:
    """Steps of the horizon whose known inputs are read."""
    H, asked = config["H"], config.get("looks", 0)  # noqa: N806
    return range(0, H, -(-H // asked) if asked else min(-(-H // 4), config.get("steps", 1)))


def raw_again(card: dict, y: np.ndarray) -> np.ndarray:
    """Forecasts (H, C) in the data's own unit, of a network's output in scaled units."""
    own = y.astype(float) * card["std"] + card["mean"]
    return np.exp(own) if card["transform"] == "log" else own
