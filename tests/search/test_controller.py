"""The controller: rewards by hand, its gradient against numerical ones, and that it learns what it is paid for."""

from functools import partial
from math import log

import numpy as np
import pytest
import torch

from litecast.search import Goal, Knob, Purse, Space, Trail, Tried, chance, controller, run

SPACE = Space((Knob("a", (1, 2, 4, 8)), Knob("b", (1, 2, 4)), Knob("kind", ("x", "y", "z"), ordered=False)))


def price(values: dict) -> dict:
    """Larger errs less, 'y' is best; the cost is the size."""
    size = values["a"] * values["b"]
    return {"error": 0.05 + 0.05 / size + {"x": 0.02, "y": 0.0, "z": 0.05}[values["kind"]], "cost": float(size)}


def searched(reward, seed, limit=8.0, evaluations=36):
    trail = Trail(SPACE, price, Purse(evaluations))
    return run(controller.propose(SPACE, Goal(limit), np.random.default_rng(seed), reward), trail)


# ---- rewards


@pytest.mark.parametrize("reward, cost, expected", [
    ("soft", 1000, 20.0), ("soft", 2000, 20 * 0.5**0.07), ("soft", 500, 20 * 2**0.07),
    ("hard", 1000, 20.0), ("hard", 2000, 10.0), ("hard", 500, 20.0),
    ("absolute", 1000, log(20)), ("absolute", 2000, log(20) - 0.07), ("absolute", 500, log(20) - 0.035),
])  # fmt: skip
def test_rewards_by_hand(reward, cost, expected):
    assert controller.told(Tried((0,), 0.05, cost), Goal(1000.0), reward) == pytest.approx(expected)


def test_twice_the_cost_is_worth_five_percent_of_error():
    small, large = Tried((0,), 0.05, 1000), Tried((0,), 0.05 / 1.05, 2000)
    found = [controller.told(one, Goal(1000.0), "soft") for one in (small, large)]
    assert found[0] == pytest.approx(found[1], rel=2e-3)


@pytest.mark.parametrize("reward", controller.REWARDS)
def test_without_a_limit_only_the_error_counts(reward):
    good, bad = (controller.told(Tried((0,), error, cost), Goal(), reward) for error, cost in ((0.05, 9e9), (0.06, 1)))
    assert good > bad and np.isfinite(controller.told(Tried((0,), 0.0, 0.0), Goal(1.0), reward))


# ---- gradient


def made(seed=0):
    return controller.Controller(SPACE, torch.Generator().manual_seed(seed)).double()


def sampled(model, count=6):
    with torch.no_grad():
        return model.drawn(count, torch.Generator().manual_seed(1))


def gradient(model, value) -> torch.Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(value, [*model.parameters()])])


@torch.no_grad()
def numerical(model, value, places, step=1e-6) -> torch.Tensor:
    """Central differences of `value()` along single weights."""
    flat, found = torch.nn.utils.parameters_to_vector(model.parameters()), []
    for place in places:
        ends = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[place] += sign * step
            torch.nn.utils.vector_to_parameters(moved, model.parameters())
            ends.append(float(value()))
        found.append((ends[0] - ends[1]) / (2 * step))
    torch.nn.utils.vector_to_parameters(flat, model.parameters())
    return torch.tensor(found, dtype=torch.float64)


def test_the_gradient_is_the_numerical_one_also_where_ratios_are_clipped():
    model, other = made(), made(3)
    points, _, _ = sampled(model)
    with torch.no_grad():
        before, _ = other(points)  # another controller drew them: ratios are not 1
    better = torch.tensor([2.0, -1.0, 0.5, -0.2, 1.0, -3.0], dtype=torch.float64)
    model.next[0].bias.data *= 5  # or no ratio would leave the clip
    far = ((model(points)[0] - before).exp() - 1).abs() > controller.CLIP
    assert far.any() and not far.all()

    def value():
        return controller.objective(model, points, better, before)

    exact = gradient(model, value())
    places = torch.linspace(0, len(exact) - 1, 60).long()
    torch.testing.assert_close(exact[places], numerical(model, value, places), atol=1e-7, rtol=1e-4)


def test_the_first_step_of_an_update_is_reinforce(monkeypatch):
    monkeypatch.setattr(controller, "ENTROPY", 0.0)
    model, better = made(), torch.tensor([2.0, -1.0, 0.5, -0.2, 1.0, -3.0], dtype=torch.float64)
    points, before, _ = sampled(model)
    by_hand = sum(weight * gradient(model, model(points[[at]])[0].sum()) for at, weight in enumerate(better)) / 6
    torch.testing.assert_close(gradient(model, controller.objective(model, points, better, before)), by_hand)


def test_probabilities_of_all_points_sum_to_one_and_entropy_is_their_mean():
    model, everything = made(), torch.tensor([*SPACE.points()])
    with torch.no_grad():
        logs, entropy = (part.sum(1) for part in model(everything))
    assert float(logs.exp().sum()) == pytest.approx(1)
    assert float((logs.exp() * entropy).sum()) == pytest.approx(float(-(logs.exp() * logs).sum()))
    likeliest = tuple(everything[logs.argmax()].tolist())
    assert model.likeliest() == likeliest or float(logs.exp().max()) < 0.2


def test_points_are_drawn_as_often_as_the_controller_says():
    model, everything = made(), torch.tensor([*SPACE.points()])
    with torch.no_grad():
        points, *_ = model.drawn(20_000, torch.Generator().manual_seed(0))
        odds = model(everything)[0].sum(1).exp()
    share = torch.stack([(points == one).all(1).double().mean() for one in everything])
    assert float((share - odds).abs().max()) < 0.006


# ---- learning


def test_it_learns_within_few_proposals_where_knobs_matter_each_by_itself():
    """As in a factorised space: of 25 points the last err less than the first, the best less than chance finds."""
    space, found = Space(tuple(Knob(f"k{i}", (0, 1, 2, 3), ordered=False) for i in range(15))), {}
    for propose in (controller.propose, chance.propose):
        for seed in range(6):
            worth = np.random.default_rng(100 + seed).normal(size=(15, 4))

            def price(values, worth=worth):
                return {"error": 0.05 * np.exp(0.05 * worth[range(15), [*values.values()]].sum()), "cost": 1.0}

            tried = run(propose(space, Goal(), np.random.default_rng(seed)), Trail(space, price, Purse(25))).tried
            errors = [one.error for one in tried[:25]]
            found.setdefault(propose, []).append((np.mean(errors[-5:]) / np.mean(errors[:5]), min(errors)))
    (later, best), (_, by_chance) = np.mean(found[controller.propose], 0), np.mean(found[chance.propose], 0)
    assert later < 0.9 and best < by_chance


def test_the_absolute_reward_hits_the_target_and_the_soft_one_need_not():
    costs = {reward: np.mean([one.cost for seed in range(2) for one in searched(reward, seed).tried[-20:]])
             for reward in ("absolute", "soft")}  # fmt: skip
    assert abs(costs["absolute"] - 8) < abs(costs["soft"] - 8)


def test_what_is_proposed_again_is_counted_and_not_paid_and_a_settled_one_stops():
    trail = searched("absolute", 0)
    settled = controller.SETTLED * controller.SAMPLES
    assert len(trail.paid) < 36 and trail.table.repeated[-settled:].all() and len(trail.tried) > len(trail.paid)
    assert trail.table.repeated.sum() == len(trail.tried) - len(trail.paid)


def test_the_same_draw_is_the_same_search_and_nothing_else_is_drawn():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (searched("hard", seed, evaluations=12) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    assert [one.point for one in first.tried] == [one.point for one in again.tried]
    assert [one.point for one in first.tried] != [one.point for one in other.tried]


def test_an_unknown_reward_is_refused():
    with pytest.raises(KeyError):
        run(partial(controller.propose, reward="sfot")(SPACE, Goal(), np.random.default_rng()),
            Trail(SPACE, price, Purse(6)))
