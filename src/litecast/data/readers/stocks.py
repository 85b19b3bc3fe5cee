"""Public prices of KRX: eleven stocks, Samsung Electronics, the KOSPI index."""

from __future__ import annotations

from pathlib import Path

from .daily import krx_export

NAMES = {
    "000270": "기아", "000660": "SK하이닉스", "005380": "현대차", "005490": "POSCO", "005930": "삼성전자",
    "009540": "현대중공업", "015760": "한국전력", "030200": "KT",
    "035420": "NAVER", "051910": "LG화학", "105560": "KB금융"}  # fmt: skip
_DAILY = {"frequency": "trading-day", "season": 1, "L": 60, "H": 5, "transform": "log", "country": "KR",
          "kind": "stocks"}  # fmt: skip
THOUSANDTH = 0.01  # a volume below this share of its surroundings is given in thousands


def krx_price(files: list[Path], sha256: str, source: str):
    """Daily close (KRW) of 11 KRX stocks on the span common to all; their volume (shares) is an observed column."""
    close, volume = _eleven(files)
    return _krx("krx-price", close, {"volume": volume}, "KRW", sha256, source, close)


def krx_volume(files: list[Path], sha256: str, source: str):
    """Daily traded volume (shares) of 11 KRX stocks on the span common to all; their close is an observed column."""
    close, volume = _eleven(files)
    return _krx("krx-volume", volume, {"close": close}, "shares", sha256, source, close)


def _krx(name: str, wide, observed: dict, unit: str, sha256: str, source: str, close):
    from ..changes import jumps, told
    from ..frame import Header, from_wide

    found = jumps(close)
    note = ("Adjusted for splits and rights as in the source. Zero has no logarithm: missing (a day without trade)."
            + f" Closes beyond the daily limit, so not adjusted: {told(found)}." * bool(found))  # fmt: skip
    header = Header(name=name, unit=unit, note=note, sha256=sha256, source=f"KRX by way of {source}",
                    licence="MIT (repository LICENSE)", **_DAILY)  # fmt: skip
    return from_wide(header, wide, observed)


def _eleven(files: list[Path]):
    """Closes and volumes, (T, 11) each: all days of the common span on which any of the stocks has a row."""
    import pandas as pd

    columns = ["time", "open", "high", "low", "close", "volume"]
    tables = {}
    for path in files:
        table = pd.read_csv(path, names=columns, thousands=",", encoding="utf-8-sig", parse_dates=["time"])
        tables[f"{path.stem} {NAMES[path.stem]}"] = table.set_index("time")
    first = max(table.index.min() for table in tables.values())
    last = min(table.index.max() for table in tables.values())
    return [pd.DataFrame({key: table[column] for key, table in tables.items()}).sort_index().loc[first:last]
            .astype(float) for column in ("close", "volume")]  # fmt: skip


# --- single series


def samsung(files: list[Path], sha256: str, source: str):
    """Daily close (KRW) of Samsung Electronics 005930; volume (shares) and traded value (KRW) as observed columns."""
    from ..changes import jumps, told
    from ..frame import Header

    rows = krx_export(files[0])
    halted = rows["open"].isna() & (rows["volume"] == 0)
    paid = (rows["value"] / rows["volume"]).where(~halted)  # KRW a share as it was that day
    splits = jumps(paid.set_axis(rows["time"]).to_frame("mean price paid"))
    found = jumps(rows.set_index("time")[["close"]])
    header = Header(
        name="samsung", unit="KRW", sha256=sha256, source=f"KRX export by way of {source}",
        licence="none stated in the repository; underlying data: KRX", **_DAILY,
        note=f"The close is adjusted for splits: {told(found) or 'no day'} beyond the daily limit of 30 %. Volume is "
             f"not: traded value / volume shows {told(splits) or 'no split'}. {halted.sum()} days of trading halt "
             f"({_days(rows['time'][halted])}) repeat the last close: missing. "
             f"{(rows['open'].isna() & ~halted).sum()} day with trade lacks open, high and low.")  # fmt: skip
    return _single(header, "005930 삼성전자", rows, rows["close"].mask(halted),
                   {"volume": rows["volume"], "traded": rows["value"]})  # fmt: skip


def kospi(files: list[Path], sha256: str, source: str):
    """Daily close (points) of the KOSPI composite index since 1981; traded volume (shares) as an observed column."""
    import pandas as pd

    from ..frame import Header

    rows = pd.read_csv(files[0], encoding="utf-8-sig", parse_dates=["Date"])
    prices = rows[["Open", "High", "Low", "Close"]]
    copied = (prices == prices.shift()).all(axis=1) & (rows["High"] > rows["Low"])  # no real day ends like the last
    rows, days = rows[~copied].reset_index(drop=True), _days(rows["Date"][copied])
    usual = rows["Volume"].rolling(21, center=True, min_periods=1).median()
    thousands = rows["Volume"] < THOUSANDTH * usual
    flat = rows["Date"][rows["High"] == rows["Low"]]
    header = Header(
        name="kospi", unit="index points", sha256=sha256, source=f"KRX by way of {source}",
        licence="none stated in the repository; underlying data: KRX", **_DAILY,
        note=f"Volume is in shares, but on {thousands.sum()} days ({_days(rows['Date'][thousands])}) about 1/1000 of "
             f"its surroundings, so in thousands: missing there. {copied.sum()} row ({days}) repeats the four prices "
             f"of the day before and is no trading day: left out. Until {flat.max():%Y-%m} many days give one price "
             "for open, high, low and close.")  # fmt: skip
    rows = rows.rename(columns={"Date": "time"})
    return _single(header, "KOSPI", rows, rows["Close"].astype("float64"),
                   {"volume": rows["Volume"].astype("float64").mask(thousands)})  # fmt: skip


def _days(times) -> str:
    return ", ".join(times.dt.strftime("%Y-%m-%d"))


def _single(header, series: str, rows, value, observed: dict):
    import pandas as pd

    from ..frame import SeriesFrame

    table = pd.DataFrame({"time": rows["time"], "series": series, "value": value, **observed})
    return SeriesFrame(header, table, dict.fromkeys(observed, "observed")).check()
