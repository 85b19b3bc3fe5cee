"""Deep compression: prune, share what is left by a trained codebook, and code gaps and indices by Huffman's code.

Han, Mao, Dally, "Deep compression", ICLR 2016. Pruning goes round by round, each retrained; the codebook of a layer
starts as K-means from evenly spaced values, over the weights that are not zero, and is trained with its codes fixed.
What each stage takes in the file is counted from the real streams (`budget`).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from litecast import codecs, modelfile, training
from litecast.codecs import Quantised
from litecast.compress import Compressed, Export, Task, clone, codebooks, magnitude_pruning, matrices, storages
from litecast.compress.quantisers import Codebook, nearest
from litecast.training import Spent

NEEDS = ("dense",)
FITS = ()
LEVELS = (0.5, 0.8, 0.9, 0.95)
LEVEL = "share of weights set to zero"
VARIANTS = ("4bit", "5bit", "3bit")  # of an index: 2**bits values of a layer, beside zero
CONTROLS = {"random": "as many weights set to zero by chance, all else the same"}
STORAGES = {"huffman": "torch", "packed": "torch"}  # with the last stage, and without
CHAIN = False
LOOK = 8
NOTE = "Its files are decoded to floats before they run: its gain is in storage only."

PACKED = {"codec": "sparse", "values": {"codec": "codebook"}}
# Huffman's code for gaps, indices or both: its lengths stand in the file, so on a small layer it may not pay.
CODED = (PACKED, PACKED | {"values": {"codec": "huffman"}}, PACKED | {"coder": "huffman"},
         {"codec": "sparse", "coder": "huffman", "values": {"codec": "huffman"}})  # fmt: skip


def compress(task: Task) -> Compressed:
    """Prune to `task.level` in rounds (LEVELS below it, then itself), share weights by `task.variant`, code.

    Each round and the codebook are retrained for `task.budget.again()`. story: stage, layer, part, bytes of the files
    after each stage. control 'random'.
    """
    card, model, spent = modelfile.Card.of(task.data), clone(task.start), Spent()
    told = [budget("dense", model, storages.export(model, "float32"), card)]
    for share in [*(level for level in LEVELS if level < task.level), task.level]:
        masks = magnitude_pruning.keep(model, share, task.control or "global", task.seed, task.masks)
        spent += training.fit(model, task.data, task.budget.again(), task.seed, training.Mask(masks)).spent
    told.append(budget("pruned", model, storages.export(model, "float32", sparse=True), card))
    shared = {name: share_weights(weight, masks[name], 2 ** int(task.variant.removesuffix("bit")), task.seed)
              for name, weight in matrices.of(model).items()}  # fmt: skip
    rule = training.FakeQuantise(shared)
    spent += training.fit(model, task.data, task.budget.again(), task.seed, rule, training.Mask(masks)).spent
    held = {name: _stored(codebook) for name, codebook in shared.items()}
    packed = matrices.coded(model, held, PACKED, "codebook")
    coded = replace(packed, codecs=packed.codecs | {name: shortest(each) for name, each in held.items()})
    values = {name: torch.from_numpy(each.values()) for name, each in packed.held.items()}
    model.load_state_dict(values, strict=False)  # biases, too, are what the file holds
    told += [budget("shared", model, packed, card), budget("coded", model, coded, card)]
    return Compressed(model, {"huffman": coded, "packed": packed}, spent, masks, pd.concat(told, ignore_index=True))


def share_weights(weight: torch.Tensor, mask: torch.Tensor, entries: int, seed: int = 0) -> Codebook:
    """The codebook of a layer before it is trained: entry 0 is zero, for what the mask leaves out; `entries` more."""
    codes, table = torch.zeros(weight.shape, dtype=torch.int64), torch.zeros(1)
    if mask.any():
        values = codebooks.linear(weight[mask].numpy(), entries, seed)
        values = torch.from_numpy(storages.half(values).values())
        codes[mask], table = 1 + nearest(weight[mask], values), torch.cat([table, values])
    return Codebook(codes, table, zero=True)


def shortest(held: Quantised) -> dict:
    """Of the specs CODED the one that stores a tensor in the fewest bytes."""
    return min(CODED, key=lambda spec: len(codecs.encode(held, spec)[0]))


def budget(stage: str, model, file: Export, card: modelfile.Card) -> pd.DataFrame:
    """Bytes of a model file, by layer (one of the weight matrices, 'others', 'file') and part; they add up to its size.

    Parts: see `parts`; of the file 'description' is all that is no stream: header, description, scaler, checksum.
    """
    weights, rows = matrices.of(model), []
    for name, tensor in model.state_dict().items():
        spec = modelfile.spec(name, tensor.ndim, file.codecs) if tensor.is_floating_point() else modelfile.FLOAT32
        sizes = parts(file.held[name] if name in file.held else Quantised(tensor.numpy()), spec)
        rows += [(stage, name if name in weights else "others", part, size) for part, size in sizes.items()]
    with tempfile.TemporaryDirectory() as folder:
        size = modelfile.save(Path(folder) / "file", model, file.codecs, card, file.held)
    rows.append((stage, "file", "description", size - sum(row[-1] for row in rows)))
    return pd.DataFrame(rows, columns=["stage", "layer", "part", "bytes"])


def parts(held: Quantised, spec: dict) -> dict[str, int]:
    """Bytes of a tensor's stream: 'gaps' (where weights stand), 'codebook', 'code lengths' (of Huffman's code), and
    'weights' (their values or indices)."""
    stream, meta = codecs.encode(held, spec)
    sizes = {"gaps": 0, "codebook": 0, "code lengths": 0, "weights": 0}
    if meta["codec"] == "sparse":  # positions, then the values of what is not zero; or those of all
        kept, inner = codecs.encode(held.take(held.nonzero()), spec["values"])
        everything, _ = codecs.encode(held, spec["values"]) if not stream.endswith(kept) else (kept, inner)
        sizes["gaps"], stream, meta = len(stream) - len(everything), everything, meta["values"]
    if "entries" in meta:
        sizes["codebook"] = meta["entries"] * meta.get("table", 2)
    if meta["codec"] == "huffman":
        tokens, width = stream[sizes["codebook"] :][:2] or (0, 0)
        sizes["code lengths"] = min(2 + (tokens * width + 7) // 8, len(stream) - sizes["codebook"])
    sizes["weights"] = len(stream) - sum(sizes.values()) + sizes["gaps"]
    return sizes


def _stored(codebook: Codebook) -> Quantised:
    """With the table as the file has it."""
    with torch.no_grad():
        codebook.table.copy_(codebook.table.half())
    return codebook.held()
