"""Gyeonggi Data Dream as it behaves: pIndex from 1, pSize to 1,000, list_total_count in the head, errors at the top."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakes.loopback import Loopback, Reply, Request
from fakes.seoul import Switches, html, wrong

KEY = "SECRETKEYgg0123456789"
SERVICE = "ORDNTMTRNSPORTGENRLTM"


@dataclass
class Gyeonggi(Switches):
    """rows: all there are, in their order."""

    rows: list[dict] = field(default_factory=list)

    def serve(self, server: Loopback) -> Gyeonggi:
        server.routes[f"/{SERVICE}"] = self.answer
        return self

    def answer(self, request: Request) -> Reply:
        asked, fault = request.params, self.next_fault()
        if fault == "html":
            return html()
        if asked.get("KEY") != KEY or fault in ("key", "echo"):
            return result("ERROR-290", f"인증키가 유효하지 않습니다. {asked.get('KEY') if fault == 'echo' else ''}")
        if fault == "expired":
            return result("INFO-300", "관리자에 의해 인증키 사용이 제한되었습니다.")
        if fault == "limit":
            return result("ERROR-337", "일별 트래픽 제한을 넘은 호출입니다.")
        if fault == "error":  # XML though JSON was asked for
            return Reply("<RESULT><CODE>ERROR-500</CODE><MESSAGE>서버 오류</MESSAGE></RESULT>", type="application/xml")
        index, size = int(asked.get("pIndex", 1)), int(asked.get("pSize", 100))
        if asked.get("Type") != "json" or index < 1:
            return result("ERROR-300", "필수 값이 누락되어 있습니다.")
        if size > 1000:
            return result("ERROR-336", "데이터요청은 한번에 최대 1,000건을 넘을 수 없습니다.")
        if not self.rows:
            return result("INFO-200", "해당하는 데이터가 없습니다.")
        page = self.damaged(fault, self.rows[(index - 1) * size : index * size])
        good = {"CODE": "INFO-000", "MESSAGE": f"정상 처리되었습니다. {KEY}"}
        head = [{"list_total_count": len(self.rows)}, {"RESULT": good}, {"api_version": "1.0"}]
        reply = Reply({SERVICE: [{"head": head}, {"row": page}]})
        return wrong(reply) if fault == "encoding" else reply


def result(code: str, message: str) -> Reply:
    return Reply({"RESULT": {"CODE": code, "MESSAGE": message}})


def row(site: str, day: str, direction: int, first: int = 0, **changes) -> dict:
    """Vehicles first, first + 1, … in the hours ending 01 … 24."""
    year, month, date = day.split("-")
    hours = {f"TM{i + 1:02d}_TRNSPORT_AMNT": str(first + i) for i in range(24)}
    where = {"SPOT_NO_INFO": site, "UPNDW_CD": str(direction), "UPNDW_DIV": "하행", "ROUTE_NM": "국도42호선"}
    when = {"YY": year, "MT": str(int(month)), "DE": str(int(date))}
    return when | where | hours | {"TDAY_SUM": str(24 * first + 276)} | changes


def sample(days: list[str]) -> Gyeonggi:
    """One site, both directions, and the doubtful direction 0."""
    return Gyeonggi(rows=[row("4302-03", day, d, 100 * d + int(day[-2:])) for day in days for d in (0, 1, 2)])
