"""Searches against their controls and against what was made by hand: who is held against whom, by hand-made rows."""

import numpy as np
import pandas as pd
import pytest

from litecast import results
from litecast.results import searched

DATA = {"dataset": "roads", "model": "lstm", "runtime": "torch", "seed": 0, "L": 168, "H": 24}


def line(technique, size, wape, level="4", control="", **more):
    role = "control" if control else "dense" if technique == "dense" else "compressed"
    base = DATA | {"technique": technique, "role": role, "variant": "int8", "level": level, "control": control,
                   "bytes": size, "val_wape": wape, "test_wape": wape, "val_skill": 0.5, "selected": not control,
                   "artefact": f"{technique}{size}{control}", "run": f"runs/{technique}/x"} | more  # fmt: skip
    return base | {"row_id": results.row_id(base)}


@pytest.fixture
def rows():
    return results.typed(pd.DataFrame([
        line("dense", 40_000, 0.10, level="16", variant="float32"),
        *(line("width", size, wape, level) for size, wape, level in (
            (3_500, 0.14, "2"), (3_900, 0.12, "3"), (9_000, 0.11, "8"))),
        line("netadapt", 4_000, 0.11), line("netadapt", 4_000, 0.20, control="random"),
        line("netadapt", 4_000, 0.115, control="uniform"), line("netadapt", 9_500, 0.105, level="9", selected=0),
        line("channel_pruning+netadapt", 3_600, 0.13, level="0.5+4")]))  # fmt: skip


def losses(rows, seed=0):
    """Per origin: the row's error of everything, and a little noise of its own."""
    draw, origins = np.random.default_rng(seed), pd.date_range("2024-01-01", periods=800, freq="h")
    return pd.concat([pd.DataFrame({"row_id": row.row_id, "series": "a", "origin": origins, "abs_y": 1.0, "sq_err": 0.0,
                                    "abs_err": row.test_wape * (1 + draw.normal(0, 0.05, len(origins)))})
                      for row in rows.itertuples()])  # fmt: skip


def test_a_search_is_known_by_its_notebook(rows):
    assert "netadapt" in searched.techniques() and "net2net" not in searched.techniques()
    assert searched.is_searched(rows).tolist() == [False] * 4 + [True] * 5


def test_controls_of_the_same_level_and_the_best_by_hand_no_larger_are_rivals(rows):
    found = {(pair.rows[0], pair.reference[0]) for pair in searched.pairs(rows)}
    name = "roads/lstm/{}/{}/int8/s0".format
    assert found == {(name("netadapt", 4), name("netadapt", 4) + "/random"),
                     (name("netadapt", 4), name("netadapt", 4) + "/uniform"), (name("netadapt", 4), name("width", 3)),
                     (name("channel_pruning+netadapt", "0.5+4"), name("width", 2))}  # fmt: skip


def test_verdicts_say_against_whom_and_by_how_much(rows):
    told = searched.compare(rows, losses(rows))
    assert list(told.columns) == searched.COLUMNS
    by = told[told.technique == "netadapt"].set_index("against")
    assert by.verdict.to_dict() == {"random": "better", "uniform": "better", "hand": "better"}
    assert by.delta["random"] == pytest.approx(0.11 / 0.20 - 1, abs=0.01) and by.low["hand"] < by.delta["hand"] < 0
    assert by.reference_bytes["hand"] == 3_900 and by.reference_wape["uniform"] == 0.115


def test_a_study_without_a_search_has_no_line(rows):
    plain = rows[~searched.is_searched(rows)]
    assert searched.compare(plain, losses(plain)).empty


def test_costs_are_those_of_the_trails(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    run = tmp_path / "s/runs/400_netadapt/dataset=roads,model=lstm,seed=0"
    run.mkdir(parents=True)
    pd.DataFrame({"macs": [5, 7], "seconds": [1.0, 2.0]}).to_csv(run / "bytes.search.csv", index=False)
    pd.DataFrame({"macs": [1], "seconds": [1.0]}).to_csv(run / "random.search.csv", index=False)
    (run / "results.csv").write_text("")
    told, chance = searched.costs("s").to_dict("records")
    assert (told["control"], chance["control"], chance["search"]) == ("", "random", "random")
    assert (told["technique"], told["search"], told["evaluations"], told["macs"]) == ("netadapt", "bytes", 2, 12)
    assert told["dataset"] == "roads" and searched.costs("none").empty
