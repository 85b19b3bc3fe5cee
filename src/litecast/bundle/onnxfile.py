"""model.onnx: the graph that ONNX Runtime exports of any network, and the bands as further outputs."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from litecast.modelfile import Card, Loaded
from litecast.runtimes import onnxruntime


def content(loaded: Loaded, bands: dict) -> bytes:
    """The file. Outputs: y (B, H, S), raw, and of each level low_80 and high_80, as y. Raises RunError where ONNX
    Runtime disagrees with the network."""
    made = onnxruntime.export(loaded.model, loaded.card)
    return with_bands(made, loaded.card, bands) if bands else made


def with_bands(made: bytes, card: Card, bands: dict) -> bytes:
    """Of the series that are asked for: y -/+ radius * std, of a logarithm y / and * its exponential."""
    model = onnx.load_from_string(made)
    graph, log = model.graph, card.transform == "log"

    def node(kind: str, out: str, *inputs: str, **told) -> str:
        graph.node.append(helper.make_node(kind, list(inputs), [out], **told))
        return out

    std = node("Gather", "band_std", "std", "series", axis=0)
    for level, radius in bands.items():
        wide = np.broadcast_to(np.asarray(radius, np.float32), (card.H, len(card.series)))
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(wide), f"radius_{level}"))
        move = node("Mul", f"move_{level}", node("Gather", f"own_{level}", f"radius_{level}", "series", axis=1), std)
        move = node("Exp", f"factor_{level}", move) if log else move
        for side, kind in (("low", "Div" if log else "Sub"), ("high", "Mul" if log else "Add")):
            name = node(kind, f"{side}_{level}", "y", move)
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", card.H, "series"]))
    return model.SerializeToString(deterministic=True)
