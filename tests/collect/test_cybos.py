"""Cybos Plus: the collector against COM objects that keep the rules, and its rows read on the 64-bit side."""

import os
import signal
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from fakes.cybos_com import NAMES, Cybos
from fakes.market import NAVER, SAMSUNG, Clock, Stock, made, truth, typed
from fakes.stored import closes, snapshot

from litecast import data, paths
from litecast.collect import collecting, prices
from litecast.collect.collectors import cybos, shared
from litecast.data import store
from litecast.errors import DataError

SPLIT = made(60, split=("2025-08-18", 5), halted=("2025-08-14",))
LONG = made(250, seed=1)
STOCKS = {"005930": LONG, "000660": SPLIT}


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))


def run(program: Cybos, *words: str, name: str = "my-stocks") -> int:
    words = words if any(word.startswith("codes=") for word in words) else ("codes=005930,000660", *words)
    return cybos.main([name, *words], program.dispatch, program.clock)


def rows(name="my-stocks", code="005930", **options):
    return collecting.collect("cybos", name, options, Clock()).part(code)


def program(stocks=None, clock=None, **rules) -> Cybos:
    return Cybos(stocks or STOCKS, clock or Clock(), **{"block": 100} | rules)


# --- golden rows and rules of the interface


def test_naver_adjusted_as_cybos_delivers_it():
    assert run(program({"035420": NAVER}), "codes=035420") == 0
    table = rows(code="035420")
    assert table[["open", "high", "low", "close", "volume", "value"]].to_numpy().tolist() == [
        [2283, 2298, 2133, 2188, 13190221, 28_952_000_000],  # as traded: 41700, 692165 shares, the same value
        [348000, 352000, 344000, 348000, 677226, 236_323_000_000],
    ]
    kept = store.Collection("my-stocks").raw.pages("cybos 035420 adjusted since all base 20250909 open")
    assert [row[8] for row in shared.read(kept[0])] == [677226, 13190221]
    assert [row[19] for row in shared.read(kept[0])] == [100.0, 5.24]


def test_a_value_is_found_by_the_position_of_its_field_among_the_sorted_ones():
    chart = program({"035420": NAVER}).dispatch("CpSysDib.StockChart")
    for key, value in {0: "A035420", 1: ord("1"), 2: 0, 3: 10101, 5: [5, 0, 8], 6: ord("D"), 9: ord("1")}.items():
        chart.SetInputValue(key, value)
    assert (chart.BlockRequest(), chart.GetDibStatus(), chart.GetHeaderValue(3)) == (0, 0, 2)
    assert chart.GetHeaderValue(2) == ("날짜", "종가", "거래량")
    assert [chart.GetDataValue(at, 0) for at in range(3)] == [20220113, 348000, 677226]


def test_the_tiny_example_newest_first():
    stock = program({"035420": Stock(typed("20220114 341000 342500 335500 342000 504250 171179000000"))})
    chart = stock.dispatch("CpSysDib.StockChart")
    fields = [0, 2, 3, 4, 5, 8, 9, 18, 19]
    for key, value in {0: "A035420", 1: ord("1"), 3: 10101, 5: fields, 6: ord("D"), 9: ord("1")}.items():
        chart.SetInputValue(key, value)
    chart.BlockRequest()
    row = [chart.GetDataValue(at, 0) for at in range(9)]
    assert row == [20220114, 341000, 342500, 335500, 342000, 504250, 171179000000, 20220114, 100.0]
    delivered = dict(zip(fields, row, strict=True))
    found, _ = prices.rows([delivered], prices.LAYOUTS["cybos"], "035420")
    assert found == [prices.Row(date(2022, 1, 14), 341000, 342500, 335500, 342000, 504250, 171_179_000_000)]


@pytest.mark.parametrize("key, value", [(1, "1"), (6, "D"), (9, "1"), (6, 0), (0, 5930), (2, "20250908"), (10, 53)])
def test_the_fake_refuses_what_com_would(key, value):
    with pytest.raises(TypeError):
        program().dispatch("CpSysDib.StockChart").SetInputValue(key, value)


def test_big_listings_count_shares_in_thousands():
    fake = program({"005930": SAMSUNG}, big=("A005930",))
    assert fake.dispatch("CpUtil.CpCodeMgr").IsBigListingStock("A005930") == 1
    chart = fake.dispatch("CpSysDib.StockChart")
    for key, value in {0: "A005930", 1: ord("1"), 5: [0, 12], 6: ord("D")}.items():
        chart.SetInputValue(key, value)
    chart.BlockRequest()
    assert [chart.GetDataValue(at, 0) for at in range(2)] == [20250908, 5_969_782]


def test_what_is_asked_for():
    fake = program()
    run(fake, "codes=005930", "since=20250102", "adjusted=0", "base=2025-09-05", "hours=3")
    asked = {0: "A005930", 1: ord("1"), 2: 20250905, 3: 20250102, 5: [0, 2, 3, 4, 5, 8, 9, 18, 19], 6: ord("D"),
             9: ord("0"), 10: ord("3")}  # fmt: skip
    assert fake.requests == [asked] * len(fake.requests) and len(fake.requests) == 2
    table = rows(adjusted=False)
    assert (str(table["time"].min().date()), str(table["time"].max().date())) == ("2025-01-02", "2025-09-05")


def test_an_index_has_a_code_and_fields_of_its_own():
    fake = program({"U001": SAMSUNG})
    assert run(fake, "codes=U001") == 0
    assert fake.requests[0][0] == "U001" and fake.requests[0][5] == [0, 2, 3, 4, 5, 8, 9]
    assert len(rows(code="U001")) == 2
    assert data.load("my-stocks-price").header.unit == "index points"


def test_one_collection_has_one_unit_one_meaning_and_one_source(capsys):
    run(program({"U001": SAMSUNG}), "codes=U001")
    before = snapshot()
    fake = program()
    assert "an index is in points" in failed(capsys, fake, "codes=005930")
    assert "was collected with hours=1, not 3" in failed(capsys, fake, "codes=U001", "hours=3")
    store.Collection("rest").raw.keep("kiwoom 005930 raw since all base 20250908", [("asked", "now", b"[]")])
    assert cybos.main(["rest", "codes=005930"], fake.dispatch, fake.clock) == 1
    assert "comes from kiwoom, not from cybos" in capsys.readouterr().err
    assert cybos.main(["samsung", "codes=005930"], fake.dispatch, fake.clock) == 1
    assert "name of a public dataset" in capsys.readouterr().err
    assert fake.requests == [] and snapshot() == before


def test_a_code_given_twice_is_asked_for_once(capsys):
    fake = program()
    assert run(fake, "codes=000660,000660") == 0
    assert len(fake.requests) == 2 and "1 of 1 stocks" in capsys.readouterr().out


# --- paging


@pytest.mark.parametrize("words, rules", [
    ([], {}), (["paging=dates"], {}), (["paging=dates"], {"no_continue": True}), (["paging=count"], {}),
    (["paging=count"], {"sticky": True}), (["paging=count", "count=250"], {"sticky": True}), ([], {"block": 2499}),
    ([], {"block": 50}), (["paging=dates"], {"block": 7}),
])  # fmt: skip
def test_every_way_of_paging_brings_every_day(words, rules):
    assert run(program(**rules), "codes=005930", *words) == 0
    assert closes(rows()) == truth(LONG)


def test_a_count_is_how_much_is_asked_for_at_once_and_no_end():
    fake = program(sticky=True)
    run(fake, "codes=005930", "paging=count", "count=200")
    assert closes(rows()) == truth(LONG)  # 250 days: "since all" is what it says
    assert [asked[2] for asked in fake.requests[:3]] == [20250909, 20250909, int(f"{LONG.days[50][0]:%Y%m%d}")]


@pytest.mark.parametrize("paging", ["continue", "count"])
def test_where_continue_is_not_available_days_are_asked_for_by_date(paging):
    """As the official page has it. The first block alone would look like a stock listed a hundred days ago."""
    fake = program(no_continue=True)
    assert run(fake, "codes=005930", f"paging={paging}") == 0
    assert closes(rows()) == truth(LONG)


class Relative(Cybos):
    """As if Cybos adjusted for what lies before the newest day asked for only; nothing says that it does not."""

    def dispatch(self, progid):
        chart = super().dispatch(progid)
        if progid == "CpSysDib.StockChart":
            plain = chart._asked
            chart._asked = lambda: self._asked_by_base(chart, plain)
        return chart

    def _asked_by_base(self, chart, plain):
        base = prices.day(chart._inputs[2], "x")
        self.stocks = {code: Stock(stock.rows(base, True)[::-1]) for code, stock in STOCKS.items()}
        return plain()


def test_blocks_of_the_dates_way_must_agree_where_they_meet(capsys):
    fake = Relative(STOCKS, Clock(), block=20)
    assert run(fake, "codes=000660", "paging=dates") == 1
    assert "000660, 2025-08-1" in (said := capsys.readouterr().err) and "given twice with different numbers" in said
    assert not (paths.data_dir() / "store").exists()  # glued prices are not kept
    assert run(Relative(STOCKS, Clock(), block=20), "codes=000660", "paging=continue") == 0
    assert len(rows(code="000660")) == 60


@pytest.mark.parametrize("kind", ["empty", "repeat"])
@pytest.mark.parametrize("paging", ["continue", "count"])
def test_after_an_empty_or_repeated_block_the_rest_is_asked_for_by_date(kind, paging):
    fake = program()
    fake.fault(kind, after=1)
    assert run(fake, "codes=005930", f"paging={paging}") == 0
    assert closes(rows()) == truth(LONG)


def test_a_block_that_lost_rows_is_noticed():
    fake = program(block=50)
    fake.fault("short", after=2)
    assert run(fake, "codes=005930") == 0 and len(rows()) == 247
    assert store.Collection("my-stocks").parts["005930"]["notes"] == {"short pages amid others: are days missing?": 1}


def test_numbers_that_com_gives_as_decimals_are_kept():
    fake = program({"005930": Stock([(day[0], *day[1:6], Decimal(day[6])) for day in SAMSUNG.days])})
    assert run(fake, "codes=005930") == 0
    assert closes(rows()) == truth(SAMSUNG)


def test_the_quota_is_waited_for_and_no_call_ever_hangs():
    fake = program(block=2)
    assert run(fake, "codes=005930") == 0
    assert len(fake.requests) == 126 and fake.blocked == 0  # 125 blocks, and one that finds nothing older
    assert fake.clock.passed == 30.0  # twice the window of 15 s
    hasty = program(block=2).dispatch("CpUtil.CpCybos")
    for _ in range(61):
        hasty.spend()
    assert hasty.blocked == 1  # what the collector avoids


# --- adjusted and as traded, new days


def test_adjusted_prices_of_a_new_day_are_fetched_whole():
    run(program(clock=Clock("2025-08-15T09:00:00")), "codes=000660")
    run(program(), "codes=000660")
    table, raw = rows(code="000660"), store.Collection("my-stocks").raw
    assert raw.units() == ["cybos 000660 adjusted since all base 20250909 open"]
    day = {row[0].isoformat(): row for row in SPLIT.days}["2025-08-13"]
    row = table.set_index("time").loc["2025-08-13"]
    assert (row["close"], row["volume"], row["value"]) == (day[4] // 5, day[5] * 5, day[6])
    assert store.Collection("my-stocks").parts["000660"]["notes"] == {"halted days (no open, high, low)": 1}


def test_the_newest_base_date_is_taken_and_of_one_base_date_the_longest_span():
    run(program(clock=Clock("2025-08-15T09:00:00")), "codes=000660")
    run(program(), "codes=000660", "since=2025-08-01")
    assert len(rows(code="000660")) == 27 and rows(code="000660")["time"].min().date() == date(2025, 8, 1)
    run(program(), "codes=000660", "since=2025-07-01")
    run(program(), "codes=000660", "since=2025-08-20")
    assert rows(code="000660")["time"].min().date() == date(2025, 7, 1)


def test_prices_as_traded_are_appended():
    run(program(clock=Clock("2025-08-15T09:00:00")), "codes=005930", "adjusted=0")
    early = rows(adjusted=False)
    fake = program()
    run(fake, "codes=005930", "adjusted=0")
    assert len(fake.requests) == 1 and fake.requests[0][3] == 20250814
    late = rows(adjusted=False)
    assert early.equals(late[: len(early)]) and closes(late) == truth(LONG)


def test_collecting_twice_asks_nothing_and_changes_nothing(capsys):
    run(program(), "codes=005930,000660")
    rows()
    before, fake = snapshot(), program()
    assert run(fake, "codes=005930,000660") == 0 and fake.requests == []
    assert "already here" in capsys.readouterr().out
    rows()
    assert snapshot() == before


def test_the_unit_of_the_value_is_a_setting():
    run(program({"005930": SAMSUNG}), "codes=005930")
    assert rows(value_krw=10_000)["value"].tolist() == [8046420000000000, 6485250000000000]
    with pytest.raises(DataError, match="value_krw"):
        rows(value_krw=1)  # one collection, one meaning


# --- what goes wrong


def failed(capsys, fake, *words, status=1):
    assert run(fake, *words) == status
    return capsys.readouterr().err


@pytest.mark.parametrize("kind, words", [
    ("failed", ["005930", "status error", "통신 오류"]), ("code1", ["005930", "could not be sent"]),
])  # fmt: skip
def test_a_stock_that_fails_is_said_and_the_next_one_collected(capsys, kind, words):
    fake = program()
    fake.fault(kind, after=1)
    said = failed(capsys, fake, "codes=005930,000660")
    assert all(word in said for word in words)
    assert set(collecting.collect("cybos", "my-stocks", {}).parts) == {"000660"}
    assert run(fake) == 0  # the same command again
    assert set(collecting.collect("cybos", "my-stocks", {}).parts) == {"000660", "005930"}


def test_a_lost_connection_ends_it_and_the_next_call_goes_on(capsys):
    said = failed(capsys, program(connected=False))
    assert "Cybos is not connected" in said and "administrator" in said
    assert not (paths.data_dir() / "store").exists()
    fake = program()
    fake.fault("lost", after=1)  # in the second block of the first stock: the others are not even asked for
    assert "not connected" in failed(capsys, fake)
    assert [asked[0] for asked in fake.requests] == ["A005930"] * 2
    assert run(program()) == 0 and closes(rows()) == truth(LONG)


class com_error(Exception):  # noqa: N801, N818 (so it is called in pywin32)
    pass


def test_an_error_of_com_itself_is_said_and_nothing_kept(capsys):
    fake = program()
    fake.fault("gone", after=1)
    fake.gone = com_error(-2147023174, "RPC 서버를 사용할 수 없습니다.")
    said = failed(capsys, fake)
    assert "Cybos does not answer" in said and "RPC" in said and len(fake.requests) == 1
    assert not (paths.data_dir() / "store").exists()


def test_ctrl_c_keeps_whole_stocks_and_says_what_to_do(capsys):
    clock = Clock(stop_at=1)  # the first pause for the quota: in the second stock
    assert run(program(clock=clock, block=4), "codes=000660,005930") == 130
    assert "run the same command again" in capsys.readouterr().err
    assert [unit.split()[1] for unit in store.Collection("my-stocks").raw.units()] == ["000660"]


def test_a_code_nobody_knows_has_no_row(capsys):
    said = failed(capsys, program(), "codes=999999,000660")
    assert "999999: no row up to 2025-09-09" in said
    assert set(collecting.collect("cybos", "my-stocks", {}).parts) == {"000660"}


def test_fields_in_another_order_are_refused(capsys):
    swapped = NAMES | {3: "저가", 4: "고가"}
    assert "Cybos delivers ['날짜', '시가', '저가', '고가'" in failed(capsys, program(names=swapped), "codes=005930")


@pytest.mark.parametrize("words, said", [
    (["codes=005930", "sinze=20200101"], "did you mean since"), (["codes="], "codes names nothing"),
    (["codes=005930", "since=yesterday"], "since=yesterday cannot be"), (["since=20200101"], "codes must be given"),
    (["codes=005930", "base=20250910"], "must not lie after today"), (["codes=005930", "paging=none"], "paging=none"),
    (["codes=005930", "adjusted=maybe"], "adjusted=maybe"), (["codes=005930", "05930"], "say: python -m"),
    (["codes=A005930"], "no leading A"), (["codes=u001"], "'u001' is none"), (["codes=5930"], "'5930' is none"),
    (["codes=005930 000660"], "several by commas"), (["codes=U001,005930"], "U001: an index is in points"),
    (["codes=005930", "count=0"], "count=0"),
])  # fmt: skip
def test_settings_that_are_not_right_are_said(capsys, words, said):
    fake = program()
    assert cybos.main(["my-stocks", *words], fake.dispatch, fake.clock) == 1
    assert said in capsys.readouterr().err and fake.requests == []


def test_help_names_every_setting(capsys):
    assert cybos.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert {"paging", "hours", "since"} < cybos.SETTINGS.keys() and all(f"  {name} " in said for name in cybos.SETTINGS)


def test_another_python_is_told_what_to_do(capsys):
    assert cybos.main(["my-stocks", "codes=005930"]) == 1
    said = capsys.readouterr().err
    assert "needs 32-bit Python on Windows" in said and "py -3.11-32 -m litecast.collect.collectors.cybos" in said


def test_without_the_collector_the_source_says_how_to_run_it():
    command = "py -3.11-32 -m litecast.collect.collectors.cybos my-stocks codes=005930,000660"
    with pytest.raises(DataError, match=command):
        rows()
    run(program(), "codes=005930")
    with pytest.raises(DataError, match="000660: the collector has written no such prices.*codes=000660"):
        rows(codes="005930,000660")
    with pytest.raises(DataError, match="no unadjusted prices of cybos yet.*adjusted=0"):
        rows(adjusted=False)
    with pytest.raises(DataError, match="no adjusted prices of kiwoom-ocx yet.*collectors.kiwoom_ocx"):
        collecting.collect("kiwoom-ocx", "my-stocks", {})
    assert list(snapshot()) == ["raw.sqlite"]


def test_the_views_are_datasets():
    run(program())
    rows()
    frame = data.load("my-stocks-value")
    assert frame.header.unit == "KRW" and "StockChart" in frame.header.source


# --- killed

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from fakes.cybos_com import Cybos
from fakes.market import Clock, made
from litecast.collect.collectors import cybos
fake = Cybos({"005930": made(250, seed=1), "000660": made(60, split=("2025-08-18", 5), halted=("2025-08-14",))},
             Clock(), block=100)
fake.fault("kill", after=2)
cybos.main(["my-stocks", "codes=000660,005930"], fake.dispatch, fake.clock)
"""


def test_killed_in_a_chain_and_run_again_gives_the_same_bytes():
    child = subprocess.run([sys.executable, "-c", CHILD, str(Path(__file__).parent)], env=dict(os.environ))
    assert child.returncode == -signal.SIGKILL
    raw = store.Collection("my-stocks").raw
    assert [unit.split()[1] for unit in raw.units()] == ["000660"]  # of the other one block was there: nothing is kept
    again = program()
    assert run(again, "codes=000660,005930") == 0
    assert {asked[0] for asked in again.requests} == {"A005930"} and len(again.requests) == 4
    run(program(), "codes=000660,005930", name="whole")
    killed, whole = (collecting.collect("cybos", name, {}, Clock()) for name in ("my-stocks", "whole"))
    for code in ("000660", "005930"):
        assert (killed.folder / f"{code}.parquet").read_bytes() == (whole.folder / f"{code}.parquet").read_bytes()
