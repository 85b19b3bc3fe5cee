"""The study files at toy size: every notebook through Snakemake and papermill, from the data to the report."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import toy

from litecast import paths, results
from litecast.catalogue import literals
from litecast.data import dataset_names, store
from litecast.planning import plan
from litecast.report.words import title
from litecast.results.evidence import VERDICTS

SMALL, ONE = ["lstm", "dlinear"], ["lstm"]  # a deep and a compact family, where not all are needed
ROUTED = ["resnet1d"]  # asked for every word of every technique, and for all routes
OTHERS = [name for name in toy.COMPRESSED if name not in ROUTED]  # each technique once
CUTTING = ("channel_pruning", "netadapt", "amc", "pocketflow")  # what asks channel_pruning which units matter
BUILDING = ("mnasnet", "search_table")  # what may build a network of any family
CUT = ("magnitude_pruning", "channel_pruning")
FEW = ("magnitude_pruning", "distillation", "transfer")  # of the three kinds that notebooks of techniques are


@dataclass
class Built:
    """A study that was run: its file, its folder, its plan and its rows."""

    source: Path
    folder: Path
    said: str

    @property
    def plan(self) -> dict:
        return json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))

    @property
    def rows(self) -> pd.DataFrame:
        return results.read(self.folder / "results.csv")

    def done(self) -> dict[str, int]:
        """Run -> when it was finished."""
        return {str(path.parent): path.stat().st_mtime_ns for path in self.folder.glob("runs/*/*/done.json")}


def build(source: Path, *options: str, name: str = "") -> Built:
    reports = source.parent / "reports"
    called = toy.call(reports, source, *options)
    built = Built(source, reports / (name or source.stem), called.stdout)
    assert called.returncode == 0, called.stdout + called.stderr
    return built


def few(techniques: dict[str, dict], names=FEW) -> dict[str, dict]:
    """Those of these names."""
    return {name: wish for name, wish in techniques.items() if name in names}


@pytest.fixture(scope="session")
def union(tmp_path_factory) -> Built:
    """All blocks of all study files as one toy study: every model, technique, variant, control and route; two teachers.

    Variants and controls are asked of one model. Where a file asks for a second seed or for squared errors, one deep
    and one compact model on the stocks do, and a technique of each kind.
    """
    folder, blocks = tmp_path_factory.mktemp("union"), toy.blocks(*toy.FILES)
    names, asked = toy.models(blocks), toy.techniques(blocks, ROUTED)
    only = {name: wish for name, wish in toy.techniques(blocks, OTHERS).items() if name not in asked}
    csv = toy.demand(folder / "demand.csv", days=40, series=2, own="unit: crates\nL: 48\nH: 24\n")
    everything = {"name": "everything", "datasets": ["demand"], "models": names, "widths": toy.widths(names),
                  "techniques": asked}  # fmt: skip
    families = {"name": "families", "datasets": ["demand"], "models": OTHERS, "widths": toy.widths(OTHERS),
                "techniques": toy.plain(blocks, OTHERS) | only}  # fmt: skip
    squared = {"name": "squared", "datasets": ["sample-stocks"], "models": SMALL, "widths": toy.widths(SMALL),
               "seeds": [0, 1], "budget": {"loss": "mse"}, "techniques": few(toy.plain(blocks, ONE))}  # fmt: skip
    ett = toy.demand(folder / "ett.csv", days=600, series=1, own="split: ett\nL: 48\nH: 24\n")
    tables = {"name": "tables", "datasets": ["ett"], "classical": False, "published": toy.published(blocks)}
    lessons = literals(paths.PACKAGE / "compress" / "distillation.py")["VARIANTS"]
    taught = {"distillation": {"levels": [0.5], "models": ["lstm"], "teachers": ["resnet1d", "lstm"],
                               "variants": list(lessons)}}  # fmt: skip
    routed = {"name": "routed", "datasets": ["demand"], "models": ROUTED, "widths": toy.widths(ROUTED),
              "routes": toy.routes(blocks)}  # fmt: skip
    pupils = {"name": "taught", "datasets": ["demand"], "models": ["lstm", "resnet1d"],
              "widths": toy.widths(["lstm", "resnet1d"]), "techniques": taught}  # fmt: skip
    found = [everything, families, squared, tables, routed, pupils]
    return build(toy.write(folder, "toy", found, {"demand": str(csv), "ett": str(ett)}))


@pytest.fixture(scope="session")
def again(tmp_path_factory) -> Built:
    """Some of `union` once more, in a fresh folder, beside other runs; and data too short for deep networks."""
    folder, blocks = tmp_path_factory.mktemp("again"), toy.blocks(*toy.FILES)
    files = {
        "demand": toy.demand(folder / "demand.csv", days=40, series=2, own="unit: crates\nL: 48\nH: 24\n"),
        "short": toy.demand(folder / "short.csv", days=300, series=2, step="D", own="L: 28\nH: 7\n"),
    }
    once = few(toy.techniques(blocks, ROUTED), (*FEW[:2], *CUT, "weight_sharing", "rate"))
    same = {"name": "same", "datasets": ["demand"], "models": ROUTED, "widths": toy.widths(ROUTED), "techniques": once,
            "routes": toy.routes(blocks)[:2]}  # fmt: skip
    short = {"name": "short", "datasets": ["short"], "models": SMALL, "widths": toy.widths(SMALL),
             "techniques": few(toy.plain(blocks, SMALL))}  # fmt: skip
    return build(toy.write(folder, "again", [same, short], {name: str(path) for name, path in files.items()}))


# ---- planning


def real(path: Path) -> dict[str, dict]:
    """data.lock as it is where every dataset can be had."""
    sources = dataset_names()
    return {name: {"name": name, "source": sources[name], "sha256": "0"} for name in plan.load(path).datasets}


def without_network(path: Path) -> dict[str, dict]:
    """data.lock where nothing public can be had: samples stand in, or the dataset is missing."""
    fallback = literals(paths.PACKAGE / "data" / "public.py")["FALLBACK"]
    lock = real(path)
    for name, entry in lock.items():
        if entry["source"] == "public":
            stands_in = {"name": fallback.get(name), "source": "sample", "sha256": "1", "reason": "no network"}
            lock[name] = stands_in if name in fallback else {"error": "no network"}
    return lock


def features(runs: list[dict]) -> set[tuple]:
    """What a plan asks of the notebooks, whatever its data and sizes."""
    found = set()
    for run in runs:
        stage, params = run["stage"], run["params"]
        number, _, technique = stage.partition("_")
        model = None if stage.endswith("_ensemble") else run["keys"].get("model")  # a mean asks nothing of a family
        model = model and toy.tried(model)
        stood_for = number[0] == "3" and model not in toy.COMPRESSED  # by those that are
        found |= {("loss", params.get("loss"))} | (set() if stood_for else {("model", stage, model)})
        kind = "technique" if number[0] in "34" and technique not in FEW[1:] else stage  # all read it in one place
        found |= {("seed", kind, "another")} if run["keys"].get("seed") else set()
        own = {technique: {"teachers": params.get("teachers", [])}}
        found |= {("route", *pair) for pair in toy.pairs([*params.get("route", []), own])}
        found |= {("taught by", stage, teacher == params["model"]) for teacher in params.get("teachers", [])}
        for kind in ("variants", "controls"):
            found |= {(kind, stage, word) for word in params.get(kind, [])}
    return found


@pytest.mark.parametrize("path", toy.FILES, ids=lambda path: path.stem)
def test_each_study_file_plans_nothing_that_the_toy_does_not_run(path, union):
    """Without the network there are fewer datasets, and nothing is asked that is not asked of the others."""
    made = plan.expand(plan.load(path), real(path))
    assert {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")} >= {run.stage for run in made.runs}
    missing = features([vars(run) for run in made.runs]) - features(union.plan["runs"])
    assert not missing


def test_default_is_planned_with_and_without_the_network():
    path = next(path for path in toy.FILES if path.stem == "default")
    made, offline = (plan.expand(plan.load(path), lock(path)) for lock in (real, without_network))
    tables = {"etth1", "exchange"}  # they have no sample that could stand in
    demand = {"seoul-traffic", "seoul-bike", "sample-warehouse", "krx-volume", "krx-price"}
    assert {run.keys.get("dataset") for run in made.runs} == demand | tables | {None}
    assert {run.keys.get("dataset") for run in offline.runs} == {"sample-traffic", "sample-stocks", "sample-warehouse",
                                                                 None}
    assert made.notes == [note for note in offline.notes if "stands in" not in note and "cannot be had" not in note]
    assert sum("sample-stocks stands in" in note for note in offline.notes) == 2
    seeds = {run.keys["seed"] for run in made.runs if run.keys.get("dataset") == "seoul-traffic" and "seed" in run.keys}
    assert seeds == {0, 1, 2}, "the headline rows have three seeds"
    assert len({run.digest for run in made.runs}) == len(made.runs)
    real_data = {run.digest for run in made.runs if run.keys.get("dataset") != "sample-warehouse"}
    assert not real_data & {run.digest for run in offline.runs}


# ---- what a run leaves


def test_everything_is_done_and_reported(union):
    runs = union.plan["runs"]
    assert {run["stage"] for run in runs} == {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")}
    assert f"{len(runs)} of {len(runs)} runs are done" in union.said
    assert "failed:" not in union.said and "left out:" not in union.said
    for run in runs:
        assert (union.folder / run["dir"] / "notebook.html").exists(), run["id"]
    page = (union.folder / "report.html").read_text(encoding="utf-8")
    assert (union.folder / "report.pdf").read_bytes().startswith(b"%PDF")
    for technique in compressing(runs):
        assert title(technique.replace("_", " ")) in page
    assert "All planned runs are done" in page


def test_rows_have_the_columns_of_the_contract_and_no_hole(union):
    assert (union.folder / "results.csv").read_text(encoding="utf-8").splitlines()[0].split(",") == results.COLUMNS
    rows = union.rows
    assert rows.row_id.is_unique and (rows.error == "").all() and (rows.study == "toy").all()
    kinds = ("mse_scaled", "mae_scaled", "wape", "mase", "bias", "skill")
    measured = [f"{part}_{kind}" for part in ("val", "test") for kind in kinds]
    assert np.isfinite(rows[measured]).all(axis=None)
    stored = rows[rows.artefact != ""]
    for row in stored.itertuples():
        assert (union.folder / row.artefact).stat().st_size == row.bytes
    assert (rows.artefact[rows.role == "compressed"] != "").all()


def compressing(runs: list[dict]) -> dict[str, list[dict]]:
    """Technique -> its runs that start from the dense network, without those whose lines stand in a table of their own.
    """
    found: dict[str, list[dict]] = {}
    for run in runs:
        if run["stage"][0] == "3" and "route" not in run["keys"]:
            found.setdefault(run["stage"].partition("_")[2], []).append(run)
    return {name: mine for name, mine in found.items()
            if literals(paths.PACKAGE / "compress" / f"{name}.py")["STORAGES"]}


def test_every_technique_compressed_every_model_it_is_asked_for(union):
    rows = union.rows
    made = set(zip(rows.dataset, rows.technique, rows.model, strict=True))
    for technique, runs in compressing(union.plan["runs"]).items():
        assert {(run["keys"]["dataset"], technique, run["keys"]["model"]) for run in runs} <= made
        asked = toy.techniques(toy.blocks(*toy.FILES), toy.models(toy.blocks(*toy.FILES)))[technique]["models"]
        assert set(rows.model[rows.technique == technique]) == set(asked) <= set(toy.fitting(technique))
        assert {"lstm", "resnet1d"} <= set(asked)
    free = {"naive", "drift", "seasonal_naive", "historical_average", "usual_mean", "usual_median"}
    fitted = {"arima", "mstl", "ets", "ridge", "boosting"}
    assert set(rows.model[rows.technique == "classical"]) == free | fitted | {"seasonal_naive_24"}


def test_a_site_that_was_held_out_has_a_table_of_its_own(union):
    runs = [run for run in union.plan["runs"] if run["stage"].endswith("_transfer")]
    assert runs and "transfer" not in set(union.rows.technique)
    for run in runs:
        lines, asked = pd.read_csv(union.folder / run["dir"] / "transfer.csv"), run["params"]
        ways = [*asked["variants"], *asked.get("controls", [])]
        assert set(lines.moves) == set(ways) and set(lines.share) == set(asked["levels"]) and lines.site.nunique() == 1
        assert (lines[["val_wape", "test_wape", "bytes"]] > 0).all(axis=None) and (lines.threads == 1).all()
        assert (lines.macs[lines.moves == "frozen"] == 0).all() and (lines.trained[lines.moves == "frozen"] == 0).all()


def test_every_route_ends_in_a_file_of_its_own(union):
    rows = union.rows
    routes = [[[*step.items()][0] for step in route] for route in toy.routes(toy.blocks(*toy.FILES))]
    for route in routes:
        ends = rows[(rows.technique == "+".join(name for name, _ in route)) & (rows.control == "")]
        assert set(ends.model) == set(ROUTED) and (ends.artefact != "").all(), route
        assert (ends.route.str.count(">") >= len(route) - 1).all(), "every step, and levels on the way to one"
    steps = routes[0]
    assert steps == [("channel_pruning", 0.5), ("int8", 8)]
    ends = rows[(rows.technique == "channel_pruning+int8") & (rows.control == "")]
    assert set(ends.model) == set(ROUTED) and set(ends.level) == {"0.5+8"}
    assert set(ends.route) == {"channel_pruning 0.5 > int8 8"} and (ends.artefact != "").all()
    parents = rows.set_index("row_id").loc[ends.parent_id]
    assert set(parents.technique) == {"channel_pruning"} and set(parents.level) == {"0.5"}
    assert set(parents.route) == {"channel_pruning 0.5"}
    assert (rows.set_index("row_id").loc[ends.dense_id].technique == "dense").all()
    alike = (rows.technique == "int8") & (rows.dataset == "demand") & (rows.variant == "minmax-int8")
    plain = rows[alike].groupby("model").bytes.min()
    assert (ends.bytes.to_numpy() < plain[ends.model].to_numpy()).all(), "half the units, and in 8 bit"


def test_taught_rows_name_their_teachers(union):
    rows = union.rows
    taught = rows[rows.teacher_id != ""]
    assert set(taught.technique.str.rpartition("+")[2]) == {"distillation", "rate"}
    assert "no_teacher" not in set(taught.control)
    assert set(rows.model[rows.control == "no_teacher"]) == set(ROUTED)
    teaches = rows.set_index("row_id").model[lambda models: rows.technique.isin(["dense", "ensemble"]).to_numpy()]
    named = {(row.model, *(teaches[one] for one in row.teacher_id.split(" + "))) for row in taught.itertuples()}
    itself, reference = {(model, model) for model in taught.model}, {(model, "reference") for model in ROUTED}
    assert named == itself | reference | {("lstm", "resnet1d", "lstm")}
    both = union.folder / "runs/330_distillation/dataset=demand,model=lstm,seed=0,teachers=resnet1d+lstm/results.csv"
    assert set(results.read(both).variant.str.partition(":")[2].str.rpartition("-")[0]) == {"resnet1d+lstm"}


def test_published_tables_stand_apart(union):
    rows = union.rows
    tables = rows[rows.technique == "published"]
    assert set(tables.model) == {"naive", *toy.published(toy.blocks(*toy.FILES))["models"]}
    assert set(tables.dataset) == {"ett"} and set(tables.seed) == {0, 1} and (tables.level == "24").all()
    assert (tables.selected == 0).all() and (tables.dense_id == "").all()
    assert set(tables.L[tables.model == "sparsetsf"]) == {720}
    compared = pd.read_csv(union.folder / "comparisons.csv")
    assert not set(compared.row) & set(tables.row_id)


def test_every_claim_has_an_answer_that_rests_on_rows(union):
    cases = pd.read_csv(union.folder / "cases.csv", keep_default_na=False)
    known, runs = set(union.rows.row_id), {run["dir"] for run in union.plan["runs"]}
    for case in cases.itertuples():
        ids = [name for names in (case.rows, case.reference) for name in names.split(" + ") if name]
        assert set(ids) <= known and (ids or case.run in runs or case.what == "smallest"), case
    assert set(cases.verdict) <= set(VERDICTS) and set(cases.claim) >= {9, 10, 12}, "what takes no skill"
    assert (union.folder / "report.html").read_text(encoding="utf-8").count("<em>Tested:</em>") == 28
    tests = pd.read_csv(union.folder / "claims.csv")
    assert set(tests.row) | set(tests.reference) <= known and tests.verdict.notna().all()


def test_controls_are_there(union):
    rows = union.rows
    controls = set(zip(rows.run, rows.control, strict=True))
    for run in union.plan["runs"]:
        if run["stage"].endswith("_transfer"):
            continue
        is_dense = run["stage"].endswith(("_deep", "_compact"))
        wanted = ["extra_epochs"] if is_dense else run["params"].get("controls", [])
        assert {(run["dir"], control) for control in wanted} <= controls
    assert (rows.role[rows.control != ""] == "control").all()


def test_exactly_one_level_is_selected_everywhere(union):
    rows = union.rows
    mine = rows[rows.control == ""]
    chosen = mine[mine.selected == 1].groupby(results.GROUP)["level"].nunique()
    assert (chosen == 1).all()
    ranked = mine[mine.technique != "published"]
    assert set(chosen.index) == set(ranked.groupby(results.GROUP).size().index)
    assert (rows.selected[rows.control != ""] == 0).all()
    two = mine[(mine.selected == 1) & (mine.dataset == "sample-stocks") & (mine.technique == "magnitude_pruning")]
    assert (two[two.runtime == "torch"].groupby(results.GROUP)["seed"].nunique() == 2).all(), "one level, for all seeds"


def test_files_are_timed_in_both_runtimes(union):
    rows = union.rows
    copies = rows[rows.copy_of != ""]
    assert set(copies.runtime) == {"onnxruntime"} and len(copies)
    assert (copies[["latency_ms_p10", "latency_ms_p50", "latency_ms_p90", "latency_ratio"]] > 0).all(axis=None)
    parents = rows[rows.row_id.isin(copies.copy_of)]
    assert (parents.latency_ms_p50 > 0).all() and set(parents.runtime) == {"torch"}
    int8 = rows[(rows.technique == "int8") & (rows.selected == 1) & (rows.seed == 0)]
    assert set(int8.runtime) == {"onnxruntime"} and (int8.latency_ms_p50 > 0).all() and (int8.copy_of == "").all()
    selected = rows[(rows.selected == 1) & (rows.format == "litecast") & (rows.seed == 0)]
    dense = selected[selected.technique == "dense"].set_index(["dataset", "model"]).macs
    of_dense = selected.set_index(["dataset", "model"]).index.map(dense).to_numpy()
    same = (selected.technique != "dense") & (selected.macs == of_dense)  # the dense network in fewer bits
    told = set(results.headline(rows).filter(regex="^(best|small|row_.*)$").to_numpy().ravel())
    assert set(selected.row_id[~same]) <= set(parents.row_id)
    assert same.any() and not (set(selected.row_id[same]) - told) & set(parents.row_id)
    # the same network in another runtime: the same forecasts
    both = copies.merge(rows, left_on="copy_of", right_on="row_id", suffixes=("", "_torch"))
    np.testing.assert_allclose(both.test_wape, both.test_wape_torch, rtol=1e-3)


def test_comparisons_have_a_verdict_per_margin(union):
    compared = pd.read_csv(union.folder / "comparisons.csv")
    assert {"row", "reference", "margin", "delta", "low", "high", "verdict"} <= set(compared.columns)
    claims = compared[compared.margin > 0]
    assert {0.01, 0.02, 0.05} == set(claims.margin)
    assert set(claims.verdict) <= {"within", "undecided", "worse", "no skill to lose"}
    rows = union.rows
    wanted = rows[(rows.role == "compressed") & (rows.selected == 1) & (rows.format == "litecast")]
    assert set(wanted.technique) - {"width"} <= set(rows.technique[rows.row_id.isin(claims["row"])])


def test_settings_of_a_block_reach_its_runs(union):
    losses = {run["keys"]["dataset"]: run["params"]["loss"] for run in union.plan["runs"] if "loss" in run["params"]}
    assert losses == {"demand": "mae", "sample-stocks": "mse"}
    made = union.folder / "runs/210_deep/dataset=sample-stocks,model=lstm,seed=1/notebook.ipynb"
    cells = json.loads(made.read_text(encoding="utf-8"))["cells"]
    injected = "".join(next(c["source"] for c in cells if "injected-parameters" in c["metadata"].get("tags", [])))
    assert 'loss = "mse"' in injected and "seed = 1" in injected and "sweep_seed = 0" in injected
    rows = union.rows
    seeds = rows[(rows.dataset == "sample-stocks") & (rows.model == "lstm")]
    tried = seeds[seeds.technique == "width"].groupby("seed")["level"].nunique()
    assert tried[0] >= 2 and tried[1] == 1  # the widest is doubled where it is the best
    assert seeds[seeds.technique == "dense"]["level"].nunique() == 1, "other seeds take the width that the first chose"


# ---- the same again


def test_a_second_call_runs_nothing(union):
    before = union.done()
    called = toy.call(union.folder.parent, union.source)
    assert called.returncode == 0 and "[" not in called.stdout
    assert union.done() == before


def test_the_same_study_in_a_fresh_folder_gives_the_same_numbers_and_bytes(union, again):
    alike = "dataset == 'demand' and format != 'skops' and model != 'committee'"  # who of all there are stand together
    first, second = (results.own(made.rows.query(alike)).set_index("row_id") for made in (union, again))
    assert {"distillation", "channel_pruning+int8"} <= set(second.technique)
    same = first.loc[second.index]
    columns = [name for name in results.COLUMNS if name.startswith(("val_", "test_"))]
    columns += "level selected dense_id params live_params nonzero_params macs train_macs bytes".split()
    pd.testing.assert_frame_equal(same[columns], second[columns], check_exact=True)
    files = [name for name in second.artefact if name]
    assert len(files) > 20
    for name in files:
        assert sha256(union.folder / name) == sha256(again.folder / name), name


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


STALE = """
import sys
from litecast.planning import plan
from litecast.data import resolve
checked = plan.load(sys.argv[1])
made = plan.expand(checked, resolve(checked.datasets, checked.files))
print(*(run.id for run in made.runs if plan.state(made, run)[0] != "done"), sep="\\n")
"""


def stale(house: Path, built: Built) -> set[str]:
    """The runs of a finished study that the code in another house would make again."""
    unset = {"PYTHONPATH": str(house / "src"), "LITECAST_REPORTS": str(built.folder.parent)}
    called = subprocess.run([sys.executable, "-c", STALE, str(built.source)], capture_output=True, text=True, cwd=house,
                            env=toy.os.environ | unset)  # fmt: skip
    assert called.returncode == 0, called.stderr
    return set(called.stdout.split())


def edit(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def test_an_edit_makes_stale_what_depends_on_it_and_nothing_else(union, tmp_path):
    house, ignored = tmp_path / "house", shutil.ignore_patterns("__pycache__")
    for name in ("src", "notebooks", "params"):
        shutil.copytree(paths.ROOT / name, house / name, ignore=ignored)
    shutil.copytree(paths.ROOT / "reports" / "templates", house / "reports" / "templates")
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(paths.ROOT / name, house / name)
    (house / "README.md").write_text("edited", encoding="utf-8")
    assert stale(house, union) == set()

    edit(house / "src" / "litecast" / "compress" / "channel_pruning.py")
    cut = {run["id"] for run in union.plan["runs"]
           if run["stage"].endswith(CUTTING) or "channel_pruning" in run["keys"].get("route", "")}
    timed = {f"{stage}/dataset={run['keys']['dataset']}" for run in union.plan["runs"] if run["id"] in cut
             for stage in ("260_committee", "500_timing", "510_devices")}
    assert stale(house, union) == cut | timed | {"600_compare/all", "610_techniques/all", "700_report/all"}

    shutil.copy(paths.PACKAGE / "compress" / "channel_pruning.py", house / "src" / "litecast" / "compress")
    edit(house / "src" / "litecast" / "models" / "lstm.py")
    built = ("lstm", "gru")  # whose module imports that of the LSTM
    touched = {run["id"] for run in union.plan["runs"] if run["keys"].get("model") in built}
    others = {run["id"] for run in union.plan["runs"] if run["keys"].get("model") not in (None, *built)
              and not run["stage"].endswith(BUILDING)
              and not run["taught"]}  # by a reference, of which an LSTM may be a member
    assert touched <= stale(house, union) and not others & stale(house, union)


# ---- one's own data


def test_short_data_get_classical_and_compact_models_and_a_note(again):
    assert "failed:" not in again.said
    note = "short has 176 train windows, fewer than 200: classical and compact models only, lstm is left out"
    rows = again.rows[again.rows.dataset == "short"]
    assert set(rows.model) == {"naive", "drift", "seasonal_naive", "historical_average", "usual_mean", "usual_median",
                               "arima", "mstl", "ets", "ridge", "boosting", "dlinear", "reference"}
    without = [run["id"] for run in again.plan["runs"] if run["keys"].get("model") == "lstm"
               and run["keys"]["dataset"] == "short"]  # fmt: skip
    assert {name.partition("/")[0].partition("_")[2] for name in without} == {"deep", *FEW}, "and what starts from it"
    for name in without:
        assert f"left out: {name}: {note}" in again.said
        assert note in (again.folder / "runs" / name / "notebook.html").read_text(encoding="utf-8")
    assert (again.folder / "report.html").read_text(encoding="utf-8").count(note) == len(without)
    assert "resnet1d" in set(again.rows.model[again.rows.dataset == "demand"]), "only where the data are short"


def test_a_file_in_the_format_of_ett_runs_the_default_study(tmp_path):
    default = next(path for path in toy.FILES if path.stem == "default")
    made = [{"name": block["name"], "datasets": block["datasets"], "models": ONE, "widths": toy.widths(ONE),
             "techniques": few(toy.plain([block], ONE), CUT)} for block in toy.blocks(default)]  # fmt: skip
    made[-1]["published"] = {"models": ["nlinear"], "horizons": [24], "steps": 2}
    (tmp_path / "own").mkdir()
    csv = tmp_path / "own" / "My ETT.csv"
    toy.demand(csv, days=600, series=7, own="split: ett\nL: 48\nH: 24\n", column="date")
    built = build(toy.write(tmp_path, "default", made), "--data", str(csv), name="default-my-ett")
    assert not (tmp_path / "reports" / "default").exists()
    coverage = built.folder / "runs/100_collect_traffic/dataset=my-ett/coverage.json"
    seen = json.loads(coverage.read_text(encoding="utf-8"))
    assert (seen["split"], seen["series"], seen["steps"]) == ("ett", 7, 14_400)
    assert seen["part_steps"] == {"train": 8640, "val": 2880, "test": 2880}
    assert seen["windows"]["test"] == 2880 - 24 + 1
    rows = built.rows
    assert set(rows.dataset) == {"my-ett"} and {"lstm", "arima", "naive"} <= set(rows.model)
    assert {*CUT, "published"} <= set(rows.technique)
    assert set(rows.model[rows.technique == "published"]) == {"naive", "nlinear"}
    assert set(rows.data_source) == {"files"} and (built.folder / "report.pdf").exists()


@pytest.mark.parametrize("path", toy.FILES, ids=lambda path: path.stem)
def test_the_control_trained_longer_gets_as_many_steps_as_the_longest_chain_of_retrainings(path):
    body = toy.body(path)
    for block in body["blocks"]:
        budget = body["budget"] | block.get("budget", {})
        for name, wish in block.get("techniques", {}).items():
            own = literals(paths.PACKAGE / "compress" / f"{name}.py")
            cuts = len((wish or {}).get("levels", own["LEVELS"])) if own["CHAIN"] else 1
            if set((wish or {}).get("variants", [])) - set(own["CHAIN"] or own["VARIANTS"]):  # as long as its LEVELS
                cuts = max(cuts, sum(level <= max(wish.get("levels", own["LEVELS"])) for level in own["LEVELS"]))
            assert cuts * budget["retrain_steps"] <= budget["extra_steps"], (block["name"], name)


# ---- what was collected


def shares(days: int) -> None:
    """A collection of prices, as if its source had just been asked."""
    close = pd.Series(1000.0 + np.arange(days) % 17)
    table = pd.DataFrame({"time": pd.bdate_range("2023-01-02", periods=days), "series": "000001",
                          **dict.fromkeys(["open", "high", "low", "close"], close), "volume": close * 3,
                          "value": np.nan})  # fmt: skip
    one = store.Collection("toy-shares")
    one.describe(source="krx-files", kind="stocks", provider="nobody", licence="none", unit="KRW", note="",
                 country="KR", frequency="trading-day", split="chronological", request={})  # fmt: skip
    one.put("000001", table, {"made_of": str(days), "request": {}, "notes": {"rows given twice": 2}, "time": ""})


def test_what_was_collected_reaches_a_study_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    shares(600)
    mine = {"name": "mine", "datasets": ["toy-shares-volume"], "models": ["dlinear"]}
    made = build(toy.write(tmp_path, "mine", [mine]), "--stage", "1")
    assert list(made.done()) == [str(made.folder / "runs" / "110_collect_stocks" / "dataset=toy-shares-volume")]
    entry = json.loads((made.folder / "data.lock").read_text(encoding="utf-8"))["toy-shares-volume"]
    assert (entry["source"], entry["sha256"]) == ("store", store.Collection("toy-shares").sha256)
    page = next(made.folder.glob("runs/110_*/*/notebook.html")).read_text(encoding="utf-8")
    assert "1 series of 600 steps (trading-day), in shares" in page and "rows given twice: 2" in page
    assert "[  1/1]" not in build(made.source, "--stage", "1").said, "nothing has changed"
    before = made.done()
    shares(700)
    assert "[  1/1] 110_collect_stocks" in build(made.source, "--stage", "1").said and made.done() != before
