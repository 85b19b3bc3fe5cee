"""Devices and precisions: what may be asked for, what is computed in bfloat16, and that a GPU says what a CPU says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import dataset, weights

from litecast import models, training
from litecast.compress import quantisers, sequence, statistical_quantization
from litecast.errors import LitecastError
from litecast.results import run
from litecast.training import Budget, devices

BUDGET = Budget(steps=24, batch=16, lr=5e-3)
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def trained(data, family="nbeats", *rules):
    model = models.build(family, 16, data, 0)
    return model, training.fit(model, data, BUDGET, 0, *rules)


# ---- what may be asked for

@pytest.mark.parametrize("wanted", ["gpu", "cuda:99", "xpu", "cpu:x"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(monkeypatch, wanted):
    monkeypatch.setenv("LITECAST_DEVICE", wanted)
    with pytest.raises(LitecastError, match=f"LITECAST_DEVICE={wanted}: there is no such device; there is cpu"):
        training.fit(None, None, BUDGET, 0)


def test_a_gpu_is_taken_where_there_is_one(monkeypatch):
    monkeypatch.delenv("LITECAST_DEVICE", raising=False)
    assert training.device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_precision_that_there_is_not_is_refused(monkeypatch):
    monkeypatch.setenv("LITECAST_PRECISION", "bf61")
    with pytest.raises(LitecastError, match="LITECAST_PRECISION=bf61: it is one of float32, tf32, bf16.*bf16"):
        training.fit(None, None, BUDGET, 0)


@pytest.mark.parametrize(("how", "said"), [("", "cpu"), ("float32", "cpu"), ("bf16", "cpu, bf16")])
def test_rows_say_where_and_in_what_their_network_was_trained(monkeypatch, how, said):
    monkeypatch.setenv("LITECAST_DEVICE", "cpu")
    monkeypatch.setenv("LITECAST_PRECISION", how)
    run._machine.cache_clear()
    assert run._machine()["device"] == said
    run._machine.cache_clear()


def test_importing_asks_no_gpu():
    """Who imports may fork, as the runner does for each run, and a child cannot use a GPU that its parent has asked."""
    code = ("import torch\nasked = []\n"
            "for name in ('is_available', 'device_count', '_lazy_init'):\n"
            "    setattr(torch.cuda, name, lambda *_, name=name: asked.append(name) or 0)\n"
            "import litecast.audit, litecast.experiment, litecast.training\nprint(asked)")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# ---- bfloat16

def seen_in(data, monkeypatch, how, rules=()):
    """(while training?, type of what leaves the first layer) of each forward pass of a training and a forecast."""
    monkeypatch.setenv("LITECAST_PRECISION", how)
    model, found = models.build("nbeats", 16, data, 0), []
    note = lambda _, given, out: None if out.is_meta else found.append((model.training, out.dtype))  # noqa: E731
    model.blocks[0].first.register_forward_hook(note)
    fit = training.fit(model, data, BUDGET, 0, *rules)
    training.predict(model, data, data.origins("val"))
    return model, fit, found


def test_only_training_steps_are_in_bfloat16(monkeypatch):
    _, _, found = seen_in(dataset(), monkeypatch, "bf16")
    assert {dtype for trains, dtype in found if trains} == {torch.bfloat16}
    assert {dtype for trains, dtype in found if not trains} == {torch.float32}
    assert sum(trains for trains, _ in found) == BUDGET.steps < len(found)
    assert {dtype for _, dtype in seen_in(dataset(), monkeypatch, "float32")[2]} == {torch.float32}


def test_loss_weights_and_what_rules_compute_stay_float32(monkeypatch):
    data, types = dataset(), []

    class Spy(training.Rule):
        def weights(self, model):
            weight = model.blocks[0].first.weight
            made = weight @ torch.eye(weight.shape[1], device=weight.device)
            types.append(made.dtype)
            return {"blocks.0.first.weight": made}

        def loss(self, loss, window, y, yhat):
            types.extend((loss.dtype, yhat.dtype, (y.mT @ y).dtype))
            return loss

    model, fit, _ = seen_in(data, monkeypatch, "bf16", [Spy()])
    assert set(types) == {torch.float32}
    assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in model.parameters())
    assert fit.log.notna().iloc[1:].all(axis=None)


def near(found, expected):
    """The first steps say whether windows are the same; later ones go their own way, and end about as well."""
    np.testing.assert_allclose(found.val_loss[0], expected.val_loss[0], rtol=1e-4)
    np.testing.assert_allclose(found.train_loss[1], expected.train_loss[1], rtol=2e-3)
    np.testing.assert_allclose(found.val_loss.iloc[-1], expected.val_loss.iloc[-1], rtol=0.03)


@pytest.mark.parametrize("family", ["profile_linear", "nbeats@own", "gru"])
def test_bfloat16_draws_the_same_windows_and_ends_near_float32(monkeypatch, family):
    data, fits = dataset(), {}
    for how in devices.PRECISIONS:
        monkeypatch.setenv("LITECAST_PRECISION", how)
        fits[how] = trained(data, family)
    near(fits["bf16"][1].log, fits["float32"][1].log)
    assert not torch.equal(weights(fits["bf16"][0]), weights(fits["float32"][0]))
    if training.device().type == "cpu":
        assert torch.equal(weights(fits["tf32"][0]), weights(fits["float32"][0])), "a GPU's affair"


def test_products_are_exact_unless_asked_and_as_before_afterwards():
    units = torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn
    before, gpu = [unit.fp32_precision for unit in units], torch.device("cuda")
    for how, expected in (("float32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")):
        with pytest.raises(KeyError), devices.products(gpu, how):
            assert {unit.fp32_precision for unit in units} == {expected}
            raise KeyError
        assert [unit.fp32_precision for unit in units] == before
    with devices.products(torch.device("cpu")):
        assert [unit.fp32_precision for unit in units] == before


# ---- on a GPU

@GPU
@pytest.mark.parametrize("family", models.names())
def test_a_gpu_evaluates_as_the_cpu_does(monkeypatch, family):
    data = dataset()
    monkeypatch.setenv("LITECAST_DEVICE", "cuda")
    model, fit = trained(data, family)
    assert next(model.parameters()).device.type == "cpu" and fit.spent.peak_mb > 0
    found = {}
    for on in ("cpu", "cuda"):
        monkeypatch.setenv("LITECAST_DEVICE", on)
        found[on] = training.predict(model, data, data.origins("val"))
    np.testing.assert_allclose(found["cuda"], found["cpu"], rtol=0, atol=1e-4)


@GPU
@pytest.mark.parametrize("how", devices.PRECISIONS)
def test_a_gpu_trains_on_the_same_windows(monkeypatch, how):
    data, logs = dataset(), {}
    for on in ("cpu", "cuda"):
        monkeypatch.setenv("LITECAST_DEVICE", on)
        monkeypatch.setenv("LITECAST_PRECISION", how if on == "cuda" else "float32")
        logs[on] = trained(data)[1].log
    near(logs["cuda"], logs["cpu"])


@GPU
@pytest.mark.parametrize("made", [
    lambda model, _: training.Mask({"blocks.0.first.weight": model.blocks[0].first.weight != 0}),
    lambda model, _: training.FakeQuantise({"blocks.0.first.weight": quantisers.Uniform(4, 0, learned=True)}),
    lambda model, _: training.FakeQuantise({"blocks.0.first.weight": quantisers.Ternary()}),
    lambda _, data: training.Distil([models.build("gru", 16, data, 1)]),
    lambda *_: training.Penalty(lambda model: model.blocks[0].first.weight.abs().mean(), 0.1),
    lambda *_: training.Average(), lambda *_: training.QuantiseGradients(4),
    lambda model, _: sequence.InTurn(
        sequence.pieces(model, "forward"), lambda w: statistical_quantization.codebook(w, "sigma", 4), 4),
], ids=["mask", "steps", "ternary", "teacher", "penalty", "average", "gradients", "in turn"])  # fmt: skip
def test_rules_follow_the_network_to_a_gpu_and_back(monkeypatch, made):
    monkeypatch.setenv("LITECAST_DEVICE", "cuda")
    data = dataset()
    model = models.build("nbeats", 16, data, 0)
    rule = made(model, data)
    fit = training.fit(model, data, BUDGET, 0, rule)
    assert fit.log.val_loss.min() <= fit.log.val_loss[0] and all(p.device.type == "cpu" for p in model.parameters())
    assert all(p.device.type == "cpu" for p in rule.parameters())


@GPU
def test_a_process_forked_after_the_import_can_use_the_gpu():
    code = ("import os, litecast.audit, litecast.training as t\nchild = os.fork()\n"
            "if not child:\n    import torch\n    os._exit(int(torch.ones(3, device=t.device()).sum() != 3))\n"
            "raise SystemExit(os.waitpid(child, 0)[1])")
    assert subprocess.run([sys.executable, "-c", code], env=os.environ | {"LITECAST_DEVICE": "cuda"}).returncode == 0


# ---- the bench

def test_the_bench_runs_small(tmp_path):
    bench = Path(__file__).parents[2] / "bench" / "gpu.py"
    command = [sys.executable, str(bench), str(tmp_path / "told.json"), "--small"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.count("\n| profile_") == 6 and "NOT EQUAL" not in told
    assert {line["family"] for line in json.loads((tmp_path / "told.json").read_text())["pace"]} > {"profile_linear"}
