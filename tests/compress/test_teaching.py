"""What teachers say: the same in advance as in a step, of any runtime, and nothing from after an origin."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from litecast import modelfile, models, runtimes, training
from litecast.compress import Task, clone, lessons, rate, storages, teaching
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.models import base
from litecast.models.classical import ridge, stored
from litecast.training import Budget, Distil, Said, cost

BUDGET = Budget(30, 16, 5e-3, retrain_steps=5)


def made_up(series=3, gaps=0, steps=400):
    draw = np.random.default_rng(0)
    values = 50 + draw.normal(0, 2, (steps, series)).cumsum(0)
    values[draw.integers(0, 280, gaps), draw.integers(0, series, gaps)] = np.nan
    frame = pd.DataFrame(values, pd.date_range("2024-01-01", periods=steps, freq="h"), list("abc")[:series])
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), frame))


@pytest.fixture(scope="module")
def data():
    return made_up()


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    """A network in the suite's own file and a regression in scikit-learn's."""
    folder, model = tmp_path_factory.mktemp("files"), models.build("lstm", 8, data, 5)
    export = storages.export(model, "float32")
    modelfile.save(folder / "a.safetensors", model, export.codecs, modelfile.Card.of(data), export.held)
    stored.save(folder / "b.skops", "ridge", ridge.fit(data), data)
    opened = [("torch", runtimes.module("torch").open(folder / "a.safetensors")),
              ("sklearn", runtimes.module("sklearn").open(folder / "b.skops"))]
    return teaching.Files(opened, cost.profile(model).macs)


def test_answers_about_the_dataset_are_kept_for_the_next_student_and_no_others(data, files, tmp_path):
    origins = data.origins("train")
    first = replace(files, about=data, folder=tmp_path)
    told = first.forecast(data, origins)
    assert len(list(tmp_path.iterdir())) == 1
    silent = teaching.Files([("torch", None)], 7, about=data, folder=tmp_path)
    np.testing.assert_array_equal(silent.forecast(data, origins), told)
    copy = replace(data)  # of other demand, say
    np.testing.assert_array_equal(first.forecast(copy, origins), told)
    first.forecast(data, origins[1:])
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(AttributeError):
        silent.forecast(copy, origins)  # nobody is there to ask


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# ---- forecasts in advance

def test_what_was_said_in_advance_is_what_the_network_says_in_the_step(data):
    teacher, draw = models.build("nbeats", 8, data, 5).eval(), np.random.default_rng(1)
    said = teaching.said([teacher], data, data.origins("train"))
    series = torch.from_numpy(draw.integers(0, data.C, 40))
    origins = torch.from_numpy(draw.choice(data.origins("train"), 40))
    with torch.no_grad():
        forward = teacher(*training.Windows(data).inputs(series, origins))
    torch.testing.assert_close(said.at(series, origins), forward, atol=1e-5, rtol=1e-5)
    assert said.macs == len(data.origins("train")) * data.C * cost.profile(teacher).macs


def test_a_student_learns_the_same_from_either(data):
    teacher, students = models.build("lstm", 8, data, 5), []
    for spoken in (teaching.said([teacher], data, data.origins("train")), clone(teacher)):
        students.append(models.build("nbeats", 4, data, 1))
        fit = training.fit(students[-1], data, BUDGET, 0, Distil([spoken]))
        once = spoken.macs if isinstance(spoken, Said) else 30 * 16 * cost.profile(teacher).macs
        assert fit.spent.macs == 30 * 16 * 3 * cost.profile(students[-1]).macs + once
    torch.testing.assert_close(*map(flat, students), atol=1e-4, rtol=1e-3)


def test_a_teacher_that_is_always_right_changes_nothing(data):
    origins, students = data.origins("train"), []
    truth = Said(origins, data.scale(data.targets(origins)).astype(np.float32))
    for rules in ([Distil([truth], 0.5)], [], [Distil([Said(origins, 0 * truth.yhat.numpy())], 0.5)]):
        students.append(models.build("lstm", 4, data, 1))
        training.fit(students[-1], data, BUDGET, 0, *rules)
    torch.testing.assert_close(flat(students[0]), flat(students[1]), atol=1e-5, rtol=1e-4)
    assert (flat(students[2]) - flat(students[1])).abs().max() > 1e-2


def test_what_nobody_asked_about_is_an_error():
    said = Said(np.array([50, 52]), np.arange(12, dtype=np.float32).reshape(2, 3, 2))
    assert said.at(torch.tensor([1]), torch.tensor([52])).flatten().tolist() == [7, 9, 11]
    for origin in (51, 53):
        with pytest.raises(IndexError):
            said.at(torch.tensor([0]), torch.tensor([origin]))


def test_files_of_two_runtimes_speak_with_their_mean(data, files):
    origins = data.origins("train")
    each = [runtimes.module(name).predict(file, data, origins) for name, file in files.opened]
    said = teaching.said([files], data, origins)
    np.testing.assert_allclose(said.yhat.numpy(), (each[0] + each[1]) / 2, rtol=1e-6, atol=1e-6)
    network = files.opened[0][1].model
    both = teaching.said([files, network], data, origins).yhat.numpy()
    np.testing.assert_allclose(both, (said.yhat.numpy() + each[0]) / 2, rtol=1e-4, atol=1e-4)
    assert teaching.networks([files, network]) == [network, network]
    assert files.forecast(data, origins) is files.forecast(data, origins), "asked once for all levels"
    assert files.forecast(data, origins[:5]).shape[0] == 5


@pytest.mark.parametrize("kind", ["", *teaching.COPIES])
def test_nothing_after_an_origin_reaches_a_teacher(data, files, kind):
    origins = data.origins("val")[:30]
    y, origin = data.y.copy(), origins[0]  # behind train, whose lowest values bound what is made up
    y[origin:] += 40
    later = replace(data, y=y, x=np.where(np.arange(len(y))[:, None] < origin, data.x, 9).astype(np.float32))
    network = models.build("profile_mlp", 4, data, 0)
    sets = [teaching.unseen(one, kind, 3) if kind else one for one in (data, later)]
    for teacher in (files, network):
        before, after = (teaching.said([teacher], one, origins).yhat for one in sets)
        assert torch.equal(before[0], after[0])
        assert not torch.equal(before[20], after[20]), "what comes later is seen later"


# ---- a distribution

def test_the_spread_is_that_of_pooled_errors_stretched_to_validation():
    data = made_up(1)
    noise = np.random.default_rng(1).normal(size=data.y.shape)
    noise[data.parts["val"]] *= 2  # as if a teacher knew train twice as well
    data = replace(data, y=data.unscale(noise), header=replace(data.header, season=1))
    silent = teaching.Files([("torch", None)], 7)
    zeros = lambda data, origins: np.zeros((len(origins), data.H, data.C))  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teaching, "voices", lambda teacher: [zeros, zeros])
        spread, wide = (teaching.spread([silent], data, width) for width in (1.0, 1.5))
    pools = [data.scale(data.targets(data.origins(part))) for part in ("train", "val")]
    assert spread.offsets.shape == (data.H, 1, 9)
    own = np.quantile(np.tile(pools[0][:, 2, 0], 2), teaching.QUANTILES)  # of two voices
    stretch = np.abs(pools[1]).mean() / np.abs(pools[0]).mean()
    np.testing.assert_allclose(spread.offsets[2, 0], stretch * (own - own[4]), rtol=1e-4, atol=1e-6)
    assert stretch == pytest.approx(2, rel=0.2) and not spread.offsets[:, :, 4].any()
    np.testing.assert_allclose(wide.offsets, 1.5 * spread.offsets, rtol=1e-6)
    assert spread.macs == 7 * sum(len(data.origins(part)) for part in ("train", "val"))


def test_places_are_those_of_the_season_or_steps_ahead():
    offsets = torch.arange(24 * 2 * 9, dtype=torch.float32).reshape(24, 2, 9)
    spread = teaching.Spread(offsets, 24, 3)
    got = spread.at(torch.tensor([1, 0]), torch.tensor([22, 48]))
    assert torch.equal(got[0], offsets[[22, 23, 0], 1]) and torch.equal(got[1], offsets[[0, 1, 2], 0])
    assert teaching.Spread(offsets, 1, 3).places(torch.tensor([22, 48])).tolist() == [[0, 1, 2]] * 2
    around = spread.around(np.full((1, 3, 2), 0.5), np.array([47]))
    np.testing.assert_array_equal(around[0, 1, 0], 0.5 + offsets[0, 0])


def test_pinball_and_coverage_by_hand():
    quantiles = np.arange(1, 10.0)[None].repeat(3, 0)
    y = np.array([5.0, 10.0, np.nan])
    levels = np.arange(1, 10) / 10
    first = sum(q * (5 - v) if v < 5 else (1 - q) * (v - 5) for q, v in zip(levels, range(1, 10), strict=True)) / 9
    second = sum(q * (10 - v) for q, v in zip(levels, range(1, 10), strict=True)) / 9
    pinball, coverage = teaching.judged(quantiles, y)
    assert pinball == pytest.approx((first + second) / 2) and coverage == 0.5
    normal = np.random.default_rng(0).normal(size=20_000)
    right = stats.norm.ppf(teaching.QUANTILES)[None].repeat(len(normal), 0)
    at_best, coverage = teaching.judged(right, normal)
    assert coverage == pytest.approx(0.8, abs=0.01)
    assert at_best < teaching.judged(1.3 * right, normal)[0] and at_best < teaching.judged(0.7 * right, normal)[0]


# ---- windows without a truth

def test_unseen_windows_are_other_demand_on_the_same_days():
    data = made_up(gaps=30)
    own = data.scale(data.y)
    other, mixed, jittered = (data.scale(teaching.unseen(data, kind, 3).y) for kind in teaching.COPIES)
    lowest = np.nanmin(own[data.parts["train"]], axis=0)
    for column in range(data.C):
        both = np.isfinite(own) & np.isfinite(own[:, [column]])
        source = [c for c in range(data.C) if np.allclose(
            other[both[:, c], column], np.maximum(own[both[:, c], c], lowest[column]))]
        assert len(source) == 1 and source != [column]
        seen = np.isfinite(mixed[:, column])
        assert (seen == np.isfinite(own[:, column]) & np.isfinite(own[:, source[0]])).all(), "gaps of either"
        gap = (jittered - own)[:, column][np.isfinite(own[:, column])]
        assert 0.5 * teaching.JITTER < gap.std() < 1.1 * teaching.JITTER
    for kind in teaching.COPIES:
        one, again, another = (teaching.unseen(data, kind, seed) for seed in (3, 3, 4))
        assert np.array_equal(one.x, again.x) and (kind == "other" or not np.array_equal(one.x, another.x))
        assert one.z is data.z and one.cells is data.cells and np.isfinite(one.x).all()


def test_a_series_that_is_alone_is_told_as_it_was_a_season_before():
    data = made_up(1)
    other = data.scale(teaching.unseen(data, "other", 0).y)
    lowest = data.scale(data.y)[data.parts["train"]].min()
    own = data.scale(data.y)
    np.testing.assert_allclose(other[24:], np.maximum(own[:-24], np.minimum(own[24:], lowest)))


# ---- what else a student can match

@pytest.mark.parametrize("family", models.names())
def test_every_family_has_features_of_every_series(data, family):
    model = models.build(family, sorted(models.module(family).WIDTHS)[0], data, 0).eval()
    features, (x, z, series, cells) = lessons.Features(model), base.example(model.config, 5, data.C)
    with torch.no_grad():
        yhat = model(x, z, series, cells)
        seen = features(x, yhat)
        assert seen.shape == (5 * data.C, features.size) and torch.isfinite(seen).all()
        first = features(x[:1], model(x[:1], None if z is None else z[:1], series, cells[:1]))
    torch.testing.assert_close(first, seen[: data.C], atol=1e-5, rtol=1e-4)
    features.close()
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_several_scales_by_hand():
    rule = lessons.Scales([], distance="mae")
    gap = torch.tensor([3.0, -3.0, 3.0, -3.0, 3.0, -3.0])[None, :, None]  # averages out over six, a third over three
    waves = np.abs(np.fft.rfft(gap.flatten().numpy(), norm="ortho"))
    assert rule.apart(gap).item() == pytest.approx(np.mean([3, 1, 0, waves.mean()]), rel=1e-5)
    assert lessons.Scales([], distance="mse").apart(gap).item() == pytest.approx(
        np.mean([9, 1, 0, np.square(waves).mean()]), rel=1e-5)


def quantile_rule(data, model, teachers=(), spread=None, **how):
    rule = lessons.Quantiles(teachers, spread, **how)
    rule.prepare(model)
    return rule


@pytest.mark.parametrize("family", ["nbeats", "fits", "profile_linear"])
def test_quantiles_do_not_cross_and_the_middle_is_the_network(data, family):
    model = models.build(family, sorted(models.module(family).WIDTHS)[0], data, 0)
    rule = quantile_rule(data, model)
    torch.nn.init.normal_(rule.head.weight)
    made = rule.predict(model.eval(), data, data.origins("val"))
    np.testing.assert_array_equal(made[..., 4], training.predict(model, data, data.origins("val")))
    assert (np.diff(made, axis=-1) >= 0).all() and (np.diff(made, axis=-1) > 0).mean() > 0.9


@pytest.mark.parametrize("gaps", [0, 60])
def test_the_loss_of_quantiles_by_hand(gaps):
    data = made_up(gaps=gaps)
    model = models.build("lstm", 4, data, 0).eval()
    origins = data.origins("train")
    said = teaching.said([models.build("nbeats", 4, data, 1)], data, origins)
    spread = teaching.spread([model], data)
    rule = quantile_rule(data, model, [said], spread, share=0.25)
    windows, draw = training.Windows(data), np.random.default_rng(0)
    drawn = torch.from_numpy(draw.integers(0, data.C, 50)), torch.from_numpy(draw.choice(origins, 50))
    rule.drawn(windows, *drawn)
    window, (y, seen) = windows.inputs(*drawn), windows.targets(*drawn)
    yhat = model(*window)
    ours = (yhat[..., None] + rule.offsets(window[0], yhat)).detach().numpy()
    truth = np.where(1 if seen is None else seen.numpy(), y.numpy(), np.nan)
    plain = torch.tensor(np.nanmean(np.abs(yhat.detach().numpy() - truth)))
    pinball = 2 * teaching.judged(ours, truth)[0]
    theirs = said.at(*drawn)[..., None] + spread.at(*drawn)[:, :, None]
    expected = 0.75 * pinball + 0.25 * np.abs(ours - theirs.numpy()).mean()
    assert rule.loss(plain, window, y, yhat).item() == pytest.approx(expected, rel=1e-5)
    alone = quantile_rule(data, model)
    alone.head.load_state_dict(rule.head.state_dict())
    alone.drawn(windows, *drawn)
    yhat = model(*window)  # once more, for the hooks of this rule
    assert alone.loss(plain, window, y, yhat).item() == pytest.approx(pinball, rel=1e-5)
    assert (seen is not None) == bool(gaps)


def test_quantiles_are_learnt():
    data = made_up(steps=4000)
    noise = np.random.default_rng(2).normal(size=data.y.shape)  # nothing to forecast but how wide it is
    plain = replace(data, y=data.unscale(noise), x=noise.astype(np.float32))
    model, rule = models.build("nbeats", 4, data, 0), lessons.Quantiles(())
    training.fit(model, plain, Budget(150, 64, 5e-3), 0, rule)
    pinball, coverage = teaching.judged(rule.predict(model, plain, plain.origins("test")), noise[
        plain.origins("test")[:, None] + np.arange(plain.H)])
    right, _ = teaching.judged(stats.norm.ppf(teaching.QUANTILES)[None].repeat(noise.size, 0), noise.ravel())
    assert coverage == pytest.approx(0.8, abs=0.08) and pinball < 1.1 * right


def test_a_hint_draws_the_student_s_features_to_the_teacher_s(data):
    teacher, gaps = models.build("nbeats", 8, data, 5), {}
    said = [teaching.said([teacher], data, data.origins("train"))]
    for share in (0.0, 0.9):
        student = models.build("lstm", 4, data, 1)
        rule = lessons.Hint(said, clone(teacher), share)
        seen, loss = [], rule.loss
        rule.loss = lambda *batch, loss=loss, rule=rule, seen=seen: seen.append(
            (loss(*batch) - Distil.loss(rule, *batch)).item() / max(rule.share, 1e-9)) or loss(*batch)
        fit = training.fit(student, data, Budget(60, 32, 1e-2), 0, rule)
        gaps[share] = np.mean(seen[-5:])
        own = 3 * (cost.profile(student).macs + rule.projection.weight.numel()) + cost.profile(teacher).macs
        assert fit.spent.macs == 60 * 32 * own + said[0].macs
    assert 0 < gaps[0.9] < 0.8, "of features of variance 1"


def test_a_rate_trained_network_goes_on_hearing_its_teachers(data):
    model, teacher = models.build("profile_mlp", 8, data, 0), models.build("lstm", 8, data, 5)
    said = training.predict(teacher, data, data.origins("test"))
    made = {teachers: rate.compress(Task(model, data, Budget(60, 32, 5e-3), 0, 0.01, "factors", teachers=teachers))
            for teachers in ((), (teacher,))}
    taught, alone = made[teacher,], made[()]
    gaps = [np.abs(training.predict(one.model, data, data.origins("test")) - said).mean() for one in (taught, alone)]
    assert gaps[0] < gaps[1]
    assert taught.parents == ("start", "teachers") and alone.parents == ("start",)
    asked = len(data.origins("train")) * data.C * cost.profile(teacher).macs
    assert taught.spent.macs == alone.spent.macs + asked
