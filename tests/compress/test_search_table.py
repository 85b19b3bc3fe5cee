"""The table of all networks: killed and taken up, replayed, and what it says of luck, by hand."""

import numpy as np
import pandas as pd
import pytest

from litecast import models, results, search
from litecast.compress import Task, search_table
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment import searches, work
from litecast.experiment.look import Look
from litecast.results import searches as kept
from litecast.search import Knob, Space, replay
from litecast.training import Budget

BUDGET = Budget(steps=8, batch=16, lr=5e-3)
SPACE = Space((Knob("a", tuple(range(8))), Knob("b", (1, 2, 3))))
PARAMETERS = {"study": "tiny", "dataset": "made-up", "model": "profile_mlp", "seed": 0, "levels": [0.03],
              "variants": [], "steps": 8, "batch": 16, "lr": 5e-3, "train_windows": 0, "loss": "mae"}  # fmt: skip


def frame():
    values = 50 + np.random.default_rng(0).normal(0, 2, (400, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, ["a", "b"]))


@pytest.fixture(scope="module")
def data():
    return prepare(frame())


def task(data, trail=None):
    start = models.build("profile_mlp", 8, data)
    return Task(start, data, BUDGET, 0, 0.03, "profile", look=Look(data), trail=trail)


def made_up(noise=0.0) -> pd.DataFrame:
    """Two draws of a table: larger errs less, 'a' costs; the second draw is the first with noise."""
    draw, lines = np.random.default_rng(0), []
    for at in (0, 1):
        for number, point in enumerate(SPACE.points(), 1):
            a, b = SPACE.read(point).values()
            error = 0.05 + 0.05 / (1 + a * b) + noise * draw.normal()
            lines.append({"draw": at, "number": number, "error": error, "cost": 100.0 * (1 + a) + b, "macs": 7,
                          "seconds": 0.5})
    return pd.DataFrame(lines)


def test_every_network_is_trained_twice_and_both_are_counted(data, tmp_path):
    asked = task(data, tmp_path / "table.csv")
    made = search_table.compress(asked)
    assert len(made.story) == 8 and made.files == {} and made.parents == ()
    pair = made.story.pivot(index="number", columns="draw", values=["error", "cost"])
    assert (pair["cost"][0] == pair["cost"][1]).all() and (pair["error"][0] != pair["error"][1]).all()
    assert made.spent.macs + asked.look.spent.macs == made.story.macs.sum() and made.spent.steps == 8 * 2
    again = task(data, tmp_path / "table.csv")
    taken_up = search_table.compress(again)
    assert again.look.spent.macs == 0 and taken_up.spent.macs == made.story.macs.sum()
    pd.testing.assert_frame_equal(taken_up.story[made.story.columns], made.story)


def test_every_search_is_replayed(monkeypatch):
    monkeypatch.setattr(replay, "REPLAYS", 2)
    proposers = {getattr(method, "func", method) for method in search_table.METHODS.values()}
    assert {search.module(name).propose for name in search.names()} <= proposers, "METHODS lacks a search"
    lines = search_table.replays(SPACE, made_up())
    assert set(lines.search) == set(search_table.METHODS) and set(lines.draw) == {0, 1}
    assert set(lines.evaluations) == {10, 20, 24} and lines.volume.between(0, 1 + 1e-9).all()
    assert lines.groupby(["search", "draw"]).seed.nunique().eq(2).all()
    assert (lines[lines.search == "random"].macs == 7 * lines[lines.search == "random"].unique).all()


def test_agreement_and_optimism_by_hand():
    assert search_table.agreement(made_up()) == pytest.approx(1)
    assert (search_table.optimism(made_up()).too_good.abs() < 1e-12).all()
    luck = search_table.optimism(made_up(noise=0.01))
    assert list(luck["best of"]) == [1, 10, 24] and luck.too_good.is_monotonic_increasing
    assert luck.too_good.iloc[0] == pytest.approx(0, abs=0.02) and luck.too_good.iloc[-1] > 0.05


def test_a_target_that_is_hit_needs_one_search(monkeypatch):
    monkeypatch.setattr(search_table, "MOST", 3)
    known = search_table.of_draw(SPACE, made_up(), 0)
    found = {reward: [search_table.reruns(SPACE, known, 402.0, reward, seed)[0] for seed in range(2)]
             for reward in ("absolute", "soft")}  # fmt: skip
    assert np.mean(found["absolute"]) <= np.mean(found["soft"])
    assert all(1 <= count <= search_table.MOST for counts in found.values() for count in counts)


def test_the_run_keeps_table_and_replays_and_results_reads_them(monkeypatch):
    monkeypatch.setattr(replay, "REPLAYS", 2)
    monkeypatch.setattr(work, "load", lambda *_: frame())
    made = searches.Searches(PARAMETERS)
    made.sweep()
    assert "hypervolume" in made.saw()
    lines, table = kept.replays("tiny"), pd.read_csv(made.run.dir / kept.TABLE)
    assert set(kept.MANY) <= set(lines.columns) and len(table) == 8 and set(table.draw) == {0, 1}
    assert results.collect("tiny").empty or "search_table" not in set(results.collect("tiny").technique)
    volumes = kept.volumes(lines)
    assert set(volumes.search) == set(search_table.METHODS) and (volumes.low <= volumes.high).all()


def test_without_a_table_there_is_nothing():
    assert kept.replays("none-such").empty
