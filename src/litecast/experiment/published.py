"""Published tables made again: a paper's own protocol, its numbers, and ours beside them.

A model whose file has the literal PUBLISHED can be held against its table. PUBLISHED: L; lr and steps of one training
(batches of 256 windows of one series, squared errors, all train windows); width, and `config` where the paper's differs
from the width's own; patch, where a frequency needs another than its natural one. Nothing of it depends on the dataset.
`figures.references.published` draws what `compare` gives.
"""

from dataclasses import asdict

import pandas as pd
import torch

from litecast import models, paths, results, training
from litecast.compress import Export
from litecast.data import windows
from litecast.experiment import measure
from litecast.models.classical.naive import naive

TABLE = paths.PACKAGE / "experiment" / "published.csv"
BAND = {"naive": 0.01, "patchtst": 0.03}  # how far above the published MSE ours may lie
OTHERS = 0.02
BATCH = 256


def table(dataset: str | None = None) -> pd.DataFrame:
    """dataset, H, model, L, mse, mae, target, source of all published values, or of one dataset's.

    target 1: the value that ours is held against; 0: further published values of the same model, other look-backs.
    """
    values = pd.read_csv(TABLE)
    return values if dataset is None else values[values.dataset == dataset]


def reproduce(run, frame, name: str, H: int, seed: int, steps: int = 0) -> dict:  # noqa: N803
    """The row of one model at one horizon, trained by its recipe and measured from its file on all test windows.

    'naive' needs no training. A row that the run has is returned as it is. steps: other than the recipe's, for a try.
    """
    row = {"model": name, "technique": results.PUBLISHED, "level": H, "seed": seed}
    known = results.row_id({"dataset": frame.header.name, "variant": "" if name == "naive" else "float32"} | row)
    if run.has(known):
        return run.get(known)
    recipe = {"L": frame.header.L} if name == "naive" else models.module(name).PUBLISHED
    data = windows.prepare(frame, L=recipe["L"], H=H)
    if name == "naive":
        yhat = {part: naive(data.judged, part) for part in measure.PARTS}
        return measure.add(run, data, row | {"role": "naive"}, yhat)
    model = _network(name, recipe, data, seed)
    budget = training.Budget(steps or recipe["steps"], BATCH, recipe["lr"], None, "mse")
    fit = training.fit(model, data, budget, seed)
    row |= {"variant": "float32", "role": "dense"} | measure.spent(fit.spent)
    return measure.store(run, data, model, Export(), row).row


def _network(name: str, recipe: dict, data, seed: int):
    """Fresh weights by the recipe, for the windows of data."""
    family, patch = models.module(name), recipe.get("patch", {}).get(data.header.frequency, models.patch(data))
    shared = {"L": data.L, "H": data.H, "F": 0, "patch": patch, "anchor": "mean"}  # no paper's table reads a calendar
    config = family.Config.of_width(recipe.get("width", 1), **shared)
    torch.manual_seed(seed)
    return family.Model(family.Config(**asdict(config) | recipe.get("config", {})))


def compare(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per dataset, H and model that was made again, in scaled units, means over seeds.

    Columns: dataset, H, model, L, published_mse, published_mae, mse, mae, ratio_mse, ratio_mae (ours / published),
    seeds, band (how far above the published MSE ours may lie), within (ours lies in the band; NaN where nothing is
    published), others (further published values of the model, as text).
    """
    mine = rows[(rows.technique == results.PUBLISHED) & (rows.error == "")]
    mine = mine.assign(H=pd.to_numeric(mine.level).astype(int))
    how = {"L": ("L", "first"), "mse": ("test_mse_scaled", "mean"), "mae": ("test_mae_scaled", "mean"),
           "seeds": ("seed", "nunique")}  # fmt: skip
    ours = mine.groupby(["dataset", "H", "model"], as_index=False).agg(**how)
    known = table().astype({"H": int})
    target = known[known.target == 1].rename(columns={"mse": "published_mse", "mae": "published_mae"})
    lines = ours.merge(target.drop(columns=["L", "target", "source"]), on=["dataset", "H", "model"], how="left")
    lines = lines.assign(ratio_mse=lines.mse / lines.published_mse, ratio_mae=lines.mae / lines.published_mae,
                         band=lines.model.map(BAND).fillna(OTHERS))  # fmt: skip
    within = (lines.ratio_mse <= 1 + lines.band).astype(float).where(lines.published_mse.notna())
    further = known[known.target == 0].groupby(["dataset", "H", "model"])[["mse", "L"]].apply(_told)
    keys = pd.MultiIndex.from_frame(lines[["dataset", "H", "model"]])
    return lines.assign(within=within, others=[further.get(key, "") for key in keys])


def _told(values: pd.DataFrame) -> str:
    """'0.381 (L 720), 0.384 (L not said)'."""
    return ", ".join(f"{v.mse:.3f} (L {'not said' if pd.isna(v.L) else int(v.L)})" for v in values.itertuples())
