"""What tables and paragraphs both count: verdicts, wins over the front, controls, the standing of the baselines."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from litecast import results
from litecast.report.facts import KEYS, Facts
from litecast.results import statistics

VERDICTS = ("within", "undecided", "worse")
STANDING = "dataset model row_id wape rival rival_wape delta p_holm blocks verdict".split()


def verdicts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims have which verdict."""
    return {name: int((claims.verdict == name).sum()) for name in VERDICTS}


def wins(chosen: pd.DataFrame) -> dict | None:
    """How many compressed files err less than the front of their size, and of how many that have one."""
    compared = chosen[chosen.front.notna() & (chosen.technique != "width")]
    return {"won": int((compared.test_wape < compared.front).sum()), "of": len(compared)} if len(compared) else None


def controls(made: Facts, group: str) -> pd.DataFrame:
    """Controls of a technique; own: test WAPE of its own file at the same level and variant, in the controls' seeds."""
    rows = results.own(made.rows)
    seeds = rows.loc[rows.role == "control", [*KEYS, "seed"]].drop_duplicates()
    own = rows[rows.role == "compressed"].merge(seeds).groupby(KEYS).test_wape.mean().rename("own")
    mine = made.files[(made.files.group == group) & (made.files.role == "control")]
    return mine.join(own, on=KEYS).dropna(subset="own")


def standing(made: Facts) -> pd.DataFrame:
    """The best network of each dataset, a deep one if there is any, against each simple forecaster: STANDING.

    What was not tested has no verdict. Where the data have no season the seasonal naive forecast is the random walk and
    is named 'naive'. Where there is no network the best fitted forecaster stands for one.
    """
    lines = [line for dataset in made.datasets for line in _standing(made, dataset)]
    return pd.DataFrame(lines, columns=STANDING)


def _standing(made: Facts, dataset: str) -> Iterator[dict]:
    files = made.files[(made.files.dataset == dataset) & (made.files.control == "")]
    files = files[files.technique.isin(["dense", "classical"])]
    wape = files.groupby("model").test_wape.mean()
    fitted = files[files.role != "naive"].assign(compact=results.is_compact, plain=lambda f: f.technique == "classical")
    if fitted.empty:
        return
    best = fitted.sort_values(["plain", "compact", "val_wape"], kind="stable").iloc[0]
    tests = made.rivals[made.rivals.row == best.row_id].set_index("against")
    for rival in statistics.NAIVE:
        if rival in wape and rival != best.model:
            test = tests.loc[rival].to_dict() if rival in tests.index else {}
            walk = rival == "seasonal_naive" and is_walk(made, dataset)
            yield test | {"dataset": dataset, "model": best.model, "row_id": best.row_id, "wape": best.test_wape,
                          "rival": "naive" if walk else rival, "rival_wape": wape[rival],
                          "verdict": test.get("verdict") or "untested"}


def is_walk(made: Facts, dataset: str) -> bool:
    """Is the seasonal naive forecast the random walk? So it is where the data have no season."""
    files = made.files[(made.files.dataset == dataset) & (made.files.role == "naive")]
    wape = files.groupby("model").test_wape.mean()
    return bool(np.isclose(wape.get("seasonal_naive", np.nan), wape.get("naive", np.nan), rtol=1e-9))
