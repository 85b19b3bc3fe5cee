"""What a study does where the world is odd: paths of any signs, errors without words, disks that take nothing."""

import errno
import os
import resource
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_orchestration import ALL, House, notebook  # noqa: E402

from litecast import files  # noqa: E402
from litecast.errors import LitecastError, WriteError  # noqa: E402
from litecast.files import refusal, replacing, short, write_json  # noqa: E402
from litecast.running import one  # noqa: E402


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path / "house")


def says(house: House, stage: str, cell: str) -> None:
    """Let the notebook of a stage have this one cell below its parameters."""
    path = house.root / "notebooks" / f"{stage}.ipynb"
    path.write_text(notebook('study: str = "tiny"\ndataset: str = "toy"\n', cell))


# ---- odd paths


def test_a_checkout_may_lie_anywhere(tmp_path):
    house = House(tmp_path / "ho{u}se {} $x 'q' (한) & co; #1")
    assert set(house.make()[0]) == ALL and (house.reports / "report.html").exists()


# ---- errors without words


@pytest.mark.parametrize(("raised", "first"), [
    ("ValueError", "ValueError: it gives no reason; it was raised in code cell 3"),
    ("ValueError('')", "ValueError: it gives no reason; it was raised in code cell 3"),
    (r"ValueError('\n  \n $$in\n^\n')", "ValueError:  $$in"),
    ("AssertionError", "AssertionError: it gives no reason; it was raised in code cell 3"),
    ("OSError(28, 'No space left on device')", "OSError: [Errno 28] No space left on device"),
])  # fmt: skip
def test_the_first_line_of_an_error_is_never_empty(house, raised, first):
    says(house, "200_classical", f"raise {raised}")
    _, output = house.make(expected=1)
    assert f"failed: 200_classical/dataset=toy: {first}\n" in output


def test_an_error_outside_of_a_cell_names_its_place():
    try:
        raise KeyError
    except KeyError as error:
        told = one.told(error)
    assert told.startswith("KeyError: it gives no reason; it was raised in ")
    assert f"{Path(__file__).name}, line " in told
    assert one.told(RuntimeError("\n")) == "RuntimeError: it gives no reason; it was raised in no known place"


def test_what_to_do_about_a_full_disk_stands_below_the_error():
    first, second = one.told(OSError(errno.ENOSPC, "No space left on device", "/a/model.lite")).splitlines()
    assert first == "OSError: [Errno 28] No space left on device: '/a/model.lite'"
    assert "the disk is full. Free some space" in second
    assert len(one.told(OSError(errno.ENOENT, "No such file", "/a")).splitlines()) == 1


# ---- disks that take nothing


def limited(size: int):
    """For a child: no file may be larger than this, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_where_a_plan_cannot_be_written_a_sentence_says_so_and_nothing_is_half_written(house, monkeypatch):
    import subprocess
    whole = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: whole(*a, **k, preexec_fn=limited(300)))
    started, output = house.make(expected=2)
    assert started == [] and "Traceback" not in output
    assert f"litecast: {house.reports}/plan.json cannot be written: the file would be larger" in output
    assert sorted(path.name for path in house.reports.iterdir()) == [".running", "data.lock"]
    monkeypatch.undo()
    assert set(house.make()[0]) == ALL


def test_a_run_that_can_write_nothing_ends_the_study_with_a_sentence_and_the_next_call_goes_on(house):
    switch = house.switch("full")
    full = ("import resource\nfrom pathlib import Path\nfrom litecast import paths\n"
            "if (paths.ROOT / 'side' / 'full').exists(): resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))")
    says(house, "200_classical", full)
    _, output = house.make(expected=2)
    assert "200_classical/dataset=toy could write nothing there, not even why it failed" in output
    assert "Traceback" not in output
    folder = house.reports / "runs" / "200_classical" / "dataset=toy"
    assert not (folder / "done.json").exists() and not list(folder.glob(".*"))
    switch.unlink()
    house.make()
    assert (folder / "done.json").exists()


def test_a_report_folder_that_is_a_file_is_told(house):
    (house.root / "reports").write_text("not a folder")
    _, output = house.make(expected=2)
    assert "Traceback" not in output and "cannot be written: a part of its path is a file" in output


@pytest.mark.parametrize("number", sorted(files._REFUSED))
@pytest.mark.parametrize("place", ["open", "write", "replace", "mkdir"])
def test_a_write_that_is_refused_leaves_the_old_file_and_says_what_to_do(tmp_path, monkeypatch, number, place):
    path = tmp_path / "plan.json"
    write_json(path, {"old": 1})

    def refuse(*args, **_):
        raise OSError(number, os.strerror(number), *([] if place == "write" else [str(args[0])]))

    target = {"open": (Path, "write_text"), "write": (Path, "write_text"), "replace": (os, "replace"),
              "mkdir": (Path, "mkdir")}[place]  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(*target, refuse)
        with pytest.raises(WriteError, match="plan.json cannot be written: .*; what was finished is kept") as raised:
            write_json(path, {"new": 2})
    assert isinstance(raised.value, LitecastError) and isinstance(raised.value, OSError)
    assert files.read_json(path) == {"old": 1} and [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_an_error_of_another_file_or_kind_passes_as_it_is(tmp_path):
    for error in (OSError(errno.EACCES, "no", "/somewhere/else"), FileNotFoundError(errno.ENOENT, "no", str(tmp_path))):
        with pytest.raises(OSError) as raised, replacing(tmp_path / "a.json"):
            raise error
        assert raised.value is error and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="you may not write there"):
            write_json(tmp_path / "a.json", {})
    finally:
        tmp_path.chmod(0o700)


def test_a_refusal_is_told_only_of_what_refuses():
    assert refusal(OSError(errno.ENOENT, "no")) == "" and refusal(OSError("no number")) == ""
    assert refusal(OSError(errno.EROFS, "no", "/a/b"), "/c").startswith("/c cannot be written: the file system is read")
    assert refusal(OSError(errno.EROFS, "no", "/a/b")).startswith("/a/b cannot")


# ---- names


@pytest.mark.parametrize("name", ["가" * 75, "a" * 300, "é" * 41, "가나-" * 40])
def test_a_long_name_is_cut_and_stays_its_own(name):
    cut = short(name, 80)
    assert len(cut.encode()) <= 80 and cut != short(name + "x", 80) and cut == short(name, 80)
    assert name.startswith(cut.rpartition("-")[0]) and len(cut.encode()) > 60
    assert short(name[:20], 80) == name[:20]


def test_a_file_with_the_longest_of_names_can_be_replaced(tmp_path):
    for name in ("가" * 85, "a" * 255):
        write_json(tmp_path / name, {"a": 1})
        assert files.read_json(tmp_path / name) == {"a": 1}
