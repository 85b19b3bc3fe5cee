"""Spaces of networks: every point is a network that can be trained and stored, and what it is told is the start's."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.compress import Task, nets, storages
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment.look import Look
from litecast.search import Goal, Purse, Trail, chance, run
from litecast.training import Budget

BUDGET = Budget(steps=2, batch=16, lr=5e-3)


def dataset(step="h", season=24, L=48, H=6, name="made-up"):  # noqa: N803
    values = 50 + np.random.default_rng(0).normal(0, 2, (500, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=500, freq=step)
    return prepare(from_wide(Header(name, "items", step, season, L, H), pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture(scope="module")
def data():
    return dataset()


def task(data, start="profile_mlp", seed=0):
    return Task(models.build(start, 8, data), data, BUDGET, seed, 4, "absolute", look=Look(data))


def test_the_profile_space_is_large_enough_for_a_table():
    assert len(nets.PROFILE.space) >= 150


@pytest.mark.parametrize("space", nets.SPACES)
@pytest.mark.parametrize("step, season", [("h", 24), ("D", 7), ("D", 1)])
def test_networks_of_any_data_can_be_built_trained_and_stored(space, step, season):
    data, draw, whole = dataset(step, season, L=30 if step == "D" else 48), np.random.default_rng(1), nets.SPACES[space]
    asked, points = task(data), [whole.space.draw(draw) for _ in range(8)]
    for point in [*points, whole.space.largest, (0,) * len(whole.space.knobs)]:
        model = nets.build(whole.space.read(point), asked)
        training.fit(model, data, BUDGET, 0)
        assert Look(data).bytes(model, storages.export(model, "int8")) > 100


def test_every_knob_says_what_it_says(data):
    values = {"hidden": 24, "embedded": 0, "waves": 6, "calendar": False, "trained": False, "patch": 0.5}
    config = nets.build(values, task(data)).config
    assert (config.hidden, config.embedded, config.waves, config.patch) == (24, 0, 6, 12)
    assert (config.F, config.trained) == (0, False)
    other = nets.build(values | {"calendar": True, "patch": 2.0, "trained": True}, task(data)).config
    assert (other.F, other.patch, other.trained) == (data.F, 24, True)  # two patches of 48 do not fit into 48 steps


def test_what_is_not_chosen_is_told_as_the_start_is(data):
    values = nets.PROFILE.space.read(nets.PROFILE.space.largest)
    start = models.build("profile_mlp@shared", 8, data)
    model = nets.build(values, replace(task(data), start=start))
    told = set(models.SHARED) - {"trained", "patch", "F"}  # which the space chooses
    assert all(getattr(model.config, name) == getattr(start.config, name) for name in told)
    assert float(model.usual.table.abs().sum()) > 0  # the usual week of train


def test_first_weights_are_the_seeds(data):
    values = nets.PROFILE.space.read(nets.PROFILE.space.largest)
    one, same, other = (nets.build(values, task(data, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one.first.weight, same.first.weight) and not torch.equal(one.first.weight, other.first.weight)


def test_a_thinned_space_is_as_small_as_asked_and_its_points_are_points():
    whole = nets.PROFILE.space
    for share in (0.001, 0.03, 0.05, 0.3, 1.0):
        small = nets.thinned(whole, share)
        assert len(small) <= max(1, share * len(whole))
        assert all(set(knob.values) <= set(of.values) for knob, of in zip(small.knobs, whole.knobs, strict=True))
    assert nets.thinned(whole, 1.0) == whole and len(nets.thinned(whole, 0.05)) == 8


@pytest.mark.parametrize("name", nets.SPACES)
def test_points_of_one_network_are_one_and_paid_for_once(name):
    whole, calls = nets.SPACES[name], []

    def price(values):
        calls.append(values)
        return {"error": 1.0, "cost": 1.0}

    trail = Trail(whole.space, price, Purse(30))
    run(nets.plainly(whole, chance.propose(whole.space, Goal(), np.random.default_rng(0))), trail)
    assert {whole.plain(one.point) for one in trail.tried} == {one.point for one in trail.tried}
    assert len(calls) == len({one.point for one in trail.tried}) == len(trail.paid)


def test_a_search_is_sent_what_it_proposed():
    whole = nets.SPACES["profile"]
    sent = []

    def proposing():
        for point in [(0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0)]:
            sent.append((yield point))

    trail = run(nets.plainly(whole, proposing()), Trail(whole.space, lambda v: {"error": 1.0, "cost": 1.0}, Purse(5)))
    assert [one.point for one in sent] == [one.point for one in trail.tried] and len(sent) == 2
