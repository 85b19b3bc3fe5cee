"""`python -m litecast.runner params/quick.yaml [--data my.csv] [--jobs 2]`: a study from its file to its report.

Checks the study, finds the data, plans, and lets Snakemake order the runs. Snakemake starts a tiny client per run
(litecast.client); this process, which has imported the heavy libraries once, forks a child for each. Nothing heavy is
imported when there is nothing to run. Exit code: 0 all done, 1 a run failed or could not run, 2 the study is refused.
"""

import argparse
import ctypes
import fcntl
import gc
import importlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from litecast import closure as code
from litecast import engine, paths, study
from litecast.errors import LitecastError, RunError

START = time.perf_counter()


def main(argv: list[str] | None = None) -> int:
    """The command line; see the module's text for exit codes."""
    args = _arguments(argv)
    if os.environ.get("PYTHONHASHSEED") != "0":  # children inherit the order of sets: the same in every call
        again = [sys.executable, "-m", "litecast.runner", *(sys.argv[1:] if argv is None else argv)]
        os.execve(sys.executable, again, os.environ | engine.ENVIRONMENT)
    os.environ.update(engine.ENVIRONMENT)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        made = prepare(args.study, args.data)
        if args.plan:
            print(f"reports/{made.study}/plan.json: {len(made.runs)} runs, {len(_due(made, late=False))} to be made")
            return 0
        return _study(made, args.jobs, args.snakemake.split())
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("litecast: interrupted; finished runs are kept, the next call goes on from here", file=sys.stderr)
        return 130


def prepare(path: str | Path, data: str | None = None) -> study.Plan:
    """Check a study file, resolve its data, write data.lock and plan.json, remove done.json files that are out of date.

    Raises StudyError or DataError before anything is written, RunError if the study is being run by another process.
    """
    from litecast.data import resolve

    files = {_slug(data): str(Path(data).resolve())} if data else None
    checked = study.load(path, files)
    lock = resolve(checked.datasets, files or _absolute(checked.files))
    made = study.plan(checked, lock)
    made.folder.mkdir(parents=True, exist_ok=True)
    made.held = _exclusive(made.folder)
    study.write_json(made.folder / "data.lock", lock)
    made.write()
    _remove_stale(made, late=False)
    for note in made.notes:
        print(f"note: {note}")
    return made


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="python -m litecast.runner", description="Run a study and report on it.")
    parser.add_argument("study", help="study file, e.g. params/quick.yaml")
    parser.add_argument("--data", metavar="CSV", help="your own series instead of the study's datasets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default: all cores)")
    parser.add_argument("--plan", action="store_true", help="check, resolve and plan only")
    parser.add_argument("--snakemake", default="", metavar="OPTIONS",
                        help="more options for Snakemake, e.g. '--executor slurm'; runs are then on their own")
    return parser.parse_args(argv)


def _slug(data: str) -> str:
    from litecast.data import files

    return files.slug(data)


def _absolute(files: dict[str, str]) -> dict[str, str]:
    return {name: str((paths.ROOT / file).resolve()) for name, file in files.items()}


def _exclusive(folder: Path):
    """An open file that holds the study's lock until this process ends, however it ends."""
    held = open(folder / ".running", "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RunError(f"{folder} is being written by another call; wait for it or stop it") from error
    return held


def _due(made: study.Plan, late: bool) -> list[study.Run]:
    return [run for run in made.runs if run.late == late and study.state(made, run)[0] != "done"]


def _remove_stale(made: study.Plan, late: bool) -> None:
    """So that Snakemake, which only looks for files, sees what is missing."""
    for run in _due(made, late):
        (made.folder / run.dir / "done.json").unlink(missing_ok=True)


def _study(made: study.Plan, jobs: int, options: list[str]) -> int:
    """Runs, then timing, comparison and report on what there is. Exit code."""
    late = [run for run in made.runs if run.late]
    server = Server(made, Progress(made, jobs))
    try:
        if early := _due(made, late=False):
            server.progress.expect(early + late)
            server.call("runs", jobs, options)
        for place, word in enumerate(study.LATE):  # if one has to be made, all behind it follow
            for run in (run for run in late if run.stage.endswith(word)):
                made.refresh(run)
            if any(run.stage.endswith(word) for run in _due(made, late=True)):
                _forget(made, [r for r in late if r.stage.endswith(study.LATE[place + 1:])])
                _remove_stale(made, late=True)
                made.write()
                server.progress.expect(_due(made, late=True))
                server.call("late", jobs, [])
                break
    finally:
        server.close()
        server.progress.record()
    return _summary(study.read(made.study))


def _forget(made: study.Plan, runs: list[study.Run]) -> None:
    for run in runs:
        (made.folder / run.dir / "done.json").unlink(missing_ok=True)


def _summary(made: study.Plan) -> int:
    """Say what is missing and why; 0 if nothing is."""
    states = [(run, *study.state(made, run)) for run in made.runs]
    failed = [(run, why) for run, what, why in states if what == "failed"]
    others = [(run, why or "it was never started, see snakemake.log") for run, what, why in states
              if what in ("not run", "missing")]
    print(f"{len(states) - len(failed) - len(others)} of {len(states)} runs are done"
          + (f"; {made.folder / 'report.html'}" if (made.folder / "report.html").exists() else ""))
    for title, rows in (("failed", failed), ("not run", others)):
        for run, why in rows:
            print(f"  {title}: {run.id}: {why.splitlines()[0]}")
    if failed:
        print(f"  the page of a failed run: {made.folder}/{failed[0][0].dir}/notebook.ipynb; the next call retries it")
    return 1 if failed or others else 0


# ---- the warm parent ---------------------------------------------------------------------------------------------


class Server:
    """Forks a child per run for the clients that Snakemake starts."""

    def __init__(self, made: study.Plan, progress: "Progress"):
        self.made, self.progress = made, progress
        short = None if len(tempfile.gettempdir()) < 60 else "/tmp"  # a socket's path has 104 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="litecast-", dir=short))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "s"))
        self.listener.listen(64)
        self.select = selectors.DefaultSelector()
        self.select.register(self.listener, selectors.EVENT_READ, self._accept)
        self.clients: dict[int, tuple[socket.socket, study.Run, float]] = {}  # pid of the child -> who waits for it
        self.log = open(made.folder / "snakemake.log", "w")
        self.snakemake: subprocess.Popen | None = None
        self.wake, other = os.pipe()
        for end in (self.wake, other):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(other, warn_on_full_buffer=False)
        self.select.register(self.wake, selectors.EVENT_READ, self._reap)
        self.warm = False

    def call(self, target: str, jobs: int, options: list[str]) -> None:
        """Let Snakemake make a target of the Snakefile, serving its clients until it ends."""
        command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(paths.ROOT / "Snakefile"),
                   "--directory", str(self.made.folder), "--cores", str(jobs), "--keep-going", "--ignore-incomplete",
                   "--nolock", "--rerun-triggers", "mtime", "--scheduler", "greedy", "--latency-wait", "2", *options]
        spread = any(option.startswith(("--executor", "--profile")) for option in options)
        environment = os.environ | ({} if spread else {"LITECAST_SOCKET": str(self.folder / "s")})
        self.snakemake = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                          env=environment, preexec_fn=_die_with_parent)
        if not self.warm and not spread:  # while Snakemake starts
            _warm_up(self.made)
            self.warm = True
        while self.snakemake.poll() is None or self.clients:
            for key, _ in self.select.select(timeout=1):
                key.data(key.fileobj)

    def close(self) -> None:
        """End what is still running; finished runs are kept."""
        if self.snakemake and self.snakemake.poll() is None:
            self.snakemake.kill()
        for pid in self.clients:
            os.kill(pid, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        self.listener.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self.select.register(client, selectors.EVENT_READ, self._hear)

    def _hear(self, client: socket.socket) -> None:
        """A client names its run, once; later it can only go away, and then its child is ended."""
        text = client.recv(4096).decode()
        waiting = [pid for pid, (other, _, _) in self.clients.items() if other is client]
        if text and not waiting:
            self._fork(client, self.made.run(text.strip()))
        elif not text:
            self.select.unregister(client)
            client.close()
            for pid in waiting:
                os.kill(pid, signal.SIGKILL)

    def _fork(self, client: socket.socket, run: study.Run) -> None:
        parent, start = os.getpid(), time.perf_counter()
        pid = os.fork()
        if pid == 0:
            self._child(parent, run)
        self.clients[pid] = (client, run, start)

    def _child(self, parent: int, run: study.Run) -> None:
        """In the child: never returns. What the parent holds open is closed, so that its end is seen at once."""
        code_ = 1
        try:
            _die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for key in list(self.select.get_map().values()):
                os.close(key.fd)
            self.made.held.close()
            os.dup2(self.log.fileno(), 1)
            os.dup2(self.log.fileno(), 2)
            code_ = engine.execute(self.made.study, run.id)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code_)

    def _reap(self, wake: int) -> None:
        os.read(wake, 4096)
        for pid in list(self.clients):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, status: int) -> None:
        client, run, start = self.clients.pop(pid)
        if status < 0:
            died = RunError(f"its process was ended by {signal.Signals(-status).name}"
                            + (" (out of memory?)" if -status == signal.SIGKILL else ""))
            self.made = study.read(self.made.study) if run.late else self.made
            engine.fail(self.made.folder / run.dir, self.made.run(run.id), died)
        self.progress.finished(run, time.perf_counter() - start, status == 0)
        if client.fileno() >= 0:
            self.select.unregister(client)
            client.sendall(b"0" if status == 0 else b"1")
            client.close()


def _warm_up(made: study.Plan) -> None:
    """Import once what the notebooks will import; each child then has it for nothing."""
    engine.papermill()
    one_each = {run.notebook: run for run in made.runs}.values()
    files = {paths.ROOT / run.notebook for run in one_each} | {path for run in one_each for path in made.closure(run)}
    names = code.third_party(sorted(files | {paths.PACKAGE / "report.py"}))
    for name in sorted(names):
        _import(name)
    gc.collect()
    gc.freeze()  # shared pages stay shared: the collector does not write into them


def _import(name: str) -> None:
    """Import a module, or the one a dotted name lies in; what is missing fails in the run that needs it."""
    while name:
        try:
            importlib.import_module(name)
            return
        except ImportError:
            name = name.rpartition(".")[0]


def _die_with_parent(parent: int | None = None) -> None:
    """Linux: this process gets SIGKILL when its parent ends, even by kill -9. Elsewhere runs end by themselves."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os._exit(1)


class Progress:
    """One line per finished run, with the time left judged from what such runs took before."""

    def __init__(self, made: study.Plan, jobs: int):
        self.jobs, self.done, self.failed, self.total = jobs, 0, 0, 0
        self.path = made.folder / "seconds.json"
        self.seconds: dict[str, float] = study.read_json(self.path)
        self.made, self.open = made, {}

    def expect(self, runs: list[study.Run]) -> None:
        """The runs that are still to come in this call."""
        self.open = {run.id: run for run in runs}
        self.total = self.done + len(runs)

    def finished(self, run: study.Run, seconds: float, well: bool) -> None:
        self.open.pop(run.id, None)
        self.done += 1
        self.failed += not well
        if well:
            self.seconds[run.id] = round(seconds, 3)
            study.write_json(self.path, self.seconds)
        else:
            self._drop(run.id)
        left = self._left()
        print(f"[{self.done:3d}/{self.total}] {run.stage} {run.dir.rpartition('/')[2]}  {seconds:.1f} s"
              f"{'' if well else '  FAILED'}   failed {self.failed}, left {len(self.open)}{left}", flush=True)

    def record(self) -> None:
        """Add this call to calls.json (`make bench` reads it), if it ran anything."""
        path = self.made.folder / "calls.json"
        calls = study.read_json(path).get("calls", [])
        wall = round(time.perf_counter() - START, 1)
        call = {"wall_s": wall, "jobs": self.jobs, "runs": self.done, "failed": self.failed}
        if self.done:
            study.write_json(path, {"calls": [*calls[-19:], call]})

    def _drop(self, failed: str) -> None:
        """What waits for a failed run will not run in this call."""
        for run in list(self.open.values()):
            if failed in run.needs and not run.late:
                del self.open[run.id]
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
        shares = [self.seconds.get(run.id, means.get(run.stage, usual)) / (1 if run.late else self.jobs)
                  for run in self.open.values()]
        total = sum(shares)
        return f", about {total:.0f} s" if total < 90 else f", about {total / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
