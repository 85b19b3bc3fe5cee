"""Signs and three values: after the papers' formulas, which layers, how many bytes, and the file bit for bit."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import modelfile, models
from litecast.compress import Task, calibration, matrices
from litecast.compress import binary_ternary as technique
from litecast.compress.quantisers import Binary, Ternary
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import StudyError
from litecast.models import wrappers
from litecast.training import Budget

BUDGET = Budget(steps=30, batch=16, lr=1e-2, retrain_steps=6)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def compress(model, level, variant, data, control=""):
    return technique.compress(Task(model, data, BUDGET, 0, level, variant, control=control))


def stored(made, data, tmp_path):
    file = made.files["packed"]
    modelfile.save(tmp_path / "m", made.model, file.codecs, modelfile.Card.of(data), file.held)
    return modelfile.load(tmp_path / "m")


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slope(function, at, step=1e-6):
    """Numerical gradient, float64, of a function of an array."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        more, less = at.copy(), at.copy()
        more[place] += step
        less[place] -= step
        found[place] = (function(more) - function(less)) / (2 * step)
    return found


# ---- one bit

def test_binary_values_are_signs_times_the_mean_magnitude_and_no_scale_is_better():
    weight = draw(4, 3, 5)
    values = Binary()(weight)
    size = weight.abs().mean((1, 2), keepdim=True)
    torch.testing.assert_close(values, torch.where(weight >= 0, size, -size), rtol=2.0**-11, atol=0)
    for factor in (0.9, 1.1):
        assert (weight - values).square().sum() < (weight - factor * values).square().sum()
    assert np.array_equal(Binary().held(weight).values(), values.numpy())
    assert Binary()(torch.zeros(1, 2)).tolist() == [[0, 0]]


def test_the_gradient_of_a_binary_weight_is_that_of_the_papers_approximation():
    """Signs are taken as clip(w, -1, 1) where they are differentiated, their scale as the mean magnitude it is."""
    weight, up = 1.2 * draw(3, 8), draw(3, 8, seed=1)
    leaf = weight.clone().requires_grad_()
    (Binary()(leaf) * up).sum().backward()
    w, g = weight.double().numpy(), up.double().numpy()
    size = np.abs(w).mean(1, keepdims=True)
    by_hand = g * size * (np.abs(w) <= 1) + np.sign(w) / 8 * (g * np.sign(w)).sum(1, keepdims=True)
    np.testing.assert_allclose(leaf.grad, by_hand, rtol=1e-3, atol=1e-5)
    signs = np.sign(w)
    numerical = slope(lambda v: (g * signs * np.abs(v).mean(1, keepdims=True)).sum(), w)
    numerical += slope(lambda v: (g * size * np.clip(v, -1, 1)).sum(), w)
    np.testing.assert_allclose(leaf.grad, numerical, rtol=1e-3, atol=1e-5)


# ---- three values

def test_ternary_values_by_hand():
    q = Ternary(edge=0.25)
    values = q(torch.tensor([[4.0, 0.9, -2.0], [1.0, -1.5, 2.0]]))  # 1 is not beyond a quarter of 4
    torch.testing.assert_close(values, torch.tensor([[3.0, 0, -1.75], [0, -1.75, 3.0]]))
    assert q.codes.tolist() == [[1, 0, -1], [0, -1, 1]]
    held = q.held(torch.zeros(2, 3))
    assert np.array_equal(held.values(), values.detach().numpy()) and len(held.scale) == len(held.negative) == 1


def test_gradients_of_a_ternary_weight_and_of_its_scales_are_those_of_the_paper():
    weight, up, q = draw(5, 9), draw(5, 9, seed=1), Ternary(edge=0.2)
    q(weight)
    with torch.no_grad():
        q.log_pair.copy_(torch.tensor([0.5, 0.25]).log())
    leaf = weight.clone().requires_grad_()
    (q(leaf) * up).sum().backward()
    w, g = weight.double().numpy(), up.double().numpy()
    edge = 0.2 * np.abs(w).max()
    plus, minus = w > edge, w < -edge
    np.testing.assert_allclose(leaf.grad, g * np.where(plus, 0.5, np.where(minus, 0.25, 1)), rtol=1e-5)
    numerical = slope(lambda pair: (g * (pair[0] * plus - pair[1] * minus)).sum(), np.array([0.5, 0.25]))
    np.testing.assert_allclose(numerical, [g[plus].sum(), -g[minus].sum()], rtol=1e-6)
    np.testing.assert_allclose(q.log_pair.grad, numerical * [0.5, 0.25], rtol=1e-4)  # of logarithms


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), edge=st.floats(0.01, 0.99), sign=st.sampled_from([None, 1, -1]))
def test_ternary_weights_have_three_values_whatever_the_signs(seed, edge, sign):
    weight = draw(4, 6, seed=seed)
    weight = weight if sign is None else sign * weight.abs()
    q = Ternary(edge)
    values = q(weight).detach()
    assert torch.isfinite(values).all() and np.array_equal(q.held(weight).values(), values.numpy())
    assert torch.equal(values == 0, weight.abs() <= edge * weight.abs().max())
    assert torch.equal(values.sign(), weight.sign() * (values != 0))


# ---- which layers

@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 50), min_size=3, max_size=8), share=st.floats(0.01, 1))
def test_the_largest_inner_layers_just_reach_the_share(sizes, share):
    weights = {f"l{i}": torch.zeros(size, 1) for i, size in enumerate(sizes)}
    low = technique.chosen(weights, share)
    inner = {name: w.numel() for name, w in list(weights.items())[1:-1]}
    held = [inner[name] for name in low]
    assert sum(held) >= share * sum(inner.values()) - 1e-6 and sum(held[:-1]) < share * sum(inner.values())
    assert min(held) >= max([size for name, size in inner.items() if name not in low], default=0)
    assert set(technique.chosen(weights, 1, ends=True)) == set(weights)


def test_a_network_without_an_inner_layer_is_refused(data):
    with pytest.raises(StudyError, match="has 2: take one with a layer between"):
        compress(models.build("dlinear", 1, data, 0), 1.0, "bwn", data)


@pytest.mark.parametrize("family", ["nbeats", "lstm@own", "resnet1d", "patchtst", "gru"])
@pytest.mark.parametrize("variant", technique.VARIANTS)
def test_the_file_is_the_network_bit_for_bit_its_ends_in_eight_bits(data, tmp_path, family, variant):
    model = models.build(family, 4, data, 0).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = compress(model, 1.0, variant, data)
    loaded = stored(made, data, tmp_path)
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value), name
    window = calibration.windows(data, model, 0)
    with torch.inference_mode():
        assert torch.equal(loaded.model(*window), made.model(*window))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items()), "start is left"
    first, *inner, last = matrices.of(model)
    kinds = {name: tensor["codec"] for name, tensor in loaded.tensors.items()}
    assert {kinds[first], kinds[last]} == {"intn"} and loaded.tensors[first]["bits"] == 8
    assert {kinds[name] for name in inner} == {"ternary" if variant == "ttq" else "binary"}
    values = {name: matrices.of(loaded.model)[name] for name in inner}
    if variant == "ttq":
        assert all(len(w.unique()) <= 3 for w in values.values())
    else:
        assert all(len(row.abs().unique()) == 1 for w in values.values() for row in w)
    everything = compress(model, 1.0, variant, data, control="ends")
    low = {name for name, tensor in stored(everything, data, tmp_path).tensors.items()
           if tensor["codec"] in ("binary", "ternary")}
    assert low == {first, *inner, last}


def test_inputs_are_one_bit_where_the_layer_is_given_them_and_for_xnor_only(data):
    model = models.build("lstm", 4, data, 0)
    assert wrappers.attached(compress(model, 1.0, "bwn", data).model) == {}
    made = compress(model, 1.0, "xnor", data)
    assert wrappers.attached(made.model) == {"head.hidden": {"bits": 1}}, "the state of a recurrence is none"
    told = made.story.set_index("layer").inputs
    assert told["head.hidden.weight"] == "one bit" and (told.drop("head.hidden.weight") == "as they are").all()
    assert "lstm" in wrappers.attached(compress(model, 1.0, "xnor", data, control="ends").model)


@pytest.mark.parametrize("variant, least", [("bwn", 25), ("ttq", 14)])
def test_layers_are_as_many_times_smaller_as_the_arithmetic_says(data, tmp_path, variant, least):
    config = models.module("nbeats").Config.of_width(128, L=128, H=24, F=0)
    model = models.module("nbeats").Model(config)
    weights, tensors = matrices.of(model), {}
    quantiser, codec, _, _ = technique.WAYS[variant]
    for name, weight in weights.items():
        q = quantiser()
        q(weight)
        held = q.held(weight)
        tensors[name] = len(modelfile.codecs.encode(held, {"codec": codec})[0])
    made = compress(models.build("nbeats", 4, data, 0), 1.0, variant, data).story
    bits = {"bwn": 1.0, "ttq": 1.6}[variant]
    rows = [(w.numel(), bits, {"bwn": len(w), "ttq": 2}[variant]) for w in weights.values()]
    said = technique.times(pd.DataFrame(rows, columns=["weights", "bits", "scales"]))
    for (name, weight), factor in zip(weights.items(), said, strict=True):
        assert weight[0].numel() >= 128 and factor >= least
        assert 4 * weight.numel() / tensors[name] == pytest.approx(factor, rel=1e-3), name
    assert made.times.equals(technique.times(made))
