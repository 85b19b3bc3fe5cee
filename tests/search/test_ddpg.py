"""AMC's agent: gradients against numerical ones, targets by hand, one step against stable-baselines3's, and that it
learns where it walks."""

import copy

import numpy as np
import pytest
import torch

from litecast.search import Knob, Purse, Space, Trail, ddpg, run
from litecast.search.walk import Walk

LAYERS = 4
SPACE = Space(tuple(Knob(f"layer {at}", tuple(range(1, 11))) for at in range(LAYERS)))
WHOLE = 10.0 * LAYERS


def way(limit=0.6) -> Walk:
    """Each unit costs the same."""
    told = np.column_stack([np.arange(LAYERS), np.full(LAYERS, 7)])
    return Walk(SPACE, lambda amounts: float(sum(amounts)) / WHOLE, limit, told, [10] * LAYERS)


def error(values: dict) -> dict:
    """Early layers matter, late ones hardly do: within .6 the best is 10, 10, 3, 1 or near it."""
    gone = 1 - np.array(list(values.values())) / 10
    return {"error": 1 + float(gone @ [1, 0.5, 0.1, 0.02]), "cost": sum(values.values()) / WHOLE}


def walked(walks=60, seed=0, learns=True, limit=0.6) -> Trail:
    trail = Trail(SPACE, error, Purse(walks))
    return run(ddpg.propose(way(limit), lambda one: -one.error, np.random.default_rng(seed), walks, learns), trail)


def batch(states=5, size=16, seed=0):
    draw = torch.Generator().manual_seed(seed)
    s, then = (torch.rand(size, states, generator=draw) for _ in range(2))
    a, r = (2 * torch.rand(size, 1, generator=draw) - 1 for _ in range(2))
    return s, a, r, then, (torch.rand(size, 1, generator=draw) < 0.3).float()


def double(agent: ddpg.Agent) -> ddpg.Agent:
    for net in (agent.actor, agent.critic, agent.actor_target, agent.critic_target):
        net.double()
    return agent


@pytest.mark.parametrize("which", ["actor", "critic"])
def test_gradients_are_those_of_differences(which):
    agent, parts = double(ddpg.Agent(5, np.random.default_rng(0))), [part.double() for part in batch()]

    def loss():
        return agent.actor_loss(parts[0]) if which == "actor" else agent.critic_loss(*parts)

    net = getattr(agent, which)
    loss().backward()
    for parameter in net.parameters():
        for at in (0, parameter.numel() // 2):
            flat, step = parameter.data.view(-1), 1e-5
            flat[at] += step
            up = loss().item()
            flat[at] -= 2 * step
            down = loss().item()
            flat[at] += step
            assert float(parameter.grad.view(-1)[at]) == pytest.approx((up - down) / (2 * step), rel=1e-3, abs=1e-8)


def test_targets_of_a_critic_by_hand():
    agent = ddpg.Agent(5, np.random.default_rng(0))
    s, a, r, then, last = batch()
    with torch.no_grad():
        following = agent.critic_target(torch.cat([then, agent.actor_target(then)], 1))
        said = agent.critic(torch.cat([s, a], 1))
        wanted = torch.where(last > 0, r, r + following)
        assert float(agent.critic_loss(s, a, r, then, last)) == pytest.approx(float(((said - wanted) ** 2).mean()))


def test_target_networks_follow_by_a_hundredth():
    agent = ddpg.Agent(5, np.random.default_rng(0))
    before = copy.deepcopy(agent.critic_target)
    agent.learn(*batch())
    for was, own, slow in zip(*(net.parameters() for net in (before, agent.critic, agent.critic_target)), strict=True):
        torch.testing.assert_close(slow.data, 0.99 * was.data + 0.01 * own.data)
        assert not torch.equal(was, own)


# ---- walks


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("limit", [0.1, 0.35, 0.6, 1.0])
def test_no_walk_leaves_the_limit(limit, learns):
    for one in walked(20, limit=limit, learns=learns).tried:
        assert one.cost <= limit + 1e-12


def test_one_seed_one_search_whatever_else_is_drawn():
    first = walked(16).table.drop(columns="seconds")
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again = walked(16).table.drop(columns="seconds")
    assert torch.equal(before, torch.random.get_rng_state()) and first.equals(again)
    assert not first.equals(walked(16, seed=1).table.drop(columns="seconds"))


def test_before_it_learns_it_walks_by_chance():
    learning, chance = ([one.point for one in walked(20, learns=learns).tried] for learns in (True, False))
    assert learning[:5] == chance[:5] and learning[5:] != chance[5:]


def test_what_it_is_told_of_a_walk_by_hand():
    """After 10 and 4 of 10 units: 6 of 40 are saved, and two layers could save 9 units each."""
    assert ddpg._saved(way(), (9, 3)) == pytest.approx((6 / 40, 18 / 40))
    assert ddpg._scaled([[0, 7], [1, 7], [4, 7]]).tolist() == [[0, 0], [0.25, 0], [1, 0]]


def test_noise_stays_between_nothing_and_all():
    draw = np.random.default_rng(0)
    drawn = np.array([ddpg._near(0.9, 0.5, draw) for _ in range(500)])
    assert drawn.min() >= 0 and drawn.max() <= 1 and drawn.std() > 0.2
    assert np.ptp([ddpg._near(0.5, 0.05, draw) for _ in range(100)]) < 0.4


def test_it_learns():
    """Late walks are better than those by chance."""
    late = np.mean([one.error for one in walked(100).tried[-20:]])
    assert late < np.mean([one.error for one in walked(100, learns=False).tried])


# ---- against another implementation

def theirs(tmp_path, states=5):
    """Stable-baselines3's agent with our sizes and rates."""
    stable = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    import gymnasium
    from stable_baselines3.common.logger import configure

    class Toy(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-10, 10, (states,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

        def reset(self, *, seed=None, options=None):
            return np.zeros(states, np.float32), {}

        def step(self, action):
            return np.zeros(states, np.float32), 0.0, True, False, {}

    same = {"learning_rate": ddpg.CRITIC_RATE, "tau": ddpg.TARGET, "policy_kwargs": {"net_arch": [ddpg.HIDDEN] * 2}}
    model = stable.DDPG("MlpPolicy", Toy(), buffer_size=8, batch_size=4, gamma=1.0, device="cpu", seed=0, **same)
    model.set_logger(configure(str(tmp_path), []))
    return model


@pytest.mark.parametrize("done", [False, True])
def test_a_step_is_that_of_stable_baselines(done, tmp_path, monkeypatch):
    """Same weights, the same remembered step, one rate for both: the same weights after three updates."""
    monkeypatch.setattr(ddpg, "ACTOR_RATE", ddpg.CRITIC_RATE)
    model, agent = theirs(tmp_path), ddpg.Agent(5, np.random.default_rng(3))
    pairs = [(model.actor.mu, agent.actor), (model.actor_target.mu, agent.actor_target),
             (model.critic.qf0, agent.critic), (model.critic_target.qf0, agent.critic_target)]
    for other, own in pairs:
        other.load_state_dict(own.state_dict())
    s, a, r, then, _ = (part[:1] for part in batch())
    for _ in range(8):
        model.replay_buffer.add(s.numpy(), then.numpy(), a.numpy(), r.numpy()[0], np.array([done]), [{}])
    for _ in range(3):
        model.train(gradient_steps=1, batch_size=4)
        agent.learn(*(part.expand(4, -1) for part in (s, a, r, then, torch.tensor([[float(done)]]))))
    for other, own in pairs:
        for one, two in zip(other.state_dict().values(), own.state_dict().values(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
