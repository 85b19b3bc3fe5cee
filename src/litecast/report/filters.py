"""What a reader of the page may ask for alone: a dataset, a technique. Lines of tables and figures say whose they are;
the page's script hides what belongs to another one."""

import html
import re
from collections.abc import Mapping

import pandas as pd

from litecast import catalogue
from litecast.report import words

NAMED = ("technique", "group", "order")  # columns of facts that may hold a technique, or a route of several


def keys(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Of each line its `dataset` and its `technique` (of a chain all, with a plus between them), as far as it has
    them: dense and narrow networks and whatever is fitted are everybody's references, and of no technique."""
    known, lines = catalogue.members("compress", "LEVELS", "LOOK"), []
    column = next((name for name in NAMED if name in frame), None)
    for line in frame.to_dict("records"):
        steps = [word for word in re.findall(r"\w+", str(line.get(column, ""))) if word in known]
        found = {"dataset": line.get("dataset"), "technique": "+".join(dict.fromkeys(steps))}
        lines.append({name: value for name, value in found.items() if isinstance(value, str) and value})
    return lines


def attributes(key: Mapping[str, str]) -> str:
    """HTML attributes that tell the script whose an element is."""
    return "".join(f' data-{name}="{html.escape(value)}"' for name, value in key.items())


def bar(page: str) -> str:
    """HTML of a choice of every dataset and technique that the elements of a page name, where there are several."""
    named = {name: [html.unescape(value) for value in re.findall(rf' data-{name}="([^"]*)"', page)]
             for name in ("dataset", "technique")}  # fmt: skip
    techniques = {step for value in named["technique"] for step in value.split("+")}
    options = {"dataset": {value: value for value in named["dataset"]},
               "technique": {step: words.called(step) for step in sorted(techniques)}}  # fmt: skip
    made = "".join(_choice(name, known) for name, known in options.items() if len(known) > 1)
    return f'<form class="filter" aria-label="{words.phrase("page", "filter")}">{made}</form>' if made else ""


def _choice(name: str, known: Mapping[str, str]) -> str:
    label = words.phrase("page", name)
    lines = {"": f"{label}: {words.phrase('page', 'all')}"} | dict(known)
    shown = "".join(f'<option value="{html.escape(value)}">{html.escape(text)}</option>'
                    for value, text in lines.items())  # fmt: skip
    return f'<select name="{name}" aria-label="{label}">{shown}</select>'
