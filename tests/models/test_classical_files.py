"""Ridge and boosted trees: known answers, files that hold all, no future, weather only where it may be."""

import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import ModelFileError
from litecast.models import base
from litecast.models.classical import boosting, lagged, naive, ridge, stored

T = 24 * 60


def street(frequency="h", season=168, L=48, H=12, change=None, weather=None):  # noqa: N803
    """Two series with a daily shape and noise, lowered by the weather of the same hour."""
    draw = np.random.default_rng(3)
    sky = draw.normal(0, 1, T // 8).repeat(8) if weather is None else weather
    hours = np.arange(T)[:, None]
    values = 100 + 30 * np.sin(2 * np.pi * (hours - [0, 5]) / 24) + draw.normal(0, 2, (T, 2)) - 12 * sky[:, None]
    if change is not None:
        values[change:] += 70
    start = "2024-01-01"
    times = pd.date_range(start, periods=T, freq="B" if frequency == "trading-day" else frequency)
    wide = pd.DataFrame(values, index=times, columns=["a", "b"])
    observed = {"sky": pd.DataFrame(np.tile(sky[:, None], 2), index=times, columns=wide.columns)}
    header = Header("made-up", "vehicles/h", frequency, season, L, H)
    return prepare(from_wide(header, wide, observed))


@pytest.fixture(autouse=True, scope="module")
def few_rows(few_bins):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(boosting.SIZES, "", boosting.Size(4000, 1000, {}))
        patch.setitem(boosting.SETTINGS, "max_iter", 25)
        yield


@pytest.fixture(scope="module")
def data():
    return street()


@pytest.fixture(scope="module")
def fits(data, few_rows):
    """What the tests only look at: ridge, and the three kinds of boosting."""
    return {"ridge": ridge.fit(data), **{f"boosting{w}": boosting.fit(data, w) for w in ("", "weather", "oracle")}}


def mae(data, yhat, part="test"):
    return np.nanmean(np.abs(yhat - data.scale(data.targets(data.origins(part)))))


# ---- what they see

def test_windows_are_normalised_as_the_networks_do_it(data):
    import torch

    seen = {}

    class Spy(base.Forecaster):
        def net(self, rows, known):
            seen["rows"], seen["known"] = rows, known
            return rows[:, : self.config.H]

    for anchor in ("mean", "last"):
        origins = data.origins("val")[:5]
        x = torch.from_numpy(np.stack([data.x[t - data.L : t] for t in origins]))
        z = torch.from_numpy(np.stack([data.z[t - data.L : t + data.H] for t in origins]))
        Spy(base.Config(L=data.L, H=data.H, F=data.F, anchor=anchor, steps=24))(x, z)
        rows, _, _ = lagged.windows(data, np.tile([0, 1], 5), origins.repeat(2), anchor)
        np.testing.assert_allclose(rows, seen["rows"], atol=1e-5)
        known = lagged.calendar(data, lagged.Spec.of(data), origins)
        np.testing.assert_allclose(known.repeat(2, axis=0), seen["known"], atol=1e-6)


def test_lags_of_a_row_by_hand(data):
    spec, t = lagged.Spec.wide(data), 1000  # step 0 is a Monday, 00:00
    of, steps = np.zeros(2, int), np.array([1, 7])
    row, base, unit = lagged.table(data, spec, np.array([1]), np.array([t]), of, steps)
    _, shift, scale = lagged.windows(data, np.array([1]), np.array([t]), "mean")
    week = spec.usual[1].astype(np.float32).ravel()[np.arange(T) % 168]
    level = shift[0, 0] - week[t - data.L : t].mean()
    x, odd = (data.x[:, 1] - shift[0, 0]) / scale[0, 0], (data.x[:, 1] - week - level) / scale[0, 0]
    assert spec.usual.shape == (2, 7, 24) and (unit == scale[0, 0]).all()
    for i, h in enumerate(steps):
        target = t + h - 1
        assert base[i] == pytest.approx(week[target] + level, abs=1e-5)
        wanted = [x[t - 1], x[t - 3], x[t - 24 : t].mean(), x[target - 24], x[target - 72], x[target - 168],
                  x[target - 4 * 168], x[[target - 168 * k for k in (1, 2, 3, 4)]].mean(), x[target - 169], h,
                  target % 168, target % 24, x[t - 1] - x[t - 1 - 168], odd[t - 1], odd[t - 24 : t].mean(),
                  odd[target - 24], odd[target - 168], odd[[target - 168 * k for k in (1, 2, 3, 4)]].mean(), level,
                  (base[i] - shift[0, 0]) / unit[i]]  # fmt: skip
        for value in wanted:
            assert np.isclose(row[i], value, atol=1e-5).any(), (h, value)
        assert np.isclose(row[i][-data.F :], data.z[target]).all()


def test_no_lag_of_a_horizon_longer_than_a_season_lies_at_or_after_its_origin(data):
    t = 900
    of, steps = np.zeros(180, int), np.arange(1, 181)
    seen = lagged.Inputs(data.x.copy(), data.z, data.cells, data.L, data.H)
    seen.x[t:] += 9
    spec = lagged.Spec.wide(data)
    rows = [lagged.table(d, spec, np.array([1]), np.array([t]), of, steps)[0] for d in (data, seen)]
    np.testing.assert_array_equal(*rows)


def test_phases_come_from_the_calendar_and_not_from_where_the_data_began(data):
    spec, later = lagged.Spec.wide(data), 5
    cut = lagged.Inputs(data.x[later:], data.z[later:], data.cells[later:], data.L, data.H)
    rows = (np.array([0, 1]), np.array([1000, 1000]), np.array([0, 1, 1]), np.array([1, 5, 12]))
    moved = (rows[0], rows[1] - later, *rows[2:])
    for one, two in zip(lagged.table(data, spec, *rows), lagged.table(cut, spec, *moved), strict=True):
        np.testing.assert_array_equal(one, two)
    table = lagged.table(data, spec, *rows)[0]
    day = np.flatnonzero((table == (1000 + rows[3][:, None] - 1) % 24).all(0))
    assert len(day), "the step of the day is among what is seen"


def test_a_holiday_is_another_kind_of_day_and_has_usual_values_of_its_own():
    draw, days = np.random.default_rng(0), pd.date_range("2022-01-03", periods=420)
    rest = np.isin(days, pd.DatetimeIndex(["2022-03-01", "2022-06-06", "2022-08-15", "2022-10-03", "2022-12-26"]))
    values = (50 - 30 * rest + draw.normal(0, 1, 420))[:, None]
    header = Header("shop", "items", "D", 7, 21, 7, country="KR")
    data = prepare(from_wide(header, pd.DataFrame(values, days, ["a"])))
    spec = lagged.Spec.wide(data)
    kind = data.cells // 7
    t = int(np.flatnonzero(days == "2022-06-06")[0])
    row, base, unit = lagged.table(data, spec, np.array([0]), np.array([t]), np.zeros(2, int), np.array([1, 2]))
    assert kind[t] > 0 and kind[t] in row[0] and kind[t + 1] == 0
    assert base[0] < base[1] - 5 * np.abs(data.x[kind == 0]).std(), "a holiday is expected to be low"


def test_stocks_see_the_market_and_a_long_mean():
    draw = np.random.default_rng(0)
    values = np.exp(draw.normal(10, 0.3, (600, 3)))
    header = Header("market", "shares", "trading-day", 1, 20, 5, transform="log", kind="stocks", country="KR")
    times = pd.bdate_range("2020-01-01", periods=600)
    data = prepare(from_wide(header, pd.DataFrame(values, times, ["a", "b", "c"])))
    spec, t = lagged.Spec.wide(data), 400
    assert spec.market and spec.reach == lagged.LONG == 250 and spec.usual.shape == (3, 5 + 3, 1)
    row, _, unit = lagged.table(data, spec, np.array([2]), np.array([t]), np.zeros(1, int), np.array([3]))
    last, market = data.x[t - 1, 2], data.x.mean(1)
    for value in (market[t - 1] - last, market[t - 1] - market[t - 5 : t].mean(),
                  market[t - 1] - market[t - 20 : t].mean(), data.x[t - 250 : t, 2].mean() - last):
        assert np.isclose(row[0], value / unit[0], atol=1e-5).any(), value
    few = lagged.table(data, spec, np.array([2]), np.array([60]), np.zeros(1, int), np.array([1]))
    assert np.isclose(few[0][0], (data.x[:60, 2].mean() - data.x[59, 2]) / few[2][0], atol=1e-5).any(), "what there is"


def test_a_lag_that_is_not_known_yet_goes_back_another_day():
    target, steps = np.array([1023, 1024, 1047]), np.array([24, 25, 48])  # origin 1000
    assert lagged._back(target, steps, 24, 1).tolist() == [999, 976, 999]
    assert (lagged._back(target, steps, 24, 1) < 1000).all() and lagged._back(target, steps, 24, 2)[0] == 975


# ---- forecasts

def test_ridge_finds_a_linear_rule():
    wave = np.sin(2 * np.pi * np.arange(600) / 25)[:, None] * [5, 9] + 40  # no season of the header's
    header = Header("wave", "items", "h", 168, 48, 12)
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    data = prepare(from_wide(header, pd.DataFrame(wave, index=times, columns=["a", "b"])))
    fitted = ridge.fit(data)
    assert fitted["val_mae"][fitted["alpha"]] == min(fitted["val_mae"].values()) and len(fitted["val_mae"]) == 7
    assert mae(data, ridge.predict(fitted["model"], fitted["spec"], data, data.origins("test"))) < 0.02
    assert fitted["model"].coef_.shape == (12, 48 + 4 * data.F) and fitted["model"].coef_.dtype == np.float32


def test_both_beat_the_season_where_there_is_something_to_know(data, fits):
    free = mae(data, naive.seasonal_naive(data, "test", 24))
    for kind, module in (("ridge", ridge), ("boosting", boosting)):
        fitted = fits[kind]
        out = module.predict(fitted["model"], fitted["spec"], data, data.origins("test"))
        assert out.shape == (len(data.origins("test")), 12, 2) and out.dtype == np.float32
        assert mae(data, out) < 0.9 * free


def test_without_a_season_nothing_to_learn_is_the_last_value():
    draw = np.random.default_rng(0)
    values = draw.normal(0, 1, (500, 2)).cumsum(0) + 100
    header = Header("walk", "items", "trading-day", 1, 20, 5)
    times = pd.bdate_range("2020-01-01", periods=500)
    data = prepare(from_wide(header, pd.DataFrame(values, index=times, columns=["a", "b"])))
    walk = mae(data, naive.naive(data, "test"))
    for module in (ridge, boosting):
        fitted = module.fit(data)
        assert fitted["spec"].anchor == "last"
        zero = type("Zero", (), {"predict": lambda self, X: np.zeros(len(X)), "intercept_": np.zeros(5, np.float32),
                                 "coef_": np.zeros((5, 20 + 5 * data.F), np.float32)})()  # fmt: skip
        out = module.predict(zero, fitted["spec"], data, data.origins("test"))
        expected = naive.naive(data, "test")
        if module is boosting:  # the shape of the usual week, from the last value on
            usual, at = fitted["spec"].usual[:, :, 0].T.astype(np.float32), data.cells
            steps = data.origins("test")[:, None] + np.arange(5)
            expected = expected + usual[at[steps]] - usual[at[steps[:, :1] - 1]]
        np.testing.assert_allclose(out, expected, atol=1e-5)
        made = module.predict(fitted["model"], fitted["spec"], data, data.origins("test"))
        assert mae(data, made) < 1.15 * walk


@pytest.mark.parametrize(("kind", "module"), [("ridge", ridge), ("boosting", boosting)])
def test_neither_sees_its_own_future_nor_fits_what_comes_after_validation(kind, module, data, fits):
    cut = data.origins("test")[40]
    changed = street(change=cut)
    fitted, again = fits[kind], module.fit(changed)
    for part in ("val", "test"):
        origins = data.origins(part)
        before = module.predict(fitted["model"], fitted["spec"], data, origins)
        after = module.predict(again["model"], again["spec"], changed, origins)
        same = (before == after).all((1, 2))
        assert same[origins <= cut].all() and not same[origins > cut].any()


# ---- weather

def test_lagged_weather_sees_nothing_at_or_after_the_origin_and_the_oracle_does(data):
    t = int(data.origins("test")[10])
    series, origins = np.array([0, 1]), np.array([t, t])
    of, steps = np.repeat([0, 1], 12), np.tile(np.arange(1, 13), 2)
    other = street()
    other.observed[t:] += 5
    past, known = lagged.Spec.wide(data, "weather"), lagged.Spec.wide(data, "oracle")
    one, two = (lagged.table(d, past, series, origins, of, steps)[0] for d in (data, other))
    np.testing.assert_array_equal(one, two)
    one, two = (lagged.table(d, known, series, origins, of, steps)[0] for d in (data, other))
    assert (one != two).any(1).all()
    other = street()
    other.observed[t - 1] += 5  # the hour before the origin is known
    assert (lagged.table(data, past, series, origins, of, steps)[0]
            != lagged.table(other, past, series, origins, of, steps)[0]).any(1).all()


def test_knowing_the_weather_of_tomorrow_helps_and_only_such_forecasts_follow_it(data, fits):
    t = data.origins("test")[:1]
    changed = street()
    changed.observed[t[0] :] -= 3
    made = {}
    for weather in ("", "weather", "oracle"):
        fitted = fits[f"boosting{weather}"]
        made[weather] = boosting.predict(fitted["model"], fitted["spec"], data, data.origins("test"))
        moved = boosting.predict(fitted["model"], fitted["spec"], changed, t)
        assert np.array_equal(made[weather][:1], moved) == (weather != "oracle")
    assert mae(data, made["oracle"]) < 0.8 * mae(data, made[""])


# ---- large trees

def test_large_trees_are_fitted_where_train_holds_rows_enough_and_see_more_of_them(data, monkeypatch):
    rows = len(data.origins("train")) * data.C * data.H
    seen, whole = [], lagged.table
    monkeypatch.setattr(lagged, "table", lambda *args: seen.append(len(args[4])) or whole(*args))
    settings = {"max_leaf_nodes": 4, "max_iter": 2}
    monkeypatch.setitem(boosting.SIZES, "large", boosting.Size(rows // 2, 2000, settings))
    assert boosting.sizes(data) == ["", "large"]
    large = boosting.fit(data, size="large")["model"]
    assert seen == [rows // 2, 2000] and large.n_iter_ == 2 and large.max_leaf_nodes == 4
    monkeypatch.setitem(boosting.SIZES, "large", boosting.Size(rows // 2 + 1, 2000, settings))
    assert boosting.sizes(data) == [""]


# ---- files

@pytest.mark.parametrize(("kind", "module"), [("ridge", ridge), ("boosting", boosting)])
def test_a_file_forecasts_as_what_was_fitted_and_is_the_same_every_time(tmp_path, data, fits, kind, module):
    fitted = fits[kind]
    size = stored.save(tmp_path / "a.skops", kind, fitted, data)
    stored.save(tmp_path / "b.skops", kind, module.fit(data), data)
    content = (tmp_path / "a.skops").read_bytes()
    assert len(content) == size and content == (tmp_path / "b.skops").read_bytes()
    loaded = stored.load(tmp_path / "a.skops")
    yhat = stored.forecast(loaded, data)
    for part in ("val", "test"):
        np.testing.assert_array_equal(yhat[part], module.predict(fitted["model"], fitted["spec"], data,
                                                                 data.origins(part)))  # fmt: skip
    np.testing.assert_array_equal(loaded["card"]["mean"], data.mean)
    row = stored.columns(tmp_path / "a.skops", loaded)
    assert (row["format"], row["runtime"]) == ("skops", "sklearn")
    if kind == "ridge":
        inputs = data.L + 4 * data.F
        assert (row["params"], row["macs"]) == (12 * (inputs + 1), 12 * inputs)
    else:
        trees = [tree for trees in fitted["model"]._predictors for tree in trees]
        assert row["params"] == sum(2 * tree.get_n_leaf_nodes() - 1 for tree in trees) and "macs" not in row


def test_there_is_no_pickle_in_a_file_and_only_one_type_is_trusted(tmp_path, data, fits):
    import skops.io

    path = tmp_path / "a.skops"
    stored.save(path, "boosting", fits["boosting"], data)
    with zipfile.ZipFile(path) as archive:
        assert {name.rpartition(".")[2] for name in archive.namelist()} == {"json", "npy"}
        assert all(b"pickle" not in archive.read(name)[:200] for name in archive.namelist() if name.endswith("npy"))
    assert skops.io.get_untrusted_types(file=path) == list(stored.TRUSTED)


def test_damaged_and_foreign_files_are_refused(tmp_path, data, fits):
    path = tmp_path / "a.skops"
    stored.save(path, "ridge", fits["ridge"], data)
    content, archive = path.read_bytes(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("schema.json", '{"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}')
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for wrong in (b"", content[:-40], bytes(flipped), pickle.dumps({"kind": "ridge"}), archive.getvalue()):
        path.write_bytes(wrong)
        with pytest.raises(ModelFileError, match="a.skops"):
            stored.load(path)


def test_a_file_whose_usual_week_is_not_that_of_its_calendar_is_refused(tmp_path, data, fits):
    import skops.io

    path = tmp_path / "a.skops"
    stored.save(path, "boosting", fits["boosting"], data)
    content = skops.io.load(path, trusted=list(stored.TRUSTED))
    for change in ({"frequency": "30min"}, {"country": "KR"}, {"series": ["a"]}):
        skops.io.dump(content | {"card": content["card"] | change}, path)
        with pytest.raises(ModelFileError, match="usual week"):
            stored.load(path)


def test_a_file_of_other_data_is_refused(tmp_path, data, fits):
    path = tmp_path / "a.skops"
    stored.save(path, "ridge", fits["ridge"], data)
    for other in (street(L=72), street(change=100)):
        with pytest.raises(ModelFileError, match="train it again"):
            stored.forecast(stored.load(path), other)
