"""Chains and techniques side by side in the report: what is told of them, by hand-made rows."""

import re

import pandas as pd
from made import add_rows, make_study, network

from litecast.report import facts, pages, words
from litecast.report.facts import tables
from litecast.results import techniques


def chain_rows(dataset="sample-traffic", model="lstm"):
    """Two orders of two steps behind the dense network of seed 0, the first to a third of the bytes."""
    common = {"seed": 0, "level": "0.5+0"}
    dense = f"{dataset}/{model}/dense/-/float32/s0"
    cut = network("runs/c", dataset, model, "cut", 0.11, 20000, variant="l2-float32", level="0.5", seed=0,
                  route="cut 0.5", parent_id=dense)
    taught = network("runs/t", dataset, model, "teach", 0.10, 30920, variant="mean-float32", level="0", seed=0,
                     route="teach 0", parent_id=dense)
    return [cut, taught,
            network("runs/ct", dataset, model, "cut+teach", 0.105, 20000, "int8", **common, route="cut 0.5 > teach 0",
                    parent_id=cut["row_id"]),
            network("runs/tc", dataset, model, "teach+cut", 0.12, 20000, "int8", seed=0, level="0+0.5",
                    route="teach 0 > cut 0.5", parent_id=taught["row_id"])]  # fmt: skip


def test_chains_are_told_step_by_step_and_by_their_order(reports):
    add_rows(make_study(seeds=(0,)), chain_rows())
    made = facts.read("made")
    lines = tables.chains(made).set_index("order")
    assert [round(size) for size in lines.way["cut 0.5 > teach 0"]] == [124580, 80900, 22900]
    shown = list(pages.chains(made))
    said = re.sub(r"\s+", " ", shown[0].data)
    assert "of 2 orders of cut 50 % + teach 0, the best on validation is cut 50 % > teach 0 (10.71 %" in said
    assert [one.mark["kind"] for one in shown[1:]] == ["figure", "figure", "table"]
    assert "125 → 80.9 → 22.9" in shown[-1].data["text/markdown"]


def test_the_smallest_files_are_told_once_for_all_their_margins(reports):
    make_study(seeds=(0,))
    made = facts.read("made")
    claims = made.claims[made.claims.technique == "channel_pruning"].assign(verdict="within")
    made.smallest = techniques.smallest(made.rows, claims)
    [(dataset, lines)] = tables.smallest(made)
    assert dataset == "sample-traffic" and lines.within.tolist() == [[0.01, 0.02, 0.05]]
    said = list(pages.side_by_side(made))
    assert "of 1 of 1 technique or chain are shown to be; the smallest is lstm, channel pruning 50 % (l1-int8)" in (
        re.sub(r"\s+", " ", said[0].data))
    assert "1 %, 2 % and 5 %" in re.sub(r"[^\S\n]", " ", said[1].data["text/markdown"])
    marked = [one.mark["kind"] for one in said if hasattr(one, "mark")]  # smallest, which to use, one of each, forgets
    assert marked == ["table", "table", "figure", "figure", "table"]
    assert said[-2].data.startswith("### Forecast bands") and said[-1].mark["kind"] == "table"


def test_a_series_held_out_is_told_by_what_validation_chose(reports):
    folder = next(make_study(seeds=(0,)).glob("runs/*/dataset=sample-traffic,model=lstm,seed=0"))  # a run that counts
    shared = {"dataset": "sample-traffic", "model": "lstm", "seed": 0, "site": "Road 3", "share": 0.1, "windows": 400,
              "trained": 33, "update_bytes": 1200, "seconds": 1.5, "peak_mb": 12.0, "threads": 1}
    lines = [shared | {"moves": "last", "val_wape": 0.06, "test_wape": 0.08},
             shared | {"moves": "all", "val_wape": 0.05, "test_wape": 0.09},
             shared | {"moves": "scratch", "val_wape": 0.04, "test_wape": 0.1}]
    pd.DataFrame(lines).to_csv(folder / "transfer.csv", index=False)
    shown = list(pages.transferred(facts.read("made")))
    said = re.sub(r"\s+", " ", shown[0].data)
    assert "With 10 % of the history of Road 3 (400 windows), lstm is best on validation" in said
    assert "what moves is every weight: test WAPE 9.00 % against 10.00 % of the same network from scratch" in said
    assert "1.2 kB to keep, 1.5 s on 1 thread" in said
    assert "the last layer" in shown[1].data["text/markdown"] and "Road 3" in shown[1].data["text/markdown"]


def test_a_study_without_chains_or_verdicts_says_so(reports):
    make_study(seeds=(0,))
    made = facts.read("made")
    assert [getattr(one, "data", "") for one in pages.chains(made)][0].startswith("No chain of techniques")
    assert "No technique has been held against" in next(pages.side_by_side(made)).data
    assert list(pages.transferred(made)) == []


def test_routes_and_counts_in_words():
    assert words.way("channel_pruning 0.5 > int8 8") == "channel pruning 50 % > int8 8"
    assert words.count(1, "chain") == "1 chain" and words.count(2, "one or all", "some") == "2 some"
