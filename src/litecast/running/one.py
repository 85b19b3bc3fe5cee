"""One run, from its folder to done.json: the notebook goes through papermill, in this process.

A kernel would cost seconds per run before any work; here the cells run in an IPython shell of the process that the
runner forked for the run (or of `python -m litecast.running.one STUDY RUN`). `--kernel` takes papermill's ordinary
kernel.
"""

import argparse
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

from litecast import paths
from litecast.errors import LitecastError, RunError
from litecast.files import read_json, write_json
from litecast.planning import closure, plan

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
    if run.late and made.refresh(run):
        made.write()
    _prepare(run, folder)
    try:
        if "torch" in sys.modules:  # imported by the parent, where the pool has not started yet
            sys.modules["torch"].set_num_threads(1)
        seconds = _notebook(run, folder, engine) | _render(made, run, folder)
        if closure.digest(paths.ROOT / run.notebook, made.closure(run)) != run.code:
            raise RunError("its notebook or code was edited while the study ran; call again")
    except Exception as error:
        fail(folder, run, error)
        return 1
    write_json(folder / "done.json", {"digest": run.digest, "id": run.id, **seconds})
    return 0


def fail(folder: Path, run: plan.Planned, error: BaseException) -> None:
    """Write error.json: {digest, error: 'Type: message', traceback}. A papermill error carries those of its cell."""
    kind = getattr(error, "ename", type(error).__name__)
    text = f"{kind}: {getattr(error, 'evalue', error)}".strip()
    lines = getattr(error, "traceback", None) or traceback.format_exception(error)
    write_json(folder / "error.json", {"digest": run.digest, "error": text, "traceback": "\n".join(lines)[-4000:]})


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
    body = papermill().execute_notebook(
        source, folder / "notebook.ipynb", parameters=run.params, engine_name=engine, kernel_name="python3",
        progress_bar=False, cwd=paths.ROOT, request_save_on_cell_execute=True)
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
    """The run's page; after the report notebook also report.html and report.pdf of the study. Returns seconds."""
    start = time.perf_counter()
    from litecast.report import exporters

    exporters.render_run(folder / "notebook.ipynb")
    if run.stage.endswith("_report"):
        exporters.export(folder / "notebook.ipynb", made.folder)
    return {"render_s": round(time.perf_counter() - start, 3)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m litecast.running.one", description="Run one planned notebook.")
    parser.add_argument("study")
    parser.add_argument("run", help="e.g. 210_deep/dataset=sample-traffic,model=lstm,seed=0")
    parser.add_argument("--kernel", action="store_true", help="in an ordinary Jupyter kernel instead of this process")
    args = parser.parse_args(argv)
    environment("litecast.running.one", argv)
    try:
        return execute(args.study, args.run, None if args.kernel else "litecast")
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
