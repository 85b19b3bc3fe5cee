"""How good a set of points is: those that nothing beats in error and cost at once, and how much they cover."""

from collections.abc import Sequence
from math import log

from litecast.search.trail import Tried


def front(tried: Sequence[Tried]) -> list[Tried]:
    """What nothing else beats or equals at no more cost; rising in cost, falling in error."""
    found: list[Tried] = []
    for one in sorted(tried, key=lambda one: (one.cost, one.error)):
        if not found or one.error < found[-1].error:
            found.append(one)
    return found


def hypervolume(tried: Sequence[Tried], worst: tuple[float, float]) -> float:
    """Area between the front and a worst (error, cost), over the logarithm of the cost; what is beyond it adds none.

    Zitzler & Thiele, "Multiobjective evolutionary algorithms", IEEE Trans. Evolutionary Computation 3(4), 1999.
    """
    error, cost = worst
    within = [one for one in front(tried) if one.error < error and one.cost < cost]
    ends = [*(one.cost for one in within), cost][1:]
    return sum((error - one.error) * log(end / one.cost) for one, end in zip(within, ends, strict=True))
