"""Files of ridge and boosting forecast raw values by themselves, as a device does: as they do on the whole dataset."""

import numpy as np
import pandas as pd
import pytest

from litecast import runtimes
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import DataError, ModelFileError
from litecast.models.classical import boosting, lagged, ridge, stored

PLACE = runtimes.module("sklearn")
# frequency -> (pandas' name, season, L, H, country, steps)
KINDS = {"h": ("h", 168, 48, 12, "KR", 2400), "D": ("D", 7, 21, 10, "KR", 420),
         "trading-day": ("B", 1, 20, 5, "KR", 700), "MS": ("MS", 12, 12, 3, None, 160)}  # fmt: skip


def dataset(frequency="h", transform="none", gaps=True, sky=False, start="2022-01-03"):
    """Three series with cycles of a week and a day, and gaps, some of them in the test part."""
    freq, season, L, H, country, T = KINDS[frequency]  # noqa: N806
    draw, at = np.random.default_rng(1), np.arange(T)[:, None]
    values = 60 + 20 * np.sin(2 * np.pi * (at / max(season, 5) + [0, 0.2, 0.5])) + draw.normal(0, 3, (T, 3)) * [1, 2, 3]
    if gaps:
        values[draw.random((T, 3)) < 0.02] = np.nan
        values[-40:-37, 1] = np.nan
    times = pd.date_range(start, periods=T, freq=freq)
    if frequency == "trading-day":  # the first of May and Christmas have no trade
        kept = ~times.strftime("%m-%d").isin(["05-01", "12-25"])
        times, values = times[kept], values[kept]
    wide = pd.DataFrame(values, times, ["a", "b", "c"])
    weather = {"sky": pd.DataFrame(np.tile(draw.normal(size=(len(wide), 1)), 3), times, wide.columns)} if sky else None
    kind = "stocks" if season == 1 else "traffic"
    return prepare(from_wide(Header("made-up", "u", frequency, season, L, H, "chronological", transform, country, kind),
                             wide, weather))  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def few_rows(few_bins):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(boosting.SIZES, "", boosting.Size(3000, 800, {}))
        patch.setitem(boosting.SETTINGS, "max_iter", 5)
        yield


def opened(path, kind, data, **wish):
    fitted = {"ridge": ridge, "boosting": boosting}[kind].fit(data, **wish)
    stored.save(path / "m.skops", kind, fitted, data)
    return PLACE.open(path / "m.skops")


def raw(data) -> pd.DataFrame:
    return pd.DataFrame(data.raw(data.scale(data.y)), data.times, data.names)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("frequency", list(KINDS))
@pytest.mark.parametrize("kind", ["ridge", "boosting"])
def test_the_rows_that_a_file_asks_for_give_the_forecast_of_the_whole_dataset(kind, frequency, transform, tmp_path):
    data = dataset(frequency, transform)
    file, rows, origins = opened(tmp_path, kind, data), raw(data), data.origins("test")
    expected = PLACE.predict(file, data, origins)
    for i in range(0, len(origins), max(1, len(origins) // 9)):
        t = origins[i]
        few = rows.iloc[max(0, t - file.card.history) : t]
        out = PLACE.forecast(file, few[["c", "a", "b"]], data.times[t - len(few) : t + data.H])
        assert out.shape == (data.H, 3) and out.dtype == np.float64
        np.testing.assert_allclose(data.scaled(out), expected[i], rtol=0, atol=1e-5)
        plain = PLACE.forecast(file, few.to_numpy(), data.times[t - len(few) : t])  # times to come follow
        if frequency != "trading-day":
            np.testing.assert_array_equal(plain, out)


@pytest.mark.parametrize("frequency", list(KINDS))
def test_a_file_says_how_far_its_lags_reach_and_no_further_row_matters(frequency, tmp_path):
    data = dataset(frequency, gaps=False)
    freq, season, L, *_ = KINDS[frequency]  # noqa: N806
    assert opened(tmp_path, "ridge", data).card.history == 2 * L
    file, rows, t = opened(tmp_path, "boosting", data), raw(data), data.origins("test")[-1]
    reach = {"h": 4 * 168, "D": 3 * 7, "trading-day": 250, "MS": 3 * 12}[frequency]
    assert (file.card.reach, file.card.history) == (reach, reach + L)
    times, whole = data.times[: t + data.H], rows.iloc[:t]
    before = file.forecast(whole, times)
    changed = whole.copy()
    changed.iloc[: t - reach] *= 3
    np.testing.assert_array_equal(file.forecast(changed, times), before)
    spec, series = file.spec, np.array([0])
    far = lagged.Inputs(data.x.copy(), data.z, data.cells, data.L, data.H)
    far.x[t - reach, 0] += 5  # the farthest row that is read
    of, steps = np.zeros(data.H, int), np.arange(1, data.H + 1)
    one, two = (lagged.table(d, spec, series, np.array([t]), of, steps)[0] for d in (data, far))
    assert not np.array_equal(one, two)


def test_fewer_rows_than_the_lags_reach_are_forecast_with_and_warned_of(tmp_path):
    data = dataset(gaps=False)
    file, rows, t = opened(tmp_path, "boosting", data), raw(data), data.origins("test")[0]
    few = rows.iloc[t - 100 : t]
    with pytest.warns(UserWarning, match="compares with up to 672 rows, and has 100"):
        out = file.forecast(few)
    assert np.isfinite(out).all() and out.shape == (12, 3)
    cut = dataset(gaps=False)  # as at the first origins of a dataset that begins there
    seen = lagged.Inputs(cut.x[t - 100 :], cut.z[t - 100 :], cut.cells[t - 100 :], cut.L, cut.H)
    np.testing.assert_allclose(data.scaled(out), file.made(seen, np.array([100]))[0], atol=1e-5)
    with pytest.raises(DataError, match="at least 48 steps x 3 series"):
        file.forecast(few.iloc[-47:])


def test_gaps_that_rows_not_given_would_fill_are_warned_of(tmp_path):
    data = dataset(gaps=False)
    file, rows, t = opened(tmp_path, "boosting", data), raw(data), data.origins("test")[0]
    few = rows.iloc[t - 700 : t].copy()
    few.iloc[30, 1] = np.nan  # beyond the look-back, within the reach
    with pytest.warns(UserWarning, match="1 of the last 672 x 3 values are missing"):
        file.forecast(few)


def test_what_comes_after_the_last_row_changes_nothing(tmp_path):
    data = dataset()
    for kind in ("ridge", "boosting"):
        file, t = opened(tmp_path, kind, data), int(data.origins("test")[20])
        origins = data.origins("test")
        before = PLACE.predict(file, data, origins)
        later = dataset()
        later.y = np.where(np.arange(len(later.y))[:, None] >= t, later.y + 40, later.y)
        after = PLACE.predict(file, later, origins)
        same = (before == after).all((1, 2))
        assert same[origins <= t].all() and not same[origins > t].any()


def test_trees_know_a_series_by_its_name_and_not_by_its_place(tmp_path):
    data = dataset(gaps=False)
    file = opened(tmp_path, "boosting", data)
    origins = data.origins("test")[:9]
    expected = PLACE.predict(file, data, origins)
    turned = dataset(gaps=False)
    turned.names, turned.y, turned.mean, turned.std = ["c", "a"], data.y[:, [2, 0]], data.mean[[2, 0]], data.std[[2, 0]]
    np.testing.assert_allclose(PLACE.predict(file, turned, origins), expected[..., [2, 0]], atol=1e-6)


def test_what_reads_the_market_wants_all_its_series(tmp_path):
    data = dataset("trading-day", gaps=False)
    file = opened(tmp_path, "boosting", data)
    data.names, data.y, data.mean, data.std = ["a"], data.y[:, :1], data.mean[:1], data.std[:1]
    with pytest.raises(ModelFileError, match="the mean of all its 3 series"):
        PLACE.predict(file, data, data.origins("test"))


def test_what_a_file_reads(tmp_path):
    data = dataset(sky=True)
    assert opened(tmp_path, "ridge", data).reads == {"z"}
    assert opened(tmp_path, "boosting", data).reads == {"z", "series", "cells"}
    file = opened(tmp_path, "boosting", data, weather="weather")
    assert file.reads == {"z", "series", "cells", "observed"}
    assert PLACE.predict(file, data, data.origins("test")).shape == (len(data.origins("test")), 12, 3)
    with pytest.raises(DataError, match="reads the weather"):
        PLACE.forecast(file, raw(data))


@pytest.mark.parametrize(("change", "said"), [
    (lambda rows: rows.drop(columns="b"), "lacks: b"), (lambda rows: rows.to_numpy()[:, :2], "3 series"),
    (lambda rows: rows.replace(rows.iloc[-1, 0], np.inf), "finite"), (lambda rows: rows.iloc[::2], "one step"),
    (lambda rows: rows.to_numpy(), "give the time of each"),
])  # fmt: skip
def test_bad_rows_are_refused_in_words(change, said, tmp_path):
    data = dataset(gaps=False)
    with pytest.raises(DataError, match=said):
        opened(tmp_path, "ridge", data).forecast(change(raw(data)))
