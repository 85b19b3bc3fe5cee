"""The README of a bundle: what is in it, how it is called, what it errs."""

from litecast import catalogue

PYTHON = """## Python: `predict.py`

NumPy is all it needs.

```python
from predict import Forecaster

network = Forecaster(".")            # this folder
y = network.forecast(values, times)  # values (T, {C}), times (T,) -> (H, {C}), in {unit}
{bands}```

`values` are raw, NaN where one is missing, a column for each of `network.card["series"]` in that order; for some of
them give `series=["{series}"]` and their columns. `times` are local standard time without a zone, a step apart
({frequency}){future}. Or on a command line: `python predict.py history.csv`.
"""

ONNX = """## ONNX: `model.onnx`

For ONNX Runtime, OpenVINO, the browser. The scaler {table}in the graph: raw values in, raw values out.
{inputs}
Metadata `card` holds frequency, season, holidays. The caller fills gaps, and makes the calendar, by the rules of
litecast's docs/file-format.md.
"""

VECTORS = """## Test vectors: `vectors.json`

20 windows of raw history, gaps and holidays among them, and what the model file forecasts of them: what any port has to
reproduce, to 1e-5 of the largest value of a window and its forecast. Values are {source}.
"""


def text(said: dict, out_of: str) -> str:
    """Markdown of what bundle.json says; out_of: the name of the model file it was made of."""
    card, sizes = said["card"], said["bytes"]
    parts = [_head(said, out_of), _table(sizes), _needs(said)]
    if said["program"]:
        parts += [_python(said), *(_form(name) for name in said["forms"])]
    parts += [_onnx(said), VECTORS.format(source=said["vectors"]), _limits(said)]
    return "\n".join(part for part in parts if part).replace("{folder}", card["dataset"])


def _head(said: dict, out_of: str) -> str:
    card, errors = said["card"], said["errors"]
    words = {"val_wape": "validation", "test_wape": "test"}
    known = ", ".join(f"{100 * errors[name]:.2f} % on {word}" for name, word in words.items() if name in errors)
    errs = f"Its error (WAPE, of all series and steps together) is {known}." if known else (
        "No study was found beside the file: its errors are not known here.")  # fmt: skip
    return (f"# Forecasts of {card['dataset']}\n\nThe next {card['H']} steps ({card['frequency']}) of "
            f"{len(card['series'])} series, {card['unit']}. Made of `{out_of}`. {errs}\n")


def _table(sizes: dict) -> str:
    lines = "\n".join(f"| `{name}` | {size:,} |" for name, size in sizes.items())
    return f"| file | bytes |\n|---|---:|\n{lines}\n"


def _needs(said: dict) -> str:
    card, levels = said["card"], list(said["bands"])
    bands = (f"Bands of {' and '.join(levels)} %: split conformal, from the absolute errors on validation." if levels
             else "There are no bands: the file's study has measured none.")  # fmt: skip
    return (f"**History**: the last {card['history']} rows ({card['L']} suffice where none of them is missing). "
            f"**Series**: {', '.join(card['series'][:8])}{', …' if len(card['series']) > 8 else ''}. {bands}\n")


def _python(said: dict) -> str:
    card, levels = said["card"], list(said["bands"])
    calls = [f"low, high = network.bands(y, {level})\n" for level in levels]
    future = ", or these and the H to come" if card["frequency"] == "trading-day" else ""
    return PYTHON.format(C=len(card["series"]), unit=card["unit"], bands="".join(calls), series=card["series"][0],
                         frequency=card["frequency"], future=future)


def _form(name: str) -> str:
    literals = catalogue.members("bundle/writers", "NAME", "USE")[name]
    return f"## {literals['NAME']}\n\n{literals['USE'].strip()}\n"


def _onnx(said: dict) -> str:
    card = said["card"]
    lines = [f"`x` (B, {card['L']}, S) float32, raw, gaps filled", "`series` (S,) int64, which of the card's series"]
    lines += [f"`z` (B, {card['L'] + card['H']}, F) float32, the calendar"] if "z" in said["reads"] else []
    lines += [f"`cells` (B, {card['L'] + card['H']}) int64, the calendar's cells"] if "cells" in said["reads"] else []
    outs = ", ".join(["`y`", *(f"`{side}_{level}`" for level in said["bands"] for side in ("low", "high"))])
    table = "and the usual week are " if "cells" in said["reads"] else "is "
    return ONNX.format(table=table, inputs=f"Inputs: {'; '.join(lines)}. Outputs (B, {card['H']}, S): {outs}.\n")


def _limits(said: dict) -> str:
    lines = [f"{name} is left out: {reason}." for name, reason in said["left_out"].items()]
    if not said["program"]:
        lines.append(f"Python, C and JavaScript are left out: {said['reason']}. ONNX and the model file do the same.")
    if said["card"]["holidays"]:
        first, last = said["card"]["holidays"][:2]
        lines.append(f"Holidays ({said['card']['country']}) are known of {first} to {last}; others count as ordinary "
                     "days, and `predict.py` says so.")
    lines.append("A series that is not in the card is forecast from the model file alone (`Loaded.new` of litecast).")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"
