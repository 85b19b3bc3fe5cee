"""From a model file to a program: the frame that all networks share, and the families that have a writer."""

from collections.abc import Callable

from litecast import modelfile
from litecast.bundle.program import Op, Program, tensor
from litecast.codecs.quantised import Product
from litecast.errors import LitecastError
from litecast.models import base, describe, wrappers


class Unfit(LitecastError):
    """A network, or a part of it, that no program or writer has an op for: what and why."""


def program(loaded: modelfile.Loaded, held: dict) -> Program:
    """The program of a loaded file; held: `modelfile.held` of the same file. Raises Unfit, naming family and reason."""
    family = describe(loaded.model)["family"]
    if family not in NETS:
        raise Unfit(f"{family} has no program: NumPy, C and JavaScript are written for {', '.join(NETS)}")
    made = Builder(loaded.model, held)
    made.frame(NETS[family])
    return made.program()


class Builder:
    """Appends ops; each method returns the name of what its op makes."""

    def __init__(self, model: base.Forecaster, held: dict):
        self.model, self.config, self.held = model, model.config, held
        self.shapes = {name: tuple(part.shape) for name, part in model.state_dict().items()}
        self.activations, self.quantised = wrappers.attached(model), set()
        self.inputs, self.ops, self.tensors = {"x": self.config.L}, [], {}

    def program(self) -> Program:
        c, left = self.config, self.activations.keys() - self.quantised
        if left:
            raise Unfit(f"what enters {', '.join(sorted(left))} is quantised, for which no program has an op")
        calendar = {"weekdays": c.weekdays, "kinds": c.kinds, "steps": c.steps, "special": int(c.special)}
        known = tuple(range(0, c.H, c.stride)) if "known" in self.inputs else ()
        return Program(self.inputs, tuple(self.ops), self.tensors, known, calendar)

    # ---- what ops are made of

    def op(self, kind: str, size: int, *inputs: str, weights: dict | None = None, **numbers) -> str:
        self.ops.append(Op(kind, f"v{len(self.ops)}", size, inputs, weights or {}, numbers))
        return self.ops[-1].out

    def size(self, name: str) -> int:
        return next((op.size for op in self.ops if op.out == name), None) or self.inputs[name]

    def read(self, name: str, size: int) -> str:
        """An input of the program."""
        if size:
            self.inputs[name] = size
        return name

    def weight(self, name: str) -> str:
        """A tensor of the file, under its name."""
        self.tensors.setdefault(name, tensor(self.held[name], self.shapes[name]))
        return name

    def layer(self, name: str, *roles: str) -> dict[str, str]:
        return {role.removesuffix("_l0"): self.weight(f"{name}.{role}") for role in roles
                if f"{name}.{role}" in self.shapes}  # fmt: skip

    # ---- ops of one layer

    def rounded(self, a: str, layer: str) -> str:
        """What enters a layer, as its quantiser rounds it, if it has one."""
        quantiser = self.activations.get(layer)
        if quantiser is None:
            return a
        if quantiser["bits"] == 1:
            raise Unfit(f"the inputs of {layer} are kept by their sign alone, for which no writer has an op")
        self.quantised.add(layer)
        return self.op("round", self.size(a), a, **quantiser)

    def add(self, a: str, b: str) -> str:
        return self.op("add", max(self.size(a), self.size(b)), a, b)

    def sub(self, a: str, b: str) -> str:
        return self.op("sub", max(self.size(a), self.size(b)), a, b)

    def relu(self, a: str) -> str:
        return self.op("relu", self.size(a), a)

    def slice(self, a: str, start: int, stop: int) -> str:
        whole = (start, stop) == (0, self.size(a))
        return a if whole else self.op("slice", stop - start, a, start=start)

    def concat(self, *parts: str) -> str:
        return parts[0] if len(parts) == 1 else self.op("concat", sum(map(self.size, parts)), *parts)

    def mean(self, a: str, start: int, width: int, count: int = 1) -> str:
        return self.op("mean", count, a, start=start, width=width)

    def linear(self, a: str, layer: str) -> str:
        a, name = self.rounded(a, layer), f"{layer}.weight"
        weights, held, rows = self.layer(layer, "weight", "bias"), self.held[name], self.shapes[name][0]
        if isinstance(held, Product) and not held.cosines and held.left.shape[0] == rows:  # as it is: two thin maps
            rank = held.left.shape[1]
            self.tensors[f"{name}.right"] = tensor(held.right, (rank, self.size(a)))
            self.tensors[name] = tensor(held.left, (rows, rank))
            a = self.op("linear", rank, a, weights={"weight": f"{name}.right"})
        return self.op("linear", rows, a, weights=weights)

    def conv(self, a: str, layer: str) -> str:
        module = self.model.get_submodule(layer)
        (kernel,), (stride,), (dilation,), (padding,) = (
            module.kernel_size, module.stride, module.dilation, module.padding)  # fmt: skip
        positions = self.size(a) // module.in_channels
        after = (positions + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        return self.op("conv1d", module.out_channels * after, self.rounded(a, layer), stride=stride, dilation=dilation,
                       padding=padding, weights=self.layer(layer, "weight", "bias"))  # fmt: skip

    def recurrent(self, a: str, layer: str, steps: int, last: bool) -> str:
        hidden = self.model.get_submodule(layer).hidden_size
        kind = type(self.model.get_submodule(layer)).__name__.lower()
        weights = self.layer(layer, "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return self.op(kind, hidden * (1 if last else steps), self.rounded(a, layer), steps=steps, last=int(last),
                       weights=weights)

    def head(self, a: str, known: str | None) -> str:
        joined = a if known is None else self.concat(a, known)
        return self.linear(self.relu(self.linear(joined, "head.hidden")), "head.out")

    # ---- the frame: what a window is shifted by and divided by

    def frame(self, net: Callable) -> None:
        c, x, window = self.config, "x", self.config.scale == "window"
        if c.table != "none":
            usual = self.usual()
            usual = self.op("fit", c.L + c.H, usual, x, ease=base.AS_USUAL) if window else usual
            past, ahead = self.slice(usual, 0, c.L), self.slice(usual, c.L, c.L + c.H)
        else:
            past = ahead = self.mean(x, 0, c.L) if c.anchor == "mean" else self.slice(x, c.L - 1, c.L)
        scale = self.op("spread", 1, x, floor=base.FLOOR) if window else None
        rows = self.sub(x, past)
        rows = self.op("div", c.L, rows, scale) if window else rows
        out = net(self, rows, self.read("known", c.known) if c.known else None)
        out = self.op("mul", c.H, out, scale) if window else out
        self.add(out, ahead)

    def usual(self) -> str:
        c, name, module = self.config, "usual.table", self.model.usual
        held, shape, cosines = self.held[name], self.shapes[name], {}
        self.tensors[name], weights = tensor(held, shape), {"rows": name}
        if module.kept < c.steps:
            cosines = {"high": 1, "wide": c.steps}
        elif isinstance(held, Product):  # (22, K) and (K, 288), say, are as large in memory as in the file
            count, rank = held.left.shape
            self.tensors[name] = tensor(held.left, (count, rank))
            self.tensors[f"{name}.patterns"] = tensor(held.right, (rank, held.size // count))
            weights["patterns"] = f"{name}.patterns"
            cosines = dict(zip(("high", "wide"), held.cosines, strict=False))
        span = c.L + c.H
        return self.op("usual", span, self.read("types", span), self.read("steps", span), weights=weights,
                       types=c.types, steps=c.steps, own=int(c.table == "own"), **cosines)


# ---- families: rows (L,) as the network sees them, known (K,) | None -> what it says (H,), by name

def _lags(b: Builder, rows: str, out: str) -> str:
    """out, and what the same steps of earlier days say, if the network asks."""
    if b.model.lags is None:
        return out
    c = b.config
    rows = b.rounded(rows, "lags")
    said = b.op("lags", c.H, rows, b.read("types", c.L + c.H), weights=b.layer("lags", "weight"), patch=c.patch,
                days=c.days)
    return b.add(out, said)


def _profile_mlp(b: Builder, rows: str, known: str | None) -> str:
    c = b.config
    read = [b.slice(rows, c.L - c.patch, c.L)]
    if c.days > 1:
        read.append(b.mean(rows, c.L - c.days * c.patch, c.patch // c.parts, (c.days - 1) * c.parts))
    read += [b.mean(rows, c.L - n, n) for n in c.scales]
    if c.embedded:
        read.append(b.op("row", c.embedded, weights=b.layer("embedding", "weight")))
    read += [] if known is None else [known]
    return _lags(b, rows, b.linear(b.relu(b.linear(b.concat(*read), "first")), "second"))


def _profile_linear(b: Builder, rows: str, known: str | None) -> str:
    c = b.config
    return _lags(b, rows, b.linear(b.concat(*(b.mean(rows, c.L - n, n) for n in c.scales)), "means"))


def _dlinear(b: Builder, rows: str, known: str | None) -> str:
    trend = b.op("smooth", b.config.L, rows, kernel=b.config.kernel)
    return b.add(b.linear(trend, "trend"), b.linear(b.sub(rows, trend), "rest"))


def _nlinear(b: Builder, rows: str, known: str | None) -> str:
    return b.linear(rows, "map")


def _nbeats(b: Builder, rows: str, known: str | None) -> str:
    forecast = None
    for i, block in enumerate(b.model.blocks):
        joined = rows if known is None else b.concat(rows, known)
        h = b.relu(b.linear(b.relu(b.linear(joined, f"blocks.{i}.first")), f"blocks.{i}.second"))
        part = b.linear(h, f"blocks.{i}.forecast")
        forecast = part if forecast is None else b.add(forecast, part)
        if block.backcast is not None:
            rows = b.sub(rows, b.linear(h, f"blocks.{i}.backcast"))
    return forecast


def _recurrent(first: str) -> Callable:
    def net(b: Builder, rows: str, known: str | None) -> str:
        c, steps = b.config, b.config.L // b.config.patch
        layers = [first, *(f"above.{i}" for i in range(len(c.above)))]
        h = b.slice(rows, c.L - steps * c.patch, c.L)
        for layer in layers:
            h = b.recurrent(h, layer, steps, last=layer == layers[-1])
        return b.head(h, known)

    return net


def _resnet1d(b: Builder, rows: str, known: str | None) -> str:
    c = b.config
    h = b.conv(b.slice(rows, c.L - (c.positions + 1) * c.step, c.L), "stem")
    for i in range(len(c.inner)):
        h = b.add(h, b.conv(b.relu(b.conv(b.relu(h), f"blocks.{i}.first")), f"blocks.{i}.second"))
    return b.head(b.relu(h), known)


NETS = {"profile_mlp": _profile_mlp, "profile_linear": _profile_linear, "dlinear": _dlinear, "nlinear": _nlinear,
            "nbeats": _nbeats, "gru": _recurrent("gru"), "lstm": _recurrent("lstm"), "resnet1d": _resnet1d}  # fmt: skip
