"""What the notebook of a technique does: start, levels, controls, costs, and what we saw. Notebooks 300 to 499."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd
from IPython.display import Markdown

from litecast import compress, results
from litecast.catalogue import near, route_keys, step_name
from litecast.compress import Compressed, Task, storages
from litecast.errors import RunError, StudyError
from litecast.experiment import ensemble, widths
from litecast.experiment.look import Look
from litecast.experiment.measure import Measured, once, reopen, spent, store
from litecast.experiment.progress import bar
from litecast.experiment.work import Work
from litecast.figures import fronts, sweeps
from litecast.training import errors


class Compression(Work):
    """One technique on one network. dense: the reference; start: what it compresses (dense, or the end of `route`);
    made: (variant, level) -> Measured of the first storage; stories: (variant or control, level) -> what it told."""

    def __init__(self, technique, names: Mapping):
        self.technique, self.name = technique, technique.__name__.rsplit(".", 1)[1]
        self.before, self.variants = list(names["route"]), list(names["variants"] or technique.VARIANTS[:1])
        self.taught_by = list(names.get("teachers", [])) or [names["model"]] * ("teachers" in technique.NEEDS)
        own = {"level": names["levels"][0], "variant": self.variants[0], "teachers": self.taught_by}
        super().__init__(self.name, names, **route_keys([*self.before, {self.name: own}]))
        s, steps = self.settings, _named(self.before)
        self.places = [results.Run.open(name, s.study, s.dataset, s.model, s.seed, **route_keys(self.before[:count]))
                       for count, (name, _) in enumerate(steps, 1)]
        self.dense = self._dense(s.model)
        self.teachers = [ensemble.teacher(s.study, self.data) if name == results.REFERENCE else self._dense(name)
                         for name in self.taught_by]
        self.start = self._start()
        row = self.dense.row
        print(f"dense (the network before compression): {row['model']}, width {row['level']}, {row['params']:,.0f} "
              f"parameters, {row['bytes'] / 1000:.1f} kB\n"
              f"validation WAPE (sum of errors ÷ sum of values): {row['val_wape']:.4f}")
        self.made: dict[tuple, Measured] = {}
        self.stories: dict[tuple, pd.DataFrame] = {}

    # ---- levels

    def sweep(self) -> None:
        """Every level of every variant, stored, opened again and measured; a level that is there is not made again."""
        for variant in self.variants:
            parent = self.start
            for level in bar(self.settings.levels, variant):
                step = self._level(parent, level, variant)
                self.made[variant, level] = step
                parent = step if self._chained(variant) else self.start
                print(f"{variant} {level:g}: {step.row['bytes'] / 1000:.1f} kB, validation WAPE "
                      f"{step.row['val_wape']:.4f}, dense {self.dense.row['val_wape']:.4f}")

    def _level(self, parent: Measured, level, variant: str) -> Measured:
        rows = {name: self._row(level, f"{_taught(variant, self.taught_by)}-{name}", runtime)
                for name, runtime in self.technique.STORAGES.items()}
        ids = [results.row_id(row) for row in rows.values()]
        if all(map(self.run.has, ids)):
            return reopen(self.run, self.data, ids[0])
        made, shared = self._compress(parent, level, variant)
        shared["route"] = " > ".join(filter(None, [parent.row.get("route"), f"{self.name} {level:g}"]))
        first, *_ = [store(self.run, self.data, made.model, made.files[name], row | shared, self.dense, made.masks)
                     for name, row in rows.items()]
        self.stories[variant, level] = made.story
        return first

    def _compress(self, parent: Measured, level, variant: str, **more) -> tuple[Compressed, dict]:
        """The technique's answer, and the columns that say what it took over the whole route."""
        look, began = Look(self.data), time.perf_counter()
        task = Task(parent.model, self.data, self.budget, self.settings.seed, level, variant,
                    teachers=tuple(teacher.model for teacher in self.teachers), masks=parent.masks, look=look,
                    route=tuple(name for name, _ in _named(self.before)),
                    trail=self.run.dir / f"{more.get('control') or variant}-{level}.search.csv")
        made = self.technique.compress(replace(task, **more))
        took = time.perf_counter() - began
        paid = self._lineage(parent.row) if "start" in made.parents else set()
        members = [row for one in self.teachers if one.row["row_id"] not in paid  # each counts once
                   for row in getattr(one.model, "rows", [one.row]) if row["row_id"] not in paid]
        before = {"start": [parent.row], "teachers": members}
        before = once(row for name in made.parents for row in before[name])
        return made, spent(*before, made.spent, look.spent) | {
            "compress_s": (parent.row.get("compress_s") or 0.0) + took, "parent_id": parent.row["row_id"],
            "teacher_id": " + ".join(one.row["row_id"] for one in self.teachers if "teachers" in made.parents)}

    def _lineage(self, row: dict) -> set[str]:
        """row_ids of a row, of what it came from and of who taught it on the way: its costs hold theirs."""
        known, found = {one["row_id"]: one for place in self.places for one in place.rows}, set()
        while row:
            found |= {row["row_id"], row.get("parent_id"), *(row.get("teacher_id") or "").split(" + ")}
            row = known.get(row.get("parent_id"))
        return found

    # ---- controls

    def controls(self) -> None:
        """The controls that the study asks for, at its control levels, beside the first variant."""
        s = self.settings
        for level in s.control_levels if s.controls else []:
            like = self.made[self.variants[0], level]
            for kind in s.controls:
                step = self.control(kind, like)
                print(f"{kind} {level:g}: validation WAPE {step.row['val_wape']:.4f} against "
                      f"{like.row['val_wape']:.4f}")

    def control(self, kind: str, like: Measured) -> Measured:
        """The control of one level, for what that level's route cost. StudyError if it is none of the technique's."""
        if kind not in self.technique.CONTROLS:
            raise StudyError(f"{self.name} has no control '{kind}'{near(kind, self.technique.CONTROLS)}")
        row = {key: like.row[key] for key in ("dataset", "model", "technique", "level", "variant", "seed", "runtime")}
        row |= {"role": "control", "control": kind}
        if self.run.has(results.row_id(row)):
            return reopen(self.run, self.data, results.row_id(row))
        level, variant = next(key[::-1] for key, step in self.made.items() if step is like)
        storage = next(iter(self.technique.STORAGES))
        if kind == compress.SCRATCH:
            return self._scratch(like, level, row, storage)
        budget = self.budget
        if self._chained(variant):  # one cut, retrained for as long as the whole chain was
            budget = replace(budget, retrain_steps=like.row["train_steps"] - self.start.row["train_steps"])
        made, shared = self._compress(self.start, level, variant, control=kind, budget=budget)
        self.stories[kind, level] = made.story
        return store(self.run, self.data, made.model, made.files[storage], row | shared, self.dense, made.masks)

    def _scratch(self, like: Measured, level, row: dict, storage: str) -> Measured:
        began, macs = time.perf_counter(), like.row["train_macs"]
        model, fit = compress.scratch(like.model, like.masks, self.data, self.budget, macs,
                                      self.dense.row["train_macs"], self.settings.seed)
        self.stories[compress.SCRATCH, level] = fit.log
        row |= spent(fit.spent) | {"parent_id": self.dense.row["row_id"], "compress_s": time.perf_counter() - began}
        file = storages.export(model, storage, sparse=bool(like.masks))
        return store(self.run, self.data, model, file, row, self.dense, like.masks)

    # ---- what the notebook tells

    @property
    def hardest(self) -> Measured:
        """The last level of the first variant."""
        return self.made[self.variants[0], self.settings.levels[-1]]

    @property
    def table(self) -> pd.DataFrame:
        """The rows of this run under that of the dense network."""
        rows = [row for row in self.run.rows if row["row_id"] != self.dense.row["row_id"]]  # there, if trained here
        return results.typed(pd.DataFrame([self.dense.row, *rows]))

    @property
    def stored(self) -> pd.DataFrame:
        """The compressed rows of this run; level: of its own step alone, as a number."""
        rows = self.table[(self.table.role == "compressed") & (self.table.control == "")]
        return rows.assign(level=pd.to_numeric(rows.level.str.rpartition("+")[2]))

    def pictures(self) -> Iterator:
        """Error by level, error against bytes, and what each level took: each with a sentence before it."""
        yield Markdown("Validation error by level, a line for each way of storing; ringed levels are those that the "
                       "report selects, the grey line is the dense network.")
        table = self.table.assign(selected=results.select(self.table).astype(float))
        yield sweeps.level_curve(table)
        if len(self.made) > 1:
            yield Markdown("The same files by their error on test, against their bytes.")
            yield fronts.error_against(table, x="bytes", dataset=self.data.header.name)
        yield Markdown("What it cost to get there, over the whole route: seconds of all training and of compressing, "
                       "bytes of the file, multiply-accumulates (MACs) of a forecast and, in billions, of training.")
        rows = table[table.control == ""].drop_duplicates(["technique", "level"])
        rows.index = rows.level.where(rows.role != "dense", "dense").rename("level")  # a width is no level
        cost = rows[["train_s", "compress_s", "bytes", "macs"]].assign(train_gmacs=rows.train_macs / 1e9)
        yield cost.style.format("{:,.1f}", na_rep="").format("{:,.0f}", subset=["bytes", "macs"])

    def forgets(self):
        """Table: errors on test of dense and of each level of the first variant, situation by situation; redder =
        worse than dense by more."""
        levels = [level for variant, level in self.made if variant == self.variants[0]]
        made = {"dense": self.dense} | {f"{level:g}": self.made[self.variants[0], level] for level in levels}
        found = {name: errors.situations(self.data.judged, "test", one.yhat["test"])
                 | {"drift": one.row.get("test_drift") or 0.0} for name, one in made.items()}
        table = pd.DataFrame(found).T.rename_axis("level")
        worse = table / table.loc["dense"] - 1
        worse[["bias", "drift"]] = table[["bias", "drift"]].abs().sub(abs(table.loc["dense", ["bias", "drift"]]))
        shown = table.style.format("{:.2%}", na_rep="")
        shown = shown.set_caption("WAPE; highest tenth: of the demand; totals: sums over the horizon; bias: too high "
                                  "or (-) low; drift: distance from dense, both of all demand")
        return shown.background_gradient("Reds", axis=None, gmap=worse, vmin=0, vmax=0.2)

    def saw(self) -> str:
        """What we saw, by the rule by which the report selects; the run is finished."""
        self.run.finish()
        known = widths.references(self.run, self.settings.model, self.settings.seed)
        best, is_near = results.chosen(self.run.rows, *known)
        dense, wape = self.dense.row, self.dense.row["test_wape"]
        told = "The smallest file within 1 % of its reference on validation" if is_near else \
            "The lowest validation error (no file was within 1 % of its reference)"
        return (f"{told}: level **{best.level}**, stored {best.variant}: {best.bytes / 1000:.1f} kB, "
                f"{dense['live_params'] * 4 / best.bytes:.1f} times smaller than the dense weights, test WAPE "
                f"{best.test_wape:.4f} against {wape:.4f} ({best.test_wape / wape - 1:+.1%}).")

    # ---- names, and where to start

    def _chained(self, variant: str) -> bool:
        chain = self.technique.CHAIN
        return chain if isinstance(chain, bool) else variant in chain

    def _row(self, level, variant: str, runtime: str) -> dict:
        s, steps = self.settings, _named(self.before)
        return {"dataset": s.dataset, "model": s.model, "role": "compressed", "seed": s.seed, "variant": variant,
                "technique": "+".join([*(name for name, _ in steps), self.name]), "runtime": runtime,
                "level": "+".join([*(step_name(*step) for step in steps), f"{level:g}"]) if steps else level}

    def _dense(self, name: str) -> Measured:
        return widths.dense(self.run, self.data, name, self.settings.seed, self.budget)

    def _start(self) -> Measured:
        """The end of the route so far: the last step's first file that can be trained on."""
        if not self.before:
            return self.dense
        (name, did), place = _named(self.before)[-1], self.places[-1]
        level, criterion = f"{did['level']:g}", _taught(did["variant"], did.get("teachers", []))
        for row in place.rows:
            same = str(row["level"]).rpartition("+")[2] == level and row["variant"].rpartition("-")[0] == criterion
            if same and row["role"] == "compressed" and row["runtime"] == "torch":
                return reopen(place, self.data, row["row_id"])
        raise RunError(f"{self.run.dir}: the route starts from {name} {level} ({criterion}), of which {place.dir} has "
                       "no model file: run it first, or end the route there if it makes another runtime's files")


def _taught(variant: str, teachers: list[str]) -> str:
    """'mean:nbeats': a criterion that teachers speak for is named after them, too."""
    return f"{variant}:{'+'.join(teachers)}" if teachers else variant


def _named(route: list[dict]) -> list[tuple[str, dict]]:
    """(technique, what it did) of each step."""
    return [pair for step in route for pair in step.items()]
