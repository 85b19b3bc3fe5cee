"""Chains of techniques: bytes and errors step by step, and what their order does."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from litecast.figures import style
from litecast.figures.style import FAINT, INK, called, look, plain_log
from litecast.results.rows import text

MOST = 8  # chains that one figure holds


def waterfall(lines: pd.DataFrame, link=None) -> Figure:
    """A panel per chain: kB of the file after each step as bars (log axis), pale what the step took away; WAPE on test
    and validation as points.

    lines: those of `results.chains.waterfalls` of one dataset; the longest chains first, MOST at most. link: line ->
    address.
    """
    chains = sorted(lines.groupby(["model", "chain"], sort=False), key=lambda chain: -len(chain[1]))[:MOST]
    if not chains:
        return style.says("no chain of techniques yet")
    figure, panels = style.grid([f"{model} {chain}" for (model, chain), _ in chains], 2.1, 3.0)
    sizes = lines.bytes[lines.bytes > 0] / 1000
    wapes = pd.concat([lines.val_wape, lines.test_wape])
    room = max(wapes.max() - wapes.min(), 0.02 * wapes.max())
    for ((model, _), mine), ax in zip(chains, panels.values(), strict=True):
        ax.set_title(called(model))
        errors = ax.twinx()
        _bars(ax, mine, sizes.min() / 2, link)
        _points(errors, mine)
        ax.set_ylim(sizes.min() / 2, sizes.max() * 40)  # room for points above the bars
        ends = wapes.min(), wapes.max()  # told at the right, where points are
        errors.set(ylim=(ends[0] - 4 * room, ends[1] + 0.3 * room), yticks=ends)
        errors.set_yticklabels([f"{100 * end:.1f} %" for end in ends])
        plain_log(ax.yaxis)
    for ax in list(panels.values())[::2]:
        ax.set_ylabel("kB")
    what = [Patch(color=FAINT, label="kB of the file"), Patch(color=FAINT, alpha=0.25, label="taken away by the step"),
            Line2D([], [], color=INK, marker="o", label="test WAPE (right)"),
            Line2D([], [], color=INK, marker="o", markerfacecolor="none", linestyle=":", label="validation WAPE")]
    style.legend(figure, what)
    return figure


def _bars(ax, lines: pd.DataFrame, floor: float, link) -> None:
    before = None
    for place, line in enumerate(lines.itertuples()):
        kb, colour = line.bytes / 1000, look(line.technique or ("dense" if not place else lines.technique.iloc[-2]))[0]
        ax.bar(place, kb - floor, bottom=floor, color=colour, width=0.62, zorder=2).patches[0].set_url(
            link(line._asdict()) if link else None)
        if before and before > kb:
            ax.bar(place, before - kb, bottom=kb, color=colour, alpha=0.25, width=0.62, zorder=2)
        ax.annotate(f"{kb:.3g}", (place, max(kb, before or 0)), xytext=(0, 2), textcoords="offset points", ha="center",
                    fontsize=7.5, path_effects=style.HALO)
        before = kb
    ax.set(yscale="log", xticks=range(len(lines)), xlim=(-0.6, len(lines) - 0.4))
    ax.set_xticklabels(list(map(_named, lines.to_dict("records"))), fontsize=5.8)
    ax.grid(False, axis="x")


def _named(line: dict) -> str:
    """'dense', 'low bit\n4', or the storage of the last step's smallest file."""
    if line["technique"]:
        return f"{called(line['technique']).replace(' ', chr(10))}\n{style.share(line['amount'])}"
    return f"as\n{line['variant'].rpartition('-')[2]}" if line["step"] else "dense"


def _points(ax, lines: pd.DataFrame) -> None:
    at = range(len(lines))
    ax.plot(at, lines.val_wape, color=INK, marker="o", markersize=3.5, markerfacecolor="white", linestyle=":",
            linewidth=0.9, zorder=4)
    ax.plot(at, lines.test_wape, color=INK, marker="o", markersize=3.5, linewidth=0.9, zorder=5)
    ax.grid(False)


def orders(lines: pd.DataFrame, link=None) -> Figure:
    """The same steps in different orders, a row each: kB of the smallest file, WAPE on test (filled) and validation.

    lines: those of `results.chains.orders` of one dataset; colours tell what came last, a ring the lowest validation
    error of the same steps.
    """
    if lines.empty:
        return style.says("no steps were tried in more than one order")
    lines = lines.reset_index(drop=True)
    figure, (kb, wape) = style.blank(1.0 + 0.24 * len(lines), 1, 2, sharey=True)
    last = text(lines, "order").str.rpartition(" > ")[2].str.partition(" ")[0]
    for i, line in enumerate(lines.itertuples()):
        colour = look(last[i])[0]
        kb.barh(i, line.bytes / 1000, color=colour, height=0.6)
        kb.annotate(f"{line.bytes / 1000:.3g}", (line.bytes / 1000, i), xytext=(2, 0), textcoords="offset points",
                    va="center", fontsize=7.5)
        wape.scatter(line.test_wape, i, color=colour, s=24, zorder=3).set_urls(
            [link(line._asdict()) if link else None])
        wape.scatter(line.val_wape, i, edgecolors=colour, facecolors="white", s=20, zorder=3)
        if line.best:
            wape.scatter(line.val_wape, i, s=80, facecolors="none", edgecolors=INK, zorder=4)
    names = [f"{called(line.model)}: {_route(line.order)}" for line in lines.itertuples()]
    kb.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.4, -0.6), xlabel="smallest file (kB)")
    kb.tick_params(axis="y", length=0, labelsize=7)
    kb.margins(x=0.16)
    wape.set(xlabel="WAPE: filled test, hollow validation")
    style.percent_axis(wape.xaxis)
    return figure


def _route(order: str) -> str:
    steps = (step.partition(" ") for step in order.split(" > "))
    return " > ".join(f"{called(name)} {style.share(amount)}" for name, _, amount in steps)
