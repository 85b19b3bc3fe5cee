"""Gyeonggi Data Dream (openapi.gg.go.kr): ORDNTMTRNSPORTGENRLTM, hourly counts of permanent sites on national roads.

A row is a site, a day and a direction with 24 hours: TM01 … TM24 are the hours ending 01 … 24, so TM01 begins at 00:00.
UPNDW_CD 0 is ambiguous (it can hold both directions): it is left out, 1 and 2 are used. No filter of the request but
paging is known, so all pages are read, and years and spots are chosen here. One small request asks how many rows there
are; only if that number is new, all pages are fetched, as one unit. (Rows corrected without a change of their number go
unnoticed: collect under another name to have them.)
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from litecast.errors import DataError

from .. import collecting, http
from ..paging import Incomplete, cell, chain, digest, number, records, series_table, unknown, whole

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {"gyeonggi": "Gyeonggi province: vehicles per hour, site and direction on national roads"}
KIND = {"gyeonggi": "traffic"}
KEYS = {"gyeonggi": {"GG_KEY": "data.gg.go.kr > 로그인 > 마이페이지 > 인증키 발급"}}

SERVICE = "ORDNTMTRNSPORTGENRLTM"
_HOURS = [f"TM{i:02d}_TRNSPORT_AMNT" for i in range(1, 25)]
_LATER = f"The provider is at fault. {http.KEPT}, later"
CODES = {  # codes of this family of portals: what they mean, what to do; the list of this portal itself was not read
    "INFO-100": ("the key is not valid", "Check GG_KEY"),
    "INFO-300": ("the key may not be used (stopped or over its limit)", "Check GG_KEY on data.gg.go.kr"),
    "ERROR-290": ("the key is not valid", "Check GG_KEY"),
    "ERROR-300": ("a value of the request is missing", "Look at the options given"),
    "ERROR-310": ("there is no such service", "Look at the options url and service"),
    "ERROR-333": ("page number or size is wrong", "Set page_size to 1000 or less"),
    "ERROR-336": ("more than 1,000 rows a page were asked for", "Set page_size to 1000 or less"),
    "ERROR-337": ("the requests of today are used up", f"Wait until tomorrow. {http.KEPT}"),
    "ERROR-500": ("server error", _LATER), "ERROR-600": ("database error", _LATER), "ERROR-601": ("SQL error", _LATER),
}  # fmt: skip


class Options(collecting.Options):
    """Options of gyeonggi."""

    SAME = ("direction",)

    years: collecting.Words = Field([], description="years, e.g. 2023,2024; default: all there are")
    spots: collecting.Words = Field([], description="sites as in SPOT_NO_INFO; default: all")
    direction: Literal["each", "both"] = Field("each", description="a series per direction (1, 2), or both together")
    page_size: int = Field(1000, ge=1, le=1000, description="rows a page, at most 1000")
    pace_s: float = Field(0.1, ge=0, description="least seconds between two requests")
    timeout_s: float = Field(30.0, gt=0, description="seconds to wait for an answer")
    service: str = Field(SERVICE, description="name of the service")
    url: str = Field("https://openapi.gg.go.kr", description="address of the portal")


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A part per month of the years asked for."""
    options = job.options
    job.describe(
        unit="vehicles/h", frequency="h", provider="Gyeonggi Data Dream, ORDNTMTRNSPORTGENRLTM (data.gg.go.kr)",
        licence="as the data set states on data.gg.go.kr",
        note="UPNDW_CD 0 is ambiguous and left out.")  # fmt: skip
    secret = job.key("GG_KEY")
    with job.client(options.url, pace_s=options.pace_s, timeout_s=options.timeout_s, judge=judge) as client:
        months = _months(job, _snapshot(job, client, secret))
    if not months:
        raise DataError(f"gyeonggi: no row of the years {options.years or 'there are'} and the spots "
                        f"{options.spots or 'there are'}; look at both options")  # fmt: skip
    for name, lines in sorted(months.items()):
        notes: Counter = Counter()
        yield collecting.Part(
            name, digest([f"rules 1, {options.direction}", *sorted(lines)]),
            functools.partial(_table, lines, options.direction, notes), functools.partial(dict, notes),
            {"month": name, "spots": options.spots})  # fmt: skip


# --- what an answer says


def judge(answer: http.Answer) -> None:
    """Returns for rows and for INFO-200 (no data); every other code -> DataError with its meaning."""
    if answer.status in http.BUSY or answer.body[:1] not in (b"{", b"\xef"):
        http.plain(answer)
    code, said = _code(answer.json())
    if code not in ("INFO-000", "INFO-200"):
        meaning, do = CODES.get(code, ("a code that is not in its list", "Look at the options given"))
        raise DataError(f"{answer.request}: Gyeonggi answers {code}, {meaning} ('{said[:80]}'). {do}")


def _code(body) -> tuple[str, str]:
    """Code and message, at the top or in the head of the service."""
    if isinstance(body, dict):
        for place in [body, *(one for service in body for one in _blocks(service, body, "head"))]:
            if isinstance(result := place.get("RESULT"), dict):
                return str(result.get("CODE", "?")), str(result.get("MESSAGE", ""))
    return "?", "no RESULT in the answer"


def _blocks(service: str, body: dict, name: str) -> list[dict]:
    """What an answer holds under {service: [{name: …}]}: its head, or its rows (a single one as object)."""
    parts = body.get(service)
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return records(next((part[name] for part in parts if name in part), []), f"gyeonggi, {name}")


def _read(service: str, answer: http.Answer) -> tuple[list[dict], int]:
    """Rows of a page and how many there are in all."""
    body = answer.json()
    if _code(body)[0] == "INFO-200":
        return [], 0
    heads = _blocks(service, body, "head")
    total = next((one["list_total_count"] for one in heads if "list_total_count" in one), None)
    return _blocks(service, body, "row"), whole(total, answer, "list_total_count")


def _snapshot(job: collecting.Job, client: http.Client, secret: str) -> list[bytes]:
    """All pages; from the collection if there are as many rows as when they were fetched."""
    options = job.options
    params = {"KEY": secret, "Type": "json"}
    read = functools.partial(_read, options.service)

    def page(index: int, size: int) -> http.Answer:
        return client.get(options.service, params | {"pIndex": index + 1, "pSize": size})

    total = read(page(0, 1))[1]

    def pages() -> list[http.Answer]:
        answers = chain(lambda index: page(index, options.page_size), read, options.page_size)
        if (now := read(answers[0])[1]) != total:
            raise Incomplete(f"{answers[0].request}: {now} rows in all, {total} a moment ago. {http.KEPT}")
        for lines in _months(job, [answer.body for answer in answers]).values():
            _days(lines, Counter())  # what cannot be read is not kept
        return answers

    unit = f"{options.service}, all {total} rows"
    bodies = job.fetched(unit, pages) if total else []
    for old in set(job.collection.raw.units(f"{options.service}, all ")) - {unit} if bodies else ():
        job.collection.raw.drop(old)  # the new one is the whole table again: hundreds of MB a year of rows
    return bodies


# --- parts


def _months(job: collecting.Job, bodies: list[bytes]) -> dict[str, list[str]]:
    """{"2024-01": rows as short texts (site, day, direction, 24 hours, sum)}: what a part is made of, and no more."""
    years, spots, found, sites = set(job.options.years), set(job.options.spots), {}, set()
    for body in bodies:
        for row in _blocks(job.options.service, json.loads(body), "row"):
            year, site = str(row.get("YY", "")).strip(), str(row.get("SPOT_NO_INFO", "")).strip()
            sites.add(site)
            if (years and year not in years) or (spots and site not in spots):
                continue
            day = _day(year, row, site)
            cells = [site, day, str(row.get("UPNDW_CD", "")).strip(), *(cell(row, name) for name in _HOURS)]
            found.setdefault(day[:7], []).append("|".join([*cells, cell(row, "TDAY_SUM")]))
    if sites:
        unknown(job.options.spots, sites, "gyeonggi: the site")
    return found


def _day(year: str, row: dict, site: str) -> str:
    """ISO day of a row; DataError for one that does not exist."""
    try:
        return date(int(year), int(row["MT"]), int(row["DE"])).isoformat()
    except (KeyError, TypeError, ValueError):
        raise DataError(f"gyeonggi, site {site}: YY={year}, MT={row.get('MT')}, DE={row.get('DE')} is no day. "
                        "The provider may have changed its fields") from None  # fmt: skip


def _table(lines: list[str], direction: str, notes: Counter) -> pd.DataFrame:
    """Vehicles per hour of the hours' starts."""
    import numpy as np

    days = _days(lines, notes)
    if direction == "both":
        sites = sorted({(site, day) for site, day, _ in days})
        empty = [float("nan")] * 24
        days = {(site, day, ""): [a + b for a, b in zip(days.get((site, day, "1"), empty),
                                                       days.get((site, day, "2"), empty), strict=True)]
                for site, day in sites}  # fmt: skip
    begins = np.array([day for _, day, _ in days], "datetime64[us]")
    time = begins[:, None] + np.arange(24) * np.timedelta64(1, "h")
    series = np.repeat(np.array([f"{site} {code}".strip() for site, _, code in days], object), 24)
    value = [count for hours in days.values() for count in hours]
    return series_table({"time": time.ravel(), "series": series, "value": value})


def _days(lines: list[str], notes: Counter) -> dict[tuple[str, str, str], list[float]]:
    """{(site, day, direction): 24 hours} of directions 1 and 2; equal rows given twice are taken once."""
    found: dict[tuple[str, str, str], list[float]] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for line in lines:
        site, day, code, *cells = line.split("|")
        where = f"gyeonggi, site {site}, {day}, UPNDW_CD {code}"
        if code not in ("0", "1", "2"):
            raise DataError(f"{where}: expected 0, 1 or 2. The provider may have changed its fields")
        if (site, day, code) in seen:
            if seen[site, day, code] != line:
                raise DataError(f"{where}: two different rows")
            notes["rows given twice"] += 1
            continue
        seen[site, day, code] = line
        if code == "0":
            notes["rows of direction 0 left out"] += 1
            continue
        *hours, total = (number(cell, where) for cell in cells)
        notes["hours read as missing"] += sum(value != value for value in hours)
        notes["days whose hours do not add up to TDAY_SUM"] += sum(hours) == sum(hours) != total == total
        found[site, day, code] = hours
    return found
