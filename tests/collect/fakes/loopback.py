"""A provider on this machine: one loopback HTTP server with routes, a log of requests and faults of the line."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What came in; path is decoded, params and json hold what was sent."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body or b"{}")


@dataclass
class Reply:
    """What goes back. body: bytes, text (utf-8), or anything that JSON can say."""

    body: object = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    type: str = "application/json"

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)).encode()


PAGE = "<!DOCTYPE html><html><head><title>로그인</title></head><body>Please log in</body></html>"
FAULTS = ("timeout", "cut", "html", "garbage", "empty", "refused")


@dataclass
class _Fault:
    kind: str
    times: int
    after: int


class Loopback:
    """`with Loopback() as server:` serves server.routes[prefix](request) -> Reply at server.url; the longest prefix
    wins. Faults hit whatever is asked for, after so many good answers, so many times: timeout, cut (fewer bytes than
    promised), html, garbage (no text), empty, refused (line closed), status:503."""

    def __init__(self):
        self.routes: dict[str, Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def __enter__(self) -> Loopback:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(self, kind: str, times: int = 1, after: int = 0) -> None:
        assert kind in FAULTS or kind.startswith("status:"), kind
        self._faults.append(_Fault(kind, times, after))

    def _next_fault(self) -> str | None:
        with self._lock:
            for fault in self._faults:
                if fault.after > 0:
                    fault.after -= 1
                elif fault.times > 0:
                    fault.times -= 1
                    return fault.kind
        return None

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
        known = sorted((p for p in self.routes if request.path.startswith(p)), key=len)
        return self.routes[known[-1]](request) if known else Reply("no such path", 404, type="text/plain")


def _handler(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer waits 40 ms

        def do_GET(self):  # noqa: N802
            self._serve()

        do_POST = do_GET  # noqa: N815

        def _serve(self):
            split = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(self.command, urllib.parse.unquote(split.path),
                              dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True)),
                              {key.lower(): value for key, value in self.headers.items()}, body)  # fmt: skip
            fault = loopback._next_fault()
            reply = loopback.answer(request)
            if fault == "timeout":
                loopback._stop.wait(5)
            if fault in ("timeout", "refused"):
                self.close_connection = True
                return
            if fault:
                reply = _faulty(fault, reply)
            self._send(reply, cut=fault == "cut")

        def _send(self, reply: Reply, cut: bool) -> None:
            content = reply.content()
            self.send_response(reply.status)
            self.send_header("content-type", reply.type)
            self.send_header("content-length", str(len(content)))
            for key, value in reply.headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = self.close_connection or cut

        def log_message(self, *_):
            pass

        def handle(self):
            with contextlib.suppress(ConnectionError):  # a client that was killed
                super().handle()

    return Handler


def _faulty(fault: str, reply: Reply) -> Reply:
    if fault.startswith("status:"):
        return Reply("busy", int(fault.split(":")[1]), type="text/plain")
    if fault == "html":
        return Reply(PAGE, type="text/html")
    bodies = {"garbage": b"\xff\xfe\x00\xd8garbage\x80", "empty": b""}
    return Reply(bodies[fault], type=reply.type) if fault in bodies else reply
