"""A module imports from the floors below its own, in no circle; what is found by its file is found in one place."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from litecast import paths


def linted(source: Path) -> subprocess.CompletedProcess:
    """import-linter with the contracts of pyproject.toml, over the package in that folder."""
    command = [Path(sys.executable).with_name("lint-imports"), paths.ROOT / "pyproject.toml", "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=source, env=os.environ | {"PYTHONPATH": str(source)}, capture_output=True,
                          text=True)  # fmt: skip


def test_a_module_imports_from_the_floors_below_only():
    found = linted(paths.PACKAGE.parent)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 kept, 0 broken" in found.stdout


@pytest.mark.parametrize(("file", "text", "said"), [
    ("planning/plan.py", "def late():\n    from litecast.results import rows\n",
     "litecast.planning is not allowed to import litecast.results"),
    ("newcomer/__init__.py", "", "newcomer"),
    ("planning/study.py", "from litecast.planning import plan\n", "No circles among the modules of a package BROKEN"),
], ids=["upwards, in a function", "a package without a floor", "a circle"])  # fmt: skip
def test_what_breaks_the_order_is_seen(tmp_path, file, text, said):
    shutil.copytree(paths.PACKAGE, tmp_path / "litecast", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "litecast" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")
    found = linted(tmp_path)
    assert found.returncode != 0 and said in found.stdout, found.stdout + found.stderr


@pytest.mark.parametrize(("pattern", "instead"), [
    (r"\bFAMILIES\b", "a technique's FITS and a model's CAN"),
    (r"[!=]= ?[\"']onnx[\"']", "results.own: rows whose copy_of is empty"),
    (r"glob\([^)]*\.py[\"']\)|\bpkgutil\b|\biter_modules\b", "catalogue.members"),
])
def test_a_decision_has_one_home(pattern, instead):
    found = [f"{path.relative_to(paths.ROOT)}:{number}: {line.strip()}"
             for path in sorted(paths.PACKAGE.rglob("*.py")) if path != paths.PACKAGE / "catalogue.py"
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
             if re.search(pattern, line)]  # fmt: skip
    assert not found, f"use {instead}:\n" + "\n".join(found)
