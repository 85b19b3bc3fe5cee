"""Pictures of an O/D table: who goes where, which ways carry most trips, how far trips go.

Every function takes an `od.ODFrame`, of which one annual average weekday is shown: there is no time in any of them.
Z = number of zones.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from litecast.data.od import NO_PLACES, TOTAL, VEHICLES, ODFrame
from litecast.figures.style import BOX, INK, MISSING, PALETTE, blank, legend, named_rows, plain_log, says, short

SHADES = LinearSegmentedColormap.from_list("trips", ("#d3efe6", "#66c2a4", "#006d2c", "#00210d"))
CELLS = 400  # cells of a matrix that a page can show along one side
NAMED = 30  # zones whose names fit beside a matrix
GROUPS = 26  # large zones whose names fit beside it
PAIRS = 3000  # lines on a map that can still be told apart


def matrix(frame: ODFrame, category: str = TOTAL) -> Figure:
    """Trips from each zone (row) to each zone (column), logarithmic colour; zones side by side within large zones.

    More than CELLS zones are joined by twos, threes, ...; light grey = no trips.
    """
    order, groups = _grouped(frame)
    trips = frame.matrix(category)[np.ix_(order, order)]
    step = -(-len(order) // CELLS)
    seen = _joined(trips, step)
    if not seen.max() > 0:
        return says(f"no trips of category '{category}'")
    figure, (ax,) = blank(5.6)
    ax.set_facecolor(MISSING)
    positive = seen[seen > 0]
    norm = LogNorm(max(np.percentile(positive, 1), positive.max() * 1e-7), positive.max() * (1 + 1e-9))
    image = ax.imshow(np.ma.masked_less_equal(seen, 0), cmap=SHADES, norm=norm, interpolation="nearest",
                      extent=(0, len(order), len(order), 0))
    _zone_ticks(ax, frame, order, groups)
    told = f"{trips.sum():,.0f}, {np.trace(trips) / trips.sum():.0%} of them within a zone"
    ax.set(title=f"{_called(frame, category)}: {told}", xlabel="to", ylabel="from")
    label = f"{_things(frame)}/day, average weekday" + (f" (of {step} x {step} zones)" if step > 1 else "")
    near = norm.vmax / norm.vmin < 30  # powers of ten alone would leave the bar without numbers
    bar = figure.colorbar(image, ax=ax, label=label, format=FuncFormatter(short), shrink=0.8, extend="min",
                          ticks=LogLocator(subs=range(1, 10)) if near else None)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    return figure


def top_flows(frame: ODFrame, category: str = TOTAL, most: int = 20) -> Figure:
    """The largest flows between different zones: lines on a map where zones have coordinates, else bars."""
    if not len(frame.top(category, 1)):
        return says(f"no trips between zones of category '{category}'")
    return _map(frame, category, min(4 * frame.Z, PAIRS)) if frame.has_places else _bars(frame, category, most)


def trip_lengths(frame: ODFrame, categories: list[str] | None = None) -> Figure:
    """Share of trips that go no farther than so many km (straight lines between zones' points), a line per category.

    Where a line begins on the left are the trips within a zone, whose length the table does not tell. Without
    coordinates the figure says what is missing and how to give it.
    """
    if not frame.has_places:
        return says(f"No trip lengths: {NO_PLACES}")
    distance = frame.distances()
    ends = _span(frame.matrix(), distance)
    if ends is None:
        return says("no trip lengths: no trips between zones that lie apart")
    edges = np.geomspace(*ends, 120)
    figure, (ax,) = blank(2.7)
    for name, colour in zip(categories or _largest(frame), (INK, *PALETTE), strict=False):
        share, mean = _reach(frame.matrix(name), distance, edges)
        ax.plot(edges, share, color=colour, linewidth=2 if name == TOTAL else 1.3,
                label=f"{_word(name)}, {mean:.1f} km")  # fmt: skip
    ax.set(xlabel="distance (km, log scale)", ylabel=f"share of {_things(frame)}", ylim=(0, 1.02))
    ax.set(xlim=ends, title=f"{_called(frame, TOTAL)}: how far they go (lines begin at what stays in a zone)")
    plain_log(ax.xaxis, short)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    legend(figure, ax, 3, title=f"mean way of {_things(frame)} between zones")
    return figure


def _grouped(frame: ODFrame) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Zones (from 0) in order of their large zones, and (name, start, end) of each; no groups if none is known."""
    large = frame.zones["large"]
    if large.nunique() < 2:
        return np.arange(frame.Z), []
    codes, names = pd.factorize(large)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))
    return order, [(str(name), int(end - count), int(end))
                   for name, end, count in zip(names, ends, np.bincount(codes), strict=True)]  # fmt: skip


def _joined(trips: np.ndarray, step: int) -> np.ndarray:
    """Sums of step x step cells; the last ones may hold fewer."""
    at = np.arange(0, len(trips), step)
    return np.add.reduceat(np.add.reduceat(trips, at, axis=0), at, axis=1) if step > 1 else trips


def _zone_ticks(ax, frame: ODFrame, order: np.ndarray, groups: list[tuple[str, int, int]]) -> None:
    """Names of zones where they fit, else of large zones, else numbers; white lines between large zones."""
    for _, start, _ in groups[1:]:
        ax.axhline(start, color="white", linewidth=0.8)
        ax.axvline(start, color="white", linewidth=0.8)
    if frame.Z <= NAMED:
        at, names = np.arange(frame.Z) + 0.5, frame.zones["name"].iloc[order].tolist()
    elif groups:
        wide = sorted(sorted(groups, key=lambda group: group[1] - group[2])[:GROUPS], key=lambda group: group[1])
        wide = _apart(wide, frame.Z / 40)  # names of slim groups would lie on each other
        at, names = [(start + end) / 2 for _, start, end in wide], [name for name, _, _ in wide]
    else:
        at = np.unique(np.linspace(0, frame.Z - 1, 8).astype(int))
        names, at = [str(zone + 1) for zone in at], at + 0.5
    ax.set_yticks(at, names)
    ax.set_xticks(at, names, rotation=90 if frame.Z <= NAMED or groups else 0)
    ax.tick_params(length=0, labelsize=7)
    ax.grid(False)


def _apart(groups: list[tuple[str, int, int]], least: float) -> list[tuple[str, int, int]]:
    """Groups whose middles lie at least so far from the one before that is kept."""
    kept: list[tuple[str, int, int]] = []
    for group in groups:
        if not kept or (group[1] + group[2] - kept[-1][1] - kept[-1][2]) / 2 >= least:
            kept.append(group)
    return kept


def _bars(frame: ODFrame, category: str, most: int) -> Figure:
    rows = frame.top(category, most)
    figure, ax = named_rows([f"{a} > {b}" for a, b in zip(rows["from"], rows["to"], strict=True)])
    ax.barh(range(len(rows)), rows["trips"], color=PALETTE[0], height=0.7)
    told = f"the {len(rows)} largest flows between zones carry {rows['share'].sum():.1%}"
    ax.set(xlabel=f"{_things(frame)}/day, average weekday", title=f"{_called(frame, category)}: {told}")
    ax.xaxis.set_major_formatter(short)
    return figure


def _map(frame: ODFrame, category: str, most: int) -> Figure:
    """Both directions of a pair as one line, wide and dark where many go; dots = trips that start in a zone."""
    both = frame.matrix(category)
    pairs = np.triu(both + both.T, 1)
    at = np.argsort(-pairs, axis=None)[: min(most, np.count_nonzero(pairs))][::-1]  # the largest are drawn last
    a, b = np.unravel_index(at, pairs.shape)
    points, scale = _points(frame)
    figure, (ax,) = blank(4.6)
    wide = np.sqrt(pairs[a, b] / pairs[a, b].max())
    ax.add_collection(LineCollection(np.stack([points[a], points[b]], axis=1), linewidths=0.2 + 3 * wide, cmap=SHADES,
                                     array=0.2 + 0.8 * wide, clim=(0, 1), capstyle="round"))  # fmt: skip
    starts = both.sum(axis=1)
    size = (2 + 60 * starts / starts.max()) * min(1.0, (50 / frame.Z) ** 0.5)
    ax.scatter(*points.T, s=size, color=PALETTE[1], alpha=0.75, linewidth=0, zorder=3)
    _names_on_map(ax, frame, points, starts)
    shares = (pairs[a, b].sum() / both.sum(), np.trace(both) / both.sum())
    ax.set(title=f"{_called(frame, category)}: the {len(at)} largest pairs carry {shares[0]:.0%}, {shares[1]:.0%} stay "
           "within a zone", xlabel=f"{scale[0]} (dots: {_things(frame)} that start there)",
           ylabel=scale[1])  # fmt: skip
    ax.set_aspect("equal" if frame.header.coordinates == "m" else 1 / np.cos(np.radians(points[:, 1].mean())),
                  adjustable="datalim")  # fmt: skip
    ax.autoscale_view()
    return figure


def _points(frame: ODFrame) -> tuple[np.ndarray, tuple[str, str]]:
    """Places (Z, 2) in km or degrees, and what the axes are called."""
    points = frame.zones[["x", "y"]].to_numpy()
    metres = frame.header.coordinates == "m"
    return (points / 1000, ("east (km)", "north (km)")) if metres else (points, ("longitude", "latitude"))


def _names_on_map(ax, frame: ODFrame, points: np.ndarray, starts: np.ndarray, most: int = 8) -> None:
    """Large zones by name, at the middle of their trips; without large ones, the zones with most trips."""
    large = frame.zones["large"].to_numpy()
    if 1 < len(set(large)) <= GROUPS:
        weight = np.maximum(starts, 1e-9)
        places = {name: np.average(points[large == name], axis=0, weights=weight[large == name]) for name in set(large)}
        ranked = sorted(places, key=lambda name: -weight[large == name].sum())
        chosen = [(name, places[name]) for name in ranked]
    else:
        chosen = [(frame.zones["name"].iloc[zone], points[zone]) for zone in np.argsort(-starts)[:most]]
    room = np.array([0.22, 0.05]) * np.ptp(points, axis=0).max()  # of a name: wider than high
    taken: list[np.ndarray] = []
    for name, place in chosen:
        if all((abs(place - other) > room).any() for other in taken):
            taken.append(place)
            ax.annotate(str(name), place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=7.5,
                        color=INK, bbox=BOX)


def _span(trips: np.ndarray, distance: np.ndarray) -> tuple[float, float] | None:
    """Distances (km) between which nearly all trips from zone to zone lie; None if there are none."""
    apart = distance > 0
    far, weight = distance[apart], trips[apart]
    order = np.argsort(far)
    grown = np.cumsum(weight[order])
    if not len(grown) or grown[-1] <= 0:
        return None
    low, high = far[order[np.searchsorted(grown, np.array([0.002, 0.9995]) * grown[-1])]]
    return float(low) * 0.98, max(float(high), 1.5 * float(low))


def _reach(trips: np.ndarray, distance: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, float]:
    """Share of trips up to each edge (km), and the mean distance of trips between zones."""
    weight, far = trips.ravel(), distance.ravel()
    inside = weight[far < edges[0]].sum()
    counts, _ = np.histogram(far, bins=edges, weights=weight)
    total = weight.sum()
    apart = weight[far > 0].sum()
    share = np.concatenate([[inside], inside + np.cumsum(counts)]) / total if total else np.zeros(len(edges))
    return share, float((weight * far).sum() / apart) if apart else 0.0


def _largest(frame: ODFrame, most: int = 5) -> list[str]:
    """All trips, and the categories that carry most of them."""
    totals = frame.table[list(frame.header.categories)].sum().sort_values(ascending=False, kind="stable")
    return [TOTAL, *totals[totals > 0].index[:most]]


def _word(category: str) -> str:
    return "all" if category == TOTAL else category.replace("_", " ")


def _things(frame: ODFrame) -> str:
    return "vehicles" if frame.header.unit == VEHICLES else "trips"


def _called(frame: ODFrame, category: str) -> str:
    what = _things(frame) if category == TOTAL else f"{_word(category)} {_things(frame)}"
    return f"{frame.header.name} {frame.header.year}, {what}/day"
