"""Codes, steps and errors of weights in 2 to 8 bits, after the papers' formulas, and that the file holds just that."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import modelfile, models
from litecast.compress import Task, calibration, low_bit, matrices, quantisers
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import StudyError
from litecast.experiment.look import Look
from litecast.models import wrappers
from litecast.training import Budget, cost

BUDGET = Budget(steps=30, batch=16, lr=1e-2, retrain_steps=6)
GRAINS = ("tensor", "channel", "group")


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (300, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 24, 6), pd.DataFrame(values, times, ["a", "b"])))


def compress(model, level, variant, data):
    return low_bit.compress(Task(model, data, BUDGET, 0, level, variant, look=Look(data)))


def stored(made, data, tmp_path):
    file = made.files["packed"]
    modelfile.save(tmp_path / "m", made.model, file.codecs, modelfile.Card.of(data), file.held)
    return modelfile.load(tmp_path / "m")


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- rounding

def test_groups_by_hand():
    held = quantisers.rounded(torch.tensor([[3.0, -1.0, 0.2], [0.5, 0.17, -0.5]]), 3, 3)
    assert held.codes.tolist() == [[3, -1, 0], [3, 1, -3]]
    np.testing.assert_allclose(held.scale, [1.0, 0.5 / 3], rtol=0.2)


@settings(deadline=None, max_examples=30)
@given(bits=st.integers(2, 8), rows=st.integers(1, 6), wide=st.integers(1, 70), grain=st.sampled_from(GRAINS),
       seed=st.integers(0, 9))  # fmt: skip
def test_rounding_is_to_the_nearest_and_no_worse_than_to_the_largest_magnitude(bits, rows, wide, grain, seed):
    weight = draw(rows, wide, seed=seed)
    run, top = low_bit.run(weight, grain), 2 ** (bits - 1) - 1
    held = quantisers.rounded(weight, bits, run)
    assert len(held.scale) == -(-weight.numel() // run) and np.abs(held.codes).max() <= top
    assert np.array_equal(held.scale, held.scale.astype(np.float16))
    steps = np.repeat(held.scale, held.counts).reshape(weight.shape)
    inside = np.abs(weight.numpy()) <= top * steps
    assert (np.abs(held.values() - weight.numpy())[inside] <= steps[inside] / 2 * 1.001).all()
    flat = np.pad(weight.numpy().ravel(), (0, -weight.numel() % run)).reshape(-1, run)
    plain = np.abs(flat).max(1, keepdims=True) / top
    usual = np.square(np.rint(flat / plain) * plain - flat).sum()
    short = np.square(2.0**-11 * weight.numpy()).sum()  # what float16 may move
    assert np.square(held.values() - weight.numpy()).sum() <= 1.02 * usual + 4 * short


def test_zeros_stay_zeros_and_tiny_steps_stay_exact():
    assert not quantisers.rounded(torch.zeros(3, 4), 4, 4).values().any()
    tiny = draw(2, 8) * 1e-7
    held = quantisers.rounded(tiny, 8, 8)
    assert np.abs(held.values() - tiny.numpy()).max() <= held.scale.max()


# ---- error feedback

def obq(weight, hessian, steps, top):
    """Column by column by the inverse Hessian itself: Frantar & Alistarh, "Optimal brain compression", 2022."""
    order = np.argsort(-np.diag(hessian), kind="stable")
    w, h = weight.astype(np.float64).copy(), hessian + low_bit.DAMPING * np.diag(hessian).mean() * np.eye(len(hessian))
    inverse, codes = np.linalg.inv(h), np.zeros(w.shape)
    for at in order:
        codes[:, at] = np.clip(np.rint(w[:, at] / steps), -top, top)
        error = (w[:, at] - codes[:, at] * steps) / inverse[at, at]
        w -= error[:, None] * inverse[at]
        inverse = inverse - np.outer(inverse[:, at], inverse[at]) / inverse[at, at]
    return codes


@pytest.mark.parametrize("bits, wide", [(2, 5), (3, 24), (4, 40)])
def test_feedback_is_that_of_the_inverse_hessian_column_by_column(bits, wide):
    x = draw(200, wide, seed=2).double() @ draw(wide, wide, seed=3).double()
    weight, top = draw(6, wide), 2 ** (bits - 1) - 1
    steps = torch.from_numpy(quantisers.rounded(weight, bits, wide).scale)
    found = low_bit.feedback(weight, x.T @ x, steps, top)
    wanted = obq(weight.numpy(), (x.T @ x).numpy(), steps.numpy().astype(np.float64), top)
    assert np.array_equal(found.numpy(), wanted)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_feedback_changes_the_layers_output_less_than_rounding(bits):
    x = draw(500, 30, seed=4).double() @ draw(30, 30, seed=5).double()
    weight, top = draw(8, 30), 2 ** (bits - 1) - 1
    plain = quantisers.rounded(weight, bits, 30)
    steps = torch.from_numpy(plain.scale)
    fed = low_bit.feedback(weight, x.T @ x, steps, top) * steps[:, None]
    off = [(x @ (made - weight).double().T).square().sum() for made in (fed, torch.from_numpy(plain.values()))]
    assert off[0] < 0.8 * off[1]


def test_inputs_that_never_vary_do_no_harm():
    x = draw(50, 6).double()
    x[:, 2] = 0
    codes = low_bit.feedback(draw(3, 6), x.T @ x, torch.ones(3) * 0.5, 3)
    assert codes.abs().max() <= 3
    dead = low_bit.feedback(draw(3, 6), torch.zeros(6, 6), torch.ones(3) * 0.5, 3)
    assert torch.equal(dead, (draw(3, 6) / 0.5).round().clamp(-3, 3).int()), "nothing to make up for"


@pytest.mark.parametrize("family, known", [
    ("nbeats", 11), ("lstm", 4), ("gru", 4), ("resnet1d", 9), ("patchtst", 10), ("shufflenet_v1", None),
    ("profile_mlp", 2),
])  # fmt: skip
def test_columns_are_what_the_matrix_is_multiplied_with(data, family, known):
    """The product with them is what the layer computes."""
    model = models.build(family, 8, data, 0).eval()
    window, found = calibration.windows(data, model, 0), 0
    for name, weight in matrices.of(model).items():
        parts = calibration.columns(model, window, name)
        place, layer, _ = calibration.layer(model, name)
        found += bool(parts)
        if not parts:
            assert type(layer).__name__ in ("Embedding", "Lags"), "no product of its input with the matrix"
        elif isinstance(layer, (torch.nn.Linear, torch.nn.Conv1d)):
            rows = weight.flatten(1).chunk(len(parts))
            made = torch.cat([x @ part.T for x, part in zip(parts, rows, strict=True)], 1)
            made = made if layer.bias is None else made + layer.bias
            out = torch.cat([y for _, y in calibration.calls(model, window, [place])[place]])
            wanted = (out.transpose(1, 2) if isinstance(layer, torch.nn.Conv1d) else out).reshape(-1, len(weight))
            torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-5)
        else:
            assert parts[0].shape[1] == weight.shape[1]
    assert found == known or known is None and found == len(matrices.of(model))


def test_states_are_those_before_each_step(data):
    model = models.build("gru", 4, data, 0).eval()
    window = calibration.windows(data, model, 0)
    (states,) = calibration.columns(model, window, "gru.weight_hh_l0")
    (x, _), = calibration.calls(model, window, ["gru"])["gru"]
    cell = torch.nn.GRUCell(model.config.patch, 4)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in model.gru.state_dict().items()})
    h, before = torch.zeros(len(x), 4), []
    with torch.no_grad():
        for step in x.unbind(1):
            before.append(h)
            h = cell(step, h)
    torch.testing.assert_close(torch.stack(before[1:], 1).flatten(0, 1), states, rtol=1e-4, atol=1e-5)


def test_a_layer_whose_inputs_are_not_known_is_rounded_and_the_story_says_so(data):
    told = compress(models.build("profile_mlp", 4, data, 0).eval(), 4, "gptq", data).story.set_index("layer").how
    assert told["first.weight"] == "error feedback"
    assert told["embedding.weight"].startswith("rounded to nearest:") and told["lags.weight"].startswith("rounded")


# ---- the technique

@pytest.mark.parametrize("family", ["lstm@own", "resnet1d", "profile_mlp", "patchtst"])
@pytest.mark.parametrize("variant", low_bit.VARIANTS)
def test_the_file_is_the_network_bit_for_bit_in_as_many_bits(data, tmp_path, variant, family):
    model = models.build(family, 4, data, 0).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = compress(model, 3, variant, data)
    loaded = stored(made, data, tmp_path)
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value), name
    window = calibration.windows(data, model, 0)
    with torch.inference_mode():
        assert torch.equal(loaded.model(*window), made.model(*window))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items()), "start is left"
    bits = {name: tensor["bits"] for name, tensor in loaded.tensors.items() if name in matrices.of(model)}
    sizes = np.array([matrices.of(model)[name].numel() for name in bits])
    assert np.average(list(bits.values()), weights=sizes) <= 3
    assert variant == "mixed" or set(bits.values()) == {3}
    assert made.story.set_index("layer").bits.to_dict() == bits
    rest = {tensor["codec"] for name, tensor in loaded.tensors.items() if name not in bits and name != "usual.table"}
    assert rest == {"float16"} and loaded.tensors.get("usual.table", {"bits": 8})["bits"] == 8


@pytest.mark.parametrize("variant, groups", [("tensor", {}), ("channel", {"axis": 0}), ("group", {"group": 32})])
@pytest.mark.parametrize("bits", [2, 5])
def test_bytes_are_those_of_codes_and_float16_steps(data, tmp_path, variant, groups, bits):
    model = models.build("nbeats", 8, data, 0)
    tensors = stored(compress(model, bits, variant, data), data, tmp_path).tensors
    for name, weight in matrices.of(model).items():
        tensor, n = tensors[name], weight.numel()
        steps = {"tensor": 1, "channel": len(weight), "group": -(-n // 32)}[variant]
        assert tensor["bytes"] == -(-n * bits // 8) + 2 * steps, name
        assert "scale" not in tensor and {key: tensor[key] for key in ("axis", "group") if key in tensor} == groups


def test_what_was_spent_is_what_was_computed(data):
    model = models.build("nbeats", 8, data, 0)
    assert [compress(model, 4, variant, data).spent.macs for variant in GRAINS] == [0, 0, 0]
    step = 3 * 16 * cost.profile(model).macs
    assert compress(model, 4, "lsq", data).spent.macs == 6 * step
    windows = len(calibration.windows(data, model, 0)[0])
    assert compress(model, 4, "activations", data).spent.macs == 6 * step + windows * cost.profile(model).macs
    run = windows * cost.profile(model).macs
    feedback = sum(run + windows * w.shape[1] ** 2 + w.shape[1] ** 3 + w.numel() * w.shape[1] // 2
                   for w in matrices.of(model).values())
    assert compress(model, 4, "gptq", data).spent.macs == feedback


def test_inputs_are_in_as_many_bits_at_least_four_and_the_file_says_so(data, tmp_path):
    model = models.build("lstm", 4, data, 0)
    for level, bits in ((2, 4), (6, 6)):
        made = compress(model, level, "activations", data)
        quantised = wrappers.attached(stored(made, data, tmp_path).model)
        assert set(quantised) == {"lstm", "head.hidden", "head.out"}
        assert {q["bits"] for q in quantised.values()} == {bits}
        assert quantised["head.out"]["zero"] == 0, "behind a ReLU"
        told = made.story.set_index("layer").how
        assert told["head.out.weight"].endswith(f"inputs in {bits} bits")
        assert told["lstm.weight_hh_l0"].endswith("inputs as they are")


def test_a_trained_input_rounds_as_the_file_does_and_its_step_learns_as_in_the_paper():
    x = torch.cat([draw(40), torch.tensor([4.0, -1.0])])
    q = quantisers.Inputs(4, x)
    hook = wrappers.ActivationQuantiser(**q.numbers())
    (wanted,) = hook(None, (x,))
    assert torch.equal(q(x[None])[0].detach(), wanted.detach())
    assert q.low == -q.zero < 0 < q.high == 15 - q.zero
    q(x[None]).sum().backward()
    step = q.numbers()["scale"]
    ratio = x.double() / step
    gap = torch.where(ratio < q.low, q.low, torch.where(ratio > q.high, q.high, ratio.round() - ratio)).sum()
    wanted = step * gap / (len(x) * q.high) ** 0.5
    assert q.log_step.grad.item() == pytest.approx(wanted.item(), rel=2e-3)


def test_levels_between_two_numbers_of_bits_are_for_averages(data):
    model = models.build("resnet1d", 4, data, 0)
    with pytest.raises(StudyError, match="only 'mixed' has averages"):
        compress(model, 2.5, "channel", data)
    story = compress(model, 2.5, "mixed", data).story
    assert 2 <= np.average(story.bits, weights=story.weights) <= 2.5 and story.bits.nunique() > 1


@pytest.mark.parametrize("variant", ["lsq", "gptq", "mixed"])
def test_the_same_seed_gives_the_same_bytes(data, tmp_path, variant):
    model = models.build("resnet1d", 4, data, 0)
    for _ in range(2):
        stored(compress(model, 3, variant, data), data, tmp_path)
        (tmp_path / "m").rename(tmp_path / str(len(list(tmp_path.iterdir()))))
    first, second = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == second
