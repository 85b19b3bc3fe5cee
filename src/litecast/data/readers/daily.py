"""Daily prices of one stock or index as tables: the form of KRX's own export, and the repairs every source shares.

A table has time, open, high, low, close (KRW, or index points), volume (shares) and value (traded, KRW), oldest first.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError
from ..changes import jumps

OHLC = ["open", "high", "low", "close"]
CODE = "[0-9]{4}[0-9A-HJ-NP-TV-Z][0-9KLMN]"  # of a Korean stock: 005930, 00104K
COLUMNS = ["time", "series", *OHLC, "volume", "value"]
EXPORT = {"일자": "time", "시가": "open", "고가": "high", "저가": "low", "종가": "close", "거래량": "volume",
          "거래대금": "value", "상장주식수": "shares"}  # fmt: skip


def tidied(table, code: str) -> tuple:
    """(table of COLUMNS as the store keeps it, {repair: rows}) of the prices of one code; columns it lacks are missing.

    Zero is no price: 0 for open, high and low is a day of halt. A row that repeats the last close in all four prices
    and has no volume is a holiday somebody filled in, or a day of halt: left out. A volume below zero is an overflow.
    Raises DataError for a day given twice with different numbers and for a table without any close.
    """
    rows = table.reindex(columns=["time", *COLUMNS[2:]]).sort_values("time", kind="stable").drop_duplicates()
    rows = rows.astype(dict.fromkeys(COLUMNS[2:], "float64")).reset_index(drop=True)
    if (twice := rows["time"].duplicated()).any():
        raise DataError(f"{code}: {rows['time'][twice].iloc[0]:%Y-%m-%d} is given twice with different numbers")
    if not (rows["close"] > 0).any():
        raise DataError(f"{code}: no row has a close above 0")
    halted = ~(rows[OHLC[:3]] > 0).any(axis=1) & (rows["close"] > 0)
    overflow = rows["volume"] < 0
    rows["volume"] = rows["volume"].mask(overflow)
    rows[OHLC] = rows[OHLC].where(rows[OHLC] > 0)
    nothing, idle = rows[OHLC].isna().all(axis=1), _idle(rows)
    rows = rows[~nothing & ~idle].reset_index(drop=True)
    notes = {
        "days without open, high and low (halted)": halted.sum(),
        "rows without any price, left out": nothing.sum(),
        "rows without trade that repeat the last close, left out": idle.sum(), "volumes below zero": overflow.sum(),
        "closes beyond the daily limit (not adjusted?)": len(jumps(rows.set_index("time")[["close"]]))}  # fmt: skip
    rows["series"] = code
    return rows[COLUMNS], {what: int(count) for what, count in notes.items()}


def _idle(rows):
    """Rows that say nothing new: no volume, and one price, the last close."""
    one = rows[OHLC].nunique(axis=1).eq(1) & rows[OHLC].notna().all(axis=1)
    return one & (rows["volume"] == 0) & (rows["close"] == rows["close"].ffill().shift())


def krx_export(path: Path):
    """Table time, open, high, low, close (KRW), volume (shares), value (KRW), shares listed; oldest first.

    cp949 or UTF-8, dates 2022/12/29, 2022-12-29 or 20221229, numbers with or without thousands commas. Zero for open,
    high and low is how KRX writes a day without such a price: missing. A column the file lacks is missing too, except
    date and close. Raises DataError naming file, row and rule.
    """
    import pandas as pd

    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding=_encoding(path), skipinitialspace=True)
    table = table.rename(columns=lambda name: EXPORT.get(name.strip(), name.strip()))
    if missing := [name for name in ("일자", "종가") if EXPORT[name] not in table]:
        raise DataError(f"{path}: there is no column {', '.join(missing)}, so this is no daily export of KRX; found "
                        f"{', '.join(table.columns)}")  # fmt: skip
    days = table["time"].str.replace(r"[/.\-]", "", regex=True).str.strip()
    rows = pd.DataFrame({"time": pd.to_datetime(days, format="%Y%m%d", errors="coerce")})
    _refuse(path, rows["time"].isna(), table["time"], "not a date like 2022/12/29")
    for name in list(EXPORT.values())[1:]:
        text = table.get(name, pd.Series("", table.index)).str.replace(",", "").str.strip().replace("-", "")
        rows[name] = pd.to_numeric(text.where(text != ""), errors="coerce").astype("float64")
        _refuse(path, rows[name].isna() & (text != ""), text, f"{name} is not a number")
    rows[["open", "high", "low"]] = rows[["open", "high", "low"]].where(rows[["open", "high", "low"]] != 0)
    rows = rows.drop_duplicates()
    _refuse(path, rows["time"].duplicated(), rows["time"], "a day is given twice with different numbers")
    return rows.sort_values("time", ignore_index=True)


def _encoding(path: Path) -> str:
    data = path.read_bytes()
    for name in ("utf-8-sig", "cp949"):
        try:
            data.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    raise DataError(f"{path}: neither cp949 nor UTF-8; save it as CSV again")


def _refuse(path: Path, bad, found, rule: str) -> None:
    if bad.any():
        at = bad.idxmax()
        raise DataError(f"{path}, row {at + 1} ('{found.loc[at]}'): {rule}; {int(bad.sum())} such rows")
