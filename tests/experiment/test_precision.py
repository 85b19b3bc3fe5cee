"""Training in low precision: one network, four ways, and the bytes of a step."""

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment import precision
from litecast.experiment.look import Look
from litecast.training import cost

BUDGET = training.Budget(steps=60, batch=16, lr=5e-3, retrain_steps=8)


@pytest.fixture(scope="module")
def data():
    cycle = 30 * np.sin(np.arange(300) * np.pi / 12)[:, None] * [1, -1]
    values = 100 + cycle + np.random.default_rng(0).normal(0, 2, (300, 2))
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


@pytest.mark.parametrize("family", ["nbeats", "lstm", "resnet1d"])
def test_the_same_network_is_trained_in_each_way(data, family):
    model, error = models.build(family, 4, data, 0), Look(data).error
    found = precision.trained(model, data, BUDGET, 7, error)
    assert list(found.index) == list(precision.WAYS)
    torch.manual_seed(7)
    plain = models.rebuild(models.describe(model))
    training.fit(plain, data, BUDGET.of_steps(8), 7)
    assert found.val_wape["float32"] == pytest.approx(error(plain), rel=1e-6)
    assert found.val_wape.nunique() == len(found) and (found.val_wape < 2 * found.val_wape.min()).all()
    params = cost.profile(model).params
    assert found.weights.tolist() == [4 * params] * 4 and found.optimiser.tolist() == [8 * params] * 4
    assert found.gradients.tolist() == [4 * params, 4 * params, params, params // 2]
    assert found.activations["bfloat16 products"] < found.activations["float32"] == found.activations["4 bit gradients"]
    assert (found.train_gmacs == 8 * 16 * 3 * cost.profile(model).macs / 1e9).all()
    assert torch.backends.mkldnn.enabled and not torch.is_autocast_enabled("cpu")


def test_activations_are_what_a_backward_pass_needs(data):
    """Of one linear map: its input, and what normalised windows were divided by."""
    model = models.build("nlinear", 1, data, 0)
    linear = 16 * data.L * 4
    assert linear <= precision.activations(model, data, 16) <= 3 * linear
    assert precision.activations(model, data, 32) == 2 * precision.activations(model, data, 16)
