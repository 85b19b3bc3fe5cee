"""What runs where: a file in every runtime that was there, and what it takes with it."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from litecast.figures import style
from litecast.figures.style import look, plain_log
from litecast.results import places
from litecast.results.rows import number

# Column -> what its panel is called, and the unit that it is shown in.
PANELS = {"latency_ms_p50": ("ms a forecast", 1), "bytes": ("kB, the file", 1e3),
          "with_runtime": ("MB, with its runtime", 1e6), "resident_bytes": ("MB of memory", 1e6)}  # fmt: skip
ROOM = 1.5  # beyond the points, as a factor
WIDE = 20  # the largest by the smallest, from which on powers of ten alone have room


def runs_where(lines: pd.DataFrame) -> Figure:
    """A row per runtime (and storage), a panel per cost (log axes); what the file takes in its technique's colour, its
    dense network in black. lines: of devices.csv, of one dataset, of the file to deploy and its dense network."""
    lines = lines[lines.latency_ms_p50.notna()].sort_values("latency_ms_p50")
    if lines.empty:
        return style.says("no file was tried in a runtime yet")
    lines = lines.assign(with_runtime=lines.bytes + lines.runtime_bytes, name=[
        f"{places.called(one.runtime)} {one.storage}".strip() for one in lines.itertuples()])  # fmt: skip
    names = list(dict.fromkeys(lines.name))
    figure, panels = style.blank(1.1 + 0.24 * len(names), columns=len(PANELS), sharey=True)
    for ax, (column, (title, unit)) in zip(panels, PANELS.items(), strict=True):
        for technique, mine in sorted(lines.groupby("technique"), key=lambda pair: pair[0] != "dense"):
            colour, marker = look(technique)
            at = [names.index(name) for name in mine.name]
            ax.scatter(number(mine, column) / unit, at, color=colour, marker=marker, label=style.called(technique))
        ax.set_title(title, fontsize=8.5)
        ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
        ax.tick_params(axis="y", length=0)
        known = (number(lines, column) / unit).dropna()
        if len(known):
            ax.set_xlim(known.min() / ROOM, known.max() * ROOM)
            plain_log(ax.xaxis)
            if known.max() > WIDE * known.min():
                ax.xaxis.set_major_locator(LogLocator())
    style.legend(figure, panels[0])
    return figure
