"""Compression techniques, found by their file.

A technique `compress/<technique>.py` holds the literals FAMILIES (models it can compress), LEVELS (how hard, rising),
VARIANTS (criteria it compares) and STORAGES (how its files hold the weights), `storages()` -> the codecs of each, and
`compress(model, level, variant, data, budget, seed) -> Compressed`. Every technique also takes the variant 'random':
the same cut chosen by chance, its control. `docs/adding-a-technique.md` walks through one.
"""

import copy
from dataclasses import dataclass, field

import torch

from litecast import models, training
from litecast.training import cost

SCRATCH_CAP = 5  # a small net from scratch may cost at most this many dense trainings
FROM_SCRATCH_SEED = 10_000  # keeps the draw of the scratch control away from the dense net's
# Keeps a random choice away from the numbers that the weights were drawn with: under one seed the first tensor's
# scores would *be* its initial weights, and the control would cut the most negative ones.
RANDOM_CHOICE_SEED = 20_000


@dataclass(frozen=True)
class Compressed:
    """A compressed network, ready to be stored.

    storages: name of a storage -> codecs for `modelfile.save`. fit: the retraining (None if there was none).
    log: what the notebook tells about it.
    """

    model: object
    storages: dict[str, dict]
    fit: training.Fit | None = None
    log: dict = field(default_factory=dict)


def scratch(small, data, budget: training.Budget, route_macs: int, dense_macs: int, seed: int):
    """Control: the architecture of `small`, its zeros included, trained from fresh weights for what the route cost.

    route_macs, dense_macs: training MACs of teacher + dense + retraining, and of dense alone. Liu et al., "Rethinking
    the value of network pruning", ICLR 2019. Returns (model, Fit).
    """
    torch.manual_seed(FROM_SCRATCH_SEED + seed)
    model = models.rebuild(models.describe(small))
    masks = {name: p.detach() != 0 for name, p in small.named_parameters() if p.ndim >= 2 and (p == 0).any()}
    allowed = min(route_macs, SCRATCH_CAP * dense_macs)
    step = training.BACKWARD * budget.batch * cost.profile(model).macs
    return model, training.fit(model, data, budget.of_steps(max(1, allowed // step)), seed, masks)


def clone(model):
    """A copy to compress; the original stays as it is."""
    return copy.deepcopy(model)
