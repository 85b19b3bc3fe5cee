"""The dense network of a dataset: its widths, the one that is chosen, and its control."""

from collections.abc import Iterator

from litecast import compress, modelfile, models, results, training
from litecast.errors import RunError, TooFewWindows
from litecast.experiment.levels import retraining
from litecast.experiment.measure import COSTS, SPENT, Measured, add, reopen, spent, store

FEW_WINDOWS = 200  # train windows (of one series) below which a deep network is not worth fitting
NEAR_BEST = 0.01  # the chosen width may lose this share of the best validation WAPE


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


def _is_dense(row: dict) -> bool:
    return row["technique"] == "dense" and not row.get("control")
