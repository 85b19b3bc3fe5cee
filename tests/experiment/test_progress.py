"""A progress bar shows where a loop is, and leaves nothing in the page of a notebook."""

import os
import subprocess
import sys

import nbformat
from nbclient import NotebookClient

from litecast.experiment.progress import bar

CELL = """
import os
os.environ.pop("TQDM_DISABLE", None)
import time
from litecast.experiment.progress import bar
for item in bar(range(4), "a loop"):
    time.sleep(0.15)
    print("item", item)
"""


def test_in_a_terminal_it_vanishes():
    code = "from litecast.experiment.progress import bar; print(list(bar([1, 2, 3], 'a loop')))"
    shown = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    done = subprocess.run([sys.executable, "-c", code], env=shown, capture_output=True, timeout=60)
    assert done.stdout == b"[1, 2, 3]\n"
    assert b"a loop" in done.stderr and b"\n" not in done.stderr and done.stderr.endswith(b"\r")


def test_in_the_runner_of_a_study_there_is_none(capsys):
    assert list(bar("ab")) == ["a", "b"] and capsys.readouterr() == ("", "")


def test_a_kernel_s_page_holds_what_was_printed_and_no_bar():
    """An ordinary kernel runs a loop that prints, as `make lab` does."""
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(page, timeout=60, kernel_name="python3").execute()
    streams = [output for output in page.cells[0].outputs if output.output_type == "stream"]
    assert {stream.name for stream in streams} == {"stdout"}
    assert "".join(stream.text for stream in streams) == "".join(f"item {n}\n" for n in range(4))
    shown = [output.data["text/plain"] for output in page.cells[0].outputs if output.output_type == "display_data"]
    assert shown == [""]
