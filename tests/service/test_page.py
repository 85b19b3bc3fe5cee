"""The page in Chromium: served and as one file, by sample and by own CSV, in both languages; and what it asks for."""

import json
import re
import socket
import threading
import time

import numpy as np
import pandas as pd
import pytest
import small_files
import standin
from chromium import NEEDED, PROGRAM, Browser

from litecast import bundle
from litecast.service import onepage

pytest.importorskip("uvicorn", reason=standin.NEEDED)
pytest.importorskip("websocket", reason="websocket-client is not installed")

in_chromium = pytest.mark.skipif(not PROGRAM, reason=NEEDED)
BANDS = {"80": [[0.5]] * 6, "95": [[1.0]] * 6}
ABOUT = {"dataset": "made-up", "val_wape": 0.05}
SHOWN = "state.shown && !document.getElementById('result').hasAttribute('aria-busy')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two sizes of one dataset, one of which reads the calendar."""
    made, models = tmp_path_factory.mktemp("served"), {}
    for kb, name, look in ((1, "nlinear", 48), (4, "profile_mlp", 72)):
        model = small_files.network(name, L=look)
        path = made / f"{kb}.safetensors"
        small_files.save(path, model, "int8", small_files.card_of(model))
        said = bundle.write(path, made / f"made-{kb}kb", BANDS)
        models[f"made-{kb}kb"] = ABOUT | {"budgets_kb": [kb], "bytes": said["bytes"]["model.safetensors"],
                                          "test_wape": 0.06 + kb / 1000}  # fmt: skip
    (made / "served.json").write_text(json.dumps({"models": models}))
    return made


@pytest.fixture(scope="module")
def origin(folder):
    import uvicorn

    from litecast.service.__main__ import config

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config(folder))
    server.config.log_level = "critical"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def page(chromium):
    """One that has complained of nothing before, and must not have after."""
    chromium.requests.clear()
    chromium.errors.clear()
    chromium.look(1280)
    yield chromium
    assert chromium.errors == []


def text(page, name):
    return page.run(f"document.getElementById('{name}').innerText")


def table(path, rows=96, **changes):
    """A CSV of both series around Seollal, with gaps; changes: row -> its line instead."""
    values = 100 + 10 * np.random.default_rng(0).normal(size=(rows, 2))
    times = pd.date_range("2024-02-07 05:00", periods=rows, freq="h")
    cells = [["" if (i + c) % 17 == 3 else f"{values[i, c]:.3f}" for c in (0, 1)] for i in range(rows)]
    lines = [",".join(["time", "역1", "역0"])]
    lines += [f"{time:%Y-%m-%d %H:%M},{','.join(row)}" for time, row in zip(times, cells, strict=True)]
    for row, line in changes.items():
        lines[int(row[1:]) - 1] = line
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.browser
@in_chromium
def test_a_sample_and_an_own_csv_are_forecast_both_ways_and_equally(page, origin, tmp_path):
    page.open(f"{origin}/?lang=en")
    page.wait(f"{SHOWN} && state.shown.server")
    assert text(page, "verdict").startswith("Browser and server agree")
    page.upload("#file", table(tmp_path / "my.csv"))
    page.wait(f"{SHOWN} && state.shown.server && state.source.table")
    shown = page.run("({ gap: state.shown.gap, y: state.shown.y.map((row) => [...row]), server: state.shown.server, "
                     "series: state.shown.series, name: state.shown.name, ahead: state.shown.ahead })")  # fmt: skip
    assert np.shape(shown["y"]) == (6, 2) and shown["series"] == ["역0", "역1"]
    np.testing.assert_allclose(shown["y"], shown["server"], rtol=1e-5)
    assert 0 < shown["gap"] < 1e-5 and shown["ahead"][0] == "2024-02-11T05:00"
    assert "96 rows, 2 series" in text(page, "status") and text(page, "problem") == ""
    assert page.run("document.querySelectorAll('#chart .server').length") == 6  # its forecast is drawn over ours
    assert page.run("document.querySelectorAll('#chart .band').length") == 2
    page.run("document.querySelector('details:has(#table)').open = true")
    rows = page.run("[...document.querySelectorAll('#table tbody tr')].map((row) => [...row.cells].map((el) => "
                    "el.innerText))")  # fmt: skip
    column = shown["series"].index(shown["name"])
    assert [row[0] for row in rows] == [f"2024-02-11 {hour:02}:00" for hour in range(5, 11)]
    np.testing.assert_allclose([[float(cell) for cell in row[1:3]] for row in rows],
                               np.array([shown["y"], shown["server"]])[:, :, column].T, rtol=1e-5)  # fmt: skip
    here, there = text(page, "facts").split("ms")[:2]
    assert re.search(r"[\d.]+ $", here) and re.search(r"[\d.]+ $", there)
    assert all(address.startswith((origin, "blob:" + origin)) for address in page.requests), page.requests


@pytest.mark.browser
@in_chromium
def test_a_budget_changes_size_error_and_forecast(page, origin):
    page.open(f"{origin}/?lang=en")
    seen = {}
    for kb in (1, 4):
        page.run(f"[...document.querySelectorAll('#budgets label')].find((el) => el.innerText === '{kb} kB').click()")
        page.wait(f"{SHOWN} && state.shown.server && state.model.name === 'made-{kb}kb'")
        page.wait("document.getElementById('facts').innerText.split('ms').length > 2")
        seen[kb] = text(page, "facts"), text(page, "bars"), page.run("state.shown.y[0][0]")
        assert f"{6 + kb / 10:.2f} %" in seen[kb][0] and "4,286 bytes" in seen[kb][1]
    assert len({facts for facts, *_ in seen.values()}) == len({y for *_, y in seen.values()}) == 2


BAD = {
    "twice": ("r1", "time,역0,역0", "역0", "열 역0"),
    "ragged": ("r5", "2024-02-07 08:00,1", "Row 5 has 2 cells", "5행의 칸은 2개"),
    "number": ("r6", "2024-02-07 09:00,eleven,1", "Row 6, column 역1: “eleven” is no number", "6행 역1 열"),
    "when": ("r7", "2024-02-30 09:00,1,1", "Row 7: “2024-02-30 09:00” is no time", "7행"),
    "zone": ("r7", "2024-02-07T10:00+09:00,1,1", "has a time zone", "시간대가 있습니다"),
    "same": ("r7", "2024-02-07 09:00,1,1", "Row 7: the time 2024-02-07 09:00 is there twice", "두 번"),
    "grid": ("r7", "2024-02-07 10:30,1,1", "Row 7: 2024-02-07 10:30 does not lie", "간격(h)"),
    "strangers": ("r1", "time,a,b", "None of the columns (a, b)", "이 모델이 아는 계열이 없습니다"),
}


@pytest.mark.browser
@in_chromium
def test_bad_files_are_told_in_both_languages(page, origin, tmp_path):
    page.open(f"{origin}/?lang=ko")
    assert page.run("document.documentElement.lang") == "ko"

    def told(path):
        page.run("say('problem', null)")
        page.upload("#file", path)
        page.wait("document.getElementById('problem').innerText")
        korean = text(page, "problem")
        page.run("document.querySelector('[data-language=en]').click()")
        english = text(page, "problem")
        page.run("document.querySelector('[data-language=ko]').click()")
        assert not page.run("state.shown") and text(page, "verdict") == ""
        return english, korean

    for name, (row, line, english, korean) in BAD.items():
        found = told(table(tmp_path / f"{name}.csv", **{row: line}))
        assert english in found[0] and korean in found[1], (name, found)
        assert not re.search("[가-힣]", found[0].replace("역", "")), found
    (tmp_path / "empty").write_text("")
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    assert "no rows" in told(tmp_path / "empty")[0] and "no text file" in told(tmp_path / "binary")[0]
    assert "needs 72 rows, the data has 60" in told(table(tmp_path / "short", rows=60))[0]
    old = table(tmp_path / "old")  # as a spreadsheet in Korea saves it: CP949, semicolons, decimal commas, out of order
    head, *lines = old.read_text().replace(",", ";").replace(".", ",").splitlines()
    old.write_bytes("\r\n".join([head, *reversed(lines)]).encode("cp949"))
    page.upload("#file", old)
    page.wait(f"{SHOWN} && state.shown.server")
    assert page.run("state.shown.gap") < 1e-5 and "정렬했습니다" in text(page, "notes")


@pytest.mark.browser
@in_chromium
def test_a_server_that_is_gone_or_refuses_is_told_beside_the_browsers_forecast(page, origin):
    page.open(f"{origin}/?lang=en")
    page.wait(f"{SHOWN} && state.shown.server")
    page.run("window.fetch = async () => new Response('{\"error\": \"too many\"}', { status: 422 }); forecast()")
    page.wait("document.getElementById('verdict').innerText === 'The server gave no forecast: too many'")
    page.run("window.fetch = () => Promise.reject(Error()); forecast()")
    page.wait("document.getElementById('verdict').innerText.endsWith('it cannot be reached.')")
    assert page.run("state.shown.y.length") == 6 and page.run("document.querySelectorAll('#chart .ahead').length") == 1


@pytest.mark.browser
@in_chromium
def test_as_one_file_it_needs_no_server_and_a_bundle_can_be_chosen(page, origin, folder, tmp_path):
    path = onepage.write(folder)
    page.open(path.as_uri())
    page.wait(SHOWN)
    assert {address.partition(":")[0] for address in page.requests} <= {"file", "blob", "data"}
    window = page.run("state.samples[1]")
    page.run("pick(state.samples[1]), forecast()")
    y = np.array(page.run("state.shown.y.map((row) => row[0])"))
    np.testing.assert_allclose(y, window["forecast"], rtol=1e-5)
    page.upload("#file", table(tmp_path / "my.csv"))
    page.wait(f"{SHOWN} && state.source.table")
    assert np.shape(page.run("state.shown.y.map((row) => [...row])")) == (6, 2)
    path.unlink()
    for name in ("index.html", "page.css", "page.js", "favicon.ico"):
        (tmp_path / name).write_bytes((onepage.PAGE / name).read_bytes())
    page.open((tmp_path / "index.html").as_uri())
    assert page.run("!document.getElementById('bundle').hidden")
    chosen = ("bundle.json", "forecast.js", "vectors.json")
    page.upload("#bundle-files", *(folder / "made-4kb" / name for name in chosen))
    page.wait(SHOWN)
    window = page.run("state.samples[0]")
    np.testing.assert_allclose(page.run("state.shown.y.map((row) => row[0])"), window["forecast"], rtol=1e-5)


@pytest.mark.browser
@in_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_width_and_can_be_used_by_keyboard_and_reader(page, origin, width):
    page.look(width)
    for language in ("en", "ko"):
        page.open(f"{origin}/?lang={language}")
        page.wait(f"{SHOWN} && state.shown.server")
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        small = page.run("[...document.querySelectorAll('button, select, #budgets label')].filter((el) => "
                         "el.offsetHeight && el.offsetHeight < 40).length")  # fmt: skip
        assert small == 0
        nameless = page.run("[...document.querySelectorAll('input, select, button, svg[role=img]')].filter((el) => "
                            "!(el.labels?.[0]?.textContent || el.textContent || el.ariaLabel)).map((el) => el.id)")
        assert nameless == []
        page.run("document.activeElement.blur()")
        reached = set()
        for _ in range(12):
            for kind in ("keyDown", "keyUp"):
                page.send("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
            reached.add(page.run("(({ id, tagName, lang }) => id || tagName + lang)(document.activeElement)"))
        assert {"A", "BUTTONen", "BUTTONko", "file", "sample", "INPUT", "download"} <= reached, reached


def luminance(colour: str) -> float:
    parts = [int(part, 16) / 255 for part in re.findall("..", colour.lstrip("#"))]
    lines = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * lines[0] + 0.7152 * lines[1] + 0.0722 * lines[2]


def test_every_colour_of_text_has_contrast_by_day_and_by_night():
    """4.5 to 1 on both grounds (WCAG 2.2, 1.4.3)."""
    style = (onepage.PAGE / "page.css").read_text()
    for block in re.findall(r":root \{(.*?)\}", style, re.S):
        colours = dict(re.findall(r"--(\w+): (#\w+);", block))
        colours = {name: colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
                   for name, colour in colours.items()}  # fmt: skip
        for name in ("ink", "soft", "strong", "ahead", "bad", "good"):
            for ground in ("ground", "raised"):
                low, high = sorted([luminance(colours[name]), luminance(colours[ground])])
                assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)
    assert len(re.findall(r":root \{", style)) == 2


def test_nothing_is_inline_or_from_elsewhere_and_both_languages_say_the_same():
    page, script, style = ((onepage.PAGE / name).read_text() for name in ("index.html", "page.js", "page.css"))
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)
    addresses = re.findall(r"https?://[^\s\"'`]+", page + script + style)
    assert addresses == ["http://www.w3.org/2000/svg"]  # a name, not an address
    english, korean = re.search(r"  en: \{(.*?)\n  \},\n  ko: \{(.*?)\n  \},", script, re.S).groups()
    keys = [sorted(re.findall(r"(?:^    |, )(\w+): (?=[\"(])", part, re.M)) for part in (english, korean)]
    assert keys[0] == keys[1] and len(keys[0]) > 60
    assert set(re.findall(r'data-(?:word|label)="(\w+)"', page)) <= set(keys[0])


def test_the_one_page_holds_what_it_needs_and_no_name_can_end_its_script(folder, tmp_path, capsys, monkeypatch):
    path = onepage.write(folder / "made-4kb")
    text = path.read_text()
    path.unlink()
    (shelf,) = re.findall(r'id="shelf">(.*?)</script>', text)
    (model,) = json.loads(shelf)
    assert model["name"] == "made-4kb" and len(model["windows"]) == onepage.SAMPLES
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    (shelf,) = re.findall(r'id="shelf">(.*?)</script>', onepage.text([{"name": "</script><b>"}]))
    assert json.loads(shelf) == [{"name": "</script><b>"}]
    monkeypatch.setattr("sys.argv", ["onepage", str(tmp_path)])
    assert onepage.main() == 1 and "holds no bundle with a forecast.js" in capsys.readouterr().err
