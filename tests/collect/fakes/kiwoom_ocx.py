"""The control of Kiwoom OpenAPI+ without Windows: calls by signature, answers as events while messages are pumped."""

from __future__ import annotations

import os
import re
import signal
from datetime import datetime

from fakes.market import Clock, Day, Faults, Stock

COLUMNS = ("종목코드 현재가 거래량 거래대금 일자 시가 고가 저가 수정주가구분 수정비율 대업종구분 소업종구분 종목정보 "
           "수정주가이벤트 전일종가").split()  # fmt: skip
ARGUMENTS = {"QString": str, "int": int}


class Signal:
    def __init__(self):
        self._handlers = []

    def connect(self, handler) -> None:
        self._handlers.append(handler)

    def emit(self, *values) -> None:
        for handler in self._handlers:
            handler(*values)


class Ocx(Faults):
    """A QAxWidget that holds the control; `pump(seconds)` lets one message come in and the clock run.

    login: what OnEventConnect will say, None = the window stays open. signed: prices carry + or -. end: the prevnext of
    the last page, "0" or "". fault(kind, after=n): a code ("-200", "-106", …: refused), "silent" (no event), "late"
    (the event of this request comes with the next one), "empty", "repeat", "short" (rows are lost at the end),
    "blank" (every second row without numbers), "dropped" (OnEventConnect -106 instead of data), "kill".
    """

    def __init__(self, stocks: dict[str, Stock], clock: Clock, *, page: int = 600, login: int | None = 0,
                 signed: bool = False, end: str = "0", a_second: int = 5):
        self.stocks, self.clock, self.page, self.login, self.signed, self.end = stocks, clock, page, login, signed, end
        self.a_second = a_second
        self.OnEventConnect, self.OnReceiveTrData, self.OnReceiveMsg = Signal(), Signal(), Signal()
        self.requests: list[dict] = []  # inputs of each request, accepted or not
        self.times: list[float] = []
        self.screens: set[str] = set()
        self._connected, self._inputs, self._events, self._shown, self._late = 0, {}, [], None, []
        self._chain: tuple | None = None
        self._last: list = []
        super().__init__()

    def pump(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        if self._events:
            self._events.pop(0)()

    def dynamicCall(self, signature: str, *values):  # noqa: N802
        name, kinds = re.fullmatch(r"(\w+)\((.*)\)", signature).groups()
        kinds = [kind.strip() for kind in kinds.split(",") if kind.strip()]
        assert len(kinds) == len(values), f"{signature} called with {values}"
        for kind, value in zip(kinds, values, strict=True):
            assert type(value) is ARGUMENTS[kind], f"{signature}: {value!r} is no {kind}"
        return getattr(self, f"_{name}")(*values)

    # --- login

    def _GetConnectState(self) -> int:  # noqa: N802
        return self._connected

    def _CommConnect(self) -> int:  # noqa: N802
        if self.login is not None:
            self._events.append(self._log_in)
        return 0

    def _log_in(self) -> None:
        self._connected = int(self.login == 0)
        self.OnEventConnect.emit(self.login)

    # --- requests

    def _SetInputValue(self, key: str, value: str) -> None:  # noqa: N802
        self._inputs[key] = value

    def _CommRqData(self, name: str, tr: str, follows: int, screen: str) -> int:  # noqa: N802
        inputs, self._inputs = self._inputs, {}  # used up, whatever becomes of the request
        kind, now = self.next_fault(), self.clock.monotonic()
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self.requests.append(inputs)
        self.screens.add(screen)
        recent = [time for time in self.times if now - time < 1]
        self.times.append(now)
        if kind.startswith("-"):
            return int(kind)
        if not self._connected:
            return -101
        if len(recent) >= self.a_second:
            return -200
        if len(screen) != 4 or screen == "0000" or len(self.screens) > 200 or follows not in (0, 2):
            return -201
        if tr != "opt10081" or set(inputs) != {"종목코드", "기준일자", "수정주가구분"}:
            return -202
        if follows == 2 and (self._chain is None or self._chain[0] != inputs):
            return -202
        self._answer(kind, name, tr, screen, inputs, self._chain[1] if follows == 2 else 0)
        return 0

    def _answer(self, kind: str, name: str, tr: str, screen: str, inputs: dict, start: int) -> None:
        base = datetime.strptime(inputs["기준일자"], "%Y%m%d").date()
        stock = self.stocks.get(inputs["종목코드"])
        days = stock.rows(base, inputs["수정주가구분"] == "1") if stock else []
        shown = [self._row(day) for day in days[start : start + self.page]] or [[""] * len(COLUMNS)] * (not start)
        if shown and stock:
            shown[0][0] = inputs["종목코드"]  # in the first row only
        shown = {"empty": [], "repeat": self._last, "short": shown[:-3]}.get(kind, shown)
        if kind == "blank":
            shown = [row if at % 2 else [row[0], "", "", "", row[4], *[""] * 10] for at, row in enumerate(shown)]
        more = "2" if start + self.page < len(days) else self.end
        self._chain, self._last = (inputs, start + self.page), shown

        def event():
            self.OnReceiveMsg.emit(screen, name, tr, "[00Z310] 모의투자 조회가 완료되었습니다")
            self._shown = (tr, name, shown)
            self.OnReceiveTrData.emit(screen, name, tr, "", more, 0, "", "", "")
            self._shown = None

        if kind == "dropped":
            event = self._drop
        events, self._late = [*self._late, event], []
        if kind == "late":
            self._late = events
        elif kind != "silent":
            self._events += events

    def _drop(self) -> None:
        self._connected = 0
        self.OnEventConnect.emit(-106)

    # --- data, there only while its event is handled

    def _rows(self, tr: str, name: str) -> list[list[str]]:
        return self._shown[2] if self._shown and self._shown[:2] == (tr, name) else []

    def _GetRepeatCnt(self, tr: str, name: str) -> int:  # noqa: N802
        return len(self._rows(tr, name))

    def _GetCommData(self, tr: str, name: str, row: int, item: str) -> str:  # noqa: N802
        rows = self._rows(tr, name)
        return f"{rows[row][COLUMNS.index(item)]:>15}   " if row < len(rows) else ""

    def _GetCommDataEx(self, tr: str, record: str) -> list[list[str]]:  # noqa: N802
        return self._shown[2] if self._shown and record == "주식일봉차트조회" else []

    def _row(self, day: Day) -> list[str]:
        when, *prices, volume, value = day
        signs = ["+", "-", "+", "-"] if self.signed else [""] * 4
        opened, high, low, close = (f"{s if price else ''}{price}" for s, price in zip(signs, prices, strict=True))
        cells = {"현재가": close, "거래량": f"{volume}", "거래대금": f"{value // 1_000_000}", "일자": f"{when:%Y%m%d}",
                 "시가": opened, "고가": high, "저가": low}  # fmt: skip
        return [cells.get(column, "") for column in COLUMNS]
