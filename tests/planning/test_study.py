"""Study files are refused with the rule they break; a plan holds the right runs, needs, closures and digests."""

import json
import subprocess
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import pytest

from litecast import catalogue, files, paths
from litecast.errors import StudyError
from litecast.planning import closure, plan

PACKAGE = {
    "__init__.py": "",
    "training.py": "from litecast import cost\n",
    "cost.py": "import torch\n",
    "results.py": "",
    "modelfile.py": "from . import codecs, models\n",
    "data/__init__.py": "def load(name):\n    from .frame import Frame\n",
    "data/frame.py": "",
    "data/public.py": 'DATASETS = ("roads", "shares")\nKIND = {"roads": "traffic", "shares": "stocks"}\n'
                      "from . import cache\n",
    "data/cache.py": "",
    "data/sample.py": 'DATASETS = ("sample-roads",)\n',
    "data/files.py": "",
    "models/__init__.py": "from . import base\n",
    "models/base.py": "",
    "models/information.py": "KNOWS = {}\n",
    "models/lstm.py": "WIDTHS = (8, 16)\nCAN = ('recurrent', 'units', 'weights')\nfrom .base import Forecaster\n",
    "models/nbeats.py": "WIDTHS = (32, 64)\nCAN = ('weights',)\nPUBLISHED = {'L': 9}\n",
    "models/linear.py": "KIND = 'compact'\nWIDTHS = (1,)\n",
    "codecs/__init__.py": "",
    "codecs/intn.py": "",
    "codecs/sparse.py": "",
    "compress/__init__.py": "from litecast import training\n",
    "compress/pruning.py": 'FITS = ("units", "convolutions")\nLEVELS = (0.5, 0.8, 0.9)\n'
                           'VARIANTS = ("global", "layer")\n'
                           'CONTROLS = {"random": "by chance", "scratch": "from fresh weights"}\n',
    "compress/bits.py": 'FITS = ("weights",)\nLEVELS = (2, 4, 8)\nVARIANTS = ("tensor",)\nCONTROLS = {}\n',
    "compress/taught.py": 'NEEDS = ("dense", "teachers")\nFITS = ()\nLEVELS = (0.0, 0.5)\nVARIANTS = ("mean",)\n'
                          'CONTROLS = {"no_teacher": "the same training without a teacher"}\n',
    "compress/shared.py": "LEVELS = (1, 2)\n",
    "runtimes/__init__.py": "",
    "runtimes/onnx.py": "",
    "runtimes/_graph.py": "",
}
KEYED = 'study: str = "s"\ndataset: str = "roads"\n'
MODELLED = KEYED + 'model: str = "lstm"\nseed: int = 0\n'
PRUNING = MODELLED + "levels: list = [0.5]\nvariants: list = []\ncontrols: list = []\ncontrol_levels: list = [0.5]\n"
NOTEBOOKS = {
    "100_collect_traffic": (KEYED, "from litecast.data import load"),
    "110_collect_stocks": (KEYED, "from litecast.data import load"),
    "200_classical": (KEYED, "from litecast.data import load\nfrom litecast.models import base"),
    "210_deep": (MODELLED + "widths: list = []\nsweep_seed: int = 0\nsteps: int = 1\n",
                "%matplotlib inline\nfrom litecast import modelfile, training\nfrom litecast.models import build"),
    "220_compact": (MODELLED + "widths: list = []\nsweep_seed: int = 0\n", "from litecast import training"),
    "230_published": (KEYED + "seed: int = 0\nmodels: list = []\nhorizons: list = []\nsteps: int = 0\n",
                     "from litecast import models"),
    "300_pruning": (PRUNING + "retrain_steps: int = 1\n", "from litecast.compress import pruning"),
    "310_bits": (MODELLED + "levels: list = [8]\nvariants: list = []\nroute: list = []\n",
                 "from litecast.compress.bits import compress"),
    "320_taught": (PRUNING + "route: list = []\nteachers: list = []\n",
                   "from litecast import models\nfrom litecast.compress import taught"),
    "240_ensemble": (KEYED + 'model: str = "lstm"\nseeds: list = []\n', "from litecast import models"),
    "250_reference": (KEYED, "from litecast import models"),
    "260_committee": (KEYED, "from litecast import models"),
    "500_timing": (KEYED, "from litecast import modelfile, runtimes"),
    "510_devices": (KEYED, "from litecast import runtimes"),
    "600_compare": ('study: str = "s"\n', "from litecast import results"),
    "610_techniques": ('study: str = "s"\n', "from litecast import results"),
    "700_report": ('study: str = "s"\n', "from litecast import results"),
}
GOOD = """
name: s
title: A study
budget: {steps: 100, retrain_steps: 20}
blocks:
  - name: traffic
    datasets: [roads]
    models: [lstm, nbeats]
    seeds: [0, 1]
    techniques:
      pruning: {levels: [0.5, 0.7]}
      bits:
"""


def notebook(declared: str, *cells: str) -> str:
    kinds = [(text, ["parameters"] if i == 0 else []) for i, text in enumerate((declared, *cells))]
    return json.dumps({"cells": [{"cell_type": "code", "metadata": {"tags": tags}, "source": text, "outputs": []}
                                 for text, tags in kinds], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small package with notebooks, planned instead of the real one."""
    package = tmp_path / "src" / "litecast"
    for name, text in PACKAGE.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    (tmp_path / "notebooks").mkdir()
    for name, cells in NOTEBOOKS.items():
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(notebook(*cells))
    places = {"ROOT": tmp_path, "PACKAGE": package, "NOTEBOOKS": tmp_path / "notebooks", "LOCK": tmp_path / "lock"}
    for name, value in places.items():
        monkeypatch.setattr(paths, name, value)
    return tmp_path


def loaded(house: Path, text: str, files=None) -> plan.Study:
    (house / "s.yaml").write_text(textwrap.dedent(text))
    return plan.load(house / "s.yaml", files)


def planned(house: Path, text: str = GOOD, files=None, **lock) -> plan.Plan:
    checked = loaded(house, text, files)
    entries = {name: {"name": name, "source": "public", "sha256": "1"} for name in checked.datasets}
    return plan.expand(checked, entries | lock)


# ---- what is refused ---------------------------------------------------------------------------------------------

BAD = {
    "unknown key": (("title:", "titel:"), "titel: unknown key 'titel'; did you mean 'title'?"),
    "unknown key of a block": (("seeds:", "sedes:"),
        "block 'traffic', sedes: unknown key 'sedes'; did you mean 'seeds'?"),
    "unknown budget": (("steps: 100", "step: 100"), "budget.step: unknown key 'step'; did you mean 'steps'?"),
    "unknown key of a technique": (("{levels", "{level"),
        "techniques.pruning.level: unknown key 'level'; did you mean 'levels'?"),
    "budget of nothing": (("steps: 100", "steps: 0"), "budget.steps: input should be greater than 0"),
    "not a number": (("steps: 100", "steps: many"), "budget.steps: input should be a valid integer"),
    "no blocks": (("blocks:", "blocks: []\nunused:"), "blocks: list should have at least 1 item"),
    "unknown dataset": (("[roads]", "[road]"),
        "block 'traffic', datasets: unknown dataset 'road'; did you mean 'roads'?"),
    "unknown model": (("nbeats]", "nbeat]"), "block 'traffic', models: unknown model 'nbeat'; did you mean 'nbeats'?"),
    "unknown technique": (("bits:", "bit:"),
        "block 'traffic', techniques: unknown technique 'bit'; did you mean 'bits'?"),
    "level too high": (("0.7]", "0.95]"),
        "pruning.levels: 0.95 must be a number from 0.5 to 0.9 (LEVELS of compress/pruning.py); nearest: 0.9"),
    "level not whole": (("bits:", "bits: {levels: [2.5]}"), "bits.levels: 2.5 must be a whole number from 2 to 8"),
    "level twice": (("0.7]", "0.5]"), "techniques.pruning.levels: 0.5 is given twice"),
    "unknown variant": (("0.7]", "0.7], variants: [globl]"),
        "pruning.variants: unknown variant 'globl'; did you mean 'global'?"),
    "unknown control": (("0.7]", "0.7], controls: [q]"),
        "block 'traffic', techniques.pruning.controls: unknown control 'q'; known: random, scratch"),
    "control of another technique": (("bits:", "taught: {controls: [random]}"),
        "taught.controls: unknown control 'random'; known: no_teacher"),
    "control almost right": (("bits:", "taught: {controls: [no_teachr]}"),
        "taught.controls: unknown control 'no_teachr'; did you mean 'no_teacher'?"),
    "control of a technique without any": (("bits:", "bits: {controls: [random]}"),
        "bits.controls: unknown control 'random'; known: none"),
    "teacher not in the block": (("bits:", "taught: {teachers: [nbeat]}"),
        "taught.teachers: unknown model of the block 'nbeat'; did you mean 'nbeats'?"),
    "teacher of the untaught": (("bits:", "bits: {teachers: [nbeats]}"),
        "bits.teachers: bits learns from no teacher (NEEDS and TEACHABLE of compress/bits.py)"),
    "route of one step": (("bits:\n", "bits:\n    routes: [[{pruning: 0.5}]]\n"),
        "block 'traffic', routes.0: list should have at least 2 items"),
    "two techniques in a step": (("bits:\n", "bits:\n    routes: [[{pruning: 0.5, bits: 8}, {bits: 8}]]\n"),
        "block 'traffic', routes.0.0: a step is one technique and its level, e.g. {int8: 8}"),
    "step without a level": (("bits:\n", "bits:\n    routes: [[pruning, {bits: 8}]]\n"),
        "block 'traffic', routes.0.0: a step is one technique and its level"),
    "unknown technique in a route": (("bits:\n", "bits:\n    routes: [[{pruning: 0.5}, {bit: 8}]]\n"),
        "block 'traffic', routes.0: unknown technique 'bit'; did you mean 'bits'?"),
    "unknown key in a step": (("bits:\n", "bits:\n    routes: [[{pruning: 0.5}, {bits: {levl: 8}}]]\n"),
        "routes.0.1.bits.levl: unknown key 'levl'; did you mean 'level'?"),
    "unknown level in a route": (("bits:\n", "bits:\n    routes: [[{pruning: 0.5}, {bits: 9}]]\n"),
        "routes.0.bits.levels: 9 must be a whole number from 2 to 8 (LEVELS of compress/bits.py); nearest: 8"),
    "unknown variant in a route": (
        ("bits:\n", "bits:\n    routes: [[{pruning: {level: 0.5, variant: layr}}, {bits: 8}]]\n"),
        "routes.0.pruning.variants: unknown variant 'layr'; did you mean 'layer'?"),
    "route of no model that can": (
        ("bits:\n", "bits:\n  - {name: more, datasets: [roads], models: [nbeats], seeds: [0], "
         "routes: [[{pruning: 0.5}, {bits: 8}]]}\n"),
        "block 'more', routes.0.pruning: pruning cannot compress nbeats"),
    "route from a level that is not made": (
        ("bits:\n", "bits:\n    routes: [[{pruning: {level: 0.6, variant: layer}}, {bits: 8}]]\n"),
        "300_pruning/dataset=roads,model=lstm,seed=0 does not make 0.6, where a route starts; add 0.6 to the levels of "
        "block 'traffic'"),
    "route from a variant that is not made": (
        ("bits:\n", "bits:\n    routes: [[{pruning: {level: 0.5, variant: layer}}, {bits: 8}]]\n"),
        "add layer to the variants of block 'traffic'"),
    "route through a notebook without the parameter": (
        ("bits:\n", "bits:\n    routes: [[{bits: 8}, {pruning: 0.5}]]\n"),
        "300_pruning.ipynb: its parameters cell does not declare 'route'"),
    "control level not run": (("0.7]", "0.7], control_levels: [0.9]"),
        "control_levels: unknown level of the block '0.9'; did you mean '0.7'?"),
    "control of a seed that is not run": (("0.7]", "0.7], controls: [random], control_seeds: [4]"),
        "control_seeds: unknown seed of the technique '4'"),
    "family it cannot do": (("0.7]", "0.7], models: [nbeats]"),
        "pruning cannot compress nbeats: it needs units or convolutions (FITS of compress/pruning.py), which lstm can "
        "offer (CAN)"),
    "model not in the block": (("0.7]", "0.7], models: [lstn]"),
        "pruning.models: unknown model of the block 'lstn'; did you mean 'lstm'?"),
    "seed not in the block": (("0.7]", "0.7], seeds: [2]"),
        "pruning.seeds: unknown seed of the block '2'; known: 0, 1"),
    "seed twice": (("[0, 1]", "[1, 1]"), "block 'traffic', seeds: 1 is given twice"),
    "unknown loss": (("steps: 100", "loss: mee"), "budget.loss: input should be 'mae' or 'mse'"),
    "widths of a stranger": (("seeds:", "widths: {lstn: [4]}\n    seeds:"),
        "widths: unknown model of the block 'lstn'"),
    "name of another file": (("name: s\n", "name: t\n"), "name: 't' must be the file's name, 's'"),
    "key twice": (("title:", "title: B\ntitle:"), "key 'title' is given twice"),
    "not YAML": (("[roads]", "[roads"), "is not YAML"),
    "block twice": (("  - name: traffic", "  - {name: traffic, datasets: [shares]}\n  - name: traffic"),
                    "blocks: two are called 'traffic'"),
    "one run, two meanings": (("  - name: traffic", "  - {name: short, datasets: [roads], models: [lstm], seeds: [0], "
                               "budget: {steps: 5}}\n  - name: traffic"),
                              "both define the run 210_deep/dataset=roads,model=lstm,seed=0, "
                              "but with different 'steps': 5 and 100"),
}


@pytest.mark.parametrize("change, message", BAD.values(), ids=BAD)
def test_a_broken_rule_is_named_with_its_place_and_the_nearest_word(house, change, message):
    assert change[0] in GOOD
    with pytest.raises(StudyError) as error:
        loaded(house, GOOD.replace(*change, 1))
    assert message in str(error.value)


def test_all_broken_rules_are_told_at_once(house):
    with pytest.raises(StudyError, match="2 problems"):
        loaded(house, GOOD.replace("[roads]", "[road]").replace("nbeats]", "nbeat]"))


def test_a_study_file_that_is_not_there_names_one_that_is():
    with pytest.raises(StudyError, match="did you mean 'quick'"):
        plan.load(paths.PARAMS / "quik.yaml")


def test_a_notebook_that_lacks_a_parameter_the_study_sets_is_refused(house):
    (house / "notebooks" / "310_bits.ipynb").write_text(notebook(MODELLED + "levels: list = []\n"))
    with pytest.raises(StudyError, match="310_bits.ipynb: its parameters cell does not declare 'variants'"):
        loaded(house, GOOD)


# ---- what is planned ---------------------------------------------------------------------------------------------


def test_runs_and_what_they_need(house):
    made = planned(house)
    needs = {run.id: run.needs for run in made.runs if not run.late}
    dense = "210_deep/dataset=roads,model={},seed={}"
    assert needs == {
        "100_collect_traffic/dataset=roads": [],
        "200_classical/dataset=roads": [],
        dense.format("lstm", 0): [],
        dense.format("lstm", 1): [dense.format("lstm", 0)],
        dense.format("nbeats", 0): [],
        dense.format("nbeats", 1): [dense.format("nbeats", 0)],
        **{f"240_ensemble/dataset=roads,model={m}": [dense.format(m, s) for s in (0, 1)] for m in ("lstm", "nbeats")},
        "300_pruning/dataset=roads,model=lstm,seed=0": [dense.format("lstm", 0)],
        "300_pruning/dataset=roads,model=lstm,seed=1": [dense.format("lstm", 1)],
        **{f"310_bits/dataset=roads,model={m},seed={s}": [dense.format(m, s)]
           for m in ("lstm", "nbeats") for s in (0, 1)},
    }
    late = [run.id for run in made.runs if run.late]
    assert late == ["250_reference/dataset=roads", "260_committee/dataset=roads", "500_timing/dataset=roads",
                    "510_devices/dataset=roads", "600_compare/all", "610_techniques/all", "700_report/all"]
    trained = {run for run in needs if run.startswith(("200", "210"))}
    assert set(made.run("250_reference/dataset=roads").needs) == trained, "no technique is part of what it is held to"
    assert set(made.run("260_committee/dataset=roads").needs) == {*needs}, "whatever made them"
    assert set(made.run("500_timing/dataset=roads").needs) == {*needs, *late[:2]}
    assert made.run("510_devices/dataset=roads").needs[-1] == "500_timing/dataset=roads", "its exports are tried"
    assert made.run("240_ensemble/dataset=roads,model=lstm").params["seeds"] == [0, 1]
    assert made.run("700_report/all").needs[-2:] == ["600_compare/all", "610_techniques/all"]
    assert made.notes == ["pruning does not compress nbeats: left out"]


def test_parameters_are_those_the_notebook_declares(house):
    made = planned(house)
    assert made.run("300_pruning/dataset=roads,model=lstm,seed=1").params == {
        "study": "s", "dataset": "roads", "model": "lstm", "seed": 1, "levels": [0.5, 0.7], "variants": ["global"],
        "controls": [], "retrain_steps": 20}
    dense = made.run("210_deep/dataset=roads,model=nbeats,seed=1").params
    assert (dense["widths"], dense["sweep_seed"], dense["steps"]) == ([32, 64], 0, 100)


def test_a_block_overrides_the_budget_and_stocks_have_their_own_notebook(house):
    text = GOOD + "  - {name: stocks, datasets: [shares], models: [lstm], budget: {steps: 7}, classical: false}\n"
    made = planned(house, text)
    assert made.run("210_deep/dataset=shares,model=lstm,seed=0").params["steps"] == 7
    assert made.run("110_collect_stocks/dataset=shares")
    assert "200_classical/dataset=shares" not in [run.id for run in made.runs]


def test_a_compact_model_is_trained_by_its_own_notebook(house):
    made = planned(house, GOOD.replace("[lstm, nbeats]", "[lstm, linear]").replace("      bits:\n", ""))
    assert made.run("220_compact/dataset=roads,model=linear,seed=1").needs == [
        "220_compact/dataset=roads,model=linear,seed=0"]
    assert "210_deep/dataset=roads,model=linear,seed=0" not in [run.id for run in made.runs]


TABLED = """
name: s
title: Tables
seeds: [0, 1]
blocks:
  - {name: tables, datasets: [roads], classical: false, published: {models: [nbeats], horizons: [96, 192]}}
"""


def test_a_published_table_is_a_run_per_dataset_and_seed(house):
    made = planned(house, TABLED)
    assert [run.id for run in made.runs if run.stage == "230_published"] == [
        "230_published/dataset=roads,seed=0", "230_published/dataset=roads,seed=1"]
    assert made.runs[1].params == {"study": "s", "dataset": "roads", "seed": 0, "models": ["nbeats"],
                                   "horizons": [96, 192], "steps": 0}
    one = planned(house, TABLED.replace("horizons: [96, 192]", "seeds: [3]"))
    assert [run.params["horizons"] for run in one.runs if run.stage == "230_published"] == [[96]]


@pytest.mark.parametrize(("split", "planned_runs"), [("ett", 2), ("chronological", 0)])
def test_an_own_file_has_a_published_table_only_if_it_is_split_as_published(house, split, planned_runs):
    own = {"name": "my", "source": "files", "sha256": "3", "split": split}
    made = planned(house, TABLED, files={"my": "my.csv"}, my=own)
    assert len([run for run in made.runs if run.stage == "230_published"]) == planned_runs
    said = "my is not split as published (split: ett): no table is made again with it"
    assert (said in made.notes) == (planned_runs == 0)


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("[nbeats]", "[lstm]", "published.models: unknown model with a published recipe 'lstm'"),
    ("[96, 192]", "[0]", "published.horizons.0"),
    ("horizons", "horizon", "unknown key 'horizon'; did you mean 'horizons'?"),
])  # fmt: skip
def test_a_table_that_cannot_be_made_is_refused(house, old, new, problem):
    with pytest.raises(StudyError, match=problem.replace("?", r"\?")):
        loaded(house, TABLED.replace(old, new))


def test_equal_runs_of_two_blocks_are_one(house):
    more = "  - {name: more, datasets: [roads], models: [lstm], seeds: [0, 1]}\n"
    assert asdict(planned(house, GOOD + more))["runs"] == asdict(planned(house))["runs"]


def test_a_fallback_takes_the_name_of_the_sample_and_what_cannot_be_had_is_not_planned(house):
    text = GOOD.replace("[roads]", "[roads, shares]")
    fallback = {"name": "sample-roads", "source": "sample", "sha256": "2", "reason": "no network"}
    made = planned(house, text, roads=fallback, shares={"error": "no network"})
    assert {run.keys["dataset"] for run in made.runs if run.keys} == {"sample-roads"}
    assert "shares cannot be had (no network): its runs are not planned" in made.notes
    assert "roads cannot be had (no network): sample-roads stands in for it" in made.notes


def test_two_datasets_with_one_fallback_merge(house):
    text = GOOD + "  - {name: stocks, datasets: [shares], models: [lstm], budget: {steps: 7}}\n"
    fallback = {"name": "sample-roads", "source": "sample", "sha256": "2", "reason": "no network"}
    made = planned(house, text, roads=fallback, shares=fallback)
    assert made.run("210_deep/dataset=sample-roads,model=lstm,seed=0").params["steps"] == 100


def test_an_own_file_replaces_every_dataset_and_the_first_block_wins(house):
    text = GOOD + "  - {name: stocks, datasets: [shares], models: [lstm], budget: {steps: 7}}\n"
    made = planned(house, text, files={"my": "my.csv"}, my={"name": "my", "source": "files", "sha256": "3"})
    assert made.study == "s-my" and {run.keys["dataset"] for run in made.runs if run.keys} == {"my"}
    assert made.run("210_deep/dataset=my,model=lstm,seed=0").params["steps"] == 100
    assert made.run("100_collect_traffic/dataset=my").params == {"study": "s-my", "dataset": "my"}


def test_a_plan_comes_back_from_its_file(house):
    made = planned(house)
    made.write()
    assert asdict(plan.read("s")) == asdict(made)


def test_what_became_of_a_run(house):
    made = planned(house)
    keys = "dataset=roads,model=lstm,seed=0"
    dense, pruned = made.run(f"210_deep/{keys}"), made.run(f"300_pruning/{keys}")
    (made.folder / dense.dir).mkdir(parents=True)
    assert plan.state(made, dense) == ("missing", "")
    files.write_json(made.folder / dense.dir / "error.json", {"digest": dense.digest, "error": "ValueError: no"})
    assert plan.state(made, dense) == ("failed", "ValueError: no")
    assert plan.state(made, pruned) == ("not run", f"because of {dense.id}")
    files.write_json(made.folder / dense.dir / "done.json", {"digest": dense.digest})
    assert plan.state(made, dense) == ("done", "")
    files.write_json(made.folder / dense.dir / "done.json", {"digest": "of older code"})
    assert plan.state(made, dense)[0] == "failed"


@pytest.mark.parametrize("name", ["quick", "default", "full"])
def test_the_studies_of_the_house_can_be_planned(name):
    checked = plan.load(paths.PARAMS / f"{name}.yaml")
    made = plan.expand(checked, {d: {"name": d, "source": "x", "sha256": ""} for d in checked.datasets})
    assert {run.stage.partition("_")[2] for run in made.runs} >= {"classical", "deep", "timing", "compare", "report"}
    assert all(len(run.digest) == 64 for run in made.runs)


def test_planning_imports_neither_torch_nor_pandas():
    text = ("import sys\nfrom litecast import paths\nfrom litecast.planning import plan\n"
            "from litecast.running import make\n"
            "s = plan.load(paths.PARAMS / 'full.yaml')\n"
            "plan.expand(s, {d: {'name': d, 'source': 'x', 'sha256': ''} for d in s.datasets})\n"
            "print({'torch', 'pandas', 'numpy', 'papermill', 'matplotlib'} & set(sys.modules))")
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


# ---- capabilities, teachers and routes ---------------------------------------------------------------------------


def test_a_technique_is_offered_to_models_that_can_what_it_fits(house):
    known = plan.Catalogue.read()
    assert set(known.techniques) == {"pruning", "bits", "taught"}, "shared.py has no VARIANTS"
    assert known.able("pruning") == ["lstm"] and known.able("bits") == ["lstm", "nbeats"]
    assert known.able("taught") == ["linear", "lstm", "nbeats"], "no FITS: every network"
    assert known.able("pruning", "layer") == ["lstm"], "all variants fit alike unless FITS_OF says otherwise"
    (paths.PACKAGE / "models" / "tcn.py").write_text("WIDTHS = (8,)\nCAN = ('convolutions',)\n")
    assert plan.Catalogue.read().able("pruning") == ["lstm", "tcn"], "a new model edits no technique"


def test_a_variant_is_asked_of_the_models_that_it_fits(house):
    path = paths.PACKAGE / "compress" / "pruning.py"
    path.write_text(path.read_text(encoding="utf-8") + 'FITS_OF = {"layer": ("convolutions",)}\n', encoding="utf-8")
    (paths.PACKAGE / "models" / "tcn.py").write_text("WIDTHS = (8,)\nCAN = ('convolutions',)\n")
    both = GOOD.replace("[lstm, nbeats]", "[lstm, tcn]").replace("      bits:\n", "")
    made = planned(house, both.replace("0.7]", "0.7], variants: [global, layer]"))
    asked = {run.keys["model"]: run.params["variants"] for run in made.runs if run.stage == "300_pruning"}
    assert asked == {"lstm": ["global"], "tcn": ["global", "layer"]}
    assert [note for note in made.notes if "pruning" in note] == ["pruning layer does not fit lstm: left out"]
    alone = planned(house, both.replace("0.7]", "0.7], variants: [layer]"))
    assert {run.keys["model"] for run in alone.runs if run.stage == "300_pruning"} == {"tcn"}


def needs_of(made: plan.Plan, stage: str) -> dict[str, list[str]]:
    return {run.id.partition("/")[2]: [need.partition("/")[2] for need in run.needs] for run in made.runs
            if run.stage == stage}


def test_teachers_name_a_run_and_it_waits_for_their_dense_networks(house):
    taught = "taught: {teachers: [nbeats, lstm], models: [lstm], controls: [no_teacher]}"
    made = planned(house, GOOD.replace("bits:", taught))
    lstm, nbeats = "dataset=roads,model=lstm,seed=1", "dataset=roads,model=nbeats,seed=1"
    assert needs_of(made, "320_taught")[f"{lstm},teachers=nbeats+lstm"] == [lstm, nbeats]
    first, second = (run for run in made.runs if run.stage == "320_taught")
    assert first.params["teachers"] == ["nbeats", "lstm"] and first.keys["teachers"] == "nbeats+lstm"
    assert (first.params["controls"], second.params["controls"]) == (["no_teacher"], [])
    assert first.params["control_levels"] == [0.5]
    every = planned(house, GOOD.replace("bits:", taught.replace("]}", "], control_seeds: [0, 1]}")))
    assert [run.params["controls"] for run in every.runs if run.stage == "320_taught"] == [["no_teacher"]] * 2
    assert {"models/lstm.py", "models/nbeats.py"} <= files_of(made, first.id)


def test_the_code_of_a_run_holds_its_own_teachers_only(house):
    more = "  - {name: more, datasets: [roads], models: [lstm, nbeats], seeds: [0, 1], techniques: {taught: }}\n"
    made = planned(house, GOOD.replace("bits:", "taught: {teachers: [nbeats], models: [lstm]}") + more)
    lstm = "320_taught/dataset=roads,model=lstm,seed=0,teachers="
    assert made.run(f"{lstm}nbeats").code != made.run(f"{lstm}lstm").code
    assert files_of(made, f"{lstm}nbeats") == files_of(made, f"{lstm}lstm") | {"models/nbeats.py"}


def test_without_others_a_network_is_its_own_teacher(house):
    made = planned(house, GOOD.replace("bits:", "taught:"))
    one = "dataset=roads,model=nbeats,seed=0"
    assert needs_of(made, "320_taught")[f"{one},teachers=nbeats"] == [one]
    assert "models/lstm.py" not in files_of(made, f"320_taught/{one},teachers=nbeats")
    assert f"320_taught/{one},teachers=nbeats" in made.run("500_timing/dataset=roads").needs


REFERRED = GOOD.replace("bits:", "taught: {teachers: [reference], models: [lstm], seeds: [0]}")


def test_what_the_reference_teaches_waits_for_it_and_what_comes_after_waits_for_that(house):
    made = planned(house, REFERRED + "    routes: [[{taught: {level: 0.5, teachers: [reference]}}, {taught: 0.0}]]\n")
    dense, reference = "dataset=roads,model=lstm,seed=0", "250_reference/dataset=roads"
    first = made.run(f"320_taught/{dense},teachers=reference")
    assert first.needs == [f"210_deep/{dense}", reference] and first.params["teachers"] == ["reference"]
    second = next(run for run in made.runs if "route" in run.keys and run.keys["model"] == "lstm")
    assert second.keys["route"] == "taught-0.5-reference+taught-0-lstm" and second.needs[0] == first.id
    assert {run.id for run in made.runs if run.taught} >= {first.id, second.id} and not made.run(reference).taught
    assert all("=reference" in run.id or "-reference" in run.id for run in made.runs if run.taught)
    assert first.id not in made.run(reference).needs, "no technique is part of what it is held to"
    assert {first.id, second.id, reference} <= set(made.run("500_timing/dataset=roads").needs)


def done(made: plan.Plan, *runs: plan.Planned) -> None:
    for run in runs:
        files.write_json(made.folder / run.dir / "done.json", {"digest": run.digest})


def test_what_the_reference_teaches_is_settled_when_that_is_made_even_if_a_member_is_missing(house):
    made = planned(house, REFERRED)
    student, reference = (made.run(f"{name}/dataset=roads{end}") for name, end in (
        ("320_taught", ",model=lstm,seed=0,teachers=reference"), ("250_reference", "")))
    dense = made.run(student.needs[0])
    first = student.digest
    assert made.settle() == [] and student.digest == first, "neither dense nor reference is there"
    done(made, dense)
    assert made.settle() == []
    made.refresh(reference)
    done(made, reference)
    assert made.settle() == [student] and student.digest != first
    done(made, student)
    again = planned(house, REFERRED)
    assert again.run(student.id).digest == student.digest and again.settle() == [], "a second call makes nothing"
    done(again, again.run("210_deep/dataset=roads,model=nbeats,seed=0"))
    later = planned(house, REFERRED)
    assert plan.state(later, later.run(reference.id))[0] == "missing", "a member more: it may be another"
    assert later.run(student.id).digest != student.digest


def test_a_reference_that_failed_holds_up_only_what_it_teaches(house):
    made = planned(house, REFERRED)
    student, reference = made.run("320_taught/dataset=roads,model=lstm,seed=0,teachers=reference"), "250_reference"
    reference = made.run(f"{reference}/dataset=roads")
    done(made, made.run(student.needs[0]))
    made.refresh(reference)
    files.write_json(made.folder / reference.dir / "error.json", {"digest": reference.digest, "error": "E: no"})
    assert made.settle() == []
    assert plan.state(made, student) == ("not run", f"because of {reference.id}")


def test_a_technique_that_may_be_taught_is_so_only_where_teachers_are_named(house):
    path = paths.PACKAGE / "compress" / "bits.py"
    path.write_text("TEACHABLE = True\n" + path.read_text())
    told = notebook(NOTEBOOKS["310_bits"][0] + "teachers: list = []\n", NOTEBOOKS["310_bits"][1])
    (house / "notebooks" / "310_bits.ipynb").write_text(told)
    more = ("  - {name: more, datasets: [roads], models: [lstm, nbeats], seeds: [0, 1], "
            "techniques: {bits: {teachers: [nbeats, reference]}}}\n")
    made = planned(house, GOOD + more)
    dense = "dataset=roads,model=lstm,seed=0"
    assert needs_of(made, "310_bits")[dense] == [dense] and "teachers" not in made.run(f"310_bits/{dense}").keys
    assert needs_of(made, "310_bits")[f"{dense},teachers=nbeats+reference"] == [
        dense, "dataset=roads,model=nbeats,seed=0", "dataset=roads"]


ROUTES = GOOD + """    routes:
      - [{pruning: 0.5}, {bits: 8}, {taught: {level: 0.5, teachers: [nbeats]}}]
      - [{pruning: 0.5}, {bits: 8}, {bits: 2}]
"""


def test_a_route_is_a_chain_of_runs_and_a_common_beginning_is_run_once(house):
    made = planned(house, ROUTES)
    dense, chain = "dataset=roads,model=lstm,seed=1", "pruning-0.5+bits-8"
    routed = {stage: {k: v for k, v in needs_of(made, stage).items() if "route=" in k and "seed=1" in k}
              for stage in ("300_pruning", "310_bits", "320_taught")}
    assert routed == {
        "300_pruning": {},
        "310_bits": {f"{dense},route={chain}": [dense, dense],
                     f"{dense},route={chain}+bits-2": [f"{dense},route={chain}", dense]},
        "320_taught": {f"{dense},teachers=nbeats,route={chain}+taught-0.5-nbeats": [
            f"{dense},route={chain}", dense, "dataset=roads,model=nbeats,seed=1"]},
    }
    run = made.run(f"310_bits/{dense},route={chain}+bits-2")
    assert run.needs == [f"310_bits/{dense},route={chain}", f"210_deep/{dense}"]
    assert run.dir == f"runs/310_bits/{dense},route={chain}+bits-2"
    assert run.params == {"study": "s", "dataset": "roads", "model": "lstm", "seed": 1, "levels": [2],
                          "variants": ["tensor"], "route": [{"pruning": {"level": 0.5, "variant": "global"}},
                                                            {"bits": {"level": 8, "variant": "tensor"}}]}
    taught = next(run for run in made.runs if run.stage == "320_taught")
    assert (taught.params["teachers"], taught.params["controls"]) == (["nbeats"], [])
    assert made.run(f"300_pruning/{dense}").params["levels"] == [0.5, 0.7]
    assert "route pruning > bits > taught: pruning does not compress nbeats: left out" in made.notes
    assert {run.id for run in made.runs if run.stage in routed and run.keys["model"] == "lstm"} <= set(
        made.run("500_timing/dataset=roads").needs)


def test_a_variant_that_is_not_the_first_is_named(house):
    text = GOOD.replace("0.7]", "0.7], variants: [global, layer]") + (
        "    routes: [[{pruning: {level: 0.7, variant: layer}}, {bits: 8}]]\n")
    assert planned(house, text).run("310_bits/dataset=roads,model=lstm,seed=0,route=pruning-0.7-layer+bits-8")


def test_a_first_step_that_nobody_asked_for_is_planned_with_the_levels_of_all_routes(house):
    text = GOOD.replace("pruning: {levels: [0.5, 0.7]}", "bits:").replace("      bits:\n", "", 1) + (
        "    routes: [[{pruning: 0.8}, {bits: 8}], [{pruning: 0.5}, {bits: 4}], [{pruning: 0.8}, {bits: 2}]]\n")
    first = planned(house, text).run("300_pruning/dataset=roads,model=lstm,seed=0")
    assert (first.params["levels"], first.params["variants"], first.params["controls"]) == ([0.5, 0.8], ["global"], [])
    assert first.needs == ["210_deep/dataset=roads,model=lstm,seed=0"]


def test_an_own_file_leaves_out_a_route_whose_first_step_another_block_asks_otherwise(house):
    more = """
  - {name: more, datasets: [shares], models: [lstm], seeds: [0], routes: [[{pruning: 0.6}, {bits: 8}]]}
"""
    assert planned(house, GOOD + more).run("310_bits/dataset=shares,model=lstm,seed=0,route=pruning-0.6+bits-8")
    made = planned(house, GOOD + more, files={"my": "my.csv"}, my={"name": "my", "source": "files", "sha256": "3"})
    assert "a route from 300_pruning/dataset=my,model=lstm,seed=0 at 0.6 is left out: 0.6 is not among its levels" in (
        made.notes)
    assert not [run.id for run in made.runs if "route" in run.keys]


def test_an_edited_technique_moves_every_run_of_the_routes_that_go_through_it(house):
    def digests():
        return {run.id: run.digest for run in planned(house, ROUTES).runs if not run.late}

    before, path = digests(), paths.PACKAGE / "compress" / "bits.py"
    path.write_text(path.read_text() + "# edited\n")
    after = digests()
    moved = {run_id for run_id in before if before[run_id] != after[run_id]}
    assert moved == {run_id for run_id in before if run_id.startswith("310_bits") or "bits-8" in run_id}
    path = paths.PACKAGE / "models" / "nbeats.py"
    path.write_text(path.read_text() + "# edited\n")
    again = {run_id for run_id, digest in digests().items() if digest != after[run_id]}
    assert again == {run_id for run_id in before if "nbeats" in run_id}, "a teacher's code and its dense run count"


# ---- closures and digests ----------------------------------------------------------------------------------------


def files_of(made: plan.Plan, run_id: str) -> set[str]:
    return {str(path.relative_to(paths.PACKAGE)) for path in made.closure(made.run(run_id))}


def test_closure_holds_the_run_s_own_model_and_source_and_nothing_else(house):
    made = planned(house)
    assert files_of(made, "210_deep/dataset=roads,model=lstm,seed=0") == {
        "__init__.py", "training.py", "cost.py", "modelfile.py", "codecs/__init__.py", "codecs/intn.py",
        "codecs/sparse.py", "models/__init__.py", "models/base.py", "models/lstm.py"}
    assert files_of(made, "200_classical/dataset=roads") == {
        "__init__.py", "data/__init__.py", "data/frame.py", "data/public.py", "data/cache.py", "models/__init__.py",
        "models/base.py"}
    assert files_of(made, "300_pruning/dataset=roads,model=lstm,seed=0") == {
        "__init__.py", "compress/__init__.py", "compress/pruning.py", "training.py", "cost.py"}
    assert files_of(made, "600_compare/all") == {"__init__.py", "results.py"}


def test_a_package_of_runtimes_brings_all_its_files(house):
    found = files_of(planned(house), "500_timing/dataset=roads")
    assert {"runtimes/__init__.py", "runtimes/onnx.py", "runtimes/_graph.py"} <= found


def test_an_own_file_pulls_in_the_reader_of_files(house):
    found = closure.closure(paths.NOTEBOOKS / "200_classical.ipynb", {"dataset": "my"})
    assert paths.PACKAGE / "data" / "files.py" in found and paths.PACKAGE / "data" / "public.py" not in found


def test_literals_are_read_without_running_the_file(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import nowhere\nLEVELS = (1, 2)\nNAME: str = 'a'\nCOMPUTED = len(LEVELS)\nbroken()\n")
    assert catalogue.literals(path) == {"LEVELS": (1, 2), "NAME": "a"}


def changed(house: Path, change, text: str = GOOD, **lock) -> set[str]:
    """Stages of the early runs whose digest a change moves."""
    before = {run.id: run.digest for run in planned(house).runs if not run.late}
    change()
    after = planned(house, text, **lock)
    return {run.stage for run in after.runs if not run.late and before.get(run.id) != run.digest}


@pytest.mark.parametrize("file, stages", [
    ("compress/pruning.py", {"300_pruning"}),
    ("compress/bits.py", {"310_bits"}),
    ("models/nbeats.py", {"210_deep", "240_ensemble", "310_bits"}),
    ("data/sample.py", set()),
    ("data/cache.py", {"100_collect_traffic", "200_classical"}),
    ("training.py", {"210_deep", "240_ensemble", "300_pruning", "310_bits"}),
    ("results.py", set()),
])
def test_an_edit_moves_the_digests_of_what_uses_the_file_and_of_what_needs_that(house, file, stages):
    path = paths.PACKAGE / file
    assert changed(house, lambda: path.write_text(path.read_text() + "# edited\n")) == stages


def test_outputs_of_a_notebook_do_not_matter_but_its_cells_do(house):
    path = paths.NOTEBOOKS / "310_bits.ipynb"
    assert changed(house, lambda: path.write_text(path.read_text().replace('"outputs": []', '"outputs": [1]'))) == set()
    edited = path.read_text().replace("import compress", "import *")
    assert changed(house, lambda: path.write_text(edited)) == {"310_bits"}


def test_parameters_data_and_lock_file_are_part_of_a_digest(house):
    other = {"name": "roads", "source": "public", "sha256": "2"}
    assert changed(house, lambda: None, GOOD.replace("retrain_steps: 20", "retrain_steps: 21")) == {"300_pruning"}
    assert "100_collect_traffic" in changed(house, lambda: None, roads=other)
    assert "100_collect_traffic" in changed(house, lambda: (house / "lock").write_text("torch==2"))
