"""Tree-structured Parzen estimator: what good points have in common against all others (Bergstra et al., NeurIPS 2011).

Optuna's sampler, as PocketFlow searches its hyper-parameters (Tencent, 2018). Within a limit the error alone is made
small and the limit is a constraint; without one, error and cost are.
"""

import warnings
from math import isfinite, log

SEARCH = "tree-structured Parzen estimator (PocketFlow)"
STUBBORN = 5  # proposals in a row that were seen before, until one by chance is put between


def propose(space, goal, draw):
    """Points that resemble the best so far; ordered knobs as numbers, others as categories."""
    warnings.filterwarnings("ignore", "IProgress not found")  # of a bar that is never shown
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    one_goal, seen, again = isfinite(goal.limit), set(), 0
    sampler = optuna.samplers.TPESampler(seed=int(draw.integers(2**31)))
    study = optuna.create_study(directions=["minimize"] * (1 if one_goal else 2), sampler=sampler)
    while len(seen) < len(space):
        if again == STUBBORN:
            study.enqueue_trial(_named(space, _new(space, seen, draw)))
        trial = study.ask()
        point = tuple(_suggested(trial, knob) for knob in space.knobs)
        again = again + 1 if point in seen else 0
        seen.add(point)
        tried = yield point
        if one_goal:
            trial.set_constraint("cost", log(tried.cost / goal.limit))
        study.tell(trial, tried.error if one_goal else (tried.error, log(tried.cost)))


def _suggested(trial, knob) -> int:
    places = len(knob.values)
    return trial.suggest_int(knob.name, 0, places - 1) if knob.ordered else \
        trial.suggest_categorical(knob.name, range(places))


def _named(space, point) -> dict[str, int]:
    return {knob.name: at for knob, at in zip(space.knobs, point, strict=True)}


def _new(space, seen: set, draw):
    """A point by chance that was never proposed."""
    while (point := space.draw(draw)) in seen:
        pass
    return point
