"""What cells show, and the exporters to HTML and PDF."""

import re
from urllib.parse import unquote

import nbformat
import pandas as pd
import pytest
from made import fetched, text_of
from pypdf import PdfReader

from litecast.errors import RunError
from litecast.figures import style
from litecast.report import exporters, shown
from litecast.report.exporters import export, render_run
from litecast.report.shown import figure, run_link, table

KOREAN = "서울 교통량 예측 보고서"


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


def small_figure(title="그림"):
    fig, axes = style.blank(1.5)
    ax = axes.flat[0]
    ax.plot([1, 2], [-1, 3])
    ax.set_title(title)
    return fig


# ---------------------------------------------------------------- pieces


def test_table_gives_the_same_cells_as_markdown_and_html():
    frame = pd.DataFrame({"name": ["a|b", "c_d"], "x": ["1.235", "–"], "n": ["3 %", "12 %"]})
    data, mark = table(frame, "Two rows", ["runs/x%3D1/notebook.html", None])._repr_mimebundle_()
    lines = data["text/markdown"].splitlines()
    assert lines[0] == "| name | x | n |"
    assert lines[1] == "| :-- | --: | --: |"
    assert lines[2] == r"| [a\|b](runs/x%3D1/notebook.html) | 1.235 | 3 % |"
    assert lines[3] == r"| c\_d | – | 12 % |"
    assert '<a href="runs/x%3D1/notebook.html">a|b</a>' in data["text/html"]
    assert data["text/html"].count("<tr>") == 3
    assert mark["litecast"]["caption"] == "Two rows"


def test_of_a_long_table_the_page_has_all_lines_and_print_the_first():
    shown = table(pd.DataFrame({"name": list("abcde")}), "Names", printed=(2, ", the first two"))
    data, marked = shown._repr_mimebundle_()
    assert [line for line in data["text/markdown"].splitlines()[2:]] == ["| a |", "| b |"]
    assert all(f"<td style=\"text-align:left\">{name}</td>" in data["text/html"] for name in "abcde")
    assert ": Names, the first two" in exporters._as_markdown(data, 1, {}, **marked["litecast"])["text/markdown"]
    assert "the first two" not in exporters._as_html(data, 1, {}, **marked["litecast"])["text/html"]


def test_table_refuses_links_that_do_not_match_its_lines():
    with pytest.raises(ValueError, match="shorter"):
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
    text = exporters.inline_svg(raw, "f1-", "What `it` shows")
    assert 'id="f1-a"' in text and 'href="#f1-a"' in text and "url(#f1-a)" in text
    assert "http" not in text
    assert 'aria-label="What it shows"' in text


def test_formula_becomes_mathml_and_an_unreadable_one_its_source():
    assert shown.formula(r"\frac{a}{b}").startswith("<math") and "<mfrac>" in shown.formula(r"\frac{a}{b}")
    assert shown.formula(r"\frac{") == r"<code>\frac{</code>"


# ---------------------------------------------------------------- exporters


def test_html_has_no_code_and_fetches_nothing(tmp_path):
    source = f"# {KOREAN}\n\n$a^2$\n\n$$\\sum_t |y_t|$$\n\n## First\n\n### Below\n\n## Second\n"
    page, _ = exported(tmp_path, notebook_of(figure(small_figure(), "One"), figure(small_figure(), "Two $x$"),
                                             table(pd.DataFrame({"a": ["b"]}), "Cells"), source=source))  # fmt: skip
    assert "secret_code" not in page and page.count("<script") == 1
    assert fetched(page) == []
    assert page.count("<svg ") == 2 and page.count("<table>") == 1
    assert page.count("<math") == 3 and "$" not in page.split("<body>")[1].split("<script>")[0]
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
    names = [f"column_{i}" for i in range(shown.COLUMNS)]
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
    lines = pd.DataFrame({"name": [f"line-{i}-" for i in range(9)]})
    tables = [table(lines, f"Table {i}") for i in range(9)]
    _, pdf = exported(tmp_path, notebook_of(*tables))
    assert len(pdf.pages) > 1
    for page in pdf.pages:
        assert page.extract_text().count("line-0-") == page.extract_text().count("line-8-")
    source = exporters._source("# T\n\nAn introduction.\n\n| a |\n| :-- |\n| b |\n\n: Caption\n")
    assert "#block(sticky: true)[An introduction.]" in source


def test_a_tall_figure_leaves_no_half_empty_page(tmp_path):
    """It goes to the next page, and what follows fills the page before it; what leads the first section stays."""
    fig, _ = style.blank(style.TALLEST)
    few, words = ("".join(f"Sentence {i} of {what}.\n\n" for i in range(40)[:n])
                  for what, n in (("what leads", 8), ("what follows", 40)))
    nb = notebook_of(figure(small_figure(), "Early"), source="# T\n\nThe answer.\n")
    nb.cells += notebook_of(figure(fig, "Tall"), source=f"## Section\n\n{few}").cells
    nb.cells += [nbformat.v4.new_markdown_cell(words)]
    _, pdf = exported(tmp_path, nb)
    first, second, *_ = texts = [page.extract_text() for page in pdf.pages]
    assert "The answer." in first and "Figure 1." in first and "Contents" not in first
    assert "Contents" in second and "Sentence 7 of what leads" in second and "Figure 2." not in second
    assert second.count("of what follows") > 10
    assert "Figure 2." in texts[2]


def test_of_a_cell_tagged_title_a_report_shows_no_more(tmp_path):
    nb = notebook_of(source="# T\n\n- An intent.\n")
    assert "An intent." in exported(tmp_path, nb)[0]
    nb.cells[0].metadata["tags"] = [exporters.TITLE]
    page, pdf = exported(tmp_path, nb)
    assert "An intent." not in page and "An intent." not in text_of(pdf) and "<h1" in page
    assert "An intent." in render_run(tmp_path / "notebook.ipynb").read_text(encoding="utf-8")


def test_a_figure_for_telephones_is_no_figure_of_its_own(tmp_path):
    page, pdf = exported(tmp_path, notebook_of(figure(small_figure(), "One", narrow=small_figure())))
    wide, narrow = re.findall(r'<div class="(?:wide|narrow)">.*?</div>', page, re.DOTALL)
    assert page.count("<svg ") == 2 and wide.count("<svg ") == narrow.count("<svg ") == 1
    assert len(re.findall(r"<b>Figure \d+\.</b>", page)) == 1 and "Figure 2." not in text_of(pdf)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    css = page[page.index("<style>") : page.index("</style>")]
    assert ".narrow { display: none; }" in css and "max-width: 40rem" in css


def test_on_a_narrow_screen_tables_and_formulas_scroll_in_their_own_boxes(tmp_path):
    nb = notebook_of(table(pd.DataFrame({"a": ["b"]}), "Cells"), source="# T\n\n$$\\sum_t |y_t|$$\n")
    page, _ = exported(tmp_path, nb)
    assert re.search(r'<div class="scroll"><table>', page)
    css = page[page.index("<style>") : page.index("</style>")]
    assert ".scroll { overflow-x: auto; }" in css and 'p:has(> math[display="block"]) { overflow-x: auto; }' in css
    assert re.search(r'<p tabindex="0"><math[^>]*display="block"', page), "the box that the rule above speaks of"


def test_same_notebook_gives_the_same_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        exported(tmp_path / name, notebook_of(figure(small_figure(), "One")))
    assert (tmp_path / "a/report.html").read_bytes() == (tmp_path / "b/report.html").read_bytes()
    assert (tmp_path / "a/report.pdf").read_bytes() == (tmp_path / "b/report.pdf").read_bytes()


def test_failing_typst_is_a_run_error_and_leaves_no_file(tmp_path, monkeypatch):
    nbformat.write(notebook_of(), tmp_path / "notebook.ipynb")
    monkeypatch.setattr(exporters, "_source", lambda text: "#let x = \n#unknown-function()")
    with pytest.raises(RunError, match=r"(?s)Typst.*main\.typ"):
        export(tmp_path / "notebook.ipynb", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notebook.ipynb"]


def test_failing_pandoc_is_a_run_error(tmp_path, monkeypatch):
    nbformat.write(notebook_of(), tmp_path / "notebook.ipynb")
    real = exporters.pypandoc.convert_text
    monkeypatch.setattr(exporters.pypandoc, "convert_text",
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

    assert get_exporter("litecast-html") is exporters.HTMLReport
    assert get_exporter("litecast-pdf") is exporters.PDFReport
