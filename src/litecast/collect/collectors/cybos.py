"""Daily prices from Daishin Cybos Plus or CREON Plus: StockChart, asked from 32-bit Python on Windows.

    py -3.11-32 -m litecast.collect.collectors.cybos my-stocks codes=005930,000660 since=20150101

Settings stand for what the sources do not agree on. paging: the official page calls continued inquiry unavailable, yet
programs in use rely on it: `continue` and `count` ask again while Continue says so, for all days or for so many rows at
once; `dates` asks anew up to the oldest day received. Whatever the way, a stock is whole only when asking so brings
nothing older (that day comes twice, and must agree): Continue may stop early or never. hours: which after-hours trade
counts in the volume. Of an index (U001) the units of volume and value are not documented.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

from litecast.data import store
from litecast.errors import DataError

from .. import prices
from ..chains import Chain
from ..clock import Clock
from . import shared
from .shared import Lost, Page

FIELDS = {0: "날짜", 2: "시가", 3: "고가", 4: "저가", 5: "종가", 8: "거래량", 9: "거래대금",
          18: "수정주가일자", 19: "수정주가비율"}  # fmt: skip
CODE = r"[JQ]?[0-9][0-9A-Z]{5}|U[0-9]{3}"  # stock 005930, ELW J517016, ETN Q500001, index U001
EVERYTHING = 10101  # oldest day where none is named: before any
QUOTES = 1  # the kind of request that counts against the quota of quotes
STATUS = {-1: "error", 1: "still waiting"}
RESULTS = {1: "the request could not be sent", 2: "cancelled", 3: "internal error of Cybos", 4: "too many requests"}
_LOG_IN = "start CYBOS Plus or CREON Plus as administrator, log in, start this as administrator too, and run it again"


def _paging(text: str) -> str:
    return {way: way for way in ("continue", "count", "dates")}[text]


def _hours(text: str) -> int:
    return {str(way): way for way in (1, 2, 3, 4)}[text]


SETTINGS = shared.SETTINGS | {
    "paging": (_paging, "continue", "continue, count or dates: how to get more than one block"),
    "count": (shared.positive, 10_000, "rows to ask for at once, with paging=count"),
    "hours": (_hours, 1, "after-hours trade in the volume: 1 all, 2 after the close, 3 none, 4 before the opening"),
}


def main(argv: list[str] | None = None, dispatch: Callable | None = None, clock=None) -> int:
    """Run the collector; dispatch(progid) -> COM object and clock are those of Windows unless given."""

    def work(name: str, asked: dict) -> int:
        shared.check_codes(asked["codes"], CODE, "005930, J517016 (ELW), Q500001 (ETN) or U001 (index), no leading A")
        _same_hours(name, asked["hours"])
        cybos = Cybos(dispatch or _windows(), clock or Clock(), asked)
        return shared.gather("cybos", name, asked, cybos.clock, cybos.pages, cybos.ready)

    return shared.run("cybos", SETTINGS, argv, work)


def _same_hours(name: str, hours: int) -> None:
    """DataError if the collection counts other hours: its volumes would mean two things."""
    raw = store.Collection(name).raw
    said = {request.rpartition("hours ")[2] for unit in raw.units("cybos ") for request in raw.requests(unit)[:1]}
    if said - {str(hours)}:
        raise DataError(f"the collection {name} was collected with hours={', '.join(said)}, not {hours}: choose "
                        "another name, its volumes would mean two things")  # fmt: skip


def _windows() -> Callable:
    """Dispatch of pywin32; DataError where Python or pywin32 is not the right one."""
    shared.need_32_bit("cybos")
    try:
        from win32com.client import Dispatch
    except ImportError:
        raise DataError("pywin32 is missing: py -3.11-32 -m pip install pywin32") from None

    def dispatch(progid: str):
        try:
            return Dispatch(progid)
        except Exception as error:  # com_error: not registered, or not allowed
            raise DataError(f"{progid} cannot be loaded ({error}): install CYBOS Plus, then {_LOG_IN}") from None

    return dispatch


class Cybos:
    """Charts through COM. asked: the settings above."""

    def __init__(self, dispatch: Callable, clock, asked: dict):
        self._dispatch, self.clock, self._asked = dispatch, clock, asked
        self._program = dispatch("CpUtil.CpCybos")

    def ready(self) -> None:
        """Raises Lost unless the program is connected."""
        with _com():
            connected = self._program.IsConnect
        if not connected:
            raise Lost(f"Cybos is not connected: {_LOG_IN}. Stocks that are kept will not be asked for again")

    def pages(self, chain: Chain, stop: date | None) -> Iterator[Page]:
        """Blocks of a stock from the base date back to `stop` (None: to the listing), newest first.

        Ends at `stop`, or when asking up to the oldest day received brings nothing older. Continue alone does not end
        it: it may stay 1 when all is there, and by the official page it is never 1.
        """
        with _com():
            yield from self._pages(chain, stop)

    def _pages(self, chain: Chain, stop: date | None) -> Iterator[Page]:
        where, fields = f"cybos, {chain.code}", _fields(chain.code)
        chart = self._dispatch("CpSysDib.StockChart")  # a new one: inputs of the stock before do not stay
        self._inputs(chart, chain, stop, fields)
        oldest, newest, by_date, received = None, chain.base, self._asked["paging"] == "dates", 0
        while True:
            rows = self._block(chart, fields, where)
            days = [prices.day(row[0], where) for row in rows]
            older = bool(days) and (oldest is None or min(days) < oldest)
            if not days and oldest is None:
                raise DataError(f"{where}: no row up to {chain.base}; is the code right, and was it listed then?")
            if older:
                oldest, received = min(days), received + len(rows)
                yield _asked(chain, newest, self._asked), {"fields": fields, "rows": rows}
            if (stop and oldest <= stop) or (by_date and not older):
                return
            by_date = not (older and self._goes_on(chart, received))
            if by_date:
                chart.SetInputValue(2, int(f"{oldest:%Y%m%d}"))  # a new inquiry
            newest = oldest

    def _goes_on(self, chart, received: int) -> bool:
        """Whether asking again without new inputs may bring the next block."""
        way = self._asked["paging"]
        return way != "dates" and bool(chart.Continue) and (way != "count" or received < self._asked["count"])

    def _inputs(self, chart, chain: Chain, stop: date | None, fields: list[int]) -> None:
        by_count = self._asked["paging"] == "count"
        inputs = {
            0: chain.code if chain.code[0].isalpha() else f"A{chain.code}",  # index U001 and the like stay
            1: ord("2" if by_count else "1"),
            2: int(f"{chain.base:%Y%m%d}"),
            3: int(f"{stop:%Y%m%d}") if stop else EVERYTHING,
            4: self._asked["count"],
            5: fields,
            6: ord("D"),
            9: ord("1" if chain.adjusted else "0"),
            10: ord(str(self._asked["hours"])),
        }
        for key in sorted(inputs):
            if key != (3 if by_count else 4):
                chart.SetInputValue(key, inputs[key])

    def _block(self, chart, fields: list[int], where: str) -> list[list]:
        """Rows of one request; a value is found by the position of its field among the sorted ones."""
        if self._program.GetLimitRemainCount(QUOTES) <= 0:  # else the call itself would hang until the quota is back
            self.clock.sleep(self._program.GetLimitRemainTime(QUOTES) / 1000)
        result = chart.BlockRequest()
        status, text = chart.GetDibStatus(), str(chart.GetDibMsg1()).strip()
        if result or status:
            self.ready()
            reason = RESULTS.get(result, f"result {result}") if result else f"status {STATUS.get(status, status)}"
            raise DataError(f"{where}: Cybos refused, {reason} ('{text}'). Check the code, and run the command again")
        names = list(chart.GetHeaderValue(2) or [])
        if chart.GetHeaderValue(1) != len(fields) or _misplaced(names, fields):
            raise DataError(f"{where}: asked for {[FIELDS[field] for field in fields]}, Cybos delivers {names}")
        count = chart.GetHeaderValue(3)
        return [[chart.GetDataValue(at, row) for at in range(len(fields))] for row in range(count)]


@contextmanager
def _com() -> Iterator[None]:
    """An error of COM itself: the program was closed, or may not be spoken to."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ != "com_error":  # pywin32's; nothing of it is imported here
            raise
        raise Lost(f"Cybos does not answer ({error}): {_LOG_IN}. Stocks that are kept stay kept") from None


def _fields(code: str) -> list[int]:
    """Ascending, as Cybos delivers them; an index has no adjustment to report."""
    return sorted(field for field in FIELDS if field < 18 or not code.startswith("U"))


def _misplaced(names: list, fields: list[int]) -> bool:
    """Whether a name that we know stands where another field should be; unknown names are let pass."""
    return any(name in FIELDS.values() and name != FIELDS[field] for name, field in zip(names, fields, strict=False))


def _asked(chain: Chain, newest: date, asked: dict) -> str:
    return (f"StockChart {chain.code} D {newest:%Y%m%d} back, adjusted {int(chain.adjusted)}, "
            f"paging {asked['paging']}, hours {asked['hours']}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
