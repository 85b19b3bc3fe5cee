"""Pictures of one run, in the house style of `plots`: forecasts, widths, layers, time."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast import plots
from litecast.data import calendar

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
    figure, axes = plots.blank(1.9 * rows, rows=rows)
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
    return plots.error_profile(pd.concat(frames), _unit(data), tuple(by))


def moments(times: pd.DatetimeIndex, country: str | None) -> dict[str, np.ndarray]:
    """hour and day ('holidays' | 'other days') of each time; public holidays are the event days of a country."""
    days = times.normalize()
    dates = days.unique()
    off = dates[calendar.holidays(dates, country)] if country else dates[:0]
    return {"hour": times.hour.to_numpy(), "day": np.where(days.isin(off), "holidays", "other days")}


def width_sweep(rows: list[dict], chosen: int) -> Figure:
    """Validation WAPE against file size, a line per storage; the ring is the chosen width."""
    frame = pd.DataFrame(rows).sort_values("level")
    figure, axes = plots.blank(2.4)
    ax = axes[0, 0]
    for (storage, part), colour in zip(frame.groupby("variant", sort=False), plots.PALETTE, strict=False):
        ax.plot(part.bytes / 1000, part.val_wape, marker="s", color=colour, label=storage)
        for row in part.itertuples() if storage == "float32" else ():
            ax.annotate(f"{row.level:g}", (row.bytes / 1000, row.val_wape), xytext=(4, 4), textcoords="offset points")
    ring = frame[(frame.level == chosen) & (frame.variant == "float32")]
    ax.plot(ring.bytes / 1000, ring.val_wape, "o", markersize=13, fillstyle="none", color="black")
    ax.set(xscale="log", xlabel="file size (kB)", ylabel="validation WAPE", title="Narrower, or in fewer bits")
    plots._plain_log(ax.xaxis, *ax.get_xlim())
    ax.legend()
    return figure


def layer_bars(shares: dict[str, float], label: str) -> Figure:
    """One bar per layer: a share between 0 and 1."""
    figure, axes = plots.blank(0.6 + 0.2 * len(shares))
    ax = axes[0, 0]
    ax.barh(list(shares), list(shares.values()), color=plots.PALETTE[0])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel=label)
    return figure


def time_against_macs(times: pd.DataFrame) -> Figure:
    """Median ms against MACs per window, log-log, one colour per runtime; columns runtime, macs, latency_ms_p50."""
    figure, axes = plots.blank(2.4)
    ax = axes[0, 0]
    for (runtime, part), colour in zip(times.groupby("runtime"), plots.PALETTE, strict=False):
        ax.scatter(part.macs / 1000, part.latency_ms_p50, color=colour, label=runtime)
    ax.set(xscale="log", yscale="log", xlabel="MACs per window (thousand)", ylabel="median latency (ms)")
    plots._plain_log(ax.xaxis, *ax.get_xlim())
    plots._plain_log(ax.yaxis, *ax.get_ylim())
    ax.legend()
    return figure


def _colour(name: str, names: list[str]) -> str:
    return plots.COLOURS.get(name) or plots.PALETTE[names.index(name) % len(plots.PALETTE)]


def _unit(data) -> str:
    return f"log {data.header.unit}" if data.header.transform == "log" else data.header.unit
