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

REFERENCE = "reference"  # no network, but a teacher like one: the mean of the best files of a dataset
COMMITTEE = "committee"  # the mean of small files that share a budget of bytes

def files(package: str) -> list[Path]:
    """Every Python file of a package ('codecs', 'collect/sources'), sorted."""
    return sorted((paths.PACKAGE / package).glob("*.py"))


def members(package: str, *needed: str) -> dict[str, dict]:
    """Slug -> literals of every file of a package that assigns all `needed` names; _files are no members."""
    found = {path.stem: literals(path) for path in files(package) if not path.stem.startswith("_")}
    return {slug: words for slug, words in found.items() if set(needed) <= set(words)}


def networks() -> dict[str, dict]:
    """Name -> literals of every network: its family ('nbeats'), and what it may be told beside ('nbeats@own')."""
    families, said = members("models", "WIDTHS"), literals(paths.PACKAGE / "models/information.py")
    return families | {f"{name}@{word}": own for name, own in families.items() for word in said["KNOWS"]
                       if word not in said["NEEDS"] or said["NEEDS"][word] in own.get("CAN", ())}


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


def route_keys(steps: list[dict[str, dict]]) -> dict[str, str]:
    """The keys `teachers` and `route` (paths.KEYS) of the run that takes the last of these steps; only those it has.

    steps: from dense on, {technique: {'level': 0.5, 'variant': 'l2', 'teachers': ['nbeats']}} each; teachers only where
    the technique needs them. One step is named by its notebook; a chain names all, e.g. 'channel_pruning-0.5+int8-8',
    with their teachers and with every variant that is not its technique's first.
    """
    names = [f"{technique}-{step_name(technique, did)}" for step in steps for technique, did in step.items()]
    teachers = [did.get("teachers", []) for step in steps for did in step.values()][-1]
    keys = {"teachers": "+".join(teachers), "route": "+".join(names) if len(names) > 1 else ""}
    return {key: text for key, text in keys.items() if text}


def step_name(technique: str, did: dict) -> str:
    """'0.5', '0.5-layer', '0.5-nbeats': a step's level, its variant unless that is the first, its teachers."""
    variants, level = literals(paths.PACKAGE / "compress" / f"{technique}.py")["VARIANTS"], did["level"]
    other = [did["variant"]] if did.get("variant", variants[0]) != variants[0] else []
    return "-".join([level if isinstance(level, str) else f"{level:g}", *other, *did.get("teachers", [])])


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
