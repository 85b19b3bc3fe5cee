"""Every op in a line or two of NumPy, one window at a time: what writers are held against. `predict.py` is the same,
quicker."""

import numpy as np

from litecast.bundle.program import Program


def run(program: Program, inputs: dict[str, np.ndarray], series: int) -> np.ndarray:
    """Forecast (H,), float32, scaled units, of one window. inputs: name -> vector, of at least those that the program
    reads; series: which of the card's it is."""
    values = {name: np.asarray(inputs[name]) for name in program.inputs}
    for op in program.ops:
        weights = {role: program.tensors[name].values() for role, name in op.weights.items()}
        args = [values[name] for name in op.inputs]
        told = {"series": series} if op.kind in BY_SERIES else {}
        values[op.out] = OPS[op.kind](*args, size=op.size, **weights, **op.numbers, **told).astype(np.float32)
    return values[program.output]


def types(calendar: dict, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs `types` and `steps` (L+H,) of the calendar's cells."""
    day, step = np.divmod(cells, calendar["steps"])
    kind, weekday = np.divmod(day, calendar["weekdays"])
    return np.where((kind > 0) & bool(calendar["special"]), calendar["weekdays"] + kind - 1, weekday), step


def _slice(a, size, start):
    return a[start : start + size]


def _mean(a, size, start, width):
    return a[start : start + width * size].reshape(size, width).mean(1)


def _spread(a, size, floor):
    return np.sqrt(np.mean((a - a.mean()) ** 2, keepdims=True)) + floor


def _smooth(a, size, kernel):
    padded = np.pad(a, kernel // 2, "edge")
    return np.array([padded[i : i + kernel].mean() for i in range(size)])


def _row(size, weight, series):
    return weight[series]


def _usual(types_, steps_, size, rows, types, steps, own, series, patterns=None, high=0, wide=0):
    rows = rows.reshape(-1, rows.shape[-1]) if patterns is None else rows @ patterns
    if high:
        rows = _cosines(rows.reshape(len(rows), high, -1), wide)
    return rows.reshape(-1)[(series * own * types + types_) * steps + steps_]


def _cosines(c, wide):
    """Values (N, A, B) of coefficients (N, A, kept), B = wide."""
    for axis, n in ((1, c.shape[1]), (2, wide)):
        k, at = np.arange(c.shape[axis])[:, None], np.arange(n) + 0.5
        wave = np.cos(np.pi * k * at / n) * np.where(k == 0, np.sqrt(1 / n), np.sqrt(2 / n))
        c = np.moveaxis(np.moveaxis(c, axis, -1) @ wave, -1, axis)
    return c


def _fit(u, x, size, ease):
    moves = u - u[: len(x)].mean()
    past = moves[: len(x)]
    return x.mean() + moves * (((x - x.mean()) * past).mean() + ease) / ((past**2).mean() + ease)


def _lags(a, types_, size, weight, patch, days):
    look, (any_day, same) = len(a), weight.reshape(len(weight), 2, days, 3).transpose(1, 0, 2, 3)
    padded = np.concatenate([a[look - days * patch :], [0]])
    padded = np.concatenate([[0], padded])  # the neighbour of the oldest step, and of the newest
    out = np.zeros(size)
    for h in range(size):
        ahead, p = divmod(h, patch)
        for d in range(days):
            near = padded[d * patch + p : d * patch + p + 3]
            alike = types_[look - (days - d) * patch + p] == types_[look + h]
            out[h] += near @ (any_day[ahead, d] + alike * same[ahead, d])
    return out


def _linear(a, size, weight, bias=0.0):
    return weight @ a + bias


def _round(a, size, bits, scale, zero):
    return np.clip(np.rint(a / np.float32(scale)), -zero, 2**bits - 1 - zero) * np.float32(scale)


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _gru(a, size, weight_ih, weight_hh, bias_ih, bias_hh, steps, last):
    h, states = np.zeros(weight_hh.shape[1], np.float32), []
    for x in a.reshape(steps, -1):
        i, g = np.split(weight_ih @ x + bias_ih, 3), np.split(weight_hh @ h + bias_hh, 3)
        r, z = _sigmoid(i[0] + g[0]), _sigmoid(i[1] + g[1])
        h = (1 - z) * np.tanh(i[2] + r * g[2]) + z * h
        states.append(h)
    return h if last else np.concatenate(states)


def _lstm(a, size, weight_ih, weight_hh, bias_ih, bias_hh, steps, last):
    h, states = np.zeros(weight_hh.shape[1], np.float32), []
    c = h
    for x in a.reshape(steps, -1):
        i, f, g, o = np.split(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh, 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        states.append(h)
    return h if last else np.concatenate(states)


def _conv1d(a, size, weight, stride, dilation, padding, bias=0.0):
    out, channels, kernel = weight.shape
    padded = np.pad(a.reshape(channels, -1), ((0, 0), (padding, padding)))
    at = np.arange(size // out)[:, None] * stride + np.arange(kernel) * dilation  # (positions, kernel)
    return (np.einsum("oik,ipk->op", weight, padded[:, at]) + np.reshape(bias, (-1, 1))).ravel()


BY_SERIES = ("row", "usual")
OPS = {
    "add": lambda a, b, size: a + b, "sub": lambda a, b, size: a - b, "mul": lambda a, b, size: a * b,
    "div": lambda a, b, size: a / b, "relu": lambda a, size: np.maximum(a, 0),
    "concat": lambda *parts, size: np.concatenate(parts),
    "slice": _slice, "mean": _mean, "spread": _spread, "smooth": _smooth, "row": _row, "usual": _usual, "fit": _fit,
    "lags": _lags, "linear": _linear, "round": _round, "gru": _gru, "lstm": _lstm, "conv1d": _conv1d,
}  # fmt: skip
