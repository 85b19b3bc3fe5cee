"""MSTL: what it takes apart, statsmodels as the judge of the rest, holidays, nothing from the future."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from litecast.data import calendar
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.models.classical import arima, mstl, naive


def dataset(values, frequency="D", season=7, L=14, H=5, country=None, **more):  # noqa: N803
    times = pd.date_range("2022-01-03", periods=len(values), freq="B" if frequency == "trading-day" else frequency)
    wide = pd.DataFrame(values, times, [f"s{c}" for c in range(values.shape[1])])
    return prepare(from_wide(Header("made-up", "items", frequency, season, L, H, country=country, **more), wide))


def weekly(T=420, noise=1.0):  # noqa: N803
    draw = np.random.default_rng(0)
    week = np.array([9, 4, -3, 0, 2, -8, -4])[np.arange(T) % 7, None] * [1, 2]
    return 50 + week + draw.normal(0, noise, (T, 2)).cumsum(0) / 3 + draw.normal(0, noise / 3, (T, 2))


def mae(data, yhat, part="test"):
    return np.nanmean(np.abs(yhat - data.scale(data.targets(data.origins(part)))))


def test_which_cycles_are_taken_apart():
    hours = np.random.default_rng(0).normal(50, 5, (900, 1))
    assert mstl.periods(dataset(hours, "h", 168, 48, 24)) == (24, 168)
    assert mstl.periods(dataset(hours[:400], "h", 168, 48, 24)) == (24,)  # 280 steps of train hold no two weeks
    assert mstl.periods(dataset(weekly())) == (7,)
    assert mstl.periods(dataset(weekly(), "trading-day", 1)) == ()


@pytest.mark.parametrize(("ar", "ma"), [([0.5], [0.3]), ([0.5, -0.3], [0.4]), ([0.5, -0.3], [0.4, 0.2])])
def test_the_rest_is_rolled_as_statsmodels_does(ar, ma):
    rest, ends = np.random.default_rng(2).normal(0, 1, 200).cumsum(), np.arange(101, 196, 7)
    mine = mstl.Rest(np.array(ar), np.array(ma))
    assert mine.order in mstl.ORDERS
    judge = [SARIMAX(rest[:end], order=mine.order).filter([*ar, *ma, 1.0]).forecast(9) for end in ends]
    np.testing.assert_allclose(mine.roll(rest, ends, 9), judge, atol=1e-6)  # the filter has forgotten its start


def test_the_rest_by_hand():
    rest, ends = np.array([1.0, 3, 2, 6]), np.array([3, 4])
    # moves 2, -1, 4; shocks of an MA(1) of .5: 2, -1 - .5 * 2 = -2, 4 + 1 = 5; with an AR(1) of .2: 2, -2.4, 5.4
    assert mstl.Rest(np.array([]), np.array([0.5])).roll(rest, ends, 2).tolist() == [[1, 1], [8.5, 8.5]]
    out = mstl.Rest(np.array([0.2]), np.array([0.5])).roll(rest, ends, 2)
    np.testing.assert_allclose(out, [[2 - 0.2 - 1.2, 2 - 1.4 - 0.28], [6 + 0.8 + 2.7, 6 + 3.5 + 0.7]])


def test_a_clean_cycle_is_forecast_exactly_and_noise_better_than_by_the_last_week():
    clean = weekly(noise=0) + np.arange(420)[:, None] / 50
    data = dataset(clean)
    made, chosen = mstl.forecast(data)
    np.testing.assert_allclose(data.unscale(made["test"]), data.targets(data.origins("test")), atol=0.05)
    assert {line["model"] for line in chosen} == {"MSTL"}
    data = dataset(weekly())
    made, _ = mstl.forecast(data)
    assert made["test"].shape == (len(data.origins("test")), 5, 2) and made["test"].dtype == np.float32
    assert mae(data, made["test"]) < 0.9 * mae(data, naive.seasonal_naive(data, "test"))


def test_two_cycles_of_hours_are_found():
    draw, t = np.random.default_rng(1), np.arange(24 * 70)[:, None]
    values = 100 + 30 * np.sin(2 * np.pi * t / 24) + 15 * (t // 24 % 7 > 4) + draw.normal(0, 1, t.shape).cumsum(0) / 4
    data = dataset(values, "h", 168, 48, 24)
    made, _ = mstl.forecast(data)
    assert mae(data, made["test"]) < 0.7 * mae(data, naive.seasonal_naive(data, "test"))


@pytest.mark.parametrize("split", ["chronological", "weeks"])
def test_no_forecast_sees_its_own_future_and_nothing_after_train_changes_the_fit(split):
    values = weekly()
    before = dataset(values, split=split)
    cut = int(before.origins("test")[30])
    made, chosen = mstl.forecast(before)
    changed = values.copy()
    changed[cut:] = 200 - changed[cut:]
    after = dataset(changed, split=split)
    again, other = mstl.forecast(after)
    assert chosen == other
    for part in ("val", "test"):
        same = (made[part] == again[part]).all((1, 2))
        np.testing.assert_array_equal(same, before.origins(part) <= cut)


def test_validation_amid_train_is_not_fitted_on(monkeypatch):
    data, seen = dataset(weekly(), split="weeks"), []
    monkeypatch.setattr(mstl, "SARIMAX", lambda rest, **how: seen.append(np.isfinite(rest)) or SARIMAX(rest, **how))
    chosen = mstl._fit(mstl._train(data.x[:, 0].astype(float), data.parts["train"], 7), (7,))
    train = data.parts["train"][: np.flatnonzero(data.parts["train"])[-1] + 1][-12 * 7 :]
    assert 0 < train.sum() < 84 and all((rest == train).all() for rest in seen) and len(seen) == 3
    moved = data.x.copy()
    moved[data.parts["val"]] *= 2
    again = mstl._fit(mstl._train(moved[:, 0].astype(float), data.parts["train"], 7), (7,))
    np.testing.assert_array_equal(chosen.ar, again.ar)
    np.testing.assert_array_equal(chosen.ma, again.ma)


def test_a_block_is_decomposed_once_and_later_origins_still_see_what_came():
    data = dataset(weekly())
    step, x = mstl._step(len(data.origins("val")) + len(data.origins("test")), 7), data.x[:, 0].astype(float)
    assert step == 7 and mstl._step(1700, 24) == 48 and mstl._step(10, 24) == 24
    best, like = mstl._fit(mstl._train(x, data.parts["train"], 7), (7,)), mstl._like(data)
    block = np.array([350, 351, 352])
    out = mstl._roll(x, x, like, block, 5, (7,), best)
    seasonal = mstl.seasonal(x[350 - 56 : 350], (7,))
    ahead = np.concatenate([seasonal, np.tile(seasonal[-7:], 2)])
    rest = x[350 - 56 : 352] - ahead[:58]
    np.testing.assert_allclose(out, best.roll(rest, block - 294, 5) + ahead[block[:, None] - 294 + np.arange(5)])


def test_a_holiday_counts_as_the_sunday_before_and_bends_no_week():
    values, days = weekly(), pd.date_range("2022-01-03", periods=420)
    week, off = np.array([9, 4, -3, 0, 2, -8, -4]), np.flatnonzero(calendar.holidays(days, "KR"))
    values[off] += (week[6] - week[days.day_of_week[off]])[:, None] * [1, 2]
    plain, data = dataset(values), dataset(values, country="KR")
    like = mstl._like(data)
    assert (mstl._like(plain) == np.arange(420)).all()
    tuesday = int(np.flatnonzero(days == "2022-03-01")[0])
    assert like[tuesday] == tuesday - 2 and days[like[tuesday]].day_of_week == 6 and like[tuesday + 1] == tuesday + 1
    x = data.x[:, 0].astype(float)
    ordinary = mstl._ordinary(x, like, 7)
    assert ordinary[tuesday] == x[tuesday - 7] and set(np.flatnonzero(ordinary != x)) <= set(off)
    touched = np.isin(data.origins("test")[:, None] + np.arange(5), np.flatnonzero(like != np.arange(420))).any(1)
    gap = [np.abs(mstl.forecast(d)[0]["test"] - d.scale(d.targets(d.origins("test"))))[touched].mean()
           for d in (data, plain)]  # fmt: skip
    assert gap[0] < 0.9 * gap[1]


def test_before_two_cycles_the_seasonal_naive_stands_in():
    data = dataset(weekly(), split="weeks", L=7, H=3)
    made, _ = mstl.forecast(data)
    origins = data.origins("val")
    blocks = np.split(origins, np.flatnonzero(np.diff(origins // 7)) + 1)
    early = np.concatenate([np.full(len(block), block[0] <= 14) for block in blocks])
    same = (made["val"] == naive.seasonal_naive(data, "val")).all((1, 2))
    np.testing.assert_array_equal(same, early)


def test_a_series_that_cannot_be_fitted_keeps_the_seasonal_naive_and_is_named(monkeypatch, capsys):
    data = dataset(weekly())
    whole, first = mstl._fit, []

    def fails(x, found):
        first.append(0)
        if len(first) == 2:
            raise np.linalg.LinAlgError("singular")
        return whole(x, found)

    monkeypatch.setattr(mstl, "_fit", fails)
    made, chosen = mstl.forecast(data)
    np.testing.assert_array_equal(made["test"][..., 1], naive.seasonal_naive(data, "test")[..., 1])
    assert [line["model"] for line in chosen] == ["MSTL", mstl.NAIVE]
    assert "MSTL could not be fitted to 1 series" in capsys.readouterr().out


def test_it_beats_arima_where_the_week_changes_its_shape():
    draw, t = np.random.default_rng(3), np.arange(560)
    week = np.where(t < 280, 10.0, -10.0) * np.array([1, 0, 0, 0, 0, -1, -1])[t % 7]
    data = dataset((50 + week + draw.normal(0, 1, 560))[:, None], split="chronological")
    made, _ = mstl.forecast(data)
    assert mae(data, made["test"]) < 0.7 * mae(data, arima.forecast(data).mean["test"])
