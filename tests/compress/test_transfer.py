"""One series held out; what moves and what stays; what a device has to be sent, to compute and to keep."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from litecast import modelfile, models, training
from litecast.compress import Task, transfer
from litecast.data import usual, windows
from litecast.data.frame import Header, from_wide
from litecast.errors import DataError, TooFewWindows
from litecast.models import base
from litecast.training import Budget, cost

BUDGET = Budget(steps=6, batch=16, lr=5e-3, retrain_steps=5)
FAMILIES = ("profile_mlp", "nbeats@own", "lstm", "resnet1d", "patchtst")


def dataset(series=3):
    day = np.sin(2 * np.pi * np.arange(600) / 24)[:, None]
    values = 50 + 10 * day * (1 + np.arange(series)) + np.random.default_rng(0).normal(0, 1, (600, series))
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    names = [f"s{i}" for i in range(series)]
    return windows.prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, names)))


@pytest.fixture(scope="module")
def data():
    return dataset()


def body(data, family, width=8):
    _, site, others = transfer.held_out(data, 0)
    return transfer.fresh(models.build(family, width, data, 0), others, 1), site


def tuned(data, family, variant, share=0.5, control="", seed=0):
    start, site = body(data, family)
    return transfer.compress(Task(start, site, BUDGET, seed, share, variant, control=control)), start, site


# ---- the data


def test_a_site_is_drawn_by_the_seed_and_nobody_else_sees_it(data):
    number, site, others = transfer.held_out(data, 0)
    assert site.names == [data.names[number]] and others.names == [n for n in data.names if n != data.names[number]]
    assert transfer.held_out(data, 0)[0] == number
    assert {transfer.held_out(data, seed)[0] for seed in range(30)} == {0, 1, 2}
    with pytest.raises(TooFewWindows, match="has one series: there are no others"):
        transfer.held_out(site, 0)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.37, 1.0])
def test_a_share_is_that_of_the_latest_windows(data, share):
    part, every = windows.only(data, [1], share), data.origins("train")
    kept = part.origins("train")
    np.testing.assert_array_equal(kept, every[len(every) - max(1, round(share * len(every))) :])
    for name in ("val", "test"):
        np.testing.assert_array_equal(part.origins(name), data.origins(name))
    np.testing.assert_array_equal(part.y[:, 0], data.y[:, 1])


def test_the_scaler_knows_the_share_alone(data):
    part = windows.only(data, [1], 0.1)
    seen = data.y[np.unique(part.origins("train")[:, None] + np.arange(data.H)), 1]
    assert part.mean[0] == pytest.approx(seen.mean(), abs=0.05 * seen.std()) and abs(part.mean[0] - data.mean[1]) > 0
    np.testing.assert_allclose(part.x[:, 0], (data.y[:, 1] - part.mean) / part.std, rtol=1e-5, atol=1e-5)
    whole = windows.only(data, [0, 1, 2])
    np.testing.assert_array_equal(whole.x, data.x)
    np.testing.assert_array_equal(whole.mean, data.mean)


def test_all_windows_of_all_series_are_the_dataset_under_weeks_too():
    values = pd.DataFrame(np.random.default_rng(0).normal(9, 1, (24 * 7 * 14, 2)),
                          pd.date_range("2024-01-01", periods=24 * 7 * 14, freq="h"), ["a", "b"])
    data = windows.prepare(from_wide(Header("w", "items", "h", 24, 48, 6, split="weeks"), values))
    for share in (0.05, 0.6, 1.0):
        origins = data.origins("train")
        kept = windows.only(data, [0], share).origins("train")
        np.testing.assert_array_equal(kept, origins[-round(share * len(origins)) :])


def test_a_series_without_a_value_is_refused(data):
    broken = replace(data, y=data.y.copy())
    broken.y[300:420, 2] = np.nan
    with pytest.raises(DataError, match="s2 has no value in the latest 1% of the train windows"):
        windows.only(broken, [0, 2], 0.01)


def test_a_prior_stands_where_nothing_was_seen_and_yields_to_days(data):
    part = windows.only(data, [0], 0.02)
    prior = np.full((1, *usual.shape("h", None)), 7.0)
    few, own = usual.table(part, prior=prior), usual.table(part)
    unseen = ~np.isin(np.arange(prior.size), np.unique(usual._place(part.cells[part.parts["train"]], "h")[0] * 24
                                                      + usual._place(part.cells[part.parts["train"]], "h")[1]))
    assert (few.ravel()[unseen] == 7).all() and (few.ravel()[~unseen] != 7).all()
    y = part.scale(part.y)[part.parts["train"], 0]
    assert abs(few.ravel()[~unseen] - 7).max() < abs(y - 7).max(), "drawn half or less of the way"
    assert not np.allclose(few, own)


# ---- the network of one series


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unseen_series_gets_the_mean_of_all(data, family):
    """What a network says of a series that it never saw is what its adopted network says."""
    start, _ = body(data, family)
    own, window = transfer.adopted(start), base.example(start.config, 8)
    x, z, _, cells = window
    with torch.no_grad():
        unseen = start.eval()(x, z, torch.tensor([start.config.series]), cells)
        np.testing.assert_allclose(own(x, z, torch.zeros(1, dtype=torch.int64), cells), unseen, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("variant", ["all", "last", "table"])
def test_only_what_is_meant_moves(data, family, variant):
    made, start, site = tuned(data, family, variant)
    before, names = transfer.adopted(start), set(transfer.moves(made.model, variant))
    week = "usual.table"
    changed = {n for n, v in made.model.named_parameters() if not torch.equal(v, before.get_parameter(n))}
    assert changed <= names | {week}
    assert (changed - {week}) or variant == "table" or not names
    assert all(p.requires_grad for p in made.model.parameters()) and made.parents == ("start",)


def test_what_each_way_moves(data):
    profile, _ = body(data, "profile_mlp")
    assert transfer.moves(profile, "table") == ["usual.table", "embedding.weight"]
    assert transfer.moves(profile, "last") == ["second.weight", "second.bias"] == transfer.moves(profile, "int8")
    assert transfer.moves(profile, "frozen") == []
    nbeats = models.build("nbeats", 8, data)
    assert transfer.moves(nbeats, "last") == [f"blocks.{i}.forecast.{p}" for i in range(3) for p in ("weight", "bias")]
    assert transfer.moves(nbeats, "table") == [], "it is told nothing of its series"
    assert transfer.moves(models.build("lstm", 8, data), "last") == ["head.out.weight", "head.out.bias"]
    assert transfer.moves(models.build("profile_mlp@fixed", 8, data), "table") == ["embedding.weight"]


def test_frozen_is_the_adopted_body_and_costs_nothing(data):
    made, start, _ = tuned(data, "profile_mlp", "frozen", 0.01)
    before = transfer.adopted(start).state_dict()
    assert all(torch.equal(v, before[n]) for n, v in made.model.state_dict().items())
    assert made.spent == training.Spent()


def test_the_week_moves_from_the_others_towards_the_own_days(data):
    start, site = body(data, "profile_mlp")
    prior, own = transfer.adopted(start).usual.days().detach(), torch.from_numpy(usual.table(site))
    gaps = []
    for share in (0.01, 0.3, 1.0):
        week = models.with_week(transfer.adopted(start), windows.only(site, [0], share), prior.numpy()).usual.days()
        raw = week.detach() * windows.only(site, [0], share).std[0] + windows.only(site, [0], share).mean[0]
        gaps.append(float((raw - (own * site.std[0] + site.mean[0])).abs().mean()))
    assert gaps[2] < gaps[1] < gaps[0]


def test_the_control_is_fresh_and_takes_a_whole_training(data):
    made, start, site = tuned(data, "profile_mlp", "all", 1.0, "scratch")
    assert made.spent.steps == 6 and made.parents == ()
    assert made.spent.macs == 6 * 16 * 3 * cost.profile(made.model).macs
    own = transfer.adopted(start).get_parameter("first.weight")
    assert not torch.isin(made.model.first.weight, own).any()


def test_a_batch_is_never_larger_than_what_there_is(data):
    made, _, site = tuned(data, "lstm", "all", 0.01)
    count = len(windows.only(site, [0], 0.01).origins("train"))
    assert count < BUDGET.batch and made.spent.macs == 5 * count * 3 * cost.profile(made.model).macs


def test_more_than_one_series_is_refused(data):
    with pytest.raises(DataError, match="tuned on one series, not on 3; hold one out"):
        transfer.compress(Task(models.build("lstm", 8, data), data, BUDGET, 0, 1.0, "all"))


# ---- what it takes


def test_products_of_a_step_by_hand():
    """An MLP 48 -> 8 -> 6 behind a frozen start: forward once, weights twice more, a passed gradient once more."""
    model = models.build("lstm", 8, dataset(), 0)
    whole = cost.profile(model).macs
    recurrent, hidden, out = 4 * 8 * (24 + 8) * 2, (8 + model.config.known) * 8, 8 * 6
    assert whole == recurrent + hidden + out and cost.step(model) == 3 * whole

    def step(*moved):
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(moved) if moved else False)
        return cost.step(model)

    assert step() == whole
    assert step("head.out") == whole + 2 * out
    assert step("head.hidden") == whole + 2 * hidden + out
    assert step("lstm") == whole + 2 * recurrent + hidden + out


def test_what_is_frozen_is_not_counted_and_comes_free_again(data):
    model = models.build("nbeats", 8, data, 0)
    names = transfer.moves(model, "last")
    fit = training.fit(model, data, BUDGET, 0, training.Freeze(names))
    forecasts = 3 * 8 * 6  # of three blocks; a gradient goes no further, since all before stands still
    assert fit.spent.macs == 6 * 16 * (cost.profile(model).macs + 2 * forecasts)
    assert all(p.requires_grad for p in model.parameters())


def test_the_last_layer_alone_keeps_less_for_the_backward_pass(data):
    model = models.build("lstm", 32, data, 0)
    kept = {way: transfer.kept_mb(model, transfer.moves(model, way), 64) for way in ("all", "last", "frozen")}
    assert kept["frozen"] == 0 < kept["last"] < 0.2 * kept["all"]
    assert kept["last"] == pytest.approx(64 * (32 + 1) * 4 / 1e6), "what the last layer reads, and each window's scale"


@pytest.mark.parametrize("variant", transfer.VARIANTS)
def test_the_file_and_the_update_are_the_network_bit_for_bit(data, variant, tmp_path):
    made, start, site = tuned(data, "profile_mlp", variant)
    [file], part = made.files.values(), windows.only(site, [0], 0.5)
    modelfile.save(tmp_path / "net", made.model, file.codecs, modelfile.Card.of(part), file.held)
    loaded = modelfile.load(tmp_path / "net").model
    generic = transfer.adopted(start)
    if variant == "int8":
        transfer.decoded(generic)
    sent = transfer.update(loaded, generic)
    again = transfer.updated(generic, sent)
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
        assert torch.equal(again.state_dict()[name], value), name
    week = {"usual.table"} if variant != "frozen" else set()
    assert set(safetensors.torch.load(sent)) <= {*transfer.moves(made.model, variant), *week}


def test_an_int8_body_is_smaller_and_its_last_layer_is_not_rounded(data, tmp_path):
    sizes = {}
    for variant in ("last", "int8"):
        made, _, site = tuned(data, "nbeats@own", variant)
        [file] = made.files.values()
        sizes[variant] = modelfile.save(tmp_path / variant, made.model, file.codecs, modelfile.Card.of(site), file.held)
    assert sizes["int8"] < 0.5 * sizes["last"]
    assert len(made.model.blocks[0].forecast.weight.unique()) > len(made.model.blocks[0].first.weight[0].unique()) / 48
    codes = made.model.blocks[0].first.weight.detach()
    assert max(len(row.unique()) for row in codes) <= 255


def test_one_seed_one_network(data):
    first, again = (tuned(data, "profile_mlp", "all")[0].model for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
