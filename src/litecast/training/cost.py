"""What a forecaster costs: parameters, multiply-accumulates and memory, counted analytically.

One counter for all rows: tools disagree by up to 350 times on recurrent nets and attention. Products with weights and
between activations (attention) are counted; biases, normalisation, activations and other elementwise work are not.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from litecast.errors import LitecastError
from litecast.models import base

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Cost:
    """Of one window of one series (of all series where the model mixes them); masks and codecs change none but
    nonzero_params.

    params: elements of all parameters. live_params: of those that can change the output. nonzero_params: of those that
    are not exactly zero. macs: multiply-accumulates of everything that runs, dead branches too. arena_bytes: largest
    input + output of one layer, float32, batch 1. resident_bytes: parameters and buffers as held while running, float32
    (buffers in their own type).
    """

    params: int
    live_params: int
    nonzero_params: int
    macs: int
    arena_bytes: int
    resident_bytes: int


def profile(model, channels: int = 1) -> Cost:
    """Cost of a forecaster; nothing is computed with its weights, a copy runs once on the meta device.

    channels: series of a model that mixes them (ignored otherwise). Raises LitecastError for a layer whose products the
    counter does not know: let it define `own_macs(*inputs) -> int`.
    """
    window = base.example(model.config, 1, channels if model.mixes_channels else 1)
    macs, arena, out = counted(model, *(None if part is None else part.to("meta") for part in window))
    live = sum(p.numel() for p in _reached(out))
    parameters = list(model.parameters())
    params = sum(p.numel() for p in parameters)
    nonzero = sum(int(torch.count_nonzero(p)) for p in parameters)
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    return Cost(params, live, nonzero, macs, FLOAT * arena, FLOAT * params + buffers)


def step(model, channels: int = 1) -> int:
    """Multiply-accumulates of one window of a training step: forward once, and twice more for a layer whose weights
    move, once more for one that only passes the gradient on to such a layer; nothing for what lies before all of them.
    """
    window = base.example(model.config, 1, channels if model.mixes_channels else 1)
    ghost, total = copy.deepcopy(model).to("meta").eval(), 0

    def note(counter: Callable, layer, inputs, output):
        nonlocal total
        moves = any(p.requires_grad for p in layer.parameters())
        passes = (output[0] if isinstance(output, tuple) else output).requires_grad
        total += counter(layer, inputs, output) * (1 + moves + passes)

    for part in ghost.modules():
        if counter := _counter(part):
            part.register_forward_hook(functools.partial(note, counter))
    with torch.enable_grad():
        ghost(*(None if part is None else part.to("meta") for part in window))
    return total


def counted(layer: nn.Module, *inputs: torch.Tensor | None) -> tuple[int, int, torch.Tensor]:
    """(MACs, elements of the largest input + output of one layer, output) of any module run once on the meta device."""
    ghost = copy.deepcopy(layer).to("meta").eval().requires_grad_(True)
    macs, arena = 0, 0

    def note(counter: Callable, *call):
        nonlocal macs, arena
        macs, arena = macs + counter(*call), max(arena, _elements(call[1:]))

    for part in ghost.modules():
        if counter := _counter(part):
            part.register_forward_hook(functools.partial(note, counter))
    with torch.enable_grad():
        out = ghost(*inputs)
    return macs, arena, out


def _counter(layer: nn.Module) -> Callable | None:
    """counter(layer, inputs, output) -> MACs of a layer's own products; None for containers, counted by their parts."""
    if hasattr(layer, "own_macs"):
        return lambda layer, inputs, output: int(layer.own_macs(*inputs))
    known = next((counter for kind, counter in COUNTERS.items() if isinstance(layer, kind)), None)
    if known or any(True for _ in layer.children()):
        return known
    if any(p.ndim > 1 for p in layer.parameters(recurse=False)):
        raise LitecastError(f"cost of {type(layer).__name__} is unknown: let it define own_macs(*inputs) -> int")
    return lambda layer, inputs, output: 0


def _elements(nested) -> int:
    if isinstance(nested, torch.Tensor):
        return nested.numel()
    return sum(map(_elements, nested)) if isinstance(nested, (tuple, list)) else 0


def _recurrent(layer, inputs, output) -> int:
    """Steps x directions x gates x h x (inputs + state) of each stacked layer, and an LSTM's projection."""
    steps = inputs[0].numel() // layer.input_size
    directions = 1 + layer.bidirectional
    state = layer.proj_size or layer.hidden_size
    total, width = 0, layer.input_size
    for _ in range(layer.num_layers):
        gates = GATES[layer.mode] * layer.hidden_size * (width + state)
        total += steps * directions * (gates + layer.hidden_size * layer.proj_size)
        width = directions * state
    return total


COUNTERS = {
    nn.Linear: lambda layer, inputs, output: output.numel() * layer.in_features,
    nn.Conv1d: lambda layer, inputs, output: output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0],
    nn.RNNBase: _recurrent,
    nn.Embedding: lambda layer, inputs, output: 0,
}


def _reached(out: torch.Tensor) -> list[torch.Tensor]:
    """Parameters from which autograd can reach the output."""
    seen, waiting = {None}, [out.grad_fn]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += [parent for parent, _ in node.next_functions]
    return [node.variable for node in seen if hasattr(node, "variable")]
