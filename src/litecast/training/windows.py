"""Windows of a dataset as tensors, and prediction in batches."""

import numpy as np
import torch
import torch._dynamo  # noqa: F401  (the first optimiser takes a second to import it: once, in the warm parent)

from litecast.errors import DataError
from litecast.training.devices import device, products

ALL = frozenset({"z", "series", "cells"})  # what a forecaster can read beside x
LOOK_WINDOWS = 4000  # validation windows (one series each) of such a look


class Windows:
    """All windows of a dataset as views of one tensor each: nothing is copied but the batch that is asked for."""

    def __init__(self, data, on: torch.device = torch.device("cpu")):  # noqa: B008 (a constant)
        self.L, self.H, self.F, self.T = data.L, data.H, data.F, len(data.x)
        y = data.scale(data.y).T.astype(np.float32)
        seen = np.isfinite(y)
        self.x = _views(data.x.T, self.L, 1, on)  # row = series * T + first step
        self.y = _views(np.nan_to_num(y), self.H, 1, on)
        self.seen = None if seen.all() else _views(seen.astype(np.float32), self.H, 1, on)
        self.z = _views(data.z, (self.L + self.H) * self.F, self.F, on) if self.F else None
        self.cells = _views(data.cells, self.L + self.H, 1, on)

    def inputs(self, series: torch.Tensor, origins: torch.Tensor, reads=ALL) -> tuple:
        """x (B, L, 1), z (B, L+H, F), series (B, 1), cells (B, L+H); None for what `reads` does not name."""
        start = origins - self.L
        x = self.x.index_select(0, series * self.T + start)[..., None]  # four times as quick as x[...]
        z = self.z.index_select(0, start).reshape(len(start), -1, self.F) if "z" in reads and self.F else None
        return (x, z, series[:, None] if "series" in reads else None,
                self.cells.index_select(0, start) if "cells" in reads else None)

    def targets(self, series: torch.Tensor, origins: torch.Tensor):
        """y (B, H, 1), 0 where missing, and seen (B, H, 1), 1 where not; seen is None if the data has no gap at all."""
        rows = series * self.T + origins
        seen = None if self.seen is None else self.seen.index_select(0, rows)[..., None]
        return self.y.index_select(0, rows)[..., None], seen


def _views(values: np.ndarray, length: int, step: int, on: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(on).reshape(-1).unfold(0, length, step)


@torch.inference_mode()
def predict(model, data, origins: np.ndarray, batch: int = 2048, numbers: np.ndarray | None = None) -> np.ndarray:
    """Forecasts (N, H, C), scaled units, for N origins of all C series; `batch` counts windows of one series, numbers
    are those of the series in the model; default: as the dataset counts them."""
    on = device()
    model = model.to(on).eval()
    with products(on):
        out = [model(*window) for window in batches(data, origins, batch, on, model.reads, numbers)]
    model.to("cpu")
    return torch.cat(out).cpu().numpy() if out else np.empty((0, data.H, data.C), np.float32)


def batches(data, origins: np.ndarray, batch: int = 2048, on: torch.device = torch.device("cpu"),  # noqa: B008
            reads=ALL, numbers: np.ndarray | None = None):
    """Inputs x (B, L, C), z (B, L+H, F), series (C,), cells (B, L+H) of consecutive origins, about `batch` windows of
    one series each; None for what `reads` does not name. numbers: of the series in the model, (C,), as in `predict`."""
    windows, channels = Windows(data, on), torch.arange(data.C, device=on)
    numbers = data.numbers if numbers is None else numbers
    series = channels if numbers is None else torch.from_numpy(numbers).to(on)
    for part in np.array_split(origins, max(1, -(-len(origins) * data.C // batch))):
        if len(part):
            first = torch.from_numpy(part).to(on)
            x, *_ = windows.inputs(channels.repeat(len(part)), first.repeat_interleave(data.C), ())
            _, z, _, cells = windows.inputs(channels[:1].expand(len(part)), first, reads)
            x = x.reshape(len(part), data.C, data.L).transpose(1, 2)
            yield x, z, series if "series" in reads else None, cells


def pairs(data, part: str, limit: int | None, generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(series, origin) of a part's windows that have at least one observed target; at most `limit`, drawn once."""
    origins = data.origins(part)
    where, series = np.nonzero(data.seen(origins))
    pairs = torch.from_numpy(series), torch.from_numpy(origins[where])
    if limit and limit < len(series):
        chosen = torch.randperm(len(series), generator=generator)[:limit]
        pairs = pairs[0][chosen], pairs[1][chosen]
    if not len(pairs[0]):
        raise DataError(f"{data.header.name}: no target of the {part} part is observed; give longer data, or leave out "
                        "the series that have a gap there")
    return pairs
