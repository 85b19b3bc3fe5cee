"""Which files are timed, and in which runtimes."""

from litecast import modelfile, paths, results
from litecast.errors import RunError
from litecast.experiment.measure import COSTS, PARTS, SPENT, add
from litecast.runtimes import onnxruntime


def to_time(rows, dataset: str, model: str) -> list[dict]:
    """Rows whose files are timed: dense and all selected ones of a dataset and model, the first seed of each.

    The dense network in fewer bits is decoded to the same network: it is not timed again.
    """
    mine = rows[(rows.dataset == dataset) & (rows.model == model) & (rows.format == "litecast") & (rows.control == "")]
    mine = mine[(mine.selected == 1) | (mine.technique == "dense")].sort_values("seed")
    if mine.empty:
        raise RunError(f"no finished network of {model} on {dataset} to time: run 210_deep or 220_compact first")
    same = (mine.technique == "width") & mine.level.isin(mine.level[mine.technique == "dense"])
    return mine[~same].drop_duplicates(["technique", "variant"]).to_dict("records")


def in_both_runtimes(run, data, row: dict):
    """(network, ONNX Runtime session) of a row's file; the ONNX file becomes a row with errors of its own runtime."""
    net = modelfile.load(paths.study_dir(run.study) / row["artefact"]).model
    path = run.file(results.slug(row["row_id"]) + ".onnx")
    copied = ("dataset", "model", "technique", "level", "variant", "seed", "role", *COSTS, *SPENT, "compress_s")
    claimed = 1.0 if row["variant"].endswith("float32") else 0.0  # the ONNX file holds and runs float32 throughout
    onnx_row = {key: row[key] for key in copied} | {
        "format": "onnx", "runtime": "onnxruntime", "parent_id": row["row_id"], "artefact": path,
        "coverage_weights": claimed, "coverage_macs": claimed,
    }  # fmt: skip
    size = onnxruntime.export(net, path)
    session = onnxruntime.session(path)
    if not run.has(results.row_id(onnx_row)):
        yhat = {part: onnxruntime.predict(session, data, data.origins(part)) for part in PARTS}
        add(run, data, onnx_row | {"bytes": size}, yhat)
    return net, session
