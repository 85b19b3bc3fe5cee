"""Daily prices as three broker interfaces deliver them -> one row each: KRW, shares, KRW (standard library at import).

A row as delivered is a dict from the interface's own field to a text (padded, signed, with commas) or a number:
ka10081 of Kiwoom REST, opt10081 of Kiwoom OpenAPI+, and StockChart of Cybos Plus, whose fields are numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from litecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FIRST = date(1956, 3, 3)  # the Korean exchange opened: what claims to be older is no date
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Row(NamedTuple):
    """One trading day. Prices in KRW (index: points), volume in shares, value in KRW; None where missing."""

    date: date
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    value: float | None


@dataclass(frozen=True)
class Layout:
    """Where an interface puts what, and how many KRW one unit of its traded value is."""

    date: str | int
    open: str | int
    high: str | int
    low: str | int
    close: str | int
    volume: str | int
    value: str | int
    krw: int


LAYOUTS = {
    # cur_prc and 현재가 are the close of a daily bar; both Kiwoom interfaces give the traded value in million KRW
    "kiwoom": Layout("dt", "open_pric", "high_pric", "low_pric", "cur_prc", "trde_qty", "trde_prica", 1_000_000),
    "kiwoom-ocx": Layout("일자", "시가", "고가", "저가", "현재가", "거래량", "거래대금", 1_000_000),
    "cybos": Layout(0, 2, 3, 4, 5, 8, 9, 1),
}


def rows(
    delivered: Iterable[dict], layout: Layout, where: str, newest: date | None = None
) -> tuple[list[Row], Counter]:
    """Rows of one stock, oldest first, and how often what was repaired; `where` leads the messages, e.g. "005930".

    Rows with nothing in any field are left out, a day given twice with the same numbers is taken once, and a day whose
    open, high or low is 0 was halted: these are missing (None), its close stands.
    Raises DataError for what is no number or no date, a day after `newest`, a day given twice with different numbers,
    a close of 0, a negative volume or value, a high below the low.
    """
    found: dict[date, Row] = {}
    notes: Counter = Counter()
    for delivery in delivered:
        if all(str(delivery.get(name, "")).strip() == "" for name in _names(layout)):
            notes["blank rows left out"] += 1
            continue
        row = _row(delivery, layout, where)
        if newest and row.date > newest:
            raise DataError(f"{where}: a row of {row.date}, but nothing after {newest} was asked for")
        if row.date in found:
            notes["rows given twice"] += 1
        if found.setdefault(row.date, row) != row:
            raise DataError(f"{where}, {row.date}: given twice with different numbers, {_said(found[row.date])} and "
                            f"{_said(row)}; nothing tells which is right: collect again, then compare with the chart")
    result = [found[day] for day in sorted(found)]
    notes["halted days (no open, high, low)"] = sum(row.open is None for row in result)
    return result, notes


def one_unit(collection, unit: str) -> None:
    """DataError if a collection (store.Collection) has prices in another unit: KRW and index points do not mix."""
    if collection.parts and collection.manifest["unit"] != unit:
        raise DataError(f"the collection {collection.name} is in {collection.manifest['unit']}, these prices are in "
                        f"{unit}: choose another name")  # fmt: skip


def joined(older: list[Row], newer: list[Row], where: str) -> list[Row]:
    """Unadjusted rows fetched later appended to those held. Both oldest first.

    Raises DataError if they leave a gap, or differ on the days that both hold: prices are never glued on trust.
    """
    if not older or not newer:
        return older or newer
    first, last = newer[0].date, older[-1].date
    if first > last:
        raise DataError(f"{where}: held until {last}, new from {first}: the days between are missing. {_FRESH}")
    held = {row.date: row for row in older if row.date >= first}
    again = {row.date: row for row in newer if row.date <= last}
    for day in sorted(held.keys() | again.keys()):
        if held.get(day) != again.get(day):
            raise DataError(f"{where}, {day}: held as {_said(held.get(day))}, now {_said(again.get(day))}: the broker "
                            f"has changed what it said. {_FRESH}")
    return older + [row for row in newer if row.date > last]


_FRESH = "Collect under another name, and delete this collection when the new one is right"


def table(found: list[Row], code: str) -> pd.DataFrame:
    """Columns time, series (the code), open, high, low, close, volume, value; float64, missing = NaN; by time."""
    import pandas as pd

    frame = pd.DataFrame(found, columns=list(Row._fields))
    frame = frame.astype(dict.fromkeys(Row._fields[1:], "float64"))
    frame.insert(0, "time", pd.to_datetime(frame.pop("date")).astype("datetime64[ns]"))
    frame.insert(1, "series", code)
    return frame


def day(value: object, where: str) -> date:
    """A date as delivered, 20220113 or " 20220113"; DataError for what is none or lies before the exchange opened."""
    text = str(value).strip()
    try:
        found = date(int(text[:4]), int(text[4:6]), int(text[6:])) if re.fullmatch(r"[0-9]{8}", text) else None
    except ValueError:
        found = None
    if found is None or found < FIRST:
        raise DataError(f"{where}: {value!r} is no trading day (YYYYMMDD)")
    return found


def number(value: object, where: str) -> float | None:
    """A number as delivered; None for an empty text. Signs say rise or fall and stay; DataError for all else."""
    text = "" if value is None else str(value).strip().replace(",", "")
    if text == "":
        return None
    if isinstance(value, bool) or not _NUMBER.fullmatch(_plain(value, text)):
        raise DataError(f"{where}: {value!r} is no number")
    return float(text)


def _plain(value: object, text: str) -> str:
    """Floats of a COM interface may print with an exponent (1.7e+13); texts may not."""
    return f"{value:f}" if isinstance(value, float) else text


def _names(layout: Layout) -> tuple:
    return (layout.date, layout.open, layout.high, layout.low, layout.close, layout.volume, layout.value)


def _row(delivery: dict, layout: Layout, where: str) -> Row:
    missing = [str(name) for name in _names(layout) if name not in delivery]
    if missing:
        raise DataError(f"{where}: a row without {', '.join(missing)}: the provider has changed its fields?")
    when = day(delivery[layout.date], where)
    where = f"{where}, {when}"

    def price(name):  # Kiwoom's sign of a price is its direction against the day before
        found = number(delivery[name], f"{where}, {name}")
        return abs(found) if found else None

    def amount(name, unit=1):
        found = number(delivery[name], f"{where}, {name}")
        if found is not None and found < 0:
            raise DataError(f"{where}, {name}: {delivery[name]!r} is negative")
        return None if found is None else found * unit

    opened, high, low, close = price(layout.open), price(layout.high), price(layout.low), price(layout.close)
    if close is None:
        raise DataError(f"{where}: a close of {delivery[layout.close]!r} is no price")
    if None in (opened, high, low):
        opened = high = low = None
    elif high < low:
        raise DataError(f"{where}: the high {high:g} is below the low {low:g}: are the columns in another order?")
    return Row(when, opened, high, low, close, amount(layout.volume), amount(layout.value, layout.krw))


def _said(row: Row | None) -> str:
    return "no row" if row is None else " ".join("-" if cell is None else f"{cell:.15g}" for cell in row[1:])
