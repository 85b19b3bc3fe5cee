"""A clock that only moves when somebody sleeps, so that no test waits."""

from __future__ import annotations

from datetime import datetime, timedelta


class FakeClock:
    """slept: every pause that was asked for, in seconds."""

    def __init__(self, start: str = "2026-01-15 10:00:00"):
        self.start, self.passed, self.slept = datetime.fromisoformat(start), 0.0, []

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
