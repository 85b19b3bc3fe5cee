"""Quantisers of a codebook: values, summed gradients, a fixed zero, codes that move, and one table for several."""

import numpy as np
import pytest
import torch

from litecast.compress.quantisers import Codebook, LowRank, Unbounded, Uniform, nearest
from litecast.training import FakeQuantise

CODES = torch.tensor([[0, 1], [2, 1]])
TABLE = torch.tensor([0.0, -1.0, 2.0])


def test_values_are_those_of_the_codes_and_gradients_of_a_code_are_summed():
    q = Codebook(CODES, TABLE)
    values = q(torch.zeros(2, 2))
    assert values.tolist() == [[0, -1], [2, -1]]
    (values * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert q.table.grad.tolist() == [1, 6, 3]


def test_zero_stays_and_what_is_held_are_the_values():
    q = Codebook(CODES, torch.tensor([5.0, -1.0, 2.0]), zero=True)
    values = q(torch.zeros(2, 2))
    values.sum().backward()
    assert values[0, 0] == 0 and q.table.grad.tolist() == [0, 2, 1]
    assert np.array_equal(q.held().values(), values.detach().numpy())


def test_codes_that_move_are_the_nearest_and_the_gradient_passes():
    weight = torch.tensor([0.4, -0.6, 1.1, 0.5], requires_grad=True)
    q = Codebook(torch.zeros(4), TABLE, moves=True)
    values = q(weight)
    values.sum().backward()
    assert values.tolist() == [0, -1, 2, 0]
    assert weight.grad.tolist() == [1, 1, 1, 1] and q.table.grad.tolist() == [2, 1, 1]


def test_nearest_is_that_of_all_distances_in_any_order_of_the_table():
    values, table = torch.linspace(-3, 3, 101), torch.tensor([2.0, -1.0, 0.3, -2.2])
    gaps = (values[:, None] - table).abs()
    assert torch.equal(gaps.gather(1, nearest(values, table)[:, None])[:, 0], gaps.amin(1))


def test_a_shared_table_is_trained_once():
    first = Codebook(CODES, TABLE)
    second = Codebook(CODES.T, first.table)
    assert FakeQuantise({"a": first, "b": second}).parameters() == [first.table]
    assert second.held("t").shared == "t"


def test_integers_are_held_as_they_are_computed():
    values, q = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), Uniform(4, axis=0)
    assert np.allclose(q.held(values).values(), q(values).numpy(), atol=1e-7)


# ---- learnt steps, and tables of low rank

def test_codes_of_any_size_are_the_nearest_and_the_step_learns():
    values = torch.tensor([0.1, -0.26, 3.0], requires_grad=True)
    q = Unbounded(values, first=0.1)
    out = q(values)
    assert torch.allclose(out, torch.tensor([0.1, -0.3, 3.0]), atol=1e-6)
    out.sum().backward()
    assert torch.allclose(values.grad, torch.ones(3))  # straight through
    # d(step * round(w / step)) / d log step, with a straight round: value - w
    assert q.log_step.grad.item() == pytest.approx(float(out.sum() - values.sum()), abs=1e-5)
    held = q.held(values.detach())
    assert held.codes.tolist() == [1, -3, 30] and held.scale[0] == np.float16(0.1)


def table(rows, rank, shape=(3, 8)):
    draw = np.random.default_rng(0)
    return torch.from_numpy(draw.normal(size=(rows, rank)) @ draw.normal(size=(rank, shape[0] * shape[1]))).float()


def test_a_table_of_low_rank_is_held_as_it_is_computed():
    values = table(6, 2).reshape(18, 8)
    q = LowRank(values, (6, 3, 8), 4, first=0.01)
    held = q.held(values)
    assert held.left.shape == (6, 2) and held.right.shape == (6, 8), "patterns of no weight are left out"
    gap = np.abs(held.values() - q(values).detach().numpy()).max()
    assert gap < 2e-3 * np.abs(held.values()).max(), "but for the steps, which are float16"
    assert np.abs(held.values() - values.numpy()).max() < 0.2


def test_patterns_are_kept_by_their_cosines():
    """A pattern that is flat over days and hours is one number."""
    q = LowRank(torch.ones(4, 24), (4, 3, 8), 4)
    left, right = q.scaled(torch.ones(4, 24))
    assert (right.abs() > 1e-3).sum() == 1 and right.abs().argmax() == 0
    assert (left[:, 0].std() < 1e-4) and q.held(torch.ones(4, 24)).right.codes.any(1).sum() == 1


def test_a_table_of_nothing_keeps_one_pattern():
    held = LowRank(torch.zeros(4, 24), (4, 3, 8), 2).held(torch.zeros(4, 24))
    assert held.left.shape == (4, 1) and not held.values().any()
