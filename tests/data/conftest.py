"""Fixtures of the tests of own files."""

import re

import pytest
from own import put

from litecast.data import files
from litecast.errors import DataError


@pytest.fixture
def read(tmp_path):
    return lambda text, *args, **kwargs: files.read(put(tmp_path, text, *args, **kwargs))


@pytest.fixture
def refused(tmp_path):
    """The message of the refusal; it names the file and, where given, the line; nothing is left behind."""

    def check(text, *words, line=None, file="my.csv", **kwargs):
        path = put(tmp_path, text, **kwargs)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(DataError) as error:
            files.read(path)
        message = str(error.value)
        for word in (file, *words):
            assert word in message, f"{word!r} is not in: {message}"
        assert line is None or re.match(rf"{re.escape(file)}, line {line}[,:]", message), message
        assert sorted(tmp_path.rglob("*")) == before
        return message

    return check
