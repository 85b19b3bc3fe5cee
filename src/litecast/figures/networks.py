"""What training and compression do to a network."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from litecast.figures import style
from litecast.figures.style import DASHED, PALETTE, blank, look, note, percent_axis


def weights_histogram(before: np.ndarray, after: np.ndarray, labels: tuple[str, str] = ("dense", "compressed"),
                      technique: str = "") -> Figure:
    """What a technique does to the weights: shares of two flat arrays over the same bins; zeros are counted apart."""
    before, after = (np.asarray(a, dtype=float).ravel() for a in (before, after))
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    figure, axes = blank(2.3)
    ax = axes[0, 0]
    if not before.size or not after.size:
        note(ax, "no weights")
        return figure
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


def learning_curves(logs: dict) -> Figure:
    """Validation loss by optimiser step, a line per name, its best step marked; pale and broken: training loss.

    logs: name (a width) -> columns step, train_loss, val_loss (scaled units).
    """
    figure, axes = blank(2.4)
    ax = axes[0, 0]
    logs = {name: log[["step", "train_loss", "val_loss"]].apply(pd.to_numeric) for name, log in logs.items()}
    if not any(log.val_loss.notna().any() for log in logs.values()):
        note(ax, "no step was logged")
        return figure
    for (name, log), colour in zip(logs.items(), cycle(PALETTE), strict=False):
        ax.plot(log.step, log.train_loss, color=colour, alpha=0.4, linewidth=1, linestyle=DASHED)
        best = log.val_loss.idxmin()
        ax.plot(log.step, log.val_loss, color=colour, marker="o", markevery=[log.index.get_loc(best)],
                label=f"{name}: best at step {log.step[best]:g}")
    later = pd.concat([log[["train_loss", "val_loss"]].iloc[2:] for log in logs.values()]).stack()
    if len(later):  # the first looks, far above, would press all lines into one
        ax.set_ylim(later.min() - 0.1 * np.ptp(later), later.max() + 0.1 * np.ptp(later))
    ax.set(xlabel="optimiser step", ylabel="loss (scaled)")
    figure.legend(loc="outside right upper", title="validation (broken: training)")
    return figure


def layer_bars(shares: dict[str, float], label: str) -> Figure:
    """One bar per layer: a share between 0 and 1."""
    figure, axes = style.blank(0.6 + 0.2 * len(shares))
    ax = axes[0, 0]
    ax.barh(list(shares), list(shares.values()), color=style.PALETTE[0])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel=label)
    return figure
