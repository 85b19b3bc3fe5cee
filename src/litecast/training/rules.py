"""Rules of a training: what a technique adds to the one loop, each by itself and in any combination."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from litecast.training import cost


class Rule:
    """What `fit` asks of a rule at each of its points; a rule overrides what it needs."""

    reads: frozenset = frozenset()  # what the rule's own networks read of a window beside x

    def prepare(self, model: nn.Module) -> None:
        """Before the first step; the model lies on its device."""

    def weights(self, model: nn.Module) -> dict[str, torch.Tensor]:
        """Parameter -> what the forward pass computes with instead of it."""
        return {}

    def drawn(self, windows, series: torch.Tensor, origins: torch.Tensor) -> None:
        """Before the forward pass of a step: windows (B,) of which series and origins the batch holds."""

    def loss(self, loss: torch.Tensor, window, y, yhat) -> torch.Tensor:
        """The loss of a batch, () scaled units, from that of the rules before; window: what a forecaster is called
        with, y and yhat (B, H, 1)."""
        return loss

    def after_step(self, share: float) -> None:
        """After an optimiser step; share of the training that is done, 0 … 1."""

    def looking(self, model: nn.Module) -> AbstractContextManager:
        """Around a look at validation: whatever holds inside is judged, and kept if it is the best so far."""
        return nullcontext()

    def judged(self, loss: float) -> float:
        """What a look is judged by, from its validation loss; what a rule trades the error for belongs to it."""
        return loss

    def finish(self, model: nn.Module) -> None:
        """At the end, the best weights in place: what the model is to be used with."""

    def parameters(self) -> list[nn.Parameter]:
        """What is trained beside the model (learned steps, gates)."""
        return []

    def macs(self) -> int:
        """Multiply-accumulates that the rule adds to one window of a training step."""
        return 0

    def once(self) -> int:
        """Multiply-accumulates that it took before the first step."""
        return 0


class Mask(Rule):
    """What a mask leaves out stays zero throughout. masks: parameter -> bool tensor of its shape."""

    def __init__(self, masks: Mapping[str, torch.Tensor]):
        self.masks = dict(masks)

    def prepare(self, model):
        self._kept = [(p, self.masks[name].to(p.device)) for name, p in model.named_parameters() if name in self.masks]
        self.after_step(0.0)

    @torch.no_grad()
    def after_step(self, share):
        for parameter, mask in self._kept:
            parameter.mul_(mask)


class Freeze(Rule):
    """All but the named parameters stay as they are: no gradient is made for them, none is stored or counted."""

    def __init__(self, moved):
        self.moved = set(moved)

    def prepare(self, model):
        self._before, whole = {p: p.requires_grad for p in model.parameters()}, cost.step(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in self.moved and parameter.requires_grad)
        self._less = cost.step(model) - whole

    def finish(self, model):
        for parameter, moved in self._before.items():
            parameter.requires_grad_(moved)

    def macs(self):
        return self._less


class FakeQuantise(Rule):
    """Quantisation-aware training: the forward pass computes with quantised values, gradients pass straight through
    (Bengio et al. 2013; Jacob et al. 2018).

    weights: parameter -> quantiser, a module that maps the tensor to its quantised values (compress/quantisers); its
    own parameters (learned steps) are trained along. activations: layer -> quantiser of what enters it. At the end the
    model holds the quantised weights; what activations went through stays with the rule (`activations`).
    """

    def __init__(self, weights: Mapping[str, nn.Module], activations: Mapping[str, nn.Module] | None = None):
        self.quantisers, self.activations = dict(weights), dict(activations or {})

    def prepare(self, model):
        self._hooks = [
            model.get_submodule(name).register_forward_pre_hook(lambda _, inputs, q=q: (q(inputs[0]), *inputs[1:]))
            for name, q in self.activations.items()
        ]
        for quantiser in self.activations.values():
            quantiser.to(next(model.parameters()).device)
        for name, quantiser in self.quantisers.items():
            weight = model.get_parameter(name).detach()
            quantiser.to(weight.device)(weight)  # sets what follows from the weights

    def weights(self, model):
        return {name: quantiser(model.get_parameter(name)) for name, quantiser in self.quantisers.items()}

    @torch.no_grad()
    def finish(self, model):
        for name, values in self.weights(model).items():
            model.get_parameter(name).copy_(values)
        for hook in self._hooks:
            hook.remove()
        for quantiser in (*self.quantisers.values(), *self.activations.values()):
            quantiser.to("cpu")

    def parameters(self):
        every = [p for q in (*self.quantisers.values(), *self.activations.values()) for p in q.parameters()]
        return list(dict.fromkeys(every))  # a table that layers share is trained once


class Penalty(Rule):
    """loss + weight * of(model): sparsity, estimated bits, distance to a codebook. of: model -> () tensor."""

    def __init__(self, of: Callable[[nn.Module], torch.Tensor], weight: float):
        self.of, self.weight = of, weight

    def prepare(self, model):
        self._model = model

    def loss(self, loss, window, y, yhat):
        return loss + self.weight * self.of(self._model)


class Average(Rule):
    """Exponential moving average of the weights (Polyak & Juditsky 1992): it is judged, kept and used, not the last.

    decay: of the old average in a step; early on less, so that the start is forgotten.
    """

    def __init__(self, decay: float = 0.999):
        self.decay = decay

    def prepare(self, model):
        self._model, self._count = model, 0
        self._mean = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def after_step(self, share):
        self._count += 1
        decay = min(self.decay, (1 + self._count) / (10 + self._count))
        for name, parameter in self._model.named_parameters():
            self._mean[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def looking(self, model):
        own = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.load_state_dict(self._mean, strict=False)  # parameters only
        yield
        model.load_state_dict(own, strict=False)


class Schedule(Rule):
    """Something that moves from `start` to `end` while the network trains: sparsity, temperature, a penalty's weight.

    set: called with the value before the first and after each step. shape: share done -> share of the way; default
    the cubic of Zhu & Gupta 2017, quick at first.
    """

    def __init__(self, set: Callable[[float], None], start: float, end: float,  # noqa: A002 (the word for it)
                 shape: Callable[[float], float] = lambda share: 1 - (1 - share) ** 3):
        self.set, self.start, self.end, self.shape = set, start, end, shape

    def prepare(self, model):
        self.set(self.start)

    def after_step(self, share):
        self.set(self.start + (self.end - self.start) * self.shape(share))


class QuantiseGradients(Rule):
    """Gradients of the weights in `bits`: what data-parallel training sends, and what it keeps until the step.

    A scale per tensor, its largest magnitude, and 2**bits - 1 levels around zero, rounded up or down by chance such
    that the mean is the gradient itself (QSGD: Alistarh et al., NeurIPS 2017; DoReFa-Net: Zhou et al. 2016). The
    gradients of activations, which flow through the backward pass, stay as they are.
    """

    def __init__(self, bits: int, seed: int = 0):
        self.top, self.seed = 2 ** (bits - 1) - 1, seed

    def prepare(self, model):
        on = next(model.parameters()).device
        self._draw = torch.Generator(on).manual_seed(self.seed)
        self._hooks = [p.register_hook(self.rounded) for p in model.parameters() if p.requires_grad]

    def rounded(self, gradient: torch.Tensor) -> torch.Tensor:
        """A draw of the quantised gradient, of the same shape; its expectation is the gradient."""
        step = gradient.abs().max() / self.top
        chance = torch.rand(gradient.shape, generator=self._draw, device=gradient.device)
        return torch.where(step > 0, torch.floor(gradient / step + chance) * step, gradient)

    def finish(self, model):
        for hook in self._hooks:
            hook.remove()
