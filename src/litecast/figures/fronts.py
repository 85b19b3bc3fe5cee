"""Errors against size, time and arithmetic: the trade that compression is about."""

import textwrap
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from litecast.errors import LitecastError
from litecast.figures import style
from litecast.figures.style import DASHES, FAINT, HALO, blank, called, label_axes, look, note, percent_axis, plain_log
from litecast.results.choice import LONGER, PUBLISHED, REFERENCE, front, is_compact, is_dense, own
from litecast.results.rows import number, text

FAR = 1.5  # times the error of what is recommended: so bad a technique is told in numbers, not drawn to scale
PANEL = 2.9  # inches that `trade` has above its legend, axis labels included
AXES = {
    "bytes": ("file size (kB)", 1e-3),
    "latency_ms_p50": ("median latency (ms per window)", 1.0),
    "macs": ("MACs per window (thousand)", 1e-3),
    "train_macs": ("training, all of the route (GMACs)", 1e-9),
}


def trade(rows: pd.DataFrame, ringed: dict[str, str], dataset: str | None = None,
          link: Callable[[dict], str | None] | None = None, width: float = style.WIDTH) -> Figure:
    """All files of a dataset in one panel: test WAPE against size (log axis), a colour per technique.

    Filled: selected files of techniques; pale: other levels, narrow and compact networks; grey steps: the front of all
    these. Lines: the reference, forecasts without a file, and boosting. rows, dataset, link: as of `error_against`;
    ringed: row_id -> words beside it, controls too; what has no bytes is ringed at the right edge, what has 0 at the
    left one. width: in inches.
    """
    rows, _ = _of(own(rows), dataset, link, ringed)
    rows = rows.assign(kb=number(rows, "bytes") / 1000, kind=text(rows, "technique"), id=text(rows, "row_id"))
    rows = rows[rows.y.notna()]
    points = rows[rows.kb > 0]
    points = points.assign(told=_is_told(points) | points.id.isin(ringed))
    if points.empty:
        return style.says("no file yet")
    low, high = points.kb.min() / 1.6, points.kb.max() * 1.6
    rings = rows[rows.id.isin(ringed)]
    rings = rings.assign(x=rings.kb.fillna(high / 1.2).clip(lower=low * 1.2), words=rings.id.map(ringed))
    boosting = (rows.model == "boosting") & (text(rows, "variant") == "")
    reference = rows.model == REFERENCE
    flat = rows[(text(rows, "role") == "naive") | boosting | reference | rows.id.isin(ringed) & rows.kb.isna()]
    names = flat.model.where((flat.kind == "classical") | reference, flat.kind + " of " + flat.model)
    lines = flat.y.groupby(names).mean().to_dict()
    steps = front(points, None)
    figure, (ax,) = blank(PANEL)
    figure.set_figwidth(width)
    best = points[points.told].groupby("kind").y.min()  # of each technique something is to be seen, and the best
    best.loc["free"] = flat.y[text(flat, "role") == "naive"].min()  # forecast without a file
    wanted = pd.concat([rings.y, best[best < FAR * (rings.y if len(rings) else best).max()]])
    bottom, top = _limits(wanted, wanted, lines)
    bottom -= 0.1 * (top - bottom)  # names of the best stand below them
    ax.set(xscale="log", xlim=(low, high), xlabel=AXES["bytes"][0], ylabel="test WAPE")
    over = int((points.y > top).sum())
    _lines(ax, lines, bottom, top, [f"{over} file" + "s" * (over > 1)] * (over > 0))
    ax.plot([*steps.kb, high], [*steps.y, *steps.y.tail(1)], drawstyle="steps-post", color=look("width")[0], zorder=2)
    kinds = _dots(ax, points)
    ax.scatter(rings.x, rings.y, s=110, facecolors="none", edgecolors=style.INK, linewidths=1.3, zorder=5)
    plain_log(ax.xaxis)
    percent_axis(ax.yaxis)
    keys = _legend(figure, kinds, {}, "pale: others", round(4 * width / style.WIDTH))
    figure.set_figheight(PANEL + keys)
    _name_lines(ax, {name: value for name, value in lines.items() if bottom < value < top})
    seen = points[points.y < top]
    _name_points(ax, rings.x, rings.y, rings.words, 6.0, avoid=(seen.kb, seen.y), lines=list(lines.values()))
    return figure


def _is_told(points: pd.DataFrame) -> pd.Series:
    """Files in full colour: selected ones of techniques, dense deep networks, and those without a network."""
    plain = points.kind.isin(["width", "dense"])
    return number(points, "selected").gt(0) & ~plain | points.kind.isin(["dense", "classical"]) & ~is_compact(points)


def _dots(axes, points: pd.DataFrame) -> list[str]:
    """Files as points, a group per kind: those to tell of filled, others pale. Returns the kinds that are there."""
    kind = points.kind.mask(points.kind.isin(["width", "dense"]) & is_compact(points), "compact")
    for name, mine in points.groupby(kind):
        colour, marker = look(name)
        for some, size, alpha in ((mine[~mine.told], 9, 0.3), (mine[mine.told], 24, 0.95)):
            dots = axes.scatter(some.kb, some.y, s=size, color=colour, marker=marker, alpha=alpha, linewidths=0,
                                zorder=3 + (size > 9))
            dots.set_urls(list(some.url))
    return sorted(set(kind), key=lambda k: (k in style.ROLES, k))


def error_against(rows: pd.DataFrame, x: str = "bytes", dataset: str | None = None,
                  link: Callable[[dict], str | None] | None = None) -> Figure:
    """Test WAPE against size or time, a panel per deep or compressed network; the front to beat as a grey step line.

    The last panel, 'compact', names the chosen file of every compact network and simple forecasters with a file.
    rows: result rows, best as means over seeds; x: 'bytes', 'latency_ms_p50', 'macs' or 'train_macs' (log axis);
    dataset: which one to show (None: rows hold one); link: row -> address its point leads to in SVG. A function in a
    second runtime has a point of its own only for its time. Raises LitecastError for an unknown x.
    """
    if x not in AXES:
        raise LitecastError(f"cannot draw errors against {x!r}: choose one of {', '.join(AXES)}")
    label, unit = AXES[x]
    rows, lines = _of(rows if x == "latency_ms_p50" else own(rows), dataset, link)
    points = rows.assign(x=number(rows, x) * unit, kind=text(rows, "technique"))
    points = points[(points.x > 0) & points.y.notna() & (points.model != REFERENCE)]  # which is a line
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
        others = steps[~steps.index.isin(mine.index)].assign(selected=0.0)
        others["kind"] = "compact"
        others.loc[~is_compact(others) & (text(others, "technique") == "width"), "kind"] = "width"  # of the family
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


def _of(rows: pd.DataFrame, dataset: str | None, link, kept=()) -> tuple[pd.DataFrame, dict[str, float]]:
    """A dataset's rows with y (test WAPE) and url, and the forecasts that are drawn as lines. Of controls only what may
    be on the front, trained longer, and those to keep (row_ids)."""
    rows = rows if dataset is None else rows[text(rows, "dataset") == dataset]
    longer = (text(rows, "control") == LONGER) & ((text(rows, "technique") == "width") | is_compact(rows))
    shown = (text(rows, "role") != "control") | longer | text(rows, "row_id").isin(list(kept))
    rows = rows[shown & (text(rows, "technique") != PUBLISHED)]
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
            axes.axhline(value, **_line(name), linewidth=1, zorder=1)
    above = [f"{called(k)} {100 * v:.1f} %" for k, v in lines.items() if v >= top] + beyond
    beneath = [f"{called(k)} {100 * v:.1f} %" for k, v in lines.items() if v <= bottom]
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in (("above", above), ("below", beneath)) if names)
    place = axes.get_subplotspec()
    share = len(place.colspan) / place.get_gridspec().ncols  # of the figure's width; the title stands there, too
    told = textwrap.fill(told, int(14 * axes.figure.get_figwidth() * share) - len(axes.get_title("left")))
    axes.text(1, 1.02, told, ha="right", va="bottom", transform=axes.transAxes, fontsize=7.5, color=FAINT)
    axes.set_ylim(bottom, top)


def _line(name: str) -> dict:
    """Colour and dashes of a forecast that is drawn as a line; what has none of its own looks like the naive one."""
    name = name if name in DASHES else "naive"
    return {"color": look(name)[0], "linestyle": DASHES[name]}


def _limits(y: pd.Series, wanted: pd.Series, lines: dict[str, float]) -> tuple[float, float]:
    """Lower and upper end of the error axis: room for what matters and for the lines that are near it.

    A ruined level or a far-off naive forecast would press all else into one stripe; they are told in the panel instead.
    The reference is always seen.
    """
    low, high = y.min(), (wanted if len(wanted) else y).max()
    room = max(high - low, 0.04 * high)
    near = [v for name, v in lines.items() if name == REFERENCE or low - room < v < high + 0.75 * room]
    low, high = min([low, *near]), max([high, *near, y[y < high + 0.5 * room].max()])
    return low - 0.12 * (high - low or low), high + 0.16 * (high - low or high)


def _legend(figure: Figure, kinds: list[str], lines: dict[str, float], others: str = "hollow: other levels",
            columns: int = 4) -> float:
    """One legend under all panels: what a colour, a filled point and a line mean; its height in inches."""
    dot = {"linestyle": "", "marker": "o", "color": FAINT}
    words = {"width": "trained narrow (front)", "compact": "compact network (front)",
             "ensemble": "mean of several files"}  # fmt: skip
    handles = [Line2D([], [], linestyle="-" if k == "width" else "", color=look(k)[0], marker=look(k)[1], markersize=5,
                      linewidth=1.1, label=words.get(k, called(k))) for k in kinds]
    handles += [Line2D([], [], color=look(k)[0], linestyle=DASHES[k], linewidth=1, label=called(k)) for k in lines]
    hollow = {"alpha": 0.35} if others.startswith("pale") else {"markerfacecolor": "none"}
    handles += [Line2D([], [], **dot, markersize=5, label="filled: selected"),
                Line2D([], [], **dot, markersize=4.5, **hollow, label=others)]
    return style.legend(figure, handles, columns, handlelength=2.2)


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
    _lines(ax, lines, bottom, top, [f"{called(n.model)} {100 * n.y:.1f} %" for n in nets[nets.y >= top].itertuples()])
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
                      textcoords="offset points", va="center", fontsize=7.5, color=_line(name)["color"])


def _name_points(axes, x, y, names, radii=3.0, avoid=((), ()), lines=()) -> None:
    """A name beside each point (radii in points), at the place around it that hides least; a hairline if that is far.

    Places are tried in turn, the crowded points first; what a place covers (names, points, the frame) is its cost.
    avoid: (x, y) of further points; lines: heights of horizontal lines, which no name should be written on.
    """
    axes.figure.draw_without_rendering()
    x, y, names, scale = list(x), list(y), list(names), 72 / axes.figure.dpi
    spots = axes.transData.transform(np.column_stack([x, y])) * scale
    radii = np.broadcast_to(radii, len(spots))
    low, high = (np.array(end) * scale for end in (axes.bbox.min, axes.bbox.max))
    discs = np.hstack([spots - 0.9 * radii[:, None], spots + 0.9 * radii[:, None]])
    dots = axes.transData.transform(np.column_stack(avoid)) * scale if len(avoid[0]) else np.empty((0, 2))
    rules = axes.transData.transform([(1, value) for value in lines])[:, 1] * scale if len(lines) else []
    discs = np.vstack([discs, np.hstack([dots - 2, dots + 2]), *([low[0], y - 1, high[0], y + 1] for y in rules)])
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
