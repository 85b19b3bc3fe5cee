"""Bands by split conformal prediction: known values, exact coverage, and what comes of gaps, ties and logarithms."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from litecast.data import load, windows
from litecast.data.frame import Header, from_wide
from litecast.models.classical.naive import seasonal_naive
from litecast.results import conformal

PARTS = ("val", "test")


def dataset(values, transform="none"):
    """Daily series of these columns; split 70/10/20, L 14, H 3."""
    header = Header(name="made-up", unit="pallets", frequency="D", season=7, L=14, H=3, transform=transform)
    times = pd.date_range("2024-01-01", periods=len(next(iter(values.values()))), freq="D")
    return windows.prepare(from_wide(header, pd.DataFrame(values, index=times)))


def noise(T=900, seed=0, C=2):
    draw = np.random.default_rng(seed)
    return {name: 50 + 10 * (c + 1) * draw.normal(size=T) for c, name in enumerate("abcdefgh"[:C])}


def bands(data, yhat):
    return conformal.radii(conformal.distances(data, "val", yhat["val"]), data.names)


def zero(data):
    """The mean of train, forever: scaled 0."""
    return {part: np.zeros((len(data.origins(part)), data.H, data.C), np.float32) for part in PARTS}


# ---- the quantile

@pytest.mark.parametrize("n, eighty, ninety_five", [
    (3, np.inf, np.inf), (4, 4, np.inf), (18, 16, np.inf), (19, 16, 19), (39, 32, 38), (99, 80, 95), (100, 81, 96)])
def test_the_quantile_is_the_error_of_the_corrected_rank(n, eighty, ninety_five):
    errors = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))  # 1 ... n: each is its own rank
    found = conformal.quantiles(np.concatenate([errors, [np.nan, np.nan]])[:, None])  # missing targets do not count
    assert (found[80][0], found[95][0]) == (eighty, ninety_five)
    assert (n >= conformal.fewest(80), n >= conformal.fewest(95)) == (np.isfinite(eighty), np.isfinite(ninety_five))


def test_exchangeable_errors_are_covered_as_theory_says_exactly():
    """Of m new errors the number within the k-th smallest of n is beta-binomial (m, k, n + 1 - k): Vovk 2012."""
    n, m, trials = 60, 40, 4000
    draw = np.random.default_rng(3).exponential(size=(n + m, trials))
    for level, radius in conformal.quantiles(draw[:n]).items():
        k = -(-(n + 1) * level // 100)
        law, inside = betabinom(m, k, n + 1 - k), (draw[n:] <= radius).sum(0)
        low, high = (law.mean() + sign * 4 * law.std() / np.sqrt(trials) for sign in (-1, 1))
        assert low < inside.mean() < high and inside.mean() / m >= level / 100
        assert inside.std() == pytest.approx(law.std(), rel=0.1)


def test_the_standard_error_is_that_of_whole_blocks_on_validation_and_test():
    """Values by hand, and against what shares really vary by where the errors of a block are alike."""
    inside, seen = np.array([1, 1, 0, 1, 1]), np.ones(5, int)
    share, se = conformal.covered(inside, seen, 2)  # 2 of 2, 1 of 2, 1 of 1, of which .8 is expected
    assert share == 0.8 and se == pytest.approx(np.sqrt((0.4**2 + 0.6**2 + 0.2**2) * 3 / 2) / 5)
    assert np.isnan(conformal.covered(inside, seen, 5)[1])
    draw, shares, errors = np.random.default_rng(2), [], []
    for _ in range(300):
        level = np.repeat(draw.exponential(size=40), 6)[:, None, None]  # 40 blocks of 6 origins
        made = level * draw.exponential(size=(240, 2, 3))
        radius = conformal.quantiles(made[:120].reshape(720, 1))[80]
        share, se = conformal.covered((made[120:] <= radius).sum((1, 2)), np.full(120, 6), 6)
        shares.append(share)
        errors.append(se * np.sqrt(1 + 120 / 120))
    assert np.std(shares) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.15)


# ---- radii

def test_a_series_has_its_own_radii_where_nineteen_of_its_windows_do_not_overlap():
    draw = np.random.default_rng(0).random((19 * 3, 3, 2))  # (N, H, C): a third of the windows do not overlap
    draw[..., 1] += 5
    made = conformal.radii(draw, ["a", "b"])
    assert list(made.columns) == ["level", "step", "series", "radius"] and made.radius.dtype == np.float32
    assert set(made.series) == {"", "a", "b"} and len(made) == 2 * 3 * 3
    at = made.set_index(["level", "step", "series"]).radius
    for step in (1, 2, 3):
        assert at[80, step, "b"] == pytest.approx(np.sort(draw[:, step - 1, 1])[47 - 1])  # ceil(58 * .8) = 47
        assert at[95, step, ""] == pytest.approx(np.sort(draw[:, step - 1].ravel())[110 - 1])  # ceil(115 * .95) = 110
        assert at[80, step, "a"] < 1 < 5 < at[80, step, "b"]
    draw[0, 1, 1] = np.nan  # one step of b was seen once less
    assert set(conformal.radii(draw, ["a", "b"]).series) == {"", "a"}
    assert set(conformal.radii(draw[..., :1], ["a"]).series) == {""}  # one series is all series


def test_bands_lie_within_each_other_and_what_errors_are_too_few_for_is_absent():
    made = conformal.radii(np.random.default_rng(1).random((70, 3, 4)), list("abcd"))
    narrow, wide = (conformal.spread(made, level, 3, list("abcd")) for level in conformal.LEVELS)
    assert (narrow <= wide).all()
    few = conformal.radii(np.random.default_rng(1).random((10, 3, 1)), ["a"])  # 10 errors: 80 %, but no 95 %
    assert set(few.level) == {80} and np.isinf(conformal.spread(few, 95, 3, ["a"])).all()
    assert conformal.radii(np.full((3, 3, 1), 1.0), ["a"]).empty


def test_a_series_without_radii_takes_those_of_all():
    made = pd.DataFrame({"level": 80, "step": [1, 2, 2], "series": ["", "", "b"], "radius": np.float32([1, 2, 3])})
    np.testing.assert_array_equal(conformal.spread(made, 80, 3, ["a", "b"]), [[1, 1], [2, 3], [np.inf, np.inf]])


def test_a_forecast_that_is_none_is_never_covered():
    data = dataset(noise())
    yhat = zero(data)
    yhat["test"][10:] = np.nan
    assert conformal.measured(data, bands(data, yhat), yhat["test"])["test_cover_95"] <= 10 / len(yhat["test"])
    yhat["val"][:10] = np.nan  # of 88 windows, more than a twentieth and less than a fifth
    assert set(bands(data, yhat).level) == {80}


# ---- on datasets

def test_test_does_not_move_the_radii():
    values = noise()
    data = dataset(values)
    yhat = zero(data)
    before = bands(data, yhat)
    changed = {name: np.where(np.arange(900) >= 720, 7 * column, column) for name, column in values.items()}
    other = dataset(changed)
    yhat["test"] += 1
    pd.testing.assert_frame_equal(bands(other, yhat), before)
    found = [conformal.measured(made, before, zero(data)["test"])["test_cover_95"] for made in (data, other)]
    assert found[0] > 0.9 > 0.1 > found[1]  # and that test has moved is seen


@pytest.mark.parametrize("transform", ["none", "log"])
def test_measured_is_what_the_bands_hold_in_raw_units(transform):
    values = {name: np.exp(column / 25) if transform == "log" else column for name, column in noise().items()}
    data = dataset(values, transform)
    y = data.y.copy()
    y[data.origins("test")[5:9], 0] = np.nan  # targets that are missing
    data = replace(data, y=y)
    yhat = {part: seasonal_naive(data, part).astype(np.float32) for part in PARTS}
    made = bands(data, yhat)
    found, truth = conformal.measured(data, made, yhat["test"]), data.truth(data.origins("test"))
    seen, widths = np.isfinite(truth), []
    assert not seen.all() and set(made.series) == {"", "a", "b"}
    for level in conformal.LEVELS:
        low, high = conformal.band(data, yhat["test"], conformal.spread(made, level, data.H, data.names))
        inside = (low <= truth * (1 + 1e-9)) & (truth <= high * (1 + 1e-9))
        assert found[f"test_cover_{level}"] == pytest.approx(inside[seen].mean())
        assert found[f"test_cover_{level}"] == pytest.approx(level / 100, abs=0.06)  # nothing drifts here
        assert found[f"test_width_{level}"] == pytest.approx((high - low)[seen].sum() / np.abs(truth[seen]).sum())
        middle = data.raw(yhat["test"])
        widths.append(((high - middle) / (middle - low))[seen])
    assert np.allclose(widths, 1) if transform == "none" else (np.array(widths) > 1).all()  # lopsided in raw units


def test_targets_that_are_missing_on_validation_are_left_out():
    data = dataset(noise(C=1))
    y, first = data.y.copy(), data.origins("val")
    y[first[3:40]] = np.nan
    errors = np.abs(data.scale(np.delete(data.y[first], range(3, 40), axis=0)))[:, 0]  # one step ahead of scaled 0
    expected = np.sort(errors)[-(-(len(errors) + 1) * 80 // 100) - 1]
    data = replace(data, y=y)
    assert bands(data, zero(data)).set_index(["level", "step"]).radius[80, 1] == pytest.approx(expected)


def test_of_equal_errors_all_are_covered_though_radii_are_float32():
    """Demand that is mostly zero under a forecast that never moves: nine in ten errors of a series are one number."""
    draw = np.random.default_rng(0)
    data = dataset({name: np.where(draw.random(900) < 0.9, 0, draw.integers(2, 99, 900)) for name in "abcd"})
    always, zeros = np.float32([0.1, 0.2, 0.3, 0.7]), data.truth(data.origins("test")) == 0
    yhat = {part: none + always for part, none in zero(data).items()}
    made, tie = bands(data, yhat), np.abs(data.scale(np.zeros(data.C)) - always)
    radius = conformal.spread(made, 80, data.H, data.names)
    assert (np.float32(tie) < tie).any() and (radius >= tie).all() and radius == pytest.approx(np.tile(tie, (3, 1)))
    assert conformal.measured(data, made, yhat["test"])["test_cover_80"] >= zeros.mean() > 0.85


def test_intermittent_demand_of_few_windows_has_bands_of_all_series_alone():
    data = windows.prepare(load("sample-warehouse"))
    yhat = {part: seasonal_naive(data, part) for part in PARTS}
    made = bands(data, yhat)
    assert set(made.series) == {""} and len(made) == 2 * data.H  # 56 windows of 14 days
    found = conformal.measured(data, made, yhat["test"])
    assert 0.7 < found["test_cover_80"] < 0.9 < found["test_cover_95"] < 1
    assert 0 < found["test_width_80"] < found["test_width_95"]


def test_too_few_validation_windows_leave_the_columns_empty():
    data = dataset(noise(T=150, C=1))  # 13 windows of validation
    found = conformal.measured(data, bands(data, zero(data)), zero(data)["test"])
    assert 0.4 < found["test_cover_80"] <= 1 and found["test_width_80"] > 0
    assert all(np.isnan(found[name]) for name in conformal.columns(95))
