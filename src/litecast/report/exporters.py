"""From an executed notebook to a page: the exporters `litecast-html` and `litecast-pdf`.

Figures and tables that `shown` made carry their caption as output metadata, so both exporters number the same things in
the same order: HTML as one file that fetches nothing, PDF by way of Markdown, pandoc and Typst, which come as wheels.
Both write in the language that `words` speaks.
Errors of either are raised as RunError with the program's own message.
"""

import html
import re
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import count
from pathlib import Path

import nbformat
import pypandoc
import typst
from nbconvert.exporters import MarkdownExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from traitlets.config import Config

from litecast.errors import RunError
from litecast.figures.style import font_dir
from litecast.files import replacing
from litecast.paths import ROOT
from litecast.report import filters, languages, words
from litecast.report.shown import MARK, formula, markdown

TEMPLATES = ROOT / "reports" / "templates"
UNBROKEN = 16  # lines of a table that stays on one page
TITLE = "title"  # tag of a cell of which a report shows the first line: its intent is for who opens the notebook


def _numbered(nb, turn: Callable, streams: bool = False) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """A copy whose marked outputs are numbered pieces of the target's own format, and the files beside it; without
    `streams` no printed lines, progress bars and intent: a report shows tables, figures and sentences."""
    nb, counts, files = deepcopy(nb), Counter(), {}
    for cell in nb.cells:
        if cell.cell_type == "markdown" and not streams:
            cell.source = words.cell(cell.source)
        if TITLE in cell.metadata.get("tags", ()) and not streams:
            cell.source = cell.source.partition("\n")[0]
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if streams or o.output_type != "stream"]
        for output in cell.get("outputs", []):
            if mark := output.get("metadata", {}).get(MARK):
                counts[mark["kind"]] += 1
                output["data"] = turn(output["data"], counts[mark["kind"]], files, **mark)
    return nb, files


def _as_html(data, number, files, kind, caption, narrow="", cut="", of=()) -> dict[str, str]:
    head = f"<figcaption><b>{words.phrase('page', kind)} {number}.</b> {markdown(caption, inline=True)}</figcaption>"
    if kind == "table":
        body = f'{head}<div class="scroll">{data["text/html"]}</div>'
    else:
        body = inline_svg(data["image/svg+xml"], f"fig{number}-", caption)
        if narrow:
            other = inline_svg(narrow, f"fig{number}n-", caption)
            body = f'<div class="wide">{body}</div><div class="narrow">{other}</div>'
        body += head
    return {"text/html": f'<figure class="{kind}" id="{kind}-{number}"{filters.attributes(dict(of))}>{body}</figure>'}


def _as_markdown(data, number, files, kind, caption, narrow="", cut="", of=()) -> dict[str, str]:
    if kind == "table":
        text = f"\n{data['text/markdown']}\n\n: {caption}{cut}\n"
        if text.count("\n") <= UNBROKEN:
            text = f"\n```{{=typst}}\n#block(breakable: false)[\n```\n{text}\n```{{=typst}}\n]\n```\n"
        return {"text/markdown": text}
    files[f"figure-{number}.svg"] = data["image/svg+xml"]
    return {"text/markdown": f"\n![{caption}](figure-{number}.svg){{width=100%}}\n"}


def _config(default: Config, kinds: list[str], **template) -> Config:
    """That of an exporter that shows the first of these kinds an output has, and no code unless asked."""
    return Config(default | {"NbConvertBase": {"display_data_priority": kinds},
                             "TemplateExporter": {"exclude_input": True, **template}})


class HTMLReport(TemplateExporter):
    """One HTML file: contents, numbered figures and tables, formulas as MathML, nothing fetched; no code by default."""

    export_from_notebook = "Report (HTML)"
    output_mimetype = "text/html"

    @property
    def default_config(self):
        kinds = ["text/html", "text/markdown", "image/svg+xml", "text/latex", "image/png", "image/jpeg", "text/plain"]
        return _config(super().default_config, kinds, file_extension=".html", template_name="litecast-html",
                       extra_template_basedirs=[str(TEMPLATES)])

    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", markdown
        yield "mathml", formula
        numbers = count()
        yield "plain_svg", lambda text: inline_svg(text, f"o{next(numbers)}-")
        yield "highlight_code", Highlight2HTML(pygments_lexer="ipython3", parent=self)

    def from_notebook_node(self, nb, resources=None, **options):
        """HTML text and resources. A notebook without a title goes by its file's name."""
        code = not self.exclude_input
        nb, _ = _numbered(nb, _as_html, streams=code)
        told = {"lang": words.LANGUAGE, "words": words.phrases(words.LANGUAGE)["page"]}
        resources = (resources or {}) | {"litecast": {"code": code, "title": _title(nb), **told}}
        text, resources = super().from_notebook_node(nb, resources, **options)
        return _with_contents(text).replace("<!-- filter -->", "" if code else filters.bar(text), 1), resources


class PDFReport(MarkdownExporter):
    """Markdown by nbconvert, Typst source by pandoc, PDF by Typst: contents, numbered figures and tables."""

    export_from_notebook = "Report (PDF)"

    @property
    def default_config(self):
        config = _config(super().default_config, ["text/markdown", "text/latex", "text/plain"])
        config.ExtractOutputPreprocessor.enabled = False
        return config

    def from_notebook_node(self, nb, resources=None, **options):
        """PDF bytes and resources. Raises RunError with the message of pandoc or Typst."""
        nb, files = _numbered(nb, _as_markdown)
        text, resources = super().from_notebook_node(nb, resources, **options)
        resources["output_extension"] = ".pdf"
        return _typeset(_source(text), files), resources


def _title(nb) -> str:
    """Text of the first heading."""
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    found = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return re.sub(r"[`*$\\]", "", found[1]) if found else "litecast"


def inline_svg(text: str, prefix: str = "", alt: str = "") -> str:
    """An SVG file as an element of a page: no prolog or metadata (they name URLs), ids that no other figure has. With
    links it is no mere image: a reader of screens goes into it."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg"):], flags=re.DOTALL)
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}", text).replace("xlink:href", "href")
    label = html.escape(re.sub(r"[`*$\\]", "", alt))
    role = "group" if "<a " in text else "img"
    return text.replace("<svg ", f'<svg role="{role}" aria-label="{label}" ', 1).strip()


def _with_contents(page: str) -> str:
    """Numbers the second and third headings, gives them ids and lists them where the template asks for it."""
    numbers, items = [0, 0], []

    def mark(found):
        level, text = int(found[1]), found[2]
        numbers[:] = [numbers[0] + 1, 0] if level == 2 else [numbers[0], numbers[1] + 1]
        number = ".".join(str(n) for n in numbers[: level - 1])
        items.append(f'<li class="level-{level}"><a href="#section-{number}">{number} {text}</a></li>')
        return f'<h{level} id="section-{number}"><span class="section">{number}</span> {text}</h{level}>'

    head, start, body = page.partition("<!-- body -->")
    body = re.sub(r"<h([23])[^>]*>(.*?)</h\1>", mark, body, flags=re.DOTALL)
    return head.replace("<!-- contents -->", "<ol>" + "\n".join(items) + "</ol>" if items else "") + start + body


def _source(text: str) -> str:
    """Typst source of the report's Markdown. Raises RunError with pandoc's message."""
    # page 1 is what stands before the first section; from there on figures go where there is room for them
    text = text.replace("\n## ", "\n```{=typst}\n#pagebreak(weak: true)\n#listed\n#show: floating\n```\n\n## ", 1)
    told = {"lang": words.LANGUAGE, "contents": words.phrase("page", "contents")}
    options = ["--standalone", f"--template={TEMPLATES / 'report.typ'}", "--shift-heading-level-by=-1",
               *(f"--variable={name}={text}" for name, text in told.items()),
               "--columns=100000", "--wrap=none"]  # a wide column count: tables without guessed widths
    kind = "markdown-smart-citations-raw_html-example_lists-fancy_lists+lists_without_preceding_blankline"
    try:
        source = pypandoc.convert_text(text, "typst", format=kind, extra_args=options, verify_format=False)
    except (RuntimeError, OSError) as error:
        raise RunError(f"report: pandoc could not turn the notebook into Typst source: {error}") from error
    source = re.sub(r"^((?:[A-Z가-힣]|#strong)[^\n]*)\n\n(?=#figure\(\n|#block)", r"#block(sticky: true)[\1]\n\n",
                    source, flags=re.MULTILINE)  # a sentence stays with the table it introduces
    return source.replace("align(center)[#table(", "align(left)[#table(")


def _typeset(source: str, files: dict[str, str]) -> bytes:
    """PDF of Typst source and the figures beside it. Raises RunError with Typst's message and place."""
    parts = {name: "".join(content).encode() for name, content in {"main.typ": source, **files}.items()}
    try:  # no date of its own: same study, same bytes
        return typst.compile(parts, font_paths=[font_dir()], ignore_system_fonts=True, timestamp=0)
    except typst.TypstError as error:
        raise RunError(f"report: Typst could not set the PDF: {getattr(error, 'diagnostic', '') or error}") from error


_run_page = cache(lambda: HTMLReport(exclude_input=False))  # one for a process: building its templates costs the most


def render_run(notebook: Path | str) -> Path:
    """Writes notebook.html, with code, beside an executed run's notebook and returns its path."""
    page = Path(notebook).with_suffix(".html")
    text, _ = _run_page().from_notebook_node(_read(Path(notebook)))
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def export(notebook: Path | str, study_dir: Path | str, language: str = languages.FIRST) -> tuple[Path, Path]:
    """Writes report.html and report.pdf of an executed notebook into a study's folder: both, or neither; in another
    language report.<language>.html and .pdf of a notebook that was executed in it.

    Raises RunError if the notebook cannot be read, for an unknown language, or with the message of pandoc or Typst.
    """
    nb = _read(Path(notebook))
    with words.speaking(language):
        page, _ = HTMLReport().from_notebook_node(nb)
        pdf, _ = PDFReport().from_notebook_node(nb)
    paths = [Path(study_dir, f"{languages.stem(language)}.{kind}") for kind in ("html", "pdf")]
    with replacing(paths[0]) as new_page, replacing(paths[1]) as new_pdf:
        new_page.write_text(page, encoding="utf-8")
        new_pdf.write_bytes(pdf)
    return tuple(paths)


def _read(path: Path):
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise RunError(f"{path}: not a notebook that can be rendered: {error}") from error
