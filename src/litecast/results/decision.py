"""Which one file to deploy: the choice within a user's budgets, on validation, and why it is none of the others."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from litecast.results.choice import NEAR_BEST, candidates, family, is_free

BUDGETS = ("kb", "ms", "loss")


@dataclass(frozen=True)
class Budgets:
    """kb: of the file, 1000 bytes each; ms: of one forecast; loss: share of the validation WAPE that the file may have
    above the best of any size. None = whatever it takes. Without any of them the loss is that of the headline, 2 %."""

    kb: float | None = None
    ms: float | None = None
    loss: float | None = None

    @property
    def asked(self) -> dict[str, float]:
        """Budget -> its end, of those that were given."""
        given = {name: getattr(self, name) for name in BUDGETS if getattr(self, name) is not None}
        return given or {"loss": NEAR_BEST}


@dataclass(frozen=True)
class Decision:
    """Lines of `ranked`. chosen: the file (or the forecast that needs none), {} if nothing fits; best: of any size;
    free: the best without a file; others: of each other class of candidates the one that comes nearest; nearest: where
    nothing fits, by budget the least that has to be asked for if the others stay."""

    chosen: dict
    best: dict
    free: dict
    others: list[dict]
    nearest: dict[str, dict]


def decide(rows: pd.DataFrame, budgets: Budgets, ms: dict[str, float] | None = None) -> Decision:
    """rows: of `results.collect`, of one dataset; ms: row_id -> milliseconds of a forecast by that file."""
    files = ranked(rows, budgets, ms or {})
    best, free = files.loc[files.val_wape.idxmin()].to_dict(), files[is_free(files)].head(1).to_dict("records")
    may = files[files.deployable | is_free(files)]
    fits = may[may.over.map(len) == 0]
    chosen = fits.iloc[0].to_dict() if len(fits) else {}
    rest = files[files.kind != chosen.get("kind")].assign(broken=lambda rest: rest.over.map(len))
    others = rest.sort_values(["deployable", "broken"], ascending=[False, True], kind="stable").drop_duplicates("kind")
    return Decision(chosen, best, free[0] if free else {}, others.to_dict("records"),
                    {} if chosen else _nearest(may, budgets))


def ranked(rows: pd.DataFrame, budgets: Budgets, ms: dict[str, float]) -> pd.DataFrame:
    """All candidates, what is to be preferred first: where a loss is granted the smallest, else the lowest error.

    Beside the columns of a row: kind (class of candidates), deployable (is it one file?), kb, ms, loss, and over: the
    budgets that it breaks; what is not known breaks them.
    """
    files = candidates(rows)
    free = is_free(files)
    files = files.assign(
        kind=[kind(row) for row in files.to_dict("records")],
        deployable=(files.artefact != "") & (files.technique != "ensemble"), kb=files.bytes / 1000,
        ms=files.row_id.map(ms).astype(float).mask(free, 0.0), loss=files.val_wape / files.val_wape.min() - 1)
    over = [[name for name, end in budgets.asked.items() if not row[name] <= end] for row in files.to_dict("records")]
    order = ["bytes", "val_wape"] if "loss" in budgets.asked else ["val_wape", "bytes"]
    return files.assign(over=over).sort_values(order, kind="stable", ignore_index=True)


def kind(row: dict) -> str:
    """The class of candidates that a row belongs to: 'free', 'boosting', 'nbeats', 'nbeats+rate'."""
    if row["role"] == "naive":
        return "free"
    plain = row["technique"] in ("classical", "dense", "width")
    return family(row["model"]) + ("" if plain else f"+{row['technique']}")


def _nearest(may: pd.DataFrame, budgets: Budgets) -> dict[str, dict]:
    """Budget -> of the files that keep all others, the one that takes least of it."""
    found = {}
    for name in budgets.asked:
        keeps = may[[not set(over) - {name} for over in may.over]]
        if len(keeps):
            found[name] = keeps.loc[keeps[name].replace(np.nan, np.inf).idxmin()].to_dict()
    return found
