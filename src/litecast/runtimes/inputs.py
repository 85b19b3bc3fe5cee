"""What a file is fed with: raw values, scaled and given a calendar by its own card, never by the dataset's scaler."""

from dataclasses import replace

import numpy as np

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
                  std=np.asarray(card.std)[at], z=card.known(data.times))
    return replace(own, x=card.filled(own.scaled(to_raw(data.y, 0.0, 1.0, data.header.transform))))


def window(card, n_known: int) -> tuple[np.ndarray, np.ndarray | None]:
    """A made-up window of the first series: x (1, L, 1) raw, z (1, L+H, F) | None; float32, the same at every call."""
    draw = np.random.default_rng(0)
    x = to_raw(draw.normal(size=(1, card.L, 1)), card.mean[0], card.std[0], card.transform)
    z = draw.normal(size=(1, card.L + card.H, n_known))
    return x.astype(np.float32), z.astype(np.float32) if n_known else None
