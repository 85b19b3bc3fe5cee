"""Kiwoom REST against a server that keeps its rules: tokens, pages bound to them, errors inside HTTP 200."""

import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from fakes import kiwoom_rest, market
from fakes.kiwoom_rest import APPKEY, SECRETKEY, KiwoomRest
from fakes.loopback import Loopback
from fakes.market import NAVER, SAMSUNG, Clock, made

from litecast import data, paths
from litecast.collect import collecting
from litecast.errors import DataError

SPLIT = made(60, split=("2025-08-18", 5), halted=("2025-08-14", "2025-08-15"))
LONG = made(150, seed=1)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KIWOOM_APPKEY", APPKEY)
    monkeypatch.setenv("KIWOOM_SECRETKEY", SECRETKEY)


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def serve(server):
    """serve(stocks) -> the fake, and `fake.collect(**options)` that asks it."""

    def start(stocks=None, clock=None, page=60, **rules):
        clock, stocks = clock or Clock(), stocks or {"005930": LONG, "000660": SPLIT}
        fake = KiwoomRest(server, stocks, clock, page=page, **rules)

        def collect(name="my-stocks", **options):
            asked = {"codes": "005930", "url": server.url, "timeout_s": "0.3"} | options
            return collecting.collect("kiwoom", name, asked, fake.clock)

        fake.collect = collect
        return fake

    return start


def snapshot(folder: Path) -> dict:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.glob("*"))}


def store() -> Path:
    return paths.data_dir() / "store" / "my-stocks"


def parquet(name="005930") -> bytes:
    return (store() / f"{name}.parquet").read_bytes()


def close(table: pd.DataFrame, day: str) -> float:
    return table.set_index("time").loc[day, "close"]


# --- golden rows


def test_official_rows_of_samsung(serve):
    table = serve({"005930": SAMSUNG}).collect().part("005930")
    assert table.astype({"time": str}).to_numpy().tolist() == [
        ["2025-09-05", "005930", 70300.0, 70400.0, 69500.0, 69500.0, 11526724.0, 804_642_000_000.0],
        ["2025-09-08", "005930", 69800.0, 70500.0, 69600.0, 70100.0, 9263135.0, 648_525_000_000.0],
    ]


def test_naver_as_traded(serve):
    table = serve({"035420": NAVER}).collect(codes="035420", adjusted="false").part("035420")
    assert table["close"].tolist() == [41700, 348000] and table["volume"].tolist() == [692165, 677226]
    assert table["value"].tolist() == [28_952_000_000, 236_323_000_000]  # in KRW: as Cybos says


def test_pages_are_walked_with_one_body_and_every_day_is_there(serve, server):
    fake = serve()
    table = fake.collect().part("005930")
    assert [(row[0], *row[4:]) for row in LONG.days] == [
        (row.time.date(), row.close, row.volume, row.value) for row in table.itertuples()
    ]
    assert len(fake.charts) == 3 and all(sent == fake.charts[0] for sent in fake.charts)
    assert fake.charts[0] == {"stk_cd": "005930", "base_dt": "20250909", "upd_stkpc_tp": "1"}
    asked = [request for request in server.requests if request.path == "/api/dostk/chart"]
    assert [request.headers.get("cont-yn") for request in asked] == [None, "Y", "Y"]


def test_the_manifest_says_what_it_is_and_the_views_are_datasets(serve):
    collection = serve().collect(codes="005930, 000660")
    entry = collection.parts["000660"]
    assert entry["made_of"] == "base 20250909 adjusted without the base day"
    assert entry["notes"] == {"halted days (no open, high, low)": 2}
    assert entry["request"] == {"api-id": "ka10081", "stk_cd": "000660", "base_dt": "20250909", "upd_stkpc_tp": "1"}
    assert collection.kind == "stocks" and "ka10081" in collection.manifest["provider"]
    frame = data.load("my-stocks-volume")
    assert frame.header.unit == "shares" and set(frame.table["series"]) == {"005930", "000660"}


# --- adjustment


def test_a_split_is_applied_up_to_the_base_date_only(serve):
    fake = serve()
    after, before = "2025-08-18", "2025-08-13"
    raw = {row[0].isoformat(): row for row in SPLIT.days}
    table = fake.collect("one", codes="000660", base="20250905").part("000660")
    assert close(table, before) == raw[before][4] // 5 and close(table, after) == raw[after][4]
    assert table.set_index("time").loc[before, "volume"] == raw[before][5] * 5
    assert table.set_index("time").loc[before, "value"] == raw[before][6]
    early = fake.collect("two", codes="000660", base="20250815").part("000660")
    assert close(early, before) == raw[before][4]  # the split lies after that base date
    plain = fake.collect("three", codes="000660", base="20250905", adjusted="false").part("000660")
    assert close(plain, before) == raw[before][4]


def test_adjusted_prices_of_a_new_base_date_are_fetched_whole_and_never_glued(serve):
    fake = serve(clock=Clock("2025-08-15T09:00:00"))
    fake.collect(codes="000660,005930")
    old = fake.collect(codes="000660,005930").part("000660")
    fake.clock, fake.charts = Clock("2025-09-09T10:00:00"), []
    collection = fake.collect(codes="000660,005930")
    new = collection.part("000660")
    assert [sent["stk_cd"] for sent in fake.charts] == ["000660", "005930", "005930", "005930"]
    assert close(old, "2025-08-13") == 5 * close(new, "2025-08-13")
    assert len(new) == 60
    assert [unit.split()[1:3] for unit in collection.raw.units()] == [["000660", "adjusted"], ["005930", "adjusted"]]
    assert all("20250909" in unit for unit in collection.raw.units())  # those of the old base date are gone


def test_unadjusted_prices_are_appended(serve):
    fake = serve(clock=Clock("2025-08-15T09:00:00"))
    first = fake.collect(adjusted="false").part("005930")
    fake.clock, fake.charts = Clock(), []
    second = fake.collect(adjusted="false").part("005930")
    assert len(fake.charts) == 1  # of three pages
    assert first.equals(second[: len(first)]) and len(second) == len(LONG.days)
    whole = fake.collect("at-once", adjusted="false")
    assert (whole.folder / "005930.parquet").read_bytes() == parquet()


def test_unadjusted_prices_that_changed_are_refused(serve):
    fake = serve(clock=Clock("2025-08-15T09:00:00"))
    fake.collect(adjusted="false")
    before = snapshot(store())
    wrong = made(150, seed=1)
    at = next(i for i, row in enumerate(wrong.days) if row[0] == date(2025, 8, 12))
    wrong.days[at] = (*wrong.days[at][:5], 77, wrong.days[at][6])
    fake.clock, fake.stocks = Clock(), {"005930": wrong}
    with pytest.raises(DataError, match="005930, 2025-08-12: held as .*77.*another name"):
        fake.collect(adjusted="false")
    assert snapshot(store()) == before  # the odd answer is not kept either
    fake.stocks = {"005930": LONG}
    assert len(fake.collect(adjusted="false").part("005930")) == 150


def test_a_gap_to_what_is_held_is_refused(serve):
    fake = serve(clock=Clock("2025-06-16T09:00:00"))
    fake.collect(adjusted="false")
    fake.clock, fake.stocks = Clock(), {"005930": made(20, seed=1)}
    with pytest.raises(DataError, match="the days between are missing"):
        fake.collect(adjusted="false")


def test_the_day_that_is_not_over_is_left_out_and_comes_the_day_after(serve):
    fake = serve(clock=Clock("2025-09-08T10:00:00"))
    collection = fake.collect(adjusted="false")
    assert str(collection.part("005930")["time"].max().date()) == "2025-09-05"
    assert collection.parts["005930"]["notes"] == {"base day left out, not over when fetched": 1}
    close_of = list(LONG.days[-1])
    fake.stocks = {"005930": market.Stock([*LONG.days[:-1], (*close_of[:5], close_of[5] + 1, close_of[6])])}
    fake.clock = Clock("2025-09-09T10:00:00")  # the day ended with another volume than it had at ten
    assert fake.collect(adjusted="false").part("005930")["volume"].iloc[-1] == close_of[5] + 1
    assert str(fake.collect(base="2025-09-08", name="x").part("005930")["time"].max().date()) == "2025-09-08"


def test_since_asks_for_no_page_before_it(serve):
    fake = serve()
    table = fake.collect(since="2025-08-01").part("005930")
    assert len(fake.charts) == 1 and str(table["time"].min().date()) == "2025-08-01"


# --- tokens


def test_one_token_for_all_and_it_is_revoked_in_the_end(serve):
    fake = serve()
    fake.collect(codes="005930,000660")
    assert len(fake.issued) == 1 and fake.revoked == fake.issued and fake.tokens == {}


def test_a_token_is_renewed_ten_minutes_before_it_ends_but_not_inside_a_chain(serve):
    stocks = {f"{code:06d}": made(10, seed=code) for code in range(8)}
    fake = serve(stocks, lives_s=604)
    fake.collect(codes=",".join(stocks))
    assert len(fake.issued) > 1
    other = serve({"005930": LONG}, lives_s=603)
    other.page = 10  # fifteen pages outlast the three seconds that are left of it
    other.collect("long")
    assert len(other.issued) == 1 and len(other.charts) == 15


@pytest.mark.parametrize("kind", ["8005", "401"])
def test_a_token_that_fails_is_renewed_once_and_the_chain_begins_again(serve, kind):
    fake = serve()
    fake.collect("good")
    good = (paths.data_dir() / "store/good/005930.parquet").read_bytes()
    fake.fault(kind, after=2)
    fake.charts.clear()
    fake.collect()
    assert len(fake.issued) == 3 and len(fake.charts) == 2 + 3 and parquet() == good
    fake.fault(kind, times=2)
    with pytest.raises(DataError, match="8005"):
        fake.collect("never")
    assert not (paths.data_dir() / "store/never").exists()


def test_keys_that_are_refused_or_missing_say_where_to_get_them(serve, monkeypatch):
    fake = serve()
    monkeypatch.setenv("KIWOOM_APPKEY", "SECRETKEYwrong")
    with pytest.raises(DataError, match="app key is refused.*8001.*KIWOOM_APPKEY") as error:
        fake.collect()
    assert "SECRETKEYwrong" not in str(error.value)
    monkeypatch.delenv("KIWOOM_APPKEY")
    with pytest.raises(DataError, match="KIWOOM_APPKEY.*openapi.kiwoom.com"):
        fake.collect()


# --- errors that another try cures


@pytest.mark.parametrize("kind", ["1700", "1702", "429", "busy"])
def test_too_many_requests_are_tried_again(serve, kind):
    fake = serve()
    fake.fault(kind, after=1, times=2)
    assert len(fake.collect().part("005930")) == 150
    assert len(fake.issued) == 1 and len(fake.charts) == 3
    fake.fault(kind, times=4)
    with pytest.raises(DataError, match="too many requests.*pace_s.*4 times in a row"):
        fake.collect("never")


@pytest.mark.parametrize("kind", ["timeout", "cut", "refused", "status:503"])
def test_a_broken_line_is_tried_again(serve, server, kind):
    fake = serve(least_s=0)
    server.fault(kind, times=1, after=2)
    assert len(fake.collect().part("005930")) == 150


def test_the_pace_keeps_the_limit_and_without_it_the_provider_refuses(serve):
    fake = serve({"005930": LONG}, page=6)
    fake.collect()
    assert len(fake.charts) == 25
    with pytest.raises(DataError, match="1700"):
        serve(least_s=30).collect("hasty")


# --- errors that it does not


def broken(fake, before, *words, **options):
    with pytest.raises(DataError) as error:
        fake.collect(**options)
    for word in words:
        assert word in str(error.value), f"{word!r} is not in: {error.value}"
    assert snapshot(store()) == before
    return str(error.value)


@pytest.mark.parametrize("kind, words", [
    ("1902", ["no such stock", "1902", "six digits", "005930"]),
    ("8010", ["another IP address", "8010", "register this machine's address"]),
    ("8030", ["real and mock", "8030", "mock=true"]),
    ("1634", ["too long a batch", "1634"]),
    ("long batch", ["too long a batch", "HTTP 429"]),
    ("7777", ["not in our list", "7777"]),
    ("empty", ["an empty page that promises more"]),
    ("repeat", ["a page was sent twice", "run the same command again"]),
    ("truncated", ["no JSON", "cut"]),
    ("cp949", ["not text in utf-8"]),
    ("other", ["the answer is for 000000"]),
    ("no rows", ["no list stk_dt_pole_chart_qry"]),
    ("odd days", ["20250931", "no trading day"]),
    ("no close", ["is no price"]),
])  # fmt: skip
def test_other_errors_leave_the_store_as_it_was(serve, kind, words):
    fake = serve()
    fake.collect(codes="000660")
    before = snapshot(store())
    fake.fault(kind, after=1)
    broken(fake, before, *words)
    assert "005930" in fake.collect().parts  # the next call makes it good


@pytest.mark.parametrize("kind, at, days, note", [
    ("short", 1, 147, "short pages amid others: are days missing?"),
    ("empty", 2, 120, "empty last pages: is the first day right?"),
])  # fmt: skip
def test_pages_that_lost_rows_are_noticed(serve, kind, at, days, note):
    fake = serve()
    fake.fault(kind, after=at)
    collection = fake.collect(base="20250908")
    assert len(collection.part("005930")) == days and collection.parts["005930"]["notes"] == {note: 1}


@pytest.mark.parametrize("kind", ["cut", "refused", "status:503"])
def test_a_line_that_stays_broken_is_said_and_the_store_stays(serve, server, kind):
    fake = serve(least_s=0)
    fake.collect(codes="000660")
    before = snapshot(store())
    server.fault(kind, times=4, after=2)
    broken(fake, before, "4 times in a row", "run the same command again")


@pytest.mark.parametrize("wrong", [{"token": ""}, {"expires_dt": "20251399000000"}, {"expires_dt": None}])
def test_an_answer_without_a_token_or_its_end_is_refused(serve, server, wrong):
    fake = serve()

    def odd(request):
        reply = fake.token(request)
        reply.body |= wrong
        return reply

    server.routes["/oauth2/token"] = odd
    with pytest.raises(DataError, match="without token or expires_dt"):
        fake.collect()
    assert not store().exists()


@pytest.mark.parametrize("kind, words", [("html", ["no JSON", "HTML page"]), ("garbage", ["not text"]),
                                         ("empty", ["no JSON", "empty"])])  # fmt: skip
def test_what_is_no_answer_is_said(serve, server, kind, words):
    fake = serve(least_s=0)
    fake.collect(codes="000660")
    before = snapshot(store())
    server.fault(kind, times=1, after=2)
    broken(fake, before, *words)


@pytest.mark.parametrize("options, words", [
    ({"codes": ""}, "no stock is named"), ({"codes": "A005930"}, "no leading A"), ({"codes": "00104k"}, "capitals"),
    ({"codes": "5930"}, "six digits"),
    ({"base": "2025-09-10"}, "is not over in Korea"), ({"since": "2025-09-09", "base": "2025-09-08"}, "after the base"),
    ({"codes": "005930_NX", "mock": "true"}, "KRX only"), ({"code": "x"}, "did you mean 'codes'"),
    ({"codes": "005935"}, "no such stock"),
])  # fmt: skip
def test_what_cannot_be_asked_is_refused(serve, options, words):
    with pytest.raises(DataError, match=words):
        serve().collect(**options)
    assert not store().exists()


def test_a_stock_without_a_row_is_refused(serve):
    with pytest.raises(DataError, match="no row at all up to 2020-01-05"):
        serve().collect(base="20200105")


def test_other_venues_and_the_mock_host(serve):
    stocks = {"005930_AL": SAMSUNG, "005930_NX": SAMSUNG}
    assert set(serve(stocks).collect(codes="005930_AL,005930_NX").parts) == set(stocks)
    silent = serve(stocks)
    silent.fault("venue")  # whether the answer repeats the venue is not documented
    assert len(silent.collect("silent", codes="005930_NX").part("005930_NX")) == 2
    fake = serve(stocks, mock=True)
    with pytest.raises(DataError, match="no such market.*1901"):  # real host's option, mock host's rule
        fake.collect("mock", codes="005930_NX")


@pytest.mark.parametrize("spelling", ["return_code", "returnCode"])
@pytest.mark.parametrize("text_codes", [False, True])
def test_both_spellings_of_the_code_are_read(serve, spelling, text_codes):
    fake = serve(spelling=spelling, text_codes=text_codes)
    assert len(fake.collect().part("005930")) == 150
    with pytest.raises(DataError, match="no such stock"):
        fake.collect(codes="999999")


def test_an_error_without_a_code_in_brackets_is_no_success(serve, server):
    fake = serve()
    good = server.routes["/api/dostk/chart"]

    def odd(request):
        reply = good(request)
        reply.body |= {"return_code": 9, "return_msg": "점검 중입니다"}
        return reply

    server.routes["/api/dostk/chart"] = odd
    with pytest.raises(DataError, match="return_code 9 .점검 중입니다"):
        fake.collect()


# --- twice, killed, secret


def test_collecting_twice_asks_nothing_and_changes_nothing(serve, server):
    fake = serve()
    fake.collect(codes="005930,000660")
    before, asked = snapshot(store()), len(server.requests)
    fake.collect(codes="005930,000660")
    assert snapshot(store()) == before and len(server.requests) == asked


@pytest.mark.parametrize("at", range(1, 6))  # pauses there are: 3 + 1 charts, 1 to revoke
def test_stopped_anywhere_and_collected_again_gives_the_same_bytes(serve, at):
    fake = serve(clock=Clock(stop_at=at))
    with pytest.raises(KeyboardInterrupt):
        fake.collect(codes="005930,000660")
    fake.clock = Clock()
    fake.collect(codes="005930,000660")
    stopped = {name: parquet(name) for name in ("005930", "000660")}
    whole = fake.collect("whole", codes="005930,000660")
    assert stopped == {name: (whole.folder / f"{name}.parquet").read_bytes() for name in stopped}


CHILD = """
import sys
from litecast.collect import collecting
from datetime import datetime
class Clock(collecting.Clock):
    def now(self): return datetime(2025, 9, 9, 10)
    def sleep(self, seconds): pass
collecting.collect("kiwoom", "my-stocks", {"codes": "000660,005930", "url": sys.argv[1]}, Clock())
"""


def test_killed_in_a_chain_and_collected_again_gives_the_same_bytes(serve, server):
    fake = serve(least_s=0)
    chart, child, reached = server.routes["/api/dostk/chart"], [], threading.Event()

    def deadly(request):
        if len(fake.charts) == 2:  # the first stock is whole, of the second one page was sent
            reached.wait(5)
            os.kill(child[0].pid, signal.SIGKILL)
        return chart(request)

    server.routes["/api/dostk/chart"] = deadly
    child.append(subprocess.Popen([sys.executable, "-c", CHILD, server.url]))
    reached.set()
    assert child[0].wait(20) == -signal.SIGKILL
    server.routes["/api/dostk/chart"] = chart
    kept = snapshot(store())
    assert "000660.parquet" in kept and "005930.parquet" not in kept
    fake.charts.clear()
    fake.collect(codes="000660,005930")
    assert [sent["stk_cd"] for sent in fake.charts] == ["005930"] * 3
    assert snapshot(store())["000660.parquet"] == kept["000660.parquet"]
    fake.collect("whole", codes="000660,005930")
    assert parquet() == (paths.data_dir() / "store/whole/005930.parquet").read_bytes()


def test_no_key_and_no_token_is_anywhere(serve, caplog):
    caplog.set_level(logging.DEBUG)
    fake, said = serve(), []
    fake.fault("8005", after=1)
    fake.collect(codes="005930")
    for kind in ("8010", "1902", "truncated"):  # the first echo the token
        fake.fault(kind)
        with pytest.raises(DataError) as error:
            fake.collect(codes="000660")
        said.append(str(error.value))
    written = b"".join(path.read_bytes() for path in paths.data_dir().rglob("*") if path.is_file())
    assert b"20250908" in written and b"SECRETKEY" not in written
    client = [record.getMessage() for record in caplog.records if not record.name.startswith("asyncio")]
    assert "SECRETKEY" not in "".join(client + said)
    assert len(fake.issued) >= 4 and all("SECRETKEYtoken" in token for token in fake.issued)


def test_a_token_that_is_given_again_is_used_again(serve, server):
    """A provider may answer with the token it gave before; it is cut out of the answer like every secret."""
    stocks = {f"{code:06d}": made(10, seed=code) for code in range(8)}
    fake = serve(stocks, lives_s=604)

    def again(request):
        reply = fake.token(request)
        fake.tokens = {fake.issued[0]: fake.clock.now() + timedelta(seconds=604)}
        reply.body |= {"token": fake.issued[0]}
        return reply

    server.routes["/oauth2/token"] = again
    assert len(fake.collect(codes=",".join(stocks)).parts) == 8
    assert len(fake.issued) > 1 and fake.revoked == [fake.issued[0]]


def test_the_fake_binds_a_next_key_to_body_and_token(server):
    """What the source relies on, said of the fake itself: without it the tests above would prove little."""
    import httpx

    KiwoomRest(server, {"005930": made(601)}, Clock(), least_s=0)
    keys = {"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": SECRETKEY}
    tokens = [httpx.post(f"{server.url}/oauth2/token", json=keys).json()["token"] for _ in range(2)]
    body = {"stk_cd": "005930", "base_dt": "20250908", "upd_stkpc_tp": "1"}

    def chart(token, body, **more):
        headers = {"api-id": "ka10081", "authorization": f"Bearer {token}", **more}
        return httpx.post(f"{server.url}/api/dostk/chart", json=body, headers=headers)

    first = chart(tokens[0], body)
    more = {"cont-yn": "Y", "next-key": first.headers["next-key"]}
    assert first.headers["cont-yn"] == "Y" and len(more["next-key"]) <= 50
    assert len(first.json()["stk_dt_pole_chart_qry"]) == 600
    assert chart(tokens[0], body, **more).json()["return_code"] == 0
    assert "[1517" in chart(tokens[1], body, **more).json()["return_msg"]
    assert "[1517" in chart(tokens[0], body | {"base_dt": "20250905"}, **more).json()["return_msg"]
    refused = chart("nonsense", body)
    assert refused.status_code == 200 and refused.json()["return_code"] == 3
    assert kiwoom_rest.ERRORS[8005][1] in refused.json()["return_msg"]
