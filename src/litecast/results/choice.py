"""What is chosen, and what counts: references, levels, the front, headlines. Always on validation columns only."""

from functools import cache

import numpy as np
import pandas as pd

from litecast import catalogue
from litecast.results.rows import COLUMNS, TEXT, number, text

GROUP = ["dataset", "model", "technique", "variant", "runtime"]  # one level of each is selected
TOLERANCE = 0.01  # a level may lose this share of validation WAPE against its reference
PUBLISHED = "published"  # technique of rows made by a paper's protocol: they stand in its table and in no ranking
NEAR_BEST = 0.02  # the headline file may lose this share against the best forecaster of any size
BUDGETS_KB = (4, 16, 64)  # 1 kB = 1000 bytes


def is_dense(rows: pd.DataFrame) -> pd.Series:
    """Rows of a trained, uncompressed forecaster at its chosen width (ARIMA too, in a class of its own)."""
    return (rows.role == "dense") & ~rows.technique.isin(["width", PUBLISHED]) & (rows.control == "")


def is_valid(rows: pd.DataFrame) -> pd.Series:
    """Rows that a choice may consider."""
    return (rows.error == "") & rows.val_wape.notna() & (rows.technique != PUBLISHED)


def reference(rows: pd.DataFrame) -> pd.Series:
    """row_id -> dense_id: per (dataset, model, seed) the better, on validation, of dense and dense trained longer.

    Which of the two it is is decided once per (dataset, model), on means over their common seeds. "" = no reference.
    """
    usable = rows[is_valid(rows) & (rows.format != "onnx")].sort_values("bytes", ascending=False)
    varied = (usable.technique == "classical") & (usable.variant != "")  # with weather: no reference for the plain one
    dense, longer = usable[is_dense(usable) & ~varied], usable[usable.control == "extra_epochs"]
    chosen = {}
    for (dataset, model), group in dense.groupby(["dataset", "model"]):
        plain = _by_seed(group)
        extra = _by_seed(longer[(longer.dataset == dataset) & (longer.model == model)])
        seeds = plain.index.intersection(extra.index)
        is_better = extra.val_wape[seeds].mean() < plain.val_wape[seeds].mean()
        ids = {**plain.row_id, **(extra.row_id[seeds] if is_better else {})}
        chosen.update({(dataset, model, seed): identifier for seed, identifier in ids.items()})
    keys = zip(rows.dataset, rows.model.where(rows.technique != PUBLISHED), rows.seed.fillna(-1), strict=True)
    return pd.Series([chosen.get(key, "") for key in keys], index=rows.row_id.to_numpy(), dtype=str)


def _by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    # the largest file first: should one dense network be stored twice, the less compressed one is the reference
    rows = rows.assign(seed=rows.seed.fillna(-1))
    return rows.drop_duplicates("seed").set_index("seed")


def select(rows: pd.DataFrame) -> pd.Series:
    """Which rows are selected: bool, index of `rows`. One level per (dataset, model, technique, variant, runtime):

    the smallest file whose validation WAPE is within 1 % of the reference, means over seeds; if there is none, the
    lowest validation WAPE. Rows of controls and failed rows are never selected. No test column is read.
    """
    reference_wape = rows.row_id.map(reference(rows)).map(rows.set_index("row_id").val_wape)
    mean = reference_wape.groupby([rows.dataset, rows.model]).transform("mean")
    may = is_valid(rows) & (rows.control == "")
    table = rows[[*GROUP, "level", "bytes", "val_wape"]].assign(reference=reference_wape.fillna(mean))[may]
    levels = table.groupby([*GROUP, "level"], as_index=False).mean()
    levels["near"] = levels.val_wape <= (1 + TOLERANCE) * levels.reference
    levels["size"] = levels.bytes.where(levels.near, np.inf)  # far from the reference, size does not count
    order = ["near", "size", "val_wape", "level"]
    best = levels.sort_values(order, ascending=[False, True, True, True]).drop_duplicates(GROUP)
    chosen = pd.MultiIndex.from_frame(best[[*GROUP, "level"]])
    return may & pd.MultiIndex.from_frame(rows[[*GROUP, "level"]]).isin(chosen)


def has_skill(rows: pd.DataFrame) -> pd.Series:
    """(dataset, model) -> bool: dense beats the seasonal naive forecast on validation and on test, means over seeds.

    Where it does not there is no skill to lose: such rows are flagged and leave every ranking.
    """
    dense = rows[is_dense(rows) & is_valid(rows) & (rows.format != "onnx")]
    skill = dense.groupby(["dataset", "model"])[["val_skill", "test_skill"]].mean()
    return (skill > 0).all(axis=1)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per level, all COLUMNS: means over seeds of numbers, the first seed's names; failed rows left out."""
    keys = [*GROUP, "level", "control"]
    how = {name: "first" if name in TEXT else "mean" for name in COLUMNS if name not in keys}
    groups = rows[is_valid(rows)].sort_values("seed", kind="stable").groupby(keys, as_index=False)
    return groups.agg(how)[COLUMNS]


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """Per dataset: the smallest file within 2 % of the best forecaster of any size, and the error at 4, 16 and 64 kB.

    All are chosen on validation, means over seeds, among all model files of the dataset (controls other than longer
    training, and ONNX copies, left out); the WAPE shown is that on test. Columns: dataset, skill, best, best_wape,
    small, small_kb, small_wape, then wape_4kb, row_4kb, ...; best, small and row_* are row_ids (of the first seed).
    A dataset on which no dense model has skill keeps only its name.
    """
    rows, skill = rows[(rows.format != "onnx") & (rows.technique != PUBLISHED)], has_skill(rows)
    lines = [_headline(name, group, skill) for name, group in rows.groupby("dataset")]
    names = ["dataset", "skill", "best", "best_wape", "small", "small_kb", "small_wape"]
    names += [f"{kind}_{kb}kb" for kb in BUDGETS_KB for kind in ("wape", "row")]
    return pd.DataFrame(lines, columns=names)


def _headline(dataset: str, rows: pd.DataFrame, skill: pd.Series) -> dict:
    networks = set(rows.model[rows.technique == "dense"])  # without one that has skill there is nothing to compress
    skilled = {model for (name, model), good in skill.items() if name == dataset and good and model in networks}
    if not skilled:
        return {"dataset": dataset, "skill": False}
    plain = (rows.technique == "classical") | (rows.role == "naive")
    rows = rows[is_valid(rows) & rows.control.isin(["", "extra_epochs"]) & (rows.model.isin(skilled) | plain)]
    levels = means(rows)
    best, files = levels.loc[levels.val_wape.idxmin()], levels.dropna(subset="bytes")
    line = {"dataset": dataset, "skill": True, "best": best.row_id, "best_wape": best.test_wape}
    near = files[files.val_wape <= (1 + NEAR_BEST) * best.val_wape].sort_values(["bytes", "val_wape"])
    if len(near):
        small = near.iloc[0]
        line |= {"small": small.row_id, "small_kb": small.bytes / 1000, "small_wape": small.test_wape}
    for kb in BUDGETS_KB:
        fitting = files[files.bytes <= 1000 * kb].sort_values(["val_wape", "bytes"])
        if len(fitting):
            line |= {f"wape_{kb}kb": fitting.iloc[0].test_wape, f"row_{kb}kb": fitting.iloc[0].row_id}
    return line


# ---- the front

@cache
def kinds() -> dict[str, str]:
    """Model -> 'deep' or 'compact': the literal KIND of each network's file, read without importing it."""
    return {name: words["KIND"] for name, words in catalogue.members("models", "KIND").items()}


def is_compact(rows: pd.DataFrame) -> pd.Series:
    return text(rows, "model").map(kinds()) == "compact"


def front(rows: pd.DataFrame, model: str, x: str = "bytes") -> pd.DataFrame:
    """The files a compressed `model` has to beat, by size: its own widths and all compact networks, in any storage.

    Each is better on validation than all that are no larger. rows: one dataset, means over seeds; x: what counts as
    size. Files without that size, or of a control, are left out.
    """
    own = (text(rows, "technique") == "width") & (rows.model == model)
    small = is_compact(rows) & text(rows, "technique").isin(["width", "dense"])
    rows = rows[(own | small) & (text(rows, "control") == "") & (number(rows, x) > 0)]
    rows = rows.sort_values([x, "val_wape"])
    return rows[rows.val_wape < rows.val_wape.cummin().shift(fill_value=np.inf)]
