"""MNasNet's search: a recurrent controller proposes networks and is told how good they are, cost included.

Tan et al., "MnasNet: Platform-aware neural architecture search for mobile", CVPR 2019. An LSTM chooses one knob after
the other (Zoph & Le, ICLR 2017) and learns by proximal policy optimisation, as in the paper (Schulman et al. 2017,
clipped ratios), against a moving mean of rewards; advantages are divided by the spread of all rewards seen, so rewards
need no scale. The paper samples some 8,000 networks; here it has to learn from some tens, so its steps are larger.

Rewards, of a cost of T where T0 is aimed at, Q the quality:
soft      Q * (T / T0) ** -.07: twice the cost is worth 5 % of quality. The target bends the front, it need not be hit
hard      Q, and beyond the target Q * (T / T0) ** -1
absolute  log Q - .07 * |T / T0 - 1|: Bender et al., "Can weight sharing outperform random architecture search? An
          investigation with TuNAS", CVPR 2020; made to hit the target in one search

Q is 1 / error: the paper's exponents weigh *relative* accuracy, and at errors of 5 % 1 - error hardly moves.
"""

from math import inf, log

import numpy as np
import torch
from torch import nn

SEARCH = "recurrent controller, policy gradient (MNasNet)"

SOFT, HARD = -0.07, -1.0  # exponents of the paper
AWAY = -0.07  # of TuNAS: price of one T0 beside the target
UNITS, START = 32, 0.1  # of the LSTM; its first weights are drawn this far from zero
SAMPLES, EPOCHS, CLIP = 5, 4, 0.2  # points between two updates, steps of an update, how far one may go
# Of Adam; price of certainty; of the moving mean. On tables of 192 networks twice the rate, or a third of the price,
# settled before 30 networks were tried, at errors up to a percent higher.
RATE, ENTROPY, DECAY = 0.01, 0.1, 0.8
SETTLED = 10  # updates in a row without a point that is new: it has made up its mind
TINY = 1e-9


def soft(quality: float, ratio: float) -> float:
    return quality * ratio**SOFT


def hard(quality: float, ratio: float) -> float:
    return quality * max(ratio, 1.0) ** HARD


def absolute(quality: float, ratio: float) -> float:
    return log(quality) + AWAY * abs(ratio - 1)


REWARDS = {"absolute": absolute, "soft": soft, "hard": hard}


def propose(space, goal, draw, reward: str = "absolute"):
    """Points that the controller draws, until it has settled or knows all; what it knows it may propose again."""
    generator = torch.Generator().manual_seed(int(draw.integers(2**31)))
    controller = Controller(space, generator)
    optimiser = torch.optim.Adam(controller.parameters(), lr=RATE, fused=True)
    known, rewards, mean, settled = set(), [], None, 0
    while settled < SETTLED and len(known) < len(space):
        with torch.no_grad():
            points, before, _ = controller.drawn(SAMPLES, generator)
        tried = []
        for point in points.tolist():
            tried.append((yield tuple(point)))
        settled = settled + 1 if all(one.repeated for one in tried) else 0
        known.update(one.point for one in tried)
        found = [told(one, goal, reward) for one in tried]
        rewards += found
        mean = np.mean(found) if mean is None else DECAY * mean + (1 - DECAY) * np.mean(found)
        better = torch.tensor((np.array(found) - mean) / (np.std(rewards) + TINY), dtype=torch.float32)
        for _ in range(EPOCHS):
            optimiser.zero_grad()
            (-objective(controller, points, better, before)).backward()
            optimiser.step()


def told(tried, goal, reward: str = "absolute") -> float:
    """The reward of what was tried; where the goal has no limit, of its quality alone."""
    ratio = 1.0 if goal.limit == inf else tried.cost / goal.limit
    return REWARDS[reward](1 / max(tried.error, TINY), max(ratio, TINY))


def objective(controller, points: torch.Tensor, better: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """What an update raises: better (N,), how much better points (N, K) are than the mean, times how much likelier each
    of their values became, beyond CLIP no more; and a little uncertainty. before (N, K): log-probabilities of the
    values when they were drawn.

    At the first step of an update its gradient is REINFORCE's, better * d log p (Williams 1992).
    """
    logs, entropy = controller(points)
    ratio, better = (logs - before).exp(), better[:, None]
    kept = torch.minimum(ratio * better, ratio.clamp(1 - CLIP, 1 + CLIP) * better)
    return (kept + ENTROPY * entropy).sum(1).mean()


class Controller(nn.Module):
    """Probabilities of a space's points: an LSTM reads the values chosen so far and says those of the next knob."""

    def __init__(self, space, generator: torch.Generator):
        super().__init__()
        sizes = [len(knob.values) for knob in space.knobs]
        with torch.random.fork_rng(devices=[]):  # its weights are drawn below, and nobody else's draw is touched
            self.cell = nn.LSTMCell(UNITS, UNITS)
            self.begin = nn.Parameter(torch.empty(1, UNITS))
            self.chosen = nn.ModuleList(nn.Embedding(size, UNITS) for size in sizes[:-1])  # the last is not read
            self.next = nn.ModuleList(nn.Linear(UNITS, size) for size in sizes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-START, START, generator=generator)

    def forward(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(Log-probabilities (N, K) of the values of points (N, K), each after those before it; entropies (N, K))."""
        _, logs, entropy = self._walk(len(points), lambda odds, knob: points[:, knob])
        return logs, entropy

    def drawn(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(Points (N, K) by chance, log-probabilities (N, K), entropies (N, K))."""
        return self._walk(count, lambda odds, knob: torch.multinomial(odds.exp(), 1, generator=generator)[:, 0])

    def likeliest(self) -> tuple[int, ...]:
        """The likeliest value of each knob, after the likeliest of those before."""
        with torch.no_grad():
            points, *_ = self._walk(1, lambda odds, knob: odds.argmax(1))
        return tuple(points[0].tolist())

    def _walk(self, count: int, choose) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        state, logs, entropy, points = None, [], [], []
        for knob, following in enumerate(self.next):
            read = self.chosen[knob - 1](points[-1]) if knob else self.begin.expand(count, -1)
            state = self.cell(read, state)
            odds = following(state[0]).log_softmax(1)  # (N, values)
            points.append(choose(odds, knob))
            logs.append(odds.gather(1, points[-1][:, None])[:, 0])
            entropy.append(-(odds.exp() * odds).sum(1))
        return torch.stack(points, 1), torch.stack(logs, 1), torch.stack(entropy, 1)
