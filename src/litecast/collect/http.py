"""One small HTTP client for every provider: time-outs, a steady pace, retries where the contract allows, no key shown.

What a provider's answer means is told by its `judge`: it returns for a good answer, raises `Again` where the contract
lets one try once more, and DataError for all else.
"""

from __future__ import annotations

import json as jsons
import logging
import re
import ssl
import urllib.parse
import xml.etree.ElementTree as xml
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from litecast.errors import DataError

KEPT = "What was collected so far is kept: run the same command again"
SHORTEST = 8  # characters of a key that is worth hiding
BUSY = (429, 502, 503, 504)


class Again(Exception):  # noqa: N818 (no error yet: the contract allows another try)
    """Raised by a judge: the same request may be sent once more, after wait_s seconds or the usual wait."""

    def __init__(self, reason: str, wait_s: float | None = None):
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass
class Answer:
    """What came back; request, body and headers hold no secret. time: ISO, of the clock in use."""

    status: int
    headers: dict[str, str]
    body: bytes
    request: str
    time: str = ""

    def text(self, encoding: str = "utf-8") -> str:
        """The body as text; DataError if it is not in that encoding."""
        try:
            return self.body.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.request}: the answer is not text in {encoding} (byte {error.start}). {KEPT}; if it "
                            "stays so, the provider has changed its encoding") from None

    def json(self):
        """The body as JSON; DataError that says what came instead."""
        try:
            return jsons.loads(self.text("utf-8-sig"))
        except ValueError:
            raise DataError(f"{self.request}: the answer is no JSON but {self.looks()}. {KEPT}") from None

    def xml(self) -> xml.Element:
        """The root of the XML body; DataError that says what came instead."""
        try:
            root = xml.fromstring(self.body)
            if root.tag.rpartition("}")[2].lower() == "html":
                raise ValueError("a page")
            return root
        except (xml.ParseError, ValueError, LookupError):
            raise DataError(f"{self.request}: the answer is no XML but {self.looks()}. {KEPT}") from None

    def looks(self) -> str:
        """What the body seems to be, for messages."""
        head = " ".join(self.body[:400].decode("utf-8", "replace").split())
        if not head:
            return "empty"
        kind = "an HTML page (a login or error page?)" if "<html" in head.lower() else "cut or something else"
        return f"{kind}: '{head[:80]}'"


def plain(answer: Answer) -> None:
    """The judge of a provider with no rules of its own: too busy -> Again; other errors and moves -> DataError."""
    if answer.status in BUSY:
        raise Again(f"HTTP {answer.status}")
    if answer.status >= 300:
        raise DataError(f"{answer.request}: HTTP {answer.status}, {answer.looks()}")


@dataclass
class Client:
    """Requests to one provider. pace_s: least seconds between two requests; tries: how often one is sent at most.

    clock needs now(), monotonic() and sleep(s). Secrets are cut out of requests, answers, errors; httpx logs nothing.
    """

    base: str
    clock: object
    secrets: list[str] = field(default_factory=list, repr=False)
    pace_s: float = 0.0
    timeout_s: float = 20.0
    tries: int = 4
    judge: Callable[[Answer], None] = plain

    def __post_init__(self):
        import httpx

        self._http = httpx.Client(timeout=self.timeout_s, verify=_certificates())
        self._last: float | None = None  # when the last request was sent
        self._pause: float | None = None  # what the last answer asked to wait
        for name in ("httpx", "httpcore"):  # they log whole addresses, and some providers want the key in there
            logging.getLogger(name).setLevel(logging.WARNING)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self._http.close()

    def secret(self, value: str) -> str:
        """Add what must never be shown, such as a token; returns it."""
        if value not in self.secrets:
            self.secrets.append(value)
        return value

    def get(self, path: str, params: dict | None = None, headers: dict | None = None) -> Answer:
        """Answer of a GET that the judge accepts; DataError otherwise."""
        return self._ask("GET", path, params=params, headers=headers)

    def post(self, path: str, json: dict | None = None, headers: dict | None = None) -> Answer:
        """Answer of a POST of JSON that the judge accepts; DataError otherwise."""
        return self._ask("POST", path, json=json, headers=headers)

    def _ask(self, method: str, path: str, **sent) -> Answer:
        reason = ""
        for turn in range(self.tries):
            self._wait(turn)
            try:
                answer = self._send(method, path, **sent)
                self.judge(answer)
                return answer
            except Again as again:
                reason, self._pause = str(again), again.wait_s
        raise DataError(redact(f"{self._said(method, path, sent)}: {reason}, {self.tries} times in a row. {KEPT}, "
                               "later", self.secrets))  # fmt: skip

    def _send(self, method: str, path: str, **sent) -> Answer:
        import httpx

        self._pause = None
        try:
            got = self._http.request(method, self.base.rstrip("/") + "/" + path.lstrip("/"), **sent)
        except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise Again(f"no whole answer ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise DataError(redact(f"{self._said(method, path, sent)}: {error}", self.secrets)) from None
        headers = {key.lower(): redact(value, self.secrets) for key, value in got.headers.items()}
        request = redact(self._said(method, path, sent), self.secrets)
        return Answer(got.status_code, headers, _redacted(got.content, self.secrets), request,
                      self.clock.now().isoformat(timespec="seconds"))

    def _said(self, method: str, path: str, sent: dict) -> str:
        query = urllib.parse.urlencode(sent.get("params") or {}, safe=",")
        body = f" {jsons.dumps(sent['json'], ensure_ascii=False)}" if sent.get("json") else ""
        return f"{method} {self.base.rstrip('/')}/{path.lstrip('/')}{'?' + query if query else ''}{body}"

    def _wait(self, turn: int) -> None:
        """The pace since the last request; before another try what was asked for, or 1, 2, 4 … seconds."""
        now = self.clock.monotonic()
        wait = 0.0 if self._last is None else max(0.0, self._last + self.pace_s - now)
        if turn:
            wait = max(wait, 2.0 ** (turn - 1) if self._pause is None else self._pause)
        if wait:
            self.clock.sleep(wait)
        self._last = self.clock.monotonic()


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than many a request."""
    import httpx

    return httpx.create_ssl_context()


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without secrets, whether written plainly or encoded: for an address (once, twice), JSON, base64."""
    for form in _forms(secrets):
        text = text.replace(form, "***")
    return text


def _redacted(body: bytes, secrets: Iterable[str]) -> bytes:
    for form in _forms(secrets):
        body = body.replace(form.encode(), b"***")
    return body


def _forms(secrets: Iterable[str]) -> list[str]:
    """Longest first, so that no form leaves the rest of a longer one behind."""
    quote, unquote, found = urllib.parse.quote, urllib.parse.unquote, set()
    for secret in secrets:
        if len(secret) < SHORTEST:  # a public trial key such as "sample": cutting it out would damage answers
            continue
        quoted = [quote(secret, safe=""), quote(secret), quote(quote(secret, safe=""), safe="")]
        small = [re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), text) for text in quoted]
        base64 = b64encode(secret.encode()).decode().rstrip("=")
        found |= {secret, unquote(secret), jsons.dumps(secret)[1:-1], base64, *quoted, *small}
    return sorted(found, key=len, reverse=True)
