"""The C of a bundle: forecasts as the model file, of every family and frequency, here and on a microcontroller."""

import ctypes
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import small_files
from small_windows import CLOSE, NETWORKS, drawn, gap, history, opened

from litecast import modelfile
from litecast.bundle import device, form
from litecast.bundle.program import INT, Op, Program, Tensor
from litecast.bundle.writers import c
from litecast.codecs import Product, Quantised
from litecast.data import calendar
from litecast.errors import LitecastError, RunError
from litecast.models import wrappers

BANDS = {"80": [[0.5], [0.6], [0.7], [0.8], [0.9], [1.0]], "95": [[1.0, 2.0]] * 6}
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror"]
COMPILER = pytest.mark.skipif(bool(device.lacking_compiler()), reason=device.lacking_compiler())


def bundled(folder, model, storage="int8", bands=None, **card):
    """The model file's forecaster, and its C in a folder."""
    folder.mkdir(exist_ok=True)
    small_files.save(folder / "m", model, storage, small_files.card_of(model, **card))
    loaded, program = opened(folder / "m")
    words = form.words(loaded.card)
    c.write(program, words | {"bands": bands or {}}, folder)
    (folder / "bundle.json").write_text(json.dumps({"card": words}))
    return loaded


def windows(loaded, values, times) -> list[dict]:
    """Of each series, with what the model file says of it, as vectors.json has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = loaded.forecast(values, times)
    return [{"series": name, "times": None if times is None else [time.isoformat() for time in times],
             "values": [None if np.isnan(v) else v for v in values[:, i]], "forecast": y[:, i].tolist()}
            for i, name in enumerate(loaded.card.series)]  # fmt: skip


def forecasts(folder, wanted, flags=()):
    (folder / "vectors.json").write_text(json.dumps({"windows": wanted}))
    called = device.Host(folder, [*STRICT, *flags])
    told = [called(window) for window in wanted]
    return [said for said, _ in told], np.array([y for _, y in told])


@COMPILER
@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_forecasts_as_its_file(tmp_path, name):
    log = "own" in name
    model = drawn(small_files.network(name, H=30 if "profile" in name else 6))
    loaded = bundled(tmp_path, model, "int4" if log else "int8", transform="log" if log else "none",
                     mean=[4.6, 4.5] if log else [100.5] * 2, std=[0.1, 0.2] if log else [10.25] * 2)
    wanted = windows(loaded, *history(loaded.card))
    said, y = forecasts(tmp_path, wanted)
    assert said == [0, 0] and device.gap(y, wanted) < CLOSE
    said, y = forecasts(tmp_path, wanted, ["-DFORECAST_INT8"])
    assert said == [0, 0] and CLOSE / 100 < device.gap(y, wanted) < 0.02


@COMPILER
@pytest.mark.parametrize("kind", ["intn rows", "intn runs", "codebook", "product"])
def test_whatever_a_codec_holds_is_held(tmp_path, kind):
    model = small_files.network("nbeats@own", width=8)
    small_files.save_held(tmp_path / "m", model, small_files.card_of(model), kind)
    loaded, program = opened(tmp_path / "m")
    c.write(program, form.words(loaded.card) | {"bands": {}}, tmp_path)
    (tmp_path / "bundle.json").write_text(json.dumps({"card": form.words(loaded.card)}))
    wanted = windows(loaded, *history(loaded.card))
    assert device.gap(forecasts(tmp_path, wanted)[1], wanted) < CLOSE


@COMPILER
@pytest.mark.parametrize("scales", [1, 3])
def test_a_usual_week_of_shared_patterns_and_cosines_is_made_as_it_is_needed(tmp_path, scales):
    """Two series of three patterns of 12 types and 24 steps; of one scale whole numbers are added."""
    model, draw = small_files.network("profile_mlp"), np.random.default_rng(0)
    right = Quantised(draw.integers(-300, 301, (3 * 12, 24)), draw.random(scales) / 50 + 0.01,
                      counts=np.full(scales, 3 * 12 * 24 // scales))  # fmt: skip
    held = Product(Quantised(draw.integers(-40, 41, (2, 3)), 0.03), right, (24, 24), (12, 24))
    modelfile.save(tmp_path / "m", model, {"usual.table": {"codec": "product", "values": {"codec": "entropy"}}},
                   small_files.card_of(model), {"usual.table": held})
    loaded, program = opened(tmp_path / "m")
    c.write(program, form.words(loaded.card) | {"bands": {}}, tmp_path)
    (tmp_path / "bundle.json").write_text(json.dumps({"card": form.words(loaded.card)}))
    wanted = windows(loaded, *history(loaded.card))
    for level in ("-O0", "-O2", "-O3"):
        assert device.gap(forecasts(tmp_path, wanted, [level])[1], wanted) < CLOSE


FREQUENCIES = {"15min": "15min", "30min": "30min", "D": "D", "W": "7D", "MS": "MS", "trading-day": "B", "step": None}


@COMPILER
@pytest.mark.parametrize("frequency, special", [*((name, True) for name in FREQUENCIES), ("trading-day", False)])
def test_every_frequency_has_the_calendar_of_the_file(tmp_path, frequency, special):
    days = pd.bdate_range("2023-01-02", "2025-12-30").delete([40, 41, 300])
    holidays = calendar.packed(days, frequency, "KR")
    model = drawn(small_files.network("profile_mlp", frequency=frequency, F=len(calendar.names(frequency, "KR")),
                                      special=special,
                                      patch=96 if frequency == "15min" else 7, L=192 if frequency == "15min" else 48))
    loaded = bundled(tmp_path, model, frequency=frequency, holidays=holidays)
    values, _ = history(loaded.card)
    wanted = []
    for start in ("2023-02-20", "2024-01-12", "2024-09-02", "2025-04-25", "2025-09-25"):
        times = FREQUENCIES[frequency] and pd.date_range(start, periods=len(values), freq=FREQUENCIES[frequency])
        if frequency == "trading-day":
            times = days[days >= start][: len(values)] if start < "2025-06" else days[-len(values) :]
        wanted += windows(loaded, values, times)
    assert device.gap(forecasts(tmp_path, wanted)[1], wanted) < CLOSE


@COMPILER
def test_rounded_activations_waves_and_short_histories(tmp_path):
    model = small_files.network("profile_mlp", waves=5)
    wrappers.attach(model, {"first": {"bits": 4, "scale": 0.5, "zero": 8}})
    loaded = bundled(tmp_path, model)
    values, times = history(loaded.card)
    wanted = windows(loaded, values[-60:], times[-60:]) + windows(loaded, values, times + pd.DateOffset(years=9))
    said, y = forecasts(tmp_path, wanted)
    assert said == [1, 1, 2, 2] and device.gap(y, wanted) < CLOSE


@COMPILER
def test_all_series_bands_and_refusals(tmp_path):
    loaded = bundled(tmp_path, drawn(small_files.network("profile_mlp")), bands=BANDS)
    values, times = history(loaded.card)
    device._call(["cc", *STRICT, "-shared", "-fPIC", f"{tmp_path}/forecast.c", "-o", f"{tmp_path}/f.so", "-lm"])
    library, expected = ctypes.CDLL(f"{tmp_path}/f.so"), loaded.forecast(values, times)

    def call(given, last=(2024, 2, 11, 4, 0), count=96, series=0):
        raw, y = np.ascontiguousarray(given, np.float32), np.zeros(12, np.float32)
        end = last and (ctypes.c_int * 5)(*last)
        both = raw.ndim == 2
        said = (library.forecast_all(raw.ctypes, count, end, y.ctypes) if both else
                library.forecast(raw.ctypes, count, end, series, y.ctypes))  # fmt: skip
        return said, y.reshape(6, 2) if both else y[:6]

    last = (*times[-1].timetuple()[:5],)
    said, y = call(values, last)
    assert said == 0 and gap(y, expected) < CLOSE
    np.testing.assert_array_equal(call(values[:, 1], last, series=1)[1], y[:, 1])
    for level, radius in BANDS.items():
        low, high = np.zeros((2, 6), np.float32)
        own = np.ascontiguousarray(y[:, 1])
        assert library.forecast_band(own.ctypes, int(level), 1, low.ctypes, high.ctypes) == 0
        wide = np.broadcast_to(radius, (6, 2))[:, 1] * 10.25
        np.testing.assert_allclose([own - low, high - own], [wide, wide], rtol=1e-4)
    assert library.forecast_band(own.ctypes, 90, 1, low.ctypes, high.ctypes) == -5
    assert call(values[:, 0], last, count=47)[0] == -1
    assert [call(values[:, 0], last, series=n)[0] for n in (-1, 2)] == [-2, -2]
    assert call(np.where(values > 110, np.inf, values)[:, 0], last)[0] == -3
    assert [call(values[:, 0], bad)[0] for bad in (None, (1969, 1, 1, 0, 0), (2024, 13, 1, 0, 0),
                                                   (2024, 1, 1, 24, 0))] == [-4] * 4  # fmt: skip


def test_vectors_share_places_and_none_is_lost(tmp_path):
    """Every value is where its op put it until its last reader has read it: a run over one array says the same."""
    for name in ("profile_mlp", "nbeats@own", "lstm", "resnet1d", "dlinear"):
        program = _program(tmp_path, name)
        place, length = c.places(program)
        assert length < sum(program.sizes()[name] for name in place)
        owner = {}
        for op in program.ops:
            for a in op.inputs:
                if a in place:
                    held = {owner.get(place[a] + i) for i in range(program.sizes()[a])}
                    assert held == {_root(program, a)} or a == "x" and held <= {None, "x"}, (name, op.kind, a)
            if op.kind != "slice":
                owner |= dict.fromkeys(range(place[op.out], place[op.out] + op.size), op.out)
        assert max(owner) < length


def _root(program, name):
    made = {op.out: op for op in program.ops}
    while name in made and made[name].kind == "slice":
        name = made[name].inputs[0]
    return name


def _program(folder, name):
    model = drawn(small_files.network(name))
    small_files.save(folder / name, model, "int8", small_files.card_of(model))
    return opened(folder / name)[1]


def test_what_c_cannot_do_is_refused_with_the_reason(tmp_path):
    ops = (Op("twist", "v0", 2, ("x",)),)
    with pytest.raises(c.Unfit, match="no op twist"):
        c.sources(Program({"x": 2}, ops, {}, (), {}), {"L": 2, "H": 2, "season": 1, "transform": "none",
                                                      "frequency": "step", "bands": {}})  # fmt: skip
    with pytest.raises(LitecastError, match="holds no forecast.c: make it with"):
        device.measured(tmp_path, "cortex-m3", [])
    with pytest.raises(RunError, match="cc .* failed"):
        (tmp_path / "forecast.c").write_text("int")
        for each in ("vectors", "bundle"):
            (tmp_path / f"{each}.json").write_text('{"windows": [], "card": {}}')
        device.Host(tmp_path)


def test_codes_of_four_bits_lie_two_a_byte():
    kind, codes = c._codes(Tensor(INT, np.int8([[-8, 7, -1]]), np.float32([1]), 3, 4))
    assert kind == "INT4" and codes.tolist() == [0x78, 0x0F]


def test_without_the_tools_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(device.shutil, "which", lambda tool: None)
    with pytest.raises(LitecastError, match="apt-get install gcc-arm-none-eabi .* qemu-system-arm"):
        device.lines(tmp_path)


@pytest.mark.device
@pytest.mark.skipif(bool(device.lacking()), reason=device.lacking())
def test_microcontrollers_forecast_the_same_and_count_the_same(tmp_path):
    loaded = bundled(tmp_path, drawn(small_files.network("profile_mlp")))
    wanted = windows(loaded, *history(loaded.card))
    (tmp_path / "vectors.json").write_text(json.dumps({"windows": wanted}))
    made = {(line["runtime"], line["activations"]): line for line in device.lines(tmp_path)}
    assert len(made) == 4
    for (_, activations), line in made.items():
        assert line["gap"] < (CLOSE if activations == "float32" else 0.02)
        assert line["stack"] < line["ram"] < 8192 and 500 < line["flash_model"] and 1000 < line["flash_code"] < 20000
    m4, m3 = (made[board, "float32"]["instructions"] for board in ("cortex-m4f", "cortex-m3"))
    assert m3 > 2 * m4 and made["cortex-m3", "int8"]["instructions"] < m3
    again = device.measured(tmp_path, "cortex-m4f", [])["instructions"]
    assert abs(again - m4) <= device.TICK
