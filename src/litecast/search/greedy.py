"""Greedy shrinking, NetAdapt's loop: from the largest point the cheapest notch, again and again.

Yang et al., "NetAdapt: Platform-aware neural network adaptation for mobile applications", ECCV 2018. Its code takes the
notch with the lowest rise of error per fall of cost; where an error *falls*, that ratio is negative and prefers the
smallest cut, so notches that do not harm are taken by their size here.
"""

from math import inf, log

from litecast.search import local
from litecast.search.front import front

SEARCH = "greedy shrinking (NetAdapt)"


def propose(space, goal, draw):
    """Shrinks until no notch is cheaper; what is left is spent around the front that it found."""
    now = yield space.largest
    tried = [now]
    while True:
        found = []
        for point in space.notches(now.point):
            found.append((yield point))
        tried += found
        cheaper = [one for one in found if one.cost < now.cost]
        if not cheaper:
            break
        now = min(cheaper, key=lambda one: price(now, one))
    yield from local.around(space, front(tried), draw)


def price(now, then) -> tuple[float, float]:
    """What a notch is judged by, the lowest is taken: rise of error per fall of the cost's logarithm; of notches that
    raise no error the one that saves most."""
    rise, saved = then.error - now.error, log(now.cost / then.cost)
    return (rise / saved, 0.0) if rise > 0 else (-inf, -saved)
