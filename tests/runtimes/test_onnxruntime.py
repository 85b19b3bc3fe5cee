"""The exported graph: the same function, nothing else in the file, and refused where it is not."""

import numpy as np
import onnx as format
import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import RunError
from litecast.runtimes import onnxruntime


def network(family, seed=0, L=48, H=10, F=3):  # noqa: N803
    module = models.module(family)
    torch.manual_seed(seed)
    return module.Model(module.Config.of_width(8, L=L, H=H, F=F, patch=24)).eval()


@torch.no_grad()
@pytest.mark.parametrize(("L", "F"), [(48, 3), (53, 0)])
@pytest.mark.parametrize("family", models.names())
def test_every_family_is_the_same_function_at_any_batch_and_number_of_series(family, L, F, tmp_path):  # noqa: N803
    model = network(family, L=L, F=F)
    size = onnxruntime.export(model, tmp_path / "m.onnx")
    assert size == (tmp_path / "m.onnx").stat().st_size and [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    session = onnxruntime.session(tmp_path / "m.onnx")
    draw = torch.Generator().manual_seed(5)
    for batch, channels in ((1, 1), (5, 1), (1, 3), (5, 3)):
        x = 3 + 2 * torch.randn(batch, L, channels, generator=draw)
        z = torch.randn(batch, L + 10, F, generator=draw) if F else None
        expected = model(x, z)
        found = onnxruntime.run(session, x.numpy(), None if z is None else z.numpy())
        assert found.shape == (batch, 10, channels) and found.dtype == np.float32
        assert np.abs(found - expected.numpy()).max() <= onnxruntime.TOLERANCE * expected.abs().max()


@pytest.mark.parametrize("family", models.names())
def test_the_file_holds_no_debugging_data(family, tmp_path):
    model = network(family)
    size = onnxruntime.export(model, tmp_path / "m.onnx")
    stored = format.load(tmp_path / "m.onnx")
    graph = stored.graph
    assert not (stored.producer_name or stored.producer_version or stored.doc_string or stored.metadata_props)
    assert not (graph.doc_string or graph.value_info or graph.metadata_props)
    assert not any(node.doc_string or node.name or node.metadata_props for node in graph.node)
    assert not any(value.doc_string for value in [*graph.input, *graph.output, *graph.initializer])
    assert [value.name for value in graph.input] == (["x", "z"] if model.n_known else ["x"])
    assert str(tmp_path).encode() not in (tmp_path / "m.onnx").read_bytes()
    weights = sum(4 * p.numel() for p in model.parameters())
    assert weights < size < weights + 35_000


def test_one_network_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        onnxruntime.export(network("resnet1d"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_session_has_one_thread(tmp_path):
    onnxruntime.export(network("dlinear"), tmp_path / "m.onnx")
    options = onnxruntime.session(tmp_path / "m.onnx").get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


@pytest.mark.parametrize("damage", [1.001, float("nan")])
def test_a_graph_that_computes_something_else_is_refused(damage, tmp_path, monkeypatch):
    strip = onnxruntime._strip

    def wrong(path):
        strip(path)
        graph = format.load(path)
        for tensor in graph.graph.initializer:
            if tensor.data_type == format.TensorProto.FLOAT:
                values = format.numpy_helper.to_array(tensor) * np.float32(damage)
                tensor.CopyFrom(format.numpy_helper.from_array(values, tensor.name))
        format.save(graph, path)

    (tmp_path / "m.onnx").write_bytes(b"the file of an earlier call")
    monkeypatch.setattr(onnxruntime, "_strip", wrong)
    with pytest.raises(RunError, match="differs from the network by"):
        onnxruntime.export(network("nbeats"), tmp_path / "m.onnx")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("m.onnx", b"the file of an earlier call")]


@pytest.mark.parametrize("family", ["lstm", "patchtst"])
def test_forecasts_of_a_dataset_are_those_of_torch(family, tmp_path):
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    values = pd.DataFrame(np.random.default_rng(0).normal(50, 5, (300, 3)), times, ["a", "b", "c"])
    data = prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), values))
    model = models.build(family, 8, data).eval()
    onnxruntime.export(model, tmp_path / "m.onnx")
    origins = data.origins("test")
    expected = training.predict(model, data, origins)
    found = onnxruntime.predict(onnxruntime.session(tmp_path / "m.onnx"), data, origins)
    assert found.shape == expected.shape == (len(origins), 6, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
