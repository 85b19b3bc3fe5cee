"""Forking a child per run: what the parent imports once for all, and how a child ends."""

import ctypes
import gc
import importlib
import os
import signal
import sys
from contextlib import suppress

from litecast import paths
from litecast.errors import RunError
from litecast.planning import closure, plan
from litecast.running import one


def warm_up(made: plan.Plan) -> None:
    """Import once what the notebooks will import; each child then has it for nothing."""
    one.papermill()
    one_each = {run.notebook: run for run in made.runs}.values()
    files = {paths.ROOT / run.notebook for run in one_each} | {path for run in one_each for path in made.closure(run)}
    for name in sorted(closure.third_party(sorted(files | {paths.PACKAGE / "report" / "exporters.py"}))):
        while name:  # a module, or the one a dotted name lies in; what is missing fails in the run that needs it
            with suppress(ImportError):
                importlib.import_module(name)
                break
            name = name.rpartition(".")[0]
    gc.collect()
    gc.freeze()  # shared pages stay shared: the collector does not write into them


def die_with_parent(parent: int | None = None) -> None:
    """Linux: this process gets SIGKILL when its parent ends, even by kill -9. Elsewhere runs end by themselves."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os._exit(1)


def ended(made: plan.Plan, run: plan.Planned, status: int) -> bool:
    """Was it made? A child that was killed could not say why: error.json then says it. RunError where a run could
    write nothing."""
    if status < 0:
        died = RunError(f"its process was ended by {signal.Signals(-status).name}"
                        + (" (out of memory?)" if -status == signal.SIGKILL else ""))
        one.fail(made.folder / run.dir, plan.read(made.study).run(run.id) if run.late else run, died)
    if status == one.UNWRITTEN:
        raise RunError(f"{made.folder}: {run.id} could write nothing there, not even why it failed; is the "
                       "disk full, or the folder not yours? Finished runs are kept, the next call goes on")
    return status == 0
