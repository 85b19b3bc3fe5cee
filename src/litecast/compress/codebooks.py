"""Codebooks of numbers: `fit(values (N,), entries, seed) -> table`, float64, ascending, for every way of METHODS.

A table has as many entries as were asked for, or fewer where there are fewer different values; it is for values that
are each replaced by an entry, the nearest unless a method says otherwise. Nothing here knows of networks.
"""

import warnings

import kmeans1d
import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

MANY = 100_000  # values beyond which an optimum or a mixture is that of as many order statistics


def linear(values: np.ndarray, entries: int, seed: int = 0) -> np.ndarray:
    """K-means from entries evenly spaced between the smallest and the largest value: large weights, which are few and
    matter most, keep entries of their own (Han et al., "Deep compression", ICLR 2016, who find it the best start)."""
    return _lloyd(values, np.linspace(np.min(values), np.max(values), entries))


def density(values: np.ndarray, entries: int, seed: int = 0) -> np.ndarray:
    """K-means from quantiles, each entry starting with as many values (the density start of Han et al.)."""
    return _lloyd(values, np.quantile(values, (np.arange(entries) + 0.5) / entries))


def random(values: np.ndarray, entries: int, seed: int = 0) -> np.ndarray:
    """K-means from different values drawn by the seed (the Forgy start of Han et al.)."""
    different = np.unique(values)
    start = np.random.default_rng(seed).choice(different, min(entries, len(different)), replace=False)
    return _lloyd(values, start)


def exact(values: np.ndarray, entries: int, seed: int = 0) -> np.ndarray:
    """The smallest squared error there is: in one dimension K-means has an optimum that can be computed (Wu 1991;
    Grønlund et al. 2017). Of more than MANY values that of MANY of their order statistics, evenly spaced."""
    values = _thinned(values)
    return np.unique(kmeans1d.cluster(values, min(entries, len(np.unique(values)))).centroids)


def mixture(values: np.ndarray, entries: int, seed: int = 0) -> np.ndarray:
    """Means of a Gaussian mixture fitted by expectation maximisation; who takes which is said by `responsible`."""
    return responsible(values, entries, seed)[0]


def responsible(values: np.ndarray, entries: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Means of a Gaussian mixture, and of each value the code (N,) of the component that is most responsible for it.

    That need not be the nearest: a wide component takes what a narrow one beside it calls unlikely. The mixture starts
    from the quantiles' K-means; of more than MANY values it is fitted to MANY of their order statistics.
    """
    different, place = np.unique(np.asarray(values, np.float64), return_inverse=True)
    if len(different) <= entries:
        return different, place
    start = density(values, entries)
    column = np.asarray(values, np.float64)[:, None]
    fitted = GaussianMixture(len(start), means_init=start[:, None], random_state=seed,
                             reg_covar=1e-6 * max(column.var(), 1e-12))  # of the variance: weights are small
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it goes on for long, gaining next to nothing
        fitted.fit(_thinned(values)[:, None])
    table, place = np.unique(fitted.means_[:, 0], return_inverse=True)
    return table, place[fitted.predict(column)]


def rows(values: np.ndarray, entries: int, seed: int = 0) -> np.ndarray:
    """K-means of rows from seeds drawn far apart (k-means++), for product quantisation: values (N, D) -> table
    (entries, D), in no order, or of fewer entries."""
    different = np.unique(values, axis=0)
    if len(different) <= entries:
        return different.astype(np.float64)
    return _means(np.asarray(values, np.float64), entries, "k-means++", seed)


METHODS = {"kmeans": linear, "density": density, "random": random, "exact": exact, "mixture": mixture}


def _lloyd(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    different = np.unique(values)
    if len(different) <= len(start):
        return different.astype(np.float64)
    start = np.unique(start)
    return np.unique(_means(np.asarray(values, np.float64)[:, None], len(start), start[:, None]))


def _means(values: np.ndarray, entries: int, start, seed: int = 0) -> np.ndarray:
    return KMeans(entries, init=start, n_init=1, random_state=seed).fit(values).cluster_centers_


def _thinned(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(np.asarray(values, np.float64))
    return ordered if len(ordered) <= MANY else ordered[np.linspace(0, len(ordered) - 1, MANY).round().astype(int)]
