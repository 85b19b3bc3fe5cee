"""Pictures of data before any model: what is missing and when, how demand behaves, and where the splits fall.

Wide tables are those of `SeriesFrame.wide()`: index time (T), a column per series (C), raw units, NaN = missing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from litecast.data import calendar
from litecast.data.frame import SeriesFrame
from litecast.data.windows import Dataset, fill
from litecast.figures import style
from litecast.figures.style import FAINT, INK, MISSING, PALETTE, blank, legend, own, plain_log, says, short

BLUE, RED, GREEN, _, SKY, ORANGE, *_ = PALETTE
MOST_LINES = 100  # columns whose lines can be told from a band
_PARTS = {"train": ("training", SKY), "val": ("validation", ORANGE), "test": ("test", GREEN)}
_USUAL = "working day"
_DAY_KINDS = {_USUAL: BLUE, "weekend": ORANGE, "holiday": RED}
_PURPLE = "#7a0177"
_SHADES = LinearSegmentedColormap.from_list("missing", (MISSING, _PURPLE))
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def pick(wide: pd.DataFrame, most: int) -> list:
    """At most so many series, spread evenly from the largest to the smallest mean."""
    ordered = wide.mean().sort_values(ascending=False, kind="stable").index
    return list(ordered[np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int))])


def coverage(wide: pd.DataFrame, dropped: list[tuple[str, str]] = (), most: int = 40) -> Figure:
    """What is missing and when: a raster of the missing share per series and stretch of time, and in all beside it.

    With more than `most` series, those with most gaps. Dropped series are marked with an asterisk.
    """
    missing = wide.isna()
    total = missing.mean()
    if not total.any():
        return says(f"nothing is missing: {wide.shape[1]} series of {len(wide):,} steps")
    shown = sorted(total.sort_values(ascending=False, kind="stable").index[:most], key=list(wide.columns).index)
    bins = np.arange(len(wide)) * min(len(wide), 180) // len(wide)
    raster = missing[shown].groupby(bins).mean().to_numpy().T
    figure, (left, right) = blank(0.9 + 0.17 * len(shown), 1, 2, width_ratios=(5, 1), sharey=True)
    image = left.imshow(raster, aspect="auto", interpolation="nearest", cmap=_SHADES, vmin=0, vmax=1,
                        extent=(0, len(wide), len(shown) - 0.5, -0.5))
    gone = {name for name, _ in dropped}
    left.set_yticks(range(len(shown)), [f"{own(name)} *" if str(name) in gone else own(name) for name in shown])
    _time_ticks(left, wide.index, most=4)
    left.set_title(f"Missing values: {total.mean():.1%} of all" + (" (* = dropped)" if gone else ""))
    left.grid(False)
    right.barh(range(len(shown)), total[shown], color=_PURPLE, height=0.7)
    right.set(xlabel="missing in all", xlim=(0, max(0.02, 1.15 * total[shown].max())))
    right.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.colorbar(image, ax=right, label="missing share", format=PercentFormatter(1), fraction=0.3)
    return figure


def profiles(wide: pd.DataFrame, frequency: str, country: str | None, unit: str, most: int = 6) -> Figure:
    """Mean level per hour of the day (or day of the week, or month), apart for working days, weekends and holidays.

    The band holds the middle 80 % of working days.
    """
    if frequency == "step":
        return says("no daily profile: integer steps have no calendar")
    slots, label, ticks = _slots(pd.DatetimeIndex(wide.index), frequency)
    kinds = _kinds_of_day(pd.DatetimeIndex(wide.index), frequency, country)
    chosen = pick(wide, most)
    figure, axes = _grid(len(chosen), sharex=True)
    for ax, name in zip(axes, chosen, strict=True):
        groups = wide[name].groupby([kinds, slots])
        low, high = (groups.quantile(q)[_USUAL] for q in (0.1, 0.9))
        ax.fill_between(low.index, low, high, color=_DAY_KINDS[_USUAL], alpha=0.15, linewidth=0)
        for kind in sorted(set(kinds), key=list(_DAY_KINDS).index):
            mean = groups.mean()[kind]
            ax.plot(mean.index, mean, color=_DAY_KINDS[kind], label=kind, marker="o" if len(mean) < 13 else None, ms=3)
        ax.set(title=own(name), ylim=(0, None) if wide[name].min() >= 0 else None)
        ax.set_xticks(*ticks)
    figure.supylabel(f"mean ({unit})", fontsize="medium")
    for ax in axes[-2:] if len(axes) in (2, 4) else axes[-3:]:
        ax.set_xlabel(label)
    if len(set(kinds)) > 1:
        legend(figure, axes[0])
    return figure


def weeks(wide: pd.DataFrame, frequency: str, country: str | None) -> Figure:
    """Weekday by hour (by month, for days): mean level as a share of each series' own mean, over all series.

    Public holidays are a row apart.
    """
    if frequency not in ("15min", "30min", "h", "D", "trading-day"):
        return says(f"no weekly profile: frequency '{frequency}' has no days")
    times = pd.DatetimeIndex(wide.index)
    rows = times.day_of_week.to_numpy().copy()
    if country:
        rows[calendar.holidays(times, country)] = 7
    daily = frequency in ("D", "trading-day")
    table = (wide / wide.mean()).mean(axis=1).groupby([rows, times.month if daily else times.hour]).mean().unstack()
    figure, (ax,) = blank(2.6)
    table.index = [(*_WEEKDAYS, "holiday")[row] for row in table.index]
    bar = {"label": "share of mean", "format": PercentFormatter(1)}
    seaborn.heatmap(table, ax=ax, cmap="viridis", vmin=0, xticklabels=1 if daily else 3, cbar_kws=bar)
    ax.set(xlabel="month" if daily else "hour of the day", ylabel="", title="A week, as a share of each series' mean")
    ax.tick_params(rotation=0)
    ax.grid(False)
    return figure


def holiday_levels(wide: pd.DataFrame, country: str | None) -> pd.Series:
    """Date of each public holiday -> level of that day over the median of its weekday, mean over series.

    Empty without a country, and for steps that are longer than a day or have no date.
    """
    dated = isinstance(wide.index, pd.DatetimeIndex) and np.diff(wide.index).min() <= np.timedelta64(1, "D")
    if not country or not dated:
        return pd.Series(dtype=float)
    days = wide.resample("D").mean().dropna(how="all")
    free = calendar.holidays(days.index, country)
    usual = days[~free].groupby(days.index[~free].day_of_week).median()
    usual = usual.where(usual > 0)  # a series that is mostly zero on that weekday has no usual level
    return (days[free] / usual.reindex(days.index[free].day_of_week).to_numpy()).mean(axis=1).dropna()


def holidays(wide: pd.DataFrame, country: str | None) -> Figure:
    """Each public holiday against the usual level of its weekday: what a calendar input has to explain."""
    levels = holiday_levels(wide, country).tail(36)  # the latest two years or so
    if levels.empty:
        return says("no public holidays: the data name no country, or have no days")
    figure, (ax,) = blank(2.4)
    ax.bar(range(len(levels)), levels, color=_DAY_KINDS["holiday"], width=0.7)
    ax.axhline(1, color=INK, linewidth=0.9)
    ax.set_xticks(range(len(levels)), levels.index.strftime("%Y-%m-%d %a"), rotation=60, ha="right",
                  rotation_mode="anchor")
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(title="Public holidays against the median of the same weekday", ylabel="share of usual level")
    return figure


def beside(frame: SeriesFrame, most: int = 4, bins: int = 10) -> Figure:
    """Observed inputs, such as weather, beside demand: level against what is usual, over tenths of each input.

    Usual is the median of the same place in the week (or the year), per series; the line is the mean over series, the
    band the middle 80 % of single values. A value that fills several tenths (no rain) is a bin of its own.
    """
    wide, observed = frame.wide(), [name for name, kind in frame.kinds.items() if kind == "observed"][:most]
    if not observed:
        return says("nothing was observed beside this demand")
    usual = wide.groupby(_places(wide.index, frame.header.frequency)).transform("median")
    level = (wide / usual.where(usual > 0)).to_numpy().ravel()
    figure, axes = _grid(len(observed), sharey=True)
    for ax, name in zip(axes, observed, strict=True):
        values = frame.wide(name).to_numpy().ravel()
        groups = pd.DataFrame({"at": values, "level": level}).groupby(_tenths(values, bins))
        told = groups["level"].quantile([0.1, 0.9]).unstack().join(groups.mean()).sort_values("at")
        ax.fill_between(told["at"], told[0.1], told[0.9], color=BLUE, alpha=0.15, linewidth=0)
        ax.plot(told["at"], told["level"], color=BLUE, marker="o", markersize=3)
        ax.axhline(1, color=INK, linewidth=0.9)
        ax.set(title=name)
        ax.xaxis.set_major_formatter(short)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.supylabel("share of usual level", fontsize="medium")
    return figure


def _tenths(values: np.ndarray, bins: int) -> np.ndarray:
    """Bin of each value, of about as many values each; -1 = the commonest one, if it would fill two or more."""
    common, count = next(iter(pd.Series(values).value_counts().items()))
    rest = np.where(values == common, np.nan, values) if count > 2 * len(values) / bins else values
    cut = pd.qcut(rest, bins if rest is values else bins // 2, labels=False, duplicates="drop")
    return np.where(np.isnan(values), np.nan, np.where(np.isnan(cut), -1, cut))


def _places(index: pd.Index, frequency: str):
    """Place of each time in its week (hours, days) or its year; one and the same for steps without a calendar."""
    if frequency == "step":
        return np.zeros(len(index), int)
    times = pd.DatetimeIndex(index)
    if frequency in ("W", "MS"):
        return times.month
    return times.day_of_week * 1440 + times.hour * 60 + times.minute


def distribution(wide: pd.DataFrame, unit: str, log: bool = False, most: int = 12) -> Figure:
    """Spread of values per series: box = middle half, whiskers = 1-99 %, points = the most extreme values."""
    shown = wide.where(wide > 0) if log else wide  # a series that was never sold has no logarithm to show
    chosen = pick(shown.dropna(axis=1, how="all"), most)[::-1]
    if not chosen:
        return says("no value above zero: nothing to show on a logarithmic scale")
    values = [shown[name].dropna().to_numpy() for name in chosen]
    figure, (ax,) = blank(0.9 + 0.24 * len(chosen))
    ax.boxplot(values, orientation="horizontal", whis=(1, 99), showfliers=False, widths=0.6, patch_artist=True,
               boxprops={"facecolor": "#cfe3f1", "edgecolor": BLUE}, medianprops={"color": RED})
    for row, v in enumerate(values, start=1):
        ax.plot([v.min(), v.max()], [row, row], ".", color=FAINT, markersize=3)
    ax.set_yticks(range(1, len(chosen) + 1), [own(name) for name in chosen])
    ax.set(xlabel=f"{unit}, log scale" if log else unit, title="Distribution: quartiles, 1-99 %, extremes")
    plain_log(ax.xaxis, short) if log else ax.xaxis.set_major_formatter(short)
    return figure


def autocorrelation(values: pd.DataFrame, lags: int, season: int = 1, title: str = "Autocorrelation",
                    unit: str = "steps") -> Figure:
    """Autocorrelation (statsmodels) of each column up to a lag: thin lines, their median thick, 95 % band of noise.

    Dotted lines stand at whole seasons. Gaps are left out pairwise. Of more than MOST_LINES columns the band of the
    middle 80 % stands for the lines.
    """
    from statsmodels.tsa.stattools import acf

    lags = min(lags, len(values) // 2)
    lines = np.column_stack([acf(column, nlags=lags, missing="conservative") for _, column in values.items()])
    figure, (ax,) = blank(2.4)
    noise = 1.96 / np.sqrt(values.notna().sum().median())
    ax.axhspan(-noise, noise, color="#dddddd", label="noise, 95 %", zorder=0)
    if lines.shape[1] > MOST_LINES:
        low, high = np.nanquantile(lines, (0.1, 0.9), axis=1)
        ax.fill_between(range(len(lines)), low, high, color=BLUE, alpha=0.2, linewidth=0, label="middle 80 %")
    else:
        ax.plot(lines, color=BLUE, alpha=0.25, linewidth=0.7)
    ax.plot(np.median(lines, axis=1), color=BLUE, linewidth=1.8, label=f"median of {lines.shape[1]} series")
    for at in range(season, lags + 1, season) if season > 1 else ():
        ax.axvline(at, color=RED, linestyle=":", linewidth=1, label="season" if at == season else None)
    top = np.nanmax(lines[1:])
    ax.set(xlabel=f"lag ({unit})", ylabel="correlation", title=title, xlim=(1, lags),
           ylim=(min(-1.5 * noise, np.nanmin(lines) - 0.03), min(1.02, top + 0.25 * max(top, noise))))
    legend(figure, ax)
    return figure


def splits(data: Dataset) -> Figure:
    """Where training, validation and test targets lie over the mean of the scaled series, with the windows of each."""
    figure, (ax,) = blank(2.3)
    level = pd.DataFrame(data.scale(data.y)).mean(axis=1)
    week = data.header.season if data.header.season > 1 else 5
    smooth = level.rolling(week, min_periods=week // 2, center=True).mean()
    ax.plot(smooth.index, smooth, color=INK, linewidth=0.9)
    for part, (name, colour) in _PARTS.items():
        label = f"{name}: {len(data.origins(part)):,} windows"
        for start, end in _runs(data.parts[part]):
            ax.axvspan(start, end, color=colour, alpha=0.35, linewidth=0, label=label)
            label = None
    ax.set(xlim=(0, len(level)), ylabel="scaled level\n(mean of series)",
           title=f"{own(data.header.name)}: split '{data.header.split}', L {data.L}, H {data.H}")
    ax.grid(False)
    _time_ticks(ax, pd.Index(data.times))
    legend(figure, ax)
    return figure


def split_spans(parts: pd.DataFrame) -> Figure:
    """Where the parts of several datasets lie; parts: columns dataset, part, start, end (share of the series, 0…1)."""
    names = list(dict.fromkeys(parts["dataset"]))
    if not names:
        return says("no split is stored")
    figure, ax = style.named_rows([own(name) for name in names], 0.3)
    for part, (label, colour) in _PARTS.items():
        mine = parts[parts["part"] == part]
        ax.barh([names.index(n) for n in mine.dataset], mine.end - mine.start, left=mine.start, color=colour,
                height=0.62, label=label)
    ax.set(xlim=(0, 1), xlabel="share of the common span")
    style.percent_axis(ax.xaxis)
    legend(figure, ax)
    return figure


def levels(wide: pd.DataFrame, unit: str, most: int = 6) -> Figure:
    """Each series over time on a logarithmic axis of its own; where values go up by the same factor, so do lines."""
    chosen = pick(wide, most)
    figure, axes = _grid(len(chosen), sharex=True)
    for ax, name in zip(axes, chosen, strict=True):
        positive = wide[name].where(wide[name] > 0)
        ax.plot(np.arange(len(wide)), positive, color=BLUE, linewidth=0.6)
        ax.set(title=own(name), xlim=(0, len(wide)))
        plain_log(ax.yaxis, short)
        _time_ticks(ax, wide.index, most=3)
    figure.supylabel(f"{unit}, log", fontsize="medium")
    return figure


def volatility(changes: pd.DataFrame, window: int = 20, most: int = 3, title: str = "") -> Figure:
    """Log changes from step to step of one series, and how large they are lately in several: standard deviation over
    `window` steps. Clusters of large changes are hills."""
    chosen = pick(changes.std().to_frame().T, most)
    figure, (top, bottom) = blank(3.6, 2, sharex=True)
    at = np.arange(len(changes))
    top.bar(at, changes[chosen[0]], width=1.0, color=BLUE)
    top.set(title=f"{title}: {own(chosen[0])}, the most volatile".lstrip(": "), ylabel="log change per step")
    rolling = changes[chosen].rolling(window, min_periods=window // 2).std()
    for colour, name in zip(PALETTE, chosen, strict=False):
        bottom.plot(at, rolling[name], color=colour, linewidth=0.9, label=own(name))
    bottom.set(ylabel=f"std over {window} steps", ylim=(0, None), xlim=(0, len(changes)))
    for ax in (top, bottom):
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    _time_ticks(bottom, changes.index)
    legend(figure, bottom)
    return figure


def filled(wide: pd.DataFrame, season: int, unit: str, around: int = 168) -> Figure:
    """The longest gap of all and what its inputs are filled with; `around`: the look-back, so far filling reaches."""
    values, counts = fill(wide.to_numpy(), season, around)
    if not counts.any():
        return says("nothing was filled: no gaps")
    gaps = [(end - start, start, end, c) for c in range(wide.shape[1])
            for start, end in _runs(np.isnan(wide.iloc[:, c].to_numpy()) & ~np.isnan(values[:, c]))]
    _, start, end, c = max(gaps)
    a, b = max(0, start - around), min(len(wide), end + around)
    figure, (ax,) = blank(2.0)
    ax.plot(np.arange(a, b), values[a:b, c], color=RED, label="filled input")
    ax.plot(np.arange(a, b), wide.iloc[a:b, c], color=BLUE, label="measured")
    ax.axvspan(start - 0.5, end - 0.5, color="#eeeeee", zorder=0, label="gap: no target there")
    ax.set(title=f"Longest gap: {own(wide.columns[c])}, {end - start} step" + "s" * (end - start > 1),
           xlim=(a, b - 1), ylabel=unit)
    ax.yaxis.set_major_formatter(short)
    _time_ticks(ax, wide.index[a:b], offset=a)
    legend(figure, ax)
    return figure


# --- small parts


def _grid(n: int, **options):
    """Small multiples, up to three in a row; empty places are taken away."""
    columns = 2 if n in (2, 4) else min(3, n)
    rows = -(-n // columns)
    figure, axes = blank(0.5 + 1.45 * rows, rows, columns, **options)
    for ax in axes[n:]:
        ax.remove()
    for ax in axes[n - columns : n]:  # lowest of each column
        ax.tick_params(labelbottom=True)
    return figure, axes[:n]


def _slots(times: pd.DatetimeIndex, frequency: str):
    """Position in the day, week or year of each time, what it is called, and (tick places, tick labels)."""
    if frequency in ("D", "trading-day"):
        return times.day_of_week.to_numpy(), "day of the week", (range(7), _WEEKDAYS)
    if frequency in ("W", "MS"):
        return times.month.to_numpy(), "month", (range(1, 13, 2), range(1, 13, 2))
    return (times.hour + times.minute / 60).to_numpy(), "hour of the day", (range(0, 25, 6), range(0, 25, 6))


def _kinds_of_day(times: pd.DatetimeIndex, frequency: str, country: str | None) -> np.ndarray:
    if frequency not in ("15min", "30min", "h"):
        return np.full(len(times), _USUAL)
    kinds = np.where(times.day_of_week >= 5, "weekend", _USUAL).astype(object)
    if country:
        kinds[calendar.holidays(times, country)] = "holiday"
    return kinds


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of each stretch of True, end excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _time_ticks(ax, index: pd.Index, most: int = 6, offset: int = 0) -> None:
    """Dates at even places of an axis that counts steps, since trading days are not evenly spaced in time."""
    at = np.linspace(0, len(index) - 1, most + 1).round().astype(int)[:-1]
    if isinstance(index, pd.DatetimeIndex):
        years = (index[-1] - index[0]).days / 365.25
        labels = index[at].strftime("%Y-%m" if years > 2 else "%Y-%m-%d")
    else:
        labels = [f"{step:,}" for step in index[at]]
        ax.set_xlabel("step")
    ax.set_xticks(at + offset, labels)
