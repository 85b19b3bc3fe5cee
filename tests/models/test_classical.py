"""Forecasts without a network: hand values, statsmodels as the judge of the filter, nothing from the future."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.figures import residuals as pictures
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
    for t, c in ((20, 0), (21, 0), (90, 1), (180, 0), (215, 1), (372, 0), (373, 1), (391, 0), (392, 1)):
        if t < T:
            values[t, c] = np.nan
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
    data = dataset(demand(420), country="KR")
    rolled = arima.forecast(data)
    return SimpleNamespace(data=data, yhat=rolled.mean, chosen=rolled.chosen, rolled=rolled)


def by_append(y, X, train, fitted, columns, origins, H):  # noqa: N803
    """Regression with ARMA errors fitted on train, then for each origin what came since appended: mean and std."""
    n, seen = int(train.sum()), train & np.isfinite(y)
    exog = X[:, columns] if fitted.order[1] == 0 else None  # a difference removes the constant
    beta = np.linalg.lstsq(X[seen][:, columns], y[seen], rcond=None)[0]
    errors = arima._fit((y - X[:, columns] @ beta)[:n], fitted.order)
    part = [] if exog is None else beta
    model = SARIMAX(y[:n], None if exog is None else exog[:n], order=fitted.order)
    start, out = model.smooth(np.concatenate([part, errors.params, [errors.scale]])), []
    for t in origins:
        more = {} if exog is None else {"exog": exog[n:t]}
        ahead = {} if exog is None else {"exog": exog[t : t + H]}
        found = (start.append(y[n:t], **more) if t > n else start).get_forecast(H, **ahead)
        out.append((found.predicted_mean, found.se_mean))
    return np.stack(out, 1)


def one_series(data, c):
    """(y, X, candidates, train) of a series."""
    X, groups = arima._regressors(data)
    return data.scale(data.y)[:, c], X, groups, data.parts["train"]


@pytest.mark.parametrize("c", [0, 1])
def test_50_rolled_forecasts_are_those_of_append_with_gaps_and_regressors(season, c):
    y, X, groups, train = one_series(season.data, c)
    fitted = season.rolled.series[c]
    columns = dict(groups)[fitted.harmonics]
    origins = np.concatenate([season.data.origins("val"), season.data.origins("test")])[-50:]
    assert len(origins) == 50 and X.shape[1] == 1 + 1 + 2 * 3 and fitted.order[1] == 0
    assert np.isnan(y[train]).any() and np.isnan(y[origins[0] :]).any()
    mean, std = by_append(y, X, train, fitted, columns, origins, season.data.H)
    np.testing.assert_allclose(fitted.roll(origins, season.data.H), mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(fitted.spread(origins, season.data.H), std, rtol=0, atol=1e-8)
    np.testing.assert_allclose(season.yhat["test"][:, :, c], fitted.roll(season.data.origins("test"), 5), atol=1e-6)


def test_50_rolled_forecasts_are_those_of_append_with_a_difference():
    values = np.random.default_rng(2).normal(0.1, 1, (250, 1)).cumsum(0)
    values[[100, 190, 221]] = np.nan
    data = dataset(values, "trading-day", season=1)
    y, X, groups, train = one_series(data, 0)
    fitted = arima.fit(y, X, groups, train, 1)
    origins = np.arange(190, 240)
    assert fitted.order[1] == 1
    mean, std = by_append(y, X, train, fitted, groups[0][1], origins, 5)
    np.testing.assert_allclose(fitted.roll(origins, 5), mean, atol=1e-8)
    np.testing.assert_allclose(fitted.spread(origins, 5), std, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Non-")
def test_the_order_is_the_candidate_with_the_lowest_aicc_on_train(season):
    y, X, groups, train = one_series(season.data, 0)
    chosen, seen = season.chosen[0], train & np.isfinite(y)
    columns = dict(groups)[chosen["harmonics"]]
    errors = np.where(train, y - X[:, columns] @ np.linalg.lstsq(X[seen][:, columns], y[seen], rcond=None)[0], np.nan)
    aicc = {order: SARIMAX(errors[: train.sum()], order=(order[0], 0, order[1]), concentrate_scale=True)
            .fit(disp=0, maxiter=30).aicc for order in arima.ORDERS}  # fmt: skip
    assert len(aicc) == 6 and (chosen["order"][0], chosen["order"][2]) == min(aicc, key=aicc.get)
    assert chosen["aicc"] == pytest.approx(min(aicc.values()))
    assert chosen["params"] == len(columns) + sum(chosen["order"])  # the variance is concentrated out


def test_the_harmonics_are_those_of_the_lowest_aicc_of_least_squares():
    import statsmodels.api as sm
    from statsmodels.tools.eval_measures import aicc as judge

    hours, draw = np.arange(60 * 24)[:, None], np.random.default_rng(1)
    wave = sum(np.sin(2 * np.pi * hours * k / 24) for k in (1, 2)) + 0.5 * np.cos(2 * np.pi * hours * 3 / 168)
    data = dataset(50 + 5 * wave + draw.normal(0, 1, hours.shape), "h", season=168, L=48, H=24)
    y, X, groups, train = one_series(data, 0)
    fits = {harmonics: sm.OLS(y[train], X[train][:, columns]).fit() for harmonics, columns in groups}
    values = {h: judge(fit.llf, fit.nobs, fit.df_model + 2) for h, fit in fits.items()}  # + constant and variance
    picked, columns, beta = arima._regression(y, X, groups, train)
    assert picked == min(values, key=values.get) == (2, 3)
    np.testing.assert_allclose(beta, fits[picked].params, atol=1e-8)
    assert len(columns) == 1 + 2 * 2 + 2 * 3 and len(groups) == 7 * 13


def test_the_week_leaves_the_day_its_own_harmonics():
    data = dataset(np.random.default_rng(0).normal(50, 5, (60 * 24, 1)), "h", season=168, L=48, H=24)
    X, groups = arima._regressors(data)
    assert np.linalg.matrix_rank(X) == X.shape[1] == 1 + 2 * 11 + 2 * (83 - 11)
    assert all(len(np.unique(columns)) == len(columns) for _, columns in groups)


def test_nothing_after_train_changes_order_or_regression(season):
    values = demand(420)
    first = int(np.flatnonzero(season.data.parts["val"])[0])
    values[first:] = 500 - 2 * np.nan_to_num(values[first:], nan=80.0)
    changed = dataset(values, country="KR")
    for c in range(2):
        before, after = season.rolled.series[c], arima.fit(*one_series(changed, c), 0)
        assert (before.order, before.harmonics, before.aicc) == (after.order, after.harmonics, after.aicc)
        np.testing.assert_array_equal(before.residuals, after.residuals)
        np.testing.assert_array_equal(before.covs[:, :, : first + 1], after.covs[:, :, : first + 1])
        np.testing.assert_array_equal(before.mean, after.mean)
        np.testing.assert_array_equal(before.transition, after.transition)
        np.testing.assert_array_equal(before.states[:, : first + 1], after.states[:, : first + 1])
        assert not np.array_equal(before.states, after.states)


def test_no_forecast_sees_its_own_future(season):
    values, cut = demand(420), 370
    values[cut:] += 300
    changed = arima.forecast(dataset(values, country="KR")).mean
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
    yhat = arima.forecast(data, parts=("test",)).mean
    np.testing.assert_allclose(data.unscale(yhat["test"]), data.targets(data.origins("test")), atol=0.1)


def test_holidays_are_a_regressor_of_every_candidate(season):
    X, groups = arima._regressors(season.data)
    np.testing.assert_array_equal(X[:, 1], season.data.z[:, -1])
    assert set(X[:, 1]) == {0.0, 1.0} and all({0, 1} <= set(columns) for _, columns in groups)
    assert [harmonics for harmonics, _ in groups] == [(1,), (2,), (3,)]


def test_weeks_of_a_country_have_no_column_of_holidays():
    _, groups = arima._regressors(dataset(demand(), "W", season=52, L=52, country="KR"))
    assert groups[0][1].tolist() == [0, 1, 2]  # the constant and a wave, not the calendar's wave of a year once more


@pytest.mark.parametrize(("frequency", "L"), [("D", 14), ("trading-day", 14)])
def test_a_series_that_never_moves_in_train_is_forecast_as_it_is(frequency, L):  # noqa: N803
    values = np.full((200, 2), 7.0)
    values[190:, 0] = 9
    values[:, 1] = np.random.default_rng(0).normal(50, 5, 200)  # something has to move
    data = dataset(values, frequency, season=1, L=L)
    rolled = arima.forecast(data)
    out, chosen = data.unscale(rolled.mean["test"])[..., 0], rolled.chosen
    assert chosen[0]["order"] == (0, 1 if frequency == "trading-day" else 0, 0) and np.isfinite(out).all()
    np.testing.assert_allclose(out[data.origins("test") <= 190], 7)
    if frequency == "trading-day":  # the last value
        np.testing.assert_allclose(out[data.origins("test") > 190], 9)


def test_less_than_one_cycle_of_training_is_not_extrapolated():
    draw, t = np.random.default_rng(0), np.arange(150)[:, None]
    data = dataset(50 + np.sin(t / 4) + draw.normal(0, 1, (150, 1)), "h", season=24, L=24, H=6)
    assert {len(harmonics) for harmonics, _ in arima._regressors(data)[1]} == {1}  # 105 train steps: the day, no week
    data = dataset(50 + np.sin(t[:60] / 4) + draw.normal(0, 1, (60, 1)), "W", season=52, L=4, H=2)
    rolled = arima.forecast(data)  # 42 train steps, the cycle has 52
    assert rolled.chosen[0]["order"][1] == 1 and np.abs(rolled.mean["test"]).max() < 10


def test_intervals_hold_what_they_promise():
    draw, noise = np.random.default_rng(5), np.zeros((1500, 3))
    for t in range(1, 1500):
        noise[t] = 0.8 * noise[t - 1] + draw.normal(0, 1, 3)
    data = dataset(50 + noise)
    rolled = arima.forecast(data, parts=("test",))
    covered = arima.coverage(data, rolled)
    assert covered.shape == (5, 2) and covered.index.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(covered.mean(), [0.8, 0.95], atol=0.03)
    unit = data.std.mean()  # standard deviation of an AR(1): sqrt((1 - .64^h) / .36)
    np.testing.assert_allclose(rolled.std["test"][-1, [0, 4], :].mean(1) * unit, [1, 1.58], rtol=0.08)
    low, high = arima.interval(np.zeros(1), np.ones(1), 0.95)
    assert (low[0], high[0]) == pytest.approx((-1.959964, 1.959964))


# ---- diagnostics

def test_ljung_box_finds_what_a_model_left_and_only_that(season):
    draw = np.random.default_rng(0)
    white, left = draw.normal(0, 1, 400), np.zeros(400)
    for t in range(1, 400):
        left[t] = 0.5 * left[t - 1] + white[t]
    white[[3, 90]] = np.nan
    fits = [SimpleNamespace(residuals=errors, order=(1, 0, 1)) for errors in (white, left)]
    table = pictures.ljung_box(fits, ["white", "left"], 7)
    assert table.lags.tolist() == [14, 14] and table.p["white"] > 0.05 and table.p["left"] < 1e-9
    from statsmodels.stats.diagnostic import acorr_ljungbox

    judge = acorr_ljungbox(left, lags=[14], model_df=2)
    assert table.Q["left"] == pytest.approx(judge.lb_stat[14]) and table.p["left"] == pytest.approx(judge.lb_pvalue[14])


def test_pictures_show_every_series_and_level(season):
    tests = pictures.ljung_box(season.rolled.series, season.data.names, 7)
    left, middle, right = pictures.residuals(season.rolled.series, tests).axes
    assert len(left.lines) == season.data.C + 1 and len(middle.collections[0].get_offsets()) == season.data.C
    residual = season.rolled.series[0].residuals
    assert len(residual) == season.data.parts["train"].sum() and 0.9 < np.nanstd(residual) < 1.1
    table = arima.coverage(season.data, season.rolled)
    (axis,) = pictures.coverage(table).axes
    np.testing.assert_allclose(axis.lines[0].get_ydata(), table[0.8])
    flat = SimpleNamespace(residuals=np.full(9, np.nan), order=(0, 0, 0))
    assert np.isnan(pictures.ljung_box([flat], ["flat"], 7).p["flat"])
    assert "no series moves" in pictures.residuals([flat], tests).axes[0].texts[0].get_text()
