"""A study on a cluster: its runs go out in chunks, through Snakemake and one of its executors.

The submitting machine resolves data, plans, compares and reports; nodes see the same folder and need no network. A
chunk holds the runs of one dataset and model for about twenty minutes of a core, so that Python starts once for many;
what needs runs of another chunk waits for the next round. Timing goes to one node, alone. What a node that was lost
had finished is kept; what it had not is missing as on one machine, and the next call makes it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from litecast import catalogue, paths
from litecast.errors import RunError
from litecast.files import read_json, write_json
from litecast.planning import plan
from litecast.running import chunk, forks

PROFILES = paths.PARAMS / "executors"
CHUNK_S = 20 * 60  # seconds of one core that a chunk should take: Python's start and a place in a queue are paid once
UNKNOWN_S = 30.0  # of a run of a stage that never ran
ALONE = ("timing", "devices")  # late stages that need a machine for themselves


def profile(name: str) -> Path:
    """The Snakemake profile of an executor: a folder of params/executors, or one's own. RunError if there is none, or
    what it asks for is not installed."""
    folder = next((place for place in (PROFILES / name, Path(name)) if (place / "config.yaml").is_file()), None)
    if folder is None:
        known = [path.parent.name for path in PROFILES.glob("*/config.yaml")]
        raise RunError(f"there is no executor '{name}'{catalogue.near(name, known)}; or name a folder that holds a "
                       "Snakemake profile, config.yaml")
    return folder.resolve()


class Cluster:
    """Takes calls in place of the local server: runs and timing go to the cluster, all else stays with the server."""

    def __init__(self, server, folder: Path):
        self.server, self.profile, self.made, self.round = server, folder, server.made, 0

    def call(self, targets: list[str], runs: list[plan.Planned]) -> None:
        """As the server's: targets are rules or files, runs what is to come. Late runs keep their order."""
        self.server.progress.expect(runs)
        whole = {"runs": [run for run in runs if not run.late and not run.taught],
                 "late": [run for run in runs if run.late]}  # as the rules of the Snakefile
        asked = whole.get(targets[0]) or [run for run in runs if f"{run.dir}/done.json" in targets]
        self._early([run for run in asked if not run.late])
        late = sorted((run for run in asked if run.late), key=place)
        for alone, stage in groupby(late, key=lambda run: run.stage.endswith(ALONE)):
            stage = list(stage)
            if alone:
                self._submit({f"{self.round}-alone": stage}, alone=True)
            else:
                self.server.call([f"{run.dir}/done.json" for run in stage], late[late.index(stage[0]):])

    def close(self) -> None:
        self.server.close()

    def _early(self, runs: list[plan.Planned]) -> None:
        """Round after round, until nothing is left that could be made."""
        open_runs = runs
        while found := parts(self.made, open_runs, self.server.progress.seconds):
            self._submit({f"{self.round}-{number:03d}": part for number, part in enumerate(found)})
            tried = {run.id for part in found for run in part}
            open_runs = [run for run in open_runs if run.id not in tried]

    def _submit(self, named: dict[str, list[plan.Planned]], alone: bool = False) -> None:
        """One call of Snakemake for these chunks; a line for each run that is done meanwhile."""
        folder, self.round = chunk.place(self.made), self.round + 1
        ending = "alone" if alone else "done"
        for name, part in named.items():
            write_json(folder / f"{name}.json", {"runs": [run.id for run in part]})
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
        command = [sys.executable, "-m", "snakemake", *(f"chunks/{name}.{ending}" for name in named),
                   "--snakefile", str(paths.ROOT / "Snakefile"), "--directory", str(self.made.folder),
                   "--profile", str(self.profile), "--keep-going", "--nolock", "--rerun-triggers", "mtime"]
        began = time.time()
        process = subprocess.Popen(command, stdout=self.server.log, stderr=self.server.log, stdin=subprocess.DEVNULL,
                                   preexec_fn=forks.die_with_parent,
                                   env={k: v for k, v in os.environ.items() if k != "LITECAST_SOCKET"})
        left = {run.id: run for part in named.values() for run in part}
        while process.poll() is None:
            time.sleep(0.5)
            self._look(left, began)
        self._look(left, began)
        if process.returncode and len(left) == sum(map(len, named.values())):
            print(f"note: nothing came back of {len(named)} chunk(s); see {self.server.log.name} and "
                  f"{self.made.folder}/.snakemake", flush=True)

    def _look(self, left: dict[str, plan.Planned], began: float) -> None:
        """Tell of the runs that are done, or failed, since."""
        for name, run in list(left.items()):
            folder = self.made.folder / run.dir
            done, failed = folder / "done.json", folder / "error.json"
            if done.exists() or failed.exists() and failed.stat().st_mtime >= began:
                left.pop(name)
                took = read_json(done)
                seconds = sum(took.get(part) or 0.0 for part in ("cells_s", "papermill_s", "render_s"))
                self.server.progress.finished(run, seconds, done.exists())


def place(run: plan.Planned) -> int:
    """Where a late run stands in the order of plan.LATE."""
    return next(place for place, word in enumerate(plan.LATE) if run.stage.endswith(word))


def parts(made: plan.Plan, runs: Iterable[plan.Planned], seconds: dict[str, float],
          limit: float = CHUNK_S) -> list[list[plan.Planned]]:
    """Chunks that can go out together: what a run needs is done, or stands before it in the same chunk.

    seconds: of runs made before, by id; others are taken to last as long as the mean of their stage. A chunk that is
    full ends; what needs one of its runs waits for the next call.
    """
    waiting = {run.id for run in runs if plan.state(made, run)[0] != "done"}
    opened: dict[tuple, list] = {}
    found: list[list[plan.Planned]] = []
    at: dict[str, list] = {}  # run -> its chunk
    for run in made.ordered():
        needed = waiting & {*run.needs}
        if run.id not in waiting or any(need not in at for need in needed):
            continue
        key = run.keys.get("dataset"), run.keys.get("model")
        part = at[next(iter(needed))] if needed else opened.get(key)
        if needed and (any(at[need] is not part for need in needed) or _long(part, made, seconds, limit)):
            continue
        if part is None or _long(part, made, seconds, limit):
            part = opened[key] = []
            found.append(part)
        part.append(run)
        at[run.id] = part
    return found


def _long(part: list[plan.Planned], made: plan.Plan, seconds: dict[str, float], limit: float) -> bool:
    return sum(_expected(run, seconds) for run in part) >= limit


def _expected(run: plan.Planned, seconds: dict[str, float]) -> float:
    """Seconds that a run should take."""
    alike = [took for name, took in seconds.items() if name.partition("/")[0] == run.stage]
    return seconds.get(run.id) or (sum(alike) / len(alike) if alike else UNKNOWN_S)
