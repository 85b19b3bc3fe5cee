"""A network that is cut step by step: what every step offered, what was taken, and what a table of layers misses."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast.figures import style
from litecast.figures.style import INK, PALETTE, called, percent_axis, plain_log

TOP = 1.5  # of the lowest error: what errs more lies on the upper edge


def offers(lines: pd.DataFrame) -> Figure:
    """One step, a row per group of units: the share of its units that has to go, and by how much the error rises.

    lines: of `netadapt.offers`.
    """
    if lines.empty:
        return style.says("no group of units can save anything")
    figure, (share, rise) = style.blank(0.9 + 0.26 * len(lines), 1, 2, sharey=True)
    at = np.arange(len(lines))
    share.barh(at, 1 - lines.kept / lines.units, color=PALETTE[0], height=0.6)
    rise.barh(at, lines.error / lines.start - 1, color=PALETTE[1], height=0.6)
    for i, line in enumerate(lines.itertuples()):
        share.annotate(f"{line.units} to {line.kept}", (1 - line.kept / line.units, i), xytext=(3, 0),
                       textcoords="offset points", va="center", fontsize=7.5, path_effects=style.HALO)
    share.set(yticks=at, yticklabels=[called(name) for name in lines.group], ylim=(len(lines) - 0.4, -0.6))
    share.set(xlabel="units that go", xlim=(0, 1.15))
    rise.set(xlabel="rise of the error, nothing tuned")
    for ax in (share, rise):
        ax.grid(False, axis="y")
    percent_axis(share.xaxis)
    percent_axis(rise.xaxis)
    return figure


def walks(stories: Mapping[tuple, pd.DataFrame]) -> Figure:
    """Validation error by what is left of the cost, a panel per search: all that was tried (pale), and the path.

    stories: (variant or control, level) -> `Compressed.story`; of several levels the longest path is drawn, since it
    leads through the others.
    """
    longest: dict[str, pd.DataFrame] = {}
    for (name, _), story in stories.items():
        if "taken" in story and len(story) > len(longest.get(name, ())):
            longest[name] = story
    if not longest:
        return style.says("searched in an earlier call")
    figure, panels = style.grid(list(longest), 2.0, 2.6, sharey=True, sharex=True)
    top = min(TOP * min(story.error.min() for story in longest.values()),
              1.02 * max(story[story.taken].error.max() for story in longest.values()))
    for (name, story), colour in zip(longest.items(), PALETTE, strict=False):
        ax, way = panels[name], story[story.taken]
        ax.scatter(story.cost, story.error.clip(upper=top), color=colour, s=12, alpha=0.35, linewidths=0)
        ax.plot(way.cost, way.error.clip(upper=top), color=colour, marker="o", markersize=4)
        before = ""
        for line in way.iloc[1:].itertuples():
            if line.saved != before:
                ax.annotate(called(line.saved), (line.cost, min(line.error, top)), xytext=(2, 5), fontsize=6.5,
                            textcoords="offset points", color=INK, path_effects=style.HALO, rotation=35)
            before = line.saved
        ax.set_xlim(min(one.cost.min() for one in longest.values()) - 0.03, 1.03)
        percent_axis(ax.xaxis)
        percent_axis(ax.yaxis)
    next(iter(panels.values())).invert_xaxis()  # shared
    style.label_axes(panels, "cost that is left", "validation WAPE")
    return figure


def lookup(lines: pd.DataFrame) -> Figure:
    """Microseconds of whole networks, against the sum of their layers and against products; a colour per family.

    lines: of `experiment.lookup.beside`.
    """
    figure, (left, right) = style.blank(2.7, 1, 2, sharey=True)
    for (family, mine), colour in zip(lines.groupby("family"), PALETTE, strict=False):
        left.plot(1000 * mine.table, 1000 * mine.whole, color=colour, marker="o", label=called(family))
        right.plot(mine.macs / 1000, 1000 * mine.whole, color=colour, marker="o")
    ends = [1000 * how(lines[["table", "whole"]].to_numpy().ravel()) for how in (min, max)]
    left.plot(ends, ends, color=INK, linewidth=0.8, linestyle=style.DASHED, label="as said")
    left.set(xlabel="sum of single layers (µs)", ylabel="whole network (µs)")
    right.set(xlabel="thousand products")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        plain_log(axis, style.short if axis is right.xaxis else "{:g}".format)
    style.legend(figure, left)
    return figure
