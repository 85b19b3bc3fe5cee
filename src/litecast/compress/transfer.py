"""Transfer: a network that was trained on other series is tuned on one that it never saw, as a device may do it.

What moves is a choice: everything, the last layer, what is the series' own (its usual week and its embedding), or
nothing. What is the series' own starts as the mean of the series that were seen; its week is drawn from there to what
its few days say. Yosinski et al., "How transferable are features in deep neural networks?", NeurIPS 2014, for what is
kept; Houlsby et al., "Parameter-efficient transfer learning for NLP", ICML 2019, for counting what is not.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import safetensors.torch
import torch

from litecast import models, training
from litecast.compress import FROM_SCRATCH_SEED, SCRATCH, Compressed, Export, Task, matrices, storages
from litecast.data import windows
from litecast.errors import DataError, TooFewWindows

NEEDS = ("dense",)
FITS = ()
LEVELS = (0.01, 0.1, 1.0)
LEVEL = "share of its train windows, the latest, that a series is tuned on"
VARIANTS = ("all", "last", "table", "frozen", "int8")  # what moves; int8: the last layer, on a body held in 8 bit
CONTROLS = {"scratch": "a fresh network on the same windows, for the steps of a dense training"}
STORAGES = {}  # a file that forecasts one series is no row beside files that forecast all
CHAIN = False
LOOK = 11
NOTE = "what forecasts one series is held against nothing that forecasts all: its table is in its notebook"

SITE_SEED = 60_000  # keeps the drawn series away from other draws
OWN = ("usual.table", "embedding.weight")  # a row for each series


def compress(task: Task) -> Compressed:
    """Tune `task.start`, which was trained on other series, on the one of `task.data` (`held_out` gives both).

    level: the share of its train windows, the latest. Control 'scratch' starts from fresh weights, all of which move.
    Raises DataError where the data holds other than one series.
    """
    if task.data.C != 1:
        raise DataError(f"{task.data.header.name}: a network is tuned on one series, not on {task.data.C}; hold one "
                        "out (held_out)")
    site, scratch = windows.only(task.data, [0], task.level), task.control == SCRATCH
    model = fresh(task.start, site, FROM_SCRATCH_SEED + task.seed) if scratch else adopted(task.start)
    if not scratch and task.variant != "frozen" and model.usual is not None:
        models.with_week(model, site, model.usual.days().detach().numpy())
    names = moves(model, "all" if scratch else task.variant)
    held = decoded(model) if task.variant == "int8" and not scratch else {}
    spent, story = training.Spent(), pd.DataFrame()
    if names:
        count = len(site.origins("train"))
        budget = replace(task.budget if scratch else task.budget.again(), batch=min(task.budget.batch, count))
        fit = training.fit(model, site, budget, task.seed, training.Freeze(names))
        spent, story = fit.spent, fit.log
    codecs = dict.fromkeys(names, {"codec": "float32"}) | storages.specs("int8") if held else {}
    kept = {name: codes for name, codes in held.items() if name not in names}
    file = Export(codecs, kept, claims="int8" if held else "float32")
    return Compressed(model, {"own": file}, spent, story=story, parents=() if scratch else ("start",))


def held_out(data, seed: int) -> tuple[int, object, object]:
    """(Number of a series drawn by the seed, dataset of it alone, dataset of all others).

    Raises TooFewWindows where there are no others.
    """
    if data.C < 2:
        raise TooFewWindows(f"{data.header.name} has one series: there are no others to learn from")
    site = int(np.random.default_rng(SITE_SEED + seed).integers(data.C))
    return site, windows.only(data, [site]), windows.only(data, [c for c in range(data.C) if c != site])


def fresh(like, data, seed: int):
    """A network of that kind for these series, its weights drawn, its usual week as their train steps have it."""
    torch.manual_seed(seed)
    return models.with_week(type(like)(replace(like.config, series=data.C)), data)


@torch.no_grad()
def adopted(body):
    """The network for one unseen series: all weights of the body; of what each series has its own, the mean of all."""
    own, known = type(body)(replace(body.config, series=1)), body.state_dict()
    state = {name: known[name] if known[name].shape == value.shape
             else known[name].reshape(body.config.series, -1).mean(0).reshape(value.shape)
             for name, value in own.state_dict().items()}  # fmt: skip
    own.load_state_dict(state)
    return own.eval()


def decoded(model) -> dict:
    """Parameter -> codes of the network's int8 file; the network takes their values."""
    held = storages.export(model, "int8").held
    matrices.put(model, held)
    return held


def moves(model, variant: str) -> list[str]:
    """The parameters that a variant trains; of 'table' none in a network that is told nothing of its series."""
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    last = tuple(f"{layer}." for layer in model.outputs())
    return {"all": names, "table": [name for name in names if name in OWN], "frozen": []}.get(
        variant, [name for name in names if name.startswith(last)])


# ---- what is sent, and what it takes


def update(model, body) -> bytes:
    """What a device that holds the body has to be sent, or to keep, to forecast as `model`: the tensors that differ, as
    a safetensors file."""
    before = body.state_dict()
    changed = {n: v.contiguous() for n, v in model.state_dict().items() if not torch.equal(v, before[n])}
    return safetensors.torch.save(changed)


@torch.no_grad()
def updated(body, content: bytes):
    """The body with an update in place."""
    body.load_state_dict(body.state_dict() | safetensors.torch.load(content))
    return body


def kept_mb(model, names, batch: int) -> float:
    """MB (1e6 bytes) that one training step of `batch` windows keeps for its backward pass while only these parameters
    move; the parameters themselves are there anyway."""
    held, weights = {}, {p.data_ptr() for p in model.parameters()}

    def note(tensor: torch.Tensor):
        if tensor.data_ptr() not in weights:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    frozen = training.Freeze(names)
    frozen.prepare(model)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        said = model(*models.base.example(model.config, batch))
    frozen.finish(model)
    del said
    return sum(held.values()) / 1e6
