"""POST /forecast, as an ASGI app of its own: what a framework does around a route takes longer than a forecast.

A forecast takes microseconds, so it is made in the event loop; the reader of own files, which takes tens of
milliseconds, has a thread of its own and a short queue before it.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import DataError
from .history import History, of_columns, of_csv, parsed, read_sheet, unprocessable
from .limits import Limits, Refused, busy
from .metrics import Metrics
from .served import Served, Shelf

PATH = "/forecast"
TYPES = ("application/json", "text/csv")
CHOICES = 64  # queries whose model is remembered
# Of plain values; ASCII, so that no text of a request can fail to be written.
written = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":")).encode


class Rows(BaseModel):
    """Raw history: times (T), one step apart, and T values for each series; null where one is missing. A series of the
    model that is not given is not forecast."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"example": {
        "times": ["2024-01-31T00:00", "2024-01-31T01:00"], "values": {"north": [12, None]}}})  # fmt: skip
    times: list[str] | None = None
    values: dict[str, list[float | None]] = Field(min_length=1)


class Choice(BaseModel):
    """The query of a forecast: a model by name, or the study's choice for a dataset and a budget."""

    model_config = ConfigDict(extra="forbid")
    model: str | None = Field(None, max_length=200)
    dataset: str | None = Field(None, max_length=200)
    budget_kb: float | None = Field(None, gt=0, le=1e6, allow_inf_nan=False)


def checked(kind: type[BaseModel], content):
    """A body's content as a model; Refused with the first broken rule. No value of the request is repeated."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise unprocessable(words(error.errors(include_input=False, include_url=False)[0])) from None


def words(error: dict) -> str:
    place = ".".join(str(part)[:60] for part in error["loc"])
    return f"{place or 'the body'}: {error['msg']}"


class Reader:
    """The reader of own files in one thread; `waiting` counts what is before it or with it, until it is really done."""

    def __init__(self, most: int):
        self.most, self.waiting, self.pool = most, 0, ThreadPoolExecutor(1, "reader")

    async def __call__(self, work, *args) -> History:
        if self.waiting >= self.most:
            raise busy(f"{self.waiting} tables are waiting to be read")
        self.waiting += 1
        future = self.pool.submit(work, *args)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self.waiting -= 1


def media(content_type: str) -> str:
    """Of a Content-Type, one of TYPES. Raises Refused (415)."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise Refused(415, f"send {' or '.join(TYPES)}, and say so in Content-Type")
    return kind


class Forecasts:
    """The ASGI app. route: what the guard is told that it was, for its counts."""

    def __init__(self, shelf: Shelf, metrics: Metrics, reader: Reader, limits: Limits):
        self.shelf, self.metrics, self.reader, self.limits = shelf, metrics, reader, limits
        self.chosen, self.route = lru_cache(CHOICES)(self._chosen), None

    async def __call__(self, scope, receive, send) -> None:
        """Raises Refused, which the guard answers."""
        scope["route"] = self.route
        served = self.chosen(scope["query_string"])
        kinds = [value for name, value in scope["headers"] if name == b"content-type"] or [b""]
        history = await self._history(media(kinds[0].decode("latin-1")), await _body(receive), served)
        answer = written(served.answer(history)).encode()
        self.metrics.forecasts[served.name] += len(history.series)
        await send({"type": "http.response.start", "status": 200, "headers": [
            (b"content-length", b"%d" % len(answer)), (b"content-type", b"application/json")]})  # fmt: skip
        await send({"type": "http.response.body", "body": answer})

    def _chosen(self, query: bytes) -> Served:
        choice = checked(Choice, dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
        return self.shelf.chosen(choice.model, choice.dataset, choice.budget_kb)

    async def _history(self, kind: str, body: bytes, served: Served) -> History:
        try:
            if kind == "text/csv":
                return await self.reader(of_csv, body, served.card, self.limits)
            rows = checked(Rows, parsed(body))
            found = of_columns(rows.times, rows.values, served.card, self.limits)
            return found if isinstance(found, History) else await self.reader(read_sheet, found, served.card)
        except DataError as error:
            raise unprocessable(str(error)) from None


async def _body(receive) -> bytes:
    """All of it: the guard has read and counted it."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
