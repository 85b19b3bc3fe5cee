"""A study on somebody's own file: its budgets follow the size of the data, its seeds are those of the study."""

import textwrap
from pathlib import Path

import pytest

from litecast.errors import StudyError
from litecast.planning import plan
from litecast.planning import study as schema

STUDY = """
name: small
title: A study
budget: {steps: 1200, extra_steps: 600, retrain_steps: 200, batch: 256, lr: 0.005, loss: mae}
seeds: [7, 3]
blocks:
  - name: all
    datasets: [sample-traffic]
    models: [lstm, nbeats]
    seeds: [0, 1, 7]
    techniques:
      magnitude_pruning: {levels: [0.5], seeds: [0, 7]}
  - name: brief
    datasets: [sample-stocks]
    models: [nlinear]
    budget: {steps: 100, extra_steps: 50, batch: 32}
"""


@pytest.fixture
def study(tmp_path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(textwrap.dedent(STUDY), encoding="utf-8")
    return path


def budgets(study: schema.Study) -> list[dict]:
    return [schema.budget(study, block) for block in study.blocks]


def test_seeds_that_a_block_adds_are_for_its_own_datasets(study):
    own = plan.load(study, {"shop": "/shop.csv"})
    made = plan.expand(own, {"shop": {"name": "shop", "source": "files", "sha256": "1"}})
    deep = [run.keys["seed"] for run in made.runs if run.keys.get("model") == "lstm" and run.stage == "210_deep"]
    pruned = [run.keys["seed"] for run in made.runs if run.stage == "300_magnitude_pruning"]
    assert deep == [7, 3] and set(pruned) == {7}
    assert {run.keys["seed"] for run in plan.expand(plan.load(study), {
        name: {"name": name, "source": "sample", "sha256": ""} for name in ("sample-traffic", "sample-stocks")
    }).runs if run.keys.get("model") == "lstm" and run.stage == "210_deep"} == {0, 1, 7}  # fmt: skip


def test_a_large_file_is_trained_on_like_the_study_s_own_data(study):
    own = plan.load(study, {"shop": "/shop.csv"})
    enough = 1200 * 256 // schema.PASSES + 1
    assert budgets(schema.sized(own, enough)) == budgets(own)
    assert budgets(schema.sized(own, enough // 2))[0] != budgets(own)[0]


@pytest.mark.parametrize("windows", [100, 1000, 6840, 20_000, 60_000])
def test_no_training_draws_a_window_more_often_than_the_limit(study, windows):
    own = plan.load(study, {"shop": "/shop.csv"})
    for asked, made in zip(budgets(own), budgets(schema.sized(own, windows)), strict=True):
        draws = made["steps"] * made["batch"]
        assert draws <= schema.PASSES * windows + made["batch"] and 1 <= made["steps"] <= asked["steps"]
        assert min(schema.BATCH, asked["batch"]) <= made["batch"] <= asked["batch"]
        # what was asked for is not cut by more than it has to be
        assert draws >= 0.95 * min(asked["steps"] * asked["batch"], schema.PASSES * windows - made["batch"])
        for key in ("extra_steps", "retrain_steps"):  # controls stay as long as what they answer for
            expected = made["steps"] * asked[key] / asked["steps"]
            assert made[key] == pytest.approx(expected, rel=0.05, abs=2)


def test_batches_shrink_before_steps(study):
    own = plan.load(study, {"shop": "/shop.csv"})
    half, few = (budgets(schema.sized(own, windows))[0] for windows in (1200 * 128 // schema.PASSES, 6840))
    assert (half["steps"], half["batch"]) == (1200, 128)
    assert (few["steps"], few["batch"]) == (round(schema.PASSES * 6840 / 64), 64)
    assert few["doublings"] == 0 and few["longest"] == 2 and few["lr"] == 0.005
    assert "longest" not in budgets(schema.sized(own, 10**9))[0]


def test_a_budget_that_a_notebook_decides_stays_its_own(study):
    study.write_text(study.read_text().replace("steps: 1200, ", "", 1))
    own = plan.load(study, {"shop": "/shop.csv"})
    assert budgets(schema.sized(own, 10))[0] == budgets(own)[0]


def test_what_is_to_be_said_stands_first_in_the_plan(study):
    own = plan.load(study, {"shop": "/shop.csv"})
    made = plan.expand(own, {"shop": {"name": "shop", "source": "files", "sha256": "1"}}, ["a word"])
    assert made.notes[0] == "a word"


@pytest.mark.parametrize("name", ["a/b", "..", "a=b", "a,b", "{x}", "a b", "", "a" * 81, "가" * 27, "a\nb"])
def test_a_name_that_no_folder_can_have_is_refused_before_anything_is_made(study, name):
    with pytest.raises(StudyError, match="names folders: letters, digits, - and _ only, at most 80 bytes"):
        plan.load(study, {name: "/shop.csv"})


@pytest.mark.parametrize("name", ["shop", "my-shop_2", "판매량", "가" * 26, "a" * 80])
def test_names_in_any_script_are_fine(study, name):
    assert plan.load(study, {name: "/shop.csv"}).datasets == [name]


def test_a_block_that_is_not_asked_of_own_files_is_left_out_of_them_alone(study):
    study.write_text(study.read_text().replace("  - name: brief\n", "  - name: brief\n    own: false\n"))
    assert [block.name for block in schema.checked(study).blocks] == ["all", "brief"]
    assert [block.name for block in schema.checked(study, {"mine": "mine.csv"}).blocks] == ["all"]


def test_a_study_that_asks_nothing_of_own_files_is_refused_for_them(study):
    study.write_text(study.read_text().replace("    datasets:", "    own: false\n    datasets:"))
    assert len(schema.checked(study).blocks) == 2
    with pytest.raises(StudyError, match="none is asked of own files"):
        schema.checked(study, {"mine": "mine.csv"})
