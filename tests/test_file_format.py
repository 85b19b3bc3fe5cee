"""docs/file-format.md is enough: a reader written after it alone gives what the real one gives."""

import ast
import dataclasses
import hashlib
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import plain_reader
import pytest
import small_files
import torch
from small_files import card_of, network, save, series

from litecast import codecs, modelfile, models, paths
from litecast.codecs import _groups
from litecast.data import calendar, daytypes
from litecast.models import base, wrappers

PAGE = (paths.ROOT / "docs" / "file-format.md").read_text(encoding="utf-8")
DICTIONARY = re.search(r"```dictionary\n(.*?)```", PAGE, re.S)[1].replace("\n", "").encode()
NAMES = [*models.names(), "nlinear@own", "lstm@shared", "profile_linear@weekdays"]
CALENDARS = [("15min", "KR", 6), ("30min", None, 5), ("h", "KR", 6), ("h", None, 5), ("D", "KR", 4), ("D", None, 3),
             ("trading-day", None, 2), ("trading-day", "KR", 2), ("W", None, 2), ("MS", "KR", 2), ("step", None, 0)]


def tensors_of(model: dict) -> list[tuple[str, list[int]]]:
    """Names and shapes of a network's tensors, in order: what the family's file says."""
    return [(name, list(tensor.shape)) for name, tensor in models.rebuild(model).state_dict().items()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def same(path):
    """The file as both readers have it, tensors and card being the same: (Loaded, the plain reader's card)."""
    loaded = modelfile.load(path)
    said, tensors, card = plain_reader.read(path.read_bytes(), DICTIONARY, tensors_of)
    state = loaded.model.state_dict()
    assert list(tensors) == list(state)
    for name, tensor in state.items():
        wanted = tensor.numpy()
        assert tensors[name].shape == wanted.shape
        assert tensors[name].astype(wanted.dtype).tobytes() == wanted.tobytes(), f"{name} is not bit-identical"
    assert card == vars(loaded.card) and said["model"] == json.loads(json.dumps(models.describe(loaded.model)))
    return loaded, card


@pytest.mark.parametrize("storage", ["float32", "float16", "int8", "int4"])
@pytest.mark.parametrize("family", NAMES)
def test_every_family_is_read_bit_for_bit(path, family, storage):
    model = network(family, channels=3)
    with torch.no_grad():
        for parameter in model.parameters():  # nothing may be equal by being zero
            parameter.add_(0.1 * torch.randn(parameter.shape))
    save(path, model, storage, card_of(model, 3, transform="log", mean=[4.6, 0.1, -3], std=[0.1, 1, 7]))
    same(path)


@pytest.mark.parametrize("family", ["lstm", "tcn"])
@pytest.mark.parametrize("kind", small_files.KINDS)
def test_every_codec_and_nesting_is_read_bit_for_bit(path, family, kind):
    model = network(family)
    small_files.save_held(path, model, card_of(model), kind)
    loaded, _ = same(path)
    names = {name for tensor in loaded.tensors.values() for name in chain(tensor)}
    assert set(kind.split()) & set(codecs.names()) <= names


def chain(meta):
    """Names of a codec and of those that it holds."""
    return [] if meta is None else [meta["codec"], *chain(meta.get("values")), *chain(meta.get("left"))]


def test_the_kinds_written_here_are_all_that_codecs_can_say(path):
    """Every key that a meta may have, and every codec: one that is added has to be written down and read here too."""
    keys, seen = set(), set()
    for kind in small_files.KINDS:
        for family in ("lstm", "tcn"):
            model = network(family)
            small_files.save_held(path, model, card_of(model), kind)
            for tensor in modelfile.load(path).tensors.values():
                while tensor is not None:
                    seen.add(tensor["codec"])
                    keys |= tensor.keys() - {"codec", "shape", "bytes"}
                    tensor = tensor.get("values")
    assert seen == set(codecs.names())
    every = {key for name in codecs.names() for key in importlib.import_module(f"litecast.codecs.{name}").META}
    assert keys == every
    assert all(f"`{key}`" in PAGE or f'"{key}"' in PAGE for key in every)


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("frequency, country, known", CALENDARS)
def test_inputs_and_forecast_are_made_of_raw_values_by_the_page(path, frequency, country, known, transform):
    model = network("nlinear@own", frequency=frequency, country=country, F=0)
    holidays = [2024, 2027, 0, 39, 1, 1, 1, 18, 40] if daytypes.special(frequency, country) else None
    save(path, model, "float32", card_of(model, frequency=frequency, country=country, season=7, transform=transform,
                                         holidays=holidays, mean=[4.5, 90.0], std=[0.5, 20.0]))  # fmt: skip
    loaded, card = same(path)
    values, _ = series(150)
    values[np.random.default_rng(1).random(values.shape) < 0.3] = np.nan
    values[60:120, 1], values[140, 0] = np.nan, -1.0
    step = {"trading-day": "B", "W": "7D", "step": "h"}.get(frequency, frequency)
    times = pd.date_range("2024-02-01 00:00", periods=156, freq=step)
    x = plain_reader.window(card, values)
    z = plain_reader.calendar(card, list(times[-54:]))
    np.testing.assert_array_equal(x, loaded._inputs(values))
    np.testing.assert_allclose(z, loaded.card.known(times[-54:]), rtol=0, atol=1e-7)
    assert z.shape == (54, known)
    times = times if frequency != "step" else times[:0]
    said, tensors, _ = plain_reader.read(path.read_bytes(), DICTIONARY, tensors_of)
    config, found = said["model"]["config"], np.empty((6, 2))
    cells = plain_reader.cells(card, list(times[-54:])) if len(times) else np.zeros(54, int)
    for c in range(2):  # the whole forecast without PyTorch: a linear map of what is unusual
        week = plain_reader.usual(config, tensors["usual.table"], c, cells)
        past, scale, ahead = plain_reader.frame(config, x[:, c], week)
        found[:, c] = (tensors["map.weight"] @ ((x[:, c] - past) / scale) + tensors["map.bias"]) * scale + ahead
    wanted = loaded.forecast(values, times[:150] if len(times) else None)
    # float32 sums, which exp() widens
    np.testing.assert_allclose(plain_reader.raw_again(card, found), wanted, rtol=1e-4)


@pytest.mark.parametrize("told, looks", [({}, [0, 2, 4]), ({"steps": 1}, [*range(6)]), ({"looks": 2}, [0, 3])])
@pytest.mark.parametrize("name", ["nbeats", "nbeats@own", "nbeats@shared", "nbeats@train", "nbeats@weekdays"])
def test_a_window_is_normalised_and_the_calendar_looked_at_as_the_page_says(name, told, looks):
    """Step 7 by the plain reader, around the network of a family."""
    draw = np.random.default_rng(0)
    x, z = draw.normal(size=(1, 48, 1)).astype(np.float32), draw.normal(size=(1, 54, 6)).astype(np.float32)
    for anchor, place in (("mean", 1), ("last", 0), ("mean", None)):
        model = network(name, anchor=anchor, **told)
        config = models.describe(model)["config"]
        cells = draw.integers(0, model.config.cells, (1, 54))
        assert list(plain_reader.looks(config)) == looks
        known = z[0, 48:][looks].ravel()
        table = None if model.usual is None else model.usual.table.detach().numpy()
        week = None if table is None else plain_reader.usual(config, table, place, cells[0])
        past, scale, ahead = plain_reader.frame(config, x[0, :, 0], week)
        number = None if place is None else torch.tensor([place])
        with torch.inference_mode():
            row = torch.from_numpy(((x[0, :, 0] - past) / scale).astype(np.float32))[None]
            out = model.net(row, torch.from_numpy(known)[None])[0].detach().numpy()
            found = model(torch.from_numpy(x), torch.from_numpy(z), number, torch.from_numpy(cells))[0, :, 0].numpy()
        np.testing.assert_allclose(found, out * scale + ahead, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("waves", [0, 1, 5, 24])
@pytest.mark.parametrize("told", [{"table": "own"}, {"table": "shared"}, {"table": "own", "special": False}])
def test_the_usual_week_is_read_as_the_page_says(told, waves):
    model = network("nbeats", channels=3, waves=waves, **told)
    config, cells = json.loads(json.dumps(models.describe(model)["config"])), np.arange(model.config.cells)
    for place in (0, 2, None):
        number = torch.tensor([3 if place is None else place])
        with torch.inference_mode():
            wanted = model.usual(number, torch.from_numpy(cells)[None])[0].numpy()
        found = plain_reader.usual(config, model.usual.table.detach().numpy(), place, cells)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("country", ["KR", "US", "FR", None])
@pytest.mark.parametrize("frequency", plain_reader.CYCLES)
def test_cells_of_three_years_are_those_of_the_page(frequency, country):
    """With the holidays that a file of that country holds."""
    step = {"trading-day": "B", "W": "7D", "step": "h"}.get(frequency, frequency)
    times = pd.date_range("2023-01-02", "2025-12-30", freq=step)[:: 7 if frequency in ("15min", "30min", "h") else 1]
    if frequency == "trading-day":
        times = times.delete([77, 130, 131, 400])
    about = card_of(network("nlinear"), frequency=frequency, country=country,
                    holidays=None if frequency == "step" else calendar.packed(times, frequency, country))
    np.testing.assert_array_equal(plain_reader.cells(vars(about), list(times)), about.cells(times))


def test_activations_are_rounded_as_the_page_says(path):
    model, quantiser = network("lstm"), {"head.out": {"bits": 4, "scale": 0.3, "zero": 5}}
    wrappers.attach(model, quantiser)
    save(path, model, "float32", card_of(model))
    said, _, _ = plain_reader.read(path.read_bytes(), DICTIONARY, tensors_of)
    assert said["activations"] == quantiser
    x = np.linspace(-9, 9, 41, dtype=np.float32)
    (found,) = wrappers.ActivationQuantiser(**quantiser["head.out"])(None, (torch.from_numpy(x),))
    wanted = np.float32(0.3) * np.clip(np.round(x / np.float32(0.3)), -5, 2**4 - 1 - 5)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("family, layer, axes", [("lstm", "lstm", (-1,)), ("resnet1d", "blocks.0.first", (-2, -1))])
def test_activations_of_one_bit_are_as_the_page_says(path, family, layer, axes):
    model = network(family)
    wrappers.attach(model, {layer: {"bits": 1}})
    save(path, model, "float32", card_of(model))
    said, _, _ = plain_reader.read(path.read_bytes(), DICTIONARY, tensors_of)
    assert said["activations"] == {layer: {"bits": 1}}
    x = np.random.default_rng(0).normal(3, 2, (5, 4, 6)).astype(np.float32)
    (hook,) = model.get_submodule(layer)._forward_pre_hooks.values()
    (found,) = hook(model.get_submodule(layer), (torch.from_numpy(x),))
    mean = x.astype(np.float64).mean(axes, keepdims=True)
    size = np.abs(x - mean).mean(axes, keepdims=True)
    np.testing.assert_allclose(found, np.where(x >= mean, mean + size, mean - size), rtol=1e-5)


def test_the_dictionary_is_the_codes_byte_for_byte():
    assert DICTIONARY == modelfile.COMMON
    assert hashlib.sha256(DICTIONARY).hexdigest() in PAGE


def test_the_constants_of_the_page_are_the_codes():
    rows = re.findall(r"\| ([\d.]+) \| `([\w.]+)` \|", PAGE)
    assert len(rows) == 21
    for value, name in rows:
        module, _, constant = name.rpartition(".")
        assert float(value) == getattr(importlib.import_module(f"litecast.{module}"), constant), name


def test_the_page_names_every_codec_frequency_and_field_of_the_card():
    words = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.S)))
    assert set(codecs.names()) <= words and set(plain_reader.CYCLES) <= words
    assert set(plain_reader.CYCLES) == set(modelfile.FREQUENCIES)
    fields = set(modelfile.Card.__dataclass_fields__) - {"L", "H", "patch", "mean", "std"}
    assert fields <= words
    assert {field.name for field in dataclasses.fields(base.Config)} <= words
    assert set(daytypes.special("h", "KR")) <= set(re.findall(r"\| \d ([\w ]+) \|", PAGE))
    assert set(daytypes.special("trading-day", "KR")) <= set(re.findall(r"\| \d ([\w ]+) \|", PAGE))
    assert set(_groups.META) <= set(re.findall(r'"(\w+)":', PAGE))
    assert modelfile.BODY in words and f'# The model file, format {modelfile.VERSION}' in PAGE


def test_the_reader_is_short_and_knows_nothing_of_the_project():
    text = Path(plain_reader.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 380
    tree = ast.walk(ast.parse(text))
    imported = {alias.name if isinstance(node, ast.Import) else node.module for node in tree
                if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}  # fmt: skip
    assert imported - {"numpy"} <= sys.stdlib_module_names
