"""Free forecasts, exponential smoothing and Croston: hand values, statsmodels as the judge, nothing from the future."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from litecast.data import daytypes
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.models.classical import croston, ets, naive


def dataset(values, frequency="D", season=7, L=14, H=5, **more):  # noqa: N803
    values = np.asarray(values, float)
    times = pd.date_range("2022-01-03", periods=len(values), freq="B" if frequency == "trading-day" else frequency)
    columns = [f"s{c}" for c in range(values.shape[1])]
    header = Header("made-up", "items", frequency, season, L, H, **more)
    return prepare(from_wide(header, pd.DataFrame(values, index=times, columns=columns)))


def weekly(T=300, seed=0):  # noqa: N803
    draw = np.random.default_rng(seed)
    values = 50 + np.array([9, 4, -3, 0, 2, -8, -4])[np.arange(T) % 7, None] * [1, 2]
    values = values + draw.normal(0, 2, (T, 2)).cumsum(0)
    values[[20, 50], [0, 1]] = np.nan
    return values


def sparse(T=400, seed=0):  # noqa: N803
    """A series with a demand every third day or so, and one with a demand every day."""
    draw = np.random.default_rng(seed)
    return np.column_stack([draw.poisson(4, T) * (draw.random(T) < 0.3), draw.poisson(9, T) + 1.0])


# ---- free

def test_drift_goes_on_along_the_line_from_the_first_to_the_last_value():
    values = np.random.default_rng(0).normal(0, 1, (100, 2)).cumsum(0)
    data = dataset(values)
    origins = data.origins("test")
    out = data.unscale(naive.drift(data, "test").astype(float))
    for n in (0, 7):
        t = origins[n]
        slope = (values[t - 1] - values[0]) / (t - 1)
        np.testing.assert_allclose(out[n], values[t - 1] + np.arange(1, 6)[:, None] * slope, atol=1e-5)
    assert out.shape == (len(origins), 5, 2)


def test_the_mean_of_the_same_weekday_on_train_by_hand():
    values = np.arange(100.0)[:, None]
    values[3] = np.nan
    data = dataset(values)
    assert data.parts["train"].sum() == 70
    out = data.unscale(naive.historical_average(data, "test"))[0, :, 0]
    # steps 80..84 are phases 3, 4, 5, 6, 0 of ten weeks; the first step of phase 3 is missing: 10, 17, .., 66
    np.testing.assert_allclose(out, [38, 35.5, 36.5, 37.5, 31.5], rtol=1e-6)


@pytest.mark.parametrize("middle", ["mean", "median"])
def test_the_usual_week_by_hand(middle):
    """Monday's values are 0, 1, 2, .. and one is far off; holidays are days of their own kind."""
    days = pd.date_range("2022-01-03", periods=300)
    values = np.where(days.day_of_week == 0, np.arange(300) // 7, 100.0)
    values[7] = 1000
    single = daytypes.special("D", "KR").index("holiday") + 1
    values[dataset(values[:, None], country="KR").cells // 7 == single] = 500
    data = dataset(values[:, None], country="KR")
    out = data.unscale(naive.usual_week(data, "test", middle))[..., 0]
    week = data.origins("test")[:, None] + np.arange(data.H)
    kind = data.cells // 7
    ordinary = (data.cells == 0) & data.parts["train"]
    expected = getattr(np, middle)(values[ordinary])  # then 2 days of the mean of all
    days_seen = ordinary.sum()
    every = getattr(np, middle)(values[data.parts["train"]])
    mondays = out[(data.cells[week] == 0)]
    assert len(mondays) and days_seen > 20
    np.testing.assert_allclose(mondays, (expected * days_seen + 2 * every) / (days_seen + 2), rtol=1e-5)
    holidays = out[kind[week] == single]
    assert len(holidays) and (holidays > 200).all() and (out[kind[week] == 0] < 200).all()


def test_without_a_season_it_is_the_train_mean():
    data = dataset(np.random.default_rng(1).normal(9, 3, (200, 2)), "trading-day", season=1)
    mean = np.nanmean(data.scale(data.y)[data.parts["train"]], axis=0)
    assert (np.abs(mean) < 1 / 32 + 1e-6).all(), "the scaler's mean is a whole number of sixteenths of its std"
    np.testing.assert_allclose(naive.historical_average(data, "test"), np.broadcast_to(mean, (len(
        data.origins("test")), data.H, data.C)), atol=1e-6)


@pytest.mark.parametrize(("season", "other"), [(168, 24), (24, 168)])
def test_hourly_data_has_two_seasons(season, other):
    values = np.arange(1000.0)[:, None]
    data = dataset(values, "h", season=season, L=48, H=30)
    assert list(naive.family(data)) == ["naive", "drift", "seasonal_naive", f"seasonal_naive_{other}",
                                        "historical_average", "usual_mean", "usual_median"]  # fmt: skip
    out = data.unscale(naive.family(data)[f"seasonal_naive_{other}"](data, "test"))[0, :, 0]
    np.testing.assert_allclose(out, 800 - other + np.arange(30) % other, rtol=1e-6)


@pytest.mark.parametrize("frequency", ["D", "trading-day"])
def test_other_data_has_one(frequency):
    data = dataset(weekly(), frequency, season=7 if frequency == "D" else 1)
    assert "seasonal_naive_24" not in naive.family(data) and naive.other_season(data) is None


@pytest.mark.parametrize("name", ["naive", "drift", "seasonal_naive", "seasonal_naive_24", "historical_average",
                                  "usual_mean", "usual_median"])  # fmt: skip
def test_no_free_forecast_sees_its_own_future(name):
    values, cut = np.random.default_rng(0).normal(50, 5, (1500, 2)), 1250
    before = dataset(values, "h", season=168, L=48, H=24)
    values[cut:] += 300
    after = dataset(values, "h", season=168, L=48, H=24)
    for part in ("val", "test"):
        origins = before.origins(part)
        one, two = naive.family(before)[name](before, part), naive.family(after)[name](after, part)
        assert one.shape == (len(origins), 24, 2) and one.dtype == np.float32
        np.testing.assert_array_equal(one[origins <= cut], two[origins <= cut])
        assert name in naive.TABLES or part == "val" or not np.array_equal(one, two)


# ---- exponential smoothing

@pytest.mark.parametrize(("frequency", "season"), [("D", 7), ("trading-day", 1)])
def test_rolled_states_forecast_as_statsmodels_does_from_each_origin(frequency, season):
    data = dataset(weekly(), frequency, season)
    yhat, chosen = ets.forecast(data)
    stretch = ets.longest_stretch(data.parts["train"])
    assert stretch == slice(0, 210)
    assert {line["model"] for line in chosen} <= ({"ANA", "AAdA"} if season == 7 else {"AAdN"})
    origins = np.concatenate([data.origins("val"), data.origins("test")])[::3]
    for c in range(2):
        x = data.x[:, c].astype(float)
        m = ets.season(data, stretch)
        assert m == (7 if season == 7 else None) and ets.started(m) == (16 if m else 10)
        fitted = ets.fit(x, stretch, m)
        trends = ("add", None) if m else ("add",)
        best = min((ets._fit(x[stretch], trend, m) for trend in trends), key=lambda r: r.aicc)
        mine = fitted.roll(origins, 9)
        start = ETSModel(x[: ets.started(m)], **ets._shape(best.model.trend, m), initialization_method="heuristic")
        for n, t in enumerate(origins):
            judge = ETSModel(x[:t], **ets._shape(best.model.trend, m), initialization_method="known",
                             initial_level=start.initial_level,
                             initial_trend=start.initial_trend if best.model.trend else None,
                             initial_seasonal=start.initial_seasonal if m else None)  # fmt: skip
            np.testing.assert_allclose(mine[n], judge.smooth(best.params).forecast(9), rtol=0, atol=1e-8)
        own = fitted.roll(data.origins("test"), data.H)
        np.testing.assert_allclose(yhat["test"][:, :, c], own, atol=1e-5)


def test_smoothing_is_fitted_on_train_and_sees_no_future():
    values, cut = weekly(), 270
    before, chosen = ets.forecast(dataset(values))
    values[cut:] += 300
    data = dataset(values)
    after, again = ets.forecast(data)
    assert [line["model"] for line in chosen] == [line["model"] for line in again]
    assert [line["level"] for line in chosen] == [line["level"] for line in again]
    for part in ("val", "test"):
        same = (before[part] == after[part]).all((1, 2))
        np.testing.assert_array_equal(same, data.origins(part) <= cut)


def test_parameters_come_from_the_longest_stretch_of_train():
    train = np.array([True] * 2 + [False] * 2 + [True] * 3 + [False] + [True] * 3)
    assert ets.longest_stretch(train) == slice(4, 7) and ets.longest_stretch(train[:2]) == slice(0, 2)
    x = np.random.default_rng(0).normal(50, 5, 60).cumsum()
    fitted, x[:20] = ets.fit(x.copy(), slice(25, 55), None), 0  # what lies before the stretch fits nothing
    assert ets.fit(x, slice(25, 55), None).weights["level"] == fitted.weights["level"]


def test_before_the_start_values_are_known_the_seasonal_naive_stands_in():
    data = dataset(weekly(400), split="weeks", H=3, L=7)
    yhat, _ = ets.forecast(data)
    early = data.origins("val") < ets.started(7)
    assert 0 < early.sum() < len(early)
    same = (yhat["val"] == naive.seasonal_naive(data, "val")).all((1, 2))
    np.testing.assert_array_equal(same, early)


def test_what_never_moves_in_train_is_the_last_value():
    values = np.full((200, 2), 7.0)
    values[190:, 0] = 9
    values[:, 1] = np.random.default_rng(0).normal(50, 5, 200)  # something has to move
    data = dataset(values)
    yhat, chosen = ets.forecast(data)
    assert chosen[0]["model"] == "last value"
    out = data.unscale(yhat["test"])[..., 0]
    np.testing.assert_allclose(out[data.origins("test") > 190], 9)
    np.testing.assert_allclose(out[data.origins("test") <= 190], 7)


# ---- Croston

def test_croston_by_hand():
    y = np.array([0, 4, 0, 0, 2, np.nan, 0, 6.0])[:, None]
    out = croston.rate(y, (0.1, 0.5))[:, :, 0]
    assert out.shape == (2, 9)
    # first demand: size 4, interval 2; then size 4 + a (2 - 4), interval 2 + a (3 - 2); the missing step does not count
    size, gap = [3.8, 3.0], [2.1, 2.5]
    for a, row in enumerate(out):
        w = (0.1, 0.5)[a]
        last = (size[a] + w * (6 - size[a])) / (gap[a] + w * (2 - gap[a]))
        expected = [0, 0, 2, 2, 2, size[a] / gap[a], size[a] / gap[a], size[a] / gap[a], last]
        np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_simple_smoothing_by_hand():
    out = croston.smooth(np.array([np.nan, 10, 20, np.nan, 0.0])[:, None], (0.5,))[0, :, 0]
    np.testing.assert_allclose(out, [0, 0, 10, 15, 15, 7.5])


def test_a_series_is_intermittent_above_1_32_steps_between_demands():
    third = np.tile([0, 0, 5.0], 100)
    often = np.tile([1.0, 2, 0, 3], 75)  # 3 demands in 4 steps: mean interval 4 / 3 = 1.33
    almost = np.tile([1.0, 2, 1, 0, 3], 60)  # 1.25
    data = dataset(np.column_stack([third, often, almost, np.zeros(300)]))
    np.testing.assert_allclose(croston.intervals(data)[:3], [3, 4 / 3, 5 / 4], atol=0.01)
    assert croston.intermittent(data).tolist() == [True, True, False, True]


def test_sba_is_croston_less_half_the_weight_and_steady_series_are_smoothed():
    data = dataset(sparse())
    both, chosen = croston.forecast(data)
    raw, origins = data.y, data.origins("test")
    assert [line["intermittent"] for line in chosen] == [True, False]
    for name, factor in (("croston", 1.0), ("sba", 1 - chosen[0]["alpha_sba"] / 2)):
        expected = croston.rate(raw[:, :1], (chosen[0][f"alpha_{name}"],))[0, origins, 0] * factor
        out = data.unscale(both[name]["test"].astype(float))
        assert out.shape == (len(origins), 5, 2)
        np.testing.assert_allclose(out[:, 0, 0], expected, rtol=1e-5)
        np.testing.assert_array_equal(out[:, 0], out[:, 4])
        steady = croston.smooth(raw[:, 1:], (chosen[1][f"alpha_{name}"],))[0, origins, 0]
        np.testing.assert_allclose(out[:, 0, 1], steady, rtol=1e-5)


def test_the_weight_is_that_of_the_least_one_step_error_on_train():
    data = dataset(sparse(seed=3))
    _, chosen = croston.forecast(data)
    train = np.flatnonzero(data.parts["train"])
    rates = croston.rate(data.y[:, :1], croston.ALPHAS)[:, :, 0]
    errors = [np.square(rate[train] - data.y[train, 0]).sum() for rate in rates]
    assert chosen[0]["alpha_croston"] == croston.ALPHAS[int(np.argmin(errors))]


def test_croston_sees_no_future():
    values, cut = sparse(), 350
    before, _ = croston.forecast(dataset(values))
    values[cut:] = 50
    data = dataset(values)
    after, _ = croston.forecast(data)
    for name in ("croston", "sba"):
        same = (before[name]["test"] == after[name]["test"]).all((1, 2))
        np.testing.assert_array_equal(same, data.origins("test") <= cut)
