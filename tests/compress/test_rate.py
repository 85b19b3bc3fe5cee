"""The price of a bit: what it estimates, what it brings about, and that the file holds what was trained."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from litecast import modelfile, models
from litecast.codecs import Product
from litecast.compress import Task, clone, rate
from litecast.compress.quantisers import LowRank, Unbounded
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import Budget

BUDGET = Budget(steps=60, batch=32, lr=5e-3)


@pytest.fixture(scope="module")
def data():
    hours = np.arange(24 * 7 * 8)
    week = 50 + 20 * np.sin(2 * np.pi * hours / 24) + 5 * (hours // 24 % 7)
    noise = np.random.default_rng(0).normal(0, 2, (len(hours), 3))
    times = pd.date_range("2024-01-01", periods=len(hours), freq="h")
    frame = pd.DataFrame(week[:, None] * [1, 2, 3] + noise, times, ["a", "b", "c"])
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), frame))


def network(data, name="profile_mlp", width=8):
    return models.build(name, width, data).eval()


def compressed(data, price, variant="factors", name="profile_mlp", control="", seed=0):
    return rate.compress(Task(network(data, name), data, BUDGET, seed, price, variant, control=control))


def stored(made, data, folder):
    path, file = folder / "made.safetensors", made.files["entropy"]
    size = modelfile.save(path, made.model, file.codecs, modelfile.Card.of(data), file.held)
    return size, modelfile.load(path)


@pytest.mark.parametrize("spread", [0.1, 0.5, 3.0, 40.0])
def test_bits_are_those_of_a_laplace_distribution(spread):
    codes = torch.tensor([0.0, 0.3, -0.49, 0.5, 1.0, -2.0, 7.0], dtype=torch.float64)
    said = stats.laplace(scale=spread)
    expected = -np.log2(said.cdf(codes.numpy() + 0.5) - said.cdf(codes.numpy() - 0.5))
    held = expected < 25  # of what is likely at all
    found = rate.bits(codes, torch.tensor(spread, dtype=torch.float64)).numpy()
    assert np.allclose(found[held], expected[held], rtol=1e-6)


def test_bits_and_their_gradient_are_finite_however_far():
    codes = torch.tensor([0.0, 0.5, 3.0, 400.0, -1e5], requires_grad=True)
    found = rate.bits(codes, torch.tensor(rate.LEAST))
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(codes.grad).all() and codes.grad[2] > 0 > codes.grad[4]


def test_what_is_expected_of_a_code_is_separable():
    codes = torch.outer(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -5.0, 1.0])) * 2
    assert torch.allclose(rate.spread(codes), codes.abs())
    assert torch.allclose(rate.spread(torch.tensor([1.0, -3.0])), torch.tensor(2.0))
    assert rate.spread(torch.zeros(3, 4)).unique().tolist() == pytest.approx([rate.LEAST])


@pytest.mark.parametrize("name, variant", [
    ("profile_mlp", "factors"), ("profile_mlp@fixed", "factors"), ("profile_mlp", "values"),
    ("profile_linear", "factors"), ("lstm", "factors"), ("resnet1d@own", "factors"), ("nbeats@shared", "factors")])
def test_the_file_holds_what_was_trained_bit_for_bit(data, tmp_path, name, variant):
    made = compressed(data, 0.01, variant, name)
    _, loaded = stored(made, data, tmp_path)
    for key, value in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[key], value), key
    factors = made.model.usual is not None and variant == "factors"
    assert [isinstance(held, Product) for held in made.files["entropy"].held.values()].count(True) == factors


def test_a_higher_price_makes_a_smaller_file(data, tmp_path):
    sizes = [stored(compressed(data, price), data, tmp_path)[0] for price in (0.001, 0.02, 0.3)]
    assert sizes[0] > 1.1 * sizes[1] > 1.1**2 * sizes[2]


def test_looks_are_judged_with_the_price():
    model = torch.nn.Linear(4, 3)
    rule = rate.Priced({n: Unbounded(p) for n, p in model.named_parameters()}, 0.5)
    rule.prepare(model)
    assert rule.judged(1.0) == pytest.approx(1 + 0.5 * rule.mean_bits(False).item())
    scaled = [rule.quantisers[n].scaled(p)[0].round() for n, p in model.named_parameters()]
    by_hand = sum(rate.bits(codes, rate.spread(raw)).sum() for codes, raw in zip(
        scaled, [rule.quantisers[n].scaled(p)[0] for n, p in model.named_parameters()], strict=True)) / 15
    assert rule.mean_bits(False).item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_untrained_is_the_start_in_the_steps_that_were_learnt(data):
    made, control = compressed(data, 0.02), compressed(data, 0.02, control="untrained")
    start = dict(network(data).named_parameters())
    for name, held in control.files["entropy"].held.items():
        if name != "usual.table":
            same = made.files["entropy"].held[name]
            assert np.array_equal(held.scale, same.scale)
            assert np.abs(held.values() - start[name].detach().numpy()).max() <= 0.51 * held.scale[0]
    assert any(not np.array_equal(h.codes, made.files["entropy"].held[n].codes)
               for n, h in control.files["entropy"].held.items() if n != "usual.table")


def test_the_start_is_left_as_it_is_and_the_same_seed_gives_the_same_codes(data):
    model = network(data)
    before = clone(model).state_dict()
    task = Task(model, data, BUDGET, 3, 0.01, "factors")
    first, again = rate.compress(task), rate.compress(task)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(torch.equal(first.model.state_dict()[k], v) for k, v in again.model.state_dict().items())


def test_the_story_counts_what_is_held(data):
    made = compressed(data, 0.02)
    story = made.story.set_index("layer")
    assert story.weights.sum() == sum(p.numel() for p in made.model.parameters())
    codes = made.files["entropy"].held["first.weight"].codes
    assert story.zero["first.weight"] == pytest.approx((codes == 0).mean())
    assert isinstance(rate.of(clone(made.model), "factors")["usual.table"], LowRank)
