"""What bands cover on test at each step ahead: do they hold at the first and at the last alike, before and after
compression?"""

import numpy as np
import pandas as pd

from litecast import paths, results, runtimes
from litecast.results import conformal


def beside(rows: pd.DataFrame, dataset: str) -> list[dict]:
    """The dense network and its smallest selected file, of the model whose file is the smallest of a dataset; none
    where nothing was compressed."""
    mine = rows[(rows.dataset == dataset) & (rows.artefact != "") & rows.test_cover_80.notna()]
    dense = mine[results.is_dense(mine)].drop_duplicates(["model", "seed"])
    small = mine[(mine.selected == 1) & (mine.role == "compressed") & (mine.control == "")].sort_values("bytes")
    pairs = dense.merge(small[["model", "seed", "row_id", "bytes"]], on=["model", "seed"], suffixes=("", "_small"))
    if pairs.empty:
        return []
    first = pairs.loc[pairs.bytes_small.idxmin()]
    return [mine[mine.row_id == name].iloc[0].to_dict() for name in (first.row_id, first.row_id_small)]


def covered(study: str, data, row: dict) -> pd.DataFrame:
    """Share of the observed test values that lie within the bands of a row's file, which is asked for all windows: a
    line per step (1 .. H), a column per level (0.8, 0.95)."""
    runtime, data = runtimes.module(row["runtime"]), data.judged
    opened = runtime.open(paths.study_dir(study) / row["artefact"])
    errors = conformal.distances(data, "test", runtime.predict(opened, data, data.origins("test")))
    radii, seen = results.bands(study, [row["row_id"]]).astype({"series": str}), ~np.isnan(errors)
    inside = {level / 100: (errors <= conformal.spread(radii, level, data.H, data.names)).sum((0, 2)) / seen.sum((0, 2))
              for level in conformal.LEVELS}  # fmt: skip
    return pd.DataFrame(inside, index=pd.RangeIndex(1, data.H + 1, name="step"))
