"""The audit finds what was changed behind the rows' back, and nothing else."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
import small_files

from litecast import audit, modelfile, models, paths, results, runtimes
from litecast.compress import Export, storages
from litecast.data import frame, windows
from litecast.experiment import measure, timing
from litecast.models.classical import stored

HEADER = frame.Header(name="made-up", unit="vehicles/h", frequency="h", season=16, L=24, H=4, country="KR")
ERRORS = 11 + 13  # of validation, and of the test part, which tells ordinary days and holidays apart
BANDS = 4 + 1  # what they cover at two levels (of one week: without a standard error), how wide they are; their radii


def small(name="made-up", study=None):
    """Two series of very different size with gaps in every part, also longer than a window; Seollal is in the test."""
    hours = np.arange(600)[:, None]
    noise = np.random.default_rng(0).normal(size=(600, 2))
    values = np.array([0.01, 0.3]) * (100 + 20 * np.sin(2 * np.pi * hours / 24) + noise)
    for first, last, series in ((50, 53, 0), (430, 440, 0), (450, 480, 1), (500, 505, 1), (520, 521, 0), (570, 577, 1)):
        values[first:last, series] = np.nan
    times = pd.date_range("2024-01-20", periods=600, freq="h")
    return frame.from_wide(HEADER, pd.DataFrame(values, index=times, columns=["a", "b"]))


@pytest.fixture
def data(monkeypatch, few_bins):
    monkeypatch.setattr(audit.data, "load", small)
    audit._dataset.cache_clear()
    yield windows.prepare(small())
    audit._dataset.cache_clear()


@pytest.fixture
def study(data):
    """Three rows of an untrained network: dense, the same in 8 bit with its drift, and its ONNX file."""
    run = results.Run.open("deep", "tiny", dataset="made-up", model="dlinear", seed=0)
    model = models.build("dlinear", 1, data, 0)
    row = {"model": "dlinear", "technique": "dense", "role": "dense", "variant": "float32", "level": 1, "seed": 0}
    dense = measure.store(run, data, model, storages.export(model, "float32"), row)
    cut = row | {"technique": "rounding", "role": "compressed", "variant": "int8"}
    measure.store(run, data, model, storages.export(model, "int8"), cut, dense)
    timing.contestants(run, data, dense.row)
    run.finish()
    write(results.collect("tiny"))
    return "tiny"


def write(rows):
    results.write_csv(rows, paths.study_dir("tiny") / "results.csv")


def rows():
    return results.read(paths.study_dir("tiny") / "results.csv")


def test_a_sound_study_passes(study, capsys):
    assert audit.main([study, "--mutations", "30"]) == 0
    assert "3 rows with a file, 0 differ; 30 damaged files, 0 not refused" in capsys.readouterr().out
    lines = audit.audit(study).set_index("runtime")
    card = 11  # its fields but the holidays, which this network does not read
    assert lines.checked["onnxruntime"] == 1 + ERRORS + BANDS + 1 + card + 1  # bytes, precision, on a device
    assert sorted(lines.checked["torch"]) == [7 + ERRORS + BANDS + 1 + card + 1 + drift for drift in (0, 2)]


WRONG = {"test_wape": 1.0001, "test_cover_80": 0.999, "test_width_95": 1.001, "val_drift": 1.01, "test_bias": 2,
         "val_skill": 1.001, "macs": 2, "bytes": 2}


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


@pytest.mark.parametrize("wrong", [lambda bands: bands.assign(radius=bands.radius * 1.001),
                                   lambda bands: bands[bands.step > 1]], ids=["other", "fewer"])
def test_radii_that_its_forecasts_do_not_give_are_found(study, capsys, wrong):
    [path] = paths.study_dir(study).rglob("runs/*deep/*/bands.parquet")
    bands = pd.read_parquet(path)
    mine = bands.row_id == rows().row_id[0]
    results.rows.write_stored(pd.concat([bands[~mine], wrong(bands[mine])]), "bands", path)
    assert audit.main([study, "--mutations", "0"]) == 1
    out = capsys.readouterr().out
    assert f"DIFFERS  {rows().row_id[0]}: {audit.BANDS} " in out and out.count("DIFFERS") == 1
    path.unlink()
    assert (audit.audit(study).difference != "").sum() == 3
    write(rows().assign(test_cover_80=np.nan))  # of an older study, which knows no bands
    assert (audit.audit(study).difference == "").all()


# ---- falsified cards

# Field -> its other content. Changed names only, it changes no forecast where the file has its holidays.
FALSE = {"season": 7, "transform": "log", "series": ["b", "a"], "holidays": [2024, 2027, 22], "country": "US",
         "frequency": "30min", "dataset": "other", "unit": "cars", "mean": 1.5, "std": 1.5}  # fmt: skip
NAMES_ONLY = ("country", "frequency", "dataset", "unit")


def study_of(data, *nets, runtime="torch"):
    """The study "tiny" of untrained networks: [(file, what it reads)] of (name, kind of codec) each, in a runtime."""
    run, made = results.Run.open("deep", "tiny", dataset="made-up", model=nets[0][0], seed=0), []
    for family, kind in nets:
        model = small_files.network(family, L=24, H=4, F=models.build(family, 4, data).n_known, patch=12)
        export = Export(*small_files.all_held(model, kind))
        if runtime != "torch":
            export = Export(runtime=runtime, content=runtimes.module(runtime).export(model, modelfile.Card.of(data)))
        row = {"model": family, "technique": "dense", "role": "dense", "variant": kind, "level": 1, "seed": 0}
        stored = measure.store(run, data, model, export, row)
        made.append((paths.study_dir("tiny") / stored.row["artefact"], model.reads))
    run.finish()
    write(results.collect("tiny"))
    return made


def false(reads):
    """Fields that a file of such a network can say wrongly: steps of another length have other cells."""
    return [field for field in FALSE if (field != "holidays" or reads & {"z", "cells"})
            and (field != "frequency" or "cells" not in reads)]  # fmt: skip


def differences():
    """What the audit says of each row, in one process."""
    return [line["difference"] for line in audit._group("tiny", rows().assign(again=True).to_dict("records"))]


def falsify(path, field, other):
    """Change one field of the card in a sound file, which stays sound."""
    if path.suffix == ".onnx":
        graph = onnx.load(path)
        words = json.loads(graph.metadata_props[0].value)
        for tensor in graph.graph.initializer:
            if tensor.name == field:
                tensor.CopyFrom(onnx.numpy_helper.from_array(other * onnx.numpy_helper.to_array(tensor), field))
        if field not in ("mean", "std"):
            graph.metadata_props[0].value = json.dumps(words | {field: other})
        onnx.save(graph, path)
    elif field in ("mean", "std"):
        small_files.change_scaler(path, {"mean": 1, "std": 2}[field], other)
    else:
        small_files.rewrite(path, lambda content: content["card"].update({field: other}))


@pytest.mark.parametrize("family, runtime", [("lstm", "torch"), ("nlinear", "torch"), ("gru", "onnxruntime"),
                                             ("nlinear", "onnxruntime"), ("nlinear@own", "torch")])
def test_each_falsified_field_is_found_by_its_name_and_by_the_errors_it_makes(data, family, runtime):
    [(path, reads)] = study_of(data, (family, "float32"), runtime=runtime)
    sound = path.read_bytes()
    assert differences() == [""]
    for field in false(reads):
        falsify(path, field, FALSE[field])
        (difference,) = differences()
        path.write_bytes(sound)
        assert f"card's {field} " in difference and ", the data says " in difference
        assert ("; test_" in difference) == (field not in NAMES_ONLY), field
        if field in ("season", "holidays", "country"):
            assert audit.DEVICE not in difference, "rows and devices go by the same card"


def check_falsified(data, *nets):
    """Nothing differs before; with every field falsified each is named, and errors differ."""
    files = study_of(data, *nets)
    assert set(differences()) == {""}
    for path, reads in files:
        for field in false(reads):
            falsify(path, field, FALSE[field])
    for net, (_, reads), difference in zip(nets, files, differences(), strict=True):
        assert all(f"card's {field} " in difference for field in false(reads)) and "; test_" in difference, net


def test_a_falsified_card_is_found_in_every_family(data):
    check_falsified(data, *((name, "float32") for name in [*models.names(), "nlinear@own", "lstm@shared"]))


def test_a_falsified_card_is_found_in_every_codec(data):
    check_falsified(data, *(("lstm", kind) for kind in small_files.KINDS))


def test_a_falsified_card_is_found_in_files_of_scikit_learn(data):
    path = row_of(data)
    sound = path.read_bytes()
    for field, other in FALSE.items():
        path.write_bytes(sound)
        content = skops.io.load(path, trusted=list(stored.TRUSTED))
        content["card"][field] = other * content["card"][field] if field in ("mean", "std") else other
        skops.io.dump(content, path)
        (difference,) = differences()
        assert f"card's {field} " in difference
        assert ("; test_" in difference) == (field not in (*NAMES_ONLY, "holidays")), "none in train"


@pytest.mark.parametrize("field, other, word", [("country", None, "known inputs"), ("holidays", None, "holidays"),
                                                ("frequency", "D", "known inputs"), ("season", 0, "season"),
                                                ("series", ["a", "other"], "not for this data"),
                                                ("frequency", "30min", "24 steps a day, the calendar 7, 5, 48")])
def test_a_card_that_no_file_can_have_is_found_too(data, field, other, word):
    [(path, _)] = study_of(data, ("lstm" if "steps" not in word else "lstm@own", "float32"))
    falsify(path, field, other)
    (difference,) = differences()
    assert "ModelFileError" in difference and word in difference


# ---- as on a device

@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_a_row_measured_with_more_than_a_device_gets_is_found(data, monkeypatch, runtime):
    """Gaps filled from rows that the file does not ask for: the forecasts of the row, and those of no device."""
    study_of(data, ("lstm", "float32"), runtime=runtime)
    assert differences() == [""]
    monkeypatch.setattr(modelfile.Card, "history", property(lambda card: card.L))
    (difference,) = differences()
    assert difference.startswith(f"{audit.DEVICE} ") and ", the row says 0" in difference


@pytest.mark.parametrize("runtime, allowed", [("torch", 1e-6), ("onnxruntime", 1e-4)])
def test_a_deviation_on_a_device_is_allowed_as_far_as_rounding_goes(data, monkeypatch, runtime, allowed):
    study_of(data, ("lstm", "float32"), runtime=runtime)
    place = runtimes.module(runtime)
    forecast = place.forecast
    for share, is_found in ((0.5, False), (2.0, True)):
        monkeypatch.setattr(place, "forecast", lambda opened, values, times, by=share * allowed * data.std: (
            forecast(opened, values, times) + by))  # the largest of these forecasts is about 1 in scaled units
        (difference,) = differences()
        assert (audit.DEVICE in difference) == is_found and ("row says 0" in difference) == is_found


def test_windows_with_gaps_are_among_those_drawn(data):
    data.y = np.nan_to_num(data.y, nan=1.0)
    data.y[560, 1] = np.nan  # in 24 of some 170 windows
    origins = np.concatenate([data.origins(part) for part in audit.PARTS])
    drawn = origins[audit._drawn(data, origins, 48)]
    gappy = [np.isnan(data.y[t - 24 : t]).any() for t in drawn]
    assert len(set(drawn)) == len(drawn) == audit.ORIGINS and drawn.min() >= 48 and sum(gappy) >= audit.ORIGINS // 2
    np.testing.assert_array_equal(drawn, origins[audit._drawn(data, origins, 48)])
    late = origins[audit._drawn(data, origins, 10_000)]  # of a dataset shorter than that
    assert late.tolist() == [origins.max()]


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


def row_of(data, kind="ridge", **wish):
    """The study "tiny" of one file of scikit-learn's: its path."""
    run = results.Run.open("classical", "tiny", dataset="made-up")
    path = run.file(f"{kind}.skops")
    stored.save(path, kind, stored.KINDS[kind].fit(data, **wish), data)
    content = stored.load(path)
    row = {"model": kind, "technique": "classical", "role": "dense"} | stored.columns(path, content)
    measure.add(run, data, row, stored.forecast(content, data))
    run.finish()
    write(results.collect("tiny"))
    return path


@pytest.mark.parametrize("kind", ["ridge", "boosting"])
def test_files_of_scikit_learn_are_forecast_with_again(data, capsys, kind):
    path = row_of(data, kind)
    assert audit.main(["tiny", "--mutations", "0"]) == 0
    assert "1 rows with a file, 0 differ" in capsys.readouterr().out
    assert audit.audit("tiny").checked.tolist() == [1 + ERRORS + BANDS + 12 + 1]  # of the card with holidays; a device
    sound = rows()
    write(sound.assign(test_wape=sound.test_wape * 1.001))
    assert "test_wape" in audit.audit("tiny").difference[0]
    path.write_bytes(path.read_bytes()[:-9])
    assert "ModelFileError" in audit.audit("tiny").difference[0]


@pytest.mark.filterwarnings("ignore:.*may err more than measured")
@pytest.mark.parametrize("kind", ["ridge", "boosting"])
def test_a_file_of_scikit_learn_that_asks_for_too_few_rows_is_found(data, monkeypatch, kind):
    row_of(data, kind)
    assert differences() == [""]
    lags = type(runtimes.module("sklearn").open(next(paths.study_dir("tiny").rglob("*.skops"))).card)
    monkeypatch.setattr(lags, "history", property(lambda card: card.L))
    (difference,) = differences()
    assert difference.startswith(f"{audit.DEVICE} ") and ", the row says 0" in difference


def test_a_file_that_reads_the_weather_is_asked_for_no_forecast_on_a_device(data):
    sky = np.linspace(-1, 1, len(data.x))[:, None].astype(np.float32)
    under = replace(data, observed=sky, observed_names=["sky"])
    audit._dataset.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "_dataset", lambda *_: under)
        row_of(under, "boosting", weather="weather")
        assert differences() == [""]
        (line,) = audit._group("tiny", rows().assign(again=True).to_dict("records"))
        assert line["checked"] == 1 + ERRORS + BANDS + 12
