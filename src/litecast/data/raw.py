"""Answers of a provider as they came, with request and time: one SQLite file per collection (standard library only).

A *unit* is what makes sense by itself (an hour of a spot, the whole paged chart of a stock). It is kept in one
transaction, so a killed collection holds whole units and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import DataError

_TABLE = """CREATE TABLE IF NOT EXISTS answers (unit TEXT, page INTEGER, request TEXT NOT NULL, time TEXT NOT NULL,
            body BLOB NOT NULL, PRIMARY KEY (unit, page)) WITHOUT ROWID"""


class Raw:
    """Units of answers in a file that appears with the first unit kept."""

    def __init__(self, path: Path):
        self.path = Path(path)

    def pages(self, unit: str) -> list[bytes] | None:
        """Bodies of a unit in the order of its pages; None where it is not kept."""
        rows = self._read("SELECT body FROM answers WHERE unit = ? ORDER BY page", unit)
        return [bytes(body) for (body,) in rows] or None

    def time(self, unit: str) -> str:
        """When the first page of a unit was fetched, ISO; '' where it is not kept."""
        rows = self._read("SELECT time FROM answers WHERE unit = ? AND page = 0", unit)
        return rows[0][0] if rows else ""

    def requests(self, unit: str) -> list[str]:
        """What was asked for each page of a unit, without keys."""
        return [text for (text,) in self._read("SELECT request FROM answers WHERE unit = ? ORDER BY page", unit)]

    def units(self, prefix: str = "") -> list[str]:
        """Names of the units kept that begin so, sorted."""
        rows = self._read("SELECT DISTINCT unit FROM answers WHERE unit >= ? AND substr(unit, 1, ?) = ? ORDER BY unit",
                          prefix, len(prefix), prefix)  # fmt: skip
        return [unit for (unit,) in rows]

    def keep(self, unit: str, pages: Iterable[tuple[str, str, bytes]]) -> None:
        """Replace a unit by pages of (request, time, body), all or nothing. Raises DataError for a unit of no page."""
        rows = [(unit, page, *answer) for page, answer in enumerate(pages)]
        if not rows:
            raise DataError(f"{self.path.parent.name}: '{unit}' has no answer to keep")
        with self._said("written"), closing(self._open()) as base, base:
            base.execute(_TABLE)
            base.execute("DELETE FROM answers WHERE unit = ?", (unit,))
            base.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", rows)

    def drop(self, unit: str) -> None:
        """Forget a unit."""
        if self.path.exists():
            with self._said("written"), closing(self._open()) as base, base:
                base.execute("DELETE FROM answers WHERE unit = ?", (unit,))

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path, timeout=30)

    def _read(self, query: str, *values) -> list[tuple]:
        if not self.path.exists():
            return []
        with self._said("read"), closing(self._open()) as base:
            try:
                return base.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):  # killed while the first unit was being written
                    return []
                raise

    @contextmanager
    def _said(self, done: str) -> Iterator[None]:
        """Errors of SQLite and of the disk as DataError with what to do."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise DataError(f"{self.path} cannot be {done} ({error}). Is the disk full, may you write there, is "
                            "another call writing it? What was kept before is whole") from None
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # a fault of the caller, not of the file
            raise
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self.path} is damaged ({error}); delete it and collect again") from None
