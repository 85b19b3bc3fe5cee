"""A report in several languages: the same facts, the same numbers, nothing that is left in another language."""

import ast
import json
import os
import re
import subprocess
from collections import Counter

import pytest
import yaml
from made import add_rows, make_study, row, text_of
from matplotlib.text import Text
from pypdf import PdfReader
from test_chains_told import chain_rows
from test_report import executed

from litecast import catalogue, paths
from litecast.errors import RunError
from litecast.figures import data as of_data
from litecast.figures import devices, fronts, spoken, style
from litecast.report import facts, languages, pages, words
from litecast.report.exporters import export
from litecast.report.facts import paragraphs
from litecast.results import techniques
from litecast.running import make

OTHERS = sorted({*languages.known()} - {languages.FIRST})
PARAGRAPHS = """answer overview findings failures information transfer search chains techniques data_notes limits claims
notes""".split()
TABLES = """answer headline standing data widths verdicts recommendation regrets foresight unfinished artefacts
provenance""".split()
# What may stand in a template as a number: names, levels of bands, the tolerance of a rule, the least p.
NAMES = re.compile(r"int8|float32|8 bit|8비트|[13]×[13]|(?<![\d.])(80|95|1) ?%|SHA-256|< 0\.001|MobileNet v1"
                   r"|Net2Net")


def folder(language):
    return languages.FOLDER / language


def parts(language):
    return yaml.safe_load((folder(language) / "tables.yaml").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- the folders


def test_korean_is_there_and_english_is_first():
    assert languages.known() == ["en", "ko"] and languages.FIRST == "en" and OTHERS == ["ko"]
    assert [languages.stem(name) for name in ("en", "ko")] == ["report", "report.ko"]


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_template_every_line_and_the_same_columns(language):
    names = [{path.name for path in folder(one).glob("*.j2")} for one in (languages.FIRST, language)]
    assert names[0] == names[1]
    first, other = parts(languages.FIRST), parts(language)
    assert {part: set(lines) for part, lines in first.items()} == {part: set(lines) for part, lines in other.items()}
    assert first["tables"] == other["tables"]
    macros = [set(re.findall(r"macro (\w+\(.*?\))", (folder(one) / "macros.j2").read_text(encoding="utf-8")))
              for one in (languages.FIRST, language)]
    assert macros[0] == macros[1]
    grammars = []
    for one in (languages.FIRST, language):
        with words.speaking(one):
            grammars.append({name for name in vars(words.grammar()) if not name.startswith("_")} - {"sub"})
    assert grammars[0] == grammars[1]


def typed(text, language):
    """Digits of a template's own text, without what it computes and without names."""
    data = words.environment(language).parse(text).find_all(words.jinja2.nodes.TemplateData)
    return re.findall(r"\S*\d\S*", NAMES.sub("", " ".join(node.data for node in data)))


@pytest.mark.parametrize("language", languages.known())
def test_no_template_holds_a_number_that_was_typed(language):
    for path in folder(language).glob("*.j2"):
        assert typed(path.read_text(encoding="utf-8"), language) == [], path.name
    for part, lines in parts(language).items():
        for name, text in lines.items() if part != "tables" else ():  # whose lines are names of columns
            for one in text if isinstance(text, list) else [text]:
                assert typed(one, language) == [], f"{part}.{name}"


def test_a_typed_number_would_be_seen():
    assert typed("of {{ n | fixed('{:.0f}') }} files 12 are, in int8 at 80 %", "en") == ["12"]


@pytest.mark.parametrize("language", OTHERS)
def test_all_prose_of_the_notebook_is_there_with_the_same_formulas_and_numbers(language):
    cells = json.loads((paths.NOTEBOOKS / "700_report.ipynb").read_text(encoding="utf-8"))["cells"]
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    with words.speaking(language):
        said = {text: words.cell(text) for text in prose}
    known = yaml.safe_load((folder(language) / "cells.yaml").read_text(encoding="utf-8"))
    assert set(known) == {text.partition("\n")[0] for text in prose}, "no cell is lacking and none is left"
    for text, other in said.items():
        assert other != text
        if "\n- " not in text:  # the intent of the notebook, of which a report shows the title alone
            assert formulas(other) == formulas(text) and numbers(other) == numbers(text), text[:60]


def formulas(text):
    return Counter(re.findall(r"\$\$.*?\$\$|\$[^$]+\$", text, re.DOTALL))


def numbers(text):
    """The numbers of a text, whatever the format: 1,234 is 1234, 2 % is 2."""
    text = re.sub(r"\$\$.*?\$\$|\$[^$]+\$", "", text, flags=re.DOTALL)
    text = re.sub(r"(\d{4})(?:-0?|\. )(\d+)(?:-0?|\. )(\d+)", r"\1 \2 \3", text)  # of dates
    return Counter(one.replace(",", "").rstrip(".") for one in re.findall(r"[+-]?\d[\d,.]*(?<![,.])", text))


# ---------------------------------------------------------------- what techniques, models and figures say


def literals():
    """All that files of techniques and models tell a reader."""
    for name, found in catalogue.members("compress", "LEVELS", "VARIANTS").items():
        yield from (style.called(name), found["LEVEL"], *filter(None, [found.get("NOTE")]))
        yield from (text for control, told in found["CONTROLS"].items() for text in (style.called(control), told))
    told = catalogue.literals(paths.PACKAGE / "models" / "information.py")
    yield from (*told["SHORT"].values(), *(text for _, text in told["KNOWS"].values()))


def drawn():
    """Module of figures -> functions of it that the report calls."""
    tree, found = ast.parse((paths.PACKAGE / "report" / "pages.py").read_text(encoding="utf-8")), {}
    known = {alias.asname or alias.name: alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             and node.module == "litecast.figures" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in known:
            found.setdefault(known[node.value.id], set()).add(node.attr)
    return found


WORDS = {"xlabel", "ylabel", "label", "title"}  # keywords, and functions, that write
WRITE = {"says", "note", "set_title", "set_xlabel", "set_ylabel", "supylabel"}
COMPUTED = (ast.Subscript, ast.JoinedStr, ast.Compare)  # keys of something, and what is put together


def written(path, functions):
    """The constants that these functions of a module, and its helpers, hand over as labels, titles and remarks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    asked = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
             and (node.name in functions or node.name.startswith("_"))]
    for call in [node for part in asked for node in ast.walk(part) if isinstance(node, ast.Call)]:
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        for part in [word.value for word in call.keywords if word.arg in WORDS] + call.args * (name in WRITE):
            inner = {id(one) for node in ast.walk(part) if isinstance(node, COMPUTED) for one in ast.walk(node)}
            yield from (one.value for one in ast.walk(part) if isinstance(one, ast.Constant)
                        and isinstance(one.value, str) and id(one) not in inner)


def of_figures():
    for name, functions in drawn().items():
        yield from written(paths.PACKAGE / "figures" / f"{name}.py", functions)
    yield from (label for label, _ in fronts.AXES.values())
    yield from (label for label, _ in devices.PANELS.values())
    yield from (label for label, _ in of_data._PARTS.values())
    yield from techniques.FORGOTTEN.values()


@pytest.mark.parametrize("language", OTHERS)
def test_every_string_of_techniques_models_and_figures_is_known(language):
    with words.speaking(language):
        known = words._terms(language)
        told = {text for text in (*literals(), *of_figures()) if re.search("[a-z]{2}", text)}
        assert len(told) > 100
        patterns = words._read(language, "terms")["patterns"]
        lacking = [text for text in told if text not in known and not any(re.fullmatch(p, text) for p in patterns)]
        assert lacking == []


def test_a_label_that_is_not_known_would_be_seen(tmp_path):
    code = 'def front(ax):\n    ax.set(xlabel="bytes a day", title=f"{1} of")\n    ax.plot(label="new")\n'
    (tmp_path / "new.py").write_text(code)
    assert list(written(tmp_path / "new.py", {"front"})) == ["bytes a day", "new"]


def test_what_is_joined_is_told_part_by_part_and_somebody_s_own_name_stays():
    with words.speaking("ko"):
        assert words.say("channel pruning + int8, lstm") == "채널 가지치기 + int8, lstm"
        assert words.say("above: naive 31.0 %, 3 files") == "위쪽 밖: 나이브 31.0%, 파일 3개"
        assert words.say("lstm: channel pruning 50 % > int8 8") == "lstm: 채널 가지치기 50% > int8 8"
        assert words.say("nbeats (own week)") == "nbeats (고유 주간)"
        for own in ("dense road", "my test set", "노원구", "a+b_c", "", " "):
            assert words.say(own) == own
    assert words.say("dense") == "dense"


def test_a_figure_says_the_same_in_another_language_and_shows_the_same():
    figure, (ax,) = style.blank(2.0)
    ax.plot([1, 2], [0.1, 0.2], label="seasonal naive")
    ax.set(xlabel="file size (kB)", title="my road")
    ax.set_xticks([1, 2], ["low\nbit\n4", "dense"])
    style.percent_axis(ax.yaxis)
    style.legend(figure, ax)
    before = ax.lines[0].get_xydata().tolist()
    with words.speaking("ko"):
        svg = style.svg(words.drawn(words.drawn(figure)))
        figure.draw_without_rendering()
    shown = {text.get_text() for text in figure.findobj(Text)}
    assert {"파일 크기 (kB)", "my road", "계절 나이브", "저비트\n양자화\n4", "원본", "10%"} <= shown, shown
    assert ax.lines[0].get_xydata().tolist() == before and svg.startswith("<?xml")
    assert isinstance(ax.xaxis.get_major_formatter().own, spoken.Formatter)
    assert not isinstance(ax.xaxis.get_major_formatter().own, spoken.Ticks), "wrapped once"


# ---------------------------------------------------------------- the same facts


@pytest.fixture
def full(reports):
    """A study with a bit of everything."""
    made = make_study(datasets=("sample-traffic", "seoul-traffic"), seeds=(0,))
    mean = {"technique": "ensemble", "wape": 0.09, "role": "ensemble"}
    add_rows(made, [*chain_rows(), row("runs/x/y", "sample-traffic", "lstm", level="3", variant="seeds", **mean),
                    row("runs/x/z", "sample-traffic", "committee", level="2", variant="8kB", bytes=7e3, **mean)])
    return facts.read("made")


def shown(made):
    """All paragraphs and tables by name, as text."""
    for name in PARAGRAPHS:
        yield name, pages.told(made, name).data
    for name in TABLES:
        one = pages.table(made, name)
        yield f"table {name}", one.data["text/markdown"] if hasattr(one, "mark") else one.data
        yield f"caption {name}", one.mark["caption"] if hasattr(one, "mark") else ""
    for technique in made.techniques:
        for place, one in enumerate(pages.section(made, technique)):
            text = one.mark["caption"] if hasattr(one, "mark") else one.data
            yield f"{technique} {place}", text


@pytest.mark.parametrize("language", OTHERS)
def test_both_languages_hold_the_same_numbers(full, language):
    first = dict(shown(full))
    with words.speaking(language):
        other = dict(shown(full))
    assert list(first) == list(other)
    for name, text in first.items():
        assert numbers(other[name]) == numbers(text), f"{name}:\n{text}\n{other[name]}"
        assert other[name] != text or not re.search("[a-z]{4}", text), name
    assert words.LANGUAGE == languages.FIRST


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_said_of_claims_holds_the_same_numbers_whatever_they_are(language):
    case = {"least": 1.25, "most": 3.5, "number": 2.25, "base": 7.5}
    for part in ("claims", "tested", "needs", "cases", "answers", "sources", "whys"):
        for name in parts(languages.FIRST)[part]:
            first = words.phrase(part, name, **case)
            with words.speaking(language):
                other = words.phrase(part, name, **case)
            assert numbers(other) == numbers(first), f"{part}.{name}:\n{first}\n{other}"


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_told_of_panels_alone_holds_the_same_numbers(full, language):
    line = {"series": 200, "of": 900, "model": "arima", "test_wape": 0.123}
    made = paragraphs.limits(full) | {"judged": [{"dataset": "roads", "judged": 1000, "series": 5000}],
                                      "drawn": [{"dataset": "roads", "lines": [line]}], "boards": 1, "shares": 2}
    first = words.told("limits", made).data
    with words.speaking(language):
        other = words.told("limits", made).data
    assert numbers(first) == numbers(other) and {"200", "900", "12.30", "1000", "5000"} <= set(numbers(other))


def test_korean_writes_its_own_numbers_lists_and_dates():
    with words.speaking("ko"):
        assert words.percent(0.0123) == "1.23%" and words.percent(0.031, 1, "+") == "+3.1%"
        assert words.listed((4, 16, 64)) == "4, 16, 64" and words.names("abcdefgh") == "a, b, c, d, e, f 외 2개"
        assert words.count(["a", "b"], "건") == "2건" and words.count("3") == "3개"
        assert [words.date(day) for day in ("2024-01-31", "0", "7587")] == ["2024. 1. 31.", "0", "7587"]
        assert words.way("channel_pruning 0.5 > int8 8") == "채널 가지치기 50% > int8 8"
        assert words.phrase("labels", "group", value="width/int8") == "비트 수만 줄임, int8"
        assert words.runtime("torch_compile") == "PyTorch, 컴파일"


def test_a_language_ends_with_what_it_is_spoken_in(reports):
    with pytest.raises(ZeroDivisionError), words.speaking("ko"):
        raise ZeroDivisionError
    assert words.LANGUAGE == "en"


def test_the_report_in_korean(reports, tmp_path):
    folder = make_study(seeds=(0,))
    (folder / "report.html").write_text("the English one")
    try:
        notebook = executed("made", tmp_path / "ko.ipynb", language="ko")
    finally:
        words.speak("en")  # the cells ran in this process
    page, pdf = export(notebook, folder, "ko")
    assert [page.name, pdf.name] == ["report.ko.html", "report.ko.pdf"]
    assert (folder / "report.html").read_text() == "the English one" and not (folder / "report.pdf").exists()
    text, html = re.sub(r"\s+", " ", text_of(PdfReader(pdf))), page.read_text(encoding="utf-8")
    assert all(part in html for part in ('<html lang="ko">', "<b>그림 1.</b>", "<b>표 1.</b>", ">차례</label>"))
    for title in ("수요 예측 모델은 얼마나 작고 빨라질 수 있는가?", "차례", "발견", "그림 1.", "표 1."):
        assert title in text and title.rstrip(".") in html, title
    outline = [item.title for item in PdfReader(pdf).outline if not isinstance(item, list)]
    assert re.fullmatch(r"\d+ 용어 대조표", outline[-1]) and "knowledge distillation" in text
    prose = re.sub(r"<(style|code|math|svg).*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
    prose = prose[: prose.rindex("용어 대조표")]  # which is the glossary
    left = {word for word in re.findall(r"(?<![\w./_=-])[a-z]{4,}(?![\w./_=-])", prose)}
    assert left <= KEPT, left - KEPT


# Proper names, files, and what a program said.
KEPT = set("""lstm resnet made split conformal some loss became infinite step missing plan data lock results comparisons
litecast few windows left""".split())


# ---------------------------------------------------------------- which language


def test_an_unknown_language_is_an_error_that_lists_those_there_are(reports, capsys):
    with pytest.raises(RunError, match=r"'kr'.*en, ko"):
        words.speak("kr")
    assert words.LANGUAGE == "en"
    assert make.answered(lambda: make.prepare(paths.PARAMS / "quick.yaml", language="kr") and 0) == 2
    assert "choose one of en, ko" in capsys.readouterr().err and not list(reports.iterdir())


@pytest.mark.parametrize("given, environment, expected", [
    ([], {}, False), ([], {"LANG": "ko"}, False), (["LANG=ko"], {"LANG": "C.UTF-8"}, True)])
def test_only_a_language_that_make_is_given_counts(given, environment, expected):
    said = subprocess.run(["make", "-n", "quick", *given], cwd=paths.ROOT, env=os.environ | environment,
                          capture_output=True, text=True, check=True).stdout
    assert ("--lang 'ko'" in said) == expected and "litecast.running.make params/quick.yaml" in said
