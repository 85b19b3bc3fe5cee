"""Levels of techniques, and their differences to a reference."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast.figures import style
from litecast.figures.style import DASHED, blank, grid, label_axes, look, natural, note, percent_axis, share
from litecast.results.rows import number, text


def level_curve(rows: pd.DataFrame, part: str = "val") -> Figure:
    """WAPE by level, mean over seeds, a line per technique and variant and a panel per model; ringed = selected.

    The first variant is a broad pale line, so that one on top of it is seen; the grey line is the dense network.
    """
    rows = rows.assign(wape=number(rows, f"{part}_wape"), **{c: text(rows, c) for c in ("variant", "level")})
    dense = rows[(text(rows, "technique") == "dense") & (text(rows, "control") == "")].groupby("model").wape.mean()
    rows = rows[rows.wape.notna() & (text(rows, "role") == "compressed")]
    figure, panels = grid(sorted(set(rows.model)) or [""], 1.6, 2.4)
    if rows.empty:
        note(panels[""], "no compressed row yet")
        return figure
    handles = {}
    for model, ax in panels.items():
        mine = rows[rows.model == model]
        levels = sorted(set(mine.level), key=natural)
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
        percent_axis(ax.yaxis)
        ax.set(xticks=range(len(levels)), xticklabels=[share(level) for level in levels])
        ax.margins(x=0.08)
    label_axes(panels, "level", {"val": "validation", "test": "test"}[part] + " WAPE")
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=min(3, len(handles)))
    return figure


def forest(comparisons: pd.DataFrame, margins: tuple[float, ...] = (0.01, 0.02, 0.05), link=None) -> Figure:
    """Relative difference in WAPE of each row against its reference, with both one-sided 95 % interval ends.

    comparisons: one line per row and margin (comparisons.csv; delta, low, high as fractions of the reference's WAPE);
    only the first line of a row is drawn. Colours tell techniques if a column `technique` is there.
    """
    lines = comparisons.drop_duplicates("row").reset_index(drop=True)
    figure, axes = blank(max(1.5, 0.75 + 0.19 * len(lines)))
    ax = axes[0, 0]
    if lines.empty:
        note(ax, "no comparison yet")
        return figure
    names = text(lines, "label").where(text(lines, "label") != "", text(lines, "row"))
    middle, low, high = (100 * number(lines, c).to_numpy() for c in ("delta", "low", "high"))
    # wide enough for most, but never so wide that the margins are lost: what lies beyond is told in numbers
    reach = np.clip(np.nan_to_num(1.6 * np.nanquantile(np.abs(middle), 0.9)), 150 * max(margins), 600 * max(margins))
    for i, technique in enumerate(text(lines, "technique")):
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
        ax.axvline(100 * margin, color="#222222", linewidth=0.7, linestyle=DASHED, zorder=1)
        ax.annotate(f"{100 * margin:g} %", (100 * margin, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                    textcoords="offset points", ha="center", fontsize=7.5, color="#444444")
    ax.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.4, -0.6), xlim=(-reach, reach),
           xlabel="ΔWAPE against the reference (%): right is worse")
    ax.tick_params(axis="y", labelsize=7.5, length=0)
    ax.grid(False, axis="y")
    return figure


def width_sweep(rows: list[dict], chosen: int) -> Figure:
    """Validation WAPE against file size, a line per storage; the ring is the chosen width."""
    frame = pd.DataFrame(rows).sort_values("level")
    figure, axes = style.blank(2.4)
    ax = axes[0, 0]
    for (storage, part), colour in zip(frame.groupby("variant", sort=False), style.PALETTE, strict=False):
        ax.plot(part.bytes / 1000, part.val_wape, marker="s", color=colour, label=storage)
        for row in part.itertuples() if storage == "float32" else ():
            ax.annotate(f"{row.level:g}", (row.bytes / 1000, row.val_wape), xytext=(4, 4), textcoords="offset points")
    ring = frame[(frame.level == chosen) & (frame.variant == "float32")]
    ax.plot(ring.bytes / 1000, ring.val_wape, "o", markersize=13, fillstyle="none", color="black")
    ax.set(xscale="log", xlabel="file size (kB)", ylabel="validation WAPE", title="Narrower, or in fewer bits")
    style.plain_log(ax.xaxis, *ax.get_xlim())
    ax.legend()
    return figure
