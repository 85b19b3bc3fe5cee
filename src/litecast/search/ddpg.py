"""AMC's agent: walks through the layers of a network, says of each how much it keeps, and learns from how that ends.

Deep deterministic policy gradient (Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR 2016)
as in He et al., "AMC: AutoML for model compression and acceleration on mobile devices", ECCV 2018: one action a layer,
its state is what it is told of the layer, what was saved, what can still be saved, and the last action; all steps get
the reward of the end, less a moving average. Two layers of 64 units and 200 walks are PocketFlow's (Tencent 2018).

Other than in AMC's program: it learns four times from each step, since walks are few (once was no better than chance
after 200 walks on made-up networks of 5 and 10 layers); the memory holds what the wall let through, not what was asked
for; the average is one of rewards (as the paper has it), not of batches; and noise never falls below a notch: there, of
800 walks the last 600 are of one policy. It is no search by name (`search.names`): it has to be told of layers.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from litecast.search.trail import Tried
from litecast.search.walk import Walk

HIDDEN, BATCH = 64, 64
ACTOR_RATE, CRITIC_RATE = 3e-4, 1e-3
LESSONS = 4  # for each step of a walk
TARGET = 0.01  # of the way that target networks follow in each step
AVERAGE = 0.1  # of the way that the moving average of rewards follows
WARM_UP = 0.25  # of all walks, by chance and without learning
NOISE, DECAY, LEAST = 0.5, 0.95, 0.05  # deviation of an action, its decay from walk to walk, and where that ends
KEPT = 100  # walks that are remembered


def propose(walk: Walk, reward: Callable[[Tried], float], draw: np.random.Generator, walks: int, learns: bool = True):
    """Points of `walk.space` within its limit, one for each walk. learns False: by chance, through the same wall."""
    static, mean, memory = _scaled(walk.told), None, []
    agent = Agent(static.shape[1] + 3, draw)
    for number in range(walks):
        after = number - int(WARM_UP * walks)
        noise = max(LEAST, NOISE * DECAY**after) if learns and after >= 0 else None
        point, steps = _walked(walk, static, agent, noise, draw)
        got = reward((yield point))
        mean = got if mean is None else mean + AVERAGE * (got - mean)
        memory = (memory + [(*step, got) for step in steps])[-KEPT * len(walk) :]
        if noise is not None:
            columns = [_stacked(column) for column in zip(*memory, strict=True)]
            for drawn in draw.integers(len(memory), size=(LESSONS * len(steps), BATCH)):
                states, actions, then, last, rewards = (column[drawn] for column in columns)
                agent.learn(states, actions, rewards - mean, then, last)


def _walked(walk: Walk, static: np.ndarray, agent: "Agent", noise: float | None, draw) -> tuple:
    """(point, steps: state, action, next state, was it the last?) of one walk. noise None: by chance."""
    point, share, states, actions = (), 1.0, [], []
    for layer in range(len(walk)):
        states.append(np.array([*static[layer], *_saved(walk, point), share], dtype=np.float32))
        wish = draw.uniform() if noise is None else _near(agent.act(states[-1]), noise, draw)
        point += (min(walk.place(layer, wish), walk.wall(point)),)
        share = walk.share(layer, point[-1])
        actions.append([2 * share - 1])
    last = [[float(layer + 1 == len(walk))] for layer in range(len(walk))]
    return point, list(zip(states, actions, [*states[1:], states[-1]], last, strict=True))


def _saved(walk: Walk, begun: tuple) -> tuple[float, float]:
    """Shares of the whole cost: saved by the layers that are decided, and what the others can still save."""
    whole, most, least = (walk.cost(point) for point in (walk.most(()), walk.most(begun), walk.least(begun)))
    return 1 - most / whole, (most - least) / whole


def _near(share: float, noise: float, draw) -> float:
    """A normal draw around a share, cut off at 0 and 1."""
    while not 0 <= (found := draw.normal(share, noise)) <= 1:
        pass
    return found


def _scaled(told: np.ndarray) -> np.ndarray:
    """Each column from 0 to 1; one that tells nothing is zero."""
    told = np.asarray(told, dtype=float)
    low, wide = told.min(0), np.ptp(told, axis=0)
    return (told - low) / np.where(wide > 0, wide, 1)


def _stacked(values) -> torch.Tensor:
    """(B, …), float32; single numbers as (B, 1)."""
    found = torch.from_numpy(np.array(values, dtype=np.float32))
    return found if found.ndim > 1 else found[:, None]


class Agent:
    """Actor and critic, and targets that follow them slowly. Actions are -1 … 1; costs of the future count in full."""

    def __init__(self, states: int, draw: np.random.Generator):
        with torch.random.fork_rng(devices=[]):  # whoever trains beside it draws what it would have drawn
            torch.manual_seed(int(draw.integers(2**31)))
            self.actor, self.critic = _network(states, nn.Tanh()), _network(states + 1)
        self.actor_target, self.critic_target = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self._optimisers = [torch.optim.Adam(self.actor.parameters(), lr=ACTOR_RATE),
                            torch.optim.Adam(self.critic.parameters(), lr=CRITIC_RATE)]

    @torch.no_grad()
    def act(self, state: np.ndarray) -> float:
        """The share, 0 … 1, that a layer is to keep."""
        return float(self.actor(torch.from_numpy(state)[None]) + 1) / 2

    def learn(self, states, actions, rewards, then, last) -> None:
        """One step of the critic, one of the actor, on B remembered steps: states (B, S), the others (B, 1); then: the
        states that followed; last: 1 where the walk ended."""
        actor, critic = self._optimisers
        _step(critic, self.critic_loss(states, actions, rewards, then, last))
        _step(actor, self.actor_loss(states))
        for net, target in ((self.actor, self.actor_target), (self.critic, self.critic_target)):
            for own, slow in zip(net.parameters(), target.parameters(), strict=True):
                slow.data.lerp_(own.data, TARGET)

    def critic_loss(self, states, actions, rewards, then, last) -> torch.Tensor:
        """Squared error of what the critic says of a step, against its reward and what the targets say of the next."""
        with torch.no_grad():
            following = self.critic_target(torch.cat([then, self.actor_target(then)], 1))
        said = self.critic(torch.cat([states, actions], 1))
        return (said - rewards - (1 - last) * following).square().mean()

    def actor_loss(self, states) -> torch.Tensor:
        """Less what the critic says of the actor's own actions."""
        return -self.critic(torch.cat([states, self.actor(states)], 1)).mean()


def _network(inputs: int, *end: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
                         nn.Linear(HIDDEN, 1), *end)  # fmt: skip


def _step(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
