"""The model file: what it holds, what it costs, what it forecasts, and what it refuses."""

import copy
import functools
import itertools
import json
import operator
import pickle
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as container
from small_files import HOLIDAYS, card_of, description, network, rewrite, save, save_held, series

from litecast import audit, modelfile, models
from litecast.codecs import Quantised, _bits
from litecast.compress import storages
from litecast.data import calendar, windows
from litecast.data.windows import fill
from litecast.errors import DataError, ModelFileError
from litecast.models import base, wrappers

STORAGES = ("float32", "float16", "int8", "int4")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def stored(path, model=None, storage="int8", **changes):
    model = network("dlinear") if model is None else model
    save(path, model, storage, card_of(model, **changes))
    return modelfile.load(path)


def deflated(text):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(text) + deflate.flush()


# ---- what it holds

@pytest.mark.parametrize("family", [*models.names(), "nbeats@own", "lstm@shared"])
@pytest.mark.parametrize("storage", STORAGES)
def test_every_family_comes_back_as_it_was_quantized(path, family, storage):
    model = network(family)
    loaded = stored(path, model, storage)
    assert type(loaded.model) is type(model) and not loaded.model.training
    assert models.describe(loaded.model) == models.describe(model)
    exact = {n: t for n, t in model.state_dict().items() if storage == "float32"}
    for name, tensor in loaded.model.state_dict().items():
        assert tensor.device.type == "cpu" and tensor.dtype == torch.float32
        if exact:
            assert torch.equal(tensor, exact[name])
    before = path.read_bytes()
    assert save(path, loaded.model, storage, loaded.card) == len(before)
    assert path.read_bytes() == before  # float16 scales: quantizing the quantized network changes nothing
    assert all(p.requires_grad for p in loaded.model.parameters())
    window = base.example(model.config, 3, 2)
    with torch.no_grad():
        gap = (loaded.model(*window) - model(*window)).abs().max() / model(*window).abs().max()
    assert gap <= {"float32": 0, "float16": 2e-3, "int8": 0.05, "int4": 0.9}[storage]


def test_a_loaded_network_can_be_trained_on(path):
    model = stored(path, network("lstm")).model.train()
    model(torch.randn(2, 48, 1), torch.randn(2, 54, 6)).sum().backward()
    assert all(p.requires_grad and p.grad is not None for p in model.parameters())


def test_the_card_comes_back(path):
    model = network("dlinear", patch=24)
    card = card_of(model, 3, transform="log", country=None, holidays=None, mean=[1.5, 0.1, -3], std=[1, 0.2, 1e-3])
    save(path, model, "int8", card)
    back = modelfile.load(path).card
    np.testing.assert_allclose(back.mean, card.mean, rtol=6e-8)
    np.testing.assert_allclose(back.std, card.std, rtol=6e-8)
    for field in ("dataset", "unit", "frequency", "season", "L", "H", "series", "country", "transform"):
        assert getattr(back, field) == getattr(card, field)
    assert back.patch == 24


def count(model, storage):
    """Bytes of weights and scales: matrices and kernels by row, then vectors. How many there are is counted by hand in
    test_cost and test_convolutional."""
    matrices = [(p.shape[0], p[0].numel(), "usual" in name) for name, p in model.named_parameters() if p.ndim > 1]
    vectors = [p.numel() for p in model.parameters() if p.ndim == 1]
    if storage in ("float32", "float16"):
        return (4 if storage == "float32" else 2) * (sum(r * c for r, c, _ in matrices) + sum(vectors))
    bits = int(storage[3:])
    return sum(-(-r * c * (8 if week else bits) // 8) + 2 * r for r, c, week in matrices) + 2 * sum(vectors)


@pytest.mark.parametrize("family", models.names())
@pytest.mark.parametrize("storage", STORAGES)
def test_bytes_equal_the_hand_count_and_a_short_description(path, family, storage):
    loaded = stored(path, network(family), storage, channels=2)
    weights = count(loaded.model, storage)
    assert sum(tensor["bytes"] for tensor in loaded.tensors.values()) == weights
    raw = path.read_bytes()
    (header,) = struct.unpack("<Q", raw[:8])
    length, rest = _bits.digit(raw[8 + header :])
    scaler, crc = 8 * 2, 4  # float32: its mean is no whole number of sixteenths of its std
    assert len(rest) == length + scaler + weights + crc
    assert header <= 64 and length <= 175 + 3.5 * len(loaded.tensors)


@pytest.mark.parametrize("transform", ["none", "log"])
def test_a_short_scaler_takes_three_bytes_a_series_and_comes_back_exactly(path, transform):
    draw = np.random.default_rng(0)
    mean, std = windows.short(draw.normal(3, 2, 40), draw.gamma(1, 2, 40))
    model = network("dlinear", channels=40)
    card = card_of(model, 40, transform=transform, mean=mean.tolist(), std=std.tolist())
    size = save(path, model, "int8", card)
    back = modelfile.load(path).card
    assert (back.mean, back.std) == (card.mean, card.std) and "scaler" not in description(path)
    longer = replace(card, mean=[card.mean[0] * 1.001, *card.mean[1:]])
    assert save(path, model, "int8", longer) - size >= 40 * 4.5
    assert description(path)["scaler"] == 4
    np.testing.assert_allclose(modelfile.load(path).card.mean, longer.mean, rtol=6e-8)


@pytest.mark.parametrize("mean, std", [([0.0, 1e7], [1e-30, 1e30]), ([-5e6, 3e5], [1e-2, 1e3])])
def test_scalers_of_any_size_come_back(path, mean, std):
    model = network("dlinear")
    for way in (windows.short, lambda *scaler: scaler):
        card = card_of(model, **dict(zip(("mean", "std"), map(list, way(np.array(mean), np.array(std))), strict=True)))
        save(path, model, "int8", card)
        back = modelfile.load(path).card
        np.testing.assert_allclose([back.mean, back.std], [card.mean, card.std], rtol=6e-8)


def test_a_scaler_that_is_cut_off_is_refused(path):
    model = network("dlinear")
    save(path, model, "int8", card_of(model, mean=[0.0, 0.0], std=[1.0, 1.0]))
    one, minus, infinite = b"\x80\x3f", b"\x80\xbf", b"\x80\x7f"
    for octets in (bytes(6), one + one + b"\0", one + one + b"\0\xff", minus + one + bytes(2),
                   infinite + one + bytes(2)):
        refused(rewrite(path, streams=octets), "number without an end|scaler|streams|std|card")


def test_saving_tells_the_bytes_on_disk_and_leaves_nothing_else(path):
    model = network("dlinear")
    assert save(path, model, "int4", card_of(model)) == path.stat().st_size
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]


def test_a_failed_save_keeps_the_old_file(path):
    before = stored(path).path.read_bytes()
    broken = network("dlinear")
    with torch.no_grad():
        broken.trend.weight[0, 0] = torch.nan
    with pytest.raises(ModelFileError, match="trend.weight.*finite"):
        save(path, broken, "int8", card_of(broken))
    assert path.read_bytes() == before and len(list(path.parent.glob("*.safetensors*"))) == 1


def test_the_first_pattern_wins_and_vectors_are_float16(path):
    model = network("lstm")
    sparse = {"codec": "sparse", "values": {"codec": "intn", "bits": 4}}
    codecs = {"lstm.weight_hh*": sparse, "head.*.bias": {"codec": "float32"}, "*": {"codec": "intn", "bits": 8}}
    modelfile.save(path, model, codecs, card_of(model), storages.hold(model, codecs))
    found = {name: meta["codec"] for name, meta in modelfile.load(path).tensors.items()}
    assert found == {
        "lstm.weight_ih_l0": "intn", "lstm.weight_hh_l0": "sparse", "lstm.bias_ih_l0": "float16",
        "lstm.bias_hh_l0": "float16", "head.hidden.weight": "intn", "head.hidden.bias": "float32",
        "head.out.weight": "intn", "head.out.bias": "float32",
    }  # fmt: skip
    modelfile.save(path, model, {}, card_of(model))
    assert {meta["codec"] for meta in modelfile.load(path).tensors.values()} == {"float32"}


def test_integer_buffers_come_back_as_integers(path, monkeypatch):
    network_class = models.module("dlinear").Model
    plain = network_class.__init__

    def init(self, config):
        plain(self, config)
        self.register_buffer("order", torch.arange(5))

    monkeypatch.setattr(network_class, "__init__", init)
    model = network("dlinear")
    model.order += 1000
    assert torch.equal(stored(path, model).model.order, torch.arange(1000, 1005))
    model.order[0] = 2**24 + 1
    with pytest.raises(ModelFileError, match="order"):
        stored(path, model)


@pytest.mark.parametrize("changes, word", [
    ({"std": [1.0, 0.0]}, "std"), ({"mean": [np.nan, 1.0]}, "mean"), ({"mean": [1.0]}, "series"),
    ({"L": 49}, "L 49"), ({"frequency": "2h"}, "2h"), ({"country": None}, "calendar"), ({"transform": "sqrt"}, "sqrt"),
])  # fmt: skip
def test_a_card_that_does_not_fit_is_refused_before_writing(path, changes, word):
    model = network("lstm")
    with pytest.raises(ModelFileError, match=word):
        save(path, model, "int8", card_of(model, **changes))
    assert not path.exists()


def test_buffers_that_would_be_lost_are_refused(path):
    model = network("dlinear")
    model.register_buffer("table", torch.ones(3), persistent=False)
    with pytest.raises(ModelFileError, match="table"):
        save(path, model, "int8", card_of(model))


# ---- what was decided elsewhere

def test_what_is_held_is_written_and_nothing_is_rounded_again(path):
    """Learned steps, a shared table, a trained pair and signs, each by its codec, decode bit for bit."""
    model, draw = network("lstm"), np.random.default_rng(0)
    shape = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    book = np.float32([-0.4, 0, 0.1, 0.5])
    held = {
        "lstm.weight_ih_l0": Quantised(draw.integers(-8, 8, shape["lstm.weight_ih_l0"]), draw.random(32)),
        "lstm.weight_hh_l0": Quantised(draw.integers(0, 4, shape["lstm.weight_hh_l0"]), table=book, shared="book"),
        "lstm.bias_hh_l0": Quantised(draw.integers(0, 4, shape["lstm.bias_hh_l0"]), table=book, shared="book"),
        "head.hidden.weight": Quantised(draw.integers(-1, 2, shape["head.hidden.weight"]), 0.3, negative=0.2),
        "head.hidden.bias": Quantised(draw.choice([-1, 1], shape["head.hidden.bias"]), 0.7),
        "head.out.weight": Quantised(draw.integers(0, 9, (6, 4)), table=draw.random((9, 2))),  # pairs of weights
    }
    codecs = {"lstm.weight_ih*": {"codec": "intn", "bits": 4}, "lstm.*hh*": {"codec": "codebook"},
              "head.hidden.weight": {"codec": "sparse", "values": {"codec": "binary"}},
              "head.hidden.bias": {"codec": "binary"}, "head.out.weight": {"codec": "codebook"}}
    modelfile.save(path, model, codecs, card_of(model), held)
    loaded = modelfile.load(path)
    for name, tensor in loaded.model.state_dict().items():
        wanted = held[name].values() if name in held else model.state_dict()[name].numpy()
        np.testing.assert_array_equal(tensor.numpy(), wanted)
    content = description(path)
    assert content["tables"] == [["book", [4], {"codec": "float32"}, 16]]  # once for two tensors
    size = {name: tensor["bytes"] for name, tensor in loaded.tensors.items()}
    assert size["lstm.weight_ih_l0"] == 32 * 24 // 2 + 4 * 32 and size["lstm.weight_hh_l0"] == 32 * 8 * 2 // 8
    assert size["head.hidden.bias"] == 4 + 1
    rewrite(path, lambda c: c["tables"][0].__setitem__(0, "other"))
    refused(path, "no table 'book'")


@pytest.mark.parametrize("held, word", [
    ({"trend.weights": Quantised(np.ones((6, 48)))}, "no trend.weights"),
    ({"trend.weight": Quantised(np.ones((48, 6)))}, "shape"), ({"trend.weight": Quantised(np.ones((6, 47)))}, "shape"),
    ({"trend.weight": Quantised(np.arange(288).reshape(6, 48), 1)}, "trend.weight.*span"),
    ({"trend.weight": Quantised(np.zeros((6, 48), int), table=[1], shared="a"),
      "rest.weight": Quantised(np.zeros((6, 48), int), table=[2], shared="a")}, "two tables are called a"),
    ({}, "trend.weight.*quantise"),
])  # fmt: skip
def test_codes_that_do_not_fit_the_network_are_refused_before_writing(path, held, word):
    model = network("dlinear")
    with pytest.raises(ModelFileError, match=word):
        modelfile.save(path, model, {"*": {"codec": "intn", "bits": 4}}, card_of(model), held)
    assert not path.exists()


def test_activation_quantisers_are_in_the_file(path):
    model = network("lstm")
    plain = stored(path, model).path.read_bytes()
    quantisers = {"lstm": {"bits": 8, "scale": 0.0625, "zero": 128}, "head.out": {"bits": 4, "scale": 0.3, "zero": 0}}
    wrappers.attach(model, quantisers)
    loaded = stored(path, model, "float32")
    assert wrappers.attached(loaded.model) == quantisers and description(path)["activations"] == quantisers
    assert loaded.tensors.keys() == model.state_dict().keys()
    x, z = torch.randn(3, 48, 2), torch.randn(3, 54, 6)
    with torch.no_grad():
        assert torch.equal(loaded.model(x, z), model(x, z))
    for layer in ("lstm", "head.out"):
        wrappers.detach(model.get_submodule(layer))
    assert stored(path, model).path.read_bytes() == plain  # a file without them says nothing of them


# ---- what it forecasts

def test_forecast_equals_the_pipeline_by_hand(path):
    loaded = stored(path, network("lstm"), transform="log", mean=[4.6, 4.5], std=[0.1, 0.2])
    values, times = series()
    values[[60, 90, 99], 0] = np.nan
    values[70, 1] = 0.0  # no logarithm
    got = loaded.forecast(values, times)
    logs = np.log(np.where(values > 0, values, np.nan))
    assert np.isnan(logs).sum() == 4
    for row, column in ((60, 0), (70, 1), (90, 0), (99, 0)):
        logs[row, column] = logs[row - 20, column]  # one season ago
    x = ((logs - [4.6, 4.5]) / [0.1, 0.2])[-48:]
    all_times = pd.date_range(times[-48], periods=54, freq="h")
    z = calendar.features(all_times, "h", "KR")
    with torch.no_grad():
        out = loaded.model(torch.tensor(x, dtype=torch.float32)[None], torch.from_numpy(z)[None])[0].numpy()
    assert got.shape == (6, 2)
    np.testing.assert_allclose(got, np.exp(out * np.array([0.1, 0.2]) + np.array([4.6, 4.5])), rtol=1e-5)


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("family", models.names())
def test_a_forecast_depends_on_the_history_that_the_file_asks_for_and_on_no_more(path, family, transform):
    loaded = stored(path, network(family), transform=transform, season=5)
    assert loaded.card.history == 96
    values, times = series(300)
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    values[130:190, 0] = np.nan  # longer than the look-back
    for end in (300, 200, 180):
        whole, just = (loaded.forecast(values[a:end], times[a:end]) for a in (0, end - 96))
        np.testing.assert_array_equal(just, whole)
    filled = fill(values, 5, 48)[0]
    np.testing.assert_array_equal(loaded.forecast(filled[-48:], times[-48:]), loaded.forecast(values, times))
    values[:] = np.nan  # nothing known: the mean of train, whatever the network adds to it
    assert np.isfinite(loaded.forecast(values, times)).all()


def test_gaps_that_may_be_filled_from_rows_that_are_not_there_are_told(path, recwarn):
    loaded = stored(path, network("lstm"), transform="log")
    values, times = series(120)
    values[-60] = np.nan  # before the look-back nothing has to be filled
    loaded.forecast(values[-70:], times[-70:])
    loaded.forecast(values[-48:], times[-48:])
    values[-40, 0], values[-30, 1] = np.nan, -1.0  # without a logarithm
    loaded.forecast(values[-96:], times[-96:])
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"2 of the last 48 x 2 values are missing.*last 96 rows, and has 95"):
        loaded.forecast(values[-95:], times[-95:])


def test_holidays_are_those_of_the_file(path, monkeypatch, recwarn):
    """Neither a country's table nor its package is asked; years that the file does not tell of have none."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    loaded = stored(path, network("lstm"))
    assert loaded.card.holidays == HOLIDAYS
    days = pd.date_range("2024-02-28", periods=72, freq="h")  # 1 March is the third
    assert loaded.card.known(days)[:, -1].tolist() == [0] * 48 + [1] * 24
    values, _ = series(48)
    for day in ("2024-02-28", "2025-12-30"):  # the last hour of the horizon is still in 2025
        loaded.forecast(values, pd.date_range(day, periods=48, freq="h") - pd.Timedelta("6h"))
    assert not recwarn.list
    with pytest.warns(UserWarning, match="holidays of 2024 to 2025.*in 2026 counts as ordinary"):
        loaded.forecast(values, pd.date_range("2025-12-30", periods=48, freq="h"))


@pytest.mark.parametrize("name", ["lstm", "nlinear@own"])
def test_a_holiday_changes_a_forecast(path, name):
    values, times = series(48)[0], pd.date_range("2024-02-28", periods=48, freq="h")  # to come: 1 March, a Friday
    before = stored(path, network(name)).forecast(values, times)
    ordinary = stored(path, network(name), holidays=[2024, 2025]).forecast(values, times)
    assert not np.allclose(before, ordinary)


def test_years_without_holidays_are_told_by_a_network_that_reads_cells_alone(path, recwarn):
    loaded = stored(path, network("nlinear@own"))
    values, _ = series(48)
    loaded.forecast(values, pd.date_range("2024-02-28", periods=48, freq="h"))
    assert not recwarn.list
    with pytest.warns(UserWarning, match="holidays of 2024 to 2025.*in 2026 counts as ordinary") as told:
        loaded.forecast(values, pd.date_range("2025-12-30", periods=48, freq="h"))
    assert told[0].filename == __file__, "the line that asked"


def test_trading_days_to_come_are_told_apart_by_the_files_own_gaps(path):
    """28 and 29 December 2023 are a Thursday and a Friday; the Monday after them has no trade, the file says."""
    model = network("nlinear@own", frequency="trading-day", F=0)
    loaded = stored(path, model, frequency="trading-day", holidays=[2023, 2027, 365])  # 1 January 2024
    values, days = series(48)[0], pd.bdate_range(end="2023-12-27", periods=48)
    to_come = pd.to_datetime(["2023-12-28", "2023-12-29", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
    cells = loaded.card.cells(to_come)
    assert (cells // 5).tolist() == [0, 1, 2, 0, 0, 0]  # before a gap, after one; the expiry is the 11th
    known = loaded.forecast(values, days)
    np.testing.assert_array_equal(known, loaded.forecast(values, days.append(to_come)))
    weekdays = loaded.forecast(values, days.append(pd.bdate_range("2023-12-28", periods=6)))  # the caller's word counts
    assert np.allclose(known[:2], weekdays[:2]) and not np.allclose(known[2], weekdays[2])


def test_a_network_of_steps_without_a_calendar_needs_no_times(path):
    loaded = stored(path, network("nlinear@own", frequency="step", F=0), frequency="step", holidays=None)
    assert loaded.forecast(series()[0]).shape == (6, 2)


def test_holidays_are_in_the_file_only_where_they_are_read(path):
    known, plain = (stored(path, network(family)) and path.read_bytes() for family in ("lstm", "dlinear"))
    path.write_bytes(known)
    assert "holidays" in description(path)["card"]
    path.write_bytes(plain)
    assert "holidays" not in description(path)["card"] and modelfile.load(path).card.holidays is None
    with pytest.raises(ModelFileError, match="reads the holidays of KR"):
        stored(path, network("lstm"), holidays=None)
    stored(path, network("lstm", F=2), frequency="trading-day")  # no such column
    assert "holidays" not in description(path)["card"]
    exchange = network("lstm@own", F=2, frequency="trading-day")
    stored(path, exchange, frequency="trading-day")
    assert "holidays" in description(path)["card"], "its cells tell days beside a gap apart"
    with pytest.raises(ModelFileError, match="reads the holidays of KR"):
        stored(path, exchange, frequency="trading-day", holidays=None)
    stored(path, network("nlinear@own", frequency="W"), frequency="W", holidays=None)
    stored(path, network("nlinear@own", country=None), country=None, holidays=None)


@pytest.mark.parametrize("name", ["nlinear@own", "profile_mlp@none"])
@pytest.mark.parametrize("told, changes, word", [
    ({"channels": 3}, {"channels": 2}, "knows 3 series, the card 2"),
    ({}, {"frequency": "30min"}, "7 weekdays, 5 kinds of special days and 24 steps a day, the calendar 7, 5, 48"),
    ({}, {"country": None, "holidays": None}, "5 kinds of special days and 24 steps a day, the calendar 7, 0, 24"),
    ({"weekdays": 24, "steps": 7}, {}, "24 weekdays, 5 kinds of special days and 7 steps"),  # as many cells in all
])  # fmt: skip
def test_a_network_that_knows_another_calendar_or_other_series_is_refused(path, name, told, changes, word):
    model = network(name, F=0, **told)
    with pytest.raises(ModelFileError, match=word):
        save(path, model, "float32", card_of(model, **changes))
    assert not path.exists()


@pytest.mark.parametrize("fields, word", [
    ({"series": 3}, "knows 3 series"), ({"steps": 12}, "12 steps"), ({"steps": 0}, "0 steps|buil[dt]"),
    ({"waves": 3}, "usual.table"), ({"waves": -1}, "usual.table|buil[dt]"), ({"special": False}, "usual.table"),
    ({"kinds": -7}, "-7 kinds|buil[dt]"), ({"table": "none"}, "2 tensors, the file tells of 3"),
    ({"series": 2**20, "weekdays": 2**20}, "weights|wide"),
])  # fmt: skip
def test_descriptions_that_lie_about_the_usual_week_are_refused(path, fields, word):
    stored(path, network("nlinear@own"))
    rewrite(path, lambda content: content["model"]["config"].update(fields))
    refused(path, word)


def test_times_to_come_may_be_given(path):
    """A trading day follows a weekday, but for holidays that only the caller knows."""
    loaded = stored(path, network("lstm", F=2), frequency="trading-day", holidays=None)
    values, days = series(48)[0], pd.bdate_range("2024-01-01", periods=60)
    told = loaded.forecast(values, days[:54])
    np.testing.assert_array_equal(told, loaded.forecast(values, days[:48]))
    table = pd.DataFrame(values, days[:48], ["역0", "역1"])
    np.testing.assert_allclose(loaded.forecast(table, days[:54]), told, rtol=1e-6)
    assert not np.allclose(told, loaded.forecast(values, days[:48].append(days[50:56])))  # two holidays
    for wrong in (days[:53], days[:55], days[:48].append(days[40:46])):
        with pytest.raises(DataError):
            loaded.forecast(values, wrong)


def test_the_horizon_starts_after_the_last_row(path):
    loaded = stored(path, network("lstm"))
    values, times = series(48)
    monday = loaded.forecast(values, times)
    assert not np.allclose(monday, loaded.forecast(values, times + pd.Timedelta("3D")))
    np.testing.assert_array_equal(monday, loaded.forecast(values, times.as_unit("s")))


def test_a_table_is_put_in_the_order_of_the_card(path):
    loaded = stored(path, network("lstm"))
    values, times = series(60)
    table = pd.DataFrame(values, index=times, columns=["역0", "역1"])
    np.testing.assert_allclose(loaded.forecast(table[["역1", "역0"]]), loaded.forecast(values, times), rtol=1e-6)
    with pytest.raises(DataError, match="역1"):
        loaded.forecast(table[["역0"]])


def test_networks_without_known_inputs_need_no_times(path):
    loaded = stored(path, network("dlinear"), country=None, frequency="step")
    assert loaded.forecast(series()[0]).shape == (6, 2)


@pytest.mark.parametrize("frequency, first, future", [
    ("h", "2024-02-29 22:00", ["2024-03-02 22:00", "2024-03-02 23:00"]),
    ("15min", "2024-02-29", ["2024-02-29 12:00", "2024-02-29 12:15"]),
    ("30min", "2024-02-29", ["2024-03-01 00:00", "2024-03-01 00:30"]),
    ("D", "2024-01-01", ["2024-02-18", "2024-02-19"]),
    ("W", "2024-01-03", ["2024-12-04", "2024-12-11"]),  # weeks keep the weekday they start on
    ("MS", "2020-11-01", ["2024-11-01", "2024-12-01"]),
    ("trading-day", "2024-01-01", ["2024-03-07", "2024-03-08", "2024-03-11", "2024-03-13"]),  # weekend, holiday
])  # fmt: skip
def test_future_times_follow_the_frequency(frequency, first, future):
    freq = {"W": "7D", "trading-day": "B"}.get(frequency, frequency)
    times = pd.date_range(first, periods=48, freq=freq)
    span = modelfile._span(times[8:], SimpleNamespace(frequency=frequency, reach=10, H=len(future),
                                                            holidays=[2024, 2024, 71]))  # Tuesday, 12 March
    assert list(span[:10]) == list(times[-10:])
    assert list(span[10:]) == list(pd.to_datetime(future))


def test_what_cannot_be_forecast_from_is_refused(path):
    loaded = stored(path, network("lstm"))
    values, times = series(60)
    for bad, when in ((values[:47], times[:47]), (values[:, :1], times), (values, times[:50]), (values, None),
                      (values[:, 0], times), (values, times.delete(5).insert(59, times[-1] + pd.Timedelta("1h")))):
        with pytest.raises(DataError):
            loaded.forecast(bad, when)
    values[3, 1] = np.inf
    with pytest.raises(DataError, match="finite"):
        loaded.forecast(values, times)


# ---- what it refuses

def refused(path, match=None):
    with pytest.raises(ModelFileError, match=match) as caught:
        modelfile.load(path)
    assert path.name in str(caught.value)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "model.safetensors"
    return stored(path, network("lstm"), "int4").path.read_bytes()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_damaged_files_are_refused(path, content, seed):
    _, damaged = audit.mutate(content, np.random.default_rng(seed))
    assert damaged != content
    path.write_bytes(damaged)
    refused(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_with_a_correct_checksum_never_breaks_anything_else(path, content, data):
    body = bytearray(content[:-4])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.one_of(st.integers(0, len(body) - 1), st.integers(136, 460)))
        body[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(body) + struct.pack("<I", zlib.crc32(body)))
    try:
        loaded = modelfile.load(path)
    except ModelFileError:
        return
    assert {name: tuple(t.shape) for name, t in loaded.model.state_dict().items()} == {
        name: tensor["shape"] for name, tensor in loaded.tensors.items()}


def test_every_kind_of_damage_is_tried(content):
    draw = np.random.default_rng(0)
    kinds = {audit.mutate(content, draw)[0] for _ in range(200)}
    assert kinds == set(audit.KINDS)


def test_foreign_files_are_named(path, content):
    for foreign, word in zip(audit.foreign(content), ("short", "zip", "pickle", "checksum", "checksum"), strict=True):
        path.write_bytes(foreign)
        refused(path, word)
    torch.save({"weight": torch.ones(3)}, path)
    refused(path, "zip")
    path.unlink()
    refused(path, "No such file")
    path.mkdir()
    refused(path)


def test_safetensors_of_another_kind_with_a_fitting_checksum(path):
    for tensors in ({"weight": np.zeros(3, np.float32), "z": np.zeros(4, np.uint8)}, {"body": np.zeros(9, np.uint8)},
                    {"body": np.zeros((3, 3), np.uint8), "crc": np.zeros(4, np.uint8)},
                    {"body": np.zeros(9, np.float32), "crc": np.zeros(4, np.uint8)}):
        raw = container(tensors)[:-4]
        path.write_bytes(raw + struct.pack("<I", zlib.crc32(raw)))
        refused(path)
    raw = struct.pack("<Q", 2**40) + bytes(5000)
    path.write_bytes(raw + struct.pack("<I", zlib.crc32(raw)))
    refused(path, "header")


def test_nothing_is_unpickled(path):
    class Trap:
        def __reduce__(self):
            return print, ("opened",)

    path.write_bytes(pickle.dumps(Trap()))
    refused(path)
    assert "pickle" not in open(modelfile.__file__).read().replace("a pickle", "")


@pytest.mark.parametrize("name, word", [
    ("body", "earlier litecast, in format 1, not 4: make it again"), ("body.2", "format 2.*make it again"),
    ("body.3", "format 3.*make it again"), ("lc5", "format 5, this litecast reads 4: update"), ("lc44", "format 44"),
    ("lc4", "no litecast model"), ("body.x", "no litecast model"), ("bo", "no litecast model"),
])  # fmt: skip
def test_other_formats_are_refused_with_advice(path, name, word):
    """The format is told before anything is inflated: each has a dictionary of its own."""
    content = container({name: np.zeros(99, np.uint8), "d": np.zeros(4, np.uint8)})[:-4]
    path.write_bytes(content + struct.pack("<I", zlib.crc32(content)))
    refused(path, word)


EMPTY_SPARSE = {"codec": "sparse", "values": {"codec": "float32"}}


@pytest.mark.parametrize("change, word", [
    (lambda c: c.update(wrappers=["layer-norm"]), "layer-norm.*update"),
    (lambda c: c.update(activations={"tail": {"bits": 8, "scale": 0.1, "zero": 0}}), "no layer 'tail'"),
    (lambda c: c.update(activations={"trend": {"bits": 1, "scale": 0.1, "zero": 0}}), "bits"),
    (lambda c: c.update(activations={"trend": {"bits": 8, "scale": 0.1}}), "zero"),
    (lambda c: c.update(activations={"trend": 8}), "buil[dt]"), (lambda c: c.update(activations=[]), "activations"),
    (lambda c: c.update(tables=2 * [["book", [0], {"codec": "float32"}, 0]]), "same name"),
    (lambda c: c.update(tables=[["book", [2**14, 2**14], EMPTY_SPARSE, 0]]), "table"),
    (lambda c: c.update(tables=[["book", [16], {"codec": "float32"}, 64]]), "streams"),
    (lambda c: c.update(tables=[["book", [16], {"codec": "float32"}, 0]]), "bytes"),
    (lambda c: c.update(tables={"book": 1}), "tables"),
    (lambda c: c["codecs"][0].update(codec="golomb"), "golomb"),
    (lambda c: c["model"].update(family="tsmixer9"), "tsmixer9"),
    (lambda c: c["model"].update(family="base"), "base"),
    (lambda c: c["model"]["config"].update(surprise=1), "surprise"),
    (lambda c: c["model"]["config"].pop("L"), "buil[dt]"),
    (lambda c: c["model"]["config"].update(L=47), "trend.weight"),
    (lambda c: c["model"]["config"].update(H="6"), "buil[dt]"),
    (lambda c: c["tensors"].__setitem__(0, 9), "codecs"), (lambda c: c["tensors"].__setitem__(0, -1), "tensors"),
    (lambda c: c["tensors"].__setitem__(0, 1.0), "tensors"), (lambda c: c["tensors"].__setitem__(0, [0]), "tensors"),
    (lambda c: c["tensors"].__setitem__(1, -1), "tensors"), (lambda c: c["tensors"].__setitem__(1, 10), "streams"),
    (lambda c: c["tensors"].pop(), "4 tensors, the file tells of 3.5"),
    (lambda c: c.update(tensors=c["tensors"][2:]), "tells of 3"), (lambda c: c.update(codecs=[]), "in 0 codecs"),
    (lambda c: c.update(codecs=c["codecs"] * 9), "in 18 codecs"),
    (lambda c: c.update(codecs=["float32"]), "codecs"), (lambda c: c["tensors"].append("x"), "tensors"),
    (lambda c: c.update(scaler=1), "scaler"), (lambda c: c.pop("scaler"), "streams|number|damaged"),
    (lambda c: c["card"].update(series=[]), "streams"),
    (lambda c: c["card"].update(series=[1, 2]), "series"),
    (lambda c: c["card"].update(season=0), "season"),
    (lambda c: c["card"].update(season="day"), "season"),
    (lambda c: c["card"].update(frequency="fortnight"), "fortnight"),
    (lambda c: c["card"].pop("unit"), "unit"),
    (lambda c: c["card"].update(mean=[0.0]), "mean"),
    (lambda c: c.pop("card"), "card"), (lambda c: c.update(model=[]), "model"),
    (lambda c: c["card"].update(holidays=[2024]), "holidays"),
    (lambda c: c["card"].update(holidays=[2024, 2e99]), "holidays"),
    (lambda c: c["card"].update(holidays=[2024, 2025, 10**12]), "holidays"),
    (lambda c: c["card"].update(holidays=[2024, 2025, -1]), "holidays"),
    (lambda c: c["card"].update(holidays=[1, 2025, 1]), "holidays"),
    (lambda c: c["card"].update(holidays="2024"), "holidays"),
])  # fmt: skip
def test_descriptions_that_lie_are_refused(path, change, word):
    stored(path)
    rewrite(path, change)
    refused(path, word)


NONSENSE = [None, True, 0, -1, 2, 2**40, 1.5, "", "x", "h", [], ["a"], [1], [[]], {}, {"codec": []}, {"a": 1},
            {"codec": "float32"}, {"codec": "float32", "axis": 0}]  # fmt: skip


def places(content, at=()):
    """Paths of keys to every part of a description."""
    for key in content if isinstance(content, dict) else range(len(content)):
        yield (*at, key)
        if isinstance(content[key], (dict, list)):
            yield from places(content[key], (*at, key))


@pytest.mark.parametrize("kind", ["codebook shared", "sparse sparse ternary"])
def test_nonsense_in_any_place_of_the_description_is_refused_or_means_nothing(path, kind):
    model = network("nlinear", L=8, H=2, F=0, patch=4)
    save_held(path, model, card_of(model, 1, holidays=None), kind)
    raw = path.read_bytes()
    sound = description(path)
    for at, junk in itertools.product(places(sound), [*NONSENSE, KeyError]):
        content = copy.deepcopy(sound)
        part = functools.reduce(operator.getitem, at[:-1], content)
        if junk is KeyError:
            del part[at[-1]]
        else:
            part[at[-1]] = junk
        path.write_bytes(raw)
        rewrite(path, lambda found, content=content: (found.clear(), found.update(content)))
        try:
            modelfile.load(path)
        except ModelFileError:
            pass


def test_a_network_that_loads_but_cannot_run_is_a_damaged_file(path):
    stored(path)
    loaded = modelfile.load(rewrite(path, lambda c: c["model"]["config"].update(kernel=98)))
    with pytest.raises(ModelFileError, match="cannot run"):
        loaded.forecast(series()[0])


def test_empty_extras_are_fine(path):
    stored(path)
    modelfile.load(rewrite(path, lambda c: c.update(wrappers=[], activations={}, tables=[])))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b"\xff", b'{"version":1}', b'{"version":1e999}',
                                  b'{"version":NaN}', b"[" * 100_000, b'{"version":' * 50_000, b"1" * 5000])
def test_descriptions_that_are_none_are_refused(path, text):
    stored(path)
    rewrite(path, packed=deflated(text))
    refused(path)


def test_bytes_behind_the_streams_are_refused(path):
    stored(path)
    rewrite(path, tail=b"\0")
    refused(path, "streams")


DEEP = dict(L=8, H=2, F=0, patch=2, anchor="mean", hidden=[[1, 1]] * 100_000)
BOMBS = {
    "zeros without end": lambda c: (c["codecs"].append(EMPTY_SPARSE), c["tensors"].__setitem__(0, len(c["codecs"]) - 1),
                                    c["model"]["config"].update(hidden=2**13, head=2**13)),
    "codes without end": lambda c: (c["codecs"].append({"codec": "entropy"}), c["model"]["config"].update(hidden=2**13),
                                    c["tensors"].__setitem__(slice(None, None, 2), [len(c["codecs"]) - 1] * 8)),
    "huge tables": lambda c: c.update(tables=[[str(i), [2**14, 2**13], EMPTY_SPARSE, 0] for i in range(2)]),
    "huge width": lambda c: c["model"]["config"].update(hidden=10**12),
    "wide": lambda c: c["model"]["config"].update(hidden=2**20, head=2**20),
    "long": lambda c: c["model"]["config"].update(L=2**20, H=2**20, patch=1),
    "deep": lambda c: c["model"].update(family="nbeats", config=DEEP),
    "many series": lambda c: c["card"].update(series=["s"] * 200_000),
    "many empty tensors": lambda c: c.update(tensors=[0, 0] * 100_000),
    "many codecs": lambda c: c.update(codecs=c["codecs"] * 10_000),
    "nested": lambda c: c["model"]["config"].update(hidden=json.loads("[" * 400 + "]" * 400)),
}


def bombs(folder):
    """Small files with a correct checksum that ask for gigabytes."""
    for i, change in enumerate(BOMBS.values()):
        path = folder / f"{i}.safetensors"
        stored(path, network("lstm"))
        yield rewrite(path, change)
    texts = b" " * 2**26, b"[" * 2**20, b"[" + b"[]," * 340_000 + b"0]"
    for i, text in enumerate(texts, len(BOMBS)):
        path = folder / f"{i}.safetensors"
        stored(path)
        yield rewrite(path, packed=deflated(text))


TRY_ALL = """
import resource, sys
from pathlib import Path
from litecast import modelfile
from litecast.errors import ModelFileError
peak = Path("/proc/self/clear_refs")

def memory(key):
    if not peak.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return int(line.split()[1])

sound, *files = map(Path, sys.argv[1:])
modelfile.load(sound)
for path in files:
    if peak.exists():
        peak.write_text("5")  # it starts again from what is held now
    before = memory("VmRSS")
    try:
        modelfile.load(path)
    except ModelFileError:
        print(memory("VmHWM") - before)
"""


def test_bombs_with_a_correct_checksum_stay_small(path, tmp_path):
    """Peak memory (kB) of a fresh process for each of them, above what it held before."""
    files = list(bombs(tmp_path))
    assert all(file.stat().st_size < 250_000 for file in files)
    stored(path, network("lstm"))
    done = subprocess.run([sys.executable, "-c", TRY_ALL, path, *files], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    peaks = [int(line) for line in done.stdout.split()]
    assert len(peaks) == len(files)
    assert max(peaks) <= 64 * 1024, peaks
