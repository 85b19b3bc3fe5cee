"""Bands by step ahead: which two files stand for a dataset, and what theirs cover."""

import numpy as np
import pandas as pd
import pytest

from litecast import models, results
from litecast.compress import storages
from litecast.data import frame, windows
from litecast.experiment import horizon, measure
from litecast.results import conformal


@pytest.fixture
def data():
    draw = np.random.default_rng(0)
    values = 100 + 20 * np.sin(2 * np.pi * np.arange(600) / 24)[:, None] + draw.normal(size=(600, 2))
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    return windows.prepare(frame.from_wide(frame.Header("made-up", "items", "h", 24, 24, 6),
                                           pd.DataFrame(values, times, ["a", "b"])))  # fmt: skip


@pytest.fixture
def rows(data):
    run, model = results.Run.open("deep", "tiny", dataset="made-up"), models.build("nlinear", 1, data)
    for technique, storage, role in (("dense", "float32", "dense"), ("width", "int8", "compressed")):
        measure.store(run, data, model, storages.export(model, storage), {
            "model": "nlinear", "seed": 0, "level": 1, "technique": technique, "variant": storage, "role": role})
    run.finish()
    return results.collect("tiny")


def test_its_mean_over_the_steps_is_what_the_row_says(data, rows):
    dense, small = horizon.beside(rows.assign(selected=1), "made-up")
    assert (dense["technique"], small["technique"]) == ("dense", "width") and small["bytes"] < dense["bytes"]
    for row in (dense, small):
        found = horizon.covered("tiny", data, row)
        assert found.index.tolist() == [*range(1, 7)] and (found[0.95] >= found[0.8]).all()
        for level in conformal.LEVELS:  # every step has as many test values
            assert found[level / 100].mean() == pytest.approx(row[f"test_cover_{level}"])


def test_without_a_compressed_file_there_is_nothing_to_set_beside(rows):
    assert horizon.beside(rows[rows.technique == "dense"], "made-up") == []
    assert horizon.beside(rows.assign(selected=1), "another") == []
