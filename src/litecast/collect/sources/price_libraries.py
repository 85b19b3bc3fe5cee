"""Daily prices through FinanceDataReader, pykrx and yfinance: optional packages, imported only when named.

FinanceDataReader needs no login (Naver) and is the first choice. pykrx gives the traded value, but only unadjusted and
only with an account of data.krx.co.kr (KRX_ID, KRX_PW). These packages rarely raise: they print, log or return an empty
frame, and KRX behind its login answers with a page instead of data. All of that becomes a DataError here.

Adjusted prices hang on the day they were asked for (their base date), so they are always fetched whole; unadjusted ones
of years gone by are kept. What a package returned is kept as CSV in the raw answers. Rates of change (a fraction in
FinanceDataReader, percent in pykrx) are never stored.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from importlib import metadata
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from litecast.data.readers.daily import CODE, tidied
from litecast.errors import DataError

from .. import collecting, http
from ..collecting import Job, Part
from ..prices import one_unit

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {
    "fdr": "FinanceDataReader: daily prices and volume of Korean stocks (Naver) and indices, no login",
    "pykrx": "pykrx: daily prices and volume of Korean stocks (Naver), with traded value after a KRX login",
    "yfinance": "yfinance: daily prices and volume from Yahoo Finance",
}
KIND = {"fdr": "stocks", "pykrx": "stocks", "yfinance": "stocks"}

INSTALL = {  # what to type when a package is missing
    "FinanceDataReader": "pip install finance-datareader",
    "pykrx.stock": "pip install --no-deps pykrx deprecated wrapt multipledispatch (pykrx declares pandas<3 and would "
                   "take pandas back; its daily prices work with pandas 3)",
    "yfinance": "pip install yfinance",
}  # fmt: skip
PACKAGE = {"fdr": "FinanceDataReader", "pykrx": "pykrx.stock", "yfinance": "yfinance"}
KRX_KEYS = ("KRX_ID", "KRX_PW")
KRX_ACCOUNT = "an account of data.krx.co.kr (회원가입): its id in KRX_ID, its password in KRX_PW"
INDICES = ("KS11", "KQ11", "KS200")
NAVER_ROWS, NAVER_YEARS = 6000, 23.5  # Naver gives its newest rows only, about so many years
LATER = f"{http.KEPT}, later"
LISTED_DAYS = 15  # the longest time without trading was 11 days: a span beyond this without rows is a failure


class Span(collecting.Options):
    codes: collecting.Words = Field(description="codes by commas, e.g. 005930,000660", min_length=1)
    start: collecting.Day = Field(description="first day, e.g. 2015-01-01")
    end: collecting.Day | None = Field(None, description="last day; absent: yesterday (today's row is not final)")
    pace_s: float = Field(1.0, ge=0, description="seconds before each question: be gentle")

    @model_validator(mode="after")
    def _order(self):
        if self.end and self.end < self.start:
            raise ValueError(f"end ({self.end}) is before start ({self.start})")
        return self


class FdrOptions(Span):
    codes: collecting.Words = Field(description="stocks by commas (005930,000660) or indices (KS11,KQ11,KS200)",
                                    min_length=1)  # fmt: skip


class PykrxOptions(Span):
    SAME = ("adjusted",)

    adjusted: bool = Field(True, description="prices adjusted for splits (Naver, no traded value); false: as traded, "
                           "with traded value, by login at KRX")  # fmt: skip


class YahooOptions(Span):
    SAME = ("adjusted", "unit")

    codes: collecting.Words = Field(description="codes by commas; 005930 is read as 005930.KS", min_length=1)
    suffix: str = Field(".KS", description="market of codes of six characters: .KS KOSPI, .KQ KOSDAQ")
    adjusted: bool = Field(True, description="adjusted for splits and dividends; false: for splits only")
    unit: str = Field("KRW", description="unit of the prices: KRW, or index points")


OPTIONS = {"fdr": FdrOptions, "pykrx": PykrxOptions, "yfinance": YahooOptions}


# --- the three sources


def fdr_parts(job: Job) -> Iterator[Part]:
    """A part per code from FinanceDataReader's Naver path: adjusted KRW and shares; no traded value."""
    _known(job, INDICES)
    indices = [code for code in job.options.codes if code in INDICES]
    if indices and len(indices) < len(job.options.codes):
        raise DataError(f"fdr: {', '.join(indices)} are in points, the other codes in KRW; make two collections")
    unit = "index points" if indices else "KRW"
    one_unit(job.collection, unit)
    job.describe(
        unit=unit, frequency="trading-day",
        provider="KRX by way of FinanceDataReader" + " (its cache)" * bool(indices) + " (Naver)" * (not indices),
        licence="package MIT; data: KRX and Naver, personal use",
        note="Prices are adjusted for splits to the day they were fetched.")  # fmt: skip
    yield from _parts(job, _fdr, adjusted=True)


def pykrx_parts(job: Job) -> Iterator[Part]:
    """A part per code from pykrx: adjusted KRW and shares (Naver), or as traded with traded value in KRW (KRX)."""
    adjusted = job.options.adjusted
    _known(job, ())
    if not adjusted:
        for name in KRX_KEYS:
            _key(job, name)
    job.describe(
        unit="KRW", frequency="trading-day", provider=f"{'Naver' if adjusted else 'KRX'} by way of pykrx",
        licence="package MIT; data: KRX and Naver, personal use",
        note="Prices are adjusted for splits to the day they were fetched." if adjusted else
             "Prices and volumes are as traded: a split stays a jump.")  # fmt: skip
    yield from _parts(job, _pykrx, adjusted)


def yahoo_parts(job: Job) -> Iterator[Part]:
    """A part per code from yfinance: KRW (or the market's currency) and shares; no traded value."""
    job.describe(
        unit=job.options.unit, frequency="trading-day", provider="Yahoo Finance by way of yfinance",
        licence="package Apache-2.0; data: Yahoo Finance terms, personal use",
        note=f"Prices and volumes are adjusted for splits{' and prices for dividends' * job.options.adjusted} to the "
             "day they were fetched.")  # fmt: skip
    yield from _parts(job, _yahoo, adjusted=True)  # Yahoo adjusts for splits in any case


PARTS = {"fdr": fdr_parts, "pykrx": pykrx_parts, "yfinance": yahoo_parts}


def _known(job: Job, indices: tuple[str, ...]) -> None:
    """Refuse what the package would look for elsewhere, in another currency."""
    for code in job.options.codes:
        if not re.fullmatch(CODE, code) and code not in indices:
            either = f" or an index ({', '.join(indices)})" if indices else ""
            raise DataError(f"{job.source}: '{code}' is no code of a Korean stock of six characters (005930){either}")


def _key(job: Job, name: str) -> str:
    """A key that only unadjusted prices need, so it does not stand in KEYS."""
    try:
        return job.key(name)
    except DataError as error:
        raise DataError(f"{error}: adjusted=false asks KRX itself, which needs {KRX_ACCOUNT}") from None


# --- parts


def _parts(job: Job, ask: Callable, adjusted: bool) -> Iterator[Part]:
    asked = job.options
    today = job.clock.now().date()
    end = min(asked.end or today - timedelta(days=1), today)
    if end < asked.start:
        raise DataError(f"{job.source}: start={asked.start} lies in the future")
    settings = asked.model_dump(mode="json", include={"adjusted", "suffix"})
    base = f"base {today}" if adjusted else "as traded"
    for code in job.progress(dict.fromkeys(asked.codes)):
        notes: dict[str, int] = {}
        yield Part(
            code, f"{base}, {asked.start} to {end}, {settings}",
            lambda code=code, notes=notes: _made(job, code, ask, adjusted, end, notes), lambda notes=notes: notes,
            {"code": code, "start": str(asked.start), "end": str(end), "adjusted": adjusted})  # fmt: skip


def _made(job: Job, code: str, ask: Callable, adjusted: bool, end: date, notes: dict[str, int]) -> pd.DataFrame:
    import pandas as pd

    start, today = job.options.start, job.clock.now().date()
    if adjusted:
        frames = [_frame(_whole(job, code, ask, start, end, today))]
    else:
        frames = _years(job, code, ask, start, end, today)
    table = pd.concat(frames, ignore_index=True)
    table = table[(table["time"] >= pd.Timestamp(start)) & (table["time"] <= pd.Timestamp(end))]
    table, repairs = tidied(table, code)
    late = (table["time"].min().date() - start).days > LISTED_DAYS
    old = (today - table["time"].min().date()).days > NAVER_YEARS * 365
    naver = adjusted and job.source != "yfinance" and code not in INDICES
    stale = (end - table["time"].max().date()).days > LISTED_DAYS
    notes |= repairs | {
        "spans that end early: delisted, or an answer that was cut?": int(stale),
        f"spans that may be cut at the newest {NAVER_ROWS:,} rows": int(naver and late and old)}  # fmt: skip
    return table


def _whole(job: Job, code: str, ask: Callable, start: date, end: date, today: date) -> bytes:
    """The whole span in one answer of today; older bases of this code are forgotten."""
    prefix = f"{code} adjusted, "
    unit = f"{prefix}base {today}, {start} to {end}, {job.options.model_dump_json(include={'adjusted', 'suffix'})}"
    body = job.fetched(unit, lambda: [_answer(job, code, ask, start, end)])[0]
    for other in job.collection.raw.units(prefix):
        if other != unit:
            job.collection.raw.drop(other)
    return body


def _years(job: Job, code: str, ask: Callable, start: date, end: date, today: date) -> list[pd.DataFrame]:
    """A frame per calendar year; whole years gone by are kept. No rows amid or at the end of the years is a failure."""
    frames: list[pd.DataFrame] = []
    for year in range(start.year, end.year + 1):
        first, last = date(year, 1, 1), min(date(year, 12, 31), end)
        unit = f"{code} as traded, {year}"
        whole = last == date(year, 12, 31) and last < today

        def get(first: date = first, last: date = last) -> list[http.Answer]:
            return [_answer(job, code, ask, first, last, may_lack=True)]

        frame = _frame(job.fetched(unit, get, final=False)[0])
        if not frame.empty and whole and job.collection.raw.pages(unit) is None:
            job.collection.raw.keep(unit, [(_said(job, code, first, last), job.clock.now().isoformat(), _bytes(frame))])
        if frame.empty and frames and (last - first).days > LISTED_DAYS:
            raise DataError(f"{job.source}, {code}: no row from {first} to {last}, though there are some before; the "
                            f"answer was lost, or the stock was delisted. {LATER}, or set end to the last day "
                            "it was traded")  # fmt: skip
        frames += [] if frame.empty else [frame]
    if not frames:
        raise DataError(_empty(job, code, start, end, ""))
    return frames


def _frame(body: bytes) -> pd.DataFrame:
    """Table time, open, high, low, close, volume, value of a kept answer."""
    import pandas as pd

    return pd.read_csv(io.BytesIO(body), parse_dates=["time"])


def _bytes(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


# --- one question to a package


def _answer(job: Job, code: str, ask: Callable, start: date, end: date, may_lack: bool = False) -> http.Answer:
    """What a package returns for a code and span, as CSV; DataError for whatever it does instead."""
    job.clock.sleep(job.options.pace_s)
    said: list[str] = []
    with _quiet(said, hide=() if may_lack else KRX_KEYS):
        try:
            table = ask(job, code, start, end)
        except DataError:
            raise
        except Exception as error:  # these packages let through whatever broke inside: KeyError, JSONDecodeError, …
            raise DataError(_broken(job, code, error)) from None
    if table is None or (table.empty and not may_lack):
        raise DataError(_empty(job, code, start, end, " ".join(said)))
    if table.empty and _login_failed(said):
        raise DataError(f"{job.source}, {code}: KRX did not let you in ({' '.join(said)[:200]}). Look at KRX_ID and "
                        "KRX_PW, log in once at data.krx.co.kr (a password may have to be changed)")  # fmt: skip
    return http.Answer(200, {}, _bytes(table), _said(job, code, start, end), job.clock.now().isoformat())


def _fdr(job: Job, code: str, start: date, end: date) -> pd.DataFrame:
    reader = _imported(PACKAGE["fdr"])
    return _renamed(job, code, reader.DataReader(code, str(start), str(end)), "Open High Low Close Volume")


def _pykrx(job: Job, code: str, start: date, end: date) -> pd.DataFrame:
    stock = _imported(PACKAGE["pykrx"])
    adjusted = job.options.adjusted
    table = stock.get_market_ohlcv(f"{start:%Y%m%d}", f"{end:%Y%m%d}", code, adjusted=adjusted)
    return _renamed(job, code, table, "시가 고가 저가 종가 거래량" + " 거래대금" * (not adjusted))


def _yahoo(job: Job, code: str, start: date, end: date) -> pd.DataFrame:
    package, asked = _imported(PACKAGE["yfinance"]), job.options
    ticker = code + asked.suffix if len(code) == 6 and code[:4].isdigit() else code
    table = package.download(ticker, start=str(start), end=str(end + timedelta(days=1)), auto_adjust=asked.adjusted,
                             actions=False, progress=False, threads=False)  # end is exclusive there
    if table is not None and table.columns.nlevels > 1:  # (field, ticker) even for one ticker
        table = table.droplevel(1, axis=1)
    return _renamed(job, code, table, "Open High Low Close Volume")


def _renamed(job: Job, code: str, table: pd.DataFrame | None, columns: str) -> pd.DataFrame:
    """time, open, high, low, close, volume, value of what a package returned; empty where that is."""
    import pandas as pd

    ours = dict(zip(columns.split(), ["open", "high", "low", "close", "volume", "value"], strict=False))
    if table is None or table.empty:
        return pd.DataFrame(columns=["time", *ours.values()])
    if missing := [name for name in ours if name not in table]:
        raise DataError(f"{job.source}, {code}: the package returned no column {', '.join(missing)} but "
                        f"{', '.join(map(str, table.columns))}; this version may have changed")  # fmt: skip
    if not isinstance(table.index, pd.DatetimeIndex):
        raise DataError(f"{job.source}, {code}: rows are not by day but by {table.index.name or table.index.dtype}")
    index = table.index.tz_localize(None) if table.index.tz is not None else table.index
    rows = table[list(ours)].rename(columns=ours).astype("float64")  # int32 of pykrx: no overflow in what we compute
    rows.insert(0, "time", index.normalize())
    return rows.reset_index(drop=True)


def _imported(module: str):
    """An optional package; its import may print, log in or change the fonts of matplotlib, so that is undone."""
    import matplotlib

    try:
        with matplotlib.rc_context():
            return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        lacks = f" (it lacks {error.name})" if error.name and error.name != package else ""
        raise DataError(f"the package {package} is not installed{lacks}; type: {INSTALL[module]}") from None


@contextlib.contextmanager
def _quiet(said: list[str], hide: tuple[str, ...]):
    """Catch what a package prints and logs into `said`, and hide environment variables it must not use."""
    hidden = {name: os.environ.pop(name) for name in hide if name in os.environ}
    out, log = io.StringIO(), io.StringIO()
    handler, loggers = logging.StreamHandler(log), [logging.getLogger(name) for name in ("yfinance", "pykrx")]
    before = [(logger.propagate, logger.handlers) for logger in loggers]
    try:
        for logger in loggers:
            logger.propagate, logger.handlers = False, [handler]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), warnings.catch_warnings(record=True):
            yield
    finally:
        for logger, (propagate, handlers) in zip(loggers, before, strict=True):
            logger.propagate, logger.handlers = propagate, handlers
        os.environ.update(hidden)
        said += " ".join(f"{out.getvalue()} {log.getvalue()}".split()).split(" ")


# --- what went wrong


def _said(job: Job, code: str, start: date, end: date) -> str:
    """The request as the raw answers and errors name it."""
    package = {"fdr": "finance-datareader"}.get(job.source, job.source)
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = ""
    return f"{package} {version}".strip() + f": {code}, {start} to {end}"


def _login_failed(said: list[str]) -> bool:
    text = " ".join(said)
    return any(word in text for word in ("로그인 실패", "비밀번호 변경", "Expecting value", "JSONDecodeError"))


def _empty(job: Job, code: str, start: date, end: date, said: str) -> str:
    why = f" It said: {said[:300]}." if said.strip() else ""
    if _limited(said):
        return f"{_said(job, code, start, end)}: Yahoo asks for a pause (too many requests). {http.KEPT}, in an hour"
    wanted = {"yfinance": "with its market (005930.KS, 035720.KQ)"}.get(job.source, "of six characters (005930)")
    return (f"{_said(job, code, start, end)}: the package returned no row.{why} Is the code right ({wanted}), was it "
            f"traded in that span, and does the network work? {LATER}")  # fmt: skip


def _broken(job: Job, code: str, error: Exception) -> str:
    kind, text = type(error).__name__, " ".join(str(error).split())[:200]
    if _limited(f"{kind} {text}"):
        return f"yfinance, {code}: Yahoo asks for a pause ({kind}: {text}). {http.KEPT}, in an hour"
    if kind in ("KeyError", "JSONDecodeError", "IndexError", "AttributeError"):
        return (f"{job.source}, {code}: the provider answered with something else than data ({kind}: {text}). "
                f"{_instead(job)}. {LATER}")  # fmt: skip
    return f"{job.source}, {code}: {kind}: {text}. {LATER}"


def _instead(job: Job) -> str:
    """What else one can do where a provider no longer answers with data."""
    if job.source == "pykrx" and job.options.adjusted:
        return ("KRX needs a login since 2025-12: use the source fdr (no login), or pykrx with adjusted=false and "
                f"{KRX_ACCOUNT}")  # fmt: skip
    return f"A newer version of the package may know its new form: {INSTALL[PACKAGE[job.source]]} --upgrade"


def _limited(text: str) -> bool:
    return any(word in text for word in ("YFRateLimitError", "Too Many Requests", "Rate limited"))
