"""The control from scratch: the same architecture and zeros, other weights, no more work than the route."""

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import compress, models, training
from litecast.compress import Task, channel_pruning, magnitude_pruning, matrices
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import Budget, cost

BUDGET = Budget(steps=6, batch=16, lr=1e-3, retrain_steps=6)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture(scope="module")
def dense(data):
    return models.build("lstm", 8, data, 0)


def step(model):
    return 3 * BUDGET.batch * cost.profile(model).macs


@pytest.mark.parametrize("technique", [magnitude_pruning, channel_pruning])
@pytest.mark.parametrize(("route", "cap"), [(10, 100), (37, 5), (200, 4)])  # steps of the dense network
def test_it_spends_what_the_route_cost_and_at_most_five_dense_trainings(data, dense, technique, route, cap):
    made = technique.compress(Task(dense, data, BUDGET, 0, 0.5, technique.VARIANTS[0]))
    small = made.model
    one = step(dense)
    model, fit = compress.scratch(small, made.masks, data, BUDGET, route * one, cap * one, 0)
    allowed = min(route, 5 * cap) * one
    assert allowed - step(small) < fit.spent.macs <= allowed
    assert models.describe(model) == models.describe(small)


def test_zeros_stay_zero_and_the_other_weights_are_new(data, dense):
    made = magnitude_pruning.compress(Task(dense, data, BUDGET, 0, 0.8, "global"))
    small = made.model
    model, _ = compress.scratch(small, made.masks, data, BUDGET, 20 * step(small), 20 * step(small), 0)
    pairs = dict(model.named_parameters())
    zeros = sum(int((p == 0).sum()) for p in matrices.of(small).values())
    assert zeros == round(0.8 * sum(p.numel() for p in matrices.of(dense).values()))
    for name, old in matrices.of(small).items():
        assert torch.equal(pairs[name] == 0, old == 0)
        for known in (old, dense.get_parameter(name)):
            assert not torch.isin(pairs[name][old != 0], known).any()


@pytest.mark.parametrize("technique", [magnitude_pruning, channel_pruning])
def test_it_starts_from_weights_of_its_own(data, dense, technique, monkeypatch):
    made = technique.compress(Task(dense, data, BUDGET, 0, 0.5, technique.VARIANTS[0]))
    begun, fit = {}, training.fit

    def spy(model, *given):
        begun.update({name: p.detach().clone() for name, p in model.named_parameters() if p.ndim > 1})
        return fit(model, *given)

    monkeypatch.setattr(training, "fit", spy)
    compress.scratch(made.model, made.masks, data, BUDGET, 20 * step(dense), 20 * step(dense), 0)
    assert begun
    for name, start in begun.items():
        for known in (made.model.get_parameter(name), dense.get_parameter(name)):
            assert not torch.isin(start, known[known != 0]).any(), name


def test_one_seed_one_network(data, dense):
    made = [compress.scratch(dense, {}, data, BUDGET, 8 * step(dense), 8 * step(dense), seed)[0] for seed in (0, 0, 1)]
    a, b, c = (torch.cat([p.flatten() for p in model.parameters()]) for model in made)
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_the_pruned_network_is_left_alone_and_a_route_of_nothing_is_one_step(data, dense):
    before = {n: v.clone() for n, v in dense.state_dict().items()}
    _, fit = compress.scratch(dense, {}, data, BUDGET, 1, 1, 0)
    assert fit.log.step.tolist() == [0, 1]
    assert all(torch.equal(before[n], v) for n, v in dense.state_dict().items())
