"""Rows, runs, and the rows of a study."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import results
from litecast.errors import RunError
from litecast.results import Run, rows

KEYS = {"dataset": "sample-traffic", "model": "lstm", "seed": 0}
DENSE = {"technique": "dense", "role": "dense", "variant": "float32", "level": 16, "runtime": "torch"}


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    return tmp_path.resolve()


def losses(value=1.0, origins=3):
    grid = pd.MultiIndex.from_product([range(origins), ["a", "b"]], names=["origin", "series"]).to_frame(index=False)
    return grid.assign(abs_err=value, sq_err=value**2, abs_y=10.0)


# ---- names

def test_columns_are_those_of_the_contract_in_its_order():
    assert results.COLUMNS[:15] == ["study", "dataset", "model", "technique", "level", "variant", "seed", "role",
                                    "control", "selected", "row_id", "parent_id", "dense_id", "L", "H"]
    assert results.COLUMNS[60:] == ["runtime_version", "error", "run", "route", "teacher_id", "copy_of", "precision",
                                    "train_steps", "val_wape_ordinary", "val_wape_holidays", "test_wape_ordinary",
                                    "test_wape_holidays", "val_wape_totals", "test_wape_totals", "val_wape_log",
                                    "test_wape_log", "val_wape_highest", "val_wape_worst", "val_wape_first",
                                    "val_wape_last", "test_wape_highest", "test_wape_worst", "test_wape_first",
                                    "test_wape_last", "test_cover_80", "test_width_80", "test_cover_80_se",
                                    "test_cover_95", "test_width_95", "test_cover_95_se"]  # later ones are appended
    assert len(results.COLUMNS) == len(set(results.COLUMNS)) == 90
    assert results.TEXT | results.INTEGERS <= set(results.COLUMNS) and not results.TEXT & results.INTEGERS


def test_row_id_names_what_differs():
    row = {**KEYS, "technique": "magnitude_pruning", "level": 0.9, "variant": "global", "runtime": "torch"}
    assert results.row_id(row) == "sample-traffic/lstm/magnitude_pruning/0.9/global/s0"
    assert results.row_id({**row, "control": "random", "runtime": "onnxruntime"}).endswith("/s0/random/onnxruntime")
    assert results.row_id({"dataset": "d", "model": "naive", "technique": "classical"}) == "d/naive/classical/-/-/s-"
    assert results.row_id({**row, "level": "0.90"}) != results.row_id(row)
    assert len({results.row_id({**row, "runtime": runtime}) for runtime in ("torch", "sklearn", "", None)}) == 1
    chain = {**row, "technique": "channel_pruning+int8", "level": "0.5+8", "variant": "mean:nbeats-int8"}
    assert results.row_id(chain) == "sample-traffic/lstm/channel_pruning+int8/0.5+8/mean:nbeats-int8/s0"
    int8 = {**row, "technique": "int8", "level": 8, "variant": "minmax-int8", "runtime": "onnxruntime"}
    assert results.row_id(int8) == "sample-traffic/lstm/int8/8/minmax-int8/s0/onnxruntime"


@pytest.mark.parametrize("level, kept, shown", [
    (0.5, 0.5, "0.5"), (8, 8, "8"), ("8", 8, "8"), (1e6, 1_000_000, "1e+06"), ("0.5+8", "0.5+8", "0.5+8"),
    ("8+0.25", "8+0.25", "8+0.25"), ("a", "a", "a"), (None, None, "")])
def test_a_level_that_reads_as_a_number_is_one_and_a_chain_s_is_text(level, kept, shown):
    run = Run.open("deep", "s", **KEYS)
    identifier = run.add({**DENSE, "technique": "x", "level": level})["row_id"]
    run.finish()
    again = Run.open("deep", "s", **KEYS).get(identifier)["level"]
    assert again == kept and type(again) is type(kept)
    assert results.read(run.dir / "results.csv").level[0] == shown


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


def test_a_route_row_keeps_its_columns_and_the_run_s_keys_are_not_its_route(reports):
    keys = {**KEYS, "teachers": "nbeats+lstm", "route": "channel_pruning-0.5+int8-8"}
    run = Run.open("distillation", "s", *keys.values())
    assert run.dir.name == ("dataset=sample-traffic,model=lstm,seed=0,teachers=nbeats+lstm,"
                            "route=channel_pruning-0.5+int8-8")
    route = "channel_pruning 0.5 > int8 8 > distillation 16"
    row = run.add({**DENSE, "technique": "channel_pruning+int8+distillation", "level": "0.5+8+16", "route": route,
                   "role": "compressed", "teacher_id": "a + b", "precision": "int8+float32", "train_steps": 300.0})
    assert row["train_steps"] == 300 and isinstance(row["train_steps"], int) and row["copy_of"] is None
    assert run.add(DENSE)["route"] is None and run.add(DENSE)["teacher_id"] is None
    run.finish()
    assert Run.open("distillation", "s", **keys).get(row["row_id"]) == row
    read = results.read(run.dir / "results.csv").set_index("row_id").loc[row["row_id"]]
    assert (read.route, read.teacher_id, read.copy_of, read.precision) == (route, "a + b", "", "int8+float32")
    assert read.train_steps == 300 and read.level == "0.5+8+16"


def test_what_is_empty_names_no_run_and_an_unknown_key_is_refused():
    assert Run.open("deep", "s", **KEYS, teachers="", route="").dir == Run.open("deep", "s", **KEYS).dir
    assert Run.open("deep", "s", "d").dir.name == "dataset=d" and Run.open("deep", "s").dir.name == "all"
    with pytest.raises(TypeError, match="levels"):
        Run.open("deep", "s", **KEYS, levels=[1])


def test_a_table_of_older_columns_reads_as_empty_in_the_new_ones(reports):
    old = pd.DataFrame([{**KEYS, **DENSE}]).reindex(columns=results.COLUMNS[:63])
    old.to_csv(reports / "results.csv", index=False)
    table = results.read(reports / "results.csv")
    assert list(table.columns) == results.COLUMNS
    assert (table[["route", "teacher_id", "copy_of", "precision"]] == "").all(axis=None)
    assert table.train_steps.isna().all() and len(results.own(table)) == 1


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
        patch.setattr(rows, "write_csv", full)
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


def test_bands_are_stored_beside_the_rows_and_survive_a_second_attempt():
    made = pd.DataFrame({"level": 80, "step": [1, 1], "series": ["", "a"], "radius": [0.1, 2.0], "more": 0})
    for level in (1, 2):  # each time the run is opened anew, and goes on
        run = Run.open("deep", "s", **KEYS)
        row = run.add({**DENSE, "level": level}, bands=made)
        run.finish()
    stored = results.bands("s", [row["row_id"]])
    assert list(stored.columns) == results.STORED["bands"] and stored.radius.dtype == np.float32
    assert stored.series.tolist() == ["", "a"] and stored.step.tolist() == [1, 1] and set(stored.level) == {80}
    assert len(pd.read_parquet(run.dir / "bands.parquet")) == 4
    assert results.bands("s", ["another"]).empty


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


PLAIN = {**DENSE, "val_wape": 0.10, "bytes": 1000, "live_params": 250, "format": "litecast"}
SMALL = {**PLAIN, "technique": "x", "role": "compressed", "bytes": 200, "live_params": 50}
ONNX = {"format": "onnx", "runtime": "onnxruntime", "bytes": 400, **KEYS}
LONGER = {**PLAIN, "control": "extra_epochs", "role": "control", "val_wape": 0.09}


def ids_of(*rows):
    return [results.row_id({**KEYS, **row}) for row in rows]


def copy(row):
    return {**row, **ONNX, "copy_of": ids_of(row)[0]}


def timed(rows, times):
    """A timing run: these rows of its own, and median ms by (row_id, runtime)."""
    run = Run.open("timing", "s", dataset="sample-traffic", model="lstm")
    for row in rows:
        run.add(row)
    lines = [{"row_id": name, "runtime": runtime, "latency_ms_p10": 0.5, "latency_ms_p50": ms, "latency_ms_p90": 9.0,
              "threads": 1, "batch": 1, "note": "not a result column"} for (name, runtime), ms in times]
    pd.DataFrame(lines).to_csv(run.file("latency.csv"), index=False)
    run.finish()
    return results.collect("s").set_index("row_id")


def test_ratio_and_latency_by_hand():
    finished("210_deep", [PLAIN, LONGER], **KEYS)
    finished("30_x", [SMALL], **KEYS)
    dense, longer, small, dense2, small2 = ids_of(PLAIN, LONGER, SMALL, copy(PLAIN), copy(SMALL))
    assert small2 == small + "/onnxruntime"
    table = timed([copy(PLAIN), copy(SMALL)], [((dense, "torch"), 4.0), ((small, "torch"), 2.0),
                  ((dense2, "onnxruntime"), 1.0), ((small2, "onnxruntime"), 0.8), (("gone", "torch"), 7.0)])
    assert set(table.dense_id) == {longer}
    assert table.ratio[dense] == 4 * 250 / 1000 and table.ratio[small] == 5.0
    assert table.latency_ms_p50[small] == 2.0 and table.latency_ms_p50[small2] == 0.8
    # extra_epochs was not timed: the dense network, the same in all but its weights, stands in
    assert table.latency_ratio[small] == 2.0 and table.latency_ratio[small2] == 1.25
    assert np.isnan(table.latency_ms_p50[longer]) and np.isnan(table.latency_ratio[longer])
    assert table.selected[longer] == 0 and table.selected[small2] == 1


def test_speed_is_told_against_the_reference_s_own_time_in_the_same_runtime():
    int8 = {**SMALL, **ONNX, "technique": "int8", "val_wape": 0.10}  # a function of its own: ONNX Runtime alone has it
    finished("210_deep", [PLAIN, LONGER], **KEYS)
    finished("30_x", [SMALL], **KEYS)
    finished("340_int8", [int8], **KEYS)
    dense, longer, small, eight = ids_of(PLAIN, LONGER, SMALL, int8)
    copies = [copy(PLAIN), copy(LONGER), copy(SMALL)]
    dense2, longer2, small2 = ids_of(*copies)
    table = timed(copies, [((dense, "torch"), 4.0), ((longer, "torch"), 5.0), ((small, "torch"), 2.0),
                           ((dense2, "onnxruntime"), 1.0), ((longer2, "onnxruntime"), 3.0),
                           ((small2, "onnxruntime"), 1.5), ((eight, "onnxruntime"), 0.5)])
    assert table.latency_ratio[[small, longer, small2, longer2, eight]].tolist() == [2.5, 1.0, 2.0, 1.0, 6.0]
    assert table.selected[[eight, small, small2]].tolist() == [1, 1, 1]


def test_a_time_belongs_to_the_row_that_was_timed_in_its_runtime():
    finished("210_deep", [PLAIN], **KEYS)
    dense, = ids_of(PLAIN)
    table = timed([copy(PLAIN)], [((dense, "onnxruntime"), 3.0), ((dense, "torch"), 4.0)])
    assert table.latency_ms_p50[dense] == 4.0 and np.isnan(table.latency_ms_p50[dense + "/onnxruntime"])
    with pytest.raises(RunError, match=f"{dense} was timed twice in torch"):
        timed([], [((dense, "torch"), 3.0), ((dense, "torch"), 4.0)])
