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

    @property
    def kept(self) -> tuple[str, ...]:
        """The storages: a later seed trains the chosen width only, and stores it once."""
        return STORAGES if self.settings.seed == self.settings.sweep_seed else (PLAIN,)

    @property
    def at_edge(self) -> bool:
        """Is the widest the best on validation? A single width has no edge."""
        best = min(self.swept, key=lambda row: row["val_wape"])
        return len(self.swept) > 1 and best["level"] == max(row["level"] for row in self.swept)

    def sweep(self) -> None:
        """One training per width, each network stored in every storage; while the widest is the best it is doubled."""
        for width in self._wanted():
            self._one(width)
        for _ in range(self.settings.doublings):
            if self.at_edge:
                self._one(2 * max(row["level"] for row in self.swept))

    def _one(self, width: int) -> None:
        s = self.settings
        row, self.fits[width] = sweep_one(self.run, self.data, s.model, width, self.budget, s.seed, self.kept)
        self.swept.append(row)
        print(f"width {width}: {row['params']:,} parameters, validation WAPE {row['val_wape']:.4f}")

    def choose(self) -> None:
        """The smallest width within 1 % of the best on validation becomes *the* dense network; train it on, too."""
        s = self.settings
        self.width = int(results.smallest(self.swept)["level"])
        self.dense = promote(self.run, self.data, s.model, self.width, s.seed)
        budget = self.budget.of_steps(s.extra_steps)
        self.extra = extra_epochs(self.run, self.data, self.dense, budget, s.seed, self.kept)
        print(f"chosen width: {self.width}")

    def lengthen(self) -> None:
        """The front, like for like: every narrower network trained on until it took the MACs of the dearest compressed
        one (dense, and its retrainings), but for no more than `longest` trainings."""
        s, dearest = self.settings, self.extra.row["train_macs"]
        for row in self.swept:
            steps = int(min(s.longest - 1, dearest / row["train_macs"] - 1) * s.steps)
            if row["level"] < self.width and steps > 0:
                start = reopen(self.run, self.data, row["row_id"])
                longer = extra_epochs(self.run, self.data, start, self.budget.of_steps(steps), s.seed, self.kept)
                print(f"width {row['level']}, {steps} steps more: validation WAPE {longer.row['val_wape']:.4f}")

    @property
    def stored(self) -> pd.DataFrame:
        """All widths in all storages."""
        return self.front[self.front.control.isna()]

    @property
    def front(self) -> pd.DataFrame:
        """All widths in all storages, as swept and trained for longer."""
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
        yield forecasts.forecast_lines(self.data.judged, {name: dense})
        yield Markdown("Where the error is: along the horizon and, of hourly data, by hour of the day and on event "
                       "days (public holidays), beside that of the network that was trained longer.")
        both = {name: dense, f"{name}, longer": self.extra.yhat["test"]}
        yield forecasts.horizon_errors(self.data.judged, both)

    def saw(self) -> str:
        """What we saw, in a paragraph; the run is finished."""
        self.run.finish()
        row, longer = self.dense.row, self.extra.row["val_wape"] / self.dense.row["val_wape"] - 1
        edge = " The widest is still the best: a wider one may be better." if self.at_edge else ""
        return (f"**{self.width}** is the smallest of {len(self.swept)} width(s) within 1 % of the best on validation: "
                f"{row['params']:,} parameters, {row['macs']:,} MACs a window, {row['bytes'] / 1000:.1f} kB, test WAPE "
                f"{row['test_wape']:.4f}, skill {row['test_skill']:+.1%}. Training {self.settings.extra_steps} steps "
                f"longer changed validation WAPE by {longer:+.2%}.{edge}")

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


def extra_epochs(run, data, start: Measured, budget: training.Budget, seed: int, kept=(PLAIN,)) -> Measured:
    """Control: a network trained on for as long as a compressed one is retrained; also in the other storages of `kept`,
    which are those of its width. Returns the first."""
    same = {key: start.row[key] for key in ("dataset", "model", "level", "seed")} | {"technique": "width"}
    rows = [same | {"variant": name, "role": "control", "control": results.LONGER} for name in kept]
    rows[0]["technique"] = start.row["technique"]
    if not all(run.has(results.row_id(row)) for row in rows):
        model = compress.clone(start.model)
        fit = training.fit(model, data, budget.again(budget.steps), seed)
        took = spent(start.row, fit.spent) | {"parent_id": start.row["row_id"]}
        made = [store(run, data, model, storages.export(model, row["variant"]), row | took, start) for row in rows]
        return made[0]
    return reopen(run, data, results.row_id(rows[0]))


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
