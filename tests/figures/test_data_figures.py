"""Data pictures are drawn for every frequency, without a warning, and show the numbers that they claim to."""

import warnings

import numpy as np
import pandas as pd
import pytest

from litecast.data import sample
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.figures import data as pictures


def draw(figure) -> None:
    """Render; a missing glyph or an empty mean is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.canvas.draw()


@pytest.fixture(autouse=True)
def style():
    from litecast.figures import style

    style.use()


def wide_of(frequency: str, C: int = 3, T: int = 200) -> pd.DataFrame:  # noqa: N803
    steps = {"W": "7D", "trading-day": "B"}.get(frequency, frequency)
    times = np.arange(T) if frequency == "step" else pd.date_range("2024-01-01", periods=T, freq=steps)
    values = np.random.default_rng(0).gamma(4, 10, (T, C))
    values[50:60, 0] = np.nan
    return pd.DataFrame(values, index=times, columns=[f"역 {c}" for c in range(C)])


@pytest.mark.parametrize("frequency", ["15min", "h", "D", "W", "MS", "trading-day", "step"])
def test_every_frequency_can_be_drawn(frequency):
    wide = wide_of(frequency)
    country = None if frequency == "step" else "KR"
    for figure in (
        pictures.coverage(wide, [("역 0", "too many gaps")]), pictures.filled(wide, 7, "items"),
        pictures.profiles(wide, frequency, country, "items"), pictures.weeks(wide, frequency, country),
        pictures.holidays(wide, country), pictures.distribution(wide, "items", log=True),
        pictures.autocorrelation(wide, 30, 7), pictures.levels(wide, "items"),
        pictures.volatility(np.log(wide).diff().iloc[1:])):  # fmt: skip
        draw(figure)


@pytest.mark.parametrize("C, lines", [(3, 4), (pictures.MOST_LINES + 1, 1)])
def test_many_series_are_a_band_instead_of_lines(C, lines):  # noqa: N803
    figure = pictures.autocorrelation(wide_of("D", C), 30)
    draw(figure)
    assert len(figure.axes[0].lines) == lines
    assert ("middle 80 %" in [text.get_text() for text in figure.legends[0].get_texts()]) == (lines == 1)


@pytest.mark.parametrize("name", sample.DATASETS)
def test_splits_name_the_windows_of_each_part(name):
    data = prepare(sample.load(name))
    figure = pictures.splits(data)
    draw(figure)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [int(text.split(": ")[1].removesuffix(" windows").replace(",", "")) for text in said] == [
        len(data.origins(part)) for part in ("train", "val", "test")]  # fmt: skip


def test_coverage_shows_the_worst_and_marks_the_dropped():
    wide = wide_of("h", C=60)
    figure = pictures.coverage(wide, [("역 0", "")], most=10)
    left, right = figure.axes[:2]
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert len(labels) == 10 and labels[0] == "역 0 *"
    assert right.patches[0].get_width() == pytest.approx(0.05)
    assert left.images[0].get_array()[0].sum() == pytest.approx(10 * 180 / 200, rel=0.15)


def test_holidays_are_compared_with_their_own_weekday():
    times = pd.date_range("2024-01-08", "2024-03-31", freq="D")
    level = np.where(times.day_of_week >= 5, 50.0, 100.0)
    level[times == "2024-03-01"] = 40.0  # a Friday
    levels = pictures.holiday_levels(pd.DataFrame({"a": level}, index=times), "KR")
    assert levels[pd.Timestamp("2024-03-01")] == pytest.approx(0.4)
    assert levels[pd.Timestamp("2024-02-10")] == pytest.approx(1.0)  # Seollal on a Saturday
    assert len(levels) == 5 and pictures.holiday_levels(pd.DataFrame({"a": level}, index=times), None).empty


def test_series_are_picked_from_large_to_small():
    wide = pd.DataFrame({f"s{c}": [float(c)] for c in range(9)})
    assert pictures.pick(wide, 3) == ["s8", "s4", "s0"]
    assert pictures.pick(wide, 99) == [f"s{c}" for c in range(8, -1, -1)]


def test_beside_shows_demand_that_falls_with_rain():
    """Demand is twice the usual in dry hours and the usual in wet ones; the picture's lines say so."""
    times = pd.date_range("2024-01-01", periods=24 * 70, freq="h")
    rain = pd.DataFrame({"a": (np.arange(len(times)) // 24) % 10 / 1.0}, index=times)
    wide = pd.DataFrame({"a": 100.0 - 5 * rain["a"]}, index=times)
    header = Header("rainy", "bikes/h", "h", 168, 168, 24)
    figure = pictures.beside(from_wide(header, wide, {"rain": rain}))
    line = figure.axes[0].lines[0].get_ydata()
    assert len(line) == 10 and (np.diff(line) < 0).all()
    assert line[0] / line[-1] == pytest.approx(100 / 55, rel=0.01)


def test_beside_says_when_nothing_was_observed():
    figure = pictures.beside(sample.load("sample-traffic"))
    assert "nothing was observed" in figure.axes[0].texts[0].get_text()


def test_a_closed_day_is_a_zero_and_a_lane_without_a_usual_level_is_left_out():
    times = pd.date_range("2024-01-01", periods=400, freq="D")
    closed = pictures.calendar.holidays(times, "KR") | (times.day_of_week == 6)
    wide = pd.DataFrame({"busy": np.where(closed, 0.0, 10.0), "rare": (np.arange(400) % 5 == 0) * 3.0}, index=times)
    levels = pictures.holiday_levels(wide, "KR")
    assert np.isfinite(levels).all() and (levels[levels.index.day_of_week < 6] == 0).all() and len(levels) > 10


def test_coverage_of_a_whole_table_says_so():
    wide = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=pd.date_range("2024-01-01", periods=2, freq="D"))
    assert pictures.coverage(wide).axes[0].texts[0].get_text() == "nothing is missing: 2 series of 2 steps"
