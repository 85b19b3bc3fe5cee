"""COM objects of Cybos Plus: `Cybos(...).dispatch("CpSysDib.StockChart")` behaves as Dispatch would on Windows."""

from __future__ import annotations

import os
import signal
from datetime import date

from fakes.market import Clock, Faults, Stock

NAMES = {0: "날짜", 1: "시간", 2: "시가", 3: "고가", 4: "저가", 5: "종가", 8: "거래량", 9: "거래대금", 12: "상장주식수",
         18: "수정주가일자", 19: "수정주가비율"}  # fmt: skip
CHARS = {1: "12", 6: "DWMmT", 8: "01", 9: "01", 10: "1234"}
TEXTS, ARRAYS = (0,), (5,)


class Cybos(Faults):
    """The program: connection, quota of quotes on a clock, charts.

    block: rows of one BlockRequest. sticky: Continue stays 1 in count mode. no_continue: it is never 1, as the official
    page has it. fault(kind, after=n): "failed" (GetDibStatus -1), "code1", "empty", "repeat", "short" (rows
    are lost at the end), "lost", "gone" (raises what `gone` holds), "kill" hit the n-th BlockRequest from now on.
    """

    def __init__(self, stocks: dict[str, Stock], clock: Clock, *, block: int = 2499, connected: bool = True,
                 sticky: bool = False, no_continue: bool = False, big: tuple[str, ...] = (), names: dict | None = None):
        self.stocks, self.clock, self.block, self.IsConnect = stocks, clock, block, int(connected)
        self.sticky, self.no_continue, self.big, self.names = sticky, no_continue, big, names or NAMES
        self.requests: list[dict] = []
        self.gone: Exception = OSError()
        self.blocked = 0  # how often a call hung because the quota was used up
        self._times: list[float] = []
        super().__init__()

    def dispatch(self, progid: str):
        known = {"CpUtil.CpCybos": lambda: self, "CpSysDib.StockChart": lambda: StockChart(self),
                 "CpUtil.CpCodeMgr": lambda: CodeMgr(self)}  # fmt: skip
        return known[progid]()

    # 60 quotes in 15 s counted from the first; the 61st call hangs until they are over

    def GetLimitRemainCount(self, kind: int) -> int:  # noqa: N802
        assert kind == 1, "0 counts orders, 2 subscriptions"
        self._forget()
        return 60 - len(self._times)

    def GetLimitRemainTime(self, kind: int) -> int:  # noqa: N802
        assert kind == 1
        self._forget()
        return round((self._times[0] + 15 - self.clock.monotonic()) * 1000) if self._times else 0

    def spend(self) -> None:
        if self.GetLimitRemainCount(1) <= 0:
            self.blocked += 1
            self.clock.sleep(self.GetLimitRemainTime(1) / 1000)
        self._forget()
        self._times.append(self.clock.monotonic())

    def _forget(self) -> None:
        if self._times and self.clock.monotonic() >= self._times[0] + 15:
            self._times = []


class StockChart:
    """CpSysDib.StockChart."""

    def __init__(self, cybos: Cybos):
        self._cybos, self._inputs, self._at, self._rows, self._shown = cybos, {}, 0, None, []
        self._status, self._text, self.Continue = 0, "", 0

    def SetInputValue(self, kind: int, value) -> None:  # noqa: N802
        if kind in CHARS and (not isinstance(value, int) or chr(value) not in CHARS[kind]):
            raise TypeError(f"input {kind} wants a char as its number, such as ord('D'), not {value!r}")
        if kind in TEXTS and not isinstance(value, str):
            raise TypeError(f"input {kind} wants a text, not {value!r}")
        if kind not in {*CHARS, *TEXTS, *ARRAYS} and (not isinstance(value, int) or value < 0):
            raise TypeError(f"input {kind} wants an unsigned number, not {value!r}")
        self._inputs[kind] = value
        self._rows, self._at = None, 0  # the next request is a new inquiry

    def BlockRequest(self) -> int:  # noqa: N802
        kind = self._cybos.next_fault()
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "gone":
            raise self._cybos.gone
        self._cybos.spend()
        self._cybos.requests.append(dict(self._inputs))
        self._status, self._text = 0, "정상처리되었습니다"
        if kind == "lost":
            self._cybos.IsConnect = 0
        if kind in ("failed", "lost"):
            self._status, self._text = -1, "통신 오류가 발생하였습니다"
            return 0
        if kind == "code1":
            return 1
        if self._rows is None:
            self._rows = self._asked()
        if kind != "repeat":
            self._shown = [] if kind == "empty" else self._rows[self._at : self._at + self._cybos.block]
            self._at += self._cybos.block
        self._shown = self._shown[:-3] if kind == "short" else self._shown
        counted = chr(self._inputs[1]) == "2"
        if counted and self._cybos.sticky and not self._shown:
            self._shown = self._rows[-self._cybos.block :]  # the last block again
        more = self._at < len(self._rows) or (counted and self._cybos.sticky)
        self.Continue = int(more and not self._cybos.no_continue)
        return 0

    def GetDibStatus(self) -> int:  # noqa: N802
        return self._status

    def GetDibMsg1(self) -> str:  # noqa: N802
        return self._text

    def GetHeaderValue(self, kind: int):  # noqa: N802
        values = {0: self._inputs[0], 1: len(self._fields), 2: tuple(self._cybos.names[f] for f in self._fields),
                  3: len(self._shown)}  # fmt: skip
        return values[kind]

    def GetDataValue(self, position: int, row: int):  # noqa: N802
        """position counts the fields in ascending order, whatever the order they were asked for."""
        return self._shown[row][self._fields[position]]

    @property
    def _fields(self) -> list[int]:
        asked = self._inputs[5]
        return sorted(asked if isinstance(asked, (list, tuple)) else [asked])

    def _asked(self) -> list[dict]:
        assert chr(self._inputs.get(6, ord("D"))) == "D", "this fake has daily bars only"
        code, adjusted = self._inputs[0], chr(self._inputs.get(9, ord("0"))) == "1"
        stock = self._cybos.stocks.get(code.removeprefix("A"))
        if stock is None or (code[0] != "A" and code[0] != "U"):
            return []
        newest = self._inputs.get(2) or 99991231
        rows = [day for day in stock.rows(date.max, adjusted) if int(f"{day[0]:%Y%m%d}") <= newest]
        if chr(self._inputs.get(1, ord("1"))) == "2":
            rows = rows[: self._inputs[4]]
        else:
            rows = [day for day in rows if int(f"{day[0]:%Y%m%d}") >= self._inputs.get(3, 0)]
        return [self._row(code, stock, day, adjusted) for day in rows]

    def _row(self, code: str, stock: Stock, day: tuple, adjusted: bool) -> dict:
        when = int(f"{day[0]:%Y%m%d}")
        shares = 5_969_782_550 // (1000 if code in self._cybos.big else 1)
        cells = dict(zip((0, 2, 3, 4, 5, 8, 9), (when, *day[1:]), strict=True))
        ratio = stock.ratio(day[0]) if adjusted else 0.0
        return cells | {1: 0, 12: shares, 18: when if adjusted else 0, 19: ratio}


class CodeMgr:
    """CpUtil.CpCodeMgr: shares of big listings are counted in thousands (field 12)."""

    def __init__(self, cybos: Cybos):
        self._cybos = cybos

    def IsBigListingStock(self, code: str) -> int:  # noqa: N802
        return int(code in self._cybos.big)
