"""Breaks that a table shows by itself: series that go on under another name, prices that leave the daily limit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

KRX_LIMIT = 0.30  # share of yesterday's close that a KRX price may move in a day since 2015-06-15 (before: 0.15)


def renames(wide: pd.DataFrame) -> list[tuple[str, str, pd.Timestamp]]:
    """(old, new, first day of new) of series "line|station" that look like one station renamed.

    The old series ends on the row before the new one begins, the line is the same, and the names before a bracket
    agree or one holds the other: "2호선|강변" -> "2호선|강변(동서울터미널)". A renamed line keeps the station's whole
    name: "9호선2단계|봉은사" -> "9호선2~3단계|봉은사". A wholly new name ("신천" -> "잠실새내") cannot be told.

    wide: (T, C), index time, NaN = missing. Sorted by day, then name.
    """
    row = {time: n for n, time in enumerate(wide.index)}
    first, last = ({name: row.get(found(wide[name]), -1) for name in wide}
                   for found in (lambda column: column.first_valid_index(), lambda column: column.last_valid_index()))
    begun: dict[int, list[str]] = {}
    for name in wide:
        begun.setdefault(first[name], []).append(name)
    pairs = []
    for old in sorted(wide):
        alike = [(_likeness(old, new), new) for new in begun.get(last[old] + 1, []) if last[old] >= 0]
        if best := max((pair for pair in alike if pair[0]), default=None):
            begun[last[old] + 1].remove(best[1])  # a station goes on under one name only
            pairs.append((old, best[1], wide.index[first[best[1]]]))
    return sorted(pairs, key=lambda pair: (pair[2], pair[0]))


def _likeness(old: str, new: str) -> int:
    """3 = same name before the bracket, 2 = one holds the other, 1 = same station of a renamed line, 0 = another."""
    (old_line, old_name), (new_line, new_name) = _parts(old), _parts(new)
    if old_line != new_line:
        common = len(os.path.commonprefix([old_line, new_line]))
        return int(old_name == new_name and 2 * common >= min(len(old_line), len(new_line)))
    a, b = (name.split("(")[0].replace(" ", "") for name in (old_name, new_name))
    if not a or not b:
        return 0
    return 3 if a == b else 2 * (a in b or b in a)


def _parts(name: str) -> tuple[str, str]:
    """Line and station of "line|station"; the line is empty where there is none."""
    line, _, station = name.rpartition("|")
    return line, station


def jumps(close: pd.DataFrame, limit: float = KRX_LIMIT) -> list[tuple[pd.Timestamp, str, float]]:
    """(time, series, factor) of days on which a series leaves the band of ±limit around its last known value.

    For prices: beyond KRX's daily limit no trade can go, so it is a split, a spin-off or a first day after a halt
    that the source did not adjust. The factor multiplies the older prices: 0.02 = one share became fifty.

    close: (T, C), index time, above 0, NaN = missing. Sorted by time, then in the order of the columns.
    """
    known = close.where(close > 0).ffill()
    factor = (known / known.shift()).where(close.notna())
    beyond = (factor - 1).abs() > limit + 1e-9
    return [(time, str(name), float(factor.at[time, name]))
            for time in close.index[beyond.any(axis=1)] for name in close.columns[beyond.loc[time]]]  # fmt: skip


def told(found: list[tuple[pd.Timestamp, str, float]]) -> str:
    """"2018-05-04 삼성전자 ×0.02; …" for a note."""
    return "; ".join(f"{time:%Y-%m-%d} {name} ×{factor:.2f}" for time, name, factor in found)
