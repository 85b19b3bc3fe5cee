"""Panels: which series stand for one, and its blocks."""

import numpy as np
import pytest

from litecast import data
from litecast.data import panel, windows


@pytest.fixture(scope="module")
def whole():
    return windows.prepare(data.load("sample-traffic"))


def test_a_few_series_stand_for_themselves(whole):
    assert not panel.is_panel(whole) and panel.few(whole).tolist() == list(range(whole.C))
    assert whole.judged is whole and panel.stand_in(whole) is whole
    assert [one is whole for _, one in panel.blocks(whole, 100)] == [True]


def test_of_a_panel_the_same_series_are_drawn_every_time(whole, monkeypatch):
    monkeypatch.setattr(panel, "MANY", 2)
    monkeypatch.setattr(panel, "FEW", 3)
    drawn, part = panel.few(whole), panel.stand_in(whole)
    assert len(set(drawn)) == 3 and (np.diff(drawn) > 0).all() and (drawn == panel.few(whole)).all()
    assert part.names == [whole.names[number] for number in drawn] and part.C == 3
    np.testing.assert_array_equal(part.scale(part.y), whole.scale(whole.y)[:, drawn])
    np.testing.assert_array_equal(part.published, whole.published[drawn])


def test_blocks_hold_every_series_once(whole, monkeypatch):
    monkeypatch.setattr(panel, "WHOLE", 10)
    monkeypatch.setattr(panel, "BLOCK", 10)
    blocks = list(panel.blocks(whole, 3))  # three series of three values each
    assert [one.C for _, one in blocks] == [3, 1]
    assert [name for _, one in blocks for name in one.names] == whole.names
    np.testing.assert_array_equal(np.concatenate([whole.y[:, series] for series, _ in blocks], axis=1), whole.y)
