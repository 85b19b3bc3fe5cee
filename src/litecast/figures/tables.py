"""Tables of results as a notebook shows them: what a column is called says how its numbers are told."""

import re

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from pandas.io.formats.style import Styler

TOLD = {  # first match of a whole name
    r"train_macs": "{:.2e}",
    r".*bytes|params|macs|files|rows|blocks|instructions": "{:,.0f}",
    r"delta|low|high|change|gain|.*skill": "{:+.1%}",
    r".*wape|mde|regret": "{:.2%}",
    r"margin": "{:.0%}",
    r"p_.*|latency_.*|import_s|open_s": "{:.3f}",
    r"gap": "{:.0e}",
    r".*_mb|memory.*": "{:,.6g}",
    r"ratio|times|smaller|quicker|kB|.*_s": "{:,.1f}",
}
OTHERS = "{:.4g}"


def told(table: pd.DataFrame) -> Styler:
    """The table without its index: sizes whole, errors and differences in percent, what is missing a dash."""
    numbers = [name for name in table if is_numeric_dtype(table[name]) and not is_bool_dtype(table[name])]
    how = {name: next((form for words, form in TOLD.items() if re.fullmatch(words, name)), OTHERS) for name in numbers}
    return table.style.format(how, na_rep="–").hide()
