"""One house style: one font with Korean glyphs, fixed widths, one colour and marker per technique.

Figure functions start from `blank` or `grid`, which put the style in force, and take colours from `look` or `looks`.
"""

import importlib.util
import io
import logging
import math
import re
import sys
import textwrap
import zlib
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullLocator

from litecast import catalogue, paths
from litecast.errors import LitecastError

WIDTH = 6.7  # inches: the text width of the PDF's A4 page
TALLEST = 8.4  # inches: what such a page holds beside a caption
FONT = "NanumGothic"
# Colours of Okabe and Ito (2008), "Color Universal Design", then each as far as can be from all before, also to readers
# without red or green cones. No colour and no marker stands twice, so that a chain can mix those of its techniques.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#5A0F00", "#000096", "#7800FF", "#A50F5A",
    "#69E196", "#1E5A00", "#8778FF", "#4B005A", "#D200B4", "#693C87", "#FF3C69", "#3C00D2", "#1EF01E", "#A5B487",
)  # fmt: skip
_MARKERS = ("o", "^", "X", "v", "*", "p", ">", "d", "<", "h", "8", (4, 1, 0), (8, 1, 0), (3, 1, 0), *(
    (*corners, corners[0]) for corners in (
        ((-9, -7), (-9, 7), (9, -7), (9, 7)), ((-7, -9), (7, -9), (-7, 9), (7, 9)),  # bow tie, hourglass
        ((-9, -5), (9, -5), (9, 5), (-9, 5)), ((-5, -9), (5, -9), (5, 9), (-5, 9)),  # a brick, lying and standing
        ((-9, -9), (9, -9), (-9, 9)), ((-9, 9), (9, 9), (9, -9)))))  # lower and upper half of a square
TWENTY = tuple(zip(PALETTE, _MARKERS, strict=True))
# Reference forecasters keep black, greys and muted colours.
ROLES = {
    "dense": ("#000000", "D"), "width": ("#7f7f7f", "s"), "compact": ("#a6761d", "P"), "deep": ("#2F5D8A", "o"),
    "naive": ("#999999", "x"), "seasonal_naive": ("#666666", "x"), "arima": ("#b07aa1", "x"),
    "boosting": ("#7A9A3A", "x"), "classical": ("#666666", "d"), "reference": ("#9C4A3C", "H"),
    "ensemble": ("#B98A80", "H"),
}  # fmt: skip
LOOKS = ROLES | {name: TWENTY[words["LOOK"] % len(TWENTY)]
                 for name, words in catalogue.members("compress", "LEVELS", "LOOK").items()}
DASHES = {"naive": (0, (1, 2)), "seasonal_naive": (0, (5, 2)), "arima": (0, (6, 2, 1, 2)),
          "boosting": (0, (6, 1, 1, 1, 1, 1)), "reference": (0, (10, 2))}  # drawn as lines
TOLD = catalogue.literals(paths.PACKAGE / "models" / "information.py")["SHORT"]  # word of a model's name -> in short
PROPER = {name.lower(): name for name in ("AMC", "MNasNet", "NetAdapt", "PocketFlow", "Net2Net")}  # as papers have them
DASHED = (0, (3, 3))
HALO = [withStroke(linewidth=2, foreground="white")]  # path effect of words that a line may cross
BOX = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}  # … many lines
INK, FAINT, MISSING = "#222222", "#666666", "#f2f2f2"  # marks and lines of reference, remarks, cells without a value
_STYLE = {
    "font.family": [FONT, "DejaVu Sans"], "axes.unicode_minus": False,  # the second for signs the first lacks
    "font.size": 8.5, "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#e4e4e4", "grid.linewidth": 0.6, "lines.linewidth": 1.4, "figure.dpi": 100, "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # names are somebody's own: a $ in one is a dollar, not the beginning of a formula
    "svg.fonttype": "path", "svg.hashsalt": "litecast",  # the same glyphs and ids on every machine
}  # fmt: skip


def look(name: str) -> tuple:
    """(colour, marker) of a technique or role, the same in every figure; of a name without a LOOK by its checksum.

    A chain "a+b" has the colour of its last technique and the marker of its first.
    """
    found = [LOOKS.get(step) or TWENTY[zlib.crc32(step.encode()) % len(TWENTY)] for step in name.split("+")]
    return found[-1][0], found[0][1]


def looks(names) -> dict[str, tuple]:
    """Name -> (colour, marker) in one figure: known names keep theirs, others (labels, models) take the next free."""
    free = cycle(TWENTY)
    return {name: look(name) if set(name.split("+")) <= set(LOOKS) else next(free) for name in names}


def called(name: str) -> str:
    """A technique, chain or model in words: 'channel_pruning+int8' -> 'channel pruning + int8', and 'nbeats@own' ->
    'nbeats (own week)'."""
    told = re.sub(r"@([a-z]+)", lambda found: f" ({TOLD[found[1]]})" if found[1] in TOLD else found[0], name)
    told = re.sub(r"[a-z0-9]+", lambda found: PROPER.get(found[0], found[0]), told)
    return told.replace("_", " ").replace("+", " + ")


def own(name, most: int = 40) -> str:
    """Somebody's own name (a series', a dataset's) as a figure shows it: one line, cut where it is longer than `most`.

    The blank before an underscore is for matplotlib, which hides such names from legends.
    """
    words = " ".join(str(name).split())
    words = words if len(words) <= most else f"{words[: most - 1]}…"
    return f" {words}" if words.startswith("_") else words


def share(level: str) -> str:
    """A level between 0 and 1 in percent, any other as it is; of a chain each: '0.5-l2+8' -> '50 % (l2) + 8'."""
    values = [(*step, pd.to_numeric(step[0], errors="coerce")) for step in _steps(level)]
    return " + ".join((f"{100 * value:g} %" if 0 < value < 1 else amount) + f" ({how})" * bool(how)
                      for amount, how, value in values)


def natural(level: str) -> tuple:
    """Sorts levels as numbers where they are numbers, those of chains after others, step by step; else by name."""
    values = [float(pd.to_numeric(amount, errors="coerce")) for amount, _ in _steps(level)]
    return (np.inf, [], level) if np.isnan(values).any() else (len(values), values, level)


def _steps(level: str) -> list[tuple[str, str]]:
    """(Amount, how it was done or who taught) of each step: '0-reference' are ('0', 'reference'), '1e-05' has none."""
    return [re.fullmatch(r"(.*?)(?:-([a-z].*))?", step).groups(default="") for step in level.split("+")]


def font_dir() -> Path:
    """Folder of the NanumGothic files; found without importing the package, whose import needs distutils."""
    spec = importlib.util.find_spec("koreanize_matplotlib")
    if spec is None:
        raise LitecastError("the font NanumGothic is missing: pip install koreanize-matplotlib")
    return Path(spec.submodule_search_locations[0]) / "fonts"


def use() -> None:
    """Set the house style for all figures made after; a figure at the end of a cell is shown as SVG, with links."""
    if FONT not in font_manager.fontManager.get_font_names():
        for path in sorted(font_dir().glob("*.ttf")):
            font_manager.fontManager.addfont(path)
    # NanumGothic calls its bold 600, matplotlib 700: not worth a red line above every figure with a title.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
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


def blank(height: float, rows: int = 1, columns: int = 1, **options):
    """Figure of the house width (height in inches) and its axes, row by row: `figure, (ax,) = blank(2.4)`.

    options: those of Figure.subplots. Not pyplot's: nothing is left open or shown.
    """
    use()
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options).ravel()


def grid(names: list[str], height: float, single: float, wide: list[str] = (), **options):
    """(figure, {name: axes}) with two titled panels side by side; height of a row, and of a figure of one row.

    wide: panels that get a higher row of their own, below the others.
    """
    rows = [(names[i : i + 2] * 2)[:2] if len(names) == 1 else [*names[i : i + 2], "."][:2]
            for i in range(0, len(names), 2)] + [[name] * 2 for name in wide]
    ratios = [1.0] * (len(rows) - len(wide)) + [1.6] * len(wide)
    use()
    tall = single if len(rows) == 1 else min(TALLEST, 0.75 + height * sum(ratios))
    figure = Figure(figsize=(WIDTH, tall), layout="constrained")
    panels = figure.subplot_mosaic(rows, height_ratios=ratios, **options)
    for name, ax in panels.items():
        ax.set_title(called(name))
    return figure, panels


def named_rows(names, each: float = 0.2):
    """(figure, axes) with a named row at 0, 1, 2, … from the top, each so many inches high."""
    figure, (ax,) = blank(0.85 + each * len(names))
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0, labelsize=7.5)
    ax.grid(False, axis="y")
    return figure, ax


def says(text: str) -> Figure:
    """Stands in for a figure that has nothing to show."""
    lines = textwrap.wrap(text, 100)
    figure, (ax,) = blank(0.3 + 0.2 * len(lines))
    note(ax, "\n".join(lines))
    ax.set_axis_off()
    return figure


def note(axes, text: str) -> None:
    """Stands in for a panel that has nothing to show."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=FAINT)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)


def legend(figure: Figure, shown, most: int = 4, **options) -> float:
    """One legend below all panels, of at most so many columns and as many as are no wider than the figure; its height
    in inches. shown: handles, or the axes that hold them."""
    handles = shown if isinstance(shown, list) else shown.get_legend_handles_labels()[0]
    for columns in range(max(1, min(most, len(handles))), 0, -1):
        made = figure.legend(handles=handles, loc="outside lower center", ncols=columns, **options)
        if columns == 1 or made.get_window_extent().width <= figure.bbox.width:
            return made.get_window_extent().height / figure.dpi
        made.remove()
    return 0.0


def label_axes(panels: dict, x: str, y: str, wide: list[str] = ()) -> None:
    """Names the axes of a grid of two columns once: y on the left, x under the lowest panel of each column."""
    axes, below = [ax for name, ax in panels.items() if name not in wide], [panels[name] for name in wide]
    for ax in axes[::2] + below:
        ax.set_ylabel(y)
    for ax in axes[-2:] + below:
        ax.set_xlabel(x)
        ax.tick_params(labelbottom=True)


def percent_axis(axis) -> None:
    """Ticks of fractions in percent, with as many digits as tell them apart."""
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    low, high = axis.get_view_interval()
    digits = max(0, -math.floor(math.log10(100 * (high - low) / 5))) if high > low else 1
    axis.set_major_formatter(lambda value, _: f"{100 * value:.{digits}f} %")


def plain_log(axis, told="{:g}".format) -> None:
    """Makes an axis logarithmic, its ticks plain numbers (…, 1, 2, 5, 10, 20, …), never a power, whose minus sign a
    font may lack. Call it when limits are settled; told: value -> text of a tick."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [m * 10.0**d for d in decades for m in steps if low * 0.999 <= m * 10.0**d <= high * 1.001]
        if len(ticks) >= 3:
            break
    axis.set_ticks(ticks or [low, high])
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: told(value))


def short(value: float, _=None) -> str:
    """Numbers of an axis that fit: 12,000,000 -> 12M, 12,000 -> 12k, 1,200 -> 1200."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * (10 if letter == "k" else 1):
            return f"{value / size:g}{letter}"
    return f"{value:g}"
