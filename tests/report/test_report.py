"""The report: pieces, exporters and the notebook, on generated studies, complete and incomplete."""

import json
import re
import sys
from dataclasses import asdict
from types import SimpleNamespace
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
from litecast.shell import papermill
from pypdf import PdfReader

from litecast import findings, paths, report, results
from litecast import study as planning
from litecast.errors import RunError
from litecast.report import export, figure, render_run, run_link, table

STORAGES = {"float32": 4.0, "int8": 1.1, "int4": 0.6}
KOREAN = "서울 교통량 예측 보고서"


# ---------------------------------------------------------------- a generated study


def row(run, dataset, model, technique, wape, **more):
    """A complete result row with made-up but consistent numbers; wape is that on test."""
    base = {
        "study": "made", "dataset": dataset, "model": model, "technique": technique, "role": "compressed", "seed": 0,
        "L": 168, "H": 24, "val_wape": wape * 1.02, "test_wape": wape, "test_mase": wape * 7, "test_bias": 0.01,
        "test_drift": 0.03, "val_skill": 1 - wape * 1.02 / 0.2, "test_skill": 1 - wape / 0.2, "data_source": "sample",
        "data_sha256": "ab12" * 16, "code_sha256": "cd34" * 16, "commit": "0123abcd" * 5, "dirty": 0, "cpu": "some cpu",
        "lock_sha256": "ef56" * 16, "device": "cpu", "runtime_version": "2.13.0", "run": run,
    }  # fmt: skip
    full = base | more
    return full | {"row_id": results.row_id(full)}


def network(run, dataset, model, technique, wape, params, storage="float32", **more):
    """A row with a file: bytes by storage, MACs by parameters."""
    size = int(params * STORAGES[storage] + 900)
    more = {"variant": storage} | more
    return row(run, dataset, model, technique, wape, params=params, live_params=params, macs=params * 30, bytes=size,
               artefact=f"{run}/file.safetensors", format="litecast", runtime="torch",
               coverage_weights=1.0, coverage_macs=1.0 if storage == "float32" else 0.0, **more)  # fmt: skip


def made_rows(datasets, models, techniques, seeds=(0, 1), timed=True, best=0.1):
    """Naive forecasts, a width sweep, dense and longer training, and each technique at four levels, two storages."""
    rng, rows = np.random.default_rng(7), []
    for d, dataset in enumerate(datasets):
        run = f"runs/200_classical/dataset={dataset}"
        for model, wape in (("naive", 0.31), ("seasonal_naive", 0.2), ("arima", 0.14)):
            role = "dense" if model == "arima" else "naive"
            rows.append(row(run, dataset, model, "classical", wape, role=role, seed=None))
        for m, model in enumerate(models):
            base = best + 0.01 * m + 0.02 * d
            for seed in seeds:
                run = f"runs/210_deep/dataset={dataset},model={model},seed={seed}"
                noise = lambda: 1 + rng.normal(0, 0.004)  # noqa: E731
                for width in (8, 16, 32, 64):
                    for storage in STORAGES:
                        loss = {"float32": 1.0, "int8": 1.002, "int4": 1.05}[storage] * (1 + 1.2 / width)
                        rows.append(network(run, dataset, model, "width", base * loss * noise(), 30 * width**2 + 200,
                                            storage, role="dense", level=str(width), seed=seed))
                size = 30 * 32**2 + 200
                rows.append(network(run, dataset, model, "dense", base * 1.03 * noise(), size, role="dense", seed=seed,
                                    latency_ms_p50=0.5 if timed else None, latency_ratio=1.0 if timed else None))
                rows.append(network(run, dataset, model, "dense", base * 1.02 * noise(), size, role="control",
                                    control="extra_epochs", seed=seed))
                for t, technique in enumerate(techniques):
                    run = f"runs/3{t}_{technique}/dataset={dataset},model={model},seed={seed}"
                    for level in (0.5, 0.8, 0.9, 0.95):
                        for storage in ("float32", "int8"):
                            wape = base * (1.02 + (0.02 + 0.05 * t) * level**6) * noise()
                            ms = 0.5 * (1 - 0.5 * t * level) if timed and level == 0.8 else None
                            rows.append(network(run, dataset, model, technique, wape, int(size * (1 - level)), storage,
                                                variant=f"l1-{storage}", level=f"{level:g}", seed=seed,
                                                latency_ms_p50=ms, latency_ratio=0.5 / ms if ms else None))
                    rows.append(network(run, dataset, model, technique, base * 1.2, int(size * 0.1), role="control",
                                        control="random", variant="l1-float32", level="0.9", seed=seed))
    frame = results._typed(pd.DataFrame(rows, columns=results.COLUMNS))
    frame["dense_id"] = frame.row_id.map(results.reference(frame)).astype(str)
    frame["ratio"] = 4 * frame.dense_id.map(frame.set_index("row_id").live_params) / frame.bytes
    frame["selected"] = results.select(frame).astype(float)
    return frame


def made_comparisons(rows):
    """Verdicts of all selected compressed rows of the first seed, as stats.compare would write them."""
    lines = []
    for line in rows[(rows.selected == 1) & (rows.role == "compressed") & (rows.seed == rows.seed.min())].itertuples():
        delta = line.test_wape / rows.test_wape[rows.row_id == line.dense_id].iloc[0] - 1
        for margin in (0.01, 0.02, 0.05):
            low, high = delta - 0.012, delta + 0.012
            verdict = "within" if high < margin else "worse" if low > margin else "undecided"
            lines.append({"row": line.row_id, "reference": line.dense_id, "margin": margin, "delta": delta, "low": low,
                          "high": high, "verdict": verdict, "p_dm": 0.2, "p_holm": 0.9, "mde": 0.017, "n_origins": 1500,
                          "block": 168})
    columns = "row reference margin delta low high verdict p_dm p_holm mde n_origins block".split()
    return pd.DataFrame(lines, columns=columns)


def make_study(name="made", datasets=("sample-traffic",), models=("lstm", "resnet1d"),
               techniques=("magnitude_pruning", "channel_pruning"), failed=1, with_rows=True, **options):
    """Writes a study's artefacts as the runner and its notebooks would; the last `failed` runs have an error."""
    folder = paths.study_dir(name)
    folder.mkdir(parents=True)
    rows = made_rows(datasets, models, techniques, **options)
    ids = [run.removeprefix("runs/") for run in dict.fromkeys(rows.run)]
    stages = [i.split("/")[0] for i in ids]
    runs = [planning.Run(i, s, f"notebooks/{s}.ipynb", {}, {}, f"runs/{i}", [], digest=f"of {i}")
            for i, s in zip(ids, stages, strict=True)]
    runs.append(planning.Run("500_timing/late", "500_timing", "notebooks/500_timing.ipynb", {}, {}, "runs/500_timing/late",
                             [runs[-1].id], digest="late"))
    bad = {run.dir for run in runs[:-1][len(runs) - 1 - failed:]} if failed else set()
    for run in runs:
        (folder / run.dir).mkdir(parents=True)
        if run.dir in bad:
            body = {"digest": run.digest, "error": "ValueError: the loss became infinite at step 12", "traceback": ""}
            planning.write_json(folder / run.dir / "error.json", body)
        elif run.id != "500_timing/late":
            planning.write_json(folder / run.dir / "done.json", {"digest": run.digest})
    lock = {d: {"name": d, "source": "sample", "sha256": "ab12" * 16} for d in datasets}
    lock["seoul-traffic"] = {"name": datasets[0], "source": "sample", "sha256": "", "reason": "no network"}
    planning.write_json(folder / "plan.json", asdict(planning.Plan(name, "", runs, ["arima: few windows, left out"])))
    planning.write_json(folder / "data.lock", lock)
    for dataset in datasets:
        cover = folder / "runs" / "10_collect" / f"dataset={dataset}"
        cover.mkdir(parents=True)
        parts = {"train": [[0, 0.4], [0.5, 0.7]], "val": [[0.4, 0.5], [0.7, 0.8]], "test": [[0.8, 1]]}
        planning.write_json(cover / "coverage.json", {"dataset": dataset, "series": 23, "steps": 8784, "missing": 0.013,
                                                      "frequency": "h", "country": "KR", "unit": "vehicles/h",
                                                      "start": "2024-01-01", "end": "2024-12-31", "parts": parts})
    store_forecasts(folder, rows, datasets)
    if with_rows:
        rows = rows[~rows.run.isin(bad)]
        results.write_csv(rows, folder / "results.csv")
        made_comparisons(rows).to_csv(folder / "comparisons.csv", index=False)
    return folder


def store_forecasts(folder, rows, datasets):
    """Two steps ahead of every hour around a holiday, 10 and 30 off, as the runs of naive forecasts store them."""
    origins = np.tile(pd.date_range("2024-02-29", "2024-03-02 23:00", freq="h"), 2)
    for run, mine in rows[rows.technique == "classical"].groupby("run"):
        step = np.repeat([1, 2], len(origins) // 2)
        stored = [pd.DataFrame({"row_id": name, "series": "노원구", "origin": origins, "step": step, "y": 100.0,
                                "yhat": np.where(step == 1, 110.0, 70.0)}) for name in mine.row_id]
        pd.concat(stored).to_parquet(folder / run / "forecasts.parquet")


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    return tmp_path


def executed(study, path):
    """The report notebook executed as a run of a study executes it."""
    papermill.execute_notebook(paths.NOTEBOOKS / "700_report.ipynb", path, parameters={"study": study},
                               engine_name="litecast", kernel_name="python3", progress_bar=False, log_output=False)
    return path


def notebook_of(*shown, source="# A title\n\nWords."):
    """A notebook whose single code cell has shown these pieces."""
    outputs = []
    for piece in shown:
        data, metadata = piece._repr_mimebundle_()
        outputs.append(nbformat.v4.new_output("display_data", data=data, metadata=metadata))
    cell = nbformat.v4.new_code_cell("secret_code = 1", outputs=outputs)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source), cell])


def exported(tmp_path, nb):
    path = tmp_path / "notebook.ipynb"
    nbformat.write(nb, path)
    page, pdf = export(path, tmp_path)
    return page.read_text(encoding="utf-8"), PdfReader(pdf)


def text_of(pdf):
    return "\n".join(page.extract_text() for page in pdf.pages)


def fetched(page):
    """What a browser would go and get: addresses in src, stylesheets, scripts, url(), import."""
    found = re.findall(r'\bsrc="([^"]*)"', page) + re.findall(r'<link[^>]*href="([^"]*)"', page)
    found += re.findall(r"url\(['\"]?([^)'\"]*)", page) + re.findall(r"@import[^;]*|\bimport\s*\(.*?\)", page)
    return [address for address in found if not address.startswith(("data:", "#"))]


def small_figure(title="그림"):
    from litecast import plots

    fig, axes = plots.blank(1.5)
    axes[0, 0].plot([1, 2], [-1, 3])
    axes[0, 0].set_title(title)
    return fig


# ---------------------------------------------------------------- pieces


def test_table_gives_the_same_cells_as_markdown_and_html():
    frame = pd.DataFrame({"name": ["a|b", "c_d"], "x": [1.23456, np.nan], "n": ["3 %", "12 %"]})
    data, mark = table(frame, "Two rows", ["runs/x%3D1/notebook.html", None])._repr_mimebundle_()
    lines = data["text/markdown"].splitlines()
    assert lines[0] == "| name | x | n |"
    assert lines[1] == "| :-- | --: | --: |"
    assert lines[2] == r"| [a\|b](runs/x%3D1/notebook.html) | 1.235 | 3 % |"
    assert lines[3] == r"| c\_d | – | 12 % |"
    assert '<a href="runs/x%3D1/notebook.html">a|b</a>' in data["text/html"]
    assert data["text/html"].count("<tr>") == 3
    assert mark["litecast"]["caption"] == "Two rows"


def test_table_refuses_links_that_do_not_match_its_lines():
    with pytest.raises(ValueError, match="1 links for the 2 lines"):
        table(pd.DataFrame({"a": [1, 2]}), "c", ["x"])


def test_table_escapes_html():
    data, _ = table(pd.DataFrame({"a<b": ["<script>alert(1)</script>"]}), "c")._repr_mimebundle_()
    assert "<script>" not in data["text/html"]
    assert "a&lt;b" in data["text/html"]


def test_run_link_is_relative_and_quoted():
    link = run_link("runs/30_x/dataset=서울 교통,model=lstm,seed=0")
    assert link.startswith("runs/30_x/dataset%3D") and link.endswith("/notebook.html")
    assert " " not in link and "=" not in link
    assert unquote(link) == "runs/30_x/dataset=서울 교통,model=lstm,seed=0/notebook.html"
    assert run_link("") is None and run_link(None) is None
    assert run_link("runs/a/b", "../../../").startswith("../../../runs/")


def test_figure_is_svg_without_a_date():
    data, mark = figure(small_figure(), "A caption")._repr_mimebundle_()
    again, _ = figure(small_figure(), "A caption")._repr_mimebundle_()
    assert data["image/svg+xml"] == again["image/svg+xml"]
    assert "<dc:date>" not in data["image/svg+xml"]
    assert data["image/svg+xml"].count("<svg ") == 1
    assert mark["litecast"] == {"kind": "figure", "caption": "A caption"}


def test_inline_svg_makes_ids_unique_and_names_no_address():
    raw = '<?xml version="1.0"?><!DOCTYPE svg SYSTEM "http://x/y.dtd"><svg width="1"><metadata>http://z</metadata>' \
          '<path id="a"/><use xlink:href="#a"/><g clip-path="url(#a)"/></svg>'  # fmt: skip
    text = report.inline_svg(raw, "f1-", "What `it` shows")
    assert 'id="f1-a"' in text and 'href="#f1-a"' in text and "url(#f1-a)" in text
    assert "http" not in text
    assert 'aria-label="What it shows"' in text


def test_formula_becomes_mathml_and_an_unreadable_one_its_source():
    assert report.formula(r"\frac{a}{b}").startswith("<math") and "<mfrac>" in report.formula(r"\frac{a}{b}")
    assert report.formula(r"\frac{") == r"<code>\frac{</code>"


# ---------------------------------------------------------------- exporters


def test_html_has_no_code_and_fetches_nothing(tmp_path):
    source = f"# {KOREAN}\n\n$a^2$\n\n$$\\sum_t |y_t|$$\n\n## First\n\n### Below\n\n## Second\n"
    page, _ = exported(tmp_path, notebook_of(figure(small_figure(), "One"), figure(small_figure(), "Two $x$"),
                                             table(pd.DataFrame({"a": ["b"]}), "Cells"), source=source))  # fmt: skip
    assert "secret_code" not in page and "<script" not in page
    assert fetched(page) == []
    assert page.count("<svg ") == 2 and page.count("<table>") == 1
    assert page.count("<math") == 3 and "$" not in page.split("<body>")[1]
    assert re.findall(r"<b>((?:Figure|Table) \d+)\.</b>", page) == ["Figure 1", "Figure 2", "Table 1"]
    assert re.findall(r'href="#(section-[\d.]+)"', page) == ["section-1", "section-1.1", "section-2"]
    assert all(f'id="section-{n}"' in page for n in ("1", "1.1", "2"))
    ids = re.findall(r'<(?:path|clipPath)[^>]* id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert f"<title>{KOREAN}</title>" in page


def test_pdf_has_contents_page_numbers_captions_formulas_and_korean_words(tmp_path):
    words = "노원구 시간당 교통량은 아침에 가장 많다."
    source = f"# {KOREAN}\n\n{words}\n\n## 자료와 방법\n\n$$\\mathrm{{WAPE}} = \\frac{{a}}{{b}}$$\n\n## Second\n"
    wide = pd.DataFrame({"구간 이름": ["성산대교 북단"], "WAPE": [0.1234]})
    _, pdf = exported(tmp_path, notebook_of(figure(small_figure(), "첫째 그림"), table(wide, "둘째 표"), source=source))
    text = text_of(pdf)
    assert [item.title for item in pdf.outline if not isinstance(item, list)] == ["1 자료와 방법", "2 Second"]
    assert "Contents" in text and "WAPE" in text
    for phrase in [*words.rstrip(".").split(), "성산대교 북단", "Figure 1. 첫째 그림", "Table 1. 둘째 표"]:
        assert phrase in re.sub(r"\s+", " ", text), phrase
    for n, page in enumerate(pdf.pages, 1):
        assert f"{n} / {len(pdf.pages)}" in page.extract_text()
    fonts = {str(f.get_object()["/BaseFont"]) for p in pdf.pages for f in p["/Resources"]["/Font"].values()}
    assert any("NanumGothic" in font for font in fonts)


def test_wide_and_long_tables_fit_the_page(tmp_path):
    names = [f"column_{i}" for i in range(report.COLUMNS)]
    wide = pd.DataFrame([[f"value-{r}-{c}" for c in range(len(names))] for r in range(3)], columns=names)
    long = pd.DataFrame({"run": [f"30_x/dataset=seoul-traffic,model=lstm,seed={i}" for i in range(120)], "n": "1"})
    _, pdf = exported(tmp_path, notebook_of(table(wide, "Wide"), table(long, "Long")))
    text = re.sub(r"[\s\u200b]+", "", text_of(pdf))
    assert all(f"value-{r}-{c}" in text for r in range(3) for c in range(len(names)))
    assert all(f"seed={i}1" in text for i in range(120))
    for page in pdf.pages:
        places = []
        page.extract_text(visitor_text=lambda t, cm, tm, *_, p=places: p.append(cm[4] + tm[4]) if t.strip() else None)
        assert 0 <= min(places) and max(places) < float(page.mediabox.width)
    with pytest.raises(ValueError, match="a page has room for"):
        table(wide.assign(more="1"), "Wider")


def test_short_table_stays_on_one_page_and_takes_its_introduction_along(tmp_path):
    lines = pd.DataFrame({"name": [f"line-{i}-" for i in range(20)]})
    tables = [table(lines, f"Table {i}") for i in range(4)]
    _, pdf = exported(tmp_path, notebook_of(*tables))
    for page in pdf.pages:
        assert page.extract_text().count("line-0-") == page.extract_text().count("line-19-")
    source = report._source("# T\n\nAn introduction.\n\n![Caption](figure-1.svg){width=100%}\n")
    assert "#block(sticky: true)[An introduction.]" in source


def test_same_notebook_gives_the_same_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        exported(tmp_path / name, notebook_of(figure(small_figure(), "One")))
    assert (tmp_path / "a/report.html").read_bytes() == (tmp_path / "b/report.html").read_bytes()
    assert (tmp_path / "a/report.pdf").read_bytes() == (tmp_path / "b/report.pdf").read_bytes()


def test_failing_typst_is_a_run_error_and_leaves_no_file(tmp_path, monkeypatch):
    nbformat.write(notebook_of(), tmp_path / "notebook.ipynb")
    monkeypatch.setattr(report, "_source", lambda text: "#let x = \n#unknown-function()")
    with pytest.raises(RunError, match=r"(?s)Typst.*report\.typ"):
        export(tmp_path / "notebook.ipynb", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notebook.ipynb"]


def test_failing_pandoc_is_a_run_error(tmp_path, monkeypatch):
    nbformat.write(notebook_of(), tmp_path / "notebook.ipynb")
    real = report.pypandoc.convert_text
    monkeypatch.setattr(report.pypandoc, "convert_text",
                        lambda *a, extra_args=(), **k: real(*a, extra_args=["--nonsense"], **k))
    with pytest.raises(RunError, match="pandoc.*nonsense"):
        export(tmp_path / "notebook.ipynb", tmp_path)


def test_a_file_that_is_no_notebook_is_a_run_error(tmp_path):
    (tmp_path / "notebook.ipynb").write_text("{ cut off")
    with pytest.raises(RunError, match="notebook.ipynb"):
        render_run(tmp_path / "notebook.ipynb")


def test_run_page_shows_code_outputs_and_errors(tmp_path):
    nb = notebook_of(figure(small_figure(), "Weights"))
    nb.cells[1].outputs += [
        nbformat.v4.new_output("stream", name="stdout", text="printed < line\n"),
        nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="}),
        nbformat.v4.new_output("execute_result", data={"text/html": "<table><tr><td>7</td></tr></table>"}),
        nbformat.v4.new_output("error", ename="ValueError", evalue="bad", traceback=["\x1b[31mValueError\x1b[0m: bad"]),
    ]  # fmt: skip
    nbformat.write(nb, tmp_path / "notebook.ipynb")
    path = render_run(tmp_path / "notebook.ipynb")
    page = path.read_text(encoding="utf-8")
    assert path == tmp_path / "notebook.html"
    assert "secret_code" in page and "printed &lt; line" in page and "<td>7</td>" in page
    assert "ValueError" in page and "\x1b" not in page
    assert "<svg " in page and "data:image/png;base64,iVBORw0KGgo=" in page
    assert fetched(page) == []


def test_exporters_are_found_by_name():
    from nbconvert.exporters import get_exporter

    assert get_exporter("litecast-html") is report.HTMLReport
    assert get_exporter("litecast-pdf") is report.PDFReport


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
    run_links = {a for a in links if a.startswith("runs/") and not a.startswith(("runs/10_", "runs/50_"))}
    assert run_links and run_links <= known
    svg_links = set(re.findall(r'<a href="(runs/[^"]+)"', " ".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))))
    assert svg_links and svg_links <= known


def test_headline_numbers_are_those_of_the_rows(reports):
    make_study()
    made = findings.read("made")
    head = results.headline(made.rows).iloc[0]
    shown = findings.headline(made).data["text/plain"]
    assert findings.percent(head.best_wape) in shown
    assert f"{head.small_kb:.3g}" in shown
    told = findings.findings(made).data
    small = made.rows[made.rows.row_id == head.small].iloc[0]
    assert f"{head.small_kb:.3g} kB" in told and small.model in told


def test_front_is_the_best_narrow_file_on_validation_of_at_most_the_same_size(reports):
    make_study(models=("lstm",), seeds=(0,))
    made = findings.read("made")
    assert len(made.selected()) and made.selected().front.notna().any()
    for one in made.selected().itertuples():
        wide = made.rows[(made.rows.technique == "width") & (made.rows.bytes <= one.bytes)]
        expected = wide.test_wape[wide.val_wape.idxmin()] if len(wide) else np.nan
        assert one.front == pytest.approx(expected, nan_ok=True)


def test_profiles_are_means_of_the_stored_forecasts_by_step_hour_and_holiday(reports):
    folder = make_study(models=("lstm",), seeds=(0,))
    made = findings.read("made")
    errors = findings._errors(made, next(made.files[made.files.model == "seasonal_naive"].itertuples()))
    error = {c: errors.dropna(subset=c).set_index(c).error for c in ("step", "series", "hour", "day")}
    assert error["step"].to_dict() == {1: 10.0, 2: 30.0}  # as stored: 10 one step ahead, 30 two steps
    assert set(error["hour"].index) == set(range(24)) and error["hour"][5] == 20.0
    assert set(error["day"].index) == {"holidays", "other days"}  # 2024-03-01 is one in Korea
    assert errors.wape.max() == pytest.approx(0.3)
    assert (folder / "plan.json").exists()


def test_width_is_the_front_and_no_technique(reports):
    make_study(models=("lstm",), seeds=(0,), failed=0)
    made = findings.read("made")
    assert made.techniques == ["channel_pruning", "magnitude_pruning"]
    told = findings.findings(made).data
    assert "**width**" not in told and "2 compression techniques" in findings.overview(made).data
    controls = findings._controls(made, "channel pruning")
    assert len(controls) and (controls.own < controls.test_wape).all()
    assert f"errs more than the technique at the same level in {len(controls)} of" in told


def test_dataset_without_skill_is_said_and_not_ranked(reports, tmp_path):
    folder = make_study(datasets=("sample-traffic", "krx-price"), models=("lstm",), seeds=(0,))
    rows = results.read(folder / "results.csv")
    rows.loc[rows.dataset == "krx-price", ["val_skill", "test_skill"]] = -0.01
    results.write_csv(rows, folder / "results.csv")
    made = findings.read("made")
    assert made.skilled == ["sample-traffic"]
    assert "No skill to lose** on krx-price" in findings.failures(made).data
    assert "krx-price" not in findings.verdicts(made).data["text/markdown"]
    assert "no network has skill" in findings.recommendation(made).data["text/markdown"]
    told = findings.findings(made).data.splitlines()
    assert [line for line in told if "krx-price" in line and not line.startswith("- **Baselines, krx-price**")] == []


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
    made = findings.read("made")
    assert "no selected file was timed" in findings.findings(made).data
    assert "Nothing was timed" in findings.limits(made).data
    assert len(list(findings.fronts(made))) == 1  # size only


def test_bare_folder_makes_a_report(reports, tmp_path):
    (reports / "made").mkdir()
    _, pdf = export(executed("made", tmp_path / "notebook.ipynb"), reports / "made")
    assert "There is no result row yet" in re.sub(r"\s+", " ", text_of(PdfReader(pdf)))


def test_unknown_study_is_a_run_error_that_names_the_known_ones(reports):
    make_study()
    with pytest.raises(RunError, match=r"no study 'other'.*made"):
        findings.read("other")


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
    files = rows[rows.role == "control"].assign(group="cut", key="/".join(same[key] for key in findings.KEYS))
    found = findings._controls(SimpleNamespace(rows=rows, files=files), "cut")
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


def test_the_best_deep_network_is_held_against_the_simple_forecasts():
    _, made = standing(lstm__seasonal_naive=(-0.5, 0.0001), lstm__arima=(-0.333, 0.0004), lstm__boosting=(-0.02, 0.21))
    (told,) = findings._standing(made, "d")
    assert told.replace("\u00a0", " ") == (
        "**Baselines, d**: the best deep network, lstm, has a test WAPE of 10.00 %, 50 % below the seasonal naive "
        "forecast (20.00 %); better than ARIMA (−33.3 %, p < 0.001); not shown to be better than boosting "
        "(−2.0 %, p = 0.210), though p = 0.042 before the adjustment for 3 tests.")


def test_a_deep_network_that_falls_short_has_its_gap_told():
    files, made = standing(nbeats__arima=(0.067, 0.01))
    made.files = files[files.model != "lstm"]
    (told,) = findings._standing(made, "d")
    assert told.replace("\u00a0", " ") == (
        "**Baselines, d**: the best deep network, nbeats, has a test WAPE of 16.00 %, 20 % below the seasonal naive "
        "forecast (20.00 %), 5 points short of 25 %; dlinear, the best of any kind, reaches 30 %; worse than ARIMA "
        "(+6.7 %, p = 0.010); not compared with boosting.")


def test_whether_the_random_walk_is_beaten_is_said_plainly():
    free = {"lstm__seasonal_naive": (-0.01, 0.3), "arima__seasonal_naive": (0.02, 0.001)}
    (told,) = findings._standing(standing(walk=True, **free)[1], "d")
    assert "no forecaster, network or classical, is shown to beat the random walk: of 2 forecasters (1 network, " \
           "1 classical) none errs less" in told and "lstm (−1.0" in told
    walk, deep = findings._standing(standing(walk=True, **free | {"lstm__seasonal_naive": (-0.01, 0.01)})[1], "d")
    assert "1 of 2 forecasters (1 network, 1 classical) are shown to beat the random walk: lstm (−1.0" in walk
    assert "below the random walk" in deep
    (told,) = findings._standing(standing(walk=True)[1], "d")
    assert "was not tested" in told


def add_rows(folder, lines):
    rows = results.read(folder / "results.csv")
    more = results._typed(pd.DataFrame(lines, columns=results.COLUMNS))
    results.write_csv(pd.concat([rows, more]), folder / "results.csv")


def test_compact_networks_have_a_table_and_are_the_front(reports):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    base = {"role": "dense", "level": "1", "seed": 0, "latency_ms_p50": 0.05}
    add_rows(folder, [network("runs/220_compact/x", "sample-traffic", "dlinear", technique, 0.09, 500, storage, **base)
                      for technique, storage in (("dense", "float32"), *(("width", s) for s in STORAGES))])
    made = findings.read("made")
    shown, told = findings.compact(made)
    (line,) = [line for line in shown.data["text/markdown"].splitlines() if "dlinear" in line]
    cells = [cell.strip() for cell in line.split("|")[2:-1]]
    assert cells[:5] == ["2.9", "1.45", "1.2", "500", "15"] and cells[6:] == ["9.00 %", "+0.550"]
    assert "is dlinear (from 1.2 kB, test WAPE 9.00" in told.data
    bigger = made.files[(made.files.model == "lstm") & (made.files.bytes > 1300)]
    assert len(bigger) and (bigger.front == 0.09).all()  # its own narrow networks err more


def test_published_rows_enter_nothing_but_their_own_table(reports, monkeypatch):
    folder = make_study(models=("lstm",), seeds=(0,), failed=0)
    before = findings.read("made")
    assert "No published table" in next(findings.published(before)).data
    add_rows(folder, [row("runs/230_published/x", "etth1", "nlinear", "published", 0.01, role="dense", level="96",
                          test_mse_scaled=0.38, test_mae_scaled=0.4)])
    made = findings.read("made")
    assert made.datasets == before.datasets and len(made.files) == len(before.files) and len(made.published) == 1
    assert "230_published.ipynb" in findings.provenance(made).data["text/markdown"].replace("\\", "")
    line = {"dataset": "etth1", "H": 96, "model": "nlinear", "L": 336, "published_mse": 0.374, "published_mae": 0.394,
            "mse": 0.38, "mae": 0.4, "ratio_mse": 1.016, "ratio_mae": 1.015, "seeds": 1, "band": 0.02, "within": True,
            "others": "0.377 (b)"}
    lines = pd.DataFrame([line | {"within": 1.0}, line | {"model": "fits", "within": 0.0},
                          line | dict.fromkeys(["published_mse", "published_mae", "within"], np.nan)])
    monkeypatch.setitem(sys.modules, "litecast.published", SimpleNamespace(compare=lambda rows: lines[: len(rows) + 2]))
    monkeypatch.setattr("litecast.published", sys.modules["litecast.published"], raising=False)
    told, shown = findings.published(made)
    assert told.data == "1 of 2 published errors are reached within their band; missed: fits on etth1, H 96."
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
    made = findings.read("made")
    picture, shown = findings.baselines(made)
    text = shown.data["text/markdown"]
    assert "not ranked: knows the weather ahead" in text and "ridge (weather)" in text
    assert picture.mark["kind"] == "figure"
    assert made.heads[0]["best"] == before.best[0]
