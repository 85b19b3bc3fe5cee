"""Timing: who is called how often and in which order; quantiles by hand on a made-up clock."""

from types import SimpleNamespace

import numpy as np
import pytest

from litecast.runtimes import latency


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where a contestant says so."""
    clock = SimpleNamespace(now=0)
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter_ns=lambda: clock.now))
    return clock


def contestant(name, calls, clock, milliseconds):
    def call():
        calls.append(name)
        clock.now += int(1e6 * next(milliseconds))

    return call


def forever(value):
    while True:
        yield value


def test_everybody_is_called_in_every_round_and_the_order_turns(clock):
    calls = []
    names = ["a", "b", "c"]
    found = latency.interleave({n: contestant(n, calls, clock, forever(1)) for n in names}, runs=4, warm_up=2)
    assert {n: calls.count(n) for n in names} == dict.fromkeys(names, 4 + 2)
    rounds = ["".join(calls[i : i + 3]) for i in range(0, 18, 3)]
    assert rounds == ["bca", "cab", "abc", "bca", "cab", "abc"]
    assert found.index.tolist() == names


def test_quantiles_by_hand_without_the_warm_up(clock):
    slow = iter([99.0, 99.0, *np.arange(11.0)])  # two rounds to warm up, then 0 … 10 ms
    found = latency.interleave({"x": contestant("x", [], clock, slow), "y": contestant("y", [], clock, forever(0.25))},
                               runs=11, warm_up=2)
    assert found.columns.tolist() == ["latency_ms_p10", "latency_ms_p50", "latency_ms_p90"]
    assert found.loc["x"].tolist() == pytest.approx([1, 5, 9])
    assert found.loc["y"].tolist() == pytest.approx([0.25] * 3)


def test_by_default_two_hundred_runs_are_timed_after_twenty():
    calls = {"a": 0, "b": 0}

    def count(name):
        calls[name] += 1

    found = latency.interleave({("row", n): lambda n=n: count(n) for n in calls})
    assert calls == {"a": 220, "b": 220} and found.index.tolist() == [("row", "a"), ("row", "b")]
    assert (found.latency_ms_p10 <= found.latency_ms_p50).all() and (found.latency_ms_p50 <= found.latency_ms_p90).all()
    assert (found > 0).all(axis=None)
