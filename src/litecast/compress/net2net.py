"""Growing: a small network is trained first, made larger without changing what it computes, and trained on.

Chen, Goodfellow & Shlens, "Net2Net: Accelerating learning via knowledge transfer", ICLR 2016. Wider: hidden units are
repeated, and what reads them is split among the copies. Deeper: a residual block that adds nothing is put behind the
others. An added layer of an LSTM or GRU is never the identity (its gates squash what passes), so these grow in width.
"""

from dataclasses import replace

import pandas as pd
import torch
from torch import nn

from litecast import models, training
from litecast.compress import Compressed, Task, clone, storages, units
from litecast.errors import LitecastError
from litecast.models import base
from litecast.training import BACKWARD, Spent, cost

NEEDS = ("dense",)
FITS = ("units", "convolutions", "blocks")
FITS_OF = {"wider": ("units", "convolutions"), "noise": ("units", "convolutions"), "deeper": ("blocks",)}
LEVELS = (1.5, 2.0, 3.0, 4.0)
LEVEL = "times wider (or deeper) than the network it grew from"
VARIANTS = ("wider", "noise", "deeper")  # copies told apart by what is read of them, or by noise; blocks added
CONTROLS = {"scratch": "the large network trained from fresh weights, for what the small and the grown one cost"}
STORAGES = {"float32": "torch"}
CHAIN = False
LOOK = 10
NOTE = "a grown network is as large as the dense one: what it saves is training"

# Of the steps of a dense training. On validation (N-BEATS and ResNet1D, sample-traffic) a half was worse at equal cost,
# and so was half the rate for the grown network: what was repeated has to part.
SMALL_SHARE = 0.25
SMALL_SEED = 50_000  # keeps its draw away from the dense network's
NOISE = 0.02  # of a tensor's standard deviation, on the copies of variant 'noise'
SAME = 1e-4  # how far forecasts may move, scaled units: rounding of float32
NEAR = 0.01  # of the dense network's validation loss: close enough to count as its quality


def compress(task: Task) -> Compressed:
    """Train a network `task.level` times narrower (shallower), grow it to the dense one's size, and train that on.

    Of the dense network nothing but its size and, in the story, its validation loss is used. Both trainings together
    take the multiply-accumulates of a dense one. Raises LitecastError as `small` does.
    """
    seed, budget = SMALL_SEED + task.seed, task.budget
    little = small(task.start, task.level, task.variant, task.data, seed)
    first = training.fit(little, task.data, budget.of_steps(SMALL_SHARE * budget.steps), task.seed)
    large = grown(little, task.start, task.variant, seed)
    left = budget.steps - first.spent.macs / (BACKWARD * budget.batch * cost.profile(large).macs)
    second = training.fit(large, task.data, budget.of_steps(left), task.seed)
    loss, windows = training.val_loss(task.start, task.data, task.budget.loss)
    look = Spent(macs=windows * cost.profile(task.start).macs)
    files = {name: storages.export(large, name) for name in STORAGES}
    told = story({"small": (first, 0), "grown": (second, first.spent.macs)}, loss)
    return Compressed(large, files, first.spent + second.spent + look, story=told, parents=())


def story(fits: dict, loss: float) -> pd.DataFrame:
    """A line per look: part, step, macs (of training up to it, the parts before included), val_loss, dense_loss.

    fits: part -> (Fit, MACs before it).
    """
    lines = [fit.log.assign(part=part, macs=before + fit.spent.macs * fit.log.step / fit.spent.steps)
             for part, (fit, before) in fits.items()]
    return pd.concat(lines, ignore_index=True)[["part", "step", "macs", "val_loss"]].assign(dense_loss=loss)


def reached(told: pd.DataFrame) -> float:
    """Training MACs until the validation loss was within 1 % of the dense network's for the first time; NaN = never."""
    there = told[told.val_loss <= (1 + NEAR) * told.dense_loss]
    return float(there.macs.min())


# ---- smaller


def small(model, level: float, variant: str, data, seed: int):
    """A fresh network of the same kind with 1 / level of the hidden units of each layer, or of the blocks ('deeper').

    Raises LitecastError where nothing can be added that leaves the forecasts as they are.
    """
    if variant != "deeper":
        if not set(FITS_OF[variant]) & set(models.module(_family(model)).CAN):
            raise LitecastError(f"{_family(model)} names no hidden units (units()): it cannot be grown wider")
        fewer = [torch.arange(max(1, round(group.size / level))) for group in units.of(model)]
        config = units.cut(model, fewer).config
    else:
        config = _shallower(model, level)
    torch.manual_seed(seed)
    return models.with_week(type(model)(config), data)


def _shallower(model, level: float):
    stack = model.stack()
    if stack is None:
        raise LitecastError(f"{_family(model)} has no residual blocks (stack()), and any other layer changes what "
                            "passes through it: grow it wider")
    sizes = getattr(model.config, stack.field)
    if len(sizes) < 2:
        raise LitecastError(f"this {_family(model)} has one block: there is no shallower one to grow from")
    return replace(model.config, **{stack.field: sizes[: min(len(sizes) - 1, max(1, round(len(sizes) / level)))]})


def _family(model) -> str:
    return models.describe(model)["family"]


# ---- larger


@torch.no_grad()
def grown(little, like, variant: str, seed: int):
    """The small network in the size of `like`, its forecasts unchanged but for float32's rounding (and for the noise).

    Raises LitecastError where the larger one forecasts something else.
    """
    torch.manual_seed(seed)
    large = type(like)(like.config)
    state = _deeper(little, large) if variant == "deeper" else _wider(little, large, variant == "noise")
    large.load_state_dict(state)
    large.eval()
    little, window = clone(little).eval(), base.example(like.config, 8)
    moved = float((large(*window) - little(*window)).abs().max())
    if variant != "noise" and not moved <= SAME:
        raise LitecastError(f"{_family(like)} cannot be grown {variant}: its forecasts move by {moved:.2g} (scaled); "
                            "its units() or stack() leave something out")
    return large


def _wider(little, large, noise: bool) -> dict:
    """State of the wider network. Units are repeated at random, each at least once. What reads them shares its weights
    out among the copies, each weight by chance of its own, so that copies get gradients of different directions and
    part; with `noise` in equal shares, and what the copies read is moved instead."""
    state = {name: value.clone() for name, value in little.state_dict().items()}
    for (name, dim), where in _sources(little, large).items():
        before, state[name] = state[name], state[name].index_select(dim, where)
        if dim == 1 and not isinstance(large.get_submodule(name.rpartition(".")[0]), nn.Embedding):  # which reads none
            state[name] *= _shares(state[name], where, before.shape[1], even=noise)
        elif noise and state[name].ndim > 1:
            copies = state[name].movedim(dim, 0)
            again = _repeated(where)
            copies[again] += NOISE * before.std() * torch.randn_like(copies[again])
    return state


def _sources(little, large) -> dict[tuple[str, int], torch.Tensor]:
    """(Parameter, dimension) -> for each place of the large network the place of the small one that it repeats."""
    small_, wide = (dict(model.state_dict()) for model in (little, large))
    where: dict[tuple, torch.Tensor] = {}
    rest: dict[tuple, torch.Tensor] = {}  # what belongs to no unit stays, in its order
    for few, many in zip(units.of(little), units.of(large), strict=True):
        chosen = torch.cat([torch.arange(few.size), torch.randint(few.size, (many.size - few.size,))])
        for source, slots in zip(few.members, many.members, strict=True):
            key = slots.parameter, slots.dim
            where.setdefault(key, torch.full((wide[key[0]].shape[key[1]],), -1))
            rest.setdefault(key, torch.ones(small_[key[0]].shape[key[1]], dtype=torch.bool))
            where[key][slots.places(many.size)] = source.places(few.size)[chosen]
            rest[key][source.places(few.size).flatten()] = False
    for key, places in where.items():
        places[places < 0] = rest[key].nonzero().flatten()
    return where


def _repeated(where: torch.Tensor) -> torch.Tensor:
    """Which places hold what an earlier place holds, too."""
    return (where[:, None] == where[None]).tril(-1).any(1)


def _shares(weight: torch.Tensor, where: torch.Tensor, size: int, even: bool) -> torch.Tensor:
    """Of each weight (O, I, ...) the share that its column takes; those of all copies of a column sum to 1."""
    drawn = torch.ones_like(weight) if even else 0.5 + torch.rand_like(weight)
    whole = torch.zeros(weight.shape[0], size, *weight.shape[2:]).index_add_(1, where, drawn)
    return drawn / whole.index_select(1, where)


def _deeper(little, large) -> dict:
    """State of the deeper network: the blocks of the small one, and behind them blocks that add nothing."""
    stack, known = large.stack(), little.state_dict()
    zero = tuple(f".{layer}.{part}" for layer in stack.last for part in ("weight", "bias"))
    return {name: known[name] if name in known else torch.zeros_like(value) if name.endswith(zero) else value
            for name, value in large.state_dict().items()}
