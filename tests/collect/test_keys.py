"""No key in any output: keys are planted, everything that a run leaves behind is searched for every form of them."""

import base64
import html
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from fakes import kiwoom_rest, seoul
from fakes.loopback import Loopback, Reply
from fakes.market import Clock, made

from litecast import paths
from litecast.collect import __main__ as command
from litecast.collect import collecting, http
from litecast.errors import DataError
from litecast.report import exporters
from litecast.running import one

DAYS = [f"202401{day:02d}" for day in range(1, 17)]
SPAN = "spots=A-01 start=2024-01-01 end=2024-01-16 pace_s=0"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SEOUL_KEY", seoul.KEY)


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


def forms(key: str) -> set[bytes]:
    """A key as it is, in an address, in a page, in base64 wherever it begins, in UTF-16."""
    quoted = {quote(key, safe=""), quote(key, safe="").lower(), quote(quote(key, safe=""), safe="")}
    inner = {base64.b64encode(b"x" * before + key.encode())[4:-4].decode() for before in (1, 2, 3)}
    plain = {key, html.escape(key), base64.b64encode(key.encode()).decode().rstrip("="), *quoted, *inner}
    return {text.encode() for text in plain} | {key.encode("utf-16-le"), b"SECRETKEY"}


def assert_hidden(*keys: str, folder: Path, texts: tuple[str, ...] = ()) -> int:
    """Searches all files below a folder (also what SQLite has freed) and texts. Returns the number of files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for key in keys:
        for form in forms(key):
            assert not [path for path in files if form in path.read_bytes()], form
            assert not [text for text in texts if form in text.encode()], form
    return len(files)


def executed(tmp_path: Path, collect: str, capfd) -> tuple[dict, str]:
    """Notebook 10 run headless with a command to collect, rendered as a run is. Its outputs, and what was printed."""
    page = tmp_path / "notebook.ipynb"
    values = {"study": "keys", "dataset": "my-spots", "collect": collect, "od": ""}
    try:
        one.papermill().execute_notebook(paths.NOTEBOOKS / "100_collect_traffic.ipynb", page, parameters=values,
                                            engine_name="litecast", progress_bar=False, cwd=paths.ROOT)  # fmt: skip
    except Exception as error:  # kept as a run keeps it
        run = SimpleNamespace(digest="")
        one.fail(tmp_path, run, error)
    exporters.render_run(page)
    return json.loads(page.read_text(encoding="utf-8")), "".join(capfd.readouterr())


def test_notebook_that_collects_shows_no_key(server, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    seoul.sample(DAYS).serve(server)
    notebook, said = executed(tmp_path, f"seoul my-spots url={server.url} {SPAN}", capfd)
    assert not (tmp_path / "error.json").exists()
    assert any(request.path.startswith(f"/{seoul.KEY}/xml/VolInfo") for request in server.requests)
    assert (tmp_path / "data/store/my-spots/raw.sqlite").exists() and (tmp_path / "notebook.html").exists()
    assert list(paths.study_dir("keys").rglob("coverage.json")), "results of the run are searched, too"
    records = str([record.__dict__ for record in caplog.records])
    assert assert_hidden(seoul.KEY, folder=tmp_path, texts=(said, caplog.text, records)) > 5


def test_notebook_that_fails_with_an_echoed_key_shows_none(server, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    seoul.sample(DAYS).serve(server).switch("echo", times=99)
    notebook, said = executed(tmp_path, f"seoul my-spots url={server.url} {SPAN}", capfd)
    error = json.loads((tmp_path / "error.json").read_text(encoding="utf-8"))
    assert "INFO-100" in error["error"] and "***" in error["error"] and error["traceback"]
    assert "INFO-100" in (tmp_path / "notebook.html").read_text(encoding="utf-8")
    assert_hidden(seoul.KEY, folder=tmp_path, texts=(said, caplog.text))


BROKEN = """
import os, sys
sys.path.insert(0, {tests!r})
from litecast.collect import __main__ as command
from litecast.collect import collecting
from litecast.collect.sources import seoul

def broken(job):
    key = job.key("SEOUL_KEY")
    with job.client({url!r}) as client:
        try:
            client.get(key + "/xml/SpotInfo/1/5/")
        except Exception:
            raise {fault}
    yield

seoul.parts = broken
sys.exit(command.main(["collect", "seoul", "my-spots", "start=2024-01-01", "end=2024-01-02"]))
"""


@pytest.mark.parametrize("fault, says", [
    ("ZeroDivisionError('a fault of ours')", "ZeroDivisionError: a fault of ours"),  # chained to the client's error
    ("KeyError(key)", "KeyError: '***'"),
    ("ValueError(f'{client!r} {job!r} {key}')", "please report it"),
    ("OSError(28, 'No space left on device', '/x/' + key)", "No space left on device: '/x/***'"),
])  # fmt: skip
def test_a_fault_nobody_foresaw_shows_no_key_on_the_command_line(server, tmp_path, fault, says):
    server.routes["/"] = lambda request: Reply(f"wrong key {seoul.KEY} {quote(seoul.KEY, safe='')}", 400)
    code = BROKEN.format(tests=str(Path(__file__).parent), url=server.url, fault=fault)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode in (1, 2) and says in done.stderr
    assert server.requests
    assert_hidden(seoul.KEY, folder=tmp_path, texts=(done.stdout, done.stderr))


def test_tokens_of_a_broker_are_hidden_in_answers_errors_and_the_store(server, tmp_path, monkeypatch, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KIWOOM_APPKEY", kiwoom_rest.APPKEY)
    monkeypatch.setenv("KIWOOM_SECRETKEY", kiwoom_rest.SECRETKEY)
    clock = Clock()
    monkeypatch.setattr(collecting, "Clock", lambda: clock)
    fake = kiwoom_rest.KiwoomRest(server, {"005930": made(30)}, clock)
    chart = fake.chart

    def echo(request):
        """The token comes back in a header and in the body, as it is and encoded."""
        reply, token = chart(request), request.headers["authorization"]
        coded = base64.b64encode(token.removeprefix("Bearer ").encode()).decode()
        return Reply(reply.content().decode()[:-1] + f', "echo": "{token} {coded}"}}', reply.status,
                     {**reply.headers, "x-echo": token})  # fmt: skip

    server.routes["/api/dostk/chart"] = echo
    words = ["collect", "kiwoom", "my-stocks", "codes=005930", f"url={server.url}"]
    assert command.main(words) == 0
    fake.fault("8005", times=9)
    clock.passed = 86_400.0
    assert command.main([*words[:2], "others", *words[3:]]) == 2
    said = "".join(capsys.readouterr())
    assert "8005" in said and fake.issued
    assert_hidden(kiwoom_rest.APPKEY, kiwoom_rest.SECRETKEY, *fake.issued, folder=tmp_path, texts=(said, caplog.text))


def test_what_is_printed_of_a_client_or_a_job_holds_no_key():
    """Tracebacks of other tools print local variables."""
    with http.Client("http://127.0.0.1:9", None, [seoul.KEY]) as client:
        assert_hidden(seoul.KEY, folder=paths.data_dir(), texts=(repr(client), str(vars(client)["_http"])))
    options = collecting.checked("seoul", {"start": "20240101", "end": "20240102"})
    job = collecting.Job("seoul", "x", options, None, None)
    assert job.secrets == [seoul.KEY] and "SECRETKEY" not in repr(job)


@pytest.mark.parametrize("form", [
    "ab+/=~ 9SECRET", "ab%2B%2F%3D~%209SECRET", "ab%2b%2f%3d~%209SECRET", "ab%252B%252F%253D~%25209SECRET",
    "ab%2B/%3D~%209SECRET", "YWIrLz1+IDlTRUNSRVQ"])  # fmt: skip
def test_every_form_of_a_key_is_cut_out(form):
    assert http.redact(f"<{form}>", ["ab+/=~ 9SECRET"]) == "<***>"


def test_a_key_given_as_an_option_by_mistake_is_not_repeated():
    with pytest.raises(DataError, match=r"seoul, end: .*date.*'\*\*\*'"):
        collecting.collect("seoul", "my-spots", {"start": "2024-01-01", "end": seoul.KEY})
