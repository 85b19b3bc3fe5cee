"""What a report's page can do: tables that sort, a filter, points that tell their row; its script in node and in
Chromium."""

import json
import re
import shutil
import subprocess

import nbformat
import pandas as pd
import pytest
from chromium import NEEDED, PROGRAM, Browser
from made import fetched, make_study

from litecast.figures import style
from litecast.report import exporters, facts, filters, pages, shown, words

SCRIPT = exporters.TEMPLATES / "litecast-html" / "script.js"
node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed: apt-get install nodejs")


def asked(*calls):
    """What the script's own functions answer, in node, where there is no page."""
    code = SCRIPT.read_text() + f"\nconsole.log(JSON.stringify([{', '.join(calls)}]));"
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_orders(cells, language="en"):
    """The cells as each of the three clicks has them."""
    up, down, none = asked(*(f"sorted({json.dumps(cells)}, '{order}', '{language}')"
                             for order in ("ascending", "descending", "none")))  # fmt: skip
    assert none == list(range(len(cells)))
    return [cells[place] for place in up], [cells[place] for place in down]


# ---------------------------------------------------------------- the script by itself


@node
def test_columns_sort_as_what_they_hold_and_empty_cells_are_last_either_way():
    numbers = ["−0.5 %", "< 0.001", "0.001", "+0.3 % (−0.1 % … +0.7 %)", "2 ×", "2.5 ± 0.3", "12개", "1,204", "3e+06"]
    up, down = in_orders(["–", "1,204", "2.5 ± 0.3", "", *numbers[4::-1], "12개", "3e+06"])
    assert up[:9] == numbers and down[:9] == numbers[::-1]
    assert set(up[9:]) == set(down[9:]) == {"–", ""}
    up, down = in_orders(["any size", "64 kB", "4 kB", "–", "16 kB"])
    assert up == ["4 kB", "16 kB", "64 kB", "any size", "–"] and down == ["any size", "64 kB", "16 kB", "4 kB", "–"]
    assert in_orders(["width 16", "width 8", "3f2a", "Dense"])[0] == ["3f2a", "Dense", "width 8", "width 16"]
    assert in_orders(["하나", "가지치기", "나"], "ko")[0] == ["가지치기", "나", "하나"]
    assert in_orders(["2 b", "1 c", "2 a"])[0] == ["1 c", "2 a", "2 b"]


@node
def test_the_filter_hides_others_alone_and_its_address_is_read_as_it_was_written():
    chain = '{dataset: "a+b", technique: "pruning+int8"}'
    assert asked(f"shows({chain}, {{dataset: 'a+b', technique: 'int8'}})", f"shows({chain}, {{technique: 'int'}})",
                 f"shows({chain}, {{dataset: 'b'}})", "shows({dataset: 'b'}, {dataset: 'b', technique: 'int8'})",
                 f"shows({chain}, {{dataset: '', technique: ''}})") == [True, False, False, True, True]  # fmt: skip
    for place, chosen in (("", {}), ("section-2.1", {}), ("", {"dataset": "역 & #1=x"}),
                          ("table-3", {"dataset": "a", "technique": "int8"})):  # fmt: skip
        address, again = asked(f"writeAddress('{place}', {json.dumps(chosen)})",
                               f"readAddress(writeAddress('{place}', {json.dumps(chosen | {'other': ''})}))")
        assert again == {"place": place, "chosen": chosen} and address[:1] in ("", "#")
    assert asked("writeAddress('table-3', {dataset: 'a', technique: ''})") == ["#table-3&dataset=a"]


@node
def test_the_nearest_point_is_by_its_edge_then_by_its_middle():
    boxes = "[[0, 0, 10, 10], [4, 4, 30, 30], [100, 0, 104, 4]].map(([left, top, right, bottom]) => ({left, top, " \
            "right, bottom}))"  # fmt: skip
    assert asked(*(f"nearest({boxes}, {x}, {y}, 14)" for x, y in ((1, 1), (6, 6), (28, 28), (110, 2), (70, 2)))) == [
        0, 0, 1, 2, -1]  # fmt: skip
    assert asked("nearest([], 1, 1, 14)") == [-1]


def test_the_script_is_short_and_needs_nothing():
    text = SCRIPT.read_text()
    assert text.count("\n") <= 150 and not re.search(r"https?:|\bimport\b|\bfetch\b|XMLHttp", text)
    assert not re.search(r"\{\{|\{%|\{#|</script", text), "the template would read it as its own"


# ---------------------------------------------------------------- what it finds in a page


def test_a_line_is_of_its_dataset_and_of_each_technique_of_its_route():
    routes = ["dense", "magnitude_pruning 0.5 > int8 8", "x", ""]
    frame = pd.DataFrame({"dataset": ["a", "b", None, "b"], "order": routes})
    assert filters.keys(frame) == [{"dataset": "a"}, {"dataset": "b", "technique": "magnitude_pruning+int8"}, {},
                                   {"dataset": "b"}]  # fmt: skip
    assert filters.keys(pd.DataFrame({"group": ["width/int8", "rate"], "technique": ["width", "rate"]})) == [
        {}, {"technique": "rate"}]  # fmt: skip
    assert filters.attributes({"dataset": 'a "b" <c>'}) == ' data-dataset="a &quot;b&quot; &lt;c&gt;"'


@pytest.mark.parametrize(("language", "every"), [("en", "all"), ("ko", "전체")])
def test_the_bar_offers_what_the_page_names_and_only_where_there_are_several(language, every):
    page = '<tr data-dataset="b &amp; c" data-technique="rate"><tr data-dataset="a" data-technique="rate+int8">'
    with words.speaking(language):
        made = filters.bar(page)
        assert re.findall(r'<option value="([^"]*)">', made) == ["", "b &amp; c", "a", "", "int8", "rate"]
        assert made.count(f": {every}<") == 2
        assert "<select" in filters.bar(page[:page.index("<tr data-dataset=\"a\"")] + page) and not filters.bar("<tr>")
        assert 'name="dataset"' not in filters.bar(page.replace("b &amp; c", "a"))


def test_points_of_a_figure_tell_their_row_instead_of_an_address():
    figure, (axes,) = style.blank(1.5)
    dots = axes.scatter([1, 2, 3], [1, 2, 3])
    rows = [{"run": "runs/x/y=1", "row_id": "역/a & b/#1"}, {"run": "", "row_id": "c"}, {"run": "runs/z", "row": "d"}]
    dots.set_urls([shown.row_link(row) for row in rows])
    data, _ = shown.figure(figure, "Some", tell=lambda row: f"<{row}>")._repr_mimebundle_()
    assert re.findall(r'<a xlink:href="([^"]*)"[^>]*><title>(.*?)</title>', data["image/svg+xml"]) == [
        ("runs/x/y%3D1/notebook.html", "&lt;역/a &amp; b/#1&gt;"), ("runs/z/notebook.html", "&lt;d&gt;")]
    assert data["image/svg+xml"].count("<a ") == 2
    assert shown.titled('<g><a xlink:href="x#y" target="_blank"/></g>', str) == "<g></g>"  # a point without a place


# ---------------------------------------------------------------- a page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of two datasets and two techniques: page 1, chosen files of each, the fronts of both; in English."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITECAST_REPORTS", str(tmp_path_factory.mktemp("reports")))
        make_study(datasets=("sample-traffic", "sample-warehouse"), models=("lstm",), seeds=(0,), failed=0)
        made = facts.read("made")
    cells = [["# Made", *pages.answer(made)], ["## Baselines", *pages.baselines(made)], ["## Techniques"],
             *([f"### {name}", *list(pages.section(made, name))[1:]] for name in made.techniques),
             ["## All compared", *pages.compared(made), pages.table(made, "recommendation")]]  # fmt: skip
    nb = nbformat.v4.new_notebook()
    for head, *pieces in cells:
        marked = [piece._repr_mimebundle_() for piece in pieces if isinstance(piece, shown.Shown)]
        outputs = [nbformat.v4.new_output("display_data", data=data, metadata=mark) for data, mark in marked]
        nb.cells += [nbformat.v4.new_markdown_cell(head), nbformat.v4.new_code_cell("pass", outputs=outputs)]
    text, _ = exporters.HTMLReport().from_notebook_node(nb)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_front_tells_its_points_and_every_line_its_dataset(page):
    text = page.read_text(encoding="utf-8")
    figures = dict(re.findall(r'<figure class="figure" id="(figure-\d+)" data-dataset="([^"]*)"', text))
    assert list(figures.values()).count("sample-warehouse") == 1 and len(figures) >= 5
    titles = re.findall(r"<title>(.*?)</title>", text.partition("<body>")[2], re.DOTALL)
    assert len(titles) > 50 and all(title.count("\n") == 2 for title in titles)
    name, size, row_id = next(title for title in titles if "channel pruning 80" in title).split("\n")
    assert name.startswith("lstm, channel pruning 80 % (l1-") and "test WAPE" in size and "kB" in size
    assert re.fullmatch(r"sample-\w+/lstm/channel_pruning/0.8/l1-\w+/s0", row_id)
    assert not re.search(r'<a href="[^"]*#(?!section|report)', text)
    assert len(re.findall(r'<tr data-dataset="sample-traffic" data-technique="channel_pruning">', text)) > 3
    assert fetched(text) == [] and text.count("<script>") == 1


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    pytest.importorskip("websocket", reason="websocket-client is not installed")
    if not PROGRAM:
        pytest.skip(NEEDED)
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    assert made.errors == []
    made.close()


def press(browser, key):
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                     windowsVirtualKeyCode={"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39}[key],
                     text="\r" if key == "Enter" and kind == "keyDown" else "")  # fmt: skip


HEADS = "[...document.querySelectorAll('figure.table')].find((one) => one.querySelectorAll('tbody tr').length > 3)"


@pytest.mark.browser
def test_in_a_browser_a_table_sorts_by_click_and_by_key_and_comes_back(browser, page):
    browser.look(1280)
    browser.open(page.as_uri())
    column = f"{HEADS}.querySelectorAll('thead th').length - 2"
    cells = f"[...{HEADS}.querySelectorAll('tbody tr')].map((line) => line.cells[{column}].innerText)"
    state = f"{HEADS}.querySelectorAll('thead th')[{column}].ariaSort"
    before = browser.run(cells)
    browser.run(f"{HEADS}.querySelectorAll('thead button')[{column}].focus()")
    seen = []
    for _ in range(3):
        press(browser, "Enter")
        seen.append((browser.run(state), browser.run(cells)))
    assert [order for order, _ in seen] == ["ascending", "descending", None]
    numbers = [float(cell.split()[0].replace(",", "")) for cell in seen[0][1] if cell != "–"]
    assert numbers == sorted(numbers) and sorted(seen[0][1]) == sorted(before) and seen[2][1] == before


@pytest.mark.browser
def test_in_a_browser_the_filter_hides_on_screen_keeps_its_address_and_prints_all(browser, page):
    browser.look(1280)
    browser.open(page.as_uri() + "#technique=channel_pruning")
    visible = "[...document.querySelectorAll('{}')].filter((one) => one.offsetParent).length"
    others = browser.run(visible.format("[data-technique=magnitude_pruning]"))
    assert others == 0 and browser.run(visible.format("[data-technique=channel_pruning]")) > 3
    heads = "[...document.querySelectorAll('h3, nav li.level-3')].map((one) => [one.innerText, !!one.offsetParent])"
    assert {shown for name, shown in browser.run(heads) if "magnitude" in name} == {False}
    assert {shown for name, shown in browser.run(heads) if "channel" in name} == {True}
    browser.run("""{ const one = document.querySelector("select[name=dataset]"); one.value = "sample-warehouse";
                one.dispatchEvent(new Event("change", { bubbles: true })); }""")
    assert browser.run("location.hash") == "#dataset=sample-warehouse&technique=channel_pruning"
    assert browser.run(visible.format("[data-dataset=sample-traffic]")) == 0
    browser.run("document.querySelector('nav a[href=\"#section-3\"]').click()")
    browser.wait("location.hash.startsWith('#section-3&dataset=')")
    assert browser.run(visible.format("[data-dataset=sample-warehouse]")) > 3
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run(visible.format("[data-dataset=sample-traffic]")) > 3
    assert not browser.run("document.querySelector('.filter').offsetParent")
    browser.send("Emulation.setEmulatedMedia", media="")


NOW = "{block: 'center', behavior: 'instant'}"  # the page scrolls smoothly: places would be of before


@pytest.mark.browser
def test_in_a_browser_a_point_tells_its_row_to_pointer_key_and_finger(browser, page):
    tip = "document.getElementById('tip')"
    browser.look(1280)
    browser.open(page.as_uri())
    first = "seen(document.querySelector('figure .wide svg'))[3].link"
    place = browser.run(f"{first}.scrollIntoView({NOW}), (({{left, top}}) => [left - 2, top - 2])"
                        f"({first}.getBoundingClientRect())")  # fmt: skip
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    lines = browser.run(f"{tip}.hidden ? null : {tip}.innerText").split("\n")
    assert len(lines) == 3 and "test WAPE" in lines[1] and lines[2].startswith("sample-traffic/")
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    assert browser.run(f"{tip}.hidden")
    browser.run("document.querySelector('figure .wide svg').closest('figure').querySelector('a').focus()")
    press(browser, "ArrowRight")
    told = browser.run(f"[document.activeElement.ariaLabel, {tip}.innerText]")
    assert told[0] == told[1]
    press(browser, "Escape")
    assert browser.run(f"{tip}.hidden")
    browser.look(390)
    browser.open(page.as_uri() + "?narrow")  # a page of its own: "#" would scroll the same one smoothly to its top
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    first = first.replace(".wide", ".narrow")
    place = browser.run(f"{first}.scrollIntoView({NOW}), (({{left, top}}) => [left + 1, top + 1])"
                        f"({first}.getBoundingClientRect())")  # fmt: skip
    browser.send("Emulation.setTouchEmulationEnabled", enabled=True)
    for kind, points in (("touchStart", [{"x": place[0], "y": place[1]}]), ("touchEnd", [])):
        browser.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    browser.wait(f"!{tip}.hidden")
    assert browser.run("location.pathname").endswith("report.html")
    assert browser.run(f"(({{left, right}}) => left >= 0 && right <= innerWidth)({tip}.getBoundingClientRect())")
    browser.send("Emulation.setTouchEmulationEnabled", enabled=False)
