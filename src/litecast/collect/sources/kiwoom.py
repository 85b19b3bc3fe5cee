"""Kiwoom REST: daily chart ka10081, with keys from openapi.kiwoom.com that work from registered addresses only.

Adjusted prices hold for one base date: the chain of pages is fetched whole whenever that changed. Unadjusted prices are
fetched back to the newest day held and appended. The row of a base day that is not over yet is left out.

Settings stand for what the provider does not say or sources contradict: pace_s (5 requests a second by policy, about
1 a second per kind of request measured), and the page size, which is not assumed at all (600 observed).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import Field

from litecast.errors import DataError

from .. import collecting, http, prices
from ..chains import Chain, further_back

SOURCES = {"kiwoom": "Kiwoom REST: daily prices, volume and traded value of Korean stocks"}
KIND = {"kiwoom": "stocks"}
KEYS = {
    "kiwoom": {
        "KIWOOM_APPKEY": "openapi.kiwoom.com > App Key 관리; real and mock trading have keys of their own",
        "KIWOOM_SECRETKEY": "issued beside the app key at openapi.kiwoom.com",
    }
}

HOSTS = {False: "https://api.kiwoom.com", True: "https://mockapi.kiwoom.com"}
EARLY = timedelta(seconds=600)  # a token is renewed so long before it ends
BUSY = (1700, 1701, 1702)  # the only codes that another try can cure
JSON = {"Content-Type": "application/json;charset=UTF-8"}

_KEYS_WRONG = "check KIWOOM_APPKEY and KIWOOM_SECRETKEY: both of one pair, not expired"
_REPORT = "the provider has changed its rules: please report it"
_LATER = "run the same command again later"
CODES = {  # code -> what it means, what to do
    1501: ("no api-id", _REPORT),
    1504: ("api-id not served at this address", _REPORT),
    1505: ("unknown api-id", _REPORT),
    1511: ("a required input is missing", _REPORT),
    1512: ("a header cannot be read", _REPORT),
    1513: ("no authorization header", _REPORT),
    1514: ("malformed authorization header", _REPORT),
    1515: ("authorization of a wrong type", _REPORT),
    1516: ("no token in the authorization header", _REPORT),
    1517: ("an input of a wrong form", "check codes and base"),
    1634: ("too long a batch", "ask for fewer codes"),
    1687: ("recursive calls", _LATER),
    1700: ("too many requests of this kind", "raise pace_s, " + _LATER),
    1701: ("too many requests in all", "end other programs that use the key, raise pace_s, " + _LATER),
    1702: ("too many requests of this group", "raise pace_s, " + _LATER),
    1901: ("no such market", "check the code: 005930, 005930_NX or 005930_AL"),
    1902: ("no such stock", "check the code: six digits, no leading A; delisted stocks are not served"),
    1999: ("unexpected error at the provider", _LATER),
    8001: ("the app key is refused", _KEYS_WRONG),
    8002: ("the secret key is refused", _KEYS_WRONG),
    8003: ("token not found", _LATER),
    8005: ("the token is not valid", _LATER),
    8006: ("token could not be made", _LATER),
    8009: ("token could not be issued", _LATER),
    8010: ("the token was issued to another IP address",
           "register this machine's address at openapi.kiwoom.com, switch off VPN or proxy, run again"),
    8011: ("no grant_type", _REPORT),
    8012: ("a wrong grant_type", _REPORT),
    8015: ("the token could not be revoked", "nothing: it ends by itself within a day"),
    8016: ("the token could not be revoked", "nothing: it ends by itself within a day"),
    8020: ("a key is missing", _KEYS_WRONG),
    8030: ("keys of real and mock trading mixed up", "set mock=true for mock keys, mock=false for real ones"),
    8031: ("tokens of real and mock trading mixed up", "set mock=true for mock keys, mock=false for real ones"),
    8040: ("the terminal is not authenticated", "log in at openapi.kiwoom.com and register this machine"),
    8050: ("the terminal is not authenticated", "log in at openapi.kiwoom.com and register this machine"),
    8103: ("token or terminal not authenticated", "log in at openapi.kiwoom.com and register this machine"),
    8104: ("not served in mock trading", "use real keys and mock=false"),
}  # fmt: skip


class Options(collecting.Options):
    SAME = ("adjusted",)

    codes: collecting.Words = Field(description='stock codes, "005930,000660"; _NX = NXT, _AL = all venues (real only)')
    adjusted: bool = Field(True, description="prices and volumes adjusted for splits as of the base date")
    base: collecting.Day | None = Field(None, description="newest day asked for (default: today in Korea)")
    since: collecting.Day | None = Field(None, description="oldest day wanted (default: all there is)")
    mock: bool = Field(False, description="ask the host of mock trading, with mock keys")
    pace_s: float = Field(1.0, ge=0, description="least seconds between two requests")
    timeout_s: float = Field(20.0, gt=0, description="seconds to wait for an answer")
    url: str = Field("", description="another host than Kiwoom's, for tests")


class TokenGone(DataError):
    """The token is not valid any more: a new one, and a chain begun with the old one begins again."""


def parts(job: collecting.Job) -> Iterator[collecting.Part]:
    """One part per stock: columns of prices.table. Raises DataError."""
    asked, today = job.options, job.clock.now().date()
    base = asked.base or today
    _check(asked, base, today)
    job.describe(
        unit="KRW", frequency="trading-day", provider="Kiwoom Securities, REST API ka10081",
        licence="for the account holder's own use; see the terms of openapi.kiwoom.com",
        note="Prices adjusted as of their base date." if asked.adjusted else "Unadjusted prices.")  # fmt: skip
    with Session(job) as session:
        for code in job.progress(list(dict.fromkeys(asked.codes))):
            chain = Chain("kiwoom", code, asked.adjusted, base, asked.since, settled=base < today)
            yield _part(job, session, chain)


def _check(asked: Options, base, today) -> None:
    if not asked.codes:
        raise DataError("kiwoom, codes: no stock is named; say codes=005930,000660")
    if base > today:
        raise DataError(f"kiwoom, base: {base} is not over in Korea, where it is {today}; leave base out for today")
    if asked.since and asked.since > base:
        raise DataError(f"kiwoom, since: {asked.since} is after the base date {base}")
    for code in asked.codes:
        if not re.fullmatch(r"[0-9][0-9A-Z]{5}(_NX|_AL)?", code):
            raise DataError(f"kiwoom, codes: {code!r} is none; six digits or capitals, e.g. 005930 (no leading A), "
                            "005930_NX for NXT, 005930_AL for all venues")  # fmt: skip
        if asked.mock and "_" in code:
            raise DataError(f"kiwoom, codes: {code} is not served in mock trading, which knows KRX only: {code[:6]}")


def _part(job: collecting.Job, session: Session, chain: Chain) -> collecting.Part:
    notes = {}

    def make():
        raw = job.collection.raw

        def fetch():
            answers = session.chain(chain, chain.stop(raw, read))
            chain.rows(raw, read, pages=[answer.body for answer in answers])  # what raises is not kept
            return answers

        job.fetched(chain.unit, fetch)
        chain.drop_earlier(raw)
        found, counted = chain.rows(raw, read)
        notes.update(counted)
        return prices.table(found, chain.code)

    request = {"api-id": "ka10081"} | _body(chain)
    return collecting.Part(chain.code, chain.made_of, make, lambda: notes, request)


def read(page: bytes) -> list[dict]:
    """Rows of a page as delivered; DataError if it holds no list of rows."""
    return _rows(json.loads(page.decode("utf-8-sig")), "a kept answer")


def _rows(answer: dict, where: str) -> list[dict]:
    rows = answer.get("stk_dt_pole_chart_qry")
    if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
        raise DataError(f"{where}: no list stk_dt_pole_chart_qry in the answer. {http.KEPT}; {_REPORT}")
    return rows


def _body(chain: Chain) -> dict:
    return {"stk_cd": chain.code, "base_dt": f"{chain.base:%Y%m%d}", "upd_stkpc_tp": "1" if chain.adjusted else "0"}


# --- what an answer means


def judge(answer: http.Answer) -> None:
    """Success is return_code 0; errors come with HTTP 200 too, their code in brackets inside the text."""
    outer, text = _said(answer)
    found = re.search(r"\[(\d{4})[:\]]", text) if outer != "0" else None
    code = int(found[1]) if found else None
    if code in BUSY or (answer.status == 429 and not code):  # 429 with another code, such as 1634, stays so
        raise http.Again(_meaning(answer, code or BUSY[0], text))
    if code == 8005 or answer.status == 401:
        raise TokenGone(_meaning(answer, code or 8005, text))
    if code:
        raise DataError(_meaning(answer, code, text))
    http.plain(answer)
    answer.json()  # says what came instead
    if outer != "0":
        raise DataError(f"{answer.request}: return_code {outer or 'missing'} ({text}). {http.KEPT}; {_REPORT}")


def _said(answer: http.Answer) -> tuple[str, str]:
    """return_code and return_msg in both spellings, the code a number or a text; ("", "") if there are none."""
    try:
        body = answer.json()
    except DataError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    code, text = (body.get(f"return_{word}", body.get(f"return{word.title()}", "")) for word in ("code", "msg"))
    return str(code).strip(), str(text)


def _meaning(answer: http.Answer, code: int, text: str) -> str:
    meaning, cure = CODES.get(code, ("not in our list", "look the code up at openapi.kiwoom.com"))
    return f"{answer.request}: {meaning} (code {code}, HTTP {answer.status}, '{text}'). What to do: {cure}"


# --- asking


class Session:
    """A client with a token, issued when first needed and revoked in the end."""

    def __init__(self, job: collecting.Job):
        asked = job.options
        self._clock, self._key = job.clock, job.key
        self._client = job.client(
            asked.url or HOSTS[asked.mock], pace_s=asked.pace_s, timeout_s=asked.timeout_s, judge=judge)  # fmt: skip
        self._token, self._ends = "", datetime.min

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_) -> None:
        with self._client:
            if self._token:
                self._revoke()

    def chain(self, chain: Chain, stop) -> list[http.Answer]:
        """All pages from the base date back to `stop` (None: to the end). All or nothing.

        A next-key belongs to one token: when that fails, the chain begins again with a new one, once.
        """
        self._log_in()
        try:
            return self._pages(chain, stop)
        except TokenGone:
            self._log_in(anew=True)
            return self._pages(chain, stop)

    def _pages(self, chain: Chain, stop) -> list[http.Answer]:
        where = f"kiwoom, {chain.code}"
        answers, more, oldest = [], {}, None
        while True:
            answer = self._post("/api/dostk/chart", _body(chain), {"api-id": "ka10081", **more})
            answers.append(answer)
            days = _days(answer, chain, where)
            goes_on = answer.headers.get("cont-yn", "").strip().upper() == "Y"
            if not days and goes_on:
                raise DataError(f"{where}: an empty page that promises more. Nothing of this stock is kept: {_LATER}")
            oldest = further_back(days, oldest, where) if days else oldest
            if oldest is None:
                raise DataError(f"{where}: no row at all up to {chain.base}; is it listed, and the code right?")
            if not goes_on or (stop and oldest <= stop):
                return answers
            more = {"cont-yn": "Y", "next-key": _next_key(answer, where)}

    def _post(self, path: str, body: dict, headers: dict) -> http.Answer:
        return self._client.post(path, body, {**JSON, "authorization": f"Bearer {self._token}", **headers})

    def _log_in(self, anew: bool = False) -> None:
        """A token that lasts; asked for between chains only, since a chain cannot change it."""
        if self._token and not anew and self._clock.now() < self._ends - EARLY:
            return
        body = {"grant_type": "client_credentials", **self._keys()}
        try:
            answer = self._client.post("/oauth2/token", body, JSON).json()
        except TokenGone as error:
            raise DataError(f"no token was issued: {error}; {_KEYS_WRONG}") from None
        token = str(answer.get("token") or "")
        try:
            self._ends = datetime.strptime(str(answer.get("expires_dt")), "%Y%m%d%H%M%S")  # Korean time, as the clock
        except ValueError:
            token = ""
        if not token:
            raise DataError(f"kiwoom: an answer to a request for a token without token or expires_dt; {_REPORT}")
        if token != "***":  # else the one we hold is still good: secrets are cut out of answers
            self._token = self._client.secret(token)

    def _keys(self) -> dict:
        return {"appkey": self._key("KIWOOM_APPKEY"), "secretkey": self._key("KIWOOM_SECRETKEY")}

    def _revoke(self) -> None:
        self._client.tries = 1  # a courtesy: not worth waiting for
        try:
            self._client.post("/oauth2/revoke", {**self._keys(), "token": self._token}, JSON)
        except DataError:
            pass  # what was collected is good, and the token ends by itself within a day


def _days(answer: http.Answer, chain: Chain, where: str) -> list:
    """Days of a page, newest first as sent; DataError for a page of another stock or with no days."""
    body = answer.json()
    if str(body.get("stk_cd") or chain.code).strip()[:6] != chain.code[:6]:  # the venue may be left out
        raise DataError(f"{where}: the answer is for {body['stk_cd']}. {http.KEPT}")
    return [prices.day(row.get("dt"), where) for row in _rows(body, where)]


def _next_key(answer: http.Answer, where: str) -> str:
    key = answer.headers.get("next-key", "").strip()
    if not key:
        raise DataError(f"{where}: the answer says there is more but gives no next-key. {http.KEPT}; {_REPORT}")
    return key
