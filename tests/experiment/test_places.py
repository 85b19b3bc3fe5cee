"""What runs where: which files are tried, in which runtimes, what is told of them, and what fits a device."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from litecast import models, paths, results, runtimes
from litecast.bundle import device
from litecast.compress import Export, storages
from litecast.data import frame, windows
from litecast.experiment import devices, in_c, measure
from litecast.figures import devices as pictures
from litecast.modelfile import Card
from litecast.report import words
from litecast.report.facts import paragraphs
from litecast.results import places
from litecast.runtimes import footprint, latency, onnxruntime

ALONE = {"import_s": 0.5, "open_s": 0.25, "resident_bytes": 50e6, "peak_bytes": 60e6}


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch):
    monkeypatch.setattr(latency, "interleave", partial(latency.interleave, runs=3, warm_up=1))


@pytest.fixture
def data():
    draw = np.random.default_rng(0)
    values = 100 + 20 * np.sin(2 * np.pi * np.arange(600) / 24)[:, None] + draw.normal(size=(600, 2))
    times = pd.date_range("2024-01-01", periods=600, freq="h")
    header = frame.Header("made-up", "items", "h", 24, 24, 6)
    return windows.prepare(frame.from_wide(header, pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture
def rows(data):
    """A dense network, the same in few bits, which is recommended, and an ONNX file that counts as int8."""
    run, model = results.Run.open("deep", "tiny", dataset="made-up"), models.build("nlinear", 1, data)
    shared = {"model": "nlinear", "seed": 0, "level": 1}
    measure.store(run, data, model, storages.export(model, "float32"), shared | {
        "technique": "dense", "variant": "float32", "role": "dense"})  # fmt: skip
    measure.store(run, data, model, storages.export(model, "int8"), shared | {
        "technique": "width", "variant": "int8", "role": "compressed"})  # fmt: skip
    export = Export(runtime="onnxruntime", content=onnxruntime.export(model, Card.of(data)))
    measure.store(run, data, model, export, shared | {
        "technique": "int8", "variant": "minmax-int8", "role": "compressed"})  # fmt: skip
    run.finish()
    made = results.collect("tiny")
    made.loc[made.technique == "int8", "precision"] = "int8"  # else it would be dense once more
    return made


@pytest.fixture
def lines(data, rows, monkeypatch):
    """As where nothing but the lock is installed, and no compiler."""
    monkeypatch.setenv("CC", "none")
    monkeypatch.setattr(device, "lacking", lambda: "no such tools: install them")
    monkeypatch.setattr(runtimes, "available", lambda: ["onnxruntime", "sklearn", "torch"])
    monkeypatch.setattr(footprint, "alone", lambda place, opened: ALONE)
    run = results.Run.open("devices", "tiny", dataset="made-up")
    made = devices.measured(devices.placed(run, rows, devices.chosen(rows, data)))
    results.write_csv(made, run.file("devices.csv"))
    run.finish()
    return made


def test_files_run_in_every_runtime_that_takes_them_and_say_the_same(lines, data):
    ran = lines[lines.row_id.notna() & (lines.row_id != "")]
    tried = {(one.technique, one.runtime, one.recommended) for one in ran.itertuples()}
    assert tried == {(name, runtime, 1) for name in ("width", "dense") for runtime in ("torch", "onnxruntime")} | {
        ("int8", "onnxruntime", 0)}, "an ONNX file is no network that PyTorch could run"
    assert (ran.gap < 1e-5).all() and (ran.latency_ms_p50 > 0).all()
    assert (ran.latency_ratio[ran.technique == "dense"] == 1).all() and ran.latency_ratio.notna().all()
    assert (ran.runtime_bytes[ran.runtime == "torch"] > 1e8).all()
    folder = paths.study_dir("tiny") / "runs"
    exported = {path.stat().st_size for path in folder.glob("510_devices/*/*.onnx")}
    assert set(ran.bytes[(ran.runtime == "onnxruntime") & (ran.technique != "int8")]) == exported
    assert ran.resident_bytes.notna().sum() == 2, "a process of its own for the file to deploy alone"
    pd.testing.assert_frame_equal(places.measured("tiny").drop(columns="run")[places.NUMBERS], lines[places.NUMBERS],
                                  check_dtype=False)


def test_what_does_not_open_and_what_is_missing_is_a_line_with_the_reason(data, rows, monkeypatch):
    broken = SimpleNamespace(**vars(onnxruntime))
    broken.open = lambda path: (_ for _ in ()).throw(RuntimeError("no such operator"))
    whole = runtimes.module
    monkeypatch.setattr(runtimes, "module", lambda name: broken if name == "openvino" else whole(name))
    monkeypatch.setattr(runtimes, "available", lambda: ["torch", "openvino"])
    monkeypatch.setattr(footprint, "alone", lambda place, opened: ALONE)
    run = results.Run.open("devices", "tiny", dataset="made-up")
    made = devices.measured(devices.placed(run, rows, devices.chosen(rows, data)))
    failed = made[(made.runtime == "openvino") & made.model.notna()]
    assert len(failed) and set(failed.why) == {"no such operator"} and failed.latency_ms_p50.isna().all()
    monkeypatch.setattr(runtimes, "names", lambda: ["odd"])
    monkeypatch.setattr(runtimes, "lacking", lambda name: "not installed; ask for it")
    assert devices.missing().to_dict("records") == [{"runtime": "odd", "why": "not installed; ask for it"}]


def test_dear_runtimes_take_the_file_to_deploy_alone(data, rows, monkeypatch):
    monkeypatch.setattr(onnxruntime, "DEAR", True, raising=False)
    monkeypatch.setattr(runtimes, "available", lambda: ["onnxruntime", "torch"])
    wanted = devices.chosen(rows, data)
    wanted["recommended"] = (wanted.technique == "width").astype(int)
    run = results.Run.open("devices", "tiny", dataset="made-up")
    monkeypatch.setattr(in_c, "lines", lambda file, boards: iter([({"runtime": "c"}, None)]))
    tried = [(each.line["technique"], each.line["runtime"]) for each in devices.placed(run, rows, wanted)]
    assert sorted(tried) == [("dense", "torch"), ("width", "c"), ("width", "onnxruntime"), ("width", "torch")]
    monkeypatch.setattr(places, "main", lambda rows, skilled: "another dataset")
    tried = [(each.line["technique"], each.line["runtime"]) for each in devices.placed(run, rows, wanted)]
    assert sorted(tried) == [("dense", "torch"), ("width", "c"), ("width", "torch")]


def test_the_report_tells_of_the_dataset_of_most_techniques_where_a_network_has_skill():
    made = pd.DataFrame({"dataset": [*"aab", *"bbc"], "technique": [*"xyx", *"xxx"]})
    assert places.main(made, {"b", "c"}) == "b" and places.main(made, {"c"}) == "c"
    assert places.main(made, set()) == "a" and places.main(made[:0], set()) == ""


BOARD = {"flash_model": 9000, "flash_code": 5000, "ram": 4000, "stack": 3000, "instructions": 100_000, "gap": 1e-7}


@pytest.mark.skipif(bool(device.lacking_compiler()), reason=device.lacking_compiler())
def test_the_file_to_deploy_runs_in_c_without_a_runtime(data, rows, monkeypatch):
    monkeypatch.setattr(device, "lacking", lambda: "")
    monkeypatch.setattr(device, "measured", lambda folder, board, flags: BOARD)
    monkeypatch.setattr(runtimes, "available", lambda: ["torch"])
    monkeypatch.setattr(footprint, "alone", lambda place, opened: ALONE)
    run = results.Run.open("devices", "tiny", dataset="made-up")
    made = devices.measured(devices.placed(run, rows, devices.chosen(rows, data)))
    here = made[(made.runtime == "c") & (made.why == "")]
    assert here.technique.tolist() == ["width", "dense"] and (here.gap < 1e-5).all() and (here.runtime_bytes == 0).all()
    assert (here.latency_ms_p50 > 0).all() and (here.bytes > 1000).all() and (here.precision == "float32").all()
    there = places.boards(made)
    assert {(one.runtime, one.storage, one.technique) for one in there.itertuples()} == {
        (board, how, "width") for board in device.BOARDS for how in ("", "int8")}, "no dense network on a board"
    assert there.latency_ms_p50.isna().all() and (there.bytes == 14000).all() and (there.ram_bytes == 4000).all()
    assert devices.survey(made).set_index("device").fits["nRF52840"] == "cortex-m4f"


def test_what_c_cannot_hold_and_what_does_not_compile_say_why(data, rows, monkeypatch):
    file = paths.study_dir("tiny") / rows.artefact[rows.technique == "width"].iloc[0]
    whole = in_c.bundle.write
    monkeypatch.setattr(in_c.bundle, "write", lambda file, folder: {"reason": "no op twist", "left_out": {}})
    assert [(line["runtime"], line["why"], call) for line, call in in_c.lines(file, True)] == [
        ("c", "no op twist", None)]
    monkeypatch.setattr(in_c.bundle, "write", whole)
    monkeypatch.setattr(device, "lacking_compiler", str)
    monkeypatch.setattr(device, "lacking", str)
    monkeypatch.setenv("CC", "false")
    monkeypatch.setattr(device, "GCC", "false")
    lines = [line for line, _ in in_c.lines(file, True)]
    assert [line["runtime"] for line in lines] == ["c", *[board for board in device.BOARDS for _ in range(2)]]
    assert all("false" in line["why"] and "failed" in line["why"] for line in lines)


def test_int8_pays_where_it_is_clearly_quicker():
    line = {"dataset": "d", "model": "m", "storage": "", "why": "", "row_id": "r", "recommended": 0,
            "technique": "dense", "precision": "float32", "coverage_macs": 1.0, "latency_ms_p50": 1.0,
            "latency_ratio": 1.0, "bytes": 400}
    small = line | {"technique": "int8", "precision": "int8", "bytes": 100}
    made = pd.DataFrame([line | {"runtime": "a"}, small | {"runtime": "a", "latency_ratio": 1.5},
                         line | {"runtime": "b"}, small | {"runtime": "b", "latency_ratio": 1.05}])  # fmt: skip
    found = places.int8(made)
    assert found.runtime.tolist() == ["a", "b"] and found.pays.tolist() == [True, False]
    assert (found.smaller == 4).all() and found.quicker.tolist() == [1.5, 1.05]


def test_what_fits_is_computed_from_what_a_process_holds():
    held = pd.DataFrame({"runtime": ["onnxruntime", "litert"], "resident_bytes": [600e6, 30e6], "bytes": [1e3, 1e3],
                         "ram_bytes": np.nan})
    found = devices.survey(held).set_index("device")
    assert found.fits["Raspberry Pi Zero 2 W"] == "litert" and found.asked["Raspberry Pi Zero 2 W"] == 2
    assert found.fits["Jetson TX2"] == "onnxruntime" and found.asked["Edge TPU (Coral)"] == 0
    assert found.source.str.startswith("https://").all() and found.index.is_unique and (found.precision != "").all()
    known = {name for names in found.runtimes for name in names.split()}
    assert known <= {*runtimes.names(), *places.IN_C} and {in_c.HOST, *device.BOARDS} == {*places.IN_C}


def test_it_is_drawn_and_told(lines):
    figure = pictures.runs_where(lines[lines.recommended == 1])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:2].count("PyTorch") == 1
    assert "no file was tried" in pictures.runs_where(lines[:0]).axes[0].texts[0].get_text()
    made = SimpleNamespace(devices=places.measured("tiny"), main="made-up")
    told = words.told("devices", paragraphs.devices(made)).data
    assert "The file to deploy in ONNX Runtime:" in told and "with its runtime, 50 MB of memory" in told
    assert "Not here: OpenVINO" in told or not runtimes.lacking("openvino")
    assert "Not here: Cortex-M3 (no such tools: install them)" in told and "instructions" not in told
    lines = made.devices
    boards = lines[(lines.technique == "width") & (lines.runtime == "torch")].assign(
        runtime="cortex-m4f", latency_ms_p50=np.nan, bytes=14e3, model_bytes=9e3, ram_bytes=4e3, instructions=123456)
    made = SimpleNamespace(devices=pd.concat([lines, boards]), main="made-up")
    assert ("Cortex-M4F, 14 kB of flash (9 model, the rest code), 4 kB of RAM, 123,456 instructions a forecast"
            in words.told("devices", paragraphs.devices(made)).data)
