"""One evaluation: the file's own error and bytes, everything that it cost, and nothing of test."""

import numpy as np
import pandas as pd
import pytest

from litecast import modelfile, models, training
from litecast.compress import Task, clone, matrices, storages, trial
from litecast.data.frame import Header, from_wide
from litecast.data.windows import prepare
from litecast.experiment.look import Look
from litecast.search import Knob, Purse, Space, Trail, chance, run
from litecast.training import BACKWARD, Budget, Spent, cost

BUDGET = Budget(steps=8, batch=16, lr=5e-3)
SPACE = Space((Knob("width", (4, 8, 16)),))


@pytest.fixture(scope="module")
def data():
    values = 50 + np.random.default_rng(0).normal(0, 2, (400, 2)).cumsum(0)
    times = pd.date_range("2024-01-01", periods=400, freq="h")
    return prepare(from_wide(Header("made-up", "items", "h", 24, 48, 6), pd.DataFrame(values, times, ["a", "b"])))


def task(data, **more):
    return Task(models.build("profile_mlp", 8, data), data, BUDGET, 0, 4, "absolute", look=Look(data), **more)


def test_what_is_seen_is_the_file(data, tmp_path):
    asked, model = task(data), models.build("profile_mlp", 8, data, 1)
    found = trial.fresh(model, asked)
    file, path = storages.export(model, "int8"), tmp_path / "net.litecast"
    modelfile.save(path, model, file.codecs, modelfile.Card.of(data), file.held)
    assert found["cost"] == path.stat().st_size
    assert found["error"] == Look(data).error(modelfile.load(path).model) != Look(data).error(model)


def test_a_share_of_the_steps_is_trained_and_looks_are_counted(data):
    asked, model = task(data), models.build("profile_mlp", 8, data, 1)
    again = clone(model)
    found = trial.fresh(model, asked)
    macs = cost.profile(model).macs
    assert found["more"]["steps"] == 2 and asked.look.spent.macs % macs == 0
    assert found["macs"] == BACKWARD * 2 * BUDGET.batch * macs + asked.look.spent.macs
    training.fit(again, data, BUDGET.of_steps(2), 0)
    assert all((a == b).all() for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_test_windows_do_not_matter(data, monkeypatch):
    asked = task(data)
    origins = type(data).origins

    def without_test(self, part):
        assert part != "test"
        return origins(self, part)

    monkeypatch.setattr(type(data), "origins", without_test)
    assert trial.fresh(models.build("profile_mlp", 8, data, 1), asked)["error"] > 0


def test_a_decoded_network_is_a_copy(data):
    asked, model = task(data), models.build("profile_mlp", 8, data, 1)
    before = clone(model)
    trial.seen(model, storages.export(model, "int2"), Spent(), asked)
    assert all((a == b).all() for a, b in zip(model.parameters(), before.parameters(), strict=True))
    matrices.put(before, storages.export(model, "int2").held)
    found = trial.seen(model, storages.export(model, "int2"), Spent(), asked)["error"]
    assert found == Look(data).error(before)


def test_a_trail_holds_all_that_was_spent_and_looks_count_once(data, tmp_path):
    def searched(evaluations):
        asked = task(data)
        trail = Trail(SPACE, lambda values: trial.fresh(models.build("profile_mlp", values["width"], data, 1), asked),
                      Purse(evaluations), tmp_path / "trail.csv")
        run(chance.propose(SPACE, None, np.random.default_rng(0)), trail)
        return trail, asked.look.spent.macs, trial.spent(trail, asked.look.spent.macs)

    half, looked, paid = searched(2)
    assert paid.macs + looked == half.macs and paid.steps == 4 and paid.seconds > 0
    whole, looked, paid = searched(3)  # goes on: two are on the trail, their looks were another call's
    assert paid.macs + looked == whole.macs > half.macs and paid.steps == 6
    assert list(whole.table.width) != [] and set(whole.table.columns) >= {"error", "cost", "macs", "steps", "train_s"}
