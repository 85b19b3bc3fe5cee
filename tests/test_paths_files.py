"""A file is replaced whole or not at all."""

import pytest

from litecast.files import read_json, replacing, write_json


def test_the_old_file_stays_when_writing_fails(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_json_comes_back_and_half_a_file_is_none(tmp_path):
    path = tmp_path / "new" / "a.json"
    assert read_json(path) == {}
    write_json(path, {"name": "서울", "path": path})
    assert read_json(path) == {"name": "서울", "path": str(path)}
    path.write_bytes(path.read_bytes()[:20])
    assert read_json(path) == {}
