"""The checked frame of an own file: the same as reading it, read once, and never trusted where anything has changed."""

import json

import numpy as np
import pandas as pd
import pytest

from litecast import data, paths
from litecast.data import checked, files
from litecast.errors import DataError, WriteError


@pytest.fixture
def entry(tmp_path):
    """The entry of data.lock of a CSV of two series, one of them called with every sign."""
    path = tmp_path / "판매 $량.csv"
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    values = {'a "b" <c> $': np.arange(500.0), "나": [np.nan, *np.linspace(0.1, 1e9, 499)]}
    pd.DataFrame(values, index=times).to_csv(path, index_label="time")
    return {"name": "shop"} | files.locate(path)


def locked(entry, study="s"):
    paths.study_dir(study).mkdir(parents=True, exist_ok=True)
    (paths.study_dir(study) / "data.lock").write_text(json.dumps({"shop": entry}), encoding="utf-8")


def counted(monkeypatch):
    """Paths that the reader of own files is asked to read from now on."""
    asked, whole = [], files.read
    monkeypatch.setattr(files, "read", lambda path: asked.append(path) or whole(path))
    return asked


def same(one, other) -> bool:
    pd.testing.assert_frame_equal(one.table, other.table)
    return one.header == other.header and one.kinds == other.kinds


def test_a_kept_frame_is_the_one_that_was_read_and_is_read_once(entry, monkeypatch):
    locked(entry)
    asked = counted(monkeypatch)
    first = data.load("shop", "s")
    assert len(asked) == 1 and first.header.name == "shop"
    assert not (paths.study_dir("s") / "frames").exists()  # a load writes nothing
    checked.keep("s", entry, first)
    for _ in range(3):
        assert same(data.load("shop", "s"), first)
    assert len(asked) == 1
    pd.testing.assert_frame_equal(data.load("shop", "s").wide(), first.wide())


@pytest.mark.parametrize("kind", ["step", "D", "MS", "trading-day"])
def test_every_kind_of_time_comes_back(tmp_path, kind):
    path = tmp_path / "a.csv"
    index = np.arange(800) if kind == "step" else pd.date_range("2024-01-01", periods=800,
                                                                freq={"trading-day": "B"}.get(kind, kind))  # fmt: skip
    pd.DataFrame({"v": np.random.default_rng(0).random(800)}, index).to_csv(path, index_label="time")
    entry = {"name": "a"} | files.locate(path)
    read = checked.frame("s", entry)
    checked.keep("s", entry, read)
    assert (paths.study_dir("s") / "frames" / "a.parquet").exists()
    assert same(checked.frame("s", entry), read) and read.header.frequency == kind


def test_a_changed_file_is_read_again_or_refused(entry, monkeypatch):
    checked.keep("s", entry, checked.frame("s", entry))
    asked = counted(monkeypatch)
    with open(entry["path"], "a") as file:
        file.write("2024-01-21 20:00,7,7\n")
    locked(entry)
    with pytest.raises(DataError, match="changed since this study was planned"):
        data.load("shop", "s")
    fresh = {"name": "shop"} | files.locate(entry["path"])
    frame = checked.frame("s", fresh)
    assert len(asked) == 1 and len(frame.table) == 1002
    checked.keep("s", fresh, frame)
    assert len(checked.frame("s", fresh).table) == 1002 and len(asked) == 1


def test_an_edited_reader_and_another_name_read_again(entry, monkeypatch):
    checked.keep("s", entry, checked.frame("s", entry))
    asked = counted(monkeypatch)
    assert checked.frame("s", entry | {"name": "other"}).header.name == "other" and len(asked) == 1
    monkeypatch.setattr(checked, "_reader", lambda: "edited")
    checked.frame("s", entry)
    assert len(asked) == 2


def test_the_reader_s_digest_follows_its_code(tmp_path, monkeypatch):
    before = checked._reader.__wrapped__()
    monkeypatch.setattr(checked.catalogue, "files", lambda _: [tmp_path / "files.py"])
    (tmp_path / "files.py").write_text("a = 1")
    first = checked._reader.__wrapped__()
    (tmp_path / "files.py").write_text("a = 2")
    assert len({before, first, checked._reader.__wrapped__()}) == 3


def test_any_damage_is_read_again(entry, monkeypatch):
    read = checked.frame("s", entry)
    checked.keep("s", entry, read)
    path = paths.study_dir("s") / "frames" / "shop.parquet"
    whole = path.read_bytes()
    asked = counted(monkeypatch)
    damaged = [whole[:place] for place in (0, 4, len(whole) // 2, len(whole) - 1)] + [b"PAR1" * 9, b"x" * 5000]
    damaged += [whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]
                for place in range(4, len(whole), len(whole) // 20)]  # fmt: skip
    for count, body in enumerate(damaged, 1):
        path.write_bytes(body)
        again = checked.frame("s", entry)
        assert len(asked) <= count and same(again, read), count
    path.write_bytes(b"")
    checked.keep("s", entry, read)
    assert path.read_bytes() == whole  # repaired, byte for byte


def test_a_disk_that_takes_nothing_costs_time_and_nothing_else(entry, monkeypatch):
    def refuse(*_, **__):
        raise WriteError("full")

    read = checked.frame("s", entry)
    monkeypatch.setattr(checked, "_write", refuse)
    checked.keep("s", entry, read)
    assert same(checked.frame("s", entry), read)
    monkeypatch.undo()


def test_what_would_not_come_back_is_not_kept(entry, monkeypatch):
    read = checked.frame("s", entry)
    odd = type(read)(read.header, read.table.assign(series=[("a", "b")] * len(read.table)), read.kinds)
    checked.keep("s", entry, odd)
    assert not (paths.study_dir("s") / "frames" / "shop.parquet").exists()
