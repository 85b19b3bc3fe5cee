"""How many bits each layer needs: one weight matrix rounded at a time, everything else dense, judged on validation.

What it finds is taken to add up, so that a few looks tell which layers to store in fewer bits than others (mixed
precision, as in HAWQ: Dong et al., ICCV 2019, with errors in place of curvatures).
"""

from collections.abc import Callable, Mapping

import pandas as pd

from litecast.compress import clone, matrices, quantisers

BITS = (8, 6, 5, 4, 3, 2)


def sweep(model, error: Callable, bits: tuple[int, ...] = BITS) -> pd.DataFrame:
    """layer, weights, bits, val_wape, added (to that of `model`), saved (bytes, of float32): a row per matrix and bits.

    error: network -> WAPE on validation, one number for each row and one more (`experiment.look.Look.error`). Rounded
    to nearest, with a step per output channel.
    """
    changed, dense, rows = clone(model), error(model), []
    for name, weight in matrices.of(model).items():
        for few in bits:
            held = quantisers.rounded(weight, few, weight[0].numel())
            matrices.put(changed, {name: held})
            saved = (weight.numel() * (32 - few) - 16 * len(held.scale)) / 8
            rows.append((name, weight.numel(), few, error(changed), saved))
        changed.get_parameter(name).data.copy_(weight)
    found = pd.DataFrame(rows, columns=["layer", "weights", "bits", "val_wape", "saved"])
    return found.assign(added=found.val_wape - dense)


def mixed(found: pd.DataFrame, average: float) -> dict[str, int]:
    """Layer -> bits, on average over weights at most `average`, or the fewest bits that were tried.

    found: of `sweep`. Greedy: from the most bits of every layer, the step down that adds least error for each bit
    saved, until the average is reached; then up again whatever still has room. Fewer bits are never taken to err less.
    """
    added = found.pivot(index="layer", columns="bits", values="added").sort_index(axis=1, ascending=False)
    added, sizes = added.cummax(axis=1), dict(zip(found.layer, found.weights, strict=True))
    ladder, place = list(added.columns), dict.fromkeys(sizes, 0)  # place: of a layer's bits on the ladder

    def price(name: str, at: int) -> float:
        """Error that the step from `at` to the next fewer bits adds, for each bit that it saves."""
        more = added.loc[name, ladder[at + 1]] - added.loc[name, ladder[at]]
        return more / (sizes[name] * (ladder[at] - ladder[at + 1]))

    def over(changed: Mapping[str, int]) -> bool:
        return sum(sizes[n] * ladder[at] for n, at in changed.items()) > average * sum(sizes.values()) + 1e-9

    while over(place) and (free := [n for n, at in place.items() if at + 1 < len(ladder)]):
        place[min(free, key=lambda name: price(name, place[name]))] += 1
    while back := [n for n, at in place.items() if at and not over(place | {n: at - 1})]:
        place[max(back, key=lambda name: price(name, place[name] - 1))] -= 1
    return {name: int(ladder[at]) for name, at in place.items()}
