"""What a run is made of: the literals of a module and the files a notebook imports, read from the text, never imported.

Some packages find their members by file, so an import of the package alone does not say which file a run uses: `models`
adds the run's model and its teachers, `data` the module of the run's dataset, `codecs` and `runtimes` all of them.
Techniques are imported by name.
"""

import ast
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from litecast import catalogue, paths
from litecast.errors import StudyError
from litecast.files import hashed, sha256

DISCOVERED = ("models", "data", "codecs", "runtimes")


def closure(notebook: Path, params: dict) -> list[Path]:
    """The package files that a notebook with these parameters may execute, sorted: its imports, followed."""
    members = _members(params)
    found, names, waiting = set(), set(), [notebook]
    while waiting:
        more = _imported(waiting.pop()) - names
        names |= more
        for name in more:
            files, package = _targets(paths.PACKAGE, name)
            new = (files | members.get(package, set())) - found
            found |= new
            waiting += new
    return sorted(found)


def digest(notebook: Path, files: list[Path]) -> str:
    """sha256 over the notebook's cells and the bytes of its closure. Outputs and counters of cells do not matter."""
    made_of = [[str(path.relative_to(paths.ROOT)), _sha256(*_as_it_is(path))] for path in files]
    return hashed([_cells(notebook), made_of])


def content(path: Path) -> str:
    """sha256 of a file's bytes; '' where there is no file."""
    return _sha256(*_as_it_is(path)) if path.is_file() else ""


def parameters(notebook: Path) -> frozenset[str]:
    """Names assigned in the cell tagged 'parameters'; empty without such a cell."""
    return _parameters(*_as_it_is(notebook))


@cache
def _parameters(notebook: Path, date: int, size: int) -> frozenset[str]:
    tagged = [source for _, source, tags in _cells(notebook) if "parameters" in tags]
    return frozenset(name for source in tagged[:1] for node in ast.parse(source).body
                     for name in catalogue.assigned(node))  # fmt: skip


def third_party(files: list[Path]) -> set[str]:
    """Dotted names of what notebooks and package files import from outside the package: what is worth warming up."""
    return {name for path in files for name in _imported(path) if name.split(".")[0] != "litecast"}


def _members(params: dict) -> dict[str, set[Path]]:
    """Package -> the members a run uses. A dataset that no module lists is one's own file or was collected."""
    members = {package: set(catalogue.files(package)) for package in DISCOVERED}
    names, teachers = {}, params.get("teachers") or []
    if params.get("model"):
        names["models"] = [name.partition("@")[0] for name in
                           (params["model"], *(teachers.split("+") if isinstance(teachers, str) else teachers))]
    if params.get("dataset"):
        listed = catalogue.members("data", "DATASETS").items()
        own = [slug for slug, words in listed if params["dataset"] in words["DATASETS"]]
        names["data"] = own or ["files", "store"]
    return members | {package: {path for path in members[package] if path.stem in names[package]} for package in names}


@cache
def _targets(root: Path, dotted: str) -> tuple[set[Path], str]:
    """Files that `import dotted` executes, and the sub-package if the name stops at one ('' otherwise)."""
    package, *words = dotted.split(".")
    if package != "litecast":
        return set(), ""
    here, files = root, {root / "__init__.py"}
    for word in words:
        if (here / f"{word}.py").is_file():
            return files | {here / f"{word}.py"}, ""
        if not (here / word / "__init__.py").is_file():  # a name that the package defines
            break
        here = here / word
        files = files | {here / "__init__.py"}
    return files, here.name


def _as_it_is(path: Path) -> tuple[Path, int, int]:
    """A file with its date and size: what is read of it holds for these, so a plan reads each file once."""
    try:
        at = path.stat()
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from error
    return path, at.st_mtime_ns, at.st_size


@cache
def _sha256(path: Path, date: int, size: int) -> str:
    return sha256(path)


def _imported(path: Path) -> frozenset[str]:
    """Dotted names that a notebook or a package file imports; none of any other file."""
    return _imported_by(*_as_it_is(path))


@cache
def _imported_by(path: Path, date: int, size: int) -> frozenset[str]:
    if path.suffix == ".ipynb":
        code = "\n".join(source for kind, source, _ in _cells(path) if kind == "code")
        return _imports(re.sub(r"^\s*[%!].*$", "", code, flags=re.M), ())  # no magics
    package = ("litecast", *path.relative_to(paths.PACKAGE).parent.parts) if path.suffix == ".py" else ()
    return _imports(path.read_text(encoding="utf-8"), package) if package else frozenset()


@cache
def _imports(text: str, package: tuple[str, ...]) -> frozenset[str]:
    """Names imported anywhere in a text; package: what its relative imports start from."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            names |= {".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names}
    return frozenset(names)


def _cells(notebook: Path) -> list[list]:
    """[type, text, tags] of each cell."""
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError) as error:
        raise StudyError(f"{notebook} is not a notebook: {error}") from error
    return [[cell["cell_type"], "".join(cell["source"]), cell.get("metadata", {}).get("tags", [])] for cell in cells]


def settings(stage: str, names: Mapping) -> SimpleNamespace:
    """What the parameters cell of a notebook declares, by the values it has now. names: its globals()."""
    return SimpleNamespace(**{name: names[name] for name in parameters(catalogue.notebook(stage))})
