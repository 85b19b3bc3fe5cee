"""What was pruned stays pruned, whatever is done next: in the network, in its file, and for the step after that."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import codecs, modelfile, models
from litecast.compress import Task, low_bit, magnitude_pruning, matrices, weight_sharing
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import Budget

BUDGET = Budget(steps=12, batch=32, lr=1e-2, retrain_steps=10)
NEXT = [  # what may follow pruning: technique, level, variant
    ("magnitude_pruning", 0.5, "global"), ("channel_pruning", 0.5, "l2"), ("distillation", 0.0, "mean"),
    ("channel_pruning", 0.5, "lasso-only"), ("low_bit", 4, "channel"), ("low_bit", 4, "gptq"), ("low_bit", 4, "lsq"),
    ("binary_ternary", 1.0, "ttq"), ("weight_sharing", 8, "kmeans"), ("weight_sharing", 8, "soft"),
    ("statistical_quantization", 8, "sigma-forward"), ("deep_compression", 0.5, "4bit"), ("rate", 0.002, "factors"),
]  # fmt: skip
EACH = pytest.mark.parametrize(("technique", "level", "variant"), NEXT, ids=[f"{n}-{v}" for n, _, v in NEXT])


@pytest.fixture(scope="module")
def data():
    """Demand of a day's shape, which is soon learned: the best weights of a training are not those it began with."""
    hours = np.arange(400)[:, None] + np.array([0, 5])
    values = 50 + 20 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0, 2, (400, 2))
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture(scope="module")
def pruned(data):
    return magnitude_pruning.compress(Task(models.build("nbeats", 16, data, 0).eval(), data, BUDGET, 0, 0.7, "global"))


def follow(pruned, data, technique, level, variant, masks=None):
    teachers = (models.build("lstm", 8, data, 5).eval(),) if technique == "distillation" else ()
    masks = pruned.masks if masks is None else masks
    task = Task(pruned.model, data, BUDGET, 0, level, variant, teachers=teachers, masks=masks)
    return import_module(f"litecast.compress.{technique}").compress(task)


@EACH
def test_what_was_pruned_stays_zero_in_every_file_and_is_handed_on(pruned, data, technique, level, variant, tmp_path):
    made = follow(pruned, data, technique, level, variant)
    assert set(made.masks) == set(pruned.masks)
    for name, mask in made.masks.items():
        weight = made.model.get_parameter(name)
        assert mask.shape == weight.shape and (weight[~mask] == 0).all(), name
        if technique != "channel_pruning":  # of fewer units
            assert not (mask & ~pruned.masks[name]).any(), f"{name}: something that was pruned is back"
    for storage, file in made.files.items():
        modelfile.save(tmp_path / storage, made.model, file.codecs, modelfile.Card.of(data), file.held)
        stored = modelfile.load(tmp_path / storage).model
        assert all((stored.get_parameter(name)[~mask] == 0).all() for name, mask in made.masks.items())


@pytest.mark.parametrize(("technique", "level", "variant"), [NEXT[2], NEXT[6], NEXT[-1]])
def test_without_masks_it_would_grow_back(pruned, data, technique, level, variant):
    made = follow(pruned, data, technique, level, variant, masks={})
    assert any((made.model.get_parameter(name)[~mask] != 0).any() for name, mask in pruned.masks.items())
    assert made.masks == {}


@pytest.mark.parametrize("variant", ["l2", "lasso", "lasso-only"])
def test_units_that_are_left_keep_their_zeros(pruned, data, variant):
    made = follow(pruned, data, "channel_pruning", 0.5, variant)
    before, left = (sum(p.numel() for p in matrices.of(one.model).values()) for one in (pruned, made))
    assert left < before and sum(int((~mask).sum()) for mask in made.masks.values()) > 0.2 * left


@pytest.mark.parametrize("variant", ["bwn", "xnor"])
def test_one_bit_has_no_zero_and_says_so(pruned, data, variant):
    made = follow(pruned, data, "binary_ternary", 1.0, variant)
    assert 0 < len(made.masks) < len(pruned.masks)  # the ends, in eight bits
    assert all((made.model.get_parameter(name)[~mask] == 0).all() for name, mask in made.masks.items())


def test_what_goes_already_is_among_what_a_level_takes(pruned):
    """0.9 over a network that has lost 0.7: exactly 0.9 are gone, the 0.7 among them; 0.5 brings none of it back."""
    total = sum(mask.numel() for mask in pruned.masks.values())
    for variant in ("global", "random"):
        for level, gone in ((0.9, 0.9), (0.5, 0.7)):
            masks = magnitude_pruning.keep(pruned.model, level, variant, 0, pruned.masks)
            assert sum(int((~mask).sum()) for mask in masks.values()) == round(gone * total)
            assert not any((mask & ~pruned.masks[name]).any() for name, mask in masks.items())


@pytest.mark.parametrize("variant", ["block", "taylor", "gradual", "movement"])
def test_pruning_goes_on_where_a_step_before_ended(pruned, data, variant):
    made = follow(pruned, data, "magnitude_pruning", 0.85, variant)
    assert not any((made.masks[name] & ~pruned.masks[name]).any() for name in pruned.masks)
    assert all((made.model.get_parameter(name)[~mask] == 0).all() for name, mask in made.masks.items())
    assert sum(int(mask.sum()) for mask in made.masks.values()) < sum(int(m.sum()) for m in pruned.masks.values())


def test_error_feedback_passes_over_what_is_pruned_and_makes_up_for_it():
    draw = torch.Generator().manual_seed(0)
    weight, x = torch.randn(200, 8, generator=draw), torch.randn(200, 8, generator=draw)
    x = x + 5 * torch.randn(200, 1, generator=draw)  # columns that know of each other
    kept = torch.rand(200, 8, generator=draw) > 0.5
    weight, steps = weight * kept, torch.full((200,), 0.4)
    codes = low_bit.feedback(weight, x.T @ x, steps, 7, kept)
    plain = (weight / steps[:, None]).round().clamp(-7, 7)
    assert (codes[~kept] == 0).all() and (low_bit.feedback(weight, x.T @ x, steps, 7)[~kept] != 0).any()
    off = [((x @ (weight - 0.4 * chosen).T) ** 2).sum() for chosen in (codes, plain)]
    assert off[0] < off[1]


def test_the_coded_file_is_the_packed_one_in_fewer_bytes(data, tmp_path):
    wide = models.build("nbeats", 64, data, 0).eval()
    pruned = magnitude_pruning.compress(Task(wide, data, BUDGET, 0, 0.8, "global"))
    made, size, models_ = follow(pruned, data, "weight_sharing", 16, "kmeans"), {}, {}
    for storage in weight_sharing.STORAGES:
        file = made.files[storage]
        size[storage] = modelfile.save(tmp_path / storage, made.model, file.codecs, modelfile.Card.of(data), file.held)
        models_[storage] = modelfile.load(tmp_path / storage).model.state_dict()
    assert size["coded"] < size["codebook"]
    assert all(torch.equal(value, models_["codebook"][name]) for name, value in models_["coded"].items())
    for name, held in made.files["coded"].held.items():
        if name in made.masks and held.table is not None:
            sizes = [len(codecs.encode(held, spec)[0]) for spec in weight_sharing.SPARSE]
            assert len(codecs.encode(held, made.files["coded"].codecs[name])[0]) <= min(sizes) + weight_sharing.TOLD
