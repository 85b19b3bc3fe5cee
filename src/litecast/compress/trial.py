"""One evaluation of a search: what a network comes to as its file, seen on validation, and what that cost.

A fresh network is trained for a share of the steps. Of 20 networks whose validation error was known, a training of 25 %
ranked them as the whole one did (rank correlation .92), one of 4 % did not (.17).
"""

from litecast import training
from litecast.compress import Export, Task, clone, matrices, storages
from litecast.search import Trail
from litecast.training import Spent

SHARE = 0.25  # of the steps of a dense training
SEARCHED_SEED = 70_000  # the winner is made afresh from a draw that no search has seen: the best of many looks too good


def fresh(model, task: Task, storage: str = "int8", share: float = SHARE) -> dict:
    """Train a network for a share of the task's steps, in place, round it to a plain storage, and see what that is.

    Returns the fields of `search.Tried`, see `seen`.
    """
    fit = training.fit(model, task.data, task.budget.of_steps(share * task.budget.steps), task.seed)
    return seen(model, storages.export(model, storage), fit.spent, task)


def seen(model, file: Export, spent: Spent, task: Task) -> dict:
    """What a `search.Trail` is told of one evaluation: error (validation WAPE of the decoded file, as `look.error` has
    it), cost (bytes of the file), macs (of training and of looking), and in `more` the rest of what was spent.

    model stays as it is; spent: on it in this evaluation, looks apart.
    """
    before, decoded = task.look.spent.macs, clone(model)
    matrices.put(decoded, file.held)
    error = task.look.error(decoded)
    return {"error": error, "cost": task.look.bytes(decoded, file),
            "macs": spent.macs + task.look.spent.macs - before,
            "more": {"steps": spent.steps, "train_s": spent.seconds, "peak_mb": spent.peak_mb}}


def spent(trail: Trail, looked: int) -> Spent:
    """What all evaluations of a trail cost, also those of an earlier call that was killed.

    looked: MACs that `task.look` counted during the search: whoever gave the task adds these.
    """
    whole = Spent(macs=trail.macs - looked)
    for one in trail.paid:
        whole += Spent(one.more["steps"], 0, one.more["train_s"], one.more["peak_mb"])
    return whole
