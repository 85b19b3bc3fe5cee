"""Shared weights: their files by hand, the mixture against its formula, summed gradients, zeros, what was spent."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from small_files import description

from litecast import codecs, modelfile, models, training
from litecast.compress import Task, codebooks, matrices
from litecast.compress import weight_sharing as sharing
from litecast.compress.quantisers import Codebook
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import ModelFileError
from litecast.training import Budget, cost

BUDGET = Budget(steps=60, batch=16, lr=1e-2, retrain_steps=6)
EACH = pytest.mark.parametrize("variant", sharing.VARIANTS)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def network(data, family="lstm", width=8, zeros=0.0):
    model = models.build(family, width, data, 0).eval()
    with torch.no_grad():
        for weight in matrices.of(model).values():
            weight[weight.abs() < weight.abs().quantile(zeros)] = 0
    return model


def compress(model, data, variant="kmeans", level=8, budget=BUDGET):
    return sharing.compress(Task(model, data, budget, 0, level, variant))


def save(made, data, path):
    file = made.files["codebook"]
    modelfile.save(path, made.model, file.codecs, modelfile.Card.of(data), file.held)
    return modelfile.load(path)


@EACH
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_the_file_is_the_network_bit_for_bit_and_the_same_again(data, variant, zeros, tmp_path):
    model = network(data, "lstm@own", zeros=zeros)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    made, again = compress(model, data, variant), compress(model, data, variant)
    stored = save(made, data, tmp_path / "m")
    save(again, data, tmp_path / "n")
    assert all(torch.equal(v, made.model.state_dict()[n]) for n, v in stored.model.state_dict().items())
    assert (tmp_path / "m").read_bytes() == (tmp_path / "n").read_bytes()
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())
    told = made.story.set_index("layer")
    tables = sum(length for *_, length in description(tmp_path / "m").get("tables", []))
    assert (told.codes + told.table).to_dict() == {n: stored.tensors[n]["bytes"] for n in told.index}
    assert tables == (2 * 8 * sum(set(told.dim)) if variant.endswith("-shared") else 0)  # float16, once
    for name in told.index:
        assert len(made.model.get_parameter(name).detach().reshape(-1, told.dim[name]).unique(dim=0)) <= 8


@pytest.mark.parametrize("variant", [v for v in sharing.VARIANTS if not v.startswith("product")])
def test_what_is_zero_stays_zero_and_takes_an_entry(data, variant, tmp_path):
    model = network(data, zeros=0.7)
    made = compress(model, data, variant)
    tensors = save(made, data, tmp_path / "m").tensors
    for name in made.story.layer:
        was, now = model.get_parameter(name) == 0, made.model.get_parameter(name) == 0
        assert now[was].all() and torch.equal(made.masks[name], ~now)
        assert len(made.model.get_parameter(name).unique()) <= 8
        assert tensors[name]["codec"] == "sparse" and tensors[name]["values"]["entries"] <= 8
    assert set(made.masks) == set(made.story.layer)


def test_bytes_of_a_codebook_by_hand(data, tmp_path):
    model = network(data, width=16)
    count = {name: w.numel() for name, w in matrices.of(model).items()}
    tensors = save(compress(model, data, "exact", 8), data, tmp_path / "m").tensors
    for name, n in count.items():
        assert tensors[name]["bytes"] == 2 * 8 + math.ceil(3 * n / 8) and tensors[name]["entries"] == 8
    tensors = save(compress(model, data, "exact-shared", 8), data, tmp_path / "m").tensors
    assert all(tensors[name]["bytes"] == math.ceil(3 * n / 8) for name, n in count.items())
    assert [line[3] for line in description(tmp_path / "m")["tables"]] == [16]


def test_bytes_of_product_quantisation_by_hand_and_its_table_eats_no_more_than_half_of_its_codes(data, tmp_path):
    model = network(data, width=16)
    tensors = save(compress(model, data, "product", 16), data, tmp_path / "m").tensors
    n = model.get_parameter("lstm.weight_hh_l0").numel()  # 1024: 512 pairs, 4 bits each; 16 rows of 2 halves
    assert tensors["lstm.weight_hh_l0"]["bytes"] == n // 2 * 4 // 8 + 16 * 2 * 2 == 256 + 64
    tensors = save(compress(model, data, "product", 64), data, tmp_path / "m").tensors
    assert tensors["lstm.weight_hh_l0"]["entries"] == 32  # 64 rows take 256 bytes, of 384; 32 take 128, of 320
    assert not sharing._heavy(n, 32, 2) and sharing._heavy(n, 64, 2)


def test_product_quantisation_keeps_neighbours_together(data):
    weight = torch.tensor([[1.0, 2, -1, 0], [1, 2, 1, 2]]).repeat(40, 1)
    book = sharing._product({"w": weight}, 2, "product", 0)["w"]
    assert torch.equal(book(weight), weight) and book.codes.shape == (80, 2)
    (book(weight) * weight).sum().backward()  # 120 pairs (1, 2), 40 pairs (-1, 0)
    assert sorted(book.table.grad.tolist()) == [[-40, 0], [120, 240]]


def test_codes_of_a_table_are_the_nearest_and_of_a_mixture_the_responsible(data):
    model = network(data)
    weights = matrices.of(model)
    for variant in ("kmeans", "mixture"):
        for name, book in sharing.shared(model, 8, variant, 0).items():
            values, codes = weights[name].flatten(), book.codes.flatten()
            if variant == "mixture":
                assert torch.equal(codes, torch.from_numpy(codebooks.responsible(values.numpy(), 8, 0)[1]))
            else:
                assert torch.equal(codes, (values[:, None] - book.table).abs().argmin(1))
            assert torch.equal(book.table.detach(), book.table.detach().half().float())


def test_the_exact_optimum_errs_least_in_every_layer(data):
    errors = {}
    for variant in ("kmeans", "density", "random", "exact", "mixture"):
        found = sharing.shared(network(data), 8, variant, 0)
        errors[variant] = {n: float((book(w) - w).detach().square().sum()) for n, book in found.items()
                           for w in [matrices.of(network(data))[n]]}  # fmt: skip
    errors = pd.DataFrame(errors)
    assert (errors.exact <= errors.min(axis=1) * 1.001).all()  # tables are rounded to float16
    assert errors.mixture.sum() > errors.exact.sum()


def test_codes_stay_and_the_entries_are_trained_by_summed_gradients(data):
    model = network(data)
    made = compress(model, data, "kmeans", 4, Budget(1, batch=16, lr=1e-2, retrain_steps=40))
    for name, book in sharing.shared(model, 4, "kmeans", 0).items():
        held = made.files["codebook"].held[name]
        assert np.array_equal(held.codes, book.codes) and len(held.table) == 4
    assert (made.story.moved >= made.story.error).mean() > 0.5 and (made.story.after <= made.story.before).all()
    one, two = Codebook(torch.tensor([0, 1, 1]), torch.tensor([1.0, 2.0])), torch.tensor([3.0, 5.0, 7.0])
    (one(two) * two).sum().backward()
    assert one.table.grad.tolist() == [3, 12]


def test_a_matrix_too_small_for_a_table_stays_in_float16(data, tmp_path):
    model = network(data)
    tensors = save(compress(model, data, "kmeans", 64), data, tmp_path / "m").tensors
    sizes = {name: w.numel() for name, w in matrices.of(model).items()}
    small = [name for name, n in sizes.items() if n * 6 / 8 + 128 >= 2 * n]
    assert small and all(tensors[name]["codec"] == "float16" for name in small)
    assert all(tensors[name]["codec"] == "codebook" for name in sizes.keys() - set(small))


# ---- soft weight-sharing

def reference(mixture, weights) -> float:
    """Mean of -log p(w), p a sum of normal densities, float64, as written in Ullrich et al."""
    means = [0.0, *mixture.means.tolist()]
    shares = np.exp(mixture.shares.tolist())
    shares = [sharing.ZERO, *(shares / shares.sum() * (1 - sharing.ZERO))]
    widths = np.maximum(np.exp(mixture.widths.tolist()), np.exp(mixture.floor))
    density = [sum(a * math.exp(-((w - m) ** 2) / (2 * s * s)) / (s * math.sqrt(2 * math.pi))
                   for a, m, s in zip(shares, means, widths, strict=True)) for w in weights.tolist()]  # fmt: skip
    return -float(np.log(density).mean())


def test_the_penalty_is_the_likelihood_of_the_paper_and_its_gradients_are_those_of_differences():
    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(40, generator=draw, dtype=torch.float64) / 10
    mixture = sharing.Mixture(weights, 5).double()
    with torch.no_grad():
        mixture.shares.copy_(torch.tensor([0.3, -1, 0.2, 0.5]))
        mixture.widths.add_(torch.tensor([0.2, -0.1, 0.4, 0, 0.1]))
    assert mixture(weights).item() == pytest.approx(reference(mixture, weights), rel=1e-12)
    trained = [weights.requires_grad_(), *mixture.parameters()]
    assert torch.autograd.gradcheck(lambda *_: mixture(weights), trained, eps=1e-6, atol=1e-7)
    with torch.no_grad():
        mixture.widths[0] = -50  # a component that shrinks on a single weight would gain without end
    assert mixture(weights).item() == pytest.approx(reference(mixture, weights))


def test_each_weight_takes_the_mean_of_its_most_responsible_component_and_that_is_what_is_judged(data):
    model = network(data)
    own = {name: w.clone() for name, w in matrices.of(model).items()}
    rule = sharing.SoftSharing(model, 8, "soft", 16)
    rule.prepare(model)
    with rule.looking(model):
        books = rule.books(model)
        for mixture, (name, weight) in zip(rule.mixtures, own.items(), strict=True):
            chosen = mixture.table[mixture.parts(weight.flatten()).argmax(1)].detach().half().float()
            assert torch.equal(model.get_parameter(name).detach().flatten(), chosen)
            assert torch.equal(books[name](weight), model.get_parameter(name)) and books[name].zero
    assert all(torch.equal(own[name], w) for name, w in matrices.of(model).items())


def test_training_with_a_mixture_gathers_the_weights_around_its_means(data, monkeypatch):
    far = {}
    for tau in (0.0, 1.0):
        monkeypatch.setattr(sharing, "TAU", tau)
        model = network(data)
        rule = sharing.SoftSharing(model, 4, "soft-shared", 16)
        watch = training.Rule()
        watch.after_step = lambda share, tau=tau, rule=rule, model=model: far.update({tau: distance(rule, model)})
        training.fit(model, data, Budget(80, batch=16, lr=1e-2), 0, rule, watch)
    assert far[1.0] < 0.5 * far[0.0]


@torch.no_grad()
def distance(rule, model) -> float:
    """Mean distance of a weight from the nearest mean."""
    weights = torch.cat([w.flatten() for w in matrices.of(model).values()])
    return float((weights[:, None] - rule.mixtures[0].table).abs().amin(1).mean())


def test_every_variant_trains_as_long_and_the_mixture_is_counted(data):
    model = network(data)
    window, n = cost.profile(model).macs, sum(w.numel() for w in matrices.of(model).values())
    for variant in ("exact", "soft"):
        made = compress(model, data, variant, 4)
        steps = 6 * 16 * 3 * window
        mixture = 3 * 16 * (3 * 2 * 4 * n // 16) if variant == "soft" else 0  # steps, batch; products there and back
        assert made.spent.steps == 6 and made.spent.macs == steps + mixture


@EACH
def test_weights_that_are_not_finite_are_refused(data, variant):
    model = network(data)
    with torch.no_grad():
        model.get_parameter("lstm.weight_ih_l0")[0, 0] = float("nan")
    with pytest.raises(ModelFileError, match="must be finite"):
        compress(model, data, variant)


@pytest.mark.parametrize("family", models.names())
def test_every_family_is_shared(data, family, tmp_path):
    made = compress(network(data, family), data, "exact-shared", 4)
    stored = save(made, data, tmp_path / "m")
    coded = [name for name, meta in stored.tensors.items() if codecs.precision(meta).startswith("codebook")]
    assert set(coded) == set(matrices.of(made.model)) == set(made.story.layer)
