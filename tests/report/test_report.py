"""The report of generated studies, complete and incomplete: its facts, its words and its notebook."""

import ast
import dataclasses
import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made import STORAGES, add_rows, fetched, make_study, network, row, text_of
from pypdf import PdfReader

from litecast import catalogue, paths, results
from litecast.errors import RunError
from litecast.report import facts, pages, words
from litecast.report.exporters import export
from litecast.report.facts import counts, paragraphs, tables
from litecast.report.shown import run_link
from litecast.results import statistics
from litecast.running.cells import papermill


def told(made, paragraph):
    return pages.told(made, paragraph).data


def executed(study, path, **parameters):
    """The report notebook executed as a run of a study executes it."""
    papermill.execute_notebook(paths.NOTEBOOKS / "700_report.ipynb", path, parameters={"study": study, **parameters},
                               engine_name="litecast", kernel_name="python3", progress_bar=False, log_output=False)
    return path


# ---------------------------------------------------------------- the notebook on studies


def test_complete_study(reports, tmp_path):
    folder = make_study(seeds=(0,))
    page_path, pdf_path = export(executed("made", tmp_path / "notebook.ipynb"), folder)
    page, pdf = page_path.read_text(encoding="utf-8"), PdfReader(pdf_path)
    text = re.sub(r"\s+", " ", text_of(pdf))
    figures = len(re.findall(r"<b>Figure \d+\.</b>", page))
    assert figures == page.count("<svg ") - 1 == page.count("<figcaption><b>Figure")  # one is there for telephones, too
    # Trade, split, profile, levels of two techniques, one file of each and what it forgets, the fronts.
    assert figures == 8
    assert f"Figure {figures}." in text and f"Figure {figures + 1}." not in text
    for title in ("Findings", "Data and protocol", "Baselines", "Magnitude pruning", "Channel pruning", "All compared",
                  "Recommendations", "Does validation predict test?", "Limits", "Failed and missing runs",
                  "Provenance"):  # fmt: skip
        assert title in text and title in page
    assert fetched(page) == []
    first = re.sub(r"\s+", " ", pdf.pages[0].extract_text())  # page 1 is the answer: paragraph, figure, table
    assert "On sample-traffic the smallest file within 2 % of the best" in first.replace("\u00a0", " ")
    assert "Figure 1." in first and "Table 1." in first and "any size" in first and "Contents" not in first
    assert "Contents" in pdf.pages[1].extract_text()
    assert "the loss became infinite at step 12" in text  # the failed run's error
    assert "because of" in text  # and what did not run because of it
    assert "generated, not measured" in text
    known = {run_link(run) for run in results.read(folder / "results.csv").run}
    links = {a for a in re.findall(r'<a href="([^"#]+)"', page)} - {None}
    run_links = {a for a in links if a.startswith("runs/") and not a.startswith(("runs/100_", "runs/500_"))}
    assert run_links and run_links <= known
    svg_links = set(re.findall(r'<a href="(runs/[^"]+)"', " ".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))))
    assert svg_links and svg_links <= known


def test_headline_numbers_are_those_of_the_rows(reports):
    make_study()
    made = facts.read("made")
    head = results.headline(made.rows).iloc[0]
    shown = pages.table(made, "headline").data["text/plain"]
    assert words.percent(head.best_wape) in shown
    assert f"{head.small_kb:.3g}" in shown
    said = plain(told(made, "answer"))
    small = made.rows[made.rows.row_id == head.small].iloc[0]
    assert f"**{head.small_kb:.3g} kB**: {small.model}" in said and plain(words.percent(head.free_wape)) in said


def test_front_is_the_best_narrow_file_on_validation_of_at_most_the_same_size(reports):
    make_study(models=("lstm",), seeds=(0,))
    made = facts.read("made")
    assert len(made.selected()) and made.selected().front.notna().any()
    for one in made.selected().itertuples():
        wide = made.rows[(made.rows.technique == "width") & (made.rows.bytes <= one.bytes)]
        expected = wide.test_wape[wide.val_wape.idxmin()] if len(wide) else np.nan
        assert one.front == pytest.approx(expected, nan_ok=True)


def test_profiles_are_means_of_the_stored_forecasts_by_step_hour_and_holiday(reports):
    folder = make_study(models=("lstm",), seeds=(0,))
    made = facts.read("made")
    errors = tables.errors(made, next(made.files[made.files.model == "seasonal_naive"].itertuples()))
    error = {c: errors.dropna(subset=c).set_index(c).error for c in ("step", "series", "hour", "day")}
    assert error["step"].to_dict() == {1: 10.0, 2: 30.0}  # as stored: 10 one step ahead, 30 two steps
    assert set(error["hour"].index) == set(range(24)) and error["hour"][5] == 20.0
    assert set(error["day"].index) == {"holidays", "other days"}  # 2024-03-01 is one in Korea
    assert errors.wape.max() == pytest.approx(0.3)
    assert (folder / "plan.json").exists()


def test_width_is_the_front_and_no_technique(reports):
    make_study(models=("lstm",), seeds=(0,), failed=0)
    made = facts.read("made")
    assert made.techniques == ["channel_pruning", "magnitude_pruning"]
    said = plain(told(made, "findings"))
    assert "**width**" not in said and "2 compression techniques" in told(made, "overview")
    controls = counts.controls(made, "channel_pruning")
    assert len(controls) and (controls.own < controls.test_wape).all()
    assert f"channel pruning errs less than its *random* in {len(controls)} of {len(controls)}" in said


def test_dataset_without_skill_is_said_and_not_ranked(reports, tmp_path):
    folder = make_study(datasets=("sample-traffic", "krx-price"), models=("lstm",), seeds=(0,))
    rows = results.read(folder / "results.csv")
    rows.loc[rows.dataset == "krx-price", ["val_skill", "test_skill"]] = -0.01
    results.write_csv(rows, folder / "results.csv")
    made = facts.read("made")
    assert made.skilled == ["sample-traffic"]
    assert "No skill to lose** on krx-price" in told(made, "failures")
    assert "krx-price" not in pages.table(made, "verdicts").data["text/markdown"]
    answer = told(made, "answer")
    assert answer.startswith("**On sample-traffic** the smallest file")
    assert "No network has skill on krx-price." in answer
    rows[["val_skill", "test_skill"]] = -0.01  # nowhere at all
    results.write_csv(rows, folder / "results.csv")
    made = facts.read("made")
    assert "no network beats the seasonal naive forecast on validation" in told(made, "answer")
    assert "**What compressing loses**" not in told(made, "findings")


@pytest.mark.parametrize("options", [
    {"models": ("lstm",), "techniques": (), "timed": False, "failed": 0},
    {"models": (), "techniques": ()},
], ids=["no compressed row", "naive only"])  # fmt: skip
def test_incomplete_studies_still_make_a_report(reports, tmp_path, options):
    folder = make_study(**options)
    page, pdf = export(executed("made", tmp_path / "notebook.ipynb"), folder)
    page, text = page.read_text(encoding="utf-8"), text_of(PdfReader(pdf))
    assert "Provenance" in text and fetched(page) == []
    assert not re.search(r"\bnan\b|Traceback|NaT", text)


def test_limits_name_what_was_not_judged(reports):
    make_study(models=("lstm",), seeds=(0,))
    made = facts.read("made")
    name = made.datasets[0]
    made.coverage[name] = {"dataset": name, "series": 9000, "judged": 1000}
    for language in ("en", "ko"):
        with words.speaking(language):
            said = words.told("limits", paragraphs.limits(made)).data
        assert "1000" in said and "9000" in said
    made.coverage[name]["judged"] = 9000
    assert "9000" not in told(made, "limits")


def test_study_without_times_says_so(reports):
    make_study(models=("lstm",), seeds=(0,), timed=False)
    made = facts.read("made")
    assert "no selected file was timed" in told(made, "findings")
    assert "Nothing was timed" in told(made, "limits")
    assert len(list(pages.compared(made))) == 1


def test_bare_folder_makes_a_report(reports, tmp_path):
    (reports / "made").mkdir()
    _, pdf = export(executed("made", tmp_path / "notebook.ipynb"), reports / "made")
    assert "There is no result row yet" in re.sub(r"\s+", " ", text_of(PdfReader(pdf)))


def test_unknown_study_is_a_run_error_that_names_the_known_ones(reports):
    make_study()
    with pytest.raises(RunError, match=r"no study 'other'.*made"):
        facts.read("other")


def test_notebook_keeps_the_house_rules():
    nb = json.loads((paths.NOTEBOOKS / "700_report.ipynb").read_text(encoding="utf-8"))
    code = [c for c in nb["cells"] if c["cell_type"] == "code"]
    assert len(code) <= 25 and all(not c["outputs"] for c in code)
    assert not any(re.search(r"^\s*(def|class) ", "".join(c["source"]), re.MULTILINE) for c in code)


def test_a_control_is_compared_with_the_technique_in_its_own_seeds():
    same = {"dataset": "d", "model": "lstm", "technique": "cut", "variant": "l2-int8", "level": "0.5", "format": ""}
    rows = pd.DataFrame([
        same | {"role": "compressed", "seed": 0, "test_wape": 0.10},
        same | {"role": "compressed", "seed": 1, "test_wape": 0.30},
        same | {"role": "control", "seed": 0, "test_wape": 0.15},
    ])
    files = rows[rows.role == "control"].assign(group="cut", key="/".join(same[key] for key in facts.KEYS))
    found = counts.controls(SimpleNamespace(rows=rows, files=files), "cut")
    assert found.own.tolist() == [0.10]  # not 0.20, the mean over both seeds


# ---------------------------------------------------------------- baselines


def standing(walk=False, **tests):
    """A dataset with two deep networks and simple forecasts; tests: model__against = (delta, adjusted p, verdict)."""
    lines = [("naive", "classical", "naive", 0.2 if walk else 0.4), ("seasonal_naive", "classical", "naive", 0.2),
             ("arima", "classical", "dense", 0.15), ("boosting", "classical", "dense", 0.11),
             ("lstm", "dense", "dense", 0.1), ("nbeats", "dense", "dense", 0.16),
             ("dlinear", "dense", "dense", 0.05)]  # fmt: skip
    files = pd.DataFrame(lines, columns=["model", "technique", "role", "test_wape"]).assign(
        dataset="d", control="", val_wape=lambda f: f.test_wape, row_id=lambda f: f.model)
    rivals = pd.DataFrame([{"dataset": "d", "row": k.split("__")[0], "against": k.split("__")[1], "delta": v[0],
                            "p_holm": v[1], "p_dm": v[1] / 5, "blocks": 8.9, "verdict": v[2]}
                           for k, v in tests.items()],
                          columns=["dataset", "row", "against", "delta", "p_holm", "p_dm", "blocks", "verdict"])
    rivals = rivals.assign(model=rivals.row, technique=rivals.row.map(files.set_index("model").technique))
    return SimpleNamespace(files=files, rivals=rivals, datasets=["d"])


def standing_lines(made):
    """Cells of the table of baselines."""
    frame = words.written("standing", counts.standing(made))
    return [list(map(plain, line)) for line in frame.itertuples(index=False)]


def test_the_best_deep_network_is_held_against_the_simple_forecasts():
    made = standing(lstm__seasonal_naive=(-0.5, 0.0001, "better"), lstm__arima=(-0.333, 0.21, "undecided"),
                    nbeats__boosting=(0.5, 0.0001, "worse"))  # fmt: skip
    assert standing_lines(made) == [  # not dlinear, which is compact; boosting was not tested
        ["d", "lstm", "10.00 %", "seasonal naive", "20.00 %", "-50.0 %", "< 0.001", "9", "better"],
        ["d", "lstm", "10.00 %", "ARIMA", "15.00 %", "-33.3 %", "0.210", "9", "undecided"],
        ["d", "lstm", "10.00 %", "boosting", "11.00 %", "–", "–", "–", "not tested"]]


def test_without_a_deep_network_a_compact_one_stands_then_what_needs_no_network():
    made = standing()
    made.files = made.files[~made.files.model.isin(["lstm", "nbeats"])]
    assert {line[1] for line in standing_lines(made)} == {"dlinear"}
    made.files = made.files[made.files.model != "dlinear"]
    assert {line[1] for line in standing_lines(made)} == {"boosting"} and len(standing_lines(made)) == 2
    made.files = made.files[made.files.role == "naive"]
    assert counts.standing(made).empty


def test_whether_the_random_walk_is_beaten_is_said_plainly():
    given = {"lstm__seasonal_naive": (-0.01, 0.3, "undecided"), "arima__seasonal_naive": (0.02, 0.001, "worse")}
    made = standing(walk=True, **given)
    assert [line[3] for line in standing_lines(made)][0] == "random walk"
    walks = paragraphs._walks(made)
    assert walks == [{"dataset": "d", "of": 2, "better": []}]
    tell = words.environment("en").get_template("macros.j2").module
    assert "no forecaster, network or classical, is shown to beat the random walk" in tell.walk(walks[0])
    walks = paragraphs._walks(standing(walk=True, **given | {"lstm__seasonal_naive": (-0.01, 0.01, "better")}))
    said = re.sub(r"\s+", " ", tell.walk(walks[0]))
    assert "1 of 2 forecasters are shown to beat the random walk: lstm" in said
    assert paragraphs._walks(standing(walk=False, **given)) == []


def test_one_question_has_one_answer(reports):
    """What a test does not show after adjustment is shown nowhere: neither an unadjusted p nor an interval speaks."""
    make_study(seeds=(0,), failed=0)
    made = facts.read("made")
    tests = made.rivals[made.rivals.against == "arima"]
    assert len(tests) and (tests.p_dm < 0.05).all() and (tests.high < 0).all() and set(tests.verdict) == {"undecided"}
    said = plain(told(made, "findings"))
    assert "shown to err less than seasonal naive on 1 of 1, ARIMA on 0 of 1;" in said
    lines = standing_lines(made)
    assert [(line[3], line[-1]) for line in lines] == [("seasonal naive", "better"), ("ARIMA", "undecided")]
    assert "ARIMA" not in plain(told(made, "failures")) and "ARIMA" not in plain(told(made, "answer"))
    turned = made.rivals.assign(verdict=made.rivals.verdict.replace({"better": "undecided", "undecided": "better"}))
    made.rivals = turned
    assert "shown to err less than seasonal naive on 0 of 1, ARIMA on 1 of 1;" in plain(told(made, "findings"))


@pytest.mark.parametrize("name", ["p_dm", "low <", "high <"])
def test_no_fact_and_no_word_reads_what_is_not_adjusted(name):
    folder = paths.PACKAGE / "report"
    for path in (*folder.glob("facts/*.py"), *folder.glob("words/*/*"), folder / "pages.py"):
        assert name not in path.read_text(encoding="utf-8"), path.name


def at_margin(path, margin):
    """Verdicts of the selected files at one margin, read from the file as anyone could: row -> verdict."""
    lines = pd.read_csv(path)
    lines = lines[(lines.margin - margin).abs() < 1e-9]
    return lines.set_index("row").verdict.to_dict()


def test_what_is_told_of_2_percent_is_the_verdict_at_2_percent(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    path = folder / "comparisons.csv"
    lines = pd.read_csv(path)
    claims = lines.margin > 0  # a different answer at each margin
    lines.loc[claims, "verdict"] = lines.margin[claims].round(2).map({0.01: "worse", 0.02: "undecided", 0.05: "within"})
    lines.loc[lines.index[claims & (lines.margin.round(2) == 0.02)][:1], "verdict"] = "within"
    lines.to_csv(path, index=False)
    made, expected = facts.read("made"), list(at_margin(path, 0.02).values())
    assert expected.count("within") == 1
    said = plain(told(made, "findings"))
    assert (f"of {len(expected)} selected files 1 are shown to lose less than 2 % against their dense network, "
            f"0 are worse, {len(expected) - 1} are undecided") in said  # fmt: skip
    files = {file.row_id: file.verdict for technique in made.techniques
             for file in tables.selected(made, technique).itertuples()}
    assert files == at_margin(path, 0.02)
    for technique in made.techniques:
        shown = pages.table(made, "verdicts").data["text/plain"]
        assert "at 2 %" in plain(list(pages.section(made, technique))[2].data["text/markdown"])
        assert "0 / 0 / 2" in shown  # at 1 %: within / undecided / worse
    drawn = made.verdicts()
    assert dict(zip(drawn.row, drawn.verdict, strict=True)) == at_margin(path, 0.02)


@pytest.mark.parametrize("tests, fronts, won", [([0.1, 0.2, 0.3], [0.15, 0.15, 0.15], 1), ([0.1], [0.1], 0),
                                                ([0.1, 0.3], [np.nan, 0.4], 1)])
def test_a_win_over_the_front_is_a_lower_error(tests, fronts, won):
    chosen = pd.DataFrame({"test_wape": tests, "front": fronts, "technique": "cut"})
    assert counts.wins(chosen) == {"won": won, "of": int(np.isfinite(fronts).sum())}
    assert counts.wins(chosen.assign(technique="width")) is None


# ---------------------------------------------------------------- page 1, recommendations, findings


def recommended(made, dataset="sample-traffic"):
    """Budget -> the words for its file, of a dataset."""
    frame = tables.recommendation(made)
    shown = words.written("recommendation", frame[frame.dataset == dataset])
    return dict(zip(shown.budget.map(plain), shown.file.map(plain), strict=True))


def test_a_recommended_file_is_named_as_what_it_is(reports):
    folder = make_study(models=("lstm",), seeds=(0, 1), failed=0)
    run, base = "runs/x/y", {"role": "control", "seed": 0, "level": "8"}
    lines = [network(run, "sample-traffic", "lstm", "channel_pruning", 0.04, 100, "int8", control="scratch",
                     **base | {"variant": "l1-int8", "level": "0.9"}),
             network(run, "sample-traffic", "lstm", "width", 0.03, 2000, "int8", control="extra_epochs", **base),
             row(run, "sample-traffic", "lstm", "ensemble", 0.01, role="ensemble", level="3", variant="seeds"),
             row(run, "sample-traffic", "boosting", "classical", 0.02, role="dense", bytes=40e3, artefact="b")]
    add_rows(folder, lines)
    made = facts.read("made")
    assert recommended(made) == {
        "1 kB": "no file: the seasonal naive forecast", "4 kB": "lstm of width 8 (int8), trained longer",
        "16 kB": "lstm of width 8 (int8), trained longer", "64 kB": "boosting",
        "within 2 % of best": "no forecaster fits", "any size": "mean of 3 files of lstm"}
    files = results.read(folder / "results.csv")
    results.write_csv(files[files.control != "extra_epochs"], folder / "results.csv")
    assert recommended(facts.read("made"))["4 kB"] == "scratch control of lstm, channel pruning 90 % (l1-int8)"
    said = plain(told(made, "answer"))
    assert "no file comes within 2 % of the best forecaster of any size. Best of any size: mean of 3 files of" in said
    rings = pages.rings(tables.answer(made))
    assert [plain(text) for text in rings.values()] == [
        "1 kB: seasonal naive", "4 kB, 16 kB: lstm", "64 kB: boosting", "any size: mean of 3 files"]
    assert paragraphs.findings(made)["recommended"] == {
        "of": 4, "datasets": 1, "free": 1, "classical": 1, "control": 0, "ensemble": 0, "compressed": 0,
        "plain": 2}


def test_where_nothing_beats_the_free_forecast_it_is_recommended(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    rows = results.read(folder / "results.csv")
    rows.loc[rows.model == "lstm", "val_wape"] = 0.3
    rows.loc[rows.model == "arima", "val_wape"] = 0.25
    results.write_csv(rows, folder / "results.csv")
    made = facts.read("made")
    assert set(recommended(made).values()) == {"no file: the seasonal naive forecast"}
    said = plain(told(made, "answer"))
    assert "In 1, 4, 16 and 64 kB nothing is better on validation than that forecast" in said
    assert "takes **no byte**" in said


def test_nothing_worse_than_the_free_forecast_on_validation_is_recommended(reports):
    rng = np.random.default_rng(3)
    folder = make_study(datasets=("sample-traffic", "seoul-traffic"), seeds=(0,), failed=0)
    rows = results.read(folder / "results.csv")
    rows["val_wape"] *= rng.uniform(0.5, 3, len(rows))
    results.write_csv(rows, folder / "results.csv")
    made = facts.read("made")
    lines = tables.recommendation(made)
    free = made.files[made.files.role == "naive"].groupby("dataset").val_wape.min()
    assert len(lines) == 12 and (lines.val_wape <= lines.dataset.map(free)).all()


def test_loss_is_against_the_best_of_any_size_and_free_is_beside(reports):
    make_study(models=("lstm",), seeds=(0,), failed=0)
    made = facts.read("made")
    lines = tables.recommendation(made).set_index("budget")
    assert lines.loses["best"] == 0 and lines.loses[1] == pytest.approx(0.2 / lines.test_wape["best"] - 1)
    assert set(lines.free) == {0.2}
    shown = pages.table(made, "answer").data["text/plain"]
    assert words.percent(lines.loses[1], 1, "+") in shown and "+0.0" in shown


def test_the_smallest_near_the_best_is_told_with_what_test_says(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    [head] = facts.read("made").heads
    add_rows(folder, [row("runs/r", "sample-traffic", "reference", "ensemble", 0.99 * head["best_wape"], level="5",
                          bytes=9e6, role="ensemble")])  # fmt: skip
    [head] = facts.read("made").heads
    line = {"dataset": "sample-traffic", "row": head["small"], "reference": head["best"], "margin": 0.02}
    line |= {"delta": 0.019, "low": 0.011, "high": 0.027, "verdict": "undecided"}
    results.write_csv(pd.DataFrame([line], columns=statistics.COLUMNS), folder / "headline.csv")
    made = facts.read("made")
    near = tables.recommendation(made).set_index("budget").loc["near"]
    assert (near.low, near.high) == (0.011, 0.027)
    assert tables.recommendation(made).set_index("budget").drop(index="near").low.isna().all()
    assert "(+1.1 % … +2.7 %)" in plain(pages.table(made, "answer").data["text/plain"])
    said = plain(told(made, "answer"))
    other = made.heads[0] | {"dataset": "b"}
    away = told(dataclasses.replace(made, heads=[*made.heads, other], tested=pd.concat([made.tested, made.tested.assign(
        dataset="b")])), "answer")
    assert "on b (" in plain(away) and ", +1.9 %: +1.1 % … +2.7 %)" in plain(away)
    assert "times as large; beside it the smallest errs +1.9 % (+1.1 % … +2.7 %) on test, **undecided** at 2 %." in said


def test_regret_is_told_and_where_validation_does_not_predict_test(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    made = facts.read("made")
    assert "None is above 5 %" in plain(told(made, "findings"))
    run, base = "runs/x/y", {"role": "dense", "seed": 0, "val_wape": 0.001}
    days = {"test_wape_ordinary": 0.11, "test_wape_holidays": 0.2}
    add_rows(folder, [network(run, "sample-traffic", "lstm", "width", 0.12, 500, "int8", level="2", **base, **days)])
    made = facts.read("made")  # the chosen one at 4 kB and above, and not the lowest on test
    regrets = tables.regrets(made).set_index("kb")
    low = made.files[(made.files.bytes <= 4000)].test_wape.min()
    assert regrets.regret[4] == pytest.approx(0.12 / low - 1) and 0.05 < regrets.regret[4] < regrets.regret[64]
    assert regrets.regret[1] == 0 and regrets.other[1] == {} and regrets.other[4]["test_wape"] == low
    assert list(regrets.ordinary[[4, 16]]) == [0.11, 0.11] and list(regrets.holidays[[4, 16]]) == [0.2, 0.2]
    said = plain(told(made, "findings"))
    assert (f"**Validation does not predict test** (regret above 5 %) on sample-traffic in 4, 16 and 64 kB "
            f"(up to {100 * regrets.regret[64]:.1f} %") in said  # fmt: skip
    assert "errs 20.00 % on public holidays and 11.00 % on ordinary days of sample-traffic" in said
    text = pages.table(made, "regrets").data["text/plain"]
    assert words.percent(regrets.regret[4], 1) in text and "20.00" in text
    assert "1 of 4 choices" in said


@pytest.mark.parametrize("val_ordinary, reason", [(0.9, True), (0.001, False)])  # would it be chosen all the same?
def test_the_reason_of_a_regret_is_told_where_holidays_are_it(reports, val_ordinary, reason):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    rows = results.read(folder / "results.csv")
    same = {f"{part}_wape_ordinary": rows[f"{part}_wape"] for part in ("val", "test")}
    results.write_csv(rows.assign(**same), folder / "results.csv")
    days = {"val_wape_ordinary": val_ordinary, "test_wape_ordinary": 0.12, "test_wape_holidays": 0.2}
    add_rows(folder, [network("runs/x/y", "sample-traffic", "lstm", "width", 0.12, 500, "int8", level="2", role="dense",
                              seed=0, val_wape=0.001, **days)])  # fmt: skip
    said = plain(told(facts.read("made"), "findings"))
    assert "chosen and judged on ordinary days alone" in said
    assert ("the reason is public holidays, of which test has another share than validation" in said) == reason


def test_a_file_that_tests_worse_than_no_file_is_said_on_page_1(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    add_rows(folder, [network("runs/x/y", "sample-traffic", "lstm", "width", 0.21, 500, "int8", level="2", role="dense",
                              seed=0, val_wape=0.001)])  # fmt: skip
    said = plain(told(facts.read("made"), "answer"))
    assert "**Chosen on validation, the file of 4, 16 and 64 kB tests worse than no file at all** " \
           "(21.00 % against 20.00 %)" in said


def test_at_most_ten_findings_the_weightiest_first(reports):
    folder = make_study(datasets=("sample-traffic", "krx-price", "etth1"), seeds=(0,), failed=0,
                        techniques=("magnitude_pruning", "channel_pruning", "int8", "distillation"))
    rows = results.read(folder / "results.csv")
    for part in ("val", "test"):
        rows[f"{part}_wape_holidays"], rows[f"{part}_wape_ordinary"] = 2 * rows[f"{part}_wape"], rows[f"{part}_wape"]
    results.write_csv(rows, folder / "results.csv")
    add_rows(folder, [row("runs/x/y", "etth1", "lstm", "ensemble", 0.09, role="ensemble", level="3", variant="seeds")])
    lines = [line for line in told(facts.read("made"), "findings").splitlines() if line.strip()]
    assert all(line.startswith("- **") for line in lines)
    assert [re.match(r"- \*\*(.*?)\*\*", line)[1] for line in lines] == [
        "What is recommended", "Networks against simple forecasts", "What compressing loses", "Against the front",
        "Against their controls", "Speed", "Does validation predict test?", "Holidays", "Means of files"]
    assert len(lines) <= 10


def test_means_of_seeds_and_of_small_files_are_told_whatever_the_reference_is(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    mean = {"role": "ensemble", "dense_id": ""}
    add_rows(folder, [
        row("runs/a", "sample-traffic", "reference", "ensemble", 0.01, level="5", bytes=9e6, **mean),
        row("runs/b", "sample-traffic", "lstm", "ensemble", 0.09, level="3", variant="seeds", **mean),
        row("runs/c", "sample-traffic", "committee", "ensemble", 0.08, level="2", variant="8kB", bytes=7e3, **mean),
        row("runs/c", "sample-traffic", "committee", "ensemble", 0.04, level="4", variant="64kB", bytes=60e3, **mean),
        row("runs/d", "sample-traffic", "boosting", "classical", 0.05, role="dense", bytes=59e3, artefact="b"),
        row("runs/d", "sample-traffic", "boosting", "classical", 0.02, role="control", control="oracle", bytes=9,
            artefact="o")])
    made = facts.read("made")
    [line] = paragraphs.findings(made)["committees"]
    assert (line["level"], line["alone"]["model"]) == ("4", "boosting") and line["gain"] == pytest.approx(0.2)
    said = plain(told(made, "findings"))
    assert "on sample-traffic 4 small files of together 60 kB err 4.00 %, 20.0 % less than the one file of as" in said
    assert "chooses; the mean of 3 files of lstm, its seeds, errs 9.00 % on sample-traffic" in said
    assert words.environment("en").filters["label"](line) == "mean of 4 small files"


def test_page_1_tells_of_the_dataset_with_skill_and_most_techniques(reports):
    folder = make_study(datasets=("a-data", "b-data"), models=("lstm",), seeds=(0,), failed=0)
    rows = results.read(folder / "results.csv")
    assert facts.read("made").main == "a-data"
    one, other = rows[rows.dataset == "a-data"], rows[rows.dataset == "b-data"]
    fewer = pd.concat([one[one.technique != "channel_pruning"], other[~other.level.isin(["0.8", "0.9", "0.95"])]])
    assert (fewer.dataset == "a-data").sum() > (fewer.dataset == "b-data").sum()
    results.write_csv(fewer, folder / "results.csv")
    assert facts.read("made").main == "b-data"
    rows.loc[rows.dataset == "a-data", "val_skill"] = -1.0
    results.write_csv(rows, folder / "results.csv")
    made = facts.read("made")
    assert made.main == "b-data" and set(tables.answer(made).dataset) == {"b-data"}
    assert len(tables.recommendation(made)) == 12


def test_results_of_an_older_version_lack_columns_and_are_read(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    rows = pd.read_csv(folder / "results.csv").drop(columns=["test_wape_ordinary", "test_wape_holidays"])
    rows.assign(bytes=rows.bytes.where(rows.role != "naive")).to_csv(folder / "results.csv", index=False)
    lines = pd.read_csv(folder / "comparisons.csv").drop(columns=["blocks", "p_verdict"])
    lines.to_csv(folder / "comparisons.csv", index=False)
    made = facts.read("made")
    assert "Holidays" not in told(made, "findings") and "nan" not in told(made, "answer")
    assert "blocks" not in pages.table(made, "standing").data["text/plain"]
    assert recommended(made)["1 kB"] == "no forecaster fits"


def test_compact_networks_have_a_table_and_are_the_front(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    base = {"role": "dense", "level": "1", "seed": 0, "latency_ms_p50": 0.05}
    add_rows(folder, [network("runs/220_compact/x", "sample-traffic", "dlinear", technique, 0.09, 500, storage, **base)
                      for technique, storage in (("dense", "float32"), *(("width", s) for s in STORAGES))])
    made = facts.read("made")
    shown, said = pages.compact(made)
    (line,) = [line for line in shown.data["text/markdown"].splitlines() if "dlinear" in line]
    cells = [cell.strip() for cell in line.split("|")[2:-1]]
    assert cells[:5] == ["2.9", "1.45", "1.2", "500", "15"] and cells[6:] == ["9.00 %", "+0.550"]
    assert "is dlinear (from 1.2 kB, test WAPE 9.00" in said.data
    bigger = made.files[(made.files.model == "lstm") & (made.files.bytes > 1300)]
    assert len(bigger) and (bigger.front == 0.09).all()  # its own narrow networks err more


def test_published_rows_enter_nothing_but_their_own_table(reports, monkeypatch):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    before = facts.read("made")
    assert "No published table" in next(pages.published(before)).data
    add_rows(folder, [row("runs/230_published/x", "etth1", "nlinear", "published", 0.01, role="dense", level="96",
                          test_mse_scaled=0.38, test_mae_scaled=0.4)])
    made = facts.read("made")
    assert made.datasets == before.datasets and len(made.files) == len(before.files) and len(made.published) == 1
    assert "230_published.ipynb" in pages.table(made, "provenance").data["text/markdown"].replace("\\", "")
    line = {"dataset": "etth1", "H": 96, "model": "nlinear", "L": 336, "published_mse": 0.374, "published_mae": 0.394,
            "mse": 0.38, "mae": 0.4, "ratio_mse": 1.016, "ratio_mae": 1.015, "seeds": 1, "band": 0.02, "within": True,
            "others": "0.377 (b)"}
    lines = pd.DataFrame([line | {"within": 1.0}, line | {"model": "fits", "within": 0.0},
                          line | dict.fromkeys(["published_mse", "published_mae", "within"], np.nan)])
    source = SimpleNamespace(compare=lambda rows: lines[: len(rows) + 2])
    monkeypatch.setitem(sys.modules, "litecast.experiment.published", source)
    monkeypatch.setattr("litecast.experiment.published", source, raising=False)
    said, shown = pages.published(made)
    assert said.data == "1 of 2 published errors are reached within their band; missed: fits on etth1, H 96."
    text = shown.data["text/markdown"]
    text = text.replace("\u00a0", " ")
    assert all(cell in text for cell in ("0.374 / 0.394", "1.016 / 1.015", "2 %: within", "– / –"))
    assert "nan" not in text


def test_an_oracle_is_shown_but_not_ranked(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    before = results.headline(results.read(folder / "results.csv"))
    add_rows(folder, [row("runs/200_classical/dataset=sample-traffic", "sample-traffic", "ridge", "classical", 0.01,
                          role="control", control="oracle"),
                      row("runs/200_classical/dataset=sample-traffic", "sample-traffic", "ridge", "classical", 0.3,
                          role="dense", variant="weather")])
    made = facts.read("made")
    (shown,) = pages.baselines(made)  # one network needs no picture
    text = shown.data["text/markdown"]
    assert "not ranked: knows the weather ahead" in text and "ridge (weather)" in text
    assert made.heads[0]["best"] == before.best[0]


# ---------------------------------------------------------------- files of several runtimes, chains


def plain(text):
    return text.replace("\u00a0", " ").replace("\\", "")


def copied(rows, runtime="onnxruntime"):
    """Timed rows again in another runtime, as a timing run writes them: twice as fast."""
    timed = rows[rows.latency_ms_p50 > 0]
    again = timed.assign(copy_of=timed.row_id, runtime=runtime, format="onnx", row_id=timed.row_id + "/" + runtime,
                         latency_ms_p50=timed.latency_ms_p50 / 2, bytes=9e6, run="runs/500_timing/late")
    return again.to_dict("records")


def test_the_same_function_in_two_runtimes_is_told_once(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    rows = results.read(folder / "results.csv")
    rows = rows.assign(latency_ms_p50=rows.macs / 1e5, latency_ratio=1.5)  # every file with MACs is timed
    results.write_csv(rows, folder / "results.csv")
    before = facts.read("made")
    add_rows(folder, copied(before.rows))
    made = facts.read("made")
    assert len(made.rows) > len(before.rows) and len(made.files) == len(before.files)
    for name in ("verdicts", "recommendation"):
        shown, earlier = (pages.table(m, name).data["text/markdown"] for m in (made, before))
        assert shown == earlier or name == "recommendation"  # times there are those of the copies
    assert made.runtime == "onnxruntime" and before.runtime == "torch"
    timed, own = (one.files[one.files.ms > 0].set_index("row_id") for one in (made, before))
    assert len(timed) == len(own) and not timed.index.str.contains("onnx").any()
    assert (timed.ms == own.ms[timed.index] / 2).all() and set(timed.timed_in) == {"runs/500_timing/late"}
    gain = paragraphs.findings(made)["speed"]
    assert gain["gain"] == pytest.approx(2) and gain["home"] == "torch"
    assert paragraphs.findings(before)["speed"]["home"] == ""


def test_an_int8_file_of_another_runtime_is_told_like_any_other(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    add_rows(folder, [network("runs/320_int8/x", "sample-traffic", "lstm", "int8", 0.05, 500, variant="static-int8",
                              level="8", seed=0, format="onnx", runtime="onnxruntime", selected=1, precision="int8",
                              ratio=9, coverage_macs=1.0, latency_ms_p50=0.1, latency_ratio=5.0)])  # fmt: skip
    made = facts.read("made")
    assert "int8" in made.techniques and len(made.selected("int8")) == 1
    assert "**int8**: 1 selected file. Median file: 2.9 kB, 9.0 times smaller" in next(pages.section(made, "int8")).data
    assert "lstm, int8 8 (static-int8)" in pages.table(made, "recommendation").data["text/markdown"]
    assert "| int8 | 1 |" in pages.table(made, "verdicts").data["text/markdown"]
    decoded = paragraphs.failures(made)["decoded"]
    assert decoded and decoded == (made.files[made.files.role == "compressed"].coverage_macs == 0).sum()


@pytest.mark.parametrize("share, told_of", [(0.0, "Storage only"), (0.2, "less than 50 % of the products"), (0.5, ""),
                                            (1.0, "")])
def test_a_file_that_computes_in_part_in_few_bits_is_told_by_itself(reports, share, told_of):
    make_study(models=("lstm",), techniques=("channel_pruning",), seeds=(0,), failed=0)
    made = facts.read("made")
    made.files["coverage_macs"] = 1.0
    made.files.loc[made.files.index[made.files.role == "compressed"][0], "coverage_macs"] = share
    said = plain(told(made, "failures"))
    assert [text in said for text in ("Storage only", "in part only")] == [share == 0, share == 0.2]
    assert told_of in said


def test_a_chain_has_a_section_under_the_names_of_its_steps(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    chain = {"variant": "l2-int8", "seed": 0, "selected": 1, "ratio": 20, "route": "channel_pruning 0.5 > int8 8"}
    add_rows(folder, [network("runs/320_int8/x", "sample-traffic", "lstm", "channel_pruning+int8", 0.05, 400,
                              level="0.5+8", **chain)])  # fmt: skip
    made = facts.read("made")
    assert made.techniques[-1] == "channel_pruning+int8"
    assert "2 compression techniques and 1 chain of them" in told(made, "overview")
    said, table, *_ = pages.section(made, "channel_pruning+int8")
    assert said.data.startswith("### Channel pruning + int8")
    assert "channel pruning: share of hidden units" in table.mark["caption"]
    assert "| 50 % + 8 |" in table.data["text/markdown"]
    assert "lstm, channel pruning 50 % + int8 8 (l2-int8)" in plain(told(made, "answer"))


# ---------------------------------------------------------------- facts and words


def test_a_fact_that_is_missing_is_an_error():
    with pytest.raises(words.jinja2.UndefinedError, match="datasets"):
        words.told("overview", {"name": "made"})
    with pytest.raises(words.jinja2.TemplateNotFound):
        words.told("nonsense", {})
    with pytest.raises(KeyError, match="did you mean 'bubbles'"):
        words.phrase("captions", "bubble")
    with pytest.raises(KeyError, match="no_column"):
        words.phrase("columns", "no_column", value=1)


def sources():
    """(template, its text) of every template and of every line of tables.yaml."""
    folder = words.FOLDER / words.LANGUAGE
    yield from ((path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.j2")))
    made = words.yaml.safe_load((folder / "tables.yaml").read_text(encoding="utf-8"))
    yield from ((f"{part}.{name}", str(text)) for part, lines in made.items() for name, text in lines.items())


def arithmetic(text):
    nodes = words.jinja2.nodes
    kinds = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow)
    return list(words.environment(words.LANGUAGE).parse(text).find_all(kinds))


@pytest.mark.parametrize("name, text", list(sources()), ids=lambda value: value if len(value) < 40 else "")
def test_a_sentence_holds_no_arithmetic(name, text):
    assert not arithmetic(text), name


def test_arithmetic_in_a_sentence_would_be_seen():
    assert len(arithmetic("{{ 1 - below }} {% if a / b > 2 %}x{% endif %} {{ 'a' ~ b }} {{ -1 }}")) == 2


def constants(path):
    """Strings of a module that are neither docstrings nor what an error says."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    errors = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    splits = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "split"]  # of columns
    left_out = {id(node) for part in (*docs, *errors, *splits) for node in ast.walk(part)}
    return [node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out]


def test_a_fact_holds_no_sentence():
    for path in sorted((paths.PACKAGE / "report" / "facts").glob("*.py")):
        for text in constants(path):
            assert not set(" %") & set(text.strip()) and "**" not in text, f"{path.name}: {text!r}"


def strings(value):
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, (list, tuple)):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def test_what_facts_hold_are_names_and_codes(reports):
    make_study(seeds=(0,))
    made = facts.read("made")
    theirs = {"some cpu", "seasonal naive", *strings(made.lock)}  # said by the study, not by the report
    for name in ("answer", "overview", "findings", "failures", "limits"):
        assert [text for text in strings(getattr(paragraphs, name)(made)) if " " in text and text not in theirs] == []


@pytest.mark.parametrize("technique", catalogue.members("compress", "LEVELS", "VARIANTS"))
def test_every_technique_is_told_in_its_own_words(technique):
    literals = catalogue.literals(paths.PACKAGE / "compress" / f"{technique}.py")
    about = {"technique": technique, "runtime": "torch", "controls": list(literals["CONTROLS"])}
    assert f"one level ({literals['LEVEL']}) per model" in words.phrase("captions", "selected", **about)
    for control, meaning in literals["CONTROLS"].items():
        assert f"{control.replace('_', ' ')}, {meaning};" in words.phrase("captions", "controls", **about)
    assert words.said(technique, "NOTE").get(technique, "") == literals.get("NOTE", "")


def test_a_technique_without_a_file_is_told_by_its_name():
    assert "one level (level) per" in words.phrase("captions", "selected", technique="gone", runtime="torch")
    assert words.said("gone", "NOTE") == {}
    assert words.control("no_teacher", "gone") == "no teacher"


def test_captions_go_by_the_names_of_tables_and_figures():
    known = words.phrases(words.LANGUAGE)
    source = (paths.PACKAGE / "report" / "pages.py").read_text(encoding="utf-8")
    drawn = set(re.findall(r"_figure\(\w+\.(\w+),", source))
    assert len(drawn) == 12 and drawn | {"trade"} == {*known["captions"]} - {*known["tables"]}
    assert set(known["tables"]) <= set(known["captions"]) and set(known["instead"]) <= set(known["captions"])
    for name, columns in known["tables"].items():
        for column in columns.split():
            assert column.partition(":")[0] in known["columns"], f"{name}: {column}"


def test_a_runtime_is_called_as_its_file_says(monkeypatch):
    monkeypatch.setattr(words.catalogue, "members", lambda *_: {"onnxruntime": {"NAME": "ONNX Runtime"}, "other": {}})
    assert [words.runtime(slug) for slug in ("onnxruntime", "other", "gone")] == ["ONNX Runtime", "other", "gone"]


@pytest.mark.parametrize("value, shown", [(0.0123, "1.23 %"), (0.00123, "0.123 %"), (float("nan"), "–")])
def test_percent(value, shown):
    assert plain(words.percent(value)) == shown


def test_numbers_and_names():
    assert plain(words.percent(0.031, 1, "+")) == "+3.1 %" and plain(words.percent(-0.031, 1)) == "-3.1 %"
    assert [words.short(v, 1e3) for v in (1234, 12345678, float("nan"))] == ["1.23", "12346", "–"]
    assert [words.count(n, "file") for n in (1, 0, ["a", "b"])] == ["1 file", "0 files", "2 files"]
    assert words.listed((4, 16, 64)) == "4, 16 and 64" and words.listed([4]) == "4"
    assert words.names(["arima", "mobilenet_v2"]) == "ARIMA, mobilenet v2"
    assert words.names("abcdefgh") == "a, b, c, d, e, f and 2 more"
    assert words.phrase("labels", "group", value="width/int8") == "bits alone, int8"
    assert words.phrase("labels", "group", value="channel_pruning+int8") == "channel pruning + int8"
