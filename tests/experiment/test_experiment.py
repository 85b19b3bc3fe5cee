"""From network to row on a tiny dataset: who comes from whom, what it cost, and that the file says the same."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import compress, modelfile, models, paths, results, training
from litecast.compress import channel_pruning, distillation, int8, magnitude_pruning, matrices, rate
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import RunError, StudyError, TooFewWindows
from litecast.experiment import compression, ensemble, ideas, look, measure, widths, work
from litecast.models.classical import ridge, stored
from litecast.models.classical.naive import naive
from litecast.planning import plan
from litecast.planning.plan import Planned
from litecast.results import conformal
from litecast.training import Spent, cost, errors

BUDGET = training.Budget(steps=3, batch=16, lr=0.004, retrain_steps=2)
STUDY, NAME = "tiny", "lstm"
PARAMETERS = {
    "study": STUDY, "dataset": "made-up", "model": NAME, "seed": 0, "sweep_seed": 0, "widths": [4, 8], "steps": 3,
    "extra_steps": 2, "doublings": 0, "longest": 5, "batch": 16, "lr": 0.004, "train_windows": 0, "loss": "mae",
    "levels": [0.5, 0.75], "variants": [],
    "controls": ["random", "scratch"], "control_levels": [0.75], "route": [], "teachers": [], "retrain_steps": 2,
}  # fmt: skip


def frame():
    values = 50 + np.random.default_rng(0).normal(0, 2, (400, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"]))


def compressed(technique, **parameters):
    made = compression.Compression(technique, PARAMETERS | parameters)
    made.sweep()
    made.controls()
    return made


def everything():
    """The notebooks of widths and of both prunings without their words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "load", lambda *_: frame())
        deep = widths.Widths(PARAMETERS)
        deep.sweep()
        deep.choose()
        deep.lengthen()
        deep.run.finish()
        made = {technique: compressed(technique) for technique in (magnitude_pruning, channel_pruning)}
    runs = [deep.run, *(one.run for one in made.values())]
    return SimpleNamespace(data=deep.data, deep=deep, dense=deep.dense, extra=deep.extra, made=made, runs=runs)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITECAST_REPORTS", str(folder))
        made = everything()
    made.folder = folder
    return made


@pytest.fixture
def study(built, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(built.folder))
    monkeypatch.setattr(work, "load", lambda *_: frame())
    return built


def rows_of(study):
    return {row["row_id"]: row for run in study.runs for row in run.rows}


@pytest.fixture
def fits(monkeypatch):
    """Every training is counted."""
    counted, fit = [], training.fit

    def count(model, data, budget, seed, *rules):
        counted.append(budget)
        return fit(model, data, budget, seed, *rules)

    monkeypatch.setattr(training, "fit", count)
    return counted


# ---- rows

def test_every_row_is_there_with_its_role(study):
    roles = {i.removeprefix("made-up/lstm/"): (r["role"], r["control"] or "") for i, r in rows_of(study).items()}
    expected = {f"width/{width}/{storage}/s0": (role, "") for width in (4, 8)
                for storage, role in (("float32", "dense"), ("int8", "compressed"), ("int4", "compressed"))}
    expected |= {"dense/8/float32/s0": ("dense", ""),
                 "dense/8/float32/s0/extra_epochs": ("control", "extra_epochs")}  # fmt: skip
    longer = [f"width/8/{storage}" for storage in ("int8", "int4")]  # of dense; and the front, trained as long
    longer += [f"width/4/{storage}" for storage in widths.STORAGES]
    expected |= {f"{name}/s0/extra_epochs": ("control", "extra_epochs") for name in longer}
    for technique, variant in (("magnitude_pruning", "global"), ("channel_pruning", "l2")):
        for level in (0.5, 0.75):
            expected |= {f"{technique}/{level}/{variant}-{s}/s0": ("compressed", "") for s in ("float32", "int8")}
        expected |= {f"{technique}/0.75/{variant}-float32/s0/{c}": ("control", c) for c in ("random", "scratch")}
    assert roles == expected


def test_parents_routes_and_what_they_cost(study):
    rows = {i.removeprefix("made-up/lstm/"): r for i, r in rows_of(study).items()}
    dense = rows["dense/8/float32/s0"]
    first = 3 * BUDGET.steps * BUDGET.batch * dense["macs"]
    again = 3 * 2 * BUDGET.batch
    assert dense["train_macs"] == rows["width/8/int8/s0"]["train_macs"] == first and dense["train_steps"] == 3
    assert dense["artefact"] == rows["width/8/float32/s0"]["artefact"] and dense["parent_id"] is None
    extra = rows["dense/8/float32/s0/extra_epochs"]
    assert (extra["train_macs"], extra["parent_id"]) == (first + again * dense["macs"], dense["row_id"])
    front = [rows[f"width/4/{storage}/s0/extra_epochs"] for storage in widths.STORAGES]
    one = 3 * BUDGET.batch * front[0]["macs"]  # a step of the narrower one
    assert {row["train_macs"] for row in front} == {front[0]["train_macs"]}
    steps = min(5 * BUDGET.steps, extra["train_macs"] // one)  # no more than five trainings
    assert front[0]["train_steps"] == steps and extra["train_macs"] - one < front[0]["train_macs"]
    assert front[0]["train_macs"] <= extra["train_macs"] and front[0]["parent_id"] == "made-up/lstm/width/4/float32/s0"
    assert rows["width/8/int4/s0/extra_epochs"]["train_macs"] == extra["train_macs"]
    half, more = (rows[f"magnitude_pruning/{level}/global-int8/s0"] for level in (0.5, 0.75))  # a chain
    assert (half["train_macs"], more["train_macs"]) == tuple(first + n * again * dense["macs"] for n in (1, 2))
    assert (half["train_steps"], more["train_steps"]) == (5, 7)
    before = rows["magnitude_pruning/0.5/global-float32/s0"]
    assert half["parent_id"] == dense["row_id"] and more["parent_id"] == before["row_id"]
    assert (dense["route"], half["route"]) == (None, "magnitude_pruning 0.5")
    assert more["route"] == "magnitude_pruning 0.5 > magnitude_pruning 0.75"
    assert more["compress_s"] > half["compress_s"] > 0 and more["train_s"] > half["train_s"] > dense["train_s"] > 0
    for level in (0.5, 0.75):  # each from the dense network
        row = rows[f"channel_pruning/{level}/l2-float32/s0"]
        assert (row["train_macs"], row["parent_id"]) == (first + again * row["macs"], dense["row_id"])
        assert row["macs"] < dense["macs"] and row["live_params"] < dense["live_params"]
        assert (row["route"], row["train_steps"]) == (f"channel_pruning {level}", 5)
    assert rows["magnitude_pruning/0.5/global-float32/s0"]["macs"] == dense["macs"]  # masks earn no speed


def test_controls_cost_what_the_technique_did(study):
    rows = {i.removeprefix("made-up/lstm/"): r for i, r in rows_of(study).items()}
    for like in ("magnitude_pruning/0.75/global-float32/s0", "channel_pruning/0.75/l2-float32/s0"):
        random, scratch, own = (rows[like + end] for end in ("/random", "/scratch", ""))
        assert random["train_macs"] == own["train_macs"] and random["train_steps"] == own["train_steps"]
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
        assert row["precision"] == "float32" and row["copy_of"] is None
        for part in measure.PARTS:
            yhat = training.predict(loaded.model, study.data, study.data.origins(part))
            found = errors.errors(study.data, part, yhat, study.dense.yhat[part])
            drift = found.pop(f"{part}_drift")
            assert {name: row[name] for name in found} == pytest.approx(found, rel=5e-6)
            if row["technique"] in ("magnitude_pruning", "channel_pruning"):
                assert row[f"{part}_drift"] == pytest.approx(drift, rel=1e-5) and drift > 0, identifier


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


def test_bands_of_every_row_with_a_file_cover_what_the_row_says(study):
    for run in study.runs:
        run.finish()
        stored = pd.read_parquet(run.dir / "bands.parquet")
        assert set(stored.row_id) == {row["row_id"] for row in run.rows if row["artefact"]}
    row, data = study.dense.row, study.data
    stored = pd.read_parquet(study.runs[0].dir / "bands.parquet").query("row_id == @row['row_id']")
    truth = data.scale(data.targets(data.origins("test")))
    for level in conformal.LEVELS:
        radius = conformal.spread(stored.astype({"series": str}), level, data.H, data.names)
        inside = np.abs(truth - study.dense.yhat["test"]) <= radius
        assert row[f"test_cover_{level}"] == pytest.approx(inside[np.isfinite(truth)].mean())
    assert 0 < row["test_width_80"] < row["test_width_95"] and row["test_cover_80"] <= row["test_cover_95"]


def test_coverage_is_the_share_really_held(study):
    for row in rows_of(study).values():
        if row["variant"].endswith("float32"):
            assert (row["coverage_weights"], row["coverage_macs"]) == (1, 1)
        else:
            tensors = modelfile.load(paths.study_dir(STUDY) / row["artefact"]).model.state_dict().values()
            matrices = sum(t.numel() for t in tensors if t.ndim > 1)  # biases stay in 16 bit
            assert row["coverage_weights"] == pytest.approx(matrices / sum(t.numel() for t in tensors))
            assert row["coverage_weights"] < 1 and row["coverage_macs"] == 0  # decoded to float32 to run


def test_masks_are_recorded_not_inferred(study):
    made = study.made[magnitude_pruning]
    again = compression.Compression(magnitude_pruning, PARAMETERS)
    again.sweep()
    for key, step in made.made.items():
        assert step.masks and set(step.masks) == set(matrices.of(step.model))
        for name, mask in step.masks.items():
            weight = step.model.state_dict()[name]
            assert mask.dtype == torch.bool and (weight[~mask] == 0).all()
            assert torch.equal(mask, again.made[key].masks[name])
    assert study.made[channel_pruning].hardest.masks == {}


# ---- again

def test_a_second_call_trains_nothing_and_changes_nothing(study, fits):
    before = {i: {k: v for k, v in row.items() if k not in ("dirty", "commit")} for i, row in rows_of(study).items()}
    again = everything()
    after = {i: {k: v for k, v in row.items() if k not in ("dirty", "commit")} for i, row in rows_of(again).items()}
    assert fits == [] and after == before
    assert not any(again.deep.fits.values()) and not again.made[magnitude_pruning].stories
    assert set(study.deep.fits) == {4, 8} and len(study.made[magnitude_pruning].stories) == 4
    for part in measure.PARTS:
        np.testing.assert_array_equal(again.dense.yhat[part], study.dense.yhat[part])


def test_a_level_that_was_cut_off_is_made_again_like_the_first_time(study, fits):
    made = compression.Compression(magnitude_pruning, PARAMETERS)
    del made.run._rows["made-up/lstm/magnitude_pruning/0.75/global-int8/s0"]  # killed before it was written
    made.sweep()
    assert len(fits) == 1
    same = ("bytes", "val_wape", "test_wape", "train_macs", "parent_id", "nonzero_params", "route")
    assert [[step.row[name] for name in same] for step in made.made.values()] == [
        [step.row[name] for name in same] for step in study.made[magnitude_pruning].made.values()]


def test_a_notebook_by_hand_has_one_thread_as_a_run_of_a_study_has(study):
    torch.set_num_threads(2)
    widths.Widths(PARAMETERS)
    assert torch.get_num_threads() == 1


# ---- choices

def swept(monkeypatch, doublings, errors_by_width):
    """Widths tried, and whether the best lies at the edge, for given validation errors."""
    def sweep_one(run, data, name, width, *_):
        return {"level": width, "params": 1, "val_wape": errors_by_width(width), "train_macs": width}, None

    monkeypatch.setattr(widths, "sweep_one", sweep_one)
    made = widths.Widths(PARAMETERS | {"doublings": doublings})
    made.sweep()
    return [row["level"] for row in made.swept], made.at_edge


def test_the_widest_is_doubled_while_it_is_the_best(study, monkeypatch):
    assert swept(monkeypatch, 3, lambda width: 1 / width) == ([4, 8, 16, 32, 64], True)
    assert swept(monkeypatch, 3, lambda width: abs(width - 16)) == ([4, 8, 16, 32], False)
    assert swept(monkeypatch, 3, lambda width: width) == ([4, 8], False)
    assert swept(monkeypatch, 0, lambda width: 1 / width) == ([4, 8], True)
    single = widths.Widths(PARAMETERS | {"widths": [8]})
    single.sweep()
    assert len(single.swept) == 1 and not single.at_edge


def test_the_front_is_trained_no_longer_than_so_many_trainings(study, monkeypatch):
    asked = []
    monkeypatch.setattr(widths, "extra_epochs", lambda *given: asked.append(given[3].steps) or given[2])
    study.deep.settings.longest = 2
    try:
        study.deep.lengthen()
    finally:
        study.deep.settings.longest = 5
    assert asked == [3]  # one training more, though its MACs would allow others


def test_a_mean_of_seeds_takes_the_bytes_of_all_its_files(study):
    narrow = measure.reopen(study.deep.run, study.data, "made-up/lstm/width/4/float32/s0")
    parts = [study.dense, narrow]
    run = results.Run.open("ensemble", STUDY, "made-up", NAME)
    row = ensemble.add(run, study.data, parts)
    middle = (study.dense.yhat["val"] + narrow.yhat["val"]) / 2
    np.testing.assert_allclose(ensemble.mean(parts, "val"), middle, rtol=1e-6)
    assert row["val_wape"] == pytest.approx(errors.errors(study.data, "val", middle)["val_wape"])
    assert (row["role"], row["technique"], row["level"], row["artefact"]) == ("ensemble", "ensemble", 2, None)
    assert row["model"] == NAME and row["val_drift"] > 0
    for name in ("params", "macs", "train_macs", "bytes"):
        assert row[name] == study.dense.row[name] + narrow.row[name]
    own, apart, left = ensemble.ambiguity(study.data, parts, "test")
    assert own - apart == pytest.approx(left, rel=1e-5) and apart > 0
    assert row["row_id"] in set(results.candidates(results.typed(pd.DataFrame([row, study.dense.row]))).row_id)


class Pool(list):
    """Constant forecasts of constant demand as a pool of members; truth has a gap, raw values are ten scaled units. kb:
    what each takes."""

    def __init__(self, *values, truth=0.0, kb=()):
        yhat = [{"val": np.full((5, 2, 1), float(value))} for value in values]
        sizes = kb or [1] * len(values)
        rows = [{"row_id": str(v), "bytes": 1000 * size} for v, size in zip(values, sizes, strict=True)]
        super().__init__(measure.Measured(None, row, one) for row, one in zip(rows, yhat, strict=True))
        truth = np.full((5, 2, 1), 10 * truth)
        truth[0] = np.nan
        self.data = SimpleNamespace(origins={"val": np.arange(5)}.__getitem__, truth=lambda origins: truth[origins],
                                    raw=lambda scaled: 10 * scaled)
        self.data.judged = self.data

    def joined(self, most=8, kb=np.inf):
        return [float(one.row["row_id"]) for one in ensemble.greedy(self.data, self, most, kb)]

    def committees(self, *budgets, most=8):
        found = ensemble.committees(self.data, self, budgets, most)
        return {kb: [float(one.row["row_id"]) for one in joined] for kb, joined in found.items()}


def test_files_join_up_to_the_best_mean():
    assert Pool(3, -2, 9, 1.5, -1).joined() == [-1, 1.5]  # 1, then 0.25; more could only be worse
    assert Pool(-1, 1.2, 2, -2.2).joined() == [-1, 1.2, -2.2, 2]  # a third makes it worse, a fourth better than ever
    assert Pool(-1, 1.2, 2, -2.2).joined(most=3) == [-1, 1.2]
    assert Pool(1, 2, 3).joined() == [1], "who errs to the same side adds nothing"
    assert Pool(4, -3, -2).joined(most=1) == [-2]
    assert Pool(7).joined() == [7] and Pool().joined() == []
    assert Pool(2, 2).joined() == [2], "nothing gained: one is enough"
    assert Pool(9, 4, 6.5, truth=5.0).joined() == [4, 6.5], "a mean, not a sum"


def test_files_join_while_they_fit():
    pool = Pool(-1, 1, 1.5, kb=(4, 5, 2))
    assert pool.joined() == pool.joined(kb=9) == [-1, 1]
    assert pool.joined(kb=8.999) == [-1, 1.5], "the next best that fits"
    assert pool.joined(kb=6) == [-1, 1.5] and pool.joined(kb=5.9) == [-1] and pool.joined(kb=1) == []


def test_a_committee_leaves_room_for_others_and_is_told_once(monkeypatch):
    monkeypatch.setattr(ensemble, "wape", lambda data, parts, part="val": abs(
        np.mean([float(one.row["row_id"]) for one in parts])) if parts else np.inf)
    pool = Pool(1, -2, 2, 3, -3.5, kb=(9, 4, 4, 2, 2))
    assert pool.committees(8) == {8: [-2, 2]}, "halves"
    assert pool.committees(16) == {16: [-2, 2]}, "the best alone would fit, but takes more than a half"
    assert pool.committees(16, 8) == {8: [-2, 2]}, "the larger budget buys the same"
    assert pool.committees(4) == {4: [3, -3.5]} and pool.committees(2, 1) == {}
    assert Pool(1, 5, 6, kb=(1, 1, 1)).committees(8) == {}, "no other helps: one file is no committee"
    quarters = Pool(4, 5, -2, -3, kb=(8, 4, 4, 4))
    assert quarters.committees(16) == {16: [-2, 5, -3]}, "of at most a quarter three that err nothing"


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_a_greedy_mean_is_no_worse_than_its_best_file_and_takes_none_twice(values, most):
    pool = Pool(*values)
    names = pool.joined(most)
    assert 1 <= len(names) <= most and abs(np.mean(names)) <= min(map(abs, values))
    assert not [value for value in names if names.count(value) > values.count(value)]
    errors_ = [abs(np.mean(names[: n + 1])) for n in range(len(names))]
    assert errors_[-1] <= min(errors_) + 1e-12, "nothing joined in vain"


def test_the_reference_is_made_of_finished_files_opened_again(study, monkeypatch):
    rows = ensemble.candidates(STUDY, "made-up")
    assert {row["row_id"].removeprefix("made-up/lstm/") for row in rows} == {
        "dense/8/float32/s0", "dense/8/float32/s0/extra_epochs"}  # fmt: skip
    assert [row["val_wape"] for row in rows] == sorted(row["val_wape"] for row in rows)
    assert len(ensemble.candidates(STUDY, "made-up", 1)) == 1
    pool = [ensemble.opened(STUDY, study.data, row, "val") for row in rows]
    dense = next(one for one in pool if one.row["row_id"] == study.dense.row["row_id"])
    assert set(dense.yhat) == {"val"}, "test is not even forecast"
    np.testing.assert_array_equal(dense.yhat["val"], study.dense.yhat["val"])
    joined = [ensemble.opened(STUDY, study.data, one.row, *measure.PARTS) for one in pool]
    run = results.Run.open("reference", STUDY, "made-up")
    row = ensemble.reference(run, study.data, joined)
    assert (row["row_id"], row["parent_id"]) == ("made-up/reference/ensemble/2/-/s-",
                                                 " + ".join(one["row_id"] for one in rows))
    assert row["bytes"] == sum((paths.study_dir(STUDY) / one["artefact"]).stat().st_size for one in rows)
    assert row["artefact"] is None and row["val_drift"] is None, "no file, and no network that it drifts from"
    assert row["val_wape"] == pytest.approx(errors.errors(study.data, "val", ensemble.mean(joined, "val"))["val_wape"])
    with pytest.raises(RunError, match="no finished forecaster on elsewhere has a file: run 200_classical"):
        ensemble.candidates(STUDY, "elsewhere")


def test_what_training_on_changed(study):
    (line,) = ensemble.longer(STUDY, "made-up").to_dict("records")
    dense, extra = study.dense.row, study.extra.row
    assert (line["train_steps"], line["train_steps_longer"]) == (dense["train_steps"], extra["train_steps"])
    assert line["train_steps_longer"] - line["train_steps"] == PARAMETERS["extra_steps"]
    assert line["change"] == pytest.approx(extra["val_wape"] / dense["val_wape"] - 1)
    assert ensemble.longer(STUDY, "elsewhere").empty


def test_costs_of_a_mean_are_not_known_where_one_of_them_is_not(study):
    trees = study.dense.row | {"row_id": "trees", "macs": float("nan"), "bytes": 5}
    run = results.Run.open("reference", "trees", "made-up")
    row = ensemble.reference(run, study.data, [study.dense, measure.Measured(None, trees, study.dense.yhat)])
    assert row["macs"] is None and row["bytes"] == study.dense.row["bytes"] + 5


def test_members_are_told_in_words():
    base = {"model": "nbeats@own", "seed": 1.0, "technique": "dense", "variant": "float32", "control": ""}
    trees = base | {"model": "boosting", "seed": float("nan"), "technique": "classical", "variant": "weather"}
    assert ensemble.named(base) == "nbeats (own week), seed 1"
    assert ensemble.named(base | {"control": "extra_epochs"}) == "nbeats (own week), seed 1, trained longer"
    assert ensemble.named(trees) == "boosting (weather)"


def test_runs_that_are_not_there_are_said(monkeypatch):
    runs = [Planned("210_deep/a", "210_deep", "", {"dataset": "d"}, {}, "runs/210_deep/a", []),
            Planned("210_deep/b", "210_deep", "", {"dataset": "d"}, {}, "runs/210_deep/b", []),
            Planned("310_x/c", "310_x", "", {"dataset": "d"}, {}, "runs/310_x/c", [])]
    runs += [Planned(f"250_reference/{name}", "250_reference", "", {"dataset": name}, {}, "", needs, late=True)
             for name, needs in (("d", ["210_deep/a", "210_deep/b"]), ("e", []))]
    assert ensemble.missing("by-hand", "d") == []
    made = plan.Plan("planned", "", runs)
    made.folder.mkdir(parents=True, exist_ok=True)
    made.write()
    (made.folder / "runs/210_deep/a").mkdir(parents=True)
    (made.folder / "runs/210_deep/a/done.json").write_text(json.dumps({"digest": ""}))
    assert ensemble.missing("planned", "d") == ["210_deep/b"] and ensemble.missing("planned", "e") == []


def test_another_seed_takes_the_width_that_the_first_chose(study):
    def wanted(**parameters):
        return widths.Widths(PARAMETERS | parameters)._wanted()

    assert wanted() == [4, 8] and wanted(widths=[]) == [16, 32, 64, 128]
    assert wanted(seed=5) == [8]
    with pytest.raises(RunError, match="seed 5 takes the width that seed 1 chose: run deep of lstm on made-up"):
        wanted(seed=5, sweep_seed=1)


def test_retraining_is_gentler_but_a_network_from_scratch_gets_the_full_rate(study, monkeypatch):
    asked, scratch = {}, compress.scratch

    def spy(small, masks, data, budget, route_macs, dense_macs, seed):
        asked.update(lr=budget.lr, route=route_macs, dense=dense_macs)
        return scratch(small, masks, data, budget, route_macs, dense_macs, seed)

    monkeypatch.setattr(compress, "scratch", spy)
    made = compression.Compression(channel_pruning, PARAMETERS)
    made.sweep()
    del made.run._rows["made-up/lstm/channel_pruning/0.75/l2-float32/s0/scratch"]
    made.controls()
    like = made.made["l2", 0.75]
    assert asked == {"lr": 0.004, "route": like.row["train_macs"], "dense": study.dense.row["train_macs"]}


def test_a_random_control_retrains_as_often_as_a_chain_did(study, fits):
    made = compression.Compression(magnitude_pruning, PARAMETERS)
    made.sweep()
    del made.run._rows["made-up/lstm/magnitude_pruning/0.75/global-float32/s0/random"]
    made.controls()
    assert [(budget.steps, budget.lr) for budget in fits] == [(4, 0.002)]


def test_of_a_technique_that_chains_some_variants_the_others_start_where_it_starts(study, fits):
    wish = {"study": "apart", "variants": ["one-shot", "layer"], "controls": ["random"]}
    made = compression.Compression(magnitude_pruning, PARAMETERS | wish)
    del fits[:]  # of the dense network
    made.sweep()
    made.controls()
    assert [budget.steps for budget in fits] == [2, 4, 2, 2, 4]  # straight to a level as long as a chain; the control
    parents = {key: step.row["parent_id"] for key, step in made.made.items()}
    dense, half = made.dense.row["row_id"], made.made["layer", 0.5].row["row_id"]
    assert parents == {("one-shot", 0.5): dense, ("one-shot", 0.75): dense, ("layer", 0.5): dense,
                       ("layer", 0.75): half}  # fmt: skip
    assert made.made["one-shot", 0.75].row["route"] == "magnitude_pruning 0.75"


def test_a_technique_is_told_what_was_done_before(study, monkeypatch):
    told = []
    monkeypatch.setattr(magnitude_pruning, "compress", lambda task: told.append(task.route) or 1 / 0)
    for before in ([], [{"channel_pruning": {"level": 0.5, "variant": "l2", "teachers": []}}]):
        with pytest.raises(ZeroDivisionError):
            compressed(magnitude_pruning, route=before, variants=["layer"])
    assert told == [(), ("channel_pruning",)]


def test_a_control_that_the_technique_does_not_have_is_refused(study):
    made = compression.Compression(channel_pruning, PARAMETERS | {"controls": ["no_teacher"]})
    made.sweep()
    with pytest.raises(StudyError, match="channel_pruning has no control 'no_teacher'; known: random, scratch"):
        made.controls()


def test_costs_add_up_along_a_route_and_what_is_not_known_stays_so():
    before = {"train_steps": 9, "train_macs": 100, "train_s": 1.5, "train_peak_mb": 7.0}
    own = Spent(1, 10, 2.0, 5.0)
    assert measure.spent(own) == {"train_steps": 1, "train_macs": 10, "train_s": 2.0, "train_peak_mb": 5.0}
    assert measure.spent(before, own) == {"train_steps": 10, "train_macs": 110, "train_s": 3.5, "train_peak_mb": 7.0}
    assert measure.spent(before) == before
    assert np.isnan(measure.spent(replace(own, peak_mb=float("nan")))["train_peak_mb"])  # not 0: empty in the table


def test_what_we_saw_is_what_the_report_selects(study):
    for technique, made in study.made.items():
        forgets = made.forgets().data
        assert list(forgets.index) == ["dense", "0.5", "0.75"] and forgets.drift["dense"] == 0
        assert forgets["all"]["0.75"] == pytest.approx(made.hardest.row["test_wape"])
        told, rows = made.saw(), pd.DataFrame([study.dense.row, study.extra.row, *made.run.rows])
        rows = results.typed(rows)
        best = rows[results.select(rows) & (rows.role == "compressed")].row_id
        chosen, _ = results.chosen(made.run.rows, study.dense.row, study.extra.row)
        assert chosen.row_id in set(best) and f"level **{chosen.level}**, stored {chosen.variant}" in told, technique
    assert "**8**" in study.deep.saw() or "**4**" in study.deep.saw()


# ---- other shapes: a file of another runtime, a teacher, a route

def test_an_int8_file_is_measured_in_its_own_runtime(study):
    made = compressed(int8, levels=[8], controls=[])
    row = made.hardest.row
    assert row["row_id"] == "made-up/lstm/int8/8/minmax-int8/s0/onnxruntime"
    assert (row["format"], row["runtime"], row["copy_of"], row["route"]) == ("onnx", "onnxruntime", None, "int8 8")
    assert row["precision"] == "int8+float32" and 0 < row["coverage_macs"] < 1, "the core of an LSTM stays float32"
    assert row["train_steps"] == study.dense.row["train_steps"] and row["train_macs"] > study.dense.row["train_macs"]
    assert (row["params"], row["macs"]) == (study.dense.row["params"], study.dense.row["macs"])
    assert row["bytes"] == (paths.study_dir(STUDY) / row["artefact"]).stat().st_size
    assert row["test_drift"] > 0 and abs(row["test_wape"] / study.dense.row["test_wape"] - 1) < 0.1
    again = compressed(int8, levels=[8], controls=[])
    assert again.hardest.row == row and not again.stories
    np.testing.assert_array_equal(again.hardest.yhat["test"], made.hardest.yhat["test"])


def test_a_student_says_who_taught_it_and_what_that_cost(study, fits):
    made = compressed(distillation, levels=[0.5], controls=["no_teacher"], control_levels=[0.5])
    rows = {row["row_id"].removeprefix("made-up/lstm/"): row for row in made.run.rows}
    taught, alone = (rows[f"distillation/0.5/mean:lstm-float32/s0{end}"] for end in ("", "/no_teacher"))
    dense = study.dense.row
    assert [budget.steps for budget in fits] == [3, 3] and made.run.dir.name.endswith("seed=0,teachers=lstm")
    assert taught["teacher_id"] == dense["row_id"] and alone["teacher_id"] is None
    own = 3 * 3 * BUDGET.batch * taught["macs"]
    assert alone["train_macs"] == own and alone["train_steps"] == 3
    asked = len(study.data.origins("train")) * study.data.C * dense["macs"]  # once, about every train window
    assert taught["train_macs"] == dense["train_macs"] + own + asked
    assert taught["params"] == alone["params"] < dense["params"] and taught["val_wape"] != alone["val_wape"]


def test_the_reference_teaches_with_all_its_members_and_counts_each_once(study, tmp_path, monkeypatch):
    with pytest.raises(RunError, match="holds no reference to learn from: run 250_reference of made-up first"):
        compressed(rate, levels=[0.01], controls=[], teachers=["reference"], study="nobody")
    run, data = results.Run.open("reference", STUDY, "made-up"), study.data
    trees = results.Run.open("classical", STUDY, "made-up")
    stored.save(trees.file("trees.skops"), "ridge", ridge.fit(data), data)
    row = {"model": "ridge", "technique": "classical", "variant": "", "role": "dense"}
    yhat = {part: np.zeros((len(data.origins(part)), data.H, data.C), np.float32) for part in measure.PARTS}
    file = trees.dir / "trees.skops"
    measure.add(trees, data, row | stored.columns(file, stored.load(file)), yhat)
    trees.finish()
    joined = [ensemble.opened(STUDY, data, one, *measure.PARTS) for one in ensemble.candidates(STUDY, "made-up")]
    assert {one.row["runtime"] for one in joined} == {"torch", "sklearn"}
    reference = ensemble.reference(run, data, joined)
    made = compressed(distillation, levels=[0.0], controls=[], teachers=["reference"])
    np.testing.assert_allclose(made.teachers[0].yhat["val"], ensemble.mean(joined, "val"), rtol=1e-5, atol=1e-6)
    taught, asked = made.hardest.row, len(data.origins("train")) * data.C * made.teachers[0].model.macs
    own = 3 * PARAMETERS["retrain_steps"] * BUDGET.batch * taught["macs"]
    before = study.extra.row["train_macs"]  # which holds those of dense, a member too; ridge has no optimiser's steps
    assert {study.dense.row["row_id"], study.extra.row["row_id"]} <= set(reference["parent_id"].split(" + "))
    assert taught["teacher_id"] == reference["row_id"] and taught["train_macs"] == before + asked + own
    chain = compressed(rate, levels=[0.01], controls=[], teachers=["reference"],
                       route=[{"distillation": {"level": 0.0, "variant": "mean", "teachers": ["reference"]}}])
    last = chain.hardest.row
    assert last["route"] == "distillation 0 > rate 0.01" and last["teacher_id"] == reference["row_id"]
    assert last["variant"] == "factors:reference-entropy"


def test_a_route_starts_where_its_last_step_ended(study):
    before = [{"channel_pruning": {"level": 0.5, "variant": "l2"}}]
    made = compressed(int8, levels=[8], controls=[], route=before)
    row, start = made.hardest.row, study.made[channel_pruning].made["l2", 0.5].row
    assert made.run.dir.name.endswith("seed=0,route=channel_pruning-0.5+int8-8")
    assert row["row_id"] == "made-up/lstm/channel_pruning+int8/0.5+8/minmax-int8/s0/onnxruntime"
    assert (row["route"], row["parent_id"]) == ("channel_pruning 0.5 > int8 8", start["row_id"])
    assert row["macs"] == start["macs"] < study.dense.row["macs"] and row["train_steps"] == start["train_steps"]
    after = [*before, {"int8": {"level": 8, "variant": "minmax"}}]
    with pytest.raises(RunError, match=r"starts from int8 8 \(minmax\), of which .* has no model file"):
        compression.Compression(magnitude_pruning, PARAMETERS | {"route": after})


def test_a_route_hands_on_what_was_pruned_and_pays_a_teacher_once(study):
    before = [{"magnitude_pruning": {"level": 0.5, "variant": "global"}}]
    made = compressed(distillation, levels=[0.0], controls=[], route=before)
    row, start, dense = made.hardest.row, study.made[magnitude_pruning].made["global", 0.5], study.dense.row
    assert row["technique"] == "magnitude_pruning+distillation" and row["level"] == "0.5+0"
    assert (row["parent_id"], row["teacher_id"]) == (start.row["row_id"], dense["row_id"])
    assert made.hardest.masks.keys() == start.masks.keys()
    for name, mask in start.masks.items():
        assert torch.equal(made.hardest.masks[name], mask)
        assert (made.hardest.model.get_parameter(name)[~mask] == 0).all()
    asked = len(study.data.origins("train")) * study.data.C  # its teacher is dense, of which the start was made
    own = (2 * BUDGET.batch * 3 + asked) * dense["macs"]
    assert row["train_macs"] == start.row["train_macs"] + own


def test_looking_is_counted_and_sees_validation_only(study):
    seen = look.Look(study.data)
    found = seen(study.dense.model)
    assert found.val_wape == pytest.approx(study.dense.row["val_wape"], rel=1e-6)
    assert (found.bytes, found.macs) == (study.dense.row["bytes"], study.dense.row["macs"])
    assert seen.spent.macs == found.macs * len(study.data.origins("val")) * 2
    data = prepare(frame())
    data = replace(data, y=np.where(data.parts["test"][:, None], -1e3, data.y))
    assert look.Look(data)(study.dense.model) == found
    seen, few = look.Look(study.data), study.data.origins("val")
    yhat = training.predict(study.dense.model, study.data, few)
    assert seen.error(study.dense.model) == errors.wape(study.data, few, yhat) == pytest.approx(found.val_wape)
    assert seen.spent.macs == found.macs * len(few) * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "LOOK_WINDOWS", len(few))
        every_other = errors.wape(study.data, few[::2], yhat[::2])
        assert seen.error(study.dense.model) == pytest.approx(every_other, rel=1e-6) != pytest.approx(found.val_wape)
    assert 0 < seen.milliseconds(study.dense.model) < 1000


# ---- the dense network of a notebook run by hand

def test_on_its_own_a_notebook_trains_its_dense_network_once(study, fits, capsys):
    def call():
        run = results.Run.open("magnitude_pruning", "alone", dataset="made-up", model="dlinear", seed=0)
        return widths.dense(run, study.data, "dlinear", 0, BUDGET)

    first, again = call(), call()
    assert [budget.steps for budget in fits] == [3] and "training one of width 1 here" in capsys.readouterr().out
    assert first.row == again.row and first.row["technique"] == "dense"
    np.testing.assert_array_equal(first.yhat["test"], again.yhat["test"])


def test_in_a_study_the_dense_network_must_be_there(study, fits):
    folder = paths.run_dir("planned", "300_magnitude_pruning", dataset="made-up", model=NAME, seed=0)
    folder.mkdir(parents=True)
    (folder / "inputs.json").write_text(json.dumps({"digest": "d", "params": {}}))
    run = results.Run.open("magnitude_pruning", "planned", dataset="made-up", model=NAME, seed=0)
    with pytest.raises(RunError, match="run deep of its dataset"):
        widths.dense(run, study.data, NAME, 0, BUDGET)
    assert fits == []


def test_few_windows_end_a_deep_run_with_a_note(study, monkeypatch):
    short = frame()
    monkeypatch.setattr(work, "load", lambda *_: replace(short, table=short.table[short.table.time < "2024-01-09"]))
    with pytest.raises(TooFewWindows, match="fewer than 200: classical and compact models only, lstm is left out"):
        widths.Widths(PARAMETERS | {"study": "short"})


# ---- smaller parts

def test_forecasts_without_a_file_become_rows_too(study):
    run = results.Run.open("classical", "other", dataset="made-up")
    yhat = {part: naive(study.data, part) for part in measure.PARTS}
    row = measure.add(run, study.data, {"model": "naive", "technique": "classical", "role": "naive"}, yhat)
    assert (row["L"], row["H"], row["dataset"], row["bytes"], row["val_drift"]) == (24, 6, "made-up", None, None)
    assert row["test_wape"] == errors.errors(study.data, "test", yhat["test"])["test_wape"]


def test_the_card_knows_what_a_raw_forecast_needs(study):
    card = modelfile.Card.of(study.data)
    assert (card.L, card.H, card.season, card.series, card.patch) == (24, 6, 24, ["a", "b"], 12)
    np.testing.assert_array_equal(card.mean, study.data.mean)
    np.testing.assert_array_equal(card.std, study.data.std)


def test_a_stored_file_forecasts_raw_values_like_the_row(study):
    data, t = study.data, study.data.origins("test")[0]
    loaded = modelfile.load(paths.study_dir(STUDY) / study.dense.row["artefact"])
    found = loaded.forecast(data.y[:t], data.times[:t])
    np.testing.assert_allclose(found, data.unscale(study.dense.yhat["test"][0]), rtol=1e-5)


def test_weights_are_those_of_matrices():
    made = modelfile.models.build("dlinear", 1, prepare(frame()))
    model = SimpleNamespace(parameters=lambda: iter(made.parameters()))
    assert measure.weights(model).shape == (2 * 24 * 6,)


@pytest.mark.parametrize("family", ["dlinear", "mobilenet_v2", "profile_linear"])
def test_what_a_network_is_told_changes_nothing_of_what_its_idea_saves(family):
    data = prepare(frame())
    plain, told = (ideas.of(models.build(f"{family}@{word}", 4, data)) for word in ("none", "own"))
    assert (told.formula, told.factor, told.macs, told.shape) == (plain.formula, plain.factor, plain.macs, plain.shape)
    counted = [ideas.table(idea, runs=2).loc[["weights", "MACs"], ["plain", "own"]] for idea in (plain, told)]
    pd.testing.assert_frame_equal(*counted)
    assert told.factor == pytest.approx(counted[1].plain.weights / counted[1].own.weights, rel=0.02)
