"""Time as it stands in Korea; standard library only, tests bring their own."""

import time
from datetime import datetime, timedelta, timezone

_KOREA = timezone(timedelta(hours=9))  # no summer time since 1988


class Clock:
    """Korean time, without a zone as everywhere in litecast."""

    def now(self) -> datetime:
        return datetime.now(_KOREA).replace(tzinfo=None)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
