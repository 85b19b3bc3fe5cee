"""One run, from its folder to done.json: the notebook goes through papermill, in this process.

A kernel would cost seconds per run before any work; here the cells run in an IPython shell of the process that the
runner forked for the run (or of `python -m litecast.running.one STUDY RUN`). `--kernel` takes papermill's ordinary
kernel.
"""

import argparse
import os
import re
import shutil
import sys
import time
import traceback
from pathlib import Path

from litecast import paths
from litecast.errors import LitecastError, RunError
from litecast.files import read_json, refusal, write_json
from litecast.planning import closure, plan

UNWRITTEN = os.EX_IOERR  # exit code of a run that could not even write down why it failed
# One thread per run: same errors and bytes whatever runs beside it. Progress bars are for JupyterLab.
ENVIRONMENT = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                      "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TQDM_DISABLE")}
ENVIRONMENT |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONHASHSEED": "0"}


def environment(module: str, argv: list[str] | None) -> None:
    """Set ENVIRONMENT; a command starts again if its sets have another order than in every other call."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        again = [sys.executable, "-m", module, *(sys.argv[1:] if argv is None else argv)]
        os.execve(sys.executable, again, os.environ | ENVIRONMENT)
    os.environ.update(ENVIRONMENT)


def execute(name: str, run_id: str, engine: str | None = "litecast") -> int:
    """Run one notebook of a planned study; exit code 0 if done.json was written. engine: None = a kernel.

    A failure is kept as error.json beside notebook.ipynb, which is saved in either case.
    """
    made = plan.read(name)
    run = made.run(run_id)
    folder = made.folder / run.dir
    try:
        if run.late and made.refresh(run):
            made.write()
        _prepare(run, folder)
        if "torch" in sys.modules:  # imported by the parent, where the pool has not started yet
            sys.modules["torch"].set_num_threads(1)
        seconds = _notebook(run, folder, engine) | _render(made, run, folder)
        if closure.digest(paths.ROOT / run.notebook, made.closure(run)) != run.code:
            raise RunError("its notebook or code was edited while the study ran; call again")
        write_json(folder / "done.json", {"digest": run.digest, "id": run.id, **seconds})
    except Exception as error:
        return fail(folder, run, error)
    return 0


def fail(folder: Path, run: plan.Planned, error: BaseException) -> int:
    """Write error.json: {digest, error: 'Type: message', traceback}. A papermill error carries those of its cell.

    Returns the exit code: 1, or UNWRITTEN where not even that file can be written.
    """
    lines = getattr(error, "traceback", None) or traceback.format_exception(error)
    body = {"digest": run.digest, "error": told(error), "traceback": "\n".join(lines)[-4000:]}
    try:
        write_json(folder / "error.json", body)
    except OSError:  # nor can a log
        return UNWRITTEN
    return 1


def told(error: BaseException) -> str:
    """'Type: message' of an error, no line empty; where it has no message, the place. What to do, if the disk is full.

    A papermill error is told as that of its cell.
    """
    kind, message = getattr(error, "ename", type(error).__name__), str(getattr(error, "evalue", error))
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    number = re.match(r"\[Errno (\d+)\]", message)
    if number and (refused := refusal(OSError(int(number[1]), message))):
        lines.append(refused)
    return f"{kind}: " + ("\n".join(lines) or f"it gives no reason; it was raised in {_place(error)}")


def _place(error: BaseException) -> str:
    if cell := getattr(error, "exec_count", None):
        return f"code cell {cell}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else "no known place"


def _prepare(run: plan.Planned, folder: Path) -> None:
    """Wipe what was made from other inputs; what the same inputs made is kept, so finished levels are not repeated."""
    inputs = folder / "inputs.json"
    if folder.exists() and read_json(inputs).get("digest") != run.digest:
        shutil.rmtree(folder)
    for name in ("done.json", "error.json"):
        (folder / name).unlink(missing_ok=True)
    write_json(inputs, {"digest": run.digest, "id": run.id, "code": run.code, "params": run.params})


def _notebook(run: plan.Planned, folder: Path, engine: str | None) -> dict:
    """Execute and save notebook.ipynb. Returns seconds in the cells and around them."""
    source, start = paths.ROOT / run.notebook, time.perf_counter()
    unknown = sorted(set(run.params) - closure.parameters(source))
    if unknown:
        raise RunError(f"{run.notebook}: its parameters cell does not declare {', '.join(unknown)}")
    ends = [str(place).replace("{", "{{").replace("}", "}}")  # papermill fills in parameters between braces
            for place in (source, folder / "notebook.ipynb")]  # fmt: skip
    body = papermill().execute_notebook(
        *ends, parameters=run.params, engine_name=engine, kernel_name="python3", progress_bar=False, cwd=paths.ROOT,
        request_save_on_cell_execute=True)
    cells = sum(cell.metadata.papermill.get("duration") or 0 for cell in body.cells if cell.cell_type == "code")
    notes = [o["metadata"]["left_out"] for cell in body.cells for o in cell.get("outputs", [])
             if "left_out" in o.get("metadata", {})]
    return {"cells_s": round(cells, 3), "papermill_s": round(time.perf_counter() - start - cells, 3),
            "note": "; ".join(notes)}


def papermill():
    """papermill with the engine 'litecast'. Not before a run needs it: the import takes about a second."""
    sys.modules.setdefault("rfc3987_syntax", None)  # jsonschema's optional check of IRIs: 1.3 s to build its grammar
    from litecast.running.cells import papermill

    return papermill


def _render(made: plan.Plan, run: plan.Planned, folder: Path) -> dict:
    """The run's page; after the report notebook also the report of the study. Returns seconds."""
    start = time.perf_counter()
    from litecast.report import exporters, languages

    exporters.render_run(folder / "notebook.ipynb")
    if run.stage.endswith("_report"):
        exporters.export(folder / "notebook.ipynb", made.folder, run.params.get("language", languages.FIRST))
    return {"render_s": round(time.perf_counter() - start, 3)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m litecast.running.one", description="Run one planned notebook.")
    parser.add_argument("study")
    parser.add_argument("run", help="e.g. 210_deep/dataset=sample-traffic,model=lstm,seed=0")
    parser.add_argument("--kernel", action="store_true", help="in an ordinary Jupyter kernel instead of this process")
    args = parser.parse_args(argv)
    environment("litecast.running.one", argv)
    try:
        code = execute(args.study, args.run, None if args.kernel else "litecast")
        if code == UNWRITTEN:
            print(f"litecast: {args.run} could write nothing, not even why it failed", file=sys.stderr)
        return code
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
