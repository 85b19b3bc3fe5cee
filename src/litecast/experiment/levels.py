"""Levels of a technique, one by one, and their controls."""

import time
from dataclasses import replace

from litecast import compress, results, training
from litecast.experiment.measure import Measured, reopen, spent, store

RETRAIN_RATE = 0.5  # of the learning rate of the first training: the network starts from a good place


def retraining(budget: training.Budget, steps: int) -> training.Budget:
    """The budget after a cut: `steps` at half the learning rate, since the weights are already good."""
    return replace(budget.of_steps(steps), lr=budget.lr * RETRAIN_RATE)


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
