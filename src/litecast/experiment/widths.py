"""The dense network of a dataset: its widths, the one that is chosen, and its control. Notebooks 210 and 220."""

from collections.abc import Iterator, Mapping

import pandas as pd
from IPython.display import Markdown

from litecast import compress, models, results, training
from litecast.compress import storages
from litecast.errors import RunError
from litecast.experiment.measure import COSTS, READ, SPENT, Measured, add, reopen, spent, store
from litecast.experiment.work import Work
from litecast.figures import forecasts, networks

STORAGES = ("float32", "int8", "int4")  # of every width: together the front that compression has to beat
PLAIN = STORAGES[0]


class Widths(Work):
    """A family trained at several widths. swept: rows in the plain storage; fits: width -> Fit of this call, or None;
    after `choose` width, dense and extra (dense trained on for longer: its control)."""

    def __init__(self, names: Mapping):
        super().__init__(models.stage(names["model"]), names)
        self.swept, self.fits = [], {}
        windows = len(self.data.origins("train")) * self.data.C
        print(f"{windows} training windows of {self.data.C} series")

    def sweep(self) -> None:
        """One training per width, each network stored in every storage; a later seed trains the chosen width only."""
        s, wanted = self.settings, self._wanted()
        for width in wanted:
            kept = STORAGES if s.seed == s.sweep_seed else (PLAIN,)
            row, self.fits[width] = sweep_one(self.run, self.data, s.model, width, self.budget, s.seed, kept)
            self.swept.append(row)
            print(f"width {width}: {row['params']} parameters, validation WAPE {row['val_wape']:.4f}")

    def choose(self) -> None:
        """The smallest width within 1 % of the best on validation becomes *the* dense network; train it on, too."""
        s = self.settings
        self.width = int(results.smallest(self.swept)["level"])
        self.dense = promote(self.run, self.data, s.model, self.width, s.seed)
        self.extra = extra_epochs(self.run, self.data, self.dense, self.budget.of_steps(s.extra_steps), s.seed)
        print(f"chosen width: {self.width}")

    @property
    def front(self) -> pd.DataFrame:
        """All widths in all storages."""
        return pd.DataFrame([row for row in self.run.rows if row["technique"] == "width"])

    def pictures(self) -> Iterator:
        """How the widths learn and what that costs, forecasts at fixed dates, and where the errors are: each with a
        sentence before it."""
        dense, name = self.dense.yhat["test"], self.settings.model
        yield Markdown("How the widths learn: validation loss of every training of this call; what was trained in an "
                       "earlier call has no curve.")
        yield networks.learning_curves({f"width {w}": fit.log for w, fit in self.fits.items() if fit is not None})
        yield Markdown("What the error costs to get: multiply-accumulates and seconds of the training, memory above "
                       "what was held before, for each width.")
        columns = ["params", "train_macs", "train_s", "train_peak_mb", "val_wape"]
        cost = pd.DataFrame(self.swept).set_index("level")[columns].astype(float)
        yield cost.style.format({"params": "{:,.0f}", "train_macs": "{:.2e}", "val_wape": "{:.4f}"}, precision=1)
        yield Markdown("Forecasts against the truth at fixed dates: from the middle of the test part on, the same days "
                       "for every model, seed and width.")
        yield forecasts.forecast_lines(self.data, {name: dense})
        yield Markdown("Where the error is: along the horizon and, of hourly data, by hour of the day and on event "
                       "days (public holidays), beside that of the network that was trained longer.")
        yield forecasts.horizon_errors(self.data, {name: dense, f"{name}, longer": self.extra.yhat["test"]})

    def saw(self) -> str:
        """What we saw, in a paragraph; the run is finished."""
        self.run.finish()
        row, longer = self.dense.row, self.extra.row["val_wape"] / self.dense.row["val_wape"] - 1
        return (f"**{self.width}** is the smallest of {len(self.swept)} width(s) within 1 % of the best on validation: "
                f"{row['params']} parameters, {row['macs']} MACs a window, {row['bytes'] / 1000:.1f} kB, test WAPE "
                f"{row['test_wape']:.4f}, skill {row['test_skill']:+.1%}. Training {self.settings.extra_steps} steps "
                f"longer changed validation WAPE by {longer:+.2%}.")

    def _wanted(self) -> list[int]:
        s = self.settings
        if s.seed == s.sweep_seed:
            return list(s.widths) or list(models.module(s.model).WIDTHS)
        first = results.Run.open(models.stage(s.model), s.study, s.dataset, s.model, s.sweep_seed)
        chosen = [int(row["level"]) for row in first.rows if _is_dense(row)]
        if not chosen:
            raise RunError(f"seed {s.seed} takes the width that seed {s.sweep_seed} chose: run {models.stage(s.model)} "
                           f"of {s.model} on {s.dataset} with seed {s.sweep_seed} first")
        return chosen


def sweep_one(run, data, name: str, width: int, budget: training.Budget, seed: int, kept=STORAGES):
    """Train one width and store it in each of `kept`. Returns (row of the first, Fit or None where it was there)."""
    base = {"dataset": data.header.name, "model": name, "technique": "width", "level": width, "seed": seed}
    rows = [base | {"variant": s, "role": "dense" if s == PLAIN else "compressed"} for s in kept]
    fit = None
    if not all(run.has(results.row_id(row)) for row in rows):
        model = models.build(name, width, data, seed)
        fit = training.fit(model, data, budget, seed)
        first = None
        for row in rows:
            file = storages.export(model, row["variant"])
            done = store(run, data, model, file, row | spent(fit.spent), first)
            first = first or done
    return run.get(results.row_id(rows[0])), fit


def promote(run, data, name: str, width: int, seed: int) -> Measured:
    """The row of the chosen width as *the* dense network: technique 'dense', the sweep's file, test forecasts kept."""
    base = {"dataset": data.header.name, "model": name, "level": width, "variant": PLAIN, "seed": seed}
    found = reopen(run, data, results.row_id(base | {"technique": "width"}))
    shared = (*COSTS, *SPENT, *READ, "artefact", "format", "runtime")
    row = base | {"technique": "dense", "role": "dense"} | {key: found.row[key] for key in shared}
    return Measured(found.model, add(run, data, row, found.yhat, keep=True), found.yhat)


def extra_epochs(run, data, start: Measured, budget: training.Budget, seed: int) -> Measured:
    """Control: the dense network trained on for as long as a compressed one is retrained."""
    same = ("dataset", "model", "technique", "level", "variant", "seed")
    row = {key: start.row[key] for key in same} | {"role": "control", "control": "extra_epochs"}
    if run.has(results.row_id(row)):
        return reopen(run, data, results.row_id(row))
    model = compress.clone(start.model)
    fit = training.fit(model, data, budget.again(budget.steps), seed)
    row |= spent(start.row, fit.spent) | {"parent_id": start.row["row_id"]}
    return store(run, data, model, storages.export(model, PLAIN), row, start)


def dense(run, data, name: str, seed: int, budget: training.Budget) -> Measured:
    """The dense network of this dataset, model and seed, from its stage; its row is the parent of what follows.

    Explored on its own (no study has been run), a network of middle width is trained here, once.
    """
    stage = results.Run.open(models.stage(name), run.study, data.header.name, name, seed)
    for place in (stage, run):
        for row in place.rows:
            if _is_dense(row) and row["model"] == name:
                return reopen(place, data, row["row_id"])
    if run.planned:
        raise RunError(f"{run.dir} needs the dense {name}: run {models.stage(name)} of its dataset and seed first")
    sizes = models.module(name).WIDTHS
    width = sizes[len(sizes) // 2]
    print(f"No dense {name} in study '{run.study}': training one of width {width} here.")
    model = models.build(name, width, data, seed)
    fit = training.fit(model, data, budget, seed)
    row = {"model": name, "technique": "dense", "level": width, "variant": PLAIN, "seed": seed, "role": "dense"}
    return store(run, data, model, storages.export(model, PLAIN), row | spent(fit.spent))


def references(run, name: str, seed: int) -> list[dict]:
    """Rows that a compressed file is held against: dense, and dense trained longer, as far as they are finished."""
    stage = results.Run.open(models.stage(name), run.study, run.keys["dataset"], name, seed)
    return [row for place in (stage, run) for row in place.rows if row["technique"] == "dense" and row["model"] == name]


def _is_dense(row: dict) -> bool:
    return row["technique"] == "dense" and not row.get("control")
