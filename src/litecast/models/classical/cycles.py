"""Which cycles a frequency has, in steps: what Fourier terms, seasonal states and lags are built from."""

CYCLES = {"15min": (96, 672), "30min": (48, 336), "h": (24, 168), "D": (7,), "W": (52,), "MS": (12,)}


def seen(data, steps: float | None = None) -> tuple[int, ...]:
    """Cycles of the data, shortest first, that are not longer than `steps` (default: the number of train steps)."""
    limit = data.parts["train"].sum() if steps is None else steps
    return tuple(cycle for cycle in CYCLES.get(data.header.frequency, ()) if cycle <= limit)


def longest(data, steps: float | None = None) -> int | None:
    """The longest of `seen`, None where there is none."""
    return max(seen(data, steps), default=None)
