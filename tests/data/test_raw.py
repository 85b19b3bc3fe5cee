"""Raw answers: whole units or nothing."""

import sqlite3

import pytest

from litecast.data.raw import Raw
from litecast.errors import DataError


def test_units_come_back_as_they_were(tmp_path):
    raw = Raw(tmp_path / "c" / "raw.sqlite")
    assert (raw.pages("a"), raw.units(), raw.time("a")) == (None, [], "")
    assert not (tmp_path / "c").exists(), "asking writes nothing"
    raw.keep("b", [("GET 1", "t1", b"one"), ("GET 2", "t2", b"\x00two")])
    raw.keep("a", [("GET 3", "t3", b"three")])
    assert raw.pages("b") == [b"one", b"\x00two"]
    assert (raw.requests("b"), raw.time("b")) == (["GET 1", "GET 2"], "t1")
    assert (raw.units(), raw.units("b")) == (["a", "b"], ["b"])
    raw.keep("b", [("GET 1", "t4", b"new")])
    assert raw.pages("b") == [b"new"]
    raw.drop("b")
    assert raw.pages("b") is None


def test_a_unit_that_breaks_off_leaves_the_old_one(tmp_path):
    raw = Raw(tmp_path / "raw.sqlite")
    raw.keep("a", [("GET 1", "t", b"old")])
    with pytest.raises((TypeError, sqlite3.Error)):
        raw.keep("a", [("GET 1", "t", b"new"), ("GET 2", "t", None)])
    assert raw.pages("a") == [b"old"]
    with pytest.raises(DataError, match="no answer to keep"):
        raw.keep("a", [])


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / "raw.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(DataError, match="damaged.*collect again"):
        Raw(tmp_path / "raw.sqlite").pages("a")
