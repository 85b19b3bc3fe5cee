"""A tiny study in a tiny copy of the house: what runs, what does not run again, what a failure or kill -9 leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("__init__.py", "paths.py", "errors.py", "files.py", "catalogue.py", "planning", "running",
          "report/languages.py")

STUDY = """
name: tiny
title: A tiny study
blocks:
  - name: all
    datasets: [toy]
    models: [net]
    techniques: {shrink: {levels: [2]}, squeeze: {levels: [3]}}
"""
ROUTED = STUDY.replace("techniques: {shrink: {levels: [2]}, squeeze: {levels: [3]}}", """
    routes:
      - [{shrink: 2}, {squeeze: 3}, {melt: 4}]
      - [{shrink: 2}, {melt: 5}]""")
TAUGHT = STUDY.replace("[net]", "[net, wise]").replace(
    "{shrink: {levels: [2]}, squeeze: {levels: [3]}}",
    "{melt: {levels: [4], models: [net], teachers: [wise, net], controls: [no_teacher]}}")

MODULES = {
    "data/__init__.py": """
        def resolve(names, files=None):
            return {name: {"name": name, "source": "toy", "sha256": "1"} for name in names}
    """,
    "data/toy.py": 'DATASETS = ("toy",)\n',
    "data/store.py": "def names():\n    return {}\n",
    "models/__init__.py": "",
    "models/information.py": "KNOWS = {}\n",
    "models/net.py": "WIDTHS = (4, 8)\nCAN = ('fold',)\n",
    "models/wise.py": "WIDTHS = (16,)\nCAN = ()\n",
    "compress/__init__.py": "",
    "compress/shrink.py": 'FITS = ("fold",)\nLEVELS = (1, 9)\nVARIANTS = ("all",)\ndef compress(x): return x - 1\n',
    "compress/squeeze.py": 'FITS = ("fold",)\nLEVELS = (1, 9)\nVARIANTS = ("all",)\ndef compress(x): return x / 2\n',
    "compress/melt.py": 'NEEDS = ("dense", "teachers")\nFITS = ()\nLEVELS = (1, 9)\nVARIANTS = ("all",)\n'
                        'CONTROLS = {"no_teacher": "the same without a teacher"}\ndef compress(x): return x / 4\n',
    "report/__init__.py": "",
    "report/exporters.py": """
        def render_run(notebook):
            notebook.with_suffix(".html").write_text("<p>run</p>")

        from litecast.report import languages

        def export(notebook, folder, language):
            (folder / f"{languages.stem(language)}.html").write_text(notebook.read_text())
    """,
    "report/words/en/tables.yaml": "",
    "report/words/ko/tables.yaml": "",
}

# Every notebook leaves one line per start in a side file and obeys a switch that lies beside it.
BODY = """
import json, os, time
from pathlib import Path
from litecast import paths
stage = {stage!r}
side = paths.ROOT / "side"
with open(side / "count", "a") as count: count.write(stage + "\\n")
if (side / ("fail-" + stage)).exists(): raise ValueError("switched off")
if (side / ("crash-" + stage)).exists(): os.kill(os.getpid(), 11)
while (side / ("wait-" + stage)).exists(): time.sleep(0.05)
"""
KEYED = 'study: str = "tiny"\ndataset: str = "toy"\n'
TECHNIQUE = KEYED + ('model: str = "net"\nseed: int = 0\nlevels: list = [1]\nvariants: list = ["all"]\n'
                     "controls: list = []\ncontrol_levels: list = []\nroute: list = []\nteachers: list = []\n")
NOTEBOOKS = {
    "100_collect_traffic": (KEYED, "from litecast import data"),
    "200_classical": (KEYED, "from litecast import data"),
    "210_deep": (KEYED + 'model: str = "net"\nseed: int = 0\nwidths: list = [1]\nsweep_seed: int = 0\n',
                "from litecast import models\nwidths"),
    "300_shrink": (TECHNIQUE, "from litecast.compress import shrink\nprint(shrink.compress(levels[0]))"),
    "310_squeeze": (TECHNIQUE, "from litecast.compress import squeeze\nprint(squeeze.compress(levels[0]), route)"),
    "320_melt": (TECHNIQUE, "from litecast.compress import melt\n"
                            "print(melt.compress(levels[0]), route, teachers, controls, control_levels)"),
    "250_reference": (KEYED, "1 + 1"),
    "260_committee": (KEYED, "1 + 1"),
    "500_timing": (KEYED, "1 + 1"),
    "510_devices": (KEYED, "1 + 1"),
    "600_compare": ('study: str = "tiny"\n', "from litecast.planning.plan import read, state\n"
                   "made = read(study)\nfor run in made.runs: print(run.stage, *state(made, run))"),
    "610_techniques": ('study: str = "tiny"\n', "1 + 1"),
    "700_report": ('study: str = "tiny"\nlanguage: str = "en"\n', "from litecast.planning.plan import read, state\n"
                  "made = read(study)\nfor run in made.runs: print(run.stage, *state(made, run))"),
}
ALL = set(NOTEBOOKS) - {"320_melt"}
# Before them the reference, if what it is made of has changed.
LATE = ["260_committee", "500_timing", "510_devices", "600_compare", "610_techniques", "700_report"]


class House:
    """A copy of the house with toy notebooks, in a folder of its own."""

    def __init__(self, root: Path):
        self.root, self.reports = root, root / "reports" / "tiny"
        package = root / "src" / "litecast"
        for folder in ("data", "models", "compress", "report/words/en", "report/words/ko"):
            (package / folder).mkdir(parents=True)
        for name in COPIED:
            source = ROOT / "src" / "litecast" / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, package / name)
        shutil.copy(ROOT / "Snakefile", root)
        for name, text in MODULES.items():
            (package / name).write_text(textwrap.dedent(text))
        for folder in ("notebooks", "params", "side"):
            (root / folder).mkdir()
        for stage, (declared, body) in NOTEBOOKS.items():
            (root / "notebooks" / f"{stage}.ipynb").write_text(notebook(declared, BODY.format(stage=stage), body))
        self.package, self.study = package, root / "params" / "tiny.yaml"
        self.study.write_text(STUDY)

    def start(self, *options: str) -> subprocess.Popen:
        unset = ("LITECAST_REPORTS", "LITECAST_SOCKET")
        environment = {k: v for k, v in os.environ.items() if k not in unset} | {"PYTHONPATH": str(self.root / "src")}
        command = [sys.executable, "-m", "litecast.running.make", "params/tiny.yaml", "--jobs", "2", *options]
        return subprocess.Popen(command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def make(self, *options: str, expected: int = 0) -> tuple[list[str], str]:
        """Run the study. Returns the stages that were started, and the output."""
        before = len(self.started())
        process = self.start(*options)
        output = process.communicate(timeout=180)[0]
        assert process.returncode == expected, output + (self.log() if self.reports.exists() else "")
        return sorted(self.started()[before:]), output

    def started(self) -> list[str]:
        count = self.root / "side" / "count"
        return count.read_text().split() if count.exists() else []

    def log(self) -> str:
        return (self.reports / "snakemake.log").read_text()

    def switch(self, name: str) -> Path:
        (self.root / "side" / name).touch()
        return self.root / "side" / name

    def runs(self, stage: str) -> list[str]:
        """Names of the finished runs of a stage."""
        return sorted(path.parent.name for path in (self.reports / "runs" / stage).glob("*/done.json"))

    def outputs(self, stage: str, run: str = "*") -> list[dict]:
        path = next((self.reports / "runs" / stage).glob(f"{run}/notebook.ipynb"))
        return [output for cell in json.loads(path.read_text())["cells"] for output in cell.get("outputs", [])]


def notebook(declared: str, *cells: str) -> str:
    code = [{"cell_type": "code", "id": f"c{i}", "metadata": {"tags": ["parameters"] if i == 0 else []}, "source": text,
             "outputs": [], "execution_count": None} for i, text in enumerate((declared, *cells))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"cells": code, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
                       "nbformat": 4, "nbformat_minor": 5})


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "\n# edited\n")


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path / "house")


def test_exactly_what_a_change_touches_runs_again(house):
    assert set(house.make()[0]) == ALL
    assert house.outputs("300_shrink")[0]["text"] == ["1\n"]
    assert house.outputs("210_deep")[0]["data"]["text/plain"] == ["[4, 8]"]
    assert (house.reports / "report.html").exists()
    assert house.make()[0] == []

    (house.root / "README.md").write_text("edited")
    edit(house.package / "compress" / "shrink.py")
    assert house.make()[0] == sorted(["300_shrink", *LATE])


def test_failed_runs_stop_nothing_else_are_reported_and_retried(house):
    switches = [house.switch("fail-300_shrink"), house.switch("crash-200_classical")]
    started, output = house.make(expected=1)
    assert set(started) == ALL
    assert "failed: 300_shrink/dataset=toy,model=net,seed=0: ValueError: switched off" in output
    assert "failed: 200_classical/dataset=toy: RunError: its process was ended by SIGSEGV" in output
    assert "300_shrink failed ValueError: switched off" in "".join(house.outputs("700_report")[0]["text"])
    folder = house.reports / "runs" / "300_shrink" / "dataset=toy,model=net,seed=0"
    assert (folder / "notebook.ipynb").exists() and not (folder / "done.json").exists()

    for switch in switches:
        switch.unlink()
    assert house.make()[0] == sorted(["200_classical", "250_reference", "300_shrink", *LATE])


def test_a_report_in_another_language_runs_nothing_else_and_both_are_kept(house):
    assert set(house.make()[0]) == ALL
    started, output = house.make("--lang", "ko")
    assert started == ["700_report"] and "report.html; " in output and "report.ko.html" in output
    pages = [house.reports / name for name in ("report.html", "report.ko.html")]
    assert [json.loads(page.read_text())["metadata"]["papermill"]["parameters"].get("language") for page in pages] == [
        None, "ko"]
    assert house.make()[0] == house.make("--lang", "ko")[0] == [] and all(page.exists() for page in pages)
    edit(house.package / "compress" / "shrink.py")
    assert house.make()[0] == sorted(["300_shrink", *LATE, "700_report"]), "neither language falls behind"
    started, output = house.make("--lang", "kr", expected=2)
    assert started == [] and "cannot be written in 'kr': choose one of en, ko" in output


def test_one_stage_by_itself_and_then_the_rest(house):
    switch = house.switch("fail-100_collect_traffic")
    started, output = house.make("--stage", "1", expected=1)
    assert started == ["100_collect_traffic"] and "failed: 100_collect_traffic/dataset=toy: ValueError" in output
    switch.unlink()
    started, output = house.make("--stage", "1")
    assert started == ["100_collect_traffic"] and "1 of 1 runs are done" in output
    assert house.make("--stage", "1")[0] == []
    assert house.make("--stage", "4", expected=2)[0] == []
    assert set(house.make()[0]) == ALL - {"100_collect_traffic"}


def test_kill_9_in_the_middle_repeats_no_finished_run(house):
    kill_in_the_middle(house)
    assert house.make()[0] == sorted(["250_reference", "310_squeeze", *LATE])
    assert (house.reports / "report.html").exists()


def test_a_route_runs_step_by_step_goes_on_after_kill_9_and_follows_an_edit(house):
    house.study.write_text(ROUTED)
    kill_in_the_middle(house, other="320_melt")
    again = sorted(["250_reference", "310_squeeze", "320_melt", *LATE])
    assert house.make()[0] == again, "neither the first step nor the other route"
    dense = "dataset=toy,model=net,seed=0"
    chain, short = "route=shrink-2+squeeze-3", f"{dense},teachers=net,route=shrink-2+melt-5-net"
    long = f"{dense},teachers=net,{chain}+melt-4-net"
    assert house.runs("300_shrink") == [dense] and house.runs("310_squeeze") == [f"{dense},{chain}"]
    assert house.runs("320_melt") == [short, long]
    first, second = "{'shrink': {'level': 2, 'variant': 'all'}}", "{'squeeze': {'level': 3, 'variant': 'all'}}"
    assert house.outputs("320_melt", long)[0]["text"] == [f"1.0 [{first}, {second}] ['net'] [] []\n"]

    edit(house.package / "compress" / "squeeze.py")
    before = {name: finished(house, "320_melt", name) for name in (short, long)}
    again = sorted(["310_squeeze", "320_melt", *LATE])
    assert house.make()[0] == again, "the route that goes another way is not made again"
    assert finished(house, "320_melt", short) == before[short] and finished(house, "320_melt", long) > before[long]


def test_teachers_name_the_run_and_a_technique_s_own_control_reaches_it(house):
    house.study.write_text(TAUGHT)
    started = house.make()[0]
    assert started.count("210_deep") == 2 and started.count("500_timing") == 1
    assert house.runs("320_melt") == ["dataset=toy,model=net,seed=0,teachers=wise+net"]
    assert house.outputs("320_melt")[0]["text"] == ["1.0 [] ['wise', 'net'] ['no_teacher'] [4]\n"]


def test_what_the_reference_teaches_runs_once_after_it_though_a_member_failed(house):
    house.study.write_text(TAUGHT.replace("[wise, net]", "[reference]"))
    switch = house.switch("fail-200_classical")
    started, output = house.make(expected=1)
    order = house.started()
    assert order.index("250_reference") < order.index("320_melt") < order.index("500_timing")
    assert started.count("250_reference") == started.count("320_melt") == 1
    assert house.runs("320_melt") == ["dataset=toy,model=net,seed=0,teachers=reference"]
    assert "320_melt done" in "".join(house.outputs("700_report")[0]["text"])

    assert house.make(expected=1)[0] == ["200_classical"], "neither the reference nor its student"
    switch.unlink()
    assert house.make()[0] == sorted(["200_classical", "250_reference", "320_melt", *LATE]), "another may have joined"
    assert house.make()[0] == []

    edit(house.package / "compress" / "melt.py")
    assert house.make()[0] == sorted(["320_melt", *LATE])


def test_a_reference_that_failed_stops_only_its_students(house):
    house.study.write_text(TAUGHT.replace("[wise, net]", "[reference]"))
    house.switch("fail-250_reference")
    started, output = house.make(expected=1)
    assert "320_melt" not in started and started.count("700_report") == 1
    student = "320_melt/dataset=toy,model=net,seed=0,teachers=reference"
    assert f"not run: {student}: because of 250_reference/dataset=toy" in output
    assert house.make("--stage", "3", expected=2)[0] == [], "no run of one stage alone: it needs what was trained"


@pytest.mark.parametrize(("asked", "said"), [
    ("no_teachr", "techniques.melt.controls: unknown control 'no_teachr'; did you mean 'no_teacher'?"),
    ("random", "techniques.melt.controls: unknown control 'random'; known: no_teacher"),
])  # fmt: skip
def test_a_control_that_the_technique_does_not_have_is_refused_before_anything_runs(house, asked, said):
    house.study.write_text(TAUGHT.replace("[no_teacher]", f"[{asked}]"))
    started, output = house.make(expected=2)
    assert started == [] and f"block 'all', {said}" in output
    assert not house.reports.exists()


def finished(house: House, stage: str, run: str) -> int:
    """When a run was done."""
    return (house.reports / "runs" / stage / run / "done.json").stat().st_mtime_ns


def kill_in_the_middle(house: House, other: str = "300_shrink") -> None:
    """kill -9 while the squeezing waits and all else that could run is done: the shrinking and one run of `other`."""
    switch = house.switch("wait-310_squeeze")
    process = house.start()
    done = ("100_collect_traffic", "200_classical", "300_shrink", other)
    wait_for(lambda: all(map(house.runs, done)) and "310_squeeze" in house.started())
    children = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in children))
    switch.unlink()


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """All descendants of a process."""
    direct = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return direct + [below for child in direct for below in children_of(child)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
