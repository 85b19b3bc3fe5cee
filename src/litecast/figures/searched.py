"""What was searched for, against chance and against what was made by hand."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from litecast.figures import style
from litecast.figures.fronts import AXES
from litecast.figures.style import FAINT, INK, called, look, percent_axis, plain_log
from litecast.results import choice
from litecast.results.rows import number
from litecast.results.searched import is_searched


def searched_fronts(files: pd.DataFrame, link=None) -> Figure:
    """Test WAPE against bytes, and against all training of the route, searches included: files of searches (filled) and
    their controls (hollow) in the colours of their techniques; steps: what a size leaves, on validation, of the front
    to beat, of techniques without a search, and of searches.

    files: of one dataset, means over seeds.
    """
    mine = files[is_searched(files)]
    if mine.empty:
        return style.says("nothing was searched for")
    figure, panels = style.blank(3.0, 1, 2, sharey=True)
    by_hand, told = files[~is_searched(files)], {}
    for ax, x in zip(panels, ("bytes", "train_macs"), strict=True):
        name, unit = AXES[x]
        end = 1.3 * unit * mine[x].max()
        fronts = {"front to beat": (choice.front(by_hand, None, x), {"color": look("width")[0]}),
                  "techniques by hand": (choice.techniques_front(by_hand, x), {"color": FAINT, "linestyle": ":"}),
                  "searches": (choice.techniques_front(mine, x), {"color": INK, "linestyle": style.DASHED})}
        for label, (steps, how) in fronts.items():
            steps = steps[steps[x] * unit <= end]
            at = [*steps[x] * unit, *[end] * bool(len(steps))]
            [told[label]] = ax.plot(at, [*steps.test_wape, *steps.test_wape.tail(1)], drawstyle="steps-post",
                                    linewidth=1.1, zorder=2, label=label, **how)  # fmt: skip
        for (technique, control), group in mine.groupby([mine.technique, mine.control != ""]):
            colour, marker = look(technique)
            ax.scatter(group[x] * unit, group.test_wape, marker=marker, s=26, edgecolors=colour, linewidths=0.9,
                       facecolors="white" if control else colour, zorder=3 + (not control)).set_urls(
                [link(row) if link else None for row in group.to_dict("records")])
        ax.set(xlabel=name, xlim=(0.8 * unit * mine[x].min(), end))
        plain_log(ax.xaxis)
    chosen = number(mine[mine.control == ""], "test_wape")
    low, high = chosen.min(), chosen.median()
    panels[0].set(ylabel="test WAPE", ylim=(low - 0.3 * (high - low or low), high + 2.5 * (high - low or low)))
    percent_axis(panels[0].yaxis)
    handles = [Line2D([], [], linestyle="", color=look(name)[0], marker=look(name)[1], label=called(name))
               for name in sorted(set(mine.technique))]  # fmt: skip
    handles += [Line2D([], [], linestyle="", color=FAINT, marker="o", markerfacecolor="white", label="its controls")]
    style.legend(figure, [*handles, *told.values()], 4)
    return figure
