"""data.ex.co.kr as it behaves: the newest interval only, padded codes, commas, `trafficAmout`, filters not honoured."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakes.loopback import Loopback, Reply, Request
from fakes.seoul import Switches, html, wrong

KEY = "SECRETKEY8771969304"
PREFIX = "/openapi/trafficapi/"


@dataclass
class Expressway(Switches):
    """now: (sumDate, sumTm); rows: {service: rows without time}."""

    now: tuple[str, str] = ("20240502", "1400")
    rows: dict = field(default_factory=dict)

    def serve(self, server: Loopback) -> Expressway:
        server.routes[PREFIX] = self.answer
        return self

    def answer(self, request: Request) -> Reply:
        asked, service, fault = request.params, request.path.removeprefix(PREFIX), self.next_fault()
        if fault == "html":
            return html()
        if asked.get("key") != KEY or fault in ("key", "echo"):
            said = f"인증키 {asked.get('key') if fault == 'echo' else ''}"
            return Reply({"code": "INVALID_KEY", "message": said, "count": 0})
        if fault == "expired":
            return Reply({"code": "EXPIRED_KEY", "message": "인증키 기간 만료", "count": 0})
        if fault == "limit":
            return Reply({"code": "EXCEEDED_LIMIT", "message": "요청 제한을 초과", "count": 0})
        if fault == "error" or asked.get("type") != "json":
            return Reply("<result><code>SYSTEM_ERROR</code></result>", type="application/xml")
        if asked.get("tmType") not in ("1", "2") or service not in self.rows:
            return Reply({"code": "INVALID_REQUEST_PARAMETER", "message": "tmType", "count": 0})
        size, page = int(asked.get("numOfRows", 10)), int(asked.get("pageNo", 1))
        if not 1 <= size <= 1000 or page < 1:
            return Reply({"code": "INVALID_REQUEST_PARAMETER", "message": "numOfRows", "count": 0})
        date, time = self.now
        rows = [one | {"sumDate": date, "sumTm": time, "tmType": asked["tmType"]} for one in self.rows[service]]
        shown = self.damaged(fault, rows[(page - 1) * size : page * size])
        said = f"인증키가 유효합니다. {KEY}"
        reply = Reply({"code": "SUCCESS", "message": said, "count": str(len(rows)), service: shown})
        return wrong(reply) if fault == "encoding" else reply


def row(office: str, way: int, tcs: int, count: str, car: int = 1, operator: str = "00") -> dict:
    return {"exDivCode": operator, "exDivName": "도공", "unitCode": f"{office} ", "unitName": "서울",
            "inoutType": str(way), "tcsType": str(tcs), "carType": str(car), "trafficAmout": count}  # fmt: skip


def sample(now: tuple[str, str] = ("20240502", "1400")) -> Expressway:
    """Two offices, in and out, cash and Hi-pass: 101 in = 1,234 + 6."""
    rows = [row("101", 0, 1, "6"), row("101", 0, 2, "1,234"), row("101", 1, 1, "7"), row("101", 1, 2, "900"),
            row("105", 0, 2, "50"), row("105", 1, 2, "-")]  # fmt: skip
    return Expressway(now=now, rows={"trafficIc": rows})
