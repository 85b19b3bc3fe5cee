"""Korea Expressway (data.ex.co.kr): vehicles per toll office (trafficIc) or in all (trafficAll), right now.

There is no date in the request: every call is a snapshot of the newest hour or quarter, and what nobody collected is
lost here (past days: the files, source toll-files). Call it once an hour (or quarter); a second call in the same
interval changes nothing, the first answer stays. The provider's own inOutType filter is not always honoured, so all is
asked for and chosen here. Counts are summed over cash and Hi-pass lanes (tcsType) and vehicle classes (carType).
Whether sumTm is the end or the start of its interval is stated nowhere: option stamp. "end" is a guess from the name:
compare a day with the toll files before relying on it.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from litecast.errors import DataError

from .. import collecting, http
from ..paging import cell, chain, digest, number, records, series_table, unknown, whole

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {"expressway": "Korea Expressway open API: vehicles per toll office, the newest hour or quarter only"}
KIND = {"expressway": "traffic"}
KEYS = {"expressway": {"EX_KEY": "data.ex.co.kr > 로그인 > OPEN API > 인증키 발급"}}

_KEY, _ASKED = "Check EX_KEY", "Look at the options given"
CODES = {  # texts of `code`, listed by one library only: what they mean, what to do
    "INVALID_KEY": ("the key is not valid", _KEY),
    "NO_REGISTERED_KEY": ("the key is not registered", _KEY),
    "EXPIRED_KEY": ("the key has expired", "Apply for a new one on data.ex.co.kr"),
    "EXCEEDED_LIMIT": ("too many requests, the limit is not published", f"Wait, then go on. {http.KEPT}"),
    "INVALID_REQUEST_PARAMETER": ("a value of the request is wrong", _ASKED),
    "SYSTEM_ERROR": ("the provider is at fault", f"{http.KEPT}, later"),
}  # fmt: skip
_MINUTES = {"1": 60, "2": 15}  # by tmType
_WAYS = {"0": "in", "1": "out"}
_Offices = Annotated[collecting.Words, AfterValidator(lambda codes: [code.zfill(3) for code in codes])]  # 13 = 013


class Options(collecting.Options):
    """Options of expressway."""

    SAME = ("what", "interval", "operator", "in_out", "stamp")

    what: Literal["trafficIc", "trafficAll"] = Field("trafficIc", description="trafficIc: per toll office; trafficAll: "
                                                     "all offices of an operator together")  # fmt: skip
    interval: Literal["1", "2"] = Field("1", description="tmType: 1 = an hour, 2 = 15 minutes")
    operator: str = Field("00", description="exDivCode: 00 = Korea Expressway; private roads 01, 02, 08 …; empty = all")
    offices: _Offices = Field([], description="toll offices, e.g. 101,105; default: all")
    in_out: Literal["each", "in", "out"] = Field("each", description="entries and exits, or one of them (trafficIc)")
    stamp: Literal["end", "start"] = Field("end", description="what sumTm is of its interval (not documented)")
    page_size: int = Field(1000, ge=1, le=1000, description="rows a page, at most 1000")
    pace_s: float = Field(0.2, ge=0, description="least seconds between two requests")
    timeout_s: float = Field(30.0, gt=0, description="seconds to wait for an answer")
    url: str = Field("https://data.ex.co.kr/openapi/trafficapi", description="address of the service")


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A snapshot is taken; then a part per month of all intervals collected so far."""
    options = job.options
    job.describe(
        unit="vehicles/h" if options.interval == "1" else "vehicles/15min",
        frequency="h" if options.interval == "1" else "15min", provider="Korea Expressway Corporation, data.ex.co.kr",
        licence="as data.ex.co.kr states", note=f"Snapshots: intervals nobody collected are missing. sumTm is read as "
        f"the {options.stamp} of its interval.")  # fmt: skip
    prefix = f"{options.what} tmType {options.interval} exDivCode {options.operator or 'all'} "
    _snapshot(job, prefix)
    months: dict[str, list[str]] = {}
    for unit in job.collection.raw.units(prefix):
        months.setdefault(f"{_begin(options, *unit.split()[-2:]):%Y-%m}", []).append(unit)
    for month, units in months.items():
        notes: Counter = Counter()
        yield collecting.Part(
            month, digest(["rules 1", options.stamp, options.in_out, *sorted(options.offices), *units]),
            functools.partial(_table, job, units, notes), functools.partial(dict, notes),
            {"what": options.what, "tmType": options.interval, "month": month})  # fmt: skip


# --- what an answer says


def judge(answer: http.Answer) -> None:
    """Returns for SUCCESS and NO_DATA; every other code -> DataError with its meaning."""
    if answer.status in http.BUSY or not answer.body.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"{"):
        http.plain(answer)
    body = answer.json()
    code = str(body.get("code", "?")).strip() if isinstance(body, dict) else "?"
    if code not in ("SUCCESS", "NO_DATA"):
        meaning, do = CODES.get(code, ("a code that is not in its list", _ASKED))
        said = str(body.get("message") or "")[:80] if isinstance(body, dict) else answer.looks()
        raise DataError(f"{answer.request}: data.ex.co.kr answers {code}, {meaning} ('{said}'). {do}")


def _rows(what: str, body: dict) -> list[dict]:
    """Rows under the name of the service (older answers: `list`), a single one as object."""
    return records(body.get(what, body.get("list")), f"expressway, {what}")


def _read(what: str, size: int, answer: http.Answer) -> tuple[list[dict], int]:
    """Rows of a page and how many there are in all: `count` is read so, it is written nowhere."""
    body = answer.json()
    if body["code"] == "NO_DATA":
        return [], 0
    rows, count = _rows(what, body), whole(body.get("count"), answer, "count")
    if len(rows) == count == size:  # of the page, or of all? The rest would be lost in silence
        raise DataError(f"{answer.request}: count is {count}, as many as a page holds, so there may be more rows. Give "
                        "another page_size (rather 999 than 1000)")  # fmt: skip
    return rows, count


# --- snapshots


def _snapshot(job: collecting.Job, prefix: str) -> None:
    """Ask for what there is now, and keep it under each interval that is not kept yet."""
    options, secret = job.options, job.key("EX_KEY")
    params = {"key": secret, "type": "json", "tmType": options.interval, "exDivCode": options.operator,
              "numOfRows": options.page_size}  # fmt: skip
    params = {name: value for name, value in params.items() if value != ""}
    with job.client(options.url, pace_s=options.pace_s, timeout_s=options.timeout_s, judge=judge) as client:
        def pages() -> list[http.Answer]:
            return chain(lambda page: client.get(options.what, params | {"pageNo": page + 1}),
                         functools.partial(_read, options.what, options.page_size), options.page_size)  # fmt: skip

        answers = pages()
        if len(_slots(options, [answer.body for answer in answers])) > 1:
            answers = pages()  # the interval may have turned between two pages: then only a new chain is whole
    slots = _slots(options, [answer.body for answer in answers])
    if slots and not job.collection.raw.units(prefix):  # later an office may be shut for an hour
        unknown(options.offices, {_office(row) for rows in slots.values() for row in rows}, "expressway: the office")
    for (date, time), rows in slots.items():
        _begin(options, date, time)
        _sums(options, rows, Counter())  # what cannot be read is not kept
        job.fetched(f"{prefix}{date} {time}", lambda: answers)


def _slots(options: Options, bodies: list[bytes]) -> dict[tuple[str, str], list[dict]]:
    """{(sumDate, sumTm): rows}, in order."""
    found: dict[tuple[str, str], list[dict]] = {}
    for body in bodies:
        for row in _rows(options.what, json.loads(body)):
            if cell(row, "tmType") in ("", options.interval):
                found.setdefault((cell(row, "sumDate"), cell(row, "sumTm")), []).append(row)
    return dict(sorted(found.items()))


def _begin(options: Options, date: str, time: str) -> datetime:
    """Start of the interval that (sumDate, sumTm) names; sumTm is HHMM or HH, 2400 the end of a day."""
    length = _MINUTES[options.interval]
    try:
        hours, minutes = int(time[:2]), int(time[2:] or 0)
        at = datetime.strptime(date.replace("-", ""), "%Y%m%d") + timedelta(hours=hours, minutes=minutes)
        if hours > 24 or minutes >= 60 or len(time) not in (2, 4) or at.minute % length:
            raise ValueError
    except ValueError:
        raise DataError(f"expressway: sumDate '{date}', sumTm '{time}' is no end of an interval of {length} minutes. "
                        "The provider may have changed its fields") from None  # fmt: skip
    return at - timedelta(minutes=length if options.stamp == "end" else 0)


def _office(row: dict) -> str:
    """Three digits; codes come padded with spaces. '' where there is none."""
    return cell(row, "unitCode").zfill(3) if cell(row, "unitCode") else ""


# --- parts


def _table(job: collecting.Job, units: list[str], notes: Counter) -> pd.DataFrame:
    """Vehicles per interval and series, of the snapshots of a month."""
    rows = []
    for unit in units:
        slot = tuple(unit.split()[-2:])
        counts = _sums(job.options, _slots(job.options, job.collection.raw.pages(unit))[slot], notes)
        rows += [(_begin(job.options, *slot), series, value) for series, value in counts.items()]
    return series_table(rows)


def _sums(options: Options, rows: list[dict], notes: Counter) -> dict[str, float]:
    """{series: vehicles} of one interval: over lanes and classes; a row without a number makes its sum missing."""
    sums: dict[str, float] = {}
    seen: dict[tuple, float] = {}
    for row in rows:
        series, wanted = _series(options, row)
        key = (series, cell(row, "exDivCode"), cell(row, "tcsType"), cell(row, "carType"))
        count = number(row.get("trafficAmout"), f"expressway {series} {cell(row, 'sumDate')} {cell(row, 'sumTm')}")
        if not wanted:
            notes["rows not asked for"] += 1
        elif key in seen:
            if repr(seen[key]) != repr(count):
                raise DataError(f"expressway: two different counts for {key} at {cell(row, 'sumTm')}")
            notes["rows given twice"] += 1
        else:
            seen[key] = count
            notes["counts read as missing"] += count != count
            sums[series] = sums.get(series, 0.0) + count
    return sums


def _series(options: Options, row: dict) -> tuple[str, bool]:
    """Name of a row's series, and whether it was asked for. Codes are padded with spaces."""
    operator = cell(row, "exDivCode") or options.operator
    of_operator = options.operator in ("", operator)
    if options.what == "trafficAll":
        return operator or "all", of_operator
    office, code = _office(row), cell(row, "inoutType") or cell(row, "inOutType")
    if not office or code not in _WAYS:
        raise DataError(f"expressway: a row has unitCode '{office}', inoutType '{code}'; expected an office and 0 or 1")
    way = _WAYS[code]
    asked = of_operator and (not options.offices or office in options.offices) and options.in_out in ("each", way)
    return f"{office} {way}" if options.operator else f"{operator}-{office} {way}", asked
