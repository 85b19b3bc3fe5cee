"""Every notebook is built the same way, is stored clean, and runs by itself in an ordinary kernel."""

import ast
import os
import re
import subprocess
import sys

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from litecast import catalogue, paths

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# What the first digit of a name says, and what its notebooks are called.
STAGES = {"1": r"collect_\w+", "2": "classical|deep|compact|published|ensemble|reference|committee", "3": r"\w+",
          "4": r"\w+", "5": "timing|devices", "6": "compare|techniques", "7": "report"}  # fmt: skip
REPORT = "_report"  # no story of its own: its headings are those of the page, each over several tables
MANY_LINES, MANY_CELLS = 15, 25
TYPES = {"str": str, "int": int, "float": float, "list": list, "bool": bool}


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_parameters(cell) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def section(notebook, title: str) -> list:
    """The cells below a heading."""
    start = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith(f"## {title}"))
    return notebook.cells[start + 1 :]


@EACH
def test_stored_without_outputs_for_the_ordinary_kernel(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"
    for cell in code(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.source
        assert not {"papermill", "execution"} & set(cell.metadata)


@EACH
def test_begins_with_one_title_and_its_intent(path):
    first, *others = read(path).cells
    assert first.cell_type == "markdown"
    lines = first.source.splitlines()
    assert lines[0].startswith("# ")
    assert 3 <= sum(line.startswith("- ") for line in lines) <= 5
    titles = [line for cell in others if cell.cell_type == "markdown" for line in cell.source.splitlines()
              if line.startswith("# ")]  # fmt: skip
    assert titles == []


@EACH
def test_parameters_are_typed_literals_with_a_comment_each(path):
    notebook = read(path)
    tagged = [i for i, cell in enumerate(notebook.cells) if is_parameters(cell)]
    assert tagged == [1], "one parameters cell, right below the title"
    source = notebook.cells[1].source
    for node, line in zip(ast.parse(source).body, source.splitlines(), strict=True):  # one line each, nothing else
        assert isinstance(node, ast.AnnAssign), line
        value = ast.literal_eval(node.value)
        assert isinstance(value, TYPES[node.annotation.id]), line
        assert re.search(r"\S  # \S.{4,}", line), f"no comment that says what it is: {line}"
    assert next(iter(ast.parse(source).body)).target.id == "study"


@EACH
def test_papermill_understands_every_parameter(path, caplog):
    """It reads the cell line by line; what it cannot read it calls unknown and goes on."""
    declared = {node.target.id for node in ast.parse(read(path).cells[1].source).body}
    assert set(papermill.inspect_notebook(str(path))) == declared and not caplog.records


@EACH
def test_cells_are_few_and_short_and_each_is_announced(path):
    notebook = read(path)
    assert len(code(notebook)) <= MANY_CELLS
    for above, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code":
            assert is_parameters(cell) or 1 <= len(cell.source.splitlines()) <= MANY_LINES, cell.source
            said = above.cell_type == "markdown" or is_parameters(cell) or path.stem.endswith(REPORT)
            assert said, f"nothing says why: {cell.source}"


@EACH
def test_the_package_does_the_work(path):
    nodes = [node for cell in code(read(path)) for node in ast.walk(ast.parse(cell.source))]
    assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assert any(isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "litecast" for node in nodes)


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if not path.stem.endswith(REPORT)], ids=lambda p: p.stem)
def test_ends_with_what_we_saw_computed_from_the_run(path):
    cells = section(read(path), "What we saw")
    assert [cell.cell_type for cell in cells] == ["code"]
    shown = ast.parse(cells[0].source).body[-1]
    named = {node.id for node in ast.walk(shown) if isinstance(node, ast.Name)} - {"Markdown", "print", "display"}
    assert isinstance(shown, ast.Expr) and named, "the last section shows something computed"


def test_the_number_of_a_notebook_is_its_stage():
    names = [path.stem for path in NOTEBOOKS]
    assert len({name[:3] for name in names}) == len(names), "two notebooks have one number"
    assert len({name[4:] for name in names}) == len(names), "two notebooks have one name"
    for name in names:
        assert re.fullmatch(rf"{name[0]}\d\d_({STAGES[name[0]]})", name)
    techniques = {name[4:] for name in names if name[0] in "34"}
    assert techniques == set(catalogue.members("compress", "LEVELS", "VARIANTS"))


SHARED = 1 / 3  # of a notebook's code lines may stand in another one


@pytest.mark.parametrize("stage", ["2", "3"])
def test_two_thirds_of_a_notebook_are_its_own(stage):
    """Lines of code, without parameters and imports, that also stand in a notebook of the same stage."""
    lines = {path.stem: [line.strip() for cell in code(read(path)) if not is_parameters(cell)
                         for line in cell.source.splitlines()
                         if line.strip() and not line.strip().startswith(("import ", "from "))]
             for path in NOTEBOOKS if path.stem.startswith(stage)}  # fmt: skip
    for name, own in lines.items():
        others = {line for other, theirs in lines.items() if other != name for line in theirs}
        pasted = [line for line in own if line in others]
        assert len(pasted) <= SHARED * len(own), (name, pasted)


def run(path):
    """Execute a notebook as JupyterLab does: its own defaults, its own folder, a kernel of its own."""
    notebook = read(path)
    place = {"metadata": {"path": path.parent}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    return notebook


def told(path) -> str:
    """What a notebook that runs by itself says that it saw; it leaves rows behind."""
    said = section(run(path), "What we saw")[0].outputs[-1].data["text/markdown"]
    assert list(paths.study_dir("quick").glob(f"runs/{path.stem}/*/results.csv"))
    return said


@pytest.mark.parametrize("stage", ["110_collect_stocks", "210_deep", "320_int8"])
def test_runs_by_itself(stage):
    assert re.search(r"\d", told(paths.NOTEBOOKS / f"{stage}.ipynb"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder of a finished quick study."""
    reports = tmp_path_factory.mktemp("reports")
    words = [sys.executable, "-m", "litecast.running.make", str(paths.PARAMS / "quick.yaml")]
    subprocess.run(words, env=os.environ | {"LITECAST_REPORTS": str(reports)}, check=True)
    return reports


@pytest.mark.notebooks
@EACH
def test_each_runs_by_itself_in_a_study(path, quick, monkeypatch):
    """`make test-notebooks`: with the defaults of its parameters cell, beside what `make quick` made."""
    monkeypatch.setenv("LITECAST_REPORTS", str(quick))
    run(path)


def test_what_needs_a_study_says_what_to_do_first():
    with pytest.raises(CellExecutionError) as caught:
        run(paths.NOTEBOOKS / "600_compare.ipynb")
    assert caught.value.ename == "RunError"
    assert re.match(r"There is no study 'quick' in .*: run `make quick` first", caught.value.evalue)
