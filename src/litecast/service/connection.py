"""uvicorn's HTTP/1.1 connection with the clocks that it lacks: a caller who dawdles is hung up on.

uvicorn knows one clock, for silence after an answer, and any byte stops it. Here it runs from the beginning and after
each answer, and only the complete head of a request stops it: heads that trickle, bodies that nobody waits for any more
and answers that are not fetched end when it rings. What lies between, a whole request, has the guard's clock.
"""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .guard import SECURITY, problem


def _raw(status: int, reason: str, words: str) -> bytes:
    start, body = problem(status, words, {"connection": "close"} | ({"retry-after": "1"} if status == 503 else {}))
    head = [b"%s: %s\r\n" % pair for pair in (*start["headers"], *SECURITY)]
    return f"HTTP/1.1 {status} {reason}\r\n".encode() + b"".join(head) + b"\r\n" + body["body"]


class Connection(H11Protocol):
    most = 256  # connections of a process; `limited` sets it

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort}  # for the guard, of an answer that nobody fetches
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if len(self.connections) > self.most:
            transport.write(_raw(503, "Service Unavailable", f"{self.most} connections are open: try again later"))
            transport.close()

    def data_received(self, data: bytes) -> None:
        self.conn.receive_data(data)  # without stopping the clock, as uvicorn does
        self.handle_events()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # closing would wait until all was fetched

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_raw(400, "Bad Request", "this is no HTTP/1.1 request, or its head is too long"))
        self.transport.close()


def limited(most: int) -> type[Connection]:
    """For uvicorn's `http`: at most so many connections."""
    return type("Connection", (Connection,), {"most": most})
