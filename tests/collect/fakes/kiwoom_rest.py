"""Kiwoom REST on the loopback server: tokens, daily chart by pages, errors as they come on the wire."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from fakes.loopback import Loopback, Reply, Request
from fakes.market import Clock, Day, Stock

APPKEY, SECRETKEY = "SECRETKEYapp0123456789", "SECRETKEYsecret9876543210"
ERRORS = {
    1501: (2, "API ID가 존재하지 않습니다"),
    1512: (2, "Header 값을 읽을 수 없습니다"),
    1514: (2, "Authorization 형식이 올바르지 않습니다"),
    1634: (5, "요청 건수가 너무 많습니다"),
    1511: (2, "필수 입력 파라미터가 없습니다"),
    1517: (2, "입력 값 형식이 올바르지 않습니다"),
    1700: (5, "허용된 요청 개수를 초과하였습니다"),
    1702: (5, "허용된 그룹 요청 개수를 초과하였습니다"),
    1902: (1, "종목 정보가 없습니다"),
    1901: (1, "시장 코드값이 존재하지 않습니다"),
    8001: (3, "App Key 검증에 실패했습니다"),
    8005: (3, "Token이 유효하지 않습니다"),
    8010: (3, "Token을 발급받은 IP와 서비스를 요청한 IP가 동일하지 않습니다"),
    8030: (3, "투자구분(실전/모의)이 달라서 Appkey를 사용할수가 없습니다"),
}


class KiwoomRest:
    """Routes on `server`. Faults by `fault(kind, after=n)`: a code ("8005", "1700", …), "429", "busy",
    "401", "empty", "repeat", "short" (rows are lost at the end), "truncated", "cp949", "other",
    "venue" (named without it), "no rows", "odd days", "no close", "long batch"; they hit the n-th chart request
    from now on, once.

    least_s: seconds between two charts, else 1700. spelling: "return_code" or "returnCode". mock: KRX codes only.
    """

    def __init__(self, server: Loopback, stocks: dict[str, Stock], clock: Clock, *, page: int = 600,
                 least_s: float = 1.0, mock: bool = False, spelling: str = "return_code", text_codes: bool = False,
                 lives_s: int = 86_400):
        self.stocks, self.clock, self.page, self.least_s, self.mock = stocks, clock, page, least_s, mock
        self.spelling, self.text_codes, self.lives_s = spelling, text_codes, lives_s
        self.tokens: dict[str, datetime] = {}
        self.issued: list[str] = []
        self.revoked: list[str] = []
        self.charts: list[dict] = []  # bodies that were answered with rows
        self._keys: dict[str, tuple] = {}  # next-key -> what it is bound to
        self._faults: list[list] = []
        self._last, self._rows = None, []
        server.routes |= {"/oauth2/token": self.token, "/oauth2/revoke": self.revoke, "/api/dostk/chart": self.chart}

    def fault(self, kind: str, after: int = 0, times: int = 1) -> None:
        self._faults += [[kind, after] for _ in range(times)]

    def _fault(self) -> str:
        for fault in self._faults:
            if fault[1] <= 0:
                self._faults.remove(fault)
                return fault[0]
            fault[1] -= 1
            return ""
        return ""

    # --- au10001, au10002

    def token(self, request: Request) -> Reply:
        sent = request.json
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return self._error(1512)
        if (sent.get("appkey"), sent.get("secretkey")) != (APPKEY, SECRETKEY):
            return self._error(8001, f"[8001:App Key 검증에 실패했습니다 {sent.get('appkey')} {sent.get('secretkey')}]")
        if sent.get("grant_type") != "client_credentials":
            return self._error(8012)
        token = f"SECRETKEYtoken{len(self.issued):04d}x"
        self.issued.append(token)
        self.tokens[token] = self.clock.now() + timedelta(seconds=self.lives_s)
        ends = f"{self.tokens[token]:%Y%m%d%H%M%S}"
        return self._ok({"expires_dt": ends, "token_type": "bearer", "token": token})

    def revoke(self, request: Request) -> Reply:
        sent = request.json
        if (sent.get("appkey"), sent.get("secretkey")) != (APPKEY, SECRETKEY) or sent.get("token") not in self.tokens:
            return self._error(8015)
        del self.tokens[sent["token"]]
        self.revoked.append(sent["token"])
        return self._ok({})

    # --- ka10081

    def chart(self, request: Request) -> Reply:
        kind, sent = self._fault(), request.json
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if kind in ("8005", "401"):
            self.tokens.pop(token, None)
        if kind == "401":
            return Reply("Unauthorized", 401, type="text/plain")
        if kind == "busy":  # from something in front of the provider
            return Reply("Too Many Requests", 429, type="text/plain")
        if kind == "429":
            return self._error(1700, status=429)
        if kind == "long batch":  # permanent, although it comes with the status of a rate limit
            return self._error(1634, status=429)
        if kind.isdigit():
            return self._error(int(kind), f"[{kind}:{ERRORS.get(int(kind), (1, '오류'))[1]}] Bearer {token}")
        refusal = self._refusal(request, sent, token)
        if refusal:
            return refusal
        return self._page(kind, sent, token, request.headers)

    def _refusal(self, request: Request, sent: dict, token: str) -> Reply | None:
        now = self.clock.monotonic()
        early, self._last = self._last is not None and now - self._last < self.least_s, now
        code = str(sent.get("stk_cd", ""))
        rules = {
            1501: request.headers.get("api-id") != "ka10081",
            1512: not request.headers.get("content-type", "").startswith("application/json"),
            1514: not request.headers.get("authorization", "").startswith("Bearer "),
            8005: self.tokens.get(token, datetime.min) <= self.clock.now(),
            1511: set(sent) != {"stk_cd", "base_dt", "upd_stkpc_tp"},
            1517: sent.get("upd_stkpc_tp") not in ("0", "1") or len(str(sent.get("base_dt"))) != 8,
            1700: early,
            1901: self.mock and "_" in code,
            1902: code not in self.stocks,
        }
        return next((self._error(number) for number, broken in rules.items() if broken), None)

    def _page(self, kind: str, sent: dict, token: str, headers: dict) -> Reply:
        start = 0
        if headers.get("cont-yn") == "Y":
            bound = self._keys.get(headers.get("next-key", ""))
            if bound is None or bound[:2] != (token, json.dumps(sent)):
                return self._error(1517)  # a next-key of another body or another token
            start = bound[2]
        base = datetime.strptime(sent["base_dt"], "%Y%m%d").date()
        rows = self.stocks[sent["stk_cd"]].rows(base, sent["upd_stkpc_tp"] == "1")
        shown = [_row(day) for day in rows[start : start + self.page]]
        more = {"api-id": "ka10081", "cont-yn": "N", "next-key": ""}
        if start + self.page < len(rows):
            key = f"{hash((token, start)) & 0xFFFFFFFF:08x}{len(self._keys):08x}"
            self._keys[key] = (token, json.dumps(sent), start + self.page)
            more |= {"cont-yn": "Y", "next-key": key}
        shown = {"empty": [], "repeat": self._rows, "short": shown[:-3]}.get(kind, shown)
        self._rows = shown
        self.charts.append(sent)
        code = {"other": "000000", "venue": sent["stk_cd"][:6]}.get(kind, sent["stk_cd"])
        body = {"stk_cd": code, "stk_dt_pole_chart_qry": shown}
        if kind == "no rows":
            del body["stk_dt_pole_chart_qry"]
        if kind == "odd days":
            shown[-1]["dt"] = "20250931"
        if kind == "no close":
            shown[-1]["cur_prc"] = ""
        reply = self._ok(body, more)
        if kind == "truncated":
            reply.body = reply.content()[: len(reply.content()) * 2 // 3]
        if kind == "cp949":
            reply.body = reply.content().decode().encode("cp949")
        return reply

    def _ok(self, body: dict, headers: dict | None = None) -> Reply:
        return Reply(body | self._status(0, "정상적으로 처리되었습니다"), headers=headers or {})

    def _error(self, code: int, text: str = "", status: int = 200) -> Reply:
        outer, meaning = ERRORS.get(code, (1, "오류"))
        return Reply(self._status(outer, text or f"요청에 실패했습니다[{code}:{meaning}]"), status)

    def _status(self, code: int, text: str) -> dict:
        names = {"return_code": ("return_code", "return_msg"), "returnCode": ("returnCode", "returnMsg")}[self.spelling]
        return dict(zip(names, (str(code) if self.text_codes else code, text), strict=True))


def _row(day: Day) -> dict[str, str]:
    """All texts, unsigned prices, value in million KRW, no field for the close but cur_prc."""
    when, opened, high, low, close, volume, value = day
    return {
        "cur_prc": f"{close}", "trde_qty": f"{volume}", "trde_prica": f"{value // 1_000_000}", "dt": f"{when:%Y%m%d}",
        "open_pric": f"{opened}", "high_pric": f"{high}", "low_pric": f"{low}", "pred_pre": "+600",
        "pred_pre_sig": "2", "trde_tern_rt": "+0.16"}  # fmt: skip
