"""Which tensors of a network are compressed, and how the file of codes that a technique made holds all others."""

from collections.abc import Mapping

import torch

from litecast.codecs import Quantised
from litecast.compress import Export, storages

FEW = ("position", "usual.table")  # matrices that are no weights: positions are few, the usual week is data


def of(model) -> dict[str, torch.Tensor]:
    """Parameter -> detached tensor of the weight matrices and kernels, in the order of the network; biases, norms and
    positions are few and stay, the usual week is no weight."""
    return {n: p.detach() for n, p in model.named_parameters() if p.ndim >= 2 and not any(word in n for word in FEW)}


def coded(model, held: Mapping[str, Quantised], spec: Mapping, claims: str) -> Export:
    """The model file that holds these parameters' codes by one codec, all else in float16, the usual week in int8.

    spec: of that codec; or parameter -> its own.
    """
    codecs = {name: dict(spec.get(name, spec)) for name in held} | {"usual.table": {"codec": "intn", "bits": 8}}
    codecs |= {"*": {"codec": "float16"}}
    return Export(codecs, storages.hold(model, codecs, held), claims=claims)


@torch.no_grad()
def put(model, held: Mapping[str, Quantised]) -> None:
    """The network takes exactly these values; with those of an Export it is its file, bit for bit."""
    for name, tensor in model.state_dict().items():
        if name in held:
            tensor.copy_(torch.from_numpy(held[name].values()))
