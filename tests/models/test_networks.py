"""What every family promises: shapes, folding of series, the anchor, the calendar, sizes that do not divide."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import ModelFileError, StudyError
from litecast.models import base, information

FAMILIES = models.names()
DEEP = ["blocks", "gru", "lstm", "nbeats", "patchtst", "patchtst_wide", "resnet1d", "tcn"]
LINEAR = ["dlinear", "fits", "nlinear", "sparsetsf"]
BLIND = [*LINEAR, "patchtst", "patchtst_wide"]  # to the calendar, as published
READERS = [family for family in FAMILIES if family not in (*BLIND, "profile_linear")]
NAMES = [*FAMILIES, "nbeats@own", "lstm@shared", "nlinear@own", "resnet1d@weekdays"]  # some are told more
PATCHED = ["gru", "lstm", "patchtst", "sparsetsf", "tsmixer"]  # of whole days: the oldest, incomplete one is left out


def network(name, width=8, seed=0, L=48, H=10, F=3, patch=24, anchor="mean", **told):  # noqa: N803
    """Hours of three series in Korea; a usual week, where the network has one, is drawn."""
    module, word = models.module(name), name.partition("@")[2]
    shared = dict(L=L, H=H, F=F, patch=patch, anchor=anchor, series=3, weekdays=7, kinds=5, steps=24,
                  table=getattr(module, "TABLE", "none"))  # fmt: skip
    torch.manual_seed(seed)
    model = module.Model(module.Config.of_width(width, **shared | (information.KNOWS[word][0] if word else {}) | told))
    if model.usual is not None:
        model.usual.fill(torch.randn(model.usual.series, model.config.types, model.config.steps))
    return model.eval()


def inputs(model, batch=4, channels=1, F=3, seed=1):  # noqa: N803
    """x, z, series, cells; z also for a network that reads none."""
    draw, T = torch.Generator().manual_seed(seed), model.config.L + model.config.H  # noqa: N806
    x = torch.randn(batch, model.config.L, channels, generator=draw)
    cells = torch.arange(T) + 24 * torch.randint(42, (batch, 1), generator=draw)
    return (x, torch.randn(batch, T, F, generator=draw), torch.arange(channels) % model.config.series,
            cells % model.config.cells)


def fitted(week, window):
    """The usual values (L+H,) at the level and, as far as they explain it, the width of a window (L,), by hand."""
    past = week[: len(window)].double()
    slope = np.cov(past, window.double(), bias=True) + base.AS_USUAL
    return window.mean() + (week - past.mean().float()) * float(slope[0, 1] / slope[0, 0])


def drawn(model):
    """No weight is zero, as some are at the start."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def dataset(season=24, frequency="h", L=48, H=6, T=400, country=None):  # noqa: N803
    header = Header("made-up", "items", frequency, season, L, H, country=country)
    times = pd.date_range("2024-01-01", periods=T, freq="B" if frequency == "trading-day" else frequency)
    values = np.random.default_rng(0).normal(50, 5, (T, 2))
    return prepare(from_wide(header, pd.DataFrame(values, index=times, columns=["a", "b"])))


def test_the_families_are_found_by_their_files():
    assert {name for name in FAMILIES if models.stage(name) == "deep"} == set(DEEP)
    assert {name for name in FAMILIES if models.stage(name) == "compact"} > {*LINEAR, "tsmixer", "mobilenet_v1"}
    for name in FAMILIES:
        assert list(models.module(name).WIDTHS) == sorted(models.module(name).WIDTHS)
    with pytest.raises(StudyError, match="'lstn' is unknown.*lstm"):
        models.module("lstn")


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_series_are_folded_into_the_batch(name, channels):
    model = drawn(network(name))
    x, z, series, cells = inputs(model, channels=channels)
    out = model(x, z, series, cells)
    assert out.shape == (4, 10, channels) and out.dtype == torch.float32 and torch.isfinite(out).all()
    for c in range(channels):
        alone = model(x[:, :, c : c + 1], z, series[c : c + 1], cells)
        torch.testing.assert_close(out[:, :, c : c + 1], alone, rtol=0, atol=1e-5)
    for b in range(4):
        alone = model(x[b : b + 1], z[b : b + 1], series, cells[b : b + 1])
        torch.testing.assert_close(out[b : b + 1], alone, rtol=0, atol=1e-5)
    each = model(x, z, series.expand(4, channels), cells)  # (B, C): another series in each window, as in training
    torch.testing.assert_close(each, out, rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_without_known_inputs_z_may_be_left_out(family):
    model = network(family, F=0)
    assert model.n_known == 0 and "z" not in model.reads
    x, z, *rest = inputs(model)
    assert torch.equal(model(x, None, *rest), model(x, z, *rest))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_the_calendar_is_read_after_the_last_observed_step_only(family):
    model = network(family)
    x, z, *rest = inputs(model)
    past, ahead = z.clone(), z.clone()
    past[:, : model.config.L] += 7
    ahead[:, model.config.L :] += 7
    assert torch.equal(model(x, past, *rest), model(x, z, *rest))
    assert model.n_known == (3 if family in READERS else 0)  # PatchTST and DLinear read none, as published
    assert ("z" in model.reads) == (family in READERS)
    assert torch.equal(model(x, ahead, *rest), model(x, z, *rest)) == (family not in READERS)


@pytest.mark.parametrize("family", READERS)
def test_a_forgotten_calendar_is_named(family):
    model = network(family)
    x, _, *rest = inputs(model)
    with pytest.raises(ValueError, match="reads 3 known inputs"):
        model(x, None, *rest)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_what_a_network_does_not_say_it_reads_changes_nothing(name):
    model = drawn(network(name))
    x, z, series, cells = inputs(model, channels=2)
    out = model(x, z, series, cells)
    assert torch.equal(model(x, *(part if word in model.reads else None for word, part in
                                  (("z", z), ("series", series), ("cells", cells)))), out)
    others = model(x, z, (series + 1) % 3, cells)
    knows = "series" in model.reads and model.config.table == "own"
    assert torch.equal(others, out) == (not knows)
    later = model(x, z, series, (cells + 168) % model.config.cells)  # another kind of days
    assert torch.equal(later, out) == ("cells" not in model.reads)


@pytest.mark.parametrize("name", [name for name in NAMES if "cells" in network(name).reads])
def test_forgotten_cells_are_named(name):
    model = network(name)
    x, z, series, _ = inputs(model)
    with pytest.raises(ValueError, match="cells"):
        model(x, z, series)


@pytest.mark.parametrize(("H", "steps", "looks", "found"), [
    (1, 24, 0, 1), (3, 24, 0, 3), (4, 24, 0, 4), (5, 24, 0, 3), (10, 24, 0, 4), (24, 24, 0, 4), (96, 24, 0, 4),
    (192, 24, 0, 8), (96, 96, 0, 4), (14, 1, 0, 14), (6, 1, 0, 6), (14, 1, 4, 4), (192, 24, 4, 4), (24, 24, 24, 24),
])  # fmt: skip
def test_the_calendar_is_looked_at_four_times_and_once_a_day_unless_told(H, steps, looks, found):  # noqa: N803
    config = network("lstm", H=H, steps=steps, looks=looks).config
    assert config.known == 3 * found == 3 * len(range(0, H, config.stride))


@torch.no_grad()
@pytest.mark.parametrize("anchor", ["mean", "last"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_outputs_zero_is_the_naive_forecast_or_the_usual_week(name, anchor):
    model = network(name, anchor=anchor)
    for word, parameter in model.named_parameters():
        if word != "usual.table":
            parameter.zero_()
    x, z, series, cells = inputs(model, channels=2)
    expected = (x.mean(1) if anchor == "mean" and name != "nlinear" else x[:, -1])[:, None].expand(-1, 10, -1)
    if model.usual is not None:
        weeks = [model.usual(s.expand(4), cells) for s in series]
        expected = torch.stack([torch.stack([fitted(weeks[c][b], x[b, :, c])[48:] for b in range(4)])
                                for c in range(2)], 2)  # fmt: skip
    torch.testing.assert_close(model(x, z, series, cells), expected, rtol=0, atol=2e-6)


@torch.no_grad()
@pytest.mark.parametrize("name", ["nbeats@own", "profile_mlp"])
def test_the_usual_week_is_raised_and_widened_with_its_window(name):
    """Demand that is a third less all over is forecast a third lower; a flat week is only raised."""
    model = network(name)
    for word, parameter in model.named_parameters():
        if word != "usual.table":
            parameter.zero_()
    _, z, series, cells = inputs(model)
    model.usual.fill(10 * torch.randn(3, 12, 24))  # wide beside AS_USUAL
    usual = model.usual(series.expand(4), cells)[:, :, None]
    torch.testing.assert_close(model(usual[:, :48], z, series, cells), usual[:, 48:], rtol=0, atol=1e-4)
    less = model(2 / 3 * usual[:, :48] + 7, z, series, cells)
    torch.testing.assert_close(less, 2 / 3 * usual[:, 48:] + 7, rtol=0, atol=0.05)
    model.usual.fill(torch.full((3, 12, 24), 5.0))
    x = torch.randn(4, 48, 1)
    torch.testing.assert_close(model(x, z, series, cells), x.mean(1, keepdim=True).expand(4, 10, 1), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("anchor", ["mean", "last"])
@pytest.mark.parametrize("name", NAMES)
def test_a_shifted_window_shifts_its_forecast_and_a_flat_one_stays_finite(name, anchor):
    """With the usual week, which is shifted as well."""
    model = network(name, anchor=anchor)
    x, *rest = inputs(model)
    before, week = model(x, *rest), model.usual and model.usual.days().reshape(model.usual.series, -1, 24)
    if week is not None:
        model.usual.fill(week + 5)
    torch.testing.assert_close(model(x + 5, *rest), before + 5, rtol=0, atol=2e-5)
    if week is not None:
        model.usual.fill(torch.full_like(week, 3.0))
    flat = model(torch.full_like(x, 3.0), *rest)
    assert (flat - 3).abs().max() < 1  # the floor of the scale: 0.01


@torch.no_grad()
@pytest.mark.parametrize("name", ["nbeats", "nbeats@own", "profile_mlp"])
def test_a_window_is_scaled_by_itself_or_by_train_which_is_one(name):
    """What enters the network, by hand."""
    seen = []
    for scale in ("window", "train"):
        model = network(name, scale=scale)
        model.told = lambda rows, *_, model=model: seen.append(rows) or rows.new_ones(len(rows), model.config.H)
        x, *rest = inputs(model)
        past, ahead = (x.mean(1, keepdim=True)[:, :, 0],) * 2
        if model.usual is not None:
            weeks = model.usual(rest[1].expand(4), rest[2])
            if scale == "window":
                weeks = torch.stack([fitted(week, row) for week, row in zip(weeks, x[:, :, 0], strict=True)])
            past, ahead = weeks.split([48, 10], 1)
        spread = 1.0 if scale == "train" else x.std(1, unbiased=False) + base.FLOOR
        torch.testing.assert_close(model(x, *rest)[:, :, 0], (spread + ahead).expand(4, 10), rtol=0, atol=1e-5)
        torch.testing.assert_close(seen[-1], (x[:, :, 0] - past) / spread, rtol=0, atol=1e-5)


@pytest.mark.parametrize("L", [48, 49, 52, 53, 60, 71])
@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_the_look_back_the_newest_step_is_read(family, L):  # noqa: N803
    model = drawn(network(family, L=L, H=24, F=0))
    x, _, series, cells = inputs(model, batch=32)
    rows = x[:, :, 0].requires_grad_()
    out = model.told(rows, None, series.expand(32), cells)
    out.square().sum().backward()
    assert out.shape == (32, 24) and (rows.grad[:, -1] != 0).any()  # rectifiers may be off in single windows
    if family in PATCHED:
        assert (rows.grad[:, : L % 24] == 0).all()
    else:
        assert (rows.grad != 0).any(0).float().mean() > 0.9


@torch.no_grad()
def test_dlinear_by_hand():
    model = network("dlinear", L=30, H=2)
    model.trend.weight.zero_()[:, 0] = 1
    model.rest.weight.zero_()[:, 15] = 1
    for layer in (model.trend, model.rest):
        layer.bias.zero_()
    rows = torch.arange(30.0)[None] ** 2
    trend = (13 * rows[0, 0] + rows[0, 1:13].sum()) / 25  # the first value stands in for the twelve before it
    season = rows[0, 15] - rows[0, 3:28].mean()
    torch.testing.assert_close(model.net(rows, None), (trend + season).expand(1, 2))


@torch.no_grad()
def test_nlinear_is_a_linear_map_from_the_last_value():
    model = network("nlinear", L=30, H=2)
    x, *_ = inputs(model)
    rows = x[:, :, 0]
    spread = rows.std(1, keepdim=True, unbiased=False) + 0.01
    expected = rows[:, -1:] + (rows - rows[:, -1:]) @ model.map.weight.T + spread * model.map.bias
    torch.testing.assert_close(model(x)[:, :, 0], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_sparsetsf_forecasts_each_phase_from_its_own_past():
    model = network("sparsetsf", L=96, H=48)
    model.smooth.weight.zero_()
    model.across.weight.copy_(torch.tensor([[0, 0, 0, 1.0], [1, 0, 0, 0]]))  # four days back, two ahead
    rows = torch.randn(3, 96)
    torch.testing.assert_close(model.net(rows, None), torch.cat([rows[:, 72:], rows[:, :24]], 1))
    model.smooth.weight[0, 0, 12] = 1.0  # the step itself, once more
    torch.testing.assert_close(model.net(rows, None), 2 * torch.cat([rows[:, 72:], rows[:, :24]], 1))
    assert sum(p.numel() for p in network("sparsetsf", L=720, H=720).parameters()) == 25 + 30 * 30 < 1000


def complex_fits(model, rows):
    """The paper's steps with torch's own transforms: low-pass, complex map, zero padding, inverse."""
    L, n = model.config.L, model.config.L + model.config.H  # noqa: N806
    low = torch.fft.rfft(rows, dim=1)[:, : model.config.kept]
    weight = torch.complex(model.real.weight, model.imaginary.weight)
    bias = torch.complex(model.real.bias - model.imaginary.bias, model.real.bias + model.imaginary.bias)
    padded = torch.zeros(len(rows), n // 2 + 1, dtype=torch.cfloat)
    padded[:, : model.config.stretched] = low @ weight.T + bias
    return torch.fft.irfft(padded, n, dim=1)[:, L:] * n / L


@torch.no_grad()
@pytest.mark.parametrize("width", [1, 2])
def test_fits_is_the_complex_map_between_the_spectra(width):
    model = network("fits", width, L=96, H=24)
    rows = torch.randn(5, 96)
    torch.testing.assert_close(model.net(rows, None), complex_fits(model, rows), rtol=0, atol=1e-5)


def test_fits_can_be_evaluated_first_and_trained_then():
    model = network("fits", 1, L=54, H=13, F=0)  # sizes of its own: the waves are made here
    with torch.inference_mode():
        model(torch.randn(2, 54, 1))
    model(torch.randn(2, 54, 1)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("L", [48, 60, 96, 168])
def test_tcn_is_causal_and_sees_as_far_as_it_says(L):  # noqa: N803
    model = network("tcn", L=L, F=0)
    step, positions = model.config.step, model.config.positions
    assert model.config.receptive_field == L  # the whole window
    rows = torch.randn(1, L, requires_grad=True)
    for p in (0, positions // 2, positions - 1):
        (grad,) = torch.autograd.grad(model.positions(rows)[0, :, p].square().sum(), rows)
        end = L - (positions - 1 - p) * step
        assert (grad[0, end:] == 0).all() and (grad[0, end - step : end] != 0).any()


@torch.no_grad()
def test_patches_of_the_wide_patchtst_overlap_by_half():
    model = network("patchtst_wide", L=96, H=10)
    rows = torch.arange(96.0)[None]
    patches = model._patches(rows)
    assert patches.shape == (1, 8, 24) and model.config.tokens == 8
    assert patches[0, :, 0].tolist() == [0, 12, 24, 36, 48, 60, 72, 84]
    assert patches[0, -1].tolist() == [*range(84, 96)] + [95] * 12, "the last value fills one more stride"


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_neither_batch_size_nor_the_order_of_windows_matters(family):
    model = network(family)
    x, z, series, cells = inputs(model, batch=7)
    whole, order = model(x, z, series, cells), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(model(x[order], z[order], series, cells[order]), whole[order], rtol=0, atol=1e-5)
    parts = torch.cat([model(x[at], z[at], series, cells[at]) for at in (slice(1), slice(1, 5), slice(5, 7))])
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_last_block_of_nbeats_has_no_backcast():
    blocks = network("nbeats").blocks
    assert [block.backcast is None for block in blocks] == [False, False, True]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_may_be_cut_is_described_truly(family):
    model = network(family)
    state = model.state_dict()
    for units in model.units():
        size = model.config
        for key in units.field if units.field[0] != "left" else ():
            size = getattr(size, key) if isinstance(key, str) else size[key]
        assert size in (units.size, model.config)
        for slots in units.members:
            assert slots.places(units.size).max() < state[slots.parameter].shape[slots.dim]


# ---- building

def test_a_network_fits_its_data_and_its_seed():
    data = dataset(country="KR")
    model = models.build("lstm", 8, data, generator_seed=3)
    assert vars(model.config) == {
        "L": 48, "H": 6, "F": data.F, "patch": 24, "anchor": "mean", "hidden": 8, "head": 8, "scale": "window",
        "series": 2, "weekdays": 7, "kinds": 5, "steps": 24, "looks": 0, "table": "none", "waves": 0, "special": True,
        "trained": True, "left": (), "above": (),
    }  # fmt: skip
    again, other = models.build("lstm", 8, data, generator_seed=3), models.build("lstm", 8, data, generator_seed=4)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (model, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_data_without_a_season_is_anchored_at_its_last_value():
    data = dataset(season=1, frequency="trading-day", L=60, H=5)
    assert models.build("nbeats", 8, data).config.anchor == "last"
    assert models.patch(data) == 5


@torch.no_grad()
@pytest.mark.parametrize("name", ["profile_mlp", "profile_linear"])
def test_without_a_season_no_earlier_day_is_asked(name):
    """One day ahead x any or same type x two days back x three neighbours: twelve weights that only a season needs."""
    seasonal, model = network(name), network(name, anchor="last")
    gone = {n: p.numel() for n, p in seasonal.named_parameters()} | {"lags.weight": None}
    assert {n: p.numel() for n, p in model.named_parameters()} | {"lags.weight": None} == gone
    assert seasonal.lags.weight.numel() == 12 and model.lags is None
    assert model(*inputs(model)).shape == (4, 10, 1)


@pytest.mark.parametrize(("L", "patch"), [(48, 24), (30, 15), (168, 24)])
def test_two_patches_fit_into_every_window(L, patch):  # noqa: N803
    assert models.patch(dataset(L=L, T=1000)) == patch


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_a_description_is_json_and_builds_the_same_architecture(name):
    model = network(name)
    twin = models.rebuild(json.loads(json.dumps(models.describe(model))))
    assert twin.config == model.config
    twin.load_state_dict(model.state_dict())
    window = inputs(model)
    assert torch.equal(twin.eval()(*window), model(*window))
    with torch.device("meta"):
        assert next(models.rebuild(models.describe(model)).parameters()).device.type == "meta"


def test_a_description_leaves_out_what_most_networks_have_but_for_the_window():
    plain = models.module("nlinear").Model(models.module("nlinear").Config.of_width(1, L=48, H=6))
    assert models.describe(plain)["config"] == {"L": 48, "H": 6, "F": 0, "patch": 24, "anchor": "last"}
    told = models.describe(network("lstm", scale="train", looks=4, table="shared", special=False))["config"]
    assert told.items() >= {"scale": "train", "looks": 4, "table": "shared", "special": False, "series": 3}.items()
    assert "waves" not in told
    for field in ("series", "weekdays", "kinds", "steps", "looks", "waves"):
        assert field not in models.describe(plain)["config"]


@pytest.mark.parametrize("change", [
    {"family": "transformer"}, {"family": "../lstm"}, {"config": {}}, {"config": {"L": 48, "H": 6, "hidden": "8"}},
    {"config": {"L": 48, "H": 6, "hidden": 8, "head": 8, "colour": 1}}, {"config": None},
    {"config": {"L": 48, "H": 6, "patch": 0, "hidden": 8, "head": -8}},
])  # fmt: skip
def test_a_description_of_nothing_known_is_refused(change):
    with pytest.raises(ModelFileError, match="cannot build"):
        models.rebuild(models.describe(network("lstm")) | change)
