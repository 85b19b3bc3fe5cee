"""Daily prices from files that somebody downloaded: KRX's own export, and Yahoo Finance's CSV. One part per code.

KRX: data.krx.co.kr > 기본 통계 > 주식 > 종목시세 > 개별종목 시세 추이 (login since 2025-12). Its prices can be
adjusted for splits, its volume never is. Yahoo: finance.yahoo.com > Historical Data. Its prices and volumes are
adjusted for splits, `Adj Close` for dividends too. Both write a holiday or a halt in their own way: see
`readers/daily.tidied`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import Field

from litecast.data.readers.daily import CODE, OHLC, krx_export, tidied
from litecast.errors import DataError
from litecast.files import sha256

from .. import collecting
from ..collecting import Job, Part

SOURCES = {
    "krx-files": "KRX export (CSV): daily prices, volume and traded value of a stock",
    "yahoo-files": "Yahoo Finance CSV: daily prices and volume of a stock or an index",
}
KIND = {"krx-files": "stocks", "yahoo-files": "stocks"}

_CODE = re.compile(rf"(?<![0-9A-Za-z]){CODE}(?![0-9A-Za-z])")
_YAHOO = ["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"]


class KrxOptions(collecting.Options):
    SAME = ("adjusted",)

    files: collecting.Files = Field(description="files, e.g. downloads/*.csv; each one's name holds its code (005930)")
    code: str = Field("", description="code of the stock, where the name of the one file does not hold it")
    adjusted: bool = Field(True, description="the prices were exported as 수정주가 (adjusted): files of one code must "
                           "then overlap and agree, since each has its own base date")  # fmt: skip


class YahooOptions(collecting.Options):
    SAME = ("adjusted", "unit")

    files: collecting.Files = Field(description="files, e.g. downloads/*.csv; named as downloaded (005930.KS.csv)")
    code: str = Field("", description="code of the stock, where the name of the one file does not hold it")
    adjusted: bool = Field(False, description="scale prices by Adj Close / Close (dividends); splits always are")
    unit: str = Field("KRW", description="unit of the prices: KRW, or index points")


OPTIONS = {"krx-files": KrxOptions, "yahoo-files": YahooOptions}


def krx_parts(job: Job) -> Iterator[Part]:
    """A part per stock from KRX exports: KRW, shares, KRW."""
    asked = job.options
    job.describe(
        unit="KRW", frequency="trading-day", provider="KRX (data.krx.co.kr), exported files",
        licence="KRX: terms of data.krx.co.kr; copyright stays with KRX",
        note="Volume is in shares of the day: KRX adjusts prices for splits, not volumes.")  # fmt: skip
    yield from _parts(job, "the name holds no code like 005930", krx_export, asked.adjusted)


def yahoo_parts(job: Job) -> Iterator[Part]:
    """A part per stock or index from Yahoo's CSV files; traded value is missing."""
    asked = job.options
    job.describe(
        unit=asked.unit, frequency="trading-day", provider="Yahoo Finance, downloaded files",
        licence="Yahoo Finance: terms of use, personal use",
        note="Prices and volumes are adjusted for splits" + " and prices for dividends." * asked.adjusted
             + "." * (not asked.adjusted))  # fmt: skip
    yield from _parts(job, "", lambda path: yahoo_table(path, asked.adjusted), True)


PARTS = {"krx-files": krx_parts, "yahoo-files": yahoo_parts}


def _parts(job: Job, nameless: str, read: Callable, overlapping: bool) -> Iterator[Part]:
    """nameless: why a file without a code is refused; where empty, the first word of its name is the code."""
    codes: dict[str, list[Path]] = {}
    for path in job.options.files:
        codes.setdefault(_code(path, job.options, nameless), []).append(path)
    for code, files in job.progress(sorted(codes.items())):
        hashes = sorted(map(sha256, files))
        asked = job.options.model_dump(mode="json", exclude={"files"})
        made_of = hashlib.sha256(repr((hashes, asked)).encode()).hexdigest()
        notes: dict[str, int] = {}
        yield Part(code, made_of, lambda c=code, f=files, n=notes: _made(c, f, read, overlapping, n), lambda n=notes: n,
                   {"code": code, "files": [path.name for path in files]})  # fmt: skip


def _code(path: Path, asked, nameless: str) -> str:
    if asked.code:
        if len(asked.files) > 1:
            raise DataError(f"code={asked.code} can name one file only, {len(asked.files)} were given; put each one's "
                            "code into its name, e.g. 005930.csv")  # fmt: skip
        return asked.code
    if found := _CODE.search(path.stem):
        return found[0]
    if nameless:
        raise DataError(f"{path}: {nameless}; rename it, e.g. to 005930.csv, or say code=005930")
    return re.split(r"[_ ]", path.stem.lstrip("^"))[0]


def _made(code: str, files: list[Path], read: Callable, overlapping: bool, notes: dict[str, int]):
    table, repairs = tidied(_joined(code, files, [_read(path, read) for path in files], overlapping), code)
    notes |= repairs
    return table


def _read(path: Path, read: Callable):
    """The table of a file; DataError for what is no CSV at all: a workbook, a page, an empty or cut file."""
    import pandas as pd

    try:
        if path.read_bytes()[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise DataError(f"{path}: an Excel workbook; download it as CSV, or save its sheet as 'CSV UTF-8'")
        return read(path)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: no CSV ({' '.join(str(error).split())}); download it again") from None


def _joined(code: str, files: list[Path], tables: list, overlapping: bool):
    """One table of several; adjusted prices must share a day and agree on all days shared, else they have two bases."""
    import pandas as pd

    order = sorted(range(len(tables)), key=lambda n: tables[n]["time"].min())
    whole = tables[order[0]]
    for n in order[1:]:
        shared = whole.merge(tables[n], on="time", suffixes=("", "_new"))
        differ = shared[(shared["close"] - shared["close_new"]).abs() > 1e-9 * shared["close"]]
        advice = "export the whole span at once, so that one base date holds for all days"
        if len(differ):
            raise DataError(f"{code}: {files[n].name} has another close on {differ['time'].iloc[0]:%Y-%m-%d} "
                            f"({differ['close_new'].iloc[0]:g}) than the file before ({differ['close'].iloc[0]:g}); "
                            f"{advice}")  # fmt: skip
        if overlapping and shared.empty:
            raise DataError(f"{code}: {files[n].name} shares no day with the file before, so their adjusted prices may "
                            f"have two bases; {advice}")  # fmt: skip
        whole = pd.concat([whole, tables[n][~tables[n]["time"].isin(whole["time"])]], ignore_index=True)
    return whole


def yahoo_table(path: Path, adjusted: bool = False):
    """Table time, open, high, low, close, volume of Yahoo's CSV; `null` and empty cells are missing.

    adjusted: open, high, low and close times Adj Close / Close. Raises DataError naming file, row and rule.
    """
    import pandas as pd

    table = pd.read_csv(path, encoding="utf-8-sig", na_values=["null"], thousands=",")
    if missing := [name for name in _YAHOO if name not in table and (adjusted or name != "Adj Close")]:
        raise DataError(f"{path}: there is no column {', '.join(missing)}, so this is no CSV of Yahoo Finance; found "
                        f"{', '.join(map(str, table.columns))}")  # fmt: skip
    rows = table[[name for name in _YAHOO[1:] if name in table]].apply(pd.to_numeric, errors="coerce")
    rows = rows.rename(columns=str.lower).astype("float64")
    times = pd.to_datetime(table["Date"], format="%Y-%m-%d", errors="coerce")
    bad = times.isna() | (rows.isna() & table[list(_named(table, rows))].notna().to_numpy()).any(axis=1)
    if bad.any():
        at = int(bad.to_numpy().argmax())
        raise DataError(f"{path}, row {at + 1}: a date is written like 2024-01-31 and all else is a number; found "
                        f"{', '.join(map(str, table.iloc[at]))}; {int(bad.sum())} such rows")  # fmt: skip
    if adjusted:
        rows[OHLC] = rows[OHLC].mul(rows["adj close"] / rows["close"], axis=0)
    return rows.drop(columns="adj close", errors="ignore").assign(time=times)


def _named(table, rows) -> list[str]:
    """The columns of the file behind `rows`, in their order."""
    return [name for name in _YAHOO[1:] if name in table and name.lower() in rows]
