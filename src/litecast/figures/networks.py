"""What training and compression do to a network, and what the idea of a compact one saves."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast.figures.style import DASHED, FAINT, HALO, PALETTE, blank, look, named_rows, percent_axis, says


def weights_histogram(before: np.ndarray, after: np.ndarray, labels: tuple[str, str] = ("dense", "compressed"),
                      technique: str = "") -> Figure:
    """What a technique does to the weights: shares of two flat arrays over the same bins; zeros are counted apart."""
    before, after = (np.asarray(a, dtype=float).ravel() for a in (before, after))
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not before.size or not after.size:
        return says("no weights")
    figure, (ax,) = blank(2.3)
    reach = np.quantile(np.abs(np.concatenate([before, after])), 0.999) or 1.0
    bins = np.linspace(-reach, reach, 81)
    own = look(technique)[0] if technique else PALETTE[0]
    for values, label, kind, colour, alpha in ((before, labels[0], "stepfilled", "#8a8a8a", 0.45),
                                               (after, labels[1], "step", own, 1)):
        shown = values[values != 0]
        zeros = 1 - shown.size / values.size
        told = f"{label}: {values.size:,} weights" + (f", {100 * zeros:.1f} % zero" if zeros else "")
        ax.hist(shown, bins=bins, weights=np.full(shown.size, 1 / values.size), label=told, color=colour,
                histtype=kind, alpha=alpha, linewidth=1.3)
    ax.set(xlabel="weight", ylabel="share per bin")
    ax.set_ylim(bottom=0)
    percent_axis(ax.yaxis)
    ax.legend(loc="upper right")
    return figure


def learning_curves(logs: dict, by: str = "step") -> Figure:
    """Validation loss by optimiser step, a line per name, its best step marked; pale and broken: training loss.

    logs: name (a width) -> columns step, train_loss, val_loss (scaled units). by: 'gmacs', what it took so far, of
    validation alone and from where most is learnt.
    """
    logs = {name: log[[by, "train_loss", "val_loss"]].apply(pd.to_numeric) for name, log in logs.items()}
    if not any(log.val_loss.notna().any() for log in logs.values()):
        return says("no step was logged")
    label, said = {"step": ("optimiser step", "step {:g}"),
                   "gmacs": ("multiply-accumulates so far (billions)", "{:.3g}")}[by]
    figure, (ax,) = blank(2.4)
    losses, early = (["train_loss", "val_loss"], 2) if by == "step" else (["val_loss"], 4)
    for (name, log), colour in zip(logs.items(), cycle(PALETTE), strict=False):
        if "train_loss" in losses:
            ax.plot(log[by], log.train_loss, color=colour, alpha=0.4, linewidth=1, linestyle=DASHED)
        best = log.val_loss.idxmin()
        ax.plot(log[by], log.val_loss, color=colour, marker="o", markevery=[log.index.get_loc(best)],
                label=f"{name}: best at {said.format(log[by][best])}")
    later = pd.concat([log[losses].iloc[early:] for log in logs.values()]).stack()
    if len(later):  # the first looks, far above, would press all lines into one
        ax.set_ylim(later.min() - 0.1 * np.ptp(later), later.max() + 0.1 * np.ptp(later))
    ax.set(xlabel=label, ylabel="loss (scaled)")
    figure.legend(loc="outside right upper", title="validation (broken: training)" if by == "step" else "validation")
    return figure


def factors(found: pd.DataFrame) -> Figure:
    """A bar for each row: how many times less the own layer takes; a black line where the formula says.

    found: columns formula (NaN: it says nothing), factor (plain / own); rows in ms have a colour of their own.
    """
    widest = np.nanmax(found[["factor", "formula"]].astype(float))
    figure, ax = named_rows(found.index, 0.27)
    ax.barh(range(len(found)), found.factor, color=[PALETTE["ms" in name] for name in found.index], height=0.6)
    for place, (factor, said) in enumerate(zip(found.factor, found.formula, strict=True)):
        clear = said if 0 < said - factor < 0.06 * widest else factor  # of the line
        ax.annotate(f"{factor:.2f}", (clear, place), xytext=(5, 0), textcoords="offset points", va="center",
                    path_effects=HALO)
        ax.plot([said] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2)
    ax.axvline(1, color=FAINT, linewidth=0.8, linestyle=DASHED)
    ax.set(xlabel="plain ÷ own (black: by the formula; below 1 the idea takes more)", xlim=(0, 1.15 * widest))
    return figure
