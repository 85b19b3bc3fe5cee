"""Forecasts, and where their errors are."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from litecast.data import calendar
from litecast.figures.style import DASHES, blank, called, legend, looks, note, own

NAMED = 20  # series whose names fit below a panel
HOURLY = {"h": "1h", "30min": "30min", "15min": "15min"}  # frequencies that have an hour of the day
SHOWN_SERIES = 2
SHOWN_HORIZONS = 4  # forecasts laid end to end


def forecast_lines(data, yhat: dict[str, np.ndarray], part: str = "test") -> Figure:
    """Truth and forecasts {name: (N, H, C)} of the first series, horizons end to end from the middle of a part, as many
    as its stretch without a jump has."""
    origins = data.origins(part)
    middle = len(origins) // 2
    stretch = np.cumsum(np.diff(origins, prepend=origins[:1]) > data.H)
    inside = np.flatnonzero(stretch == stretch[middle])
    first = max(inside[0], min(middle, inside[-1] - (SHOWN_HORIZONS - 1) * data.H))
    shown = np.arange(first, inside[-1] + 1, data.H)[:SHOWN_HORIZONS]
    truth = data.targets(origins[shown])
    rows = min(SHOWN_SERIES, data.C)
    figure, axes = blank(1.9 * rows, rows)
    seen = looks(yhat)
    steps = (origins[shown][:, None] + np.arange(data.H)).ravel()
    for c, ax in enumerate(axes):
        ax.plot(data.times[steps], truth[:, :, c].ravel(), color="black", label="observed")
        for name, forecast in yhat.items():
            line = data.unscale(forecast[shown])[:, :, c].ravel()
            ax.plot(data.times[steps], line, color=seen[name][0], label=called(name), linewidth=1.1)
        ax.set(title=own(data.names[c]), ylabel=_unit(data))
        ax.tick_params(axis="x", labelrotation=0)
        ax.margins(x=0.01)
    legend(figure, axes[0])
    return figure


def horizon_errors(data, yhat: dict[str, np.ndarray], part: str = "test") -> Figure:
    """Mean absolute error of forecasts {name: (N, H, C)} by step ahead, own unit; of hourly data with a country also by
    hour of the day and on public holidays, if there are any."""
    steps = data.origins(part)[:, None] + np.arange(data.H)
    cells = {"step": np.broadcast_to(np.arange(1, data.H + 1), steps.shape).ravel()}
    if data.header.frequency in HOURLY and data.header.country:
        cells |= moments(pd.DatetimeIndex(data.times[steps.ravel()]), data.header.country)
    frames = []
    for name, forecast in yhat.items():
        gap = np.abs(data.unscale(forecast) - data.targets(data.origins(part))).reshape(steps.size, -1)
        sums = pd.DataFrame(cells).assign(sum=np.nansum(gap, 1), seen=np.isfinite(gap).sum(1))
        means = [sums.groupby(by)[["sum", "seen"]].sum().reset_index() for by in cells]
        frames.append(pd.concat(means).assign(name=name, error=lambda e: e["sum"] / e["seen"].where(e["seen"] > 0)))
    by = [c for c in cells if c != "day" or len(set(cells["day"])) > 1]
    return error_profile(pd.concat(frames), _unit(data), tuple(by))


def error_profile(errors: pd.DataFrame, unit: str = "", by: tuple[str, ...] = ("step",)) -> Figure:
    """Mean absolute error by step ahead, hour of day, kind of day or series: a panel each, a line per name.

    errors: columns name (technique, model or a label), error (own unit; averaged), and those of `by` ('step', 'hour',
    'day', 'series'; lines with NaN in one are left out of that panel). unit: that of the series, for the label.
    More than NAMED series are ranked by their error instead of named.
    """
    shares = [0.5 if x == "day" else 1 for x in by]
    figure, axes = blank(2.7, 1, len(by), width_ratios=shares)
    seen = looks(dict.fromkeys(errors["name"]))
    for ax, x in zip(axes, by, strict=True):
        means = errors.groupby([x, "name"]).error.mean().unstack() if len(errors) else pd.DataFrame()
        if means.empty:
            note(ax, "no stored forecasts")
            continue
        ordered, many = x in ("step", "hour"), len(means) > NAMED
        if many and not ordered:  # names would cover each other
            means = means.loc[means.mean(axis=1).sort_values().index]
        at = means.index if ordered else range(1, len(means) + 1)
        for name, (colour, marker) in seen.items():
            ax.plot(at, means[name], color=colour, marker=marker, markersize=3.2, linewidth=1.1,
                    linestyle=DASHES.get(name, "-") if ordered else "", label=called(name))
        if ordered or many:
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        else:
            ax.set_xticks(at, [own(name, 20) for name in means.index], rotation=45, ha="right", fontsize=7.5)
            ax.margins(x=0.3 if x == "day" else 0.05)
        ax.set_ylim(bottom=0)
        ranked = f"{x}, from small to large errors" if many else ""
        ax.set_xlabel({"step": "steps ahead", "hour": "hour of day"}.get(x, ranked))
    axes[0].set_ylabel("mean absolute error" + (f"\n({unit})" if unit else ""))
    if len(errors):
        legend(figure, axes[0])
    return figure


def moments(times: pd.DatetimeIndex, country: str | None) -> dict[str, np.ndarray | pd.Categorical]:
    """hour and day ('holidays' | 'other days') of each time; public holidays are the event days of a country."""
    days = times.normalize()
    dates = days.unique()
    off = dates[calendar.holidays(dates, country)] if country else dates[:0]
    kinds = pd.Categorical.from_codes(np.where(days.isin(off), 0, 1), ["holidays", "other days"])
    return {"hour": times.hour.to_numpy(), "day": kinds}


def _unit(data) -> str:
    return f"log {data.header.unit}" if data.header.transform == "log" else data.header.unit
