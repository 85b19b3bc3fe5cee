"""The words of a report: a folder of templates per language, and how numbers and names are written in them.

A paragraph is a template `<name>.md.j2` on the facts of the same name, without arithmetic; whatever stands in a table,
at a figure or in the place of one is a line of `tables.yaml`. A name that facts or words lack is an error.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from re import sub

import jinja2
import numpy as np
import pandas as pd
import yaml
from IPython.display import Markdown

from litecast import catalogue, results
from litecast.figures.style import called, share
from litecast.results import claims, places
from litecast.results.statistics import MARGIN, MARGINS, PROVEN

LANGUAGE = "en"  # the folder that is read; plurals and lists below are English
FOLDER = Path(__file__).parent
MOST = 6  # names in one sentence


def told(name: str, facts: Mapping) -> Markdown:
    """The paragraph of that name as Markdown. A template's line that is indented goes on with the line before.

    Raises jinja2.TemplateNotFound for an unknown one, jinja2.UndefinedError for a fact that is not there.
    """
    text = environment(LANGUAGE).get_template(f"{name}.md.j2").render(facts, facts=facts)
    return Markdown(sub(r"\n\s*\n(?=- )", "\n", sub(r" *\n +| {2,}", " ", text)).strip())


def phrase(part: str, name: str, **given) -> str:
    """A line of tables.yaml: of `captions`, `cells`, `instead` or `labels`. Raises KeyError for an unknown one."""
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
    hows = (percent, short, fixed, count, way, name, called, title, share, names, listed, runtime, said, control)
    made.filters |= {how.__name__: how for how in hows} | {
        "cell": lambda code: phrase("cells", code), "label": lambda row: phrase("labels", "row", **row),
        "size": lambda row: phrase("labels", "size", **row),
        "phrase": lambda name, part: phrase(part, name), "case": lambda group: phrase("cases", group["what"], **group),
        "group": lambda value: phrase("labels", "group", value=value)}  # fmt: skip
    made.tests["known"] = lambda value: value is not None and bool(np.isfinite(value))
    made.globals |= {"BUDGETS": results.BUDGETS_KB, "NEAR": results.NEAR_BEST, "NEAR_WIDTH": results.NEAR_WIDTH,
                     "MARGIN": MARGIN, "MARGINS": MARGINS, "PROVEN": PROVEN, "MOST": MOST, "LONGER": results.LONGER,
                     "REFERENCE": results.REFERENCE, "LIMITS": claims.LIMITS}
    return made


@cache
def phrases(language: str) -> dict[str, dict[str, str]]:
    """Part of tables.yaml -> name -> its template's text. A column is 'heading', or [heading, template of a value]."""
    made = yaml.safe_load((FOLDER / language / "tables.yaml").read_text(encoding="utf-8"))
    both = {name: [text, "{{ value }}"] if isinstance(text, str) else text for name, text in made["columns"].items()}
    made["headings"], made["columns"] = ({name: pair[part] for name, pair in both.items()} for part in (0, 1))
    return made


def percent(value: float, digits: int | None = None, sign: str = "") -> str:
    """With so many digits after the point, else three or so; sign '+': a gain has one, too."""
    digits = (2 if abs(value) >= 0.01 else 3) if digits is None else digits
    return fixed(100 * value, f"{{:{sign}.{digits}f}}\u00a0%")


def short(value: float, unit: float = 1) -> str:
    """In so large a unit, three digits, never an exponent."""
    return fixed(value / unit, "{:.3g}" if abs(value / unit) < 1000 else "{:.0f}")


def fixed(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "–"


def count(number, noun: str, nouns: str = "") -> str:
    """'3 files', of a number, one in words, or a collection; nouns: the plural, if it is not the noun and an s."""
    number = int(number) if isinstance(number, str) else len(number) if hasattr(number, "__len__") else number
    return f"{number} " + (noun if number == 1 else nouns or f"{noun}s")


def way(route: str) -> str:
    """Steps in words: 'channel_pruning 0.5 > int8 8' -> 'channel pruning 50 % > int8 8'; also of steps with a +."""
    words = (word if word in (">", "+") else share(word) if word[:1].isdigit() else called(word)
             for word in route.split())
    return " ".join(words)


def title(text: str) -> str:
    """With a capital letter, but for a name such as int8, which is written as it is."""
    return text if any(map(str.isdigit, text.split()[0])) else text[:1].upper() + text[1:]


def name(slug: str) -> str:
    return "ARIMA" if slug == "arima" else called(slug)


def names(slugs: Iterable[str]) -> str:
    """Names in words, at most so many of them."""
    told = list(map(name, slugs))
    return ", ".join(told[:MOST]) + (f" and {len(told) - MOST} more" if len(told) > MOST else "")


def listed(values: Iterable) -> str:
    """'4, 16 and 64'."""
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last


def runtime(slug: str) -> str:
    return places.called(slug)


def said(route: str, literal: str) -> dict:
    """What the file of each technique of a route says under a literal; one that says nothing is left out."""
    known = catalogue.members("compress", "LEVELS", "VARIANTS")
    return {step: known[step][literal] for step in route.split("+") if known.get(step, {}).get(literal)}


def control(slug: str, route: str) -> str:
    """What a control is, in the words of the technique (the last of a chain) that has it; its name if none says."""
    return {k: text for known in said(route, "CONTROLS").values() for k, text in known.items()}.get(slug, called(slug))
