"""The bench of growth: what it generates, its stages on a few series, and its exponents."""

import runpy

import numpy as np
import pandas as pd
import pytest

from litecast import paths
from litecast.data import files


@pytest.fixture(scope="module")
def scale():
    return runpy.run_path(str(paths.ROOT / "bench" / "scale.py"), run_name="scale")


def test_exponents_are_slopes_of_logarithms(scale):
    sizes = (10, 100, 1000, 10000)
    assert scale["exponent"](sizes, [7, *(3 * n**0.5 for n in sizes[1:])]) == "0.50"  # ten series are all overhead
    assert scale["exponent"](sizes, [1, 5, 5, 5]) == "0.00"
    assert scale["exponent"](sizes[:2], [1, 2]) == "–"


def test_csv_and_parquet_hold_the_same_series(scale, tmp_path):
    scale["write"](tmp_path / "s120", 120)
    one, other = (files.read(tmp_path / f"s120.{ending}") for ending in ("csv", "parquet"))
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.wide().shape == (730, 120) and "W001/D19" in set(one.table.series)
    assert one.wide().isna().any().mean() == pytest.approx(0.1, abs=0.08)  # late starters


def test_stages_run_on_a_few_series(scale, tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    scale["write"](tmp_path / "s5", 5)
    stages = {name: begin for name, begin in scale["STAGES"].items() if not name.startswith("train")}
    left = {name: begin(tmp_path / "s5")() for name, begin in stages.items()}
    assert left["model file, int8"] < left["model file, float32"] < left["keep the checked frame"]
    assert np.sign([*left.values()]).sum() == 4  # file of the frame, two of the network, losses
