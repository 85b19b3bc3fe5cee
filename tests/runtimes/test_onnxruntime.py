"""The exported graph: raw values in and out, the same function, its card, nothing else; refused where it is not."""

import numpy as np
import onnx as format
import pytest
import torch
from onnxruntime import quantization
from small_nets import NAMES, card, dataset, network, values

from litecast import modelfile, models, training
from litecast.errors import DataError, ModelFileError, RunError
from litecast.models import base
from litecast.runtimes import onnxruntime
from litecast.training import cost

SOME = ["nlinear", "lstm", "patchtst", "resnet1d", "nbeats@own"]  # a few per kind
TOLD = ["nbeats@own", "lstm@shared", "nlinear@own", "profile_mlp@none", "profile_mlp@anonymous", "profile_mlp@weekdays"]


@pytest.fixture
def place(tmp_path):
    """Write the file of a network; returns it open."""

    def write(model, about, name="m.onnx"):
        (tmp_path / name).write_bytes(onnxruntime.export(model, about))
        return onnxruntime.open(tmp_path / name)

    return write


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("family", [*models.names(), *TOLD])
def test_forecasts_of_raw_values_are_those_of_the_network(family, transform, place):
    data = dataset(transform)
    model = network(family, data)
    opened = place(model, card(data))
    origins = data.origins("test")
    expected = training.predict(model, data, origins)
    found = onnxruntime.predict(opened, data, origins)
    assert found.shape == expected.shape == (len(origins), 6, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    assert onnxruntime.predict(opened, data, origins[:0]).shape == (0, 6, 3)


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("family", SOME)
def test_a_user_gets_what_the_model_file_gives(family, transform, place, tmp_path):
    data = dataset(transform)
    model, about = network(family, data), card(data)
    opened = place(model, about)
    modelfile.save(tmp_path / "m.safetensors", model, {}, about)
    file = modelfile.load(tmp_path / "m.safetensors")
    for table in (values()[:380], values()[["c", "a", "b"]][60:300]):  # other columns, gaps, no past
        table = table.mask(np.arange(len(table))[:, None] < [0, 0, len(table) - 30])
        np.testing.assert_allclose(onnxruntime.forecast(opened, table), file.forecast(table), rtol=1e-5)
    with pytest.raises(DataError, match="48 steps x 3 series"):
        onnxruntime.forecast(opened, values().to_numpy()[:47], values().index[:47])
    with pytest.raises(DataError, match="lacks: b"):
        onnxruntime.forecast(opened, values()[["a", "c"]])


@pytest.mark.parametrize("transform", ["none", "log"])
def test_any_batch_and_any_series_alone_or_in_another_order(transform, place):
    data = dataset(transform)
    session = place(network("gru", data), card(data)).session
    draw = np.random.default_rng(3)
    x = data.raw(draw.normal(size=(5, 48, 3))).astype(np.float32)
    z = draw.normal(size=(5, 54, data.F)).astype(np.float32)
    (whole,) = session.run(None, {"x": x, "series": np.arange(3), "z": z})
    assert whole.shape == (5, 6, 3) and whole.dtype == np.float32
    for at in ([0], [2], [2, 0]):
        (some,) = session.run(None, {"x": x[:2][..., at], "series": np.array(at), "z": z[:2]})
        np.testing.assert_allclose(some, whole[:2][..., at], rtol=1e-5)
    nothing = np.full((1, 48, 1), np.nan, np.float32)
    for at, mean in enumerate(data.raw(np.zeros(3))):  # nothing known but which series it is: about its mean
        (some,) = session.run(None, {"x": nothing, "series": np.array([at]), "z": z[:1]})
        np.testing.assert_allclose(some, mean, rtol=0.05)


@pytest.mark.parametrize("transform", ["none", "log"])
def test_what_has_no_past_is_the_mean_of_its_series(transform, place):
    data = dataset(transform)
    session = place(network("nlinear", data), card(data)).session
    x = data.raw(np.random.default_rng(0).normal(size=(1, 48, 3))).astype(np.float32)
    mean = data.raw(np.zeros(3))
    gaps, filled = x.copy(), x.copy()
    gaps[0, :20, 1], filled[0, :20, 1] = np.nan, mean[1]
    runs = [session.run(None, {"x": each, "series": np.arange(3)})[0] for each in (gaps, filled)]
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-5)
    if transform == "log":
        gaps[0, :20, 1] = 0  # has no logarithm
        np.testing.assert_array_equal(session.run(None, {"x": gaps, "series": np.arange(3)})[0], runs[0])


def test_a_dataset_with_some_of_the_series_is_forecast_others_are_refused(place):
    data = dataset()
    opened = place(network("lstm", data), card(data))
    whole = onnxruntime.predict(opened, data, data.origins("val"))
    data.names, data.mean, data.std = ["c", "a"], data.mean[[2, 0]], data.std[[2, 0]]
    data.x, data.y = data.x[:, [2, 0]], data.y[:, [2, 0]]
    np.testing.assert_allclose(onnxruntime.predict(opened, data, data.origins("val")), whole[..., [2, 0]], atol=1e-5)
    data.names[0] = "d"
    with pytest.raises(ModelFileError, match="3 series of made-up with L 48 and H 6, not for this data"):
        onnxruntime.predict(opened, data, data.origins("val"))


def test_the_scaler_is_the_files_own_not_the_datasets(place):
    data = dataset()
    opened = place(network("lstm", data), card(data))
    expected = data.raw(onnxruntime.predict(opened, data, data.origins("val")))
    other = dataset()
    other.mean, other.std = 2 * data.mean, 3 * data.std
    other.x = other.scaled(data.raw(data.x)).astype(np.float32)
    np.testing.assert_allclose(other.raw(onnxruntime.predict(opened, other, data.origins("val"))), expected, rtol=1e-5)


@pytest.mark.parametrize("transform", ["none", "log"])
def test_the_card_comes_back(transform, place):
    data = dataset(transform)
    about = card(data)
    opened = place(network("lstm", data), about)
    found = onnxruntime.card(opened.path)
    assert found == opened.card and (found.series, found.unit, found.transform) == (NAMES, "items", transform)
    np.testing.assert_array_equal(np.float32([found.mean, found.std]), np.float32([about.mean, about.std]))
    found.mean, found.std = about.mean, about.std
    assert found == about
    assert onnxruntime.card(place(network("nlinear", data), about).path).holidays is None  # it reads none


def test_files_that_are_none_of_ours_are_refused(place, tmp_path):
    data = dataset()
    path = place(network("nlinear", data), card(data)).path
    whole = path.read_bytes()
    stranger = format.load(path)
    del stranger.metadata_props[:]
    nameless = format.load(path)
    nameless.metadata_props[0].value = '{"series":["a"]}'
    broken = format.load(path)
    broken.graph.node[3].op_type = "NoSuchThing"
    others = [b"", whole[: len(whole) // 2], b"time,series,value\n" * 20,
              *(graph.SerializeToString() for graph in (stranger, nameless, broken))]  # fmt: skip
    for content in others:
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="m.onnx"):
            onnxruntime.open(path)
    with pytest.raises(ModelFileError, match="nowhere"):
        onnxruntime.open(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("family", SOME)
def test_the_file_holds_no_debugging_data(family, place):
    data = dataset()
    model = network(family, data)
    path = place(model, card(data)).path
    stored = format.load(path)
    graph = stored.graph
    assert not (stored.producer_name or stored.producer_version or stored.doc_string)
    assert [entry.key for entry in stored.metadata_props] == ["card"]
    assert not (graph.doc_string or graph.value_info or graph.metadata_props)
    assert not any(node.doc_string or node.name or node.metadata_props for node in graph.node)
    assert not any(value.doc_string for value in [*graph.input, *graph.output, *graph.initializer])
    asked = [name for name in ("x", "z", "series", "cells") if name in ("x", "series") or name in model.reads]
    assert [value.name for value in graph.input] == asked
    kept = {"series", "cells"}
    assert all(len(name) <= 4 for node in graph.node for name in {*node.input, *node.output} - kept)
    weights = sum(4 * p.numel() for p in model.parameters())
    assert weights < path.stat().st_size < weights + 10_000


def test_one_network_gives_the_same_bytes():
    data = dataset()
    assert len({onnxruntime.export(network("resnet1d", data), card(data)) for _ in range(2)}) == 1


def test_the_session_has_one_thread(place):
    data = dataset()
    options = place(network("dlinear", data), card(data)).session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_weights_that_happen_to_be_equal_are_held_by_each(place):
    """An exporter holds them once and passes them on: no quantiser knows such a weight for one."""
    data = dataset()
    model = models.build("resnet_plain", 8, data)  # zeros in each of its biases and last convolutions
    graph = format.load(place(model, card(data)).path).graph
    held = {tensor.name for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(products) == sum(isinstance(part, (torch.nn.Conv1d, torch.nn.Linear)) for part in model.modules())
    assert all(set(node.input[1:]) <= held for node in products)
    assert len({name for node in products for name in node.input[1:]}) == 2 * len(products)


NAN = float("nan")


@pytest.mark.parametrize(("part", "damage"), [("weights", 1.001), ("weights", NAN), ("mean", NAN), ("std", 0.01)])
def test_a_graph_that_computes_something_else_is_refused(part, damage, monkeypatch):
    seal = onnxruntime.sealed

    def wrong(graph, about):
        for tensor in graph.graph.initializer:
            hit = tensor.name not in onnxruntime.SCALER if part == "weights" else tensor.name == part
            if tensor.data_type == format.TensorProto.FLOAT and hit:
                changed = format.numpy_helper.to_array(tensor) * np.float32(damage)
                tensor.CopyFrom(format.numpy_helper.from_array(changed, tensor.name))
        return seal(graph, about)

    data = dataset()
    monkeypatch.setattr(onnxruntime, "sealed", wrong)
    with pytest.raises(RunError, match="made-up: .* ONNX graph of nbeats differs from the network by (nan|[0-9.]+e)"):
        onnxruntime.export(network("nbeats", data), card(data))


def test_a_large_mean_beside_a_small_spread_is_rounding_not_a_difference(place):
    data = dataset()
    about = card(data)
    about.mean, about.std = [1e6] * 3, [1.0] * 3
    place(network("lstm", data), about)


# ---- what runs

def quantised(opened, data, name):
    """The same file in int8, as a technique makes it: static, weights by output channel."""
    class Reader(quantization.CalibrationDataReader):
        windows = onnxruntime.feeds(opened, data, data.origins("train")[:100])

        def get_next(self):
            return next(self.windows, None)

    path = opened.path.with_name(name)
    quantization.quantize_static(str(opened.path), str(path), Reader(), quant_format=quantization.QuantFormat.QDQ,
                                 activation_type=quantization.QuantType.QUInt8, per_channel=True,
                                 op_types_to_quantize=["Conv", "MatMul", "Gemm"])  # fmt: skip
    path.write_bytes(onnxruntime.sealed(format.load(path), opened.card))
    return onnxruntime.open(path)


def folded(model):
    """Products that are no node of their kind: those with the waves of a table are made once, when the graph is opened,
    and lags are multiplied element by element."""
    parts = [part for part in model.modules() if type(part).__name__ in ("Usual", "Lags")]
    return sum(part.own_macs(torch.zeros(1), None) for part in parts)


@pytest.mark.parametrize("family", models.names())
def test_products_that_ran_are_those_that_the_cost_counts(family, place):
    data = dataset()
    model = network(family, data)
    opened = place(model, card(data))
    assert onnxruntime.products(opened).macs.sum() == cost.profile(model).macs - folded(model)
    made = onnxruntime.executed(opened)
    assert (made.precision, made.coverage_weights, made.coverage_macs) == ("float32", 1, 1)
    assert onnxruntime.executed(opened, "int8") == onnxruntime.Executed("float32", 0, 0)
    assert not list(opened.path.parent.glob("*.json")), "the profile is gone"


def test_products_by_hand(place):
    data = dataset()
    assert onnxruntime.products(place(network("nlinear", data), card(data))).macs.tolist() == [48 * 6]
    lstm = onnxruntime.products(place(network("lstm", data, 16), card(data)))
    known = 16 + data.F * 3  # six steps of the horizon, every second one
    assert lstm.macs.tolist() == [2 * 4 * 16 * (24 + 16), known * 16, 16 * 6]  # two days; four gates; head


@pytest.mark.parametrize("family", ["nlinear", "resnet1d", "tcn"])
def test_a_quantised_net_runs_in_int8_and_still_on_raw_values(family, place):
    data = dataset()
    model = network(family, data)
    opened = place(model, card(data))
    small = quantised(opened, data, "q.onnx")
    products = onnxruntime.products(small)
    assert products.macs.sum() == cost.profile(model).macs and set(products.precision) == {"int8"}
    made = onnxruntime.executed(small)
    matrices = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert (made.precision, made.coverage_macs) == ("int8", 1)
    assert made.coverage_weights == pytest.approx(matrices / sum(p.numel() for p in model.parameters()), abs=0.01)
    assert onnxruntime.executed(small, "float32").coverage_macs == 0
    assert small.card == opened.card
    origins = data.origins("test")
    gap = onnxruntime.predict(small, data, origins) - onnxruntime.predict(opened, data, origins)
    assert 0 < np.abs(gap).mean() < 0.2


def test_the_core_of_an_lstm_stays_float_and_is_said_to(place):
    data = dataset()
    model = network("lstm", data, 16)
    made = onnxruntime.executed(quantised(place(model, card(data)), data, "q.onnx"))
    head = (16 + data.F * 3) * 16 + 16 * 6
    assert made.precision == "int8+float32"
    assert made.coverage_macs == pytest.approx(head / cost.profile(model).macs)
    assert made.coverage_weights == pytest.approx(head / sum(p.numel() for p in model.parameters()), rel=0.05)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kinds", [["LSTM"], ["LSTM", "MatMul"]])
def test_dynamic_quantisation_reaches_the_core_and_counts_as_int8(kinds, per_channel, place):
    """Its activations come as floats and are quantised in the node; steps and zero points are no weights."""
    data = dataset()
    model = network("lstm", data, 16)
    opened = place(model, card(data))
    path = opened.path.with_name("q.onnx")
    quantization.quantize_dynamic(str(opened.path), str(path), op_types_to_quantize=kinds, per_channel=per_channel)
    path.write_bytes(onnxruntime.sealed(format.load(path), opened.card))
    small = onnxruntime.open(path)
    products, whole = onnxruntime.products(small), len(kinds) == 2
    core, head = 2 * 4 * 16 * (24 + 16), (16 + data.F * 3) * 16 + 16 * 6
    assert products.macs[0] == core and products.macs.sum() == core + head
    assert products.precision[0] == "int8" and set(products.precision[1:]) == {"int8" if whole else "float32"}
    made = onnxruntime.executed(small)
    assert made.precision == ("int8" if whole else "int8+float32")
    assert made.coverage_macs == pytest.approx((core + head * whole) / (core + head))
    weights = 4 * 16 * (24 + 16) + head * whole
    assert made.coverage_weights == weights / sum(p.numel() for p in model.parameters())
    assert small.alone and not opened.alone


def test_a_graph_that_finds_ranges_is_run_window_by_window(place):
    data = dataset()
    opened = place(network("lstm@shared", data, 16), card(data))
    path = opened.path.with_name("q.onnx")
    quantization.quantize_dynamic(str(opened.path), str(path), op_types_to_quantize=["LSTM", "MatMul"])
    path.write_bytes(onnxruntime.sealed(format.load(path), opened.card))
    small = onnxruntime.open(path)
    feed = next(onnxruntime.feeds(small, data, data.origins("test")[:4]))
    found = small.run(feed)
    assert found.shape == (4, 6, 3) and found.dtype == np.float32
    for b, s in ((0, 0), (3, 1), (2, 2)):
        one = {"x": feed["x"][b : b + 1, :, s : s + 1], "series": feed["series"][s : s + 1]}
        one |= {name: feed[name][b : b + 1] for name in ("z", "cells")}
        np.testing.assert_array_equal(small.session.run(None, one)[0][0, :, 0], found[b, :, s])


def test_weights_alone_in_int8_are_not_int8(place):
    data = dataset()
    opened = place(network("nlinear", data), card(data))
    graph = format.load(opened.path)
    index = next(i for i, tensor in enumerate(graph.graph.initializer) if list(tensor.dims) == [6, 48])
    weight = graph.graph.initializer[index]
    scale = np.float32(np.abs(format.numpy_helper.to_array(weight)).max() / 127)
    codes = np.round(format.numpy_helper.to_array(weight) / scale).astype(np.int8)
    graph.graph.initializer.extend([format.numpy_helper.from_array(codes, "codes"),
                                    format.numpy_helper.from_array(scale, "scale")])  # fmt: skip
    graph.graph.node.insert(0, format.helper.make_node("DequantizeLinear", ["codes", "scale"], [weight.name]))
    del graph.graph.initializer[index]
    opened.path.write_bytes(onnxruntime.sealed(graph, opened.card))
    made = onnxruntime.executed(onnxruntime.open(opened.path), "int8")
    assert (made.precision, made.coverage_macs) == ("float32", 0)
    assert made.coverage_weights == pytest.approx(288 / 294)


def test_call_forecasts_one_window_of_one_series(place):
    data = dataset()
    for family in ("lstm", "nlinear"):
        opened = place(network(family, data), card(data))
        made = onnxruntime.call(opened)()
        assert made.shape == (1, 6, 1)
        assert abs(made - data.mean[0]).max() < 20 * data.std[0]
        np.testing.assert_array_equal(onnxruntime.call(opened)(), made)


@pytest.mark.parametrize("name", ["gru", "nlinear", "nlinear@own", "gru@shared"])
def test_it_stands_in_for_a_network(name, place):
    data = dataset()
    model = network(name, data)
    opened = place(model, card(data))
    window = base.example(model.config, 2, 3)
    with torch.no_grad():
        torch.testing.assert_close(opened(*window).float(), model(*window), rtol=0, atol=1e-5)
    assert opened.n_known == model.n_known and opened.reads == model.reads | {"series"}


@pytest.mark.parametrize("name", ["nbeats@own", "lstm@shared", "profile_mlp", "profile_linear"])
def test_a_graph_with_a_usual_week_takes_any_batch_and_any_series(name, place):
    """Some of the series, in any order and one of them twice; and cells of every kind of day."""
    data = dataset()
    model = network(name, data)
    opened, every = place(model, card(data)), np.arange(model.config.cells)
    mean, std = data.mean.astype(np.float32), data.std.astype(np.float32)
    draw = np.random.default_rng(0)
    for batch, series in ((1, [2]), (1, [0, 1, 2]), (5, [1, 0]), (17, [2, 2, 0, 1])):
        x = (draw.normal(size=(batch, 48, len(series))) * std[series] + mean[series]).astype(np.float32)
        z = draw.normal(size=(batch, 54, data.F)).astype(np.float32) if model.n_known else None
        cells, at = draw.choice(every, (batch, 54)), np.array(series)
        found = opened.session.run(None, opened.feed(x, z, at, cells))[0]
        window = ((x - mean[at]) / std[at], z, at, cells)
        with torch.no_grad():
            out = model(*(None if part is None else torch.from_numpy(part) for part in window)).numpy()
        assert found.shape == (batch, 6, len(series))
        np.testing.assert_allclose((found - mean[at]) / std[at], out, rtol=0, atol=2e-5 * np.abs(out).max() + 1e-5)


def test_a_graph_without_a_usual_week_asks_for_no_cells(place):
    opened = place(network("lstm", dataset()), card(dataset()))
    feed = opened.feed(np.zeros((1, 48, 1), np.float32), np.zeros((1, 54, 6), np.float32), np.zeros(1, int),
                       np.zeros((1, 54), int))  # fmt: skip
    assert set(feed) == {"x", "z", "series"}
