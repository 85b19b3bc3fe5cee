"""Which file to deploy: within every budget, by hand; what would do where nothing fits; why none of the others."""

import pandas as pd
import pytest

from litecast import results
from litecast.results.decision import Budgets, decide, kind, ranked


def line(model, technique, size, wape, role="dense", artefact=None, **more):
    base = {"dataset": "shop", "model": model, "technique": technique, "role": role, "seed": 0, "variant": "float32",
            "level": str(size), "bytes": size, "val_wape": wape, "test_wape": 2 * wape, "runtime": "torch",
            "artefact": f"{model}-{technique}-{size}" if artefact is None else artefact} | more  # fmt: skip
    return base | {"row_id": results.row_id(base)}


@pytest.fixture
def rows():
    return results.typed(pd.DataFrame([
        line("seasonal_naive", "classical", 0, 0.20, "naive", "", variant=""),
        line("arima", "classical", None, 0.098, "dense", "", variant=""),
        line("boosting", "classical", 90_000, 0.11, variant=""),
        line("nbeats@own", "dense", 60_000, 0.100), line("nbeats@own", "rate", 16_000, 0.101, "compressed"),
        line("profile_mlp", "width", 6_000, 0.103), line("profile_mlp", "rate", 3_000, 0.12, "compressed"),
        line("profile_mlp", "rate", 2_000, 0.25, "compressed"),
        line("nbeats@own", "ensemble", 180_000, 0.095, "ensemble", "")]))  # fmt: skip


def chosen(rows, timed=None, **budgets) -> float:
    return decide(rows, Budgets(**budgets), timed).chosen["bytes"]


def test_within_a_size_the_lowest_error_and_within_a_loss_the_smallest_file(rows):
    assert chosen(rows, kb=8) == 6_000 and chosen(rows, kb=20) == 16_000 and chosen(rows, kb=1000) == 60_000
    assert chosen(rows, loss=0.10) == 6_000, "against the mean of several files, the best of any size"
    assert chosen(rows, loss=0.30) == 3_000 and chosen(rows, kb=4, loss=0.30) == 3_000


def test_a_free_forecast_is_chosen_where_nothing_beats_it(rows):
    assert chosen(rows, kb=2.5) == 0 and decide(rows, Budgets(kb=2.5)).chosen["model"] == "seasonal_naive"
    assert chosen(rows, loss=2.0) == 0


def test_time_is_a_budget_of_what_was_timed(rows):
    took = {60_000: 0.5, 16_000: 0.4, 6_000: 0.3, 3_000: 0.1}
    timed = {row.row_id: took.get(row.bytes) for row in rows.itertuples()}
    assert chosen(rows, timed, ms=0.35) == 6_000 and chosen(rows, timed, ms=0.1) == 3_000
    assert chosen(rows, timed, ms=0.05) == 0 and chosen(rows, ms=0.35) == 0, "what was not timed may be slow"


def test_where_nothing_fits_the_nearest_is_named_budget_by_budget(rows):
    found = decide(rows, Budgets(kb=4, loss=0.10))
    assert found.chosen == {}
    assert {name: row["bytes"] for name, row in found.nearest.items()} == {"kb": 6_000, "loss": 3_000}
    assert decide(rows, Budgets()).nearest["loss"]["bytes"] == 60_000, "2 % without any budget, and none is one file"


def test_others_are_told_once_for_each_class_and_what_they_break(rows):
    found = decide(rows, Budgets(kb=8, loss=0.10))
    over = {row["kind"]: row["over"] for row in found.others}
    assert over == {"nbeats": ["kb"], "nbeats+rate": ["kb"], "boosting": ["kb", "loss"], "profile_mlp+rate": ["loss"],
                    "free": ["loss"], "arima": ["kb"], "nbeats+ensemble": ["kb"]}  # fmt: skip
    assert found.best["technique"] == "ensemble" and found.free["model"] == "seasonal_naive"
    assert found.chosen["loss"] == pytest.approx(0.103 / 0.095 - 1)


def test_no_choice_reads_test(rows):
    other = rows.assign(test_wape=rows.test_wape.to_numpy()[::-1])
    for budgets in (Budgets(kb=8), Budgets(loss=0.1), Budgets(kb=20, loss=0.3)):
        assert decide(rows, budgets).chosen["row_id"] == decide(other, budgets).chosen["row_id"]


def test_classes_of_candidates():
    assert kind(line("nbeats@own", "rate", 1, 0.1, "compressed")) == "nbeats+rate"
    assert kind(line("naive", "classical", 0, 0.1, "naive")) == "free"


def test_ranked_lines_say_what_they_break(rows):
    lines = ranked(rows, Budgets(kb=8, ms=1), {})
    over = lines.set_index("bytes").over
    assert lines.val_wape.is_monotonic_increasing and over[90_000] == ["kb", "ms"] and over[6_000] == ["ms"]
    assert over[0] == [], "a forecast without a file takes no time"
