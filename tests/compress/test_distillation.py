"""Distillation: who the student is, that the teacher is heard, and what the control leaves out."""

import numpy as np
import pandas as pd
import pytest
import torch

from litecast import modelfile, models, training
from litecast.compress import Task, distillation, teaching
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.errors import LitecastError
from litecast.training import cost

BUDGET = training.Budget(40, 16, 5e-3, retrain_steps=5)


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (400, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 96, 6), pd.DataFrame(values, times, ["a", "b"])))


def taught(data, level, control="", teachers=None, start=None, seed=0, variant="mean"):
    start = models.build("nbeats", 8, data, 1) if start is None else start
    teachers = (models.build("lstm", 8, data, 5),) if teachers is None else teachers
    return distillation.compress(Task(start, data, BUDGET, seed, level, variant, teachers=teachers, control=control))


def asked(data):
    """Multiply-accumulates of a teacher's forecasts of all train windows."""
    return len(data.origins("train")) * data.C * cost.profile(models.build("lstm", 8, data)).macs


@pytest.mark.parametrize("family", [n for n in models.names() if len(models.module(n).WIDTHS) > 1])
def test_a_student_is_the_same_family_with_less_width(data, family):
    dense = models.build(family, sorted(models.module(family).WIDTHS)[-2], data, 0)
    student = models.narrowed(dense, 0.5, data, 3)
    assert type(student) is type(dense) and cost.profile(student).params < cost.profile(dense).params
    same, other = models.narrowed(dense, 0.5, data, 3), models.narrowed(dense, 0.5, data, 4)
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(student.parameters(), other.parameters(), strict=True))


def test_half_the_width_is_the_config_of_half_the_width(data):
    dense = models.build("lstm", 16, data, 0)
    assert models.narrowed(dense, 0.5, data, 0).config == models.build("lstm", 8, data).config


def test_what_has_no_width_cannot_be_narrowed(data):
    with pytest.raises(LitecastError, match="this dlinear has no width that could be smaller by 0.5"):
        models.narrowed(models.build("dlinear", 1, data), 0.5, data, 0)


def test_a_fresh_student_takes_a_whole_training_and_its_teachers_forward_passes(data):
    made = taught(data, 0.5)
    own = 40 * 16 * 3 * cost.profile(made.model).macs
    assert made.spent.steps == 40 and made.spent.macs == own + asked(data)
    assert made.parents == ("teachers",) and list(made.files) == list(distillation.STORAGES)
    assert list(made.story) == ["step", "train_loss", "val_loss", "gmacs", "pinball", "coverage"]
    first, last = made.story.gmacs.iloc[[0, -1]] * 1e9
    assert first == pytest.approx(asked(data)) and last == pytest.approx(made.spent.macs)


def test_the_control_is_the_same_student_without_the_teacher(data):
    made, alone, again = taught(data, 0.5), taught(data, 0.5, "no_teacher"), taught(data, 0.5, "no_teacher", ())
    assert models.describe(alone.model) == models.describe(made.model) and alone.parents == ()
    assert alone.spent.macs == 40 * 16 * 3 * cost.profile(alone.model).macs
    weights = [torch.cat([p.flatten() for p in one.model.parameters()]) for one in (made, alone, again)]
    assert torch.equal(weights[1], weights[2]) and not torch.equal(weights[0], weights[1])


def test_level_zero_teaches_what_it_is_given(data):
    start = models.build("nbeats", 8, data, 1)
    before = [p.clone() for p in start.parameters()]
    made = taught(data, 0.0, start=start)
    assert made.spent.steps == 5 and made.parents == ("start", "teachers")
    assert models.describe(made.model) == models.describe(start)
    assert all(torch.equal(a, b) for a, b in zip(before, start.parameters(), strict=True))


def test_the_teacher_is_heard_and_left_as_it_was(data):
    teacher = models.build("lstm", 8, data, 5)
    before, origins = [p.clone() for p in teacher.parameters()], data.origins("test")
    said = training.predict(teacher, data, origins)
    gap = {control: np.abs(training.predict(taught(data, 0.5, control, (teacher,)).model, data, origins) - said).mean()
           for control in ("", "no_teacher")}  # fmt: skip
    assert gap[""] < gap["no_teacher"]
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


@pytest.mark.parametrize("variant", distillation.VARIANTS)
def test_every_lesson_makes_another_student_of_the_same_bytes(data, tmp_path, variant):
    plain, made = taught(data, 0.5), taught(data, 0.5, variant=variant)
    assert models.describe(made.model) == models.describe(plain.model)
    weights = [torch.cat([p.flatten() for p in one.model.parameters()]) for one in (plain, made)]
    assert torch.equal(*weights) == (variant == "mean")
    file = made.files["float32"]
    sizes = [modelfile.save(tmp_path / "m", one.model, file.codecs, modelfile.Card.of(data), one.files["float32"].held)
             for one in (plain, made)]
    assert sizes[1] == pytest.approx(sizes[0], abs=8)
    loaded = modelfile.load(tmp_path / "m").model
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in made.model.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in made.model.modules())
    step = 3 * cost.profile(made.model).macs
    extra = {"mean": 0, "scales": 0, "hint": None, "augmented": 40 * 16 * step + 3 * asked(data)}.get(variant)
    if extra is not None:
        assert made.spent.macs == 40 * 16 * step + asked(data) + extra
    assert made.story.pinball.nunique() == 1 and 0 <= made.story.coverage.iloc[0] <= 1


def test_without_a_teacher_quantiles_learn_from_the_truth(data):
    alone, plain = (taught(data, 0.5, "no_teacher", variant=variant) for variant in ("quantile", "mean"))
    head = 3 * 8 * data.H * 4  # eight quantiles of what a layer of four reads
    assert alone.parents == () and alone.spent.macs == 40 * 16 * (3 * cost.profile(alone.model).macs + head)
    again = taught(data, 0.5, "no_teacher", (), variant="soft")
    assert alone.story.pinball[0] == again.story.pinball[0] != plain.story.pinball[0]


def test_a_softer_lesson_is_a_wider_one(data):
    narrow, wide = (taught(data, 0.5, variant=variant).story.coverage[0] for variant in ("quantile", "soft"))
    assert narrow < wide


def test_a_hint_needs_a_network(data):
    with pytest.raises(LitecastError, match="none of these teachers is a network"):
        taught(data, 0.5, teachers=(Silent([], 0),), variant="hint")


class Silent(teaching.Files):
    """A teacher of files that are no networks."""

    def forecast(self, data, origins):
        return np.zeros((len(origins), data.H, data.C), np.float32)
