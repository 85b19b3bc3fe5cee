"""`python -m litecast.choose` on a CSV of one's own at toy size: a file, resumed, or what would do."""

import argparse
import os
import subprocess
import sys

import pytest
import toy

from litecast import choose, paths, runtimes

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


def test_a_second_call_trains_nothing_and_takes_other_budgets(folder):
    done = call(folder, "--kb", "1000", "--out", str(folder / "out"))
    assert done.returncode == 0 and "[  1/" not in done.stdout, done.stdout + done.stderr
    if "no file" not in done.stdout:
        [file] = folder.glob("out.*")
        runtime = {".safetensors": "torch", ".skops": "sklearn"}[file.suffix]
        assert list(runtimes.module(runtime).open(file).card.series) == ["s0", "s1"]


def test_where_nothing_fits_it_says_what_would(folder):
    done = call(folder, "--kb", "0.001", "--loss", "0%")
    assert done.returncode == 2 and "nothing fits these budgets" in done.stderr, done.stdout + done.stderr
    assert "would do, the other budgets unchanged" in done.stderr


def test_a_loss_is_percent_or_a_share_and_never_guessed():
    assert choose._share("2%") == choose._share("0.02") == 0.02 and choose._share("0%") == 0
    for text in ("2", "x%", "2%%", "-1%", "nan", "150%"):
        with pytest.raises(argparse.ArgumentTypeError, match="write 2% or 0.02"):
            choose._share(text)
    for text in ("0", "-3", "inf"):
        with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
            choose._positive(text)
