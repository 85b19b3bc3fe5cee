"""Rows held against something: differences to a reference, and errors as shares of published ones."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast.figures.style import BOX, DASHED, FAINT, INK, PALETTE, look, named_rows, says
from litecast.results.rows import number, text


def forest(comparisons: pd.DataFrame, margins: tuple[float, ...] = (0.01, 0.02, 0.05), link=None) -> Figure:
    """Relative difference in WAPE of each row against its reference, with both one-sided 95 % interval ends.

    comparisons: lines of comparisons.csv at one margin (delta, low, high as fractions of the reference's WAPE); only
    the first of a row is drawn. Colours tell techniques if a column `technique` is there; points are hollow where the
    verdict, which is adjusted for all rows, is neither within nor worse.
    """
    lines = comparisons.drop_duplicates("row").reset_index(drop=True)
    if lines.empty:
        return says("no comparison yet")
    names = text(lines, "label").where(text(lines, "label") != "", text(lines, "row"))
    figure, ax = named_rows(names)
    middle, low, high = (100 * number(lines, c).to_numpy() for c in ("delta", "low", "high"))
    decided = text(lines, "verdict").isin(["within", "worse"])
    # wide enough for most, but never so wide that the margins are lost: what lies beyond is told in numbers
    reach = np.clip(np.nan_to_num(1.6 * np.nanquantile(np.abs(middle), 0.9)), 150 * max(margins), 600 * max(margins))
    for i, technique in enumerate(text(lines, "technique")):
        colour, marker = look(technique or "dense")
        ax.plot([max(low[i], -reach), min(high[i], reach)], [i, i], color=colour, linewidth=1.3, zorder=2)
        face = colour if decided[i] else "white"
        point = ax.scatter([np.clip(middle[i], -reach, reach)], [i], edgecolors=colour, facecolors=face, marker=marker,
                           s=24, zorder=3)
        point.set_urls([link(lines.loc[i].to_dict()) if link else None])
        if abs(middle[i]) > reach:
            side = 1 if middle[i] > 0 else -1
            ax.annotate(f"{middle[i]:+.0f} %", (side * reach, i), xytext=(-7 * side, 0), textcoords="offset points",
                        ha="right" if side > 0 else "left", va="center", fontsize=7.5, bbox=BOX)
    ax.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for margin in margins:
        ax.axvline(100 * margin, color=INK, linewidth=0.7, linestyle=DASHED, zorder=1)
    told = ", ".join(f"{100 * margin:g} %" for margin in margins)
    ax.text(0, 1.0, f"margins: {told}", transform=ax.get_xaxis_transform(), va="bottom", fontsize=7.5, color=FAINT)
    ax.set(xlim=(-reach, reach), xlabel="ΔWAPE against the reference (%): right is worse")
    return figure


def published(compared: pd.DataFrame) -> Figure:
    """Our MSE as a share of the published one, a point per model and horizon; the dashed mark is the end of its band.

    compared: columns model, H (steps), ratio_mse (NaN: nothing is published, left out), band, within.
    """
    lines = compared.dropna(subset="ratio_mse")
    if lines.empty:
        return says("nothing is published for these models and horizons")
    figure, ax = named_rows([f"{line.model}, {line.H} steps" for line in lines.itertuples()])
    for i, line in enumerate(lines.itertuples()):
        colour, marker = (PALETTE[2], "o") if line.within else (PALETTE[1], "X")
        ax.plot([1, line.ratio_mse], [i, i], color=colour, linewidth=1.2)
        ax.plot(line.ratio_mse, i, marker, color=colour)
        ax.plot([1 + line.band] * 2, [i - 0.4, i + 0.4], color=INK, linewidth=0.9, linestyle=DASHED)
    ax.axvline(1, color=INK, linewidth=0.9)
    ax.set(xlabel="MSE, ours / published")
    return figure
