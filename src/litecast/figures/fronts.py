"""Errors against size, time and arithmetic: the trade that compression is about."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from litecast.errors import LitecastError
from litecast.figures import style
from litecast.figures.style import DASHES, FAINT, HALO, blank, called, label_axes, look, note, percent_axis, plain_log
from litecast.results.choice import PUBLISHED, front, is_compact, is_dense, own
from litecast.results.rows import number, text

AXES = {
    "bytes": ("file size (kB)", 1e-3),
    "latency_ms_p50": ("median latency (ms per window)", 1.0),
    "macs": ("MACs per window (thousand)", 1e-3),
}


def error_against(rows: pd.DataFrame, x: str = "bytes", dataset: str | None = None,
                  link: Callable[[dict], str | None] | None = None) -> Figure:
    """Test WAPE against size or time, a panel per deep or compressed network; the front to beat as a grey step line.

    The last panel, 'compact', names the chosen file of every compact network and simple forecasters with a file.
    rows: result rows, best as means over seeds; x: 'bytes', 'latency_ms_p50' or 'macs' (log axis); dataset: which one
    to show (None: rows hold one); link: row -> address its point leads to in SVG. A function in a second runtime has
    a point of its own only for its time. Raises LitecastError for an unknown x.
    """
    if x not in AXES:
        raise LitecastError(f"cannot draw errors against {x!r}: choose one of {', '.join(AXES)}")
    label, unit = AXES[x]
    rows, lines = _of(rows if x == "latency_ms_p50" else own(rows), dataset, link)
    points = rows.assign(x=number(rows, x) * unit, kind=text(rows, "technique"))
    points = points[(points.x > 0) & points.y.notna()]
    compact, plain = is_compact(points), points.kind.isin(style.ROLES)
    small = points.kind.eq("classical") | compact & plain
    names, wide = sorted(set(points.model[~small | ~plain])), ["compact"] if small.any() else []
    figure, panels = style.grid(names or [""][: not wide], 1.85, 3.0, wide, sharex=True)
    chosen = points[small & is_dense(points)]
    chosen = chosen.assign(kind=chosen.kind.where(chosen.kind == "classical", "compact"), selected=1.0)
    shown = []
    for name, ax in panels.items():
        steps = front(points, name, "x")
        mine = chosen if name in wide else points[points.model == name]
        others = steps[~steps.index.isin(mine.index)].assign(kind="compact", selected=0.0)
        mine = pd.concat([mine, others])
        shown.append(mine)
        if mine.empty:
            note(ax, f"no file with a {label.split(' (')[0]}")
            continue
        ax.set(xscale="log", xlim=(points.x.min() / 1.2, points.x.max() * 1.2))
        _panel(ax, mine, steps, lines)
        plain_log(ax.xaxis)
        percent_axis(ax.yaxis)
    label_axes(panels, label, "test WAPE", wide)
    drawn = sorted(set(pd.concat(shown).kind), key=lambda k: (k != "dense", k in ("width", "compact"), k))
    _legend(figure, drawn, lines)
    for name in wide:
        named = shown[-1].drop_duplicates("model")
        _name_points(panels[name], named.x, named.y, named.model)
    return figure


def _of(rows: pd.DataFrame, dataset: str | None, link) -> tuple[pd.DataFrame, dict[str, float]]:
    """A dataset's rows, but for controls, with y (test WAPE) and url; and the forecasts that are drawn as lines."""
    rows = rows if dataset is None else rows[text(rows, "dataset") == dataset]
    rows = rows[(text(rows, "role") != "control") & (text(rows, "technique") != PUBLISHED)]
    rows = rows.assign(y=number(rows, "test_wape")).reset_index(drop=True)
    rows["url"] = pd.Series([link(row) if link else None for row in rows.to_dict("records")], rows.index, object)
    plain = rows[text(rows, "variant") == ""].groupby("model").y.mean().dropna()  # no further inputs
    return rows, {name: plain[name] for name in DASHES if name in plain}


def _panel(axes, rows: pd.DataFrame, steps: pd.DataFrame, lines: dict[str, float]) -> None:
    """One model's files: front as a step line, selected points filled, others hollow, all linked to their run."""
    chosen = (number(rows, "selected").fillna(0) > 0) | (rows.kind == "dense")
    bottom, top = _limits(rows.y, rows.y[chosen | rows.kind.isin(["width", "compact"])], lines)
    for (kind, filled), mine in rows.groupby([rows.kind, chosen]):
        colour, marker = look(kind)
        face, size = (colour, 34) if filled else ("none", 22)
        axes.scatter(mine.x, mine.y.clip(upper=top - 0.02 * (top - bottom)), s=size, marker=marker, facecolors=face,
                     edgecolors=colour, linewidths=0.9, zorder=3 + filled).set_urls(list(mine.url))
    if len(steps):
        axes.step([*steps.x, rows.x.max()], [*steps.y, steps.y.iloc[-1]], where="post", color=look("width")[0],
                  linewidth=1.1, zorder=2)
    beyond = int((rows.y > top).sum())
    _lines(axes, lines, bottom, top, [f"{beyond} file" + "s" * (beyond > 1)] if beyond else [])


def _lines(axes, lines: dict[str, float], bottom: float, top: float, beyond: list[str]) -> None:
    """Simple forecasts as horizontal lines between bottom and top; what lies outside is told in the corner."""
    for name, value in lines.items():
        if bottom < value < top:
            axes.axhline(value, color=look(name)[0], linewidth=1, linestyle=DASHES[name], zorder=1)
    above = [f"{called(k)} {100 * v:.1f} %" for k, v in lines.items() if v >= top] + beyond
    beneath = [f"{called(k)} {100 * v:.1f} %" for k, v in lines.items() if v <= bottom]
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in (("above", above), ("below", beneath)) if names)
    axes.text(1, 1.02, told, ha="right", va="bottom", transform=axes.transAxes, fontsize=7.5, color=FAINT)
    axes.set_ylim(bottom, top)


def _limits(y: pd.Series, wanted: pd.Series, lines: dict[str, float]) -> tuple[float, float]:
    """Lower and upper end of the error axis: room for what matters and for the lines that are near it.

    A ruined level or a far-off naive forecast would press all else into one stripe; they are told in the panel instead.
    """
    low, high = y.min(), (wanted if len(wanted) else y).max()
    room = max(high - low, 0.04 * high)
    near = [v for v in lines.values() if low - room < v < high + 0.75 * room]
    low, high = min([low, *near]), max([high, *near, y[y < high + 0.5 * room].max()])
    return low - 0.12 * (high - low or low), high + 0.16 * (high - low or high)


def _legend(figure: Figure, kinds: list[str], lines: dict[str, float]) -> None:
    """One legend under all panels: what a colour, a filled point and a line mean."""
    dot = {"linestyle": "", "marker": "o", "color": FAINT}
    words = {"width": "trained narrow (front)", "compact": "compact network (front)"}
    handles = [Line2D([], [], linestyle="-" if k == "width" else "", color=look(k)[0], marker=look(k)[1], markersize=5,
                      linewidth=1.1, label=words.get(k, called(k))) for k in kinds]
    handles += [Line2D([], [], color=look(k)[0], linestyle=DASHES[k], linewidth=1, label=called(k)) for k in lines]
    handles += [Line2D([], [], **dot, markersize=5, label="filled: selected"),
                Line2D([], [], **dot, markersize=4.5, markerfacecolor="none", label="hollow: other levels")]
    style.legend(figure, handles, handlelength=2.2)


def bubbles(rows: pd.DataFrame, dataset: str | None = None, link: Callable[[dict], str | None] | None = None) -> Figure:
    """All forecasters of a dataset: test WAPE against MACs per window (log axis), a bubble per dense network.

    The area of a bubble is the square root of the parameters in square points, or the smallest would not be seen. Naive
    forecasts, ARIMA and boosting have no such MACs: they are lines. rows, dataset, link: as of `error_against`.
    """
    rows, lines = _of(own(rows), dataset, link)
    nets = rows[text(rows, "technique") == "dense"].groupby("model")
    nets = nets.agg({"macs": "mean", "params": "mean", "y": "mean", "url": "first"})
    nets = nets[(nets.macs > 0) & nets.y.notna()].reset_index().sort_values("params", ascending=False)
    if nets.empty:
        return style.says("no network yet")
    figure, (ax,) = blank(4.3)
    low, high = nets.macs.min() / 2000, nets.macs.max() / 500  # thousand, with room for names at both ends
    bottom, top = _limits(nets.y, nets.y[nets.y <= 1.5 * nets.y.median()], lines)
    ax.set(xscale="log", xlim=(low, high), xlabel=AXES["macs"][0], ylabel="test WAPE")
    _lines(ax, lines, bottom, top, [f"{n.model} {100 * n.y:.1f} %" for n in nets[nets.y >= top].itertuples()])
    plain_log(ax.xaxis)
    percent_axis(ax.yaxis)
    nets = nets[nets.y < top]
    family = is_compact(nets).map({True: "compact", False: "deep"})
    for kind, mine in sorted(nets.groupby(family), reverse=True):  # the small ones on top
        ax.scatter(mine.macs / 1000, mine.y, s=mine.params**0.5, color=look(kind)[0], alpha=0.55, label=kind,
                   edgecolors=look(kind)[0], zorder=3).set_urls(list(mine.url))
    dots = [Line2D([], [], linestyle="", marker="o", color=look(kind)[0], label=f"{kind} networks")
            for kind in sorted(set(family))]
    sizes = [10**d for d in range(2, 8) if nets.params.min() / 3 <= 10**d <= 3 * nets.params.max()]
    dots += [Line2D([], [], linestyle="", label="parameters:")]
    dots += [Line2D([], [], linestyle="", marker="o", markersize=n**0.25, color="#bbbbbb", label=style.short(n))
             for n in sizes[:: max(1, -(-len(sizes) // 3))]]  # three at most fit the page
    style.legend(figure, dots, len(dots), handletextpad=0.6, handleheight=2.6, handlelength=3.8, columnspacing=1)
    _name_lines(ax, {name: value for name, value in lines.items() if bottom < value < top})
    _name_points(ax, nets.macs / 1000, nets.y, nets.model, nets.params**0.25 / 2)
    return figure


def _name_lines(axes, lines: dict[str, float]) -> None:
    """Names of horizontal lines at the right edge, pushed apart where lines are close."""
    axes.figure.draw_without_rendering()  # settles the layout: from here on places are known in points
    before, scale = -np.inf, 72 / axes.figure.dpi
    for name, value in sorted(lines.items(), key=lambda line: line[1]):
        at = axes.transData.transform((axes.get_xlim()[1], value))[1] * scale
        before = max(at, before + 9)
        axes.annotate(called(name), (1, value), xycoords=("axes fraction", "data"), xytext=(4, before - at),
                      textcoords="offset points", va="center", fontsize=7.5, color=look(name)[0])


def _name_points(axes, x, y, names, radii=3.0) -> None:
    """A name beside each point (radii in points), at the place around it that hides least; a hairline if that is far.

    Places are tried in turn, the crowded points first; what a place covers (names, points, the frame) is its cost.
    """
    axes.figure.draw_without_rendering()
    x, y, names, scale = list(x), list(y), list(names), 72 / axes.figure.dpi
    spots = axes.transData.transform(np.column_stack([x, y])) * scale
    radii = np.broadcast_to(radii, len(spots))
    low, high = (np.array(end) * scale for end in (axes.bbox.min, axes.bbox.max))
    discs = np.hstack([spots - 0.9 * radii[:, None], spots + 0.9 * radii[:, None]])
    taken = np.empty((0, 4))
    crowd = np.hypot(*(spots[:, None] - spots[None]).T).sum(0) if len(spots) else []
    angles, gaps = np.deg2rad([0, 180, 90, 270, 35, 145, 215, 325]), np.repeat([2, 8, 15, 23, 32], 8)[:, None]
    ways = np.tile(np.column_stack([np.cos(angles), np.sin(angles)]), (5, 1))
    for i in np.argsort(crowd, kind="stable"):
        text = axes.annotate(called(str(names[i])), (x[i], y[i]), xytext=(0, 0), textcoords="offset points",
                             ha="center", va="center", fontsize=7.2, zorder=6, path_effects=HALO)
        half = np.array(text.get_window_extent().size) * scale / 2
        centres = spots[i] + ways * (radii[i] + gaps + half * np.abs(ways))
        boxes = np.hstack([centres - half, centres + half])
        out = np.maximum(low - boxes[:, :2], 0).sum(1) + np.maximum(boxes[:, 2:] - high, 0).sum(1)
        best = np.argmin(9 * _overlaps(boxes, taken) + 5 * _overlaps(boxes, discs) + 50 * out + gaps[:, 0])
        taken, offset = np.vstack([taken, boxes[best]]), centres[best] - spots[i]
        text.set_position(offset)
        if gaps[best, 0] > 8:
            end = offset - np.sign(offset) * np.minimum(half, abs(offset))
            axes.annotate("", (x[i], y[i]), xytext=end, textcoords="offset points", zorder=5,
                          arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.5, "shrinkA": 0})


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that each box (M, 4: x0, y0, x1, y1) shares with others (N, 4), in all: (M,)."""
    sides = np.minimum(boxes[:, None, 2:], others[:, 2:]) - np.maximum(boxes[:, None, :2], others[:, :2])
    return np.prod(np.maximum(sides, 0), axis=2).sum(1)


def time_against_macs(times: pd.DataFrame) -> Figure:
    """Median ms against MACs per window, log-log, one colour per runtime; columns runtime, macs, latency_ms_p50."""
    figure, (ax,) = blank(2.4)
    for (runtime, part), colour in zip(times.groupby("runtime"), style.PALETTE, strict=False):
        ax.scatter(part.macs / 1000, part.latency_ms_p50, color=colour, label=runtime)
    ax.set(xlabel=AXES["macs"][0], ylabel="median latency (ms)")
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    ax.legend()
    return figure
