"""A program computes what its network does, from codes where the file holds codes."""

import numpy as np
import pytest
import small_files
from small_windows import CLOSE, NETWORKS, by_reference, gap, history, opened, stored

from litecast import modelfile
from litecast.bundle import derive
from litecast.models import wrappers


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("storage", ["float32", "int4"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_forecasts_as_its_file(path, name, storage):
    loaded, program = stored(path, name, storage)
    values, times = history(loaded.card)
    assert gap(by_reference(loaded, program, values, times), loaded.forecast(values, times)) < CLOSE
    kinds = {name: tensor.kind for name, tensor in program.tensors.items() if len(tensor.shape) > 1}
    assert set(kinds.values()) <= ({"float"} if storage == "float32" else {"int", "table"})


@pytest.mark.parametrize("told", [{"anchor": "last"}, {"H": 30}, {"L": 60, "H": 25}, {"waves": 5}, {"looks": 3}])
@pytest.mark.parametrize("name", ["profile_mlp", "resnet1d@own"])
def test_shapes_that_no_day_divides(path, name, told):
    loaded, program = stored(path, name, **told)
    values, times = history(loaded.card)
    assert gap(by_reference(loaded, program, values, times), loaded.forecast(values, times)) < CLOSE


KINDS = ("product", "product cosines", "float16", "intn rows", "intn runs", "intn zero points", "codebook shared",
         "codebook rows", "ternary", "sparse intn", "sparse codebook", "entropy wide", "huffman")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_codec_holds_is_held_exactly(path, kind):
    model = small_files.network("nbeats@own", width=8)
    small_files.save_held(path, model, small_files.card_of(model), kind)
    loaded, program = opened(path)
    values, times = history(loaded.card)
    assert gap(by_reference(loaded, program, values, times), loaded.forecast(values, times)) < CLOSE
    state = loaded.model.state_dict()
    for name in {"blocks.0.first.bias", "blocks.1.second.weight"} - {n.removesuffix(".right") for n in program.tensors
                                                                     if n.endswith(".right")}:  # fmt: skip
        np.testing.assert_array_equal(program.tensors[name].values(), state[name].numpy())
    if kind in ("intn rows", "intn runs", "intn zero points", "huffman", "product cosines"):
        assert program.tensors["usual.table"].kind == "int"


def test_codes_take_the_bits_that_they_need(path):
    _, program = stored(path, "nbeats", "int4")
    tensor = program.tensors["blocks.0.first.weight"]
    assert (tensor.kind, tensor.bits, tensor.codes.dtype) == ("int", 4, np.int8)
    assert tensor.bytes == tensor.size // 2 + 4 * len(tensor.scale)


@pytest.mark.parametrize("name, layer", [("profile_mlp", "first"), ("lstm", "lstm"), ("resnet1d", "blocks.1.first")])
def test_rounded_activations_are_rounded(path, name, layer):
    plain, _ = stored(path, name)
    values, times = history(plain.card)
    before, model = plain.forecast(values, times), plain.model
    wrappers.attach(model, {layer: {"bits": 4, "scale": 0.5, "zero": 8}})
    small_files.save(path, model, "float32", small_files.card_of(model))
    loaded, program = opened(path)
    expected = loaded.forecast(values, times)
    assert gap(by_reference(loaded, program, values, times), expected) < CLOSE
    assert gap(before, expected) > 10 * CLOSE


def test_what_no_op_can_do_is_refused_with_the_reason(path):
    with pytest.raises(derive.Unfit, match="patchtst has no program: .* profile_mlp, profile_linear"):
        stored(path, "patchtst")
    model = small_files.network("nbeats")
    for layers, word in ((["blocks.0.first"], "sign"), (["blocks.1"], "blocks.1 is quantised")):
        wrappers.attach(model, {layer: {"bits": 1} if word == "sign" else {"bits": 4, "scale": 1.0, "zero": 8}
                                for layer in layers})  # fmt: skip
        small_files.save(path, model, "float32", small_files.card_of(model))
        with pytest.raises(derive.Unfit, match=word):
            derive.program(modelfile.load(path), modelfile.held(path))
        wrappers.detach(model.get_submodule(layers[0]))
