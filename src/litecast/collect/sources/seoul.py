"""Seoul open data (data.seoul.go.kr): VolInfo, vehicles per spot, hour, lane and direction; SpotInfo, the spots.

Both services speak XML only and want the key inside the address. One request is one spot x one hour, so a year of one
spot is 8,760 requests: for long histories take the monthly files of TOPIS (source topis-files).
INFO-200 means "no data" and is a missing value, not a failure. `hh` is taken as the hour that begins then.
io_type 1 and 2 are read as in and out (유입/유출) by convention of users; no official name of them was found, so series
carry the number: "A-01 1".

A unit of raw answers is a day of a spot (24 requests): a kill costs 23 requests at most, and a year of a spot is 365
commits and look-ups instead of 8,760. Days younger than settle_h hours are asked for again: what is late is no hole.
"""

from __future__ import annotations

import difflib
import functools
import urllib.parse
import xml.etree.ElementTree as xml
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from litecast.errors import DataError

from .. import collecting, http
from ..paging import Incomplete, Span, chain, digest, number, series_table, whole

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {"seoul": "Seoul open data: vehicles per hour, spot and direction (VolInfo), request by request"}
KIND = {"seoul": "traffic"}
KEYS = {"seoul": {"SEOUL_KEY": "data.seoul.go.kr > 로그인 > 나의 화면 > 인증키 신청 (일반 인증키)"}}

_LATER = f"The provider is at fault. {http.KEPT}, later"
_ASKED = "Look at the options given"
_INDEX = ("the first or last row asked for is wrong", "Set page_size to 1000 or less")
_UNSAID = ("a code whose meaning is published nowhere", "Read its message, and check SEOUL_KEY")
CODES = {  # what a code means, what to do; 500 and 600 are common knowledge, not read in a contract
    "INFO-100": ("the key is not valid", "Check SEOUL_KEY"),
    "INFO-300": _UNSAID, "INFO-400": _UNSAID, "INFO-500": _UNSAID,
    "ERROR-300": ("a value of the request is missing", _ASKED),
    "ERROR-301": ("the file type is not served: VolInfo and SpotInfo are XML only", "Look at the option url"),
    "ERROR-310": ("there is no such service", "Look at the option url"),
    "ERROR-331": _INDEX, "ERROR-332": _INDEX, "ERROR-333": _INDEX, "ERROR-334": _INDEX,
    "ERROR-335": ("the sample key gives 5 rows at most", "Put a key of your own in SEOUL_KEY"),
    "ERROR-336": ("more than 1,000 rows were asked for", "Set page_size to 1000 or less"),
    "ERROR-500": ("server error", _LATER), "ERROR-600": ("database error", _LATER), "ERROR-601": ("SQL error", _LATER),
}  # fmt: skip
_GOOD = ("INFO-000", "INFO-200")
_LICENCE = "공공누리 (KOGL) type 1: attribution"


class Options(Span):
    """Options of seoul."""

    SAME = ("direction",)

    spots: collecting.Words = Field([], description="spots, e.g. A-01,A-02; default: all of SpotInfo, about 170")
    direction: Literal["each", "both"] = Field("each", description="a series per io_type (1, 2), or both together")
    check_spots: bool = Field(True, description="refuse spots that SpotInfo does not list today")
    settle_h: float = Field(72.0, ge=0, description="hours after a day's end until its answers are final")
    page_size: int = Field(1000, ge=1, le=1000, description="rows a request, at most 1000")
    pace_s: float = Field(0.1, ge=0, description="least seconds between two requests")
    timeout_s: float = Field(20.0, gt=0, description="seconds to wait for an answer")
    url: str = Field("http://openapi.seoul.go.kr:8088", description="address of the service")


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """A part per spot and month, of the days asked for now and before; hours that are not over are not asked for."""
    options, key = job.options, urllib.parse.quote(job.key("SEOUL_KEY"), safe="")
    with job.client(options.url, pace_s=options.pace_s, timeout_s=options.timeout_s, judge=judge) as client:
        ask = functools.partial(_ask, client, key, options.page_size)
        spots = _spots(job, ask)
        job.describe(
            unit="vehicles/h", frequency="h", provider="Seoul Metropolitan Government, VolInfo (data.seoul.go.kr)",
            licence=_LICENCE, spots=job.collection.manifest.get("spots", {}) | spots,
            note="io_type 1 and 2 are read as in and out by convention. Spots: x, y in metres, EPSG:5181.")  # fmt: skip
        months = _months(options.start, min(options.end, job.clock.now().date()))
        if not months:
            raise DataError(f"seoul: start={options.start} lies in the future")
        wanted = [(spot, month) for spot in (options.spots or sorted(spots)) for month in months]
        for spot, month in job.progress(wanted, what="spots x months"):
            yield _part(job, ask, spot, month, months[month])


# --- what an answer says


def judge(answer: http.Answer) -> None:
    """Returns for rows and for INFO-200; too busy -> Again; every other code -> DataError with its meaning."""
    if answer.status in http.BUSY:
        http.plain(answer)
    code, said = _code(answer)
    if code not in _GOOD:
        meaning, do = CODES.get(code, ("a code that is not in its list", _ASKED))
        raise DataError(f"{answer.request}: Seoul answers {code}, {meaning} ('{said[:80]}'). {do}")


def _code(answer: http.Answer) -> tuple[str, str]:
    """Code and message: of a service, of a root that is just <RESULT>, of either form in JSON (newer gateway)."""
    if answer.body.lstrip().startswith(b"{"):
        body = answer.json()
        inner = body.get("RESULT") if isinstance(body.get("RESULT"), dict) else body
        inner = {name.upper(): value for name, value in inner.items()}
        return str(inner.get("CODE") or "?"), str(inner.get("MESSAGE") or "")
    if answer.status >= 300 or b"<html" in answer.body[:400].lower():
        http.plain(answer)
        raise DataError(f"{answer.request}: no data but {answer.looks()}. {http.KEPT}")
    root = answer.xml()
    result = root if root.tag == "RESULT" else root.find("RESULT")
    if result is None:
        raise DataError(f"{answer.request}: XML <{root.tag}> without a RESULT. The provider may have changed its form")
    return (result.findtext("CODE") or "?").strip(), (result.findtext("MESSAGE") or "").strip()


def _rows(body: bytes) -> list[dict[str, str]]:
    """Rows of an answer that the judge took; none for INFO-200."""
    if body.lstrip().startswith(b"{"):
        return []
    return [{cell.tag.lower(): (cell.text or "").strip() for cell in row} for row in xml.fromstring(body).iter("row")]


def _read(answer: http.Answer, **asked: str) -> tuple[list[dict], int]:
    """Rows and how many there are in all; Incomplete if they are not what was asked for."""
    rows = _rows(answer.body)
    for row in rows:
        for name, wanted in asked.items():
            if not row.get(name) or row[name].zfill(len(wanted)) != wanted:
                raise Incomplete(f"{answer.request}: a row of {name} '{row.get(name)}'. {http.KEPT}")
    if _code(answer)[0] == "INFO-200":
        return [], 0
    return rows, whole(answer.xml().findtext("list_total_count"), answer, "list_total_count")


def _ask(client: http.Client, key: str, size: int, service: str, tail: str = "", **asked: str) -> list[http.Answer]:
    """All pages of a service. Rows are counted from 1, both ends included."""
    return chain(lambda page: client.get(f"{key}/xml/{service}/{page * size + 1}/{(page + 1) * size}/{tail}"),
                 functools.partial(_read, **asked), size)  # fmt: skip


# --- spots


def _spots(job: collecting.Job, ask) -> dict[str, dict]:
    """{spot: {"name", "x", "y"}} of the spots wanted. All of them: the list is asked for anew, spots come and go."""
    wanted = job.options.spots
    if wanted and not job.options.check_spots:
        return {}
    unit, found = f"SpotInfo for {','.join(wanted)}" if wanted else "SpotInfo", {}
    for body in job.fetched(unit, functools.partial(_listed, ask, wanted), final=bool(wanted)):
        found |= {row.get("spot_num", ""): {"name": row.get("spot_nm", ""), "x": _metres(row.get("grs80tm_x")),
                                            "y": _metres(row.get("grs80tm_y"))} for row in _rows(body)}  # fmt: skip
    return {spot: found[spot] for spot in wanted or found}


def _listed(ask, wanted: list[str]) -> list[http.Answer]:
    """Pages of SpotInfo; DataError unless they list the spots wanted, or any."""
    answers = ask("SpotInfo")
    listed = [row.get("spot_num", "") for answer in answers for row in _rows(answer.body)]
    if unknown := [spot for spot in wanted if spot not in listed]:
        near = difflib.get_close_matches(unknown[0], listed, 3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise DataError(f"seoul: SpotInfo lists no spot '{unknown[0]}'{hint}. For one that was closed: check_spots=no")
    if not listed:
        raise DataError("seoul: SpotInfo lists no spot at all; name them by spots=A-01,… and give check_spots=no")
    return answers


def _metres(text: str | None) -> float | None:
    metres = number(text, "SpotInfo")
    return metres if metres == metres else None


# --- parts


def _months(start: date, end: date) -> dict[str, set[date]]:
    """{"2024-01": days asked for}."""
    found: dict[str, set[date]] = {}
    for i in range((end - start).days + 1):
        day = start + timedelta(days=i)
        found.setdefault(f"{day:%Y-%m}", set()).add(day)
    return found


def _part(job: collecting.Job, ask, spot: str, month: str, asked: set[date]) -> collecting.Part:
    """The fingerprint of a month whose days are final is what was asked; of one still open, what came back."""
    name, now, direction = f"{spot}_{month}", job.clock.now(), job.options.direction
    before = job.collection.parts.get(name, {}).get("request", {}).get("days", [])
    days = sorted(asked | {date.fromisoformat(day) for day in before})  # a shorter span takes nothing away
    final = [_end(day) + timedelta(hours=job.options.settle_h) <= now for day in days]
    made_of, notes = f"rules 1, {direction}, {' '.join(map(str, days))}", Counter()
    hours = {day: _hours(day, now) for day in days}
    grid = [hour for some in hours.values() for hour in some]
    get = functools.cache(lambda: _bodies(job, ask, spot, hours, final))
    if not all(final):
        made_of += f", {digest(get())}"
    return collecting.Part(
        name, digest([made_of]), lambda: _table(spot, grid, get(), direction, notes), functools.partial(dict, notes),
        {"spot": spot, "days": [str(day) for day in days]})  # fmt: skip


def _end(day: date) -> datetime:
    return datetime.combine(day, time()) + timedelta(days=1)


def _hours(day: date, now: datetime) -> list[datetime]:
    """Starts of the hours of a day that are over."""
    begin = datetime.combine(day, time())
    return [begin + timedelta(hours=h) for h in range(24) if begin + timedelta(hours=h + 1) <= now]


def _bodies(job: collecting.Job, ask, spot: str, hours: dict[date, list[datetime]], final: list[bool]) -> list[bytes]:
    """Answers for the hours of each day."""
    found = []
    for (day, asked), done in zip(job.progress(hours.items(), len(hours), spot), final, strict=True):
        found += job.fetched(f"{spot} {day}", functools.partial(_day, ask, spot, asked), final=done)
    return found


def _day(ask, spot: str, hours: list[datetime]) -> list[http.Answer]:
    answers = []
    for hour in hours:
        ymd, hh = f"{hour:%Y%m%d}", f"{hour:%H}"
        answers += ask("VolInfo", f"{spot}/{ymd}/{hh}/", spot_num=spot, ymd=ymd, hh=hh)
    _lanes([answer.body for answer in answers], Counter())  # what cannot be read is not kept
    return answers


def _table(spot: str, hours: list[datetime], bodies: list[bytes], direction: str, notes: Counter) -> pd.DataFrame:
    """Vehicles per hour, summed over lanes; hours without data are there and empty."""
    lanes = _lanes(bodies, notes)
    kinds = sorted({io for _, io in lanes})
    notes["hours without data"] = sum(all((hour, io) not in lanes for io in kinds) for hour in hours)
    for io in kinds:
        counts = [len(found) for (_, kind), found in lanes.items() if kind == io]
        notes["hours with fewer lanes than the month's most"] += len(counts) - counts.count(max(counts))
    sums = {key: sum(found.values()) for key, found in lanes.items()}  # a lane without a number makes the sum NaN
    if direction == "both":
        rows = [(hour, spot, sum(sums.get((hour, io), float("nan")) for io in kinds)) for hour in hours if kinds]
    else:
        rows = [(hour, f"{spot} {io}", sums.get((hour, io), float("nan"))) for io in kinds for hour in hours]
    return series_table(rows)


def _lanes(bodies: list[bytes], notes: Counter) -> dict[tuple[datetime, str], dict[str, float]]:
    """{(hour, io_type): {lane: vehicles}}; rows given twice are taken once, if they say the same."""
    found: dict[tuple[datetime, str], dict[str, float]] = {}
    for row in (row for body in bodies for row in _rows(body)):
        where = "seoul VolInfo " + " ".join(row.get(name, "?") for name in ("spot_num", "ymd", "hh"))
        vol, lane = number(row.get("vol"), where), row.get("lane_num", "")
        hour = datetime.strptime(f"{row['ymd']} {int(row['hh']):02d}", "%Y%m%d %H")
        known = found.setdefault((hour, row.get("io_type", "")), {})
        if lane in known:
            if repr(known[lane]) != repr(vol):
                raise DataError(f"{where}: two different counts for lane {lane}, io_type {row.get('io_type')}")
            notes["rows given twice"] += 1
        notes["lanes without a number"] += vol != vol
        known[lane] = vol
    return found
