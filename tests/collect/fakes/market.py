"""Stocks that the three fakes of brokers serve, and the clock they share: made up, or a few real rows typed in."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from fakes.clock import FakeClock

Day = tuple[date, int, int, int, int, int, int]  # date, open, high, low, close (KRW), volume (shares), value (KRW)


class Clock(FakeClock):
    """Passes only while somebody sleeps. stop_at: the n-th sleep is a Ctrl-C."""

    def __init__(self, start: str = "2025-09-09T10:00:00", stop_at: int | None = None):
        super().__init__(start)
        self.stop_at = stop_at

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if len(self.slept) == self.stop_at:
            raise KeyboardInterrupt


class Faults:
    """fault(kind, after=n): the n-th question from now on (0 = the next) meets this fault, once."""

    def __init__(self):
        self._faults: list[list] = []

    def fault(self, kind: str, after: int = 0) -> None:
        self._faults.append([kind, after])

    def next_fault(self) -> str:
        for fault in self._faults:
            if fault[1] == 0:
                self._faults.remove(fault)
                return fault[0]
            fault[1] -= 1
        return ""


@dataclass
class Stock:
    """Days oldest first, as traded. split: (first day of the new shares, how many one old share became).
    adjusted: days to be given instead of what the split would make of them."""

    days: list[Day]
    split: tuple[date, int] | None = None
    adjusted: list[Day] = field(default_factory=list)
    ratios: dict[date, float] = field(default_factory=dict)

    def rows(self, base: date, adjusted: bool) -> list[Day]:
        """Days up to the base date, newest first. What comes after the base date is not adjusted for."""
        days = [day for day in (self.adjusted if adjusted and self.adjusted else self.days) if day[0] <= base]
        if adjusted and self.split and self.split[0] <= base:
            days = [_split(day, self.split[1]) if day[0] < self.split[0] else day for day in days]
        return days[::-1]

    def ratio(self, day: date) -> float:
        """Per cent to multiply prices as traded with, as Cybos rounds it."""
        if day in self.ratios:
            return self.ratios[day]
        return round(100 / self.split[1], 2) if self.split and day < self.split[0] else 100.0


def _split(day: Day, times: int) -> Day:
    """Prices and volume change, the traded value does not."""
    return day[0], *(price // times for price in day[1:5]), day[5] * times, day[6]


def made(count: int, last: str = "2025-09-08", seed: int = 0, split: tuple[str, int] | None = None,
         halted: tuple[str, ...] = ()) -> Stock:  # fmt: skip
    """So many weekdays up to `last`: prices in whole 50 KRW, value in whole millions; halted days have no O, H, L."""
    luck, day, days, close = random.Random(seed), date.fromisoformat(last), [], 100_000
    while len(days) < count:
        if day.weekday() < 5:
            close = max(5_000, close + 50 * luck.randint(-20, 20))
            volume = luck.randint(1_000, 9_000_000)
            value = close * volume // 1_000_000 * 1_000_000
            one = (day, close + 100, close + 250, close - 150, close, volume, value)
            days.append((day, 0, 0, 0, close, 0, 0) if day.isoformat() in halted else one)
        day -= timedelta(days=1)
    return Stock(days[::-1], (date.fromisoformat(split[0]), split[1]) if split else None)


def typed(*lines: str) -> list[Day]:
    """Days from "20220113 348000 352000 344000 348000 677226 236323000000", oldest first."""
    cells = [line.split() for line in lines]
    return sorted((datetime.strptime(d, "%Y%m%d").date(), *map(int, rest)) for d, *rest in cells)


# Real rows of NAVER, 2022-01-14, and of Samsung, 2025-09: what two brokers said of the same days.
NAVER = Stock(
    typed("20220113 348000 352000 344000 348000 677226 236323000000",
          "20021104 43500 43800 40650 41700 692165 28952000000"),
    adjusted=typed("20220113 348000 352000 344000 348000 677226 236323000000",
                   "20021104 2283 2298 2133 2188 13190221 28952000000"),
    ratios={date(2002, 11, 4): 5.24, date(2022, 1, 13): 100.0},
)  # fmt: skip
SAMSUNG = Stock(typed("20250908 69800 70500 69600 70100 9263135 648525000000",
                      "20250905 70300 70400 69500 69500 11526724 804642000000"))  # fmt: skip


def truth(stock: Stock) -> list:
    """(day, close, volume, value) of each day, as traded."""
    return [(day[0], *day[4:]) for day in stock.days]
