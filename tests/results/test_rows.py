"""Rows, runs and the choices made on them."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import results
from litecast.errors import RunError
from litecast.results import Run

KEYS = {"dataset": "sample-traffic", "model": "lstm", "seed": 0}
DENSE = {"technique": "dense", "role": "dense", "variant": "float32", "level": 16, "runtime": "torch"}


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    return tmp_path.resolve()


def losses(value=1.0, origins=3):
    grid = pd.MultiIndex.from_product([range(origins), ["a", "b"]], names=["origin", "series"]).to_frame(index=False)
    return grid.assign(abs_err=value, sq_err=value**2, abs_y=10.0)


def typed(lines: list[dict]) -> pd.DataFrame:
    """A table as `collect` gives it, before anything is chosen."""
    table = results._typed(pd.DataFrame([{"runtime": "torch", **line} for line in lines], columns=results.COLUMNS))
    return table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])


def line(technique, level, val, size=100, seed=0, variant="v", role="compressed", **more):
    return {"dataset": "d", "model": "m", "technique": technique, "level": level, "variant": variant, "seed": seed,
            "role": role, "val_wape": val, "bytes": size, "live_params": 10, **more}


# ---- names

def test_columns_are_those_of_the_contract_in_its_order():
    assert results.COLUMNS[:15] == ["study", "dataset", "model", "technique", "level", "variant", "seed", "role",
                                    "control", "selected", "row_id", "parent_id", "dense_id", "L", "H"]
    assert results.COLUMNS[-3:] == ["runtime_version", "error", "run"]
    assert len(results.COLUMNS) == len(set(results.COLUMNS)) == 63


def test_row_id_names_what_differs():
    row = {**KEYS, "technique": "magnitude_pruning", "level": 0.9, "variant": "global", "runtime": "torch"}
    assert results.row_id(row) == "sample-traffic/lstm/magnitude_pruning/0.9/global/s0"
    assert results.row_id({**row, "control": "random", "runtime": "onnxruntime"}).endswith("/s0/random/onnxruntime")
    assert results.row_id({"dataset": "d", "model": "naive", "technique": "classical"}) == "d/naive/classical/-/-/s-"
    assert results.row_id({**row, "level": "0.90"}) != results.row_id(row)


@given(st.lists(st.text(min_size=1, max_size=40), min_size=2, max_size=2, unique=True))
@settings(max_examples=200, deadline=None)
def test_slugs_are_file_names_and_differ_for_different_ids(names):
    slugs = [results.slug(name) for name in names]
    assert slugs[0] != slugs[1]
    assert all(set(s) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.=-_") for s in slugs)


# ---- one run

def test_a_row_is_completed_and_read_back_the_same(reports):
    run = Run.open("deep", "s", **KEYS)
    run.file("dense.bin").write_bytes(b"x" * 100)
    row = run.add({**DENSE, "val_wape": 0.1 + 0.2, "artefact": run.file("dense.bin"), "compress_s": None}, losses())
    folder = "runs/210_deep/dataset=sample-traffic,model=lstm,seed=0"
    assert row["artefact"] == f"{folder}/dense.bin" and row["bytes"] == 100 and row["run"] == folder
    assert row["dataset"] == "sample-traffic" and row["seed"] == 0 and row["cpu"] and row["device"]
    assert len(row["code_sha256"]) == 64 and row["runtime_version"].startswith("2.")
    frame = run.finish()
    again = results.read(run.dir / "results.csv")
    pd.testing.assert_frame_equal(frame, again)
    assert again.val_wape[0] == 0.1 + 0.2 and again.level[0] == "16"


def test_what_does_not_apply_stays_empty():
    run = Run.open("deep", "s", **KEYS)
    run.add({**DENSE, "val_mase": float("nan"), "val_wape": float("inf"), "macs": None})
    run.finish()
    raw = pd.read_csv(run.dir / "results.csv", dtype=str, keep_default_na=False).iloc[0]
    empty = ["val_mase", "val_wape", "macs", "ratio", "bytes", "selected", "latency_ms_p50", "error", "control"]
    assert (raw[empty] == "").all()
    assert raw["seed"] == "0" and raw["level"] == "16"


@pytest.mark.parametrize("row, word", [
    ({**DENSE, "val_wap": 1}, "val_wape"),
    ({**DENSE, "note": 1}, "note"),
    ({"technique": "dense"}, "role"),
    ({**DENSE, "macs": "many"}, "macs"),
    ({**DENSE, "artefact": "gone.bin"}, "gone.bin"),
])
def test_bad_rows_are_refused_and_leave_nothing(row, word):
    run = Run.open("deep", "s", **KEYS)
    with pytest.raises(RunError, match=word):
        run.add(row, losses())
    assert run.rows == [] and not list(run.dir.rglob("*.json"))


def test_bytes_are_those_of_the_file(reports):
    run = Run.open("deep", "s", **KEYS)
    run.file("a.bin").write_bytes(b"1234")
    with pytest.raises(RunError, match="4"):
        run.add({**DENSE, "artefact": "a.bin", "bytes": 5})
    (reports / "outside.bin").write_bytes(b"1")
    with pytest.raises(RunError, match="outside"):
        run.add({**DENSE, "artefact": reports / "outside.bin"})


def test_losses_must_have_their_columns():
    run = Run.open("deep", "s", **KEYS)
    with pytest.raises(RunError, match="abs_y"):
        run.add(DENSE, losses().drop(columns="abs_y"))
    assert not run.rows


def test_a_killed_run_sees_its_finished_rows_and_goes_on():
    first = Run.open("deep", "s", **KEYS)
    done = first.add({**DENSE, "level": 8}, losses(1.0))
    (first.dir / "parts" / "cut.json").write_text('{"row_id": "d/m')  # killed while writing
    second = Run.open("deep", "s", **KEYS)
    assert second.has(done["row_id"]) and second.get(done["row_id"]) == done and second.rows[0]["level"] == 8
    other = second.add({**DENSE, "level": 16}, losses(2.0))
    assert list(second.finish().level) == ["8", "16"]
    assert not (second.dir / "parts").exists()
    third = Run.open("deep", "s", **KEYS)  # finished, then opened again
    third.add({**DENSE, "level": 32}, losses(3.0))
    third.add({**DENSE, "level": 8}, losses(9.0))  # replaces
    assert sorted(third.finish().level) == ["16", "32", "8"]
    stored = results.losses("s", [done["row_id"], other["row_id"]])
    assert stored.groupby("row_id").abs_err.mean().to_dict() == {done["row_id"]: 9.0, other["row_id"]: 2.0}
    assert len(stored) == 12


def test_finish_interrupted_before_its_end_can_be_repeated(monkeypatch):
    run = Run.open("deep", "s", **KEYS)
    row = run.add(DENSE, losses())
    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(results, "write_csv", full)
        run.finish()
    Run.open("deep", "s", **KEYS).finish()
    assert len(results.losses("s", [row["row_id"]])) == 6


def test_rows_of_other_code_do_not_count():
    run = Run.open("deep", "s", **KEYS)
    run.add(DENSE)
    assert len(Run.open("deep", "s", **KEYS).rows) == 1
    (run.dir / "inputs.json").write_text(json.dumps({"digest": "abc"}))
    planned = Run.open("deep", "s", **KEYS)
    assert planned.planned and not run.planned and planned.rows == []
    assert planned.add(DENSE)["code_sha256"] == "abc"


def test_a_row_copied_from_another_run_belongs_to_this_one():
    old = Run.open("deep", "s", **KEYS).add(DENSE)
    new = Run.open("30_x", "s", **KEYS)
    row = new.add({**old, "technique": "x"})
    assert row["run"].startswith("runs/30_x/") and row["code_sha256"] == new.digest != old["code_sha256"]


def test_data_columns_come_from_the_lock(reports):
    run = Run.open("deep", "s", **KEYS)
    assert run.add({**DENSE, "data_source": "sample"})["data_source"] == "sample"
    lock = {"seoul-traffic": {"name": "sample-traffic", "source": "public", "sha256": "f00"}}
    (reports / "s" / "data.lock").write_text(json.dumps(lock))
    row = run.add({**DENSE, "data_source": "sample"})
    assert (row["data_source"], row["data_sha256"]) == ("public", "f00")


def test_forecasts_are_stored_and_read_back_as_float32():
    run = Run.open("deep", "s", **KEYS)
    made = pd.DataFrame({"series": "a", "origin": pd.Timestamp("2024-01-01"), "step": [1, 2], "y": [1.0, np.nan],
                         "yhat": [0.5, 2.0]})
    row = run.add(DENSE, forecasts=made)
    run.finish()
    stored = results.forecasts("s", [row["row_id"]])
    assert list(stored.columns) == results.STORED["forecasts"] and stored.yhat.dtype == np.float32
    assert stored.y.isna().tolist() == [False, True] and stored.origin[0] == pd.Timestamp("2024-01-01")
    assert results.losses("s", [row["row_id"]]).empty


# ---- a study

def finished(stage, rows, study="s", digest=None, **keys):
    run = Run.open(stage, study, **keys)
    for row in rows:
        run.add(row)
    run.finish()
    if digest:
        (run.dir / "done.json").write_text(json.dumps({"digest": digest}))
    return run


def test_a_missing_study_says_what_to_do(reports):
    finished("210_deep", [DENSE], study="mine", **KEYS)
    with pytest.raises(RunError, match=r"(?s)make quick.*mine"):
        results.collect("nothing")


def test_an_empty_study_gives_an_empty_table(reports):
    (reports / "s" / "runs").mkdir(parents=True)
    table = results.collect("s")
    assert list(table.columns) == results.COLUMNS and table.empty and results.headline(table).empty


def test_only_runs_with_the_planned_digest_count(reports):
    for seed, digest in enumerate(["new", "old", None]):
        finished("210_deep", [DENSE], digest=digest, **{**KEYS, "seed": seed})
    assert sorted(results.collect("s").seed) == [0, 1, 2]  # no plan: run by hand
    folders = [f"runs/210_deep/dataset=sample-traffic,model=lstm,seed={seed}" for seed in range(3)]
    plan = {"runs": [{"dir": folder, "digest": "new"} for folder in folders]}
    (reports / "s" / "plan.json").write_text(json.dumps(plan))
    assert list(results.collect("s").seed) == [0]
    finished("99_extra", [{**DENSE, "technique": "x"}], digest="new", **KEYS)  # not in the plan
    assert list(results.collect("s").technique) == ["dense"]


def test_a_row_written_twice_is_an_error():
    finished("210_deep", [DENSE], **KEYS)
    finished("22_other", [DENSE], **KEYS)
    with pytest.raises(RunError, match="210_deep.*22_other"):
        results.collect("s")


def test_ratio_and_latency_by_hand():
    dense = {**DENSE, "val_wape": 0.10, "bytes": 1000, "live_params": 250, "format": "litecast"}
    small = {**dense, "technique": "x", "role": "compressed", "bytes": 200, "live_params": 50}
    onnx = {"format": "onnx", "runtime": "onnxruntime", "bytes": 400}
    finished("210_deep", [dense, {**dense, "control": "extra_epochs", "role": "control", "val_wape": 0.09}], **KEYS)
    finished("30_x", [small], **KEYS)
    timing = Run.open("timing", "s", dataset="sample-traffic", model="lstm")
    for row in (dense, small):
        timing.add({**row, **onnx, "seed": 0})
    ids = [results.row_id({**KEYS, **row}) for row in (dense, small)]
    measured = pd.DataFrame({"row_id": ids * 2, "runtime": ["torch"] * 2 + ["onnxruntime"] * 2, "threads": 1,
                             "batch": 1, "latency_ms_p10": 0.5, "latency_ms_p50": [4.0, 2.0, 1.0, 0.8],
                             "latency_ms_p90": 9.0})
    measured.to_csv(timing.file("latency.csv"), index=False)
    timing.finish()
    table = results.collect("s").set_index("row_id")
    assert set(table.dense_id) == {ids[0] + "/extra_epochs"}
    assert table.ratio[ids[0]] == 4 * 250 / 1000 and table.ratio[ids[1]] == 5.0
    assert table.latency_ms_p50[ids[1]] == 2.0 and table.latency_ms_p50[ids[1] + "/onnxruntime"] == 0.8
    # extra_epochs was not timed: the dense network, the same in all but its weights, stands in
    assert table.latency_ratio[ids[1]] == 2.0 and table.latency_ratio[ids[1] + "/onnxruntime"] == 1.25
    assert np.isnan(table.latency_ms_p50[ids[0] + "/extra_epochs"])
    assert table.selected[ids[0] + "/extra_epochs"] == 0 and table.selected[ids[1] + "/onnxruntime"] == 1


# ---- choices

def test_reference_is_the_better_on_validation_by_means_over_seeds():
    dense = [line("dense", "16", val, seed=s, role="dense") for s, val in enumerate([0.10, 0.12])]
    extra = [line("dense", "16", val, seed=s, role="control", control="extra_epochs")
             for s, val in enumerate([0.105, 0.11])]
    table = typed(dense + extra + [line("x", "0.5", 0.2, seed=1), line("x", "0.5", 0.2, seed=7)])
    chosen = results.reference(table)
    assert chosen["d/m/x/0.5/v/s1"] == "d/m/dense/16/v/s1/extra_epochs"  # 0.1075 < 0.11
    assert chosen["d/m/dense/16/v/s0"] == "d/m/dense/16/v/s0/extra_epochs"
    assert chosen["d/m/x/0.5/v/s7"] == ""
    worse = table.assign(val_wape=table.val_wape + 0.02 * (table.control != ""))
    assert results.reference(worse)["d/m/x/0.5/v/s1"] == "d/m/dense/16/v/s1"


def test_width_rows_and_failed_rows_are_no_reference():
    table = typed([line("dense", "16", 0.10, role="dense"), line("width", "64", 0.05, role="dense"),
                   line("dense", "16", 0.01, role="control", control="extra_epochs", error="diverged")])
    assert set(results.reference(table)) == {"d/m/dense/16/v/s0"}


SWEEP = [line("dense", "16", 0.100, 1000, role="dense"), line("x", "0.5", 0.099, 500), line("x", "0.8", 0.1009, 200),
         line("x", "0.9", 0.102, 100), line("y", "a", 0.2, 10), line("y", "b", 0.15, 900)]


def chosen(table):
    return set(table[results.select(table)].row_id)


def test_selection_takes_the_smallest_within_a_percent_else_the_best():
    assert chosen(typed(SWEEP)) == {"d/m/dense/16/v/s0", "d/m/x/0.8/v/s0", "d/m/y/b/v/s0"}


def test_selection_is_one_level_per_variant_and_on_means_over_seeds():
    more = [line("x", "0.9", 0.0990, 100, seed=1), line("x", "0.8", 0.2, 200, seed=1),
            line("x", "0.5", 0.1, 500, seed=1), line("dense", "16", 0.104, 1000, seed=1, role="dense"),
            line("x", "0.9", 0.3, 90, variant="w")]
    picked = chosen(typed(SWEEP + more))  # reference 0.102: x 0.9 has 0.1005, x 0.8 has 0.15
    assert {i for i in picked if "/x/" in i} == {"d/m/x/0.9/v/s0", "d/m/x/0.9/v/s1", "d/m/x/0.9/w/s0"}


def test_controls_and_failures_are_not_selected():
    table = typed([*SWEEP, line("x", "0.8", 0.05, 5, role="control", control="random"),
                   line("x", "0.99", 0.05, 5, error="diverged"), line("x", "0.98", None, 5)])
    assert chosen(table) == chosen(typed(SWEEP))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_selection_reads_no_test_column_and_not_the_order_of_rows(seed):
    rng = np.random.default_rng(seed)
    lines = [line(t, str(level), rng.uniform(0.09, 0.11), int(rng.integers(10, 999)), seed=s, test_wape=rng.random(),
                  role="dense" if t == "dense" else "compressed")
             for t, levels in (("dense", [1]), ("x", range(4)), ("y", range(3))) for level in levels for s in range(2)]
    table = typed(lines)
    other = table.copy()
    for name in [name for name in table if name.startswith("test_")]:
        other[name] = rng.permutation(table[name].to_numpy())
    assert chosen(other) == chosen(table) == chosen(table.sample(frac=1, random_state=seed % 1000))
    assert results.select(table).groupby([table.technique, table.seed]).sum().eq(1).all()


def test_skill_needs_validation_and_test():
    table = typed([line("dense", "1", 0.1, role="dense", model="m", val_skill=0.2, test_skill=0.1),
                   line("dense", "1", 0.1, role="dense", val_skill=0.2, test_skill=-0.1) | {"model": "n"}])
    assert results.has_skill(table).to_dict() == {("d", "m"): True, ("d", "n"): False}


def test_means_are_over_seeds_and_keep_the_first_seed_s_names():
    table = typed([line("x", "0.5", 0.2, seed=1), line("x", "0.5", 0.1, seed=0), line("x", "0.9", 0.5),
                   line("x", "0.5", 0.9, seed=2, error="diverged"), line("x", "0.5", 0.7, control="random")])
    made = results.means(table)
    assert list(made.columns) == results.COLUMNS
    assert made.set_index("row_id").val_wape.round(9).to_dict() == {
        "d/m/x/0.5/v/s0": 0.15, "d/m/x/0.9/v/s0": 0.5, "d/m/x/0.5/v/s0/random": 0.7}
    assert results.means(typed([])).empty


def test_headline_by_hand():
    skill, no_skill = {"val_skill": 0.1, "test_skill": 0.1}, {"val_skill": -1, "test_skill": -1, "test_wape": 0.01}
    table = typed([
        line("dense", "64", 0.100, 90_000, role="dense", test_wape=0.11, **skill),
        line("x", "0.5", 0.1019, 15_000, test_wape=0.115), line("x", "0.9", 0.103, 3_000, test_wape=0.09),
        line("x", "0.8", 0.099, 1_000, role="control", control="random", test_wape=0.01),
        line("width", "8", 0.11, 3_900, role="dense", test_wape=0.12),
        line("dense", "1", 0.01, 10, role="dense", **no_skill) | {"model": "unskilled"},
        line("dense", "1", 0.9, 10, role="dense", **no_skill) | {"dataset": "prices"},
    ])
    good, bad = results.headline(table).sort_values("dataset").to_dict("records")
    assert good["skill"] and good["best"] == "d/m/dense/64/v/s0" and good["best_wape"] == 0.11
    assert good["small"] == "d/m/x/0.5/v/s0" and good["small_kb"] == 15.0 and good["small_wape"] == 0.115
    assert (good["wape_4kb"], good["wape_16kb"], good["wape_64kb"]) == (0.09, 0.115, 0.115)
    assert good["row_4kb"] == "d/m/x/0.9/v/s0"
    assert bad["dataset"] == "prices" and not bad["skill"] and np.isnan(bad["best_wape"])
