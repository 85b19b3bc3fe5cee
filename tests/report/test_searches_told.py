"""Searches in the report: verdicts, costs and replays where there are any, nothing where there are none."""

import re

import pandas as pd
import pytest
from made import add_rows, make_study, network

from litecast.report import facts, pages
from litecast.results import searched

DATA, MODEL = "sample-traffic", "lstm"


def searched_rows():
    """Two levels of a search, one of them with its control left to chance."""
    common = {"variant": "bytes-int8", "seed": 0, "train_macs": 3e12}
    return [network("runs/400_netadapt/x", DATA, MODEL, "netadapt", wape, size, "int8", level=level, **common, **more)
            for level, wape, size, more in (
                ("0.25", 0.105, 20_000, {"selected": 0}), ("0.5", 0.108, 12_000, {"selected": 1}),
                ("0.5", 0.12, 12_000, {"role": "control", "control": "random"}))]  # fmt: skip


@pytest.fixture
def study(reports):
    rows = searched_rows()
    add_rows(make_study(seeds=(0,)), rows)
    folder = reports / "made"
    line = {"dataset": DATA, "model": MODEL, "technique": "netadapt", "variant": "bytes-int8", "level": "0.5",
            "row": rows[1]["row_id"], "bytes": 14_100, "test_wape": 0.108, "p_holm": 0.01, "blocks": 9.0}
    lines = [line | {"against": "random", "reference": rows[2]["row_id"], "delta": -0.1, "low": -0.12, "high": -0.08,
                     "verdict": "better", "reference_wape": 0.12},
             line | {"against": "hand", "reference": "x", "delta": 0.01, "low": -0.01, "high": 0.03,
                     "verdict": "undecided", "reference_wape": 0.107}]  # fmt: skip
    pd.DataFrame(lines).reindex(columns=searched.COLUMNS).to_csv(folder / "searches.csv", index=False)
    return folder


def said(one) -> str:
    return re.sub(r"\s+", " ", one.data if isinstance(one.data, str) else one.data["text/markdown"])


def test_a_search_is_told_against_each_of_its_rivals(study):
    made = facts.read("made")
    cost = {"dataset": DATA, "model": MODEL, "technique": "netadapt", "control": "", "macs": 1e9, "seconds": 12.0}
    made.costs = pd.DataFrame([cost | {"evaluations": 40}, cost | {"evaluations": 5, "control": "random"}])
    paragraph, figure, table = pages.searched(made)
    assert "**NetAdapt**: a search tries 40 points (median)" in said(paragraph)
    assert "Against the control *random* it is better in 1, worse in 0 and undecided in 0 of 1 case." in said(paragraph)
    assert "Against the best by hand it is better in 0, worse in 0 and undecided in 1 of 1 case." in said(paragraph)
    assert figure.mark["kind"] == "figure" and figure.data["image/svg+xml"].count("notebook.html") >= 2
    assert "−10.0" in said(table) or "-10.0" in said(table)
    assert "the best by hand" in said(table) and "12.00 %" in re.sub("\xa0", " ", said(table))


def test_replays_are_told_beside_chance(study):
    lines = [{"dataset": DATA, "model": MODEL, "seed": 0, "search": name, "evaluations": count, "replay": replay,
              "unique": count, "proposals": count + 2, "macs": 1.0, "volume": volume + 0.01 * replay, "regret": 0.01}
             for name, volumes in (("random", (0.7, 0.8)), ("greedy", (0.75, 0.95)))
             for count, volume in zip((10, 40), volumes, strict=True) for replay in range(2)]  # fmt: skip
    made = facts.read("made")
    made.replays = pd.DataFrame(lines)
    *_, table = shown = list(pages.searched(made))
    assert "after 40 evaluations greedy covers 95.5 % of the table's hypervolume" in said(shown[0]).replace("\xa0", " ")
    assert "chance 80.5 %" in said(shown[0]).replace("\xa0", " ")
    assert "10 evaluations" in said(table) and said(table).index("greedy") < said(table).index("random")


def test_a_study_without_a_search_is_silent(reports):
    make_study(seeds=(0,))
    assert list(pages.searched(facts.read("made"))) == []
