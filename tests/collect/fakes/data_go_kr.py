"""data.go.kr as it behaves: XML errors to JSON requests, pageNo from 0 for KictTmsStat, 100 rows a page, 502, 404."""

from __future__ import annotations

from dataclasses import dataclass, field

from fakes.loopback import Loopback, Reply, Request
from fakes.seoul import Switches, html, wrong

KEY = "SECRETKEY+data/go==kr"  # decoded form; sent twice encoded it is another key
PREFIX = "/1613000/KictTmsStat/"


def gateway(code: str, name: str, status: int = 200, said: str = "SERVICE ERROR") -> Reply:
    return Reply(f"<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>{said}</errMsg><returnAuthMsg>{name}</returnAuthMsg>"
                 f"<returnReasonCode>{code}</returnReasonCode></cmmMsgHeader></OpenAPI_ServiceResponse>",
                 status, type="text/xml")  # fmt: skip


@dataclass
class Statistics(Switches):
    """months: {(year, month): rows} of itmsh_monthly; years: {(operation, year): rows}."""

    months: dict = field(default_factory=dict)
    years: dict = field(default_factory=dict)

    def serve(self, server: Loopback) -> Statistics:
        server.routes[PREFIX] = self.answer
        return self

    def answer(self, request: Request) -> Reply:
        asked, operation, fault = request.params, request.path.removeprefix(PREFIX), self.next_fault()
        if fault == "html":
            return html()
        if asked.get("serviceKey") != KEY or fault in ("key", "echo"):
            said = f"bad key {asked.get('serviceKey')}" if fault == "echo" else "SERVICE ERROR"
            return gateway("30", "SERVICE_KEY_IS_NOT_REGISTERED_ERROR", 403 if fault == "echo" else 200, said)
        if fault == "expired":
            return gateway("31", "DEADLINE_HAS_EXPIRED_ERROR")
        if asked.get("output") != "json":
            return Reply("<response/>", type="text/xml")
        if fault == "limit":
            return gateway("22", "LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR")
        if fault == "error":
            return Reply("Unexpected errors", 200, type="text/plain")
        if operation not in ("itmsh_monthly", "itmsh_yearly", "vt_yearly"):
            return Reply("API not found", 404, type="text/plain")
        if not {"year", "dtype", "spot_id", "numOfRows", "pageNo"} <= set(asked) or (
                operation == "itmsh_monthly" and "month" not in asked):  # fmt: skip
            return gateway("11", "NO_MANDATORY_REQUEST_PARAMETERS_ERROR")
        if not 1 <= int(asked["numOfRows"]) <= 100:
            return gateway("10", "INVALID_REQUEST_PARAMETER_ERROR")
        if operation == "itmsh_yearly" and asked["dtype"] in ("3", "5"):
            return Reply("Error forwarding request to backend server", 502, type="text/plain")
        reply = self.data(operation, asked, fault)
        return wrong(reply) if fault == "encoding" else reply

    def data(self, operation: str, asked: dict, fault: str | None) -> Reply:
        year = int(asked["year"])
        rows = self.months.get((year, int(asked["month"])), []) if "month" in asked else self.years.get(
            (operation, year), [])  # fmt: skip
        if not rows:
            return gateway("03", "NODATA_ERROR")
        size, page = int(asked["numOfRows"]), int(asked["pageNo"])
        head = {"resultCode": "00", "resultMsg": f"정상 NORMAL SERVICE {KEY}", "year": year}
        return Reply(head | {"dtype": int(asked["dtype"])} | {
            "count": len(rows), "traffic": self.damaged(fault, rows[page * size : (page + 1) * size])})  # fmt: skip


def row(site: str, direction: int, first: int = 1) -> dict:
    """Vehicles per hour of the day: first, first + 1, … (sum 24 first + 276)."""
    hours = {f"time_type{i + 1}": first + i for i in range(24)}
    return {"spot_id": site, "direction": direction, **hours, "total_count": sum(hours.values())}


def sample(months: list[tuple[int, int]]) -> Statistics:
    """Three sites in both directions."""
    return Statistics(months={when: [row(f"{site:04d}-000", d, 10 * site + d + when[1]) for site in (101, 102, 103)
                                     for d in (1, 2)] for when in months})  # fmt: skip
