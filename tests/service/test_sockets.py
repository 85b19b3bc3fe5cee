"""What callers do to a socket: dawdle, hang up, send too much, talk nonsense. The server must be well after each."""

import contextlib
import socket
import time
from pathlib import Path

import pytest
from standin import NEEDED, SMALL

pytest.importorskip("uvicorn", reason=NEEDED)
pytest.importorskip("fastapi", reason=NEEDED)

HEAD = b"POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LATE = SMALL.seconds + SMALL.idle + 3  # no clock of ours is longer


def opened(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LATE)


def rest(connection) -> bytes:
    """All that comes until the server hangs up. socket.timeout if it never does."""
    parts = []
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def answer(connection) -> tuple[int, dict, bytes]:
    """Status, headers and body of the next answer."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
    return status, headers, stream.read(int(headers["content-length"]))


@pytest.fixture(autouse=True)
def _well(request):
    yield
    if "hasty" in request.fixturenames:
        until_working(0, request.getfixturevalue("hasty").port)
    if "port" in request.fixturenames:
        until_working(0, request.getfixturevalue("port"))


def until_working(count: int, port: int) -> None:
    """Wait until the server says that it is at so many requests with a body. One that is full says 503."""
    for _ in range(400):
        with opened(port) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = rest(connection)
        if b"200 OK" in said and b"litecast_working %d\n" % count in said:
            return
        time.sleep(0.05)
    pytest.fail(f"the server is not at {count} requests: {said[-2000:]}")


@pytest.mark.parametrize("first", [b"", b"POST /fore", HEAD])
def test_a_head_that_trickles_is_hung_up_on(hasty, first):
    with opened(hasty.port) as connection:
        connection.sendall(first)
        with contextlib.suppress(ConnectionError):
            for _ in range(int(LATE / 0.1)):  # slow-loris: one byte now and then
                connection.sendall(b"X")
                connection.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    return
            pytest.fail("the connection is still there")


def test_a_second_head_that_trickles_too(hasty):
    with opened(hasty.port) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer(connection)[0] == 200
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /hea")
        assert rest(connection) == b""


def test_a_body_that_trickles_ends_with_408(hasty):
    with opened(hasty.port) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        status, headers, body = answer(connection)
        assert status == 408 and headers["connection"] == "close" and b"1 s" in body
        assert rest(connection) == b""


@pytest.mark.parametrize("sent", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", b""])
def test_a_caller_that_hangs_up_leaves_nothing(port, sent):
    for _ in range(5):
        with opened(port) as connection:
            connection.sendall(HEAD + sent)


def test_an_announced_100_mb_are_refused_at_once(port):
    with opened(port) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n")
        status, headers, _ = answer(connection)
        assert status == 413 and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("head, start, size", [(b"Content-Length: 100000000\r\n\r\n", b"", b""),
                                               (b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n", b"\r\n")])
def test_streamed_100_mb_take_no_memory(port, head, start, size):
    before = resident()
    with opened(port) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(HEAD + head)
        for _ in range(100_000_000 // 65536):
            connection.sendall(start + b"[" * 65536 + size)
    assert resident() - before < 20e6
    with opened(port) as connection:  # and whoever listens is told why
        connection.sendall(HEAD + head + start + b"[" * 65536 + size)
        assert answer(connection)[0] == 413


def resident() -> float:
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\0\x01\0", b"GET / HTTP/9\r\n\r\n", b"GET\r\n\r\n",
                                      b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000,
                                      HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
                                      HEAD + b"Content-Length: -1\r\n\r\n",
                                      HEAD + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n"])
def test_what_is_no_http_gets_400_with_our_headers(port, nonsense):
    with opened(port) as connection:
        connection.sendall(nonsense)
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400") and b"nosniff" in said and said.endswith(b"}")


def test_other_hosts_are_turned_away(port):
    for host, status in ((b"evil.example", 421), (b"localhost:9", 200), (b"127.0.0.1", 200), (b"[::1]:80", 200)):
        with opened(port) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert answer(connection)[0] == status


def test_a_full_house_says_when_to_come_again_and_is_still_alive(port):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(opened(port)) for _ in range(SMALL.working)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        until_working(SMALL.working, port)
        with opened(port) as connection:
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            status, headers, _ = answer(connection)
            assert status == 503 and headers["retry-after"] == "1"
        with opened(port) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(connection)[0] == 200


def test_connections_are_counted(port):
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(opened(port)) for _ in range(SMALL.connections + 3)]
        assert b"503 Service Unavailable" in rest(many[-1])


def test_an_answer_that_nobody_fetches_is_given_up(hasty):
    requests, ask = hasty.config.app.state.metrics.requests, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    before = sum(requests.values())
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # of use before connecting only
        connection.settimeout(LATE)
        connection.connect(("127.0.0.1", hasty.port))
        connection.sendall(ask)
        assert connection.recv(8) == b"HTTP/1.1"  # else the server may not even know of the connection yet
        with contextlib.suppress(ConnectionError):
            for _ in range(600):  # of 20 kB each: more than the system keeps for a connection
                connection.sendall(ask)
        begun = time.monotonic()
        while hasty.server_state.connections and time.monotonic() < begun + 20:
            time.sleep(0.05)
        assert not hasty.server_state.connections
    assert 0 < sum(requests.values()) - before < 600
