"""From a network to a measured row: store the file, load it again, forecast with it, count.

Errors and bytes of a row always come from the file on disk, never from the network in memory.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from litecast import compress, cost, evaluation, modelfile, models, paths, results, training
from litecast.errors import RunError, TooFewWindows
from litecast.runtimes import onnx

PARTS = ("val", "test")
FEW_WINDOWS = 200  # train windows (of one series) below which a deep network is not worth fitting
NEAR_BEST = 0.01  # the chosen width may lose this share of the best validation WAPE
COSTS = tuple(column.name for column in fields(cost.Cost))
SPENT = ("train_macs", "train_s", "train_peak_mb")
RETRAIN_RATE = 0.5  # of the learning rate of the first training: the network starts from a good place


@dataclass
class Measured:
    """A stored network: as loaded from its file, its row, and its forecasts {part: (N, H, C)}, scaled units."""

    model: object
    row: dict
    yhat: dict[str, np.ndarray]


def card(data) -> modelfile.Card:
    """What a model file must know of its data to forecast raw values."""
    h = data.header
    return modelfile.Card(
        dataset=h.name, unit=h.unit, frequency=h.frequency, season=h.season, L=h.L, H=h.H, country=h.country,
        transform=h.transform, mean=list(data.mean), std=list(data.std), series=list(data.names),
        patch=models.patch(data),
    )  # fmt: skip


def add(run, data, row: dict, yhat: dict[str, np.ndarray], dense: Measured | None = None, keep: bool = False) -> dict:
    """Add the row of these forecasts to a run: all errors, the losses per origin, and the forecasts if `keep`."""
    row = {"dataset": data.header.name, "L": data.L, "H": data.H} | row
    for part in PARTS:
        row |= evaluation.errors(data, part, yhat[part], dense.yhat[part] if dense else None)
    kept = evaluation.forecasts(data, "test", yhat["test"]) if keep else None
    return run.add(row, losses=evaluation.losses(data, "test", yhat["test"]), forecasts=kept)


def store(run, model, codecs: dict, data, row: dict, dense: Measured | None = None, keep: bool = False) -> Measured:
    """Write the model file of a row, load it, forecast val and test with what was loaded, add the row."""
    row = {"dataset": data.header.name, "format": "litecast", "runtime": "torch"} | row
    path = run.file(results.slug(results.row_id(row)) + ".safetensors")
    size = modelfile.save(path, model, codecs, card(data))
    file = modelfile.load(path)
    row |= {"artefact": path, "bytes": size, **asdict(cost.profile(file.model)), **coverage(file, row["variant"])}
    yhat = _forecasts(file.model, data)
    return Measured(file.model, add(run, data, row, yhat, dense, keep), yhat)


def reopen(run, data, row_id: str) -> Measured:
    """A finished row of this or an earlier call: its file loaded, its forecasts made again."""
    row = run.get(row_id)
    loaded = modelfile.load(paths.study_dir(run.study) / row["artefact"]).model
    return Measured(loaded, row, _forecasts(loaded, data))


def _forecasts(model, data) -> dict[str, np.ndarray]:
    return {part: training.predict(model, data, data.origins(part)) for part in PARTS}


def coverage(loaded: modelfile.Loaded, storage: str) -> dict:
    """Share of the weights held, and of the MACs run, in the precision that the storage's name claims."""
    claimed = storage.rsplit("-", 1)[-1]
    if claimed == "float32":
        return {"coverage_weights": 1.0, "coverage_macs": 1.0}
    codec = "float16" if claimed == "float16" else "intn"
    sizes = {name: np.prod(tensor["shape"], dtype=int) for name, tensor in loaded.tensors.items()}
    held = sum(sizes[name] for name, tensor in loaded.tensors.items() if codec in str(tensor))
    return {"coverage_weights": held / sum(sizes.values()), "coverage_macs": 0.0}  # decoded to float32 to run


def spent(fit: training.Fit | None, before: dict | None = None) -> dict:
    """Training columns of a row, cumulative over the route that `before` (the parent's row) came by."""
    before = before or {}
    own = (fit.macs, fit.seconds, fit.peak_mb) if fit else (0, 0.0, 0.0)
    return {
        "train_macs": (before.get("train_macs") or 0) + own[0],
        "train_s": (before.get("train_s") or 0.0) + own[1],
        "train_peak_mb": float(np.maximum(before.get("train_peak_mb") or 0.0, own[2])),  # NaN = not known: stays so
    }


def sweep(run, data, name: str, widths, budget: training.Budget, seed: int, storages) -> Iterator[tuple[dict, object]]:
    """Train one network per width and store each in every storage: the front that compression has to beat.

    Yields (row of the first storage, Fit or None when the width was already there) per width.
    """
    for width in widths:
        base = {"dataset": data.header.name, "model": name, "technique": "width", "level": width, "seed": seed}
        rows = [base | {"variant": s, "role": "dense" if s == "float32" else "compressed"} for s in storages]
        fit = None
        if not all(run.has(results.row_id(row)) for row in rows):
            model = models.build(name, width, data, seed)
            fit = training.fit(model, data, budget, seed)
            first = None
            for row in rows:
                done = store(run, model, modelfile.storage(row["variant"]), data, row | spent(fit), first)
                first = first or done
        yield run.get(results.row_id(rows[0])), fit


def smallest_width(rows: list[dict]) -> int:
    """The smallest width whose validation WAPE is within 1 % of the best of the sweep."""
    best = min(row["val_wape"] for row in rows)
    return int(min(row["level"] for row in rows if row["val_wape"] <= best * (1 + NEAR_BEST)))


def enough_windows(data, name: str) -> None:
    """Raises TooFewWindows for a deep network on fewer than 200 train windows: the run ends, done, with that note."""
    windows = len(data.origins("train"))
    if windows < FEW_WINDOWS and models.module(name).KIND == "deep":
        raise TooFewWindows(f"{data.header.name} has {windows} train windows, fewer than {FEW_WINDOWS}: classical and "
                            f"compact models only, {name} is left out")


def wanted_widths(study: str, data, name: str, seed: int, sweep_seed: int, widths, storages):
    """(widths, storages) of this run: the sweep for the first seed, else the width it chose, in float32 only."""
    if seed == sweep_seed:
        return list(widths) or list(models.module(name).WIDTHS), storages
    first = results.Run.open(models.stage(name), study, dataset=data.header.name, model=name, seed=sweep_seed)
    chosen = [int(row["level"]) for row in first.rows if _is_dense(row)]
    if not chosen:
        raise RunError(f"seed {seed} takes the width that seed {sweep_seed} chose: run {models.stage(name)} of {name} "
                       f"on {data.header.name} with seed {sweep_seed} first")
    return chosen, storages[:1]


def promote(run, data, name: str, width: int, seed: int) -> Measured:
    """The row of the chosen width as *the* dense network: technique 'dense', the sweep's file, test forecasts kept."""
    base = {"dataset": data.header.name, "model": name, "level": width, "variant": "float32", "seed": seed}
    found = reopen(run, data, results.row_id(base | {"technique": "width"}))
    shared = (*COSTS, *SPENT, "artefact", "format", "runtime", "coverage_weights", "coverage_macs")
    row = base | {"technique": "dense", "role": "dense"} | {key: found.row[key] for key in shared}
    return Measured(found.model, add(run, data, row, found.yhat, keep=True), found.yhat)


def extra_epochs(run, data, start: Measured, budget: training.Budget, seed: int) -> Measured:
    """Control: the dense network trained on for as long as a compressed one is retrained."""
    same = ("dataset", "model", "technique", "level", "variant", "seed")
    row = {key: start.row[key] for key in same} | {"role": "control", "control": "extra_epochs"}
    if run.has(results.row_id(row)):
        return reopen(run, data, results.row_id(row))
    model = compress.clone(start.model)
    fit = training.fit(model, data, retraining(budget, budget.steps), seed)
    row |= spent(fit, start.row) | {"parent_id": start.row["row_id"]}
    return store(run, model, modelfile.storage("float32"), data, row, start)


def retraining(budget: training.Budget, steps: int) -> training.Budget:
    """The budget after a cut: `steps` at half the learning rate, since the weights are already good."""
    return replace(budget.of_steps(steps), lr=budget.lr * RETRAIN_RATE)


def dense(run, data, name: str, seed: int, budget: training.Budget) -> Measured:
    """The dense network of this dataset, model and seed, from its stage; its row is the parent of what follows.

    Explored on its own (no study has been run), a network of middle width is trained here, once.
    """
    stage = results.Run.open(models.stage(name), run.study, dataset=data.header.name, model=name, seed=seed)
    for place in (stage, run):
        for row in filter(_is_dense, place.rows):
            return reopen(place, data, row["row_id"])
    if run.planned:
        raise RunError(f"{run.dir} needs the dense {name}: run {models.stage(name)} of its dataset and seed first")
    widths = models.module(name).WIDTHS
    width = widths[len(widths) // 2]
    print(f"No dense {name} in study '{run.study}': training one of width {width} here.")
    model = models.build(name, width, data, seed)
    fit = training.fit(model, data, budget, seed)
    row = {"model": name, "technique": "dense", "level": width, "variant": "float32", "seed": seed, "role": "dense"}
    return store(run, model, modelfile.storage("float32"), data, row | spent(fit))


def levels(run, technique, start: Measured, data, wanted, variant: str, budget, seed: int, chain: bool):
    """Compress level by level; yields one Measured per level (its first storage), with `compressed` where it is new.

    chain: each level starts from the one before (iterative), else from the dense network. A level whose rows are all
    there is loaded, not made again.
    """
    parent = start
    for level in wanted:
        rows = [_level_row(technique, start, level, f"{variant}-{s}", seed) for s in technique.STORAGES]
        compressed = None
        if all(run.has(results.row_id(row)) for row in rows):
            step = reopen(run, data, results.row_id(rows[0]))
        else:
            began = time.perf_counter()
            compressed = technique.compress(parent.model, level, variant, data, budget, seed)
            took = (parent.row.get("compress_s") or 0.0) + time.perf_counter() - began
            shared = spent(compressed.fit, parent.row) | {"compress_s": took, "parent_id": parent.row["row_id"]}
            step, *_ = [store(run, compressed.model, codecs, data, row | shared, start)
                        for row, codecs in zip(rows, compressed.storages.values(), strict=True)]
        yield step, compressed
        parent = step if chain else start


def control(run, technique, kind: str, like: Measured, start: Measured, data, budget, seed: int) -> Measured:
    """The control of one level, made with what that level's route cost: 'random' choice, or 'scratch' training.

    budget: that of the retraining after each cut.
    """
    level, parent_macs = like.row["level"], start.row["train_macs"]
    row = _level_row(technique, start, level, like.row["variant"], seed) | {"role": "control", "control": kind}
    if run.has(results.row_id(row)):
        return reopen(run, data, results.row_id(row))
    storage, began = like.row["variant"].rsplit("-", 1)[1], time.perf_counter()
    if kind == "scratch":
        fresh = replace(budget, lr=budget.lr / RETRAIN_RATE)  # new weights learn at the full rate
        model, fit = compress.scratch(like.model, data, fresh, like.row["train_macs"], parent_macs, seed)
        codecs, before = technique.storages()[storage], None
    else:
        once = training.BACKWARD * budget.steps * budget.batch * like.row["macs"]  # MACs of one retraining
        times = max(1, round((like.row["train_macs"] - parent_macs) / once))
        longer = budget.of_steps(budget.steps * times)
        made = technique.compress(start.model, level, "random", data, longer, seed)
        model, fit, codecs, before = made.model, made.fit, made.storages[storage], start.row
    row |= spent(fit, before) | {"parent_id": start.row["row_id"], "compress_s": time.perf_counter() - began}
    return store(run, model, codecs, data, row, start)


def _level_row(technique, start: Measured, level: float, variant: str, seed: int) -> dict:
    return {
        "dataset": start.row["dataset"], "model": start.row["model"], "role": "compressed", "seed": seed,
        "technique": technique.__name__.rsplit(".", 1)[1], "level": level, "variant": variant,
    }  # fmt: skip


def to_time(rows, dataset: str, model: str) -> list[dict]:
    """Rows whose files are timed: dense and all selected ones of a dataset and model, the first seed of each.

    The dense network in fewer bits is decoded to the same network: it is not timed again.
    """
    mine = rows[(rows.dataset == dataset) & (rows.model == model) & (rows.format == "litecast") & (rows.control == "")]
    mine = mine[(mine.selected == 1) | (mine.technique == "dense")].sort_values("seed")
    if mine.empty:
        raise RunError(f"no finished network of {model} on {dataset} to time: run 21_deep or 22_compact first")
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
    size = onnx.export(net, path)
    session = onnx.session(path)
    if not run.has(results.row_id(onnx_row)):
        yhat = {part: onnx.predict(session, data, data.origins(part)) for part in PARTS}
        add(run, data, onnx_row | {"bytes": size}, yhat)
    return net, session


def weights(model) -> np.ndarray:
    """All weights of a network's matrices and kernels, flat."""
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters() if p.ndim >= 2])


def _is_dense(row: dict) -> bool:
    return row["technique"] == "dense" and not row.get("control")
