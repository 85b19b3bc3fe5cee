"""The lock, pyproject.toml, environment.yml and the Makefile speak of the same environment."""

import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from litecast.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"],
            *PROJECT["project"]["optional-dependencies"]["dev"]]


@pytest.fixture(scope="module")
def lock() -> dict[str, str]:
    """Name -> version of requirements.lock; every line must be exactly that."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.!]*)", line) for line in lines]
    assert pairs and all(pairs), "requirements.lock holds name==version lines only, without hashes and local versions"
    return {canonicalize_name(pair[1]): pair[2] for pair in pairs}


@pytest.mark.parametrize("text", DECLARED)
def test_the_lock_satisfies_every_dependency(lock, text):
    wanted = Requirement(text)
    assert canonicalize_name(wanted.name) in lock, f"{wanted.name} is missing: run `make lock`"
    assert wanted.specifier.contains(lock[canonicalize_name(wanted.name)], prereleases=True)


def test_the_lock_pins_torch_and_no_sister_of_it(lock):
    assert lock["torch"] == "2.13.0"
    assert not {"torchvision", "torchaudio"} & set(lock)
    assert not [name for name in lock if name.startswith(("nvidia-", "triton"))], "CUDA wheels are one platform's"


def test_environment_yml_installs_the_lock_on_the_python_of_the_makefile():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    python = re.search(r"version_info\[:2\] != \((\d), (\d+)\)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert listed == [f"python={python[1]}.{python[2]}", "pip", {"pip": ["-r requirements.lock"]}]
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(f"{python[1]}.{python[2]}")


def test_every_dependency_says_who_needs_it():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.")[0]
    lines = [line for line in text.splitlines() if re.match(r'\s+"[A-Za-z0-9_.-]+([<>=~!].*)?",', line)]
    assert len(lines) == len(DECLARED) - len(PROJECT["build-system"]["requires"])
    assert [line for line in lines if not re.search(r'",\s+# \S+', line)] == []


def test_make_help_lists_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()
    shown = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert {"report", "quick", "test", "lab", "audit", "bench", "lock", "clean", "help"} <= set(targets)
    assert [target for target in targets if f"make {target} " not in shown] == []


def test_no_python_is_told_plainly(tmp_path):
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    ran = subprocess.run(["make", "-f", str(ROOT / "Makefile"), "report", "PYTHON="], cwd=tmp_path, capture_output=True,
                         text=True)
    assert ran.returncode != 0 and "litecast needs Python 3.11" in ran.stderr
    assert not (tmp_path / ".venv").exists()
