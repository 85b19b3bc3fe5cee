"""Shared by all tests: one thread, no progress bars, studies in a temporary folder."""

import os
import runpy
import sys

import pytest

from litecast import paths
from litecast.running.one import ENVIRONMENT

os.environ.update(ENVIRONMENT)  # before any test imports torch


@pytest.fixture(autouse=True)
def _own_reports(tmp_path, monkeypatch):
    """Studies made by a test lie in its temporary folder."""
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path / "reports"))


@pytest.fixture
def bench(monkeypatch, capsys):
    """What `python bench/<name> ... --small` prints, run in this process: another needs seconds to import torch."""

    def told(name: str, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *words, "--small"])
        runpy.run_path(str(paths.ROOT / "bench" / name), run_name="__main__")
        return capsys.readouterr().out

    return told


@pytest.fixture(scope="module")
def few_bins():
    """Trees that cut each input into 32 bins: 255 weighted quantiles of each take seconds, however few the rows are."""
    from litecast.models.classical import boosting

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(boosting.SETTINGS, "max_bins", 32)
        yield


LONG = ["test_studies.py", "test_notebooks.py"]


def pytest_collection_modifyitems(items):
    """The longest files first: on several cores none of them may begin last. pytest-xdist would order files by their
    number of tests, of which these have few: see `make test`."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
