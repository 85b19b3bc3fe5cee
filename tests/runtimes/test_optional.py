"""Runtimes that not everyone has: what is said of those that are missing; those that are here forecast as PyTorch does,
and say what they compute in."""

import json
import shutil
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx as format
import pytest
import torch
from onnxruntime import quantization
from small_nets import card, dataset, network, values

from litecast import modelfile, models, paths, runtimes, training
from litecast.errors import ModelFileError, RunError, StudyError
from litecast.runtimes import Executed, onnxruntime, torch_compile, torch_cuda

HERE = Path(__file__).parent


def needs(name):
    """Of a test: only where the libraries of that runtime are."""
    there = name in runtimes.names() and not runtimes._not_installed(tuple(NEEDS[name]))
    return pytest.mark.skipif(not there, reason=f"{' '.join(NEEDS[name])} is not installed")


NEEDS = {"openvino": ["openvino"], "litert": ["ai-edge-litert"]}


def write(folder, family="nlinear", data=None):
    data = data or dataset()
    path = folder / "m.safetensors"
    path.write_bytes(runtimes.module("torch").export(network(family, data), card(data)))
    return path


def test_what_is_missing_is_said_and_nothing_breaks(tmp_path, monkeypatch):
    (tmp_path / "runtimes").mkdir()
    text = 'FORMAT = "x"\nSUFFIX = ".x"\nTOLERANCE = 1e-4\nOPTIONAL = True\nNEEDS = ("numpy", "no-such-library")\n'
    (tmp_path / "runtimes" / "odd.py").write_text(text)
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    assert runtimes.names() == ["odd"] and runtimes.available() == [] and runtimes.optional("odd")
    assert runtimes.lacking("odd") == "not installed; `python -m pip install no-such-library`"
    with pytest.raises(StudyError, match="runtime 'odd' cannot be used: not installed; .*no-such-library"):
        runtimes.module("odd")


def test_a_compiler_and_a_gpu_are_asked_for(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    why = runtimes.lacking("torch_compile")
    assert "install g++" in why and "'no-such-compiler'" in why
    assert "torch_compile" not in runtimes.available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtimes.lacking("torch_cuda") == "no GPU that PyTorch can use"


def test_a_compiled_network_forecasts_as_it_does_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # what makes C++ takes 20 seconds
    path = write(tmp_path)
    opened, plain = torch_compile.open(path), modelfile.load(path)
    made, expected = torch_compile.call(opened)(), runtimes.module("torch").call(plain)()
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    assert type(opened.model).__name__ == "OptimizedModule" and torch_compile.executed(opened).precision == "float32"


def test_on_another_device_the_network_of_the_file_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_cuda, "DEVICE", "cpu")  # the code of a GPU, without one
    opened = torch_cuda.open(write(tmp_path))
    made = torch_cuda.call(opened)()
    with torch.no_grad():
        for parameter in opened.model.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(torch_cuda.call(modelfile.load(opened.path))(), made)
    monkeypatch.setattr(torch_cuda, "DEVICE", "meta")  # what is sent there has no values, and says so
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        torch_cuda.call(opened)()


# ---- OpenVINO


@pytest.fixture
def openvino():
    return runtimes.module("openvino")


@needs("openvino")
@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("family", ["nlinear", "lstm", "resnet1d", "patchtst", "profile_mlp"])
def test_openvino_reads_the_same_file(family, transform, openvino, tmp_path):
    data = dataset(transform)
    model, path = network(family, data), tmp_path / "m.onnx"
    path.write_bytes(openvino.export(model, card(data)))
    opened = openvino.open(path)
    origins = data.origins("test")
    expected = training.predict(model, data, origins)
    atol = openvino.TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(openvino.predict(opened, data, origins), expected, rtol=0, atol=atol)
    other = onnxruntime.open(path)
    assert opened.card == other.card and opened.reads == other.reads and opened.n_known == other.n_known
    np.testing.assert_allclose(openvino.call(opened)(), onnxruntime.call(other)(), rtol=1e-4)
    np.testing.assert_allclose(openvino.forecast(opened, values()), onnxruntime.forecast(other, values()), rtol=1e-4)
    assert openvino.executed(opened) == Executed("float32", 1, 1)
    assert openvino.executed(opened, "int8") == Executed("float32", 0, 0)


@needs("openvino")
def test_openvino_says_what_ran_in_int8(openvino, tmp_path):
    data = dataset()
    plain, small = tmp_path / "m.onnx", tmp_path / "q.onnx"
    plain.write_bytes(openvino.export(network("lstm", data, 16), card(data)))
    feeds = onnxruntime.feeds(onnxruntime.open(plain), data, data.origins("train")[:50])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self):
            return next(feeds, None)

    quantization.quantize_static(str(plain), str(small), Reader(), quant_format=quantization.QuantFormat.QDQ,
                                 activation_type=quantization.QuantType.QUInt8, per_channel=True,
                                 op_types_to_quantize=["MatMul", "Gemm"])  # fmt: skip
    small.write_bytes(onnxruntime.sealed(format.load(small), card(data)))
    made, there = openvino.executed(openvino.open(small)), onnxruntime.executed(onnxruntime.open(small))
    assert made.precision == there.precision == "int8+float32", "the core of an LSTM has no integer kernel"
    assert made.coverage_macs == pytest.approx(there.coverage_macs)


@needs("openvino")
def test_openvino_refuses_what_is_no_file_of_ours(openvino, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(openvino.export(network("nlinear", dataset()), card(dataset()))[:900])
    with pytest.raises(ModelFileError, match="m.onnx"):
        openvino.open(path)


# ---- LiteRT


@pytest.fixture
def litert():
    return runtimes.module("litert")


def converter(folder, monkeypatch, body):
    """A stand-in for the Python that has litert-torch."""
    path = folder / "converter"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setenv("LITECAST_LITERT", str(path))


@needs("litert")
def test_litert_forecasts_as_the_network_that_its_file_was_made_of(litert):
    data, opened = dataset(), litert.open(HERE / "nlinear.tflite")
    model, origins = network("nlinear", data), data.origins("test")
    expected = training.predict(model, data, origins)
    found = litert.predict(opened, data, origins)
    np.testing.assert_allclose(found, expected, rtol=0, atol=litert.TOLERANCE * np.abs(expected).max())
    assert opened.card.series == card(data).series and opened.reads == {"series"}
    assert litert.executed(opened) == Executed("float32", 1, 1) and litert.call(opened)().shape == (1, 6, 1)
    small = litert.open(HERE / "nlinear-int8.tflite")
    assert litert.executed(small) == Executed("int8", 1, 1)
    gap = np.abs(litert.predict(small, data, origins) - found)
    assert 0 < gap.max() < 0.05 * np.abs(expected).max()


@needs("litert")
def test_a_file_is_what_the_converter_made_and_the_card_behind_it(litert, tmp_path, monkeypatch):
    data, whole = dataset(), HERE / "nlinear.tflite"
    with zipfile.ZipFile(whole) as behind:
        start = behind.infolist()[0].header_offset
    graph = tmp_path / "graph"
    graph.write_bytes(whole.read_bytes()[:start])
    converter(tmp_path, monkeypatch, f'test "$1" = -c && test -s "$3" && test "$5" = float32 && cp {graph} "$4"')
    made = litert.export(network("nlinear", data), card(data))
    assert made[:start] == graph.read_bytes() and made == litert.export(network("nlinear", data), card(data))
    (tmp_path / "m.tflite").write_bytes(made)
    with zipfile.ZipFile(tmp_path / "m.tflite") as behind:
        assert json.loads(behind.read("card.json"))["inputs"] == ["x", "series"]
    with pytest.raises(RunError, match="exported LiteRT graph of nlinear differs"):
        litert.export(network("nlinear", data, seed=2), card(data))


@needs("litert")
def test_without_a_converter_and_where_it_fails_the_reason_is_said(litert, tmp_path, monkeypatch):
    data = dataset()
    monkeypatch.delenv("LITECAST_LITERT", raising=False)
    assert "litert-torch" in runtimes.lacking("litert") and "litert" not in runtimes.available()
    with pytest.raises(RunError, match="litert-torch"):
        litert.export(models.build("nlinear", 1, data), card(data))
    converter(tmp_path, monkeypatch, "echo 'No module named litert_torch' >&2; exit 1")
    assert runtimes.lacking("litert") == ""
    with pytest.raises(RunError, match="could not make a LiteRT file: No module named litert_torch"):
        litert.export(models.build("nlinear", 1, data), card(data))


@needs("litert")
@pytest.mark.parametrize("content", [b"", b"time,value\n" * 20, "half", "no card"])
def test_litert_refuses_what_is_no_file_of_ours(content, litert, tmp_path):
    path = tmp_path / "m.tflite"
    shutil.copy(HERE / "nlinear.tflite", path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as behind:
        start = behind.infolist()[0].header_offset
    path.write_bytes({"half": whole[len(whole) // 2 :], "no card": whole[:start]}.get(content, content))
    with pytest.raises(ModelFileError, match="m.tflite is no LiteRT file with a card"):
        litert.open(path)
