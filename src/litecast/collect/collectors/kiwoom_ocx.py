"""Daily prices from Kiwoom OpenAPI+: opt10081 of the OCX control, asked from 32-bit Python on Windows with PyQt5.

    py -3.11-32 -m litecast.collect.collectors.kiwoom_ocx my-stocks codes=005930,000660 since=20150101

Settings stand for what Kiwoom does not say: `windows`, how many requests in how many seconds (5 in 18 s, 25 in 90 s and
50 in 180 s are said to come from its guide, 1000 an hour is a guess of its users). Answers come as events; nothing is
waited for longer than `timeout_s`, because a request that was refused never gets one.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from litecast.errors import DataError

from .. import prices
from ..chains import Chain, further_back
from ..clock import Clock
from . import shared
from .shared import Lost, Page

TR = "opt10081"
ITEMS = ["일자", "시가", "고가", "저가", "현재가", "거래량", "거래대금", "수정주가구분", "수정비율"]
CODE = r"[0-9][0-9A-Z]{5}"
LONG_S = 60  # a longer wait is said
TOO_MANY = -200
_AGAIN = "run the same command again"
_LOG_IN = "log in again (start OpenAPI+ once by hand if its version is being updated), then " + _AGAIN
ERRORS = {  # code -> meaning, what to do
    -10: ("failure", _AGAIN),
    -11: ("no such condition", _AGAIN),
    -12: ("condition and number do not fit", _AGAIN),
    -13: ("too many condition searches", _AGAIN),
    -22: ("the TR could not be handled", _AGAIN),
    -100: ("the user's data could not be exchanged", _LOG_IN),
    -101: ("no connection to the server", _LOG_IN),
    -102: ("the version could not be brought up to date", _LOG_IN),
    -103: ("the personal firewall failed", "allow OpenAPI+ in the firewall, then " + _LOG_IN),
    -104: ("the memory protection failed", "restart Windows, then " + _LOG_IN),
    -105: ("a wrong argument", "check codes"),
    -106: ("the connection was closed", _LOG_IN),
    -200: ("too many requests", "set fewer requests in `windows`, wait an hour, then " + _AGAIN),
    -201: ("the structure of the request is wrong", "check codes"),
    -202: ("the text of the request is wrong", "check codes"),
    -203: ("no data", "check the code and the base date"),
    -204: ("too much asked at once", "ask for fewer codes"),
    -205: ("the answer could not be received", _AGAIN),
    -206: ("too many fields", _AGAIN),
    -207: ("real-time data could not be released", _AGAIN),
    -300: ("an input is wrong", "check codes"),
    -301: ("no account password", "set it in the tray icon of OpenAPI+"),
    -308: ("too many orders", _AGAIN),
    -340: ("no account data", _LOG_IN),
    -500: ("no code was given", "check codes"),
}  # fmt: skip
MARGIN = 0.1  # seconds: the clock of the server counts too
CONNECTION = (-100, -101, -102, -103, -104, -106)  # nothing else can be asked for either


def _windows_of(text: str) -> list[tuple[int, float]]:
    """"5/18,25/90" -> [(5, 18.0), (25, 90.0)]: requests, seconds."""
    pairs = [word.split("/") for word in shared.words(text)]
    found = [(int(count), float(seconds)) for count, seconds in pairs]
    if any(count < 1 or seconds <= 0 for count, seconds in found):
        raise ValueError(text)
    return found


def _screen(text: str) -> str:
    if len(text) != 4 or not text.isdigit() or text == "0000":
        raise ValueError(text)
    return text


SETTINGS = shared.SETTINGS | {
    "windows": (_windows_of, [(5, 18.0), (25, 90.0), (50, 180.0), (1000, 3600.0)],
                "requests/seconds allowed, 5/18,25/90: each is kept, and waited for after a refusal"),
    "timeout_s": (shared.positive, 30, "seconds to wait for an answer"),
    "login_s": (shared.positive, 300, "seconds to wait for the login window"),
    "screen": (_screen, "0101", "screen number, 4 digits, not 0000"),
}  # fmt: skip


@dataclass
class Transport:
    """The control (a QAxWidget or what behaves so), pump(seconds) that lets its messages come in, and a clock."""

    control: object
    pump: Callable[[float], None]
    clock: object


def main(argv: list[str] | None = None, transport: Callable[[], Transport] | None = None) -> int:
    """Run the collector; transport() is that of Windows unless given."""

    def work(name: str, asked: dict) -> int:
        shared.check_codes(asked["codes"], CODE, "005930, six digits or capital letters, no leading A")
        kiwoom = Kiwoom((transport or _windows)(), asked)
        return shared.gather("kiwoom-ocx", name, asked, kiwoom.clock, kiwoom.pages, kiwoom.ready)

    return shared.run("kiwoom_ocx", SETTINGS, argv, work)


def _windows() -> Transport:
    """QAxWidget with its message loop; DataError where Python, PyQt5 or OpenAPI+ is not there."""
    shared.need_32_bit("kiwoom_ocx")
    try:
        from PyQt5.QAxContainer import QAxWidget
        from PyQt5.QtWidgets import QApplication
    except ImportError:
        raise DataError("PyQt5 is missing: py -3.11-32 -m pip install PyQt5") from None
    app, clock = QApplication.instance() or QApplication(sys.argv[:1]), Clock()
    control = QAxWidget("KHOPENAPI.KHOpenAPICtrl.1")
    if control.isNull():
        raise DataError("OpenAPI+ is not installed here: get it from kiwoom.com (Open API), then run this again")

    def pump(seconds: float) -> None:
        end = clock.monotonic() + seconds
        app.processEvents()
        while (left := end - clock.monotonic()) > 0:
            clock.sleep(min(left, 0.01))
            app.processEvents()

    return Transport(control, pump, clock)


class Kiwoom:
    """Requests to the control, answers by events. asked: the settings above."""

    def __init__(self, transport: Transport, asked: dict):
        self._control, self._pump, self.clock = transport.control, transport.pump, transport.clock
        self._settings, self._quota = asked, Quota(asked["windows"], transport.clock)
        self._requests, self._waiting, self._answer, self._login, self._told = 0, "", None, None, ""
        self._control.OnEventConnect.connect(self._on_connect)
        self._control.OnReceiveTrData.connect(self._on_data)
        self._control.OnReceiveMsg.connect(self._on_message)

    def ready(self) -> None:
        """Log in unless that is done. Raises Lost with the meaning of a failure."""
        if self._call("GetConnectState()") == 1:
            return
        self._login = None
        if result := self._call("CommConnect()"):
            raise _error("login", result, "")
        if not self._until(lambda: self._login is not None, self._settings["login_s"]):
            raise Lost(f"nobody logged in within {self._settings['login_s']:g} s: {_LOG_IN}, or raise login_s")
        if self._login:
            raise _error("login", self._login, "")

    def pages(self, chain: Chain, stop: date | None) -> Iterator[Page]:
        """Pages of a stock from the base date back to `stop` (None: to the listing), newest first."""
        where, oldest, more = f"kiwoom-ocx, {chain.code}", None, 0
        while True:
            rows, follows = self._page(chain, more, where)
            days = [prices.day(row[0], where) for row in rows if row[0].strip()]
            if not days and follows:
                raise DataError(f"{where}: an empty page that promises more. Nothing of this stock is kept: {_AGAIN}")
            if not days and oldest is None:
                raise DataError(f"{where}: no row up to {chain.base}; is it listed, and the code right?{self._told}")
            oldest = further_back(days, oldest, where) if days else oldest
            yield _asked(chain, more), {"fields": ITEMS, "rows": rows}
            if not follows or (stop and oldest <= stop):
                return
            more = 2

    def _page(self, chain: Chain, more: int, where: str) -> tuple[list[list[str]], bool]:
        """One page and whether more follow. Waits for the quota, and once per window where it is refused."""
        waits = [seconds for _, seconds in self._settings["windows"]]
        for wait in [*waits, None]:
            result = self._request(chain, more)
            if result != TOO_MANY or wait is None:
                break
            self._wait(wait)
        if result:
            raise _error(where, result, self._told)
        done = self._until(lambda: self._answer is not None or self._login, self._settings["timeout_s"])
        self._waiting, answer = "", self._answer
        if self._login and answer is None:
            raise _error(where, self._login, self._told)
        if not done:
            raise DataError(f"{where}: no answer in {self._settings['timeout_s']:g} s{self._told}. Is a window of "
                            f"OpenAPI+ open that wants a click? Then {_AGAIN}")  # fmt: skip
        if isinstance(answer, Exception):
            raise DataError(f"{where}: the answer could not be read ({answer}); {_AGAIN}") from answer
        return answer

    def _request(self, chain: Chain, more: int) -> int:
        """Send one request; every one needs its inputs anew. Returns 0 or the code of the refusal."""
        self._wait(self._quota.wait())
        self._quota.sent()
        inputs = {"종목코드": chain.code, "기준일자": f"{chain.base:%Y%m%d}", "수정주가구분": str(int(chain.adjusted))}
        for name, value in inputs.items():
            self._call("SetInputValue(QString, QString)", name, value)
        self._requests += 1
        self._waiting = f"{TR}_{self._requests}"  # its own name: a late answer to an older one is not taken for it
        self._answer, self._login, self._told = None, None, ""
        call = "CommRqData(QString, QString, int, QString)"
        return int(self._call(call, self._waiting, TR, more, self._settings["screen"]))

    def _wait(self, seconds: float) -> None:
        if seconds > LONG_S:
            print(f"waiting {seconds:.0f} s: the quota of requests is used up", file=sys.stderr, flush=True)
        self._until(lambda: False, seconds)

    def _call(self, signature: str, *values):
        return self._control.dynamicCall(signature, *values)

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Let messages come in until it is done or the time is over; whether it is done."""
        end = self.clock.monotonic() + seconds
        while not done():
            left = end - self.clock.monotonic()
            if left <= 0:
                return False
            self._pump(min(left, 0.05))
        return True

    # Events. An exception that leaves a handler would end the process, so it travels in the answer.

    def _on_connect(self, code, *_) -> None:
        self._login = int(code)

    def _on_message(self, screen, name, tr, text, *_) -> None:
        self._told = f" ({str(text).strip()})"

    def _on_data(self, screen, name, tr, record, follows, *_) -> None:
        if name != self._waiting:
            return
        try:
            count = int(self._call("GetRepeatCnt(QString, QString)", tr, name))
            rows = [[self._cell(tr, name, row, item) for item in ITEMS] for row in range(count)]
            self._answer = rows, str(follows).strip() == "2"
        except Exception as error:
            self._answer = error

    def _cell(self, tr: str, name: str, row: int, item: str) -> str:
        return str(self._call("GetCommData(QString, QString, int, QString)", tr, name, row, item))


class Quota:
    """At most so many requests in so many seconds, for several such windows at once."""

    def __init__(self, windows: list[tuple[int, float]], clock):
        self._windows, self._clock = windows, clock
        self._sent: deque[float] = deque(maxlen=max((count for count, _ in windows), default=1))

    def wait(self) -> float:
        """Seconds until another request is allowed."""
        now = self._clock.monotonic()
        ends = [self._sent[-count] + seconds + MARGIN for count, seconds in self._windows if len(self._sent) >= count]
        return max([0.0, *(end - now for end in ends)])

    def sent(self) -> None:
        self._sent.append(self._clock.monotonic())


def _error(where: str, code: int, told: str) -> DataError:
    """The error of a code; Lost where the connection itself is gone."""
    meaning, cure = ERRORS.get(code, ("not in our list", "look it up in the guide of OpenAPI+"))
    kind = Lost if code in CONNECTION or where == "login" else DataError
    return kind(f"{where}: {meaning} (code {code}){told}. What to do: {cure}. Stocks that are kept stay kept")


def _asked(chain: Chain, more: int) -> str:
    return f"{TR} 종목코드={chain.code} 기준일자={chain.base:%Y%m%d} 수정주가구분={int(chain.adjusted)} next={more}"


if __name__ == "__main__":
    sys.exit(main())
