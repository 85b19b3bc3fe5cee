"""Importing KTDB packages: every layout by known values, every rule broken once, twice and killed gives the same."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from fakes import ktdb_files as fake
from fakes.clock import FakeClock

from litecast.collect import collecting
from litecast.collect.sources import ktdb, ktdb_files, ktdb_tables
from litecast.data import load, od, store
from litecast.errors import DataError


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A store that holds both packages, to be copied: collecting them anew for every broken file would take long."""
    folder = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITECAST_DATA", str(folder / "data"))
        collect(fake.national(folder), "national", year=2023)
        collect(fake.metropolitan(folder), "metropolitan", year=2023, leave_out="MMODE,사회경제지표")
    return folder / "data"


def collect(files, name: str = "toy", **options) -> store.Collection:
    given = {"files": str(files), **{key: str(value) for key, value in options.items()}}
    return collecting.collect("ktdb", name, given, clock=FakeClock())


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def state(collection: store.Collection | Path) -> dict:
    """Name -> bytes and time of change of every file of a collection."""
    folder = collection if isinstance(collection, Path) else collection.folder
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.glob("*"))}


def row(frame: od.ODFrame, origin: int, destination: int) -> dict:
    table = frame.table
    found = table[(table["origin"] == origin) & (table["destination"] == destination)]
    return found.iloc[0].drop(["origin", "destination"]).to_dict()


# --- layouts, values by hand: trips of 3 -> 4 are 1340, 1341, 1342, ... by the place of the column


def test_national_workbook_by_name(tmp_path):
    collection = collect(fake.national(tmp_path))
    assert list(collection.parts) == ["purpose_2023", "purpose_2030", "socio_2023", "socio_2030", "zones"]
    one = od.load("toy")
    assert row(one, 3, 4) == {"work": 1340, "school": 1341, "business": 1342, "home": 1343, "other": 1344,
                              "total": 6710}  # fmt: skip
    assert row(one, 1, 1)["total"] == 5560  # a text with a thousands separator
    assert one.header.categories == {"work": "출근", "school": "등교", "business": "업무", "home": "귀가",
                                     "other": "기타"}  # fmt: skip
    head = one.header
    assert (head.unit, head.kind, head.area) == ("passenger trips/day, average weekday", "purpose", "Korea")
    assert (head.base_year, head.year) == (2023, 2023) and "no series" in head.note and "설명서.hwp" in head.note
    zones = one.zones
    assert zones["name"].tolist() == fake.NAMES and zones["large"].tolist() == ["가나도"] * 3 + ["다라도"] * 2
    assert zones["population"].tolist() == [1000, 2000, 3000, 4000, 5000]  # under a blank header cell
    assert zones.loc[4, ["population_5_24", "population_15_up", "employed", "workers", "students"]].tolist() == [
        1000, 4500, 2500, 2000, 750]  # fmt: skip


def test_later_years_are_forecasts_from_the_base_year(tmp_path):
    collect(fake.national(tmp_path))
    one = od.load("toy", year=2030)
    assert (one.header.base_year, one.header.year) == (2023, 2030)
    assert row(one, 1, 1)["work"] == 1110 + 70_000 and one.zones["population"].iloc[0] == 1001


def test_metropolitan_texts_by_position(tmp_path):
    collect(fake.metropolitan(tmp_path))
    one = od.load("toy")
    assert row(one, 3, 4) == {"home": 1340.25, "work": 1341.25, "school": 1342.25, "business": 1343.25,
                              "other": 1344.25}  # fmt: skip
    assert one.header.area == "Seoul metropolitan area"
    modes = od.load("toy", kind="mode")
    assert list(row(modes, 3, 4).items()) == [
        ("walk_bicycle", 1340.25), ("freight_other", 1341.25), ("other_bus", 1342.25), ("rail", 1343.25),
        ("ktx", 1344.25), ("car", 1345.25), ("taxi", 1346.25), ("bus", 1347.25), ("subway", 1348.25),
        ("bus_subway", 1349.25)]  # fmt: skip
    assert od.tables("toy")["kind"].tolist() == [
        "purpose", "mode", "mode-home", "mode-work", "mode-school", "mode-other", "purpose"]  # fmt: skip
    assert od.tables("toy")["year"].tolist() == [2023] * 6 + [2030]
    assert one.table.dtypes.to_dict() == {"origin": "int32", "destination": "int32", **dict.fromkeys(
        ["home", "work", "school", "business", "other"], "float64")}  # fmt: skip


def test_metropolitan_zones_and_people(tmp_path):
    collect(fake.metropolitan(tmp_path))
    zones = od.load("toy").zones
    assert zones["code"].tolist() == [str(code) for code in fake.CODES]
    assert zones["inner"].tolist() == [True] * 4 + [False]
    assert zones["name"].tolist()[3:] == ["중구 라온동", "중구"]
    assert zones["population"].tolist()[:2] == [3 * (101 * 10 + 5050), 3 * (101 * 20 + 5050)]  # men, women twice that
    assert zones["employed"].iloc[0] == zones["population"].iloc[0] and np.isnan(zones["population"].iloc[4])
    assert zones.loc[2, ["workers_tertiary", "workers", "students_elementary", "students_university"]].tolist() == [
        210, 300, 30, 120]  # fmt: skip  (workers are listed by code)
    ages = store.Collection("toy").part("population_2023")
    assert ages.shape == (4, 203) and ages.loc[1, ["male_7", "female_100"]].tolist() == [27, 240]


def test_regional_workbooks_skip_the_first_sheet_and_sums(tmp_path):
    collect(written(tmp_path, "부산울산권_목적통행.xlsx", fake.region_purposes()))
    assert row(od.load("toy", year=2025), 3, 4)["home"] == 1343 + 20_000
    assert od.load("toy").header.area == "Busan and Ulsan"
    collection = collect(written(tmp_path, "부산울산권_주수단통행.xlsx", fake.region_modes()), "modes")
    one = od.load("modes")
    assert row(one, 3, 4) == {"walk_bicycle": 1340, "car": 1341, "bus": 1342, "all_rail": 1343, "urban_rail": 1344,
                              "taxi": 1345, "other": 1346}  # fmt: skip
    assert "left out as sums of others: (기타합계), (승용차/택시)" in collection.manifest["note"]
    assert one.matrix()[2, 3] == sum(range(1340, 1347))


def test_national_modes(tmp_path):
    collect(written(tmp_path, "전국_2023년~2050년 주수단별OD(250).xlsx", fake.national_modes()))
    assert row(od.load("toy"), 3, 4) == {"car": 1340, "bus": 1341, "subway": 1342, "rail": 1343,
                                         "high_speed_rail": 1344, "air": 1345, "ship": 1346, "total": 9401}  # fmt: skip


def test_freight_has_a_title_above_its_header(tmp_path):
    collect(written(tmp_path, "배포용 (기준년도 2023년) 화물자동차OD_2025.11.28.xlsx", fake.freight()))
    one = od.load("toy")
    assert one.header.unit == "vehicles/day, average weekday" and one.header.year == 2023  # not 2025, of the release
    assert row(one, 3, 4) == {"small": 1340, "medium": 1341, "large": 1342, "total": 4023}


@pytest.mark.parametrize("first", ["2023년", "Sheet1"])
def test_freight_of_future_years_stands_in_a_sheet_each(tmp_path, first):
    path = written(tmp_path, "배포용 (기준년도 2023년) 화물자동차OD_2025.11.28.xlsx", fake.freight(first, "2030년"))
    assert list(collect(path).parts) == ["freight_2023", "freight_2030"]
    assert row(od.load("toy", year=2023), 3, 4)["total"] == 4023 and od.load("toy").header.base_year == 2023
    assert row(od.load("toy", year=2030), 3, 4)["total"] == 4023 + 3 * 70_000


@pytest.mark.parametrize(("name", "cover"), [
    ("2023년 기준", [["통행/일"]]), ("설명", [["항목", "출발", "도착", "출근"], ["뜻", "O", "D", "통행"]]),
    ("존", [["대존", "소존", "250존체계"], [1, "가", 1]])])  # fmt: skip
def test_a_first_sheet_that_is_no_data_is_passed_over(tmp_path, name, cover):
    flows = fake.flows(fake.REGION, lambda o, d: [o, d], 5, 2025)
    made = collect(written(tmp_path, "부산울산권_목적통행.xlsx", fake.workbook({name: cover, "2025년": flows})))
    assert list(made.parts) == ["purpose_2025"] and row(od.load("toy", year=2025), 3, 4)["home"] == 1343 + 20_000


@pytest.mark.parametrize("titles", [None, fake.LARGE_TITLES])
def test_old_stacked_matrices(tmp_path, titles):
    collect(written(tmp_path, "2019년~2050년 목적별OD(250).xlsx", fake.large(titles)))
    one = od.load("toy")
    assert (one.Z, one.header.kind, one.header.year) == (17, "large-purpose", 2019)
    assert row(one, 17, 2) == {"work": 1702, "school": 11702, "business": 21702, "shopping": 31702, "home": 41702,
                               "leisure": 51702, "other": 61702, "total": 7 * 1702 + 210_000}  # fmt: skip


def test_order_of_stacked_matrices_is_a_setting_and_titles_contradict(tmp_path):
    order = ["school", "work", *ktdb_tables.LARGE[2:]]
    plain = written(tmp_path, "a 2019년.xlsx", fake.large())
    collect(plain, large_purposes=",".join(order))
    assert row(od.load("toy"), 17, 2)["school"] == 1702
    titled = written(tmp_path, "b 2019년.xlsx", fake.large(fake.LARGE_TITLES))
    with pytest.raises(DataError, match="row 5: the matrix of school stands under the title of work"):
        collect(titled, "b", large_purposes=",".join(order))
    with pytest.raises(DataError, match="8 matrices of 17 x 17 .*large_purposes names 2"):
        collect(plain, "b", large_purposes="work,total")
    with pytest.raises(DataError, match="large_purposes: each once of home, work"):
        collect(plain, "b", large_purposes="work,work")


def test_names_in_zips_are_korean(tmp_path):
    windows = ktdb_files.unpacked([fake.national(tmp_path)], [])
    modern = ktdb_files.unpacked([fake.package(tmp_path / "b.zip", {"5. OD/목적.xlsx": b""}, "utf-8")], [])
    assert windows[0].label == "2024-OD-PSN-OBJ-00 전국 목적OD.zip: 1. 존체계/250 존체계.xlsx"
    assert modern[0].label == "b.zip: 5. OD/목적.xlsx"


def test_unpacked_files_give_the_same_as_the_zip(tmp_path):
    zipped = collect(fake.national(tmp_path))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    written(folder, "존.xlsx", fake.zones_250())  # another name: content counts
    written(folder, "사회.xlsx", fake.people_250())
    written(folder, "목적.xlsx", fake.national_purposes())
    loose = collect(folder / "*.xlsx", "loose")
    assert list(zipped.parts) == list(loose.parts)
    for part in zipped.parts:
        pd.testing.assert_frame_equal(zipped.part(part), loose.part(part))


def test_year_can_be_chosen_or_given(tmp_path):
    collection = collect(fake.national(tmp_path), year=2030)
    assert list(collection.parts) == ["purpose_2030", "socio_2030", "zones"]
    assert od.load("toy").header.base_year == 2023  # the package holds it, though it was not asked for
    nameless = written(tmp_path, "trips.out", fake.text(5))
    with pytest.raises(DataError, match="trips.out: neither its name nor a sheet's tells the year. Give it: year=2023"):
        collect(nameless, "b")
    collect(nameless, "b", year=2021)
    assert od.load("b").header.year == 2021
    with pytest.raises(DataError, match="no O/D table for the year 1999"):
        collect(fake.national(tmp_path), "c", year=1999)


def test_packages_of_one_area_go_together_and_are_added_later(tmp_path):
    first = fake.national(tmp_path)
    second = fake.package(tmp_path / "2024-OD-PSN-MOD-10.zip", {
        "존체계/250 존체계.xlsx": fake.zones_250(), "사회/전국지역간_사회경제지표.xlsx": fake.people_250(more=1),
        "OD/주수단.xlsx": fake.national_modes()})  # fmt: skip
    with pytest.raises(DataError, match="socio 2023 is in .*MOD-10.zip.* and in .*they differ"):
        collect(f"{first},{second}")
    assert not (store.folder() / "toy").exists()
    people = fake.people_250()
    same = [fake.package(tmp_path / f"{name}.zip", {"people.xlsx": people, "od.xlsx": flows})
            for name, flows in (("a", fake.national_modes()), ("b", fake.national_purposes()))]  # fmt: skip
    assert len(collect(",".join(map(str, same)), "same").parts) == 5  # the same people twice are no contradiction
    collect(first)
    collection = collect(second, leave_out="사회경제지표")
    assert {"purpose_2023", "mode_2023"} <= set(collection.parts) and od.load("toy", kind="mode").Z == 5
    assert od.load("toy").header.kind == "purpose"


@pytest.mark.parametrize("place", range(5))
def test_one_cell_changes_one_trip(tmp_path, place):
    """Columns are not mixed up, nor rows."""
    before = collect(written(tmp_path, "ODTRIP23_F.OUT", fake.text(5))).part("purpose_2023")
    content = fake.text(5).decode().replace(f"{fake.trips(4, 2, place)}.25", f"{fake.trips(4, 2, place)}.75")
    after = collect(written(tmp_path, "ODTRIP23_F.OUT", content.encode()), "other").part("purpose_2023")
    name = ["home", "work", "school", "business", "other"][place]
    changed = after.compare(before)
    assert changed.columns.get_level_values(0).unique().tolist() == [name] and len(changed) == 1
    assert after.loc[changed.index[0], ["origin", "destination"]].tolist() == [4, 2]


def test_summary_sheets_beside_the_zones_they_sum_up_are_left_out(tmp_path):
    pivot = [[], [], [None, None, "도착"], ["출발", "", "서울"], ["", "서울", 99]]
    rows = fake.flows(fake.OD_250, lambda o, d: [1, 1, o, d], 5, 2023)
    collection = collect(written(tmp_path, "목적OD.xlsx", fake.workbook({"2023_목적OD": rows, "대존_2023": pivot})))
    assert list(collection.parts) == ["purpose_2023"]
    assert "Files left out: 목적OD.xlsx (대존_2023)" in collection.manifest["note"]


# --- coordinates


@pytest.mark.parametrize(("text", "unit"), [
    ("zone,x,y\n" + "".join(f"{z},{1000 * z},\"2,000\"\n" for z in range(5, 0, -1)), "m"),
    ("code,lon,lat\n" + "".join(f"{code},127.{z},37\n" for z, code in enumerate(fake.CODES, 1)), "degrees"),
])  # fmt: skip
def test_coordinates_by_zone_or_code(tmp_path, text, unit):
    path = written(tmp_path, "places.csv", text.encode())
    collect(fake.metropolitan(tmp_path), coordinates=path, year=2023)
    one = od.load("toy")
    assert one.header.coordinates == unit and one.has_places
    assert one.zones["x"].tolist() == [1000 * z if unit == "m" else float(f"127.{z}") for z in range(1, 6)]
    assert one.distances()[0, 1] == pytest.approx(1 if unit == "m" else 8.88, abs=0.01)


def test_coordinates_from_xlsx_make_zones_where_no_file_does(tmp_path):
    rows = [["존번호", "경도", "위도"], *([z, 126 + z / 10, 37] for z in range(1, 6))]
    path = written(tmp_path, "places.xlsx", fake.workbook({"a": rows}))
    collect(written(tmp_path, "ODTRIP23_F.OUT", fake.text(5)), coordinates=path)
    assert od.load("toy").zones["x"].tolist() == pytest.approx([126.1, 126.2, 126.3, 126.4, 126.5])
    bare = collect(tmp_path / "ODTRIP23_F.OUT", "bare")
    assert list(bare.parts) == ["purpose_2023"] and not od.load("bare").has_places and od.load("bare").Z == 5


@pytest.mark.parametrize(("text", "says"), [
    ("zone,x,y\n1,1,2\n", "these are no metres"),
    ("zone,lon,lat\n1,200000,500000\n", "these are no longitude and latitude"),
    ("zone,x,y\n1,1000,2000\n2,1000,2000\n", "3 zones are missing, first 3"),
    ("zone,x,y\n" + "1,1000,2000\n" * 2 + "2,1000,1\n3,1000,1\n4,1000,1\n5,1000,1\n", "given twice"),
    ("zone,x\n1,1000\n", "need the columns zone .*found zone, x"),
    ("zone,x,y\n1,here,2000\n", "row 2, column B: x 'here' is not a number"),
])  # fmt: skip
def test_bad_coordinates(tmp_path, text, says):
    with pytest.raises(DataError, match=f"places.csv.*{says}"):
        collect(fake.national(tmp_path), coordinates=written(tmp_path, "places.csv", text.encode()))


# --- broken files: named by file, row and rule; the store stays as it was


def edited(change) -> bytes:
    return fake.national_purposes((2023,), change)


def lines(change) -> bytes:
    rows = fake.text(5).decode().splitlines()
    return "\r\n".join(change(rows) or rows).encode("cp949")


SHEETS = [
    (lambda r: r.pop(5), "2023_목적OD: 24 rows, but 5 zones need 5² = 25; first missing: origin 1, destination 5"),
    (lambda r: r[7].__setitem__(9, 9999), "row 8 .*total 9999.*not the sum of work, school"),
    (lambda r: r[7].__setitem__(4, -5), "row 8 .*work -5.*negative"),
    (lambda r: r[7].__setitem__(4, "많음"), "row 8, column E: work '많음' is not a number"),
    (lambda r: r[7].__setitem__(4, None), "row 8, column E: work is empty"),
    (lambda r: r[7].__setitem__(2, 1.5), "row 8: origin 1.5 is not a whole number"),
    (lambda r: r.__setitem__(7, r[6]), "row 8 .*this pair of zones was given before"),
    (lambda r: [one.__setitem__(slice(2, 4), [6 if z == 5 else z for z in one[2:4]]) for one in r[1:]],
     "zone ids must be dense, 1 to 6; missing: 5"),
    (lambda r: r[0].__setitem__(4, "수상택시"), "O/D columns 수상택시, 등교, .*known layout.*leave_out="),
    (lambda r: r[0].__setitem__(5, "출근"), "O/D columns 출근, 출근, .*known layout"),
    (lambda r: r.insert(5, []), "row 6, column C: origin is empty"),
]  # fmt: skip
TEXTS = [
    (lambda r: r[:-1], "24 rows, but 5 zones need 5² = 25; first missing: origin 5, destination 5"),
    (lambda r: [*r[:-1], r[-1][:45]], "line 25: 5 columns instead of 9"),
    (lambda r: [*r[:3], r[3] + " 7", *r[4:]], "line 4: 10 columns instead of 9"),
    (lambda r: [*r[:3], r[3].replace("1143.25", "1143.x5"), *r[4:]], "line 4, column 8: '1143.x5' is not a number"),
    (lambda r: [*r[:3], r[3].replace("1143.25", "귀가"), *r[4:]], "line 4, column 8: '귀가' is not a number"),
    (lambda r: [*r[:3], r[3].replace("1143.25", "-143.25"), *r[4:]], "row 4 .*business -143.25.*negative"),
    (lambda r: [*r[:3], r[3].replace(" 1101072", " 1101072.5"), *r[4:]], "line 4, column 2: .* not a whole number"),
    (lambda r: [*r[:3], r[3].replace(" 1101072", " 1101073"), *r[4:]], "zone 1 stands beside several codes"),
    (lambda r: [line.replace("1101072", "1101079") for line in r], "zone 1 has the code 1101079, but 1101072 in"),
    (lambda r: [line.replace("         5   ", "         6   ") for line in r], "dense, 1 to 6; missing: 5"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), SHEETS)
def test_broken_workbook(tmp_path, ready, change, says):
    shutil.copytree(ready, tmp_path / "data")
    before = state(store.folder() / "national")
    bad = written(tmp_path, "전국 목적OD.xlsx", edited(change))
    with pytest.raises(DataError, match=f"전국 목적OD.xlsx.*{says}"):
        collect(bad, "national")
    assert len(before) >= 4 and state(store.folder() / "national") == before


@pytest.mark.parametrize(("change", "says"), TEXTS)
def test_broken_text(tmp_path, ready, change, says):
    """The zone system is that of the store: its file was given before."""
    shutil.copytree(ready, tmp_path / "data")
    before = state(store.folder() / "metropolitan")
    package = fake.package(tmp_path / "a.zip", {"4. OD/ODTRIP23_F.OUT": lines(change)})
    with pytest.raises(DataError, match=f"a.zip: 4. OD/ODTRIP23_F.OUT.*{says}"):
        collect(package, "metropolitan")
    assert len(before) >= 3 and state(store.folder() / "metropolitan") == before


def test_thousands_separators_in_texts(tmp_path):
    content = lines(lambda rows: [line.replace(" 1111.25", "1,111.25") for line in rows])
    assert b"1,111.25" in content
    collect(written(tmp_path, "ODTRIP23_F.OUT", content))
    assert row(od.load("toy"), 1, 1)["work"] == 1111.25


@pytest.mark.parametrize(("name", "content", "says"), [
    ("a.zip", b"<!DOCTYPE html><html>login", "a.zip: is a web page, not a zip.*Download the package again"),
    ("a.zip", b"PK\x03\x04 cut off", "a.zip: is no whole zip"),
    ("a.xlsx", b"PK\x03\x04 cut off", "a.xlsx: is no whole workbook"),
    ("ODTRIP23_F.OUT", fake.text(5).decode().encode("utf-16"), "is not text in ASCII or cp949"),
    ("ODTRIP23_F.OUT", b"", "ODTRIP23_F.OUT: is empty"),
    ("SUB_POP23.TXT", "일련번호 ZONE_ID 남0".encode("utf-16-le"), "is not text in ASCII or cp949"),
    ("SUB_POP23.TXT", "일련번호 ZONE_ID 남0".encode("cp949") + b"\xff\xfe", "is not text in ASCII or cp949"),
    ("POP23.TXT", fake.people_by_age(), "under a name or header that is not known"),
    ("OD_MMODE_BUSI_23_F.TXT", fake.text(10), "14 columns of numbers .* nobody has described"),
    ("ODMOD23.OUT", fake.text(8), "12 columns of numbers .*leave_out=ODMOD23.OUT"),
    ("부산_접근수단통행.xlsx", fake.access(), "접근수단 and 품목 tables have not been seen"),
    ("품목별 OD.xlsx", fake.workbook({"2023년": [["O", "D", "곡물"], [1, 1, 5]]}), "an O/D layout that nobody"),
    ("notes.txt", b"read me\n", r"no O/D table in notes.txt \(left out: notes.txt\). KTDB gives no address"),
    ("250 존체계.xlsx", fake.zones_250(), "no O/D table .*log in at ktdb.go.kr, apply"),
])  # fmt: skip
def test_files_that_cannot_be_read_say_what_to_do(tmp_path, name, content, says):
    with pytest.raises(DataError, match=says):
        collect(written(tmp_path, name, content))
    assert not (store.folder() / "toy").exists()


def test_damage_within_a_zip(tmp_path):
    path = fake.package(tmp_path / "a.zip", {"4. OD/ODTRIP23_F.OUT": fake.text(5)})
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.zip: 4. OD/ODTRIP23_F.OUT: is damaged .*Download the package again"):
        collect(path)
    content[200] ^= 0xFF
    content[6] |= 1  # says that it is locked, here and in the directory at the end
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="needs a password"):
        collect(path)


def test_what_does_not_belong_together(tmp_path):
    six = fake.workbook({"a": [["대존", "소존", "250존체계"], *([1, "가", z] for z in range(1, 7))]})
    with pytest.raises(DataError, match=r"two zone systems, in .*\(5 zones\) and in zones.xlsx \(6\)"):
        collect(f"{fake.national(tmp_path)},{written(tmp_path, 'zones.xlsx', six)}")
    with pytest.raises(DataError, match="5 zones, but its zone system has 6"):
        collect(fake.national(tmp_path, **{"1. 존체계/250 존체계.xlsx": six}))
    hole = fake.workbook({"a": [["대존", "소존", "250존체계"], [1, "가", 1], [1, "나", 3]]})
    with pytest.raises(DataError, match="zone ids must be 1 to 2, each once"):
        collect(written(tmp_path, "zones.xlsx", hole), "b")
    bare = fake.workbook({"a": [["시군구", "행정동", "존체계_읍면동"]]})
    with pytest.raises(DataError, match="sheet a: no zones"):
        collect(written(tmp_path, "bare.xlsx", bare), "b")
    stranger = fake.workbook({"총인구": [["a", "b", None, "2023년"], [1, 1, 9, 7]]})
    with pytest.raises(DataError, match="총인구: zone 9 is not in the zone system"):
        collect(fake.national(tmp_path, **{"3. 사회경제지표/전국지역간_사회경제지표.xlsx": stranger}), "c")


def test_tolerance_is_a_setting(tmp_path):
    near = written(tmp_path, "목적OD.xlsx", edited(lambda rows: rows[7].__setitem__(9, rows[7][9] + 20)))
    with pytest.raises(DataError, match="not the sum"):
        collect(near)
    collect(near, tolerance=20)
    assert od.load("toy").table["total"].sum() > 0


def test_names_and_kinds_are_checked_on_loading(tmp_path):
    collect(fake.national(tmp_path))
    with pytest.raises(DataError, match="'toy' is an origin-destination table of one average weekday"):
        store.load("toy")
    with pytest.raises(DataError, match="toy"):
        load("toy")
    with pytest.raises(DataError, match="toy has no O/D table mode; there are purpose 2023, purpose 2030"):
        od.load("toy", kind="mode")
    with pytest.raises(DataError, match="nothing called 'other' was collected"):
        od.load("other")
    (store.folder() / "toy" / "purpose_2023.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        od.load("toy")


def test_options_are_described():
    for name, option in ktdb.Options.model_fields.items():
        assert option.description, name


# --- twice, killed


def test_twice_changes_nothing(tmp_path):
    package = fake.metropolitan(tmp_path)
    before = state(collect(package))
    assert state(collect(package)) == before


def parquet(folder: Path) -> dict:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))}


def test_interrupted_and_collected_again(tmp_path, monkeypatch):
    package = fake.metropolitan(tmp_path)
    whole = parquet(collect(package, "whole", year=2023).folder)
    seen, read = [], ktdb_tables.text_flows

    def stop_at_third(file, *rest):
        seen.append(file)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(file, *rest)

    monkeypatch.setattr(ktdb_tables, "text_flows", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        collect(package, year=2023)
    half = parquet(store.folder() / "toy")
    assert 0 < len(half) < len(whole) and half.items() <= whole.items()
    assert parquet(collect(package, year=2023).folder) == whole


def test_killed_and_collected_again(tmp_path):
    """A real SIGKILL in the middle of a table: what is there is whole, and the rest follows."""
    package = fake.national(tmp_path)
    whole = parquet(collect(package, "whole").folder)
    program = """
import os, signal, sys
from litecast.collect import collecting
from litecast.data import store
from litecast.collect.sources import ktdb
import pandas
write, count = pandas.DataFrame.to_parquet, []
def killed(table, path, **rest):
    write(table, path, **rest)
    count.append(1)
    if len(count) == 4:
        os.truncate(path, 100)
        os.kill(os.getpid(), signal.SIGKILL)
pandas.DataFrame.to_parquet = killed
collecting.collect("ktdb", "toy", {"files": sys.argv[1]})
"""
    died = subprocess.run([sys.executable, "-c", program, str(package)], env=dict(os.environ), check=False)
    assert died.returncode == -signal.SIGKILL
    half = parquet(store.folder() / "toy")
    assert len(half) == 3 and half.items() <= whole.items()
    assert parquet(collect(package).folder) == whole


def test_a_new_package_is_imported_again(tmp_path):
    package = fake.national(tmp_path)
    before = parquet(collect(package).folder)
    fake.national(tmp_path, **{"5. OD/전국_2023년~2050년 목적별OD(250).xlsx": edited(
        lambda rows: rows[1].__setitem__(slice(4, 10), [1, 1, 1, 1, 1, 5]))})  # fmt: skip
    after = parquet(collect(package).folder)
    assert after["purpose_2023.parquet"] != before["purpose_2023.parquet"]
    assert after["zones.parquet"] == before["zones.parquet"]
    assert row(od.load("toy"), 1, 1)["total"] == 5


def test_chunks_do_not_change_the_table(tmp_path, monkeypatch):
    path = written(tmp_path, "ODTRIP23_F.OUT", fake.text(5))
    sheet = written(tmp_path, "전국 목적OD.xlsx", fake.national_purposes((2023,)))
    whole = [collect(path).part("purpose_2023"), collect(sheet, "sheet").part("purpose_2023")]
    monkeypatch.setattr(ktdb_files, "LINES", 7)
    monkeypatch.setattr(ktdb_files, "ROWS", 7)
    for name, source, one in (("a", path, whole[0]), ("b", sheet, whole[1])):
        pd.testing.assert_frame_equal(collect(source, name).part("purpose_2023"), one)


def test_blank_rows_at_the_end_are_no_rows(tmp_path):
    book = openpyxl.load_workbook(written(tmp_path, "전국 목적OD.xlsx", fake.national_purposes((2023,))))
    book["2023_목적OD"].cell(40, 1).value = ""
    book["2023_목적OD"].cell(40, 3).number_format = "0"
    book.save(tmp_path / "전국 목적OD.xlsx")
    collect(tmp_path / "전국 목적OD.xlsx")
    assert od.load("toy").Z == 5
