"""Forecasts, and where their errors are."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from litecast.data import calendar
from litecast.figures import forecasts, style
from litecast.figures.style import _MARKERS, DASHES, LOOKS, PALETTE, blank, note, percent_axis

NAMED = 20  # series whose names fit below a panel


def error_profile(errors: pd.DataFrame, unit: str = "", by: tuple[str, ...] = ("step",)) -> Figure:
    """Mean absolute error by step ahead, hour of day, kind of day or series: a panel each, a line per name.

    errors: columns name (technique, model or a label), error (own unit; averaged), and those of `by` ('step', 'hour',
    'day', 'series'; lines with NaN in one are left out of that panel). unit: that of the series, for the label.
    More than NAMED series are ranked by their error instead of named.
    """
    shares = [0.5 if x == "day" else 1 for x in by]
    figure, axes = blank(2.7, 1, len(by), width_ratios=shares)
    names = list(dict.fromkeys(errors["name"]))
    free = cycle(c for c in zip(PALETTE, _MARKERS, strict=False))
    looks = {name: LOOKS.get(name) or next(free) for name in names}
    for ax, x in zip(axes.flat, by, strict=True):
        means = errors.groupby([x, "name"]).error.mean().unstack() if len(errors) else pd.DataFrame()
        if means.empty:
            note(ax, "no stored forecasts")
            continue
        ordered, many = x in ("step", "hour"), len(means) > NAMED
        if many and not ordered:  # names would cover each other
            means = means.loc[means.mean(axis=1).sort_values().index]
        at = means.index if ordered else range(1, len(means) + 1)
        for name in names:
            ax.plot(at, means[name], color=looks[name][0], marker=looks[name][1], markersize=3.2, linewidth=1.1,
                    linestyle=DASHES.get(name, "-") if ordered else "", label=str(name).replace("_", " "))
        if ordered or many:
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        else:
            ax.set_xticks(at, means.index, rotation=45, ha="right", fontsize=7.5)
            ax.margins(x=0.3 if x == "day" else 0.05)
        ax.set_ylim(bottom=0)
        ranked = f"{x}, from small to large errors" if many else ""
        ax.set_xlabel({"step": "steps ahead", "hour": "hour of day"}.get(x, ranked))
    axes[0, 0].set_ylabel("mean absolute error" + (f"\n({unit})" if unit else ""))
    handles = axes[0, 0].get_legend_handles_labels()[0]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def split_figure(parts: pd.DataFrame) -> Figure:
    """Where train, validation and test lie; parts: columns dataset, part, start, end (share of the series, 0…1)."""
    names = list(dict.fromkeys(parts["dataset"]))
    figure, axes = blank(0.8 + 0.3 * max(1, len(names)))
    ax = axes[0, 0]
    if not names:
        note(ax, "no split is stored")
        return figure
    for part, label, colour in (("train", "train", "#56B4E9"), ("val", "validation", "#E69F00"),
                                ("test", "test", "#009E73")):
        mine = parts[parts["part"] == part]
        ax.barh([names.index(n) for n in mine.dataset], mine.end - mine.start, left=mine.start, color=colour,
                height=0.62, label=label)
    ax.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), ylim=(len(names) - 0.4, -0.6),
           xlabel="share of the common span")
    percent_axis(ax.xaxis)
    ax.grid(False)
    figure.legend(handles=ax.get_legend_handles_labels()[0], loc="outside upper right", ncols=3)
    return figure


HOURLY = {"h": "1h", "30min": "30min", "15min": "15min"}  # frequencies that have an hour of the day
SHOWN_SERIES = 2
SHOWN_HORIZONS = 4  # forecasts laid end to end


def forecast_lines(data, yhat: dict[str, np.ndarray], part: str = "test") -> Figure:
    """Truth and forecasts {name: (N, H, C)} of the first series, horizons end to end from the middle of a part."""
    origins = data.origins(part)
    first = len(origins) // 2
    shown = np.arange(first, len(origins), data.H)[:SHOWN_HORIZONS]
    truth = data.targets(origins[shown])
    rows = min(SHOWN_SERIES, data.C)
    figure, axes = style.blank(1.9 * rows, rows=rows)
    steps = (origins[shown][:, None] + np.arange(data.H)).ravel()
    for c, ax in enumerate(axes[:, 0]):
        ax.plot(data.times[steps], truth[:, :, c].ravel(), color="black", label="observed")
        for name, forecast in yhat.items():
            line = data.unscale(forecast[shown])[:, :, c].ravel()
            ax.plot(data.times[steps], line, color=_colour(name, list(yhat)), label=name, linewidth=1.1)
        ax.set(title=data.names[c], ylabel=_unit(data))
        ax.tick_params(axis="x", labelrotation=0)
        ax.margins(x=0.01)
    axes[0, 0].legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.4))
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
    return forecasts.error_profile(pd.concat(frames), _unit(data), tuple(by))


def moments(times: pd.DatetimeIndex, country: str | None) -> dict[str, np.ndarray]:
    """hour and day ('holidays' | 'other days') of each time; public holidays are the event days of a country."""
    days = times.normalize()
    dates = days.unique()
    off = dates[calendar.holidays(dates, country)] if country else dates[:0]
    return {"hour": times.hour.to_numpy(), "day": np.where(days.isin(off), "holidays", "other days")}


def _colour(name: str, names: list[str]) -> str:
    return style.COLOURS.get(name) or style.PALETTE[names.index(name) % len(style.PALETTE)]


def _unit(data) -> str:
    return f"log {data.header.unit}" if data.header.transform == "log" else data.header.unit
