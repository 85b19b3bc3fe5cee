"""History that a caller sends: JSON or CSV to raw values and times in the order of a model's card.

A regular history is read at once: ISO times on the model's grid, plain numbers, series by their names. Whatever else it
is goes to the reader of own files (litecast.data), whose rules and words are the same as for a study: it sorts, fills
the grid, reads other forms of times and numbers, and says what cannot be read for certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..data import calendar, csvtext, files, ownyaml, shapes
from ..data.csvtext import Sheet
from .limits import Limits, Refused

BODY = "body"  # the file that the reader's words name
STEPS = {"15min": 900, "30min": 1800, "h": 3600, "D": 86400, "W": 7 * 86400}  # seconds
DAILY = ("D", "W", "MS", "trading-day")
_TIMES = re.compile(r"(?:(?:19[0-9]\d|20\d\d)-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?\n)+", re.ASCII)


@dataclass(frozen=True)
class History:
    """series: names of those of the card that were sent, in its order; values (T, C) of these, raw, float64, NaN =
    missing; times (T,) datetime64[s], or None; notes: what was done to read them."""

    series: list[str]
    values: np.ndarray
    times: np.ndarray | None
    notes: list[str] = field(default_factory=list)


def unprocessable(words: str) -> Refused:
    return Refused(422, words)


def parsed(body: bytes):
    """The JSON of a body, every number a float. Refused (422): not UTF-8, NaN or Infinity, a key twice, too deep."""
    try:
        return json.loads(body.decode(), parse_int=float, parse_constant=_no_number, object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise unprocessable("the body is not UTF-8") from None
    except RecursionError:
        raise unprocessable("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise unprocessable(f"the body is no JSON: {error.msg}, line {error.lineno}, column {error.colno}") from None


def _no_number(word: str):
    raise unprocessable(f"{word} is no JSON: write null where a value is missing")


def _once(pairs: list[tuple]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise unprocessable("a key stands twice in one object of the body")
    return found


def of_columns(times: list[str] | None, columns: Mapping[str, list], card: dict, limits: Limits) -> History | Sheet:
    """The history of times (T,) and values by series, None or NaN = missing; a sheet, for `read_sheet`, where it
    takes the reader to say what it is. Raises Refused (422)."""
    lengths = {len(column) for column in columns.values()} | ({len(times)} if times is not None else set())
    if len(lengths) != 1 or lengths == {0}:
        raise unprocessable("give every series as many values as there are times, and at least one")
    _within(lengths.pop(), len(columns), limits)
    if unknown := columns.keys() - set(card["series"]):
        raise unprocessable(_unknown(sorted(unknown), card))
    series = [name for name in card["series"] if name in columns]
    values = np.array([columns[name] for name in series], np.float64).T
    stamps = None if times is None else _stamps(times, card["frequency"])
    if _plain(values, card) and (times is None or stamps is not None):
        return History(series, values, stamps)
    return _sheet(times, columns)


def of_csv(body: bytes, card: dict, limits: Limits) -> History:
    """The history in a CSV, as own files are read. Raises Refused (422) and the reader's DataError."""
    found = csvtext.cut(body, BODY)
    _within(len(found.rows), max(map(len, found.rows)), limits)
    sheet = shapes.sheet(found, BODY)
    first, *names = sheet.columns
    if sheet.separator == "," and set(names) <= set(card["series"]) and first not in card["series"]:
        read = {name: csvtext.numbers(sheet.columns[name], ".") for name in names}
        if not any(bad for _, bad in read.values()):
            values = {name: column for name, (column, _) in read.items()}
            history = of_columns(sheet.columns[first], values, card, limits)
            if isinstance(history, History):
                return replace(history, notes=sheet.notes)
    return read_sheet(sheet, card)


def read_sheet(sheet: Sheet, card: dict) -> History:
    """The history of a table, by the reader of own files. Raises its DataError, Refused where it is not the card's."""
    wide, frequency = files.history(sheet, ownyaml.Settings(transform=card.get("transform", "none")))
    if frequency != card["frequency"]:
        raise unprocessable(f"the times are a step of '{frequency}' apart, the model's '{card['frequency']}'")
    if len(card["series"]) == 1 and len(wide.columns) == 1:
        wide.columns = card["series"]
    series = [name for name in card["series"] if name in wide.columns]
    left = [str(name) for name in wide.columns if name not in card["series"]]
    if not series:
        raise unprocessable(_unknown(left, card))
    notes = [*sheet.notes, *([f"Not known to the model, left out: {_listed(left)}."] if left else [])]
    times = None if frequency == "step" else wide.index.to_numpy().astype("datetime64[s]")
    return History(series, wide[series].to_numpy(), times, notes)


def _within(rows: int, series: int, limits: Limits) -> None:
    if rows > limits.rows or series > limits.series:
        raise unprocessable(f"{rows} rows of {series} columns: at most {limits.rows} of {limits.series} are taken")


def _unknown(names: list[str], card: dict) -> str:
    return f"the model does not know {_listed(names)}; its series are {_listed(card['series'])}"


def _listed(names: list[str]) -> str:
    return ", ".join(name[:60] for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _plain(values: np.ndarray, card: dict) -> bool:
    """Is nothing infinite or absurd, is anything known at all, and has all of it a logarithm if one is taken?"""
    size = np.fmax.reduce(np.abs(values), axis=None, initial=-1)  # nanmax takes four times as long
    return 0 <= size <= files.HUGE and not (card.get("transform") == "log" and (values <= 0).any())


def _stamps(texts: list[str], frequency: str) -> np.ndarray | None:
    """Times (T,), datetime64[s], of ISO texts that lie on the grid of a frequency; None if they are anything else."""
    lines = "\n".join([*texts, ""])
    if lines.count("\n") != len(texts) or not _TIMES.fullmatch(lines):
        return None
    try:
        times = np.array(texts, "datetime64[s]")
    except ValueError:  # 30 February
        return None
    if frequency in DAILY and (times != times.astype("datetime64[D]")).any():
        return None
    return times if _regular(times, frequency) else None


def _regular(times: np.ndarray, frequency: str) -> bool:
    if frequency == "MS":
        months = times.astype("datetime64[M]")
        return bool((months == times).all() and (np.diff(months).astype(int) == 1).all())
    steps = np.diff(times).astype(np.int64)
    return bool((steps > 0).all() if frequency == "trading-day" else (steps == STEPS.get(frequency)).all())


def _sheet(times: list[str] | None, columns: Mapping[str, list]) -> Sheet:
    """As a table of text: times as plain steps where there are none. Its lines are rows, from 1."""
    count = len(next(iter(columns.values())))
    texts = {name: ["" if value is None or value != value else repr(value) for value in column]
             for name, column in columns.items()}  # fmt: skip
    stamps = [str(row) for row in range(count)] if times is None else [text.strip() for text in times]
    name = next(word for word in ("time", "times", "timestamp", "datetime", "date", "") if word not in columns)
    return Sheet(BODY, {name: stamps, **texts}, list(range(1, count + 1)), ",")


def coming(last: np.ndarray, card: dict) -> list[str] | None:
    """Times (H,), ISO text, after the last one; None without. Trading days are weekdays but the card's holidays."""
    if last is None:
        return None
    steps = np.arange(1, card["H"] + 1)
    if card["frequency"] == "MS":
        times = last.astype("datetime64[M]") + steps
    elif card["frequency"] == "trading-day":
        closed = calendar.unpacked(card.get("holidays")).to_numpy().astype("datetime64[D]")
        times = np.busday_offset(last.astype("datetime64[D]"), steps, roll="backward", holidays=closed)
    else:
        times = last + steps * np.timedelta64(STEPS[card["frequency"]], "s")
    return np.datetime_as_string(times, unit="D" if card["frequency"] in DAILY else "m").tolist()
