"""What the documents say of data is so: their commands run as written, no source, key or dataset is left out."""

import re
import shlex
from pathlib import Path

import pytest

from litecast import paths
from litecast.collect import collecting
from litecast.data import dataset_names
from litecast.errors import DataError

PAGES = [paths.ROOT / "README.md", *sorted((paths.ROOT / "docs").glob("*.md"))]
DATA = (paths.ROOT / "docs" / "data.md").read_text(encoding="utf-8")
BLANK = ("SOURCE", "option=value", "…")  # a form to fill in, no command


def commands() -> list[str]:
    """What follows `python -m litecast.collect collect` on a line."""
    found = [line.partition("litecast.collect collect ")[2].partition("#")[0].partition("`")[0].strip()
             for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()
             if "litecast.collect collect " in line]  # fmt: skip
    return sorted({line for line in found if line and not any(word in line for word in BLANK)})


def example(name: str) -> str:
    """A file that a pattern such as downloads/*.zip matches."""
    return name.replace("**", "any").replace("*", "any").replace("?", "x")


@pytest.mark.parametrize("line", commands())
def test_every_command_is_understood(line, tmp_path, monkeypatch):
    source, name, options = collecting.parsed(shlex.split(line))
    monkeypatch.chdir(tmp_path)
    for pattern in options.get("files", "").split(",") if "files" in options else []:
        path = Path(example(pattern))
        assert not path.is_absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stands for a file")
    collecting.checked(source, options)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and name not in dataset_names()


def test_a_command_that_is_wrong_would_be_seen(tmp_path, monkeypatch):
    assert len(commands()) >= 6
    for line in ("fdr x code=1", "frd x codes=1", "fdr codes=1"):
        with pytest.raises(DataError):
            source, _, options = collecting.parsed(shlex.split(line))
            collecting.checked(source, options)


@pytest.mark.parametrize("source", collecting.sources())
def test_every_source_has_a_row_that_names_its_keys(source):
    rows = [line for line in DATA.splitlines() if line.startswith(f"| `{source}` |")]
    assert len(rows) == 1
    assert [name for name in collecting.keys(source) if f"`{name}`" not in rows[0]] == []
    assert rows[0].count("|") == DATA.splitlines()[DATA.splitlines().index(rows[0]) - 1].count("|")


@pytest.mark.parametrize("name", [name for name, module in dataset_names().items() if module != "store"])
def test_every_dataset_has_a_card(name):
    row = re.search(rf"^\| `{name}` \|.*\|$", DATA, re.M)
    assert row, "a row in a table of cards"
    if not name.startswith("sample-"):
        assert re.search(rf"^- \*\*[^*]*\b{name}\b[^*]*\*\* —", DATA, re.M), "and a line"


def test_no_row_or_card_is_of_something_that_is_not_there():
    named = set(re.findall(r"^\| `([a-z0-9-]+)` \|", DATA, re.M))
    assert named <= {*collecting.sources(), *dataset_names(), "sample-od"}
