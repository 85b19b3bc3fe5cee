"""Forecasts of a bundle with NumPy alone: `Forecaster(folder).forecast(values, times)`. `python predict.py my.csv [80]`
reads a column of times, then one of each series, empty where a value is missing, and prints the steps to come.
"""

import base64
import csv
import json
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np


class Forecaster:
    """card: a dict, what the network knows of its data; `bands` of it are by level, in %. Threads may share it.
    Raises ValueError where the folder has no bundle."""

    def __init__(self, folder="."):
        path = Path(folder) / "bundle.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self.card, program = content["card"] | {"bands": content["bands"]}, content["program"]
            self._calendar = content["calendar"]
            weights = {name: _tensor(**tensor) for name, tensor in content["tensors"].items()}
            place, self._ops = {name: i for i, name in enumerate(("x", "known", "types", "steps", "series"))}, []
            for told in program["ops"]:
                kind, out, ins = told.pop("op"), told.pop("out"), told.pop("in")
                ins += ["series"] if kind in ("row", "usual") else []
                told = {key: weights[value] if isinstance(value, str) else value for key, value in told.items()}
                self._ops.append((OPS[kind](**told), [place[name] for name in ins]))
                place[out] = len(place)
            self._known = np.array(program["known"], int) + self.card["L"]
            self._mean, self._std = np.array([self.card["mean"], self.card["std"]])
            self._radii = {level: radius * self._std for level, radius in self.card["bands"].items()}
            self._days, self._types, self._features = (_tensor(**self._calendar[k]) for k in ("days", "types", "known"))
            first, last, *gaps = self.card["holidays"] or (1970, 9999)
            closed, self._years = np.datetime64(f"{first}-01-01") + np.cumsum(gaps, dtype=int), (first, last)
            self._trade = np.busdaycalendar(holidays=closed)
        except (OSError, KeyError, TypeError, ValueError, zlib.error) as error:
            raise ValueError(f"{path} is no bundle that this file can read: {type(error).__name__} {error}") from None

    def forecast(self, values, times=None, series=None) -> np.ndarray:
        """The H steps after the last row, (H, C), float64, raw. values: (T, C) raw, T >= L, NaN = missing, of which
        card["history"] rows decide. series: names of the columns, if not all. times: (T,) or (T + H,), a step apart,
        datetime64, datetime or ISO text, local standard time without a zone; None where no calendar is read.
        Warns of gaps that may need rows not given, and of unknown holidays. Raises ValueError on what does not fit."""
        card, s, raw = self.card, self._numbers(series), np.asarray(values, np.float64)
        L, mean, std = card["L"], self._mean[s], self._std[s]  # noqa: N806
        if raw.ndim != 2 or raw.shape[1] != len(s) or len(raw) < L:
            raise ValueError(f"values are {L} or more steps x {len(s)} series, not {' x '.join(map(str, raw.shape))}")
        v = raw[-card["history"] :]
        if np.isinf(v).any():
            raise ValueError("values must be finite; give NaN where one is missing")
        if card["transform"] == "log":
            v = np.log(v, out=np.full(v.shape, np.nan), where=v > 0)
        v = (v - mean) / std
        if np.isnan(v).any():
            v = self._filled(v)
        y = self.scaled(v[-L:].T.astype(np.float32), *self._dated(times, len(raw)), s).T.astype(np.float64) * std + mean
        return np.exp(y) if card["transform"] == "log" else y

    def bands(self, forecast, level=80, series=None) -> tuple[np.ndarray, np.ndarray]:
        """low and high (H, C), raw, of a forecast (H, C): between them lie `level` % of values, as validation has it.
        Raises ValueError where the bundle has no such band."""
        s, y, levels = self._numbers(series), np.asarray(forecast, np.float64), self.card["bands"]
        if str(level) not in levels or y.shape != (self.card["H"], len(s)):
            raise ValueError(f"bands of {', '.join(levels) or 'no'} % are here, of {self.card['H']} steps x {len(s)} "
                             f"series: not of {level} %, {' x '.join(map(str, y.shape))}")
        radius = self._radii[str(level)][:, s]
        log = self.card["transform"] == "log"
        return (y * np.exp(-radius), y * np.exp(radius)) if log else (y - radius, y + radius)

    def scaled(self, x, known, types, steps, series) -> np.ndarray:
        """The ops alone: filled windows x (N, L) of series (N,) by number, at one time -> (N, H), both scaled."""
        known = None if known is None else known[None].repeat(len(x), 0)
        v = [x, known, types, steps, series]
        for op, ins in self._ops:
            v.append(op(*[v[i] for i in ins]))
        return v[-1]

    def _numbers(self, series) -> np.ndarray:
        names = self.card["series"]
        if unknown := [str(name) for name in series or () if name not in names]:
            raise ValueError(f"unknown series {', '.join(unknown[:5])}; known: {', '.join(names[:9])}")
        return np.array([names.index(name) for name in series]) if series else np.arange(len(names))

    def _filled(self, v: np.ndarray) -> np.ndarray:
        L, seen, at, out = self.card["L"], ~np.isnan(v), np.arange(len(v))[:, None], v.copy()  # noqa: N806
        if len(v) < self.card["history"] and not seen[-L:].all():
            warnings.warn(f"gaps are filled from {self.card['history']} rows, and there are {len(v)}", stacklevel=3)
        for stride in (self.card["season"], 1):  # observed whole seasons before, else the last: at most L steps before
            last = np.pad(np.where(seen, at, -1), ((0, -len(v) % stride), (0, 0)), constant_values=-1)
            last = np.maximum.accumulate(last.reshape(-1, stride, v.shape[1])).reshape(last.shape)[: len(v)]
            near = np.isnan(out) & (last >= 0) & (at - last <= L)
            out[near] = np.take_along_axis(v, np.maximum(last, 0), 0)[near]
        return np.nan_to_num(out, nan=0.0)

    def _dated(self, times, count: int) -> tuple:
        """known (K,), types and steps (L + H,) of `count` rows at these times, and of the horizon."""
        card, (step, unit) = self.card, self._calendar["step"]
        if not step:
            return None, *np.zeros((2, card["L"] + card["H"]), int)
        try:
            t = np.asarray(times, f"M8[{unit}]") if not {*"+-Z"} & {*str(times[0])[10:]} else np.array("NaT", "M8")
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"times cannot be read ({error}): give local standard time, 2024-01-31 13:00") from None
        if t.ndim != 1 or len(t) not in (count, count + card["H"]) or np.isnat(t).any():
            raise ValueError(f"give the time, in no zone, of each of the {count} rows, or of {card['H']} more")
        gaps = np.diff(t).astype(int)
        if (gaps < 1).any() if card["frequency"] == "trading-day" else (gaps != step).any():
            raise ValueError(f"times must be one step ({card['frequency']}) apart, no gaps: give NaN values instead")
        if len(t) == count:
            n, now, trade = np.arange(1, card["H"] + 1), t[-1], card["frequency"] == "trading-day"
            t = np.append(t, np.busday_offset(now, n, "backward", busdaycal=self._trade) if trade else now + step * n)
        t = t[-card["L"] - card["H"] :]
        day, (first, last) = t.astype("M8[D]"), t[[0, -1]].astype("M8[Y]").astype(int) + 1970
        if not 1970 <= first <= last <= self._calendar["last"]:
            raise ValueError(f"the calendar of this bundle lasts from 1970 to {self._calendar['last']}, not to {last}")
        if first < self._years[0] or last > self._years[1]:
            warnings.warn("no holidays are known but those of {} to {}".format(*self._years), stacklevel=3)
        steps = (t - day).astype("m8[m]").astype(int) * self._features.shape[1] // 1440
        kind = self._days[day.astype(int)]
        return self._features[kind[self._known], steps[self._known]].ravel(), self._types[kind], steps


def _tensor(kind, shape, codes, dtype, scale="", run=0, **_) -> np.ndarray:
    codes, scale = (np.frombuffer(zlib.decompress(base64.b64decode(text)) if text else b"", of)
                    for text, of in ((codes, dtype), (scale, "<f4")))  # fmt: skip
    if kind != "float":
        codes = scale[codes] if kind == "table" else np.repeat(scale, run)[: len(codes)] * codes.astype(np.float32)
    return codes.reshape(shape)


# ---- ops: what each is told -> a function of vectors (N, size)

def _mean(a):
    return np.add.reduce(a, 1, keepdims=True) / np.float32(a.shape[1])  # mean() takes four times as long on one window


def _fit(u, x, ease):
    d = u - _mean(u[:, : x.shape[1]])
    past, level = d[:, : x.shape[1]], _mean(x)
    return level + d * ((_mean((x - level) * past) + ease) / (_mean(past * past) + ease))


def _usual(size, rows, types, steps, own, patterns=None, high=0, wide=0):
    def waves(kept, n):
        k = np.arange(kept)[:, None]
        return np.cos(np.pi * k * (np.arange(n) + 0.5) / n) * np.sqrt(np.where(k, 2, 1) / n)

    table = rows if patterns is None else rows @ patterns
    if high:
        table = waves(high, high).T @ table.reshape(len(table), high, -1)
        table = table @ waves(table.shape[2], wide)
    table = table.reshape(-1, types * steps).astype(np.float32)
    return lambda type, step, s: table[s[:, None] * own, type * steps + step]


def _lags(size, weight, patch, days):
    ahead, used = len(weight), days * patch
    w = weight.reshape(ahead, 2, days, 3).transpose(2, 1, 0, 3).reshape(days, -1, 3)  # (D, 2 A, 3)
    block, future = np.arange(used).reshape(days, 1, patch), np.minimum(np.arange(ahead * patch), size - 1)

    def op(a, types):
        rows = np.zeros((len(a), used + 2), np.float32)
        rows[:, 1:-1] = a[:, -used:]
        said = w @ rows[:, block + np.arange(3)[:, None]]  # (N, D, 2 A, P)
        alike = types[block - used - size] == types[future.reshape(ahead, patch) - size]  # (D, A, P)
        return (said[:, :, :ahead] + said[:, :, ahead:] * alike).sum(1).reshape(len(a), -1)[:, :size]

    return op


def _pool(size, start, width):
    return lambda a: np.add.reduce(a[:, start : start + size * width].reshape(-1, size, width), 2) / np.float32(width)


def _smooth(size, kernel):
    at = np.clip(np.arange(size)[:, None] + np.arange(kernel) - kernel // 2, 0, size - 1)
    return lambda a: a[:, at].mean(2)


def _round(size, bits, scale, zero):
    scale = np.float32(scale)
    return lambda a: np.clip(np.rint(a / scale), -zero, 2**bits - 1 - zero) * scale


def _conv1d(size, weight, bias, stride, dilation, padding):
    w = weight.reshape(len(weight), -1)
    at = np.arange(size // len(w)) * stride + np.arange(weight.shape[2])[:, None] * dilation  # (kernel, P')

    def op(a):
        rows = np.zeros((len(a), weight.shape[1], a.shape[1] // weight.shape[1] + 2 * padding), np.float32)
        rows[:, :, padding : rows.shape[2] - padding] = a.reshape(len(a), weight.shape[1], -1)
        return (w @ rows[:, :, at].reshape(len(a), w.shape[1], -1) + bias[:, None]).reshape(len(a), -1)

    return op


def _recurrent(size, weight_ih, weight_hh, bias_ih, bias_hh, steps, last, step):
    def op(a):
        given = (a.reshape(len(a) * steps, -1).dot(weight_ih.T) + bias_ih).reshape(len(a), steps, -1)
        h = c = np.zeros((len(a), weight_hh.shape[1]), np.float32)
        states = []  # (N, h) each
        for i in range(steps):
            h, c = step(given[:, i], h.dot(weight_hh.T) + bias_hh, h, c)
            states.append(h)
        return h if last else np.concatenate(states, 1)

    return op


def _sigmoid(a):
    return np.tanh(a * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)


def _gru(x, g, h, c):
    n = h.shape[1]
    gates = _sigmoid(x[:, : 2 * n] + g[:, : 2 * n])
    new = np.tanh(x[:, 2 * n :] + gates[:, :n] * g[:, 2 * n :])
    return new + gates[:, n:] * (h - new), c


def _lstm(x, g, h, c):
    i, f, new, o = np.split(x + g, 4, 1)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(new)
    return _sigmoid(o) * np.tanh(c), c


OPS = {
    "add": lambda size: np.add,
    "concat": lambda size: lambda *parts: np.concatenate(parts, 1),
    "conv1d": _conv1d,
    "div": lambda size: np.divide,
    "fit": lambda size, ease: lambda u, x: _fit(u, x, np.float32(ease)),
    "gru": lambda **told: _recurrent(**told, step=_gru),
    "lags": _lags,
    "linear": lambda size, weight, bias=0.0: lambda a: a.dot(weight.T) + bias,
    "lstm": lambda **told: _recurrent(**told, step=_lstm),
    "mean": _pool,
    "mul": lambda size: np.multiply,
    "relu": lambda size: lambda a: np.maximum(a, 0),
    "round": _round,
    "row": lambda size, weight: lambda s: weight[s],
    "slice": lambda size, start: lambda a: a[:, start : start + size],
    "smooth": _smooth,
    "spread": lambda size, floor: lambda a: np.sqrt(_mean(np.square(a - _mean(a)))) + np.float32(floor),
    "sub": lambda size: np.subtract,
    "usual": _usual,
}


def main(path: str, level: str = "80") -> None:
    with open(path, encoding="utf-8-sig", newline="") as file:
        (_, *names), *rows = csv.reader(file)
    network = Forecaster(Path(__file__).parent)
    values = [[float(cell) if cell.strip() else np.nan for cell in row[1:]] for row in rows]
    y = network.forecast(values, [row[0] for row in rows], names)
    parts = [y, *network.bands(y, level, names)] if network.card["bands"] else [y]
    print("step", *(name + part for name in names for part in ("", " low", " high")[: len(parts)]), sep=",")
    for step, row in enumerate(np.stack(parts, 2).reshape(len(y), -1).tolist(), 1):
        print(step, *row, sep=",")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, ValueError, TypeError) as error:
        sys.exit(f"predict: {error}")
