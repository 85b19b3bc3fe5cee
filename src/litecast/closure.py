"""What a run is made of: the literals of a module and the files a notebook imports, read from the text, never imported.

Three packages find their members by file, so an import of the package alone does not say which file a run uses:
`models` adds the run's model, `data` the source module of the run's dataset, `codecs` all of them.
"""

import ast
import hashlib
import json
import re
from functools import cache
from pathlib import Path

from litecast import paths
from litecast.errors import StudyError

# Package -> literal that marks a member found by its file ("" = every member is one).
DISCOVERED = {"models": "WIDTHS", "data": "DATASETS", "codecs": ""}


def literals(path: Path) -> dict:
    """Name -> value of every literal assigned at the top of a Python file, e.g. {'WIDTHS': (8, 16, 32, 64)}.

    Raises StudyError when the file is not Python.
    """
    try:
        return dict(_literals(Path(path).read_text(encoding="utf-8")))
    except SyntaxError as error:
        raise StudyError(f"{path}: line {error.lineno} is not Python: {error.msg}") from error


def closure(notebook: Path, params: dict | None = None, lock: dict | None = None) -> list[Path]:
    """The package files that a notebook with these parameters may execute, sorted.

    Static: the imports of its code cells, followed through the package. lock: dataset asked for -> entry of data.lock
    (a file of one's own is known by its source 'files').
    """
    chosen = _chosen(params or {}, lock or {})
    found, waiting = set(), [_targets(name) for name in _imported(notebook)]
    while waiting:
        files, package = waiting.pop()
        for path in files | (_members(package, chosen) if package else set()):
            if path not in found:
                found.add(path)
                waiting += _followed(path)
    return sorted(found)


def digest(notebook: Path, files: list[Path]) -> str:
    """sha256 over the notebook's cells and the bytes of its closure. Outputs and counters of cells do not matter."""
    body = _notebook(notebook)["cells"]
    cells = [[c["cell_type"], "".join(c["source"]), c.get("metadata", {}).get("tags", [])] for c in body]
    parts = [[str(path.relative_to(paths.ROOT)), sha256(path)] for path in files]
    return hashed([cells, parts])


def hashed(value) -> str:
    """sha256 of anything JSON-able."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256(path: Path) -> str:
    """sha256 of a file's bytes; '' where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def parameters(notebook: Path) -> set[str]:
    """Names assigned in the cell tagged 'parameters'; empty without such a cell."""
    tagged = [c for c in _notebook(notebook)["cells"] if "parameters" in c.get("metadata", {}).get("tags", [])]
    return {name for cell in tagged[:1] for node in ast.parse("".join(cell["source"])).body for name in _assigned(node)}


def notebook_code(notebook: Path) -> str:
    """The code cells as one text, without magics and shell lines."""
    cells = ["".join(c["source"]) for c in _notebook(notebook)["cells"] if c["cell_type"] == "code"]
    return re.sub(r"^\s*[%!].*$", "", "\n".join(cells), flags=re.M)


def third_party(files: list[Path]) -> set[str]:
    """Dotted names of what notebooks and package files import from outside the package: what is worth warming up."""
    names = {name for path in files for name in _imported(path)}
    return {name for name in names if name.split(".")[0] != "litecast"}


def source_module(dataset: str, lock: dict | None = None) -> Path:
    """The file of `data/` that holds a dataset: the one that lists it in DATASETS, files.py for one's own."""
    entries = [e for asked, e in (lock or {}).items() if dataset in (asked, e.get("name")) and "source" in e]
    if entries and entries[0]["source"] == "files":
        return paths.PACKAGE / "data" / "files.py"
    for path in sorted((paths.PACKAGE / "data").glob("*.py")):
        if dataset in literals(path).get("DATASETS", ()):
            return path
    return paths.PACKAGE / "data" / "files.py"


def _chosen(params: dict, lock: dict) -> dict[str, Path]:
    """Package -> the one member a run uses; absent where it may use any."""
    chosen = {}
    if params.get("model"):
        chosen["models"] = paths.PACKAGE / "models" / f"{params['model']}.py"
    if params.get("dataset"):
        chosen["data"] = source_module(params["dataset"], lock)
    return chosen


def _members(package: str, chosen: dict[str, Path]) -> set[Path]:
    if package in chosen:
        return {chosen[package]} if chosen[package].is_file() else set()
    return {path for path in (paths.PACKAGE / package).glob("*.py") if _is_member(package, path)}


def _is_member(package: str, path: Path) -> bool:
    if path.name == "__init__.py":
        return False
    mark = DISCOVERED[package]
    return not mark or mark in literals(path) or (package == "data" and path.name == "files.py")


def _followed(path: Path) -> list[tuple[set[Path], str]]:
    """Targets of the imports in one file. A package's __init__ names its members only to offer them: left out."""
    package = path.parent.name
    targets = [_targets(name) for name in _imported(path)]
    if path.name != "__init__.py" or not DISCOVERED.get(package):
        return targets
    return [({f for f in files if f.parent != path.parent or not _is_member(package, f)},
             "" if within == package else within) for files, within in targets]


@cache
def _targets(dotted: str) -> tuple[set[Path], str]:
    """Files that `import dotted` executes, and the discovering package if the name stops at one ('' otherwise)."""
    words = dotted.split(".")
    if words[0] != "litecast":
        return set(), ""
    here, files = paths.PACKAGE, {paths.PACKAGE / "__init__.py"}
    for i, word in enumerate(words[1:]):
        if (here / word / "__init__.py").is_file():
            here = here / word
            files = files | {here / "__init__.py"}
        elif (here / f"{word}.py").is_file():
            return files | {here / f"{word}.py"}, ""
        else:
            return files, here.name if i and here.name in DISCOVERED else ""
    return files, here.name if here.name in DISCOVERED else ""


def _package(path: Path) -> str:
    """Dotted name of the package a file lies in: what its relative imports start from."""
    return ".".join(["litecast", *path.relative_to(paths.PACKAGE).parent.parts])


def _imported(path: Path) -> list[str]:
    """Dotted names that a notebook or a package file imports, sorted; none of any other file."""
    if path.suffix == ".ipynb":
        return sorted(_imports(notebook_code(path), ""))
    return sorted(_imports(path.read_text(encoding="utf-8"), _package(path))) if path.suffix == ".py" else []


@cache
def _imports(text: str, package: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def _literals(text: str) -> dict:
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            try:
                value = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError):
                continue
            found.update({name: value for name in _assigned(node)})
    return found


def _assigned(node: ast.stmt) -> list[str]:
    """Plain names that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _notebook(path: Path) -> dict:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} is not a notebook: {error}") from error
