"""The seed technique: equal codebooks whatever makes them, zeros that stay, and files that are the network exactly."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import modelfile, models
from litecast.compress import Task, intervals, matrices, sequence
from litecast.compress import magnitude_pruning as pruning
from litecast.compress import statistical_quantization as technique
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import Budget, cost

BUDGET = Budget(steps=60, batch=16, lr=1e-2, retrain_steps=12)
CODEBOOKS = ("sigma", "midpoints", "auto", "kmeans", "exact", "mixture", "uniform")
ORDERS = ("independent", "corrected", "forward", "backward", "random", "instant", "calibrated")


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def network(data, family="lstm"):
    """As after a training: some layers start with zeros, which would be taken for pruned ones."""
    model = models.build(family, 8, data, 0).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name in matrices.of(model):
            weight = model.get_parameter(name)
            weight += 0.02 * torch.randn(weight.shape, generator=draw)
    return model


def compress(data, variant, level=8, family="lstm", model=None, seed=0):
    model = model or network(data, family)
    return model, technique.compress(Task(model, data, BUDGET, seed, level, variant))


def stored(data, made, path):
    file = made.files["codebook"]
    modelfile.save(path, made.model, file.codecs, modelfile.Card.of(data), file.held)
    return modelfile.load(path)


def test_every_codebook_goes_with_every_order():
    assert {f"{book}-{order}" for book in CODEBOOKS for order in ORDERS} <= set(technique.VARIANTS)
    assert len(set(technique.VARIANTS)) == len(technique.VARIANTS)
    assert all(variant.split("-")[2:] in ([], ["moves"]) for variant in technique.VARIANTS)


@pytest.mark.parametrize("family", models.names())
def test_the_file_is_the_network_bit_for_bit(data, family, tmp_path):
    start, made = compress(data, "sigma-forward", family=family)
    held = stored(data, made, tmp_path / "m")
    for name, value in made.model.state_dict().items():
        assert torch.equal(held.model.state_dict()[name], value), name
    for name, weight in matrices.of(made.model).items():
        meta = held.tensors[name]
        assert meta["codec"] == "codebook" and meta["entries"] <= 8 and len(weight.unique()) == meta["entries"]
        bits = max(1, (meta["entries"] - 1).bit_length())
        assert meta["bytes"] == 2 * meta["entries"] + -(-weight.numel() * bits // 8)
    assert made.spent.steps == BUDGET.retrain_steps and not made.masks


@pytest.mark.parametrize("variant", [*(f"{book}-forward" for book in CODEBOOKS), *(f"exact-{o}" for o in ORDERS),
                                     "sigma-forward-moves", "kmeans-independent-moves"])  # fmt: skip
def test_all_have_equal_codebooks_layers_and_updates(data, variant, tmp_path):
    start, made = compress(data, variant, level=16)
    held = stored(data, made, tmp_path / "m")
    assert all(torch.equal(held.model.state_dict()[n], v) for n, v in made.model.state_dict().items())
    coded = {name: meta["entries"] for name, meta in held.tensors.items() if meta["codec"] == "codebook"}
    assert coded.keys() == matrices.of(start).keys()
    most = intervals.FINEST if variant.startswith("auto") else 16
    assert all(2 <= entries <= most for entries in coded.values())
    trained = variant.split("-")[1] not in ("instant", "calibrated")
    assert made.spent.steps == trained * BUDGET.retrain_steps
    layers = made.story[made.story.told == "layer"]
    assert [coded[layer.partition("[")[0]] for layer in layers.layer] == layers.codes.tolist()
    assert (made.story.told == "step").any() == trained


def test_looking_at_the_layers_is_counted(data):
    start, made = compress(data, "sigma-instant", family="nbeats")
    layers = len(matrices.of(start))
    windows = min(technique.CALIBRATION, len(data.origins("train")) * data.C)
    assert made.spent.macs == (1 + layers) * windows * cost.profile(start).macs
    assert made.spent.steps == 0 and len(made.story) == layers


def test_nothing_is_trained_by_the_instant_one_and_only_biases_move_in_the_calibrated_one(data):
    start, made = compress(data, "exact-instant")
    _, calibrated = compress(data, "exact-calibrated")
    for name, weight in matrices.of(start).items():
        codes, table = technique.codebook(weight, "exact", 8)
        assert torch.equal(made.model.get_parameter(name), table[codes])
        assert torch.equal(calibrated.model.get_parameter(name), table[codes])
    moved = {name for name, value in start.named_parameters()
             if not torch.equal(value.half().float(), calibrated.model.get_parameter(name))}
    assert moved >= {"lstm.bias_ih_l0", "lstm.bias_hh_l0", "head.hidden.bias", "head.out.bias"}
    same = {n for n, v in start.named_parameters() if torch.equal(v.half().float(), made.model.get_parameter(n))}
    assert same >= moved - matrices.of(start).keys()


def test_the_optimum_errs_least_and_sigma_less_than_midpoints(data):
    weight = torch.from_numpy(np.random.default_rng(3).laplace(size=(40, 50)).astype(np.float32))
    errors = {}
    for method in CODEBOOKS:
        codes, table = technique.codebook(weight, method, 16)
        assert torch.equal(table, table.half().float()) and len(table) <= 64 if method == "auto" else len(table) <= 16
        errors[method] = float((table[codes] - weight).square().mean())
    others = [errors[m] for m in CODEBOOKS if m not in ("exact", "auto")]
    assert errors["exact"] <= min(others) + 1e-6 and errors["sigma"] < errors["midpoints"] < errors["uniform"]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 999), cut=st.floats(0, 1), entries=st.sampled_from([3, 4, 8, 16]),
       method=st.sampled_from(["sigma", "midpoints", "auto", "uniform", "kmeans"]))
def test_zeros_stay_zero_and_no_other_weight_becomes_one_of_them(seed, cut, entries, method):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(12, 9)).astype(np.float32)
    values[draw.random(values.shape) < cut] = 0
    weight = torch.from_numpy(values)
    codes, table = technique.codebook(weight, method, entries)
    back = table[codes]
    assert (back[weight == 0] == 0).all() and len(table) <= (2 * intervals.FINEST + 1 if method == "auto" else entries)
    if (weight == 0).any():
        assert table[0] == 0 and torch.equal(codes == 0, weight == 0)
    if method in ("sigma", "midpoints", "auto") and (weight == 0).any():
        assert torch.equal(back.sign(), weight.sign())  # each sign has its own entries


def test_each_sign_has_its_own_statistics():
    draw = np.random.default_rng(0)
    values = np.concatenate([np.zeros(900), draw.normal(5, 1, 60), draw.normal(-1, 0.1, 40)]).astype(np.float32)
    codes, table = technique.codebook(torch.from_numpy(values), "sigma", 8)
    assert table[0] == 0 and (table < 0).sum() == 3 and (table > 0).sum() == 4  # what cannot be halved: to the more
    for sign, entries in ((values < 0, 3), (values > 0, 4)):
        own, wanted = intervals.sigma(values[sign], entries)
        assert np.allclose(table[codes][sign], wanted[own], rtol=2**-10)


@pytest.mark.parametrize("variant", ["sigma-forward", "sigma-forward-moves", "exact-random", "sigma-calibrated"])
def test_behind_pruning_zeros_survive_training_and_file(data, variant, tmp_path):
    model = network(data)
    pruned = pruning.compress(Task(model, data, BUDGET, 0, 0.8, "global"))
    _, made = compress(data, variant, model=pruned.model)
    held = stored(data, made, tmp_path / "m")
    for name, mask in pruned.masks.items():
        weight = held.model.get_parameter(name)
        assert (weight == 0)[~mask].all() and torch.equal(weight, made.model.get_parameter(name))
        assert len(weight.unique()) <= 8 and torch.equal(made.masks[name], mask)
    assert held.tensors["lstm.weight_hh_l0"]["values"]["codec"] == "codebook"


def test_the_same_seed_gives_the_same_file(data, tmp_path):
    model = network(data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for run in "ab":
        stored(data, compress(data, "sigma-random", model=model)[1], tmp_path / run)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_layers_take_their_turns_in_the_order_of_the_variant(data):
    for order in sequence.ORDERS:
        start, made = compress(data, f"sigma-{order}", family="nbeats")
        wanted = [piece.name for piece in sequence.pieces(start, order, 0)]
        assert made.story[made.story.told == "layer"].layer.tolist() == wanted
