"""Tables of results: the name of a column says how its numbers are told."""

import numpy as np
import pandas as pd
import pytest

from litecast.figures import tables


def cells(**columns):
    """The text of the first row, column by column."""
    shown = tables.told(pd.DataFrame(columns))._translate(False, False)["body"][0]
    return [cell["display_value"] for cell in shown if cell["type"] == "td"]


@pytest.mark.parametrize(("name", "value", "text"), [
    ("bytes", 1029968483.0, "1,029,968,483"), ("model_bytes", 9758, "9,758"), ("blocks", 10.3155, "10"),
    ("test_wape", 0.05014, "5.01%"), ("delta", 0.0104, "+1.0%"), ("gain", -0.25, "-25.0%"), ("mde", 0.0089, "0.89%"),
    ("margin", 0.01, "1%"), ("p_holm", 0.00071, "0.001"), ("latency_ms_p50", 0.01266, "0.013"),
    ("gap", 1.7e-7, "2e-07"),
    ("memory_mb", 8192.0, "8,192"), ("train_macs", 3361996800.0, "3.36e+09"), ("level", 0.015, "0.015"),
])  # fmt: skip
def test_a_number_is_told_as_its_column_asks(name, value, text):
    assert cells(**{name: [value]}) == [text]


def test_what_is_missing_is_a_dash_and_words_stay_as_they_are():
    assert cells(bytes=[np.nan, 2.0], level=["0.5+8", "8"], pays=[True, False]) == ["–", "0.5+8", True]
