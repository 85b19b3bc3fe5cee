"""Intervals, tests and verdicts, against hand counts, statsmodels and simulated losses."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions
from scipy.signal import lfilter
from statsmodels.stats.multitest import multipletests

from litecast import results
from litecast.results import statistics


def ar1(rng, n: int, phi: float) -> np.ndarray:
    """AR(1) of unit variance (n,), started in its stationary state."""
    return lfilter([1], [1, -phi], rng.standard_normal(n + 300))[300:] * np.sqrt(1 - phi**2)


# ---- Diebold-Mariano

def test_dm_by_hand_without_lags():
    # gaps 1, 2, 3, 2: mean 2, variance 2/4; HLN for h = 1 and N = 4: sqrt(3/4)
    statistic, p = statistics.diebold_mariano([2, 3, 4, 3], [1, 1, 1, 1], lag=0)
    assert statistic == pytest.approx(2 / np.sqrt(0.5 / 4) * np.sqrt(3 / 4))
    assert p == pytest.approx(2 * distributions.t.sf(statistic, 3))


def test_dm_by_hand_with_one_lag():
    # gaps 1, 2, 3, 2: autocovariances 2/4 and 0; gaps 3, 1, 1, 3: 4/4 and -1/4, Bartlett weight 1/2
    statistic, _ = statistics.diebold_mariano([3, 1, 1, 3], [0, 0, 0, 0], lag=1)
    long_run = 1 + 2 * 0.5 * -0.25
    hln = np.sqrt((4 + 1 - 2 * 2 + 2 * 1 / 4) / 4)
    assert statistic == pytest.approx(2 / np.sqrt(long_run / 4) * hln)


@pytest.mark.parametrize("lag", [0, 5, 23])
def test_dm_is_bartlett_hac_on_the_mean(lag):
    gap = ar1(np.random.default_rng(lag), 200, 0.7) + 0.3
    centred, n, h = gap - gap.mean(), 200, lag + 1
    covariances = [centred[k:] @ centred[: n - k] / n for k in range(h)]
    long_run = covariances[0] + 2 * sum((1 - k / h) * covariances[k] for k in range(1, h))
    expected = gap.mean() / np.sqrt(long_run / n) * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    statistic, p = statistics.diebold_mariano(gap, np.zeros(n), lag)
    assert statistic == pytest.approx(expected)
    back, same_p = statistics.diebold_mariano(np.zeros(n), gap, lag)
    assert back == pytest.approx(-statistic) and same_p == pytest.approx(p)


def test_dm_of_equal_losses_and_of_too_few():
    assert statistics.diebold_mariano(np.ones(50), np.ones(50), 5) == (0.0, 1.0)
    assert np.isnan(statistics.diebold_mariano(np.ones(9), np.zeros(9), 5)).all()
    assert np.isnan(statistics.diebold_mariano([], [], 0)).all()


def test_dm_keeps_its_size_on_overlapping_losses():
    rng = np.random.default_rng(3)
    sums = [np.convolve(rng.standard_normal(600 + 23), np.ones(24), "valid") for _ in range(800)]
    rejected = np.mean([statistics.diebold_mariano(gap, np.zeros(600), 47)[1] < 0.05 for gap in sums])
    assert 0.03 < rejected < 0.07  # without the lags it is above 0.6, with t on N - 1 degrees 0.08


# ---- Holm

def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, np.nan, 0.03]) == pytest.approx([0.03, 0.06, np.nan, 0.06], nan_ok=True)
    assert len(statistics.holm([])) == 0 and np.isnan(statistics.holm([np.nan])).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_holm_is_never_below_p_keeps_its_order_and_does_not_depend_on_it(p, random):
    adjusted = statistics.holm(p)
    assert (adjusted >= np.array(p)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    order = random.sample(range(len(p)), len(p))
    assert statistics.holm(np.array(p)[order]) == pytest.approx(adjusted[order])


@pytest.mark.parametrize("seed", range(3))
def test_holm_is_that_of_statsmodels(seed):
    p = np.random.default_rng(seed).random(12) ** 3
    assert statistics.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


# ---- bootstrap

def test_identical_losses_have_no_width():
    loss = np.random.default_rng(0).random(400) + 1
    found = statistics.block_bootstrap(loss, loss, 24)
    assert found == statistics.Interval(0.0, 0.0, 0.0, 0.0, 0.0, 400 / 24)
    assert found.p_within(0.01) == 0 and found.p_within(-0.01) == 1 and np.isnan(found.p_within(0.0))


def test_a_constant_factor_is_found_exactly():
    loss = np.random.default_rng(0).random(400) + 1
    found = statistics.block_bootstrap(1.03 * loss, loss, 24)
    assert (found.delta, found.low, found.high) == pytest.approx((0.03, 0.03, 0.03))


def test_resamples_have_all_origins_and_wrap_around():
    starts = np.random.default_rng(0).integers(0, 10, (500, 3))
    assert (statistics._sums(np.ones(10), starts, 4) == 10).all()
    sums = statistics._sums(np.arange(10.0), np.array([[8, 0, 5]]), 4)
    assert sums.tolist() == [(8 + 9 + 0 + 1) + (0 + 1 + 2 + 3) + (5 + 6)]


def test_bootstrap_is_seeded_and_too_short_series_have_no_interval():
    rng = np.random.default_rng(1)
    a, b = rng.random(100), rng.random(100)
    assert statistics.block_bootstrap(a, b, 10, seed=1) == statistics.block_bootstrap(a, b, 10, seed=1)
    assert statistics.block_bootstrap(a, b, 10, seed=1) != statistics.block_bootstrap(a, b, 10, seed=2)
    short = statistics.block_bootstrap(a[:19], b[:19], 10)
    assert np.isfinite(short.delta) and np.isnan([short.low, short.high, short.mde, short.se]).all()
    assert np.isnan(short.p_within(0.02))
    assert np.isnan(statistics.block_bootstrap(a, np.zeros(100), 10).delta)


def test_each_end_leaves_out_a_twentieth_of_the_resamples():
    rng = np.random.default_rng(2)
    reference = 5 + rng.random(1200)
    loss = reference * (1 + 0.1 * rng.exponential(1, 1200))  # lopsided: both ends are told apart
    found = statistics.block_bootstrap(loss, reference, 1, 4000)
    starts = np.random.default_rng(9).integers(0, 1200, (4000, 1200))
    draws = loss[starts].sum(1) / reference[starts].sum(1) - 1
    low, high = np.quantile(draws, [0.05, 0.95])
    assert found.low == pytest.approx(low, abs=3e-4) and found.high == pytest.approx(high, abs=3e-4)
    assert np.quantile(draws, 0.975) > high + 5e-4  # two-sided ends would be seen
    assert found.se == pytest.approx(draws.std(), rel=0.05)


def test_the_p_of_a_margin_is_that_of_the_shifted_t():
    found = statistics.Interval(0.01, 0.0, 0.02, 0.0, 0.004, 11.0)
    assert found.p_within(0.02) == pytest.approx(distributions.t.sf(2.5, 10))
    assert found.p_within(0.01) == pytest.approx(0.5) and found.p_within(0.0) > 0.98


@pytest.mark.parametrize("n, block, phi", [(600, 168, 0.9), (1700, 168, 0.9), (480, 20, 0.8)])
def test_each_end_covers_the_true_difference_on_ar1_losses(n, block, phi):
    rng, above, below, runs = np.random.default_rng(n), 0, 0, 200
    for _ in range(runs):
        reference = 10 + ar1(rng, n, phi)
        found = statistics.block_bootstrap(1.02 * reference + 0.5 * ar1(rng, n, phi), reference, block, 400)
        above += found.high >= 0.02
        below += found.low <= 0.02
    # nominal 0.95; plain percentiles of the first case reach 0.89
    assert 0.91 <= above / runs <= 0.995 and 0.91 <= below / runs <= 0.995


def test_the_detectable_difference_is_found_four_times_in_five():
    rng, found, runs = np.random.default_rng(5), 0, 150
    pairs = [(10 + ar1(rng, 1000, 0.5), 0.5 * ar1(rng, 1000, 0.5)) for _ in range(runs)]
    mde = np.mean([statistics.block_bootstrap(r + e, r, 20, 400).mde for r, e in pairs])
    found = np.mean([statistics.block_bootstrap((1 + mde) * r + e, r, 20, 400).low > 0 for r, e in pairs])
    assert 0.70 <= found <= 0.90


# ---- verdicts and blocks

@pytest.mark.parametrize("delta, margin, p, low, high, word", [
    (0.0, 0.01, 0.01, -0.01, 0.005, "within"), (0.03, 0.01, 0.01, 0.02, 0.04, "worse"),
    (0.0, 0.01, 0.05, -0.01, 0.005, "undecided"),  # the adjustment speaks before the interval
    (0.0, 0.01, 0.01, -0.01, 0.011, "undecided"), (0.03, 0.01, 0.01, 0.009, 0.04, "undecided"),
    (0.0, 0.01, 0.01, 0.0, 0.01, "undecided"), (0.02, 0.01, 0.01, 0.01, 0.02, "undecided"),
    (-0.02, 0.0, 0.049, -0.03, 0.01, "better"), (0.02, 0.0, 0.01, 0.01, 0.03, "worse"),
    (0.0, 0.0, 0.01, 0.0, 0.0, "undecided"), (-0.02, 0.0, np.nan, np.nan, np.nan, "undecided"),
    (0.0, 0.05, np.nan, np.nan, np.nan, "undecided"),
])
def test_verdict(delta, margin, p, low, high, word):
    assert statistics.verdict(delta, margin, p, low, high) == word


@pytest.mark.parametrize("frequency, horizon, block", [
    ("h", 24, 168), ("h", 200, 200), ("15min", 96, 672), ("D", 14, 14), ("D", 2, 7), ("B", 5, 7), ("W", 8, 8)])
def test_blocks_hold_a_week_and_the_horizon(frequency, horizon, block):
    origins, noise = pd.date_range("2024-01-01", periods=900, freq=frequency), np.random.default_rng(0).normal(size=900)
    assert statistics.block_length(noise, origins, horizon) == block


def test_blocks_are_as_long_as_the_difference_depends_on_itself():
    steps = pd.Index(range(1700))
    gap = lfilter([1], [1, -0.9], np.random.default_rng(1).standard_normal(2000))[300:]
    assert statistics.block_length(gap, steps, 5) == statistics.dependence(gap) == 51
    assert statistics.block_length(gap[::-1], steps, 60) == 60


@pytest.mark.parametrize("seed, n, phi, length", [  # optimal_block_length of the package arch 8.0, circular
    (0, 500, 0.5, 9.0587), (1, 1700, 0.9, 50.6578), (2, 300, 0.0, 0.2387), (3, 1000, 0.97, 59.8438),
    (4, 60, 0.3, 1.6543), (5, 200, -0.5, 3.2830)])
def test_the_length_of_dependence_is_that_of_a_peer(seed, n, phi, length):
    gap = lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal(n + 300))[300:]
    assert statistics.dependence(gap) == max(1, np.ceil(length))
    assert statistics.dependence(3 - 5 * gap) == statistics.dependence(gap)


def test_what_never_moves_or_is_too_short_depends_on_nothing():
    assert statistics.dependence(np.ones(100)) == statistics.dependence(np.arange(19.0)) == 1


# ---- compare

def row(technique, level="1", seed=0, role="compressed", **more):
    return {"dataset": "d", "model": "lstm", "technique": technique, "level": level, "variant": "v", "seed": seed,
            "role": role, "runtime": "torch", "H": 24, "val_wape": 0.1, "bytes": 100, "selected": 1,
            "val_skill": 0.5, "test_skill": 0.5, **more}


def table(lines):
    frame = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    frame["row_id"] = [results.row_id(line) for line in frame.to_dict("records")]
    frame["dense_id"] = frame.row_id.map(results.reference(frame))
    return frame


def grid(errors: dict[str, np.ndarray]) -> pd.DataFrame:
    """Losses of rows, errors (origins, series), at hourly origins."""
    frames = []
    for identifier, values in errors.items():
        origins = pd.date_range("2024-01-01", periods=len(values), freq="h")
        index = pd.MultiIndex.from_product([origins, [f"s{c}" for c in range(values.shape[1])]])
        frames.append(index.to_frame(index=False, name=["origin", "series"]).assign(
            row_id=identifier, abs_err=values.ravel(), sq_err=0.0, abs_y=1.0))
    return pd.concat(frames, ignore_index=True)


DENSE, SAME, WORSE = "d/lstm/dense/1/v/s0", "d/lstm/same/1/v/s0", "d/lstm/bad/1/v/s0"
NAIVE = "d/seasonal_naive/classical/1/v/s0"


@pytest.fixture
def study():
    rng = np.random.default_rng(0)
    dense = 1 + rng.random((700, 3))
    rows = table([row("dense", role="dense"), row("same"), row("bad"),
                  row("classical", role="naive", model="seasonal_naive", val_skill=None, test_skill=None)])
    return rows, {DENSE: dense, SAME: dense, WORSE: 1.2 * dense + rng.random((700, 3)) / 9, NAIVE: 2 * dense}


def test_compare_tells_same_and_worse(study):
    rows, errors = study
    made = statistics.compare(rows, grid(errors))
    assert list(made.columns) == statistics.COLUMNS
    same, bad = made[made.row == SAME], made[made.row == WORSE]
    assert same.margin.tolist() == [0.01, 0.02, 0.05] and set(same.verdict) == {"within"} and set(same.delta) == {0.0}
    assert set(bad.verdict) == {"worse"} and (bad.delta > 0.2).all() and (bad.reference == DENSE).all()
    assert set(same.p_dm) == {1.0} and (bad.p_dm < 0.01).all() and (bad.p_holm >= bad.p_dm).all()
    assert set(made.n_origins) == {700} and set(made.block) == {168} and set(made.blocks) == {700 / 168}
    better = made[made.margin == 0]
    assert better[["row", "reference", "verdict"]].to_numpy().tolist() == [[DENSE, NAIVE, "better"]]
    assert better.delta.iloc[0] == pytest.approx(-0.5)


def test_p_values_are_those_of_the_summed_losses_and_adjusted_within_a_dataset():
    rng = np.random.default_rng(4)
    lines = [row(name, dataset=data, role="dense" if name == "dense" else "compressed")
             for data in ("d", "e") for name in ("dense", "x", "y")]
    rows = table(lines)
    errors = {name: 5 + np.cumsum(rng.standard_normal((700, 2)), axis=0) * 0.01 + rng.random((700, 2))
              for name in rows.row_id}
    made = statistics.compare(rows, grid(errors)).drop_duplicates("row")
    assert len(made) == 4
    for line in made.itertuples():
        loss, reference = errors[line.row].sum(axis=1), errors[line.reference].sum(axis=1)
        assert line.p_dm == pytest.approx(statistics.diebold_mariano(loss, reference, lag=line.block - 1)[1])
    for data in ("d", "e"):
        mine = made[made.dataset == data]
        assert len(mine) == 2 and mine.p_holm.to_numpy() == pytest.approx(statistics.holm(mine.p_dm))
        assert (mine.p_holm > mine.p_dm).any() and mine.p_dm.between(1e-12, 0.49).any()


def test_each_question_is_adjusted_by_itself():
    rng = np.random.default_rng(7)
    naive = {"role": "naive", "val_skill": None, "model": "seasonal_naive", "variant": "", "level": ""}
    rows = table([row("dense", role="dense"), row("x"), row("y"), row("z"), row("classical") | naive])
    base = 5 + rng.random((1400, 2))
    errors = {name: base * (1 + shift) + rng.random((1400, 2)) * 0.9 for name, shift in zip(
        rows.row_id, (0.0, 0.004, 0.01, 0.03, 0.006), strict=True)}
    made = statistics.compare(rows, grid(errors))
    rivals, claims = made[made.margin == 0], made[made.margin > 0]
    assert len(rivals) == 1 and rivals.p_holm.iloc[0] == rivals.p_dm.iloc[0] == rivals.p_verdict.iloc[0]
    once = claims.drop_duplicates("row")
    assert len(once) == 3 and once.p_holm.to_numpy() == pytest.approx(statistics.holm(once.p_dm))
    for margin, mine in claims.groupby("margin"):
        intervals = [statistics.block_bootstrap(errors[line.row].sum(1), errors[line.reference].sum(1), line.block)
                     for line in mine.itertuples()]
        p = [interval.p_within(margin) for interval in intervals]
        below, above = statistics.holm(p), statistics.holm(1 - np.array(p))
        assert mine.p_verdict.to_numpy() == pytest.approx(np.where(mine.delta < margin, below, above))
        assert (mine.p_verdict.to_numpy() >= np.minimum(p, 1 - np.array(p))).all()


def test_a_claim_that_stands_alone_may_fall_among_many():
    rng = np.random.default_rng(3)
    base = 5 + rng.random((1400, 2))
    names = [f"x{i}" for i in range(12)]
    rows = table([row("dense", role="dense")] + [row(name) for name in names])
    errors = {identifier: base + rng.normal(0, 1.1, (1400, 1)) * (i > 0) for i, identifier in enumerate(rows.row_id)}
    many = statistics.compare(rows, grid(errors))
    few = statistics.compare(rows[rows.technique.isin(["dense", "x0"])], grid(errors))
    mine = many[many.row == few.row.iloc[0]]
    assert (mine.p_verdict.to_numpy() >= few.p_verdict.to_numpy()).all()
    assert mine.p_verdict.to_numpy() != pytest.approx(few.p_verdict.to_numpy())
    told = {"undecided": 0, "within": 1}
    assert sum(map(told.get, mine.verdict)) <= sum(map(told.get, few.verdict))


def test_only_common_origins_and_series_count(study):
    rows, errors = study
    losses = grid(errors)
    spoilt = (losses.row_id == SAME) & ((losses.series == "s1") | (losses.origin < "2024-01-02"))
    losses.loc[(losses.row_id == SAME) & (losses.series == "s2"), "abs_err"] *= 1.5
    made = statistics.compare(rows, losses[~spoilt])
    same = made[made.row == SAME].iloc[0]
    values = errors[DENSE][24:]
    assert same.n_origins == 676
    assert same.delta == pytest.approx(0.5 * values[:, 2].sum() / values[:, [0, 2]].sum())


def test_the_order_of_losses_does_not_matter(study):
    rows, errors = study
    losses = grid(errors)
    pd.testing.assert_frame_equal(statistics.compare(rows, losses),
                                  statistics.compare(rows, losses.sample(frac=1, random_state=1)))


def test_seeds_are_paired_with_the_dense_network_of_the_same_seed():
    rng = np.random.default_rng(0)
    base = 1 + rng.random((700, 2))
    rows = table([row("dense", role="dense", seed=s) for s in range(3)] + [row("x", seed=s) for s in (1, 2)])
    errors = {f"d/lstm/dense/1/v/s{s}": base * (1 + 9 * (s == 0)) for s in range(3)}
    errors |= {f"d/lstm/x/1/v/s{s}": base * f for s, f in ((1, 1.1), (2, 1.3))}
    made = statistics.compare(rows, grid(errors))
    assert set(made.seeds) == {2} and made.delta.to_numpy() == pytest.approx(0.2)
    assert made.reference[0] == "d/lstm/dense/1/v/s1"
    assert statistics.needed(rows) == sorted(i for i in errors if i != "d/lstm/dense/1/v/s0")


def test_without_skill_there_is_none_to_lose(study):
    rows, errors = study
    rows.loc[rows.model == "lstm", "test_skill"] = -0.1
    assert "within" in set(statistics.compare(rows, grid(errors)).verdict)  # test decides nothing
    rows.loc[rows.model == "lstm", "val_skill"] = -0.1
    made = statistics.compare(rows, grid(errors))
    assert set(made[made.margin > 0].verdict) == {statistics.NO_SKILL}
    assert set(made[made.margin == 0].verdict) == {"better"}


def test_the_same_file_in_another_runtime_is_no_second_claim(study):
    rows, errors = study
    twin, alone, again = f"{SAME}/onnxruntime", "d/lstm/real/1/v/s0/onnxruntime", f"{DENSE}/onnxruntime"
    onnx = {"runtime": "onnxruntime", "format": "onnx"}
    lines = [row("dense", role="dense"), row("same"), row("same", **onnx, copy_of=SAME), row("real", **onnx),
             row("dense", role="dense", **onnx, copy_of=DENSE),
             row("classical", role="naive", model="seasonal_naive", val_skill=None, test_skill=None)]
    losses = grid({n: errors[DENSE] for n in (DENSE, SAME, twin, alone, again)} | {NAIVE: errors[NAIVE]})
    made = statistics.compare(table(lines), losses)
    claims, rivals = made[made.margin > 0], made[made.margin == 0]
    assert set(claims.row) == {SAME, alone} and set(claims.reference) == {DENSE}
    assert rivals[["row", "reference"]].to_numpy().tolist() == [[DENSE, NAIVE]]
    assert statistics.needed(table(lines)) == sorted([DENSE, SAME, alone, NAIVE])
    assert (claims[claims.row == alone].runtime == "onnxruntime").all() and len(claims) == 6


def test_better_is_what_the_verdict_says():
    lines = pd.DataFrame({"verdict": ["better", "undecided", "worse", "within", statistics.NO_SKILL]})
    assert statistics.is_better(lines).tolist() == [True, False, False, False, False]


def test_time_follows_macs_by_rank():
    lines = [row("x", level=str(i), macs=m, latency_ms_p50=t) for i, (m, t) in enumerate([(1, 5), (2, 6), (9, 7)])]
    lines += [row("x", level="8", macs=3, runtime="onnxruntime", latency_ms_p50=1.0), row("x", level="9", macs=7)]
    made = statistics.time_follows_macs(table(lines)).set_index("runtime")
    assert made.files.to_dict() == {"onnxruntime": 1, "torch": 3}
    assert made.rho["torch"] == 1 and np.isnan(made.rho["onnxruntime"])
    assert statistics.time_follows_macs(table([])).empty


def test_incomplete_studies_give_what_there_is(study):
    rows, errors = study
    made = statistics.compare(rows, grid({name: errors[name] for name in (DENSE, SAME)}))
    assert set(made.row) == {SAME}
    empty = statistics.compare(rows, grid(errors).head(0))
    assert empty.empty and list(empty.columns) == statistics.COLUMNS
    assert statistics.compare(table([]), grid(errors)).empty
    assert statistics.compare(rows.assign(selected=0.0), grid(errors)).empty


def test_who_is_tested_against_whom():
    classical = {"technique": "classical", "role": "naive", "val_skill": None, "test_skill": None, "level": "",
                 "variant": ""}
    rows = table([
        row("dense", role="dense"), row("classical") | classical | {"model": "seasonal_naive"},
        row("classical") | classical | {"model": "naive"},
        *(row("classical") | classical | {"model": m, "role": "dense"} for m in ("arima", "boosting", "ets")),
        row("classical") | classical | {"model": "boosting", "role": "dense", "variant": "weather"},
        row("classical") | classical | {"model": "boosting", "role": "control", "control": "oracle"},
        row("published", role="dense", model="nlinear", variant="336"),
    ])  # fmt: skip
    found = [("/".join(pair.rows), "/".join(pair.reference), pair.margins) for pair in statistics.pairs(rows)]
    free, zero = "d/seasonal_naive/classical/-/-/s0", (0.0,)
    expected = {("d/lstm/dense/1/v/s0", f"d/{m}/classical/-/-/s0", zero) for m in statistics.NAIVE}
    expected |= {(f"d/{m}/classical/-/{v}/s0", free, zero) for m, v in (
        ("arima", "-"), ("boosting", "-"), ("boosting", "weather"), ("ets", "-"))}
    assert set(found) == expected and len(found) == len(expected)


def test_the_smallest_near_the_best_is_held_against_it_with_all_its_seeds():
    mean = {"model": "reference", "variant": "", "seed": None, "level": "2", "artefact": "", "bytes": 9e6}
    rows = table([row("ensemble", role="ensemble", **{**mean, "val_wape": 0.1}),
                  *(row("dense", role="dense", seed=seed, val_wape=0.12, bytes=5e4) for seed in (0, 1)),
                  *(row("tiny", seed=seed, val_wape=w, bytes=900) for seed, w in ((0, 0.11), (1, 0.093))),
                  row("tiny", val_wape=0.2, bytes=500, level="2"),
                  row("tiny", role="control", control="random", bytes=9e5, val_wape=0.2),
                  row("tiny", copy_of="d/lstm/tiny/1/v/s0", runtime="onnxruntime", bytes=800)])
    [pair] = statistics.headlines(rows)
    best, tiny = "d/reference/ensemble/2/-/s-", "d/lstm/tiny/1/v/s{}"
    assert (pair.rows, pair.reference, pair.margins) == ([tiny.format(0), tiny.format(1)], [best], (0.02,))
    assert statistics.needed(rows, statistics.headlines) == sorted([best, *pair.rows])
    losses = {best: np.ones((700, 2)), pair.rows[0]: np.full((700, 2), 1.04), pair.rows[1]: np.full((700, 2), 0.98)}
    [line] = statistics.compare(rows, grid(losses), statistics.headlines).to_dict("records")
    assert (line["delta"], line["verdict"], line["seeds"]) == (pytest.approx(0.01), "within", 2)
    assert (line["low"], line["high"], line["row"], line["reference"]) == (
        pytest.approx(0.01), pytest.approx(0.01), tiny.format(0), best)
    alone = rows[rows.technique != "tiny"]
    assert list(statistics.headlines(alone)) == [], "it is itself the best"
    free = rows.assign(val_wape=rows.val_wape.where(rows.model != "reference", 0.01))
    assert list(statistics.headlines(free)) == [] and list(statistics.headlines(table([]))) == []
