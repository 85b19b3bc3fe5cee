"""One paged answer of a broker: which stock, up to which day, adjusted or not; and what all that is kept adds up to.

Adjusted prices hold for one base date: such a chain is whole by itself. Unadjusted prices do not change: a later chain
goes back to the newest day held, must agree there, and is appended. Standard library only: 32-bit collectors use it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import chain as chain_of

from litecast.data.raw import Raw
from litecast.errors import DataError

from . import prices

Read = Callable[[bytes], list[dict]]  # a page as kept -> its rows as delivered

_UNIT = re.compile(r"(\S+) (\S+) (adjusted|raw) since (\d{8}|all) base (\d{8})( open)?")


@dataclass(frozen=True)
class Chain:
    """base: newest day asked for; since: oldest day wanted, None = all there is; settled: the base day was over when
    it was fetched. Otherwise its row may still change and does not count."""

    source: str
    code: str
    adjusted: bool
    base: date
    since: date | None = None
    settled: bool = True

    @property
    def unit(self) -> str:
        """Name of its pages among the raw answers."""
        start = f"{self.since:%Y%m%d}" if self.since else "all"
        return f"{self._of} since {start} base {self.base:%Y%m%d}{'' if self.settled else ' open'}"

    @property
    def made_of(self) -> str:
        """Fingerprint of a part: base date and kind first."""
        start = f" since {self.since:%Y%m%d}" if self.since else ""
        return f"base {self.base:%Y%m%d} {self._kind}{start}{'' if self.settled else ' without the base day'}"

    @property
    def _kind(self) -> str:
        return "adjusted" if self.adjusted else "raw"

    @property
    def _of(self) -> str:
        return f"{self.source} {self.code} {self._kind}"

    @property
    def _rank(self) -> tuple:
        return self.base, self.settled

    def earlier(self, raw: Raw) -> list[Chain]:
        """Kept chains of the same stock and span that end before this one, oldest first."""
        found = [chain for chain in kept(raw, f"{self._of} ") if chain.since == self.since]
        return sorted((chain for chain in found if chain._rank < self._rank), key=lambda chain: chain._rank)

    def drop_earlier(self, raw: Raw) -> None:
        """Forget what a newer base date replaced: adjusted prices of two base dates are never used together."""
        for chain in self.earlier(raw) if self.adjusted else ():
            raw.drop(chain.unit)

    def stop(self, raw: Raw, read: Read) -> date | None:
        """The day that fetching may stop at: the newest one held (unadjusted only), else `since`, else None."""
        if self.adjusted:
            return self.since
        held, _ = _added_up(_kept_pages(self.earlier(raw), raw), read, prices.LAYOUTS[self.source])
        return held[-1].date if held else self.since

    def rows(
        self, raw: Raw, read: Read, krw: int | None = None, pages: list[bytes] | None = None
    ) -> tuple[list[prices.Row], Counter]:
        """All rows of the stock up to the base date, and the repairs. krw: KRW in one unit of traded value; pages: what
        this chain consists of, before it is kept: what raises here is never kept.

        Raises DataError where a row is none, no row is left, or chains disagree.
        """
        layout = prices.LAYOUTS[self.source]
        if krw:
            layout = replace(layout, krw=krw)
        before = [] if self.adjusted else _kept_pages(self.earlier(raw), raw)
        found, notes = _added_up([*before, (self, pages or raw.pages(self.unit) or [])], read, layout)
        if not found:
            raise DataError(f"{self.source}, {self.code}: no row up to {self.base}; is it listed, and the code right?")
        return found, notes


def kept(raw: Raw, prefix: str) -> list[Chain]:
    """Chains among the raw answers whose unit begins so."""
    found = [_UNIT.fullmatch(unit) for unit in raw.units(prefix)]
    return [
        Chain(of[1], of[2], of[3] == "adjusted", _date(of[5]), None if of[4] == "all" else _date(of[4]), not of[6])
        for of in found
        if of
    ]


def further_back(days: list[date], oldest: date | None, where: str) -> date:
    """The oldest day of a page. DataError if it does not go on where the page before ended (its oldest day)."""
    if oldest and (max(days) > oldest or min(days) >= oldest):
        raise DataError(f"{where}: a page of {min(days)} … {max(days)} after one that ended at {oldest}: a page was "
                        "sent twice. Nothing of this stock is kept: run the same command again")
    return min(days)


def _kept_pages(chains: list[Chain], raw: Raw) -> list[tuple[Chain, list[bytes]]]:
    return [(chain, raw.pages(chain.unit) or []) for chain in chains]


def _added_up(
    chains: list[tuple[Chain, list[bytes]]], read: Read, layout: prices.Layout
) -> tuple[list[prices.Row], Counter]:
    found, notes = [], Counter()
    for chain, pages in chains:
        where = f"{chain.source}, {chain.code}"
        delivered = [read(page) for page in pages]
        rows, said = prices.rows(chain_of.from_iterable(delivered), layout, where, newest=chain.base)
        wanted = [row for row in rows if not chain.since or row.date >= chain.since]
        final = [row for row in wanted if chain.settled or row.date < chain.base]
        notes += said + _doubts([len(page) for page in delivered])
        notes["base day left out, not over when fetched"] = len(wanted) - len(final)  # of the newest chain
        found = prices.joined(found, final, where)
    notes["halted days (no open, high, low)"] = sum(row.open is None for row in found)
    return found, notes


def _doubts(sizes: list[int]) -> Counter:
    """What no interface calls an error: a provider's pages are of one size, and the last one has rows."""
    full = max(sizes[:-1], default=0)
    return Counter({
        "short pages amid others: are days missing?": sum(size < full for size in sizes[:-1]),
        "empty last pages: is the first day right?": int(len(sizes) > 1 and sizes[-1] == 0)})  # fmt: skip


def _date(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()
