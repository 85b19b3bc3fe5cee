"""Forecasts without a network: hand values, statsmodels as the judge of the filter, nothing from the future."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.models.classical import arima, naive


def dataset(values, frequency="D", season=7, L=14, H=5, **more):  # noqa: N803
    values = np.asarray(values, float)
    times = pd.date_range("2022-01-03", periods=len(values), freq="B" if frequency == "trading-day" else frequency)
    columns = [f"s{c}" for c in range(values.shape[1])]
    header = Header("made-up", "items", frequency, season, L, H, **more)
    return prepare(from_wide(header, pd.DataFrame(values, index=times, columns=columns)))


def demand(T=240, seed=0):  # noqa: N803
    """Two series with a weekly profile and autocorrelated noise, a few gaps."""
    draw, noise = np.random.default_rng(seed), np.zeros((T, 2))
    for t in range(1, T):
        noise[t] = 0.7 * noise[t - 1] + draw.normal(0, 2, 2)
    values = 100 + np.array([9, 4, -3, 0, 2, -8, -4])[np.arange(T) % 7, None] * [1, 2] + noise
    values[[20, 21, 90, 180, 215], [0, 0, 1, 0, 1]] = np.nan
    return values


# ---- naive

def test_naive_by_hand():
    data = dataset(np.arange(200.0).reshape(100, 2))
    origins = data.origins("test")
    out = data.unscale(naive.naive(data, "test"))
    assert out.shape == (16, 5, 2) and origins.tolist() == list(range(80, 96))
    np.testing.assert_allclose(out[0], [[158, 159]] * 5, rtol=1e-6)  # step 79
    np.testing.assert_allclose(out[:, 3, 1], 2 * (origins - 1) + 1, rtol=1e-6)


@pytest.mark.parametrize("H", [5, 10])
def test_seasonal_naive_by_hand(H):  # noqa: N803
    data = dataset(np.arange(100.0)[:, None], H=H)
    out = data.unscale(naive.seasonal_naive(data, "test"))[0, :, 0]
    # the first origin is step 80: one week ago is 73; beyond a week the last season is repeated
    np.testing.assert_allclose(out, [73, 74, 75, 76, 77, 78, 79, 73, 74, 75][:H], rtol=1e-6)


def test_seasonal_naive_without_a_season_is_the_random_walk():
    data = dataset(np.random.default_rng(0).normal(5, 1, (200, 2)), "trading-day", season=1)
    for part in ("val", "test"):
        np.testing.assert_array_equal(naive.seasonal_naive(data, part), naive.naive(data, part))


def test_where_a_value_is_missing_the_filled_one_is_repeated():
    values = np.arange(100.0)[:, None]
    values[79] = np.nan
    data = dataset(values)
    assert data.unscale(naive.naive(data, "test"))[0, 0, 0] == pytest.approx(72)  # a week before step 79


# ---- ARIMA

@pytest.fixture(scope="module")
def season():
    data = dataset(demand())
    yhat, chosen = arima.forecast(data)
    return SimpleNamespace(data=data, yhat=yhat, chosen=chosen)


def by_statsmodels(data, c, order, origins):
    """Parameters from train, then each origin's own filter pass over what was known, and its forecast."""
    y, X, train = data.scale(data.y)[:, c], arima._regressors(data), data.parts["train"]
    seen = train & np.isfinite(y)
    mean = X @ np.linalg.lstsq(X[seen], y[seen], rcond=None)[0]
    fitted = arima._fit((y - mean)[: train.sum()], order)
    return np.stack([fitted.apply((y - mean)[:t]).forecast(data.H) + mean[t : t + data.H] for t in origins])


@pytest.mark.parametrize("c", [0, 1])
def test_rolled_forecasts_are_those_of_statsmodels(season, c):
    data, order = season.data, season.chosen[c]["order"]
    fitted = arima.fit(data.scale(data.y)[:, c], arima._regressors(data), data.parts["train"], 0)
    assert fitted.order == order and order[1] == 0
    origins = np.concatenate([data.origins("val"), data.origins("test")])[::2]
    assert len(origins) >= 20  # gaps lie between them
    expected = by_statsmodels(data, c, order, origins)
    np.testing.assert_allclose(fitted.roll(origins, data.H), expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(season.yhat["test"][:, :, c], fitted.roll(data.origins("test"), data.H), atol=1e-6)


def test_rolled_forecasts_are_those_of_statsmodels_with_a_difference():
    data = dataset(np.random.default_rng(2).normal(0.1, 1, (150, 1)).cumsum(0), "trading-day", season=1)
    fitted = arima.fit(data.scale(data.y)[:, 0], arima._regressors(data), data.parts["train"], 1)
    origins = np.arange(105, 145, 2)
    assert fitted.order[1] == 1
    np.testing.assert_allclose(fitted.roll(origins, 5), by_statsmodels(data, 0, fitted.order, origins), atol=1e-8)


@pytest.mark.filterwarnings("ignore:Non-")
def test_the_order_is_the_candidate_with_the_lowest_aicc_on_train(season):
    data, chosen = season.data, season.chosen[0]
    y, X, train = data.scale(data.y)[:, 0], arima._regressors(data), data.parts["train"]
    seen = train & np.isfinite(y)
    errors = np.where(train, y - X @ np.linalg.lstsq(X[seen], y[seen], rcond=None)[0], np.nan)[: train.sum()]
    aicc = {order: SARIMAX(errors, order=(order[0], 0, order[1]), concentrate_scale=True).fit(disp=0, maxiter=30).aicc
            for order in arima.ORDERS}
    assert len(aicc) == 6 and (chosen["order"][0], chosen["order"][2]) == min(aicc, key=aicc.get)
    assert chosen["aicc"] == pytest.approx(min(aicc.values()))
    assert chosen["params"] == X.shape[1] + sum(chosen["order"])  # the variance is concentrated out


def test_nothing_after_train_changes_order_or_regression(season):
    values = demand()
    first = int(np.flatnonzero(season.data.parts["val"])[0])
    values[first:] = 500 - 2 * np.nan_to_num(values[first:], nan=80.0)
    changed = dataset(values)
    X, train = arima._regressors(changed), changed.parts["train"]
    for c in range(2):
        before = arima.fit(season.data.scale(season.data.y)[:, c], X, train, 0)
        after = arima.fit(changed.scale(changed.y)[:, c], X, train, 0)
        assert (before.order, before.aicc) == (after.order, after.aicc)
        np.testing.assert_array_equal(before.mean, after.mean)
        np.testing.assert_array_equal(before.transition, after.transition)
        np.testing.assert_array_equal(before.states[:, : first + 1], after.states[:, : first + 1])
        assert not np.array_equal(before.states, after.states)


def test_no_forecast_sees_its_own_future(season):
    values, cut = demand(), 210
    values[cut:] += 300
    changed, _ = arima.forecast(dataset(values))
    for part in ("val", "test"):
        origins = season.data.origins(part)
        same = (season.yhat[part] == changed[part]).all((1, 2))
        np.testing.assert_array_equal(same, origins <= cut)


def test_forecasts_beat_the_naive_ones_where_there_is_something_to_know(season):
    data = season.data
    truth = data.scale(data.targets(data.origins("test")))
    mae = {name: np.nanmean(np.abs(out - truth)) for name, out in {
        "arima": season.yhat["test"], "naive": naive.naive(data, "test"),
        "seasonal": naive.seasonal_naive(data, "test")}.items()}  # fmt: skip
    assert season.yhat["test"].dtype == np.float32 and season.yhat["test"].shape == truth.shape
    assert mae["arima"] < 0.9 * min(mae["naive"], mae["seasonal"])


def test_any_weekly_profile_of_daily_data_is_within_reach():
    profile = np.tile([3.0, -1, 4, 1, -5, 9, 2], 40)
    data = dataset(profile[:, None] + np.random.default_rng(0).normal(0, 0.01, (280, 1)))
    X = arima._regressors(data)
    np.testing.assert_allclose(X @ np.linalg.lstsq(X, profile, rcond=None)[0], profile, atol=1e-9)
    yhat, _ = arima.forecast(data, parts=("test",))
    np.testing.assert_allclose(data.unscale(yhat["test"]), data.targets(data.origins("test")), atol=0.1)


def test_holidays_are_a_regressor():
    data = dataset(demand(), country="KR")
    X = arima._regressors(data)
    np.testing.assert_array_equal(X[:, -1], data.z[:, -1])
    assert set(X[:, -1]) == {0.0, 1.0} and X.shape[1] == 1 + 2 * 3 + 1


@pytest.mark.parametrize(("frequency", "L"), [("D", 14), ("trading-day", 14)])
def test_a_series_that_never_moves_in_train_is_forecast_as_it_is(frequency, L):  # noqa: N803
    values = np.full((200, 1), 7.0)
    values[190:] = 9
    data = dataset(values, frequency, season=1, L=L)
    yhat, chosen = arima.forecast(data)
    out = data.unscale(yhat["test"])[..., 0]
    assert chosen[0]["order"] == (0, 1 if frequency == "trading-day" else 0, 0) and np.isfinite(out).all()
    np.testing.assert_allclose(out[data.origins("test") <= 190], 7)
    if frequency == "trading-day":  # the last value
        np.testing.assert_allclose(out[data.origins("test") > 190], 9)


def test_less_than_one_cycle_of_training_is_not_extrapolated():
    t = np.arange(150)[:, None]
    data = dataset(50 + np.sin(t / 4) + np.random.default_rng(0).normal(0, 1, (150, 1)), "h", season=24, L=24, H=6)
    yhat, chosen = arima.forecast(data)  # 105 train steps, the cycle has 168
    assert chosen[0]["order"][1] == 1 and np.abs(yhat["test"]).max() < 10
