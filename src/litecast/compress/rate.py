"""Rate-trained files: a network is trained for its error and for the bits of its file at once, then coded.

Loss + price * (estimated bits a weight). Each tensor is held by integers of any size times a learnt step; their bits
are those of a Laplace distribution, seen through noise as wide as a step (Ballé, Laparra & Simoncelli, "End-to-end
optimized image compression", ICLR 2017; for weights Oktay et al., "Scalable model compression by entropy penalized
reparameterization", ICLR 2020). One price after another traces the whole front of a network.

The usual week is most of a small file, and series are alike: it is held as a product of numbers of each series and a
few weeks, these in the cosines of their days and hours (`quantisers.LowRank`).
"""

import math
from collections.abc import Mapping

import pandas as pd
import torch

from litecast import training
from litecast.compress import Compressed, Export, Task, clone, masking, matrices, storages, teaching
from litecast.compress.quantisers import LowRank, Unbounded

NEEDS = ("dense",)
TEACHABLE = True
FITS = ()
LEVELS = (0.002, 0.005, 0.01, 0.02, 0.04)
LEVEL = "price of one bit a weight, as a share of a scaled unit"
VARIANTS = ("factors", "values")
CONTROLS = {"untrained": "the weights it started from, in the steps that were learnt, without the training"}
STORAGES = {"entropy": "torch"}
CHAIN = False
LOOK = 9

NOISE_SEED = 40_000  # keeps the noise away from the draws of windows
RANK = 32  # patterns that a usual week may be made of
LEAST = 0.05  # mean magnitude of codes that a prior has at least: what was never used may yet be
CODED = {"codec": "entropy"}


def compress(task: Task) -> Compressed:
    """Train on for as many steps as a dense network takes, at the price `task.level`; code what is left.

    variant: how a usual week is held, as 'factors' or by its 'values'. Teachers, if a study names any, speak on while
    the bits are saved: a student that is only trained at a price forgets them. Control 'untrained'.
    """
    model, start = clone(task.start), clone(task.start)
    quantisers = of(model, task.variant)
    first = {name: clone(quantiser).state_dict() for name, quantiser in quantisers.items()}
    torch.manual_seed(NOISE_SEED + task.seed)
    taught, priced = teaching.rules(task), Priced(quantisers, task.level)
    fit = training.fit(model, task.data, task.budget, task.seed, *taught, priced, *masking(task.masks))
    if task.control == "untrained":
        model = start
        for name, quantiser in quantisers.items():
            steps = {key: value for key, value in quantiser.state_dict().items() if key.endswith("log_step")}
            quantiser.load_state_dict(first[name] | steps)
    held = {name: quantisers[name].held(parameter.detach()) for name, parameter in model.named_parameters()}
    matrices.put(model, held)
    week = {"codec": "product", "values": CODED} if isinstance(quantisers.get("usual.table"), LowRank) else CODED
    codecs = {"usual.table": week, **{name: CODED for name in held if name != "usual.table"}}
    codecs |= {"*": {"codec": "float16"}}
    file = Export(codecs, storages.hold(model, codecs, held), claims="entropy")
    parents = ("start", *["teachers"] * bool(taught))
    return Compressed(model, {"entropy": file}, fit.spent, task.masks, _story(model, quantisers), parents)


def of(model, variant: str) -> dict[str, torch.nn.Module]:
    """Parameter -> quantiser, all of them: biases, norms and tables take bits, too."""
    model.requires_grad_(True)  # a week that was fixed may move: its bits cost
    quantisers: dict[str, torch.nn.Module] = {name: Unbounded(p) for name, p in model.named_parameters()}
    if model.usual is not None and variant == "factors":
        c, usual = model.config, model.usual
        shape = usual.series, c.types, usual.kept if c.steps > 1 else 1
        quantisers["usual.table"] = LowRank(usual.table, shape, RANK)
    return quantisers


class Priced(training.FakeQuantise):
    """Loss + price * mean bits of a weight, by the codes that `quantisers` (parameter -> module) make of them."""

    def __init__(self, quantisers: Mapping[str, torch.nn.Module], price: float):
        super().__init__(quantisers)
        self.price = price

    def prepare(self, model):
        super().prepare(model)
        self._model, self._weights = model, sum(model.get_parameter(name).numel() for name in self.quantisers)

    def loss(self, loss, window, y, yhat):
        return loss + self.price * self.mean_bits(noise=True)

    @torch.no_grad()
    def judged(self, loss):
        return loss + self.price * self.mean_bits(noise=False).item()

    def mean_bits(self, noise: bool) -> torch.Tensor:
        """Estimated bits a weight, (): of noisy codes, whose gradient is smooth, or of the codes as they are."""
        scaled = [codes for name, quantiser in self.quantisers.items()
                  for codes in quantiser.scaled(self._model.get_parameter(name))]  # fmt: skip
        seen = (codes + torch.rand_like(codes) - 0.5 if noise else codes.round() for codes in scaled)
        return sum(bits(part, spread(codes)).sum() for part, codes in zip(seen, scaled, strict=True)) / self._weights


def spread(codes: torch.Tensor) -> torch.Tensor:
    """Mean magnitude that is expected of each code, without a gradient: the mean over all where there is one axis; with
    more, the product of the means along each, over that mean as often as it takes."""
    size = codes.detach().abs()
    whole = size.mean().clamp(min=LEAST / 10)
    expected = whole
    for axis in range(size.ndim if size.ndim > 1 else 0):
        others = [other for other in range(size.ndim) if other != axis]
        expected = expected * size.mean(others, keepdim=True) / whole
    return expected.clamp(min=LEAST)


def bits(codes: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """-log2 of the probability that a Laplace distribution of mean magnitude `spread` gives codes ± 1/2; any codes."""
    far = codes.abs()
    near = far.clamp(max=0.5)  # or its exponential, and then the gradient, would be infinite far away
    inside = 1 - 0.5 * (torch.exp((near - 0.5) / spread) + torch.exp(-(near + 0.5) / spread))
    outside = (0.5 - far) / spread + torch.log(0.5 * -torch.expm1(-1 / spread))
    return -torch.where(far < 0.5, inside.clamp(min=1e-9).log(), outside) / math.log(2)


def _story(model, quantisers: Mapping) -> pd.DataFrame:
    """layer, weights, share of codes that are zero, and their entropy in bits a weight, a line for each tensor."""
    lines = []
    for name, parameter in model.named_parameters():
        codes = torch.cat([part.detach().round().flatten() for part in quantisers[name].scaled(parameter)])
        counts = torch.unique(codes, return_counts=True)[1].double()
        entropy = float(-(counts / len(codes)).log2() @ counts)
        lines.append((name, parameter.numel(), float((codes == 0).float().mean()), entropy / parameter.numel()))
    return pd.DataFrame(lines, columns=["layer", "weights", "zero", "bits"])
