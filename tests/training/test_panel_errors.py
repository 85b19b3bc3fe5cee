"""Errors, losses and bands of a panel are those of all its series, whatever blocks they are looked at in."""

import numpy as np
import pytest

from litecast import data
from litecast.data import panel, windows
from litecast.models.classical import croston
from litecast.models.classical.naive import naive, seasonal_naive
from litecast.results import conformal
from litecast.training import errors


@pytest.fixture(params=["sample-traffic", "sample-stocks", "sample-warehouse"], scope="module")
def whole(request):
    return windows.prepare(data.load(request.param))


@pytest.fixture
def in_blocks(monkeypatch):
    """From here on, a series or two at a time."""

    def begin(whole):
        errors._HELD.clear()
        monkeypatch.setattr(panel, "WHOLE", 0)
        monkeypatch.setattr(panel, "BLOCK", 2 * len(whole.origins("test")) * whole.H)

    yield begin
    errors._HELD.clear()


def told(whole):
    yhat, dense = ({part: f(whole, part) for part in ("val", "test")} for f in (seasonal_naive, naive))
    bands = conformal.radii(conformal.distances(whole, "val", yhat["val"]), whole.names)
    return errors.errors(whole, "test", yhat["test"], dense["test"]) | conformal.measured(whole, bands, yhat["test"])


def test_errors_and_bands_do_not_depend_on_blocks(whole, in_blocks):
    once = told(whole)
    in_blocks(whole)
    assert told(whole) == pytest.approx(once, rel=1e-9, nan_ok=True)


def test_what_is_held_is_of_the_data_that_is_asked_for(whole):
    few = whole.part(np.arange(2))
    for asked in (whole, few, whole):
        found = errors.errors(asked, "test", seasonal_naive(asked, "test"))
        assert found["test_skill"] == pytest.approx(0, abs=1e-12)


def test_losses_of_a_panel_are_sums_at_each_origin(whole, in_blocks, monkeypatch):
    yhat = seasonal_naive(whole, "test")
    each = errors.losses(whole, "test", yhat)
    monkeypatch.setattr(panel, "MANY", 2)
    in_blocks(whole)
    every = errors.losses(whole, "test", yhat)
    assert set(every.series) == {""} and len(every) == len(whole.origins("test"))
    columns = list(errors.LOSSES)
    sums = each.groupby("origin", sort=False)[columns].sum()
    np.testing.assert_allclose(every.set_index("origin")[columns], sums, rtol=1e-5)


def test_forecasts_of_a_panel_are_kept_of_the_drawn(whole, monkeypatch):
    kept = errors.forecasts(whole, "test", naive(whole, "test"))
    monkeypatch.setattr(panel, "MANY", 2)
    monkeypatch.setattr(panel, "FEW", 2)
    few, names = errors.forecasts(whole, "test", naive(whole, "test")), [whole.names[n] for n in panel.few(whole)]
    assert list(few.series.unique()) == names
    same = kept[kept.series.isin(names)].reset_index(drop=True)
    np.testing.assert_array_equal(few[["y", "yhat"]], same[["y", "yhat"]])


def test_croston_of_blocks_is_croston_of_all(in_blocks):
    whole = windows.prepare(data.load("sample-warehouse"))
    once, chosen = croston.forecast(whole)
    in_blocks(whole)
    again, same = croston.forecast(whole)
    assert chosen == same
    np.testing.assert_array_equal(once["sba"]["test"], again["sba"]["test"])
