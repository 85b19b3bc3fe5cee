"""What a study file may say: its keys, and the models, techniques, levels and datasets that the house offers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, NonNegativeInt, PositiveInt, ValidationError

from litecast import catalogue, paths
from litecast.catalogue import near
from litecast.errors import StudyError


def _different(values: list) -> list:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is given twice")
    return values


Some = (Field(min_length=1), AfterValidator(_different))
Words = Annotated[list[str], *Some]
Seeds = Annotated[list[NonNegativeInt], *Some]
Widths = Annotated[list[PositiveInt], *Some]
Level = int | float | str
PASSES, BATCH = 5, 64  # of a training over own data, at most; windows of a batch that it may shrink to
BRIEF = {"doublings": 0, "longest": 2}  # what else is shorter then: no wider networks than asked for, a shorter front
FEW_WINDOWS = 200  # train windows (of one series) below which a deep network is not worth fitting
LONGEST_NAME = 80  # bytes of an own dataset's name, which stands in folders beside other words


class Limits(BaseModel, extra="forbid", frozen=True):
    """What training may spend; None = the notebook's own default. train_windows 0 = all."""

    steps: PositiveInt | None = None
    extra_steps: PositiveInt | None = None
    retrain_steps: PositiveInt | None = None
    doublings: NonNegativeInt | None = None
    longest: PositiveInt | None = None
    batch: PositiveInt | None = None
    lr: float | None = Field(None, gt=0)
    train_windows: NonNegativeInt | None = None
    loss: Literal["mae", "mse"] | None = None
    series: PositiveInt | None = None


class Technique(BaseModel, extra="forbid", frozen=True):
    """What a block asks of one technique; what is left out is the technique's or the block's own."""

    levels: Annotated[list[Level], *Some] = []
    variants: Words = []
    controls: list[str] = []
    control_levels: list[Level] = []
    control_seeds: Seeds = []  # none = the first
    models: Words = []
    seeds: Seeds = []
    teachers: Words = []  # models of the block, or 'reference'; none = each model learns from its own dense network


class Step(BaseModel, extra="forbid", frozen=True):
    """One technique of a route. variant '' = the technique's first."""

    level: Level
    variant: str = ""
    teachers: Words = []


def _spelt_out(step):
    """{int8: 8} is short for {int8: {level: 8}}."""
    if not isinstance(step, dict) or len(step) != 1:
        raise ValueError("a step is one technique and its level, e.g. {int8: 8}")
    return {name: did if isinstance(did, dict) else {"level": did} for name, did in step.items()}


def _paired(route: list[dict[str, Step]]) -> list[tuple[str, Step]]:
    return [pair for step in route for pair in step.items()]


# One technique alone is no route: it stands under `techniques`.
Route = Annotated[list[Annotated[dict[str, Step], BeforeValidator(_spelt_out)]], Field(min_length=2),
                  AfterValidator(_paired)]


class Published(BaseModel, extra="forbid", frozen=True):
    """Which published tables a block makes again: by which models, at which horizons (steps)."""

    models: Words
    horizons: Annotated[list[PositiveInt], *Some] = [96]
    steps: NonNegativeInt = 0  # of each training; 0 = as the model's recipe says
    seeds: Seeds = []


class Block(BaseModel, extra="forbid", frozen=True):
    """A product of datasets, models, seeds, and techniques or routes. own: is it asked of own files, too?"""

    name: str
    own: bool = True
    datasets: Words
    classical: bool = True
    models: list[str] = []
    widths: dict[str, Widths] = {}
    seeds: Seeds = []
    budget: Limits = Limits()
    techniques: dict[str, Annotated[Technique, BeforeValidator(lambda asked: {} if asked is None else asked)]] = {}
    routes: list[Route] = []
    published: Published | None = None


class Study(BaseModel, extra="forbid", frozen=True):
    """A validated study. files: dataset -> CSV of the user's own."""

    name: str = Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")  # names a folder
    title: str
    budget: Limits = Limits()
    seeds: Seeds = [0]
    files: dict[str, str] = {}
    blocks: list[Block] = Field(min_length=1)

    @property
    def datasets(self) -> list[str]:
        """Every dataset asked for, once, in order."""
        return list(dict.fromkeys(name for block in self.blocks for name in block.datasets))


@dataclass(frozen=True)
class Catalogue:
    """What a study may name, read from the files of the package and of notebooks/."""

    models: dict[str, dict]
    techniques: dict[str, dict]
    datasets: dict[str, str]  # name -> kind

    @classmethod
    def read(cls) -> "Catalogue":
        from litecast.data import store  # what was collected, by its manifests

        notebooks = catalogue.notebooks()
        techniques = catalogue.members("compress", "LEVELS", "VARIANTS")
        listed = catalogue.members("data", "DATASETS").values()
        return cls(catalogue.networks(), {t: v for t, v in techniques.items() if t in notebooks},
                   store.names() | {d: v.get("KIND", {}).get(d, "other") for v in listed for d in v["DATASETS"]})

    def stage(self, model: str) -> str:
        """'deep' or 'compact': literal KIND of the model, which names the notebook that trains it."""
        return self.models[model].get("KIND", "deep")

    def kind(self, dataset: str) -> str:
        """'stocks', 'traffic', …: literal KIND of the dataset's module, or of what was collected; else 'other'."""
        return self.datasets.get(dataset, "other")

    def able(self, technique: str, variant: str = "") -> list[str]:
        """The models that a technique fits: those that CAN at least one of its FITS; all if it names none. variant:
        those that this one fits, where the technique says so (FITS_OF)."""
        rules = self.techniques[technique]
        fits = set(rules.get("FITS_OF", {}).get(variant, rules.get("FITS", ())))
        return [model for model, own in self.models.items() if not fits or fits & {*own.get("CAN", ())}]

    def step(self, technique: str, model: str, level: Level, variant: str, teachers: list[str]) -> dict[str, dict]:
        """{technique: {level, variant}}, and teachers: those named; of no others, if it needs any, the model itself."""
        rules = self.techniques[technique]
        own = [model] if "teachers" in rules.get("NEEDS", ()) else []
        taught = {"teachers": teachers or own} if teachers or own else {}
        return {technique: {"level": level, "variant": variant or rules["VARIANTS"][0]} | taught}


# ---- the file ----------------------------------------------------------------------------------------------------


def checked(path: Path, files: dict[str, str] | None = None) -> Study:
    """A study file, read and checked whole; files replace its datasets. Raises StudyError, a line per broken rule."""
    study = _parsed(path)
    problems = [] if study.name == path.stem else [f"name: '{study.name}' must be the file's name, '{path.stem}'"]
    study = _own(study, files) if files else study
    problems += [] if study.blocks else ["blocks: none is asked of own files, all say own: false"]
    problems += _check(study, Catalogue.read())
    if problems:
        raise StudyError(_listed(path, problems))
    return study


def _own(study: Study, files: dict[str, str]) -> Study:
    """The study on own files in place of its datasets, without blocks that are not asked of them. Seeds that a block
    adds are for the datasets that it names."""
    def block(old: Block) -> Block:
        asked = {name: wish.model_copy(update={key: [seed for seed in getattr(wish, key) if seed in study.seeds]
                                               for key in ("seeds", "control_seeds")})
                 for name, wish in old.techniques.items()}  # fmt: skip
        return old.model_copy(update={"datasets": list(files), "seeds": [], "techniques": asked})

    return study.model_copy(update={"name": "-".join([study.name, *files]), "files": files,
                                    "blocks": [block(old) for old in study.blocks if old.own]})  # fmt: skip


def budget(study: Study, block: Block) -> dict:
    """What a block may spend: its own limits, and those of the study where it has none."""
    return study.budget.model_dump(exclude_none=True) | block.budget.model_dump(exclude_none=True)


def sized(study: Study, windows: int) -> Study:
    """The study with budgets for as many train windows (of all series): a training draws none more than PASSES times.

    Batches shrink first, to no fewer than BATCH windows, since more steps of small ones learn more for the same
    products; then steps, those of retrainings and controls in proportion, and BRIEF. What is small enough stays as it
    is.
    """
    blocks = []
    for block in study.blocks:
        asked = budget(study, block)
        blocks.append(block.model_copy(update={"budget": Limits(**asked | _fewer(asked, PASSES * windows))}))
    return study.model_copy(update={"blocks": blocks})


def _fewer(asked: dict, draws: int) -> dict:
    """What changes in a budget so that a training of `steps` x `batch` windows draws at most so many."""
    steps, batch = asked.get("steps"), asked.get("batch")
    if not steps or not batch or steps * batch <= draws:
        return {}
    smaller = max(min(batch, BATCH), draws // steps)
    share = min(1.0, draws / (steps * smaller))
    counts = {key: asked[key] for key in ("steps", "extra_steps", "retrain_steps") if key in asked}
    return {"batch": smaller} | BRIEF | {key: max(1, round(count * share)) for key, count in counts.items()}


class _Loader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: key '{key}' is given twice")
        return super().construct_mapping(node, deep)


def _parsed(path: Path) -> Study:
    try:
        body = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        return Study.model_validate(body)
    except OSError as error:
        known = [p.stem for p in paths.PARAMS.glob("*.yaml")]
        raise StudyError(f"{path} cannot be read: {error.strerror}{near(path.stem, known)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        problems = [f"{_place(e['loc'], body)}: {_rule(e)}" for e in error.errors()]
        raise StudyError(_listed(path, problems)) from error


def _rule(error: dict) -> str:
    if error["type"] != "extra_forbidden":
        message = error["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
        return message[0].lower() + message[1:]
    *above, key = error["loc"]
    kinds = {"techniques": Technique, "routes": Step, "budget": Limits, "published": Published, "blocks": Block}
    kind = next((kinds[word] for word in reversed(above) if word in kinds), Study)
    return f"unknown key '{key}'{near(key, kind.model_fields)}"


def _place(loc: tuple, body: dict) -> str:
    """('blocks', 0, 'seeds') -> "block 'traffic', seeds"."""
    head, number, *rest = *loc, None, None
    if head != "blocks" or not isinstance(number, int):
        return ".".join(map(str, loc)) or "the file"
    block = body["blocks"][number]
    name = block.get("name", number) if isinstance(block, dict) else number
    return f"block '{name}', {'.'.join(str(word) for word in rest if word is not None)}".rstrip(", ")


def _listed(path: Path, problems: list[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{path}: {count}", *(f"  {problem}" for problem in problems)])


# ---- the words ---------------------------------------------------------------------------------------------------


def _check(study: Study, house: Catalogue) -> list[str]:
    names = [block.name for block in study.blocks]
    problems = [f"blocks: two are called '{name}'; a block's name must be its own"
                for name in dict.fromkeys(names) if names.count(name) > 1]
    problems += [f"files: '{name}' is the name of a public or sample dataset; give yours another"
                 for name in study.files if name in house.datasets]
    problems += [f"files: '{name}' names folders: letters, digits, - and _ only, at most {LONGEST_NAME} bytes"
                 for name in study.files if not re.fullmatch(r"[\w-]+", name) or len(name.encode()) > LONGEST_NAME]
    return problems + [problem for block in study.blocks for problem in _check_block(study, block, house)]


def _check_block(study: Study, block: Block, house: Catalogue) -> list[str]:
    place, seeds = f"block '{block.name}'", block.seeds or study.seeds
    problems = _unknown(f"{place}, datasets", "dataset", block.datasets, [*study.files, *house.datasets])
    problems += _unknown(f"{place}, models", "model", block.models, house.models)
    problems += _unknown(f"{place}, widths", "model of the block", block.widths, block.models)
    if block.published:
        problems += _unknown(f"{place}, published.models", "model with a published recipe", block.published.models,
                             [name for name, own in house.models.items() if "PUBLISHED" in own])
    asked = [("techniques", *pair) for pair in block.techniques.items()]
    asked += [(f"routes.{number}", name, Technique.model_construct(  # the rules of a technique hold for a step
                levels=[step.level], variants=[step.variant] if step.variant else [], teachers=step.teachers))
              for number, route in enumerate(block.routes) for name, step in route]
    for key, name, wish in asked:
        problems += _unknown(f"{place}, {key}", "technique", [name], house.techniques)
        if name in house.techniques:
            problems += _check_technique(f"{place}, {key}.{name}", block, name, wish, seeds, house)
    ended = [(number, name) for number, route in enumerate(block.routes) for name, _ in route[:-1]
             if "torch" not in house.techniques.get(name, {}).get("STORAGES", {"": "torch"}).values()]
    return problems + [f"{place}, routes.{number}: nothing can follow {name}: no network can be made of its files again"
                       for number, name in ended]


def _check_technique(place: str, block: Block, name: str, asked: Technique, seeds: list[int],
                     house: Catalogue) -> list[str]:
    rules, source, able = house.techniques[name], f"compress/{name}.py", house.able(name)
    problems = _check_levels(f"{place}.levels", asked.levels, rules["LEVELS"], source)
    problems += _unknown(f"{place}.variants", "variant", asked.variants, rules["VARIANTS"])
    problems += _unknown(f"{place}.controls", "control", asked.controls, rules.get("CONTROLS", {}))
    problems += _unknown(f"{place}.models", "model of the block", asked.models, block.models)
    problems += _unknown(f"{place}.seeds", "seed of the block", asked.seeds, seeds)  # there is no dense net of it
    problems += _unknown(f"{place}.control_seeds", "seed of the technique", asked.control_seeds, asked.seeds or seeds)
    if asked.teachers and "teachers" not in rules.get("NEEDS", ()) and not rules.get("TEACHABLE"):
        problems.append(f"{place}.teachers: {name} learns from no teacher (NEEDS and TEACHABLE of {source})")
    able_to_teach = [*block.models, catalogue.REFERENCE]
    problems += _unknown(f"{place}.teachers", "model of the block", asked.teachers, able_to_teach)
    unable = [model for model in asked.models or block.models if model not in able]
    if asked.models and unable or len(unable) == len(block.models):
        needed = " or ".join(rules.get("FITS", ())) or "a network"
        problems.append(f"{place}: {name} cannot compress {', '.join(unable) or 'a block without models'}: it needs "
                        f"{needed} (FITS of {source}), which {', '.join(able) or 'no model'} can offer (CAN)")
    levels = asked.levels or rules["LEVELS"]
    return problems + _unknown(f"{place}.control_levels", "level of the block", asked.control_levels, levels)


def _check_levels(place: str, levels: list, allowed: tuple, source: str) -> list[str]:
    """Numbers may be any between the ends of LEVELS (whole ones if LEVELS are); words must be listed there."""
    if any(isinstance(level, str) for level in allowed):
        return _unknown(place, "level", levels, allowed)
    low, high, problems = min(allowed), max(allowed), []
    kinds, word = (int, "a whole number") if all(isinstance(a, int) for a in allowed) else (int | float, "a number")
    for level in levels:
        if not isinstance(level, kinds) or not low <= level <= high:
            nearest = low if isinstance(level, str) else min(allowed, key=lambda a: abs(a - level))
            problems.append(f"{place}: {level} must be {word} from {low} to {high} (LEVELS of {source}); "
                            f"nearest: {nearest}")
    return problems


def _unknown(place: str, kind: str, words: Iterable, known: Iterable) -> list[str]:
    return [f"{place}: unknown {kind} '{word}'{near(word, known)}" for word in words if word not in known]
