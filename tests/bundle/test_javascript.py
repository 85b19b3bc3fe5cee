"""`forecast.js` in node: forecasts as the model file, of every family and frequency, and what it refuses."""

import json
import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest
import small_files
from small_windows import CLOSE, NETWORKS, drawn, gap, history, opened

from litecast import bundle
from litecast.bundle import derive, form, reference
from litecast.bundle.program import Op, Program
from litecast.bundle.writers import javascript
from litecast.data import calendar

node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed: apt-get install nodejs")
MOST = 6000  # bytes of what is shipped
BANDS = {"80": [[0.5], [0.6], [0.7], [0.8], [0.9], [1.0]], "95": [[1.0, 2.0]] * 6}
RUN = """
import { readFileSync } from "node:fs";
const said = [];
for (const [folder, calls] of JSON.parse(readFileSync(process.argv[2]))) {
  const { load } = await import(folder + "/forecast.js"), warned = [];
  for (const call of calls) {
    try {
      const content = JSON.parse(call.damaged ?? readFileSync(folder + "/bundle.json"));
      const model = await load(content, (text) => warned.push(text));
      const y = model.forecast(call.values, call.times ?? undefined, call.series);
      const edges = call.level ? model.bands(y, call.level, call.series) : [];
      said.push({ forecast: y.map((row) => [...row]), bands: edges.map((edge) => edge.map((row) => [...row])),
                  warned: warned.splice(0), kind: y[0].constructor.name });
    } catch (error) {
      said.push({ error: error.message });
    }
  }
}
console.log(JSON.stringify(said));
"""


def bundled(folder, model, bands=None, storage="int8", **card):
    """The model file's forecaster; its bundle.json and forecast.js are in the folder."""
    folder.mkdir(exist_ok=True)
    small_files.save(folder / "m", model, storage, small_files.card_of(model, **card))
    loaded, program = opened(folder / "m")
    (folder / "bundle.json").write_text(json.dumps(form.described(loaded.card, program, bands or {})))
    assert javascript.write(program, form.words(loaded.card), folder) == ["forecast.js"]
    return loaded


def call(values, times=None, **more) -> dict:
    rows = [[None if value != value else value for value in row] for row in np.asarray(values, float).tolist()]
    texts = None if times is None else [str(time).replace(" ", "T") for time in times]
    return {"values": rows, "times": texts} | more


def run(tmp_path, calls: dict) -> list[dict]:
    """Answers of node to the calls of each folder, one after the other."""
    (tmp_path / "run.mjs").write_text(RUN)
    (tmp_path / "calls.json").write_text(json.dumps([[str(folder), told] for folder, told in calls.items()]))
    done = subprocess.run(["node", tmp_path / "run.mjs", tmp_path / "calls.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@node
def test_every_family_forecasts_as_its_file(tmp_path):
    calls, expected = {}, []
    for name in NETWORKS:
        told = dict(transform="log", mean=[4.6, 4.5], std=[0.1, 0.2]) if "own" in name else {}
        model = drawn(small_files.network(name, H=30 if "profile" in name else 6))
        loaded = bundled(tmp_path / name, model, **told)
        values, times = history(loaded.card)
        assert np.isnan(values).any()
        assert loaded.card.cells(times).max() >= 7 * 24 or not loaded.card.holidays  # Seollal
        expected += [loaded.forecast(values, times), loaded.forecast(values, times)[:, 1:]]
        calls[tmp_path / name] = [call(values, times), call(values[:, 1:], times, series=loaded.card.series[1:])]
        assert (tmp_path / name / "forecast.js").stat().st_size <= MOST
    found = run(tmp_path, calls)
    for name, answer, wanted in zip(np.repeat(NETWORKS, 2), found, expected, strict=True):
        assert answer.get("kind") == "Float64Array", (name, answer)
        assert gap(np.array(answer["forecast"]), wanted) < CLOSE, name


@node
def test_every_frequency_has_the_calendar_of_the_file(tmp_path):
    days = pd.bdate_range("2023-01-02", "2025-12-30").delete([40, 41, 300])
    calls, expected = {}, []
    for frequency, step in {"15min": "15min", "30min": "30min", "D": "D", "W": "7D", "MS": "MS", "trading-day": "B",
                            "step": None}.items():  # fmt: skip
        quarter = dict(patch=96, L=192) if frequency == "15min" else dict(patch=7)
        model = drawn(small_files.network("profile_mlp", frequency=frequency, F=len(calendar.names(frequency, "KR")),
                                          **quarter))  # fmt: skip
        loaded = bundled(tmp_path / frequency, model, frequency=frequency,
                         holidays=calendar.packed(days, frequency, "KR"))  # fmt: skip
        values, _ = history(loaded.card)
        calls[tmp_path / frequency] = []
        for start in ("2023-02-20", "2024-09-02", "2025-09-25"):
            times = step and pd.date_range(start, periods=len(values), freq=step)
            if frequency == "trading-day":
                times = days[days >= start][: len(values)] if start < "2025" else days[-len(values) :]
                more = times.append(pd.date_range(times[-1] + pd.Timedelta("3D"), periods=6, freq="2D"))
            for given in (times, more) if frequency == "trading-day" else (times,):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected.append((frequency, start, loaded.forecast(values, given)))
                calls[tmp_path / frequency].append(call(values, given))
        assert (tmp_path / frequency / "forecast.js").stat().st_size <= MOST
    for answer, (*name, wanted) in zip(run(tmp_path, calls), expected, strict=True):
        assert "error" not in answer and gap(np.array(answer["forecast"]), wanted) < CLOSE, (name, answer)


@node
@pytest.mark.parametrize("transform", ["none", "log"])
def test_stored_vectors_and_bands(tmp_path, transform):
    """The bundle's own: 20 windows, half of them with gaps, half with a holiday."""
    model = drawn(small_files.network("profile_mlp"))
    told = dict(mean=[4.6, 4.5], std=[0.1, 0.2]) if transform == "log" else {}
    path = tmp_path / "m"
    small_files.save(path, model, "int8", small_files.card_of(model, transform=transform, **told))
    said = bundle.write(path, tmp_path / "out", BANDS)
    assert said["forms"]["javascript"] == ["forecast.js"]
    assert "forecast.js" in (tmp_path / "out/README.md").read_text()
    windows = json.loads((tmp_path / "out/vectors.json").read_text())["windows"]
    calls = [{"values": [[value] for value in window["values"]], "times": window["times"], "series": [window["series"]],
              "level": level} for window in windows for level in (80, 95)]  # fmt: skip
    found = run(tmp_path, {tmp_path / "out": calls})
    for place, answer in enumerate(found):
        window, level = windows[place // 2], (80, 95)[place % 2]
        for part, name in zip([answer["forecast"], *answer["bands"]], ["forecast", f"low_{level}", f"high_{level}"],
                              strict=True):  # fmt: skip
            assert gap(np.array(part)[:, 0], np.array(window[name])) < CLOSE
    assert sum(None in window["values"] for window in windows) >= 8


@node
def test_what_cannot_be_forecast_from_is_refused_and_what_makes_it_err_is_told(tmp_path):
    loaded = bundled(tmp_path / "b", drawn(small_files.network("profile_mlp")), BANDS)
    values, times = history(loaded.card)
    content = (tmp_path / "b/bundle.json").read_text()
    text = [str(time) for time in times]
    cases = {
        "give 48 or more rows": call(values[:47], times[:47]),
        "a row is 2 finite numbers": call(values[:, :1], times),
        "a row is 1 finite numbers": call(values, times, series=["역0"]),
        "finite": call(values, times) | {"values": [["7", 1]] * 96},
        "give a time a row": call(values),
        "a time a row": call(values, times[1:]),
        "noon is no time": call(values, ["noon"] * 96),
        "+09:00 is no time": call(values, times.tz_localize("Asia/Seoul")),
        "Z is no time": call(values, [time + "Z" for time in text]),
        "2024-02-30T05:00 is no time": call(values, ["2024-02-30T05:00", *text[1:]]),
        "not a step apart": call(values, times.insert(5, times[5])[:96]),
        "times are not a": call(values, times[::-1]),
        "times: 1970 to 2099": call(values, times - pd.DateOffset(years=70)),
        "1970 to 2099": call(values, times + pd.DateOffset(years=90)),
        "no series nowhere": call(values, times, series=["역0", "nowhere"]),
        "no bands of 90 %": call(values, times, level=90),
        "not of this bundle": call(values, times, damaged=content.replace('"linear"', '"conv1d"')),
        "": call(values, times, damaged=content.replace('"codes": "e', '"codes": "f')),
    }
    lost = np.where(np.arange(96)[:, None] < 30, values, np.nan)  # nothing known within L of the last ones
    holds = [call(values[-60:], times[-60:]), call(values, times + pd.DateOffset(years=9)),
             call(np.nan_to_num(values, nan=100)[-48:], times[-48:]),
             call(lost, times)]  # fmt: skip
    *found, short, far, whole, long = run(tmp_path, {tmp_path / "b": [*cases.values(), *holds]})
    for word, answer in zip(cases, found, strict=True):
        assert word in answer.get("error", "nothing"), (word, answer)
    assert set(short["warned"]) == {"gaps need 96 rows"} and whole["warned"] == []
    assert gap(np.array(long["forecast"]), loaded.forecast(lost, times)) < CLOSE
    assert far["warned"] == ["holidays are known of 2024 to 2025"]


@node
def test_halves_are_rounded_to_even_and_clipped_as_int8_activations_are(tmp_path):
    model = small_files.network("nlinear", channels=1)
    card, x = form.words(small_files.card_of(model, mean=[0.0], std=[1.0])), np.arange(-24, 24, dtype=np.float32)
    for scale in (2.0, 0.1):
        ops = (Op("round", "v0", 48, ("x",), {}, {"bits": 4, "scale": scale, "zero": 8}),
               Op("slice", "v1", 6, ("v0",), {}, {"start": 42}))  # fmt: skip
        program, folder = Program({"x": 48}, ops, {}, (), {}), tmp_path / f"{scale}"
        folder.mkdir()
        javascript.write(program, card, folder)
        content = {"card": card, "bands": {}, "program": program.described(), "tensors": {}, "calendar": {"step": [0]}}
        (folder / "bundle.json").write_text(json.dumps(content))
        given = [np.roll(x, turn) * step for turn in range(0, 48, 6) for step in (1, np.float32(0.05))]
        answers = run(folder, {folder: [call(values[:, None]) for values in given]})
        for values, answer in zip(given, answers, strict=True):
            np.testing.assert_array_equal(np.ravel(answer["forecast"]), reference.run(program, {"x": values}, 0))


def test_an_op_that_javascript_lacks_leaves_the_form_out(tmp_path):
    program = Program({"x": 2}, (Op("fourier", "v0", 2, ("x",)),), {}, (), {})
    with pytest.raises(derive.Unfit, match="no op fourier"):
        javascript.write(program, {"frequency": "h"}, tmp_path)
    assert not any(tmp_path.iterdir())
