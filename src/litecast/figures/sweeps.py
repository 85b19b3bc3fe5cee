"""Levels and widths that were tried, and which of them was chosen."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast import catalogue
from litecast.figures import style
from litecast.figures.style import PALETTE, called, look, natural
from litecast.results.choice import is_dense
from litecast.results.rows import number, text


def level_curve(rows: pd.DataFrame, part: str = "val") -> Figure:
    """WAPE by level, mean over seeds, a line per technique and variant and a panel per model; ringed = selected.

    Of a single technique only its variants are named, of which there may be many. The first variant is a broad pale
    line, so that one on top of it is seen; the grey line is the dense network.
    """
    rows = rows.assign(wape=number(rows, f"{part}_wape"), **{c: text(rows, c) for c in ("variant", "level")})
    dense = rows[is_dense(rows)].groupby("model").wape.mean()
    rows = rows[rows.wape.notna() & (text(rows, "role") == "compressed")]
    if rows.empty:
        return style.says("no compressed row yet")
    figure, panels = style.grid(sorted(set(rows.model)), 1.6, 2.4)
    handles, alone = {}, rows.technique.nunique() == 1
    for model, ax in panels.items():
        mine = rows[rows.model == model]
        levels = sorted(set(mine.level), key=natural)
        for n, ((technique, variant), line) in enumerate(mine.groupby(["technique", "variant"])):
            colour, marker = look(technique)
            line = line.groupby("level")[["wape", "selected"]].mean().reindex(levels)
            broad = {"linewidth": 4, "alpha": 0.35} if n == 0 else {"linewidth": 1.1, "linestyle": (0, (2 + 2 * n, 2))}
            name = called(variant if variant and alone else f"{technique} {variant}").strip()
            handles[name], = ax.plot(range(len(levels)), line.wape, color=colour, marker=marker, label=name,
                                     markersize=5.5 if n == 0 else 3, **broad)
            at = np.flatnonzero(line.selected > 0)
            ax.scatter(at, line.wape.iloc[at], s=75 + 60 * (n == 0), facecolors="none", edgecolors=colour,
                       alpha=0.5 if n == 0 else 1, zorder=4)
        if model in dense.index:
            handles["dense"] = ax.axhline(dense[model], color="#8a8a8a", linewidth=1.1, zorder=1, label="dense")
        low, high = ax.get_ylim()  # noise of a tenth of a percent must not fill a panel
        ax.set_ylim(min(low, 0.495 * (low + high)), max(high, 0.505 * (low + high)))
        style.percent_axis(ax.yaxis)
        ax.set(xticks=range(len(levels)), xticklabels=[style.share(level) for level in levels])
        ax.margins(x=0.08)
    style.label_axes(panels, _meaning(set(rows.technique)), {"val": "validation", "test": "test"}[part] + " WAPE")
    style.legend(figure, list(handles.values()), 3)
    return figure


def _meaning(techniques: set[str]) -> str:
    """What a level is: the literal LEVEL of the only technique (of the only chain, each), else 'level'."""
    words = catalogue.members("compress", "LEVEL")
    steps = next(iter(techniques)).split("+")
    known = len(techniques) == 1 and set(steps) <= set(words)
    return textwrap.fill(" + ".join(words[step]["LEVEL"] for step in steps), 48) if known else "level"


def width_sweep(rows: list[dict], chosen: int) -> Figure:
    """Validation WAPE against file size, a line per storage in the order of the rows; widths are named along the
    first, and the ring is the chosen one. rows: of technique 'width'."""
    frame = pd.DataFrame(rows).sort_values("level", kind="stable")
    storages = dict.fromkeys(row["variant"] for row in rows)
    figure, (ax,) = style.blank(2.4)
    for storage, colour in zip(storages, PALETTE, strict=False):
        part = frame[frame.variant == storage]
        ax.plot(part.bytes / 1000, part.val_wape, marker="s", color=colour, label=storage)
    first = frame[frame.variant == next(iter(storages))]
    for row in first.itertuples():
        ax.annotate(f"{row.level:g}", (row.bytes / 1000, row.val_wape), xytext=(4, 4), textcoords="offset points")
    ring = first[first.level == chosen]
    ax.plot(ring.bytes / 1000, ring.val_wape, "o", markersize=13, fillstyle="none", color="black")
    ax.set(xlabel="file size (kB)", ylabel="validation WAPE", title="Narrower, or in fewer bits")
    style.plain_log(ax.xaxis)
    style.percent_axis(ax.yaxis)
    ax.legend()
    return figure


def sensitivity(found: pd.DataFrame, by: str = "bits", of: str = "weights") -> Figure:
    """What each layer bears: change of validation WAPE where it alone is compressed, a row per layer, a column for each
    number of bits, or of `by`.

    found: of `compress.sensitivity.sweep` or of one like it; of: its column that says how large a layer is. Dark is
    worse, by the root of the change, since changes span decades.
    """
    dense = (found.val_wape - found.added).iloc[0]
    change = (found.added / dense).groupby([found.layer, found[by]], sort=False).first().unstack()
    change = change[sorted(change, reverse=by == "bits")].reindex(found.layer.unique())
    sizes = found.groupby("layer", sort=False)[of].first()
    figure, ax = style.named_rows([style.own(f"{name} ({size:,})") for name, size in sizes.items()], 0.24)
    depth = change.clip(lower=0).to_numpy() ** 0.5
    ax.imshow(depth, cmap="Reds", aspect="auto")
    for (row, column), value in np.ndenumerate(change):
        ink = "white" if depth[row, column] > 0.6 * depth.max() else style.INK
        ax.text(column, row, f"{100 * value:+.2f}", ha="center", va="center", fontsize=7.5, color=ink)
    ax.grid(False)
    ax.set(xticks=range(change.shape[1]), xticklabels=change.columns, xlabel=f"{by} of this layer alone",
           title="Change of validation WAPE, %")
    return figure
