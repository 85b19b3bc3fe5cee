"""Counts and times as Prometheus reads them (text format 0.0.4). Labels are routes and models: nothing of a request."""

import os
from collections import Counter
from pathlib import Path

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)  # seconds
_STATM = Path("/proc/self/statm")


class Metrics:
    """Of one process."""

    def __init__(self):
        self.requests: Counter = Counter()  # (method, route, status)
        self.buckets: Counter = Counter()  # place in BUCKETS
        self.forecasts: Counter = Counter()  # model -> series forecast
        self.seconds = 0.0

    def seen(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request, answered or given up (status 0)."""
        self.requests[method, route, status] += 1
        self.seconds += seconds
        self.buckets[next((place for place, limit in enumerate(BUCKETS) if seconds <= limit), len(BUCKETS))] += 1

    def text(self, working: int, reading: int) -> str:
        lines = ["# TYPE litecast_requests_total counter"]
        lines += [f'litecast_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                  for (method, route, status), count in sorted(self.requests.items())]
        lines += ["# TYPE litecast_forecasts_total counter"]
        lines += [f'litecast_forecasts_total{{model="{name}"}} {n}' for name, n in sorted(self.forecasts.items())]
        lines += ["# TYPE litecast_request_seconds histogram"]
        total = 0
        for place, limit in enumerate((*BUCKETS, "+Inf")):
            total += self.buckets[place]
            lines += [f'litecast_request_seconds_bucket{{le="{limit}"}} {total}']
        lines += [f"litecast_request_seconds_sum {self.seconds:.6f}", f"litecast_request_seconds_count {total}"]
        for name, value in {"working": working, "reading": reading}.items():
            lines += [f"# TYPE litecast_{name} gauge", f"litecast_{name} {value}"]
        if _STATM.exists():
            resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            lines += ["# TYPE process_resident_memory_bytes gauge", f"process_resident_memory_bytes {resident}"]
        return "\n".join(lines) + "\n"
