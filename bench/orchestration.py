"""What orchestration costs: `python bench/orchestration.py [quick]` prints a Markdown table.

Read from the study's records: seconds inside cells (useful work), of papermill around them, of rendering, of the whole
child, and the wall time of the call that made most runs. Measured now: planning, the client, Snakemake, an idle call.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from litecast import files, paths
from litecast.planning import plan


def main(name: str) -> None:
    made = plan.read(name)
    rows = [*_recorded(made), *_measured(name)]
    print(f"Study `{name}`, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| what | value |\n|---|---:|")
    for what, value in rows:
        print(f"| {what} | {value} |")


def _recorded(made: plan.Plan) -> list[tuple[str, str]]:
    """From done.json, seconds.json and calls.json of the study."""
    done = [files.read_json(made.folder / run.dir / "done.json") for run in made.runs]
    calls = files.read_json(made.folder / "calls.json").get("calls", [])
    child = files.read_json(made.folder / "seconds.json")
    done = [run for run in done if run.get("id") in child]
    if not done or not calls:
        raise SystemExit(f"{made.folder} has no finished runs: make the study first")
    useful = sum(run["cells_s"] for run in done)
    over = [child[run["id"]] - run["cells_s"] for run in done]
    rest = [seconds - run["papermill_s"] - run["render_s"] for seconds, run in zip(over, done, strict=True)]
    call = max(calls, key=lambda c: c["runs"])
    longest = f"wall time of the call that made {call['runs']} runs, {call['jobs']} at a time"
    rows = [("runs of the study", str(len(done))), ("useful work, seconds in cells", f"{useful:.1f} s"),
            (longest, f"{call['wall_s']:.1f} s")]
    if call["runs"] == len(done):
        rows += [("wall ÷ useful", f"{call['wall_s'] / useful:.2f}"),
                 ("wall ÷ (useful ÷ jobs)", f"{call['wall_s'] * call['jobs'] / useful:.2f}")]
    return rows + [("overhead per run, fork to exit less the cells", _median(over)),
                   ("… papermill and the IPython shell", _median([run["papermill_s"] for run in done])),
                   ("… rendering notebook.html", _median([run["render_s"] for run in done])),
                   ("… fork, inputs.json, digest check", _median(rest))]


def _measured(name: str) -> list[tuple[str, str]]:
    file = paths.PARAMS / f"{name}.yaml"
    lock = json.loads((paths.study_dir(name) / "data.lock").read_text(encoding="utf-8"))
    return [("plan: check and expand the study", _median(_times(lambda: plan.expand(plan.load(file), lock)))),
            ("client that Snakemake starts for a run", _median(_client(10))),
            ("Snakemake: start, read the plan, end", _median(_times(lambda: _snakemake(name), 3))),
            ("call with nothing to do", _median(_times(lambda: _call(file), 3)))]


def _call(file: Path) -> None:
    subprocess.run([sys.executable, "-m", "litecast.runner", str(file)], check=True, stdout=subprocess.DEVNULL)


def _snakemake(name: str) -> None:
    command = ["-m", "snakemake", "--snakefile", str(paths.ROOT / "Snakefile"), "--cores", "1", "--dry-run", "--quiet"]
    subprocess.run([sys.executable, *command, "--directory", str(paths.study_dir(name)), "--", "runs"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _client(times: int) -> list[float]:
    """Seconds from start to end of the client, against a server that answers at once."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        listener.listen()
        threading.Thread(target=_answer, args=(listener, times), daemon=True).start()
        command = [sys.executable, "-I", "-S", str(paths.PACKAGE / "client.py"), "study", "run"]
        environment = os.environ | {"LITECAST_SOCKET": f"{folder}/s"}
        return _times(lambda: subprocess.run(command, env=environment, check=True), times)


def _answer(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        client, _ = listener.accept()
        with client:
            client.recv(4096)
            client.sendall(b"0")


def _times(action, times: int = 5) -> list[float]:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return found


def _median(seconds: list[float]) -> str:
    value = statistics.median(seconds)
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["quick"]))
