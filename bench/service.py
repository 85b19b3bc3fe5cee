"""How many forecasts a second the web service gives beside an empty route, and whether its memory stays flat.

`python bench/service.py FOLDER [--model NAME] [--series N] [--soak MINUTES]`: starts the service on a folder of bundles
(reports/<study>/served), asks it by wrk (Debian's package) on loopback with 1, 8 and 32 connections, each request one
forecast of N series from L rows in JSON. Both share this machine: the load on it is printed, and forecasts per second
of the *server's own* CPU time, which others on the machine cannot take away.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from litecast.service.history import History, coming, of_columns, parsed
from litecast.service.limits import Limits
from litecast.service.served import Shelf

CONNECTIONS = (1, 8, 32)
LUA = 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[{}]==]\n'
TICK = os.sysconf("SC_CLK_TCK")


def body(served, series: int, rows: int) -> bytes:
    """A history of the model's own rhythm: daily waves with noise, whole numbers."""
    card, draw = served.card, np.random.default_rng(0)
    start = np.datetime64("2024-06-03T00:00", "s")
    times = coming(start, card | {"H": rows})
    wave = 500 + 300 * np.sin(2 * np.pi * np.arange(rows) / 24)
    values = {name: (wave + draw.normal(0, 30, rows)).round().tolist() for name in card["series"][:series]}
    return json.dumps({"times": times, "values": values}).encode()


def parts(served, content: bytes, count: int = 300) -> None:
    """Where the time of one request goes, in this process: median ms."""
    from litecast.service.forecasts import Rows

    steps: dict[str, list[float]] = {"parse": [], "check": [], "forecast": [], "write": []}
    for _ in range(count):
        at = [time.perf_counter()]
        found = parsed(content)
        at.append(time.perf_counter())
        rows = Rows.model_validate(found)
        history = of_columns(rows.times, rows.values, served.card, Limits())
        assert isinstance(history, History)
        at.append(time.perf_counter())
        served.forecast(history)
        at.append(time.perf_counter())
        json.dumps(served.answer(history))
        at.append(time.perf_counter())
        for name, took in zip(steps, np.diff(at), strict=True):
            steps[name].append(took)
    median = {name: 1000 * float(np.median(took)) for name, took in steps.items()}
    median["write"] -= median["forecast"]  # `answer` makes it once more
    print("inside, ms:", ", ".join(f"{name} {took:.3f}" for name, took in median.items()))


def wrk(url: str, connections: int, seconds: int, script: str | None = None) -> dict:
    """requests/s, p50, p99 (ms), answers that are no 2xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *(["-s", script] if script else []), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}

    def share(percent: str) -> float:
        number, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", said).groups()
        return float(number) * units[unit]

    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), "p50": share("50"), "p99": share("99"),
            "bad": int(bad[1]) if bad else 0}  # fmt: skip


def of_process(pid: int) -> tuple[float, float]:
    """CPU seconds, resident MB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def started(folder: Path, port: int) -> subprocess.Popen:
    server = subprocess.Popen([sys.executable, "-m", "litecast.service", str(folder), "--port", str(port)])
    for _ in range(300):
        time.sleep(0.1)
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready").close()
            return server
        except OSError:
            if server.poll() is not None:
                break
    raise SystemExit("the service did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--series", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--soak", type=float, default=0.0, help="minutes at 8 connections, memory printed each minute")
    parser.add_argument("--port", type=int, default=8765)
    asked = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("bench/service.py needs wrk: apt-get install wrk")
    shelf = Shelf(asked.folder)
    served = shelf.named(asked.model) if asked.model else next(iter(shelf.models.values()))
    content = body(served, asked.series, served.card["L"])
    print(f"{served.name}: {len(content)} bytes of JSON, {asked.series} series x {served.card['L']} rows; "
          f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    parts(served, content)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "forecast.lua"
        script.write_text(LUA.format(content.decode()))
        server = started(asked.folder, asked.port)
        url = f"http://127.0.0.1:{asked.port}"
        try:
            routes = {"empty": (f"{url}/health/live", None),
                      "forecast": (f"{url}/forecast?model={served.name}", str(script))}  # fmt: skip
            for route, (address, with_script) in routes.items():
                wrk(address, 8, 1, with_script)
                for connections in CONNECTIONS:
                    before, _ = of_process(server.pid)
                    found = wrk(address, connections, asked.seconds, with_script)
                    used, resident = of_process(server.pid)
                    per_cpu = found["rps"] * asked.seconds / (used - before)
                    print(f"{route:9} {connections:3} connections: {found['rps']:7.0f}/s, {per_cpu:6.0f} a CPU second, "
                          f"p50 {found['p50']:6.2f} ms, p99 {found['p99']:6.2f} ms, {found['bad']} refused, "
                          f"{resident:.1f} MB")  # fmt: skip
            for minute in range(round(asked.soak)):
                wrk(routes["forecast"][0], 8, 60, str(script))
                print(f"minute {minute + 1}: {of_process(server.pid)[1]:.1f} MB")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
