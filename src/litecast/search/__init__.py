"""Searches, found by their file: what each proposes next, given what it has seen. None knows what it searches for.

A search is `search/<name>.py` with `propose(space, goal, draw)`, a generator that yields points of a `Space` and is
sent what each came to (`Tried`), and the literal SEARCH: what it is, in words. `run` asks it until it stops or the
purse is empty. Since a generator depends on nothing but its draw and what it is sent, a search that was killed is
asked again and sent what is on its trail: it ends where it would have ended; and on a table of all points it can be
replayed for free, as often as one likes.
"""

import importlib

from litecast import catalogue
from litecast.errors import StudyError
from litecast.search.space import Knob, Point, Space
from litecast.search.trail import Goal, Purse, Trail, Tried, run

__all__ = ["Goal", "Knob", "Point", "Purse", "Space", "Trail", "Tried", "module", "names", "run"]


def names() -> list[str]:
    """Slugs of all searches: the files that say what they are."""
    return list(catalogue.members("search", "SEARCH"))


def module(name: str):
    """The module of a search; StudyError if there is none."""
    if name not in names():
        raise StudyError(f"search '{name}' is unknown{catalogue.near(name, names())}")
    return importlib.import_module(f"litecast.search.{name}")
