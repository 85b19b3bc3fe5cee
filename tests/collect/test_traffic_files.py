"""Files of counts: miniatures with the oddities of the real ones, known values by hand, faults, one store."""

import gzip
import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import traffic_files as fake
from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from litecast import data
from litecast.collect import collecting
from litecast.collect.sources import sheets, spool
from litecast.data import store
from litecast.errors import DataError


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))


@pytest.fixture
def down(tmp_path):
    """Where downloads lie."""
    (tmp_path / "down").mkdir()
    return tmp_path / "down"


def collect(source: str, files, name: str = "mine", **options):
    return collecting.collect(source, name, {"files": str(files), **options}, FakeClock("2024-05-02 14:20:00"))


def table(collection) -> pd.DataFrame:
    return pd.concat([collection.part(part) for part in collection.parts], ignore_index=True)


def wide(collection) -> pd.DataFrame:
    return table(collection).pivot(index="time", columns="series", values="value")


def notes(collection) -> dict[str, int]:
    found = {}
    for entry in collection.parts.values():
        for what, count in entry["notes"].items():
            found[what] = found.get(what, 0) + count
    return found


def kept(collection) -> dict[str, bytes]:
    """What a dataset is read from: all but the spool."""
    return {path.name: path.read_bytes() for path in sorted(collection.folder.iterdir()) if path.is_file()}


def parquet(collection) -> dict[str, bytes]:
    return {name: content for name, content in kept(collection).items() if name.endswith(".parquet")}


def stamps(collection) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in collection.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("source", ["tms-files", "toll-files", "topis-files"])
def test_sources_are_listed_and_say_their_options(source):
    assert source in collecting.sources() and collecting.kind(source) == "traffic" and collecting.keys(source) == {}
    assert all(field.description for field in collecting.options_of(source).model_fields.values())


# --- toll offices


@pytest.mark.parametrize("era", ["pipe", "comma", "header"])
def test_every_era_of_toll_files_gives_the_counts_of_its_rows(down, era):
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        fake.toll(down / f"TCS_{day}.zip", fake.toll_rows(day), era)
    made = collect("toll-files", down / "*.zip")
    counts = wide(made)
    assert list(made.parts) == ["2024-01", "2024-02"]
    assert list(counts) == ["013 in", "013 out", "101 in", "101 out"] and len(counts) == 72
    # office 101 at 5 o'clock: TCS 100 + 50 + 1 + 5 and Hi-pass 200 + 50 + 1 + 5; leaving 1000 more each
    assert counts.loc["2024-01-31 05:00", "101 in"] == 156 + 256
    assert counts.loc["2024-02-01 05:00", "101 out"] == 1156 + 1256
    assert made.manifest["frequency"] == "h" and made.manifest["unit"] == "vehicles/h"
    header = data.load("mine").header
    assert (header.frequency, header.season, header.kind) == ("h", 168, "traffic")


def test_toll_columns_are_found_by_name_and_offices_by_code(down):
    fake.toll(down / "a.zip", fake.toll_rows("2024-01-01"), names=True)
    one = wide(collect("toll-files", down / "a.zip", offices="13", direction="out"))
    assert list(one) == ["013 out"] and one.iloc[0, 0] == 1103 + 5 + 1203 + 5
    with pytest.raises(DataError, match="no file has the toll office 777; there are 2: 013, 101"):
        collect("toll-files", down / "a.zip", offices="777")


def test_a_month_without_the_offices_asked_for_is_empty(down):
    fake.toll(down / "1.zip", fake.toll_rows("2024-01-01", ("101",), [0]))
    fake.toll(down / "2.zip", fake.toll_rows("2024-02-01", ("103",), [0]))
    made = collect("toll-files", down / "*.zip", offices="101")
    assert [len(made.part(part)) for part in made.parts] == [2, 0]
    assert data.load("mine").table["value"].tolist() == [312, 2312]


def test_vehicle_classes_are_chosen_once_for_a_collection(down):
    fake.toll(down / "a.zip", fake.toll_rows("2024-01-01"))
    made = collect("toll-files", down / "a.zip", classes="1,3")
    assert wide(made).loc["2024-01-01 02:00", "101 in"] == 121 + 221 + 2
    with pytest.raises(DataError, match="classes"):
        collect("toll-files", down / "a.zip", classes="2")
    with pytest.raises(DataError, match="classes are 1 to 6"):
        collect("toll-files", down / "a.zip", "other", classes="7")


def test_daily_toll_files_are_daily_and_not_mixed_with_hourly_ones(down):
    rows = fake.toll_rows("2024-01-01", hours=[0]) + fake.toll_rows("2024-01-02", hours=[0])
    for era in ("pipe", "header"):
        fake.toll(down / f"{era}.zip", rows, era, daily=True)
        made = collect("toll-files", down / f"{era}.zip", era)
        assert made.manifest["frequency"] == "D" and made.manifest["unit"] == "vehicles/day"
        assert wide(made)["101 in"].tolist() == [101 + 5 + 201 + 5] * 2
    fake.toll(down / "hourly.zip", rows)
    with pytest.raises(DataError, match="header.zip.*two names|hourly.zip.*two names"):
        collect("toll-files", f"{down}/h*.zip", "both")


def test_hours_that_name_their_end_move_back_even_into_the_month_before(down):
    fake.toll(down / "a.zip", fake.toll_rows("2024-02-01", ("101",), [0, 1]))
    counts = wide(collect("toll-files", down / "a.zip", stamp="end"))
    assert [str(time) for time in counts.index] == ["2024-01-31 23:00:00", "2024-02-01 00:00:00"]
    assert counts["101 in"].tolist() == [101 + 201 + 10, 111 + 211 + 10]
    fake.toll(down / "b.zip", [[*row[:1], "24", *row[2:]] for row in fake.toll_rows("2024-02-01", hours=[5])])
    with pytest.raises(DataError, match=r"b\.zip, row 2, column 집계시.*stamp=end"):
        collect("toll-files", down / "b.zip", "other")


def test_rows_of_another_month_are_taken_once_and_the_months_own_file_is_right(down):
    foreign = fake.toll_rows("2024-02-01")
    changed = [list(row) for row in foreign]
    changed[0][-1] += 500  # the copy in January's file says something else
    january = [row for day in range(1, 4) for row in fake.toll_rows(f"2024-01-{day:02}")]
    february = [row for day in range(1, 4) for row in fake.toll_rows(f"2024-02-{day:02}")]
    fake.toll(down / "01.zip", january + changed)
    fake.toll(down / "02.zip", february + february[:8])
    made = collect("toll-files", down / "*.zip")
    alone = collect("toll-files", fake.toll(down / "only.csv", february), "alone")
    assert parquet(made)["2024-02.parquet"] == parquet(alone)["2024-02.parquet"]
    told = made.parts["2024-02"]["notes"]
    assert told["rows given more than once, taken once"] == 2 * 24 * 4 + 8
    assert told["of these, rows that said something else"] == 1
    assert made.parts["2024-01"]["notes"]["rows whose classes do not add up to 총교통량, kept"] == 1
    assert len(made.part("2024-02")) == 3 * 24 * 4


def test_a_copy_without_operator_and_toll_form_is_not_added_to_the_file_itself(down):
    rows = fake.toll_rows("2024-01-01", ("101",), [0])
    fake.toll(down / "a.zip", rows)
    lines = fake.toll_text([[*row[:5], *row[7:]] for row in rows]).splitlines()[1:]
    header = ",".join([*fake.TOLL[:5], *fake.TOLL[7:], ""])
    (down / "copy.csv").write_bytes("\n".join([header, *lines]).encode("cp949"))
    made = collect("toll-files", f"{down}/*")
    assert wide(made).iloc[0].tolist() == [101 + 201 + 10, 1101 + 1201 + 10]
    assert notes(made) == {"rows of a copy without operator and toll form, left out": 4}
    alone = collect("toll-files", down / "copy.csv", "alone")
    assert table(alone).equals(table(made)) and notes(alone) == {}


def test_operators_and_toll_forms_of_an_office_are_summed(down):
    rows = fake.toll_rows("2024-01-01", ("101",), [0])
    second = [[*row[:5], "01", *row[6:]] for row in rows]
    made = collect("toll-files", fake.toll(down / "a.zip", rows + second))
    assert wide(made).loc["2024-01-01", "101 in"] == 2 * (101 + 201 + 10)
    assert notes(made) == {"rows of a further operator or toll form, summed": 4}


def test_a_missing_cell_is_missing_and_a_comma_is_no_end(down):
    rows = fake.toll_rows("2024-01-01", ("101",), [0, 1])
    rows[0][-1], rows[4][-1], rows[4][7], rows[6][-1] = "-", "1,234", "1,229", -3
    counts = wide(collect("toll-files", fake.toll(down / "a.zip", rows)))["101 in"]
    assert np.isnan(counts.iloc[0]) and counts.iloc[1] == 1234 + 211 + 5
    assert np.isnan(wide(store.Collection("mine")).iloc[1]["101 out"])
    assert notes(store.Collection("mine"))["negative counts, read as missing"] == 1
    assert "cells blank or '-', read as missing: 1" in data.load("mine").header.note


def test_a_zip_of_files_is_read_too_whatever_its_names(down):
    with zipfile.ZipFile(down / "all.gz", "w") as packed:
        for day in ("2024-01-01", "2024-01-02"):
            packed.writestr(f"자료/{day}.csv", fake.toll_text(fake.toll_rows(day)).encode("cp949"))
    assert len(wide(collect("toll-files", down / "all.gz"))) == 48


# --- one store


def days(down: Path, *numbers: int) -> None:
    for number in numbers:
        fake.toll(down / f"{number}.zip", fake.toll_rows(f"2024-0{number}-01") + fake.toll_rows(f"2024-0{number}-02"))


def test_collecting_twice_changes_nothing_and_reads_nothing(down, monkeypatch):
    days(down, 1, 2)
    before = stamps(collect("toll-files", down / "*.zip"))
    monkeypatch.setattr(sheets, "blocks", lambda *_: pytest.fail("a file was read again"))
    assert stamps(collect("toll-files", down / "*.zip")) == before


def test_a_new_file_costs_its_own_reading_and_the_months_it_touches(down, monkeypatch):
    days(down, 1, 2)
    made = collect("toll-files", down / "*.zip")
    before, opened, read = stamps(made), [], sheets.blocks
    late = fake.toll(down / "late.zip", fake.toll_rows("2024-02-03"))
    monkeypatch.setattr(sheets, "blocks", lambda path, *rest: opened.append(path.name) or read(path, *rest))
    made = collect("toll-files", down / "*.zip")
    changed = {path.name for path, time in stamps(made).items() if before.get(path) != time}
    assert opened == ["late.zip"] and len(made.part("2024-02")) == 3 * 96
    assert {"2024-02.parquet", "manifest.json"} < changed and "2024-01.parquet" not in changed and len(changed) == 3
    assert f"down/{late.name}" in made.parts["2024-02"]["request"]["files"].values()


def test_files_of_earlier_calls_stay_part_of_the_collection(down):
    days(down, 1)
    fake.toll(down / "a.zip", fake.toll_rows("2024-02-01"))
    collect("toll-files", down / "*.zip")
    (down / "a.zip").unlink()
    new = fake.toll(down / "b.zip", fake.toll_rows("2024-02-02"))
    made = collect("toll-files", new)
    assert len(made.part("2024-02")) == 2 * 96 and list(made.parts) == ["2024-01", "2024-02"]
    for path in (made.folder / "spool").iterdir():
        path.unlink()
    before = kept(made)
    with pytest.raises(DataError, match=r"(1|a)\.zip is part of the collection mine.*give it in files"):
        collect("toll-files", new)
    assert kept(made) == before


def test_a_new_edition_of_a_file_takes_the_place_of_the_old_one(down):
    rows = fake.toll_rows("2024-01-01")
    rows[0][-1] += 500
    collect("toll-files", fake.toll(down / "a.zip", rows))
    collect("toll-files", fake.toll(down / "b.zip", fake.toll_rows("2024-01-02")))
    made = collect("toll-files", fake.toll(down / "a.zip", fake.toll_rows("2024-01-01")))
    assert wide(made).loc["2024-01-01 00:00", "101 in"] == 101 + 201 + 10 and len(wide(made)) == 48
    assert sorted(made.parts["2024-01"]["request"]["files"].values()) == ["down/a.zip", "down/b.zip"]


def test_files_of_one_name_in_two_folders_are_two(down):
    for office in ("101", "103"):
        (down / office).mkdir()
        fake.toll(down / office / "2024.zip", fake.toll_rows("2024-01-01", (office,), [0]))
    collect("toll-files", down / "*" / "2024.zip")
    assert list(wide(collect("toll-files", down / "101" / "2024.zip"))) == ["101 in", "101 out", "103 in", "103 out"]


def test_other_offices_or_directions_need_no_file_again(down, monkeypatch):
    days(down, 1)
    collect("toll-files", down / "*.zip", offices="101")
    monkeypatch.setattr(sheets, "blocks", lambda *_: pytest.fail("a file was read again"))
    assert list(wide(collect("toll-files", down / "*.zip", direction="in"))) == ["013 in", "101 in"]


def test_the_order_of_files_does_not_matter(down):
    contents = [fake.toll_rows("2024-01-01") + fake.toll_rows("2024-02-01"), fake.toll_rows("2024-02-01"),
                fake.toll_rows("2024-02-02")]  # fmt: skip
    contents[1][3][-1] += 7
    for name, order in (("one", (0, 1, 2)), ("two", (2, 0, 1))):
        for place, which in enumerate(order):
            fake.toll(down / f"{name}{place}.zip", contents[which])
    assert parquet(collect("toll-files", down / "one*", "one")) == parquet(collect("toll-files", down / "two*", "two"))


def test_one_cell_changes_one_value(down):
    rows = fake.toll_rows("2024-01-01") + fake.toll_rows("2024-02-01")
    before = table(collect("toll-files", fake.toll(down / "a.zip", rows), "one"))
    rows[17][-1] += 3
    after = table(collect("toll-files", fake.toll(down / "b.zip", rows), "two"))
    different = before["value"] != after["value"]
    assert different.sum() == 1 and (after["value"] - before["value"])[different].tolist() == [3]
    assert before.drop(columns="value").equals(after.drop(columns="value"))


@pytest.mark.parametrize("step", ["spool", "part"])
@pytest.mark.parametrize("how", ["interrupt", "kill -9"])
def test_killed_and_collected_again_gives_the_same_bytes(down, monkeypatch, step, how):
    days(down, 1, 2, 3)
    whole = parquet(collect("toll-files", down / "*.zip", "whole"))
    if how == "interrupt":
        target, name = (spool._Writer, "about") if step == "spool" else (store.Collection, "put")
        real, calls = getattr(target, name), []

        def stop(self, *rest):
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(self, *rest)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(target, name, stop)
            collect("toll-files", down / "*.zip")
    else:
        where = "spool._Writer, 'about'" if step == "spool" else "store.Collection, 'put'"
        code = f"""
import os, signal, sys
from litecast.collect import collecting
from litecast.data import store
from litecast.collect.sources import spool
target, name = {where}
real, calls = getattr(target, name), []
def stop(self, *rest):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *rest)
setattr(target, name, stop)
collecting.collect("toll-files", "mine", {{"files": sys.argv[1]}})
"""
        done = subprocess.run([sys.executable, "-c", code, f"{down}/*.zip"], env=os.environ)
        assert done.returncode == -signal.SIGKILL
    opened, read = [], sheets.blocks
    monkeypatch.setattr(sheets, "blocks", lambda path, *rest: opened.append(path.name) or read(path, *rest))
    assert parquet(collect("toll-files", down / "*.zip")) == whole
    assert opened == (["2.zip", "3.zip"] if step == "spool" else [])  # what was spooled stays


# --- faults


def test_all_bad_files_are_named_at_once_and_the_good_ones_are_not_read_again(down, monkeypatch):
    for month in range(1, 13):
        fake.toll(down / f"{month:02}.zip", fake.toll_rows(f"2024-{month:02}-01", ("101",), [0]))
    cut(down / "03.zip")
    (down / "07.zip").write_text(fake.LOGIN, "utf-8")
    says = r"(?s)03\.zip: is cut off.*07\.zip: is a web page.*2 bad files.*10 good"
    with pytest.raises(DataError, match=says) as told:
        collect("toll-files", down / "*.zip")
    assert len(str(told.value).splitlines()) == 3 and parquet(store.Collection("mine")) == {}
    for month in (3, 7):
        fake.toll(down / f"{month:02}.zip", fake.toll_rows(f"2024-{month:02}-01", ("101",), [0]))
    opened, read = [], sheets.blocks
    monkeypatch.setattr(sheets, "blocks", lambda path, *rest: opened.append(path.name) or read(path, *rest))
    assert len(collect("toll-files", down / "*.zip").parts) == 12 and opened == ["03.zip", "07.zip"]


def cut(path: Path) -> None:
    path.write_bytes(gzip.compress(fake.toll_text(fake.toll_rows("2024-03-01")).encode("cp949"))[:-40])


def spoiled(path: Path) -> None:
    content = bytearray(gzip.compress(fake.toll_text(fake.toll_rows("2024-03-01")).encode("cp949")))
    content[-6] ^= 255
    path.write_bytes(content)


def without(path: Path, name: str) -> None:
    place = fake.TOLL.index(name)
    lines = fake.toll_text(fake.toll_rows("2024-03-01")).splitlines()
    lines = [",".join(line.split(",")[:place] + line.split(",")[place + 1 :]) for line in lines]
    path.write_bytes("\r\n".join(lines).encode("cp949"))


def edited(path: Path, place: int, cell, era: str = "header", row: int = 6) -> None:
    rows = fake.toll_rows("2024-03-01")
    rows[row][place] = cell
    fake.toll(path, rows, era)


def shortened(path: Path) -> None:
    path.write_bytes(fake.toll_text(fake.toll_rows("2024-03-01"), "pipe").encode("cp949")[:-25])


FAULTS = {
    "cut off": (cut, r"bad\.zip: is cut off or damaged.*Download it again"),
    "check sum": (spoiled, r"bad\.zip: is cut off or damaged"),
    "login page": (lambda path: path.write_text(fake.LOGIN, "utf-8"), r"bad\.zip: is a web page.*[Ll]og in"),
    "page in gzip": (lambda path: path.write_bytes(gzip.compress(fake.LOGIN.encode())), r"bad\.zip: is a web page"),
    "utf-16": (lambda path: path.write_bytes(fake.toll_text(fake.toll_rows("2024-03-01")).encode("utf-16")),
               r"bad\.zip: holds zero bytes.*UTF-8"),
    "wrong encoding": (lambda path: path.write_bytes(fake.toll_text(fake.toll_rows("2024-03-01")).encode("johab")),
                       r"bad\.zip: is not (text in utf-8 or cp949|a file of vehicles per toll office)"),
    "damaged start": (lambda path: edited(path, 0, "2O240301", "pipe", 0), r"bad\.zip: is not a file of vehicles"),
    "empty": (lambda path: path.write_bytes(b""), r"bad\.zip: is empty"),
    "empty in gzip": (lambda path: path.write_bytes(gzip.compress(b"")), r"bad\.zip: is empty"),
    "no rows": (lambda path: fake.toll(path, []), r"bad\.zip: has a header, but no rows"),
    "missing column": (lambda path: without(path, "총교통량"), r"bad\.zip: the column 총교통량 is missing"),
    "missing class": (lambda path: without(path, "3종교통량"), r"bad\.zip: the column 3종교통량 is missing"),
    "another kind": (lambda path: path.write_bytes(fake.expressway_text([]).encode("cp949")),
                     r"bad\.zip: is not a file of vehicles per toll office"),
    "another workbook": (lambda path: fake.topis(path, fake.topis_rows(["20190101"], {"A-01": "x"})),
                         r"bad\.zip: is not a file of vehicles per toll office"),
    "damaged workbook": (lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"), r"bad\.zip: is cut off"),
    "half a row": (shortened, r"bad\.zip, row 192: has \d+ cells, the rows before it have 15"),
    "a word": (lambda path: edited(path, 13, "많음"), r"bad\.zip, row 8, column 총교통량: '많음' is no number"),
    "no date": (lambda path: edited(path, 0, "2024-13-01"), r"row 8, column 집계일자: '2024-13-01' is no date"),
    "no way": (lambda path: edited(path, 3, "7"), r"bad\.zip, row 8, column 입출구구분코드: '7' is neither 0"),
    "no hour": (lambda path: edited(path, 1, "x", "pipe"), r"bad\.zip, row 7, column 집계시: 'x' is no number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_file_is_named_and_the_store_is_as_before(down, fault):
    days(down, 1)
    made = collect("toll-files", down / "*.zip")
    before = kept(made)
    make, says = FAULTS[fault]
    make(down / "bad.zip")
    with pytest.raises(DataError, match=says):
        collect("toll-files", down / "*.zip")
    assert kept(made) == before
    assert not [path for path in (made.folder / "spool").iterdir() if path.name.startswith(".")]
    (down / "bad.zip").unlink()
    assert kept(collect("toll-files", down / "*.zip")) == before


def test_a_first_call_that_fails_leaves_nothing(down):
    (down / "bad.zip").write_text(fake.LOGIN, "utf-8")
    with pytest.raises(DataError, match="web page"):
        collect("toll-files", down / "*.zip")
    assert not store.Collection("mine").folder.exists()


# --- TMS


def national() -> list[list]:
    """Spot 4202-01 in both directions and together, 0310-02 only together; two days."""
    rows = []
    for day in (31, 1):
        month = 1 if day == 31 else 2
        for spot, direction, first in (("4202-01", 1, 10), ("4202-01", 2, 100), ("4202-01", 0, 110),
                                       ("0310-02", "양방향", 7)):  # fmt: skip
            rows.append(fake.national_rows(spot, 2023, month, day, direction, first + day))
    return rows


def as_xlsx(path: Path, rows: list[list]) -> Path:
    return fake.workbook(path, {"자료": [["일반국도 시간교통량"], [], fake.NATIONAL, *rows]})


def as_page(path: Path, rows: list[list]) -> Path:
    return fake.page(path, [fake.NATIONAL, *rows])


@pytest.mark.parametrize("write", [as_xlsx, as_page])
def test_national_roads_by_hour_with_directions_apart(down, write):
    made = collect("tms-files", write(down / "tms.xls", national()))
    counts = wide(made)
    assert list(counts) == ["0310-02 0", "4202-01 1", "4202-01 2"]
    assert counts.index[0] == pd.Timestamp("2023-01-31 00:00") and len(counts) == 48
    assert counts.loc["2023-01-31 00:00", "4202-01 1"] == 10 + 31  # 1시 is the hour that ends at 1
    assert counts.loc["2023-02-01 23:00", "4202-01 2"] == 100 + 1 + 23
    assert counts.loc["2023-02-01 23:00", "0310-02 0"] == 7 + 1 + 23
    assert notes(made) == {"counts of both directions beside those of each, left out": 48}


def test_both_directions_are_the_sum_of_two_or_the_count_of_both(down):
    rows = national()
    rows[0][5 + 3] = "-"  # direction 1, 3 to 4 o'clock: the count of both stands in
    rows.append(fake.national_rows("9999-01", 2023, 1, 31, 1, 5))  # one direction only
    rows += [fake.national_rows("5000-01", 2023, 1, 31, direction, 5) for direction in (0, 1, 2, 3)]
    made = collect("tms-files", as_page(down / "a.xls", rows), direction="both")
    counts = wide(made)
    assert list(counts) == ["0310-02 0", "4202-01 0", "5000-01 0"]
    assert counts.loc["2023-01-31 02:00", "5000-01 0"] == 7
    assert counts.loc["2023-01-31 02:00", "4202-01 0"] == 12 + 31 + 102 + 31
    assert counts.loc["2023-01-31 03:00", "4202-01 0"] == 113 + 31
    assert notes(made)["stations without two directions, left out"] == 1
    assert notes(made)["cells blank or '-', read as missing"] == 1


def test_a_wrong_spot_is_told_with_those_near_it(down):
    rows = [fake.national_rows(f"42{i:02}-01", 2023, 1, 1, 1, 7) for i in range(40)]
    with pytest.raises(DataError, match=r"no file has the spot 4221-1; there are 40: 4221-01, .* …"):
        collect("tms-files", as_page(down / "a.xls", rows), spots="4221-1")


def test_counts_of_both_directions_alone_stay_what_they_are(down):
    rows = [fake.national_rows("0310-02", 2023, 1, 1, 0, 7)]
    for direction in ("each", "both"):
        made = collect("tms-files", as_page(down / "a.xls", rows), direction, direction=direction)
        assert wide(made)["0310-02 0"].tolist() == list(range(7, 31))


def test_hours_that_do_not_add_up_are_counted_and_kept(down):
    rows = national()
    rows[1][-1] += 5
    rows[2][7] = "1,000"
    made = collect("tms-files", as_page(down / "a.xls", rows))
    assert notes(made)["rows whose hours do not add up to their total, kept"] == 2
    assert len(table(made)) == 3 * 48


def test_a_missing_hour_column_is_named(down):
    rows = [[*row[:11], *row[12:]] for row in [fake.NATIONAL, *national()]]
    fake.workbook(down / "a.xlsx", {"x": rows})
    with pytest.raises(DataError, match=r"a\.xlsx \(x\): the column 7시 .* is missing"):
        collect("tms-files", down / "a.xlsx")
    (down / "b.xls").write_text(fake.LOGIN, "utf-8")
    with pytest.raises(DataError, match=r"b\.xls: is a web page.*Log in"):
        collect("tms-files", down / "b.xls")
    rows = [*national()[:2], [], *national()[2:]]
    rows[4][2], rows[4][3] = 2, 30
    with pytest.raises(DataError, match=r"c\.xlsx \(자료\), row 8, column 일: 년도, 월 and 일 are no day"):
        collect("tms-files", as_xlsx(down / "c.xlsx", rows))


def lanes(first: int, *cells: str) -> list:
    return [*cells, *(f"{first * 1000 + hour:,}" for hour in range(24)), "1"]


@pytest.mark.parametrize("starts", [True, False])
def test_lanes_of_an_expressway_are_summed_and_missing_if_one_is(down, starts):
    place = ("경부선", "서울-신갈")
    rows = [lanes(1, *place, "2020-05-01", "부산", "1"), lanes(2, *place, "2020-05-01", "부산", "2"),
            lanes(1, *place, "2020-05-02", "부산", "1"), lanes(5, *place, "2020-05-01", "서울", "1"),
            lanes(9, *place, "2020-05-01", "서울", "합계")]  # fmt: skip
    rows[1][5 + 4] = "-"
    path = down / "ex.csv"
    path.write_bytes(fake.expressway_text(rows, starts).encode("cp949"))
    made = collect("tms-files", path)
    counts = wide(made)
    assert list(counts) == ["경부선 서울-신갈 부산", "경부선 서울-신갈 서울"]
    assert counts.loc["2020-05-01 03:00"].tolist() == [1003 + 2003, 5003]
    assert np.isnan(counts.loc["2020-05-01 04:00", "경부선 서울-신갈 부산"])
    assert counts.loc["2020-05-02"].isna().all().all()  # lane 2 has no row that day
    assert notes(made)["days without one of the lanes, read as missing"] == 1
    assert notes(made)["rows that sum lanes, left out"] == 1


def classes(lead: int) -> list[list]:
    """One spot with a stray character before its number; 2022 and 2023 side by side, and 2024."""
    rows = []
    for month, day in ((2, 28), (2, 29)):
        first = ["'3727-00", "37", month, day, 1, "경기", "갈림길"][:lead]
        values = [[100 * year + kind for kind in range(12)] for year in range(3)]
        gone = ["-"] * 12
        rows.append([*first, *(gone if day == 29 else values[0]), *(gone if day == 29 else values[1]), *values[2]])
    return fake.class_table(rows, [2022, 2023, 2024], lead)


@pytest.mark.parametrize("lead", [6, 7])
@pytest.mark.parametrize("kind", ["xlsx", "csv", "page"])
def test_class_files_have_years_side_by_side(down, lead, kind):
    path = down / "classes"
    if kind == "xlsx":
        fake.workbook(path, {"a": classes(lead)})
    elif kind == "csv":
        path.write_bytes("\n".join(",".join(map(str, row)) for row in classes(lead)).encode("cp949"))
    else:
        above = "".join(f"<th rowspan=2>{name}</th>" for name in fake.LEAD[:lead])
        above += "".join(f"<th colspan='13'>{year}년</th>" for year in (2022, 2023, 2024))
        below = "".join(f"<th>{name}</th>" for name in [*fake.CLASSES, "전차종합계"] * 3)
        fake.page(path, classes(lead)[2:], head=f"<tr>{above}</tr><tr>{below}</tr>")
    made = collect("tms-files", path)
    assert made.manifest["frequency"] == "D" and list(made.parts) == ["2022-02", "2023-02", "2024-02"]
    assert wide(made)["3727-00 1"].to_dict() == {
        pd.Timestamp("2022-02-28"): 66, pd.Timestamp("2023-02-28"): 1266, pd.Timestamp("2024-02-28"): 2466,
        pd.Timestamp("2024-02-29"): 2466}  # fmt: skip
    one = wide(collect("tms-files", path, "one", vehicle="4"))
    assert one["3727-00 1"].tolist() == [3, 103, 203, 203]


def test_a_class_file_without_its_years_or_with_a_day_that_was_not_is_refused(down):
    rows = classes(7)
    fake.workbook(down / "a.xlsx", {"a": rows[1:]})
    with pytest.raises(DataError, match=r"a\.xlsx \(a\): the column year above 1종 in column 8 is missing"):
        collect("tms-files", down / "a.xlsx")
    fake.workbook(down / "gap.xlsx", {"a": [*rows[:3], [*rows[3][:33], *["-"] * 13]]})
    counts = wide(collect("tms-files", down / "gap.xlsx", "gap"))["3727-00 1"]
    assert len(counts) == 4 and np.isnan(counts["2024-02-29"])  # a day of that year, so missing
    rows[3][7] = 5
    fake.workbook(down / "b.xlsx", {"a": rows})
    with pytest.raises(DataError, match=r"b\.xlsx \(a\), row 4, column 일"):
        collect("tms-files", down / "b.xlsx")


# --- TOPIS


def test_topis_workbooks_by_number_with_renames_and_places(down):
    first = fake.topis_rows(["20190101", "20190102"], {"A-01": "성산로(금화터널)", "D-46": "동부간선로"})
    later = fake.topis_rows(["20190301"], {"A-01": "성산로", "D-46": "동부간선로"}, 500)
    fake.topis(down / "01월.xlsx", first, spots={"A-01": "성산로(금화터널)"})
    fake.topis(down / "03월.xlsx", later, spots={"A-01": "성산로"})
    made = collect("topis-files", down / "*.xlsx")
    counts = wide(made)
    assert list(counts) == ["A-01 in", "A-01 out", "D-46 in", "D-46 out"] and len(counts) == 72
    assert counts.loc["2019-01-02 07:00", "A-01 in"] == 100 + 1 + 7
    assert counts.loc["2019-03-01 23:00", "D-46 out"] == 500 + 23 + 1000
    assert made.manifest["renames"] == {"A-01": ["성산로(금화터널)", "성산로"]}
    assert "1 spots were renamed" in data.load("mine").header.note
    assert made.manifest["spots"]["A-01"] == {"지점번호": "A-01", "지점명": "성산로", "위도": "37.5", "경도": "127",
                                              "주소": "서울시"}  # fmt: skip
    both = wide(collect("topis-files", down / "*.xlsx", "both", direction="both", spots="A-01"))
    assert list(both) == ["A-01 both"] and both.loc["2019-01-01 00:00", "A-01 both"] == 100 + 1100


FAULTY = {
    "an hour twice": [*fake.TOPIS[:8], "1시", *fake.TOPIS[9:]],
    "no names of hours": [*fake.TOPIS[:6], *[""] * 24],
    "names shifted": ["", *fake.TOPIS[:29]],
    "other words": [f"열{i}" for i in range(30)],
    "bare numbers": [*fake.TOPIS[:6], *range(24)],
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_header_is_passed_over(down, fault):
    rows = fake.topis_rows(["20190201"], {"A-01": "성산로"})
    good = table(collect("topis-files", fake.topis(down / "good.xlsx", rows), "good"))
    made = collect("topis-files", fake.topis(down / "02월.xlsx", rows, FAULTY[fault]), "faulty")
    assert table(made).equals(good)
    assert notes(made) == {"rows read by the order of columns, their header being faulty": 2}


def test_a_topis_file_without_an_hour_is_refused_even_if_a_sum_fills_its_place(down):
    rows = [[*row[:9], *row[10:]] for row in [fake.TOPIS, *fake.topis_rows(["20190201"], {"A-01": "x"})]]
    fake.topis(down / "a.xlsx", rows[1:], rows[0])
    with pytest.raises(DataError, match=r"a\.xlsx .*3시 .* is missing"):
        collect("topis-files", down / "a.xlsx")
    fake.topis(down / "b.xlsx", [[*row, sum(row[6:])] for row in rows[1:]], [*rows[0], "합계"])
    with pytest.raises(DataError, match=r"b\.xlsx .*3시 .* is missing"):
        collect("topis-files", down / "b.xlsx")
    rows = fake.topis_rows(["20190201"], {"A-01": "x"})
    rows[0][0] = "2O190201"  # no header, and a first row that is none either
    fake.topis(down / "d.xlsx", rows[1:], rows[0])
    with pytest.raises(DataError, match=r"d\.xlsx: is not a TOPIS file"):
        collect("topis-files", down / "d.xlsx")
    fake.workbook(down / "c.xlsx", {"범례": [["지점번호", "설명"]], "좌표": [["지점번호", "위도"], ["A-01", 37.5]]})
    with pytest.raises(DataError, match=r"c\.xlsx: holds no rows"):
        collect("topis-files", down / "c.xlsx")


@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
@pytest.mark.parametrize("header", [True, False])
def test_topis_csv_editions(down, encoding, header):
    rows = fake.topis_rows(["20180301"], {"A-01": "성산로"})
    lines = [",".join(map(str, row)) for row in ([fake.TOPIS] if header else []) + rows]
    (down / "3월.csv").write_bytes("\r\n".join(lines).encode(encoding))
    counts = wide(collect("topis-files", down / "3월.csv"))
    assert counts.loc["2018-03-01 23:00"].tolist() == [123, 1123]


def test_another_word_for_in_or_out_is_refused(down):
    rows = fake.topis_rows(["20180301"], {"A-01": "성산로"})
    rows[1][5] = "순환"
    with pytest.raises(DataError, match=r"a\.xlsx .*, row 3, column 구분: '순환' is neither 유입 nor 유출"):
        collect("topis-files", fake.topis(down / "a.xlsx", rows))


# --- reading


def block(cells, encoding: str = "cp949") -> sheets.Block:
    import pyarrow as pa

    given = pa.array([cell.encode(encoding) for cell in cells]) if isinstance(cells[0], str) else list(cells)
    return sheets.Block("a.csv", sheets.Head(["x"], 1, [0]), {0: given}, 2, encoding)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1), st.sampled_from(["{}", "{:,}", " {} ", "\u3000{}", "{}.0", "０{}"]))
def test_numbers_are_read_in_every_dress(values, form):
    assert block([form.format(value) for value in values]).numbers(0).tolist() == values
    assert block([*values, None]).numbers(0)[:-1].tolist() == values
    mixed = [float(values[0]), *(form.format(value) for value in values)]
    assert block(mixed).numbers(0).tolist() == [values[0], *values]


@pytest.mark.parametrize("cell", ["1 2 x", "1,2,3a", "--", "nan", "inf", "1e5", "０x"])
def test_what_is_no_number_is_named_with_its_row(cell):
    with pytest.raises(DataError, match=r"a\.csv, row 3, column x: '.*' is no number"):
        block(["1", cell, "2"]).numbers(0)


def test_full_width_characters_are_usual_ones_and_hours_stand_in_order_of_time():
    assert block(["１，２３４", "5"]).numbers(0).tolist() == [1234, 5]
    assert list(block(["（가） ", "\u3000(가)"]).texts(0)) == ["(가)", "(가)"]
    names = [f"{hour:02}시" for hour in range(24)]
    assert sheets.hours(["x", *reversed(names)]) == list(range(24, 0, -1))


def test_dates_in_every_dress():
    cells = ["20240131", "2024-01-31", "2024.1.31", "2024년 1월 31일", " 2024/01/31"]
    assert set(block(cells).dates(0).astype(str)) == {"2024-01-31"}
    assert block([20240131.0, pd.Timestamp("2024-01-31").to_pydatetime()]).dates(0).astype(str).tolist() == [
        "2024-01-31"] * 2  # fmt: skip


@pytest.mark.parametrize("cell", ["2024013", "202413", "2024-0131", "2024-01-31-01", "24-01-31", "2024-02-30", "-", ""])
def test_a_date_that_is_cut_off_is_no_date(cell):
    with pytest.raises(DataError, match=r"a\.csv, row 3, column x: '.*' is no date"):
        block(["20240131", cell]).dates(0)


def test_cells_over_rows_and_columns_of_a_page_stand_in_each(tmp_path):
    page = (b"<table><tr><td rowspan=3>a<td colspan=2>b<td rowspan=2>c</tr><tr><td>d<td rowspan=2>e</tr>"
            b"<tr><td>f<td>g</tr><tr><td>h</tr></table>")  # fmt: skip
    rows = list(sheets._page_rows(io.BytesIO(page), "utf-8"))
    assert rows == [["a", "b", "b", "c"], ["a", "d", "e", "c"], ["a", "f", "e", "g"], ["h"]]


def test_pieces_of_a_text_are_whole_lines(down, monkeypatch):
    rows = fake.toll_rows("2024-01-01") + fake.toll_rows("2024-02-01")
    whole = parquet(collect("toll-files", fake.toll(down / "a.zip", rows), "whole"))
    monkeypatch.setattr(sheets, "_CHUNK", 1000)
    assert parquet(collect("toll-files", down / "a.zip", "pieces")) == whole
    edit = [list(row) for row in rows]
    edit[300][12] = "?"
    with pytest.raises(DataError, match=r"b\.zip, row 302, column 6종교통량: '\?' is no number"):
        collect("toll-files", fake.toll(down / "b.zip", edit), "bad")


def test_the_bench_runs_small(bench):
    told = bench("collecting.py")
    assert "| rows | 1,440 |" in told and "peak" in told
