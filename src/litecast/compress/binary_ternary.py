"""Binary and ternary: weights of one sign or three values, the inner layers' alone; retrained.

BWN holds signs and a scale per output channel, XNOR binarises what enters these layers, too (both Rastegari et al.,
"XNOR-Net", ECCV 2016); TTQ trains two scales of each layer beside zero (Zhu et al., ICLR 2017). First and last layer
stay in 8 bits, as in these papers they stay in float: they are small, and see raw values and make the forecast.
"""

import pandas as pd

from litecast import training
from litecast.compress import Compressed, Task, calibration, clone, masking, matrices
from litecast.compress.quantisers import Binary, Ternary, Uniform
from litecast.errors import StudyError
from litecast.models import wrappers

NEEDS = ("dense",)
FITS = ("units", "convolutions")
LEVELS = (0.5, 0.75, 1.0)
LEVEL = "share of the inner weights in 1 or 1.6 bits"
VARIANTS = ("ttq", "bwn", "xnor")
CONTROLS = {"ends": "the first and the last layer in as few bits, too, retrained as long"}
STORAGES = {"packed": "torch"}
CHAIN = False
LOOK = 5
NOTE = "Computed in float32: a kernel that counts bits is what would make it quicker, and there is none here."

# Variant -> quantiser, codec, bits of a weight in the file, scales of a layer (0: one for each output channel).
WAYS = {"bwn": (Binary, "binary", 1.0, 0), "xnor": (Binary, "binary", 1.0, 0), "ttq": (Ternary, "ternary", 1.6, 2)}
EIGHT = {"codec": "intn", "bits": 8}


def compress(task: Task) -> Compressed:
    """The largest inner layers, at least the share `task.level` of the inner weights, in one or 1.6 bits; the others in
    8 with a scale per output channel; all retrained together.

    variant: 'bwn', 'xnor' (inputs of these layers in one bit, too, where they are what the layer is given: the state of
    a recurrence is not), 'ttq'. control 'ends'. Raises StudyError for a network of fewer than three weight matrices.
    """
    model = clone(task.start)
    quantiser, codec, bits, scales = WAYS[task.variant]
    weights = matrices.of(model)
    low = chosen(weights, task.level, ends=task.control == "ends")
    read = calibration.fed(model, low) if task.variant == "xnor" else []
    wrappers.attach(model, {calibration.layer(model, name)[0]: {"bits": 1} for name in read})
    rule = training.FakeQuantise({name: quantiser() if name in low else Uniform(8, 0) for name in weights})
    masks = {n: mask for n, mask in task.masks.items() if n not in low or codec == "ternary"}  # one bit has no zero
    fit = training.fit(model, task.data, task.budget.again(), task.seed, rule, *masking(masks))
    held = {name: q.held(model.get_parameter(name).detach()) for name, q in rule.quantisers.items()}
    file = matrices.coded(model, held, {name: {"codec": codec} if name in low else EIGHT for name in weights}, codec)
    matrices.put(model, file.held)
    rows = [(name, w.numel(), w[0].numel(), *((bits, scales or len(w)) if name in low else (8.0, len(w))),
             "one bit" if name in read else "as they are") for name, w in weights.items()]
    story = pd.DataFrame(rows, columns=["layer", "weights", "fan_in", "bits", "scales", "inputs"])
    return Compressed(model, {"packed": file}, fit.spent, masks, story.assign(times=times(story)))


def chosen(weights: dict, share: float, ends: bool = False) -> list[str]:
    """The largest of the inner matrices, as many as hold at least this share of their weights; ends: of all matrices.
    """
    inner = list(weights) if ends else list(weights)[1:-1]
    if not inner:
        raise StudyError(f"binary_ternary leaves the first and the last weight matrix in 8 bits, and this network has "
                         f"{len(weights)}: take one with a layer between them")
    total, found, held = sum(weights[name].numel() for name in inner), [], 0
    for name in sorted(inner, key=lambda name: -weights[name].numel()):
        if held < share * total:
            found, held = [*found, name], held + weights[name].numel()
    return found


def times(layers: pd.DataFrame) -> pd.Series:
    """How many times smaller than float32 a layer is by arithmetic: 32 n / (bits n + 16 scales), scales in float16."""
    return layers.weights * 32 / (layers.weights * layers.bits + 16 * layers.scales)
