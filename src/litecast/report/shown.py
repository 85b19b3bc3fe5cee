"""What cells show: figures and tables with a caption, under which the exporters number them."""

import html
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote

import pandas as pd
from latex2mathml.converter import convert as mathml
from matplotlib.figure import Figure
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from litecast.figures.style import svg, use

MARK = "litecast"  # key of the output metadata that makes an output a numbered figure or table
COLUMNS = 10  # what a page has room for in legible type
NUMBER = re.compile(r"–?|[+−-]?[\d.,]+(e[+-]?\d+)?( ?[%×])?")  # cells that are set to the right


def run_link(run: str) -> str | None:
    """Quoted address of a run's rendered notebook from the study's folder; None without one."""
    return quote(f"{run}/notebook.html") if isinstance(run, str) and run else None


def row_link(row: Mapping) -> str | None:
    """The address of a row's run with the row_id behind it, by which `figure` finds what its point tells."""
    run = run_link(row.get("run"))
    return run and f"{run}#{quote(str(row.get('row_id') or row.get('row') or ''), safe='')}"


class Shown:
    """An output in several formats, marked with the caption under which the exporters number it."""

    def __init__(self, kind: str, caption: str, data: dict[str, str], **more):
        self.data, self.mark = data, {"kind": kind, "caption": caption, **more}

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.data, {MARK: self.mark}


def figure(fig: Figure, caption: str, narrow: Figure | None = None, tell: Callable[[str], str] = str,
           of: Mapping[str, str] | None = None) -> Shown:
    """A matplotlib figure as SVG under a numbered caption (Markdown); narrow: what a telephone shows in its place.

    tell: row_id -> the title of each point that is linked by a `row_link`; of: whose figure it is, see `filters`.
    """
    use()
    more = {"narrow": titled(svg(narrow), tell)} if narrow else {}
    return Shown("figure", caption, {"image/svg+xml": titled(svg(fig), tell), "text/plain": caption}, **more,
                 **({"of": dict(of)} if of else {}))


def titled(text: str, tell: Callable[[str], str]) -> str:
    """SVG in which each link that names a row has a title instead: what is told of it; links around nothing, as of
    points that have no place on the axes, are left out."""
    def put(found):
        title = html.escape(tell(unquote(found[2])), quote=False)
        return f"{found[1]}{found[3]}<title>{title}</title>"

    return re.sub(r'(<a xlink:href="[^"#]*)#([^"]+)("[^>]*>)', put, re.sub(r"<a [^>]*/>", "", text))


def table(frame: pd.DataFrame, caption: str, links: list[str | None] | None = None,
          printed: tuple[int, str] = (-1, ""), of: list[str] | None = None) -> Shown:
    """A table of text as Markdown (for the PDF: pandoc drops pandas' HTML) and HTML, under a numbered caption.

    links: one address or None per line, put on its first cell. printed: the lines that the PDF has, if not all, and
    what its caption says of that. of: HTML attributes of each line, see `filters`. Raises ValueError for links or
    attributes that do not match the lines, and for more columns than a page has room for.
    """
    if frame.shape[1] > COLUMNS:
        raise ValueError(f"{frame.shape[1]} columns in table {caption!r}: a page has room for {COLUMNS}")
    cells = [[" ".join(str(value).split()) for value in line] for line in frame.itertuples(index=False, name=None)]
    right = [all(map(NUMBER.fullmatch, column)) for column in zip(*cells, strict=True)] or [False] * frame.shape[1]
    lines = [list(map(_escape, frame.columns)), ["--:" if r else ":--" for r in right]]
    for line, link in zip(cells, links or [None] * len(cells), strict=True):
        first, *others = map(_escape, line)
        lines.append([f"[{first}]({link})" if link else first, *others])
    text = ["| " + " | ".join(line) + " |" for line in lines]
    count, cut = printed
    short = "\n".join(text[: 2 + count] if cut else text)
    page = markdown("\n".join(text))
    if of:  # cells are escaped: what begins a line is no one's text
        head, *rows = page.split("<tr>")[1:]
        page = page.partition("<tr>")[0] + "<tr>" + head + "".join(
            f"<tr{mine}>{row}" for mine, row in zip(of, rows, strict=True))
    return Shown("table", caption, {"text/html": page, "text/markdown": short,
                                    "text/plain": frame.to_string(index=False)}, **({"cut": cut} if cut else {}))


def _escape(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return re.sub(r"([\\`*_{}\[\]<>$|#@^~])", r"\\\1", text)


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown, but formulas become MathML here and now instead of in the reader's browser."""

    def inline_math(self, body):
        return formula(body)

    def block_math(self, body):
        return formula(body, "block")

    def latex_environment(self, name, body):
        return formula(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")


def formula(tex: str, display: str = "inline") -> str:
    """MathML of a TeX formula; one that cannot be read is shown as its source."""
    tex = tex.strip().strip("$")
    try:
        return mathml(tex, display=display)
    except Exception:  # the parser raises many kinds on stray dollar signs; the text must still be readable
        return f"<code>{html.escape(tex)}</code>"


def markdown(source: str, inline: bool = False) -> str:
    """HTML of Markdown with formulas; inline: without the paragraph around it."""
    text = MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source).strip()
    text = re.sub(r'<p>(?=<math[^>]*display="block")', '<p tabindex="0">', text)  # scrolls: by keys, too
    return re.sub(r"^<p>(.*)</p>$", r"\1", text, flags=re.DOTALL) if inline else text
