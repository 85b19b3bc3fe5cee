"""Pictures of a cut network show the steps, the path and the table that they were given."""

import pandas as pd
import pytest

from litecast.figures import paths


def story(errors, taken):
    lines = {"cost": [1 - 0.1 * i for i in range(len(errors))], "error": errors, "taken": taken,
             "saved": ["", *["a b"] * (len(errors) - 1)]}  # fmt: skip
    return pd.DataFrame(lines)


def test_a_step_shows_what_has_to_go_and_what_it_does():
    offers = pd.DataFrame({"group": ["trunk", "inner 0"], "units": [16, 8], "kept": [12, 2], "error": [0.11, 0.1],
                           "start": [0.1, 0.1]})  # fmt: skip
    share, rise = paths.offers(offers).axes
    assert [bar.get_width() for bar in share.patches] == [0.25, 0.75]
    assert [bar.get_width() for bar in rise.patches] == pytest.approx([0.1, 0])
    assert [text.get_text() for text in share.texts] == ["16 to 12", "8 to 2"]


def test_a_walk_is_the_longest_of_its_levels_and_nothing_leaves_its_panel():
    short, long = story([0.1, 0.11], [True, True]), story([0.1, 0.12, 0.11, 0.9], [True, False, True, True])
    figure = paths.walks({("bytes", 0.25): short, ("bytes", 0.5): long, ("random", 0.5): pd.DataFrame({"step": [1]})})
    [ax] = figure.axes
    [line] = ax.get_lines()
    assert list(line.get_xdata()) == pytest.approx([1, 0.8, 0.7]) and max(line.get_ydata()) == pytest.approx(0.15)
    assert ax.get_xlim()[0] > ax.get_xlim()[1] and [text.get_text() for text in ax.texts] == ["a b"]
    assert "earlier call" in paths.walks({}).axes[0].texts[0].get_text()


def test_whole_networks_stand_over_their_tables_and_products():
    lines = pd.DataFrame({"family": ["gru", "gru", "tcn"], "macs": [1000, 9000, 5000], "table": [0.02, 0.03, 0.05],
                          "whole": [0.04, 0.05, 0.045]})  # fmt: skip
    left, right = paths.lookup(lines).axes
    gru, tcn, as_said = left.get_lines()
    assert list(gru.get_xdata()) == [20, 30] and list(tcn.get_ydata()) == [45]
    assert list(as_said.get_xdata()) == list(as_said.get_ydata()) == [20, 50]
    assert list(right.get_lines()[0].get_xdata()) == [1, 9]
