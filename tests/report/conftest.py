import pytest


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    return tmp_path
