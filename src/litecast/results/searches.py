"""What runs of the search table leave: every network of a space, trained twice, and every search replayed on it."""

import pandas as pd

from litecast import paths
from litecast.results.study import current_runs

REPLAYS, TABLE = "replays.csv", "table.csv"
MANY = ["dataset", "model", "seed", "search", "evaluations"]


def replays(study: str) -> pd.DataFrame:
    """All replays of a study's current runs, with their run: dataset, model, seed (of the run), space, draw (of first
    weights), search, replay, evaluations, unique, proposals, macs, volume, regret; none without such runs."""
    folder = paths.study_dir(study)
    runs = current_runs(study) if (folder / "runs").is_dir() else []
    found = [pd.read_csv(run / REPLAYS).assign(run=run.relative_to(folder).as_posix())
             for run in runs if (run / REPLAYS).exists()]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*MANY, "run"])


def volumes(lines: pd.DataFrame) -> pd.DataFrame:
    """A line per dataset, model, seed, search and count of evaluations: the share of the whole table's hypervolume that
    a search covers, mean over replays and draws; its standard deviation, 10th and 90th percentile; how many different
    networks it paid for and proposed; and its mean regret within the limit (NaN: some replay had none)."""
    groups = lines.groupby(MANY, sort=False)
    spread = groups.volume.quantile([0.1, 0.9]).unstack().set_axis(["low", "high"], axis=1)
    told = groups.agg(volume=("volume", "mean"), sd=("volume", "std"), unique=("unique", "mean"),
                      proposals=("proposals", "mean"), macs=("macs", "mean"), replays=("volume", "size"),
                      regret=("regret", lambda found: found.mean(skipna=False)))  # fmt: skip
    return told.join(spread).reset_index()
