"""Names of series, datasets and units are somebody's own text: drawn as they are, whatever signs they hold."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.figures import data as pictures
from litecast.figures import forecasts, style

NAMES = [  # no formula, and a broken one; hidden from legends; lines; long; what else markup, formats and HTML read
    r"US$_net$ x^2_{i \frac{1 $$", "_hidden", "two\nlines\tbed", "가" * 75, "<b>*100%* {a|b}</b> %s [남→북] `&; #1"]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def draw(figure) -> str:
    """The SVG text of a figure; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return style.svg(figure)


def wide(names, T=300):  # noqa: N803
    values = np.random.default_rng(0).gamma(4, 10, (T, len(names)))
    values[50:60, 0] = np.nan
    return pd.DataFrame(values, pd.date_range("2024-01-01", periods=T, freq="D"), list(names))


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_of_data_draws_any_name(name):
    table = wide([name, "plain"])
    unit, changes = name[:30], np.log(table).diff().iloc[1:]
    for figure in (pictures.coverage(table, [(name, "too many gaps")]), pictures.filled(table, 7, unit),
                   pictures.profiles(table, "D", "KR", unit), pictures.distribution(table, unit, log=True),
                   pictures.levels(table, unit), pictures.volatility(changes, title=unit)):  # fmt: skip
        draw(figure)
        shown = style.own(name)
        assert any(text.startswith(shown) or shown in text for text in texts(figure)), texts(figure)


@pytest.mark.parametrize("name", NAMES)
def test_forecasts_splits_and_errors_draw_any_name(name):
    data = prepare(from_wide(Header(name, name[:30], "D", 7, 14, 7), wide([name, "plain"])))
    errors = pd.DataFrame({"name": "dense", "error": 1.0, "series": [name, "plain"]})
    yhat = {"lstm": np.zeros((len(data.origins("test")), data.H, 2), np.float32)}
    spans = pd.DataFrame({"dataset": [name], "part": "test", "start": 0.0, "end": 1.0})
    for figure in (pictures.splits(data), pictures.split_spans(spans), forecasts.forecast_lines(data, yhat),
                   forecasts.error_profile(errors, name[:30], ("series",))):  # fmt: skip
        draw(figure)


def test_a_dollar_is_drawn_as_a_dollar():
    figure, (ax,) = style.blank(1.0)
    text = ax.set_title("$x_1$ and 5 $")
    assert not text.get_parse_math() and text.get_text() == "$x_1$ and 5 $"


def test_a_name_in_a_legend_is_not_hidden_by_its_underscore():
    figure = pictures.volatility(np.log(wide(["_hidden", "plain"])).diff().iloc[1:])
    assert sorted(text.get_text().strip() for text in figure.legends[0].get_texts()) == ["_hidden", "plain"]


@pytest.mark.parametrize(("name", "shown"), [
    ("a", "a"), ("two\nlines", "two lines"), ("_x", " _x"), ("x" * 40, "x" * 40), ("x" * 41, "x" * 39 + "…"), (7, "7")])
def test_a_name_is_one_line_and_not_too_long(name, shown):
    assert style.own(name) == shown


def test_a_series_that_was_never_sold_is_left_out_of_a_logarithmic_picture():
    table = wide(["sold", "never"]).assign(never=0.0)
    figure = pictures.distribution(table, "items", log=True)
    draw(figure)
    assert "sold" in texts(figure) and "never" not in texts(figure)
    draw(pictures.distribution(table[["never"]], "items", log=True))
    assert "never" in texts(pictures.distribution(table, "items"))
