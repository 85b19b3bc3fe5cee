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
from itertools import cycle, islice
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from litecast.errors import LitecastError
from litecast.paths import PACKAGE

WIDTH = 6.7  # inches: the text width of the PDF's A4 page
FONT = "NanumGothic"
FRONT = ("width", "dlinear")  # what a compressed file has to beat: narrow networks and a linear one

# Reference forecasters keep grey and black; the rest of the palette goes to the techniques.
_ROLES = {
    "dense": ("#000000", "D"),
    "width": ("#7f7f7f", "s"),
    "dlinear": ("#a6761d", "P"),
    "naive": ("#999999", "x"),
    "seasonal_naive": ("#666666", "x"),
    "arima": ("#b07aa1", "x"),
    "extra_epochs": ("#444444", "d"),
}
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6D00", "#3B1F8B")
_MARKERS = ("o", "^", "v", "<", ">", "p", "h", "*", "X", "8", "H")

AXES = {
    "bytes": ("file size (kB)", 1e-3),
    "latency_ms_p50": ("median latency (ms per window)", 1.0),
    "macs": ("MACs per window (thousand)", 1e-3),
}


def _looks() -> dict[str, tuple[str, str]]:
    """Colour and marker of every role and of every technique there is a file for, the same in all notebooks."""
    names = sorted(p.stem for p in (PACKAGE / "compress").glob("*.py") if not p.stem.startswith("_"))
    pairs = zip(cycle(_PALETTE), cycle(_MARKERS), strict=False)  # 8 and 11 share no factor: 88 different pairs
    return _ROLES | dict(zip(names, islice(pairs, len(names)), strict=True))


LOOKS = _looks()
COLOURS = {name: colour for name, (colour, _) in LOOKS.items()}


def look(name: str) -> tuple[str, str]:
    """(colour, marker) of a technique, role or model; a name without a file gets a steady one from its checksum."""
    code = zlib.crc32(name.encode())
    return LOOKS.get(name) or (_PALETTE[code % len(_PALETTE)], _MARKERS[code % len(_MARKERS)])


def font_dir() -> Path:
    """Folder of the NanumGothic files; found without importing the package, whose import needs distutils."""
    spec = importlib.util.find_spec("koreanize_matplotlib")
    if spec is None:
        raise LitecastError("the font NanumGothic is missing: pip install koreanize-matplotlib")
    return Path(spec.submodule_search_locations[0]) / "fonts"


def style() -> None:
    """Set the house style for all figures made after; call it as often as you like."""
    if FONT not in font_manager.fontManager.get_font_names():
        for path in sorted(font_dir().glob("*.ttf")):
            font_manager.fontManager.addfont(path)
    matplotlib.rcParams.update(
        {
            "font.family": [FONT, "DejaVu Sans"],  # the second for the few signs the first lacks
            "axes.unicode_minus": False,
            "font.size": 8.5,
            "axes.titlesize": 9.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 8.5,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.4,
            "figure.dpi": 100,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "svg.fonttype": "path",  # the same glyphs on every machine
            "svg.hashsalt": "litecast",  # the same ids for the same figure
        }
    )
    _shown_as_svg()


def _shown_as_svg() -> None:
    """A figure at the end of a notebook's cell is shown as SVG: sharp, and with the links of its points."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, svg)


def svg(figure: Figure) -> str:
    """The figure as SVG text, without date or program: the same figure gives the same text."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "litecast"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return text.getvalue()


def _figure(height: float, rows: int = 1, columns: int = 1, **options):
    """Figure of the house width and a (rows, columns) array of axes. Not pyplot's: nothing is left open or shown."""
    style()
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _text(rows: pd.DataFrame, column: str) -> pd.Series:
    """A key column as text, '' where a row has none (or the table lacks the column)."""
    if column not in rows:
        return pd.Series("", index=rows.index)
    return rows[column].astype(object).where(rows[column].notna(), "").astype(str)


def _number(rows: pd.DataFrame, column: str) -> pd.Series:
    """A measured column as float64, NaN where a row has none (or the table lacks the column)."""
    return pd.to_numeric(rows[column], errors="coerce") if column in rows else pd.Series(np.nan, index=rows.index)


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """What decides a row's look: its technique, except that dlinear, a model, has one of its own."""
    return _text(rows, "technique").mask(_text(rows, "model") == "dlinear", "dlinear")


def _front(x: pd.Series, y: pd.Series) -> pd.DataFrame:
    """Best y at or below each x, as the corners of a falling step line."""
    corners = pd.DataFrame({"x": x, "y": y}).dropna().sort_values(["x", "y"])
    corners["y"] = corners["y"].cummin()
    return corners.drop_duplicates("y")


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


def _label_outer(axes, used: int, x: str, y: str) -> None:
    """Names the axes of a grid once: y on the left, x under the lowest panel in use of each column."""
    depth, columns = axes.shape
    for ax in axes[:, 0]:
        ax.set_ylabel(y)
    for column in range(columns):
        lowest = max(row for row in range(depth) if row * columns + column < used)
        axes[lowest, column].set_xlabel(x)
        axes[lowest, column].tick_params(labelbottom=True)


def _levels(rows: pd.DataFrame) -> dict[str, float]:
    """Test WAPE of the forecasters without a file to weigh: drawn as horizontal lines."""
    found = {}
    for name in ("naive", "seasonal_naive", "arima"):
        wape = _number(rows[_text(rows, "model") == name], "test_wape").mean()
        if np.isfinite(wape):
            found[name] = float(wape)
    return found


def _panel(axes, rows: pd.DataFrame, kinds: pd.Series, x: pd.Series, lines: dict[str, float],
           links: pd.Series) -> None:
    """One model's files: front as a step line, selected points filled, others hollow, all linked to their run."""
    y = _number(rows, "test_wape")
    is_front = kinds.isin(FRONT)
    corners = _front(x[is_front], y[is_front])
    chosen = (_number(rows, "selected").fillna(0) > 0) | (kinds == "dense")
    bottom, top = _limits(y, y[chosen | is_front] if chosen.any() else y, lines)
    for kind in sorted(kinds.unique(), key=lambda k: (k not in FRONT, k)):
        colour, marker = look(kind)
        for filled in (False, True):
            mine = (kinds == kind) & (chosen if filled else ~chosen)
            if not mine.any():
                continue
            points = axes.scatter(
                x[mine], y[mine].clip(upper=top - 0.02 * (top - bottom)), marker=marker, s=34 if filled else 22,
                facecolors=colour if filled else "none", edgecolors=colour, linewidths=0.9, zorder=4 if filled else 3,
            )
            points.set_urls(list(links[mine[mine].index]))
    if len(corners):
        axes.step([*corners["x"], x.max()], [*corners["y"], corners["y"].iloc[-1]], where="post",
                  color=COLOURS["width"], linewidth=1.1, zorder=2)
    for name, value in lines.items():
        if bottom < value < top:
            axes.axhline(value, color=look(name)[0], linewidth=1, linestyle=_DASHES[name], zorder=1)
    beyond = [f"{k.replace('_', ' ')} {v:.3g}" for k, v in lines.items() if v >= top]
    beyond += [f"{int((y > top).sum())} files"] if (y > top).any() else []
    beneath = [f"{k.replace('_', ' ')} {v:.3g}" for k, v in lines.items() if v <= bottom]
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in (("above", beyond), ("below", beneath)) if names)
    axes.text(0.99, 0.99, told, ha="right", va="top", transform=axes.transAxes, fontsize=7, color="#666666")
    axes.set_ylim(bottom, top)


def _limits(y: pd.Series, wanted: pd.Series, lines: dict[str, float]) -> tuple[float, float]:
    """Lower and upper end of the error axis: room for what matters and for the lines that are near it.

    A ruined level or a far-off naive forecast would press all else into one stripe; they are told in the panel instead.
    """
    low, high = y.min(), wanted.max()
    room = max(high - low, 0.04 * high)
    near = [v for v in lines.values() if low - room < v < high + 0.75 * room]
    low, high = min([low, *near]), max([high, *near, y[y < high + 0.5 * room].max()])
    return low - 0.12 * (high - low or low), high + 0.16 * (high - low or high)


_DASHES = {"naive": (0, (1, 2)), "seasonal_naive": (0, (5, 2)), "arima": (0, (6, 2, 1, 2))}


def error_against(rows: pd.DataFrame, x: str = "bytes", dataset: str | None = None,
                  link: Callable[[dict], str | None] | None = None) -> Figure:
    """Test WAPE against size or time, a panel per model; one-coloured points, the front to beat as a step line.

    rows: result rows (contract 5), best as means over seeds; x: 'bytes', 'latency_ms_p50' or 'macs' (log axis);
    dataset: which one to show (None: rows hold one); link: row -> address its point leads to in SVG.
    Raises LitecastError for an unknown x.
    """
    if x not in AXES:
        raise LitecastError(f"cannot draw errors against {x!r}: choose one of {', '.join(AXES)}")
    label, unit = AXES[x]
    rows = rows if dataset is None else rows[_text(rows, "dataset") == dataset]
    rows = rows[_text(rows, "role") != "control"]
    lines = _levels(rows)
    points = rows[(_number(rows, x) > 0) & _number(rows, "test_wape").notna() & ~_text(rows, "model").isin(lines)]
    kinds, models = _kinds(points), _text(points, "model")
    names = sorted(set(models) - {"dlinear"}) or sorted(set(models)) or [""]
    links = pd.Series([link(row) if link else None for row in points.to_dict("records")], points.index, dtype=object)
    columns = min(2, len(names))
    depth = math.ceil(len(names) / columns)
    figure, axes = _figure(0.75 + 1.75 * depth if depth > 1 else 3.0, depth, columns, sharex=True)
    for ax, name in zip(axes.flat, names, strict=False):
        mine = points[models.isin([name, "dlinear"])]
        ax.set_title(name)
        if mine.empty:
            _note(ax, f"no file with a {label.split(' (')[0]}")
            continue
        ax.set_xscale("log")
        _panel(ax, mine, kinds[mine.index], _number(mine, x) * unit, lines, links)
    for ax in axes.flat[len(names):]:
        ax.set_axis_off()
    if len(points):
        values = _number(points, x) * unit
        low, high = values.min() / 1.2, values.max() * 1.2
        for ax in axes.flat[: len(names)]:
            if ax.get_xscale() == "log":
                ax.set_xlim(low, high)
                _plain_log(ax.xaxis, low, high)
    _label_outer(axes, len(names), label, "test WAPE")
    _legend(figure, list(dict.fromkeys(kinds)), lines)
    return figure


def _legend(figure: Figure, kinds: list[str], lines: dict[str, float]) -> None:
    """One legend under all panels: what a colour, a filled point and a line mean."""
    order = sorted(kinds, key=lambda k: (k != "dense", k in FRONT, k))
    handles = [
        Line2D([], [], linestyle="-" if k == "width" else "", color=look(k)[0], marker=look(k)[1],
               markerfacecolor=look(k)[0], markersize=5, linewidth=1.1,
               label={"width": "trained narrow (front)"}.get(k, k.replace("_", " ")))
        for k in order
    ]
    handles += [Line2D([], [], color=look(k)[0], linestyle=_DASHES[k], linewidth=1, label=k.replace("_", " "))
                for k in lines]
    handles += [Line2D([], [], linestyle="", marker="o", color="#666666", markersize=5, label="filled: selected"),
                Line2D([], [], linestyle="", marker="o", color="#666666", markerfacecolor="none", markersize=4.5,
                       label="hollow: other levels")]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), handlelength=2.2)


def forest(comparisons: pd.DataFrame, margins: tuple[float, ...] = (0.01, 0.02, 0.05), link=None) -> Figure:
    """Relative difference in WAPE of each row against its reference, with both one-sided 95 % interval ends.

    comparisons: one line per row and margin (comparisons.csv; delta, low, high as fractions of the reference's WAPE);
    only the first line of a row is drawn. Colours tell techniques if a column `technique` is there.
    """
    lines = comparisons.drop_duplicates("row").reset_index(drop=True)
    figure, axes = _figure(max(1.5, 0.75 + 0.19 * len(lines)))
    ax = axes[0, 0]
    if lines.empty:
        _note(ax, "no comparison yet")
        return figure
    names = _text(lines, "label").where(_text(lines, "label") != "", _text(lines, "row"))
    techniques = _text(lines, "technique")
    middle, low, high = (100 * _number(lines, c).to_numpy() for c in ("delta", "low", "high"))
    # wide enough for most, but never so wide that the margins are lost: what lies beyond is told in numbers
    reach = np.clip(np.nan_to_num(1.6 * np.nanquantile(np.abs(middle), 0.9)), 150 * max(margins), 600 * max(margins))
    for i in range(len(lines)):
        colour, marker = look(techniques[i] or "dense")
        ax.plot([max(low[i], -reach), min(high[i], reach)], [i, i], color=colour, linewidth=1.3, zorder=2)
        point = ax.scatter([np.clip(middle[i], -reach, reach)], [i], color=colour, marker=marker, s=24, zorder=3)
        if link is not None:
            point.set_urls([link(lines.loc[i].to_dict())])
        if abs(middle[i]) > reach:
            side = 1 if middle[i] > 0 else -1
            ax.annotate(f"{middle[i]:+.0f} %", (side * reach, i), xytext=(-7 * side, 0), textcoords="offset points",
                        ha="right" if side > 0 else "left", va="center", fontsize=7, color="#444444")
    ax.axvline(0, color="#222222", linewidth=0.9, zorder=1)
    for margin in margins:
        ax.axvline(100 * margin, color="#222222", linewidth=0.7, linestyle=(0, (3, 3)), zorder=1)
        ax.annotate(f"{100 * margin:g} %", (100 * margin, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                    textcoords="offset points", ha="center", fontsize=7, color="#444444")
    ax.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.4, -0.6), xlim=(-reach, reach),
           xlabel="ΔWAPE against the reference (%): right is worse")
    ax.tick_params(axis="y", labelsize=7, length=0)
    ax.grid(False, axis="y")
    return figure


def weights_histogram(before: np.ndarray, after: np.ndarray, labels: tuple[str, str] = ("dense", "compressed"),
                      technique: str = "") -> Figure:
    """What a technique does to the weights: shares of two flat arrays over the same bins; zeros are counted apart."""
    before, after = (np.asarray(a, dtype=float).ravel() for a in (before, after))
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    figure, axes = _figure(2.3)
    ax = axes[0, 0]
    if not before.size or not after.size:
        _note(ax, "no weights")
        return figure
    reach = np.quantile(np.abs(np.concatenate([before, after])), 0.999) or 1.0
    bins = np.linspace(-reach, reach, 81)
    for values, label, colour, fill in ((before, labels[0], "#8a8a8a", True),
                                        (after, labels[1], look(technique)[0] if technique else "#0072B2", False)):
        zeros = float((values == 0).mean())
        shown = values[values != 0]
        note = f"{label}: {values.size:,} weights" + (f", {100 * zeros:.1f} % zero" if zeros else "")
        ax.hist(shown, bins=bins, weights=np.full(shown.size, 1 / values.size), label=note, color=colour,
                histtype="stepfilled" if fill else "step", alpha=0.45 if fill else 1, linewidth=1.3)
    ax.set(xlabel="weight", ylabel="share per bin", yticks=ax.get_yticks()[::2])
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right")
    return figure


def learning_curve(log: pd.DataFrame) -> Figure:
    """Training and validation loss by optimiser step; log: columns step, train_loss, val_loss (scaled units)."""
    figure, axes = _figure(2.2)
    ax = axes[0, 0]
    for column, label, colour in (("train_loss", "train", "#8a8a8a"), ("val_loss", "validation", "#0072B2")):
        part = pd.DataFrame({"step": _number(log, "step"), "loss": _number(log, column)}).dropna()
        if len(part):
            ax.plot(part["step"], part["loss"], label=label, color=colour, marker="." if len(part) < 40 else None)
    best = pd.DataFrame({"step": _number(log, "step"), "loss": _number(log, "val_loss")}).dropna()
    if len(best):
        step = best.loc[best["loss"].idxmin(), "step"]
        ax.axvline(step, color="#222222", linewidth=0.8, linestyle=(0, (3, 3)), label=f"best: step {step:g}")
    if not ax.get_legend_handles_labels()[0]:
        _note(ax, "no step was logged")
        return figure
    ax.set(xlabel="optimiser step", ylabel="loss (scaled)")
    ax.legend(loc="upper right")
    return figure


def error_profile(errors: pd.DataFrame, x: str = "step", unit: str = "") -> Figure:
    """Mean absolute error along the horizon or the day, a line per forecaster.

    errors: columns x ('step' ahead, or 'hour' of day), 'name' (technique, model or a label) and 'error'
    (own unit, averaged per x and name); unit: that of the series, for the label.
    """
    figure, axes = _figure(2.4)
    ax = axes[0, 0]
    means = errors.groupby(["name", x], sort=True)["error"].mean() if len(errors) else pd.Series(dtype=float)
    if means.empty:
        _note(ax, "no stored forecasts")
        return figure
    for name in dict.fromkeys(errors["name"]):
        line, (colour, marker) = means[name], look(str(name))
        ax.plot(line.index, line.to_numpy(), color=colour, marker=marker, markersize=3.2, linewidth=1.1,
                linestyle=_DASHES.get(str(name), "-"), label=str(name).replace("_", " "))
    ax.set(xlabel={"step": "steps ahead", "hour": "hour of day"}.get(x, x),
           ylabel="mean absolute error" + (f" ({unit})" if unit else ""))
    ax.set_ylim(bottom=0)
    figure.legend(loc="outside right upper", handles=ax.get_legend_handles_labels()[0])
    return figure


def level_curve(rows: pd.DataFrame, part: str = "val") -> Figure:
    """WAPE by level, mean over seeds, a line per technique and variant and a panel per model; ringed = selected.

    The grey line of a panel is its dense network, if rows hold it.
    """
    dense = rows[(_text(rows, "technique") == "dense") & (_text(rows, "control") == "")]
    dense = _number(dense, f"{part}_wape").groupby(_text(dense, "model")).mean()
    rows = rows[_number(rows, f"{part}_wape").notna() & (_text(rows, "role") == "compressed")]
    models = sorted(set(_text(rows, "model"))) or [""]
    columns = min(2, len(models))
    depth = math.ceil(len(models) / columns)
    figure, axes = _figure(0.55 + 1.5 * depth if depth > 1 else 2.3, depth, columns)
    if rows.empty:
        _note(axes[0, 0], "no compressed row yet")
        return figure
    table = pd.DataFrame({c: _text(rows, c) for c in ("model", "technique", "variant", "level")})
    table = table.assign(wape=_number(rows, f"{part}_wape"), selected=_number(rows, "selected").fillna(0))
    handles = {}
    for ax, model in zip(axes.flat, models, strict=False):
        mine = table[table["model"] == model]
        levels = sorted(set(mine["level"]), key=_natural)
        place = {level: i for i, level in enumerate(levels)}
        for n, ((technique, variant), part_rows) in enumerate(mine.groupby(["technique", "variant"])):
            colour, marker = look(technique)
            line = part_rows.groupby("level")[["wape", "selected"]].mean()
            line = line.loc[sorted(line.index, key=_natural)]
            at = [place[level] for level in line.index]
            dash = ("-", "--", ":", "-.")[n % 4]
            name = f"{technique} {variant}".replace("_", " ").strip()
            handles[name], = ax.plot(at, line["wape"], color=colour, marker=marker, markersize=3.5, linestyle=dash,
                                     linewidth=1.1, label=name)
            chosen = line["selected"].to_numpy() > 0
            ax.scatter(np.array(at)[chosen], line["wape"][chosen], s=75, facecolors="none", edgecolors=colour, zorder=4)
        if model in dense.index:
            handles["dense"] = ax.axhline(dense[model], color="#8a8a8a", linewidth=1.1, zorder=1, label="dense")
        ax.set(title=model, xticks=range(len(levels)), xticklabels=levels)
    for ax in axes.flat[len(models):]:
        ax.set_axis_off()
    _label_outer(axes, len(models), "level", {"val": "validation", "test": "test"}[part] + " WAPE")
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=min(3, len(handles)))
    return figure


def _natural(level: str) -> tuple:
    """Sorts levels as numbers where they are numbers, else by name."""
    try:
        return (0, float(level), level)
    except ValueError:
        return (1, 0.0, level)


def split_figure(parts: pd.DataFrame) -> Figure:
    """Where train, validation and test lie; parts: columns dataset, part, start, end (share of the series, 0…1)."""
    names = list(dict.fromkeys(parts["dataset"])) if len(parts) else []
    figure, axes = _figure(0.8 + 0.3 * max(1, len(names)))
    ax = axes[0, 0]
    if not names:
        _note(ax, "no split is stored")
        return figure
    colours = {"train": "#56B4E9", "val": "#E69F00", "test": "#009E73"}
    for part, colour in colours.items():
        mine = parts[parts["part"] == part]
        ax.barh([names.index(n) for n in mine["dataset"]], mine["end"] - mine["start"], left=mine["start"],
                color=colour, height=0.62, label={"val": "validation"}.get(part, part))
    ax.set(yticks=range(len(names)), yticklabels=names, xlim=(0, 1), ylim=(len(names) - 0.4, -0.6),
           xlabel="share of the common span")
    ax.grid(False)
    figure.legend(handles=ax.get_legend_handles_labels()[0], loc="outside upper right", ncols=3)
    return figure
