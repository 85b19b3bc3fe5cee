"""Pictures of a fitted ARIMA: what its one-step errors still hold, and whether its intervals keep their word."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.stats import chi2, norm
from statsmodels.tsa.stattools import acf, q_stat

from litecast.figures import style

SHOWN_LAGS, QUANTILES = 48, 200


def ljung_box(series: list, names: list[str], season: int) -> pd.DataFrame:
    """Per series: lags tested (two seasons, at most a fifth of the steps), statistic, and the p value of "no
    autocorrelation is left", with p + q degrees of freedom taken off (Ljung & Box 1978)."""
    lines = []
    for fitted in series:
        seen = int(np.isfinite(fitted.residuals).sum())
        lags = int(min(max(2 * season, 10), SHOWN_LAGS, seen // 5))
        freedom = lags - fitted.order[0] - fitted.order[2]
        if seen and freedom > 0:
            statistic = float(q_stat(_acf(fitted.residuals, lags)[1:], seen)[0][-1])
            lines.append((lags, statistic, float(chi2.sf(statistic, freedom))))
        else:
            lines.append((0, np.nan, np.nan))
    return pd.DataFrame(lines, columns=["lags", "Q", "p"], index=pd.Index(names, name="series"))


def residuals(series: list, tests: pd.DataFrame) -> Figure:
    """Standardised one-step errors on train: autocorrelation of each series, p of `ljung_box`, and quantiles."""
    errors = [fitted.residuals for fitted in series if np.isfinite(fitted.residuals).sum() > 20]
    if not errors:
        return style.says("no series moves in train")
    figure, (left, middle, right) = style.blank(2.5, columns=3)
    lags = min(SHOWN_LAGS, min(len(e) for e in errors) // 5)
    curves = np.stack([_acf(e, lags)[1:] for e in errors])
    band = norm.ppf(0.975) / np.sqrt(np.mean([np.isfinite(e).sum() for e in errors]))
    left.axhspan(-band, band, color="#dddddd", zorder=0, label="95 % if none")
    left.plot(np.arange(1, lags + 1), curves.T, color=style.PALETTE[4], linewidth=0.5, alpha=0.6)
    left.plot(np.arange(1, lags + 1), curves.mean(0), color=style.PALETTE[0], label="mean of series")
    left.set(title="Autocorrelation", xlabel="lag (steps)")
    left.legend(loc="upper right")
    ordered = np.sort(tests.p.dropna().to_numpy())
    middle.scatter(np.arange(1, len(ordered) + 1), np.maximum(ordered, 1e-16), s=16, color=style.PALETTE[0])
    middle.axhline(0.05, color=style.INK, linewidth=0.8, linestyle=style.DASHED)
    middle.set(title="Ljung-Box p", xlabel="series, sorted", yscale="log", ylim=(3e-17, 3))
    middle.set_yticks([1e-16, 1e-12, 1e-8, 1e-4, 1], ["≤1e-16", "1e-12", "1e-8", "1e-4", "1"])
    for ax in (left, middle):
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    pooled = np.concatenate([e[np.isfinite(e)] for e in errors])
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    normal = norm.ppf(shares)
    right.plot(normal, normal, color=style.INK, linewidth=0.8, linestyle=style.DASHED)
    right.plot(normal, np.quantile(pooled, shares), ".", color=style.PALETTE[0], markersize=3.5)
    right.set(title="Q-Q, all series", xlabel="normal quantile", ylabel="of the errors")
    return figure


def coverage(table: pd.DataFrame) -> Figure:
    """Share of test values inside the intervals by step ahead, a line per nominal level (`arima.coverage`)."""
    figure, (ax,) = style.blank(2.3)
    for level, colour in zip(table.columns, style.PALETTE, strict=False):
        marker = "o" if len(table) <= 30 else None
        ax.plot(table.index, table[level], color=colour, marker=marker, markersize=3, label=f"measured, {level:.0%}")
        ax.axhline(level, color=colour, linewidth=0.9, linestyle=style.DASHED)
    low = min(table.min().min(), min(table.columns))
    ax.set(xlabel="steps ahead", ylabel="test values inside", ylim=(max(0, low - 0.05), 1.005))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    style.legend(figure, ax)
    return figure


def _acf(errors: np.ndarray, lags: int) -> np.ndarray:
    """Autocorrelation (lags + 1,), gaps left out pair by pair."""
    return acf(errors, nlags=lags, fft=False, missing="conservative")
