"""Forecasts of a large dataset are judged on some of its series, each as the one that it is."""

from dataclasses import replace

import numpy as np
import pytest

from litecast import data, modelfile, models, results, runtimes, training
from litecast.compress import storages
from litecast.data import windows
from litecast.experiment import look, measure
from litecast.models.classical import boosting, ridge, stored
from litecast.models.classical.naive import naive, seasonal_naive
from litecast.training import errors


@pytest.fixture
def whole(monkeypatch):
    made = windows.prepare(data.load("sample-traffic"))
    monkeypatch.setattr(windows, "JUDGED", 2)
    return made


@pytest.fixture(scope="module")
def model():
    return models.build("profile_mlp", 4, windows.prepare(data.load("sample-traffic")), 0)


def of_all(whole, forecast, parts=measure.PARTS):
    """{part: (N, H, 2)} of the drawn series, taken from what is forecast of all."""
    return {part: forecast(whole, whole.origins(part))[..., whole.sample] for part in parts}


def same(found, wanted, tolerance=1e-5):
    for part in wanted:
        np.testing.assert_allclose(found[part], wanted[part], atol=tolerance)


def test_drawn_series_keep_name_scaler_and_number(whole):
    judged = whole.judged
    assert judged is whole.judged and judged.judged is judged  # errors keep what they know of it
    assert judged.C == 2 < whole.C and judged.names == [whole.names[n] for n in whole.sample]
    assert judged.numbers.tolist() == whole.sample.tolist()
    assert judged.part([1]).numbers.tolist() == [whole.sample[1]]
    assert windows.only(judged, [1]).numbers is None  # a dataset of its own
    origins = whole.origins("val")
    np.testing.assert_array_equal(judged.truth(origins), whole.truth(origins)[..., whole.sample])


def test_few_series_are_of_all_sizes_and_kinds(whole):
    """Of series of two kinds, with means of 1 … 1,000, a tenth has nearly their mean and as many of each kind."""
    size, still = np.geomspace(1, 1000, 500), np.arange(500) % 2
    many = replace(whole, y=np.zeros((3, 500)), mean=size, std=size * (1 + still))
    few = many.spread(50)
    assert len(set(few)) == 50 and (np.diff(few) > 0).all()
    assert size[few].mean() == pytest.approx(size.mean(), rel=0.1)
    assert still[few].mean() == pytest.approx(0.5, abs=0.05)
    assert many.spread(500).tolist() == list(range(500)) == many.spread(999).tolist()


def test_in_a_market_all_series_are_judged(monkeypatch):
    monkeypatch.setattr(windows, "JUDGED", 2)
    made = windows.prepare(data.load("sample-stocks"))
    assert made.judged is made and made.C > 2


def test_a_network_knows_who_it_is_asked_about(whole, model):
    assert {"series"} < model.reads
    asked = {part: training.predict(model, whole.judged, whole.origins(part)) for part in measure.PARTS}
    same(asked, of_all(whole, lambda *asked: training.predict(model, *asked)))


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_files_of_networks_do_too(whole, model, name, tmp_path):
    runtime, path = runtimes.module(name), tmp_path / "file"
    path.write_bytes(runtime.export(model, modelfile.Card.of(whole)))
    opened = runtime.open(path)
    same(measure.forecasts(runtime, opened, whole), of_all(whole, lambda *asked: runtime.predict(opened, *asked)))


@pytest.mark.parametrize("kind", ["ridge", "boosting"])
def test_files_of_classical_forecasters_do_too(whole, kind, tmp_path, monkeypatch):
    monkeypatch.setitem(boosting.SIZES, "", boosting.Size(2000, 500, {"max_iter": 5}))
    runtime, path = runtimes.module("sklearn"), tmp_path / "file.skops"
    stored.save(path, kind, {"ridge": ridge, "boosting": boosting}[kind].fit(whole), whole)
    opened = runtime.open(path)
    wanted = of_all(whole, lambda *asked: runtime.predict(opened, *asked), ["val"])
    same(measure.forecasts(runtime, opened, whole, wanted), wanted)
    same(stored.forecast(stored.load(path), whole, wanted), wanted, 1e-4)


def test_a_row_is_of_the_drawn_series(whole, model, tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    run = results.Run.open("compact", "made", dataset=whole.header.name, model="profile_mlp", seed=0)
    row = {"model": "profile_mlp", "technique": "dense", "variant": "float32", "role": "dense"}
    made = measure.store(run, whole, model, storages.export(model, "float32"), row)
    wape = errors.wape(whole.judged, whole.origins("test"), made.yhat["test"])
    assert made.yhat["test"].shape[2] == 2 and made.row["test_wape"] == pytest.approx(wape)
    [file] = run.dir.glob("*.safetensors")
    assert modelfile.load(file).card.series == whole.names  # the file knows all
    assert set(results.bands("made", [made.row["row_id"]]).series.astype(str)) <= {"", *whole.judged.names}
    seen = look.Look(whole)(made.model)
    assert seen.val_wape == pytest.approx(made.row["val_wape"], rel=1e-5)
    measure.reopen(run, whole, made.row["row_id"])


def test_free_forecasts_of_drawn_series_are_those_of_all(whole):
    for forecast in (naive, seasonal_naive):
        wanted = {part: forecast(whole, part)[..., whole.sample] for part in measure.PARTS}
        same({part: forecast(whole.judged, part) for part in measure.PARTS}, wanted, 0)
