"""The usual week in a network: how it is read, kept and shortened; series nobody has seen; words after an @."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import catalogue, compress, modelfile, models, training
from litecast.compress import storages
from litecast.data import usual
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import DataError, StudyError
from litecast.models import base, information, profile_mlp
from litecast.models.usual import Usual, types, waves
from litecast.training import Budget

TOLD = ["nbeats@own", "lstm@shared", "nlinear@own", "profile_mlp", "profile_linear"]


def demand(T=600, C=3, seed=0):  # noqa: N803
    """Hourly demand of a day and a week, each series its own."""
    t, draw = np.arange(T)[:, None], np.random.default_rng(seed)
    day = np.sin(2 * np.pi * (t + 5 * np.arange(C)) / 24)
    return (1 + np.arange(C)) * (50 + 10 * day + 5 * (t // 24 % 7 > 4)) + draw.normal(0, 1, (T, C))


def dataset(values=None, country="KR", **changes):
    values = demand() if values is None else values
    header = Header("made-up", "items", "h", 24, 48, 6, country=country, **changes)
    times = pd.date_range("2024-01-29", periods=len(values), freq="h")
    return prepare(from_wide(header, pd.DataFrame(values, times, list("abcdefgh")[: values.shape[1]])))


def config(table="own", **changes):
    """Three series, hours of a week with two special kinds."""
    return base.Config(L=48, H=6, table=table, **dict(series=3, weekdays=7, kinds=2, steps=24) | changes)


def week(config, seed=0):
    """A table (C or 1, types, steps) drawn at random, float32."""
    count = config.series if config.table == "own" else 1
    draw = np.random.default_rng(seed)
    return torch.from_numpy(draw.normal(size=(count, config.types, config.steps)).astype(np.float32))


def trained_on(model):
    """The network with another usual week than the data's."""
    with torch.no_grad():
        model.usual.table += 1
    return model


def told(module, table):
    module.fill(table)
    return module


# ---- how it is read

def test_each_cell_is_looked_up_by_series_day_and_step():
    c = config()
    table = week(c)
    module = told(Usual(c), table)
    hour, weekday = 5, 3
    cells = torch.tensor([[weekday * 24 + hour, (7 + weekday) * 24 + hour, (2 * 7 + 6) * 24 + 23, 0]])
    found = module(torch.tensor([2]), cells)
    assert found[0].tolist() == [table[2, 3, 5], table[2, 7, 5], table[2, 8, 23], table[2, 0, 0]]
    assert types(c, cells)[0].tolist() == [3, 7, 8, 0], "special days whatever their weekday"
    plain = told(Usual(config(special=False)), table[:, :7])
    wanted = [table[1, 3, 5], table[1, 3, 5], table[1, 6, 23], table[1, 0, 0]]
    assert plain(torch.tensor([1]), cells)[0].tolist() == wanted


def test_a_shared_week_is_the_same_for_every_series():
    c = config("shared")
    table = week(c)
    cells = torch.arange(c.cells).repeat(4, 1)
    found = told(Usual(c), table)(torch.tensor([0, 1, 2, 3]), cells)
    assert table.shape[0] == 1 and all(torch.equal(row, found[0]) for row in found)
    assert found[0, 24 * 3 + 5] == table[0, 3, 5]


def test_a_series_that_nobody_has_seen_has_the_mean_of_all():
    c = config()
    table, cells = week(c), torch.arange(7 * 24)[None]
    module = told(Usual(c), table)
    torch.testing.assert_close(module(torch.tensor([3]), cells)[0], table[:, :7].mean(0).flatten())
    alone = told(Usual(config(series=1)), table[:1])
    assert torch.equal(alone(torch.tensor([1]), cells), alone(torch.tensor([0]), cells))


@torch.no_grad()
@pytest.mark.parametrize("name", TOLD)
def test_number_c_and_no_number_are_the_same_unseen_series(name):
    data = dataset()
    model = models.build(name, models.module(name).WIDTHS[0], data, 1).eval()
    for p in model.parameters():
        p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    x, z, series, cells = base.example(model.config, 5, 2)
    unseen = model(x, z, None, cells)
    assert torch.equal(model(x, z, torch.tensor([3, 3]), cells), unseen)
    torch.testing.assert_close(unseen[:, :, :1], model(x[:, :, :1], z, None, cells), rtol=0, atol=1e-5)
    assert unseen.shape == (5, 6, 2)
    if name != "lstm@shared":
        assert not torch.equal(model(x, z, series, cells), unseen)


# ---- waves

@pytest.mark.parametrize("kept", [1, 3, 12, 24])
def test_waves_are_orthonormal_and_start_with_the_mean(kept):
    found = waves(24, kept, torch.device("cpu"))
    torch.testing.assert_close(found @ found.T, torch.eye(kept), rtol=0, atol=1e-6)
    torch.testing.assert_close(found[0], torch.full((24,), 24**-0.5))
    k, n = np.arange(kept)[:, None], np.arange(24) + 0.5
    by_hand = np.sqrt(2 / 24) * np.cos(np.pi * k * n / 24)
    np.testing.assert_allclose(found[1:], by_hand[1:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("asked", [0, 24, 99])
def test_all_waves_are_the_table_itself_to_the_bit(asked):
    c = config(waves=asked)
    module = told(Usual(c), week(c))
    assert module.table.shape == (3 * 9, 24) and torch.equal(module.days(), week(c))


@pytest.mark.parametrize("kept", [1, 3, 8])
def test_fewer_waves_are_the_nearest_smooth_day(kept):
    """A low pass: of a slow wave nothing is lost, of a random day exactly what the further waves hold."""
    c = config(waves=kept)
    module, table, full = Usual(c), week(c), waves(24, 24, torch.device("cpu"))
    assert module.table.shape == (27, kept)
    spectrum = table.reshape(27, 24) @ full.T
    spectrum[:, kept:] = 0
    torch.testing.assert_close(told(module, table).days(), (spectrum @ full).reshape(3, 9, 24), rtol=0, atol=1e-5)
    slow = full[kept - 1].expand(3, 9, 24)
    torch.testing.assert_close(told(module, slow).days(), slow.reshape(3, 9, 24), rtol=0, atol=1e-6)
    assert torch.equal(told(module, torch.full((3, 9, 24), 2.0)).days().round(decimals=4), torch.full((3, 9, 24), 2.0))


def test_waves_can_be_evaluated_first_and_trained_through_then():
    c = config(waves=5, steps=30)  # sizes of their own: the waves are made here
    module, cells = told(Usual(c), week(c)), torch.zeros(1, 4, dtype=torch.int64)
    with torch.inference_mode():
        module(torch.tensor([0]), cells)
    scale = torch.ones(1, requires_grad=True)
    (module(torch.tensor([0]), cells) * scale).sum().backward()
    assert torch.isfinite(scale.grad).all()


# ---- built, trained, stored, compressed

@pytest.mark.parametrize("name, how", [("nbeats@own", {}), ("nbeats@shared", {"shared": True}), ("profile_mlp", {})])
def test_a_fresh_network_holds_the_table_of_its_data(name, how):
    data = dataset()
    model = models.build(name, 8, data)
    np.testing.assert_array_equal(model.usual.days().detach().numpy(), usual.table(data, **how))
    plain = models.build("profile_mlp@weekdays", 8, data)
    table = usual.table(data, special=False)
    np.testing.assert_array_equal(plain.usual.days().detach().numpy(), table)


def test_demand_that_is_mostly_zero_is_scaled_by_train_and_its_week_is_of_medians():
    values = np.where(np.random.default_rng(0).random((600, 3)) < 0.7, 0.0, demand())
    data = dataset(values)
    model = models.build("nbeats@own", 8, data)
    assert model.config.scale == "train"
    table = usual.table(data, middle="median")
    np.testing.assert_array_equal(model.usual.days().detach().numpy(), table)
    assert np.abs(table - usual.table(data)).max() > 0.1
    assert models.build("nbeats@window", 8, data).config.scale == "window"
    for count, scale in ((0, "window"), (1, "window"), (2, "train")):  # of three series more than half
        some = np.where(np.arange(3) < count, values, demand())
        assert models.build("nbeats@own", 8, dataset(some)).config.scale == scale


@pytest.mark.parametrize("name", [*TOLD, "gru"])
@pytest.mark.parametrize("kind", ["chronological", "weeks"])
def test_nothing_but_train_reaches_a_fresh_network(name, kind):
    """Whatever validation and test hold, also whether they are mostly zero."""
    values = demand(24 * 7 * 16)
    before = dataset(values, split=kind)
    changed = values.copy()
    changed[~before.parts["train"]] = np.where(np.random.default_rng(1).random(changed.shape) < 0.9, 0.0,
                                               1e4)[~before.parts["train"]]  # fmt: skip
    width = models.module(name).WIDTHS[0]
    one, other = (models.build(name, width, data, 1) for data in (before, dataset(changed, split=kind)))
    assert one.config == other.config
    for parameter, same in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(parameter, same)


@pytest.mark.parametrize("name", [*TOLD, "profile_mlp@fixed"])
def test_the_table_is_trained_unless_told_otherwise_and_counted_stored_and_quantised(name, tmp_path):
    data = dataset()
    model = models.build(name, models.module(name).WIDTHS[0], data, 0)
    before = model.usual.table.clone()
    training.fit(model, data, Budget(8, 16, lr=0.05), 0)
    table = model.usual.table.detach()
    assert torch.equal(table, before) == name.endswith("@fixed")
    found = training.cost.profile(model)
    assert found.params == found.live_params == sum(p.numel() for p in model.parameters())
    export = storages.export(model, "int8")
    modelfile.save(tmp_path / "m", model, export.codecs, modelfile.Card.of(data), export.held)
    loaded = modelfile.load(tmp_path / "m")
    stored, back = loaded.tensors["usual.table"], loaded.model.usual.table
    assert stored["codec"] == "intn" and stored["bytes"] == table.numel() + len(table) * stored.get("scale", 2)
    steps = table.abs().amax(1, keepdim=True) / 127
    assert ((back - table).abs() <= 0.51 * steps + 1e-7).all() and back.requires_grad != name.endswith("@fixed")


@pytest.mark.parametrize("name", ["profile_mlp", "profile_linear", "nbeats@own"])
def test_a_narrower_network_starts_from_the_week_of_the_data(name):
    """Whatever the wide one has made of it: a student inherits nothing but what its teacher says."""
    data = dataset()
    model = trained_on(models.build(name, 8, data))
    small = models.narrowed(model, 0.5, data, 7)
    table = torch.from_numpy(usual.table(data))
    if name == "profile_linear":  # half the waves
        assert small.usual.kept == 12
        low = told(Usual(config(kinds=5, waves=12)), table)
        torch.testing.assert_close(small.usual.days(), low.days(), rtol=0, atol=1e-6)
    else:
        assert torch.equal(small.usual.days(), table)


def test_the_control_from_scratch_starts_from_the_week_of_the_data(monkeypatch):
    data = dataset()
    model, seen = trained_on(models.build("nbeats@own", 8, data)), {}
    monkeypatch.setattr(compress.training, "fit", lambda model, *_: seen.update(fresh=model))
    compress.scratch(model, {}, data, Budget(2, 8), 10**9, 10**9, 0)
    assert torch.equal(seen["fresh"].usual.days(), torch.from_numpy(usual.table(data)))
    assert not torch.equal(seen["fresh"].blocks[0].first.weight, model.blocks[0].first.weight)


# ---- a series that the file never saw

@pytest.fixture
def file(tmp_path):
    """Write a network's file; returns it loaded."""

    def write(model, data):
        modelfile.save(tmp_path / "m", model, {}, modelfile.Card.of(data))
        return modelfile.load(tmp_path / "m")

    return write


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("name", TOLD)
def test_a_new_series_is_scaled_by_itself_and_known_as_the_mean(name, transform, file):
    data = dataset(transform=transform)
    model = models.build(name, models.module(name).WIDTHS[0], data, 1).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    loaded = file(model, data)
    new = pd.Series(7000 + 900 * np.sin(np.arange(500) / 4), pd.date_range("2024-03-04", periods=500, freq="h"))
    new.iloc[-30] = np.nan
    found = loaded.new(new)
    own = np.log(new.to_numpy()) if transform == "log" else new.to_numpy()
    mean, std = np.nanmean(own), np.nanstd(own)
    scaled = (own - mean) / std
    scaled[-30] = scaled[-54]  # a season before
    span = pd.date_range(new.index[-48], periods=54, freq="h")
    x = torch.from_numpy(scaled[-48:].astype(np.float32))[None, :, None]
    z, cells = (torch.from_numpy(part)[None] for part in (loaded.card.known(span), loaded.card.cells(span)))
    with torch.no_grad():
        y = loaded.model(x, z, torch.tensor([3]), cells)[0, :, 0].numpy() * std + mean
    np.testing.assert_allclose(found, np.exp(y) if transform == "log" else y, rtol=1e-5)
    assert found.shape == (6,) and 5000 < found.mean() < 9000
    np.testing.assert_array_equal(loaded.new(new.to_numpy(), new.index), found)


def test_a_flat_new_series_stays_finite(file):
    data = dataset()
    loaded = file(models.build("nbeats@own", 8, data), data)
    times = pd.date_range("2024-03-04", periods=200, freq="h")
    found = loaded.new(np.full(200, 3.0), times)
    assert np.isfinite(found).all() and 0 < np.abs(found - 3).max() < 5, "a usual week in units of 1"


def test_a_new_series_needs_two_windows_of_values_and_one_column(file):
    data = dataset()
    loaded = file(models.build("nbeats@own", 8, data), data)
    times = pd.date_range("2024-03-04", periods=96, freq="h")
    assert loaded.new(np.arange(96.0), times).shape == (6,)
    gappy = np.where(np.arange(96) == 3, np.nan, np.arange(96.0))
    for values, when in ((np.arange(95.0), times[:95]), (gappy, times), (np.ones((96, 1)), times)):
        with pytest.raises(DataError, match="at least 96 that are known, in one column"):
            loaded.new(values, when)
    with pytest.raises(DataError, match="calendar"):
        loaded.new(np.arange(96.0))
    longer = pd.date_range("2024-03-04", periods=150, freq="h")
    with pytest.raises(DataError, match="finite"):
        loaded.new(np.where(np.arange(150) == 149, np.inf, 1.0), longer)
    assert "never saw" in modelfile.Loaded.new.__doc__


def test_a_table_with_its_columns_in_another_order_gives_each_series_its_own_week(file):
    data = dataset()
    loaded = file(models.build("nlinear@own", 1, data), data)
    times = pd.date_range("2024-03-04", periods=100, freq="h")
    table = pd.DataFrame(demand(100), times, list("abc"))
    wanted = loaded.forecast(table)
    np.testing.assert_array_equal(loaded.forecast(table[["c", "a", "b"]]), wanted)
    np.testing.assert_array_equal(loaded.forecast(table.assign(d=1.0)), wanted)
    with pytest.raises(DataError, match="lacks: b; one that it never saw is forecast by `new`"):
        loaded.forecast(table[["a", "c"]])
    swapped = loaded.forecast(table.to_numpy()[:, [1, 0, 2]], times)  # without names the order is the caller's word
    assert np.abs(swapped[:, 2] - wanted[:, 2]).max() < 1e-9 and np.abs(swapped - wanted)[:, :2].max() > 1


# ---- words after an @

@pytest.mark.parametrize("word", information.KNOWS)
@pytest.mark.parametrize("family", ["nbeats", "profile_mlp"])
def test_a_network_is_told_what_its_name_says(family, word):
    data, name = dataset(), f"{family}@{word}"
    if (family, word) == ("nbeats", "anonymous"):  # it never knows which series it is
        with pytest.raises(StudyError, match="'nbeats@anonymous' is unknown"):
            models.build(name, 8, data)
        return
    plain, model = models.build(family, 8, data), models.build(name, 8, data)
    fields, meaning = information.KNOWS[word]
    assert vars(model.config) == vars(plain.config) | fields and isinstance(meaning, str)
    assert models.describe(model)["family"] == family and models.stage(name) == models.stage(family)
    again = models.rebuild(json.loads(json.dumps(models.describe(model))))
    assert again.config == model.config
    assert [(n, p.shape) for n, p in again.named_parameters()] == [(n, p.shape) for n, p in model.named_parameters()]


@pytest.mark.parametrize("name, near", [("nbeats@owm", "nbeats@own"), ("nbeat@own", "nbeats@own"),
                                        ("lstm@", "lstm"), ("profile_mpl", "profile_mlp")])  # fmt: skip
def test_an_unknown_word_is_refused_with_the_nearest(name, near):
    with pytest.raises(StudyError, match=f"model '{name}' is unknown; did you mean '{near}'"):
        models.module(name)
    with pytest.raises(StudyError, match="is unknown"):
        models.build(name, 8, dataset())


def test_every_network_that_a_study_may_name_can_be_built():
    data = dataset()
    for name in catalogue.networks():
        model = models.build(name, models.module(name).WIDTHS[0], data)
        assert model.config.L == 48 and (model.usual is None) == (model.config.table == "none")
    assert set(models.names()) < set(catalogue.networks())


@pytest.mark.parametrize("part, wanted", [(0, [1, 1, 0.5]), (1, [0, 1, 0])])
def test_lags_of_any_day_and_of_days_of_the_same_type(part, wanted):
    """One series of three days of two steps, the second of the type of the day ahead; what weights of each day say."""
    config = profile_mlp.Config(L=6, H=2, patch=2, weekdays=2, steps=2, hidden=1)
    lags = profile_mlp.Lags(config)
    rows, cells = torch.tensor([[1.0, 1, 1, 1, 0.5, 0.5]]), torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3]])
    for day, value in enumerate(wanted):
        with torch.no_grad():
            lags.weight.zero_()
            lags.weight.view(2, 3, profile_mlp.NEAR)[part, day, 1] = 1  # the same step, not its neighbours
        assert lags(rows, cells)[0].tolist() == [value, value]
