"""Quantisers of a codebook: values, summed gradients, a fixed zero, codes that move, and one table for several."""

import numpy as np
import torch

from litecast.compress.quantisers import Codebook, Uniform, nearest
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
