"""What the sparse products compute, how many of them a forecast takes, and from when on one pays."""


import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models
from litecast.compress import matrices, sparse_products
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.training import cost


@pytest.mark.parametrize("shape, columns", [((24, 40), 1), ((24, 40), 7), ((13, 5), 1), ((1, 1), 3), ((6, 3, 5), 2)])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
def test_every_format_multiplies_what_is_left(shape, columns, density):
    draw = torch.Generator().manual_seed(1)
    rows = torch.randn(shape, generator=draw).flatten(1)
    x = torch.randn(rows.shape[1], columns, generator=draw)
    found = {name: np.asarray(call()) for name, call in sparse_products.calls(rows, x, density).items()}
    ends = (slice(None),) if columns == 1 else (slice(None), slice(None))
    inputs = x.double().numpy()[:, 0] if columns == 1 else x.double().numpy()
    kept = rows.clone()
    kept.view(-1)[rows.abs().flatten().argsort()[: round((1 - density) * rows.numel())]] = 0
    single = kept.double().numpy() @ inputs
    np.testing.assert_allclose(found["torch"], rows.double().numpy() @ inputs, rtol=1e-4, atol=1e-5)
    for name in ("numpy", "csr"):
        np.testing.assert_allclose(found[name], single, rtol=1e-4, atol=1e-5)
    for size in sparse_products.BLOCKS:
        whole = sparse_products.blocked(rows, size, density).toarray()[: len(rows), : rows.shape[1]]
        assert set(whole[whole != 0]) <= set(rows.numpy().flatten())
        out = found[f"bsr {size}"]
        np.testing.assert_allclose(out[ends][: len(rows)], whole.astype(float) @ inputs, rtol=1e-4, atol=1e-5)
        assert not out[len(rows) :].any()


def test_the_blocks_with_the_largest_means_are_held_and_no_other():
    rows = torch.zeros(8, 12)
    for place, (top, left) in enumerate((top, left) for top in (0, 4) for left in (0, 4, 8)):
        rows[top : top + 4, left : left + 4] = 1.0 + place
    held = sparse_products.blocked(rows, 4, 0.5)
    assert held.nnz == 3 * 16 and len(held.data) == 3
    assert sorted(held.data[:, 0, 0]) == [4, 5, 6]
    assert held.toarray()[4:].tolist() == rows[4:].tolist() and not held.toarray()[:4].any()


def test_times_are_those_of_one_thread_and_each_is_held_against_the_quicker_dense_one():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        table = sparse_products.timed(torch.randn(16, 3, 5), columns=2, densities=(0.5, 0.1), runs=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert list(table.format) == ["numpy", "torch", "csr", "bsr 4", "bsr 8", "bsr 16"] * 2
    assert (table.us > 0).all() and (table.kernel_us >= sparse_products.CLOCK).all()
    assert (table.us > table.kernel_us).all()
    for density, lines in table.groupby("density"):
        dense = lines[lines.format.isin(["numpy", "torch"])]
        assert dense.quicker.max() == 1 and dense.kernel_quicker.max() == 1
        csr = lines[lines.format == "csr"].iloc[0]
        assert csr.quicker == pytest.approx(dense.us.min() / csr.us), density
        assert csr.kernel_quicker == pytest.approx(dense.kernel_us.min() / csr.kernel_us)


@pytest.mark.parametrize("ratios, wanted", [
    ([0.5, 0.9, 1.2, 1.5, 3.0], 0.9), ([1.1, 1.2, 1.3, 1.4, 1.5], 0.5), ([0.1, 0.2, 0.3, 0.4, 0.5], None),
    ([0.5, 1.2, 0.9, 1.5, 1.6], 0.95),  # one that was quicker before a slower one does not count
    ([0.5, 1.2, 1.3, 1.5, 1.0], None)])  # fmt: skip
def test_a_format_pays_from_where_it_is_quicker_at_all_that_follow(ratios, wanted):
    table = pd.DataFrame({"density": sparse_products.DENSITIES, "format": "csr", "quicker": 0.1,
                          "kernel_quicker": ratios})  # fmt: skip
    table = pd.concat([table.assign(format="numpy", quicker=1, kernel_quicker=1), table])
    assert sparse_products.pays(table) == {"csr": pytest.approx(np.nan, nan_ok=True)}
    assert sparse_products.pays(table, "kernel_quicker") == {"csr": pytest.approx(wanted or np.nan, nan_ok=True)}


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (400, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, ["a", "b"])))


@pytest.mark.parametrize("family", ["nbeats", "lstm", "gru", "resnet1d", "tcn", "dlinear", "nlinear"])
def test_weights_by_their_columns_are_the_products_of_a_forecast(data, family):
    model = models.build(family, models.module(family).WIDTHS[0], data)
    columns, weights = sparse_products.layers(model), matrices.of(model)
    assert set(columns) <= set(weights)
    each = {name: columns[name.replace("weight_hh", "weight_ih")] for name in columns}  # a state: once a step
    assert sum(times * weights[name].numel() for name, times in each.items()) == cost.profile(model).macs


def test_a_state_waits_for_the_step_before(data):
    model = models.build("lstm", 16, data)
    columns = sparse_products.layers(model)
    assert columns["lstm.weight_hh_l0"] == 1 and columns["lstm.weight_ih_l0"] > 1


def test_the_bench_runs_small(bench):
    told = bench("sparse.py")
    pays, quicker = told.split("\n\n")[1:]
    lines = [line.split(" | ") for line in pays.splitlines()[2:]]
    assert [line[1] for line in lines if "patchtst 32" in line[0]] == ["24x224", "96x32"]
    assert len(quicker.splitlines()) == 2 + 4 * len(lines) == 2 + 16
    assert all(len(line.split(" / ")) == 1 + len(sparse_products.DENSITIES) for line in quicker.splitlines()[2:])
