"""Pareto local search: neighbours of what nothing beats so far (White et al., UAI 2021, for one goal; Paquete et al.,
2004, for several)."""

from litecast.search.front import front

SEARCH = "local search"


def propose(space, goal, draw):
    """From a point drawn by chance."""
    first = yield space.draw(draw)
    yield from around(space, [first], draw)


def around(space, tried, draw):
    """Neighbours of the front, by chance; where all are known, a new start by chance until every point is."""
    tried, seen = list(tried), {one.point for one in tried}
    while len(seen) < len(space):
        near = [point for one in front(tried) for point in space.neighbours(one.point) if point not in seen]
        point = near[int(draw.integers(len(near)))] if near else space.draw(draw)
        if point not in seen:
            seen.add(point)
            tried.append((yield point))
