"""The store, and what it promises of every source, with a source that fits on a screen."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from fakes.clock import FakeClock
from pydantic import Field

from litecast import data
from litecast.data import __main__ as command
from litecast.data import collecting, store
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


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    """A module with two sources, as if it lay in sources/."""
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))
    module = SimpleNamespace(OPTIONS={"roads": Options, "shares": Options}, PARTS={"roads": roads, "shares": shares})
    words = {"SOURCES": {"roads": "Roads", "shares": "Shares"}, "KIND": {"roads": "traffic", "shares": "stocks"},
             "KEYS": {"roads": {"TOY_KEY": "toy.example > my key"}}}  # fmt: skip
    literal = data._literal
    monkeypatch.setattr(collecting, "_literal", lambda m, name: words.get(name) if m == "toy" else literal(m, name))
    monkeypatch.setattr(collecting, "_modules", lambda: ["toy"])
    monkeypatch.setattr(collecting, "_module", lambda source: collecting._file(source) and module)
    CALLS.clear()


def collect(**options):
    return collecting.collect("roads", "my-roads", options, FakeClock())


def files() -> dict:
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
    before = files()
    collect(spots="A-01")
    assert files() == before and CALLS == ["A-01"]
    collect(spots="A-01,B-02")
    assert CALLS == ["A-01", "B-02"]
    same = [p for p in before if p.suffix == ".parquet"]
    assert {p: files()[p] for p in same} == {p: before[p] for p in same}


def test_an_error_leaves_the_store_as_it_was_and_hides_the_key(monkeypatch):
    monkeypatch.setenv("TOY_KEY", "SECRETKEY1")
    with pytest.raises(DataError, match=r"no such spot A-01, key \*\*\*"):
        collect(spots="A-01", fail="A-01")
    assert not store.folder().exists()
    collect(spots="A-01")
    before = files()
    with pytest.raises(DataError):
        collect(spots="B-02", fail="B-02", start="2023-01-01")
    assert files() == before


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
    ({}, "spots: must be given"), ({"spot": "A"}, "no such option, did you mean spots"),
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
    assert "names of spots (must be given)" in capsys.readouterr().out
    assert command.main(["check", "my-roads"]) == 0
    assert "1 series of 720 steps" in capsys.readouterr().out
    assert command.main(["collect", "roads", "my-roads", "spots"]) == 2
    assert "SOURCE NAME option=value" in capsys.readouterr().err


def test_planning_reads_no_heavy_library():
    """The planner asks for the names of the store; neither pandas nor pydantic may come with them."""
    import subprocess
    import sys

    heavy = "{'pandas', 'pydantic'} & set(sys.modules)"
    code = f"import sys; from litecast.data import store; store.names(); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
