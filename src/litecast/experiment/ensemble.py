"""Mean forecasts of several files: of one architecture from several seeds, of the best of a dataset, of small ones.

The second is the reference of the dataset: as good as can be, at the bytes of all its members. The third, a committee,
shares a budget of bytes among files that techniques have made.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from litecast import paths, results, runtimes
from litecast.compress import teaching
from litecast.errors import RunError, StudyError
from litecast.experiment import measure
from litecast.experiment.measure import Measured
from litecast.figures.style import called
from litecast.planning import plan
from litecast.training import errors

SUMMED = ("params", "live_params", "nonzero_params", "macs", "bytes")
TRAINED = ("train_macs", "train_steps", "train_s")
SHARES = (1 / 2, 1 / 4)  # of a budget of bytes, that one file may take: the best alone leaves little to others


def mean(parts: Sequence[Measured], part: str) -> np.ndarray:
    """Their mean forecast (N, H, C), scaled units."""
    return np.mean([one.yhat[part] for one in parts], axis=0)


def wape(data, parts: Sequence[Measured], part: str = "val") -> float:
    """WAPE of their mean forecast; infinite without any."""
    return errors.errors(data.judged, part, mean(parts, part))[f"{part}_wape"] if parts else np.inf


def ambiguity(data, parts: list[Measured], part: str) -> tuple[float, float, float]:
    """(Mean squared error of the members, mean squared distance of the members from their mean, squared error of the
    mean), scaled units; the last is the first less the second (Krogh & Vedelsby 1995)."""
    data = data.judged
    target, middle = data.scale(data.targets(data.origins(part))), mean(parts, part)
    seen = np.isfinite(target)
    own = np.mean([np.square(one.yhat[part] - target)[seen].mean() for one in parts])
    apart = np.mean([np.square(one.yhat[part] - middle)[seen].mean() for one in parts])
    return float(own), float(apart), float(np.square(middle - target)[seen].mean())


def add(run, data, parts: list[Measured], **named) -> dict:
    """The row of a mean: it takes what its members take, summed, the bytes of their files too. named: columns that are
    not those of its first member."""
    first = parts[0].row
    row = {"model": first["model"], "variant": first["variant"]} | named
    row |= {"technique": "ensemble", "role": "ensemble", "level": len(parts),
            "parent_id": " + ".join(one.row["row_id"] for one in parts)}  # fmt: skip
    row |= {name: sum(one.row[name] for one in parts) for name in SUMMED}
    row |= {name: sum(one[name] for one in measure.once(one.row for one in parts)) for name in TRAINED}
    dense = parts[0] if row["model"] == first["model"] else None  # there is none that a mean of all drifts from
    return measure.add(run, data, row, {part: mean(parts, part) for part in measure.PARTS}, dense, keep=True)


# ---- the reference of a dataset

def candidates(study: str, dataset: str, most: int = 24) -> list[dict]:
    """Rows of the files that may be members, at most so many, the best on validation first. RunError without any."""
    rows = results.collect(study)
    found = results.members(rows[rows.dataset == dataset])
    if found.empty:
        raise RunError(f"no finished forecaster on {dataset} has a file: run 200_classical, 210_deep or 220_compact "
                       "of it first")  # fmt: skip
    return found.head(most).to_dict("records")


def missing(study: str, dataset: str) -> list[str]:
    """Runs of the plan that would have made candidates but are not done; [] without a plan."""
    try:
        made = plan.read(study)
    except StudyError:  # notebooks run by hand
        return []
    needs = [need for run in made.runs if run.stage.endswith("_reference") and run.keys["dataset"] == dataset
             for need in run.needs]  # fmt: skip
    return [need for need in needs if plan.state(made, made.run(need))[0] != "done"]


def longer(study: str, dataset: str) -> pd.DataFrame:
    """Dense networks beside the same trained on, a line each: change is that of the validation WAPE."""
    rows = results.collect(study)
    rows = rows[rows.dataset == dataset]
    dense, more = (rows[results.is_dense(rows, control)] for control in ("", results.LONGER))
    both = dense.merge(more, on=["model", "seed"], suffixes=("", "_longer"))
    both = both[["model", "seed", "train_steps", "train_steps_longer", "val_wape", "val_wape_longer"]]
    return both.assign(change=both.val_wape_longer / both.val_wape - 1)


def opened(study: str, data, row: dict, *parts: str) -> Measured:
    """A candidate, its file opened again in its runtime, its forecasts of these parts made with it."""
    runtime = runtimes.module(row["runtime"])
    file = runtime.open(paths.study_dir(study) / row["artefact"])
    return Measured(None, row, measure.forecasts(runtime, file, data, parts))


def named(row: dict) -> str:
    """A member in words: 'nbeats (own week), seed 1, trained longer', 'boosting (weather)'."""
    seed = [f"seed {row['seed']:.0f}"] if row["seed"] == row["seed"] else []
    variant = f" ({row['variant']})" if row["technique"] == "classical" and row["variant"] else ""
    longer = ["trained longer"] * (row["control"] == results.LONGER)
    return ", ".join([called(row["model"]) + variant, *seed, *longer])


def greedy(data, pool: Sequence[Measured], most: int = 8, kb: float = np.inf) -> list[Measured]:
    """Members in the order in which they join: each time the one whose mean with all before has the lowest validation
    WAPE, up to the lowest of all; at most so many, of at most so many kB together. Test is never looked at (Caruana et
    al. 2004).

    No file joins twice: what is built stays a plain mean, whose weights are fitted to nothing, of as many files as it
    says. Of equal errors the first in the pool joins.
    """
    data = data.judged
    truth = data.truth(data.origins("val"))
    joined, left, total, reached = [], list(pool), 0.0, []
    while len(joined) < most:
        room = 1000 * kb - sum(one.row["bytes"] for one in joined)
        left = [one for one in left if one.row["bytes"] <= room]
        if not left:
            break
        means = ((total + one.yhat["val"]) / (len(joined) + 1) for one in left)
        errors = [np.nansum(np.abs(data.raw(mean) - truth)) for mean in means]
        reached.append(min(errors))
        joined.append(left.pop(int(np.argmin(errors))))
        total = total + joined[-1].yhat["val"]
    return joined[: int(np.argmin(reached)) + 1] if joined else []


def reference(run, data, joined: list[Measured]) -> dict:
    """Add the row of the reference: a mean over all that joined, of model `results.REFERENCE`."""
    return add(run, data, joined, model=results.REFERENCE, variant="")


def teacher(study: str, data) -> Measured:
    """The reference as a teacher: its row, its forecasts, and its members opened (`teaching.Files`). RunError if it is
    not made yet."""
    place = results.Run.open("reference", study, dataset=data.header.name)
    made = [row for row in place.rows if row["model"] == results.REFERENCE]
    if not made:
        raise RunError(f"{place.dir} holds no reference to learn from: run 250_reference of {data.header.name} first")
    rows = results.collect(study).set_index("row_id", drop=False).astype(object)
    rows = rows.where(rows.notna(), None).loc[made[-1]["parent_id"].split(" + ")].to_dict("records")
    opened = [(one["runtime"], runtimes.module(one["runtime"]).open(paths.study_dir(study) / one["artefact"]))
              for one in rows]
    macs = sum(one["macs"] or 0 for one in rows)  # trees multiply nothing
    files = teaching.Files(opened, macs, rows, about=data, folder=place.dir)
    return Measured(files, made[-1], {part: files.forecast(data.judged, data.origins(part)) for part in measure.PARTS})


# ---- a committee of small files

def small(study: str, dataset: str, budgets: Sequence[float], most: int = 12) -> list[dict]:
    """Rows of the files that committees of so many kB may average, the best on validation first: for each budget at
    most so many, of which two fit into it."""
    rows = results.collect(study)
    rows = rows[rows.dataset == dataset]
    found = pd.concat([results.small_files(rows, kb / 2).head(most) for kb in budgets])
    return found.drop_duplicates("row_id").sort_values("val_wape", kind="stable").to_dict("records")


def committees(data, pool: Sequence[Measured], budgets: Sequence[float], most: int = 8) -> dict[float, list[Measured]]:
    """Budget in kB -> members, none of which takes more than a half or more than a quarter of it, whichever errs less
    on validation; only of those budgets that more than one file shares, and that buy another committee than a smaller.
    """
    found, known = {}, set()
    for kb in sorted(budgets):
        ways = (greedy(data, [one for one in pool if one.row["bytes"] <= 1000 * kb * share], most, kb)
                for share in SHARES)  # fmt: skip
        joined = min(ways, key=lambda joined: wape(data, joined))
        who = frozenset(one.row["row_id"] for one in joined)
        if len(joined) > 1 and who not in known:
            found[kb] = joined
        known.add(who)
    return found


def committee(run, data, joined: list[Measured], kb: float) -> dict:
    """Add the row of a committee: a mean over all that joined, of model `results.COMMITTEE`."""
    return add(run, data, joined, model=results.COMMITTEE, variant=f"{kb:g}kB")
