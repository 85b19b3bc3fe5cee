"""Forecasters that are fitted to each series by itself: to all of them or, of a panel, to some that are drawn.

Rows of a study are measured on all series that are judged. What is fitted to drawn ones alone is no row, and no
candidate of any choice: it stands in `local.csv` of the run, beside what others err on the very same series.
"""

from collections.abc import Mapping

import pandas as pd

from litecast.data import panel
from litecast.experiment.measure import PARTS, add
from litecast.training import errors

COLUMNS = ["dataset", "model", "series", "of", "val_wape", "test_wape", "train_s"]


class Local:
    """data: what is fitted, the whole dataset or a few series of a panel; drawn: their numbers among those that are
    judged, None for all."""

    def __init__(self, run, data):
        self.run, self.whole, self.lines = run, data, []
        self.drawn = panel.few(data) if panel.is_panel(data) else None
        self.data = panel.stand_in(data)

    def add(self, name: str, yhat: Mapping, seconds: float, params: int | None = None, keep: bool = False) -> dict:
        """What was forecast of `data`, {part: (N, H, K)}: as a row; of drawn series as a line. Returns what may stand
        beside forecasts of all that is judged: {name: yhat}, or nothing."""
        if self.drawn is None:
            row = {"model": name, "technique": "classical", "role": "dense", "params": params, "train_s": seconds}
            add(self.run, self.data, row, yhat, keep=keep)
            return {name: yhat}
        self._line(name, yhat, seconds)
        return {}

    def finish(self, others: Mapping[str, Mapping]) -> pd.DataFrame:
        """`local.csv`, with the errors of other forecasts (name -> {part: (N, H, C)} of what is judged) on the drawn
        series; empty where every series was fitted."""
        if self.drawn is not None:
            for name, yhat in others.items():
                self._line(name, {part: yhat[part][..., self.drawn] for part in PARTS})
        table = pd.DataFrame(self.lines, columns=COLUMNS)
        if self.lines:
            table.to_csv(self.run.file("local.csv"), index=False)
        return table

    def _line(self, name: str, yhat: Mapping, seconds: float | None = None) -> None:
        wape = {f"{part}_wape": errors.wape(self.data, self.data.origins(part), yhat[part]) for part in PARTS}
        self.lines.append({"dataset": self.whole.header.name, "model": name, "series": self.data.C, "of": self.whole.C,
                           "train_s": seconds, **wape})  # fmt: skip
