"""Rules of a training: each does what it says, alone and together, and costs what it says."""

import numpy as np
import pytest
import torch
from test_training import BUDGET, dataset, weights

from litecast import models, training
from litecast.compress.quantisers import Uniform
from litecast.models import base
from litecast.training import Average, Budget, Distil, FakeQuantise, Mask, Penalty, Rule, Schedule, Spent, cost
from litecast.training.rules import QuantiseGradients


def trained(*rules, family="nbeats", budget=BUDGET, seed=0):
    data = dataset()
    model = models.build(family, 4, data, 0)
    return model, training.fit(model, data, budget, seed, *rules)


class Spy(Rule):
    """Writes down when it is asked."""

    reads = frozenset({"cells"})

    def __init__(self):
        self.calls, self.shares = [], []

    def prepare(self, model):
        self.calls.append("prepare")

    def loss(self, loss, window, y, yhat):
        x, z, series, cells = window
        assert x.shape == (16, 24, 1) and z.shape[1] == 30 and y.shape == yhat.shape == (16, 6, 1)
        assert series is None and cells.shape == (16, 30)  # N-BEATS reads neither, this rule the cells
        self.calls.append("loss")
        return loss

    def after_step(self, share):
        self.calls.append("step")
        self.shares.append(share)

    def finish(self, model):
        self.calls.append("finish")

    def macs(self):
        return 7


def test_a_rule_is_asked_at_each_of_its_points_and_changes_nothing_by_itself():
    spy = Spy()
    (plain, bare), (watched, fit) = trained(), trained(spy)
    assert torch.equal(weights(plain), weights(watched)) and bare.log.equals(fit.log)
    steps = BUDGET.steps
    assert spy.calls == ["prepare", *["loss", "step"] * steps, "finish"]
    np.testing.assert_allclose(spy.shares, np.arange(1, steps + 1) / steps)
    assert fit.spent.macs == bare.spent.macs + 7 * steps * BUDGET.batch


def test_spent_adds_up_and_what_is_not_known_stays_unknown():
    both = Spent(3, 10, 1.5, 7.0) + Spent(4, 20, 0.5, 2.0)
    assert both == Spent(7, 30, 2.0, 7.0)
    assert np.isnan((Spent(peak_mb=float("nan")) + Spent(peak_mb=1.0)).peak_mb)
    assert np.isnan((Spent(peak_mb=1.0) + Spent(peak_mb=float("nan"))).peak_mb)


def test_training_again_takes_half_the_rate_and_its_own_steps():
    budget = Budget(100, batch=7, lr=0.1, retrain_steps=30)
    assert budget.again() == Budget(30, batch=7, lr=0.05, retrain_steps=30)
    assert budget.again(5).steps == 5 and budget.of_steps(0).steps == 1


# ---- masks, schedules, penalties

def test_a_schedule_moves_from_start_to_end_by_its_curve():
    seen = []
    trained(Schedule(seen.append, 0.0, 0.8), budget=Budget(4, 16))
    np.testing.assert_allclose(seen, [0, *(0.8 * (1 - (1 - s) ** 3) for s in (0.25, 0.5, 0.75, 1))])
    seen.clear()
    trained(Schedule(seen.append, 4, 2, lambda share: share), budget=Budget(2, 16))
    assert seen == [4, 3, 2]


def test_a_penalty_draws_weights_towards_what_it_likes():
    size = lambda model: sum(p.abs().sum() for p in model.parameters())  # noqa: E731
    (free, _), (drawn, fit) = trained(), trained(Penalty(size, 0.05))
    assert weights(drawn).abs().sum() < 0.95 * weights(free).abs().sum()
    assert fit.log.val_loss.iloc[0] == trained()[1].log.val_loss.iloc[0], "validation is judged without the penalty"


def test_rules_hold_together():
    data = dataset()
    model = models.build("nbeats", 4, data, 0)
    masks = {n: torch.rand(p.shape, generator=torch.Generator().manual_seed(1)) < 0.5
             for n, p in model.named_parameters() if p.ndim == 2}  # fmt: skip
    rule = FakeQuantise({n: Uniform(4, axis=0) for n in masks})
    training.fit(model, data, BUDGET, 0, Mask(masks), rule, Average(0.9))
    state = dict(model.named_parameters())
    for name, mask in masks.items():
        assert (state[name][~mask] == 0).all() and (state[name] != 0).any()
        assert len(state[name][0].unique()) <= 15


# ---- the average

def test_the_average_of_the_weights_is_judged_and_kept():
    data, seen = dataset(), []

    class Steps(Rule):
        def prepare(self, model):
            self.model = model
            seen.append(weights(model).cpu().clone())

        def after_step(self, share):
            seen.append(weights(self.model).cpu().clone())

    model = models.build("nbeats", 4, data, 0)
    fit = training.fit(model, data, Budget(3, 16), 0, Average(0.5), Steps())
    mean, averages = seen[0], [seen[0]]
    for count, own in enumerate(seen[1:], 1):
        decay = min(0.5, (1 + count) / (10 + count))
        mean = decay * mean + (1 - decay) * own
        averages.append(mean)
    torch.testing.assert_close(weights(model), averages[fit.best_step])
    assert not torch.allclose(weights(model), seen[fit.best_step])


# ---- quantisation

@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("axis", [None, 0])
def test_uniform_values_are_steps_times_codes_and_the_largest_is_exact(bits, axis):
    values = torch.randn(5, 7, generator=torch.Generator().manual_seed(bits))
    q = Uniform(bits, axis)
    codes, steps, top = q.codes(values), q.steps(values), 2 ** (bits - 1) - 1
    assert codes.abs().max() == top and len(steps) == (5 if axis == 0 else 1)
    assert torch.equal(q(values), steps.reshape(-1, 1) * codes)
    assert (q(values) - values).abs().max() <= steps.max() / 2 * 1.0001
    assert torch.equal(q(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_gradients_pass_straight_through():
    values = torch.randn(3, 4, requires_grad=True)
    Uniform(4)(values).sum().backward()
    torch.testing.assert_close(values.grad, torch.ones(3, 4))


def test_the_gradient_of_a_learned_step_is_that_of_the_paper():
    values = torch.tensor([[0.9, -0.26, 0.04, 2.0]])
    q = Uniform(3, learned=True)
    q(values)  # the step follows from the weights once
    assert q.steps(values).item() == pytest.approx(2.0 / 3, rel=0.05), "that of least squared error"
    with torch.no_grad():
        q.log_step.fill_(np.log(0.5))
    q(values).sum().backward()
    ratio = values / 0.5
    inside = (ratio.round() - ratio)[ratio.abs() <= 3].sum()
    expected = (inside + 3 * (ratio > 3).sum()) / (values.numel() * 3) ** 0.5
    assert q.log_step.grad.item() == pytest.approx(0.5 * expected.item(), rel=1e-5), "of a logarithm"


@pytest.mark.parametrize("family", ["nbeats", "lstm", "gru", "patchtst", "resnet1d"])
@pytest.mark.parametrize("learned", [False, True])
def test_what_is_trained_quantised_is_what_is_left(family, learned):
    data = dataset()
    model = models.build(family, 4, data, 0)
    rule = FakeQuantise({n: Uniform(3, 0, learned) for n, p in model.named_parameters() if p.ndim >= 2})
    fit = training.fit(model, data, BUDGET, 0, rule)
    state = dict(model.named_parameters())
    for name, q in rule.quantisers.items():
        values = state[name].detach()
        assert len(values.unique()) <= 7 * len(values) and values.unique().numel() > 1
        codes, steps = q.codes(values), q.steps(values).reshape(-1, *[1] * (values.ndim - 1))
        torch.testing.assert_close(steps * codes, values, rtol=1e-6, atol=0)  # quantised again: the same
    val = training.windows.pairs(data, "val", 4000, None)
    again = training.loop._look(model, training.Windows(data), val, "mae", (), [], 0)
    assert again[0] == pytest.approx(fit.log.val_loss.min(), rel=1e-5), "what was judged is what is kept"


def test_activations_are_quantised_while_training_and_hooks_are_gone_after():
    data, seen = dataset(), []
    model = models.build("nbeats", 4, data, 0)
    q = Uniform(4)
    q.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0] - out).abs().max().item()))
    training.fit(model, data, Budget(3, 16), 0, FakeQuantise({}, {"blocks.0.second": q}))
    assert len(seen) > 3 and max(seen) > 0
    count = len(seen)
    training.predict(model, data, data.origins("test"))
    assert len(seen) == count


# ---- teachers

def test_a_teacher_draws_the_student_to_its_forecasts_and_is_counted_and_left_as_it_is():
    data = dataset()
    teacher = models.build("lstm", 8, data, 5)
    before = weights(teacher).clone()
    origins = data.origins("test")
    said = training.predict(teacher, data, origins)
    gaps = {}
    for share in (0.0, 1.0):
        model, fit = trained(Distil([teacher], share), budget=Budget(60, 32, lr=5e-3))
        gaps[share] = np.abs(training.predict(model, data, origins) - said).mean()
        own = 3 * cost.profile(model).macs + cost.profile(teacher).macs
        assert fit.spent.macs == 60 * 32 * own
    assert gaps[1.0] < 0.5 * gaps[0.0]
    assert torch.equal(weights(teacher), before) and not any(p.grad is not None for p in teacher.parameters())
    plain = trained(budget=Budget(60, 32, lr=5e-3))[0]
    silent = trained(Distil([teacher], 0.0), budget=Budget(60, 32, lr=5e-3))[0]
    torch.testing.assert_close(weights(plain), weights(silent))


def test_two_teachers_speak_with_their_mean():
    teachers = [models.build("nbeats", 4, dataset(), seed) for seed in (1, 2)]
    rule = Distil(teachers, 1.0, "mse")
    rule.prepare(teachers[0])
    window = base.example(teachers[0].config, 5)
    with torch.no_grad():
        mean = (teachers[0](*window) + teachers[1](*window)) / 2
    yhat = torch.zeros(5, 6, 1)
    torch.testing.assert_close(rule.loss(torch.tensor(9.0), window, None, yhat), mean.square().mean())


@pytest.mark.parametrize("teacher, reads", [("nbeats", {"z"}), ("nlinear@own", {"series", "cells"})])
def test_a_student_learns_from_a_teacher_that_reads_what_it_does_not(teacher, reads):
    data = dataset()
    student, teacher = models.build("dlinear", 1, data, 0), models.build(teacher, 4, data, 0)
    assert student.reads == set() and reads <= teacher.reads
    fit = training.fit(student, data, Budget(3, 16), 0, Distil([teacher]))
    assert np.isfinite(fit.log.val_loss).all()


def test_a_fixed_week_is_not_trained_by_any_rule():
    """Also not by weight decay, nor by the rounding of an average."""
    data = dataset()
    model = models.build("profile_mlp@fixed", 4, data, 0)
    before = model.usual.table.clone()
    rule = FakeQuantise({"first.weight": Uniform(4)})
    training.fit(model, data, Budget(12, 16, lr=0.05), 0, rule, Average(0.9))
    assert torch.equal(model.usual.table, before) and not model.usual.table.requires_grad


# ---- gradients in few bits

@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_quantised_gradient_is_on_the_grid_and_right_on_average(bits):
    gradient = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    rule = QuantiseGradients(bits)
    rule.prepare(torch.nn.Linear(1, 1))
    step = gradient.abs().max() / (2 ** (bits - 1) - 1)
    draws = torch.stack([rule.rounded(gradient) for _ in range(4000)]).double()
    codes = draws / step.double()
    torch.testing.assert_close(codes, codes.round(), atol=1e-4, rtol=0)
    assert (draws - gradient).abs().max() < step * 1.0001, "one of the two levels around it"
    share = (gradient.double() / step).frac().abs()
    error = (step * (share * (1 - share) / len(draws)).sqrt()).double()  # standard error of a mean of two levels
    assert ((draws.mean(0) - gradient).abs() <= 5 * error + 1e-6).all()
    assert torch.equal(rule.rounded(torch.zeros(3)), torch.zeros(3))


def test_training_sees_the_quantised_gradients_and_hooks_are_gone_after():
    data, rule = dataset(), QuantiseGradients(2, seed=3)
    model = models.build("lstm", 4, data, 0)
    seen, rounded = [], rule.rounded
    rule.rounded = lambda gradient: seen.append(rounded(gradient)) or seen[-1]
    training.fit(model, data, Budget(2, 16), 0, rule)
    assert len(seen) == 2 * len(list(model.parameters())) and all(len(g.abs().unique()) <= 2 for g in seen)
    count = len(seen)
    model(*base.example(model.config, 3)).sum().backward()
    assert len(seen) == count
