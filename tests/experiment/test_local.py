"""What is fitted series by series: rows of all series, or lines of those that are drawn of a panel."""

import numpy as np
import pytest

from litecast import data, results
from litecast.data import panel, windows
from litecast.experiment.local import Local
from litecast.models.classical.naive import naive, seasonal_naive
from litecast.training import errors


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    whole = windows.prepare(data.load("sample-stocks"))
    return results.Run.open("classical", "made", dataset=whole.header.name), whole


def both(data):
    return {part: naive(data, part) for part in ("val", "test")}


def test_every_series_is_a_row(made):
    run, whole = made
    each = Local(run, whole)
    assert each.data is whole and list(each.add("arima", both(whole), 1.0, 7)) == ["arima"]
    assert run.rows[0]["model"] == "arima" and run.rows[0]["params"] == 7 and run.rows[0]["role"] == "dense"
    assert each.finish({"naive": both(whole)}).empty and not (run.dir / "local.csv").exists()
    run.finish()
    assert results.local("made").empty


def test_drawn_series_are_lines_beside_others_on_the_same(made, monkeypatch):
    run, whole = made
    monkeypatch.setattr(panel, "MANY", 3)
    monkeypatch.setattr(panel, "FEW", 2)
    each = Local(run, whole)
    assert each.data.C == 2 and each.add("arima", both(each.data), 1.5) == {} and not run.rows
    other = {part: seasonal_naive(whole, part) for part in ("val", "test")}
    table = each.finish({"seasonal_naive": other}).set_index("model")
    assert list(table.index) == ["arima", "seasonal_naive"]
    assert (table.of == whole.C).all() and (table.series == 2).all()
    drawn = panel.stand_in(whole)
    wape = errors.wape(drawn, drawn.origins("test"), seasonal_naive(drawn, "test"))
    assert table.test_wape["seasonal_naive"] == pytest.approx(wape) and np.isnan(table.train_s["seasonal_naive"])
    run.finish()
    lines = results.local("made")
    assert list(lines.model) == ["arima", "seasonal_naive"] and lines.run[0].startswith("runs/200_classical/")
