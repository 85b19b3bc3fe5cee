"""AMC: an agent learns how much each layer of a trained network can spare; the best policy that it saw is retrained.

He et al., "AMC: AutoML for model compression and acceleration on mobile devices", ECCV 2018; bits of weights as in Wang
et al., "HAQ: Hardware-aware automated quantization", CVPR 2019. A policy is tried without training (channels refitted
by least squares, weights rounded); its reward is less its error on validation. The limit is kept by construction
(`search.walk`), so that the reward needs no term for the size.

AMC's program rewards accuracy on a split of the training images, refits 1 x 1 convolutions alone, and reports the best
of 800 such rewards. Here the best is retrained from a draw that no search has seen, and measured anew.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from litecast.compress import RANDOM_CHOICE_SEED, Compressed, Task, policies, trial
from litecast.search import Goal, Purse, Trail, Tried, ddpg, run, walk

NEEDS = ("dense",)
FITS = ()
FITS_OF = {"channels": ("units", "convolutions")}
LEVELS = (0.25, 0.5, 0.75, 0.9)
LEVEL = "share of multiply-accumulates (of bits) removed, of what a policy can"
VARIANTS = ("channels", "bits")
CONTROLS = {
    "random": "as many policies drawn by chance within the same limit, the best of them retrained as long",
    "uniform": "the same share removed of every layer",
    "heuristic": "shares in proportion to the logarithm of a layer's weights, PocketFlow's rule",
    "sensitivity": "greedy by what each layer alone adds to the error",
    "scratch": "the same narrow network trained from fresh weights, for what the route cost",
}
STORAGES = {"int8": "torch"}  # eight bits a weight at most: in 'bits' each matrix has those of its policy
CHAIN = False
LOOK = 14
NOTE = "The search is paid for in looks at validation errors: no network is trained before the last."

WALKS = 200  # PocketFlow's number of roll-outs: .1 s each, of which AMC's 800 spend 600 on one policy
SHORTER = 4  # steps of a dense training for each walk, so that a short study searches briefly
WORST = 5.0  # times the error of what was started from: what is worse is as bad, and no reward drowns the others


def compress(task: Task) -> Compressed:
    """Search for `task.level` of what policies can remove, apply the best policy within the limit, and retrain it.

    variant: units of each group ('channels'), or bits of each weight matrix ('bits'), eight to two. Controls 'random',
    'uniform', 'heuristic', 'sensitivity' propose other policies. story: a line for each policy that was tried, with
    `chosen`. Policies are tried as floats ('channels') or as rounded weights ('bits'); nothing is timed, so the same
    task makes the same file.
    """
    policy = (policies.Channels if task.variant == "channels" else policies.Bits)(task)
    way, whole = policy.walk(task.level), task.look.error(task.start)
    before, walks = task.look.spent.macs, max(2, min(WALKS, task.budget.steps // SHORTER))
    purse = Purse(walks + len(way) * walk.TRIED)  # the rules by hand know how much they need
    draw = np.random.default_rng([RANDOM_CHOICE_SEED + task.seed, bool(task.control)])  # the agent begins by chance
    trail = Trail(policy.space, partial(tried, task, policy, way), purse, task.trail)
    run(proposals(task.control, way, whole, walks, draw), trail)
    looked = task.look.spent.macs - before
    best = Goal(way.limit).best(trail.paid)
    made = policy.made(policy.space.read(best.point), trial.SEARCHED_SEED + task.seed)
    story = trail.table.assign(chosen=[one.point == best.point for one in trail.tried])
    return replace(made, spent=trial.spent(trail, looked) + made.spent, story=story)


def tried(task: Task, policy, way: walk.Walk, amounts: Mapping[str, int]) -> dict:
    """What a `search.Trail` is told of one policy: error, cost (a share of the whole network's), macs."""
    before = task.look.spent.macs
    model, took = policy.applied(amounts)
    return {"error": task.look.error(model), "cost": way.price(list(amounts.values())),
            "macs": took.macs + task.look.spent.macs - before,
            "more": {"steps": took.steps, "train_s": took.seconds, "peak_mb": took.peak_mb}}


def proposals(control: str, way: walk.Walk, whole: float, walks: int, draw: np.random.Generator):
    """The agent, or what stands in for it; whole: the error of what the search starts from."""
    if control in ("", "random"):
        return ddpg.propose(way, partial(reward, whole), draw, walks, learns=not control)
    rules = {"uniform": walk.uniform, "heuristic": walk.by_size, "sensitivity": partial(walk.sensitive, draw=draw)}
    return rules[control](way)


def reward(whole: float, one: Tried) -> float:
    """Less the error, in errors of what the search started from."""
    return -min(one.error / whole, WORST)
