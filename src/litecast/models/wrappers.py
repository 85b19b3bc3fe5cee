"""Activation quantisers: what enters a layer is rounded as integer hardware holds it, in training and in the file."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import nn

REACH = 1.25  # mean distances in a standard deviation, of what is normally distributed


@dataclass(frozen=True)
class ActivationQuantiser:
    """x -> scale * (clip(round(x / scale) + zero, 0, 2**bits - 1) - zero), in front of one layer.

    bits: 2..16; scale: of one step, > 0; zero: the code that means 0. The gradient passes straight through inside the
    range of the codes and is 0 outside (Jacob et al., CVPR 2018). Raises ValueError on numbers that mean nothing.
    """

    bits: int
    scale: float
    zero: int

    def __post_init__(self):
        whole = type(self.bits) is type(self.zero) is int and isinstance(self.scale, (int, float))
        if not whole or not 2 <= self.bits <= 16 or not 0 <= self.zero < 2**self.bits or not 0 < self.scale < math.inf:
            raise ValueError(f"bits 2..16, a scale above 0 and a zero among the codes, not {self}")

    def __call__(self, layer: nn.Module, inputs: tuple) -> tuple:
        """A forward pre-hook: the first input is rounded, others (the state of a recurrent layer) pass."""
        x, low, high = inputs[0], -self.zero, 2**self.bits - 1 - self.zero
        rounded = torch.clamp(torch.round(x / self.scale), low, high) * self.scale
        inside = torch.clamp(x, low * self.scale, high * self.scale)
        return rounded.detach() + (inside - inside.detach()), *inputs[1:]


@dataclass(frozen=True)
class SignQuantiser:
    """x -> m + s where x >= m, else m - s: m the mean, s the mean distance from it of what a layer multiplies at once.

    That is the last axis; of a convolution, channels and positions together. One bit an input, as in Rastegari et al.,
    "XNOR-Net", ECCV 2016, whose batch normalisation takes the mean away; here the layer multiplies its constant with
    the sums of weights. The gradient passes straight through within REACH s of m, about a standard deviation, and is 0
    outside.
    """

    bits: int = 1

    def __call__(self, layer: nn.Module, inputs: tuple) -> tuple:
        """A forward pre-hook, as above."""
        x, axes = inputs[0], (-2, -1) if isinstance(layer, nn.Conv1d) else (-1,)
        mean = x.detach().mean(axes, keepdim=True)
        size = (x.detach() - mean).abs().mean(axes, keepdim=True)
        rounded = torch.where(x.detach() >= mean, mean + size, mean - size)
        inside = torch.minimum(torch.maximum(x, mean - REACH * size), mean + REACH * size)
        return rounded + (inside - inside.detach()), *inputs[1:]


KINDS = (ActivationQuantiser, SignQuantiser)


def attach(model: nn.Module, quantisers: Mapping[str, Mapping]) -> None:
    """Put a quantiser in front of each named layer, in place of the one it may have.

    quantisers: layer name -> {"bits", "scale", "zero"}, or {"bits": 1}. Raises ValueError where there is no such layer.
    """
    layers = dict(model.named_modules())
    for name, numbers in quantisers.items():
        if not name or name not in layers:
            raise ValueError(f"the network has no layer {name!r}")
        quantiser = SignQuantiser() if numbers == {"bits": 1} else ActivationQuantiser(**numbers)
        detach(layers[name])
        layers[name].register_forward_pre_hook(quantiser)


def detach(layer: nn.Module) -> None:
    """Take away the quantiser of one layer, if it has one."""
    for key in [key for key, hook in layer._forward_pre_hooks.items() if isinstance(hook, KINDS)]:
        del layer._forward_pre_hooks[key]


def attached(model: nn.Module) -> dict[str, dict]:
    """Layer name -> what `attach` takes."""
    return {name: asdict(hook) for name, layer in model.named_modules() for hook in layer._forward_pre_hooks.values()
            if isinstance(hook, KINDS)}
