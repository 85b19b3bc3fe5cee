"""Seoul open data as it behaves: XML only, key in the path, rows by first and last, INFO-200 for no data."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakes.loopback import PAGE, Loopback, Reply, Request

KEY = "SECRETKEYseoul+5a"
FAULTS = ("key", "expired", "limit", "error", "html", "encoding", "empty", "truncated", "repeated", "echo")


@dataclass
class Switches:
    """Faults of a provider: `switch(name, times, after)` hits data answers, after so many good ones."""

    faults: list[list] = field(default_factory=list)
    last: list = field(default_factory=list)  # rows of the answer before

    def switch(self, name: str, times: int = 1, after: int = 0) -> None:
        assert name in FAULTS, name
        self.faults.append([name, times, after])

    def next_fault(self) -> str | None:
        for fault in self.faults:
            if fault[2] > 0:
                fault[2] -= 1
            elif fault[1] > 0:
                fault[1] -= 1
                return fault[0]
        return None

    def damaged(self, fault: str | None, rows: list) -> list:
        """Rows as a fault of paging leaves them; the count that goes with them is not touched."""
        rows = {"empty": [], "truncated": rows[:-1], "repeated": self.last}.get(fault, rows)
        self.last = rows
        return rows


def wrong(reply: Reply) -> Reply:
    """The same text in cp949, though UTF-8 is promised."""
    return Reply(reply.content().decode().encode("cp949"), reply.status, type=reply.type)


def html() -> Reply:
    return Reply(PAGE, type="text/html")


@dataclass
class Seoul(Switches):
    """counts: {(spot, ymd, hh): [(io_type, lane_num, vol), …]}; spots: {spot: (name, x, y)}."""

    spots: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)

    def serve(self, server: Loopback) -> Seoul:
        server.routes["/"] = self.answer
        return self

    def answer(self, request: Request) -> Reply:
        key, form, service, first, last, *rest = request.path.strip("/").split("/")
        fault = self.next_fault()
        if fault == "html":
            return html()
        if key != KEY or fault in ("key", "expired", "echo"):  # no code of its own for an expired key
            return result("INFO-100", f"인증키가 유효하지 않습니다. {key if fault == 'echo' else ''}")
        if fault == "limit":  # the newer gateway
            return Reply({"status": 500, "code": "ERROR-500", "message": "서버 오류입니다."}, 500)
        if fault == "error":
            return result("ERROR-600", "데이터베이스 연결 오류입니다.")
        if form != "xml":
            return Reply({"RESULT": {"CODE": "ERROR-301", "MESSAGE": "파일타입 값이 누락 혹은 유효하지 않습니다."}})
        first, last = int(first), int(last)
        if first < 1 or last < first:
            return result("ERROR-334", "요청종료위치 보다 요청시작위치가 더 큽니다.")
        if last - first >= 1000:
            return result("ERROR-336", "데이터요청은 한번에 최대 1000건을 넘을 수 없습니다.")
        reply = self.data(service, first, last, rest, fault)
        return wrong(reply) if fault == "encoding" else reply

    def data(self, service: str, first: int, last: int, rest: list[str], fault: str | None) -> Reply:
        if service == "SpotInfo":
            rows = [{"spot_num": spot, "spot_nm": name, "grs80tm_x": x, "grs80tm_y": y}
                    for spot, (name, x, y) in self.spots.items()]  # fmt: skip
        elif service == "VolInfo":
            if len(rest) < 3:
                return result("ERROR-300", "필수 값이 누락되어 있습니다.")
            spot, ymd, hh = rest
            rows = [{"spot_num": spot, "ymd": ymd, "hh": hh, "io_type": io, "lane_num": lane, "vol": vol}
                    for io, lane, vol in self.counts.get((spot, ymd, hh), [])]  # fmt: skip
        else:
            return result("ERROR-310", "해당하는 서비스를 찾을 수 없습니다.")
        page = self.damaged(fault, rows[first - 1 : last])
        if not rows:
            return result("INFO-200", "해당하는 데이터가 없습니다.")
        cells = "".join("<row>" + "".join(f"<{k}>{v}</{k}>" for k, v in row.items()) + "</row>" for row in page)
        said = f"<RESULT><CODE>INFO-000</CODE><MESSAGE>정상 처리되었습니다 {KEY}</MESSAGE></RESULT>"
        return Reply(f'<?xml version="1.0" encoding="UTF-8"?>\n<{service}><list_total_count>{len(rows)}'
                     f"</list_total_count>{said}{cells}</{service}>", type="application/xml")  # fmt: skip


def result(code: str, message: str) -> Reply:
    """An error: the root is just RESULT."""
    return Reply(f'<?xml version="1.0" encoding="UTF-8"?><RESULT><CODE>{code}</CODE><MESSAGE><![CDATA[{message}]]>'
                 "</MESSAGE></RESULT>", type="application/xml")  # fmt: skip


def sample(days: list[str], spot: str = "A-01") -> Seoul:
    """Two directions, two lanes each, of whole days; count = 100 io + 10 lane + hour + days before."""
    counts = {(spot, ymd, f"{h:02d}"): [(io, lane, 100 * io + 10 * lane + h + day) for io in (1, 2) for lane in (1, 2)]
              for day, ymd in enumerate(days) for h in range(24)}  # fmt: skip
    return Seoul(spots={spot: ("성산로(금화터널)", 195820.5, 451600.25), "B-02": ("남산1호터널", 199000.0, 450000.0)},
                 counts=counts)  # fmt: skip
