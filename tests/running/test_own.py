"""An own file in place of a study's datasets: its name, its checks before anything is made, and what is said."""

import json
import os

import numpy as np
import pandas as pd
import pytest
import yaml

from litecast import paths
from litecast.data import checked
from litecast.errors import DataError
from litecast.running import make, own

STUDY = {"title": "A study", "budget": {"steps": 400, "extra_steps": 100, "retrain_steps": 50, "batch": 256},
         "blocks": [{"name": "all", "datasets": ["sample-traffic"], "models": ["nlinear", "lstm"]}]}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "brief.yaml"
    path.write_text(yaml.safe_dump({"name": "brief"} | STUDY), encoding="utf-8")
    return path


def csv(folder, name: str, values=None, freq="D"):
    values = np.random.default_rng(0).normal(50, 5, 400) if values is None else values
    path = folder / name
    pd.DataFrame({"v": values}, pd.date_range("2024-01-01", periods=len(values), freq=freq)).to_csv(
        path, index_label="time")  # fmt: skip
    return path


def planned(study, path, capsys):
    made = make.prepare(study, str(path))
    made.held.close()
    return made, capsys.readouterr().out


def test_a_name_that_is_taken_is_given_another_and_that_is_said(study, tmp_path, capsys):
    made, said = planned(study, csv(tmp_path, "kospi.csv"), capsys)
    assert made.study == "brief-kospi-own" and {run.keys.get("dataset") for run in made.runs} == {"kospi-own", None}
    assert "note: kospi is a dataset of the house: kospi.csv is called kospi-own" in said
    assert list(json.loads((made.folder / "data.lock").read_text())) == ["kospi-own"]


def test_the_second_name_may_be_taken_too(monkeypatch, tmp_path):
    from litecast import data

    monkeypatch.setattr(data, "dataset_names", lambda: {"shop": "store", "shop-own": "store", "shop-own2": "store"})
    assert own.called(str(csv(tmp_path, "shop.csv")))[0] == "shop-own3"
    assert own.called(str(csv(tmp_path, "shop 2.csv"))) == ("shop-2", [])


@pytest.mark.parametrize("name", ["가" * 75 + ".csv", "x" * 200 + ".csv"])
def test_a_long_name_is_cut_everywhere_and_that_is_said(study, tmp_path, capsys, name):
    made, said = planned(study, csv(tmp_path, name), capsys)
    dataset = made.study.removeprefix("brief-")
    assert len(dataset.encode()) <= 80 and f"it is called {dataset}" in said
    for run in made.runs:
        (made.folder / run.dir).mkdir(parents=True, exist_ok=True)
    assert (made.folder / "frames" / f"{dataset}.parquet").exists()


def test_a_file_is_parsed_once_for_all_calls_and_runs(study, tmp_path, capsys, monkeypatch):
    from litecast import data
    from litecast.data import files

    path = csv(tmp_path, "shop.csv")
    made, _ = planned(study, path, capsys)
    monkeypatch.setattr(files, "read", lambda path: pytest.fail("read again"))
    again, _ = planned(study, path, capsys)
    assert [run.digest for run in again.runs] == [run.digest for run in made.runs]
    assert len(data.load("shop", made.study).table) == 400


@pytest.mark.parametrize(("name", "values", "said"), [
    ("zero.csv", np.zeros(400), "every value of it is zero"),
    ("still.csv", np.full(400, 5.0), "nothing moves"),
    ("late.csv", np.where(np.arange(400) < 280, np.arange(400) % 9 + 1.0, 0.0), "the val part .* is zero"),
    ("short.csv", np.arange(20.0) ** 2, ""),
])  # fmt: skip
def test_what_cannot_be_judged_is_refused_before_anything_is_written(study, tmp_path, name, values, said):
    with pytest.raises(DataError, match=said):
        make.prepare(study, str(csv(tmp_path, name, values)))
    assert not paths.reports_dir().exists() or not os.listdir(paths.reports_dir())


def test_a_file_of_the_study_itself_is_checked_too_but_trained_on_as_it_says(tmp_path, capsys):
    path = tmp_path / "brief.yaml"
    blocks = [STUDY["blocks"][0] | {"datasets": ["shop"]}]
    path.write_text(yaml.safe_dump({"name": "brief"} | STUDY | {
        "blocks": blocks, "files": {"shop": str(csv(tmp_path, "shop.csv"))}}), encoding="utf-8")  # fmt: skip
    made, said = planned(path, "", capsys)
    assert {run.params["steps"] for run in made.runs if "steps" in run.params} == {400} and "drawn at most" not in said
    assert checked._place(made.study, {"name": "shop"}).exists()
    csv(tmp_path, "shop.csv", np.zeros(400))
    with pytest.raises(DataError, match="is zero"):
        make.prepare(path)


def test_budgets_follow_the_size_and_that_is_said(study, tmp_path, capsys):
    made, said = planned(study, csv(tmp_path, "shop.csv"), capsys)
    [nlinear] = [run for run in made.runs if run.keys.get("model") == "nlinear" and run.stage == "220_compact"]
    windows = 280 - 56 - 14 + 1
    assert nlinear.params["steps"] * nlinear.params["batch"] <= 5 * windows + 64 and nlinear.params["batch"] == 64
    steps = nlinear.params["steps"]
    assert f"{windows} train windows are drawn at most 5 times by a training: {steps} steps of 64" in said
    assert said.count("note:") == len(made.notes) and "deep networks are left out" not in said


def test_too_few_windows_for_deep_networks_are_told_in_the_plan(study, tmp_path, capsys):
    few = np.random.default_rng(0).normal(50, 5, 380)
    _, said = planned(study, csv(tmp_path, "few.csv", few), capsys)
    assert "few has 197 train windows, fewer than 200: classical and compact models only, deep networks" in said


@pytest.mark.parametrize("ending", [".csv.gz", ".parquet"])
def test_other_endings_are_taken(study, tmp_path, capsys, ending):
    path = csv(tmp_path, "shop.csv")
    table, other = pd.read_csv(path, parse_dates=["time"]), tmp_path / f"store{ending}"
    table.to_csv(other, index=False) if ending == ".csv.gz" else table.to_parquet(other, index=False)
    made, _ = planned(study, other, capsys)
    assert made.study == "brief-store"
