"""Costs against hand counts written as formulas, and against torch's own counter where that one is right."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from litecast import models
from litecast.errors import LitecastError
from litecast.models import base, resnet1d
from litecast.training import cost

L, H, F, PATCH = 168, 24, 6, 24
K = 4 * F  # calendar values a network is given: four looks at the horizon


def network(family, width, table="none"):
    module = models.module(family)
    torch.manual_seed(0)
    data = dict(L=L, H=H, F=F, patch=PATCH, anchor="mean", series=3, weekdays=7, kinds=5, steps=24, table=table)
    return module.Model(module.Config.of_width(width, **data)).eval()


class Toy(base.Forecaster):
    """A forecaster around any layer: (N, L) -> layer -> (N, H)."""

    def __init__(self, layer, L=8, H=8, call=None, mixes=False):  # noqa: N803
        super().__init__(base.Config(L=L, H=H, patch=4))
        self.layer, self.call, self.mixes_channels = layer, call or (lambda layer, rows: layer(rows)), mixes

    def net(self, rows, known):
        return self.call(self.layer, rows)


# ---- the families

def head(features, hidden):
    """Head of most families: (products, biases)."""
    return (features + K) * hidden + hidden * H, hidden + H


def by_hand(family, w):
    """(MACs, parameters)"""
    tokens = L // PATCH  # 7
    if family == "dlinear":
        return 2 * L * H, 2 * (L * H + H)  # 8 064 and 8 112
    if family == "lstm":
        products, biases = head(w, w)
        return 4 * w * (PATCH + w) * tokens + products, 4 * w * (PATCH + w) + 8 * w + products + biases
    if family == "gru":
        products, biases = head(w, w)
        return 3 * w * (PATCH + w) * tokens + products, 3 * w * (PATCH + w) + 6 * w + products + biases
    if family == "tcn":
        products, biases = head(w, w)
        stem, convolutions = 6 * w, 4 * 2 * 3 * w * w  # a kernel of 6 leaves 28 positions; four blocks of two
        return 28 * (stem + convolutions) + products, stem + w + convolutions + 8 * w + products + biases
    if family == "nlinear":
        return L * H, L * H + H
    if family == "sparsetsf":
        return 25 * L + PATCH * tokens * 1, 25 + tokens * 1  # one period ahead, the same map for 24 phases
    if family == "fits":
        kept = min((tokens + 1) * w + 10, L // 2 + 1)
        ahead = kept * (L + H) // L
        return 4 * kept * ahead + 2 * (L * kept + H * ahead), 2 * (kept * ahead + ahead)
    if family == "tsmixer":
        products, biases = head(tokens * w, w)
        time, features = 2 * tokens * 2 * tokens, 2 * w * 2 * w  # up and down, twice as wide inside
        macs = tokens * PATCH * w + 2 * (w * time + tokens * features) + products
        return macs, PATCH * w + w + 2 * (time + 3 * tokens + features + 3 * w) + products + biases
    if family == "nbeats":
        block = (L + K) * w + w * w + w * H
        return 3 * block + 2 * w * L, 3 * (block + 2 * w + H) + 2 * (w * L + L)  # the last block has no backcast
    if family in ("patchtst", "patchtst_wide"):
        tokens, layers = (7, 2) if family == "patchtst" else (14, 3)  # a stride of 12 over 168 + 12 steps
        weights = 3 * w * w + w * w + 2 * 2 * w * w  # qkv, out, up and down of one layer
        biases = 3 * w + w + 2 * w + w + 4 * w  # of those, and two norms
        ends = PATCH * w, tokens * w * H
        attention = 2 * tokens * tokens * w
        macs = tokens * ends[0] + layers * (tokens * weights + attention) + ends[1]
        return macs, ends[0] + w + tokens * w + layers * (weights + biases) + ends[1] + H
    step = L // resnet1d.POSITIONS
    positions = (L - 2 * step) // step + 1
    products, biases = head(w * positions, w)
    stem, convolutions = 2 * step * w, 6 * 3 * w * w
    return positions * (stem + convolutions) + products, stem + convolutions + 7 * w + products + biases


OWN = ["dlinear", "fits", "gru", "lstm", "nbeats", "nlinear", "patchtst", "patchtst_wide", "resnet1d", "sparsetsf",
       "tcn", "tsmixer"]  # fmt: skip


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize("family", OWN)
def test_macs_and_parameters_equal_hand_counts(family, width):
    found, (macs, params) = cost.profile(network(family, width)), by_hand(family, width)
    assert (found.macs, found.params) == (macs, params)
    assert found.live_params == params
    assert found.resident_bytes == 4 * params


def test_two_counts_by_hand_in_plain_numbers():
    assert cost.profile(network("dlinear", 1)).macs == 8064
    lstm = cost.profile(network("lstm", 16))
    assert lstm.params == 4 * 16 * 24 + 4 * 16 * 16 + 2 * 64 + (16 + 24) * 16 + 16 + 16 * 24 + 24 == 3752
    assert lstm.macs == 7 * 64 * 40 + 40 * 16 + 16 * 24 == 18944


@pytest.mark.parametrize("family", ["nlinear", "lstm", "nbeats", "resnet1d"])
def test_a_usual_week_costs_its_values_and_no_product(family):
    plain, own, shared = (cost.profile(network(family, 8, table)) for table in ("none", "own", "shared"))
    assert own.params - plain.params == 3 * (7 + 5) * 24 == own.live_params - plain.live_params
    assert shared.params - plain.params == (7 + 5) * 24 and own.resident_bytes - plain.resident_bytes == 4 * 3 * 12 * 24
    assert own.macs == shared.macs == plain.macs


def test_a_usual_week_in_waves_costs_its_transform():
    linear = models.module("profile_linear")
    shared = dict(L=L, H=H, F=F, patch=PATCH, series=3, weekdays=7, kinds=5, steps=24, table="own")
    small, whole = (cost.profile(linear.Model(linear.Config.of_width(width, **shared))) for width in (1, 8))
    assert whole.params - small.params == 3 * 12 * (24 - 3)  # an eighth of 24: three waves
    assert small.macs - whole.macs == 3 * 12 * 3 * 24  # the whole table, whatever is asked of it


@pytest.mark.parametrize("family", ["dlinear", "nbeats", "patchtst", "resnet1d"])
def test_torch_counts_the_same(family):
    """Its counter takes a multiply-accumulate for two operations; on LSTM it sees the head only."""
    model = network(family, 16)
    plain = sdpa_kernel(SDPBackend.MATH)  # it does not see into the quick ones
    with FlopCounterMode(display=False) as counter, torch.no_grad(), plain:
        model(torch.randn(1, L, 1), torch.randn(1, L + H, F))
    assert cost.profile(model).macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("family", models.names())
def test_profiling_changes_nothing(family):
    model = network(family, 8)
    model.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cost.profile(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(layer._forward_hooks for layer in model.modules())


# ---- the layers

@pytest.mark.parametrize("layer, inputs, macs", [
    (nn.Linear(5, 7), (3, 5), 3 * 5 * 7),
    (nn.Conv1d(4, 6, 3, padding=1), (1, 4, 10), 10 * 6 * 4 * 3),
    (nn.Conv1d(4, 6, 3, stride=2), (1, 4, 11), 5 * 6 * 4 * 3),
    (nn.Conv1d(4, 8, 3, dilation=4), (1, 4, 20), 12 * 8 * 4 * 3),
    (nn.Conv1d(4, 8, 5, groups=4), (1, 4, 20), 16 * 8 * 1 * 5),
    (nn.LSTM(3, 5, batch_first=True), (1, 9, 3), 9 * 4 * 5 * (3 + 5)),
    (nn.LSTM(3, 5, 2), (9, 1, 3), 9 * 4 * 5 * ((3 + 5) + (5 + 5))),
    (nn.LSTM(3, 5, 2, bidirectional=True), (9, 1, 3), 2 * 9 * 4 * 5 * ((3 + 5) + (10 + 5))),
    (nn.LSTM(3, 6, proj_size=2), (9, 1, 3), 9 * (4 * 6 * (3 + 2) + 6 * 2)),
    (nn.GRU(3, 5, batch_first=True), (1, 9, 3), 9 * 3 * 5 * (3 + 5)),
    (nn.RNN(3, 5), (9, 1, 3), 9 * 5 * (3 + 5)),
    (nn.Sequential(nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 2), nn.BatchNorm1d(2)), (1, 5), 10),
])  # fmt: skip
def test_layers_by_hand(layer, inputs, macs):
    def call(layer, rows):
        out = layer(torch.zeros(inputs, device=rows.device))
        return rows + (out[0] if isinstance(out, tuple) else out).sum()

    assert cost.profile(Toy(layer, call=call)).macs == macs


@pytest.mark.parametrize("layer", [nn.LSTM(3, 5, 2), nn.GRU(3, 5), nn.Conv1d(4, 6, 3, groups=2)])
def test_every_row_of_a_batch_is_counted(layer):
    inputs = (9, 4, 3) if isinstance(layer, nn.RNNBase) else (2, 4, 10)

    def call(layer, rows):
        out = layer(torch.zeros(inputs, device=rows.device))
        return rows + (out[0] if isinstance(out, tuple) else out).sum()

    batch = inputs[1] if isinstance(layer, nn.RNNBase) else inputs[0]
    single = {nn.LSTM: 9 * 20 * (8 + 10), nn.GRU: 9 * 15 * 8, nn.Conv1d: 8 * 6 * 2 * 3}[type(layer)]
    assert cost.profile(Toy(layer, call=call)).macs == batch * single


def test_a_layer_called_twice_counts_twice():
    shared = Toy(nn.Linear(8, 8), call=lambda layer, rows: layer(layer(rows)))
    assert cost.profile(shared).macs == 2 * 64 and cost.profile(shared).params == 72


def test_products_the_counter_does_not_know_are_an_error():
    class Secret(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(8, 8))

        def forward(self, rows):
            return rows @ self.weight

    with pytest.raises(LitecastError, match="Secret.*own_macs"):
        cost.profile(Toy(Secret()))
    Secret.own_macs = lambda self, rows: rows.numel() * 8
    assert cost.profile(Toy(Secret())).macs == 64


def test_own_products_are_added_to_those_of_the_parts():
    attention = models.module("patchtst").Attention(8)
    toy = Toy(attention, call=lambda layer, rows: layer(rows.reshape(1, 1, 8).expand(1, 5, 8)).mean(1))
    assert cost.profile(toy).macs == 5 * (8 * 24 + 8 * 8) + 2 * 5 * 5 * 8


# ---- parameters and memory

def test_a_dead_branch_is_not_live():
    def call(layer, rows):
        layer["dead"](rows)
        return layer["live"](rows)

    layers = nn.ModuleDict({"live": nn.Linear(8, 8), "dead": nn.Linear(8, 100), "never": nn.Linear(8, 1)})
    found = cost.profile(Toy(layers, call=call))
    assert found.live_params == 72
    assert found.params == 72 + 900 + 9
    assert found.macs == 64 + 800  # what runs is paid for, whether it matters or not


def test_a_detached_branch_is_not_live():
    layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
    found = cost.profile(Toy(layers, call=lambda layer, rows: layer[0](rows) + layer[1](rows).detach()))
    assert found.live_params == 72 and found.params == 144


def test_zeros_are_counted_in_the_real_weights():
    model = network("lstm", 8)
    params = cost.profile(model).params
    with torch.no_grad():
        model.lstm.weight_hh_l0[:4] = 0
    found = cost.profile(model)
    assert (found.params, found.nonzero_params, found.live_params) == (params, params - 4 * 8, params)


def test_arena_is_the_largest_layer():
    wide = nn.Sequential(nn.Linear(8, 50), nn.ReLU(), nn.Linear(50, 8))
    assert cost.profile(Toy(wide)).arena_bytes == 4 * (50 + 50)
    lstm = Toy(nn.LSTM(4, 16, batch_first=True), call=lambda layer, rows: layer(rows.reshape(1, 2, 4))[0].sum() + rows)
    assert cost.profile(lstm).arena_bytes == 4 * (8 + 2 * 16 + 16 + 16)  # steps, and the last state (h, c)


def test_buffers_are_resident():
    layer = nn.Linear(8, 8)
    layer.register_buffer("table", torch.zeros(10))
    layer.register_buffer("index", torch.zeros(3, dtype=torch.int64))
    assert cost.profile(Toy(layer)).resident_bytes == 4 * 72 + 4 * 10 + 8 * 3


def test_cost_is_for_one_series_unless_they_are_mixed():
    class Mixing(nn.Module):
        config, mixes_channels = SimpleNamespace(L=8, H=8, F=0, series=5, cells=1), True

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x, *_):
            return self.layer(x.transpose(1, 2)).transpose(1, 2)

    assert cost.profile(Mixing(), channels=5).macs == 5 * 64
    assert cost.profile(Toy(nn.Linear(8, 8)), channels=5).macs == 64


def test_costs_are_plain_integers():
    found = cost.profile(network("resnet1d", 8))
    assert all(type(value) is int for value in vars(found).values())
    assert np.all(np.array(list(vars(found).values())) > 0)


# ---- what a compact family saves

COMPACT = [name for name in models.names() if hasattr(models.module(name), "idea")]


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize("family", COMPACT)
def test_the_formula_of_an_idea_is_what_is_counted(family, width):
    idea = models.module(family).idea(network(family, width).config)
    x = torch.zeros(idea.shape, device="meta")
    (own, *_), (plain, *_) = cost.counted(idea.layer, x), cost.counted(idea.plain, x)
    weights = [sum(p.numel() for p in layer.parameters()) for layer in (idea.layer, idea.plain)]
    assert weights[1] / weights[0] == pytest.approx(idea.factor)
    assert plain / own == pytest.approx(idea.factor if idea.macs is None else idea.macs)
