"""README and docs keep their word: commands run, at toy size, links lead somewhere, and the book stays short."""

import ast
import importlib.util
import os
import re
import runpy
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import toy
import yaml

from litecast import bundle, data, models, paths, results
from litecast.compress import storages
from litecast.data import windows
from litecast.experiment import measure

PAGES = [paths.ROOT / "README.md", *sorted((paths.ROOT / "docs").glob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
FENCES = [(page.name, *found) for page, text in TEXTS.items() for found in FENCE.findall(text)]
LONGEST = 62_000  # characters of docs/: twelve pages in print, and what a table more needs

CANNOT = {  # how a command begins that is not run here -> why
    "make test": "this is part of it",
    "make lab": "ends when JupyterLab is closed",
    "curl": "asks a server; tests/service asks every route",
    "py -3.11-32": "32-bit Python on Windows; tests/collect has its doubles",
    ".venv/bin/python -m pip": "changes the environment",
}
ELSEWHERE = {  # how what a command starts begins -> the test that runs it at toy size
    "-m litecast.choose": "running/test_choosing.py",
    "-m litecast.collect collect": "collect/test_docs.py",
    "bench/gpu.py": "training/test_devices.py",
}
TOY = {  # module -> what makes it quick: a study is checked and planned (tests/test_studies.py makes the notebooks)
    "litecast.running.make": ["--plan"],
    "litecast.audit": ["--mutations", "2"],
}
RECORDER = '#!/bin/sh\nfor word; do printf "%s\\037" "$word"; done >>"$RECORD"; echo >>"$RECORD"\n'
BLOCK = {"name": "small", "datasets": ["sample-traffic"], "classical": False, "models": ["profile_mlp"],
         "widths": {"profile_mlp": [4]}}  # fmt: skip


def commands() -> list[str]:
    """Lines of shell that a reader may type."""
    lines = [line for _, language, body in FENCES if language == "sh" for line in body.splitlines()]
    return sorted({re.sub(r"\s+#.*", "", line) for line in lines} - {""})


def begins(command: str, words) -> str | None:
    return next((word for word in words if command.startswith(word)), None)


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """As a clone: studies, a CSV, a finished study, bundles; but its Python only writes down what it is asked."""
    made = tmp_path_factory.mktemp("house")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(paths.ROOT / name, made)
    python = made / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(RECORDER)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (made / ".venv" / ".installed").touch()
    (made / "params").mkdir()
    for study in ("default", "quick", "full"):
        toy.write(made / "params", study, [BLOCK])
    toy.demand(made / "my.csv", days=60, series=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITECAST_REPORTS", str(made / "reports"))
        file = study_of_one_file("default")
    bundle.write(file, made / "my-forecaster")
    bundle.write(file, made / "my-forecasters" / "one")
    return made


def study_of_one_file(study: str) -> Path:
    """The only row: an untrained network on generated demand."""
    windowed = windows.prepare(data.load("sample-traffic"))
    run = results.Run.open("compact", study, dataset="sample-traffic", model="profile_mlp", seed=0)
    model = models.build("profile_mlp", 4, windowed, 0)
    row = {"model": "profile_mlp", "technique": "dense", "role": "dense", "variant": "float32", "level": 4, "seed": 0}
    stored = measure.store(run, windowed, model, storages.export(model, "float32"), row)
    run.finish()
    results.write_csv(results.collect(study), paths.study_dir(study) / "results.csv")
    return paths.study_dir(study) / stored.row["artefact"]


def started(command: str, house: Path) -> list[list[str]]:
    """What a command asks of Python, by way of make and the shell."""
    record = house / "record"
    record.unlink(missing_ok=True)
    if "…" in command:  # the reader's own file
        command = re.sub(r"\S*…\S*", str(next(house.glob("reports/default/runs/*/*/*.safetensors"))), command)
    environment = {"PATH": f"{house / '.venv' / 'bin'}:{os.environ['PATH']}", "RECORD": str(record),
                   "LITECAST_REPORTS": str(house / "reports")}  # fmt: skip
    ran = subprocess.run(["sh", "-ec", command], cwd=house, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [line.split("\037")[:-1] for line in record.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("command", [line for line in commands() if not begins(line, CANNOT)])
def test_a_command_runs(command, house, monkeypatch, capfd):
    assert command.split()[0] in ("make", "python", ".venv/bin/python"), "say in CANNOT why it is not run here"
    asked = [words for words in started(command, house) if words[0] != "-c"]
    assert asked
    monkeypatch.chdir(house)
    monkeypatch.setenv("LITECAST_DATA", str(house / "data"))
    monkeypatch.delenv("LITECAST_MIRROR", raising=False)  # `check` would read all that a mirror has
    for words in asked:
        if not begins(" ".join(words), ELSEWHERE):
            assert words[0] == "-m", f"{words[0]}: run it here, or say in CANNOT or ELSEWHERE why not"
            assert here(words[1], words[2:], house, monkeypatch) == 0, capfd.readouterr()


def here(module: str, words: list[str], house: Path, monkeypatch) -> int:
    """Exit code of `python -m module words`, in this process: another would import torch first."""
    planned = module == "litecast.running.make"  # plans apart: one sweeps away the runs that it does not know
    monkeypatch.setenv("LITECAST_REPORTS", str(house / ("planned" if planned else "reports")))
    monkeypatch.setattr(sys, "argv", [module, *words, *TOY.get(module, [])])
    if module == "litecast.service":
        served = pytest.importorskip("uvicorn", reason="the extra [service]")
        pytest.importorskip("fastapi", reason="the extra [service]")
        monkeypatch.setattr(served.Server, "run", lambda server: server.config.load())  # all but listening
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that the module was imported before
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return end.code or 0
    return 0


def test_a_command_that_is_wrong_would_be_seen(house, monkeypatch):
    with pytest.raises(AssertionError, match="No rule to make target"):
        started("make raport", house)
    monkeypatch.chdir(house)
    for command in ("python -m litecast.running.make params/defualt.yaml", "make audit STUDY=defualt"):
        [(_, module, *words)] = started(command, house)
        assert here(module, words, house, monkeypatch) != 0


def test_what_is_not_run_here_is_still_told_of_and_run_elsewhere():
    lines = commands()
    assert [word for word in CANNOT if not any(line.startswith(word) for line in lines)] == []
    for name in ELSEWHERE.values():
        assert (paths.ROOT / "tests" / name).exists(), name


def test_commands_name_what_there_is():
    """Those within sentences, too. make itself takes any variable without a word."""
    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    spans = {span for text in TEXTS.values() for span in re.findall(r"`([^`\n]+)`", FENCE.sub("", text))}
    asked = [span.split() for span in {*spans, *commands()} if re.match(r"(\S*/)?(make|python) [a-z-]", span)]
    assert len(asked) > 20
    for words in asked:
        if words[0] == "make":
            assert words[1] in targets, words
            given = re.findall(r"([A-Z]+)=", " ".join(words))
            assert [name for name in given if not re.search(rf"\$.*\b{name}\)", makefile)] == [], words
        elif words[1] == "-m":
            assert importlib.util.find_spec(words[2]), words
        else:
            assert (paths.ROOT / words[1]).is_file(), words


def test_other_fences_can_be_read():
    assert {language for _, language, _ in FENCES} <= {"sh", "python", "javascript", "yaml", "text", "dictionary"}
    for _, language, body in FENCES:
        if language in ("python", "yaml"):
            {"python": ast.parse, "yaml": yaml.safe_load}[language](body)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", TEXTS[page])):
        if not link.startswith(("http://", "https://")):
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.exists() and paths.ROOT in target.parents, link
            assert not anchor or anchor in anchors(target), link


def test_the_contents_list_every_chapter():
    contents = TEXTS[paths.ROOT / "docs" / "README.md"]
    assert [page.name for page in PAGES[1:] if page.name != "README.md" and f"({page.name})" not in contents] == []
    assert "docs/README.md" in TEXTS[paths.ROOT / "README.md"]


def test_the_book_is_short():
    assert sum(len(text) for page, text in TEXTS.items() if page.parent.name == "docs") <= LONGEST
    assert len(TEXTS[paths.ROOT / "README.md"].splitlines()) <= 100
