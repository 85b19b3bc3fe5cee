"""Published tables made again: a paper's own protocol, its numbers, and ours beside them.

A model whose file has the literal PUBLISHED can be held against its table. PUBLISHED: L; lr and steps of one training
(batches of 256 windows of one series, squared errors, all train windows); width, and `config` where the paper's differs
from the width's own; patch, where a frequency needs another than its natural one. Nothing of it depends on the dataset.
"""

from dataclasses import asdict

import pandas as pd
import torch

from litecast import modelfile, models, paths, results, training
from litecast.data import windows
from litecast.experiment import measure
from litecast.figures import style
from litecast.models.classical.naive import naive

TABLE = paths.PACKAGE / "published.csv"
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
        yhat = {part: naive(data, part) for part in measure.PARTS}
        return measure.add(run, data, row | {"role": "naive"}, yhat)
    model = _network(name, recipe, data, seed)
    budget = training.Budget(steps or recipe["steps"], BATCH, recipe["lr"], None, "mse")
    fit = training.fit(model, data, budget, seed)
    row |= {"variant": "float32", "role": "dense"} | measure.spent(fit)
    return measure.store(run, model, modelfile.storage("float32"), data, row).row


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


def picture(compared: pd.DataFrame):
    """Our MSE as a share of the published one, a point per model and horizon; compared: of `compare`."""
    lines = compared.dropna(subset="ratio_mse").reset_index(drop=True)
    figure, axes = style.blank(0.9 + 0.22 * len(lines))
    ax = axes[0, 0]
    for i, line in lines.iterrows():
        colour = style.PALETTE[2] if line.within else style.PALETTE[1]
        ax.plot([1, line.ratio_mse], [i, i], color=colour, linewidth=1.2)
        ax.plot(line.ratio_mse, i, "o", color=colour)
        ax.plot([1 + line.band] * 2, [i - 0.4, i + 0.4], color="#222222", linewidth=0.9, linestyle=(0, (3, 3)))
    ax.axvline(1, color="#222222", linewidth=0.9)
    names = [f"{line.model}, {line.H} steps" for line in lines.itertuples()]
    ax.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.4, -0.6), xlabel="MSE, ours / published")
    ax.grid(False, axis="y")
    return figure


def _told(values: pd.DataFrame) -> str:
    """'0.381 (L 720), 0.384 (L not said)'."""
    return ", ".join(f"{v.mse:.3f} (L {'not said' if pd.isna(v.L) else int(v.L)})" for v in values.itertuples())
