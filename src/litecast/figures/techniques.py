"""Techniques side by side: what each forgets, and the front of all against the front to beat."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast.figures import style
from litecast.figures.fronts import AXES
from litecast.figures.style import called, look, percent_axis, plain_log
from litecast.results.choice import front, is_technique, techniques_front
from litecast.results.rows import number, text
from litecast.results.techniques import FORGOTTEN

WORST = 0.2  # of the reference's error: from here on a cell is as dark as can be


def forgets(lines: pd.DataFrame, words: dict[str, str] = FORGOTTEN) -> Figure:
    """Heat map: techniques in rows, situations in columns; how much more a technique's file errs there than its
    reference, relative; redder is worse.

    lines: those of `results.techniques.forgotten` of one dataset. words: column -> its name; what is empty all over is
    left out.
    """
    words = {column: name for column, name in words.items() if number(lines, column).notna().any()}
    if lines.empty or not words:
        return style.says("no technique's file to look at yet")
    values = lines[list(words)].to_numpy(float)
    names = [f"{called(line.technique)}, {called(line.model)}" for line in lines.itertuples()]
    figure, ax = style.named_rows(names, 0.24)
    ax.imshow(np.clip(values, -WORST, WORST), cmap="RdBu_r", vmin=-WORST, vmax=WORST, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        told = "–" if np.isnan(value) else f"{100 * value:+.1f}"
        colour = "white" if abs(value) > 0.7 * WORST else style.INK
        ax.text(j, i, told, ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(words)), [name.replace(" ", "\n") for name in words.values()], fontsize=7.5)
    ax.xaxis.tick_top()
    ax.tick_params(axis="x", length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return figure


def two_fronts(files: pd.DataFrame, *sizes: str, link=None) -> Figure:
    """Test WAPE against each of some sizes: the front of all techniques and chains, each of its files in its
    technique's colour, against the front to beat; pale: the selected files of techniques, whatever the network.

    files: of one dataset, means over seeds; both fronts are chosen on validation (`results.choice`). sizes: of AXES,
    without any bytes; one that no technique's file has is left out.
    """
    ours = {x: techniques_front(files, x) for x in sizes or ("bytes",)}
    ours = {x: line for x, line in ours.items() if len(line)}
    if not ours:
        return style.says("no technique's file to look at yet")
    figure, axes = style.blank(3.4 if len(ours) == 1 else 3.1, 1, len(ours), sharey=True)
    figure.get_layout_engine().set(wspace=0.05)  # the last number under a panel is not the first under the next
    for ax, (x, line) in zip(axes, ours.items(), strict=True):
        _panel(ax, files, line, x, link)
    best = pd.concat([*ours.values(), *(front(files, None, x) for x in ours)]).test_wape
    worst = max(line.test_wape.max() for line in ours.values())
    low, high = best.min(), worst
    axes[0].set(ylabel="test WAPE", ylim=(low - 0.1 * (high - low), high + 0.25 * (high - low)))  # what errs more is
    percent_axis(axes[0].yaxis)  # told elsewhere
    told = dict(pair[::-1] for ax in axes for pair in zip(*ax.get_legend_handles_labels(), strict=True))
    style.legend(figure, list(told.values()), 4)
    return figure


def _panel(ax, files: pd.DataFrame, ours: pd.DataFrame, x: str, link) -> None:
    theirs, (name, unit) = front(files, None, x), AXES[x]
    others = files[is_technique(files) & (number(files, "selected") > 0) & (text(files, "control") == "")]
    end = 1.3 * unit * pd.concat([others[x], ours[x], theirs[x].tail(1)]).max()
    for line, colour, told in ((theirs, look("width")[0], "front to beat"), (ours, style.INK, "front of techniques")):
        last = [end] * bool(len(line))
        ax.plot([*line[x] * unit, *last], [*line.test_wape, *line.test_wape.tail(1)], drawstyle="steps-post",
                color=colour, label=told, linewidth=1.2, zorder=2)
    for part, size, alpha in ((others, 14, 0.4), (ours, 30, 1)):
        for technique, mine in part.groupby(text(part, "technique")):
            colour, marker = look(technique)
            dots = ax.scatter(mine[x] * unit, mine.test_wape, color=colour, marker=marker, s=size, alpha=alpha,
                              linewidths=0, zorder=3 + (alpha == 1), label=called(technique) if alpha == 1 else None)
            dots.set_urls([link(row) if link else None for row in mine.to_dict("records")])
    ax.set(xscale="log", xlabel=name, xlim=(None, end))
    plain_log(ax.xaxis)
