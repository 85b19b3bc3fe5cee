"""Kiwoom OpenAPI+: the collector against a control that answers by events only, and its rows on the 64-bit side."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from fakes.kiwoom_ocx import COLUMNS, Ocx
from fakes.market import NAVER, SAMSUNG, Clock, Stock, made, truth, typed
from fakes.stored import closes, snapshot

from litecast import data, paths
from litecast.collect import collecting, prices
from litecast.collect.collectors import kiwoom_ocx, shared
from litecast.collect.collectors.kiwoom_ocx import Quota, Transport
from litecast.data import store
from litecast.errors import DataError

SPLIT = made(60, split=("2025-08-18", 5), halted=("2025-08-14",))
LONG = made(250, seed=1)
STOCKS = {"005930": LONG, "000660": SPLIT}


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))


def control(stocks=None, clock=None, **rules) -> Ocx:
    return Ocx(stocks or STOCKS, clock or Clock(), **{"page": 100} | rules)


def run(ocx: Ocx, *words: str, name: str = "my-stocks") -> int:
    words = words if any(word.startswith("codes=") for word in words) else ("codes=005930,000660", *words)
    return kiwoom_ocx.main([name, *words], lambda: Transport(ocx, ocx.pump, ocx.clock))


def rows(name="my-stocks", code="005930", **options):
    return collecting.collect("kiwoom-ocx", name, options, Clock()).part(code)


# --- golden rows


def test_naver_as_traded_says_what_cybos_says():
    assert run(control({"035420": NAVER}), "codes=035420", "adjusted=0") == 0
    table = rows(code="035420", adjusted=False)
    assert table.drop(columns=["time", "series"]).to_numpy().tolist() == [
        [43500, 43800, 40650, 41700, 692165, 28_952_000_000],
        [348000, 352000, 344000, 348000, 677226, 236_323_000_000],
    ]
    page = store.Collection("my-stocks").raw.pages("kiwoom-ocx 035420 raw since all base 20250909 open")[0]
    first = shared.read(page)[0]
    assert first["거래대금"].strip() == "236323" and first["거래대금"] != "236323"  # padded, as delivered


def test_samsung_and_the_requests_that_were_kept():
    run(control({"005930": SAMSUNG}), "codes=005930", "base=20250908")
    assert rows()["value"].tolist() == [804_642_000_000, 648_525_000_000]
    raw = store.Collection("my-stocks").raw
    (unit,) = raw.units()
    assert raw.requests(unit) == ["opt10081 종목코드=005930 기준일자=20250908 수정주가구분=1 next=0"]
    assert raw.time(unit).startswith("2025-09-09T10:00")


def test_the_tiny_example():
    days = typed("20220114 341000 342500 335500 342000 503520 170929000000",
                 "20220113 348000 352000 344000 348000 677226 236323000000")  # fmt: skip
    ocx, seen = control({"035420": Stock(days)}, page=1), []
    ocx.OnReceiveTrData.connect(lambda screen, name, tr, record, follows, *_: seen.append(
        (follows, ocx.dynamicCall("GetCommDataEx(QString, QString)", tr, "주식일봉차트조회"))))  # fmt: skip
    assert run(ocx, "codes=035420") == 0
    blank = [""] * 7
    assert seen == [
        ("2", [["035420", "342000", "503520", "170929", "20220114", "341000", "342500", "335500", *blank]]),
        ("0", [["035420", "348000", "677226", "236323", "20220113", "348000", "352000", "344000", *blank]]),
    ]
    assert closes(rows(code="035420")) == truth(Stock(days))


# --- rules of the interface


@pytest.mark.parametrize("rules", [{}, {"end": ""}, {"signed": True}, {"page": 600}, {"page": 250}, {"page": 249}])
def test_every_page_of_every_kind_is_read(rules):
    ocx = control(**rules)
    assert run(ocx, "codes=005930") == 0
    assert closes(rows()) == truth(LONG)
    inputs = {"종목코드": "005930", "기준일자": "20250909", "수정주가구분": "1"}
    assert ocx.requests == [inputs] * len(ocx.requests)  # set again for each page
    assert ocx.screens == {"0101"}


def test_data_is_there_only_while_its_event_is_handled():
    ocx = control()
    run(ocx, "codes=005930")
    assert ocx.dynamicCall("GetRepeatCnt(QString, QString)", "opt10081", "opt10081_1") == 0
    assert ocx.dynamicCall("GetCommData(QString, QString, int, QString)", "opt10081", "opt10081_1", 0, "일자") == ""
    assert len(COLUMNS) == 15


def test_inputs_are_used_up_by_a_request():
    ocx = control()
    ocx._connected = 1
    for name, value in {"종목코드": "005930", "기준일자": "20250908", "수정주가구분": "1"}.items():
        ocx.dynamicCall("SetInputValue(QString, QString)", name, value)
    ask = "CommRqData(QString, QString, int, QString)"
    assert ocx.dynamicCall(ask, "x", "opt10081", 0, "0101") == 0
    assert ocx.dynamicCall(ask, "x", "opt10081", 2, "0101") == -202
    assert ocx.dynamicCall(ask, "x", "opt10081", 0, "0000") == -201


def test_the_windows_are_kept_so_that_nothing_is_refused():
    ocx = control(page=5)
    assert run(ocx, "codes=005930") == 0
    times = ocx.times
    assert len(times) == 50
    for count, seconds in [(5, 18), (25, 90), (50, 180)]:
        assert all(later - first >= seconds for first, later in zip(times, times[count:], strict=False))
    assert times[4] < 1  # the first five at once, as it is allowed


def test_a_refusal_waits_for_each_window_in_turn():
    ocx = control()
    for _ in range(2):
        ocx.fault("-200", after=1)
    assert run(ocx, "codes=005930", "windows=5/18,25/90") == 0
    assert closes(rows()) == truth(LONG)
    gaps = [later - first for first, later in zip(ocx.times, ocx.times[1:], strict=False)]
    assert gaps[1] == pytest.approx(18, abs=0.2) and gaps[2] == pytest.approx(90, abs=0.2)
    assert all(len(inputs) == 3 for inputs in ocx.requests)  # set again after a refusal too


def test_refused_to_the_end_it_says_so(capsys):
    ocx = control(a_second=0)
    assert run(ocx, "codes=005930", "windows=5/18,25/90") == 1
    said = capsys.readouterr().err
    assert "too many requests (code -200)" in said and "windows" in said and len(ocx.requests) == 3
    assert "waiting 90 s" in said and "waiting 18 s" not in said  # nobody wonders what it waits for


def test_without_windows_of_its_own_the_sixth_in_a_second_is_refused():
    ocx = control(page=10)
    assert run(ocx, "codes=005930", "windows=100/2") == 0  # refused, waited for, and got
    assert len(ocx.requests) > 25 and closes(rows()) == truth(LONG)


def test_quota_counts_what_was_sent():
    clock = Clock()
    quota = Quota([(2, 10.0), (3, 60.0)], clock)
    waits = []
    for _ in range(4):
        waits.append(quota.wait())
        clock.sleep(waits[-1])
        quota.sent()
    assert waits == pytest.approx([0, 0, 10.1, 50])  # a tenth of a second later than just allowed


# --- adjusted, as traded, new days


def test_adjusted_prices_of_a_new_day_are_fetched_whole():
    run(control(clock=Clock("2025-08-15T09:00:00")), "codes=000660")
    early = rows(code="000660")
    run(control(), "codes=000660")
    late = rows(code="000660")
    day = "2025-08-13"
    assert early.set_index("time").loc[day, "close"] == 5 * late.set_index("time").loc[day, "close"]
    assert early.set_index("time").loc[day, "value"] == late.set_index("time").loc[day, "value"]
    assert store.Collection("my-stocks").raw.units() == ["kiwoom-ocx 000660 adjusted since all base 20250909 open"]


def test_prices_as_traded_are_appended():
    run(control(clock=Clock("2025-08-15T09:00:00")), "codes=005930", "adjusted=0")
    ocx = control()
    run(ocx, "codes=005930", "adjusted=0")
    assert len(ocx.requests) == 1 and closes(rows(adjusted=False)) == truth(LONG)


def test_since_ends_the_pages():
    ocx = control()
    run(ocx, "codes=005930", "since=2025-08-01", "adjusted=0")
    assert len(ocx.requests) == 1 and rows(adjusted=False)["time"].min().date() == date(2025, 8, 1)
    assert store.Collection("my-stocks").parts["005930"]["notes"] == {}  # ended because it was asked to


def test_collecting_twice_asks_nothing_and_changes_nothing():
    run(control())
    rows()
    before, ocx = snapshot(), control()
    assert run(ocx) == 0 and ocx.requests == []
    rows()
    assert snapshot() == before


# --- login


def test_the_login_is_waited_for_and_its_failures_have_meanings(capsys):
    assert run(control(login=None), "login_s=60") == 1
    assert "nobody logged in within 60 s" in capsys.readouterr().err
    assert run(control(login=-101)) == 1
    assert "no connection to the server (code -101)" in capsys.readouterr().err
    assert run(control(login=-102)) == 1
    assert "version" in capsys.readouterr().err
    assert not (paths.data_dir() / "store").exists()


# --- what goes wrong


@pytest.mark.parametrize("kind, words", [
    ("silent", ["005930: no answer in 30 s", "window of OpenAPI+"]),
    ("empty", ["an empty page that promises more"]),
    ("repeat", ["a page was sent twice"]),
    ("blank", ["is no price"]),
    ("-203", ["no data (code -203)", "check the code"]),
    ("-205", ["could not be received (code -205)"]),
    ("-999", ["not in our list (code -999)"]),
    ("-105", ["a wrong argument (code -105)"]),
])  # fmt: skip
def test_a_stock_that_fails_is_said_and_the_next_one_collected(capsys, kind, words):
    ocx = control()
    ocx.fault(kind, after=1)
    assert run(ocx) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert set(collecting.collect("kiwoom-ocx", "my-stocks", {}).parts) == {"000660"}
    again = control()
    assert run(again) == 0 and {asked["종목코드"] for asked in again.requests} == {"005930"}
    assert closes(rows()) == truth(LONG)


@pytest.mark.parametrize("kind, at, days, note", [
    ("short", 1, 247, "short pages amid others: are days missing?"),
    ("empty", 2, 200, "empty last pages: is the first day right?"),
])  # fmt: skip
def test_pages_that_lost_rows_are_noticed(kind, at, days, note):
    ocx = control()
    ocx.fault(kind, after=at)
    assert run(ocx, "codes=005930") == 0 and len(rows()) == days
    assert store.Collection("my-stocks").parts["005930"]["notes"] == {note: 1}


def test_a_late_answer_is_not_taken_for_another_stock():
    ocx = control(page=600)
    ocx.fault("late")  # the first stock times out, and its rows come while the second one is waited for
    assert run(ocx) == 1
    assert set(collecting.collect("kiwoom-ocx", "my-stocks", {}).parts) == {"000660"}
    assert len(rows(code="000660")) == 60
    assert run(control()) == 0 and closes(rows()) == truth(LONG)


@pytest.mark.parametrize("kind", ["-106", "-101", "dropped"])
def test_a_lost_connection_ends_it_and_the_next_call_goes_on(capsys, kind):
    ocx = control()
    ocx.fault(kind, after=1)
    assert run(ocx) == 1
    said = capsys.readouterr().err
    assert "log in again" in said and "stay kept" in said
    assert len(ocx.requests) == 2  # the other stock is not even asked for
    assert not (paths.data_dir() / "store").exists()
    assert run(control()) == 0 and closes(rows()) == truth(LONG)


def test_a_code_nobody_knows_has_no_row(capsys):
    assert run(control(), "codes=999999,000660") == 1
    assert "999999: no row up to 2025-09-09" in capsys.readouterr().err
    assert set(collecting.collect("kiwoom-ocx", "my-stocks", {}).parts) == {"000660"}


def test_an_error_inside_a_handler_does_not_leave_it(capsys):
    ocx = control()
    ocx._GetRepeatCnt = lambda tr, name: 1 / 0
    assert run(ocx, "codes=005930") == 1
    assert "could not be read (division by zero)" in capsys.readouterr().err


@pytest.mark.parametrize("words, said", [
    (["windows=5/0"], "windows=5/0"), (["windows=5"], "windows=5"), (["screen=0000"], "screen=0000"),
    (["screen=101"], "screen=101"), (["timeout=5"], "did you mean timeout_s"), (["timeout_s=0"], "timeout_s=0"),
    (["codes=A005930"], "no leading A"), (["codes=00593a"], "capital letters"),
])  # fmt: skip
def test_settings_that_are_not_right_are_said(capsys, words, said):
    ocx = control()
    assert run(ocx, *words) == 1
    assert said in capsys.readouterr().err and ocx.requests == []


def test_another_python_is_told_what_to_do(capsys):
    assert kiwoom_ocx.main(["my-stocks", "codes=005930"]) == 1
    said = capsys.readouterr().err
    assert "needs 32-bit Python on Windows" in said and "collectors.kiwoom_ocx" in said


def test_two_brokers_do_not_mix_in_one_collection():
    run(control())
    rows()
    with pytest.raises(DataError, match="comes from kiwoom-ocx"):
        collecting.collect("cybos", "my-stocks", {})


def test_padded_and_signed_rows_are_read_as_the_layout_says():
    cells = {"현재가": " -342000 ", "거래량": "503520", "거래대금": "170929", "일자": "20220114", "시가": "+341000",
             "고가": "342500", "저가": "-335500"}  # fmt: skip
    row = dict.fromkeys(COLUMNS, "") | cells
    found, _ = prices.rows([row], prices.LAYOUTS["kiwoom-ocx"], "035420")
    assert found == [prices.Row(date(2022, 1, 14), 341000, 342500, 335500, 342000, 503520, 170_929_000_000)]


def test_the_views_are_datasets():
    run(control())
    rows()
    assert "opt10081" in data.load("my-stocks-price").header.source


# --- killed

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from fakes.kiwoom_ocx import Ocx
from fakes.market import Clock, made
from litecast.collect.collectors import kiwoom_ocx
ocx = Ocx({"005930": made(250, seed=1), "000660": made(60, split=("2025-08-18", 5), halted=("2025-08-14",))},
          Clock(), page=100)
ocx.fault("kill", after=2)
kiwoom_ocx.main(["my-stocks", "codes=000660,005930"], lambda: kiwoom_ocx.Transport(ocx, ocx.pump, ocx.clock))
"""


def test_killed_in_a_chain_and_run_again_gives_the_same_bytes():
    child = subprocess.run([sys.executable, "-c", CHILD, str(Path(__file__).parent)], env=dict(os.environ))
    assert child.returncode == -signal.SIGKILL
    assert [unit.split()[1] for unit in store.Collection("my-stocks").raw.units()] == ["000660"]
    again = control()
    assert run(again, "codes=000660,005930") == 0
    assert [asked["종목코드"] for asked in again.requests] == ["005930"] * 3
    run(control(), "codes=000660,005930", name="whole")
    killed, whole = (collecting.collect("kiwoom-ocx", name, {}, Clock()) for name in ("my-stocks", "whole"))
    for code in ("000660", "005930"):
        assert (killed.folder / f"{code}.parquet").read_bytes() == (whole.folder / f"{code}.parquet").read_bytes()
