"""What a network is told, beside what it is compressed to."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from litecast.figures import style
from litecast.figures.fronts import AXES, _limits, _lines, _name_lines, _name_points
from litecast.figures.style import INK, called, look, percent_axis, plain_log

ARROW = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.3, "shrinkA": 3, "shrinkB": 3,
         "connectionstyle": "arc3,rad=0.12"}  # fmt: skip


def information_and_size(pairs: pd.DataFrame, lines: pd.DataFrame, reference: float | None = None,
                         link=None) -> Figure:
    """Test WAPE against file size (log axis): arrows are information, lines are compression.

    pairs: lines of `results.information.told` of one dataset, an arrow each, from the less told network to the more
    told one of the same family and width; lines: of `results.information.compressed`, a line per network and technique
    in its colour; reference: test WAPE that a horizontal line shows; link: row -> address its point leads to in SVG.
    """
    if pairs.empty:
        return style.says("no network was told more or less than its family")
    names = ["model", "bytes", "test_wape"]
    bases = pairs[["family", "base_bytes", "base_test_wape"]].set_axis(names, axis=1)
    ends = pd.concat([pairs[names], bases]).drop_duplicates()
    ends, lines = (part.assign(kb=part.bytes / 1000, y=part.test_wape) for part in (ends, lines))
    flat = {} if reference is None else {"reference": reference}
    figure, (ax,) = style.blank(4.4)
    every = pd.concat([ends, lines])
    bottom, top = _limits(every.y, ends.y, flat)
    ax.set(xscale="log", xlim=(every.kb.min() / 1.6, every.kb.max() * 1.9), xlabel=AXES["bytes"][0], ylabel="test WAPE")
    over = int((lines.y > top).sum())
    _lines(ax, flat, bottom, top, [f"{over} file" + "s" * (over > 1)] * (over > 0))
    for (_, technique), line in lines.groupby(["model", "technique"]):
        colour, marker = look(technique)
        ax.plot(line.kb, line.y, color=colour, linewidth=1.2, zorder=2)
        dots = ax.scatter(line.kb, line.y, color=colour, marker=marker, s=22, linewidths=0, zorder=3)
        dots.set_urls([link(row) if link else None for row in line.to_dict("records")])
    ax.scatter(ends.kb, ends.y, color=look("dense")[0], marker=look("dense")[1], s=26, linewidths=0, zorder=4)
    for pair in pairs.itertuples():
        ways = [(pair.base_bytes / 1000, pair.base_test_wape), (pair.bytes / 1000, pair.test_wape)]
        start, end = ways if pair.adds else ways[::-1]
        ax.annotate("", end, start, zorder=5, arrowprops=ARROW)
    plain_log(ax.xaxis)
    percent_axis(ax.yaxis)
    kinds = sorted(set(lines.technique), key=lambda kind: (kind != "width", kind))
    handles = [Line2D([], [], color=INK, linewidth=1.3, marker=">", label="told more: same family, same width")]
    handles += [Line2D([], [], color=look("dense")[0], marker=look("dense")[1], linestyle="", label="float32")]
    handles += [Line2D([], [], color=look(k)[0], marker=look(k)[1], markersize=5, linewidth=1.2,
                       label="stored in fewer bits" if k == "width" else called(k)) for k in kinds]
    style.legend(figure, handles, 3)
    _name_lines(ax, {name: value for name, value in flat.items() if bottom < value < top})
    seen = ends[ends.y < top]
    _name_points(ax, seen.kb, seen.y, seen.model, 4.0, avoid=(lines.kb, lines.y), lines=list(flat.values()))
    return figure
