"""Codebooks from statistics: intervals counted by hand, what they leave out, and the rule that says how many."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from litecast.compress import codebooks, intervals

VALUES = np.array([-4, -1, -1, 0, 0.5, 0.75, 1.25, 3.5])  # mean 0, standard deviation 2.02


def error(values, codes, table):
    return float(((table[codes] - values) ** 2).sum())


def slow(values, entries, spread=3.0):
    """Which interval each value lies in, one comparison at a time."""
    mean, reach = values.mean(), spread * values.std()
    borders = np.linspace(max(mean - reach, values.min()), min(mean + reach, values.max()), entries + 1)
    return np.array([min(entries - 1, max(0, sum(value >= border for border in borders) - 1)) for value in values])


def test_intervals_by_hand():
    assert VALUES.mean() == 0 and 2 < VALUES.std() < 2.1  # three deviations lie outside of what there is
    codes, table = intervals.sigma(VALUES, 3)  # from -4 to 3.5, borders -1.5 and 1
    assert codes.tolist() == [0, 1, 1, 1, 1, 1, 2, 2]
    assert table.tolist() == [-4, -0.15, 2.375]  # -4; (-1 - 1 + 0 + .5 + .75) / 5; (1.25 + 3.5) / 2
    assert intervals.midpoints(VALUES, 3)[1].tolist() == [-2.75, -0.25, 2.25]
    codes, table = intervals.uniform(VALUES, 4)  # steps of 2.5 from -4
    assert codes.tolist() == [0, 1, 1, 2, 2, 2, 2, 3] and table.tolist() == [-4, -1.5, 1, 3.5]


def test_what_lies_beyond_three_deviations_belongs_to_the_outer_intervals():
    values = np.append(np.tile([-1.0, 1.0], 500), [40.0])
    mean, reach = values.mean(), 3 * values.std()
    assert mean + reach < 40
    codes, table = intervals.midpoints(values, 8)
    width = (mean + reach + 1) / 8
    assert table[codes[-1]] == pytest.approx(mean + reach - width / 2)
    codes, table = intervals.sigma(values, 8)
    assert table[codes[-1]] == 40 and table[codes[0]] == -1
    assert len(table) == 3 and set(codes) == {0, 1, 2}  # five intervals hold nothing and have no entry


@settings(deadline=None)
@given(values=arrays(np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32)),
       entries=st.sampled_from([2, 3, 4, 7, 16, 32]), name=st.sampled_from(sorted(intervals.METHODS)))
def test_codes_fit_the_table_which_ascends(values, entries, name):
    codes, table = intervals.METHODS[name](values, entries)
    most = intervals.FINEST if name == "auto" else entries
    assert codes.dtype == np.uint8 and codes.shape == values.shape and 1 <= len(table) <= most
    assert sorted(set(codes)) == list(range(len(table)))  # every entry is used
    assert (np.diff(table) > 0).all() and np.isfinite(table).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(codes[order].astype(int)) >= 0).all()  # larger values never have smaller codes
    assert values.min() - 1e-3 <= table.min() and table.max() <= values.max() + 1e-3


@settings(deadline=None)
@given(values=arrays(np.float64, st.integers(2, 50), elements=st.floats(-10, 10)), entries=st.sampled_from([2, 4, 16]))
def test_means_err_least_of_all_entries_for_the_same_intervals(values, entries):
    codes, table = intervals.sigma(values, entries)
    middle, other = intervals.midpoints(values, entries)
    assert np.array_equal(codes, middle)
    assert error(values, codes, table) <= error(values, middle, other) + 1e-9
    for code in range(len(table)):
        assert table[code] == pytest.approx(values[codes == code].mean(), abs=1e-9)


def test_intervals_are_those_of_one_comparison_at_a_time():
    values = np.random.default_rng(0).standard_t(3, 400)
    for entries in (4, 16, 32):
        found, table = intervals.midpoints(values, entries)
        used, place = np.unique(slow(values, entries), return_inverse=True)
        assert np.array_equal(found, place) and len(table) == len(used)


def test_equal_values_have_one_entry():
    for name, fit in intervals.METHODS.items():
        codes, table = fit(np.full(9, 0.3, np.float32), 16)
        assert table == pytest.approx([0.3]) and not codes.any(), name


def test_the_error_of_normal_weights_is_that_of_the_formula():
    values = np.random.default_rng(0).normal(0.3, 2, 400_000)
    for entries in (4, 8, 16, 32):
        codes, table = intervals.sigma(values, entries)
        assert error(values, codes, table) / len(values) / 4 == pytest.approx(intervals.normal_error(entries), rel=0.03)
    # the fine limit: an interval of width h errs h²/12, plus the tails
    assert intervals.normal_error(64) == pytest.approx((6 / 64) ** 2 / 12, rel=0.5)


def test_the_number_of_intervals_follows_the_distribution():
    draw = np.random.default_rng(0)
    shapes = {"two": draw.choice([-1.0, 1.0], 50_000) + draw.normal(0, 0.01, 50_000),
              "flat": draw.uniform(-1, 1, 50_000), "normal": draw.normal(size=50_000),
              "tails": draw.standard_t(4, 50_000)}  # fmt: skip
    many = {name: len(intervals.auto(values, 16)[1]) for name, values in shapes.items()}
    assert many == {"two": 2, "flat": 8, "normal": 16, "tails": 16}  # far tails are beyond any number of intervals
    assert len(intervals.auto(1000 * shapes["normal"] + 7, 16)[1]) == 16  # whatever the unit


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), entries=st.sampled_from([4, 8, 16]), shape=st.sampled_from(["normal", "laplace"]))
def test_auto_takes_the_fewest_from_which_finer_ones_take_little(seed, entries, shape):
    values = getattr(np.random.default_rng(seed), shape)(size=3000) + 0.5
    codes, table = intervals.auto(values, entries)
    gain = intervals.normal_error(entries) - intervals.normal_error(intervals.FINEST)
    allowed = error(values, *intervals.sigma(values, intervals.FINEST)) + (
        intervals.TOLERANCE * gain * len(values) * values.var())
    assert error(values, codes, table) <= allowed * (1 + 1e-9)
    for fewer in (2, 4, 8, 16, 32):  # any coarser cut, made afresh, errs more than is allowed
        if fewer < len(table):
            assert error(values, *intervals.sigma(values, fewer)) > allowed * (1 - 1e-6)


def test_uniform_entries_are_evenly_spaced_and_nearest():
    values = np.random.default_rng(1).normal(size=500)
    codes, table = intervals.uniform(values, 5)
    assert table == pytest.approx(np.linspace(values.min(), values.max(), 5))
    assert np.array_equal(codes, np.abs(values[:, None] - table).argmin(1))


# ---- the bench

def test_the_bench_runs_small(bench):
    told = bench("quantisers.py")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines() if line.startswith("| ")]
    numbers = {line[0]: line[1:] for line in lines if "ms" not in line[1] and line[1]}
    assert {"sorted Lloyd", "KMeans(16, n_init=1)", "nbeats 4, K = 2 … 4"} <= set(numbers)
    assert all(float(value.replace(",", "")) > 0 for line in numbers.values() for value in line if value != "nan")


def test_the_rival_of_the_bench_is_kmeans():
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    from quantisers import lloyd
    values = np.random.default_rng(0).normal(size=2000)
    table, best = lloyd(values, 8), codebooks.linear(values, 8)
    assert np.allclose(table, best, atol=5e-2)
    near = np.abs(values[:, None] - table).argmin(1)
    assert table == pytest.approx([values[near == code].mean() for code in range(8)])  # a fixed point
