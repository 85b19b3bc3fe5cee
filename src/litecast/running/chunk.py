"""`python -m litecast.running.chunk STUDY NAME [--jobs 4]`: what a cluster's node is given, many runs of a study in one
process, so that Python and its libraries start once.

The runs stand in `reports/<study>/chunks/<name>.json`, each behind those that it needs; what it needs beside them is
done. Each is forked as on one machine, so errors, files and what a failure leaves are the same. Exit code: 0 all done,
1 a run failed, 2 there is no such chunk.
"""

import argparse
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path

from litecast.errors import LitecastError, RunError
from litecast.files import read_json
from litecast.planning import plan
from litecast.running import forks, one


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module's text for exit codes."""
    parser = argparse.ArgumentParser("python -m litecast.running.chunk", description="Make the runs of a chunk.")
    parser.add_argument("study")
    parser.add_argument("name", help="of reports/<study>/chunks/<name>.json")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    args = parser.parse_args(argv)
    one.environment("litecast.running.chunk", argv)
    try:
        made = plan.read(args.study)
        path = place(made) / f"{args.name}.json"
        if "runs" not in read_json(path):
            raise RunError(f"{path} is no chunk of study {args.study}: the call that submits it writes it")
        return 0 if work(made, [made.run(name) for name in read_json(path)["runs"]], args.jobs) else 1
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2


def place(made: plan.Plan) -> Path:
    """Where the chunks of a study are written down."""
    return made.folder / "chunks"


def work(made: plan.Plan, runs: Sequence[plan.Planned], jobs: int) -> bool:
    """Make these runs, `jobs` at a time, what is done left as it is; True if all are. What needs a run that failed is
    not started."""
    waiting = [run for run in runs if plan.state(made, run)[0] != "done"]
    under_way, gone = {}, set()
    if waiting:
        forks.warm_up(made)
    while waiting or under_way:
        running = {run.id for run in under_way.values()}
        blocked = running | {run.id for run in waiting}
        for run in [run for run in waiting if gone & {*run.needs}]:
            waiting.remove(run)
            gone.add(run.id)
        for run in [run for run in waiting if not blocked & {*run.needs}][: jobs - len(under_way)]:
            waiting.remove(run)
            under_way[_forked(made, run)] = run
        for sentinel in wait([process.sentinel for process in under_way], timeout=60) if under_way else []:
            process = next(process for process in under_way if process.sentinel == sentinel)
            process.join()
            run = under_way.pop(process)
            well = forks.ended(made, run, process.exitcode)
            gone |= set() if well else {run.id}
            print(f"{run.id}{'' if well else '  FAILED'}", flush=True)
    return not gone


def _forked(made: plan.Plan, run: plan.Planned) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=_execute, args=(os.getpid(), made.study, run.id))
    process.start()
    return process


def _execute(parent: int, study: str, run: str) -> None:
    forks.die_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.exit(one.execute(study, run))


if __name__ == "__main__":
    sys.exit(main())
