"""The audit finds what was changed behind the rows' back, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from litecast import audit, modelfile, models, paths, results, runtimes
from litecast.compress import storages
from litecast.data import frame, windows
from litecast.experiment import measure, timing

HEADER = frame.Header(name="made-up", unit="vehicles/h", frequency="h", season=24, L=24, H=4)


def small(name="made-up", study=None):
    hours = np.arange(600)[:, None]
    noise = np.random.default_rng(0).normal(size=(600, 2))
    values = 100 + 20 * np.sin(2 * np.pi * hours / 24) + noise
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    return frame.from_wide(HEADER, pd.DataFrame(values, index=times, columns=["a", "b"]))


@pytest.fixture
def study(monkeypatch):
    """Three rows of an untrained network: dense, the same in 8 bit with its drift, and its ONNX file."""
    monkeypatch.setattr(audit.data, "load", small)
    audit._dataset.cache_clear()
    data = windows.prepare(small())
    run = results.Run.open("deep", "tiny", dataset="made-up", model="dlinear", seed=0)
    model = models.build("dlinear", 1, data, 0)
    row = {"model": "dlinear", "technique": "dense", "role": "dense", "variant": "float32", "level": 1, "seed": 0}
    dense = measure.store(run, data, model, storages.export(model, "float32"), row)
    cut = row | {"technique": "rounding", "role": "compressed", "variant": "int8"}
    measure.store(run, data, model, storages.export(model, "int8"), cut, dense)
    timing.contestants(run, data, dense.row)
    run.finish()
    write(results.collect("tiny"))
    yield "tiny"
    audit._dataset.cache_clear()


def write(rows):
    results.write_csv(rows, paths.study_dir("tiny") / "results.csv")


def rows():
    return results.read(paths.study_dir("tiny") / "results.csv")


def test_a_sound_study_passes(study, capsys):
    assert audit.main([study, "--mutations", "30"]) == 0
    assert "3 rows with a file, 0 differ; 30 damaged files, 0 not refused" in capsys.readouterr().out
    lines = audit.audit(study).set_index("runtime")
    assert lines.checked["onnxruntime"] == 1 + 12 + 1  # bytes, six errors on two parts, precision
    assert sorted(lines.checked["torch"]) == [7 + 13, 7 + 13 + 2]  # bytes, costs, the same; drift where there is one


WRONG = {"test_wape": 1.0001, "val_drift": 1.01, "test_bias": 2, "val_skill": 1.001, "macs": 2, "bytes": 2}


def test_a_number_that_its_file_does_not_give_is_found(study, capsys):
    sound = rows()
    changed = sound.index[sound.variant == "int8"][0]
    for column, factor in WRONG.items():
        table = sound.copy()
        table.loc[changed, column] *= factor
        write(table)
        assert audit.main([study, "--mutations", "0"]) == 1
        out = capsys.readouterr().out
        assert f"DIFFERS  {table.row_id[changed]}: {column} " in out and out.count("DIFFERS") == 1


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_a_precision_that_its_graph_does_not_run_in_is_found(runtime, study, capsys):
    table = rows()
    changed = table.index[table.runtime == runtime][0]
    table.loc[changed, "precision"] = "int8"
    write(table)
    assert audit.main([study, "--mutations", "0"]) == 1
    assert f"DIFFERS  {table.row_id[changed]}: precision float32, the row says int8" in capsys.readouterr().out
    write(table.assign(precision=""))  # an older row that does not say
    assert audit.main([study, "--mutations", "0"]) == 0


def test_a_file_with_another_card_is_found(study):
    """Errors come from the file's card too: raw values in, raw values out."""
    table = rows()
    changed = table.index[table.variant == "int8"][0]
    path = paths.study_dir(study) / table.artefact[changed]
    loaded = modelfile.load(path)
    loaded.card.std = [1e4 * value for value in loaded.card.std]
    path.write_bytes(runtimes.module("torch").export(loaded.model, loaded.card))
    assert "test_wape" in audit.audit(study).difference[changed]
    loaded.card.series[0] = "other"
    path.write_bytes(runtimes.module("torch").export(loaded.model, loaded.card))
    assert "not for this data" in audit.audit(study).difference[changed]


def test_damaged_and_missing_files_are_found_and_the_rest_is_checked(study):
    table = rows().set_index("runtime")
    files = [paths.study_dir(study) / name for name in table.artefact]
    files[1].write_bytes(files[1].read_bytes()[:-1])
    next(file for file in files if file.suffix == ".onnx").unlink()
    lines = audit.audit(study)
    assert (lines.difference != "").tolist() == [False, True, True]
    assert "checksum" in lines.difference[1]


def test_errors_can_be_left_to_selected_rows(study):
    table = rows()
    table.loc[table.variant == "int8", ["test_wape", "selected"]] = 9.0, 0
    write(table)
    assert (audit.audit(study, "selected").difference == "").all()
    assert (audit.audit(study, "all").difference != "").sum() == 1


def test_damage_that_the_reader_lets_pass_is_reported(study, monkeypatch):
    monkeypatch.setattr(modelfile, "load", lambda path: None)
    assert "it was loaded" in audit.damage(study, 3)[0]
    monkeypatch.setattr(modelfile, "load", lambda path: 1 / 0)
    assert len(audit.damage(study, 3)) == 3 and "ZeroDivisionError" in audit.damage(study, 1)[0]


def test_damage_is_the_same_every_time_and_always_a_change():
    content = bytes(range(256)) * 3
    first, again = ([audit.mutate(content, np.random.default_rng(seed)) for seed in range(100)] for _ in range(2))
    assert [kind for kind, _ in first] == [kind for kind, _ in again]
    assert all(damaged != content for _, damaged in first)


def test_a_study_that_is_not_there(capsys):
    assert audit.main(["nosuch"]) == 1
    assert "nosuch" in capsys.readouterr().err


def test_files_of_scikit_learn_are_forecast_with_again(monkeypatch, capsys):
    from litecast.models.classical import ridge, stored

    monkeypatch.setattr(audit.data, "load", small)
    audit._dataset.cache_clear()
    data = windows.prepare(small())
    run = results.Run.open("classical", "tiny", dataset="made-up")
    path = run.file("ridge.skops")
    stored.save(path, "ridge", ridge.fit(data), data)
    content = stored.load(path)
    row = {"model": "ridge", "technique": "classical", "role": "dense"} | stored.columns(path, content)
    measure.add(run, data, row, stored.forecast(content, data))
    run.finish()
    sound = results.collect("tiny")
    write(sound)
    assert audit.main(["tiny", "--mutations", "0"]) == 0
    assert "1 rows with a file, 0 differ" in capsys.readouterr().out
    assert audit.audit("tiny").checked.tolist() == [1 + 12]
    write(sound.assign(test_wape=sound.test_wape * 1.001))
    assert "test_wape" in audit.audit("tiny").difference[0]
    path.write_bytes(path.read_bytes()[:-9])
    assert "ModelFileError" in audit.audit("tiny").difference[0]
    audit._dataset.cache_clear()
