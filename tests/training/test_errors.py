"""Errors by hand: two series, three origins, one missing target."""

import numpy as np
import pandas as pd
import pytest

from litecast.data.frame import Header
from litecast.data.windows import Dataset, fill
from litecast.models.classical.naive import naive, seasonal_naive
from litecast.training import errors

NAN = np.nan
A = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, NAN, 16]
B = [2, 2, 4, 4, 6, 6, 50, 60, 100, 90, 80, 70]


def dataset(train=range(6), season=2):
    """Steps 0 … 5 train, 6 and 7 validation, 8 … 11 test; L = H = 2: origins 8, 9, 10."""
    y, steps = np.array([A, B], float).T, np.arange(12)
    mean, std = np.array([0.0, 10.0]), np.array([2.0, 4.0])
    x = ((fill(y, season, 2)[0] - mean) / std).astype(np.float32)
    parts = {"train": np.isin(steps, train), "val": (steps == 6) | (steps == 7), "test": steps >= 8}
    header = Header("hand", "items", "h", season, 2, 2)
    times = pd.date_range("2024-01-01", periods=12, freq="h")
    return Dataset(header, times, ["a", "b"], y, x, np.zeros((12, 0), np.float32), mean, std, parts, [], {})


def flat(data, a, b):
    """The forecast `a` for the first and `b` for the second series, always: (3, 2, 2), scaled."""
    return data.scale(np.broadcast_to([float(a), float(b)], (3, 2, 2)))


# targets  a: 10 12 | 12 - | - 16        b: 100 90 | 90 80 | 80 70
# gaps     a: +1 -1 | -1 - | - -5        b: -15 -5 | -5 +5 | +5 +15       of the forecasts 11 and 85
ABS, SIZE = 8 + 50, 50 + 510


def test_every_error_by_hand():
    data = dataset()
    assert data.origins("test").tolist() == [8, 9, 10]
    found = errors.errors(data, "test", flat(data, 11, 85), dense=flat(data, 12, 85))
    expected = {
        "test_wape": ABS / SIZE,
        "test_wape_totals": ((0 + 1 + 5) + (20 + 0 + 20)) / SIZE,  # what errs up and down cancels within a window
        "test_bias": -6 / SIZE,
        "test_mae_scaled": (8 / 2 + 50 / 4) / 10,
        "test_mse_scaled": ((1 + 1 + 1 + 25) / 4 + (225 + 25 + 25 + 25 + 25 + 225) / 16) / 10,
        "test_mase": ((8 / 4) / 2 + (50 / 6) / 2) / 2,  # in train both series move by 2 a season
        "test_skill": 1 - ABS / ((3 + 4 + 4 + 4) + (50 + 30 + 30 + 20 + 20 + 20)),
        "test_drift": 4 / SIZE,  # four observed targets of series a
        "test_wape_highest": (5 + 15) / (16 + 100), "test_wape_worst": 8 / 50,
        "test_wape_first": (2 + 25) / (22 + 270), "test_wape_last": (6 + 25) / (28 + 240),
    }
    assert found == pytest.approx(expected, rel=1e-6) and all(type(value) is float for value in found.values())
    assert {name.removeprefix("test_") for name in found} == set(errors.ERRORS)


def test_situations_by_hand():
    found = errors.situations(dataset(), "test", flat(dataset(), 11, 85))
    assert found == pytest.approx({
        "all": ABS / SIZE, "worst series": 8 / 50,
        "first step": (2 + 25) / (22 + 270), "last step": (6 + 25) / (28 + 240),
        "highest tenth": (5 + 15) / (16 + 100), "totals": 46 / SIZE, "bias": -6 / SIZE}, rel=1e-6)


def test_totals_are_sums_over_the_horizon_of_one_series():
    found = errors.errors(dataset(), "test", flat(dataset(), 11, 80))  # b: -20 -10 | -10 0 | 0 +10; over series: 46
    assert found["test_wape_totals"] == pytest.approx((6 + 30 + 10 + 10) / SIZE)


def test_the_seasonal_naive_has_no_skill_and_nothing_drifts_from_itself():
    data = dataset()
    own = seasonal_naive(data, "test")
    found = errors.errors(data, "test", own, dense=own)
    assert found["test_skill"] == 0 and found["test_drift"] == 0
    assert "test_drift" not in errors.errors(data, "test", own)  # without a reference there is none


def test_without_a_season_skill_is_that_over_the_random_walk():
    data = dataset(season=1)
    assert errors.errors(data, "test", naive(data, "test"))["test_skill"] == 0


def test_a_perfect_forecast():
    data = dataset()
    found = errors.errors(data, "test", data.scale(np.nan_to_num(data.targets(data.origins("test")))))
    assert found["test_skill"] == 1
    assert all(found[f"test_{name}"] == pytest.approx(0, abs=1e-12) for name in ("wape", "mase", "bias", "mse_scaled"))


def test_a_forecast_of_a_missing_target_is_not_looked_at():
    data = dataset()
    wild = flat(data, 11, 85).copy()
    wild[1, 1, 0] = wild[2, 0, 0] = 1e9
    assert errors.errors(data, "test", wild, wild) == pytest.approx(
        errors.errors(data, "test", flat(data, 11, 85), flat(data, 11, 85)))
    np.testing.assert_array_equal(errors.losses(data, "test", wild).abs_err,
                                  errors.losses(data, "test", flat(data, 11, 85)).abs_err)


def test_mase_is_scaled_by_steps_whose_both_ends_are_train():
    hole = dataset(train=[0, 1, 2, 3, 4, 5, 8, 9])  # 8 and 9 are compared with the validation steps 6 and 7
    changed = dataset(train=[0, 1, 2, 3, 4, 5, 8, 9])
    changed.y[6:8] = 1e6
    out = flat(hole, 11, 85)
    assert errors.errors(hole, "test", out)["test_mase"] == errors.errors(changed, "test", out)["test_mase"]


def test_a_series_that_never_moves_in_train_is_left_out_of_mase():
    data = dataset()
    data.y[:6, 1] = 3
    assert errors.errors(data, "test", flat(data, 11, 85))["test_mase"] == pytest.approx(1)


def test_losses_are_sums_over_the_observed_steps_of_a_horizon():
    data = dataset()
    frame = errors.losses(data, "test", flat(data, 11, 85))
    assert frame.columns.tolist() == ["series", "origin", "abs_err", "sq_err", "abs_y"]
    assert frame.series.tolist() == ["a", "b"] * 3
    assert frame.origin.tolist() == [data.times[t] for t in (8, 8, 9, 9, 10, 10)]
    assert frame.abs_err.tolist() == pytest.approx([2, 20, 1, 10, 5, 20])
    assert frame.sq_err.tolist() == pytest.approx([2, 250, 1, 50, 25, 250])
    assert frame.abs_y.tolist() == pytest.approx([22, 190, 12, 170, 16, 150])
    wape = errors.errors(data, "test", flat(data, 11, 85))["test_wape"]
    assert frame.abs_err.sum() / frame.abs_y.sum() == pytest.approx(wape)


def test_each_stored_forecast_stands_beside_the_value_of_its_time():
    data = dataset()
    yhat = data.scale(np.arange(12.0).reshape(3, 2, 2))
    frame = errors.forecasts(data, "test", yhat)
    assert len(frame) == 12 and set(frame.columns) == {"origin", "step", "series", "y", "yhat"}
    values = pd.DataFrame(data.y, index=data.times, columns=data.names)
    for row in frame.itertuples():
        time = row.origin + (row.step - 1) * pd.Timedelta("1h")
        np.testing.assert_equal(row.y, values.at[time, row.series])
    assert frame.yhat.tolist() == pytest.approx(list(range(12)), abs=1e-5)
    assert frame.step.tolist() == [1, 1, 2, 2] * 3 and frame.y.isna().sum() == 2


def test_holidays_and_ordinary_days_by_hand():
    data = dataset()
    data.header = Header("hand", "items", "D", 2, 2, 2, country="KR")
    data.times = pd.date_range("2023-12-24", periods=12)  # target steps 8 ... 11: 1 to 4 January; the 25th is in train
    found = errors.errors(data, "test", flat(data, 11, 85))
    assert found["test_wape_holidays"] == pytest.approx((1 + 15) / (10 + 100))  # only origin 8 forecasts the 1st
    assert found["test_wape_ordinary"] == pytest.approx((ABS - 16) / (SIZE - 110))
    assert "val_wape_holidays" not in errors.errors(data, "val", flat(data, 11, 85)[:1])  # no holiday in that part
    data.header = Header("hand", "items", "MS", 2, 2, 2, country="KR")
    assert "test_wape_holidays" not in errors.errors(data, "test", flat(data, 11, 85))  # months are no days


def test_scaled_errors_are_in_the_unit_of_published_tables():
    """A dataset is scaled by a std of few digits; squares and magnitudes are told in that of train itself."""
    data = dataset()
    plain = errors.errors(data, "test", data.scaled(np.broadcast_to([11.0, 85.0], (3, 2, 2))))
    data.exact, data.std = data.std, data.std * [1.003, 0.998]
    found = errors.errors(data, "test", data.scaled(np.broadcast_to([11.0, 85.0], (3, 2, 2))))
    for name in ("test_mse_scaled", "test_mae_scaled"):
        assert found[name] == pytest.approx(plain[name], rel=1e-12)


def test_logarithms_are_undone_before_errors_are_counted():
    data = dataset()
    data.header = Header("hand", "items", "h", 2, 2, 2, transform="log")
    raw, data.y = data.y, np.log(data.y)
    data.mean, data.std = np.array([1.0, 3.0]), np.array([0.5, 2.0])
    yhat = data.scaled(np.broadcast_to([11.0, 85.0], (3, 2, 2)))
    found = errors.errors(data, "test", yhat)
    assert found["test_wape"] == pytest.approx(ABS / SIZE) and found["test_bias"] == pytest.approx(-6 / SIZE)
    assert found["test_mase"] == pytest.approx(((8 / 4) / 2 + (50 / 6) / 2) / 2)
    gaps = [(np.log(11) - np.log([10, 12, 12, 16])) / 0.5, (np.log(85) - np.log([100, 90, 90, 80, 80, 70])) / 2]
    assert found["test_mae_scaled"] == pytest.approx(sum(np.abs(gap).sum() for gap in gaps) / 10)  # stays scaled
    logs = np.log([10, 12, 12, 16, 100, 90, 90, 80, 80, 70])
    assert found["test_wape_log"] == pytest.approx(np.abs(np.log([11] * 4 + [85] * 6) - logs).sum() / logs.sum())
    assert errors.losses(data, "test", yhat).abs_err.sum() == pytest.approx(ABS)
    kept = errors.forecasts(data, "test", yhat)
    assert kept.yhat[0] == pytest.approx(11) and kept.y[0] == pytest.approx(raw[8, 0])


def test_what_is_all_zero_has_no_relative_error():
    data = dataset()
    data.y[8:] = 0.0
    found = errors.errors(data, "test", flat(data, 11, 85))
    assert np.isnan(found["test_wape"]) and np.isnan(found["test_bias"]) and np.isfinite(found["test_mae_scaled"])
