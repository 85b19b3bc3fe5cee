"""Which files are timed, each in its own runtime, and networks in every runtime that takes them."""

import numpy as np
import pandas as pd
import pytest

from litecast import models, paths, results
from litecast.compress import Export, storages
from litecast.data import frame, windows
from litecast.errors import RunError
from litecast.experiment import measure, timing
from litecast.modelfile import Card
from litecast.runtimes import latency, onnxruntime

NAME = "nlinear"


@pytest.fixture
def data():
    draw = np.random.default_rng(0)
    values = 100 + 20 * np.sin(2 * np.pi * np.arange(600) / 24)[:, None] + draw.normal(size=(600, 2))
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    header = frame.Header("made-up", "items", "h", 24, 24, 6)
    return windows.prepare(frame.from_wide(header, pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture
def run():
    return results.Run.open("timing", "tiny", dataset="made-up")


def table(*lines):
    shared = {"dataset": "made-up", "model": NAME, "runtime": "torch", "control": "", "selected": 0.0, "seed": 0.0,
              "artefact": "a file", "role": "compressed", "precision": "float32", "copy_of": "", "level": "",
              "macs": 70.0, "error": "", "val_wape": 0.5, "bytes": 10.0}
    dense = {"technique": "dense", "variant": "float32", "role": "dense", "level": "8", "macs": 100.0}
    lines = [shared | (dense if line.get("technique") == "dense" else {}) | line for line in lines]
    return results.typed(pd.DataFrame(lines)).assign(row_id=[str(i) for i in range(len(lines))])


def test_dense_and_what_was_selected_is_timed_once(data):
    rows = table({"technique": "dense", "seed": 1.0}, {"technique": "dense"},
                 {"technique": "p", "variant": "int8", "selected": 1.0}, {"technique": "p", "variant": "int8"},
                 {"technique": "p", "variant": "float32", "selected": 1.0},
                 {"technique": "p", "variant": "int8", "control": "random", "selected": 1.0},
                 {"technique": "dense", "control": "extra_epochs"},
                 {"technique": "p", "variant": "int8", "runtime": "onnxruntime", "copy_of": "2", "selected": 1.0},
                 {"technique": "q", "variant": "int8", "model": "gru", "selected": 1.0},  # all models in one round
                 {"technique": "width", "variant": "int8", "level": "8", "macs": 100.0, "selected": 1.0},  # dense again
                 {"technique": "width", "variant": "int4", "level": "4", "selected": 1.0},
                 {"technique": "q", "variant": "int8", "runtime": "onnxruntime", "selected": 1.0, "precision": "int8"},
                 {"technique": "q", "variant": "", "artefact": "", "selected": 1.0},
                 {"technique": "width", "variant": "real", "level": "8", "runtime": "onnxruntime", "selected": 1.0,
                  "macs": 100.0, "precision": "int8"},
                 {"technique": "classical", "model": "boosting", "runtime": "sklearn", "role": "dense"},
                 {"technique": "classical", "model": "arima", "runtime": "", "artefact": "", "role": "dense"},
                 {"technique": "q", "variant": "codes", "macs": 100.0, "selected": 1.0},  # decoded to as many products
                 {"technique": "q", "model": "gru", "variant": "codes", "macs": 100.0, "selected": 1.0},  # of another
                 {"technique": "q", "dataset": "elsewhere", "selected": 1.0})  # fmt: skip
    rows.loc[rows.technique == "dense", "val_wape"] = 0.4  # the headline recommends dense
    assert [row["row_id"] for row in timing.to_time(rows, data)] == ["1", "2", "4", "8", "10", "11", "13", "17"]
    with pytest.raises(RunError, match="no finished network on made-up"):
        timing.to_time(rows[rows.dataset == "elsewhere"], data)


def test_what_the_headline_recommends_is_timed_whatever_it_is(data):
    rows = table({"technique": "dense", "bytes": 9e5}, {"technique": "p", "variant": "int8", "control": "random",
                 "role": "control", "val_wape": 0.1},
                 {"technique": "width", "variant": "int8", "macs": 100.0, "val_wape": 0.2, "bytes": 9.0},
                 {"technique": "width", "variant": "int4", "macs": 100.0, "val_wape": 0.9, "selected": 1.0},
                 {"technique": "width", "level": "4", "control": "extra_epochs", "val_wape": 0.9})  # fmt: skip
    rows["artefact"] = [f"file {i}" for i in range(len(rows))]
    assert [row["row_id"] for row in timing.to_time(rows, data)] == ["0", "1"]  # the smallest near the best is 1
    rows.loc[2, "bytes"], rows.loc[1, "bytes"] = 900, 3000
    assert [row["row_id"] for row in timing.to_time(rows, data)] == ["0", "1", "2"]  # 2 is the best of 1 kB


@pytest.mark.parametrize("storage", ["float32", "int8"])
def test_a_copy_is_a_row_with_bytes_and_errors_of_its_own_runtime(storage, run, data, monkeypatch):
    model = models.build(NAME, 1, data)
    first = {"model": NAME, "technique": "p", "level": 0.5, "variant": f"l2-{storage}", "role": "compressed", "seed": 0,
             "route": "p 0.5", "teacher_id": "t", "train_macs": 7, "train_steps": 3}  # fmt: skip
    row = measure.store(run, data, model, storages.export(model, storage), first).row
    calls = timing.contestants(run, data, row)
    assert list(calls) == [row["row_id"], row["row_id"] + "/onnxruntime"]
    made = [call() for call in calls.values()]
    assert all(each.shape == (1, 6, 1) and 20 < each.mean() < 200 for each in made)
    found = run.get(row["row_id"] + "/onnxruntime")
    path = paths.study_dir("tiny") / found["artefact"]
    assert found["bytes"] == path.stat().st_size and path.suffix == ".onnx"
    assert (found["format"], found["runtime"], found["precision"]) == ("onnx", "onnxruntime", "float32")
    assert found["copy_of"] == row["row_id"]
    for name in ("role", "level", "variant", "technique", "seed", "route", "teacher_id", "macs", "train_macs"):
        assert found[name] == row[name] is not None
    for name in ("val_wape", "test_wape", "test_mase", "test_mae_scaled"):
        assert found[name] == pytest.approx(row[name], rel=1e-4)
    # the graph holds and runs float32, whatever its network is stored in
    assert (found["coverage_weights"], found["coverage_macs"]) == (1, 1)
    monkeypatch.setattr(measure, "add", None)  # a second call measures nothing again
    assert list(timing.contestants(run, data, row)) == list(calls)


def test_a_file_of_another_runtime_is_timed_where_it_was_made_for(run, data):
    model = models.build(NAME, 1, data)
    row = {"model": NAME, "technique": "int8", "level": 8, "variant": "int8", "role": "compressed", "seed": 0}
    content = onnxruntime.export(model, Card.of(data))
    row = measure.store(run, data, model, Export(runtime="onnxruntime", content=content), row).row
    assert list(timing.contestants(run, data, row)) == [row["row_id"]]
    assert len(run.rows) == 1 and row["copy_of"] is None


def test_times_stand_under_the_very_row_that_was_timed(run, data):
    model = models.build(NAME, 1, data)
    row = {"model": NAME, "technique": "dense", "level": 1, "variant": "float32", "role": "dense", "seed": 0}
    row = measure.store(run, data, model, storages.export(model, "float32"), row).row
    times = latency.interleave(timing.contestants(run, data, row), runs=5, warm_up=1)
    lines = timing.lines(times, [row, *run.rows, {"row_id": "not timed"}])
    assert lines.row_id.tolist() == [row["row_id"], row["row_id"] + "/onnxruntime"]
    assert lines.runtime.tolist() == ["torch", "onnxruntime"] and (lines.macs == 24 * 6).all()
    assert lines.latency_ms_p50.tolist() == times.latency_ms_p50.tolist()
    lines[timing.COLUMNS].to_csv(run.file("latency.csv"), index=False)
    run.finish()
    collected = results.collect("tiny").set_index("row_id")
    assert (collected.latency_ms_p50[lines.row_id] > 0).all() and (collected.threads == 1).all()
