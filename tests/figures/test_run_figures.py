"""Pictures of one run show the numbers they were given."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.figures import forecasts, fronts, networks, style, sweeps
from litecast.models.classical.naive import naive, seasonal_naive


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (400, 3)).cumsum(0)
    values[360:363, 0] = np.nan
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b", "c"])))


@pytest.fixture(scope="module")
def yhat(data):
    return {"naive": naive(data, "test"), "seasonal_naive": seasonal_naive(data, "test")}


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_forecasts_stand_over_the_steps_they_are_for(data, yhat):
    figure = forecasts.forecast_lines(data, yhat)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b"]
    origins = data.origins("test")
    first = len(origins) // 2
    shown = range(first, len(origins), 6)[:4]
    steps = np.concatenate([origins[n] + np.arange(6) for n in shown])
    for c, ax in enumerate(figure.axes):
        found = lines(ax)
        assert list(found) == ["observed", "naive", "seasonal naive"] and ax.get_ylabel() == "items"
        for line in found.values():
            np.testing.assert_array_equal(line.get_xdata(), data.times[steps])
        np.testing.assert_allclose(found["observed"].get_ydata(), data.y[steps, c])
        expected = np.concatenate([data.unscale(yhat["naive"][n])[:, c] for n in shown])
        np.testing.assert_allclose(found["naive"].get_ydata(), expected)


def test_forecasts_are_laid_end_to_end_within_a_stretch(data, yhat, monkeypatch):
    origins = data.origins("test")
    for upto, beyond in ((40, 60), (20, 40)):  # a jump after the middle of the part, and before it
        kept = np.r_[0:upto, beyond : len(origins)]
        monkeypatch.setattr(type(data), "origins", lambda self, part, kept=kept: origins[kept])
        seen = forecasts.forecast_lines(data, {"naive": yhat["naive"][kept]}).axes[0].get_lines()[0].get_xdata()
        assert set(np.diff(seen).astype("timedelta64[h]").astype(int)) == {1} and len(seen) > data.H


def test_a_single_series_has_one_panel_and_log_units_are_named(data, yhat):
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    header = Header("made-up", "KRW", "h", 24, 24, 6, transform="log")
    values = np.exp(np.random.default_rng(0).normal(2, 0.1, (300, 1)))
    one = prepare(from_wide(header, pd.DataFrame(values, times, ["a"])))
    figure = forecasts.forecast_lines(one, {"lstm": naive(one, "val")}, part="val")
    assert len(figure.axes) == 1 and figure.axes[0].get_ylabel() == "log KRW"


def test_errors_along_the_horizon_are_means_over_windows_and_series(data, yhat):
    figure = forecasts.horizon_errors(data, yhat)
    gap = np.abs(data.unscale(yhat["naive"]) - data.targets(data.origins("test")))
    line = lines(figure.axes[0])["naive"]
    np.testing.assert_array_equal(line.get_xdata(), range(1, 7))
    np.testing.assert_allclose(line.get_ydata(), np.nanmean(gap, (0, 2)))


def test_the_sweep_rings_the_chosen_width():
    rows = [{"level": w, "variant": v, "bytes": 100 * w * b, "val_wape": 0.1 + 1 / w}
            for w in (8, 4, 16) for v, b in (("float16", 4), ("int8", 1))]  # fmt: skip
    ax = sweeps.width_sweep(rows, 8).axes[0]
    found = lines(ax)
    np.testing.assert_allclose(found["float16"].get_xdata(), [1.6, 3.2, 6.4])
    np.testing.assert_allclose(found["int8"].get_ydata(), [0.35, 0.225, 0.1625])
    assert sorted(text.get_text() for text in ax.texts) == ["16", "4", "8"]
    ring = next(line for line in ax.get_lines() if line.get_fillstyle() == "none")
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([3.2], [0.225])


def test_factors_stand_beside_their_formula():
    found = pd.DataFrame({"formula": [8.0, np.nan], "factor": [7.5, 0.8]}, index=["weights", "ms, batch 1"])
    ax = networks.factors(found).axes[0]
    assert [bar.get_width() for bar in ax.patches] == [7.5, 0.8]
    assert [text.get_text() for text in ax.texts] == ["7.50", "0.80"]
    assert [8.0, 8.0] in [list(line.get_xdata()) for line in ax.get_lines()] and ax.get_xlim()[1] > 8
    assert len({to_hex(bar.get_facecolor()) for bar in ax.patches}) == 2, "milliseconds have a colour of their own"


def test_time_is_drawn_by_runtime():
    times = pd.DataFrame({"runtime": ["torch", "onnxruntime", "torch"], "macs": [1000, 1000, 5000],
                          "latency_ms_p50": [0.2, 0.05, 0.3]})  # fmt: skip
    ax = fronts.time_against_macs(times).axes[0]
    points = {dots.get_label(): dots.get_offsets().tolist() for dots in ax.collections}
    assert points == {"onnxruntime": [[1, 0.05]], "torch": [[1, 0.2], [5, 0.3]]}
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert len({to_hex(dots.get_facecolor()[0]) for dots in ax.collections}) == 2


def test_every_figure_can_be_drawn_in_the_house_style(data, yhat, tmp_path):
    figure = forecasts.forecast_lines(data, yhat)
    figure.savefig(tmp_path / "f.svg")
    assert figure.get_figwidth() == style.WIDTH and (tmp_path / "f.svg").stat().st_size > 1000


def test_hourly_errors_of_a_country_are_also_shown_by_hour_and_on_holidays():
    times = pd.date_range("2024-01-16", periods=24 * 30, freq="h")  # the test part holds Seollal, 9-12 February
    values = 50 + np.random.default_rng(0).normal(0, 2, (len(times), 2)).cumsum(0)
    values[650, 0] = np.nan
    held = prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6, country="KR"),
                             pd.DataFrame(values, times, ["a", "b"])))
    yhat = naive(held, "test")
    steps, hours, days = forecasts.horizon_errors(held, {"naive": yhat}).axes
    gap = np.abs(held.unscale(yhat) - held.targets(held.origins("test")))
    np.testing.assert_allclose(lines(steps)["naive"].get_ydata(), np.nanmean(gap, (0, 2)))
    hour = np.asarray(held.times.hour)[held.origins("test")[:, None] + np.arange(6)]
    assert lines(hours)["naive"].get_ydata()[5] == pytest.approx(np.nanmean(gap[hour == 5]))
    assert [t.get_text() for t in days.get_xticklabels()] == ["holidays", "other days"]


def test_moments_know_the_holidays_of_a_country():
    times = pd.DatetimeIndex(["2024-03-01 05:00", "2024-03-02 06:00"])  # the first is one in Korea
    found = forecasts.moments(times, "KR")
    assert list(found["hour"]) == [5, 6] and list(found["day"]) == ["holidays", "other days"]
    assert set(forecasts.moments(times, None)["day"]) == {"other days"}
