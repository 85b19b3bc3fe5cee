"""Spaces: points, neighbours, notches, counted by hand."""

import numpy as np
import pytest

from litecast.errors import StudyError
from litecast.search import Knob, Space

SPACE = Space((Knob("width", (4, 8, 16)), Knob("scale", ("window", "train"), ordered=False)))


def test_points_are_all_there_once_and_read_as_values():
    points = list(SPACE.points())
    assert len(points) == len(set(points)) == len(SPACE) == 6
    assert SPACE.read((2, 1)) == {"width": 16, "scale": "train"} and SPACE.largest == (2, 0)
    assert (2, 1) in SPACE and (3, 0) not in SPACE and (-1, 0) not in SPACE and (0,) not in SPACE


def test_a_neighbour_moves_an_ordered_knob_by_one_and_any_other_anywhere():
    assert SPACE.neighbours((1, 0)) == [(0, 0), (2, 0), (1, 1)]
    assert SPACE.neighbours((0, 1)) == [(1, 1), (0, 0)]
    assert SPACE.notches((1, 0)) == [(0, 0), (1, 1)] and SPACE.notches((0, 1)) == [(0, 0)]


def test_every_point_is_drawn_as_often():
    draw = np.random.default_rng(0)
    counts = np.unique([SPACE.draw(draw) for _ in range(6000)], axis=0, return_counts=True)[1]
    assert len(counts) == 6 and np.all(np.abs(counts - 1000) < 130)


@pytest.mark.parametrize("knobs", [(), (Knob("a", ()),), (Knob("a", (1,)), Knob("a", (2,)))])
def test_a_space_without_choices_is_refused(knobs):
    with pytest.raises(StudyError, match="knobs of different names"):
        Space(knobs)
