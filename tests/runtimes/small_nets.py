"""What the tests of runtimes share: a small dataset with gaps, its card, networks whose weights all differ."""

import numpy as np
import pandas as pd
import torch

from litecast import modelfile, models
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare

NAMES = ["a", "b", "c"]


def values(T=400, seed=0):  # noqa: N803
    """Hourly raw values (T, 3) of very different size; a gap in the second series, the last starts late."""
    draw = np.random.default_rng(seed)
    day = 1 + 0.5 * np.sin(2 * np.pi * np.arange(T) / 24)[:, None]
    wide = day * np.exp(0.1 * draw.normal(size=(T, 3))) * [5, 400, 30_000]
    wide[100:105, 1] = np.nan
    wide[-40:-37, 1] = np.nan
    times = pd.date_range("2024-01-01", periods=T, freq="h")
    return pd.DataFrame(wide, times, NAMES)


def dataset(transform="none", **changes):
    return prepare(from_wide(Header("made-up", "items", "h", 16, 48, 6, transform=transform, country="KR"),
                             values(**changes)))  # fmt: skip


def card(data):
    h = data.header
    return modelfile.Card(h.name, h.unit, h.frequency, h.season, h.L, h.H, data.mean.tolist(), data.std.tolist(),
                          list(data.names), h.country, h.transform, 24, [2024, 2024, 0, 39, 1, 1, 1, 18])  # fmt: skip


def network(family, data, width=None, seed=1):
    """Zeros of a fresh network are moved: nothing may be equal by chance of its initialisation."""
    model = models.build(family, width or models.module(family).WIDTHS[0], data).eval()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=draw))
    return model
