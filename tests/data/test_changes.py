"""Renames and jumps: known cases by hand, and what must not be taken for one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast.data.changes import jumps, renames, told

DAYS = pd.date_range("2020-01-01", periods=10)


def table(**spans: tuple[int, int]) -> pd.DataFrame:
    """Series by name, present from the first to the last of two positions; '__' stands for '|'."""
    return pd.DataFrame({name.replace("__", "|"): [5.0 if a <= n <= b else np.nan for n in range(10)]
                         for name, (a, b) in spans.items()}, index=DAYS)  # fmt: skip


def columns(spans: dict[str, tuple[int, int]]) -> pd.DataFrame:
    return table(**{name.replace("|", "__"): span for name, span in spans.items()})


@pytest.mark.parametrize("old, new", [
    ("2호선|강변", "2호선|강변(동서울터미널)"),
    ("1호선|청량리(지하)", "1호선|청량리(서울시립대입구)"),
    ("경원선|동두천 중앙", "경원선|동두천중앙"),
    ("장항선|쌍용동", "장항선|쌍용(나사렛대)"),
    ("9호선2단계|봉은사", "9호선2~3단계|봉은사"),
    ("강변", "강변(동서울터미널)"),
])  # fmt: skip
def test_a_station_goes_on_under_another_name(old, new):
    assert renames(columns({old: (0, 3), new: (4, 9), "2호선|시청": (0, 9)})) == [(old, new, DAYS[4])]


@pytest.mark.parametrize("spans", [
    {"2호선|강변": (0, 3), "2호선|강변(동서울터미널)": (5, 9)},  # a day between
    {"2호선|강변": (0, 4), "2호선|강변(동서울터미널)": (4, 9)},  # both on one day
    {"2호선|강변": (0, 3), "5호선|강변": (4, 9)},  # another line
    {"경원선|이촌": (0, 3), "경인선|이촌": (4, 9)},  # lines alike only in their first letter
    {"2호선|신천": (0, 3), "2호선|잠실새내": (4, 9)},  # cannot be told from the names
    {"2호선|강변": (0, 9), "2호선|강변(동서울터미널)": (4, 9)},
    {"2호선|(가)": (0, 3), "2호선|(나)": (4, 9)},  # nothing before the bracket
])  # fmt: skip
def test_what_is_no_rename(spans):
    assert renames(columns(spans)) == []


def test_the_nearest_name_is_taken_once():
    spans = {"2호선|잠실": (0, 3), "2호선|잠실(송파구청)": (4, 9), "2호선|잠실나루": (4, 9), "2호선|잠실새내역": (0, 3)}
    assert renames(columns(spans)) == [("2호선|잠실", "2호선|잠실(송파구청)", DAYS[4])]
    assert renames(columns({"a|b": (0, 3), "a|b(1)": (4, 9), "a|b(0)": (0, 3)})) == [("a|b", "a|b(1)", DAYS[4])]
    empty = pd.DataFrame({"a|b": [np.nan] * 3, "a|b(1)": [1.0, 2, 3]}, index=DAYS[:3])
    assert renames(empty) == []


def test_a_split_that_is_not_adjusted_jumps():
    prices = {"A": [100.0, 130, np.nan, 0, 2.6, 2.0], "B": [10.0, 7, 9.1, 11.83, 11.84, 20]}
    close = pd.DataFrame(prices, index=DAYS[:6])
    assert jumps(close) == [(DAYS[4], "A", pytest.approx(0.02)), (DAYS[5], "B", pytest.approx(20 / 11.84))]
    assert told(jumps(close)) == "2020-01-05 A ×0.02; 2020-01-06 B ×1.69"
    assert jumps(close, limit=0.25)[0][:2] == (DAYS[1], "A")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.29, 0.29), min_size=3, max_size=60), st.data())
def test_moves_within_the_limit_never_jump_and_one_split_is_found_where_it_is(moves, draw):
    days = pd.date_range("2020-01-01", periods=len(moves))
    close = pd.DataFrame({"A": 1000 * np.cumprod(1 + np.array(moves))}, index=days)
    assert jumps(close) == []
    at = draw.draw(st.integers(1, len(moves) - 1))
    close.iloc[:at] *= 50
    assert [time for time, *_ in jumps(close)] == [close.index[at]]
