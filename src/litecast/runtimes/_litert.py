"""A program for the Python that has litert-torch: an exported network becomes a LiteRT file. Nothing of ours is there.

arguments: NETWORK.pt2 FILE.tflite float32|int8
"""

import sys

import litert_torch
import torch

network, target, storage = sys.argv[1:]
exported = torch.export.load(network)
litert_torch.convert(exported.module(), exported.example_inputs[0]).export(target)
if storage == "int8":  # weights alone; the range of an activation is found while it runs
    from ai_edge_quantizer import quantizer, recipe

    made = quantizer.Quantizer(target, recipe.dynamic_wi8_afp32()).quantize()
    made.export_model(target, overwrite=True)
