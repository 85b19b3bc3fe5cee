"""What a runtime takes on disk and in memory: by hand on made-up libraries, and measured in a process of its own."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from small_nets import card, dataset, network

from litecast import runtimes
from litecast.errors import RunError
from litecast.runtimes import footprint, onnxruntime


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Put a library of so many bytes into the place of libraries; returns its bytes with those of its metadata."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(name, size, *requires):
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (tmp_path / f"{name}.py").write_bytes(b"#" * size)
        metadata = "".join(f"Requires-Dist: {text}\n" for text in requires)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}")
        (about / "RECORD").write_text(f"{name}.py,,\n{about.name}/METADATA,,\n{about.name}/RECORD,,\ngone.py,,\n")
        return size + sum(path.stat().st_size for path in about.iterdir())

    return put


def test_a_runtime_is_its_libraries_and_all_that_they_ask_for(library):
    own = library("made_up_runtime", 1000, "made-up.helper>=1", 'made_up_tests; extra == "dev"', "nowhere-to-be-found")
    helper = library("made_up_helper", 200, "made-up-runtime; python_version > '3'")  # in a circle
    library("made_up_tests", 50_000)
    assert footprint.installed(("made-up-runtime",)) == own + helper
    assert footprint.installed(("made-up-runtime", "made-up-helper")) == own + helper, "counted once"


def test_torch_is_far_larger_than_what_runs_an_onnx_file():
    sizes = {name: footprint.installed(runtimes.module(name).NEEDS) for name in ("torch", "onnxruntime")}
    assert 20e6 < sizes["onnxruntime"] < sizes["torch"] / 2


def test_a_file_alone_in_a_process(tmp_path):
    data, path = dataset(), tmp_path / "m.onnx"
    path.write_bytes(onnxruntime.export(network("profile_mlp", data), card(data)))
    took = footprint.alone(onnxruntime, onnxruntime.open(path))
    assert set(took) == {"import_s", "open_s", "resident_bytes", "peak_bytes"} and min(took.values()) > 0
    if sys.platform == "linux":
        assert 10e6 < took["resident_bytes"] <= took["peak_bytes"] < 500e6, "neither pandas nor torch is there"


def test_the_program_gets_the_file_and_the_window(tmp_path):
    data, path = dataset(), tmp_path / "m.onnx"
    path.write_bytes(onnxruntime.export(network("lstm", data), card(data)))
    opened = onnxruntime.open(path)
    checks = "import sys\nassert 'torch' not in sys.modules\nassert path.endswith('m.onnx')\n" \
             "assert {k: v.shape for k, v in feed.items()} == " \
             f"{ {name: part.shape for name, part in footprint.window(opened).items()} }\n"
    assert footprint.window(opened)["x"].shape == (1, 48, 1)
    footprint.alone(SimpleNamespace(NAME="a runtime", ALONE=checks), opened)
    with pytest.raises(RunError, match="m.onnx: its program for a runtime failed: [^!]*AssertionError"):
        footprint.alone(SimpleNamespace(NAME="a runtime", ALONE=checks + "assert not path\n"), opened)
    held = "import numpy\nkept = numpy.ones(10_000_000)\nmost = numpy.ones(10_000_000)\ndel most\n"
    took = footprint.alone(SimpleNamespace(NAME="a runtime", ALONE=held), opened)
    if sys.platform == "linux":
        assert took["peak_bytes"] - took["resident_bytes"] == pytest.approx(80e6, rel=0.05)
        assert np.isclose(took["resident_bytes"], 80e6, atol=60e6)
