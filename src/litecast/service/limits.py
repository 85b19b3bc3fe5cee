"""What one caller may ask of the service. Everything beyond is refused before it costs anything."""

from dataclasses import dataclass

from ..errors import LitecastError


@dataclass(frozen=True)
class Limits:
    """bytes, counts and seconds; all of them hold per process."""

    body: int = 2**20  # bytes of a body, counted as they arrive
    rows: int = 50_000  # times of a history, or lines of a CSV
    series: int = 500  # columns
    working: int = 64  # requests with a body, from their head to their last byte
    reading: int = 4  # tables at the reader, one read at a time
    connections: int = 256
    seconds: float = 10.0  # a whole request: body, forecast, answer
    idle: float = 5.0  # until the head of a (further) request is complete, and what an answer may take to leave


class Refused(LitecastError):
    """A request that is not served, the HTTP status that says so, and further headers."""

    def __init__(self, status: int, words: str, **headers: str):
        super().__init__(words)
        self.status, self.headers = status, headers


def busy(what: str) -> Refused:
    """503, with when to try again."""
    return Refused(503, f"{what}: try again in a second", **{"retry-after": "1"})
