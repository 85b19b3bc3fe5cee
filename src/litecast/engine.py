"""One run, from its folder to done.json: the notebook goes through papermill, in this process.

A kernel would cost seconds per run before any work; here the cells run in an IPython shell of the process that the
runner forked for the run (or of `python -m litecast.engine STUDY RUN`). `--kernel` takes papermill's ordinary kernel.
"""

import argparse
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

from litecast import closure as code
from litecast import paths, study
from litecast.errors import LitecastError, RunError

# One thread per run: same errors and bytes whatever runs beside it. Progress bars are for JupyterLab.
ENVIRONMENT = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                      "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TQDM_DISABLE")}
ENVIRONMENT |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONHASHSEED": "0"}


def execute(name: str, run_id: str, engine: str = "litecast") -> int:
    """Run one notebook of a planned study; exit code 0 if done.json was written.

    A failure is kept as error.json beside notebook.ipynb, which is saved in either case.
    """
    start = time.perf_counter()
    made = study.read(name)
    run = made.run(run_id)
    folder = made.folder / run.dir
    if run.late and made.refresh(run):
        made.write()
    _prepare(made, run, folder)
    try:
        _pin_threads()
        seconds = _notebook(run, folder, engine)
        seconds["render_s"] = _render(made, run, folder)
        if code.digest(paths.ROOT / run.notebook, made.closure(run)) != run.code:
            raise RunError("its notebook or code was edited while the study ran; call again")
    except Exception as error:
        fail(folder, run, error)
        return 1
    total = time.perf_counter() - start
    study.write_json(folder / "done.json", {"digest": run.digest, "id": run.id, "engine": engine,
                                            "seconds": round(total, 3), **seconds})
    return 0


def fail(folder: Path, run: study.Run, error: BaseException) -> None:
    """Write error.json: {digest, error: 'Type: message', cell, traceback}."""
    kind = getattr(error, "ename", type(error).__name__)
    text = f"{kind}: {getattr(error, 'evalue', error)}".strip()
    lines = getattr(error, "traceback", None) or traceback.format_exception(error)
    folder.mkdir(parents=True, exist_ok=True)
    cell = getattr(error, "exec_count", None)
    body = {"digest": run.digest, "error": text, "cell": cell, "traceback": "\n".join(lines)[-4000:]}
    study.write_json(folder / "error.json", body)


def _prepare(made: study.Plan, run: study.Run, folder: Path) -> None:
    """Wipe what was made from other inputs; what the same inputs made is kept, so finished levels are not repeated."""
    inputs = folder / "inputs.json"
    if folder.exists() and study.read_json(inputs).get("digest") != run.digest:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("done.json", "error.json"):
        (folder / name).unlink(missing_ok=True)
    needs = {need: made.run(need).digest for need in run.needs}
    files = [str(path.relative_to(paths.ROOT)) for path in made.closure(run)]
    study.write_json(inputs, {"digest": run.digest, "id": run.id, "code": run.code, "params": run.params,
                              "needs": needs, "files": files, "lock": code.sha256(paths.LOCK)})


def _pin_threads() -> None:
    if "torch" in sys.modules:  # imported by the parent, where the pool has not started yet
        sys.modules["torch"].set_num_threads(1)


def _notebook(run: study.Run, folder: Path, engine: str) -> dict:
    """Execute and save notebook.ipynb. Returns seconds until the first cell and in the cells."""
    source = paths.ROOT / run.notebook
    unknown = sorted(set(run.params) - code.parameters(source))
    if unknown:
        raise RunError(f"{run.notebook}: its parameters cell does not declare {', '.join(unknown)}")
    execute = papermill().execute_notebook
    start = time.perf_counter()
    body = execute(
        source, folder / "notebook.ipynb", parameters=run.params, engine_name=engine if engine == "litecast" else None,
        kernel_name="python3", progress_bar=False, cwd=paths.ROOT, request_save_on_cell_execute=True)
    cells = [cell.metadata.papermill.get("duration") or 0 for cell in body.cells if cell.cell_type == "code"]
    return {"cells_s": round(sum(cells), 3), "papermill_s": round(time.perf_counter() - start - sum(cells), 3)}


def papermill():
    """papermill with the engine 'litecast'. Not before a run needs it: the import takes about a second."""
    sys.modules.setdefault("rfc3987_syntax", None)  # jsonschema's optional check of IRIs: 1.3 s to build its grammar
    from litecast.shell import papermill

    return papermill


def _render(made: study.Plan, run: study.Run, folder: Path) -> float:
    """The run's page; after the report notebook also report.html and report.pdf of the study. Returns seconds."""
    start = time.perf_counter()
    from litecast import report

    report.render_run(folder / "notebook.ipynb")
    if run.stage.endswith("_report"):
        report.export(folder / "notebook.ipynb", made.folder)
    return round(time.perf_counter() - start, 3)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m litecast.engine", description="Run one notebook of a planned study.")
    parser.add_argument("study")
    parser.add_argument("run", help="e.g. 21_deep/dataset=sample-traffic,model=lstm,seed=0")
    parser.add_argument("--kernel", action="store_true", help="in an ordinary Jupyter kernel instead of this process")
    args = parser.parse_args(argv)
    if not os.environ.get("PYTHONHASHSEED"):
        os.execve(sys.executable, [sys.executable, "-m", "litecast.engine", *(argv or sys.argv[1:])],
                  os.environ | ENVIRONMENT)
    os.environ.update(ENVIRONMENT)
    try:
        return execute(args.study, args.run, "kernel" if args.kernel else "litecast")
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
