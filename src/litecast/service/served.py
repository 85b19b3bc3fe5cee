"""The models that are served: bundles of one folder, listed at the start. No request names a file."""

from __future__ import annotations

import importlib.util
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import LitecastError, ModelFileError
from ..files import read_json
from .history import History, coming, unprocessable
from .limits import Refused

INDEX = "served.json"  # what `choose` writes beside the bundles


@dataclass(frozen=True)
class Served:
    """One bundle. about: its line of the index (dataset, budgets_kb, bytes, errors); levels: percent of its bands;
    files: name -> path, all of them."""

    name: str
    about: dict
    forecaster: object  # of the bundle's own predict.py
    levels: tuple[int, ...]
    files: dict[str, Path]

    @property
    def card(self) -> dict:
        return self.forecaster.card

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a forecast consists of, by name."""
        return ("forecast", *(f"{side}_{level}" for level in self.levels for side in ("lower", "upper")))

    def words(self) -> dict:
        """For the list of models."""
        card = self.card
        return {"name": self.name, **self.about, "unit": card["unit"], "frequency": card["frequency"],
                "L": card["L"], "H": card["H"], "history": card["history"], "series": card["series"],
                "bands": list(self.levels), "files": sorted(self.files)}  # fmt: skip

    def forecast(self, history: History) -> tuple[np.ndarray, list[str]]:
        """`outputs` of the series that were sent, (outputs, H, C), raw unit; and notes. Raises Refused (422) where the
        history does not fit."""
        card, count, series = self.card, len(history.values), history.series
        if count < card["L"]:
            raise unprocessable(f"{self.name} needs at least {card['L']} rows, and {card['history']} where values are "
                                f"missing, not {count}")
        rows, times = history.values[-card["history"] :], history.times
        try:
            made = self.forecaster.forecast(rows, None if times is None else times[-card["history"] :], series)
            edges = [edge for level in self.levels for edge in self.forecaster.bands(made, level, series)]
        except ValueError as error:
            raise unprocessable(str(error)) from None
        found = np.array([made, *edges])
        if not np.isfinite(found).all():
            raise unprocessable("no finite forecast follows from these values: are they in the model's unit?")
        return found, [*history.notes, *self._notes(rows, times)]

    def _notes(self, rows: np.ndarray, times: np.ndarray | None) -> list[str]:
        """What makes this forecast err more than was measured. (predict.py warns of the same, but Python's warnings are
        no way to answer two callers at once.)"""
        card, notes = self.card, []
        missing = int(np.isnan(rows[-card["L"] :]).sum())
        if missing and len(rows) < card["history"]:
            notes.append(f"{missing} of the last values are missing and were filled from {len(rows)} rows; with "
                         f"{card['history']} the forecast errs as was measured.")
        if times is not None and card.get("holidays"):
            first, last = card["holidays"][:2]
            if not first <= int(times[-1].astype("datetime64[Y]").astype(int)) + 1970 <= last:
                notes.append(f"Holidays are known of {first} to {last}: other days count as ordinary.")
        return notes

    def answer(self, history: History) -> dict:
        """The forecast in JSON-able words."""
        found, notes = self.forecast(history)
        rows = found.transpose(2, 0, 1).tolist()
        return {"model": self.name, "unit": self.card["unit"], "frequency": self.card["frequency"],
                "times": coming(None if history.times is None else history.times[-1], self.card),
                "series": {name: dict(zip(self.outputs, of, strict=True))
                           for name, of in zip(history.series, rows, strict=True)}, "notes": notes}  # fmt: skip


class Shelf:
    """All that is served, by name."""

    def __init__(self, folder: Path):
        """Raises LitecastError where the folder holds no bundle that can be opened."""
        index = read_json(folder / INDEX).get("models", {})
        self.models = {path.parent.name: _opened(path.parent, index.get(path.parent.name, {}))
                       for path in sorted(folder.glob("*/bundle.json"))}  # fmt: skip
        if not self.models:
            raise LitecastError(f"{folder} holds no bundle: make some with `make serve STUDY=…`, or one by "
                                "`python -m litecast.bundle FILE FOLDER/NAME`")

    def named(self, name: str) -> Served:
        if name not in self.models:
            raise Refused(404, f"no such model; there are {', '.join(self.models)}")
        return self.models[name]

    def chosen(self, model: str | None, dataset: str | None, budget_kb: float | None) -> Served:
        """By name; else the one that the study chose for the largest budget that is no larger than this one (without:
        the largest of all), of the dataset, which may be left out where only one is served."""
        if model is not None:
            if dataset is not None or budget_kb is not None:
                raise unprocessable("give either model, or dataset and budget_kb")
            return self.named(model)
        datasets = {served.about.get("dataset", served.card.get("dataset")) for served in self.models.values()}
        if dataset is None and len(datasets) > 1:
            raise unprocessable(f"give model or dataset: {', '.join(sorted(map(str, datasets)))}")
        most = math.inf if budget_kb is None else budget_kb
        fits = {kb: served for served in self.models.values() for kb in served.about.get("budgets_kb", [0])
                if served.about.get("dataset") in (None, dataset or next(iter(datasets))) and kb <= most}
        if not fits:
            raise Refused(404, "no model of this dataset is that small, or there is no such dataset")
        return fits[max(fits)]


def _opened(folder: Path, about: dict) -> Served:
    """The bundle with its own predict.py: what a user deploys is what answers. Raises ModelFileError."""
    try:
        spec = importlib.util.spec_from_file_location("predict", folder / "predict.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        forecaster = module.Forecaster(folder)
        levels = tuple(map(int, forecaster.card["bands"]))
    except (OSError, ValueError, KeyError, AttributeError, SyntaxError) as error:
        raise ModelFileError(f"{folder} is no whole bundle ({type(error).__name__}): make it again") from error
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")}
    return Served(folder.name, about, forecaster, levels, files)


def quiet() -> None:
    """predict.py's warnings, which Python lays to its caller, are told in the answer's notes."""
    warnings.filterwarnings("ignore", module=r"litecast\.service\.served")
