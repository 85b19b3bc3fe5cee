"""What the ideas of compact families save, counted in their own layers beside the formula, for a study's networks.

A line of `table` per idea and dense network: formula and count of the weights saved, in one dimension, and what these
layers would save in images, where a kernel of k weights is one of k x k.
"""

import pandas as pd

from litecast import modelfile, paths, results
from litecast.experiment import ideas
from litecast.models import convnet
from litecast.results.evidence import SAVED

LAYERS = {"squeezenet_late": "pointwise", "mobilenet_v1": "depthwise"}  # family -> the idea that is counted in it


def table(study: str, rows: pd.DataFrame) -> pd.DataFrame:
    """SAVED, a line for each dense network of a family of LAYERS; opened is its file."""
    dense = rows[results.is_dense(rows) & rows.model.isin(LAYERS) & (rows.artefact != "")]
    lines = []
    for row in dense.sort_values("seed").drop_duplicates(["dataset", "model"]).itertuples():
        model = modelfile.load(paths.study_dir(study) / row.artefact).model
        lines.append({"dataset": row.dataset, "model": row.model, "row_id": row.row_id, "idea": LAYERS[row.model],
                      "kernel": convnet.KERNEL} | counted(model, LAYERS[row.model]))  # fmt: skip
    return pd.DataFrame(lines, columns=SAVED)


def counted(model, idea: str) -> dict[str, float]:
    """formula, counted, images: times fewer weights than the ordinary layer."""
    whole = ideas.of(model)
    if idea == "pointwise":  # inside one module: filters of 3 beside as many of 1, of the same inputs
        plain, own, formula = whole.layer.expand_three, whole.layer.expand_one, float(convnet.KERNEL)
    else:
        plain, own, formula = whole.plain, whole.layer, whole.factor
    return {"formula": formula, "counted": ideas.weights(plain) / ideas.weights(own),
            "images": ideas.weights(plain, images=True) / ideas.weights(own, images=True)}  # fmt: skip
