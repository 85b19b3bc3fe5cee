"""What telling a network more is worth: which pairs, at which width, in which direction, and how sure that is."""

import numpy as np
import pandas as pd
import pytest

from litecast import catalogue, paths, results
from litecast.figures import style
from litecast.results import information


def net(model, level, wape, size=1000, seed=0, technique="width", storage="float32", **more):
    role = "dense" if storage == "float32" and technique in ("width", "dense") else "compressed"
    return {"dataset": "d", "model": model, "technique": technique, "level": level, "variant": storage, "seed": seed,
            "role": role, "runtime": "torch", "val_wape": wape + 0.01, "test_wape": wape, "bytes": size, "H": 2,
            "artefact": f"{model}-{level}-{storage}-{seed}", "val_skill": 0.1} | more  # fmt: skip


def typed(lines):
    table = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    return table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])


WIDE = [net("nbeats", "16", 0.22), net("nbeats", "32", 0.20), net("nbeats@own", "16", 0.176, 3000),
        net("nbeats@own", "32", 0.15, 4000)]  # fmt: skip


def only(rows):
    [line] = information.tried(rows).to_dict("records")
    return line


def test_a_network_is_held_against_its_family_at_the_width_that_the_family_chose():
    line = only(typed([*WIDE, net("nbeats", "16", 0.22, technique="dense"), net("lstm@own", "16", 0.1)]))
    assert (line["family"], line["word"], line["about"], line["adds"], line["level"]) == (
        "nbeats", "own", "week", True, "16")  # fmt: skip
    assert (line["row_id"], line["base_row"]) == ("d/nbeats@own/width/16/float32/s0", "d/nbeats/width/16/float32/s0")
    assert line["gain"] == pytest.approx(0.2) and line["change"] == pytest.approx(-0.2)
    assert (line["bytes"], line["base_bytes"], line["verdict"], line["helps"]) == (3000, 1000, "untested", "untested")


@pytest.mark.parametrize("more, level", [
    ([], "32"), ([net("nbeats@own", "16", 0.2, technique="dense")], "16"),
    ([net(name, level, 0.2, technique="dense") for name, level in (("nbeats", "16"), ("nbeats@own", "32"))], "16"),
    ([net("nbeats", "64", 0.1), net("nbeats", "64", 0.1, technique="dense")], "32"),
    ([net("nbeats@own", "64", 0.1), net("nbeats", "8", 0.1)], "32"),
], ids=["the widest", "the network's", "the family's first", "the family's not tried", "in common only"])  # fmt: skip
def test_else_the_width_of_the_network_or_the_widest_that_both_have(more, level):
    assert only(typed(WIDE + more))["level"] == level


def test_errors_are_means_over_the_seeds_that_both_have():
    rows = typed([*WIDE, net("nbeats", "32", 0.40, seed=1), net("nbeats@own", "32", 0.15, seed=1),
                  net("nbeats", "32", 0.01, seed=2), net("nbeats@own", "32", 0.9, storage="int8"),
                  net("nbeats@own", "32", 0.01, seed=1, control="extra_epochs", role="control"),
                  net("nbeats@own", "32", 0.01, seed=2, error="diverged")])  # fmt: skip
    line = only(rows)
    assert (line["seeds"], line["base_test_wape"], line["test_wape"]) == (2, pytest.approx(0.3), pytest.approx(0.15))
    assert line["gain"] == pytest.approx(0.5) and len(line["ids"]) == len(line["base_ids"]) == 2


def test_what_a_family_comes_with_is_what_it_lacks_without_it(monkeypatch):
    assert information.by_itself("profile_mlp") == "own" and information.by_itself("nbeats") == "none"
    asked = {(name, word): information.adds(name, word) for name in ("profile_mlp", "nbeats")
             for word in ("own", "shared", "none", "anonymous", "window")}  # fmt: skip
    assert asked == {("profile_mlp", "own"): None, ("profile_mlp", "shared"): False, ("profile_mlp", "none"): False,
                     ("profile_mlp", "anonymous"): False, ("profile_mlp", "window"): False, ("nbeats", "own"): True,
                     ("nbeats", "shared"): True, ("nbeats", "none"): None, ("nbeats", "anonymous"): False,
                     ("nbeats", "window"): False}  # fmt: skip
    line = only(typed([net("profile_mlp", "16", 0.15), net("profile_mlp@none", "16", 0.2),
                       net("profile_mlp@own", "16", 0.1)]))
    assert line["change"] == pytest.approx(1 / 3) and line["gain"] == pytest.approx(0.25) and not line["adds"]


def test_every_word_has_a_meaning_a_kind_and_a_short_name():
    kinds = {word: information.about(word) for word in information.words()}
    assert kinds["own"] == kinds["none"] == "week" and kinds["anonymous"] == "series"
    assert kinds["weekdays"] == kinds["dateless"] == "calendar" and kinds["train"] == "scale"
    assert kinds["fixed"] == "training"
    short = catalogue.literals(paths.PACKAGE / "models" / "information.py")["SHORT"]
    assert set(short) == set(kinds) and len(set(short.values())) == len(short)
    assert style.called("profile_mlp@own") == f"profile mlp ({short['own']})"
    assert style.called("taught mean:nbeats@own-int8") == f"taught mean:nbeats ({short['own']})-int8"
    assert style.called("somebody@else") == "somebody@else"
    assert information.means("nbeats@own") == information.means("profile_mlp") != information.means("nbeats")


def losses(rows, **sizes):
    """Absolute errors of 400 hours, two series: so large on average, by row_id's model and width."""
    rng, times = np.random.default_rng(0), pd.date_range("2024-01-01", periods=400, freq="h")
    common = rng.gamma(9, 1 / 9, 400)
    frames = [pd.DataFrame({"row_id": row.row_id, "series": series, "origin": times, "abs_y": 1.0, "sq_err": 0.0,
                            "abs_err": row.test_wape * common * rng.gamma(400, 1 / 400, 400)})
              for row in rows.itertuples() for series in ("a", "b")]  # fmt: skip
    return pd.concat(frames)


def test_the_verdict_is_that_of_diebold_mariano_on_these_very_rows():
    rows = typed([*WIDE, net("profile_mlp", "16", 0.15), net("profile_mlp@none", "16", 0.2),
                  net("profile_mlp@weekdays", "16", 0.1500001)])  # fmt: skip
    assert information.needed(rows) == [f"d/{name}/float32/s0" for name in (
        "nbeats/width/32", "nbeats@own/width/32", "profile_mlp/width/16", "profile_mlp@none/width/16",
        "profile_mlp@weekdays/width/16")]  # fmt: skip
    tests = information.compare(rows, losses(rows))
    assert set(tests.margin) == {0.0} and len(tests) == 3
    lines = information.tried(rows, tests).set_index("model")
    assert lines.verdict.to_dict() == {"nbeats@own": "better", "profile_mlp@none": "worse",
                                       "profile_mlp@weekdays": "undecided"}
    assert lines.helps.to_dict() == {"nbeats@own": "helps", "profile_mlp@none": "helps",
                                     "profile_mlp@weekdays": "undecided"}  # fmt: skip
    assert lines.delta["nbeats@own"] == pytest.approx(-0.25, abs=0.02)
    other = tests.assign(reference="d/nbeats/width/16/float32/s0")
    assert set(information.tried(rows, other).verdict) == {"untested"}, "a test of another width says nothing"
    turned = tests.verdict.replace({"better": "worse", "worse": "better"})
    harmed = information.tried(rows, tests.assign(verdict=turned))
    assert set(harmed.helps) == {"harms", "undecided"}


def test_information_and_ablation_are_told_with_the_full_one_first():
    names = ("profile_mlp", "profile_mlp@none", "profile_mlp@anonymous", "profile_mlp@train")
    lines = information.tried(typed([*WIDE, *(net(name, "16", 0.1) for name in names)]))
    told, lacking = information.beside(information.told(lines)), information.beside(information.ablation(lines))
    assert list(told.model) == ["nbeats", "nbeats@own", "profile_mlp", "profile_mlp@anonymous", "profile_mlp@none"]
    assert list(lacking.model) == ["profile_mlp", "profile_mlp@anonymous", "profile_mlp@none", "profile_mlp@train"]
    full = told.iloc[0]
    assert (full.test_wape, full.verdict, full.means) == (0.20, "", "no usual week") and np.isnan(full.gain)
    empty = information.tried(typed([]))
    assert empty.empty and information.beside(information.told(empty)).empty


MADE = [net("n", "8", 0.2, 1000, technique="dense"), net("n", "8", 0.2, 1000), net("n", "8", 0.21, 300, storage="int8"),
        net("n", "8", 0.19, 250, storage="int4"), net("n", "4", 0.1, 100, storage="int8"),
        net("n", "0.5", 0.2, 600, technique="cut", storage="l1"),
        net("n", "0.8", 0.3, 400, technique="cut", storage="l1"),
        net("n", "0.7", 0.4, 500, technique="cut", storage="l1"),
        net("n", "0.9", 0.1, 200, technique="cut", storage="l1", control="random", role="control"),
        net("m", "8", 0.2, 1000, technique="dense")]  # fmt: skip


def test_compression_is_a_line_from_dense_down_each_technique():
    found = information.compressed(results.means(typed(MADE)), ["n"])
    lines = {name: list(mine.bytes) for name, mine in found.groupby("technique")}
    assert lines == {"width": [1000, 250], "cut": [1000, 600, 400]}
    assert information.compressed(results.means(typed(MADE)), ["m"]).empty


def test_the_cheapest_file_of_the_more_told_is_chosen_on_validation():
    told = [net("n@own", "8", 0.15, 900), net("n@own", "4", 0.17, 300), net("n@own", "2", 0.19, 90)]
    files = results.means(typed([*told, net("n@own", "1", 0.10, 50, val_wape=0.9), net("n", "1", 0.01, 10)]))
    line = {"dataset": "d", "model": "n@own", "family": "n", "adds": True, "val_wape": 0.16, "base_val_wape": 0.19}
    assert information.cheapest(files, line)["bytes"] == 300
    assert information.cheapest(files, line | {"base_val_wape": 0.1}) == {}
    assert information.cheapest(files, line | {"adds": False, "val_wape": 0.5})["model"] == "n"
