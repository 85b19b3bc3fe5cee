"""The HTTP client against a server that fails in every way a line can fail."""

import logging
from urllib.parse import quote

import pytest
from fakes.clock import FakeClock
from fakes.loopback import Loopback, Reply

from litecast.collect import http
from litecast.errors import DataError

KEY = "SECRETKEY+/=가"


@pytest.fixture
def server():
    with Loopback() as loopback:
        loopback.routes["/data"] = lambda request: Reply({"path": request.path, "params": request.params})
        yield loopback


def client(server, **options) -> http.Client:
    return http.Client(server.url, FakeClock(), [KEY], **{"timeout_s": 0.3} | options)


def test_an_answer_tells_request_time_and_body(server):
    answer = client(server).get("/data", {"page": 1})
    assert answer.json() == {"path": "/data", "params": {"page": "1"}}
    assert (answer.request, answer.time) == (f"GET {server.url}/data?page=1", "2026-01-15T10:00:00")


@pytest.mark.parametrize("fault", ["timeout", "cut", "refused", "status:429", "status:503"])
def test_a_fault_of_the_line_is_tried_again(server, fault):
    server.fault(fault, times=2)
    one = client(server)
    assert one.get("/data").json()["path"] == "/data"
    assert len(server.requests) == 3
    assert one.clock.slept == [1, 2]


@pytest.mark.parametrize("fault", ["timeout", "cut", "refused", "status:503"])
def test_a_line_that_stays_broken_ends_in_what_to_do(server, fault):
    server.fault(fault, times=9)
    with pytest.raises(DataError, match=r"GET http://127.*/data: .*3 times in a row.*run the same command again"):
        client(server, tries=3).get("/data")
    assert len(server.requests) == 3


def test_nobody_there():
    with pytest.raises(DataError, match="ConnectError"):
        http.Client("http://127.0.0.1:9", FakeClock(), tries=2).get("/x")


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 500])
def test_other_errors_are_not_repeated(server, status):
    server.fault(f"status:{status}")
    with pytest.raises(DataError, match=f"HTTP {status}.*'busy'"):
        client(server).get("/data")
    assert len(server.requests) == 1


def test_pace_is_kept_between_requests(server):
    one = client(server, pace_s=0.5)
    for _ in range(3):
        one.get("/data")
    assert one.clock.slept == [0.5, 0.5]


def test_a_judge_may_ask_for_another_try_and_how_long_to_wait(server):
    turns = []

    def judge(answer):
        turns.append(answer)
        if len(turns) < 3:
            raise http.Again("busy", wait_s=7)

    one = client(server, judge=judge)
    one.get("/data")
    assert len(turns) == 3 and one.clock.slept == [7, 7]


@pytest.mark.parametrize("fault, read, says", [
    ("html", "json", "no JSON but an HTML page"), ("html", "xml", "no XML but an HTML page"),
    ("empty", "json", "no JSON but empty"), ("garbage", "json", "not text in utf-8"), ("garbage", "xml", "no XML but"),
])  # fmt: skip
def test_a_body_of_another_kind_is_named(server, fault, read, says):
    server.fault(fault)
    answer = client(server).get("/data")
    with pytest.raises(DataError, match=says) as caught:
        getattr(answer, read)()
    assert answer.request in str(caught.value)


def test_no_key_is_ever_shown(server, caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    def echo(request):
        seen.append(request)
        return Reply(f"bad key {KEY} {request.path}", 400, {"x-echo": quote(KEY)}, "text/plain")

    server.routes[f"/{KEY}"] = echo
    with client(server) as one:
        one.judge = lambda answer: None
        answer = one.get(f"/{KEY}/list", {"serviceKey": KEY})
        one.judge = http.plain
        with pytest.raises(DataError) as caught:
            one.get(f"/{KEY}/list", {"serviceKey": KEY})
    assert seen[0].params == {"serviceKey": KEY}, "the provider gets the key as it is"
    everything = f"{answer} {caught.value} {caplog.text} {[record.__dict__ for record in caplog.records]}"
    assert "SECRETKEY" not in everything
    assert answer.request.count("***") == 2


def test_a_token_of_the_way_is_a_secret_too(server):
    one = client(server)
    token = one.secret("TOKEN123")
    server.routes["/data"] = lambda request: Reply({"token": request.headers["authorization"]})
    assert one.get("/data", headers={"authorization": token}).json() == {"token": "***"}


def test_a_trial_key_is_no_secret():
    """Cutting "test" out of every answer would damage what is collected."""
    assert http.redact("latest test of SECRETKEY1", ["test", "SECRETKEY1"]) == "latest test of ***"
