"""The report of generated studies, complete and incomplete: its facts, its words and its notebook."""

import ast
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
from litecast.report.facts import paragraphs, tables
from litecast.report.shown import run_link
from litecast.running.cells import papermill


def told(made, paragraph):
    return pages.told(made, paragraph).data


def executed(study, path):
    """The report notebook executed as a run of a study executes it."""
    papermill.execute_notebook(paths.NOTEBOOKS / "700_report.ipynb", path, parameters={"study": study},
                               engine_name="litecast", kernel_name="python3", progress_bar=False, log_output=False)
    return path


# ---------------------------------------------------------------- the notebook on studies


def test_complete_study(reports, tmp_path):
    folder = make_study(seeds=(0,))
    page_path, pdf_path = export(executed("made", tmp_path / "notebook.ipynb"), folder)
    page, pdf = page_path.read_text(encoding="utf-8"), PdfReader(pdf_path)
    text = re.sub(r"\s+", " ", text_of(pdf))
    figures = len(re.findall(r"<b>Figure \d+\.</b>", page))
    assert figures == page.count("<svg ") == page.count("<figcaption><b>Figure")
    assert figures == 8  # split, bubbles, profile, levels of two techniques, error against size and time, forest
    assert f"Figure {figures}." in text and f"Figure {figures + 1}." not in text
    for title in ("Findings", "Data and protocol", "Baselines", "Magnitude pruning", "Channel pruning", "All compared",
                  "Recommendation per budget", "Limits", "Failed and missing runs", "Provenance"):  # fmt: skip
        assert title in text and title in page
    assert fetched(page) == []
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
    said = told(made, "findings")
    small = made.rows[made.rows.row_id == head.small].iloc[0]
    assert f"{head.small_kb:.3g} kB" in said and small.model in said


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
    said = told(made, "findings")
    assert "**width**" not in said and "2 compression techniques" in told(made, "overview")
    controls = paragraphs.controls(made, "channel_pruning")
    assert len(controls) and (controls.own < controls.test_wape).all()
    assert f"errs more than the technique at the same level in {len(controls)} of" in said


def test_dataset_without_skill_is_said_and_not_ranked(reports, tmp_path):
    folder = make_study(datasets=("sample-traffic", "krx-price"), models=("lstm",), seeds=(0,))
    rows = results.read(folder / "results.csv")
    rows.loc[rows.dataset == "krx-price", ["val_skill", "test_skill"]] = -0.01
    results.write_csv(rows, folder / "results.csv")
    made = facts.read("made")
    assert made.skilled == ["sample-traffic"]
    assert "No skill to lose** on krx-price" in told(made, "failures")
    assert "krx-price" not in pages.table(made, "verdicts").data["text/markdown"]
    assert "no network has skill" in pages.table(made, "recommendation").data["text/markdown"]
    rows[["val_skill", "test_skill"]] = -0.01  # nowhere at all
    results.write_csv(rows, folder / "results.csv")
    none = pages.table(facts.read("made"), "recommendation").data["text/markdown"]
    assert none.count("no network has skill") == 2
    said = told(made, "findings").splitlines()
    assert [line for line in said if "krx-price" in line and not line.startswith("- **Baselines, krx-price**")] == []


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


def test_study_without_times_says_so(reports):
    make_study(models=("lstm",), seeds=(0,), timed=False)
    made = facts.read("made")
    assert "no selected file was timed" in told(made, "findings")
    assert "Nothing was timed" in told(made, "limits")
    assert len(list(pages.error_fronts(made))) == 1  # size only


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
    found = paragraphs.controls(SimpleNamespace(rows=rows, files=files), "cut")
    assert found.own.tolist() == [0.10]  # not 0.20, the mean over both seeds


# ---------------------------------------------------------------- baselines


def standing(walk=False, **tests):
    """A dataset with two networks and simple forecasts; tests: model_against = (delta, adjusted p)."""
    lines = [("naive", "classical", "naive", 0.2 if walk else 0.4), ("seasonal_naive", "classical", "naive", 0.2),
             ("arima", "classical", "dense", 0.15), ("lstm", "dense", "dense", 0.1), ("nbeats", "dense", "dense", 0.16),
             ("dlinear", "dense", "dense", 0.14)]  # fmt: skip
    files = pd.DataFrame(lines, columns=["model", "technique", "role", "test_wape"]).assign(
        dataset="d", control="", val_wape=lambda f: f.test_wape, row_id=lambda f: f.model)
    rivals = pd.DataFrame([{"dataset": "d", "row": k.split("__")[0], "against": k.split("__")[1], "delta": v[0],
                            "p_holm": v[1], "p_dm": v[1] / 5} for k, v in tests.items()],
                          columns=["dataset", "row", "against", "delta", "p_holm", "p_dm"])
    rivals = rivals.assign(model=rivals.row, technique=rivals.row.map(files.set_index("model").technique))
    return files, SimpleNamespace(files=files, rivals=rivals)


def sentences(made):
    """What is told of the baselines of a dataset: one sentence or two."""
    given = {"rows": 1, "smallest": [], "techniques": [], "speed": None, "standing": [paragraphs.standing(made, "d")]}
    return [line[2:] for line in words.told("findings", given).data.splitlines() if line.startswith("- **Baselines")]


def test_the_best_deep_network_is_held_against_the_simple_forecasts():
    _, made = standing(lstm__seasonal_naive=(-0.5, 0.0001), lstm__arima=(-0.333, 0.0004), lstm__boosting=(-0.02, 0.21))
    (line,) = sentences(made)
    assert line.replace("\u00a0", " ") == (
        "**Baselines, d**: the best deep network, lstm, has a test WAPE of 10.00 %, 50 % below the seasonal naive "
        "forecast (20.00 %); better than ARIMA (−33.3 %, p < 0.001); not shown to be better than boosting "
        "(−2.0 %, p = 0.210), though p = 0.042 before the adjustment for 3 tests.")


def test_a_deep_network_that_falls_short_has_its_gap_told():
    files, made = standing(nbeats__arima=(0.067, 0.005))
    made.files = files[files.model != "lstm"]
    (line,) = sentences(made)
    assert line.replace("\u00a0", " ") == (
        "**Baselines, d**: the best deep network, nbeats, has a test WAPE of 16.00 %, 20 % below the seasonal naive "
        "forecast (20.00 %), 5 points short of 25 %; dlinear, the best of any kind, reaches 30 %; worse than ARIMA "
        "(+6.7 %, p = 0.005); not compared with boosting.")


def test_whether_the_random_walk_is_beaten_is_said_plainly():
    free = {"lstm__seasonal_naive": (-0.01, 0.3), "arima__seasonal_naive": (0.02, 0.001)}
    (line,) = sentences(standing(walk=True, **free)[1])
    assert "no forecaster, network or classical, is shown to beat the random walk: of 2 forecasters (1 network, " \
           "1 classical) none errs less" in line and "lstm (−1.0" in line
    walk, deep = sentences(standing(walk=True, **free | {"lstm__seasonal_naive": (-0.01, 0.01)})[1])
    assert "1 of 2 forecasters (1 network, 1 classical) are shown to beat the random walk: lstm (−1.0" in walk
    assert "below the random walk" in deep
    (line,) = sentences(standing(walk=True)[1])
    assert "was not tested" in line


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
    picture, shown = pages.baselines(made)
    text = shown.data["text/markdown"]
    assert "not ranked: knows the weather ahead" in text and "ridge (weather)" in text
    assert picture.mark["kind"] == "figure"
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
    timed, own = tables.timed(made).set_index("row_id"), before.files.set_index("row_id")
    assert len(timed) == len(tables.timed(before)) and not timed.index.str.contains("onnx").any()
    assert (timed.ms == own.ms[timed.index] / 2).all() and set(timed.run) == {"runs/500_timing/late"}
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
    assert "**int8**: 1 selected file. Median file: 2.9 kB, 9.0 times smaller" in told(made, "findings")
    assert "lstm, int8 8 (static-int8)" in pages.table(made, "recommendation").data["text/markdown"]
    assert "| int8 | 1 |" in pages.table(made, "verdicts").data["text/markdown"]
    decoded = paragraphs.failures(made)["decoded"]
    assert decoded and decoded == (made.files[made.files.role == "compressed"].coverage_macs == 0).sum()


@pytest.mark.parametrize("share, told_of", [(0.0, "Storage only"), (0.2, "computes 20 % of"), (0.5, ""), (1.0, "")])
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
    assert "lstm, channel pruning 50 % + int8 8 (l2-int8)" in plain(told(made, "findings"))


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
    for name in ("overview", "findings", "failures", "limits"):
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
    assert len(drawn) == 6 and drawn == set(known["captions"]) - set(known["tables"])
    assert set(known["tables"]) <= set(known["captions"]) and set(known["instead"]) <= set(known["captions"])
    for name, columns in known["tables"].items():
        for column in columns.render().split():
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
