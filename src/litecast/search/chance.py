"""Random search without replacement: what every other search has to beat (Li & Talwalkar, UAI 2019)."""

SEARCH = "random search"


def propose(space, goal, draw):
    """Points by chance, none twice."""
    seen = set()
    while len(seen) < len(space):
        point = space.draw(draw)
        if point not in seen:
            seen.add(point)
            yield point
