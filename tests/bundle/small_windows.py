"""One window of a small file as inputs of its program, and as `Loaded.forecast` forecasts it."""

import numpy as np
import pandas as pd
import small_files
import torch

from litecast import modelfile
from litecast.bundle import derive, reference
from litecast.data.windows import to_raw

NETWORKS = ("profile_mlp", "profile_mlp@anonymous", "profile_mlp@none", "profile_mlp@shared", "profile_mlp@weekdays",
            "profile_linear", "profile_linear@train", "dlinear", "dlinear@own", "nlinear", "nbeats", "nbeats@own",
            "gru", "gru@shared", "lstm", "lstm@own", "resnet1d", "resnet1d@own")  # fmt: skip
CLOSE = 1e-5  # of the largest value


def stored(path, name="profile_mlp", storage="float32", **told) -> tuple:
    """A loaded file, and its program."""
    model = drawn(small_files.network(name, **told))
    small_files.save(path, model, storage, small_files.card_of(model))
    return opened(path)


def drawn(model):
    """The network, none of its weights zero as they start."""
    if getattr(model, "lags", None) is not None:
        torch.nn.init.normal_(model.lags.weight, std=0.3)
    return model


def opened(path) -> tuple:
    loaded = modelfile.load(path)
    return loaded, derive.program(loaded, modelfile.held(path))


def history(card, seed=0) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """Raw values with gaps, around the holidays of the small card."""
    values, _ = small_files.series(card.history, len(card.series), seed)
    values[np.random.default_rng(seed).random(values.shape) < 0.1] = np.nan
    return values, pd.date_range("2024-02-07 05:00", periods=card.history, freq="h")


def by_reference(loaded, program, values, times) -> np.ndarray:
    """Raw forecasts (H, C) of the program, its inputs made as the model file's reader makes them."""
    card, made = loaded.card, []
    x, span, given = loaded._inputs(values), loaded._span(times, len(values)), {}
    if "known" in program.inputs:
        given["known"] = card.known(span)[card.L :][list(program.known)].ravel()
    if "types" in program.inputs:
        given["types"], given["steps"] = reference.types(program.calendar, card.cells(span))
    for series in range(len(card.series)):
        made.append(reference.run(program, {"x": x[:, series], **given}, series))
    return to_raw(np.array(made, np.float64).T, card.mean, card.std, card.transform)


def gap(found, expected) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())
