"""Activation quantisers: the numbers they let through, their gradient, and what keeps working with them."""

import copy

import pytest
import torch

from litecast import models
from litecast.errors import ModelFileError
from litecast.models import wrappers
from litecast.training import cost

UNSIGNED = {"bits": 4, "scale": 0.5, "zero": 0}
SIGNED = {"bits": 4, "scale": 0.5, "zero": 8}


def network(family="lstm"):
    module = models.module(family)
    torch.manual_seed(0)
    return module.Model(module.Config.of_width(8, L=48, H=6, F=6, patch=24, anchor="mean", steps=24)).eval()


def seen(layer, quantiser, x):
    """What the layer is given."""
    found = []
    wrappers.attach(torch.nn.ModuleDict({"layer": layer}), {"layer": quantiser})
    layer.register_forward_hook(lambda layer, inputs, out: found.append(inputs[0]))
    layer(x)
    return found[0]


@pytest.mark.parametrize("quantiser, wanted", [
    (UNSIGNED, [0, 0, 0, 0.5, 1.0, 7.5]), (SIGNED, [-4.0, -0.5, 0, 0.5, 1.0, 3.5]),
    (UNSIGNED | {"bits": 8, "zero": 3}, [-1.5, -0.5, 0, 0.5, 1.0, 20.0]),
])  # fmt: skip
def test_inputs_are_rounded_by_hand(quantiser, wanted):
    x = torch.tensor([-9.0, -0.4, 0.1, 0.3, 0.9, 20.0])
    assert seen(torch.nn.Identity(), quantiser, x).tolist() == wanted


def test_the_gradient_passes_inside_the_range_only():
    x = torch.tensor([-0.4, 0.2, 3.3, 7.5, 7.6], requires_grad=True)
    seen(torch.nn.Identity(), UNSIGNED, x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_a_recurrent_layer_keeps_its_state_as_it_is():
    layer, state = torch.nn.GRU(2, 3), torch.randn(1, 1, 3)
    coarse, x = {"bits": 2, "scale": 9.0, "zero": 0}, torch.zeros(1, 1, 2)
    plain = layer(x, state)[0]
    wrappers.attach(torch.nn.ModuleDict({"layer": layer}), {"layer": coarse})
    assert torch.equal(layer(x, state)[0], plain)


def test_they_are_described_rebuilt_copied_and_replaced():
    model = network()
    plain = models.describe(model)
    assert "activations" not in plain
    wrappers.attach(model, {"lstm": SIGNED, "head.out": UNSIGNED})
    wrappers.attach(model, {"head.out": SIGNED})
    described = models.describe(model)
    assert described == plain | {"activations": {"lstm": SIGNED, "head.out": SIGNED}}
    again = models.rebuild(described)
    again.load_state_dict(model.state_dict())
    x, z = torch.randn(2, 48, 1), torch.randn(2, 54, 6)
    for other in (again.eval(), copy.deepcopy(model)):
        assert torch.equal(other(x, z), model(x, z)) and models.describe(other) == described
    wrappers.detach(again.lstm)
    assert wrappers.attached(again) == {"head.out": SIGNED} and len(wrappers.attached(model)) == 2
    assert not torch.equal(again(x, z), model(x, z))


@pytest.mark.parametrize("family", ["lstm", "tcn", "patchtst"])
def test_the_cost_is_counted_as_before(family):
    model = network(family)
    before = cost.profile(model)
    wrappers.attach(model, {name: SIGNED for name, layer in model.named_modules()
                            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.LSTM))})
    assert len(wrappers.attached(model)) >= 2 and cost.profile(model) == before


@pytest.mark.parametrize("changes", [
    {"bits": 1}, {"bits": 17}, {"bits": 4.0}, {"scale": 0}, {"scale": -1.0}, {"scale": float("nan")}, {"scale": "1"},
    {"scale": float("inf")}, {"zero": -1}, {"zero": 16}, {"zero": 0.0}, {"scale": None},
])  # fmt: skip
def test_numbers_that_mean_nothing_are_refused(changes):
    model = network()
    with pytest.raises(ValueError, match="bits 2..16"):
        wrappers.attach(model, {"lstm": UNSIGNED | changes})
    with pytest.raises(ModelFileError):
        models.rebuild(models.describe(model) | {"activations": {"lstm": UNSIGNED | changes}})


def test_layers_that_are_not_there_are_refused():
    for name in ("tail", ""):
        with pytest.raises(ValueError, match="no layer"):
            wrappers.attach(network(), {name: UNSIGNED})


def test_one_bit_is_the_side_of_the_mean_and_its_gradient_that_of_a_band():
    x = torch.tensor([[0.0, 1.0, 2.0, 9.0], [5.0, 5.0, 5.0, 5.0]], requires_grad=True)
    out = seen(torch.nn.Linear(4, 1), {"bits": 1}, x)
    assert out.tolist() == [[0.0, 0.0, 0.0, 6.0], [5.0] * 4]  # mean 3, mean distance 3
    out.sum().backward()
    assert x.grad[0].tolist() == [1, 1, 1, 0], "within 1.25 mean distances"


def test_a_convolution_has_one_mean_and_a_linear_layer_one_of_each_row():
    x = torch.arange(12.0).reshape(1, 3, 4)
    assert seen(torch.nn.Conv1d(3, 1, 1), {"bits": 1}, x).unique().tolist() == [2.5, 8.5]
    assert seen(torch.nn.Linear(4, 1), {"bits": 1}, x).tolist() == [[[r + 0.5] * 2 + [r + 2.5] * 2 for r in (0, 4, 8)]]


def test_one_bit_is_described_rebuilt_and_replaced():
    model = network()
    wrappers.attach(model, {"lstm": {"bits": 1}, "head.out": UNSIGNED})
    wrappers.attach(model, {"head.out": {"bits": 1}})
    assert wrappers.attached(model) == {"lstm": {"bits": 1}, "head.out": {"bits": 1}}
    again = models.rebuild(models.describe(model)).eval()
    again.load_state_dict(model.state_dict())
    x, z = torch.randn(2, 48, 1), torch.randn(2, 54, 6)
    assert torch.equal(again(x, z), model(x, z))
    wrappers.detach(model.lstm)
    assert wrappers.attached(model) == {"head.out": {"bits": 1}}
