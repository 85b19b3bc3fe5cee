"""Low bit: weights in 2 to 8 bits, packed; rounded to nearest, with errors fed back, or trained with their steps.

Steps are shared by a tensor, an output channel or a run of 32 weights (Krishnamoorthi 2018); GPTQ quantises a layer's
columns one after the other and lets the columns that are left make up for the error (Frantar et al., ICLR 2023); LSQ
trains weights and steps together (Esser et al., ICLR 2020); mixed precision gives bits to the layers that need them.
Steps are float16 numbers before codes are made, so that what is trained or measured is what the file holds.
"""

import pandas as pd
import torch

from litecast import training
from litecast.compress import Compressed, Task, calibration, clone, masking, matrices, quantisers, sensitivity
from litecast.errors import StudyError
from litecast.models import wrappers
from litecast.training import Spent, cost

NEEDS = ("dense",)
FITS = ()
LEVELS = (2, 3, 4, 5, 6, 8)
LEVEL = "bits of a weight"
VARIANTS = ("lsq", "gptq", "channel", "tensor", "group", "mixed", "activations")
CONTROLS = {}
STORAGES = {"packed": "torch"}
CHAIN = False
LOOK = 4
NOTE = "Weights are unpacked to float32 before they are multiplied: its gain is in storage only."

GROUP = 32  # weights that share a step in 'group'
DAMPING = 0.01  # of the mean of a Hessian's diagonal, added to it, as in GPTQ
FEWEST_INPUT = 4  # bits of an activation: fewer ruin a regression, which has no ranking to hide behind


def compress(task: Task) -> Compressed:
    """Every weight matrix in `task.level` bits, everything else in float16, the usual week in 8.

    variant: 'tensor', 'channel', 'group' (rounded to nearest, nothing trained), 'gptq' (error feedback on train
    windows), 'mixed' (the same, the level being the average of bits that a sweep over layers on validation gives out),
    'lsq' (retrained with learned steps per output channel), 'activations' (the same, with the inputs of layers in as
    many bits, at least four). Raises StudyError for a level between two numbers of bits, but in 'mixed'.
    """
    model = clone(task.start)
    bits = _bits(model, task)
    held, how, spent = _made(model, task, bits)
    sizes = pd.Series({name: held[name].size for name in bits})
    most = int(sizes.groupby(bits).sum().idxmax())  # the bits of most weights
    codecs = {n: {"codec": "intn", "bits": b} for n, b in bits.items()}
    codecs |= {n: {"codec": "sparse", "values": codecs[n]} for n in task.masks}
    file = matrices.coded(model, held, codecs, f"int{most}")
    matrices.put(model, file.held)
    before = matrices.of(task.start)
    moved = [float((matrices.of(model)[n] - w).norm() / w.norm().clamp(min=1e-12)) for n, w in before.items()]
    story = pd.DataFrame({"layer": list(bits), "weights": sizes.values, "bits": list(bits.values()), "moved": moved,
                          "how": [how[name] for name in bits]})
    return Compressed(model, {"packed": file}, spent, task.masks, story)


def _bits(model, task: Task) -> dict[str, int]:
    """Parameter -> bits."""
    if task.variant == "mixed":
        return sensitivity.mixed(sensitivity.sweep(model, task.look.error), task.level)
    if task.level != int(task.level):
        raise StudyError(f"low_bit {task.variant}: {task.level:g} is no number of bits; only 'mixed' has averages")
    return dict.fromkeys(matrices.of(model), int(task.level))


def _made(model, task: Task, bits: dict[str, int]) -> tuple[dict, dict[str, str], Spent]:
    """Codes of every matrix, how each was found, and what that took."""
    if task.variant in ("tensor", "channel", "group"):
        held = {name: quantisers.rounded(weight, bits[name], run(weight, task.variant))
                for name, weight in matrices.of(model).items()}
        return held, dict.fromkeys(held, "rounded to nearest"), Spent()
    return (_fed_back if task.variant in ("gptq", "mixed") else _trained)(model, task, bits)


def run(weight: torch.Tensor, grain: str) -> int:
    """Weights that share a step: of a 'tensor', of an output 'channel', or of a 'group' of neighbours."""
    return {"tensor": weight.numel(), "channel": weight[0].numel(), "group": GROUP}[grain]


# ---- error feedback

def _fed_back(model, task: Task, bits: dict[str, int]) -> tuple[dict, dict[str, str], Spent]:
    """Matrix by matrix in the order of the network, on inputs that the matrices before have already changed."""
    window = calibration.windows(task.data, model, task.seed)
    count, once, macs = len(window[0]), cost.profile(model).macs, 0
    held, how = {}, {}
    for name, weight in matrices.of(model).items():
        seen = calibration.columns(model, window, name)
        held[name] = quantisers.rounded(weight, bits[name], run(weight, "channel"))
        how[name] = "error feedback" if seen else "rounded to nearest: its inputs are not those of a product"
        if seen:
            steps, kept = torch.from_numpy(held[name].scale), task.masks.get(name, torch.ones_like(weight, dtype=bool))
            codes = _codes(weight, steps, 2 ** (bits[name] - 1) - 1, seen, kept)
            held[name] = quantisers.Quantised(codes.numpy(), held[name].scale)
            wide = seen[0].shape[1]
            macs += count * once + len(seen) * (len(seen[0]) * wide**2 + wide**3) + weight.numel() * wide // 2
        matrices.put(model, {name: held[name]})
    return held, how, Spent(macs=macs)


def _codes(weight: torch.Tensor, steps: torch.Tensor, top: int, seen: list[torch.Tensor], kept) -> torch.Tensor:
    """Codes, int32, of a weight (R, …) whose columns are multiplied with `seen`, one for each run of R / groups rows.
    """
    rows, parts, kept = weight.flatten(1).chunk(len(seen)), steps.chunk(len(seen)), kept.flatten(1).chunk(len(seen))
    made = [feedback(row, x.double().T @ x.double(), part, top, mask)
            for row, part, x, mask in zip(rows, parts, seen, kept, strict=True)]
    return torch.cat(made).reshape(weight.shape)


def feedback(weight: torch.Tensor, hessian: torch.Tensor, steps: torch.Tensor, top: int, kept=None) -> torch.Tensor:
    """Codes (R, D), int32, -top … top, of a weight (R, D) by GPTQ: a column is rounded, its error is spread over the
    columns that are left so that the layer's output changes least.

    hessian (D, D): X^T X of the inputs X (n, D), any factor. steps (R,). Columns that matter most go first ("act
    order" of the authors' program). kept (R, D), bool: what it leaves out gets code 0, and its error goes on to the
    rest (Frantar & Alistarh, "SparseGPT", ICML 2023).
    """
    order = hessian.diagonal().argsort(descending=True, stable=True)
    h = hessian.double()[order][:, order]
    h = h + torch.eye(len(h), dtype=h.dtype) * (DAMPING * h.diagonal().mean()).clamp(min=1e-9)
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    left, codes = weight.double()[:, order].clone(), torch.zeros(weight.shape, dtype=torch.int32)
    for at in range(len(h)):
        code = (left[:, at] / steps).round().clamp(-top, top)
        code = code if kept is None else code * kept[:, order[at]]
        error = (left[:, at] - code * steps) / inverse[at, at]
        left[:, at:] -= error[:, None] * inverse[at, at:]
        codes[:, order[at]] = code.to(torch.int32)
    return codes


# ---- training

def _trained(model, task: Task, bits: dict[str, int]) -> tuple[dict, dict[str, str], Spent]:
    """Weights and steps, and in 'activations' the steps of inputs, trained for the steps of a retraining."""
    rule = training.FakeQuantise({name: quantisers.Uniform(few, 0, learned=True) for name, few in bits.items()})
    looked = Spent()
    if task.variant == "activations":
        window = calibration.windows(task.data, model, task.seed)
        layers = [calibration.layer(model, name)[0] for name in calibration.fed(model, bits)]
        few, made = max(int(task.level), FEWEST_INPUT), calibration.calls(model, window, layers)
        rule.activations = {name: quantisers.Inputs(few, torch.cat([x for x, _ in seen])) for name, seen in made.items()
                            if seen}
        looked = Spent(macs=len(window[0]) * cost.profile(model).macs)
    fit = training.fit(model, task.data, task.budget.again(), task.seed, rule, *masking(task.masks))
    held = {name: q.held(model.get_parameter(name).detach()) for name, q in rule.quantisers.items()}
    wrappers.attach(model, {name: q.numbers() for name, q in rule.activations.items()})
    how = {name: "step learned" + _entering(model, name, rule.activations) for name in bits}
    return held, how, looked + fit.spent


def _entering(model, name: str, activations: dict) -> str:
    """What became of the inputs of one matrix, in words."""
    place = calibration.layer(model, name)[0]
    if not activations:
        return ""
    if place in activations and calibration.fed(model, [name]):
        return f", inputs in {activations[place].bits} bits"
    return ", inputs as they are"
