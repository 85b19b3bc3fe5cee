"""Raw answers: whole units or nothing."""

import resource
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
    with pytest.raises(DataError, match="damaged.*collect again"):
        Raw(tmp_path / "raw.sqlite").keep("a", [("GET 1", "t", b"x")])
    with pytest.raises(DataError, match="damaged.*collect again"):
        Raw(tmp_path / "raw.sqlite").drop("a")


def test_a_full_disk_keeps_what_was_kept(tmp_path):
    """A limit on the size of files is how a full disk looks from inside."""
    raw = Raw(tmp_path / "raw.sqlite")
    raw.keep("a", [("GET 1", "t", b"old")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        for unit in ("a", "b"):
            with pytest.raises(DataError, match="raw.sqlite cannot be written.*Is the disk full"):
                raw.keep(unit, [("GET 1", "t", b"new" * 100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (raw.pages("a"), raw.units()) == ([b"old"], ["a"])
    raw.keep("b", [("GET 1", "t", b"new" * 100_000)])
    assert len(raw.pages("b")[0]) == 300_000


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "c").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="c/raw.sqlite cannot be written"):
        Raw(tmp_path / "c" / "raw.sqlite").keep("a", [("GET 1", "t", b"x")])


def test_units_by_prefix_take_signs_as_they_are(tmp_path):
    raw = Raw(tmp_path / "raw.sqlite")
    for unit in ("A-01 1", "A-010 1", "A-01 2", "a-01 1", "A%", "가-1"):
        raw.keep(unit, [("GET", "t", b"x")])
    assert raw.units("A-01 ") == ["A-01 1", "A-01 2"]
    assert (raw.units("A%"), raw.units("가"), raw.units("B")) == (["A%"], ["가-1"], [])
