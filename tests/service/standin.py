"""A bundle by hand: what the service knows of one is its folder, bundle.json and predict.py with its Forecaster."""

import json
from dataclasses import replace
from pathlib import Path

from litecast.service.limits import Limits

NEEDED = "the extra [service] is not installed: pip install -e '.[service]'"
SMALL = Limits(body=30_000, rows=2_000, series=8, working=3, reading=2, connections=12, seconds=1.0, idle=1.0)
PATIENT = replace(SMALL, seconds=60.0, idle=60.0)
CARD = {"dataset": "shop", "unit": "pieces", "frequency": "h", "season": 24, "L": 48, "H": 6, "history": 96,
        "series": ["north", "south", "=1+1", "부산"], "transform": "none", "holidays": [2024, 2025, 0]}  # fmt: skip

PREDICT = '''
import json
import pathlib
import numpy as np

class Forecaster:
    """The seasonal naive, with bands as wide as their level."""

    def __init__(self, folder):
        content = json.loads((pathlib.Path(folder) / "bundle.json").read_text())
        self.card = content["card"] | {"bands": content["bands"]}

    def forecast(self, values, times=None, series=None):
        assert values.dtype == np.float64 and values.shape[1] == len(series)
        assert [name for name in self.card["series"] if name in series] == series
        if times is not None and times[0] < np.datetime64("1970-01-01"):
            raise ValueError("the calendar of this bundle lasts from 1970 to 2100")
        start = len(values) - self.card["season"]
        return np.nan_to_num(values[start : start + self.card["H"]])

    def bands(self, forecast, level=80, series=None):
        return forecast - level / 10, forecast + level / 10
'''


def bundle(folder: Path, about: dict | None = None, **card) -> Path:
    """A bundle in folder/<name>; about: its line in the index beside it."""
    folder.mkdir(parents=True)
    content = {"card": CARD | card, "bands": {"80": [], "95": []}}
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "predict.py").write_text(PREDICT, encoding="utf-8")
    (folder / "forecast.js").write_text("export const forecast = 1\n", encoding="utf-8")
    index = folder.parent / "served.json"
    known = json.loads(index.read_text()) if index.exists() else {"models": {}}
    known["models"][folder.name] = about or {}
    index.write_text(json.dumps(known))
    return folder


def shelf(root: Path) -> Path:
    """Two sizes of one dataset."""
    for kb, error in ((1, 0.2), (4, 0.1)):
        about = {"dataset": "shop", "budgets_kb": [kb] if kb == 1 else [4, 16], "bytes": 1000 * kb - 100,
                 "val_wape": error, "test_wape": error + 0.01, "row_id": f"shop/{kb}"}  # fmt: skip
        bundle(root / f"shop-{kb}kb", about)
    return root
