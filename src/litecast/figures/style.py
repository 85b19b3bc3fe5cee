"""One house style: one font with Korean glyphs, fixed widths, one colour and marker per technique.

The colours are those of Okabe and Ito (2008), "Color Universal Design"; markers repeat what the colours say.
"""

import importlib.util
import io
import math
import sys
import zlib
from itertools import cycle, islice
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from litecast.errors import LitecastError
from litecast.paths import PACKAGE

WIDTH = 6.7  # inches: the text width of the PDF's A4 page
TALLEST = 8.4  # inches: what such a page holds beside a caption
FONT = "NanumGothic"
# Reference forecasters keep grey and black; the rest of the palette goes to the techniques.
_ROLES = {
    "dense": ("#000000", "D"), "width": ("#7f7f7f", "s"), "compact": ("#a6761d", "P"), "deep": ("#2F5D8A", "o"),
    "naive": ("#999999", "x"), "seasonal_naive": ("#666666", "x"), "arima": ("#b07aa1", "x"),
    "boosting": ("#7A9A3A", "x"), "classical": ("#666666", "d"),
}  # fmt: skip
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6D00", "#3B1F8B")
_MARKERS = ("o", "^", "v", "<", ">", "p", "h", "*", "X", "8", "H")
DASHES = {"naive": (0, (1, 2)), "seasonal_naive": (0, (5, 2)), "arima": (0, (6, 2, 1, 2)),
           "boosting": (0, (6, 1, 1, 1, 1, 1))}  # drawn as lines
DASHED = (0, (3, 3))
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


def use() -> None:
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


def blank(height: float, rows: int = 1, columns: int = 1, **options):
    """Figure of the house width and a (rows, columns) array of axes. Not pyplot's: nothing is left open or shown."""
    use()
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


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
        ax.set_title(name)
    return figure, panels


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
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.{digits}f} %"))


def plain_log(axis, low: float, high: float) -> None:
    """Log ticks in plain numbers (…, 1, 2, 5, 10, 20, …): never a power whose minus sign a font may lack."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [m * 10.0**d for d in decades for m in steps if low * 0.999 <= m * 10.0**d <= high * 1.001]
        if len(ticks) >= 3:
            break
    axis.set_ticks(ticks or [low, high])
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def note(axes, text: str) -> None:
    """Stands in for a panel that has nothing to show."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="#666666")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)


def natural(level: str) -> tuple:
    """Sorts levels as numbers where they are numbers, else by name."""
    value = pd.to_numeric(level, errors="coerce")
    return (1, 0.0, level) if np.isnan(value) else (0, value, level)


def share(level: str) -> str:
    """A level between 0 and 1 in percent, any other as it is."""
    value = pd.to_numeric(level, errors="coerce")
    return f"{100 * value:g} %" if 0 < value < 1 else level
