"""From network to row on a tiny dataset: who comes from whom, what it cost, and that the file says the same."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from litecast import compress, modelfile, paths, results, training
from litecast.compress import channel_pruning, magnitude_pruning
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import RunError
from litecast.experiment import dense, measure, timing
from litecast.figures import levels
from litecast.models.classical.naive import naive
from litecast.training import cost, errors

BUDGET = training.Budget(steps=3, batch=16, lr=0.004)
STORAGES = ("float32", "int8")
STUDY, NAME = "tiny", "lstm"


def dataset():
    values = 50 + np.random.default_rng(0).normal(0, 2, (250, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=250, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def everything(data):
    """The notebooks 21, 30 and 31 without their words."""
    deep = results.Run.open("deep", STUDY, dataset="made-up", model=NAME, seed=0)
    swept = list(dense.sweep(deep, data, NAME, (4, 8), BUDGET, 0, STORAGES))
    dense = dense.promote(deep, data, NAME, 8, 0)
    extra = dense.extra_epochs(deep, data, dense, BUDGET.of_steps(2), 0)
    deep.finish()
    made, runs = {}, [deep]
    for technique in (magnitude_pruning, channel_pruning):
        stage = technique.__name__.rsplit(".", 1)[1]
        run = results.Run.open(stage, STUDY, dataset="made-up", model=NAME, seed=0)
        start = dense.dense(run, data, NAME, 0, BUDGET)
        budget, variant = levels.retraining(BUDGET, 2), technique.VARIANTS[0]
        steps = list(levels.levels(run, technique, start, data, [0.5, 0.75], variant, budget, 0, technique.CHAIN))
        for kind in ("random", "scratch"):
            made[stage, kind] = levels.control(run, technique, kind, steps[1][0], start, data, budget, 0)
        made[stage] = steps
        runs.append(run)
    return SimpleNamespace(data=data, swept=swept, dense=dense, extra=extra, made=made, runs=runs)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITECAST_REPORTS", str(folder))
        made = everything(dataset())
    made.folder = folder
    return made


@pytest.fixture
def study(built, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(built.folder))
    return built


def rows_of(study):
    return {row["row_id"]: row for run in study.runs for row in run.rows}


@pytest.fixture
def fits(monkeypatch):
    """Every training is counted."""
    counted, fit = [], training.fit

    def count(model, data, budget, seed, masks=None):
        counted.append(budget)
        return fit(model, data, budget, seed, masks)

    monkeypatch.setattr(training, "fit", count)
    return counted


# ---- rows

def test_every_row_is_there_with_its_role(study):
    roles = {i.removeprefix("made-up/lstm/"): (r["role"], r["control"] or "") for i, r in rows_of(study).items()}
    expected = {f"width/{width}/{storage}/s0": (role, "") for width in (4, 8)
                for storage, role in (("float32", "dense"), ("int8", "compressed"))}  # fmt: skip
    expected |= {"dense/8/float32/s0": ("dense", ""),
                 "dense/8/float32/s0/extra_epochs": ("control", "extra_epochs")}  # fmt: skip
    for technique, variant in (("magnitude_pruning", "global"), ("channel_pruning", "l2")):
        for level in (0.5, 0.75):
            expected |= {f"{technique}/{level}/{variant}-{s}/s0": ("compressed", "") for s in STORAGES}
        expected |= {f"{technique}/0.75/{variant}-float32/s0/{c}": ("control", c) for c in ("random", "scratch")}
    assert roles == expected


def test_parents_and_what_the_whole_route_cost(study):
    rows = {i.removeprefix("made-up/lstm/"): r for i, r in rows_of(study).items()}
    dense = rows["dense/8/float32/s0"]
    first = 3 * BUDGET.steps * BUDGET.batch * dense["macs"]
    again = 3 * 2 * BUDGET.batch
    assert dense["train_macs"] == rows["width/8/int8/s0"]["train_macs"] == first
    assert dense["artefact"] == rows["width/8/float32/s0"]["artefact"] and dense["parent_id"] is None
    extra = rows["dense/8/float32/s0/extra_epochs"]
    assert (extra["train_macs"], extra["parent_id"]) == (first + again * dense["macs"], dense["row_id"])
    half, more = (rows[f"magnitude_pruning/{level}/global-int8/s0"] for level in (0.5, 0.75))  # a chain
    assert (half["train_macs"], more["train_macs"]) == tuple(first + n * again * dense["macs"] for n in (1, 2))
    before = rows["magnitude_pruning/0.5/global-float32/s0"]
    assert half["parent_id"] == dense["row_id"] and more["parent_id"] == before["row_id"]
    assert more["compress_s"] > half["compress_s"] > 0 and more["train_s"] > half["train_s"] > dense["train_s"] > 0
    for level in (0.5, 0.75):  # each from the dense network
        row = rows[f"channel_pruning/{level}/l2-float32/s0"]
        assert (row["train_macs"], row["parent_id"]) == (first + again * row["macs"], dense["row_id"])
        assert row["macs"] < dense["macs"] and row["live_params"] < dense["live_params"]
    assert rows["magnitude_pruning/0.5/global-float32/s0"]["macs"] == dense["macs"]  # masks earn no speed


def test_controls_cost_what_the_technique_did(study):
    rows = {i.removeprefix("made-up/lstm/"): r for i, r in rows_of(study).items()}
    for like in ("magnitude_pruning/0.75/global-float32/s0", "channel_pruning/0.75/l2-float32/s0"):
        random, scratch, own = (rows[like + end] for end in ("/random", "/scratch", ""))
        assert random["train_macs"] == own["train_macs"]
        one = 3 * BUDGET.batch * own["macs"]
        assert own["train_macs"] - one < scratch["train_macs"] <= own["train_macs"]
        for row in (random, scratch):
            assert all(row[name] == own[name] for name in ("live_params", "level", "variant"))
            assert row["val_wape"] != own["val_wape"]
        assert abs(scratch["nonzero_params"] - own["nonzero_params"]) <= 2  # a bias may be zero


def test_what_is_told_of_a_file_is_what_the_file_gives(study):
    for identifier, row in rows_of(study).items():
        path = paths.study_dir(STUDY) / row["artefact"]
        loaded, counted = modelfile.load(path), cost.profile(modelfile.load(path).model)
        assert row["bytes"] == path.stat().st_size and row["format"] == "litecast" and row["runtime"] == "torch"
        told = ("params", "live_params", "nonzero_params", "macs", "arena_bytes", "resident_bytes")
        assert {name: row[name] for name in told} == {name: getattr(counted, name) for name in told}
        for part in measure.PARTS:
            yhat = training.predict(loaded.model, study.data, study.data.origins(part))
            errors = errors.errors(study.data, part, yhat, study.dense.yhat[part])
            drift = errors.pop(f"{part}_drift")
            assert {name: row[name] for name in errors} == errors
            if row["technique"] in ("magnitude_pruning", "channel_pruning") or row["control"]:
                assert row[f"{part}_drift"] == drift > 0, identifier


def test_losses_are_kept_of_every_row_and_forecasts_of_dense(study):
    for run in study.runs[1:]:
        run.finish()
    for run in study.runs:
        losses = pd.read_parquet(run.dir / "losses.parquet")
        assert set(losses.row_id) == {row["row_id"] for row in run.rows}
        assert (losses.groupby("row_id", observed=True).size() == 2 * len(study.data.origins("test"))).all()
        for row in run.rows:
            own = losses[losses.row_id == row["row_id"]]
            assert own.abs_err.sum() / own.abs_y.sum() == pytest.approx(row["test_wape"], rel=1e-4)
    kept = pd.read_parquet(study.runs[0].dir / "forecasts.parquet")
    assert set(kept.row_id) == {study.dense.row["row_id"]}
    np.testing.assert_allclose(kept.yhat, study.data.unscale(study.dense.yhat["test"]).ravel(), rtol=1e-6)


def test_coverage_is_the_share_really_held(study):
    for row in rows_of(study).values():
        if row["variant"].endswith("float32"):
            assert (row["coverage_weights"], row["coverage_macs"]) == (1, 1)
        else:
            tensors = modelfile.load(paths.study_dir(STUDY) / row["artefact"]).model.state_dict().values()
            matrices = sum(t.numel() for t in tensors if t.ndim > 1)  # biases stay in 16 bit
            assert row["coverage_weights"] == pytest.approx(matrices / sum(t.numel() for t in tensors))
            assert row["coverage_weights"] < 1 and row["coverage_macs"] == 0  # decoded to float32 to run


def test_float16_does_not_claim_half_precision_products():
    tensors = {"a": {"shape": (3, 4), "codec": "float16"}, "b": {"shape": (4,), "codec": "float32"}}
    loaded = SimpleNamespace(tensors=tensors)
    assert measure.coverage(loaded, "global-float16") == {"coverage_weights": 0.75, "coverage_macs": 0.0}


def test_the_sweep_yields_rows_and_trainings_in_order(study):
    assert [(row["level"], row["variant"], fit.log.step.iloc[-1]) for row, fit in study.swept] == [
        (4, "float32", 3), (8, "float32", 3)]  # fmt: skip


def test_the_levels_yield_what_was_stored(study):
    for technique in ("magnitude_pruning", "channel_pruning"):
        steps = study.made[technique]
        assert [step.row["level"] for step, _ in steps] == [0.5, 0.75]
        assert all(compressed.fit.macs > 0 for _, compressed in steps)
        assert all(step.row["variant"].endswith("-float32") for step, _ in steps)


# ---- again

def test_a_second_call_trains_nothing_and_changes_nothing(study, fits):
    before = {i: {k: v for k, v in row.items() if k not in ("dirty", "commit")} for i, row in rows_of(study).items()}
    again = everything(study.data)
    after = {i: {k: v for k, v in row.items() if k not in ("dirty", "commit")} for i, row in rows_of(again).items()}
    assert fits == [] and after == before
    assert all(fit is None for _, fit in again.swept)
    assert all(compressed is None for _, compressed in again.made["magnitude_pruning"])
    for part in measure.PARTS:
        np.testing.assert_array_equal(again.dense.yhat[part], study.dense.yhat[part])


def test_a_level_that_was_cut_off_is_made_again_like_the_first_time(tmp_path, study, fits):
    run = results.Run.open("magnitude_pruning", "other", dataset="made-up", model=NAME, seed=0)

    def go():
        budget = levels.retraining(BUDGET, 2)
        steps = levels.levels(run, magnitude_pruning, study.dense, study.data, [0.5, 0.75], "global", budget, 0, True)
        return list(steps)

    first = go()
    assert len(fits) == 2
    del run._rows["made-up/lstm/magnitude_pruning/0.75/global-int8/s0"]  # killed before it was written
    again = go()
    assert len(fits) == 3 and again[0][1] is None and again[1][1] is not None
    same = ("bytes", "val_wape", "test_wape", "train_macs", "parent_id", "nonzero_params")
    assert [[step.row[name] for name in same] for step, _ in again] == [
        [step.row[name] for name in same] for step, _ in first]  # fmt: skip


# ---- choices

def test_the_smallest_width_within_one_percent():
    def rows(**wapes):
        return [{"level": int(width[1:]), "val_wape": wape} for width, wape in wapes.items()]

    assert dense.smallest_width(rows(w64=0.1000, w32=0.1009, w16=0.1011, w8=0.2)) == 32
    assert dense.smallest_width(rows(w8=0.1, w16=0.1, w32=0.5)) == 8
    assert dense.smallest_width(rows(w8=0.3, w16=0.2, w32=0.1)) == 32


def test_another_seed_takes_the_width_that_the_first_chose(study):
    assert dense.wanted_widths(STUDY, study.data, NAME, 0, 0, [4, 8], STORAGES) == ([4, 8], STORAGES)
    assert dense.wanted_widths(STUDY, study.data, NAME, 0, 0, [], STORAGES)[0] == [16, 32, 64, 128]
    assert dense.wanted_widths(STUDY, study.data, NAME, 5, 0, [4, 8], STORAGES) == ([8], ("float32",))
    with pytest.raises(RunError, match="seed 5 takes the width that seed 1 chose"):
        dense.wanted_widths(STUDY, study.data, NAME, 5, 1, [4, 8], STORAGES)


def test_retraining_is_gentler_but_a_network_from_scratch_gets_the_full_rate(study, monkeypatch):
    budget = levels.retraining(BUDGET, 7)
    assert budget == replace(BUDGET, steps=7, lr=0.002)
    asked, scratch = {}, compress.scratch

    def spy(small, data, budget, route_macs, dense_macs, seed):
        asked.update(lr=budget.lr, route=route_macs, dense=dense_macs)
        return scratch(small, data, budget, route_macs, dense_macs, seed)

    monkeypatch.setattr(compress, "scratch", spy)
    like = study.made["channel_pruning"][1][0]
    run = results.Run.open("x", "other", dataset="made-up", model=NAME, seed=0)
    made = levels.control(run, channel_pruning, "scratch", like, study.dense, study.data, budget, 0)
    assert asked == {"lr": 0.004, "route": like.row["train_macs"], "dense": study.dense.row["train_macs"]}
    assert made.row["control"] == "scratch" and made.row["technique"] == "channel_pruning"


def test_a_random_control_retrains_as_often_as_a_chain_did(study, fits):
    run = results.Run.open("y", "other", dataset="made-up", model=NAME, seed=0)
    like = study.made["magnitude_pruning"][1][0]
    levels.control(run, magnitude_pruning, "random", like, study.dense, study.data, levels.retraining(BUDGET, 2), 0)
    assert [budget.steps for budget in fits] == [4]


def test_costs_add_up_along_a_route_and_what_is_not_known_stays_so():
    fit = training.Fit(pd.DataFrame(), 10, 2.0, 5.0, 1)
    before = {"train_macs": 100, "train_s": 1.5, "train_peak_mb": 7.0}
    assert measure.spent(fit) == {"train_macs": 10, "train_s": 2.0, "train_peak_mb": 5.0}
    assert measure.spent(fit, before) == {"train_macs": 110, "train_s": 3.5, "train_peak_mb": 7.0}
    assert measure.spent(None, before) == before
    assert np.isnan(measure.spent(replace(fit, peak_mb=float("nan")))["train_peak_mb"])  # not 0: empty in the table


# ---- the dense network of a notebook run by hand

def test_on_its_own_a_notebook_trains_its_dense_network_once(study, fits, capsys):
    def call():
        run = results.Run.open("magnitude_pruning", "alone", dataset="made-up", model="dlinear", seed=0)
        return dense.dense(run, study.data, "dlinear", 0, BUDGET)

    first, again = call(), call()
    assert [budget.steps for budget in fits] == [3] and "training one of width 1 here" in capsys.readouterr().out
    assert first.row == again.row and first.row["technique"] == "dense"
    np.testing.assert_array_equal(first.yhat["test"], again.yhat["test"])


def test_in_a_study_the_dense_network_must_be_there(study, fits):
    folder = paths.run_dir("planned", "300_magnitude_pruning", dataset="made-up", model=NAME, seed=0)
    folder.mkdir(parents=True)
    (folder / "inputs.json").write_text(json.dumps({"digest": "d", "params": {}}))
    run = results.Run.open("magnitude_pruning", "planned", dataset="made-up", model=NAME, seed=0)
    with pytest.raises(RunError, match="run 210_deep"):
        dense.dense(run, study.data, NAME, 0, BUDGET)
    assert fits == []


# ---- timing

def table(*lines):
    shared = {"dataset": "made-up", "model": NAME, "format": "litecast", "control": "", "selected": 0.0, "seed": 0.0}
    rows = pd.DataFrame([shared | line for line in lines])
    return rows.assign(row_id=[str(i) for i in range(len(rows))])


def test_dense_and_what_was_selected_is_timed_once():
    rows = table({"technique": "dense", "variant": "float32", "level": "8", "seed": 1.0},
                 {"technique": "dense", "variant": "float32", "level": "8"},
                 {"technique": "p", "variant": "int8", "selected": 1.0}, {"technique": "p", "variant": "int8"},
                 {"technique": "p", "variant": "float32", "selected": 1.0},
                 {"technique": "p", "variant": "int8", "control": "random", "selected": 1.0},
                 {"technique": "dense", "variant": "float32", "control": "extra_epochs"},
                 {"technique": "p", "variant": "int8", "format": "onnx", "selected": 1.0},
                 {"technique": "q", "variant": "int8", "model": "gru", "selected": 1.0},
                 {"technique": "width", "variant": "int8", "level": "8", "selected": 1.0},  # dense once more
                 {"technique": "width", "variant": "int4", "level": "4", "selected": 1.0})  # fmt: skip
    rows["level"] = rows.level.fillna("")
    assert [row["row_id"] for row in timing.to_time(rows, "made-up", NAME)] == ["1", "2", "4", "10"]
    with pytest.raises(RunError, match="no finished network of gru on elsewhere"):
        timing.to_time(rows, "elsewhere", "gru")


@pytest.mark.parametrize("variant", ["global-float32", "global-int8"])
def test_the_onnx_file_is_a_row_with_errors_of_its_own_runtime(study, variant, monkeypatch):
    row = rows_of(study)[f"made-up/lstm/magnitude_pruning/0.75/{variant}/s0"]
    run = results.Run.open("timing", STUDY, dataset="made-up", model=NAME)
    net, session = timing.in_both_runtimes(run, study.data, row)
    found = run.get(row["row_id"] + "/onnxruntime")
    path = paths.study_dir(STUDY) / found["artefact"]
    assert found["bytes"] == path.stat().st_size and path.suffix == ".onnx" and not net.training
    assert (found["format"], found["runtime"], found["parent_id"]) == ("onnx", "onnxruntime", row["row_id"])
    for name in ("role", "level", "variant", "params", "macs", "train_macs", "technique", "seed"):
        assert found[name] == row[name]
    for name in ("val_wape", "test_wape", "test_mase", "test_mae_scaled"):
        assert found[name] == pytest.approx(row[name], rel=1e-4)
    claimed = 1 if variant.endswith("float32") else 0  # the graph holds and runs float32
    assert (found["coverage_weights"], found["coverage_macs"]) == (claimed, claimed)
    monkeypatch.setattr(measure, "add", None)  # a second call measures nothing again
    timing.in_both_runtimes(run, study.data, row)


# ---- smaller parts

def test_forecasts_without_a_file_become_rows_too(study):
    run = results.Run.open("classical", "other", dataset="made-up")
    yhat = {part: naive(study.data, part) for part in measure.PARTS}
    row = measure.add(run, study.data, {"model": "naive", "technique": "classical", "role": "naive"}, yhat)
    assert (row["L"], row["H"], row["dataset"], row["bytes"], row["val_drift"]) == (24, 6, "made-up", None, None)
    assert row["test_wape"] == errors.errors(study.data, "test", yhat["test"])["test_wape"]


def test_the_card_knows_what_a_raw_forecast_needs(study):
    card = measure.card(study.data)
    assert (card.L, card.H, card.season, card.series, card.patch) == (24, 6, 24, ["a", "b"], 12)
    np.testing.assert_array_equal(card.mean, study.data.mean)
    np.testing.assert_array_equal(card.std, study.data.std)


def test_a_stored_file_forecasts_raw_values_like_the_row(study):
    data, t = study.data, study.data.origins("test")[0]
    loaded = modelfile.load(paths.study_dir(STUDY) / study.dense.row["artefact"])
    found = loaded.forecast(data.y[:t], data.times[:t])
    np.testing.assert_allclose(found, data.unscale(study.dense.yhat["test"][0]), rtol=1e-5)


def test_weights_are_those_of_matrices():
    model = SimpleNamespace(parameters=lambda: iter(modelfile.models.build("dlinear", 1, dataset()).parameters()))
    assert measure.weights(model).shape == (2 * 24 * 6,)
