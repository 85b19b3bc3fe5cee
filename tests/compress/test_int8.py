"""int8 by ONNX Runtime: ranges as they are defined, what is trained is what runs, what is claimed is what runs, and
calibration sees the train part only."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.compress import Task, clone, int8
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import RunError
from litecast.modelfile import Card
from litecast.runtimes import onnxruntime
from litecast.training import cost, errors

REAL = {"nbeats": "int8", "resnet1d": "int8", "dlinear": "int8", "patchtst": "int8", "lstm": "int8+float32",
        "nbeats@own": "int8"}  # fmt: skip
AGAIN = 8  # steps of a retraining


@pytest.fixture(scope="module")
def data():
    hours = np.arange(500)[:, None]
    values = 50 + 10 * np.sin(2 * np.pi * hours / 24 + np.arange(2)) + np.random.default_rng(0).normal(0, 1, (500, 2))
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


@pytest.fixture(scope="module")
def network(data):
    """The network of a family, trained once."""
    made = {}

    def of(family):
        if family not in made:
            made[family] = models.build(family, 8 if family != "dlinear" else 1, data, 0)
            training.fit(made[family], data, training.Budget(60, 32, 5e-3), 0)
        return made[family]

    return of


def compress(model, data, variant, seed=0):
    return int8.compress(Task(model, data, training.Budget(1, 32, 5e-3, retrain_steps=AGAIN), seed, 8, variant))


def written(made, path):
    path.write_bytes(made.files["int8"].content)
    return onnxruntime.open(path)


# ---- the file


@pytest.mark.parametrize(("family", "variant"), [*((family, "minmax") for family in REAL), ("resnet1d", "percentile"),
                                                 ("resnet1d", "entropy")])  # fmt: skip
def test_the_file_is_close_and_says_what_it_computes_in(network, data, family, variant, tmp_path):
    model = network(family)
    made = compress(model, data, variant)
    opened, origins = written(made, tmp_path / "m.onnx"), data.origins("val")
    plain = training.predict(model, data, origins)
    wape, dense = (errors.errors(data, "val", y)["val_wape"]
                   for y in (onnxruntime.predict(opened, data, origins), plain))
    assert wape < (1.15 if variant == "entropy" else 1.03) * dense
    ran, precision = onnxruntime.executed(opened, "int8"), REAL[family]
    assert ran.precision == precision and ran.coverage_macs > (0.99 if precision == "int8" else 0)
    assert made.files["int8"].claims == "int8" and made.files["int8"].runtime == "onnxruntime"
    assert made.model is model and made.masks == {}
    assert (made.story.clipped <= (0, int8.MOST)[variant == "entropy"] + (variant == "percentile") * 2e-4).all()


@pytest.mark.parametrize("variant", ["minmax", "dynamic", "qat"])
@pytest.mark.parametrize("family", ["resnet1d", "lstm"])
def test_integer_kernels_compute_what_the_graph_says(network, data, family, variant, tmp_path):
    """No sum of products overflows: x86 without VNNI adds two of them in 16 bits."""
    opened = written(compress(network(family), data, variant), tmp_path / "m.onnx")
    for tensor in onnx.load(str(opened.path)).graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8:
            codes = onnx.numpy_helper.to_array(tensor).astype(int)
            assert np.abs(codes).max() <= int8.TOP and 255 * int8.TOP * 2 < 2**15
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # floats between Q and DQ
    said = replace(opened, session=ort.InferenceSession(str(opened.path), options))
    origins = data.origins("val")
    done, meant = (onnxruntime.predict(each, data, origins) for each in (opened, said))
    assert np.abs(done - meant).mean() < 1e-4 * np.abs(meant).mean()


def test_what_calibrating_costs_is_counted_and_nothing_is_trained(network, data):
    model = network("nbeats")
    windows, macs = min(int8.CALIBRATION, len(data.origins("train"))), cost.profile(model).macs
    for variant, passes in (("minmax", 2), ("dynamic", 0)):
        spent = compress(model, data, variant).spent
        assert (spent.macs, spent.steps, spent.seconds) == (passes * windows * 2 * macs, 0, 0)
    spent = compress(model, data, "qat").spent
    trained = AGAIN * 32 * training.BACKWARD * macs
    assert (spent.macs, spent.steps) == (4 * windows * 2 * macs + trained, AGAIN) and spent.seconds > 0


@pytest.mark.parametrize("variant", ["minmax", "qat"])
def test_calibration_sees_train_only_and_one_seed_gives_one_file(network, data, variant):
    model = network("nbeats")
    later = ~data.parts["train"]
    changed = replace(data, x=np.where(later[:, None], 100 * data.x, data.x).astype(np.float32))
    content = [compress(model, each, variant).files["int8"].content for each in (data, data, changed)]
    assert content[0] == content[1]
    if variant == "minmax":  # training looks at validation, to keep the best weights
        assert content[0] == content[2]


# ---- calibration


@pytest.mark.parametrize("seed", [0, 1])
def test_every_weekday_and_month_is_there_in_proportion(seed):
    hours = pd.date_range("2023-01-01", periods=24 * 400, freq="h")
    values = pd.DataFrame(np.random.default_rng(0).normal(50, 5, (len(hours), 1)), hours, ["a"])
    year = prepare(from_wide(Header("year", "items", "h", 24, 24, 6), values))
    drawn, every = int8.origins(year, seed), year.origins("train")
    assert len(set(drawn)) == int8.CALIBRATION and set(drawn) <= set(every)
    share = int8.CALIBRATION / len(every)
    for key in ("day_of_week", "month"):
        found, had = (getattr(year.times[t], key).value_counts() for t in (drawn, every))
        assert set(found.index) == set(had.index)
        tolerance = 8 if key == "day_of_week" else 1  # each weekday is cut by up to 13 ends of months
        assert (found - share * had).abs().max() <= tolerance
    both = [pd.MultiIndex.from_arrays([year.times[t].month, year.times[t].day_of_week]).value_counts()
            for t in (drawn, every)]  # fmt: skip
    assert (both[0].reindex(both[1].index, fill_value=0) - share * both[1]).abs().max() <= 1
    other = int8.origins(year, 2)
    assert not np.array_equal(drawn, other)


def test_data_without_dates_is_drawn_evenly_over_time():
    values = pd.DataFrame({"a": np.random.default_rng(0).normal(50, 5, 3000)}, range(3000))
    steps = prepare(from_wide(Header("steps", "items", "step", 1, 24, 6), values))
    drawn = int8.origins(steps, 0)
    every = steps.origins("train")
    assert len(drawn) == int8.CALIBRATION
    assert np.diff(np.searchsorted(every, drawn)).max() <= -(-len(every) // int8.CALIBRATION)


def histogram(values):
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    return int8.Seen(low, high, np.histogram(values, int8.BINS, (low, high))[0])


LAPLACE = np.append(np.random.default_rng(0).laplace(0, 1, 50_000), 60.0)


def test_ranges_of_known_values():
    seen = histogram(LAPLACE)
    assert int8.minmax(seen) == (LAPLACE.min(), 60.0)
    step = (seen.high - seen.low) / int8.BINS
    kept = np.percentile(LAPLACE, 0.005, method="lower"), np.percentile(LAPLACE, 99.995, method="higher")
    np.testing.assert_allclose(int8.percentile(seen), kept, atol=step)
    low, high = int8.entropy(seen)
    assert -15 < low < 0 and 5 < high < 30, "one far value does not set the grid"
    even = histogram(np.linspace(-1, 3, 40_960))
    np.testing.assert_allclose(int8.entropy(even), (-1, 3), atol=0.05)
    for values in (np.full(100, 0.7), np.array([-2.0, -1.0]), np.linspace(0.9, 1, 5000)):
        seen = histogram(values)
        for found in (int8.minmax(seen), int8.percentile(seen), int8.entropy(seen)):
            assert found[0] <= 0 <= found[1] and seen.outside(*found) <= int8.MOST


def reference(counts, first, last):
    """Migacz 2017, slide 36, bin by bin: outliers into the ends of P; Q spreads each level over its non-empty bins."""
    p = [float(count) for count in counts[first:last]]
    inside = list(p)
    p[0] += sum(counts[:first])
    p[-1] += sum(counts[last:])
    levels = [[] for _ in range(int8.CODES)]
    for k in range(last - first):
        levels[k * int8.CODES // (last - first)].append(k)
    q = [0.0] * len(p)
    for level in levels:
        filled = [k for k in level if inside[k] > 0]
        for k in filled:
            q[k] = sum(inside[j] for j in level) / len(filled)
    return sum(a / sum(p) * np.log((a / sum(p)) / max(b / sum(q), 1e-9)) for a, b in zip(p, q, strict=True) if a > 0)


@pytest.mark.parametrize(("first", "last"), [(0, 4096), (300, 3000), (500, 901)])
def test_divergence_is_that_of_the_paper(first, last):
    counts = np.random.default_rng(0).poisson(np.exp(-np.abs(np.arange(4096) - 700) / 150) * 40)
    assert int8.divergence(counts, first, last) == pytest.approx(reference(counts, first, last), rel=1e-9)


def test_the_share_outside_is_counted():
    values = np.random.default_rng(1).normal(size=20_000)
    seen = histogram(values)
    for low, high in ((-1.0, 2.0), (-9.0, 9.0), (0.0, 0.5)):
        assert seen.outside(low, high) == pytest.approx(((values < low) | (values > high)).mean(), abs=2e-3)


def test_the_story_has_the_ranges_of_the_graph(network, data, tmp_path):
    model = network("resnet1d")
    made = compress(model, data, "percentile")
    graph = onnx.load(str(written(made, tmp_path / "m.onnx").path)).graph
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    steps = [float(held[node.input[1]]) for node in graph.node if node.op_type == "QuantizeLinear"]
    np.testing.assert_allclose(made.story.step, steps, rtol=1e-6)
    np.testing.assert_allclose((made.story.high - made.story.low) / 255, made.story.step, rtol=1e-6)
    assert (made.story.low <= 0).all() and (made.story.high >= 0).all()
    named = {name for name, layer in model.named_modules() if isinstance(layer, (torch.nn.Conv1d, torch.nn.Linear))}
    assert {where.split()[-1] for where in made.story["where"]} <= named
    assert made.story["where"].is_unique and (made.story.clipped > 0).any()


# ---- dynamic


@pytest.mark.parametrize(("family", "core"), [("lstm", "DynamicQuantizeLSTM"), ("gru", "GRU"), ("resnet1d", "Conv")])
def test_dynamic_reaches_the_core_of_an_lstm_and_of_nothing_else(network, data, family, core, tmp_path):
    model = network(family)
    opened = written(compress(model, data, "dynamic"), tmp_path / "m.onnx")
    ran = onnxruntime.products(opened)
    assert ran.macs.sum() == cost.profile(model).macs
    first = ran[ran.node.str.contains(core)]
    assert len(first) and set(first.precision) == {"int8" if family == "lstm" else "float32"}
    assert set(ran[~ran.index.isin(first.index)].precision) == {"int8"}
    made = onnxruntime.executed(opened, "int8")
    assert made.precision == ("int8" if family == "lstm" else "int8+float32")
    weights = {name: p.numel() for name, p in model.named_parameters()}
    inside = [n for name, n in weights.items() if name.endswith("weight") and name.startswith("head")]
    if family == "lstm":
        inside += [n for name, n in weights.items() if "lstm.weight" in name]
        assert made.coverage_macs == 1
    assert made.coverage_weights == pytest.approx(sum(inside) / sum(weights.values()), abs=2e-3)
    origins = data.origins("val")
    gap = onnxruntime.predict(opened, data, origins) - training.predict(model, data, origins)
    assert 0 < np.abs(gap).mean() < 0.03


def test_a_dynamic_forecast_does_not_depend_on_its_neighbours(network, data, tmp_path):
    """A range that is found in a batch is that of its widest window: windows are run alone."""
    opened, origins = written(compress(network("lstm"), data, "dynamic"), tmp_path / "m.onnx"), data.origins("val")[:5]
    assert opened.alone
    wild = replace(data, x=data.x.copy(), y=data.y.copy())
    wild.x[:, 1], wild.y[:, 1] = 7 * data.x[:, 1], data.unscale(7 * data.x)[:, 1]
    found = [onnxruntime.predict(opened, each, origins)[..., 0] for each in (data, wild)]
    np.testing.assert_array_equal(*found)
    single = np.concatenate([onnxruntime.predict(opened, data, origins[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(single[..., 0], found[0])


@pytest.mark.parametrize("family", ["fits", "tsmixer", "profile_mlp", "lstm@shared"])
def test_layers_of_every_shape_survive_dynamic(network, data, family, tmp_path):
    """FITS calls a layer twice; the library turns its weight at each."""
    model = network(family)
    opened, origins = written(compress(model, data, "dynamic"), tmp_path / "m.onnx"), data.origins("val")
    gap = onnxruntime.predict(opened, data, origins) - training.predict(model, data, origins)
    assert 0 < np.abs(gap).mean() < 0.03


# ---- training with the rounding in place


@pytest.mark.parametrize("family", ["resnet1d", "mobilenet_v1", "resnet_plain", "dlinear", "fits", "patchtst", "lstm",
                                    "nbeats@own"])  # fmt: skip
def test_what_was_trained_is_what_runs(network, data, family, tmp_path):
    """Eager with the rounding in place, and ONNX Runtime's integers: 1e-4 of the mean forecast on average; single
    values may be a code of the last layers apart, where a sum falls on the border of two codes."""
    model = network(family)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    made, origins = compress(model, data, "qat"), data.origins("val")
    opened = written(made, tmp_path / "m.onnx")
    (tmp_path / "p.onnx").write_bytes(onnxruntime.export(made.model, Card.of(data)))
    plain, story = onnx.load(str(tmp_path / "p.onnx")), made.story.set_index("where")
    places, limits = int8.places(made.model, plain), {}
    for place in places:
        for name, where in ((place.enters, f"into {place.layer}"), (place.leaves, f"out of {place.layer}")):
            if where in story.index:
                limits[name] = tuple(story.loc[where, ["low", "high"]])
    with int8.Rounding(places, limits).on(made.model) as rounded:
        eager = training.predict(rounded, data, origins)
    ran, size = onnxruntime.predict(opened, data, origins), np.abs(eager).mean()
    assert np.abs(ran - eager).mean() < 1e-4 * size and np.abs(ran - eager).max() < 0.02 * size
    rounding = np.abs(eager - training.predict(made.model, data, origins)).mean()
    assert rounding > 20 * np.abs(ran - eager).mean(), "the rounding of activations is there, and is the same"
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    for name, weight in made.model.named_parameters():
        if name in int8.weights(made.model).quantisers:
            codes = weight / (weight.abs().flatten(1).amax(1) / int8.TOP).reshape(-1, *[1] * (weight.ndim - 1))
            np.testing.assert_allclose(codes.detach(), codes.detach().round(), atol=1e-4)
    assert {"step", "train_loss", "val_loss"} == set(made.story.attrs["log"])


def test_a_range_is_trained_and_its_zero_stays():
    unit = int8.Range(-1.0, 3.0)
    values = torch.linspace(-2, 5, 400)
    out = unit(values)
    step = 4 / 255
    expected = ((values / step).round().clamp(-64, 191)) * step
    torch.testing.assert_close(out, expected)
    assert unit.limits() == pytest.approx((-64 * step, 191 * step))
    (out - values).square().sum().backward()
    assert unit.stretch.grad < 0, "most of what is lost is cut off: a wider range loses less"
    with torch.no_grad():
        unit.stretch += np.log(2)
    assert unit.limits() == pytest.approx((-128 * step, 382 * step)) and unit.zero == 64
    assert unit(torch.zeros(())).item() == 0


def test_training_with_the_rounding_loses_less_than_rounding_afterwards(network, data):
    """From the same start for as long, with and without it; codes 1 apart, so that the difference is plain."""
    names = [name for name, layer in network("nbeats").named_modules() if isinstance(layer, torch.nn.Linear)]
    places = [int8.Place(name, name, None) for name in names]

    def error(aware):
        trained, rule = clone(network("nbeats")), int8.Rounding(places, dict.fromkeys(names, (-128.0, 127.0)))
        rules = [int8.weights(trained), rule] if aware else []
        training.fit(trained, data, training.Budget(60, 32, 5e-3), 0, *rules)
        with rule.on(trained) as rounded:
            return errors.errors(data, "val", training.predict(rounded, data, data.origins("val")))["val_wape"]

    aware, afterwards = error(True), error(False)
    assert aware < 0.9 * afterwards


def test_a_graph_of_another_network_is_refused(network, data):
    from io import BytesIO

    graph = onnx.load(BytesIO(onnxruntime.export(network("nbeats"), Card.of(data))))
    other = models.build("nbeats", 8, data, 1)
    with pytest.raises(RunError, match="the graph of this nbeats has other products"):
        int8.places(other, graph)
    with pytest.raises(RunError, match="other products"):
        int8.places(network("resnet1d"), graph)


@pytest.mark.parametrize("family", models.names())
def test_every_layer_of_every_family_has_its_place(family, data):
    """Also where fresh weights are equal and an exporter would hold them once."""
    model = models.build(family, models.module(family).WIDTHS[0], data, 0)
    graph = onnx.load_from_string(onnxruntime.export(model, Card.of(data)))
    layers = {name for name, layer in model.named_modules() if isinstance(layer, (torch.nn.Conv1d, torch.nn.Linear))}
    assert {place.layer for place in int8.places(model, graph)} == layers
