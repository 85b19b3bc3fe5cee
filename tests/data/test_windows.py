"""Splits, filling, scaling and cutting: known counts, and nothing later reaches anything earlier."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from litecast.data.frame import Header, from_wide
from litecast.data.windows import MISSING_ALL, PARTS, facts, fill, prepare, short, split
from litecast.errors import DataError


def frame(values, **changes):
    """An hourly frame of values (T, C)."""
    fields = {"name": "shop", "unit": "items", "frequency": "h", "season": 24, "L": 48, "H": 24} | changes
    values = np.asarray(values, dtype=float)
    times = pd.date_range("2024-01-01", periods=len(values), freq="h")
    if fields["frequency"] == "step":
        times = np.arange(len(values))
    columns = [f"s{c}" for c in range(values.shape[1])]
    return from_wide(Header(**fields), pd.DataFrame(values, index=times, columns=columns))


def noise(T=3000, C=3, seed=0):  # noqa: N803
    return np.random.default_rng(seed).normal(50, 10, (T, C))


# --- split


def test_chronological_borders_and_windows_by_hand():
    parts = split(1000, "chronological", "step", 10)
    assert [int(parts[p].sum()) for p in PARTS] == [700, 100, 200]
    assert parts["train"][:700].all() and parts["val"][700:800].all() and parts["test"][800:].all()
    data = prepare(frame(noise(1000, 1), frequency="step", season=1, L=20, H=10))
    # train: first targets 20 … 690; validation 700 … 790; test 800 … 990
    assert [len(data.origins(p)) for p in PARTS] == [671, 91, 191]
    assert [data.origins(p)[[0, -1]].tolist() for p in PARTS] == [[20, 690], [700, 790], [800, 990]]


@pytest.mark.parametrize(("frequency", "month"), [("h", 720), ("15min", 2880), ("D", 30)])
def test_ett_borders_are_12_4_4_months_of_30_days(frequency, month):
    parts = split(20 * month + 7, "ett", frequency, 24)
    assert [int(np.flatnonzero(parts[p])[0]) for p in PARTS] == [0, 12 * month, 16 * month]
    assert [int(parts[p].sum()) for p in PARTS] == [12 * month, 4 * month, 4 * month]
    assert not any(parts[p][20 * month :].any() for p in PARTS)


def test_ett_hourly_windows_by_hand():
    data = prepare(frame(noise(17420, 1), split="ett", L=336, H=96))
    ends = [np.flatnonzero(data.parts[p])[[0, -1]].tolist() for p in PARTS]
    assert ends == [[0, 8639], [8640, 11519], [11520, 14399]]
    assert [len(data.origins(p)) for p in PARTS] == [8640 - 336 - 96 + 1, 2880 - 96 + 1, 2880 - 96 + 1]


def test_ett_refuses_what_is_too_short_or_has_no_days():
    with pytest.raises(DataError, match="14400"):
        split(14399, "ett", "h", 24)
    with pytest.raises(DataError, match="chronological"):
        split(10**6, "ett", "trading-day", 5)


def test_weeks_by_hand():
    # T = 20 weeks: test = the last 4; of the 16 before it, counted back from the test, every fourth is validation
    data = prepare(frame(noise(20 * 168, 2), split="weeks", L=168, H=24, season=168))
    weeks = {p: sorted(set((np.flatnonzero(data.parts[p]) // 168).tolist())) for p in PARTS}
    assert weeks["test"] == [16, 17, 18, 19] and weeks["val"] == [3, 7, 11, 15]
    assert weeks["train"] == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]
    first, between = 3 * 168 - 168 - 24 + 1, 3 * 168 - 24 + 1  # only the first stretch has to give an input week
    assert [len(data.origins(p)) for p in PARTS] == [first + 3 * between, 4 * (168 - 24 + 1), 4 * 168 - 24 + 1]


def test_the_week_phase_of_the_split_is_counted_from_the_test_part():
    T = 20 * 168 + 100  # noqa: N806 (a beginning that is no whole week)
    parts = split(T, "weeks", "h", 24)
    first = T - int(0.2 * T)
    assert np.flatnonzero(parts["val"])[-1] == first - 1 and np.flatnonzero(parts["test"])[0] == first
    edges = np.flatnonzero(np.diff(np.concatenate([[0], parts["val"].astype(int), [0]]))).reshape(-1, 2)
    assert (np.diff(edges) == 168).all() and ((first - edges[:, 1]) % (4 * 168) == 0).all() and len(edges) == 4


def test_weeks_blocks_hold_two_horizons():
    parts = split(40 * 168, "weeks", "h", 96)  # 2H = 192 h: blocks of two weeks
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], parts["val"].astype(int), [0]]))))
    assert runs[::2].tolist() == [336] * 4


@settings(deadline=None, max_examples=60)
@given(T=st.integers(700, 9000), H=st.integers(1, 60), kind=st.sampled_from(["chronological", "weeks"]))
def test_parts_are_disjoint_and_the_test_part_comes_last(T, H, kind):  # noqa: N803
    try:
        parts = split(T, kind, "h", H)
    except DataError as error:
        assert kind == "weeks" and str(T) in str(error)
        return
    stacked = np.stack([parts[p] for p in PARTS])
    assert (stacked.sum(axis=0) == 1).all() and parts["test"].sum() == int(0.2 * T)
    assert np.flatnonzero(parts["test"])[0] > np.flatnonzero(parts["train"] | parts["val"])[-1]


@pytest.mark.parametrize("L", [24, 168, 300])
def test_train_windows_under_weeks_hold_no_other_target(L):  # noqa: N803
    data = prepare(frame(noise(30 * 168, 1), split="weeks", season=168), L=L, H=24)
    targets, inputs = np.zeros(len(data.y), bool), np.zeros(len(data.y), bool)
    for t in data.origins("train"):
        targets[t : t + 24], inputs[t - L : t] = True, True
    np.testing.assert_array_equal(targets, data.parts["train"] & (np.arange(len(data.y)) >= L))
    assert inputs[data.parts["val"]].any() and not inputs[data.parts["test"]].any()


def test_unknown_split_is_refused():
    with pytest.raises(DataError, match="shuffled"):
        split(1000, "shuffled", "h", 24)


# --- fill


def test_fill_takes_whole_seasons_ago_else_the_last_value_and_no_further_than_its_reach():
    nan = np.nan
    values = np.array([[nan, 1], [2, nan], [nan, nan], [4, 4], [nan, nan], [nan, 6], [nan, 7], [nan, nan], [nan, nan]])
    filled, counts = fill(values, 3, 5)
    # column 0: row 2 has no row -1, so the last value 2; row 4: row 1 = 2; row 5: row 2 is missing, so the last value;
    # row 6: row 3 = 4; row 7: row 4 is missing and row 1 six steps away, so the last value 4; row 8: row 3, just near
    np.testing.assert_array_equal(filled[:, 0], [nan, 2, 2, 4, 2, 4, 4, 4, 4])
    np.testing.assert_array_equal(filled[:, 1], [1, 1, 1, 4, 4, 6, 7, 7, 6])
    assert counts.tolist() == [6, 5]
    np.testing.assert_array_equal(fill(values, 3, 4)[0][:, 0], [nan, 2, 2, 4, 2, 4, 4, 4, nan])
    np.testing.assert_array_equal(fill(values, 6, 5)[0][:, 0], [nan, 2, 2, 4, 4, 4, 4, 4, 4])  # no season is so near
    alone = np.array([[5.0], [nan], [nan], [nan], [nan]])
    np.testing.assert_array_equal(fill(alone, 2, 4)[0][:, 0], [5] * 5)  # one season or two: both are whole
    assert fill(alone, 2, 3)[1].tolist() == [3]


GAPPY = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
                   elements=st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)))  # fmt: skip


def filled_by_hand(values, season, reach):
    """Each gap by itself, in the order of the rule."""
    filled = values.copy()
    for t, c in zip(*np.nonzero(np.isnan(values)), strict=True):
        backs = [*range(season, reach + 1, season), *range(1, reach + 1)]
        found = [values[t - back, c] for back in backs if back <= t and not np.isnan(values[t - back, c])]
        filled[t, c] = found[0] if found else np.nan
    return filled


@settings(deadline=None)
@given(values=GAPPY, season=st.integers(1, 12), reach=st.integers(1, 30), cut=st.integers(0, 40))
def test_fill_follows_its_rule_and_is_causal(values, season, reach, cut):
    filled, counts = fill(values, season, reach)
    np.testing.assert_array_equal(filled, filled_by_hand(values, season, reach))
    assert counts.tolist() == (np.isnan(values) & ~np.isnan(filled)).sum(axis=0).tolist()
    np.testing.assert_array_equal(fill(values[:cut], season, reach)[0], filled[:cut])  # the future changes nothing


@settings(deadline=None)
@given(values=GAPPY, season=st.integers(1, 12), window=st.integers(1, 15))
def test_inputs_of_a_window_depend_on_two_windows_of_rows(values, season, window):
    whole = fill(values, season, window)[0]
    for end in range(window, len(values) + 1):
        near = fill(values[max(0, end - 2 * window) : end], season, window)[0]
        np.testing.assert_array_equal(near[-window:], whole[end - window : end])


def test_fill_does_not_touch_its_input():
    values = np.array([[1.0], [np.nan]])
    fill(values, 1, 9)
    assert np.isnan(values[1, 0])


# --- prepare


@pytest.mark.parametrize("kind", ["chronological", "weeks"])
def test_nothing_after_a_boundary_changes_anything_before_it(kind):
    values = noise(20 * 168, 3)
    values[np.random.default_rng(1).random(values.shape) < 0.03] = np.nan
    first, last = values[0].copy(), values[-1].copy()
    values[0], values[-1] = np.nan_to_num(first, nan=50.0), np.nan_to_num(last, nan=50.0)
    before = prepare(frame(values, split=kind, season=168, L=168))
    boundary = int(np.flatnonzero(before.parts["test"])[0])
    changed = values.copy()
    changed[boundary:] = 1000 + 3 * np.nan_to_num(values[boundary:], nan=7.0)
    after = prepare(frame(changed, split=kind, season=168, L=168))
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.std, after.std)
    np.testing.assert_array_equal(before.x[:boundary], after.x[:boundary])
    np.testing.assert_array_equal(before.y[:boundary], after.y[:boundary])
    np.testing.assert_array_equal(before.z, after.z)
    for part in PARTS:
        np.testing.assert_array_equal(before.origins(part), after.origins(part))
    assert not np.array_equal(before.x[boundary:], after.x[boundary:])


def test_scaler_knows_train_only_and_undoes_itself():
    values = noise(1000, 2)
    values[10:20, 0] = np.nan
    values[700:] += 500
    data = prepare(frame(values))
    mean, std = np.nanmean(values[:700], axis=0), np.nanstd(values[:700], axis=0)
    np.testing.assert_allclose(data.published, std)
    np.testing.assert_allclose(data.std, std, rtol=2**-8)
    assert (np.abs(data.mean - mean) <= data.std / 32).all()
    np.testing.assert_allclose(data.unscale(data.scale(values)), values)
    np.testing.assert_allclose(data.x[30:], data.scale(values)[30:].astype(np.float32))


def test_a_short_scaler_is_the_nearest_and_its_own():
    draw = np.random.default_rng(0)
    mean, std = draw.normal(0, 50, 1000), 10.0 ** draw.uniform(-8, 8, 1000)
    near = short(mean, std)
    assert (np.abs(near[1] / std - 1) <= 2**-8).all() and (np.abs(near[0] - mean) <= near[1] / 32 * (1 + 1e-9)).all()
    np.testing.assert_array_equal(short(*near), near)
    assert (near[1].astype(np.float32).view(np.uint32) % 2**16 == 0).all()  # bfloat16
    np.testing.assert_array_equal(near[0] / near[1] * 16 % 1, 0)


@pytest.mark.parametrize("kind", ["none", "log"])
def test_raw_values_are_scaled_and_come_back(kind):
    values = np.exp(noise(1000, 2) / 25)
    data = prepare(frame(values, transform=kind))
    own = np.log(values) if kind == "log" else values
    np.testing.assert_allclose(data.scaled(values), (own - data.mean) / data.std)
    np.testing.assert_allclose(data.raw(data.scaled(values)), values)
    np.testing.assert_allclose(data.raw(data.x)[50:], values[50:], rtol=1e-5)
    np.testing.assert_allclose(data.raw(np.zeros((4, 2))), [np.exp(data.mean) if kind == "log" else data.mean] * 4)
    odd = data.scaled(np.array([[np.nan, 2], [0, -1]]))
    assert np.isnan(odd[0, 0]) and np.isnan(odd[1]).all() == (kind == "log") and np.isfinite(odd[0, 1])


def test_validation_weeks_do_not_reach_the_scaler():
    values = noise(20 * 168, 1)
    before = prepare(frame(values, split="weeks", season=168, L=168))
    values[before.parts["val"]] += 1e4
    after = prepare(frame(values, split="weeks", season=168, L=168))
    assert before.mean == after.mean and before.std == after.std


def test_a_series_that_never_moves_in_train_stays_finite():
    values = noise(1000, 2)
    values[:, 1] = 7
    data = prepare(frame(values))
    assert data.std[1] == 1 and np.isfinite(data.x).all() and (data.x[:, 1] == 0).all()


def test_targets_are_cut_from_the_unfilled_series():
    values = np.arange(2000.0).reshape(1000, 2)
    values[900, 1] = np.nan
    data = prepare(frame(values))
    origins = data.origins("test")
    targets = data.targets(origins)
    assert targets.shape == (len(origins), 24, 2) and targets.dtype == np.float64
    for n in (0, 57, len(origins) - 1):
        np.testing.assert_array_equal(targets[n], values[origins[n] : origins[n] + 24])
    assert np.isnan(targets).sum() == 24 and not np.isnan(data.x).any()
    assert data.filled == {"s0": 0, "s1": 1}
    assert data.scale(values)[876, 1] == pytest.approx(data.x[900, 1])  # one season before


def test_series_with_too_many_gaps_are_dropped_and_listed():
    values = noise(1000, 4)
    values[100:181, 1] = np.nan  # 8.1 % of all, but 11.6 % of train
    values[705:925, 2] = np.nan  # 22 % of all, none of train
    values[100:169, 3] = np.nan  # 6.9 % of all, 9.9 % of train: stays
    data = prepare(frame(values))
    assert data.names == ["s0", "s3"] and data.C == 2
    reasons = dict(data.dropped)
    assert "11.6% missing in train" in reasons["s1"]
    assert f"22.0% missing in all, allowed {MISSING_ALL:.0%}" in reasons["s2"]


def test_the_grid_is_cut_to_the_span_common_to_the_kept():
    values = noise(1000, 3)
    values[:100, 0] = np.nan
    values[950:, 1] = np.nan
    values[:500, 2] = np.nan  # too short to cut down the others for it
    data = prepare(frame(values))
    assert data.names == ["s0", "s1"] and len(data.y) == 850
    assert data.times[0] == pd.Timestamp("2024-01-01") + pd.Timedelta("100h")
    np.testing.assert_array_equal(data.y, values[100:950, :2])


def test_a_late_series_that_goes_gives_its_span_back():
    values = noise(1000, 2)
    values[:120, 1] = np.nan  # cuts the grid to 880 steps, of which 616 are train …
    values[300:365, 1] = np.nan  # … where it misses 65, more than a tenth
    data = prepare(frame(values))
    assert data.names == ["s0"] and len(data.y) == 1000 and "10.6% missing in train" in dict(data.dropped)["s1"]
    values[360:365, 1] = 50
    assert len(prepare(frame(values)).y) == 880


def test_no_series_left_and_no_window_left_are_errors():
    values = noise(1000, 2)
    values[100:400] = np.nan
    with pytest.raises(DataError, match="shop: no series is left.*s0"):
        prepare(frame(values))
    with pytest.raises(DataError, match="look-back 168"):
        prepare(frame(noise(100, 1)), L=168, H=24)


def test_log_turns_what_has_no_logarithm_into_gaps():
    values = np.exp(noise(1000, 2) / 25)
    values[33, 0], values[44, 1] = 0.0, -3.0
    data = prepare(frame(values, transform="log"))
    assert np.isnan(data.y[33, 0]) and np.isnan(data.y[44, 1]) and np.isnan(data.y).sum() == 2
    np.testing.assert_allclose(data.y[50:], np.log(values[50:]))
    assert "2 values <= 0" in data.header.note


def test_look_back_and_horizon_can_be_chosen():
    data = prepare(frame(noise(1000, 1)), L=72, H=12)
    assert (data.L, data.H) == (72, 12) and data.origins("train")[0] == 72
    assert data.targets(data.origins("val")).shape[1] == 12


def test_facts_are_json_and_add_up():
    values = noise(20 * 168, 3)
    values[50:60, 0] = np.nan
    values[:, 2] = np.nan
    values[0, 2] = 1
    source = frame(values, split="weeks", season=168, L=168, unit="vehicles/h")
    found = json.loads(json.dumps(facts(source, prepare(source))))
    assert (found["series"], found["series_raw"], found["steps"], found["filled_total"]) == (2, 3, 3360, 10)
    assert found["missing"] == pytest.approx(10 / 6720) and found["missing_raw"] == pytest.approx(3369 / 10080)
    assert found["dropped"][0]["series"] == "s2" and found["unit"] == "vehicles/h"
    assert found["windows"]["val"] == 580 and (found["start"], found["end"]) == ("2024-01-01", "2024-05-19 23:00")
    shares = [end - start for part in found["parts"].values() for start, end in part]
    assert sum(shares) == pytest.approx(1) and len(found["parts"]["val"]) == 4


# --- observed columns


def shop_with(columns):
    """A frame of two series with observed columns, each (T,) for both or (T, 2)."""
    values = noise(600, 2)
    base = frame(values).wide()
    both = {name: np.broadcast_to(np.asarray(column, float).reshape(600, -1), (600, 2))
            for name, column in columns.items()}  # fmt: skip
    wide = {name: pd.DataFrame(values, base.index, base.columns) for name, values in both.items()}
    return from_wide(frame(values).header, base, wide)


def test_observed_columns_are_scaled_by_train_and_go_on_as_they_were():
    rain = np.arange(600.0)
    rain[[0, 300, 301]] = np.nan
    data = prepare(shop_with({"rain": rain}))
    mean, std = np.nanmean(rain[:420]), np.nanstd(rain[:420])
    assert data.observed.shape == (600, 1) and data.observed.dtype == np.float32 and data.observed_names == ["rain"]
    np.testing.assert_allclose(data.observed[[1, 500], 0], (np.array([1, 500]) - mean) / std, rtol=1e-5)
    np.testing.assert_array_equal(data.observed[300:302, 0], data.observed[299, 0])
    assert data.observed[0, 0] == 0  # nothing was known yet: the mean
    changed = prepare(shop_with({"rain": np.where(np.arange(600) < 420, rain, 9e9)}))
    np.testing.assert_array_equal(changed.observed[:420], data.observed[:420])


def test_what_is_observed_per_series_or_not_at_all_stays_out():
    plain = prepare(frame(noise(600, 2)))
    own = prepare(shop_with({"price": noise(600, 2, 1), "empty": np.full(600, np.nan)}))
    for data in (plain, own):
        assert data.observed.shape == (600, 0) and data.observed_names == []
    both = prepare(shop_with({"price": noise(600, 2, 1), "rain": np.arange(600)}))
    assert both.observed_names == ["rain"]
    for field in ("x", "z", "mean", "std"):  # networks see what they saw
        np.testing.assert_array_equal(getattr(both, field), getattr(plain, field))


@pytest.mark.parametrize("kind, names", [("traffic", ["rain"]), ("stocks", []), ("other", [])])
def test_beside_a_single_series_the_kind_of_data_tells_weather_from_its_own(kind, names):
    """The weather over one count of bikes is weather; the volume beside one price is its own."""
    base = frame(noise(600, 1))
    rain = pd.DataFrame(np.arange(600.0), base.wide().index, base.wide().columns)
    one = from_wide(replace(base.header, kind=kind), base.wide(), {"rain": rain})
    assert prepare(one).observed_names == names
