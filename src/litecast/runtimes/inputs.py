"""What a file is fed with: raw values, scaled and given a calendar by its own card, never by the dataset's scaler."""

from dataclasses import replace

import numpy as np

from litecast.data import calendar, daytypes
from litecast.data.windows import to_raw
from litecast.errors import ModelFileError


def positions(card, data) -> np.ndarray:
    """Where the dataset's series stand in the card's, (C,) int64; ModelFileError if the file is for other data."""
    if not set(data.names) <= set(card.series) or (card.L, card.H) != (data.L, data.H):
        raise ModelFileError(f"the file was made for {len(card.series)} series of {card.dataset} with L {card.L} and "
                             f"H {card.H}, not for this data (L {data.L}, H {data.H}): make it again")
    place = {name: i for i, name in enumerate(card.series)}
    return np.array([place[name] for name in data.names], np.int64)


def seen(card, data):
    """The dataset as a file sees it: raw values, gaps and all, by the card's transform, scaler, season and calendar.

    Targets stay in the dataset's own units; `own.raw` undoes what the file does.
    """
    at = positions(card, data)
    own = replace(data, header=replace(data.header, transform=card.transform), mean=np.asarray(card.mean)[at],
                  std=np.asarray(card.std)[at], z=card.known(data.times), cells=card.cells(data.times))
    return replace(own, x=card.filled(own.scaled(to_raw(data.y, 0.0, 1.0, data.header.transform))))


def window(card, reads=("z", "series", "cells")) -> tuple[np.ndarray | None, ...]:
    """A made-up window of the first series: x (1, L, 1) raw, z (1, L+H, F), series (1,), cells (1, L+H); the same at
    every call, None for what is not read."""
    draw, span = np.random.default_rng(0), np.arange(card.L + card.H)
    x = to_raw(draw.normal(size=(1, card.L, 1)), card.mean[0], card.std[0], card.transform).astype(np.float32)
    z = draw.normal(size=(1, len(span), len(calendar.names(card.frequency, card.country)))).astype(np.float32)
    cells = span % daytypes.count(card.frequency, card.country)
    made = {"z": z, "series": np.zeros(1, np.int64), "cells": cells[None]}
    return x, *(part if name in reads else None for name, part in made.items())
