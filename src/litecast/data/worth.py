"""What a study can use of somebody's table, told before it begins: series, common span, long gaps, shares of error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..errors import DataError
from . import windows
from .csvtext import problem
from .frame import IRREGULAR, SeriesFrame

LISTED = 5  # so many series are named in a sentence
LONG_GAP = 0.05  # a gap of a larger share of the grid is told
POOLED = 0.9  # a series with a larger share of all values decides the pooled error alone


def told(frame: SeriesFrame, file: str, notes: list[str]) -> SeriesFrame:
    """The frame, its header's note saying what was read and what the data costs; DataError if no series is left."""
    wide, header = windows.transform(frame.wide(), frame.header)
    gap = _widest_gap(wide) if header.frequency not in IRREGULAR else None
    try:
        span, dropped = windows.usable(wide, header)
    except DataError as error:
        raise problem(file, str(error).removeprefix(f"{header.name}: ").rstrip("."), do=_advice(gap)) from None
    said = [*notes, *_of_span(wide[span.columns], span, dropped), *_of_gap(gap, span), *_of_pool(wide[span.columns])]
    return replace(frame, header=replace(frame.header, note=" ".join(said)))


def _advice(gap: tuple | None) -> str:
    if gap and 2 * gap[2] > gap[3]:
        return f"The widest gap lasts {gap[2]} steps; read one side of it, in the YAML {_side(gap)}"
    return ("Write rows for quiet times (0 is a value), leave series out in the YAML (leave_out), or take the next row "
            "as the next step (frequency: step)")  # fmt: skip


def _widest_gap(wide: pd.DataFrame) -> tuple | None:
    """(last time before, first after, steps without any value, such steps in all, times before, times after)."""
    there = np.flatnonzero(wide.notna().any(axis=1))
    if len(there) < 2:
        return None
    steps = np.diff(there) - 1
    at = int(steps.argmax())
    last, first = wide.index[there[[at, at + 1]]]
    return last, first, int(steps[at]), int(steps.sum()), at + 1, len(there) - at - 1


def _side(gap: tuple) -> str:
    last, first, _, _, before, after = gap
    newest = f"start: {first} (keeps the {after} times after it)"
    return newest if after >= before else f"end: {last} (keeps the {before} times before it), or {newest}"


def _of_gap(gap: tuple | None, span: pd.DataFrame) -> list[str]:
    if not gap or gap[2] <= LONG_GAP * len(span):
        return []
    return [f"The widest gap lasts {gap[2]} steps, {gap[0]} to {gap[1]}; to read one side only: {_side(gap)}."]


def _of_span(wide: pd.DataFrame, span: pd.DataFrame, dropped: list[tuple[str, str]]) -> list[str]:
    """What the common span costs, because of which series, and what the rest would have without them."""
    said = [f"{len(dropped)} series are dropped: " + "; ".join(f"{name} ({why})" for name, why in dropped[:LISTED])
            + (" …" if len(dropped) > LISTED else "") + "."] if dropped else []  # fmt: skip
    there = wide.notna().any(axis=1).to_numpy()
    full = wide.loc[wide.index[there][0] : wide.index[there][-1]]
    starts, ends = windows.ends_of(full)
    late = dict(zip(full, starts.tolist(), strict=True))
    early = dict(zip(full, (len(full) - 1 - ends).tolist(), strict=True))
    oldest, newest = max(late.values()), max(early.values())
    if not oldest + newest:
        return said
    causes = [f"the newest {newest} because of {_listed(early)}"] * bool(newest)
    causes += [f"the oldest {oldest} because of {_listed(late)}"] * bool(oldest)
    short = [str(name) for name in full if late[name] + early[name]]
    few = len(short) < len(full.columns) and len(short) <= LISTED
    offer = f"; leave_out: [{', '.join(short)}] in the YAML keeps all" if few else ""
    return [*said, f"All series share {len(span)} of {len(full)} steps: {' and '.join(causes)} are not used{offer}."]


def _listed(steps: dict) -> str:
    names = sorted((name for name in steps if steps[name]), key=lambda name: -steps[name])
    return ", ".join(map(str, names[:LISTED])) + (" …" if len(names) > LISTED else "")


def _of_pool(wide: pd.DataFrame) -> list[str]:
    sizes = wide.abs().sum()
    if len(sizes) < 2 or not sizes.sum() or sizes.max() <= POOLED * sizes.sum():
        return []
    return [f"{len(sizes)} series are forecast together and their errors pooled in one WAPE; {sizes.idxmax()} is "
            f"{sizes.max() / sizes.sum():.1%} of it. `value` in the YAML names the columns to forecast."]  # fmt: skip
