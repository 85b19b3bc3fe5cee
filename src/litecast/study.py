"""A study file becomes a plan: which notebook runs with which parameters, and what each run waits for.

Everything is checked before anything runs, and everything is read from files: neither torch nor pandas is imported, so
planning takes a blink.
"""

import difflib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from litecast import closure as code
from litecast import paths
from litecast.closure import closure, literals
from litecast.errors import StudyError

__all__ = ["Plan", "Run", "Study", "closure", "literals", "load", "plan", "read", "state"]

CONTROLS = ("random", "scratch")  # what every technique takes beside its own variants
LOSSES = ("mae", "mse")
LATE = ("timing", "compare", "report")  # always called, on the plan and what exists


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Strict):
    """What training may spend; None = the notebook's own default."""

    steps: int | None = Field(None, gt=0)
    extra_steps: int | None = Field(None, gt=0)
    retrain_steps: int | None = Field(None, gt=0)
    batch: int | None = Field(None, gt=0)
    lr: float | None = Field(None, gt=0)
    train_windows: int | None = Field(None, ge=0)  # 0 = all
    loss: str | None = None
    series: int | None = Field(None, gt=0)
    figures: bool | None = None


class Technique(_Strict):
    """What a block asks of one technique; None = the technique's or the block's own."""

    levels: list[int | float | str] | None = Field(None, min_length=1)
    variants: list[str] | None = Field(None, min_length=1)
    controls: list[str] = []
    control_level: int | float | str | None = None
    models: list[str] | None = Field(None, min_length=1)
    seeds: list[int] | None = Field(None, min_length=1)


class Block(_Strict):
    """A product of datasets, models, seeds and techniques."""

    name: str
    datasets: list[str] = Field(min_length=1)
    classical: bool = True
    models: list[str] = []
    widths: dict[str, list[int]] = {}
    seeds: list[int] | None = Field(None, min_length=1)
    budget: Budget = Budget()
    techniques: dict[str, Technique] = {}

    @field_validator("techniques", mode="before")
    @classmethod
    def _empty_means_defaults(cls, value):
        return {k: {} if v is None else v for k, v in value.items()} if isinstance(value, dict) else value


class Study(_Strict):
    """A validated study. `own` is set when every dataset was replaced by one file of the user's."""

    name: str
    title: str
    budget: Budget = Budget()
    seeds: list[int] = Field([0], min_length=1)
    files: dict[str, str] = {}
    blocks: list[Block] = Field(min_length=1)
    own: bool = Field(False, exclude=True)

    @property
    def datasets(self) -> list[str]:
        """Every dataset asked for, once, in order."""
        return list(dict.fromkeys(name for block in self.blocks for name in block.datasets))


@dataclass
class Run:
    """One notebook with one set of parameters (contract 4 of docs/design.md). dir: relative to the study's folder."""

    id: str
    stage: str
    notebook: str
    keys: dict
    params: dict
    dir: str
    needs: list[str]
    late: bool = False
    code: str = ""
    digest: str = ""


@dataclass
class Plan:
    study: str
    title: str
    runs: list[Run]
    notes: list[str] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)
    lock: dict[str, dict] = field(default_factory=dict)
    commit: str = ""
    dirty: bool | None = None

    def __post_init__(self):
        self.folder: Path = paths.study_dir(self.study)
        self._by_id = {run.id: run for run in self.runs}

    def run(self, run_id: str) -> Run:
        """The run of this id, StudyError if the plan has none."""
        if run_id not in self._by_id:
            raise StudyError(f"study {self.study}: no run '{run_id}' is planned{_near(run_id, self._by_id)}")
        return self._by_id[run_id]

    def closure(self, run: Run) -> list[Path]:
        """Package files the run may execute; the report also consists of its exporters and templates."""
        files = closure(paths.ROOT / run.notebook, run.params, self.lock)
        return files if _name(run.stage) != "report" else sorted({*files, *_report_files()})

    def write(self) -> None:
        """plan.json in the study's folder, replaced in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "plan.json", asdict(self))

    def refresh(self, run: Run) -> str:
        """A late run's digest for what exists now: digests of the runs that are done, errors of those that are not."""
        states = {need: state(self, self.run(need)) for need in run.needs}
        found = [self.run(need).digest if what == "done" else f"{what}: {why}" for need, (what, why) in states.items()]
        whole_study = [self.title, self.notes, self.unreachable] if "dataset" not in run.keys else []
        run.digest = code.hashed([_own_digest(self, run), found, whole_study])
        return run.digest


# ---- load --------------------------------------------------------------------------------------------------------


def load(path: str | Path, files: dict[str, str] | None = None) -> Study:
    """Read and check a study file whole; nothing has run when it raises.

    files: {dataset: CSV}; given, it replaces the datasets of every block and the study is called <name>-<dataset>.
    Raises StudyError with one line per broken rule: the place, the rule and the nearest valid word.
    """
    path = Path(path)
    study = _parsed(path)
    problems = [] if study.name == path.stem else [f"name: '{study.name}' must be the file's name, '{path.stem}'"]
    if files:
        study = _with_files(study, {name: str(file) for name, file in files.items()})
    catalogue = _Catalogue.read()
    problems += [p for i, block in enumerate(study.blocks) for p in _check_block(study, block, i, catalogue)]
    problems += _check_study(study, catalogue)
    if problems:
        raise StudyError(_listed(path, problems))
    try:
        _expand(study, {name: name for name in study.datasets}, catalogue)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error
    return study


def _parsed(path: Path) -> Study:
    try:
        body = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        near = _near(path.stem, [p.stem for p in paths.PARAMS.glob("*.yaml")])
        raise StudyError(f"{path} cannot be read: {error.strerror}{near}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} is not YAML: {error}") from error
    if not isinstance(body, dict):
        raise StudyError(f"{path}: a study file is a mapping of name, title, budget, seeds and blocks")
    try:
        return Study(**{key: value for key, value in body.items() if key != "own"})
    except (ValidationError, TypeError) as error:
        raise StudyError(_listed(path, _explained(error, body))) from error


class _Loader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: key '{key}' is given twice")
        return super().construct_mapping(node, deep)


def _explained(error: Exception, body: dict) -> list[str]:
    if not isinstance(error, ValidationError):
        return [str(error)]
    return [f"{_place(e['loc'], body)}: {_rule(e)}" for e in error.errors()]


def _rule(error: dict) -> str:
    if error["type"] != "extra_forbidden":
        return error["msg"][0].lower() + error["msg"][1:]
    *above, key = error["loc"]
    kind = next((k for word, k in (("techniques", Technique), ("budget", Budget), ("blocks", Block)) if word in above),
                Study)
    words = [word for word in kind.model_fields if word != "own"]
    return f"unknown key '{key}'{_near(key, words)}"


def _place(loc: tuple, body: dict) -> str:
    """('blocks', 0, 'seeds') -> "block 'traffic', seeds"."""
    words = [str(word) for word in loc]
    if words[0] == "blocks" and len(loc) > 1 and isinstance(loc[1], int):
        block = body["blocks"][loc[1]]
        name = block.get("name", loc[1]) if isinstance(block, dict) else loc[1]
        return ", ".join([f"block '{name}'", ".".join(words[2:])]).rstrip(", ")
    return ".".join(words)


def _with_files(study: Study, files: dict[str, str]) -> Study:
    blocks = [block.model_copy(update={"datasets": list(files)}) for block in study.blocks]
    name = "-".join([study.name, *files])
    return study.model_copy(update={"name": name, "blocks": blocks, "files": files, "own": True})


def _listed(path: Path, problems: list[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{path}: {count}", *(f"  {problem}" for problem in problems)])


def _near(word, known) -> str:
    """'; did you mean 'x'?' or '; known: …'."""
    close = difflib.get_close_matches(str(word), [str(k) for k in known], 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(map(str, known)) or 'none'}"


# ---- rules -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Catalogue:
    """What a study may name, read from the files of the package and of notebooks/."""

    models: dict[str, dict]
    techniques: dict[str, dict]
    datasets: dict[str, dict]
    stages: dict[str, Path]

    @classmethod
    def read(cls) -> "_Catalogue":
        stages = _stages()
        models = {m: v for m, v in _members("models") if "WIDTHS" in v}
        techniques = {t: v for t, v in _members("compress") if {"FAMILIES", "LEVELS", "VARIANTS"} <= set(v)}
        datasets = {d: v for _, v in _members("data") for d in v.get("DATASETS", ())}
        return cls(models, {t: v for t, v in techniques.items() if t in stages}, datasets, stages)

    def notebook(self, name: str) -> Path:
        if name not in self.stages:
            raise StudyError(f"notebooks/ has no NN_{name}.ipynb{_near(name, self.stages)}")
        return self.stages[name]

    def kind(self, dataset: str) -> str:
        """'stocks', 'traffic', …: literal KIND of the dataset's source module; 'other' for one's own file."""
        return self.datasets.get(dataset, {}).get("KIND", {}).get(dataset, "other")


def _members(package: str) -> Iterator[tuple[str, dict]]:
    for path in sorted((paths.PACKAGE / package).glob("*.py")):
        if path.name != "__init__.py":
            yield path.stem, literals(path)


def _stages() -> dict[str, Path]:
    """'classical' -> notebooks/20_classical.ipynb; two notebooks of one name are an error."""
    found = {}
    for path in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        if _name(path.stem) in found:
            raise StudyError(f"{path} and {found[_name(path.stem)]} have the same name: rename one")
        found[_name(path.stem)] = path
    return found


def _name(stage: str) -> str:
    return stage.partition("_")[2]


def _check_study(study: Study, catalogue: _Catalogue) -> list[str]:
    problems, names = [], [block.name for block in study.blocks]
    if not re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", study.name):
        problems.append(f"name: '{study.name}' must be made of a-z, 0-9 and '-', it names a folder")
    problems += [f"blocks: two are called '{name}'; a block's name must be its own"
                 for name in dict.fromkeys(names) if names.count(name) > 1]
    problems += [f"files: '{name}' is the name of a public or sample dataset; give yours another"
                 for name in study.files if name in catalogue.datasets]
    problems += _check_seeds("seeds", study.seeds) + _check_loss("budget", study.budget)
    return problems


def _check_block(study: Study, block: Block, index: int, catalogue: _Catalogue) -> list[str]:
    place = f"block '{block.name}'"
    known = [*study.files, *catalogue.datasets]
    problems = _unknown(f"{place}, datasets", "dataset", block.datasets, known)
    problems += _unknown(f"{place}, models", "model", block.models, catalogue.models)
    problems += [f"{place}, widths: '{model}' is not among the block's models{_near(model, block.models)}"
                 for model in block.widths if model not in block.models]
    problems += [f"{place}, widths.{model}: {widths} must be different whole numbers above 0"
                 for model, widths in block.widths.items()
                 if not widths or len({*widths}) < len(widths) or min(widths) < 1]
    problems += _check_seeds(f"{place}, seeds", block.seeds or []) + _check_loss(f"{place}, budget", block.budget)
    problems += _unknown(f"{place}, techniques", "technique", block.techniques, catalogue.techniques)
    for name, asked in block.techniques.items():
        if name in catalogue.techniques:
            problems += _check_technique(study, block, name, asked, catalogue.techniques[name])
    return problems


def _check_technique(study: Study, block: Block, name: str, asked: Technique, rules: dict) -> list[str]:
    place, source = f"block '{block.name}', techniques.{name}", f"compress/{name}.py"
    seeds = block.seeds or study.seeds
    problems = _check_levels(f"{place}.levels", asked.levels or [], rules["LEVELS"], source)
    problems += _unknown(f"{place}.variants", "variant", asked.variants or [], rules["VARIANTS"])
    problems += _unknown(f"{place}.controls", "control", asked.controls, rules.get("CONTROLS", CONTROLS))
    for model in asked.models or []:
        if model not in block.models:
            problems.append(f"{place}.models: '{model}' is not among the block's models{_near(model, block.models)}")
        elif model not in rules["FAMILIES"]:
            problems.append(f"{place}.models: {name} cannot compress '{model}'; FAMILIES of {source}: "
                            f"{', '.join(rules['FAMILIES'])}")
    problems += [f"{place}.seeds: {seed} is not among the block's seeds {seeds}; the dense net of that seed is missing"
                 for seed in asked.seeds or [] if seed not in seeds]
    if not set(asked.models or block.models) & set(rules["FAMILIES"]):
        problems.append(f"{place}: none of the block's models is among FAMILIES of {source}: "
                        f"{', '.join(rules['FAMILIES'])}")
    levels = asked.levels or list(rules["LEVELS"])
    if asked.control_level is not None and asked.control_level not in levels:
        problems.append(f"{place}.control_level: {asked.control_level} must be one of the levels {levels}")
    return problems


def _check_levels(place: str, levels: list, allowed: tuple, source: str) -> list[str]:
    """Numbers may be any between the ends of LEVELS (whole ones if LEVELS are); words must be listed there."""
    problems = [f"{place}: {level} is given twice" for level in dict.fromkeys(levels) if levels.count(level) > 1]
    if any(isinstance(level, str) for level in allowed):
        return problems + _unknown(place, "level", levels, allowed)
    for level in levels:
        if isinstance(level, str) or not min(allowed) <= level <= max(allowed):
            problems.append(f"{place}: {level} lies outside {min(allowed)} … {max(allowed)} (LEVELS of {source}); "
                            f"nearest: {_nearest(level, allowed)}")
        elif isinstance(level, float) and all(isinstance(a, int) for a in allowed):
            problems.append(f"{place}: {level} must be a whole number (LEVELS of {source})")
    return problems


def _nearest(level, allowed):
    return allowed[0] if isinstance(level, str) else min(allowed, key=lambda a: abs(a - level))


def _unknown(place: str, kind: str, words, known) -> list[str]:
    return [f"{place}: unknown {kind} '{word}'{_near(word, known)}" for word in words if word not in known]


def _check_seeds(place: str, seeds: list[int]) -> list[str]:
    bad = len(set(seeds)) < len(seeds) or any(seed < 0 for seed in seeds)
    return [f"{place}: {seeds} must be different whole numbers from 0 on"] if bad else []


def _check_loss(place: str, budget: Budget) -> list[str]:
    return _unknown(f"{place}.loss", "loss", [budget.loss] if budget.loss else [], LOSSES)


# ---- plan --------------------------------------------------------------------------------------------------------


def plan(study: Study, lock: dict[str, dict]) -> Plan:
    """Expand a study over what could be had.

    lock: dataset asked for -> entry of data.lock (litecast.data.resolve). A dataset that fell back is planned under the
    fallback's name, equal runs merge; one that cannot be had is noted and its runs are not planned.
    """
    missing = {name: lock[name]["error"] for name in study.datasets if "error" in lock[name]}
    names = {name: lock[name]["name"] for name in study.datasets if name not in missing}
    runs, notes = _expand(study, names, _Catalogue.read())
    stood_in = [f"{asked} cannot be had ({lock[asked].get('reason', 'no reason given')}): {name} stands in for it"
                for asked, name in names.items() if asked != name]
    gone = [f"{name} cannot be had ({why}): its runs are not planned" for name, why in missing.items()]
    made = Plan(study.name, study.title, runs, gone + stood_in + notes, missing, lock, *_commit())
    _digests(made)
    return made


def read(study: str) -> Plan:
    """The plan last written for a study; StudyError if there is none."""
    path = paths.study_dir(study) / "plan.json"
    if not path.exists():
        raise StudyError(f"{path} is missing: plan first, `python -m litecast.runner params/<study>.yaml --plan`")
    body = json.loads(path.read_text(encoding="utf-8"))
    return Plan(**body | {"runs": [Run(**run) for run in body["runs"]]})


def state(made: Plan, run: Run) -> tuple[str, str]:
    """('done', ''), ('failed', error), ('not run', 'because of X') or ('missing', '')."""
    folder = made.folder / run.dir
    if read_json(folder / "done.json").get("digest") == run.digest:
        return "done", ""
    error = read_json(folder / "error.json")
    if error.get("digest") == run.digest or (error and run.late):
        return "failed", error["error"]
    broken = [need for need in run.needs if state(made, made.run(need))[0] in ("failed", "not run")]
    return ("not run", f"because of {', '.join(broken)}") if broken and not run.late else ("missing", "")


def _expand(study: Study, names: dict[str, str], catalogue: _Catalogue) -> tuple[list[Run], list[str]]:
    """Runs without digests, in order of need; notes on what was left out."""
    book = _Book(study, names, catalogue)
    for block in study.blocks:
        for asked in (name for name in block.datasets if name in names):
            book.dataset(block, asked)
            for model in block.models:
                book.model(block, asked, model)
            for technique in block.techniques:
                book.technique(block, asked, technique)
    book.late()
    return sorted(book.runs.values(), key=lambda run: run.stage), list(dict.fromkeys(book.notes))


class _Book:
    """Collects the runs of a study; the same run asked for twice must be asked for with the same parameters."""

    def __init__(self, study: Study, names: dict[str, str], catalogue: _Catalogue):
        self.study, self.names, self.catalogue = study, names, catalogue
        self.runs: dict[str, Run] = {}
        self.notes: list[str] = []
        self._first: dict[tuple, int] = {}
        self._asked: dict[str, tuple[str, str]] = {}

    def dataset(self, block: Block, asked: str) -> None:
        name = self.names[asked]
        collect = "collect_stocks" if self.catalogue.kind(name) == "stocks" else "collect_traffic"
        for stage in [collect] + ["classical"] * block.classical:
            self._add(block, asked, stage, {"dataset": name}, {})

    def model(self, block: Block, asked: str, model: str) -> None:
        """The first seed sweeps the widths; the others take the width it chose, so they wait for it."""
        widths = block.widths.get(model, list(self.catalogue.models[model]["WIDTHS"]))
        for seed in self._seeds(block):
            keys = {"dataset": self.names[asked], "model": model, "seed": seed}
            first = self._first.setdefault((keys["dataset"], model), seed)
            needs = [] if seed == first else [self._id("deep", keys | {"seed": first})]
            self._add(block, asked, "deep", keys, {"widths": widths, "sweep_seed": first}, needs)

    def technique(self, block: Block, asked: str, name: str) -> None:
        wish, rules = block.techniques[name], self.catalogue.techniques[name]
        levels = wish.levels or list(rules["LEVELS"])
        level = wish.control_level if wish.control_level is not None else levels[len(levels) // 2]
        extra = {"levels": levels, "variants": wish.variants or [rules["VARIANTS"][0]], "controls": wish.controls,
                 "control_level": level if wish.controls else None}
        for model in wish.models or block.models:
            if model not in rules["FAMILIES"]:
                self.notes.append(f"{name} does not compress {model}: left out")
                continue
            for seed in wish.seeds or self._seeds(block):
                keys = {"dataset": self.names[asked], "model": model, "seed": seed}
                self._add(block, asked, name, keys, extra, [self._id("deep", keys)])

    def late(self) -> None:
        """Timing per dataset and model, comparison and report per study: they wait for all, done or not."""
        early = list(self.runs.values())
        pairs = dict.fromkeys((r.keys["dataset"], r.keys["model"]) for r in early if "model" in r.keys)
        for dataset, model in pairs:
            keys = {"dataset": dataset, "model": model}
            needs = [r.id for r in early if keys.items() <= r.keys.items()]
            self._add(None, dataset, "timing", keys, {}, needs, late=True)
        for stage in LATE[1:]:
            self._add(None, "", stage, {}, {}, list(self.runs), late=True)

    def _seeds(self, block: Block) -> list[int]:
        return block.seeds or self.study.seeds

    def _id(self, stage: str, keys: dict) -> str:
        return f"{self.catalogue.notebook(stage).stem}/{paths.run_name(**keys)}"

    def _add(self, block: Block | None, asked: str, stage: str, keys: dict, extra: dict, needs=(), late=False) -> None:
        notebook, run_id = self.catalogue.notebook(stage), self._id(stage, keys)
        params = self._params(notebook, block, keys, extra)
        place = (block.name if block else "", asked)
        old = self.runs.setdefault(run_id, Run(run_id, notebook.stem, str(notebook.relative_to(paths.ROOT)), keys,
                                               params, f"runs/{run_id}", list(needs), late))
        other, other_asked = self._asked.setdefault(run_id, place)
        # One's own file, or a fallback shared by two datasets, makes equal runs of blocks that were different.
        if old.params != params and not self.study.own and other_asked == asked:
            key = next(k for k in {**old.params, **params} if old.params.get(k) != params.get(k))
            raise StudyError(f"blocks '{other}' and '{place[0]}' both define the run {run_id}, but with different "
                             f"'{key}': {old.params.get(key)} and {params.get(key)}; a run can be defined once")

    def _params(self, notebook: Path, block: Block | None, keys: dict, extra: dict) -> dict:
        """What the notebook declares, of all that the study says; keys and a technique's own must be declared."""
        budget = self.study.budget.model_dump(exclude_none=True)
        budget |= block.budget.model_dump(exclude_none=True) if block else {}
        declared = code.parameters(notebook)
        must = {"study": self.study.name} | keys | {k: v for k, v in extra.items() if v not in (None, [])}
        for name in must:
            if name not in declared:
                raise StudyError(f"{notebook.name}: its parameters cell does not declare '{name}', which the study sets"
                                 f"{_near(name, sorted(declared))}")
        wanted = budget | {k: v for k, v in extra.items() if v is not None} | must
        return {name: wanted[name] for name in sorted(wanted) if name in declared}


# ---- digests -----------------------------------------------------------------------------------------------------


def _digests(made: Plan) -> None:
    """Fill code and digest of every run; a run's digest contains those of the runs it needs."""
    files: dict[tuple, list[Path]] = {}
    codes: dict[tuple, str] = {}
    for run in _in_order(made):
        key = (run.stage, run.keys.get("model"), run.keys.get("dataset"))
        if key not in codes:
            files[key] = made.closure(run)
            codes[key] = code.digest(paths.ROOT / run.notebook, files[key])
        run.code = codes[key]
        if run.late:
            made.refresh(run)
        else:
            run.digest = code.hashed([_own_digest(made, run), [made.run(need).digest for need in run.needs]])


def _in_order(made: Plan) -> list[Run]:
    done, order = set(), []

    def visit(run: Run) -> None:
        if run.id not in done:
            done.add(run.id)
            for need in run.needs:
                visit(made.run(need))
            order.append(run)

    for run in made.runs:
        visit(run)
    return order


def _own_digest(made: Plan, run: Run) -> str:
    entries = [e for asked, e in sorted(made.lock.items()) if run.keys.get("dataset") in (None, asked, e.get("name"))]
    data = [[e.get("name"), e.get("source"), e.get("sha256")] for e in entries]
    return code.hashed([run.code, run.params, sorted(map(repr, data)), code.sha256(paths.LOCK)])


def _report_files() -> list[Path]:
    templates = paths.ROOT / "reports" / "templates"
    return [path for path in [paths.PACKAGE / "report.py", *templates.rglob("*")] if path.is_file()]


def _commit() -> tuple[str, bool | None]:
    """Commit of the code and whether files differ from it; ('', None) outside a git repository."""
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(paths.ROOT), *words], capture_output=True, text=True, check=True).stdout
    try:
        return git("rev-parse", "HEAD").strip(), bool(git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return "", None


def write_json(path: Path, body: dict) -> None:
    """Written to a temporary name and renamed: a reader sees the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(body, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    os.replace(temporary, path)


def read_json(path: Path) -> dict:
    """The JSON object in a file; {} where there is none or only half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
