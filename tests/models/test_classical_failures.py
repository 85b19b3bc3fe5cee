"""Where a classical model cannot be fitted, numerically, to one series: that one keeps a simpler forecast, and it is
said; the others are fitted as before."""

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.statespace.sarimax import SARIMAX

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.models.classical import arima, boosting, croston, ets, naive, ridge

FAILURES = [np.linalg.LinAlgError("Singular matrix"), ValueError("array must not contain infs or NaNs"),
            IndexError("too few"), FloatingPointError("overflow"), RuntimeError("no convergence")]


def dataset(values, frequency="D", season=7):
    times = pd.date_range("2022-01-03", periods=len(values), freq="B" if frequency == "trading-day" else frequency)
    columns = [f"s{c}" for c in range(values.shape[1])]
    return prepare(from_wide(Header("made-up", "items", frequency, season, 14, 5),
                             pd.DataFrame(values, index=times, columns=columns)))  # fmt: skip


def demand(C=3):  # noqa: N803
    """Series with a weekly profile, each on a level of its own, so that a test can tell which is being fitted."""
    draw = np.random.default_rng(0)
    week = np.array([9, 4, -3, 0, 2, -8, -4])[np.arange(240) % 7, None]
    return 50 + week * (1 + np.arange(C)) + draw.normal(0, 2, (240, C)).cumsum(0)


def failing(monkeypatch, model, when, how, method="fit"):
    """Let `method` of a statsmodels class fail where `when` holds for the values it was given."""
    whole = getattr(model, method)

    def fit(self, *args, **options):
        if when(np.asarray(self.endog, float).ravel()):
            if isinstance(how, Exception):
                raise how
            return how(whole(self, *args, **options))
        return whole(self, *args, **options)

    monkeypatch.setattr(model, method, fit)


def second(data):
    """Whether values are those of the second series, as ARIMA or ETS see it: its errors around a regression or x."""
    own = data.scale(data.y)[:, 1]
    others = [data.scale(data.y)[:, c] for c in (0, 2)]

    def tells(values):
        def near(series):
            seen = np.isfinite(values) & np.isfinite(series[: len(values)])
            return np.corrcoef(np.diff(values[seen]), np.diff(series[: len(values)][seen]))[0, 1]
        return near(own) > max(map(near, others))

    return tells


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_an_arima_that_fails_for_one_series_is_its_regression_and_said(monkeypatch, capsys, error):
    data = dataset(demand())
    before = arima.forecast(data)
    assert capsys.readouterr().out == "" and {line["note"] for line in before.chosen} == {""}
    failing(monkeypatch, SARIMAX, second(data), error)
    after = arima.forecast(data)
    np.testing.assert_array_equal(after.mean["test"][..., [0, 2]], before.mean["test"][..., [0, 2]])
    assert "ARIMA could not be fitted to 1 series, which keep a simpler forecast: s1" in capsys.readouterr().out
    assert [line["note"] for line in after.chosen] == ["", "the regression alone", ""]
    steps = data.origins("test")[:, None] + np.arange(data.H)
    np.testing.assert_allclose(after.mean["test"][..., 1], after.series[1].mean[steps], rtol=1e-5)
    spread = after.std["test"][..., 1]
    inside = (data.scale(data.y)[:, 1] - after.series[1].mean)[data.parts["train"]]
    np.testing.assert_allclose(spread, inside.std(), rtol=1e-5)


@pytest.mark.parametrize("season", [7, 1])
def test_a_filter_that_fails_or_gives_no_number_loses_too(monkeypatch, season):
    data = dataset(demand(1), "D" if season == 7 else "trading-day", season)
    monkeypatch.setattr(SARIMAX, "filter", lambda *_, **__: (_ for _ in ()).throw(np.linalg.LinAlgError("singular")))
    rolled = arima.forecast(data)
    assert rolled.chosen[0]["note"] == ("the regression alone" if season == 7 else "the last value alone")
    if season == 1:
        np.testing.assert_allclose(rolled.mean["test"], naive.naive(data, "test"), atol=1e-5)
        growth = rolled.std["test"][0, :, 0] / rolled.std["test"][0, 0, 0]
        np.testing.assert_allclose(growth, np.sqrt(1 + np.arange(data.H)), rtol=1e-6)  # a random walk


def test_only_the_order_that_fails_loses(monkeypatch):
    data = dataset(demand(1))
    wins = arima.forecast(data).chosen[0]["order"]
    whole = arima._fit
    monkeypatch.setattr(arima, "_fit", lambda e, order: whole(e, order if order != wins else "no such order"))
    line = arima.forecast(data).chosen[0]
    assert line["note"] == "" and line["order"] in {(p, wins[1], q) for p, q in arima.ORDERS} - {wins}


def test_a_fit_without_an_aicc_is_no_candidate(monkeypatch):
    data = dataset(demand(1))

    class Lost:
        aicc = np.nan

    monkeypatch.setattr(arima, "_fit", lambda *_: Lost())
    assert arima.forecast(data).chosen[0]["note"] == "the regression alone"


def test_a_regression_that_fails_leaves_the_last_value(monkeypatch):
    data = dataset(demand(1))
    monkeypatch.setattr(np.linalg, "lstsq", lambda *_, **__: (_ for _ in ()).throw(np.linalg.LinAlgError("SVD")))
    rolled = arima.forecast(data)
    assert rolled.chosen[0]["note"] == "the last value alone"
    np.testing.assert_allclose(rolled.mean["test"], naive.naive(data, "test"), atol=1e-5)


@pytest.mark.parametrize(("error", "method"), list(itertools.product(FAILURES, ["fit", "smooth"])),
                         ids=lambda one: one if isinstance(one, str) else type(one).__name__)
def test_smoothing_that_fails_for_one_series_is_its_seasonal_naive_and_said(monkeypatch, capsys, error, method):
    data = dataset(demand())
    before, _ = ets.forecast(data)
    assert capsys.readouterr().out == ""
    failing(monkeypatch, ETSModel, second(data), error, method)
    after, chosen = ets.forecast(data)
    np.testing.assert_array_equal(after["test"][..., [0, 2]], before["test"][..., [0, 2]])
    np.testing.assert_array_equal(after["test"][..., 1], naive.seasonal_naive(data, "test")[..., 1])
    assert chosen[1]["model"] == ets.NAIVE
    assert "Exponential smoothing could not be fitted to 1 series" in capsys.readouterr().out


def test_what_is_no_numerical_failure_is_not_hidden(monkeypatch):
    data = dataset(demand(1))
    monkeypatch.setattr(arima, "_fit", lambda *_: (_ for _ in ()).throw(TypeError("a mistake of ours")))
    with pytest.raises(TypeError, match="a mistake of ours"):
        arima.forecast(data)


AWKWARD = {
    "never sold": np.zeros(240), "constant": np.full(240, 5.0), "sold out": np.where(np.arange(240) < 150, 8.0, 0.0),
    "one sale": np.eye(1, 240, 60).ravel(), "sold in the test alone": np.where(np.arange(240) > 200, 3.0, 0.0),
    "a straight line": np.arange(240.0), "huge": 1e14 + np.arange(240) % 7, "tiny": 1e-12 * (np.arange(240) % 5),
    "alternating": np.arange(240) % 2 * 1.0, "a step": np.where(np.arange(240) < 100, 1.0, 9.0),
    "one outlier": np.where(np.arange(240) == 77, 1e12, 1.0), "explosive": 1.1 ** np.arange(240),
}  # fmt: skip


@pytest.mark.parametrize("frequency", ["D", "trading-day"])
def test_every_classical_model_has_a_number_for_awkward_series_beside_a_plain_one(frequency, few_bins):
    data = dataset(np.column_stack([demand(1), *AWKWARD.values()]), frequency, 7 if frequency == "D" else 1)
    fitted = ridge.fit(data), boosting.fit(data)
    made = {"arima": arima.forecast(data).mean["test"], "ets": ets.forecast(data)[0]["test"],
            **{name: parts["test"] for name, parts in croston.forecast(data)[0].items()},
            **{module.__name__: module.predict(one["model"], one["spec"], data, data.origins("test"))
               for module, one in zip((ridge, boosting), fitted, strict=True)}}  # fmt: skip
    lost = {(name, ["plain", *AWKWARD][c]) for name, yhat in made.items()
            for c in np.flatnonzero(~np.isfinite(yhat).all((0, 1)))}  # fmt: skip
    assert lost == set() and len(made) == 6
