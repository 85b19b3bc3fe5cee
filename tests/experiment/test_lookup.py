"""A look-up table of layers: every layer that multiplies is there, the whole network beside it, ranks by hand."""

import pandas as pd
import pytest

from litecast import models
from litecast.data import windows
from litecast.data.sample import load
from litecast.experiment import lookup
from litecast.training import cost


@pytest.fixture(scope="module")
def data():
    return windows.prepare(load("sample-traffic", {}))


@pytest.mark.parametrize(("family", "kinds"), [("resnet1d", {"Conv1d", "Linear"}), ("gru", {"GRU", "Linear"})])
def test_the_layers_of_the_table_multiply_all_that_the_network_does(data, family, kinds):
    model = models.build(family, 8, data)
    found = lookup.layers(model)
    assert {type(layer.module).__name__ for layer in found.values()} == kinds
    counted = (cost.counted(layer.module, *(part.to("meta") for part in layer.entering))[0] for layer in found.values())
    assert sum(counted) == cost.profile(model).macs


def test_whole_networks_and_sums_are_timed(data):
    nets = {f"gru {width}": models.build("gru", width, data) for width in (4, 64)}
    lines = lookup.beside(nets, data, rounds=20)
    assert list(lines.family) == ["gru", "gru"]
    assert list(lines.macs) == [cost.profile(net).macs for net in nets.values()]
    assert (lines[["whole", "table", "calls"]] > 0).all(axis=None) and lines.whole[1] > lines.whole[0]


def test_ranks_by_hand():
    lines = pd.DataFrame({"family": ["a", "a", "a", "b", "b", "b"], "macs": [1, 2, 3, 1, 2, 3],
                          "table": [3, 2, 1, 4, 5, 6], "whole": [1, 2, 3, 4, 5, 6]})  # fmt: skip
    found = lookup.ranks(lines)
    assert found.loc["a"].tolist() == [1, -1] and found.loc["b"].tolist() == [1, 1]
    assert found.loc["across all"].round(3).tolist() == [0.478, 0.771]
