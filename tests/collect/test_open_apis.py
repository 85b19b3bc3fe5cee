"""Open APIs: one contract for all of them against providers that enforce the real rules, then what each one means."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fakes import data_go_kr, expressway, gyeonggi, seoul
from fakes.clock import FakeClock
from fakes.loopback import Loopback, Reply
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import data
from litecast.collect import collecting, http
from litecast.collect.sources import data_go_kr as rules
from litecast.collect.sources import expressway as expressway_source
from litecast.collect.sources import gyeonggi as gyeonggi_source
from litecast.collect.sources import seoul as seoul_source
from litecast.data import store
from litecast.errors import DataError

KEYS = {"SEOUL_KEY": seoul.KEY, "DATA_GO_KR_KEY": data_go_kr.KEY, "GG_KEY": gyeonggi.KEY, "EX_KEY": expressway.KEY}
NOW = "2024-05-02 14:20:00"


@dataclass
class Case:
    """A source, its fake, what is asked first, what more comes later, and what some faults say."""

    source: str
    fake: Callable  # the provider, with the data of the first call
    path: str  # of the url option
    first: dict
    more: dict  # options of the second call
    grow: Callable  # what the provider has by then
    again: int  # requests of a call that finds nothing new
    says: dict  # fault -> words of the error
    paged: int  # good answers before one that can repeat the one before
    stop: int  # request at which a call is killed


def _grown_seoul(fake):
    fake.counts.update(seoul.sample(["20240201"]).counts)
    fake.last = []


def _grown_statistics(fake):
    fake.months.update(data_go_kr.sample([(2023, 2)]).months)


def _grown_gyeonggi(fake):
    fake.rows += gyeonggi.sample(["2024-02-01"]).rows


def _grown_expressway(fake):
    fake.now = ("20240502", "1500")


CASES = [
    Case("seoul", lambda: seoul.sample(["20240101"]), "", {
        "spots": "A-01", "start": "2024-01-01", "end": "2024-01-01"},
        {"start": "2024-02-01", "end": "2024-02-01"}, _grown_seoul, 0,
        {"key": "INFO-100, the key is not valid", "expired": "INFO-100", "limit": "ERROR-500, server error",
         "error": "ERROR-600", "encoding": "no XML"}, 9, 35),
    Case("tms-statistics", lambda: data_go_kr.sample([(2023, 1)]), "/1613000/KictTmsStat", {
        "start": "2023-01-01", "end": "2023-01-31", "page_size": "4"}, {"end": "2023-02-01"}, _grown_statistics, 0,
        {"key": "30, SERVICE_KEY_IS_NOT_REGISTERED", "expired": "31, DEADLINE.*활용연장신청",
         "limit": "22, LIMITED.*tomorrow", "error": "Unexpected errors",
         "encoding": "not text in utf-8"}, 1, 2),
    Case("gyeonggi", lambda: gyeonggi.sample(["2024-01-01", "2024-01-02"]), "", {"page_size": "4"}, {},
         _grown_gyeonggi, 1, {"key": "ERROR-290, the key is not valid", "expired": "INFO-300.*GG_KEY",
                              "limit": "ERROR-337.*tomorrow", "error": "no JSON", "encoding": "not text in utf-8"},
         2, 2),
    Case("expressway", lambda: expressway.sample(), "/openapi/trafficapi", {"page_size": "3"}, {}, _grown_expressway, 2,
         {"key": "INVALID_KEY, the key is not valid", "expired": "EXPIRED_KEY, the key has expired .*new one",
          "limit": "EXCEEDED_LIMIT", "error": "no JSON",
          "encoding": "not text in utf-8"}, 1, 1),
]  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda case: case.source)
def api(request, tmp_path, monkeypatch):
    """A provider that runs, and calls of its source."""
    with Loopback() as server:
        yield _api(request.param, server, tmp_path, monkeypatch)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """serve("seoul", fake): that provider with other data."""
    with ExitStack() as stack:
        def start(source, fake):
            case = next(case for case in CASES if case.source == source)
            return _api(case, stack.enter_context(Loopback()), tmp_path, monkeypatch, fake)  # fmt: skip

        yield start


def _api(case, server, tmp_path, monkeypatch, fake=None):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    fake = (fake or case.fake()).serve(server)
    base = {"url": server.url + case.path, "timeout_s": "5", "pace_s": "0"}

    def collect(name="mine", clock=None, **options):
        return collecting.collect(case.source, name, base | options, clock or FakeClock(NOW))

    def first(name="mine", **options):
        return collect(name, **case.first | options)

    def more(name="mine", **options):
        return collect(name, **case.first | case.more | options)

    return SimpleNamespace(case=case, server=server, fake=fake, base=base, collect=collect, first=first, more=more)


def files(name="mine", raw=True):
    """{file: (bytes, time of change)} of a collection."""
    folder = store.folder() / name
    found = sorted(path for path in folder.glob("*") if raw or path.suffix != ".sqlite") if folder.exists() else []
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def parquet(name="mine"):
    return {file: content for file, (content, _) in files(name).items() if file.endswith(".parquet")}


def values(frame):
    """{(series, 'MM-DD HH:MM'): value}"""
    return {(row.series, f"{row.time:%m-%d %H:%M}"): row.value for row in frame.itertuples()}


# --- the contract of every interface


def test_parts_are_typed_and_sorted_and_load_as_a_dataset(api):
    made = api.first()
    for part in made.parts:
        table = made.part(part)
        assert list(table.columns) == ["time", "series", "value"]
        assert str(table["time"].dtype).startswith("datetime64") and table["value"].dtype == "float64"
        assert table.equals(table.sort_values(["series", "time"], ignore_index=True)) and len(table) > 0
    frame = data.load("mine")
    assert frame.header.kind == "traffic" and frame.header.source and frame.header.licence
    assert not frame.table.duplicated(["time", "series"]).any()


def test_collecting_twice_asks_for_nothing_that_is_kept_and_changes_no_file(api):
    api.first()
    before, asked = files(), len(api.server.requests)
    api.first()
    assert files() == before
    assert len(api.server.requests) - asked == api.case.again


def test_what_is_new_is_added_and_the_rest_stays(api):
    api.first()
    old = parquet()
    api.case.grow(api.fake)
    made = api.more()
    assert len(made.part(list(made.parts)[-1])) > 0
    if api.case.source == "expressway":
        assert len(made.part("2024-05")["time"].unique()) == 2
    else:
        assert len(made.parts) == 2 and old.items() <= parquet().items()


@pytest.mark.parametrize("fault", ["timeout", "cut", "refused", "status:503", "status:429"])
def test_faults_of_the_line_are_tried_again(api, fault):
    clean = api.first("clean")
    api.server.fault(fault, times=2)
    clock = FakeClock(NOW)
    api.collect("mine", clock, **api.case.first | {"timeout_s": "0.2" if fault == "timeout" else "5"})
    assert parquet() == parquet("clean") and clean.parts
    assert clock.slept[:2] == [1.0, 2.0]


@pytest.mark.parametrize("fault", ["timeout", "cut", "status:503", "html", "garbage", "empty", "status:500"])
def test_what_cannot_be_recovered_is_an_error_and_leaves_the_store_as_it_was(api, fault):
    api.first()
    before = files()
    api.case.grow(api.fake)
    api.server.fault(fault, times=4 if fault in ("timeout", "cut", "status:503") else 1)
    with pytest.raises(DataError) as caught:
        api.more(timeout_s="0.05" if fault == "timeout" else "5")
    assert files() == before
    assert f"GET {api.server.url}" in str(caught.value) and "SECRETKEY" not in str(caught.value)
    assert api.more().parts  # and then it goes on


@pytest.mark.parametrize("fault", ["key", "expired", "limit", "error", "encoding", "html"])
def test_errors_of_the_provider_say_what_they_mean(api, fault):
    api.first()
    before = files()
    api.case.grow(api.fake)
    asked = len(api.server.requests)
    api.fake.switch(fault)
    with pytest.raises(DataError, match=api.case.says.get(fault, "HTML page")):
        api.more()
    assert files() == before and len(api.server.requests) == asked + 1  # not tried again


@pytest.mark.parametrize("fault", ["empty", "truncated", "repeated"])
def test_pages_that_are_not_whole_are_noticed(api, fault):
    clean = api.first("clean")
    after = api.case.paged
    api.fake.switch(fault, after=after)
    api.first()
    assert parquet() == parquet("clean") and clean.parts  # asked for once more
    api.case.grow(api.fake)
    before = files()
    api.fake.switch(fault, times=99, after=after)
    with pytest.raises(DataError, match="rows instead of|same rows|rows in all|a row of"):
        api.more()
    assert files() == before


def test_killed_at_any_request_and_collected_again_gives_the_same_bytes(api):
    api.case.grow(api.fake)
    api.more("clean")
    total = len(api.server.requests)
    for n in sorted({1, 2, total // 2, total - 1, total}):
        name = f"killed-{n}"
        with pytest.raises(KeyboardInterrupt):
            api.collect(name, Killer(api.server, n), **api.case.first | api.case.more)
        api.more(name)
        assert parquet(name) == parquet("clean")


class Killer(FakeClock):
    """Stops the job when it looks at the clock after its n-th request."""

    def __init__(self, server, n):
        super().__init__(NOW)
        self.server, self.at = server, len(server.requests) + n

    def now(self):
        if len(self.server.requests) >= self.at:
            raise KeyboardInterrupt
        return super().now()


def test_processes_killed_for_good_leave_what_the_same_command_ends_in(tmp_path, monkeypatch):
    """SIGKILL from the provider's side, in the middle of a request, for all four interfaces at once."""
    with ExitStack() as stack:
        apis = [_api(case, stack.enter_context(Loopback()), tmp_path, monkeypatch) for case in CASES]
        children = [_doomed(api) for api in apis]
        for api, child in zip(apis, children, strict=True):
            assert child.wait(30) == -signal.SIGKILL
            api.server.routes.clear()
            api.fake.serve(api.server)
            asked = len(api.server.requests)
            mine, clean = f"killed-{api.case.source}", f"clean-{api.case.source}"
            api.first(mine, **_longer(api))
            between = len(api.server.requests)
            api.first(clean, **_longer(api))
            assert parquet(mine) == parquet(clean) != {}
            if api.case.source == "seoul":  # a day of 24 requests was kept
                assert len(api.server.requests) - between >= between - asked + 24


def _longer(api):
    return {"end": "2024-01-02"} if api.case.source == "seoul" else {}


def _doomed(api):
    """`python -m litecast.collect collect …` that dies while the request number `stop` is under way."""
    words = [f"{key}={value}" for key, value in (api.base | api.case.first | _longer(api)).items()]
    child = subprocess.Popen([sys.executable, "-m", "litecast.collect", "collect", api.case.source,
                              f"killed-{api.case.source}", *words], env=os.environ | KEYS)  # fmt: skip

    def kill(request):
        if len(api.server.requests) >= api.case.stop:
            child.kill()
            child.wait()
        return api.fake.answer(request)

    api.server.routes.update(dict.fromkeys(api.server.routes, kill))
    return child


def test_no_key_is_seen_anywhere(api, caplog):
    caplog.set_level(logging.DEBUG)
    api.first()  # every good answer of the fakes carries the key, too
    api.case.grow(api.fake)
    api.fake.switch("echo")
    with pytest.raises(DataError) as caught:
        api.more()
    assert "SECRETKEY" not in str(caught.value) + caplog.text and "***" in str(caught.value)
    assert len(files()) >= 3 and not any(b"SECRETKEY" in content for content, _ in files().values())


def test_a_missing_key_says_where_to_get_one(api, monkeypatch):
    name = next(iter(collecting.keys(api.case.source)))
    monkeypatch.delenv(name)
    with pytest.raises(DataError, match=f"{name}.*kr"):
        api.first()
    assert files() == {} and not api.server.requests


def test_options_are_described_and_checked(api):
    fields = collecting.options_of(api.case.source).model_fields
    assert all(field.description for field in fields.values())
    with pytest.raises(DataError, match="no such option; did you mean 'page_size'"):
        api.first(page_sise="3")
    assert not api.server.requests


# --- any answer


ODD = [None, "", [], {}, "x", 1, -1, True, [1], ["a"], {"a": 1}, [{}]]


def _places(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _places(value[key], (*path, key))


def _changed(value, path, new):
    """A copy with `new` at a place; without that place for `...`."""
    if not path:
        return None if new is ... else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


def test_an_answer_of_any_other_form_is_an_error_that_names_it(api):
    """Every part of a good answer taken away or replaced: the data as they are, or DataError, never anything else."""
    api.first("clean")
    good = api.fake.answer(api.server.requests[-1]).content()
    if api.case.source == "seoul":
        bodies = [good.replace(f"<{tag}>".encode(), b"<x>").replace(f"</{tag}>".encode(), b"</x>")
                  for tag in ("RESULT", "CODE", "row", "spot_num", "ymd", "hh", "list_total_count", "VolInfo")]
        bodies += [good.replace(b"<hh>23</hh>", b"<hh></hh>"), good.replace(b"<hh>23</hh>", b"<hh>x</hh>"),
                   b'{"RESULT": "x"}', b"[1]", b'{"RESULT": []}']  # fmt: skip
    else:
        tree = json.loads(good)
        bodies = [json.dumps(_changed(tree, path, new)).encode() for path in _places(tree) for new in (*ODD, ...)]
    refused = 0
    for body in bodies:
        try:
            _used(api.case.source, http.Answer(200, {}, body, "GET here"))
        except DataError:
            refused += 1
    assert refused > len(bodies) // 5


def _used(source, answer):
    """All that is made of an answer before it is kept."""
    if source == "seoul":
        seoul_source.judge(answer)
        seoul_source._read(answer, spot_num="A-01", ymd="20240101", hh="23")
        seoul_source._lanes([answer.body], Counter())
    elif source == "tms-statistics":
        rules.judge(answer)
        rules._sites(rules._read((2023, 1), answer)[0], "time_type", "here", Counter())
    elif source == "gyeonggi":
        gyeonggi_source.judge(answer)
        for row in gyeonggi_source._read(gyeonggi.SERVICE, answer)[0]:
            gyeonggi_source._day(str(row.get("YY", "")), row, "here")
    else:
        options = expressway_source.Options()
        expressway_source.judge(answer)
        expressway_source._read("trafficIc", 1000, answer)
        for (day, time), rows in expressway_source._slots(options, [answer.body]).items():
            expressway_source._begin(options, day, time)
            expressway_source._sums(options, rows, Counter())


# --- paging


class Pages:
    """A provider of rows; the page numbered `bad` is spoilt so many times."""

    def __init__(self, rows, size, fault=None, bad=0, times=1):
        self.rows, self.size, self.fault, self.bad, self.times, self.asked = rows, size, fault, bad, times, 0

    def ask(self, page):
        self.asked += 1
        rows, total = self.rows[page * self.size : (page + 1) * self.size], len(self.rows)
        if page == self.bad and self.times > 0 and self.fault:
            self.times -= 1
            total += self.fault == "grown"
            rows = {"short": rows[:-1], "long": [*rows, {"i": -1}],
                    "repeated": self.rows[(page - 1) * self.size : page * self.size]}.get(self.fault, rows)  # fmt: skip
        return http.Answer(200, {}, repr((rows, total)).encode(), f"page {page}")

    @staticmethod
    def read(answer):
        return eval(answer.body)  # noqa: S307 (the line above wrote it)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(1, 10))
def test_a_chain_is_all_rows_in_order(count, size):
    pages = Pages([{"i": i} for i in range(count)], size)
    answers = rules.chain(pages.ask, pages.read, size)
    assert [row for answer in answers for row in pages.read(answer)[0]] == pages.rows
    assert pages.asked == max(1, -(-count // size))


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 40), st.integers(1, 3), st.data())
def test_a_spoilt_chain_is_asked_for_once_more_and_then_refused(count, size, draw):
    last = (count - 1) // size
    fault = draw.draw(st.sampled_from(["short", "long"] + ["repeated", "grown"] * (last > 0)))
    bad = draw.draw(st.integers(1 if fault in ("repeated", "grown") else 0, last))
    rows = [{"i": i} for i in range(count)]
    once = Pages(rows, size, fault, bad)
    answers = rules.chain(once.ask, once.read, size)
    assert [row for answer in answers for row in once.read(answer)[0]] == rows
    with pytest.raises(DataError, match=f"page {bad}:"):
        rules.chain(*(lambda pages: (pages.ask, pages.read, size))(Pages(rows, size, fault, bad, times=2)))


def test_numbers_as_providers_write_them():
    assert [rules.number(text, "x") for text in ("1,234", " 7 ", 12, "0")] == [1234, 7, 12, 0]
    assert all(np.isnan(rules.number(text, "x")) for text in ("", "-", None, "-1", "null"))
    with pytest.raises(DataError, match="here: 'many' is no number"):
        rules.number("many", "here")


# --- Seoul


def volumes(counts, spot="A-01"):
    counts = {(spot, *when): rows for when, rows in counts.items()}
    return seoul.Seoul(spots={spot: ("성산로", 195820.5, "")}, counts=counts)


def test_seoul_sums_lanes_and_keeps_hours_without_data_empty(serve):
    fake = volumes({("20240101", "00"): [(1, 1, 10), (1, 2, 20), (2, 1, 5)],
                    ("20240101", "02"): [(1, 1, 7), (2, 1, "")],
                    ("20240101", "23"): [(1, 1, 1), (1, 2, 2), (2, 1, 3)]})  # fmt: skip
    api = serve("seoul", fake)
    made = api.collect(spots="A-01", start="20240101", end="20240101")
    table = made.part("A-01_2024-01")
    found = values(table)
    assert len(table) == 48 and set(table["series"]) == {"A-01 1", "A-01 2"}
    assert found["A-01 1", "01-01 00:00"] == 30 and found["A-01 2", "01-01 00:00"] == 5
    assert found["A-01 1", "01-01 23:00"] == 3 and found["A-01 1", "01-01 02:00"] == 7
    assert np.isnan(found["A-01 1", "01-01 01:00"]) and np.isnan(found["A-01 2", "01-01 02:00"])
    assert made.parts["A-01_2024-01"]["notes"] == {
        "hours without data": 21, "lanes without a number": 1, "hours with fewer lanes than the month's most": 1}
    assert made.manifest["spots"] == {"A-01": {"name": "성산로", "x": 195820.5, "y": None}}
    paths = [request.path for request in api.server.requests]
    assert paths[0] == f"/{seoul.KEY}/xml/SpotInfo/1/1000/"
    assert paths[1] == f"/{seoul.KEY}/xml/VolInfo/1/1000/A-01/20240101/00/" and len(paths) == 25


def test_seoul_both_directions_need_both(serve):
    fake = volumes({("20240101", "00"): [(1, 1, 10), (2, 1, 5)], ("20240101", "01"): [(1, 1, 10)]})
    api = serve("seoul", fake)
    table = api.collect(spots="A-01", start="20240101", end="20240101", direction="both").part("A-01_2024-01")
    found = values(table)
    assert set(table["series"]) == {"A-01"} and found["A-01", "01-01 00:00"] == 15
    assert np.isnan(found["A-01", "01-01 01:00"]) and len(table) == 24


def test_seoul_asks_for_all_spots_of_the_list_and_refuses_others(serve):
    api = serve("seoul", seoul.sample(["20240101"]))
    made = api.collect(start="20240101", end="20240101")
    assert list(made.parts) == ["A-01_2024-01", "B-02_2024-01"] and len(made.part("B-02_2024-01")) == 0
    assert data.load("mine").wide().shape == (24, 2)
    with pytest.raises(DataError, match="no spot 'A-1'; near it: A-01"):
        api.collect("other", spots="A-1", start="20240101", end="20240101")
    assert files("other") == {}
    with pytest.raises(DataError, match="seoul, end: lies before start=2024-01-02"):
        api.collect("other", spots="A-01", start="20240102", end="20240101")
    api.collect("closed", spots="A-01,Z-99", start="20240101", end="20240101", check_spots="no")


def test_seoul_asks_again_for_young_days_and_never_for_hours_to_come(serve):
    hours = {("20240502", f"{h:02d}"): [(1, 1, h + 1)] for h in range(13)}
    api = serve("seoul", volumes(hours))
    span = {"spots": "A-01", "start": "2024-05-02", "end": "2024-05-09"}
    made = api.collect(clock=FakeClock("2024-05-02 14:20:00"), **span)
    assert len(api.server.requests) == 1 + 14 and np.isnan(made.part("A-01_2024-05")["value"].iloc[-1])
    before = files()
    api.collect(clock=FakeClock("2024-05-02 14:40:00"), **span)  # nothing is final, nothing is new
    assert files() == before and len(api.server.requests) == 15 + 14
    api.fake.counts["A-01", "20240502", "13"] = [(1, 1, 99)]  # late
    made = api.collect(clock=FakeClock("2024-05-02 14:50:00"), **span)
    assert made.part("A-01_2024-05")["value"].iloc[-1] == 99
    asked = len(api.server.requests)
    made = api.collect(clock=FakeClock("2024-05-04 08:00:00"), spots="A-01", start="2024-05-04", end="2024-05-04")
    assert len(api.server.requests) - asked == 24 + 8  # the 2nd is not settled before the 4th ends there
    assert sorted(made.part("A-01_2024-05")["time"].dt.day.unique()) == [2, 4]


def test_seoul_pages_of_an_hour(serve):
    rows = [(io, lane, lane) for io in (1, 2) for lane in range(1, 6)]
    api = serve("seoul", volumes({("20240101", "07"): rows}))
    span = {"spots": "A-01", "start": "20240101", "end": "20240101", "page_size": "4"}
    assert values(api.collect(**span).part("A-01_2024-01"))["A-01 2", "01-01 07:00"] == 15
    paths = [request.path.split("VolInfo")[1] for request in api.server.requests if "/07/" in request.path]
    assert paths == [f"/{first}/{first + 3}/A-01/20240101/07/" for first in (1, 5, 9)]


def test_seoul_final_days_are_kept(serve):
    api = serve("seoul", volumes({("20240430", "05"): [(1, 1, 8)]}))
    span = {"spots": "A-01", "start": "2024-04-29", "end": "2024-04-30", "settle_h": "24"}
    api.collect(clock=FakeClock("2024-05-01 23:59:59"), **span)
    assert store.Collection("mine").raw.units("A-01") == ["A-01 2024-04-29"]
    api.collect(clock=FakeClock("2024-05-02 00:00:00"), **span)
    assert store.Collection("mine").raw.units("A-01") == ["A-01 2024-04-29", "A-01 2024-04-30"]
    asked = len(api.server.requests)
    api.collect(clock=FakeClock("2024-05-02 00:00:00"), **span)
    assert len(api.server.requests) == asked == 1 + 48 + 24
    with pytest.raises(DataError, match="lies in the future"):
        api.collect("later", spots="A-01", start="2025-01-01", end="2025-01-01")


@pytest.mark.parametrize("reply, words", [
    (Reply({"RESULT": {"CODE": "ERROR-301", "MESSAGE": "파일타입"}}), "ERROR-301.*XML only"),
    (Reply({"status": 500, "code": "ERROR-500"}, 500), "ERROR-500, server error"),
    (seoul.result("ERROR-336", "1000건"), "ERROR-336.*page_size"),
    (seoul.result("ERROR-999", "?"), "ERROR-999, a code that is not in its list"),
    (Reply("<VolInfo><row/></VolInfo>"), "without a RESULT"),
    (Reply("<VolInfo><RESULT><CODE>INFO-000</CODE></RESULT></VolInfo>"), "no list_total_count"),
])  # fmt: skip
def test_seoul_errors_in_every_form(serve, reply, words):
    api = serve("seoul", seoul.sample(["20240101"]))
    api.server.routes["/"] = lambda request: reply
    with pytest.raises(DataError, match=words):
        api.first()
    assert {"INFO-100", "ERROR-300", "ERROR-331", "ERROR-335", "ERROR-601"} <= set(seoul_source.CODES)


def test_seoul_conflicting_rows_are_refused_and_not_kept(serve):
    api = serve("seoul", volumes({("20240101", "00"): [(1, 1, 10), (1, 1, 10)], ("20240101", "01"): [(1, 1, 4)]}))
    span = {"spots": "A-01", "start": "20240101", "end": "20240101"}
    assert api.collect(**span).parts["A-01_2024-01"]["notes"]["rows given twice"] == 1
    api.fake.counts["A-01", "20240101", "01"] = [(1, 1, 4), (1, 1, 5)]
    with pytest.raises(DataError, match="A-01 20240101 01: two different counts for lane 1"):
        api.collect("other", **span)
    assert store.Collection("other").raw.units("A-01") == []


# --- data.go.kr


def test_statistics_sum_the_hours_of_a_month(serve):
    site = [data_go_kr.row("0101-000", 1, 1), data_go_kr.row("0101-000", 2, 11), data_go_kr.row("0101-000", 0, 12),
            data_go_kr.row("0202-000", 0, 100)]  # fmt: skip
    api = serve("tms-statistics", data_go_kr.Statistics(months={(2023, 1): site}))
    made = api.collect(start="2023-01-01", end="2023-03-01")
    assert values(made.part("2023-01")) == {
        ("0101-000 1", "01-01 00:00"): 300, ("0101-000 2", "01-01 00:00"): 540, ("0202-000 0", "01-01 00:00"): 2676}
    assert made.parts["2023-01"]["notes"] == {"direction 0 left out beside 1 and 2": 1}
    assert list(made.parts) == ["2023-01"] and made.manifest["frequency"] == "MS"
    asked = [request.params for request in api.server.requests]
    assert api.server.requests[0].path.endswith("/KictTmsStat/itmsh_monthly") and asked[0]["spot_id"] == "all"
    assert [one["month"] for one in asked] == ["1", "2", "3"] and asked[0]["pageNo"] == "0"
    assert asked[0]["numOfRows"] == "100" and asked[0]["serviceKey"] == data_go_kr.KEY
    both = api.collect("both", start="2023-01-01", end="2023-01-01", direction="both").part("2023-01")
    assert values(both) == {("0101-000", "01-01 00:00"): 840, ("0202-000", "01-01 00:00"): 2676}
    with pytest.raises(DataError, match="direction=each, not both"):
        api.collect(start="2023-01-01", end="2023-01-01", direction="both")


def test_statistics_months_without_data_are_asked_for_again(serve):
    api = serve("tms-statistics", data_go_kr.sample([(2023, 1)]))
    span = {"start": "2023-01-01", "end": "2023-02-01"}
    api.collect(**span)
    api.fake.months[2023, 2] = [data_go_kr.row("0101-000", 1) | {"time_type3": None, "direction": "1"}]
    asked = len(api.server.requests)
    made = api.collect(**span)
    assert len(api.server.requests) - asked == 1
    assert np.isnan(made.part("2023-02")["value"].iloc[0])
    assert made.parts["2023-02"]["notes"]["months with an hour missing"] == 1


def test_statistics_of_a_year_are_a_table_with_aadt(serve):
    rows = [data_go_kr.row("0101-000", d, 365 * d) for d in (1, 2)] + [data_go_kr.row("0303-000", 1, 5)]
    api = serve("tms-statistics", data_go_kr.Statistics(years={("itmsh_yearly", 2023): rows}))
    made = api.collect(start="2023-01-01", end="2023-12-31", operation="itmsh_yearly")
    table = made.part("2023").set_index("series")
    assert table.loc["0101-000 1", "value"] == 24 * 365 + 276 and table.loc["0101-000 2", "time_type24"] == 730 + 23
    assert table.loc["0101-000 1", "aadt"] == pytest.approx((24 * 365 * 3 + 552) / 365)
    assert np.isnan(table.loc["0303-000 1", "aadt"])  # the other direction is not there
    assert made.manifest["frequency"] == "" and "month" not in api.server.requests[0].params
    assert "litecast.data.store.Collection('mine').part" in made.manifest["note"]
    with pytest.raises(DataError, match="a table, no series.*store.Collection"):
        store.load("mine")


def test_statistics_by_class_have_twelve_of_them(serve):
    classes = {f"vehicle_type{i}": i for i in range(1, 13)}
    rows = [{"spot_id": "0101-000", "direction": d, **classes, "total_count": 78} for d in (1, 2)]
    api = serve("tms-statistics", data_go_kr.Statistics(years={("vt_yearly", 2024): rows}))
    table = api.collect(start="2024-01-01", end="2024-01-01", operation="vt_yearly", dtype="3").part("2024")
    assert table["value"].tolist() == [78, 78] and table["vehicle_type12"].tolist() == [12, 12]
    assert table["aadt"].tolist() == pytest.approx([156 / 366] * 2)


def test_statistics_say_what_502_and_404_mean(serve):
    api = serve("tms-statistics", data_go_kr.Statistics())
    with pytest.raises(DataError, match="502.*dtype=3 and dtype=5"):
        api.collect(start="2023-01-01", end="2023-01-01", operation="itmsh_yearly", dtype="5")
    assert len(api.server.requests) == 1
    api.server.routes.clear()
    with pytest.raises(DataError, match="404.*Older names"):
        api.collect(start="2023-01-01", end="2023-01-01")


def answer(body, status=200):
    return http.Answer(status, {}, Reply(body).content(), "GET http://api/x")


@pytest.mark.parametrize("code", ["00", "000", "0", 0])
def test_data_go_kr_success_has_many_spellings(code):
    rules.judge(answer({"response": {"header": {"resultCode": code}, "body": {"items": ""}}}))
    rules.judge(answer({"resultCode": code, "traffic": []}))


@pytest.mark.parametrize("items, rows", [
    ({"item": [{"a": 1}, {"a": 2}]}, [{"a": 1}, {"a": 2}]), ({"item": {"a": 1}}, [{"a": 1}]), ("", []), (None, []),
    ({"item": ""}, []), ([{"a": 1}], [{"a": 1}]),
])  # fmt: skip
def test_data_go_kr_items_as_list_object_or_nothing(items, rows):
    assert rules.items({"response": {"header": {}, "body": {"items": items, "totalCount": 3}}}) == (rows, 3)


@pytest.mark.parametrize("body, status, words", [
    (data_go_kr.gateway("31", "DEADLINE_HAS_EXPIRED_ERROR").body, 200, "31, DEADLINE.*활용연장신청"),
    (data_go_kr.gateway("20", "SERVICE_ACCESS_DENIED_ERROR").body, 403, "20, SERVICE_ACCESS_DENIED.*DATA_GO_KR_KEY"),
    ({"response": {"header": {"resultCode": "10", "resultMsg": "INVALID"}}}, 200, "10, INVALID_REQUEST_PARAMETER"),
    ({"resultCode": 5, "resultMsg": "x"}, 200, "05, SERVICETIMEOUT_ERROR"),
    ({"OpenAPI_ServiceResponse": {"cmmMsgHeader": {"returnReasonCode": "30"}}}, 403, "30, SERVICE_KEY_IS_NOT"),
    ("Forbidden", 403, "'Forbidden' from the gateway"),
    ("Unexpected errors", 200, "'Unexpected errors' from the gateway"),
    ({"resultCode": "77", "resultMsg": "odd"}, 200, "77, odd"), ({}, 200, "no data"), ("", 200, "empty"),
    ("<html><body>x</body></html>", 200, "HTML page"), ("[1]", 200, "no data"),
])  # fmt: skip
def test_data_go_kr_errors_in_every_form(body, status, words):
    with pytest.raises(DataError, match=words):
        rules.judge(answer(body, status))


def test_data_go_kr_rows_of_two_requests_do_not_mix(serve):
    api = serve("tms-statistics", data_go_kr.sample([(2023, 1)]))
    with pytest.raises(DataError, match="tms-statistics, end: lies before start=2023-02-01"):
        api.collect(start="2023-02-01", end="2023-01-01")
    good = api.fake.answer
    api.server.routes = dict.fromkeys(api.server.routes, lambda request: Reply(good(request).body | {"year": 2022}))
    with pytest.raises(DataError, match="the answer is for year 2022"):
        api.collect(start="2023-01-01", end="2023-01-01")
    assert files() == {}


def test_data_go_kr_has_all_codes_and_nodata_is_none_of_them():
    assert set(rules.CODES) == {f"{c:02d}" for c in (1, 2, 3, 4, 5, 10, 11, 12, 20, 21, 22, 30, 31, 32, 33, 99)}
    rules.judge(answer(data_go_kr.gateway("03", "NODATA_ERROR").body))
    with pytest.raises(http.Again):
        rules.judge(answer("busy", 503))


# --- Gyeonggi


def test_gyeonggi_hours_end_with_their_number(serve):
    fake = gyeonggi.Gyeonggi(rows=[
        gyeonggi.row("4302-03", "2024-01-31", 1, 10, TM01_TRNSPORT_AMNT="1,010", TM24_TRNSPORT_AMNT="-"),
        gyeonggi.row("4302-03", "2024-01-31", 2, 20), gyeonggi.row("4302-03", "2024-01-31", 0, 999),
        *[gyeonggi.row("4302-03", "2024-02-01", 1, 10, TDAY_SUM="1")] * 2,
        gyeonggi.row("4302-03", "2023-02-01", 1, 5), gyeonggi.row("0001-01", "2024-01-31", 1, 5)])  # fmt: skip
    api = serve("gyeonggi", fake)
    made = api.collect(years="2024", spots="4302-03")
    assert list(made.parts) == ["2024-01", "2024-02"]
    found = values(made.part("2024-01"))
    assert len(found) == 48 and found["4302-03 1", "01-31 00:00"] == 1010 and found["4302-03 1", "01-31 01:00"] == 11
    assert np.isnan(found["4302-03 1", "01-31 23:00"]) and found["4302-03 2", "01-31 23:00"] == 43
    assert made.parts["2024-01"]["notes"] == {"rows of direction 0 left out": 1, "hours read as missing": 1}
    assert made.parts["2024-02"]["notes"] == {"rows given twice": 1, "days whose hours do not add up to TDAY_SUM": 1}
    assert [request.params["pIndex"] for request in api.server.requests] == ["1", "1"]
    both = values(api.collect("both", years="2024", direction="both").part("2024-01"))
    assert both["4302-03", "01-31 01:00"] == 32 and np.isnan(both["4302-03", "01-31 23:00"])
    assert np.isnan(both["0001-01", "01-31 00:00"])
    api.fake.rows = [gyeonggi.row("4302-03", "2024-03-01", 0)]
    assert len(api.collect("doubtful").part("2024-03")) == 0


@pytest.mark.parametrize("changes, words", [
    ({"DE": "32"}, "DE=32 is no day"), ({"UPNDW_CD": "7"}, "UPNDW_CD 7: expected 0, 1 or 2"),
    ({"TM05_TRNSPORT_AMNT": "x"}, "'x' is no number"),
])  # fmt: skip
def test_gyeonggi_rows_that_cannot_be_are_refused_and_not_kept(serve, changes, words):
    api = serve("gyeonggi", gyeonggi.Gyeonggi(rows=[gyeonggi.row("4302-03", "2024-01-01", 1) | changes]))
    with pytest.raises(DataError, match=words):
        api.collect()
    assert files() == {}


def test_gyeonggi_a_site_that_is_not_there_is_told(serve):
    api = serve("gyeonggi", gyeonggi.sample(["2024-01-01"]))
    with pytest.raises(DataError, match="the site '4302-3' is not among the 1 there are; near it: 4302-03"):
        api.collect(spots="4302-03,4302-3")
    assert files() == {}


def test_gyeonggi_keeps_the_newest_snapshot_only(serve):
    api = serve("gyeonggi", gyeonggi.sample(["2024-01-01"]))
    for count in (3, 6):
        made = api.collect()
        assert made.raw.units() == [f"ORDNTMTRNSPORTGENRLTM, all {count} rows"]
        api.fake.rows += gyeonggi.sample([f"2024-0{count}-01"]).rows
    api.fake.rows = []
    with pytest.raises(DataError, match="no row of the years"):
        api.collect()
    assert made.raw.units() == ["ORDNTMTRNSPORTGENRLTM, all 6 rows"]


def test_gyeonggi_without_rows_or_with_two_different_ones(serve):
    api = serve("gyeonggi", gyeonggi.Gyeonggi())
    with pytest.raises(DataError, match="no row of the years"):
        api.collect()
    api.fake.rows = [gyeonggi.row("4302-03", "2024-01-01", 1), gyeonggi.row("4302-03", "2024-01-01", 1, 7)]
    with pytest.raises(DataError, match="4302-03, 2024-01-01, UPNDW_CD 1: two different rows"):
        api.collect()


# --- expressway


def test_expressway_sums_lanes_of_an_office_and_strips_codes(serve):
    api = serve("expressway", expressway.sample())
    made = api.collect()
    found = values(made.part("2024-05"))
    assert found["101 in", "05-02 13:00"] == 1240 and found["101 out", "05-02 13:00"] == 907
    assert found["105 in", "05-02 13:00"] == 50 and np.isnan(found["105 out", "05-02 13:00"]) and len(found) == 4
    assert made.parts["2024-05"]["notes"] == {"counts read as missing": 1}
    sent = api.server.requests[0].params
    assert (sent["tmType"], sent["exDivCode"], sent["pageNo"], sent["type"]) == ("1", "00", "1", "json")


def test_expressway_an_interval_once_kept_stays(serve):
    api = serve("expressway", expressway.sample())
    api.collect()
    before = files()
    api.fake.rows["trafficIc"][0] = expressway.row("101", 0, 1, "9,999")
    api.collect()
    assert files() == before
    api.fake.now = ("20240502", "1500")
    made = api.collect()
    found = values(made.part("2024-05"))
    assert found["101 in", "05-02 13:00"] == 1240 and found["101 in", "05-02 14:00"] == 11233
    api.fake.now = ("20240601", "0000")  # the end of the last hour of May
    assert values(api.collect().part("2024-05"))["105 in", "05-31 23:00"] == 50


@pytest.mark.parametrize("interval, stamp, time, begins", [
    ("1", "end", "1400", "05-02 13:00"), ("1", "start", "1400", "05-02 14:00"), ("1", "end", "14", "05-02 13:00"),
    ("1", "end", "2400", "05-02 23:00"), ("2", "end", "1415", "05-02 14:00"), ("2", "start", "1415", "05-02 14:15"),
])  # fmt: skip
def test_expressway_stamp_is_a_setting(serve, interval, stamp, time, begins):
    api = serve("expressway", expressway.sample(("20240502", time)))
    made = api.collect(interval=interval, stamp=stamp)
    assert {key[1] for key in values(made.part("2024-05"))} == {begins}
    assert made.manifest["frequency"] == {"1": "h", "2": "15min"}[interval]


@pytest.mark.parametrize("interval, time", [("1", "1415"), ("2", "1407"), ("1", "xx00"), ("1", "2500"), ("1", "140")])
def test_expressway_times_that_cannot_be_are_refused(serve, interval, time):
    api = serve("expressway", expressway.sample(("20240502", time)))
    with pytest.raises(DataError, match=f"sumTm '{time}'"):
        api.collect(interval=interval)
    assert files() == {}


def test_expressway_chooses_rows_itself(serve):
    fake = expressway.sample()
    fake.rows["trafficIc"].append(expressway.row("101", 0, 1, "77", operator="01"))
    api = serve("expressway", fake)
    made = api.collect(offices="101", in_out="in")
    assert values(made.part("2024-05")) == {("101 in", "05-02 13:00"): 1240}
    assert made.parts["2024-05"]["notes"]["rows not asked for"] == 5
    every = values(api.collect("every", operator="").part("2024-05"))
    assert every["00-101 in", "05-02 13:00"] == 1240 and every["01-101 in", "05-02 13:00"] == 77


def test_expressway_offices_have_three_digits_and_must_be_there(serve):
    fake = expressway.sample()
    fake.rows["trafficIc"].append(expressway.row("013", 0, 1, "77"))
    api = serve("expressway", fake)
    with pytest.raises(DataError, match="the office '777' is not among the 3 there are; near it: 013"):
        api.collect(offices="13,777")
    assert files() == {}
    assert values(api.collect(offices="13").part("2024-05")) == {("013 in", "05-02 13:00"): 77}
    api.fake.rows["trafficIc"], api.fake.now = fake.rows["trafficIc"][:-1], ("20240502", "1500")
    assert len(api.collect(offices="13").part("2024-05")) == 1  # shut for an hour


def test_expressway_a_count_that_may_be_that_of_a_page_is_refused(serve):
    api = serve("expressway", expressway.sample())
    with pytest.raises(DataError, match="count is 6, as many as a page holds.*another page_size"):
        api.collect(page_size="6")
    assert files() == {} and len(api.collect(page_size="7").part("2024-05")) == 4


def test_expressway_all_offices_together(serve):
    rows = [{"exDivCode": "00", "tcsType": t, "carType": c, "trafficAmout": "1,000"} for t in "12" for c in "123"]
    api = serve("expressway", expressway.Expressway(rows={"trafficAll": rows}))
    assert values(api.collect(what="trafficAll").part("2024-05")) == {("00", "05-02 13:00"): 6000}


def test_expressway_nothing_now_is_no_part(serve):
    api = serve("expressway", expressway.sample())
    api.collect()
    before = files()
    api.server.routes.clear()
    api.server.routes["/"] = lambda request: Reply({"code": "NO_DATA", "message": "", "count": 0})
    api.collect()
    assert files() == before
    with pytest.raises(DataError, match="gave nothing"):
        api.collect("other")


def test_expressway_an_interval_that_turns_between_pages_is_asked_for_again(serve):
    api = serve("expressway", expressway.sample())
    turn = api.fake.answer

    def answer(request):
        if len(api.server.requests) == 2:  # the second page of the first chain
            api.fake.now = ("20240502", "1500")
        return turn(request)

    api.server.routes = dict.fromkeys(api.server.routes, answer)
    table = api.collect(page_size="3").part("2024-05")
    assert len(table) == 4 and set(table["time"]) == {pd.Timestamp("2024-05-02 14:00")}
