"""What enters the layers of a network on windows of the train part: what steps and Hessians are made from."""

from collections.abc import Iterable

import torch
from torch import nn

from litecast.training import Windows
from litecast.training.windows import pairs

WINDOWS = 1024  # of one series each, a seeded draw
READS = ("weight", "weight_ih_l0")  # matrices that multiply what their layer is given


def windows(data, model, seed: int) -> tuple:
    """The inputs of `model` for a draw of train windows, at most WINDOWS."""
    drawn = pairs(data, "train", WINDOWS, torch.Generator().manual_seed(seed))
    return Windows(data).inputs(*drawn, model.reads)


def layer(model, name: str) -> tuple[str, nn.Module, str]:
    """(name of the layer, layer, the parameter's name in it) of a parameter."""
    place, _, own = name.rpartition(".")
    return place, model.get_submodule(place), own


def fed(model, names: Iterable[str]) -> list[str]:
    """Of these matrices, those that multiply what enters their layer: of linear, convolutional and recurrent ones."""
    kinds = (nn.Linear, nn.Conv1d, nn.RNNBase)
    return [name for name in names if isinstance(layer(model, name)[1], kinds) and layer(model, name)[2] in READS]


@torch.no_grad()
def calls(model, window: tuple, layers: Iterable[str]) -> dict[str, list]:
    """Layer name -> [(first input, output) of each call] on one batch of windows; none of a layer that does not run."""
    found: dict[str, list] = {name: [] for name in layers}
    hooks = [model.get_submodule(name).register_forward_hook(lambda _, x, y, to=to: to.append((x[0], y)))
             for name, to in found.items()]
    try:
        model.eval()(*window)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def columns(model, window: tuple, name: str) -> list[torch.Tensor]:
    """What the columns of a weight matrix are multiplied with: (n, columns), one for each group of a convolution.

    Of recurrent layers of one direction and one layer also the states. Empty where it cannot be said: an embedding,
    weights with a formula of their own, stacked or projected recurrences.
    """
    place, module, own = layer(model, name)
    known = own in READS if isinstance(module, (nn.Linear, nn.Conv1d)) else own in (*READS, "weight_hh_l0")
    seen = calls(model, window, [place])[place] if known else []
    if isinstance(module, nn.Linear):
        parts = [[x.reshape(-1, x.shape[-1]) for x, _ in seen]]
    elif isinstance(module, nn.Conv1d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        pieces = [_unfolded(module, x) for x, _ in seen]
        parts = list(zip(*(piece.chunk(module.groups, 1) for piece in pieces), strict=True))
    elif isinstance(module, (nn.LSTM, nn.GRU)) and _simple(module):
        # the state before the first step is zero, and adds nothing
        parts = [[(x if own in READS else out[0][:, :-1]).flatten(0, 1) for x, out in seen]]
    else:
        parts = []
    return [torch.cat(list(part)) for part in parts if part]


def _unfolded(layer: nn.Conv1d, x: torch.Tensor) -> torch.Tensor:
    """(N, C, P) -> (N * positions, C * kernel): what each output of a convolution sees."""
    own = {key: (wide, getattr(layer, key)[0]) for key, wide in (("dilation", 1), ("padding", 0), ("stride", 1))}
    seen = nn.functional.unfold(x[:, :, None], (1, layer.kernel_size[0]), **own)
    return seen.transpose(1, 2).flatten(0, 1)


def _simple(layer: nn.RNNBase) -> bool:
    return layer.num_layers == 1 and not layer.bidirectional and layer.batch_first and not layer.proj_size
