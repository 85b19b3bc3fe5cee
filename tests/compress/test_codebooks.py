"""Codebooks against scikit-learn, brute force and each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from litecast.compress import codebooks

WEIGHTS = np.random.default_rng(0).laplace(size=3000).astype(np.float32) / 20
EACH = pytest.mark.parametrize("method", codebooks.METHODS)


def error(values, table) -> float:
    return float(np.square(np.asarray(values, float)[:, None] - table).min(1).sum())


def best_cut(values, entries) -> float:
    """Squared error of the best of all ways to cut ordered values into `entries` runs."""
    ordered, cuts = np.sort(values), itertools.combinations(range(1, len(values)), entries - 1)
    runs = (np.split(ordered, places) for places in cuts)
    return min(sum(np.square(run - run.mean()).sum() for run in each) for each in runs)


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.integers(-50, 50), min_size=3, max_size=9), entries=st.integers(2, 3))
def test_the_exact_one_is_the_best_of_all_cuts(values, entries):
    values = np.array(values) / 10
    found = error(values, codebooks.exact(values, entries))
    assert found == pytest.approx(best_cut(values, entries), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), entries=st.sampled_from([2, 5, 16]), method=st.sampled_from(list(codebooks.METHODS)))
def test_no_method_beats_the_exact_one(seed, entries, method):
    values = np.random.default_rng(seed).standard_t(3, 200)
    table = codebooks.METHODS[method](values, entries, seed)
    assert error(values, codebooks.exact(values, entries)) <= error(values, table) * (1 + 1e-9)
    assert len(table) <= entries and (np.diff(table) > 0).all()
    assert np.array_equal(table, codebooks.METHODS[method](values, entries, seed))


@pytest.mark.parametrize("method, start", [
    ("kmeans", np.linspace(WEIGHTS.min(), WEIGHTS.max(), 8)),
    ("density", np.quantile(WEIGHTS, np.arange(1, 16, 2) / 16)),
])  # fmt: skip
def test_kmeans_is_that_of_scikit_learn_from_the_paper_s_starts(method, start):
    column = WEIGHTS.astype(float)[:, None]
    wanted = KMeans(8, init=start.astype(float)[:, None], n_init=1).fit(column).cluster_centers_
    assert np.allclose(codebooks.METHODS[method](WEIGHTS, 8), np.sort(wanted[:, 0]), atol=1e-12)


def test_a_linear_start_keeps_the_largest_weights_and_a_dense_one_serves_the_many():
    linear, dense = codebooks.linear(WEIGHTS, 8), codebooks.density(WEIGHTS, 8)
    assert np.ptp(linear) > np.ptp(dense)
    assert np.abs(linear).min() < np.abs(WEIGHTS).mean()
    drawn = [codebooks.random(WEIGHTS, 8, seed) for seed in (0, 1)]
    assert not np.allclose(*drawn)


def test_a_mixture_is_that_of_scikit_learn_and_a_wide_component_takes_what_lies_near_a_narrow_one():
    draw = np.random.default_rng(1)
    values = np.concatenate([draw.normal(0, 0.01, 2000), draw.normal(0.1, 0.2, 1000)])
    table, codes = codebooks.responsible(values, 2, 0)
    start = codebooks.density(values, 2)[:, None]
    peer = GaussianMixture(2, means_init=start, random_state=0, reg_covar=1e-6 * values.var()).fit(values[:, None])
    assert np.allclose(table, np.sort(peer.means_[:, 0])) and np.array_equal(codebooks.mixture(values, 2, 0), table)
    nearest = np.abs(values[:, None] - table).argmin(1)
    assert np.allclose(peer.means_[peer.predict(values[:, None]), 0], table[codes])
    assert (codes[(values < -0.1)] == 1).all() and (nearest[values < -0.1] == 0).all()


@EACH
def test_few_different_values_are_kept_as_they_are(method):
    assert codebooks.METHODS[method](np.float32([0.5, -1, 0.5, 2]), 4, 0).tolist() == [-1, 0.5, 2]
    assert codebooks.METHODS[method](np.float32([0.5]), 4, 0).tolist() == [0.5]


def test_many_values_are_thinned_to_order_statistics(monkeypatch):
    whole = codebooks.exact(WEIGHTS, 8)
    monkeypatch.setattr(codebooks, "MANY", 1500)
    assert error(WEIGHTS, whole) <= error(WEIGHTS, codebooks.exact(WEIGHTS, 8)) <= 1.02 * error(WEIGHTS, whole)
    assert len(codebooks.mixture(WEIGHTS, 8)) == 8


def test_rows_are_clustered_as_rows():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    drawn = np.repeat(corners, 25, 0) + np.random.default_rng(0).normal(0, 0.01, (100, 2))
    table = codebooks.rows(drawn, 4, 3)
    assert np.allclose(table[np.lexsort(table.T[::-1])], corners, atol=0.01)
    assert len(codebooks.rows(corners, 9)) == 4
