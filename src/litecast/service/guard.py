"""What stands before every route: the size of bodies, the queue, the clock, the headers, and words for every failure.

Neither uvicorn nor Starlette limits a body, so it is counted here, as announced and as it arrives, before anything is
parsed. Nothing of a request (path, values, names) is logged: a failure of ours is told by its type and place in code.
"""

import asyncio
import json
import logging
import time
import traceback

from .limits import Limits, Refused, busy
from .metrics import Metrics

LOG = logging.getLogger("litecast.service")
# The page and what it loads come from here alone. There is no CORS: other sites' scripts cannot read answers.
SECURITY = [(b"content-security-policy", b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
             b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
            (b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"), (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store")]  # fmt: skip
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE".split())


class Gone(Exception):
    """The caller hung up."""


def problem(status: int, words: str, headers: dict[str, str] | None = None) -> tuple[dict, dict]:
    """Both ASGI messages of an error: {"error": words}."""
    body = json.dumps({"error": words}).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body))} | (headers or {})
    start = {"type": "http.response.start", "status": status,
             "headers": [(name.encode(), value.encode()) for name, value in fields.items()]}  # fmt: skip
    return start, {"type": "http.response.body", "body": body}


class Guard:
    """ASGI middleware around `app`. hosts: names that a Host header may have; empty: any (see docs/service.md)."""

    def __init__(self, app, limits: Limits, metrics: Metrics, hosts: frozenset[str] = frozenset()):
        self.app, self.limits, self.metrics, self.hosts, self.working = app, limits, metrics, hosts, 0

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, status = time.perf_counter(), 0

        async def answer(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = message | {"headers": [*message.get("headers", []), *SECURITY]}
            await send(message)

        try:
            refusal = await self._served(scope, receive, answer)
            if refusal and not status:
                for message in problem(refusal.status, str(refusal), refusal.headers):
                    await answer(message)
            elif refusal:  # too late for words
                await _hang_up(scope)
        except Gone:
            status = 0
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.seen(method, getattr(scope.get("route"), "path", "other"), status, time.perf_counter() - begun)

    async def _served(self, scope, receive, answer) -> Refused | None:
        """Lets the request through; or what to say instead."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                await self._through(scope, receive, answer)
        except Refused as error:
            return error
        except TimeoutError:
            return Refused(408, f"the request took longer than {self.limits.seconds:g} s", connection="close")
        except (Gone, ConnectionError):
            raise Gone from None
        except Exception as error:  # a fault of ours: its message may hold values of the request
            place = traceback.extract_tb(error.__traceback__)[-1]
            LOG.error("%s at %s:%s", type(error).__name__, place.filename.rpartition("/")[2], place.lineno)
            return Refused(500, "the service failed; this is a fault of its own")
        return None

    async def _through(self, scope, receive, answer) -> None:
        headers = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self.hosts and host.rpartition(":")[0 if host.rpartition(":")[2].isdigit() else 2] not in self.hosts:
            raise Refused(421, f"this service answers to {', '.join(sorted(self.hosts))} only")
        if b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0":
            return await self.app(scope, receive, answer)
        if self.working >= self.limits.working:
            raise busy(f"{self.working} requests are being served")
        self.working += 1
        try:
            body = await self._body(headers, receive)
            await self.app(scope, _replayed(body, receive), answer)
        finally:
            self.working -= 1

    async def _body(self, headers: dict, receive) -> bytes:
        """All of it. What is left of one that is too long is drained by the connection, for as long as it may idle."""
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "compressed bodies are not taken: send it as it is")
        length = headers.get(b"content-length", b"0")
        parts, size, more = [], int(length) if length.isdigit() else 0, True
        if size <= self.limits.body:
            size = 0
            while more and size <= self.limits.body:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                parts.append(message.get("body", b""))
                size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > self.limits.body:
            raise Refused(413, f"a body may have {self.limits.body} bytes: send the last rows only, the model says how "
                               "many it needs (history)")
        return b"".join(parts)


async def _hang_up(scope) -> None:
    """By our connection; elsewhere the server ends an answer that was begun."""
    if abort := scope.get("state", {}).get("abort"):
        abort()
        await asyncio.sleep(0)  # for the server to notice


def _replayed(body: bytes, receive):
    """`receive` that gives the body that was read, then what happens to the connection."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return messages.pop() if messages else await receive()

    return again
