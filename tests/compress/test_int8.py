"""int8 by ONNX Runtime: what is claimed is what runs, and calibration sees the train part only."""

from dataclasses import replace

import numpy as np
import onnx
import pandas as pd
import pytest

from litecast import models, training
from litecast.compress import Task, int8
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.runtimes import onnxruntime
from litecast.training import cost, errors

REAL = {"nbeats": "int8", "resnet1d": "int8", "dlinear": "int8", "patchtst": "int8", "lstm": "int8+float32"}


@pytest.fixture(scope="module")
def data():
    hours = np.arange(500)[:, None]
    values = 50 + 10 * np.sin(2 * np.pi * hours / 24 + np.arange(2)) + np.random.default_rng(0).normal(0, 1, (500, 2))
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def network(data, family):
    model = models.build(family, 8 if family != "dlinear" else 1, data, 0)
    training.fit(model, data, training.Budget(60, 32, 5e-3), 0)
    return model


def written(made, path):
    path.write_bytes(made.files["int8"].content)
    return onnxruntime.open(path)


@pytest.mark.parametrize(("family", "precision"), REAL.items())
def test_the_file_is_close_smaller_and_says_what_it_computes_in(data, family, precision, tmp_path):
    model = network(data, family)
    made = int8.compress(Task(model, data, training.Budget(1), 0, 8, "minmax"))
    opened, origins = written(made, tmp_path / "m.onnx"), data.origins("val")
    plain = training.predict(model, data, origins)
    wape, dense = (errors.errors(data, "val", y)["val_wape"]
                   for y in (onnxruntime.predict(opened, data, origins), plain))
    assert wape < 1.05 * dense
    ran = onnxruntime.executed(opened, "int8")
    assert ran.precision == precision and ran.coverage_macs > (0.99 if precision == "int8" else 0)
    assert made.files["int8"].claims == "int8" and made.files["int8"].runtime == "onnxruntime"
    assert made.model is model and made.masks == {}


def test_what_calibrating_costs_is_counted_and_nothing_is_trained(data):
    model = network(data, "nbeats")
    made = int8.compress(Task(model, data, training.Budget(1), 0, 8, "minmax"))
    windows = min(int8.CALIBRATION, len(data.origins("train")))
    assert made.spent.macs == windows * 2 * cost.profile(model).macs
    assert (made.spent.steps, made.spent.seconds) == (0, 0)


def test_calibration_sees_train_only_and_one_seed_gives_one_file(data):
    model = network(data, "nbeats")

    def content(data, seed=0):
        return int8.compress(Task(model, data, training.Budget(1), seed, 8, "minmax")).files["int8"].content

    later = ~data.parts["train"]
    changed = replace(data, x=np.where(later[:, None], 100 * data.x, data.x).astype(np.float32))
    assert content(data) == content(data) == content(changed)


def test_ranges_are_those_of_the_graph(data, tmp_path):
    made = int8.compress(Task(network(data, "nbeats"), data, training.Budget(1), 0, 8, "minmax"))
    opened = written(made, tmp_path / "m.onnx")
    assert len(made.story) == len(int8.ranges(onnx.load(str(opened.path)))) > 3
    assert (made.story.low <= 0).all() and (made.story.high >= 0).all()
    np.testing.assert_allclose((made.story.high - made.story.low) / 255, made.story.step, rtol=1e-6)
