"""Shared by all tests: one thread, no progress bars, studies in a temporary folder."""

import os

import pytest

from litecast.running.one import ENVIRONMENT

os.environ.update(ENVIRONMENT)  # before any test imports torch


@pytest.fixture(autouse=True)
def _own_reports(tmp_path, monkeypatch):
    """Studies made by a test lie in its temporary folder."""
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path / "reports"))


def pytest_collection_modifyitems(items):
    """The studies first: on several cores the longest file must not begin last."""
    items.sort(key=lambda item: item.path.name != "test_studies.py")
