"""Where a statistical model cannot be fitted: the candidate loses, the series keeps the others, and it is said."""

import warnings
from collections.abc import Callable, Iterable

import numpy as np

# What optimisers, filters and decompositions raise on numbers they cannot work with (LinAlgError is a ValueError), on
# too few of them, or where they do not converge.
NUMERICAL = (ArithmeticError, LookupError, RuntimeError, ValueError)


def best(candidates: Iterable[Callable]):
    """The result with the lowest finite AICc of these fits; None where every one of them fails or has none."""
    results = [result for fit in candidates if (result := attempt(fit)) is not None and np.isfinite(result.aicc)]
    return min(results, key=lambda result: result.aicc, default=None)


def attempt(work: Callable, *inputs):
    """work(*inputs) without the warnings of an optimiser that does not converge; None where the numbers defeat it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work(*inputs)
    except NUMERICAL:
        return None


def say(model: str, names: list[str]) -> None:
    """Print which series a model could not be fitted to; nothing where there are none."""
    if names:
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        print(f"{model} could not be fitted to {len(names)} series, which keep a simpler forecast: {shown}")
