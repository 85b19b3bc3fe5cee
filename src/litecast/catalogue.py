"""What is found by its file, never registered: members of packages, their literals, notebooks; the nearest known word.

Everything is read from the text and nothing is imported: planning needs neither torch nor pandas, and collectors under
32-bit Python have neither.
"""

import ast
import difflib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from litecast import paths
from litecast.errors import StudyError


def members(package: str, *needed: str) -> dict[str, dict]:
    """Slug -> literals of every file of a package ('compress', 'collect/sources') that assigns all `needed` names."""
    files = sorted((paths.PACKAGE / package).glob("[!_]*.py"))
    found = {path.stem: literals(path) for path in files}
    return {slug: words for slug, words in found.items() if set(needed) <= set(words)}


def literals(path: Path) -> dict:
    """Name -> value of every literal assigned at the top of a Python file, e.g. {'WIDTHS': (8, 16, 32, 64)}.

    Raises StudyError when the file is not Python.
    """
    try:
        return dict(_literals(Path(path).read_text(encoding="utf-8")))
    except SyntaxError as error:
        raise StudyError(f"{path}: line {error.lineno} is not Python: {error.msg}") from error


def notebooks() -> dict[str, Path]:
    """Name without its number -> notebook: 200_classical.ipynb is called 'classical'. StudyError if two share one."""
    found = {}
    for path in sorted(paths.NOTEBOOKS.glob("[0-9][0-9][0-9]_*.ipynb")):
        other = found.setdefault(path.stem.partition("_")[2], path)
        if other != path:
            raise StudyError(f"{path} and {other} have the same name: rename one")
    return found


def notebook(name: str) -> Path:
    """The notebook of that name; StudyError with the nearest one if there is none."""
    known = notebooks()
    if name not in known:
        raise StudyError(f"notebooks/ has no NNN_{name}.ipynb{near(name, known)}")
    return known[name]


def near(word, known: Iterable) -> str:
    """'; did you mean 'x'?' or '; known: …'."""
    close = difflib.get_close_matches(str(word), [str(k) for k in known], 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(map(str, known)) or 'none'}"


def assigned(node: ast.stmt) -> list[str]:
    """Plain names that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


@cache
def _literals(text: str) -> dict:
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            try:
                found |= dict.fromkeys(assigned(node), ast.literal_eval(node.value))
            except (ValueError, TypeError):
                continue
    return found
