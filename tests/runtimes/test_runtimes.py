"""Runtimes are found by their file, and each forecasts from raw values with its file's own card."""

from dataclasses import replace

import numpy as np
import pytest
from small_nets import card, dataset, network, values

from litecast import modelfile, paths, runtimes, training
from litecast.data.frame import from_wide
from litecast.data.windows import prepare
from litecast.errors import ModelFileError, StudyError
from litecast.models.classical import boosting, ridge, stored
from litecast.runtimes import Executed, inputs


def test_found_by_their_file(tmp_path, monkeypatch):
    lock = ["onnxruntime", "sklearn", "torch"]
    assert [name for name in runtimes.names() if not runtimes.optional(name)] == lock
    assert set(lock) <= set(runtimes.available()), "every one is installed with the suite"
    for name in runtimes.available():
        module = runtimes.module(name)
        assert module.SUFFIX.startswith(".") and 0 < module.TOLERANCE < 1e-3
        assert all(callable(getattr(module, word)) for word in ("open", "predict", "forecast", "executed"))
    for word in ("export", "call"):  # of networks only
        assert [name for name in lock if hasattr(runtimes.module(name), word)] == ["onnxruntime", "torch"]
    (tmp_path / "runtimes").mkdir()
    (tmp_path / "runtimes" / "x.py").write_text('FORMAT = "x"\nSUFFIX = ".x"\nTOLERANCE = 1e-4\n')
    (tmp_path / "runtimes" / "helper.py").write_text("RUNS = 200\n")
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    assert runtimes.names() == ["x"]


def test_an_unknown_runtime_is_refused_with_the_nearest():
    with pytest.raises(StudyError, match="runtime 'onnx_runtime' is unknown; did you mean 'onnxruntime'"):
        runtimes.module("onnx_runtime")


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("family", ["lstm", "nlinear", "tcn", "nlinear@own", "profile_mlp"])
def test_torch_forecasts_as_the_network_does(family, transform, tmp_path):
    data = dataset(transform)
    model, place = network(family, data), runtimes.module("torch")
    (tmp_path / "m").write_bytes(place.export(model, card(data)))
    opened = place.open(tmp_path / "m")
    for part in ("val", "test"):
        origins = data.origins(part)
        expected, found = training.predict(model, data, origins), place.predict(opened, data, origins)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=place.TOLERANCE * np.abs(expected).max())
    assert place.executed(opened) == Executed("float32", 1.0, 1.0)


def test_torch_believes_the_card_of_the_file_not_the_dataset(tmp_path):
    """A file whose scaler is wrong forecasts wrong, and its rows say so."""
    data = dataset()
    place, about = runtimes.module("torch"), card(data)
    model, origins = network("nlinear", data), data.origins("val")
    about.std = [1000 * value for value in about.std]  # every window is flat beside it
    (tmp_path / "m").write_bytes(place.export(model, about))
    found = place.predict(place.open(tmp_path / "m"), data, origins)
    assert np.abs(found - training.predict(model, data, origins)).max() > 0.01
    about.series[0] = "other"
    (tmp_path / "m").write_bytes(place.export(model, about))
    with pytest.raises(ModelFileError, match="not for this data"):
        place.predict(place.open(tmp_path / "m"), data, origins)


def test_a_dataset_is_seen_through_the_card():
    """Raw values, gaps and all: scaled, filled and dated by the card, whatever the dataset made of them."""
    data, about = dataset(), card(dataset())
    about.series, about.mean, about.std = ["c", "x", "a", "b"], [3.0, 0, 1, 2], [30.0, 9, 10, 20]
    about.transform, about.season, about.holidays = "log", 7, [2024, 2024, 4]
    own = inputs.seen(about, data)
    assert (own.mean.tolist(), own.std.tolist()) == ([1, 2, 3], [10, 20, 30])
    raw = values().to_numpy()
    filled = raw.copy()
    filled[100:105, 1] = raw[93:98, 1]  # seven steps, one season, before
    filled[-40:-37, 1] = raw[-47:-44, 1]
    np.testing.assert_allclose(own.x, (np.log(filled) - own.mean) / own.std, rtol=1e-5, atol=1e-7)
    assert own.x.dtype == np.float32 and data.header.transform == "none"
    assert np.flatnonzero(own.z[:, -1]).tolist() == [*range(96, 120)]  # 5 January
    np.testing.assert_array_equal(own.z[:, :-1], data.z[:, :-1])
    assert np.unique(own.cells[96:120] // 168).tolist() == [4]  # a holiday, the fourth kind of special days
    assert np.array_equal(own.cells[120:288] // 168, np.zeros(168))
    about.country = None
    assert inputs.seen(about, data).F == data.F - 1  # no such column
    assert inputs.seen(about, data).cells.max() < 168  # nor such kinds


@pytest.mark.parametrize("transform", ["none", "log"])
def test_a_dataset_is_seen_by_its_own_card_as_it_was_prepared(transform):
    """Also where a gap is longer than the look-back, and what is left of it counts as the mean."""
    table = values(T=800)
    table.iloc[200:250, 1] = np.nan
    data = prepare(from_wide(replace(dataset().header, transform=transform), table))
    own = inputs.seen(modelfile.Card.of(data), data)
    np.testing.assert_allclose(own.x, data.x, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(own.z, data.z)
    np.testing.assert_array_equal(own.cells, data.cells)
    assert np.flatnonzero(data.x[:, 1] == 0).tolist() == [248, 249] and data.filled["b"] == 48 + 8


@pytest.mark.parametrize("changes", [
    {"season": 7}, {"holidays": [2024, 2024, 16]}, {"transform": "log", "mean": [2.0, 6, 10], "std": [1.0, 1, 1]},
    {"std": [9.0, 400, 2e4]}, {"series": ["b", "a", "c"]},
])  # fmt: skip
@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
@pytest.mark.parametrize("family", ["lstm", "nlinear@own"])
def test_another_card_gives_other_forecasts(family, name, changes, tmp_path):
    """16 January lies in the test part, and a gap of three steps."""
    data, place = dataset(), runtimes.module(name)
    model, made = network(family, data), []
    for about in (card(data), replace(card(data), **changes)):
        (tmp_path / "m").write_bytes(place.export(model, about))
        made.append(place.predict(place.open(tmp_path / "m"), data, data.origins("test")))
    assert np.abs(made[0] - made[1]).max() > 1e-3


def test_what_torch_holds_in_int8_it_runs_in_float32(tmp_path):
    from litecast.compress import storages

    data, place = dataset(), runtimes.module("torch")
    model = network("nlinear", data)
    export = storages.export(model, "int8")
    modelfile.save(tmp_path / "m", model, export.codecs, card(data), export.held)
    opened = place.open(tmp_path / "m")
    assert place.executed(opened, "int8") == Executed("float32", pytest.approx(288 / 294), 0.0)
    assert place.executed(opened).coverage_macs == 1


@pytest.mark.parametrize("family", ["lstm", "patchtst", "lstm@own"])
@pytest.mark.parametrize("transform", ["none", "log"])
def test_all_runtimes_time_the_same_raw_forecast(family, transform, tmp_path):
    data = dataset(transform)
    model = network(family, data)
    made = {}
    for name in ("torch", "onnxruntime"):
        place = runtimes.module(name)
        (tmp_path / name).write_bytes(place.export(model, card(data)))
        made[name] = place.call(place.open(tmp_path / name))()
    low, high = np.nanmin(data.raw(data.x)), np.nanmax(data.raw(data.x))
    for each in made.values():
        assert each.shape == (1, 6, 1) and (each > low - high).all() and (each < 3 * high).all()
        assert abs(np.log(abs(each).mean() / data.raw(np.zeros(3))[0])) < 1, "the first series, in its own unit"


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize(("kind", "module"), [("ridge", ridge), ("boosting", boosting)])
def test_files_of_scikit_learn_forecast_raw_values_as_they_did(kind, module, transform, tmp_path, few_bins):
    data, place = dataset(transform), runtimes.module("sklearn")
    stored.save(tmp_path / "m.skops", kind, module.fit(data), data)
    opened = place.open(tmp_path / "m.skops")
    expected = stored.forecast(stored.load(tmp_path / "m.skops"), data)
    for part in ("val", "test"):
        found = place.predict(opened, data, data.origins(part))
        np.testing.assert_allclose(found, expected[part], rtol=0, atol=1e-6)
    assert opened.card.series == data.names and opened.card.H == 6
    executed = place.executed(opened)
    assert executed.precision == "" and np.isnan(executed.coverage_macs) and np.isnan(executed.coverage_weights)
    data.names = ["a", "b", "d"]
    with pytest.raises(ModelFileError, match="not for this data"):
        place.predict(opened, data, data.origins("val"))
    (tmp_path / "m.skops").write_bytes(b"PK")
    with pytest.raises(ModelFileError, match="m.skops"):
        place.open(tmp_path / "m.skops")
