"""Which weights go, how many, and that they stay away: in training and in the file."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import modelfile, models, training
from litecast.compress import Task, matrices
from litecast.compress import magnitude_pruning as pruning
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import LitecastError
from litecast.training import Budget, cost

BUDGET = Budget(steps=60, batch=16, lr=1e-2, retrain_steps=6)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def network(data, family="lstm", seed=0):
    return models.build(family, 8, data, seed).eval()


def compress(model, level, variant, data, budget=BUDGET):
    control = variant if variant in pruning.CONTROLS else ""
    return pruning.compress(Task(model, data, budget, 0, level, "global" if control else variant, control=control))


def zeros(masks):
    return sum(int((~mask).sum()) for mask in masks.values())


@settings(deadline=None, max_examples=40)
@given(level=st.floats(0, 1), variant=st.sampled_from(["global", "layer", "random", "block"]))
def test_exactly_the_share_of_the_level_goes(level, variant):
    model = models.module("lstm").Model(models.module("lstm").Config.of_width(5, L=24, H=6))
    masks, sizes = pruning.keep(model, level, variant, 0), {n: w.numel() for n, w in matrices.of(model).items()}
    assert {n: mask.shape for n, mask in masks.items()} == {n: w.shape for n, w in matrices.of(model).items()}
    if variant == "layer":
        assert {n: zeros({n: mask}) for n, mask in masks.items()} == {n: round(level * k) for n, k in sizes.items()}
    elif variant == "block":
        assert 0 <= round(level * sum(sizes.values())) - zeros(masks) < pruning.BLOCK**2
    else:
        assert zeros(masks) == round(level * sum(sizes.values()))


@pytest.mark.parametrize("family", models.names())
def test_the_smallest_weights_go_over_the_whole_network_or_in_each_layer(data, family):
    model = network(data, family)
    weights = matrices.of(model)
    masks = pruning.keep(model, 0.8, "global", 0)
    gone = torch.cat([weights[n].abs()[~mask] for n, mask in masks.items()])
    kept = torch.cat([weights[n].abs()[mask] for n, mask in masks.items()])
    assert gone.max() <= kept.min()
    for name, mask in pruning.keep(model, 0.8, "layer", 0).items():
        if mask.any():  # a tensor of two weights loses both
            assert weights[name].abs()[~mask].max() <= weights[name].abs()[mask].min()


@pytest.mark.parametrize("family", models.names())
def test_biases_norms_and_positions_stay(data, family):
    names = set(matrices.of(network(data, family)))
    rest = dict(network(data, family).named_parameters()).keys() - names
    assert all("weight" in n and "norm" not in n for n in names)
    assert all("bias" in n or "norm" in n or "position" in n or n == "usual.table" for n in rest)


def test_the_usual_week_is_neither_cut_nor_stored_sparsely(data, tmp_path):
    model = network(data, "lstm@own")
    week = model.usual.table.clone()
    made = compress(model, 0.9, "global", data)
    assert (made.model.usual.table != 0).all() and "usual.table" not in made.masks
    for storage, bits in (("float32", 32), ("int8", 8)):
        file = made.files[storage]
        modelfile.save(tmp_path / "m", made.model, file.codecs, modelfile.Card.of(data), file.held)
        stored = modelfile.load(tmp_path / "m").tensors["usual.table"]
        assert stored["codec"] == ("float32" if bits == 32 else "intn")
        assert stored["bytes"] == week.numel() * bits // 8 + 2 * len(week) * (bits == 8)


def test_a_random_choice_is_seeded_and_knows_nothing_of_the_weights(data):
    model = network(data, seed=3)
    masks, again, other = (pruning.keep(model, 0.5, "random", seed) for seed in (3, 3, 4))
    assert all(torch.equal(masks[n], again[n]) for n in masks)
    assert not all(torch.equal(masks[n], other[n]) for n in masks)
    # also not of the numbers that drew them, though both come of the seed of the run
    for seed in range(3):
        fresh = network(data, seed=seed)
        for name, mask in pruning.keep(fresh, 0.5, "random", seed).items():
            values = matrices.of(fresh)[name].flatten()
            assert abs(np.corrcoef(mask.flatten(), values)[0, 1]) < 4 / len(values) ** 0.5
            assert abs(np.corrcoef(mask.flatten(), values.abs())[0, 1]) < 4 / len(values) ** 0.5


@pytest.mark.parametrize("variant", [*pruning.CHAIN, "random"])
def test_levels_are_nested_when_each_starts_from_the_one_before(data, variant):
    model, gone = network(data), {}
    for level in (0.3, 0.6, 0.9):
        made = compress(model, level, variant, data)
        now = {n: w == 0 for n, w in matrices.of(made.model).items()}
        assert all(now[n][before].all() for n, before in gone.items())
        total = sum(mask.numel() for mask in now.values())
        wanted = sum(round(level * m.numel()) for m in now.values()) if variant == "layer" else round(level * total)
        short = wanted - sum(int(mask.sum()) for mask in now.values())
        assert 0 <= short < pruning.BLOCK**2 if variant == "block" else short == 0
        model, gone = made.model, now


@pytest.mark.parametrize("family, variant", [(name, "global") for name in models.names()] + [
    ("lstm", name) for name in (*pruning.VARIANTS[1:], "random", "rewound", "redrawn")])  # fmt: skip
def test_zeros_survive_retraining_and_the_file(data, family, variant, tmp_path):
    model = network(data, family)
    made = compress(model, 0.7, variant, data)
    masks = made.masks
    assert list(made.files) == list(pruning.STORAGES)
    if variant in ("global", "layer", "block", "random"):
        wanted = pruning.keep(model, 0.7, variant, 0)
        assert made.spent.steps == 6 and all(torch.equal(masks[name], mask) for name, mask in wanted.items())
    for storage, file in made.files.items():
        modelfile.save(tmp_path / storage, made.model, file.codecs, modelfile.Card.of(data), file.held)
        held = dict(modelfile.load(tmp_path / storage).model.named_parameters())
        for name, mask in masks.items():
            assert (held[name] == 0)[~mask].all()
            if storage == "float32":
                assert torch.equal(held[name] != 0, mask) and torch.equal(held[name], made.model.get_parameter(name))
    told = made.story.set_index("layer").kept.to_dict()
    assert told == {n: pytest.approx(float(mask.float().mean())) for n, mask in masks.items()}


def test_more_zeros_make_smaller_files(data, tmp_path):
    model, sizes = network(data), []
    for level in (0.5, 0.8, 0.95):
        made = compress(model, level, "global", data)
        card, path = modelfile.Card.of(data), tmp_path / "m"
        sizes.append([modelfile.save(path, made.model, f.codecs, card, f.held) for f in made.files.values()])
    assert all(sizes[i][s] > sizes[i + 1][s] for i in (0, 1) for s in (0, 1))
    assert all(size[0] > size[1] for size in sizes)  # int8 below float32


def test_the_original_stays_as_it_is(data):
    model = network(data)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    made = compress(model, 0.9, "global", data)
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())
    assert not torch.equal(made.model.get_parameter("lstm.weight_ih_l0"), before["lstm.weight_ih_l0"])


def test_the_weights_that_stay_are_trained(data):
    model = network(data)
    made = compress(model, 0.5, "global", data, Budget(1, batch=16, lr=1e-2, retrain_steps=40))
    mask = pruning.keep(model, 0.5, "global", 0)["head.out.weight"]
    moved = made.model.get_parameter("head.out.weight") - model.get_parameter("head.out.weight")
    assert moved[mask].abs().max() > 1e-4


# ---- blocks


def test_blocks_have_the_mean_of_their_scores_smaller_ones_at_the_edges():
    score = torch.tensor([[1.0, 3, 5], [2, 2, 7], [4, 8, 9]])
    wanted = torch.tensor([[2.0, 2, 6], [2, 2, 6], [6, 6, 9]])
    assert torch.equal(pruning.in_blocks(score, 2), wanted)
    assert torch.equal(pruning.in_blocks(score.reshape(3, 1, 3), 2), wanted.reshape(3, 1, 3))  # a kernel
    assert pruning.in_blocks(score, 8).unique().tolist() == [pytest.approx(41 / 9)]


def test_blocks_go_as_a_whole_the_smallest_means_first(data):
    model = network(data)
    masks = pruning.keep(model, 0.6, "block", 0)
    weights, means = matrices.of(model), {}
    for name, mask in masks.items():
        rows, cut = weights[name].flatten(1).abs().numpy(), mask.flatten(1).numpy()
        for top in range(0, len(rows), pruning.BLOCK):
            for left in range(0, rows.shape[1], pruning.BLOCK):
                at = slice(top, top + pruning.BLOCK), slice(left, left + pruning.BLOCK)
                assert cut[at].all() or not cut[at].any()
                means.setdefault(bool(cut[at].all()), []).append(rows[at].mean())
    assert max(means[False]) < min(means[True])


# ---- scores of a gradient


def test_first_order_scores_are_the_products_of_weights_and_gradients_and_their_batches_are_counted(data):
    model = network(data)
    task = Task(model, data, BUDGET, 0, 0.5, "taylor")
    scores, spent = pruning.first_order(task)
    assert spent.steps == 0
    assert spent.macs == pruning.SCORING * BUDGET.batch * training.BACKWARD * cost.profile(model).macs

    class Seen(training.Rule):  # the gradients of a training that goes nowhere, summed by another way
        def prepare(self, model):
            self.total = {name: 0 for name in matrices.of(model)}
            for name in self.total:
                model.get_parameter(name).register_hook(lambda g, name=name: self.add(name, g))

        def add(self, name, gradient):
            self.total[name] = self.total[name] + (gradient.double() * model.get_parameter(name).double()).abs()

    seen, still = Seen(), Budget(pruning.SCORING, BUDGET.batch, lr=0.0)
    copy = network(data)
    training.fit(copy, data, still, 0, seen)
    assert all(torch.equal(a, b) for a, b in zip(copy.parameters(), model.parameters(), strict=True))
    for name, score in scores.items():  # of gradients as they are, not as they are clipped
        np.testing.assert_allclose(score, seen.total[name].detach(), rtol=1e-4, atol=1e-9)


def test_chance_beside_blocks_takes_blocks(data):
    made = pruning.compress(Task(network(data), data, BUDGET, 0, 0.5, "block", control="random"))
    for mask in made.masks.values():
        torch.testing.assert_close(pruning.in_blocks(mask.float()), mask.float())  # a block is whole or gone
    assert any(not mask.all() for mask in made.masks.values())


def test_first_order_scores_let_those_go_first_that_change_no_forecast(data):
    model = network(data, "nbeats")
    dead = torch.nn.Parameter(10 * torch.ones(6, 5))  # the largest of all
    model.register_parameter("unused_weight", dead)
    scores, _ = pruning.first_order(Task(model, data, BUDGET, 0, 0.5, "taylor"))
    assert (scores["unused_weight"] == 0).all()
    with torch.no_grad():
        dead[0] = 0
    scores, _ = pruning.first_order(Task(model, data, BUDGET, 0, 0.5, "taylor"))
    assert (scores["unused_weight"][0] == -1).all() and (scores["unused_weight"][1:] == 0).all()


# ---- cut while it trains


class Watched(training.Rule):
    """The masks of a ramp after each step."""

    def __init__(self, ramp):
        self.ramp, self.seen = ramp, []

    def after_step(self, share):
        self.seen.append({name: mask.clone() for name, mask in self.ramp.masks.items()})


def ramped(data, kind, steps=100):
    model, ramp = network(data), kind(0.8)
    watched = Watched(ramp)
    return model, ramp, watched, training.fit(model, data, Budget(steps, batch=16, lr=1e-2), 0, ramp, watched)


@pytest.mark.parametrize("kind", [pruning.Ramp, pruning.Movement])
def test_zeros_rise_by_the_cubic_and_then_stay(data, kind):
    model, ramp, watched, fit = ramped(data, kind)
    count = sum(w.numel() for w in matrices.of(model).values())
    rising = pruning.RAMP * 100
    for step, masks in enumerate(watched.seen, 1):
        cuts = min(pruning.CUTS, int(pruning.CUTS * (step / 100) / pruning.RAMP))
        assert zeros(masks) == round(0.8 * (1 - (1 - cuts / pruning.CUTS) ** 3) * count)
    assert 0 < zeros(watched.seen[5]) < zeros(watched.seen[20]) < zeros(watched.seen[-1]) == round(0.8 * count)
    assert all(torch.equal(ramp.masks[n], watched.seen[int(rising)][n]) for n in ramp.masks)
    assert all(torch.equal(w != 0, ramp.masks[n]) for n, w in matrices.of(model).items())
    assert fit.best_step >= rising and np.isinf(fit.log.val_loss[fit.log.step < rising]).all()


def test_what_gradual_pruning_cut_stays_so_and_what_movement_cut_may_come_back(data):
    def back(kind):
        seen = ramped(data, kind)[2].seen
        return sum(int((now[n] & ~before[n]).sum()) for before, now in zip(seen, seen[1:], strict=False) for n in now)

    assert back(pruning.Ramp) == 0 < back(pruning.Movement)


def test_the_loss_of_the_best_weights_is_that_of_the_network_handed_back(data):
    model, _, _, fit = ramped(data, pruning.Movement)
    again = training.fit(model, data, Budget(1, batch=16, lr=0.0), 0)
    assert again.log.val_loss[0] == pytest.approx(fit.log.val_loss.min(), rel=1e-6)


def test_movement_sums_what_a_step_of_each_weight_would_add_to_its_magnitude_also_of_those_that_are_out(data):
    model, rule, x = network(data, "dlinear").double(), pruning.Movement(0.5), torch.randn(8, 24, 1).double()
    rule.prepare(model)
    name = next(iter(rule.masks))
    rule.masks[name][:, ::2] = False
    seen = rule.weights(model)
    weight = seen[name].detach().clone().requires_grad_()  # as the forward pass has it
    torch.func.functional_call(model, seen, x).square().mean().backward()
    torch.func.functional_call(model, {name: weight}, x).square().mean().backward()
    wanted = -weight.grad * model.get_parameter(name).detach()
    assert torch.allclose(rule.scores()[name], wanted, rtol=1e-9, atol=1e-15) and (wanted[:, ::2] != 0).any()
    assert (model.get_parameter(name).grad[:, ::2] == 0).all()  # those wait
    with torch.inference_mode():
        rule.weights(model)  # a look adds nothing
    assert torch.allclose(rule.scores()[name], wanted, rtol=1e-9, atol=1e-15)


# ---- how long, and from where


@pytest.mark.parametrize("level, rounds", [(0.3, 1), (0.5, 1), (0.7, 2), (0.8, 2), (0.95, 4), (0.98, 5)])
def test_what_goes_straight_to_a_level_is_trained_as_long_as_the_chain(data, level, rounds):
    assert pruning.rounds(level) == rounds
    if level in (0.3, 0.95):
        for variant in ("one-shot", "gradual"):
            assert compress(network(data), level, variant, data).spent.steps == 6 * rounds
        task = Task(network(data), data, BUDGET, 0, level, "one-shot", control="random")
        assert pruning.compress(task).spent.steps == 6 * rounds  # as long as what it stands beside
    assert compress(network(data), level, "taylor", data).spent.steps == 6


@pytest.mark.parametrize("name", ["lstm", "nbeats@own", "resnet1d", "patchtst", "profile_mlp", "dlinear"])
def test_rewinding_finds_the_values_before_the_first_step(data, name):
    width = models.module(name).WIDTHS[0]
    model, fresh = models.build(name, width, data, 5), models.build(name, width, data, 5)
    training.fit(model, data, Budget(5, batch=16, lr=1e-2), 5)
    task = Task(model, data, BUDGET, 5, 0.5, "global")
    torch.rand(3)  # whatever was drawn since
    again, other = pruning.first(task, "rewound").state_dict(), pruning.first(task, "redrawn").state_dict()
    assert all(torch.equal(value, again[n]) for n, value in fresh.state_dict().items())
    assert not all(torch.equal(value, other[n]) for n, value in fresh.state_dict().items())


@pytest.mark.parametrize("control", ["rewound", "redrawn"])
def test_a_ticket_is_the_cut_of_dense_trained_as_long_as_dense_was(data, control):
    model = network(data)
    training.fit(model, data, Budget(30, batch=16, lr=1e-2), 0)
    made = compress(model, 0.6, control, data, Budget(1, batch=16, lr=0.0, retrain_steps=6))
    assert made.spent.steps == 1
    start = pruning.first(Task(model, data, BUDGET, 0, 0.6, "global"), control)
    for name, mask in pruning.keep(model, 0.6, "global", 0).items():
        assert torch.equal(made.masks[name], mask)
        assert torch.equal(made.model.get_parameter(name), start.get_parameter(name) * mask)  # the rate was 0


def test_what_another_technique_made_cannot_be_rewound(data):
    task = Task(network(data), data, BUDGET, 0, 0.5, "global", control="rewound", route=("channel_pruning",))
    with pytest.raises(LitecastError, match="channel_pruning left has no first values"):
        pruning.compress(task)
