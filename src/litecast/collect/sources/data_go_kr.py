"""Open APIs of data.go.kr: the rules they share, and the traffic statistics of KICT (data set 15097077).

Shared rules: gateway errors come as XML although JSON was asked, with HTTP 200 or 403, or as plain text; `item` is a
list, one object or missing; a result code is `00`, `000`, `0` or a number.

KictTmsStat: `pageNo` from 0, at most 100 rows a page, a flat envelope. `itmsh_monthly` gives vehicles per month, site,
direction and hour of the day; summed over the 24 hours it is a monthly series. That a month's value is the total of the
month is read off the yearly totals, it is not stated anywhere. The yearly operations give one row per site, direction
and year: a table, no series.
"""

from __future__ import annotations

import calendar
import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from litecast.errors import DataError

from .. import collecting, http
from ..paging import Incomplete, Span, both, chain, digest, number, records, series_table, whole

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {"tms-statistics": "data.go.kr 15097077: vehicles per month (or year), site and direction on trunk roads"}
KIND = {"tms-statistics": "traffic"}
KEYS = {"tms-statistics": {
    "DATA_GO_KR_KEY": "data.go.kr > 로그인 > 15097077 > 활용신청, then 마이페이지 > the key in its Decoding form"}}

_KEY = ("Check DATA_GO_KR_KEY: its Decoding form, and an application (활용신청) for this very API; a new key needs an "
        "hour or more until it works")
_LATER = f"The provider is at fault. {http.KEPT}, later"
_ASKED = "Look at the options given"
CODES = {  # code of the gateway or of an API: what it means, what to do
    "01": ("APPLICATION_ERROR", _LATER),
    "02": ("DB_ERROR", _LATER),
    "03": ("NODATA_ERROR", _ASKED),
    "04": ("HTTP_ERROR", _LATER),
    "05": ("SERVICETIMEOUT_ERROR", _LATER),
    "10": ("INVALID_REQUEST_PARAMETER_ERROR", _ASKED),
    "11": ("NO_MANDATORY_REQUEST_PARAMETERS_ERROR", _ASKED),
    "12": ("NO_OPENAPI_SERVICE_ERROR: the address or the operation is gone", "Look at the option url"),
    "20": ("SERVICE_ACCESS_DENIED_ERROR", _KEY),
    "21": ("TEMPORARILY_DISABLE_THE_SERVICEKEY_ERROR", _KEY),
    "22": ("LIMITED_NUMBER_OF_SERVICE_REQUESTS_EXCEEDS_ERROR: the requests of today are used up",
           f"Wait until tomorrow. {http.KEPT}"),
    "30": ("SERVICE_KEY_IS_NOT_REGISTERED_ERROR", _KEY),
    "31": ("DEADLINE_HAS_EXPIRED_ERROR: the key is no longer valid", "Apply for it again on data.go.kr (활용연장신청)"),
    "32": ("UNREGISTERED_IP_ERROR", "Register the address of this machine on data.go.kr"),
    "33": ("UNSIGNED_CALL_ERROR", _KEY),
    "99": ("UNKNOWN_ERROR", _LATER),
}  # fmt: skip


# --- the envelope of data.go.kr


def judge(answer: http.Answer) -> None:
    """The judge of any API of data.go.kr: returns for data and for 'no data', else as http.plain, or DataError."""
    if answer.status in http.BUSY:
        http.plain(answer)
    head = answer.body[:2000].decode("utf-8", "replace").lstrip("\ufeff \r\n\t")
    if head.startswith("<") and "returnReasonCode" in head:
        root = answer.xml()
        code, said = root.findtext(".//returnReasonCode"), root.findtext(".//returnAuthMsg")
    else:
        code, said = _result(answer.json()) if head.startswith("{") else (None, None)
    if code is None:
        if re.fullmatch(r"[A-Za-z][A-Za-z .:!_-]{3,80}", head.strip()):  # "Forbidden", "Unexpected errors"
            raise DataError(f"{answer.request}: HTTP {answer.status}, '{head.strip()}' from the gateway. {_KEY}")
        http.plain(answer)
        raise DataError(f"{answer.request}: no data but {answer.looks()}. {http.KEPT}")
    code = f"{int(code):02d}" if code.strip().isdigit() else code.strip()
    if code not in ("00", "03"):
        meaning, do = CODES.get(code, (said or "a code that is not in its list", _ASKED))
        raise DataError(f"{answer.request}: data.go.kr answers {code}, {meaning}{_quote(said, meaning)}. {do}")


def items(body: dict) -> tuple[list[dict], int | None]:
    """Rows and their number in all: response/body/items/item as list, single object or '', or the flat form."""
    inner = _inside(body, "response", "body") or body
    rows = inner.get("traffic", inner.get("items"))
    if isinstance(rows, dict) and "spot_id" not in rows:
        rows = rows.get("item")
    return records(rows, "data.go.kr"), inner.get("totalCount", inner.get("count"))


def _result(body: dict) -> tuple[str | None, str]:
    """Code (None where there is none) and message, wherever the answer carries them."""
    for place in (_inside(body, "response", "header"), body, _inside(body, "cmmMsgHeader"),
                  _inside(body, "OpenAPI_ServiceResponse", "cmmMsgHeader")):  # fmt: skip
        for code, said in (("resultCode", "resultMsg"), ("returnReasonCode", "returnAuthMsg")):
            if place.get(code) is not None:
                return str(place[code]), str(place.get(said) or "")
    return None, ""


def _inside(body: dict, *names: str) -> dict:
    """The object under one name after the other; an empty one where there is none."""
    for name in names:
        body = body.get(name) if isinstance(body.get(name), dict) else {}
    return body


def _quote(said: str | None, meaning: str) -> str:
    return f" ('{said[:80]}')" if said and said not in meaning else ""


# --- traffic statistics


class Options(Span):
    """Options of tms-statistics."""

    SAME = ("operation", "dtype", "direction")

    operation: Literal["itmsh_monthly", "itmsh_yearly", "vt_yearly"] = Field(
        "itmsh_monthly", description="itmsh_monthly: monthly series; itmsh_yearly (by hour of the day), vt_yearly (by "
        "vehicle class): tables of a year")  # fmt: skip
    dtype: Literal["1", "2", "3", "5"] = Field("2", description="roads: 1 express, 2 national, 3 local, 5 aided local")
    direction: Literal["each", "both"] = Field("each", description="monthly series per direction, or both together")
    page_size: int = Field(100, ge=1, le=100, description="rows a page, at most 100")
    first_page: int = Field(0, ge=0, le=1, description="number of the first page of this API")
    pace_s: float = Field(0.1, ge=0, description="least seconds between two requests")
    timeout_s: float = Field(30.0, gt=0, description="seconds to wait for an answer")
    url: str = Field("https://apis.data.go.kr/1613000/KictTmsStat", description="address of the service")


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A part per month (or year). A month that has no data yet is asked for again next time."""
    options, monthly = job.options, job.options.operation == "itmsh_monthly"
    job.describe(
        unit="vehicles/month" if monthly else "vehicles/year", frequency="MS" if monthly else "",
        provider="MOLIT / KICT traffic statistics, data.go.kr 15097077", licence="as data set 15097077 states",
        note=_NOTE_MONTH if monthly else _NOTE_YEAR.format(name=job.name))  # fmt: skip
    secret = job.key("DATA_GO_KR_KEY")
    with job.client(options.url, pace_s=options.pace_s, timeout_s=options.timeout_s,
                    judge=functools.partial(_judge, options)) as client:  # fmt: skip
        end = min(options.end, job.clock.now().date())
        for when in job.progress(list(_spans(options.start, end, monthly)), what=options.operation):
            bodies = _bodies(job, client, secret, when)
            if any(_rows(body) for body in bodies):
                yield _part(options, when, bodies)


_NOTE_MONTH = ("Vehicles of a whole month per site and direction, summed over the 24 hours of the day. Direction 0 is "
               "both directions and never summed with 1 and 2.")  # fmt: skip
_NOTE_YEAR = ("Totals of a year per site and direction are a table, no series; read a part with "
              "litecast.data.store.Collection('{name}').part(PART).")  # fmt: skip


def _judge(options: Options, answer: http.Answer) -> None:
    if answer.status == 502 and options.operation == "itmsh_yearly" and options.dtype in ("3", "5"):
        raise DataError(f"{answer.request}: HTTP 502. itmsh_yearly is known to have no data for dtype=3 and dtype=5; "
                        "choose dtype=1 or dtype=2, or operation=vt_yearly")  # fmt: skip
    if answer.status == 404:
        raise DataError(f"{answer.request}: HTTP 404, there is no such operation. Older names (getTmsStatInfo …) are "
                        "gone; look at the option url")  # fmt: skip
    judge(answer)


def _spans(start: date, end: date, monthly: bool) -> Iterator[tuple[int, int | None]]:
    """(year, month) from start to end, or (year, None)."""
    for year in range(start.year, end.year + 1):
        for month in range(1, 13) if monthly else (None,):
            if not monthly or (start.year, start.month) <= (year, month) <= (end.year, end.month):
                yield year, month


def _bodies(job: collecting.Job, client: http.Client, secret: str, when: tuple[int, int | None]) -> list[bytes]:
    """All pages of a month or year; kept for good once there are rows and the time is over."""
    options, (year, month) = job.options, when
    unit = f"{options.operation} dtype {options.dtype} {_name(when)}"
    if (kept := job.collection.raw.pages(unit)) is not None:
        return kept
    params = {"serviceKey": secret, "output": "json", "year": year, "month": month, "dtype": options.dtype,
              "spot_id": "all", "numOfRows": options.page_size}  # fmt: skip
    params = {key: value for key, value in params.items() if value is not None}
    answers = chain(lambda page: client.get(options.operation, params | {"pageNo": options.first_page + page}),
                    functools.partial(_read, when), options.page_size)  # fmt: skip
    prefix = "vehicle_type" if options.operation == "vt_yearly" else "time_type"
    _sites([row for one in answers for row in _rows(one.body)], prefix, unit, Counter())  # unreadable: not kept
    now = job.clock.now()
    over = (now.year, now.month if month else 13) > (year, month or 12)
    return job.fetched(unit, lambda: answers, final=over and bool(_rows(answers[0].body)))


def _read(when: tuple[int, int | None], answer: http.Answer) -> tuple[list[dict], int]:
    """Rows and their number; Incomplete if the answer is one for another year or month."""
    if answer.body.lstrip().startswith(b"<"):
        return [], 0  # the judge lets NODATA_ERROR pass
    body = answer.json()
    rows, total = items(body)
    for key, wanted in zip(("year", "month"), when, strict=True):
        said = body.get(key)
        if wanted and str(said or wanted).isdigit() and int(said or wanted) != wanted:
            raise Incomplete(f"{answer.request}: the answer is for {key} {said}. {http.KEPT}")
    if total is None and _result(body)[0] in ("3", "03"):
        total = 0  # NODATA_ERROR comes without a count
    return rows, whole(total, answer, "count")


def _rows(body: bytes) -> list[dict]:
    return [] if body.lstrip().startswith(b"<") else items(json.loads(body))[0]


def _name(when: tuple[int, int | None]) -> str:
    return f"{when[0]}" if when[1] is None else f"{when[0]}-{when[1]:02d}"


def _part(options: Options, when: tuple[int, int | None], bodies: list[bytes]) -> collecting.Part:
    notes: Counter = Counter()
    make = _monthly if options.operation == "itmsh_monthly" else _yearly
    request = {"operation": options.operation, "dtype": options.dtype, "of": _name(when)}
    return collecting.Part(
        _name(when), digest([f"rules 1, {options.operation}, {options.dtype}, {options.direction}", *bodies]),
        lambda: make(options, when, [row for body in bodies for row in _rows(body)], notes),
        functools.partial(dict, notes), request)  # fmt: skip


def _sites(rows: list[dict], prefix: str, where: str, notes: Counter) -> dict[str, dict[str, dict[str, float]]]:
    """{site: {direction: {column: vehicles}}}; rows given twice are taken once, if they say the same."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        site, direction = str(row.get("spot_id", "")).strip(), str(row.get("direction", "")).strip()
        if not site or direction not in ("0", "1", "2"):
            raise DataError(f"{where}: a row has site '{site}', direction '{direction}'; expected a site and 0, 1 or 2")
        names = [f"{prefix}{i}" for i in range(1, (24 if prefix == "time_type" else 12) + 1)] + ["total_count"]
        cells = {name: number(row.get(name), f"{where}, {site}, {name}") for name in names}
        if (other := found.setdefault(site, {}).get(direction)) is not None:
            if repr(other) != repr(cells):
                raise DataError(f"{where}: two different rows for site {site}, direction {direction}")
            notes["rows given twice"] += 1
        found[site][direction] = cells
    return found


def _monthly(options: Options, when: tuple[int, int], rows: list[dict], notes: Counter) -> pd.DataFrame:
    """Vehicles of the month per site and direction, or per site."""
    import pandas as pd

    where, time, table = f"tms-statistics {_name(when)}", pd.Timestamp(*when, 1), []
    for site, directions in _sites(rows, "time_type", where, notes).items():
        sums = {}
        for direction, cells in directions.items():
            sums[direction] = sum(value for name, value in cells.items() if name != "total_count")
            notes["months with an hour missing"] += sums[direction] != sums[direction]
            notes["sums unlike total_count"] += sums[direction] != cells["total_count"] == cells["total_count"]
        if options.direction == "both":
            table.append((time, site, both(sums)))
        else:  # 0 holds 1 and 2: a series of its own only where they are not given
            parted = {d: value for d, value in sums.items() if d != "0"} or sums
            notes["direction 0 left out beside 1 and 2"] += len(sums) - len(parted)
            table += [(time, f"{site} {direction}", value) for direction, value in parted.items()]
    return series_table(table)


def _yearly(options: Options, when: tuple[int, None], rows: list[dict], notes: Counter) -> pd.DataFrame:
    """Every row of a year with all its columns; value = vehicles of the year; aadt = both directions / days."""
    import pandas as pd

    prefix = "vehicle_type" if options.operation == "vt_yearly" else "time_type"
    days, time, table, names = 366 if calendar.isleap(when[0]) else 365, pd.Timestamp(when[0], 1, 1), [], ()
    for site, directions in _sites(rows, prefix, f"tms-statistics {_name(when)}", notes).items():
        totals = {d: cells["total_count"] if cells["total_count"] == cells["total_count"]
                  else sum(value for name, value in cells.items() if name != "total_count")
                  for d, cells in directions.items()}  # fmt: skip
        for direction, cells in directions.items():
            names = tuple(name for name in cells if name != "total_count")
            table.append((time, f"{site} {direction}", totals[direction], both(totals) / days,
                          *(cells[name] for name in names)))  # fmt: skip
    return series_table(table, ("aadt", *names))
