"""Optional price packages, by fakes that return and fail as FinanceDataReader 0.9, pykrx 1.2 and yfinance 1.7 do."""

import io
import logging
import os
import signal
import subprocess
import sys
import types

import pandas as pd
import pytest
from fakes.clock import FakeClock
from fakes.stored import snapshot

from litecast import data, paths
from litecast.collect import collecting
from litecast.errors import DataError

ID, PASSWORD = "SECRETKEYid", "SECRETKEYpw"


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    for name in ("KRX_ID", "KRX_PW"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("KRX_ID", ID)
    monkeypatch.setenv("KRX_PW", PASSWORD)


class Market:
    """Days of one stock, 1000, 1010, … KRW; a split into `parts` shares on `split`; asks: what was asked for."""

    def __init__(self, first="2021-01-04", last="2026-01-14", split="2023-06-01", parts=5):
        self.days = pd.bdate_range(first, last, name="Date")
        self.split, self.parts, self.asks = pd.Timestamp(split), parts, []

    def table(self, start, end, adjusted=True) -> pd.DataFrame:
        days = self.days[(self.days >= pd.Timestamp(start)) & (self.days <= pd.Timestamp(end))]
        n = (days - self.days[0]).days.to_numpy()
        close = 10_000 + 10 * n
        close = close if adjusted else close * (1 + (self.parts - 1) * (days < self.split))
        table = pd.DataFrame({"o": close - 5, "h": close + 9, "l": close - 9, "c": close, "v": 1000 + n}, index=days)
        table.loc[table.index == pd.Timestamp("2023-05-31"), ["o", "h", "l", "v"]] = 0  # halted before the split
        return table


def reader(market: Market, monkeypatch) -> types.ModuleType:
    """FinanceDataReader: prints and returns an empty frame for an unknown code; Change is a fraction."""

    def DataReader(symbol, start=None, end=None, exchange=None, data_source=None):  # noqa: N802
        market.asks.append((symbol, start, end))
        if symbol not in ("005930", "KS11"):
            print(f'"{symbol}" invalid symbol or has no data')
            return pd.DataFrame()
        table = market.table(start, end).set_axis(["Open", "High", "Low", "Close", "Volume"], axis=1)
        return table.assign(Change=table["Close"].pct_change())

    module = types.ModuleType("FinanceDataReader")
    module.DataReader = DataReader
    monkeypatch.setitem(sys.modules, "FinanceDataReader", module)
    return module


def krx(market: Market, monkeypatch, login=True) -> types.ModuleType:
    """pykrx: Naver if adjusted, else KRX, which prints and returns nothing without login; 등락률 is in percent."""

    def get_market_ohlcv(fromdate, todate, ticker, freq="d", adjusted=True, name_display=False):
        market.asks.append((ticker, fromdate, todate, adjusted, os.environ.get("KRX_ID")))
        known = (os.environ.get("KRX_ID"), os.environ.get("KRX_PW")) == (ID, PASSWORD)
        if os.environ.get("KRX_ID"):
            print(f"KRX 로그인 시도...\n  로그인 ID: {os.environ['KRX_ID']}")
        if not adjusted and not (login and known):
            print("KRX 로그인 실패: 자격 증명을 확인하세요.")
            print("Error occurred in get_market_ohlcv_by_date: Expecting value: line 1 column 1 (char 0)")
            return pd.DataFrame()
        table = market.table(fromdate, todate, adjusted).rename_axis("날짜")
        table = table.set_axis(["시가", "고가", "저가", "종가", "거래량"], axis=1)
        table = table.astype("int64" if adjusted else "int32")
        if not adjusted:
            table["거래대금"] = (table["종가"].astype("int64") * table["거래량"])
        return table.assign(등락률=0.5)

    package, stock = types.ModuleType("pykrx"), types.ModuleType("pykrx.stock")
    package.stock, stock.get_market_ohlcv = stock, get_market_ohlcv
    monkeypatch.setitem(sys.modules, "pykrx", package)
    monkeypatch.setitem(sys.modules, "pykrx.stock", stock)
    return stock


def yahoo(market: Market, monkeypatch, failure="") -> types.ModuleType:
    """yfinance: end exclusive, (field, ticker) columns, failures only logged."""

    def download(tickers, start=None, end=None, actions=False, threads=True, group_by="column", auto_adjust=True,
                 progress=True, multi_level_index=True):  # fmt: skip
        market.asks.append((tickers, start, end, auto_adjust))
        fields = ["Open", "High", "Low", "Close", "Volume"]
        if failure or not tickers.endswith((".KS", ".KQ")):
            said = failure or "YFPricesMissingError('possibly delisted; no price data found')"
            logging.getLogger("yfinance").error("\n1 Failed download:\n['%s']: %s", tickers, said)
            return pd.DataFrame(columns=pd.MultiIndex.from_product([fields, [tickers]]), index=pd.DatetimeIndex([]))
        table = market.table(start, pd.Timestamp(end) - pd.Timedelta(days=1)).set_axis(fields, axis=1).astype(float)
        if not auto_adjust:
            table.insert(4, "Adj Close", table["Close"] * 0.9)
        table.columns = pd.MultiIndex.from_product([table.columns, [tickers]], names=["Price", "Ticker"])
        return table

    module = types.ModuleType("yfinance")
    module.download = download
    monkeypatch.setitem(sys.modules, "yfinance", module)
    return module


FAKES = {"fdr": reader, "pykrx": krx, "yfinance": yahoo}


def collect(source, clock=None, **options):
    asked = {"codes": "005930", "start": "2023-01-01"} | options
    return collecting.collect(source, "mine", asked, clock or FakeClock())


# --- what comes out


@pytest.mark.parametrize("source", FAKES)
def test_every_package_gives_the_same_prices_whole_and_halts_without_open(source, monkeypatch):
    market = Market()
    FAKES[source](market, monkeypatch)
    clock = FakeClock()
    collection = collect(source, clock)
    table = collection.part("005930")
    assert list(table.columns) == ["time", "series", "open", "high", "low", "close", "volume", "value"]
    assert table["time"].iloc[[0, -1]].dt.strftime("%Y-%m-%d").tolist() == ["2023-01-02", "2026-01-14"]  # yesterday
    day = table.set_index("time").loc["2023-01-03"]
    assert day.tolist() == ["005930", 17285, 17299, 17281, 17290, 1729, pytest.approx(float("nan"), nan_ok=True)]
    halt = table.set_index("time").loc["2023-05-31"]
    assert halt[["open", "high", "low"]].isna().all() and halt["close"] == 18770 and halt["volume"] == 0
    assert collection.parts["005930"]["notes"] == {"days without open, high and low (halted)": 1}
    assert collection.manifest["unit"] == "KRW" and collection.views == ["price", "volume"]
    assert clock.slept == [1.0]
    assert data.load("mine-price").header.transform == "log"


@pytest.mark.parametrize("source", FAKES)
def test_twice_on_one_day_asks_and_changes_nothing_and_on_the_next_all_is_fetched_whole(source, monkeypatch):
    market = Market()
    FAKES[source](market, monkeypatch)
    collect(source)
    before, asked = snapshot("mine"), len(market.asks)
    collect(source)
    assert snapshot("mine") == before and len(market.asks) == asked == 1
    collection = collect(source, FakeClock("2026-01-16 09:00:00"), end="2026-01-14")
    assert len(market.asks) == 2 and market.asks[-1][1].replace("-", "") == "20230101"  # from the start, never glued
    assert len(collection.raw.units()) == 1  # answers of the older base are forgotten
    assert "base 2026-01-16" in collection.parts["005930"]["made_of"]


def test_an_index_is_in_points_and_does_not_mix_with_stocks(monkeypatch):
    reader(Market(), monkeypatch)
    assert collect("fdr", codes="KS11").manifest["unit"] == "index points"
    before = snapshot("mine")
    with pytest.raises(DataError, match="mine is in index points, these prices are in KRW: choose another name"):
        collect("fdr", codes="005930")
    assert snapshot("mine") == before
    with pytest.raises(DataError, match="KS11 are in points"):
        collect("fdr", codes="KS11,005930")
    with pytest.raises(DataError, match="'AAPL' is no code of a Korean stock"):
        collect("fdr", codes="AAPL")


def test_a_span_cut_by_naver_is_noticed(monkeypatch):
    reader(Market(first="2001-08-01"), monkeypatch)
    notes = collect("fdr", start="1995-01-01").parts["005930"]["notes"]
    assert notes["spans that may be cut at the newest 6,000 rows"] == 1
    reader(Market(first="2021-01-04"), monkeypatch)  # listed late: nothing is cut
    assert len(collecting.collect("fdr", "other", {"codes": "005930", "start": "1995-01-01"}, FakeClock()).parts
               ["005930"]["notes"]) == 1  # fmt: skip


@pytest.mark.parametrize("source", FAKES)
def test_an_answer_that_ends_early_is_noticed(source, monkeypatch):
    FAKES[source](Market(last="2025-12-01"), monkeypatch)
    assert collect(source).parts["005930"]["notes"]["spans that end early: delisted, or an answer that was cut?"] == 1


def test_adjusted_and_as_traded_do_not_meet_in_one_collection(account, monkeypatch):
    krx(Market(), monkeypatch)
    yahoo(Market(), monkeypatch)
    for source, name in [("pykrx", "a"), ("yfinance", "b")]:
        asked = {"codes": "005930", "start": "2025-01-01"}
        collecting.collect(source, name, asked, FakeClock())
        with pytest.raises(DataError, match="made with adjusted=True, not False"):
            collecting.collect(source, name, asked | {"adjusted": "false"}, FakeClock())


def test_yahoo_gets_the_market_and_the_day_after_the_end(monkeypatch):
    market = Market()
    yahoo(market, monkeypatch)
    collect("yfinance", end="2023-02-28", adjusted="false")
    assert market.asks == [("005930.KS", "2023-01-01", "2023-03-01", False)]
    collecting.collect("yfinance", "kosdaq", {"codes": "035720", "start": "2023-01-01", "suffix": ".KQ"}, FakeClock())
    assert market.asks[-1][0] == "035720.KQ"


# --- as traded


def test_prices_as_traded_need_an_account_carry_value_and_show_the_split(monkeypatch):
    krx(Market(), monkeypatch)
    with pytest.raises(DataError, match="KRX_ID.*data.krx.co.kr"):
        collect("pykrx", adjusted="false")
    monkeypatch.setenv("KRX_ID", ID)
    monkeypatch.setenv("KRX_PW", PASSWORD)
    collection = collect("pykrx", adjusted="false")
    day = collection.part("005930").set_index("time").loc["2023-01-03"]
    assert (day["close"], day["volume"], day["value"]) == (5 * 17290, 1729, 5 * 17290 * 1729)
    assert collection.parts["005930"]["notes"]["closes beyond the daily limit (not adjusted?)"] == 1
    assert collection.views == ["price", "volume", "value"]


def test_only_new_years_are_asked_for_again(account, monkeypatch):
    market = Market(last="2027-12-31")
    krx(market, monkeypatch)
    collect("pykrx", adjusted="false")
    assert [ask[1] for ask in market.asks] == ["20230101", "20240101", "20250101", "20260101"]
    collection = collect("pykrx", FakeClock("2026-01-20 10:00:00"), adjusted="false")
    assert [ask[1:3] for ask in market.asks[4:]] == [("20260101", "20260119")]
    assert collection.part("005930")["time"].max() == pd.Timestamp("2026-01-19")
    assert collection.raw.units() == [f"005930 as traded, {year}" for year in (2023, 2024, 2025)]


def test_years_before_the_listing_are_empty_but_a_gap_is_a_failure(account, monkeypatch):
    market = Market(first="2024-03-04")
    stock = krx(market, monkeypatch)
    collection = collect("pykrx", adjusted="false")
    assert collection.part("005930")["time"].min() == pd.Timestamp("2024-03-04")
    assert collection.raw.units() == [f"005930 as traded, {year}" for year in (2024, 2025)]  # an empty year may be lost
    before, good = snapshot("mine"), stock.get_market_ohlcv
    stock.get_market_ohlcv = lambda first, *rest, **more: (
        pd.DataFrame() if first == "20260101" else good(first, *rest, **more))  # fmt: skip
    with pytest.raises(DataError, match="no row from 2026-01-01 to 2026-02-01, though there are some before.*delisted"):
        collect("pykrx", FakeClock("2026-02-02 10:00:00"), adjusted="false")
    assert snapshot("mine") == before


def test_volumes_that_overflowed_are_missing(account, monkeypatch):
    stock = krx(Market(), monkeypatch)
    good = stock.get_market_ohlcv

    def overflowing(*args, **options):
        table = good(*args, **options)
        table.iloc[0, 4] = -5
        return table

    stock.get_market_ohlcv = overflowing
    collection = collect("pykrx", start="2026-01-01", adjusted="false")
    assert collection.parts["005930"]["notes"] == {"volumes below zero": 1}
    assert pd.isna(collection.part("005930")["volume"].iloc[0])


# --- failures


def raising(kind: str, text: str = "boom"):
    def fail(*args, **options):
        raise type(kind, (Exception,), {})(text)

    return fail


@pytest.mark.parametrize("failure, said", [
    (lambda *a, **k: pd.DataFrame(), "returned no row.*Is the code right"),
    (lambda *a, **k: None, "returned no row"),
    (raising("KeyError", "None of [Index(['시가'"), "something else than data.*(source fdr .no login|--upgrade)"),
    (raising("JSONDecodeError", "Expecting value"), "something else than data"),
    (raising("ConnectionError", "cut"), "ConnectionError: cut.*run the same command again"),
    (raising("YFRateLimitError", "Too Many Requests"), "asks for a pause.*in an hour"),
    (lambda *a, **k: pd.DataFrame({"A": [1.0]}, index=pd.DatetimeIndex(["2023-01-02"])), "no column .*but A"),
    (lambda *a, **k: pd.DataFrame({"Open": [1], "High": 1, "Low": 1, "Close": 1, "Volume": 1, "시가": 1, "고가": 1,
                                   "저가": 1, "종가": 1, "거래량": 1}, index=["005930"]), "rows are not by day"),
])  # fmt: skip
@pytest.mark.parametrize("source, name", [("fdr", "DataReader"), ("pykrx", "get_market_ohlcv"),
                                          ("yfinance", "download")])  # fmt: skip
def test_silent_and_loud_failures_say_what_to_do_and_leave_the_store(source, name, failure, said, monkeypatch, capfd):
    module = FAKES[source](Market(), monkeypatch)
    collect(source)
    before = snapshot("mine")
    monkeypatch.setattr(module, name, failure)
    with pytest.raises(DataError, match=said):
        collect(source, FakeClock("2026-01-16 09:00:00"))
    assert snapshot("mine") == before
    assert capfd.readouterr() == ("", "")


def test_what_a_package_prints_or_logs_is_quoted_not_shown(monkeypatch, capfd, caplog):
    reader(Market(), monkeypatch)
    with pytest.raises(DataError, match='It said: "999990" invalid symbol'):
        collect("fdr", codes="999990")
    yahoo(Market(), monkeypatch)
    with pytest.raises(DataError, match="possibly delisted"):
        collect("yfinance", codes="NOPE")
    yahoo(Market(), monkeypatch, failure="YFRateLimitError('Too Many Requests. Rate limited. Try after a while.')")
    with pytest.raises(DataError, match="Yahoo asks for a pause"):
        collect("yfinance")
    assert capfd.readouterr() == ("", "") and not caplog.records
    assert logging.getLogger("yfinance").propagate and not logging.getLogger("yfinance").handlers


def test_a_missing_package_says_what_to_type_and_others_are_not_imported(monkeypatch):
    for name in ("FinanceDataReader", "pykrx", "pykrx.stock", "yfinance"):
        monkeypatch.setitem(sys.modules, name, None)
    for source, words in {"fdr": "pip install finance-datareader", "pykrx": "--no-deps pykrx.*pandas<3",
                          "yfinance": "pip install yfinance"}.items():  # fmt: skip
        with pytest.raises(DataError, match=f"is not installed.*{words}"):
            collect(source)
    code = ("import sys; from litecast.collect.sources import price_libraries; "
            "print([name for name in ('FinanceDataReader', 'pykrx', 'yfinance', 'pandas') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("options, said", [
    ({"end": "2022-01-01"}, "before start"), ({"codes": ""}, "codes"), ({"start": "2030-01-01"}, "in the future"),
])  # fmt: skip
def test_odd_spans_are_refused(options, said, monkeypatch):
    reader(Market(), monkeypatch)
    with pytest.raises(DataError, match=said):
        collect("fdr", **options)


# --- keys


def test_an_account_is_not_used_for_adjusted_prices_and_shown_nowhere(account, monkeypatch, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    market = Market()
    krx(market, monkeypatch)
    collect("pykrx")
    assert [ask[-1] for ask in market.asks] == [None] and os.environ["KRX_ID"] == ID
    collecting.collect("pykrx", "traded", {"codes": "005930", "start": "2025-01-01", "adjusted": "false"}, FakeClock())
    assert market.asks[-1][-1] == ID
    krx(market, monkeypatch, login=False)
    with pytest.raises(DataError, match="KRX did not let you in") as caught:
        collecting.collect("pykrx", "no", {"codes": "005930", "start": "2025-01-01", "adjusted": "false"}, FakeClock())
    stock = sys.modules["pykrx.stock"]
    stock.get_market_ohlcv = raising("ValueError", f"login {ID}/{PASSWORD} refused")
    with pytest.raises(DataError, match="refused") as echoed:
        collecting.collect("pykrx", "no", {"codes": "005930", "start": "2025-01-01", "adjusted": "false"}, FakeClock())
    shown = [str(caught.value), str(echoed.value), caplog.text, *capfd.readouterr()]
    files = [path.read_bytes() for path in paths.data_dir().rglob("*") if path.is_file()]
    assert len(files) >= 6 and not any("SECRETKEY" in text for text in shown)
    assert not any(b"SECRETKEY" in content for content in files)


# --- killed in the middle


def test_killed_between_answer_and_part_goes_on_without_asking_again(account, monkeypatch):
    market = Market()
    stock = krx(market, monkeypatch)
    collect("pykrx", adjusted="false")
    whole = (paths.data_dir() / "store/mine/005930.parquet").read_bytes()
    good, calls = stock.get_market_ohlcv, []

    def killed(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return good(*args, **options)

    stock.get_market_ohlcv = killed
    asked = {"codes": "005930", "start": "2023-01-01", "adjusted": "false"}
    with pytest.raises(KeyboardInterrupt):
        collecting.collect("pykrx", "cut", asked, FakeClock())
    stock.get_market_ohlcv, market.asks = good, []
    collecting.collect("pykrx", "cut", asked, FakeClock())
    assert [ask[1] for ask in market.asks] == ["20250101", "20260101"]
    assert (paths.data_dir() / "store/cut/005930.parquet").read_bytes() == whole


SCRIPT = """
import os, signal, sys, types
import pandas as pd
from datetime import datetime
from litecast.collect import collecting

asked = []
def DataReader(symbol, start, end):
    asked.append(symbol)
    if len(asked) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    days = pd.bdate_range(start, end)
    close = range(100, 100 + len(days))
    return pd.DataFrame({name: close for name in ("Open", "High", "Low", "Close", "Volume")}, index=days)

class Clock(collecting.Clock):
    now = lambda self: datetime(2026, 1, 15)
    sleep = lambda self, seconds: None

sys.modules["FinanceDataReader"] = types.SimpleNamespace(DataReader=DataReader)
collecting.collect("fdr", "mine", {"codes": "000660,005380,005930", "start": "2025-01-01"}, Clock())
print(len(asked))
"""


def test_killed_for_good_and_collected_again_gives_the_same_bytes(tmp_path):
    def run(where: str, kill_at: int) -> subprocess.CompletedProcess:
        environment = os.environ | {"LITECAST_DATA": str(tmp_path / where)}
        return subprocess.run([sys.executable, "-c", SCRIPT, str(kill_at)], env=environment, capture_output=True,
                              text=True)  # fmt: skip

    assert run("never", 0).stdout == "3\n"
    assert run("killed", 2).returncode == -signal.SIGKILL
    assert run("killed", 0).stdout == "2\n"  # the first code is not asked for again
    never, killed = (sorted((tmp_path / where / "store/mine").glob("*.parquet")) for where in ("never", "killed"))
    assert [path.read_bytes() for path in never] == [path.read_bytes() for path in killed] and len(never) == 3


def test_kept_answers_are_the_numbers_of_the_package(monkeypatch):
    reader(Market(), monkeypatch)
    collection = collect("fdr")
    [unit] = collection.raw.units()
    [body] = collection.raw.pages(unit)
    kept = pd.read_csv(io.BytesIO(body))
    assert list(kept.columns) == ["time", "open", "high", "low", "close", "volume"] and kept["close"].iloc[1] == 17290
    assert collection.raw.requests(unit)[0].endswith(": 005930, 2023-01-01 to 2026-01-14")
    assert collection.parts["005930"]["request"]["code"] == "005930"
