"""Plain storages of a network: float32, float16, int2 … int8. Here weights are rounded; codecs only pack.

Integers are rounded to nearest, symmetric, with a scale per output channel: zero stays zero, so what was pruned stays
pruned. What trains or searches its own codes (scales, tables) hands them to `hold`, which rounds only the rest.
"""

from collections.abc import Mapping

import numpy as np

from litecast import modelfile
from litecast.codecs import Quantised
from litecast.compress import Export
from litecast.errors import ModelFileError

LARGEST = 3e38  # leaves room for the rounding of a scale
HALF = 65504.0  # beyond it float16 is infinite


def export(model, name: str, sparse: bool = False) -> Export:
    """The model file of a network in a plain storage; `sparse` leaves the zeros of its weights out.

    Raises ModelFileError on an unknown storage and on weights that it cannot hold.
    """
    codecs = specs(name, sparse)
    return Export(codecs, hold(model, codecs), claims=name)


def specs(name: str, sparse: bool = False) -> dict[str, dict]:
    """Codecs of a storage; in a sparse one everything but matrices and kernels stays a float.

    The usual week keeps eight bits where weights have fewer: it is added to the forecast as it is.
    """
    if name in ("float32", "float16"):
        values = {"codec": name}
    elif name in {f"int{bits}" for bits in range(2, 9)}:
        values = {"codec": "intn", "bits": int(name[3:])}
    else:
        raise ModelFileError(f"storage {name!r} is unknown: float32, float16, int2 ... int8")
    rest, week = {"codec": "float32" if name == "float32" else "float16"}, values
    if values.get("bits", 8) < 8:
        week = {"codec": "intn", "bits": 8}
    sparsely = {"*norm*": rest, "*weight*": {"codec": "sparse", "values": values}, "usual.table": week, "*": rest}
    return sparsely if sparse else {"*": values} if week is values else {"usual.table": week, "*": values}


def hold(model, codecs: Mapping[str, dict], held: Mapping[str, Quantised] | None = None) -> dict[str, Quantised]:
    """`held`, and every other tensor that these codecs do not take as it is: rounded to float16, or to intN codes."""
    held = dict(held or {})
    for name, tensor in model.state_dict().items():
        spec = modelfile.spec(name, tensor.ndim, codecs)
        while "values" in spec:
            spec = spec["values"]
        if name in held or not tensor.is_floating_point() or spec["codec"] not in ("float16", "intn"):
            continue
        array = tensor.detach().cpu().numpy()
        try:
            held[name] = half(array) if spec["codec"] == "float16" else rounded(array, spec.get("bits", 8))
        except ModelFileError as error:
            raise ModelFileError(f"{name}: {error}") from error
    return held


def half(array: np.ndarray) -> Quantised:
    """The nearest float16, ties to even: relative error at most 2**-11 above 6e-5."""
    _check(array, HALF)
    return Quantised(array.astype(np.float16))


def rounded(array: np.ndarray, bits: int, axis: int | None = 0) -> Quantised:
    """The nearest of 2**bits - 1 levels around zero, with a scale per output channel (axis 0) or one for all (None).

    A tensor of fewer than two axes has one channel. The largest magnitude of a channel is its last level. Scales are
    float16, unless that moves a step by more than 2**-10 of itself (steps below 6e-5 or above 65504).
    """
    _check(array, LARGEST)
    rows = array.shape[0] if axis == 0 and array.ndim > 1 else 1
    weights = array.astype(np.float64).reshape(min(rows, array.size), -1) if array.size else np.zeros((0, 1))
    top = 2 ** (bits - 1) - 1
    steps = stored(np.abs(weights).max(1) / top)
    codes = np.divide(weights, steps[:, None], out=np.zeros_like(weights), where=steps[:, None] > 0)
    codes = np.clip(np.rint(codes), -top, top).astype(np.int8)
    return Quantised(codes.reshape(array.shape), steps)


def stored(steps: np.ndarray) -> np.ndarray:
    """Steps (K,), float32, as a file holds them: float16, unless that moves one by more than 2**-10 of itself."""
    with np.errstate(over="ignore"):
        short = steps.astype(np.float16)
    return (short if np.all(np.abs(short - steps) <= steps * 2.0**-10) else steps).astype(np.float32)


def _check(array: np.ndarray, limit: float) -> None:
    if array.size and not np.abs(array).max() <= limit:  # `not <=` is also true for NaN
        raise ModelFileError(f"values must be finite and at most {limit:g} in magnitude; the model has diverged, "
                             "or needs float32")
