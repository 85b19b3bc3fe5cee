"""The words of a report: a folder per language, and how numbers and names are written in them.

A paragraph is a template `<name>.md.j2` on the facts of the same name, without arithmetic; whatever stands in a table,
at a figure or in the place of one is a line of `tables.yaml`. A name that facts or words lack is an error. The folder
is a module, too: its plurals, lists and numbers. A language other than that of the package also has `cells.yaml`, the
prose of the notebook, and `terms.yaml`, what figures, techniques and models say.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from re import compile, fullmatch, sub
from types import ModuleType

import jinja2
import numpy as np
import pandas as pd
import yaml
from IPython.display import Markdown
from matplotlib.figure import Figure

from litecast import catalogue, results
from litecast.figures import spoken, style
from litecast.report import languages
from litecast.report.languages import FIRST, FOLDER
from litecast.results import claims, places
from litecast.results.statistics import MARGIN, MARGINS, PROVEN

LANGUAGE = FIRST  # in which this process writes: `speak` chooses another
MOST = 6  # names in one sentence
BETWEEN = compile(r"(; |: |, | > | \+ | \(|\))")  # what joins names and remarks


def speak(language: str) -> None:
    """Write in that language from here on. Raises RunError, which lists those there are."""
    global LANGUAGE
    LANGUAGE = languages.checked(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Write in that language for a while."""
    before = LANGUAGE
    speak(language)
    try:
        yield
    finally:
        speak(before)


def grammar() -> ModuleType:
    """How this language writes numbers, plurals and lists."""
    return import_module(f"{__name__}.{LANGUAGE}")


def told(name: str, facts: Mapping) -> Markdown:
    """The paragraph of that name as Markdown. A template's line that is indented goes on with the line before.

    Raises jinja2.TemplateNotFound for an unknown one, jinja2.UndefinedError for a fact that is not there.
    """
    text = environment(LANGUAGE).get_template(f"{name}.md.j2").render(facts, facts=facts)
    return Markdown(sub(r"\n\s*\n(?=- )", "\n", sub(r" *\n +| {2,}", " ", text)).strip())


def phrase(part: str, name: str, **given) -> str:
    """A line of tables.yaml, by its part (`captions`, `cells`, `labels` …) and name. KeyError for an unknown name."""
    known = phrases(LANGUAGE)[part]
    if name not in known:
        raise KeyError(f"{LANGUAGE}/tables.yaml has no {name!r} under {part}{catalogue.near(name, known)}")
    return _template(LANGUAGE, known[name]).render(given)


@cache
def _template(language: str, text: str) -> jinja2.Template:
    """Made when it is first asked for: a phrase may ask for another one while it is being made."""
    return environment(language).from_string(text)


def written(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that a table of that name has, as text under their headings; one that is empty all over is left out.

    'kb:*' stands for all columns of the frame that begin so, each headed and written as `kb`; a column that the frame
    lacks is written from its whole lines.
    """
    asked = [[c for c in frame if c.startswith(column[:-1])] if column.endswith("*") else [column]
             for column in phrase("tables", name).split()]
    shown = {}
    for column in sum(asked, []):
        kind, _, part = column.partition(":")
        values = frame.get(column, frame.to_dict("records"))
        cells = [(phrase("columns", kind, value=value) if _is_there(value) else "") or "–" for value in values]
        if not cells or set(cells) != {"–"}:
            shown[phrase("headings", kind, value=part)] = cells
    return pd.DataFrame(shown, index=frame.index)


def _is_there(value) -> bool:
    return bool(value) if isinstance(value, (str, list, dict, type(None))) else not np.isscalar(value) or value == value


@cache
def environment(language: str) -> jinja2.Environment:
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER / language), undefined=jinja2.StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    hows = (percent, short, fixed, count, way, name, called, title, share, names, listed, runtime, said, control, say,
            date)
    made.filters |= {how.__name__: how for how in hows} | {
        "cell": lambda code: phrase("cells", code), "label": lambda row: phrase("labels", "row", **row),
        "size": lambda row: phrase("labels", "size", **row),
        "phrase": lambda name, part: phrase(part, name), "case": lambda group: phrase("cases", group["what"], **group),
        "group": lambda value: phrase("labels", "group", value=value)}  # fmt: skip
    made.tests["known"] = lambda value: value is not None and bool(np.isfinite(value))
    made.globals |= {"BUDGETS": results.BUDGETS_KB, "NEAR": results.NEAR_BEST, "NEAR_WIDTH": results.NEAR_WIDTH,
                     "MARGIN": MARGIN, "MARGINS": MARGINS, "PROVEN": PROVEN, "MOST": MOST, "LONGER": results.LONGER,
                     "REFERENCE": results.REFERENCE, "COMMITTEE": results.COMMITTEE, "LIMITS": claims.LIMITS}
    return made


@cache
def phrases(language: str) -> dict[str, dict[str, str]]:
    """Part of tables.yaml -> name -> its template's text. A column is 'heading', or [heading, template of a value]."""
    made = _read(language, "tables")
    both = {name: [text, "{{ value }}"] if isinstance(text, str) else text for name, text in made["columns"].items()}
    made["headings"], made["columns"] = ({name: pair[part] for name, pair in both.items()} for part in (0, 1))
    return made


@cache
def _read(language: str, name: str) -> dict:
    """A YAML file of a language; empty for one that it does not need."""
    path = FOLDER / language / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


# ---- what the package itself says in the language of its code


def say(text: str) -> str:
    """What a figure, a technique or a model says, in this language: whole, else each part of what is joined by commas
    and the like. What terms.yaml does not have is a name of somebody's own, and stays."""
    if LANGUAGE == FIRST:
        return text
    found = " ".join(text.split())
    return sub(r"(?<=\d) %", grammar().PERCENT, _said(found)) if found else text


def _said(text: str) -> str:
    known, patterns = _terms(LANGUAGE), _read(LANGUAGE, "terms")["patterns"]
    if text in known:
        return known[text]
    for pattern, put in patterns.items():
        if match := fullmatch(pattern, text):
            return put.format(*map(_said, match.groups()))
    first, *rest = BETWEEN.split(text)  # rest: what joins, what follows, and so on
    return "".join([_said(first), *(part if i % 2 == 0 else _said(part) for i, part in enumerate(rest))]
                   ) if rest else text


@cache
def _terms(language: str) -> dict[str, str]:
    """All parts of terms.yaml but the patterns, in one."""
    parts = _read(language, "terms")
    return {text: put for name, part in parts.items() if name != "patterns" for text, put in part.items()}


def drawn(figure: Figure) -> Figure:
    """The figure with its words in this language."""
    return figure if LANGUAGE == FIRST else spoken.translate(figure, say)


def cell(source: str) -> str:
    """The prose of a notebook's cell in this language; one is known by its first line."""
    return _read(LANGUAGE, "cells").get(source.partition("\n")[0].strip(), source)


def glossary() -> dict[str, str]:
    """Terms of this language and those of the package's; empty for the latter."""
    return _read(LANGUAGE, "glossary")


# ---- numbers and names


def percent(value: float, digits: int | None = None, sign: str = "") -> str:
    """With so many digits after the point, else three or so; sign '+': a gain has one, too."""
    digits = (2 if abs(value) >= 0.01 else 3) if digits is None else digits
    return fixed(100 * value, f"{{:{sign}.{digits}f}}{grammar().PERCENT}")


def short(value: float, unit: float = 1) -> str:
    """In so large a unit, three digits, never an exponent."""
    return fixed(value / unit, "{:.3g}" if abs(value / unit) < 1000 else "{:.0f}")


def fixed(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"


def count(number, *noun: str) -> str:
    """'3 files', of a number, one in words, or a collection; noun: as the language counts."""
    number = int(number) if isinstance(number, str) else len(number) if hasattr(number, "__len__") else number
    return grammar().count(number, *noun)


def way(route: str) -> str:
    """Steps in words: 'channel_pruning 0.5 > int8 8' -> 'channel pruning 50 % > int8 8'; also of steps with a +."""
    words = (word if word in (">", "+") else share(word) if word[:1].isdigit() else called(word)
             for word in route.split())
    return " ".join(words)


def share(level: str) -> str:
    """A level between 0 and 1 in percent, any other as it is."""
    return say(style.share(level))


def called(slug: str) -> str:
    """A technique, chain or model in words."""
    return say(style.called(slug))


def name(slug: str) -> str:
    return "ARIMA" if slug == "arima" else called(slug)


def title(text: str) -> str:
    """A name as a heading has it."""
    return grammar().title(text)


def date(day: str) -> str:
    return grammar().date(day)


def names(slugs: Iterable[str]) -> str:
    """Names in words, at most so many of them."""
    told = list(map(name, slugs))
    return grammar().shortened(told[:MOST], max(0, len(told) - MOST))


def listed(values: Iterable) -> str:
    """'4, 16 and 64'."""
    return grammar().listed(list(map(str, values)))


def runtime(slug: str) -> str:
    return say(places.called(slug))


def said(route: str, literal: str) -> dict:
    """What the file of each technique of a route says under a literal; one that says nothing is left out."""
    known = catalogue.members("compress", "LEVELS", "VARIANTS")
    found = {step: known[step][literal] for step in route.split("+") if known.get(step, {}).get(literal)}
    return {step: say(text) if isinstance(text, str) else text for step, text in found.items()}


def control(slug: str, route: str) -> str:
    """What a control is, in the words of the technique (the last of a chain) that has it; its name if none says."""
    told = {k: text for known in said(route, "CONTROLS").values() for k, text in known.items()}
    return say(told[slug]) if slug in told else called(slug)
