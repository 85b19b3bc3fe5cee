"""`python -m litecast.choose` on a CSV of one's own at toy size: a file, resumed, or what would do."""

import argparse
import os
import subprocess
import sys

import pytest
import toy

from litecast import choose, paths, runtimes
from litecast.errors import LitecastError
from litecast.results.decision import Budgets

BLOCK = {"name": "small", "datasets": ["sample-traffic"], "classical": False, "models": ["profile_mlp"],
         "widths": {"profile_mlp": [4]}, "techniques": {"rate": {"levels": [0.02]}}}  # fmt: skip


def call(folder, *options: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"LITECAST_REPORTS": str(folder / "reports"), "PYTHONPATH": str(paths.PACKAGE.parent)}
    command = [sys.executable, "-m", "litecast.choose", str(folder / "shop.csv"), "--study", str(folder / "few.yaml"),
               "--jobs", "2", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("choose")
    toy.demand(made / "shop.csv", days=400, series=2, step="D")
    toy.write(made, "few", [BLOCK])
    return made


def test_a_file_is_chosen_copied_and_told(folder):
    done = call(folder, "--loss", "40%", "--ms", "1000")
    assert done.returncode == 0, done.stdout + done.stderr
    said = {line.split()[0]: line for line in done.stdout.splitlines() if line[:1].islower()}
    assert {"deploy", "errs", "not"} <= set(said) and "runs are done" in done.stdout
    if "no file" not in said["deploy"]:
        file = next(folder.glob("shop.litecast.*"))
        assert str(file) in said["deploy"] and f"{file.stat().st_size:,} bytes" in said["takes"]


def again(folder, monkeypatch, budgets: Budgets, out=None) -> int:
    """A second call, in this process: there is nothing left to run."""
    monkeypatch.setenv("LITECAST_REPORTS", str(folder / "reports"))
    given = {"data": str(folder / "shop.csv"), "study": folder / "few.yaml", "jobs": 1, "out": out, "ms": None}
    return choose._choose(argparse.Namespace(**given), budgets)


def test_a_second_call_trains_nothing_and_takes_other_budgets(folder, monkeypatch, capsys):
    assert again(folder, monkeypatch, Budgets(kb=1000), folder / "out") == 0
    said = capsys.readouterr().out
    assert "[  1/" not in said and "deploy" in said
    [file] = folder.glob("out.*")
    runtime = {".safetensors": "torch", ".skops": "sklearn"}[file.suffix]
    assert list(runtimes.module(runtime).open(file).card.series) == ["s0", "s1"]


def test_where_nothing_fits_it_says_what_would(folder, monkeypatch):
    with pytest.raises(LitecastError, match="nothing fits these budgets\n.*--kb .* would do, the other budgets unch"):
        again(folder, monkeypatch, Budgets(kb=0.001, loss=0.0))


def test_a_loss_is_percent_or_a_share_and_never_guessed():
    assert choose._share("2%") == choose._share("0.02") == 0.02 and choose._share("0%") == 0
    for text in ("2", "x%", "2%%", "-1%", "nan", "150%"):
        with pytest.raises(argparse.ArgumentTypeError, match="write 2% or 0.02"):
            choose._share(text)
    for text in ("0", "-3", "inf", "8kB"):
        with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
            choose._positive(text)
