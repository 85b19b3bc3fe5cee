"""The NumPy reader of a bundle: forecasts as the model file, of every family and frequency, and what it refuses."""

import importlib.util
import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import small_files
from small_windows import CLOSE, drawn, gap, history, opened

from litecast.bundle import form
from litecast.data import calendar

BANDS = {"80": [[0.5], [0.6], [0.7], [0.8], [0.9], [1.0]], "95": [[1.0, 2.0]] * 6}


def bundled(folder, model, bands=None, **card):
    """The model file's forecaster, and that of its own predict.py."""
    folder.mkdir(exist_ok=True)
    small_files.save(folder / "m", model, "int8", small_files.card_of(model, **card))
    loaded, program = opened(folder / "m")
    (folder / "bundle.json").write_text(json.dumps(form.described(loaded.card, program, bands or {})))
    (folder / "predict.py").write_text(form.reader(program))
    return loaded, reader(folder).Forecaster(folder)


def reader(folder):
    spec = importlib.util.spec_from_file_location("predict", folder / "predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return bundled(tmp_path_factory.mktemp("bundle"), drawn(small_files.network("profile_mlp")), BANDS)


@pytest.mark.parametrize("name", ["profile_mlp@weekdays", "profile_mlp@shared", "profile_linear@own", "dlinear@own",
                                  "nlinear", "nbeats@own", "gru", "lstm@own", "resnet1d"])  # fmt: skip
def test_every_op_does_what_the_file_does_as_its_file(tmp_path, name):
    transform = "log" if "own" in name else "none"
    model = drawn(small_files.network(name, H=30 if "profile" in name else 6))
    loaded, network = bundled(tmp_path, model, transform=transform, mean=[4.6, 4.5], std=[0.1, 0.2])
    values, times = history(loaded.card)
    expected = loaded.forecast(values, times)
    found = network.forecast(values, times)
    assert found.dtype == np.float64 and gap(found, expected) < CLOSE
    last = network.forecast(values[:, 1:], [str(time) for time in times], network.card["series"][1:])
    assert gap(last[:, 0], expected[:, 1]) < CLOSE
    lines = [line for line in (tmp_path / "predict.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 200
    assert not any("litecast" in line for line in lines if "import" in line)


FREQUENCIES = {"15min": "15min", "30min": "30min", "D": "D", "W": "7D", "MS": "MS", "trading-day": "B", "step": None}


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_every_frequency_has_the_calendar_of_the_file(tmp_path, frequency):
    days = pd.bdate_range("2023-01-02", "2025-12-30").delete([40, 41, 300])
    holidays = calendar.packed(days, frequency, "KR")
    model = drawn(small_files.network("profile_mlp", frequency=frequency, F=len(calendar.names(frequency, "KR")),
                                      patch=96 if frequency == "15min" else 7, L=192 if frequency == "15min" else 48))
    loaded, network = bundled(tmp_path, model, frequency=frequency, holidays=holidays)
    values, _ = history(loaded.card)
    for start in ("2023-02-20", "2024-09-02", "2025-09-25"):
        times = FREQUENCIES[frequency] and pd.date_range(start, periods=len(values), freq=FREQUENCIES[frequency])
        if frequency == "trading-day":
            times = days[days >= start][: len(values)] if start < "2025" else days[-len(values) :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, expected = network.forecast(values, times), loaded.forecast(values, times)
        assert gap(found, expected) < CLOSE
    if frequency == "trading-day":  # the caller knows the days to come
        more = times.append(pd.DatetimeIndex(["2026-02-02", "2026-02-04", "2026-02-06"]))
        more = more.append(pd.date_range("2026-02-10", periods=3))
        assert gap(network.forecast(values, more), loaded.forecast(values, more)) < CLOSE


def test_a_forecast_depends_on_the_history_of_the_card_and_tells_of_less(pair):
    loaded, network = pair
    values, times = history(loaded.card, seed=3)
    more = np.concatenate([np.full((30, 2), 7.0), values])
    before = pd.date_range(end=times[0], periods=31, freq="h")[:-1].append(times)
    assert np.array_equal(network.forecast(more, before), network.forecast(values, times))
    with pytest.warns(UserWarning, match="filled from 96 rows, and there are 60"):
        network.forecast(values[-60:], times[-60:])
    with pytest.warns(UserWarning, match="2024 to 2025"):
        network.forecast(values, times + pd.DateOffset(years=9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.forecast(np.nan_to_num(values, nan=100)[-48:], times[-48:])


@pytest.mark.parametrize("transform", ["none", "log"])
def test_bands_are_the_radius_around_the_forecast_in_transformed_units(tmp_path, transform):
    model = small_files.network("nlinear")
    loaded, network = bundled(tmp_path, model, BANDS, transform=transform, mean=[4.6, 4.5], std=[0.1, 0.2])
    y = network.forecast(*history(loaded.card))
    own = np.log(y) if transform == "log" else y
    for level in (80, "95"):
        low, high = network.bands(y, level)
        low, high = (np.log(edge) if transform == "log" else edge for edge in (low, high))
        radius = np.broadcast_to(BANDS[str(level)], (6, 2)) * [0.1, 0.2]
        np.testing.assert_allclose([own - low, high - own], [radius, radius], atol=1e-12)
    one = network.bands(y[:, 1:], 95, ["역1"])
    np.testing.assert_array_equal(one[0], network.bands(y, 95)[0][:, 1:])
    with pytest.raises(ValueError, match="bands of 80, 95 % are here, of 6 steps x 2 series: not of 90 %"):
        network.bands(y, 90)
    with pytest.raises(ValueError, match="not of 80 %, 5 x 2"):
        network.bands(y[1:])


@pytest.mark.parametrize("change, word", [
    (lambda v, t: (v[:47], t[:47]), "48 or more steps x 2 series, not 47 x 2"),
    (lambda v, t: (v[:, :1], t), "not 96 x 1"),
    (lambda v, t: (v[:, 0], t), "not 96"),
    (lambda v, t: (np.where(v > 0, np.inf, v), t), "finite"),
    (lambda v, t: (v, None), "times cannot be read"),
    (lambda v, t: (v, t[1:]), "give the time"),
    (lambda v, t: (v, ["noon"] * 96), "times cannot be read"),
    (lambda v, t: (v, t.tz_localize("Asia/Seoul")), "in no zone"),
    (lambda v, t: (v, [f"{time}Z" for time in t]), "in no zone"),
    (lambda v, t: (v, t.insert(5, t[5])[:96]), "one step .h. apart"),
    (lambda v, t: (v, t[::-1]), "one step .h. apart"),
    (lambda v, t: (v, t.where(t != t[7])), "give the time"),
    (lambda v, t: (v, t - pd.DateOffset(years=70)), "from 1970 to 2099"),
    (lambda v, t: (v, t + pd.DateOffset(years=90)), "from 1970 to 2099"),
    (lambda v, t: (v, t, ["역0", "nowhere"]), "unknown series nowhere; known: 역0, 역1"),
    (lambda v, t: ([["a", "b"]] * 96, t), "could not convert"),
])  # fmt: skip
def test_what_cannot_be_forecast_from_is_refused(pair, change, word):
    loaded, network = pair
    values, times = history(loaded.card)
    with pytest.raises(ValueError, match=word):
        network.forecast(*change(values, times))


@pytest.mark.parametrize("damage", [
    lambda text: text[:-50], lambda text: "{}", lambda text: "[1]", lambda text: text.replace("linear", "linea"),
    lambda text: text.replace('"codes": "e', '"codes": "f'), lambda text: text.replace('"v3"', '"v99"', 1),
    lambda text: json.dumps(json.loads(text) | {"program": None}),
])  # fmt: skip
def test_a_damaged_bundle_is_refused(tmp_path, damage):
    bundled(tmp_path, small_files.network("profile_mlp"))
    path = tmp_path / "bundle.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match="is no bundle that this file can read"):
        reader(tmp_path).Forecaster(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="bundle.json is no bundle"):
        reader(tmp_path).Forecaster(tmp_path)


def test_the_script_forecasts_a_csv_without_litecast(tmp_path):
    loaded, network = bundled(tmp_path, small_files.network("profile_mlp@shared"), BANDS)
    values, times = history(loaded.card)
    table = pd.DataFrame(values, times, loaded.card.series)
    table[["역1", "역0"]].to_csv(tmp_path / "my.csv")
    call = [sys.executable, "-I", str(tmp_path / "predict.py")]
    done = subprocess.run([*call, str(tmp_path / "my.csv"), "95"], capture_output=True, text=True, encoding="utf-8",
                          env={"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    heads, *lines = [line.split(",") for line in done.stdout.splitlines()]
    y = network.forecast(values, times)
    low, high = network.bands(y, 95)
    assert heads == ["step", "역1", "역1 low", "역1 high", "역0", "역0 low", "역0 high"]
    expected = np.stack([y, low, high], 2)[:, ::-1].reshape(6, 6)
    np.testing.assert_allclose(np.array(lines, float)[:, 1:], expected)
    for arguments, word in (([], "argument"), (["none.csv"], "none.csv"), ([str(tmp_path / "m")], "predict: ")):
        done = subprocess.run([*call, *arguments], capture_output=True, text=True)
        assert done.returncode == 1 and word in done.stderr and "Traceback" not in done.stderr
