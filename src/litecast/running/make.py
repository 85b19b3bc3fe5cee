"""`python -m litecast.running.make params/quick.yaml [--data my.csv] [--lang ko] [--jobs 2] [--executor slurm]`: a
study from its file to its report.

Checks the study, finds the data, plans, and lets Snakemake order the runs. Snakemake starts a tiny client per run
(litecast.running.client); this process, which has imported the heavy libraries once, forks a child for each. Nothing
heavy is imported when there is nothing to run. Exit code: 0 all done, 1 a run failed or could not, 2 the study is
refused.
"""

import argparse
import contextlib
import fcntl
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import NamedTuple

from litecast import paths
from litecast.errors import LitecastError, RunError
from litecast.files import read_json, refusal, write_json
from litecast.planning import plan
from litecast.report import languages
from litecast.running import cluster, forks, one, own

START = time.perf_counter()


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module's text for exit codes."""
    parser = argparse.ArgumentParser("python -m litecast.running.make", description="Run a study and report on it.")
    parser.add_argument("study", help="study file, e.g. params/quick.yaml")
    parser.add_argument("--data", metavar="CSV", help="your own series instead of the study's datasets")
    parser.add_argument("--lang", default=languages.FIRST, help="language of a report beside the English one, e.g. ko")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default: all cores)")
    parser.add_argument("--executor", default="", metavar="slurm", help="send the runs to a cluster: a folder of "
                        "params/executors, or the path of a Snakemake profile of your own")
    parser.add_argument("--plan", action="store_true", help="check, resolve and plan only")
    parser.add_argument("--stage", default="", metavar="1", help="only runs of notebooks whose number begins so")
    args = parser.parse_args(argv)
    one.environment("litecast.running.make", argv)  # children inherit it
    return answered(lambda: _called(args))


def _called(args: argparse.Namespace) -> int:
    profile = cluster.profile(args.executor) if args.executor else None
    made = prepare(args.study, args.data, args.lang)
    if args.plan:
        print(f"{made.folder}/plan.json: {len(made.runs)} runs, {len(_due(made, late=False))} to be made")
        return 0
    return part(made, args.jobs, args.stage) if args.stage else _study(made, args.jobs, profile)


def answered(call: Callable[[], int]) -> int:
    """The exit code of a command: its own, or 2 and what is wrong, in words."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return call()
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # of a file that is not replaced in one step: a log, a folder, the lock
        if not (refused := refusal(error)):
            raise
        print(f"litecast: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("litecast: interrupted; finished runs are kept, the next call goes on from here", file=sys.stderr)
        return 130


def prepare(path: str | Path, data: str | None = None, language: str = languages.FIRST) -> plan.Plan:
    """Check a study file, resolve its data, write data.lock and plan.json, remove done.json files that are out of date.

    Raises StudyError or DataError before anything is written, RunError for an unknown language or if the study is being
    run by another process.
    """
    from litecast.data import resolve

    languages.checked(language)
    files, notes = None, []
    if data:
        name, notes = own.called(data)
        files = {name: str(Path(data).resolve())}
    study = plan.load(path, files)
    lock = resolve(study.datasets, files or {n: str((paths.ROOT / f).resolve()) for n, f in study.files.items()})
    read = own.Checked.read(study.name, lock)  # a bad file is refused before anything is planned or written
    if data:
        study, more = own.sized(study, read.windows[name])
        notes += more
    made = _in_languages(plan.expand(study, lock, notes + read.notes()), language)
    made.folder.mkdir(parents=True, exist_ok=True)
    made.held = _exclusive(made.folder)
    write_json(made.folder / "data.lock", lock)
    read.keep(study.name, lock)
    made.write()
    _forget(made, _due(made, late=False))
    for note in made.notes:
        print(f"note: {note}")
    return made


def _in_languages(made: plan.Plan, asked: str) -> plan.Plan:
    """The plan with a report in each further language: the one that is asked for, and those that the study has. They
    are the same notebook on the same artefacts, so nothing else is made for them."""
    there = [name for name in languages.known() if (made.folder / f"{languages.stem(name)}.html").exists()]
    more = sorted({asked, *there} - {languages.FIRST})
    reports = [run for run in made.runs if run.stage.endswith("_report")]
    others = [replace(run, id=f"{run.stage}/language={name}", dir=f"runs/{run.stage}/language={name}",
                      keys=run.keys | {"language": name}, params=run.params | {"language": name})
              for run in reports for name in more]
    made = replace(made, runs=[*made.runs, *others])
    for run in others:
        made.refresh(run)
    return made


def _exclusive(folder: Path):
    """An open file that holds the study's lock until this process ends, however it ends."""
    held = open(folder / ".running", "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RunError(f"{folder} is being written by another call; wait for it or stop it") from error
    return held


def _due(made: plan.Plan, late: bool) -> list[plan.Planned]:
    return [run for run in made.runs if run.late == late and plan.state(made, run)[0] != "done"]


def _forget(made: plan.Plan, runs: list[plan.Planned]) -> None:
    """So that Snakemake, which only looks for files, sees what is missing."""
    for run in runs:
        (made.folder / run.dir / "done.json").unlink(missing_ok=True)


def _study(made: plan.Plan, jobs: int, profile: Path | None = None) -> int:
    """Runs, references that teach and what they taught, then timing, comparison and report on what there is. Exit code.

    profile: of a cluster, which takes the runs and the timing.
    """
    late = [run for run in made.runs if run.late]
    with contextlib.closing(Server(made, jobs)) as server:
        server = cluster.Cluster(server, profile) if profile else server
        early = _due(made, late=False)
        if [run for run in early if not run.taught]:
            server.call(["runs"], early + late)
        _taught(made, server)
        for run in late:
            made.refresh(run)
        if due := _due(made, late=True):
            first = min(cluster.place(run) for run in due)  # if one has to be made, all behind it follow
            due = [run for run in late if run in due or cluster.place(run) > first]
            _forget(made, due)
            made.write()
            server.call(["late"], due)
    made = plan.read(made.study)
    return _summary(made, made.runs)


def _taught(made: plan.Plan, server: "Server") -> None:
    """What a reference teaches learns from what was trained, done or not: so its digest is known after that alone."""
    taught = [run for run in made.runs if run.taught]
    teaching = [run for run in made.runs if run.late and any(run.id in one.needs for one in taught)]
    for run in teaching:
        made.refresh(run)
    for due in (lambda: [run for run in teaching if plan.state(made, run)[0] != "done"], made.settle):
        if runs := due():
            _forget(made, runs)
            made.write()
            server.call([f"{run.dir}/done.json" for run in runs], runs)


def part(made: plan.Plan, jobs: int, stage: str) -> int:
    """The early runs of one stage ('' = of all), and what they need; none that a reference teaches, no comparison, no
    report. Exit code."""
    early = [run for run in made.runs if not run.late and not run.taught]
    wanted = [run for run in early if run.stage.startswith(stage)]
    if not wanted:
        there = ", ".join(sorted({run.stage for run in early}))
        raise RunError(f"study {made.study} plans no run of stage '{stage}'; there are {there}")
    if due := [run for run in wanted if plan.state(made, run)[0] != "done"]:
        with contextlib.closing(Server(made, jobs)) as server:
            server.call([f"{run.dir}/done.json" for run in due], due)
    return _summary(made, wanted)


def _summary(made: plan.Plan, runs: list[plan.Planned]) -> int:
    """Say what is missing of these runs and why; 0 if nothing is."""
    states = [(run, *plan.state(made, run)) for run in runs]
    pages = [made.folder / f"{languages.stem(name)}.html" for name in languages.known()]
    missing = sorted((line for line in states if line[1] != "done"), key=lambda line: line[1] != "failed")
    print(f"{len(states) - len(missing)} of {len(states)} runs are done"
          + "".join(f"; {page}" for page in pages if page.exists()))
    for run, what, why in missing:
        reason = why.splitlines()[0] if why else "it was never started, see snakemake.log"
        print(f"  {'failed' if what == 'failed' else 'not run'}: {run.id}: {reason}")
    for run, why in [(run, why) for run, what, why in states if what == "done" and why]:
        print(f"  left out: {run.id}: {why}")
    for run in [run for run, what, _ in missing if what == "failed"][:1]:
        print(f"  the page of a failed run: {made.folder}/{run.dir}/notebook.ipynb; the next call retries it")
    return 1 if missing else 0


# ---- the warm parent ---------------------------------------------------------------------------------------------


class Child(NamedTuple):
    """A run under way, and the client that waits for its exit code."""

    process: multiprocessing.Process
    client: socket.socket
    run: plan.Planned
    start: float


class Server:
    """Forks a child per run for the clients that Snakemake starts. jobs: runs at a time."""

    def __init__(self, made: plan.Plan, jobs: int):
        self.made, self.progress = made, Progress(made, jobs)
        short = None if len(tempfile.gettempdir()) < 60 else "/tmp"  # a socket's path has 104 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="litecast-", dir=short))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "s"))
        self.listener.listen(64)
        self.log = open(made.folder / "snakemake.log", "w")
        self.snakemake: subprocess.Popen | None = None
        self.children: list[Child] = []

    def call(self, targets: list[str], runs: list[plan.Planned]) -> None:
        """Let Snakemake make rules or files, serving its clients until it ends. runs: what is to come."""
        self.progress.expect(runs)
        command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(paths.ROOT / "Snakefile"),
                   "--directory", str(self.made.folder), "--cores", str(self.progress.jobs), "--keep-going",
                   "--ignore-incomplete", "--nolock", "--rerun-triggers", "mtime", "--scheduler", "greedy",
                   "--latency-wait", "2"]
        is_first, self.snakemake = self.snakemake is None, subprocess.Popen(
            command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=forks.die_with_parent,
            env=os.environ | {"LITECAST_SOCKET": self.listener.getsockname()})
        if is_first:  # while Snakemake starts
            forks.warm_up(self.made)
        while self.snakemake.poll() is None or self.children:
            self._serve()

    def _serve(self) -> None:
        """What has happened since: a child ended, a client went away, a client came; at most 0.1 s."""
        watched = [end for child in self.children for end in (child.process.sentinel, child.client)]
        ready = wait([self.listener, *watched], timeout=0.1)
        for child in [child for child in self.children if not child.process.is_alive()]:
            self._ended(child)
        for child in [child for child in self.children if child.client in ready]:
            child.process.kill()
        if self.listener in ready:
            self._fork(self.listener.accept()[0])

    def _fork(self, client: socket.socket) -> None:
        """A client names its run, once; later it can only go away."""
        name = client.recv(4096).decode().strip()
        if not name:
            return client.close()
        run, start = self.made.run(name), time.perf_counter()
        process = multiprocessing.get_context("fork").Process(target=self._execute, args=(os.getpid(), run))
        process.start()
        self.children.append(Child(process, client, run, start))

    def _execute(self, parent: int, run: plan.Planned) -> None:
        """In the child. What the parent holds open is closed, so that its end is seen at once."""
        forks.die_with_parent(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for held in (self.listener, self.made.held, *(child.client for child in self.children)):
            held.close()
        os.dup2(self.log.fileno(), 1)
        os.dup2(self.log.fileno(), 2)
        sys.exit(one.execute(self.made.study, run.id))

    def _ended(self, child: Child) -> None:
        self.children.remove(child)
        child.process.join()
        well = forks.ended(self.made, child.run, child.process.exitcode)
        self.progress.finished(child.run, time.perf_counter() - child.start, well)
        with contextlib.suppress(OSError), child.client:  # it may have gone away
            child.client.sendall(b"0" if well else b"1")

    def close(self) -> None:
        """End what is still running, and add this call to calls.json; finished runs are kept."""
        if self.snakemake:
            self.snakemake.kill()
        for child in self.children:
            child.process.kill()
        self.listener.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.progress.record()


class Progress:
    """One line per finished run, with the time left judged from what such runs took before."""

    def __init__(self, made: plan.Plan, jobs: int):
        self.made, self.jobs, self.done, self.failed, self.total = made, jobs, 0, 0, 0
        self.seconds: dict[str, float] = read_json(made.folder / "seconds.json")
        self.open: dict[str, plan.Planned] = {}

    def expect(self, runs: list[plan.Planned]) -> None:
        """The runs that are still to come in this call."""
        self.open, self.total = {run.id: run for run in runs}, self.done + len(runs)

    def finished(self, run: plan.Planned, seconds: float, well: bool) -> None:
        self.open.pop(run.id, None)
        self.done += 1
        self.failed += not well
        if well:
            self.seconds[run.id] = round(seconds, 3)
            write_json(self.made.folder / "seconds.json", self.seconds)
        else:
            self._drop(run.id)
        print(f"[{self.done:3d}/{self.total}] {run.stage} {run.dir.rpartition('/')[2]}  {seconds:.1f} s"
              f"{'' if well else '  FAILED'}   failed {self.failed}, left {len(self.open)}{self._left()}", flush=True)

    def record(self) -> None:
        """Add this call to calls.json (`make bench` reads it), if it ran anything."""
        if self.done:
            path, wall = self.made.folder / "calls.json", round(time.perf_counter() - START, 1)
            call = {"wall_s": wall, "jobs": self.jobs, "runs": self.done, "failed": self.failed}
            write_json(path, {"calls": [*read_json(path).get("calls", [])[-19:], call]})

    def _drop(self, failed: str) -> None:
        """What waits for a failed run will not run in this call."""
        for run in [run for run in self.open.values() if failed in run.needs and not run.late]:
            self.open.pop(run.id, None)
            self._drop(run.id)

    def _left(self) -> str:
        """', about 6 min': mean of the run's stage in the record, or of all; timing and what follows run alone."""
        stages: dict[str, list[float]] = {}
        for run_id, seconds in self.seconds.items():
            stages.setdefault(run_id.partition("/")[0], []).append(seconds)
        if not self.open or not stages:
            return ""
        means = {stage: sum(values) / len(values) for stage, values in stages.items()}
        usual = sum(means.values()) / len(means)
        total = sum(self.seconds.get(run.id, means.get(run.stage, usual)) / (1 if run.late else self.jobs)
                    for run in self.open.values())
        return f", about {total:.0f} s" if total < 90 else f", about {total / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
