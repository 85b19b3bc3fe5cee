"""The training loop and prediction: repeatable, blind to the future, and counted."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import models, training
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import DataError
from litecast.training import Budget, Windows, cost, loop
from litecast.training.windows import LOOK_WINDOWS, pairs

BUDGET = Budget(steps=24, batch=16, lr=5e-3)


def demand(T=400, C=2):  # noqa: N803
    t, draw = np.arange(T)[:, None], np.random.default_rng(0)
    return 50 + 10 * np.sin(2 * np.pi * t / 24 + np.arange(C)) + draw.normal(0, 1, (T, C))


def dataset(values=None, L=24, H=6):  # noqa: N803
    values = demand() if values is None else values
    times = pd.date_range("2024-01-01", periods=len(values), freq="h")
    columns = [f"s{c}" for c in range(values.shape[1])]
    header = Header("made-up", "items", "h", 24, L, H)
    return prepare(from_wide(header, pd.DataFrame(values, index=times, columns=columns)))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trained(data, budget=BUDGET, seed=0, family="nbeats"):
    model = models.build(family, 4, data, 0)
    return model, training.fit(model, data, budget, seed)


# ---- windows

def test_windows_are_slices_without_copies():
    values = demand()
    values[[100, 101], 1] = np.nan
    data = dataset(values)
    windows = Windows(data)
    series, origins = torch.tensor([0, 1, 1, 0]), torch.tensor([24, 99, 394, 200])
    x, z, which, cells = windows.inputs(series, origins)
    y, seen = windows.targets(series, origins)
    assert x.shape == (4, 24, 1) and z.shape == (4, 30, data.F) and y.shape == (4, 6, 1)
    assert which.tolist() == [[0], [1], [1], [0]] and cells.shape == (4, 30)
    for i, (c, t) in enumerate(zip(series.tolist(), origins.tolist(), strict=True)):
        np.testing.assert_array_equal(x[i, :, 0], data.x[t - 24 : t, c])
        np.testing.assert_array_equal(z[i], data.z[t - 24 : t + 6])
        np.testing.assert_array_equal(cells[i], data.cells[t - 24 : t + 6])
        expected = data.scale(data.y)[t : t + 6, c].astype(np.float32)
        np.testing.assert_array_equal(y[i, :, 0], np.nan_to_num(expected))
        np.testing.assert_array_equal(seen[i, :, 0], np.isfinite(expected))
    assert (seen[1] == 0).sum() == 2 and torch.isfinite(x).all()
    for word, place in (("z", 1), ("series", 2), ("cells", 3)):
        told = windows.inputs(series, origins, {word})
        assert [part is not None for part in told] == [True] + [place == i for i in (1, 2, 3)]
    assert Windows(dataset()).targets(series, origins)[1] is None, "data without a gap needs no mask"
    assert windows.x.untyped_storage().nbytes() == 4 * data.x.size
    assert windows.z.untyped_storage().nbytes() == 4 * data.z.size
    assert windows.cells.untyped_storage().nbytes() == 8 * data.cells.size


def test_all_windows_with_an_observed_target_are_drawn_from():
    values = demand()
    values[60:67, 0] = np.nan  # two windows of series 0 lose all their targets
    data = dataset(values)
    series, origins = pairs(data, "train", None, None)
    drawn = set(zip(series.tolist(), origins.tolist(), strict=True))
    assert len(drawn) == len(series) == 2 * len(data.origins("train")) - 2
    assert (0, 60) not in drawn and (0, 61) not in drawn and (0, 62) in drawn and (1, 60) in drawn


def test_a_limit_is_one_fixed_seeded_draw():
    data = dataset()
    draws = [pairs(data, "train", 50, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    first, again, other = [set(zip(s.tolist(), o.tolist(), strict=True)) for s, o in draws]
    assert len(first) == 50 and first == again and first != other
    assert {o for _, o in first} <= set(data.origins("train").tolist())


def test_training_sees_only_the_windows_that_were_drawn(monkeypatch):
    data, seen, error = dataset(), set(), loop._error

    def spy(model, windows, series, origins, loss, rules, how="float32"):
        if torch.is_grad_enabled() and model.training:
            seen.update(zip(series.tolist(), origins.tolist(), strict=True))
        return error(model, windows, series, origins, loss, rules, how)

    monkeypatch.setattr(loop, "_error", spy)
    trained(data, Budget(steps=24, batch=16, train_windows=40))
    assert len(seen) == 40
    seen.clear()
    trained(data, Budget(steps=40, batch=16))
    assert len(seen) == len(data.origins("train")) * 2 <= 40 * 16  # every window once before any comes again


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_part_without_any_target_is_an_error(part):
    data = dataset()
    data.y = np.where(data.parts[part][:, None], np.nan, data.y)
    with pytest.raises(DataError, match=f"made-up: no target of the {part} part"):
        trained(data)


# ---- fit

@pytest.mark.parametrize("family", models.names())
def test_one_seed_gives_the_same_bits_another_does_not(family):
    data = dataset()
    (a, first), (b, again), (_, other) = (trained(data, seed=seed, family=family) for seed in (3, 3, 4))
    assert torch.equal(weights(a), weights(b))
    pd.testing.assert_frame_equal(first.log, again.log)
    assert not first.log.equals(other.log)  # the best weights may still be the first, of both


def test_training_learns():
    data = dataset()
    _, fit = trained(data, Budget(steps=120, batch=32, lr=5e-3))
    assert fit.log.val_loss.min() < 0.7 * fit.log.val_loss[0]
    assert fit.log.columns.tolist() == ["step", "train_loss", "val_loss"] and fit.log.step[0] == 0
    assert fit.spent.seconds > 0 and not fit.spent.peak_mb < 0


def test_masked_weights_are_zero_at_every_step():
    data = dataset()
    model = models.build("nbeats", 4, data, 0)
    masks = {n: torch.rand(p.shape) < 0.5 for n, p in model.named_parameters() if p.ndim == 2}
    held = []

    def look(module, _):
        state = dict(module.named_parameters())
        if not next(iter(state.values())).is_meta:
            held.append(all((state[n] == 0)[~mask].all() for n, mask in masks.items()))

    model.register_forward_pre_hook(look)
    training.fit(model, data, BUDGET, 0, training.Mask(masks))
    assert len(held) > BUDGET.steps and all(held)
    state = dict(model.named_parameters())
    assert all((state[n] == 0)[~mask].all() and (state[n] != 0)[mask].all() for n, mask in masks.items())


@pytest.mark.parametrize("lr", [5e-3, 0.5, 50.0])
def test_the_best_validation_weights_are_kept_not_the_last(lr):
    data = dataset()
    start = weights(models.build("nbeats", 4, data, 0))
    model, fit = trained(data, Budget(steps=36, batch=16, lr=lr))
    val = pairs(data, "val", LOOK_WINDOWS, None)
    assert loop._look(model, Windows(data), val, "mae", (), [], 0)[0] == pytest.approx(fit.log.val_loss.min(), rel=1e-6)
    assert fit.best_step == fit.log.step[fit.log.val_loss.idxmin()]
    if lr == 50.0:  # nothing that was learnt is better than the start, which counts too
        assert fit.best_step == 0 and torch.equal(weights(model), start) and fit.log.val_loss.iloc[-1] > 1


def test_a_training_that_gets_worse_on_the_way_is_not_cut_short():
    fit = trained(dataset(), Budget(steps=120, batch=16, lr=50.0))[1]
    assert fit.log.step.tolist() == list(range(0, 121, 10)), "the rate falls at the end, and the loss with it"


@pytest.mark.parametrize("family", models.names())
def test_a_budget_is_counted_in_multiply_accumulates(family):
    data = dataset()
    model, fit = trained(data, Budget(steps=7, batch=16), family=family)
    assert fit.spent.macs == 3 * 7 * 16 * cost.profile(model).macs and type(fit.spent.macs) is int
    assert not model.training and next(model.parameters()).device.type == "cpu"


@pytest.mark.parametrize("steps", range(1, 13))
def test_any_number_of_steps_will_do(steps):
    assert trained(dataset(), Budget(steps=steps, batch=4))[1].log.step.iloc[-1] == steps


def test_the_last_steps_of_a_long_budget_are_looked_at_too():
    log = trained(dataset(), Budget(steps=29, batch=4))[1].log
    assert log.step.tolist() == [*range(0, 29, 2), 29]
    assert np.isnan(log.train_loss[0]) and log[1:].notna().all(axis=None)


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_missing_targets_are_left_out_of_the_loss(loss):
    values = demand()
    values[[80, 82, 85], 0] = np.nan
    data = dataset(values)
    model = models.build("nbeats", 4, data, 0)
    series, origins = torch.tensor([0, 1, 0]), torch.tensor([80, 80, 200])
    windows = Windows(data)
    found = loop._error(model, windows, series, origins, loss)
    y, seen = windows.targets(series, origins)
    gap = np.where(seen > 0, (y - model(*windows.inputs(series, origins))).detach(), np.nan)
    assert np.isnan(gap).sum() == 3
    expected = np.nanmean(np.abs(gap) if loss == "mae" else gap**2)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_loss_that_is_asked_for_is_trained():
    data = dataset()
    fits = {loss: trained(data, Budget(steps=12, batch=16, loss=loss))[1] for loss in ("mae", "mse")}
    assert fits["mae"].log.val_loss[0] ** 2 < fits["mse"].log.val_loss[0] != fits["mae"].log.val_loss[0]


def test_test_values_never_reach_training():
    before = dataset()
    values = demand()
    values[before.parts["test"]] = -1e3
    (a, _), (b, _) = trained(before), trained(dataset(values))
    assert torch.equal(weights(a), weights(b))


def test_validation_values_choose_among_weights_but_never_train_them():
    before = dataset()
    values = demand()
    values[before.parts["val"]] += 40
    budget = Budget(steps=24, batch=16)
    (_, a), (_, b) = trained(before, budget), trained(dataset(values), budget)
    assert a.log.train_loss.equals(b.log.train_loss) and not a.log.val_loss.equals(b.log.val_loss)


def test_a_shorter_budget_keeps_all_else():
    budget = Budget(steps=100, batch=7, lr=0.1, train_windows=9, loss="mse").of_steps(5.0)
    assert budget == Budget(steps=5, batch=7, lr=0.1, train_windows=9, loss="mse") and type(budget.steps) is int


def test_the_device_can_be_chosen(monkeypatch):
    monkeypatch.setenv("LITECAST_DEVICE", "meta")
    assert training.device().type == "meta"


# ---- predict

@pytest.mark.parametrize("family", models.names())
def test_forecasts_are_those_of_every_window_at_any_batch_size_and_in_any_order(family):
    data = dataset()
    model = models.build(family, 4, data, 0).eval()
    origins = data.origins("test")
    out = training.predict(model, data, origins)
    assert out.shape == (len(origins), 6, 2) == (75, 6, 2) and out.dtype == np.float32
    for n in (0, 40, 74):
        t = origins[n]
        x, *rest = (torch.from_numpy(part)[None] for part in
                    (data.x[t - 24 : t], data.z[t - 24 : t + 6], data.cells[t - 24 : t + 6]))
        with torch.no_grad():
            np.testing.assert_allclose(out[n], model(x, rest[0], torch.arange(2), rest[1])[0], atol=1e-5)
    for batch in (1, 7, 64, 10**6):
        np.testing.assert_allclose(training.predict(model, data, origins, batch), out, rtol=0, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(origins))
    np.testing.assert_allclose(training.predict(model, data, origins[order]), out[order], rtol=0, atol=1e-5)


def test_batches_hold_about_as_many_windows_as_asked_for_and_all_of_them():
    data = dataset()
    found = list(training.batches(data, data.origins("test"), batch=20))
    assert sum(len(x) for x, *_ in found) == 75
    assert all(x.shape[1:] == (24, 2) and 18 <= 2 * len(x) <= 20 for x, *_ in found)
    assert all(z.shape == (len(x), 30, data.F) and cells.shape == (len(x), 30) for x, z, _, cells in found)
    assert all(series.tolist() == [0, 1] for _, _, series, _ in found)
    numbered = training.batches(data, data.origins("test"), reads={"series"}, numbers=np.array([5, 3]))
    assert all((z, cells) == (None, None) and series.tolist() == [5, 3] for _, z, series, cells in numbered)


def test_series_are_numbered_as_the_model_has_them():
    """A file of many series, asked for two of them in another order."""
    data = dataset(demand(C=3))
    model = models.build("nlinear@own", 1, data, 0).eval()
    origins = data.origins("test")
    whole, part = training.predict(model, data, origins), dataset(demand(C=3)[:, [2, 0]])
    found = training.predict(model, part, origins, numbers=np.array([2, 0]))
    np.testing.assert_allclose(found, whole[:, :, [2, 0]], rtol=0, atol=1e-5)
    assert np.abs(training.predict(model, part, origins) - found).max() > 0.01


def test_no_origin_is_no_forecast():
    data = dataset()
    assert training.predict(models.build("dlinear", 1, data), data, np.array([], np.int64)).shape == (0, 6, 2)


@pytest.mark.parametrize("family", models.names())
def test_what_comes_after_an_origin_changes_no_forecast_before_it(family):
    before, cut = dataset(), 350
    values = demand()
    values[cut:] = 1000 - values[cut:]
    after = dataset(values)
    model = models.build(family, 4, before, 0)
    origins = before.origins("test")
    a, b = (training.predict(model, data, origins) for data in (before, after))
    same = (a == b).all((1, 2))
    np.testing.assert_array_equal(same, origins <= cut)
    assert 20 < same.sum() < len(origins)


# ---- the same twice

SCRIPT = """
import numpy as np, pandas as pd
from litecast import modelfile, models, training
from litecast.compress import Task, channel_pruning, magnitude_pruning
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
values = 50 + np.random.default_rng(0).normal(0, 5, (300, 2)).cumsum(0)
times = pd.date_range("2024-01-01", periods=300, freq="h")
data = prepare(from_wide(Header("d", "u", "h", 24, 24, 6), pd.DataFrame(values, index=times, columns=["a", "b"])))
budget = training.Budget(10, 16, retrain_steps=10)
card = modelfile.Card("d", "u", "h", 24, 24, 6, list(data.mean), list(data.std), ["a", "b"])
model = models.build("resnet1d", 8, data, 1)
training.fit(model, data, budget, 1)
for technique, variant, control in ((channel_pruning, "l2", ""), (magnitude_pruning, "global", ""),
                                    (channel_pruning, "l2", "random")):
    made = technique.compress(Task(model, data, budget, 1, 0.5, variant, control=control))
    for storage, file in made.files.items():
        name = "-".join([technique.__name__, variant, control, storage])
        modelfile.save(f"{folder}/{name}", made.model, file.codecs, card, file.held)
"""


def test_two_processes_write_the_same_bytes(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    other = subprocess.Popen([sys.executable, "-c", f"folder = {str(folders[0])!r}\n{SCRIPT}"])
    exec(SCRIPT, {"folder": str(folders[1])})  # the second process is this one, with whatever ran in it before
    assert other.wait(120) == 0
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1] and len(files[0]) == len(set(files[0].values())) == 6


# ---- the bench

def test_the_bench_runs_small(bench):
    told = bench("families.py")
    lines = [line.split(" | ") for line in told.splitlines() if line.startswith(("| nlinear", "| profile_mlp"))]
    assert len(lines) == 2 and all(int(line[2].replace(",", "")) > 0 for line in lines)
