"""A study file becomes a plan: which notebook runs with which parameters, and what each run waits for.

Everything is read from files: neither torch nor pandas is imported, so planning takes a blink.
"""

import json
import re
from dataclasses import asdict, dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from litecast import catalogue, paths
from litecast.errors import StudyError
from litecast.files import hashed, read_json, write_json
from litecast.planning import closure
from litecast.planning import study as schema
from litecast.planning.study import Block, Catalogue, Step, Study

# Always called, on the plan and what exists.
LATE = ("reference", "committee", "timing", "devices", "compare", "techniques", "report")


@dataclass
class Planned:
    """One notebook with one set of parameters (contract 4 of docs/design.md). dir: relative to the study's folder;
    taught: by a reference, itself or a step before, so that it follows a late run and what it learns from is known
    late."""

    id: str
    stage: str
    notebook: str
    keys: dict
    params: dict
    dir: str
    needs: list[str]
    late: bool = False
    taught: bool = False
    code: str = ""
    digest: str = ""


@dataclass
class Plan:
    """The runs of a study. notes: what was left out and why; lock: data.lock, dataset asked for -> what is used."""

    study: str
    title: str
    runs: list[Planned]
    notes: list[str] = field(default_factory=list)
    lock: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        self.folder: Path = paths.study_dir(self.study)
        self._by_id = {run.id: run for run in self.runs}

    def run(self, run_id: str) -> Planned:
        """The run of this id, StudyError if the plan has none."""
        if run_id not in self._by_id:
            raise StudyError(f"study {self.study}: no run '{run_id}' is planned{catalogue.near(run_id, self._by_id)}")
        return self._by_id[run_id]

    def closure(self, run: Planned) -> list[Path]:
        """Package files the run may execute; the report also consists of exporters, words, pages."""
        files = closure.closure(paths.ROOT / run.notebook, run.params)
        if run.stage.endswith("_report"):
            own, pages = paths.PACKAGE / "report", paths.ROOT / "reports" / "templates"
            more = [own / "exporters.py", *own.glob("words/[a-z]*/*"), *pages.rglob("*")]
            files += [path for path in more if path.is_file()]
        return sorted(set(files))

    def write(self) -> None:
        """plan.json in the study's folder, replaced in one step."""
        write_json(self.folder / "plan.json", asdict(self))

    def refresh(self, run: Planned) -> str:
        """A late run's digest for what exists now: digests of the runs that are done, errors of those that are not."""
        known: dict[str, tuple[str, str]] = {}
        states = {need: state(self, self.run(need), known) for need in run.needs}
        found = [self.run(need).digest if what == "done" else f"{what}: {why}" for need, (what, why) in states.items()]
        whole_study = [self.title, self.notes] if "dataset" not in run.keys else []
        run.digest = hashed([_own_digest(self, run), found, whole_study])
        return run.digest

    def settle(self) -> list[Planned]:
        """The digests of what references teach, now that these are made; returns the runs that can be made now."""
        ready = []
        for run in (run for run in self.ordered() if run.taught):
            run.digest, needs = _digest(self, run), map(self.run, run.needs)
            there = all(need in ready or state(self, need)[0] == "done" for need in needs)
            ready += [run] * (there and state(self, run)[0] != "done")
        return ready

    def ordered(self) -> list[Planned]:
        """All runs, each behind those that it needs."""
        return [*map(self.run, TopologicalSorter({run.id: run.needs for run in self.runs}).static_order())]


def load(path: str | Path, files: dict[str, str] | None = None) -> Study:
    """Read and check a study file whole; nothing has run when it raises.

    files: {dataset: CSV}; given, it replaces the datasets of every block and the study is called <name>-<dataset>.
    Raises StudyError with one line per broken rule: the place, the rule and the nearest valid word.
    """
    study = schema.checked(Path(path), files)
    try:
        clashes = _expand(study, {name: name for name in study.datasets}).clashes
        if clashes and not files:  # one's own file makes equal runs of blocks that were different: the first counts
            raise StudyError(clashes[0])
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error
    return study


def expand(study: Study, lock: dict[str, dict], notes: list[str] = ()) -> Plan:
    """Expand a study over what could be had. notes: what else is to be said.

    lock: dataset asked for -> entry of data.lock (litecast.data.resolve). A dataset that fell back is planned under the
    fallback's name, equal runs merge; one that cannot be had is noted and its runs are not planned.
    """
    names = {name: lock[name]["name"] for name in study.datasets if "error" not in lock[name]}
    # one's own file has no published table, unless it is cut as the benchmarks of ETT are
    untabled = [name for name in names if lock[name]["source"] == "files" and lock[name].get("split") != "ett"]
    book = _expand(study, names, untabled)
    gone = [f"{name} cannot be had ({lock[name]['error']}): its runs are not planned"
            for name in study.datasets if name not in names]
    stood_in = [f"{asked} cannot be had ({lock[asked].get('reason', 'no reason given')}): {name} stands in for it"
                for asked, name in names.items() if asked != name]
    runs = sorted(book.runs.values(), key=lambda run: run.stage)
    made = Plan(study.name, study.title, runs, list(dict.fromkeys([*notes, *gone, *stood_in, *book.notes])),
                lock)
    _digests(made)
    return made


def read(study: str) -> Plan:
    """The plan last written for a study; StudyError if there is none."""
    path = paths.study_dir(study) / "plan.json"
    if not path.exists():
        raise StudyError(f"{path} is missing: plan first, `python -m litecast.running.make params/<study>.yaml --plan`")
    body = json.loads(path.read_text(encoding="utf-8"))
    return Plan(**body | {"runs": [Planned(**run) for run in body["runs"]]})


def state(made: Plan, run: Planned, known: dict[str, tuple[str, str]] | None = None) -> tuple[str, str]:
    """('done', '' or why it left a model out), ('failed', error), ('not run', 'because of X') or ('missing', '').

    known: the states found before, by run id, where many are asked for at once: thousands wait for the same ones.
    """
    known = {} if known is None else known
    if run.id not in known:
        known[run.id] = _state(made, run, known)
    return known[run.id]


def _state(made: Plan, run: Planned, known: dict[str, tuple[str, str]]) -> tuple[str, str]:
    folder = made.folder / run.dir
    done = read_json(folder / "done.json")
    if done.get("digest") == run.digest:
        return "done", done.get("note", "")
    error = read_json(folder / "error.json")
    if error.get("digest") == run.digest or (error and run.late):
        return "failed", error["error"]
    broken = [need for need in run.needs if state(made, made.run(need), known)[0] in ("failed", "not run")]
    return ("not run", f"because of {', '.join(broken)}") if broken and not run.late else ("missing", "")


# ---- expansion ---------------------------------------------------------------------------------------------------


def _expand(study: Study, names: dict[str, str], untabled: list[str] = ()) -> "_Book":
    """All runs, without digests. names: dataset asked for -> dataset used; untabled: asked for, no published table."""
    book = _Book(study, Catalogue.read())
    for block in study.blocks:
        for asked in filter(names.get, block.datasets):
            book.dataset(block, names[asked])
            if block.published and asked in untabled:
                book.notes.append(f"{asked} is not split as published (split: ett): no table is made again with it")
            elif block.published:
                book.published(block, names[asked])
            for model in block.models:
                book.model(block, names[asked], model)
            for technique in block.techniques:
                book.technique(block, names[asked], technique)
    for block in study.blocks:  # once it is known which of their first steps are planned anyway
        for asked in filter(names.get, block.datasets):
            for route in block.routes:
                book.route(block, names[asked], route)
    book.late()
    return book


class _Book:
    """Collects the runs of a study. A run asked for twice is one; with other parameters it is a clash."""

    def __init__(self, study: Study, house: Catalogue):
        self.study, self.house, self.notebooks = study, house, catalogue.notebooks()
        self.runs: dict[str, Planned] = {}
        self.notes, self.clashes = [], []
        self._block: dict[str, str] = {}  # run -> block that asked for it first
        self._begun: set[str] = set()  # first steps of routes that no block asked for by themselves
        self._first: dict[tuple, int] = {}  # (dataset, model) -> seed that sweeps the widths

    def dataset(self, block: Block, name: str) -> None:
        collect = "collect_stocks" if self.house.kind(name) == "stocks" else "collect_traffic"
        for stage in [collect] + ["classical"] * block.classical:
            self._add(block, stage, {"dataset": name})

    def published(self, block: Block, dataset: str) -> None:
        asked = block.published.model_dump(include={"models", "horizons", "steps"})
        for seed in block.published.seeds or block.seeds or self.study.seeds:
            self._add(block, "published", {"dataset": dataset, "seed": seed}, asked)

    def model(self, block: Block, dataset: str, model: str) -> None:
        """The first seed sweeps the widths; the others take the width it chose, so they wait for it. Several seeds make
        an ensemble."""
        widths = block.widths.get(model, list(self.house.models[model]["WIDTHS"]))
        stage, seeds = self.house.stage(model), block.seeds or self.study.seeds
        for seed in seeds:
            keys = {"dataset": dataset, "model": model, "seed": seed}
            first = self._first.setdefault((dataset, model), seed)
            needs = [] if seed == first else [self._id(stage, keys | {"seed": first})]
            self._add(block, stage, keys, {"widths": widths, "sweep_seed": first}, needs)
        if len(seeds) > 1:
            keys = {"dataset": dataset, "model": model}
            self._add(block, "ensemble", keys, {"seeds": seeds}, [self._id(stage, keys | {"seed": s}) for s in seeds])

    def technique(self, block: Block, dataset: str, name: str) -> None:
        wish, offered = block.techniques[name], self.house.techniques[name]
        levels = wish.levels or list(offered["LEVELS"])
        controlled = wish.control_levels or [levels[len(levels) // 2]]
        variants = wish.variants or [offered["VARIANTS"][0]]
        for model in wish.models or block.models:
            if model not in self.house.able(name):
                self.notes.append(f"{name} does not compress {model}: left out")
                continue
            fitting = [variant for variant in variants if model in self.house.able(name, variant)]
            self.notes += [f"{name} {variant} does not fit {model}: left out" for variant in variants
                           if variant not in fitting]
            if not fitting:
                continue
            extra = {"levels": levels, "variants": fitting, "controls": wish.controls,
                     "control_levels": controlled if wish.controls else None}
            seeds, step = wish.seeds or block.seeds or self.study.seeds, (name, model, levels[0], "", wish.teachers)
            for seed in seeds:  # controls answer for the technique, not for its spread: the first, if none are named
                base = {"dataset": dataset, "model": model, "seed": seed}
                asked = extra if seed in (wish.control_seeds or seeds[:1]) else extra | {"controls": []}
                self._step(block, base, [self.house.step(*step)], asked)

    def route(self, block: Block, dataset: str, route: list[tuple[str, Step]]) -> None:
        """The first step is an ordinary run of its technique, every later one a run of its own; shared ones are one."""
        for model in block.models:
            if unfit := [name for name, step in route if model not in self.house.able(
                    name, step.variant or self.house.techniques[name]["VARIANTS"][0])]:
                shown = " > ".join(name for name, _ in route)
                self.notes.append(f"route {shown}: {unfit[0]} does not compress {model}: left out")
                continue
            steps = [self.house.step(name, model, step.level, step.variant, step.teachers) for name, step in route]
            for seed in block.seeds or self.study.seeds:
                base = {"dataset": dataset, "model": model, "seed": seed}
                if self._begin(block, base, steps[0]):
                    for count in range(2, len(steps) + 1):
                        self._step(block, base, steps[:count], _only(steps[count - 1]))

    def _begin(self, block: Block, base: dict, step: dict[str, dict]) -> bool:
        """Plan a route's first step, unless a block does; False where that block asks for other levels or variants."""
        asked, run_id = _only(step), self._id(*step, base | catalogue.route_keys([step]))
        there = self.runs[run_id].params if run_id in self.runs else asked
        lacking = [(key, asked[key][0]) for key in ("levels", "variants") if asked[key][0] not in there.get(key, ())]
        if run_id in self.runs and run_id not in self._begun:
            self.clashes += [f"block '{block.name}', routes: {run_id} does not make {value}, where a route starts; add "
                             f"{value} to the {key} of block '{self._block[run_id]}'" for key, value in lacking]
            self.notes += [f"a route from {run_id} at {value} is left out: {value} is not among its {key}"
                           for key, value in lacking]
            return not lacking
        for key, value in lacking:  # of two routes: rising, as listed if they are words
            offered = list(self.house.techniques[[*step][0]]["LEVELS" if key == "levels" else "VARIANTS"])
            there[key] = sorted([*there[key], value], key=lambda v: offered.index(v) if isinstance(v, str) else v)
        self._begun.add(run_id)
        self._step(block, base, [step], asked | {key: there[key] for key in ("levels", "variants")})
        return True

    def _step(self, block: Block, base: dict, steps: list[dict], asked: dict) -> None:
        """The run that takes the last of these steps. It waits for the step before, for dense and for its teachers, who
        may be the reference."""
        [[technique, did]], before = steps[-1].items(), steps[:-1]
        teachers = did.get("teachers", [])
        needs = [self._id(*before[-1], base | catalogue.route_keys(before))] if before else []
        needs += [self._dense(base | {"model": m}) for m in [base["model"], *teachers]]
        keys = base | catalogue.route_keys(steps)
        self._add(block, technique, keys, asked | {"route": before, "teachers": teachers}, list(dict.fromkeys(needs)))

    def _dense(self, keys: dict) -> str:
        """The run that makes a network of these keys, or the reference of its dataset."""
        if keys["model"] == catalogue.REFERENCE:
            return self._id(catalogue.REFERENCE, {"dataset": keys["dataset"]})
        return self._id(self.house.stage(keys["model"]), keys)

    def late(self) -> None:
        """Reference, committee, timing (what is compared is timed in one round) and devices per dataset, comparison and
        report per study: they wait for all, done or not. The reference waits for what trains its members alone, timing
        also for both means, and devices for timing."""
        early, members = list(self.runs.values()), {"classical", *map(self.house.stage, self.house.models)}
        for dataset in dict.fromkeys(run.keys["dataset"] for run in early if "model" in run.keys):
            mine, keys = [run for run in early if run.keys["dataset"] == dataset], {"dataset": dataset}
            trained = [run.id for run in mine if run.stage.partition("_")[2] in members]
            self._add(None, "reference", keys, needs=trained)
            self._add(None, "committee", keys, needs=[run.id for run in mine])
            timed = [run.id for run in mine] + [self._id(stage, keys) for stage in LATE[:2]]
            self._add(None, "timing", keys, needs=timed)
            self._add(None, "devices", keys, needs=[*timed, self._id("timing", keys)])
        for stage in LATE[4:]:
            self._add(None, stage, {}, needs=list(self.runs))

    def _id(self, stage: str, keys: dict) -> str:
        return f"{self._notebook(stage).stem}/{paths.run_name(**keys)}"

    def _notebook(self, stage: str) -> Path:
        return self.notebooks.get(stage) or catalogue.notebook(stage)  # which says that there is none

    def _add(self, block: Block | None, stage: str, keys: dict, extra: dict | None = None, needs=()) -> None:
        notebook, run_id = self._notebook(stage), self._id(stage, keys)
        params = self._params(notebook, block, keys, extra or {})
        run = Planned(run_id, notebook.stem, str(notebook.relative_to(paths.ROOT)), keys, params, f"runs/{run_id}",
                  list(needs), late=block is None)
        old, name = self.runs.setdefault(run_id, run).params, block.name if block else ""
        other = self._block.setdefault(run_id, name)
        if old != params:
            key = next(k for k in {**old, **params} if old.get(k) != params.get(k))
            self.clashes.append(f"blocks '{other}' and '{name}' both define the run {run_id}, but with different "
                                f"'{key}': {old.get(key)} and {params.get(key)}; a run can be defined once")

    def _params(self, notebook: Path, block: Block | None, keys: dict, extra: dict) -> dict:
        """What the notebook declares, of all that the study says; keys and a technique's own must be declared."""
        budget = self.study.budget.model_dump(exclude_none=True)
        budget |= block.budget.model_dump(exclude_none=True) if block else {}
        declared = closure.parameters(notebook)
        must = {"study": self.study.name} | keys | {k: v for k, v in extra.items() if v not in (None, [])}
        for name in must:
            if name not in declared:
                raise StudyError(f"{notebook.name}: its parameters cell does not declare '{name}', which the study sets"
                                 f"{catalogue.near(name, sorted(declared))}")
        wanted = budget | {k: v for k, v in extra.items() if v is not None} | must
        return {name: wanted[name] for name in sorted(wanted) if name in declared}


def _only(step: dict[str, dict]) -> dict:
    """What the notebook of a single step is asked for: its level, its variant, no control."""
    [did] = step.values()
    return {"levels": [did["level"]], "variants": [did["variant"]], "controls": []}


# ---- digests -----------------------------------------------------------------------------------------------------


def _digests(made: Plan) -> None:
    """Fill code and digest of every run; a run's digest contains those of the runs it needs."""
    codes: dict[tuple, str] = {}
    for run in made.ordered():
        files = [str(run.keys.get(name, "")) for name in ("model", "dataset", "teachers")]
        key = (run.stage, *(re.sub("@[^+]*", "", name) for name in files))  # what it is told is no other file
        if key not in codes:
            codes[key] = closure.digest(paths.ROOT / run.notebook, made.closure(run))
        run.code, run.taught = codes[key], _is_taught(made, run)
        if run.late:
            made.refresh(run)
        else:
            run.digest = _digest(made, run)


def _is_taught(made: Plan, run: Planned) -> bool:
    """Of late runs, only a reference is what another needs that is not late."""
    return not run.late and any(need.late or need.taught for need in map(made.run, run.needs))


def _digest(made: Plan, run: Planned) -> str:
    return hashed([_own_digest(made, run), [made.run(need).digest for need in run.needs]])


def _own_digest(made: Plan, run: Planned) -> str:
    entries = [e for asked, e in sorted(made.lock.items()) if run.keys.get("dataset") in (None, asked, e.get("name"))]
    data = [[e.get("name"), e.get("source"), e.get("sha256")] for e in entries]
    return hashed([run.code, run.params, sorted(map(repr, data)), closure.content(paths.LOCK)])
