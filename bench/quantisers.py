"""How quick codebooks are found: at once against K-means, and without a number to search against a search for it.

`python bench/quantisers.py [--small]` prints two Markdown tables; --small: few weights, two pairs.

One thread. First, one codebook of 16 entries for a million normal weights, by each way there is. Second, an accepted
network: K = 2, 3, … 64 tried, K-means of every layer and one validation each, against one pass with as many intervals
as the weights ask for, and one validation; also only up to the first K whose validation WAPE is within 1 % of that of
the network. Each row is taken in pairs, one after the other in turn; ratios are medians over pairs, and the smallest.
"""

import argparse
import statistics
import time

import kmeans1d
import numpy as np
import torch
from sklearn.cluster import KMeans

from litecast import models, training
from litecast.compress import clone, codebooks, intervals, matrices, statistical_quantization
from litecast.data import load, windows
from litecast.experiment.look import Look

DATA, WEIGHTS, ENTRIES, PAIRS = "sample-traffic", 1_000_000, 16, 10
NETWORKS, SEARCHED, NEAR = (("nbeats", 32), ("lstm", 32)), range(2, 65), 1.01


def lloyd(values: np.ndarray, entries: int, rounds: int = 300) -> np.ndarray:
    """K-means of numbers as quick as it gets without statistics: sorted once, then borders are bisected and means are
    differences of cumulative sums, until no border moves."""
    ordered = np.sort(values).astype(np.float64)
    sums, table = np.append(0.0, np.cumsum(ordered)), np.linspace(ordered[0], ordered[-1], entries)
    before = None
    for _ in range(rounds):
        cuts = np.concatenate([[0], np.searchsorted(ordered, (table[1:] + table[:-1]) / 2), [len(ordered)]])
        if before is not None and np.array_equal(cuts, before):
            break
        before, counts = cuts, np.diff(cuts)
        table = np.where(counts > 0, np.diff(sums[cuts]) / np.maximum(counts, 1), table)
    return table


RIVALS = {
    "sorted Lloyd": lambda values: lloyd(values, ENTRIES),
    "kmeans1d, the optimum": lambda values: kmeans1d.cluster(values, ENTRIES),
    "kmeans1d, thinned": lambda values: codebooks.exact(values, ENTRIES),
    "KMeans, linear start": lambda values: codebooks.linear(values, ENTRIES),
    "KMeans(16, n_init=1)": lambda values: KMeans(ENTRIES, n_init=1, random_state=0).fit(values[:, None]),
}


def main(small: bool) -> None:
    torch.set_num_threads(1)
    count, pairs = (2000, 2) if small else (WEIGHTS, PAIRS)
    values = np.random.default_rng(0).normal(0, 0.05, count).astype(np.float32)
    print(f"{count:,} weights, {ENTRIES} entries, {pairs} pairs, {torch.__version__}, one thread\n")
    print("| rival | instant ms | rival ms | ratio | smallest |\n|---|---:|---:|---:|---:|")
    for name, rival in RIVALS.items():
        tell(name, paired(lambda: intervals.sigma(values, ENTRIES), lambda: rival(values), pairs))  # noqa: B023
    print("\n| rival | one pass ms | search ms | ratio | smallest |\n|---|---:|---:|---:|---:|")
    for family, width in NETWORKS[:1] if small else NETWORKS:
        accepted(family, 4 if small else width, 20 if small else 300, SEARCHED[:3] if small else SEARCHED, pairs)


def paired(quick, slow, pairs: int) -> list[tuple[float, float]]:
    """Seconds of two calls, taken in turn; the first pair only warms up."""
    times = []
    for turn in range(pairs + 1):
        first, second = (quick, slow) if turn % 2 else (slow, quick)
        both = _seconds(first), _seconds(second)
        times.append(both if turn % 2 else both[::-1])
    return times[1:]


def tell(name: str, times: list[tuple[float, float]]) -> None:
    ratios, (a, b) = [b / a for a, b in times], (1000 * statistics.median(part) for part in zip(*times, strict=True))
    print(f"| {name} | {a:,.2f} | {b:,.1f} | {statistics.median(ratios):,.1f} | {min(ratios):,.1f} |", flush=True)


def accepted(family: str, width: int, steps: int, searched: range, pairs: int) -> None:
    """Prints the lines of one network: the search of K, whole and up to what is accepted, against one pass."""
    data = windows.prepare(load(DATA))
    model = models.build(family, width, data)
    training.fit(model, data, training.Budget(steps, lr=5e-3), 0)
    dense, until, found = Look(data)(model).val_wape, [], {}

    def search():
        began = time.perf_counter()
        found.update({entries: (wape(model, data, "kmeans", entries), time.perf_counter() - began)
                      for entries in searched})  # fmt: skip
        until.append(next((took for error, took in found.values() if error <= NEAR * dense), float("nan")))

    times = paired(lambda: wape(model, data, "auto", ENTRIES), search, pairs)
    tell(f"{family} {width}, K = 2 … {searched[-1]}", times)
    tell(f"{family} {width}, up to the first accepted", [(a, b) for (a, _), b in zip(times, until[1:], strict=True)])
    first = next((entries for entries, (error, _) in found.items() if error <= NEAR * dense), searched[-1])
    print(f"| … validation WAPE: dense {dense:.4f}, K-means of {first} {found[first][0]:.4f}, the pass "
          f"{wape(model, data, 'auto', ENTRIES):.4f} | | | | |")


def wape(model, data, method: str, entries: int) -> float:
    """Validation WAPE of the network with every matrix quantised."""
    quantised = clone(model)
    with torch.no_grad():
        for name, weight in matrices.of(quantised).items():
            codes, table = statistical_quantization.codebook(weight, method, entries)
            quantised.get_parameter(name).copy_(table[codes])
    return Look(data)(quantised).val_wape


def _seconds(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few weights, two pairs")
    main(parser.parse_args().small)
