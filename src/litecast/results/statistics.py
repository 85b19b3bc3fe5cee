"""Is a file worse than its reference, and by how much? Paired intervals and tests on test losses.

The unit is a forecast origin: absolute errors summed over the horizon and over all series, mean over seeds. Origins
overlap and series move together, so whole blocks of origins are resampled and all series of an origin stay together.
delta is relative: WAPE / WAPE of the reference - 1.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats as distributions
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.stattools import acovf

from litecast.results.choice import GROUP, NEAR_BEST, PUBLISHED, has_skill, headline, is_dense, own

MARGINS = (0.01, 0.02, 0.05)  # losses of WAPE that a user may accept
MARGIN = 0.02  # the one of them that sentences speak of
PROVEN = 0.05  # adjusted p below which anything is said of two forecasters
LEVEL, POWER = 0.95, 0.80
FEWEST = 20  # differences from which their autocorrelation can be told
NO_SKILL = "no skill to lose"
NAIVE = ("seasonal_naive", "arima", "boosting")  # what a network has to beat before its size matters
COLUMNS = """row reference margin delta low high verdict p_dm p_holm mde n_origins block
dataset model technique variant level runtime seeds blocks p_verdict""".split()
_WEEK = pd.Timedelta(days=7)


@dataclass(frozen=True)
class Interval:
    """delta with both one-sided 95 % ends, the smallest true delta found with a power of 80 %, and the standard error
    of delta, with t on blocks - 1 degrees of freedom; NaN = too short."""

    delta: float
    low: float
    high: float
    mde: float
    se: float
    blocks: float

    def p_within(self, margin: float) -> float:
        """One-sided p of the claim that the true delta lies below a margin; 1 - p is that of its lying above."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(distributions.t.cdf(np.divide(self.delta - margin, self.se), self.blocks - 1))


def block_bootstrap(loss: np.ndarray, reference: np.ndarray, block: int, resamples: int = 2000,
                    seed: int = 0) -> Interval:
    """Circular block bootstrap (Politis & Romano 1992) of sum(loss) / sum(reference) - 1, both (N,), paired.

    block: origins per block. Distances from delta are stretched by sqrt(k / (k - 1)) * t / z, k = N / block, t on k - 1
    degrees of freedom: with few blocks plain percentiles are too narrow. Below two blocks there is no interval.
    """
    loss, reference = np.asarray(loss, dtype=float), np.asarray(reference, dtype=float)
    delta = _ratio(loss.sum(), reference.sum())
    k = len(loss) / block
    if k < 2 or not np.isfinite(delta):
        return Interval(delta, np.nan, np.nan, np.nan, np.nan, k)
    starts = np.random.default_rng(seed).integers(0, len(loss), (resamples, -(-len(loss) // block)))
    draws = _ratio(_sums(loss, starts, block), _sums(reference, starts, block)) - delta
    inflate, t = np.sqrt(k / (k - 1)), distributions.t(k - 1)
    stretch = inflate * t.ppf(LEVEL) / distributions.norm.ppf(LEVEL)
    low, high = delta + stretch * np.quantile(draws, [1 - LEVEL, LEVEL])
    se = inflate * draws.std()
    return Interval(*map(float, (delta, low, high, se * (t.ppf(LEVEL) + t.ppf(POWER)), se, k)))


def _ratio(a, b):
    """a / b - 1; 0 where both are 0 (nothing to tell apart), NaN where only b is."""
    same = (a == 0) & (np.asarray(b) == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(same, 0.0, np.divide(a, b) - 1)
    return np.where(np.isfinite(ratio), ratio, np.nan)[()]


def _sums(values: np.ndarray, starts: np.ndarray, block: int) -> np.ndarray:
    """Sum of each resample (R,) of blocks that start at (R, K), the last one cut so that all N values are there: from
    one running sum over the values (N,) bent to a circle."""
    lengths = np.minimum(block, len(values) - block * np.arange(starts.shape[1]))
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[:block]]))])
    return (running[starts + lengths] - running[starts]).sum(axis=1)


def diebold_mariano(loss: np.ndarray, reference: np.ndarray, lag: int) -> tuple[float, float]:
    """(statistic, two-sided p) of equal expected loss, both (N,), paired; Diebold & Mariano (1995).

    Long-run variance with Bartlett weights up to `lag` (>= H - 1: origins overlap), the small-sample correction of
    Harvey, Leybourne & Newbold (1997) for h = lag + 1. t on N / h - 1 degrees, one less than the independent stretches:
    with N - 1 a test of 5 % rejects up to 10 % of true nulls at such lags. Equal losses: (0, 1); N < 2 h: NaN.
    """
    gap = np.asarray(loss, dtype=float) - np.asarray(reference, dtype=float)
    n, h = len(gap), lag + 1
    if n < max(2 * h, 3):
        return np.nan, np.nan
    if not gap.any():
        return 0.0, 1.0
    fit = OLS(gap, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    with np.errstate(divide="ignore"):
        statistic = gap.mean() / fit.bse[0] * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    return float(statistic), float(2 * distributions.t.sf(abs(statistic), n / h - 1))


def holm(p: Iterable[float]) -> np.ndarray:
    """p-values adjusted by Holm (1979), in the same order; NaN stays NaN and is not counted."""
    p = np.asarray(list(p), dtype=float)
    adjusted, order = np.full(len(p), np.nan), np.argsort(p)[: np.isfinite(p).sum()]  # NaN sorts last
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def verdict(delta: float, margin: float, p: float, low: float = np.nan, high: float = np.nan) -> str:
    """What is said of a row: one wording for one question. p: adjusted, of the side on which delta lies.

    margin 0: 'better' or 'worse' than a rival. Above 0: 'within' the margin or 'worse', if the end of the interval
    agrees. Else 'undecided'.
    """
    if not p < PROVEN:
        return "undecided"
    if margin == 0:
        return "better" if delta < 0 else "worse" if delta > 0 else "undecided"
    return "within" if high < margin else "worse" if low > margin else "undecided"


def block_length(gap: np.ndarray, origins: pd.Index, horizon: int) -> int:
    """Origins per block: as many as the loss difference (N,) depends on, at least the horizon (losses of origins less
    than H apart share steps) and, of times with a calendar, a week."""
    has_week = isinstance(origins, pd.DatetimeIndex) and len(origins) > 1
    week = int(np.ceil(_WEEK / pd.Series(origins).diff().median())) if has_week else 1
    return max(1, horizon, week, dependence(gap))


def dependence(gap: np.ndarray) -> int:
    """Block length for the circular bootstrap of the mean of gap (N,), from its own autocovariances: the rule of
    Politis & White (2004) as corrected by Patton, Politis & White (2009); at most 3 sqrt(N) and N / 3, and 1 for what
    never moves."""
    n = len(gap)
    if n < FEWEST or np.ptp(gap) == 0:
        return 1
    quiet = max(5, int(np.ceil(np.sqrt(np.log10(n)))))  # so many lags in a row must be small
    most = int(np.ceil(np.sqrt(n))) + quiet
    covariances = acovf(np.asarray(gap, float), fft=True, nlag=min(most, n - 1))
    small = np.abs(covariances[1:] / covariances[0]) < 2 * np.sqrt(np.log10(n) / n)
    runs = np.convolve(small, np.ones(quiet), "valid") == quiet
    first = 1 + int(runs.argmax()) if runs.any() else most  # lag from which on all are
    lags = np.arange(1, min(2 * first, len(covariances) - 1) + 1)
    weighted = np.minimum(1, 2 * (1 - lags / lags[-1])) * covariances[lags]  # flat top, then down to 0
    spectrum, slope = covariances[0] + 2 * weighted.sum(), 2 * (lags * weighted).sum()
    if spectrum <= 0:  # overdifferenced: nothing to keep together
        return 1
    length = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * n ** (1 / 3)
    return int(np.ceil(np.clip(length, 1, min(3 * np.sqrt(n), n / 3))))


@dataclass(frozen=True)
class Pair:
    """One comparison: the rows of a level (one per seed), the rows they are held against, and at which margins."""

    key: dict
    rows: list[str]
    reference: list[str]
    margins: tuple[float, ...]
    horizon: int


def pairs(rows: pd.DataFrame) -> Iterator[Pair]:
    """All comparisons of a study: selected rows against their reference (is the loss within a margin?); dense networks
    against the seasonal naive forecast, ARIMA and boosting, and what is fitted without a network against the first of
    these (are they better at all?). rows: of `collect`; controls, published tables and copies never enter."""
    enters = (rows.selected == 1) & (rows.control == "") & (rows.technique != PUBLISHED)
    chosen = own(rows[enters]).sort_values(["dataset", "model", "row_id"])
    for values, group in chosen.sort_values("seed", kind="stable").groupby([*GROUP, "level"]):
        key = dict(zip([*GROUP, "level"], values, strict=True))
        horizon = 1 if group.H.isna().all() else int(group.H.max())
        known = group[(group.dense_id != "") & (group.dense_id != group.row_id) & (group.technique != "classical")]
        if len(known):
            yield Pair(key, list(known.row_id), list(known.dense_id.unique()), MARGINS, horizon)
        if is_dense(group).all():
            for model in NAIVE[:1] if key["technique"] == "classical" else NAIVE:
                rival = chosen[(chosen.dataset == key["dataset"]) & (chosen.model == model)]
                rival = rival[rival.variant == rival.variant.min()]  # "", not the variant with weather
                if len(rival):
                    yield Pair(key, list(group.row_id), list(rival.row_id), (0.0,), horizon)


def headlines(rows: pd.DataFrame) -> Iterator[Pair]:
    """Of each dataset the smallest file that validation puts within 2 % of the best forecaster of any size against that
    one, all seeds of both: is it so on test?"""
    for head in headline(rows).dropna(subset="small").itertuples():
        small, best = _seeds(rows, head.small), _seeds(rows, head.best)
        horizon = 1 if small.H.isna().all() else int(small.H.max())
        if head.small != head.best:
            key = small.iloc[0][[*GROUP, "level"]].to_dict()
            yield Pair(key, list(small.row_id), list(best.row_id), (NEAR_BEST,), horizon)


def _seeds(rows: pd.DataFrame, row_id: str) -> pd.DataFrame:
    """The rows of all seeds of what one row is of."""
    kind = rows[[*GROUP, "level", "control"]].astype(str)
    return rows[(kind == kind[rows.row_id == row_id].iloc[0]).all(axis=1)].sort_values("seed", kind="stable")


def needed(rows: pd.DataFrame, asked: Callable = pairs) -> list[str]:
    """row_ids whose losses `compare` reads."""
    return sorted({identifier for pair in asked(rows) for identifier in pair.rows + pair.reference})


def compare(rows: pd.DataFrame, losses: pd.DataFrame, asked: Callable = pairs) -> pd.DataFrame:
    """comparisons.csv: a line per comparison and margin. asked: rows -> which comparisons.

    losses: row_id, series, origin, abs_err (sums over the horizon); what counts are origins and series that all rows of
    a comparison have. p_holm (of Diebold-Mariano) and p_verdict are adjusted within a dataset and question; at margin 0
    they are the same. blocks: independent stretches of origins, of which all certainty comes.
    """
    lines = []
    for dataset, ids in rows.groupby("dataset").row_id:
        mine = losses[losses.row_id.isin(ids)].infer_objects()  # times of one dataset: dates or integers, not both
        wide = mine.pivot(index=["origin", "series"], columns="row_id", values="abs_err")
        lines += [line for pair in asked(rows[rows.dataset == dataset]) if (line := _line(pair, wide))]
    table = pd.DataFrame(lines, columns=[*COLUMNS, "margins", "p_within"])
    question = table.margins.map(min) > 0  # is it better than a simple forecast; is it no worse than its reference
    table["p_holm"] = table.groupby(["dataset", question]).p_dm.transform(holm)
    table["margin"] = table.margins
    table = table.explode(["margin", "p_within"], ignore_index=True)
    table = _judged(table.astype({"margin": float, "p_within": float}))
    skill = has_skill(rows)
    skilled = [skill.get(key, True) for key in zip(table.dataset, table.model, strict=True)]
    table["verdict"] = table.verdict.where((table.margin <= 0) | pd.Series(skilled, dtype=bool), NO_SKILL)
    return table[COLUMNS]


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """p_verdict and verdict of each line. Whether a loss lies within a margin, and whether it lies above, are two
    questions: each is adjusted for all files of the dataset that it is asked of."""
    asked = [table.dataset, table.margin]
    below, above = (p.groupby(asked).transform(holm) for p in (table.p_within, 1 - table.p_within))
    p = below.where(table.delta < table.margin, above).where(table.margin > 0, table.p_holm)
    told = zip(table.delta, table.margin, p, table.low, table.high, strict=True)
    return table.assign(p_verdict=p, verdict=[verdict(*line) for line in told])


def time_follows_macs(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation (Spearman) of MACs and median latency: dataset, runtime, files, rho (NaN below three files)."""
    timed = rows.dropna(subset=["macs", "latency_ms_p50"])
    lines = [{"dataset": dataset, "runtime": runtime, "files": len(group),
              "rho": group.macs.corr(group.latency_ms_p50, method="spearman", min_periods=3)}
             for (dataset, runtime), group in timed.groupby(["dataset", "runtime"])]
    return pd.DataFrame(lines, columns=["dataset", "runtime", "files", "rho"])


def is_better(comparisons: pd.DataFrame) -> pd.Series:
    """Lines of comparisons.csv whose row is shown to err less than its rival."""
    return comparisons.verdict == "better"


def _line(pair: Pair, wide: pd.DataFrame) -> dict | None:
    """Interval and test of one comparison; None where the two have no origin in common."""
    ours, theirs = ([name for name in names if name in wide] for names in (pair.rows, pair.reference))
    common = wide[ours + theirs].dropna().astype(float).groupby(level="origin").sum()
    if not ours or not theirs or common.empty:
        return None
    loss, reference = common[ours].mean(axis=1).to_numpy(), common[theirs].mean(axis=1).to_numpy()
    block = block_length(loss - reference, common.index, pair.horizon)
    _, p = diebold_mariano(loss, reference, lag=block - 1)
    interval = block_bootstrap(loss, reference, block)
    return {**pair.key, **vars(interval), "row": ours[0], "reference": theirs[0], "margins": pair.margins,
            "p_within": [interval.p_within(margin) for margin in pair.margins], "seeds": len(ours), "p_dm": p,
            "n_origins": len(common), "block": block}  # fmt: skip
