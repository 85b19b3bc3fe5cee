"""What open APIs have in common: pages that must be whole and new, counts as text, the table of a part."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from litecast.errors import DataError

from . import collecting, http

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("", "-", "null", "none")


class Span(collecting.Options):
    """Options of a source that is asked for days."""

    start: collecting.Day = Field(description="first day (of tables by month or year: any day of it)")
    end: collecting.Day = Field(description="last day (of tables by month or year: any day of it)")

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: date, info) -> date:
        if "start" in info.data and end < info.data["start"]:
            raise ValueError(f"lies before start={info.data['start']}")
        return end


class Incomplete(DataError):
    """Pages that cannot be all of the rows, or not these rows."""


def chain(ask: Callable[[int], http.Answer], read: Callable[[http.Answer], tuple[list[dict], int]],
          size: int) -> list[http.Answer]:
    """All pages of a request: ask(i) gets page i = 0, 1, …; read gives its rows and how many there are in all.

    Every page must be full and new, and the promise must not change. If not, the whole chain is asked for once more,
    because what moved may have moved between pages; then Incomplete (a DataError).
    """
    try:
        return _pages(ask, read, size)
    except Incomplete:
        return _pages(ask, read, size)


def _pages(ask, read, size: int) -> list[http.Answer]:
    answers, seen, total, known = [], 0, None, set()
    while total is None or seen < total:
        answer = ask(len(answers))
        rows, promised = read(answer)
        total = promised if total is None else total
        content = json.dumps(rows, sort_keys=True, ensure_ascii=False)
        _whole(answer, len(rows), min(size, total - seen), total, promised, content in known)
        known.add(content)
        answers.append(answer)
        seen += len(rows)
    return answers


def _whole(answer: http.Answer, rows: int, due: int, total: int, promised: int, repeated: bool) -> None:
    """Raise Incomplete unless a page is what it should be."""
    if promised != total:
        raise Incomplete(f"{answer.request}: {promised} rows in all, {total} on the page before. {http.KEPT}")
    if rows != due:
        raise Incomplete(f"{answer.request}: {rows} rows instead of {due} ({total} in all). {http.KEPT}; if it stays "
                         f"so, give page_size={rows or 1} or a key that is no sample key")
    if repeated and rows:
        raise Incomplete(f"{answer.request}: the same rows as an earlier page. {http.KEPT}")


def number(value, where: str) -> float:
    """A count, possibly with commas; NaN for an empty cell, '-' or a negative one. DataError for other text."""
    text = str(value if value is not None else "").strip().replace(",", "")
    if text.lower() in MISSING:
        return float("nan")
    try:
        found = float(text)
    except ValueError:
        raise DataError(f"{where}: '{text[:40]}' is no number. The provider may have changed its fields") from None
    return found if found >= 0 else float("nan")


def whole(value, answer: http.Answer, name: str) -> int:
    """A count of rows as an int, whether given as number or text; DataError if it is missing."""
    try:
        return int(str(value).strip().replace(",", ""))
    except ValueError:
        raise DataError(f"{answer.request}: no {name} in the answer. The provider may have changed its form") from None


def cell(row: dict, name: str) -> str:
    """A cell as text without blanks around it; '' where there is none."""
    return str(row[name] if row.get(name) is not None else "").strip()


def records(value, where: str) -> list[dict]:
    """Rows of an answer: a list of objects, or one object, or nothing. DataError for all else."""
    rows = [value] if isinstance(value, dict) else value or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{where}: '{str(value)[:40]}' instead of rows. The provider may have changed its form")
    return rows


def unknown(asked: list[str], there: Iterable[str], what: str) -> None:
    """DataError with near ones, if one of those asked for is not there."""
    there = sorted(there)
    for one in asked:
        if one not in there:
            near = difflib.get_close_matches(one, there, 3) or there[:8]
            raise DataError(f"{what} '{one}' is not among the {len(there)} there are; near it: {', '.join(near)}")


def digest(parts: Iterable[bytes | str]) -> str:
    """One sha256 over texts or bodies, in order."""
    found = hashlib.sha256()
    for part in parts:
        found.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
    return found.hexdigest()


def series_table(rows: list[tuple] | dict, extra: tuple[str, ...] = ()) -> pd.DataFrame:
    """Rows of (time, series, value, …), or columns, as the table of a part: typed even if empty, sorted."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=["time", "series", "value", *extra])
    table = table.astype({"time": "datetime64[us]", "series": str, **dict.fromkeys(["value", *extra], "float64")})
    return table.sort_values(["series", "time"], ignore_index=True)


def both(found: dict[str, float]) -> float:
    """Vehicles of both directions from {direction: vehicles}: 1 + 2 if both are there, else what 0 (both) says."""
    return found["1"] + found["2"] if "1" in found and "2" in found else found.get("0", float("nan"))
