"""The reference, and information against compression, as the report tells of them."""

import re

import numpy as np
import pytest
from made import GAINS, add_rows, make_study, row, told_rows, told_tests

from litecast.figures import fronts
from litecast.report import facts, pages, words
from litecast.report.facts import paragraphs, tables


def plain(text):
    return text.replace("\u00a0", " ")


def told(made, name):
    return plain(" ".join(pages.told(made, name).data.split()))


@pytest.fixture
def made(reports):
    return study()


def study(gains=None, tests=True, datasets=("sample-traffic",)):
    folder = make_study(models=("lstm",), failed=0, datasets=datasets)
    rows = told_rows("sample-traffic", gains)
    add_rows(folder, rows.to_dict("records"))
    if tests:
        told_tests(rows).to_csv(folder / "information.csv", index=False)
    return facts.read("made")


def test_page_1_says_that_the_best_is_a_mean_of_so_many_files(made):
    said = told(made, "answer")
    assert "the smallest forecaster within 2 % of the best forecaster of any size takes **60 kB**: mean of 2" in said
    shown = words.written("answer", tables.answer(made))
    assert list(shown.file[3:]) == ["mean of 2 files"] * 3 and list(shown.kB[3:]) == ["60"] * 3
    rings = map(plain, pages.rings(tables.answer(made)).values())
    assert "64 kB, within 2 % of best, any size: mean of 2 files" in rings
    figure = fronts.trade(made.files, {}, "sample-traffic")
    assert "reference" in [text.get_text() for text in figure.axes[0].texts]
    assert "2 means of several files" in told(made, "findings")


def test_page_1_tells_the_reference_also_where_another_is_the_best(reports):
    folder = make_study(models=("lstm",), failed=0)
    add_rows(folder, [row("r", "sample-traffic", "reference", "ensemble", 0.2, role="ensemble", level="5", bytes=9e4)])
    assert "The reference, a mean of 5 files (90 kB), errs 20.00 %." in told(facts.read("made"), "answer")


def test_a_mean_of_one_file_is_not_told_twice(reports):
    folder = make_study(models=("lstm",), failed=0)
    add_rows(folder, [row("r", "sample-traffic", "reference", "ensemble", 0.2, role="ensemble", level="1", bytes=9e4)])
    assert "he reference" not in told(facts.read("made"), "answer")


def test_without_a_reference_nothing_is_said_of_one(reports):
    make_study(models=("lstm",), failed=0)
    made = facts.read("made")
    assert made.reference("sample-traffic") == {} and "eference" not in told(made, "answer")
    assert "No network was told more or less than its family" in told(made, "information")
    assert "Information" not in told(made, "findings") and len(list(pages.information(made))) == 1


def test_information_is_told_with_its_numbers(made):
    [line] = paragraphs.information(made)["datasets"]
    assert (line["pairs"], line["helps"], line["harms"]) == (4, 4, 0)
    most, least = GAINS["profile_mlp"], GAINS["profile_mlp@none"]
    assert (line["more"]["model"], line["less"]["model"]) == ("profile_mlp", "profile_mlp@none")
    assert line["most"]["gain"] == pytest.approx(1 - most / least) and line["larger"] == 1
    assert line["cheapest"]["val_wape"] < line["less"]["val_wape"] and line["cheapest"]["level"] == "16"
    assert line["times"] == pytest.approx(line["less"]["bytes"] / line["cheapest"]["bytes"])
    said = told(made, "information")
    assert "shown to help in 4 of 4 pairs of the same family and width. The widest apart on validation: prof" in said
    assert "errs 7.90 % on test, 20.2 % less than profile mlp (no week) (9.90 %; helps), in 1.0 times the bytes" in said
    assert "even profile mlp of width 16 (int4), 1.7 kB, errs less on validation than profile mlp (no week)" in said
    assert said.removeprefix("- On ") in told(made, "findings")


def test_what_is_added_to_a_family_is_told_in_the_same_direction(reports):
    made = study({"nbeats": 0.10, "nbeats@own": 0.08})
    [line] = paragraphs.information(made)["datasets"]
    assert (line["more"]["model"], line["less"]["model"]) == ("nbeats@own", "nbeats")
    assert line["most"]["gain"] == pytest.approx(0.2) and line["larger"] > 1


def test_information_that_harms_is_said_to_harm(reports):
    said = told(study({"nbeats": 0.08, "nbeats@own": 0.10}), "information")
    assert "help in 0 of 1 pair of the same family and width, and to harm in 1." in said
    assert "nbeats (own week) of width 32 errs 10.00 % on test, 25.0 % more than nbeats (8.00 %; harms)" in said
    assert "no technique's" not in said


def test_tables_tell_what_each_is_told_and_what_it_loses(made):
    [(_, told_), ], [(_, lacking)] = list(tables.information(made)), list(tables.ablation(made))
    shown, lost = words.written("information", told_), words.written("ablation", lacking)
    assert shown.shape[1] <= 10 and lost.shape[1] <= 10
    own = shown.set_index("model").loc["nbeats (own week)"].map(plain)
    assert (own["what it is told"], own["gain by information"], own.verdict) == (
        "the usual week of each series", "+20.0 %", "helps")  # fmt: skip
    assert list(shown.model)[:2] == ["nbeats", "nbeats (own week)"] and shown.verdict[0] == "–"
    assert dict(zip(lost.model, lost["against full"].map(plain), strict=True)) == {
        "profile mlp": "–", "profile mlp (anonymous)": "+6.3 %", "profile mlp (no week)": "+25.3 %",
        "profile mlp (weekdays only)": "+0.6 %"}  # fmt: skip
    assert list(lost.verdict) == ["–", "worse", "worse", "undecided"]
    assert np.isclose(lacking.change[2], 0.099 / 0.079 - 1)


def test_without_tests_nothing_is_shown_to_help(reports):
    made = study(tests=False)
    assert set(made.information.helps) == {"untested"}
    said = told(made, "information")
    assert "is shown to help in 0 of 4 pairs" in said and "; not tested)" in said


def test_the_section_has_a_picture_and_both_tables_of_the_dataset_that_has_pairs(reports):
    made = study(datasets=("a-data", "sample-traffic"))
    paragraph, *shown = pages.information(made)
    assert [one.mark["kind"] for one in shown] == ["figure", "table", "table"]
    assert all("on sample-traffic" in one.mark["caption"] for one in shown)
    assert "dashed: the reference" in shown[0].mark["caption"]
    assert re.search(r"nbeats@own,seed=0/notebook.html|nbeats%40own%2Cseed%3D0", shown[0].data["image/svg+xml"])
