"""The store, and what it promises of every source, with a source that fits on a screen."""

import contextlib
import errno
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from fakes.clock import FakeClock
from pydantic import Field

from litecast import data, files
from litecast.collect import __main__ as command
from litecast.collect import collecting
from litecast.data import store
from litecast.errors import DataError

CALLS = []


class Options(collecting.Options):
    SAME = ("direction",)
    spots: collecting.Words = Field(description="names of spots")
    start: collecting.Day = Field("2024-01-01", description="first day")
    direction: str = Field("each", description="each or both")
    fail: str = Field("", description="the spot that fails")


def table(spot: str, days: int = 30) -> pd.DataFrame:
    time = pd.date_range("2024-01-01", periods=24 * days, freq="h")
    return pd.DataFrame({"time": time, "series": spot, "value": [float(i % 24) for i in range(len(time))]})


def prices(code: str) -> pd.DataFrame:
    time = pd.bdate_range("2020-01-01", periods=300)
    close = pd.Series(range(1000, 1300), dtype=float)
    return pd.DataFrame({"time": time, "series": code, "open": close, "high": close, "low": close, "close": close,
                         "volume": close * 2, "value": float("nan")})  # fmt: skip


def roads(job):
    job.describe(unit="vehicles/h", frequency="h", provider="nobody", licence="none", note="Made up.")
    for spot in job.options.spots:
        yield collecting.Part(spot, f"v1 {spot}", lambda spot=spot: made(job, spot), lambda: {"rows given twice": 3})


def made(job, spot):
    CALLS.append(spot)
    if spot == job.options.fail:
        raise DataError(f"no such spot {spot}, key {job.key('TOY_KEY')}")
    return prices(spot) if job.source == "shares" else table(spot)


def shares(job):
    job.describe(unit="KRW", frequency="trading-day", provider="nobody", licence="none")
    yield from (collecting.Part(code, "v1", lambda code=code: made(job, code)) for code in job.options.spots)


WORDS = {"SOURCES": {"roads": "Roads", "shares": "Shares"}, "KIND": {"roads": "traffic", "shares": "stocks"},
         "KEYS": {"roads": {"TOY_KEY": "toy.example > my key"}}}  # fmt: skip


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    """A module with two sources, as if it lay in sources/."""
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    module = SimpleNamespace(OPTIONS={"roads": Options, "shares": Options}, PARTS={"roads": roads, "shares": shares})
    monkeypatch.setattr(collecting, "_listed", lambda: {"toy": WORDS})
    monkeypatch.setattr(collecting, "_module", lambda source: collecting._file(source) and module)
    CALLS.clear()


def collect(**options):
    return collecting.collect("roads", "my-roads", options, FakeClock())


def stored() -> dict:
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in store.folder().rglob("*") if p.is_file()}


def test_the_manifest_tells_all_and_the_study_gets_a_series():
    one = collect(spots="A-01,B-02", start="20240101")
    body = json.loads((one.folder / "manifest.json").read_text(encoding="utf-8"))
    assert {key: body[key] for key in ("source", "kind", "unit", "frequency", "provider", "licence")} == {
        "source": "roads", "kind": "traffic", "unit": "vehicles/h", "frequency": "h", "provider": "nobody",
        "licence": "none"}  # fmt: skip
    entry = body["parts"]["A-01"]
    assert (entry["rows"], entry["first"], entry["last"]) == (720, "2024-01-01 00:00:00", "2024-01-30 23:00:00")
    assert entry["time"] == "2026-01-15T10:00:00" and len(entry["sha256"]) == 64
    assert data.dataset_names()["my-roads"] == "store"
    frame = data.load("my-roads")
    assert (frame.header.unit, frame.header.L, frame.header.kind) == ("vehicles/h", 168, "traffic")
    assert frame.header.note == "Made up. Repaired or noticed: rows given twice: 6."
    assert frame.wide().shape == (720, 2) and frame.wide()["B-02"].iloc[25] == 1
    assert data.resolve(["my-roads"])["my-roads"] == {"name": "my-roads", "source": "store", "sha256": one.sha256}


def test_collecting_twice_changes_nothing_and_more_only_adds():
    collect(spots="A-01")
    before = stored()
    collect(spots="A-01")
    assert stored() == before and CALLS == ["A-01"]
    collect(spots="A-01,B-02")
    assert CALLS == ["A-01", "B-02"]
    same = [p for p in before if p.suffix == ".parquet"]
    assert {p: stored()[p] for p in same} == {p: before[p] for p in same}


def test_an_error_leaves_the_store_as_it_was_and_hides_the_key(monkeypatch):
    monkeypatch.setenv("TOY_KEY", "SECRETKEY1")
    with pytest.raises(DataError, match=r"no such spot A-01, key \*\*\*"):
        collect(spots="A-01", fail="A-01")
    assert not store.folder().exists()
    collect(spots="A-01")
    before = stored()
    with pytest.raises(DataError):
        collect(spots="B-02", fail="B-02", start="2023-01-01")
    assert stored() == before


def test_killed_and_collected_again_gives_the_same_bytes(monkeypatch):
    def stop(job, spot):
        if spot == "B-02" and not CALLS:
            CALLS.append("killed")
            raise KeyboardInterrupt
        return table(spot)

    monkeypatch.setattr("test_collecting.made", stop)
    with pytest.raises(KeyboardInterrupt):
        collect(spots="A-01,B-02,C-03")
    assert list(store.Collection("my-roads").parts) == ["A-01"]
    again = collect(spots="A-01,B-02,C-03")
    never = collecting.collect("roads", "never-killed", {"spots": "A-01,B-02,C-03"}, FakeClock())
    for file in ("A-01.parquet", "B-02.parquet", "C-03.parquet", "manifest.json"):
        assert (again.folder / file).read_bytes() == (never.folder / file).read_bytes()


def test_a_part_that_was_damaged_is_named_and_made_again():
    one = collect(spots="A-01")
    (one.folder / "A-01.parquet").write_bytes(b"half")
    with pytest.raises(DataError, match="A-01.parquet is missing or damaged"):
        data.load("my-roads")
    assert command.main(["check", "my-roads"]) == 1
    collect(spots="A-01")
    assert len(data.load("my-roads").table) == 720


@pytest.mark.parametrize("options, says", [
    ({}, "spots: must be given"), ({"spot": "A"}, "no such option; did you mean 'spots'"),
    ({"spots": "A", "start": "soon"}, "start: .*date.*'soon'"),
])  # fmt: skip
def test_options_are_checked_before_anything_happens(options, says):
    with pytest.raises(DataError, match=says):
        collect(**options)
    assert not CALLS


def test_one_name_has_one_source_and_one_meaning():
    collect(spots="A-01")
    with pytest.raises(DataError, match="comes from roads, not from shares"):
        collecting.collect("shares", "my-roads", {"spots": "A"})
    with pytest.raises(DataError, match="was made with direction=each, not both"):
        collect(spots="A-01", direction="both")
    for name, says in (("seoul-traffic", "public dataset"), ("krx", "public dataset"), ("../x", "cannot name"),
                       ("My", "cannot name")):  # fmt: skip
        with pytest.raises(DataError, match=says):
            collecting.collect("roads", name, {"spots": "A-01"})
    with pytest.raises(DataError, match="no source is called 'road'; did you mean 'roads'"):
        collecting.collect("road", "x", {})


def test_a_key_that_is_missing_says_where_to_get_it(monkeypatch):
    monkeypatch.delenv("TOY_KEY", raising=False)
    with pytest.raises(DataError, match=r"TOY_KEY \(toy.example > my key\)"):
        collect(spots="A-01", fail="A-01")


def test_prices_are_datasets_by_what_they_hold():
    collecting.collect("shares", "my-shares", {"spots": "005930,000660"}, FakeClock())
    assert store.names() == {"my-shares-price": "stocks", "my-shares-volume": "stocks"}
    price, volume = data.load("my-shares-price"), data.load("my-shares-volume")
    assert (price.header.unit, price.header.transform, price.header.L) == ("KRW", "log", 60)
    assert (volume.header.unit, list(volume.kinds)) == ("shares", ["close"])
    assert volume.wide()["000660"].iloc[1] == 2 * price.wide()["000660"].iloc[1] == 2002
    for ask in (store.load, data.load):
        with pytest.raises(DataError, match="ask for my-shares-price, my-shares-volume"):
            ask("my-shares")
    with pytest.raises(DataError, match="did you mean"):
        data.resolve(["my-shares-prices"])


def test_a_study_that_was_planned_before_says_so():
    collect(spots="A-01")
    entry = data.resolve(["my-roads"])["my-roads"]
    collect(spots="A-01,B-02")
    with pytest.raises(DataError, match="collected again since this study was planned"):
        store.load("my-roads", entry)


def test_the_command_line(capsys, monkeypatch):
    assert command.main(["collect", "roads", "my-roads", "spots=A-01"]) == 0
    assert "1 of 1 parts are new; 720 rows, 2024-01-01" in capsys.readouterr().out
    assert command.main(["collect", "roads", "my-roads", "spots=A-01"]) == 0
    assert "0 of 1 parts are new" in capsys.readouterr().out
    assert command.main(["list"]) == 0
    assert "my-roads" in capsys.readouterr().out
    assert command.main(["list", "roads"]) == 0
    assert "spots=      must be given  names of spots" in capsys.readouterr().out
    assert command.main(["check", "my-roads"]) == 0
    assert "1 series of 720 steps" in capsys.readouterr().out
    assert command.main(["collect", "roads", "my-roads", "spots"]) == 2
    assert "SOURCE NAME option=value" in capsys.readouterr().err


def test_planning_reads_no_heavy_library():
    """The planner asks for the names of the store; neither pandas nor pydantic may come with them."""
    heavy = "{'pandas', 'pydantic'} & set(sys.modules)"
    code = f"import sys; from litecast.data import store; store.names(); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- attacks


def state() -> dict:
    """What the store says: files without the locks, halves and empty folders that lie beside it."""
    return {path: path.read_bytes() for path in store.folder().rglob("*") if path.is_file()}


def test_two_at_once_is_refused_and_nothing_is_written(monkeypatch):
    collect(spots="A-01")
    before = state()
    with store.held("my-roads"):
        with pytest.raises(DataError, match="my-roads is being written by another call; wait for it"):
            collect(spots="B-02")
        assert state() == before
        collecting.collect("roads", "other", {"spots": "A-01"}, FakeClock())
    collect(spots="B-02")
    assert sorted(store.Collection("my-roads").parts) == ["A-01", "B-02"]


def _hold(name, holding):
    with store.held(name):
        holding.set()
        time.sleep(60)


def test_a_killed_writer_frees_the_collection_and_its_halves_are_removed():
    one = collect(spots="A-01")
    context = multiprocessing.get_context("fork")
    holding = context.Event()
    writer = context.Process(target=_hold, args=("my-roads", holding))
    writer.start()
    assert holding.wait(10)
    with pytest.raises(DataError, match="being written by another call"):
        collect(spots="B-02")
    writer.kill()
    writer.join()
    (one.folder / ".A-01.parquet.4711").write_bytes(b"half")
    (one.folder / "spool").mkdir()
    (one.folder / "spool" / ".x.parquet.4711").write_bytes(b"half")
    (one.folder / "my notes.txt").write_text("foreign")
    collect(spots="B-02")
    assert not list(one.folder.rglob(".*"))
    assert (one.folder / "my notes.txt").read_text() == "foreign"


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.EROFS, "Read-only file system")], ids=str)
def test_failing_at_every_rename_ends_in_the_same_bytes(monkeypatch, fails_at, error):
    """A part and its manifest are two renames; what is killed before, between or after them goes on from there."""
    never = collecting.collect("roads", "never", {"spots": "A-01,B-02"}, FakeClock())
    turns, replace = [], os.replace

    def failing(old, new):
        turns.append(new)
        if len(turns) == fails_at:
            raise error
        replace(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", failing)
        with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else DataError) as caught:
            collect(spots="A-01,B-02")
    if error is not KeyboardInterrupt:
        assert "my-roads cannot be written" in str(caught.value) and "Is the disk full" in str(caught.value)
    again = collect(spots="A-01,B-02")
    for file in ("A-01.parquet", "B-02.parquet", "manifest.json"):
        assert (again.folder / file).read_bytes() == (never.folder / file).read_bytes()
    assert len(list(again.folder.iterdir())) == 3


def test_a_part_that_changes_while_the_disk_is_full_stays_as_it_was(monkeypatch):
    """The manifest, too, is whole before the part takes its place."""
    one = collect(spots="A-01")
    before = state()
    with small_files(2_000), pytest.raises(DataError, match="my-roads cannot be written.*larger than is allowed"):
        one.put("A-01", table("A-01", days=300), {"made_of": "v2"})
    assert state() == before and one.check() == [] and one.current("A-01", "v1 A-01")
    text = store._text
    monkeypatch.setattr(store, "_text", lambda manifest: text(manifest) + " " * 100_000)
    with small_files(60_000), pytest.raises(DataError, match="larger than is allowed"):
        one.put("A-01", table("A-01", days=31), {"made_of": "v2"})
    assert state() == before


@contextlib.contextmanager
def small_files(most: int):
    """No file may grow beyond so many bytes: how a full disk looks from inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


BAD = {
    "half": lambda text: text[: len(text) // 2], "empty": lambda text: "", "a list": lambda text: "[]",
    "no parts": lambda text: '{"source": "roads"}', "foreign": lambda text: "\x00\x01",
    "notes of texts": lambda text: text.replace('{"rows given twice": 3}', '"many"'),
    "no last": lambda text: text.replace('"last": "', '"last": 1, "l": "'),
    "parts of texts": lambda text: '{"parts": {"A": "x"}}',
    "no hash": lambda text: text.replace('"sha256"', '"sha"'), "no kind": lambda text: text.replace('"kind"', '"k"'),
    "elsewhere": lambda text: text.replace("A-01.parquet", "../../A-01.parquet"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_damaged_manifest_is_named_everywhere_and_nothing_is_overwritten(bad, capsys):
    one = collect(spots="A-01")
    collecting.collect("roads", "good", {"spots": "A-01"}, FakeClock())
    manifest = one.folder / "manifest.json"
    whole = manifest.read_text(encoding="utf-8")
    manifest.write_text(BAD[bad](whole), encoding="utf-8")
    before = state()
    assert store.names() == {"good": "traffic"}, "the others can be planned"
    for ask in (lambda: collect(spots="A-01"), lambda: data.load("my-roads"), lambda: data.resolve(["my-roads"])):
        with pytest.raises(DataError, match="my-roads/manifest.json is damaged .*undo the change, or delete"):
            ask()
    assert command.main(["list"]) == 0
    assert command.main(["check", "my-roads", "good"]) == 1
    said = capsys.readouterr().out
    assert said.count("manifest.json is damaged") == 2 and "1 series of 720 steps" in said
    assert state() == before
    manifest.unlink()
    collect(spots="A-01")
    assert manifest.read_text(encoding="utf-8") == whole


def test_an_edit_that_says_something_else_is_another_sha256():
    """Unit, frequency, split and country reach the models: a study must see that they changed."""
    one = collect(spots="A-01")
    entry = data.resolve(["my-roads"])["my-roads"]
    manifest = one.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Made up.", "Told otherwise."))
    assert data.resolve(["my-roads"])["my-roads"] == entry, "a note changes no number"
    manifest.write_text(manifest.read_text().replace('"chronological"', '"weeks"'))
    assert data.resolve(["my-roads"])["my-roads"]["sha256"] != entry["sha256"]
    with pytest.raises(DataError, match="since this study was planned"):
        store.load("my-roads", entry)


def test_foreign_files_in_the_store_harm_nothing(capsys):
    collect(spots="A-01")
    store.folder().joinpath("README.txt").write_text("mine")
    for name in (".git", "My Data", "empty"):
        (store.folder() / name).mkdir()
    (store.folder() / "My Data" / "manifest.json").write_text("{}")
    assert store.names() == {"my-roads": "traffic"}
    assert command.main(["list"]) == command.main(["check", "my-roads"]) == 0
    assert "My Data" not in capsys.readouterr().out


def test_parts_whose_files_would_be_the_same_are_kept_apart():
    """By the rule for names, or on a disk that does not tell A from a."""
    spots = ["A 1", "A/1", "a_1", "서울", "부산", "A-01", "a-01"]
    one = collect(spots=",".join(spots))
    files = [entry["file"] for entry in one.parts.values()]
    assert len({file.casefold() for file in files}) == len(spots) == len(list(one.folder.glob("*.parquet")))
    assert sorted(data.load("my-roads").table["series"].unique()) == sorted(spots)
    CALLS.clear()
    collect(spots=",".join(spots))
    assert CALLS == []


def test_the_sha256_does_not_depend_on_the_order_of_collecting():
    first = collect(spots="A-01")
    collect(spots="B 2")
    collect(spots="b_2,C-03")
    other = collecting.collect("roads", "other", {"spots": "b_2,C-03,B 2,A-01"}, FakeClock())
    assert store.Collection("my-roads").sha256 == other.sha256 != first.sha256


def test_parts_that_shrink_or_are_not_asked_for_again():
    collect(spots="A-01,B-02")
    collect(spots="A-01")
    assert sorted(store.Collection("my-roads").parts) == ["A-01", "B-02"], "what is not asked for stays"
    one = store.Collection("my-roads")
    one.put("A-01", table("A-01", days=2), {"made_of": "v2"})
    assert len(data.load("my-roads").table) == 48 + 720
    one.put("A-01", table("A-01").iloc[:0], {"made_of": "v3"})
    assert list(data.load("my-roads").wide()) == ["B-02"]


def test_an_option_that_means_something_keeps_its_value_also_after_an_empty_call():
    collect(spots="A-01", direction="both")
    with pytest.raises(DataError, match="made with direction=both, not each"):
        collect(spots="A-01")
    body = json.loads((store.folder() / "my-roads" / "manifest.json").read_text())
    del body["request"]["direction"]  # a collection from before there was such an option
    (store.folder() / "my-roads" / "manifest.json").write_text(json.dumps(body))
    collect(spots="A-01")


def test_a_collection_of_prices_and_one_that_is_called_like_its_view():
    collecting.collect("shares", "mine", {"spots": "005930"}, FakeClock())
    with pytest.raises(DataError, match="two meanings"):
        collecting.collect("roads", "mine-price", {"spots": "A-01"}, FakeClock())
    collecting.collect("roads", "yours-value", {"spots": "A-01"}, FakeClock())
    with pytest.raises(DataError, match="two meanings"):
        collecting.collect("shares", "yours", {"spots": "005930"}, FakeClock())


def test_thousands_of_parts_and_names_stay_cheap():
    """Work, not seconds: nothing of a table is read to plan, and a part costs one pass over the manifest."""
    one = store.Collection("many")
    one.describe(source="roads", kind="traffic", unit="u", frequency="h", provider="p", licence="l")
    small = table("A", days=1)
    for i in range(60):
        one.put(f"{i:03d}", small, {"made_of": "x"})
    lines = (one.folder / "manifest.json").read_text().splitlines()
    assert sum(line.startswith('  "0') for line in lines) == 60, "a line for each part"
    for path in one.folder.glob("*.parquet"):
        path.write_bytes(b"never read")
    assert store.names() == {"many": "traffic"}
    assert len(one.check()) == 60
    with pytest.raises(DataError, match=r"damaged.*\(and 59 more\)"):
        store.locate("many")


def test_a_command_line_in_a_notebook(monkeypatch):
    seen = []
    monkeypatch.setattr(collecting, "collect", lambda *words, **_: seen.append(words))
    collecting.command(r"toll-files my-tolls 'files=my files/*.zip' start=2024-01-01")
    collecting.command(r"toll-files my-tolls files=C:\data\*.zip")
    assert [words[2]["files"] for words in seen] == ["my files/*.zip", r"C:\data\*.zip"]
    for line, says in (("toll-files x 'files=a", "quotation mark"), ("toll-files x a=1 a=2", "a= is given twice"),
                       ("toll-files", "SOURCE NAME")):  # fmt: skip
        with pytest.raises(DataError, match=says):
            collecting.command(line)


def test_check_reads_what_is_at_hand_and_fetches_nothing(monkeypatch, capsys):
    monkeypatch.delenv("LITECAST_MIRROR", raising=False)
    monkeypatch.setattr(data.public, "_download", lambda *_: pytest.fail("fetched"))
    collecting.collect("shares", "mine", {"spots": "005930"}, FakeClock())
    assert command.main(["check"]) == 0
    said = capsys.readouterr().out
    assert "seoul-traffic     not fetched yet" in said and "sample-traffic    4 series" in said
    assert command.main(["check", "mine"]) == 0, "the name of a collection of prices stands for its datasets"
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["mine-price", "mine-volume"]


def test_what_to_do_next_is_said(capsys):
    command.main(["collect", "roads", "my-roads", "spots=A-01"])
    said = capsys.readouterr().out
    assert 'notebooks/100_collect_traffic.ipynb (make lab) with dataset = "my-roads"' in said
    assert "datasets: [my-roads]" in said and "noticed: rows given twice: 3" in said
    command.main(["collect", "shares", "mine", "spots=005930"])
    assert "datasets: [mine-price, mine-volume]" in capsys.readouterr().out
    command.main(["list", "roads"])
    assert "collect roads my-roads spots=…" in capsys.readouterr().out


def test_columns_stand_below_each_other_with_hangul():
    assert command._width("영업소 A") == 8
    assert command._padded("한", 4) == "한  "


def test_a_reader_that_has_seen_enough_and_a_terminal_without_hangul():
    """`list | head -1` ends without a traceback; so does a page of Korean keys in ASCII."""
    env = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    one = subprocess.Popen([sys.executable, "-m", "litecast.collect", "list", "seoul"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=env)  # fmt: skip
    one.stdout.close()
    assert (one.stderr.read(), one.wait()) == (b"", 0)
    done = subprocess.run([sys.executable, "-m", "litecast.collect", "list", "seoul"], capture_output=True, env=env)
    assert (done.stderr, done.returncode) == (b"", 0) and b"SEOUL_KEY" in done.stdout
