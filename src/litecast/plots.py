"""Figures in one house style: one font with Korean glyphs, fixed widths, one colour and marker per technique.

Every function returns a matplotlib Figure and shows nothing: a notebook displays it through `report.figure`.
The colours are those of Okabe and Ito (2008), "Color Universal Design"; markers repeat what the colours say.
"""

import importlib.util
import io
import math
import sys
import zlib
from collections.abc import Callable
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from litecast.closure import literals
from litecast.errors import LitecastError
from litecast.paths import PACKAGE

WIDTH = 6.7  # inches: the text width of the PDF's A4 page
TALLEST = 8.4  # inches: what such a page holds beside a caption
NAMED = 20  # series whose names fit below a panel
FONT = "NanumGothic"
AXES = {
    "bytes": ("file size (kB)", 1e-3),
    "latency_ms_p50": ("median latency (ms per window)", 1.0),
    "macs": ("MACs per window (thousand)", 1e-3),
}

# Reference forecasters keep grey and black; the rest of the palette goes to the techniques.
_ROLES = {
    "dense": ("#000000", "D"), "width": ("#7f7f7f", "s"), "compact": ("#a6761d", "P"), "deep": ("#2F5D8A", "o"),
    "naive": ("#999999", "x"), "seasonal_naive": ("#666666", "x"), "arima": ("#b07aa1", "x"),
    "boosting": ("#7A9A3A", "x"), "classical": ("#666666", "d"),
}  # fmt: skip
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6D00", "#3B1F8B")
_MARKERS = ("o", "^", "v", "<", ">", "p", "h", "*", "X", "8", "H")
_DASHES = {"naive": (0, (1, 2)), "seasonal_naive": (0, (5, 2)), "arima": (0, (6, 2, 1, 2)),
           "boosting": (0, (6, 1, 1, 1, 1, 1))}  # drawn as lines
_DASHED = (0, (3, 3))
_STYLE = {
    "font.family": [FONT, "DejaVu Sans"], "axes.unicode_minus": False,  # the second for signs the first lacks
    "font.size": 8.5, "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "lines.linewidth": 1.4, "figure.dpi": 100, "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path", "svg.hashsalt": "litecast",  # the same glyphs and ids on every machine
}  # fmt: skip


def _looks() -> dict[str, tuple[str, str]]:
    """Colour and marker of every role and of every technique there is a file for, the same in all notebooks."""
    names = sorted(p.stem for p in (PACKAGE / "compress").glob("*.py") if not p.stem.startswith("_"))
    pairs = zip(cycle(PALETTE), cycle(_MARKERS), strict=False)  # 8 and 11 share no factor: 88 different pairs
    return _ROLES | dict(zip(names, islice(pairs, len(names)), strict=True))


LOOKS = _looks()
COLOURS = {name: colour for name, (colour, _) in LOOKS.items()}


def look(name: str) -> tuple[str, str]:
    """(colour, marker) of a technique, role or model; a name without a file gets a steady one from its checksum."""
    code = zlib.crc32(name.encode())
    return LOOKS.get(name) or (PALETTE[code % len(PALETTE)], _MARKERS[code % len(_MARKERS)])


def font_dir() -> Path:
    """Folder of the NanumGothic files; found without importing the package, whose import needs distutils."""
    spec = importlib.util.find_spec("koreanize_matplotlib")
    if spec is None:
        raise LitecastError("the font NanumGothic is missing: pip install koreanize-matplotlib")
    return Path(spec.submodule_search_locations[0]) / "fonts"


def style() -> None:
    """Set the house style for all figures made after; a figure at the end of a cell is shown as SVG, with links."""
    if FONT not in font_manager.fontManager.get_font_names():
        for path in sorted(font_dir().glob("*.ttf")):
            font_manager.fontManager.addfont(path)
    matplotlib.rcParams.update(_STYLE)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, svg)


def svg(figure: Figure) -> str:
    """The figure as SVG text, without date or program: the same figure gives the same text."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "litecast"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return text.getvalue()


# ---------------------------------------------------------------- parts of figures


def blank(height: float, rows: int = 1, columns: int = 1, **options):
    """Figure of the house width and a (rows, columns) array of axes. Not pyplot's: nothing is left open or shown."""
    style()
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _grid(names: list[str], height: float, single: float, wide: list[str] = (), **options):
    """(figure, {name: axes}) with two titled panels side by side; height of a row, and of a figure of one row.

    wide: panels that get a higher row of their own, below the others.
    """
    rows = [(names[i : i + 2] * 2)[:2] if len(names) == 1 else [*names[i : i + 2], "."][:2]
            for i in range(0, len(names), 2)] + [[name] * 2 for name in wide]
    ratios = [1.0] * (len(rows) - len(wide)) + [1.6] * len(wide)
    style()
    tall = single if len(rows) == 1 else min(TALLEST, 0.75 + height * sum(ratios))
    figure = Figure(figsize=(WIDTH, tall), layout="constrained")
    panels = figure.subplot_mosaic(rows, height_ratios=ratios, **options)
    for name, ax in panels.items():
        ax.set_title(name)
    return figure, panels


def _label(panels: dict, x: str, y: str, wide: list[str] = ()) -> None:
    """Names the axes of a grid of two columns once: y on the left, x under the lowest panel of each column."""
    axes, below = [ax for name, ax in panels.items() if name not in wide], [panels[name] for name in wide]
    for ax in axes[::2] + below:
        ax.set_ylabel(y)
    for ax in axes[-2:] + below:
        ax.set_xlabel(x)
        ax.tick_params(labelbottom=True)


def _text(rows: pd.DataFrame, column: str) -> pd.Series:
    """A key column as text, '' where a row has none (or the table lacks the column)."""
    values = rows.get(column, pd.Series("", index=rows.index)).astype(object)
    return values.where(values.notna(), "").astype(str)


def _number(rows: pd.DataFrame, column: str) -> pd.Series:
    """A measured column as float64, NaN where a row has none (or the table lacks the column)."""
    return pd.to_numeric(rows.get(column, pd.Series(np.nan, index=rows.index)), errors="coerce")


def _percent(axis) -> None:
    """Ticks of fractions in percent, with as many digits as tell them apart."""
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    low, high = axis.get_view_interval()
    digits = max(0, -math.floor(math.log10(100 * (high - low) / 5))) if high > low else 1
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.{digits}f} %"))


def _plain_log(axis, low: float, high: float) -> None:
    """Log ticks in plain numbers (…, 1, 2, 5, 10, 20, …): never a power whose minus sign a font may lack."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [m * 10.0**d for d in decades for m in steps if low * 0.999 <= m * 10.0**d <= high * 1.001]
        if len(ticks) >= 3:
            break
    axis.set_ticks(ticks or [low, high])
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _note(axes, text: str) -> None:
    """Stands in for a panel that has nothing to show."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="#666666")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)


# ---------------------------------------------------------------- error against size, time, MACs


@cache
def kinds() -> dict[str, str]:
    """Model -> 'deep' or 'compact': the literal KIND of each network's file, read without importing it."""
    found = {path.stem: literals(path) for path in (PACKAGE / "models").glob("*.py")}
    return {name: words["KIND"] for name, words in found.items() if "KIND" in words}


def is_compact(rows: pd.DataFrame) -> pd.Series:
    return _text(rows, "model").map(kinds()) == "compact"


def front(rows: pd.DataFrame, model: str, x: str = "bytes") -> pd.DataFrame:
    """The files a compressed `model` has to beat, by size: its own widths and all compact networks, in any storage.

    Each is better on validation than all that are no larger. rows: one dataset, means over seeds; x: what counts as
    size. Files without that size, or of a control, are left out.
    """
    own = (_text(rows, "technique") == "width") & (rows.model == model)
    small = is_compact(rows) & _text(rows, "technique").isin(["width", "dense"])
    rows = rows[(own | small) & (_text(rows, "control") == "") & (_number(rows, x) > 0)]
    rows = rows.sort_values([x, "val_wape"])
    return rows[rows.val_wape < rows.val_wape.cummin().shift(fill_value=np.inf)]


def error_against(rows: pd.DataFrame, x: str = "bytes", dataset: str | None = None,
                  link: Callable[[dict], str | None] | None = None) -> Figure:
    """Test WAPE against size or time, a panel per deep or compressed network; the front to beat as a grey step line.

    The last panel, 'compact', names the best files of every compact network and of simple forecasters with a file.
    rows: result rows (contract 5), best as means over seeds; x: 'bytes', 'latency_ms_p50' or 'macs' (log axis);
    dataset: which one to show (None: rows hold one); link: row -> address its point leads to in SVG.
    Raises LitecastError for an unknown x.
    """
    if x not in AXES:
        raise LitecastError(f"cannot draw errors against {x!r}: choose one of {', '.join(AXES)}")
    label, unit = AXES[x]
    rows, lines = _of(rows, dataset, link)
    points = rows[(_number(rows, x) > 0) & rows.y.notna()]
    points = points.assign(x=_number(points, x) * unit, kind=_text(points, "technique"))
    squeezed = set(points.model[~points.kind.isin(["dense", "width", "classical"])])
    small = is_compact(points) & points.kind.isin(["dense", "width"]) | (points.kind == "classical")
    names, wide = sorted(set(points.model[~small]) | squeezed), ["compact"] if small.any() else []
    figure, panels = _grid(names or [""][: not wide], 1.85, 3.0, wide, sharex=True)
    shown = []
    for name, ax in panels.items():
        steps = front(points, name, "x")
        mine = _best(points[small], steps) if name in wide else pd.concat(
            [points[points.model == name], steps[is_compact(steps)].assign(kind="compact", selected=0.0)])
        shown.append(mine)
        if mine.empty:
            _note(ax, f"no file with a {label.split(' (')[0]}")
            continue
        low, high = points.x.min() / 1.2, points.x.max() * 1.2
        ax.set(xscale="log", xlim=(low, high))
        _panel(ax, mine, steps, lines)
        _plain_log(ax.xaxis, low, high)
        _percent(ax.yaxis)
    _label(panels, label, "test WAPE", wide)
    drawn = sorted(set(pd.concat(shown).kind), key=lambda k: (k != "dense", k in ("width", "compact"), k))
    _legend(figure, drawn, lines)
    for name in wide:
        named = shown[-1].drop_duplicates("model")
        _name_points(panels[name], named.x, named.y, named.model)
    return figure


def _best(rows: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Of compact networks and simple forecasters each one's best file on validation, then those on the front."""
    best = rows.sort_values("val_wape").drop_duplicates("model").assign(selected=1.0)
    steps = steps[~steps.index.isin(best.index)].assign(selected=0.0)
    both = pd.concat([best, steps[is_compact(steps)]])
    return both.assign(kind=both.kind.where(both.kind == "classical", "compact"))


def _of(rows: pd.DataFrame, dataset: str | None, link) -> tuple[pd.DataFrame, dict[str, float]]:
    """A dataset's rows, but for controls, with y (test WAPE) and url; and the forecasts that are drawn as lines."""
    rows = rows if dataset is None else rows[_text(rows, "dataset") == dataset]
    rows = rows[(_text(rows, "role") != "control") & (_text(rows, "technique") != "published")]
    rows = rows.assign(y=_number(rows, "test_wape")).reset_index(drop=True)
    rows["url"] = pd.Series([link(row) if link else None for row in rows.to_dict("records")], rows.index, object)
    plain = rows[_text(rows, "variant") != "weather"].groupby("model").y.mean().dropna()
    return rows, {name: plain[name] for name in _DASHES if name in plain}


def _panel(axes, rows: pd.DataFrame, steps: pd.DataFrame, lines: dict[str, float]) -> None:
    """One model's files: front as a step line, selected points filled, others hollow, all linked to their run."""
    chosen = (_number(rows, "selected").fillna(0) > 0) | (rows.kind == "dense")
    bottom, top = _limits(rows.y, rows.y[chosen | rows.kind.isin(["width", "compact"])], lines)
    for (kind, filled), mine in rows.groupby([rows.kind, chosen]):
        colour, marker = look(kind)
        points = axes.scatter(
            mine.x, mine.y.clip(upper=top - 0.02 * (top - bottom)), marker=marker, s=34 if filled else 22,
            facecolors=colour if filled else "none", edgecolors=colour, linewidths=0.9, zorder=4 if filled else 3,
        )
        points.set_urls(list(mine.url))
    if len(steps):
        axes.step([*steps.x, rows.x.max()], [*steps.y, steps.y.iloc[-1]], where="post", color=COLOURS["width"],
                  linewidth=1.1, zorder=2)
    _lines(axes, lines, bottom, top, [f"{int((rows.y > top).sum())} files"] if (rows.y > top).any() else [])


def _lines(axes, lines: dict[str, float], bottom: float, top: float, beyond: list[str]) -> None:
    """Simple forecasts as horizontal lines between bottom and top; what lies outside is told in the corner."""
    for name, value in lines.items():
        if bottom < value < top:
            axes.axhline(value, color=look(name)[0], linewidth=1, linestyle=_DASHES[name], zorder=1)
    above = [f"{k.replace('_', ' ')} {100 * v:.1f} %" for k, v in lines.items() if v >= top] + beyond
    beneath = [f"{k.replace('_', ' ')} {100 * v:.1f} %" for k, v in lines.items() if v <= bottom]
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in (("above", above), ("below", beneath)) if names)
    axes.text(1, 1.02, told, ha="right", va="bottom", transform=axes.transAxes, fontsize=7.5, color="#666666")
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
    dot = {"linestyle": "", "marker": "o", "color": "#666666"}
    words = {"width": "trained narrow (front)", "compact": "compact network (front)"}
    handles = [
        Line2D([], [], linestyle="-" if k == "width" else "", color=look(k)[0], marker=look(k)[1], markersize=5,
               linewidth=1.1, label=words.get(k, k.replace("_", " ")))
        for k in kinds
    ]
    handles += [Line2D([], [], color=look(k)[0], linestyle=_DASHES[k], linewidth=1, label=k.replace("_", " "))
                for k in lines]
    handles += [Line2D([], [], **dot, markersize=5, label="filled: selected"),
                Line2D([], [], **dot, markersize=4.5, markerfacecolor="none", label="hollow: other levels")]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), handlelength=2.2)


def bubbles(rows: pd.DataFrame, dataset: str | None = None, link: Callable[[dict], str | None] | None = None) -> Figure:
    """All forecasters of a dataset: test WAPE against MACs per window (log axis), a bubble per dense network.

    The area of a bubble is the square root of the parameters in square points, or the smallest would not be seen. Naive
    forecasts, ARIMA and boosting have no such MACs: they are lines. rows, dataset, link: as of `error_against`.
    """
    rows, lines = _of(rows, dataset, link)
    nets = rows[(_text(rows, "technique") == "dense") & (_text(rows, "format") != "onnx")]
    nets = nets.groupby("model").agg({"macs": "mean", "params": "mean", "y": "mean", "url": "first"})
    nets = nets[(nets.macs > 0) & nets.y.notna()].reset_index().sort_values("params", ascending=False)
    figure, axes = blank(4.3)
    ax = axes[0, 0]
    if nets.empty:
        _note(ax, "no network yet")
        return figure
    low, high = nets.macs.min() / 2000, nets.macs.max() / 500  # thousand, with room for names at both ends
    bottom, top = _limits(nets.y, nets.y[nets.y <= 1.5 * nets.y.median()], lines)
    ax.set(xscale="log", xlim=(low, high), xlabel=AXES["macs"][0], ylabel="test WAPE")
    far = nets[nets.y >= top]
    _lines(ax, lines, bottom, top, [f"{n.model} {100 * n.y:.1f} %" for n in far.itertuples()])
    _plain_log(ax.xaxis, low, high)
    _percent(ax.yaxis)
    nets = nets[nets.y < top]
    family = is_compact(nets).map({True: "compact", False: "deep"})
    for kind, mine in sorted(nets.groupby(family), reverse=True):  # the small ones on top
        colour = COLOURS[kind]
        ax.scatter(mine.macs / 1000, mine.y, s=mine.params**0.5, color=colour, alpha=0.55, edgecolors=colour,
                   label=kind, zorder=3).set_urls(list(mine.url))
    dots = [Line2D([], [], linestyle="", marker="o", color=COLOURS[kind], label=f"{kind} networks")
            for kind in sorted(set(family))]
    sizes = {"100": 1e2, "1 k": 1e3, "10 k": 1e4, "100 k": 1e5, "1 M": 1e6, "10 M": 1e7}
    near = [name for name, n in sizes.items() if nets.params.min() / 3 <= n <= 3 * nets.params.max()]
    sizes = {name: sizes[name] for name in near[:: max(1, -(-len(near) // 3))]}  # three at most fit the page
    dots += [Line2D([], [], linestyle="", label="parameters:")]
    dots += [Line2D([], [], linestyle="", marker="o", markersize=n**0.25, color="#bbbbbb", label=size)
             for size, n in sizes.items()]
    figure.legend(handles=dots, loc="outside lower center", ncols=len(dots), handletextpad=0.7, handleheight=2.6,
                  handlelength=2.8, columnspacing=1.4)
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
        axes.annotate(name.replace("_", " "), (1, value), xycoords=("axes fraction", "data"), xytext=(4, before - at),
                      textcoords="offset points", va="center", fontsize=7.5, color=look(name)[0])


def _name_points(axes, x, y, names, radii=3.0) -> None:
    """A name beside each point (radii in points), at the place around it that hides least; a hairline if that is far.

    Places are tried in turn, the crowded points first; what a place covers (names, points, the frame) is its cost.
    """
    axes.figure.draw_without_rendering()
    scale = 72 / axes.figure.dpi
    spots = axes.transData.transform(np.column_stack([x, y])) * scale
    radii = np.broadcast_to(radii, len(spots))
    low, high = (np.array(end) * scale for end in (axes.bbox.min, axes.bbox.max))
    discs = np.hstack([spots - 0.9 * radii[:, None], spots + 0.9 * radii[:, None]])
    taken = np.empty((0, 4))
    crowd = np.hypot(*(spots[:, None] - spots[None]).T).sum(0) if len(spots) else []
    around = [(np.cos(a), np.sin(a)) for a in np.deg2rad([0, 180, 90, 270, 35, 145, 215, 325])]
    for i in np.argsort(crowd, kind="stable"):
        text = axes.annotate(str(list(names)[i]).replace("_", " "), (list(x)[i], list(y)[i]), xytext=(0, 0),
                             textcoords="offset points", ha="center", va="center", fontsize=7.2, zorder=6)
        half = np.array(text.get_window_extent().size) * scale / 2
        places = []
        for gap in (2, 8, 15, 23, 32):
            for way in np.array(around):
                centre = spots[i] + way * (radii[i] + gap + half * np.abs(way))
                box = np.concatenate([centre - half, centre + half])
                out = np.maximum(low - box[:2], 0).sum() + np.maximum(box[2:] - high, 0).sum()
                cost = 9 * _overlap(box, taken) + 5 * _overlap(box, discs) + 50 * out + gap
                places.append((cost, len(places), centre - spots[i], box, gap))
        _, _, offset, box, gap = min(places, key=lambda place: place[:2])
        taken = np.vstack([taken, box])
        text.set_position(offset)
        if gap > 8:
            axes.annotate("", (list(x)[i], list(y)[i]), xytext=offset - np.sign(offset) * np.minimum(half, abs(offset)),
                          textcoords="offset points", zorder=5,
                          arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.5, "shrinkA": 0})


def _overlap(box: np.ndarray, others: np.ndarray) -> float:
    """Area that a box (x0, y0, x1, y1) shares with others (N, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(np.maximum(sides, 0), axis=1).sum())


# ---------------------------------------------------------------- levels, differences, errors by step


def level_curve(rows: pd.DataFrame, part: str = "val") -> Figure:
    """WAPE by level, mean over seeds, a line per technique and variant and a panel per model; ringed = selected.

    The first variant is a broad pale line, so that one on top of it is seen; the grey line is the dense network.
    """
    rows = rows.assign(wape=_number(rows, f"{part}_wape"), **{c: _text(rows, c) for c in ("variant", "level")})
    dense = rows[(_text(rows, "technique") == "dense") & (_text(rows, "control") == "")].groupby("model").wape.mean()
    rows = rows[rows.wape.notna() & (_text(rows, "role") == "compressed")]
    figure, panels = _grid(sorted(set(rows.model)) or [""], 1.6, 2.4)
    if rows.empty:
        _note(panels[""], "no compressed row yet")
        return figure
    handles = {}
    for model, ax in panels.items():
        mine = rows[rows.model == model]
        levels = sorted(set(mine.level), key=_natural)
        for n, ((technique, variant), line) in enumerate(mine.groupby(["technique", "variant"])):
            colour, marker = look(technique)
            line = line.groupby("level")[["wape", "selected"]].mean().reindex(levels)
            broad = {"linewidth": 4, "alpha": 0.35} if n == 0 else {"linewidth": 1.1, "linestyle": (0, (2 + 2 * n, 2))}
            name = f"{technique} {variant}".replace("_", " ").strip()
            handles[name], = ax.plot(range(len(levels)), line.wape, color=colour, marker=marker, label=name,
                                     markersize=5.5 if n == 0 else 3, **broad)
            at = np.flatnonzero(line.selected > 0)
            ax.scatter(at, line.wape.iloc[at], s=75 + 60 * (n == 0), facecolors="none", edgecolors=colour,
                       alpha=0.5 if n == 0 else 1, zorder=4)
        if model in dense.index:
            handles["dense"] = ax.axhline(dense[model], color="#8a8a8a", linewidth=1.1, zorder=1, label="dense")
        low, high = ax.get_ylim()  # noise of a tenth of a percent must not fill a panel
        ax.set_ylim(min(low, 0.495 * (low + high)), max(high, 0.505 * (low + high)))
        _percent(ax.yaxis)
        ax.set(xticks=range(len(levels)), xticklabels=[share(level) for level in levels])
        ax.margins(x=0.08)
    _label(panels, "level", {"val": "validation", "test": "test"}[part] + " WAPE")
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=min(3, len(handles)))
    return figure


def _natural(level: str) -> tuple:
    """Sorts levels as numbers where they are numbers, else by name."""
    value = pd.to_numeric(level, errors="coerce")
    return (1, 0.0, level) if np.isnan(value) else (0, value, level)


def share(level: str) -> str:
    """A level between 0 and 1 in percent, any other as it is."""
    value = pd.to_numeric(level, errors="coerce")
    return f"{100 * value:g} %" if 0 < value < 1 else level


def forest(comparisons: pd.DataFrame, margins: tuple[float, ...] = (0.01, 0.02, 0.05), link=None) -> Figure:
    """Relative difference in WAPE of each row against its reference, with both one-sided 95 % interval ends.

    comparisons: one line per row and margin (comparisons.csv; delta, low, high as fractions of the reference's WAPE);
    only the first line of a row is drawn. Colours tell techniques if a column `technique` is there.
    """
    lines = comparisons.drop_duplicates("row").reset_index(drop=True)
    figure, axes = blank(max(1.5, 0.75 + 0.19 * len(lines)))
    ax = axes[0, 0]
    if lines.empty:
        _note(ax, "no comparison yet")
        return figure
    names = _text(lines, "label").where(_text(lines, "label") != "", _text(lines, "row"))
    middle, low, high = (100 * _number(lines, c).to_numpy() for c in ("delta", "low", "high"))
    # wide enough for most, but never so wide that the margins are lost: what lies beyond is told in numbers
    reach = np.clip(np.nan_to_num(1.6 * np.nanquantile(np.abs(middle), 0.9)), 150 * max(margins), 600 * max(margins))
    for i, technique in enumerate(_text(lines, "technique")):
        colour, marker = look(technique or "dense")
        ax.plot([max(low[i], -reach), min(high[i], reach)], [i, i], color=colour, linewidth=1.3, zorder=2)
        point = ax.scatter([np.clip(middle[i], -reach, reach)], [i], color=colour, marker=marker, s=24, zorder=3)
        point.set_urls([link(lines.loc[i].to_dict()) if link else None])
        if abs(middle[i]) > reach:
            side = 1 if middle[i] > 0 else -1
            ax.annotate(f"{middle[i]:+.0f} %", (side * reach, i), xytext=(-7 * side, 0), textcoords="offset points",
                        ha="right" if side > 0 else "left", va="center", fontsize=7.5, color="#444444")
    ax.axvline(0, color="#222222", linewidth=0.9, zorder=1)
    for margin in margins:
        ax.axvline(100 * margin, color="#222222", linewidth=0.7, linestyle=_DASHED, zorder=1)
        ax.annotate(f"{100 * margin:g} %", (100 * margin, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                    textcoords="offset points", ha="center", fontsize=7.5, color="#444444")
    ax.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.4, -0.6), xlim=(-reach, reach),
           xlabel="ΔWAPE against the reference (%): right is worse")
    ax.tick_params(axis="y", labelsize=7.5, length=0)
    ax.grid(False, axis="y")
    return figure


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
            _note(ax, "no stored forecasts")
            continue
        ordered, many = x in ("step", "hour"), len(means) > NAMED
        if many and not ordered:  # names would cover each other
            means = means.loc[means.mean(axis=1).sort_values().index]
        at = means.index if ordered else range(1, len(means) + 1)
        for name in names:
            ax.plot(at, means[name], color=looks[name][0], marker=looks[name][1], markersize=3.2, linewidth=1.1,
                    linestyle=_DASHES.get(name, "-") if ordered else "", label=str(name).replace("_", " "))
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


# ---------------------------------------------------------------- weights, training, splits


def weights_histogram(before: np.ndarray, after: np.ndarray, labels: tuple[str, str] = ("dense", "compressed"),
                      technique: str = "") -> Figure:
    """What a technique does to the weights: shares of two flat arrays over the same bins; zeros are counted apart."""
    before, after = (np.asarray(a, dtype=float).ravel() for a in (before, after))
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    figure, axes = blank(2.3)
    ax = axes[0, 0]
    if not before.size or not after.size:
        _note(ax, "no weights")
        return figure
    reach = np.quantile(np.abs(np.concatenate([before, after])), 0.999) or 1.0
    bins = np.linspace(-reach, reach, 81)
    own = look(technique)[0] if technique else PALETTE[0]
    for values, label, kind, colour, alpha in ((before, labels[0], "stepfilled", "#8a8a8a", 0.45),
                                               (after, labels[1], "step", own, 1)):
        shown = values[values != 0]
        zeros = 1 - shown.size / values.size
        note = f"{label}: {values.size:,} weights" + (f", {100 * zeros:.1f} % zero" if zeros else "")
        ax.hist(shown, bins=bins, weights=np.full(shown.size, 1 / values.size), label=note, color=colour,
                histtype=kind, alpha=alpha, linewidth=1.3)
    ax.set(xlabel="weight", ylabel="share per bin")
    ax.set_ylim(bottom=0)
    _percent(ax.yaxis)
    ax.legend(loc="upper right")
    return figure


def learning_curves(logs: dict) -> Figure:
    """Validation loss by optimiser step, a line per name, its best step marked; pale and broken: training loss.

    logs: name (a width) -> columns step, train_loss, val_loss (scaled units).
    """
    figure, axes = blank(2.4)
    ax = axes[0, 0]
    logs = {name: log[["step", "train_loss", "val_loss"]].apply(pd.to_numeric) for name, log in logs.items()}
    if not any(log.val_loss.notna().any() for log in logs.values()):
        _note(ax, "no step was logged")
        return figure
    for (name, log), colour in zip(logs.items(), cycle(PALETTE), strict=False):
        ax.plot(log.step, log.train_loss, color=colour, alpha=0.4, linewidth=1, linestyle=_DASHED)
        best = log.val_loss.idxmin()
        ax.plot(log.step, log.val_loss, color=colour, marker="o", markevery=[log.index.get_loc(best)],
                label=f"{name}: best at step {log.step[best]:g}")
    later = pd.concat([log[["train_loss", "val_loss"]].iloc[2:] for log in logs.values()]).stack()
    if len(later):  # the first looks, far above, would press all lines into one
        ax.set_ylim(later.min() - 0.1 * np.ptp(later), later.max() + 0.1 * np.ptp(later))
    ax.set(xlabel="optimiser step", ylabel="loss (scaled)")
    figure.legend(loc="outside right upper", title="validation (broken: training)")
    return figure


def split_figure(parts: pd.DataFrame) -> Figure:
    """Where train, validation and test lie; parts: columns dataset, part, start, end (share of the series, 0…1)."""
    names = list(dict.fromkeys(parts["dataset"]))
    figure, axes = blank(0.8 + 0.3 * max(1, len(names)))
    ax = axes[0, 0]
    if not names:
        _note(ax, "no split is stored")
        return figure
    for part, label, colour in (("train", "train", "#56B4E9"), ("val", "validation", "#E69F00"),
                                ("test", "test", "#009E73")):
        mine = parts[parts["part"] == part]
        ax.barh([names.index(n) for n in mine.dataset], mine.end - mine.start, left=mine.start, color=colour,
                height=0.62, label=label)
    ax.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), ylim=(len(names) - 0.4, -0.6),
           xlabel="share of the common span")
    _percent(ax.xaxis)
    ax.grid(False)
    figure.legend(handles=ax.get_legend_handles_labels()[0], loc="outside upper right", ncols=3)
    return figure
